/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of a session: every state, event and direction; and what time each state has. */
#include <asm/byteorder.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "session.h"

#define START_S 1000
#define PORT cpu_to_be16(443) /* of the remote */

enum side {
	OUT,
	IN,
	NUM_SIDE,
};

enum tcp_event {
	SYN,
	SYN_ACK,
	ACK, /* data too */
	FIN_ACK,
	RST,
	NUM_EVENT,
};

static const __u32 event_flags[NUM_EVENT] = {
	[SYN] = LIFE_SYN,
	[SYN_ACK] = LIFE_SYN | LIFE_ACK,
	[ACK] = LIFE_ACK,
	[FIN_ACK] = LIFE_FIN | LIFE_ACK,
	[RST] = LIFE_RST | LIFE_ACK,
};

/* Short names for the table. */
#define OPEN SESSION_OPENING
#define ESTD SESSION_ESTABLISHED
#define HALF SESSION_HALF_CLOSED
#define CLOS SESSION_CLOSING
#define RSET SESSION_RESET

/* A state, how it is come to, and what each event of each side makes of it: in the same second, and a second later. */
struct row {
	const char *name;
	__u32 out_flags;
	__u32 in_flags;
	enum session_state state;
	enum session_state same[NUM_EVENT][NUM_SIDE];
	enum session_state later[NUM_EVENT][NUM_SIDE];
};

#define BOTH_OPEN (LIFE_SYN | LIFE_ACK)

