/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of an instance, as user space sees it: the store mapped into memory, the rest read by system call.
 *
 * A table is live while it is read. Entries are claimed, moved, freed and taken again at any moment by the hooks, so
 * nothing may be concluded from one entry alone: table_next() gives only pairs whose two entries agreed with each
 * other while they were read. A pair that moves meanwhile may be given twice, or not at all.
 */
#ifndef BAUTA_TABLE_H
#define BAUTA_TABLE_H

#include <linux/types.h>
#include <stdbool.h>

#include "contract.h"
#include "fault.h"
#include "instance.h"
#include "life.h"
#include "platform.h"
#include "session.h"
#include "store.h"

enum table_access {
	TABLE_READ,  /* mapped read-only */
	TABLE_WRITE, /* the header and the store may be written */
};

/* An array map, mapped into memory. */
struct area {
	void *memory; /* NULL: this instance has none */
	size_t bytes;
	__u32 num; /* of its records */
	__u32 id;  /* the kernel's number of the map */
};

enum table_area {
	AREA_HEADER,
	AREA_STORE,
	AREA_DIRTY,
	AREA_POOLS,
	AREA_CROWDS,
	AREA_HOST_PORTS,
	AREA_FAILURES,
	NUM_AREA,
};

/* What is NULL, or -1, this instance does not have. */
struct table {
	struct header *header;
	struct store_shape shape; /* of the store that is mapped, which may have given way to another since */
	struct bucket *bucket;
	struct pool *pool; /* area[AREA_POOLS].num of them; and so on */
	struct crowd *crowd;
	struct host_ports *host_ports;
	struct event *failure;
	struct config config; /* a copy */
	struct area area[NUM_AREA];
	int config_fd;
	int counters_fd;
	int limits_fd;
	int quotas_fd;
};

/* A session or a mapping, as both of its entries said at one moment. */
struct row {
	struct pair pair;
	__u32 out_index;
	__u32 in_index;
	__u32 out_life;
	__u32 in_life;
	__u32 refs;  /* of a mapping or permit; of a session: nothing that is to be kept */
	__u32 first; /* of a mapping: the remote that needs no permit; else as above */
};

/* Opens the pins. Refuses a table of another layout version (-EPROTO). Fills `platform` of this thread, so that
 * store_find() and its like act on this table, `now` included; so *ret_table must stay where it is. On failure it is
 * all zero.
 */
int table_open(const struct instance *instance, enum table_access access, struct table *ret_table, struct fault *fault);

/* NULL and a table that was never opened (all zero) are fine. */
void table_close(struct table *table);

/* Maps a whole array map whose records have this size. -EPROTO: they have another. */
int table_map_area(int fd, size_t value_size, enum table_access access, struct area *ret_area);

/* Another store takes the place of the mapped one, and its areas that of the table's, which the caller gets instead. */
void table_exchange_store(struct table *table, const struct store_shape *shape, struct area *store, struct area *dirty);

/* Whether another store has taken the place of the one that is mapped. */
bool table_is_outdated(const struct table *table);

/* How many entries the store has, the stash included; an index is below that. Acts on `platform`. */
__u32 table_num_entries(void);

/* The next session or mapping whose outbound entry is at *cursor or behind it; sets *cursor behind that. False at the
 * end. Permits are left out. Begin with *cursor = 0. Acts on `platform`.
 */
bool table_next(__u32 *cursor, struct row *ret_row);

/* Reads the pair of the visible entry at this index. False if there is none, or its entries do not agree. */
bool table_read(__u32 index, struct row *ret_row);

/* The pair that owns an inbound tuple; for a mapping the remote is 0.0.0.0:0. */
bool table_find_inbound(__u8 proto, struct endpoint external, struct endpoint remote, struct row *ret_row);

/* The same for an outbound tuple. */
bool table_find_outbound(__u8 proto, struct endpoint internal, struct endpoint remote, struct row *ret_row);

/* Packets under each reason, all CPUs together. */
int table_read_counters(const struct table *table, __u64 ret_counters[NUM_REASON], struct fault *fault);
int table_read_limits(const struct table *table, struct limit ret_limits[NUM_LIMIT], struct fault *fault);

/* What an internal host has. -ENOENT, with all zero, when nothing is counted for it. */
int table_read_quota(const struct table *table, __be32 internal, struct quota *ret_quota);

/* How many internal hosts something is counted for. */
__u32 table_count_quotas(const struct table *table);

/* How many destinations are known as crowded under the configuration of now. */
__u32 table_count_crowds(const struct table *table);

static inline enum session_state row_state(const struct row *row)
{
	return session_state(row->pair.proto, row->out_life, row->in_life);
}

static inline bool row_is_mapping(const struct row *row)
{
	return row->pair.flags & ENTRY_MAPPING;
}

/* Seconds for which a mapping without sessions rests. Acts on `platform`. */
static inline __u32 row_rest(const struct row *row)
{
	__u32 rest = platform_config()->rest_s, idle = life_idle(row->out_life, platform_now());

	return !row->refs && idle < rest ? rest - idle : 0;
}

/* A mapping of nobody in particular: all sessions on its port are of internal endpoints that share it. */
static inline bool row_is_of_port(const struct row *row)
{
	return row_is_mapping(row) && endpoint_equal(row->pair.internal, row->pair.external);
}

#endif
