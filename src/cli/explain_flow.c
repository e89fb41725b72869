/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta explain PROTO INTERNAL REMOTE: what a flow of an internal host has; and if it has nothing, what it would get.
 *
 * The answer comes from the translator's own steps, in its own order: the sieve of translate.h, the judgement of
 * quota.h, the search of create.h.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "addr.h"
#include "clock.h"
#include "exclusion_text.h"
#include "explain.h"
#include "failures.h"
#include "hairpin.h"
#include "headroom.h"
#include "quota.h"
#include "reason_text.h"
#include "rehearsal.h"
#include "session.h"
#include "translate.h"
#include "words.h"

static const char *const choice_name[] = {
	[CHOICE_NONE] = "none",   [CHOICE_MAPPING] = "mapping", [CHOICE_NEW_MAPPING] = "port",
	[CHOICE_ALONE] = "alone", [CHOICE_SHARED] = "shared",
};

static void answer_session(struct explain *explain, const struct row *row)
{
	__u32 left = session_expires(platform_config(), row->pair.proto, row->pair.remote.port, row->out_life,
				     row->in_life, platform_now());
	const char *state = state_name[row_state(row)];
	char external[ENDPOINT_TEXT];

	endpoint_format(row->pair.external, external);
	explain_put(explain, "owner", json_string("session"));
	explain_put(explain, "external", json_string(external));
	explain_put(explain, "state", json_string(state));
	explain_put(explain, "expires_s", json_integer(left));
	explain_say(explain, "a session, seen as %s, %s, %u s left", external, state, left);
	explain_headroom(explain, row->pair.external.addr);
}

/* ---- what would not come to a search ----------------------------------------------------------------------------- */

static void answer_reason(struct explain *explain, enum reason reason)
{
	enum verdict verdict = reason_verdict(reason);

	explain_put(explain, "outcome", json_string(verdict_name[verdict]));
	explain_put(explain, "reason", json_string(reason_text[reason].name));
	explain_say(explain, "%s (%s): %s", verdict == VERDICT_PASSED ? "passed on untouched" : verdict_name[verdict],
		    reason_text[reason].name, reason_text[reason].meaning);
}

static enum packet_kind kind_of(__u8 proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return PACKET_TCP;
	case IPPROTO_UDP:
		return PACKET_UDP;
	default:
		return PACKET_ICMP_REQUEST;
	}
}

static void say_exclusion(struct explain *explain, const struct packet *pkt)
{
	__u32 number = exclusion_find(pkt);
	char text[EXCLUSION_TEXT];

	if (number == INDEX_NONE)
		return;
	exclusion_format(&platform_config()->excluded[number], text);
	explain_put(explain, "exclusion", json_string(text));
	explain_say(explain, ": %s", text);
}

/* Whether the remote is an external endpoint of ours that leads to an internal host. */
static bool comes_back(const struct explain *explain)
{
	struct endpoint remote = explain->remote;

	return explain->proto != IPPROTO_ICMP && platform_config()->hairpin.mode != INTERFACES_OFF &&
	       hairpin_has_host(explain->proto, remote.addr, remote.port);
}

/* Whether that is the end of it: the flow would not come to a search. */
static bool answer_tuple(struct explain *explain)
{
	const struct config *config = platform_config();
	struct packet pkt = {
		.tuple = {
			.src = explain->first.addr,
			.dst = explain->remote.addr,
			.sport = explain->first.port,
			.dport = explain->remote.port,
			.proto = explain->proto,
		},
		.kind = kind_of(explain->proto),
	};
	enum reason reason = outbound_sieve(config, &pkt, ORIGIN_FORWARDED);

	if (reason == TRANSLATED_OUTBOUND && addr_is_own(config, pkt.tuple.dst) && !comes_back(explain))
		reason = PASSED_INSIDE;
	else if (reason == TRANSLATED_OUTBOUND && translate_is_excluded(&pkt))
		reason = PASSED_EXCLUDED;
	else if (reason == TRANSLATED_OUTBOUND && !config->num_external)
		reason = REFUSED_NO_ADDRESS;
	if (reason == TRANSLATED_OUTBOUND)
		return false;
	answer_reason(explain, reason);
	if (reason == PASSED_EXCLUDED)
		say_exclusion(explain, &pkt);
	else if (reason == PASSED_INSIDE && config->hairpin.mode == INTERFACES_OFF)
		explain_say(explain, "; hairpin is off");
	return true;
}

