# SPDX-License-Identifier: GPL-2.0-or-later
"""What an internal host may have, and what it has: `bauta show quotas`, --max-ports, --max-sessions, --max-rate (RFC
6888 REQ-4, REQ-5)."""

import errno
import json
import signal
import statistics
import sys
import time

import pytest
from gateway import Bauta
from packet import match, quoted
from scapy.layers.inet import ICMP, IP
from talk import accept, ask, chat, text
from wait import until

RANGE = "50000-50999"


def use(lab, *options, **more):
    lab.meet()
    return lab.use(Bauta(RANGE, *options, **more))


def usage(bauta, host):
    """What `show quotas` says of a host: (sessions, counted, ports, counted); None if nothing."""
    rows = bauta.json("show", "quotas", f"internal={host.address}")
    assert len(rows) <= 1
    names = ("sessions", "counted_sessions", "ports", "counted_ports")
    return tuple(rows[0][name] for name in names) if rows else None


def num_records(bauta):
    """How many internal hosts something is kept about."""
    (pins,) = bauta.pins()
    return len(json.loads(bauta.host.do("bpftool", "-j", "map", "dump", "pinned", f"{pins}/quotas")))


def packets(bauta, reason):
    row = bauta.drops().get(reason)
    return row["packets"] if row else 0


def burst(host, remote, count, sport=4000, dport=9000):
    """Packets that ask for a session each, as fast as they can be sent: one mapping, many remote endpoints."""
    client = host.udp(sport)
    for number in range(count):
        client.sendto(b"x", (remote, dport + number))
    client.close()


def connect_fails(host, remote, port=0):
    """connect() of a host at its limit: it is told, at once."""
    start = time.monotonic()
    with pytest.raises(OSError) as failure:
        host.connect(remote, port=port)
    assert failure.value.errno == errno.EHOSTUNREACH
    assert time.monotonic() - start < 0.9, "it was told when the SYN was repeated, not at once"


# Who has what


def test_who_has_what_without_quotas(lab):
    bauta = use(lab)
    assert bauta.json("show", "quotas") == []
    server, other = lab.B.udp(7000), lab.B.udp(7001)
    client = lab.A2.udp(5001)
    ask(client, server, (lab.B.address, 7000))
    ask(client, other, (lab.B.address, 7001))
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / ICMP(id=77))
    lab.settle()
    nothing = {"counted_sessions": 0, "counted_ports": 0, "new": 0}
    nothing |= {"max_sessions": None, "max_ports": None, "max_rate": None}
    assert bauta.json("show", "quotas") == [
        {"internal": lab.A2.address, "sessions": 2, "ports": 1} | nothing,
        {"internal": lab.A.address, "sessions": 1, "ports": 1} | nothing,
    ]
    (only,) = bauta.json("show", "quotas", f"internal={lab.A.address}")
    assert only["internal"] == lab.A.address
    (line,) = [line for line in bauta.text("show", "quotas").splitlines() if lab.A2.address in line]
    assert line.split() == [lab.A2.address, "2", "0", "-", "1", "0", "-", "0", "-"]


# Sessions


@pytest.fixture
def full(lab):
    """A has the two sessions that it may have: (lab, gateway, their two ends)."""
    bauta = use(lab, "--max-sessions", "2")
    server = lab.B.listen(7000)
    ends = []
    for _ in range(2):
        client = lab.A.connect((lab.B.address, 7000))
        ends.append((client, accept(client, server)[0]))
    lab.server = server
    return lab, bauta, ends


def test_host_at_its_limit_is_told_at_once(full):
    lab, bauta, ends = full
    at_a, at_b = lab.capture(lab.A), lab.capture(lab.B)
    watch = bauta.watch()
    connect_fails(lab.A, (lab.B.address, 7000), port=5002)
    error = at_a.one(match(proto="icmp", icmp=(3, 1)))
    assert (error.src, quoted(error).sport, quoted(error).dport) == (lab.R.internal, 5002, 7000)
    assert at_b.count(match(proto="tcp", flags="S")) == 0
    event = watch.wait(lambda event: event["reason"] == "quota-sessions")
    assert (event["internal"], event["remote"]) == (text((lab.A.address, 5002)), text((lab.B.address, 7000)))
    assert f"{lab.A.address}:5002" in bauta.daemon.wait_text(r"^bauta: .*quota.*$|^bauta: .*max-sessions.*$").group(0)
    row = bauta.drops()["quota-sessions"]
    assert (row["verdict"], row["packets"]) == ("refused", 1)
    for client, conn in ends:
        chat(client, conn)
    assert usage(bauta, lab.A) == (2, 2, 2, 2)


def test_other_hosts_are_not_concerned(full):
    lab, bauta, _ = full
    connect_fails(lab.A, (lab.B.address, 7000))
    for _ in range(2):
        accept(lab.A2.connect((lab.B.address, 7000)), lab.server)
    connect_fails(lab.A2, (lab.B.address, 7000))
    assert usage(bauta, lab.A2) == (2, 2, 2, 2)


