# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel's own masquerade does: the lab proven right on a known NAT, and the silence that bauta ends."""

import errno
import time

import pytest
from gateway import NftMasquerade
from packet import check_checksums, match
from talk import accept


def test_masquerade_translates_and_keeps_checksums_and_ttl(make_lab):
    lab = make_lab(offload=False)
    lab.use(NftMasquerade("50000-50009"))
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    server = lab.B.listen(60000)
    with lab.A.connect((lab.B.address, 60000), port=41000) as client:
        address, port = accept(client, server)[1]
    assert address == lab.R.external and 50000 <= port <= 50009
    assert at_b.packets(match(proto="tcp", src=lab.R.external))[0].ttl == 63
    assert at_a.packets(match(proto="tcp", src=lab.B.address))[0].ttl == 63
    assert at_b.count(match(src=lab.A.address)) == 0
    for raw in at_a.raw() + at_b.raw():
        check_checksums(raw)


@pytest.mark.parametrize("first", ["A", "R"])
def test_the_second_to_come_is_dropped_in_silence(lab, first):
    """Experiments 1 and 2 of the demo: nobody tells the loser anything, and no packet of it leaves R."""
    lab.use(NftMasquerade("50000"))
    server = lab.B.listen(60000)
    remote = (lab.B.address, 60000)
    connect = {
        "A": lambda: lab.A.connect(remote, port=41000, timeout_s=0.5),
        "R": lambda: lab.R.connect(remote, port=50000, timeout_s=0.5),
    }
    winner = connect.pop(first)()
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    (loser,) = connect.values()
    with pytest.raises(TimeoutError):
        loser()
    assert at_b.count(match(proto="tcp", flags="S")) == 0
    assert at_a.count(match(proto="icmp")) == 0
    assert accept(winner, server)[1] == (lab.R.external, 50000)


def test_one_port_serves_two_remotes(lab):
    lab.use(NftMasquerade("50000"))
    servers = [lab.B.listen(60000), lab.B.listen(60001)]
    first = lab.A.connect((lab.B.address, 60000), port=41000)
    second = lab.R.connect((lab.B.address, 60001), port=50000)
    assert accept(first, servers[0])[1] == accept(second, servers[1])[1] == (lab.R.external, 50000)


def test_exhaustion_is_silent(lab):
    """Four ports, six flows to one remote: two vanish, and nobody hears of it."""
    lab.use(NftMasquerade("50000-50003"))
    lab.meet()
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    server = lab.B.udp(7000)
    for port in range(5001, 5007):
        lab.A.udp(port).sendto(b"x", (lab.B.address, 7000))
    lab.settle()
    assert at_b.count(match(proto="udp", dport=7000)) == 4
    assert at_a.count(match(proto="icmp", icmp=3)) == 0
    assert {server.recvfrom(10)[1][1] for _ in range(4)} == {50000, 50001, 50002, 50003}


def test_mapping_changes_on_conflict(lab):
    """The three-step order of mapping_test.py: A2 shares A's port, then gets another one (RFC 4787 REQ-1, REQ-11)."""
    lab.use(NftMasquerade())
    servers = {port: lab.B.udp(port) for port in (7001, 7002)}
    first, second = lab.A.udp(5001), lab.A2.udp(5001)

    def seen(client, port):
        client.sendto(b"x", (lab.B.address, port))
        return servers[port].recvfrom(10)[1][1]

    assert seen(first, 7001) == 5001
    assert seen(second, 7002) == 5001
    assert seen(second, 7001) != 5001


def test_refused_connection_is_told_at_once(lab):
    """What the kernel forwards, it forwards well: a RST from outside reaches A as ECONNREFUSED."""
    lab.use(NftMasquerade("50000-50009"))
    start = time.monotonic()
    with pytest.raises(ConnectionRefusedError) as refused:
        lab.A.connect((lab.B.address, 60000))
    assert refused.value.errno == errno.ECONNREFUSED and time.monotonic() - start < 1


def test_unreachable_port_reaches_the_connected_udp_socket(lab):
    lab.use(NftMasquerade("50000-50009"))
    client = lab.A.udp(5000, remote=(lab.B.address, 9))
    client.send(b"x")
    with pytest.raises(ConnectionRefusedError):
        client.recv(10)
