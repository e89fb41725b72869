# SPDX-License-Identifier: GPL-2.0-or-later
"""Hairpin: internal hosts reach each other by their external endpoints (RFC 4787 REQ-9, 5382 REQ-8, 5508 REQ-7)."""

import contextlib
import errno
import itertools
import os
import select
import signal
import socket

import pytest
from gateway import Whole
from lab import TunWire
from packet import check_checksums, match, quoted
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from talk import accept, ask, chat, text
from wait import until

IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_PMTUDISC_DO = 10, 0, 2
IP_RECVERR = 11
ANYBODY = ("--filtering", "endpoint-independent")


@pytest.fixture
def lab(make_lab):
    return make_lab(offload=False)


def mapped_udp(lab, host, port, address=None):
    """A datagram socket of an internal host that has sent to B, and its external endpoint, as B saw it."""
    with lab.B.udp(7000) as server:
        client = host.udp(port, address)
        return client, ask(client, server, (lab.B.address, 7000))


def mapped_tcp(lab, host, port, address=None):
    """A connection of an internal host with B, which keeps the port's mapping, and the port's external endpoint."""
    with lab.B.listen(7000) as server:
        client = host.connect((lab.B.address, 7000), port=port, address=address)
        return client, accept(client, server)[1]


def errno_of(client, data=b"x"):
    """What a connected datagram socket is told about what it sends."""
    client.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    client.send(data)
    with pytest.raises(OSError) as told:
        client.recv(10)
    return told.value.errno


def addresses_seen(capture):
    return {address for packet in capture.packets(where_ip, outgoing=None) for address in (packet.src, packet.dst)}


def where_ip(packet):
    return packet.proto in (1, 6, 17)


def expect_only(capture, *addresses):
    """What a host saw of others: external addresses, never that of an internal host (RFC 4787 REQ-9a)."""
    for raw in capture.raw():
        check_checksums(raw)
    assert addresses_seen(capture) <= set(addresses), capture.summary()


def counts(bauta, *reasons):
    drops = bauta.drops()
    return [drops.get(reason, {"packets": 0})["packets"] for reason in reasons]


def test_udp(share_lab):
    lab = share_lab(Whole, "50000-50009", *ANYBODY, offload=False)
    bauta = lab.gateway
    a, external = mapped_udp(lab, lab.A, 5000)
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    at_a, at_a2 = lab.capture(lab.A), lab.capture(lab.A2)
    for _ in range(3):
        assert ask(a, a2, external2) == external
    assert ask(a2, a, external) == external2
    expect_only(at_a, lab.A.address, lab.R.external)
    expect_only(at_a2, lab.A2.address, lab.R.external)
    assert {packet.ttl for packet in at_a2.packets(match(proto="udp"))} == {63}
    assert counts(bauta, "hairpin", "inside") == [8, 0]
    seen = {(row["internal"], row["external"], row["remote"]) for row in bauta.sessions()}
    assert (text(a.getsockname()), text(external), text(external2)) in seen
    assert (text(a2.getsockname()), text(external2), text(external)) in seen


def test_first_packet_makes_the_mapping(share_lab):
    """Who has spoken to nobody so far is seen under the endpoint that he will have toward others too."""
    lab = share_lab(Whole, "50000-50009", *ANYBODY, offload=False)
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    with lab.A.udp(5000) as a, lab.B.udp(7000) as server:
        peer = ask(a, a2, external2)
        assert peer[0] == lab.R.external
        assert ask(a, server, (lab.B.address, 7000)) == peer


def test_to_oneself(share_lab):
    lab = share_lab(Whole, "50000-50009", offload=False)
    bauta = lab.gateway
    a, external = mapped_udp(lab, lab.A, 5000)
    a.sendto(b"me", external)
    assert a.recvfrom(100) == (b"me", external)
    assert counts(bauta, "hairpin") == [1]


def test_to_another_socket_of_the_same_host(share_lab):
    lab = share_lab(Whole, "50000-50009", *ANYBODY, offload=False)
    a, external = mapped_udp(lab, lab.A, 5000)
    other, other_external = mapped_udp(lab, lab.A, 5001)
    assert ask(other, a, external) == other_external


