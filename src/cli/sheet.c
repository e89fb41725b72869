/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a verb prints: a sheet of rows, or a record of named values, as text or JSON from one walk. */
#include "sheet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_WIDTH 24

/* ---- rows ------------------------------------------------------------------------------------------------------ */

static void print_cell(struct sheet *sheet, const char *text)
{
	const struct column *column = &sheet->column[sheet->at];
	bool last = sheet->at + 1 == sheet->num_columns;

	if (!sheet->terminal)
		printf("%s%s", text, last ? "\n" : "\t");
	else if (column->width < 0)
		printf("%*s%s", -column->width, text, last ? "\n" : "  ");
	else if (last)
		printf("%s\n", text);
	else
		printf("%-*s  ", column->width, text);
}

static void next_cell(struct sheet *sheet)
{
	if (++sheet->at == sheet->num_columns) {
		sheet->at = 0;
		sheet->num_rows++;
	}
}

static void put_json(struct sheet *sheet, json_t *value)
{
	if (sheet->at == 0)
		sheet->row = json_object();
	json_object_set_new(sheet->row, sheet->column[sheet->at].name, value);
	if (sheet->at + 1 == sheet->num_columns) {
		fputs(sheet->num_rows ? ",\n" : "\n", stdout);
		json_dumpf(sheet->row, stdout, JSON_COMPACT);
		json_decref(sheet->row);
		sheet->row = NULL;
	}
}

void sheet_begin(struct sheet *sheet, const struct column *column, size_t num_columns, bool json)
{
	*sheet = (struct sheet){
		.column = column,
		.num_columns = num_columns,
		.json = json,
		.terminal = isatty(STDOUT_FILENO),
	};
	if (json) {
		fputs("[", stdout);
		return;
	}
	for (; sheet->at < num_columns; sheet->at++)
		print_cell(sheet, column[sheet->at].name);
	sheet->at = 0;
}

void sheet_text(struct sheet *sheet, const char *text)
{
	if (sheet->json)
		put_json(sheet, text ? json_string(text) : json_null());
	else
		print_cell(sheet, text && *text ? text : "-");
	next_cell(sheet);
}

void sheet_number(struct sheet *sheet, long long number)
{
	char text[24];

	if (sheet->json) {
		put_json(sheet, json_integer(number));
	} else {
		snprintf(text, sizeof(text), "%lld", number);
		print_cell(sheet, text);
	}
	next_cell(sheet);
}

void sheet_end(struct sheet *sheet)
{
	if (sheet->json)
		fputs(sheet->num_rows ? "\n]\n" : "]\n", stdout);
}

/* ---- records --------------------------------------------------------------------------------------------------- */

static void print_value(const json_t *value)
{
	const json_t *item;
	size_t i;

	switch (json_typeof(value)) {
	case JSON_STRING:
		fputs(json_string_value(value), stdout);
		break;
	case JSON_INTEGER:
		printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		printf("%g", json_real_value(value));
		break;
	case JSON_TRUE:
		fputs("yes", stdout);
		break;
	case JSON_FALSE:
		fputs("no", stdout);
		break;
	case JSON_ARRAY:
		json_array_foreach(value, i, item) {
			fputs(i ? "," : "", stdout);
			print_value(item);
		}
		if (json_array_size(value))
			break;
		/* fallthrough */
	case JSON_NULL:
		fputs("none", stdout);
		break;
	case JSON_OBJECT:
		break;
	}
}

static void print_object(json_t *object, const char *prefix, bool terminal)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) {
		char name[64];

		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key);
		if (json_is_object(value)) {
			print_object(value, name, terminal);
			continue;
		}
		if (terminal)
			printf("%-*s ", RECORD_WIDTH, name);
		else
			printf("%s\t", name);
		print_value(value);
		fputs("\n", stdout);
	}
}

void record_print(json_t *record, bool json)
{
	if (json) {
		json_dumpf(record, stdout, JSON_INDENT(2));
		fputs("\n", stdout);
	} else {
		print_object(record, "", isatty(STDOUT_FILENO));
	}
	json_decref(record);
}
