/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta show sessions. */
#include "endpoint.h"
#include "session.h"
#include "sheet.h"
#include "show.h"
#include "words.h"

static const struct column columns[] = {
	{ "proto", 5 },  { "internal", 21 }, { "external", 21 },  { "remote", 21 },
	{ "state", 11 }, { "idle_s", -6 },   { "expires_s", -9 },
};

static void print(struct sheet *sheet, const struct row *row)
{
	const struct pair *pair = &row->pair;
	__u32 now = platform_now();
	char text[ENDPOINT_TEXT];

	sheet_text(sheet, proto_name(pair->proto));
	sheet_text(sheet, endpoint_format(pair->internal, text));
	sheet_text(sheet, endpoint_format(pair->external, text));
	sheet_text(sheet, endpoint_format(pair->remote, text));
	sheet_text(sheet, state_name[row_state(row)]);
	sheet_number(sheet, session_idle(platform_config(), pair->proto, row->out_life, row->in_life, now));
	sheet_number(sheet, session_expires(platform_config(), pair->proto, pair->remote.port, row->out_life,
					    row->in_life, now));
}

int show_sessions(struct show *show, struct fault *fault)
{
	struct sheet sheet;
	__u32 cursor = 0;
	struct row row;

	(void)fault;
	sheet_begin(&sheet, columns, sizeof(columns) / sizeof(columns[0]), show->json);
	while (table_next(&cursor, &row))
		if (!row_is_mapping(&row) && filter_match(&show->filter, &row.pair, row_state(&row)))
			print(&sheet, &row);
	sheet_end(&sheet);
	return 0;
}
