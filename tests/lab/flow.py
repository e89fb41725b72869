# SPDX-License-Identifier: GPL-2.0-or-later
"""Crafted flows: between an internal and an external host whose kernels know nothing of them, a packet at a time."""

import itertools

from packet import match
from scapy.layers.inet import IP, TCP, UDP

INSIDE, OUTSIDE = "192.168.0.77", "192.0.2.77"

_marks = itertools.count(1)


class Flow:
    """out() and back() send a packet and wait until it arrives at the other end, translated."""

    def __init__(self, lab, bauta, proto="tcp", sport=5000, dport=7000):
        self.lab, self.bauta, self.proto, self.sport, self.dport = lab, bauta, proto, sport, dport
        lab.phantom(lab.A, INSIDE)
        lab.phantom(lab.B, OUTSIDE)
        self.at_a, self.at_b = lab.capture(lab.A), lab.capture(lab.B)
        self.port = None

    def packet(self, src, dst, sport, dport, flags, data):
        # DF: the identification of a datagram that may be cut is changed on the way out (RFC 6864)
        ip = IP(src=src, dst=dst, id=next(_marks) & 0xFFFF, flags="DF")
        if self.proto == "udp":
            return ip / UDP(sport=sport, dport=dport) / data
        return ip / TCP(sport=sport, dport=dport, flags=flags, seq=1000, ack=2000 if "A" in flags else 0) / data

    def out(self, flags="", data=b""):
        sent = self.packet(INSIDE, OUTSIDE, self.sport, self.dport, flags, data)
        self.lab.A.send(sent)
        got = self.at_b.one(match(src=self.lab.R.external, where=lambda p: p.id == sent.id and p.proto != 1))
        self.port = got.sport
        return got

    def send_back(self, flags="", data=b""):
        sent = self.packet(OUTSIDE, self.lab.R.external, self.dport, self.port, flags, data)
        self.lab.B.send(sent)
        return sent

    def back(self, flags="", data=b""):
        sent = self.send_back(flags, data)
        return self.at_a.one(match(src=OUTSIDE, dst=INSIDE, where=lambda p: p.id == sent.id and p.proto != 1))

    def establish(self):
        self.out("S")
        self.back("SA")
        self.out("A")
        return self

    def session(self):
        """As `bauta show sessions` tells it, or None."""
        found = self.bauta.sessions(f"proto={self.proto}", f"remote={OUTSIDE}:{self.dport}", f"internal={INSIDE}")
        assert len(found) < 2, found
        return found[0] if found else None