def test_behind_a_router(make_lab):
    lab = make_lab(offload=False, inside_router=True)
    lab.use(Whole("50000-50009", *ANYBODY))
    a, external = mapped_udp(lab, lab.A, 5000)
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    assert ask(a, a2, external2) == external
    assert ask(a2, a, external) == external2


def test_tcp(share_lab):
    """A connects to A2's external endpoint: accept() says that A's external endpoint is the peer (RFC 5382 REQ-8a)."""
    lab = share_lab(Whole, "50000-50009", *ANYBODY, offload=False)
    bauta = lab.gateway
    _, external2 = mapped_tcp(lab, lab.A2, 6000)
    _, external = mapped_tcp(lab, lab.A, 5000)
    server = lab.A2.listen(6000)
    at_a2 = lab.capture(lab.A2)
    client = lab.A.connect(external2, port=5000)
    conn, peer = accept(client, server)
    assert (peer, client.getpeername()) == (external, external2)
    chat(client, conn)
    client.close()
    assert conn.recv(1) == b""
    conn.close()
    expect_only(at_a2, lab.A2.address, lab.R.external)
    assert counts(bauta, "inside") == [0]


def test_simultaneous_open(share_lab):
    """With the usual filter, each has to call the other: whose SYN comes first is not let in, the other's is."""
    lab = share_lab(Whole, "50000-50009", offload=False)
    bauta = lab.gateway
    _, external = mapped_tcp(lab, lab.A, 5000)
    _, external2 = mapped_tcp(lab, lab.A2, 6000)
    a, a2 = lab.A.tcp(5000), lab.A2.tcp(6000)
    for caller, remote in ((a, external2), (a2, external)):
        caller.setblocking(False)
        assert caller.connect_ex(remote) == errno.EINPROGRESS
    for caller in (a, a2):
        assert select.select([], [caller], [], 5)[1]
        assert caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        caller.settimeout(3)
    chat(a, a2)
    assert counts(bauta, "unsolicited", "inside") == [1, 0]


def test_ports_that_nobody_has_are_the_hosts(share_lab):
    """Its services answer on the external address too, whatever ports internal hosts have; and so does its stack."""
    lab = share_lab(Whole, "50000-50009", *ANYBODY, offload=False)
    bauta = lab.gateway
    at_a = lab.capture(lab.A)
    a, _ = mapped_udp(lab, lab.A, 5000)
    with lab.R.udp(53, lab.R.external) as service:
        assert ask(a, service, (lab.R.external, 53))[0] == lab.A.address
    with lab.R.listen(80, lab.R.external) as service:
        client = lab.A.connect((lab.R.external, 80))
        assert accept(client, service)[1] == client.getsockname()
    with pytest.raises(ConnectionRefusedError):
        lab.A.connect((lab.R.external, 81))
    assert "1 received" in lab.A.do("ping", "-n", "-c1", "-W2", lab.R.external)
    assert at_a.packets(match(proto="icmp", icmp=0))
    sent = match(dst=lab.R.external)
    until(lambda: counts(bauta, "inside") == [at_a.count(sent, outgoing=True)], lambda: f"{bauta.drops()}")
    assert counts(bauta, "hairpin") == [0]


def test_host_keeps_a_connection_of_its_own(share_lab):
    """A socket of the host that is connected to the internal one has what comes for it, also if the port is mapped."""
    lab = share_lab(Whole, "50000-50009", *ANYBODY, offload=False)
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    a = lab.A.udp(5000)
    own = lab.R.udp(external2[1], lab.R.external, remote=a.getsockname())
    assert ask(a, own, external2) == a.getsockname()
    with lab.A.udp(5001) as other:
        assert ask(other, a2, external2)[0] == lab.R.external


