# SPDX-License-Identifier: GPL-2.0-or-later
"""The external address changes: what could never work again ends at once, and new sessions have the new address."""

import contextlib
import errno

import pytest
from gateway import Bauta
from scapy.layers.inet import ICMP, IP, TCP, UDP
from talk import accept, ask, chat
from wait import until

OLD, NEW = "192.0.2.1", "192.0.2.2"
RANGES = "50000-50009"


def change(lab, old, new):
    lab.R.ip(f"addr del {old}/24 dev eth0", f"addr add {new}/24 dev eth0")


def lose(lab):
    """No address at all; routes that need none go on."""
    lab.R.ip(f"addr del {OLD}/24 dev eth0", f"route add {lab.B.address}/32 dev eth0")


def wait_external(bauta, address):
    until(lambda: bauta.status()["external"] == address, f"for the external address {address}")


def flow(lab, port=7000, client_port=5000):
    """A UDP flow from A to B; returns client and server, connected."""
    return lab.A.udp(client_port, remote=(lab.B.address, port)), lab.B.udp(port)


# One address after another


def test_sessions_of_the_old_address_end_and_new_ones_have_the_new(lab):
    bauta = lab.use(Bauta(RANGES))
    client, server = flow(lab)
    assert ask(client, server)[0] == OLD
    listener = lab.B.listen(7000)
    accept(lab.A.connect((lab.B.address, 7000)), listener)
    change(lab, OLD, NEW)
    wait_external(bauta, NEW)
    bauta.wait_sessions(0, f"external={OLD}")
    bauta.fsck()
    assert ask(client, server)[0] == NEW, "a flow that is kept alive is stuck to the old address"
    assert {row["external"].split(":")[0] for row in bauta.sessions()} == {NEW}
    assert {row["external"] for row in bauta.ports()} == {NEW}
    assert NEW in bauta.log


@pytest.mark.parametrize("promote", [0, 1])
def test_added_before_the_old_one_is_deleted(lab, promote):
    """As a DHCP client may do it. Where the kernel does not promote secondary addresses, they go with the first one."""
    bauta = lab.use(Bauta(RANGES))
    lab.R.sysctl("net.ipv4.conf.eth0.promote_secondaries", promote)
    client, server = flow(lab)
    assert ask(client, server)[0] == OLD
    lab.R.ip(f"addr add {NEW}/24 dev eth0")
    assert ask(client, server)[0] == OLD
    lab.R.ip(f"addr del {OLD}/24 dev eth0")
    wait_external(bauta, NEW if promote else None)
    if not promote:
        lab.R.ip(f"addr add {NEW}/24 dev eth0")
        wait_external(bauta, NEW)
    bauta.wait_sessions(0, f"external={OLD}")
    assert ask(client, server)[0] == NEW


def test_replaced_by_one_of_another_network(lab):
    """The provider renumbers: both addresses for a while, each first of its own network."""
    bauta = lab.use(Bauta(RANGES))
    client, server = flow(lab)
    peer = ask(client, server)
    lab.R.ip("addr add 203.0.113.7/24 dev eth0")
    lab.B.ip("route add 203.0.113.0/24 dev eth0")
    assert ask(client, server) == peer
    lab.R.ip(f"addr del {OLD}/24 dev eth0", f"route add {lab.B.address}/32 dev eth0")
    wait_external(bauta, "203.0.113.7")
    bauta.wait_sessions(0, f"external={OLD}")
    assert ask(client, server)[0] == "203.0.113.7"


def test_more_addresses_change_nothing(lab):
    bauta = lab.use(Bauta(RANGES))
    client, server = flow(lab)
    peer = ask(client, server)
    lab.R.ip("addr add 192.0.2.3/24 dev eth0")
    assert ask(client, server) == peer
    lab.R.ip("addr del 192.0.2.3/24 dev eth0")
    assert ask(client, server) == peer
    assert bauta.status()["external"] == OLD
    assert len(bauta.sessions()) == 1


def test_same_address_with_other_lifetime_or_length_changes_nothing(lab):
    """Renewing a lease, as DHCP clients do it."""
    bauta = lab.use(Bauta(RANGES))
    client, server = flow(lab)
    peer = ask(client, server)
    lab.R.ip(f"addr change {OLD}/24 dev eth0 valid_lft 600 preferred_lft 300")
    lab.R.ip(f"addr add {OLD}/25 dev eth0")
    lab.R.ip(f"addr del {OLD}/24 dev eth0")
    assert ask(client, server) == peer
    assert len(bauta.sessions()) == 1
    assert "lost" not in bauta.log


