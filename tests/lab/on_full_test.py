# SPDX-License-Identifier: GPL-2.0-or-later
"""The pool to its last port: as many sessions as it has ports, never fewer, and what is done when none is left."""

import os
import random
import time

import pytest
from crowd import connect, populate
from gateway import Bauta
from scapy.layers.inet import IP, UDP
from talk import ask
from wait import until

SEED = int(os.environ.get("BAUTA_SEED", time.time_ns() & 0xFFFFFFFF))
FIRST = 50000
NUM = 24


def ports(count=NUM):
    return f"{FIRST}-{FIRST + count - 1}"


# What happens when every port has a mapping


def test_share(lab):
    """A port that is used toward one remote serves another."""
    bauta = lab.use(Bauta(ports(2), "--on-full", "share"))
    hosts = populate(lab, 3)
    one, other = lab.B.listen(7000), lab.B.listen(7001)
    flows = [connect(lab, one, address) for address in hosts[:2]]
    assert {flow.external[1] for flow in flows} == {FIRST, FIRST + 1}
    assert connect(lab, one, hosts[2]) is None
    assert connect(lab, other, hosts[2]).external[1] in (FIRST, FIRST + 1)
    assert bauta.drops()["shared"]["packets"] == 1
    assert bauta.drops()["no-port"]["packets"] == 1


def test_refuse(lab):
    """Every internal endpoint has an external one of its own, or is refused, whatever the remote."""
    bauta = lab.use(Bauta(ports(2), "--on-full", "refuse"))
    hosts = populate(lab, 3)
    one, other = lab.B.listen(7000), lab.B.listen(7001)
    flows = [connect(lab, one, address) for address in hosts[:2]]
    assert connect(lab, one, hosts[2]) is None
    assert connect(lab, other, hosts[2]) is None
    assert "shared" not in bauta.drops()
    assert bauta.drops()["no-port"]["packets"] == 2
    flows[0].close()
    bauta.cli("flush", f"internal={hosts[0]}")
    assert connect(lab, other, hosts[2]).external == flows[0].external


def test_refuse_is_not_about_mappings_that_there_are(lab):
    """A full pool is no obstacle to an endpoint that has its port already."""
    lab.use(Bauta(ports(1), "--on-full", "refuse"))
    servers = [lab.B.udp(7000 + number) for number in range(5)]
    client = lab.A.udp(5000)
    assert {ask(client, server, server.getsockname()) for server in servers} == {(lab.R.external, FIRST)}


# Exactly as many as there are


def drain(lab, listener, hosts, chance, flows=()):
    """Connects from hosts drawn by chance, some of them from ports of the ranges, until a few were refused; returns the
    flows, with those that were there."""
    flows, refused = list(flows), 0
    while refused < 3:
        address, port = chance.choice(hosts), chance.choice((0, 0, FIRST + chance.randrange(NUM)))
        if (address, port) in {flow.client.getsockname() for flow in flows}:
            continue
        flow = connect(lab, listener, address, port)
        if flow:
            flows.append(flow)
        else:
            refused += 1
    assert len({flow.external for flow in flows}) == len(flows), "a tuple has two owners"
    return flows


@pytest.mark.parametrize("on_full", ["share", "refuse"])
def test_as_many_sessions_as_ports_in_any_order(lab, on_full):
    """Filled, thinned out by chance and filled again: there are never fewer."""
    print(f"BAUTA_SEED={SEED}")
    chance = random.Random(SEED)
    bauta = lab.use(Bauta(ports(), "--on-full", on_full))
    hosts = populate(lab, 7)
    listener = lab.B.listen(7000)
    flows = drain(lab, listener, hosts, chance)
    assert len(flows) == NUM
    for _ in range(4):
        chance.shuffle(flows)
        gone = chance.randrange(1, NUM)
        for flow in flows[:gone]:
            internal = "{}:{}".format(*flow.client.getsockname())
            flow.close()
            bauta.cli("flush", f"internal={internal}")
        flows = flows[gone:]
        bauta.wait_sessions(len(flows))
        flows = drain(lab, listener, hosts, chance, flows)
        assert len(flows) == NUM
    assert bauta.fsck()["sessions"] == NUM
    row = bauta.ports("tcp")
    assert (row["total"], row["used"], row["free"]) == (NUM, NUM, 0)


