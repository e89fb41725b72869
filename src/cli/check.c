/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta check: what is in the way of a gateway at an interface, before it starts or while it runs. */
#include <errno.h>
#include <jansson.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "check_fix.h"
#include "check_settings.h"
#include "command.h"
#include "daemon/link.h"
#include "daemon/netlink.h"
#include "daemon/precheck.h"
#include "instance.h"
#include "ranges.h"
#include "settings_file.h"
#include "sysctl.h"
#include "table.h"
#include "verb.h"

enum {
	KEY_FIX = 256,
};

/* Of a terminal, between which text is wrapped; elsewhere it is not. */
#define MIN_WIDTH 40
#define MAX_WIDTH 110

struct words {
	struct common common;
	const char *file;
	bool fix;
	struct settings options;
};

static const struct origin on_command_line;

static error_t take(int key, char *arg, struct argp_state *state)
{
	struct words *words = state->input;
	struct fault fault;

	switch (key) {
	case 'p':
		if (settings_take(&words->options, SETTING_PORTS, &on_command_line, arg, &fault))
			die_words(&fault);
		return 0;
	case 'c':
		if (words->file)
			die_usage("--config %s: given twice; one file would be accepted", arg);
		words->file = arg;
		return 0;
	case KEY_FIX:
		words->fix = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options_of_check[] = {
	{ "ports", 'p', "RANGES", 0,
	  "Ports to check for; without it those of the instance at the interface, or the default ones of `bauta run`",
	  0 },
	{ "config", 'c', "FILE", 0, "Check this file of settings, and then for a gateway with them", 0 },
	{ "fix-ephemeral", KEY_FIX, NULL, 0,
	  "First take the ports away from those that the kernel gives to programs by itself (ip_local_port_range, "
	  "ip_local_reserved_ports)",
	  0 },
	{},
};

static const struct command command = {
	.verb = "check",
	.doc = "Look for what is in the way of a gateway at an interface: settings, another NAT, sockets and tunnels "
	       "on its ports. Exit status 3 if something is.",
	.takes = TAKES_IFACE | TAKES_JSON,
	.options = options_of_check,
	.take = take,
};

/* ---- what is to be checked ------------------------------------------------------------------------------------- */

static void check_rights(void)
{
	struct fault fault;

	if (geteuid() == 0)
		return;
	fault_set(&fault, EPERM,
		  "cannot check as user %u: others' processes, the rules of the firewall and the ports of WireGuard "
		  "can only be seen as root",
		  geteuid());
	die(&fault);
}

/* "eth0, eth1 and wg0" */
static void list_interfaces(char *text, size_t size)
{
	struct if_nameindex *list = if_nameindex();
	size_t len = 0;

	snprintf(text, size, "none");
	for (struct if_nameindex *at = list; at && at->if_index; at++)
		if (strcmp(at->if_name, "lo") != 0 && len < size)
			len += snprintf(text + len, size - len, "%s%s", len ? ", " : "", at->if_name);
	if_freenameindex(list);
}

/* An interface that could not be served is an error of whoever names it. */
static void check_interface(const char *iface)
{
	struct mnl_socket *socket;
	struct fault fault;
	struct link link;
	char names[200];
	__u32 l2_len;
	int err = netlink_open(NETLINK_ROUTE, &socket);

	if (!err) {
		err = link_read(socket, iface, &link);
		netlink_close(socket);
	}
	if (!err) {
		if (link_header_len(iface, &link, &l2_len, &fault))
			die(&fault);
		return;
	}
	list_interfaces(names, sizeof(names));
	if (err == -ENODEV)
		fault_set(&fault, ENODEV, "cannot check %s: there is no such interface; there are: %s", iface, names);
	else
		fault_set_errno(&fault, -err, "cannot check %s", iface);
	die(&fault);
}

/* The interface, and the ports unless they were given: those of its instance, if there is one; else none. */
static void find_target(const char *iface, struct instance *ret_instance, bool *ret_found)
{
	struct instance instance;
	struct fault fault;
	int err;

	if (iface && instance_name(iface, &instance, &fault))
		die_words(&fault);
	err = instance_find(iface, &instance, &fault);
	if (err == -ENOENT && !iface)
		die_usage("check: which interface? -e IFACE is needed where no instance runs");
	if (err && err != -ENOENT)
		die(&fault);
	*ret_found = !err;
	if (err && instance_name(iface, &instance, &fault))
		die(&fault);
	*ret_instance = instance;
}

/* What the instance at the interface goes by: its external addresses, and its ports unless others were given. */
static void read_instance(const struct instance *instance, bool has_ports, struct precheck *precheck)
{
	static struct table table;
	struct fault fault;

	if (table_open(instance, TABLE_READ, &table, &fault))
		die(&fault);
	if (!has_ports)
		ranges_from_config(&table.config, &precheck->ports);
	precheck->num_external = table.config.num_external;
	for (__u32 i = 0; i < table.config.num_external; i++)
		precheck->external[i] = table.config.external[i].addr;
	table_close(&table);
}

/* What the command line says, and the file if there is one. */
static void read_settings(struct words *words, struct settings *settings)
{
	struct fault fault;
	int err = 0;

	if (words->common.iface)
		err = settings_take(&words->options, SETTING_INTERFACE, &on_command_line, words->common.iface, &fault);
	if (!err)
		err = settings_load(words->file, &words->options, settings, &fault);
	if (err)
		die_settings(err, &fault);
	if (words->file && !*settings->iface)
		die_usage("check: which interface? -e IFACE is needed, or interface in %s", words->file);
}

/* What a run by a file would go by, whatever runs there now. */
static void take_settings(const struct settings *settings, struct precheck *precheck)
{
	struct fault fault;

	if (!settings_given(settings, SETTING_PORTS))
		sysctl_read_default(&precheck->ports, &fault); /* none: that will be a finding */
	precheck->num_external = external_items_list(&settings->external, precheck->external);
}

/* ---- the fix --------------------------------------------------------------------------------------------------- */

static void add_change(json_t *changed, const char *sysctl, char *old, char *new)
{
	json_array_append_new(changed, json_pack("{s:s, s:s?, s:s?}", "sysctl", sysctl, "old", old, "new", new));
	free(old);
	free(new);
}

static char *range_text(const struct ephemeral *ephemeral)
{
	char *text;

	return asprintf(&text, "%u %u", ephemeral->first, ephemeral->last) < 0 ? NULL : text;
}

/* Returns what was changed, if nothing failed: a list of sysctls. */
static json_t *fix_ephemeral(const struct ranges *ports)
{
	json_t *changed = json_array();
	struct ephemeral old, new;
	struct ranges defaults;
	struct fault fault;

	/* says why there are none */
	if (!ranges_count(ports) && sysctl_read_default(&defaults, &fault))
		die(&fault);
	if (ephemeral_read(&old, &fault) || ephemeral_plan(&old, ports, &new, &fault) ||
	    ephemeral_write(&old, &new, &fault))
		die(&fault);
	if (!ephemeral_same_range(&old, &new))
		add_change(changed, "net.ipv4.ip_local_port_range", range_text(&old), range_text(&new));
	if (!ephemeral_same_reserved(&old, &new))
		add_change(changed, "net.ipv4.ip_local_reserved_ports", ranges_format(&old.reserved),
			   ranges_format(&new.reserved));
	return changed;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void print_changed(json_t *changed)
{
	json_t *change;
	size_t i;

	if (!json_array_size(changed)) {
		printf("nothing to change: the kernel gives none of the ports to programs by itself\n");
		return;
	}
	json_array_foreach(changed, i, change)
		printf("changed %s from \"%s\" to \"%s\"\n", text_of(change, "sysctl"), text_of(change, "old"),
		       text_of(change, "new"));
	printf("until the next start; to keep it, put into /etc/sysctl.d/60-bauta.conf:\n");
	json_array_foreach(changed, i, change)
		printf("  %s = %s\n", text_of(change, "sysctl"), text_of(change, "new"));
}

/* The check failed behind the fix, which is told nevertheless. */
static void print_fix_alone(json_t *changed)
{
	json_t *answer = json_pack("{s:O}", "changed", changed);

	json_dumpf(answer, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(answer);
}

/* ---- the answer ------------------------------------------------------------------------------------------------ */

static int width_of_output(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return 0;
	return size.ws_col < MIN_WIDTH ? MIN_WIDTH : size.ws_col > MAX_WIDTH ? MAX_WIDTH : size.ws_col;
}

/* A line with a label; what goes on is below the text. width 0: as long as it is. */
static void print_wrapped(const char *label, const char *text, int width)
{
	int indent = 9, room = width ? width - indent : 0;

	printf("%-*s", indent, label);
	while (room && (int)strlen(text) > room) {
		int len = room;

		while (len && text[len] != ' ')
			len--;
		if (!len)
			break; /* a word that is longer than the line */
		printf("%.*s\n%*s", len, text, indent, "");
		text += len + 1;
	}
	printf("%s\n", text);
}

static void print_findings(json_t *findings)
{
	int width = width_of_output();
	size_t i, num_problems = 0, num_notes;
	json_t *finding;

	json_array_foreach(findings, i, finding) {
		char why[512];

		num_problems += strcmp(text_of(finding, "severity"), "problem") == 0;
		snprintf(why, sizeof(why), "why: %s", text_of(finding, "why"));
		print_wrapped(text_of(finding, "severity"), text_of(finding, "what"), width);
		print_wrapped("", why, width);
		/* whole, to be copied */
		printf("%9smend: %s\n", "", text_of(finding, "mend"));
	}
	num_notes = json_array_size(findings) - num_problems;
	printf("%zu problem%s, %zu note%s\n", num_problems, num_problems == 1 ? "" : "s", num_notes,
	       num_notes == 1 ? "" : "s");
}

static void print_nothing(const char *iface, const struct ranges *ports)
{
	char *text = ranges_format(ports);

	printf("nothing is in the way: %s, ports %s\n", iface, text ? text : "?");
	free(text);
}

int verb_check(int argc, char **argv)
{
	static struct precheck precheck;
	static struct instance instance;
	static struct settings settings;
	static struct words words;
	json_t *changed = NULL, *findings;
	struct fault fault;
	bool found, failed;
	int status;

	settings_init(&words.options);
	command_parse(&command, argc, argv, &words);
	read_settings(&words, &settings);
	check_rights();
	find_target(*settings.iface ? settings.iface : NULL, &instance, &found);
	precheck.iface = instance.iface;
	precheck.ports = settings.ports;
	if (!found)
		check_interface(instance.iface);
	if (found && !words.file)
		read_instance(&instance, settings_given(&settings, SETTING_PORTS), &precheck);
	else
		take_settings(&settings, &precheck);
	if (words.fix)
		changed = fix_ephemeral(&precheck.ports);
	/* first of all, for the check may fail */
	if (changed && !words.common.json)
		print_changed(changed);
	failed = precheck_findings(&precheck, &findings, &fault);
	if (!failed && words.file)
		failed = check_settings_add(&settings, findings, &fault);
	if (failed) {
		if (changed && words.common.json)
			print_fix_alone(changed);
		die(&fault);
	}
	status = json_array_size(findings) ? STATUS_FOUND : STATUS_DONE;
	if (words.common.json) {
		json_t *answer = changed ? json_pack("{s:O, s:O}", "changed", changed, "findings", findings)
					 : json_incref(findings);

		json_dumpf(answer, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(answer);
	} else if (status == STATUS_FOUND) {
		print_findings(findings);
	} else {
		print_nothing(instance.iface, &precheck.ports);
	}
	json_decref(changed);
	json_decref(findings);
	return status;
}
