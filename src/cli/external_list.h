/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The external addresses of a configuration, as JSON. */
#ifndef BAUTA_EXTERNAL_LIST_H
#define BAUTA_EXTERNAL_LIST_H

#include <jansson.h>

#include "contract.h"

/* The first one as a string; null while there is none. */
json_t *external_first(const struct config *config);

/* All of them, in the order in which internal hosts are dealt out. */
json_t *external_list(const struct config *config);

#endif
