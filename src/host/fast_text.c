/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reasons of the fast path, and its maps as they are pinned. */
#include "fast_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "platform.h"

#define NEXT_HOPS_SIZE (NUM_NEXT_HOP * sizeof(struct next_hop))

const struct fast_text fast_text[] = {
	[FAST_OUTBOUND] = { "outbound", FAST_SENT, "from inside, on a session that was there" },
	[FAST_INBOUND] = { "inbound", FAST_SENT, "from a remote, on a session that was there" },
	[FAST_CREATED] = { "created", FAST_SENT, "the first packet of a session (--fast-create)" },
	[FAST_REFUSED] = { "dropped", FAST_GONE,
			   "no session could be created, and so many have been told in this second that tc would be "
			   "silent "
			   "(--fast-create)" },
	[FAST_UP_LINK] = { "link", FAST_UP,
			   "for another MAC address than the interface's, or of a VLAN that takes no part" },
	[FAST_UP_PROTOCOL] = { "protocol", FAST_UP, "no IPv4, or neither TCP, UDP nor an ICMP query" },
	[FAST_UP_HEADER] = { "header", FAST_UP, "broken, with IP options, or with octets behind the packet" },
	[FAST_UP_FRAGMENT] = { "fragment", FAST_UP, "a fragment" },
	[FAST_UP_SYN] = { "syn", FAST_UP, "a TCP segment that begins a connection" },
	[FAST_UP_HOPS] = { "hops", FAST_UP, "its TTL expires here" },
	[FAST_UP_CHECKSUM] = { "checksum", FAST_UP,
			       "its sender left the checksum to a device: a container or virtual machine here, whose "
			       "offload can be turned off (ethtool -K IFACE tx off)" },
	[FAST_UP_NO_SESSION] = { "no-session", FAST_UP, "the first packet of a session, or the host's own" },
	[FAST_UP_SOURCE] = { "source", FAST_UP,
			     "from inside, by another interface than the way to its source leads by" },
	[FAST_UP_ROUTE] = { "route", FAST_UP, "no route, or one to the host, or by an interface that takes no part" },
	[FAST_UP_UNWATCHED] = { "unwatched", FAST_UP, "no daemon watches routes and neighbours at the moment" },
	[FAST_UP_NEIGHBOUR] = { "neighbour", FAST_UP, "the MAC address of its next hop is not known yet" },
	[FAST_UP_TOO_BIG] = { "too-big", FAST_UP, "larger than the MTU of the way on" },
	[FAST_UP_REFUSED] = { "refused", FAST_UP, "no session could be created: tc says why (--fast-create)" },
	[FAST_UP_ROOM] = { "room", FAST_UP, "no room in the frame for the VLAN tag of the way on" },
	[FAST_LOST] = { "lost", FAST_GONE,
			"sent, but the driver of the way out did not take it: its queue was full, or it was down" },
};

_Static_assert(sizeof(fast_text) / sizeof(fast_text[0]) == NUM_FAST_REASON, "every reason has its text");

const char *const fast_verdict_name[NUM_FAST_VERDICT] = {
	[FAST_SENT] = "sent",
	[FAST_UP] = "up",
	[FAST_GONE] = "lost",
};

const char *const fast_role_name[FAST_EXTERNAL + 1] = {
	[FAST_INTERNAL] = "internal",
	[FAST_EXTERNAL] = "external",
};

static int open_map(const struct instance *instance, const char *name)
{
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
	char path[PIN_PATH];
	int fd = bpf_obj_get_opts(instance_pin(instance, name, path), &opts);

	return fd < 0 ? -errno : fd;
}

static int add_up(int fd, __u64 ret_counters[NUM_FAST_REASON])
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	__u64 *values = cpus > 0 ? calloc(cpus, sizeof(*values)) : NULL;

	if (!values)
		return -ENOMEM;
	for (__u32 reason = 0; reason < NUM_FAST_REASON && !err; reason++) {
		if (bpf_map_lookup_elem(fd, &reason, values))
			err = -errno;
		for (int cpu = 0; cpu < cpus && !err; cpu++)
			ret_counters[reason] += values[cpu];
	}
	free(values);
	return err;
}

int fast_read_counters(const struct instance *instance, __u64 ret_counters[NUM_FAST_REASON], struct fault *fault)
{
	int fd = open_map(instance, "fast_counters"), err;

	memset(ret_counters, 0, NUM_FAST_REASON * sizeof(*ret_counters));
	if (fd == -ENOENT)
		return 0;
	err = fd < 0 ? fd : add_up(fd, ret_counters);
	if (fd >= 0)
		close(fd);
	return err ? fault_set_errno(fault, -err, "cannot read the counters of the fast path") : 0;
}

int fast_read_notes(const struct instance *instance, struct fast_note **ret_notes, struct fault *fault)
{
	struct fast_note *notes = calloc(MAX_FAST_NOTE, sizeof(*notes));
	int fd = open_map(instance, "fast_notes");
	__u32 num = 0;

	if (!notes || (fd < 0 && fd != -ENOENT)) {
		free(notes);
		return fault_set_errno(fault, notes ? -fd : ENOMEM,
				       "cannot read what the fast path says of interfaces");
	}
	while (fd >= 0 && num < MAX_FAST_NOTE && bpf_map_lookup_elem(fd, &num, &notes[num]) == 0)
		num++;
	if (fd >= 0)
		close(fd);
	*ret_notes = notes;
	return num;
}

/* The kernel shares the memory of a map with those only who may write to it. */
static int map_next_hops(const struct instance *instance, struct next_hop **ret_hops)
{
	char path[PIN_PATH];
	int fd = bpf_obj_get(instance_pin(instance, "next_hops", path));
	void *memory;

	if (fd < 0)
		return -errno;
	memory = mmap(NULL, NEXT_HOPS_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return -errno;
	*ret_hops = memory;
	return 0;
}

int fast_count_next_hops(const struct instance *instance, __u32 generation, __u32 *ret_num, struct fault *fault)
{
	struct next_hop *hops = NULL;
	int err = map_next_hops(instance, &hops);
	__u32 num = 0;

	if (err && err != -ENOENT)
		return fault_set_errno(fault, -err, "cannot read the next hops of the fast path");
	for (__u32 i = 0; hops && i < NUM_NEXT_HOP; i++)
		num += READ_ONCE(hops[i].generation) == generation;
	if (hops)
		munmap(hops, NEXT_HOPS_SIZE);
	*ret_num = num;
	return 0;
}
