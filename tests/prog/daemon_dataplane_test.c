/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of a data plane: made, attached, adopted, refused, mended, swept, and gone without a trace. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "clock.h"
#include "daemon/attach.h"
#include "daemon/dataplane_next.h"
#include "daemon/inner.h"
#include "daemon/netlink.h"
#include "daemon/repair.h"
#include "daemon/store_map.h"
#include "daemon/sweep.h"
#include "invariant.h"
#include "store_copy.h"
#include "store_write.h"
#include "table.h"
#include "wires.h"

#include "bpf/tc.skel.h" /* needs the contract */

#define IFACE "ext"
#define FAR "far"
#define NUM_SESSIONS 1000
#define CLOCK_FACTOR 1000
#define OLD_ADDRESS "192.0.2.1"
#define NEW_ADDRESS "192.0.2.2"
#define NS_PER_S 1000000000ull
#define LIMIT_S 20

static struct instance instance;
static struct dataplane dataplane;
static struct stripe stripe[NUM_STRIPES];

/* ---- steps ---------------------------------------------------------------------------------------------------- */

static int try_open(__u32 num_sessions, struct fault *fault)
{
	const struct dataplane_wish wish = {
		.num_sessions = num_sessions,
		.clock_factor = CLOCK_FACTOR,
		.l2_len = 14,
	};

	return dataplane_open(&instance, &wish, &dataplane, fault);
}

static void open_dataplane(void)
{
	struct fault fault = {};

	if (try_open(NUM_SESSIONS, &fault))
		fail_msg("%s", fault.text);
	platform.stripe = stripe;
}

static void attach(void)
{
	struct fault fault = {};

	if (dataplane_attach(&dataplane, if_nametoindex(IFACE), &fault))
		fail_msg("%s", fault.text);
}

static int num_attached(void)
{
	return attach_count(if_nametoindex(IFACE));
}

static void remove_dataplane(void)
{
	struct fault fault = {};
	bool found = false;

	dataplane_close(&dataplane);
	if (dataplane_remove(&instance, &found, &fault))
		fail_msg("%s", fault.text);
	assert_true(found);
	assert_int_equal(num_attached(), 0);
	assert_int_not_equal(access(instance.pins, F_OK), 0);
	/* A second time there is nothing. */
	assert_int_equal(dataplane_remove(&instance, &found, &fault), 0);
	assert_false(found);
}

static void configure(const char *own)
{
	struct config config = {
		.num_external = 1,
		.external = { { .addr = inet_addr(own) } },
		.num_own = 1,
		.own = { { .addr = inet_addr(own), .mask = 0xffffffff } },
	};
	struct fault fault = {};

	for (int i = 0; i < NUM_TIMEOUT; i++)
		config.timeout_s[i] = 300;
	assert_int_equal(dataplane_configure(&dataplane, &config, &fault), 0);
}

static struct pair session_of(const char *external, __u16 port)
{
	return (struct pair){
		.internal = { .addr = inet_addr("192.168.0.5"), .port = htons(port) },
		.external = { .addr = inet_addr(external), .port = htons(port) },
		.remote = { .addr = inet_addr("192.0.2.8"), .port = htons(53) },
		.proto = IPPROTO_UDP,
	};
}

/* A session whose last packet was seen `ago_s` seconds ago; it has no mapping, like one that shares its port. */
static void insert(const char *external, __u16 port, __u32 ago_s)
{
	__u32 life = life_make(PHASE_LIVE, 0, clock_now(&dataplane.table.header->clock) - ago_s);
	struct pair session = session_of(external, port);

	assert_int_equal(store_insert(&session, life, life, 0, true), INSERT_DONE);
}

static __u32 find(const char *external, __u16 port, __u8 direction)
{
	struct pair session = session_of(external, port);
	struct key key = pair_key(&session, direction);

	return store_find(&key);
}

/* ---- tests ---------------------------------------------------------------------------------------------------- */

