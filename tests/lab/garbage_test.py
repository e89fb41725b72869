# SPDX-License-Identifier: GPL-2.0-or-later
"""Thousands of malformed packets over the wire, both ways: nothing crashes, nobody else notices, and every packet is
accounted for. The seed is printed; BAUTA_SEED=… repeats a run."""

import os
import random
import struct

import pytest
from accounts import Accounts
from gateway import Bauta
from packet import internet_sum
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.sctp import SCTP, SCTPChunkInit
from scapy.packet import Raw
from talk import accept, ask, chat, read

NUM = 3000


@pytest.fixture
def chance():
    seed = int(os.environ.get("BAUTA_SEED", random.randrange(1 << 32)))
    print(f"BAUTA_SEED={seed}")
    return random.Random(seed)


def originals(src, dst, sport, dport, quoted_src):
    """One packet of every kind that the gateway knows, and some that it does not."""
    quote = bytes(IP(src=dst, dst=quoted_src) / UDP(sport=dport, dport=sport) / b"quoted payload")
    ip = IP(src=src, dst=dst)
    options = IP(src=src, dst=dst, options=[IPOption(b"\x94\x04\x00\x00"), IPOption(b"\x07\x0b\x04" + bytes(8))])
    packets = [
        ip / TCP(sport=sport, dport=dport, flags="S", options=[("MSS", 1460), ("WScale", 7)]),
        ip / TCP(sport=sport, dport=dport, flags="A") / b"data",
        ip / TCP(sport=sport, dport=dport, flags="FA"),
        ip / TCP(sport=sport, dport=dport, flags="R"),
        ip / UDP(sport=sport, dport=dport) / b"datagram",
        ip / UDP(sport=sport, dport=dport, chksum=0) / b"datagram",
        ip / ICMP(id=sport) / b"ping",
        ip / ICMP(type=0, id=sport) / b"pong",
        ip / ICMP(type=13, id=sport),
        ip / ICMP(type=3, code=3) / quote,
        ip / ICMP(type=3, code=4, nexthopmtu=1300) / quote[:28],
        ip / ICMP(type=11) / quote,
        ip / ICMP(type=12, ptr=20) / quote,
        ip / ICMP(type=5) / quote,
        options / UDP(sport=sport, dport=dport) / b"with options",
        options / TCP(sport=sport, dport=dport, flags="S"),
        ip / SCTP(sport=sport, dport=dport) / SCTPChunkInit(),
        IP(src=src, dst=dst, proto=47) / Raw(b"\0\0\x08\0GRE"),
        IP(src=src, dst=dst, flags="MF") / UDP(sport=sport, dport=dport, len=2000) / bytes(64),
        IP(src=src, dst=dst, frag=8, proto=17) / Raw(bytes(64)),
        IP(src=src, dst=dst, frag=8, proto=6) / Raw(bytes(64)),
    ]
    return [bytes(packet) for packet in packets]


def mutate(chance, raw):
    """A few small injuries; the IP header checksum is mostly mended, so that the packet gets beyond the kernel."""
    raw = bytearray(raw)
    for _ in range(chance.randint(1, 4)):
        header = min(len(raw), 60)
        kind = chance.randrange(9)
        if kind == 0:
            raw[chance.randrange(header)] = chance.randrange(256)
        elif kind == 1:
            raw[chance.randrange(header)] ^= 1 << chance.randrange(8)
        elif kind == 2:
            raw = raw[: chance.randint(20, len(raw))]
        elif kind == 3:
            raw[2:4] = struct.pack("!H", chance.choice([0, 19, 20, 21, 27, 28, 40, len(raw) - 1, len(raw) + 1, 0xFFFF]))
        elif kind == 4:
            raw[0] = 0x40 | chance.randrange(16)
        elif kind == 5:
            fragment = chance.choice([0x2000, 0x4000, 0x8000, 1, 0x1FFF, 0x2001, chance.randrange(65536)])
            raw[6:8] = struct.pack("!H", fragment)
        elif kind == 6:
            raw[9] = chance.randrange(256)
        elif kind == 7 and len(raw) > 33:
            raw[32] = chance.randrange(256)  # TCP data offset, or inside of a quoted header
        else:
            raw += chance.randbytes(chance.randint(1, 40))
    if chance.random() < 0.3:
        raw[2:4] = struct.pack("!H", len(raw))  # the length fits again
    if chance.random() < 0.9:
        header = max(20, min((raw[0] & 15) * 4, len(raw)))
        raw[10:12] = b"\0\0"
        raw[10:12] = struct.pack("!H", 0xFFFF - internet_sum(bytes(raw[:header])))
    return bytes(raw)


