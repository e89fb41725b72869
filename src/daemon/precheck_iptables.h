/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of the old iptables (those of iptables-nft are nftables') that translate the source of what leaves by an
 * interface.
 */
#ifndef BAUTA_PRECHECK_IPTABLES_H
#define BAUTA_PRECHECK_IPTABLES_H

#include "check.h"
#include "fault.h"

/* Adds them to the facts. Loads no table that is not there yet. */
int precheck_iptables(const char *iface, struct check_facts *facts, struct fault *fault);

#endif
