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
	{ "external", 15 }, { "proto", 5 },    { "total", -6 },     { "used", -6 },  { "host", -6 },
	{ "free", -6 },     { "overlap", -7 }, { "ephemeral", 12 }, { "ranges", 0 },
};

/* An external address and protocol, and the ports that sessions and mappings have there. */
struct space {
	__be32 external;
	__u8 proto;
	struct ranges used;
};

struct spaces {
	size_t num;
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

static struct space *find_space(struct spaces *spaces, __be32 external, __u8 proto)
{
	struct space *more;

	for (size_t i = 0; i < spaces->num; i++)
		if (spaces->space[i].external == external && spaces->space[i].proto == proto)
			return &spaces->space[i];
	more = reallocarray(spaces->space, spaces->num + 1, sizeof(*more));
	if (!more)
		return NULL;
	spaces->space = more;
	more[spaces->num] = (struct space){ .external = external, .proto = proto };
	return &more[spaces->num++];
}

/* The external address of now, and those that sessions have kept from before. Identifiers of ICMP queries are bound by
 * no range.
 */
static int collect(const struct config *config, struct spaces *spaces)
{
	__u32 cursor = 0;
	struct row row;

	if (config->num_external && (!find_space(spaces, config->external[0].addr, IPPROTO_TCP) ||
				     !find_space(spaces, config->external[0].addr, IPPROTO_UDP)))
		return -ENOMEM;
	while (table_next(&cursor, &row)) {
		__u16 port = be16_to_cpu(row.pair.external.port);
		struct space *space;

		if (row.pair.proto == IPPROTO_ICMP)
			continue;
		space = find_space(spaces, row.pair.external.addr, row.pair.proto);
		if (!space)
			return -ENOMEM;
		ranges_add(&space->used, port, port);
	}
	return 0;
}

static unsigned int count_common(const struct ranges *a, const struct ranges *b)
{
	struct ranges common = *a;

	ranges_intersect(&common, b);
	return ranges_count(&common);
}

static void print(struct sheet *sheet, const struct pools *pools, const struct space *space)
{
	struct ranges host, left = pools->ranges;
	char address[ENDPOINT_TEXT];

	sockets_ports(&pools->sockets, space->proto, space->external, &host);
	ranges_subtract(&left, &space->used);
	ranges_subtract(&left, &host);
	sheet_text(sheet, address_format(space->external, address));
	sheet_text(sheet, proto_name(space->proto));
	sheet_number(sheet, ranges_count(&pools->ranges));
	sheet_number(sheet, count_common(&pools->ranges, &space->used));
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

	if (!error && collect(&show->table.config, &spaces))
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
	free(spaces.space);
	close_pools(&pools);
	return error;
}
