/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The namespaces and devices that generators and sinks work in. */
#include "side.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bpf/libbpf.h>

void side_die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

void side_enter(const struct namespace *namespace)
{
	if (setns(namespace->fd, CLONE_NEWNET))
		side_die("cannot enter the namespace of %s: %s", namespace->device, strerror(errno));
}

static void mac_parse(const char *text, __be16 ret_mac[3])
{
	unsigned int byte[6];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5]) != 6)
		side_die("MAC address \"%s\": six bytes, as in 02:00:00:00:00:01", text);
	for (int i = 0; i < 3; i++)
		ret_mac[i] = htons(byte[2 * i] << 8 | byte[2 * i + 1]);
}

void side_open(char **argument, struct namespace *ret_namespace, struct side *ret_side)
{
	struct ifreq request = { 0 };
	char path[256];
	int socket_fd;

	snprintf(path, sizeof(path), "/run/netns/%s", argument[0]);
	ret_namespace->device = argument[1];
	ret_namespace->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (ret_namespace->fd < 0)
		side_die("cannot open %s: %s", path, strerror(errno));
	side_enter(ret_namespace);

	ret_side->ifindex = if_nametoindex(argument[1]);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", argument[1]);
	socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!ret_side->ifindex || socket_fd < 0 || ioctl(socket_fd, SIOCGIFHWADDR, &request))
		side_die("no interface %s in namespace %s", argument[1], argument[0]);
	close(socket_fd);
	memcpy(ret_side->source, request.ifr_hwaddr.sa_data, sizeof(ret_side->source));
	mac_parse(argument[2], ret_side->next_hop);
}

struct bpf_link *side_attach(const struct namespace *namespace, const struct bpf_program *program, __u32 ifindex)
{
	struct bpf_link *link;

	side_enter(namespace);
	link = bpf_program__attach_xdp(program, ifindex);
	if (!link)
		side_die("cannot attach the sink to %s: %s", namespace->device, strerror(errno));
	return link;
}

void side_bind_cpu(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		side_die("cannot run on CPU %d: %s", cpu, strerror(errno));
}
