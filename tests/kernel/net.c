/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The probes' network of three namespaces. */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

static int open_own_namespace(void)
{
	/* not close-on-exec: ip(8) reaches a namespace as /proc/self/fd/N */
	int fd = open("/proc/self/ns/net", O_RDONLY);

	if (fd < 0)
		tap_die("cannot open /proc/self/ns/net");
	return fd;
}

void net_enter(int namespace)
{
	if (setns(namespace, CLONE_NEWNET))
		tap_die("cannot enter a network namespace");
}

int net_namespace(void)
{
	int home = open_own_namespace();
	int created;

	if (unshare(CLONE_NEWNET))
		tap_die("cannot make a network namespace");
	created = open_own_namespace();
	net_shell("ip link set lo up");
	net_enter(home);
	close(home);
	return created;
}

void net_shell(const char *format, ...)
{
	char command[2048];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	status = system(command);
	errno = 0;
	if (status)
		tap_die("`%s` ended with status %d", command, status);
}

struct net net_create(void)
{
	struct net net = { net_namespace(), net_namespace(), net_namespace() };

	net_enter(net.client);
	net_shell("ip -batch - <<-END\n"
		  "link add eth0 type veth peer name int netns /proc/self/fd/%d\n"
		  "address add " CLIENT_ADDR "/24 dev eth0\n"
		  "link set eth0 up\n"
		  "END",
		  net.gateway);
	net_enter(net.remote);
	net_shell("ip -batch - <<-END\n"
		  "link add eth0 type veth peer name ext netns /proc/self/fd/%d\n"
		  "address add " REMOTE_ADDR "/24 dev eth0\n"
		  "link set eth0 up\n"
		  "route add 192.168.0.0/24 via " EXTERNAL_ADDR "\n"
		  "END",
		  net.gateway);
	net_enter(net.gateway);
	net_shell("ip -batch - <<-END && echo 1 >/proc/sys/net/ipv4/ip_forward\n"
		  "address add " INTERNAL_ADDR "/24 dev int\n"
		  "address add " EXTERNAL_ADDR "/24 dev ext\n"
		  "link set int up\n"
		  "link set ext up\n"
		  "END");
	net_enter(net.client);
	net_shell("ip route add default via " INTERNAL_ADDR);
	net_enter(net.gateway);
	return net;
}

void net_tx_checksum(const char *device, int on)
{
	struct ethtool_value value = { .cmd = ETHTOOL_STXCSUM, .data = on };
	struct ifreq request = { .ifr_data = (void *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (ioctl(fd, SIOCETHTOOL, &request))
		tap_die("cannot set the transmit checksum of %s", device);
	close(fd);
}

/* The files hold pairs of lines, "Group: name name ..." and "Group: value value ...". */
static long find_counter(const char *path, const char *group, const char *name)
{
	static char names[8192], values[8192];
	FILE *file = fopen(path, "re");
	long found = -1;

	if (!file)
		tap_die("cannot open %s", path);
	while (found < 0 && fgets(names, sizeof(names), file) && fgets(values, sizeof(values), file)) {
		char *save_name, *save_value;
		char *one = strtok_r(names, " \n", &save_name);
		char *value = strtok_r(values, " \n", &save_value);

		if (!one || strncmp(one, group, strlen(group)) || strcmp(one + strlen(group), ":"))
			continue;
		while (one && value && strcmp(one, name)) {
			one = strtok_r(NULL, " \n", &save_name);
			value = strtok_r(NULL, " \n", &save_value);
		}
		if (one && value)
			found = strtol(value, NULL, 10);
	}
	fclose(file);
	return found;
}

long net_counter(const char *group, const char *name)
{
	long value = find_counter("/proc/thread-self/net/snmp", group, name);

	if (value < 0)
		value = find_counter("/proc/thread-self/net/netstat", group, name);
	errno = 0;
	if (value < 0)
		tap_die("no counter %s %s", group, name);
	return value;
}

struct sockaddr_in net_address(const char *address, uint16_t port)
{
	struct sockaddr_in result = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, address, &result.sin_addr) != 1)
		tap_die("%s is no IPv4 address", address);
	return result;
}

int net_socket(int type, const char *address, uint16_t port)
{
	const struct timeval timeout = { .tv_sec = 2 };
	const int on = 1;
	int fd = socket(AF_INET, type, 0);

	if (fd < 0)
		tap_die("cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (address) {
		struct sockaddr_in own = net_address(address, port);

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&own, sizeof(own)))
			tap_die("cannot bind to %s port %u", address, port);
	}
	return fd;
}

int net_connect(int fd, const char *address, uint16_t port)
{
	struct sockaddr_in to = net_address(address, port);

	return connect(fd, (struct sockaddr *)&to, sizeof(to)) ? errno : 0;
}

uint16_t net_port(int fd)
{
	struct sockaddr_in own = { 0 };
	socklen_t len = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &len))
		tap_die("cannot ask for the port of a socket");
	return ntohs(own.sin_port);
}

double net_milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}
