/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta show config: what the hooks go by. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "endpoint.h"
#include "exclusion_text.h"
#include "external_list.h"
#include "platform.h"
#include "ranges.h"
#include "sheet.h"
#include "show.h"
#include "words.h"

static json_t *list_own(const struct config *config)
{
	json_t *list = json_array();
	char text[PREFIX_TEXT];

	for (__u32 i = 0; i < config->num_own && i < MAX_OWN; i++)
		json_array_append_new(list, json_string(config->own[i].mask == 0xffffffff
								? address_format(config->own[i].addr, text)
								: prefix_format(config->own[i], text)));
	return list;
}

static json_t *list_internal(const struct config *config)
{
	json_t *list = json_array();
	char text[PREFIX_TEXT];

	for (__u32 i = 0; i < config->num_internal && i < MAX_INTERNAL; i++)
		json_array_append_new(list, json_string(prefix_format(config->internal[i], text)));
	return list;
}

static json_t *list_timeouts(const struct config *config)
{
	json_t *list = json_object();

	for (enum timeout timeout = 0; timeout < NUM_TIMEOUT; timeout++)
		json_object_set_new(list, timeout_name[timeout], json_integer(config->timeout_s[timeout]));
	return list;
}

static const char *word_of(const char *const *word, __u8 num, __u8 number)
{
	return number < num ? word[number] : "unknown";
}

static json_t *limit_of(__u32 number)
{
	return number ? json_integer(number) : json_null();
}

static json_t *list_excluded(const struct config *config)
{
	json_t *list = json_array();
	char text[EXCLUSION_TEXT];

	for (__u32 i = 0; i < config->num_excluded && i < MAX_EXCLUDED; i++)
		json_array_append_new(list, json_string(exclusion_format(&config->excluded[i], text)));
	return list;
}

/* {"udp:53": 30} */
static json_t *list_port_timeouts(const struct config *config)
{
	json_t *list = json_object();
	char text[16];

	for (__u32 i = 0; i < config->num_port_timeouts && i < MAX_PORT_TIMEOUTS; i++) {
		const struct port_timeout *timeout = &config->port_timeout[i];
		const char *proto = proto_name(timeout->proto);

		snprintf(text, sizeof(text), "%s:%u", proto ? proto : "?", be16_to_cpu(timeout->port));
		json_object_set_new(list, text, json_integer(timeout->timeout_s));
	}
	return list;
}

/* "auto", "off", or a list of interfaces. */
static json_t *interfaces_of(const struct interfaces *interfaces)
{
	json_t *list;

	if (interfaces->mode < NUM_INTERFACES_WORD)
		return json_string(interfaces_name[interfaces->mode]);
	list = json_array();
	for (__u8 i = 0; i < interfaces->num && i < MAX_INTERFACES; i++)
		json_array_append_new(list, json_string(interfaces->iface[i]));
	return list;
}

/* How the pool is shared, and what an internal host may have of it. */
static void add_policies(json_t *record, const struct config *config)
{
	json_t *more = json_pack("{s:s, s:b, s:b, s:I, s:s, s:{s:o, s:o, s:o}}", "on_full",
				 word_of(on_full_name, NUM_ON_FULL, config->on_full), "spill", config->spill, "borrow",
				 config->borrow, "rest_s", (json_int_t)config->rest_s, "icmp",
				 word_of(icmp_name, NUM_ICMP_POLICY, config->icmp), "quotas", "ports",
				 limit_of(config->max_ports), "sessions", limit_of(config->max_sessions), "rate",
				 limit_of(config->max_new_per_s));

	json_object_update(record, more);
	json_decref(more);
}

/* How it behaves toward both sides. */
static void add_behaviour(json_t *record, const struct config *config)
{
	json_t *more = json_pack(
		"{s:s, s:{s:s, s:s}, s:o, s:o, s:b, s:s, s:s, s:s, s:b, s:o, s:b, s:o, s:o, s:b, s:b}", "mapping",
		word_of(mapping_mode_name, NUM_MAPPING_MODE, config->mapping), "filtering", "tcp",
		word_of(filtering_name, NUM_FILTERING, config->filtering_tcp), "udp",
		word_of(filtering_name, NUM_FILTERING, config->filtering_udp), "hairpin",
		interfaces_of(&config->hairpin), "fast_path", interfaces_of(&config->fast_path), "fast_create",
		config->fast_create, "mid_stream", word_of(mid_stream_name, NUM_MID_STREAM, config->mid_stream),
		"unsolicited_syn", word_of(unsolicited_name, NUM_UNSOLICITED, config->unsolicited), "expired",
		word_of(expired_name, NUM_EXPIRED, config->expired), "inbound_refresh", config->inbound_refresh, "mss",
		limit_of(config->mss), "mss_auto", config->mss_auto, "excluded", list_excluded(config),
		"port_timeout_s", list_port_timeouts(config), "below_rfc", config->below_rfc, "keep", config->keep);

	json_object_update(record, more);
	json_decref(more);
}

int show_config(struct show *show, struct fault *fault)
{
	const struct config *config = &show->table.config;
	const struct header *header = show->table.header;
	char source[ENDPOINT_TEXT];
	struct ranges ranges;
	json_t *record;
	char *text;

	ranges_from_config(config, &ranges);
	text = ranges_format(&ranges);
	if (!text)
		return fault_set_errno(fault, ENOMEM, "cannot show the configuration");
	record = json_pack("{s:s, s:o, s:o, s:s?, s:o, s:o, s:s, s:i, s:o, s:i, s:i, s:i, s:i}", "interface",
			   show->instance.iface, "external", external_first(config), "externals", external_list(config),
			   "source", config->source ? address_format(config->source, source) : NULL, "own",
			   list_own(config), "internal", list_internal(config), "ranges", text, "ports",
			   config->num_ports, "timeout_s", list_timeouts(config), "clock_factor", header->clock.factor,
			   "buckets", show->table.shape.num_buckets, "stash_buckets", show->table.shape.num_stash,
			   "layout", header->layout);
	free(text);
	add_policies(record, config);
	add_behaviour(record, config);
	record_print(record, show->json);
	return 0;
}
