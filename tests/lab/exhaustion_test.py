# SPDX-License-Identifier: GPL-2.0-or-later
"""When there is no port or no room: the client hears it at once, the operator hears it, and nobody who was there loses
anything (RFC 6888 REQ-11)."""

import errno
import time

import pytest
from gateway import Bauta
from packet import check_checksums, match, quoted
from scapy.layers.inet import ICMP, TCP, UDP
from talk import accept, ask, chat, text


@pytest.fixture
def full(make_lab):
    """A gateway with one port, which A holds toward B:7000: (lab, gateway, A's client, B's connection)."""
    lab = make_lab(offload=False)
    lab.meet()
    bauta = lab.use(Bauta("50000"))
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000), port=5000)
    conn, _ = accept(client, server)
    return lab, bauta, client, conn


def refused_connect(lab):
    """A2 tries the remote that has no port left; returns the seconds until it was told."""
    start = time.monotonic()
    with pytest.raises(OSError) as refused:
        lab.A2.connect((lab.B.address, 7000), port=5001)
    assert refused.value.errno == errno.EHOSTUNREACH
    return time.monotonic() - start


def test_client_is_told_at_once(full):
    lab, _, client, conn = full
    at_a2, at_b = lab.capture(lab.A2), lab.capture(lab.B)
    assert refused_connect(lab) < 0.5
    error = at_a2.one(match(proto="icmp", icmp=(3, 1)))
    syn = at_a2.packets(match(proto="tcp", flags="S"), outgoing=True)[0]
    assert (error.src, error.dst) == (lab.R.internal, lab.A2.address)
    quote = quoted(error)
    assert (quote.src, quote.dst, quote.sport, quote.dport, quote.id) == (
        lab.A2.address, lab.B.address, 5001, 7000, syn.id
    )
    assert bytes(error)[48:56] == bytes(syn[TCP])[:8], "the quote is not what A2 sent"
    check_checksums(bytes(error))
    assert at_b.count(match(proto="tcp", flags="S")) == 0
    chat(client, conn)


def test_udp_and_ping_are_told_too(full):
    lab, bauta, _, _ = full
    server = lab.B.udp(7000)
    ask(lab.A.udp(5000, remote=(lab.B.address, 7000)), server)
    at_a2 = lab.capture(lab.A2)
    lab.A2.udp(5001).sendto(b"x", (lab.B.address, 7000))
    error = at_a2.one(match(proto="icmp", icmp=(3, 1)))
    assert (error.src, quoted(error).sport, quoted(error).dport) == (lab.R.internal, 5001, 7000)
    assert bauta.drops()["no-port"]["packets"] == 1


def test_other_remotes_are_not_concerned(full):
    lab, _, _, _ = full
    refused_connect(lab)
    server = lab.B.listen(7001)
    _, peer = accept(lab.A2.connect((lab.B.address, 7001)), server)
    assert peer == (lab.R.external, 50000)


def test_operator_is_told(full):
    """By an event, by a line of the daemon and by a counter; each names what it is about."""
    lab, bauta, _, _ = full
    watch = bauta.watch()
    refused_connect(lab)
    event = watch.wait(lambda event: event["reason"] == "no-port")
    assert (event["proto"], event["internal"], event["remote"]) == (
        "tcp", text((lab.A2.address, 5001)), text((lab.B.address, 7000))
    )
    assert (event["owner"], event["owner_endpoint"]) == ("session", text((lab.A.address, 5000)))
    line = bauta.daemon.wait_text(rf"^bauta: .*{lab.A2.address}:5001.*$").group(0)
    assert text((lab.B.address, 7000)) in line and text((lab.A.address, 5000)) in line
    row = bauta.drops()["no-port"]
    assert (row["verdict"], row["packets"]) == ("refused", 1) and "port" in row["meaning"]
    assert "no-port" in bauta.text("show", "drops")


def test_many_refusals_are_few_events_and_an_exact_count(full):
    lab, bauta, _, _ = full
    at_a2 = lab.capture(lab.A2)
    client = lab.A2.udp(5001)
    server = lab.B.udp(7000)
    ask(lab.A.udp(5000, remote=(lab.B.address, 7000)), server)
    for _ in range(3000):
        client.sendto(b"x", (lab.B.address, 7000))
    lab.settle(lab.A2)
    assert bauta.drops()["no-port"]["packets"] == 3000
    lines = [line for line in bauta.log.splitlines() if f"{lab.A2.address}:5001" in line]
    assert 1 <= len(lines) <= 60, "a flood of packets became a flood of lines"
    told = at_a2.count(match(proto="icmp", icmp=(3, 1)))
    assert 1 <= told <= 3000
    assert bauta.status()["answers_held_back"] == 3000 - told


def test_full_table_refuses_newcomers_and_keeps_the_rest(make_lab):
    """RFC 6888 REQ-11: nobody is evicted to make room."""
    lab = make_lab()
    lab.meet()
    bauta = lab.use(Bauta("20000-59999", "--sessions", "64"))
    server = lab.B.udp(7000)
    first = [lab.A.udp(1000 + number, remote=(lab.B.address, 7000)) for number in range(32)]
    seen = [ask(client, server) for client in first]
    at_a2 = lab.capture(lab.A2)
    crowd = lab.A2.udp(5001)
    for port in range(7001, 7401):
        crowd.sendto(b"x", (lab.B.address, port))
    lab.settle(lab.A2)
    refused = bauta.drops()["no-room"]["packets"]
    assert 0 < refused < 400
    assert at_a2.count(match(proto="icmp", icmp=(3, 1))) == refused
    assert [ask(client, server) for client in first] == seen
    assert bauta.fsck()["sessions"] == 432 - refused
    assert {packet[ICMP].code for packet in at_a2.packets(match(proto="icmp", icmp=(3, 1)))} == {1}


def test_refused_datagram_is_quoted_as_it_was_sent(full):
    lab, _, _, _ = full
    ask(lab.A.udp(5000, remote=(lab.B.address, 7000)), lab.B.udp(7000))
    at_a2 = lab.capture(lab.A2)
    lab.A2.udp(5001).sendto(b"eight by", (lab.B.address, 7000))
    error = at_a2.one(match(proto="icmp", icmp=(3, 1)))
    sent = at_a2.one(match(proto="udp", sport=5001), outgoing=True)
    assert bytes(error)[48:56] == bytes(sent[UDP])[:8]
