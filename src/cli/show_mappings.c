/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta show mappings. */
#include "endpoint.h"
#include "sheet.h"
#include "show.h"
#include "words.h"

static const struct column columns[] = {
	{ "proto", 5 }, { "internal", 21 }, { "external", 21 }, { "sessions", -8 }, { "kind", 8 }, { "rests_s", -7 },
};

/* Of a mapping that is of no internal endpoint there is none to be shown. */
static const char *format_internal(const struct row *row, char *text)
{
	return row_is_of_port(row) ? NULL : endpoint_format(row->pair.internal, text);
}

static const char *kind_of(const struct row *row)
{
	if (!row->refs)
		return "resting";
	return row_is_of_port(row) ? "shared" : "active";
}

int show_mappings(struct show *show, struct fault *fault)
{
	char text[ENDPOINT_TEXT];
	struct sheet sheet;
	__u32 cursor = 0;
	struct row row;

	(void)fault;
	sheet_begin(&sheet, columns, sizeof(columns) / sizeof(columns[0]), show->json);
	while (table_next(&cursor, &row)) {
		if (!row_is_mapping(&row) || !filter_match(&show->filter, &row.pair, SESSION_ACTIVE))
			continue;
		sheet_text(&sheet, proto_name(row.pair.proto));
		sheet_text(&sheet, format_internal(&row, text));
		sheet_text(&sheet, endpoint_format(row.pair.external, text));
		sheet_number(&sheet, row.refs);
		sheet_text(&sheet, kind_of(&row));
		sheet_number(&sheet, row_rest(&row));
	}
	sheet_end(&sheet);
	return 0;
}
