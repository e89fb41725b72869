/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gateway.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "bpf/tc.skel.h"
#include "clock.h"
#include "invariant.h"
#include "ranges.h"

#define BUCKETS_FOR(sessions) ((sessions)*2 / 3 + 2)
#define NUM_STASH 4
#define POOL_SIZE (NUM_SPACE * sizeof(struct pool))
#define CROWD_SIZE (NUM_CROWD * sizeof(struct crowd))

/* ---- opening and closing -------------------------------------------------------------------------------------- */

static void *map_memory(const struct bpf_map *map, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

static size_t store_size(const struct gateway *gateway)
{
	return gateway->num_entries * sizeof(struct entry);
}

static void open_gateway(struct gateway *gateway, __u32 l2_len, __u32 num_sessions, struct clock clock)
{
	struct store_shape shape = { .num_buckets = BUCKETS_FOR(num_sessions), .num_stash = NUM_STASH };

	if (unshare(CLONE_NEWNET))
		fail_msg("cannot make a network namespace: %s", strerror(errno));
	*gateway = (struct gateway){ .programs = tc__open(), .l2_len = l2_len };
	assert_non_null(gateway->programs);
	assert_int_equal(getrandom(shape.hash_key, sizeof(shape.hash_key), 0), sizeof(shape.hash_key));
	memcpy((void *)&gateway->programs->rodata->shape, &shape, sizeof(shape));
	*(__u64 *)&gateway->programs->rodata->clock_mult = clock.mult;
	*(__u32 *)&gateway->programs->rodata->l2_len = l2_len;
	bpf_map__set_max_entries(gateway->programs->maps.store, shape.num_buckets + shape.num_stash);
	assert_int_equal(tc__load(gateway->programs), 0);

	gateway->num_entries = (size_t)(shape.num_buckets + shape.num_stash) * BUCKET_ENTRIES;
	gateway->bucket = map_memory(gateway->programs->maps.store, store_size(gateway));
	gateway->header = map_memory(gateway->programs->maps.header, sizeof(struct header));
	gateway->pool = map_memory(gateway->programs->maps.pools, POOL_SIZE);
	gateway->crowd = map_memory(gateway->programs->maps.crowds, CROWD_SIZE);
	gateway->header->shape = shape;
	gateway->header->clock = clock;
	gateway->header->num_pool_addrs = 1;
	gateway->header->pool_addr[0] = inet_addr(EXTERNAL);
	platform = (struct platform){
		.header = gateway->header,
		.bucket = gateway->bucket,
		.config = &gateway->config,
		.pool = gateway->pool,
		.num_pools = NUM_SPACE,
		.crowd = gateway->crowd,
		.random = 1,
	};
}

void gateway_open(struct gateway *gateway, __u32 l2_len, __u32 num_sessions)
{
	open_gateway(gateway, l2_len, num_sessions, clock_make(clock_read_hz(), 1, 0, 0));
}

void gateway_open_stopped(struct gateway *gateway, __u32 l2_len, __u32 num_sessions)
{
	struct clock clock = clock_make(clock_read_hz(), 1, 0, 0);

	clock.mult = 0;
	open_gateway(gateway, l2_len, num_sessions, clock);
}

void gateway_close(struct gateway *gateway)
{
	munmap(gateway->bucket, store_size(gateway));
	munmap(gateway->header, sizeof(struct header));
	munmap(gateway->pool, POOL_SIZE);
	munmap(gateway->crowd, CROWD_SIZE);
	tc__destroy(gateway->programs);
}

/* cmocka hands nothing to the set-up of a group. */
static struct {
	struct gateway *gateway;
	__u32 num_sessions;
} group;

static int open_group(void **state)
{
	(void)state;
	gateway_open(group.gateway, ETH_HLEN, group.num_sessions);
	return 0;
}

static int close_group(void **state)
{
	(void)state;
	gateway_close(group.gateway);
	return 0;
}

int gateway_run_tests(struct gateway *gateway, __u32 num_sessions, const struct CMUnitTest *tests, size_t num_tests)
{
	group.gateway = gateway;
	group.num_sessions = num_sessions;
	return _cmocka_run_group_tests("tests", tests, num_tests, open_group, close_group);
}

static void update(const struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

void gateway_configure(struct gateway *gateway)
{
	/* what was learnt under the last one does not hold */
	gateway->config.generation++;
	for (int space = 0; space < NUM_SPACE; space++)
		memset(gateway->pool[space].open, 0xff, sizeof(gateway->pool[space].open));
	update(gateway->programs->maps.config, &(__u32){ 0 }, &gateway->config);
}

static void forget_counters(struct gateway *gateway)
{
	int num_cpus = libbpf_num_possible_cpus();
	__u64 *zero = calloc(num_cpus, sizeof(*zero));

	assert_non_null(zero);
	for (__u32 reason = 0; reason < NUM_REASON; reason++)
		update(gateway->programs->maps.counters, &reason, zero);
	for (__u32 i = 0; i < NUM_LIMIT; i++)
		update(gateway->programs->maps.limits, &i, &(struct limit){ 0 });
	free(zero);
	memset(gateway->counters, 0, sizeof(gateway->counters));
	memset(gateway->header->num_failures, 0, sizeof(gateway->header->num_failures));
	gateway->num_packets = 0;
	gateway_take_events(gateway);
	gateway->num_suppressed = 0;
}

void gateway_reset(struct gateway *gateway, const char *ranges)
{
	static const __u32 timeout_s[NUM_TIMEOUT] = { 300, 240, 7440, 240, 240, 60, 6, 30 };
	__u32 generation = gateway->config.generation;
	struct ranges set;
	struct fault fault;

	memset(gateway->bucket, 0, store_size(gateway));
	memset(gateway->pool, 0, POOL_SIZE);
	memset(gateway->crowd, 0, CROWD_SIZE);
	gateway->header->num_sessions = 0;
	gateway->header->num_mappings = 0;
	gateway->header->num_created = 0;
	gateway->header->num_stashed = 0;
	gateway->header->num_crowds = 0;
	memset(&gateway->config, 0, sizeof(gateway->config));
	gateway->config.generation = generation;
	gateway->config.num_external = 1;
	gateway->config.external[0].addr = inet_addr(EXTERNAL);
	gateway->config.num_own = 1;
	gateway->config.own[0] = (struct prefix){ .addr = inet_addr(EXTERNAL), .mask = 0xffffffff };
	memcpy(gateway->config.timeout_s, timeout_s, sizeof(timeout_s));
	assert_int_equal(ranges_parse(ranges, &set, &fault), 0);
	assert_int_equal(ranges_to_config(&set, &gateway->config), 0);
	gateway_configure(gateway);
	update(gateway->programs->maps.gateways, &(__u32){ FROM_INTERNAL }, &(__be32){ inet_addr(GATEWAY_ADDR) });
	forget_counters(gateway);
}

/* ---- packets -------------------------------------------------------------------------------------------------- */

static void read_counters(const struct gateway *gateway, __u64 ret_counters[NUM_REASON])
{
	static __u64 *values;
	int num_cpus = libbpf_num_possible_cpus();
	__u32 keys[NUM_REASON], num = NUM_REASON, batch;

	if (!values)
		values = calloc((size_t)NUM_REASON * num_cpus, sizeof(*values));
	assert_non_null(values);
	if (bpf_map_lookup_batch(bpf_map__fd(gateway->programs->maps.counters), NULL, &batch, keys, values, &num,
				 NULL) &&
	    errno != ENOENT)
		fail_msg("cannot read the counters: %s", strerror(errno));
	assert_int_equal(num, NUM_REASON);
	for (__u32 i = 0; i < NUM_REASON; i++) {
		ret_counters[keys[i]] = 0;
		for (int cpu = 0; cpu < num_cpus; cpu++)
			ret_counters[keys[i]] += values[(size_t)i * num_cpus + cpu];
	}
}

/* Under which reason the packet just given was counted. */
static enum reason take_reason(struct gateway *gateway)
{
	__u64 counters[NUM_REASON];
	int counted = -1;

	read_counters(gateway, counters);
	for (int i = 0; i < NUM_REASON; i++) {
		if (counters[i] == gateway->counters[i])
			continue;
		if (counters[i] != gateway->counters[i] + 1 || counted >= 0)
			fail_msg("one packet was counted under reason %d, by %lld, and under reason %d", i,
				 (long long)(counters[i] - gateway->counters[i]), counted);
		counted = i;
	}
	if (counted < 0)
		fail_msg("a packet was not counted");
	memcpy(gateway->counters, counters, sizeof(counters));
	return counted;
}

static struct outcome run(struct gateway *gateway, const struct bpf_program *program, struct frame *frame,
			  struct __sk_buff context)
{
	/* without a link header the packet is what stands behind it */
	__u8 *packet = frame->bytes + ETH_HLEN - gateway->l2_len;
	struct frame out = { 0 };
	struct __sk_buff after = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = frame->len - ETH_HLEN + gateway->l2_len,
		    .data_out = out.bytes, .data_size_out = FRAME_MAX, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .ctx_out = &after, .ctx_size_out = sizeof(after), .repeat = 1);
	int err = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);

	if (err)
		fail_msg("cannot run the program: %s", strerror(-err));
	gateway->num_packets++;
	memcpy(packet, out.bytes, opts.data_size_out);
	frame->len = opts.data_size_out + ETH_HLEN - gateway->l2_len;
	return (struct outcome){ .action = opts.retval, .reason = take_reason(gateway), .mark = after.mark };
}

