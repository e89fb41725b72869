# SPDX-License-Identifier: GPL-2.0-or-later
"""Protocols without ports that we know: refused, and the sender is told by ICMP 3/2; nothing private leaves."""

import pytest
from gateway import Bauta
from packet import check_checksums, match, quoted
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw
from talk import exchange

PROTOCOLS = {"IPIP": 4, "GRE": 47, "ESP": 50, "AH": 51, "L2TP": 115, "SCTP": 132, "UDP-Lite": 136, "experimental": 253}


@pytest.fixture
def lab(make_lab):
    made = make_lab(offload=False)
    made.meet()
    return made


def test_sender_is_told(lab):
    bauta = lab.use(Bauta("50000-50009"))
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    for number, proto in enumerate(PROTOCOLS.values()):
        sent = IP(src=lab.A.address, dst=lab.B.address, proto=proto, id=number + 1) / Raw(b"sixteen bytes...")
        lab.A.send(sent)
        error = at_a.one(match(proto="icmp", icmp=(3, 2)))
        at_a.clear()
        assert (error.src, error.dst, quoted(error).id) == (lab.R.internal, lab.A.address, number + 1)
        assert (quoted(error).src, quoted(error).dst, quoted(error).proto) == (lab.A.address, lab.B.address, proto)
        assert bytes(error).endswith(b"sixteen bytes...")
        check_checksums(bytes(error))
    lab.settle()
    assert at_b.count(match(where=lambda packet: packet.proto in PROTOCOLS.values())) == 0
    row = bauta.drops()["protocol"]
    assert (row["verdict"], row["packets"]) == ("refused", len(PROTOCOLS))
    assert bauta.sessions("proto=tcp") == bauta.sessions("proto=udp") == []


def test_error_messages_are_never_answered(lab):
    """RFC 1812 §4.3.2.7: no ICMP error about an ICMP error, nor about a later fragment."""
    lab.use(Bauta("50000-50009"))
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    quote = bytes(IP(src=lab.B.address, dst=lab.A.address, proto=47) / Raw(bytes(8)))
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / ICMP(type=3, code=2) / quote)
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address, proto=47, frag=100) / Raw(bytes(64)))
    lab.settle()
    assert at_a.count(match(proto="icmp", icmp=3)) == 0
    assert at_b.count(match(src=lab.A.address)) == 0


@pytest.mark.parametrize("kind", [5, 9, 10, 15, 17, 42], ids=lambda kind: f"type {kind}")
def test_other_icmp_from_inside_does_not_leave(lab, kind):
    bauta = lab.use(Bauta("50000-50009"))
    at_b = lab.capture(lab.B)
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / ICMP(type=kind) / bytes(28))
    lab.settle()
    assert at_b.count(match(proto="icmp", icmp=kind)) == 0
    assert sum(row["packets"] for row in bauta.drops().values() if row["verdict"] == "dropped") == 1


def test_stray_tcp_segments(lab):
    """A reset that belongs to no connection goes nowhere; other traffic is not disturbed."""
    bauta = lab.use(Bauta("50000-50009"))
    at_b = lab.capture(lab.B)
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / TCP(sport=5000, dport=7000, flags="R"))
    lab.settle()
    assert at_b.count(match(proto="tcp")) == 0
    assert bauta.sessions("proto=tcp") == []
    exchange(lab, "tcp")


def test_martians_from_inside_do_not_leave(lab):
    """RFC 1812 §5.3.7; the kernel stops most of them before we would."""
    lab.use(Bauta("50000-50009"))
    at_b = lab.capture(lab.B)
    for source in ("127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", lab.R.external):
        lab.A.send(IP(src=source, dst=lab.B.address) / UDP(sport=5000, dport=7000) / b"x")
    lab.settle()
    assert at_b.count(match(proto="udp", dport=7000)) == 0
