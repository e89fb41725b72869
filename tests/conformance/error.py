# SPDX-License-Identifier: GPL-2.0-or-later
"""ICMP errors that cross: which do, to whom, what is in them, and what they must not do."""

import struct

from line import INSIDE, REMOTE, Connection, Line
from packet import check_checksums, match, quoted
from scapy.layers.inet import (
    ICMP, IP, TCP, UDP, ICMPerror, IPerror, IPOption_LSRR, IPOption_NOP, TCPerror, UDPerror
)
from scapy.packet import Raw
from trial import decide, no, probe, yes

ROUTER = "192.0.2.90"  # on the path, and no party to the session


class Flow:
    """A UDP mapping, and errors about what was sent on it."""

    def __init__(self, trial, **options):
        self.lab = trial.open(**options)
        self.line = Line(self.lab)
        self.external = self.line.udp(5000, 7000)

    def cause(self, data=b"x", **header):
        """The datagram as B saw it."""
        udp = UDP(sport=self.external[1], dport=7000)
        return IP(bytes(IP(src=self.external[0], dst=REMOTE, ttl=9, **header) / udp / data))

    def back(self, icmp, quote=None, source=ROUTER, after=b"", chksum=None):
        packet = IP(bytes(IP(src=source, dst=self.external[0]) / icmp / bytes(quote or self.cause()) / after))
        if chksum is not None:
            packet[ICMP].chksum ^= chksum
        return self.line.back(packet)

    def is_told(self, *words, **options):
        """Whether an error arrives, and is about A's own datagram."""
        seen = self.back(*words, **options)
        return bool(seen) and IPerror in seen[0] and (quoted(seen[0]).src, seen[0][UDPerror].sport) == (INSIDE, 5000)


@probe("4787 REQ-12a")
def errors_come_from_anywhere(trial):
    return decide(Flow(trial).is_told(ICMP(type=3, code=1)), "an error of a router on the path does not arrive")


@probe("4787 REQ-12b")
def closed_port_is_told_to_the_socket(trial):
    lab = trial.open()
    client = lab.A.udp(5000, remote=(lab.B.address, 9))
    client.send(b"x")
    try:
        client.recv(10)
    except ConnectionRefusedError:
        return yes()
    except TimeoutError:
        return no("the socket hears nothing")
    return no("an answer?")


@probe("4787 REQ-12")
def no_error_ends_a_mapping(trial):
    """Every type and code there is, from the remote and from a stranger; then B is still heard."""
    flow = Flow(trial)
    for source in (REMOTE, ROUTER):
        for kind, codes in ((3, range(16)), (4, [0]), (5, range(4)), (11, range(2)), (12, range(3))):
            for code in codes:
                flow.back(ICMP(type=kind, code=code), source=source)
    return decide(flow.line.udp_back(7000, flow.external) == 5000, "B is not heard any more")


@probe("5382 REQ-10")
def no_error_ends_a_connection(trial):
    lab = trial.open()
    line = Line(lab)
    connection = Connection(line)
    connection.open()
    cause = connection.segment("out", "PA", b"data")
    cause.src, cause[TCP].sport = connection.external
    for kind, codes in ((3, range(16)), (4, [0]), (11, range(2)), (12, range(3))):
        for code in codes:
            line.back(IP(src=ROUTER, dst=connection.external[0]) / ICMP(type=kind, code=code) / bytes(cause))
    return decide(connection.chat(), "the connection is dead")


@probe("5382 REQ-9")
def errors_reach_connections(trial):
    """3/4 with its MTU, and 3/1: to A, about what A sent."""
    line = Line(trial.open())
    connection = Connection(line)
    connection.open()
    cause = connection.segment("out", "PA", b"data")
    cause.src, cause[TCP].sport = connection.external
    for icmp in (ICMP(type=3, code=4, nexthopmtu=1300), ICMP(type=3, code=1)):
        seen = line.back(IP(src=ROUTER, dst=connection.external[0]) / icmp / bytes(cause))
        if not seen or (quoted(seen[0]).src, seen[0][TCPerror].sport) != (INSIDE, 5000):
            return no(f"3/{icmp.code} does not arrive")
        if icmp.code == 4 and seen[0][ICMP].nexthopmtu != 1300:
            return no(f"the MTU is {seen[0][ICMP].nexthopmtu}")
    return yes()


