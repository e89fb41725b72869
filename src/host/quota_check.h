/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold between the quotas and the table: each host's record counts what is there. */
#ifndef BAUTA_QUOTA_CHECK_H
#define BAUTA_QUOTA_CHECK_H

#include "violation.h"

/* Compares the records of the map `quotas_fd` (-1: those of this thread's quota_map) with the table in this thread's
 * `platform`; calls `report` (may be NULL) for each host whose record is wrong by the same numbers again and again, and
 * returns how many there are.
 */
size_t quota_check(int quotas_fd, void (*report)(const struct violation *violation, void *ctx), void *ctx);

#endif
