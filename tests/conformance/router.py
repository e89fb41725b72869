# SPDX-License-Identifier: GPL-2.0-or-later
"""What every router owes: checksums, hop limits, errors of its own, and silence where none may be sent."""

import time

from line import INSIDE, REMOTE, Connection, Line
from packet import check_checksums, match, quoted
from scapy.layers.inet import ICMP, IP, TCP, UDP, UDPerror
from scapy.packet import Raw
from trial import decide, no, probe, yes


def datagram(size=8, **header):
    return IP(src=INSIDE, dst=REMOTE, **header) / UDP(sport=5000, dport=7000) / (b"x" * size)


@probe("3022 §4.1")
def checksums_are_right(trial):
    """UDP, TCP and ICMP in both directions, with odd lengths."""
    lab = trial.open()
    line = Line(lab)
    connection = Connection(line)
    connection.open()
    connection.chat()
    for size in (0, 1, 7, 100):
        line.out(datagram(size))
        external = line.udp(5001, 7000, b"x" * size)
        line.udp_back(7000, external, b"y" * size)
        line.echo_back(line.echo(77 + size))
    checked = 0
    for capture, address in ((line.at_inside, INSIDE), (line.at_remote, REMOTE)):
        for packet in capture.packets(match(dst=address)):
            try:
                check_checksums(bytes(packet))
            except AssertionError as problem:
                return no(str(problem))
            checked += 1
    return yes(f"{checked} packets") if checked >= 25 else no(f"only {checked} packets cross")


@probe("3022 §4.1 zero")
def udp_checksum_of_zero_stays(trial):
    lab = trial.open()
    line = Line(lab)
    packet = datagram()
    packet[UDP].chksum = 0
    seen = line.out(packet)
    if not seen or seen[0][UDP].chksum != 0:
        return no("it is changed on its way out")
    answer = IP(src=REMOTE, dst=seen[0].src) / UDP(sport=7000, dport=seen[0][UDP].sport, chksum=0) / b"y"
    back = line.back(answer)
    return decide(back and back[0][UDP].chksum == 0, "it is changed on its way in")


@probe("768")
def computed_checksum_of_zero_is_sent_as_ffff(trial):
    """The payload makes the translated checksum come out as 0."""
    lab = trial.open(ports="50000")
    line = Line(lab)
    seen = line.out(IP(src=INSIDE, dst=REMOTE) / UDP(sport=50000, dport=7000) / b"\0\0")
    if not seen:
        return no("it does not cross")
    payload = seen[0][UDP].chksum.to_bytes(2, "big")
    seen = line.out(IP(src=INSIDE, dst=REMOTE) / UDP(sport=50000, dport=7000) / payload)
    return decide(seen and seen[0][UDP].chksum == 0xFFFF, f"{seen[0][UDP].chksum:#06x}" if seen else "it is lost")


@probe("1624 §3")
def checksums_have_no_minus_zero(trial):
    """Fields are chosen so that the translated checksums come out as 0000, which a wrong update makes FFFF: of IP and of TCP."""
    line = Line(trial.open(ports="50000"))

    def segment(number, seq):
        ip = IP(src=INSIDE, dst=REMOTE, id=number, flags="DF")
        return line.out(ip / TCP(sport=50000, dport=7000, flags="S", seq=seq))

    first = segment(0, 0)
    if not first:
        return no("it does not cross")
    second = segment(first[0].chksum, first[0][TCP].chksum)
    if not second:
        return no("it does not cross")
    seen = (second[0].chksum, second[0][TCP].chksum)
    return decide(seen == (0, 0), f"{seen[0]:04x} and {seen[1]:04x}")


@probe("3022 §5.3")
def private_addresses_are_not_seen_outside(trial):
    """Ordinary traffic, errors from inside, and what belongs to no session."""
    lab = trial.open()
    line = Line(lab)
    external = line.udp(5000, 7000)
    line.echo(77)
    Connection(line).open()
    strays = [IP(src=INSIDE, dst=REMOTE) / TCP(sport=5100 + number, dport=80, flags=flags, seq=9, ack=9)
              for number, flags in enumerate(("A", "R", "RA", "FA", "SA", "PA"))]
    cause = IP(src=REMOTE, dst=INSIDE) / UDP(sport=7000, dport=5000) / b"y"
    lab.phantom(lab.A, "192.168.0.90")
    for source in (INSIDE, "192.168.0.90"):
        for code in (1, 3, 13):
            strays.append(IP(src=source, dst=REMOTE) / ICMP(type=3, code=code) / bytes(cause))
    strays += [IP(src=INSIDE, dst=REMOTE) / ICMP(type=kind, id=5) / b"12345678" for kind in (0, 14, 17)]
    strays += [IP(src=INSIDE, dst=REMOTE, proto=proto) / Raw(b"12345678") for proto in (47, 50, 132, 253)]
    for packet in strays:
        line.out(packet)
    line.udp_back(7000, external)
    found = [raw for raw in line.at_remote.raw() if bytes([192, 168, 0]) in raw]
    return decide(not found, f"{len(found)} packets, such as {IP(found[0]).summary()[:60]}" if found else "")