struct outcome gateway_egress(struct gateway *gateway, struct frame *frame, __u32 from)
{
	return run(gateway, gateway->programs->progs.bauta_egress, frame,
		   (struct __sk_buff){ .ingress_ifindex = from });
}

struct outcome gateway_ingress(struct gateway *gateway, struct frame *frame, __u32 mark)
{
	return run(gateway, gateway->programs->progs.bauta_ingress, frame, (struct __sk_buff){ .mark = mark });
}

int gateway_send(struct gateway *gateway, enum gateway_hook hook, const struct frame *frame, __u32 from)
{
	const struct tc *programs = gateway->programs;
	struct __sk_buff context = { .ingress_ifindex = hook == GATEWAY_EGRESS ? from : 0 };
	int program =
		bpf_program__fd(hook == GATEWAY_EGRESS ? programs->progs.bauta_egress : programs->progs.bauta_ingress);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->bytes + ETH_HLEN - gateway->l2_len,
		    .data_size_in = frame->len - ETH_HLEN + gateway->l2_len, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);
	int err = bpf_prog_test_run_opts(program, &opts);

	if (err)
		fail_msg("cannot run the program: %s", strerror(-err));
	gateway->num_packets++;
	return opts.retval;
}

void gateway_read_counters(struct gateway *gateway)
{
	read_counters(gateway, gateway->counters);
}

