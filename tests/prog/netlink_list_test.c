/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of the kernel: when they are asked for again, and which errors mean that there is nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "daemon/netlink_list.h"
#include "wires.h"

/* What a dump meets: so many messages fail first. */
struct meeting {
	int num_failures, err;
	int num_met;
};

static int enter(void **state)
{
	(void)state;
	wires_enter();
	return 0;
}

static int meet(const struct nlmsghdr *message, void *context)
{
	struct meeting *meeting = context;

	(void)message;
	if (meeting->num_failures > 0) {
		meeting->num_failures--;
		errno = meeting->err;
		return MNL_CB_ERROR;
	}
	meeting->num_met++;
	return MNL_CB_OK;
}

/* Every namespace has a loopback interface. */
static int read_links(struct meeting *meeting)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = RTM_GETLINK;
	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	return netlink_list_read(NETLINK_ROUTE, request, meet, meeting);
}

static void an_interrupted_dump_is_taken_again(void **state)
{
	struct meeting meeting = { .num_failures = 3, .err = EINTR };

	(void)state;
	assert_int_equal(read_links(&meeting), 0);
	assert_int_not_equal(meeting.num_met, 0);
}

static void one_that_always_is_has_failed(void **state)
{
	struct meeting meeting = { .num_failures = 1000, .err = EINTR };

	(void)state;
	assert_int_equal(read_links(&meeting), -EINTR);
	assert_int_equal(meeting.num_met, 0);
}

static void other_errors_are_told_at_once(void **state)
{
	struct meeting meeting = { .num_failures = 1, .err = ENOMEM };

	(void)state;
	assert_int_equal(read_links(&meeting), -ENOMEM);
	assert_int_equal(meeting.num_met, 0);
}

static void what_the_kernel_lacks_is_an_empty_list(void **state)
{
	struct meeting meeting = { .num_failures = 1, .err = EOPNOTSUPP };
	char buffer[256];

	(void)state;
	assert_int_equal(read_links(&meeting), 0);
	/* no kernel has a protocol of this number */
	assert_int_equal(netlink_list_read(MAX_LINKS - 1, mnl_nlmsg_put_header(buffer), meet, &meeting), 0);
	assert_int_equal(meeting.num_met, 0);
}

static void errors(void **state)
{
	static const struct {
		int protocol, err;
		bool absent;
	} cases[] = {
		{ NETLINK_NETFILTER, EPROTONOSUPPORT, true },
		{ NETLINK_NETFILTER, EOPNOTSUPP, true },
		{ NETLINK_NETFILTER, EINVAL, true },
		{ NETLINK_NETFILTER, ENOENT, true },
		{ NETLINK_NETFILTER, EINTR, false },
		{ NETLINK_NETFILTER, EPERM, false },
		{ NETLINK_NETFILTER, ENOMEM, false },
		{ NETLINK_NETFILTER, ENOBUFS, false },
		{ NETLINK_NETFILTER, EMFILE, false },
		{ NETLINK_NETFILTER, EAGAIN, false },
		{ NETLINK_NETFILTER, EPROTO, false },
		{ NETLINK_NETFILTER, 0, false },
		{ NETLINK_XFRM, EPROTONOSUPPORT, true },
		{ NETLINK_XFRM, EINVAL, false },
		{ NETLINK_XFRM, EPERM, false },
		{ NETLINK_ROUTE, EOPNOTSUPP, true },
		{ NETLINK_ROUTE, EAFNOSUPPORT, true },
		{ NETLINK_ROUTE, EINVAL, false },
		{ NETLINK_ROUTE, ENOENT, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (netlink_list_is_absent(cases[i].protocol, -cases[i].err) != cases[i].absent)
			fail_msg("error %d of protocol %d", cases[i].err, cases[i].protocol);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interrupted_dump_is_taken_again),
		cmocka_unit_test(one_that_always_is_has_failed),
		cmocka_unit_test(other_errors_are_told_at_once),
		cmocka_unit_test(what_the_kernel_lacks_is_an_empty_list),
		cmocka_unit_test(errors),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
