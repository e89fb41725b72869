# SPDX-License-Identifier: GPL-2.0-or-later
"""Thousands of malformed packets over the wire, both ways: nothing crashes, nobody else notices, and every packet is
accounted for. The seed is printed; BAUTA_SEED=… repeats a run."""

import pytest
from accounts import Accounts
from garbage import mutate, originals, seeded
from gateway import Bauta
from talk import accept, ask, chat, read

NUM = 3000


@pytest.fixture
def chance():
    return seeded()


def drain(*sockets):
    for made in sockets:
        made.setblocking(False)
        try:
            while True:
                made.recv(65535)
        except BlockingIOError:
            made.settimeout(3)


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
def test_garbage(make_lab, chance, direction):
    lab = make_lab(offload=False)
    lab.meet()
    bauta = lab.use(Bauta("50000-50999"))
    # Bystanders, and the flow that is aimed at.
    client = lab.A.tcp(5000)
    bystander = lab.A.udp(5000, remote=(lab.B.address, 7001))
    server, listener = lab.B.udp(7001), lab.B.listen(7001)
    client.connect((lab.B.address, 7001))
    conn, _ = accept(client, listener)
    external = ask(bystander, server)
    _, port = ask(lab.A.udp(5001, remote=(lab.B.address, 7000)), lab.B.udp(7000))
    lab.settle()
    books = Accounts(lab, bauta)
    if direction == "outbound":
        outside = lab.phantom(lab.B, "192.0.2.77")
        kinds = originals("192.168.0.5", outside, 5001, 7000, "192.168.0.5")
        kinds += originals("192.168.0.77", lab.B.address, 5001, 7000, "192.168.0.5")
        sender = lab.A
    else:
        kinds = originals(lab.B.address, lab.R.external, 7000, port, lab.R.external)
        kinds += originals(lab.B.address, lab.R.external, 7000, 50500, lab.R.external)
        sender = lab.B
    for number in range(NUM):
        sender.send(mutate(chance, kinds[number % len(kinds)]))
        if number % 500 == 499:
            lab.settle(sender)
    lab.settle()
    reasons = books.check()
    assert len(reasons) >= 6, f"hardly anything got to the gateway: {reasons}"
    bauta.fsck()
    assert bauta.daemon.running
    drain(bystander, server)  # a mutated packet may have become a good one for them
    assert ask(bystander, server) == external
    chat(client, conn)


def test_books_are_balanced_for_ordinary_traffic(make_lab):
    """The same accounts over connections, errors, refusals and the host's own traffic, offloads on."""
    lab = make_lab()
    bauta = lab.use(Bauta("50000"))
    lab.meet()
    books = Accounts(lab, bauta)
    tcp, udp = lab.B.listen(7000), lab.B.udp(7000)
    remote = (lab.B.address, 7000)
    client = lab.A.connect(remote)
    conn, _ = accept(client, tcp)
    for _ in range(30):
        client.sendall(bytes(30000))
        read(conn, 30000)
    ask(lab.A.udp(5000, remote=remote), udp)
    for host in (lab.A2, lab.R):
        with pytest.raises(OSError):
            host.connect(remote, port=50000)
    accept(lab.R.connect(remote, port=40000), tcp)
    with pytest.raises(ConnectionRefusedError):
        lab.A.connect((lab.B.address, 7001))
    lab.A.do("ping", "-c2", "-i0.01", lab.B.address)
    client.close()
    conn.close()
    lab.settle()
    reasons = books.check()
    assert {"new", "outbound", "inbound", "no-port", "host", "connect"} <= set(reasons)
