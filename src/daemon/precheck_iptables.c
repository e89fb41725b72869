/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of the old iptables that translate the source of what leaves by an interface. */
#include "precheck_iptables.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iptables_table.h"

/* Chains that call each other. The kernel has no such limit here; it is our stack that has one. */
#define MAX_DEPTH 1024

/* How a rule was come by so far. */
enum walked {
	WALKED_LIMITED = 1, /* by packets that met conditions */
	WALKED_BY_ALL = 2,
};

struct table {
	const char *iface;
	struct iptables_table own;
	__u8 *walked; /* enum walked of the entry that begins at this offset of the block */
	struct check_facts *facts;
	int err;
};

/* Whether packets that leave by our interface can meet it. */
static bool is_for_us(const struct table *table, const struct ipt_entry *entry)
{
	char name[IFNAMSIZ] = "";
	bool same = true;

	snprintf(name, sizeof(name), "%s", table->iface);
	for (int i = 0; i < IFNAMSIZ; i++)
		same = same && ((entry->ip.outiface[i] ^ name[i]) & entry->ip.outiface_mask[i]) == 0;
	return same != !!(entry->ip.invflags & IPT_INV_VIA_OUT);
}

static bool is_limited(const struct ipt_entry *entry)
{
	const struct ipt_ip *ip = &entry->ip;

	/* the first match is behind the entry, the target behind the last */
	return ip->smsk.s_addr || ip->dmsk.s_addr || ip->proto || ip->iniface_mask[0] || (ip->flags & IPT_F_FRAG) ||
	       entry->target_offset > sizeof(*entry);
}

/* What all packets have met is nothing new to some of them. */
static bool was_walked(const struct table *table, unsigned int offset, bool limited)
{
	return table->walked[offset] & (limited ? WALKED_LIMITED | WALKED_BY_ALL : WALKED_BY_ALL);
}

static void walk(struct table *table, unsigned int offset, const char *chain, bool limited, int depth);

/* Where a jump or goto leads: a chain of the user, whose name is in the entry before its first. */
static void follow(struct table *table, unsigned int offset, bool limited, int depth)
{
	unsigned int at = 0, before = 0;
	const struct ipt_entry *entry;
	const struct xt_error_target *error;

	if (!iptables_table_entry(&table->own, offset) || was_walked(table, offset, limited))
		return;
	while (at < offset && (entry = iptables_table_entry(&table->own, at))) {
		before = at;
		at += entry->next_offset;
	}
	entry = iptables_table_entry(&table->own, before);
	if (at != offset || !entry || !iptables_table_target_is(entry, XT_ERROR_TARGET) ||
	    (size_t)(entry->next_offset - entry->target_offset) < sizeof(*error))
		return;
	error = (const void *)iptables_table_target(entry);
	walk(table, offset, error->errorname, limited, depth + 1);
}

static void add_rule(struct table *table, const char *chain, unsigned int number, bool limited)
{
	struct other_nat nat = { .by = "iptables", .family = "ip", .table = "nat", .rule = number, .limited = limited };

	snprintf(nat.chain, sizeof(nat.chain), "%s", chain);
	if (check_facts_add_nat(table->facts, &nat))
		table->err = -ENOMEM;
}

/* False if no packet that meets the rule comes behind it in this chain. */
static bool walk_rule(struct table *table, unsigned int offset, const char *chain, unsigned int number, bool limited,
		      int depth)
{
	const struct ipt_entry *entry = iptables_table_entry(&table->own, offset);
	const struct xt_standard_target *standard = (const void *)iptables_table_target(entry);

	if (iptables_table_target_is(entry, "MASQUERADE") || iptables_table_target_is(entry, "SNAT") ||
	    iptables_table_target_is(entry, "NETMAP")) {
		add_rule(table, chain, number, limited);
		return false;
	}
	if (!iptables_table_target_is(entry, XT_STANDARD_TARGET))
		return true;
	if (standard->verdict < 0)
		return false; /* everything ends here, or at the caller; also the policy */
	/* a jump to the next entry is a rule without a target */
	if ((unsigned int)standard->verdict == offset + entry->next_offset)
		return true;
	follow(table, standard->verdict, limited, depth);
	return !(entry->ip.flags & IPT_F_GOTO);
}

/* A chain that many rules lead to is walked once for each kind, lest they multiply. */
static void walk(struct table *table, unsigned int offset, const char *chain, bool limited, int depth)
{
	const struct ipt_entry *entry;

	if (depth > MAX_DEPTH)
		return;
	for (unsigned int number = 1; (entry = iptables_table_entry(&table->own, offset));
	     number++, offset += entry->next_offset) {
		bool some = is_limited(entry);

		if (iptables_table_target_is(entry, XT_ERROR_TARGET) || was_walked(table, offset, limited))
			return; /* the next chain, or nothing new */
		table->walked[offset] |= limited ? WALKED_LIMITED : WALKED_BY_ALL;
		if (is_for_us(table, entry) && !walk_rule(table, offset, chain, number, limited || some, depth) &&
		    !some)
			return;
	}
}

int precheck_iptables(const char *iface, struct check_facts *facts, struct fault *fault)
{
	struct table table = { .iface = iface, .facts = facts };
	const struct ipt_getinfo *info = &table.own.info;
	int err;

	err = iptables_table_exists("nat");
	if (!err)
		return 0;
	if (err > 0)
		err = iptables_table_read("nat", &table.own);
	if (!err) {
		table.walked = calloc(1, info->size + 1);
		err = table.walked ? 0 : -ENOMEM;
	}
	/* the table may have gone, or grown under our hands: then somebody is at work on it who will look at it himself */
	if (!err && (info->valid_hooks & 1 << NF_INET_POST_ROUTING))
		walk(&table, info->hook_entry[NF_INET_POST_ROUTING], "POSTROUTING", false, 0);
	free(table.walked);
	iptables_table_close(&table.own);
	if (!err)
		err = table.err;
	return err ? fault_set_errno(fault, -err,
				     "cannot read the nat table of iptables: whether another NAT serves %s is "
				     "not known",
				     iface)
		   : 0;
}
