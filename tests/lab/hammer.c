/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many connections at once, and the server that says whose each of them is.
 *
 *   hammer serve ADDRESS PORT                                           until SIGTERM
 *   hammer connect ADDRESS PORT WHO ATTEMPTS WIDTH [FIRST LAST]         from ports FIRST..LAST, else from the kernel's choice
 *
 * A client sends one token that nobody else sends, and gets it back: then nobody else is on its tuple. Then it resets the
 * connection, so that the tuple is free. Both print one JSON object at their end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FD 4096
#define MAX_ERRNO 200
#define MAX_WHO 16
#define MAX_ATTEMPTS 100000
#define SLOW_MS 500
#define SILENT_MS 20000

struct token {
	uint32_t who;
	uint32_t attempt;
};

/* One attempt on its way, by its descriptor. */
struct attempt {
	bool open;
	bool sent;
	struct token token;
	int64_t begin_ms;
};

static struct sockaddr_in remote;
static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int watch(int poll, int op, int fd, uint32_t what)
{
	struct epoll_event event = { .events = what, .data.fd = fd };

	return epoll_ctl(poll, op, fd, &event);
}

static void close_at_once(int fd)
{
	const struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* ---- the server ------------------------------------------------------------------------------------------------ */

static uint8_t seen[MAX_WHO][MAX_ATTEMPTS];
static bool has_token[MAX_FD];
static unsigned int num_accepted, num_token, num_wrong;

static void accept_all(int poll, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		if (fd >= MAX_FD || watch(poll, EPOLL_CTL_ADD, fd, EPOLLIN))
			die("too many connections");
		has_token[fd] = false;
		num_accepted++;
	}
}

/* One token, and then nothing but the end: whatever else comes is somebody else's. */
static void serve(int fd)
{
	struct token token;
	ssize_t len = recv(fd, &token, sizeof(token), 0);

	if (len < 0 && errno == EAGAIN)
		return;
	if (len <= 0) {
		close_at_once(fd);
		return;
	}
	if (len != sizeof(token) || has_token[fd] || token.who >= MAX_WHO || token.attempt >= MAX_ATTEMPTS ||
	    seen[token.who][token.attempt]++)
		num_wrong++;
	has_token[fd] = true;
	num_token++;
	if (send(fd, &token, sizeof(token), MSG_NOSIGNAL) < 0)
		close_at_once(fd);
}

static int run_server(void)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0), on = 1;
	struct epoll_event event[64];

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&remote, sizeof(remote)) || listen(listener, 4096))
		die("listen");
	watch(poll, EPOLL_CTL_ADD, listener, EPOLLIN);
	while (!stopped) {
		int num = epoll_wait(poll, event, 64, 100);

		for (int i = 0; i < num; i++) {
			if (event[i].data.fd == listener)
				accept_all(poll, listener);
			else
				serve(event[i].data.fd);
		}
	}
	printf("{\"accepted\": %u, \"tokens\": %u, \"wrong\": %u}\n", num_accepted, num_token, num_wrong);
	return EXIT_SUCCESS;
}

/* ---- the clients ----------------------------------------------------------------------------------------------- */

static struct attempt attempts[MAX_FD];
static unsigned int num_open, num_served, num_mixed, num_slow, num_silent;
static unsigned int told[MAX_ERRNO];

static void end(int fd, int error)
{
	struct attempt *attempt = &attempts[fd];

	if (now_ms() - attempt->begin_ms >= SLOW_MS)
		num_slow++;
	if (error)
		told[error < MAX_ERRNO ? error : 0]++;
	attempt->open = false;
	num_open--;
	close_at_once(fd);
}

static void begin(int poll, struct token token, unsigned int first, unsigned int last)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
	struct sockaddr_in own = { .sin_family = AF_INET };

	if (fd < 0 || fd >= MAX_FD)
		die("socket");
	attempts[fd] = (struct attempt){ .open = true, .token = token, .begin_ms = now_ms() };
	num_open++;
	if (first) {
		own.sin_port = htons(first + rand() % (last - first + 1));
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&own, sizeof(own))) {
			end(fd, errno);
			return;
		}
	}
	if (connect(fd, (struct sockaddr *)&remote, sizeof(remote)) && errno != EINPROGRESS) {
		end(fd, errno);
		return;
	}
	if (watch(poll, EPOLL_CTL_ADD, fd, EPOLLOUT))
		die("epoll_ctl");
}

static void go_on(int poll, int fd)
{
	struct attempt *attempt = &attempts[fd];
	struct token answer;
	int error = 0;
	socklen_t len = sizeof(error);
	ssize_t got;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		end(fd, error);
	} else if (!attempt->sent) {
		attempt->sent = true;
		if (send(fd, &attempt->token, sizeof(attempt->token), MSG_NOSIGNAL) < 0)
			end(fd, errno);
		else
			watch(poll, EPOLL_CTL_MOD, fd, EPOLLIN);
	} else {
		got = recv(fd, &answer, sizeof(answer), 0);
		if (got < 0) {
			end(fd, errno);
			return;
		}
		if (got == sizeof(answer) && !memcmp(&answer, &attempt->token, sizeof(answer)))
			num_served++;
		else
			num_mixed++;
		end(fd, 0);
	}
}

static void give_up_silent(void)
{
	for (int fd = 0; fd < MAX_FD; fd++) {
		if (attempts[fd].open && now_ms() - attempts[fd].begin_ms > SILENT_MS) {
			num_silent++;
			end(fd, 0);
		}
	}
}

static void print_clients(void)
{
	const char *comma = "";

	printf("{\"served\": %u, \"mixed\": %u, \"slow\": %u, \"silent\": %u, \"told\": {", num_served, num_mixed,
	       num_slow, num_silent);
	for (int error = 0; error < MAX_ERRNO; error++) {
		if (!told[error])
			continue;
		printf("%s\"%s\": %u", comma, strerrorname_np(error), told[error]);
		comma = ", ";
	}
	printf("}}\n");
}

static int run_clients(uint32_t who, uint32_t num, unsigned int width, unsigned int first, unsigned int last)
{
	int poll = epoll_create1(0);
	struct epoll_event event[64];
	int64_t looked_ms = now_ms();
	uint32_t next = 0;

	while (next < num || num_open) {
		int ready;

		for (int burst = 0; burst < 8 && next < num && num_open < width; burst++)
			begin(poll, (struct token){ .who = who, .attempt = next++ }, first, last);
		ready = epoll_wait(poll, event, 64, next < num && num_open < width ? 0 : 100);
		for (int i = 0; i < ready; i++)
			go_on(poll, event[i].data.fd);
		if (now_ms() - looked_ms > 1000) {
			give_up_silent();
			looked_ms = now_ms();
		}
	}
	print_clients();
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const struct rlimit files = { MAX_FD, MAX_FD };

	signal(SIGTERM, stop);
	setrlimit(RLIMIT_NOFILE, &files);
	if (argc < 4 || inet_pton(AF_INET, argv[2], &remote.sin_addr) != 1)
		return EXIT_FAILURE;
	remote.sin_family = AF_INET;
	remote.sin_port = htons(atoi(argv[3]));
	if (strcmp(argv[1], "serve") == 0)
		return run_server();
	if (argc < 7)
		return EXIT_FAILURE;
	srand(atoi(argv[4]));
	return run_clients(atoi(argv[4]), atoi(argv[5]), atoi(argv[6]), argc > 8 ? atoi(argv[7]) : 0,
			   argc > 8 ? atoi(argv[8]) : 0);
}
