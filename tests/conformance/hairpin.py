# SPDX-License-Identifier: GPL-2.0-or-later
"""From inside to the external endpoint of another internal host."""

import socket

from packet import match, quoted
from scapy.layers.inet import ICMP, UDPerror
from trial import decide, no, probe

OPEN = {"filtering": "endpoint-independent"}  # this is not about filters


def mapped(lab, host, port):
    """A UDP socket of a host, and where B sees it."""
    client, server = host.udp(port), lab.B.udp(0)
    client.sendto(b"x", server.getsockname())
    return client, server.recvfrom(10)[1]


def heard(sock):
    """What a socket hears within its time; (None, None) if nothing, or an error."""
    sock.settimeout(1)
    try:
        return sock.recvfrom(100)
    except OSError:
        return None, None


def udp(trial):
    lab = trial.open_with(OPEN)
    one, external = mapped(lab, lab.A, 5000)
    two, other = mapped(lab, lab.A2, 5002)
    one.sendto(b"hello", other)
    data, peer = heard(two)
    return one, two, external, data, peer


@probe("4787 REQ-9")
def udp_hairpin(trial):
    one, two, _, data, peer = udp(trial)
    if data != b"hello":
        return no("it does not arrive")
    two.sendto(b"answer", peer)
    return decide(heard(one)[0] == b"answer", "the answer does not arrive")


@probe("4787 REQ-9a")
def udp_hairpin_shows_the_external_endpoint(trial):
    _, _, external, data, peer = udp(trial)
    if data is None:
        return no("it does not arrive")
    return decide(peer == external, f"it comes from {peer[0]}:{peer[1]}")


def tcp(trial):
    """A2 listens on the port from which it has a connection with B; A connects to where B sees that."""
    lab = trial.open_with(OPEN)

    def reusing(host, port):
        made = host.socket(socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host.address, port))
        return made

    server = lab.B.listen(7000)
    seen = []
    for host, port in ((lab.A, 5000), (lab.A2, 5002)):
        reusing(host, port).connect((lab.B.address, 7000))
        seen.append(server.accept()[1])
    listener = reusing(lab.A2, 5002)
    listener.listen(1)
    client = reusing(lab.A, 5000)
    client.settimeout(1.5)
    try:
        client.connect(seen[1])
    except OSError as problem:
        return None, None, seen[0], type(problem).__name__
    conn, peer = listener.accept()
    return client, conn, seen[0], peer


@probe("5382 REQ-8")
def tcp_hairpin(trial):
    client, conn, _, problem = tcp(trial)
    if client is None:
        return no(f"connect(): {problem}")
    conn.settimeout(1)
    client.sendall(b"hello")
    good = conn.recv(10) == b"hello"
    conn.sendall(b"answer")
    return decide(good and client.recv(10) == b"answer", "no data")


@probe("5382 REQ-8a")
def tcp_hairpin_shows_the_external_endpoint(trial):
    client, _, external, peer = tcp(trial)
    if client is None:
        return no(f"connect(): {peer}")
    return decide(peer == external, f"it comes from {peer[0]}:{peer[1]}")


def error(trial):
    """A2 has closed its socket; A sends to where it was. The ICMP errors that A gets, and who is who."""
    lab = trial.open_with(OPEN)
    one, _ = mapped(lab, lab.A, 5000)
    two, other = mapped(lab, lab.A2, 5002)
    at_a, at_a2 = lab.capture(lab.A), lab.capture(lab.A2)
    two.close()
    one.sendto(b"hello", other)
    lab.settle(lab.A, lab.A2)
    arrived = at_a2.packets(match(proto="udp", dport=5002))
    return lab, other, arrived, at_a.packets(match(proto="icmp", dst=lab.A.address, icmp=3))


@probe("5508 REQ-7")
def errors_about_hairpinned_packets(trial):
    _, _, arrived, errors = error(trial)
    if not arrived:
        return no("the packet itself does not arrive")
    return decide(any(packet[ICMP].code == 3 for packet in errors), "no ICMP 3/3")


@probe("5508 REQ-7a")
def errors_about_hairpinned_packets_show_external_endpoints(trial):
    lab, other, arrived, errors = error(trial)
    if not arrived or not errors:
        return no("there is none")
    quote = quoted(errors[0])
    seen = errors[0].src, quote.src, quote[UDPerror].sport, quote.dst, quote[UDPerror].dport
    return decide(seen == (other[0], lab.A.address, 5000, *other), f"from {seen[0]} about {seen[1]}:{seen[2]} → {seen[3]}")
