/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of an instance, as user space sees it: the store mapped into memory, the rest read by system call. */
#include "table.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "clock.h"

/* How often a pair is read before it is taken for one that does not agree. A writer holds it for well under a
 * microsecond, unless it is interrupted.
 */
#define READ_TRIES 64

#define OPEN_TRIES 10 /* a store gives way to another once in a while */

/* ---- opening --------------------------------------------------------------------------------------------------- */

/* A descriptor of the map pinned under this name, or -errno. */
static int open_map(const struct instance *instance, const char *name, enum table_access access, struct fault *fault)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = access == TABLE_READ ? BPF_F_RDONLY : 0);
	char path[PIN_PATH];
	int fd = bpf_obj_get_opts(instance_pin(instance, name, path), &opts);

	if (fd >= 0)
		return fd;
	if (errno == EPERM)
		return fault_set(fault, EPERM, "cannot open %s: only root can", path);
	return fault_set_errno(fault, errno, "cannot open %s", path);
}

static int map_info(int fd, struct bpf_map_info *ret_info)
{
	__u32 len = sizeof(*ret_info);

	memset(ret_info, 0, sizeof(*ret_info));
	return bpf_obj_get_info_by_fd(fd, ret_info, &len) ? -errno : 0;
}

int table_map_area(int fd, size_t value_size, enum table_access access, struct area *ret_area)
{
	int protection = access == TABLE_READ ? PROT_READ : PROT_READ | PROT_WRITE;
	size_t page = sysconf(_SC_PAGESIZE);
	struct bpf_map_info info;
	struct area area;
	int error = map_info(fd, &info);

	if (error)
		return error;
	if (info.value_size != value_size)
		return -EPROTO;
	/* the kernel lays values out at multiples of eight bytes, and the whole in pages */
	area.bytes = ((value_size + 7) / 8 * 8 * info.max_entries + page - 1) / page * page;
	area.memory = mmap(NULL, area.bytes, protection, MAP_SHARED, fd, 0);
	if (area.memory == MAP_FAILED)
		return -errno;
	area.num = info.max_entries;
	area.id = info.id;
	*ret_area = area;
	return 0;
}

static const struct {
	const char *name;
	size_t value_size;
	bool needed; /* else an instance may be without it */
} area_map[NUM_AREA] = {
	[AREA_HEADER] = { "header", sizeof(struct header), true },
	[AREA_STORE] = { "store", sizeof(struct bucket), true },
	[AREA_DIRTY] = { "dirty", sizeof(__u64), false },
	[AREA_POOLS] = { "pools", sizeof(struct pool), false },
	[AREA_CROWDS] = { "crowds", sizeof(struct crowd), false },
	[AREA_HOST_PORTS] = { "host_ports", sizeof(struct host_ports), false },
	[AREA_FAILURES] = { "failures", sizeof(struct event), false },
};

/* Opens, maps and closes again: what is mapped stays. */
static int open_area(const struct instance *instance, enum table_area area, enum table_access access,
		     struct area *ret_area, struct fault *fault)
{
	const char *name = area_map[area].name;
	/* a shared mapping of a descriptor that cannot write is refused, read-only or not */
	int fd = open_map(instance, name, TABLE_WRITE, fault);
	int error;

	if (fd == -ENOENT && !area_map[area].needed)
		return 0;
	if (fd < 0)
		return fd;
	error = table_map_area(fd, area_map[area].value_size, access, ret_area);
	close(fd);
	if (error == -EPROTO)
		return fault_set(fault, EPROTO,
				 "the map %s was made by another version of bauta, with other records; end it with "
				 "bauta down",
				 name);
	return error ? fault_set_errno(fault, -error, "cannot map %s into memory", name) : 0;
}

static int check_header(const struct table *table, struct fault *fault)
{
	const struct header *header = table->header;

	if (header->magic != LAYOUT_MAGIC)
		return fault_set(fault, EPROTO,
				 "the table was never set up, or is not bauta's; remove it with bauta "
				 "down");
	if (header->layout != LAYOUT_VERSION)
		return fault_set(fault, EPROTO,
				 "the table has layout version %u and this bauta reads version %d; end it with the "
				 "bauta that made it, or with bauta down",
				 header->layout, LAYOUT_VERSION);
	return 0;
}

