# SPDX-License-Identifier: GPL-2.0-or-later
"""bauta explain: who owns an external tuple, what the flow of an internal host would get or why it would get nothing,
how much is left, and why flows have failed."""

import os
import subprocess

import pytest
from gateway import BAUTA, Bauta, Whole
from scapy.layers.inet import ICMP, IP
from talk import accept, ask, text
from wait import until

RANGE = "50000-50009"


@pytest.fixture
def pair(share_lab):
    """A gateway with ten ports, and a server at B:7000: (lab, gateway, server)."""
    lab = share_lab(Bauta, RANGE)
    return lab, lab.gateway, lab.B.listen(7000)


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
    port = 50004 if peer[1] != 50004 else 50005
    lab.R.udp(port)
    found, _ = flow(lab, bauta, port, remote_port=53, proto="udp")
    assert found["obstacle"]["pid"] == os.getpid() and found["obstacle"]["state"] == "bound"
    assert flow(lab, bauta, port, remote_port=53)[0]["choice"] == "own-port", "TCP has its own ports"


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


def test_quotas(lab):
    lab.meet()
    bauta = lab.use(Bauta(RANGE, "--max-sessions", "3", "--max-ports", "2"))
    server = lab.B.udp(7000)
    found, _ = flow(lab, bauta, 5000, proto="udp")
    assert found["quota"] == {
        "ports": 0, "max_ports": 2, "sessions": 0, "max_sessions": 3, "new": 0, "max_rate": None
    }
    clients = [lab.A.udp(port) for port in (5000, 5001)]
    for client in clients:
        ask(client, server, (lab.B.address, 7000))
    found, lines = flow(lab, bauta, 5002, proto="udp")
    assert (found["outcome"], found["reason"]) == ("refused", "quota-ports")
    assert lines[0].endswith("; it has 2 of 2 ports")
    assert flow(lab, bauta, 5000, proto="udp", remote_port=7001)[0]["choice"] == "mapping"
    assert flow(lab, bauta, 5002, proto="udp", host=lab.A2)[0]["outcome"] == "translated"
    ask(clients[0], lab.B.udp(7001), (lab.B.address, 7001))
    found, lines = flow(lab, bauta, 5000, proto="udp", remote_port=7002)
    assert found["reason"] == "quota-sessions"
    assert lines[0].endswith("; it has 3 of 3 sessions")
    assert flow(lab, bauta, 5000, proto="udp")[0]["owner"] == "session", "what there is, is not touched"


def test_no_address(lab):
    lab.meet()
    bauta = lab.use(Bauta(RANGE))
    lab.R.ip("addr del 192.0.2.1/24 dev eth0")
    until(lambda: bauta.status()["external"] is None, "for the address to be missed")
    found, lines = flow(lab, bauta, 5000)
    assert (found["outcome"], found["reason"]) == ("refused", "no-address")
    assert "refused (no-address)" in lines[0] and len(lines) == 1
    lab.R.ip("addr add 192.0.2.1/24 dev eth0")
    until(lambda: bauta.status()["external"], "for the address to be taken up again")
    assert flow(lab, bauta, 5000)[0]["outcome"] == "translated"


def inside(bauta, external, proto="udp"):
    """What is answered about a flow from A to an external endpoint."""
    words = (proto, "192.168.0.5:50009", text(external))
    return bauta.explain(*words), bauta.text("explain", *words).splitlines()[0]


def test_external_endpoints_as_seen_from_inside(lab):
    """One that leads to an internal host is a remote like any other; the rest is the host's."""
    lab.meet()
    bauta = lab.use(Whole(RANGE))
    with lab.B.udp(7000) as server, lab.A2.udp(50003) as client:
        external = ask(client, server, (lab.B.address, 7000))
    found, line = inside(bauta, external)
    assert (found["outcome"], found["choice"], found["hairpin"]) == ("translated", "own-port", text((lab.A2.address, 50003)))
    assert f"it would come back to {text((lab.A2.address, 50003))}, if the filter there lets it in" in line
    for remote, proto in (((lab.R.external, 50008), "udp"), (external, "tcp")):
        found, line = inside(bauta, remote, proto)
        assert (found["outcome"], found["reason"]) == ("passed", "inside")
        assert "hairpin" not in line.split(":", 1)[1] and "hairpin" not in found
    bauta.kill()
    bauta.arguments += ["--hairpin", "off"]
    bauta.start()
    found, line = inside(bauta, external)
    assert (found["outcome"], found["reason"]) == ("passed", "inside")
    assert line.endswith("; hairpin is off")


