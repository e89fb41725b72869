/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf_get_netns_cookie in tc: 6.1 and 6.12 do not have it, so nothing may lean on it; a tc program belongs to a
 * device anyway.
 */
#include <sys/socket.h>

#include "hook.h"
#include "kernel/netns_cookie_tc.skel.h"
#include "net.h"
#include "tap.h"

enum { COOKIE = 71 /* SO_NETNS_COOKIE */ };

int main(void)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	struct netns_cookie_tc *bpf = netns_cookie_tc__open_and_load();

	libbpf_set_print(print);
	if (!bpf) {
		tap_skip("bpf_get_netns_cookie in tc", "this kernel's tc does not have it");
		return tap_finish();
	}
	net_enter(net_namespace());
	if (getsockopt(net_socket(SOCK_DGRAM, NULL, 0), SOL_SOCKET, COOKIE, &cookie, &len))
		tap_die("cannot ask for the cookie of the network namespace");
	hook_run_once(bpf->progs.tell);
	tap_equal(bpf->bss->cookie, cookie, "it is what SO_NETNS_COOKIE says");
	netns_cookie_tc__destroy(bpf);
	return tap_finish();
}