static void makes_room_as_asked_for(void **state)
{
	(void)state;
	open_dataplane();
	assert_false(dataplane.adopted);
	assert_in_range(dataplane_capacity(&dataplane), NUM_SESSIONS, NUM_SESSIONS + 3);
	assert_true(table_num_entries() >= NUM_SESSIONS * 2 / 3 * 4);
	assert_int_equal(dataplane.table.header->clock.factor, CLOCK_FACTOR);
	assert_int_equal(dataplane.table.header->l2_len, 14);
	assert_int_equal(num_attached(), 0);
	remove_dataplane();
}

static void attaches_once(void **state)
{
	(void)state;
	open_dataplane();
	attach();
	assert_int_equal(num_attached(), NUM_ATTACH_HOOK);
	attach();
	assert_int_equal(num_attached(), NUM_ATTACH_HOOK);
	assert_true(attach_is_at(if_nametoindex(IFACE), ATTACH_INGRESS));
	assert_true(attach_is_at(if_nametoindex(IFACE), ATTACH_EGRESS));
	assert_int_equal(dataplane.table.header->ifindex, if_nametoindex(IFACE));
	remove_dataplane();
}

/* What `kill -9` leaves, which is what dataplane_close() leaves. */
static void adopts_what_is_there(void **state)
{
	struct store_shape shape;
	struct fault fault = {};

	(void)state;
	open_dataplane();
	configure(OLD_ADDRESS);
	attach();
	insert(OLD_ADDRESS, 1000, 0);
	shape = dataplane.table.header->shape;
	dataplane_close(&dataplane);
	assert_int_equal(num_attached(), NUM_ATTACH_HOOK);

	assert_int_equal(try_open(5 * NUM_SESSIONS, &fault), 0); /* another size: the table stays */
	assert_true(dataplane.adopted);
	assert_memory_equal(&dataplane.table.header->shape, &shape, sizeof(shape));
	assert_int_not_equal(find(OLD_ADDRESS, 1000, 0), INDEX_NONE);
	assert_int_equal(dataplane.table.config.external[0].addr, inet_addr(OLD_ADDRESS));
	assert_int_equal(repair_table(&dataplane), 0);
	attach();
	assert_int_equal(num_attached(), NUM_ATTACH_HOOK);
	remove_dataplane();
}

/* ---- another store --------------------------------------------------------------------------------------------- */

#define OTHER_SESSIONS (4 * NUM_SESSIONS)
#define LAST_PORT 50

/* How far an exchange had come when the daemon died. */
enum moment {
	MOMENT_COPYING,
	MOMENT_FROZEN,
	MOMENT_ATTACHED,
	MOMENT_RENAMED, /* and nothing was written down */
	MOMENT_COMMITTED,
};

static bool is_pinned(const char *name)
{
	char path[PIN_PATH];

	return access(instance_pin(&instance, name, path), F_OK) == 0;
}

static void pin_next_as_store(void)
{
	char from[PIN_PATH], to[PIN_PATH];

	instance_pin(&instance, "store-next", from);
	assert_int_equal(rename(from, instance_pin(&instance, "store", to)), 0);
}

/* As resize.c does it, up to this moment. */
static void exchange_until(enum moment moment, struct dataplane_next *next, struct store_copy *copy, __u16 port)
{
	struct header *header = dataplane.table.header;
	struct fault fault = { "" };
	struct store_shape shape;

	assert_int_equal(store_map_shape(OTHER_SESSIONS, &shape, &fault), 0);
	assert_int_equal(dataplane_next_make(&dataplane, &shape, next, &fault), 0);
	assert_int_equal(store_copy_open(copy, &next->shape, next->store.memory), 0);
	dataplane_next_announce(&dataplane, next);
	header->resize = RESIZE_COPYING;
	assert_int_equal(store_copy_buckets(copy, 0, table_num_entries() / BUCKET_ENTRIES), 0);
	insert(OLD_ADDRESS, port, 0); /* the last one comes while it is copied */
	if (moment == MOMENT_COPYING)
		return;
	if (dataplane_next_load(&dataplane, next, &fault))
		fail_msg("%s", fault.text);
	header->resize = RESIZE_FROZEN;
	header->writable = STORE_NONE;
	assert_int_equal(store_copy_dirty(copy), 1);
	header->next_stashed = copy->header.num_stashed;
	header->num_stashed += header->next_stashed;
	if (dataplane_next_pin(&dataplane, next, &fault))
		fail_msg("%s", fault.text);
	if (moment >= MOMENT_ATTACHED && dataplane_next_attach(&dataplane, next, &fault))
		fail_msg("%s", fault.text);
	if (moment == MOMENT_RENAMED)
		pin_next_as_store();
	if (moment == MOMENT_COMMITTED)
		dataplane_next_commit(&dataplane, next);
}

