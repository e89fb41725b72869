/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What send_again.bpf.c writes down of each time that it is run. */
#ifndef TESTS_KERNEL_SEND_AGAIN_H
#define TESTS_KERNEL_SEND_AGAIN_H

#include <linux/types.h>

struct run {
	__u32 ingress_ifindex;
	__u32 len;
	__u32 mark;
	__u32 nested; /* the program was in clone_redirect when this began */
	__u32 letter;
};

#endif