static const struct row table[] = {
	{ "opening",
	  LIFE_SYN,
	  0,
	  OPEN,
	  /* SYN, SYN_ACK, ACK, FIN_ACK, RST: by OUT, by IN */
	  { { OPEN, OPEN }, { OPEN, OPEN }, { OPEN, OPEN }, { OPEN, OPEN }, { RSET, RSET } },
	  { { OPEN, OPEN }, { OPEN, OPEN }, { OPEN, OPEN }, { OPEN, OPEN }, { RSET, RSET } } },
	{ "opening, answered",
	  LIFE_SYN,
	  BOTH_OPEN,
	  OPEN,
	  { { OPEN, OPEN }, { ESTD, OPEN }, { ESTD, OPEN }, { HALF, OPEN }, { RSET, RSET } },
	  { { OPEN, OPEN }, { ESTD, OPEN }, { ESTD, OPEN }, { HALF, OPEN }, { RSET, RSET } } },
	{ "opening from both sides",
	  LIFE_SYN,
	  LIFE_SYN,
	  OPEN,
	  { { OPEN, OPEN }, { OPEN, OPEN }, { OPEN, OPEN }, { OPEN, OPEN }, { RSET, RSET } },
	  { { OPEN, OPEN }, { OPEN, OPEN }, { OPEN, OPEN }, { OPEN, OPEN }, { RSET, RSET } } },
	{ "established",
	  BOTH_OPEN,
	  BOTH_OPEN,
	  ESTD,
	  { { ESTD, ESTD }, { ESTD, ESTD }, { ESTD, ESTD }, { HALF, HALF }, { RSET, RSET } },
	  { { ESTD, ESTD }, { ESTD, ESTD }, { ESTD, ESTD }, { HALF, HALF }, { RSET, RSET } } },
	{ "established before we came",
	  LIFE_ACK,
	  LIFE_ACK,
	  ESTD,
	  { { ESTD, ESTD }, { ESTD, ESTD }, { ESTD, ESTD }, { HALF, HALF }, { RSET, RSET } },
	  { { ESTD, ESTD }, { ESTD, ESTD }, { ESTD, ESTD }, { HALF, HALF }, { RSET, RSET } } },
	{ "half closed by the internal side",
	  BOTH_OPEN | LIFE_FIN,
	  BOTH_OPEN,
	  HALF,
	  { { OPEN, HALF }, { ESTD, HALF }, { HALF, HALF }, { HALF, CLOS }, { RSET, RSET } },
	  { { OPEN, HALF }, { ESTD, HALF }, { HALF, HALF }, { HALF, CLOS }, { RSET, RSET } } },
	{ "half closed by the remote",
	  BOTH_OPEN,
	  BOTH_OPEN | LIFE_FIN,
	  HALF,
	  { { HALF, OPEN }, { HALF, ESTD }, { HALF, HALF }, { CLOS, HALF }, { RSET, RSET } },
	  { { HALF, OPEN }, { HALF, ESTD }, { HALF, HALF }, { CLOS, HALF }, { RSET, RSET } } },
	{ "closing",
	  BOTH_OPEN | LIFE_FIN,
	  BOTH_OPEN | LIFE_FIN,
	  CLOS,
	  { { OPEN, OPEN }, { HALF, HALF }, { CLOS, CLOS }, { CLOS, CLOS }, { RSET, RSET } },
	  { { OPEN, OPEN }, { HALF, HALF }, { CLOS, CLOS }, { CLOS, CLOS }, { RSET, RSET } } },
	{ "reset by the internal side",
	  BOTH_OPEN | LIFE_RST,
	  BOTH_OPEN,
	  RSET,
	  { { OPEN, RSET }, { ESTD, RSET }, { ESTD, RSET }, { HALF, RSET }, { RSET, RSET } },
	  { { OPEN, RSET }, { ESTD, RSET }, { ESTD, RSET }, { HALF, RSET }, { RSET, RSET } } },
	{ "half closed by the remote, reset by the internal side",
	  BOTH_OPEN | LIFE_RST,
	  BOTH_OPEN | LIFE_FIN,
	  RSET,
	  { { OPEN, RSET }, { HALF, RSET }, { HALF, RSET }, { CLOS, RSET }, { RSET, RSET } },
	  { { OPEN, RSET }, { HALF, RSET }, { HALF, RSET }, { CLOS, RSET }, { RSET, RSET } } },
	{ "reset by the remote",
	  BOTH_OPEN,
	  BOTH_OPEN | LIFE_RST,
	  RSET,
	  { { RSET, OPEN }, { RSET, ESTD }, { RSET, ESTD }, { RSET, HALF }, { RSET, RSET } },
	  { { ESTD, OPEN }, { ESTD, ESTD }, { ESTD, ESTD }, { HALF, HALF }, { RSET, RSET } } },
	{ "refused by the remote",
	  LIFE_SYN,
	  LIFE_RST | LIFE_ACK,
	  RSET,
	  { { RSET, OPEN }, { RSET, OPEN }, { RSET, OPEN }, { RSET, OPEN }, { RSET, RSET } },
	  { { OPEN, OPEN }, { ESTD, OPEN }, { ESTD, OPEN }, { HALF, OPEN }, { RSET, RSET } } },
	{ "begun by the remote, refused by the internal side",
	  LIFE_RST | LIFE_ACK,
	  LIFE_SYN,
	  RSET,
	  { { OPEN, RSET }, { OPEN, RSET }, { OPEN, RSET }, { OPEN, RSET }, { RSET, RSET } },
	  { { OPEN, RSET }, { OPEN, RSET }, { OPEN, RSET }, { OPEN, RSET }, { RSET, RSET } } },
	{ "reset by both",
	  BOTH_OPEN | LIFE_RST,
	  BOTH_OPEN | LIFE_RST,
	  RSET,
	  { { RSET, RSET }, { RSET, RSET }, { RSET, RSET }, { RSET, RSET }, { RSET, RSET } },
	  { { OPEN, RSET }, { ESTD, RSET }, { ESTD, RSET }, { HALF, RSET }, { RSET, RSET } } },
	{ "closing, reset by the remote",
	  BOTH_OPEN | LIFE_FIN,
	  BOTH_OPEN | LIFE_FIN | LIFE_RST,
	  RSET,
	  { { RSET, OPEN }, { RSET, HALF }, { RSET, CLOS }, { RSET, CLOS }, { RSET, RSET } },
	  { { OPEN, OPEN }, { HALF, HALF }, { CLOS, CLOS }, { CLOS, CLOS }, { RSET, RSET } } },
};

#define NUM_ROWS (sizeof(table) / sizeof(table[0]))

static enum session_state after(const struct row *row, enum tcp_event event, enum side side, __u32 delay_s)
{
	__u32 out = life_make(PHASE_LIVE, row->out_flags, START_S);
	__u32 in = life_make(PHASE_LIVE, row->in_flags, START_S);
	__u32 *life = side == OUT ? &out : &in;

	*life = life_after(*life, side == IN ? ENTRY_INBOUND : 0, event_flags[event], START_S + delay_s);
	return session_state(IPPROTO_TCP, out, in);
}

static void every_state_event_and_direction(void **state)
{
	(void)state;
	for (size_t i = 0; i < NUM_ROWS; i++) {
		const struct row *row = &table[i];

		assert_int_equal(session_state(IPPROTO_TCP, life_make(PHASE_LIVE, row->out_flags, START_S),
					       life_make(PHASE_LIVE, row->in_flags, START_S)),
				 row->state);
		for (enum tcp_event event = 0; event < NUM_EVENT; event++)
			for (enum side side = 0; side < NUM_SIDE; side++) {
				enum session_state same = after(row, event, side, 0);
				enum session_state later = after(row, event, side, 1);

				if (same != row->same[event][side] || later != row->later[event][side])
					fail_msg("%s, event %d of side %d: states %d and %d, not %d and %d", row->name,
						 event, side, same, later, row->same[event][side],
						 row->later[event][side]);
			}
	}
}

