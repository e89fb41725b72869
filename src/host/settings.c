/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything about a gateway that can be set: the table, and how values of different origin come together. */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "setting_value.h"
#include "timer.h"
#include "words.h"

/* 2^28: then the index of an entry needs all its bits. */
#define MAX_SESSIONS 268435456
/* So that jiffies times the clock's multiplier stay within 64 bits for as long as a machine runs. */
#define MAX_CLOCK_FACTOR 10000
/* A day: longer, and it would be a quota of its own kind. */
#define MAX_REST_S 86400
/* What Linux itself goes by: TCP_MIN_MSS, and 65535 less two headers. */
#define MIN_MSS 88
#define MAX_MSS 65495

#define MEMBER(name) .offset = offsetof(struct settings, name), .size = sizeof(((struct settings *)NULL)->name)
#define WORDS(list, count) .take = setting_value_word, .word = (list), .num_words = (count)
#define NUMBER(first, last) .take = setting_value_number, .min = (first), .max = (last)
#define QUOTA .take = setting_value_quota, .min = 1, .max = MAX_SESSIONS

const struct setting setting_table[NUM_SETTING] = {
	[SETTING_INTERFACE] = {
		"interface", 'e', true, SETTING_ONE, "IFACE", "The external interface",
		MEMBER(iface), .take = setting_value_interface,
	},
	[SETTING_PORTS] = {
		"ports", 'p', false, SETTING_ONE, "RANGES",
		"Ports to masquerade with, such as 50000 or 40000-49999,52000; without it 1024-65535 less what the "
		"kernel keeps for its own sockets",
		MEMBER(ports), .take = setting_value_ports,
	},
	[SETTING_EXTERNAL] = {
		"external", 0, false, SETTING_LIST, "ADDRESS|PREFIX",
		"Masquerade as this address of the machine, or as all of this prefix; may be repeated, up to 256 "
		"addresses; without it the first address of the interface",
		MEMBER(external), .take = setting_value_external,
	},
	[SETTING_INTERNAL] = {
		"internal", 0, false, SETTING_LIST, "PREFIX",
		"Translate only what comes from here; may be repeated; without it everything that is forwarded",
		MEMBER(internal), .take = setting_value_internal,
	},
	[SETTING_EXCLUDE] = {
		"exclude", 0, false, SETTING_LIST, "[PROTO:]PREFIX[:PORT]",
		"Do not translate what goes there; may be repeated",
		MEMBER(excluded), .take = setting_value_exclude,
	},
	[SETTING_MAPPING] = {
		"mapping", 0, false, SETTING_ONE, "MODE",
		"endpoint-independent: an internal endpoint is seen as one external endpoint by all remotes (the "
		"default); endpoint-dependent: it has another port for each session",
		MEMBER(mapping), WORDS(mapping_mode_name, NUM_MAPPING_MODE),
	},
	[SETTING_FILTERING] = {
		"filtering", 0, false, SETTING_ONE, "MODE|tcp=MODE,udp=MODE",
		"Who outside may send to a mapped external endpoint: endpoint-independent (anybody), address-dependent "
		"(addresses that were sent to; the default), address-and-port-dependent",
		MEMBER(filtering), .take = setting_value_filtering,
	},
	[SETTING_HAIRPIN] = {
		"hairpin", 0, false, SETTING_ONE, "auto|off|IFACE,...",
		"Behind which interfaces internal hosts can reach each other's external endpoints (auto, the default: "
		"all others that are up)",
		MEMBER(hairpin), .take = setting_value_interfaces,
	},
	[SETTING_FAST_PATH] = {
		"fast-path", 0, false, SETTING_ONE, "auto|off|IFACE,...",
		"Which interfaces translate established sessions in their drivers (auto, the default: the external one "
		"and others whose drivers can, unless firewall rules for forwarded packets would be missed)",
		MEMBER(fast_path), .take = setting_value_interfaces,
	},
	[SETTING_FAST_CREATE] = {
		"fast-create", 0, false, SETTING_FLAG, NULL,
		"The fast path takes first packets too: the firewall's forward chain sees nothing of such sessions",
		MEMBER(fast_create), .take = setting_value_flag,
	},
	[SETTING_SPILL] = {
		"spill", 0, false, SETTING_FLAG, NULL,
		"An internal host whose external address is full gets ports of the others, before any are shared",
		MEMBER(spill), .take = setting_value_flag,
	},
	[SETTING_ON_FULL] = {
		"on-full", 0, false, SETTING_ONE, "share|refuse",
		"When every port has a mapping: share ports toward different remotes (the default), or refuse",
		MEMBER(on_full), WORDS(on_full_name, NUM_ON_FULL),
	},
	[SETTING_BORROW] = {
		"borrow", 0, true, SETTING_FLAG, NULL,
		"No port is used by the machine itself and by the gateway at one time, whatever the remote",
		MEMBER(borrow), .take = setting_value_flag,
	},
	[SETTING_REST] = {
		"rest", 0, false, SETTING_ONE, "SECONDS",
		"A port that is freed is given to nobody else for so long (default: 0; RFC 6888 asks for 120 with "
		"endpoint-independent filtering)",
		MEMBER(rest_s), NUMBER(0, MAX_REST_S),
	},
	[SETTING_ICMP] = {
		"icmp", 0, false, SETTING_ONE, "host-unreachable|admin-prohibited|none",
		"What an internal host is told when it is refused (default: host-unreachable)",
		MEMBER(icmp), WORDS(icmp_name, NUM_ICMP_POLICY),
	},
	[SETTING_MAX_PORTS] = {
		"max-ports", 0, false, SETTING_ONE, "N", "Each internal host may have so many ports",
		MEMBER(max_ports), QUOTA,
	},
	[SETTING_MAX_SESSIONS] = {
		"max-sessions", 0, false, SETTING_ONE, "N", "Each internal host may have so many sessions",
		MEMBER(max_sessions), QUOTA,
	},
	[SETTING_MAX_RATE] = {
		"max-rate", 0, false, SETTING_ONE, "N", "Each internal host may begin so many sessions a second",
		MEMBER(max_new_per_s), QUOTA,
	},
	[SETTING_MID_STREAM] = {
		"mid-stream", 0, false, SETTING_ONE, "adopt|reset",
		"A TCP segment from inside without a session: make one (adopt, the default), or answer RST",
		MEMBER(mid_stream), WORDS(mid_stream_name, NUM_MID_STREAM),
	},
	[SETTING_UNSOLICITED_SYN] = {
		"unsolicited-syn", 0, false, SETTING_ONE, "wait|silent",
		"A SYN from outside that nobody waits for: ICMP 3/3 after a while (wait, the default), or no answer",
		MEMBER(unsolicited), WORDS(unsolicited_name, NUM_UNSOLICITED),
	},
	[SETTING_EXPIRED] = {
		"expired", 0, false, SETTING_ONE, "silent|reset",
		"Forget idle TCP sessions in silence (the default), or with a RST to both ends",
		MEMBER(expired), WORDS(expired_name, NUM_EXPIRED),
	},
	[SETTING_INBOUND_REFRESH] = {
		"inbound-refresh", 0, false, SETTING_FLAG, NULL, "Packets from outside keep UDP sessions alive too",
		MEMBER(inbound_refresh), .take = setting_value_flag,
	},
	[SETTING_MSS] = {
		"mss", 0, false, SETTING_ONE, "auto|N|off",
		"Lower the MSS in SYNs to what fits through the interface (auto), or to N; off (the default): leave it",
		MEMBER(mss), .take = setting_value_mss, .min = MIN_MSS, .max = MAX_MSS,
	},
	[SETTING_TIMEOUT] = {
		"timeout", 0, false, SETTING_LIST, "NAME=SECONDS",
		"A time-out, by its name in show config, or of one remote port: udp:53=30; may be repeated",
		MEMBER(timeout), .take = setting_value_timeout,
	},
	[SETTING_BELOW_RFC] = {
		"below-rfc", 0, false, SETTING_FLAG, NULL, "Accept time-outs that are shorter than the RFCs allow",
		MEMBER(below_rfc), .take = setting_value_flag,
	},
	[SETTING_SESSIONS] = {
		"sessions", 0, false, SETTING_ONE, "N", "Room for so many sessions (default: 65536)",
		MEMBER(num_sessions), NUMBER(1, MAX_SESSIONS),
	},
	[SETTING_KEEP] = {
		"keep", 0, false, SETTING_FLAG, NULL,
		"Leave the data plane attached at the end; the next run takes it over",
		MEMBER(keep), .take = setting_value_flag,
	},
	[SETTING_CLOCK_FACTOR] = {
		"clock-factor", 0, true, SETTING_ONE, "N", "Time passes so many times faster, for tests",
		MEMBER(clock_factor), NUMBER(1, MAX_CLOCK_FACTOR),
	},
};

