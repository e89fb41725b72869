/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conversations with the kernel that end before their time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "daemon/netlink.h"
#include "wires.h"

#define NUM_LINKS 64 /* more than one datagram of a dump holds */

static int enter(void **state)
{
	(void)state;
	wires_enter();
	for (int i = 0; i < NUM_LINKS / 2; i++)
		wires_ip("link add a%d type veth peer name b%d", i, i);
	return 0;
}

static struct nlmsghdr *all_links(void *buffer)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;

	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	return request;
}

static int count_link(const struct nlmsghdr *message, void *context)
{
	(void)message;
	(*(int *)context)++;
	return MNL_CB_OK;
}

/* What libmnl says of the first message of a dump that a change came between. */
static int interrupt(const struct nlmsghdr *message, void *context)
{
	(void)message;
	(void)context;
	errno = EINTR;
	return MNL_CB_ERROR;
}

/* What is left of a dump that was not read to its end is not taken for the answer to the next question. */
static void asks_again(void **state)
{
	struct mnl_socket *socket;

	(void)state;
	assert_int_equal(netlink_open(NETLINK_ROUTE, &socket), 0);
	for (int i = 0; i < 3; i++) {
		char buffer[256];
		int num = 0;

		assert_int_equal(netlink_ask(socket, all_links(buffer), interrupt, NULL), -EINTR);
		assert_int_equal(netlink_ask(socket, all_links(buffer), count_link, &num), 0);
		assert_int_equal(num, NUM_LINKS + 1); /* and lo */
	}
	netlink_close(socket);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_again),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
