# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test asks of a packet: does it match, and is every checksum in it right."""

import struct

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror

PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}


def match(proto=None, src=None, dst=None, sport=None, dport=None, flags=None, icmp=None, where=None):
    """A predicate for IP packets. flags are all TCP flags ("S", "SA"); icmp is a type or (type, code)."""

    def matches(packet):
        if proto is not None and packet.proto != PROTOCOLS.get(proto, proto):
            return False
        if src is not None and packet.src != src:
            return False
        if dst is not None and packet.dst != dst:
            return False
        if sport is not None or dport is not None or flags is not None:
            l4 = packet.getlayer(TCP) or packet.getlayer(UDP)
            if l4 is None or (sport is not None and l4.sport != sport) or (dport is not None and l4.dport != dport):
                return False
            if flags is not None and (packet.proto != 6 or str(l4.flags) != flags):
                return False
        if icmp is not None:
            if packet.proto != 1 or ICMP not in packet:
                return False
            wanted = icmp if isinstance(icmp, tuple) else (icmp, packet[ICMP].code)
            if (packet[ICMP].type, packet[ICMP].code) != wanted:
                return False
        return where is None or where(packet)

    return matches


def internet_sum(data):
    """The ones' complement sum of RFC 1071; 0xffff when a checksum inside data is right."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _transport_sum(raw, header_length, total):
    segment = raw[header_length:total]
    pseudo = raw[12:20] + bytes([0, raw[9]]) + struct.pack("!H", len(segment))
    return internet_sum(pseudo + segment)


def check_checksums(raw, quoted=False):
    """Asserts that each checksum in an IPv4 packet is right; of a quoted packet that was cut, those that can be."""
    raw = bytes(raw)
    header_length = (raw[0] & 15) * 4
    (total,) = struct.unpack("!H", raw[2:4])
    assert internet_sum(raw[:header_length]) == 0xFFFF, f"IP header checksum is wrong: {IP(raw).summary()}"
    (fragment,) = struct.unpack("!H", raw[6:8])
    if fragment & 0x3FFF or len(raw) < total:
        assert quoted or len(raw) >= total, f"packet is shorter than its total length {total}: {IP(raw).summary()}"
        return
    proto = raw[9]
    if proto == 1:
        assert internet_sum(raw[header_length:total]) == 0xFFFF, f"ICMP checksum is wrong: {IP(raw).summary()}"
        if raw[header_length] in (3, 11, 12):
            check_checksums(raw[header_length + 8 : total], quoted=True)
    elif proto == 6 or (proto == 17 and raw[header_length + 6 : header_length + 8] != b"\0\0"):
        assert _transport_sum(raw, header_length, total) == 0xFFFF, f"L4 checksum is wrong: {IP(raw).summary()}"


def quoted(packet):
    """The packet inside an ICMP error, as scapy reads it."""
    return packet[IPerror]
