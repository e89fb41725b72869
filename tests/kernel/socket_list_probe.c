/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which sockets sock_diag lists: with --borrow the ports of these, and no others, stay the host's. */
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "net.h"
#include "platform.h"
#include "sockets.h"
#include "tap.h"

enum { BOUND = 50000, LISTENING, UDP };

static bool is_listed(__u8 proto, uint16_t port)
{
	struct sockets sockets;
	bool found = false;
	struct fault fault;

	if (sockets_read(&sockets, &fault))
		tap_die("%s", fault.text);
	for (size_t i = 0; i < sockets.num; i++)
		found |= sockets.socket[i].proto == proto && sockets.socket[i].local.port == cpu_to_be16(port);
	sockets_free(&sockets);
	return found;
}

static bool is_older_than_6_8(void)
{
	int major = 0, minor = 0;
	struct utsname kernel;

	return uname(&kernel) == 0 && sscanf(kernel.release, "%d.%d", &major, &minor) == 2 &&
	       (major < 6 || (major == 6 && minor < 8));
}

int main(void)
{
	int bound, listening, udp;

	net_enter(net_namespace());
	bound = net_socket(SOCK_STREAM, "0.0.0.0", BOUND);
	listening = net_socket(SOCK_STREAM, "0.0.0.0", LISTENING);
	udp = net_socket(SOCK_DGRAM, "0.0.0.0", UDP);
	if (listen(listening, 1))
		tap_die("cannot listen");
	tap_ok(is_listed(IPPROTO_TCP, LISTENING), "a listening socket is listed");
	tap_ok(is_listed(IPPROTO_UDP, UDP), "so is one of UDP that is bound");
	if (is_older_than_6_8())
		tap_skip("so is one of TCP that is only bound", "kernels list them from 6.8 on");
	else
		tap_ok(is_listed(IPPROTO_TCP, BOUND), "so is one of TCP that is only bound");
	close(bound);
	tap_ok(!is_listed(IPPROTO_TCP, BOUND), "and is not when it is closed");
	close(listening);
	close(udp);
	return tap_finish();
}