def test_every_protocol_counts(full):
    lab, bauta, _ = full
    at_a = lab.capture(lab.A)
    lab.A.udp(5003).sendto(b"x", (lab.B.address, 53))
    assert quoted(at_a.one(match(proto="icmp", icmp=(3, 1)))).sport == 5003
    lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / ICMP(id=77))
    lab.settle(lab.A)
    assert packets(bauta, "quota-sessions") == 2
    assert at_a.count(match(proto="icmp", icmp=(3, 1))) == 2


def test_ended_sessions_make_room(full):
    lab, bauta, ends = full
    connect_fails(lab.A, (lab.B.address, 7000))
    client, conn = ends.pop()
    bauta.text("flush", f"internal={text(client.getsockname())}")
    assert usage(bauta, lab.A) == (1, 1, 1, 1)
    accept(lab.A.connect((lab.B.address, 7000)), lab.server)
    connect_fails(lab.A, (lab.B.address, 7000))
    chat(*ends[0])
    conn.close()


def test_expired_sessions_make_room(lab):
    """And when a host has nothing left, nothing is kept of it."""
    bauta = use(lab, "--max-sessions", "3", clock_factor=300)
    server = lab.B.udp(7000)
    burst(lab.A, lab.B.address, 10)
    lab.settle(lab.A)
    assert packets(bauta, "quota-sessions") == 7
    assert usage(bauta, lab.A) == (3, 3, 1, 1)
    until(lambda: usage(bauta, lab.A) is None, "for the end of A's sessions")
    ask(lab.A.udp(5000), server, (lab.B.address, 7000))
    assert usage(bauta, lab.A) == (1, 1, 1, 1) and num_records(bauta) == 1
    until(lambda: usage(bauta, lab.A) is None, "for the end of A's session")
    until(lambda: num_records(bauta) == 0, "for the end of A's record")


def test_lost_attempts_are_not_counted(lab):
    """One port, which A2 holds toward B:7000: A's attempts fail for another reason, and use nothing up."""
    lab.meet()
    bauta = lab.use(Bauta("50000", "--max-sessions", "2", "--max-rate", "2"))
    server, other = lab.B.udp(7000), lab.B.udp(7001)
    ask(lab.A2.udp(5001), server, (lab.B.address, 7000))
    client = lab.A.udp(5000)
    for _ in range(20):
        client.sendto(b"x", (lab.B.address, 7000))
    lab.settle(lab.A)
    assert packets(bauta, "no-port") == 20
    ask(client, other, (lab.B.address, 7001))
    assert usage(bauta, lab.A)[:2] == (1, 1)


# Ports


def test_ports(lab):
    bauta = use(lab, "--max-ports", "2")
    server, other = lab.B.udp(7000), lab.B.udp(7001)
    clients = [lab.A.udp(5000 + number) for number in range(3)]
    seen = [ask(client, server, (lab.B.address, 7000)) for client in clients[:2]]
    clients[2].sendto(b"x", (lab.B.address, 7000))
    connect_fails(lab.A, (lab.B.address, 7000))
    assert packets(bauta, "quota-ports") == 2
    # another remote takes no other port
    assert [ask(client, other, (lab.B.address, 7001)) for client in clients[:2]] == seen
    assert usage(bauta, lab.A) == (4, 4, 2, 2)
    for number in range(2):
        ask(lab.A2.udp(5000 + number), server, (lab.B.address, 7000))
    # a port is given back with its last session
    bauta.text("flush", f"internal={lab.A.address}:5000", f"remote={lab.B.address}:7000")
    clients[2].sendto(b"x", (lab.B.address, 7000))
    lab.settle(lab.A)
    assert packets(bauta, "quota-ports") == 3
    bauta.text("flush", f"internal={lab.A.address}:5000")
    ask(clients[2], server, (lab.B.address, 7000))
    assert usage(bauta, lab.A) == (3, 3, 2, 2)


# The rate


def test_rate(lab):
    """Twenty attempts in well under a second; at most two seconds of the clock have a part in it."""
    bauta = use(lab, "--max-rate", "4")
    burst(lab.A, lab.B.address, 20)
    lab.settle(lab.A)
    made = len(bauta.sessions(f"internal={lab.A.address}"))
    assert made in (4, 8) and packets(bauta, "quota-rate") == 20 - made
    assert usage(bauta, lab.A) == (made, made, 1, 1)
    # whoever goes on asking has his share of the next second like anybody
    client = lab.A.udp(4001, remote=(lab.B.address, 7001))

    def accepted():
        client.send(b"x")
        return bauta.sessions(f"internal={lab.A.address}:4001")

    until(accepted, "for a session in a later second", 2.5)
    ask(lab.A2.udp(4000), lab.B.udp(7000), (lab.B.address, 7000))
    (row,) = bauta.json("show", "quotas", f"internal={lab.A.address}")
    assert row["max_rate"] == 4 and 0 <= row["new"] <= 4


