# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon stops, is killed, is replaced, is removed: no connection notices, until it is told to leave."""

import json
import pathlib
import signal
import threading

import pytest
from gateway import BAUTA, Bauta, Whole
from packet import match
from talk import accept, ask, chat, exchange, text
from wait import until

RANGE = "50000-50099"


class Traffic:
    """A connection of A with B that says something all the time, in a thread; any failure is kept for the test."""

    def __init__(self, lab):
        server = lab.B.listen(7000)
        self._client = lab.A.connect((lab.B.address, 7000))
        self._conn, self.external = accept(self._client, server)
        self._stop = threading.Event()
        self.count = 0
        self.failure = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        lab.B.keep(self)

    def _run(self):
        try:
            while not self._stop.wait(0.001):
                chat(self._client, self._conn)
                self.count += 1
        except (OSError, AssertionError) as failure:
            self.failure = failure

    def flows(self):
        """Waits until more was said after this call."""
        goal = self.count + 20
        until(lambda: self.count >= goal or self.failure, "for traffic")
        assert not self.failure, f"the connection broke: {self.failure!r}"

    def close(self):
        self._stop.set()
        self._thread.join()


def identities(bauta):
    return {(row["proto"], row["internal"], row["external"], row["remote"]) for row in bauta.sessions()}


def make_sessions(lab, num=30):
    server = lab.B.udp(7001)
    return server, [(client, ask(client, server)) for client in
                    (lab.A.udp(1000 + number, remote=(lab.B.address, 7001)) for number in range(num))]


@pytest.mark.parametrize("netns_exec", [False, True], ids=["plain", "ip netns exec"])
def test_killed_daemon_is_not_missed_and_the_next_adopts_all(lab, netns_exec):
    bauta = lab.use(Bauta(RANGE, netns_exec=netns_exec))
    traffic = Traffic(lab)
    server, flows = make_sessions(lab)
    before = identities(bauta)
    assert len(before) == 31
    bauta.kill()
    traffic.flows()
    assert [ask(client, server) for client, _ in flows] == [external for _, external in flows]
    assert ask(lab.A2.udp(1000, remote=(lab.B.address, 7001)), server)[0] == lab.R.external, "no new session"
    assert len(identities(bauta)) == 32, "the sessions cannot be asked for without a daemon"
    bauta.fsck()
    bauta.start()
    assert before < identities(bauta)
    assert bauta.status()["sessions"] == 32
    traffic.flows()
    assert [ask(client, server) for client, _ in flows] == [external for _, external in flows]
    bauta.fsck()
    assert bauta.status()["daemon"] == bauta.daemon.pid


def test_refusals_without_a_daemon(lab):
    """Whoever can be told is told by the data plane; only the log is missing."""
    bauta = lab.use(Bauta("50000"))
    server = lab.B.listen(7000)
    client = lab.A.connect((lab.B.address, 7000))
    conn, _ = accept(client, server)
    bauta.kill()
    with pytest.raises(OSError) as refused:
        lab.A2.connect((lab.B.address, 7000))
    assert not isinstance(refused.value, TimeoutError)
    assert bauta.drops()["no-port"]["packets"] == 1
    done = bauta.cli("watch")
    assert done.status == 1 and "daemon" in done.stderr
    chat(client, conn)
    bauta.start()


def test_keep_leaves_the_data_plane_attached(lab):
    bauta = lab.use(Bauta(RANGE, keep=True))
    traffic = Traffic(lab)
    before = identities(bauta)
    bauta.stop()
    traffic.flows()
    assert before <= identities(bauta)
    assert bauta.status()["daemon"] is None
    bauta.start()
    traffic.flows()
    assert before <= identities(bauta)


def test_restart_under_load_many_times(lab):
    bauta = lab.use(Whole(RANGE, keep=True))
    traffic = Traffic(lab)
    for number in range(4):
        if number % 2:
            bauta.kill()
        else:
            bauta.stop()
        traffic.flows()
        bauta.start()
        traffic.flows()
    assert len(bauta.sessions(f"external={text(traffic.external)}")) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_exit_takes_everything_away(lab, number):
    bauta = lab.use(Bauta(RANGE))
    exchange(lab)
    assert bauta.daemon.stop(number, limit_s=10) == 0
    bauta.attached = False
    bauta.assert_gone()
    at_b = lab.capture(lab.B)
    lab.A.udp(5000).sendto(b"x", (lab.B.address, 9))
    assert at_b.one(match(proto="udp", dport=9)).src == lab.A.address, "something translates still"


