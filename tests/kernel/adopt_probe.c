/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tc program works on when its loader is killed; whoever comes next finds it by its place, and its maps by it. No
 * pin is needed.
 */
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "hook.h"
#include "kernel/adopt.skel.h"
#include "net.h"
#include "tap.h"

enum { MAX_MAPS = 8 };

/* The loader's life: it loads, attaches, and is killed. */
static void load_and_die(void)
{
	struct adopt *bpf = adopt__open_and_load();

	if (bpf)
		hook_attach("ext", BPF_TC_EGRESS, bpf->progs.count_packets);
	kill(getpid(), SIGKILL);
}

/* The program that hook_attach() put on tc egress of a device; -1 if there is none. */
static int find_program(const char *device)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = if_nametoindex(device), .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);

	return bpf_tc_query(&hook, &opts) ? -1 : bpf_prog_get_fd_by_id(opts.prog_id);
}

/* The file descriptor of a map that the program uses, by the map's name. */
static int find_map(int program, const char *name)
{
	unsigned int ids[MAX_MAPS], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .nr_map_ids = MAX_MAPS, .map_ids = (uintptr_t)ids };

	if (bpf_obj_get_info_by_fd(program, &info, &len))
		tap_die("cannot ask about a program");
	tap_ok(!strcmp(info.name, "count_packets"), "the program has kept its name");
	for (unsigned int i = 0; i < info.nr_map_ids; i++) {
		struct bpf_map_info map = { 0 };
		int fd = bpf_map_get_fd_by_id(ids[i]);

		len = sizeof(map);
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &map, &len) && !strcmp(map.name, name))
			return fd;
		close(fd);
	}
	return -1;
}

int main(void)
{
	volatile uint64_t *count;
	int program, map, status;
	uint64_t before;
	pid_t loader;

	net_create();
	loader = fork();
	if (loader == 0)
		load_and_die();
	waitpid(loader, &status, 0);
	tap_ok(WIFSIGNALED(status), "the loader is killed");

	program = find_program("ext");
	if (!tap_ok(program >= 0, "its program is found where it was attached"))
		return tap_finish();
	map = find_map(program, "adopted");
	if (!tap_ok(map >= 0, "its map is found by the program"))
		return tap_finish();
	count = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	if (!tap_ok(count != MAP_FAILED, "the map can be mapped"))
		return tap_finish();
	before = *count;
	net_shell("ping -q -c 1 -W 5 " REMOTE_ADDR " >/dev/null");
	tap_ok(*count > before, "and the program goes on writing to it");
	return tap_finish();
}
