/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bench/store.c and its BPF programs share. */
#ifndef BENCH_STORE_BENCH_H
#define BENCH_STORE_BENCH_H

#include <linux/types.h>

/* A run of one operation over the numbers first .. first + num - 1 of a random order. Written by user space before, by
 * the program after.
 */
struct store_job {
	__u32 first;
	__u32 num;
	__u32 mask; /* the numbers are 0 .. mask, 2^bits of them */
	__u32 bits;
	__u32 salt;  /* which order */
	__u32 chain; /* each key is known only when the one before has been read, as from one packet to the next */
	__u32 zero;
	__u32 num_done;
	__u64 sum;
};

/* A direction of a session in the kernel's hash map: the store's key, and as many bytes as the store's entry. */
struct hash_key {
	__u64 addrs;
	__u32 ports;
	__u8 proto;
	__u8 direction;
	__u16 unused;
};

struct hash_value {
	__be32 new_addr;
	__be16 new_port;
	__u16 unused;
	__u64 state[3];
};
_Static_assert(sizeof(struct hash_value) == 32, "as large as an entry");

#endif
