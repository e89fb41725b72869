/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking for what is in the way of a gateway: gathers the facts from the kernel, and says what was found in the log. */
#ifndef BAUTA_PRECHECK_H
#define BAUTA_PRECHECK_H

#include <jansson.h>
#include <linux/types.h>
#include <stddef.h>

#include "contract.h"
#include "fault.h"
#include "ranges.h"

/* The gateway that is looked for. */
struct precheck {
	const char *iface;
	struct ranges ports; /* none: it would take those that a run takes by itself, and there are none */
	size_t num_external; /* 0: the address of the interface */
	__be32 external[MAX_EXTERNAL];
};

/* Looks at everything there is to look at. What cannot be looked at is a finding too. On success *ret_findings is as
 * check_findings() makes it.
 */
int precheck_findings(const struct precheck *precheck, json_t **ret_findings, struct fault *fault);

/* The same for the daemon: a line in the log for each finding. */
void precheck_report(const struct precheck *precheck);

#endif
