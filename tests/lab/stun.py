# SPDX-License-Identifier: GPL-2.0-or-later
"""STUN (RFC 8489) with what RFC 5780 adds to find out how a NAT behaves: coturn's server with two addresses and two ports, and
a client that asks it, one transaction at a time, where coturn's own client cannot."""

import collections
import os
import socket
import struct
import tempfile

COOKIE = 0x2112A442
BINDING, SUCCESS = 0x0001, 0x0101
MAPPED, XOR_MAPPED, CHANGE, PADDING, RESPONSE_PORT = 0x0001, 0x0020, 0x0003, 0x0026, 0x0027
ORIGIN, OTHER = 0x802B, 0x802C
CHANGE_ADDRESS, CHANGE_PORT = 4, 2
PORT, OTHER_PORT = 3478, 3479
SURE_S = 3  # for an answer that must come, however busy the machine is

Answer = collections.namedtuple("Answer", "mapped xor_mapped origin other source")


class Server:
    """coturn on a host, which gets a second address for it."""

    def __init__(self, host, second):
        self.host = host
        self._folder = host.keep(_Folder())
        host.ip(f"addr replace {second}/24 dev eth0")
        self.addresses = (host.address, second)
        self.process = host.start(
            "turnserver", "-n", "--stun-only", "--no-auth", "--no-tls", "--no-dtls", "--no-cli", "-m", "1",
            "-L", host.address, "-L", second, "-p", PORT, f"--alt-listening-port={OTHER_PORT}",
            "-b", f"{self._folder.name}/db", "--pidfile", f"{self._folder.name}/pid", "-l", "stdout", "--simple-log",
        )
        for proto in ("udp", "tcp"):
            host.wait_listening(OTHER_PORT, proto)

    def at(self, address=0, port=0):
        """One of its four endpoints: 0 is the first, 1 the other."""
        return (self.addresses[address], (PORT, OTHER_PORT)[port])


class _Folder:
    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.name = self._folder.name

    def close(self):
        self._folder.cleanup()


def request(change=0, response_port=None, padding=0):
    """(transaction, message)"""
    attributes = b""
    if change:
        attributes += struct.pack("!HHI", CHANGE, 4, change)
    if response_port is not None:
        attributes += struct.pack("!HHHH", RESPONSE_PORT, 4, response_port, 0)
    if padding:
        attributes += struct.pack("!HH", PADDING, padding) + bytes(padding + -padding % 4)
    transaction = os.urandom(12)
    return transaction, struct.pack("!HHI", BINDING, len(attributes), COOKIE) + transaction + attributes


def _endpoint(value, mask):
    port, address = struct.unpack("!HI", value[2:8])
    if mask:
        port, address = port ^ COOKIE >> 16, address ^ COOKIE
    return (socket.inet_ntoa(address.to_bytes(4, "big")), port)


def parse(message, transaction, source=None):
    """The answer to this transaction, or None if it is another's, or no success."""
    kind, length, cookie = struct.unpack("!HHI", message[:8])
    if (kind, cookie, message[8:20]) != (SUCCESS, COOKIE, transaction):
        return None
    found, at = {}, 20
    while at < 20 + length:
        name, size = struct.unpack("!HH", message[at : at + 4])
        found.setdefault(name, message[at + 4 : at + 4 + size])
        at += 4 + size + -size % 4
    names = ((MAPPED, False), (XOR_MAPPED, True), (ORIGIN, False), (OTHER, False))
    return Answer(*(_endpoint(found[name], mask) if name in found else None for name, mask in names), source)


def hear(sock, transaction, limit_s):
    """The answer that a UDP socket gets, or None."""
    sock.settimeout(limit_s)
    try:
        while True:
            answer = parse(*_swap(sock.recvfrom(4096), transaction))
            if answer:
                return answer
    except TimeoutError:
        return None


def _swap(received, transaction):
    message, source = received
    return message, transaction, source


def ask(sock, server, limit_s=0.6, **attributes):
    """One transaction over UDP."""
    transaction, message = request(**attributes)
    sock.sendto(message, server)
    return hear(sock, transaction, limit_s)


def ask_tcp(host, port, server):
    """One transaction over a connection of its own from this port; (the connection, the answer)."""
    conn = host.socket(socket.SOCK_STREAM)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    conn.bind((host.address, port))
    conn.connect(server)
    transaction, message = request()
    conn.sendall(message)
    got = b""
    while len(got) < 20 or len(got) < 20 + int.from_bytes(got[2:4], "big"):
        got += conn.recv(4096)
    return conn, parse(got, transaction)


def mapping(server, where):
    """RFC 5780 §4.3; where(endpoint) is where the server at that endpoint sees the client."""
    first, second = where(server.at()), where(server.at(1, 0))
    if second == first:
        return "endpoint-independent"
    return "address-dependent" if where(server.at(1, 1)) == second else "address-and-port-dependent"


def filtering(server, sock):
    """RFC 5780 §4.4, on a socket that has sent to nobody before."""
    assert ask(sock, server.at(), SURE_S), "the server cannot be reached"
    if ask(sock, server.at(), change=CHANGE_ADDRESS | CHANGE_PORT):
        return "endpoint-independent"
    return "address-dependent" if ask(sock, server.at(), change=CHANGE_PORT) else "address-and-port-dependent"
