/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much is left: the ports on which a new flow toward one remote endpoint could go out. */
#include "headroom.h"

#include <netinet/in.h>
#include <string.h>

#include "mapping.h"
#include "platform.h"
#include "store.h"

/* As a dump numbers them: closed but bound, before and since 6.8. */
#define STATE_CLOSED 7
#define STATE_BOUND 13

static bool receives(const struct host_socket *socket, __be32 external, struct endpoint remote)
{
	bool connected = socket->remote.addr || socket->remote.port;

	if (socket->proto == IPPROTO_TCP && (socket->state == STATE_CLOSED || socket->state == STATE_BOUND))
		return false;
	if (socket->local.addr && socket->local.addr != external)
		return false;
	return !connected || endpoint_equal(socket->remote, remote);
}

void headroom_host_ports(const struct sockets *sockets, __u8 proto, __be32 external, struct endpoint remote,
			 struct ranges *ret_ports)
{
	memset(ret_ports, 0, sizeof(*ret_ports));
	for (size_t i = 0; i < sockets->num; i++) {
		const struct host_socket *socket = &sockets->socket[i];
		__u16 port = be16_to_cpu(socket->local.port);

		if (socket->proto == proto && receives(socket, external, remote))
			ranges_add(ret_ports, port, port);
	}
}

void headroom_kept_ports(const struct sockets *sockets, __u8 proto, __be32 external, struct endpoint remote,
			 struct ranges *ret_ports)
{
	const struct host_ports *host_ports = platform_host_ports(port_space(proto));

	headroom_host_ports(sockets, proto, external, remote, ret_ports);
	if (!platform_config()->borrow || !host_ports || proto == IPPROTO_ICMP)
		return;
	for (size_t i = 0; i < PORT_WORDS; i++)
		ret_ports->word[i] |= READ_ONCE(host_ports->held[i]);
}

/* The ports that internal hosts may have. */
static void our_ports(__u8 proto, struct ranges *ret_ports)
{
	if (proto == IPPROTO_ICMP)
		memset(ret_ports, 0xff, sizeof(*ret_ports));
	else
		ranges_from_config(platform_config(), ret_ports);
}

static bool is_held(__u8 proto, struct endpoint external, struct endpoint remote)
{
	struct pair pair = { .external = external, .remote = remote, .proto = proto };
	struct key key = pair_key(&pair, ENTRY_INBOUND);

	return store_find(&key) != INDEX_NONE;
}

static void count_port(__u8 proto, struct endpoint external, struct endpoint remote, bool kept,
		       struct headroom *headroom)
{
	struct pair mapping;

	headroom->ports++;
	if (is_held(proto, external, remote)) {
		headroom->held++;
	} else if (kept) {
		headroom->host++;
	} else if (!mapping_find_external(proto, external.addr, external.port, &mapping)) {
		headroom->free++;
		headroom->unmapped++;
	} else if (platform_config()->rest_s && mapping_rests(&mapping)) {
		headroom->resting++;
	} else {
		headroom->free++;
	}
}

void headroom_count(const struct sockets *sockets, __u8 proto, __be32 external, struct endpoint remote,
		    struct headroom *ret_headroom)
{
	struct headroom headroom = {};
	struct ranges ours, kept;

	our_ports(proto, &ours);
	headroom_kept_ports(sockets, proto, external, remote, &kept);
	for (unsigned int port = 0; port < NUM_PORTS; port++) {
		struct endpoint endpoint = { .addr = external, .port = cpu_to_be16(port) };

		if (ranges_contain(&ours, port))
			count_port(proto, endpoint, remote, ranges_contain(&kept, port), &headroom);
	}
	*ret_headroom = headroom;
}
