/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta show ports: for each external address and protocol, whose the ports are. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "endpoint.h"
#include "ranges.h"
#include "sheet.h"
#include "show.h"
#include "sockets.h"
#include "sysctl.h"
#include "words.h"

static const struct column columns[] = {
	{ "external", 15 }, { "proto", 5 }, { "total", -6 },   { "used", -6 },      { "resting", -7 }, { "shared", -6 },
	{ "host", -6 },     { "free", -6 }, { "overlap", -7 }, { "ephemeral", 12 }, { "ranges", 0 },
};

/* What internal hosts do with the ports of an external address and protocol. */
struct use {
	struct ranges used;               /* there is a mapping */
	struct ranges resting;            /* and no session any more */
	struct ranges shared;             /* by several internal endpoints, toward different remotes */
	struct endpoint first[NUM_PORTS]; /* who was met first; not all of it is ever touched */
};

struct space {
	__be32 external;
	__u8 proto;
	struct use *use;
};

struct spaces {
	size_t num;
	size_t room;
	struct space *space;
};

/* What is the same for all of them. */
struct pools {
	struct ranges ranges;
	struct ranges ephemeral;
	struct sockets sockets;
	char *ranges_text;
	char *ephemeral_text;
};

/* Adds it if it is not there yet; NULL: no memory. */
static struct use *find_use(struct spaces *spaces, __be32 external, __u8 proto)
{
	struct space *space;

	for (size_t i = 0; i < spaces->num; i++)
		if (spaces->space[i].external == external && spaces->space[i].proto == proto)
			return spaces->space[i].use;
	if (spaces->num == spaces->room) {
		size_t room = spaces->room ? 2 * spaces->room : 8;
		struct space *more = reallocarray(spaces->space, room, sizeof(*more));

		if (!more)
			return NULL;
		spaces->space = more;
		spaces->room = room;
	}
	space = &spaces->space[spaces->num];
	*space = (struct space){ external, proto, calloc(1, sizeof(struct use)) };
	spaces->num += !!space->use;
	return space->use;
}

static void free_spaces(struct spaces *spaces)
{
	for (size_t i = 0; i < spaces->num; i++)
		free(spaces->space[i].use);
	free(spaces->space);
}

static void note_row(struct use *use, const struct row *row)
{
	const struct pair *pair = &row->pair;
	__u16 port = be16_to_cpu(pair->external.port);
	struct endpoint *first = &use->first[port];

	if (row_is_mapping(row)) {
		ranges_add(&use->used, port, port);
		if (!row->refs)
			ranges_add(&use->resting, port, port);
	}
	if (row_is_of_port(row) || pair->flags & ENTRY_HOST)
		return;
	if (!first->addr)
		*first = pair->internal;
	else if (!endpoint_equal(*first, pair->internal))
		ranges_add(&use->shared, port, port);
}

/* The bitmap of a pool is exact at any moment; a walk may miss what moves meanwhile. */
static void take_pool(const struct table *table, __u32 number, enum port_space space, struct use *use)
{
	__u32 index = number * NUM_SPACE + space;

	if (!table->pool || index >= table->area[AREA_POOLS].num)
		return;
	for (size_t i = 0; i < PORT_WORDS; i++)
		use->used.word[i] = READ_ONCE(table->pool[index].used[i]);
}

static int collect_pools(const struct table *table, struct spaces *spaces)
{
	static const __u8 proto[] = { [SPACE_TCP] = IPPROTO_TCP, [SPACE_UDP] = IPPROTO_UDP };
	const struct header *header = table->header;

	for (__u32 i = 0; i < header->num_pool_addrs && i < MAX_EXTERNAL; i++) {
		__be32 addr = READ_ONCE(header->pool_addr[i]);

		for (enum port_space space = SPACE_TCP; addr && space <= SPACE_UDP; space++) {
			struct use *use = find_use(spaces, addr, proto[space]);

			if (!use)
				return -ENOMEM;
			take_pool(table, i, space, use);
		}
	}
	return 0;
}