static void states_are_named_for_tcp_only(void **state)
{
	(void)state;
	for (size_t i = 0; i < NUM_ROWS; i++) {
		assert_int_equal(session_state(IPPROTO_UDP, table[i].out_flags, table[i].in_flags), SESSION_ACTIVE);
		assert_int_equal(session_state(IPPROTO_ICMP, table[i].out_flags, table[i].in_flags), SESSION_ACTIVE);
	}
}

/* A sequence of packets, and the state after each. */
struct packet_seen {
	enum side side;
	enum tcp_event event;
	__u32 second;
	enum session_state state;
};

static void play(const struct packet_seen *seen, size_t num)
{
	__u32 life[NUM_SIDE] = { life_make(PHASE_LIVE, 0, seen[0].second), life_make(PHASE_LIVE, 0, seen[0].second) };

	for (size_t i = 0; i < num; i++) {
		enum side side = seen[i].side;

		life[side] = life_after(life[side], side == IN ? ENTRY_INBOUND : 0, event_flags[seen[i].event],
					seen[i].second);
		if (session_state(IPPROTO_TCP, life[OUT], life[IN]) != seen[i].state)
			fail_msg("after packet %zu: state %d, not %d", i,
				 session_state(IPPROTO_TCP, life[OUT], life[IN]), seen[i].state);
	}
}

#define PLAY(seen) play(seen, sizeof(seen) / sizeof(seen[0]))

/* The same ports again, by whichever side, while the old session is still there. */
static void a_tuple_is_used_again(void **state)
{
	static const struct packet_seen by_internal[] = {
		{ OUT, SYN, 0, OPEN },     { IN, SYN_ACK, 0, OPEN },  { OUT, ACK, 0, ESTD },
		{ OUT, FIN_ACK, 9, HALF }, { IN, FIN_ACK, 9, CLOS },  { OUT, ACK, 9, CLOS },
		{ OUT, SYN, 20, OPEN },    { IN, SYN_ACK, 20, OPEN }, { OUT, ACK, 20, ESTD },
	};
	static const struct packet_seen by_remote[] = {
		{ OUT, SYN, 0, OPEN },    { IN, SYN_ACK, 0, OPEN },   { OUT, ACK, 0, ESTD },
		{ IN, FIN_ACK, 9, HALF }, { OUT, FIN_ACK, 9, CLOS },  { IN, ACK, 9, CLOS },
		{ IN, SYN, 20, OPEN },    { OUT, SYN_ACK, 20, OPEN }, { IN, ACK, 20, ESTD },
	};
	static const struct packet_seen after_refusal[] = {
		{ OUT, SYN, 0, OPEN }, { IN, RST, 0, RSET },     { OUT, SYN, 1, OPEN }, { IN, RST, 1, RSET },
		{ OUT, SYN, 2, OPEN }, { IN, SYN_ACK, 2, OPEN }, { OUT, ACK, 2, ESTD },
	};

	(void)state;
	PLAY(by_internal);
	PLAY(by_remote);
	PLAY(after_refusal);
}

/* RFC 5382 REQ-2a. */
static void both_open_at_once(void **state)
{
	static const struct packet_seen seen[] = {
		{ OUT, SYN, 0, OPEN },
		{ IN, SYN, 0, OPEN },
		{ OUT, SYN_ACK, 0, OPEN },
		{ IN, SYN_ACK, 0, ESTD },
	};

	(void)state;
	PLAY(seen);
}

/* Where the sides close at once, and where one of them goes on for long (RFC 5382 §5). */
static void connections_close(void **state)
{
	static const struct packet_seen at_once[] = {
		{ OUT, SYN, 0, OPEN },    { IN, SYN_ACK, 0, OPEN }, { OUT, ACK, 0, ESTD }, { OUT, FIN_ACK, 9, HALF },
		{ IN, FIN_ACK, 9, CLOS }, { OUT, ACK, 9, CLOS },    { IN, ACK, 9, CLOS },
	};
	static const struct packet_seen one_sided[] = {
		{ OUT, SYN, 0, OPEN },     { IN, SYN_ACK, 0, OPEN },    { OUT, ACK, 0, ESTD },
		{ OUT, FIN_ACK, 1, HALF }, { IN, ACK, 5000, HALF },     { OUT, ACK, 5000, HALF },
		{ IN, ACK, 9000, HALF },   { IN, FIN_ACK, 9001, CLOS }, { OUT, ACK, 9001, CLOS },
	};

	(void)state;
	PLAY(at_once);
	PLAY(one_sided);
}

