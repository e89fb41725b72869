/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs on a cgroup give bind, connect and sendto an errno of their choice, act in one network namespace only,
 * know the local port of a bound socket, and stay when their loader dies: then they are found by the cgroup, and
 * removed.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "cgroup.h"
#include "hook.h"
#include "kernel/cgroup_refuse.skel.h"
#include "net.h"
#include "tap.h"

enum { PORT = 50000, OTHER_PORT = 50001, REMOTE_PORT = 60000, COOKIE = 71 /* SO_NETNS_COOKIE */ };

static struct cgroup_refuse *bpf;

static uint64_t netns_cookie(void)
{
	int fd = net_socket(SOCK_DGRAM, NULL, 0);
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, COOKIE, &cookie, &len))
		tap_die("cannot ask for the cookie of the network namespace");
	close(fd);
	return cookie;
}

static void load(void)
{
	bpf = cgroup_refuse__open_and_load();
	if (!bpf)
		tap_die("cannot load the programs");
	bpf->bss->our_netns = netns_cookie();
	bpf->bss->our_port = PORT;
	bpf->bss->error = EADDRINUSE;
}

static void attach(int cgroup, const struct bpf_program *program, enum bpf_attach_type type)
{
	if (bpf_prog_attach(bpf_program__fd(program), cgroup, type, BPF_F_ALLOW_MULTI))
		tap_die("cannot attach to a cgroup");
}

static int try_bind(int type, const char *address, uint16_t port, int *ret_fd)
{
	struct sockaddr_in own = net_address(address, port);

	*ret_fd = net_socket(type, NULL, 0);
	return bind(*ret_fd, (struct sockaddr *)&own, sizeof(own)) ? errno : 0;
}

