/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a new session would get if it came now: the translator's own search, over a copy of what it may write. */
#include "rehearsal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "headroom.h"

/* The host's sockets, as a search asks for them: one remote endpoint, and one external address after the other. */
struct view {
	const struct sockets *sockets;
	struct endpoint remote;
	__be32 external; /* 0: none so far */
	__u8 proto;
	struct ranges ports;
};

static bool host_holds(void *hook, const struct tuple *inbound)
{
	struct endpoint remote = { .addr = inbound->src, .port = inbound->sport };
	struct view *view = hook;

	if (inbound->proto == IPPROTO_ICMP)
		return false;
	if (view->external != inbound->dst || view->proto != inbound->proto || !endpoint_equal(view->remote, remote)) {
		view->external = inbound->dst;
		view->proto = inbound->proto;
		view->remote = remote;
		headroom_host_ports(view->sockets, view->proto, view->external, remote, &view->ports);
	}
	return ranges_contain(&view->ports, be16_to_cpu(inbound->dport));
}

/* The store and the configuration are only read. */
static int copy_written(struct platform *copy)
{
	copy->header = malloc(sizeof(*copy->header));
	copy->stripe = calloc(NUM_STRIPES, sizeof(*copy->stripe));
	copy->pool = calloc(platform.num_pools, sizeof(*copy->pool));
	copy->crowd = NULL;
	if (!copy->header || !copy->stripe || !copy->pool)
		return -ENOMEM;
	memcpy(copy->header, platform.header, sizeof(*copy->header));
	memcpy(copy->pool, platform.pool, platform.num_pools * sizeof(*copy->pool));
	copy->num_pools = platform.num_pools;
	return 0;
}

static void free_copy(struct platform *copy)
{
	free(copy->header);
	free(copy->stripe);
	free(copy->pool);
}

int rehearse(const struct sockets *sockets, const struct pair *session, struct search *ret_search)
{
	struct platform before = platform, stage = platform;
	struct view view = { .sockets = sockets };
	int error = copy_written(&stage);

	stage.host_holds = host_holds;
	if (!error && getrandom(&stage.random, sizeof(stage.random), 0) != sizeof(stage.random))
		error = -errno;
	if (!error) {
		memset(ret_search, 0, sizeof(*ret_search));
		ret_search->session = *session;
		platform = stage;
		create_choose(&view, ret_search);
		platform = before;
	}
	free_copy(&stage);
	return error;
}
