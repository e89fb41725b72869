# SPDX-License-Identifier: GPL-2.0-or-later
"""--mss: connections work where ICMP is lost and the way is narrower than both ends believe."""

import pytest
from blob import BLOB
from gateway import Bauta
from packet import check_checksums, match
from scapy.layers.inet import IP, TCP
from wait import until

NARROW = 1280  # the MTU of R's outside
NO_ICMP = """table ip no_icmp {
    chain out { type filter hook output priority 0; icmp type destination-unreachable drop; }
}"""
DATA = BLOB[:200_000]


def narrow(make_lab, *options, **more):
    """R's outside takes packets of 1280 bytes; nobody is told."""
    lab = make_lab(external_mtu=NARROW, **{"offload": False, **more})
    lab.R.nft(NO_ICMP)
    return lab, lab.use(Bauta("50000-50999", *options))


def connection(lab):
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000))
    conn, _ = server.accept()
    conn.settimeout(3)
    return client, conn


def carries(sender, receiver, limit_s=3.0):
    """Whether what one sends comes to the other."""
    sender.setblocking(False)
    receiver.settimeout(limit_s)
    sent = got = 0
    try:
        while got < len(DATA):
            try:
                sent += sender.send(DATA[sent:])
            except BlockingIOError:
                pass
            data = receiver.recv(1 << 16)
            assert DATA[got : got + len(data)] == data
            got += len(data)
    except TimeoutError:
        return False
    return True


def offered(capture, flags):
    """The MSS of each SYN, or SYN-ACK, that came."""
    packets = capture.packets(match(proto="tcp", flags=flags))
    for packet in packets:
        check_checksums(bytes(packet))
    return {dict(packet[TCP].options).get("MSS") for packet in packets}


@pytest.mark.parametrize("way", ["upload", "download"])
@pytest.mark.parametrize("option", ["off", "auto", "1000", "1240"])
def test_transfer_without_icmp(make_lab, option, way):
    """Without the clamp it stalls, which shows that the way is what it should be."""
    lab, _ = narrow(make_lab, f"--mss={option}")
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    client, conn = connection(lab)
    mss = {"off": 1460, "auto": NARROW - 40}.get(option) or int(option)
    assert (offered(at_b, "S"), offered(at_a, "SA")) == ({mss}, {mss})
    sender, receiver = (client, conn) if way == "upload" else (conn, client)
    if option == "off":
        assert not carries(sender, receiver, limit_s=1.0)
    else:
        assert carries(sender, receiver)


def test_smaller_offers_stay(make_lab):
    """What its sender offers is never raised: A's own MTU is the smaller one here."""
    lab, _ = narrow(make_lab, "--mss=1240")
    lab.A.ip("link set eth0 mtu 900")
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    connection(lab)
    assert (offered(at_b, "S"), offered(at_a, "SA")) == ({860}, {1240})


def test_repeated_and_strange_syns(make_lab):
    """A SYN on a session that is there, one without the option, and one whose options cannot be read."""
    lab, _ = narrow(make_lab, "--mss=1240")
    outside = lab.phantom(lab.B, "192.0.2.77")
    at_b = lab.capture(lab.B)
    options = [("NOP", None), ("MSS", 1460)]
    syn = IP(src=lab.A.address, dst=outside) / TCP(sport=5000, dport=80, flags="S", options=options)
    plain = IP(src=lab.A.address, dst=outside) / TCP(sport=5001, dport=80, flags="S")
    no_length = b"\x03\x00\x02\x04\x05\xb4\x00\x00"
    broken = IP(src=lab.A.address, dst=outside) / TCP(sport=5002, dport=80, flags="S", dataofs=7) / no_length
    lab.A.send(syn, syn, plain, broken)
    seen = at_b.wait(match(proto="tcp", flags="S", dst=outside), 4)
    for packet in seen:
        check_checksums(bytes(packet))
    assert [dict(packet[TCP].options).get("MSS") for packet in seen[:3]] == [1240, 1240, None]
    assert bytes(seen[2])[20:][12] >> 4 == 5
    assert bytes(seen[3]).endswith(no_length)


def test_checksums_that_hardware_makes(make_lab):
    """A and B leave them to the wire; R's outside makes them, of what R has changed."""
    lab, _ = narrow(make_lab, "--mss=1240", offload=True)
    for host in (lab.R, lab.B):
        host.do("ethtool", "-K", "eth0", "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
    at_b = lab.capture(lab.B)
    client, conn = connection(lab)
    assert offered(at_b, "S") == {1240}
    assert carries(client, conn)
    for raw in at_b.raw(outgoing=False):
        check_checksums(raw)


def test_auto_follows_the_interface(make_lab):
    lab, bauta = narrow(make_lab, "--mss=auto")
    assert bauta.json("show", "config")["mss"] == NARROW - 40
    lab.R.ip("link set eth0 mtu 1400")
    until(lambda: bauta.json("show", "config")["mss"] == 1360, "for the MSS of the new MTU")
    at_b = lab.capture(lab.B)
    client, _ = connection(lab)
    assert offered(at_b, "S") == {1360}
    client.close()
