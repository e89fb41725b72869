# SPDX-License-Identifier: GPL-2.0-or-later
"""Ports on which a program of the gateway itself sits are never given to anybody, whenever it came."""

import errno

import pytest
from gateway import Bauta
from talk import accept, ask
from wait import until

RANGE = "50000-50003"


def open_sockets(lab):
    """Of TCP: a listener on 50000 and a connection to B:7000 from 50002. Of UDP: bound to all addresses on 50001, and
    connected from 50003 to B:7000."""
    server = lab.B.listen(7000)
    lab.R.listen(50000, "0.0.0.0")
    connected = lab.R.connect((lab.B.address, 7000), port=50002)
    accept(connected, server)
    lab.R.udp(50001, "0.0.0.0")
    lab.R.udp(50003, remote=(lab.B.address, 7000))
    return server


@pytest.fixture(params=["before", "after"])
def host_sockets(request, lab):
    """The host's sockets, opened before the gateway started or after: (lab, gateway, B's listener on 7000)."""
    lab.meet()
    server = open_sockets(lab) if request.param == "before" else None
    bauta = lab.use(Bauta(RANGE))
    return lab, bauta, server or open_sockets(lab)


def test_tcp_takes_the_others(host_sockets):
    lab, _, server = host_sockets
    ports = set()
    for number in range(2):
        client = lab.A.connect((lab.B.address, 7000), port=50000 + 2 * number)
        ports.add(accept(client, server)[1][1])
    assert ports == {50001, 50003}
    with pytest.raises(OSError) as refused:
        lab.A.connect((lab.B.address, 7000))
    assert refused.value.errno == errno.EHOSTUNREACH


def test_connected_socket_leaves_its_port_to_other_remotes(host_sockets):
    """50002 is in use toward B:7000 only; the listener's 50000 is not for anybody."""
    lab, _, _ = host_sockets
    server = lab.B.listen(7001)
    ports = {accept(lab.A.connect((lab.B.address, 7001)), server)[1][1] for _ in range(3)}
    assert ports == {50001, 50002, 50003}


def test_udp_takes_the_others(host_sockets):
    lab, bauta, _ = host_sockets
    server = lab.B.udp(7000)
    ports = {ask(lab.A.udp(50000 + number, remote=(lab.B.address, 7000)), server)[1] for number in range(2)}
    assert ports == {50000, 50002}
    lab.A.udp(40000).sendto(b"x", (lab.B.address, 7000))
    until(lambda: bauta.drops().get("no-port"), "for a refusal")


def test_host_sockets_stay_reachable(host_sockets):
    """The listener is reached from outside, with the NAT's own sessions around it."""
    lab, _, server = host_sockets
    accept(lab.A.connect((lab.B.address, 7000)), server)
    client = lab.B.connect((lab.R.external, 50000))
    client.sendall(b"x")


def test_closed_socket_gives_its_port_back(lab):
    lab.use(Bauta("50000"))
    listener = lab.R.listen(50000, "0.0.0.0")
    server = lab.B.listen(7000)
    with pytest.raises(OSError) as refused:
        lab.A.connect((lab.B.address, 7000))
    assert refused.value.errno == errno.EHOSTUNREACH
    listener.close()
    _, peer = accept(lab.A.connect((lab.B.address, 7000)), server)
    assert peer == (lab.R.external, 50000)


def test_show_ports_counts_them(host_sockets):
    lab, bauta, server = host_sockets
    accept(lab.A.connect((lab.B.address, 7000)), server)
    row = bauta.ports("tcp")
    assert (row["external"], row["ranges"], row["total"], row["used"]) == (lab.R.external, RANGE, 4, 1)
    assert row["host"] >= 1 and row["free"] == 4 - row["used"] - row["host"]


def test_socket_of_another_address_is_not_in_the_way(lab):
    """A service that listens on the inside address only has no say about the external one."""
    lab.use(Bauta("50000"))
    lab.R.listen(50000, lab.R.internal)
    server = lab.B.listen(7000)
    _, peer = accept(lab.A.connect((lab.B.address, 7000)), server)
    assert peer == (lab.R.external, 50000)
