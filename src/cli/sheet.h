/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a verb prints: a sheet of rows, or a record of named values, as text or JSON from one walk.
 *
 * Text is in aligned columns on a terminal, and separated by tabs elsewhere. Rows are printed as they come: a sheet may
 * have millions.
 */
#ifndef BAUTA_SHEET_H
#define BAUTA_SHEET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct column {
	const char *name; /* the JSON key too */
	int width;        /* on a terminal; negative: to the right */
};

struct sheet {
	const struct column *column;
	size_t num_columns;
	bool json;
	bool terminal;
	size_t at; /* the column that comes next */
	size_t num_rows;
	json_t *row;
};

void sheet_begin(struct sheet *sheet, const struct column *column, size_t num_columns, bool json);
/* The next cell; a row ends with its last one. NULL: JSON null, or "-". */
void sheet_text(struct sheet *sheet, const char *text);
void sheet_number(struct sheet *sheet, long long number);
void sheet_end(struct sheet *sheet);

/* Prints an object and releases it: in text a line for each value, those of an object inside as "key.key", lists with
 * commas, null as "none".
 */
void record_print(json_t *record, bool json);

#endif
