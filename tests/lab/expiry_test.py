# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions end when their time is over, and not before (RFC 4787 REQ-5, RFC 5382 REQ-5, RFC 5508 REQ-2); then
nothing of them is left."""

import struct
import time

import pytest
from gateway import Bauta
from packet import match
from scapy.layers.inet import ICMP, IP, TCP
from talk import accept, ask, chat
from wait import until


def state_of(bauta):
    (session,) = bauta.sessions("proto=tcp")
    return session["state"], session["expires_s"]


def test_tcp_states_and_the_time_each_is_given(lab):
    lab.meet()
    bauta = lab.use(Bauta("50000"))
    outside = lab.phantom(lab.B, "192.0.2.77")
    lab.A.send(IP(src=lab.A.address, dst=outside) / TCP(sport=5000, dport=7000, flags="S", seq=1))
    lab.settle()
    state, left = state_of(bauta)
    assert state == "opening" and 235 <= left <= 240
    bauta.cli("flush")

    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000))
    conn, _ = accept(client, server)
    state, left = state_of(bauta)
    assert state == "established" and 7435 <= left <= 7440
    client.shutdown(1)
    assert conn.recv(1) == b""
    state, left = state_of(bauta)
    assert state == "half-closed" and 7435 <= left <= 7440
    conn.close()
    assert client.recv(1) == b""
    until(lambda: state_of(bauta)[0] == "closing", "for the state closing")
    assert 235 <= state_of(bauta)[1] <= 240


def test_reset_starts_the_short_timer(lab):
    bauta = lab.use(Bauta("50000"))
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000))
    conn, _ = accept(client, server)
    conn.setsockopt(1, 13, struct.pack("ii", 1, 0))
    conn.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    state, left = state_of(bauta)
    assert state == "reset" and 235 <= left <= 240


def test_udp_session_lives_its_time_and_no_longer(lab):
    """300 s, a hundred times faster; the answer of the remote still arrives shortly before the end."""
    bauta = lab.use(Bauta("50000", clock_factor=100))
    server, client = lab.B.udp(7000), lab.A.udp(5000, remote=(lab.B.address, 7000))
    peer = ask(client, server)
    start = time.monotonic()
    until(lambda: bauta.sessions()[0]["idle_s"] >= 240, "for 240 s of idleness", 3.5)
    server.sendto(b"late", peer)
    assert client.recv(100) == b"late"
    bauta.wait_sessions(0, limit_s=10)
    assert time.monotonic() - start > 2.4 + 0.5, "it was removed before its time"
    assert bauta.mappings() == []
    assert bauta.fsck()["entries"] == 0


def test_traffic_from_inside_keeps_a_session_alive(lab):
    bauta = lab.use(Bauta("50000", clock_factor=100))
    server, client = lab.B.udp(7000), lab.A.udp(5000, remote=(lab.B.address, 7000))
    peer = ask(client, server)
    end = time.monotonic() + 4.5  # longer than 300 s / 100
    while time.monotonic() < end:
        until(lambda: bauta.sessions()[0]["idle_s"] >= 30, "for some idleness")
        client.send(b"keep-alive")
        assert server.recvfrom(100)[1] == peer
    assert len(bauta.sessions()) == 1


def test_icmp_session_lives_a_minute(lab):
    lab.meet()
    bauta = lab.use(Bauta("50000", clock_factor=20))
    at_a = lab.capture(lab.A)
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / ICMP(id=77))
    at_a.one(match(proto="icmp", icmp=0))
    start = time.monotonic()
    assert len(bauta.sessions()) == 1
    bauta.wait_sessions(0, limit_s=10)
    assert time.monotonic() - start >= 2.5


def test_everything_ends(lab):
    """A mix of sessions, then nothing: the table is empty, and every port is free again."""
    bauta = lab.use(Bauta("50000-50099", clock_factor=1000))
    udp, tcp = lab.B.udp(7000), lab.B.listen(7000)
    for number in range(20):
        ask(lab.A.udp(1000 + number, remote=(lab.B.address, 7000)), udp)
        client = lab.A2.connect((lab.B.address, 7000))
        accept(client, tcp)[0].close()
        client.close()
    bauta.wait_sessions(0, limit_s=15)
    until(lambda: bauta.fsck()["entries"] == 0, "for an empty table")
    assert bauta.mappings() == []
    assert {row["used"] for row in bauta.ports()} <= {0}


def test_established_connection_outlives_the_short_timers(lab):
    """Idle for 1,000 s of the gateway's clock, and it goes on."""
    bauta = lab.use(Bauta("50000", clock_factor=500))
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000))
    conn, _ = accept(client, server)
    until(lambda: bauta.sessions()[0]["idle_s"] > 1000, "for 1000 s of idleness")
    chat(client, conn)
    chat(conn, client)
