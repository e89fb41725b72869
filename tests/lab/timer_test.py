# SPDX-License-Identifier: GPL-2.0-or-later
"""How long sessions live: the defaults, which are the RFCs' floors or recommendations, each of them as a setting, and
what prolongs a session."""

import time

import pytest
from flow import INSIDE, OUTSIDE, Flow
from gateway import Bauta
from packet import match
from scapy.layers.inet import ICMP, IP
from wait import until

RANGE = "50000-50009"


def ping(lab):
    """An echo request from the internal host of a Flow."""
    Flow(lab, None)
    lab.A.send(IP(src=INSIDE, dst=OUTSIDE) / ICMP(id=77))
    lab.settle()


def tcp(*steps):
    """Makes a TCP session by these segments: > from inside, < from outside."""

    def make(lab, bauta):
        flow = Flow(lab, bauta)
        for step in steps:
            (flow.out if step[0] == ">" else flow.back)(step[1:])

    return make


MAKE = {
    "udp": lambda lab, bauta: Flow(lab, bauta, "udp").out(),
    "icmp": lambda lab, bauta: ping(lab),
    "opening": tcp(">S"),
    "answered": tcp(">S", "<SA"),
    "established": tcp(">S", "<SA", ">A"),
    "half-closed": tcp(">S", "<SA", ">A", ">FA"),
    "closing": tcp(">S", "<SA", ">A", ">FA", "<FA"),
    "reset from outside": tcp(">S", "<SA", ">A", "<R"),
    "reset from inside": tcp(">S", "<SA", ">A", ">R"),
}

DEFAULT = {
    "udp": 300,
    "icmp": 60,
    "opening": 240,
    "answered": 240,
    "established": 7440,
    "half-closed": 7440,
    "closing": 240,
    "reset from outside": 240,
    "reset from inside": 240,
}


def hurried(factor):
    return Bauta(RANGE, clock_factor=factor)


@pytest.mark.parametrize("what", MAKE)
def test_lives_its_time_and_no_longer(share_lab, what):
    """RFC 4787 REQ-5c, RFC 5382 REQ-5, RFC 5508 REQ-2, RFC 7857 §2.2: there shortly before the end, gone after it."""
    timeout_s = DEFAULT[what]
    factor = timeout_s // 2  # two seconds
    lab = share_lab(hurried, factor)
    bauta = lab.gateway
    MAKE[what](lab, bauta)
    start = time.monotonic()
    (session,) = bauta.sessions()
    assert timeout_s * 0.8 <= session["expires_s"] <= timeout_s

    def nearly_over():
        (session,) = bauta.sessions()
        return session["idle_s"] >= 0.9 * timeout_s

    until(nearly_over, "for the last tenth")
    bauta.wait_sessions(0, limit_s=5)
    # a second of the clock's grain, and what building the session took
    assert time.monotonic() - start >= (timeout_s - 2) / factor - 0.2
    assert bauta.fsck()["entries"] == 0


def test_every_time_is_a_setting(lab):
    """RFC 4787 REQ-5b, RFC 5382 REQ-5a, RFC 5508 REQ-2a; opening and closing apart (RFC 7857 §2.1)."""
    lab.meet()
    names = {"udp": 310, "icmp": 70, "tcp-opening": 250, "tcp-established": 7450, "tcp-closing": 260, "tcp-reset": 270}
    wanted = {
        "udp": "udp",
        "icmp": "icmp",
        "opening": "tcp-opening",
        "answered": "tcp-opening",
        "established": "tcp-established",
        "half-closed": "tcp-established",
        "closing": "tcp-closing",
        "reset from outside": "tcp-reset",
        "reset from inside": "tcp-reset",
    }
    options = [word for name, value in names.items() for word in ("--timeout", f"{name}={value}")]
    bauta = lab.use(Bauta(RANGE, *options))
    for what, make in MAKE.items():
        make(lab, bauta)
        (session,) = bauta.sessions()
        assert names[wanted[what]] - 6 <= session["expires_s"] <= names[wanted[what]], what
        bauta.cli("flush")
        bauta.wait_sessions(0)


def test_opening_may_be_shorter_than_closing(lab):
    """RFC 7857 §2.1, where the operator says that he means it."""
    lab.meet()
    options = ("--timeout", "tcp-opening=30", "--below-rfc")
    bauta = lab.use(Bauta(RANGE, *options, clock_factor=20))
    opening, closing = Flow(lab, bauta, sport=5001, dport=7001), Flow(lab, bauta, sport=5002, dport=7002).establish()
    opening.out("S")
    closing.out("FA")
    closing.back("FA")
    bauta.wait_sessions(1, limit_s=6)
    assert closing.session()["state"] == "closing"


