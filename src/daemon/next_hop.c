/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watching routes and neighbours for the fast path.
 *
 * Routes, rules, next hops, links, addresses, forwarding: whatever is told of them makes a new generation, and every session
 * asks the kernel anew; at the pace of pace.h, however many routes are loaded. Of neighbours only what contradicts a record of
 * the generation does. News that were lost may have been anything: so that is a change too, and all neighbours are read anew.
 *
 * A packet may have asked the kernel just before a neighbour changed, and write the record after that was heard of. So twice a
 * second each record that is in use is compared with what the kernel is known to say. Those neighbours are watched over
 * (vigil.h), for the kernel itself is not told that they are in use.
 *
 * All of it holds only while somebody does this. header.next_hop_until promises it, for a few seconds at a time.
 */
#include "next_hop.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <event2/event.h>

#include "clock.h"
#include "hop.h"
#include "log.h"
#include "pace.h"
#include "store.h"
#include "table.h"
#include "vigil.h"

#define LOOK_MS 500
#define PROMISE_S 3
#define IN_USE_S 10 /* since a packet went there */
#define NEWS_SIZE 32768
#define NEWS_BYTES (1 << 20) /* that may wait: hundreds of neighbours come and go at a time */
#define MAX_NEWS 1024        /* datagrams at a time */
#define MAX_READ 256         /* neighbours that are read at a look */
#define FORGET_MS 100        /* no packet is on its way so long */
#define RECORDS_SIZE (NUM_NEXT_HOP * sizeof(struct next_hop))

struct next_hops {
	const struct dataplane *dataplane; /* whose header may become another */
	struct next_hop *records;
	struct mnl_socket *ask;
	struct mnl_socket *news;
	struct event *heard;
	struct event *timer;
	struct pace pace;
	struct vigil *vigil; /* by interface and address */
	size_t num_vigils;
	__u64 look_ms;   /* when to look next */
	__u64 forget_ms; /* when generations begin anew; 0: not for a long time */
};

static struct header *header_of(const struct next_hops *hops)
{
	return hops->dataplane->table.header;
}

/* ---- news ------------------------------------------------------------------------------------------------------- */

enum next_hop_news next_hop_hear(const struct nlmsghdr *message, struct neighbour *ret_neighbour)
{
	switch (message->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return neighbour_parse(message, ret_neighbour) ? NEXT_HOP_NEIGHBOUR : NEXT_HOP_NOTHING;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
	case RTM_NEWNEXTHOPBUCKET:
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_NEWADDR:
	case RTM_DELADDR:
	case RTM_NEWNETCONF:
	case RTM_DELNETCONF:
		return NEXT_HOP_CHANGE;
	default:
		return NEXT_HOP_NOTHING;
	}
}

static bool is_true(struct next_hop *hop, const struct neighbour *neighbour)
{
	struct fast_way way;

	for (__u32 i = 0; i < FAST_WAY_WORDS; i++)
		way.word[i] = READ_ONCE(hop->way.word[i]);
	return neighbour_is_valid(neighbour) && memcmp(way.dest_mac, neighbour->mac, MAC_LEN) == 0;
}

bool next_hop_contradicts(struct next_hop *records, __u32 generation, const struct neighbour *neighbour)
{
	__u32 first = hop_first(neighbour->ifindex, neighbour->addr);

	for (__u32 i = 0; i < NEXT_HOP_WAYS; i++) {
		struct next_hop *hop = &records[(first + i) & NEXT_HOP_MASK];

		if (READ_ONCE(hop->generation) == generation && READ_ONCE(hop->ifindex) == neighbour->ifindex &&
		    READ_ONCE(hop->addr) == neighbour->addr && !is_true(hop, neighbour))
			return true;
	}
	return false;
}

/* ---- vigils ----------------------------------------------------------------------------------------------------- */

static int compare(const struct neighbour *first, const struct neighbour *second)
{
	if (first->ifindex != second->ifindex)
		return first->ifindex < second->ifindex ? -1 : 1;
	return first->addr < second->addr ? -1 : first->addr > second->addr;
}

