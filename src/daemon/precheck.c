/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking for what is in the way of a gateway: gathers the facts from the kernel, and says what was found in the log. */
#include "precheck.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "check.h"
#include "log.h"
#include "netlink.h"
#include "platform.h"
#include "precheck_iptables.h"
#include "precheck_nft.h"
#include "precheck_tunnel.h"
#include "route.h"
#include "sockets.h"
#include "sysctl.h"

/* The interfaces besides the external one that are looked at. */
#define MAX_INSIDE 64
#define MAX_MARKS 32
/* Somebody out there: TEST-NET-3 of RFC 5737. No packet is sent, routes are asked for. */
#define SOMEBODY 0xcb007101

/* ---- settings -------------------------------------------------------------------------------------------------- */

static int read_of_iface(const char *iface, const char *name, int *ret_number)
{
	char path[64];
	struct fault fault;

	snprintf(path, sizeof(path), "conf/%s/%s", iface, name);
	return sysctl_read_number(path, ret_number, &fault);
}

/* What comes in by an interface is forwarded if that interface's own setting says so; ip_forward only sets all of them. */
static void look_at_forwarding(const struct addresses *addresses, struct check_facts *facts)
{
	int all = 1, here = 1, inside = 1;
	struct fault fault;

	if (sysctl_read_number("ip_forward", &all, &fault))
		check_facts_add_unseen(facts, &fault);
	for (__u32 i = 0; i < addresses->num_gateways && i < MAX_INSIDE; i++) {
		char name[IF_NAMESIZE];

		if (!if_indextoname(addresses->gateway[i].ifindex, name) || read_of_iface(name, "forwarding", &inside))
			continue;
		if (inside)
			break;
		if (!*facts->forwarding_inside)
			snprintf(facts->forwarding_inside, sizeof(facts->forwarding_inside), "%s", name);
	}
	if (facts->exists)
		read_of_iface(facts->iface, "forwarding", &here);
	if (here && inside)
		return;
	if (!all)
		facts->forwarding = FORWARDING_OFF;
	else
		facts->forwarding = here ? FORWARDING_OFF_INSIDE : FORWARDING_OFF_HERE;
}

/* ---- routes ---------------------------------------------------------------------------------------------------- */

/* The marks that rules ask for; the first is none. */
struct marks {
	size_t num;
	__u32 mark[MAX_MARKS];
};

static int take_rule(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr;
	struct marks *marks = context;

	if (message->nlmsg_type != RTM_NEWRULE)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(struct fib_rule_hdr))
	{
		if (mnl_attr_get_type(attr) == FRA_FWMARK && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0 &&
		    marks->num < MAX_MARKS)
			marks->mark[marks->num++] = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

static void read_marks(struct mnl_socket *socket, struct marks *marks)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct fib_rule_hdr *info;

	request->nlmsg_type = RTM_GETRULE;
	request->nlmsg_flags = NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->family = AF_INET;
	marks->mark[0] = 0;
	marks->num = 1;
	netlink_ask(socket, request, take_rule, marks);
}

/* Whether the answers to a machine inside would be dropped. The filter looks for the route back as if the answer's
 * addresses were swapped and it came in by the interface inside, so rules by address and by interface hold both ways;
 * but it knows no mark, unless src_valid_mark is set.
 */
static bool drops_answers(struct mnl_socket *socket, __u32 external, const struct gateway *gateway,
			  const struct marks *marks)
{
	/* a machine next to our own address */
	const __be32 internal = gateway->addr ^ cpu_to_be32(2), remote = cpu_to_be32(SOMEBODY);
	const struct route_packet back = { .in = external, .src = remote, .dst = internal };
	struct route route;

	for (size_t i = 0; i < marks->num; i++) {
		const struct route_packet out = {
			.in = gateway->ifindex,
			.src = internal,
			.dst = remote,
			.mark = marks->mark[i],
		};

		if (route_ask(socket, &out, &route) == 0 && route.out == external) {
			int err = route_ask(socket, &back, &route);

			return err == -EXDEV || err == -EINVAL;
		}
	}
	return false;
}

