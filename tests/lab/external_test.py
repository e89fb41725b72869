# SPDX-License-Identifier: GPL-2.0-or-later
"""Several external addresses: those of the interface, and those that only a local route makes this machine's."""

import errno

import pytest
from gateway import Bauta
from talk import accept, ask, chat, exchange
from wait import until

OWN = "192.0.2.1"
FIRST, SECOND = "192.0.2.2", "192.0.2.3"
PREFIX = "203.0.113.8/30"
IN_PREFIX = [f"203.0.113.{number}" for number in range(8, 12)]


def external(*items):
    return [word for item in items for word in ("--external", item)]


@pytest.fixture
def two(lab):
    """A gateway that is seen as FIRST and SECOND, but not as the first address of its interface."""
    lab.R.ip(f"addr add {FIRST}/24 dev eth0", f"addr add {SECOND}/24 dev eth0")
    bauta = Bauta("50000-50099", *external(FIRST, SECOND))
    lab.use(bauta)
    return lab, bauta


def test_what_it_says(lab):
    lab.R.ip(f"addr add {FIRST}/24 dev eth0")
    lab.R.own(PREFIX)
    bauta = Bauta("50000-50099", *external(FIRST, PREFIX), "--spill", "--on-full", "refuse", "--rest", "120", "--icmp",
                  "admin-prohibited", "--max-ports", "7", "--max-rate", "9")
    lab.use(bauta)
    assert f"eth0 masquerades as {FIRST} and 4 others, ports" in bauta.log
    status, config = bauta.status(), bauta.json("show", "config")
    for record in (status, config):
        assert record["external"] == FIRST
        assert record["externals"] == [FIRST, *IN_PREFIX]
    assert config["own"] == ["192.0.2.1", FIRST, PREFIX]
    assert config["source"] == OWN
    assert (config["on_full"], config["spill"], config["borrow"]) == ("refuse", True, False)
    assert (config["rest_s"], config["icmp"]) == (120, "admin-prohibited")
    assert config["quotas"] == {"ports": 7, "sessions": None, "rate": 9}
    assert "on_full\trefuse\n" in bauta.text("show", "config")


def test_without_options(lab):
    bauta = lab.use(Bauta("50000"))
    config = bauta.json("show", "config")
    assert (config["external"], config["externals"], config["own"]) == (OWN, [OWN], [OWN])
    assert (config["on_full"], config["spill"], config["borrow"]) == ("share", False, False)
    assert (config["rest_s"], config["icmp"]) == (0, "host-unreachable")
    assert config["quotas"] == {"ports": None, "sessions": None, "rate": None}


def test_source_follows_the_route(lab):
    """What sockets of the host are given when they leave by the interface: a route may say so."""
    lab.R.ip(f"addr add {FIRST}/24 dev eth0", f"route add default via {lab.B.address} src {FIRST}")
    bauta = lab.use(Bauta("50000"))
    assert bauta.json("show", "config")["source"] == FIRST
    lab.R.ip(f"route change default via {lab.B.address} src {OWN}")
    until(lambda: bauta.json("show", "config")["source"] == OWN, "for the other source")


def test_only_the_listed_addresses_are_given(two):
    lab, bauta = two
    for client_port in range(5000, 5020):
        assert exchange(lab, "udp", client_port=client_port)[0] in (FIRST, SECOND)
    assert exchange(lab, "tcp")[0] in (FIRST, SECOND)
    assert {row["external"] for row in bauta.ports()} == {FIRST, SECOND}


def test_host_keeps_its_own_address(two):
    """Its first address is none of the pool, the others are: its packets pass from any of them."""
    lab, bauta = two
    server = lab.B.udp(7000)
    for number, address in enumerate((OWN, FIRST, SECOND)):
        with lab.R.udp(6000 + number, address=address, remote=(lab.B.address, 7000)) as client:
            assert ask(client, server) == (address, 6000 + number)
    assert bauta.sessions() == []


def test_prefix_that_only_a_route_makes_ours(lab):
    """None of its addresses is on an interface; B sends answers here because a route of its own says so."""
    lab.R.own(PREFIX)
    lab.B.ip(f"route add {PREFIX} via {OWN}")
    bauta = lab.use(Bauta("50000-50099", *external(PREFIX)))
    seen = {exchange(lab, proto)[0] for proto in ("udp", "tcp")}
    assert len(seen) == 1 and seen <= set(IN_PREFIX)
    lab.A.do("ping", "-c1", "-W2", "-q", lab.B.address)
    assert bauta.status()["externals"] == IN_PREFIX


def test_interface_without_an_address(lab):
    """All that is needed is that the external address is this machine's."""
    lab.R.own(PREFIX)
    lab.B.ip(f"route add {PREFIX} dev eth0")
    lab.R.ip(f"addr del {OWN}/24 dev eth0", f"route add {lab.B.address}/32 dev eth0")
    lab.use(Bauta("50000-50099", *external(PREFIX)))
    assert exchange(lab)[0] in IN_PREFIX


