# SPDX-License-Identifier: GPL-2.0-or-later
"""What a translated packet looks like: addresses and ports changed, all else as it was, every checksum right."""

import struct

import pytest
from gateway import Bauta, NftMasquerade
from packet import check_checksums, internet_sum, match
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from talk import accept, ask, chat, check_outside, exchange

GATEWAYS = {"nft": lambda: NftMasquerade("50000-50009"), "bauta": lambda: Bauta("50000-50009")}


@pytest.fixture(params=GATEWAYS)
def lab(request, share_lab):
    return share_lab(GATEWAYS[request.param])


@pytest.fixture(params=GATEWAYS)
def bare_lab(request, share_lab):
    """Whose wires leave nothing to hardware."""
    return share_lab(GATEWAYS[request.param], offload=False)


def check_hop(at_a, at_b, proto, lab):
    """Everything of this protocol crossed exactly one router, and says nothing about the inside."""
    out = at_b.packets(match(proto=proto, src=lab.R.external))
    back = at_a.packets(match(proto=proto, src=lab.B.address))
    assert out and back
    assert {packet.ttl for packet in out} == {63} and {packet.ttl for packet in back} == {63}
    assert {packet.dst for packet in back} == {lab.A.address}
    check_outside(lab, at_b)
    for raw in at_a.raw(outgoing=False):
        check_checksums(raw)


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_packets_cross_with_right_checksums_and_one_hop_less(bare_lab, proto):
    lab = bare_lab
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    address, port = exchange(lab, proto)
    assert address == lab.R.external and 50000 <= port <= 50009
    lab.settle()
    check_hop(at_a, at_b, proto, lab)


@pytest.mark.parametrize("request_type, reply_type", [(8, 0), (13, 14)], ids=["echo", "timestamp"])
def test_icmp_queries_and_their_replies_cross(bare_lab, request_type, reply_type):
    lab = bare_lab
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / ICMP(type=request_type, id=77, seq=5))
    reply = at_a.one(match(proto="icmp", src=lab.B.address))
    assert (reply[ICMP].type, reply[ICMP].id, reply[ICMP].seq) == (reply_type, 77, 5)
    check_hop(at_a, at_b, "icmp", lab)


def test_ping_program(lab):
    text = lab.A.do("ping", "-n", "-c5", "-i0.01", "-W2", lab.B.address)
    assert "5 received" in text


def test_tos_df_id_options_and_payload_stay(bare_lab):
    lab = bare_lab
    at_b = lab.capture(lab.B)
    sent = IP(
        src=lab.A.address, dst=lab.B.address, tos=0xB9, flags="DF", id=0x1234, ttl=9,
        options=[IPOption(data) for data in (b"\x94\x04\x00\x00", b"\x01", b"\x01", b"\x01", b"\x00")],
    ) / UDP(sport=5000, dport=7000) / b"odd"
    lab.A.send(sent)
    got = at_b.one(match(proto="udp", dport=7000))
    sent = IP(bytes(sent))
    assert (got.tos, got.flags, got.id, got.ttl, got.ihl) == (sent.tos, sent.flags, sent.id, 8, sent.ihl)
    assert bytes(got)[20 : got.ihl * 4] == bytes(sent)[20 : sent.ihl * 4]
    assert bytes(got[UDP].payload) == b"odd"
    check_outside(lab, at_b)


def test_tcp_options_flags_and_urgent_pointer_stay(bare_lab):
    lab = bare_lab
    outside = lab.phantom(lab.B, "192.0.2.77")
    at_b = lab.capture(lab.B)
    options = [
        ("MSS", 1400), ("SAckOK", b""), ("Timestamp", (1234, 0)), ("NOP", None), ("WScale", 7), (34, b"cookie12")
    ]
    sent = IP(src=lab.A.address, dst=outside) / TCP(
        sport=5000, dport=80, flags="SECU", seq=99, window=4321, urgptr=7, options=options
    ) / b"data in the SYN"
    lab.A.send(sent)
    got = at_b.one(match(proto="tcp", dport=80))
    sent = IP(bytes(sent))
    assert bytes(got[TCP])[4:16] == bytes(sent[TCP])[4:16]
    assert bytes(got[TCP])[18:] == bytes(sent[TCP])[18:]
    check_outside(lab, at_b)


