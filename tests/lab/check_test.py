# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in the way of a gateway is said before it hurts: by `bauta check`, and by the daemon at start and on reload.
What there is to find is in check_settings_test.py, check_nat_test.py, check_ports_test.py and check_fix_test.py."""

import json
import os
import re
import shutil
import signal

import pytest
from finding import RANGE, check, only
from gateway import BAUTA, Bauta
from lab import Lab
from wait import until


@pytest.fixture(name="idle", scope="module")
def idle_lab():
    """A lab whose rules are flushed by every test that looks at them, and that none changes for good otherwise."""
    lab = Lab()
    try:
        yield lab
    finally:
        lab.close()


def test_nothing_is_in_the_way(lab):
    assert check(lab.R) == []
    done = lab.R.run(BAUTA, "check", "-e", "eth0", "-p", RANGE)
    assert (done.status, done.text) == (0, f"nothing is in the way: eth0, ports {RANGE}\n"), done.report()
    assert lab.R.do(BAUTA, "check", "-e", "eth0") == "nothing is in the way: eth0, ports 1024-32767,61000-65535\n"


# Bad input


def refused(host, *words, status, says, prefix=()):
    done = host.run(*prefix, BAUTA, "check", *words)
    assert done.status == status and done.stdout == b"", done.report()
    (line,) = done.stderr.splitlines()
    assert line.startswith("bauta: ") and says in line, line


@pytest.mark.parametrize("words, status, says", [
    (["-e", "nope0"], 1, "there are: eth"),
    (["-e", "lo"], 1, "loopback"),
    (["-e", "much-too-long-a-name"], 2, "1 to 15 characters"),
    ([], 2, "-e IFACE is needed"),
    (["-e", "eth0", "-p", "50000-40000"], 2, "the first port must not exceed the last"),
    (["-e", "eth0", "-p", "1", "-p", "2"], 2, "one list"),
    (["-e", "eth0", "--force"], 2, "see bauta check --help"),
    (["-e", "eth0", "--fix-ephemaral"], 2, "did you mean --fix-ephemeral"),
    (["-e", "eth0", "surplus"], 2, "one word too many"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_bad_input(idle, words, status, says):
    refused(idle.R, *words, status=status, says=says)


def test_fix_without_a_default_range(lab):
    lab.R.sysctl("net.ipv4.ip_local_port_range", "1024 65535")
    refused(lab.R, "-e", "eth0", "--fix-ephemeral", status=1, says="give ports with -p")


def test_not_root(idle, tmp_path):
    os.chmod(tmp_path, 0o755)
    for parent in tmp_path.parents:
        if str(parent) != "/":
            os.chmod(parent, os.stat(parent).st_mode | 0o011)
    program = shutil.copy(BAUTA, tmp_path / "bauta")
    done = idle.R.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "check", "-e", "eth0")
    assert done.status == 1 and done.stdout == b"", done.report()
    (line,) = done.stderr.splitlines()
    assert "root" in line and "WireGuard" in line


def test_what_cannot_be_seen_is_said(lab):
    """Root of a container without rights over the network: what is not seen is no clean bill."""
    prefix = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
    done = lab.R.run(*prefix, BAUTA, "check", "-e", "eth0", "-p", RANGE, "-j")
    assert done.status == 3, done.report()
    finding = only(json.loads(done.text), "not-checked")
    assert "nftables" in finding["what"] and "not permitted" in finding["what"]


def test_text_fits_a_terminal(idle):
    """Wrapped between words; commands stay whole, to be copied."""
    idle.R.nft("flush ruleset")
    command = f"stty cols 60; {BAUTA} check -e eth0 -p 50000-50009"
    lines = idle.R.run("script", "-qec", command, "/dev/null").text.splitlines()
    assert len(lines) >= 6 and "1 note" in lines[-1], lines
    for line in lines:
        assert len(line) <= 60 or "mend: " in line, lines
    assert "--fix-ephemeral" in [line for line in lines if "mend: " in line][0]


# The daemon


def lines_about(bauta, word):
    return [line for line in bauta.log.splitlines() if word in line]


def reload(bauta, times):
    """Sends SIGHUP and waits until the daemon has looked at everything the so-manieth time."""
    bauta.daemon.kill(signal.SIGHUP)
    until(lambda: len(lines_about(bauta, "looked at everything again")) == times, lambda: f"for a reload: {bauta.log}")


def test_daemon_says_nothing_where_nothing_is_in_the_way(lab):
    bauta = lab.use(Bauta(RANGE))
    reload(bauta, 1)
    assert len(bauta.log.splitlines()) == 2, bauta.log


def test_daemon_at_start(make_lab):
    """A line for each finding, behind the one that says that it is ready."""
    lab = make_lab(forward=False)
    listener = lab.R.start("nc", "-l", "-k", "-n", "0.0.0.0", "50003")
    lab.R.wait_listening(50003)
    bauta = lab.use(Bauta("50000-50009"))
    bauta.daemon.wait_text("50003")
    ready, forwarding, overlap, socket = bauta.log.splitlines()
    assert ready.startswith("bauta: ready: ")
    assert "does not forward" in forwarding and "`sysctl -w net.ipv4.ip_forward=1`" in forwarding
    assert "50000-50009" in overlap and "ip_local_port_range 32768 60999" in overlap and "--fix-ephemeral" in overlap
    assert f"nc (pid {listener.pid})" in socket and "-p 50000-50002,50004-50009" in socket
    for line in bauta.log.splitlines():
        assert line.startswith("bauta: ")


def test_daemon_on_reload(lab):
    """What came after the start is told at SIGHUP, and no more once it has gone."""
    bauta = lab.use(Bauta(RANGE))
    reload(bauta, 1)  # what is said at the start has been said
    lab.R.sysctl("net.ipv4.ip_forward", 0)
    listener = lab.R.listen(20004, "0.0.0.0")
    reload(bauta, 2)
    assert len(lines_about(bauta, "does not forward")) == len(lines_about(bauta, "tcp port 20004")) == 1
    lab.R.sysctl("net.ipv4.ip_forward", 1)
    listener.close()
    reload(bauta, 3)
    assert len(lines_about(bauta, "does not forward")) == len(lines_about(bauta, "tcp port 20004")) == 1


def test_daemon_in_a_journal_tells_problems_from_notes(make_lab):
    """With the priorities of sd-daemon(3): 4 warns, 6 informs."""
    lab = make_lab(forward=False)
    bauta = Bauta("50000-50009")
    bauta.lab, bauta.host = lab, lab.R
    lab.gateways.append(bauta)
    script = 'export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); exec "$0" "$@"'
    launch = lab.R.start
    lab.R.start = lambda *words: launch("sh", "-c", script, *words)
    bauta.daemon = bauta.launch()
    lab.R.start = launch
    bauta.attached = True
    bauta.daemon.wait_text("^<6>bauta: .*ip_local_port_range", limit_s=20)
    assert re.search("^<4>bauta: .*does not forward", bauta.log, re.MULTILINE)
