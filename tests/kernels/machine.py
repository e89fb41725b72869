# SPDX-License-Identifier: GPL-2.0-or-later
"""One boot of one kernel under qemu, bounded in time, and what its tests printed."""

import dataclasses
import os
import re
import selectors
import subprocess
import time

MEMORY_MB = 2048
TIMED_OUT = (124, 137)  # how timeout(1) says so


@dataclasses.dataclass
class Run:
    status: int | None = None  # None: it was ended for lasting too long
    output: str = ""
    seconds: float = 0.0


def boot(package, disk, accel, boot_limit_s, run_limit_s):
    """Returns ({name: Run}, problem): what is wrong with the machine itself, or None."""
    console = disk.with_name("console")
    argv = [
        # Emulated, instructions that copy or clear a byte or a word at a time are what the verifier spends half of its time in:
        # without them (-erms, rep_good) the kernel takes its loops of eight words. Page tables of five levels are walked slowly.
        "qemu-system-x86_64", "-accel", accel, "-machine", "q35", "-cpu", "host" if accel == "kvm" else "max,-erms,-la57",
        "-smp", "2", "-m", str(MEMORY_MB), "-nodefaults", "-display", "none", "-no-reboot",
        "-serial", f"file:{console}", "-serial", "stdio", "-kernel", package.vmlinuz, "-initrd", disk,
        # what makes an emulated kernel slow is left out
        "-append", "console=ttyS0 panic=-1 quiet loglevel=5 mitigations=off rcupdate.rcu_expedited=1 clearcpuid=rep_good",
    ]
    begin = time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as qemu:
        try:
            text, problem = _listen(qemu, begin, boot_limit_s, run_limit_s)
        finally:
            qemu.kill()
        errors = qemu.stderr.read().decode(errors="replace").strip()
    if problem:
        tail = console.read_text(errors="replace").splitlines()[-40:] if console.exists() else []
        problem = "\n".join([problem, errors, *tail])
    return _parse(text), problem


def _listen(qemu, begin, boot_limit_s, run_limit_s):
    """Reads the second serial line until the machine is off or its time is over."""
    text = bytearray()
    os.set_blocking(qemu.stdout.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(qemu.stdout, selectors.EVENT_READ)
        while True:
            limit = run_limit_s if b"=== ready" in text else boot_limit_s
            left = begin + limit - time.monotonic()
            if left <= 0:
                what = "the tests did not end" if limit == run_limit_s else "it did not start"
                return text.decode(errors="replace"), f"{what} within {limit} s"
            if not selector.select(left):
                continue
            data = qemu.stdout.read()
            if data == b"":
                break
            text += data or b""
    complete = b"=== done" in text
    return text.decode(errors="replace"), None if complete else "the machine ended before its tests did"


def _parse(text):
    runs, name = {}, None
    for line in text.replace("\r", "").splitlines():
        begin, end = re.match(r"=== begin (\S+)$", line), re.match(r"=== end (\S+) (\d+) (\d+)$", line)
        if begin:
            name = begin.group(1)
            runs[name] = Run()
        elif end and name:
            status = int(end.group(2))
            runs[name].status = None if status in TIMED_OUT else status
            runs[name].seconds = int(end.group(3)) / 1000
            name = None
        elif name:
            runs[name].output += line + "\n"
    return runs
