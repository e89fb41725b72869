/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, endpoints and prefixes as text: 192.0.2.1, 192.0.2.1:50000, 192.168.0.0/24. */
#ifndef BAUTA_ENDPOINT_H
#define BAUTA_ENDPOINT_H

#include "contract.h"
#include "fault.h"
#include "tuple.h"

/* "255.255.255.255:65535" and its NUL. */
#define ENDPOINT_TEXT 22
#define PREFIX_TEXT 19

/* All return 0 or -EINVAL with the reason in fault; `what` begins its sentence ("external endpoint"). */
int address_parse(const char *text, const char *what, __be32 *ret_addr, struct fault *fault);
int endpoint_parse(const char *text, const char *what, struct endpoint *ret_endpoint, struct fault *fault);
/* ADDRESS alone is a /32. An address with bits outside of its prefix is refused, by -ERANGE: it is a slip. */
int prefix_parse(const char *text, const char *what, struct prefix *ret_prefix, struct fault *fault);

/* Write into `text` (ENDPOINT_TEXT, PREFIX_TEXT bytes) and return it. */
char *address_format(__be32 addr, char *text);
char *endpoint_format(struct endpoint endpoint, char *text);
char *prefix_format(struct prefix prefix, char *text);

#endif
