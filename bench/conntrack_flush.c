/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conntrack_flush ADDRESS: forgets the connections that a host began, in the kernel's table of this namespace.
 *
 * The table is searched by the kernel. All in one message: what a tool that asks for each connection would take a second for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <libmnl/libmnl.h>

/* Which parts of a tuple count: the kernel has these names only for itself. */
#define FILTER_IP_SRC (1U << 0)

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "conntrack_flush: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct nlmsghdr *request_make(char *buffer, in_addr_t address)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nlattr *tuple, *ip, *filter;
	struct nfgenmsg *family;

	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	family = mnl_nlmsg_put_extra_header(message, sizeof(*family));
	family->nfgen_family = AF_INET;
	family->version = NFNETLINK_V0;
	tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
	ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);
	mnl_attr_put_u32(message, CTA_IP_V4_SRC, address);
	mnl_attr_nest_end(message, ip);
	mnl_attr_nest_end(message, tuple);
	filter = mnl_attr_nest_start(message, CTA_FILTER);
	mnl_attr_put_u32(message, CTA_FILTER_ORIG_FLAGS, FILTER_IP_SRC);
	mnl_attr_nest_end(message, filter);
	return message;
}

int main(int argc, char **argv)
{
	char buffer[4096] __attribute__((aligned(8)));
	struct mnl_socket *socket;
	struct nlmsghdr *message;
	struct in_addr address;
	ssize_t length;

	if (argc != 2 || inet_pton(AF_INET, argv[1], &address) != 1) {
		fputs("usage: conntrack_flush ADDRESS\n", stderr);
		return 2;
	}
	socket = mnl_socket_open(NETLINK_NETFILTER);
	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID))
		die("cannot open a netlink socket");
	message = request_make(buffer, address.s_addr);
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		die("cannot ask the kernel");
	length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (length < 0 || mnl_cb_run(buffer, length, 0, mnl_socket_get_portid(socket), NULL, NULL) < 0)
		die("the kernel does not flush by address");
	mnl_socket_close(socket);
	return 0;
}
