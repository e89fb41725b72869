# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of a gateway in use gets another size: no session is lost, nor any packet of one, and new ones go on to
begin; what cannot be is refused in one line; and whatever a killed daemon leaves half done, the next one settles."""

import json
import os
import pathlib
import re
import signal
import subprocess

import pytest
from config_test import Configured
from gateway import BAUTA, Bauta
from talk import accept, ask, chat
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


def resize(bauta, sessions, text):
    """Asks for another size, and waits until that is the table's."""
    old = len(bauta.log)
    bauta.write(text)
    bauta.daemon.kill(signal.SIGHUP)
    until(lambda: re.search(has_room(sessions), bauta.log[old:], re.M), bauta.daemon.report, limit_s=60)


def pinned(bauta):
    """What is pinned for it as its store, or has to do with another."""
    (pins,) = bauta.pins()
    names = ("store", "store-next", "stages", "stages-next", "dirty")
    return {name for name in names if bauta.host.run("test", "-e", f"{pins}/{name}").status == 0}


def test_no_session_is_lost_while_the_table_grows_and_shrinks(lab, tmp_path, program):
    bauta = lab.use(Configured(tmp_path / "bauta.conf", settings(SMALL)))
    flock = Flock(lab, program)
    for sessions in (LARGE, SMALL, LARGE):
        lab.A.do("ping", "-c1", "-W2", "-q", lab.B.address)
        resize(bauta, sessions, settings(sessions))
        assert bauta.status()["capacity"] == sessions
        assert bauta.status()["resizing"] is None
        bauta.fsck()
    until(lambda: not bauta.json("show", "sessions", "proto=icmp"), "what is idle to end in the new table", limit_s=15)
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
    assert pinned(bauta) == {"store", "stages", "dirty"}
    bauta.fsck()


def flows(lab, num=200):
    """A connection and many datagrams of A with B, and who B says that they are from."""
    server, peer = lab.B.listen(FIRST_PORT), lab.B.udp(FIRST_PORT)
    client = lab.A.connect((lab.B.address, FIRST_PORT))
    conn, tcp = accept(client, server)
    clients = [lab.A.udp(remote=(lab.B.address, FIRST_PORT)) for _ in range(num)]
    seen = [ask(one, peer) for one in clients]

    def go_on():
        chat(client, conn)
        assert [ask(one, peer) for one in clients] == seen
        assert ask(lab.A2.udp(remote=(lab.B.address, FIRST_PORT)), peer), "no new session"

    assert tcp
    return go_on


def quiet(sessions, *more):
    return "\n".join(["interface = eth0", f"sessions = {sessions}", "hairpin = off", *more, ""])


def test_a_run_that_takes_over_makes_the_table_that_it_is_asked_for(lab):
    bauta = lab.use(Bauta(None, "--sessions", "1000", "--hairpin", "off"))
    go_on = flows(lab)
    bauta.kill()
    bauta.arguments[bauta.arguments.index("1000")] = "5000"
    bauta.start()
    bauta.daemon.wait_text(has_room(5000), limit_s=20)
    go_on()
    assert bauta.status()["capacity"] == 5000
    bauta.kill()
    bauta.start()
    go_on()
    assert bauta.status()["capacity"] == 5000
    assert "exchanged" not in bauta.log
    bauta.fsck()
    # a run that is not asked keeps what is there
    bauta.kill()
    del bauta.arguments[bauta.arguments.index("--sessions"):][:2]
    bauta.start()
    assert bauta.status()["capacity"] == 5000


def test_a_daemon_that_is_killed_while_it_copies_leaves_nothing_half_done(lab, tmp_path):
    bauta = lab.use(Configured(tmp_path / "bauta.conf", quiet(2000)))
    go_on = flows(lab)
    bauta.write(quiet(300000))
    bauta.daemon.kill(signal.SIGHUP)
    until(lambda: bauta.status()["resizing"] == 300000, "for a table in the making", limit_s=20)
    bauta.kill()
    go_on()
    bauta.fsck()
    bauta.write(quiet(2000))
    bauta.start()
    assert re.search(r"was being exchanged .* goes on with room for 2000 sessions$", bauta.log, re.M), bauta.log
    status = bauta.status()
    assert status["resizing"] is None and status["capacity"] == 2000
    go_on()
    resize(bauta, 4000, quiet(4000))
    go_on()
    assert pinned(bauta) == {"store", "stages", "dirty"}


