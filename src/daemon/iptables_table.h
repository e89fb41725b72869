/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table of the old iptables (those of iptables-nft are nftables'), as the kernel gives it: one block of entries, in which a
 * chain of the user begins behind an ERROR entry with its name, and jumps are offsets. The kernel is asked itself, because the
 * program may be missing.
 */
#ifndef BAUTA_IPTABLES_TABLE_H
#define BAUTA_IPTABLES_TABLE_H

/* before the kernel's, which then leaves its own definitions out */
#include <netinet/in.h>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <stdbool.h>

struct iptables_table {
	struct ipt_getinfo info;
	struct ipt_get_entries *blob;
};

/* Whether there is one: 1, 0, or -errno if that cannot be read. To read one that is not there would load it. */
int iptables_table_exists(const char *name);

/* Where its chains begin and end, without its entries; 0 or -errno. */
int iptables_table_read_info(const char *name, struct ipt_getinfo *ret_info);

/* 0 or -errno, which is -EAGAIN if it is exchanged all the time; iptables_table_close() either way. */
int iptables_table_read(const char *name, struct iptables_table *ret_table);
void iptables_table_close(struct iptables_table *table);

/* The entry at this offset; NULL if it is none that lies within the block whole. */
const struct ipt_entry *iptables_table_entry(const struct iptables_table *table, unsigned int offset);

const struct xt_entry_target *iptables_table_target(const struct ipt_entry *entry);
bool iptables_table_target_is(const struct ipt_entry *entry, const char *name);

#endif
