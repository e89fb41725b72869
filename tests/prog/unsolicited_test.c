/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping SYNs that nobody has asked for: which, what of them, and how many. */
#include <errno.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "gateway.h"

#include "bpf/tc.skel.h" /* has types of the contract in it */

#define PORT 40000
#define REMOTE_PORT 7000

static struct gateway gateway;

static int map(void)
{
	return bpf_map__fd(gateway.programs->maps.unsolicited);
}

static __u32 count(void)
{
	struct unsolicited_key key;
	__u32 num = 0;

	for (int err = bpf_map_get_next_key(map(), NULL, &key); !err; err = bpf_map_get_next_key(map(), &key, &key))
		num++;
	return num;
}

static void empty(void)
{
	struct unsolicited_key key;

	while (!bpf_map_get_next_key(map(), NULL, &key))
		bpf_map_delete_elem(map(), &key);
}

static struct unsolicited_key key_of(struct frame *frame)
{
	return (struct unsolicited_key){
		.remote = frame_src(frame).addr,
		.external = frame_dst(frame).addr,
		.remote_port = frame_src(frame).port,
		.external_port = frame_dst(frame).port,
	};
}

/* To the interface that the test runs on, which has no address. */
static void make_syn(struct frame *frame, struct endpoint remote, __u32 data_len)
{
	frame_tcp(frame, remote, at(EXTERNAL, PORT), LIFE_SYN, data_len);
	memset(frame->bytes, 0, ETH_ALEN);
}

static void send_syn(const struct frame *frame)
{
	struct frame copy = *frame;
	struct outcome outcome = gateway_ingress(&gateway, &copy, 0);

	assert_int_equal(outcome.reason, DROPPED_UNSOLICITED);
	assert_int_equal(outcome.action, TC_ACT_SHOT);
}

static void reset(void)
{
	empty();
	gateway_reset(&gateway, "40000-40009");
}

static void as_it_came(void **state)
{
	static const __u32 data_len[] = { 0, 1, 50, 87, 88, 89, 1000 };

	(void)state;
	reset();
	for (__u32 i = 0; i < sizeof(data_len) / sizeof(data_len[0]); i++) {
		struct unsolicited_syn syn;
		struct frame frame;
		__u32 len;

		make_syn(&frame, at(REMOTE, REMOTE_PORT + i), data_len[i]);
		if (i % 2)
			frame_add_options(&frame, 10);
		send_syn(&frame);
		len = frame_ip_len(&frame);
		if (len > UNSOLICITED_QUOTE)
			len = UNSOLICITED_QUOTE;
		assert_int_equal(bpf_map_lookup_elem(map(), &(struct unsolicited_key[]){ key_of(&frame) }, &syn), 0);
		assert_int_equal(syn.len, len);
		assert_memory_equal(syn.quote, frame_ip(&frame), len);
		assert_int_not_equal(syn.time_ns, 0);
	}
	assert_int_equal(count(), sizeof(data_len) / sizeof(data_len[0]));
	gateway_check(&gateway);
}

static void repetitions_change_nothing(void **state)
{
	struct unsolicited_syn first, last;
	struct unsolicited_key key;
	struct frame frame;

	(void)state;
	reset();
	make_syn(&frame, at(REMOTE, REMOTE_PORT), 0);
	send_syn(&frame);
	key = key_of(&frame);
	assert_int_equal(bpf_map_lookup_elem(map(), &key, &first), 0);
	frame_ip(&frame)->id = htons(99);
	frame_seal(&frame);
	send_syn(&frame);
	assert_int_equal(bpf_map_lookup_elem(map(), &key, &last), 0);
	assert_memory_equal(&first, &last, sizeof(first));
	assert_int_equal(count(), 1);
}

/* RFC 1812 §4.3.2.7, and RFC 5382 REQ-4a. */
static void not_what_may_have_no_answer(void **state)
{
	struct frame frame;

	(void)state;
	reset();
	make_syn(&frame, at(REMOTE, REMOTE_PORT), 0);
	memset(frame.bytes, 0xff, ETH_ALEN);
	send_syn(&frame);
	memcpy(frame.bytes, (__u8[]){ 1, 0, 0x5e, 0, 0, 1 }, ETH_ALEN);
	send_syn(&frame);
	assert_int_equal(count(), 0);
	gateway.config.unsolicited = UNSOLICITED_SILENT;
	gateway_configure(&gateway);
	make_syn(&frame, at(REMOTE, REMOTE_PORT), 0);
	send_syn(&frame);
	assert_int_equal(count(), 0);
}

static void no_more_than_there_is_room_for(void **state)
{
	struct frame frame;

	(void)state;
	reset();
	for (__u32 i = 0; i < MAX_UNSOLICITED + 100; i++) {
		make_syn(&frame, at(REMOTE, 1024 + i), 0);
		gateway_send(&gateway, GATEWAY_INGRESS, &frame, 0);
	}
	assert_int_equal(count(), MAX_UNSOLICITED);
	empty();
	make_syn(&frame, at(REMOTE, 1), 0);
	gateway_send(&gateway, GATEWAY_INGRESS, &frame, 0);
	assert_int_equal(count(), 1);
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
		cmocka_unit_test(as_it_came),
		cmocka_unit_test(repetitions_change_nothing),
		cmocka_unit_test(not_what_may_have_no_answer),
		cmocka_unit_test(no_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, open_gateway, close_gateway);
}