enum setting_id setting_find(const char *name)
{
	enum setting_id id = 0;

	while (id < NUM_SETTING && strcmp(setting_table[id].name, name) != 0)
		id++;
	return id;
}

char *setting_refer(enum setting_id id, const struct origin *from, char *text)
{
	const char *name = setting_table[id].name;

	if (from->file)
		snprintf(text, SETTING_TEXT, "%s (%s:%u)", name, from->file, from->line);
	else
		snprintf(text, SETTING_TEXT, "--%s", name);
	return text;
}

void settings_init(struct settings *settings)
{
	memset(settings, 0, sizeof(*settings)); /* padding too: it is compared */
	settings->filtering.tcp = FILTERING_ADDRESS_DEPENDENT;
	settings->filtering.udp = FILTERING_ADDRESS_DEPENDENT;
	for (enum timeout timeout = 0; timeout < NUM_TIMEOUT; timeout++)
		settings->timeout.s[timeout] = timer_table[timeout].default_s;
}

bool settings_given(const struct settings *settings, enum setting_id id)
{
	return settings->given & 1u << id;
}

/* Of two different wishes one would be lost without a word. */
static int refuse_twice(enum setting_id id, const char *what, const struct origin *first, struct fault *fault)
{
	if (id == SETTING_PORTS)
		return fault_set(fault, EINVAL, "%s is given twice; write one list, with commas", what);
	if (first->file)
		return fault_set(fault, EINVAL, "%s is given twice, first in line %u; give it once", what, first->line);
	return fault_set(fault, EINVAL, "%s is given twice; give it once", what);
}

