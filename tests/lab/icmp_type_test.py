# SPDX-License-Identifier: GPL-2.0-or-later
"""Every type and code of ICMP: which are translated, which end at the gateway, and that none harms a session."""

import socket

import pytest
from gateway import Bauta
from icmp_flow import INNER_ROUTER, ROUTER, UdpFlow, message
from packet import check_checksums, internet_sum, match
from scapy.layers.inet import ICMP, IP, TCP
from scapy.packet import Raw
from talk import accept, ask, chat, check_outside
from wait import until

ERRORS = [(3, code) for code in range(17)] + [(11, 0), (11, 1), (12, 0), (12, 1), (12, 2)]
RESTS = (0, 0x05DC, 0x04000514)  # of the word behind the checksum: nothing; an MTU; a pointer and an MTU
# RFC 5508 REQ-10b, REQ-10c and REQ-11: redirect, router discovery, information, address mask, and what nobody knows.
OTHERS = [5, 9, 10, 15, 16, 17, 18, 1, 2, 30, 42, 255]


@pytest.fixture
def lab(share_lab):
    return share_lab(Bauta, "50000-50009", offload=False)


@pytest.fixture
def bauta(lab):
    return lab.gateway


def seen(capture, kind):
    """The ICMP message of this type and code that came, as bytes from the ICMP header on."""
    packet = capture.one(match(proto="icmp", icmp=kind))
    check_checksums(bytes(packet))
    return packet, bytes(packet)[packet.ihl * 4 :]


def test_errors_of_every_code_come_in(lab, bauta):
    """RFC 5508 REQ-4, REQ-10: type, code and the word behind them stay; an MTU of 0 too (RFC 1191 §4)."""
    flow = UdpFlow(lab).start()
    at_a = lab.capture(lab.A)
    for kind in ERRORS:
        for rest in RESTS:
            flow.tell_a(kind, flow.sent(), rest=rest)
            packet, icmp = seen(at_a, kind)
            assert (packet.src, packet.dst) == (ROUTER, lab.A.address)
            assert icmp == message(kind, flow.sent_by_a(), rest=rest)
            at_a.clear()
    assert bauta.drops()["error-inbound"]["packets"] == len(ERRORS) * len(RESTS)


@pytest.mark.parametrize("source", ["A", INNER_ROUTER])
def test_errors_of_every_code_go_out(lab, bauta, source):
    """RFC 5508 REQ-5: from R's external address, whoever inside sent it, and nothing private in it."""
    flow = UdpFlow(lab).start()
    at_b = lab.capture(lab.B)
    for kind in ERRORS:
        for rest in RESTS:
            flow.tell_b(kind, flow.got(), rest=rest, source=lab.A.address if source == "A" else source)
            packet, icmp = seen(at_b, kind)
            assert (packet.src, packet.dst) == (lab.R.external, lab.B.address)
            assert icmp == message(kind, flow.got_by_r(), rest=rest)
            assert b"\xc0\xa8" not in bytes(packet)
            at_b.clear()
    assert bauta.drops()["error-outbound"]["packets"] == len(ERRORS) * len(RESTS)


def test_source_quench_comes_nowhere(lab, bauta):
    """RFC 6633: neither to an internal host nor to the gateway's own stack; nor does one leave."""
    flow = UdpFlow(lab).start()
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    heard = lab.R.socket(socket.SOCK_RAW, socket.IPPROTO_ICMP)
    flow.tell_a((4, 0), flow.sent())
    flow.tell_b((4, 0), flow.got())
    lab.B.send(IP(src=lab.B.address, dst=lab.R.external) / ICMP(id=7) / b"last")
    assert heard.recv(2048)[20] == 8
    lab.settle()
    assert at_a.count(match(proto="icmp", icmp=4)) == at_b.count(match(proto="icmp", icmp=4)) == 0
    assert bauta.drops()["icmp-type"]["packets"] == 2
    flow.talk()


def test_other_types_cross_in_neither_direction(lab, bauta):
    """From inside they are dropped; from outside they are the host's, which judges redirects by settings of its own."""
    flow = UdpFlow(lab).start()
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    heard = lab.R.socket(socket.SOCK_RAW, socket.IPPROTO_ICMP)
    for kind in OTHERS:
        flow.tell_a((kind, 0), flow.sent())
        flow.tell_b((kind, 0), flow.got())
        assert heard.recv(2048)[20] == kind
    lab.settle()
    seen_there = at_a.packets(match(proto="icmp")) + at_b.packets(match(proto="icmp"))
    assert {packet[ICMP].type for packet in seen_there} <= {0}  # the answers to settle()
    assert bauta.drops()["icmp-type"]["packets"] == len(OTHERS)
    flow.talk()


