# SPDX-License-Identifier: GPL-2.0-or-later
"""Segments of connections that the gateway does not know (RFC 5382 §5), and what both ends are told when it forgets
one."""

import errno
import socket
import time

import pytest
from gateway import Bauta
from packet import check_checksums, match
from scapy.layers.inet import IP, TCP
from talk import accept, chat, say
from wait import until

RANGE = "50000-50009"


def connection(lab, port=7000):
    server = lab.B.listen(port)
    client = lab.A.connect((lab.B.address, port))
    conn, _ = accept(client, server)
    return client, conn


def flush(bauta):
    bauta.cli("flush", "proto=tcp")
    bauta.wait_sessions(0, "proto=tcp")


def error_of(conn):
    """The error that a socket has, without waiting and without sending."""
    return conn.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


@pytest.mark.parametrize("wire", ["ethernet", "tun"])
@pytest.mark.parametrize("offload", [True, False], ids=["offload", "plain"])
def test_client_learns_at_once(make_lab, offload, wire):
    """Its connection is gone: the RST comes to its next segment, whatever the device does with checksums."""
    lab = make_lab(offload=offload, external=wire)
    bauta = lab.use(Bauta(RANGE, "--mid-stream", "reset"))
    client, _ = connection(lab)
    flush(bauta)
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    start = time.monotonic()
    client.sendall(b"x" * 20000)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert time.monotonic() - start < 1
    rst = at_a.packets(match(proto="tcp", src=lab.B.address, sport=7000, flags="R"))
    assert rst and all(len(packet) == 40 for packet in rst)
    if not offload:
        for packet in rst:
            check_checksums(bytes(packet))
    assert at_b.count(match(proto="tcp")) == 0
    assert bauta.sessions() == []
    assert bauta.drops()["mid-stream"]["packets"] >= 1


def test_a_segment_makes_no_session(lab):
    """Crafted ones, of every kind but a bare SYN; each RST fits its segment (RFC 9293 §3.10.7.1)."""
    lab.meet()
    bauta = lab.use(Bauta(RANGE, "--mid-stream", "reset"))
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    sport = 5000
    for flags in ("A", "PA", "FA", "SA", "F", ""):
        sport += 1
        lab.A.send(
            IP(src=lab.A.address, dst=lab.B.address)
            / TCP(sport=sport, dport=7000, flags=flags, seq=1000, ack=2000)
            / b"data"
        )
        rst = at_a.one(match(proto="tcp", dport=sport))
        check_checksums(bytes(rst))
        assert (rst.src, rst[TCP].sport) == (lab.B.address, 7000)
        if "A" in flags:
            assert (str(rst[TCP].flags), rst[TCP].seq) == ("R", 2000)
        else:
            assert (str(rst[TCP].flags), rst[TCP].seq, rst[TCP].ack) == ("RA", 0, 1004 + ("F" in flags))
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / TCP(sport=5100, dport=7000, flags="RA"))
    lab.settle()
    assert at_b.count(match(proto="tcp")) == 0
    assert bauta.sessions() == []
    drops = bauta.drops()
    assert (drops["mid-stream"]["packets"], drops["dropped-no-session"]["packets"]) == (6, 1)


def test_by_default_it_is_adopted(lab):
    bauta = lab.use(Bauta("50000"))
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000), port=50000)
    conn, _ = accept(client, server)
    flush(bauta)
    chat(client, conn)
    assert bauta.sessions()[0]["state"] == "established"


def test_remote_learns_of_a_connection_that_is_gone(lab):
    """A segment from outside without a session is the host's, whose RST tells the remote."""
    bauta = lab.use(Bauta(RANGE))
    _, conn = connection(lab)
    flush(bauta)
    conn.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        conn.recv(1)
    assert bauta.sessions() == []


def test_restart_without_the_table_is_noticed(lab):
    """The default adopts connections after it; with a RST the client notices, and connects anew."""
    bauta = lab.use(Bauta(RANGE, "--mid-stream", "reset"))
    client, _ = connection(lab)
    bauta.stop()
    bauta.start()
    client.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    connection(lab, 7001)


# Expiry


def expire(bauta):
    """Waits until a connection that is idle has been forgotten."""
    bauta.wait_sessions(0, "proto=tcp", limit_s=20)


def test_both_ends_are_told_when_a_session_expires(lab):
    lab.meet()
    bauta = lab.use(Bauta(RANGE, "--mid-stream", "reset", "--expired", "reset", clock_factor=4000))
    client, conn = connection(lab)
    other_client, other_conn = connection(lab, 7001)
    other_client.shutdown(socket.SHUT_WR)  # half-closed counts too
    assert other_conn.recv(1) == b""
    expire(bauta)
    for end, error in ((client, errno.ECONNRESET), (conn, errno.ECONNRESET), (other_conn, errno.EPIPE)):
        until(lambda end=end, error=error: error_of(end) == error, f"for a reset of {end}")
    with pytest.raises(ConnectionResetError):
        other_client.recv(1)
    connection(lab, 7002)


def test_nc_is_told(lab):
    bauta = lab.use(Bauta(RANGE, "--mid-stream", "reset", "--expired", "reset", clock_factor=4000))
    server = lab.B.start("nc", "-l", "-p", "7000")
    lab.B.wait_listening(7000)
    client = lab.A.start("nc", lab.B.address, "7000")
    bauta.wait_sessions(1, "state=established")
    expire(bauta)
    for process in (client, server):
        process.wait(5)


def test_nobody_is_told_by_default(lab):
    lab.meet()
    bauta = lab.use(Bauta(RANGE, "--mid-stream", "reset", clock_factor=4000))
    client, conn = connection(lab)
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    expire(bauta)
    lab.settle()
    assert at_a.count(match(proto="tcp"), outgoing=None) == at_b.count(match(proto="tcp"), outgoing=None) == 0
    assert (error_of(client), error_of(conn)) == (0, 0)


def test_connection_in_use_is_not_told(lab):
    """Only idle ones expire; a keep-alive is a segment like any other (RFC 1122 §4.2.3.6)."""
    bauta = lab.use(Bauta(RANGE, "--mid-stream", "reset", "--expired", "reset", clock_factor=2000))
    client, conn = connection(lab)
    idle, _ = connection(lab, 7001)
    end = time.monotonic() + 20

    while error_of(idle) == 0 and time.monotonic() < end:
        say(client, conn)
        until(lambda: bauta.sessions("remote=192.0.2.8:7000")[0]["idle_s"] >= 1000, "for some idleness")
    assert time.monotonic() < end
    chat(client, conn)


def test_contradiction_is_refused(lab):
    bauta = Bauta(RANGE, "--expired", "reset")
    bauta.host = lab.R
    daemon = bauta.launch()
    assert daemon.wait(5) != 0
    assert "mid-stream" in daemon.stderr
