# SPDX-License-Identifier: GPL-2.0-or-later
"""ICMP errors about translated packets: they reach whom they are for, rewritten, and change no session."""

import struct

import pytest
from gateway import Bauta, NftMasquerade
from packet import check_checksums, internet_sum, match, quoted
from scapy.layers.inet import ICMP, IP, TCP, UDP, ICMPerror, IPOption
from scapy.packet import Raw
from talk import accept, ask, chat, check_outside
from wait import until

GATEWAYS = {"nft": lambda: NftMasquerade("50000-50009"), "bauta": lambda: Bauta("50000-50009")}


@pytest.fixture(params=GATEWAYS)
def lab(request, share_lab):
    return share_lab(GATEWAYS[request.param], offload=False)


@pytest.fixture
def flow(lab):
    """A UDP flow that A has with B: its client, B's socket and the endpoint that B saw."""

    class Flow:
        def __init__(self):
            self.server = lab.B.udp(7000)
            self.client = lab.A.udp(5000, remote=(lab.B.address, 7000))
            self.external = None

        def start(self):
            self.external = ask(self.client, self.server)
            return self

        def sent(self):
            """What B got from A, as an error of any router outside would quote it."""
            address, port = self.external
            return IP(src=address, dst=lab.B.address, ttl=61) / UDP(sport=port, dport=7000) / b"question"

    return Flow()


def test_closed_port_outside_is_told_to_the_socket(lab):
    client = lab.A.udp(5000, remote=(lab.B.address, 9))
    at_a = lab.capture(lab.A)
    client.send(b"x")
    with pytest.raises(ConnectionRefusedError):
        client.recv(10)
    error = at_a.one(match(proto="icmp", icmp=(3, 3)))
    quote = quoted(error)
    assert (error.src, quote.src, quote.sport, quote.dport) == (lab.B.address, lab.A.address, 5000, 9)
    check_checksums(bytes(error))


def test_closed_port_inside_is_told_to_the_remote(lab, flow):
    """The error comes from R's address, quotes what B sent, and has no private byte."""
    address, port = flow.start().external
    flow.client.close()
    at_b = lab.capture(lab.B)
    lab.B.send(IP(src=lab.B.address, dst=address) / UDP(sport=7000, dport=port) / b"late")
    error = at_b.one(match(proto="icmp", icmp=(3, 3)))
    assert error.src == lab.R.external
    quote = quoted(error)
    assert (quote.src, quote.dst, quote.sport, quote.dport) == (lab.B.address, address, 7000, port)
    check_outside(lab, at_b)


@pytest.mark.parametrize("kind", [(3, 0), (3, 1), (3, 3), (3, 4), (3, 13), (11, 0), (12, 0)], ids=str)
def test_error_from_a_router_on_the_path(lab, flow, kind):
    """RFC 4787 REQ-12a: whoever sent it; RFC 5508 REQ-4: rewritten, type and code kept; RFC 5382 REQ-10: no harm."""
    flow.start()
    at_a = lab.capture(lab.A)
    message = ICMP(type=kind[0], code=kind[1])
    if kind == (3, 4):
        message.nexthopmtu = 1300
    lab.B.send(IP(src="203.0.113.7", dst=lab.R.external) / message / bytes(flow.sent()))
    error = at_a.one(match(proto="icmp", icmp=kind))
    assert (error.src, error.dst) == ("203.0.113.7", lab.A.address)
    quote = quoted(error)
    assert (quote.src, quote.dst, quote.sport, quote.dport) == (lab.A.address, lab.B.address, 5000, 7000)
    assert kind != (3, 4) or error[ICMP].nexthopmtu == 1300
    check_checksums(bytes(error))
    try:
        ask(flow.client, flow.server)
    except OSError:  # the error was delivered to the socket, once
        ask(flow.client, flow.server)


def test_error_about_a_ping(lab):
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    outside = lab.phantom(lab.B, "192.0.2.77")
    lab.A.send(IP(src=lab.A.address, dst=outside) / ICMP(id=77, seq=1) / b"data")
    seen = at_b.one(match(proto="icmp", icmp=8))
    lab.B.send(IP(src="203.0.113.7", dst=lab.R.external) / ICMP(type=11) / bytes(seen))
    error = at_a.one(match(proto="icmp", icmp=(11, 0)))
    assert (quoted(error).src, error[ICMPerror].id) == (lab.A.address, 77)
    check_checksums(bytes(error))


