# SPDX-License-Identifier: GPL-2.0-or-later
"""What bad input gets: one line on stderr that says what was tried and what would be accepted, exit status 1 or 2,
and nothing half-attached."""

import os
import shutil

import pytest
from gateway import BAUTA, Bauta
from lab import Lab


@pytest.fixture(scope="module")
def idle():
    """A lab that no test of this file changes for good."""
    lab = Lab()
    try:
        yield lab
    finally:
        lab.close()


def nothing_attached(host, dev="eth0"):
    assert "clsact" not in host.do("tc", "qdisc", "show")
    assert not Bauta.of(host, dev).pins()


def refused(host, *words, status, names, accepted=None, prefix=()):
    """Runs bauta; checks the exit status, that there is one line, and what it names."""
    done = host.run(*prefix, BAUTA, *words)
    assert done.status == status, done.report()
    assert done.stdout == b"", done.report()
    (line,) = done.stderr.splitlines()
    assert line.startswith("bauta: "), line
    for word in [names] if isinstance(names, str) else names:
        assert word in line, f"{word!r} is not in {line!r}"
    if accepted:
        assert accepted in line, f"it does not say what would be accepted: {line!r}"
    return line


RANGES = [
    "50000-40000", "0", "0-100", "65536", "1-70000", "", "abc", "50000-", "-50000", "50000,50000", "40000-50000,45000",
    "50000;50001", "50000 - 50001", "50000,", "99999999999999999999", "5e3",
]


@pytest.mark.parametrize("ranges", RANGES, ids=repr)
def test_ranges(idle, ranges):
    refused(idle.R, "run", "-e", "eth0", "-p", ranges, status=2, names=[f'"{ranges}"'] if ranges else [])
    nothing_attached(idle.R)


MANY_ITEMS = [word for number in range(33) for word in ("--external", f"10.0.0.{number}")]


