/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which sessions, mappings or failures a verb is about: proto=tcp internal=ADDR[:PORT] external=.. remote=.. state=..
 * reason=..
 */
#ifndef BAUTA_FILTER_H
#define BAUTA_FILTER_H

#include <linux/types.h>
#include <stdbool.h>

#include "contract.h"
#include "fault.h"
#include "session.h"
#include "store.h"

enum filter_field {
	FILTER_PROTO = 1,
	FILTER_INTERNAL = 2,
	FILTER_EXTERNAL = 4,
	FILTER_REMOTE = 8,
	FILTER_STATE = 16,
	FILTER_REASON = 32,
	FILTER_SESSION = 31, /* what a session can be chosen by */
	FILTER_MAPPING = 7,
	FILTER_PORTS = 5,
	FILTER_FAILURE = 47,
};

/* ADDR, ADDR/LENGTH, ADDR:PORT, ADDR/LENGTH:PORT or :PORT. */
struct endpoint_filter {
	struct prefix prefix;
	__be16 port;
	bool has_port;
};

/* Begin with all zero: everything matches. */
struct filter {
	unsigned int fields; /* those that were given */
	__u8 proto;
	enum session_state state;
	enum reason reason;
	struct endpoint_filter internal;
	struct endpoint_filter external;
	struct endpoint_filter remote;
};

/* Adds one word; `allowed` are the fields that make sense. -EINVAL: the fault says what would be accepted. */
int filter_add(struct filter *filter, const char *word, unsigned int allowed, struct fault *fault);

bool filter_match(const struct filter *filter, const struct pair *pair, enum session_state state);
bool filter_match_failure(const struct filter *filter, const struct pair *pair, enum reason reason);

#endif
