/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking for what the fast path would leave out.
 *
 * Routes by mark: packets have none yet when xdp sees them. IPsec: what a policy covers would go out in clear text, for xdp asks
 * the routes and not the policies. Queues that somebody has put on an interface, to shape or to prioritise: redirected frames
 * pass them by. Rules of the firewall: they would see first packets of sessions and then nothing, though they may be meant for
 * each packet, and connection tracking forgets the sessions. Whoever wants that says so with a list.
 */
#include "fast_bypass.h"

#include <linux/fib_rules.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "fast_firewall.h"
#include "netlink_list.h"

/* What the kernel itself puts on an interface that nobody has touched: net.core.default_qdisc may be any of these. */
static const char *const usual_queue[] = { "noqueue", "mq", "pfifo_fast", "fq_codel", "fq", "pfifo", "sfq" };

#define NUM_USUAL_QUEUE (sizeof(usual_queue) / sizeof(usual_queue[0]))

struct search {
	const struct fast_ifaces *ifaces;
	const char *iface; /* what was found is on this one */
	char what[16];     /* a mark, or the kind of a queue; "": nothing */
};

/* Whether `what` could not be read, which keeps auto away as well. */
static bool is_unread(int err, const char *what, char why[FAST_WHY])
{
	if (!err)
		return false;
	snprintf(
		why, FAST_WHY,
		"%s cannot be read: %s; auto looks again every two seconds, and a list, --fast-path IFACE,IFACE, would "
		"do whatever packets miss",
		what, strerror(-err));
	return true;
}

/* ---- routes by mark ------------------------------------------------------------------------------------------- */

static int take_rule(const struct nlmsghdr *message, void *context)
{
	struct search *search = context;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct fib_rule_hdr))
	{
		if (mnl_attr_get_type(attr) == FRA_FWMARK && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			snprintf(search->what, sizeof(search->what), "%#x", mnl_attr_get_u32(attr));
	}
	return MNL_CB_OK;
}

static bool find_mark(struct mnl_socket *ask, char why[FAST_WHY])
{
	struct search search = {};
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct fib_rule_hdr *rule;
	int err;

	request->nlmsg_type = RTM_GETRULE;
	rule = mnl_nlmsg_put_extra_header(request, sizeof(*rule));
	rule->family = AF_INET;
	err = netlink_list_ask(ask, NETLINK_ROUTE, request, take_rule, &search);
	if (!search.what[0])
		return is_unread(err, "the rules of routing", why);
	snprintf(why, FAST_WHY,
		 "routes are chosen by mark (`ip rule`, fwmark %s), and xdp sees no marks; without that rule it would "
		 "do, or with a list, if forwarded packets have none",
		 search.what);
	return true;
}

/* ---- IPsec ---------------------------------------------------------------------------------------------------- */

static int take_policy(const struct nlmsghdr *message, void *context)
{
	const struct xfrm_userpolicy_info *policy = mnl_nlmsg_get_payload(message);
	struct search *search = context;

	if (mnl_nlmsg_get_payload_len(message) >= sizeof(*policy) && policy->sel.family != AF_INET6 &&
	    (policy->dir == XFRM_POLICY_OUT || policy->dir == XFRM_POLICY_FWD))
		snprintf(search->what, sizeof(search->what), "xfrm");
	return MNL_CB_OK;
}

static bool find_policy(char why[FAST_WHY])
{
	struct search search = {};
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	int err;

	request->nlmsg_type = XFRM_MSG_GETPOLICY;
	mnl_nlmsg_put_extra_header(request, sizeof(struct xfrm_userpolicy_id));
	err = netlink_list_read(NETLINK_XFRM, request, take_policy, &search);
	if (!search.what[0])
		return is_unread(err, "the IPsec policies", why);
	snprintf(why, FAST_WHY,
		 "there are IPsec policies (`ip xfrm policy`), and xdp would send in clear text what they cover; "
		 "without them it would do, or with a list, if they cover nothing that is forwarded");
	return true;
}

/* ---- queues --------------------------------------------------------------------------------------------------- */

static bool is_usual(const char *kind)
{
	for (size_t i = 0; i < NUM_USUAL_QUEUE; i++)
		if (strcmp(kind, usual_queue[i]) == 0)
			return true;
	return false;
}

/* The interface that takes part by which packets leave there: itself, or a VLAN upon it. */
static const char *find_part(const struct fast_ifaces *ifaces, __u32 ifindex)
{
	for (size_t i = 0; i < ifaces->num; i++) {
		const struct fast_iface *iface = &ifaces->at[i];

		if (iface->takes_part && (iface->ifindex == ifindex || iface->carrier->ifindex == ifindex))
			return iface->ifindex == ifindex ? iface->name : iface->carrier->name;
	}
	return NULL;
}

static int take_queue(const struct nlmsghdr *message, void *context)
{
	const struct tcmsg *info = mnl_nlmsg_get_payload(message);
	struct search *search = context;
	const struct nlattr *attr;
	const char *iface;

	if (message->nlmsg_type != RTM_NEWQDISC || info->tcm_parent != TC_H_ROOT)
		return MNL_CB_OK;
	iface = find_part(search->ifaces, info->tcm_ifindex);
	if (!iface)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		if (mnl_attr_get_type(attr) != TCA_KIND || mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) ||
		    is_usual(mnl_attr_get_str(attr)))
			continue;
		snprintf(search->what, sizeof(search->what), "%s", mnl_attr_get_str(attr));
		search->iface = iface;
	}
	return MNL_CB_OK;
}

static bool find_queue(struct mnl_socket *ask, const struct fast_ifaces *ifaces, char why[FAST_WHY])
{
	struct search search = { .ifaces = ifaces };
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	int err;

	request->nlmsg_type = RTM_GETQDISC;
	mnl_nlmsg_put_extra_header(request, sizeof(struct tcmsg));
	err = netlink_list_ask(ask, NETLINK_ROUTE, request, take_queue, &search);
	if (!search.what[0])
		return is_unread(err, "the qdiscs", why);
	snprintf(why, FAST_WHY,
		 "%s has a qdisc of the kind %s, which xdp passes by; without it (`tc qdisc del dev %s root`) it would "
		 "do, or with a list, if nothing has to be shaped",
		 search.iface, search.what, search.iface);
	return true;
}

/* ---- the firewall --------------------------------------------------------------------------------------------- */

static bool find_firewall(const struct fast_ifaces *ifaces, char why[FAST_WHY])
{
	char what[FIREWALL_TEXT];
	int err = fast_firewall_find(ifaces, what);

	if (err)
		return is_unread(err, "the netfilter rules of this machine", why);
	if (!*what)
		return false;
	snprintf(why, FAST_WHY,
		 "netfilter has rules for forwarded packets (%s), and established sessions would pass them by in xdp; "
		 "without such rules it would do, or with a list, --fast-path IFACE,IFACE, if they need not see all "
		 "packets",
		 what);
	return true;
}

bool fast_bypass_find(struct mnl_socket *ask, const struct fast_ifaces *ifaces, char why[FAST_WHY])
{
	return find_mark(ask, why) || find_policy(why) || find_queue(ask, ifaces, why) || find_firewall(ifaces, why);
}
