/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs at the external interface (tc.bpf.c): opening and loading them. */
#ifndef BAUTA_TC_PROGRAMS_H
#define BAUTA_TC_PROGRAMS_H

#include "contract.h"
#include "fault.h"
#include "store_map.h"

struct tc;

/* What libbpf says from then on is kept for the line that tells of a failure; with BAUTA_DEBUG in the environment it is shown. */
int tc_programs_open(struct tc **ret_programs, struct fault *fault);

/* Gives them the store that was made. */
int tc_programs_use_store(struct tc *programs, const struct store_map *map, struct fault *fault);

/* Loads them, with the maps that they were given. */
int tc_programs_load(struct tc *programs, const struct store_shape *shape, const struct clock *clock, __u32 l2_len,
		     struct fault *fault);

#endif
