/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration file.
 *
 * inih finds names and values; here the lines are counted, for inih does not tell them, and what has several values is put
 * together: a list goes on behind a comma, and in lines that begin with a blank.
 */
#include "settings_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ini.h>

#include "settings_check.h"

#define BLANKS " \t\r\n\f\v"

struct reading {
	FILE *stream;
	const char *path;
	struct settings *settings;
	struct fault *fault;
	int err; /* the first one, which ends the reading */
	unsigned int line;
	char *text;
	size_t size;
	__u32 seen; /* a bit for each enum setting_id */
	/* A value that may go on in the next line; NUM_SETTING: none. Items of lists never wait. */
	enum setting_id waiting;
	struct origin since;
	char *value;
};

static struct origin here(const struct reading *reading)
{
	return (struct origin){ .file = reading->path, .line = reading->line };
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

/* Cuts off a comment: # or ; at the start of a line or behind a blank. inih alone would take # for a part of the value. */
static void cut_comment(char *text)
{
	for (char *at = text; *at; at++)
		if ((*at == '#' || *at == ';') && (at == text || strchr(BLANKS, at[-1]))) {
			strcpy(at, "\n");
			return;
		}
}

/* What is no text could garble a terminal that shows it in a message. Characters beyond ASCII may be there, in comments. */
static const char *find_control(const char *text, size_t len)
{
	for (const char *at = text; at < text + len; at++)
		if ((unsigned char)*at < ' ' ? !*at || !strchr(BLANKS, *at) : *at == '\x7f')
			return at;
	return NULL;
}

/* inih has room for so many bytes of a line. */
static int copy_line(struct reading *reading, size_t len, char *text, int room)
{
	const char *control = find_control(reading->text, len);

	if (control)
		return fault_set(reading->fault, EINVAL, "%s:%u: this is not text: it has a control character (0x%02x)",
				 reading->path, reading->line, *control);
	cut_comment(reading->text);
	if (strlen(reading->text) >= (size_t)room)
		return fault_set(reading->fault, EINVAL,
				 "%s:%u: the line is too long; up to %d characters would be accepted, and a list may "
				 "go on in lines that begin with a blank",
				 reading->path, reading->line, room - 2);
	snprintf(text, room, "%s", reading->text);
	return 0;
}

/* As inih asks for it. */
static char *read_line(char *text, int room, void *context)
{
	struct reading *reading = context;
	ssize_t len;

	if (reading->err)
		return NULL;
	errno = 0;
	len = getline(&reading->text, &reading->size, reading->stream);
	if (len < 0) {
		if (ferror(reading->stream))
			reading->err = fault_set_errno(reading->fault, errno, "cannot read %s", reading->path);
		return NULL;
	}
	reading->line++;
	reading->err = copy_line(reading, len, text, room);
	return reading->err ? NULL : text;
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

/* Takes blanks from both ends; in place. */
static char *trim(char *text)
{
	size_t len;

	text += strspn(text, BLANKS);
	len = strlen(text);
	while (len && strchr(BLANKS, text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* The items of a list one by one. A comma at the end is none too many: the list may go on. */
static int take_items(struct reading *reading, enum setting_id id, const char *value)
{
	const struct origin from = here(reading);
	char *all = strdup(value), *rest = all, *item;
	int err = 0;

	if (!all)
		return fault_set(reading->fault, ENOMEM, "cannot read %s: no memory", reading->path);
	while (!err && (item = strsep(&rest, ","))) {
		item = trim(item);
		if (*item || rest || item == all)
			err = settings_take(reading->settings, id, &from, item, reading->fault);
	}
	free(all);
	return err;
}

/* Adds a value to one that waits, with commas between, and without the blanks around commas. */
static int add_value(struct reading *reading, const char *value)
{
	const char *old = reading->value ? reading->value : "";
	size_t old_len = strlen(old);
	bool comma = old_len && old[old_len - 1] != ',';
	char *both, *to;

	both = malloc(old_len + strlen(value) + 2);
	if (!both)
		return fault_set(reading->fault, ENOMEM, "cannot read %s: no memory", reading->path);
	to = both + sprintf(both, "%s%s", old, comma ? "," : "");
	for (const char *from = value; *from; from++) {
		size_t blanks = strspn(from, BLANKS);

		if (blanks && (from[blanks] == ',' || (to > both && to[-1] == ',')))
			from += blanks;
		*to++ = *from;
	}
	*to = '\0';
	free(reading->value);
	reading->value = both;
	return 0;
}

/* What waited has come to its end. */
static int take_waiting(struct reading *reading)
{
	enum setting_id id = reading->waiting;
	size_t len = reading->value ? strlen(reading->value) : 0;
	int err;

	if (id == NUM_SETTING)
		return 0;
	if (len > 1 && reading->value[len - 1] == ',')
		reading->value[len - 1] = '\0';
	err = settings_take(reading->settings, id, &reading->since, reading->value, reading->fault);
	free(reading->value);
	reading->value = NULL;
	reading->waiting = NUM_SETTING;
	return err;
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* As an option is written, or as JSON has it. */
static enum setting_id find_similar(const char *name)
{
	char similar[64];

	snprintf(similar, sizeof(similar), "%s", name + strspn(name, "-"));
	for (char *at = similar; *at; at++)
		*at = *at == '_' ? '-' : (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
	return setting_find(similar);
}

static int refuse_name(const struct reading *reading, const char *name)
{
	enum setting_id similar = find_similar(name);

	if (similar != NUM_SETTING)
		return fault_set(reading->fault, EINVAL, "%s:%u: \"%s\" is no setting; did you mean %s?", reading->path,
				 reading->line, name, setting_table[similar].name);
	return fault_set(reading->fault, EINVAL,
			 "%s:%u: \"%s\" is no setting; what bauta.conf(5) lists would be accepted, such as \"ports = "
			 "40000-49999\"",
			 reading->path, reading->line, name);
}

static int refuse_syntax(const struct reading *reading, unsigned int line)
{
	return fault_set(reading->fault, EINVAL,
			 "%s:%u: this is no setting; NAME = VALUE would be accepted, or a comment behind #",
			 reading->path, line);
}

/* An indented setting would become a value of the one before. */
static int check_indented(const struct reading *reading, const char *name, const char *value)
{
	size_t len = strcspn(value, BLANKS "=:");
	char word[64];

	snprintf(word, sizeof(word), "%.*s", (int)len, value);
	if (value[len + strspn(value + len, BLANKS)] != '=' || setting_find(word) == NUM_SETTING)
		return 0;
	return fault_set(reading->fault, EINVAL,
			 "%s:%u: this begins with a blank, and therefore goes on with %s; %s at the start of the line "
			 "would be accepted",
			 reading->path, reading->line, name, word);
}

static int take_line(struct reading *reading, const char *section, const char *name, const char *value)
{
	bool goes_on = strspn(reading->text, BLANKS) > 0 && reading->seen;
	enum setting_id id = setting_find(name);
	int err;

	if (*section)
		return fault_set(reading->fault, EINVAL,
				 "%s:%u: stands in a section [%s]; settings without sections would be accepted",
				 reading->path, reading->line, section);
	if (id == NUM_SETTING)
		return refuse_name(reading, name);
	if (goes_on) {
		err = check_indented(reading, name, value);
		if (err)
			return err;
		return setting_table[id].kind == SETTING_LIST ? take_items(reading, id, value)
							      : add_value(reading, value);
	}
	err = take_waiting(reading);
	if (err)
		return err;
	if (reading->seen & 1u << id)
		return fault_set(reading->fault, EINVAL, "%s:%u: %s is given twice, first in line %u; give it once%s",
				 reading->path, reading->line, name, reading->settings->from[id].line,
				 setting_table[id].kind == SETTING_LIST ? ", with commas" : "");
	reading->seen |= 1u << id;
	if (setting_table[id].kind == SETTING_LIST)
		return take_items(reading, id, value);
	reading->waiting = id;
	reading->since = here(reading);
	return add_value(reading, value);
}

/* As inih calls it: 0 for what is wrong. */
static int handle(void *context, const char *section, const char *name, const char *value)
{
	struct reading *reading = context;

	if (!reading->err)
		reading->err = take_line(reading, section, name, value);
	return !reading->err;
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

/* Only what has an end, and is read without waiting: the daemon reads it too. */
static int open_file(const char *path, FILE **ret_stream, struct fault *fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat stat;
	FILE *stream;

	if (fd < 0 || fstat(fd, &stat)) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		return fault_set_errno(fault, error, "cannot open %s", path);
	}
	if (!S_ISREG(stat.st_mode) || stat.st_size > MAX_SETTINGS_FILE) {
		close(fd);
		return fault_set(fault, EFBIG, "cannot read %s: a plain file of at most %d bytes would be accepted",
				 path, MAX_SETTINGS_FILE);
	}
	stream = fdopen(fd, "r");
	if (!stream) {
		close(fd);
		return fault_set(fault, ENOMEM, "cannot read %s: no memory", path);
	}
	*ret_stream = stream;
	return 0;
}

int settings_file_read(const char *path, struct settings *settings, struct fault *fault)
{
	struct reading reading = { .path = path, .settings = settings, .fault = fault, .waiting = NUM_SETTING };
	int err = open_file(path, &reading.stream, fault);
	int bad_line;

	if (err)
		return err;
	/* the number of the first line that it could not make sense of, or that was refused */
	bad_line = ini_parse_stream(read_line, &reading, handle, &reading);
	err = reading.err;
	if (bad_line > 0 && (!err || (unsigned int)bad_line < reading.line))
		err = refuse_syntax(&reading, bad_line);
	if (!err && bad_line < 0)
		err = fault_set(fault, ENOMEM, "cannot read %s: no memory", path);
	if (!err)
		err = take_waiting(&reading);
	fclose(reading.stream);
	free(reading.text);
	free(reading.value);
	return err;
}

int settings_load(const char *path, const struct settings *options, struct settings *ret_settings, struct fault *fault)
{
	struct settings *settings = malloc(sizeof(*settings));
	int err = 0;

	if (!settings)
		return fault_set(fault, ENOMEM, "cannot keep settings: no memory");
	settings_init(settings);
	if (path)
		err = settings_file_read(path, settings, fault);
	if (!err) {
		settings_override(settings, options);
		err = settings_complete(settings, fault);
	}
	if (!err)
		*ret_settings = *settings;
	free(settings);
	return err;
}
