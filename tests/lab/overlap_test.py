# SPDX-License-Identifier: GPL-2.0-or-later
"""The outside has addresses that the inside has too (RFC 4787 REQ-7): a provider that gives out private addresses."""

import pytest
from gateway import Bauta
from talk import accept, ask, chat, exchange
from wait import until

INSIDE_OWN = "192.168.0.77"  # an address of A's own network
TWIN = "192.168.0.6"  # of A2, and of a host outside


def renumber(lab, address):
    """The external interface has an address out of the inside's network; B is reached as before."""
    lab.R.ip(f"addr add {address}/32 dev eth0", "addr del 192.0.2.1/24 dev eth0",
             f"route add 192.0.2.0/24 dev eth0 src {address}")
    for host in (lab.B, lab.B2):
        host.ip(f"route add {address}/32 dev eth0")
    lab.R.external = lab.R.address = address


def test_external_address_out_of_the_internal_network(lab):
    """Both directions, all protocols; and the machine itself still reaches its inside, as the address that it has there."""
    renumber(lab, INSIDE_OWN)
    bauta = lab.use(Bauta("50000-50009", internal=["192.168.0.0/24"]))
    for proto in ("udp", "tcp"):
        assert exchange(lab, proto)[0] == INSIDE_OWN
    lab.A.do("ping", "-c1", "-W2", "-q", lab.B.address)
    with lab.A.udp(7000) as server, lab.R.udp(0, address=lab.R.internal, remote=(lab.A.address, 7000)) as client:
        assert ask(client, server)[0] == lab.R.internal
    server = lab.B.udp(7001)
    with lab.R.udp(0, address=INSIDE_OWN, remote=(lab.B.address, 7001)) as client:
        assert ask(client, server) == client.getsockname()
    assert len(bauta.sessions()) == 3


def test_address_changes_into_the_internal_network(lab):
    bauta = lab.use(Bauta("50000-50009"))
    client, server = lab.A.udp(5000, remote=(lab.B.address, 7000)), lab.B.udp(7000)
    ask(client, server)
    renumber(lab, INSIDE_OWN)
    until(lambda: bauta.status()["external"] == INSIDE_OWN, "for the new address")
    bauta.wait_sessions(0, "external=192.0.2.1")
    assert ask(client, server)[0] == INSIDE_OWN


@pytest.fixture
def twins(lab):
    """B has the address of A2 too. R tells them apart by where a packet comes from, which is routing; A has a
    route that says that it means the one outside."""
    lab.B.ip(f"addr add {TWIN}/32 dev eth0")
    lab.R.ip(f"route add {TWIN}/32 via {lab.B.address} dev eth0 table 77", "rule add pref 10 iif eth1 lookup 77")
    lab.R.sysctl("net.ipv4.conf.all.rp_filter", 0)
    lab.R.sysctl("net.ipv4.conf.eth0.rp_filter", 0)
    lab.A.ip(f"route add {TWIN}/32 via {lab.R.internal}")
    return lab


def test_two_hosts_of_one_address_on_both_sides(twins):
    """A talks with the one outside, from the same ports as the one inside talks with B."""
    lab = twins
    bauta = lab.use(Bauta("50000-50009"))
    outside = lab.B.udp(7000, address=TWIN)
    client = lab.A.udp(7000, remote=(TWIN, 7000))
    assert ask(client, outside)[0] == lab.R.external
    plain = lab.B.udp(7000)
    twin = lab.A2.udp(7000, remote=(lab.B.address, 7000))
    assert ask(twin, plain)[0] == lab.R.external
    assert ask(client, outside)[0] == lab.R.external
    listener = lab.B.listen(7001, address=TWIN)
    connection = lab.A.connect((TWIN, 7001))
    conn, peer = accept(connection, listener)
    assert peer[0] == lab.R.external
    chat(connection, conn)
    rows = {(row["internal"], row["remote"]) for row in bauta.sessions("proto=udp")}
    assert rows == {(f"{lab.A.address}:7000", f"{TWIN}:7000"), (f"{TWIN}:7000", f"{lab.B.address}:7000")}
    bauta.fsck()
