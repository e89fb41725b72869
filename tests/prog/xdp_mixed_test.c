/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets of one session that xdp and tc see in any order, beside another gateway where tc sees all of them: what is sent, and
 * what the table says of the session, is the same in both.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "beside.h"
#include "chance.h"
#include "packet.h"
#include "session.h"

#define NUM_PACKETS 2000
#define NUM_PACKETS_EMULATED 800

static int num_by_xdp, num_created, num_expired, num_in_state[NUM_SESSION_STATE];

/* ---- one packet ----------------------------------------------------------------------------------------------- */

static const __u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };

struct choice {
	__u8 proto;
	bool inbound;
	__u32 flags;
};

static struct endpoint remote_of(__u8 proto)
{
	return at(REMOTE, proto == IPPROTO_ICMP ? 0 : 80);
}

static void make(struct frame *frame, const struct choice *choice)
{
	const char *internal = choice->inbound ? EXTERNAL : INTERNAL;

	if (choice->proto == IPPROTO_TCP)
		frame_tcp(frame, at(internal, 40003), remote_of(choice->proto), choice->flags, 20);
	else if (choice->proto == IPPROTO_UDP)
		frame_udp(frame, at(internal, 40003), remote_of(choice->proto), 20);
	else
		frame_icmp(frame, inet_addr(internal), inet_addr(REMOTE), ICMP_TYPE_ECHO, 40003);
	if (choice->inbound)
		frame_reverse(frame);
}

/* Flags that real connections have, and some that they have not. */
static __u32 draw_flags(void)
{
	static const __u32 usual[] = { LIFE_ACK,
				       LIFE_ACK,
				       LIFE_ACK,
				       LIFE_SYN,
				       LIFE_SYN | LIFE_ACK,
				       LIFE_RST,
				       LIFE_RST,
				       LIFE_FIN | LIFE_ACK,
				       LIFE_FIN,
				       LIFE_RST | LIFE_ACK };
	__u32 n = below(16);

	return n < sizeof(usual) / sizeof(usual[0]) ? usual[n] : platform_random() & LIFE_TCP_MASK;
}

static struct outcome by_tc(struct gateway *gateway, const struct choice *choice, struct frame *frame)
{
	return choice->inbound ? gateway_ingress(gateway, frame, 0) : gateway_egress(gateway, frame, FROM_INTERNAL);
}

/* Whether tc has done to a packet what xdp says it has. */
static bool is_translated(const struct choice *choice, enum fast_reason reason, struct outcome outcome)
{
	if (outcome.action != TC_ACT_UNSPEC)
		return false;
	if (reason == FAST_CREATED)
		return outcome.reason == TRANSLATED_NEW && !choice->inbound;
	return choice->inbound ? reason == FAST_INBOUND && outcome.reason == TRANSLATED_INBOUND
			       : reason == FAST_OUTBOUND && outcome.reason == TRANSLATED_OUTBOUND;
}

/* Fails unless tc of the mixed gateway makes the same of a packet. */
static void by_its_tc(const struct choice *choice, struct frame *frame, struct outcome expect)
{
	struct outcome outcome = by_tc(&mixed, choice, frame);

	assert_int_equal(outcome.reason, expect.reason);
	assert_int_equal(outcome.action, expect.action);
}

/* Fails unless the mixed gateway makes the same of a packet: at tc, or at xdp, and then at tc only what xdp does not take. */
static void by_either(const struct choice *choice, const struct frame *sent, bool past_xdp, struct outcome expect,
		      const struct frame *translated)
{
	struct frame frame = *sent;
	struct fast_outcome outcome = { .action = XDP_PASS };

	if (!past_xdp)
		outcome = fast_run(&fast, &frame, choice->inbound ? fast.outside : fast.inside);
	if (outcome.action == XDP_PASS) {
		by_its_tc(choice, &frame, expect);
	} else {
		assert_int_equal(outcome.action, XDP_REDIRECT);
		assert_true(is_translated(choice, outcome.reason, expect));
		num_by_xdp++;
		num_created += outcome.reason == FAST_CREATED;
		frame_ip(&frame)->ttl++;
		seal_ip(frame_ip(&frame));
	}
	memcpy(frame.bytes, translated->bytes, 2 * MAC_LEN);
	assert_true(frame_equal(&frame, translated));
}

