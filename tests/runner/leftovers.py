# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests left behind: processes, network namespaces, pins, cgroups. Found, told, then removed.

The checks run where they have process numbers, /run/netns and /run/bauta to themselves (enter()), so that whatever is
found there is theirs, however many runs share the machine; and when they end, however they end, the kernel ends every
process and with the mounts frees every namespace and every pin.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from result import FAILED, PASSED, Result

INSIDE = "--inside"
NETNS = pathlib.Path("/run/netns")
PINS = pathlib.Path("/run/bauta")
LIMIT_S = 5  # the kernel frees some things a moment after their last user is gone


def enter(argv):
    """Starts this program again in pid and mount namespaces of its own. Returns only there, without the mark in argv."""
    if INSIDE not in argv:
        unshare = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=TERM"]
        os.execvp("unshare", [*unshare, sys.executable, argv[0], INSIDE, *argv[1:]])
    root = ["nsenter", "--mount=/proc/self/ns/mnt", "stat", "-c", "%d:%i", "/"]
    if subprocess.run(root, check=True, capture_output=True, text=True).stdout.strip() != _identity(os.stat("/")):
        sys.exit("tests/run: this is a chroot, out of which tests that join the mounts of process 1 would reach: "
                 "use a container, or pivot_root")
    for folder in (NETNS, PINS):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=True)
    return [word for word in argv if word != INSIDE]


def _identity(stat):
    return f"{stat.st_dev}:{stat.st_ino}"


class Leftovers:
    def __init__(self):
        self.cgroups = _cgroups()

    def check(self, stage):
        """One Result: whether nothing is left after this stage. What is left is removed, for the next stage's sake."""
        end = time.monotonic() + LIMIT_S
        while (left := self._left()) and time.monotonic() < end:
            time.sleep(0.1)
        for kind, what in left:
            _remove(kind, what)
        name = f"{stage}: nothing is left behind"
        if left:
            return Result(name, FAILED, "\n".join(f"{kind} {what}" for kind, what in left))
        return Result(name, PASSED)

    def _left(self):
        """Processes first: what they hold can go only after them."""
        left = [("process", f"{pid} {_command(pid)}") for pid in _pids()]
        left += [("namespace", name) for name in sorted(os.listdir(NETNS))]
        left += [("pin", path) for path in _pins()]
        return left + [("cgroup", path) for path in sorted(_cgroups() - self.cgroups)]


def _remove(kind, what):
    try:
        if kind == "process":
            os.kill(int(what.split()[0]), signal.SIGKILL)
        elif kind == "namespace":
            subprocess.run(["ip", "netns", "delete", what], check=False, capture_output=True, timeout=30)
        elif kind == "cgroup" or not os.path.isdir(what):
            (os.rmdir if kind == "cgroup" else os.unlink)(what)
        else:
            shutil.rmtree(what, ignore_errors=True)
    except OSError:
        return  # gone meanwhile, or in use: it was told of already


def _pins():
    """What gateways keep: their folders in the bpffs, locks and sockets. The kernel's own *.debug files may stay."""
    paths = [path for folder in (PINS, PINS / "bpf") if folder.is_dir() for path in folder.iterdir()]
    return sorted(str(path) for path in paths if path.name != "bpf" and path.suffix != ".debug")


def _pids():
    """Every process but this one, and but the dead whose parents died before them: nobody else waits for those."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid() and _lives(name)]


def _lives(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def _command(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"


def _cgroups():
    """Those of cgroup version 2 that are ours by their name: the one thing here that all of the machine shares."""
    found = set()
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        for words in map(str.split, mounts):
            if words[words.index("-") + 1] == "cgroup2":
                for pattern in ("bt-*", "bauta*", "*/bt-*", "*/bauta*"):
                    found |= {str(path) for path in pathlib.Path(words[4]).glob(pattern) if path.is_dir()}
    return found
