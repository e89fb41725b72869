/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hairpin program: what it lets go uncounted, what it leaves to the host, and what it sends back inside. */
#include <errno.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "gateway.h"

#include "bpf/hairpin_hook.skel.h"
#include "bpf/tc.skel.h"
#include "chance.h"
#include "invariant.h"

#define OTHER "192.168.0.6"
#define TTL 63 /* of frame.h's packets */
#define GARBAGE 20000
#define GARBAGE_EMULATED 1000

static struct gateway gateway;
static struct hairpin_hook *hook;

/* The test run's device is the loopback: packets go back by it, if there is a route. */
static int open_hook(void **state)
{
	struct bpf_map *map;

	(void)state;
	gateway_open(&gateway, ETH_HLEN, 100);
	assert_int_equal(system("ip link set lo up && ip address add " EXTERNAL "/32 dev lo && "
				"ip route add 192.168.0.0/24 dev lo && echo 1 >/proc/sys/net/ipv4/ip_forward && "
				"echo 1 >/proc/sys/net/ipv4/conf/lo/forwarding"),
			 0);
	hook = hairpin_hook__open();
	assert_non_null(hook);
	memcpy((void *)&hook->rodata->shape, (const void *)&gateway.programs->rodata->shape,
	       sizeof(struct store_shape));
	*(__u64 *)&hook->rodata->clock_mult = gateway.programs->rodata->clock_mult;
	*(__u32 *)&hook->rodata->l2_len = ETH_HLEN;
	*(bool *)&hook->rodata->only_ingress = true;
	bpf_object__for_each_map(map, hook->obj) {
		int fd = bpf_object__find_map_fd_by_name(gateway.programs->obj, bpf_map__name(map));

		if (fd >= 0 && !bpf_map__is_internal(map))
			assert_int_equal(bpf_map__reuse_fd(map, fd), 0);
	}
	assert_int_equal(hairpin_hook__load(hook), 0);
	return 0;
}

static int close_hook(void **state)
{
	(void)state;
	hairpin_hook__destroy(hook);
	gateway_close(&gateway);
	return 0;
}

/* Frames to this machine: the loopback's link address is all zero. */
static void aim(struct frame *frame)
{
	memset(frame->bytes, 0, ETH_ALEN);
}

/* Gives a frame to the program, and puts what came out in its place. */
static int run(struct frame *frame)
{
	struct __sk_buff context = { .ingress_ifindex = 1 };
	struct frame out = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes, .data_size_in = frame->len, .data_out = out.bytes,
		    .data_size_out = FRAME_MAX, .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);
	int err = bpf_prog_test_run_opts(bpf_program__fd(hook->progs.bauta_hairpin), &opts);

	if (err)
		fail_msg("cannot run the program: %s", strerror(-err));
	memcpy(frame->bytes, out.bytes, opts.data_size_out);
	frame->len = opts.data_size_out;
	return opts.retval;
}

/* How many packets were counted since the last call, and under which reason the last of them was. */
static __u64 count(enum reason *ret_reason)
{
	static __u64 before[NUM_REASON];
	__u64 num = 0;

	gateway_read_counters(&gateway);
	for (int i = 0; i < NUM_REASON; i++) {
		num += gateway.counters[i] - before[i];
		if (gateway.counters[i] != before[i])
			*ret_reason = i;
	}
	memcpy(before, gateway.counters, sizeof(before));
	return num;
}

static void expect(struct frame *frame, int action, enum reason reason)
{
	enum reason counted = NUM_REASON;

	count(&counted);
	assert_int_equal(run(frame), action);
	assert_int_equal(count(&counted), 1);
	assert_int_equal(counted, reason);
}

static void expect_let_go(const struct frame *frame)
{
	struct frame after = *frame;
	enum reason counted;

	count(&counted);
	assert_int_equal(run(&after), TC_ACT_UNSPEC);
	assert_int_equal(count(&counted), 0);
	assert_true(frame_equal(&after, frame));
}

static void begin(void)
{
	gateway_reset(&gateway, "40000-40009");
	gateway.config.filtering_tcp = FILTERING_ENDPOINT_INDEPENDENT;
	gateway.config.filtering_udp = FILTERING_ENDPOINT_INDEPENDENT;
	gateway_configure(&gateway);
}

/* The external endpoint of an internal one, which sends to a remote. */
static struct endpoint mapped(struct endpoint internal)
{
	struct frame frame;

	frame_udp(&frame, internal, at(REMOTE, 53), 30);
	assert_int_equal(gateway_egress(&gateway, &frame, FROM_INTERNAL).reason, TRANSLATED_NEW);
	return frame_src(&frame);
}

static void lets_others_go(void **state)
{
	static const __u16 types[] = { ETH_P_ARP, ETH_P_IPV6, ETH_P_8021Q, ETH_P_PPP_SES, 100, 0 };
	struct endpoint external;
	struct frame frame;

	(void)state;
	begin();
	external = mapped(at(OTHER, 6000));
	frame_udp(&frame, at(INTERNAL, 5000), at(REMOTE, 53), 30);
	aim(&frame);
	expect_let_go(&frame);
	/* somebody else's frame */
	frame_udp(&frame, at(INTERNAL, 5000), external, 30);
	expect_let_go(&frame);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		aim(&frame);
		*(__be16 *)(frame.bytes + 2 * ETH_ALEN) = htons(types[i]);
		expect_let_go(&frame);
	}
}

