/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes through untouched, and why. */
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway.h"
#include "packet.h"

static struct gateway gateway;

static void passes_out(const struct frame *frame, __u32 from, enum reason reason)
{
	struct frame after = *frame;
	struct outcome outcome = gateway_egress(&gateway, &after, from);

	assert_int_equal(outcome.reason, reason);
	assert_int_equal(outcome.action, TC_ACT_UNSPEC);
	assert_true(frame_equal(&after, frame));
}

static void passes_in(const struct frame *frame, enum reason reason)
{
	struct frame after = *frame;
	struct outcome outcome = gateway_ingress(&gateway, &after, 0);

	assert_int_equal(outcome.reason, reason);
	assert_int_equal(outcome.action, TC_ACT_UNSPEC);
	assert_true(frame_equal(&after, frame));
}

/* ARP, IPv6, VLAN tags, anything: even if what follows would be a packet of a session. */
static void other_frames(void **state)
{
	static const struct {
		__u16 type;
		enum reason reason;
	} cases[] = {
		{ ETH_P_ARP, PASSED_ARP },
		{ ETH_P_IPV6, PASSED_IPV6 },
		{ ETH_P_8021Q, PASSED_VLAN },
		{ ETH_P_8021AD, PASSED_VLAN },
		{ ETH_P_PPP_SES, PASSED_OTHER_ETHERTYPE },
		{ ETH_P_MPLS_UC, PASSED_OTHER_ETHERTYPE },
		{ 0, PASSED_OTHER_ETHERTYPE },
		{ 0xffff, PASSED_OTHER_ETHERTYPE },
		{ 100, PASSED_OTHER_ETHERTYPE }, /* a length: IEEE 802.3 */
	};
	struct frame frame;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	frame_udp(&frame, at(INTERNAL, 40003), at(REMOTE, 53), 30);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		*(__be16 *)(frame.bytes + 12) = htons(cases[i].type);
		passes_out(&frame, FROM_INTERNAL, cases[i].reason);
		passes_out(&frame, FROM_HOST, cases[i].reason);
		passes_in(&frame, cases[i].reason);
	}
	assert_true(gateway_is_empty(&gateway));
	gateway_check(&gateway);
}

static void host_traffic(void **state)
{
	struct frame frame;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	frame_udp(&frame, at(EXTERNAL, 40003), at(REMOTE, 53), 10);
	passes_out(&frame, FROM_HOST, PASSED_HOST);
	frame_tcp(&frame, at(EXTERNAL, 40003), at(REMOTE, 53), LIFE_RST, 0);
	passes_out(&frame, FROM_HOST, PASSED_HOST);
	frame_icmp(&frame, inet_addr(EXTERNAL), inet_addr(REMOTE), ICMP_TYPE_ECHO_REPLY, 77);
	passes_out(&frame, FROM_HOST, PASSED_HOST);
	frame_other(&frame, inet_addr(EXTERNAL), inet_addr(REMOTE), IPPROTO_GRE);
	passes_out(&frame, FROM_HOST, PASSED_HOST_PROTOCOL);
	frame_other(&frame, inet_addr(EXTERNAL), inet_addr(REMOTE), IPPROTO_ESP);
	frame_ip(&frame)->frag_off = htons(9);
	seal_ip(frame_ip(&frame));
	passes_out(&frame, FROM_HOST, PASSED_HOST_FRAGMENT);
	frame_udp(&frame, at("0.0.0.0", 68), at("255.255.255.255", 67), 240);
	passes_out(&frame, FROM_HOST, PASSED_UNSPECIFIED);
	frame_udp(&frame, at(EXTERNAL, 5353), at("224.0.0.251", 5353), 10);
	passes_out(&frame, FROM_HOST, PASSED_MULTICAST);
	frame_udp(&frame, at(EXTERNAL, 67), at("255.255.255.255", 68), 10);
	passes_out(&frame, FROM_HOST, PASSED_BROADCAST);
	assert_true(gateway_is_empty(&gateway));
	gateway_check(&gateway);
}

