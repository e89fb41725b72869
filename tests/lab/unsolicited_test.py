# SPDX-License-Identifier: GPL-2.0-or-later
"""SYNs from outside that nobody has asked for: no answer for six seconds, then one, unless the inside has called too
(RFC 5382 REQ-4)."""

import errno
import struct
import time

import pytest
from gateway import Bauta, Whole
from packet import check_checksums, internet_sum, match
from scapy.layers.inet import ICMP, IP, TCP
from talk import accept, chat
from wait import holds, until

UNREACHABLE = (3, 3)


def syn(lab, port, sport=7001, tos=0, source=None):
    return IP(src=source or lab.B.address, dst=lab.R.external, tos=tos, id=77) / TCP(
        sport=sport, dport=port, flags="S", seq=12345, options=[("MSS", 1460), ("SAckOK", b""), ("WScale", 7)]
    )


def test_answer_after_six_seconds_and_not_before(lab):
    """Exactly one, however often the SYN is repeated, about the SYN as it came, in its class (RFC 5508 §7.7)."""
    lab.meet()
    bauta = lab.use(Bauta("50000-50009"))
    at_b = lab.capture(lab.B)
    asked = syn(lab, 50003, tos=0xB9)
    start = time.monotonic()
    lab.B.send(asked)
    lab.settle()
    assert bauta.drops()["unsolicited"]["packets"] == 1
    lab.B.send(asked)
    answer = at_b.one(match(proto="icmp", icmp=UNREACHABLE), limit_s=8)
    assert 6.0 <= answer.time - start < 7.5
    assert at_b.count(match(proto="tcp", src=lab.R.external)) == 0
    assert (answer.src, answer.dst, answer.tos) == (lab.R.external, lab.B.address, 0xB8)
    assert answer.ttl > 32
    check_checksums(bytes(answer))
    quoted = bytes(answer[ICMP])[8:]
    assert quoted == bytes(asked)
    assert bauta.sessions() == []
    # what comes now is another attempt
    lab.B.send(asked)
    at_b.wait(match(proto="icmp", icmp=UNREACHABLE), 2, limit_s=8)


@pytest.mark.parametrize("wire", ["ethernet", "tun"])
def test_program_outside_is_refused_late(make_lab, wire):
    lab = make_lab(external=wire)
    bauta = lab.use(Bauta("50000-50009", clock_factor=10))
    start = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        lab.B.connect((lab.R.external, 50003), timeout_s=5)
    assert time.monotonic() - start >= 0.6
    assert bauta.drops()["unsolicited"]["packets"] >= 1


@pytest.mark.parametrize("first", ["inside", "outside"])
def test_simultaneous_open(lab, first):
    """RFC 5382 REQ-2a, in both orders, a second apart: sockets that know each other's endpoints connect."""
    bauta = lab.use(Bauta("50003", clock_factor=3))
    at_b = lab.capture(lab.B)
    client, peer = lab.A.tcp(50003), lab.B.tcp(7001)
    lab.B.nft("table ip hold { chain in { type filter hook input priority 0; tcp flags == syn drop; }; }")
    calls = {"inside": (client, (lab.B.address, 7001)), "outside": (peer, (lab.R.external, 50003))}
    for conn in (client, peer):
        conn.setblocking(False)
    sock, to = calls.pop(first)
    assert sock.connect_ex(to) == errno.EINPROGRESS
    if first == "outside":
        until(lambda: "unsolicited" in bauta.drops(), "for an unsolicited SYN")
    else:
        bauta.wait_sessions(1)
    holds(lambda: sock.connect_ex(to) == errno.EALREADY, "the first to call heard something", 1.0)
    sock, to = calls.popitem()[1]
    assert sock.connect_ex(to) == errno.EINPROGRESS
    lab.B.nft("delete table ip hold")
    for conn in (client, peer):
        conn.settimeout(3)
    until(lambda: bauta.sessions()[0]["state"] == "established", "for a connection")
    chat(client, peer)
    # the SYN that came early has no answer any more
    holds(lambda: at_b.count(match(proto="icmp", icmp=UNREACHABLE)) == 0, "an answer to an early SYN", 2.5)
    chat(client, peer)


def test_services_of_the_host_answer_as_ever(lab):
    lab.use(Bauta("50000-50009", clock_factor=10))
    server = lab.R.listen(50004, address=lab.R.external)
    client = lab.B.connect((lab.R.external, 50004))
    accept(client, server)
    start = time.monotonic()
    with pytest.raises(ConnectionRefusedError):  # no port of ours: the host's RST
        lab.B.connect((lab.R.external, 49999))
    assert time.monotonic() - start < 0.5


