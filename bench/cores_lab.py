# SPDX-License-Identifier: GPL-2.0-or-later
"""The namespaces of the bench with a queue for each CPU: each takes what it sent all the way, and all do so at once."""

import json
import os
import subprocess

import lab

CPUS = sorted(os.sched_getaffinity(0))
CPU_LIST = ",".join(map(str, CPUS))


class Traffic(lab.Traffic):
    """build/bench/churn."""

    def __init__(self, *words):
        self.process = subprocess.Popen([lab.PROGRAMS / "churn", *words], text=True, bufsize=1, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.answer(lab.READY_LIMIT_S)
        except BaseException:
            self.close()
            raise


class Queues:
    """Goes before a lab. With `counts_hooks` what counts is put around the programs at the gateway's external interface."""

    counts_hooks = False

    def add_link(self, role, device, mac, peer_role, peer_device, peer_mac):
        queues = f"numtxqueues {len(CPUS)} numrxqueues {len(CPUS)}"
        here, there = self.namespaces[role], self.namespaces[peer_role]
        lab.ip_batch(here, [f"link add {device} address {mac} {queues} type veth "
                            f"peer name {peer_device} address {peer_mac} {queues} netns {there}",
                            f"link set {device} up"])
        lab.ip_batch(there, [f"link set {peer_device} up"])

    def open_traffic(self):
        inside, outside = self.namespaces["inside"], self.namespaces["outside"]
        if "gateway" not in self.namespaces:
            self.traffic = Traffic(inside, "eth0", lab.MAC_OUTSIDE, outside, "eth0", lab.MAC_INSIDE)
            return
        around = (self.namespaces["gateway"], "lan0", "eth0") if self.counts_hooks else ()
        self.traffic = Traffic(inside, "eth0", lab.MAC_GATEWAY_INTERNAL,
                               outside, "eth0", lab.MAC_GATEWAY_EXTERNAL, *around)


class Bare(Queues, lab.Bare):
    pass


class Plain(Queues, lab.Plain):
    pass


class Nftables(Queues, lab.Nftables):
    pass


class Bauta(Queues, lab.Bauta):
    def bauta(self, verb, *words, fine=(0,)):
        """What a verb says, of -j as what it stands for."""
        done = subprocess.run(["ip", "netns", "exec", self.namespaces["gateway"], self.binary, verb, *words,
                               "-e", "eth0"], capture_output=True, text=True, check=False)
        if done.returncode not in fine:
            raise lab.LabError(f"bauta {verb} {' '.join(words)}: {done.stderr.strip() or done.returncode}")
        return json.loads(done.stdout) if "-j" in words else done.stdout


class BautaXdp(Queues, lab.BautaXdp):
    pass


VARIANTS = {variant.name: variant for variant in (Bare, Plain, Nftables, Bauta, BautaXdp)}
