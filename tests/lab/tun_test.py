# SPDX-License-Identifier: GPL-2.0-or-later
"""An external interface without a link header, as a tunnel or PPP has: everything as on Ethernet."""

import errno
import hashlib

import pytest
from blob import BLOB, SHA256, WebServer
from gateway import Bauta
from host_clash_test import connect_unbound
from packet import check_checksums, match, quoted
from scapy.layers.inet import IP
from talk import accept, ask, chat, check_outside, exchange


@pytest.fixture
def lab(make_lab):
    return make_lab(external="tun")


def test_tcp_udp_and_ping(lab):
    lab.use(Bauta("50000-50009"))
    at_b = lab.capture(lab.B)
    for proto in ("tcp", "udp"):
        address, port = exchange(lab, proto)
        assert address == lab.R.external and 50000 <= port <= 50009
    assert "3 received" in lab.A.do("ping", "-n", "-c3", "-i0.05", "-W2", lab.B.address)
    check_outside(lab, at_b)


def test_ten_megabytes_both_ways(lab):
    lab.use(Bauta("50000-50009"))
    WebServer(lab.B)
    url = f"http://{lab.B.address}/"
    down = lab.A.start("curl", "-sS", "-m", "20", url).succeed(25)
    assert hashlib.sha256(down.stdout).hexdigest() == SHA256
    up = lab.A.start("curl", "-sS", "-m", "20", "-H", "Expect:", "-H", "Transfer-Encoding:", "-H",
                     f"Content-Length: {len(BLOB)}", "-T", "-", url, stdin=BLOB)
    assert up.succeed(25).text == SHA256


def test_exhaustion_is_told(lab):
    lab.use(Bauta("50000"))
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000), port=5000)
    conn, _ = accept(client, server)
    at_a2 = lab.capture(lab.A2)
    with pytest.raises(OSError) as refused:
        lab.A2.connect((lab.B.address, 7000))
    assert refused.value.errno == errno.EHOSTUNREACH
    error = at_a2.one(match(proto="icmp", icmp=(3, 1)))
    assert (error.src, quoted(error).src) == (lab.R.internal, lab.A2.address)
    chat(client, conn)


def test_host_is_told_of_a_clash(lab):
    """By the call, if its program chose the port; by an answer to its packet, if the kernel did."""
    lab.R.sysctl("net.ipv4.ip_local_port_range", "50000 50000")
    bauta = lab.use(Bauta("50000"))
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000), port=5000)
    conn, _ = accept(client, server)
    with pytest.raises(OSError) as refused:
        lab.R.connect((lab.B.address, 7000), port=50000)
    assert refused.value.errno == errno.EADDRINUSE
    with pytest.raises(ConnectionRefusedError):
        connect_unbound(lab.R, (lab.B.address, 7000))
    assert bauta.drops()["refused-clash"]["packets"] == 1
    chat(client, conn)


def test_errors_from_outside_are_rewritten(lab):
    lab.use(Bauta("50000-50009"))
    client = lab.A.udp(5000, remote=(lab.B.address, 9))
    at_a = lab.capture(lab.A)
    client.send(b"x")
    with pytest.raises(ConnectionRefusedError):
        client.recv(10)
    error = at_a.one(match(proto="icmp", icmp=(3, 3)))
    assert quoted(error).src == lab.A.address
    check_checksums(bytes(error))


def test_host_flow_and_nat_flow_side_by_side(lab):
    lab.R.sysctl("net.ipv4.ip_local_port_range", "50000 50000")
    lab.use(Bauta("50000-50001"))
    server = lab.B.udp(53)
    inside = lab.A.udp(50000, remote=(lab.B.address, 53))
    seen = ask(inside, server)
    own = lab.R.udp(remote=(lab.B.address, 53))
    assert (own.getsockname()[1], seen[1]) == (50000, 50000)
    assert ask(own, server) != seen
    assert ask(inside, server) == seen


def test_other_protocols_are_told(lab):
    lab.use(Bauta("50000-50009"))
    at_a = lab.capture(lab.A)
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address, proto=47) / bytes(16))
    assert at_a.one(match(proto="icmp", icmp=(3, 2))).src == lab.R.internal
