/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's sockets: those of this very process are found, as what they are and as ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform.h"
#include "sockets.h"

/* A socket on a port that the kernel chooses, on loopback or the wildcard; *ret_port in network order. */
static int open_socket(int family, int type, bool wildcard, __be16 *ret_port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} addr = {};
	socklen_t len = sizeof(addr);
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	addr.any.sa_family = family;
	if (family == AF_INET && !wildcard)
		addr.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, &addr.any, family == AF_INET ? sizeof(addr.in) : sizeof(addr.in6)), 0);
	assert_int_equal(getsockname(fd, &addr.any, &len), 0);
	*ret_port = family == AF_INET ? addr.in.sin_port : addr.in6.sin6_port;
	return fd;
}

static struct endpoint loopback(__be16 port)
{
	return (struct endpoint){ .addr = htonl(INADDR_LOOPBACK), .port = port };
}

static const struct endpoint stranger = { .addr = 0x080200c0, .port = 0x5000 };

static struct sockets read_sockets(void)
{
	struct sockets sockets = {};
	struct fault fault;

	if (sockets_read(&sockets, &fault))
		fail_msg("%s", fault.text);
	return sockets;
}

static void check_ours(const struct host_socket *socket, const char *state)
{
	struct process process;

	assert_non_null(socket);
	assert_string_equal(socket_state_name(socket), state);
	assert_int_equal(process_find(socket->inode, &process), 0);
	assert_int_equal(process.pid, getpid());
	assert_true(strlen(process.comm) > 0);
}

static void test_listening(void **state)
{
	struct sockets sockets;
	struct ranges ports;
	__be16 port;
	int fd = open_socket(AF_INET, SOCK_STREAM, false, &port);

	(void)state;
	assert_int_equal(listen(fd, 1), 0);
	sockets = read_sockets();
	check_ours(sockets_find(&sockets, IPPROTO_TCP, loopback(port), stranger), "listening");
	assert_null(sockets_find(&sockets, IPPROTO_UDP, loopback(port), stranger));
	/* it is not on any other address */
	sockets_ports(&sockets, IPPROTO_TCP, htonl(INADDR_LOOPBACK), &ports);
	assert_true(ranges_contain(&ports, ntohs(port)));
	sockets_ports(&sockets, IPPROTO_TCP, stranger.addr, &ports);
	assert_false(ranges_contain(&ports, ntohs(port)));
	sockets_free(&sockets);
	close(fd);
	sockets = read_sockets();
	assert_null(sockets_find(&sockets, IPPROTO_TCP, loopback(port), stranger));
	sockets_free(&sockets);
}

static void test_connected(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = open_socket(AF_INET, SOCK_STREAM, false, &addr.sin_port);
	struct sockets sockets;
	__be16 port;
	int fd = open_socket(AF_INET, SOCK_STREAM, false, &port);

	(void)state;
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	sockets = read_sockets();
	check_ours(sockets_find(&sockets, IPPROTO_TCP, loopback(port), loopback(addr.sin_port)), "established");
	/* toward anybody else the port is nobody's */
	assert_null(sockets_find(&sockets, IPPROTO_TCP, loopback(port), stranger));
	sockets_free(&sockets);
	close(fd);
	close(listener);
}

static void test_udp(void **state)
{
	struct sockets sockets;
	struct ranges ports;
	__be16 port;
	int fd = open_socket(AF_INET, SOCK_DGRAM, true, &port);

	(void)state;
	sockets = read_sockets();
	check_ours(sockets_find(&sockets, IPPROTO_UDP, loopback(port), stranger), "bound");
	/* the wildcard is on every address */
	sockets_ports(&sockets, IPPROTO_UDP, stranger.addr, &ports);
	assert_true(ranges_contain(&ports, ntohs(port)));
	sockets_free(&sockets);
	close(fd);
}

static void test_both_families(void **state)
{
	int yes = 1;
	struct sockets sockets;
	__be16 port;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	if (fd < 0) {
		print_message("# SKIP: no IPv6 in this kernel\n");
		skip();
	}
	close(fd);
	fd = open_socket(AF_INET6, SOCK_STREAM, true, &port);
	assert_int_equal(listen(fd, 1), 0);
	sockets = read_sockets();
	check_ours(sockets_find(&sockets, IPPROTO_TCP, loopback(port), stranger), "listening");
	sockets_free(&sockets);
	close(fd);

	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)), 0);
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = port };
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	sockets = read_sockets();
	assert_null(sockets_find(&sockets, IPPROTO_TCP, loopback(port), stranger));
	sockets_free(&sockets);
	close(fd);
}

/* A connected socket is preferred to a listening one on its port, and an address to the wildcard. */
static void test_preference(void **state)
{
	struct host_socket list[] = {
		{ .local = { .port = 10 }, .proto = IPPROTO_TCP, .state = 10, .inode = 1 },
		{ .local = { .addr = 5, .port = 10 }, .proto = IPPROTO_TCP, .state = 10, .inode = 2 },
		{ .local = { .addr = 5, .port = 10 },
		  .remote = { .addr = 7, .port = 9 },
		  .proto = IPPROTO_TCP,
		  .state = 1,
		  .inode = 3 },
	};
	struct sockets sockets = { .num = 3, .socket = list };
	struct endpoint local = { .addr = 5, .port = 10 }, remote = { .addr = 7, .port = 9 };

	(void)state;
	assert_int_equal(sockets_find(&sockets, IPPROTO_TCP, local, remote)->inode, 3);
	remote.port = 8;
	assert_int_equal(sockets_find(&sockets, IPPROTO_TCP, local, remote)->inode, 2);
	local.addr = 6;
	assert_int_equal(sockets_find(&sockets, IPPROTO_TCP, local, remote)->inode, 1);
	local.port = 11;
	assert_null(sockets_find(&sockets, IPPROTO_TCP, local, remote));
}

static void test_no_process(void **state)
{
	struct process process;

	(void)state;
	assert_int_equal(process_find(0, &process), -ENOENT);
	assert_int_equal(process_find(~0ull, &process), -ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listening),  cmocka_unit_test(test_connected),
		cmocka_unit_test(test_udp),        cmocka_unit_test(test_both_families),
		cmocka_unit_test(test_preference), cmocka_unit_test(test_no_process),
	};

	return cmocka_run_group_tests_name("sockets", tests, NULL, NULL);
}