def test_down_removes_everything(lab):
    bauta = lab.use(Bauta(RANGE, keep=True))
    exchange(lab)
    bauta.stop()
    assert bauta.pins()
    bauta.down()
    bauta.assert_gone()
    assert bauta.start()
    assert bauta.sessions("proto=udp") == []


def test_down_ends_a_daemon_that_runs(lab):
    bauta = lab.use(Bauta(RANGE, keep=True))
    bauta.down()
    assert bauta.daemon.wait(10) == 0
    bauta.assert_gone()


def test_down_after_a_kill(lab):
    bauta = lab.use(Bauta(RANGE))
    exchange(lab)
    bauta.kill()
    bauta.down()
    bauta.assert_gone()


def test_filters_of_others_are_left_alone(lab):
    """A qdisc and filters that somebody else has at the interface survive us."""
    lab.R.do("tc", "qdisc", "add", "dev", "eth0", "clsact")
    other = "pref 77 protocol ip u32 match ip dst 203.0.113.99/32 flowid 1:1"
    lab.R.do("tc", "filter", "add", "dev", "eth0", "egress", *other.split())
    bauta = lab.use(Bauta(RANGE))
    assert exchange(lab)[0] == lab.R.external
    bauta.stop()
    assert "pref 77" in lab.R.do("tc", "filter", "show", "dev", "eth0", "egress")
    assert "bpf" not in lab.R.do("tc", "filter", "show", "dev", "eth0", "egress")
    lab.R.do("tc", "qdisc", "del", "dev", "eth0", "clsact")


def test_second_instance_is_refused_and_does_no_harm(lab):
    bauta = lab.use(Bauta(RANGE))
    traffic = Traffic(lab)
    for prefix in ([], ["ip", "netns", "exec", lab.R.netns]):
        second = lab.R.run(*prefix, BAUTA, "run", "-e", "eth0", "-p", "20000")
        assert second.status == 1
        assert len(second.stderr.splitlines()) == 1 and "eth0" in second.stderr, second.report()
    traffic.flows()
    assert bauta.ports("tcp")["ranges"] == RANGE


def test_two_namespaces_at_once(make_lab):
    one, other = make_lab(), make_lab()
    first, second = one.use(Bauta("50000")), other.use(Bauta("50000"))
    for lab in (one, other):
        assert exchange(lab, client_port=5000) == (lab.R.external, 50000)
    assert len(first.sessions("proto=udp")) == len(second.sessions("proto=udp")) == 1
    first.stop()
    assert exchange(other, port=7001) == (other.R.external, 50000)


def test_two_interfaces_at_once(lab):
    """A second external interface of the same machine is an instance of its own; -e chooses."""
    first = lab.use(Bauta("50000"))
    lab.R.ip("link add eth2 type veth peer name eth3", "link set eth3 up", "addr add 203.0.113.1/24 dev eth2",
             "link set eth2 up")
    second = lab.use(Bauta("40000", dev="eth2"))
    assert first.json("show", "status", "-e", "eth0")["external"] == lab.R.external
    assert second.json("show", "status", "-e", "eth2")["external"] == "203.0.113.1"
    done = first.cli("show", "status")
    assert done.status == 1 and "-e" in done.stderr and "eth2" in done.stderr


def test_adopted_options_change_with_the_run(lab):
    """The next run brings other ranges: sessions stay, new ones keep to the new ranges."""
    bauta = lab.use(Bauta("50000-50009", keep=True))
    traffic = Traffic(lab)
    bauta.stop()
    bauta.arguments[bauta.arguments.index("-p") + 1] = "40000-40009"
    bauta.start()
    traffic.flows()
    assert 40000 <= exchange(lab)[1] <= 40009
    assert bauta.ports("tcp")["ranges"] == "40000-40009"


def test_table_of_another_layout_is_not_adopted(lab):
    """It is refused in one line, and `down` takes it away."""
    bauta = lab.use(Bauta(RANGE, keep=True))
    exchange(lab)
    bauta.stop()
    (pins,) = bauta.pins()
    header = pathlib.Path(pins) / "header"
    dump = lab.R.do("bpftool", "-j", "map", "lookup", "pinned", header, "key", "hex", "0", "0", "0", "0")
    words = [word.removeprefix("0x") for word in json.loads(dump)["value"]]
    words[4:8] = ["ff", "ff", "00", "00"]  # struct header.layout
    lab.R.do("bpftool", "map", "update", "pinned", header, "key", "hex", "0", "0", "0", "0", "value", "hex", *words)
    second = lab.R.run(BAUTA, "run", *bauta.arguments)
    assert second.status == 1 and len(second.stderr.splitlines()) == 1, second.report()
    assert "down" in second.stderr, "it does not say what helps"
    bauta.attached = False
    bauta.down()
    bauta.assert_gone()
