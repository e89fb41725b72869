# SPDX-License-Identifier: GPL-2.0-or-later
"""What ICMP errors quote: short, long, padded, broken, with options and extensions; translated in both directions."""

import struct

import pytest
from gateway import Bauta
from icmp_flow import UdpFlow, message
from packet import internet_sum, match
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.packet import Raw
from talk import accept

# RFC 4884, RFC 4950: version 2, a checksum that nobody judges, one MPLS label stack object
EXTENSION = b"\x20\x00\xab\xcd" + b"\x00\x08\x01\x01" + b"\x00\x01\x01\x40"
OPTIONS = {
    "none": [],
    "no-operation": [IPOption(b"\x01")] * 3 + [IPOption(b"\x00")],
    "router alert": [IPOption(b"\x94\x04\x00\x00")],
    "forty bytes": [IPOption(b"\x88\x04\x12\x34")] * 9 + [IPOption(b"\x01")] * 3 + [IPOption(b"\x00")],
}


@pytest.fixture
def lab(share_lab):
    return share_lab(Bauta, "50000-50009", offload=False)


@pytest.fixture
def bauta(lab):
    return lab.gateway


class Ways:
    """Both directions alike: tells an error about what is quoted, and gives what arrived of it."""

    def __init__(self, lab):
        self.lab = lab
        self.flow = UdpFlow(lab).start()
        self.at_a, self.at_b = lab.capture(lab.A), lab.capture(lab.B)

    def inward(self, quote, kind=(11, 0), rest=0, checksum=None):
        return self._arrived(self.at_a, self.flow.tell_a, quote, kind, rest, checksum)

    def outward(self, quote, kind=(11, 0), rest=0, checksum=None):
        return self._arrived(self.at_b, self.flow.tell_b, quote, kind, rest, checksum)

    def _arrived(self, capture, tell, quote, kind, rest, checksum):
        capture.clear()
        tell(kind, quote, rest=rest, checksum=checksum)
        self.lab.settle()
        found = capture.packets(match(proto="icmp", icmp=kind[0]))
        assert len(found) <= 1
        return bytes(found[0])[found[0].ihl * 4 :] if found else None


@pytest.fixture
def ways(lab, bauta):
    return Ways(lab)


def cut(packet, length):
    return bytes(packet)[:length]


@pytest.mark.parametrize("options", OPTIONS)
def test_options_are_stepped_over(ways, options):
    """RFC 5508 REQ-3b: in the quote, of every length; they stay."""
    fields, flow = {"options": OPTIONS[options]}, ways.flow
    assert ways.inward(flow.sent(**fields)) == message((11, 0), flow.sent_by_a(**fields))
    assert ways.outward(flow.got(**fields)) == message((11, 0), flow.got_by_r(**fields))


def test_every_length_of_a_quote(ways):
    """RFC 792: 28 bytes suffice; whatever more there is stays."""
    flow = ways.flow
    for length in range(28, 37):
        assert ways.inward(cut(flow.sent(), length)) == message((11, 0), cut(flow.sent_by_a(), length))
        assert ways.outward(cut(flow.got(), length)) == message((11, 0), cut(flow.got_by_r(), length))
    for length in (0, 8, 20, 27):
        assert ways.inward(cut(flow.sent(), length)) is None
        assert ways.outward(cut(flow.got(), length)) is None


def test_tcp_checksum_that_is_cut_off(lab, bauta):
    """28 bytes have the ports and the sequence number; from 38 on the checksum is there and is put right."""
    ways = Ways(lab)
    server, client = lab.B.listen(7001), lab.A.connect((lab.B.address, 7001), port=5001)
    _, (address, port) = accept(client, server)
    sent = IP(src=lab.A.address, dst=lab.B.address) / TCP(sport=5001, dport=7001, flags="A", seq=9) / b"0123456789"
    seen = IP(src=address, dst=lab.B.address) / TCP(sport=port, dport=7001, flags="A", seq=9) / b"0123456789"
    came = IP(src=lab.B.address, dst=lab.A.address) / TCP(sport=7001, dport=5001, flags="A", seq=9) / b"0123456789"
    began = IP(src=lab.B.address, dst=address) / TCP(sport=7001, dport=port, flags="A", seq=9) / b"0123456789"
    for length in (28, 29, 34, 36, 38, 39, 40, 50):
        assert ways.inward(cut(seen, length)) == message((11, 0), cut(sent, length))
        assert ways.outward(cut(came, length)) == message((11, 0), cut(began, length))


def test_quoted_echo(ways):
    """The identifier and its checksum; of the request outside, of the reply inside."""
    lab = ways.lab
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / ICMP(id=77, seq=5) / Raw(bytes(20)))
    seen = ways.at_b.one(match(proto="icmp", icmp=8, src=lab.R.external))
    came = ways.at_a.one(match(proto="icmp", icmp=0, src=lab.B.address))
    sent = IP(bytes(seen))
    sent.src, sent[ICMP].id = lab.A.address, 77
    began = IP(bytes(came))
    began.dst, began[ICMP].id = lab.R.external, seen[ICMP].id
    for packet in (sent, began):
        del packet.chksum, packet[ICMP].chksum
    for length in (28, 30, 48):
        assert ways.inward(cut(seen, length)) == message((11, 0), cut(sent, length))
        assert ways.outward(cut(came, length)) == message((11, 0), cut(began, length))