/* RFC 7857 §7.1: a closed program's host answers each segment of the remote with a RST. Neither side's count. */
static void an_internal_reset_counts_once(void **state)
{
	static const struct packet_seen seen[] = {
		{ OUT, SYN, 0, OPEN },   { IN, SYN_ACK, 0, OPEN }, { OUT, ACK, 0, ESTD },   { OUT, RST, 10, RSET },
		{ IN, ACK, 60, RSET },   { OUT, RST, 60, RSET },   { IN, ACK, 120, RSET },  { OUT, RST, 120, RSET },
		{ IN, SYN, 130, RSET },  { IN, RST, 140, RSET },   { IN, ACK, 150, RSET },  { OUT, RST, 150, RSET },
		{ OUT, SYN, 160, OPEN }, { IN, RST, 160, RSET },   { OUT, SYN, 161, OPEN },
	};

	(void)state;
	PLAY(seen);
}

/* A stranger who guesses the ports cannot have a connection forgotten early. */
static void forged_packets_do_not_last(void **state)
{
	static const struct packet_seen seen[] = {
		{ OUT, SYN, 0, OPEN }, { IN, SYN_ACK, 0, OPEN }, { OUT, ACK, 0, ESTD }, { IN, SYN, 5, ESTD },
		{ IN, RST, 6, RSET },  { OUT, ACK, 8, ESTD },    { IN, RST, 20, RSET }, { IN, ACK, 20, ESTD },
	};

	(void)state;
	PLAY(seen);
}

#define DNS __constant_htons(53)
#define SSH __constant_htons(22)

static const struct config config = {
	.num_port_timeouts = 3,
	.port_timeout = {
		{ .proto = IPPROTO_UDP, .port = DNS, .timeout_s = 30 },
		{ .proto = IPPROTO_TCP, .port = SSH, .timeout_s = 86400 },
		{ .proto = IPPROTO_TCP, .port = DNS, .timeout_s = 100 },
		{ .proto = IPPROTO_UDP, .port = SSH, .timeout_s = 1 }, /* not in force */
	},
	.timeout_s = {
		[TIMEOUT_UDP] = 300,
		[TIMEOUT_TCP_OPENING] = 241,
		[TIMEOUT_TCP_ESTABLISHED] = 7440,
		[TIMEOUT_TCP_CLOSING] = 242,
		[TIMEOUT_TCP_RESET] = 243,
		[TIMEOUT_ICMP] = 60,
	},
};

static void every_state_has_its_timeout(void **state)
{
	(void)state;
	assert_int_equal(session_timeout(&config, IPPROTO_UDP, PORT, SESSION_ACTIVE), 300);
	assert_int_equal(session_timeout(&config, IPPROTO_ICMP, 0, SESSION_ACTIVE), 60);
	assert_int_equal(session_timeout(&config, IPPROTO_TCP, PORT, SESSION_OPENING), 241);
	assert_int_equal(session_timeout(&config, IPPROTO_TCP, PORT, SESSION_ESTABLISHED), 7440);
	assert_int_equal(session_timeout(&config, IPPROTO_TCP, PORT, SESSION_HALF_CLOSED), 7440);
	assert_int_equal(session_timeout(&config, IPPROTO_TCP, PORT, SESSION_CLOSING), 242);
	assert_int_equal(session_timeout(&config, IPPROTO_TCP, PORT, SESSION_RESET), 243);
}

static void a_port_has_its_own_timeout(void **state)
{
	__u32 life = life_make(PHASE_LIVE, LIFE_ACK, 100);
	struct config none = config;

	(void)state;
	assert_int_equal(session_timeout(&config, IPPROTO_UDP, DNS, SESSION_ACTIVE), 30);
	assert_int_equal(session_timeout(&config, IPPROTO_UDP, SSH, SESSION_ACTIVE), 300);
	assert_int_equal(session_timeout(&config, IPPROTO_ICMP, 0, SESSION_ACTIVE), 60);
	assert_int_equal(session_timeout(&config, IPPROTO_TCP, SSH, SESSION_ESTABLISHED), 86400);
	assert_int_equal(session_timeout(&config, IPPROTO_TCP, SSH, SESSION_HALF_CLOSED), 86400);
	assert_int_equal(session_timeout(&config, IPPROTO_TCP, DNS, SESSION_ESTABLISHED), 100);
	/* what is on its way in or out goes by the time that any port has */
	assert_int_equal(session_timeout(&config, IPPROTO_TCP, SSH, SESSION_OPENING), 241);
	assert_int_equal(session_timeout(&config, IPPROTO_TCP, SSH, SESSION_CLOSING), 242);
	assert_int_equal(session_timeout(&config, IPPROTO_TCP, SSH, SESSION_RESET), 243);
	assert_int_equal(session_expires(&config, IPPROTO_TCP, SSH, life, life, 100 + 86399), 1);
	assert_int_equal(session_expires(&config, IPPROTO_UDP, DNS, life, life, 100 + 30), 0);
	none.num_port_timeouts = 0;
	assert_int_equal(session_timeout(&none, IPPROTO_UDP, DNS, SESSION_ACTIVE), 300);
}