def test_error_about_a_connection_does_not_end_it(lab):
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000))
    at_b = lab.capture(lab.B)
    conn, (address, port) = accept(client, server)
    lab.settle()
    segment = at_b.packets(match(proto="tcp", src=address, sport=port))[-1]
    for kind in ((3, 1), (3, 3), (3, 13), (11, 0)):
        lab.B.send(IP(src="203.0.113.7", dst=address) / ICMP(type=kind[0], code=kind[1]) / bytes(segment)[:28])
    lab.settle()
    chat(client, conn)


def test_error_that_quotes_options(lab, flow):
    """RFC 5508 REQ-3b: the options of the quoted header are stepped over."""
    flow.start()
    at_a = lab.capture(lab.A)
    quote = flow.sent()
    quote.options = [IPOption(b"\x01")] * 7 + [IPOption(b"\x00")]
    lab.B.send(IP(src=lab.B.address, dst=lab.R.external) / ICMP(type=3, code=3) / bytes(quote))
    error = at_a.one(match(proto="icmp", icmp=(3, 3)))
    assert (quoted(error).src, quoted(error).sport, quoted(error).ihl) == (lab.A.address, 5000, 7)
    check_checksums(bytes(error))


def test_error_with_extensions_keeps_them(lab, flow):
    """RFC 5508 REQ-3d: an RFC 4884 extension (here MPLS) stays byte for byte, and the ICMP checksum is right."""
    flow.start()
    at_a = lab.capture(lab.A)
    quote = bytes(flow.sent()).ljust(128, b"\0")
    extension = b"\x20\x00" + b"\0\0" + b"\x00\x08\x01\x01" + b"\x00\x01\x01\x40"
    message = struct.pack("!BBHBBH", 11, 0, 0, 0, len(quote) // 4, 0) + quote + extension
    message = message[:2] + struct.pack("!H", 0xFFFF - internet_sum(message)) + message[4:]
    lab.B.send(IP(src="203.0.113.7", dst=lab.R.external, proto=1) / Raw(message))
    error = at_a.one(match(proto="icmp", icmp=(11, 0)))
    raw = bytes(error)
    assert raw.endswith(extension) and internet_sum(raw[20:]) == 0xFFFF
    assert raw[28 + 12 : 28 + 16] == bytes([192, 168, 0, 5])


def test_error_with_eight_quoted_bytes(lab):
    """RFC 792 asks for no more than that: the ports are there, the TCP checksum is not."""
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000), port=5000)
    _, (address, port) = accept(client, server)
    at_a = lab.capture(lab.A)
    quote = bytes(IP(src=address, dst=lab.B.address, len=1000) / TCP(sport=port, dport=7000))[:28]
    lab.B.send(IP(src="203.0.113.7", dst=address) / ICMP(type=11) / quote)
    error = at_a.one(match(proto="icmp", icmp=(11, 0)))
    inner = bytes(error)[28:]
    assert (inner[12:16], inner[20:24]) == (bytes([192, 168, 0, 5]), struct.pack("!HH", 5000, 7000))
    check_checksums(bytes(error))


@pytest.mark.parametrize("lab", ["bauta"], indirect=True)
def test_error_about_nothing_is_not_forwarded(lab, flow):
    """RFC 5508 REQ-4: no session, no forwarding; and it makes no session."""
    flow.start()
    at_a = lab.capture(lab.A)
    quote = IP(src=lab.R.external, dst=lab.B.address) / UDP(sport=50009, dport=4444) / b"never sent"
    lab.B.send(IP(src=lab.B.address, dst=lab.R.external) / ICMP(type=3, code=3) / bytes(quote))
    lab.settle()
    assert at_a.count(match(proto="icmp", icmp=3)) == 0
    assert len(lab.gateway.sessions()) == 1


def test_error_does_not_refresh_its_session(make_lab):
    lab = make_lab(offload=False)
    lab.meet()
    bauta = lab.use(Bauta("50000-50009", clock_factor=60))
    server, client = lab.B.udp(7000), lab.A.udp(5000, remote=(lab.B.address, 7000))
    address, port = ask(client, server)
    client.close()
    quote = IP(src=address, dst=lab.B.address) / UDP(sport=port, dport=7000) / b"question"

    def idle():
        for kind in ((3, 1), (11, 0)):
            lab.B.send(IP(src=lab.B.address, dst=address) / ICMP(type=kind[0], code=kind[1]) / bytes(quote))
        (session,) = bauta.sessions()
        return session["idle_s"]

    until(lambda: idle() > 120, "for an idle time of 120 s in spite of errors")
