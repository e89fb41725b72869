/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta down: takes away what a run has left at an interface. */
#include "command.h"
#include "daemon/daemon.h"
#include "verb.h"

static const struct command command = {
	.verb = "down",
	.doc = "End the daemon of an instance, if one runs, and remove everything of it: all sessions end.",
	.takes = TAKES_IFACE,
};

int verb_down(int argc, char **argv)
{
	struct common common = {};

	command_parse(&command, argc, argv, &common);
	return daemon_down(common.iface);
}
