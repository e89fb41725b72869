# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams in pieces, the MTU, and the identification field."""

import itertools
import random

from line import INSIDE, REMOTE, Line
from packet import check_checksums, match, quoted
from scapy.layers.inet import ICMP, IP, UDP, UDPerror, fragment
from scapy.packet import Raw
from trial import decide, no, probe

SIZE = 3000


def datagram(src, dst, sport, dport, number, size=SIZE, seed=0):
    payload = random.Random(seed).randbytes(size)
    return IP(bytes(IP(src=src, dst=dst, id=number) / UDP(sport=sport, dport=dport) / payload)), payload


def pieces(packet):
    return fragment(packet, 1200)


def take(sock, limit_s=2):
    sock.settimeout(limit_s)
    try:
        return sock.recvfrom(1 << 16)
    except TimeoutError:
        return None, None


@probe("4787 REQ-14")
def fragments_in_any_order(trial):
    """Three fragments in all six orders, in both directions."""
    lab = trial.open()
    client, server = lab.A.udp(5000), lab.B.udp(7000)
    client.sendto(b"x", (lab.B.address, 7000))
    external = server.recvfrom(10)[1]
    lost = []
    orders = list(itertools.permutations(range(3)))
    for number, order in enumerate(orders):
        inbound, sent = datagram(lab.B.address, external[0], 7000, external[1], 100 + number, seed=number)
        parts = pieces(inbound)
        lab.B.send(*(parts[index] for index in order))
        if take(client)[0] != sent:
            lost.append(f"in {''.join(map(str, order))}")
        outbound, sent = datagram(lab.A.address, lab.B.address, 5000, 7000, 200 + number, seed=number)
        parts = pieces(outbound)
        lab.A.send(*(parts[index] for index in order))
        if take(server)[0] != sent:
            lost.append(f"out {''.join(map(str, order))}")
    return decide(not lost, "lost: " + ", ".join(lost))


@probe("4787 REQ-14a")
def floods_of_fragments_hurt_nobody(trial):
    """Twenty thousand fragments of datagrams that never come whole; meanwhile others do, fragmented ones in order too."""
    lab = trial.open()
    client, server = lab.A.udp(5000), lab.B.udp(7000)
    client.sendto(b"x", (lab.B.address, 7000))
    external = server.recvfrom(10)[1]
    chance = random.Random(1)
    header = bytearray(bytes(IP(src="192.0.2.99", dst=external[0], proto=17, frag=185, len=60, flags="MF")))
    lost = 0
    for _ in range(20):
        flood = []
        for _ in range(1000):
            number, source = chance.randrange(1 << 16), chance.randrange(200, 250)
            one = IP(bytes(header))
            del one.chksum
            one.id, one.src = number, f"192.0.2.{source}"
            flood.append(bytes(one) + bytes(40))
        lab.B.send(*flood)
        for size in (100, SIZE):
            packet, sent = datagram(lab.B.address, external[0], 7000, external[1], chance.randrange(1 << 16), size)
            lab.B.send(*pieces(packet))
            lost += take(client, 1)[0] != sent
    return decide(not lost, f"{lost} of 40 datagrams are lost")


def narrow(trial, **options):
    lab = trial.open(lab={"external_mtu": 1400}, **options)
    return lab, Line(lab)


@probe("4787 REQ-13")
def too_big_is_told(trial):
    _, line = narrow(trial)
    line.udp(5000, 7000)
    packet, _ = datagram(INSIDE, REMOTE, 5000, 7000, 1, 1472)
    packet.flags = "DF"
    del packet.chksum
    errors = line.told_inside(packet)
    if not errors:
        return no("A is told nothing")
    if line.at_remote.count(match(proto="udp", where=lambda seen: seen.len > 100)):
        return no("something reaches B")
    error = errors[0]
    seen = (error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu, quoted(error).src, error[UDPerror].sport)
    return decide(seen == (3, 4, 1400, INSIDE, 5000), f"{seen[0]}/{seen[1]}, MTU {seen[2]}, about {seen[3]}:{seen[4]}")


