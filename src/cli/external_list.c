/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The external addresses of a configuration, as JSON. */
#include "external_list.h"

#include "endpoint.h"

json_t *external_first(const struct config *config)
{
	char text[ENDPOINT_TEXT];

	return config->num_external ? json_string(address_format(config->external[0].addr, text)) : json_null();
}

json_t *external_list(const struct config *config)
{
	json_t *list = json_array();
	char text[ENDPOINT_TEXT];

	for (__u32 i = 0; i < config->num_external && i < MAX_EXTERNAL; i++)
		json_array_append_new(list, json_string(address_format(config->external[i].addr, text)));
	return list;
}
