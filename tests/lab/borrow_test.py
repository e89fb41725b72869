# SPDX-License-Identifier: GPL-2.0-or-later
"""`--borrow`: a port is the NAT's or the host's, whatever the remote; whoever comes second is told so."""

import contextlib
import errno
import re
import socket

import pytest
from gateway import Bauta
from host_clash_test import connect_unbound, told_at_once
from packet import match
from scapy.layers.inet import IP, TCP
from talk import accept, ask, chat
from wait import until

PORT = 50000
CLOCK_FACTOR = 300
HELD_S = 3  # the host's sockets are listed once a second


@pytest.fixture
def borrow(lab):
    lab.meet()
    return lab.use(Bauta(str(PORT), "--borrow"))


@pytest.fixture
def in_use(lab, borrow):
    """A TCP session of A that uses the port: its ends."""
    server = lab.B.listen(60000)
    client = lab.A.connect((lab.B.address, 60000))
    conn, peer = accept(client, server)
    assert peer == (lab.R.external, PORT)
    return client, conn


def bind_errno(host, address, port=PORT, kind=socket.SOCK_STREAM, v6only=None):
    """The errno of bind(), 0 if it succeeds."""
    made = host.socket(kind, family=socket.AF_INET if v6only is None else socket.AF_INET6)
    if v6only is not None:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    with contextlib.closing(made):
        try:
            made.bind((address, port))
        except OSError as refused:
            return refused.errno
    return 0


def refused(lab):
    """Whether A is refused now; what it gets else is closed at once."""
    try:
        lab.A.connect((lab.B.address, 60000)).close()
    except OSError as problem:
        assert problem.errno == errno.EHOSTUNREACH
        return True
    return False


# The host comes second


def test_nc_hears_that_the_address_is_in_use(lab, borrow, in_use):
    """What the first reporter expected."""
    nc = lab.R.run("nc", "-l", PORT)
    assert nc.status == 1 and "Address already in use" in nc.stderr, nc.report()
    chat(*in_use)


def test_port_is_the_hosts_a_moment_after(make_lab):
    lab = make_lab()
    bauta = lab.use(Bauta(str(PORT), "--borrow", clock_factor=CLOCK_FACTOR))
    server = lab.B.udp(53)
    ask(lab.A.udp(41053, remote=(lab.B.address, 53)), server)
    assert bind_errno(lab.R, "0.0.0.0", kind=socket.SOCK_DGRAM) == errno.EADDRINUSE
    bauta.wait_sessions(0, limit_s=8)
    until(lambda: bind_errno(lab.R, "0.0.0.0", kind=socket.SOCK_DGRAM) == 0, "for the port")


def test_event_names_the_process(lab, borrow, in_use):
    watch = borrow.watch()
    nc = lab.R.run("nc", "-l", PORT)
    event = watch.wait(lambda event: event["reason"] == "bind")
    assert (event["pid"], event["process"]) == (nc.seen_pid, "nc")
    assert borrow.drops()["bind"]["verdict"] == "denied"
    assert borrow.drops()["bind"]["packets"] == 1
    borrow.daemon.wait_text(rf"^bauta: bind: .* by nc{re.escape(nc.caller)}:")


@pytest.mark.parametrize(
    "address,v6only,expected",
    [
        ("0.0.0.0", None, errno.EADDRINUSE),
        ("192.0.2.1", None, errno.EADDRINUSE),
        ("192.168.0.1", None, 0),
        ("127.0.0.1", None, 0),
        ("::", 0, errno.EADDRINUSE),
        ("::ffff:192.0.2.1", 0, errno.EADDRINUSE),
        ("::", 1, 0),
    ],
)
def test_addresses(lab, borrow, in_use, address, v6only, expected):
    """Only those on which the NAT is are in its way."""
    lab.R.sysctl("net.ipv6.conf.all.disable_ipv6", 0)
    assert bind_errno(lab.R, address, v6only=v6only) == expected
    chat(*in_use)


