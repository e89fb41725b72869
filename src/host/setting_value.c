/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The values of settings as text. */
#include "setting_value.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "instance.h"
#include "platform.h"
#include "timer.h"
#include "words.h"

static void *member(struct settings *settings, const struct setting *setting)
{
	return (char *)settings + setting->offset;
}

/* Digits only, so that neither sign nor blank gets through. */
static bool parse_number(const char *text, __u32 min, __u32 max, __u32 *ret_number)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || number < min || number > max)
		return false;
	*ret_number = number;
	return true;
}

/* "share or refuse", "auto, off or none" */
static void list_words(const char *const *word, __u8 num, char *text, size_t size)
{
	size_t len = 0;

	for (__u8 i = 0; i < num && len < size; i++)
		len += snprintf(text + len, size - len, "%s%s", !i ? "" : i == num - 1 ? " or " : ", ", word[i]);
}

/* The number of a word in a list, or `num`. */
static __u8 find_word(const char *text, const char *const *word, __u8 num)
{
	for (__u8 i = 0; i < num; i++)
		if (strcmp(text, word[i]) == 0)
			return i;
	return num;
}

/* The next part of a list with commas, without the comma: false behind the last. Copies it to `part`. */
static bool next_part(const char **text, char *part, size_t size)
{
	const char *end;

	if (!*text)
		return false;
	end = strchrnul(*text, ',');
	snprintf(part, size, "%.*s", (int)(end - *text), *text);
	*text = *end ? end + 1 : NULL;
	return true;
}

/* ---- simple ones ------------------------------------------------------------------------------------------------ */

int setting_value_flag(struct settings *settings, const struct setting_value *value, struct fault *fault)
{
	static const char *const no_or_yes[] = { "no", "yes" };
	__u8 found = value->text ? find_word(value->text, no_or_yes, 2) : 1;

	if (found > 1)
		return fault_set(fault, EINVAL, "%s \"%s\": yes or no would be accepted", value->what, value->text);
	*(bool *)member(settings, value->setting) = found;
	return 0;
}

int setting_value_word(struct settings *settings, const struct setting_value *value, struct fault *fault)
{
	const struct setting *setting = value->setting;
	__u8 found = find_word(value->text, setting->word, setting->num_words);
	char accepted[160];

	if (found == setting->num_words) {
		list_words(setting->word, setting->num_words, accepted, sizeof(accepted));
		return fault_set(fault, EINVAL, "%s \"%s\": %s would be accepted", value->what, value->text, accepted);
	}
	*(__u8 *)member(settings, setting) = found;
	return 0;
}

int setting_value_number(struct settings *settings, const struct setting_value *value, struct fault *fault)
{
	const struct setting *setting = value->setting;

	if (parse_number(value->text, setting->min, setting->max, member(settings, setting)))
		return 0;
	return fault_set(fault, EINVAL, "%s %s: a number from %u to %u would be accepted", value->what, value->text,
			 setting->min, setting->max);
}

/* A quota of nothing would refuse everybody: it is a slip, or meant for none. */
int setting_value_quota(struct settings *settings, const struct setting_value *value, struct fault *fault)
{
	if (strcmp(value->text, "0") == 0)
		return fault_set(fault, EINVAL,
				 "%s 0: a number from 1 to %u would be accepted; leave it out for no limit",
				 value->what, value->setting->max);
	return setting_value_number(settings, value, fault);
}

int setting_value_interface(struct settings *settings, const struct setting_value *value, struct fault *fault)
{
	int err = instance_check_iface(value->text, fault);

	if (!err)
		strcpy(settings->iface, value->text);
	return err;
}

int setting_value_mss(struct settings *settings, const struct setting_value *value, struct fault *fault)
{
	__u32 number;

	if (strcmp(value->text, "auto") == 0)
		settings->mss = MSS_AUTO;
	else if (strcmp(value->text, "off") == 0)
		settings->mss = MSS_OFF;
	else if (parse_number(value->text, value->setting->min, value->setting->max, &number))
		settings->mss = number;
	else
		return fault_set(fault, EINVAL, "%s \"%s\": auto, off or a number from %u to %u would be accepted",
				 value->what, value->text, value->setting->min, value->setting->max);
	return 0;
}

/* ---- addresses and ports ---------------------------------------------------------------------------------------- */

int setting_value_ports(struct settings *settings, const struct setting_value *value, struct fault *fault)
{
	return ranges_parse(value->text, &settings->ports, fault);
}

int setting_value_external(struct settings *settings, const struct setting_value *value, struct fault *fault)
{
	return external_items_add(&settings->external, value->text, value->what, fault);
}

int setting_value_internal(struct settings *settings, const struct setting_value *value, struct fault *fault)
{
	struct internals *internal = &settings->internal;
	int err;

	if (internal->num == MAX_INTERNAL)
		return fault_set(fault, EINVAL, "%s %s: at most %d prefixes can be given", value->what, value->text,
				 MAX_INTERNAL);
	err = prefix_parse(value->text, value->what, &internal->item[internal->num], fault);
	if (!err)
		internal->num++;
	return err;
}