/* The last packet of either side counts for TCP, of the internal side for the others. */
static void idle_is_since_the_packet_that_counts(void **state)
{
	__u32 early = life_make(PHASE_LIVE, LIFE_ACK, 100);
	__u32 late = life_make(PHASE_LIVE, LIFE_ACK, 150);

	(void)state;
	assert_int_equal(session_idle(&config, IPPROTO_TCP, early, late, 160), 10);
	assert_int_equal(session_idle(&config, IPPROTO_TCP, late, early, 160), 10);
	assert_int_equal(session_idle(&config, IPPROTO_UDP, early, late, 160), 60);
	assert_int_equal(session_idle(&config, IPPROTO_UDP, late, early, 160), 10);
	assert_int_equal(session_idle(&config, IPPROTO_ICMP, early, late, 160), 60);
}

/* RFC 4787 REQ-6a: as the operator wants it. */
static void inbound_packets_count_for_udp_on_demand(void **state)
{
	__u32 early = life_make(PHASE_LIVE, 0, 100);
	__u32 late = life_make(PHASE_LIVE, 0, 150);
	struct config refresh = config;

	(void)state;
	refresh.inbound_refresh = 1;
	assert_int_equal(session_idle(&refresh, IPPROTO_UDP, early, late, 160), 10);
	assert_int_equal(session_idle(&refresh, IPPROTO_UDP, late, early, 160), 10);
	assert_int_equal(session_idle(&refresh, IPPROTO_ICMP, early, late, 160), 60);
}

/* From the first RST of the internal side on, its own time only. */
static void idle_is_since_the_internal_reset(void **state)
{
	__u32 reset = life_make(PHASE_LIVE, LIFE_ACK | LIFE_RST, 100);
	__u32 late = life_make(PHASE_LIVE, LIFE_ACK, 150);

	(void)state;
	assert_int_equal(session_idle(&config, IPPROTO_TCP, reset, late, 160), 60);
	assert_int_equal(session_idle(&config, IPPROTO_TCP, late, reset, 160), 10);
	assert_int_equal(session_expires(&config, IPPROTO_TCP, PORT, reset, late, 100 + 242), 1);
	assert_int_equal(session_expires(&config, IPPROTO_TCP, PORT, reset, late, 100 + 243), 0);
}

static void it_expires_to_the_second(void **state)
{
	__u32 life = life_make(PHASE_LIVE, LIFE_ACK, 100);

	(void)state;
	assert_int_equal(session_expires(&config, IPPROTO_TCP, PORT, life, life, 100), 7440);
	assert_int_equal(session_expires(&config, IPPROTO_TCP, PORT, life, life, 100 + 7439), 1);
	assert_int_equal(session_expires(&config, IPPROTO_TCP, PORT, life, life, 100 + 7440), 0);
	assert_int_equal(session_expires(&config, IPPROTO_TCP, PORT, life, life, 100 + 100000), 0);
	assert_int_equal(session_expires(&config, IPPROTO_UDP, PORT, life, life, 100 + 299), 1);
	assert_int_equal(session_expires(&config, IPPROTO_UDP, PORT, life, life, 100 + 300), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_event_and_direction),
		cmocka_unit_test(states_are_named_for_tcp_only),
		cmocka_unit_test(a_tuple_is_used_again),
		cmocka_unit_test(both_open_at_once),
		cmocka_unit_test(connections_close),
		cmocka_unit_test(an_internal_reset_counts_once),
		cmocka_unit_test(forged_packets_do_not_last),
		cmocka_unit_test(every_state_has_its_timeout),
		cmocka_unit_test(a_port_has_its_own_timeout),
		cmocka_unit_test(inbound_packets_count_for_udp_on_demand),
		cmocka_unit_test(idle_is_since_the_internal_reset),
		cmocka_unit_test(idle_is_since_the_packet_that_counts),
		cmocka_unit_test(it_expires_to_the_second),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
