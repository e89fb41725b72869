/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta show drops: what became of the packets, by reason. */
#include "reason_text.h"
#include "sheet.h"
#include "show.h"
#include "words.h"

static const struct column columns[] = {
	{ "reason", 18 },
	{ "verdict", 10 },
	{ "packets", -12 },
	{ "meaning", 0 },
};

int show_drops(struct show *show, struct fault *fault)
{
	__u64 counters[NUM_REASON];
	struct sheet sheet;
	int error = table_read_counters(&show->table, counters, fault);

	if (error)
		return error;
	sheet_begin(&sheet, columns, sizeof(columns) / sizeof(columns[0]), show->json);
	for (enum reason reason = 0; reason < NUM_REASON; reason++) {
		if (!counters[reason])
			continue;
		sheet_text(&sheet, reason_text[reason].name);
		sheet_text(&sheet, verdict_name[reason_verdict(reason)]);
		sheet_number(&sheet, counters[reason]);
		sheet_text(&sheet, reason_text[reason].meaning);
	}
	sheet_end(&sheet);
	return 0;
}