def test_filter(share_lab):
    """Address-dependent: who has not sent to our address is not disturbed. His first packet to it changes that."""
    lab = share_lab(Whole, "50000-50009", offload=False)
    bauta = lab.gateway
    a, external = mapped_udp(lab, lab.A, 5000)
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    at_a2 = lab.capture(lab.A2)
    a.sendto(b"knock", external2)
    lab.settle(lab.A, lab.A2)
    assert counts(bauta, "filtered", "hairpin") == [1, 0]
    assert not at_a2.packets(match(proto="udp"))
    a2.sendto(b"come in", external)
    assert a.recvfrom(100) == (b"come in", external2)
    assert ask(a, a2, external2) == external
    assert counts(bauta, "filtered", "hairpin") == [1, 3]
    with lab.A.udp(5001) as other:  # the same address, from another port
        assert ask(other, a2, external2)[0] == lab.R.external


def test_filter_by_address_and_port(lab):
    bauta = lab.use(Whole("50000-50009", "--filtering", "address-and-port-dependent"))
    a, external = mapped_udp(lab, lab.A, 5000)
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    a.sendto(b"knock", external2)
    a2.sendto(b"come in", external)
    assert a.recvfrom(100) == (b"come in", external2)
    other, _ = mapped_udp(lab, lab.A, 5001)
    other.sendto(b"knock", external2)
    assert ask(a, a2, external2) == external
    assert counts(bauta, "filtered", "hairpin") == [2, 3]


def test_errors_are_hairpinned(share_lab):
    """A2's port is closed: A's socket hears of it, from the external address, about what it had sent (RFC 5508 REQ-7).
    """
    lab = share_lab(Whole, "50000-50009", *ANYBODY, offload=False)
    bauta = lab.gateway
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    a2.close()
    at_a = lab.capture(lab.A)
    client = lab.A.udp(5000, remote=external2)
    client.send(b"anybody?")
    with pytest.raises(ConnectionRefusedError):
        client.recv(10)
    error = at_a.one(match(proto="icmp", icmp=(3, 3)))
    quote = quoted(error)
    assert (error.src, error.dst, error.ttl) == (lab.R.external, lab.A.address, 63)
    assert (quote.src, quote.sport, quote.dst, quote.dport) == (lab.A.address, 5000, *external2)
    expect_only(at_a, lab.A.address, lab.R.external)
    assert counts(bauta, "hairpin", "error-no-session") == [2, 0]


def test_error_of_a_router_on_the_way(make_lab):
    """Its own address is not told, only ours (RFC 5508 REQ-7a)."""
    lab = make_lab(offload=False, inside_router=True)
    lab.use(Whole("50000-50009", *ANYBODY))
    a, external = mapped_udp(lab, lab.A, 5000)
    a2, _ = mapped_udp(lab, lab.A2, 6000)
    a.close()
    lab.I.ip("route add unreachable 192.168.10.5/32")
    at_a2 = lab.capture(lab.A2)
    a2.connect(external)
    assert errno_of(a2) == errno.EHOSTUNREACH
    error = at_a2.one(match(proto="icmp", icmp=(3, 1)))
    assert error.src == lab.R.external
    assert (quoted(error).src, quoted(error).dst) == (lab.A2.address, lab.R.external)
    expect_only(at_a2, lab.A2.address, lab.R.external)


def test_hop_limit(share_lab):
    """We are a hop: a traceroute shows it, by the address that the sender knows us by (RFC 1812 §5.3.1)."""
    lab = share_lab(Whole, "50000-50009", *ANYBODY, offload=False)
    bauta = lab.gateway
    _, external2 = mapped_udp(lab, lab.A2, 6000)
    at_a, at_a2 = lab.capture(lab.A), lab.capture(lab.A2)
    packet = IP(src=lab.A.address, dst=external2[0], ttl=1) / UDP(sport=5000, dport=external2[1]) / b"hop"
    lab.A.send(packet)
    error = at_a.one(match(proto="icmp", icmp=(11, 0)))
    assert (error.src, quoted(error).src, quoted(error).dst) == (lab.R.internal, lab.A.address, lab.R.external)
    check_checksums(bytes(error))
    packet.ttl = 2
    lab.A.send(packet)
    assert at_a2.one(match(proto="udp")).ttl == 1
    assert counts(bauta, "hops", "hairpin") == [1, 1]


