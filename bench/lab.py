# SPDX-License-Identifier: GPL-2.0-or-later
"""The namespaces of the bench: a generator inside, a sink outside, and between them one way of forwarding."""

import fcntl
import json
import os
import pathlib
import select
import subprocess
import threading
import time

import descriptors

TOP = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = TOP / "build/bench"

EXTERNAL = "192.0.2.1"
MAC_INSIDE = "02:ba:00:00:00:01"
MAC_GATEWAY_INTERNAL = "02:ba:00:00:00:02"
MAC_GATEWAY_EXTERNAL = "02:ba:00:00:00:03"
MAC_OUTSIDE = "02:ba:00:00:00:04"

DEFAULT_PORTS = (1024, 65535)   # what the kernel's masquerade uses of itself

TIMEOUT_S = 3600                # of UDP sessions

MAX_FILL = 65536                # ports, and flows that can hold them

READY_LIMIT_S = 30
COMMAND_LIMIT_S = 200
LOCK_LIMIT_S = 60               # tests run short ones, several at a time
STOP_LIMIT_S = 20

# Of the reasons in contract.h, enum fast_reason
SENT_ON = slice(0, 2)   # outbound and inbound
REFUSED = slice(3, 4)


class LabError(Exception):
    """A variant cannot be set up or measured; the message says why."""


