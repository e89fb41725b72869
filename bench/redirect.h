/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the redirecting programs are told before they are loaded. */
#ifndef BENCH_REDIRECT_H
#define BENCH_REDIRECT_H

#include <linux/types.h>

/* Places in the device map; the programs at one interface send to the other. */
enum port {
	PORT_INTERNAL,
	PORT_EXTERNAL,
	NUM_PORT,
};

/* The link header of frames that leave by such a port. */
struct way {
	__be16 destination[3];
	__be16 source[3];
};

#endif
