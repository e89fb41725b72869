# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in the way of a gateway is found before it hurts: by `bauta check`, and by the daemon at start and on reload.

Where a finding says that something would break, the test shows that it is broken; and that the command which it names
mends it."""

import errno
import json
import os
import re
import shutil
import signal
import socket
import sys

import pytest
from gateway import BAUTA, Bauta
from lab import Lab
from talk import accept
from wait import until

RANGE = "20000-20009"
RANGE_SYSCTL = "/proc/sys/net/ipv4/ip_local_port_range"
RESERVED_SYSCTL = "/proc/sys/net/ipv4/ip_local_reserved_ports"


def check(host, *words, ports=RANGE, dev="eth0"):
    """The findings of a check that must agree with its exit status."""
    words = [*words, "-e", dev] if dev else list(words)
    done = host.run(BAUTA, "check", *words, *(["-p", ports] if ports else []), "-j")
    findings = json.loads(done.text)
    assert done.status == (3 if findings else 0) and not done.stderr, done.report()
    for finding in findings:
        assert finding["severity"] in ("problem", "note")
        assert all(finding[key] for key in ("finding", "what", "why", "mend")), finding
    return findings


def only(findings, name):
    """The one finding, which is of this name."""
    assert [finding["finding"] for finding in findings] == [name], findings
    return findings[0]


def mend(host, finding):
    """Does what the finding says, literally."""
    host.do("sh", "-c", finding["mend"])


def connects(lab, port=7000):
    """Whether A gets a connection to B, and B its first octets."""
    server = lab.B.listen(port)
    try:
        accept(lab.A.connect((lab.B.address, port), timeout_s=1), server)
    except OSError as failure:
        assert failure.errno in (None, errno.EHOSTUNREACH), failure
        return False
    finally:
        server.close()
    return True


@pytest.fixture(name="idle", scope="module")
def idle_lab():
    """A lab whose rules are flushed by every test that looks at them, and that none changes for good otherwise."""
    lab = Lab()
    try:
        yield lab
    finally:
        lab.close()


def test_nothing_is_in_the_way(lab):
    assert check(lab.R) == []
    done = lab.R.run(BAUTA, "check", "-e", "eth0", "-p", RANGE)
    assert (done.status, done.text) == (0, f"nothing is in the way: eth0, ports {RANGE}\n"), done.report()
    assert lab.R.do(BAUTA, "check", "-e", "eth0") == "nothing is in the way: eth0, ports 1024-32767,61000-65535\n"


# Settings


def test_machine_that_does_not_forward(make_lab):
    lab = make_lab(forward=False)
    finding = only(check(lab.R), "forwarding-off")
    assert finding["severity"] == "problem" and finding["sysctl"] == "net.ipv4.ip_forward"
    mend(lab.R, finding)
    assert check(lab.R) == []


@pytest.mark.parametrize("dev", ["eth0", "eth1"])
def test_interface_that_does_not_forward(lab, dev):
    """Of the external interface it stops the answers, of the only internal one everything."""
    lab.use(Bauta(RANGE))
    lab.R.sysctl(f"net.ipv4.conf.{dev}.forwarding", 0)
    assert not connects(lab)
    finding = only(check(lab.R), "forwarding-off")
    assert (finding["severity"], finding["device"]) == ("problem", dev)
    mend(lab.R, finding)
    assert check(lab.R) == [] and connects(lab, 7001)


def test_forwarding_by_interface_is_enough(make_lab):
    """ip_forward only sets all of them: with the interfaces' own settings everything works, and nothing is found."""
    lab = make_lab(forward=False)
    for dev in ("eth0", "eth1"):
        lab.R.sysctl(f"net.ipv4.conf.{dev}.forwarding", 1)
    lab.use(Bauta(RANGE))
    assert lab.R.read("/proc/sys/net/ipv4/ip_forward") == "0\n"
    assert connects(lab) and check(lab.R) == []


def test_one_of_several_inside_forwards(lab):
    """An interface that is for managing the machine only may well not forward."""
    lab.R.ip("link add eth2 type bridge", "addr add 10.9.9.1/24 dev eth2", "link set eth2 up")
    lab.R.sysctl("net.ipv4.conf.eth2.forwarding", 0)
    assert check(lab.R) == []


