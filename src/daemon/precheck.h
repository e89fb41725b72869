/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking for what is in the way of a gateway: gathers the facts from the kernel, and says what was found in the log. */
#ifndef BAUTA_PRECHECK_H
#define BAUTA_PRECHECK_H

#include <jansson.h>

#include "fault.h"
#include "ranges.h"

/* Looks at everything there is to look at, for a gateway at `iface` with these ports; none: those that a run would take
 * by itself, of which there are none. What cannot be looked at is a finding too. On success *ret_findings is as
 * check_findings() makes it.
 */
int precheck_findings(const char *iface, const struct ranges *ports, json_t **ret_findings, struct fault *fault);

/* The same for the daemon: a line in the log for each finding. */
void precheck_report(const char *iface, const struct ranges *ports);

#endif
