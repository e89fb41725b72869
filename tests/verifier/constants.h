/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon writes into a BPF object between opening and loading it. */
#ifndef VERIFIER_CONSTANTS_H
#define VERIFIER_CONSTANTS_H

#include <bpf/libbpf.h>

/* Gives the constants of an object such values as a gateway has, so that the verifier follows the paths of a real load. */
void constants_set(struct bpf_object *object, const char *path);

#endif
