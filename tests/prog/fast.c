/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fast.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "bpf/tc.skel.h"
#include "bpf/xdp.skel.h"
#include "wires.h"

#define TAG_LEN 4

/* ---- interfaces ----------------------------------------------------------------------------------------------- */

static void enable_forwarding(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_forward", "we");

	assert_non_null(file);
	assert_int_equal(fputs("1", file), 1);
	assert_int_equal(fclose(file), 0);
}

/* The neighbours of the wires are nobody: they are written down, not asked for. To the program a VLAN is no more than an
 * interface that routes lead to and a number: so any will do, also where the kernel knows of no VLANs.
 */
static void make_interfaces(void)
{
	wires_ip("link set lo up");
	wires_ip("link add " INSIDE " address " INSIDE_MAC " type veth peer name inside1");
	wires_ip("link add " OUTSIDE " address " OUTSIDE_MAC " type veth peer name outside1");
	wires_ip("link add " INSIDE_VLAN " address " INSIDE_MAC " type veth peer name inside1.7");
	wires_ip("link add " OUTSIDE_VLAN " address " OUTSIDE_MAC " type veth peer name outside1.9");
	for (int i = 0; i < 2; i++) {
		wires_ip("link set inside%d up", i);
		wires_ip("link set outside%d up", i);
	}
	wires_ip("link set " INSIDE_VLAN " up");
	wires_ip("link set " OUTSIDE_VLAN " up");
	wires_ip("link set inside1.7 up");
	wires_ip("link set outside1.9 up");
	wires_ip("address add " GATEWAY_ADDR "/24 dev " INSIDE);
	wires_ip("address add " EXTERNAL "/32 dev " OUTSIDE);
	wires_ip("address add 192.168.7.1/24 dev " INSIDE_VLAN);
	wires_ip("neighbour add " INTERNAL " lladdr " INTERNAL_MAC " nud permanent dev " INSIDE);
	wires_ip("neighbour add " VLAN_INTERNAL " lladdr " INTERNAL_MAC " nud permanent dev " INSIDE_VLAN);
	wires_ip("neighbour add " ROUTER_ADDR " lladdr " ROUTER_MAC " nud permanent dev " OUTSIDE);
	wires_ip("neighbour add " ROUTER_ADDR " lladdr " ROUTER_MAC " nud permanent dev " OUTSIDE_VLAN);
	enable_forwarding();
}

static void route_by(const char *external)
{
	wires_ip("route replace " ROUTER_ADDR "/32 dev %s", external);
	wires_ip("route replace default via " ROUTER_ADDR " dev %s", external);
}

/* ---- what the program knows of them ----------------------------------------------------------------------------- */

static void parse_mac(const char *text, __u8 mac[MAC_LEN])
{
	assert_non_null(ether_aton_r(text, (struct ether_addr *)mac));
}

static void update(const struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY))
		fail_msg("cannot write %s: %s", bpf_map__name(map), strerror(errno));
}

static void describe(struct fast *fast, const char *iface, const char *vlan_iface, __u16 vlan, const char *mac,
		     enum fast_role role)
{
	__u32 ifindex = if_nametoindex(iface), vlan_ifindex = if_nametoindex(vlan_iface);
	__u32 index = ifindex % NUM_FAST_LINK;
	struct fast_link link = { .ifindex = ifindex, .role = role, .has_vlans = 1 };
	struct fast_vlan_key key = { .ifindex = ifindex, .proto = htons(ETH_P_8021Q), .vlan = htons(vlan) };
	struct fast_vlan fast_vlan = { .ifindex = vlan_ifindex, .role = role };
	struct fast_exit exit = { .port = index };

	parse_mac(mac, link.mac);
	parse_mac(mac, fast_vlan.mac);
	update(fast->programs->maps.fast_links, &index, &link);
	update(fast->programs->maps.fast_vlans, &key, &fast_vlan);
	update(fast->programs->maps.fast_exits, &ifindex, &exit);
	exit.vlan_proto = key.proto;
	exit.vlan = key.vlan;
	update(fast->programs->maps.fast_exits, &vlan_ifindex, &exit);
	update(fast->programs->maps.fast_ports, &index, &ifindex);
}

static void reuse_maps(struct fast *fast)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, fast->programs->obj) {
		int fd = bpf_object__find_map_fd_by_name(fast->gateway->programs->obj, bpf_map__name(map));

		if (fd >= 0 && !bpf_map__is_internal(map))
			assert_int_equal(bpf_map__reuse_fd(map, fd), 0);
	}
}

