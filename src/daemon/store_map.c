/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The maps of a store.
 *
 * The kernel takes all memory of an array at once, and charges it to the cgroup of whoever makes it; locked memory is not limited
 * (RLIMIT_MEMLOCK) where our programs run. It is asked first whether there is enough: the kernel would rather kill a process
 * of the machine, or of the cgroup, than refuse a map.
 */
#include "store_map.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "memory.h"
#include "store_size.h"

#define MAX_SESSIONS (1u << 28) /* an index has 32 bits */

/* Bytes that loading the programs takes, and the other maps; and of what is left then, in percent, what a table may take. */
#define MEMORY_BESIDE (32ull << 20)
#define MEMORY_SHARE 80

/* ---- size ----------------------------------------------------------------------------------------------------- */

static __u64 bytes_of(const struct store_shape *shape)
{
	return ((__u64)shape->num_buckets + shape->num_stash) * sizeof(struct bucket) +
	       store_map_dirty_words(shape) * sizeof(__u64);
}

int store_map_shape(__u32 num_sessions, struct store_shape *ret_shape, struct fault *fault)
{
	struct store_shape shape = {};

	if (num_sessions > MAX_SESSIONS)
		return fault_set(fault, EINVAL, "cannot make a table for %u sessions: up to %u would be accepted",
				 num_sessions, MAX_SESSIONS);
	store_size(num_sessions, &shape);
	*ret_shape = shape;
	return 0;
}

bool store_map_fits(const struct store_shape *shape, __u64 num_pairs)
{
	return store_size_fits(shape, num_pairs);
}

/* The first number between two for which there is room; it grows with the number. */
__u32 store_map_sessions_for(__u64 num_pairs, __u32 least)
{
	__u32 low = least, high = MAX_SESSIONS;

	while (low < high) {
		__u32 middle = low + (high - low) / 2;
		struct store_shape shape = {};

		store_size(middle, &shape);
		if (store_size_fits(&shape, num_pairs))
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* ---- memory --------------------------------------------------------------------------------------------------- */

/* The most sessions whose table takes no more than so many bytes, to three digits. */
static __u32 sessions_in(__u64 bytes)
{
	__u32 low = 0, high = MAX_SESSIONS, unit = 1;

	while (low < high) {
		__u32 middle = low + (high - low + 1) / 2;
		struct store_shape shape = {};

		store_size(middle, &shape);
		if (bytes_of(&shape) <= bytes)
			low = middle;
		else
			high = middle - 1;
	}
	while (low / unit >= 1000)
		unit *= 10;
	return low / unit * unit;
}

static int check_memory(const struct store_shape *shape, __u64 beside, struct fault *fault)
{
	__u64 bytes = bytes_of(shape), most;
	struct memory memory;
	char why[MEMORY_LIMIT + 128] = "are available";

	memory_read(&memory);
	most = memory.bytes > MEMORY_BESIDE ? (memory.bytes - MEMORY_BESIDE) / 100 * MEMORY_SHARE : 0;
	if (!memory.bytes || bytes + beside <= most)
		return 0;
	if (memory.limit[0])
		snprintf(why, sizeof(why), "are left by %s", memory.limit);
	return fault_set(
		fault, ENOMEM,
		"too little memory for %u sessions: their table takes %llu MiB%s, and %llu MiB %s, of which it "
		"may take %d %%; --sessions %u or less would be accepted",
		shape->capacity, (unsigned long long)bytes >> 20, beside ? " beside the one that is there" : "",
		(unsigned long long)memory.bytes >> 20, why, MEMORY_SHARE,
		sessions_in(most > beside ? most - beside : 0));
}

/* ---- maps ----------------------------------------------------------------------------------------------------- */

__u32 store_map_dirty_words(const struct store_shape *shape)
{
	return (shape->num_buckets + shape->num_stash + DIRTY_BITS - 1) / DIRTY_BITS;
}

static int make_array(const char *name, size_t value_size, __u32 num)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(__u32), value_size, num, &opts);

	return fd < 0 ? -errno : fd;
}

void store_map_close(struct store_map *map)
{
	close(map->store_fd);
	close(map->dirty_fd);
	*map = (struct store_map){ -1, -1 };
}

int store_map_make_dirty(const struct store_shape *shape)
{
	return make_array("dirty", sizeof(__u64), store_map_dirty_words(shape));
}

/* The kernel's number of a map; STORE_NONE if that cannot be told. */
static __u32 id_of(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? STORE_NONE : info.id;
}

int store_map_make(struct store_shape *shape, __u64 beside, struct store_map *ret_map, struct fault *fault)
{
	struct store_map map = { -1, -1 };
	int err = check_memory(shape, beside, fault);

	if (err)
		return err;
	map.store_fd = make_array("store", sizeof(struct bucket), shape->num_buckets + shape->num_stash);
	map.dirty_fd = map.store_fd < 0 ? map.store_fd : store_map_make_dirty(shape);
	if (map.dirty_fd >= 0) {
		shape->store_id = id_of(map.store_fd);
		*ret_map = map;
		return 0;
	}
	if (map.store_fd >= 0)
		close(map.store_fd);
	return fault_set(fault, -map.dirty_fd,
			 "cannot make a table for %u sessions: the kernel refuses %llu MiB (%s); a smaller --sessions "
			 "would be accepted",
			 shape->capacity, (unsigned long long)bytes_of(shape) >> 20, strerror(-map.dirty_fd));
}
