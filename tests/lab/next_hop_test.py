# SPDX-License-Identifier: GPL-2.0-or-later
"""The fast path follows routes and neighbours: whatever changes under a stream, it flows again within a second.

R reaches B by X (192.0.2.254), and can by Y (192.0.2.253); B answers by Y.
"""

import socket
import time

import pytest
from gateway import Bauta
from stream import Stream
from wait import until

LIMIT_S = 1.0
SILENT_S = 1.5  # 0.8 s at most to notice it, on a machine that has time
ETH_P_ALL = 3


class Fast:
    """The lab, a gateway whose packets run through xdp, and a stream through it."""

    def __init__(self, lab, *options, **more):
        self.lab = lab
        lab.second_router()
        for port in ("R-eth0", "R-eth1", "Y-eth0"):  # veth takes redirected frames where its other end has NAPI
            lab.switch.do("ethtool", "-K", port, "gro", "on")
        lab.Y.do("ethtool", "-K", "eth0", "tx", "off")
        lab.B.ip("route replace default via 198.51.100.2")
        lab.Y.do("ping", "-c1", "-W2", "-q", lab.B.address)
        lab.R.do("ping", "-c1", "-W2", "-q", lab.Y.address)
        lab.meet()
        self.bauta = lab.use(
            Bauta("50000-50009", "--hairpin", "off", "--fast-path", "eth0,eth1", *options, **more)
        )
        self.stream = Stream(lab.A, lab.B)
        self.wait_fast()

    def counter(self, reason):
        rows = self.bauta.json("show", "fast-path")["counters"]
        return sum(row["packets"] for row in rows if row["reason"] == reason)

    def generation(self):
        return self.bauta.json("show", "fast-path")["next_hops"]["generation"]

    def wait_fast(self):
        """Waits until packets run through xdp in both directions."""
        before = [self.counter("outbound"), self.counter("inbound")]
        until(
            lambda: all(self.counter(name) > old for name, old in zip(("outbound", "inbound"), before)),
            lambda: f"for packets in xdp: {self.bauta.json('show', 'fast-path')}",
        )

    def next_hops(self):
        """The MAC addresses that packets from R to the outside are sent to, from now on for a while."""
        mac = bytes.fromhex(self.lab.R.mac().replace(":", ""))
        with self.lab.switch.inside():
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        with wire:
            wire.bind(("R-eth0", ETH_P_ALL))
            wire.setblocking(False)
            while True:  # what came before it was bound is of other interfaces
                try:
                    wire.recv(64)
                except BlockingIOError:
                    break
            self.stream.wait_flowing(20)
            found = set()
            while True:
                try:
                    frame = wire.recv(64)
                except BlockingIOError:
                    return found
                if frame[6:14] == mac + b"\x08\x00":
                    found.add(frame[:6].hex(":"))

    def wait_by(self, router):
        """Waits until packets go by that router, and then by no other."""
        until(lambda: self.next_hops() == {router.mac()}, f"for packets by {router}", LIMIT_S)
        assert self.next_hops() == {router.mac()}

    def change(self, what, *arguments, by=None, limit_s=LIMIT_S):
        """Something changes under the stream, which soon flows again, and all by that router."""
        mark = self.stream.mark()
        what(*arguments)
        lost, longest_s = self.stream.outage(mark)
        print(f"{arguments}: lost {lost}, nothing came for {longest_s:.3f} s")
        assert longest_s < limit_s, (arguments, lost, longest_s)
        self.wait_fast()
        if by:
            self.wait_by(by)
        return lost


@pytest.fixture
def fast(make_lab, request):
    made = Fast(make_lab(outside_router=True, offload=False), **getattr(request, "param", {}))
    yield made
    made.stream.close()


def set_mac(host, number, announce):
    """Another MAC address, told to everybody or not."""
    mac = bytes((2, 0, 0, 0, 0, number))
    host.ip(f"link set eth0 address {mac.hex(':')}")
    if announce:
        everybody, own = b"\xff" * 6, socket.inet_aton(host.address)
        arp = bytes.fromhex("0001080006040001") + mac + own + everybody + own
        host.send_frames(everybody + mac + b"\x08\x06" + arp)


def test_a_neighbour_gets_another_mac_address(fast):
    lab = fast.lab
    fast.change(set_mac, lab.X, 1, True, by=lab.X)
    fast.change(set_mac, lab.X, 2, False, by=lab.X, limit_s=SILENT_S)
    fast.change(set_mac, lab.A, 3, True)
    fast.change(set_mac, lab.A, 4, False, limit_s=SILENT_S)