int settings_take(struct settings *settings, enum setting_id id, const struct origin *from, const char *text,
		  struct fault *fault)
{
	const struct setting *setting = &setting_table[id];
	char option[32];
	struct setting_value value = { .setting = setting, .what = setting->name, .text = text, .from = *from };
	int err;

	if (!from->file) {
		snprintf(option, sizeof(option), "--%s", setting->name);
		value.what = option;
	}
	if (setting->kind == SETTING_ONE && settings_given(settings, id))
		err = refuse_twice(id, value.what, &settings->from[id], fault);
	else
		err = setting->take(settings, &value, fault);
	if (err) {
		if (from->file)
			fault_prefix(fault, "%s:%u: ", from->file, from->line);
		return err;
	}
	/* a list is where its first item is */
	if (!settings_given(settings, id))
		settings->from[id] = *from;
	settings->given |= 1u << id;
	return 0;
}

static void copy(struct settings *settings, const struct settings *other, enum setting_id id)
{
	const struct setting *setting = &setting_table[id];

	memcpy((char *)settings + setting->offset, (const char *)other + setting->offset, setting->size);
	settings->given |= 1u << id;
	settings->from[id] = other->from[id];
	if (id == SETTING_TIMEOUT) {
		memcpy(settings->timeout_from, other->timeout_from, sizeof(other->timeout_from));
		memcpy(settings->port_timeout_from, other->port_timeout_from, sizeof(other->port_timeout_from));
	}
	if (id == SETTING_EXCLUDE)
		memcpy(settings->excluded_from, other->excluded_from, sizeof(other->excluded_from));
}

void settings_override(struct settings *settings, const struct settings *other)
{
	for (enum setting_id id = 0; id < NUM_SETTING; id++)
		if (settings_given(other, id))
			copy(settings, other, id);
}

bool settings_agree(const struct settings *first, const struct settings *second, enum setting_id id)
{
	const struct setting *setting = &setting_table[id];

	return memcmp((const char *)first + setting->offset, (const char *)second + setting->offset, setting->size) ==
	       0;
}

void settings_to_config(const struct settings *settings, struct config *config)
{
	config->rest_s = settings->rest_s;
	config->max_ports = settings->max_ports;
	config->max_sessions = settings->max_sessions;
	config->max_new_per_s = settings->max_new_per_s;
	config->on_full = settings->on_full;
	config->spill = settings->spill;
	config->borrow = settings->borrow;
	config->icmp = settings->icmp;
	config->mapping = settings->mapping;
	config->filtering_tcp = settings->filtering.tcp;
	config->filtering_udp = settings->filtering.udp;
	config->mid_stream = settings->mid_stream;
	config->unsolicited = settings->unsolicited;
	config->expired = settings->expired;
	config->inbound_refresh = settings->inbound_refresh;
	config->hairpin = settings->hairpin;
	config->fast_path = settings->fast_path;
	config->fast_create = settings->fast_create;
	config->keep = settings->keep;
	config->below_rfc = settings->below_rfc;
	config->mss_auto = settings->mss == MSS_AUTO;
	config->mss = config->mss_auto ? 0 : settings->mss;
	config->num_excluded = settings->excluded.num;
	memcpy(config->excluded, settings->excluded.item, sizeof(config->excluded));
	config->num_port_timeouts = settings->timeout.num_ports;
	memcpy(config->port_timeout, settings->timeout.port, sizeof(config->port_timeout));
	config->num_internal = settings->internal.num;
	memcpy(config->internal, settings->internal.item, sizeof(config->internal));
	memcpy(config->timeout_s, settings->timeout.s, sizeof(config->timeout_s));
}