@pytest.mark.parametrize("how", [IP_PMTUDISC_DO, IP_PMTUDISC_DONT])
def test_larger_than_the_way_back(lab, how):
    """The sender learns the MTU, also if the packet might be cut: who does not let others cut must not send more."""
    bauta = lab.use(Whole("50000-50009", *ANYBODY))
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    a = lab.A.udp(5000, remote=external2)
    a.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, how)
    lab.R.ip("route add 192.168.0.6/32 dev eth1 mtu lock 1200")
    at_a = lab.capture(lab.A)
    a.send(bytes(1300))
    error = at_a.one(match(proto="icmp", icmp=(3, 4)))
    assert (error.src, error[ICMP].nexthopmtu, quoted(error).dst) == (lab.R.internal, 1200, lab.R.external)
    check_checksums(bytes(error))
    assert counts(bauta, "too-big", "hairpin") == [1, 0]
    if how == IP_PMTUDISC_DO:
        with pytest.raises(OSError) as told:
            a.send(bytes(1300))
        assert told.value.errno == errno.EMSGSIZE
    else:
        a.send(bytes(1300))
        assert a2.recv(2000) == bytes(1300)
        assert counts(bauta, "too-big", "hairpin") == [1, 2]


def test_large_datagrams(share_lab):
    """In pieces, as the senders' kernels cut them, both ways."""
    lab = share_lab(Whole, "50000-50009", *ANYBODY, offload=False)
    bauta = lab.gateway
    a, external = mapped_udp(lab, lab.A, 5000)
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    at_a, at_a2 = lab.capture(lab.A), lab.capture(lab.A2)
    for size in (3000, 8000, 60000):
        data = os.urandom(size)
        for one, other, to, seen in ((a, a2, external2, external), (a2, a, external, external2)):
            one.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
            one.sendto(data, to)
            assert other.recvfrom(65536) == (data, seen)
    expect_only(at_a, lab.A.address, lab.R.external)
    expect_only(at_a2, lab.A2.address, lab.R.external)
    assert counts(bauta, "inside", "fragment") == [0, 0]


def test_fragments_in_any_order(lab):
    """And from two senders with one identification, which their common address would mix up (RFC 6864 §5.3.1)."""
    lab.use(Whole("50000-50009", *ANYBODY))
    lab.A.ip("addr add 192.168.0.7/24 dev eth0")
    senders = [mapped_udp(lab, lab.A, 5000), mapped_udp(lab, lab.A, 5000, "192.168.0.7")]
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    for number, order in enumerate(itertools.permutations(range(3))):
        sent, pieces = {}, []
        for client, external in senders:
            data = sent[external] = os.urandom(3000)
            whole = IP(src=client.getsockname()[0], dst=external2[0], id=1000 + number)
            pieces.append(fragment(whole / UDP(sport=5000, dport=external2[1]) / data, 1480))
        for index in order:
            lab.A.send(*(each[index] for each in pieces))
        for _ in senders:
            data, peer = a2.recvfrom(4000)
            assert sent.pop(peer) == data


def test_no_way_back(lab):
    bauta = lab.use(Whole("50000-50009", *ANYBODY))
    _, external2 = mapped_udp(lab, lab.A2, 6000)
    lab.R.ip("route add unreachable 192.168.0.6/32")
    a = lab.A.udp(5000, remote=external2)
    assert errno_of(a) == errno.EHOSTUNREACH
    assert counts(bauta, "no-route", "hairpin") == [1, 0]


def test_no_port_is_told(lab):
    """A has no external endpoint, and gets none: it is refused as it would be toward others."""
    bauta = lab.use(Whole("50000", "--on-full", "refuse", *ANYBODY))
    _, external2 = mapped_udp(lab, lab.A2, 6000)
    a = lab.A.udp(5000, remote=external2)
    assert errno_of(a) == errno.EHOSTUNREACH
    assert counts(bauta, "no-port", "hairpin") == [1, 0]


