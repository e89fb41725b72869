# SPDX-License-Identifier: GPL-2.0-or-later
"""What may stand in R between inside and outside: nothing, the kernel's own masquerade, or bauta.
All have start(lab) and finish(), so that one test can be run against each of them."""

import json
import os
import pathlib
import re
import signal
import socket
import sys

from wait import until

SO_NETNS_COOKIE = 71

BAUTA = os.environ.get("BAUTA", str(pathlib.Path(__file__).resolve().parents[2] / "build" / "bauta"))


class Plain:
    """No translation: outside hosts get a route to the inside, which proves the lab's wires by themselves."""

    name = "plain"

    def start(self, lab):
        for host in (lab.hosts.get("B"), lab.hosts.get("B2")):
            if host is not None:
                host.ip("route replace 192.168.0.0/16 via 192.0.2.1")

    def finish(self):
        pass


class NftMasquerade:
    """The kernel's own masquerade, as in `iptables -t nat -A POSTROUTING -j MASQUERADE --to-ports …`."""

    name = "nft"

    def __init__(self, ports=None):
        self.ports = ports

    def start(self, lab):
        ports = f'oifname "eth0" meta l4proto {{ tcp, udp }} masquerade to :{self.ports}' if self.ports else ""
        lab.R.nft(
            f"""table ip nat {{
                chain postrouting {{
                    type nat hook postrouting priority srcnat
                    {ports}
                    oifname "eth0" masquerade
                }}
            }}"""
        )

    def finish(self):
        pass


