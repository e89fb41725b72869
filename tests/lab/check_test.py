# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in the way of a gateway is found before it hurts: by the daemon at start and on reload."""

import re
import signal

from gateway import Bauta
from wait import until

RANGE = "20000-20009"


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
    lab.R.sysctl("net.ipv4.ip_forward", 0)
    listener = lab.R.listen(20004, "0.0.0.0")
    reload(bauta, 1)
    assert len(lines_about(bauta, "does not forward")) == len(lines_about(bauta, "tcp port 20004")) == 1
    lab.R.sysctl("net.ipv4.ip_forward", 1)
    listener.close()
    reload(bauta, 2)
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
