# SPDX-License-Identifier: GPL-2.0-or-later
"""What a probe gets: a lab with one of the gateways in it, chosen by nobody but the runner, and what it may say at the end.

A probe is a function that looks at packets only. It asks for settings in neutral words; a gateway that has none for it
raises Lacking. Time is either sped up, where the gateway can do that, or read from the kernel's own table of connections.
"""

import collections
import contextlib
import re
import time

from gateway import Whole
from lab import Lab

Verdict = collections.namedtuple("Verdict", "answer seen")
Probe = collections.namedtuple("Probe", "name rows function")

PROBES = {}


def probe(*rows):
    """Registers a function of a Trial that decides these rows of docs/requirements.md."""

    def register(function):
        PROBES[function.__name__] = Probe(function.__name__, rows, function)
        return function

    return register


def yes(seen=""):
    return Verdict("yes", seen)


def no(seen):
    return Verdict("no", seen)


def unknown(seen):
    return Verdict("?", seen)


def decide(answer, seen_if_not, seen=""):
    return yes(seen) if answer else no(seen_if_not)


class Lacking(Exception):
    """The gateway has no setting of this kind."""


class BautaSubject(Whole):
    """bauta, with neutral names for its settings."""

    title = "bauta"
    can_hurry = True

    def __init__(self, ports=None, factor=None, **settings):
        words = []
        for name, value in settings.items():
            values = value if isinstance(value, (list, tuple)) else [value]
            if name == "pool":
                words += [word for one in values for word in ("--external", one)]
            elif name == "timeout":
                words += [word for one in values for word in ("--timeout", one)]
            elif name == "exclude":
                words += [word for one in values for word in ("--exclude", one)]
            elif value is True:
                words.append(f"--{name.replace('_', '-')}")
            else:
                words += [f"--{name.replace('_', '-')}", ",".join(map(str, values))]
        super().__init__(ports, *words, clock_factor=factor)

    def start(self, lab=None):
        self.lab = lab or self.lab
        self.host = self.lab.R
        self.daemon = self.launch()
        try:
            match = self.daemon.wait_text(r"^bauta: ready: .*$", limit_s=20)
        except AssertionError:
            if self.daemon.status == 2:
                complaint = self.daemon.stderr.strip().splitlines() or ["?"]
                self.daemon = None
                raise Lacking(complaint[0].removeprefix("bauta: ").partition(";")[0]) from None
            raise
        self.attached = True
        return match.group(0)


class NftSubject:
    """The kernel's masquerade, and such further rules as an operator can write for the setting that is asked for."""

    title = "nftables"
    can_hurry = False

    def __init__(self, ports=None, factor=None, **settings):
        assert factor in (None, 1)
        self.ports = ports
        self.settings = settings
        self.lab = None

    def start(self, lab):
        self.lab = lab
        ports, settings = self.ports or "", dict(self.settings)
        if "," in ports:
            raise Lacking("masquerade takes one range of ports")
        target = "masquerade"
        if "pool" in settings:
            pool = settings.pop("pool")
            if pool != [f"{pool[0].rpartition('.')[0]}.{int(pool[0].rpartition('.')[2]) + n}" for n in range(len(pool))]:
                raise Lacking("snat takes one range of addresses")
            target = f"snat to {pool[0]}-{pool[-1]}"
        ranged = f'oifname "eth0" meta l4proto {{ tcp, udp }} {target}{" to " * (target == "masquerade")}:{ports}'
        hold = " persistent" * target.startswith("snat")
        rules = {
            "chain post": [
                "type nat hook postrouting priority srcnat", (ranged + hold) * bool(ports), f'oifname "eth0" {target}{hold}'
            ],
            "chain forward": ["type filter hook forward priority filter"],
            "chain pre": ["type filter hook prerouting priority filter"],
        }
        for prefix in settings.pop("exclude", []):
            rules["chain post"].insert(1, f"ip daddr {prefix} accept")
        for name in ("max_sessions", "max_ports"):
            if name in settings:
                rules["set hosts"] = ["type ipv4_addr", "flags dynamic"]
                count = f"add @hosts {{ ip saddr ct count over {settings.pop(name)} }}"
                rules["chain forward"].append(f'oifname "eth0" ct state new {count} reject with icmp host-unreachable')
        if "max_rate" in settings:
            rules["set hosts"] = ["type ipv4_addr", "flags dynamic"]
            rate = settings.pop("max_rate")
            limit = f"add @hosts {{ ip saddr limit rate over {rate}/second burst {rate} packets }}"
            rules["chain forward"].append(f'oifname "eth0" ct state new {limit} reject with icmp host-unreachable')
        for setting in settings.pop("timeout", []):
            self._set_timeout(lab, setting, rules)
        if settings:
            raise Lacking(f"no setting for {', '.join(sorted(settings)).replace('_', ' ')}")
        body = "".join(f"{head} {{\n" + "\n".join(filter(None, lines)) + "\n}\n" for head, lines in rules.items())
        lab.R.nft(f"table ip conformance {{\n{body}}}")

    @staticmethod
    def _set_timeout(lab, setting, rules):
        name, seconds = setting.split("=")
        proto, _, port = name.partition(":")
        if port:
            rules[f"ct timeout {proto}{port}"] = [
                f"protocol {proto}", "l3proto ip", f"policy = {{ unreplied : {seconds}, replied : {seconds} }}"
            ]
            rules["chain forward"].append(f'{proto} dport {port} ct timeout set "{proto}{port}"')
            return
        words = {
            "udp": ["udp_timeout", "udp_timeout_stream"],
            "icmp": ["icmp_timeout"],
            "tcp-established": ["tcp_timeout_established"],
            "tcp-opening": ["tcp_timeout_syn_sent", "tcp_timeout_syn_recv"],
            "tcp-closing": ["tcp_timeout_last_ack", "tcp_timeout_time_wait"],
        }
        for word in words[name]:
            lab.R.sysctl(f"net.netfilter.nf_conntrack_{word}", seconds)

    def finish(self):
        pass

    def expires(self, proto, src, sport):
        """In how many seconds the kernel will forget what it knows of this internal endpoint."""
        end = f"src={src} " + (r".*sport=%d " % sport if sport is not None else "")
        found = [line for line in self.lab.R.read("/proc/net/nf_conntrack").splitlines()
                 if re.search(rf"\b{proto} +\d+ \d+ .*{end}", line)]
        return max((int(line.split()[4]) for line in found), default=0)