/* ---- what the tables say ---------------------------------------------------------------------------------------- */

struct session_seen {
	bool is_there;
	struct endpoint internal;
	__u32 out_life, in_life;
	enum session_state state;
	__u32 expires_s;
};

/* The clock stands at 0. */
static struct session_seen look(struct gateway *gateway, __u8 proto)
{
	struct session_seen seen = {};
	struct row row;

	beside_use(gateway);
	seen.is_there = gateway_find(gateway, proto, at(EXTERNAL, 40003), remote_of(proto), &row);
	if (!seen.is_there)
		return seen;
	seen.internal = row.pair.internal;
	seen.out_life = row.out_life;
	seen.in_life = row.in_life;
	seen.state = session_state(proto, row.out_life, row.in_life);
	seen.expires_s = session_expires(&gateway->config, proto, remote_of(proto).port, row.out_life, row.in_life, 0);
	return seen;
}

static void compare(__u8 proto)
{
	struct session_seen a = look(&plain, proto), b = look(&mixed, proto);

	assert_int_equal(a.is_there, b.is_there);
	assert_true(endpoint_equal(a.internal, b.internal));
	assert_int_equal(a.out_life, b.out_life);
	assert_int_equal(a.in_life, b.in_life);
	assert_int_equal(a.state, b.state);
	assert_int_equal(a.expires_s, b.expires_s);
	if (a.is_there && proto == IPPROTO_TCP)
		num_in_state[a.state]++;
}

/* ---- the tests ------------------------------------------------------------------------------------------------ */

static void both_age(__u32 seconds)
{
	gateway_age(&plain, seconds);
	gateway_age(&mixed, seconds);
}

static void both_sweep(enum sweep_op op)
{
	__u32 removed;

	beside_use(&plain);
	removed = gateway_sweep(&plain, op);
	beside_use(&mixed);
	assert_int_equal(gateway_sweep(&mixed, op), removed);
	num_expired += removed;
}

static void both_send(const struct choice *choice, bool past_xdp)
{
	struct frame sent, translated;
	struct outcome outcome;

	make(&sent, choice);
	translated = sent;
	outcome = by_tc(&plain, choice, &translated);
	by_either(choice, &sent, past_xdp, outcome, &translated);
}

/* What the two hooks do to the same session, packet by packet, as chance has it: whether the frame comes by xdp or, say, from an
 * interface outside of the fast path.
 */
static void agree_in_any_order(bool fast_create)
{
	int num = chance_number(NUM_PACKETS, NUM_PACKETS_EMULATED);

	platform.random = chance_seed();
	beside_reset("40000-40009", fast_create);
	num_by_xdp = num_created = num_expired = 0;
	memset(num_in_state, 0, sizeof(num_in_state));
	for (int i = 0; i < num; i++) {
		struct choice choice = { .proto = protos[below(3)], .inbound = below(2), .flags = draw_flags() };
		__u32 what = below(24);

		if (what == 0)
			fast_new_generation(&fast);
		else if (what < 3)
			both_age(below(300));
		else if (what < 5)
			both_sweep(below(8) ? SWEEP_EXPIRE : SWEEP_FLUSH);
		else
			both_send(&choice, what < 14);
		for (size_t j = 0; j < sizeof(protos); j++)
			compare(protos[j]);
	}
	beside_check();
	print_message("# %d of %d by xdp, %d sessions by it, %d expired\n", num_by_xdp, num, num_created, num_expired);
	assert_int_equal(num_created > 0, fast_create);
	assert_in_range(num_by_xdp, num / 8, num);
	assert_in_range(num_expired, 1, num);
	for (int state_seen = SESSION_OPENING; state_seen < NUM_SESSION_STATE; state_seen++)
		assert_in_range(num_in_state[state_seen], 1, num);
}

static void agrees_in_any_order(void **state)
{
	(void)state;
	agree_in_any_order(false);
}

static void agrees_about_new_sessions(void **state)
{
	(void)state;
	agree_in_any_order(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_in_any_order),
		cmocka_unit_test(agrees_about_new_sessions),
	};

	return cmocka_run_group_tests(tests, beside_open_stopped, beside_close);
}
