/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta fsck: checks what must hold in the table. */
#include <jansson.h>
#include <stdio.h>

#include "command.h"
#include "instance.h"
#include "invariant.h"
#include "quota_check.h"
#include "sheet.h"
#include "table.h"
#include "verb.h"

static const struct command command = {
	.verb = "fsck",
	.doc = "Check what must hold in the table, while it works. Exit status 3 if something does not.",
	.takes = TAKES_IFACE | TAKES_JSON,
};

static json_t *entry_of(const struct violation *violation)
{
	return violation->index == INDEX_NONE ? json_null() : json_integer(violation->index);
}

static void collect(const struct violation *violation, void *ctx)
{
	json_array_append_new(ctx, json_pack("{s:s, s:o, s:s}", "rule", rule_name[violation->rule], "entry",
					     entry_of(violation), "text", violation->text));
}

static void print_text(json_t *violations, const struct census *census)
{
	json_t *violation;
	size_t i;

	json_array_foreach(violations, i, violation) {
		const json_t *entry = json_object_get(violation, "entry");

		if (json_is_integer(entry))
			printf("entry %" JSON_INTEGER_FORMAT ": ", json_integer_value(entry));
		printf("%s: %s\n", json_string_value(json_object_get(violation, "rule")),
		       json_string_value(json_object_get(violation, "text")));
	}
	printf("%u entries, %llu sessions, %llu mappings, %llu permits: ", census->entries, census->sessions,
	       census->mappings, census->permits);
	if (json_array_size(violations))
		printf("%zu violations\n", json_array_size(violations));
	else
		printf("clean\n");
}

int verb_fsck(int argc, char **argv)
{
	json_t *violations = json_array();
	struct common common = {};
	struct instance instance;
	struct census census;
	struct table table;
	struct fault fault;
	size_t found;

	command_parse(&command, argc, argv, &common);
	if (instance_find(common.iface, &instance, &fault) || table_open(&instance, TABLE_READ, &table, &fault))
		die(&fault);
	found = invariant_check(collect, violations, &census);
	found += quota_check(table.quotas_fd, collect, violations);
	table_close(&table);
	if (common.json)
		record_print(json_pack("{s:i, s:I, s:I, s:I, s:O}", "entries", census.entries, "sessions",
				       (json_int_t)census.sessions, "mappings", (json_int_t)census.mappings, "permits",
				       (json_int_t)census.permits, "violations", violations),
			     true);
	else
		print_text(violations, &census);
	json_decref(violations);
	return found ? STATUS_FOUND : STATUS_DONE;
}
