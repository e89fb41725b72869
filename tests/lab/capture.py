# SPDX-License-Identifier: GPL-2.0-or-later
"""What passed an interface of a host: kept by the kernel in a packet socket's queue until somebody asks."""

import collections
import socket
import struct
import time

from scapy.layers.inet import IP

from wait import LIMIT_S, Late

ETH_P_ALL = 3
PACKET_OUTGOING = 4
SOL_PACKET = 263
PACKET_STATISTICS = 6
SO_RCVBUFFORCE = 33
QUEUE_BYTES = 256 << 20

Frame = collections.namedtuple("Frame", "outgoing proto raw time")


class Capture:
    """Starts with its construction and loses nothing (which close() checks). There is no thread: reading is
    taking from the queue, so once the packets of a test have been processed (Lab.settle) they all are in packets()."""

    def __init__(self, host, dev="eth0"):
        self.where = f"{host.name}/{dev}"
        with host.inside():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_BYTES)
        self._socket.setblocking(False)
        self._socket.bind((dev, ETH_P_ALL))
        self._frames = []
        self._packets = []
        host.keep(self)

    def _drain(self):
        while True:
            try:
                raw, address = self._socket.recvfrom(1 << 17)
            except BlockingIOError:
                return
            self._frames.append(Frame(address[2] == PACKET_OUTGOING, address[1], raw, time.monotonic()))

    def frames(self):
        """All frames, Ethernet header excluded."""
        self._drain()
        return self._frames

    def raw(self, outgoing=None):
        """The IPv4 packets as bytes: those that the host sent, received, or both; padding of short frames is cut."""
        return [
            frame.raw[: max(20, int.from_bytes(frame.raw[2:4], "big"))]
            for frame in self.frames()
            if frame.proto == 0x0800 and outgoing in (None, frame.outgoing)
        ]

    def _parsed(self):
        frames = self.frames()
        for frame in frames[len(self._packets) :]:
            packet = None
            if frame.proto == 0x0800:
                packet = IP(frame.raw[: max(20, int.from_bytes(frame.raw[2:4], "big"))])
                packet.time = frame.time
            self._packets.append(packet)
        return zip(frames, self._packets)

    def packets(self, match=None, outgoing=False):
        """The IPv4 packets that arrived (outgoing=False), were sent (True) or both (None), and match."""
        return [
            packet
            for frame, packet in self._parsed()
            if packet is not None and outgoing in (None, frame.outgoing) and (match is None or match(packet))
        ]

    def count(self, match=None, outgoing=False):
        return len(self.packets(match, outgoing))

    def wait(self, match=None, count=1, outgoing=False, limit_s=LIMIT_S):
        """Waits for count matching packets and returns them; more than count is a failure as well."""
        end = time.monotonic() + limit_s
        while True:
            found = self.packets(match, outgoing)
            if len(found) >= count:
                assert len(found) == count, f"{self.where}: {len(found)} packets instead of {count}:\n{self.summary()}"
                return found
            left = end - time.monotonic()
            if left <= 0:
                raise Late(f"{self.where}: {len(found)} of {count} packets after {limit_s:g} s:\n{self.summary()}")
            self._socket.settimeout(left)
            try:
                raw, address = self._socket.recvfrom(1 << 17)
            except TimeoutError:
                continue
            finally:
                self._socket.setblocking(False)
            self._frames.append(Frame(address[2] == PACKET_OUTGOING, address[1], raw, time.monotonic()))

    def one(self, match=None, outgoing=False, limit_s=LIMIT_S):
        return self.wait(match, 1, outgoing, limit_s)[0]

    def clear(self):
        self._drain()
        self._frames.clear()
        self._packets.clear()

    def summary(self):
        lines = [
            f"  {'sent' if frame.outgoing else 'got '} {packet.summary() if packet else f'type {frame.proto:#x}'}"
            for frame, packet in self._parsed()
        ]
        return "\n".join(lines[-60:]) or "  (nothing)"

    def close(self):
        if self._socket.fileno() < 0:
            return
        statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self._socket.close()
        _, lost = struct.unpack("II", statistics)
        assert lost == 0, f"capture at {self.where} lost {lost} packets"
