# SPDX-License-Identifier: GPL-2.0-or-later
"""The socket hooks through the life of a gateway: attached once, whatever happens to the daemon; gone with it; and when
they cannot be attached, missed, but not needed."""

import errno
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest
from gateway import BAUTA, SO_NETNS_COOKIE, Bauta
from host import Host
from host_clash_test import told_at_once
from talk import accept, chat

PORT = 50000
HOOKS = ["ingress", "egress", "connect4", "connect6", "sendmsg4"]

# Runs a program that cannot mount anything by fsopen(), system call 430 on every architecture.
WITHOUT_FSOPEN = """
import ctypes, os, struct, sys
filter = b"".join(struct.pack("HBBI", *line) for line in (
    (0x20, 0, 0, 0),            # A = number of the system call
    (0x15, 0, 1, 430),          # fsopen?
    (0x06, 0, 0, 0x00050001),   # fails with EPERM
    (0x06, 0, 0, 0x7fff0000)))  # goes its way
buffer = ctypes.create_string_buffer(filter)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(filter) // 8, ctypes.addressof(buffer)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


class Hobbled(Bauta):
    """Cannot reach the cgroups."""

    def launch(self, *more):
        return self.host.start(sys.executable, "-c", WITHOUT_FSOPEN, BAUTA, "run", *self.arguments, *more)


class Inside:
    """A connection of A that holds R:50000 toward B:60000."""

    def __init__(self, lab):
        self._lab = lab
        self.remote = (lab.B.address, 60000)
        self.server = lab.B.listen(60000)
        self.client = lab.A.connect(self.remote)
        self.conn, peer = accept(self.client, self.server)
        assert peer == (lab.R.external, PORT)

    def refused(self):
        return told_at_once(lambda: self._lab.R.connect(self.remote, port=PORT))


def denied(bauta):
    return bauta.drops().get("connect", {"packets": 0})["packets"]


def links(bauta):
    """The kernel's numbers of what is pinned as our hooks."""
    (pins,) = bauta.pins()
    return {link_id(path) for path in pathlib.Path(pins).glob("hook-*")}


def link_id(path):
    done = subprocess.run(["bpftool", "-j", "link", "show", "pinned", path], capture_output=True, check=True)
    return json.loads(done.stdout)["id"]


def cookie(netns):
    """By which bauta knows a network namespace."""
    host = Host("gone", netns)
    with host.socket(socket.SOCK_DGRAM) as probe:
        number = int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), sys.byteorder)
    host.close()
    return number


def is_link(number):
    done = subprocess.run(["bpftool", "link", "show", "id", str(number)], capture_output=True, check=False)
    return done.returncode == 0


def test_status_names_them(lab):
    bauta = lab.use(Bauta(str(PORT)))
    assert bauta.status()["hooks"] == HOOKS


@pytest.mark.parametrize("netns_exec", [False, True], ids=["plain", "ip-netns-exec"])
def test_killed_and_started_again(lab, netns_exec):
    """They refuse while nobody serves, are taken over, and count each call once."""
    bauta = lab.use(Bauta(str(PORT), netns_exec=netns_exec))
    inside = Inside(lab)
    before = links(bauta)
    bauta.kill()
    assert inside.refused() == errno.EADDRINUSE
    assert denied(bauta) == 1
    bauta.start()
    assert links(bauta) == before
    assert inside.refused() == errno.EADDRINUSE
    assert denied(bauta) == 2
    assert bauta.status()["hooks"] == HOOKS


def test_kept_when_the_daemon_stops(lab):
    bauta = lab.use(Bauta(str(PORT), keep=True))
    inside = Inside(lab)
    bauta.stop()
    assert inside.refused() == errno.EADDRINUSE
    assert bauta.status()["hooks"] == HOOKS


