/* SPDX-License-Identifier: GPL-2.0-or-later */
/* At tc, skb->protocol of a VLAN-tagged frame can be that of the packet inside: vlan_present must be looked at as
 * well.
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hook.h"
#include "net.h"
#include "tap.h"
#include "tc_vlan.h"

#include "kernel/tc_vlan.skel.h"

enum { TAG = 7, LONG = 777, LIMIT_MS = 2000 };

static void wait_for(const volatile unsigned int *num_seen)
{
	double start = net_milliseconds();

	while (*num_seen == 0 && net_milliseconds() - start < LIMIT_MS)
		poll(NULL, 0, 1);
}

/* A frame with a tag in it, as it comes off a wire. */
static void send_tagged(const char *device)
{
	uint8_t frame[LONG] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 0x81, 0, 0, TAG, 0x08, 0x00, 0x45
	};
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = if_nametoindex(device),
				  .sll_halen = ETH_ALEN };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_8021Q));

	if (sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)) != sizeof(frame))
		tap_die("cannot send a frame");
	close(fd);
}

static void try_leaving(struct tc_vlan *bpf)
{
	struct sockaddr_in to = net_address("198.51.100.2", 9);
	static char data[LONG];
	int fd;

	if (system("ip link add link ext name ext.7 type vlan id 7 2>/dev/null")) {
		tap_skip("a VLAN device on top", "this kernel has none");
		return;
	}
	net_shell("ip address add 198.51.100.1/24 dev ext.7 && ip link set ext.7 up && "
		  "ip neighbour add 198.51.100.2 lladdr 02:00:00:00:00:02 dev ext.7");
	fd = net_socket(SOCK_DGRAM, NULL, 0);
	if (sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		tap_die("cannot send a datagram");
	close(fd);
	wait_for(&bpf->bss->leaving.num_seen);
	tap_equal(bpf->bss->leaving.num_seen, 1,
		  "a datagram of a VLAN device is seen at tc egress of the device below");
	tap_ok(bpf->bss->leaving.vlan_present && bpf->bss->leaving.vlan_tci == TAG,
	       "there vlan_present tells that it is tagged");
	tap_note("and skb->protocol is 0x%04x, in the frame stands 0x%04x", bpf->bss->leaving.protocol,
		 bpf->bss->leaving.ethertype);
}

int main(void)
{
	struct net net = net_create();
	struct tc_vlan *bpf = tc_vlan__open_and_load();

	if (!bpf)
		tap_die("cannot load the programs");
	bpf->bss->wanted_len = LONG - 4; /* without the tag */
	hook_attach("ext", BPF_TC_INGRESS, bpf->progs.enter);
	hook_attach("ext", BPF_TC_EGRESS, bpf->progs.leave);

	net_enter(net.remote);
	send_tagged("eth0");
	net_enter(net.gateway);
	wait_for(&bpf->bss->entering.num_seen);
	tap_equal(bpf->bss->entering.num_seen, 1, "a tagged frame is seen at tc ingress");
	tap_ok(bpf->bss->entering.vlan_present && bpf->bss->entering.vlan_tci == TAG,
	       "vlan_present tells that it is tagged");
	tap_note("and skb->protocol is 0x%04x, in the frame stands 0x%04x", bpf->bss->entering.protocol,
		 bpf->bss->entering.ethertype);
	try_leaving(bpf);
	tc_vlan__destroy(bpf);
	return tap_finish();
}