# One greedy host

GREEDY = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.bind((sys.argv[1], 4000))
print("ready", flush=True)
number = 0
while True:
    number = (number + 1) % 50000
    try:
        client.sendto(b"x", (sys.argv[2], 10000 + number))
    except OSError:
        pass  # what it was told about an earlier one
"""

ROUNDS = 12
CONNECTS = 15


def median_connect_s(lab, server):
    spent = []
    for _ in range(CONNECTS):
        start = time.monotonic()
        client = lab.A2.connect((lab.B.address, 7000))
        spent.append(time.monotonic() - start)
        conn, _ = server.accept()
        client.close()
        conn.close()
    return statistics.median(spent)


def test_greedy_host_does_not_slow_another(lab):
    """A asks for sessions without end, which it is refused. A2 connects meanwhile, and in the pauses, in turn."""
    bauta = use(lab, "--max-sessions", "1000")
    server = lab.B.listen(7000)
    greedy = lab.A.start("nice", sys.executable, "-c", GREEDY, lab.A.address, lab.B.address)
    greedy.wait_text("^ready$", of="stdout")
    until(lambda: packets(bauta, "quota-sessions") > 100, "for A to reach its limit")
    alone, beside = [], []
    for _ in range(ROUNDS):
        greedy.kill(signal.SIGSTOP)
        alone.append(median_connect_s(lab, server))
        before = packets(bauta, "quota-sessions")
        greedy.kill(signal.SIGCONT)
        beside.append(median_connect_s(lab, server))
        assert packets(bauta, "quota-sessions") > before + 5, "A was not greedy enough"
    greedy.end()
    ratio = statistics.median(beside) / statistics.median(alone)
    print(f"connect: alone {statistics.median(alone) * 1e6:.0f} µs, beside {statistics.median(beside) * 1e6:.0f} µs")
    # the two share the CPUs of this machine: that is what the bound leaves room for
    assert ratio < 4, f"alone {alone}, beside {beside}"
    assert usage(bauta, lab.A)[:2] == (1000, 1000)


# Restarts


def test_what_is_older_than_the_quotas_is_not_counted(lab):
    lab.meet()
    bauta = lab.use(Bauta(RANGE, keep=True))
    server, other = lab.B.udp(7000), lab.B.udp(7001)
    clients = [lab.A.udp(5000 + number, remote=(lab.B.address, 7000)) for number in range(4)]
    seen = [ask(client, server) for client in clients]
    bauta.stop()
    bauta.arguments += ["--max-sessions", "2", "--max-ports", "1"]
    bauta.start()
    assert usage(bauta, lab.A) == (4, 0, 4, 0)
    assert [ask(client, server) for client in clients] == seen
    # new sessions count, on ports old and new
    ask(lab.A.udp(6000), other, (lab.B.address, 7001))
    assert usage(bauta, lab.A) == (5, 1, 5, 1)
    lab.A.udp(6001).sendto(b"x", (lab.B.address, 7001))
    lab.settle(lab.A)
    assert packets(bauta, "quota-ports") == 1
    # what ends of the old is not counted down
    bauta.text("flush", f"internal={lab.A.address}:5000")
    bauta.text("flush", f"internal={lab.A.address}:5001")
    assert usage(bauta, lab.A) == (3, 1, 3, 1)
    bauta.fsck()
    # and without quotas again, what was counted goes as it should
    bauta.stop()
    bauta.arguments = bauta.arguments[:-4]
    bauta.start()
    ask(lab.A.udp(6002), other, (lab.B.address, 7001))
    assert usage(bauta, lab.A) == (4, 1, 4, 1)
    bauta.text("flush", f"internal={lab.A.address}:6000")
    assert usage(bauta, lab.A) == (3, 0, 3, 0)
    assert [ask(client, server) for client in clients[2:]] == seen[2:]


def test_counts_and_limits_outlive_a_killed_daemon(full):
    lab, bauta, ends = full
    bauta.kill()
    connect_fails(lab.A, (lab.B.address, 7000))
    bauta.start()
    connect_fails(lab.A, (lab.B.address, 7000))
    assert usage(bauta, lab.A) == (2, 2, 2, 2)
    for client, conn in ends:
        chat(client, conn)


# The check


def test_check_finds_a_record_that_is_wrong(full):
    lab, bauta, _ = full
    (pins,) = bauta.pins()
    address = lab.A.address.split(".")

    def write(sessions):
        values = [*address, "0", "0", "0", "0", str(sessions), "0", "0", "0", "2", *["0"] * 11]
        bauta.host.do("bpftool", "map", "update", "pinned", f"{pins}/quotas", "key", *address, "value", *values)

    write(3)
    done = bauta.cli("fsck", "-j")
    (violation,) = json.loads(done.text)["violations"]
    assert done.status == 3 and violation["rule"] == "quota"
    assert f"the quota of {lab.A.address} counts +1 sessions and +0 ports" in violation["text"]
    write(2)
    bauta.fsck()
