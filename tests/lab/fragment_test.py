# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams in fragments, as a large DNS answer or a file server sends them, in both directions."""

import os

import pytest
from gateway import Bauta, NftMasquerade
from packet import check_checksums, match
from scapy.layers.inet import IP, UDP, fragment
from talk import ask, check_outside

GATEWAYS = {"nft": lambda: NftMasquerade("50000-50009"), "bauta": lambda: Bauta("50000-50009")}


@pytest.fixture(params=GATEWAYS)
def lab(request, make_lab):
    made = make_lab(offload=False)
    made.meet()
    made.use(GATEWAYS[request.param]())
    return made


def flow(lab, host=None):
    host = host or lab.A
    server, client = lab.B.udp(7000), host.udp(5000, remote=(lab.B.address, 7000))
    return client, server, ask(client, server)


def test_large_datagrams_both_ways(lab):
    client, server, external = flow(lab)
    at_b = lab.capture(lab.B)
    for size in (1472, 1473, 4000, 30000):
        data = os.urandom(size)
        client.send(data)
        assert server.recvfrom(65535) == (data, external)
        server.sendto(data[::-1], external)
        assert client.recv(65535) == data[::-1]
    assert at_b.count(match(where=lambda packet: packet.frag > 0)) > 20
    check_outside(lab, at_b)


def test_large_ping(lab):
    assert "3 received" in lab.A.do("ping", "-n", "-c3", "-i0.05", "-W2", "-s", "5000", lab.B.address)


def test_two_hosts_send_fragments_to_one_server(lab):
    first, server, first_external = flow(lab)
    second = lab.A2.udp(5000, remote=(lab.B.address, 7000))
    second_external = ask(second, server)
    for number in range(10):
        for client, external in ((first, first_external), (second, second_external)):
            data = bytes([number]) * 3000
            client.send(data)
            assert server.recvfrom(65535) == (data, external)


def test_inbound_fragments_in_order(lab):
    client, _, (address, port) = flow(lab)
    at_a = lab.capture(lab.A)
    data = os.urandom(3800)
    pieces = fragment(IP(src=lab.B.address, dst=address, id=4711) / UDP(sport=7000, dport=port) / data, 1400)
    assert len(pieces) == 3
    lab.B.send(*pieces)
    assert client.recv(65535) == data
    for raw in at_a.raw(outgoing=False):
        check_checksums(raw)
    assert {packet.src for packet in at_a.packets(match(proto="udp"))} == {lab.B.address}


def test_fragment_of_nothing_is_harmless(lab):
    """Later fragments whose first one was never seen do not get in, nor out with a private address."""
    client, server, (address, _) = flow(lab)
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    lab.B.send(IP(src=lab.B.address, dst=address, id=99, frag=185, proto=17) / bytes(64))
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address, id=98, frag=185, proto=17) / bytes(64))
    lab.settle()
    assert at_a.count(match(proto="udp")) == 0
    assert at_b.count(match(src=lab.A.address)) == 0
    ask(client, server)
