# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of the gateway and internal hosts as equals: what each of both hears, for every kind of socket.

A program that chose its port has that port toward a remote, or an error from the call itself; one that left the choice
to the kernel is moved to another port, and told only when there is none."""

import errno
import re
import socket
import time

import pytest
from gateway import Bauta
from host_clash_test import connect_unbound, told_at_once
from scapy.layers.inet import ICMP, IP
from talk import accept, ask, chat

IP_RECVERR, IP_TRANSPARENT, IP_BIND_ADDRESS_NO_PORT = 11, 19, 24
PORT = 50000


@pytest.fixture
def one_port(share_lab):
    return share_lab(Bauta, str(PORT)).gateway


@pytest.fixture
def two_ports(share_lab):
    return share_lab(Bauta, f"{PORT}-{PORT + 1}").gateway


def kernel_chooses(lab):
    """From now on the kernel's choice is PORT."""
    lab.R.sysctl("net.ipv4.ip_local_port_range", f"{PORT} {PORT}")


class Tcp:
    """A connection of A, from PORT as outside hosts see it."""

    def __init__(self, lab, port=60000):
        self.remote = (lab.B.address, port)
        self.server = lab.B.listen(port)
        self.client = lab.A.connect(self.remote, port=PORT)
        self.conn, peer = accept(self.client, self.server)
        assert peer == (lab.R.external, PORT)

    def flows(self):
        chat(self.client, self.conn)


class Udp:
    """The same with datagrams."""

    def __init__(self, lab, port=53):
        self.remote = (lab.B.address, port)
        self.external = (lab.R.external, PORT)
        self.server = lab.B.udp(port)
        self.client = lab.A.udp(PORT, remote=self.remote)
        self.flows()

    def flows(self):
        assert ask(self.client, self.server) == self.external


# The reporter's experiments, with his program


def test_nc_hears_that_the_address_is_in_use(one_port):
    """USERS' experiment 1: the host's nc comes second."""
    lab = one_port.lab
    inside = Tcp(lab)
    start = time.monotonic()
    nc = lab.R.run("nc", "-v", "-w", "5", "-p", PORT, *inside.remote)
    assert nc.status == 1 and "Address already in use" in nc.stderr, nc.report()
    assert time.monotonic() - start < 0.5
    inside.flows()


def test_nc_inside_hears_that_the_host_is_unreachable(one_port):
    """Experiment 2: the host's nc comes first."""
    lab = one_port.lab
    server = lab.B.listen(60000)
    own = lab.R.start("nc", "-v", "-p", PORT, lab.B.address, 60000)
    conn, peer = server.accept()
    assert peer == (lab.R.external, PORT)
    nc = lab.A.run("nc", "-v", "-w", "5", lab.B.address, 60000)
    assert nc.status == 1 and "No route to host" in nc.stderr, nc.report()
    conn.sendall(b"still there\n")
    own.wait_text("still there", of="stdout")


def test_event_names_the_process(one_port):
    lab = one_port.lab
    inside = Tcp(lab)
    watch = one_port.watch()
    nc = lab.R.run("nc", "-p", PORT, *inside.remote)
    event = watch.wait(lambda event: event["reason"] == "connect")
    assert (event["pid"], event["process"]) == (nc.seen_pid, "nc")
    assert event["remote"] == f"{lab.B.address}:60000" and event["owner"] == "session"
    one_port.daemon.wait_text(rf"^bauta: connect: .* by nc{re.escape(nc.caller)}:")


# Who chose the port


def test_port_chosen_by_the_kernel_is_moved(two_ports):
    lab = two_ports.lab
    inside = Tcp(lab)
    kernel_chooses(lab)
    watch = two_ports.watch()
    own = connect_unbound(lab.R, inside.remote)
    conn, peer = accept(own, inside.server)
    assert own.getsockname() == (lab.R.external, PORT) and peer == (lab.R.external, PORT + 1)
    watch.wait(lambda event: event["reason"] == "translated-clash")
    inside.flows()
    chat(own, conn)


