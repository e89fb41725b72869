# SPDX-License-Identifier: GPL-2.0-or-later
"""What sessions cost in memory: the kernel's slabs for conntrack, BPF maps for bauta."""

import pathlib

import descriptors


def slab_bytes():
    """Bytes in use of the slabs that sessions may come from, per cache."""
    used = {}
    for line in pathlib.Path("/proc/slabinfo").read_text().splitlines()[2:]:
        name, active, _, size = line.split()[:4]
        if name.startswith(("nf_conntrack", "kmalloc-")) and not name.startswith("kmalloc-cg-"):
            used[name] = int(active) * int(size)
    return used


def slab_growth(before, after, sessions):
    """What grew with the sessions: by an object of 16 bytes or more for each of them. The rest is the machine's noise."""
    growth = {name: size - before.get(name, 0) for name, size in after.items()}
    return {name: size for name, size in growth.items() if size >= 16 * sessions}


def conntrack_table_bytes():
    """The hash table: one list head a bucket."""
    return 8 * int(pathlib.Path("/proc/sys/net/netfilter/nf_conntrack_buckets").read_text())


def map_bytes(pid):
    """What the maps that a process holds are charged with, each map once: id -> bytes."""
    return {int(fields["map_id"]): int(fields["memlock"]) for fields in descriptors.read(pid) if "map_id" in fields}


def available_bytes():
    """What the machine has left: seen from afar, and disturbed by whatever else runs."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise LookupError("/proc/meminfo has no MemAvailable")
