/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pins live as long as the mount they are in. Mounted within `ip netns exec` they are gone when that program is; mounted
 * from there in the mount namespace of process 1 they stay, and every later `ip netns exec` finds them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "net.h"
#include "tap.h"

enum { LIMIT_MS = 5000 };

static char folder[] = "/run/bpffs-probe.XXXXXX";
static char netns[64];

/* ---- what runs within `ip netns exec` ---- */

static bool is_bpffs(const char *path)
{
	struct statfs about;

	return statfs(path, &about) == 0 && (unsigned long)about.f_type == BPF_FS_MAGIC;
}

static bool enter_mounts_of_process_1(void)
{
	int fd = open("/proc/1/ns/mnt", O_RDONLY);

	return fd >= 0 && setns(fd, CLONE_NEWNS) == 0;
}

/* Mounts a bpffs on a folder, pins a map there, and says which. */
static int mount_and_pin(const char *path)
{
	struct bpf_map_info info = { 0 };
	unsigned int len = sizeof(info);
	char pin[128];
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "pinned", 4, 4, 1, NULL);

	snprintf(pin, sizeof(pin), "%s/map", path);
	if (mount("bpf", path, "bpf", 0, NULL) || map < 0 || bpf_obj_pin(map, pin))
		return EXIT_FAILURE;
	if (bpf_obj_get_info_by_fd(map, &info, &len))
		return EXIT_FAILURE;
	printf("%u\n", info.id);
	return EXIT_SUCCESS;
}

/* Says which map is pinned in a folder. */
static int read_pin(const char *path)
{
	struct bpf_map_info info = { 0 };
	unsigned int len = sizeof(info);
	char pin[128];
	int map;

	snprintf(pin, sizeof(pin), "%s/map", path);
	map = bpf_obj_get(pin);
	if (map < 0 || bpf_obj_get_info_by_fd(map, &info, &len))
		return EXIT_FAILURE;
	printf("%u\n", info.id);
	return EXIT_SUCCESS;
}

static int run_within(const char *what, const char *path)
{
	if (!strcmp(what, "pin-here"))
		return mount_and_pin(path);
	if (!strcmp(what, "pin-there")) {
		if (!enter_mounts_of_process_1() || (mkdir(path, 0700) && errno != EEXIST))
			return EXIT_FAILURE;
		return mount_and_pin(path);
	}
	if (!strcmp(what, "read-here"))
		return read_pin(path);
	if (!strcmp(what, "read-there"))
		return enter_mounts_of_process_1() ? read_pin(path) : EXIT_FAILURE;
	return EXIT_FAILURE;
}

/* ---- what runs outside ---- */

/* The map id that `ip netns exec` of this program came to; 0 if it failed. */
static unsigned int within(const char *what)
{
	char program[256] = { 0 }, command[512];
	unsigned int id = 0;
	FILE *pipe;

	if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		tap_die("cannot tell the path of this program");
	snprintf(command, sizeof(command), "ip netns exec %s %s %s %s", netns, program, what, folder);
	pipe = popen(command, "re");
	if (!pipe)
		tap_die("cannot run %s", command);
	if (fscanf(pipe, "%u", &id) != 1)
		id = 0;
	return pclose(pipe) == 0 ? id : 0;
}

static void clean(void)
{
	/* in a child, since one does not come back from another mount namespace's point of view unharmed */
	pid_t child = fork();

	if (child == 0) {
		enter_mounts_of_process_1();
		umount2(folder, MNT_DETACH);
		rmdir(folder);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	rmdir(folder);
	net_shell("ip netns delete %s", netns);
}

static bool map_exists(unsigned int id)
{
	int fd = bpf_map_get_fd_by_id(id);

	close(fd);
	return fd >= 0;
}

static bool in_mounts_of_process_1(void)
{
	struct stat own, first;

	return stat("/proc/self/ns/mnt", &own) == 0 && stat("/proc/1/ns/mnt", &first) == 0 &&
	       own.st_ino == first.st_ino;
}

static void try_private_mount(void)
{
	unsigned int id = within("pin-here");
	double start = net_milliseconds();

	tap_ok(id != 0, "a bpffs is mounted and a map pinned within ip netns exec");
	tap_ok(!is_bpffs(folder), "outside, nothing of it is seen");
	while (map_exists(id) && net_milliseconds() - start < LIMIT_MS)
		poll(NULL, 0, 1);
	tap_ok(!map_exists(id), "when the program ends, the map is gone with the mount");
}

static void try_shared_mount(void)
{
	unsigned int id;

	if (access("/proc/1/ns/mnt", R_OK)) {
		tap_skip("a bpffs in the mount namespace of process 1", "this machine lets nobody into it");
		return;
	}
	id = within("pin-there");
	tap_ok(id != 0, "a bpffs is mounted from there in the mount namespace of process 1");
	tap_equal(within("read-there"), id, "a later ip netns exec finds the map, in that namespace");
	tap_ok(map_exists(id), "the map lives on without any program");
	if (in_mounts_of_process_1())
		tap_equal(within("read-here"), id, "and in its own, which is a copy");
	else
		tap_skip("and in its own", "this shell is not in the mount namespace of process 1");
}

int main(int argc, char *argv[])
{
	if (argc == 3)
		return run_within(argv[1], argv[2]);
	snprintf(netns, sizeof(netns), "probe-%d", getpid());
	if (!mkdtemp(folder))
		tap_die("cannot make a folder in /run");
	net_shell("ip netns add %s", netns);
	atexit(clean);
	try_private_mount();
	try_shared_mount();
	return tap_finish();
}