/* The header knows the shapes of two stores while one takes the place of the other; the one that is pinned counts. What is
 * written has no number meanwhile. False: neither is of the store that is mapped.
 */
static bool take_shape(struct table *table)
{
	const struct store_shape *known[] = { &table->header->next_shape, &table->header->shape };
	__u32 id = table->area[AREA_STORE].id;

	for (int i = 0; i < 2; i++) {
		table->shape = *known[i];
		__sync_synchronize(); /* a fence that the thread sanitizer takes, too */
		if (table->shape.store_id == id && READ_ONCE(known[i]->store_id) == id)
			return true;
	}
	return false;
}

static int check_shape(const struct table *table, struct fault *fault)
{
	const struct store_shape *shape = &table->shape;
	__u64 buckets = (__u64)shape->num_buckets + shape->num_stash;

	if (!shape->num_buckets || buckets > table->area[AREA_STORE].num)
		return fault_set(fault, EPROTO,
				 "the table is damaged: its header speaks of %llu buckets, and it has "
				 "room for %u",
				 buckets, table->area[AREA_STORE].num);
	if (!table->header->clock.hz)
		return fault_set(fault, EPROTO, "the table is damaged: its clock has no frequency");
	return 0;
}

/* Opens the store that is pinned: not one that had just given way to it. */
static int open_store(const struct instance *instance, enum table_access access, struct table *table,
		      struct fault *fault)
{
	struct area *store = &table->area[AREA_STORE];

	for (int i = 0; i < OPEN_TRIES; i++) {
		int error = open_area(instance, AREA_STORE, access, store, fault);

		if (error || take_shape(table))
			return error;
		munmap(store->memory, store->bytes);
		*store = (struct area){};
	}
	return fault_set(fault, EPROTO, "the table is damaged: its header does not know its store");
}

static int open_areas(const struct instance *instance, enum table_access access, struct table *table,
		      struct fault *fault)
{
	int error = 0;

	for (enum table_area area = 0; !error && area < NUM_AREA; area++) {
		error = area == AREA_STORE ? open_store(instance, access, table, fault)
					   : open_area(instance, area, access, &table->area[area], fault);
		table->header = table->area[AREA_HEADER].memory;
		/* another layout has other maps too */
		if (!error && area == AREA_HEADER)
			error = check_header(table, fault);
	}
	table->bucket = table->area[AREA_STORE].memory;
	table->pool = table->area[AREA_POOLS].memory;
	table->crowd = table->area[AREA_CROWDS].memory;
	table->host_ports = table->area[AREA_HOST_PORTS].memory;
	table->failure = table->area[AREA_FAILURES].memory;
	return error ? error : check_shape(table, fault);
}

static int read_config(struct table *table, struct fault *fault)
{
	__u32 slot = READ_ONCE(table->header->config_slot);
	struct bpf_map_info info;
	int error = map_info(table->config_fd, &info);

	if (!error && info.value_size != sizeof(table->config))
		return fault_set(fault, EPROTO, "the map config was made by another version of bauta");
	if (error || bpf_map_lookup_elem(table->config_fd, &slot, &table->config))
		return fault_set_errno(fault, error ? -error : errno, "cannot read the configuration");
	platform.config = &table->config;
	platform.now = clock_now(&table->header->clock);
	return 0;
}

static int open_maps(const struct instance *instance, enum table_access access, struct table *table,
		     struct fault *fault)
{
	struct fault ignored;
	int error = open_areas(instance, access, table, fault);

	if (error)
		return error;
	table->config_fd = open_map(instance, "config", TABLE_READ, fault);
	if (table->config_fd < 0)
		return table->config_fd;
	table->counters_fd = open_map(instance, "counters", TABLE_READ, fault);
	if (table->counters_fd < 0)
		return table->counters_fd;
	table->limits_fd = open_map(instance, "limits", TABLE_READ, &ignored);
	table->quotas_fd = open_map(instance, "quotas", TABLE_READ, &ignored);
	return read_config(table, fault);
}

