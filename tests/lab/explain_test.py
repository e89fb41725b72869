# SPDX-License-Identifier: GPL-2.0-or-later
"""bauta explain: who owns an external tuple, what the flow of an internal host would get or why it would get nothing,
how much is left, and why flows have failed."""

import os

import pytest
from gateway import Bauta
from scapy.layers.inet import ICMP, IP
from talk import accept, ask, text

RANGE = "50000-50009"


@pytest.fixture
def pair(lab):
    """A gateway with ten ports, and a server at B:7000: (lab, gateway, server)."""
    lab.meet()
    bauta = lab.use(Bauta(RANGE))
    return lab, bauta, lab.B.listen(7000)


def flow(lab, bauta, port, host=None, remote_port=7000, proto="tcp"):
    """What is answered about a flow of an internal host (A) to B; the text says what the JSON says."""
    words = (proto, text(((host or lab.A).address, port)), text((lab.B.address, remote_port)))
    found = bauta.explain(*words)
    assert (found["side"], found["proto"]) == ("internal", proto)
    assert (found["internal"], found["remote"]) == words[1:]
    lines = bauta.text("explain", *words).splitlines()
    assert lines[0].startswith(f"internal tuple {proto} {words[1]} -> {words[2]} ")
    return found, lines


def left(found):
    room = found["headroom"]
    return room["ports"], room["sessions"], room["host"], room["free"], room["unmapped"]


# ---- a flow of an internal host


def test_session(pair):
    lab, bauta, server = pair
    _, peer = accept(lab.A.connect((lab.B.address, 7000), port=5000), server)
    found, lines = flow(lab, bauta, 5000)
    assert (found["owner"], found["external"], found["state"]) == ("session", text(peer), "established")
    assert 7430 <= found["expires_s"] <= 7440
    assert "outcome" not in found
    assert f"has a session, seen as {text(peer)}, established" in lines[0]
    assert left(found) == (10, 1, 0, 9, 9)
    assert lines[1].startswith("toward 192.0.2.8:7000 9 of the 10 ports of 192.0.2.1 are left, 9 of them without")


def test_own_port_and_it_comes_true(pair):
    lab, bauta, server = pair
    found, lines = flow(lab, bauta, 50003)
    assert (found["owner"], found["outcome"], found["choice"]) == ("nobody", "translated", "own-port")
    assert found["external"] == text((lab.R.external, 50003))
    assert "translated to 192.0.2.1:50003, its own port" in lines[0]
    assert left(found) == (10, 0, 0, 10, 10)
    assert accept(lab.A.connect((lab.B.address, 7000), port=50003), server)[1] == (lab.R.external, 50003)


def test_mapping_and_it_comes_true(pair):
    lab, bauta, server = pair
    _, peer = accept(lab.A.connect((lab.B.address, 7000), port=5000), server)
    found, lines = flow(lab, bauta, 5000, remote_port=7001)
    assert (found["choice"], found["external"]) == ("mapping", text(peer))
    assert f"translated to {text(peer)}, its mapping" in lines[0]
    assert left(found) == (10, 0, 0, 10, 9)
    other = lab.B.listen(7001)
    assert accept(lab.A.connect((lab.B.address, 7001), port=5000), other)[1] == peer


def test_free_port_because_its_own_is_out_of_the_ranges(pair):
    lab, bauta, _ = pair
    found, lines = flow(lab, bauta, 5000)
    assert (found["choice"], found["external"]) == ("port", None)
    assert found["obstacle"]["owner"] == "ranges"
    assert "one of the 10 free ports of 192.0.2.1" in lines[0] and "5000, is not in the ranges" in lines[0]


def test_free_port_because_another_has_its_own(pair):
    lab, bauta, server = pair
    accept(lab.A2.connect((lab.B.address, 7000), port=50003), server)
    found, lines = flow(lab, bauta, 50003)
    assert found["choice"] == "port"
    assert (found["obstacle"]["owner"], found["obstacle"]["internal"]) == ("mapping", text((lab.A2.address, 50003)))
    assert "one of the 9 free ports" in lines[0] and f"is the mapping of {lab.A2.address}:50003" in lines[0]