/* Where it is, or would be. */
static size_t place(const struct next_hops *hops, const struct neighbour *neighbour)
{
	size_t low = 0, high = hops->num_vigils;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (compare(&hops->vigil[middle].neighbour, neighbour) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct vigil *find(const struct next_hops *hops, const struct neighbour *neighbour)
{
	size_t at = place(hops, neighbour);

	return at < hops->num_vigils && !compare(&hops->vigil[at].neighbour, neighbour) ? &hops->vigil[at] : NULL;
}

/* NUM_NEXT_HOP of them have room: there are no more records. NULL when those of former ones are not yet given up. */
static struct vigil *keep(struct next_hops *hops, const struct neighbour *neighbour)
{
	struct vigil *vigil = find(hops, neighbour);
	size_t at;

	if (vigil || hops->num_vigils == NUM_NEXT_HOP)
		return vigil;
	at = place(hops, neighbour);
	vigil = &hops->vigil[at];
	memmove(vigil + 1, vigil, (hops->num_vigils++ - at) * sizeof(*vigil));
	*vigil = (struct vigil){ .neighbour = *neighbour };
	return vigil;
}

static void drop_unused(struct next_hops *hops, __u64 now_ms)
{
	size_t num = 0;

	for (size_t i = 0; i < hops->num_vigils; i++)
		if (hops->vigil[i].used_ms + IN_USE_S * 1000 > now_ms)
			hops->vigil[num++] = hops->vigil[i];
	hops->num_vigils = num;
}

static void hear_neighbour(struct next_hops *hops, const struct neighbour *neighbour, __u64 now_ms)
{
	struct vigil *vigil = find(hops, neighbour);

	if (vigil)
		vigil_hear(vigil, neighbour, now_ms);
	if (next_hop_contradicts(hops->records, header_of(hops)->next_hop_generation, neighbour))
		pace_hear(&hops->pace, now_ms);
}

/* News may wait unread, and somebody may have made it his own, or it may have answered. */
static bool may_change(const struct next_hops *hops, const struct vigil *vigil, enum vigil_step step)
{
	struct neighbour neighbour = { .ifindex = vigil->neighbour.ifindex, .addr = vigil->neighbour.addr };

	if (neighbour_read(hops->ask, &neighbour) || neighbour.kept || !neighbour_is_valid(&neighbour))
		return false;
	return step == VIGIL_ASK || !(neighbour.state & NUD_REACHABLE);
}

/* What could not be done counts as done: the next question comes soon enough. */
static void step_vigils(struct next_hops *hops, __u64 now_ms)
{
	for (size_t i = 0; i < hops->num_vigils; i++) {
		struct vigil *vigil = &hops->vigil[i];
		enum vigil_step step = vigil_step(vigil, hops->num_vigils, now_ms);

		if (step == VIGIL_WAIT || !may_change(hops, vigil, step))
			continue;
		if (step == VIGIL_ASK)
			neighbour_ask(hops->ask, &vigil->neighbour);
		else
			neighbour_give_up(hops->ask, &vigil->neighbour);
	}
}

/* ---- looking ---------------------------------------------------------------------------------------------------- */

static bool is_in_use(const struct next_hops *hops, struct next_hop *hop)
{
	__u32 now = clock_ticks(&header_of(hops)->clock) >> NEXT_HOP_USED_SHIFT;
	__u32 limit = (IN_USE_S * header_of(hops)->clock.hz >> NEXT_HOP_USED_SHIFT) + 1;
	__s32 age = now - READ_ONCE(hop->used);

	return READ_ONCE(hop->generation) == header_of(hops)->next_hop_generation && age <= (__s32)limit;
}

/* Compares all records with what the kernel says. */
static void look(struct next_hops *hops, __u64 now_ms)
{
	__u32 num_read = 0;

	for (__u32 i = 0; i < NUM_NEXT_HOP; i++) {
		struct next_hop *hop = &hops->records[i];
		struct neighbour neighbour = { .ifindex = READ_ONCE(hop->ifindex), .addr = READ_ONCE(hop->addr) };
		struct vigil *vigil;

		if (!is_in_use(hops, hop))
			continue;
		vigil = keep(hops, &neighbour);
		if (!vigil)
			continue;
		vigil->used_ms = now_ms;
		if (!vigil->known && num_read++ < MAX_READ && neighbour_read(hops->ask, &neighbour) == 0)
			vigil_hear(vigil, &neighbour, now_ms);
		if (vigil->known && !is_true(hop, &vigil->neighbour) &&
		    READ_ONCE(hop->generation) == header_of(hops)->next_hop_generation)
			pace_hear(&hops->pace, now_ms);
	}
	drop_unused(hops, now_ms);
}

static void lose_news(struct next_hops *hops, __u64 now_ms)
{
	pace_hear(&hops->pace, now_ms);
	for (size_t i = 0; i < hops->num_vigils; i++)
		hops->vigil[i].known = false;
}

static void read_news(struct next_hops *hops, __u64 now_ms)
{
	static char news[NEWS_SIZE];
	int fd = mnl_socket_get_fd(hops->news);

	for (int i = 0; i < MAX_NEWS; i++) {
		ssize_t got = recv(fd, news, sizeof(news), MSG_DONTWAIT | MSG_TRUNC);
		const struct nlmsghdr *message = (const void *)news;
		struct neighbour neighbour;
		int len = got;

		if (got < 0 && errno != ENOBUFS)
			return;
		if (got < 0 || got > (ssize_t)sizeof(news)) {
			lose_news(hops, now_ms);
			continue;
		}
		for (; mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len)) {
			enum next_hop_news kind = next_hop_hear(message, &neighbour);

			if (kind == NEXT_HOP_NEIGHBOUR)
				hear_neighbour(hops, &neighbour, now_ms);
			else if (kind == NEXT_HOP_CHANGE)
				pace_hear(&hops->pace, now_ms);
		}
	}
}

/* ---- generations ------------------------------------------------------------------------------------------------ */

void next_hop_forget_all(struct next_hop *records)
{
	__u32 num = table_num_entries();

	for (__u32 i = 0; i < NUM_NEXT_HOP; i++)
		WRITE_ONCE(records[i].generation, 0);
	for (__u32 i = 0; i < num; i++) {
		struct entry *entry = store_entry(i);
		__u32 next_hop = entry ? READ_ONCE(entry->next_hop) : 0;

		if (next_hop && (READ_ONCE(entry->life) & LIFE_SESSION))
			store_unroute(entry, next_hop);
	}
}

static void begin_generation(struct next_hops *hops, __u64 now_ms)
{
	struct header *header = header_of(hops);

	if (hops->forget_ms)
		return;
	if (header->next_hop_generation + 1 < NEXT_HOP_GENERATIONS) {
		WRITE_ONCE(header->next_hop_generation, header->next_hop_generation + 1);
		return;
	}
	WRITE_ONCE(header->next_hop_generation, 0);
	hops->forget_ms = now_ms + FORGET_MS;
}

static void forget(struct next_hops *hops, __u64 now_ms)
{
	if (!hops->forget_ms || now_ms < hops->forget_ms)
		return;
	next_hop_forget_all(hops->records);
	WRITE_ONCE(header_of(hops)->next_hop_generation, 1);
	hops->forget_ms = 0;
}

static void promise(struct next_hops *hops)
{
	const struct clock *clock = &header_of(hops)->clock;

	WRITE_ONCE(header_of(hops)->next_hop_until, clock_ticks(clock) + PROMISE_S * clock->hz);
}

/* ---- the loop --------------------------------------------------------------------------------------------------- */

static __u64 now(void)
{
	return clock_read_mono_ns() / 1000000;
}

static __u64 earlier(__u64 first, __u64 second)
{
	return first < second ? first : second;
}

/* News are not even read while nothing would come of them: what does not fit into the socket is dropped, at no cost. */
static void wait_for_next(struct next_hops *hops, __u64 now_ms)
{
	__u64 next_ms = earlier(hops->look_ms, pace_next(&hops->pace));
	struct timeval wait;

	for (size_t i = 0; i < hops->num_vigils; i++)
		next_ms = earlier(next_ms, hops->vigil[i].next_ms);
	if (hops->forget_ms)
		next_ms = earlier(next_ms, hops->forget_ms);
	if (pace_is_quiet(&hops->pace, now_ms)) {
		next_ms = earlier(next_ms, hops->pace.last_ms + PACE_MS);
		event_del(hops->heard);
	} else {
		event_add(hops->heard, NULL);
	}
	next_ms = next_ms > now_ms ? next_ms - now_ms : 1;
	wait.tv_sec = next_ms / 1000;
	wait.tv_usec = next_ms % 1000 * 1000;
	event_add(hops->timer, &wait);
}

static void turn(evutil_socket_t fd, short what, void *context)
{
	struct next_hops *hops = context;
	__u64 now_ms = now();

	(void)fd;
	(void)what;
	if (!pace_is_quiet(&hops->pace, now_ms))
		read_news(hops, now_ms);
	if (now_ms >= hops->look_ms) {
		look(hops, now_ms);
		hops->look_ms = now_ms + LOOK_MS;
		promise(hops);
	}
	if (pace_step(&hops->pace, now_ms))
		begin_generation(hops, now_ms);
	forget(hops, now_ms);
	step_vigils(hops, now_ms);
	wait_for_next(hops, now_ms);
}

void next_hops_change(struct next_hops *hops)
{
	if (!hops)
		return;
	begin_generation(hops, now());
	pace_hear(&hops->pace, now());
}

/* ---- opening and closing ---------------------------------------------------------------------------------------- */

static int listen_to_news(struct next_hops *hops)
{
	static const int groups[] = {
		RTNLGRP_IPV4_ROUTE,  RTNLGRP_IPV4_RULE, RTNLGRP_NEIGH,        RTNLGRP_LINK,
		RTNLGRP_IPV4_IFADDR, RTNLGRP_NEXTHOP,   RTNLGRP_IPV4_NETCONF,
	};
	int bytes = NEWS_BYTES, err = netlink_open(NETLINK_ROUTE, &hops->news);

	if (err)
		return err;
	setsockopt(mnl_socket_get_fd(hops->news), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]) && !err; i++)
		err = netlink_join(hops->news, groups[i]);
	return err;
}