SUBJECTS = {"bauta": BautaSubject, "nftables": NftSubject}


class Trial:
    """One run of one probe against one gateway."""

    def __init__(self, subject):
        self.make = SUBJECTS[subject]
        self.can_hurry = self.make.can_hurry
        self.gateway = None
        self.lab = None
        self.factor = 1

    def open(self, *, ports=None, seconds=None, span_s=1.6, lab=None, prepare=None, **settings):
        """A fresh lab with the gateway in it. seconds: what the probe will let pass takes span_s, if that can be."""
        self.close()
        self.factor = max(1, round(seconds / span_s)) if seconds and self.can_hurry else 1
        self.lab = Lab(offload=False, **(lab or {}))
        self.gateway = self.make(ports, factor=self.factor if self.factor > 1 else None, **settings)
        if prepare:
            prepare(self.lab)
        self.lab.use(self.gateway)
        self.lab.meet()
        return self.lab

    def open_with(self, wish, **options):
        """With these settings where the gateway has them, and without where it has not: the row is not about them."""
        try:
            return self.open(**wish, **options)
        except Lacking:
            return self.open(**options)

    def close(self):
        lab, self.lab = self.lab, None
        if lab:
            lab.close()

    def finish(self):
        """What the gateway's own check says at the end of a probe that went well."""
        if self.lab:
            self.lab.finish()

    def run(self, one):
        """Runs a probe to a verdict, whatever happens in it."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.close)
            try:
                verdict = one.function(self)
                self.finish()
            except Lacking as problem:
                verdict = no(str(problem))
            except Exception as problem:  # pylint: disable=broad-except
                where = problem.__traceback__
                while where.tb_next and "conformance" in where.tb_next.tb_frame.f_code.co_filename:
                    where = where.tb_next
                lines = str(problem).strip().splitlines() or [""]
                verdict = unknown(f"line {where.tb_lineno}: {type(problem).__name__}: {lines[0]}")
        return verdict

    # Time

    def now(self):
        """Seconds as the gateway counts them."""
        return time.monotonic() * self.factor

    def pause(self, since, seconds):
        """Returns when so many of the gateway's seconds have passed since then."""
        left = (since + seconds - self.now()) / self.factor
        if left > 0:
            time.sleep(left)

    def outlives(self, seconds, setup, is_alive, entry, **options):
        """Whether what setup() makes is still there after so many seconds of silence.

        setup() opens the lab by itself with the options that it is given. is_alive() sends a packet. entry is how the kernel's
        own table knows it: (proto, internal address, port). A machine that is too busy to ask in time is asked again.
        """
        if not self.can_hurry:
            setup()
            left = self.gateway.expires(*entry)
            return decide(left >= seconds - 1, f"ends after {left} s", f"{left} s")
        for span_s in (1.6, 2.4, 5):
            setup(seconds=seconds, span_s=span_s, **options)
            start = self.now()
            self.pause(start, seconds * 0.97 - 2)
            alive = is_alive()
            late = self.now() - start > seconds
            if alive:
                return yes(f"alive after {seconds * 0.97 - 2:.0f} s")
            if not late:
                return no(f"gone before {seconds} s")
        return unknown("this machine is too busy to ask in time")
