/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pins of an instance: making them, and those that say which interface they belong to. */
#include "pin.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define PIN_NAME 32

bool pin_is_there(const struct instance *instance, const char *name)
{
	char path[PIN_PATH];

	return access(instance_pin(instance, name, path), F_OK) == 0;
}

/* By way of a name beside it, so that there is one at any moment. */
int pin_put(const struct instance *instance, int fd, const char *name, struct fault *fault)
{
	char path[PIN_PATH], beside[PIN_PATH], new_name[PIN_NAME];
	int err;

	snprintf(new_name, sizeof(new_name), "%s-new", name);
	instance_pin(instance, name, path);
	instance_pin(instance, new_name, beside);
	unlink(beside);
	err = bpf_obj_pin(fd, beside);
	if (!err && rename(beside, path)) {
		err = -errno;
		unlink(beside);
	}
	return err ? fault_set_errno(fault, -err, "cannot pin %s", path) : 0;
}

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
