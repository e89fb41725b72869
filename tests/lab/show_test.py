# SPDX-License-Identifier: GPL-2.0-or-later
"""What the gateway can be asked, as JSON and as text: sessions, mappings, ports, drops, status, config, and who owns
what; and what it can be told to forget."""

import json
import os

import pytest
from gateway import BAUTA, Bauta
from scapy.layers.inet import ICMP, IP
from talk import accept, ask, chat, text

RANGE = "50000-50009"


@pytest.fixture
def busy(lab):
    """A TCP connection of A, a UDP flow of A2 and a ping of A: (lab, gateway, what B saw of each)."""
    lab.meet()
    bauta = lab.use(Bauta(RANGE))
    server = lab.B.listen(7000)
    lab.client = lab.A.connect((lab.B.address, 7000), port=50001)
    lab.conn, tcp = accept(lab.client, server)
    udp = ask(lab.A2.udp(5353, remote=(lab.B.address, 53)), lab.B.udp(53))
    lab.A.send(IP(src=lab.A.address, dst=lab.B2.address) / ICMP(id=77))
    lab.settle()
    return lab, bauta, {"tcp": tcp, "udp": udp}


def test_sessions(busy):
    lab, bauta, seen = busy
    rows = {row["proto"]: row for row in bauta.sessions()}
    assert set(rows) == {"tcp", "udp", "icmp"}
    tcp = rows["tcp"]
    assert (tcp["internal"], tcp["external"], tcp["remote"], tcp["state"]) == (
        f"{lab.A.address}:50001", text(seen["tcp"]), f"{lab.B.address}:7000", "established"
    )
    assert tcp["idle_s"] <= 3 and 7430 <= tcp["expires_s"] <= 7440
    udp = rows["udp"]
    assert (udp["internal"], udp["external"], udp["remote"], udp["state"]) == (
        f"{lab.A2.address}:5353", text(seen["udp"]), f"{lab.B.address}:53", "active"
    )
    assert 295 <= udp["expires_s"] <= 300
    assert rows["icmp"]["internal"] == f"{lab.A.address}:77" and rows["icmp"]["state"] == "active"
    assert 55 <= rows["icmp"]["expires_s"] <= 60


def test_sessions_as_text(busy):
    lab, bauta, seen = busy
    (line,) = [line for line in bauta.text("show", "sessions").splitlines() if "tcp" in line]
    for word in (f"{lab.A.address}:50001", text(seen["tcp"]), f"{lab.B.address}:7000", "established"):
        assert word in line.split()


FILTERS = {
    "proto=udp": {"udp"},
    "internal=192.168.0.5": {"tcp", "icmp"},
    "internal=192.168.0.5:50001": {"tcp"},
    "internal=192.168.0.6": {"udp"},
    "remote=192.0.2.8": {"tcp", "udp"},
    "remote=192.0.2.8:53": {"udp"},
    "external=192.0.2.1": {"tcp", "udp", "icmp"},
    "state=established": {"tcp"},
    "state=active internal=192.168.0.5": {"icmp"},
    "state=closing": set(),
    "internal=192.168.0.7": set(),
}


def test_filters(busy):
    _, bauta, seen = busy
    found = {words: {row["proto"] for row in bauta.sessions(*words.split())} for words in FILTERS}
    assert found == FILTERS
    assert {row["proto"] for row in bauta.sessions(f"external={text(seen['tcp'])}", "proto=tcp")} == {"tcp"}


def test_mappings(busy):
    lab, bauta, seen = busy
    rows = {row["proto"]: row for row in bauta.mappings()}
    assert (rows["tcp"]["internal"], rows["tcp"]["external"], rows["tcp"]["sessions"]) == (
        f"{lab.A.address}:50001", text(seen["tcp"]), 1
    )
    assert f"{lab.A2.address}:5353" in bauta.text("show", "mappings")


def test_ports(busy):
    lab, bauta, _ = busy
    lab.R.listen(50005, "0.0.0.0")
    row = bauta.ports("tcp")
    assert (row["external"], row["ranges"], row["total"], row["used"], row["host"]) == (lab.R.external, RANGE, 10, 1, 1)
    assert (row["ephemeral"], row["overlap"]) == ("32768-60999", 10)
    assert bauta.ports("udp")["used"] == 1
    assert RANGE in bauta.text("show", "ports")


