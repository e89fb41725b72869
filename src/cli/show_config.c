/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta show config: what the hooks go by. */
#include <errno.h>
#include <stdlib.h>

#include "endpoint.h"
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

int show_config(struct show *show, struct fault *fault)
{
	const struct config *config = &show->table.config;
	const struct header *header = show->table.header;
	char external[ENDPOINT_TEXT];
	struct ranges ranges;
	json_t *record;
	char *text;

	ranges_from_config(config, &ranges);
	text = ranges_format(&ranges);
	if (!text)
		return fault_set_errno(fault, ENOMEM, "cannot show the configuration");
	record = json_pack(
		"{s:s, s:s?, s:o, s:o, s:s, s:i, s:o, s:i, s:i, s:i, s:i}", "interface", show->instance.iface,
		"external", config->num_external ? address_format(config->external[0].addr, external) : NULL, "own",
		list_own(config), "internal", list_internal(config), "ranges", text, "ports", config->num_ports,
		"timeout_s", list_timeouts(config), "clock_factor", header->clock.factor, "buckets",
		header->shape.num_buckets, "stash_buckets", header->shape.num_stash, "layout", header->layout);
	free(text);
	record_print(record, show->json);
	return 0;
}