def test_endpoint_dependent_mapping(lab):
    """No port is better than another, and ports that serve other remotes are as good."""
    bauta = lab.use(Bauta(RANGE, "--mapping", "endpoint-dependent"))
    found, lines = flow(lab, bauta, 50003, proto="udp")
    assert (found["outcome"], found["choice"], found["external"]) == ("translated", "port", None)
    assert "one of the 10 ports of 192.0.2.1 that are free toward this remote, drawn at random" in lines[0]
    assert "obstacle" not in found


def test_bad_addresses(pair):
    lab, bauta, _ = pair
    assert bauta.explain("tcp", "127.0.0.1:5000", f"{lab.B.address}:80")["reason"] == "martian"
    assert bauta.explain("udp", f"{lab.A.address}:5000", "224.0.0.251:5353")["reason"] == "dropped-multicast"


def test_full_table(lab):
    """Room in the table shows only when it is tried; that there was none a moment ago is said."""
    lab.meet()
    bauta = lab.use(Bauta("20000-59999", "--sessions", "64"))
    assert "no_room_age_s" not in flow(lab, bauta, 5000)[0]
    crowd = lab.A2.udp(5001)
    for port in range(7001, 7401):
        crowd.sendto(b"x", (lab.B.address, port))
    lab.settle(lab.A2)
    assert bauta.drops()["no-room"]["packets"]
    found, lines = flow(lab, bauta, 5000)
    assert found["outcome"] == "translated" and 0 <= found["no_room_age_s"] < 60
    assert "unless the table is still full" in lines[0]
    assert last(bauta, "-n", "1", "reason=no-room")[0]["internal"] == f"{lab.A2.address}:5001"


# ---- how the pool is shared


def two_addresses(lab, ports, *options):
    """A gateway with two external addresses; A's own one, and the other."""
    lab.meet()
    lab.R.ip("addr add 192.0.2.2/24 dev eth0")
    bauta = lab.use(Bauta(ports, "--external", "192.0.2.1", "--external", "192.0.2.2", *options))
    own = bauta.explain("udp", f"{lab.A.address}:50000", "192.0.2.8:9")["external"].split(":")[0]
    return bauta, own, "192.0.2.1" if own == "192.0.2.2" else "192.0.2.2"


def test_the_address_is_the_hosts_own(lab):
    bauta, own, other = two_addresses(lab, "50000-50001")
    server = lab.B.udp(7000)
    for port in (50000, 50001):
        found, _ = flow(lab, bauta, port, proto="udp")
        assert (found["external"], found["headroom"]["external"]) == (f"{own}:{port}", own)
        assert ask(lab.A.udp(port, remote=(lab.B.address, 7000)), server) == (own, port)
    found, _ = flow(lab, bauta, 5002, proto="udp")
    assert found["reason"] == "no-port" and found["headroom"]["external"] == own
    assert left(found) == (2, 2, 0, 0, 0)
    found = bauta.explain("udp", f"{other}:50000", "192.0.2.8:7000")
    assert (found["side"], found["owner"]) == ("external", "nobody") and left(found) == (2, 0, 0, 2, 2)


def test_spill(lab):
    bauta, own, other = two_addresses(lab, "50000-50001", "--spill")
    server = lab.B.udp(7000)
    for port in (50000, 50001):
        ask(lab.A.udp(port, remote=(lab.B.address, 7000)), server)
    found, lines = flow(lab, bauta, 5002, proto="udp")
    assert (found["choice"], found["headroom"]["external"]) == ("port", own)
    assert f"one of the 2 free ports of {other}" in lines[0]
    assert f"its own external address, {own}, has none left" in lines[0]
    assert ask(lab.A.udp(5002, remote=(lab.B.address, 7000)), server)[0] == other


def test_on_full_refuse(lab):
    lab.meet()
    bauta = lab.use(Bauta("50000", "--on-full", "refuse"))
    server, other = lab.B.udp(7000), lab.B.udp(7001)
    client = lab.A.udp(5000)
    ask(client, server, (lab.B.address, 7000))
    found, lines = flow(lab, bauta, 5001, proto="udp", remote_port=7001)
    assert (found["outcome"], found["reason"]) == ("refused", "no-port")
    assert left(found) == (1, 0, 0, 1, 0)
    assert "1 of the 1 ports of 192.0.2.1 are left, 0 of them without a mapping" in lines[1]
    found, _ = flow(lab, bauta, 5000, proto="udp", remote_port=7001)
    assert found["choice"] == "mapping"
    assert ask(client, other, (lab.B.address, 7001)) == (lab.R.external, 50000)
    found, _ = owner(bauta, "udp", "192.0.2.1:50000", "192.0.2.9:7000")
    assert "nobody else may" in found["text"]


