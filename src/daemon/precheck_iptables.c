/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of the old iptables that translate the source of what leaves by an interface.
 *
 * The kernel gives a table as one block of entries, in which a chain of the user begins behind an ERROR entry with its
 * name, and jumps are offsets. It is asked itself, because the program may be missing; and only when the table exists,
 * because asking would load it.
 */
#include "precheck_iptables.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Chains that call each other. The kernel has no such limit here; it is our stack that has one. */
#define MAX_DEPTH 1024

/* How a rule was come by so far. */
enum walked {
	WALKED_LIMITED = 1, /* by packets that met conditions */
	WALKED_BY_ALL = 2,
};

struct table {
	const char *iface;
	struct ipt_getinfo info;
	struct ipt_get_entries *blob;
	__u8 *walked; /* enum walked of the entry that begins at this offset of the block */
	struct check_facts *facts;
	int err;
};

static bool has_nat(void)
{
	FILE *file = fopen("/proc/net/ip_tables_names", "re");
	char name[XT_TABLE_MAXNAMELEN + 1];
	bool found = false;

	while (file && !found && fgets(name, sizeof(name), file))
		found = strcmp(name, "nat\n") == 0;
	if (file)
		fclose(file);
	return found;
}

/* The entry at this offset; NULL if it is none that lies within the block whole. */
static const struct ipt_entry *entry_at(const struct table *table, unsigned int offset)
{
	const struct ipt_entry *entry = (const void *)((const char *)table->blob->entrytable + offset);
	unsigned int size = table->blob->size;

	if (offset > size || size - offset < sizeof(*entry))
		return NULL;
	if (entry->next_offset > size - offset || entry->target_offset < sizeof(*entry) ||
	    entry->next_offset < sizeof(struct xt_standard_target) ||
	    entry->target_offset > entry->next_offset - sizeof(struct xt_entry_target))
		return NULL;
	return entry;
}

static const struct xt_entry_target *target_of(const struct ipt_entry *entry)
{
	return (const void *)((const char *)entry + entry->target_offset);
}

static bool is_target(const struct ipt_entry *entry, const char *name)
{
	return strcmp(target_of(entry)->u.user.name, name) == 0;
}

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

	if (!entry_at(table, offset) || was_walked(table, offset, limited))
		return;
	while (at < offset && (entry = entry_at(table, at))) {
		before = at;
		at += entry->next_offset;
	}
	entry = entry_at(table, before);
	if (at != offset || !entry || !is_target(entry, XT_ERROR_TARGET) ||
	    (size_t)(entry->next_offset - entry->target_offset) < sizeof(*error))
		return;
	error = (const void *)target_of(entry);
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
	const struct ipt_entry *entry = entry_at(table, offset);
	const struct xt_standard_target *standard = (const void *)target_of(entry);

	if (is_target(entry, "MASQUERADE") || is_target(entry, "SNAT") || is_target(entry, "NETMAP")) {
		add_rule(table, chain, number, limited);
		return false;
	}
	if (!is_target(entry, XT_STANDARD_TARGET))
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
	for (unsigned int number = 1; (entry = entry_at(table, offset)); number++, offset += entry->next_offset) {
		bool some = is_limited(entry);

		if (is_target(entry, XT_ERROR_TARGET) || was_walked(table, offset, limited))
			return; /* the next chain, or nothing new */
		table->walked[offset] |= limited ? WALKED_LIMITED : WALKED_BY_ALL;
		if (is_for_us(table, entry) && !walk_rule(table, offset, chain, number, limited || some, depth) &&
		    !some)
			return;
	}
}

static int read_table(int fd, struct table *table)
{
	socklen_t len = sizeof(table->info);

	snprintf(table->info.name, sizeof(table->info.name), "nat");
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &table->info, &len))
		return -errno;
	len = sizeof(*table->blob) + table->info.size;
	table->blob = calloc(1, len);
	table->walked = calloc(1, len);
	if (!table->blob || !table->walked)
		return -ENOMEM;
	snprintf(table->blob->name, sizeof(table->blob->name), "nat");
	table->blob->size = table->info.size;
	return getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, table->blob, &len) ? -errno : 0;
}

int precheck_iptables(const char *iface, struct check_facts *facts, struct fault *fault)
{
	struct table table = { .iface = iface, .facts = facts };
	int err, fd;

	if (!has_nat())
		return 0;
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	err = fd < 0 ? -errno : read_table(fd, &table);
	/* the table may have gone, or grown under our hands: then somebody is at work on it who will look at it himself */
	if (!err && (table.info.valid_hooks & 1 << NF_INET_POST_ROUTING))
		walk(&table, table.info.hook_entry[NF_INET_POST_ROUTING], "POSTROUTING", false, 0);
	if (fd >= 0)
		close(fd);
	free(table.walked);
	free(table.blob);
	if (!err)
		err = table.err;
	return err ? fault_set_errno(fault, -err,
				     "cannot read the nat table of iptables: whether another NAT serves %s is "
				     "not known",
				     iface)
		   : 0;
}