static int not_an_exclusion(const struct setting_value *value, struct fault *fault)
{
	return fault_set(fault, EINVAL,
			 "%s \"%s\": not [tcp|udp|icmp:]PREFIX[:PORT] such as 198.51.100.0/24 or udp:192.0.2.9:53",
			 value->what, value->text);
}

/* "tcp:198.51.100.0/24:443" and all that leaves out one or both ends of it. */
static int parse_exclusion(const struct setting_value *value, struct exclusion *ret_exclusion, struct fault *fault)
{
	struct exclusion exclusion = {};
	char text[64], *prefix = text, *colon;
	__u32 port;
	int err;

	if (strlen(value->text) >= sizeof(text))
		return not_an_exclusion(value, fault);
	strcpy(text, value->text);
	colon = strchr(prefix, ':');
	if (colon && strspn(text, "0123456789./") != (size_t)(colon - text)) {
		*colon = '\0';
		exclusion.proto = proto_parse(prefix);
		if (!exclusion.proto)
			return not_an_exclusion(value, fault);
		prefix = colon + 1;
		colon = strchr(prefix, ':');
	}
	if (colon) {
		*colon = '\0';
		if (!parse_number(colon + 1, 1, NUM_PORTS - 1, &port))
			return not_an_exclusion(value, fault);
		if (exclusion.proto == IPPROTO_ICMP)
			return fault_set(fault, EINVAL, "%s \"%s\": ICMP has no ports; icmp:%s would be accepted",
					 value->what, value->text, prefix);
		exclusion.port = cpu_to_be16(port);
	}
	if (!*prefix)
		return not_an_exclusion(value, fault);
	err = prefix_parse(prefix, value->what, &exclusion.prefix, fault);
	if (!err)
		*ret_exclusion = exclusion;
	return err;
}

int setting_value_exclude(struct settings *settings, const struct setting_value *value, struct fault *fault)
{
	struct exclusions *excluded = &settings->excluded;
	struct exclusion exclusion;
	int err;

	if (excluded->num == MAX_EXCLUDED)
		return fault_set(fault, EINVAL, "%s %s: at most %d destinations can be given", value->what, value->text,
				 MAX_EXCLUDED);
	err = parse_exclusion(value, &exclusion, fault);
	if (err)
		return err;
	for (__u32 i = 0; i < excluded->num; i++)
		if (memcmp(&excluded->item[i], &exclusion, sizeof(exclusion)) == 0)
			return fault_set(fault, EINVAL, "%s %s: is there twice; give it once", value->what,
					 value->text);
	settings->excluded_from[excluded->num] = value->from;
	excluded->item[excluded->num++] = exclusion;
	return 0;
}

/* ---- behaviour -------------------------------------------------------------------------------------------------- */

static int not_filtering(const struct setting_value *value, struct fault *fault)
{
	char accepted[160];

	list_words(filtering_name, NUM_FILTERING, accepted, sizeof(accepted));
	return fault_set(fault, EINVAL, "%s \"%s\": %s would be accepted, or one for each protocol: tcp=MODE,udp=MODE",
			 value->what, value->text, accepted);
}

/* MODE for both, or tcp=MODE,udp=MODE; what is left out stays. */
int setting_value_filtering(struct settings *settings, const struct setting_value *value, struct fault *fault)
{
	const char *rest = value->text;
	bool has_tcp = false, has_udp = false;
	struct filtering_modes modes = settings->filtering;
	char part[64];

	while (next_part(&rest, part, sizeof(part))) {
		bool is_tcp = strncmp(part, "tcp=", 4) == 0, is_udp = strncmp(part, "udp=", 4) == 0;
		__u8 mode = find_word(is_tcp || is_udp ? part + 4 : part, filtering_name, NUM_FILTERING);

		if (mode == NUM_FILTERING || (is_tcp && has_tcp) || (is_udp && has_udp) ||
		    (!is_tcp && !is_udp && (has_tcp || has_udp || rest)))
			return not_filtering(value, fault);
		if (!is_udp)
			modes.tcp = mode;
		if (!is_tcp)
			modes.udp = mode;
		has_tcp |= is_tcp;
		has_udp |= is_udp;
	}
	settings->filtering = modes;
	return 0;
}

