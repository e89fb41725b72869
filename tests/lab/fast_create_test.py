# SPDX-License-Identifier: GPL-2.0-or-later
"""First packets in the fast path (--fast-create): what firewall, host and clients see of it."""

import errno
import socket

import pytest
from config_test import Configured
from gateway import Bauta
from host_clash_test import told_at_once
from talk import accept, ask, chat
from wait import until

PORT = 50000
FIREWALL = """table ip firewall {
    chain forward {
        type filter hook forward priority filter; policy drop;
        meta l4proto tcp reject with tcp reset
    }
}"""
FAST = ("--fast-path", "eth0,eth1", "--hairpin", "off")


@pytest.fixture
def fast_lab(make_lab):
    """A lab whose packets carry whole checksums, and whose wires take redirected frames."""
    lab = make_lab(offload=False)
    for dev in ("R-eth0", "R-eth1"):
        lab.switch.do("ethtool", "-K", dev, "gro", "on")
    lab.meet()
    return lab


def counted(bauta):
    return {row["reason"]: row["packets"] for row in bauta.json("show", "fast-path")["counters"]}


def flow_of_each_kind(lab, port=60000):
    """A connection and a datagram from A; who B says that they are from."""
    server, peer = lab.B.listen(port), lab.B.udp(port)
    client = lab.A.connect((lab.B.address, port), port=PORT)
    conn, tcp = accept(client, server)
    chat(client, conn)
    udp = ask(lab.A.udp(PORT, remote=(lab.B.address, port)), peer)
    return tcp, udp


def test_first_packets_do_not_come_to_the_firewall(fast_lab, tmp_path):
    """They do unless it is asked for, and it can be changed while the gateway runs."""
    settings = "interface = eth0\nports = 50000-50009\nfast-path = eth0, eth1\nhairpin = off\n"
    bauta = fast_lab.use(Configured(tmp_path / "bauta.conf", settings))
    fast_lab.R.nft(FIREWALL)
    with pytest.raises(ConnectionRefusedError):
        fast_lab.A.connect((fast_lab.B.address, 60000))
    assert counted(bauta).get("created", 0) == 0
    assert not bauta.config()["fast_create"]

    bauta.reload(settings + "fast-create = yes\n", r"changed: fast-create$")
    assert bauta.config()["fast_create"]
    tcp, udp = flow_of_each_kind(fast_lab)
    assert tcp == udp == (fast_lab.R.external, PORT)
    now = counted(bauta)
    assert now["created"] == 2 and now["outbound"] >= 3 and now["inbound"] >= 3
    # what xdp makes is counted there as well, and nothing came to tc
    drops = bauta.drops()
    assert drops["new"]["packets"] == 2 and "outbound" not in drops

    bauta.reload(settings, r"changed: fast-create$")
    with pytest.raises(ConnectionRefusedError):
        fast_lab.A.connect((fast_lab.B.address, 60001))


def test_sockets_of_the_host_keep_their_tuples(fast_lab):
    lab = fast_lab
    bauta = lab.use(Bauta(f"{PORT}-{PORT + 1}", *FAST, "--fast-create"))
    server, peer = lab.B.listen(60000), lab.B.udp(60000)
    remote = (lab.B.address, 60000)
    host = lab.R.connect(remote, port=PORT)
    host_conn, seen = accept(host, server)
    assert seen == (lab.R.external, PORT)
    client = lab.A.connect(remote, port=PORT)
    conn, seen = accept(client, server)
    assert seen == (lab.R.external, PORT + 1)
    # one that listens
    lab.R.udp(PORT)
    client_udp = lab.A.udp(PORT, remote=remote)
    assert ask(client_udp, peer) == (lab.R.external, PORT + 1)
    for one, other in ((host, host_conn), (client, conn)):
        chat(one, other)
    assert counted(bauta)["created"] == 2


def test_a_socket_bound_to_the_interface_keeps_its_tuple(fast_lab):
    """The kernel does not find it from the interface where the client's packet comes in."""
    lab = fast_lab
    bauta = lab.use(Bauta(f"{PORT}-{PORT + 1}", *FAST, "--fast-create"))
    peer = lab.B.udp(60000)
    remote = (lab.B.address, 60000)
    bound = lab.R.socket(socket.SOCK_DGRAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
    bound.bind(("0.0.0.0", PORT))
    bound.connect(remote)
    assert ask(bound, peer) == (lab.R.external, PORT)
    client = lab.A.udp(PORT, remote=remote)
    assert ask(client, peer) == (lab.R.external, PORT + 1)
    assert ask(bound, peer) == (lab.R.external, PORT)
    assert counted(bauta)["created"] == 1
    # when it is closed the daemon sees it, and the port is free again
    bound.close()

    def kept():
        fresh = lab.A2.udp(PORT)
        seen = ask(fresh, peer, remote)
        bauta.text("flush", f"internal={lab.A2.address}")
        fresh.close()
        return seen == (lab.R.external, PORT)

    until(kept, "for the port to be given again")


def test_clients_hear_at_once(fast_lab):
    """With the only tuple taken, tc answers what xdp gives up to it."""
    lab = fast_lab
    bauta = lab.use(Bauta(str(PORT), *FAST, "--fast-create"))
    remote = (lab.B.address, 60000)
    server = lab.B.listen(60000)
    client = lab.A.connect(remote, port=5000)
    conn, _ = accept(client, server)
    assert told_at_once(lambda: lab.A2.connect(remote)) == errno.EHOSTUNREACH
    chat(client, conn)
    now = counted(bauta)
    assert now["created"] == 1 and now["refused"] >= 1
    assert bauta.drops()["no-port"]["packets"] == now["refused"]
