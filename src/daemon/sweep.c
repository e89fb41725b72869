/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sweep (docs/design.md).
 *
 * User space reads the table, which costs about a nanosecond a slot, and only makes up a list of candidates. Whether one
 * goes is decided by the BPF program bauta_sweep, under the locks that all writers use: first it marks a session that
 * has expired, at a later pass it frees it, unless a packet came between. A pass takes seconds, so that a big table costs
 * little; where a test has made the clock faster, passes are faster too.
 */
#include "sweep.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>

#include "addr.h"
#include "clock.h"
#include "log.h"
#include "pool.h"
#include "session.h"
#include "store.h"
#include "store_size.h"
#include "sweep_pace.h"
#include "table.h"

#define STEPS_PER_PASS 8u
#define TICK_MIN_MS 50u
#define TICK_MAX_MS 250u /* other work of the daemon waits for a step */

static __u32 choose_pass_ms(const struct sweep *sweep)
{
	const struct header *header = sweep->dataplane->table.header;
	__u64 pairs =
		READ_ONCE(header->num_sessions) + READ_ONCE(header->num_mappings) + READ_ONCE(header->num_permits);

	return sweep_pass_ms(&(struct sweep_load){
		.cpu_ns = sweep->pass_cpu_ns,
		.num_entries = table_num_entries(),
		.is_full = store_size_is_full(platform_shape(), pairs),
		.factor = header->clock.factor,
	});
}

int sweep_open(struct sweep *ret_sweep, const struct dataplane *dataplane, struct fault *fault)
{
	struct sweep *sweep = ret_sweep;

	memset(sweep, 0, sizeof(*sweep));
	sweep->dataplane = dataplane;
	quota_sweep_init(&sweep->quotas, dataplane);
	for (int i = 0; i < SWEEP_AHEAD; i++)
		sweep->ahead[i] = INDEX_NONE;
	sweep->expire.head.op = SWEEP_EXPIRE;
	sweep->flush.head.op = SWEEP_FLUSH;
	sweep->pass_ms = choose_pass_ms(sweep);
	sweep->tick_ms = sweep->pass_ms / STEPS_PER_PASS;
	if (sweep->tick_ms < TICK_MIN_MS)
		sweep->tick_ms = TICK_MIN_MS;
	if (sweep->tick_ms > TICK_MAX_MS)
		sweep->tick_ms = TICK_MAX_MS;
	return farewell_open(&sweep->farewell, dataplane, fault);
}

void sweep_restart(struct sweep *sweep)
{
	sweep->cursor = 0;
	sweep->pass_cpu_ns = 0;
	sweep->cpu_ns = 0;
	sweep->pass_ms = choose_pass_ms(sweep);
}

void sweep_close(struct sweep *sweep)
{
	farewell_close(&sweep->farewell);
}

/* Has the program treat a batch and empties it: how many sessions were removed. */
static __u32 send_batch(const struct sweep *sweep, struct sweep_request *request)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = request, .data_size_in = sizeof(*request), .repeat = 1);
	static bool told;
	int err;

	if (!request->head.num)
		return 0;
	request->head.store_id = sweep->dataplane->table.shape.store_id;
	err = bpf_prog_test_run_opts(sweep->dataplane->sweep_fd, &opts);
	request->head.num = 0;
	if (err && !told) {
		log_error("cannot run the sweep: %s; sessions end only where others need their place", strerror(-err));
		told = true;
	}
	return err ? 0 : opts.retval;
}

static __u32 add_candidate(const struct sweep *sweep, struct sweep_request *request, __u32 index)
{
	request->index[request->head.num++] = index;
	return request->head.num == SWEEP_BATCH ? send_batch(sweep, request) : 0;
}

/* The same, of sessions whose ends hear of it. */
static __u32 add_noted(struct sweep *sweep, struct sweep_request *request, __u32 index)
{
	__u32 removed;

	farewell_note(&sweep->farewell, index);
	removed = add_candidate(sweep, request, index);
	if (!request->head.num)
		farewell_send(&sweep->farewell);
	return removed;
}

static bool is_foreign(const struct sweep *sweep, __be32 external)
{
	const struct config *config = &sweep->dataplane->table.config;

	return !addr_is_own(config, external) && !sweep->keep_foreign;
}

/* No session of this protocol expires sooner after the last packet than this. */
static __u32 shortest_timeout(const struct config *config, __u8 proto)
{
	__u32 shortest = proto == IPPROTO_UDP ? config->timeout_s[TIMEOUT_UDP] : config->timeout_s[TIMEOUT_ICMP];

	if (proto == IPPROTO_TCP) {
		shortest = config->timeout_s[TIMEOUT_TCP_OPENING];
		for (int i = TIMEOUT_TCP_ESTABLISHED; i <= TIMEOUT_TCP_RESET; i++)
			if (config->timeout_s[i] < shortest)
				shortest = config->timeout_s[i];
	}
	for (__u32 i = 0; i < config->num_port_timeouts; i++)
		if (config->port_timeout[i].proto == proto && config->port_timeout[i].timeout_s < shortest)
			shortest = config->port_timeout[i].timeout_s;
	return shortest;
}

