# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of a gateway in use gets another size: no session is lost, nor any packet of one, and new ones go on to
begin; what cannot be is refused in one line; and whatever a killed daemon leaves half done, the next one settles."""

import json
import pathlib
import re
import signal
import subprocess

import pytest
from config_test import Configured
from wait import until

SMALL, LARGE = 65536, 262144
NUM_PORTS, NUM_SOCKETS = 25, 800  # of flock: 20,000 sessions
FIRST_PORT = 7000
# the fresh sessions have to end while the test runs, and those that are kept are asked again within seconds
CLOCK_FACTOR = 15


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    built = tmp_path_factory.mktemp("resize") / "flock"
    source = pathlib.Path(__file__).with_name("flock.c")
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-o", built, source], check=True)
    return built


class Flock:
    """Sessions of A with B that are in use all the time, and new ones beside them."""

    def __init__(self, lab, program):
        address = [lab.B.address, FIRST_PORT, NUM_PORTS]
        self._server = lab.B.start(program, "serve", *address)
        self._server.wait_text("^ready$", of="stdout")
        self._client = lab.A.start(program, "ask", *address, NUM_SOCKETS)
        self._client.wait_text("^all answered$", limit_s=60, of="stdout")

    def end(self):
        self._client.stop(signal.SIGTERM)
        return json.loads(self._client.text.splitlines()[-1])


def settings(sessions):
    return f"interface = eth0\nsessions = {sessions}\nclock-factor = {CLOCK_FACTOR}\n"


def has_room(sessions):
    return rf"^bauta: eth0: its table has room for {sessions} sessions now, .*$"


def resize(bauta, sessions):
    """Asks for another size, and waits until that is the table's."""
    old = len(bauta.log)
    bauta.write(settings(sessions))
    bauta.daemon.kill(signal.SIGHUP)
    until(lambda: re.search(has_room(sessions), bauta.log[old:], re.M), bauta.daemon.report, limit_s=60)


def maps_of(bauta):
    """The ids of the maps that are pinned for it as its store, and as what has to do with another."""
    (pins,) = bauta.pins()
    return {name: bauta.host.run("stat", "-c", "%i", f"{pins}/{name}").status == 0
            for name in ("store", "store-next", "stages", "stages-next", "dirty")}


def test_no_session_is_lost_while_the_table_grows_and_shrinks(lab, tmp_path, program):
    bauta = lab.use(Configured(tmp_path / "bauta.conf", settings(SMALL)))
    flock = Flock(lab, program)
    for sessions in (LARGE, SMALL, LARGE, SMALL):
        resize(bauta, sessions)
        assert bauta.status()["capacity"] == sessions
        assert bauta.status()["resizing"] is None
        bauta.fsck()
    told = flock.end()
    assert told["sessions"] == NUM_PORTS * NUM_SOCKETS
    assert not told["changed"], told
    assert not told["lost"], told
    assert told["fresh"] > 1000, told
    reasons = bauta.drops()
    for reason in ("race", "no-room", "no-port", "passed-no-session"):
        assert reason not in reasons, reasons
    # what was dropped is what had to be repeated, and nothing else was
    dropped = reasons["resize"]["packets"] if "resize" in reasons else 0
    assert told["repeated"] == dropped, (told, dropped)
    assert maps_of(bauta) == {"store": True, "store-next": False, "stages": True, "stages-next": False, "dirty": True}
    bauta.fsck()
