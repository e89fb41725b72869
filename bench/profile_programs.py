# SPDX-License-Identifier: GPL-2.0-or-later
"""How long each BPF program runs, by the kernel's own statistics. They cost time themselves: never on while measuring."""

import ctypes
import json
import os

import lab

RUN_TIME = 0    # enum bpf_stats_type


class Statistics:
    """A context: the statistics are on inside it, for as long as its descriptor is open."""

    def __enter__(self):
        self.descriptor = ctypes.CDLL("libbpf.so.1").bpf_enable_stats(RUN_TIME)
        if self.descriptor < 0:
            raise lab.LabError(f"cannot turn the statistics of BPF programs on: {os.strerror(-self.descriptor)}")
        return self

    def __exit__(self, *_):
        os.close(self.descriptor)

    @staticmethod
    def read(one):
        """The variant's programs by their ids; there may be others of the same names on the machine."""
        ids = one.program_ids()
        return {program["id"]: program for program in json.loads(lab.call("bpftool", "prog", "show", "-j"))
                if program["id"] in ids}

    def since(self, before, one):
        """Those that ran since then."""
        ran = []
        for identity, program in self.read(one).items():
            old = before.get(identity, {})
            runs = program.get("run_cnt", 0) - old.get("run_cnt", 0)
            time_ns = program.get("run_time_ns", 0) - old.get("run_time_ns", 0)
            if runs:
                ran.append({"program": program.get("name", "?"), "type": program["type"], "runs": runs,
                            "ns_per_run": round(time_ns / runs, 1)})
        return ran


def lines(profile):
    if profile:
        yield "\nBPF programs: ns per run by the kernel's statistics (they add a clock reading or two to each)"
    for entry in profile:
        yield (f"  {entry['variant']:>8} {entry['sessions']:>8} {entry['size']:>5} {entry['direction']:>8}  "
               f"{entry['program']:<20}"
               f"{entry['ns_per_run']:>8.1f} ns  ({entry['runs']} runs)")
