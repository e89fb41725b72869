# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets a second on all CPUs against those on one.

Every CPU has a generator, takes its packets through the gateway and into the sink. All choose from the same sessions, so what
they share is shared here: entries of the table, mappings, counters. What is measured is CPU time, since the machine may have
other things to do: n CPUs send n / (CPU time of a packet) packets a second, so the gain is n times the CPU time of a packet on
one CPU (the mean of each CPU by itself) by that on all at once. The rounds of the variants are interleaved.
"""

import collections
import contextlib
import json
import os
import sys

import cores_lab
import lab
import report
import targets

TARGET = 1.7
LEARN_MS = 1500
NO_REPLY, EACH, HARDLY_ANY = 0, 1, 1 << 30     # churn.c: one in so many is answered
CAPACITY = 131072


def add_arguments(parser):
    parser.add_argument("--sessions", default="1024,65536", help="default: %(default)s, at most 65536")
    parser.add_argument("--variants", default=",".join(cores_lab.VARIANTS), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--msec", type=int, default=500, help="length of one measurement (default: %(default)s)")


class Scale:
    def __init__(self, options):
        self.options = options
        self.results = {"command": " ".join(sys.argv), "cpus": cores_lab.CPUS, "rounds": options.rounds,
                        "msec": options.msec, "load": os.getloadavg()[0], "scale": []}

    def plan(self, one, sessions, replies):
        one.traffic.ask("plan", "steady", sessions, 1, 1, 1, replies, 0, 0)

    def cpu_ns(self, one, cpus):
        """CPU time of a packet that came through."""
        answer = one.traffic.ask("run", cpus, "outbound", self.options.msec)
        packets = answer["counts"]["outside"] + answer["counts"]["inside"]
        if not packets:
            raise lab.LabError(f"{one.name}: no packet came through")
        return (answer["thread_ns"] + answer["softirqd_ns"]) / packets

    def round(self, one):
        alone = [self.cpu_ns(one, cpu) for cpu in cores_lab.CPUS]
        together = self.cpu_ns(one, cores_lab.CPU_LIST)
        return {"alone_ns": sum(alone) / len(alone), "together_ns": together,
                "gain": len(cores_lab.CPUS) * sum(alone) / len(alone) / together}

    def measure(self, sessions, replies):
        """replies: EACH: each packet is answered, so half of the packets are inbound."""
        rounds = collections.defaultdict(list)
        with contextlib.ExitStack() as stack:
            labs = [stack.enter_context(cores_lab.VARIANTS[name](None, CAPACITY))
                    for name in self.options.variants.split(",") if replies == NO_REPLY or name not in ("bare", "plain")]
            for one in labs:
                self.plan(one, sessions, HARDLY_ANY)
                one.traffic.ask("run", cores_lab.CPU_LIST, "outbound", LEARN_MS)
                self.plan(one, sessions, replies)
            for number in range(self.options.rounds):
                start = number % len(labs)
                for one in labs[start:] + labs[:start]:
                    rounds[one.name].append(self.round(one))
        self.results["scale"].append({
            "sessions": sessions, "answered": replies == EACH,
            "variants": {name: {what: report.spread([sample[what] for sample in samples]) for what in samples[0]}
                         for name, samples in rounds.items()}})

    def targets(self):
        for entry in self.results["scale"]:
            for name in ("bauta", "xdp"):
                if name in entry["variants"]:
                    what = "answered" if entry["answered"] else "outbound"
                    yield targets.target(f"{len(cores_lab.CPUS)} CPUs against one: {name}, {entry['sessions']} sessions, {what}",
                                         entry["variants"][name]["gain"]["median"], TARGET, at_least=True)

    def text(self):
        rows = [[entry["sessions"], "answered" if entry["answered"] else "outbound", name,
                 *(report.cell(value[what]) for what in ("alone_ns", "together_ns")), report.ratio_cell(value["gain"])]
                for entry in self.results["scale"] for name, value in entry["variants"].items()]
        lines = [f"CPU ns per packet, generator and sink included; CPUs {cores_lab.CPU_LIST}, {self.options.rounds} rounds of "
                 f"{self.options.msec} ms, interleaved; load of the machine at the start: {self.results['load']:.1f}",
                 report.table(["sessions", "packets", "variant", "one CPU", "all CPUs", "gain"], rows), ""]
        for line in self.results["targets"]:
            met = "met" if line["met"] else f"NOT met: {line['by']}"
            lines.append(f"  {line['what']}: {line['limit_text']}: {line['value_text']}  {met}")
        return "\n".join(lines)


def measure_all(options):
    if len(cores_lab.CPUS) < 2:
        raise lab.LabError("there is one CPU only")
    scale = Scale(options)
    with lab.ConntrackSize(CAPACITY):
        for sessions in map(int, options.sessions.split(",")):
            for replies in (NO_REPLY, EACH):
                scale.measure(sessions, replies)
    scale.results["targets"] = list(scale.targets())
    print(scale.text())
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(scale.results, file, indent=2)
    return 0