def call(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise LabError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def ip_batch(namespace, lines):
    call("ip", "-n", namespace, "-batch", "-", input="\n".join(lines) + "\n")


class Traffic:
    """A program of build/bench that makes and takes packets, at work between two namespaces: "traffic" or "burst"."""

    def __init__(self, program, cpu, inside, outside):
        self.process = subprocess.Popen([PROGRAMS / program, str(cpu), *inside, *outside], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.answer(READY_LIMIT_S)
        except BaseException:
            self.close()
            raise

    def answer(self, limit_s):
        readable, _, _ = select.select([self.process.stdout], [], [], limit_s)
        line = self.process.stdout.readline() if readable else ""
        if not line:
            self.process.kill()
            raise LabError(self.process.stderr.read().strip() or f"the generator did not answer within {limit_s} s")
        return json.loads(line)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        return self.answer(COMMAND_LIMIT_S)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Lab:
    """Base of all variants. A context: what it made is gone afterwards, however it ended."""

    name = None
    title = None
    only_creates = False    # what it makes of packets of sessions that are there is another variant's
    external = None     # what the sink outside must see as source; None: the internal address
    ttl = 63

    def __init__(self, cpu, capacity, program="traffic", ports=DEFAULT_PORTS):
        self.cpu = cpu
        self.capacity = capacity
        self.program = program
        self.ports = ports
        self.namespaces = {}
        self.traffic = None
        self.sessions = None    # how many were established
        self.visited = set()    # directions that all of them had a packet in

    def __enter__(self):
        try:
            self.build()
            self.start()
            self.open_traffic()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            if self.traffic:
                self.traffic.close()
            self.stop()
        finally:
            for namespace in self.namespaces.values():
                subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
            self.namespaces = {}

    def add_namespace(self, role):
        namespace = f"bt-{os.getpid()}-{self.name}-{role}"
        call("ip", "netns", "add", namespace)
        self.namespaces[role] = namespace
        self.set_sysctl(role, "net.ipv6.conf.all.disable_ipv6", 1)
        self.set_sysctl(role, "net.ipv6.conf.default.disable_ipv6", 1)
        ip_batch(namespace, ["link set lo up"])

    def set_sysctl(self, role, key, value):
        call("ip", "netns", "exec", self.namespaces[role], "sysctl", "-qw", f"{key}={value}")

    def add_link(self, role, device, mac, peer_role, peer_device, peer_mac):
        """One queue a side, so that the CPU that sends has nothing to choose."""
        queues = "numtxqueues 1 numrxqueues 1"
        here, there = self.namespaces[role], self.namespaces[peer_role]
        ip_batch(here, [f"link add {device} address {mac} {queues} type veth "
                        f"peer name {peer_device} address {peer_mac} {queues} netns {there}",
                        f"link set {device} up"])
        ip_batch(there, [f"link set {peer_device} up"])

    def build(self):
        """Internal hosts 10.1/16 behind 192.168.0.5; remotes 198.18/15 behind 192.0.2.8; neighbours are permanent."""
        for role in ("inside", "gateway", "outside"):
            self.add_namespace(role)
        self.add_link("inside", "eth0", MAC_INSIDE, "gateway", "lan0", MAC_GATEWAY_INTERNAL)
        self.add_link("gateway", "eth0", MAC_GATEWAY_EXTERNAL, "outside", "eth0", MAC_OUTSIDE)
        ip_batch(self.namespaces["gateway"], [
            "addr add 192.168.0.1/24 dev lan0",
            f"addr add {EXTERNAL}/24 dev eth0",
            f"neigh replace 192.168.0.5 lladdr {MAC_INSIDE} nud permanent dev lan0",
            f"neigh replace 192.0.2.8 lladdr {MAC_OUTSIDE} nud permanent dev eth0",
            "route add 10.1.0.0/16 via 192.168.0.5",
            "route add default via 192.0.2.8",
        ])
        self.set_sysctl("gateway", "net.ipv4.ip_forward", 1)
        # A veth takes redirected frames only if its peer polls, as a wire's driver does: generic receive offload does that.
        for role, device in (("gateway", "lan0"), ("gateway", "eth0"), ("inside", "eth0"), ("outside", "eth0")):
            call("ip", "netns", "exec", self.namespaces[role], "ethtool", "-K", device, "gro", "on")

    def open_traffic(self):
        self.traffic = Traffic(self.program, self.cpu, (self.namespaces["inside"], "eth0", MAC_GATEWAY_INTERNAL),
                               (self.namespaces["outside"], "eth0", MAC_GATEWAY_EXTERNAL))

    def start(self):
        """Starts what translates, in the gateway's namespace."""

    def stop(self):
        """Ends it."""

    def sessions_held(self):
        """How many sessions the translator says it holds; None where there are none to hold."""
        return None

    def fast_packets(self):
        """How many packets went on in XDP so far; None where that is not what is measured."""
        return None

    def fast_refused(self):
        """How many packets were refused in XDP so far; None where none can be."""
        return None

    def forget(self, address):
        """Ends the sessions of an internal host."""

    def background_cpu_s(self):
        """CPU time of what serves it beside the packets' path."""
        return 0.0

    def program_ids(self):
        """Its BPF programs."""
        return set()


class Bare(Lab):
    """Generator and sink, and nothing between them: what all others have to have subtracted."""

    name = "bare"
    title = "generator and sink alone"
    ttl = 64

    def build(self):
        for role in ("inside", "outside"):
            self.add_namespace(role)
        self.add_link("inside", "eth0", MAC_INSIDE, "outside", "eth0", MAC_OUTSIDE)

    def open_traffic(self):
        self.traffic = Traffic(self.program, self.cpu, (self.namespaces["inside"], "eth0", MAC_OUTSIDE),
                               (self.namespaces["outside"], "eth0", MAC_INSIDE))


class Plain(Lab):
    name = "plain"
    title = "plain forwarding"


class Redirect(Lab):
    """XDP that sends every frame on, with a link header and to a device that are constants: nobody can do less."""

    name = "redirect"
    title = "bare XDP redirect"
    ttl = 64            # it does not look into the packet
    mode = "fixed"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [PROGRAMS / "redirect", self.mode, self.namespaces["gateway"], "lan0", MAC_INSIDE, "eth0", MAC_OUTSIDE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        readable, _, _ = select.select([self.process.stdout], [], [], READY_LIMIT_S)
        if not readable or not self.process.stdout.readline():
            self.process.kill()
            raise LabError(self.process.stderr.read().strip() or f"redirect was not ready within {READY_LIMIT_S} s")

    def stop(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()

    def program_ids(self):
        return {int(fields["prog_id"]) for fields in descriptors.read(self.process.pid) if "prog_id" in fields}


class RedirectFib(Redirect):
    """The same, with the kernel asked for each packet's next hop, and a hop taken off it."""

    name = "fib"
    title = "XDP redirect with bpf_fib_lookup"
    ttl = 63
    mode = "fib"


class Nftables(Lab):
    """The kernel's masquerade. Only its timeouts are set, like bauta's: they outlast the rounds of the other variants."""

    name = "nft"
    title = "nftables masquerade"
    external = EXTERNAL

    RULES = """
        table ip nat {
            chain postrouting {
                type nat hook postrouting priority srcnat; policy accept;
                oifname "eth0" %s
            }
        }
    """

    def start(self):
        statement = "masquerade"
        if self.ports != DEFAULT_PORTS:
            statement = f"meta l4proto udp masquerade to :{self.ports[0]}-{self.ports[1]}"
        call("ip", "netns", "exec", self.namespaces["gateway"], "nft", "-f", "-", input=self.RULES % statement)
        for key in ("udp_timeout", "udp_timeout_stream"):
            self.set_sysctl("gateway", f"net.netfilter.nf_conntrack_{key}", TIMEOUT_S)

    def sessions_held(self):
        return int(call("ip", "netns", "exec", self.namespaces["gateway"],
                        "sysctl", "-n", "net.netfilter.nf_conntrack_count"))

    def forget(self, address):
        call("ip", "netns", "exec", self.namespaces["gateway"], PROGRAMS / "conntrack_flush", address)


class Bauta(Lab):
    name = "bauta"
    title = "bauta on tc"
    external = EXTERNAL
    binary = TOP / "build/bauta"
    fast_path = "off"
    udp_timeout_s = TIMEOUT_S
    words = ()      # further ones of its command line

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.daemon = None
        self.messages = []

    def start(self):
        if not os.access(self.binary, os.X_OK):
            raise LabError(f"{self.binary} is not built")
        self.daemon = subprocess.Popen(
            ["ip", "netns", "exec", self.namespaces["gateway"], self.binary, "run", "-e", "eth0",
             "-p", f"{self.ports[0]}-{self.ports[1]}", *self.size_words(),
             "--timeout", f"udp={self.udp_timeout_s}", *self.fast_words(), *self.words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        ready = threading.Event()
        threading.Thread(target=self.listen, args=(ready,), daemon=True).start()
        if not ready.wait(READY_LIMIT_S) or not any(": ready: " in line for line in self.messages):
            raise LabError("bauta run: " + (" / ".join(self.messages[-3:]) or f"not ready in {READY_LIMIT_S} s"))

    def size_words(self):
        return ("--sessions", str(self.capacity))

    def fast_words(self):
        """Without the option there is no fast path either: an older program may be compared."""
        if "--fast-path" in call(self.binary, "run", "--help"):
            return ("--fast-path", self.fast_path)
        if self.fast_path == "off":
            return ()
        raise LabError(f"{self.binary} run has no --fast-path")

    def listen(self, ready):
        for line in self.daemon.stderr:
            self.messages.append(line.strip())
            if line.startswith("bauta: ready: "):
                ready.set()
        ready.set()

    def stop(self):
        if not self.daemon:
            return
        self.daemon.terminate()
        try:
            self.daemon.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()

    def sessions_held(self):
        return json.loads(call("ip", "netns", "exec", self.namespaces["gateway"],
                               self.binary, "show", "status", "-j", "-e", "eth0"))["sessions"]

    def forget(self, address):
        call("ip", "netns", "exec", self.namespaces["gateway"],
             self.binary, "flush", "-e", "eth0", f"internal={address}")

    def background_cpu_s(self):
        with open(f"/proc/{self.daemon.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def program_ids(self):
        return {int(fields["prog_id"]) for fields in descriptors.read(self.daemon.pid) if "prog_id" in fields}


class BautaQuota(Bauta):
    """With a quota of each kind, which no host comes near: what counting takes."""

    name = "quota"
    title = "bauta with quotas"
    words = ("--max-ports", "60000", "--max-sessions", "5000000", "--max-rate", "10000000")


class BautaXdp(Bauta):
    """The fast path on both interfaces: veth has to be asked for. First packets of sessions go up to tc."""

    name = "xdp"
    title = "bauta on XDP"
    fast_path = "lan0,eth0"

    def fast_count(self, reasons):
        held = {int(fields["map_id"]) for fields in descriptors.read(self.daemon.pid) if "map_id" in fields}
        counters = [entry["id"] for entry in json.loads(call("bpftool", "-j", "map", "show"))
                    if entry["id"] in held and entry.get("name") == "fast_counters"]
        if not counters:
            raise LabError(f"{self.binary} counts no packets on XDP: {' / '.join(self.messages[-3:])}")
        dump = json.loads(call("bpftool", "-j", "map", "dump", "id", str(counters[0])))
        return sum(cpu["value"] for entry in dump[reasons] for cpu in entry["formatted"]["values"])

    def fast_packets(self):
        return self.fast_count(SENT_ON)


class BautaCreate(BautaXdp):
    """The same, with sessions created there, too. Packets of sessions that are there go the way of the variant above."""

    name = "create"
    title = "bauta on XDP, --fast-create"
    words = ("--fast-create",)
    only_creates = True

    def fast_refused(self):
        return self.fast_count(REFUSED)


VARIANTS = {variant.name: variant for variant in
            (Bare, Plain, Nftables, Redirect, RedirectFib, Bauta, BautaXdp, BautaCreate, BautaQuota)}


class ConntrackSize:
    """Room for so many sessions in the kernel's connection table, which is one for the machine; put back afterwards.
    So there can be but one bench at a time.
    """

    LOCK = "/run/bauta-bench.lock"

    KEYS = ("nf_conntrack_buckets", "nf_conntrack_max")

    def __init__(self, sessions):
        self.wanted = {"nf_conntrack_buckets": 2 * sessions, "nf_conntrack_max": 2 * sessions}
        self.before = {}
        self.lock = None

    @staticmethod
    def path(key):
        return pathlib.Path("/proc/sys/net/netfilter") / key

    def take_lock(self):
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __enter__(self):
        self.lock = open(self.LOCK, "w")
        end = time.monotonic() + LOCK_LIMIT_S
        while not self.take_lock():
            if time.monotonic() > end:
                raise LabError(f"another bench is running on this machine: it holds {self.LOCK}")
            time.sleep(0.5)
        if not self.path(self.KEYS[0]).exists():
            call("modprobe", "nf_conntrack")
        for key in self.KEYS:
            self.before[key] = int(self.path(key).read_text())
            if self.before[key] < self.wanted[key]:
                self.path(key).write_text(str(self.wanted[key]))
        return self

    def __exit__(self, *_):
        for key, value in self.before.items():
            if int(self.path(key).read_text()) != value:
                self.path(key).write_text(str(value))
        self.lock.close()


def wait_for_rest(cpu, limit_s=2.0, busy_share=0.1):
    """Waits until the CPU has little else to do: namespaces that were deleted are taken down in the background."""
    def busy():
        with open("/proc/stat") as stat:
            fields = next(line for line in stat if line.startswith(f"cpu{cpu} ")).split()
        ticks = [int(field) for field in fields[1:9]]
        return sum(ticks), ticks[3] + ticks[4]

    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        total, idle = busy()
        time.sleep(0.1)
        total_now, idle_now = busy()
        if idle_now - idle >= (1 - busy_share) * (total_now - total):
            return


def wait_for_second():
    """Waits until a new second of the clock has begun, in which whoever limits answers by the second starts anew."""
    time.sleep(1.02 - time.monotonic() % 1)