/* auto, off, or interfaces with commas; each once. */
int setting_value_interfaces(struct settings *settings, const struct setting_value *value, struct fault *fault)
{
	__u8 word = find_word(value->text, interfaces_name, NUM_INTERFACES_WORD);
	struct interfaces interfaces = { .mode = word };
	const char *rest = word == NUM_INTERFACES_WORD ? value->text : NULL;
	char part[64];

	if (rest)
		interfaces.mode = INTERFACES_LIST;
	while (next_part(&rest, part, sizeof(part))) {
		if (interfaces.num == MAX_INTERFACES)
			return fault_set(fault, EINVAL, "%s %s: at most %d interfaces can be given", value->what,
					 value->text, MAX_INTERFACES);
		if (instance_check_iface(part, fault))
			return fault_set(fault, EINVAL,
					 "%s \"%s\": auto, off, or interfaces such as eth1,eth2 would be accepted",
					 value->what, value->text);
		if (find_word(part, interfaces_name, NUM_INTERFACES_WORD) != NUM_INTERFACES_WORD)
			return fault_set(fault, EINVAL, "%s \"%s\": %s goes with nothing else", value->what,
					 value->text, part);
		for (__u8 i = 0; i < interfaces.num; i++)
			if (strcmp(interfaces.iface[i], part) == 0)
				return fault_set(fault, EINVAL, "%s %s: %s is there twice; give it once", value->what,
						 value->text, part);
		snprintf(interfaces.iface[interfaces.num++], IFACE_NAME, "%.*s", IFACE_NAME - 1, part);
	}
	memcpy((char *)settings + value->setting->offset, &interfaces, sizeof(interfaces));
	return 0;
}

/* ---- timers ----------------------------------------------------------------------------------------------------- */

static int not_a_timer(const struct setting_value *value, struct fault *fault)
{
	const char *name[NUM_TIMEOUT + 2] = { [NUM_TIMEOUT] = "tcp:PORT", "udp:PORT" };
	char accepted[160];

	for (enum timeout timeout = 0; timeout < NUM_TIMEOUT; timeout++)
		name[timeout] = timer_table[timeout].name;
	list_words(name, NUM_TIMEOUT + 2, accepted, sizeof(accepted));
	return fault_set(fault, EINVAL, "%s \"%s\": NAME=SECONDS would be accepted, where NAME is %s", value->what,
			 value->text, accepted);
}

static int not_seconds(const struct setting_value *value, __u32 max, struct fault *fault)
{
	return fault_set(fault, EINVAL, "%s \"%s\": 1 to %u seconds would be accepted", value->what, value->text, max);
}

static int take_port_timeout(struct settings *settings, const struct setting_value *value, const char *name,
			     __u32 seconds, struct fault *fault)
{
	struct timeouts *timeouts = &settings->timeout;
	struct port_timeout timeout = { .proto = strncmp(name, "tcp:", 4) == 0 ? IPPROTO_TCP : IPPROTO_UDP,
					.timeout_s = seconds };
	__u32 port;

	if (!parse_number(name + 4, 1, NUM_PORTS - 1, &port))
		return fault_set(fault, EINVAL, "%s \"%s\": a port is a number from 1 to 65535", value->what,
				 value->text);
	timeout.port = cpu_to_be16(port);
	for (__u32 i = 0; i < timeouts->num_ports; i++)
		if (timeouts->port[i].proto == timeout.proto && timeouts->port[i].port == timeout.port)
			return fault_set(fault, EINVAL, "%s \"%s\": %s is given twice; give it once", value->what,
					 value->text, name);
	if (timeouts->num_ports == MAX_PORT_TIMEOUTS)
		return fault_set(fault, EINVAL, "%s %s: at most %d ports can be given", value->what, value->text,
				 MAX_PORT_TIMEOUTS);
	settings->port_timeout_from[timeouts->num_ports] = value->from;
	timeouts->port[timeouts->num_ports++] = timeout;
	return 0;
}

/* NAME=SECONDS, tcp:PORT=SECONDS or udp:PORT=SECONDS */
int setting_value_timeout(struct settings *settings, const struct setting_value *value, struct fault *fault)
{
	struct timeouts *timeouts = &settings->timeout;
	const char *equals = strchr(value->text, '=');
	enum timeout timeout;
	bool of_port;
	char name[32];
	__u32 seconds, max;

	if (!equals || equals - value->text >= (int)sizeof(name))
		return not_a_timer(value, fault);
	snprintf(name, sizeof(name), "%.*s", (int)(equals - value->text), value->text);
	of_port = strncmp(name, "tcp:", 4) == 0 || strncmp(name, "udp:", 4) == 0;
	timeout = timer_find(name);
	if (!of_port && timeout == NUM_TIMEOUT)
		return not_a_timer(value, fault);
	max = of_port ? MAX_TIMEOUT_S : timer_table[timeout].max_s;
	if (!parse_number(equals + 1, 1, max, &seconds))
		return not_seconds(value, max, fault);
	if (of_port)
		return take_port_timeout(settings, value, name, seconds, fault);
	if (timeouts->given & 1u << timeout)
		return fault_set(fault, EINVAL, "%s \"%s\": %s is given twice; give it once", value->what, value->text,
				 name);
	timeouts->s[timeout] = seconds;
	timeouts->given |= 1u << timeout;
	settings->timeout_from[timeout] = value->from;
	return 0;
}
