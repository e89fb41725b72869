# SPDX-License-Identifier: GPL-2.0-or-later
"""Which external endpoint an internal one gets: its own, always the same, and out of the whole of the ranges."""

import pytest
from gateway import Bauta
from packet import match
from scapy.layers.inet import ICMP, IP, UDP
from talk import accept, ask, text


def seen_by(host, port, client):
    """Where host sees the client, which speaks to it from its own socket."""
    server = host.udp(port)
    try:
        return ask(client, server, (host.address, port))
    finally:
        server.close()


@pytest.mark.parametrize("proto", ["udp", "tcp"])
def test_two_hosts_with_one_source_port(lab, proto):
    """RFC 4787 REQ-3, RFC 5382 REQ-7: toward one server, at once; each hears only what is meant for it."""
    lab.use(Bauta("50000-50009"))
    remote = (lab.B.address, 7000)
    if proto == "udp":
        server = lab.B.udp(7000)
        clients = [host.udp(50000, remote=remote) for host in (lab.A, lab.A2)]
        seen = [ask(client, server) for client in clients]
        assert [ask(client, server) for client in clients] == seen
    else:
        server = lab.B.listen(7000)
        clients = [host.connect(remote, port=50000) for host in (lab.A, lab.A2)]
        seen = [accept(client, server)[1] for client in clients]
    assert len(set(seen)) == 2
    assert {address for address, _ in seen} == {lab.R.external}
    assert all(50000 <= port <= 50009 for _, port in seen)


def test_one_endpoint_for_all_remotes(lab):
    """RFC 4787 REQ-1, in the order that catches fakes: A:x→B:1, A2:x→B:2, A2:x→B:1, A2:x→B2:1."""
    bauta = lab.use(Bauta("50000-50999"))
    first, second = lab.A.udp(5000), lab.A2.udp(5000)
    of_first = seen_by(lab.B, 7001, first)
    of_second = {seen_by(lab.B, 7002, second), seen_by(lab.B, 7001, second), seen_by(lab.B2, 7001, second)}
    assert len(of_second) == 1 and of_first not in of_second
    assert {seen_by(lab.B, 7002, first), seen_by(lab.B2, 7002, first)} == {of_first}
    (mapping,) = bauta.mappings(f"internal={lab.A2.address}:5000")
    assert (mapping["proto"], mapping["external"], mapping["sessions"]) == ("udp", text(*of_second), 3)


def test_one_endpoint_for_all_remotes_over_tcp(lab):
    """RFC 5382 REQ-1."""
    lab.use(Bauta("50000-50999"))
    seen = set()
    for host, port in ((lab.B, 7001), (lab.B, 7002), (lab.B2, 7001)):
        server = host.listen(port)
        client = lab.A.socket(1)
        client.setsockopt(1, 15, 1)  # SO_REUSEPORT: three connections from one port
        client.bind((lab.A.address, 5000))
        client.connect((host.address, port))
        seen.add(accept(client, server)[1])
    assert len(seen) == 1


def test_protocols_are_mapped_apart(lab):
    """RFC 7857 §5: a TCP mapping gives UDP nothing, and both may use one port."""
    bauta = lab.use(Bauta("50000"))
    server = lab.B.listen(7000)
    accept(lab.A.connect((lab.B.address, 7000), port=5000), server)
    assert seen_by(lab.B, 7000, lab.A2.udp(5000)) == (lab.R.external, 50000)
    assert sorted((row["proto"], row["internal"]) for row in bauta.mappings()) == [
        ("tcp", f"{lab.A.address}:5000"), ("udp", f"{lab.A2.address}:5000")
    ]


def test_own_port_is_kept_if_it_is_in_range_and_free(lab):
    lab.use(Bauta("50000-50999"))
    assert seen_by(lab.B, 7000, lab.A.udp(50777)) == (lab.R.external, 50777)
    assert seen_by(lab.B, 7000, lab.A2.udp(50777))[1] != 50777
    assert 50000 <= seen_by(lab.B, 7000, lab.A.udp(49999))[1] <= 50999


