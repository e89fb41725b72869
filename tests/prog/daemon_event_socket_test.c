/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket of events: who reads gets every line; who does not is dropped, and nobody waits for him. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "daemon/event_socket.h"

#define LINE_LEN 100
#define MAX_TURNS 1000

static char dir[] = "/tmp/bauta-test-XXXXXX";
static char path[64];
static struct event_base *base;
static struct event_socket *server;

static int connect_client(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Lets the loop run until so many clients are there. */
static void wait_clients(int num)
{
	for (int i = 0; i < MAX_TURNS && event_socket_num_clients(server) != num; i++)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(event_socket_num_clients(server), num);
}

static void send_line(unsigned int number)
{
	char line[LINE_LEN + 1];

	snprintf(line, sizeof(line), "%0*u\n", LINE_LEN - 1, number);
	event_socket_send(server, line, LINE_LEN);
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* Reads one whole line of what has been sent. */
static unsigned int read_line(int fd)
{
	char line[LINE_LEN];
	size_t len = 0;

	for (int i = 0; i < MAX_TURNS && len < sizeof(line); i++) {
		ssize_t got = recv(fd, line + len, sizeof(line) - len, MSG_DONTWAIT);

		if (got > 0)
			len += got;
		else
			event_base_loop(base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(len, sizeof(line));
	assert_int_equal(line[LINE_LEN - 1], '\n');
	return strtoul(line, NULL, 10);
}

static int open_server(void **state)
{
	struct fault fault = {};

	(void)state;
	base = event_base_new();
	if (event_socket_open(base, path, &server, &fault))
		fail_msg("%s", fault.text);
	return 0;
}

static int close_server(void **state)
{
	(void)state;
	event_socket_close(server);
	event_base_free(base);
	assert_int_not_equal(access(path, F_OK), 0);
	return 0;
}

static void only_root_may_connect(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void sends_to_all(void **state)
{
	int one = connect_client(), other = connect_client();

	(void)state;
	wait_clients(2);
	send_line(1);
	send_line(2);
	assert_int_equal(read_line(one), 1);
	assert_int_equal(read_line(one), 2);
	assert_int_equal(read_line(other), 1);
	close(one);
	wait_clients(1);
	send_line(3);
	assert_int_equal(read_line(other), 2);
	assert_int_equal(read_line(other), 3);
	close(other);
	wait_clients(0);
	send_line(4);
}

static void drops_who_does_not_read(void **state)
{
	int reader = connect_client(), sleeper = connect_client();
	unsigned int sent = 0;

	(void)state;
	wait_clients(2);
	/* Both buffers of the kernel's and the backlog are well below this. */
	while (event_socket_num_clients(server) == 2 && sent < 100000) {
		send_line(++sent);
		assert_int_equal(read_line(reader), sent);
	}
	assert_int_equal(event_socket_num_clients(server), 1);
	send_line(++sent);
	assert_int_equal(read_line(reader), sent);
	assert_int_equal(read_line(sleeper), 1); /* what he was sent is still his */
	close(reader);
	close(sleeper);
	wait_clients(0);
}

static void takes_the_place_of_an_earlier_run(void **state)
{
	struct event_socket *next = NULL;
	struct fault fault = {};
	char byte;
	int fd;

	(void)state;
	assert_int_equal(event_socket_open(base, path, &next, &fault), 0);
	fd = connect_client();
	for (int i = 0; i < MAX_TURNS && !event_socket_num_clients(next); i++)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(event_socket_num_clients(next), 1);
	assert_int_equal(event_socket_num_clients(server), 0);
	event_socket_close(next);
	event_base_loop(base, EVLOOP_NONBLOCK); /* libevent closes what it was told to when it turns */
	assert_int_equal(recv(fd, &byte, sizeof(byte), 0), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_root_may_connect, open_server, close_server),
		cmocka_unit_test_setup_teardown(sends_to_all, open_server, close_server),
		cmocka_unit_test_setup_teardown(drops_who_does_not_read, open_server, close_server),
		cmocka_unit_test_setup_teardown(takes_the_place_of_an_earlier_run, open_server, close_server),
	};
	int failed;

	if (!mkdtemp(dir)) {
		perror("mkdtemp");
		return EXIT_FAILURE;
	}
	snprintf(path, sizeof(path), "%s/events", dir);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