def test_what_cannot_be_is_refused_and_changes_nothing(lab, tmp_path):
    bauta = lab.use(Configured(tmp_path / "bauta.conf", quiet(2000)))
    go_on = flows(lab)
    for sessions, says in (
        (150, r"cannot shrink the table of eth0 to 150 sessions: it holds 20\d sessions and 20\d mappings and permits; "
              r"--sessions 20\d or more would be accepted"),
        (0, r"sessions 0: "),
        (268435457, r"sessions 268435457: "),
        ("many", r"sessions many: "),
    ):
        line = bauta.reload(quiet(sessions, "rest = 77"), rf"^.*{says}.*$")
        assert line.endswith("; all settings stay as they were"), line
        assert bauta.status()["capacity"] == 2000 and bauta.config()["rest_s"] == 0
    # what is possible ends what is under way, and so does what there is already
    bauta.reload(quiet(300000), r"being made anew, with room for 300000 sessions")
    bauta.reload(quiet(2000), r"changed: sessions$")
    assert bauta.status()["resizing"] is None and bauta.status()["capacity"] == 2000
    go_on()


def test_the_fast_path_goes_over_to_the_new_table(make_lab, tmp_path):
    lab = make_lab(offload=False)
    for dev in ("R-eth0", "R-eth1"):
        lab.switch.do("ethtool", "-K", dev, "gro", "on")
    lab.meet()
    fast = ("fast-path = eth0, eth1", "fast-create = yes")
    bauta = lab.use(Configured(tmp_path / "bauta.conf", quiet(2000, *fast)))

    def counted(reason):
        return {row["reason"]: row["packets"] for row in bauta.json("show", "fast-path")["counters"]}.get(reason, 0)

    go_on = flows(lab)
    for sessions in (50000, 2000):
        before = counted("outbound"), counted("created")
        resize(bauta, sessions, quiet(sessions, *fast))
        go_on()
        assert counted("outbound") - before[0] >= 100 and counted("created") > before[1]
        bauta.fsck()
    assert "new" in bauta.drops() and not bauta.drops().get("resize")


@pytest.fixture
def limited(tmp_path):
    """A cgroup whose memory can be limited, and the name of the file that does it."""
    place = tmp_path / "cgroup"
    place.mkdir()
    for kind, limit in ((["-t", "cgroup2"], "memory.max"), (["-t", "cgroup", "-o", "memory"], "memory.limit_in_bytes")):
        if subprocess.run(["mount", *kind, "none", place], check=False, capture_output=True).returncode:
            continue
        made = place / f"bauta-test-{os.getpid()}"
        try:
            if limit == "memory.max" and "memory" in (place / "cgroup.controllers").read_text().split():
                (place / "cgroup.subtree_control").write_text("+memory")
            made.mkdir()
            if (made / limit).exists():
                yield made, limit
                return
        finally:
            if made.exists():
                made.rmdir()
            subprocess.run(["umount", place], check=True)
    pytest.skip("no cgroup here limits memory")


def test_a_cgroup_says_how_much_memory_there_is(lab, limited):
    cgroup, limit = limited
    (cgroup / limit).write_text(str(128 << 20))
    words = f"echo $$ > {cgroup}/cgroup.procs; exec {BAUTA} run -e eth0 --hairpin off --sessions "
    daemon = lab.R.start("sh", "-c", words + "4000000")
    assert daemon.wait(10) == 1
    found = re.fullmatch(
        r"bauta: too little memory for 4000000 sessions: their table takes 30\d MiB, and \d+ MiB are left by "
        rf"{limit} of cgroup /{cgroup.name}, of which it may take 80 %; --sessions (\d+) or less would be accepted\n",
        daemon.stderr)
    assert found, daemon.report()
    assert 400000 < int(found[1]) < 900000
    # how much is left is never quite the same
    daemon = lab.R.start("sh", "-c", words + str(int(found[1]) * 9 // 10))
    daemon.wait_text("^bauta: ready: ", limit_s=20)
    assert daemon.stop(signal.SIGTERM, limit_s=10) == 0