@pytest.mark.parametrize("kind", [8, 13], ids=["echo", "timestamp"])
def test_queries_and_replies_cross(lab, bauta, kind):
    """RFC 5508 REQ-1: both kinds that have an identifier, answered by B's kernel."""
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    reply = {8: 0, 13: 14}[kind]
    for host, identifier in ((lab.A, 77), (lab.A2, 77)):
        here = lab.capture(host)
        host.send(IP(src=host.address, dst=lab.B.address) / ICMP(type=kind, id=identifier, seq=3) / Raw(bytes(12)))
        answer = here.one(match(proto="icmp", icmp=reply, src=lab.B.address))
        assert (answer[ICMP].id, answer[ICMP].seq, answer.dst) == (77, 3, host.address)
        check_checksums(bytes(answer))
    assert at_a.count(match(proto="icmp", icmp=reply, src=lab.B.address)) == 1
    assert len({packet[ICMP].id for packet in at_b.packets(match(proto="icmp", icmp=kind, src=lab.R.external))}) == 2
    check_outside(lab, at_b)
    assert len(bauta.sessions("proto=icmp")) == 2


def storm(lab, flow, segment, ping):
    """Every type, with every code that there is and one that there is not, about each session, from both sides."""
    quotes = [(flow.sent(), flow.got()), (segment, None), (ping, None)]
    for kind in range(256):
        for code in range(17) if kind == 3 else range(3):
            if kind in (0, 8, 13, 14):
                continue
            for outside, inside in quotes:
                flow.tell_a((kind, code), outside)
                if inside:
                    flow.tell_b((kind, code), inside)
            if kind in (3, 11, 12):  # forged: about a packet that nobody sent, and with a wrong checksum
                flow.tell_a((kind, code), flow.sent(id=4711, len=1500), checksum=0x1234)


def test_nothing_touches_a_session(make_lab):
    """RFC 4787 REQ-12, RFC 5382 REQ-10, RFC 5508 REQ-6: no session ends, is shortened or refreshed; all carry on."""
    lab = make_lab(offload=False)
    lab.meet()
    bauta = lab.use(Bauta("50000-50009", clock_factor=3))  # a ping's session outlives both storms on a busy machine
    flow = UdpFlow(lab).start()
    server, client = lab.B.listen(7001), lab.A.connect((lab.B.address, 7001), port=5001)
    conn, (address, port) = accept(client, server)
    at_b = lab.capture(lab.B)
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / ICMP(id=77, seq=1) / b"data")
    ping = at_b.one(match(proto="icmp", icmp=8, src=lab.R.external))
    lab.settle()
    segment = IP(src=address, dst=lab.B.address) / TCP(sport=port, dport=7001, flags="A", seq=1) / b"data"

    def rows():
        """Sessions without their ages, and when each was seen last, by the gateway's clock."""
        status = {}
        for row in bauta.sessions():
            status[row["proto"], row["internal"], row["external"], row["remote"], row["state"]] = row["idle_s"]
        return status

    before = rows()
    assert len(before) == 3
    timeouts = {row["proto"]: row["idle_s"] + row["expires_s"] for row in bauta.sessions()}
    storm(lab, flow, segment, ping)
    lab.settle()
    until(lambda: min(rows().values()) > 3, "for some seconds of the gateway's clock")
    storm(lab, flow, segment, ping)
    lab.settle()
    after = rows()
    assert after.keys() == before.keys()
    assert all(after[row] > before[row] + 2 for row in after), "an error has refreshed a session"
    assert {row["proto"]: row["idle_s"] + row["expires_s"] for row in bauta.sessions()} == timeouts
    chat(client, conn)
    flow.talk()
    assert bauta.drops()["error-inbound"]["packets"] > 100
    assert len(bauta.sessions()) == 3


def test_error_about_a_mapped_port_of_a_stranger(lab, bauta):
    """RFC 5508 REQ-4: an error about a packet to a remote that A never spoke with is not A's."""
    flow = UdpFlow(lab).start()
    at_a = lab.capture(lab.A)
    address, port = flow.external
    quote = IP(src=address, dst="198.51.100.99") / flow.sent().payload
    flow.tell_a((3, 3), quote)
    lab.settle()
    assert at_a.count(match(proto="icmp", icmp=3)) == 0
    ask(flow.client, flow.server)


def test_flood_of_errors(lab, bauta):
    """Errors that nobody asked for, about sessions that are there and that are not: no memory, and no one notices."""
    flow = UdpFlow(lab).start()
    at_a = lab.capture(lab.A)
    raw = bytearray(bytes(IP(src=ROUTER, dst=lab.R.external, proto=1) / Raw(message((3, 1), flow.sent()))))
    before = bauta.fsck()
    drops = bauta.packets()
    for port in range(1, 20001):
        raw[50:52] = port.to_bytes(2, "big")  # the quoted destination port; and so the checksum
        raw[22:24] = (0xFFFF - internet_sum(bytes(raw[20:22]) + b"\0\0" + bytes(raw[24:]))).to_bytes(2, "big")
        lab.B.send(bytes(raw))
        if port % 2000 == 0:
            flow.talk()
    lab.settle()
    assert at_a.count(match(proto="icmp", icmp=3)) == 1  # about port 7000
    assert bauta.packets() - drops >= 20000
    assert bauta.fsck() == before
