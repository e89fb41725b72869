// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A gateway that only redirects, between two interfaces of a namespace, until stdin ends.
 *
 *   redirect fixed|fib NAMESPACE INTERNAL NEXT-HOP-MAC EXTERNAL NEXT-HOP-MAC
 */
#include "redirect.h"

#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "side.h"

#include "bench/redirect.skel.h"

struct gateway {
	struct namespace namespace[NUM_PORT];
	struct side side[NUM_PORT];
};

static void gateway_open(char **argument, struct gateway *ret_gateway)
{
	for (int port = 0; port < NUM_PORT; port++) {
		char *word[] = { argument[0], argument[1 + 2 * port], argument[2 + 2 * port] };

		side_open(word, &ret_gateway->namespace[port], &ret_gateway -> side[port]);
	}
}

static struct redirect *load(const struct gateway *gateway)
{
	struct redirect *skel = redirect__open();

	if (!skel)
		side_die("cannot open the BPF programs");
	for (int port = 0; port < NUM_PORT; port++) {
		struct way way = { 0 };

		memcpy(way.destination, gateway->side[port].next_hop, sizeof(way.destination));
		memcpy(way.source, gateway->side[port].source, sizeof(way.source));
		memcpy((void *)&skel->rodata->ways[port], &way, sizeof(way));
	}
	if (redirect__load(skel))
		side_die("cannot load the BPF programs");
	return skel;
}

/* A device map takes its devices from the namespace of whoever writes it. */
static void fill_ports(const struct redirect *skel, const struct gateway *gateway)
{
	side_enter(&gateway->namespace[0]);
	for (__u32 port = 0; port < NUM_PORT; port++) {
		const __u32 *ifindex = &gateway->side[port].ifindex;

		if (bpf_map_update_elem(bpf_map__fd(skel->maps.ports), &port, ifindex, BPF_ANY) ||
		    bpf_map_update_elem(bpf_map__fd(skel->maps.devices), ifindex, ifindex, BPF_ANY))
			side_die("cannot write the map of devices");
	}
}

int main(int argc, char **argv)
{
	struct gateway gateway = { 0 };
	struct redirect *skel;
	bool asks;

	if (argc != 7 || (strcmp(argv[1], "fixed") != 0 && strcmp(argv[1], "fib") != 0)) {
		fputs("usage: redirect fixed|fib NAMESPACE INTERNAL NEXT-HOP-MAC EXTERNAL NEXT-HOP-MAC\n", stderr);
		return 2;
	}
	asks = !strcmp(argv[1], "fib");
	gateway_open(argv + 2, &gateway);
	skel = load(&gateway);
	fill_ports(skel, &gateway);
	side_attach(&gateway.namespace[PORT_INTERNAL], asks ? skel->progs.fib : skel->progs.fixed_outbound,
		    gateway.side[PORT_INTERNAL].ifindex);
	side_attach(&gateway.namespace[PORT_EXTERNAL], asks ? skel->progs.fib : skel->progs.fixed_inbound,
		    gateway.side[PORT_EXTERNAL].ifindex);
	puts("{\"ready\": true}");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
