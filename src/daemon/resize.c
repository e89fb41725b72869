/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Growing and shrinking the table of a gateway that is in use.
 *
 * The order, and what a packet meets:
 *  1. The maps of a store of the other size are made. If there is no memory nothing has happened.
 *  2. header.resize = COPYING, and the daemon waits until all programs that began before have ended (RCU). From here on
 *     whoever changes a pair marks its bucket. All pairs are copied, a slice at each turn of the loop, then those of
 *     marked buckets, until there are few (store_copy.h). Nothing else changes.
 *  3. The programs are loaded for the new store, which takes a second; what was marked meanwhile is copied.
 *  4. header.writable = STORE_NONE, resize = FROZEN, and once more the daemon waits. Nothing begins, ends or moves any
 *     more; the first packet of a session is dropped (reason `resize`). Packets of sessions go on, and note in life words
 *     when they came. The last marked buckets are copied: both stores are equal now, and it does not matter by which of
 *     them a packet goes.
 *  5. Each program is replaced where it is attached: tc, hairpin, XDP. Then the new store is pinned in the place of the
 *     old one; this rename is what makes it count for a run that comes after.
 *  6. header.writable = the new store: sessions begin and end again. A program of the old store that would still run
 *     anywhere leaves entries alone, for it is not of the writable one.
 *  7. The socket hooks, which only read, are replaced. The daemon waits, and carries over what packets noted in the old
 *     store since it was copied, a slice at each turn of the loop; until then the sweep rests, and newcomers end nobody
 *     who looks expired (header.carried_until). The old store goes with its programs.
 * Nothing but loading a program keeps the loop from its other work for long: the fast path stops when nobody watches for
 * three seconds (next_hop.c).
 *
 * 4 to 6 take some ten milliseconds, most of it waiting for RCU. What fails before the rename is undone, and one line says
 * so. If the daemon dies in the middle, the next run finds header.resize and settles it (dataplane_next.c).
 *
 * What holds no index of an entry stays as it is: pools, crowds, quotas, counters, fragments. So does the hash key, by
 * which hosts have their external addresses.
 */
#include "resize.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "pools.h"

#define SLICE 16384   /* buckets copied in one turn of the loop: some milliseconds */
#define FEW 256       /* marked buckets that are left for the moment in which all stands still */
#define MAX_ROUNDS 50 /* of catching up with those who write */
#define CARRY_S 5     /* from one slice of life words to the next, at most */

static __u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

static __u32 num_buckets(const struct store_shape *shape)
{
	return shape->num_buckets + shape->num_stash;
}

static void turn_again(const struct resize *resize)
{
	const struct timeval soon = { .tv_usec = 1000 };

	event_add(resize->timer, &soon);
}

/* ---- giving up ------------------------------------------------------------------------------------------------ */

static void forget(struct resize *resize)
{
	inner_hooks_close(&resize->inner_next);
	fast_hooks_close(&resize->fast_next);
	store_copy_close(&resize->copy);
	dataplane_next_close(&resize->next);
	resize->step = STEP_NONE;
}

/* A daemon that dies does not keep it for ever: then what was noted in the old store is lost. */
static void promise_to_carry(struct header *header)
{
	WRITE_ONCE(header->carried_until, clock_now(&header->clock) + CARRY_S * header->clock.factor);
}

static void carry_rest(struct resize *resize);

static void give_up(struct resize *resize)
{
	if (resize->step == STEP_NONE)
		return;
	event_del(resize->timer);
	if (resize->step == STEP_CARRY) { /* it has happened */
		carry_rest(resize);
		return;
	}
	dataplane_next_thaw(resize->dataplane);
	forget(resize);
}

static void fail(struct resize *resize, const struct fault *fault)
{
	const struct dataplane *dataplane = resize->dataplane;

	log_error("%s: its table stays as it is, with room for %u sessions, not %u: %s", dataplane->instance->iface,
		  dataplane_capacity(dataplane), resize->next.shape.capacity, fault->text);
	give_up(resize);
}

static int no_room(const struct resize *resize, struct fault *fault)
{
	return fault_set(fault, ENOSPC, "what it holds by now, %llu sessions, does not fit into a table for %u",
			 resize->dataplane->table.header->num_sessions, resize->next.shape.capacity);
}

/* ---- copying -------------------------------------------------------------------------------------------------- */

static void next_step(struct resize *resize, enum resize_step step)
{
	resize->step = step;
	resize->rounds = 0;
}

static int copy_slice(struct resize *resize, struct fault *fault)
{
	__u32 left = num_buckets(&resize->dataplane->table.shape) - resize->cursor;
	__u32 num = left < SLICE ? left : SLICE;

	if (store_copy_buckets(&resize->copy, resize->cursor, num))
		return no_room(resize, fault);
	resize->cursor += num;
	if (num == left)
		next_step(resize, STEP_CATCH);
	return 0;
}

