/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rings of failures: what is read from them, in which order, and what is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "failures.h"

static struct event *slots;

static int make_slots(void **state)
{
	(void)state;
	slots = calloc(NUM_FAILURE, sizeof(*slots));
	return slots ? 0 : -1;
}

static int free_slots(void **state)
{
	(void)state;
	free(slots);
	return 0;
}

static struct endpoint at(const char *text)
{
	struct endpoint endpoint;
	struct fault fault;

	assert_int_equal(endpoint_parse(text, "endpoint", &endpoint, &fault), 0);
	return endpoint;
}

/* Failure `number` of a ring, as the hooks would place it. */
static struct event *put(unsigned int ring, unsigned int number, enum reason reason, __u64 time_ns)
{
	struct event *slot = &slots[ring * FAILURE_RING_SIZE + number % FAILURE_RING_SIZE];

	*slot = (struct event){ .time_ns = time_ns, .reason = reason };
	return slot;
}

static void test_empty(void **state)
{
	struct failures failures;

	(void)state;
	assert_int_equal(failures_read(slots, &failures), 0);
	assert_int_equal(failures.num, 0);
	failures_free(&failures);
}

static void test_newest_first_over_all_rings(void **state)
{
	struct failures failures;

	(void)state;
	put(0, 0, DROPPED_MARTIAN, 30);
	put(2, 0, REFUSED_NO_PORT, 10);
	put(2, 1, REFUSED_NO_PORT, 40);
	put(NUM_FAILURE_RING - 1, 0, DENIED_SEND, 20);
	assert_int_equal(failures_read(slots, &failures), 0);
	assert_int_equal(failures.num, 4);
	for (size_t i = 0; i < failures.num; i++)
		assert_int_equal(failures.event[i].time_ns, 40 - 10 * i);
	assert_int_equal(failures.event[3].reason, REFUSED_NO_PORT);
	assert_int_equal(failures.event[2].reason, DENIED_SEND);
	failures_free(&failures);
}

static void test_ring_that_has_gone_round(void **state)
{
	struct failures failures;

	(void)state;
	for (unsigned int number = 0; number < 3 * FAILURE_RING_SIZE / 2; number++)
		put(1, number, REFUSED_PROTOCOL, 1000 + number);
	put(2, 0, REFUSED_NO_PORT, 5);
	assert_int_equal(failures_read(slots, &failures), 0);
	assert_int_equal(failures.num, FAILURE_RING_SIZE + 1);
	assert_int_equal(failures.event[0].time_ns, 1000 + 3 * FAILURE_RING_SIZE / 2 - 1);
	assert_int_equal(failures.event[FAILURE_RING_SIZE - 1].time_ns, 1000 + FAILURE_RING_SIZE / 2);
	/* a storm of one reason leaves the others what they had */
	assert_int_equal(failures.event[FAILURE_RING_SIZE].reason, REFUSED_NO_PORT);
	failures_free(&failures);
}

static void test_what_is_being_written_is_left_out(void **state)
{
	struct failures failures;

	(void)state;
	put(1, 0, REFUSED_PROTOCOL, 1);
	put(1, 1, REFUSED_PROTOCOL, 0);
	put(1, 2, PASSED_HOST, 2);
	put(1, 3, NUM_REASON, 3);
	assert_int_equal(failures_read(slots, &failures), 0);
	assert_int_equal(failures.num, 1);
	assert_int_equal(failures.event[0].time_ns, 1);
	failures_free(&failures);
}

/* ---- while it is written --------------------------------------------------------------------------------------- */

#define NUM_READS 1000

static bool stop;

/* Writes as the hooks do (report_failure): all that a slot says follows from its time. */
static void *write_failures(void *unused)
{
	(void)unused;
	for (__u64 number = 1; !READ_ONCE(stop); number++) {
		struct event *slot = &slots[FAILURE_RING_SIZE + number % 2];
		struct event event = { .time_ns = number, .reason = REFUSED_PROTOCOL, .src = number, .pid = number };

		__sync_lock_test_and_set(&slot->time_ns, 0);
		for (size_t i = 1; i < sizeof(event) / sizeof(__u64); i++)
			WRITE_ONCE(((__u64 *)slot)[i], ((__u64 *)&event)[i]);
		__sync_lock_test_and_set(&slot->time_ns, number);
	}
	return NULL;
}

static void test_no_mixture(void **state)
{
	unsigned int seen = 0;
	pthread_t writer;

	(void)state;
	WRITE_ONCE(stop, false);
	assert_int_equal(pthread_create(&writer, NULL, write_failures, NULL), 0);
	for (int i = 0; i < NUM_READS; i++) {
		struct failures failures;

		assert_int_equal(failures_read(slots, &failures), 0);
		for (size_t n = 0; n < failures.num; n++) {
			const struct event *event = &failures.event[n];

			assert_int_equal(event->reason, REFUSED_PROTOCOL);
			assert_int_equal(event->src, (__u32)event->time_ns);
			assert_int_equal(event->pid, (__u32)event->time_ns);
		}
		seen += failures.num;
		failures_free(&failures);
	}
	WRITE_ONCE(stop, true);
	pthread_join(writer, NULL);
	assert_true(seen > 0);
}

static void test_who_it_was_about(void **state)
{
	struct endpoint internal = at("192.168.0.5:1000"), external = at("192.0.2.1:50000"),
			remote = at("192.0.2.8:80");
	struct event failure = {
		.src = internal.addr,
		.sport = internal.port,
		.dst = remote.addr,
		.dport = remote.port,
		.external = external.addr,
		.external_port = external.port,
		.proto = IPPROTO_UDP,
	};
	struct pair pair = failure_pair(&failure);

	(void)state;
	assert_true(endpoint_equal(pair.internal, internal) && endpoint_equal(pair.external, external) &&
		    endpoint_equal(pair.remote, remote));
	assert_int_equal(pair.proto, IPPROTO_UDP);

	/* from outside, to us */
	failure = (struct event){
		.src = remote.addr, .sport = remote.port, .dst = external.addr, .dport = external.port, .inbound = 1
	};
	pair = failure_pair(&failure);
	assert_int_equal(pair.internal.addr, 0);
	assert_true(endpoint_equal(pair.external, external) && endpoint_equal(pair.remote, remote));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty, make_slots, free_slots),
		cmocka_unit_test_setup_teardown(test_newest_first_over_all_rings, make_slots, free_slots),
		cmocka_unit_test_setup_teardown(test_ring_that_has_gone_round, make_slots, free_slots),
		cmocka_unit_test_setup_teardown(test_what_is_being_written_is_left_out, make_slots, free_slots),
		cmocka_unit_test_setup_teardown(test_no_mixture, make_slots, free_slots),
		cmocka_unit_test(test_who_it_was_about),
	};

	return cmocka_run_group_tests_name("failures", tests, NULL, NULL);
}