@pytest.fixture
def two_ways_out(make_lab):
    """What comes from inside is marked, and leaves by eth0 for that; all else leaves by eth2."""
    lab = make_lab(outside_router=True)
    lab.R.ip(
        "link add eth2 type bridge", "link set eth2 up", "addr add 203.0.113.200/30 dev eth2",
        "route del default", "route add default via 203.0.113.201 dev eth2",
        "route add default via 192.0.2.254 dev eth0 table 100", "rule add fwmark 1 lookup 100",
    )
    lab.R.nft("table ip m { chain p { type filter hook prerouting priority mangle; iifname eth1 meta mark set 1; }; }")
    for dev in ("all", "eth0", "eth1"):
        lab.R.sysctl(f"net.ipv4.conf.{dev}.rp_filter", 0)
    return lab


def test_strict_reverse_path_filter(two_ways_out):
    lab = two_ways_out
    lab.use(Bauta(RANGE))
    assert check(lab.R) == [] and connects(lab)
    lab.R.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
    assert not connects(lab, 7001)
    finding = only(check(lab.R), "rp-filter")
    assert (finding["severity"], finding["device"], finding["inside"]) == ("problem", "eth0", "eth1")
    assert finding["mend"].endswith("rp_filter=2")
    mend(lab.R, finding)
    assert check(lab.R) == [] and connects(lab, 7002)


def test_reverse_path_filter_that_knows_marks(two_ways_out):
    """src_valid_mark makes it look at the mark, which may be restored on answers."""
    lab = two_ways_out
    lab.R.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
    only(check(lab.R), "rp-filter")
    lab.R.sysctl("net.ipv4.conf.eth0.src_valid_mark", 1)
    assert check(lab.R) == []


def test_reverse_path_filter_and_rules_by_interface(two_ways_out):
    """The filter follows such a rule both ways, and so nothing is in the way."""
    lab = two_ways_out
    lab.R.ip("rule add iif eth1 lookup 100")
    lab.R.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
    lab.use(Bauta(RANGE))
    assert connects(lab) and check(lab.R) == []


def test_loose_reverse_path_filter_without_a_route(two_ways_out):
    """Loose mode wants a route, whichever; where there is none, only switching it off helps."""
    lab = two_ways_out
    lab.R.ip("route del default")
    lab.R.sysctl("net.ipv4.conf.all.rp_filter", 2)
    lab.use(Bauta(RANGE))
    assert not connects(lab)
    finding = only(check(lab.R), "rp-filter")
    mend(lab.R, finding)
    assert check(lab.R) == [] and connects(lab, 7001)


def test_reverse_path_filter_on_a_plain_machine(make_lab):
    """Strict mode, where the way back is the way out, breaks nothing."""
    lab = make_lab(outside_router=True)
    for dev in ("all", "eth0", "eth1"):
        lab.R.sysctl(f"net.ipv4.conf.{dev}.rp_filter", 1)
    lab.use(Bauta(RANGE))
    assert check(lab.R) == [] and connects(lab)


def test_interface_that_is_down(lab):
    lab.R.ip("link set eth0 down")
    finding = only(check(lab.R), "interface-down")
    assert finding["severity"] == "problem" and finding["device"] == "eth0"
    mend(lab.R, finding)
    assert check(lab.R) == []


def test_interface_without_an_address(lab):
    lab.R.ip("addr flush dev eth0")
    assert only(check(lab.R), "no-address")["severity"] == "problem"


def test_interface_that_went_away_under_an_instance(lab):
    """Its daemon waits for it; so it is something in the way, not a slip of whoever asks."""
    lab.R.ip("link add wan type bridge", "addr add 198.51.100.77/24 dev wan", "link set wan up")
    bauta = lab.use(Bauta(RANGE, dev="wan"))
    lab.R.ip("link del wan")
    bauta.daemon.wait_text("wan is gone")
    assert only(check(lab.R, dev="wan"), "no-interface")["severity"] == "problem"
    bauta.stop()
    lab.gateways.remove(bauta)


# Another NAT


def test_both_would_translate(lab):
    """The kernel gives packets the gateway's own address before they come to it, and there they are dropped."""
    bauta = lab.use(Bauta(RANGE))
    lab.R.nft('table ip nat { chain post { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }; }')
    assert not connects(lab)
    assert bauta.drops()["martian"]["packets"] > 0
    finding = only(check(lab.R), "other-nat")
    assert (finding["severity"], finding["by"]) == ("problem", "nftables")
    assert (finding["family"], finding["table"], finding["chain"]) == ("ip", "nat", "post")
    assert f"handle {finding['handle']}" in lab.R.do("nft", "-a", "list", "ruleset")
    mend(lab.R, finding)
    assert check(lab.R) == [] and connects(lab, 7001)


HEAD = "type nat hook postrouting priority srcnat;"

