/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The map "gateways": by which address the hosts of each other interface know us. */
#ifndef BAUTA_GATEWAYS_H
#define BAUTA_GATEWAYS_H

#include "address.h"

/* Makes the map say what `addresses` says, and nothing else. 0 or -errno; what could be written is written. */
int gateways_write(int map_fd, const struct addresses *addresses);

#endif
