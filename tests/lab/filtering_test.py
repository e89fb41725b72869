# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may send to a mapped external endpoint: by each mode, for each protocol, and what a session is that begins outside.

The strangers speak only after the mapping was made, and A has sent to nobody but B's port 7000 (RFC 5780 §4.4).
"""

import signal
import socket

import pytest
from gateway import Bauta
from packet import match
from scapy.layers.inet import IP, TCP, UDP
from talk import accept, ask, chat, text
from wait import until

OPEN, BY_ADDRESS, BY_BOTH = "endpoint-independent", "address-dependent", "address-and-port-dependent"
PORTS = "50000-50009"


def words(mode=None):
    return ("--filtering", mode) if mode else ()


@pytest.fixture
def share(share_lab):
    """A lab whose gateway has this mode, and the gateway."""

    def use(mode=None):
        lab = share_lab(Bauta, PORTS, *words(mode))
        return lab, lab.gateway

    return use


def mapped(lab):
    """A UDP socket of A that has sent to B's port 7000, and its external endpoint."""
    client = lab.A.udp(5000)
    with lab.B.udp(7000) as server:
        return client, ask(client, server, (lab.B.address, 7000))


def hears(lab, client, external, host, port):
    """Whether a datagram from this port of host comes in, from where it was sent; what does not was looked for at A's wire."""
    at_a = lab.capture(lab.A)
    with host.udp(port) as stranger:
        stranger.sendto(b"hello", external)
        lab.settle(lab.A, host)
        if not at_a.count(match(proto="udp", src=host.address, sport=port, dport=5000)):
            return False
        assert client.recvfrom(10) == (b"hello", (host.address, port))
        client.sendto(b"yes?", (host.address, port))
        assert stranger.recvfrom(10) == (b"yes?", external)
        return True


@pytest.mark.parametrize("mode, address, port", [
    (OPEN, True, True), (BY_ADDRESS, False, True), (None, False, True), (BY_BOTH, False, False)
], ids=[OPEN, BY_ADDRESS, "default", BY_BOTH])
def test_udp(share, mode, address, port):
    """RFC 4787 REQ-8, 8a: the remote itself always; another port of it; another address."""
    lab, bauta = share(mode)
    client, external = mapped(lab)
    assert hears(lab, client, external, lab.B, 7001) is port
    assert hears(lab, client, external, lab.B2, 7000) is address
    assert hears(lab, client, external, lab.B, 7000)
    drops = bauta.drops()
    assert drops.get("accepted", {"packets": 0})["packets"] == address + port
    assert drops.get("filtered", {"packets": 0})["packets"] == (not address) + (not port)


def reusing(host, port):
    made = host.socket(socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host.address, port))
    return made


def listening(lab):
    """A connection of A's port 5000 with B's 7000, and A's socket that listens on that port; its external endpoint."""
    server = lab.B.listen(7000)
    client = reusing(lab.A, 5000)
    client.connect((lab.B.address, 7000))
    conn, external = accept(client, server)
    listener = reusing(lab.A, 5000)
    listener.listen(8)
    return client, conn, listener, external


@pytest.mark.parametrize("mode, address, port", [
    (OPEN, True, True), (BY_ADDRESS, False, True), (None, False, True), (BY_BOTH, False, False)
], ids=[OPEN, BY_ADDRESS, "default", BY_BOTH])
def test_tcp(share, mode, address, port):
    """RFC 5382 REQ-3, 3a, and REQ-2 from outside: a whole connection that a remote has begun."""
    lab, bauta = share(mode)
    client, conn, listener, external = listening(lab)
    for host, allowed in ((lab.B, port), (lab.B2, address)):
        if not allowed:
            with pytest.raises(TimeoutError):
                host.connect(external, port=7100, timeout_s=0.4)
            continue
        visitor = host.connect(external, port=7100)
        inside, peer = accept(visitor, listener)
        assert peer == (host.address, 7100)
        inside.shutdown(socket.SHUT_WR)
        assert visitor.recv(1) == b""
        visitor.sendall(b"last")
        assert inside.recv(10) == b"last"
        visitor.close()
        inside.close()
    chat(client, conn)
    assert len(bauta.mappings("proto=tcp")) == 1
    assert bauta.drops().get("accepted", {"packets": 0})["packets"] == address + port


def test_tcp_and_udp_differ(lab):
    """RFC 5382 REQ-3b."""
    lab.meet()
    lab.use(Bauta(PORTS, *words(f"tcp={BY_BOTH},udp={OPEN}")))
    client, external = mapped(lab)
    assert hears(lab, client, external, lab.B2, 7000)
    *_, external = listening(lab)
    with pytest.raises(TimeoutError):
        lab.B.connect(external, timeout_s=0.4)


def test_an_address_is_let_in_when_it_was_sent_to(share):
    """Any of the addresses, not the first only, whichever port was sent to; but one that another of A's ports sent to is not."""
    lab, _ = share()
    client, external = mapped(lab)
    lab.A.udp(5001).sendto(b"x", (lab.B2.address, 9999))
    lab.settle(lab.A, lab.B2)
    assert not hears(lab, client, external, lab.B2, 7000)
    client.sendto(b"x", (lab.B2.address, 9999))
    lab.settle(lab.A, lab.B2)
    assert hears(lab, client, external, lab.B2, 7000)
    assert hears(lab, client, external, lab.B, 7001)