@probe("4787 REQ-10")
def udp_payload_is_left_alone(trial):
    """SIP and TFTP, with private addresses in them."""
    line = Line(trial.open())
    texts = {5060: b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.0.77\r\nContact: <sip:x@192.168.0.77:5060>\r\n\r\n",
             69: b"\0\1file\0octet\0"}
    for dport, text in texts.items():
        seen = line.out(IP(src=INSIDE, dst=REMOTE) / UDP(sport=5000, dport=dport) / text)
        if not seen or bytes(seen[0][UDP].payload) != text:
            return no(f"toward port {dport} it is changed")
    return yes()


@probe("1812 §5.3.1")
def hop_limit_falls_by_one(trial):
    line = Line(trial.open())
    seen = line.out(datagram(ttl=2))
    if not seen or seen[0].ttl != 1:
        return no(f"2 becomes {seen[0].ttl if seen else 'nothing'}")
    back = line.back(IP(src=REMOTE, dst=seen[0].src, ttl=9) / UDP(sport=7000, dport=seen[0][UDP].sport) / b"y")
    return decide(back and back[0].ttl == 8, "not on the way in")


@probe("1812 §5.2.7.3", "5508 §7.2")
def hop_limit_that_ends_is_told(trial):
    """To A about what it sent; to B about the external endpoint that it sent to."""
    lab = trial.open()
    line = Line(lab)
    external = line.udp(5000, 7000)
    errors = line.told_inside(datagram(ttl=1))
    if not errors or (errors[0][ICMP].type, errors[0][ICMP].code, quoted(errors[0]).src) != (11, 0, INSIDE):
        return no("A is told nothing, or something else")
    errors = line.told_outside(IP(src=REMOTE, dst=external[0], ttl=1) / UDP(sport=7000, dport=external[1]) / b"y")
    if not errors:
        return no("B is told nothing")
    inner = quoted(errors[0])
    good = errors[0].src == lab.R.external and (inner.dst, inner[UDPerror].dport) == external
    return decide(good, f"B is told by {errors[0].src} about {inner.dst}:{inner[UDPerror].dport}")


def no_route(trial):
    lab = trial.open()
    line = Line(lab)
    return line, line.told_inside(IP(src=INSIDE, dst="203.0.113.5") / UDP(sport=5000, dport=7000) / b"x")


@probe("1812 §5.2.7.1 route")
def no_route_is_told(trial):
    _, errors = no_route(trial)
    seen = [(error[ICMP].type, error[ICMP].code) for error in errors]
    return decide(seen == [(3, 0)], f"{seen}")


@probe("1812 §5.2.7.1 host")
def no_host_is_told(trial):
    """Nobody answers at the last hop; the kernel asks three times, a second each."""
    lab = trial.open(prepare=lambda lab: lab.R.sysctl("net.ipv4.neigh.eth0.retrans_time_ms", 200))
    line = Line(lab)
    lab.A.send(IP(src=INSIDE, dst="192.0.2.200") / UDP(sport=5000, dport=7000) / b"x")
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for error in line.at_inside.packets(match(proto="icmp", dst=INSIDE)):
            seen = (error[ICMP].type, error[ICMP].code, quoted(error).src, error[UDPerror].sport)
            return decide(seen == (3, 1, INSIDE, 5000), f"{seen}")
        time.sleep(0.02)
    return no("A is told nothing")


@probe("1812 §4.3.2.2")
def errors_have_a_hop_limit_of_their_own(trial):
    errors = Line(trial.open()).told_inside(datagram(ttl=1))
    return decide(errors and errors[0].ttl >= 64, f"{errors[0].ttl if errors else 'there is none'}")


@probe("1812 §4.3.2.3")
def errors_quote_enough(trial):
    errors = Line(trial.open()).told_inside(datagram(1400, ttl=1))
    size = len(errors[0]) if errors else 0
    return decide(570 <= size <= 576, f"{size} bytes", f"{size} bytes")


@probe("1812 §4.3.2.4")
def errors_come_from_the_interface(trial):
    lab = trial.open()
    line = Line(lab)
    external = line.udp(5000, 7000)
    inside = line.told_inside(datagram(ttl=1))
    outside = line.told_outside(IP(src=REMOTE, dst=external[0], ttl=1) / UDP(sport=7000, dport=external[1]) / b"y")
    seen = (inside[0].src if inside else None, outside[0].src if outside else None)
    return decide(seen == (lab.R.internal, lab.R.external), f"{seen[0]} and {seen[1]}")


