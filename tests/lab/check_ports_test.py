# SPDX-License-Identifier: GPL-2.0-or-later
"""Who sits on ports of the ranges: programs, named with their processes, the kernel itself, and tunnel devices."""

import os
import re
import signal
import socket
import sys

import pytest
from finding import RANGE, check, connects, mend, only
from gateway import BAUTA, Bauta
from wait import until


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
    bauta.daemon.kill(signal.SIGHUP)
    bauta.daemon.wait_text("looked at everything again")
    assert "port 20002:" in bauta.log and "port 20001:" not in bauta.log


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


def test_session_that_has_the_port_of_a_tunnel(lab):
    """From before the device was up: what that remote sends goes to the session, as the finding says."""
    lab.meet()
    lab.use(Bauta("20000"))
    server, client = lab.B.udp(9), lab.A.udp(20000, remote=(lab.B.address, 9))
    client.send(b"x")
    assert server.recvfrom(10)[1] == (lab.R.external, 20000)
    lab.R.ip("link add vx0 type vxlan id 7 dstport 20000 dev eth0", "link set vx0 up")
    server.sendto(b"y", (lab.R.external, 20000))
    assert client.recv(10) == b"y"
    assert "tunnel" in [finding["finding"] for finding in check(lab.R, ports=None)]


def test_socket_of_a_tunnel_elsewhere(lab):
    """The socket stays where the device was made: there it is the kernel's, and where the device is there is none."""
    lab.R.ip("link add vx0 type vxlan id 7 dstport 20004")
    lab.R.do("ip", "link", "set", "vx0", "netns", lab.B.netns)
    lab.B.ip("link set vx0 up")
    finding = only(check(lab.R), "socket")
    assert (finding["proto"], finding["ports"], finding["pid"], finding["processes"]) == ("udp", "20004", None, [])
    assert "the kernel" in finding["what"]
    assert "tunnel" not in [finding["finding"] for finding in check(lab.B)]