static int catch_up(struct resize *resize, enum resize_step then, struct fault *fault)
{
	int num = store_copy_dirty(&resize->copy);

	if (num < 0)
		return no_room(resize, fault);
	if (num <= FEW || ++resize->rounds == MAX_ROUNDS)
		next_step(resize, then);
	return 0;
}

/* ---- the exchange --------------------------------------------------------------------------------------------- */

static void freeze(struct header *header)
{
	WRITE_ONCE(header->resize, RESIZE_FROZEN);
	WRITE_ONCE(header->writable, STORE_NONE);
	pools_settle();
}

/* Looks into the stash are made if either store has something there. */
static void count_both(struct resize *resize)
{
	struct header *header = resize->dataplane->table.header;

	header->next_stashed = resize->copy.header.num_stashed;
	header->num_stashed += header->next_stashed;
}

static void count_next(struct resize *resize)
{
	struct header *header = resize->dataplane->table.header;
	const struct header *copied = &resize->copy.header;

	/* next_stashed says the same until the thaw, for a run that has to settle this */
	header->num_stashed = copied->num_stashed;
	/* they agree, unless the table was unsound */
	header->num_sessions = copied->num_sessions;
	header->num_mappings = copied->num_mappings;
	header->num_permits = copied->num_permits;
}

static void put_back(struct resize *resize)
{
	struct header *header = resize->dataplane->table.header;

	header->num_stashed -= header->next_stashed;
	header->next_stashed = 0;
}

/* The interface may be away: then its programs are attached when it is back. */
static int attach_next(struct resize *resize, struct fault *fault)
{
	int err = dataplane_next_pin(resize->dataplane, &resize->next, fault);

	return err || !resize->follow->attached ? err : dataplane_next_attach(resize->dataplane, &resize->next, fault);
}

static void exchange_others(struct resize *resize)
{
	inner_exchange(resize->inner, &resize->inner_next);
	fast_hooks_exchange(&resize->fast->hooks, &resize->fast_next);
	memset(&resize->inner_next, 0, sizeof(resize->inner_next));
	memset(&resize->fast_next, 0, sizeof(resize->fast_next));
}

/* They were loaded by what is the data plane's own now. */
static void adopt_others(struct resize *resize)
{
	resize->inner->hooks.tc = resize->fast->hooks.tc = dataplane_object(resize->dataplane);
	resize->inner->hooks.shape = resize->fast->hooks.shape = &resize->dataplane->table.shape;
}

static void tell(const struct resize *resize)
{
	const struct dataplane *dataplane = resize->dataplane;

	log_info("%s: its table has room for %u sessions now, not %u; %llu sessions were taken along in %llu ms, and "
		 "for %llu ms "
		 "none could begin",
		 dataplane->instance->iface, dataplane_capacity(dataplane), resize->next.shape.capacity,
		 dataplane->table.header->num_sessions, now_ms() - resize->begun_ms, resize->frozen_ms);
}

static int exchange(struct resize *resize, struct fault *fault)
{
	struct dataplane *dataplane = resize->dataplane;
	__u64 frozen_ms = now_ms();
	int err;

	freeze(dataplane->table.header);
	if (store_copy_dirty(&resize->copy) < 0)
		return no_room(resize, fault);
	count_both(resize);
	err = attach_next(resize, fault);
	if (err) {
		put_back(resize);
		return err;
	}
	exchange_others(resize);
	dataplane_next_commit(dataplane, &resize->next);
	adopt_others(resize);
	count_next(resize);
	promise_to_carry(dataplane->table.header);
	dataplane_next_thaw(dataplane);
	resize->frozen_ms = now_ms() - frozen_ms;
	resize->sweep->paused = true;
	sweep_restart(resize->sweep);
	resize->attach_sockets(resize->context);
	pools_settle();
	resize->cursor = 0;
	next_step(resize, STEP_CARRY);
	return 0;
}

static void carry_slice(struct resize *resize)
{
	struct header *header = resize->dataplane->table.header;
	__u32 left = num_buckets(&resize->copy.from_shape) - resize->cursor;
	__u32 num = left < SLICE ? left : SLICE;

	promise_to_carry(header);
	platform.now = clock_now(&header->clock);
	resize->copy.to = platform;
	store_copy_lives(&resize->copy, resize->cursor, num);
	resize->cursor += num;
	if (num < left)
		return;
	WRITE_ONCE(header->carried_until, 0);
	resize->sweep->paused = false;
	tell(resize);
	forget(resize);
}

static void carry_rest(struct resize *resize)
{
	while (resize->step == STEP_CARRY) {
		next_hops_promise(resize->fast->next_hops);
		carry_slice(resize);
	}
}

/* ---- the loop ------------------------------------------------------------------------------------------------- */

