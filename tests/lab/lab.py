# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab: hosts in network namespaces of their own, wired inside – gateway – outside, gone when the test ends.

    A  192.168.0.5 ─┐                                      ┌─ B  192.0.2.8
                    ├─ 192.168.0.1 eth1 [R] eth0 192.0.2.1 ─┤
    A2 192.168.0.6 ─┘                                      └─ B2 192.0.2.9

With inside_router A moves to 192.168.10.5, behind I (192.168.10.1 | 192.168.0.2).
With outside_router B and B2 move to 198.51.100.8 and .9, behind X (192.0.2.254 | 198.51.100.1).
second_router() adds Y (192.0.2.253 | 198.51.100.2) beside X.
With external="tun" the wire R – B is a pair of tun devices: no link header, and no B2 (B has both addresses).

The wires are veth pairs that end in the bridges of a switch, in a namespace of its own.
"""

import atexit
import fcntl
import itertools
import os
import socket
import struct
import subprocess
import threading
import time

from capture import Capture
from host import Host

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x0001 | 0x1000

_serial = itertools.count()
_left_behind = []


def _ip(*lines):
    batch = "\n".join(lines) + "\n"
    done = subprocess.run(["ip", "-batch", "-"], input=batch, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip: {done.stderr}"


def _delete_namespaces(names):
    """A name leaves the list only when its namespace is gone, so that what fails here is tried again at exit."""
    for name in list(names):
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
        if not os.path.exists(f"/run/netns/{name}"):
            names.remove(name)


atexit.register(_delete_namespaces, _left_behind)


class TunWire(threading.Thread):
    """Two tun devices, one in each host, and the thread that carries packets between them."""

    def __init__(self, one, other, mtu, dev="eth0"):
        super().__init__(daemon=True)
        self._ends = [self._open(one, dev, mtu), self._open(other, dev, mtu)]
        self._stop_read, self._stop_write = os.pipe()
        self.start()

    @staticmethod
    def _open(host, dev, mtu):
        with host.inside():
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", dev.encode(), IFF_TUN_NO_PI))
        host.ip(f"link set {dev} mtu {mtu} up")
        return fd

    def run(self):
        import select  # pylint: disable=import-outside-toplevel

        poll = select.poll()
        for fd in (*self._ends, self._stop_read):
            poll.register(fd, select.POLLIN)
        other = {self._ends[0]: self._ends[1], self._ends[1]: self._ends[0]}
        while True:
            for fd, _ in poll.poll():
                if fd == self._stop_read:
                    return
                try:
                    os.write(other[fd], os.read(fd, 65536))
                except OSError:
                    pass  # a device that is down, or a packet it refuses: a wire loses those

    def close(self):
        os.write(self._stop_write, b"x")
        self.join()
        for fd in (*self._ends, self._stop_read, self._stop_write):
            os.close(fd)


class Lab:
    """One gateway R with its inside and its outside. close() removes everything, also after a half-done start."""

    def __init__(
        self,
        *,
        external="ethernet",
        inside_router=False,
        outside_router=False,
        mtu=1500,
        external_mtu=None,
        offload=True,
        gro=False,
        forward=True,
    ):
        self.suffix = f"{os.getpid():x}{next(_serial):x}"
        self.hosts = {}
        self.gateways = []
        self._namespaces = _left_behind
        self._wire = None
        self._external_mtu = external_mtu or mtu
        names = ["A", "A2", "R", "B"] + ["B2"] * (external != "tun") + ["I"] * inside_router + ["X"] * outside_router
        try:
            self._make_hosts(names + ["switch"])
            self._lay_wires(external, inside_router, outside_router, mtu)
            if not offload:
                self._switch_off_offloads()
            if gro:
                for host, dev in self._ports():
                    host.do("ethtool", "-K", dev, "gro", "on")
            if forward:
                self.R.sysctl("net.ipv4.ip_forward", 1)
        except BaseException:
            self.close()
            raise

    # Construction

    def _make_hosts(self, names):
        spaces = {name: f"bt-{self.suffix}-{name}" for name in names}
        self._namespaces.extend(spaces.values())
        _ip(*(f"netns add {space}" for space in spaces.values()))
        for name, space in spaces.items():
            host = self.hosts[name] = Host(name, space)
            host.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
            host.sysctl("net.ipv6.conf.default.disable_ipv6", 1)

    def lay(self, host, dev, bridge, addresses=(), mtu=1500):
        """A wire from an interface of host, which is made, to a bridge of the switch."""
        port = f"{host.name}-{dev}"
        _ip(f"link add {dev} netns {host.netns} type veth peer name {port} netns {self.switch.netns}")
        self.switch.ip(f"link set {port} mtu {mtu} master {bridge} up")
        host.ip(f"link set {dev} mtu {mtu} up", *(f"addr add {address} dev {dev}" for address in addresses))

    def _lay_wires(self, external, inside_router, outside_router, mtu):
        bridges = ["in", "out"] + ["deep"] * inside_router + ["far"] * outside_router
        for name in bridges:
            self.switch.ip(
                f"link add {name} type bridge forward_delay 0 mcast_snooping 0", f"link set {name} mtu {mtu} up"
            )
        for host in self.hosts.values():
            if host is not self.switch:
                host.ip("link set lo up")

        self.R.internal = "192.168.0.1"
        self.R.external = self.R.address = "192.0.2.1"
        self.lay(self.R, "eth1", "in", ["192.168.0.1/24"], mtu)
        self.lay(self.A2, "eth0", "in", ["192.168.0.6/24"], mtu)
        self.A2.address = "192.168.0.6"
        if inside_router:
            self.A.address = "192.168.10.5"
            self.lay(self.A, "eth0", "deep", ["192.168.10.5/24"], mtu)
            self.lay(self.I, "eth0", "in", ["192.168.0.2/24"], mtu)
            self.lay(self.I, "eth1", "deep", ["192.168.10.1/24"], mtu)
            self.I.address = "192.168.0.2"
            self.I.sysctl("net.ipv4.ip_forward", 1)
            self.A.ip("route add default via 192.168.10.1")
            self.I.ip("route add default via 192.168.0.1")
            self.R.ip("route add 192.168.10.0/24 via 192.168.0.2")
            self.A.next_hop = self.I.mac("eth1")
        else:
            self.A.address = "192.168.0.5"
            self.lay(self.A, "eth0", "in", ["192.168.0.5/24"], mtu)
            self.A.ip("route add default via 192.168.0.1")
            self.A.next_hop = self.R.mac("eth1")
        self.A2.ip("route add default via 192.168.0.1")
        self.A2.next_hop = self.R.mac("eth1")

        if external == "tun":
            self._wire = TunWire(self.R, self.B, self._external_mtu)
            self.R.ip("addr add 192.0.2.1/24 dev eth0")
            self.B.ip("addr add 192.0.2.8/24 dev eth0", "addr add 192.0.2.9/24 dev eth0")
            self.B.address = "192.0.2.8"
            return
        self.lay(self.R, "eth0", "out", ["192.0.2.1/24"], self._external_mtu)
        subnet, bridge = ("198.51.100", "far") if outside_router else ("192.0.2", "out")
        for host, number in ((self.B, 8), (self.B2, 9)):
            host.address = f"{subnet}.{number}"
            self.lay(host, "eth0", bridge, [f"{host.address}/24"], mtu)
        if outside_router:
            self.lay(self.X, "eth0", "out", ["192.0.2.254/24"], mtu)
            self.lay(self.X, "eth1", "far", ["198.51.100.1/24"], mtu)
            self.X.address = "192.0.2.254"
            self.X.sysctl("net.ipv4.ip_forward", 1)
            self.R.ip("route add default via 192.0.2.254")
        for host in (self.B, self.B2):
            host.next_hop = self.X.mac("eth1") if outside_router else self.R.mac("eth0")
            if outside_router:
                host.ip("route add default via 198.51.100.1")
        self.R.next_hop = self.X.mac("eth0") if outside_router else self.B.mac("eth0")

    def second_router(self):
        """Y, another way from R to B beside X. Nobody has a route by it yet."""
        self._make_hosts(["Y"])
        self.lay(self.Y, "eth0", "out", ["192.0.2.253/24"])
        self.lay(self.Y, "eth1", "far", ["198.51.100.2/24"])
        self.Y.address = "192.0.2.253"
        self.Y.sysctl("net.ipv4.ip_forward", 1)
        return self.Y

    def _ports(self):
        """Every veth end of every host, the switch's excluded."""
        for host in self.hosts.values():
            if host is not self.switch:
                with host.inside():
                    devs = [name for _, name in socket.if_nameindex()]
                yield from ((host, dev) for dev in devs if dev != "lo")

    def _switch_off_offloads(self):
        """Then every packet on every wire carries a whole checksum and is no longer than its MTU."""
        for host, dev in self._ports():
            host.do("ethtool", "-K", dev, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")

    def __getattr__(self, name):
        try:
            return self.__dict__["hosts"][name]
        except KeyError:
            raise AttributeError(f"the lab has no {name}") from None

    # What tests do with it

    def capture(self, host, dev="eth0"):
        return Capture(host, dev)

    def phantom(self, near, address):
        """Makes address one whose packets reach a host that does not own it: captured there, answered by nobody."""
        dev = "eth0" if near in (self.hosts.get("B"), self.hosts.get("B2")) else "eth1"
        self.R.ip(f"neigh replace {address} lladdr {near.mac()} dev {dev} nud permanent")
        return address

    def meet(self):
        """Resolves every neighbour once, so that no packet of the test waits for ARP or is lost to its queue."""
        for host in (self.A, self.A2):
            host.do("ping", "-c1", "-W2", "-q", self.R.internal)
        for host in (self.hosts.get("B"), self.hosts.get("B2")):
            if host is not None:
                self.R.do("ping", "-c1", "-W2", "-q", host.address)

    def settle(self, *hosts):
        """Returns when what was sent so far has been processed by all kernels: a packet is handled on the CPU that
        sent it, in order, so a ping and its answer on each CPU, across as many hops, come after it."""
        allowed = os.sched_getaffinity(0)
        try:
            for cpu in allowed:
                os.sched_setaffinity(0, {cpu})
                for host in hosts or (self.A, self.B):
                    for _ in range(3):
                        self._ping_router(host)
        finally:
            os.sched_setaffinity(0, allowed)
        if self._wire:
            time.sleep(0.05)  # the carrying thread has no queue that could be asked

    def _ping_router(self, host):
        """One echo to a router address next to the host, through no NAT, with a fresh identifier."""
        target = {"A": self.R.internal, "A2": self.R.internal}.get(host.name, self.R.external)
        identifier = next(_serial) & 0xFFFF
        request = struct.pack("!BBHHH", 8, 0, 0, identifier, 1)
        total = sum(struct.unpack("!4H", request))
        request = struct.pack("!BBHHH", 8, 0, ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF, identifier, 1)
        with host.inside():
            probe = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        with probe:
            probe.settimeout(2)
            probe.sendto(request, (target, 0))
            while True:
                answer = probe.recv(2048)
                if answer[20] == 0 and answer[24:26] == request[4:6]:
                    return

    def use(self, gateway):
        """Starts a gateway in R; the lab ends it."""
        self.gateways.append(gateway)
        gateway.start(self)
        return gateway

    # Between two tests that share it

    def mark(self):
        """Whatever there is now is there for all of these tests."""
        for host in self.hosts.values():
            host.mark()

    def clear(self):
        """Ends what the last test has started; its gateways have checked and emptied their tables."""
        for host in self.hosts.values():
            host.clear()
        self.settle()
        for gateway in self.gateways:
            gateway.clear()

    # The end

    def finish(self):
        """The checks that every test owes (gateway.finish); close() still has to come."""
        for gateway in reversed(self.gateways):
            gateway.finish()

    def close(self):
        problems = []
        for host in self.hosts.values():
            try:
                host.close()
            except AssertionError as problem:
                problems.append(str(problem))
        if self._wire:
            self._wire.close()
            self._wire = None
        self.hosts.clear()
        mine = [name for name in self._namespaces if name.startswith(f"bt-{self.suffix}-")]
        for name in mine:
            self._namespaces.remove(name)
        _delete_namespaces(mine)
        self._namespaces.extend(mine)
        assert not mine, f"namespaces that cannot be removed: {mine}"
        assert not problems, "\n".join(problems)