static int try_send(int fd)
{
	struct sockaddr_in to = net_address(REMOTE_ADDR, REMOTE_PORT);

	return sendto(fd, "?", 1, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
}

static void try_bind4(int cgroup)
{
	int fd;

	attach(cgroup, bpf->progs.bind4, BPF_CGROUP_INET4_BIND);
	tap_equal(try_bind(SOCK_STREAM, EXTERNAL_ADDR, PORT, &fd), EADDRINUSE, "bind to the port says EADDRINUSE");
	close(fd);
	tap_equal(try_bind(SOCK_DGRAM, "0.0.0.0", PORT, &fd), EADDRINUSE, "so it does for UDP and any address");
	close(fd);
	tap_equal(try_bind(SOCK_STREAM, EXTERNAL_ADDR, OTHER_PORT, &fd), 0, "another port can be had");
	close(fd);
	bpf->bss->error = 0;
	tap_equal(try_bind(SOCK_STREAM, EXTERNAL_ADDR, PORT, &fd), EPERM, "without bpf_set_retval it is EPERM");
	close(fd);
	bpf->bss->error = EADDRINUSE;
	bpf_prog_detach2(bpf_program__fd(bpf->progs.bind4), cgroup, BPF_CGROUP_INET4_BIND);
}

static void try_connect4(int cgroup)
{
	int fd;

	attach(cgroup, bpf->progs.connect4, BPF_CGROUP_INET4_CONNECT);
	fd = net_socket(SOCK_STREAM, EXTERNAL_ADDR, PORT);
	tap_equal(net_connect(fd, REMOTE_ADDR, REMOTE_PORT), EADDRINUSE,
		  "connect from a port that was bound says EADDRINUSE");
	close(fd);
	fd = net_socket(SOCK_DGRAM, EXTERNAL_ADDR, PORT);
	tap_equal(net_connect(fd, REMOTE_ADDR, REMOTE_PORT), EADDRINUSE, "so it does for UDP");
	close(fd);
	fd = net_socket(SOCK_STREAM, EXTERNAL_ADDR, OTHER_PORT);
	tap_equal(net_connect(fd, REMOTE_ADDR, REMOTE_PORT), ECONNREFUSED, "connect from another port goes its way");
	tap_equal(bpf->bss->port_seen, OTHER_PORT, "the program knows the port that was bound");
	close(fd);
	fd = net_socket(SOCK_STREAM, NULL, 0);
	tap_equal(net_connect(fd, REMOTE_ADDR, REMOTE_PORT), ECONNREFUSED,
		  "so does connect from a port that the kernel is to choose");
	tap_equal(bpf->bss->port_seen, 0, "the program comes before that choice");
	close(fd);
	bpf_prog_detach2(bpf_program__fd(bpf->progs.connect4), cgroup, BPF_CGROUP_INET4_CONNECT);
}

static void try_sendmsg4(int cgroup)
{
	int fd;

	attach(cgroup, bpf->progs.sendmsg4, BPF_CGROUP_UDP4_SENDMSG);
	fd = net_socket(SOCK_DGRAM, EXTERNAL_ADDR, PORT);
	tap_equal(try_send(fd), EADDRINUSE, "sendto from the port says EADDRINUSE");
	close(fd);
	fd = net_socket(SOCK_DGRAM, NULL, 0);
	tap_equal(try_send(fd), 0, "sendto from a port that the kernel chooses goes its way");
	tap_note("at the first sendto the program sees port %u of %u", bpf->bss->port_seen, net_port(fd));
	close(fd);
	bpf_prog_detach2(bpf_program__fd(bpf->progs.sendmsg4), cgroup, BPF_CGROUP_UDP4_SENDMSG);
}

static void try_other_namespace(int cgroup, const struct net *net)
{
	unsigned int num_seen;
	int fd;

	attach(cgroup, bpf->progs.bind4, BPF_CGROUP_INET4_BIND);
	net_enter(net->remote);
	tap_ok(netns_cookie() != bpf->bss->our_netns, "another network namespace has another cookie");
	num_seen = bpf->bss->num_seen;
	tap_equal(try_bind(SOCK_STREAM, REMOTE_ADDR, PORT, &fd), 0, "there the port can be bound");
	tap_equal(bpf->bss->num_seen, num_seen, "the program does not concern itself with it");
	close(fd);
	net_enter(net->gateway);
	bpf_prog_detach2(bpf_program__fd(bpf->progs.bind4), cgroup, BPF_CGROUP_INET4_BIND);
}

/* A loader of its own that attaches and dies; afterwards its program is found and removed. */
static void try_survival(int cgroup)
{
	unsigned int id = 0, num = 1, flags, len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { 0 };
	pid_t loader = fork();
	int fd, program;

	if (loader == 0) {
		load();
		attach(cgroup, bpf->progs.bind4, BPF_CGROUP_INET4_BIND);
		kill(getpid(), SIGKILL);
	}
	waitpid(loader, NULL, 0);
	tap_equal(try_bind(SOCK_STREAM, EXTERNAL_ADDR, PORT, &fd), EADDRINUSE,
		  "the program stays when its loader dies");
	close(fd);
	tap_ok(bpf_prog_query(cgroup, BPF_CGROUP_INET4_BIND, 0, &flags, &id, &num) == 0 && num == 1,
	       "the cgroup tells its id");
	program = bpf_prog_get_fd_by_id(id);
	tap_ok(program >= 0 && bpf_obj_get_info_by_fd(program, &info, &len) == 0 && !strcmp(info.name, "bind4"),
	       "and so its name");
	tap_equal(bpf_prog_detach2(program, cgroup, BPF_CGROUP_INET4_BIND), 0, "it is removed");
	tap_equal(try_bind(SOCK_STREAM, EXTERNAL_ADDR, PORT, &fd), 0, "and the port can be bound");
	close(fd);
}

static int probe(int cgroup)
{
	struct net net = net_create();

	net_shell("ping -q -c 1 -W 5 " REMOTE_ADDR " >/dev/null"); /* the neighbour is known */
	load();
	try_bind4(cgroup);
	tap_ok(bpf->bss->num_seen > 0, "SO_NETNS_COOKIE is what bpf_get_netns_cookie says");
	try_connect4(cgroup);
	try_sendmsg4(cgroup);
	try_other_namespace(cgroup, &net);
	try_survival(cgroup);
	cgroup_refuse__destroy(bpf);
	return tap_finish();
}

int main(void)
{
	return cgroup_run(probe);
}