@pytest.mark.parametrize("words, names", [
    (["run"], "-e"),
    (["run", "-e"], "-e"),
    (["run", "-e", "eth0", "--clock-factor", "0"], "--clock-factor"),
    (["run", "-e", "eth0", "--clock-factor", "fast"], "fast"),
    (["run", "-e", "eth0", "--sessions", "0"], "--sessions"),
    (["run", "-e", "eth0", "--sessions", "many"], "many"),
    (["run", "-e", "eth0", "--internal", "300.0.0.0/8"], "300.0.0.0/8"),
    (["run", "-e", "eth0", "--internal", "10.0.0.0/33"], "10.0.0.0/33"),
    (["run", "-e", "eth0", "--internal", "10.0.0.1/8"], "10.0.0.1/8"),
    (["run", "-e", "eth0", "--external"], "--external"),
    (["run", "-e", "eth0", "--external", "eth0"], "eth0"),
    (["run", "-e", "eth0", "--external", "192.0.2.1:50000"], "192.0.2.1:50000"),
    (["run", "-e", "eth0", "--external", "192.0.2.1/24"], ["192.0.2.1/24", "192.0.2.0/24"]),
    (["run", "-e", "eth0", "--external", "192.0.2.0/23"], ["192.0.2.0/23", "512 addresses", "256"]),
    (["run", "-e", "eth0", "--external", "0.0.0.0/0"], ["0.0.0.0/0", "256"]),
    (["run", "-e", "eth0", "--external", "192.0.2.0/24", "--external", "192.0.3.1"], ["192.0.3.1", "256"]),
    (["run", "-e", "eth0", "--external", "192.0.2.1", "--external", "192.0.2.1"], ["192.0.2.1", "overlaps"]),
    (["run", "-e", "eth0", "--external", "192.0.2.1", "--external", "192.0.2.0/30"], ["192.0.2.0/30", "overlaps"]),
    (["run", "-e", "eth0", "--external", "192.0.2.0/30", "--external", "192.0.2.1"], ["192.0.2.0/30", "overlaps"]),
    (["run", "-e", "eth0", *MANY_ITEMS], ["10.0.0.32", "at most 32"]),
    (["run", "-e", "eth0", "--external", "127.0.0.1"], "127.0.0.1"),
    (["run", "-e", "eth0", "--external", "224.0.0.1"], "224.0.0.1"),
    (["run", "-e", "eth0", "--spill"], ["--spill", "--external"]),
    (["run", "-e", "eth0", "--spill", "--external", "192.0.2.1"], ["--spill", "--external"]),
    (["run", "-e", "eth0", "--on-full", "panic"], ["panic", "share or refuse"]),
    (["run", "-e", "eth0", "--on-full", "share", "--on-full", "refuse"], ["--on-full", "twice"]),
    (["run", "-e", "eth0", "--borrow", "--on-full", "share"], ["--borrow", "--on-full share", "refuse"]),
    (["run", "-e", "eth0", "--on-full", "share", "--borrow"], ["--borrow", "--on-full share", "refuse"]),
    (["run", "-e", "eth0", "--rest", "86401"], ["86401", "0 to 86400"]),
    (["run", "-e", "eth0", "--rest", "-1"], ["-1", "0 to 86400"]),
    (["run", "-e", "eth0", "--rest", "2m"], ["2m", "0 to 86400"]),
    (["run", "-e", "eth0", "--rest", "1", "--rest", "2"], ["--rest", "twice"]),
    (["run", "-e", "eth0", "--icmp", "net-unreachable"], ["net-unreachable", "admin-prohibited"]),
    (["run", "-e", "eth0", "--max-ports", "0"], ["--max-ports", "leave it out"]),
    (["run", "-e", "eth0", "--max-sessions", "0"], ["--max-sessions", "leave it out"]),
    (["run", "-e", "eth0", "--max-rate", "0"], ["--max-rate", "leave it out"]),
    (["run", "-e", "eth0", "--max-ports", "00"], "--max-ports"),
    (["run", "-e", "eth0", "--max-ports", "few"], ["few", "from 1"]),
    (["run", "-e", "eth0", "--max-sessions", "-5"], ["-5", "from 1"]),
    (["run", "-e", "eth0", "--max-rate", "10/s"], ["10/s", "from 1"]),
    (["run", "-e", "eth0", "--max-rate", "99999999999"], ["99999999999", "from 1"]),
    (["run", "-e", "eth0", "--colour", "red"], "colour"),
    (["run", "-e", "eth0", "surplus"], "surplus"),
    (["run", "-e", "much-too-long-a-name"], "much-too-long-a-name"),
    (["dance"], "dance"),
    (["show", "weather"], "weather"),
    (["show", "sessions", "proto=gre"], "proto=gre"),
    (["show", "sessions", "internal=192.168.0"], "internal=192.168.0"),
    (["show", "sessions", "internal=192.168.0.5:99999"], "99999"),
    (["show", "sessions", "state=sleepy"], "state=sleepy"),
    (["show", "sessions", "colour=red"], "colour=red"),
    (["show", "sessions", "proto=tcp", "proto=udp"], "proto="),
    (["flush", "everything"], "everything"),
    (["explain"], "PROTO"),
    (["explain", "tcp", "192.0.2.1:50000"], "REMOTE"),
    (["explain", "gre", "192.0.2.1:50000", "192.0.2.8:60000"], "gre"),
    (["explain", "tcp", "192.0.2.1", "192.0.2.8:60000"], "192.0.2.1"),
    (["explain", "tcp", "192.0.2.1:50000", "192.0.2.8:0x10"], "0x10"),
    (["explain", "tcp", "192.0.2.1:50000", "192.0.2.8:1", "more"], "more"),
], ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "")
def test_usage(idle, words, names):
    refused(idle.R, *words, status=2, names=names)
    nothing_attached(idle.R)


@pytest.mark.parametrize("words", [
    ["show"], ["show", "sessions"], ["show", "drops", "-j"], ["explain", "tcp", "192.0.2.1:1", "192.0.2.8:1"],
    ["flush"], ["watch"], ["fsck"], ["down"], ["show", "-e", "eth0"],
], ids=" ".join)
def test_no_instance(idle, words):
    refused(idle.R, *words, status=1, names="instance", accepted="bauta run")


def test_unknown_interface(idle):
    refused(idle.R, "run", "-e", "nope0", "-p", "20000", status=1, names="nope0")


def test_loopback(idle):
    refused(idle.R, "run", "-e", "lo", "-p", "20000", status=1, names="lo")
    nothing_attached(idle.R, "lo")


def test_interface_that_is_down(idle):
    idle.R.ip("link set eth0 down")
    try:
        refused(idle.R, "run", "-e", "eth0", "-p", "20000", status=1, names=["eth0", "up"])
        nothing_attached(idle.R)
    finally:
        idle.R.ip("link set eth0 up")