@probe("5508 §7.1.1")
def too_big_is_told_in_both_directions(trial):
    """A narrow inside: B is told, and sees the external endpoint."""
    lab = trial.open(prepare=lambda lab: lab.R.ip("link set eth1 mtu 1400"))
    line = Line(lab)
    external = line.udp(5000, 7000)
    packet, _ = datagram(REMOTE, external[0], 7000, external[1], 1, 1472)
    packet.flags = "DF"
    del packet.chksum
    errors = line.told_outside(packet)
    if not errors:
        return no("B is told nothing")
    error = errors[0]
    seen = (error.src, error[ICMP].type, error[ICMP].code, error[ICMP].nexthopmtu, quoted(error).dst, error[UDPerror].dport)
    if seen != (lab.R.external, 3, 4, 1400, *external):
        return no(f"{seen[1]}/{seen[2]} from {seen[0]}, MTU {seen[3]}, about {seen[4]}:{seen[5]}")
    return too_big_is_told(trial)


@probe("4787 REQ-13a", "1812 §4.2.2.7")
def fragments_are_made_and_in_order(trial):
    lab, line = narrow(trial)
    line.udp(5000, 7000)
    before = len(line.at_remote.packets())
    packet, payload = datagram(INSIDE, REMOTE, 5000, 7000, 1, 1472)
    lab.A.send(packet)
    lab.settle()
    parts = [one for one in line.at_remote.packets()[before:] if one.dst == REMOTE]
    offsets = [part.frag for part in parts]
    if len(parts) != 2 or offsets != sorted(offsets):
        return no(f"{len(parts)} fragments at {offsets}")
    whole = b"".join(bytes(part.payload) for part in parts)
    check_checksums(bytes(IP(src=parts[0].src, dst=REMOTE, proto=17) / Raw(whole)))
    return decide(whole[8:] == payload and len({part.id for part in parts}) == 1, "they do not fit together")


@probe("6864 §4.3")
def two_hosts_with_one_identification(trial):
    """Fragments of two hosts, interleaved, one identification: B puts both datagrams together."""
    lab = trial.open()
    server = lab.B.udp(7000)
    parts, sent = [], set()
    for number, host in enumerate((lab.A, lab.A2)):
        packet, payload = datagram(host.address, lab.B.address, 5000 + number, 7000, 4711, seed=number)
        parts.append(pieces(packet))
        sent.add(payload)
    for first, second in zip(*parts):
        lab.A.send(first)
        lab.A2.send(second)
    got = {take(server)[0], take(server)[0]}
    return decide(got == sent, f"{len(got & sent)} of 2 arrive intact")


@probe("6864 §5.3.1", "7857 §10")
def identification_is_the_gateways_own(trial):
    """Whole datagrams without DF of two hosts, 20 each, with the same identifications: all differ outside."""
    lab = trial.open()
    seen = []
    for inside in ("192.168.0.77", "192.168.0.78"):
        line = Line(lab, inside)
        for number in range(20):
            packets = line.out(IP(src=inside, dst=REMOTE, id=4711 + number) / UDP(sport=5000, dport=7000) / b"x")
            seen += [packet.id for packet in packets]
    return decide(len(set(seen)) == len(seen) == 40, f"{len(seen) - len(set(seen))} of {len(seen)} are repeated")


@probe("6864 §4.1")
def identification_of_atomic_datagrams_does_not_matter(trial):
    line = Line(trial.open())
    atoms = [IP(src=INSIDE, dst=REMOTE, id=0, flags="DF") / UDP(sport=5000, dport=7000) / bytes([n]) for n in range(9)]
    seen = line.out(*atoms)
    return decide(len(seen) == 9, f"{9 - len(seen)} of 9 are lost")


@probe("6864 §4.3 DF")
def dont_fragment_stays(trial):
    _, line = narrow(trial)
    small = IP(src=INSIDE, dst=REMOTE, flags="DF") / UDP(sport=5000, dport=7000) / b"x"
    seen = line.out(small)
    if not seen or not seen[0].flags.DF:
        return no("DF is cleared")
    large, _ = datagram(INSIDE, REMOTE, 5000, 7000, 1, 1472)
    large.flags = "DF"
    del large.chksum
    return decide(not line.out(large), "it is cut up")
