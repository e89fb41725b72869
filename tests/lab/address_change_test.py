# SPDX-License-Identifier: GPL-2.0-or-later
"""The external address changes: what could never work again ends at once, and new sessions have the new address."""

import errno

import pytest
from gateway import Bauta
from talk import accept, ask
from wait import until


def change(lab, old, new):
    lab.R.ip(f"addr del {old}/24 dev eth0", f"addr add {new}/24 dev eth0")


def test_sessions_of_the_old_address_end_and_new_ones_have_the_new(lab):
    bauta = lab.use(Bauta("50000-50009"))
    server, client = lab.B.udp(7000), lab.A.udp(5000, remote=(lab.B.address, 7000))
    assert ask(client, server)[0] == "192.0.2.1"
    listener = lab.B.listen(7000)
    accept(lab.A.connect((lab.B.address, 7000)), listener)
    change(lab, "192.0.2.1", "192.0.2.2")
    until(lambda: bauta.status()["external"] == "192.0.2.2", "for the new address")
    bauta.wait_sessions(0, "external=192.0.2.1")
    bauta.fsck()
    assert ask(client, server)[0] == "192.0.2.2", "a flow that is kept alive is stuck to the old address"
    assert {row["external"].split(":")[0] for row in bauta.sessions()} == {"192.0.2.2"}
    assert {row["external"] for row in bauta.ports()} == {"192.0.2.2"}
    assert "192.0.2.2" in bauta.log


def test_more_addresses_change_nothing(lab):
    bauta = lab.use(Bauta("50000-50009"))
    server, client = lab.B.udp(7000), lab.A.udp(5000, remote=(lab.B.address, 7000))
    peer = ask(client, server)
    lab.R.ip("addr add 192.0.2.3/24 dev eth0")
    assert ask(client, server) == peer
    lab.R.ip("addr del 192.0.2.3/24 dev eth0")
    assert ask(client, server) == peer
    assert bauta.status()["external"] == "192.0.2.1"
    assert len(bauta.sessions()) == 1


def test_no_address_is_told_and_ends_with_the_next_one(lab):
    bauta = lab.use(Bauta("50000-50009"))
    lab.R.ip("addr del 192.0.2.1/24 dev eth0", f"route add {lab.B.address}/32 dev eth0")
    until(lambda: not bauta.status()["external"], "for the address to be gone")
    lab.B.listen(7000)
    with pytest.raises(OSError) as refused:
        lab.A.connect((lab.B.address, 7000))
    assert refused.value.errno == errno.EHOSTUNREACH
    assert bauta.drops()["no-address"]["packets"] >= 1
    lab.R.ip("addr add 192.0.2.4/24 dev eth0")
    until(lambda: bauta.status()["external"] == "192.0.2.4", "for the new address")
    server, client = lab.B.udp(7001), lab.A.udp(5000, remote=(lab.B.address, 7001))
    assert ask(client, server)[0] == "192.0.2.4"


def test_address_changes_while_no_daemon_watches(lab):
    """The next run finds sessions of an address that is gone, and ends them."""
    bauta = lab.use(Bauta("50000-50009", keep=True))
    server, client = lab.B.udp(7000), lab.A.udp(5000, remote=(lab.B.address, 7000))
    ask(client, server)
    bauta.kill()
    change(lab, "192.0.2.1", "192.0.2.2")
    assert "192.0.2.2" in bauta.start()
    bauta.wait_sessions(0, "external=192.0.2.1")
    assert ask(client, server)[0] == "192.0.2.2"
