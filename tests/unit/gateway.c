/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gateway.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "invariant.h"
#include "ranges.h"
#include "rewrite.h"
#include "session.h"

#define NUM_STASH 4

/* ---- opening and closing -------------------------------------------------------------------------------------- */

static bool host_holds(void *hook, const struct tuple *inbound)
{
	struct gateway *gateway = hook;
	void (*meanwhile)(struct gateway *) = gateway->meanwhile;

	gateway->asked = *inbound;
	gateway->meanwhile = NULL;
	if (meanwhile)
		meanwhile(gateway);
	for (__u32 i = 0; i < gateway->num_held; i++) {
		const struct tuple *held = &gateway->held[i];

		if (held->proto == inbound->proto && held->dst == inbound->dst && held->dport == inbound->dport &&
		    (!held->src || (held->src == inbound->src && held->sport == inbound->sport)))
			return true;
	}
	return false;
}

static bool host_connected(void *hook, const struct tuple *inbound)
{
	struct gateway *gateway = hook;

	for (__u32 i = 0; i < gateway->num_held; i++)
		if (memcmp(&gateway->held[i], inbound, sizeof(*inbound)) == 0)
			return true;
	return false;
}

void gateway_set_ranges(struct gateway *gateway, const char *ranges)
{
	struct ranges set;
	struct fault fault;

	assert_int_equal(ranges_parse(ranges, &set, &fault), 0);
	assert_int_equal(ranges_to_config(&set, &gateway->world.config), 0);
	/* another configuration: what was learnt under the last one does not hold */
	gateway->world.config.generation++;
	for (int i = 0; i < NUM_SPACE; i++)
		memset(gateway->world.pool[i].open, 0xff, sizeof(gateway->world.pool[i].open));
}

void gateway_open(struct gateway *gateway, const char *ranges, __u32 num_buckets)
{
	struct config *config = &gateway->world.config;

	memset(gateway, 0, sizeof(*gateway));
	world_open(&gateway->world, num_buckets, NUM_STASH, world_seed());
	platform.host_holds = host_holds;
	platform.host_connected = host_connected;
	config->filtering_tcp = FILTERING_ADDRESS_AND_PORT_DEPENDENT;
	config->filtering_udp = FILTERING_ADDRESS_AND_PORT_DEPENDENT;
	config->num_external = 1;
	config->external[0].addr = inet_addr(EXTERNAL);
	gateway->world.header.pool_addr[0] = inet_addr(EXTERNAL);
	config->num_own = 1;
	config->own[0] = (struct prefix){ .addr = inet_addr(EXTERNAL), .mask = 0xffffffff };
	gateway_set_ranges(gateway, ranges);
}

static void report_violation(const struct violation *violation, void *ctx)
{
	(void)ctx;
	print_error("entry %u: %s: %s\n", violation->index, rule_name[violation->rule], violation->text);
}

void gateway_check(const struct gateway *gateway)
{
	(void)gateway;
	assert_int_equal(invariant_check(report_violation, NULL, NULL), 0);
}

void gateway_close(struct gateway *gateway)
{
	gateway_check(gateway);
	world_close(&gateway->world);
}

void gateway_hold(struct gateway *gateway, __u8 proto, struct endpoint local, struct endpoint remote)
{
	assert_true(gateway->num_held < MAX_HELD);
	gateway->held[gateway->num_held++] = (struct tuple){
		.proto = proto,
		.src = remote.addr,
		.sport = remote.port,
		.dst = local.addr,
		.dport = local.port,
	};
}

/* ---- packets -------------------------------------------------------------------------------------------------- */

static enum reason finish(struct gateway *gateway, struct frame *frame, enum reason reason)
{
	struct packet *packet = &gateway->packet;

	gateway->decision.reason = reason;
	if (!gateway->decision.inbound)
		translate_renumber(packet, &gateway->decision, 1);
	if (packet->first_fragment)
		translate_note(packet, gateway->decision.inbound ? ENTRY_INBOUND : 0, &gateway->decision);
	if (reason_verdict(reason) == VERDICT_PASSED && gateway->decision.renumber)
		rewrite_id(frame_ip(frame), gateway->decision.new_id);
	if (reason_verdict(reason) != VERDICT_TRANSLATED)
		return reason;
	assert_true(rewrite(packet, frame->bytes, frame->bytes + frame->len, &gateway->decision, REWRITE_CHECKSUM));
	return reason;
}

static bool parse(struct gateway *gateway, struct frame *frame)
{
	enum parse_result result;

	memset(&gateway->decision, 0, sizeof(gateway->decision));
	result = packet_parse(&gateway->packet, frame->bytes, frame->bytes + frame->len, ETH_HLEN, frame->len);
	assert_int_not_equal(result, PARSE_MORE);
	return result == PARSE_OK;
}

enum reason gateway_outbound(struct gateway *gateway, struct frame *frame, enum origin origin)
{
	if (!parse(gateway, frame))
		return gateway->packet.bad;
	return finish(gateway, frame, translate_outbound(gateway, &gateway->packet, origin, &gateway->decision));
}

enum reason gateway_inbound(struct gateway *gateway, struct frame *frame)
{
	if (!parse(gateway, frame))
		return gateway->packet.bad;
	return finish(gateway, frame, translate_inbound(gateway, &gateway->packet, &gateway->decision));
}

enum reason gateway_send(struct gateway *gateway, __u8 proto, struct endpoint internal, struct endpoint remote,
			 struct endpoint *ret_external)
{
	struct frame frame;
	enum reason reason;

	if (proto == IPPROTO_TCP)
		frame_tcp(&frame, internal, remote, LIFE_SYN, 0);
	else if (proto == IPPROTO_UDP)
		frame_udp(&frame, internal, remote, 10);
	else
		frame_icmp(&frame, internal.addr, remote.addr, ICMP_TYPE_ECHO, ntohs(internal.port));
	reason = gateway_outbound(gateway, &frame, ORIGIN_FORWARDED);
	if (ret_external)
		*ret_external = frame_src(&frame);
	return reason;
}

/* ---- the table ------------------------------------------------------------------------------------------------ */

bool gateway_read_life(__u8 proto, struct endpoint internal, struct endpoint remote, __u32 *ret_out, __u32 *ret_in)
{
	struct pair pair = { .internal = internal, .remote = remote, .proto = proto };
	struct key key = pair_key(&pair, 0);
	__u32 index = store_find(&key);

	if (index == INDEX_NONE)
		return false;
	*ret_out = store_entry(index)->life;
	*ret_in = store_entry(store_entry(index)->twin)->life;
	return true;
}

__u32 gateway_count_refs(__u8 proto, struct endpoint internal)
{
	struct pair mapping;
	__u32 index;

	return mapping_find(proto, internal, &mapping, &index) ? store_entry(index)->refs : 0;
}

__u32 gateway_sweep(struct gateway *gateway)
{
	struct session_room room;
	__u32 num_removed = 0;

	for (__u32 i = 0; i < gateway->world.num_entries; i++) {
		if (store_entry(i)->flags & ENTRY_INBOUND)
			continue;
		if (session_mark(&gateway->world.config, i) && session_reap(i, EXPIRE_GRACE_S, &room))
			num_removed++;
		else
			mapping_reap(i, gateway->world.config.rest_s);
	}
	return num_removed;
}
