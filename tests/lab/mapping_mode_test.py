# SPDX-License-Identifier: GPL-2.0-or-later
"""Endpoint-dependent mapping: each session has an external port of its own, open to nobody but its remote."""

import signal
from collections import Counter

import pytest
from gateway import BAUTA, Bauta
from packet import match
from scapy.layers.inet import IP, UDP
from talk import accept, ask
from wait import until

DEPENDENT = ("--mapping", "endpoint-dependent")


def seen_by(host, port, client):
    with host.udp(port) as server:
        return ask(client, server, (host.address, port))


def test_each_session_has_a_port_of_its_own(lab):
    """Not the internal one's either: where ports are to be hard to guess, none is given away."""
    bauta = lab.use(Bauta("50000-50999", *DEPENDENT))
    client = lab.A.udp(50500)
    where = [(lab.B, 7001), (lab.B, 7002), (lab.B2, 7001), (lab.B2, 7002)]
    seen = [seen_by(host, port, client) for host, port in where]
    assert len(set(seen)) == 4
    assert {address for address, _ in seen} == {lab.R.external}
    assert [seen_by(host, port, client) for host, port in where] == seen, "a session keeps its port"
    assert len(bauta.sessions()) == 4


def test_over_tcp_too(lab):
    lab.use(Bauta("50000-50999", *DEPENDENT))
    seen = set()
    for host, port in ((lab.B, 7001), (lab.B, 7002), (lab.B2, 7001)):
        server = host.listen(port)
        client = lab.A.socket(1)
        client.setsockopt(1, 15, 1)  # SO_REUSEPORT: three connections from one port
        client.bind((lab.A.address, 5000))
        client.connect((host.address, port))
        seen.add(accept(client, server)[1])
    assert len(seen) == 3


def test_ports_are_no_sequence(lab):
    lab.use(Bauta("20000-59999", *DEPENDENT))
    client = lab.A.udp(5000)
    ports = [seen_by(lab.B, 7000 + number, client)[1] for number in range(40)]
    steps = Counter(after - before for before, after in zip(ports, ports[1:]))
    assert len(set(ports)) == 40 and len(steps) > 30 and max(ports) - min(ports) > 15000


def test_nobody_else_gets_in(lab):
    """Neither another port of the remote, nor another address: with a port for each session that would be of no use."""
    lab.meet()
    bauta = lab.use(Bauta("50000-50009", *DEPENDENT))
    client = lab.A.udp(5000)
    external = seen_by(lab.B, 7000, client)
    at_a = lab.capture(lab.A)
    for host, port in ((lab.B, 7001), (lab.B2, 7000)):
        host.send(IP(src=host.address, dst=external[0]) / UDP(sport=port, dport=external[1]) / b"x")
    lab.settle(lab.A, lab.B, lab.B2)
    assert at_a.count(match(proto="udp")) == 0
    assert bauta.json("show", "config")["filtering"] == dict.fromkeys(("tcp", "udp"), "address-and-port-dependent")


@pytest.mark.parametrize("mode", ["endpoint-independent", "address-dependent", "udp=address-dependent"])
def test_a_filter_that_contradicts_is_refused(lab, mode):
    done = lab.R.run(BAUTA, "run", "-e", "eth0", *DEPENDENT, "--filtering", mode)
    assert done.status == 2 and "filtering" in done.stderr and "mapping" in done.stderr


def test_ports_come_back(lab):
    bauta = lab.use(Bauta("50000-50009", *DEPENDENT, clock_factor=200))
    client = lab.A.udp(5000)
    for number in range(6):
        seen_by(lab.B, 7000 + number, client)
    bauta.wait_sessions(0, limit_s=10)
    assert bauta.fsck()["entries"] == 0
    assert {row["used"] for row in bauta.ports()} <= {0}


def test_the_mode_may_change_under_a_session(lab, tmp_path):
    """What is there keeps its port; what is new follows the new mode."""
    path = tmp_path / "bauta.conf"
    path.write_text("interface = eth0\nports = 50000-50999\n")
    bauta = Bauta()
    bauta.arguments = ["-c", str(path)]
    lab.use(bauta)
    client = lab.A.udp(5000)
    first = seen_by(lab.B, 7001, client)
    path.write_text("interface = eth0\nports = 50000-50999\nmapping = endpoint-dependent\n")
    bauta.daemon.kill(signal.SIGHUP)
    until(lambda: bauta.json("show", "config")["mapping"] == "endpoint-dependent", "for the other mode")
    assert seen_by(lab.B, 7001, client) == first
    assert len({seen_by(lab.B, 7002, client), seen_by(lab.B, 7003, client), first}) == 3
