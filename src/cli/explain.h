/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of `bauta explain` share: the question, and the answer as it is put together. */
#ifndef BAUTA_EXPLAIN_H
#define BAUTA_EXPLAIN_H

#include <jansson.h>

#include "command.h"
#include "endpoint.h"
#include "filter.h"
#include "sockets.h"
#include "table.h"

struct explain {
	__u8 proto;
	struct endpoint first; /* of the two that were given: external, or internal */
	struct endpoint remote;
	const char *proto_word;
	char first_text[ENDPOINT_TEXT];
	char remote_text[ENDPOINT_TEXT];
	struct table *table;
	struct sockets *sockets; /* of the host */
	json_t *answer;
	char text[1024];
	char left[256]; /* how much is left, or "" */
};

/* Who owns an external tuple; and if nobody does, what the next one meets. */
void explain_tuple(struct explain *explain);

/* What a flow of an internal host has; and if it has nothing, what it would get. */
void explain_flow(struct explain *explain);

/* Add a value to the answer, and words to its sentence. */
void explain_put(struct explain *explain, const char *key, json_t *value);
void explain_say(struct explain *explain, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How much is left toward the remote, on this external address. */
void explain_headroom(struct explain *explain, __be32 external);

/* A socket of the host in the way: {state, pid, process} into `record`, and "process 12 (nc), whose socket is listening"
 * into the sentence.
 */
void explain_socket(struct explain *explain, json_t *record, const struct host_socket *socket);

/* Prints the newest failures that match, at most `limit`; 0: all. */
int explain_last(const struct table *table, const struct filter *filter, unsigned int limit, bool json,
		 struct fault *fault);

#endif
