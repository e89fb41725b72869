/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What programs at bind, connect and sendto know: the process, the namespace, the port, and whether the program or the
 * kernel chose it; which sockets and calls they see; that they may refuse; and that a pinned link holds them, replaces
 * them at once and ends with its pin. The tree of cgroups need not be mounted anywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "cgroup.h"
#include "hook.h"
#include "net.h"
#include "socket_hook.h"
#include "tap.h"

#include "kernel/socket_hook.skel.h"

enum { PORT = 50000, REMOTE_PORT = 60000, BINDPORT_LOCK = 3 /* the bit */ };

static const enum bpf_attach_type attach_type[NUM_HOOK] = {
	BPF_CGROUP_INET4_BIND,    BPF_CGROUP_INET4_POST_BIND, BPF_CGROUP_INET4_CONNECT,
	BPF_CGROUP_INET6_CONNECT, BPF_CGROUP_UDP4_SENDMSG,    BPF_CGROUP_UDP6_SENDMSG,
};

static struct socket_hook *bpf;

/* The bit number of SOCK_BINDPORT_LOCK in struct sock, as the kernel's own description of itself says; 0: it does not. */
static unsigned int find_lock(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const struct btf_type *sock;
	unsigned int bit = 0;
	int id;

	if (libbpf_get_error(btf))
		return 0;
	id = btf__find_by_name_kind(btf, "sock", BTF_KIND_STRUCT);
	sock = id > 0 ? btf__type_by_id(btf, id) : NULL;
	for (unsigned int i = 0; sock && i < btf_vlen(sock); i++) {
		const struct btf_member *member = &btf_members(sock)[i];

		if (strcmp(btf__name_by_offset(btf, member->name_off), "sk_userlocks") == 0)
			bit = btf_member_bit_offset(sock, i) + BINDPORT_LOCK;
	}
	btf__free(btf);
	return bit;
}

static int program_of(const struct socket_hook *object, enum hook hook)
{
	const struct bpf_program *program[NUM_HOOK] = {
		object->progs.bind4,    object->progs.post_bind4, object->progs.connect4,
		object->progs.connect6, object->progs.sendmsg4,   object->progs.sendmsg6,
	};

	return bpf_program__fd(program[hook]);
}

static struct socket_hook *load(void)
{
	struct socket_hook *object = socket_hook__open();
	unsigned int bit = find_lock();

	if (!object)
		tap_die("cannot open the programs");
	tap_ok(bit, "BTF tells where struct sock keeps who chose the port");
	*(unsigned int *)&object->rodata->lock_offset = bit / 8;
	*(unsigned int *)&object->rodata->lock_mask = 1u << bit % 8;
	if (socket_hook__load(object))
		tap_die("cannot load the programs");
	return object;
}

static int try_bind(int fd, const char *address, uint16_t port)
{
	struct sockaddr_in own = net_address(address, port);

	return bind(fd, (struct sockaddr *)&own, sizeof(own)) ? errno : 0;
}

