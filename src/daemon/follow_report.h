/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said when addresses have changed. */
#ifndef BAUTA_FOLLOW_REPORT_H
#define BAUTA_FOLLOW_REPORT_H

#include "follow.h"

/* What was there before, and how many sessions the change has ended. */
void follow_report(const struct follow *follow, const struct addresses *old, const struct externals *old_externals,
		   __u64 ended);

#endif