static json_t *limit_json(__u32 limit)
{
	return limit ? json_integer(limit) : json_null();
}

/* Whether a quota of the internal host stands against one more: then that is the answer. */
static bool answer_quota(struct explain *explain, enum quota_item item)
{
	const struct config *config = platform_config();
	enum quota_result result;
	struct quota quota;
	__u32 num_new;

	if (!quota_is_set(config))
		return false;
	table_read_quota(explain->table, explain->first.addr, &quota);
	num_new = quota_is_current(&quota, platform_now()) ? quota.num_new : 0;
	explain_put(explain, "quota",
		    json_pack("{s:I, s:o, s:I, s:o, s:I, s:o}", "ports", (json_int_t)quota.num_ports, "max_ports",
			      limit_json(config->max_ports), "sessions", (json_int_t)quota.num_sessions, "max_sessions",
			      limit_json(config->max_sessions), "new", (json_int_t)num_new, "max_rate",
			      limit_json(config->max_new_per_s)));
	result = quota_judge(config, &quota, item, platform_now());
	if (result == QUOTA_NO_PORT) {
		answer_reason(explain, REFUSED_QUOTA_PORTS);
		explain_say(explain, "; it has %u of %u ports", quota.num_ports, config->max_ports);
	} else if (result == QUOTA_NO_SESSION) {
		answer_reason(explain, REFUSED_QUOTA_SESSIONS);
		explain_say(explain, "; it has %u of %u sessions", quota.num_sessions, config->max_sessions);
	} else if (result == QUOTA_NO_RATE) {
		answer_reason(explain, REFUSED_QUOTA_RATE);
		explain_say(explain, "; it has made %u of %u new ones in this second", num_new, config->max_new_per_s);
	}
	return result != QUOTA_COUNTED;
}

/* ---- what a search finds ---------------------------------------------------------------------------------------- */

/* A socket of the host that is in the way; with --borrow any that sits on the port is. */
static const struct host_socket *find_socket(const struct explain *explain, struct endpoint external)
{
	const struct sockets *sockets = explain->sockets;
	const struct host_socket *socket = sockets_find(sockets, explain->proto, external, explain->remote);

	for (size_t i = 0; !socket && platform_config()->borrow && i < sockets->num; i++)
		if (sockets->socket[i].proto == explain->proto && sockets->socket[i].local.port == external.port)
			socket = &sockets->socket[i];
	return socket;
}

/* Who has an endpoint toward the remote: a session, or a process. */
static void say_holder(struct explain *explain, json_t *record, struct endpoint external)
{
	const struct host_socket *socket;
	char internal[ENDPOINT_TEXT];
	struct row row;

	if (table_find_inbound(explain->proto, external, explain->remote, &row)) {
		endpoint_format(row.pair.internal, internal);
		json_object_set_new(record, "owner", json_string("session"));
		json_object_set_new(record, "internal", json_string(internal));
		explain_say(explain, "the session of %s", internal);
		return;
	}
	socket = find_socket(explain, external);
	/* kernels before 6.8 do not list a socket that is bound and nothing else */
	json_object_set_new(record, "owner", json_string(socket || platform_config()->borrow ? "process" : "nobody"));
	if (socket)
		explain_socket(explain, record, socket);
	else
		explain_say(explain, platform_config()->borrow ? "a socket of the host" : "nobody any more");
}

