# SPDX-License-Identifier: GPL-2.0-or-later
"""What datagrams in fragments cost: in order, with the first fragment last, and whole without DF, which get a new identification.

Frames of about 1000 bytes go through the gateway from a packet socket, one by one, and the sending thread's CPU time is
taken, which the whole path is part of. Plain forwarding of the same frames is subtracted, so the sender itself is gone too.
"""

import collections
import contextlib
import ctypes
import itertools
import os
import socket
import struct
import time

import lab
import report

VARIANTS = ("plain", "nft", "bauta")
KINDS = ("whole, DF", "whole, no DF", "in order", "first last")
PIECES = 10         # fragments of a datagram
SIZE = 968          # bytes of payload of IP in each: a multiple of 8
DATAGRAMS = 100     # in one round
CLONE_NEWNET = 0x40000000
INSIDE, REMOTE = ("10.1.0.1", 5000), ("198.18.0.1", 7000)
IP_DF, IP_MF = 0x4000, 0x2000


def packet_socket(namespace):
    """A socket at eth0 of a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as home, open(f"/run/netns/{namespace}", "rb") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise lab.LabError(f"cannot enter {namespace}: {os.strerror(ctypes.get_errno())}")
        try:
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
            made.bind(("eth0", 0x0800))
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)
    return made


def ip_packet(number, flags, payload):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), number & 0xffff, flags, 64, 17, 0,
                         socket.inet_aton(INSIDE[0]), socket.inet_aton(REMOTE[0]))
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xffff) + (total >> 16)
    return header[:10] + struct.pack("!H", ~((total & 0xffff) + (total >> 16)) & 0xffff) + header[12:] + payload


def datagram(kind, number):
    """The packets that a round sends for one datagram, or for as many whole ones; the UDP checksum is none."""
    ports = struct.pack("!HH", INSIDE[1], REMOTE[1])
    if kind.startswith("whole"):
        payload = ports + struct.pack("!HH", SIZE, 0) + bytes(SIZE - 8)
        return [ip_packet(number * PIECES + n, IP_DF if kind == KINDS[0] else 0, payload) for n in range(PIECES)]
    payload = ports + struct.pack("!HH", SIZE * PIECES, 0) + bytes(SIZE * PIECES - 8)
    pieces = [ip_packet(number, SIZE // 8 * n | (IP_MF if n < PIECES - 1 else 0), payload[SIZE * n:SIZE * (n + 1)])
              for n in range(PIECES)]
    return pieces if kind == "in order" else pieces[1:] + pieces[:1]


class Fragments:
    """One run over all variants."""

    def __init__(self, options, problem):
        self.options = options
        self.problem = problem
        self.numbers = itertools.count()
        self.results = []

    def measure(self, sender, sink, kind):
        """CPU ns per packet; None if not all of them arrived."""
        link = bytes.fromhex((lab.MAC_GATEWAY_INTERNAL + lab.MAC_INSIDE).replace(":", "")) + b"\x08\x00"
        frames = [link + packet for _ in range(DATAGRAMS) for packet in datagram(kind, next(self.numbers))]
        begin = time.thread_time_ns()
        for frame in frames:
            sender.send(frame)
        spent = time.thread_time_ns() - begin
        arrived = 0
        sink.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while arrived < len(frames):
                arrived += len(sink.recv(2048)) >= SIZE
        return spent / len(frames) if arrived == len(frames) else None

    def run_variant(self, name, samples):
        one = lab.VARIANTS[name](self.options.cpu, 1024)
        one.open_traffic = lambda: None     # that sends whole datagrams only
        with one, packet_socket(one.namespaces["inside"]) as sender, \
                packet_socket(one.namespaces["outside"]) as sink:
            sink.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)     # SO_RCVBUFFORCE
            for number in range(-1, self.options.rounds):      # the first one warms up
                for kind in KINDS:
                    sample = self.measure(sender, sink, kind)
                    if sample is None:
                        self.problem(f"{name}, fragments, {kind}: packets were lost in a round, left out")
                    elif number >= 0:
                        samples[kind][name][number] = sample

    def run(self):
        samples = collections.defaultdict(lambda: collections.defaultdict(dict))
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {self.options.cpu})
        try:
            for name in VARIANTS:
                if name in self.options.variants:
                    self.run_variant(name, samples)
        finally:
            os.sched_setaffinity(0, cpus)
        for kind in KINDS:
            net = {name: report.spread(report.above(rounds, samples[kind]["plain"]).values())
                   for name, rounds in samples[kind].items() if name != "plain" and rounds and samples[kind]["plain"]}
            self.results.append({"kind": kind, "variants": net})
        return self.results
