/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which sessions, mappings or failures a verb is about: proto=tcp internal=ADDR[:PORT] external=.. remote=.. state=..
 * reason=..
 */
#include "filter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "endpoint.h"
#include "platform.h"
#include "reason_text.h"
#include "words.h"

static const struct {
	const char *name;
	enum filter_field field;
} field_word[] = {
	{ "proto", FILTER_PROTO },   { "internal", FILTER_INTERNAL }, { "external", FILTER_EXTERNAL },
	{ "remote", FILTER_REMOTE }, { "state", FILTER_STATE },       { "reason", FILTER_REASON },
};

#define NUM_FIELD (sizeof(field_word) / sizeof(field_word[0]))

/* "proto=, internal= and external=" of the fields that are allowed. */
static char *list_fields(unsigned int allowed, char *text, size_t size)
{
	unsigned int left = __builtin_popcount(allowed);
	size_t len = 0;

	*text = '\0';
	for (size_t i = 0; i < NUM_FIELD && len < size; i++) {
		if (!(allowed & field_word[i].field))
			continue;
		left--;
		len += snprintf(text + len, size - len, "%s=%s", field_word[i].name,
				left > 1 ? ", "
				: left   ? " and "
					 : "");
	}
	return text;
}

static enum filter_field find_field(const char *word, size_t len)
{
	for (size_t i = 0; i < NUM_FIELD; i++)
		if (strlen(field_word[i].name) == len && strncmp(word, field_word[i].name, len) == 0)
			return field_word[i].field;
	return 0;
}

static int set_state(const char *value, const char *word, enum session_state *ret_state, struct fault *fault)
{
	for (enum session_state state = 0; state < NUM_SESSION_STATE; state++)
		if (strcmp(value, state_name[state]) == 0) {
			*ret_state = state;
			return 0;
		}
	return fault_set(fault, EINVAL,
			 "filter \"%s\": a state is active, opening, established, half-closed, closing or reset", word);
}

/* Of what was dropped, refused or denied: the reasons that failures have. */
static int set_reason(const char *value, const char *word, enum reason *ret_reason, struct fault *fault)
{
	char names[400];
	size_t len = 0;

	for (enum reason reason = DROPPED_IP_HEADER; reason < NUM_REASON; reason++)
		if (strcmp(value, reason_text[reason].name) == 0) {
			*ret_reason = reason;
			return 0;
		}
	for (enum reason reason = REFUSED_PROTOCOL; reason < NUM_REASON && len < sizeof(names); reason++)
		len += snprintf(names + len, sizeof(names) - len, "%s, ", reason_text[reason].name);
	return fault_set(fault, EINVAL,
			 "filter \"%s\": a reason is %sor one of those that bauta show drops lists as dropped", word,
			 names);
}

/* ADDR, ADDR/LENGTH, ADDR:PORT, ADDR/LENGTH:PORT or :PORT */
static int set_endpoint(const char *value, const char *word, struct endpoint_filter *ret_filter, struct fault *fault)
{
	const char *colon = strchrnul(value, ':');
	struct endpoint_filter filter = {};
	struct endpoint endpoint;
	char head[PREFIX_TEXT + 1], whole[PREFIX_TEXT + 16];
	struct fault detail;
	int error;

	if (colon > value) {
		snprintf(head, sizeof(head), "%.*s", (int)(colon - value), value);
		error = colon - value < (int)sizeof(head) ? prefix_parse(head, "address", &filter.prefix, &detail)
							  : -EINVAL;
		if (error == -ERANGE)
			return fault_set(fault, EINVAL, "filter \"%s\": %s", word, detail.text);
		if (error)
			goto refuse;
	}
	if (*colon) {
		snprintf(whole, sizeof(whole), "0.0.0.0%s", colon);
		if (strlen(colon) > 6 || endpoint_parse(whole, "port", &endpoint, &detail))
			goto refuse;
		filter.port = endpoint.port;
		filter.has_port = true;
	} else if (colon == value) {
		goto refuse;
	}
	*ret_filter = filter;
	return 0;
refuse:
	return fault_set(fault, EINVAL,
			 "filter \"%s\": an endpoint is ADDRESS, ADDRESS/LENGTH, ADDRESS:PORT or :PORT, such as "
			 "192.168.0.5 or 192.168.0.0/24",
			 word);
}

static int set_field(struct filter *filter, enum filter_field field, const char *value, const char *word,
		     struct fault *fault)
{
	switch (field) {
	case FILTER_PROTO:
		filter->proto = proto_parse(value);
		return filter->proto ? 0
				     : fault_set(fault, EINVAL, "filter \"%s\": a protocol is tcp, udp or icmp", word);
	case FILTER_INTERNAL:
		return set_endpoint(value, word, &filter->internal, fault);
	case FILTER_EXTERNAL:
		return set_endpoint(value, word, &filter->external, fault);
	case FILTER_REMOTE:
		return set_endpoint(value, word, &filter->remote, fault);
	case FILTER_STATE:
		return set_state(value, word, &filter->state, fault);
	case FILTER_REASON:
		return set_reason(value, word, &filter->reason, fault);
	case FILTER_SESSION:
	case FILTER_MAPPING:
	case FILTER_PORTS:
	case FILTER_FAILURE:
		break;
	}
	return -EINVAL;
}

int filter_add(struct filter *filter, const char *word, unsigned int allowed, struct fault *fault)
{
	const char *sign = strchrnul(word, '=');
	enum filter_field field = find_field(word, sign - word);
	char names[64];
	int error;

	if (!allowed)
		return fault_set(fault, EINVAL, "\"%s\": nothing can be filtered here", word);
	if (!*sign || !field)
		return fault_set(fault, EINVAL, "\"%s\": not a filter; %s are", word,
				 list_fields(allowed, names, sizeof(names)));
	if (!(field & allowed))
		return fault_set(fault, EINVAL, "filter \"%s\": not here; %s are accepted", word,
				 list_fields(allowed, names, sizeof(names)));
	if (filter->fields & field)
		return fault_set(fault, EINVAL, "filter \"%s\": %.*s= is there twice", word, (int)(sign - word), word);
	error = set_field(filter, field, sign + 1, word, fault);
	if (!error)
		filter->fields |= field;
	return error;
}

static bool match_endpoint(const struct endpoint_filter *filter, struct endpoint endpoint)
{
	if ((endpoint.addr & filter->prefix.mask) != filter->prefix.addr)
		return false;
	return !filter->has_port || filter->port == endpoint.port;
}

static bool match_pair(const struct filter *filter, const struct pair *pair)
{
	unsigned int fields = filter->fields;

	if ((fields & FILTER_PROTO) && filter->proto != pair->proto)
		return false;
	if ((fields & FILTER_INTERNAL) && !match_endpoint(&filter->internal, pair->internal))
		return false;
	if ((fields & FILTER_EXTERNAL) && !match_endpoint(&filter->external, pair->external))
		return false;
	return !(fields & FILTER_REMOTE) || match_endpoint(&filter->remote, pair->remote);
}

bool filter_match(const struct filter *filter, const struct pair *pair, enum session_state state)
{
	return match_pair(filter, pair) && (!(filter->fields & FILTER_STATE) || filter->state == state);
}

bool filter_match_failure(const struct filter *filter, const struct pair *pair, enum reason reason)
{
	return match_pair(filter, pair) && (!(filter->fields & FILTER_REASON) || filter->reason == reason);
}
