/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings that are each right, and wrong together. */
#ifndef BAUTA_SETTINGS_CHECK_H
#define BAUTA_SETTINGS_CHECK_H

#include <linux/types.h>

#include "fault.h"
#include "settings.h"

/* To be called when all is taken: sets what follows from other settings, and refuses contradictions. -EINVAL; the fault says
 * where they are and what would be accepted.
 */
int settings_complete(struct settings *settings, struct fault *fault);

/* The first exclusion that covers an external address, and which; excluded.num: none does. */
__u32 settings_find_covering(const struct settings *settings, const __be32 *external, __u32 num, __be32 *ret_external);

/* Refuses exclusions that cover an external address: what is sent there is for a mapping or the host, and leaves nowhere. */
int settings_check_external(const struct settings *settings, const __be32 *external, __u32 num, struct fault *fault);

#endif