def test_port_chosen_by_the_kernel_and_none_is_free(one_port):
    """connect() fails within milliseconds; the kernel has no errno for it that a gateway could choose."""
    lab = one_port.lab
    inside = Tcp(lab)
    kernel_chooses(lab)
    assert told_at_once(lambda: connect_unbound(lab.R, inside.remote)) == errno.ECONNREFUSED
    inside.flows()
    assert one_port.drops()["refused-clash"]["packets"] == 1


def test_port_chosen_by_the_kernel_at_bind_is_moved(two_ports):
    lab = two_ports.lab
    inside = Tcp(lab)
    kernel_chooses(lab)
    own = lab.R.tcp(0)
    assert own.getsockname() == (lab.R.external, PORT)
    own.connect(inside.remote)
    _, peer = accept(own, inside.server)
    assert peer == (lab.R.external, PORT + 1)


@pytest.mark.parametrize("port", [0, PORT], ids=["kernel's", "program's"])
def test_ip_bind_address_no_port(two_ports, port):
    """The option leaves the choice to connect(), if there is one."""
    lab = two_ports.lab
    inside = Tcp(lab)
    kernel_chooses(lab)
    own = lab.R.socket(socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    own.bind((lab.R.external, port))
    if port:
        assert told_at_once(lambda: own.connect(inside.remote)) == errno.EADDRINUSE
    else:
        own.connect(inside.remote)
        assert accept(own, inside.server)[1] == (lab.R.external, PORT + 1)
    inside.flows()


# Sockets that are older than the gateway


def test_bound_before_the_gateway_started(lab):
    """A TCP socket that is only bound is in nobody's way; when it connects, it is told."""
    old = lab.R.tcp(PORT)
    lab.use(Bauta(str(PORT)))
    inside = Tcp(lab)
    assert told_at_once(lambda: old.connect(inside.remote)) == errno.EADDRINUSE
    inside.flows()


def test_bound_by_the_kernel_before_the_gateway_started(lab):
    kernel_chooses(lab)
    old = lab.R.tcp(0)
    lab.use(Bauta(f"{PORT}-{PORT + 1}"))
    inside = Tcp(lab)
    old.connect(inside.remote)
    assert accept(old, inside.server)[1] == (lab.R.external, PORT + 1)
    inside.flows()


def test_connected_before_the_gateway_started(lab):
    """It keeps its tuple, and the internal host is told."""
    server = lab.B.listen(60000)
    old = lab.R.connect((lab.B.address, 60000), port=PORT)
    conn, peer = accept(old, server)
    lab.use(Bauta(str(PORT)))
    assert told_at_once(lambda: lab.A.connect((lab.B.address, 60000))) == errno.EHOSTUNREACH
    chat(old, conn)
    assert peer == (lab.R.external, PORT)


# Kinds of sockets


def test_listening_socket(one_port):
    """Whoever has a session on the port keeps it; everybody else reaches the listener."""
    lab = one_port.lab
    inside = Tcp(lab)
    listener = lab.R.listen(PORT, "0.0.0.0")
    outside = lab.B2.connect((lab.R.external, PORT))
    conn, peer = accept(outside, listener)
    assert peer[0] == lab.B2.address
    inside.flows()
    chat(outside, conn)
    assert told_at_once(lambda: lab.A2.connect((lab.B2.address, 60000))) == errno.EHOSTUNREACH


@pytest.mark.parametrize("address", ["0.0.0.0", "external"])
def test_udp_sendto(one_port, address):
    """Toward the remote that an internal host talks to: an error; toward all others the socket works."""
    lab = one_port.lab
    inside = Udp(lab)
    own = lab.R.udp(PORT, lab.R.external if address == "external" else address)
    assert told_at_once(lambda: own.sendto(b"x", inside.remote)) == errno.EADDRINUSE
    other = lab.B2.udp(53)
    assert ask(own, other, remote=(lab.B2.address, 53)) == (lab.R.external, PORT)
    inside.flows()
    assert one_port.drops()["send"]["packets"] == 1


def test_udp_sendto_of_a_port_chosen_by_the_kernel(two_ports):
    lab = two_ports.lab
    inside = Udp(lab)
    kernel_chooses(lab)
    own = lab.R.socket(socket.SOCK_DGRAM)
    assert ask(own, inside.server, remote=inside.remote) == (lab.R.external, PORT + 1)
    assert own.getsockname()[1] == PORT
    inside.flows()


def test_udp_sendto_when_none_is_free(one_port):
    """A datagram is lost with an ICMP error, which a socket hears of if it asked to."""
    lab = one_port.lab
    inside = Udp(lab)
    kernel_chooses(lab)
    own = lab.R.socket(socket.SOCK_DGRAM)
    own.setsockopt(socket.SOL_IP, IP_RECVERR, 1)

    def query():
        own.sendto(b"x", inside.remote)
        own.recv(10)

    assert told_at_once(query) == errno.EHOSTUNREACH
    inside.flows()


@pytest.mark.parametrize("port", [0, PORT], ids=["kernel's", "program's"])
def test_udp_connect(two_ports, port):
    lab = two_ports.lab
    inside = Udp(lab)
    kernel_chooses(lab)
    own = lab.R.udp(port)
    if port:
        assert told_at_once(lambda: own.connect(inside.remote)) == errno.EADDRINUSE
    else:
        own.connect(inside.remote)
        assert ask(own, inside.server) == (lab.R.external, PORT + 1)
    inside.flows()


def test_udp_bound_before_is_in_the_nats_way(lab):
    """A wildcard-bound socket gets what comes for its port, so the port is nobody else's."""
    own = lab.R.udp(PORT, "0.0.0.0")
    lab.use(Bauta(str(PORT)))
    server = lab.B.udp(53)
    inside = lab.A.udp(41053, remote=(lab.B.address, 53))

    def query():
        inside.send(b"x")
        inside.recv(10)

    inside.setsockopt(socket.SOL_IP, IP_RECVERR, 1)
    assert told_at_once(query) == errno.EHOSTUNREACH
    assert ask(own, server, remote=(lab.B.address, 53)) == (lab.R.external, PORT)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
def test_socket_of_ipv6_that_speaks_ipv4(one_port, kind):
    lab = one_port.lab
    inside = Tcp(lab) if kind == socket.SOCK_STREAM else Udp(lab, 60000)
    lab.R.sysctl("net.ipv6.conf.all.disable_ipv6", 0)
    own = lab.R.socket(kind, family=socket.AF_INET6)
    own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    own.bind(("::", PORT))
    remote = (f"::ffff:{lab.B.address}", 60000)
    assert told_at_once(lambda: own.connect(remote)) == errno.EADDRINUSE
    if kind == socket.SOCK_DGRAM:
        assert told_at_once(lambda: own.sendto(b"x", remote)) == errno.EADDRINUSE
    inside.flows()


def ping(host, identifier):
    """A ping socket: of the kernel's choice if identifier is 0."""
    host.sysctl("net.ipv4.ping_group_range", "0 0")
    made = host.socket(socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    made.bind((host.address, identifier))
    return made


def answered(own, sequence=1):
    own.send(bytes(ICMP(id=0, seq=sequence)))
    assert ICMP(own.recv(100)).type == 0


def test_ping_socket_that_chose_its_identifier(one_port):
    lab = one_port.lab
    at_a = lab.capture(lab.A)
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / ICMP(id=77, seq=1))
    at_a.one(lambda packet: ICMP in packet and packet[ICMP].type == 0)
    own = ping(lab.R, 77)
    assert told_at_once(lambda: own.connect((lab.B.address, 0))) == errno.EADDRINUSE
    own.connect((lab.B2.address, 0))
    answered(own)


def test_ping_sockets_under_one_identifier(one_port):
    """The host's came first, so the internal one is moved: no identifier is scarce."""
    lab = one_port.lab
    own = ping(lab.R, 77)
    own.connect((lab.B.address, 0))
    answered(own)
    inside = ping(lab.A, 77)
    inside.connect((lab.B.address, 0))
    answered(inside)
    answered(own, 2)


def test_reuseport(one_port):
    """Both sockets on one port are told."""
    lab = one_port.lab
    inside = Udp(lab)
    both = []
    for _ in range(2):
        own = lab.R.socket(socket.SOCK_DGRAM)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        own.bind((lab.R.external, PORT))
        both.append(own)
    for own in both:
        assert told_at_once(lambda own=own: own.sendto(b"x", inside.remote)) == errno.EADDRINUSE
    inside.flows()


def test_reuseport_of_listeners(lab):
    """Either of two listeners is in the way of the NAT."""
    both = []
    for _ in range(2):
        own = lab.R.socket(socket.SOCK_STREAM)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        own.bind(("0.0.0.0", PORT))
        own.listen()
        both.append(own)
    lab.use(Bauta(str(PORT)))
    server = lab.B.listen(60000)
    for own in both:
        assert told_at_once(lambda: lab.A.connect((lab.B.address, 60000))) == errno.EHOSTUNREACH
        own.close()
    accept(lab.A.connect((lab.B.address, 60000)), server)


def test_transparent_socket_on_our_address(one_port):
    lab = one_port.lab
    inside = Tcp(lab)
    own = lab.R.socket(socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
    own.bind((lab.R.external, PORT))
    assert told_at_once(lambda: own.connect(inside.remote)) == errno.EADDRINUSE
    inside.flows()


def test_transparent_socket_on_another_address(lab):
    """It is masqueraded like anybody who is not of the external network."""
    lab.meet()
    lab.use(Bauta(f"{PORT}-{PORT + 1}"))
    inside = Tcp(lab)
    lab.R.own("203.0.113.0/24")
    own = lab.R.socket(socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
    own.bind(("203.0.113.9", PORT))
    own.connect(inside.remote)
    conn, peer = accept(own, inside.server)
    assert peer == (lab.R.external, PORT + 1)
    inside.flows()
    chat(own, conn)


def test_time_wait_of_the_host(lab):
    """A tuple in TIME_WAIT is the host's; the internal host is told."""
    lab.meet()
    lab.use(Bauta(str(PORT)))
    server = lab.B.listen(60000)
    own = lab.R.connect((lab.B.address, 60000), port=PORT)
    conn, _ = accept(own, server)
    own.close()
    assert conn.recv(1) == b""
    conn.close()
    assert "TIME-WAIT" in lab.R.do("ss", "-tanH", "sport", "=", f":{PORT}")
    assert told_at_once(lambda: lab.A.connect((lab.B.address, 60000))) == errno.EHOSTUNREACH
    other = lab.B.listen(60001)
    accept(lab.A.connect((lab.B.address, 60001)), other)


def test_time_wait_of_an_internal_host(lab):
    """Its session lasts as long as its TIME_WAIT may, and so long the host is told."""
    lab.meet()
    bauta = lab.use(Bauta(str(PORT)))
    inside = Tcp(lab)
    inside.client.close()
    assert inside.conn.recv(1) == b""
    inside.conn.close()
    bauta.wait_sessions(1, "state=closing")
    assert told_at_once(lambda: lab.R.connect(inside.remote, port=PORT)) == errno.EADDRINUSE


# Who is not concerned


def test_other_network_namespace(lab):
    """The very tuple, but of a program in another namespace: nobody looks at it."""
    lab.meet()
    bauta = lab.use(Bauta(str(PORT)))
    inside = Tcp(lab)
    lab.B2.ip(f"addr add {lab.R.external}/32 dev lo")
    elsewhere = lab.B2.tcp(PORT, lab.R.external)
    elsewhere.setblocking(False)
    assert elsewhere.connect_ex(inside.remote) == errno.EINPROGRESS
    assert "connect" not in bauta.drops()


def test_established_flow_is_left_alone(two_ports):
    """A socket that was moved when it had no choice keeps on talking, whatever it asks for."""
    lab = two_ports.lab
    inside = Udp(lab)
    kernel_chooses(lab)
    own = lab.R.udp(0)
    for _ in range(3):
        assert ask(own, inside.server, remote=inside.remote) == (lab.R.external, PORT + 1)
    inside.flows()