# What stands in table ip nat, and the findings: (chain, severity)
RULESETS = {
    "everything": ("chain p { %s masquerade; }", [("p", "problem")]),
    "by index": ("chain p { %s oif eth0 masquerade; }", [("p", "problem")]),
    "snat": ("chain p { %s oifname eth0 snat to 192.0.2.77; }", [("p", "problem")]),
    "wildcard": ('chain p { %s oifname "eth*" masquerade; }', [("p", "problem")]),
    "others' wildcard": ('chain p { %s oifname "wan*" masquerade; }', []),
    "another interface": ("chain p { %s oifname eth1 masquerade; }", []),
    "another by index": ("chain p { %s oif eth1 masquerade; }", []),
    "all but ours": ("chain p { %s oifname != eth0 masquerade; }", []),
    "all but another": ("chain p { %s oifname != eth1 masquerade; }", [("p", "problem")]),
    "among several": ("chain p { %s oifname { eth0, wan0 } masquerade; }", [("p", "problem")]),
    "not among several": ("chain p { %s oifname { eth1, wan0 } masquerade; }", []),
    "not those": ("chain p { %s oifname != { eth0, wan0 } masquerade; }", []),
    "of some": ("chain p { %s ip saddr 10.0.0.0/8 oifname eth0 counter masquerade; }", [("p", "note")]),
    "of a set": ("chain p { %s ip saddr { 10.0.0.1, 10.0.0.2 } masquerade; }", [("p", "note")]),
    "one protocol": ("chain p { %s meta l4proto tcp masquerade; }", [("p", "note")]),
    "marked": ("chain p { %s meta mark 7 masquerade; }", [("p", "note")]),
    "behind an end": ("chain p { %s oifname eth0 accept; masquerade; }", []),
    "behind an end for some": ("chain p { %s ip daddr 10.0.0.1 return; masquerade; }", [("p", "problem")]),
    "by a jump": ("chain u { masquerade; }; chain p { %s oifname eth0 jump u; }", [("u", "problem")]),
    "by another's jump": ("chain u { masquerade; }; chain p { %s oifname eth1 jump u; }", []),
    "by a jump of some": ("chain u { masquerade; }; chain p { %s ip saddr 10.0.0.1 goto u; }", [("u", "note")]),
    "by two ways": (
        "chain u { masquerade; }; chain p { %s ip saddr 10.0.0.1 jump u; jump u; }", [("u", "problem")]
    ),
    "by a map": (
        "chain u { masquerade; }; chain v { masquerade; };"
        "chain p { %s oifname vmap { eth0 : jump u, eth1 : jump v }; }",
        [("u", "problem")],
    ),
    "by a map of something else": (
        "chain u { masquerade; }; chain p { %s meta mark vmap { 1 : jump u }; }", [("u", "note")]
    ),
    "nowhere": ("chain u { masquerade; }", []),
    "inbound only": ("chain d { type nat hook prerouting priority dstnat; dnat to 192.168.0.5; }", []),
    "two": ("chain p { %s ip saddr 10.0.0.1 masquerade; masquerade; }", [("p", "problem"), ("p", "note")]),
}


@pytest.mark.parametrize("name", RULESETS)
def test_rules_of_nftables(idle, name):
    rules, expected = RULESETS[name]
    idle.R.nft("flush ruleset\ntable ip nat { " + rules.replace("%s", HEAD) + "; }")
    findings = check(idle.R)
    assert [(finding["chain"], finding["severity"]) for finding in findings] == expected, findings
    for finding in findings:
        mend(idle.R, finding)
    assert check(idle.R) == []


def test_rules_of_family_inet(idle):
    idle.R.nft(
        "flush ruleset\ntable inet fw { chain p { " + HEAD + " meta nfproto ipv6 masquerade;"
        " meta nfproto ipv4 oifname eth0 masquerade; }; }\ntable ip6 nat { chain p { " + HEAD + " masquerade; }; }"
    )
    finding = only(check(idle.R), "other-nat")
    assert (finding["family"], finding["table"], finding["severity"]) == ("inet", "fw", "problem")
    mend(idle.R, finding)
    assert check(idle.R) == []


