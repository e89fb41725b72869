# SPDX-License-Identifier: GPL-2.0-or-later
"""A stream of numbered datagrams, each sent back by the far host: how many were lost, and for how long none came."""

import socket
import threading
import time

from wait import until

PAUSE_S = 0.002


class Stream:
    """Runs from start to close(). The far end sends everything back to where it came from."""

    def __init__(self, near, far, port=7000):
        self._far = far.udp(port)
        self._near = near.udp(remote=(far.address, port))
        self._far.settimeout(0.2)
        self._near.settimeout(0.2)
        self._arrivals = []  # (number, time) of what came back
        self._num_sent = 0
        self._done = False
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._echo, self._read)]
        for thread in self._threads:
            thread.start()
        self.wait_flowing()

    def _send(self):
        while not self._done:
            try:
                self._near.send(self._num_sent.to_bytes(8, "big"))
            except OSError:
                pass  # an ICMP error about an earlier one
            self._num_sent += 1
            time.sleep(PAUSE_S)

    def _echo(self):
        while not self._done:
            try:
                data, peer = self._far.recvfrom(64)
                self._far.sendto(data, peer)
            except (socket.timeout, OSError):
                pass

    def _read(self):
        while not self._done:
            try:
                number = int.from_bytes(self._near.recv(64), "big")
            except (socket.timeout, OSError):
                continue
            self._arrivals.append((number, time.monotonic()))

    def wait_flowing(self, num=50, limit_s=5.0):
        """Waits until so many datagrams that are sent from now on have come back."""
        first = self._num_sent

        def flows():
            recent = list(self._arrivals)
            return sum(number >= first for number, _ in recent) >= num

        until(flows, "for datagrams to come back", limit_s)

    def mark(self):
        """Now, for what is asked about a span."""
        return self._num_sent, time.monotonic()

    def outage(self, mark):
        """Of what was sent since that mark: how many were lost, and the longest time in which nothing came back."""
        number, begin = mark
        self.wait_flowing()
        arrived = [(num, when) for num, when in list(self._arrivals) if num >= number]
        times = [begin] + [when for _, when in arrived]
        last = max(num for num, _ in arrived)
        lost = last + 1 - number - len({num for num, _ in arrived})
        return lost, max(later - sooner for sooner, later in zip(times, times[1:]))

    def close(self):
        self._done = True
        for thread in self._threads:
            thread.join()
        self._far.close()
        self._near.close()