def both_flows(lab):
    """A flow of an internal host for each external address: {address: (client, server)}."""
    flows = {}
    for number in range(2, 60):
        address = f"192.168.0.{100 + number}"
        lab.A.ip(f"addr add {address}/24 dev eth0")
        server = lab.B.udp(7000 + number)
        client = lab.A.udp(5000, address=address, remote=(lab.B.address, 7000 + number))
        flows.setdefault(ask(client, server)[0], (client, server))
        if len(flows) == 2:
            return flows
    raise AssertionError(f"all hosts are seen as {set(flows)}")


def test_address_that_goes_away_and_comes_back(two):
    lab, bauta = two
    flows = both_flows(lab)
    lab.R.ip(f"addr del {FIRST}/24 dev eth0")
    until(lambda: bauta.status()["externals"] == [SECOND], "for the address to leave")
    bauta.wait_sessions(0, f"external={FIRST}")
    assert f"eth0 no longer masquerades as {FIRST}" in bauta.log
    client, server = flows[FIRST]
    assert ask(client, server)[0] == SECOND, "a flow that is kept alive is stuck to the address that is gone"
    kept = flows[SECOND]
    assert ask(*kept)[0] == SECOND
    lab.R.ip(f"addr add {FIRST}/24 dev eth0")
    until(lambda: bauta.status()["externals"] == [FIRST, SECOND], "for the address to be back")
    assert f"eth0 masquerades as {FIRST} again" in bauta.log
    bauta.cli("flush")
    assert ask(client, server)[0] == FIRST
    bauta.fsck()


def test_sessions_of_the_other_addresses_live_on(two):
    lab, bauta = two
    listener = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000))
    conn, peer = accept(client, listener)
    lab.R.ip(f"addr del {FIRST if peer[0] == SECOND else SECOND}/24 dev eth0")
    until(lambda: bauta.status()["externals"] == [peer[0]], "for the other address to leave")
    chat(client, conn)
    assert len(bauta.sessions()) == 1


def test_all_gone_is_told_and_ends(two):
    lab, bauta = two
    exchange(lab)
    lab.R.ip(f"addr del {FIRST}/24 dev eth0", f"addr del {SECOND}/24 dev eth0")
    until(lambda: bauta.status()["externals"] == [], "for both addresses to leave")
    assert bauta.status()["external"] is None
    bauta.wait_sessions(0)
    lab.B.listen(7000)
    with pytest.raises(OSError) as refused:
        lab.A.connect((lab.B.address, 7000))
    assert refused.value.errno == errno.EHOSTUNREACH
    assert bauta.drops()["no-address"]["packets"] >= 1
    assert "has lost its last external address" in bauta.log
    lab.R.ip(f"addr add {SECOND}/24 dev eth0")
    until(lambda: bauta.status()["externals"] == [SECOND], "for an address")
    assert exchange(lab)[0] == SECOND


def test_local_route_that_goes_and_comes_back(lab):
    """Routes are asked for at each poll, every two seconds."""
    lab.R.own(PREFIX)
    lab.B.ip(f"route add {PREFIX} via {OWN}")
    bauta = lab.use(Bauta("50000-50099", *external(PREFIX)))
    server, client = lab.B.udp(7000), lab.A.udp(5000, remote=(lab.B.address, 7000))
    ask(client, server)
    lab.R.ip(f"route del local {PREFIX} dev lo")
    until(lambda: bauta.status()["externals"] == [], "for the prefix to leave")
    bauta.wait_sessions(0)
    lab.R.own(PREFIX)
    until(lambda: bauta.status()["externals"] == IN_PREFIX, "for the prefix to be back")
    assert ask(client, server)[0] in IN_PREFIX


def test_prefix_with_a_hole(lab):
    """Of a prefix that is lost in part, the rest goes on."""
    lab.R.ip(*(f"addr add {address}/32 dev lo" for address in IN_PREFIX))
    lab.B.ip(f"route add {PREFIX} via {OWN}")
    bauta = lab.use(Bauta("50000-50099", *external(PREFIX)))
    lab.R.ip(f"addr del {IN_PREFIX[1]}/32 dev lo")
    rest = [IN_PREFIX[0], *IN_PREFIX[2:]]
    until(lambda: bauta.status()["externals"] == rest, "for one address to leave")
    assert bauta.json("show", "config")["own"] == [OWN, IN_PREFIX[0], "203.0.113.10/31"]
    assert exchange(lab)[0] in rest


def test_next_run_has_other_addresses(lab):
    """What an earlier run has left on an address that is still this machine's goes on."""
    lab.R.ip(f"addr add {FIRST}/24 dev eth0", f"addr add {SECOND}/24 dev eth0")
    bauta = lab.use(Bauta("50000-50099", *external(FIRST), keep=True))
    server, client = lab.B.udp(7000), lab.A.udp(5000, remote=(lab.B.address, 7000))
    peer = ask(client, server)
    assert peer[0] == FIRST
    bauta.stop()
    bauta.arguments[bauta.arguments.index(FIRST)] = SECOND
    assert SECOND in bauta.start()
    assert ask(client, server) == peer
    assert exchange(lab, "tcp")[0] == SECOND
    bauta.fsck()


def test_addresses_are_read_again_at_sighup(two):
    lab, bauta = two
    bauta.daemon.kill(1)
    bauta.daemon.wait_text(r"^bauta: eth0: looked at everything again: addresses, .*$")
    assert bauta.status()["externals"] == [FIRST, SECOND]
    assert exchange(lab)[0] in (FIRST, SECOND)