/* What kernels differ in is the same at every moment, and on an emulated machine each takes the verifier ten seconds. */
static enum moment last_moment(void)
{
	return getenv("EMULATED") ? MOMENT_COPYING : MOMENT_COMMITTED;
}

/* Each run finds what is in the stash, though the one before died before it had replaced all programs. */
static void settle_once_more(void)
{
	struct fault fault;

	assert_int_equal(dataplane.table.header->num_stashed, 3);
	dataplane_close(&dataplane);
	if (try_open(0, &fault))
		fail_msg("%s", fault.text);
	platform.stripe = stripe;
	assert_int_equal(dataplane.table.header->num_stashed, 3);
	dataplane.table.header->num_stashed = 0; /* as it is */
}

static void settles_what_was_interrupted(void **state)
{
	(void)state;
	for (enum moment moment = MOMENT_COPYING; moment <= last_moment(); moment++) {
		struct dataplane_next next = {};
		struct store_copy copy = {};
		struct header *header;
		struct fault fault = {};

		open_dataplane();
		configure(OLD_ADDRESS);
		attach();
		for (__u16 port = 1; port < LAST_PORT; port++)
			insert(OLD_ADDRESS, port, 0);
		exchange_until(moment, &next, &copy, LAST_PORT);
		header = dataplane.table.header;
		if (moment == MOMENT_COMMITTED)
			header->num_stashed = header->next_stashed = 3;
		store_copy_close(&copy);
		dataplane_next_close(&next);
		dataplane_close(&dataplane);

		if (try_open(0, &fault))
			fail_msg("moment %d: %s", moment, fault.text);
		platform.stripe = stripe;
		assert_true(dataplane.adopted);
		assert_int_equal(dataplane_capacity(&dataplane),
				 moment >= MOMENT_RENAMED ? OTHER_SESSIONS : NUM_SESSIONS);
		if (moment == MOMENT_COMMITTED)
			settle_once_more();
		header = dataplane.table.header;
		assert_int_equal(repair_table(&dataplane), 0);
		for (__u16 port = 1; port <= LAST_PORT; port++) {
			assert_int_not_equal(find(OLD_ADDRESS, port, 0), INDEX_NONE);
			assert_int_not_equal(find(OLD_ADDRESS, port, ENTRY_INBOUND), INDEX_NONE);
		}
		/* until all programs are of the store that counts nothing may change, unless they all were */
		assert_int_equal(store_is_writable(), moment == MOMENT_COPYING);
		attach();
		dataplane_next_thaw(&dataplane);
		assert_true(store_is_writable());
		assert_int_equal(header->resize, RESIZE_NONE);
		assert_int_equal(header->next_stashed, 0);
		assert_int_equal(header->shape.store_id, dataplane.table.shape.store_id);
		assert_true(is_pinned("store") && is_pinned("stages") && is_pinned("dirty"));
		assert_false(is_pinned("store-next") || is_pinned("stages-next"));
		assert_int_equal(num_attached(), NUM_ATTACH_HOOK);
		/* and it can be done again */
		exchange_until(MOMENT_COMMITTED, &next, &copy, LAST_PORT + 1);
		dataplane_next_thaw(&dataplane);
		assert_int_equal(dataplane_capacity(&dataplane), OTHER_SESSIONS);
		store_copy_close(&copy);
		dataplane_next_close(&next);
		remove_dataplane();
	}
}