def test_extensions_stay(ways):
    """RFC 5508 REQ-3d, RFC 4884 §5: length attribute, padding and objects, for each type that has them, both ways."""
    flow = ways.flow
    for kind in ((3, 3), (3, 4), (11, 0), (12, 0)):
        rest = (128 // 4) << 16 | (1400 if kind == (3, 4) else 0)
        for quote, wanted, way in (
            (flow.sent(), flow.sent_by_a(), ways.inward),
            (flow.got(), flow.got_by_r(), ways.outward),
        ):
            padded, right = (bytes(packet).ljust(128, b"\0") + EXTENSION for packet in (quote, wanted))
            assert way(padded, kind, rest=rest) == message(kind, right, rest=rest)


def test_padding_is_no_checksum(lab, bauta):
    """RFC 5508 REQ-3d: a segment cut to 28 bytes and padded to 128: only its addresses and ports change."""
    ways = Ways(lab)
    server, client = lab.B.listen(7001), lab.A.connect((lab.B.address, 7001), port=5001)
    _, (address, port) = accept(client, server)
    sent = IP(src=lab.A.address, dst=lab.B.address, len=1000) / TCP(sport=5001, dport=7001, seq=9)
    seen = IP(src=address, dst=lab.B.address, len=1000) / TCP(sport=port, dport=7001, seq=9)
    padded, right = (cut(packet, 28).ljust(128, b"\0") + EXTENSION for packet in (seen, sent))
    assert ways.inward(padded, rest=32 << 16) == message((11, 0), right, rest=32 << 16)


def test_transport_checksum_is_not_judged(ways):
    """RFC 5508 REQ-3c: a wrong one stays as wrong as it was; none at all stays none."""
    flow = ways.flow
    for checksum in (0x1234, 0):
        quotes = [packet() for packet in (flow.sent, flow.sent_by_a, flow.got, flow.got_by_r)]
        for quote in quotes:
            quote[UDP].chksum = checksum
        wrong, there, came, back = (bytes(quote) for quote in quotes)
        for got, blank in ((ways.inward(wrong), there), (ways.outward(came), back)):
            assert got[8:34] == blank[:26] and internet_sum(got) == 0xFFFF and got[36:] == blank[28:]
            assert (struct.unpack("!H", got[34:36])[0] == 0) == (checksum == 0)


def test_broken_headers_in_the_quote(ways, bauta):
    """RFC 5508 REQ-3a: a wrong checksum of the quoted IP header, and what is no IPv4 header: dropped in silence."""
    flow = ways.flow
    for fields in ({"chksum": 0x1234}, {"version": 6}, {"ihl": 4}, {"ihl": 15}):
        assert ways.inward(flow.sent(**fields)) is None
        assert ways.outward(flow.got(**fields)) is None
    assert bauta.drops()["icmp-quote"]["packets"] == 8


def test_wrong_checksum_of_the_error(ways, bauta):
    """RFC 5508 REQ-3: dropped in silence, in both directions, however long."""
    flow = ways.flow
    for size in (28, 36, 128, 548, 1200, 1472):
        out, back = (bytes(packet).ljust(size, b"x")[:size] for packet in (flow.sent(), flow.got()))
        checksum = struct.unpack("!H", message((3, 3), out)[2:4])[0]
        assert ways.inward(out, (3, 3), checksum=checksum ^ 0x0100) is None
        assert ways.inward(out[:-1] + b"y" if size > 36 else out[:-1] + b"\1", (3, 3), checksum=checksum) is None
        assert ways.inward(out, (3, 3), checksum=checksum) is not None
        assert ways.outward(back, (3, 3), checksum=0xBEEF) is None
        assert ways.outward(back, (3, 3)) is not None
    assert bauta.drops()["icmp-checksum"]["packets"] == 18
    ways.flow.talk()


def test_quoted_fragments(ways, bauta):
    """A first fragment has its ports, and part of what its checksum is over. A later one says nothing of a session."""
    flow = ways.flow
    first = {"flags": "MF", "id": 99}
    assert ways.inward(flow.sent(**first)) == message((11, 0), flow.sent_by_a(**first))
    assert ways.outward(flow.got(**first)) == message((11, 0), flow.got_by_r(**first))
    assert ways.inward(flow.sent(frag=100)) is None
    assert ways.outward(flow.got(frag=100)) is None
    assert bauta.drops()["icmp-quote"]["packets"] == 2


def test_error_about_an_error(ways, bauta):
    """RFC 1122 §3.2.2: there is no such thing."""
    lab, flow = ways.lab, ways.flow
    inner = IP(src=lab.R.external, dst=lab.B.address, proto=1) / Raw(message((3, 3), flow.got_by_r()))
    assert ways.inward(inner) is None
    assert ways.outward(IP(src=lab.B.address, dst=lab.A.address, proto=1) / Raw(message((3, 3), flow.got()))) is None
    assert bauta.drops()["icmp-quote"]["packets"] == 2
