/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quotas in the kernel's own maps: each reason, what is counted, and what CPUs leave behind that work at one time. */
#include <errno.h>
#include <linux/pkt_cls.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "chance.h"
#include "gateway.h"

#include "bpf/tc.skel.h"
#include "quota_check.h"

static struct gateway gateway;

static int quotas_fd(void)
{
	return bpf_map__fd(gateway.programs->maps.quotas);
}

static void report(const struct violation *violation, void *ctx)
{
	(void)ctx;
	print_error("%s\n", violation->text);
}

static void check(void)
{
	gateway_check(&gateway);
	assert_int_equal(quota_check(quotas_fd(), report, NULL), 0);
}

static void reset(__u32 max_ports, __u32 max_sessions, __u32 max_new_per_s)
{
	__be32 key;

	while (!bpf_map_get_next_key(quotas_fd(), NULL, &key))
		bpf_map_delete_elem(quotas_fd(), &key);
	gateway_reset(&gateway, "40000-40999");
	gateway.config.max_ports = max_ports;
	gateway.config.max_sessions = max_sessions;
	gateway.config.max_new_per_s = max_new_per_s;
	gateway_configure(&gateway);
}

static enum reason send_from(const char *internal, __u16 port, __u16 remote_port)
{
	struct frame frame;

	frame_udp(&frame, at(internal, port), at(REMOTE, remote_port), 10);
	return gateway_egress(&gateway, &frame, FROM_INTERNAL).reason;
}

static void assert_quota(const char *addr, __u32 sessions, __u32 ports)
{
	struct quota quota = {};
	__be32 key = inet_addr(addr);

	bpf_map_lookup_elem(quotas_fd(), &key, &quota);
	assert_int_equal(quota.num_sessions, sessions);
	assert_int_equal(quota.num_ports, ports);
	assert_int_equal(quota.dead, 0);
}

/* ---- limits --------------------------------------------------------------------------------------------------- */

static void each_limit_has_its_reason(void **state)
{
	static const struct {
		__u32 max_ports, max_sessions, max_new_per_s;
		enum reason same_port, other_port;
	} cases[] = {
		{ 1, 0, 0, TRANSLATED_NEW, REFUSED_QUOTA_PORTS },
		{ 0, 1, 0, REFUSED_QUOTA_SESSIONS, REFUSED_QUOTA_SESSIONS },
		{ 0, 0, 1, REFUSED_QUOTA_RATE, REFUSED_QUOTA_RATE },
		{ 9, 9, 9, TRANSLATED_NEW, TRANSLATED_NEW },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum reason same_port, other_port;

		/* all three in one second of the clock, or again */
		do {
			reset(cases[i].max_ports, cases[i].max_sessions, cases[i].max_new_per_s);
			assert_int_equal(send_from("192.168.0.5", 1000, 53), TRANSLATED_NEW);
			same_port = send_from("192.168.0.5", 1000, 54);
			other_port = send_from("192.168.0.5", 1001, 53);
		} while (cases[i].max_new_per_s == 1 && (same_port == TRANSLATED_NEW || other_port == TRANSLATED_NEW));
		assert_int_equal(same_port, cases[i].same_port);
		assert_int_equal(other_port, cases[i].other_port);
		assert_int_equal(send_from("192.168.0.5", 1000, 53), TRANSLATED_OUTBOUND);
		assert_int_equal(send_from("192.168.0.6", 1000, 53), TRANSLATED_NEW);
		check();
	}
}

static void what_ends_is_given_back(void **state)
{
	(void)state;
	reset(3, 3, 0);
	for (__u16 i = 0; i < 3; i++)
		assert_int_equal(send_from("192.168.0.5", 1000 + i, 53), TRANSLATED_NEW);
	assert_int_equal(send_from("192.168.0.5", 1000, 54), REFUSED_QUOTA_SESSIONS);
	assert_quota("192.168.0.5", 3, 3);
	assert_int_equal(gateway_sweep(&gateway, SWEEP_FLUSH), 3);
	assert_quota("192.168.0.5", 0, 0);
	assert_int_equal(send_from("192.168.0.5", 1000, 54), TRANSLATED_NEW);
	assert_quota("192.168.0.5", 1, 1);
	check();
}

/* ---- records -------------------------------------------------------------------------------------------------- */

static __u32 reap(__be32 addr)
{
	struct sweep_request request = { .head = { .op = SWEEP_QUOTA, .num = 1 }, .index = { addr } };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &request, .data_size_in = sizeof(request), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(gateway.programs->progs.bauta_sweep), &opts), 0);
	return opts.retval;
}

static void a_record_goes_when_its_second_is_over(void **state)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	__be32 key = inet_addr("192.168.0.5");
	struct quota quota;
	int num_looks = 0;

	(void)state;
	reset(0, 3, 0);
	assert_int_equal(reap(key), 0);
	send_from("192.168.0.5", 1000, 53);
	while (!reap(key) && num_looks++ < 80)
		nanosleep(&pause, NULL);
	assert_quota("192.168.0.5", 1, 1);
	gateway_sweep(&gateway, SWEEP_FLUSH);
	num_looks = 0;
	while (!reap(key) && num_looks++ < 80)
		nanosleep(&pause, NULL);
	assert_int_equal(bpf_map_lookup_elem(quotas_fd(), &key, &quota), -ENOENT);
	check();
}