def test_forged_source(share_lab):
    """Our own address as the source: it could go round for ever (RFC 6146 §5.4)."""
    lab = share_lab(Whole, "50000-50009", *ANYBODY, offload=False)
    bauta = lab.gateway
    _, external2 = mapped_udp(lab, lab.A2, 6000)
    at_a2 = lab.capture(lab.A2)
    lab.A.send(IP(src=lab.R.external, dst=external2[0]) / UDP(sport=50001, dport=external2[1]) / b"forged")
    lab.settle(lab.A, lab.A2)
    assert counts(bauta, "martian", "hairpin") == [1, 0]
    assert not at_a2.packets(match(proto="udp"))


def test_source_that_lives_elsewhere(lab):
    """A host in the name of one behind another interface: the stack judges that (rp_filter), and no session is made for it."""
    bauta = lab.use(Whole("50000-50009", *ANYBODY))
    add_interface(lab)
    wait_inside(bauta, "eth1", "eth2")
    a, external = mapped_udp(lab, lab.A, 5000)
    a2, external2 = mapped_udp(lab, lab.A2, 6000, "192.168.1.6")
    at_a2 = lab.capture(lab.A2, "eth1")
    before = len(bauta.json("show", "sessions"))
    lab.R.sysctl("net.ipv4.conf.eth1.rp_filter", 1)
    lab.A.send(IP(src="192.168.1.6", dst=external2[0]) / UDP(sport=6001, dport=external2[1]) / b"forged")
    until(lambda: counts(bauta, "inside") == [1], lambda: bauta.drops())
    assert counts(bauta, "hairpin") == [0]
    assert len(bauta.json("show", "sessions")) == before
    assert not at_a2.packets(lambda packet: b"forged" in bytes(packet) and packet.proto == 17)
    assert ask(a, a2, external2) == external


def test_who_is_not_internal(lab):
    bauta = lab.use(Whole("50000-50009", *ANYBODY, internal=["192.168.0.6/32"]))
    _, external2 = mapped_udp(lab, lab.A2, 6000)
    a = lab.A.udp(5000, remote=external2)
    assert errno_of(a) == errno.ECONNREFUSED
    assert counts(bauta, "inside", "hairpin") == [1, 0]


def test_nobody_outside_is_disturbed(lab):
    """Bystanders' frames, seen in promiscuous mode, are not for us; nor is what comes for other addresses counted."""
    bauta = lab.use(Whole("50000-50009", *ANYBODY))
    a, external = mapped_udp(lab, lab.A, 5000)
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    lab.R.ip("link set eth1 promisc on")
    before = bauta.packets()
    lab.A.send(IP(src=lab.A.address, dst=external2[0]) / UDP(sport=5000, dport=external2[1]), to="02:00:00:00:00:99")
    lab.A.do("ping", "-n", "-c1", "-W2", lab.R.internal)
    assert bauta.packets() == before
    assert ask(a, a2, external2) == external


def test_bulk(make_lab):
    """Segments that wait to be cut and summed up by a device, in both directions."""
    lab = make_lab()
    bauta = lab.use(Whole("50000-50009", *ANYBODY))
    _, external2 = mapped_tcp(lab, lab.A2, 6000)
    lab.A2.start("iperf3", "-s", "-1", "-p", "6000")
    lab.A2.wait_listening(6000)
    # iperf3 has a connection for control and one for data
    report = lab.A.do("iperf3", "-c", external2[0], "-p", str(external2[1]), "-n", "40M", "--bidir", limit_s=30)
    assert "receiver" in report
    for host in (lab.A, lab.A2):
        names, values = [line.split() for line in host.read("/proc/net/snmp").splitlines() if line.startswith("Tcp:")]
        assert values[names.index("InCsumErrors")] == "0"
    assert counts(bauta, "rewrite", "too-big", "inside") == [0, 0, 0]


def add_interface(lab, name="eth2"):
    """One more interface of R that leads inside, with A2 behind it, which uses it from now on."""
    lab.A2.ip(f"link add eth1 type veth peer name {name} netns {lab.R.netns}")
    lab.R.ip(f"addr add 192.168.1.1/24 dev {name}", f"link set {name} up")
    lab.A2.ip("addr add 192.168.1.6/24 dev eth1", "link set eth1 up", "route replace default via 192.168.1.1 dev eth1")


