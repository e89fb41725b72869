# SPDX-License-Identifier: GPL-2.0-or-later
"""The host and an internal machine on one tuple: the experiments of the demo, and what is promised about them.
A tuple has one owner, whoever came first keeps it, and the other is moved to another port or told at once."""

import errno
import socket
import time

import pytest
from gateway import Bauta
from packet import match
from scapy.layers.inet import ICMP, IP
from talk import accept, ask, chat, text

AT_ONCE_S = 0.5


@pytest.fixture
def one_port(lab):
    lab.meet()
    return lab.use(Bauta("50000"))


@pytest.fixture
def ten_ports(lab):
    lab.meet()
    return lab.use(Bauta("50000-50009"))


def told_at_once(connect):
    """connect() fails with an errno, not a time-out, within milliseconds; returns the errno."""
    start = time.monotonic()
    with pytest.raises(OSError) as refused:
        connect()
    assert not isinstance(refused.value, TimeoutError)
    assert time.monotonic() - start < AT_ONCE_S
    return refused.value.errno


def connect_unbound(host, remote):
    """A TCP connection whose port the kernel chooses in connect()."""
    made = host.socket(socket.SOCK_STREAM)
    made.connect(remote)
    return made


def test_internal_first_then_host(lab, one_port):
    """Experiment 1."""
    server = lab.B.listen(60000)
    remote = (lab.B.address, 60000)
    client = lab.A.connect(remote, port=41000)
    conn, peer = accept(client, server)
    assert peer == (lab.R.external, 50000)
    at_b = lab.capture(lab.B)
    assert told_at_once(lambda: lab.R.connect(remote, port=50000)) == errno.EADDRINUSE
    assert at_b.count(match(proto="tcp", flags="S")) == 0
    chat(client, conn)
    row = one_port.drops()["connect"]
    assert row["verdict"] == "denied" and row["packets"] == 1
    one_port.daemon.wait_text(rf"^bauta: .*{lab.R.external}:50000.*{lab.B.address}:60000")


def test_host_first_then_internal(lab, one_port):
    """Experiment 2."""
    server = lab.B.listen(60000)
    remote = (lab.B.address, 60000)
    client = lab.R.connect(remote, port=50000)
    conn, peer = accept(client, server)
    assert peer == (lab.R.external, 50000)
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    assert told_at_once(lambda: lab.A.connect(remote, port=41000)) == errno.EHOSTUNREACH
    assert at_a.one(match(proto="icmp", icmp=3))[ICMP].code == 1
    assert at_b.count(match(proto="tcp", flags="S")) == 0
    chat(client, conn)
    assert one_port.sessions() == []
    one_port.daemon.wait_text(rf"^bauta: .*{lab.A.address}:41000.*{lab.B.address}:60000")


def test_the_same_port_serves_both_toward_different_remotes(lab, one_port):
    """Experiment 3: a connection is the whole tuple."""
    servers = [lab.B.listen(60000), lab.B.listen(60001)]
    inside = lab.A.connect((lab.B.address, 60000), port=41000)
    conn, peer = accept(inside, servers[0])
    own = lab.R.connect((lab.B.address, 60001), port=50000)
    own_conn, own_peer = accept(own, servers[1])
    assert peer == own_peer == (lab.R.external, 50000)
    chat(inside, conn)
    chat(own, own_conn)


def test_with_a_range_host_first(lab, ten_ports):
    """Experiment 4: the internal host leaves from another port, and data flows both ways on both."""
    server = lab.B.listen(60000)
    remote = (lab.B.address, 60000)
    own = lab.R.connect(remote, port=50005)
    own_conn, own_peer = accept(own, server)
    inside = lab.A.connect(remote, port=50005)
    inside_conn, inside_peer = accept(inside, server)
    assert inside_peer != own_peer == (lab.R.external, 50005)
    assert inside_peer[0] == lab.R.external
    for _ in range(3):
        chat(inside, inside_conn)
        chat(own, own_conn)


def test_with_a_range_inside_first(lab, ten_ports):
    """Experiment 4 the other way round: who insists on the port is told, who does not leaves from another."""
    lab.R.sysctl("net.ipv4.ip_local_port_range", "50005 50005")
    server = lab.B.listen(60000)
    remote = (lab.B.address, 60000)
    inside = lab.A.connect(remote, port=50005)
    inside_conn, inside_peer = accept(inside, server)
    assert inside_peer == (lab.R.external, 50005)
    assert told_at_once(lambda: lab.R.connect(remote, port=50005)) == errno.EADDRINUSE
    own = connect_unbound(lab.R, remote)
    own_conn, own_peer = accept(own, server)
    assert own.getsockname()[1] == 50005
    assert own_peer[0] == lab.R.external and own_peer != inside_peer
    for _ in range(3):
        chat(inside, inside_conn)
        chat(own, own_conn)
    assert ten_ports.drops()["translated-clash"]["packets"] == 1
    ten_ports.daemon.wait_text(rf"^bauta: .*{lab.R.external}:50005.*{lab.B.address}:60000")
    (session,) = ten_ports.sessions(f"internal={lab.R.external}:50005")
    assert session["external"] == text(own_peer)


