/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many UDP sessions that all stay in use, new ones beside them, and the server that says whose each of them is.
 *
 *   flock serve ADDRESS FIRST_PORT NUM_PORTS              until SIGTERM
 *   flock ask ADDRESS FIRST_PORT NUM_PORTS NUM_SOCKETS    NUM_PORTS * NUM_SOCKETS sessions, until SIGTERM
 *
 * The client asks on one session after the other, some at a time, and is told the endpoint that it was seen as. It prints a line
 * when each has been answered once, and at its end one JSON object: how many questions were `lost` on sessions that had been
 * answered before, on how many sessions the endpoint has `changed`, how many `fresh` sessions were begun beside these, and
 * how many of their first questions had to be `repeated`.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_PORTS 64
#define MAX_SOCKETS 1000
#define WINDOW 48 /* sessions that are asked at a time */
#define FRESH 4   /* and new ones beside them */
#define PATIENCE_MS 400

struct seen {
	uint32_t addr;
	uint16_t port;
	uint16_t asked; /* 0: never answered */
};

struct message {
	uint32_t token;
	struct seen seen;
};

static struct sockaddr_in server;
static volatile sig_atomic_t stopped;
static struct seen seen[MAX_PORTS * MAX_SOCKETS];
static uint32_t turn, lost, changed, fresh, repeated;
static uint64_t answered;

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
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

static int make_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static int serve(int num_ports)
{
	struct pollfd polled[MAX_PORTS];

	for (int i = 0; i < num_ports; i++) {
		struct sockaddr_in own = server;

		own.sin_port = htons(ntohs(server.sin_port) + i);
		polled[i] = (struct pollfd){ .fd = make_socket(), .events = POLLIN };
		if (bind(polled[i].fd, (struct sockaddr *)&own, sizeof(own)))
			die("bind");
	}
	puts("ready");
	fflush(stdout);
	while (!stopped) {
		if (poll(polled, num_ports, 1000) <= 0)
			continue;
		for (int i = 0; i < num_ports; i++) {
			struct sockaddr_in peer = { 0 };
			socklen_t len = sizeof(peer);
			struct message message;

			while (recvfrom(polled[i].fd, &message, sizeof(message), 0, (struct sockaddr *)&peer, &len) ==
			       sizeof(message)) {
				message.seen.addr = peer.sin_addr.s_addr;
				message.seen.port = peer.sin_port;
				sendto(polled[i].fd, &message, sizeof(message), 0, (struct sockaddr *)&peer, len);
			}
		}
	}
	return 0;
}

/* A question under way: on which session, or on a fresh one. */
struct question {
	bool is_fresh;
	bool done;
	uint32_t session;
	uint32_t token;
	uint16_t port;
};

static void send_question(int fd, const struct question *question)
{
	struct message message = { .token = question->token };
	struct sockaddr_in to = server;

	to.sin_port = htons(ntohs(server.sin_port) + question->port);
	if (sendto(fd, &message, sizeof(message), 0, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EAGAIN)
		die("sendto");
}

static void take_answer(struct question *question, const struct message *message)
{
	struct seen *first = &seen[question->session];

	if (message->token != question->token)
		return; /* late: it was counted as lost */
	question->done = true;
	answered++;
	if (question->is_fresh)
		return;
	if (!first->asked)
		*first = message->seen;
	else if (first->addr != message->seen.addr || first->port != message->seen.port)
		changed++;
	first->asked = 1;
}

static bool wait_for_answers(struct pollfd *polled, struct question *question, int num)
{
	int64_t end = now_ms() + PATIENCE_MS;
	int left = num;

	for (int i = 0; i < num; i++)
		left -= question[i].done;
	while (left && now_ms() < end) {
		if (poll(polled, num, 20) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < num; i++) {
			struct message message;

			while (recv(polled[i].fd, &message, sizeof(message), 0) == sizeof(message)) {
				bool before = question[i].done;

				take_answer(&question[i], &message);
				left -= question[i].done && !before;
			}
		}
	}
	return !left;
}

/* Asks until all are answered; only a first question may be lost. */
static void ask_all(struct pollfd *polled, struct question *question, int num)
{
	for (int i = 0; i < num; i++)
		send_question(polled[i].fd, &question[i]);
	while (!wait_for_answers(polled, question, num))
		for (int i = 0; i < num; i++) {
			if (question[i].done)
				continue;
			if (!question[i].is_fresh && seen[question[i].session].asked)
				lost++;
			else
				repeated++;
			send_question(polled[i].fd, &question[i]);
		}
}

static int ask(int num_ports, int num_sockets)
{
	static int fd[MAX_SOCKETS];
	uint32_t num = num_ports * num_sockets;
	bool told = false;

	for (int i = 0; i < num_sockets; i++)
		fd[i] = make_socket();
	for (uint32_t next = 0; !stopped; next = (next + WINDOW) % num) {
		struct pollfd polled[WINDOW + FRESH];
		struct question question[WINDOW + FRESH];

		for (int i = 0; i < WINDOW + FRESH; i++) {
			uint32_t session = (next + i) % num;
			bool is_fresh = i >= WINDOW;

			question[i] = (struct question){
				.is_fresh = is_fresh, .session = session, .token = ++turn, .port = session / num_sockets
			};
			polled[i] = (struct pollfd){ .fd = is_fresh ? make_socket() : fd[session % num_sockets],
						     .events = POLLIN };
		}
		ask_all(polled, question, WINDOW + FRESH);
		for (int i = WINDOW; i < WINDOW + FRESH; i++)
			close(polled[i].fd);
		fresh += FRESH;
		if (!told && next + WINDOW >= num) {
			told = true;
			puts("all answered");
			fflush(stdout);
		}
	}
	printf("{\"sessions\": %u, \"answered\": %llu, \"lost\": %u, \"changed\": %u, \"fresh\": %u, \"repeated\": "
	       "%u}\n",
	       num, (unsigned long long)answered, lost, changed, fresh, repeated);
	return 0;
}

int main(int argc, char **argv)
{
	int num_ports, num_sockets;

	if (argc < 5)
		return 2;
	server = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(atoi(argv[3])) };
	inet_pton(AF_INET, argv[2], &server.sin_addr);
	num_ports = atoi(argv[4]);
	num_sockets = argc > 5 ? atoi(argv[5]) : 1;
	if (num_ports < 1 || num_ports > MAX_PORTS || num_sockets < 1 || num_sockets > MAX_SOCKETS)
		return 2;
	signal(SIGTERM, stop);
	return strcmp(argv[1], "serve") == 0 ? serve(num_ports) : ask(num_ports, num_sockets);
}
