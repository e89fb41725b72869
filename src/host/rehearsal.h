/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a new session would get if it came now: the translator's own search, over a copy of what it may write. */
#ifndef BAUTA_REHEARSAL_H
#define BAUTA_REHEARSAL_H

#include "create.h"
#include "sockets.h"

/* Chooses for `session` (internal, remote, proto, flags) as the hooks would; the host's sockets are those of `sockets`. The
 * table is only read: a later choice of the hooks may differ, by its random numbers and by what happens meanwhile.
 * Acts on `platform` of this thread, and leaves it as it was. 0, or -ENOMEM.
 */
int rehearse(const struct sockets *sockets, const struct pair *session, struct search *ret_search);

#endif