def drain(*sockets):
    for made in sockets:
        made.setblocking(False)
        try:
            while True:
                made.recv(65535)
        except BlockingIOError:
            made.settimeout(3)


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
def test_garbage(make_lab, chance, direction):
    lab = make_lab(offload=False)
    lab.meet()
    bauta = lab.use(Bauta("50000-50999"))
    # Bystanders, and the flow that is aimed at.
    client = lab.A.tcp(5000)
    bystander = lab.A.udp(5000, remote=(lab.B.address, 7001))
    server, listener = lab.B.udp(7001), lab.B.listen(7001)
    client.connect((lab.B.address, 7001))
    conn, _ = accept(client, listener)
    external = ask(bystander, server)
    _, port = ask(lab.A.udp(5001, remote=(lab.B.address, 7000)), lab.B.udp(7000))
    lab.settle()
    books = Accounts(lab, bauta)
    if direction == "outbound":
        outside = lab.phantom(lab.B, "192.0.2.77")
        kinds = originals("192.168.0.5", outside, 5001, 7000, "192.168.0.5")
        kinds += originals("192.168.0.77", lab.B.address, 5001, 7000, "192.168.0.5")
        sender = lab.A
    else:
        kinds = originals(lab.B.address, lab.R.external, 7000, port, lab.R.external)
        kinds += originals(lab.B.address, lab.R.external, 7000, 50500, lab.R.external)
        sender = lab.B
    for number in range(NUM):
        sender.send(mutate(chance, kinds[number % len(kinds)]))
        if number % 500 == 499:
            lab.settle(sender)
    lab.settle()
    reasons = books.check()
    assert len(reasons) >= 6, f"hardly anything got to the gateway: {reasons}"
    bauta.fsck()
    assert bauta.daemon.running
    drain(bystander, server)  # a mutated packet may have become a good one for them
    assert ask(bystander, server) == external
    chat(client, conn)


def test_books_are_balanced_for_ordinary_traffic(make_lab):
    """The same accounts over connections, errors, refusals and the host's own traffic, offloads on."""
    lab = make_lab()
    bauta = lab.use(Bauta("50000"))
    lab.meet()
    books = Accounts(lab, bauta)
    tcp, udp = lab.B.listen(7000), lab.B.udp(7000)
    remote = (lab.B.address, 7000)
    client = lab.A.connect(remote)
    conn, _ = accept(client, tcp)
    for _ in range(30):
        client.sendall(bytes(30000))
        read(conn, 30000)
    ask(lab.A.udp(5000, remote=remote), udp)
    for host in (lab.A2, lab.R):
        with pytest.raises(OSError):
            host.connect(remote, port=50000)
    accept(lab.R.connect(remote, port=40000), tcp)
    with pytest.raises(ConnectionRefusedError):
        lab.A.connect((lab.B.address, 7001))
    lab.A.do("ping", "-c2", "-i0.01", lab.B.address)
    client.close()
    conn.close()
    lab.settle()
    reasons = books.check()
    assert {"new", "outbound", "inbound", "no-port", "refused-clash", "host"} <= set(reasons)
