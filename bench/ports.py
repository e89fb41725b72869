# SPDX-License-Identifier: GPL-2.0-or-later
"""What it takes to find a flow a port, by how many ports toward its remote are in use; and to refuse it when all are.

Flows that keep their own ports fill the range toward one remote endpoint. Then come new ones, whose own ports are taken,
from another internal host, one packet at a time; each is timed by itself (bench/burst.c), and forgotten before the next few.
The choice alone, without a packet, is timed in the kernel by bench/pool.c.
"""

import collections
import json
import os
import statistics

import lab
import report

OCCUPANCIES = (0.5, 0.9, 0.99, 0.999, 0.9999)
PROBE_HOST = "10.1.1.1"
VARIANTS = ("bare", "nft", "bauta")
REFUSING = (*VARIANTS, "create")
# nft has one kind of refusal, which nobody hears of; bauta answers, up to a limit.
KINDS = {"bare": {"bare": None}, "nft": {"nft": None},
         **{name: {"answered": True, "silent": False} for name in ("bauta", "create")}}
MAX_BURST = 64
MAX_PROBE = 4096        # bench/burst.h
BATCHES = (1, 64)       # packets that come by themselves, and packets that come together
SEED = 20821
DISTURBED = 20          # times the median: not the packet's doing, but an interrupt's or the hypervisor's
ICMP_LIMIT = 1000       # answers a second
BURST_LIMIT_NS = 500_000_000
ANSWER_TRIES = 4


