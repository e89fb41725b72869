/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs of the socket hooks' probe tell. */
#ifndef TESTS_KERNEL_SOCKET_HOOK_H
#define TESTS_KERNEL_SOCKET_HOOK_H

#include <linux/types.h>

enum hook { BIND4, POST_BIND4, CONNECT4, CONNECT6, SENDMSG4, SENDMSG6, NUM_HOOK };

/* What a hook saw last. */
struct seen {
	__u32 num;
	__u32 port;   /* the socket's own, host order */
	__u32 chosen; /* by the program, not by the kernel */
	__u32 protocol;
	__u32 type;
	__be32 own;
	__be32 remote;
	__u32 remote_port; /* host order */
	__u32 pid;
	char comm[16];
	__u64 netns;
};

#endif
