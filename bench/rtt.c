/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conversations over TCP, and how long an answer takes.
 *
 *   rtt serve ADDRESS PORT                          until it is killed; prints a line when it listens
 *   rtt ask ADDRESS PORT CONVERSATIONS MBIT MSEC    conversations that each ask again when they have the answer, beside a
 *                                                   stream of so many megabits a second; one JSON object
 */
/* Conversations over TCP, and how long an answer takes.
 *
 *   rtt serve ADDRESS PORT                          until it is killed; prints a line when it listens
 *   rtt ask ADDRESS PORT CONVERSATIONS MBIT MSEC    conversations that each ask again when they have the answer, beside a stream
 * of
 *                                                   so many megabits a second; one JSON object
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define ASK_BYTES 64
#define MAX_CONVERSATIONS 1024
#define MAX_FD 2048
#define MAX_SAMPLES (1U << 22)
#define MAX_EVENTS 64
#define WARM_NS 50000000ULL
#define STREAM_NS 1000000 /* a piece of the stream every millisecond */
#define ASKS 'a'
#define STREAMS 's'

static __attribute__((noreturn)) void die(const char *what)
{
	fprintf(stderr, "rtt: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void watch(int poll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd >= MAX_FD || epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

static void no_delay(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

/* ---- the server ------------------------------------------------------------------------------------------------ */

/* What comes first says what the connection is. */
static char kind[MAX_FD];
static char bytes[1 << 18];

static void serve_one(int fd)
{
	ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		kind[fd] = 0;
		close(fd);
		return;
	}
	if (!kind[fd])
		kind[fd] = bytes[0];
	if (kind[fd] == ASKS && send(fd, bytes, got, MSG_NOSIGNAL) != got)
		close(fd);
}

static int serve(const struct sockaddr_in *address)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0);
	struct epoll_event event[MAX_EVENTS];

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(listener, (const struct sockaddr *)address, sizeof(*address)) || listen(listener, MAX_CONVERSATIONS))
		die("listen");
	watch(poll, listener);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int num = epoll_wait(poll, event, MAX_EVENTS, -1);

		for (int i = 0; i < num; i++) {
			int fd = event[i].data.fd;

			if (fd != listener) {
				serve_one(fd);
				continue;
			}
			fd = accept(listener, NULL, NULL);
			if (fd >= 0) {
				no_delay(fd);
				watch(poll, fd);
			}
		}
	}
}

/* ---- the client ------------------------------------------------------------------------------------------------ */

static uint64_t asked_ns[MAX_FD];
static uint32_t sample[MAX_SAMPLES];
static uint32_t num_samples;

static int connect_as(const struct sockaddr_in *address, char what)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		die("connect");
	no_delay(fd);
	if (what == STREAMS && send(fd, &what, 1, MSG_NOSIGNAL) != 1)
		die("send");
	return fd;
}

static void ask(int fd)
{
	static const char question[ASK_BYTES] = { ASKS };

	asked_ns[fd] = now_ns();
	if (send(fd, question, sizeof(question), MSG_NOSIGNAL) != sizeof(question))
		die("send");
}

static void hear(int fd, uint64_t count_from)
{
	ssize_t got = recv(fd, bytes, ASK_BYTES, MSG_WAITALL);
	uint64_t now = now_ns();

	if (got != ASK_BYTES)
		die("recv");
	if (now >= count_from && num_samples < MAX_SAMPLES)
		sample[num_samples++] = now - asked_ns[fd];
	ask(fd);
}

/* What the socket does not take now is left out. */
static void stream(int timer, int fd, uint32_t piece)
{
	uint64_t due;

	if (read(timer, &due, sizeof(due)) != sizeof(due))
		return;
	for (uint64_t left = due * piece; left;) {
		ssize_t sent =
			send(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		left -= sent;
	}
}

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void print_samples(void)
{
	if (!num_samples) {
		fputs("rtt: no answer came\n", stderr);
		exit(1);
	}
	qsort(sample, num_samples, sizeof(*sample), compare);
	printf("{\"answers\": %u, \"p50_ns\": %u, \"p99_ns\": %u}\n", num_samples, sample[num_samples / 2],
	       sample[(uint64_t)num_samples * 99 / 100]);
}

static int converse(const struct sockaddr_in *address, uint32_t num, uint32_t mbit, uint32_t msec)
{
	struct itimerspec every = { .it_interval.tv_nsec = STREAM_NS, .it_value.tv_nsec = STREAM_NS };
	int poll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), streamer = -1;
	uint64_t count_from, end;
	struct epoll_event event[MAX_EVENTS];

	if (mbit) {
		streamer = connect_as(address, STREAMS);
		timerfd_settime(timer, 0, &every, NULL);
		watch(poll, timer);
	}
	for (uint32_t i = 0; i < num && i < MAX_CONVERSATIONS; i++) {
		int fd = connect_as(address, ASKS);

		watch(poll, fd);
		ask(fd);
	}
	count_from = now_ns() + WARM_NS;
	end = count_from + msec * 1000000ULL;
	while (now_ns() < end) {
		int ready = epoll_wait(poll, event, MAX_EVENTS, 1000);

		for (int i = 0; i < ready; i++)
			if (event[i].data.fd == timer)
				stream(timer, streamer, mbit * 125);
			else
				hear(event[i].data.fd, count_from);
	}
	print_samples();
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	if (argc < 4 || inet_pton(AF_INET, argv[2], &address.sin_addr) != 1) {
		fputs("usage: rtt serve ADDRESS PORT | rtt ask ADDRESS PORT CONVERSATIONS MBIT MSEC\n", stderr);
		return 2;
	}
	address.sin_port = htons(atoi(argv[3]));
	if (!strcmp(argv[1], "serve"))
		return serve(&address);
	if (argc != 7)
		return 2;
	return converse(&address, atoi(argv[4]), atoi(argv[5]), atoi(argv[6]));
}
