/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings that are each right, and wrong together. */
#include "settings_check.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "endpoint.h"
#include "platform.h"
#include "timer.h"
#include "words.h"

/* "--spill: ..." or "FILE:12: spill: ..." */
static int refuse(enum setting_id id, const struct origin *from, struct fault *fault, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(enum setting_id id, const struct origin *from, struct fault *fault, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	if (from->file)
		fault_prefix(fault, "%s:%u: %s", from->file, from->line, setting_table[id].name);
	else
		fault_prefix(fault, "--%s", setting_table[id].name);
	return -EINVAL;
}

/* Of two that contradict each other the one is named by its place, the other in the sentence. */
static int refuse_pair(const struct settings *settings, enum setting_id id, const char *word, enum setting_id other,
		       const char *why, struct fault *fault)
{
	char text[SETTING_TEXT];

	return refuse(id, &settings->from[id], fault, "%s and %s contradict each other: %s", word,
		      setting_refer(other, &settings->from[other], text), why);
}

static int check_pool(const struct settings *settings, struct fault *fault)
{
	if (settings->borrow && settings_given(settings, SETTING_ON_FULL) && settings->on_full == ON_FULL_SHARE)
		return refuse_pair(settings, SETTING_ON_FULL, " share", SETTING_BORROW,
				   "a borrowed port is shared with nobody of the host; leave on-full out, or refuse "
				   "would be accepted",
				   fault);
	if (settings->spill && external_items_count(&settings->external) < 2)
		return refuse(SETTING_SPILL, &settings->from[SETTING_SPILL], fault,
			      ": there is nowhere to spill to from a single external address; give several with "
			      "%sexternal, or leave spill out",
			      settings->from[SETTING_SPILL].file ? "" : "--");
	return 0;
}

/* A port for each session is open to the one endpoint that it was chosen for. */
static int check_modes(struct settings *settings, struct fault *fault)
{
	const __u8 only = FILTERING_ADDRESS_AND_PORT_DEPENDENT;

	if (settings->mapping == MAPPING_ENDPOINT_DEPENDENT) {
		if (!settings_given(settings, SETTING_FILTERING))
			settings->filtering = (struct filtering_modes){ .tcp = only, .udp = only };
		if (settings->filtering.tcp != only || settings->filtering.udp != only)
			return refuse_pair(settings, SETTING_MAPPING, " endpoint-dependent", SETTING_FILTERING,
					   "leave filtering out, or address-and-port-dependent would be accepted for "
					   "it",
					   fault);
	}
	if (settings->expired == EXPIRED_RESET && settings->mid_stream != MID_STREAM_RESET)
		return refuse(SETTING_EXPIRED, &settings->from[SETTING_EXPIRED], fault,
			      " reset needs %smid-stream reset: else an idle connection is taken up again instead of "
			      "being reset",
			      settings->from[SETTING_EXPIRED].file ? "" : "--");
	return 0;
}

static int check_hairpin(const struct settings *settings, struct fault *fault)
{
	for (__u8 i = 0; i < settings->hairpin.num; i++) {
		const char *iface = settings->hairpin.iface[i];
		bool loopback = strcmp(iface, "lo") == 0;

		if (loopback || strcmp(iface, settings->iface) == 0)
			return refuse(SETTING_HAIRPIN, &settings->from[SETTING_HAIRPIN], fault,
				      " %s: that is the %s; those that lead to internal hosts would be accepted", iface,
				      loopback ? "loopback" : "external interface");
	}
	return 0;
}

/* ---- timers ----------------------------------------------------------------------------------------------------- */

static int refuse_short(const struct origin *from, const char *name, __u32 timeout_s, __u32 floor_s, const char *rfc,
			struct fault *fault)
{
	return refuse(
		SETTING_TIMEOUT, from, fault,
		" %s=%u: %s asks for %u seconds at least; that or more would be accepted, or this with %sbelow-rfc%s",
		name, timeout_s, rfc, floor_s, from->file ? "" : "--", from->file ? " = yes" : "");
}

static int check_floors(const struct settings *settings, struct fault *fault)
{
	const struct timeouts *timeouts = &settings->timeout;

	for (enum timeout timeout = 0; timeout < NUM_TIMEOUT; timeout++)
		if (timeouts->s[timeout] < timer_table[timeout].floor_s)
			return refuse_short(&settings->timeout_from[timeout], timer_table[timeout].name,
					    timeouts->s[timeout], timer_table[timeout].floor_s,
					    timer_table[timeout].rfc, fault);
	for (__u32 i = 0; i < timeouts->num_ports; i++) {
		const struct port_timeout *timeout = &timeouts->port[i];
		__u16 port = be16_to_cpu(timeout->port);
		__u32 floor_s = timer_port_floor(timeout->proto, port);
		char name[16];

		snprintf(name, sizeof(name), "%s:%u", proto_name(timeout->proto), port);
		if (timeout->timeout_s < floor_s)
			return refuse_short(&settings->port_timeout_from[i], name, timeout->timeout_s, floor_s,
					    timeout->proto == IPPROTO_UDP ? "RFC 4787 REQ-5" : "RFC 5382 REQ-5", fault);
	}
	return 0;
}

/* A connection is not to be forgotten sooner for being open than for being opened or closed. */
static int check_order(const struct settings *settings, struct fault *fault)
{
	static const enum timeout transitory[] = { TIMEOUT_TCP_OPENING, TIMEOUT_TCP_CLOSING, TIMEOUT_TCP_RESET };
	const struct timeouts *timeouts = &settings->timeout;
	__u32 established_s = timeouts->s[TIMEOUT_TCP_ESTABLISHED];

	for (int i = 0; i < 3; i++) {
		enum timeout timeout = transitory[i];
		bool given = timeouts->given & 1u << timeout;

		if (timeouts->s[timeout] <= established_s)
			continue;
		return refuse(SETTING_TIMEOUT, &settings->timeout_from[given ? timeout : TIMEOUT_TCP_ESTABLISHED],
			      fault,
			      " %s=%u and tcp-established=%u contradict each other: an open connection is not to be "
			      "forgotten sooner; %s=%u or less would be accepted",
			      timer_table[timeout].name, timeouts->s[timeout], established_s, timer_table[timeout].name,
			      established_s);
	}
	return 0;
}

int settings_complete(struct settings *settings, struct fault *fault)
{
	int err = check_pool(settings, fault);

	if (!err)
		err = check_modes(settings, fault);
	if (!err)
		err = check_hairpin(settings, fault);
	if (!err && !settings->below_rfc)
		err = check_floors(settings, fault);
	if (!err)
		err = check_order(settings, fault);
	return err;
}

/* ---- with what the machine has ---------------------------------------------------------------------------------- */

__u32 settings_find_covering(const struct settings *settings, const __be32 *external, __u32 num, __be32 *ret_external)
{
	for (__u32 i = 0; i < settings->excluded.num; i++)
		for (__u32 n = 0; n < num; n++)
			if (addr_is_in(&settings->excluded.item[i].prefix, external[n])) {
				*ret_external = external[n];
				return i;
			}
	return settings->excluded.num;
}

int settings_check_external(const struct settings *settings, const __be32 *external, __u32 num, struct fault *fault)
{
	char addr[ENDPOINT_TEXT], prefix[PREFIX_TEXT];
	__be32 covered = 0;
	__u32 i = settings_find_covering(settings, external, num, &covered);

	if (i == settings->excluded.num)
		return 0;
	return refuse(SETTING_EXCLUDE, &settings->excluded_from[i], fault,
		      " %s covers %s, an external address; prefixes without it would be accepted",
		      prefix_format(settings->excluded.item[i].prefix, prefix), address_format(covered, addr));
}
