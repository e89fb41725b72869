/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets of this network namespace's host that concern IPv4, and the processes that have them open. */
#include "sockets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libmnl/libmnl.h>

#include "platform.h"

#define FIRST_PID_NAMESPACE 0xEFFFFFFC /* fixed: PROC_PID_INIT_INO of include/linux/proc_ns.h */

/* As the kernel numbers them in a dump (include/net/tcp_states.h, which is not for user space). A closed socket is in the
 * dump only while it is bound.
 */
#define NUM_STATE 14

static const char *const state_word[NUM_STATE] = {
	"",       "established", "syn-sent", "syn-received", "fin-wait-1", "fin-wait-2",   "time-wait",
	"closed", "close-wait",  "last-ack", "listening",    "closing",    "syn-received", "bound",
};

const char *socket_state_name(const struct host_socket *socket)
{
	if (socket->proto == IPPROTO_UDP)
		return socket->remote.addr ? "connected" : "bound";
	return socket->state < NUM_STATE ? state_word[socket->state] : "";
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* A dump on its way into a list. */
struct dump {
	struct sockets sockets;
	size_t room;
	__u8 proto;
};

/* 0 if an IPv6 socket does not take IPv4, else its address as IPv4: mapped, or the wildcard of both. */
static bool address_of(const struct inet_diag_msg *msg, const __be32 raw[4], bool v6only, __be32 *ret_addr)
{
	if (msg->idiag_family == AF_INET) {
		*ret_addr = raw[0];
		return true;
	}
	if (!raw[0] && !raw[1] && raw[2] == cpu_to_be32(0xffff)) {
		*ret_addr = raw[3];
		return true;
	}
	*ret_addr = 0;
	return !raw[0] && !raw[1] && !raw[2] && !raw[3] && !v6only;
}

static bool is_v6only(const struct nlmsghdr *header)
{
	const struct nlattr *attr;

	mnl_attr_for_each(
		attr, header,
		sizeof(struct inet_diag_msg)) if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY &&
						  mnl_attr_get_payload_len(attr)) return mnl_attr_get_u8(attr);
	return false;
}

static int add_socket(const struct nlmsghdr *header, void *ctx)
{
	const struct inet_diag_msg *msg = mnl_nlmsg_get_payload(header);
	struct dump *dump = ctx;
	struct host_socket socket = {
		.local.port = msg->id.idiag_sport,
		.remote.port = msg->id.idiag_dport,
		.inode = msg->idiag_inode,
		.uid = msg->idiag_uid,
		.ifindex = msg->id.idiag_if,
		.proto = dump->proto,
		.state = msg->idiag_state,
	};

	if (!msg->id.idiag_sport || !address_of(msg, msg->id.idiag_src, is_v6only(header), &socket.local.addr) ||
	    !address_of(msg, msg->id.idiag_dst, false, &socket.remote.addr))
		return MNL_CB_OK;
	if (dump->sockets.num == dump->room) {
		size_t room = dump->room ? 2 * dump->room : 64;
		struct host_socket *more = reallocarray(dump->sockets.socket, room, sizeof(*more));

		if (!more) {
			errno = ENOMEM;
			return MNL_CB_ERROR;
		}
		dump->sockets.socket = more;
		dump->room = room;
	}
	dump->sockets.socket[dump->sockets.num++] = socket;
	return MNL_CB_OK;
}

static int receive(struct mnl_socket *netlink, unsigned int seq, struct dump *dump)
{
	char buffer[32768] __attribute__((aligned(8)));
	int result = MNL_CB_OK;

	while (result > MNL_CB_STOP) {
		ssize_t len = mnl_socket_recvfrom(netlink, buffer, sizeof(buffer));

		if (len < 0)
			return -errno;
		result = mnl_cb_run(buffer, len, seq, mnl_socket_get_portid(netlink), add_socket, dump);
	}
	return result < 0 ? -errno : 0;
}

static int dump_family(struct mnl_socket *netlink, __u8 family, unsigned int seq, struct dump *dump)
{
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *request;

	header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = seq;
	request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
	request->sdiag_family = family;
	request->sdiag_protocol = dump->proto;
	request->idiag_states = ~0u;
	if (mnl_socket_sendto(netlink, header, header->nlmsg_len) < 0)
		return -errno;
	return receive(netlink, seq, dump);
}