def wait_inside(bauta, *names):
    """Waits until the hairpin programs of an instance are where they should be."""

    def at():
        return sorted(bauta.json("show", "status", "-e", bauta.dev)["hairpin"])

    until(lambda: at() == sorted(names), lambda: f"for hairpin at {names}, not {at()}")


def test_interfaces_come_and_go(lab):
    bauta = lab.use(Whole("50000-50009", *ANYBODY))
    assert bauta.status()["hairpin"] == ["eth1"]
    a, external = mapped_udp(lab, lab.A, 5000)
    add_interface(lab)
    wait_inside(bauta, "eth1", "eth2")
    a2, external2 = mapped_udp(lab, lab.A2, 6000, "192.168.1.6")
    at_a2 = lab.capture(lab.A2, "eth1")
    assert ask(a, a2, external2) == external
    assert ask(a2, a, external) == external2
    assert "192.168.0.5" not in addresses_seen(at_a2)
    lab.R.ip("link set eth2 name lan2")
    wait_inside(bauta, "eth1", "lan2")
    lab.R.ip("link del lan2")
    wait_inside(bauta, "eth1")
    lab.R.ip("link add br0 type bridge", "link set br0 up", "link set eth1 master br0")
    wait_inside(bauta, "br0")
    lab.R.ip("link set eth1 nomaster", "link del br0")
    wait_inside(bauta, "eth1")


def test_interface_without_link_header(lab):
    """A2 is behind a tunnel: to it, from it, to itself, and an answer to what is refused."""
    bauta = lab.use(Whole("50000-50009", *ANYBODY))
    with contextlib.closing(TunWire(lab.R, lab.A2, 1400, "tun0")):
        lab.R.ip("addr add 192.168.2.1/24 dev tun0")
        lab.A2.ip("addr add 192.168.2.6/24 dev tun0", "route replace default via 192.168.2.1 dev tun0")
        wait_inside(bauta, "eth1", "tun0")
        a, external = mapped_udp(lab, lab.A, 5000)
        a2, external2 = mapped_udp(lab, lab.A2, 6000, "192.168.2.6")
        at_a2 = lab.capture(lab.A2, "tun0")
        assert ask(a, a2, external2) == external
        assert ask(a2, a, external) == external2
        a2.sendto(b"me", external2)
        assert a2.recvfrom(100) == (b"me", external2)
        a.connect(external2)
        a.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        assert errno_of(a, bytes(1400)) == errno.EMSGSIZE
        a2.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
        a2.connect(external)
        assert errno_of(a2) == errno.EHOSTUNREACH
        assert at_a2.one(match(proto="icmp", icmp=(11, 0))).src == "192.168.2.1"
        expect_only(at_a2, "192.168.2.6", lab.R.external, "192.168.2.1")
        _, external2 = mapped_tcp(lab, lab.A2, 6000, "192.168.2.6")
        server = lab.A2.listen(6000, "192.168.2.6")
        client = lab.A.connect(external2)
        conn, _ = accept(client, server)
        chat(client, conn)
    wait_inside(bauta, "eth1")


def test_reload(lab, tmp_path):
    """SIGHUP: what the file says now is in force, and sessions stay."""
    file = tmp_path / "bauta.conf"
    file.write_text("filtering = endpoint-independent\n")
    bauta = lab.use(Whole("50000-50009", "-c", str(file)))
    a, external = mapped_udp(lab, lab.A, 5000)
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    assert ask(a, a2, external2) == external
    for where, names in (("off", []), ("eth1", ["eth1"]), ("eth9", []), ("auto", ["eth1"])):
        file.write_text(f"filtering = endpoint-independent\nhairpin = {where}\n")
        bauta.daemon.kill(signal.SIGHUP)
        wait_inside(bauta, *names)
    assert ask(a, a2, external2) == external


