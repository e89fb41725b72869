/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta show status: whether it works, and how full it is. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/attach.h"
#include "daemon/cgroup.h"
#include "daemon/dataplane.h"
#include "daemon/inner_hook.h"
#include "external_list.h"
#include "fast_text.h"
#include "ranges.h"
#include "sheet.h"
#include "show.h"

static json_t *list_hooks(const struct instance *instance, __u32 ifindex)
{
	json_t *list = json_array();

	if (attach_is_at(ifindex, ATTACH_INGRESS))
		json_array_append_new(list, json_string("ingress"));
	if (attach_is_at(ifindex, ATTACH_EGRESS))
		json_array_append_new(list, json_string("egress"));
	for (int i = 0; i < NUM_CGROUP_HOOK; i++)
		if (cgroup_is_at(instance, i))
			json_array_append_new(list, json_string(cgroup_hook_info[i].name));
	return list;
}

/* ICMP errors and RSTs that were not sent, so that no more than LIMIT_ICMP_PER_S are; null if nobody can tell. */
static json_t *count_held_back(const struct table *table)
{
	struct limit limits[NUM_LIMIT];
	struct fault fault;

	if (table_read_limits(table, limits, &fault))
		return json_null();
	return json_integer(limits[LIMIT_ICMP].suppressed_ever);
}

/* The interfaces that the hairpin program is at. */
static json_t *list_inner(const struct instance *instance)
{
	json_t *list = json_array();
	char name[IF_NAMESIZE];
	__u32 *ifindex;
	int num = inner_hook_list(instance, &ifindex);

	for (int i = 0; i < num; i++)
		if (inner_hook_is_at(instance, ifindex[i]) && if_indextoname(ifindex[i], name))
			json_array_append_new(list, json_string(name));
	free(ifindex);
	return list;
}

/* The interfaces that take part in the fast path; the others are on tc. */
static json_t *list_fast(const struct instance *instance)
{
	json_t *list = json_array();
	struct fast_note *notes;
	int num = fast_read_notes(instance, &notes, &(struct fault){});

	for (int i = 0; i < num; i++)
		if (notes[i].runs)
			json_array_append_new(list, json_string(notes[i].iface));
	if (num >= 0)
		free(notes);
	return list;
}

/* For how many sessions the table that is being made has room; null when none is. */
static json_t *resizing(const struct header *header)
{
	return header->resize == RESIZE_NONE ? json_null() : json_integer(header->next_shape.capacity);
}

int show_status(struct show *show, struct fault *fault)
{
	const struct config *config = &show->table.config;
	const struct header *header = show->table.header;
	const struct dataplane dataplane = { .table = show->table };
	int daemon = instance_daemon(&show->instance);
	struct ranges ranges;
	json_t *record;
	char *text;

	ranges_from_config(config, &ranges);
	text = ranges_format(&ranges);
	if (!text)
		return fault_set_errno(fault, ENOMEM, "cannot show the status");
	record = json_pack(
		"{s:s, s:o, s:o, s:s, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:i}",
		"interface", show->instance.iface, "external", external_first(config), "externals",
		external_list(config), "ranges", text, "sessions", (json_int_t)header->num_sessions, "mappings",
		(json_int_t)header->num_mappings, "capacity", (json_int_t)dataplane_capacity(&dataplane), "resizing",
		resizing(header), "created", (json_int_t)header->num_created, "returned_outbound",
		(json_int_t)header->num_returned[0], "returned_inbound", (json_int_t)header->num_returned[1], "stashed",
		header->num_stashed, "crowds", table_count_crowds(&show->table), "quota_hosts",
		table_count_quotas(&show->table), "answers_held_back", count_held_back(&show->table), "hooks",
		list_hooks(&show->instance, header->ifindex), "hairpin", list_inner(&show->instance), "fast_path",
		list_fast(&show->instance), "daemon", daemon > 0 ? json_integer(daemon) : json_null(), "clock_factor",
		header->clock.factor);
	free(text);
	record_print(record, show->json);
	return 0;
}
