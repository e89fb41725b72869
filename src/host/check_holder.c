/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who sits on ports of the ranges: sockets that wait for whatever comes, by the processes that have them open. */
#include "check_holder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform.h"

/* Of TCP. A closed socket is listed, from Linux 6.8 on, if it is bound: neither listening nor connected yet. */
#define STATE_CLOSED 7
#define STATE_LISTENING 10
#define STATE_BOUND 13

static __u8 state_of(const struct host_socket *socket)
{
	return socket->state == STATE_CLOSED ? STATE_BOUND : socket->state;
}

bool holder_counts(const struct host_socket *socket, const __be32 *own, size_t num_own)
{
	bool here = !socket->local.addr;

	if (socket->remote.addr || socket->remote.port)
		return false;
	if (socket->proto == IPPROTO_TCP && socket->state != STATE_LISTENING && state_of(socket) != STATE_BOUND)
		return false;
	for (size_t i = 0; !here && i < num_own; i++)
		here = socket->local.addr == own[i];
	return here;
}

static __u16 port_of(const struct host_socket *socket)
{
	return be16_to_cpu(socket->local.port);
}

/* ---- processes ------------------------------------------------------------------------------------------------- */

/* Lists begin small and double. */
static int add_process(struct process **list, size_t *num, const struct process *process)
{
	struct process *more = *list;

	if (*num == 0 || (*num >= 4 && (*num & (*num - 1)) == 0))
		more = reallocarray(more, *num ? 2 * *num : 4, sizeof(*more));
	if (!more)
		return -ENOMEM;
	*list = more;
	more[(*num)++] = *process;
	return 0;
}

static int compare_inodes(const void *one, const void *other)
{
	__u64 a = ((const struct owner *)one)->inode, b = ((const struct owner *)other)->inode;

	return a < b ? -1 : a > b;
}

static struct owner *find_owner(const struct owners *owners, __u64 inode)
{
	const struct owner key = { .inode = inode };

	return owners->num ? bsearch(&key, owners->owner, owners->num, sizeof(key), compare_inodes) : NULL;
}

/* Adds the process to the owners of those sockets that its descriptors are. */
static int look_at_process(int proc, const char *pid, struct owners *owners)
{
	struct process process = { .pid = atoi(pid) };
	char path[300], link[64];
	struct dirent *entry;
	int error = 0, fd;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0; /* it has gone, or hides them */
	}
	while (!error && (entry = readdir(dir))) {
		ssize_t len = readlinkat(fd, entry->d_name, link, sizeof(link) - 1);
		struct owner *owner = NULL;
		unsigned long long inode;

		link[len > 0 ? len : 0] = '\0';
		if (sscanf(link, "socket:[%llu]", &inode) == 1)
			owner = find_owner(owners, inode);
		/* descriptors may be copies of each other */
		if (!owner || (owner->num && owner->process[owner->num - 1].pid == process.pid))
			continue;
		if (!process.comm[0])
			process_read_comm(proc, pid, process.comm);
		error = add_process(&owner->process, &owner->num, &process);
	}
	closedir(dir);
	return error;
}

static int look_at_processes(struct owners *owners)
{
	struct dirent *entry;
	int error = 0;
	DIR *dir;

	if (!owners->num)
		return 0;
	dir = opendir("/proc");
	if (!dir)
		return -errno;
	while (!error && (entry = readdir(dir)))
		if (atoi(entry->d_name))
			error = look_at_process(dirfd(dir), entry->d_name, owners);
	closedir(dir);
	return error;
}

int owners_read(const struct sockets *sockets, const struct ranges *ports, const __be32 *own, size_t num_own,
		struct owners *ret_owners, struct fault *fault)
{
	struct owners owners = { .owner = calloc(sockets->num + 1, sizeof(*owners.owner)) };
	int error;

	if (!owners.owner)
		return fault_set_errno(fault, ENOMEM, "cannot look for processes");
	for (size_t i = 0; i < sockets->num; i++) {
		const struct host_socket *socket = &sockets->socket[i];

		if (socket->inode && ranges_contain(ports, port_of(socket)) && holder_counts(socket, own, num_own))
			owners.owner[owners.num++].inode = socket->inode;
	}
	qsort(owners.owner, owners.num, sizeof(*owners.owner), compare_inodes);
	error = look_at_processes(&owners);
	if (error) {
		owners_free(&owners);
		return fault_set_errno(fault, -error, "cannot look for processes in /proc");
	}
	*ret_owners = owners;
	return 0;
}

