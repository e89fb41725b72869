# SPDX-License-Identifier: GPL-2.0-or-later
"""What an operator reads of an event: whose call was denied, in whose way; and nothing that a program made up."""

import pytest
from gateway import BAUTA, Bauta
from talk import accept
from wait import until

PORT = 50000

# A program that has named itself, and then asks for a tuple.
NAMED = f"""
import socket, sys
open("/proc/self/comm", "w").write(sys.argv[1])
made = socket.socket()
made.bind(("192.0.2.1", {PORT}))
try:
    made.connect((sys.argv[2], 7000))
except OSError as problem:
    sys.exit(problem.strerror)
"""


@pytest.fixture
def taken(lab):
    """A gateway with one port, which a connection of A holds."""
    lab.meet()
    bauta = lab.use(Bauta(str(PORT)))
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000), port=5000)
    accept(client, server)
    return bauta


def start_watch(lab, bauta):
    """`bauta watch` for a reader, connected: its end of the socket and the daemon's are there."""
    started = lab.R.start(BAUTA, "watch", "-e", bauta.dev)

    def connected():
        fields = [line.split() for line in lab.R.read("/proc/net/unix").splitlines()]
        return any(field[-1].startswith("/run/bauta/") and field[5] == "03" and field[6] != "0" for field in fields)

    until(connected, lambda: f"for a connection of {started.report()}")
    return started


def test_watch_tells_who_was_denied(lab, taken):
    watch = start_watch(lab, taken)
    nc = lab.R.run("nc", "-p", PORT, lab.B.address, 7000)
    line = watch.wait_text(r"^.* connect tcp .*$", of="stdout").group(0)
    assert f"{lab.R.external}:{PORT} to {lab.B.address}:7000 by nc{nc.caller}," in line
    assert line.endswith(f", held by the session of {lab.A.address}:5000")


def test_name_of_a_program_writes_no_lines(lab, taken):
    watch = taken.watch()
    done = lab.R.run("/usr/bin/python3", "-c", NAMED, "x\nbauta: \x1b[2J", lab.B.address)
    assert "Address already in use" in done.stderr, done.report()
    event = watch.wait(lambda event: event["reason"] == "connect")
    assert (event["pid"], event["process"]) == (done.seen_pid, "x?bauta: ?[2J")
    line = taken.daemon.wait_text(r"^bauta: connect: .*$").group(0)
    assert f"by x?bauta: ?[2J{done.caller}:" in line
    assert "\x1b" not in taken.log
