/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta show fast-path: which interfaces take part in it, which do not and why, and what became of their frames. */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "fast_text.h"
#include "sheet.h"
#include "show.h"

static const struct column interface_columns[] = {
	{ "interface", 15 },
	{ "role", 8 },
	{ "mode", 4 },
	{ "why", 0 },
};

static const struct column counter_columns[] = {
	{ "reason", 12 },
	{ "verdict", 7 },
	{ "packets", -12 },
	{ "meaning", 0 },
};

static void show_interfaces(const struct fast_note *notes, int num, bool json)
{
	struct sheet sheet;

	sheet_begin(&sheet, interface_columns, sizeof(interface_columns) / sizeof(interface_columns[0]), json);
	for (int i = 0; i < num; i++) {
		sheet_text(&sheet, notes[i].iface);
		sheet_text(&sheet, notes[i].role <= FAST_EXTERNAL ? fast_role_name[notes[i].role] : NULL);
		sheet_text(&sheet, notes[i].runs ? "xdp" : "tc");
		sheet_text(&sheet, notes[i].runs ? NULL : notes[i].why);
	}
	sheet_end(&sheet);
}

static void show_counters(const __u64 counters[NUM_FAST_REASON], bool json)
{
	struct sheet sheet;

	sheet_begin(&sheet, counter_columns, sizeof(counter_columns) / sizeof(counter_columns[0]), json);
	for (enum fast_reason reason = 0; reason < NUM_FAST_REASON; reason++) {
		if (!counters[reason])
			continue;
		sheet_text(&sheet, fast_text[reason].name);
		sheet_text(&sheet, fast_verdict_name[fast_text[reason].verdict]);
		sheet_number(&sheet, counters[reason]);
		sheet_text(&sheet, fast_text[reason].meaning);
	}
	sheet_end(&sheet);
}

/* Not watched: the daemon is gone, or the fast path never ran. */
static void show_next_hops(const struct header *header, __u32 num, bool json)
{
	bool watched = clock_ticks(&header->clock) <= header->next_hop_until;

	if (json)
		printf(", \"next_hops\": {\"remembered\": %u, \"generation\": %u, \"watched\": %s}", num,
		       header->next_hop_generation, watched ? "true" : "false");
	else
		printf("\nnext hops: %u remembered in generation %u, %s\n", num, header->next_hop_generation,
		       watched ? "watched" : "not watched");
}

int show_fast_path(struct show *show, struct fault *fault)
{
	__u64 counters[NUM_FAST_REASON];
	int error = fast_read_counters(&show->instance, counters, fault), num;
	const struct header *header = show->table.header;
	struct fast_note *notes;
	__u32 num_hops;

	if (!error)
		error = fast_count_next_hops(&show->instance, header->next_hop_generation, &num_hops, fault);
	if (error)
		return error;
	num = fast_read_notes(&show->instance, &notes, fault);
	if (num < 0)
		return num;
	fputs(show->json ? "{\"interfaces\": " : "", stdout);
	show_interfaces(notes, num, show->json);
	fputs(show->json ? ", \"counters\": " : "\n", stdout);
	show_counters(counters, show->json);
	show_next_hops(header, num_hops, show->json);
	fputs(show->json ? "}\n" : "", stdout);
	free(notes);
	return 0;
}