static void leaves_the_host_its_own(void **state)
{
	struct frame frame, before;

	(void)state;
	begin();
	mapped(at(OTHER, 6000));
	frame_udp(&frame, at(INTERNAL, 5000), at(EXTERNAL, 53), 30);
	aim(&frame);
	before = frame;
	expect(&frame, TC_ACT_UNSPEC, PASSED_INSIDE);
	assert_true(frame_equal(&frame, &before));
	/* the kernel says what is wrong with it */
	frame_ip(&frame)->check ^= 1;
	before = frame;
	expect(&frame, TC_ACT_UNSPEC, PASSED_INSIDE);
	assert_true(frame_equal(&frame, &before));
}

static void sends_back_inside(void **state)
{
	struct endpoint external, other_external;
	struct frame frame;

	(void)state;
	begin();
	other_external = mapped(at(OTHER, 6000));
	external = mapped(at(INTERNAL, 5000));
	frame_udp(&frame, at(INTERNAL, 5000), other_external, 30);
	aim(&frame);
	expect(&frame, TC_ACT_REDIRECT, TRANSLATED_HAIRPIN);
	assert_true(endpoint_equal(frame_src(&frame), external));
	assert_true(endpoint_equal(frame_dst(&frame), at(OTHER, 6000)));
	assert_int_equal(frame_ip(&frame)->ttl, TTL - 1);
	assert_true(frame_is_sound(&frame));
}

/* The answer is sent by the kernel's own way to the client, and so is a redirection too. */
static void refuses_what_cannot_go(void **state)
{
	static const struct {
		__u8 ttl;
		__u32 len;
		const char *receiver;
		enum reason reason;
		int type, code;
	} cases[] = {
		{ 1, 30, OTHER, REFUSED_HOPS, ICMP_TYPE_TIME_EXCEEDED, ICMP_CODE_HOPS },
		{ 2, 1400, OTHER, REFUSED_TOO_BIG, ICMP_TYPE_UNREACHABLE, ICMP_CODE_TOO_BIG },
		{ 2, 30, "10.0.0.6", REFUSED_NO_ROUTE, ICMP_TYPE_UNREACHABLE, ICMP_CODE_HOST_UNREACHABLE },
	};

	(void)state;
	begin();
	assert_int_equal(system("ip route replace " OTHER "/32 dev lo mtu lock 1300"), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct endpoint external = mapped(at(cases[i].receiver, 6000 + i));
		struct icmp_header *icmp;
		struct frame frame;

		frame_udp(&frame, at(INTERNAL, 5000), external, cases[i].len);
		frame_ip(&frame)->ttl = cases[i].ttl;
		frame_seal(&frame);
		aim(&frame);
		/* nothing is known of the loopback's address: no answer, but counted all the same */
		expect(&frame, TC_ACT_SHOT, cases[i].reason);
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(gateway.programs->maps.gateways), &(__u32){ 1 },
						     &(__be32){ inet_addr(GATEWAY_ADDR) }, BPF_ANY),
				 0);
		frame_udp(&frame, at(INTERNAL, 5000), external, cases[i].len);
		frame_ip(&frame)->ttl = cases[i].ttl;
		frame_seal(&frame);
		aim(&frame);
		expect(&frame, TC_ACT_REDIRECT, cases[i].reason);
		icmp = frame_l4(&frame);
		assert_int_equal(icmp->type, cases[i].type);
		assert_int_equal(icmp->code, cases[i].code);
		assert_int_equal(ntohs(icmp->sequence), cases[i].reason == REFUSED_TOO_BIG ? 1300 : 0);
		assert_true(frame_is_sound(&frame));
		bpf_map_delete_elem(bpf_map__fd(gateway.programs->maps.gateways), &(__u32){ 1 });
	}
	assert_int_equal(system("ip route del " OTHER "/32 dev lo"), 0);
}

/* Whatever comes for our address is counted once, and comes out as one thing or another. */
static void survives_garbage(void **state)
{
	struct endpoint external;
	enum reason reason;
	__u64 num = 0;

	(void)state;
	begin();
	platform.random = chance_seed();
	external = mapped(at(OTHER, 6000));
	count(&reason);
	for (int left = chance_number(GARBAGE, GARBAGE_EMULATED); left > 0; left--) {
		struct frame frame, about;
		int action;

		if (below(2)) {
			frame_udp(&frame, at(INTERNAL, 5000), external, below(100));
		} else {
			frame_udp(&about, external, at(INTERNAL, 5000), below(100));
			frame_error(&frame, inet_addr(INTERNAL), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, 0);
		}
		for (int n = below(4); n > 0; n--)
			frame.bytes[ETH_HLEN + below(frame.len - ETH_HLEN)] ^= 1 << below(8);
		if (below(2))
			seal_ip(frame_ip(&frame));
		if (below(8) == 0)
			frame.len = ETH_HLEN + 20 + below(frame.len - ETH_HLEN - 20);
		aim(&frame);
		num += frame_ip(&frame)->daddr == inet_addr(EXTERNAL);
		action = run(&frame);
		assert_true(action == TC_ACT_UNSPEC || action == TC_ACT_SHOT || action == TC_ACT_REDIRECT);
	}
	assert_int_equal(count(&reason), num);
	assert_int_equal(invariant_check(NULL, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_others_go),    cmocka_unit_test(leaves_the_host_its_own),
		cmocka_unit_test(sends_back_inside), cmocka_unit_test(refuses_what_cannot_go),
		cmocka_unit_test(survives_garbage),
	};

	return cmocka_run_group_tests(tests, open_hook, close_hook);
}