def test_filter_that_refuses(lab):
    """A mapped port, and a remote that its internal endpoint has never called: the same."""
    lab.meet()
    bauta = lab.use(Bauta("50000-50009", clock_factor=10))
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000), port=50003)
    conn, peer = accept(client, server)
    at_b2, at_a = lab.capture(lab.B2), lab.capture(lab.A)
    start = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        lab.B2.connect(peer, timeout_s=5)
    assert time.monotonic() - start >= 0.6
    at_b2.one(match(proto="icmp", src=lab.R.external, icmp=UNREACHABLE))
    assert at_a.count(match(src=lab.B2.address)) == 0
    assert len(bauta.sessions()) == 1
    chat(client, conn)


def test_syn_from_inside_by_hairpin(lab):
    """As if it came from outside: the filter of the other internal host refuses it, and it is refused late."""
    lab.meet()
    bauta = lab.use(Whole("50000-50009", clock_factor=10))
    server = lab.B.listen(7000)
    client = lab.A2.connect((lab.B.address, 7000))
    conn, peer = accept(client, server)
    at_a, at_a2 = lab.capture(lab.A), lab.capture(lab.A2)
    start = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        lab.A.connect(peer, timeout_s=5)
    assert time.monotonic() - start >= 0.6
    answer = at_a.one(match(proto="icmp", src=lab.R.external, icmp=UNREACHABLE))
    asked = at_a.packets(match(proto="tcp", flags="S"), outgoing=True)[0]
    assert bytes(answer[ICMP])[28:36] == bytes(asked)[20:28]
    assert at_a2.count(match(src=lab.R.external)) == 0
    assert bauta.drops()["unsolicited"]["packets"] >= 1
    chat(client, conn)


def test_silence_if_so_configured(lab):
    """RFC 5382 REQ-4a."""
    lab.meet()
    bauta = lab.use(Bauta("50000-50009", "--unsolicited-syn", "silent", clock_factor=20))
    at_b = lab.capture(lab.B)
    lab.B.send(syn(lab, 50003))
    lab.settle()
    assert bauta.drops()["unsolicited"]["packets"] == 1
    holds(lambda: at_b.count(lambda p: p.proto == 6 or (p.proto == 1 and p[ICMP].type == 3)) == 0, "an answer", 1.5)


def test_time_is_a_setting(lab):
    lab.meet()
    lab.use(Bauta("50000-50009", "--timeout", "unsolicited-syn=30", clock_factor=20))
    at_b = lab.capture(lab.B)
    start = time.monotonic()
    lab.B.send(syn(lab, 50003))
    answer = at_b.one(match(proto="icmp", icmp=UNREACHABLE))
    assert answer.time - start >= 1.5


def test_nobody_answers_without_the_daemon(lab):
    lab.meet()
    bauta = lab.use(Bauta("50000-50009", clock_factor=20))
    bauta.kill()
    at_b = lab.capture(lab.B)
    lab.B.send(syn(lab, 50003))
    lab.settle()
    assert bauta.drops()["unsolicited"]["packets"] == 1
    holds(lambda: at_b.count(lambda p: p.proto == 6 or (p.proto == 1 and p[ICMP].type == 3)) == 0, "an answer", 1)


def flood(lab, num):
    """SYNs from that many addresses, as bytes."""
    template = bytearray(bytes(syn(lab, 50003, source="10.98.0.0")))
    for number in range(num):
        struct.pack_into("!I", template, 12, 0x0A620000 + number)
        struct.pack_into("!H", template, 10, 0)
        struct.pack_into("!H", template, 10, ~internet_sum(bytes(template[:20])) & 0xFFFF)
        yield bytes(template)


def test_flood_is_bounded(lab):
    """Of a hundred thousand at once, some are answered, the rest not; a connection that is there does not notice."""
    lab.meet()
    bauta = lab.use(Bauta("50000-50009"))
    lab.R.ip(f"route add 10.98.0.0/15 via {lab.B.address}")
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000))
    conn, _ = accept(client, server)
    at_b = lab.capture(lab.B)
    rate = []
    for number, packet in enumerate(flood(lab, 100_000)):
        lab.B.send(packet)
        if number % 10_000 == 0:
            start = time.monotonic()
            chat(client, conn)
            rate.append(time.monotonic() - start)
    assert max(rate) < 0.5, rate
    lab.settle()
    assert bauta.drops()["unsolicited"]["packets"] == 100_000
    at_b.clear()
    until(lambda: at_b.count(match(proto="icmp", icmp=UNREACHABLE)) > 0, "for an answer", 8)
    chat(client, conn)
    last = [0, time.monotonic()]

    def quiet():
        count = at_b.count(match(proto="icmp", icmp=UNREACHABLE))
        if count != last[0]:
            last[:] = [count, time.monotonic()]
        return time.monotonic() - last[1] > 1.2

    until(quiet, "for an end of answers", 20)
    assert 500 <= last[0] <= 4096
    chat(client, conn)
