/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in the way of a gateway: findings from facts about the machine. Nothing here asks the kernel for anything. */
#ifndef BAUTA_CHECK_H
#define BAUTA_CHECK_H

#include <jansson.h>
#include <linux/types.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "check_fix.h"
#include "check_holder.h"
#include "fault.h"
#include "ranges.h"

/* A tunnel device whose socket is in this network namespace. */
struct tunnel {
	char device[IF_NAMESIZE];
	char kind[16]; /* as iproute2 calls it: "vxlan" */
	__u16 port;    /* of UDP, on which it receives */
	bool up;       /* else it has no socket at the moment */
};

/* A rule of the kernel's own NAT that applies to packets which leave by the interface. */
struct other_nat {
	char by[16];    /* "nftables" or "iptables" */
	char family[8]; /* "ip" or "inet" */
	char table[256];
	char chain[256];
	__u64 rule;   /* nftables: its handle; iptables: its number in the chain */
	bool limited; /* it has further conditions */
};

enum forwarding {
	FORWARDING_ON,
	FORWARDING_OFF,        /* net.ipv4.ip_forward is 0, and the interface has no setting of its own */
	FORWARDING_OFF_HERE,   /* not for what comes in by the external interface: the answers */
	FORWARDING_OFF_INSIDE, /* for no other interface that has an address */
};

enum rp_filter {
	RP_FILTER_PASSES,
	RP_FILTER_STRICT, /* answers are dropped, and would not be in loose mode (2) */
	RP_FILTER_LOOSE,  /* they are dropped in loose mode too */
};

#define MAX_UNSEEN 8

struct check_facts {
	const char *iface;
	bool exists;
	bool up;
	bool has_address;

	struct ranges ports;         /* of the gateway; empty: there is no default range */
	struct ranges default_ports; /* the range without -p; empty: none */
	struct ephemeral ephemeral;

	enum forwarding forwarding;
	char forwarding_inside[IF_NAMESIZE]; /* one of the interfaces of FORWARDING_OFF_INSIDE */
	enum rp_filter rp_filter;
	char rp_filter_inside[IF_NAMESIZE]; /* the interface that answers do not reach */

	struct holders holders;
	size_t num_tunnels;
	struct tunnel *tunnel;
	size_t num_nats;
	struct other_nat *nat;

	/* What could not be looked at: a sentence each. */
	size_t num_unseen;
	struct fault unseen[MAX_UNSEEN];
};

/* The findings, problems first, as a JSON array for the caller to release. Each has
 *   finding   its name, which does not change
 *   severity  "problem": the gateway does not work as it should; "note": worth knowing
 *   what, why, mend   what was found, why it matters, the command that mends it
 * and what belongs to it: ports, proto, process, pid, device, table ...
 */
json_t *check_findings(const struct check_facts *facts);

/* Add to the facts: 0 or -ENOMEM. A rule that is known already stays there once. What cannot be seen is a sentence. */
int check_facts_add_nat(struct check_facts *facts, const struct other_nat *nat);
int check_facts_add_tunnel(struct check_facts *facts, const struct tunnel *tunnel);
void check_facts_add_unseen(struct check_facts *facts, const struct fault *fault);

/* Releases what the lists of the facts hold. */
void check_facts_free(struct check_facts *facts);

#endif
