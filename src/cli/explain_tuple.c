/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta explain PROTO EXTERNAL REMOTE: who owns an external tuple; and if nobody does, what the next one meets. */
#include "addr.h"
#include "explain.h"
#include "ranges.h"
#include "session.h"
#include "words.h"

static void answer_session(struct explain *explain, const struct row *row)
{
	__u32 left = session_expires(platform_config(), row->pair.proto, row->pair.remote.port, row->out_life,
				     row->in_life, platform_now());
	const char *state = state_name[row_state(row)];
	char internal[ENDPOINT_TEXT];

	endpoint_format(row->pair.internal, internal);
	explain_put(explain, "owner", json_string("session"));
	explain_put(explain, "internal", json_string(internal));
	explain_put(explain, "state", json_string(state));
	explain_put(explain, "expires_s", json_integer(left));
	explain_say(explain, "the session of %s%s, %s, %u s left",
		    row->pair.flags & ENTRY_HOST ? "the host itself, " : "", internal, state, left);
}

/* A port that has a mapping, and whose tuple toward this remote is free. */
static void answer_mapping(struct explain *explain, const struct row *mapping)
{
	const struct config *config = platform_config();
	const char *host =
		config->borrow ? "the host may not use it while it has a mapping (--borrow)" : "the host may use it";
	const char *others =
		config->on_full == ON_FULL_REFUSE ? "nobody else may" : "others only once all ports are taken";
	char internal[ENDPOINT_TEXT];

	endpoint_format(mapping->pair.internal, internal);
	explain_put(explain, "mapping", row_is_of_port(mapping) ? json_null() : json_string(internal));
	if (row_is_of_port(mapping)) {
		explain_say(explain, "%s, and internal hosts, which share the port, once all ports are taken", host);
	} else if (!mapping->refs) {
		explain_put(explain, "rests_s", json_integer(row_rest(mapping)));
		explain_say(explain, "%s, and %s, whose mapping rests for another %u s; %s", host, internal,
			    row_rest(mapping), others);
	} else {
		explain_say(explain, "%s, and %s, which has the port mapped; %s", host, internal, others);
	}
}

/* What a new flow would meet. */
static void answer_nobody(struct explain *explain)
{
	const struct config *config = platform_config();
	__u16 port = be16_to_cpu(explain->first.port);
	char address[ENDPOINT_TEXT];
	struct ranges ranges;
	bool in_ranges;
	struct row row;

	ranges_from_config(config, &ranges);
	in_ranges = explain->proto == IPPROTO_ICMP || ranges_contain(&ranges, port);
	explain_put(explain, "owner", json_string("nobody"));
	explain_put(explain, "in_ranges", json_boolean(in_ranges));
	explain_say(explain, "nobody: ");
	if (!addr_is_external(config, explain->first.addr))
		explain_say(explain, "the host may use it; internal hosts are seen as %s",
			    config->num_external ? address_format(config->external[0].addr, address)
						 : "nothing, for want of an address");
	else if (!in_ranges)
		explain_say(explain, "the host may use it; port %u is not in the ranges of internal hosts", port);
	else if (table_find_inbound(explain->proto, explain->first, (struct endpoint){}, &row))
		answer_mapping(explain, &row);
	else
		explain_say(explain, "the next one that asks for it gets it, the host or an internal host");
}

static void answer_owner(struct explain *explain)
{
	const struct host_socket *socket;
	struct row row;

	if (table_find_inbound(explain->proto, explain->first, explain->remote, &row)) {
		answer_session(explain, &row);
		return;
	}
	socket = sockets_find(explain->sockets, explain->proto, explain->first, explain->remote);
	if (socket) {
		explain_put(explain, "owner", json_string("process"));
		explain_socket(explain, explain->answer, socket);
		return;
	}
	answer_nobody(explain);
}

/* A flow that the host itself began from this endpoint, and that had to be moved to another port. */
static void say_moved(struct explain *explain)
{
	char external[ENDPOINT_TEXT];
	struct row row;

	if (!table_find_outbound(explain->proto, explain->first, explain->remote, &row) ||
	    endpoint_equal(row.pair.external, explain->first))
		return;
	endpoint_format(row.pair.external, external);
	explain_put(explain, "moved_to", json_string(external));
	explain_say(explain, "; the host's own flow between the two is translated to %s", external);
}

void explain_tuple(struct explain *explain)
{
	explain_say(explain, "external tuple %s %s <-> %s belongs to ", explain->proto_word, explain->first_text,
		    explain->remote_text);
	answer_owner(explain);
	say_moved(explain);
	if (addr_is_external(platform_config(), explain->first.addr))
		explain_headroom(explain, explain->first.addr);
}