static int take_step(struct resize *resize, struct fault *fault)
{
	int err = 0;

	switch (resize->step) {
	case STEP_NONE:
		break;
	case STEP_COPY:
		return copy_slice(resize, fault);
	case STEP_CATCH:
		return catch_up(resize, STEP_LOAD, fault);
	case STEP_LOAD:
		err = dataplane_next_load(resize->dataplane, &resize->next, fault);
		next_step(resize, STEP_LOAD_INNER);
		break;
	case STEP_LOAD_INNER:
		err = inner_hooks_load_next(&resize->inner->hooks, dataplane_next_object(&resize->next),
					    &resize->next.shape, &resize->inner_next, fault);
		next_step(resize, STEP_LOAD_FAST);
		break;
	case STEP_LOAD_FAST:
		err = fast_hooks_load_next(&resize->fast->hooks, dataplane_next_object(&resize->next),
					   &resize->next.shape, &resize->fast_next, fault);
		next_step(resize, STEP_CATCH_AGAIN);
		break;
	case STEP_CATCH_AGAIN:
		return catch_up(resize, STEP_EXCHANGE, fault);
	case STEP_EXCHANGE:
		return exchange(resize, fault);
	case STEP_CARRY:
		carry_slice(resize);
		break;
	}
	return err;
}

static void turn(evutil_socket_t fd, short what, void *context)
{
	struct resize *resize = context;
	struct fault fault;

	(void)fd;
	(void)what;
	next_hops_promise(resize->fast->next_hops);
	if (take_step(resize, &fault))
		fail(resize, &fault);
	else if (resize->step != STEP_NONE)
		turn_again(resize);
}

/* ---- beginning ------------------------------------------------------------------------------------------------ */

int resize_open(struct resize *resize, struct event_base *base, struct fault *fault)
{
	resize->timer = event_new(base, -1, 0, turn, resize);
	return resize->timer ? 0 : fault_set(fault, ENOMEM, "cannot set a timer");
}

static int check_content(const struct resize *resize, const struct store_shape *shape, struct fault *fault)
{
	const struct header *header = resize->dataplane->table.header;
	__u64 pairs = header->num_sessions + header->num_mappings + header->num_permits;

	if (header->num_sessions <= shape->capacity && store_map_fits(shape, pairs))
		return 0;
	return fault_set(fault, ENOSPC,
			 "cannot shrink the table of %s to %u sessions: it holds %llu sessions and %llu mappings and "
			 "permits; --sessions %u or more would be accepted",
			 resize->dataplane->instance->iface, shape->capacity, header->num_sessions,
			 header->num_mappings + header->num_permits,
			 store_map_sessions_for(pairs, header->num_sessions > shape->capacity ? header->num_sessions
											      : shape->capacity));
}

static int begin(struct resize *resize, const struct store_shape *shape, struct fault *fault)
{
	struct dataplane *dataplane = resize->dataplane;
	struct header *header = dataplane->table.header;
	int err;

	/* the kernel clears gigabytes */
	next_hops_promise(resize->fast->next_hops);
	err = dataplane_next_make(dataplane, shape, &resize->next, fault);
	if (!err) {
		err = store_copy_open(&resize->copy, &resize->next.shape, resize->next.store.memory);
		if (err)
			fault_set(fault, -err, "too little memory to copy the table of %s", dataplane->instance->iface);
	}
	if (err) {
		forget(resize);
		return err;
	}
	dataplane_next_announce(dataplane, &resize->next);
	memset(dataplane->table.area[AREA_DIRTY].memory, 0, dataplane->table.area[AREA_DIRTY].bytes);
	WRITE_ONCE(header->resize, RESIZE_COPYING);
	pools_settle();
	resize->cursor = 0;
	resize->begun_ms = now_ms();
	next_step(resize, STEP_COPY);
	turn_again(resize);
	return 0;
}

int resize_to(struct resize *resize, __u32 num_sessions, struct fault *fault)
{
	struct dataplane *dataplane = resize->dataplane;
	__u32 capacity = dataplane_capacity(dataplane);
	struct store_shape shape;
	int err;

	if (resize->step != STEP_NONE && resize->step != STEP_CARRY && num_sessions &&
	    resize->next.shape.capacity == num_sessions)
		return 0;
	give_up(resize);
	if (!num_sessions || num_sessions == capacity)
		return 0;
	err = store_map_shape(num_sessions, &shape, fault);
	if (!err)
		err = check_content(resize, &shape, fault);
	if (!err)
		err = begin(resize, &shape, fault);
	if (!err)
		log_info("%s: its table is being made anew, with room for %u sessions, not %u",
			 dataplane->instance->iface, num_sessions, capacity);
	return err;
}

void resize_close(struct resize *resize)
{
	give_up(resize);
	if (resize->timer)
		event_free(resize->timer);
	resize->timer = NULL;
}