void owners_free(struct owners *owners)
{
	for (size_t i = 0; i < owners->num; i++)
		free(owners->owner[i].process);
	free(owners->owner);
	memset(owners, 0, sizeof(*owners));
}

/* ---- groups ---------------------------------------------------------------------------------------------------- */

static int compare_processes(const void *one, const void *other)
{
	const struct process *a = one, *b = other;

	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

/* By protocol and port; who listens comes first. */
static int compare_sockets(const void *one, const void *other)
{
	const struct host_socket *a = one, *b = other;

	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	if (port_of(a) != port_of(b))
		return port_of(a) < port_of(b) ? -1 : 1;
	return (a->state == STATE_LISTENING ? 0 : 1) - (b->state == STATE_LISTENING ? 0 : 1);
}

static int add_owners(const struct owners *owners, __u64 inode, struct holder *holder)
{
	const struct owner *owner = find_owner(owners, inode);
	int error = 0;

	for (size_t i = 0; owner && !error && i < owner->num; i++) {
		const struct process *process = &owner->process[i];
		bool known = false;

		for (size_t j = 0; !known && j < holder->num; j++)
			known = holder->process[j].pid == process->pid;
		if (!known)
			error = add_process(&holder->process, &holder->num, process);
	}
	return error;
}

static bool is_same(const struct holder *one, const struct holder *other)
{
	if (one->proto != other->proto || one->state != other->state || one->num != other->num)
		return false;
	for (size_t i = 0; i < one->num; i++)
		if (one->process[i].pid != other->process[i].pid)
			return false;
	return true;
}

/* Adds a port to the group of its holder; takes over its list of processes. */
static int add_port(struct holders *holders, struct holder *holder, __u16 port)
{
	struct holder *more;

	if (holder->num)
		qsort(holder->process, holder->num, sizeof(*holder->process), compare_processes);
	for (size_t i = 0; i < holders->num; i++) {
		if (!is_same(&holders->holder[i], holder))
			continue;
		ranges_add(&holders->holder[i].ports, port, port);
		free(holder->process);
		return 0;
	}
	more = reallocarray(holders->holder, holders->num + 1, sizeof(*more));
	if (!more) {
		free(holder->process);
		return -ENOMEM;
	}
	holders->holder = more;
	more[holders->num] = *holder;
	ranges_add(&more[holders->num++].ports, port, port);
	return 0;
}

static int group(const struct host_socket *list, size_t num, const struct owners *owners, struct holders *holders)
{
	int error = 0;

	for (size_t i = 0, end; !error && i < num; i = end) {
		struct holder holder = { .proto = list[i].proto, .state = state_of(&list[i]) };

		for (end = i; end < num && list[end].proto == holder.proto && port_of(&list[end]) == port_of(&list[i]);
		     end++)
			if (!error)
				error = add_owners(owners, list[end].inode, &holder);
		if (error)
			free(holder.process);
		else
			error = add_port(holders, &holder, port_of(&list[i]));
	}
	return error;
}

int holders_collect(const struct sockets *sockets, const struct owners *owners, const struct ranges *ports,
		    const __be32 *own, size_t num_own, struct holders *ret_holders, struct fault *fault)
{
	struct host_socket *list = calloc(sockets->num + 1, sizeof(*list));
	struct holders holders = {};
	size_t num = 0;
	int error = list ? 0 : -ENOMEM;

	for (size_t i = 0; list && i < sockets->num; i++) {
		const struct host_socket *socket = &sockets->socket[i];

		if (ranges_contain(ports, port_of(socket)) && holder_counts(socket, own, num_own))
			list[num++] = *socket;
	}
	if (num) {
		qsort(list, num, sizeof(*list), compare_sockets);
		error = group(list, num, owners, &holders);
	}
	free(list);
	if (error) {
		holders_free(&holders);
		return fault_set_errno(fault, -error, "cannot group the host's sockets");
	}
	*ret_holders = holders;
	return 0;
}

void holders_free(struct holders *holders)
{
	for (size_t i = 0; i < holders->num; i++)
		free(holders->holder[i].process);
	free(holders->holder);
	memset(holders, 0, sizeof(*holders));
}