def test_sockets_of_the_host_take_their_ports_and_no_more(lab):
    """Listening, connected to the same remote and bound: N minus those. Connected to another remote: nothing."""
    print(f"BAUTA_SEED={SEED}")
    chance = random.Random(SEED)
    listener, elsewhere = lab.B.listen(7000), lab.B.listen(7001)
    lab.R.listen(FIRST)
    lab.R.listen(FIRST + 1, address="0.0.0.0")
    lab.R.connect(listener.getsockname(), port=FIRST + 2)
    listener.accept()
    lab.R.connect(elsewhere.getsockname(), port=FIRST + 3)
    lab.use(Bauta(ports()))
    flows = drain(lab, listener, populate(lab, 5), chance)
    assert {flow.external[1] for flow in flows} == set(range(FIRST, FIRST + NUM)) - {FIRST, FIRST + 1, FIRST + 2}


def test_udp_sockets_of_the_host_take_their_ports_and_no_more(lab):
    server = lab.B.udp(7000)
    lab.R.udp(FIRST)
    lab.R.udp(FIRST + 1, address="0.0.0.0")
    lab.R.udp(FIRST + 2, remote=server.getsockname())
    lab.R.udp(FIRST + 3, remote=(lab.B.address, 7001))
    bauta = lab.use(Bauta(ports(), "--on-full", "refuse"))
    clients = [lab.A.udp(0, address=address) for address in populate(lab, 6) for _ in range(5)]
    for client in clients:
        client.sendto(b"x", server.getsockname())
    lab.settle(lab.A)
    seen = {int(row["external"].rsplit(":", 1)[1]) for row in bauta.sessions("proto=udp")}
    assert seen == set(range(FIRST, FIRST + NUM)) - {FIRST, FIRST + 1, FIRST + 2}
    assert bauta.drops()["no-port"]["packets"] == len(clients) - (NUM - 3)


def test_thousands_of_ports_toward_one_destination(lab):
    """A crowded destination: own ports and others, past sockets of the host, to the last one."""
    print(f"BAUTA_SEED={SEED}")
    chance = random.Random(SEED)
    first, count, surplus = 20000, 4096, 500
    lab.meet()
    server = lab.B.udp(7000)
    taken = chance.sample(range(first, first + count), 60)
    for port in taken:
        lab.R.udp(port)
    bauta = lab.use(Bauta(f"{first}-{first + count - 1}"))
    hosts = populate(lab, 20)
    flows = [(address, first - 1000 + port) for address in hosts for port in chance.sample(range(6000), 400)]
    flows = flows[: count - len(taken) + surplus]
    chance.shuffle(flows)
    for address, port in flows:
        lab.A.send(IP(src=address, dst=lab.B.address) / UDP(sport=port, dport=7000) / b"x")
    lab.settle(lab.A)
    seen = [int(row["external"].rsplit(":", 1)[1]) for row in bauta.sessions("proto=udp")]
    assert sorted(seen) == sorted(set(range(first, first + count)) - set(taken))
    assert bauta.drops()["no-port"]["packets"] == surplus
    row = bauta.ports("udp")
    assert (row["used"], row["free"]) == (count - len(taken), 0)
    server.close()


# Slices with holes: MAP-E (RFC 7597 §5.1), 15 slices of 16 ports

PSID = 0x52
SLICES = [range(number * 4096 + PSID * 16, number * 4096 + PSID * 16 + 16) for number in range(1, 16)]
MAP_E = ",".join(f"{slice[0]}-{slice[-1]}" for slice in SLICES)


