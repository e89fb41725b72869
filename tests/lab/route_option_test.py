# SPDX-License-Identifier: GPL-2.0-or-later
"""IP options that tell the way of a packet: what the inside wrote there is not seen outside (RFC 3022 §4.6)."""

import socket
import struct

import pytest
from gateway import Bauta
from icmp_flow import UdpFlow, message
from packet import match
from scapy.layers.inet import IP, UDP, IPOption
from talk import check_outside


@pytest.fixture
def lab(make_lab):
    made = make_lab(inside_router=True, offload=False)
    made.meet()
    return made


@pytest.fixture
def bauta(lab):
    return lab.use(Bauta("50000-50009"))


def address(text):
    return socket.inet_aton(text)


def record(*hops, room=2, kind=7):
    """Record route (or a source route) that these hops have written into, with room for more."""
    length = 3 + 4 * (len(hops) + room)
    return IPOption(bytes([kind, length, 4 + 4 * len(hops)]) + b"".join(map(address, hops)) + bytes(4 * room))


def stamps(flags, *hops):
    body = b"".join(address(hop) + struct.pack("!I", 1000) for hop in hops)
    return IPOption(bytes([68, 4 + len(body) + 8, 5 + len(body), flags]) + body + bytes(8))


def test_record_route_of_ping(lab, bauta):
    """ping -R: A, its router and R each write their address; the ping goes on without them."""
    at_b = lab.capture(lab.B)
    text = lab.A.do("ping", "-n", "-R", "-c2", "-i0.01", "-W2", lab.B.address)
    assert "2 received" in text
    requests = at_b.packets(match(proto="icmp", icmp=8, src=lab.R.external))
    assert [packet.ihl for packet in requests] == [15, 15]  # all the room that ping gave is still there
    check_outside(lab, at_b)


@pytest.mark.parametrize("option", [record, lambda *hops: stamps(1, *hops)], ids=["record", "timestamp"])
def test_records_are_blanked(lab, bauta, option):
    """Of a session that is there and of a new one; data and checksums are what they were."""
    at_b = lab.capture(lab.B)
    for number in range(2):
        packet = IP(src=lab.A.address, dst=lab.B.address, id=number + 1,
                    options=[option(lab.A.address, "192.168.10.1"), IPOption(b"\x94\x04\x00\x00")])
        lab.A.send(packet / UDP(sport=5000, dport=7000) / b"data")
    for seen in at_b.wait(match(proto="udp", dport=7000), 2):
        raw = bytes(seen)[20 : seen.ihl * 4]
        assert seen[UDP].payload.load == b"data"
        assert raw.replace(b"\x01", b"").rstrip(b"\0") == b"\x94\x04"
    check_outside(lab, at_b)


def test_timestamps_alone_stay(lab, bauta):
    at_b = lab.capture(lab.B)
    option = IPOption(bytes([68, 12, 5, 0]) + bytes(8))
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address, options=[option]) / UDP(sport=5000, dport=7000) / b"data")
    seen = at_b.one(match(proto="udp", dport=7000))
    assert bytes(seen)[20:22] == bytes([68, 12]) and bytes(seen)[22] > 5  # the routers wrote their times


@pytest.mark.parametrize("kind", [131, 137], ids=["loose", "strict"])
@pytest.mark.parametrize("accept", [0, 1])
def test_source_route_does_not_leave(lab, bauta, kind, accept):
    """RFC 5508 §7.3. The kernel stops them; if it is told to accept them, we stop those that it would forward."""
    for host in (lab.I, lab.R):
        for where in ("all", "eth0", "eth1"):
            host.sysctl(f"net.ipv4.conf.{where}.accept_source_route", accept)
    at_b = lab.capture(lab.B)
    option = record("192.168.10.1", room=0, kind=kind)  # all of its way behind it
    lab.I.send(IP(src=lab.A.address, dst=lab.B.address, options=[option]) / UDP(sport=5000, dport=7000) / b"data",
               to=lab.R.mac("eth1"))
    lab.settle()
    assert at_b.count(match(proto="udp")) == 0
    assert bauta.drops().get("source-route", {"packets": 0})["packets"] == (accept and kind == 131)


def test_quoted_records_are_blanked(lab, bauta):
    """What R wrote into a packet from B on its way in comes back in the quote of an error."""
    flow = UdpFlow(lab).start()
    at_b = lab.capture(lab.B)
    flow.tell_b((3, 3), flow.got(options=[record("192.168.0.1", "192.168.10.1")]), source=lab.A.address)
    seen = at_b.one(match(proto="icmp", icmp=(3, 3)))
    quote = flow.got_by_r(options=[IPOption(b"\x01")] * 19 + [IPOption(b"\0")])
    assert bytes(seen)[20:] == message((3, 3), quote)
    flow.tell_b((3, 3), flow.got(options=[record("192.168.0.1", kind=131)]), source=lab.A.address)
    lab.settle()
    assert at_b.count(match(proto="icmp", icmp=3)) == 1
    assert bauta.drops()["source-route"]["packets"] == 1
    check_outside(lab, at_b)