/* A batch that was made for the old store finds a program that wants none of it. */
static void leaves_indexes_of_another_store_alone(void **state)
{
	struct sweep_request request = { .head = { .op = SWEEP_FLUSH, .num = 1 } };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &request, .data_size_in = sizeof(request), .repeat = 1);
	struct dataplane_next next = {};
	struct store_copy copy = {};

	(void)state;
	open_dataplane();
	configure(OLD_ADDRESS);
	insert(OLD_ADDRESS, 1, 0);
	request.index[0] = find(OLD_ADDRESS, 1, 0);
	request.head.store_id = dataplane.table.shape.store_id;
	attach();
	exchange_until(MOMENT_COMMITTED, &next, &copy, LAST_PORT + 1);
	/* frozen: nobody removes anything */
	request.index[0] = find(OLD_ADDRESS, 1, 0);
	request.head.store_id = dataplane.table.shape.store_id;
	assert_int_equal(bpf_prog_test_run_opts(dataplane.sweep_fd, &opts), 0);
	assert_int_equal(opts.retval, 0);
	dataplane_next_thaw(&dataplane);
	/* the old program, and what is meant for it */
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(next.programs->progs.bauta_sweep), &opts), 0);
	assert_int_equal(opts.retval, 0);
	request.head.store_id = next.shape.store_id;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(next.programs->progs.bauta_sweep), &opts), 0);
	assert_int_equal(opts.retval, 0);
	assert_int_equal(bpf_prog_test_run_opts(dataplane.sweep_fd, &opts), 0);
	assert_int_equal(opts.retval, 0);
	assert_int_not_equal(find(OLD_ADDRESS, 1, 0), INDEX_NONE);
	request.head.store_id = dataplane.table.shape.store_id;
	assert_int_equal(bpf_prog_test_run_opts(dataplane.sweep_fd, &opts), 0);
	assert_int_equal(opts.retval, 1);
	store_copy_close(&copy);
	dataplane_next_close(&next);
	remove_dataplane();
}

/* A run that cannot tell which interfaces there are leaves no program of the run before, whose store may be gone; what it could
 * not replace is attached as soon as it can tell.
 */
static void leaves_no_hairpin_program_of_another_run(void **state)
{
	__u32 ifindex = if_nametoindex(FAR);
	struct mnl_socket *good, *bad;
	struct inner_hooks next = {};
	struct inner inner;
	struct fault fault;

	(void)state;
	assert_int_equal(netlink_open(NETLINK_ROUTE, &good), 0);
	/* where nobody knows of interfaces */
	assert_int_equal(netlink_open(NETLINK_GENERIC, &bad), 0);
	open_dataplane();
	configure(OLD_ADDRESS);
	dataplane.table.config.hairpin = (struct interfaces){ .mode = INTERFACES_LIST, .num = 1, .iface = { FAR } };
	inner_start(&inner, &dataplane, good);
	assert_true(inner_hook_is_at(&instance, ifindex));

	/* programs that go where others were */
	if (inner_hooks_load_next(&inner.hooks, inner.hooks.tc, inner.hooks.shape, &next, &fault))
		fail_msg("%s", fault.text);
	inner.ask = bad;
	inner_exchange(&inner, &next);
	assert_false(inner_hook_is_at(&instance, ifindex));
	inner_follow(&inner);
	assert_false(inner_hook_is_at(&instance, ifindex));
	inner.ask = good;
	inner_follow(&inner);
	assert_true(inner_hook_is_at(&instance, ifindex));
	/* later on it stays as it is */
	inner.ask = bad;
	inner_follow(&inner);
	assert_true(inner_hook_is_at(&instance, ifindex));
	inner_close(&inner);

	/* and another run */
	inner_start(&inner, &dataplane, bad);
	assert_false(inner_hook_is_at(&instance, ifindex));
	inner.ask = good;
	inner_follow(&inner);
	assert_true(inner_hook_is_at(&instance, ifindex));
	inner_close(&inner);
	netlink_close(good);
	netlink_close(bad);
	remove_dataplane();
	assert_false(inner_hook_is_at(&instance, ifindex));
}

