# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP between two hosts with the kernel's own stack: throughput, the time that an answer takes, and what the sweep takes.

Sender and receiver have a CPU each; the sender's does the way through the gateway, too. Rounds of the variants are interleaved,
and compared round by round. With GSO, as hosts have it, a packet of up to 64 KB crosses the gateway at once. The fast path is for
wires, where packets have their real size, and XDP at a veth turns GSO off there: so it is held against the others without any
offload.

Throughput is also told as CPU time per KiB of sender, receiver and ksoftirqd, which other work on the machine disturbs less.
"""

import collections
import contextlib
import json
import os
import subprocess
import sys
import time

import lab
import report

WITH_GSO = ("plain", "nft", "bauta")
WITHOUT_GSO = ("plain", "nft", "bauta", "xdp")
STREAMS = (1, 8)
STREAM_S = 1                    # iperf3 takes whole seconds
REMOTE = "192.0.2.8"
STREAM_PORT, RTT_PORT = 5201, 5202
CONVERSATIONS, LOAD_MBIT = 16, 500
RTT_MS = 1000
SWEPT = 1 << 22
SWEEP_S = 30
OFF = ("tso", "off", "gso", "off", "tx", "off")


def wait_listening(namespace, port, limit_s=10):
    end = time.monotonic() + limit_s
    while not lab.call("ip", "netns", "exec", namespace, "ss", "-Hltn", f"sport = :{port}"):
        if time.monotonic() > end:
            raise lab.LabError(f"nobody listens at port {port} of {namespace}")
        time.sleep(0.02)


class Hosts:
    """Goes before a lab: hosts at both ends, in place of generator and sink."""

    offload = True

    def build(self):
        super().build()
        self.servers = []
        lab.ip_batch(self.namespaces["inside"], ["addr add 192.168.0.5/24 dev eth0", "route add default via 192.168.0.1"])
        lab.ip_batch(self.namespaces["outside"], [f"addr add {REMOTE}/24 dev eth0", f"route add default via {lab.EXTERNAL}"])

    def open_traffic(self):
        # an XDP program at the other end of a veth takes GSO from it, so this comes behind start()
        for role, devices in (("inside", ("eth0",)), ("gateway", ("lan0", "eth0")), ("outside", ("eth0",))):
            for device in devices:
                words = ("gro", "on", *(() if self.offload else OFF))
                lab.call("ip", "netns", "exec", self.namespaces[role], "ethtool", "-K", device, *words)
        self.serve(("iperf3", "-s"), STREAM_PORT)
        self.serve((lab.PROGRAMS / "rtt", "serve", REMOTE, str(RTT_PORT)), RTT_PORT)

    def serve(self, command, port):
        outside = self.namespaces["outside"]
        self.servers.append(subprocess.Popen(["ip", "netns", "exec", outside, "taskset", "-c", str(receiver_cpu()), *command],
                                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_listening(outside, port)

    def stop(self):
        for server in self.servers:
            server.kill()
            server.wait()
        super().stop()

    def ask(self, *command):
        """Runs a client inside, and returns what it says."""
        try:
            done = lab.call("ip", "netns", "exec", self.namespaces["inside"], "taskset", "-c", str(sender_cpu()),
                            *map(str, command), timeout=lab.COMMAND_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise lab.LabError(f"{self.name}: {command[0]} came to no end") from None
        return json.loads(done)


def sender_cpu():
    return min(range(os.cpu_count()))


def receiver_cpu():
    return max(range(os.cpu_count()))


def hosts(name, offload):
    """The lab of a variant, with hosts."""
    variant = lab.VARIANTS[name]
    return type(f"Hosts{variant.__name__}", (Hosts, variant), {"offload": offload})(None, 1024)


def softirqd_s():
    """CPU time of all ksoftirqd."""
    total = 0
    for cpu in range(os.cpu_count()):
        pid = lab.call("pgrep", "-x", f"ksoftirqd/{cpu}").split()[0]
        with open(f"/proc/{pid}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e9


class Streams:
    """One run over all variants."""

    def __init__(self, options, problem):
        self.options = options
        self.problem = problem
        self.results = {"streams": [], "latency": [], "sweep": None, "stream_s": STREAM_S, "conversations": CONVERSATIONS,
                        "load_mbit": LOAD_MBIT}

    def stream(self, one, num):
        """(Gbit/s, CPU ns per KiB)"""
        before = softirqd_s()
        answer = one.ask("iperf3", "-c", REMOTE, "-t", str(STREAM_S), "-P", str(num), "-J")
        softirqd = softirqd_s() - before
        if "error" in answer:
            raise lab.LabError(f"iperf3: {answer['error']}")
        end = answer["end"]
        received, share = end["sum_received"], end["cpu_utilization_percent"]
        cpu_s = (share["host_total"] + share["remote_total"]) / 100 * received["seconds"] + softirqd
        return {"gbit": received["bits_per_second"] / 1e9, "cpu_ns": cpu_s * 1e9 / (received["bytes"] / 1024)}

    def latency(self, one):
        answer = one.ask(lab.PROGRAMS / "rtt", "ask", REMOTE, RTT_PORT, CONVERSATIONS, LOAD_MBIT, RTT_MS)
        return {"p50": answer["p50_ns"] / 1000, "p99": answer["p99_ns"] / 1000}

    def rounds(self, labs, measure, what):
        """measure(lab): a figure for each of several names. Returns name -> variant -> {round: figure}."""
        samples = collections.defaultdict(lambda: collections.defaultdict(dict))
        for number in range(-1, self.options.rounds):       # the first one warms up
            start = number % len(labs)
            for one in labs[start:] + labs[:start]:
                try:
                    figures = measure(one)
                except (lab.LabError, ValueError, KeyError) as error:
                    self.problem(f"{one.name}, {what}: {error}")
                    continue
                for name, figure in figures.items():
                    if number >= 0:
                        samples[name][one.name][number] = figure
        return samples

    def add(self, table, row, samples):
        entry = dict(row)
        for name, variants in samples.items():
            entry[name] = {variant: report.spread(rounds.values()) for variant, rounds in variants.items()}
            for variant in ("bauta", "xdp"):
                for base in ("plain", "nft"):
                    ratios = report.ratio(variants.get(variant, {}), variants.get(base, {}))
                    if ratios:
                        entry[f"{name}_{variant}_to_{base}"] = report.spread(ratios)
        self.results[table].append(entry)

    def measure(self, offload):
        wanted = [name for name in (WITH_GSO if offload else WITHOUT_GSO) if name in self.options.variants]
        with contextlib.ExitStack() as stack:
            labs = [stack.enter_context(hosts(name, offload)) for name in wanted]
            for num in STREAMS:
                self.add("streams", {"gso": offload, "num": num},
                         self.rounds(labs, lambda one, num=num: self.stream(one, num), f"{num} streams"))
            self.add("latency", {"gso": offload}, self.rounds(labs, self.latency, "latency"))

    def sweep(self):
        """What the daemon takes while nothing expires, in percent of a CPU."""
        with lab.VARIANTS["bauta"](self.options.cpu, SWEPT) as one:
            one.traffic.ask("create", SWEPT)
            held = one.sessions_held()
            before = one.background_cpu_s(), time.monotonic()
            time.sleep(SWEEP_S)
            spent, passed = one.background_cpu_s() - before[0], time.monotonic() - before[1]
            self.results["sweep"] = {"sessions": held, "seconds": round(passed, 1), "cpu_percent": round(100 * spent / passed, 3)}

    def run(self):
        affinity = os.sched_getaffinity(0)
        os.sched_setaffinity(0, range(os.cpu_count()))
        try:
            for offload in (True, False):
                print(f"bench: streams {'with' if offload else 'without'} GSO", file=sys.stderr)
                self.measure(offload)
        finally:
            os.sched_setaffinity(0, affinity)
        if "bauta" in self.options.variants:
            print("bench: sweep", file=sys.stderr)
            self.sweep()
        return self.results