@probe("5508 REQ-3")
def bad_checksum_is_dropped(trial):
    flow = Flow(trial)
    if not flow.is_told(ICMP(type=3, code=3)):
        return no("a good one does not arrive either")
    return decide(not flow.back(ICMP(type=3, code=3), chksum=0x10), "it crosses")


@probe("5508 REQ-3a")
def bad_quoted_header_is_dropped(trial):
    flow = Flow(trial)
    quote = flow.cause()
    quote.chksum ^= 0x10
    return decide(not flow.back(ICMP(type=3, code=3), quote), "it crosses")


@probe("5508 REQ-3b")
def options_in_the_quote(trial):
    flow = Flow(trial)
    quote = flow.cause(options=[IPOption_NOP()] * 4)
    return decide(flow.is_told(ICMP(type=3, code=3), quote), "the error does not arrive, or is not translated")


@probe("5508 REQ-3c")
def quoted_transport_checksum_is_not_judged(trial):
    flow = Flow(trial)
    quote = flow.cause()
    quote[UDP].chksum ^= 0x10
    return decide(flow.is_told(ICMP(type=3, code=3), quote), "the error does not arrive")


@probe("5508 REQ-3d", "4884 §5")
def extensions_stay(trial):
    """An MPLS object behind a quote that is padded to 128 octets."""
    flow = Flow(trial)
    quote = bytes(flow.cause(b"x" * 60)).ljust(128, b"\0")
    labels = struct.pack("!HBB", 8, 1, 1) + bytes.fromhex("00010140")
    extension = struct.pack("!BBH", 0x20, 0, 0) + labels
    seen = flow.back(ICMP(type=11, code=0, length=32), Raw(quote), after=extension)
    if not seen:
        return no("the error does not arrive")
    raw = bytes(seen[0])
    check_checksums(raw)
    if raw[20 + 5] != 32:
        return no(f"the length attribute is {raw[20 + 5]}")
    good = raw.endswith(extension) and len(raw) == 20 + 8 + 128 + len(extension)
    return decide(good and quoted(seen[0]).src == INSIDE, "they are changed")


@probe("5508 REQ-4", "3022 §4.3")
def errors_are_translated_back(trial):
    """Outer destination, quoted addresses, ports and checksums: as A sent it."""
    flow = Flow(trial)
    sent = IP(bytes(IP(src=INSIDE, dst=REMOTE) / UDP(sport=5000, dport=7000) / b"x"))
    quote = flow.cause()
    seen = flow.back(ICMP(type=3, code=3), quote, source=REMOTE)
    if not seen:
        return no("the error does not arrive")
    check_checksums(bytes(seen[0]))
    inner = quoted(seen[0])
    got = (seen[0].src, inner.src, inner.dst, inner[UDPerror].sport, inner[UDPerror].dport, inner[UDPerror].chksum)
    if got != (REMOTE, INSIDE, REMOTE, 5000, 7000, sent[UDP].chksum):
        return no(f"from {got[0]} about {got[1]}:{got[3]} → {got[2]}:{got[4]}, checksum {got[5]:#x}")
    return decide((seen[0][ICMP].type, seen[0][ICMP].code) == (3, 3), "type or code changed")


@probe("5508 REQ-4 nothing")
def errors_about_nothing_are_dropped(trial):
    flow = Flow(trial)
    quote = flow.cause()
    quote[UDP].dport = 7999
    at_a2 = flow.lab.capture(flow.lab.A2)
    seen = flow.back(ICMP(type=3, code=3), quote)
    return decide(not seen and not at_a2.count(match(proto="icmp", icmp=3)), "it goes inside")


