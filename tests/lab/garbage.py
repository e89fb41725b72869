# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets of every kind, good ones and malformed ones, as bytes from the IP header on."""

import os
import random
import struct

from packet import internet_sum
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.sctp import SCTP, SCTPChunkInit
from scapy.packet import Raw


def seeded():
    """A source of chance whose seed is printed; BAUTA_SEED=… repeats a run."""
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
