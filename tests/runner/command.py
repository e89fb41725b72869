# SPDX-License-Identifier: GPL-2.0-or-later
"""Running one program to its end, which always comes, with all that it printed."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time

GRACE_S = 15  # from asking a program to end until it is killed: a lab test removes its namespaces meanwhile

_running = set()


def run(argv, timeout_s, env=None):
    """Returns (exit status, text of stdout and stderr, seconds); the status is None when it had to be ended.

    Output goes to a file and not to a pipe, so that a forgotten child that holds it open cannot make us wait.
    """
    begin = time.monotonic()
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env, start_new_session=True
            )
        except OSError as problem:
            return 127, f"cannot run {argv[0]}: {problem.strerror}", 0.0
        _running.add(process)
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                _end(process)
            _running.discard(process)
        output.seek(0)
        return status, output.read().decode(errors="replace"), time.monotonic() - begin


def interrupt_all():
    """Asks everything that runs to end, so that whoever waits for it goes on."""
    for process in list(_running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


def _end(process):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(GRACE_S)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