@pytest.mark.parametrize("end", ["stop", "down", "kill, then down"])
def test_gone_with_the_gateway(lab, end):
    """What is detached is ours, all of it, and at once."""
    bauta = lab.use(Bauta(str(PORT)))
    numbers = links(bauta)
    assert len(numbers) == len(HOOKS) - 2 and all(map(is_link, numbers))
    if end.startswith("kill"):
        bauta.kill()
    if end == "stop":
        bauta.stop()
    else:
        bauta.down()
    assert not any(map(is_link, numbers))


def test_detached_by_somebody(lab):
    """Then `show status` does not name it, and the next run attaches it again."""
    bauta = lab.use(Bauta(str(PORT)))
    inside = Inside(lab)
    (pins,) = bauta.pins()
    subprocess.run(["bpftool", "link", "detach", "pinned", f"{pins}/hook-connect4"], check=True)
    assert bauta.status()["hooks"] == [hook for hook in HOOKS if hook != "connect4"]
    assert inside.refused() == errno.ECONNREFUSED
    bauta.kill()
    bauta.start()
    assert bauta.status()["hooks"] == HOOKS
    assert inside.refused() == errno.EADDRINUSE


def test_two_gateways_side_by_side(make_lab):
    """Of two network namespaces, with the same addresses: each refuses for itself, and one goes without the other."""
    labs = [make_lab(), make_lab()]
    gateways = [one.use(Bauta(str(PORT))) for one in labs]
    inside = [Inside(one) for one in labs]
    assert [one.refused() for one in inside] == [errno.EADDRINUSE] * 2
    assert [denied(one) for one in gateways] == [1, 1]
    gateways[0].stop()
    assert inside[1].refused() == errno.EADDRINUSE
    assert denied(gateways[1]) == 2


def test_two_interfaces_side_by_side(lab):
    """Another gateway of the same namespace holds none of these tuples, and does not count them; it goes alone."""
    lab.R.ip("link add wan2 type veth peer name far2", "link set far2 up", "link set wan2 up")
    lab.R.ip("addr add 198.51.100.1/24 dev wan2")
    gateways = [lab.use(Bauta(str(PORT))), lab.use(Bauta(str(PORT), dev="wan2"))]
    inside = Inside(lab)
    assert inside.refused() == errno.EADDRINUSE
    counted = [
        [row["packets"] for row in bauta.json("show", "drops", "-e", bauta.dev) if row["reason"] == "connect"]
        for bauta in gateways
    ]
    assert counted == [[1], []]
    gateways[1].stop()
    assert inside.refused() == errno.EADDRINUSE
    assert denied(gateways[0]) == 2


@pytest.mark.parametrize("options,bind_named", [([], 0), (["--borrow"], 1)], ids=["share", "borrow"])
def test_without_them(make_lab, options, bind_named):
    """One warning that names what is lost; everything else works, and no packet of the host meets the session's."""
    lab = make_lab()
    bauta = lab.use(Hobbled(str(PORT), *options))
    warnings = [line for line in bauta.log.splitlines() if "cgroups" in line]
    assert len(warnings) == 1 and "EADDRINUSE" in warnings[0], bauta.log
    assert warnings[0].count("bind()") == bind_named
    assert bauta.status()["hooks"] == HOOKS[:2]
    inside = Inside(lab)
    assert inside.refused() == errno.ECONNREFUSED
    chat(inside.client, inside.conn)


def test_without_one_of_them(lab):
    """None then, nor of those of an earlier run: what the warning says is lost does not work by halves."""
    bauta = lab.use(Bauta(str(PORT), "--borrow"))
    numbers = links(bauta)
    assert all(map(is_link, numbers))
    (pins,) = bauta.pins()
    bauta.kill()
    in_the_way = pathlib.Path(pins, "hook-bind4")
    in_the_way.unlink()
    in_the_way.mkdir()
    try:
        bauta.start()
        assert "EADDRINUSE" in bauta.log
        assert bauta.status()["hooks"] == HOOKS[:2]
        assert not any(map(is_link, numbers))
    finally:
        in_the_way.rmdir()