def test_ports_have_times_of_their_own(lab):
    """RFC 4787 REQ-5a: of well-known ones less than two minutes. Other ports, and other protocols, keep theirs."""
    lab.meet()
    options = ("--timeout", "udp:53=30", "--timeout", "tcp:22=86400")
    bauta = lab.use(Bauta(RANGE, *options, clock_factor=20))
    ssh = Flow(lab, bauta, dport=22).establish()
    assert 86000 <= ssh.session()["expires_s"] <= 86400
    ssh.out("FA")
    assert 86000 <= ssh.session()["expires_s"] <= 86400
    ssh.back("FA")
    assert 200 <= ssh.session()["expires_s"] <= 240
    web = Flow(lab, bauta, sport=5001, dport=80).establish()
    assert 7400 <= web.session()["expires_s"] <= 7440
    dns_tcp = Flow(lab, bauta, sport=5002, dport=53).establish()
    assert 7400 <= dns_tcp.session()["expires_s"] <= 7440

    dns, other = Flow(lab, bauta, "udp", dport=53), Flow(lab, bauta, "udp", dport=40000)
    start = time.monotonic()
    dns.out()
    other.out()
    assert dns.port == other.port
    until(lambda: dns.session() is None, "for the end of a short one")
    assert time.monotonic() - start >= 1.4
    assert other.session() and other.back()


@pytest.mark.parametrize("refresh", [False, True], ids=["default", "inbound-refresh"])
def test_packets_from_outside(lab, refresh):
    """RFC 4787 REQ-6a: alone, they keep a UDP session alive if the operator wants that; an ICMP query's never."""
    lab.meet()
    bauta = lab.use(Bauta(RANGE, *(["--inbound-refresh"] if refresh else []), clock_factor=150))
    flow = Flow(lab, bauta, "udp")
    flow.out()
    start = time.monotonic()
    while time.monotonic() - start < 5:  # 300 s are two seconds
        if flow.session() is None:
            break
        flow.send_back()
        lab.settle()
    assert (flow.session() is not None) == refresh
    assert time.monotonic() - start >= 1.9
    if refresh:
        until(lambda: flow.session() is None, "for its end without them")


@pytest.mark.parametrize("proto", ["udp", "tcp"])
def test_refused_packets_do_not_refresh(lab, proto):
    """RFC 7857 §7: what the filter of a mapping keeps out keeps nothing alive, whatever inbound packets may do."""
    lab.meet()
    bauta = lab.use(Bauta(RANGE, "--inbound-refresh", clock_factor=120))
    flow = Flow(lab, bauta, proto)
    flow.out("S")
    start = time.monotonic()
    at_a = lab.capture(lab.A)
    while flow.session() is not None:
        assert time.monotonic() - start < 6
        lab.B2.send(flow.packet(lab.B2.address, lab.R.external, 7000, flow.port, "S", b""))
        lab.settle()
    assert time.monotonic() - start >= (300 if proto == "udp" else 240) / 120 - 0.1
    assert at_a.count(match(src=lab.B2.address)) == 0


@pytest.mark.parametrize("proto", ["udp", "tcp"])
def test_errors_from_inside_do_not_refresh(lab, proto):
    """RFC 7857 §7.1: a program is gone, the remote goes on sending, and the host's answers keep nothing alive."""
    lab.meet()
    bauta = lab.use(Bauta(RANGE, clock_factor=120))
    flow = Flow(lab, bauta, proto, dport=7000)
    if proto == "udp":
        flow.out()
    else:
        flow.establish()
        flow.out("R")
    start = time.monotonic()
    while flow.session() is not None:
        assert time.monotonic() - start < 6
        asked = flow.send_back("A")
        if proto == "udp":
            at_a = flow.at_a.packets(match(dst=INSIDE, where=lambda p, asked=asked: p.id == asked.id))
            lab.A.send(*(IP(src=INSIDE, dst=OUTSIDE) / ICMP(type=3, code=3) / bytes(packet)[:28] for packet in at_a))
        else:
            lab.A.send(flow.packet(INSIDE, OUTSIDE, flow.sport, flow.dport, "R", b""))
        lab.settle()
    assert time.monotonic() - start >= (300 if proto == "udp" else 240) / 120 - 0.1
    answers = match(src=lab.R.external, dst=OUTSIDE, proto="icmp" if proto == "udp" else "tcp")
    assert flow.at_b.count(answers) > 3