@probe("5508 REQ-5")
def errors_from_inside_show_nothing_private(trial):
    """From the host itself, and from a router behind the gateway: from the external address, about the external endpoint."""
    flow = Flow(trial)
    cause = IP(src=REMOTE, dst=INSIDE) / UDP(sport=7000, dport=5000) / b"y"
    for who, source, kind in (("the host", INSIDE, (3, 3)), ("an inside router", "192.168.0.90", (11, 0))):
        flow.lab.phantom(flow.lab.A, source)
        seen = flow.line.out(IP(src=source, dst=REMOTE) / ICMP(type=kind[0], code=kind[1]) / bytes(cause))
        if not seen:
            return no(f"that of {who} does not cross")
        check_checksums(bytes(seen[0]))
        inner = quoted(seen[0])
        if seen[0].src != flow.external[0] or (inner.dst, inner[UDPerror].dport) != flow.external:
            return no(f"that of {who} is from {seen[0].src} about {inner.dst}:{inner[UDPerror].dport}")
        if bytes([192, 168]) in bytes(seen[0]):
            return no(f"that of {who} has a private address in it")
    return yes()


@probe("5508 REQ-10a")
def unreachable_and_exceeded_and_echo(trial):
    flow = Flow(trial)
    lost = [f"3/{code}" for code in range(16) if not flow.is_told(ICMP(type=3, code=code))]
    lost += [f"11/{code}" for code in range(2) if not flow.is_told(ICMP(type=11, code=code))]
    echo = flow.line.echo(77)
    if not echo or flow.line.echo_back(echo) != 77:
        lost.append("echo")
    else:
        quote = IP(src=echo[0], dst=REMOTE) / ICMP(id=echo[1], seq=1) / b"12345678"
        seen = flow.line.back(IP(src=ROUTER, dst=echo[0]) / ICMP(type=11) / bytes(quote))
        if not seen or seen[0][ICMPerror].id != 77:
            lost.append("11/0 about an echo")
    return decide(not lost, f"lost: {', '.join(lost)}")


@probe("5508 REQ-10c", "6633")
def source_quench_does_not_cross(trial):
    flow = Flow(trial)
    return decide(not flow.back(ICMP(type=4)), "it reaches A")


@probe("5508 §7.1.2")
def too_big_reaches_who_is_meant(trial):
    """From outside to A, and from an inside router to B, with the MTU as it was."""
    flow = Flow(trial)
    seen = flow.back(ICMP(type=3, code=4, nexthopmtu=1234))
    if not seen or seen[0][ICMP].nexthopmtu != 1234:
        return no("not from outside")
    cause = IP(src=REMOTE, dst=INSIDE, flags="DF") / UDP(sport=7000, dport=5000) / b"y"
    flow.lab.phantom(flow.lab.A, "192.168.0.90")
    seen = flow.line.out(IP(src="192.168.0.90", dst=REMOTE) / ICMP(type=3, code=4, nexthopmtu=1234) / bytes(cause))
    return decide(seen and seen[0][ICMP].nexthopmtu == 1234, "not from inside")


@probe("1191 §4")
def an_mtu_of_zero_crosses(trial):
    seen = Flow(trial).back(ICMP(type=3, code=4, nexthopmtu=0))
    return decide(seen and seen[0][ICMP].nexthopmtu == 0, f"{seen[0][ICMP].nexthopmtu if seen else 'it does not arrive'}")


@probe("792")
def shortest_quotes_are_translated(trial):
    """28 bytes, of UDP and of TCP, whose checksum is not in them."""
    flow = Flow(trial)
    if not flow.is_told(ICMP(type=3, code=3), Raw(bytes(flow.cause())[:28])):
        return no("not of UDP")
    connection = Connection(flow.line, 5001)
    connection.open()
    cause = connection.segment("out", "A")
    cause.src, cause[TCP].sport = connection.external
    error = IP(src=ROUTER, dst=connection.external[0]) / ICMP(type=3, code=1) / bytes(cause)[:28]
    seen = flow.line.back(error)
    # the ports are the first four octets behind the quoted header
    ports = struct.unpack("!HH", bytes(seen[0])[48:52]) if seen else None
    return decide(ports == (5001, 7000), "not of TCP")


@probe("5508 §7.3")
def source_routes_do_not_leave_in_icmp(trial):
    """A ping by way of an inside router and B, whose option would show that router outside."""
    lab = trial.open()
    line = Line(lab)
    route = IPOption_LSRR(pointer=8, routers=["192.168.0.90", "192.0.2.91"])
    seen = line.out(IP(src=INSIDE, dst=REMOTE, options=[route]) / ICMP(id=77, seq=1) / b"12345678")
    return decide(not seen, "it leaves, with its route")
