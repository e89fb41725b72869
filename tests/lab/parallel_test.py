# SPDX-License-Identifier: GPL-2.0-or-later
"""Two thousand connections at once, each with its own data."""

import resource
import selectors
import socket

import pytest
from gateway import Bauta, NftMasquerade

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
