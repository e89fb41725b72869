/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta run: the daemon. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "daemon/daemon.h"
#include "instance.h"
#include "settings.h"
#include "settings_file.h"
#include "verb.h"

/* A setting without a letter has this and its number as its key. */
#define KEY_SETTING 256

struct run {
	struct common common;
	const char *file;
	struct settings options;
};

static const struct origin on_command_line;

static enum setting_id setting_of(int key)
{
	enum setting_id id = 0;

	if (key >= KEY_SETTING)
		return key - KEY_SETTING;
	while (id < NUM_SETTING && setting_table[id].letter != key)
		id++;
	return id;
}

static error_t take(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;
	enum setting_id id = setting_of(key);
	struct fault fault;

	if (key == 'c') {
		if (run->file)
			die_usage("--config %s: given twice; one file would be accepted", arg);
		run->file = arg;
		return 0;
	}
	/* argp's own keys lie beyond */
	if (key <= 0 || id >= NUM_SETTING)
		return ARGP_ERR_UNKNOWN;
	if (settings_take(&run->options, id, &on_command_line, arg, &fault))
		die_words(&fault);
	return 0;
}

static void make_options(struct argp_option *option)
{
	for (enum setting_id id = 0; id < NUM_SETTING; id++) {
		const struct setting *setting = &setting_table[id];

		option[id] = (struct argp_option){
			.name = setting->name,
			.key = setting->letter ? setting->letter : KEY_SETTING + (int)id,
			.arg = setting->value,
			.doc = setting->help,
		};
	}
	option[NUM_SETTING] = (struct argp_option){
		.name = "config",
		.key = 'c',
		.arg = "FILE",
		.doc = "Take settings from this file too; what is given as an option holds. SIGHUP reads it again",
	};
}

int verb_run(int argc, char **argv)
{
	static struct argp_option options[NUM_SETTING + 2];
	static struct settings settings;
	static struct run run;
	struct daemon_source source = { .options = &run.options };
	const struct command command = {
		.verb = "run",
		.doc = "Masquerade everything that is forwarded out of an interface behind the machine's own IPv4 "
		       "addresses, in the foreground, until SIGINT or SIGTERM.",
		.options = options,
		.take = take,
	};
	struct instance instance;
	struct fault fault;
	int err;

	make_options(options);
	settings_init(&run.options);
	command_parse(&command, argc, argv, &run);
	err = settings_load(run.file, &run.options, &settings, &fault);
	if (err)
		die_settings(err, &fault);
	if (!*settings.iface)
		die_usage("run: which interface? -e IFACE is needed, or interface in a file");
	if (instance_name(settings.iface, &instance, &fault))
		die_words(&fault);
	source.file = run.file;
	return daemon_run(&settings, &source);
}
