# SPDX-License-Identifier: GPL-2.0-or-later
"""Path MTU discovery: wherever the narrow link is, the sender hears of it and the transfer completes."""

import errno
import socket

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


def test_datagrams_with_and_without_df(make_lab, gateway):
    """RFC 4787 REQ-13, 13a: refused and told; or cut up, in order, and whole at the other end. In both directions."""
    lab = make_lab(external_mtu=1400, offload=False)
    lab.meet()
    lab.use(gateway)
    server, client = lab.B.udp(7000), lab.A.udp(5000, remote=(lab.B.address, 7000))
    address, port = ask(client, server)
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    data = bytes(range(256)) * 5 + bytes(192)  # 1500 with its headers
    sent = IP(src=lab.A.address, dst=lab.B.address, id=77, flags="DF") / UDP(sport=5000, dport=7000) / data
    lab.A.send(sent)
    error = at_a.one(TOO_BIG)
    assert (error.src, error[ICMP].nexthopmtu, bytes(quoted(error))[:548]) == (
        lab.R.internal, 1400, bytes(sent)[:548])
    sent.flags = ""
    lab.A.send(sent)
    assert server.recvfrom(2048) == (data, (address, port))
    pieces = at_b.packets(match(proto="udp", src=address))
    assert [(piece.frag, piece.flags.MF) for piece in pieces] == [(0, True), (pieces[1].frag, False)]
    assert len(pieces[0]) <= 1400 and pieces[0].id == pieces[1].id
    check_outside(lab, at_b)

    lab.R.ip("link set eth0 mtu 1500", "link set eth1 mtu 1400")
    at_a.clear()
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.EMSGSIZE  # the socket was told, too
    lab.B.send(IP(src=lab.B.address, dst=address, id=78) / UDP(sport=7000, dport=port) / data)
    assert client.recv(2048) == data
    pieces = at_a.packets(match(proto="udp", src=lab.B.address))
    assert [(piece.frag > 0, piece.flags.MF) for piece in pieces] == [(False, True), (True, False)]


@pytest.mark.parametrize("way", ["upload", "download"])
@pytest.mark.parametrize("side", ["inside", "outside"])
def test_large_packets_over_unequal_mtus(make_lab, gateway, side, way):
    """GSO and GRO: packets of 64 kB whose segments do not fit through the link of R's other side."""
    lab = make_lab(inside_router=True, outside_router=True, gro=True)
    lab.use(gateway)
    dev, router = ("eth1", lab.I) if side == "inside" else ("eth0", lab.X)
    lab.R.ip(f"link set {dev} mtu 1280")
    router.ip("link set eth0 mtu 1280")
    at_sender = lab.capture(lab.A if way == "upload" else lab.B)
    at_r = lab.capture(lab.R, "eth1" if way == "upload" else "eth0")
    if way == "upload":
        upload(lab)
    else:
        WebServer(lab.B)
        assert lab.A.start("curl", "-sS", "-m", "20", f"http://{lab.B.address}/").succeed(25).stdout == BLOB
    errors = at_sender.packets(TOO_BIG)
    assert {error[ICMP].nexthopmtu for error in errors} == {1280}
    assert max(len(frame.raw) for frame in at_r.frames()) > 5000, "no large packet came by: this proves nothing"
    teller = {("outside", "upload"): lab.R.internal, ("inside", "download"): lab.R.external}.get((side, way))
    for error in errors:
        assert teller in (None, error.src)
        assert quoted(error).src == (lab.A.address if way == "upload" else lab.B.address)
        assert quoted(error).dst == (lab.B.address if way == "upload" else lab.R.external)


def test_two_narrow_links_one_after_the_other(make_lab, gateway):
    """The MTU of the way shrinks twice: R tells of its own, then a router beyond of a smaller one."""
    lab = make_lab(outside_router=True, external_mtu=1400, offload=False)
    lab.X.ip(f"route add {lab.B.address}/32 dev eth1 mtu 1200")
    lab.use(gateway)
    at_a = lab.capture(lab.A)
    upload(lab)
    told = [(error.src, error[ICMP].nexthopmtu) for error in at_a.packets(TOO_BIG)]
    assert set(told) == {(lab.R.internal, 1400), (lab.X.address, 1200)}