static void look_at_rp_filter(struct mnl_socket *socket, const struct addresses *addresses, struct check_facts *facts)
{
	const struct route_packet away = { .dst = cpu_to_be32(SOMEBODY) };
	int all = 0, here = 0, marked = 0, marked_here = 0;
	struct marks marks;
	struct route route = {};
	struct fault fault;
	bool lost;

	sysctl_read_number("conf/all/src_valid_mark", &marked, &fault);
	read_of_iface(facts->iface, "src_valid_mark", &marked_here);
	if (!facts->exists || marked || marked_here)
		return;
	sysctl_read_number("conf/all/rp_filter", &all, &fault);
	read_of_iface(facts->iface, "rp_filter", &here);
	if (!all && !here)
		return;
	read_marks(socket, &marks);
	lost = route_ask(socket, &away, &route);
	for (__u32 i = 0; i < addresses->num_gateways && i < MAX_INSIDE; i++) {
		const struct gateway *gateway = &addresses->gateway[i];

		/* where our own packets to somebody leave is not inside */
		if (gateway->ifindex == route.out || !drops_answers(socket, addresses->link.ifindex, gateway, &marks) ||
		    !if_indextoname(gateway->ifindex, facts->rp_filter_inside))
			continue;
		/* loose mode asks only that there be a route */
		if (all == 2 || here == 2 || lost)
			facts->rp_filter = RP_FILTER_LOOSE;
		else
			facts->rp_filter = RP_FILTER_STRICT;
		return;
	}
}

/* ---- everything ------------------------------------------------------------------------------------------------ */

static int look_at_ports(const struct ranges *ports, struct check_facts *facts, struct fault *fault)
{
	facts->ports = *ports;
	/* an empty default range is a finding, if it is the one that is to be used */
	sysctl_read_default(&facts->default_ports, fault);
	return ephemeral_read(&facts->ephemeral, fault);
}

/* Those that would receive what comes for one of the external addresses. */
static void look_at_sockets(const __be32 *external, size_t num, struct check_facts *facts)
{
	struct sockets sockets = {};
	struct owners owners = {};
	struct fault fault;
	int err = sockets_read(&sockets, &fault);

	if (!err)
		err = owners_read(&sockets, &facts->ports, external, num, &owners, &fault);
	if (!err)
		err = holders_collect(&sockets, &owners, &facts->ports, external, num, &facts->holders, &fault);
	if (err)
		check_facts_add_unseen(facts, &fault);
	owners_free(&owners);
	sockets_free(&sockets);
}

static int look_at_machine(const struct precheck *precheck, struct check_facts *facts, struct fault *fault)
{
	static struct addresses addresses;
	struct mnl_socket *socket;
	int err = netlink_open(NETLINK_ROUTE, &socket);

	if (err)
		return fault_set_errno(fault, -err, "cannot talk to the kernel (rtnetlink)");
	err = addresses_read(socket, facts->iface, &addresses);
	if (err) {
		fault_set_errno(fault, -err, "cannot read the addresses of this machine");
	} else {
		facts->exists = addresses.link.ifindex;
		facts->up = addresses.link.up;
		facts->has_address = addresses.external || precheck->num_external;
		look_at_forwarding(&addresses, facts);
		look_at_rp_filter(socket, &addresses, facts);
		if (precheck->num_external)
			look_at_sockets(precheck->external, precheck->num_external, facts);
		else
			look_at_sockets(&addresses.external, addresses.external ? 1 : 0, facts);
		if (precheck_nft(facts->iface, addresses.link.ifindex, facts, fault))
			check_facts_add_unseen(facts, fault);
		if (precheck_iptables(facts->iface, facts, fault))
			check_facts_add_unseen(facts, fault);
	}
	netlink_close(socket);
	return err;
}

int precheck_findings(const struct precheck *precheck, json_t **ret_findings, struct fault *fault)
{
	static struct check_facts facts;
	int err;

	memset(&facts, 0, sizeof(facts));
	facts.iface = precheck->iface;
	err = look_at_ports(&precheck->ports, &facts, fault);
	if (!err)
		err = look_at_machine(precheck, &facts, fault);
	if (!err) {
		precheck_tunnels(&facts);
		*ret_findings = check_findings(&facts);
	}
	check_facts_free(&facts);
	return err;
}

static const char *text_of(const json_t *finding, const char *key)
{
	return json_string_value(json_object_get(finding, key));
}

void precheck_report(const struct precheck *precheck)
{
	const char *iface = precheck->iface;
	json_t *findings, *finding;
	struct fault fault;
	size_t i;

	if (precheck_findings(precheck, &findings, &fault)) {
		log_warn("%s: cannot look for what may be in the way: %s", iface, fault.text);
		return;
	}
	json_array_foreach(findings, i, finding) {
		const char *what = text_of(finding, "what"), *why = text_of(finding, "why");
		const char *mend = text_of(finding, "mend");

		if (strcmp(text_of(finding, "severity"), "problem") == 0)
			log_warn("%s: %s: %s; `%s` mends it", iface, what, why, mend);
		else
			log_info("%s: %s: %s; `%s` mends it", iface, what, why, mend);
	}
	json_decref(findings);
}
