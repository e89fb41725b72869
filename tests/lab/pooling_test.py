# SPDX-License-Identifier: GPL-2.0-or-later
"""Paired pooling (RFC 4787 REQ-2): an internal host is seen as one external address, and hosts are spread over all."""

from collections import Counter

import pytest
from crowd import connect, populate
from gateway import Bauta
from talk import ask

POOL = ["192.0.2.2", "192.0.2.3", "203.0.113.8", "203.0.113.9"]


def start(lab, ports, *options, pool=POOL):
    for address in pool:
        lab.R.ip(f"addr add {address}/{24 if address.startswith('192.0.2.') else 32} dev eth0")
    for host in (lab.B, lab.B2):
        host.ip("route add 203.0.113.8/31 via 192.0.2.1")
    return lab.use(Bauta(ports, *(word for address in pool for word in ("--external", address)), *options))


def seen_as(bauta, address):
    """The external addresses of a host's sessions."""
    return {row["external"].rsplit(":", 1)[0] for row in bauta.sessions(f"internal={address}")}


def test_one_address_for_all_protocols_and_remotes(lab):
    bauta = start(lab, "50000-50999")
    servers = [host.udp(port) for host in (lab.B, lab.B2) for port in (7000, 7001)]
    listeners = [host.listen(7000) for host in (lab.B, lab.B2)]
    for address in populate(lab, 8):
        peers = set()
        for server in servers:
            with lab.A.udp(0, address=address, remote=server.getsockname()) as client:
                peers.add(ask(client, server)[0])
        peers |= {connect(lab, listener, address).external[0] for listener in listeners}
        for host in (lab.B, lab.B2):
            lab.A.do("ping", "-c1", "-W2", "-q", "-I", address, host.address)
        assert len(peers) == 1, f"{address} is seen as {peers}"
        assert {row["proto"] for row in bauta.sessions(f"internal={address}")} == {"tcp", "udp", "icmp"}
        assert seen_as(bauta, address) == peers


def test_hosts_are_spread(lab):
    start(lab, "50000-50999")
    server = lab.B.udp(7000)
    hosts = populate(lab, 100)
    count = Counter()
    for address in hosts:
        with lab.A.udp(0, address=address, remote=server.getsockname()) as client:
            count[ask(client, server)[0]] += 1
    # 25 each, with a deviation of 4.3: beyond 7 of them once in ten billion runs at the low end
    assert set(count) == set(POOL) and min(count.values()) >= 3, count


def test_a_host_keeps_its_address_over_a_restart(lab):
    """As long as the list is the same, and whatever else is in the table."""
    bauta = start(lab, "50000-50999", "--keep")
    bauta.keep = True
    server = lab.B.udp(7000)
    hosts = populate(lab, 10)

    def see():
        peers = {}
        for address in hosts:
            with lab.A.udp(0, address=address, remote=server.getsockname()) as client:
                peers[address] = ask(client, server)[0]
        return peers

    before = see()
    bauta.stop()
    bauta.start()
    bauta.cli("flush")
    assert see() == before


def fill(lab, listener, address, count):
    """Flows of one host until one is refused, at most `count`."""
    flows = []
    while len(flows) < count:
        flow = connect(lab, listener, address)
        if flow is None:
            break
        flows.append(flow)
    return flows


@pytest.mark.parametrize("on_full", ["share", "refuse"])
def test_without_spill_a_full_address_is_full(lab, on_full):
    bauta = start(lab, "50000-50007", "--on-full", on_full, pool=POOL[:2])
    (address,) = populate(lab, 1)
    flows = fill(lab, lab.B.listen(7000), address, 20)
    assert len({flow.external for flow in flows}) == len(flows) == 8
    assert len({flow.external[0] for flow in flows}) == 1
    assert bauta.drops()["no-port"]["packets"] == 1


@pytest.mark.parametrize("on_full", ["share", "refuse"])
def test_spill_uses_the_others_when_its_own_is_full(lab, on_full):
    bauta = start(lab, "50000-50007", "--on-full", on_full, "--spill", pool=POOL[:3])
    (address,) = populate(lab, 1)
    flows = fill(lab, lab.B.listen(7000), address, 30)
    assert len({flow.external for flow in flows}) == len(flows) == 24
    first = [flow.external[0] for flow in flows[:8]]
    assert set(first) == {flows[0].external[0]}, "it has left its address before that was full"
    assert Counter(flow.external[0] for flow in flows) == {pool: 8 for pool in POOL[:3]}
    assert bauta.drops()["no-port"]["packets"] == 1


def test_who_has_spilled_comes_home(lab):
    """A port of its own address that is free again is preferred to one of another."""
    bauta = start(lab, "50000-50007", "--on-full", "refuse", "--spill", pool=POOL[:2])
    (address,) = populate(lab, 1)
    listener = lab.B.listen(7000)
    flows = fill(lab, listener, address, 10)
    home = flows[0].external[0]
    assert flows[9].external[0] != home
    flows[3].close()
    bauta.cli("flush", f"external={home}:{flows[3].external[1]}")
    assert connect(lab, listener, address).external == flows[3].external


def test_sharing_comes_after_spilling(lab):
    """Toward other remotes too, a port of another address is taken before one is shared."""
    bauta = start(lab, "50000-50003", "--spill", pool=POOL[:2])
    (address,) = populate(lab, 1)
    flows = [connect(lab, lab.B.listen(7000 + number), address) for number in range(9)]
    assert len({flow.external for flow in flows[:8]}) == 8
    assert flows[8].external in {flow.external for flow in flows[:8]}
    assert bauta.drops()["shared"]["packets"] == 1
