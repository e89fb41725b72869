/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding instances whose network namespace is gone.
 *
 * The kernel does not tell whether there is a namespace with some cookie. But it is held by a process (or a thread) in it, by a
 * descriptor of it, or by a mount (`ip netns`); each of them shows its inode number in /proc. One that is held by nothing
 * but a socket is not seen: then the pins go, and what is attached to its interfaces goes on. A number may have been given
 * to another namespace since; then the leftovers stay until that is gone too.
 */
#include "leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "fault.h"
#include "instance.h"
#include "log.h"

#define MARK "netns-"
#define PROC_PATH 1024 /* more than enough for "/proc/PID/task/TID/fd/NAME" */

char *leftovers_mark(char *name)
{
	struct stat st = {};

	stat("/proc/thread-self/ns/net", &st);
	snprintf(name, LEFTOVERS_MARK, MARK "%lu", (unsigned long)st.st_ino);
	return name;
}

/* Calls `each` with every entry's path and name until it returns true; whether it did. */
static bool any_entry(const char *path, bool (*each)(const char *path, const char *name, const char *netns),
		      const char *netns)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			found = each(path, entry->d_name, netns);
	closedir(dir);
	return found;
}

static bool is_link_to(const char *path, const char *name, const char *netns)
{
	char full[2 * PROC_PATH], target[64];
	ssize_t len;

	snprintf(full, sizeof(full), "%s/%s", path, name);
	len = readlink(full, target, sizeof(target) - 1);
	if (len <= 0)
		return false;
	target[len] = '\0';
	return strcmp(target, netns) == 0;
}

static bool has_mount(const char *path, const char *netns)
{
	char line[1024], wanted[80];
	FILE *file = fopen(path, "re");
	bool found = false;

	if (!file)
		return false;
	/* the root of such a mount is its name */
	snprintf(wanted, sizeof(wanted), " %s ", netns);
	while (!found && fgets(line, sizeof(line), file))
		found = strstr(line, wanted);
	fclose(file);
	return found;
}

static bool thread_holds(const char *path, const char *name, const char *netns)
{
	char thread[PROC_PATH];

	snprintf(thread, sizeof(thread), "%s/%.20s/ns", path, name);
	return is_link_to(thread, "net", netns);
}

static bool process_holds(const char *path, const char *name, const char *netns)
{
	char place[PROC_PATH / 2];

	if (name[0] < '0' || name[0] > '9')
		return false;
	snprintf(place, sizeof(place), "%s/%.20s/task", path, name);
	if (any_entry(place, thread_holds, netns))
		return true;
	snprintf(place, sizeof(place), "%s/%.20s/fd", path, name);
	if (any_entry(place, is_link_to, netns))
		return true;
	snprintf(place, sizeof(place), "%s/%.20s/mountinfo", path, name);
	return has_mount(place, netns);
}

/* "net:[4026531840]" of an instance; false if it does not say, as those of earlier versions. */
static bool read_mark(const struct instance *instance, char *netns, size_t size)
{
	DIR *dir = opendir(instance->pins);
	struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		found = strncmp(entry->d_name, MARK, strlen(MARK)) == 0;
		if (found)
			snprintf(netns, size, "net:[%.20s]", entry->d_name + strlen(MARK));
	}
	closedir(dir);
	return found;
}

static void remove_instance(const struct instance *instance)
{
	struct fault fault;
	int lock = instance_lock(instance, &fault);

	if (lock < 0)
		return; /* served: it is alive */
	cgroup_detach(instance);
	if (instance_remove(instance, &fault))
		log_warn("%s", fault.text);
	else
		log_info("removed what was left of %s of a network namespace that is gone", instance->iface);
	close(lock);
}

void leftovers_remove(void)
{
	struct instance *instances = NULL;
	struct fault fault;
	char netns[64];
	int num = instance_list_foreign(&instances, &fault);

	for (int i = 0; i < num; i++)
		if (read_mark(&instances[i], netns, sizeof(netns)) && instance_daemon(&instances[i]) == 0 &&
		    !any_entry("/proc", process_holds, netns))
			remove_instance(&instances[i]);
	free(instances);
}
