/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the probe of tagged frames and its programs share. */
#ifndef TESTS_KERNEL_TC_VLAN_H
#define TESTS_KERNEL_TC_VLAN_H

#include <linux/types.h>

/* How the last frame looked. */
struct view {
	__u32 num_seen;
	__u32 protocol;
	__u32 vlan_present;
	__u32 vlan_tci;
	__u32 ethertype; /* what stands in the frame */
};

#endif
