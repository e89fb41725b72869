# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration file: a gateway runs by it, SIGHUP makes what has changed in it take effect at once with every
connection alive, or nothing at all, and `bauta check -c` says beforehand whether it can be used."""

import json
import re
import signal

import pytest
from finding import mend
from gateway import BAUTA, Bauta
from talk import accept, ask, chat, text
from wait import until

BASE = "interface = eth0\nports = 20000-20099\n"


class Configured(Bauta):
    """A gateway that runs by a file."""

    def __init__(self, path, settings, *options, **more):
        super().__init__(**more)
        self.path = path
        self.arguments = ["-c", str(path), *options]
        self.write(settings)

    def write(self, settings):
        self.path.write_text(settings)

    def reload(self, settings, expected):
        """Writes other settings, reads them again, and waits for one more line that matches; returns it."""
        self.write(settings)
        return self.hang_up(expected)

    def hang_up(self, expected):
        old = len(self.log)
        self.daemon.kill(signal.SIGHUP)

        def told():
            assert self.daemon.running, self.daemon.report()
            return re.search(expected, self.log[old:], re.M)

        return until(told, lambda: f"for {expected!r} in {self.log[old:]!r}").group(0)

    def config(self):
        return self.json("show", "config")


def read_again(*changed):
    return rf"^bauta: eth0: read \S+ again; changed: {', '.join(changed) or 'nothing'}$"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bauta.conf"


def connection(lab):
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000))
    conn, external = accept(client, server)
    return client, conn, external


# ---- a run


def test_runs_by_a_file(lab, path):
    """Everything in it is in force, and told by show config."""
    bauta = lab.use(Configured(path, BASE + """
keep = no
internal = 192.168.0.0/16,      # where A lives
    10.0.0.0/8
exclude = udp:198.51.100.0/24:53, 203.0.113.9
filtering = tcp=address-and-port-dependent, udp=endpoint-independent
hairpin = off
on-full = refuse
rest = 12
icmp = none
max-ports = 50
mid-stream = reset
expired = reset
unsolicited-syn = silent
inbound-refresh = yes
mss = auto
timeout = udp=50, udp:53=20,
    tcp:22=86400
