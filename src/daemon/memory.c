/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much memory this process could have.
 *
 * BPF maps are charged to the cgroup of whoever makes them, so a table has to fit into the limits of all cgroups that this
 * process is in. Where they are mounted cannot be relied on (`ip netns exec` hides it); so they are mounted anew, at no place.
 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

/* What the two versions of the kernel's interface call the same things. */
static const struct hierarchy {
	const char *type;       /* of the file system */
	const char *controller; /* to be mounted; NULL: there is but one */
	const char *limit;
	const char *usage;
	const char *reclaimable; /* in memory.stat */
} hierarchies[] = {
	{ "cgroup2", NULL, "memory.max", "memory.current", "inactive_file" },
	{ "cgroup", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file" },
};

#define NUM_HIERARCHY (sizeof(hierarchies) / sizeof(hierarchies[0]))
#define UNLIMITED (1ull << 60) /* what version 1 says without a limit is beyond this */

/* Bytes of the machine; 0 if the kernel does not say. */
static __u64 read_machine(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	fclose(file);
	return kib * 1024;
}

/* ---- cgroups -------------------------------------------------------------------------------------------------- */

static int open_mount(const struct hierarchy *hierarchy)
{
	int context = fsopen(hierarchy->type, FSOPEN_CLOEXEC);
	int mounted = -1;

	if (context < 0)
		return -1;
	if ((!hierarchy->controller || !fsconfig(context, FSCONFIG_SET_FLAG, hierarchy->controller, NULL, 0)) &&
	    !fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mounted = fsmount(context, FSMOUNT_CLOEXEC, 0);
	close(context);
	return mounted;
}

static bool names(const char *list, const char *controller)
{
	const char *found = strstr(list, controller);
	size_t len = strlen(controller);

	return found && (found == list || found[-1] == ',') && (found[len] == ',' || !found[len]);
}

/* Where this process is in a hierarchy: "." or "./a/b". False: nowhere. */
static bool find_place(const struct hierarchy *hierarchy, char place[MEMORY_LIMIT])
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[MEMORY_LIMIT + 64], *list, *path;
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		list = strchr(line, ':');
		path = list ? strchr(list + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		found = hierarchy->controller ? names(list + 1, hierarchy->controller) : !list[1];
		/* outside of the namespace there is nothing to be seen */
		if (found && strncmp(path, "/..", 3) == 0)
			found = false;
		else if (found)
			found = (size_t)snprintf(place, MEMORY_LIMIT, ".%s", path[1] ? path : "") < MEMORY_LIMIT;
	}
	if (file)
		fclose(file);
	return found;
}

static FILE *open_file(int mounted, const char *place, const char *name)
{
	char path[MEMORY_LIMIT + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", place, name);
	fd = openat(mounted, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? NULL : fdopen(fd, "r");
}

/* False where there is no number, as in "max". */
static bool read_number(int mounted, const char *place, const char *name, __u64 *ret_number)
{
	FILE *file = open_file(mounted, place, name);
	unsigned long long number;
	bool read = file && fscanf(file, "%llu", &number) == 1;

	if (read)
		*ret_number = number;
	if (file)
		fclose(file);
	return read;
}

static __u64 read_reclaimable(int mounted, const char *place, const char *name)
{
	FILE *file = open_file(mounted, place, "memory.stat");
	unsigned long long number;
	char line[128], word[64];
	__u64 bytes = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %llu", word, &number) == 2 && strcmp(word, name) == 0)
			bytes = number;
	if (file)
		fclose(file);
	return bytes;
}

static void take_limit(const struct hierarchy *hierarchy, int mounted, const char *place, struct memory *memory)
{
	__u64 limit, usage, left;

	if (!read_number(mounted, place, hierarchy->limit, &limit) || limit >= UNLIMITED ||
	    !read_number(mounted, place, hierarchy->usage, &usage))
		return;
	usage -= read_reclaimable(mounted, place, hierarchy->reclaimable);
	left = limit > usage ? limit - usage : 1;
	if (memory->bytes && memory->bytes <= left)
		return;
	memory->bytes = left;
	snprintf(memory->limit, sizeof(memory->limit), "%s of cgroup %s", hierarchy->limit, place[1] ? place + 1 : "/");
}

/* A limit of an outer cgroup holds for those within. */
static void look_at(const struct hierarchy *hierarchy, struct memory *memory)
{
	char place[MEMORY_LIMIT], *slash;
	int mounted;

	if (!find_place(hierarchy, place))
		return;
	mounted = open_mount(hierarchy);
	if (mounted < 0)
		return;
	for (slash = place; slash;) {
		take_limit(hierarchy, mounted, place, memory);
		slash = strrchr(place, '/');
		if (slash)
			*slash = '\0';
	}
	close(mounted);
}

void memory_read(struct memory *ret_memory)
{
	*ret_memory = (struct memory){ .bytes = read_machine() };
	for (size_t i = 0; i < NUM_HIERARCHY; i++)
		look_at(&hierarchies[i], ret_memory);
}
