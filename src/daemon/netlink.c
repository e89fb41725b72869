/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests and answers over netlink. */
#include "netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <time.h>

#define ANSWER_SIZE 32768 /* what the kernel fills at most when it dumps */

int netlink_open(int protocol, struct mnl_socket **ret_socket)
{
	struct mnl_socket *socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	int err;

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		mnl_socket_close(socket);
		return err;
	}
	*ret_socket = socket;
	return 0;
}

int netlink_join(struct mnl_socket *socket, int group)
{
	return mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 ? -errno : 0;
}

void netlink_close(struct mnl_socket *socket)
{
	if (socket)
		mnl_socket_close(socket);
}

int netlink_ask(struct mnl_socket *socket, struct nlmsghdr *request, mnl_cb_t each, void *context)
{
	static __thread char answer[ANSWER_SIZE];
	static __thread unsigned int serial;
	unsigned int port = mnl_socket_get_portid(socket);
	int more = MNL_CB_OK;

	request->nlmsg_flags |= NLM_F_REQUEST;
	if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK;
	request->nlmsg_seq = ++serial;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (more > MNL_CB_STOP) {
		ssize_t len = mnl_socket_recvfrom(socket, answer, sizeof(answer));

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		more = mnl_cb_run(answer, len, serial, port, each, context);
	}
	if (more < 0) {
		int err = -errno;

		/* what is left of a dump would be taken for the answer to the next request */
		netlink_drain(socket);
		return err;
	}
	return 0;
}

void netlink_drain(struct mnl_socket *socket)
{
	static __thread char answer[ANSWER_SIZE];
	int fd = mnl_socket_get_fd(socket);

	while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) >= 0 || errno == EINTR || errno == ENOBUFS)
		;
}
