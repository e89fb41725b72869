/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding instances whose network namespace is gone.
 *
 * The kernel does not tell whether there is a namespace with some cookie. But it is held by a process (or a thread) in it, by a
 * descriptor of it, or by a mount (`ip netns`); each of them shows its inode number in /proc. That shows every process only in
 * the first PID namespace; elsewhere nothing can be said to be gone, and nothing is removed. One that is held by nothing
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
#include "sockets.h"

#define MARK "netns-"
#define PROC_PATH 1024 /* more than enough for "/proc/PID/task/TID/fd/NAME" */

char *leftovers_mark(char *name)
{
	struct stat st = {};

	stat("/proc/thread-self/ns/net", &st);
	snprintf(name, LEFTOVERS_MARK, MARK "%lu", (unsigned long)st.st_ino);
	return name;
}

enum held {
	HELD_NO,
	HELD_UNKNOWN, /* something could not be looked at */
	HELD_YES,
};

/* What an error says: a process or a descriptor that has gone meanwhile holds nothing. */
static enum held held_by_error(int error)
{
	return error == ENOENT || error == ESRCH ? HELD_NO : HELD_UNKNOWN;
}

static enum held stronger(enum held one, enum held other)
{
	return one > other ? one : other;
}

/* Asks `each` about every entry, by path and name, until one says yes. */
static enum held any_entry(const char *path, enum held (*each)(const char *path, const char *name, const char *netns),
			   const char *netns)
{
	enum held result = HELD_NO;
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return held_by_error(errno);
	while (result != HELD_YES) {
		errno = 0;
		entry = readdir(dir);
		if (!entry && errno)
			result = stronger(result, held_by_error(errno));
		if (!entry)
			break;
		if (entry->d_name[0] != '.')
			result = stronger(result, each(path, entry->d_name, netns));
	}
	closedir(dir);
	return result;
}

static enum held is_link_to(const char *path, const char *name, const char *netns)
{
	char full[2 * PROC_PATH], target[64];
	ssize_t len;

	snprintf(full, sizeof(full), "%s/%s", path, name);
	len = readlink(full, target, sizeof(target) - 1);
	if (len < 0)
		return held_by_error(errno);
	target[len] = '\0';
	return strcmp(target, netns) == 0 ? HELD_YES : HELD_NO;
}

static enum held has_mount(const char *path, const char *netns)
{
	char line[1024], wanted[80];
	FILE *file = fopen(path, "re");
	enum held result = HELD_NO;

	/* a process that has ended, but was not waited for, has no mounts: EINVAL */
	if (!file)
		return errno == EINVAL ? HELD_NO : held_by_error(errno);
	/* the root of such a mount is its name */
	snprintf(wanted, sizeof(wanted), " %s ", netns);
	while (result == HELD_NO && fgets(line, sizeof(line), file))
		if (strstr(line, wanted))
			result = HELD_YES;
	if (ferror(file))
		result = HELD_UNKNOWN;
	fclose(file);
	return result;
}

static enum held thread_holds(const char *path, const char *name, const char *netns)
{
	char thread[PROC_PATH];

	snprintf(thread, sizeof(thread), "%s/%.20s/ns", path, name);
	return is_link_to(thread, "net", netns);
}

static enum held process_holds(const char *path, const char *name, const char *netns)
{
	char place[PROC_PATH / 2];
	enum held result;

	if (name[0] < '0' || name[0] > '9')
		return HELD_NO;
	snprintf(place, sizeof(place), "%s/%.20s/task", path, name);
	result = any_entry(place, thread_holds, netns);
	snprintf(place, sizeof(place), "%s/%.20s/fd", path, name);
	if (result != HELD_YES)
		result = stronger(result, any_entry(place, is_link_to, netns));
	snprintf(place, sizeof(place), "%s/%.20s/mountinfo", path, name);
	if (result != HELD_YES)
		result = stronger(result, has_mount(place, netns));
	return result;
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

static void remove_if_gone(const struct instance *instance, const char *netns)
{
	enum held held = any_entry("/proc", process_holds, netns);

	if (held == HELD_NO)
		remove_instance(instance);
	else if (held == HELD_UNKNOWN)
		log_info("kept what is there of %s of another network namespace, which nobody serves: cannot see "
			 "in /proc whether that namespace is gone",
			 instance->iface);
}

void leftovers_remove(void)
{
	bool sees_all = process_is_in_first_namespace();
	struct instance *instances = NULL;
	struct fault fault;
	char netns[64];
	int num = instance_list_foreign(&instances, &fault);

	for (int i = 0; i < num; i++) {
		if (!read_mark(&instances[i], netns, sizeof(netns)) || instance_daemon(&instances[i]) != 0)
			continue;
		if (!sees_all) {
			log_info("kept what is there of other network namespaces, which nobody serves: only in the "
				 "first PID namespace it can be seen whether they are gone");
			break;
		}
		remove_if_gone(&instances[i], netns);
	}
	free(instances);
}