@probe("1812 §4.3.2.7", "5508 REQ-10e")
def no_error_where_none_may_be_sent(trial):
    """About an ICMP error, a group, a broadcast, a later fragment, a broken header, an address that is no host's."""
    lab = trial.open()
    line = Line(lab)
    told = []
    cause = bytes(IP(src=REMOTE, dst=INSIDE) / UDP(sport=7000, dport=5000) / b"y")
    broken = IP(bytes(datagram(ttl=1)))
    broken.chksum ^= 1
    strays = {
        "an ICMP error": IP(src=INSIDE, dst=REMOTE, ttl=1) / ICMP(type=3, code=3) / cause,
        "a group": IP(src=INSIDE, dst="224.1.2.3", ttl=1) / UDP(sport=5000, dport=7000) / b"x",
        "a later fragment": IP(src=INSIDE, dst=REMOTE, ttl=1, frag=10, proto=17) / Raw(b"x" * 64),
        "a broken header": broken,
        "a broadcast": IP(src=INSIDE, dst="255.255.255.255", ttl=1) / UDP(sport=5000, dport=7000) / b"x",
        "no host's address": IP(src="127.0.0.1", dst=REMOTE, ttl=1) / UDP(sport=5000, dport=7000) / b"x",
    }
    for name, packet in strays.items():
        if line.told_inside(packet):
            told.append(name)
    return decide(not told, f"about {', '.join(told)}")


@probe("1812 §4.3.2.8", "5508 REQ-10f")
def errors_are_limited_in_rate(trial):
    """Five thousand datagrams that end here, toward one host."""
    lab = trial.open()
    line = Line(lab)
    start = time.monotonic()
    errors = line.told_inside(*[bytes(datagram(ttl=1))] * 5000)
    span = time.monotonic() - start
    return decide(0 < len(errors) <= 1000 * (span + 1), f"{len(errors)} in {span:.1f} s", f"{len(errors)} in {span:.1f} s")


@probe("5508 REQ-10d")
def errors_have_the_ds_field_of_their_cause(trial):
    errors = Line(trial.open()).told_inside(datagram(ttl=1, tos=46 << 2))
    if not errors:
        return no("there is none")
    return decide(errors[0].tos >> 2 == 46, f"46 becomes {errors[0].tos >> 2}")


@probe("1812 §4.3.3.6")
def pings_of_the_gateway_are_answered(trial):
    """From both sides, also under an identifier that an internal host is using."""
    lab = trial.open()
    line = Line(lab)
    external = line.echo(77)
    answers = []
    for send, source, target, number in (
        (line.host.send, INSIDE, lab.R.internal, 5), (line.far.send, REMOTE, lab.R.external, external[1])
    ):
        capture = line.at_inside if source == INSIDE else line.at_remote
        before = len(capture.packets())
        send(IP(src=source, dst=target) / ICMP(id=number, seq=9) / b"12345678")
        lab.settle()
        replies = match(proto="icmp", icmp=0, src=target, dst=source)
        answers.append(any(replies(packet) and packet[ICMP].id == number for packet in capture.packets()[before:]))
    return decide(all(answers), f"not from {'inside' if not answers[0] else 'outside'}")


@probe("1812 §5.2.2")
def broken_headers_are_dropped(trial):
    """Version, header length, total length, checksum: in silence, in both directions."""
    lab = trial.open()
    line = Line(lab)
    external = line.udp(5000, 7000)
    crossed = []
    for name, change in {
        "version": lambda raw: raw.__setitem__(0, 0x55),
        "header length": lambda raw: raw.__setitem__(0, 0x44),
        "total length": lambda raw: raw.__setitem__(slice(2, 4), (len(raw) + 8).to_bytes(2, "big")),
        "short total length": lambda raw: raw.__setitem__(slice(2, 4), (12).to_bytes(2, "big")),
        "checksum": lambda raw: raw.__setitem__(11, raw[11] ^ 1),
    }.items():
        for way, packet in (
            ("out", datagram()), ("in", IP(src=REMOTE, dst=external[0]) / UDP(sport=7000, dport=external[1]) / (b"y" * 8))
        ):
            raw = bytearray(bytes(packet))
            change(raw)
            host, capture = (line.host, line.at_remote) if way == "out" else (line.far, line.at_inside)
            before = len(capture.frames())
            host.send(bytes(raw))
            lab.settle()
            marks = [frame for frame in capture.frames()[before:] if not frame.outgoing and frame.raw[9:10] == b"\x11"]
            errors = match(proto="icmp", icmp=3)
            if marks or line.at_inside.count(errors) or line.at_remote.count(errors):
                crossed.append(f"{name} ({way})")
    return decide(not crossed, ", ".join(crossed))