def test_other_cgroup(lab, cgroup):
    lab.use(Bauta(str(PORT)))
    inside = Inside(lab)
    nc = lab.R.run("sh", "-c", f'echo $$ >{cgroup}/cgroup.procs && exec nc -v -w 5 -p {PORT} {lab.B.address} 60000')
    assert nc.status == 1 and "Address already in use" in nc.stderr, nc.report()
    chat(inside.client, inside.conn)


def what_hides_processes():
    """What `bauta down` says that keeps it from being certain that a namespace is gone; None if nothing does."""
    if os.stat("/proc/self/ns/pid").st_ino != 0xEFFFFFFC:  # the first one's number is fixed
        return "first PID namespace"
    try:
        os.readlink("/proc/1/ns/net")
    except PermissionError:  # as root, but with fewer rights than process 1
        return "cannot see in /proc"
    return None


def unpin(pins):
    """As if it had never been."""
    for path in pins.iterdir():
        path.unlink()
    pins.rmdir()
    for end in (".lock", ".sock"):
        pathlib.Path("/run/bauta", pins.name + end).unlink(missing_ok=True)


def test_gone_namespace(lab):
    """What a killed daemon has left there, `bauta down` of any namespace finds, and removes where it can be certain."""
    name = f"{lab.R.netns}-gone"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        lab.R.ip(f"link add wan3 netns {name} type veth peer name far3")
        inside = ["ip", "-n", name]
        subprocess.run([*inside, "addr", "add", "203.0.113.1/24", "dev", "wan3"], check=True)
        subprocess.run([*inside, "link", "set", "wan3", "up"], check=True)
        daemon = lab.R.start("ip", "netns", "exec", name, BAUTA, "run", "-e", "wan3", "-p", PORT)
        daemon.wait_text("^bauta: ready: ", limit_s=20)
        daemon.stop(signal.SIGKILL)
        (pins,) = pathlib.Path("/run/bauta/bpf").glob(f"{cookie(name)}-wan3")
        numbers = {link_id(path) for path in pins.glob("hook-*")}
        assert numbers and all(map(is_link, numbers))
        lab.R.do(BAUTA, "down", "-e", "eth0")
        assert pins.exists()
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
    done = lab.R.run(BAUTA, "down", "-e", "eth0")
    hidden = what_hides_processes()
    if hidden:
        kept = pins.exists() and all(map(is_link, numbers))
        unpin(pins)
        assert done.status == 0 and done.stderr.count(hidden) == 1, done.report()
        assert kept
    else:
        assert done.status == 0 and "wan3" in done.stderr, done.report()
        assert not pins.exists() and not any(map(is_link, numbers))


def test_living_namespace_of_an_unseen_process(lab):
    """Who holds it is in another PID namespace than `bauta down`: its gateway is not taken for a leftover."""
    holder = lab.R.start("unshare", "--net", "sh", "-c", "echo here; exec sleep infinity")
    holder.wait_text("^here$", of="stdout")
    enter = ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
    lab.R.do(*enter, "ip", "link", "add", "wan4", "type", "veth", "peer", "name", "far4")
    lab.R.do(*enter, "ip", "addr", "add", "203.0.113.1/24", "dev", "wan4")
    lab.R.do(*enter, "ip", "link", "set", "wan4", "up")
    daemon = lab.R.start(*enter, BAUTA, "run", "-e", "wan4", "-p", PORT, "--keep")
    daemon.wait_text("^bauta: ready: ", limit_s=20)
    assert daemon.stop(signal.SIGTERM, limit_s=10) == 0
    try:
        done = lab.R.run("unshare", "--pid", "--fork", "--mount-proc", BAUTA, "down", "-e", "eth0")
        assert done.status == 0 and done.stderr.count("first PID namespace") == 1, done.report()
        hooks = json.loads(lab.R.do(*enter, BAUTA, "show", "status", "-j"))["hooks"]
        assert hooks == HOOKS
    finally:
        lab.R.do(*enter, BAUTA, "down", "-e", "wan4")
