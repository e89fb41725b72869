# SPDX-License-Identifier: GPL-2.0-or-later
"""The states of TCP sessions (RFC 7857 §2), driven along each edge by crafted segments; real connections of unusual
kinds."""

import socket
import time

import pytest
from flow import INSIDE, OUTSIDE, Flow
from gateway import Bauta
from packet import match
from scapy.layers.inet import TCP
from talk import chat, read
from wait import until

RANGE = "50000-50009"
SHORT, LONG = 240, 7440
MSG_FASTOPEN = 0x20000000

TIME = {"opening": SHORT, "established": LONG, "half-closed": LONG, "closing": SHORT, "reset": SHORT}

OPEN = [("out", "S", "opening"), ("back", "SA", "opening"), ("out", "A", "established")]
CLOSED = [("out", "FA", "half-closed"), ("back", "FA", "closing"), ("out", "A", "closing")]

EDGES = {
    "opened": OPEN + [("back", "A", "established"), ("out", "PA", "established")],
    "opened from both sides": [
        ("out", "S", "opening"),
        ("back", "S", "opening"),
        ("out", "SA", "opening"),
        ("back", "SA", "established"),
    ],
    "repeated SYN": [("out", "S", "opening"), ("out", "S", "opening")] + OPEN,
    "never acknowledged by the inside": [("out", "S", "opening"), ("back", "SA", "opening"), ("back", "SA", "opening")],
    "taken up mid-stream": [("out", "A", "opening"), ("back", "A", "established")],
    "closed by the inside": OPEN
    + [("out", "FA", "half-closed"), ("back", "A", "half-closed"), ("back", "PA", "half-closed")]
    + [("out", "A", "half-closed"), ("back", "FA", "closing"), ("out", "A", "closing"), ("back", "FA", "closing")],
    "closed by the outside": OPEN
    + [("back", "FA", "half-closed"), ("out", "PA", "half-closed"), ("out", "FA", "closing"), ("back", "A", "closing")],
    "closed from both sides": OPEN + [("out", "FA", "half-closed"), ("back", "FA", "closing")],
    "reset by the outside, data follows": OPEN + [("back", "R", "reset"), ("back", "A", "established")],
    "reset by the outside, not for the inside": OPEN + [("back", "RA", "reset"), ("out", "A", "established")],
    "reset by the inside": OPEN
    + [("out", "R", "reset"), ("back", "A", "reset"), ("out", "R", "reset"), ("back", "FA", "reset")],
    "reset by the inside, which goes on": OPEN + [("out", "R", "reset"), ("out", "A", "established")],
    "refused, tried again": [("out", "S", "opening"), ("back", "RA", "reset")] + OPEN,
    "used again after it was closed": OPEN + CLOSED + OPEN,
    "used again after it was reset": OPEN + [("out", "R", "reset")] + OPEN,
    "used again by the outside": OPEN
    + CLOSED
    + [("back", "S", "opening"), ("out", "SA", "opening"), ("back", "A", "established")],
    "forged SYN": OPEN + [("back", "S", "established")],
}


def hurried():
    return Bauta(RANGE, clock_factor=50)


@pytest.mark.parametrize("edge", EDGES)
def test_edges(share_lab, edge):
    """Each step a second or more after the one before."""
    lab = share_lab(hurried)
    flow = Flow(lab, lab.gateway)
    for number, (direction, flags, state) in enumerate(EDGES[edge]):
        if number:
            until(lambda: flow.session()["idle_s"] >= 1, "for a second to pass")
        getattr(flow, direction)(flags)
        session = flow.session()
        assert session["state"] == state, f"step {number}: {direction} {flags}"
        assert TIME[state] - 100 <= session["expires_s"] <= TIME[state], f"step {number}: {direction} {flags}"


def test_what_follows_a_reset_from_inside_does_not_prolong(lab):
    """RFC 7857 §7.1: neither what still comes from outside, nor the RSTs that answer it. Then nothing is left."""
    lab.meet()
    bauta = lab.use(Bauta(RANGE, clock_factor=100))
    flow = Flow(lab, bauta).establish()
    start = time.monotonic()
    flow.out("R")
    num = 0
    while time.monotonic() - start < 2.2:
        flow.back("A")
        flow.out("R")
        num += 1
        assert flow.session()["state"] == "reset"
    assert num > 5
    bauta.wait_sessions(0, limit_s=2.4)
    assert 2.4 <= time.monotonic() - start < 4.5
    sent = flow.send_back("A")
    flow.at_b.one(match(proto="tcp", src=lab.R.external, flags="R", where=lambda p: p[TCP].seq == sent.ack))


def test_reset_is_passed_on_while_its_session_stays(lab):
    """RFC 7857 §2.2, in both directions, and a second one as well."""
    lab.meet()
    flow = Flow(lab, lab.use(Bauta(RANGE))).establish()
    for _ in range(2):
        rst = flow.back("R")
        assert (str(rst[TCP].flags), rst[TCP].seq, rst[TCP].sport, rst[TCP].dport) == ("R", 1000, 7000, 5000)
        rst = flow.out("R")
        assert (str(rst[TCP].flags), rst[TCP].seq, rst[TCP].sport, rst[TCP].dport) == ("R", 1000, flow.port, 7000)


def test_icmp_in_the_middle_of_a_simultaneous_open(lab):
    """RFC 5382 REQ-10."""
    from scapy.layers.inet import ICMP, IP  # pylint: disable=import-outside-toplevel

    lab.meet()
    flow = Flow(lab, lab.use(Bauta(RANGE)))
    syn = flow.out("S")
    flow.back("S")
    lab.B.send(IP(src=OUTSIDE, dst=lab.R.external) / ICMP(type=3, code=3) / bytes(syn)[:28])
    flow.at_a.one(match(proto="icmp", dst=INSIDE, icmp=(3, 3)))
    flow.out("SA")
    flow.back("SA")
    assert flow.session()["state"] == "established"


def test_syn_with_data(lab):
    """TCP Fast Open: what a SYN carries arrives, with real sockets (RFC 5382 REQ-2)."""
    for host in (lab.A, lab.B):
        host.sysctl("net.ipv4.tcp_fastopen", 0x207)  # client and server, without cookies
    bauta = lab.use(Bauta(RANGE, "--mid-stream", "reset"))
    at_b = lab.capture(lab.B)
    server = lab.B.tcp(7000)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    server.listen(16)
    client = lab.A.tcp()
    client.settimeout(None)
    client.sendto(b"early data", MSG_FASTOPEN, (lab.B.address, 7000))
    conn, _ = server.accept()
    conn.settimeout(3)
    assert read(conn, 10) == b"early data"
    syn = at_b.one(match(proto="tcp", flags="S"))
    assert bytes(syn[TCP].payload) == b"early data"
    chat(client, conn)
    assert bauta.sessions()[0]["state"] == "established"


def test_half_closed_connection_outlives_the_short_timers(lab):
    """RFC 5382 §5: idle for a thousand seconds after one FIN, and the rest of the data still comes."""
    bauta = lab.use(Bauta(RANGE, clock_factor=500))
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000))
    conn, _ = server.accept()
    conn.settimeout(3)
    client.shutdown(socket.SHUT_WR)
    assert conn.recv(1) == b""
    until(lambda: bauta.sessions()[0]["idle_s"] > 1000, "for 1000 s of idleness")
    conn.sendall(b"x" * 100_000)
    conn.close()
    assert read(client, 100_000) == b"x" * 100_000
    assert client.recv(1) == b""
