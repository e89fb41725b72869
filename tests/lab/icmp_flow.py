# SPDX-License-Identifier: GPL-2.0-or-later
"""A UDP flow that A has with B through the gateway, its packets as both sides know them, and ICMP errors about them."""

import struct

from packet import internet_sum
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw
from talk import ask

ROUTER = "203.0.113.7"  # outside, on no way that B's packets take
INNER_ROUTER = "192.168.0.77"


def message(kind, quote, rest=0, checksum=None):
    """An ICMP message: (type, code), the word behind the checksum, what is quoted."""
    raw = struct.pack("!BBHI", *kind, 0, rest) + bytes(quote)
    if checksum is None:
        checksum = 0xFFFF - internet_sum(raw)
    return raw[:2] + struct.pack("!H", checksum) + raw[4:]


class UdpFlow:
    """A:5000 with B:7000."""

    def __init__(self, lab):
        self.lab = lab
        self.server = lab.B.udp(7000)
        self.client = lab.A.udp(5000, remote=(lab.B.address, 7000))
        self.external = None

    def start(self):
        self.external = ask(self.client, self.server)
        return self

    def talk(self):
        """A question and its answer, whatever errors the sockets have been told of meanwhile."""
        for sock in (self.client, self.server):
            while sock.getsockopt(1, 4):  # SOL_SOCKET, SO_ERROR
                pass
        assert ask(self.client, self.server) == self.external

    def sent(self, **fields):
        """What B got from A, as an error of any router outside would quote it."""
        address, port = self.external
        return IP(src=address, dst=self.lab.B.address, ttl=61, **fields) / UDP(sport=port, dport=7000) / b"question"

    def sent_by_a(self, **fields):
        """The same, as A sent it."""
        return IP(src=self.lab.A.address, dst=self.lab.B.address, ttl=61, **fields) / UDP(
            sport=5000, dport=7000) / b"question"

    def got(self, **fields):
        """What A got from B, as an error from inside would quote it."""
        return IP(src=self.lab.B.address, dst=self.lab.A.address, ttl=61, **fields) / UDP(
            sport=7000, dport=5000) / b"noitseuq"

    def got_by_r(self, **fields):
        """The same, as B sent it."""
        address, port = self.external
        return IP(src=self.lab.B.address, dst=address, ttl=61, **fields) / UDP(sport=7000, dport=port) / b"noitseuq"

    def tell_a(self, kind, quote, rest=0, checksum=None, source=ROUTER):
        """An error from outside; what A should be told by it comes out of R's inside."""
        error = IP(src=source, dst=self.lab.R.external, proto=1) / Raw(message(kind, quote, rest, checksum))
        self.lab.B.send(error)

    def tell_b(self, kind, quote, rest=0, checksum=None, source=INNER_ROUTER):
        """An error from inside."""
        error = IP(src=source, dst=self.lab.B.address, proto=1) / Raw(message(kind, quote, rest, checksum))
        self.lab.A.send(error)