def test_free_port_because_a_process_has_its_own(pair):
    lab, bauta, _ = pair
    listener = lab.R.start("nc", "-l", "-k", "-n", lab.R.external, "50003")
    lab.R.wait_listening(50003)
    found, lines = flow(lab, bauta, 50003)
    assert found["choice"] == "port"
    obstacle = found["obstacle"]
    assert (obstacle["owner"], obstacle["pid"], obstacle["process"]) == ("process", listener.pid, "nc")
    assert f"held toward this remote by process {listener.pid} (nc), whose socket is listening" in lines[0]
    assert left(found) == (10, 0, 1, 9, 9)


def test_a_connection_of_the_host_counts_toward_its_remote_only(pair):
    lab, bauta, server = pair
    own = lab.R.connect((lab.B.address, 7000), port=50003)
    _conn, _ = accept(own, server)
    found, lines = flow(lab, bauta, 50003)
    assert (found["obstacle"]["owner"], found["obstacle"]["pid"]) == ("process", os.getpid())
    assert left(found) == (10, 0, 1, 9, 9)
    assert "established" in lines[0]
    found, _ = flow(lab, bauta, 50003, remote_port=7001)
    assert found["choice"] == "own-port" and left(found) == (10, 0, 0, 10, 10)


def test_udp(pair):
    lab, bauta, _ = pair
    peer = ask(lab.A.udp(5353, remote=(lab.B.address, 53)), lab.B.udp(53))
    found, _ = flow(lab, bauta, 5353, remote_port=53, proto="udp")
    assert (found["owner"], found["external"], found["state"]) == ("session", text(peer), "active")
    lab.R.udp(50004)
    found, _ = flow(lab, bauta, 50004, remote_port=53, proto="udp")
    assert found["obstacle"]["pid"] == os.getpid() and found["obstacle"]["state"] == "bound"
    assert flow(lab, bauta, 50004, remote_port=53)[0]["choice"] == "own-port", "TCP has its own ports"


def test_icmp(pair):
    lab, bauta, _ = pair
    found = bauta.explain("icmp", f"{lab.A.address}:77", lab.B.address)
    assert (found["choice"], found["external"]) == ("own-port", "192.0.2.1:77")
    assert found["headroom"]["ports"] == 65536
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / ICMP(id=77))
    lab.settle()
    found = bauta.explain("icmp", f"{lab.A.address}:77", lab.B.address)
    assert (found["owner"], found["external"]) == ("session", "192.0.2.1:77")


# ---- flows that would get nothing


def test_not_internal(lab):
    lab.meet()
    bauta = lab.use(Bauta(RANGE, internal=["192.168.0.6/32"]))
    found, lines = flow(lab, bauta, 5000)
    assert (found["outcome"], found["reason"]) == ("passed", "not-internal")
    assert "passed on untouched (not-internal): forwarded from an address outside of every --internal" in lines[0]
    assert flow(lab, bauta, 5000, host=lab.A2)[0]["outcome"] == "translated"


def test_bad_addresses(pair):
    lab, bauta, _ = pair
    assert bauta.explain("tcp", "127.0.0.1:5000", f"{lab.B.address}:80")["reason"] == "martian"
    assert bauta.explain("udp", f"{lab.A.address}:5000", "224.0.0.251:5353")["reason"] == "dropped-multicast"


# ---- an external tuple


def owner(bauta, proto, external, remote):
    found = bauta.explain(proto, external, remote)
    assert found["side"] == "external"
    line = bauta.text("explain", proto, external, remote).splitlines()[0]
    assert line.startswith(f"external tuple {proto} {external} <-> {remote} belongs to ")
    return found, line


def test_owners(pair):
    lab, bauta, server = pair
    _, peer = accept(lab.A.connect((lab.B.address, 7000), port=5000), server)
    remote = text((lab.B.address, 7000))
    found, line = owner(bauta, "tcp", text(peer), remote)
    assert (found["owner"], found["internal"]) == ("session", f"{lab.A.address}:5000")
    assert "established" in line and left(found) == (10, 1, 0, 9, 9)

    free = next(port for port in range(50000, 50010) if port != peer[1])
    lab.R.listen(free)
    found, line = owner(bauta, "tcp", f"192.0.2.1:{free}", remote)
    assert (found["owner"], found["pid"]) == ("process", os.getpid())
    assert left(found) == (10, 1, 1, 8, 8)

    found, line = owner(bauta, "tcp", text(peer), "192.0.2.9:7000")
    assert (found["owner"], found["mapping"]) == ("nobody", f"{lab.A.address}:5000")
    found, line = owner(bauta, "tcp", "192.0.2.1:8", remote)
    assert found["owner"] == "nobody" and "not in the ranges" in line
