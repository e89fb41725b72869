/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking a device for its features, as ethtool does. A feature has a name, and by it a bit: other ones in each kernel. */
#include "offload.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORD_BITS 32

/* Tags are of two protocols, and drivers have features for each. */
#define NUM_PROTO 2

static const char *const parses_name[NUM_PROTO] = { "rx-vlan-hw-parse", "rx-vlan-stag-hw-parse" };
static const char *const filters_name[NUM_PROTO] = { "rx-vlan-filter", "rx-vlan-stag-filter" };

/* Where the features stand in this kernel; -1: it has none of that name. */
struct places {
	bool known;
	__u32 num;
	int parses[NUM_PROTO];
	int filters[NUM_PROTO];
};

static bool ask(int sock, const char *iface, void *command)
{
	struct ifreq request = { .ifr_data = command };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", iface);
	return ioctl(sock, SIOCETHTOOL, &request) == 0;
}

static int find(const struct ethtool_gstrings *names, const char *name)
{
	for (__u32 i = 0; i < names->len; i++)
		if (strncmp((const char *)names->data + (size_t)i * ETH_GSTRING_LEN, name, ETH_GSTRING_LEN) == 0)
			return (int)i;
	return -1;
}

/* All devices have the same names. */
static void read_places(int sock, const char *iface, struct places *places)
{
	struct {
		struct ethtool_sset_info info;
		__u32 num;
	} count = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };
	struct ethtool_gstrings *names;

	if (!ask(sock, iface, &count) || !count.info.sset_mask)
		return;
	names = calloc(1, sizeof(*names) + (size_t)count.num * ETH_GSTRING_LEN);
	if (!names)
		return;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = count.num;
	if (ask(sock, iface, names)) {
		places->num = names->len;
		for (int i = 0; i < NUM_PROTO; i++) {
			places->parses[i] = find(names, parses_name[i]);
			places->filters[i] = find(names, filters_name[i]);
		}
		places->known = true;
	}
	free(names);
}

static bool is_on(const struct ethtool_gfeatures *features, int place)
{
	return place >= 0 && features->features[place / WORD_BITS].active >> place % WORD_BITS & 1;
}

static enum offload_tags judge(const struct ethtool_gfeatures *features, const struct places *places)
{
	enum offload_tags tags = TAGS_KEPT;

	for (int i = 0; i < NUM_PROTO; i++) {
		if (!is_on(features, places->parses[i]))
			continue;
		if (!is_on(features, places->filters[i]))
			return TAGS_HIDDEN;
		tags = TAGS_FILTERED;
	}
	return tags;
}

enum offload_tags offload_read_tags(const char *iface)
{
	static struct places places;
	struct ethtool_gfeatures *features = NULL;
	enum offload_tags tags = TAGS_KEPT;
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	__u32 num;

	if (sock < 0)
		return tags;
	if (!places.known)
		read_places(sock, iface, &places);
	num = (places.num + WORD_BITS - 1) / WORD_BITS;
	if (num)
		features = calloc(1, sizeof(*features) + num * sizeof(features->features[0]));
	if (features) {
		features->cmd = ETHTOOL_GFEATURES;
		features->size = num;
		if (ask(sock, iface, features))
			tags = judge(features, &places);
	}
	free(features);
	close(sock);
	return tags;
}