static void refuses_another_layout_and_leaves_it(void **state)
{
	struct fault fault = {};

	(void)state;
	open_dataplane();
	attach();
	dataplane.table.header->layout = LAYOUT_VERSION + 1;
	dataplane_close(&dataplane);

	assert_int_equal(try_open(NUM_SESSIONS, &fault), -EPROTO);
	assert_non_null(strstr(fault.text, "layout"));
	assert_int_equal(num_attached(), NUM_ATTACH_HOOK);
	assert_int_equal(access(instance.pins, F_OK), 0);
	remove_dataplane();
}

static void begins_anew_after_a_start_that_was_killed(void **state)
{
	char path[PIN_PATH];

	(void)state;
	open_dataplane();
	insert(OLD_ADDRESS, 1000, 0);
	dataplane_close(&dataplane);
	assert_int_equal(unlink(instance_pin(&instance, "header", path)), 0);

	open_dataplane();
	assert_false(dataplane.adopted);
	assert_int_equal(dataplane.table.header->num_sessions, 0);
	assert_int_equal(find(OLD_ADDRESS, 1000, 0), INDEX_NONE);
	remove_dataplane();
}

static void refuses_more_than_an_index_can_name(void **state)
{
	struct fault fault = {};

	(void)state;
	assert_int_equal(try_open(1u << 29, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "would be accepted"));
	assert_int_not_equal(access(instance.pins, F_OK), 0);
}

/* A qdisc that was there before is not ours to remove; on kernels without tcx our filters stand in it. */
static void leaves_the_qdisc_of_others(void **state)
{
	struct fault fault = {};

	(void)state;
	if (system("tc qdisc add dev " IFACE " clsact"))
		fail_msg("cannot make a qdisc");
	open_dataplane();
	attach();
	assert_int_equal(dataplane_detach(&instance, if_nametoindex(IFACE), NULL, &fault), 0);
	remove_dataplane();
	assert_int_equal(system("tc qdisc show dev " IFACE " | grep -q clsact"), 0);
	assert_int_equal(system("tc qdisc delete dev " IFACE " clsact"), 0);
	open_dataplane();
	attach();
	remove_dataplane();
	assert_int_not_equal(system("tc qdisc show dev " IFACE " | grep -q clsact"), 0);
}

static void mends_a_table(void **state)
{
	struct entry *half, *busy;

	(void)state;
	open_dataplane();
	insert(OLD_ADDRESS, 1000, 0);
	insert(OLD_ADDRESS, 1001, 0);
	half = store_entry(find(OLD_ADDRESS, 1000, 0));
	memset(store_entry(half->twin), 0, sizeof(*half));
	busy = store_entry(table_num_entries() - 1);
	busy->life = PHASE_BUSY;
	assert_true(invariant_check(NULL, NULL, NULL) > 0);

	assert_int_equal(repair_table(&dataplane), 0);
	assert_int_equal(find(OLD_ADDRESS, 1000, 0), INDEX_NONE);
	assert_int_not_equal(find(OLD_ADDRESS, 1001, 0), INDEX_NONE);
	assert_int_equal(dataplane.table.header->num_sessions, 1);
	assert_int_equal(busy->life, PHASE_FREE);
	remove_dataplane();
}

static void ends_sessions_of_addresses_that_are_gone(void **state)
{
	struct fault fault = {};
	struct sweep sweep;

	(void)state;
	open_dataplane();
	configure(NEW_ADDRESS);
	for (__u16 port = 1; port <= 600; port++) /* more than a batch */
		insert(OLD_ADDRESS, port, 0);
	insert(NEW_ADDRESS, 1000, 0);
	assert_int_equal(sweep_open(&sweep, &dataplane, &fault), 0);
	sweep.keep_foreign = true;
	assert_int_equal(sweep_flush_foreign(&sweep), 0);
	sweep.keep_foreign = false;
	assert_int_equal(sweep_flush_foreign(&sweep), 600);
	assert_int_equal(dataplane.table.header->num_sessions, 1);
	assert_int_not_equal(find(NEW_ADDRESS, 1000, 0), INDEX_NONE);
	assert_int_equal(invariant_check(NULL, NULL, NULL), 0);
	sweep_close(&sweep);
	remove_dataplane();
}