@probe("1812 §5.3.7")
def martians_are_not_forwarded(trial):
    lab = trial.open()
    line = Line(lab)
    crossed = []
    for source in ("0.1.2.3", "127.0.0.1", "224.1.2.3", "240.1.2.3", "255.255.255.255"):
        if line.out(IP(src=source, dst=REMOTE) / UDP(sport=5000, dport=7000) / b"x"):
            crossed.append(source)
    return decide(not crossed, f"from {', '.join(crossed)}")


# What the sender hears when nothing is left


def refused(trial, **settings):
    """Four ports, six flows toward one remote: (which crossed, ICMP errors at A)."""
    line = Line(trial.open(ports="50000-50003", **settings))
    crossed = [line.udp(5000 + number, 7000) for number in range(6)]
    return line, crossed, line.at_inside.packets(match(proto="icmp", dst=INSIDE, icmp=3))


@probe("6888 REQ-11a")
def without_a_port_packets_are_dropped(trial):
    _, crossed, _ = refused(trial)
    good = [endpoint for endpoint in crossed if endpoint]
    return decide(len(set(good)) == len(good) == 4, f"{len(good)} of 6 cross, {len(set(good))} alike")


@probe("6888 REQ-11b", "5508 REQ-8")
def without_a_port_the_sender_is_told(trial):
    _, _, errors = refused(trial)
    seen = [(error[ICMP].code, error[UDPerror].sport) for error in errors]
    return decide(seen in ([(1, 5004), (1, 5005)], [(13, 5004), (13, 5005)]), f"A is told {seen or 'nothing'}")


@probe("6888 REQ-11d")
def nobody_is_evicted_for_a_newcomer(trial):
    """A hundred attempts that fail, and the four that were there go on."""
    line, crossed, _ = refused(trial)
    for number in range(100):
        line.udp(6000 + number, 7000)
    alive = sum(line.udp_back(7000, endpoint) is not None for endpoint in crossed if endpoint)
    return decide(alive == 4, f"{alive} of 4 are left")


def limited(trial, **settings):
    """Three flows are allowed for each host: how many cross of one's six and the other's three, and what one is told."""
    lab = trial.open(**settings)
    one, other = Line(lab, INSIDE), Line(lab, "192.168.0.78")
    crossed = [sum(line.udp(5000 + number, 7000) is not None for number in range(count))
               for line, count in ((one, 6), (other, 3))]
    errors = one.at_inside.packets(match(proto="icmp", dst=INSIDE, icmp=(3, 1)))
    return decide(crossed == [3, 3] and len(errors) == 3, f"{crossed[0]} of 6 cross, {crossed[1]} of 3, {len(errors)} errors")


@probe("6888 REQ-4", "6888 REQ-4a")
def ports_of_a_host_can_be_limited(trial):
    return limited(trial, max_ports=3)


@probe("6888 REQ-5")
def sessions_of_a_host_can_be_limited(trial):
    return limited(trial, max_sessions=3)


@probe("6888 REQ-4c")
def new_mappings_of_a_host_can_be_limited(trial):
    """Five a second: of a burst of twenty no more than those of two seconds come through, and another host notices nothing."""
    lab = trial.open(max_rate=5)
    one, other = Line(lab, INSIDE), Line(lab, "192.168.0.78")
    start = time.monotonic()
    burst = [IP(src=INSIDE, dst=REMOTE) / UDP(sport=5000 + number, dport=7000) / b"x" for number in range(20)]
    crossed = len(one.out(*burst))
    span = time.monotonic() - start
    good = 5 <= crossed <= 5 * (span + 2) and crossed < 20 and other.udp(5000, 7000) is not None
    return decide(good, f"{crossed} of 20 in {span:.1f} s", f"{crossed} of 20")


@probe("7857 §4")
def a_full_address_is_full(trial):
    """Two external addresses of four ports each: a host that has used up its own gets none of the other's."""
    pool = ["192.0.2.101", "192.0.2.102"]
    prepare = {"prepare": lambda lab: lab.R.ip(*(f"addr add {one}/24 dev eth0" for one in pool))}
    line = Line(trial.open(ports="50000-50003", pool=pool, **prepare))
    crossed = [line.udp(5000 + number, 7000) for number in range(6)]
    addresses = {endpoint[0] for endpoint in crossed if endpoint}
    good = sum(endpoint is not None for endpoint in crossed) == 4 and len(addresses) == 1
    return decide(good, f"{6 - crossed.count(None)} of 6 cross, from {len(addresses)} addresses")


@probe("6888 REQ-13")
def every_port_is_used(trial):
    """Sixteen ports, sixteen flows toward one remote, of hosts that all send from one port."""
    lab = trial.open(ports="50000-50015")
    seen = {Line(lab, f"192.168.0.{100 + number}").udp(5000, 7000) for number in range(16)} - {None}
    return decide(len(seen) == 16, f"{len(seen)} of 16")