def test_many_changes(lab):
    """The table has places for the pools of a few addresses only: each is given back in time."""
    bauta = lab.use(Bauta(RANGES))
    client, server = flow(lab)
    old = OLD
    for number in range(20, 45):
        ask(client, server)
        new = f"192.0.2.{number}"
        change(lab, old, new)
        wait_external(bauta, new)
        assert ask(client, server)[0] == new
        old = new
    assert len(bauta.sessions()) == 1
    assert bauta.fsck()["mappings"] == 1
    assert "no-address" not in bauta.drops()


# None for a while


def test_no_address_is_told_and_ends_with_the_next_one(lab):
    bauta = lab.use(Bauta(RANGES))
    lose(lab)
    wait_external(bauta, None)
    lab.B.listen(7000)
    with pytest.raises(OSError) as refused:
        lab.A.connect((lab.B.address, 7000))
    assert refused.value.errno == errno.EHOSTUNREACH
    assert bauta.drops()["no-address"]["packets"] >= 1
    lab.R.ip("addr add 192.0.2.4/24 dev eth0")
    wait_external(bauta, "192.0.2.4")
    client, server = flow(lab, 7001)
    assert ask(client, server)[0] == "192.0.2.4"


def test_sessions_end_when_the_address_goes_not_when_it_comes_back(lab):
    """Nothing of before is left when the same address returns, but what has its own port has it again."""
    bauta = lab.use(Bauta(RANGES))
    client, server = flow(lab, client_port=50007)
    peer = ask(client, server)
    assert peer == (OLD, 50007)
    lose(lab)
    wait_external(bauta, None)
    bauta.wait_sessions(0)
    assert bauta.mappings() == []
    client.send(b"lost")
    until(lambda: bauta.drops().get("no-address", {"packets": 0})["packets"], "for a refused datagram")
    lab.R.ip(f"addr add {OLD}/24 dev eth0")
    wait_external(bauta, OLD)
    assert ask(client, server) == peer


# What a TCP client hears


def connection(lab, client_port):
    listener = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000), port=client_port)
    conn, _ = accept(client, listener)
    return client, conn


def hear(client):
    """What a client gets that goes on sending on its connection: an errno."""
    with pytest.raises(OSError) as error:
        client.sendall(b"anybody there?")
        client.recv(1)
    return error.value.errno


@pytest.mark.parametrize("mid_stream", ["adopt", "reset"])
def test_tcp_client_hears_of_a_new_address_when_it_sends(lab, mid_stream):
    """Its segment leaves from the new address, where the remote knows no connection, and its RST comes back; or the
    gateway has answered."""
    bauta = lab.use(Bauta(RANGES, "--mid-stream", mid_stream))
    client, _ = connection(lab, 5000)
    change(lab, OLD, NEW)
    wait_external(bauta, NEW)
    bauta.wait_sessions(0)
    at_outside = lab.capture(lab.B)
    assert hear(client) == errno.ECONNRESET
    assert bool(at_outside.count(lambda packet: packet[IP].src == NEW)) == (mid_stream == "adopt")


@pytest.mark.parametrize("new", [NEW, None])
def test_idle_tcp_client_hears_at_once_if_it_is_to(lab, new):
    """--expired reset: it need not send, and the remote hears nothing from an address that is not ours."""
    bauta = lab.use(Bauta(RANGES, "--mid-stream", "reset", "--expired", "reset"))
    client, _ = connection(lab, 5000)
    at_outside = lab.capture(lab.B)
    if new:
        change(lab, OLD, new)
    else:
        lose(lab)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert bauta.sessions() == []
    lab.R.external = new or lab.R.internal
    lab.settle(lab.A)
    # a late acknowledgement of what was said before is none of this
    assert at_outside.count(lambda packet: TCP in packet and (packet[TCP].flags.R or not packet[TCP].seq)) == 0


def test_tcp_connection_with_its_own_port_outlives_a_gap(lab):
    """While there is no address the client is told, which TCP takes as a passing trouble; then it goes on."""
    bauta = lab.use(Bauta(RANGES))
    client, conn = connection(lab, 50003)
    lose(lab)
    wait_external(bauta, None)
    client.sendall(b"patience")
    until(lambda: bauta.drops().get("no-address", {"packets": 0})["packets"], "for a refused segment")
    lab.R.ip(f"addr add {OLD}/24 dev eth0")
    wait_external(bauta, OLD)
    assert conn.recv(8) == b"patience"
    chat(client, conn)