static void sweeps_out_what_has_expired(void **state)
{
	__u64 limit_ns = clock_read_mono_ns() + LIMIT_S * NS_PER_S;
	struct fault fault = {};
	struct sweep sweep;

	(void)state;
	open_dataplane();
	configure(OLD_ADDRESS);
	insert(OLD_ADDRESS, 1000, 301);
	/* Far from its end, although the clock runs a thousand times faster. */
	insert(OLD_ADDRESS, 1001, 0);
	store_entry(find(OLD_ADDRESS, 1001, 0))->life =
		life_make(PHASE_LIVE, 0, clock_now(&dataplane.table.header->clock) + LIFE_SEEN_MASK / 4);
	assert_int_equal(sweep_open(&sweep, &dataplane, &fault), 0);
	while (dataplane.table.header->num_sessions > 1 && clock_read_mono_ns() < limit_ns)
		sweep_step(&sweep);
	assert_int_equal(dataplane.table.header->num_sessions, 1);
	assert_int_equal(find(OLD_ADDRESS, 1000, 0), INDEX_NONE);
	assert_int_equal(find(OLD_ADDRESS, 1000, ENTRY_INBOUND), INDEX_NONE);
	assert_int_not_equal(find(OLD_ADDRESS, 1001, 0), INDEX_NONE);
	sweep_close(&sweep);
	remove_dataplane();
}

static int make_interface(void **state)
{
	struct fault fault = {};

	(void)state;
	wires_enter();
	wires_ip("link add " IFACE " type veth peer name " FAR);
	wires_ip("link set " IFACE " up");
	if (instance_name(IFACE, &instance, &fault) || instance_mount(&fault))
		fail_msg("%s", fault.text);
	return 0;
}

/* How many of the tests are run where the verifier takes three seconds for each time that programs are loaded. */
#define NUM_BY_KERNEL 7

/* A test that failed has not cleaned up. */
static int remove_leftovers(void **state)
{
	struct fault fault;
	bool found;

	(void)state;
	dataplane_close(&dataplane);
	return dataplane_remove(&instance, &found, &fault);
}

int main(void)
{
	/* first what kernels differ in: how programs and maps are loaded, pinned, attached, found again and exchanged */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(attaches_once, remove_leftovers),
		cmocka_unit_test_teardown(adopts_what_is_there, remove_leftovers),
		cmocka_unit_test_teardown(settles_what_was_interrupted, remove_leftovers),
		cmocka_unit_test_teardown(leaves_indexes_of_another_store_alone, remove_leftovers),
		cmocka_unit_test_teardown(refuses_more_than_an_index_can_name, remove_leftovers),
		cmocka_unit_test_teardown(leaves_the_qdisc_of_others, remove_leftovers),
		cmocka_unit_test_teardown(sweeps_out_what_has_expired, remove_leftovers),
		cmocka_unit_test_teardown(leaves_no_hairpin_program_of_another_run, remove_leftovers),
		cmocka_unit_test_teardown(makes_room_as_asked_for, remove_leftovers),
		cmocka_unit_test_teardown(refuses_another_layout_and_leaves_it, remove_leftovers),
		cmocka_unit_test_teardown(begins_anew_after_a_start_that_was_killed, remove_leftovers),
		cmocka_unit_test_teardown(mends_a_table, remove_leftovers),
		cmocka_unit_test_teardown(ends_sessions_of_addresses_that_are_gone, remove_leftovers),
	};
	size_t num = getenv("EMULATED") ? NUM_BY_KERNEL : sizeof(tests) / sizeof(*tests);

	return _cmocka_run_group_tests("tests", tests, num, make_interface, NULL);
}
