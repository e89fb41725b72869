/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config.mss: the MSS of SYNs is lowered to it in both directions, wherever it stands, and nothing else changes. */
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway.h"
#include "mss.h"

#define MSS 1240

static struct gateway gateway;

static void begin(__u16 mss)
{
	gateway_reset(&gateway, "40000-40009");
	gateway.config.mss = mss;
	gateway_configure(&gateway);
}

/* A segment whose options are `before` no-operations, the MSS, and no-operations to the end; 0: no MSS. */
static void make(struct frame *frame, struct endpoint src, struct endpoint dst, __u32 flags, __u32 before, __u16 mss)
{
	__u32 len = mss ? (before + 4 + 3) / 4 * 4 : before;
	struct tcphdr *tcp;
	__u8 *options;

	frame_tcp(frame, src, dst, flags, len);
	tcp = frame_l4(frame);
	options = (__u8 *)(tcp + 1);
	memset(options, TCP_OPTION_NOP, len);
	if (mss)
		memcpy(options + before, (__u8[]){ TCP_OPTION_MSS, TCP_OPTION_MSS_LEN, mss >> 8, mss }, 4);
	tcp->doff = (sizeof(*tcp) + len) / 4;
	frame_seal(frame);
}

/* What comes out is what would have, had its sender offered `to`. */
static void check_out(__u32 flags, __u32 before, __u16 from, __u16 to)
{
	struct frame frame, wanted;

	make(&frame, at(INTERNAL, 40003), at(REMOTE, 80), flags, before, from);
	make(&wanted, at(EXTERNAL, 40003), at(REMOTE, 80), flags, before, to);
	assert_int_equal(gateway_egress(&gateway, &frame, FROM_INTERNAL).action, TC_ACT_UNSPEC);
	assert_true(frame_equal(&frame, &wanted));
}

static void check_in(__u32 flags, __u32 before, __u16 from, __u16 to)
{
	struct frame frame, wanted;

	make(&frame, at(REMOTE, 80), at(EXTERNAL, 40003), flags, before, from);
	make(&wanted, at(REMOTE, 80), at(INTERNAL, 40003), flags, before, to);
	assert_int_equal(gateway_ingress(&gateway, &frame, 0).reason, TRANSLATED_INBOUND);
	assert_true(frame_equal(&frame, &wanted));
}

static void lowers_it_in_both_directions(void **state)
{
	(void)state;
	for (__u32 before = 0; before <= TCP_OPTIONS_MAX - 4; before++) {
		begin(MSS);
		check_out(LIFE_SYN, before, 1460, MSS);
		check_out(LIFE_SYN, before, 65535, MSS); /* again, on the session that is there */
		check_in(LIFE_SYN | LIFE_ACK, before, 8960, MSS);
		check_in(LIFE_SYN, before, 1461, MSS); /* simultaneous open */
		check_out(LIFE_SYN | LIFE_ACK, before, 1241, MSS);
		gateway_check(&gateway);
	}
}

static void never_raises_it(void **state)
{
	(void)state;
	begin(MSS);
	check_out(LIFE_SYN, 0, MSS, MSS);
	check_out(LIFE_SYN, 1, 536, 536);
	check_in(LIFE_SYN | LIFE_ACK, 3, 1, 1);
}

static void leaves_all_else(void **state)
{
	(void)state;
	begin(MSS);
	check_out(LIFE_SYN, 0, 0, 0); /* nothing is put in */
	check_out(LIFE_SYN, 40, 0, 0);
	check_in(LIFE_SYN | LIFE_ACK, 20, 0, 0);
	check_out(LIFE_ACK, 0, 1460, 1460); /* an option that means nothing here */
	check_in(LIFE_ACK, 0, 1460, 1460);
	begin(0);
	check_out(LIFE_SYN, 0, 1460, 1460);
	check_in(LIFE_SYN | LIFE_ACK, 0, 65535, 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lowers_it_in_both_directions),
		cmocka_unit_test(never_raises_it),
		cmocka_unit_test(leaves_all_else),
	};

	return gateway_run_tests(&gateway, 1024, tests, sizeof(tests) / sizeof(tests[0]));
}