def test_routes_change(fast):
    lab = fast.lab
    ip = lab.R.ip
    assert fast.next_hops() == {lab.X.mac()}
    ip(f"neigh replace {lab.A.address} lladdr {lab.A.mac()} dev eth1 nud permanent")
    shown = fast.bauta.json("show", "fast-path")["next_hops"]
    assert shown["remembered"] == 2 and shown["watched"], shown
    fast.change(ip, "route replace default via 192.0.2.253", by=lab.Y)
    fast.change(ip, f"route add {lab.B.address} via 192.0.2.254", by=lab.X)
    fast.change(ip, f"route del {lab.B.address}", by=lab.Y)
    fast.change(ip, "route del default", "route add default via 192.0.2.254", by=lab.X)
    ip("route add default via 192.0.2.253 table 7")
    fast.change(ip, f"rule add from {lab.A.address} lookup 7", by=lab.Y)
    fast.change(ip, f"rule del from {lab.A.address} lookup 7", by=lab.X)
    ip("nexthop add id 1 via 192.0.2.254 dev eth0", "route replace default nhid 1")
    fast.change(ip, "nexthop replace id 1 via 192.0.2.253 dev eth0", by=lab.Y)
    assert fast.generation() > shown["generation"] + 7
    assert "PERMANENT" in lab.R.do("ip", "neigh", "show", lab.A.address)  # it is not ours to ask


def test_a_neighbour_dies_and_another_takes_over(fast):
    """It is silent, and nothing else tells that it is gone: no carrier is lost. The kernel has two paths."""
    lab = fast.lab
    lab.R.sysctl("net.ipv4.fib_multipath_use_neigh", 1)
    lab.R.ip("route replace default nexthop via 192.0.2.254 nexthop via 192.0.2.253")
    fast.stream.wait_flowing()
    dies, stays = (lab.X, lab.Y) if fast.next_hops() == {lab.X.mac()} else (lab.Y, lab.X)
    if dies is lab.Y:
        lab.B.ip("route replace default via 198.51.100.1")
    fast.change(dies.ip, "link set eth0 down", by=stays, limit_s=SILENT_S)
    lab.R.ip("route replace default via " + stays.address)
    assert fast.counter("neighbour") == 0


def test_the_only_neighbour_dies_and_comes_back(fast):
    """Meanwhile packets go to the stack, which asks for it once a second."""
    lab = fast.lab
    before = fast.counter("neighbour")
    lab.X.ip("link set eth0 down")
    until(lambda: fast.counter("neighbour") > before, "for packets that have no next hop")
    assert "lladdr" not in lab.R.do("ip", "neigh", "show", lab.X.address)
    fast.change(lab.X.ip, "link set eth0 up", by=lab.X, limit_s=2)


def test_a_table_of_routes_is_loaded(fast):
    """Ten times a second all sessions ask the kernel anew, whatever comes; nothing is lost."""
    mark = fast.stream.mark()
    before = fast.generation()
    begin = time.monotonic()
    routes = (f"route add 10.{i >> 8}.{i & 255}.0/24 via 192.0.2.253" for i in range(20000))
    fast.lab.R.ip(*routes)
    fast.lab.R.ip("route replace default via 192.0.2.253")
    fast.wait_by(fast.lab.Y)
    assert 1 < fast.generation() - before < 10 * (time.monotonic() - begin) + 3
    assert fast.stream.outage(mark)[0] == 0


def test_links_and_addresses_change(fast):
    lab = fast.lab
    ip = lab.R.ip

    def bounce(dev, *routes):
        ip(f"link set {dev} down")
        ip(f"link set {dev} up", *routes)

    # the kernel looks at carriers once a second at most: until then the switch does not forward
    fast.change(bounce, "eth1", limit_s=3)
    fast.change(bounce, "eth0", "route add default via 192.0.2.254", by=lab.X, limit_s=3)
    ip("addr add 192.0.2.77/24 dev eth0", "route replace default via 192.0.2.253 src 192.0.2.77")
    fast.wait_by(lab.Y)
    ip("route add default via 192.0.2.254 metric 9")
    fast.change(ip, "addr del 192.0.2.77/24 dev eth0", by=lab.X)  # takes the route with it
    fast.change(ip, "link set eth0 mtu 1400", "link set eth0 mtu 1500", by=lab.X)


@pytest.mark.parametrize("fast", [{"keep": True}], indirect=True)
def test_nobody_watches(fast):
    """The daemon is killed, or ends with --keep: packets go by the stack, and follow the kernel's routes as ever."""
    lab = fast.lab
    for end in (fast.bauta.kill, fast.bauta.stop):
        mark = fast.stream.mark()
        before = fast.counter("unwatched")
        end()
        until(lambda before=before: fast.counter("unwatched") > before, "for packets that xdp gives up")
        assert not fast.bauta.json("show", "fast-path")["next_hops"]["watched"]
        lab.R.ip("route replace default via 192.0.2.253")
        fast.wait_by(lab.Y)
        sent = fast.counter("outbound")
        lab.R.ip("route replace default via 192.0.2.254")
        fast.wait_by(lab.X)
        assert fast.counter("outbound") == sent
        fast.bauta.start()
        fast.wait_fast()
        assert fast.stream.outage(mark)[0] == 0
