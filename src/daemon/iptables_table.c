/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading tables of the old iptables. */
#include "iptables_table.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool iptables_table_exists(const char *name)
{
	FILE *file = fopen("/proc/net/ip_tables_names", "re");
	char line[XT_TABLE_MAXNAMELEN + 2];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		found = strcmp(line, name) == 0;
	}
	if (file)
		fclose(file);
	return found;
}

static int read_entries(int fd, struct iptables_table *table)
{
	socklen_t len = sizeof(table->info);
	char name[XT_TABLE_MAXNAMELEN];

	memcpy(name, table->info.name, sizeof(name));
	if (getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &table->info, &len))
		return -errno;
	len = sizeof(*table->blob) + table->info.size;
	table->blob = calloc(1, len);
	if (!table->blob)
		return -ENOMEM;
	memcpy(table->blob->name, name, sizeof(name));
	table->blob->size = table->info.size;
	return getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, table->blob, &len) ? -errno : 0;
}

int iptables_table_read(const char *name, struct iptables_table *ret_table)
{
	int err, fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	*ret_table = (struct iptables_table){};
	snprintf(ret_table->info.name, sizeof(ret_table->info.name), "%s", name);
	if (fd < 0)
		return -errno;
	err = read_entries(fd, ret_table);
	close(fd);
	return err;
}

void iptables_table_close(struct iptables_table *table)
{
	free(table->blob);
	table->blob = NULL;
}

const struct ipt_entry *iptables_table_entry(const struct iptables_table *table, unsigned int offset)
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

const struct xt_entry_target *iptables_table_target(const struct ipt_entry *entry)
{
	return (const void *)((const char *)entry + entry->target_offset);
}

bool iptables_table_target_is(const struct ipt_entry *entry, const char *name)
{
	return strcmp(iptables_table_target(entry)->u.user.name, name) == 0;
}
