/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cgroup for a probe. */
#include "cgroup.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

static int enter_cgroup(const char *path)
{
	char procs[256];
	FILE *file;

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	file = fopen(procs, "we");
	if (!file || fprintf(file, "%d\n", getpid()) < 0 || fclose(file))
		tap_die("cannot enter %s", path);
	return open(path, O_RDONLY | O_DIRECTORY);
}

int cgroup_run(int (*probe)(int cgroup))
{
	char root[] = "/tmp/cgroup-probe.XXXXXX", path[128];
	int status = -1;
	pid_t child;

	if (!mkdtemp(root))
		tap_die("cannot make a folder in /tmp");
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", root, "cgroup2", 0, NULL)) {
		rmdir(root);
		tap_die("cannot mount cgroup2 privately");
	}
	snprintf(path, sizeof(path), "%s/probe-%d", root, getpid());
	if (mkdir(path, 0700))
		tap_die("cannot make a cgroup");

	fflush(stdout);
	child = fork();
	if (child == 0)
		exit(probe(enter_cgroup(path)));
	waitpid(child, &status, 0);
	if (rmdir(path))
		tap_die("cannot remove the cgroup %s", path);
	umount(root);
	rmdir(root);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}
