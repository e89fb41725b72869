/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel says of XDP programs, beyond an error number. */
#ifndef BAUTA_XDP_ATTACH_H
#define BAUTA_XDP_ATTACH_H

#include <linux/types.h>
#include <stddef.h>

/* Why a program cannot be attached natively, in the words of the kernel or the driver; "" if it has none. */
void xdp_attach_ask(__u32 ifindex, int program, char *words, size_t size);

/* The name of the program with this id; "" if it has none, or is gone. Room for XDP_PROGRAM_NAME. */
#define XDP_PROGRAM_NAME 16
char *xdp_program_name(__u32 id, char *name);

#endif
