/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking a device, as ethtool does. */
#include "offload.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

bool offload_strips_vlans(const char *iface)
{
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };
	struct ifreq request = { .ifr_data = (void *)&flags };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool told;

	if (sock < 0)
		return false;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", iface);
	told = ioctl(sock, SIOCETHTOOL, &request) == 0;
	close(sock);
	return told && (flags.data & ETH_FLAG_RXVLAN);
}
