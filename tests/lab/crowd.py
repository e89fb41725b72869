# SPDX-License-Identifier: GPL-2.0-or-later
"""Many internal hosts at once: addresses of A, and flows from them that are told when there is no port."""

import errno
import socket
import struct

REFUSED = {errno.EHOSTUNREACH, errno.EACCES, errno.ENETUNREACH}


def populate(lab, count, first=100):
    """Gives A so many more addresses; returns them. Each is an internal host of its own to the gateway."""
    hosts = [f"192.168.0.{first + number}" for number in range(count)]
    lab.A.ip(*(f"addr add {address}/24 dev eth0" for address in hosts))
    return hosts


class Flow:
    """A TCP connection of an internal host, which the outside host has accepted; external is what it was seen as."""

    def __init__(self, client, conn, external):
        self.client, self.conn, self.external = client, conn, external

    def close(self):
        """Leaves no trace at either end, and lets the gateway see a RST."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()
        self.conn.close()


def connect(lab, listener, address, port=0):
    """A flow from an internal host to a listening socket of B; None if it was refused."""
    try:
        client = lab.A.connect(listener.getsockname(), port=port, address=address)
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        return None
    conn, external = listener.accept()
    return Flow(client, conn, external)
