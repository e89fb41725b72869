# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests left behind on the machine: processes, namespaces, pins, cgroups. Found, told, then removed.

Several runs may share the machine. A process is ours when its environment carries this run's mark, which all that we
start inherits. The other things are ours when they were not there at the start and no living process of another run
can be their owner.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from result import FAILED, PASSED, Result

MARK = "BAUTA_TEST_RUN"
NETNS = pathlib.Path("/run/netns")
PINS = pathlib.Path("/run/bauta")
LIMIT_S = 5  # the kernel frees some things a moment after their last user is gone


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
        processes = {("process", f"{pid} {_command(pid)}") for pid in _pids() if self.mark in _environment(pid)}
        others = [pid for pid in _pids() if self._is_other_run(pid)]
        things = {(kind, what) for kind, what in _things() - self.before if not _owned(what, others)}
        return sorted(processes | things)

    def _is_other_run(self, pid):
        if pid in self.ancestors or self.mark in _environment(pid):
            return False
        return any(re.search(r"(^|/)(pytest|tests/run|demo/run|bench/[^/]+)$", word) for word in _words(pid)[:3])


def _owned(what, others):
    """Whether it may be another run's: a namespace bt-<pid>...-<host> tells whose it is, in one base or the other."""
    match = re.match(r"bt-([0-9a-f]+)", what)
    if not match:
        return bool(others)
    return any(match.group(1).startswith((f"{pid:x}", f"{pid}")) for pid in others)


def _ancestors():
    pid, found = os.getpid(), []
    while pid > 1:
        pid = int(_read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()[1])
        found.append(pid)
    return found


def _things():
    things = set()
    if NETNS.is_dir():
        things |= {("namespace", name) for name in os.listdir(NETNS) if name.startswith("bt-")}
    if PINS.is_dir():
        things |= {("pin", str(path)) for path in PINS.iterdir()}
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
