/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A destination that is not translated, as it is given to --exclude. */
#ifndef BAUTA_EXCLUSION_TEXT_H
#define BAUTA_EXCLUSION_TEXT_H

#include "contract.h"

#define EXCLUSION_TEXT 40

/* "tcp:198.51.100.0/24:443". `text` has EXCLUSION_TEXT bytes; returns it. */
char *exclusion_format(const struct exclusion *exclusion, char *text);

#endif
