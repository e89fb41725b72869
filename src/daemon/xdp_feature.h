/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the drivers of interfaces can do with XDP, as the kernel tells from Linux 6.3 on. */
#ifndef BAUTA_XDP_FEATURE_H
#define BAUTA_XDP_FEATURE_H

#include <linux/types.h>
#include <stddef.h>

/* The kernel's numbers (include/uapi/linux/netdev.h): it is younger than the headers that we are built with. */
enum xdp_feature {
	XDP_FEATURE_BASIC = 1,    /* runs a program natively, which may drop and pass */
	XDP_FEATURE_REDIRECT = 2, /* and redirect */
	XDP_FEATURE_XMIT = 4,     /* takes redirected frames */
};

struct xdp_features {
	__u32 ifindex;
	__u64 features; /* enum xdp_feature */
};

/* All interfaces of this network namespace; the caller frees *ret_list. How many, or -errno; -EOPNOTSUPP: this kernel does not
 * tell.
 */
int xdp_features_read(struct xdp_features **ret_list);

#endif
