/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Name and sentence of every reason (reason.h). */
#ifndef BAUTA_REASON_TEXT_H
#define BAUTA_REASON_TEXT_H

#include "reason.h"

/* Index: enum reason. Names are unique, in kebab-case. */
extern const struct reason_text reason_text[NUM_REASON];

#endif
