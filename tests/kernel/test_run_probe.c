/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BPF_PROG_TEST_RUN hands a tc program up to about 3.5 kB of data and gives them back: how the sweep names its
 * candidates.
 */
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <bpf/bpf.h>

#include "hook.h"
#include "kernel/test_run.skel.h"
#include "tap.h"

enum { HEADER = 16, NEEDED = 3500, LIMIT = 8192 };

static bool run(struct test_run *bpf, void *data, unsigned int len, int *ret_error)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = len, .data_out = data,
		    .data_size_out = len);

	*ret_error = -bpf_prog_test_run_opts(bpf_program__fd(bpf->progs.work), &opts);
	return *ret_error == 0 && opts.retval == TC_ACT_OK && opts.data_size_out == len;
}

int main(void)
{
	static uint32_t data[LIMIT / sizeof(uint32_t)];
	struct test_run *bpf = test_run__open_and_load();
	unsigned int accepted = 64, refused = LIMIT;
	uint64_t sum = 0;
	int error;

	if (!bpf)
		tap_die("cannot load the program");
	for (unsigned int i = HEADER / sizeof(*data); i < NEEDED / sizeof(*data); i++)
		sum += data[i] = i;
	tap_ok(run(bpf, data, NEEDED, &error), "%d bytes are taken", NEEDED);
	tap_equal(bpf->bss->num_words, (NEEDED - HEADER) / 4, "the program sees them all");
	tap_equal(bpf->bss->sum, sum, "as they were");
	tap_equal(data[HEADER / 4], bpf->bss->num_words, "and what it writes comes back");
	tap_ok(bpf->bss->ifindex != 0, "it runs as if on the loopback device");

	/* the limit is a page less what the kernel keeps for itself; 6.16 and later may take more */
	while (refused - accepted > 1) {
		unsigned int middle = (accepted + refused) / 2;

		if (run(bpf, data, middle, &error))
			accepted = middle;
		else
			refused = middle;
	}
	run(bpf, data, refused, &error);
	tap_note("%u bytes are taken, %u are refused: %s", accepted, refused, strerror(error));
	tap_ok(!run(bpf, data, 13, &error), "less than a link header is refused");
	test_run__destroy(bpf);
	return tap_finish();
}