static void set_shortest(struct sweep *sweep)
{
	const struct config *config = &sweep->dataplane->table.config;

	sweep->shortest_s[SPACE_TCP] = shortest_timeout(config, IPPROTO_TCP);
	sweep->shortest_s[SPACE_UDP] = shortest_timeout(config, IPPROTO_UDP);
	sweep->shortest_s[SPACE_ICMP] = shortest_timeout(config, IPPROTO_ICMP);
}

/* Whether the session of this outbound entry, which has been idle for a while by itself, has expired. The program looks again, so
 * this may be wrong, in either direction, when the entry changes meanwhile.
 */
static bool is_due(const struct config *config, struct entry *entry, __u32 life)
{
	struct entry *twin = store_entry(READ_ONCE(entry->twin));
	__u32 twin_life;

	if (!twin)
		return false;
	twin_life = READ_ONCE(twin->life);
	return life_phase(twin_life) == PHASE_DYING ||
	       !session_expires(config, READ_ONCE(entry->proto), READ_ONCE(entry->dport), life, twin_life,
				platform_now());
}

/* Looks at the entry that was put aside SWEEP_AHEAD entries ago, of whatever it is by now. */
static void look_at_oldest(struct sweep *sweep)
{
	__u32 index = sweep->ahead[sweep->num_ahead % SWEEP_AHEAD];
	struct entry *entry = store_entry(index);
	__u32 life;

	if (!entry)
		return;
	life = READ_ONCE(entry->life);
	if (life_phase(life) == PHASE_LIVE && !(READ_ONCE(entry->flags) & (ENTRY_INBOUND | ENTRY_MAPPING)) &&
	    is_due(&sweep->dataplane->table.config, entry, life))
		add_noted(sweep, &sweep->expire, index);
}

/* The twin is somewhere else in a table that no cache holds, and tens of nanoseconds away. So it is sent for, and the entry put
 * aside until it has come.
 */
static void put_aside(struct sweep *sweep, struct entry *entry, __u32 index)
{
	struct entry *twin = store_entry(READ_ONCE(entry->twin));

	if (twin)
		__builtin_prefetch(twin);
	look_at_oldest(sweep);
	sweep->ahead[sweep->num_ahead++ % SWEEP_AHEAD] = index;
}

/* Looks at all that is put aside. */
static void catch_up(struct sweep *sweep)
{
	for (int i = 0; i < SWEEP_AHEAD; i++) {
		look_at_oldest(sweep);
		sweep->ahead[sweep->num_ahead++ % SWEEP_AHEAD] = INDEX_NONE;
	}
}

static void look_at(struct sweep *sweep, __u32 index)
{
	const struct config *config = &sweep->dataplane->table.config;
	struct entry *entry = store_entry(index);
	__u32 life = READ_ONCE(entry->life), idle_s;
	__u8 flags = READ_ONCE(entry->flags);

	if (!life_is_visible(life) || (flags & ENTRY_INBOUND) || ((flags & ENTRY_MAPPING) && READ_ONCE(entry->refs)))
		return;
	idle_s = life_idle(life, platform_now());
	if (is_foreign(sweep, READ_ONCE(entry->new_addr))) {
		add_candidate(sweep, &sweep->flush, index);
	} else if (flags & ENTRY_MAPPING) {
		if (idle_s >= config->rest_s)
			add_noted(sweep, &sweep->expire, index);
	} else if (life_phase(life) == PHASE_DYING) {
		if (idle_s >= 1)
			add_noted(sweep, &sweep->expire, index);
	} else if (idle_s >= sweep->shortest_s[port_space(READ_ONCE(entry->proto))]) {
		/* not for those that have just been busy */
		put_aside(sweep, entry, index);
	}
}

static __u64 cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void end_pass(struct sweep *sweep)
{
	sweep->cursor = 0;
	sweep->pass_cpu_ns = sweep->cpu_ns;
	sweep->cpu_ns = 0;
	sweep->pass_ms = choose_pass_ms(sweep);
}

void sweep_step(struct sweep *sweep)
{
	const struct header *header = sweep->dataplane->table.header;
	__u32 num = table_num_entries();
	__u64 end = sweep->cursor + (__u64)num * sweep->tick_ms / sweep->pass_ms + 1;
	__u64 begin_ns = cpu_ns();

	if (sweep->paused)
		return;
	quota_sweep_step(&sweep->quotas, STEPS_PER_PASS);
	if (!READ_ONCE(header->num_sessions) && !READ_ONCE(header->num_mappings)) {
		sweep->cursor = 0;
		return;
	}
	platform.now = clock_now(&header->clock);
	set_shortest(sweep);
	while (sweep->cursor < num && sweep->cursor < end)
		look_at(sweep, sweep->cursor++);
	catch_up(sweep);
	send_batch(sweep, &sweep->expire);
	farewell_send(&sweep->farewell);
	send_batch(sweep, &sweep->flush);
	sweep->cpu_ns += cpu_ns() - begin_ns;
	if (sweep->cursor == num)
		end_pass(sweep);
}

__u64 sweep_flush_foreign(struct sweep *sweep)
{
	__u64 removed = 0;
	__u32 cursor = 0;
	struct row row;

	while (table_next(&cursor, &row))
		if (!(row_is_mapping(&row) && row.refs) && is_foreign(sweep, row.pair.external.addr))
			removed += add_noted(sweep, &sweep->flush, row.out_index);
	removed += send_batch(sweep, &sweep->flush);
	farewell_send(&sweep->farewell);
	return removed;
}
