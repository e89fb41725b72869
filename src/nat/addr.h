/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kind of address it is: nobody's, the machine's own, an internal host's. */
#ifndef BAUTA_ADDR_H
#define BAUTA_ADDR_H

#include "platform.h"

static __always_inline bool addr_is_multicast(__be32 addr)
{
	return (addr & cpu_to_be32(0xf0000000)) == cpu_to_be32(0xe0000000);
}

/* Addresses that never name a host: 0/8, 127/8, 240/4 (RFC 1812 §5.3.7). */
static __always_inline bool addr_is_martian(__be32 addr)
{
	return !(addr & cpu_to_be32(0xff000000)) || (addr & cpu_to_be32(0xff000000)) == cpu_to_be32(0x7f000000) ||
	       (addr & cpu_to_be32(0xf0000000)) == cpu_to_be32(0xf0000000);
}

static __always_inline bool addr_is_in(const struct prefix *prefix, __be32 addr)
{
	return (addr & prefix->mask) == prefix->addr;
}

/* An address of the external interface, or an external one. */
static __always_inline bool addr_is_own(const struct config *cfg, __be32 addr)
{
	for (__u32 i = 0; i < MAX_OWN; i++) {
		if (i >= cfg->num_own)
			break;
		if (addr_is_in(&cfg->own[i], addr))
			return true;
	}
	return false;
}

static __always_inline bool addr_is_internal(const struct config *cfg, __be32 addr)
{
	if (!cfg->num_internal)
		return true;
	for (__u32 i = 0; i < MAX_INTERNAL; i++) {
		if (i >= cfg->num_internal)
			break;
		if (addr_is_in(&cfg->internal[i], addr))
			return true;
	}
	return false;
}

/* Whether internal hosts are seen as this address. */
static __always_inline bool addr_is_external(const struct config *cfg, __be32 addr)
{
	for (__u32 i = 0; i < MAX_EXTERNAL; i++) {
		if (i >= cfg->num_external)
			break;
		if (cfg->external[i].addr == addr)
			return true;
	}
	return false;
}

#endif
