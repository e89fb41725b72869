/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing a destination that is not translated. */
#include "exclusion_text.h"

#include <endian.h>
#include <stdio.h>

#include "endpoint.h"
#include "words.h"

char *exclusion_format(const struct exclusion *exclusion, char *text)
{
	const char *proto = proto_name(exclusion->proto);
	char prefix[PREFIX_TEXT];
	int len = snprintf(text, EXCLUSION_TEXT, "%s%s%s", proto ? proto : "", proto ? ":" : "",
			   prefix_format(exclusion->prefix, prefix));

	if (exclusion->port)
		snprintf(text + len, EXCLUSION_TEXT - len, ":%u", be16toh(exclusion->port));
	return text;
}
