/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of nftables (iptables-nft among them) that translate the source of what leaves by an interface. */
#ifndef BAUTA_PRECHECK_NFT_H
#define BAUTA_PRECHECK_NFT_H

#include "check.h"
#include "fault.h"

/* Adds them to the facts. A kernel without nftables has none. */
int precheck_nft(const char *iface, unsigned int ifindex, struct check_facts *facts, struct fault *fault);

#endif