def test_rest(lab):
    """With a clock that runs a hundred times faster a session ends in three seconds; its port rests for 100 more."""
    lab.meet()
    bauta = lab.use(Bauta("50000-50001", "--rest", "10000", clock_factor=100))
    server = lab.B.udp(7000)
    clients = [lab.A.udp(port, remote=(lab.B.address, 7000)) for port in (50000, 50001)]
    for client in clients:
        ask(client, server)
    bauta.wait_sessions(0, limit_s=15)
    assert [(row["kind"], row["sessions"]) for row in bauta.mappings()] == [("resting", 0)] * 2
    row = bauta.ports("udp")
    assert (row["used"], row["resting"], row["free"]) == (2, 2, 0)
    found, lines = flow(lab, bauta, 50000, proto="udp", host=lab.A2)
    assert found["reason"] == "no-port"
    assert found["obstacle"]["internal"] == f"{lab.A.address}:50000"
    assert 0 < found["obstacle"]["rests_s"] <= 10000
    assert f"is the mapping of {lab.A.address}:50000, which rests for another" in lines[0]
    assert found["headroom"]["resting"] == 2 and left(found) == (2, 0, 0, 0, 0)
    found, line = owner(bauta, "udp", "192.0.2.1:50000", "192.0.2.8:7000")
    assert found["mapping"] == f"{lab.A.address}:50000" and 0 < found["rests_s"] <= 10000
    assert "whose mapping rests for another" in line
    found, _ = flow(lab, bauta, 50000, proto="udp")
    assert (found["choice"], found["external"]) == ("mapping", "192.0.2.1:50000")
    assert ask(clients[0], server) == (lab.R.external, 50000)


def test_mapping_that_is_held_toward_this_remote(pair):
    """The mapping stays what it is; this flow alone goes by another port."""
    lab, bauta, server = pair
    client = lab.A.udp(5000)
    peer = ask(client, lab.B.udp(7001), (lab.B.address, 7001))
    own = lab.R.udp(peer[1], remote=(lab.B.address, 7002))
    found, lines = flow(lab, bauta, 5000, proto="udp", remote_port=7002)
    assert (found["outcome"], found["choice"], found["external"]) == ("translated", "shared", None)
    assert (found["obstacle"]["external"], found["obstacle"]["pid"]) == (text(peer), os.getpid())
    assert "one of the 9 free ports of 192.0.2.1, for this flow alone" in lines[0]
    assert f"its mapping, {text(peer)}, is held toward this remote by process {os.getpid()}" in lines[0]
    assert ask(client, lab.B.udp(7002), (lab.B.address, 7002)) != peer
    (row,) = [row for row in bauta.mappings() if row["kind"] == "shared"]
    assert (row["internal"], row["sessions"]) == (None, 1), "the port's own mapping is of no internal endpoint"
    own.close()


def test_borrow(lab):
    """No port that any socket of the host sits on, whatever the remote."""
    lab.meet()
    bauta = lab.use(Bauta("50000-50001", "--borrow"))
    server = lab.B.listen(7000)
    own = lab.R.connect((lab.B.address, 7000), port=50000)
    _conn, _ = accept(own, server)
    found, _ = flow(lab, bauta, 50000, remote_port=7001)
    assert (found["choice"], found["obstacle"]["owner"]) == ("port", "process")
    assert found["obstacle"]["pid"] == os.getpid()
    assert left(found) == (2, 0, 1, 1, 1)
    lab.R.tcp(50001)
    found, lines = flow(lab, bauta, 50000, remote_port=7001)
    assert (found["reason"], [row["port"] for row in found["sockets"]]) == ("no-port", [50000, 50001])
    assert all(row["owner"] == "process" for row in found["sockets"])
    assert left(found) == (2, 0, 2, 0, 0)


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