class Bauta:
    """The gateway of this project: its daemon in R's namespace, and its command line.

    Without hairpin, unless a test says otherwise by its options or has a configuration file: the kernel takes as long to
    judge that program as all the others, and most tests never send it a packet. `Whole` is as users start it.
    """

    name = "bauta"
    hairpin = "off"

    def __init__(self, ports=None, *options, dev="eth0", clock_factor=None, internal=(), keep=False, netns_exec=False):
        self.dev = dev
        self.arguments = ["-e", dev]
        if ports:
            self.arguments += ["-p", ports]
        for prefix in internal:
            self.arguments += ["--internal", prefix]
        if clock_factor:
            self.arguments += ["--clock-factor", str(clock_factor)]
        if keep:
            self.arguments.append("--keep")
        if self.hairpin and not {"--hairpin", "-c"} & set(options):
            self.arguments += ["--hairpin", self.hairpin]
        self.arguments += options
        self.clock_factor = clock_factor or 1
        self.keep = keep
        self.netns_exec = netns_exec
        self.lab = None
        self.host = None
        self.daemon = None
        self.attached = False
        self._counted = {}

    @classmethod
    def of(cls, host, dev="eth0"):
        """The instance of a host's interface, whoever started it."""
        made = cls(dev=dev)
        made.host = host
        return made

    # The daemon

    def start(self, lab=None):
        """Starts `bauta run` and waits for its ready line; returns that line."""
        self.lab = lab or self.lab
        self.host = self.lab.R
        self.daemon = self.launch()
        match = self.daemon.wait_text(r"^bauta: ready: .*$", limit_s=20)
        self.attached = True
        return match.group(0)

    def launch(self, *more):
        """Starts `bauta run` without waiting for anything."""
        prefix = ["ip", "netns", "exec", self.host.netns] if self.netns_exec else []
        return self.host.start(*prefix, BAUTA, "run", *self.arguments, *more)

    @property
    def log(self):
        return self.daemon.stderr

    def stop(self):
        """Ends the daemon as its service manager would."""
        status = self.daemon.stop(signal.SIGTERM, limit_s=10)
        assert status == 0, self.daemon.report()
        self.attached = self.keep

    def kill(self):
        """Kills the daemon; the data plane is expected to stay."""
        self.daemon.stop(signal.SIGKILL)

    def down(self):
        done = self.cli("down", "-e", self.dev)
        assert done.status == 0, done.report()
        self.attached = False

    # The command line

    def cli(self, *words, limit_s=10):
        prefix = ["ip", "netns", "exec", self.host.netns] if self.netns_exec else []
        return self.host.run(*prefix, BAUTA, *words, limit_s=limit_s)

    def text(self, *words):
        done = self.cli(*words)
        assert done.status == 0, done.report()
        return done.text

    def json(self, *words):
        done = self.cli(*words, "-j")
        assert done.status == 0, done.report()
        return json.loads(done.text)

    def sessions(self, *filters):
        return self.json("show", "sessions", *filters)

    def mappings(self, *filters):
        return self.json("show", "mappings", *filters)

    def ports(self, proto=None):
        rows = self.json("show", "ports")
        if proto is None:
            return rows
        (row,) = [row for row in rows if row["proto"] == proto]
        return row

    def status(self):
        return self.json("show", "status")

    def drops(self):
        """Every reason that was counted (by this test): {reason: row}."""
        rows = {row["reason"]: row for row in self.json("show", "drops")}
        for reason, packets in self._counted.items():
            rows[reason]["packets"] -= packets
        return {reason: row for reason, row in rows.items() if row["packets"]}

    def packets(self, *verdicts):
        """How many packets were counted under reasons of these verdicts (of all, if none is given)."""
        return sum(row["packets"] for row in self.drops().values() if not verdicts or row["verdict"] in verdicts)

    def explain(self, proto, external, remote):
        return self.json("explain", proto, external, remote)

    def watch(self):
        """Starts `bauta watch -j` and waits until it listens to the daemon."""
        return Watch(self)

    def wait_sessions(self, count, *filters, limit_s=5.0):
        """Waits until exactly count sessions match the filters, and returns them."""
        last = []

        def right():
            last[:] = self.sessions(*filters)
            return len(last) == count

        until(right, lambda: f"for {count} sessions {filters}, there are {last}", limit_s)
        return last

    def fsck(self):
        """Asserts that the store keeps all its invariants, and returns the counts."""
        done = self.cli("fsck", "-e", self.dev, "-j")
        assert done.status == 0, done.report()
        found = json.loads(done.text)
        assert not found["violations"], done.report()
        return found

    # Between two tests that share it

    def clear(self):
        """A check of the store, then none of its sessions is left, and what was counted so far counts no more."""
        assert self.daemon.running, self.daemon.report()
        self.fsck()
        self.text("flush", "-e", self.dev)
        found = self.fsck()
        assert not found["sessions"] and not found["mappings"], found
        self._counted = {}
        self._counted = {reason: row["packets"] for reason, row in self.drops().items()}

    # The end

    def finish(self):
        """What every test owes: a clean store, a clean exit, nothing left at the interface."""
        if self.daemon is None:
            return
        if self.attached:
            self.fsck()
        if self.daemon.running:
            self.stop()
        if self.attached:
            self.down()
        self.assert_gone()
        for line in self.log.splitlines():
            assert not re.search(r"AddressSanitizer|runtime error|assert|libbpf: ", line), self.daemon.report()

    def assert_gone(self):
        """Nothing of us is attached to the interface any more, and nobody answers for it."""
        for hook in ("ingress", "egress"):
            left = self.host.run("tc", "filter", "show", "dev", self.dev, hook).text
            assert not left.strip(), f"tc filter left behind: {left}"
        left = self.host.do("tc", "qdisc", "show", "dev", self.dev)
        assert "clsact" not in left, f"qdisc left behind: {left}"
        left = self.pins() + self.files()
        assert not left, f"left behind: {left}"
        done = self.cli("show", "status", "-e", self.dev)
        assert done.status == 1, f"still there: {done.report()}"

    def _name(self):
        with self.host.socket(socket.SOCK_DGRAM) as probe:
            cookie = int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), sys.byteorder)
        return f"{cookie}-{self.dev}"

    def pins(self):
        """The directory of this instance in bauta's bpffs, if there is one."""
        return [str(path) for path in pathlib.Path("/run/bauta/bpf").glob(self._name())]

    def files(self):
        """Its lock and its socket of events."""
        return [str(path) for path in pathlib.Path("/run/bauta").glob(f"{self._name()}.*")]


class Whole(Bauta):
    """With everything that is there by default."""

    hairpin = None


class Watch:
    """`bauta watch -j`: events as they come."""

    def __init__(self, gateway):
        self._process = gateway.host.start(BAUTA, "watch", "-e", gateway.dev, "-j")
        until(lambda: self._is_connected(gateway.host), lambda: f"for a connection of {self._process.report()}")

    @staticmethod
    def _is_connected(host):
        """Whether the daemon has accepted a connection on its socket of events (then it has an inode)."""
        for line in host.read("/proc/net/unix").splitlines():
            field = line.split()
            if field[-1].startswith("/run/bauta/") and field[5] == "03" and field[6] != "0":
                return True
        return False

    def events(self):
        lines = self._process.text.split("\n")[:-1]
        return [json.loads(line) for line in lines if line]

    def wait(self, match, limit_s=5.0):
        """Waits for an event for which match(event) is true, and returns it."""

        def found():
            assert self._process.running, self._process.report()
            return [event for event in self.events() if match(event)]

        return until(found, lambda: f"for an event; seen: {self.events()}", limit_s)[0]