def flood(lab, bauta, clients, server):
    """A datagram from each client; returns the external ports toward this remote, and how many were refused."""
    before = bauta.drops().get("no-port", {"packets": 0})["packets"]
    for client in clients:
        client.sendto(b"x", server.getsockname())
    lab.settle(lab.A)
    rows = bauta.sessions("proto=udp", "remote={}:{}".format(*server.getsockname()))
    external = [int(row["external"].rsplit(":", 1)[1]) for row in rows]
    return external, bauta.drops().get("no-port", {"packets": 0})["packets"] - before


def test_map_e(lab):
    """All 240 ports serve, each toward every destination, and an endpoint is seen as one and the same."""
    bauta = lab.use(Bauta(MAP_E))
    every = [port for slice in SLICES for port in slice]
    clients = [lab.A.udp(0, address=address) for address in populate(lab, 26) for _ in range(10)]
    one, other = lab.B.udp(7000), lab.B2.udp(7000)
    external, refused = flood(lab, bauta, clients, one)
    assert sorted(external) == every
    assert refused == len(clients) - len(every)
    row = bauta.ports("udp")
    assert (row["total"], row["used"], row["free"]) == (240, 240, 0)

    # toward another destination the same ports serve again, and those of before keep theirs
    external, refused = flood(lab, bauta, clients, other)
    assert sorted(external) == every
    assert refused == len(clients) - len(every)
    seen = {}
    for row in bauta.sessions("proto=udp"):
        seen.setdefault(row["internal"], set()).add(row["external"])
    assert sum(len(external) == 1 for external in seen.values()) == len(seen) >= len(every)
    bauta.fsck()


# Ports that rest (RFC 6888 REQ-8)


def test_a_freed_port_rests(lab):
    """Nobody else is given it for the time, its own endpoint is; then it serves again. What an operator ends does not
    rest, so the sessions have to end by themselves."""
    rest_s, factor = 300, 100
    bauta = lab.use(Bauta(ports(1), "--on-full", "refuse", "--rest", str(rest_s), clock_factor=factor))
    one, other = populate(lab, 2)
    listener = lab.B.listen(7000)

    def end(flow):
        """Returns when the session is gone, and the last time that it was seen."""
        flow.close()
        seen = [time.monotonic()]
        until(lambda: not bauta.sessions() or seen.append(time.monotonic()), "for the session to expire", limit_s=20)
        return seen[-1]

    flow = connect(lab, listener, one, port=5000)
    assert bauta.ports("tcp")["resting"] == 0
    end(flow)
    row = bauta.ports("tcp")
    assert (row["resting"], row["used"], row["free"]) == (1, 1, 0)
    assert connect(lab, listener, other) is None
    again = connect(lab, listener, one, port=5000)
    assert again and again.external[1] == FIRST
    seen = end(again)
    assert connect(lab, listener, other) is None
    flow = until(lambda: connect(lab, listener, other), "for the port to have rested", limit_s=20)
    # the clock counts whole seconds, and so may begin and end within one
    assert time.monotonic() - seen >= (rest_s - 1) / factor
    assert flow.external[1] == FIRST
    assert bauta.ports("tcp")["resting"] == 0


def test_what_is_flushed_does_not_rest(lab):
    bauta = lab.use(Bauta(ports(1), "--on-full", "refuse", "--rest", "86400"))
    one, other = populate(lab, 2)
    listener = lab.B.listen(7000)
    flow = connect(lab, listener, one)
    assert connect(lab, listener, other) is None
    flow.close()
    bauta.cli("flush", "proto=tcp")
    assert connect(lab, listener, other).external[1] == FIRST


def test_without_rest_a_port_serves_at_once(lab):
    bauta = lab.use(Bauta(ports(1), "--on-full", "refuse"))
    one, other = populate(lab, 2)
    listener = lab.B.listen(7000)
    connect(lab, listener, one).close()
    bauta.cli("flush", "proto=tcp")
    assert connect(lab, listener, other).external[1] == FIRST
