/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A data plane of another size that takes the place of the one that is there. The order of the steps is resize.c's. */
#include "dataplane_next.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/tc.skel.h"
#include "log.h"
#include "pin.h"
#include "store_copy.h"
#include "tc_programs.h"

/* The stages of the next programs. The array is of no use to anybody without a pin (stage.h). */
#define PIN_NEXT_STAGES "stages-next"
#define PIN_NEXT_STORE "store-next"

/* A reader may look at it meanwhile (take_shape in table.c). */
static void write_shape(struct store_shape *shape, const struct store_shape *value)
{
	struct store_shape unknown = *value;

	unknown.store_id = STORE_NONE;
	WRITE_ONCE(shape->store_id, STORE_NONE);
	*shape = unknown;
	WRITE_ONCE(shape->store_id, value->store_id);
}

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
	struct bpf_map *map;
	struct tc *programs;
	int err;

	err = tc_programs_open(&programs, fault);
	if (err)
		return err;
	err = tc_programs_use_store(programs, &next->map, fault);
	bpf_object__for_each_map(map, programs->obj) {
		int fd = bpf_object__find_map_fd_by_name(dataplane->programs->obj, bpf_map__name(map));

		if (!err && !is_own(programs, map) && (fd < 0 || bpf_map__reuse_fd(map, fd)))
			err = fault_set(fault, EPROTO, "cannot use the map \"%s\" for other programs",
					bpf_map__name(map));
	}
	if (!err)
		err = tc_programs_load(programs, &next->shape, &header->clock, header->l2_len, fault);
	if (err)
		tc__destroy(programs);
	else
		next->programs = programs;
	return err;
}

int dataplane_next_pin(const struct dataplane *dataplane, const struct dataplane_next *next, struct fault *fault)
{
	int err = pin_put(dataplane->instance, bpf_map__fd(next->programs->maps.stages), PIN_NEXT_STAGES, fault);

	return err ? err : pin_put(dataplane->instance, next->map.store_fd, PIN_NEXT_STORE, fault);
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

/* What cannot be pinned is not missed before a run comes after, which makes it anew, or refuses a store that the header does not
 * know any more.
 */
static void pin_next(const struct dataplane *dataplane, const struct dataplane_next *next)
{
	const struct instance *instance = dataplane->instance;
	char path[PIN_PATH], beside[PIN_PATH];
	struct fault fault;

	instance_pin(instance, PIN_NEXT_STORE, beside);
	if (rename(beside, instance_pin(instance, "store", path)))
		log_error(
			"%s: cannot pin its new table: %s; it is in use, but a run after this one will refuse the old "
			"one, which is pinned: bauta down -e %s, then a new run",
			instance->iface, strerror(errno), instance->iface);
	if (pin_put(instance, next->map.dirty_fd, "dirty", &fault) ||
	    pin_put(instance, bpf_map__fd(next->programs->maps.stages), "stages", &fault) ||
	    pin_put(instance, bpf_program__fd(next->programs->progs.bauta_sweep), PIN_SWEEP, &fault))
		log_warn("%s: %s", instance->iface, fault.text);
}

void dataplane_next_commit(struct dataplane *dataplane, struct dataplane_next *next)
{
	struct store_shape old_shape = dataplane->table.shape;
	struct tc *old = dataplane->programs;

	pin_next(dataplane, next);
	write_shape(&dataplane->table.header->shape, &next->shape);
	table_exchange_store(&dataplane->table, &next->shape, &next->store, &next->dirty);
	dataplane_use_programs(dataplane, next->programs);
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

void dataplane_next_thaw(struct dataplane *dataplane)
{
	struct header *header = dataplane->table.header;
	char path[PIN_PATH];

	WRITE_ONCE(header->writable, dataplane->table.shape.store_id);
	WRITE_ONCE(header->resize, RESIZE_NONE);
	header->next_stashed = 0;
	unlink(instance_pin(dataplane->instance, PIN_NEXT_STAGES, path));
	unlink(instance_pin(dataplane->instance, PIN_NEXT_STORE, path));
}

/* ---- what a run before has left -------------------------------------------------------------------------------- */

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
	err = pin_put(dataplane->instance, fd, "dirty", fault);
	close(fd);
	if (err)
		return err;
	table_close(table);
	return table_open(dataplane->instance, TABLE_WRITE, table, fault);
}

/* A run that died while one store took the place of the other, in one of these moments:
 *  - copying: nobody goes by the new store. It is forgotten.
 *  - frozen, some programs of the new store being attached, but the old one pinned: as far as sessions come and go both
 *    are equal. The old one counts. What packets noted in the new one is lost: all that came by its programs until this run,
 *    however long that was.
 *  - frozen, and the new one pinned: it counts. What packets noted in the old one is lost, since they were copied and, by
 *    programs that were not replaced, until this run.
 *  - thawed: all is done, but that life words of the old one were not all carried over. Those are lost.
 * What is lost makes a session look as idle as it was when it was copied, or when its packets changed sides, until its next
 * packet.
 * The store remains frozen until every program is of the one that counts (dataplane_next_thaw).
 */
int dataplane_next_settle(struct dataplane *dataplane, struct fault *fault)
{
	struct table *table = &dataplane->table;
	struct header *header;
	bool is_next, is_thawed;
	int err = mend_dirty(dataplane, fault);

	if (err)
		return err;
	header = table->header;
	is_next = table->shape.store_id == header->next_shape.store_id;
	is_thawed = header->writable == table->shape.store_id;
	if (header->resize == RESIZE_NONE) {
		header->next_stashed = 0;
		return 0;
	}
	log_warn("%s: its table was being exchanged for one of another size when the last run ended; it goes on with "
		 "room for %u sessions",
		 dataplane->instance->iface, table->shape.capacity);
	/* While programs of both are attached each must look into the stash if its own has anything; since the thaw it is
	 * its own's. A run that dies before that leaves the next one what it found.
	 */
	if (is_next && !is_thawed)
		header->num_stashed = header->next_stashed;
	else if (!is_thawed)
		header->num_stashed -= header->next_stashed;
	if (!is_next || is_thawed)
		header->next_stashed = 0;
	write_shape(&header->shape, &table->shape);
	memset(table->area[AREA_DIRTY].memory, 0, table->area[AREA_DIRTY].num * sizeof(__u64));
	if (is_thawed)
		WRITE_ONCE(header->resize, RESIZE_NONE);
	return 0;
}