def test_what_comes_late_from_outside_goes_nowhere(lab):
    """Neither for the address that is nobody's now, nor for the same port of the new one."""
    bauta = lab.use(Bauta(RANGES))
    ends = connection(lab, 50003)
    at_inside = lab.capture(lab.A)
    change(lab, OLD, NEW)
    wait_external(bauta, NEW)
    bauta.wait_sessions(0)
    lab.R.external = NEW
    at_inside.clear()
    for address in (OLD, NEW):
        lab.B.send(IP(src=lab.B.address, dst=address) / TCP(sport=7000, dport=50003, flags="PA") / b"late")
        lab.B.send(IP(src=lab.B.address, dst=address) / UDP(sport=7000, dport=50003) / b"late")
    lab.settle(lab.B)
    assert at_inside.count(lambda packet: packet[IP].src == lab.B.address) == 0
    assert not bauta.sessions()
    for end in ends:
        end.close()


def test_syn_that_waited_is_not_answered_from_an_address_that_is_gone(lab):
    """The one that came later, for the new address, is answered; so the first had its time."""
    lab.meet()
    bauta = lab.use(Bauta(RANGES, clock_factor=10))
    at_outside, at_other = lab.capture(lab.B), lab.capture(lab.B2)
    lab.B.send(IP(src=lab.B.address, dst=OLD) / TCP(sport=6000, dport=50005, flags="S"))
    until(lambda: bauta.drops().get("unsolicited"), "for the first SYN")
    change(lab, OLD, NEW)
    wait_external(bauta, NEW)
    lab.B2.send(IP(src=lab.B2.address, dst=NEW) / TCP(sport=6000, dport=50005, flags="S"))
    error = at_other.one(lambda packet: ICMP in packet)
    assert (error[IP].src, error[ICMP].type, error[ICMP].code) == (NEW, 3, 3)
    assert at_outside.count(lambda packet: ICMP in packet) == 0


# What is counted for it


def test_ports_quotas_and_rest_are_given_back(lab):
    """Nothing of the address that is gone counts any more, or stays behind, also if ports rest."""
    bauta = lab.use(Bauta("50000-50003", "--max-ports", "3", "--max-sessions", "5", "--rest", "3600", "--on-full",
                          "refuse"))
    servers = [lab.B.udp(7000), lab.B2.udp(7000)]
    clients = [lab.A.udp(5000 + number) for number in range(3)]

    def use_up():
        seen = [ask(client, servers[0], servers[0].getsockname()) for client in clients]
        seen += [ask(client, servers[1], servers[1].getsockname()) for client in clients[:2]]
        return {peer[0] for peer in seen}

    assert use_up() == {OLD}
    for new, old in ((NEW, OLD), ("192.0.2.3", NEW), ("192.0.2.4", "192.0.2.3")):
        change(lab, old, new)
        wait_external(bauta, new)
        bauta.wait_sessions(0)
        assert use_up() == {new}
        assert not [reason for reason in bauta.drops() if reason.startswith("quota")]
        until(lambda: bauta.mappings(f"external={old}") == [], "for the last mapping of the old address")
        found = bauta.fsck()
        assert (found["sessions"], found["mappings"], found["permits"]) == (5, 3, 2)
        assert {row["external"] for row in bauta.ports()} == {new}
        (row,) = bauta.json("show", "quotas")
        assert (row["ports"], row["sessions"]) == (3, 5)


def test_under_traffic(lab):
    """Packets keep coming while addresses change: soon all leave from the new one, and the table is sound."""
    lab.meet()
    bauta = lab.use(Bauta(RANGES))
    server = lab.B.udp(7000)
    server.setblocking(False)
    clients = [lab.A.udp(6000 + number, remote=(lab.B.address, 7000)) for number in range(8)]
    old = OLD
    for number in range(20, 26):
        new = f"192.0.2.{number}"
        change(lab, old, new)

        def seen(new=new):
            for client in clients:
                with contextlib.suppress(OSError):
                    client.send(b"x")
            lab.settle(lab.A)
            came = set()
            with contextlib.suppress(BlockingIOError):
                while True:
                    came.add(server.recvfrom(16)[1][0])
            return came == {new}

        until(seen, f"for packets from {new} only")
        bauta.wait_sessions(len(clients))
        old = new
    assert bauta.fsck()["sessions"] == len(clients)


# Without a daemon


def test_address_changes_while_no_daemon_watches(lab):
    """The next run finds sessions of an address that is gone, and ends them."""
    bauta = lab.use(Bauta(RANGES, keep=True))
    client, server = flow(lab)
    ask(client, server)
    bauta.kill()
    change(lab, OLD, NEW)
    assert NEW in bauta.start()
    bauta.wait_sessions(0, f"external={OLD}")
    assert ask(client, server)[0] == NEW
