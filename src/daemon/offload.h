/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a device does with frames before anybody sees them. */
#ifndef BAUTA_OFFLOAD_H
#define BAUTA_OFFLOAD_H

/* What becomes of the VLAN tags of frames that it receives. XDP sees only those that it leaves in the frame. */
enum offload_tags {
	TAGS_KEPT,     /* also if it does not say */
	TAGS_FILTERED, /* taken off, and only VLANs that stand upon it come in */
	TAGS_HIDDEN,   /* taken off, of whatever VLAN */
};

enum offload_tags offload_read_tags(const char *iface);

#endif