int sockets_read(struct sockets *ret_sockets, struct fault *fault)
{
	static const struct {
		__u8 family;
		__u8 proto;
	} part[] = {
		{ AF_INET, IPPROTO_TCP },
		{ AF_INET6, IPPROTO_TCP },
		{ AF_INET, IPPROTO_UDP },
		{ AF_INET6, IPPROTO_UDP },
	};
	struct mnl_socket *netlink = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	struct dump dump = {};
	int error = 0;

	if (!netlink || mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID))
		error = -errno;
	for (size_t i = 0; !error && i < sizeof(part) / sizeof(part[0]); i++) {
		dump.proto = part[i].proto;
		error = dump_family(netlink, part[i].family, i + 1, &dump);
		/* a kernel without IPv6 has no such sockets */
		if (error == -ENOENT && part[i].family == AF_INET6)
			error = 0;
	}
	if (netlink)
		mnl_socket_close(netlink);
	if (error) {
		free(dump.sockets.socket);
		return fault_set_errno(fault, -error, "cannot list the host's sockets (sock_diag)");
	}
	*ret_sockets = dump.sockets;
	return 0;
}

void sockets_free(struct sockets *sockets)
{
	free(sockets->socket);
	memset(sockets, 0, sizeof(*sockets));
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

/* How well a socket fits: 0 not at all; an exact remote weighs more than an exact address, as in the kernel. */
static int fit(const struct host_socket *socket, __u8 proto, struct endpoint local, struct endpoint remote)
{
	bool connected = socket->remote.addr || socket->remote.port;

	if (socket->proto != proto || socket->local.port != local.port)
		return 0;
	if (socket->local.addr && socket->local.addr != local.addr)
		return 0;
	if (connected && !endpoint_equal(socket->remote, remote))
		return 0;
	return 1 + 2 * connected + !!socket->local.addr;
}

const struct host_socket *sockets_find(const struct sockets *sockets, __u8 proto, struct endpoint local,
				       struct endpoint remote)
{
	const struct host_socket *best = NULL;
	int best_fit = 0;

	for (size_t i = 0; i < sockets->num; i++) {
		int score = fit(&sockets->socket[i], proto, local, remote);

		if (score > best_fit) {
			best = &sockets->socket[i];
			best_fit = score;
		}
	}
	return best;
}

void sockets_ports(const struct sockets *sockets, __u8 proto, __be32 addr, struct ranges *ret_ports)
{
	memset(ret_ports, 0, sizeof(*ret_ports));
	for (size_t i = 0; i < sockets->num; i++) {
		const struct host_socket *socket = &sockets->socket[i];
		__u16 port = be16_to_cpu(socket->local.port);

		if (socket->proto == proto && (!socket->local.addr || socket->local.addr == addr))
			ranges_add(ret_ports, port, port);
	}
}

/* ---- processes ------------------------------------------------------------------------------------------------- */

/* Whether one of the descriptors of a process is a link to `target`. */
static bool has_open(int proc, pid_t pid, const char *target)
{
	char path[64], link[64];
	struct dirent *entry;
	bool found = false;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "%d/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return false;
	}
	while (!found && (entry = readdir(dir))) {
		ssize_t len = readlinkat(fd, entry->d_name, link, sizeof(link) - 1);

		if (len > 0) {
			link[len] = '\0';
			found = strcmp(link, target) == 0;
		}
	}
	closedir(dir);
	return found;
}

void process_clean_comm(char *comm, size_t size)
{
	comm[size - 1] = '\0';
	for (; *comm; comm++)
		if (*comm < ' ' || *comm > '~')
			*comm = '?';
}

void process_read_comm(int proc, const char *pid, char comm[16])
{
	char path[300];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/comm", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : read(fd, comm, 16);
	if (fd >= 0)
		close(fd);
	/* the kernel ends it with a line feed */
	comm[len > 0 ? len - 1 : 0] = '\0';
	process_clean_comm(comm, 16);
}

bool process_is_in_first_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == FIRST_PID_NAMESPACE;
}

__u32 process_number(__u32 number)
{
	return process_is_in_first_namespace() ? number : 0;
}

int process_find(__u64 inode, struct process *ret_process)
{
	struct dirent *entry;
	char target[64];
	int result = -ENOENT;
	DIR *dir;

	if (!inode)
		return -ENOENT;
	dir = opendir("/proc");
	if (!dir)
		return -ENOENT;
	snprintf(target, sizeof(target), "socket:[%llu]", inode);
	while (result && (entry = readdir(dir))) {
		pid_t pid = atoi(entry->d_name); /* 0 for what is no process */

		if (!pid || !has_open(dirfd(dir), pid, target))
			continue;
		ret_process->pid = pid;
		process_read_comm(dirfd(dir), entry->d_name, ret_process->comm);
		result = 0;
	}
	closedir(dir);
	return result;
}