int table_open(const struct instance *instance, enum table_access access, struct table *ret_table, struct fault *fault)
{
	struct table *table = ret_table; /* in place: `platform` points into it */
	int error;

	*table = (struct table){ .config_fd = -1, .counters_fd = -1, .limits_fd = -1, .quotas_fd = -1 };
	error = open_maps(instance, access, table, fault);
	if (error) {
		table_close(table);
		return error;
	}
	platform.header = table->header;
	platform.shape = &table->shape;
	platform.dirty = access == TABLE_WRITE ? table->area[AREA_DIRTY].memory : NULL;
	platform.bucket = table->bucket;
	platform.pool = table->pool;
	platform.num_pools = table->area[AREA_POOLS].num;
	platform.crowd = table->crowd;
	platform.host_ports = table->host_ports;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void table_close(struct table *table)
{
	if (!table || !table->header)
		return;
	if (platform.config == &table->config)
		memset(&platform, 0, sizeof(platform));
	for (enum table_area area = 0; area < NUM_AREA; area++)
		if (table->area[area].memory)
			munmap(table->area[area].memory, table->area[area].bytes);
	close_fd(table->config_fd);
	close_fd(table->counters_fd);
	close_fd(table->limits_fd);
	close_fd(table->quotas_fd);
	memset(table, 0, sizeof(*table));
}

void table_exchange_store(struct table *table, const struct store_shape *shape, struct area *store, struct area *dirty)
{
	struct area old_store = table->area[AREA_STORE], old_dirty = table->area[AREA_DIRTY];

	table->area[AREA_STORE] = *store;
	table->area[AREA_DIRTY] = *dirty;
	*store = old_store;
	*dirty = old_dirty;
	table->shape = *shape;
	table->bucket = table->area[AREA_STORE].memory;
	platform.bucket = table->bucket;
	platform.dirty = table->area[AREA_DIRTY].memory;
}

bool table_is_outdated(const struct table *table)
{
	return READ_ONCE(table->header->shape.store_id) != table->shape.store_id;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

__u32 table_num_entries(void)
{
	const volatile struct store_shape *shape = platform_shape();

	return (shape->num_buckets + shape->num_stash) * BUCKET_ENTRIES;
}

/* Copies an entry; its life first and, as the check that nothing happened meanwhile, last. A packet may change the life
 * of an entry that stays; that does no harm to the copy.
 */
static bool copy_entry(struct entry *entry, struct entry *ret_copy)
{
	struct entry copy;

	copy.life = READ_ONCE(entry->life);
	if (!life_is_visible(copy.life))
		return false;
	copy.addrs = READ_ONCE(entry->addrs);
	copy.ports = READ_ONCE(entry->ports);
	copy.proto = READ_ONCE(entry->proto);
	copy.flags = READ_ONCE(entry->flags);
	copy.new_port = READ_ONCE(entry->new_port);
	copy.new_addr = READ_ONCE(entry->new_addr);
	copy.twin = READ_ONCE(entry->twin);
	copy.refs = READ_ONCE(entry->refs);
	if (!life_is_visible(READ_ONCE(entry->life)))
		return false;
	*ret_copy = copy;
	return true;
}

static bool pair_equal(const struct pair *a, const struct pair *b)
{
	return endpoint_equal(a->internal, b->internal) && endpoint_equal(a->external, b->external) &&
	       endpoint_equal(a->remote, b->remote) && a->proto == b->proto && a->flags == b->flags;
}

/* One look at both. Two copies that point at each other and say the same pair are of that pair: whoever frees an entry
 * or takes it for another pair changes what it says.
 */
static bool read_pair(__u32 index, struct row *ret_row)
{
	struct entry *entry = store_entry(index), *twin;
	struct entry copy, twin_copy;
	struct pair pair, twin_pair;
	bool inbound;

	if (!entry || !copy_entry(entry, &copy))
		return false;
	twin = store_entry(copy.twin);
	if (!twin || !copy_entry(twin, &twin_copy) || twin_copy.twin != index)
		return false;
	if (!((copy.flags ^ twin_copy.flags) & ENTRY_INBOUND))
		return false;
	pair = entry_pair(&copy);
	twin_pair = entry_pair(&twin_copy);
	if (!pair_equal(&pair, &twin_pair))
		return false;
	inbound = copy.flags & ENTRY_INBOUND;
	*ret_row = (struct row){
		.pair = pair,
		.out_index = inbound ? copy.twin : index,
		.in_index = inbound ? index : copy.twin,
		.out_life = inbound ? twin_copy.life : copy.life,
		.in_life = inbound ? copy.life : twin_copy.life,
		.refs = inbound ? twin_copy.refs : copy.refs,
		.first = inbound ? copy.refs : twin_copy.refs,
	};
	return true;
}

bool table_read(__u32 index, struct row *ret_row)
{
	struct entry *entry = store_entry(index);

	for (int i = 0; i < READ_TRIES; i++) {
		if (read_pair(index, ret_row))
			return true;
		if (!entry || !life_is_visible(READ_ONCE(entry->life)))
			break;
	}
	return false;
}

bool table_next(__u32 *cursor, struct row *ret_row)
{
	__u32 num = table_num_entries();

	while (*cursor < num) {
		__u32 index = (*cursor)++;
		struct entry *entry = store_entry(index);

		if (life_is_visible(READ_ONCE(entry->life)) && !(READ_ONCE(entry->flags) & ENTRY_INBOUND) &&
		    !(READ_ONCE(entry->proto) & PROTO_PERMIT) && table_read(index, ret_row) &&
		    ret_row->out_index == index)
			return true;
	}
	return false;
}

static bool find_pair(const struct pair *pair, __u8 direction, struct row *ret_row)
{
	struct key key = pair_key(pair, direction);
	__u32 index = store_find(&key);

	return index != INDEX_NONE && table_read(index, ret_row) && ret_row->pair.proto == pair->proto &&
	       endpoint_equal(ret_row->pair.remote, pair->remote);
}

bool table_find_inbound(__u8 proto, struct endpoint external, struct endpoint remote, struct row *ret_row)
{
	struct pair pair = { .external = external, .remote = remote, .proto = proto };

	return find_pair(&pair, ENTRY_INBOUND, ret_row) && endpoint_equal(ret_row->pair.external, external);
}

bool table_find_outbound(__u8 proto, struct endpoint internal, struct endpoint remote, struct row *ret_row)
{
	struct pair pair = { .internal = internal, .remote = remote, .proto = proto };

	return find_pair(&pair, 0, ret_row) && endpoint_equal(ret_row->pair.internal, internal);
}

/* ---- counters -------------------------------------------------------------------------------------------------- */

int table_read_counters(const struct table *table, __u64 ret_counters[NUM_REASON], struct fault *fault)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 *values = cpus > 0 ? calloc(cpus, sizeof(*values)) : NULL;
	int error = values ? 0 : ENOMEM;

	for (__u32 reason = 0; !error && reason < NUM_REASON; reason++) {
		if (bpf_map_lookup_elem(table->counters_fd, &reason, values)) {
			error = errno;
			break;
		}
		ret_counters[reason] = 0;
		for (int cpu = 0; cpu < cpus; cpu++)
			ret_counters[reason] += values[cpu];
	}
	free(values);
	return error ? fault_set_errno(fault, error, "cannot read the counters") : 0;
}

int table_read_limits(const struct table *table, struct limit ret_limits[NUM_LIMIT], struct fault *fault)
{
	if (table->limits_fd < 0)
		return fault_set(fault, ENOENT, "this instance has no map of limits");
	for (__u32 index = 0; index < NUM_LIMIT; index++)
		if (bpf_map_lookup_elem(table->limits_fd, &index, &ret_limits[index]))
			return fault_set_errno(fault, errno, "cannot read the limits");
	return 0;
}

/* ---- quotas and crowds ----------------------------------------------------------------------------------------- */

int table_read_quota(const struct table *table, __be32 internal, struct quota *ret_quota)
{
	memset(ret_quota, 0, sizeof(*ret_quota));
	if (table->quotas_fd < 0)
		return -ENOENT;
	return bpf_map_lookup_elem(table->quotas_fd, &internal, ret_quota) ? -errno : 0;
}

__u32 table_count_quotas(const struct table *table)
{
	__be32 key, *last = NULL;
	struct bpf_map_info info;
	__u32 num = 0;

	if (table->quotas_fd < 0 || map_info(table->quotas_fd, &info))
		return 0;
	/* the walk begins anew where a key is deleted under it */
	while (num < info.max_entries && !bpf_map_get_next_key(table->quotas_fd, last, &key)) {
		last = &key;
		num++;
	}
	return num;
}

__u32 table_count_crowds(const struct table *table)
{
	__u32 num = 0;

	for (__u32 i = 0; table->crowd && i < table->area[AREA_CROWDS].num; i++)
		num += table->crowd[i].key.state == CROWD_VALID &&
		       table->crowd[i].key.generation == table->config.generation;
	return num;
}
