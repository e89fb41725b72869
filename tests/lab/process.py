# SPDX-License-Identifier: GPL-2.0-or-later
"""A program running in a host: its output as it grows, and its end, which always comes."""

import os
import re
import signal
import subprocess
import time

from wait import LIMIT_S, until


def _file():
    """One in memory: on disk thousands of files that live for a moment cost more than most programs that write them."""
    return open(os.memfd_create("output"), "w+b")


class Process:
    """Output goes to files, so a full pipe never stops the program, and it can be read while the program runs."""

    def __init__(self, argv, stdin=None, env=None):
        self.argv = [str(word) for word in argv]
        self.started = time.monotonic()
        self._out = _file()
        self._err = _file()
        if isinstance(stdin, bytes):
            source = _file()
            source.write(stdin)
            source.seek(0)
        else:
            source = subprocess.DEVNULL if stdin is None else stdin
        self.popen = subprocess.Popen(
            self.argv, stdin=source, stdout=self._out, stderr=self._err, env=env, start_new_session=True
        )
        if isinstance(stdin, bytes):
            source.close()

    def __str__(self):
        return " ".join(self.argv)

    @staticmethod
    def _read(file):
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def seen_pid(self):
        """The number that the kernel's hooks give for it, and bauta tells: None where this pid namespace is not the first."""
        return self.pid if os.readlink("/proc/self/ns/pid") == "pid:[4026531836]" else None

    @property
    def caller(self):
        """As text names the program of a call, behind its name."""
        return f" (pid {self.pid})" if self.seen_pid else ""

    @property
    def stdout(self):
        return self._read(self._out)

    @property
    def stderr(self):
        return self._read(self._err).decode(errors="replace")

    @property
    def text(self):
        return self.stdout.decode(errors="replace")

    @property
    def running(self):
        return self.popen.poll() is None

    @property
    def status(self):
        return self.popen.poll()

    def report(self):
        return f"`{self}` (exit {self.status})\n--- stdout\n{self.text[-4000:]}\n--- stderr\n{self.stderr[-4000:]}"

    def write(self, data):
        self.popen.stdin.write(data)
        self.popen.stdin.flush()

    def close_stdin(self):
        self.popen.stdin.close()

    def wait(self, limit_s=LIMIT_S):
        """Waits for the program to end by itself and returns its exit status."""
        try:
            return self.popen.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {limit_s:g} s: {self.report()}") from None

    def succeed(self, limit_s=LIMIT_S):
        assert self.wait(limit_s) == 0, self.report()
        return self

    def wait_text(self, pattern, limit_s=LIMIT_S, of="stderr"):
        """Waits until a line of the output matches, and returns the match; an early end of the program is a failure."""

        def found():
            running = self.running
            match = re.search(pattern, self.stderr if of == "stderr" else self.text, re.MULTILINE)
            assert match or running, f"ended without printing {pattern!r}: {self.report()}"
            return match

        return until(found, lambda: f"for {pattern!r} from {self.report()}", limit_s)

    def kill(self, number):
        if self.running:
            os.kill(self.pid, number)

    def stop(self, number=signal.SIGTERM, limit_s=LIMIT_S):
        self.kill(number)
        return self.wait(limit_s)

    def end(self):
        """Makes sure that neither the program nor anything it started is left."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if self.popen.stdin:
            try:
                self.popen.stdin.close()
            except BrokenPipeError:
                pass
        self.popen.wait()

    def close(self):
        self.end()
        self._out.close()
        self._err.close()
