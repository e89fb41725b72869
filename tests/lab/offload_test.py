# SPDX-License-Identifier: GPL-2.0-or-later
"""With the offloads on that every machine has on: packets of 64 kB, checksums left to hardware, GRO at the gateway."""

import hashlib

import pytest
from blob import BLOB, SHA256, WebServer
from gateway import Bauta, NftMasquerade
from packet import check_checksums

GATEWAYS = {"nft": lambda: NftMasquerade("20000-29999"), "bauta": lambda: Bauta("20000-29999")}


def longest(capture):
    return max(len(frame.raw) for frame in capture.frames())


@pytest.mark.parametrize("gro", [False, True], ids=["gso", "gro"])
@pytest.mark.parametrize("gateway", GATEWAYS)
def test_large_packets_cross_whole(make_lab, gateway, gro):
    lab = make_lab(gro=gro)
    lab.use(GATEWAYS[gateway]())
    web = WebServer(lab.B)
    at_r = lab.capture(lab.R)
    down = lab.A.start("curl", "-sS", "-m", "20", f"http://{lab.B.address}/").succeed(20)
    assert hashlib.sha256(down.stdout).hexdigest() == SHA256
    assert longest(at_r) > 20000, "no large packet came by: this proves nothing"
    at_r.clear()
    up = lab.A.start("curl", "-sS", "-m", "20", "-H", "Expect:", "-H", "Transfer-Encoding:", "-H",
                     f"Content-Length: {len(BLOB)}", "-T", "-", f"http://{lab.B.address}/", stdin=BLOB)
    assert up.succeed(20).text == SHA256
    assert longest(at_r) > 20000
    assert {address for address, _ in web.peers} == {lab.R.external}


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_checksum_made_by_hardware_at_the_outside_only(make_lab, gateway):
    """A leaves its checksums to the wire, the outside has no offload: what arrives at B must be whole."""
    lab = make_lab()
    lab.use(GATEWAYS[gateway]())
    for host in (lab.R, lab.B):
        host.do("ethtool", "-K", "eth0", "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
    WebServer(lab.B)
    at_b = lab.capture(lab.B)
    up = lab.A.start("curl", "-sS", "-m", "20", "-H", "Expect:", "-H", "Transfer-Encoding:", "-H",
                     "Content-Length: 1000000", "-T", "-", f"http://{lab.B.address}/", stdin=BLOB[:1000000])
    assert up.succeed(20).text == hashlib.sha256(BLOB[:1000000]).hexdigest()
    received = at_b.raw(outgoing=False)
    assert len(received) > 600
    for raw in received:
        assert len(raw) <= 1500
        check_checksums(raw)
