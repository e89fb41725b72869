#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the nanoseconds of a packet on the fast path go: by kernel function, and in the program by file and by line.
With --create those of a session's first packet, on the fast path or on tc.

Samples the CPU's clock with perf (Debian's linux-perf) while one set of namespaces of the bench is at work. A sample counts where
the CPU waits: who needs a word from memory waits at its first use.
"""

import argparse
import bisect
import collections
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import lab

HZ = 4000       # each sample takes a microsecond or two of what it measures
SIZE = 60       # of a frame, in memory
SHOWN = 40      # lines of each table


class Lines:
    """Machine code to lines of source."""

    def __init__(self, identities):
        self.stretches = []
        for identity in identities:
            for text in lab.call(lab.PROGRAMS / "jit_lines", str(identity)).splitlines():
                start, end, file, number, source = text.split("\t", 4)
                self.stretches.append((int(start, 16), int(end, 16), os.path.basename(file), int(number), source))
        self.stretches.sort()
        self.starts = [stretch[0] for stretch in self.stretches]

    def find(self, address):
        """(file, number, source), or None: some other code."""
        place = bisect.bisect_right(self.starts, address) - 1
        if place < 0 or address >= self.stretches[place][1]:
            return None
        return self.stretches[place][2:]


def program_ids(one):
    ids = one.program_ids()
    return [program["id"] for program in json.loads(lab.call("bpftool", "prog", "show", "-j"))
            if program["id"] in ids and program.get("name", "").startswith("bauta_")]


def samples(path, generator):
    """(address, symbol) of each that is the path's: the generator's process, and the thread that does what it leaves over."""
    for line in lab.call("perf", "script", "-i", path, "-F", "comm,pid,ip,sym").splitlines():
        words = line.split()
        if len(words) >= 4 and (words[1] == str(generator) or words[0].startswith("ksoftirqd/")):
            yield int(words[2], 16), words[3].split("+")[0]


@contextlib.contextmanager
def recorder(cpu, path):
    perf = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HZ), "-C", str(cpu), "-o", path])
    try:
        yield
    finally:
        perf.send_signal(signal.SIGINT)
        perf.wait()


def spent(answer, packets):
    return (answer["thread_ns"] + answer["softirqd_ns"]) / packets


def record(one, options, path):
    """Returns what the run took: CPU ns a packet."""
    one.traffic.ask("create", options.sessions)
    one.traffic.ask("visit", options.direction, options.sessions, SIZE)
    fast = one.fast_packets()
    with recorder(options.cpu, path):
        answer = one.traffic.ask("run", options.direction, options.sessions, SIZE, options.seconds * 1000)
    if one.fast_packets() - fast < answer["packets"]:
        raise lab.LabError("packets were left to the stack")
    return spent(answer, answer["packets"])


def record_creation(one, options, path):
    """Returns what the run took: CPU ns a session."""
    with recorder(options.cpu, path):
        answer = one.traffic.ask("create", options.sessions)
    if answer["learned"] < options.sessions:
        raise lab.LabError(f"{options.sessions - answer['learned']} sessions did not come up")
    return spent(answer, options.sessions)


def table(title, counter, ns_each):
    print(f"\n{title}")
    for what, number in counter.most_common(SHOWN):
        print(f"  {number * ns_each:7.2f} ns  {what}")


def main():
    parser = argparse.ArgumentParser(prog="bench/profile_lines.py", description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=1024, help="default: %(default)s")
    parser.add_argument("--direction", choices=("outbound", "inbound"), default="outbound")
    parser.add_argument("--create", choices=("tc", "xdp"), help="profile how the sessions are created, there")
    parser.add_argument("--seconds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)), help="default: the last one")
    options = parser.parse_args()
    others = os.sched_getaffinity(0) - {options.cpu}
    if others:
        os.sched_setaffinity(0, others)
    variant = {"tc": lab.Bauta, "xdp": lab.BautaCreate, None: lab.BautaXdp}[options.create]
    with tempfile.TemporaryDirectory() as scratch, variant(options.cpu, options.sessions) as one:
        path = str(pathlib.Path(scratch) / "perf.data")
        ns = record_creation(one, options, path) if options.create else record(one, options, path)
        lines = Lines(program_ids(one))
        by_symbol, by_file, by_line = (collections.Counter() for _ in range(3))
        for address, symbol in samples(path, one.traffic.process.pid):
            found = lines.find(address)
            by_symbol[re.sub("^bpf_prog_[0-9a-f]+_", "bpf: ", symbol)] += 1
            if found:
                by_file[found[0]] += 1
                by_line[f"{found[0]}:{found[1]}  {found[2][:80]}"] += 1
    total = sum(by_symbol.values())
    print(f"{options.sessions} sessions, {'created' if options.create else options.direction}: {ns:.1f} ns a packet, "
          f"generator and sink included; {total} samples")
    table("kernel functions, and BPF programs", by_symbol, ns / total)
    table("the program, by file", by_file, ns / total)
    table("the program, by line", by_line, ns / total)


if __name__ == "__main__":
    try:
        main()
    except lab.LabError as error:
        sys.exit(f"bench/profile_lines.py: {error}")