def test_udp_checksum_zero_stays_zero_in_both_directions(bare_lab):
    lab = bare_lab
    outside = lab.phantom(lab.B, "192.0.2.77")
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    lab.A.send(IP(src=lab.A.address, dst=outside) / UDP(sport=5000, dport=7000, chksum=0) / b"out")
    got = at_b.one(match(proto="udp", dst=outside))
    assert got[UDP].chksum == 0
    lab.B.send(IP(src=outside, dst=lab.R.external) / UDP(sport=7000, dport=got[UDP].sport, chksum=0) / b"in")
    assert at_a.one(match(proto="udp", src=outside))[UDP].chksum == 0


def test_udp_checksum_that_becomes_zero_is_sent_as_ffff(bare_lab):
    """RFC 768: a computed zero is sent as all ones, for zero means that there is no checksum."""
    lab = bare_lab
    outside = lab.phantom(lab.B, "192.0.2.77")
    at_b = lab.capture(lab.B)
    header = IP(src=lab.A.address, dst=outside) / UDP(sport=5000, dport=7000)
    lab.A.send(header / b"\0\0")
    first = at_b.one(match(proto="udp", dst=outside))
    # The payload that completes the sum of the translated datagram, checksum field left out, to all ones.
    raw = bytes(first)
    segment = raw[20:26] + b"\0\0" + raw[28:]
    rest = internet_sum(raw[12:20] + struct.pack("!BBH", 0, 17, len(segment)) + segment)
    at_b.clear()
    lab.A.send(header / struct.pack("!H", 0xFFFF - rest))
    second = at_b.one(match(proto="udp", dst=outside))
    assert second[UDP].sport == first[UDP].sport
    assert second[UDP].chksum == 0xFFFF
    check_checksums(bytes(second))


def test_half_closed_connection_still_carries_data(lab):
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000))
    conn, _ = accept(client, server)
    client.shutdown(1)
    assert conn.recv(10) == b""
    conn.sendall(b"long after the FIN")
    assert client.recv(100) == b"long after the FIN"
    conn.close()
    assert client.recv(10) == b""


def test_reset_is_passed_on_in_both_directions(lab):
    server = lab.B.listen(7000)
    reset = struct.pack("ii", 1, 0)
    for closer in ("inside", "outside"):
        client = lab.A.connect((lab.B.address, 7000))
        conn, _ = accept(client, server)
        first, second = (client, conn) if closer == "inside" else (conn, client)
        first.setsockopt(1, 13, reset)  # SO_LINGER: close() sends a RST
        first.close()
        with pytest.raises(ConnectionResetError):
            second.recv(10)


def test_simultaneous_open(lab):
    """RFC 5382 REQ-2a: SYNs cross in the gateway, and both ends come to ESTABLISHED."""
    at_b = lab.capture(lab.B)
    with pytest.raises(ConnectionRefusedError):  # which shows B where A's SYN will come from
        lab.A.connect((lab.B.address, 7001), port=50003)
    port = at_b.one(match(proto="tcp", flags="S"))[TCP].sport
    lab.B.nft(
        "table ip hold { chain in { type filter hook input priority 0; tcp dport 7001 tcp flags == syn drop; }; }"
    )
    client = lab.A.tcp(50003)
    client.setblocking(False)
    assert client.connect_ex((lab.B.address, 7001)) == 115  # EINPROGRESS: its SYN is held back at B
    lab.settle()
    lab.B.nft("delete table ip hold")
    peer = lab.B.tcp(7001)
    peer.connect((lab.R.external, port))
    client.settimeout(3)
    chat(client, peer)


def test_ask_twice_is_one_flow(lab):
    server, client = lab.B.udp(7000), lab.A.udp(5000, remote=(lab.B.address, 7000))
    assert ask(client, server) == ask(client, server)
