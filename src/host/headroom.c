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

void headroom_count(const struct sockets *sockets, __u8 proto, __be32 external, struct endpoint remote,
		    struct headroom *ret_headroom)
{
	struct headroom headroom = {};
	struct ranges ours, host;

	our_ports(proto, &ours);
	headroom_host_ports(sockets, proto, external, remote, &host);
	for (unsigned int port = 0; port < NUM_PORTS; port++) {
		struct endpoint endpoint = { .addr = external, .port = cpu_to_be16(port) };
		struct pair mapping;

		if (!ranges_contain(&ours, port))
			continue;
		headroom.ports++;
		if (is_held(proto, endpoint, remote)) {
			headroom.held++;
		} else if (ranges_contain(&host, port)) {
			headroom.host++;
		} else {
			headroom.free++;
			headroom.unmapped += !mapping_find_external(proto, endpoint.addr, endpoint.port, &mapping);
		}
	}
	*ret_headroom = headroom;
}