static void to_the_host(void **state)
{
	struct frame frame, about;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	frame_tcp(&frame, at(REMOTE, 5000), at(EXTERNAL, 22), LIFE_SYN, 0);
	passes_in(&frame, PASSED_NO_SESSION);
	frame_icmp(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_ECHO, 77);
	passes_in(&frame, PASSED_HOST);
	frame_icmp(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_ECHO_REPLY, 77);
	passes_in(&frame, PASSED_NO_SESSION);
	frame_udp(&about, at(EXTERNAL, 40003), at(REMOTE, 53), 30);
	frame_error(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), ICMP_TYPE_UNREACHABLE, &about, 0);
	passes_in(&frame, PASSED_NO_SESSION);
	frame_other(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), IPPROTO_GRE);
	passes_in(&frame, PASSED_HOST_PROTOCOL);
	frame_udp(&frame, at(REMOTE, 53), at(EXTERNAL, 40003), 64);
	((struct udphdr *)frame_l4(&frame))->len = htons(2000);
	frame_ip(&frame)->frag_off = htons(IP_MF);
	seal_ip(frame_ip(&frame));
	passes_in(&frame, PASSED_NO_SESSION);
	frame_ip(&frame)->frag_off = htons(9);
	seal_ip(frame_ip(&frame));
	passes_in(&frame, PASSED_HOST_FRAGMENT);
	frame_other(&frame, inet_addr(REMOTE), inet_addr(EXTERNAL), IPPROTO_ESP);
	frame_ip(&frame)->frag_off = htons(9);
	seal_ip(frame_ip(&frame));
	passes_in(&frame, PASSED_HOST_FRAGMENT);
	frame_udp(&frame, at(REMOTE, 5353), at("224.0.0.251", 5353), 10);
	passes_in(&frame, PASSED_MULTICAST);
	frame_udp(&frame, at(REMOTE, 67), at("255.255.255.255", 68), 10);
	passes_in(&frame, PASSED_BROADCAST);
	frame_udp(&frame, at(REMOTE, 53), at("192.0.2.99", 40003), 10);
	passes_in(&frame, PASSED_NOT_EXTERNAL);
	assert_true(gateway_is_empty(&gateway));
	gateway_check(&gateway);
}

static void not_internal(void **state)
{
	struct frame frame;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	gateway.config.num_internal = 1;
	gateway.config.internal[0] = (struct prefix){ .addr = inet_addr("192.168.0.0"), .mask = htonl(0xffffff00) };
	gateway_configure(&gateway);
	frame_udp(&frame, at("192.168.1.5", 40003), at(REMOTE, 53), 10);
	passes_out(&frame, FROM_INTERNAL, PASSED_NOT_INTERNAL);
	frame_other(&frame, inet_addr("192.168.1.5"), inet_addr(REMOTE), IPPROTO_GRE);
	passes_out(&frame, FROM_INTERNAL, PASSED_NOT_INTERNAL);
	frame_udp(&frame, at(INTERNAL, 40003), at(REMOTE, 53), 10);
	assert_int_equal(gateway_egress(&gateway, &frame, FROM_INTERNAL).reason, TRANSLATED_NEW);
	gateway_check(&gateway);
}

/* --exclude: of a datagram in fragments only the first says which port it is for. */
static void excluded(void **state)
{
	struct frame frame, about;

	(void)state;
	gateway_reset(&gateway, "40000-40009");
	gateway.config.num_excluded = 1;
	gateway.config.excluded[0] = (struct exclusion){
		.prefix = { .addr = inet_addr(REMOTE), .mask = 0xffffffff },
		.proto = IPPROTO_UDP,
		.port = htons(53),
	};
	gateway_configure(&gateway);
	frame_udp(&frame, at(INTERNAL, 40003), at(REMOTE, 53), 10);
	passes_out(&frame, FROM_INTERNAL, PASSED_EXCLUDED);
	frame_udp(&frame, at(INTERNAL, 40003), at(REMOTE, 53), 64);
	frame_ip(&frame)->frag_off = htons(IP_MF);
	seal_ip(frame_ip(&frame));
	passes_out(&frame, FROM_INTERNAL, PASSED_EXCLUDED);
	frame_begin(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), IPPROTO_UDP, 64);
	frame_ip(&frame)->frag_off = htons(9);
	seal_ip(frame_ip(&frame));
	passes_out(&frame, FROM_INTERNAL, PASSED_EXCLUDED);
	frame_udp(&about, at(REMOTE, 53), at(INTERNAL, 40003), 30);
	frame_error(&frame, inet_addr(INTERNAL), inet_addr(REMOTE), ICMP_TYPE_UNREACHABLE, &about, 0);
	passes_out(&frame, FROM_INTERNAL, PASSED_EXCLUDED);
	assert_true(gateway_is_empty(&gateway));
	frame_udp(&frame, at(INTERNAL, 40003), at(REMOTE, 54), 10);
	assert_int_equal(gateway_egress(&gateway, &frame, FROM_INTERNAL).reason, TRANSLATED_NEW);
	gateway_check(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_frames), cmocka_unit_test(host_traffic), cmocka_unit_test(to_the_host),
		cmocka_unit_test(not_internal), cmocka_unit_test(excluded),
	};

	return gateway_run_tests(&gateway, 1024, tests, sizeof(tests) / sizeof(tests[0]));
}