void fast_open(struct fast *fast, struct gateway *gateway, const char *external)
{
	*fast = (struct fast){ .gateway = gateway, .programs = xdp__open() };
	assert_non_null(fast->programs);
	if (!if_nametoindex(INSIDE))
		make_interfaces();
	route_by(external);
	fast->inside = if_nametoindex(INSIDE);
	fast->outside = if_nametoindex(OUTSIDE);
	memcpy((void *)&fast->programs->rodata->shape, &gateway->header->shape, sizeof(gateway->header->shape));
	*(__u64 *)&fast->programs->rodata->clock_mult = gateway->header->clock.mult;
	*(__u32 *)&fast->programs->rodata->external_ifindex = if_nametoindex(external);
	reuse_maps(fast);
	assert_int_equal(xdp__load(fast->programs), 0);
	gateway->header->next_hop_generation = 1;
	fast_watch(fast, true);
	describe(fast, INSIDE, INSIDE_VLAN, INSIDE_VLAN_ID, INSIDE_MAC, FAST_INTERNAL);
	describe(fast, OUTSIDE, OUTSIDE_VLAN, OUTSIDE_VLAN_ID, OUTSIDE_MAC, FAST_EXTERNAL);
}

void fast_close(struct fast *fast)
{
	xdp__destroy(fast->programs);
}

void fast_watch(struct fast *fast, bool watched)
{
	fast->gateway->header->next_hop_until = watched ? ~0ull : 0;
}

void fast_new_generation(struct fast *fast)
{
	fast->gateway->header->next_hop_generation++;
}

/* ---- frames --------------------------------------------------------------------------------------------------- */

static enum fast_reason take_reason(struct fast *fast)
{
	int num_cpus = libbpf_num_possible_cpus(), counted = -1;
	__u64 *values = calloc(num_cpus, sizeof(*values));

	assert_non_null(values);
	for (__u32 i = 0; i < NUM_FAST_REASON; i++) {
		__u64 sum = 0;

		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(fast->programs->maps.fast_counters), &i, values), 0);
		for (int cpu = 0; cpu < num_cpus; cpu++)
			sum += values[cpu];
		if (sum == fast->counters[i])
			continue;
		if (sum != fast->counters[i] + 1 || counted >= 0)
			fail_msg("one frame was counted under fast reasons %d and %u", counted, i);
		fast->counters[i] = sum;
		counted = i;
	}
	free(values);
	if (counted < 0)
		fail_msg("a frame was not counted");
	return counted;
}

struct fast_outcome fast_run_as_it_is(struct fast *fast, struct frame *frame, __u32 ifindex)
{
	struct fast_outcome outcome;
	struct frame out = { 0 };
	struct xdp_md context = { .data_end = frame->len, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes, .data_size_in = frame->len, .data_out = out.bytes,
		    .data_size_out = FRAME_MAX, .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);
	int err = bpf_prog_test_run_opts(bpf_program__fd(fast->programs->progs.bauta_xdp), &opts);

	if (err)
		fail_msg("cannot run the program: %s", strerror(-err));
	out.len = opts.data_size_out;
	outcome = (struct fast_outcome){ .action = opts.retval, .reason = take_reason(fast) };
	/* what xdp decides anew is counted as tc would have, too */
	fast->gateway->num_packets += outcome.reason == FAST_CREATED || outcome.reason == FAST_REFUSED;
	gateway_read_counters(fast->gateway);
	if (outcome.action == XDP_PASS && !frame_equal(frame, &out))
		fail_msg("a frame that goes up under fast reason %d was changed", outcome.reason);
	*frame = out;
	return outcome;
}

void fast_address(struct frame *frame, const char *mac)
{
	parse_mac(mac, frame->bytes);
}

struct fast_outcome fast_run(struct fast *fast, struct frame *frame, __u32 ifindex)
{
	fast_address(frame, ifindex == fast->inside ? INSIDE_MAC : OUTSIDE_MAC);
	return fast_run_as_it_is(fast, frame, ifindex);
}

bool frame_has_macs(const struct frame *frame, const char *dest, const char *source)
{
	__u8 macs[2][MAC_LEN];

	parse_mac(dest, macs[0]);
	parse_mac(source, macs[1]);
	return memcmp(frame->bytes, macs, sizeof(macs)) == 0;
}

void frame_tag(struct frame *frame, __u16 proto, __u16 vlan)
{
	__u8 *tag = frame->bytes + 2 * MAC_LEN;
	__be16 words[] = { htons(proto), htons(vlan) };

	memmove(tag + TAG_LEN, tag, frame->len - 2 * MAC_LEN);
	memcpy(tag, words, sizeof(words));
	frame->len += TAG_LEN;
}

int frame_untag(struct frame *frame)
{
	__u8 *tag = frame->bytes + 2 * MAC_LEN;
	__be16 words[2];

	memcpy(words, tag, sizeof(words));
	if (words[0] != htons(ETH_P_8021Q) && words[0] != htons(ETH_P_8021AD))
		return -1;
	memmove(tag, tag + TAG_LEN, frame->len - 2 * MAC_LEN - TAG_LEN);
	frame->len -= TAG_LEN;
	return ntohs(words[1]);
}
