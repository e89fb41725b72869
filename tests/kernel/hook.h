/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs put on the tc hooks of a device. */
#ifndef TESTS_KERNEL_HOOK_H
#define TESTS_KERNEL_HOOK_H

#include <bpf/libbpf.h>

/* With handle 1 and priority 1. The probe ends if it cannot be done. */
void hook_attach(const char *device, enum bpf_tc_attach_point point, const struct bpf_program *program);

/* A tc program run once over a packet that it does not look at: what it returned. */
int hook_run_once(const struct bpf_program *program);

#endif