def test_resolver_of_the_host_on_the_port_of_a_flow(lab, ten_ports):
    """Experiment 5, over UDP: the kernel may give the resolver a port in use. Answers go to whom they are for."""
    lab.R.sysctl("net.ipv4.ip_local_port_range", "50000 50000")
    server = lab.B.udp(53)
    inside = lab.A.udp(50000, remote=(lab.B.address, 53))
    assert ask(inside, server) == (lab.R.external, 50000)
    own = lab.R.udp(0, remote=(lab.B.address, 53))
    assert own.getsockname() == (lab.R.external, 50000)
    for _ in range(3):
        assert ask(own, server) != (lab.R.external, 50000)
        assert ask(inside, server) == (lab.R.external, 50000)


@pytest.mark.parametrize("call", ["connect", "send"])
def test_udp_of_the_host_is_told_at_once(lab, one_port, call):
    server = lab.B.udp(53)
    inside = lab.A.udp(41053, remote=(lab.B.address, 53))
    ask(inside, server)
    at_b = lab.capture(lab.B)
    own = lab.R.udp(50000)
    if call == "connect":
        assert told_at_once(lambda: own.connect((lab.B.address, 53))) == errno.EADDRINUSE
    else:
        assert told_at_once(lambda: own.sendto(b"x", (lab.B.address, 53))) == errno.EADDRINUSE
    assert at_b.count(match(proto="udp")) == 0
    ask(inside, server)
    assert one_port.drops()[call]["packets"] == 1


def test_tuple_is_free_after_its_session_expired(make_lab):
    """Experiment 6."""
    lab = make_lab()
    bauta = lab.use(Bauta("50000", clock_factor=300))
    server = lab.B.udp(53)
    ask(lab.A.udp(41053, remote=(lab.B.address, 53)), server)
    own = lab.R.udp(50000)
    assert told_at_once(lambda: own.connect((lab.B.address, 53))) == errno.EADDRINUSE
    bauta.wait_sessions(0, limit_s=8)
    own.connect((lab.B.address, 53))
    assert ask(own, server) == (lab.R.external, 50000)
    assert bauta.sessions() == []


def test_port_chosen_by_the_kernel_is_moved_too(lab):
    """The kernel may choose a port that a session holds toward this remote: then the connection just works."""
    lab.R.sysctl("net.ipv4.ip_local_port_range", "50000 50001")
    bauta = lab.use(Bauta("50000-50003"))
    server = lab.B.listen(60000)
    remote = (lab.B.address, 60000)
    inside = [lab.A.connect(remote, port=port) for port in (50000, 50001)]
    peers = {accept(client, server)[1][1] for client in inside}
    assert peers == {50000, 50001}
    own = connect_unbound(lab.R, remote)
    conn, peer = accept(own, server)
    assert own.getsockname()[1] in peers and peer[1] in (50002, 50003)
    chat(own, conn)
    assert bauta.drops()["translated-clash"]["packets"] == 1


def test_hosts_own_traffic_is_left_alone(lab, ten_ports):
    """No clash, no state: what the host sends leaves as it is."""
    server = lab.B.listen(60000)
    own = lab.R.connect((lab.B.address, 60000), port=50003)
    conn, peer = accept(own, server)
    assert peer == (lab.R.external, 50003)
    inbound = lab.R.listen(50004)
    outside = lab.B.connect((lab.R.external, 50004), port=1234)
    _, peer = accept(outside, inbound)
    assert peer == (lab.B.address, 1234)
    chat(own, conn)
    assert ten_ports.sessions() == []
    assert set(ten_ports.drops()) <= {"arp", "host", "passed-no-session"}


def test_ping_of_the_host_and_of_an_internal_machine(lab, ten_ports):
    """Both under one identifier, at once: the host's too must get its replies."""
    raw = lab.R.socket(3, 1)  # SOCK_RAW, ICMP
    at_a = lab.capture(lab.A)
    request = bytes(ICMP(id=77, seq=2))
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / ICMP(id=77, seq=1))
    at_a.one(match(proto="icmp", icmp=0))
    raw.sendto(request, (lab.B.address, 0))
    reply = IP(raw.recv(100))
    assert (reply[ICMP].type, reply[ICMP].id, reply[ICMP].seq) == (0, 77, 2)
    assert at_a.count(match(proto="icmp", icmp=0)) == 1


def test_syn_of_the_loser_never_reaches_the_remote(lab, one_port):
    """However often it is tried, and from both sides."""
    server = lab.B.listen(60000)
    remote = (lab.B.address, 60000)
    client = lab.A.connect(remote, port=41000)
    conn, _ = accept(client, server)
    at_b = lab.capture(lab.B)
    for _ in range(5):
        told_at_once(lambda: lab.R.connect(remote, port=50000))
        told_at_once(lambda: lab.A2.connect(remote))
    chat(client, conn)
    assert at_b.count(match(proto="tcp", flags="S")) == 0
