/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of ports, written as ranges: "50000" or "40000-49999,52000,60000-60999". */
#include "ranges.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has(const struct ranges *ranges, unsigned int port)
{
	return ranges->word[port / 64] >> (port % 64) & 1;
}

void ranges_add(struct ranges *ranges, __u16 first, __u16 last)
{
	for (unsigned int port = first; port <= last; port++)
		ranges->word[port / 64] |= 1ull << (port % 64);
}

bool ranges_contain(const struct ranges *ranges, __u16 port)
{
	return has(ranges, port);
}

unsigned int ranges_count(const struct ranges *ranges)
{
	unsigned int count = 0;

	for (size_t i = 0; i < NUM_PORTS / 64; i++)
		count += __builtin_popcountll(ranges->word[i]);
	return count;
}

void ranges_subtract(struct ranges *ranges, const struct ranges *less)
{
	for (size_t i = 0; i < NUM_PORTS / 64; i++)
		ranges->word[i] &= ~less->word[i];
}

void ranges_intersect(struct ranges *ranges, const struct ranges *with)
{
	for (size_t i = 0; i < NUM_PORTS / 64; i++)
		ranges->word[i] &= with->word[i];
}

bool ranges_next(const struct ranges *ranges, unsigned int *port, __u16 *ret_first, __u16 *ret_last)
{
	unsigned int first = *port, end;

	while (first < NUM_PORTS && !has(ranges, first))
		first++;
	if (first >= NUM_PORTS)
		return false;
	for (end = first; end < NUM_PORTS && has(ranges, end); end++)
		;
	*ret_first = first;
	*ret_last = end - 1;
	*port = end;
	return true;
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

/* A port at *text, which is set behind it: 0 when there is no number, -1 when it is not a port. */
static int parse_port(const char **text)
{
	unsigned long port;
	char *end;

	if (**text < '0' || **text > '9')
		return 0;
	port = strtoul(*text, &end, 10);
	*text = end;
	return port >= 1 && port <= 65535 ? (int)port : -1;
}

/* "50000" or "40000-49999" at *text, which is set behind it. */
static int parse_slice(const char *all, const char **text, int *ret_first, int *ret_last, struct fault *fault)
{
	int first = parse_port(text);
	int last = first;

	if (first && **text == '-') {
		(*text)++;
		last = parse_port(text);
	}
	if (first == 0 || last == 0 || (**text && **text != ','))
		return fault_set(fault, EINVAL, "ports \"%s\": not ports or ranges such as 50000 or 40000-49999,52000",
				 all);
	if (first < 0 || last < 0)
		return fault_set(fault, EINVAL, "ports \"%s\": a port is a number from 1 to 65535", all);
	if (first > last)
		return fault_set(fault, EINVAL, "ports \"%s\": the first port must not exceed the last", all);
	*ret_first = first;
	*ret_last = last;
	return 0;
}

static unsigned int count_slices(const struct ranges *ranges)
{
	unsigned int port = 0, num = 0;
	__u16 first, last;

	while (ranges_next(ranges, &port, &first, &last))
		num++;
	return num;
}

int ranges_parse(const char *text, struct ranges *ret_ranges, struct fault *fault)
{
	struct ranges ranges = {};
	const char *rest = text;
	int first = 0, last = 0, error;

	if (!*text)
		return fault_set(fault, EINVAL, "ports \"\": give at least one port or range such as 40000-49999");
	for (;;) {
		error = parse_slice(text, &rest, &first, &last, fault);
		if (error)
			return error;
		for (int port = first; port <= last; port++)
			if (has(&ranges, port))
				return fault_set(fault, EINVAL, "ports \"%s\": port %d is there twice", text, port);
		ranges_add(&ranges, first, last);
		if (!*rest)
			break;
		rest++;
	}
	if (count_slices(&ranges) > MAX_SLICES)
		return fault_set(fault, EINVAL, "ports: %u ranges are too many; at most %d can be given",
				 count_slices(&ranges), MAX_SLICES);
	*ret_ranges = ranges;
	return 0;
}

char *ranges_format(const struct ranges *ranges)
{
	/* "65535-65535," is the longest a slice can be. */
	size_t size = (size_t)count_slices(ranges) * 12 + 1;
	char *text = malloc(size);
	unsigned int port = 0;
	__u16 first, last;
	size_t len = 0;

	if (!text)
		return NULL;
	text[0] = '\0';
	while (ranges_next(ranges, &port, &first, &last)) {
		len += snprintf(text + len, size - len, len ? ",%u" : "%u", first);
		if (last > first)
			len += snprintf(text + len, size - len, "-%u", last);
	}
	return text;
}

/* ---- the contract's records ------------------------------------------------------------------------------------ */

int ranges_to_slices(const struct ranges *ranges, struct port_slice ret_slice[MAX_SLICES], __u32 *ret_num)
{
	unsigned int port = 0, before = 0;
	__u16 first, last;
	__u32 num = 0;

	if (count_slices(ranges) > MAX_SLICES)
		return -E2BIG;
	while (ranges_next(ranges, &port, &first, &last)) {
		ret_slice[num++] = (struct port_slice){ .first = first, .last = last, .before = before };
		before += last - first + 1;
	}
	*ret_num = num;
	return 0;
}

int ranges_to_config(const struct ranges *ranges, struct config *config)
{
	int error = ranges_to_slices(ranges, config->slice, &config->num_slices);

	if (error)
		return error;
	config->num_ports = ranges_count(ranges);
	memcpy(config->ranges, ranges->word, sizeof(config->ranges));
	memset(config->ranges_open, 0, sizeof(config->ranges_open));
	for (int i = 0; i < PORT_WORDS; i++)
		if (ranges->word[i])
			config->ranges_open[i / 64] |= 1ull << i % 64;
	return 0;
}

void ranges_from_config(const struct config *config, struct ranges *ret_ranges)
{
	memset(ret_ranges, 0, sizeof(*ret_ranges));
	for (__u32 i = 0; i < config->num_slices && i < MAX_SLICES; i++)
		ranges_add(ret_ranges, config->slice[i].first, config->slice[i].last);
}
