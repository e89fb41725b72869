/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which ports are the host's: what its sockets say, no more and no less. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/host_ports.h"
#include "platform.h"

static struct host_ports ports[NUM_HOST_PORTS];

static bool has(const __u64 *bitmap, __u16 port)
{
	return bitmap[port / 64] >> port % 64 & 1;
}

static int open_socket(int kind, const char *address, __u16 *ret_port)
{
	struct sockaddr_in own = { .sin_family = AF_INET };
	socklen_t len = sizeof(own);
	int fd = socket(AF_INET, kind, 0);

	assert_int_equal(inet_pton(AF_INET, address, &own.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
	*ret_port = ntohs(own.sin_port);
	return fd;
}

static void update(void)
{
	struct fault fault;

	assert_int_equal(host_ports_update(ports, &fault), 0);
}

static void takes_sockets_of_any_address_but_the_loopback(void **state)
{
	const struct endpoint addr[] = {
		{ .addr = 0, .port = htons(1) },
		{ .addr = htonl(INADDR_LOOPBACK), .port = htons(2) },
		{ .addr = htonl(0xc0000201), .port = htons(65535) },
	};
	struct host_socket socket[4] = {};
	const struct sockets sockets = { .num = 4, .socket = socket };
	__u64 word[PORT_WORDS];

	(void)state;
	for (int i = 0; i < 3; i++)
		socket[i] = (struct host_socket){ .local = addr[i], .proto = IPPROTO_TCP };
	socket[0].ifindex = 3;
	socket[3] = (struct host_socket){ .local = { .port = htons(4) }, .proto = IPPROTO_UDP };
	host_ports_of(&sockets, IPPROTO_TCP, false, word);
	assert_true(has(word, 1) && has(word, 65535));
	assert_false(has(word, 2) || has(word, 4));
	host_ports_of(&sockets, IPPROTO_UDP, false, word);
	assert_true(has(word, 4));
	assert_false(has(word, 1));
	/* those that are bound to an interface */
	host_ports_of(&sockets, IPPROTO_TCP, true, word);
	assert_true(has(word, 1));
	assert_false(has(word, 65535) || has(word, 4));
}

static void follows_sockets(void **state)
{
	__u16 tcp_port, udp_port;
	int tcp = open_socket(SOCK_STREAM, "0.0.0.0", &tcp_port);
	int udp = open_socket(SOCK_DGRAM, "0.0.0.0", &udp_port);

	(void)state;
	assert_int_equal(listen(tcp, 1), 0);
	update();
	assert_true(has(ports[SPACE_TCP].held, tcp_port));
	assert_true(has(ports[SPACE_UDP].held, udp_port));
	close(tcp);
	close(udp);
	update();
	assert_false(has(ports[SPACE_TCP].held, tcp_port));
	assert_false(has(ports[SPACE_UDP].held, udp_port));
}

/* What hooks have noted lasts until the next list says otherwise. */
static void forgets_what_no_socket_has(void **state)
{
	(void)state;
	ports[SPACE_TCP].held[0] = ports[SPACE_TCP].fresh[0] = 1; /* port 0 is no socket's */
	update();
	assert_int_equal(ports[SPACE_TCP].fresh[0], 0);
	assert_int_equal(ports[SPACE_TCP].held[0] & 1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_sockets_of_any_address_but_the_loopback),
		cmocka_unit_test(follows_sockets),
		cmocka_unit_test(forgets_what_no_socket_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
