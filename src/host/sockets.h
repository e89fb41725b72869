/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets of this network namespace's host that concern IPv4, and the processes that have them open. */
#ifndef BAUTA_SOCKETS_H
#define BAUTA_SOCKETS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "fault.h"
#include "ranges.h"
#include "tuple.h"

/* An IPv6 socket that also takes IPv4 (mapped address, or :: without IPV6_V6ONLY) is here as the IPv4 one it acts as. */
struct host_socket {
	struct endpoint local;  /* address 0.0.0.0: wildcard */
	struct endpoint remote; /* 0.0.0.0:0: not connected */
	__u64 inode;            /* 0: no process has it any more (TIME_WAIT, orphaned, half open) */
	__u32 uid;
	__u32 ifindex; /* of the interface that it is bound to; 0: none */
	__u8 proto;
	__u8 state; /* TCP_* of <linux/tcp.h>'s state list: 1 established .. 6 TIME_WAIT, 10 listen, 13 bound */
};

struct sockets {
	size_t num;
	struct host_socket *socket;
};

struct process {
	pid_t pid;
	char comm[16];
};

/* All TCP sockets in every state, and all UDP sockets. */
int sockets_read(struct sockets *ret_sockets, struct fault *fault);
void sockets_free(struct sockets *sockets);

/* The socket that would receive a packet from remote to local: connected before bound to the address before wildcard;
 * NULL if none would.
 */
const struct host_socket *sockets_find(const struct sockets *sockets, __u8 proto, struct endpoint local,
				       struct endpoint remote);

/* The ports that sockets of this protocol sit on, on this address or on the wildcard. */
void sockets_ports(const struct sockets *sockets, __u8 proto, __be32 addr, struct ranges *ret_ports);

/* Makes what any program can choose as its name fit for a terminal, a log and JSON: what is not printable ASCII becomes
 * "?". Reads no further than `size` bytes, and ends the name there.
 */
void process_clean_comm(char *comm, size_t size);

/* The name of a process, clean; "" if it is gone. `proc` is /proc. */
void process_read_comm(int proc, const char *pid, char comm[16]);

/* A process that has the socket with this inode open: 0, or -ENOENT. Looks through /proc, which takes a while. */
int process_find(__u64 inode, struct process *ret_process);

/* Whether this is the PID namespace that all others are in: only its /proc shows every process of the machine. */
bool process_is_in_first_namespace(void);

/* A process number that the kernel's hooks gave, as it is here: they count from outside of all pid namespaces, and inside of one
 * that is another number, which cannot be known (0).
 */
__u32 process_number(__u32 number);

/* The name of a TCP state: "listen", "time-wait"; "bound" for UDP. */
const char *socket_state_name(const struct host_socket *socket);

#endif