def test_host_flow_that_was_moved(pair):
    """The kernel gave a socket the port of a session: both owners are told, of both tuples."""
    lab, bauta, _ = pair
    lab.R.sysctl("net.ipv4.ip_local_port_range", "50000 50000")
    server = lab.B.udp(53)
    remote = text((lab.B.address, 53))
    ask(lab.A.udp(50000, remote=(lab.B.address, 53)), server)
    own = lab.R.udp(0, remote=(lab.B.address, 53))
    peer = ask(own, server)
    assert own.getsockname()[1] == 50000 != peer[1]
    found, line = owner(bauta, "udp", "192.0.2.1:50000", remote)
    assert (found["internal"], found["moved_to"]) == (f"{lab.A.address}:50000", text(peer))
    assert f"the host's own flow between the two is translated to {text(peer)}" in line
    found, line = owner(bauta, "udp", text(peer), remote)
    assert (found["internal"], "moved_to" in found) == ("192.0.2.1:50000", False)
    assert "the session of the host itself" in line


# ---- failures


@pytest.fixture
def full(make_lab):
    """A gateway with two ports: one A has toward B:7000, on the other nc listens: (lab, gateway, nc)."""
    lab = make_lab()
    lab.meet()
    bauta = lab.use(Bauta("50000-50001"))
    listener = lab.R.start("nc", "-l", "-k", "-n", lab.R.external, "50001")
    lab.R.wait_listening(50001)
    server = lab.B.listen(7000)
    lab.client = lab.A.connect((lab.B.address, 7000), port=50000)
    lab.conn, peer = accept(lab.client, server)
    assert peer == (lab.R.external, 50000)
    return lab, bauta, listener


def fail(lab, port, host=None, remote_port=7000):
    with pytest.raises(OSError):
        (host or lab.A2).connect((lab.B.address, remote_port), port=port)


def last(bauta, *words):
    return bauta.json("explain", "--last", *words)


def test_no_port(full):
    lab, bauta, listener = full
    found, lines = flow(lab, bauta, 50000, host=lab.A2)
    assert (found["outcome"], found["reason"]) == ("refused", "no-port")
    assert (found["obstacle"]["owner"], found["obstacle"]["internal"]) == ("mapping", f"{lab.A.address}:50000")
    (socket,) = found["sockets"]
    assert (socket["port"], socket["pid"], socket["process"]) == (50001, listener.pid, "nc")
    assert f"50001 belongs to process {listener.pid} (nc)" in lines[0]
    assert left(found) == (2, 1, 1, 0, 0)
    fail(lab, 50000)
    found, _ = flow(lab, bauta, 50000, host=lab.A2, remote_port=7001)
    assert (found["choice"], found["external"]) == ("shared", "192.0.2.1:50000")
    assert left(found) == (2, 0, 1, 1, 0)


def test_last(full):
    lab, bauta, listener = full
    assert last(bauta) == []
    fail(lab, 5001)
    fail(lab, 50001)
    rows = last(bauta)
    assert [row["internal"] for row in rows] == [f"{lab.A2.address}:50001", f"{lab.A2.address}:5001"], "newest first"
    row = rows[0]
    assert (row["reason"], row["verdict"], row["proto"]) == ("no-port", "refused", "tcp")
    assert (row["external"], row["remote"], row["host"]) == (None, f"{lab.B.address}:7000", False)
    assert 0 <= row["age_s"] < 60 and row["time"].endswith("Z")
    assert row["meaning"]
    by_process = [row for row in rows if row["owner"] == "process"]
    for row in by_process:
        assert (row["owner_endpoint"], row["pid"], row["process"]) == ("192.0.2.1:50001", listener.pid, "nc")
    assert by_process, rows

    lines = bauta.text("explain", "--last").splitlines()
    assert lines[0].split("\t") == [
        "age_s", "reason", "proto", "internal", "external", "remote", "owner", "process"
    ]
    assert lines[1].split("\t")[1:6] == ["no-port", "tcp", f"{lab.A2.address}:50001", "-", f"{lab.B.address}:7000"]
    assert f"{listener.pid} (nc)" in lines[1] + lines[2]
    assert lines[3] == "" and lines[4].startswith("no-port: ") and len(lines) == 5, "each reason is explained once"


def test_last_names_the_session_in_the_way(make_lab):
    lab = make_lab()
    lab.meet()
    bauta = lab.use(Bauta("50000"))
    server = lab.B.listen(7000)
    lab.conn, _ = accept(lab.A.connect((lab.B.address, 7000), port=5000), server)
    fail(lab, 5001)
    (row,) = last(bauta)
    assert (row["owner"], row["owner_endpoint"]) == ("session", f"{lab.A.address}:5000")
    assert f"session of {lab.A.address}:5000" in bauta.text("explain", "--last")