class Ports:
    """One run over all occupancies; fills `results` and tells `problem` what went wrong."""

    def __init__(self, options, problem):
        self.options = options
        self.problem = problem
        self.first, self.last = options.ports
        self.total = self.last - self.first + 1
        self.results = {"range": f"{self.first}-{self.last}", "ports": self.total, "rounds": options.rounds,
                        "samples": options.samples, "choice": [], "creation": [], "refusal": []}
        self.labs = []
        self.first_ns = {}      # variant -> ns of the first new flow since the ports were filled so far

    def measure_choice(self):
        try:
            text = lab.call(lab.PROGRAMS / "pool", "--json", "--rounds", str(self.options.rounds),
                            preexec_fn=lambda: os.sched_setaffinity(0, {self.options.cpu}))
        except (OSError, lab.LabError) as error:
            self.problem(f"the choice of a port by itself: no figures: {error}")
            return
        self.results["choice"] = json.loads(text)

    # ---- one variant at one occupancy

    def fill(self, one, number):
        """Every filling flow is there, on a port of its own, or it is something else that would be measured."""
        answer = one.traffic.ask("fill", number)
        held = one.sessions_held()
        if answer["learned"] != number or answer["distinct"] != number or held not in (None, number):
            raise lab.LabError(f"{answer['learned']} of {number} flows came out, on {answer['distinct']} ports; "
                               f"it holds {held}")

    def burst(self, one, filled, number, batch=1):
        """Packets of so many new flows; then those are forgotten."""
        answer = one.traffic.ask("probe", filled, number, batch)
        if answer["lost"]:
            raise lab.LabError(f"{answer['lost']} packets of a flow that was there got lost")
        if one.external and answer["learned"] != answer["distinct"]:
            raise lab.LabError(f"{answer['learned']} flows came out on {answer['distinct']} ports")
        if answer["passed"]:
            one.forget(PROBE_HOST)
        return answer

    @staticmethod
    def mean(samples):
        limit = DISTURBED * statistics.median(samples)
        return statistics.mean(sample for sample in samples if sample <= limit)

    def sample_new(self, one, filled):
        """Mean ns of a new flow's packet and of one of a flow that is there, and the share of new flows that came through.
        The first new flow of each burst gets everything warm, and does not count; that of the very first one, which may have
        to learn what the others know, is told by itself.
        """
        new, known, passed, sent = [], [], 0, 0
        number = 1 + max(1, min(MAX_BURST, self.options.samples, (self.total - filled) // 3))
        while len(new) < self.options.samples:
            answer = self.burst(one, filled, number)
            self.first_ns.setdefault(one.name, answer["new_ns"][0])
            new += answer["new_ns"][1:]
            known += answer["known_ns"]
            passed += answer["passed"]
            sent += number
        return self.mean(new), self.mean(known), passed / sent

    def refuse(self, one, number, batch):
        answer = self.burst(one, self.total, number, batch)
        if answer["passed"] and one.external:
            raise lab.LabError(f"{answer['passed']} flows got a port where there is none")
        return answer

    def refuse_in_place(self, one, number, batch, answered):
        """The same; where XDP refuses, it has to have been there that those are whom nobody is told of."""
        before = one.fast_refused() if answered is False else None
        answer = self.refuse(one, number, batch)
        if before is not None and not answer["answers"] and one.fast_refused() - before < number:
            raise lab.LabError(f"of {number} refused packets XDP refused {one.fast_refused() - before}")
        return answer

    def sample_refused(self, one, batch, answered):
        """Mean ns of packets that are refused; answered: all or none of them by ICMP. None if that cannot be had."""
        estimate_ns = self.refuse(one, 2, 1)["new_ns"]
        self.first_ns.setdefault(one.name, estimate_ns[0])
        number = min(MAX_PROBE, ICMP_LIMIT, BURST_LIMIT_NS // estimate_ns[1]) // batch * batch
        if not number or answered is False and ICMP_LIMIT * estimate_ns[1] > BURST_LIMIT_NS:
            return None
        for _ in range(ANSWER_TRIES):
            if answered is False:
                self.refuse(one, ICMP_LIMIT, 1)
            answer = self.refuse_in_place(one, number, batch, answered)
            if answered is None or answer["answers"] == (number if answered else 0):
                return self.mean(answer["new_ns"]) if batch == 1 else answer["ns"] / number
            lab.wait_for_second()
        return None

    # ---- all variants, in turn

    def turn(self, number, names=VARIANTS):
        able = [one for one in self.labs if one.name in names]
        start = number % max(1, len(able))
        return able[start:] + able[:start]

    def give_up(self, one, error):
        self.problem(f"{one.name}, ports: no further figures: {error}")
        self.labs.remove(one)

    def fill_all(self, number, names=VARIANTS):
        for one in self.turn(0, names):
            try:
                self.fill(one, number)
            except lab.LabError as error:
                self.give_up(one, error)

    def measure_new(self, occupancy):
        filled = round(self.total * occupancy)
        free = self.total - filled
        if free < 4:
            return
        self.fill_all(filled)
        self.first_ns = {}
        new, known, passed = (collections.defaultdict(dict) for _ in range(3))
        for number in range(self.options.rounds):
            for one in self.turn(number):
                try:
                    new[one.name][number], known[one.name][number], passed[one.name][number] = \
                        self.sample_new(one, filled)
                except lab.LabError as error:
                    self.give_up(one, error)
        self.results["creation"].append({
            "occupancy": occupancy, "filled": filled, "free": free, **report.cost(new),
            "known": report.cost(known)["variants"], "first_ns": self.first_ns,
            "passed": {name: statistics.mean(shares.values()) for name, shares in passed.items() if name != "bare"}})

    def measure_refused(self, batch):
        rounds = collections.defaultdict(dict)
        for number in range(self.options.rounds):
            for one in self.turn(number, REFUSING):
                try:
                    for kind, answered in KINDS[one.name].items():
                        sample = self.sample_refused(one, batch, answered)
                        if sample is not None:
                            rounds[one.name, kind][number] = sample
                except lab.LabError as error:
                    self.give_up(one, error)
        bare = rounds.pop(("bare", "bare"), {})
        net = {which: report.above(samples, bare) for which, samples in rounds.items()}
        for (name, kind), samples in net.items():
            if not samples:
                continue
            entry = {"variant": name, "kind": kind, "batch": batch, **report.spread(samples.values())}
            ratio = report.ratio(net.get(("nft", "nft"), {}), samples)
            if kind != "nft" and ratio:
                entry["nft_to_it"] = report.spread(ratio)
            self.results["refusal"].append(entry)

    def run(self, stack):
        self.measure_choice()
        for name in REFUSING:
            if name not in self.options.variants:
                continue
            one = lab.VARIANTS[name](self.options.cpu, lab.MAX_FILL, program="burst", ports=self.options.ports)
            try:
                one.__enter__()
            except lab.LabError as error:
                self.problem(f"{name}, ports: {error}")
                continue
            stack.push(one.__exit__)
            self.labs.append(one)
            one.traffic.ask("flows", self.first, self.last, SEED)
        for occupancy in OCCUPANCIES:
            self.measure_new(occupancy)
        self.fill_all(self.total, REFUSING)
        self.first_ns = {}
        for batch in BATCHES:
            self.measure_refused(batch)
        self.results["first_refusal_ns"] = self.first_ns
        return self.results