def test_listed_interfaces(lab):
    bauta = lab.use(Whole("50000-50009", *ANYBODY, "--hairpin", "eth2"))
    assert bauta.status()["hairpin"] == []
    until(lambda: "hairpin program to eth2: there is no such interface" in bauta.log, lambda: f"for a warning in {bauta.log}")
    a, _ = mapped_udp(lab, lab.A, 5000)
    add_interface(lab)
    wait_inside(bauta, "eth2")
    a2, external2 = mapped_udp(lab, lab.A2, 6000, "192.168.1.6")
    a.connect(external2)
    assert errno_of(a) == errno.ECONNREFUSED
    other, external = mapped_udp(lab, lab.A, 5001)
    a2.sendto(b"hello", external)
    assert other.recvfrom(100) == (b"hello", external2)


def test_off(lab):
    bauta = lab.use(Whole("50000-50009", *ANYBODY, "--hairpin", "off"))
    assert bauta.status()["hairpin"] == []
    _, external2 = mapped_udp(lab, lab.A2, 6000)
    a = lab.A.udp(5000, remote=external2)
    assert errno_of(a) == errno.ECONNREFUSED
    assert counts(bauta, "inside") == [0]


def test_outlives_the_daemon(lab):
    """Killed, it goes on; the next run takes it over, or away; `down` leaves nothing."""
    bauta = lab.use(Whole("50000-50009", *ANYBODY))
    a, external = mapped_udp(lab, lab.A, 5000)
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    bauta.kill()
    assert ask(a, a2, external2) == external
    bauta.start()
    assert bauta.status()["hairpin"] == ["eth1"]
    assert ask(a, a2, external2) == external
    bauta.kill()
    bauta.arguments += ["--hairpin", "off"]
    bauta.start()
    assert bauta.status()["hairpin"] == []
    a.connect(external2)
    assert errno_of(a) == errno.ECONNREFUSED
    bauta.kill()
    bauta.arguments = bauta.arguments[:-2]
    bauta.start()
    assert ask(a, a2, external2) == external
    bauta.kill()
    bauta.down()
    assert errno_of(a) == errno.ECONNREFUSED


def test_somebody_takes_the_program_away(lab):
    """As by `tc qdisc del dev eth1 clsact` on older kernels; here the interface leaves and comes back."""
    bauta = lab.use(Whole("50000-50009", *ANYBODY))
    lab.R.ip(f"link set eth1 netns {lab.B.netns}")
    wait_inside(bauta)
    lab.B.ip(f"link set eth1 netns {lab.R.netns}")
    lab.R.ip("addr add 192.168.0.1/24 dev eth1", "link set eth1 up")
    wait_inside(bauta, "eth1")


def test_two_gateways(lab):
    """Each has its own program at the interface inside, and takes only that away."""
    lab.R.ip("link add eth3 type veth peer name outside3", "addr add 203.0.113.1/24 dev eth3", "link set eth3 up",
             "link set outside3 up")
    one = lab.use(Whole("50000-50009", *ANYBODY))
    wait_inside(one, "eth1", "eth3", "outside3")
    two = lab.use(Whole("50000-50009", dev="eth3"))
    wait_inside(one, "eth1", "outside3")
    wait_inside(two, "eth1", "outside3")
    a, external = mapped_udp(lab, lab.A, 5000)
    a2, external2 = mapped_udp(lab, lab.A2, 6000)
    assert ask(a, a2, external2) == external
    two.stop()
    assert ask(a, a2, external2) == external
    wait_inside(one, "eth1", "eth3", "outside3")


def test_crafted_tcp_is_not_let_through(share_lab):
    """A segment of no connection makes none at the other side: the host's RST tells its sender."""
    lab = share_lab(Whole, "50000-50009", *ANYBODY, offload=False)
    bauta = lab.gateway
    _, external2 = mapped_tcp(lab, lab.A2, 6000)
    phantom = lab.phantom(lab.A, "192.168.0.77")
    at_a, at_a2 = lab.capture(lab.A), lab.capture(lab.A2)
    lab.A.send(IP(src=phantom, dst=external2[0]) / TCP(sport=5000, dport=external2[1], flags="A", seq=1, ack=1))
    assert at_a.one(match(proto="tcp", flags="R")).src == lab.R.external
    assert not at_a2.packets(match(proto="tcp"))
    assert counts(bauta, "hairpin") == [0]
