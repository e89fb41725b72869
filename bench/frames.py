# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks frames captured at a sink: that the path between really routed them, translated them, and got every field right."""

import collections
import ipaddress
import struct

MAGIC = 0xba07
FIRST_PORT, LAST_PORT = 1024, 65535

Frame = collections.namedtuple("Frame", "destination_mac source destination ttl source_port destination_port "
                                        "ip_sum_good udp_sum_good session internal remote")


def read_pcap(path):
    data = path.read_bytes()
    position = 24
    while position < len(data):
        length = struct.unpack_from("=I", data, position + 8)[0]
        yield data[position + 16:position + 16 + length]
        position += 16 + length


def ones_sum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def address(data):
    return str(ipaddress.IPv4Address(data))


def parse(data):
    ip, udp, tag = data[14:34], data[34:42], data[42:60]
    pseudo = ip[12:20] + b"\x00\x11" + udp[4:6]
    magic, (session_low, session_high) = struct.unpack("!H", tag[12:14])[0], struct.unpack("=HH", tag[14:18])
    if (len(data), ip[0], ip[9], magic) != (60, 0x45, 17, MAGIC):
        return None
    source_port, destination_port, _, udp_sum = struct.unpack("!4H", udp)
    return Frame(data[:6].hex(":"), address(ip[12:16]), address(ip[16:20]), ip[8], source_port, destination_port,
                 ones_sum(ip) == 0xffff, udp_sum != 0 and ones_sum(pseudo + data[34:]) == 0xffff,
                 session_high << 16 | session_low,
                 (address(tag[0:4]), struct.unpack("!H", tag[4:6])[0]),
                 (address(tag[6:10]), struct.unpack("!H", tag[10:12])[0]))


def faults_of(frame, direction, external, ttl, mac):
    """External: the address that must be seen as source outside; None: no translation."""
    if frame is None:
        return ["not a frame of the generator"]
    source, destination = (frame.source, frame.source_port), (frame.destination, frame.destination_port)
    if direction == "outbound":
        translated = source[0] == external and FIRST_PORT <= source[1] <= LAST_PORT if external else \
            source == frame.internal
        ends = {"wrong source": translated, "wrong remote": destination == frame.remote}
    else:
        ends = {"wrong internal endpoint": destination == frame.internal, "wrong source": source == frame.remote}
    checks = {**ends, "IP checksum": frame.ip_sum_good, "UDP checksum": frame.udp_sum_good,
              f"TTL is not {ttl}": frame.ttl == ttl, "wrong destination MAC": frame.destination_mac == mac}
    return [fault for fault, good in checks.items() if not good]


def verify(path, direction, external, ttl, mac, least):
    """Returns (number of frames, faults: text -> count). No faults, and at least so many frames: it works."""
    faults = collections.Counter()
    owners = {}
    number = 0
    for data in read_pcap(path):
        number += 1
        frame = parse(data)
        faults.update(faults_of(frame, direction, external, ttl, mac))
        if frame and direction == "outbound":
            tuple_outside = (frame.source, frame.source_port, frame.destination, frame.destination_port)
            if owners.setdefault(tuple_outside, frame.session) != frame.session:
                faults["two sessions on one tuple"] += 1
            if owners.setdefault(frame.session, tuple_outside) != tuple_outside:
                faults["one session on two tuples"] += 1
    if number < least:
        faults[f"only {number} frames arrived"] += 1
    return number, dict(faults)
