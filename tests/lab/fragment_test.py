# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams in fragments, as a large DNS answer or a file server sends them, in both directions and in any order."""

import itertools
import os
import struct

import pytest
from accounts import Accounts
from garbage import seeded
from gateway import Bauta, NftMasquerade, Whole
from packet import check_checksums, internet_sum, match
from scapy.layers.inet import ICMP, IP, UDP, fragment
from talk import ask, check_outside
from wait import until

GATEWAYS = {"nft": lambda: NftMasquerade("50000-50009"), "bauta": lambda: Bauta("50000-50009")}
ORDERS = list(itertools.permutations(range(3)))
BURST = 100  # datagrams that are under way at once
FLOOD = 100000


@pytest.fixture(params=GATEWAYS)
def lab(request, share_lab):
    return share_lab(GATEWAYS[request.param], offload=False)


@pytest.fixture
def bauta_lab(make_lab):
    """For tests that may leave pieces with a receiver, who would put them together with those of the next test."""
    made = make_lab(offload=False)
    made.meet()
    made.gateway = made.use(Bauta("50000-50009"))
    return made


@pytest.fixture
def chance():
    return seeded()


def flow(lab, host=None):
    host = host or lab.A
    server, client = lab.B.udp(7000), host.udp(5000, remote=(lab.B.address, 7000))
    return client, server, ask(client, server)


def datagram(src, dst, data, number, **fields):
    """A UDP datagram, whole; src and dst are endpoints."""
    return IP(src=src[0], dst=dst[0], id=number, **fields) / UDP(sport=src[1], dport=dst[1]) / data


def pieces(packet, size=1400):
    """The fragments of a packet, as bytes."""
    return [bytes(piece) for piece in fragment(packet, size)]


def shuffled(chance, things):
    things = list(things)
    chance.shuffle(things)
    return things


def identifications(packets):
    return [packet.id for packet in packets]


# In order


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
    client, _, external = flow(lab)
    at_a = lab.capture(lab.A)
    data = os.urandom(3800)
    sent = pieces(datagram((lab.B.address, 7000), external, data, 4711))
    assert len(sent) == 3
    lab.B.send(*sent)
    assert client.recv(65535) == data
    for raw in at_a.raw(outgoing=False):
        check_checksums(raw)
    assert {packet.src for packet in at_a.packets(match(proto="udp"))} == {lab.B.address}


# In any order


def test_any_order_from_outside(lab):
    client, _, external = flow(lab)
    for number, order in enumerate(ORDERS):
        data = os.urandom(3800)
        sent = pieces(datagram((lab.B.address, 7000), external, data, 100 + number))
        lab.B.send(*(sent[index] for index in order))
        assert client.recv(65535) == data, order


def test_any_order_from_inside(lab):
    _, server, external = flow(lab)
    at_b = lab.capture(lab.B)
    for number, order in enumerate(ORDERS):
        data = os.urandom(3800)
        sent = pieces(datagram((lab.A.address, 5000), (lab.B.address, 7000), data, 200 + number))
        lab.A.send(*(sent[index] for index in order))
        assert server.recvfrom(65535) == (data, external), order
    check_outside(lab, at_b)


def test_any_order_over_a_device_without_link_header(make_lab):
    lab = make_lab(external="tun")
    lab.use(Bauta("50000-50009"))
    server = lab.B.udp(7000)
    for number, order in enumerate(ORDERS):
        data = os.urandom(3800)
        sent = pieces(datagram((lab.A.address, 5000), (lab.B.address, 7000), data, 900 + number))
        lab.A.send(*(sent[index] for index in order))
        assert server.recvfrom(65535)[0] == data, order


def test_any_order_begins_a_session(lab):
    """The first fragment makes the session of those that came before it, and leaves before them."""
    server = lab.B.udp(7000)
    at_b = lab.capture(lab.B)
    for number, order in enumerate(ORDERS):
        data = os.urandom(3800)
        sent = pieces(datagram((lab.A.address, 6000 + number), (lab.B.address, 7000), data, 300 + number))
        lab.A.send(*(sent[index] for index in order))
        assert server.recvfrom(65535)[0] == data, order
    offsets = [packet.frag for packet in at_b.packets(match(proto="udp"), outgoing=False)]
    assert offsets[::3] == [0] * len(ORDERS)


def test_any_order_to_and_from_the_host(lab):
    """The machine's own sockets share the address, and a later fragment does not tell whom it is for."""
    service, peer = lab.R.udp(6000), lab.B.udp(7001)
    for number, order in enumerate(ORDERS):
        data = os.urandom(3800)
        sent = pieces(datagram((lab.B.address, 7001), (lab.R.external, 6000), data, 400 + number))
        lab.B.send(*(sent[index] for index in order))
        assert service.recvfrom(65535) == (data, (lab.B.address, 7001)), order
        service.sendto(data[::-1], (lab.B.address, 7001))
        assert peer.recvfrom(65535) == (data[::-1], (lab.R.external, 6000))