def test_interface_without_address(idle):
    idle.R.ip("addr flush dev eth0")
    try:
        refused(idle.R, "run", "-e", "eth0", "-p", "20000", status=1, names=["eth0", "address"])
        nothing_attached(idle.R)
    finally:
        idle.R.ip("addr add 192.0.2.1/24 dev eth0")


@pytest.mark.parametrize("words, names, accepted", [
    (["192.0.2.2"], "192.0.2.2", "ip route add local 192.0.2.2 dev lo"),
    (["192.0.2.2"], "192.0.2.2", "ip address add 192.0.2.2/32 dev eth0"),
    (["192.0.2.1", "--external", "192.0.2.8"], "192.0.2.8", "ip address add"),
    (["192.0.2.255"], "192.0.2.255", "ip address add"),
    (["203.0.113.7"], "203.0.113.7", "ip address add"),
    (["192.0.2.0/30"], ["192.0.2.0 ", "192.0.2.0/30"], "ip route add local 192.0.2.0/30 dev lo"),
], ids=str)
def test_address_of_another_machine(idle, words, names, accepted):
    """A neighbour's, one that nobody has, the broadcast address of the wire, one that there is no route to."""
    refused(idle.R, "run", "-e", "eth0", "--external", *words, status=1, names=names, accepted=accepted)
    nothing_attached(idle.R)


def test_prefix_of_which_one_address_is_missing(idle):
    idle.R.ip("route add local 203.0.113.8/31 dev lo", "addr add 203.0.113.11/32 dev lo")
    try:
        refused(idle.R, "run", "-e", "eth0", "--external", "203.0.113.8/30", status=1, names="203.0.113.10 of",
                accepted="ip route add local 203.0.113.8/30 dev lo")
        nothing_attached(idle.R)
    finally:
        idle.R.ip("route del local 203.0.113.8/31 dev lo", "addr del 203.0.113.11/32 dev lo")


def test_default_range_that_is_empty(idle):
    idle.R.sysctl("net.ipv4.ip_local_port_range", "1024 65535")
    try:
        refused(idle.R, "run", "-e", "eth0", status=1, names="port", accepted="-p")
        nothing_attached(idle.R)
    finally:
        idle.R.sysctl("net.ipv4.ip_local_port_range", "32768 60999")


@pytest.fixture
def program(tmp_path):
    """A copy that anybody may run, wherever the build is."""
    os.chmod(tmp_path, 0o755)
    for parent in tmp_path.parents:
        if str(parent) != "/":
            os.chmod(parent, os.stat(parent).st_mode | 0o011)
    return shutil.copy(BAUTA, tmp_path / "bauta")


@pytest.mark.parametrize("words", [["run", "-e", "eth0", "-p", "20000"], ["down", "-e", "eth0"]], ids=" ".join)
def test_not_root(idle, program, words):
    done = idle.R.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, *words)
    assert done.status == 1, done.report()
    (line,) = done.stderr.splitlines()
    assert "root" in line
    nothing_attached(idle.R)


def test_root_without_the_right_to_load_programs(idle):
    """As in a container: user 0, but neither CAP_BPF nor CAP_SYS_ADMIN."""
    prefix = ["setpriv", "--bounding-set=-sys_admin,-bpf,-perfmon", "--inh-caps=-sys_admin,-bpf,-perfmon"]
    refused(idle.R, "run", "-e", "eth0", "-p", "20000", status=1, names=[], prefix=prefix)
    nothing_attached(idle.R)


def test_refusal_is_one_line_also_with_overlapping_ports(lab):
    """What there is to remark about the ports is said when the start has succeeded."""
    lab.use(Bauta("20000"))
    refused(lab.R, "run", "-e", "eth0", "-p", "50000", status=1, names="eth0")
    refused(lab.R, "run", "-e", "eth1", "-p", "40000", "--internal", "nonsense", status=2, names="nonsense")


def test_help_and_version(idle):
    for words in (["--help"], ["run", "--help"], ["show", "--help"], ["--version"]):
        assert "bauta" in idle.R.do(BAUTA, *words)
    for verb in ("run", "down", "show", "explain", "flush", "watch", "fsck"):
        assert verb in idle.R.do(BAUTA, "--help")


def test_output_that_cannot_be_written(lab):
    """A full disk is a failure, not a success with half an answer."""
    lab.use(Bauta("20000"))
    done = lab.R.run("sh", "-c", f"{BAUTA} show status >/dev/full")
    assert done.status == 1 and done.stderr.startswith("bauta: "), done.report()
