# SPDX-License-Identifier: GPL-2.0-or-later
"""traceroute in both directions: every hop shows, and no packet that leaves tells a private address."""

import re

import pytest
from gateway import Bauta, NftMasquerade
from packet import check_checksums, match, quoted
from scapy.layers.inet import IP, UDP
from talk import ask, check_outside

GATEWAYS = {"nft": lambda: NftMasquerade("50000-50999"), "bauta": lambda: Bauta("50000-50999")}


@pytest.fixture(params=GATEWAYS)
def lab(request, make_lab):
    made = make_lab(inside_router=True, outside_router=True, offload=False)
    made.use(GATEWAYS[request.param]())
    return made


@pytest.mark.parametrize("method", ["-U", "-I", "-T"], ids=["udp", "icmp", "tcp"])
def test_every_hop_shows(lab, method):
    lab.B.listen(60000)
    at_x = lab.capture(lab.X)
    port = ["-p", "60000"] if method != "-I" else []
    text = lab.A.do("traceroute", "-n", method, *port, "-q1", "-w2", "-m6", lab.B.address)
    hops = re.findall(r"^ *\d+ +(\S+)", text, re.MULTILINE)
    assert hops == ["192.168.10.1", lab.R.internal, lab.X.address, lab.B.address], text
    lab.settle()
    check_outside(lab, at_x)


def flow(lab):
    """A UDP flow from A; returns the endpoint that B sees."""
    server, client = lab.B.udp(7000), lab.A.udp(5000, remote=(lab.B.address, 7000))
    return ask(client, server)


@pytest.mark.parametrize("ttl, where", [(2, "gateway"), (3, "inside router")])
def test_probe_from_outside_that_dies_inside(lab, ttl, where):
    """The time exceeded names the external endpoint in its quote and comes from R, whichever router inside made it."""
    address, port = flow(lab)
    at_b = lab.capture(lab.B)
    lab.B.send(IP(src=lab.B.address, dst=address, ttl=ttl) / UDP(sport=7000, dport=port) / b"probe")
    error = at_b.one(match(proto="icmp", icmp=(11, 0)))
    assert error.src == lab.R.external
    quote = quoted(error)
    assert (quote.src, quote.dst, quote.sport, quote.dport) == (lab.B.address, address, 7000, port)
    check_outside(lab, at_b)


def test_time_exceeded_from_outside_reaches_the_sender_rewritten(lab):
    at_a = lab.capture(lab.A)
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address, ttl=3) / UDP(sport=5000, dport=7000) / b"probe")
    error = at_a.one(match(proto="icmp", icmp=(11, 0)))
    assert (error.src, error.dst) == (lab.X.address, lab.A.address)
    quote = quoted(error)
    assert (quote.src, quote.dst, quote.sport, quote.dport) == (lab.A.address, lab.B.address, 5000, 7000)
    for raw in at_a.raw(outgoing=False):
        check_checksums(raw)