@pytest.mark.parametrize("size", (8000, 65507))
def test_random_order_both_ways(lab, chance, size):
    client, server, external = flow(lab)
    inside, outside = (lab.A.address, 5000), (lab.B.address, 7000)
    for number in range(5):
        data = os.urandom(size)
        lab.A.send(*shuffled(chance, pieces(datagram(inside, outside, data, 500 + number), 1472)))
        assert server.recvfrom(65535) == (data, external)
        lab.B.send(*shuffled(chance, pieces(datagram(outside, external, data[::-1], 500 + number), 1472)))
        assert client.recv(65535) == data[::-1]


def test_ping_in_any_order(lab):
    with lab.A.inside():
        listener = lab.A.socket(3, 1)
    listener.settimeout(3)
    for number, order in enumerate(ORDERS):
        data = os.urandom(3800)
        echo = IP(src=lab.A.address, dst=lab.B.address, id=600 + number) / ICMP(id=77, seq=number) / data
        sent = pieces(echo)
        lab.A.send(*(sent[index] for index in order))
        reply = listener.recv(65535)
        assert (reply[20], reply[24:28], reply[28:]) == (0, struct.pack("!HH", 77, number), data), order


def test_any_order_by_hairpin(make_lab):
    """Between two internal hosts, and from inside to the machine itself at its external address."""
    lab = make_lab(offload=False)
    lab.meet()
    lab.use(Whole("50000-50009", "--filtering", "endpoint-independent"))
    _, server, external = flow(lab)
    receiver, service = lab.A2.udp(6000), lab.R.udp(6001)
    second_external = ask(receiver, server, (lab.B.address, 7000))
    at_a2 = lab.capture(lab.A2)
    for number, order in enumerate(ORDERS):
        data = os.urandom(3800)
        sent = pieces(datagram((lab.A.address, 5000), second_external, data, 700 + number))
        lab.A.send(*(sent[index] for index in order))
        assert receiver.recvfrom(65535) == (data, external), order
        sent = pieces(datagram((lab.A.address, 5000), (lab.R.external, 6001), data, 800 + number))
        lab.A.send(*(sent[index] for index in order))
        assert service.recvfrom(65535) == (data, (lab.A.address, 5000)), order
    seen = at_a2.packets(match(proto="udp"), outgoing=False)
    assert {packet.src for packet in seen} == {external[0]}
    assert [packet.frag for packet in seen][::3] == [0] * len(ORDERS)
    for raw in at_a2.raw(outgoing=False):
        check_checksums(raw)


# Identifications


def test_identifications_do_not_collide(bauta_lab, chance):
    """Two hosts, and the machine itself, use one identification toward one remote (RFC 6864 §5.3.1)."""
    lab = bauta_lab
    server = lab.B.udp(7000)
    at_b = lab.capture(lab.B)
    outside = (lab.B.address, 7000)
    senders = [(lab.A, (lab.A.address, 5000)), (lab.A2, (lab.A2.address, 5000)), (lab.R, (lab.R.external, 5000))]
    expected, got = [], []
    for number in range(334):
        datas = [os.urandom(3000) for _ in senders]
        trains = [pieces(datagram(src, outside, data, number)) for (_, src), data in zip(senders, datas)]
        for wagons in zip(*trains):
            for (host, _), wagon in shuffled(chance, zip(senders, wagons)):
                host.send(wagon)
        expected += datas
        got += [server.recvfrom(65535)[0] for _ in senders]
    assert len(got) > 1000 and sorted(got) == sorted(expected)
    seen = at_b.packets(match(proto="udp"), outgoing=False)
    firsts = identifications(packet for packet in seen if packet.frag == 0)
    assert len(set(firsts)) == len(expected), "identifications were used twice"


def test_identifications_of_whole_datagrams(bauta_lab):
    """Without DF a router beyond may fragment them; with it nobody looks at the identification (RFC 6864 §4.1)."""
    lab = bauta_lab
    _, server, _ = flow(lab)
    at_b = lab.capture(lab.B)
    hosts = ((lab.A, (lab.A.address, 5000)), (lab.A2, (lab.A2.address, 5000)), (lab.R, (lab.R.external, 5000)))
    for _ in range(20):
        for host, src in hosts:
            for flags in (0, "DF"):
                host.send(datagram(src, (lab.B.address, 7000), b"x", 7, flags=flags))
                server.recvfrom(2048)
    seen = at_b.packets(match(proto="udp"), outgoing=False)
    changed = identifications(packet for packet in seen if not packet.flags.DF)
    assert len(changed) == len(set(changed)) == 60
    assert set(identifications(packet for packet in seen if packet.flags.DF)) == {7}
    check_outside(lab, at_b)