/* No session refers to a generation behind the newest of all records. */
static void begin_behind_records(struct next_hops *hops)
{
	struct header *header = header_of(hops);
	__u32 newest = header->next_hop_generation;

	for (__u32 i = 0; i < NUM_NEXT_HOP; i++)
		if (hops->records[i].generation > newest && hops->records[i].generation < NEXT_HOP_GENERATIONS)
			newest = hops->records[i].generation;
	WRITE_ONCE(header->next_hop_generation, newest);
}

static int open_all(struct next_hops *hops, struct event_base *base, int map)
{
	void *records;
	int err = listen_to_news(hops);

	if (!err)
		err = netlink_open(NETLINK_ROUTE, &hops->ask);
	if (err)
		return err;
	records = mmap(NULL, RECORDS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	if (records != MAP_FAILED)
		hops->records = records;
	hops->vigil = calloc(NUM_NEXT_HOP, sizeof(*hops->vigil));
	hops->timer = event_new(base, -1, EV_TIMEOUT, turn, hops);
	hops->heard = event_new(base, mnl_socket_get_fd(hops->news), EV_READ | EV_PERSIST, turn, hops);
	return hops->records && hops->vigil && hops->timer && hops->heard ? 0 : -ENOMEM;
}

int next_hops_open(struct event_base *base, const struct dataplane *dataplane, int map, struct next_hops **ret_hops,
		   struct fault *fault)
{
	struct next_hops *hops = calloc(1, sizeof(*hops));
	int err = -ENOMEM;

	if (hops) {
		hops->dataplane = dataplane;
		err = open_all(hops, base, map);
	}
	if (err) {
		next_hops_close(hops);
		return fault_set_errno(fault, -err, "cannot watch routes and neighbours");
	}
	begin_behind_records(hops);
	next_hops_change(hops);
	promise(hops);
	wait_for_next(hops, now());
	*ret_hops = hops;
	return 0;
}

void next_hops_promise(struct next_hops *hops)
{
	if (hops)
		promise(hops);
}

void next_hops_close(struct next_hops *hops)
{
	if (!hops)
		return;
	WRITE_ONCE(header_of(hops)->next_hop_until, 0);
	if (hops->timer)
		event_free(hops->timer);
	if (hops->heard)
		event_free(hops->heard);
	if (hops->records)
		munmap(hops->records, RECORDS_SIZE);
	netlink_close(hops->ask);
	netlink_close(hops->news);
	free(hops->vigil);
	free(hops);
}