def test_an_address_is_let_in_no_longer_than_its_sessions_last(share):
    """The mapping lives on, by its session with B."""
    lab, bauta = share()
    client, external = mapped(lab)
    client.sendto(b"x", (lab.B2.address, 9999))
    assert len(bauta.wait_sessions(2)) == 2
    bauta.cli("flush", f"remote={lab.B2.address}")
    bauta.wait_sessions(1)
    assert not hears(lab, client, external, lab.B2, 9998)
    assert not hears(lab, client, external, lab.B2, 9999)
    assert hears(lab, client, external, lab.B, 7001)


def test_nothing_is_let_in_where_nothing_is_mapped(share):
    """Endpoint-independent filtering opens mappings, not the machine: its own services answer, and its own silence is kept."""
    lab, bauta = share(OPEN)
    _, external = mapped(lab)
    at_a = lab.capture(lab.A)
    free = next(port for port in (50009, 50008) if port != external[1])
    own = lab.R.udp(free, lab.R.external)
    with lab.B2.udp(7000) as stranger:
        stranger.sendto(b"hello", (lab.R.external, free))
        assert own.recvfrom(10) == (b"hello", (lab.B2.address, 7000))
    lab.B2.send(IP(src=lab.B2.address, dst=external[0]) / UDP(sport=7000, dport=external[1] + 1) / b"x")
    lab.B2.send(IP(src=lab.B2.address, dst=external[0]) / TCP(sport=7000, dport=external[1], flags="S"))
    lab.settle(lab.B2, lab.A)
    assert at_a.count(match(proto="udp")) == at_a.count(match(proto="tcp")) == 0
    assert len(bauta.sessions()) == 1


@pytest.mark.parametrize("flags", ["A", "SA", "PA", "FA", "R", "RA"])
def test_only_a_syn_begins_a_connection(share, flags):
    """RFC 5382 §5: any other segment of no session is the host's, which answers as for a closed port."""
    lab, bauta = share(OPEN)
    *_, external = listening(lab)
    at_a, at_b2 = lab.capture(lab.A), lab.capture(lab.B2)
    lab.B2.send(IP(src=lab.B2.address, dst=external[0]) / TCP(sport=7000, dport=external[1], flags=flags, seq=1, ack=1))
    lab.settle(lab.B2, lab.A)
    assert at_a.count(match(proto="tcp", src=lab.B2.address)) == 0
    assert at_b2.count(match(proto="tcp", src=external[0])) == ("R" not in flags)
    assert len(bauta.sessions()) == 1


def test_sessions_from_outside_end_as_others_do(lab):
    """And hold their mapping no longer than that: what comes in does not keep a UDP mapping (RFC 4787 REQ-6a)."""
    lab.meet()
    bauta = lab.use(Bauta(PORTS, *words(OPEN), clock_factor=100))
    _, external = mapped(lab)
    with lab.B2.udp(7000) as stranger:
        def knock():
            stranger.sendto(b"hello", external)
            return not bauta.sessions()

        until(knock, "for the end of sessions that are only knocked at", 12)
    bauta.wait_sessions(0)
    assert bauta.mappings() == [] and bauta.fsck()["entries"] == 0


def test_a_service_behind_the_gateway_is_counted_as_its_hosts(lab):
    """Sessions from outside count toward the limits of the internal host, so strangers cannot fill the table by them."""
    lab.meet()
    bauta = lab.use(Bauta(PORTS, "--filtering", OPEN, "--max-sessions", "5"))
    client, external = mapped(lab)
    heard = [hears(lab, client, external, lab.B2, 7000 + number) for number in range(8)]
    assert heard == [True] * 4 + [False] * 4
    assert len(bauta.sessions()) == 5


def test_mode_changes_leave_mappings_alone(lab, tmp_path):
    """RFC 4787 REQ-8a: what is mapped keeps its endpoint, and its filter is the new one at once."""
    lab.meet()
    path = tmp_path / "bauta.conf"
    settings = f"interface = eth0\nports = {PORTS}\nfiltering = %s\n"
    path.write_text(settings % BY_BOTH)
    bauta = Bauta()
    bauta.arguments = ["-c", str(path)]
    lab.use(bauta)
    client, external = mapped(lab)
    assert not hears(lab, client, external, lab.B2, 7000)
    for mode, port, allowed in ((OPEN, 8000, True), (BY_BOTH, 8001, False)):
        path.write_text(settings % mode)
        bauta.daemon.kill(signal.SIGHUP)
        until(lambda: bauta.json("show", "config")["filtering"] == {"tcp": mode, "udp": mode}, f"for {mode}")
        assert hears(lab, client, external, lab.B2, port) is allowed
        (mapping,) = bauta.mappings("proto=udp")
        assert mapping["external"] == text(external)
