/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A side of the bench: a namespace with a device, where a generator sends from and a sink takes. */
#ifndef BENCH_SIDE_H
#define BENCH_SIDE_H

#include <linux/types.h>

#include "frame.h"

struct bpf_link;
struct bpf_program;

struct namespace
{
	int fd;
	const char *device;
};

/* Says why on stderr, and exits: 1. */
void __attribute__((noreturn, format(printf, 1, 2))) side_die(const char *format, ...);

/* Moves the calling thread there. */
void side_enter(const struct namespace *namespace);

/* argument: NAMESPACE DEVICE NEXT-HOP-MAC. Leaves the thread in that namespace. Exits on failure, as all here do. */
void side_open(char **argument, struct namespace *ret_namespace, struct side *ret_side);

/* Attaches an XDP program; leaves the thread in that namespace. */
struct bpf_link *side_attach(const struct namespace *namespace, const struct bpf_program *program, __u32 ifindex);

/* Binds the calling thread to a CPU. */
void side_bind_cpu(int cpu);

#endif
