# SPDX-License-Identifier: GPL-2.0-or-later
"""ICMP errors that R's own kernel makes of packets that it cannot forward: before egress, or behind ingress."""

import pytest
from gateway import Bauta, NftMasquerade
from icmp_flow import UdpFlow, message
from packet import check_checksums, match, quoted
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw
from talk import check_outside

GATEWAYS = {"nft": lambda: NftMasquerade("50000-50009"), "bauta": lambda: Bauta("50000-50009")}
ERROR = match(proto="icmp", where=lambda packet: packet[ICMP].type in (3, 11, 12))


@pytest.fixture(params=GATEWAYS)
def gateway(request):
    return GATEWAYS[request.param]()


@pytest.fixture
def lab(make_lab, gateway):
    made = make_lab(offload=False)
    made.meet()
    made.use(gateway)
    return made


def from_a(lab, dst=None, **fields):
    return IP(src=lab.A.address, dst=dst or lab.B.address, **fields) / UDP(sport=5000, dport=7000) / b"question"


def test_hops_end_on_the_way_out(lab):
    """RFC 1812 §5.2.7.3, §4.3.2.2 to §4.3.2.4: from the interface's address, a TTL of its own, quoting what A sent."""
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    sent = from_a(lab, ttl=1, tos=0xB8)
    lab.A.send(sent)
    error = at_a.one(ERROR)
    assert (error[ICMP].type, error[ICMP].code, error.src, error.ttl) == (11, 0, lab.R.internal, 64)
    assert bytes(quoted(error)) == bytes(sent)
    check_checksums(bytes(error))
    lab.settle()
    assert at_b.count(match(proto="udp")) == 0


def test_hops_end_on_the_way_in(lab, gateway):
    """Behind ingress, where the packet has A's address already: the quote has the external endpoint again."""
    flow = UdpFlow(lab).start()
    at_b = lab.capture(lab.B)
    address, port = flow.external
    sent = IP(src=lab.B.address, dst=address, ttl=1, tos=0x28) / UDP(sport=7000, dport=port) / b"data"
    lab.B.send(sent)
    error = at_b.one(ERROR)
    assert (error[ICMP].type, error[ICMP].code, error.src, error.ttl) == (11, 0, lab.R.external, 64)
    assert bytes(quoted(error)) == bytes(sent)
    assert gateway.name != "bauta" or error.tos == 0x28  # RFC 5508 §7.7: the class of its cause
    check_outside(lab, at_b)


def test_no_route(make_lab, gateway):
    """RFC 1812 §5.2.7.1: 3/0."""
    lab = make_lab(outside_router=True, offload=False)
    lab.use(gateway)
    lab.R.ip("route del default")
    at_a = lab.capture(lab.A)
    sent = from_a(lab)
    lab.A.send(sent)
    error = at_a.one(ERROR)
    assert (error[ICMP].type, error[ICMP].code, error.src) == (3, 0, lab.R.internal)
    assert bytes(quoted(error))[12:] == bytes(sent)[12:]


def test_no_host_at_the_last_hop(lab):
    """RFC 1812 §5.2.7.1: 3/1, when nobody answers R's ARP. The packet was not translated yet."""
    lab.R.sysctl("net.ipv4.neigh.eth0.retrans_time_ms", 50)
    at_a = lab.capture(lab.A)
    lab.A.send(from_a(lab, dst="192.0.2.99"))
    error = at_a.one(ERROR)
    assert (error[ICMP].type, error[ICMP].code) == (3, 1)
    assert (quoted(error).src, quoted(error).sport, quoted(error).dst) == (lab.A.address, 5000, "192.0.2.99")


def test_what_no_error_may_be_about(lab):
    """RFC 1812 §4.3.2.7, RFC 5508 REQ-10e: each would be answered for its TTL, if it were another packet."""
    flow = UdpFlow(lab).start()
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    error = message((3, 3), flow.got())
    for packet in (
        IP(src=lab.A.address, dst=lab.B.address, ttl=1, proto=1) / Raw(error),
        IP(src=lab.A.address, dst=lab.B.address, ttl=1, proto=17, frag=100) / Raw(bytes(64)),
        from_a(lab, dst="224.1.2.3", ttl=1),
        from_a(lab, dst="255.255.255.255", ttl=1),
        from_a(lab, dst="192.0.2.255", ttl=1),
    ):
        lab.A.send(packet)
    for source in ("224.0.0.1", "255.255.255.255", "127.0.0.1", "0.0.0.0"):
        lab.A.send(IP(src=source, dst=lab.B.address, ttl=1) / UDP(sport=5000, dport=7000) / b"x")
    lab.A.send(from_a(lab, ttl=1), to="01:00:5e:01:02:03")  # a group's address at the link, one host's in IP
    back = message((3, 3), flow.sent())
    lab.B.send(IP(src=lab.B.address, dst=lab.R.external, ttl=1, proto=1) / Raw(back))
    lab.settle()
    assert at_a.count(ERROR) == 0
    assert at_b.count(ERROR) == 0
    lab.A.send(from_a(lab, ttl=1))
    at_a.one(ERROR)


def test_errors_are_limited_in_rate(lab):
    """RFC 1812 §4.3.2.8, RFC 5508 REQ-10f: the first are answered, and then few (net.ipv4.icmp_ratelimit)."""
    at_a = lab.capture(lab.A)
    lab.A.send(*[from_a(lab, ttl=1, id=number + 1) for number in range(2000)])
    lab.settle()
    answered = [quoted(error).id for error in at_a.packets(ERROR)]
    assert 1 <= len(answered) <= 50 and answered[0] == 1