static int try_send(int fd)
{
	struct sockaddr_in to = net_address(REMOTE_ADDR, REMOTE_PORT);

	return sendto(fd, "?", 1, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
}

static struct sockaddr_in6 mapped(const char *address, uint16_t port)
{
	struct sockaddr_in6 result = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	char text[64];

	snprintf(text, sizeof(text), "::ffff:%s", address);
	inet_pton(AF_INET6, text, &result.sin6_addr);
	return result;
}

static void refuse(enum hook hook, int error)
{
	bpf->bss->error = error;
	bpf->data->refuse_hook = hook;
}

static void allow(void)
{
	bpf->data->refuse_hook = NUM_HOOK;
}

static void try_process(void)
{
	int fd = net_socket(SOCK_STREAM, NULL, 0);
	struct stat space;
	bool first = stat("/proc/self/ns/pid", &space) == 0 && space.st_ino == 0xeffffffc; /* PROC_PID_INIT_INO */

	prctl(PR_SET_NAME, "probed");
	try_bind(fd, EXTERNAL_ADDR, PORT);
	net_connect(fd, REMOTE_ADDR, REMOTE_PORT);
	close(fd);
	fd = net_socket(SOCK_DGRAM, NULL, 0);
	try_send(fd);
	close(fd);
	for (int hook = BIND4; hook < NUM_HOOK; hook++) {
		if (hook == CONNECT6 || hook == SENDMSG6)
			continue;
		/* by its number in the first pid namespace, which may be another one here */
		tap_ok(bpf->bss->seen[hook].pid == (__u32)getpid() || (!first && bpf->bss->seen[hook].pid),
		       "hook %d knows the process", hook);
		tap_ok(strcmp(bpf->bss->seen[hook].comm, "probed") == 0, "and its name");
		tap_equal(bpf->bss->seen[hook].netns, bpf->bss->seen[BIND4].netns, "and the network namespace");
	}
}

static void try_chosen_tcp(void)
{
	int fd = net_socket(SOCK_STREAM, EXTERNAL_ADDR, PORT);

	net_connect(fd, REMOTE_ADDR, REMOTE_PORT);
	tap_equal(bpf->bss->seen[CONNECT4].port, PORT, "connect sees the port that a program bound");
	tap_equal(bpf->bss->seen[CONNECT4].chosen, 1, "and that the program chose it");
	close(fd);
	fd = net_socket(SOCK_STREAM, EXTERNAL_ADDR, 0);
	net_connect(fd, REMOTE_ADDR, REMOTE_PORT);
	tap_ok(bpf->bss->seen[CONNECT4].port, "connect sees the port that the kernel chose at bind");
	tap_equal(bpf->bss->seen[CONNECT4].chosen, 0, "and that the kernel did");
	close(fd);
}

static void try_chosen_udp(void)
{
	int fd = net_socket(SOCK_DGRAM, "0.0.0.0", PORT);

	try_send(fd);
	tap_equal(bpf->bss->seen[SENDMSG4].port, PORT, "sendto sees the port that a program bound");
	tap_equal(bpf->bss->seen[SENDMSG4].chosen, 1, "and that the program chose it");
	tap_equal(bpf->bss->seen[SENDMSG4].own, 0, "and that it is bound to any address");
	close(fd);
	fd = net_socket(SOCK_DGRAM, NULL, 0);
	try_send(fd);
	tap_ok(bpf->bss->seen[SENDMSG4].port, "sendto sees the port that the kernel has just chosen");
	tap_equal(bpf->bss->seen[SENDMSG4].chosen, 0, "and that the kernel did");
	net_connect(fd, REMOTE_ADDR, REMOTE_PORT);
	tap_equal(bpf->bss->seen[CONNECT4].port, net_port(fd), "connect sees that port of UDP");
	tap_equal(bpf->bss->seen[CONNECT4].chosen, 0, "and that the kernel chose it");
	close(fd);
}

static void try_ping(void)
{
	int fd;

	net_shell("echo 0 0 >/proc/sys/net/ipv4/ping_group_range");
	fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	if (fd < 0)
		tap_die("cannot make a ping socket");
	tap_equal(try_bind(fd, EXTERNAL_ADDR, 77), 0, "a ping socket is bound to an identifier");
	bpf->bss->seen[CONNECT4].num = 0;
	refuse(CONNECT4, EADDRINUSE);
	tap_equal(net_connect(fd, REMOTE_ADDR, 0), EADDRINUSE, "its connect can be refused");
	allow();
	tap_equal(bpf->bss->seen[CONNECT4].protocol, IPPROTO_ICMP, "the program sees that it is ICMP");
	tap_equal(bpf->bss->seen[CONNECT4].port, 77, "and the identifier");
	tap_equal(bpf->bss->seen[CONNECT4].chosen, 1, "and that the program chose it");
	close(fd);
}

static void try_mapped(void)
{
	struct sockaddr_in6 own = mapped("0.0.0.0", PORT), to = mapped(REMOTE_ADDR, REMOTE_PORT);
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	unsigned int before = bpf->bss->seen[CONNECT4].num;

	if (fd < 0) {
		tap_skip("sockets of IPv6 that speak IPv4", "this kernel has no IPv6");
		return;
	}
	own.sin6_addr = in6addr_any;
	tap_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0, "a socket of IPv6 is bound");
	refuse(CONNECT6, EADDRINUSE);
	tap_ok(connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno == EADDRINUSE,
	       "its connect to an IPv4 address can be refused by connect6");
	allow();
	tap_equal(bpf->bss->seen[CONNECT4].num, before, "and does not pass by connect4");
	tap_equal(bpf->bss->seen[CONNECT6].remote, to.sin6_addr.s6_addr32[3], "connect6 sees the IPv4 address");
	tap_equal(bpf->bss->seen[CONNECT6].port, PORT, "and the port");
	close(fd);

	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	before = bpf->bss->seen[SENDMSG4].num;
	tap_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0, "so is one of UDP");
	bpf->bss->seen[SENDMSG6].num = 0;
	sendto(fd, "?", 1, 0, (struct sockaddr *)&to, sizeof(to));
	tap_note("sendto of a mapped address passed by sendmsg4 %u times, by sendmsg6 %u times",
		 bpf->bss->seen[SENDMSG4].num - before, bpf->bss->seen[SENDMSG6].num);
	tap_ok(bpf->bss->seen[SENDMSG4].num > before, "its sendto to an IPv4 address passes by sendmsg4");
	tap_equal(bpf->bss->seen[SENDMSG4].port, PORT, "which sees the port");
	close(fd);
}

