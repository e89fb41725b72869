# SPDX-License-Identifier: GPL-2.0-or-later
"""Two thousand connections at once, each with its own data; and a range that is used up to its last port."""

import os
import random
import resource
import selectors
import socket
import threading

import pytest
from gateway import Bauta, NftMasquerade
from talk import ask

NUM = 2000
LIMIT_S = 20


@pytest.fixture(autouse=True)
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * NUM), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect_all(hosts, remote):
    clients = []
    for number in range(NUM):
        host = hosts[number % len(hosts)]
        client = host.socket(socket.SOCK_STREAM)
        client.setblocking(False)
        client.connect_ex(remote)
        clients.append(client)
    return clients


def echo_all(clients, server):
    """Every client sends its number and reads it back; the far end is answered from one loop."""
    server.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(server, selectors.EVENT_READ, "server")
    for number, client in enumerate(clients):
        selector.register(client, selectors.EVENT_WRITE, number)
    peers, conns, waiting = set(), [], set(range(NUM))
    while waiting:
        events = selector.select(LIMIT_S)
        assert events, f"{len(waiting)} connections got no answer"
        for key, _ in events:
            if key.data == "server":
                conn, peer = server.accept()
                peers.add(peer)
                conn.setblocking(False)
                selector.register(conn, selectors.EVENT_READ, "conn")
            elif key.data == "conn":
                data = key.fileobj.recv(100)
                selector.unregister(key.fileobj)
                key.fileobj.send(data)
                conns.append(key.fileobj)
            elif key.events == selectors.EVENT_WRITE:
                assert key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
                key.fileobj.send(f"number {key.data}".encode())
                selector.modify(key.fileobj, selectors.EVENT_READ, key.data)
            else:
                assert key.fileobj.recv(100) == f"number {key.data}".encode()
                selector.unregister(key.fileobj)
                waiting.discard(key.data)
    selector.close()
    return peers, conns


@pytest.mark.parametrize("gateway", ["nft", "bauta"])
def test_two_thousand_connections(lab, gateway):
    made = lab.use(NftMasquerade("20000-29999") if gateway == "nft" else Bauta("20000-29999"))
    server = lab.B.listen(7000, backlog=4096)
    clients = connect_all([lab.A, lab.A2], (lab.B.address, 7000))
    peers, conns = echo_all(clients, server)
    assert len(peers) == NUM
    assert {address for address, _ in peers} == {lab.R.external}
    assert all(20000 <= port <= 29999 for _, port in peers)
    if gateway == "bauta":
        sessions = made.sessions("proto=tcp")
        assert len(sessions) == NUM
        assert {row["external"] for row in sessions} == {f"{address}:{port}" for address, port in peers}
        assert {row["state"] for row in sessions} == {"established"}
        assert made.ports("tcp")["used"] == NUM
    for conn in conns:
        conn.close()


def test_a_full_range_has_one_owner_for_every_port(lab):
    """Two internal machines and the gateway itself want the same ports toward one remote, in random order, until all
    are given away: nobody is refused before that, nobody shares, and everybody hears only what is meant for him."""
    seed = int(os.environ.get("BAUTA_SEED", random.randrange(1 << 32)))
    print(f"BAUTA_SEED={seed}")
    bauta = lab.use(Bauta("20000-20599"))
    lab.meet()
    server = lab.B.udp(7000)
    remote = (lab.B.address, 7000)
    wishes = [(host, 20000 + number) for host in (lab.A, lab.A2, lab.R) for number in range(200)]
    random.Random(seed).shuffle(wishes)
    clients = [(host, host.udp(port, remote=remote)) for host, port in wishes]
    seen = [ask(client, server) for _, client in clients]
    assert len(set(seen)) == 600
    assert set(seen) == {(lab.R.external, port) for port in range(20000, 20600)}
    for host in (lab.A, lab.R):
        late = host.udp(30000, remote=remote)
        late.send(b"is there a port left?")
        if host is lab.A:
            lab.settle()
            server.setblocking(False)
            with pytest.raises(BlockingIOError):
                server.recvfrom(100)
            assert bauta.drops()["no-port"]["packets"] == 1
        else:
            assert server.recvfrom(100)[1] == (lab.R.external, 30000), "the host may use ports outside of the range"
        server.settimeout(3)
    assert [ask(client, server) for _, client in clients] == seen, "somebody was moved, or is heard by another"


def test_two_cpus_open_flows_at_the_same_time(lab):
    """First packets of one port after the other, from two machines on two CPUs: no tuple is given twice."""
    lab.use(Bauta("20000-20999"))
    lab.meet()
    server = lab.B.udp(7000)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    flows = {host: [host.udp(20000 + number, remote=(lab.B.address, 7000)) for number in range(450)]
             for host in (lab.A, lab.A2)}
    start = threading.Barrier(2)

    def send(host, cpu):
        os.sched_setaffinity(0, {cpu})
        start.wait()
        for number, client in enumerate(flows[host]):
            client.send(f"{host} {number}".encode())

    cpus = sorted(os.sched_getaffinity(0))
    threads = [threading.Thread(target=send, args=(host, cpus[index % len(cpus)])) for index, host in enumerate(flows)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = dict(server.recvfrom(100) for _ in range(900))
    assert len(seen) == 900 and len(set(seen.values())) == 900
    for data, external in seen.items():
        server.sendto(data, external)
    for host, clients in flows.items():
        assert [client.recv(100) for client in clients] == [f"{host} {number}".encode() for number in range(450)]
