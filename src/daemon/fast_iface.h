/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interfaces of this network namespace, and what the fast path has to know of each. */
#ifndef BAUTA_FAST_IFACE_H
#define BAUTA_FAST_IFACE_H

#include <linux/types.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "contract.h"
#include "netlink.h"
#include "offload.h"

struct fast_iface {
	__u32 ifindex;
	__u32 mtu;
	__u32 lower; /* the interface below; 0: none that can be reached from here */
	__u32 xdp;   /* the id of the XDP program that is attached; 0: none */
	char name[IF_NAMESIZE];
	char kind[16]; /* "veth", "vlan", …; "": a device, or one without a kind */
	__u8 mac[MAC_LEN];
	__be16 vlan_proto; /* of a VLAN */
	__be16 vlan;
	bool vlan_priorities; /* it maps priorities of packets to those of tags */
	bool ethernet;
	bool loopback;
	bool up;
	bool has_master;
	bool knows_features;
	__u64 features;     /* enum xdp_feature, if the kernel tells: at the first reading */
	__u64 features_now; /* at the last: some drivers can do more once a program is there */
	bool on_bus;        /* a device of some bus stands behind it: PCI, USB, virtio */
	bool has_upper;     /* VLANs stand upon it */
	enum offload_tags tags;

	/* What is decided about it (fast.c). */
	struct fast_iface *carrier; /* whose driver runs the program: itself, or what a VLAN stands on */
	bool asked_for;             /* it may take part: by auto, or because it is listed */
	bool runs;                  /* the program is attached; of a carrier */
	bool takes_part;
	bool worth_saying;  /* somebody will want to know why not */
	char why[FAST_WHY]; /* it does not */
};

struct fast_ifaces {
	struct fast_iface *at;
	size_t num;
};

/* The caller frees `at`. 0 or -errno. */
int fast_ifaces_read(struct mnl_socket *socket, struct fast_ifaces *ret_ifaces);

/* Asks the kernel what their drivers can do; where it does not tell, nothing is known. 0 or -errno. */
int fast_ifaces_read_features(struct fast_ifaces *ifaces);

/* Asks what becomes of VLAN tags there: all, or those that have a bus behind them. */
void fast_ifaces_read_tags(struct fast_ifaces *ifaces, bool all);

struct fast_iface *fast_ifaces_find(const struct fast_ifaces *ifaces, __u32 ifindex);
struct fast_iface *fast_ifaces_named(const struct fast_ifaces *ifaces, const char *name);

#endif
