/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta show config: what the hooks go by. */
#include <errno.h>
#include <stdlib.h>

#include "endpoint.h"
#include "external_list.h"
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
			   "buckets", header->shape.num_buckets, "stash_buckets", header->shape.num_stash, "layout",
			   header->layout);
	free(text);
	add_policies(record, config);
	record_print(record, show->json);
	return 0;
}
