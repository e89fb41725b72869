# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests left behind on the machine: processes, namespaces, pins, cgroups. Found, told, then removed.

Several runs may share the machine. A process is ours when its environment carries this run's mark, which all that we
start inherits. Of the other things that were not there at the start, a namespace is ours unless its name has the number
of a living process of another run, a pin unless a namespace of somebody else is alive to which it belongs.
"""

import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

from result import FAILED, PASSED, Result

MARK = "BAUTA_TEST_RUN"
NETNS = pathlib.Path("/run/netns")
PINS = pathlib.Path("/run/bauta")
CLONE_NEWNET = 0x40000000
SO_NETNS_COOKIE = 71
LIMIT_S = 5  # the kernel frees some things a moment after their last user is gone

_libc = ctypes.CDLL(None)


class Leftovers:
    def __init__(self, mark):
        self.mark = f"{MARK}={mark}".encode()
        self.before = _things()
        self.ancestors = _ancestors()

    def check(self, stage):
        """One Result: whether nothing is left after this stage. What is left is removed, for the next stage's sake."""
        end = time.monotonic() + LIMIT_S
        while (left := self._left()) and time.monotonic() < end:
            time.sleep(0.1)
        self.remove(left)
        name = f"{stage}: nothing is left behind"
        if left:
            return Result(name, FAILED, "\n".join(f"{kind} {what}" for kind, what in left))
        return Result(name, PASSED)

    def remove(self, left=None):
        """Removes these things, or all there are, as far as that goes."""
        for kind, what in sorted(self._left() if left is None else left, key=lambda thing: thing[0] != "process"):
            try:
                if kind == "process":
                    os.kill(int(what.split()[0]), signal.SIGKILL)
                elif kind == "namespace":
                    subprocess.run(["ip", "netns", "delete", what], check=False, capture_output=True, timeout=30)
                elif kind == "pin" and os.path.isdir(what):
                    shutil.rmtree(what, ignore_errors=True)
                elif kind == "pin":
                    os.unlink(what)
                elif kind == "cgroup":
                    os.rmdir(what)
            except OSError:
                continue  # gone meanwhile, or in use: it was told of already

    def _left(self):
        pids = _pids()
        left = {("process", f"{pid} {_command(pid)}") for pid in pids if self.mark in _environment(pid)}
        others = [pid for pid in pids if self._is_other_run(pid)]
        new = _things() - self.before
        spaces = {what for kind, what in new if kind == "namespace" and not _is_named_after(what, others)}
        alive = _cookies(set(_namespaces()) - spaces)
        left |= {("namespace", what) for what in spaces}
        left |= {("pin", what) for kind, what in new if kind == "pin" and _cookie_of(what) not in alive}
        left |= {("cgroup", what) for kind, what in new if kind == "cgroup" and not others}
        return sorted(left)

    def _is_other_run(self, pid):
        if pid in self.ancestors or self.mark in _environment(pid):
            return False
        return any(re.search(r"(^|/)(pytest|tests/run|demo/run|bench/[^/]+)$", word) for word in _words(pid)[:3])


def _is_named_after(namespace, pids):
    """Whether it is called bt-<pid>...-<host> after one of these, in one base or the other."""
    match = re.match(r"bt-([0-9a-f]+)", namespace)
    return match and any(match.group(1).startswith((f"{pid:x}", f"{pid}")) for pid in pids)


def _cookie_of(pin):
    """The cookie of the namespace that /run/bauta/[bpf/]COOKIE-IFACE... belongs to; None where there is none."""
    match = re.match(r"(\d+)-", pathlib.Path(pin).name)
    return int(match.group(1)) if match else None


def _cookies(namespaces):
    """The cookies of these network namespaces, and of our own."""
    found = set()
    with open("/proc/self/ns/net", "rb") as home:
        for path in [pathlib.Path("/proc/self/ns/net"), *(NETNS / name for name in namespaces)]:
            try:
                with open(path, "rb") as namespace:
                    if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                        continue  # not root: then there is nothing of ours either
                    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                        found.add(struct.unpack("=Q", probe.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8))[0])
            except OSError:
                continue  # gone meanwhile
            finally:
                _libc.setns(home.fileno(), CLONE_NEWNET)
    return found


def _ancestors():
    pid, found = os.getpid(), []
    while pid > 1:
        pid = int(_read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()[1])
        found.append(pid)
    return found


def _namespaces():
    return [name for name in os.listdir(NETNS) if name.startswith("bt-")] if NETNS.is_dir() else []


def _things():
    things = {("namespace", name) for name in _namespaces()}
    for folder in (PINS, PINS / "bpf"):
        if folder.is_dir():
            things |= {("pin", str(path)) for path in folder.iterdir() if path != PINS / "bpf"}
    for mount in _cgroup_mounts():
        for pattern in ("bt-*", "bauta*", "*/bt-*", "*/bauta*"):
            things |= {("cgroup", str(path)) for path in pathlib.Path(mount).glob(pattern) if path.is_dir()}
    return things


def _cgroup_mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        for line in mounts:
            words = line.split()
            if words[words.index("-") + 1] == "cgroup2":
                yield words[4]


def _pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def _read(pid, what):
    try:
        return pathlib.Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""


def _environment(pid):
    return _read(pid, "environ").split(b"\0")


def _words(pid):
    return _read(pid, "cmdline").decode(errors="replace").split("\0")[:-1]


def _command(pid):
    return " ".join(_words(pid))
