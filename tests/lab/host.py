# SPDX-License-Identifier: GPL-2.0-or-later
"""A host: one network namespace, with what a test does on it: programs, sockets, settings, raw packets."""

import contextlib
import ctypes
import os
import signal
import socket
import struct
import subprocess

from process import Process
from wait import LIMIT_S, until

CLONE_NEWNET = 0x40000000
TIMEOUT_S = 3.0

_libc = ctypes.CDLL(None, use_errno=True)
_home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


class Host:
    """The namespace exists. Who lays the wires sets `address`, and `next_hop`, the MAC address of the router."""

    def __init__(self, name, netns):
        self.name = name
        self.netns = netns
        self.address = None
        self.next_hop = None
        self._fd = os.open(f"/run/netns/{netns}", os.O_RDONLY | os.O_CLOEXEC)
        self._things = []
        self._num_lasting = None
        self._sysctls = {}
        self._wires = {}

    def __repr__(self):
        return self.name

    @contextlib.contextmanager
    def inside(self):
        """The calling thread is in this host's network until the block ends; sockets and programs made there stay."""
        _setns(self._fd)
        try:
            yield
        finally:
            _setns(_home)

    # Programs

    def start(self, *argv, stdin=None, env=None):
        with self.inside():
            process = Process(argv, stdin=stdin, env=env)
        self._things.append(process)
        return process

    def run(self, *argv, limit_s=10.0, stdin=None, env=None):
        """Runs a program to its end, whatever its exit status, and returns it."""
        process = self.start(*argv, stdin=stdin, env=env)
        process.wait(limit_s)
        return process

    def do(self, *argv, limit_s=10.0, stdin=None):
        """Runs a program that must succeed, and returns what it printed."""
        process = self.run(*argv, limit_s=limit_s, stdin=stdin)
        assert process.status == 0, process.report()
        return process.text

    def ip(self, *lines):
        """Runs `ip` command lines in this host, in one process."""
        self.do("ip", "-batch", "-", stdin="\n".join(lines).encode() + b"\n")

    def nft(self, ruleset):
        self.do("nft", "-f", "-", stdin=ruleset.encode())

    def read(self, path):
        with self.inside(), open(path.replace("/proc/net/", "/proc/thread-self/net/"), encoding="ascii") as file:
            return file.read()

    def sysctl(self, name, value):
        path = "/proc/sys/" + name.replace(".", "/")
        if self._num_lasting is not None and name not in self._sysctls:
            self._sysctls[name] = self.read(path).strip()
        with self.inside(), open(path, "w", encoding="ascii") as file:
            file.write(f"{value}\n")

    def own(self, prefix):
        """Every address of prefix is this host's own, without configuring each: for wide address plans."""
        self.ip(f"route add local {prefix} dev lo")

    # Sockets

    def keep(self, thing):
        """Closes thing together with the host."""
        self._things.append(thing)
        return thing

    def socket(self, kind, protocol=0, family=socket.AF_INET):
        with self.inside():
            made = socket.socket(family, kind, protocol)
        made.settimeout(TIMEOUT_S)
        return self.keep(made)

    def udp(self, port=0, address=None, remote=None):
        """A UDP socket on this host, bound, and connected if a remote endpoint is given."""
        made = self.socket(socket.SOCK_DGRAM)
        made.bind((address or self.address, port))
        if remote:
            made.connect(remote)
        return made

    def tcp(self, port=0, address=None):
        made = self.socket(socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address or self.address, port))
        return made

    def listen(self, port, address=None, backlog=64):
        made = self.tcp(port, address)
        made.listen(backlog)
        return made

    def connect(self, remote, port=0, address=None, timeout_s=TIMEOUT_S):
        """A TCP connection from this host; the errno of connect() is raised as it is."""
        made = self.tcp(port, address)
        made.settimeout(timeout_s)
        try:
            made.connect(remote)
        except OSError:
            made.close()
            raise
        made.settimeout(TIMEOUT_S)
        return made

    def wait_listening(self, port, proto="tcp", limit_s=LIMIT_S):
        """Waits until a program of this host has a listening TCP, or a bound UDP, socket on port."""
        state = {"tcp": "0A", "udp": "07"}[proto]

        def listening():
            text = self.read(f"/proc/net/{proto}") + self.read(f"/proc/net/{proto}6")
            for line in text.splitlines():
                field = line.split()
                if len(field) > 3 and field[1].endswith(f":{port:04X}") and field[3] == state:
                    return True
            return False

        until(listening, f"for a {proto} socket on port {port} of {self.name}", limit_s)

    # Packets

    def wire(self, dev="eth0"):
        """The packet socket that this host sends frames through; kept, because closing one takes the kernel long."""
        if dev not in self._wires:
            with self.inside():
                made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            made.bind((dev, 0))
            self._wires[dev] = self.keep(made)
        return self._wires[dev]

    def mac(self, dev="eth0"):
        return self.wire(dev).getsockname()[4].hex(":")

    def send(self, *packets, dev="eth0", to=None):
        """Sends packets (scapy's, or bytes from the IP header on) to the next hop, exactly as they are."""
        header = bytes.fromhex((to or self.next_hop).replace(":", "") + self.mac(dev).replace(":", "")) + b"\x08\x00"
        wire = self.wire(dev)
        for packet in packets:
            wire.send(header + bytes(packet))

    def send_frames(self, *frames, dev="eth0"):
        """Sends whole Ethernet frames."""
        for frame in frames:
            self.wire(dev).send(bytes(frame))

    # The end

    def mark(self):
        """Whatever there is now survives clear()."""
        self._num_lasting = len(self._things)

    def clear(self):
        """Ends what came since mark(), and undoes sysctl(). Connections are reset, so that none of them speaks up later."""
        lasting = self._things[: self._num_lasting]
        for thing in reversed(self._things[self._num_lasting :]):
            if thing in self._wires.values():
                lasting.append(thing)
                continue
            if isinstance(thing, socket.socket) and thing.fileno() >= 0 and thing.type == socket.SOCK_STREAM:
                thing.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            thing.close()
        self._things = lasting
        self._num_lasting = len(lasting)
        for name, value in self._sysctls.items():
            self.sysctl(name, value)
        self._sysctls.clear()

    def pids(self):
        found = subprocess.run(["ip", "netns", "pids", self.netns], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def close(self):
        for thing in reversed(self._things):
            thing.close()
        self._things.clear()
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