/* The external addresses of now, and those that sessions have kept from before. Identifiers of ICMP queries are bound by
 * no range.
 */
static int collect(const struct table *table, struct spaces *spaces)
{
	const struct config *config = &table->config;
	__u32 cursor = 0;
	struct row row;

	for (__u32 i = 0; i < config->num_external && i < MAX_EXTERNAL; i++)
		if (!find_use(spaces, config->external[i].addr, IPPROTO_TCP) ||
		    !find_use(spaces, config->external[i].addr, IPPROTO_UDP))
			return -ENOMEM;
	while (table_next(&cursor, &row)) {
		struct use *use;

		if (row.pair.proto == IPPROTO_ICMP)
			continue;
		use = find_use(spaces, row.pair.external.addr, row.pair.proto);
		if (!use)
			return -ENOMEM;
		note_row(use, &row);
	}
	return collect_pools(table, spaces);
}

static unsigned int count_common(const struct ranges *a, const struct ranges *b)
{
	struct ranges common = *a;

	ranges_intersect(&common, b);
	return ranges_count(&common);
}

static void print(struct sheet *sheet, const struct pools *pools, const struct space *space)
{
	const struct use *use = space->use;
	struct ranges host, left = pools->ranges;
	char address[ENDPOINT_TEXT];

	sockets_ports(&pools->sockets, space->proto, space->external, &host);
	ranges_subtract(&left, &use->used);
	ranges_subtract(&left, &host);
	sheet_text(sheet, address_format(space->external, address));
	sheet_text(sheet, proto_name(space->proto));
	sheet_number(sheet, ranges_count(&pools->ranges));
	sheet_number(sheet, count_common(&pools->ranges, &use->used));
	sheet_number(sheet, count_common(&pools->ranges, &use->resting));
	sheet_number(sheet, count_common(&pools->ranges, &use->shared));
	sheet_number(sheet, count_common(&pools->ranges, &host));
	sheet_number(sheet, ranges_count(&left));
	sheet_number(sheet, count_common(&pools->ranges, &pools->ephemeral));
	sheet_text(sheet, pools->ephemeral_text);
	sheet_text(sheet, pools->ranges_text);
}

static int open_pools(const struct config *config, struct pools *pools, struct fault *fault)
{
	int error = sysctl_read_ephemeral(&pools->ephemeral, fault);

	if (!error)
		error = sockets_read(&pools->sockets, fault);
	if (error)
		return error;
	ranges_from_config(config, &pools->ranges);
	pools->ranges_text = ranges_format(&pools->ranges);
	pools->ephemeral_text = ranges_format(&pools->ephemeral);
	if (!pools->ranges_text || !pools->ephemeral_text)
		return fault_set_errno(fault, ENOMEM, "cannot show the ports");
	return 0;
}

static void close_pools(struct pools *pools)
{
	free(pools->ranges_text);
	free(pools->ephemeral_text);
	sockets_free(&pools->sockets);
}

int show_ports(struct show *show, struct fault *fault)
{
	struct spaces spaces = {};
	struct pools pools = {};
	struct sheet sheet;
	int error = open_pools(&show->table.config, &pools, fault);

	if (!error && collect(&show->table, &spaces))
		error = fault_set_errno(fault, ENOMEM, "cannot show the ports");
	if (!error) {
		sheet_begin(&sheet, columns, sizeof(columns) / sizeof(columns[0]), show->json);
		for (size_t i = 0; i < spaces.num; i++) {
			struct pair pair = { .external.addr = spaces.space[i].external,
					     .proto = spaces.space[i].proto };

			if (filter_match(&show->filter, &pair, SESSION_ACTIVE))
				print(&sheet, &pools, &spaces.space[i]);
		}
		sheet_end(&sheet);
	}
	free_spaces(&spaces);
	close_pools(&pools);
	return error;
}