static void try_post_bind(void)
{
	int fd = net_socket(SOCK_STREAM, NULL, 0), other = net_socket(SOCK_STREAM, NULL, 0);

	refuse(POST_BIND4, EADDRINUSE);
	tap_equal(try_bind(fd, EXTERNAL_ADDR, PORT), EADDRINUSE, "post_bind refuses with an error of its choice");
	tap_equal(bpf->bss->seen[POST_BIND4].port, PORT, "it knows the port");
	tap_equal(bpf->bss->seen[POST_BIND4].type, SOCK_STREAM, "and the type of the socket");
	tap_equal(try_bind(fd, EXTERNAL_ADDR, 0), EADDRINUSE,
		  "also a port that the kernel chose; it chooses only once");
	tap_ok(bpf->bss->seen[POST_BIND4].port, "it knows that one too");
	allow();
	tap_equal(try_bind(other, EXTERNAL_ADDR, PORT), 0, "a port that was refused is free again");
	tap_equal(try_bind(fd, EXTERNAL_ADDR, PORT + 1), 0, "and the socket that was refused may bind another");
	close(fd);
	close(other);
}

static int open_links(void)
{
	int num = 0;

	for (int hook = 0; hook < NUM_HOOK; hook++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/sys/fs/bpf/hook%d", hook);
		fd = bpf_obj_get(path);
		if (fd >= 0)
			num++;
		if (fd >= 0)
			close(fd);
	}
	return num;
}

/* A child attaches, pins and dies. Then another program takes the place of the first, at once. */
static void try_links(int cgroup)
{
	bool gone = false;
	struct socket_hook *other;
	char path[64];
	int link, fd;
	pid_t loader;

	if (mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL))
		tap_die("cannot mount a bpffs");
	loader = fork();
	if (loader == 0) {
		for (int hook = 0; hook < NUM_HOOK; hook++) {
			link = bpf_link_create(program_of(bpf, hook), cgroup, attach_type[hook], NULL);
			snprintf(path, sizeof(path), "/sys/fs/bpf/hook%d", hook);
			if (link < 0 || bpf_obj_pin(link, path))
				_exit(1);
		}
		_exit(0);
	}
	waitpid(loader, NULL, 0);
	tap_equal(open_links(), NUM_HOOK, "links to a cgroup can be pinned");
	refuse(BIND4, EADDRINUSE);
	fd = net_socket(SOCK_STREAM, NULL, 0);
	tap_equal(try_bind(fd, EXTERNAL_ADDR, PORT), EADDRINUSE, "and hold when their maker is dead");

	other = load();
	other->data->refuse_hook = NUM_HOOK;
	link = bpf_obj_get("/sys/fs/bpf/hook0");
	tap_equal(bpf_link_update(link, program_of(other, BIND4), NULL), 0, "a link takes another program");
	tap_equal(try_bind(fd, EXTERNAL_ADDR, PORT), 0, "which is asked instead of the first");
	tap_equal(other->bss->seen[BIND4].num, 1, "once");
	close(fd);
	close(link);
	unlink("/sys/fs/bpf/hook0");
	/* the kernel lets go of it a moment later */
	for (int i = 0; i < 2000 && !gone; i++) {
		__u32 before = other->bss->seen[BIND4].num;

		fd = net_socket(SOCK_STREAM, EXTERNAL_ADDR, PORT + 2);
		close(fd);
		gone = other->bss->seen[BIND4].num == before;
		usleep(1000);
	}
	tap_ok(gone, "with its pin the link goes");
	allow();
	socket_hook__destroy(other);
	for (int hook = 1; hook < NUM_HOOK; hook++) {
		snprintf(path, sizeof(path), "/sys/fs/bpf/hook%d", hook);
		unlink(path);
	}
}

/* As in `ip netns exec`, which hides the tree: a mount that stands nowhere will do. */
static void try_detached_mount(void)
{
	int context = fsopen("cgroup2", FSOPEN_CLOEXEC);
	int mount_fd = -1, root = -1;
	struct stat st;

	if (context >= 0 && !fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mount_fd = fsmount(context, FSMOUNT_CLOEXEC, 0);
	tap_ok(mount_fd >= 0, "the tree of cgroups can be mounted nowhere");
	if (mount_fd >= 0)
		root = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tap_ok(root >= 0 && !fstat(root, &st), "and its root be opened");
	if (root >= 0) {
		unsigned int num = 0, flags;

		tap_equal(bpf_prog_query(root, BPF_CGROUP_INET4_CONNECT, 0, &flags, NULL, &num), 0,
			  "which is a cgroup for BPF programs");
		close(root);
	}
	if (mount_fd >= 0)
		close(mount_fd);
	if (context >= 0)
		close(context);
}

static int probe(int cgroup)
{
	net_create();
	net_shell("ping -q -c 1 -W 5 " REMOTE_ADDR " >/dev/null"); /* the neighbour is known */
	bpf = load();
	try_links(cgroup);
	for (int hook = 0; hook < NUM_HOOK; hook++)
		if (bpf_prog_attach(program_of(bpf, hook), cgroup, attach_type[hook], BPF_F_ALLOW_MULTI))
			tap_die("cannot attach hook %d", hook);
	try_process();
	try_chosen_tcp();
	try_chosen_udp();
	try_ping();
	try_post_bind();
	try_mapped();
	try_detached_mount();
	socket_hook__destroy(bpf);
	return tap_finish();
}

int main(void)
{
	return cgroup_run(probe);
}
