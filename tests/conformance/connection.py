# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP: sequences of segments that a NAT has to carry, and the SYN that nobody asked for."""

import time

from line import Connection, Line, is_error
from packet import quoted
from scapy.layers.inet import ICMP, IP, TCP, TCPerror
from trial import decide, no, probe, unknown, yes

STRANGER = "192.0.2.78"
SPEED = 4  # times; then the six seconds of an unsolicited SYN are one and a half


@probe("5382 REQ-2")
def valid_sequences_cross(trial):
    """Options, urgent and empty segments, both ways to close, data after a FIN, and a repeated SYN with data."""
    lab = trial.open()
    options = [("MSS", 1400), ("SAckOK", b""), ("Timestamp", (7, 0)), ("NOP", None), ("WScale", 7)]
    lost = []

    def check(what, packet, wanted=None):
        if packet is None or (wanted and not wanted(packet)):
            lost.append(what)

    one = Connection(Line(lab))
    check("SYN with options", one.send("out", "S", options=options), lambda packet: packet[TCP].options == options)
    one.seq["out"] -= 1
    check("repeated SYN", one.send("out", "S", options=options))
    check("SYN-ACK", one.send("back", "SA", options=options), lambda packet: packet[TCP].options == options)
    check("ACK", one.send("out", "A"))
    check("data", one.send("out", "PA", b"data") and one.send("back", "A"))
    check("urgent data", one.send("back", "PAU", b"data", urgptr=2), lambda packet: packet[TCP].urgptr == 2)
    check("ACK of that", one.send("out", "A"))
    check("keep-alive", lab.B and one.line.out(one.segment("out", "A", b"")))
    check("FIN", one.send("out", "FA") and one.send("back", "A"))
    for _ in range(3):
        check("data after a FIN", one.send("back", "PA", b"data") and one.send("out", "A"))
    check("second FIN", one.send("back", "FA") and one.send("out", "A"))

    two = Connection(Line(lab), 5001)
    check("handshake", two.open() or None)
    first, second = two.segment("out", "FA"), two.segment("back", "FA")
    check("simultaneous close", two.line.out(first) and two.line.back(second) or None)
    two.seq = {way: number + 1 for way, number in two.seq.items()}
    check("its ACKs", two.send("out", "A") and two.send("back", "A"))

    three = Connection(Line(lab), 5002)
    check("SYN with data", three.send("out", "S", b"early"), lambda packet: bytes(packet[TCP].payload) == b"early")
    check("its SYN-ACK", three.send("back", "SA") and three.send("out", "A"))
    return decide(not lost, "lost: " + ", ".join(lost))


@probe("5382 REQ-2a")
def simultaneous_open(trial):
    """Out SYN, in SYN, out SYN-ACK, in SYN-ACK; then data."""
    lab = trial.open()
    one = Connection(Line(lab))
    steps = [one.send("out", "S"), one.send("back", "S")]
    one.seq = {way: number - 1 for way, number in one.seq.items()}
    for way, other in (("out", "back"), ("back", "out")):
        one.seq[other] += 1
        steps.append(one.send(way, "SA"))
        one.seq[way] -= 1
        one.seq[other] -= 1
    one.seq = {way: number + 1 for way, number in one.seq.items()}
    names = ("SYN from inside", "SYN from outside", "SYN-ACK from inside", "SYN-ACK from outside")
    lost = [name for name, step in zip(names, steps) if step is None]
    if lost:
        return no(f"lost: {', '.join(lost)}")
    return decide(one.send("out", "A") and one.send("back", "A") and one.chat(), "no data afterwards")


@probe("7857 §2.2")
def resets_are_passed_on(trial):
    lab = trial.open()
    lost = []
    for number, way in enumerate(("out", "back")):
        connection = Connection(Line(lab), 5000 + number)
        connection.open()
        seen = connection.send(way, "RA")
        if seen is None or seen[TCP].seq != connection.seq[way]:
            lost.append(f"{'from inside' if way == 'out' else 'from outside'}")
    return decide(not lost, f"lost: {', '.join(lost)}")


@probe("5382 REQ-6")
def tcp_payload_is_left_alone(trial):
    """What the helpers of a NAT look for: FTP, SIP, and a private address in clear."""
    lab = trial.open()
    lines = {21: b"PORT 192,168,0,77,19,136\r\n", 5060: b"INVITE sip:a@b SIP/2.0\r\nContact: <sip:x@192.168.0.77>\r\n\r\n"}
    for number, (dport, text) in enumerate(lines.items()):
        connection = Connection(Line(lab), 5000 + number, dport)
        connection.open()
        seen = connection.send("out", "PA", text)
        if seen is None or bytes(seen[TCP].payload) != text:
            return no(f"toward port {dport} it is changed")
    return yes()