def test_drops(busy):
    _, bauta, _ = busy
    rows = bauta.drops()
    for row in rows.values():
        assert row["verdict"] in ("translated", "passed", "dropped", "refused") and row["meaning"]
        assert row["packets"] > 0
        assert row["reason"] in bauta.text("show", "drops")
    assert rows["new"]["packets"] == 3


def test_status_and_config(busy):
    lab, bauta, _ = busy
    status = bauta.status()
    assert status["created"] == 3
    assert (status["interface"], status["external"], status["sessions"]) == ("eth0", lab.R.external, 3)
    assert status["capacity"] >= 65536 and status["clock_factor"] == 1
    assert {"egress", "ingress"} <= set(status["hooks"])
    assert (status["crowds"], status["quota_hosts"], status["answers_held_back"]) == (0, 0, 0)
    assert status["daemon"] == bauta.daemon.pid
    assert json.loads(bauta.cli("-j").text)["interface"] == "eth0", "no verb means show status"
    config = json.dumps(bauta.json("show", "config"))
    assert "50000" in config and "7440" in config


def test_explain_session(busy):
    lab, bauta, seen = busy
    found = bauta.explain("tcp", text(seen["tcp"]), f"{lab.B.address}:7000")
    assert (found["owner"], found["internal"], found["state"]) == ("session", f"{lab.A.address}:50001", "established")
    assert 7430 <= found["expires_s"] <= 7440
    line = bauta.text("explain", "tcp", text(seen["tcp"]), f"{lab.B.address}:7000")
    assert f"{lab.A.address}:50001" in line and "established" in line


def test_explain_process(busy):
    lab, bauta, _ = busy
    listener = lab.R.start("nc", "-l", "-k", "-n", lab.R.external, "50007")
    lab.R.wait_listening(50007)
    found = bauta.explain("tcp", f"{lab.R.external}:50007", f"{lab.B.address}:1234")
    assert (found["owner"], found["pid"], found["process"]) == ("process", listener.pid, "nc")
    assert str(listener.pid) in bauta.text("explain", "tcp", f"{lab.R.external}:50007", f"{lab.B.address}:1234")


def test_explain_process_of_a_connection(busy):
    lab, bauta, _ = busy
    lab.B.listen(7001)
    own = lab.R.connect((lab.B.address, 7001), port=50008)
    found = bauta.explain("tcp", f"{lab.R.external}:50008", f"{lab.B.address}:7001")
    assert (found["owner"], found["pid"]) == ("process", os.getpid())
    assert bauta.explain("tcp", f"{lab.R.external}:50008", f"{lab.B.address}:7002")["owner"] == "nobody"
    own.close()


def test_explain_nobody(busy):
    lab, bauta, _ = busy
    found = bauta.explain("udp", f"{lab.R.external}:50009", f"{lab.B.address}:9")
    assert found["owner"] == "nobody" and found["text"]
    assert "internal" not in found or not found["internal"]


def test_flush_by_filter_ends_these_and_no_others(busy):
    _, bauta, _ = busy
    assert bauta.cli("flush", "proto=udp").status == 0
    assert {row["proto"] for row in bauta.sessions()} == {"tcp", "icmp"}
    bauta.fsck()
    assert bauta.cli("flush", "internal=192.168.0.77").status == 0
    assert len(bauta.sessions()) == 2
    assert bauta.cli("flush").status == 0
    assert bauta.sessions() == [] and bauta.mappings() == []
    assert bauta.fsck()["entries"] == 0


def test_flush_of_others_leaves_a_connection_alone(busy):
    lab, bauta, _ = busy
    assert bauta.cli("flush", "proto=udp").status == 0
    chat(lab.client, lab.conn)


def test_interface_may_be_named(busy):
    _, bauta, _ = busy
    assert len(bauta.sessions("-e", "eth0")) == 3
    done = bauta.cli("show", "sessions", "-e", "eth1")
    assert done.status == 1 and "eth1" in done.stderr


def test_output_into_a_closed_pipe_does_not_hang_or_crash(busy):
    lab, _, _ = busy
    done = lab.R.run("sh", "-c", f"{BAUTA} show sessions | true")
    assert done.status == 0 and "Segmentation" not in done.stderr
