/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "softirqd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "side.h"

static bool has_name(long pid, const char *wanted)
{
	char path[64], comm[32];
	bool found;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	found = fgets(comm, sizeof(comm), file) && strcmp(comm, wanted) == 0;
	fclose(file);
	return found;
}

int softirqd_open(int cpu)
{
	DIR *proc = opendir("/proc");
	char wanted[32], path[64];
	struct dirent *entry;
	int fd = -1;

	snprintf(wanted, sizeof(wanted), "ksoftirqd/%d\n", cpu);
	while (proc && fd < 0 && (entry = readdir(proc))) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid <= 0 || !has_name(pid, wanted))
			continue;
		snprintf(path, sizeof(path), "/proc/%ld/schedstat", pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (proc)
		closedir(proc);
	return fd;
}

__u64 softirqd_read(int fd)
{
	char text[96];
	ssize_t length;

	if (fd < 0)
		return 0;
	length = pread(fd, text, sizeof(text) - 1, 0);
	if (length < 0)
		side_die("cannot read the CPU time of ksoftirqd: %s", strerror(errno));
	text[length] = '\0';
	return strtoull(text, NULL, 10);
}