# The SYN that nobody asked for


class Unsolicited:
    """A SYN of a stranger for a port that is mapped, and closed to it."""

    def __init__(self, trial, **settings):
        self.trial = trial
        trial.open(seconds=SPEED, span_s=1, **settings)
        self.line = Line(trial.lab)
        self.connection = Connection(self.line)
        assert self.connection.open()
        self.stranger = trial.lab.phantom(trial.lab.B, STRANGER)
        self.at_stranger = trial.lab.capture(trial.lab.B)

    def knock(self, aside=0):
        """At the mapped port, or beside it, where nothing is mapped."""
        external = self.connection.external
        syn = IP(src=self.stranger, dst=external[0]) / TCP(sport=7009, dport=external[1] + aside, seq=77, flags="S")
        self.start = self.trial.now()
        seen = self.line.back(syn)
        assert not [packet for packet in seen if TCP in packet], "the SYN is let in"

    def answers(self):
        """What the stranger got: (seconds after its SYN, packet)."""
        return [
            (packet.time * self.trial.factor - self.start, packet)
            for packet in self.at_stranger.packets(lambda packet: packet.dst == self.stranger)
        ]

    def wait(self, seconds):
        """Until there is an answer, or so many seconds have passed."""
        while self.trial.now() < self.start + seconds and not self.answers():
            time.sleep(0.01)
        return self.answers()


def name(packet):
    if ICMP in packet:
        return f"ICMP {packet[ICMP].type}/{packet[ICMP].code}"
    return "a RST" if TCP in packet and "R" in packet[TCP].flags else packet.summary()


@probe("5382 REQ-4")
def unsolicited_syn_is_not_answered_for_six_seconds(trial):
    """Neither at a mapped port that is closed to its sender, nor at one of the gateway's where nothing is mapped."""
    for aside, where in ((0, "mapped"), (1, "unmapped")):
        one = Unsolicited(trial)
        one.knock(aside)
        found = one.wait(6 - 0.2)
        if found:
            return no(f"{name(found[0][1])} after {found[0][0] * 1000:.0f} ms, from a port that is {where}")
    return yes()


@probe("5382 REQ-4 late")
def unsolicited_syn_is_answered_in_the_end(trial):
    """One ICMP 3/3 that quotes the SYN as its sender sent it, also if the SYN was repeated."""
    one = Unsolicited(trial)
    one.knock()
    start = one.start
    trial.pause(start, 3)
    one.knock()
    one.start = start
    found = one.wait(20)
    if not found:
        return no("nothing after 20 s")
    after, packet = found[0]
    if name(packet) != "ICMP 3/3":
        return no(name(packet))
    if after < 5.9:
        return no(f"it comes after {after:.3f} s")
    quote = quoted(packet)
    external = one.connection.external
    if (quote.src, quote.dst, quote[TCPerror].dport) != (STRANGER, *external) or not is_error(STRANGER)(packet):
        return no(f"it quotes {quote.summary()}")
    trial.pause(trial.now(), 6)
    return decide(len(one.answers()) == 1, f"{len(one.answers())} of them", f"after {after:.1f} s")


@probe("5382 REQ-4 outbound")
def outbound_syn_settles_an_unsolicited_one(trial):
    """A sends its SYN three seconds later: then nothing is said about the other's, and the connection comes to be."""
    one = Unsolicited(trial)
    one.knock()
    trial.pause(one.start, 3)
    again = Connection(Line(trial.lab, remote=STRANGER), one.connection.sport, 7009)
    again.send("out", "S")
    again.external = one.connection.external
    again.seq["back"] = 77
    trial.pause(one.start, 15)
    found = [packet for _, packet in one.answers() if ICMP in packet or "R" in packet[TCP].flags]
    if found:
        return no(f"{name(found[0])} in spite of it")
    if trial.now() > one.start + 200:
        return unknown("this machine is too busy")
    return decide(again.send("back", "S") is not None, "the other's SYN is still kept out")


@probe("5382 REQ-4a")
def unsolicited_syn_can_be_met_with_silence(trial):
    one = Unsolicited(trial, unsolicited_syn="silent")
    one.knock()
    found = one.wait(20)
    return decide(not found, name(found[0][1]) if found else "")