IPTABLES = {
    "masquerade": ([["POSTROUTING", "-o", "eth0", "-j", "MASQUERADE"]], [("POSTROUTING", "problem")]),
    "wildcard": ([["POSTROUTING", "-o", "eth+", "-j", "MASQUERADE"]], [("POSTROUTING", "problem")]),
    "everything": ([["POSTROUTING", "-j", "SNAT", "--to", "192.0.2.77"]], [("POSTROUTING", "problem")]),
    "with a comment": (
        [["POSTROUTING", "-o", "eth0", "-m", "comment", "--comment", "x", "-j", "MASQUERADE"]], [("POSTROUTING", None)]
    ),
    "docker": (
        [["POSTROUTING", "-s", "172.17.0.0/16", "!", "-o", "docker0", "-j", "MASQUERADE"]], [("POSTROUTING", "note")]
    ),
    "the demo's": (
        [["POSTROUTING", "-p", "tcp", "-j", "MASQUERADE", "--to-ports", "50000"]], [("POSTROUTING", "note")]
    ),
    "another interface": ([["POSTROUTING", "-o", "eth1", "-j", "MASQUERADE"]], []),
    "all but ours": ([["POSTROUTING", "!", "-o", "eth0", "-j", "MASQUERADE"]], []),
    "behind an end": ([["POSTROUTING", "-o", "eth0", "-j", "ACCEPT"], ["POSTROUTING", "-j", "MASQUERADE"]], []),
    "by a jump": (
        [["U", "-p", "udp", "-j", "RETURN"], ["U", "-j", "MASQUERADE"], ["POSTROUTING", "-o", "eth0", "-j", "U"]],
        [("U", "problem")],
    ),
    "by another's jump": ([["U", "-j", "MASQUERADE"], ["POSTROUTING", "-o", "eth1", "-j", "U"]], []),
    "inbound only": ([["PREROUTING", "-p", "tcp", "-j", "DNAT", "--to", "192.168.0.5"]], []),
}


@pytest.mark.parametrize("program, by", [("iptables-nft", "nftables"), ("iptables-legacy", "iptables")])
@pytest.mark.parametrize("name", IPTABLES)
def test_rules_of_iptables(idle, program, by, name):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    rules, expected = IPTABLES[name]
    idle.R.nft("flush ruleset")
    probe = idle.R.run(program, "-t", "nat", "-F")
    if probe.status:
        pytest.skip(f"this kernel has no table for {program}: {probe.stderr}")
    idle.R.do(program, "-t", "nat", "-N", "U")
    try:
        for rule in rules:
            idle.R.do(program, "-t", "nat", "-A", *rule)
        findings = check(idle.R)
        assert [finding["chain"] for finding in findings] == [chain for chain, _ in expected], findings
        for finding, (_, severity) in zip(findings, expected):
            assert finding["by"] == by and severity in (None, finding["severity"]), finding
            mend(idle.R, finding)
        assert check(idle.R) == []
    finally:
        idle.R.do(program, "-t", "nat", "-F")
        idle.R.do(program, "-t", "nat", "-X")


# Sockets


@pytest.mark.parametrize("proto, option", [("tcp", []), ("udp", ["-u"])])
def test_program_on_a_port(lab, proto, option):
    listener = lab.R.start("nc", *option, "-l", "-n", "0.0.0.0", "20003")
    lab.R.wait_listening(20003, proto)
    finding = only(check(lab.R), "socket")
    assert (finding["proto"], finding["ports"], finding["process"], finding["pid"]) == (
        proto, "20003", "nc", listener.pid
    )
    assert finding["state"] == ("listening" if proto == "tcp" else "bound")
    assert finding["mend"] == "bauta run -e eth0 -p 20000-20002,20004-20009"
    assert f"nc (pid {listener.pid})" in finding["what"] and finding["severity"] == "note"
    assert check(lab.R, ports="20000-20002,20004-20009") == []
    text = lab.R.run(BAUTA, "check", "-e", "eth0", "-p", RANGE)
    assert text.status == 3
    assert [line.split()[0] for line in text.text.splitlines()] == ["note", "why:", "mend:", "0"], text.report()
    assert text.text.endswith("0 problems, 1 note\n")


def test_command_that_mends_sockets_on_default_ports(lab):
    """The default range leaves out what the kernel has reserved."""
    lab.R.listen(8080, "0.0.0.0")
    lab.R.sysctl("net.ipv4.ip_local_reserved_ports", "2000")
    finding = only(check(lab.R, ports=None), "socket")
    assert finding["mend"] == "sysctl -w net.ipv4.ip_local_reserved_ports=2000,8080"
    mend(lab.R, finding)
    assert check(lab.R, ports=None) == []


def test_several_processes_on_one_port(lab):
    """SO_REUSEPORT: all of them are named; and each holder's ports are put together."""
    script = (
        "import socket, sys, time\n"
        "for port in sys.argv[1:]:\n"
        "    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
        "    s.bind(('', int(port))); s.listen(); globals()['s' + port] = s\n"
        "print('on', flush=True); time.sleep(1000)\n"
    )
    one = lab.R.start(sys.executable, "-c", script, "20001")
    two = lab.R.start(sys.executable, "-c", script, "20001", "20005", "20006")
    for process in (one, two):
        process.wait_text("on", of="stdout")
    both, alone = check(lab.R)
    assert (both["ports"], alone["ports"]) == ("20001", "20005-20006")
    assert [process["pid"] for process in both["processes"]] == sorted([one.pid, two.pid])
    assert [process["pid"] for process in alone["processes"]] == [two.pid]