def test_repeated_first_fragment_keeps_its_identification(bauta_lab):
    lab = bauta_lab
    _, server, external = flow(lab)
    data = os.urandom(3800)
    one, two, three = pieces(datagram((lab.A.address, 5000), (lab.B.address, 7000), data, 1))
    lab.A.send(one, two, one, three)
    assert server.recvfrom(65535) == (data, external)


# What does not fit together


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


def test_overlapping_fragments_are_left_to_the_receiver(bauta_lab):
    """They arrive as they were sent, and one that comes before the first does not take the place of another."""
    lab = bauta_lab
    client, server, external = flow(lab)
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    for host, src, dst in (
        (lab.A, (lab.A.address, 5000), (lab.B.address, 7000)),
        (lab.B, (lab.B.address, 7000), external),
    ):
        one, two, three = pieces(datagram(src, dst, os.urandom(3800), 2))
        overlap = bytes(IP(src=src[0], dst=dst[0], id=2, frag=100, flags="MF", proto=17) / bytes(800))
        host.send(overlap, two, three, one)
    until(lambda: at_a.count(match(proto="udp", src=lab.B.address)) == 4, lambda: f"four at A: {at_a.packets()}")
    until(lambda: at_b.count(match(proto="udp", src=external[0])) == 4, lambda: f"four at B: {at_b.packets()}")
    ask(client, server)


def test_fragments_of_what_is_refused_are_dropped(make_lab):
    """They share the fate of the first one, and take no room."""
    lab = make_lab(offload=False)
    lab.meet()
    gateway = lab.use(Bauta("50000"))
    client, server, _ = flow(lab)
    at_b = lab.capture(lab.B)
    one, two, three = pieces(datagram((lab.A2.address, 5000), (lab.B.address, 7000), bytes(3800), 1))
    lab.A2.send(one, two)
    with pytest.raises(TimeoutError):
        server.settimeout(0.2)
        server.recvfrom(2048)
    drops = gateway.drops()
    assert (drops["no-port"]["packets"], drops["fragment"]["packets"]) == (1, 1)
    assert "held-fragment" not in drops
    lab.A2.send(three)
    lab.settle()
    assert gateway.drops()["fragment"]["packets"] == 2
    assert at_b.count(match(proto="udp")) == 0
    server.settimeout(3)
    ask(client, server)


# Floods, and the books


def returned(gateway):
    status = gateway.status()
    return status["returned_outbound"] + status["returned_inbound"]


def test_books_are_balanced(bauta_lab, chance):
    """What is held is counted, and what comes back to its hook once more."""
    lab = bauta_lab
    client, server, external = flow(lab)
    accounts = Accounts(lab, lab.gateway)
    before = returned(lab.gateway)
    inside, outside = (lab.A.address, 5000), (lab.B.address, 7000)
    for number in range(20):
        data = os.urandom(5000)
        lab.A.send(*shuffled(chance, pieces(datagram(inside, outside, data, number))))
        assert server.recvfrom(65535) == (data, external)
        lab.B.send(*shuffled(chance, pieces(datagram(outside, external, data, number))))
        assert client.recv(65535) == data
    lab.A.send(*pieces(datagram(inside, outside, bytes(5000), 99))[1:])
    lab.B.send(*pieces(datagram(outside, external, bytes(5000), 99))[1:])
    lab.settle()
    reasons = accounts.check()
    assert reasons["held-fragment"] == returned(lab.gateway) - before + 2 * 3, reasons
    assert reasons["outbound"] >= 20 * 4 and reasons["inbound"] >= 20 * 4
    assert "fragment" not in reasons


def later_fragment(src, dst, number):
    """The end of a datagram, as bytes; built by hand because there are many."""
    header = struct.pack("!BBHHHBBH", 0x45, 0, 84, number & 0xFFFF, 185, 64, 17, 0)
    header += bytes(map(int, src.split("."))) + bytes(map(int, dst.split(".")))
    checksum = ~internet_sum(header) & 0xFFFF
    return header[:10] + struct.pack("!H", checksum) + header[12:] + bytes(64)


def test_flood_of_later_fragments(bauta_lab):
    """RFC 4787 REQ-14a: they take the place of each other, not of anything else."""
    lab = bauta_lab
    client, server, external = flow(lab)
    sources = [f"192.0.2.{number}" for number in range(10, 110)]
    for number in range(0, FLOOD, BURST):
        lab.B.send(*(later_fragment(sources[n % 100], external[0], number + n) for n in range(BURST)))
        assert ask(client, server) == external
    assert lab.gateway.drops()["held-fragment"]["packets"] == FLOOD
    data = os.urandom(65507)
    sent = pieces(datagram((lab.B.address, 7000), external, data, 1), 1472)
    lab.B.send(*reversed(sent))
    assert client.recv(65535) == data
    assert len(lab.gateway.sessions()) == 1
