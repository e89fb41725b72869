/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contract: every record that crosses a map, read alike by the hooks, the daemon, the CLI and the tests.
 *
 * map       type                     who writes                 who reads             who deletes
 * store     array of bucket, mmap    hooks, sweep               hooks, daemon, CLI    sweep, flush, insert (expired ones)
 * dirty     array of u64, mmap       hooks, sweep; daemon       daemon                daemon
 * locks     array of stripe          hooks, sweep               -                     -
 * header    array[1], mmap           daemon; hooks (counts)     hooks, daemon, CLI    -
 * config    array[2]                 daemon                     hooks, CLI            -
 * pools     array of pool, mmap      hooks, sweep; daemon       hooks, daemon, CLI    -
 * crowds    array of crowd, mmap     hooks, sweep               hooks, CLI            hooks (one gives way to another)
 * host_ports array[4], mmap          hooks, daemon              hooks, CLI            daemon
 * quotas    hash address -> quota    hooks, sweep               hooks, CLI            sweep
 * counters  per-CPU array            hooks                      CLI, daemon           -
 * limits    array, mmap              hooks; daemon              daemon, CLI           -
 * gateways  hash ifindex -> address  daemon                     hooks                 daemon
 * unsolicited hash tuple -> SYN      hooks                      daemon                daemon
 * events    ring buffer              hooks                      daemon                daemon
 * failures  array of event, mmap     hooks                      CLI                   hooks (the oldest)
 * fragments LRU hash, by datagram    hooks                      hooks                 the kernel (the oldest)
 * held      one ring of bytes        hooks                      hooks                 hooks (the oldest)
 * idents    array of counters        hooks                      hooks                 -
 * next_hops array of next_hop, mmap  xdp                        xdp, daemon           xdp (those of an older generation)
 * fast_links array, mmap             daemon                     xdp, CLI              daemon
 * fast_vlans hash link, VLAN -> who  daemon                     xdp, CLI              daemon
 * fast_exits hash ifindex -> exit    daemon                     xdp                   daemon
 * fast_ports device map              daemon                     xdp                   daemon
 * fast_counters per-CPU array        xdp, fast_lost             CLI                   -
 * fast_notes hash 0, 1, … -> note    daemon                     CLI                   daemon
 *
 * Addresses and ports are in network order wherever the type says __be; everything else is in host order.
 */
#ifndef BAUTA_CONTRACT_H
#define BAUTA_CONTRACT_H

#include <linux/types.h>
#include <stddef.h>

#include "contract/config.h"
#include "contract/entry.h"
#include "contract/event_records.h"
#include "contract/fast_records.h"
#include "contract/port_records.h"
#include "contract/verdict.h"

/* Changes with every change of a pinned record: a daemon never adopts a table that it would misread. */
#define LAYOUT_VERSION 6
#define LAYOUT_MAGIC 0x61747561 /* "auta" */

/* ---- header ---------------------------------------------------------------------------------------------------- */

struct header {
	__u32 magic;
	__u32 layout;
	struct store_shape shape;
	struct clock clock;
	__u32 ifindex;
	__u32 l2_len;              /* 14 on Ethernet, 0 on layer-3 interfaces */
	__u32 config_slot;         /* which of the two configurations holds */
	__u32 num_pool_addrs;      /* how many external addresses there are pools for */
	__u32 next_hop_generation; /* another one makes all next hops be looked up anew; 0: for now none is remembered */
	/* Until then, in jiffies, the daemon watches routes and neighbours; it goes on promising that while it lives. Past it
	 * nothing may be sent past the stack.
	 */
	__u64 next_hop_until;
	__u32 resize; /* enum resize_state */
	/* store_id of the store where entries come, go and move; STORE_NONE: nowhere. A program of another store leaves it
	 * alone.
	 */
	__u32 writable;
	__u32 next_stashed; /* how many of num_stashed are entries of the store that is to come */
	/* Of the store that is to come, or that has come. The one that is pinned counts, be it this or `shape`. */
	struct store_shape next_shape;
	__u32 num_homed; /* entries that came back to their first buckets, ever; counted by all writers, atomically */
	/* Whose they are; 0: nobody's. An address keeps its pools while it has mappings. */
	__be32 pool_addr[MAX_EXTERNAL];
	/* counted by all writers, atomically */
	__u64 num_sessions __attribute__((aligned(64)));
	__u64 num_mappings;
	__u64 num_permits;
	__u64 num_created; /* sessions, ever */
	__u64 num_returned
		[2]; /* packets sent to their hook again with fragments that were held, ever: at egress, at ingress */
	__u32 num_stashed;                    /* entries in the stash; 0 lets a look-up skip it */
	__u32 num_crowds;                     /* crowds, ever; 0 lets a removal skip them */
	__u32 num_failures[NUM_FAILURE_RING]; /* ever, in each ring */
	/* Until then, in seconds of the gateway's clock, the daemon carries over what packets noted in the store before this one,
	 * and no life word says how long a session was idle; it goes on promising that while it does so. 0: it does not.
	 */
	__u32 carried_until;
};

/* ---- the sweep ------------------------------------------------------------------------------------------------- */

/* What the daemon asks of the sweep program, as the data of a test run. */
enum sweep_op {
	SWEEP_EXPIRE, /* mark what is expired, free what was marked a while ago */
	SWEEP_FLUSH,  /* remove whatever it is */
	SWEEP_QUOTA,  /* remove the quota records of those that have nothing */
};

#define SWEEP_BATCH 512

struct sweep_head {
	__u32 op; /* enum sweep_op */
	__u32 num;
	__u32 store_id; /* of the store that the indexes are of: the program of another does nothing */
	__u32 unused;
};

struct sweep_request {
	struct sweep_head head;
	__u32 index[SWEEP_BATCH]; /* of outbound entries; of SWEEP_QUOTA: internal addresses */
};

#endif
