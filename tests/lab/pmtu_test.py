# SPDX-License-Identifier: GPL-2.0-or-later
"""Path MTU discovery: wherever the narrow link is, the sender hears of it and the transfer completes."""

import pytest
from blob import BLOB, SHA256, WebServer
from gateway import Bauta, NftMasquerade
from packet import check_checksums, match, quoted
from scapy.layers.inet import ICMP, IP, UDP
from talk import ask, check_outside

GATEWAYS = {"nft": lambda: NftMasquerade("50000-50999"), "bauta": lambda: Bauta("50000-50999")}
TOO_BIG = match(proto="icmp", icmp=(3, 4))


@pytest.fixture(params=GATEWAYS)
def gateway(request):
    return GATEWAYS[request.param]()


def upload(lab):
    WebServer(lab.B)
    done = lab.A.start("curl", "-sS", "-m", "20", "-H", "Expect:", "-H", "Transfer-Encoding:", "-H",
                       f"Content-Length: {len(BLOB)}", "-T", "-", f"http://{lab.B.address}/", stdin=BLOB)
    assert done.succeed(25).text == SHA256


def test_narrow_hop_beyond_the_gateway(make_lab, gateway):
    lab = make_lab(outside_router=True, offload=False)
    lab.X.ip(f"route add {lab.B.address}/32 dev eth1 mtu 1400")
    lab.use(gateway)
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    upload(lab)
    (syn,) = at_a.packets(match(proto="tcp", flags="S"), outgoing=True)
    errors = at_a.packets(TOO_BIG)
    assert errors, "no packet was too big: this proves nothing"
    for error in errors:
        assert (error.src, error.dst, error[ICMP].nexthopmtu) == (lab.X.address, lab.A.address, 1400)
        quote = quoted(error)
        assert (quote.src, quote.dst, quote.sport, quote.dport) == (lab.A.address, lab.B.address, syn.sport, 80)
        check_checksums(bytes(error))
    assert "mtu 1400" in lab.A.do("ip", "route", "get", lab.B.address)
    assert max(map(len, at_b.raw(outgoing=False))) <= 1400


def test_external_interface_is_the_narrow_one(make_lab, gateway):
    lab = make_lab(external_mtu=1400, offload=False)
    lab.use(gateway)
    at_a = lab.capture(lab.A)
    upload(lab)
    errors = at_a.packets(TOO_BIG)
    assert errors
    assert {(error.src, error[ICMP].nexthopmtu, quoted(error).src) for error in errors} == {
        (lab.R.internal, 1400, lab.A.address)
    }
    assert "mtu 1400" in lab.A.do("ip", "route", "get", lab.B.address)


def test_inside_is_the_narrow_one(make_lab, gateway):
    """R's own kernel refuses a packet that was translated inward already: its error must quote what B sent."""
    lab = make_lab(offload=False)
    lab.use(gateway)
    lab.R.ip("link set eth1 mtu 1400")
    at_b = lab.capture(lab.B)
    server, client = lab.B.udp(7000), lab.A.udp(5000, remote=(lab.B.address, 7000))
    address, port = ask(client, server)
    lab.B.send(IP(src=lab.B.address, dst=address, flags="DF") / UDP(sport=7000, dport=port) / bytes(1460))
    error = at_b.one(TOO_BIG)
    assert (error.src, error[ICMP].nexthopmtu) == (lab.R.external, 1400)
    quote = quoted(error)
    assert (quote.src, quote.dst, quote.sport, quote.dport) == (lab.B.address, address, 7000, port)
    check_outside(lab, at_b)


def test_download_through_a_narrow_inside(make_lab, gateway):
    lab = make_lab(offload=False)
    lab.use(gateway)
    lab.R.ip("link set eth1 mtu 1400")
    WebServer(lab.B)
    at_b = lab.capture(lab.B)
    done = lab.A.start("curl", "-sS", "-m", "20", f"http://{lab.B.address}/").succeed(25)
    assert done.stdout == BLOB
    assert at_b.count(TOO_BIG) > 0
    assert "mtu 1400" in lab.B.do("ip", "route", "get", lab.R.external)
