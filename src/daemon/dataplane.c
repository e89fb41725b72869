/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading, pinning and adopting the data plane.
 *
 * A run that begins pins the maps of the contract, and the program that sweeps; the header last, so that pins without a
 * header are the remains of a start that was killed, which nobody has ever attached. A run that finds a header takes the
 * maps over (the programs it loads are given the pinned maps) and then replaces the programs in place, one atomic
 * exchange each. Old and new programs work on the same table and the same locks, so for the moment that both are in use
 * they are like two CPUs.
 *
 * The pins "hook-NAME" are the links of the socket hooks (cgroup.c), which need the maps of the programs at the interface.
 *
 * The pins "fast-IFINDEX" are the links of the XDP program (fast_hook.c), which uses these maps and some of its own.
 * Those whose names begin with "hairpin-" are of the programs at other interfaces (inner_hook.c).
 * The pin "clsact-IFINDEX" (any object would do, it is the header's) says that the qdisc of that interface was made by us.
 */
#include "dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/tc.skel.h"
#include "cgroup.h"
#include "clock.h"
#include "daemon.h"
#include "fast_hook.h"
#include "inner_hook.h"
#include "jiffies.h"
#include "leftovers.h"
#include "link.h"
#include "log.h"
#include "pools.h"
#include "store_copy.h"
#include "store_map.h"

/* What outlives a run. The header is the last to be pinned. Other maps are each load's own. */
static const char *const pinned_map[] = {
	"store",    "dirty",  "locks",    "config", "pools",    "crowds", "host_ports", "quotas",
	"counters", "limits", "gateways", "events", "failures", "idents", "stages",     "header",
};

#define NUM_PINNED_MAP (sizeof(pinned_map) / sizeof(pinned_map[0]))
#define PIN_SWEEP "sweep"
#define PIN_NAME 32

#define MIN_POOL_ADDRS 16

/* ---- what libbpf says ----------------------------------------------------------------------------------------- */

/* The last warning, for the one line that reports a failure; all of it with BAUTA_DEBUG in the environment. */
static char last_warning[256];

static int take_message(enum libbpf_print_level level, const char *format, va_list args)
{
	va_list copy;

	if (getenv("BAUTA_DEBUG")) {
		va_copy(copy, args);
		vfprintf(stderr, format, copy);
		va_end(copy);
	}
	/* The verifier's log is many lines; its last ones say it. */
	if (level == LIBBPF_WARN && !strstr(format, "BEGIN PROG LOAD LOG"))
		vsnprintf(last_warning, sizeof(last_warning), format, args);
	last_warning[strcspn(last_warning, "\n")] = '\0';
	return 0;
}

/* ---- loading -------------------------------------------------------------------------------------------------- */

static int load(struct tc *programs, const struct store_shape *shape, const struct clock *clock, __u32 l2_len,
		struct fault *fault)
{
	int err;

	memcpy((void *)&programs->rodata->shape, shape, sizeof(*shape));
	*(__u64 *)&programs->rodata->clock_mult = clock->mult;
	*(__u32 *)&programs->rodata->l2_len = l2_len;
	last_warning[0] = '\0';
	err = tc__load(programs);
	if (err)
		return fault_set_errno(
			fault, -err,
			"cannot load the BPF programs (needed: kernel 6.1 or later; BAUTA_DEBUG=1 shows more)%s%s",
			last_warning[0] ? ": " : "", last_warning);
	return 0;
}

static void take_programs(struct dataplane *dataplane, struct tc *programs)
{
	dataplane->programs = programs;
	dataplane->gateways_fd = bpf_map__fd(programs->maps.gateways);
	dataplane->events_fd = bpf_map__fd(programs->maps.events);
	dataplane->unsolicited_fd = bpf_map__fd(programs->maps.unsolicited);
	dataplane->sweep_fd = bpf_program__fd(programs->progs.bauta_sweep);
}

static int reuse_store(struct tc *programs, const struct store_map *map, struct fault *fault)
{
	int err = bpf_map__reuse_fd(programs->maps.store, map->store_fd);

	if (!err)
		err = bpf_map__reuse_fd(programs->maps.dirty, map->dirty_fd);
	return err ? fault_set_errno(fault, -err, "cannot use the table that was made") : 0;
}

/* ---- pins ----------------------------------------------------------------------------------------------------- */

static bool is_pinned(const struct instance *instance, const char *name)
{
	char path[PIN_PATH];

	return access(instance_pin(instance, name, path), F_OK) == 0;
}

/* Pins over what may be there: by way of a name beside it, so that there is one at any moment. */
static int pin(const struct instance *instance, int fd, const char *name, struct fault *fault)
{
	char path[PIN_PATH], beside[PIN_PATH], new_name[PIN_NAME];
	int err;

	snprintf(new_name, sizeof(new_name), "%s-new", name);
	instance_pin(instance, name, path);
	instance_pin(instance, new_name, beside);
	unlink(beside);
	err = bpf_obj_pin(fd, beside);
	if (!err && rename(beside, path)) {
		err = -errno;
		unlink(beside);
	}
	return err ? fault_set_errno(fault, -err, "cannot pin %s", path) : 0;
}

static char *qdisc_pin(__u32 ifindex, char name[PIN_NAME])
{
	snprintf(name, PIN_NAME, "clsact-%u", ifindex);
	return name;
}

static bool is_qdisc_ours(const struct instance *instance, __u32 ifindex)
{
	char name[PIN_NAME];

	return is_pinned(instance, qdisc_pin(ifindex, name));
}

static int pin_all(struct dataplane *dataplane, struct fault *fault)
{
	const struct instance *instance = dataplane->instance;
	char mark[LEFTOVERS_MARK];
	int err;

	if (mkdir(instance->pins, 0700) && errno != EEXIST)
		return fault_set_errno(fault, errno, "cannot make %s", instance->pins);
	err = pin(instance, dataplane->sweep_fd, PIN_SWEEP, fault);
	if (!err)
		err = pin(instance, bpf_map__fd(dataplane->programs->maps.header), leftovers_mark(mark), fault);
	for (size_t i = 0; i < NUM_PINNED_MAP && !err; i++)
		err = pin(instance, bpf_object__find_map_fd_by_name(dataplane->programs->obj, pinned_map[i]),
			  pinned_map[i], fault);
	return err;
}

/* A reader may look at it meanwhile (take_shape in table.c). */
static void write_shape(struct store_shape *shape, const struct store_shape *value)
{
	struct store_shape unknown = *value;

	unknown.store_id = STORE_NONE;
	WRITE_ONCE(shape->store_id, STORE_NONE);
	*shape = unknown;
	WRITE_ONCE(shape->store_id, value->store_id);
}

/* ---- a new data plane ----------------------------------------------------------------------------------------- */

static int choose_clock(__u32 factor, struct clock *ret_clock, struct fault *fault)
{
	__u64 jiffies, mono_ns;
	__u32 hz = clock_read_hz();
	int err;

	if (!hz)
		return fault_set(fault, ENOTSUP, "cannot tell how often the kernel's clock ticks");
	err = jiffies_read(&jiffies, &mono_ns, fault);
	if (!err)
		*ret_clock = clock_make(hz, factor, jiffies, mono_ns);
	return err;
}

/* An address that is replaced keeps its pools until its mappings are gone: there are more than at one time. */
static __u32 count_pool_addrs(const struct dataplane_wish *wish)
{
	__u32 num = 2 * wish->num_external;

	return num < MIN_POOL_ADDRS ? MIN_POOL_ADDRS : num > MAX_EXTERNAL ? MAX_EXTERNAL : num;
}

static int write_header(const struct dataplane *dataplane, const struct store_shape *shape, const struct clock *clock,
			const struct dataplane_wish *wish, struct fault *fault)
{
	struct header header = {
		.magic = LAYOUT_MAGIC,
		.layout = LAYOUT_VERSION,
		.shape = *shape,
		.writable = shape->store_id,
		.clock = *clock,
		.l2_len = wish->l2_len,
		.num_pool_addrs = count_pool_addrs(wish),
		.next_hop_generation = 1,
	};
	__u32 zero = 0;
	int err = bpf_map_update_elem(bpf_map__fd(dataplane->programs->maps.header), &zero, &header, BPF_ANY);

	return err ? fault_set_errno(fault, -err, "cannot write the header of the table") : 0;
}

static int create(struct dataplane *dataplane, const struct dataplane_wish *wish, struct fault *fault)
{
	struct tc *programs = dataplane->programs;
	struct store_shape shape = {};
	struct clock clock = {};
	struct store_map map;
	int err;

	err = store_map_shape(wish->num_sessions ? wish->num_sessions : DEFAULT_SESSIONS, &shape, fault);
	if (!err && getrandom(shape.hash_key, sizeof(shape.hash_key), 0) != sizeof(shape.hash_key))
		err = fault_set_errno(fault, errno, "cannot draw a hash key");
	if (!err)
		err = choose_clock(wish->clock_factor ? wish->clock_factor : 1, &clock, fault);
	if (!err)
		err = store_map_make(&shape, 0, &map, fault);
	if (err)
		return err;
	err = reuse_store(programs, &map, fault);
	store_map_close(&map);
	bpf_map__set_max_entries(programs->maps.pools, count_pool_addrs(wish) * NUM_SPACE);
	if (!err)
		err = load(programs, &shape, &clock, wish->l2_len, fault);
	if (!err)
		err = write_header(dataplane, &shape, &clock, wish, fault);
	if (err)
		return err;
	take_programs(dataplane, programs);
	err = pin_all(dataplane, fault);
	if (!err)
		err = table_open(dataplane->instance, TABLE_WRITE, &dataplane->table, fault);
	if (err)
		instance_remove(dataplane->instance, &(struct fault){});
	return err;
}

/* ---- adopting one --------------------------------------------------------------------------------------------- */

/* The layout version says that the records are the same; this, that the maps are. */
static bool fits(struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	/* clang and the kernel agree on the size; the number of buckets and of pools is the table's own affair */
	bool sized = strcmp(bpf_map__name(map), "store") != 0 && strcmp(bpf_map__name(map), "dirty") != 0 &&
		     strcmp(bpf_map__name(map), "pools") != 0;

	return bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
	       (!sized || info.max_entries == bpf_map__max_entries(map));
}

static int reuse_maps(const struct dataplane *dataplane, struct fault *fault)
{
	const char *iface = dataplane->instance->iface;
	char path[PIN_PATH];
	int err = 0;

	for (size_t i = 0; i < NUM_PINNED_MAP && !err; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(dataplane->programs->obj, pinned_map[i]);
		int fd = bpf_obj_get(instance_pin(dataplane->instance, pinned_map[i], path));

		if (fd < 0)
			return fault_set_errno(
				fault, -fd,
				"cannot take over the data plane of %s: its map \"%s\" (`bauta down -e %s` removes "
				"it, and ends its sessions)",
				iface, pinned_map[i], iface);
		if (!fits(map, fd))
			err = fault_set(
				fault, EPROTO,
				"cannot take over the data plane of %s: its map \"%s\" was made by another version "
				"(`bauta down -e %s` removes it, and ends its sessions)",
				iface, pinned_map[i], iface);
		else if ((err = bpf_map__reuse_fd(map, fd)))
			fault_set_errno(fault, -err, "cannot take over %s", path);
		close(fd);
	}
	return err;
}

static void say_what_is_kept(const struct dataplane *dataplane, const struct dataplane_wish *wish)
{
	const char *iface = dataplane->instance->iface;
	const struct header *header = dataplane->table.header;

	if (wish->clock_factor && wish->clock_factor != header->clock.factor)
		log_warn("%s keeps its clock factor %u, not %u as asked for (`bauta down -e %s` first; that ends the "
			 "sessions)",
			 iface, header->clock.factor, wish->clock_factor, iface);
}

/* The map of buckets that are marked may still be the old store's, which is too small for the new one. */
static int mend_dirty(struct dataplane *dataplane, struct fault *fault)
{
	struct table *table = &dataplane->table;
	int fd, err;

	if (table->area[AREA_DIRTY].num >= store_map_dirty_words(&table->shape))
		return 0;
	fd = store_map_make_dirty(&table->shape);
	if (fd < 0)
		return fault_set_errno(fault, -fd, "cannot make a map of buckets");
	err = pin(dataplane->instance, fd, "dirty", fault);
	close(fd);
	if (err)
		return err;
	table_close(table);
	return table_open(dataplane->instance, TABLE_WRITE, table, fault);
}

/* A run that died while one store took the place of the other, in one of these moments:
 *  - copying: nobody goes by the new store. It is forgotten.
 *  - frozen, some programs of the new store being attached, but the old one pinned: as far as sessions come and go both are
 * equal. The
 *    old one counts; what packets noted in the new one, of a few milliseconds, is lost.
 *  - frozen, and the new one pinned: it counts.
 * The store remains frozen until every program is of the one that counts (dataplane_thaw).
 */
static int settle_exchange(struct dataplane *dataplane, struct fault *fault)
{
	struct table *table = &dataplane->table;
	struct header *header;
	bool is_next;
	int err = mend_dirty(dataplane, fault);

	if (err)
		return err;
	header = table->header;
	is_next = table->shape.store_id == header->next_shape.store_id;
	if (header->resize == RESIZE_NONE)
		return 0;
	log_warn("%s: its table was being exchanged for one of another size when the last run ended; it goes on with "
		 "room for "
		 "%u sessions",
		 dataplane->instance->iface, table->shape.capacity);
	/* while programs of both are attached each must look into the stash if its own has anything */
	if (is_next)
		header->num_stashed = header->next_stashed;
	else
		header->num_stashed -= header->next_stashed;
	header->next_stashed = 0;
	write_shape(&header->shape, &table->shape);
	memset(table->area[AREA_DIRTY].memory, 0, table->area[AREA_DIRTY].num * sizeof(__u64));
	if (header->writable == table->shape.store_id)
		WRITE_ONCE(header->resize, RESIZE_NONE);
	return 0;
}

static int adopt(struct dataplane *dataplane, const struct dataplane_wish *wish, struct fault *fault)
{
	struct header *header;
	int err;

	err = table_open(dataplane->instance, TABLE_WRITE, &dataplane->table, fault);
	if (!err)
		err = settle_exchange(dataplane, fault);
	if (!err)
		err = reuse_maps(dataplane, fault);
	if (err)
		return err;
	header = dataplane->table.header;
	err = load(dataplane->programs, &dataplane->table.shape, &header->clock, wish->l2_len, fault);
	if (err)
		return err;
	take_programs(dataplane, dataplane->programs);
	err = pin(dataplane->instance, dataplane->sweep_fd, PIN_SWEEP, fault);
	if (err)
		return err;
	header->l2_len = wish->l2_len;
	dataplane->adopted = true;
	say_what_is_kept(dataplane, wish);
	return 0;
}

/* ---- another store --------------------------------------------------------------------------------------------- */

/* The stages of the next programs. The array is of no use to anybody without a pin (stage.h). */
#define PIN_NEXT_STAGES "stages-next"
#define PIN_NEXT_STORE "store-next"

int dataplane_next_make(const struct dataplane *dataplane, const struct store_shape *shape,
			struct dataplane_next *ret_next, struct fault *fault)
{
	struct dataplane_next next = { .shape = *shape };
	int err;

	memcpy(next.shape.hash_key, dataplane->table.shape.hash_key, sizeof(next.shape.hash_key));
	err = store_map_make(&next.shape, store_copy_bytes(&dataplane->table.shape, shape), &next.map, fault);
	if (err)
		return err;
	err = table_map_area(next.map.store_fd, sizeof(struct bucket), TABLE_WRITE, &next.store);
	if (!err)
		err = table_map_area(next.map.dirty_fd, sizeof(__u64), TABLE_WRITE, &next.dirty);
	if (err) {
		dataplane_next_close(&next);
		return fault_set_errno(fault, -err, "cannot map the new table into memory");
	}
	*ret_next = next;
	return 0;
}

void dataplane_next_announce(struct dataplane *dataplane, const struct dataplane_next *next)
{
	write_shape(&dataplane->table.header->next_shape, &next->shape);
}

const struct bpf_object *dataplane_next_object(const struct dataplane_next *next)
{
	return next->programs->obj;
}

static bool is_own(const struct tc *programs, const struct bpf_map *map)
{
	return map == programs->maps.store || map == programs->maps.dirty || map == programs->maps.stages ||
	       bpf_map__is_internal(map);
}

int dataplane_next_load(const struct dataplane *dataplane, struct dataplane_next *next, struct fault *fault)
{
	const struct header *header = dataplane->table.header;
	struct tc *programs = tc__open();
	struct bpf_map *map;
	int err;

	if (!programs)
		return fault_set_errno(fault, errno, "cannot open the BPF programs");
	err = reuse_store(programs, &next->map, fault);
	bpf_object__for_each_map(map, programs->obj) {
		int fd = bpf_object__find_map_fd_by_name(dataplane->programs->obj, bpf_map__name(map));

		if (!err && !is_own(programs, map) && (fd < 0 || bpf_map__reuse_fd(map, fd)))
			err = fault_set(fault, EPROTO, "cannot use the map \"%s\" for other programs",
					bpf_map__name(map));
	}
	if (!err)
		err = load(programs, &next->shape, &header->clock, header->l2_len, fault);
	if (err)
		tc__destroy(programs);
	else
		next->programs = programs;
	return err;
}

int dataplane_next_pin(const struct dataplane *dataplane, const struct dataplane_next *next, struct fault *fault)
{
	int err = pin(dataplane->instance, bpf_map__fd(next->programs->maps.stages), PIN_NEXT_STAGES, fault);

	return err ? err : pin(dataplane->instance, next->map.store_fd, PIN_NEXT_STORE, fault);
}

int dataplane_next_attach(struct dataplane *dataplane, const struct dataplane_next *next, struct fault *fault)
{
	struct tc *old = dataplane->programs;
	int err;

	dataplane->programs = next->programs;
	err = dataplane_attach(dataplane, dataplane->table.header->ifindex, fault);
	dataplane->programs = old;
	if (err)
		dataplane_attach(dataplane, dataplane->table.header->ifindex, &(struct fault){});
	return err;
}

/* What cannot be pinned is not missed before a run comes after, which makes it anew or refuses a table that it cannot find. */
static void pin_next(const struct dataplane *dataplane, const struct dataplane_next *next)
{
	const struct instance *instance = dataplane->instance;
	char path[PIN_PATH], beside[PIN_PATH];
	struct fault fault;

	instance_pin(instance, PIN_NEXT_STORE, beside);
	if (rename(beside, instance_pin(instance, "store", path)))
		log_error("%s: cannot pin its new table: %s; a run after this one will find the old one",
			  instance->iface, strerror(errno));
	if (pin(instance, next->map.dirty_fd, "dirty", &fault) ||
	    pin(instance, bpf_map__fd(next->programs->maps.stages), "stages", &fault) ||
	    pin(instance, bpf_program__fd(next->programs->progs.bauta_sweep), PIN_SWEEP, &fault))
		log_warn("%s: %s", instance->iface, fault.text);
}

void dataplane_next_commit(struct dataplane *dataplane, struct dataplane_next *next)
{
	struct store_shape old_shape = dataplane->table.shape;
	struct tc *old = dataplane->programs;

	pin_next(dataplane, next);
	write_shape(&dataplane->table.header->shape, &next->shape);
	table_exchange_store(&dataplane->table, &next->shape, &next->store, &next->dirty);
	take_programs(dataplane, next->programs);
	next->programs = old;
	next->shape = old_shape;
}

void dataplane_next_close(struct dataplane_next *next)
{
	if (next->store.memory)
		munmap(next->store.memory, next->store.bytes);
	if (next->dirty.memory)
		munmap(next->dirty.memory, next->dirty.bytes);
	if (next->shape.store_id)
		store_map_close(&next->map);
	tc__destroy(next->programs);
	memset(next, 0, sizeof(*next));
}

void dataplane_thaw(struct dataplane *dataplane)
{
	struct header *header = dataplane->table.header;
	char path[PIN_PATH];

	WRITE_ONCE(header->writable, dataplane->table.shape.store_id);
	WRITE_ONCE(header->resize, RESIZE_NONE);
	unlink(instance_pin(dataplane->instance, PIN_NEXT_STAGES, path));
	unlink(instance_pin(dataplane->instance, PIN_NEXT_STORE, path));
}

/* ---- for others ----------------------------------------------------------------------------------------------- */

int dataplane_open(const struct instance *instance, const struct dataplane_wish *wish, struct dataplane *ret_dataplane,
		   struct fault *fault)
{
	struct dataplane *dataplane = ret_dataplane; /* in place: `platform` points into its table */
	int err;

	libbpf_set_print(take_message);
	*dataplane = (struct dataplane){ .instance = instance, .programs = tc__open() };
	if (!dataplane->programs)
		return fault_set_errno(fault, errno, "cannot open the BPF programs");
	if (is_pinned(instance, "header"))
		err = adopt(dataplane, wish, fault);
	else
		err = create(dataplane, wish, fault);
	if (err)
		dataplane_close(dataplane);
	return err;
}

void dataplane_close(struct dataplane *dataplane)
{
	if (!dataplane || !dataplane->programs)
		return;
	table_close(&dataplane->table);
	tc__destroy(dataplane->programs);
	dataplane->programs = NULL;
}

int dataplane_attach(struct dataplane *dataplane, __u32 ifindex, struct fault *fault)
{
	const struct instance *instance = dataplane->instance;
	const int programs[NUM_ATTACH_HOOK] = {
		[ATTACH_INGRESS] = bpf_program__fd(dataplane->programs->progs.bauta_ingress),
		[ATTACH_EGRESS] = bpf_program__fd(dataplane->programs->progs.bauta_egress),
	};
	struct header *header = dataplane->table.header;
	char path[PIN_PATH], name[PIN_NAME];
	bool made = false;
	int err;

	err = attach_programs(instance->iface, ifindex, programs, &made, fault);
	if (!err && made)
		err = pin(instance, bpf_map__fd(dataplane->programs->maps.header), qdisc_pin(ifindex, name), fault);
	if (err) {
		if (made)
			attach_remove(instance->iface, ifindex, true, NULL, &(struct fault){});
		return err;
	}
	if (header->ifindex != ifindex)
		unlink(instance_pin(instance, qdisc_pin(header->ifindex, name), path));
	header->ifindex = ifindex;
	return 0;
}

int dataplane_detach(const struct instance *instance, __u32 ifindex, unsigned int *ret_removed, struct fault *fault)
{
	return attach_remove(instance->iface, ifindex, is_qdisc_ours(instance, ifindex), ret_removed, fault);
}

int dataplane_attach_sockets(struct dataplane *dataplane, bool borrow, struct fault *fault)
{
	return cgroup_attach(dataplane->instance, dataplane->programs->obj, &dataplane->table, borrow, fault);
}

const struct bpf_object *dataplane_object(const struct dataplane *dataplane)
{
	return dataplane->programs->obj;
}

int dataplane_configure(struct dataplane *dataplane, const struct config *config, struct fault *fault)
{
	struct header *header = dataplane->table.header;
	__u32 slot = (header->config_slot + 1) % NUM_CONFIG_SLOT;
	int err = bpf_map_update_elem(bpf_map__fd(dataplane->programs->maps.config), &slot, config, BPF_ANY);

	if (err)
		return fault_set_errno(fault, -err, "cannot write the configuration");
	WRITE_ONCE(header->config_slot, slot);
	dataplane->table.config = *config;
	return 0;
}

__u32 dataplane_capacity(const struct dataplane *dataplane)
{
	return dataplane->table.shape.capacity;
}

int dataplane_remove(const struct instance *instance, bool *ret_found, struct fault *fault)
{
	bool pinned = access(instance->pins, F_OK) == 0;
	struct mnl_socket *socket;
	unsigned int removed = 0;
	struct link link;
	int err;

	err = netlink_open(NETLINK_ROUTE, &socket);
	if (err)
		return fault_set_errno(fault, -err, "cannot open rtnetlink");
	err = link_read(socket, instance->iface, &link);
	netlink_close(socket);
	if (err && err != -ENODEV)
		return fault_set_errno(fault, -err, "cannot ask for %s", instance->iface);
	/* The filters before the maps: they are what packets meet. The socket hooks are pins too. */
	fast_hook_detach_all(instance);
	if (!err)
		err = dataplane_detach(instance, link.ifindex, &removed, fault);
	else
		err = 0;
	if (!err) {
		inner_hook_detach_all(instance);
		cgroup_detach(instance);
		err = instance_remove(instance, fault);
	}
	if (!err)
		*ret_found = pinned || removed;
	return err;
}