/* ---- events --------------------------------------------------------------------------------------------------- */

static int take_event(void *context, void *data, size_t size)
{
	struct gateway *gateway = context;

	assert_int_equal(size, sizeof(gateway->event));
	memcpy(&gateway->event, data, size);
	gateway->num_suppressed += gateway->event.suppressed;
	return 0;
}

void gateway_read_limit(const struct gateway *gateway, __u32 index, struct limit *ret_limit)
{
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(gateway->programs->maps.limits), &index, ret_limit), 0);
}

void gateway_write_limit(const struct gateway *gateway, __u32 index, const struct limit *limit)
{
	update(gateway->programs->maps.limits, &index, limit);
}

struct event gateway_failure(const struct gateway *gateway, __u32 ring, __u32 n)
{
	__u32 index = ring * FAILURE_RING_SIZE + n % FAILURE_RING_SIZE;
	struct event event;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(gateway->programs->maps.failures), &index, &event), 0);
	return event;
}

int gateway_take_events(struct gateway *gateway)
{
	struct ring_buffer *ring =
		ring_buffer__new(bpf_map__fd(gateway->programs->maps.events), take_event, gateway, NULL);
	int num;

	assert_non_null(ring);
	num = ring_buffer__consume(ring);
	ring_buffer__free(ring);
	return num;
}

/* ---- the table ------------------------------------------------------------------------------------------------ */

bool gateway_find(struct gateway *gateway, __u8 proto, struct endpoint external, struct endpoint remote,
		  struct row *ret_row)
{
	(void)gateway;
	return table_find_inbound(proto, external, remote, ret_row);
}

void gateway_age(struct gateway *gateway, __u32 seconds)
{
	for (size_t i = 0; i < gateway->num_entries; i++) {
		struct entry *entry = &gateway->bucket[i / BUCKET_ENTRIES].entry[i % BUCKET_ENTRIES];

		if (life_is_visible(entry->life))
			entry->life -= seconds << LIFE_SEEN_SHIFT;
	}
}

static __u32 sweep_batch(struct gateway *gateway, const struct sweep_request *request)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = request, .data_size_in = sizeof(*request), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(gateway->programs->progs.bauta_sweep), &opts), 0);
	return opts.retval;
}

__u32 gateway_sweep(struct gateway *gateway, enum sweep_op op)
{
	struct sweep_request request = { .head.op = op };
	__u32 num_removed = 0, cursor = 0;
	struct row row;

	while (table_next(&cursor, &row)) {
		if (row_is_mapping(&row))
			continue;
		request.index[request.head.num++] = row.out_index;
		if (request.head.num < SWEEP_BATCH)
			continue;
		num_removed += sweep_batch(gateway, &request);
		request.head.num = 0;
	}
	return num_removed + sweep_batch(gateway, &request);
}

static void report_violation(const struct violation *violation, void *ctx)
{
	(void)ctx;
	print_error("entry %u: %s: %s\n", violation->index, rule_name[violation->rule], violation->text);
}

void gateway_check(struct gateway *gateway)
{
	__u64 counters[NUM_REASON], sum = 0;

	assert_int_equal(invariant_check(report_violation, NULL, NULL), 0);
	read_counters(gateway, counters);
	for (int i = 0; i < NUM_REASON; i++)
		sum += counters[i];
	assert_int_equal(sum, gateway->num_packets);
}

void gateway_note_bound(const struct gateway *gateway, __u8 proto, __u16 port, bool bound)
{
	__u32 index = HOST_PORTS_BOUND + (proto == IPPROTO_TCP ? SPACE_TCP : SPACE_UDP);
	struct host_ports ports = {};

	if (bound)
		ports.held[port / 64] = 1ull << port % 64;
	update(gateway->programs->maps.host_ports, &index, &ports);
}

bool gateway_is_empty(const struct gateway *gateway)
{
	const char *byte = (const char *)gateway->bucket;

	for (size_t i = 0; i < store_size(gateway); i++)
		if (byte[i])
			return false;
	return !gateway->header->num_sessions && !gateway->header->num_mappings && !gateway->header->num_stashed;
}

/* ---- the host ------------------------------------------------------------------------------------------------- */

int host_socket(int type, __u16 port)
{
	struct endpoint endpoint = at(EXTERNAL, port);
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = endpoint.addr,
		.sin_port = endpoint.port,
	};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	/* no interface of this namespace has the address */
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &(int){ 1 }, sizeof(int)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}