def test_descriptor_that_was_inherited(lab):
    """The parent that has closed its own, and the child that has it, are told apart."""
    script = "import socket, os, time; s = socket.create_server(('', 20002)); pid = os.fork(); print(pid, flush=True)\n"
    parent = lab.R.start(sys.executable, "-c", script + "s.close() if pid else None\ntime.sleep(1000)\n")
    child = int(parent.wait_text(r"^([1-9]\d*)$", of="stdout").group(1))
    until(lambda: [p["pid"] for p in only(check(lab.R), "socket")["processes"]] == [child], "for the parent to close")


OTHERS = {
    "on loopback": lambda host: host.listen(20003, "127.0.0.1"),
    "on the inside address": lambda host: host.listen(20003, host.internal),
    "out of the ranges": lambda host: host.listen(20010, "0.0.0.0"),
    "connected UDP": lambda host: host.udp(20003, remote=("192.0.2.8", 9)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_socket_that_is_not_in_the_way(lab, name):
    OTHERS[name](lab.R)
    assert check(lab.R) == []


def test_addresses_of_the_instance(lab):
    """Only what sits on those that it masquerades as is in the way of it."""
    lab.R.ip("addr add 192.0.2.77/24 dev eth0")
    bauta = lab.use(Bauta(RANGE, "--external", "192.0.2.77"))
    lab.R.listen(20001, "192.0.2.1")
    lab.R.listen(20002, "192.0.2.77")
    assert only(check(lab.R, ports=None), "socket")["ports"] == "20002"
    reload(bauta, 1)
    assert lines_about(bauta, "port 20002:") and not lines_about(bauta, "port 20001:")


def test_connection_is_not_in_the_way(lab):
    lab.B.listen(7000)
    lab.R.connect((lab.B.address, 7000), port=20003)
    assert check(lab.R) == []


@pytest.mark.parametrize("only_v6", [False, True])
def test_ipv6_socket(lab, only_v6):
    """One that takes IPv4 too is in the way, one that does not is not."""
    made = lab.R.socket(socket.SOCK_STREAM, family=socket.AF_INET6)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_v6)
    made.bind(("::", 20003))
    made.listen()
    findings = check(lab.R)
    assert findings == [] if only_v6 else only(findings, "socket")["ports"] == "20003"


def test_bound_tcp_socket(lab):
    """It may listen or connect at any moment."""
    if tuple(int(number) for number in os.uname().release.split(".")[:2]) < (6, 8):
        pytest.skip("before Linux 6.8 the kernel does not list TCP sockets that are only bound")
    lab.R.tcp(20003)
    assert only(check(lab.R), "socket")["state"] == "bound"


def test_every_port_is_held(lab):
    """Then the protocol is not translated at all, and that is more than a note."""
    lab.use(Bauta("20000-20001"))
    for port in (20000, 20001):
        lab.R.listen(port, "0.0.0.0")
    assert not connects(lab)
    problem, note = check(lab.R, ports=None)
    assert (problem["finding"], problem["severity"], problem["proto"]) == ("no-port-left", "problem", "tcp")
    assert (note["finding"], note["ports"]) == ("socket", "20000-20001")


# Tunnels


def tunnel(host, *words):
    """Makes a device, or skips where the kernel has none of that kind."""
    done = host.run("ip", "link", "add", *words)
    if done.status:
        assert "Unknown device type" in done.stderr, done.report()
        pytest.skip(f"this kernel has no {words[2]}")


@pytest.mark.parametrize("kind, words", [
    ("vxlan", ["id", "7", "dstport", "20004", "dev", "eth0"]),
    ("geneve", ["id", "7", "remote", "192.0.2.8", "dstport", "20004"]),
])
def test_tunnel_device(lab, kind, words):
    """Down, it has no socket yet; up, it has, which is told as the device's."""
    tunnel(lab.R, "tun0", "type", kind, *words)
    for up in (False, True):
        finding = only(check(lab.R), "tunnel")
        assert (finding["device"], finding["kind"], finding["ports"], finding["up"]) == ("tun0", kind, "20004", up)
        assert finding["mend"] == "bauta run -e eth0 -p 20000-20003,20005-20009"
        lab.R.ip("link set tun0 up")
    assert check(lab.R, ports="20000-20003,20005-20009") == []


def test_wireguard_device(lab):
    tunnel(lab.R, "wg0", "type", "wireguard")
    lab.R.ip("link set wg0 up")
    hexes = re.findall(r"^ *\d+: \w+:(\w+) .* 07 ", lab.R.read("/proc/net/udp"), re.MULTILINE)
    (port,) = [int(text, 16) for text in hexes]
    finding = only(check(lab.R, ports=f"{port - 1}-{port + 1}", dev="eth0")[1:], "tunnel")
    assert (finding["device"], finding["kind"], finding["ports"]) == ("wg0", "wireguard", str(port))


def test_gateway_leaves_the_port_of_a_tunnel_alone(lab):
    """As the finding says."""
    lab.R.ip("link add vx0 type vxlan id 7 dstport 20000 dev eth0", "link set vx0 up")
    bauta = lab.use(Bauta("20000"))
    problem, note = check(lab.R, ports=None)
    assert (problem["finding"], problem["proto"], note["finding"]) == ("no-port-left", "udp", "tunnel")
    lab.A.udp(20000).sendto(b"x", (lab.B.address, 9))
    until(lambda: bauta.drops().get("no-port"), "for a refusal")
    assert connects(lab)


def test_socket_of_a_tunnel_elsewhere(lab):
    """The socket stays where the device was made: there it is the kernel's, and where the device is there is none."""
    lab.R.ip("link add vx0 type vxlan id 7 dstport 20004")
    lab.R.do("ip", "link", "set", "vx0", "netns", lab.B.netns)
    lab.B.ip("link set vx0 up")
    finding = only(check(lab.R), "socket")
    assert (finding["proto"], finding["ports"], finding["pid"], finding["processes"]) == ("udp", "20004", None, [])
    assert "the kernel" in finding["what"]
    assert "tunnel" not in [finding["finding"] for finding in check(lab.B)]


# The kernel's own ports


def test_overlap(lab):
    finding = only(check(lab.R, ports="30000-40000"), "ephemeral-overlap")
    assert (finding["severity"], finding["ports"], finding["ephemeral"]) == ("note", "32768-40000", "32768-60999")
    mend(lab.R, {"mend": finding["mend"].replace("bauta", BAUTA, 1)})
    assert check(lab.R, ports="30000-40000") == []


def test_reserved_ports_are_no_overlap(lab):
    """That is how the kernel is kept from giving them to programs."""
    lab.R.sysctl("net.ipv4.ip_local_reserved_ports", "50000-50009")
    assert check(lab.R, ports="50000-50009") == []
    assert only(check(lab.R, ports="50000-50010"), "ephemeral-overlap")["ports"] == "50010"


def test_default_range_that_is_empty(lab):
    lab.R.sysctl("net.ipv4.ip_local_port_range", "1024 65535")
    finding = only(check(lab.R, ports=None), "no-ports")
    assert finding["severity"] == "problem"
    mend(lab.R, finding)
    assert check(lab.R, ports=None) == []


def test_ranges_of_the_instance(lab):
    """Without -p those that it has, and without -e the only one there is."""
    lab.use(Bauta("50000-50009"))
    for dev in ("eth0", None):
        assert only(check(lab.R, ports=None, dev=dev), "ephemeral-overlap")["ports"] == "50000-50009"
    assert check(lab.R) == []


def fix(host, ports):
    return host.run(BAUTA, "check", "-e", "eth0", "-p", ports, "--fix-ephemeral")


@pytest.mark.parametrize("ports, port_range, reserved", [
    ("50000-60999", "32768\t49999", ""),
    ("30000-39999", "40000\t60999", ""),
    ("50000-50009", "32768\t60999", "50000-50009"),
    ("32768-33767,50000-50009,60000-65535", "33768\t59999", "50000-50009"),
])
def test_fix(lab, ports, port_range, reserved):
    """Says old and new; what it says to make it permanent sets the same; a second time there is nothing to do."""
    done = fix(lab.R, ports)
    assert done.status == 0 and not done.stderr, done.report()
    now = lab.R.read(RANGE_SYSCTL), lab.R.read(RESERVED_SYSCTL)
    assert now == (port_range + "\n", reserved + "\n")
    if "32768\t60999" not in port_range:
        new = port_range.replace("\t", " ")
        assert f'changed net.ipv4.ip_local_port_range from "32768 60999" to "{new}"\n' in done.text
    assert (f'changed net.ipv4.ip_local_reserved_ports from "" to "{reserved}"\n' in done.text) == bool(reserved)
    assert "/etc/sysctl.d/" in done.text and done.text.splitlines()[-1].startswith("nothing is in the way")

    permanent = "".join(line + "\n" for line in done.text.splitlines() if line.startswith("  net."))
    lab.R.sysctl("net.ipv4.ip_local_port_range", "32768 60999")
    lab.R.sysctl("net.ipv4.ip_local_reserved_ports", "")
    lab.R.do("sysctl", "-p", "-", stdin=permanent.encode())
    assert now == (lab.R.read(RANGE_SYSCTL), lab.R.read(RESERVED_SYSCTL))

    again = fix(lab.R, ports)
    assert again.status == 0 and again.text.startswith("nothing to change"), again.report()
    assert now == (lab.R.read(RANGE_SYSCTL), lab.R.read(RESERVED_SYSCTL))


def test_fix_keeps_what_is_reserved(lab):
    """Also a list that is longer than the page that the kernel takes at a time."""
    lab.R.sysctl("net.ipv4.ip_local_reserved_ports", "8080,40000-40009")
    assert fix(lab.R, "50000").status == 0
    assert lab.R.read(RESERVED_SYSCTL) == "8080,40000-40009,50000\n"
    every_other = ",".join(str(port) for port in range(1, 3000, 2))
    lab.R.sysctl("net.ipv4.ip_local_reserved_ports", every_other)
    before = lab.R.read(RESERVED_SYSCTL).strip()
    assert len(before) > 4096
    done = fix(lab.R, "50000")
    assert done.status == 0, done.report()
    assert lab.R.read(RESERVED_SYSCTL).strip() == before + ",50000"


def test_fix_then_finds_what_is_left(lab):
    lab.R.sysctl("net.ipv4.ip_forward", 0)
    done = lab.R.run(BAUTA, "check", "-e", "eth0", "-p", "50000-60999", "--fix-ephemeral", "-j")
    answer = json.loads(done.text)
    assert done.status == 3 and only(answer["findings"], "forwarding-off")
    assert answer["changed"] == [
        {"sysctl": "net.ipv4.ip_local_port_range", "old": "32768 60999", "new": "32768 49999"}
    ]


@pytest.mark.parametrize("ports", ["1024-65535", "32768-60999", "33000-60999"])
def test_fix_that_would_leave_too_few(lab, ports):
    done = fix(lab.R, ports)
    assert done.status == 1 and not done.text
    (line,) = done.stderr.splitlines()
    assert "1024" in line and "32768-60999" in line
    assert (lab.R.read(RANGE_SYSCTL), lab.R.read(RESERVED_SYSCTL)) == ("32768\t60999\n", "\n")


def test_fix_is_undone_where_half_of_it_fails(lab):
    """The second sysctl cannot be written: the first is as it was, and the one line says so."""
    script = (
        f"mount --bind {RESERVED_SYSCTL} {RESERVED_SYSCTL} && mount -o remount,bind,ro {RESERVED_SYSCTL} && "
        f"exec {BAUTA} check -e eth0 -p 50000,60000-60999 --fix-ephemeral"
    )
    done = lab.R.run("unshare", "-m", "sh", "-c", script)
    assert done.status == 1 and not done.text, done.report()
    (line,) = done.stderr.splitlines()
    assert "ip_local_reserved_ports: Read-only file system" in line and "is 32768 60999 as before" in line
    assert lab.R.read(RANGE_SYSCTL) == "32768\t60999\n"


# Bad input


def refused(host, *words, status, says, prefix=()):
    done = host.run(*prefix, BAUTA, "check", *words)
    assert done.status == status and done.stdout == b"", done.report()
    (line,) = done.stderr.splitlines()
    assert line.startswith("bauta: ") and says in line, line


@pytest.mark.parametrize("words, status, says", [
    (["-e", "nope0"], 1, "there are: eth"),
    (["-e", "lo"], 1, "loopback"),
    (["-e", "much-too-long-a-name"], 2, "1 to 15 characters"),
    ([], 2, "-e IFACE is needed"),
    (["-e", "eth0", "-p", "50000-40000"], 2, "the first port must not exceed the last"),
    (["-e", "eth0", "-p", "1", "-p", "2"], 2, "one list"),
    (["-e", "eth0", "--force"], 2, "--fix-ephemeral"),
    (["-e", "eth0", "surplus"], 2, "one word too many"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_bad_input(idle, words, status, says):
    refused(idle.R, *words, status=status, says=says)


def test_fix_without_a_default_range(lab):
    lab.R.sysctl("net.ipv4.ip_local_port_range", "1024 65535")
    refused(lab.R, "-e", "eth0", "--fix-ephemeral", status=1, says="give ports with -p")


def test_not_root(idle, tmp_path):
    os.chmod(tmp_path, 0o755)
    for parent in tmp_path.parents:
        if str(parent) != "/":
            os.chmod(parent, os.stat(parent).st_mode | 0o011)
    program = shutil.copy(BAUTA, tmp_path / "bauta")
    done = idle.R.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "check", "-e", "eth0")
    assert done.status == 1 and done.stdout == b"", done.report()
    (line,) = done.stderr.splitlines()
    assert "root" in line and "WireGuard" in line


def test_what_cannot_be_seen_is_said(lab):
    """Root of a container without rights over the network: what is not seen is no clean bill."""
    prefix = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
    done = lab.R.run(*prefix, BAUTA, "check", "-e", "eth0", "-p", RANGE, "-j")
    assert done.status == 3, done.report()
    finding = only(json.loads(done.text), "not-checked")
    assert "nftables" in finding["what"] and "not permitted" in finding["what"]


def test_text_fits_a_terminal(idle):
    """Wrapped between words; commands stay whole, to be copied."""
    idle.R.nft("flush ruleset")
    command = f"stty cols 60; {BAUTA} check -e eth0 -p 50000-50009"
    lines = idle.R.run("script", "-qec", command, "/dev/null").text.splitlines()
    assert len(lines) >= 6 and "1 note" in lines[-1], lines
    for line in lines:
        assert len(line) <= 60 or "mend: " in line, lines
    assert "--fix-ephemeral" in [line for line in lines if "mend: " in line][0]


# The daemon


def lines_about(bauta, word):
    return [line for line in bauta.log.splitlines() if word in line]


def reload(bauta, times):
    """Sends SIGHUP and waits until the daemon has looked at everything the so-manieth time."""
    bauta.daemon.kill(signal.SIGHUP)
    until(lambda: len(lines_about(bauta, "looked at everything again")) == times, lambda: f"for a reload: {bauta.log}")


def test_daemon_says_nothing_where_nothing_is_in_the_way(lab):
    bauta = lab.use(Bauta(RANGE))
    reload(bauta, 1)
    assert len(bauta.log.splitlines()) == 2, bauta.log


def test_daemon_at_start(make_lab):
    """A line for each finding, behind the one that says that it is ready."""
    lab = make_lab(forward=False)
    listener = lab.R.start("nc", "-l", "-k", "-n", "0.0.0.0", "50003")
    lab.R.wait_listening(50003)
    bauta = lab.use(Bauta("50000-50009"))
    bauta.daemon.wait_text("50003")
    ready, forwarding, overlap, socket = bauta.log.splitlines()
    assert ready.startswith("bauta: ready: ")
    assert "does not forward" in forwarding and "`sysctl -w net.ipv4.ip_forward=1`" in forwarding
    assert "50000-50009" in overlap and "ip_local_port_range 32768 60999" in overlap and "--fix-ephemeral" in overlap
    assert f"nc (pid {listener.pid})" in socket and "-p 50000-50002,50004-50009" in socket
    for line in bauta.log.splitlines():
        assert line.startswith("bauta: ")


def test_daemon_on_reload(lab):
    """What came after the start is told at SIGHUP, and no more once it has gone."""
    bauta = lab.use(Bauta(RANGE))
    lab.R.sysctl("net.ipv4.ip_forward", 0)
    listener = lab.R.listen(20004, "0.0.0.0")
    reload(bauta, 1)
    assert len(lines_about(bauta, "does not forward")) == len(lines_about(bauta, "tcp port 20004")) == 1
    lab.R.sysctl("net.ipv4.ip_forward", 1)
    listener.close()
    reload(bauta, 2)
    assert len(lines_about(bauta, "does not forward")) == len(lines_about(bauta, "tcp port 20004")) == 1


def test_daemon_in_a_journal_tells_problems_from_notes(make_lab):
    """With the priorities of sd-daemon(3): 4 warns, 6 informs."""
    lab = make_lab(forward=False)
    bauta = Bauta("50000-50009")
    bauta.lab, bauta.host = lab, lab.R
    lab.gateways.append(bauta)
    script = 'export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); exec "$0" "$@"'
    launch = lab.R.start
    lab.R.start = lambda *words: launch("sh", "-c", script, *words)
    bauta.daemon = bauta.launch()
    lab.R.start = launch
    bauta.attached = True
    bauta.daemon.wait_text("^<6>bauta: .*ip_local_port_range", limit_s=20)
    assert re.search("^<4>bauta: .*does not forward", bauta.log, re.MULTILINE)
