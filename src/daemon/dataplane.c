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
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/tc.skel.h"
#include "cgroup.h"
#include "clock.h"
#include "daemon.h"
#include "dataplane_next.h"
#include "fast_hook.h"
#include "inner_hook.h"
#include "jiffies.h"
#include "leftovers.h"
#include "link.h"
#include "log.h"
#include "pin.h"
#include "store_map.h"
#include "tc_programs.h"

/* What outlives a run. The header is the last to be pinned. Other maps are each load's own. */
static const char *const pinned_map[] = {
	"store",    "dirty",  "locks",    "config", "pools",    "crowds", "host_ports", "quotas",
	"counters", "limits", "gateways", "events", "failures", "idents", "stages",     "header",
};

#define NUM_PINNED_MAP (sizeof(pinned_map) / sizeof(pinned_map[0]))
#define PIN_NAME 32

#define MIN_POOL_ADDRS 16

/* ---- pins ----------------------------------------------------------------------------------------------------- */

static char *qdisc_pin(__u32 ifindex, char name[PIN_NAME])
{
	snprintf(name, PIN_NAME, "clsact-%u", ifindex);
	return name;
}

static bool is_qdisc_ours(const struct instance *instance, __u32 ifindex)
{
	char name[PIN_NAME];

	return pin_is_there(instance, qdisc_pin(ifindex, name));
}

static int pin_all(struct dataplane *dataplane, struct fault *fault)
{
	const struct instance *instance = dataplane->instance;
	char mark[LEFTOVERS_MARK];
	int err;

	if (mkdir(instance->pins, 0700) && errno != EEXIST)
		return fault_set_errno(fault, errno, "cannot make %s", instance->pins);
	err = pin_put(instance, dataplane->sweep_fd, PIN_SWEEP, fault);
	if (!err)
		err = pin_put(instance, bpf_map__fd(dataplane->programs->maps.header), leftovers_mark(mark), fault);
	for (size_t i = 0; i < NUM_PINNED_MAP && !err; i++)
		err = pin_put(instance, bpf_object__find_map_fd_by_name(dataplane->programs->obj, pinned_map[i]),
			      pinned_map[i], fault);
	return err;
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
	err = tc_programs_use_store(programs, &map, fault);
	store_map_close(&map);
	bpf_map__set_max_entries(programs->maps.pools, count_pool_addrs(wish) * NUM_SPACE);
	if (!err)
		err = tc_programs_load(programs, &shape, &clock, wish->l2_len, fault);
	if (!err)
		err = write_header(dataplane, &shape, &clock, wish, fault);
	if (err)
		return err;
	dataplane_use_programs(dataplane, programs);
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

static int adopt(struct dataplane *dataplane, const struct dataplane_wish *wish, struct fault *fault)
{
	struct header *header;
	int err;

	err = table_open(dataplane->instance, TABLE_WRITE, &dataplane->table, fault);
	if (!err)
		err = dataplane_next_settle(dataplane, fault);
	if (!err)
		err = reuse_maps(dataplane, fault);
	if (err)
		return err;
	header = dataplane->table.header;
	err = tc_programs_load(dataplane->programs, &dataplane->table.shape, &header->clock, wish->l2_len, fault);
	if (err)
		return err;
	dataplane_use_programs(dataplane, dataplane->programs);
	err = pin_put(dataplane->instance, dataplane->sweep_fd, PIN_SWEEP, fault);
	if (err)
		return err;
	header->l2_len = wish->l2_len;
	dataplane->adopted = true;
	say_what_is_kept(dataplane, wish);
	return 0;
}

/* ---- for others ----------------------------------------------------------------------------------------------- */

void dataplane_use_programs(struct dataplane *dataplane, struct tc *programs)
{
	dataplane->programs = programs;
	dataplane->gateways_fd = bpf_map__fd(programs->maps.gateways);
	dataplane->events_fd = bpf_map__fd(programs->maps.events);
	dataplane->unsolicited_fd = bpf_map__fd(programs->maps.unsolicited);
	dataplane->sweep_fd = bpf_program__fd(programs->progs.bauta_sweep);
}

int dataplane_open(const struct instance *instance, const struct dataplane_wish *wish, struct dataplane *ret_dataplane,
		   struct fault *fault)
{
	struct dataplane *dataplane = ret_dataplane; /* in place: `platform` points into its table */
	int err;

	*dataplane = (struct dataplane){ .instance = instance };
	err = tc_programs_open(&dataplane->programs, fault);
	if (err)
		return err;
	if (pin_is_there(instance, "header"))
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
		err = pin_put(instance, bpf_map__fd(dataplane->programs->maps.header), qdisc_pin(ifindex, name), fault);
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