/* Why the endpoint does not get what it would like best: the external endpoint of its mapping, or its own port. */
static void say_obstacle(struct explain *explain, struct endpoint liked, bool mapped)
{
	const char *what = mapped ? "its mapping" : "its own port";
	char text[ENDPOINT_TEXT], internal[ENDPOINT_TEXT];
	json_t *record = json_object();
	struct row row;

	endpoint_format(liked, text);
	json_object_set_new(record, "external", json_string(text));
	explain_put(explain, "obstacle", record);
	if (!mapped && explain->proto != IPPROTO_ICMP &&
	    !bitmap_has(platform_config()->ranges, be16_to_cpu(liked.port))) {
		json_object_set_new(record, "owner", json_string("ranges"));
		explain_say(explain, "; %s, %u, is not in the ranges", what, be16_to_cpu(liked.port));
	} else if (!mapped && table_find_inbound(explain->proto, liked, (struct endpoint){}, &row)) {
		endpoint_format(row.pair.internal, internal);
		json_object_set_new(record, "owner", json_string("mapping"));
		json_object_set_new(record, "internal", json_string(internal));
		explain_say(explain, "; %s, %s, is the mapping of %s", what, text, internal);
		if (!row.refs) {
			json_object_set_new(record, "rests_s", json_integer(row_rest(&row)));
			explain_say(explain, ", which rests for another %u s", row_rest(&row));
		}
	} else {
		explain_say(explain, "; %s, %s, is held toward this remote by ", what, text);
		say_holder(explain, record, liked);
	}
}

static void say_choice(struct explain *explain, const struct search *search, struct endpoint liked, bool mapped)
{
	struct endpoint external = search->session.external;
	char text[ENDPOINT_TEXT], address[ENDPOINT_TEXT];
	bool best = endpoint_equal(external, liked);
	bool shared = search->choice == CHOICE_SHARED;
	struct headroom headroom;

	endpoint_format(external, text);
	address_format(external.addr, address);
	explain_put(explain, "outcome", json_string(verdict_name[VERDICT_TRANSLATED]));
	explain_put(explain, "choice",
		    json_string(best && !mapped && !shared ? "own-port" : choice_name[search->choice]));
	explain_put(explain, "external", best ? json_string(text) : json_null());
	if (best)
		explain_say(explain, "translated to %s, %s%s", text, mapped ? "its mapping" : "its own port",
			    shared ? ", which others use toward other remotes" : "");
	if (best && !shared)
		return;
	headroom_count(explain->sockets, explain->proto, external.addr, explain->remote, &headroom);
	if (!best && shared && mapped && headroom.unmapped)
		explain_say(explain, "translated to one of the %u free ports of %s, for this flow alone",
			    headroom.unmapped, address);
	else if (!best && shared)
		explain_say(explain, "translated to one of %u ports of %s that others use toward other remotes",
			    headroom.free, address);
	else if (!best)
		explain_say(explain, "translated to one of the %u free ports of %s, drawn at random", headroom.unmapped,
			    address);
	if (external.addr == liked.addr)
		say_obstacle(explain, liked, mapped);
	else
		explain_say(explain, "; its own external address, %s, has none left",
			    address_format(liked.addr, address));
}

/* Endpoint-dependent mapping: no port is liked better than another. */
static void say_drawn(struct explain *explain, __be32 external)
{
	struct headroom headroom;
	char address[ENDPOINT_TEXT];

	headroom_count(explain->sockets, explain->proto, external, explain->remote, &headroom);
	explain_put(explain, "outcome", json_string(verdict_name[VERDICT_TRANSLATED]));
	explain_put(explain, "choice", json_string(choice_name[CHOICE_NEW_MAPPING]));
	explain_put(explain, "external", json_null());
	explain_say(explain,
		    "translated to one of the %u ports of %s that are free toward this remote, drawn at random",
		    headroom.free, address_format(external, address));
}

/* To whom a flow to an external endpoint of ours comes back. */
static void say_hairpin(struct explain *explain)
{
	char internal[ENDPOINT_TEXT];
	struct pair mapping;

	if (!addr_is_own(platform_config(), explain->remote.addr) ||
	    !mapping_find_external(explain->proto, explain->remote.addr, explain->remote.port, &mapping))
		return;
	endpoint_format(mapping.internal, internal);
	explain_put(explain, "hairpin", json_string(internal));
	explain_say(explain, "; it would come back to %s, if the filter there lets it in", internal);
}

