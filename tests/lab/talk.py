# SPDX-License-Identifier: GPL-2.0-or-later
"""Conversations over plain sockets: each checks that what was said arrived, in both directions."""

import itertools

from packet import check_checksums

_lines = itertools.count()


def text(endpoint):
    """An endpoint as the program writes it."""
    return f"{endpoint[0]}:{endpoint[1]}"


def read(conn, length):
    data = b""
    while len(data) < length:
        more = conn.recv(length - len(data))
        assert more, f"connection ended after {data!r}"
        data += more
    return data


def say(one, other):
    """A fresh line from one TCP socket to the other."""
    line = f"line {next(_lines)}\n".encode()
    one.sendall(line)
    assert read(other, len(line)) == line


def chat(client, conn):
    """A line in each direction."""
    say(client, conn)
    say(conn, client)


def accept(client, server):
    """Accepts the connection of client and talks over it; returns it and the peer that the server saw."""
    conn, peer = server.accept()
    conn.settimeout(3)
    chat(client, conn)
    return conn, peer


def ask(client, server, remote=None):
    """A datagram from client to server, and the answer; returns the endpoint that the server saw."""
    line = f"question {next(_lines)}".encode()
    if remote:
        client.sendto(line, remote)
    else:
        client.send(line)
    data, peer = server.recvfrom(2048)
    assert data == line
    server.sendto(line[::-1], peer)
    assert client.recv(2048) == line[::-1]
    return peer


def exchange(lab, proto="udp", port=7000, client_port=0):
    """One conversation from A with B, whatever stands between; returns the endpoint that B saw."""
    remote = (lab.B.address, port)
    if proto == "udp":
        with lab.B.udp(port) as server, lab.A.udp(client_port, remote=remote) as client:
            return ask(client, server)
    with lab.B.listen(port) as server, lab.A.connect(remote, port=client_port) as client:
        conn, peer = accept(client, server)
        conn.close()
        return peer


def check_outside(lab, at_outside, offload=False):
    """What an outside host received: checksums right (unless the wire leaves them to hardware), nothing private."""
    private = [bytes(map(int, address.split("."))) for address in (lab.A.address, lab.A2.address, lab.R.internal)]
    packets = at_outside.raw(outgoing=False)
    assert packets
    for raw in packets:
        if not offload:
            check_checksums(raw)
        assert not any(address in raw for address in private), f"a private address outside: {raw.hex()}"
