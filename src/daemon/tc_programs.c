/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs at the external interface (tc.bpf.c): opening and loading them. */
#include "tc_programs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "bpf/tc.skel.h"

/* ---- what libbpf says ----------------------------------------------------------------------------------------- */

/* The last warning, for the one line that reports a failure; all of it with BAUTA_DEBUG in the environment. */
static char last_warning[256];

static int take_message(enum libbpf_print_level level, const char *format, va_list args)
{
	va_list copy;

	if (getenv("BAUTA_DEBUG")) {
		va_copy(copy, args);
		vfprintf(stderr, format, copy);
		va_end(copy);
	}
	/* The verifier's log is many lines; its last ones say it. */
	if (level == LIBBPF_WARN && !strstr(format, "BEGIN PROG LOAD LOG"))
		vsnprintf(last_warning, sizeof(last_warning), format, args);
	last_warning[strcspn(last_warning, "\n")] = '\0';
	return 0;
}

/* ---- loading -------------------------------------------------------------------------------------------------- */

int tc_programs_open(struct tc **ret_programs, struct fault *fault)
{
	struct tc *programs;

	libbpf_set_print(take_message);
	programs = tc__open();
	if (!programs)
		return fault_set_errno(fault, errno, "cannot open the BPF programs");
	*ret_programs = programs;
	return 0;
}

int tc_programs_use_store(struct tc *programs, const struct store_map *map, struct fault *fault)
{
	int err = bpf_map__reuse_fd(programs->maps.store, map->store_fd);

	if (!err)
		err = bpf_map__reuse_fd(programs->maps.dirty, map->dirty_fd);
	return err ? fault_set_errno(fault, -err, "cannot use the table that was made") : 0;
}

int tc_programs_load(struct tc *programs, const struct store_shape *shape, const struct clock *clock, __u32 l2_len,
		     struct fault *fault)
{
	int err;

	memcpy((void *)&programs->rodata->shape, shape, sizeof(*shape));
	*(__u64 *)&programs->rodata->clock_mult = clock->mult;
	*(__u32 *)&programs->rodata->l2_len = l2_len;
	last_warning[0] = '\0';
	err = tc__load(programs);
	if (err)
		return fault_set_errno(
			fault, -err,
			"cannot load the BPF programs (needed: kernel 6.1 or later; BAUTA_DEBUG=1 shows more)%s%s",
			last_warning[0] ? ": " : "", last_warning);
	return 0;
}
