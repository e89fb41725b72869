# SPDX-License-Identifier: GPL-2.0-or-later
"""Crafted conversations across the gateway: addresses at A and at B that nobody answers for, so that what is seen was sent."""

from packet import match
from scapy.layers.inet import ICMP, IP, TCP, UDP

INSIDE = "192.168.0.77"
REMOTE = "192.0.2.77"


class Line:
    """An address inside, next to A or A2, and one outside, next to B or B2."""

    def __init__(self, lab, inside=INSIDE, remote=REMOTE, host=None, far=None):
        self.lab = lab
        self.host, self.far = host or lab.A, far or lab.B
        self.inside = lab.phantom(self.host, inside)
        self.remote = lab.phantom(self.far, remote)
        self.at_inside, self.at_remote = lab.capture(self.host), lab.capture(self.far)

    @staticmethod
    def _new(capture, act, matches):
        before = len(capture.packets())
        act()
        return [packet for packet in capture.packets()[before:] if matches(packet)]

    def _crossed(self, sender, packets, capture, where):
        def act():
            sender.send(*packets)
            self.lab.settle(self.host, self.far)

        return self._new(capture, act, where)

    def out(self, *packets):
        """Sends from inside; returns what then reaches the remote."""
        return self._crossed(self.host, packets, self.at_remote, match(dst=self.remote))

    def back(self, *packets):
        """Sends from outside; returns what then reaches the internal address."""
        return self._crossed(self.far, packets, self.at_inside, match(dst=self.inside))

    def told_inside(self, *packets):
        """Sends from inside; returns the ICMP errors that its sender gets."""
        return self._crossed(self.host, packets, self.at_inside, is_error(self.inside))

    def told_outside(self, *packets):
        return self._crossed(self.far, packets, self.at_remote, is_error(self.remote))

    # What is sent most

    def udp(self, sport, dport, data=b"x", **header):
        """One datagram from inside; the external endpoint that the remote sees, or None."""
        seen = self.out(IP(src=self.inside, dst=self.remote, **header) / UDP(sport=sport, dport=dport) / data)
        return (seen[0].src, seen[0][UDP].sport) if seen else None

    def udp_back(self, dport, external, data=b"y", remote=None):
        """One datagram from the remote's port dport; whether it arrives, at which internal port."""
        seen = self.back(IP(src=remote or self.remote, dst=external[0]) / UDP(sport=dport, dport=external[1]) / data)
        return seen[0][UDP].dport if seen else None

    def echo(self, number, seq=1, **header):
        """One echo request; (external address, identifier) that the remote sees, or None."""
        seen = self.out(IP(src=self.inside, dst=self.remote, **header) / ICMP(id=number, seq=seq) / b"12345678")
        return (seen[0].src, seen[0][ICMP].id) if seen else None

    def echo_back(self, external, seq=1):
        reply = ICMP(type=0, id=external[1], seq=seq) / b"12345678"
        seen = self.back(IP(src=self.remote, dst=external[0]) / reply)
        return seen[0][ICMP].id if seen else None


def is_error(address):
    return match(proto="icmp", dst=address, where=lambda packet: packet[ICMP].type in (3, 4, 5, 11, 12))


class Connection:
    """A TCP connection between the ends of a line, segment by segment, with sequence numbers that hang together."""

    def __init__(self, line, sport=5000, dport=7000):
        self.line = line
        self.sport, self.dport = sport, dport
        self.seq = {"out": 1000, "back": 900000}
        self.external = None

    def segment(self, way, flags, data=b"", options=(), **fields):
        other = "back" if way == "out" else "out"
        ack = self.seq[other] if "A" in flags or "R" in flags else 0
        tcp = TCP(flags=flags, seq=self.seq[way], ack=ack, window=8192, options=list(options), **fields)
        if way == "out":
            tcp.sport, tcp.dport = self.sport, self.dport
            return IP(src=self.line.inside, dst=self.line.remote) / tcp / data
        tcp.sport, tcp.dport = self.dport, self.external[1]
        return IP(src=self.line.remote, dst=self.external[0]) / tcp / data

    def send(self, way, flags, data=b"", options=(), **fields):
        """Sends one segment; returns it as it arrives, or None."""
        packet = self.segment(way, flags, data, options, **fields)
        seen = self.line.out(packet) if way == "out" else self.line.back(packet)
        seen = [one for one in seen if TCP in one]
        self.seq[way] += len(data) + ("S" in flags) + ("F" in flags)
        if way == "out" and seen and self.external is None:
            self.external = (seen[0].src, seen[0][TCP].sport)
        return seen[0] if seen else None

    def open(self):
        """The three-way handshake; whether all of it crossed."""
        return all([self.send("out", "S"), self.send("back", "SA"), self.send("out", "A")])

    def chat(self):
        """Data in each direction, and the acknowledgements; whether all of it crossed."""
        return all(
            self.send(way, "PA", b"data") is not None and self.send(other, "A") is not None
            for way, other in (("out", "back"), ("back", "out"))
        )
