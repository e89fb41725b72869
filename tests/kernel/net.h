/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small network that a probe plays in. Its namespaces have no names: they are gone when the probe is, however it
 * ends.
 *
 * client 192.168.0.5 eth0 --- int 192.168.0.1  gateway  192.0.2.1 ext --- eth0 192.0.2.8 remote
 */
#ifndef TESTS_KERNEL_NET_H
#define TESTS_KERNEL_NET_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>

#define CLIENT_ADDR "192.168.0.5"
#define INTERNAL_ADDR "192.168.0.1"
#define EXTERNAL_ADDR "192.0.2.1"
#define REMOTE_ADDR "192.0.2.8"

struct net {
	int client; /* file descriptors of the namespaces */
	int gateway;
	int remote;
};

/* Builds the network; the caller is then in the gateway's namespace. */
struct net net_create(void);

/* A network namespace with its loopback device up; the caller stays where it is. */
int net_namespace(void);

void net_enter(int namespace);

/* Runs a shell command in the namespace that the caller is in; the probe ends if it fails. */
void net_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Transmit checksum offload of a device: without it, the kernel completes partial checksums before the device sees
 * them.
 */
void net_tx_checksum(const char *device, int on);

/* A counter of /proc/net/snmp or /proc/net/netstat of the namespace that the caller is in, for instance "Icmp",
 * "InCsumErrors".
 */
long net_counter(const char *group, const char *name);

struct sockaddr_in net_address(const char *address, uint16_t port);

/* A socket bound to address:port, NULL: unbound; with a receive time-out of two seconds. */
int net_socket(int type, const char *address, uint16_t port);

/* Returns 0 or the errno of connect(). */
int net_connect(int fd, const char *address, uint16_t port);

/* The port that a socket is bound to. */
uint16_t net_port(int fd);

double net_milliseconds(void);

#endif
