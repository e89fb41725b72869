/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The translator under libFuzzer: packets and passing time over a small table, which must hold its invariants after each
 * input and be empty once everything has expired.
 *
 * A step is eight octets: what is sent by whom to whom, or how much time passes. Few endpoints and ports, so that they
 * meet.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit/frame.h"
#include "invariant.h"
#include "rewrite.h"
#include "translate.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);

#define NUM_BUCKETS 8
#define NUM_STASH 2
#define MAX_STEPS 200
#define EXTERNAL "192.0.2.1"

struct step {
	__u8 what; /* who sends: inside, the host, outside; or time */
	__u8 kind;
	__u8 internal;
	__u8 remote;
	__u8 port;
	__u8 remote_port;
	__u8 flags;
	__u8 seconds;
};

static struct header header;
static struct config config;
static struct bucket bucket[NUM_BUCKETS + NUM_STASH];
static struct stripe stripe[NUM_STRIPES];

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Some ports belong to sockets of the host. */
static bool host_holds(void *hook, const struct tuple *inbound)
{
	(void)hook;
	return inbound->dport == htons(40001) && inbound->sport != htons(81);
}

static void open_table(void)
{
	static const __u32 timeout_s[NUM_TIMEOUT] = { 300, 240, 7440, 240, 240, 60, 6, 30 };

	memset(&header, 0, sizeof(header));
	memset(&config, 0, sizeof(config));
	memset(bucket, 0, sizeof(bucket));
	memset(stripe, 0, sizeof(stripe));
	header.shape = (struct store_shape){
		.num_buckets = NUM_BUCKETS,
		.num_stash = NUM_STASH,
		.hash_key = { 1, 2, 3, 4 },
	};
	config.num_external = 1;
	config.external[0].addr = inet_addr(EXTERNAL);
	config.num_own = 1;
	config.own[0] = (struct prefix){ .addr = inet_addr(EXTERNAL), .mask = 0xffffffff };
	config.num_slices = 1;
	config.num_ports = 4;
	config.slice[0] = (struct port_slice){ .first = 40000, .last = 40003 };
	memcpy(config.timeout_s, timeout_s, sizeof(timeout_s));
	platform = (struct platform){
		.header = &header,
		.bucket = bucket,
		.config = &config,
		.stripe = stripe,
		.now = 1000,
		.random = 1,
		.host_holds = host_holds,
	};
}

static void make(struct frame *frame, const struct step *step, struct endpoint from, struct endpoint to)
{
	struct frame about;

	switch (step->kind % 5) {
	case 0:
		frame_udp(frame, from, to, 4);
		break;
	case 1:
		frame_tcp(frame, from, to, step->flags & LIFE_TCP_MASK, 4);
		break;
	case 2:
		frame_icmp(frame, from.addr, to.addr, step->flags % 20, 40000 + step->port % 6);
		break;
	case 3:
		if (step->flags & 1)
			frame_udp(&about, to, from, 12);
		else
			frame_tcp(&about, to, from, LIFE_ACK, 0);
		frame_error(frame, from.addr, to.addr, ICMP_TYPE_UNREACHABLE, &about, 28 + step->flags % 13);
		break;
	default:
		frame_udp(frame, from, to, 64);
		frame_ip(frame)->frag_off = htons(step->flags);
		seal_ip(frame_ip(frame));
	}
}

static void give(const struct step *step)
{
	struct endpoint internal = at("192.168.0.5", 40000 + step->port % 6);
	struct endpoint remote = at("198.51.100.8", 80 + step->remote_port % 3);
	struct endpoint external = at(EXTERNAL, 40000 + step->port % 6);
	struct decision decision = { 0 };
	struct packet packet;
	struct frame frame;
	enum reason reason;

	internal.addr += htonl(step->internal % 4);
	remote.addr += htonl(step->remote % 3);
	if (step->remote == 255)
		remote = (struct endpoint){ 0 };
	if (step->what % 4 == 0)
		make(&frame, step, internal, remote);
	else if (step->what % 4 == 1)
		make(&frame, step, external, remote);
	else
		make(&frame, step, remote, external);
	if (packet_parse(&packet, frame.bytes, frame.bytes + frame.len, ETH_HLEN, frame.len) != PARSE_OK)
		return;
	if (step->what % 4 < 2)
		reason = translate_outbound(NULL, &packet, step->what % 4 ? ORIGIN_HOST : ORIGIN_FORWARDED, &decision);
	else
		reason = translate_inbound(NULL, &packet, &decision);
	require(reason < NUM_REASON);
	decision.reason = reason;
	if (!decision.inbound)
		translate_renumber(&packet, &decision, 1);
	if (packet.first_fragment)
		translate_note(&packet, decision.inbound ? ENTRY_INBOUND : 0, &decision);
	if (reason_verdict(reason) != VERDICT_TRANSLATED)
		return;
	require(rewrite(&packet, frame.bytes, frame.bytes + frame.len, &decision, REWRITE_CHECKSUM));
	require(ip_checksum_is_right(frame_ip(&frame)));
	require(step->what % 4 >= 2 || frame_ip(&frame)->saddr == config.external[0].addr);
}

static void sweep(void)
{
	for (__u32 i = 0; i < (NUM_BUCKETS + NUM_STASH) * BUCKET_ENTRIES; i++)
		if (session_mark(&config, i))
			session_reap(i, EXPIRE_GRACE_S, &(struct session_room){});
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	static const struct bucket zero[NUM_BUCKETS + NUM_STASH];
	struct step step;

	open_table();
	for (int n = 0; n < MAX_STEPS && size >= sizeof(step); n++) {
		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		size -= sizeof(step);
		if (step.what % 4 == 3) {
			platform.now += step.seconds * (step.flags & 1 ? 40 : 1);
			sweep();
		} else {
			give(&step);
		}
	}
	require(invariant_check(NULL, NULL, NULL) == 0);
	platform.now += 10000;
	sweep();
	platform.now += EXPIRE_GRACE_S;
	sweep();
	/* what a packet had brought back by halves was made whole, and has to expire anew */
	platform.now += 10000;
	sweep();
	platform.now += EXPIRE_GRACE_S;
	sweep();
	require(memcmp(bucket, zero, sizeof(zero)) == 0);
	return 0;
}