def test_other_protocol(lab, borrow, in_use):
    assert bind_errno(lab.R, "0.0.0.0", kind=socket.SOCK_DGRAM) == 0


def test_port_that_the_kernel_chooses_at_bind(lab, borrow, in_use):
    """The kernel does not choose again: bind() fails."""
    lab.R.sysctl("net.ipv4.ip_local_port_range", f"{PORT} {PORT}")
    assert bind_errno(lab.R, "0.0.0.0", 0) == errno.EADDRINUSE
    lab.R.sysctl("net.ipv4.ip_local_port_range", f"{PORT} {PORT + 9}")
    until(lambda: bind_errno(lab.R, "0.0.0.0", 0) == 0, "for another choice")


def test_port_that_the_kernel_chooses_at_connect(lab, borrow, in_use):
    """No hook sees that choice; but a tuple has one owner all the same."""
    lab.R.sysctl("net.ipv4.ip_local_port_range", f"{PORT} {PORT}")
    assert told_at_once(lambda: connect_unbound(lab.R, (lab.B.address, 60000))) in (
        errno.ECONNREFUSED, errno.EADDRINUSE
    )
    chat(*in_use)


# The host comes first


@contextlib.contextmanager
def bound(lab):
    with contextlib.closing(lab.R.tcp(PORT)):
        yield


@contextlib.contextmanager
def listening(lab):
    with contextlib.closing(lab.R.listen(PORT, "0.0.0.0")):
        yield


@contextlib.contextmanager
def connected_elsewhere(lab):
    server = lab.B2.listen(60001)
    client = lab.R.connect((lab.B2.address, 60001), port=PORT)
    conn, _ = accept(client, server)
    yield
    conn.close()  # first, so that it is B2 who waits
    client.close()
    server.close()


@contextlib.contextmanager
def connected_from_a_port_of_the_kernels(lab):
    lab.R.sysctl("net.ipv4.ip_local_port_range", f"{PORT} {PORT}")
    server = lab.B2.listen(60001)
    client = connect_unbound(lab.R, (lab.B2.address, 60001))
    assert client.getsockname()[1] == PORT
    conn, _ = accept(client, server)
    yield
    conn.close()
    client.close()
    server.close()


SOCKETS = [bound, listening, connected_elsewhere, connected_from_a_port_of_the_kernels]


@pytest.mark.parametrize("sit", SOCKETS, ids=lambda sit: sit.__name__)
@pytest.mark.parametrize("since", ["before", "after"])
def test_nat_takes_no_port_of_a_socket(lab, sit, since):
    """Whatever the remote, and whenever the socket came; when it has gone the port is the NAT's a moment later."""
    lab.meet()
    server = lab.B.listen(60000)
    with contextlib.ExitStack() as stack:
        if since == "before":
            stack.enter_context(sit(lab))
        lab.use(Bauta(str(PORT), "--borrow"))
        if since == "after":
            stack.enter_context(sit(lab))
        for _ in range(3):
            assert refused(lab)
    until(lambda: not refused(lab), "for the port", HELD_S)
    assert server.accept()[1] == (lab.R.external, PORT)


@pytest.mark.parametrize("remote", [False, True], ids=["bound", "connected"])
@pytest.mark.parametrize("since", ["before", "after"])
def test_nat_takes_no_port_of_a_udp_socket(lab, remote, since):
    lab.meet()
    server, other = lab.B.udp(53), lab.B2.udp(53)
    remote = (lab.B2.address, 53) if remote else None
    own = lab.R.udp(PORT, remote=remote) if since == "before" else None
    bauta = lab.use(Bauta(str(PORT), "--borrow"))
    own = own or lab.R.udp(PORT, remote=remote)
    inside = lab.A.udp(41053, remote=(lab.B.address, 53))
    inside.send(b"x")
    until(lambda: bauta.drops().get("no-port"), "for a refusal")
    if remote:
        ask(own, other)
    own.close()
    until(lambda: bind_errno(lab.R, "0.0.0.0", kind=socket.SOCK_DGRAM) == 0, "for the end of the socket")

    def got():
        with contextlib.suppress(OSError):
            inside.send(b"y")
        return bauta.sessions("proto=udp")

    until(got, "for the port", HELD_S)
    until(lambda: server.recvfrom(10)[0] == b"y", "for what A said")


