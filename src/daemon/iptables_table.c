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

#define MAX_TRIES 8 /* a table that was exchanged while it was read is read again */

int iptables_table_exists(const char *name)
{
	FILE *file = fopen("/proc/net/ip_tables_names", "re");
	char line[XT_TABLE_MAXNAMELEN + 2];
	int found = 0;

	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (!found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		found = strcmp(line, name) == 0;
	}
	if (!found && ferror(file))
		found = -EIO;
	fclose(file);
	return found;
}

static int open_socket(void)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	return fd < 0 ? -errno : fd;
}

static int read_info(int fd, const char *name, struct ipt_getinfo *ret_info)
{
	socklen_t len = sizeof(*ret_info);

	*ret_info = (struct ipt_getinfo){};
	snprintf(ret_info->name, sizeof(ret_info->name), "%s", name);
	return getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, ret_info, &len) ? -errno : 0;
}

/* -EAGAIN: by now the table has another size. */
static int read_entries(int fd, const char *name, struct iptables_table *table)
{
	socklen_t len = sizeof(*table->blob) + table->info.size;

	table->blob = calloc(1, len);
	if (!table->blob)
		return -ENOMEM;
	snprintf(table->blob->name, sizeof(table->blob->name), "%s", name);
	table->blob->size = table->info.size;
	return getsockopt(fd, IPPROTO_IP, IPT_SO_GET_ENTRIES, table->blob, &len) ? -errno : 0;
}

int iptables_table_read_info(const char *name, struct ipt_getinfo *ret_info)
{
	int err, fd = open_socket();

	if (fd < 0)
		return fd;
	err = read_info(fd, name, ret_info);
	close(fd);
	return err;
}

int iptables_table_read(const char *name, struct iptables_table *ret_table)
{
	int err = -EAGAIN, fd = open_socket();

	*ret_table = (struct iptables_table){};
	if (fd < 0)
		return fd;
	for (int i = 0; i < MAX_TRIES && err == -EAGAIN; i++) {
		iptables_table_close(ret_table);
		err = read_info(fd, name, &ret_table->info);
		if (!err)
			err = read_entries(fd, name, ret_table);
	}
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