def test_last_of_what_was_dropped(full):
    """Also what came from outside: then its source is the remote."""
    lab, bauta, _ = full
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / ICMP(type=10))
    lab.B.send(IP(src="240.0.0.1", dst=lab.R.external) / ICMP())
    lab.settle()
    rows = {row["reason"]: row for row in last(bauta)}
    assert rows["icmp-type"]["internal"].split(":")[0] == lab.A.address
    martian = rows["martian"]
    assert martian["internal"] is None and martian["remote"].split(":")[0] == "240.0.0.1"
    assert martian["external"].split(":")[0] == lab.R.external
    assert martian["verdict"] == "dropped"


def test_last_of_a_denied_call(full):
    """The process that asked is named, whether it is still there or not."""
    lab, bauta, _ = full
    caller = lab.R.run("nc", "-n", "-p", "50000", lab.B.address, "7000")
    assert caller.status != 0
    (row,) = last(bauta)
    assert (row["reason"], row["verdict"], row["host"]) == ("connect", "denied", True)
    assert (row["pid"], row["process"]) == (caller.seen_pid, "nc")
    assert row["internal"].endswith(":50000") and row["remote"] == f"{lab.B.address}:7000"
    assert (row["owner"], row["owner_endpoint"]) == ("session", f"{lab.A.address}:50000")
    assert (f"{caller.pid} (nc)" if caller.seen_pid else "nc") in bauta.text("explain", "--last", "reason=connect")


def test_last_with_filters_and_a_limit(full):
    lab, bauta, _ = full
    for port in range(6000, 6025):
        fail(lab, port)
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / ICMP(type=10))
    lab.settle()
    assert len(last(bauta)) == 20
    assert len(last(bauta, "-n", "3")) == 3
    assert last(bauta, "-n", "1")[0]["reason"] == "icmp-type"
    assert len(last(bauta, "-n", "0")) == 26
    found = {
        words: len(last(bauta, "-n", "0", *words.split()))
        for words in ("reason=no-port", "reason=no-room", "proto=icmp", "proto=tcp internal=192.168.0.6:6003",
                      "remote=:7000", "internal=192.168.0.5", "external=192.0.2.1")
    }
    assert found == {
        "reason=no-port": 25, "reason=no-room": 0, "proto=icmp": 1, "proto=tcp internal=192.168.0.6:6003": 1,
        "remote=:7000": 25, "internal=192.168.0.5": 1, "external=192.0.2.1": 0,
    }


def test_instance_that_keeps_none(lab):
    """One that an older version has left behind: the line says what to do."""
    bauta = lab.use(Bauta("50000"))
    (pins,) = bauta.pins()
    os.unlink(f"{pins}/failures")
    done = bauta.cli("explain", "--last")
    assert (done.status, done.text) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("bauta: this instance keeps no failures") and "bauta run" in line
    assert bauta.cli("show", "status").status == 0


# ---- wrong words


@pytest.mark.parametrize("words, says", [
    ("", "PROTO INTERNAL REMOTE"),
    ("tcp 192.168.0.5:1", "PROTO EXTERNAL REMOTE"),
    ("sctp 192.168.0.5:1 192.0.2.8:1", "tcp, udp and icmp"),
    ("tcp 192.168.0.5 192.0.2.8:1", "ADDRESS:PORT"),
    ("tcp 192.168.0.5:1 192.0.2.8", "ADDRESS:PORT"),
    ("tcp 192.168.0.500:1 192.0.2.8:1", "192.168.0.500"),
    ("tcp 192.168.0.5:1 192.0.2.8:1 more", "one word too many"),
    ("tcp 192.168.0.5:1 192.0.2.8:1 -n 3", "only with --last"),
    ("--last tcp 192.168.0.5:1 192.0.2.8:1", "not a filter; proto=, internal=, external=, remote= and reason= are"),
    ("--last state=active", "not here"),
    ("--last reason=outbound", "no-port"),
    ("--last proto=tcp proto=udp", "twice"),
    ("--last -n many", ", or 0 for all"),
    ("--last -n 99999999", ", or 0 for all"),
    ("--last -n", "-n needs an argument"),
])
def test_wrong_words(words, says):
    done = subprocess.run([BAUTA, "explain", *words.split()], capture_output=True, text=True, timeout=10, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("bauta: ") and says in line