def test_nat_takes_other_ports(lab):
    """One port of the range is the host's: exactly the others are found."""
    lab.meet()
    lab.R.tcp(PORT + 1)
    lab.use(Bauta(f"{PORT}-{PORT + 3}", "--borrow"))
    server = lab.B.listen(60000)
    ports = set()
    for _ in range(3):
        ports.add(accept(lab.A.connect((lab.B.address, 60000)), server)[1][1])
    assert ports == {PORT, PORT + 2, PORT + 3}
    assert refused(lab)


# Who is concerned


def test_without_borrow_a_port_is_shared(lab):
    bauta = lab.use(Bauta(str(PORT)))
    server = lab.B.listen(60000)
    accept(lab.A.connect((lab.B.address, 60000)), server)
    assert bind_errno(lab.R, "0.0.0.0") == 0
    assert not {"bind4", "bind6", "post_bind4", "post_bind6"} & set(bauta.status()["hooks"])


def test_hooks_come_and_go_with_the_option(lab):
    """A run that takes over one with --borrow and has it not takes its hooks away."""
    bauta = lab.use(Bauta(str(PORT), "--borrow"))
    assert {"bind4", "bind6", "post_bind4", "post_bind6"} <= set(bauta.status()["hooks"])
    bauta.kill()
    bauta.arguments.remove("--borrow")
    bauta.start()
    server = lab.B.listen(60000)
    accept(lab.A.connect((lab.B.address, 60000)), server)
    assert bind_errno(lab.R, "0.0.0.0") == 0
    assert "bind4" not in bauta.status()["hooks"]


def test_other_namespace(lab, borrow, in_use):
    assert bind_errno(lab.B2, "0.0.0.0") == 0
    assert "bind" not in borrow.drops()


def test_other_cgroup(lab, borrow, in_use, cgroup):
    nc = lab.R.run("sh", "-c", f"echo $$ >{cgroup}/cgroup.procs && exec nc -l {PORT}")
    assert nc.status == 1 and "Address already in use" in nc.stderr, nc.report()


def test_ranges_may_overlap_the_kernels(lab):
    """Connections of the host and of A from one small pool: none share a port, and none fails while one is free."""
    lab.meet()
    lab.R.sysctl("net.ipv4.ip_local_port_range", f"{PORT} {PORT + 7}")
    lab.use(Bauta(f"{PORT}-{PORT + 7}", "--borrow"))
    servers = [lab.B.listen(60000), lab.B.listen(60001)]
    own, inside = set(), set()
    for _ in range(4):
        own.add(accept(connect_unbound(lab.R, (lab.B.address, 60001)), servers[1])[1][1])
    for _ in range(4):
        inside.add(accept(lab.A.connect((lab.B.address, 60000)), servers[0])[1][1])
    assert len(own) == len(inside) == 4 and not own & inside
    assert refused(lab)


def test_knocking_from_outside_takes_no_port(lab):
    """The host's kernel answers for closed ports: nobody sits on them because of that."""
    lab.use(Bauta(f"{PORT}-{PORT + 9}", "--borrow"))
    answers = lab.capture(lab.B)
    for port in range(PORT, PORT + 10):
        lab.B.send(IP(src=lab.B.address, dst=lab.R.external) / TCP(sport=4000, dport=port, flags="A"))
        answers.one(match(proto="tcp", sport=port, flags="R"))
    server = lab.B.udp(53)
    tcp = lab.B.listen(60000)
    for port in range(41000, 41010):
        client = lab.A.connect((lab.B.address, 60000), port=port)
        accept(client, tcp)
    ask(lab.A.udp(41000, remote=(lab.B.address, 53)), server)