below-rfc = yes
sessions = 5000
"""))
    config = bauta.config()
    assert config["ranges"] == "20000-20099"
    assert config["internal"] == ["192.168.0.0/16", "10.0.0.0/8"]
    assert config["excluded"] == ["udp:198.51.100.0/24:53", "203.0.113.9/32"]
    assert config["filtering"] == {"tcp": "address-and-port-dependent", "udp": "endpoint-independent"}
    assert config["mapping"] == "endpoint-independent" and config["hairpin"] == "off"
    assert config["on_full"] == "refuse" and config["rest_s"] == 12 and config["icmp"] == "none"
    assert config["quotas"] == {"ports": 50, "sessions": None, "rate": None}
    assert config["mid_stream"] == config["expired"] == "reset" and config["unsolicited_syn"] == "silent"
    assert config["inbound_refresh"] is True
    assert config["mss"] == 1460 and config["mss_auto"] is True
    assert config["timeout_s"]["udp"] == 50 and config["timeout_s"]["icmp"] == 60
    assert config["port_timeout_s"] == {"udp:53": 20, "tcp:22": 86400}
    assert config["keep"] is False and config["below_rfc"] is True
    told = bauta.text("show", "config")
    for word in ("filtering.udp", "endpoint-independent", "udp:198.51.100.0/24:53", "port_timeout_s.udp:53"):
        assert word in told, told
    assert bauta.status()["capacity"] >= 5000
    client, conn, external = connection(lab)
    assert 20000 <= external[1] <= 20099


def test_the_command_line_holds(lab, path):
    """Also after the file was read again."""
    bauta = lab.use(Configured(path, BASE + "rest = 5\nicmp = none\n", "--rest", "7", "-p", "21000"))
    assert (bauta.config()["rest_s"], bauta.config()["icmp"], bauta.config()["ranges"]) == (7, "none", "21000")
    bauta.reload(BASE + "rest = 6\nicmp = admin-prohibited\n", read_again("icmp"))
    config = bauta.config()
    assert (config["rest_s"], config["icmp"], config["ranges"]) == (7, "admin-prohibited", "21000")


@pytest.mark.parametrize("settings, status, says", [
    ("interface = eth0\nrest = x\n", 2, "bauta.conf:2: rest x: a number from 0 to 86400 would be accepted"),
    ("rest = 5\n", 2, "interface"),
    ("interface = nope0\n", 1, "nope0"),
    ("interface = eth0\nexclude = 192.0.2.0/24\n", 1, "bauta.conf:2: exclude 192.0.2.0/24 covers 192.0.2.1"),
    ("interface = eth0\nexternal = 192.0.2.77\n", 1, "bauta.conf:2: cannot serve eth0: the external address 192.0.2.77"),
    (None, 1, "No such file"),
], ids=str)
def test_cannot_be_used(lab, path, settings, status, says):
    if settings is not None:
        path.write_text(settings)
    done = lab.R.run(BAUTA, "run", "-c", str(path))
    assert done.status == status and done.stdout == b"", done.report()
    (line,) = done.stderr.splitlines()
    assert line.startswith("bauta: ") and says in line
    assert "clsact" not in lab.R.do("tc", "qdisc", "show")


# ---- SIGHUP


def test_reload_changes_filtering_timers_and_ports_under_a_connection(lab, path):
    bauta = lab.use(Configured(path, BASE))
    client, conn, external = connection(lab)
    generation = bauta.config()
    before = bauta.sessions()
    bauta.reload(
        "interface = eth0\nports = 21000-21009\nfiltering = endpoint-independent\n"
        "timeout = tcp:7000=8000, udp=500\n",
        read_again("ports", "filtering", "timeout"))
    after = bauta.config()
    assert generation["ranges"] == "20000-20099" and after["ranges"] == "21000-21009"
    assert after["filtering"] == {"tcp": "endpoint-independent", "udp": "endpoint-independent"}
    chat(client, conn)
    (session,) = bauta.sessions()
    assert session["external"] == before[0]["external"] == text(external)
    assert 7995 <= session["expires_s"] <= 8000, "the time-out of a live session is the new one"
    # what begins now goes by the new ports, lets in a stranger, and has the new time
    server = lab.B.udp(7001)
    flow = lab.A.udp(remote=None)
    peer = ask(flow, server, (lab.B.address, 7001))
    assert 21000 <= peer[1] <= 21009
    (session,) = bauta.sessions("proto=udp")
    assert 495 <= session["expires_s"] <= 500
    stranger = lab.B2.udp(9000)
    stranger.sendto(b"hello", peer)
    assert flow.recv(100) == b"hello"
    # and back: the stranger's address has a session now, but another has not
    bauta.reload(BASE + "filtering = address-and-port-dependent\n", read_again("ports", "filtering", "timeout"))
    other = lab.B2.udp(9001)
    other.sendto(b"again", peer)
    until(lambda: bauta.drops().get("filtered", {}).get("packets"), lambda: f"for the filter: {bauta.drops()}")
    chat(client, conn)


def test_reload_changes_quotas_and_what_is_refused(lab, path):
    bauta = lab.use(Configured(path, BASE))
    server = lab.B.udp(7001)
    flows = [lab.A.udp(remote=(lab.B.address, 7001)) for _ in range(3)]
    for flow in flows:
        ask(flow, server)
    bauta.reload(BASE + "max-sessions = 2\n", read_again("max-sessions"))
    for flow in flows:
        ask(flow, server)
    assert bauta.config()["quotas"]["sessions"] == 2
    bauta.reload(BASE + "exclude = 192.0.2.8\n", read_again("exclude", "max-sessions"))
    assert bauta.config()["excluded"] == ["192.0.2.8/32"]


def test_reload_takes_the_hairpin_away_and_brings_it_back(lab, path):
    bauta = lab.use(Configured(path, BASE))
    assert bauta.status()["hairpin"] == ["eth1"]
    bauta.reload(BASE + "hairpin = off\n", read_again("hairpin"))
    until(lambda: bauta.status()["hairpin"] == [], "for no interface inside")
    bauta.reload(BASE + "hairpin = eth1\n", read_again("hairpin"))
    until(lambda: bauta.status()["hairpin"] == ["eth1"], "for eth1 inside")


BAD = [
    ("interface = eth0\nports = 60000\nrest = x\n", r"bauta\.conf:3: rest x: "),
    ("interface = eth0\nports = 60000\ncolour = red\n", r"bauta\.conf:3: \"colour\" is no setting"),
    ("interface = eth0\nports = 60000\nports = 60001\n", r"bauta\.conf:3: ports is given twice"),
    ("interface = eth0\nports = 60000\ntimeout = udp=20\n", r"bauta\.conf:3: timeout udp=20: RFC 4787"),
    ("interface = eth0\nports = 60000\nborrow = yes\n", r"borrow \(\S+bauta\.conf:3\) cannot be changed"),
    ("interface = eth1\nports = 60000\n", r"interface \(\S+bauta\.conf:1\) cannot be changed"),
    ("interface = eth0\nports = 60000\nclock-factor = 9\n", r"clock-factor \(\S+bauta\.conf:3\) cannot be changed"),
    (
        "interface = eth0\nports = 60000\nexternal = 192.0.2.66\n",
        r"bauta\.conf:3: \S.* external address 192\.0\.2\.66 is none of",
    ),
    ("interface = eth0\nports = 60000\n\nexclude = 192.0.0.0/16\n", r"bauta\.conf:4: exclude 192\.0\.0\.0/16 covers"),
    ("interface = eth0\nports = 60000\nspill = yes\n", r"bauta\.conf:3: spill: there is nowhere"),
]


def test_bad_reload_changes_nothing(lab, path):
    """One line for each, and neither configuration nor connection notices."""
    bauta = lab.use(Configured(path, BASE + "icmp = none\n"))
    client, conn, _ = connection(lab)
    before = bauta.config()
    for settings, says in BAD:
        old = len(bauta.log)
        line = bauta.reload(settings, rf"^.*{says}.*$")
        assert line.startswith("bauta: ") and line.endswith("; all settings stay as they were")
        assert bauta.log[old:].count("\n") == 1, bauta.log[old:]
        assert bauta.config() == before
        chat(client, conn)
    path.unlink()
    bauta.hang_up(r"^.*No such file.*all settings stay as they were$")
    assert bauta.config() == before
    bauta.reload(BASE + "icmp = none\n", read_again())
    assert bauta.config() == before
    chat(client, conn)


def test_reload_takes_other_addresses(lab, path):
    """Sessions of an address that is still one of the interface go on."""
    lab.R.ip("addr add 192.0.2.10/32 dev eth0", "addr add 192.0.2.11/32 dev eth0")
    bauta = lab.use(Configured(path, BASE + "external = 192.0.2.10, 192.0.2.11\nspill = yes\n"))
    client, conn, external = connection(lab)
    assert external[0] in ("192.0.2.10", "192.0.2.11")
    bauta.reload(BASE + "external = 192.0.2.1\n", read_again("external", "spill"))
    assert bauta.status()["externals"] == ["192.0.2.1"]
    assert "masquerades as 192.0.2.1 now" in bauta.log
    chat(client, conn)
    server = lab.B.udp(7001)
    assert ask(lab.A.udp(remote=(lab.B.address, 7001)), server)[0] == "192.0.2.1"
    bauta.reload(BASE, read_again("external"))
    assert bauta.status()["externals"] == ["192.0.2.1"]
    chat(client, conn)


def test_keep_is_what_the_file_says_at_the_end(lab, path):
    bauta = lab.use(Configured(path, BASE))
    client, conn, _ = connection(lab)
    bauta.reload(BASE + "keep = yes\n", read_again("keep"))
    assert bauta.config()["keep"] is True
    bauta.keep = True
    bauta.stop()
    chat(client, conn)
    bauta.start()
    chat(client, conn)
    bauta.reload(BASE, read_again("keep"))
    bauta.keep = False


def test_address_that_comes_under_an_exclusion(lab, path):
    """It is served and complained of, once."""
    bauta = lab.use(Configured(path, BASE + "exclude = 192.0.2.10\n"))
    lab.R.ip("addr add 192.0.2.10/25 dev eth0", "addr del 192.0.2.1/24 dev eth0")
    complaint = r"^bauta: \S+bauta\.conf:3: exclude 192\.0\.2\.10/32 covers 192\.0\.2\.10, an external address"
    bauta.daemon.wait_text(complaint)
    assert bauta.status()["external"] == "192.0.2.10"
    bauta.reload(BASE + "exclude = 192.0.2.10\nrest = 5\n", complaint)
    assert bauta.config()["rest_s"] == 0
    bauta.reload(BASE, read_again("exclude"))
    server = lab.B.udp(7001)
    assert ask(lab.A.udp(remote=(lab.B.address, 7001)), server)[0] == "192.0.2.10"


def test_hang_up_without_a_file_looks_again(lab):
    bauta = lab.use(Bauta("50000"))
    bauta.daemon.kill(signal.SIGHUP)
    bauta.daemon.wait_text(r"^bauta: eth0: looked at everything again")
    assert "changed:" not in bauta.log


# ---- check


def check(host, *words):
    done = host.run(BAUTA, "check", *words, "-j")
    return done.status, json.loads(done.text) if done.status in (0, 3) else done.stderr


def test_check_goes_by_the_file(lab, path):
    path.write_text("interface = eth0\nports = 20000-20009\n")
    assert check(lab.R, "-c", str(path)) == (0, [])
    # a socket on one of its ports, and not on others
    lab.R.listen(20005)
    status, (finding,) = check(lab.R, "-c", str(path))
    assert status == 3 and finding["finding"] == "socket" and "20005" in finding["what"]
    assert check(lab.R, "-c", str(path), "-p", "21000-21009") == (0, [])
    path.write_text("interface = eth0\nports = 20000-20004\n")
    assert check(lab.R, "-c", str(path)) == (0, [])
    path.write_text("ports = 20000-20004\n")
    assert check(lab.R, "-c", str(path), "-e", "eth0") == (0, [])
    assert check(lab.R, "-c", str(path))[0] == 2


def test_check_finds_what_a_run_would_refuse(lab, path):
    path.write_text("interface = eth0\nports = 20000-20004\nexternal = 192.0.2.77\n")
    status, (finding,) = check(lab.R, "-c", str(path))
    assert status == 3 and finding["finding"] == "no-address" and finding["severity"] == "problem"
    assert "192.0.2.77" in finding["what"]
    mend(lab.R, finding)
    assert check(lab.R, "-c", str(path)) == (0, [])
    path.write_text("interface = eth0\nports = 20000-20004\nexclude = 192.0.0.0/16\n")
    status, (finding,) = check(lab.R, "-c", str(path))
    assert status == 3 and finding["finding"] == "exclusion" and "bauta.conf:3: exclude 192.0.0.0/16" in finding["what"]
    path.write_text("interface = eth0\nexclude = 10.0.0.0/8,\n 192.0.2.0/24,\n 172.16.0.0/12\nports = 20000-20004\n")
    status, (finding,) = check(lab.R, "-c", str(path))
    assert "bauta.conf:3: exclude 192.0.2.0/24" in finding["what"] and finding["mend"] == f"editor +3 {path}"


@pytest.mark.parametrize("settings, status, says", [
    ("interface = eth0\nrest = x\n", 2, "bauta.conf:2: rest x: a number from 0 to 86400 would be accepted"),
    ("interface = eth0\ntimeout = udp=5\n", 2, "bauta.conf:2: timeout udp=5: RFC 4787"),
    ("interface = nope0\n", 1, "nope0"),
    (None, 1, "No such file"),
], ids=str)
def test_check_of_a_bad_file(lab, path, settings, status, says):
    if settings is not None:
        path.write_text(settings)
    done = lab.R.run(BAUTA, "check", "-c", str(path))
    assert done.status == status and done.stdout == b"", done.report()
    (line,) = done.stderr.splitlines()
    assert line.startswith("bauta: ") and says in line


def test_check_looks_at_the_file_though_another_runs(lab, path):
    """What the file says counts, whatever the instance at the interface goes by."""
    bauta = lab.use(Bauta("20100"))
    lab.R.listen(20005)
    path.write_text("interface = eth0\nports = 20000-20009\n")
    status, (finding,) = check(lab.R, "-c", str(path))
    assert status == 3 and finding["finding"] == "socket"
    assert check(lab.R, "-e", "eth0") == (0, [])
    assert bauta.status()["daemon"]