/* How many sockets of the host are named, of those that hold ports of the ranges. */
#define MAX_NAMED 3

static void say_sockets(struct explain *explain, __be32 external)
{
	json_t *list = json_array();
	unsigned int port = 0;
	struct ranges ours, ports;
	__u16 first, last;

	ranges_from_config(platform_config(), &ours);
	headroom_kept_ports(explain->sockets, explain->proto, external, explain->remote, &ports);
	ranges_intersect(&ports, &ours);
	while (json_array_size(list) < MAX_NAMED && ranges_next(&ports, &port, &first, &last)) {
		struct endpoint local = { .addr = external, .port = cpu_to_be16(first) };
		json_t *record = json_object();

		port = first + 1;
		explain_say(explain, "; %u belongs to ", first);
		say_holder(explain, record, local);
		json_object_set_new(record, "port", json_integer(first));
		json_array_append_new(list, record);
	}
	explain_put(explain, "sockets", list);
}

/* Whether the table has room shows only when it is tried; but if it had none a moment ago, that is worth knowing. */
#define RECENTLY_S 60
#define NS_PER_S 1000000000ull

static void say_full(struct explain *explain)
{
	__u64 now_ns = clock_read_mono_ns(), age_s = RECENTLY_S;
	struct failures failures;

	if (!explain->table->failure || explain->table->area[AREA_FAILURES].num != NUM_FAILURE ||
	    failures_read(explain->table->failure, &failures))
		return;
	for (size_t i = 0; i < failures.num && age_s == RECENTLY_S; i++)
		if (failures.event[i].reason == REFUSED_NO_ROOM && failures.event[i].time_ns < now_ns)
			age_s = (now_ns - failures.event[i].time_ns) / NS_PER_S;
	failures_free(&failures);
	if (age_s >= RECENTLY_S)
		return;
	explain_put(explain, "no_room_age_s", json_integer(age_s));
	explain_say(explain, "; unless the table is still full, as it was %llu s ago (no-room)", age_s);
}

static void answer_search(struct explain *explain)
{
	const struct config *config = platform_config();
	struct pair session = { .internal = explain->first, .remote = explain->remote, .proto = explain->proto };
	struct endpoint liked = {};
	struct search search;
	struct row mapping;
	bool mapped;

	if (rehearse(explain->sockets, &session, &search)) {
		explain_say(explain, "unknown, for want of memory");
		return;
	}
	mapped = table_find_outbound(explain->proto, explain->first, (struct endpoint){}, &mapping);
	liked.addr = config->external[search.home % MAX_EXTERNAL].addr;
	liked.port = explain->first.port;
	if (mapped)
		liked = mapping.pair.external;
	if (search.choice == CHOICE_NEW_MAPPING && answer_quota(explain, QUOTA_PORT)) {
		return;
	} else if (search.choice == CHOICE_NONE) {
		answer_reason(explain, REFUSED_NO_PORT);
		say_obstacle(explain, liked, mapped);
		say_sockets(explain, liked.addr);
	} else {
		if (search.dependent)
			say_drawn(explain, search.session.external.addr);
		else
			say_choice(explain, &search, liked, mapped);
		say_hairpin(explain);
		say_full(explain);
	}
	explain_headroom(explain, liked.addr);
}

void explain_flow(struct explain *explain)
{
	char address[ENDPOINT_TEXT];
	struct row row;

	explain_say(explain, "internal tuple %s %s -> %s (%s is no address of the external interface) ",
		    explain->proto_word, explain->first_text, explain->remote_text,
		    address_format(explain->first.addr, address));
	if (table_find_outbound(explain->proto, explain->first, explain->remote, &row)) {
		explain_say(explain, "has ");
		answer_session(explain, &row);
		return;
	}
	explain_put(explain, "owner", json_string("nobody"));
	explain_say(explain, "has no session; its first packet would now be ");
	if (!answer_tuple(explain) && !answer_quota(explain, QUOTA_SESSION))
		answer_search(explain);
}