def test_chosen_ports_are_no_sequence(lab):
    """RFC 6056: what is chosen for one says nothing about the next."""
    lab.use(Bauta("20000-59999"))
    server = lab.B.udp(7000)
    ports = [ask(lab.A.udp(1000 + number, remote=(lab.B.address, 7000)), server)[1] for number in range(60)]
    steps = [after - before for before, after in zip(ports, ports[1:])]
    assert len(set(ports)) == 60
    assert len(set(steps)) > 50, "the ports advance by a constant"
    assert sum(step > 0 for step in steps) in range(10, 50), "the ports only rise, or only fall"
    assert max(ports) - min(ports) > 20000, "only a part of the range is used"


def test_every_port_of_every_slice_is_used(lab):
    lab.use(Bauta("50000-50001,50005,50010-50012"))
    server = lab.B.udp(7000)
    seen = {ask(lab.A.udp(number, remote=(lab.B.address, 7000)), server)[1] for number in range(5001, 5007)}
    assert seen == {50000, 50001, 50005, 50010, 50011, 50012}


def test_ports_are_shared_by_remote_when_none_is_left_unmapped(lab):
    """The tuple stays unique, nobody is refused, and the operator hears that mappings are no longer stable."""
    bauta = lab.use(Bauta("50000-50001"))
    servers = {port: lab.B.udp(port) for port in (7001, 7002)}
    for port, server in servers.items():
        seen = [ask(host.udp(5000 + port, remote=(lab.B.address, port)), server) for host in (lab.A, lab.A2)]
        assert {endpoint[1] for endpoint in seen} == {50000, 50001}
    assert bauta.drops()["shared"]["packets"] == 2
    assert len(bauta.sessions()) == 4


def test_ping_identifiers(lab):
    """RFC 5508 REQ-1: two hosts with one identifier to one remote both get their replies, and only theirs."""
    lab.use(Bauta("50000-50009"))
    lab.meet()
    captures = {host: lab.capture(host) for host in (lab.A, lab.A2)}
    at_b = lab.capture(lab.B)
    for host, number in ((lab.A, 1), (lab.A2, 2)):
        host.send(IP(src=host.address, dst=lab.B.address) / ICMP(id=77, seq=number))
    for host, number in ((lab.A, 1), (lab.A2, 2)):
        reply = captures[host].one(match(proto="icmp", icmp=0))
        assert (reply[ICMP].id, reply[ICMP].seq, reply.dst) == (77, number, host.address)
    assert len({packet[ICMP].id for packet in at_b.packets(match(proto="icmp", icmp=8))}) == 2


def test_identifier_stays_for_all_remotes(lab):
    """RFC 5508 REQ-1a."""
    lab.use(Bauta("50000-50009"))
    lab.meet()
    seen = []
    for host in (lab.B, lab.B2):
        at_host = lab.capture(host)
        lab.A2.send(IP(src=lab.A2.address, dst=host.address) / ICMP(id=77))
        seen.append(at_host.one(match(proto="icmp", icmp=8, src=lab.R.external))[ICMP].id)
    assert seen[0] == seen[1]


def test_stranger_does_not_get_in(lab):
    """Whoever A has not spoken to does not reach A on its external endpoint: the host answers, if anybody."""
    lab.use(Bauta("50000-50009"))
    lab.meet()
    address, port = seen_by(lab.B, 7000, lab.A.udp(5000))
    at_a = lab.capture(lab.A)
    lab.B2.send(IP(src=lab.B2.address, dst=address) / UDP(sport=7000, dport=port) / b"hello?")
    lab.B.send(IP(src=lab.B.address, dst=address) / UDP(sport=7000, dport=port + 1) / b"hello?")
    lab.settle(lab.B2, lab.B)
    assert at_a.count(match(proto="udp")) == 0
