/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pins of an instance that say which interface they belong to: "KINDIFINDEX". */
#include "pin.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIN_NAME 32

char *pin_of_iface(const struct instance *instance, const char *kind, __u32 ifindex, char path[PIN_PATH])
{
	char name[PIN_NAME];

	snprintf(name, sizeof(name), "%s%u", kind, ifindex);
	return instance_pin(instance, name, path);
}

/* Whether the name is the kind and a number, and nothing else. */
static bool read_name(const char *name, const char *kind, __u32 *ret_ifindex)
{
	size_t len = strlen(kind);
	char rest;

	return strncmp(name, kind, len) == 0 && sscanf(name + len, "%u%c", ret_ifindex, &rest) == 1;
}

int pin_list_ifaces(const struct instance *instance, const char *kind, __u32 **ret_ifindex)
{
	__u32 *ifindex = NULL, num = 0;
	struct dirent *entry;
	DIR *dir = opendir(instance->pins);

	*ret_ifindex = NULL;
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		__u32 *more, found;

		if (!read_name(entry->d_name, kind, &found))
			continue;
		more = realloc(ifindex, (num + 1) * sizeof(*ifindex));
		if (!more)
			break;
		ifindex = more;
		ifindex[num++] = found;
	}
	closedir(dir);
	*ret_ifindex = ifindex;
	return num;
}
