# SPDX-License-Identifier: GPL-2.0-or-later
"""An XDP program of somebody else, which lets everything pass."""

import ctypes
import os
import platform
import socket
import struct

NR_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_PROG_LOAD, BPF_LINK_CREATE = 5, 28
PROG_TYPE_XDP, ATTACH_XDP, DRV_MODE = 6, 37, 4
# r0 = XDP_PASS; exit
CODE = struct.pack("=BBhi", 0xB7, 0, 0, 2) + struct.pack("=BBhi", 0x95, 0, 0, 0)

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attr):
    buffer = ctypes.create_string_buffer(attr, max(len(attr), 120))
    fd = _libc.syscall(NR_BPF, command, buffer, len(buffer))
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd


class XdpPass:
    """Attached to an interface of a host, in its driver, until it is closed."""

    def __init__(self, host, dev):
        code, license_text = ctypes.create_string_buffer(CODE), ctypes.create_string_buffer(b"GPL")
        load = struct.pack("=IIQQIIQII16s", PROG_TYPE_XDP, 2, ctypes.addressof(code), ctypes.addressof(license_text),
                           0, 0, 0, 0, 0, b"somebody")
        program = _bpf(BPF_PROG_LOAD, load)
        with host.inside():
            ifindex = socket.if_nametoindex(dev)
            self._link = _bpf(BPF_LINK_CREATE, struct.pack("=IIII", program, ifindex, ATTACH_XDP, DRV_MODE))
        os.close(program)
        host.keep(self)

    def close(self):
        if self._link is not None:
            os.close(self._link)
            self._link = None