static void one_host_more_than_there_are_records_is_refused(void **state)
{
	static struct quota quota[MAX_QUOTA_HOST];
	static __be32 key[MAX_QUOTA_HOST];
	__u32 num = MAX_QUOTA_HOST;

	(void)state;
	reset(0, 3, 0);
	for (__u32 i = 0; i < num; i++) {
		key[i] = htonl(0x0a000000 + i);
		quota[i] = (struct quota){ .addr = key[i], .second = 1 };
	}
	assert_int_equal(bpf_map_update_batch(quotas_fd(), key, quota, &num, NULL), 0);
	assert_int_equal(num, MAX_QUOTA_HOST);
	assert_int_equal(send_from("192.168.0.5", 1000, 53), REFUSED_NO_ROOM);
	assert_int_equal(send_from("10.0.0.5", 1000, 53), TRANSLATED_NEW);
	assert_int_equal(reap(inet_addr("10.0.0.5")), 0);
	assert_int_equal(reap(inet_addr("10.0.0.6")), 1);
	assert_int_equal(send_from("192.168.0.5", 1000, 53), TRANSLATED_NEW);
	check();
	num = MAX_QUOTA_HOST;
	bpf_map_delete_batch(quotas_fd(), key, &num, NULL);
}

/* ---- CPUs at one time ----------------------------------------------------------------------------------------- */

#define NUM_SENDER 3
#define SENDS 15000
#define SENDS_EMULATED 1500 /* a processor that is emulated takes a hundred times as long */

struct sender {
	pthread_t thread;
	__u32 random;
	int err;
};

static int senders_done;
static int num_sends;

static __u32 draw(struct sender *sender, __u32 num)
{
	sender->random = sender->random * 1664525 + 1013904223;
	return ((__u64)sender->random * num) >> 32;
}

static int run_program(const struct bpf_program *program, void *data, __u32 size)
{
	struct __sk_buff context = { .ingress_ifindex = FROM_INTERNAL };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = size, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	return bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
}

static void *send_any(void *arg)
{
	static const char *const internal[] = { "192.168.0.5", "192.168.0.6", "192.168.0.7" };
	struct sender *sender = arg;

	for (int i = 0; i < num_sends && !sender->err; i++) {
		struct frame frame;

		frame_udp(&frame, at(internal[draw(sender, 3)], 1000 + draw(sender, 4)),
			  at(REMOTE, 53 + draw(sender, 3)), 10);
		sender->err = run_program(gateway.programs->progs.bauta_egress, frame.bytes, frame.len);
	}
	__atomic_fetch_add(&senders_done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Ends sessions and reaps records as fast as it can. */
static void *end_any(void *arg)
{
	struct sender *sender = arg;
	struct sweep_request reaped = { .head = { .op = SWEEP_QUOTA, .num = 3 } };
	struct sweep_request ended = { .head = { .op = SWEEP_FLUSH, .num = 32 } };

	for (int i = 0; i < 3; i++)
		reaped.index[i] = htonl(0xc0a80005 + i);
	while (__atomic_load_n(&senders_done, __ATOMIC_SEQ_CST) < NUM_SENDER && !sender->err) {
		for (int i = 0; i < 32; i++)
			ended.index[i] = draw(sender, gateway.num_entries);
		sender->err = run_program(gateway.programs->progs.bauta_sweep, &ended, sizeof(ended));
		if (!sender->err)
			sender->err = run_program(gateway.programs->progs.bauta_sweep, &reaped, sizeof(reaped));
	}
	return NULL;
}

static void counts_are_right_whoever_works_at_one_time(void **state)
{
	struct sender sender[NUM_SENDER + 1] = {};

	(void)state;
	reset(8, 6, 0);
	senders_done = 0;
	num_sends = chance_number(SENDS, SENDS_EMULATED);
	for (int i = 0; i <= NUM_SENDER; i++) {
		sender[i].random = time(NULL) + i;
		assert_int_equal(
			pthread_create(&sender[i].thread, NULL, i < NUM_SENDER ? send_any : end_any, &sender[i]), 0);
	}
	for (int i = 0; i <= NUM_SENDER; i++) {
		pthread_join(sender[i].thread, NULL);
		assert_int_equal(sender[i].err, 0);
	}
	gateway.num_packets = NUM_SENDER * num_sends;
	check();
	gateway_sweep(&gateway, SWEEP_FLUSH);
	for (int i = 0; i < 3; i++) {
		struct quota quota = {};
		__be32 key = htonl(0xc0a80005 + i);

		bpf_map_lookup_elem(quotas_fd(), &key, &quota);
		assert_int_equal(quota.num_sessions, 0);
		assert_int_equal(quota.num_ports, 0);
	}
	gateway_check(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_limit_has_its_reason),
		cmocka_unit_test(what_ends_is_given_back),
		cmocka_unit_test(a_record_goes_when_its_second_is_over),
		cmocka_unit_test(one_host_more_than_there_are_records_is_refused),
		cmocka_unit_test(counts_are_right_whoever_works_at_one_time),
	};

	return gateway_run_tests(&gateway, 64, tests, sizeof(tests) / sizeof(tests[0]));
}
