# SPDX-License-Identifier: GPL-2.0-or-later
"""How long each BPF program runs, by the kernel's own statistics. They cost time themselves: never on while measuring."""

import json
import pathlib
import subprocess

SWITCH = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
OURS = ("generate_", "sink_")


class Statistics:
    """A context: the statistics are on inside it."""

    def __enter__(self):
        self.before = SWITCH.read_text()
        SWITCH.write_text("1")
        return self

    def __exit__(self, *_):
        SWITCH.write_text(self.before)

    @staticmethod
    def read():
        shown = subprocess.run(["bpftool", "prog", "show", "-j"], capture_output=True, text=True, check=True)
        return {program["id"]: program for program in json.loads(shown.stdout)}

    def since(self, before):
        """The programs that ran since then, the bench's own left out."""
        ran = []
        for identity, program in self.read().items():
            old = before.get(identity, {})
            runs = program.get("run_cnt", 0) - old.get("run_cnt", 0)
            time_ns = program.get("run_time_ns", 0) - old.get("run_time_ns", 0)
            if runs > 1000 and not program.get("name", "").startswith(OURS):
                ran.append({"program": program.get("name", "?"), "type": program["type"], "runs": runs,
                            "ns_per_run": round(time_ns / runs, 1)})
        return ran


def lines(profile):
    if profile:
        yield "\nBPF programs: ns per run by the kernel's statistics (they add a clock reading or two to each)"
    for entry in profile:
        yield (f"  {entry['variant']:>6} {entry['sessions']:>8} {entry['direction']:>8}  {entry['program']:<20}"
               f"{entry['ns_per_run']:>8.1f} ns  ({entry['runs']} runs)")
