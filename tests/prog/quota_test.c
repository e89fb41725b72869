/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quotas in the kernel's own maps: which records go. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "gateway.h"

#include "bpf/tc.skel.h"

static struct gateway gateway;

static int quotas_fd(void)
{
	return bpf_map__fd(gateway.programs->maps.quotas);
}

/* ---- records -------------------------------------------------------------------------------------------------- */

static __u32 reap(__be32 addr)
{
	struct sweep_request request = { .head = { .op = SWEEP_QUOTA, .num = 1 }, .index = { addr } };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &request, .data_size_in = sizeof(request), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(gateway.programs->progs.bauta_sweep), &opts), 0);
	return opts.retval;
}

static void only_the_record_of_a_host_that_has_nothing_goes(void **state)
{
	static const struct {
		struct quota quota;
		__u32 reaped;
	} cases[] = {
		{ { .second = 1 }, 1 },
		{ { .second = 1, .num_new = 3 }, 1 },
		{ { .second = 1, .num_sessions = 1 }, 0 },
		{ { .second = 1, .num_ports = 1 }, 0 },
		{ { .second = 1, .dead = 1 }, 0 },
		{ { .second = 0x7fffff00 }, 0 },
	};
	__be32 key = inet_addr("192.168.0.5");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct quota quota = cases[i].quota;

		quota.addr = key;
		assert_int_equal(bpf_map_update_elem(quotas_fd(), &key, &quota, BPF_ANY), 0);
		assert_int_equal(reap(key), cases[i].reaped);
		assert_int_equal(bpf_map_lookup_elem(quotas_fd(), &key, &quota), cases[i].reaped ? -ENOENT : 0);
	}
	assert_int_equal(reap(inet_addr("192.168.0.6")), 0);
}

static int open_gateway(void **state)
{
	(void)state;
	gateway_open(&gateway, ETH_HLEN, 64);
	return 0;
}

static int close_gateway(void **state)
{
	(void)state;
	gateway_close(&gateway);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_record_of_a_host_that_has_nothing_goes),
	};

	return cmocka_run_group_tests(tests, open_gateway, close_gateway);
}
