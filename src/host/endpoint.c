/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, endpoints and prefixes as text: 192.0.2.1, 192.0.2.1:50000, 192.168.0.0/24. */
#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"

/* Digits only, so that neither sign nor blank nor another base gets through; false beyond `max`. */
static bool parse_number(const char *text, unsigned int max, unsigned int *ret_number)
{
	unsigned long number;
	char *end;

	if (*text < '0' || *text > '9' || strlen(text) > 5)
		return false;
	number = strtoul(text, &end, 10);
	if (*end || number > max)
		return false;
	*ret_number = number;
	return true;
}

/* The part of text before `sign`, as an address. */
static bool parse_head(const char *text, const char *sign, __be32 *ret_addr)
{
	char head[INET_ADDRSTRLEN];
	struct in_addr addr;
	size_t len = sign - text;

	if (len >= sizeof(head))
		return false;
	memcpy(head, text, len);
	head[len] = '\0';
	if (inet_pton(AF_INET, head, &addr) != 1)
		return false;
	*ret_addr = addr.s_addr;
	return true;
}

int address_parse(const char *text, const char *what, __be32 *ret_addr, struct fault *fault)
{
	if (parse_head(text, text + strlen(text), ret_addr))
		return 0;
	return fault_set(fault, EINVAL, "%s \"%s\": not an IPv4 address such as 192.0.2.1", what, text);
}

int endpoint_parse(const char *text, const char *what, struct endpoint *ret_endpoint, struct fault *fault)
{
	const char *colon = strchr(text, ':');
	unsigned int port;
	__be32 addr;

	if (!colon || !parse_head(text, colon, &addr) || !parse_number(colon + 1, 65535, &port))
		return fault_set(fault, EINVAL, "%s \"%s\": not ADDRESS:PORT such as 192.0.2.1:50000", what, text);
	*ret_endpoint = (struct endpoint){ .addr = addr, .port = cpu_to_be16(port) };
	return 0;
}

static __be32 mask_of(unsigned int length)
{
	return length ? cpu_to_be32(~0u << (32 - length)) : 0;
}

int prefix_parse(const char *text, const char *what, struct prefix *ret_prefix, struct fault *fault)
{
	const char *slash = strchrnul(text, '/');
	unsigned int length = 32;
	char better[PREFIX_TEXT];
	struct prefix prefix;

	if (!parse_head(text, slash, &prefix.addr) || (*slash && !parse_number(slash + 1, 32, &length)))
		return fault_set(fault, EINVAL, "%s \"%s\": not a prefix such as 192.168.0.0/24", what, text);
	prefix.mask = mask_of(length);
	if (prefix.addr & ~prefix.mask) {
		prefix.addr &= prefix.mask;
		return fault_set(fault, ERANGE, "%s \"%s\": bits are set beyond the first %u; did you mean %s?", what,
				 text, length, prefix_format(prefix, better));
	}
	*ret_prefix = prefix;
	return 0;
}

char *address_format(__be32 addr, char *text)
{
	const unsigned char *byte = (const unsigned char *)&addr;

	snprintf(text, INET_ADDRSTRLEN, "%u.%u.%u.%u", byte[0], byte[1], byte[2], byte[3]);
	return text;
}

char *endpoint_format(struct endpoint endpoint, char *text)
{
	const unsigned char *byte = (const unsigned char *)&endpoint.addr;

	snprintf(text, ENDPOINT_TEXT, "%u.%u.%u.%u:%u", byte[0], byte[1], byte[2], byte[3], be16_to_cpu(endpoint.port));
	return text;
}

char *prefix_format(struct prefix prefix, char *text)
{
	const unsigned char *byte = (const unsigned char *)&prefix.addr;

	snprintf(text, PREFIX_TEXT, "%u.%u.%u.%u/%d", byte[0], byte[1], byte[2], byte[3],
		 __builtin_popcount(prefix.mask));
	return text;
}
