# SPDX-License-Identifier: GPL-2.0-or-later
"""The host and internal machines after the same few tuples: 100,000 connections to one endpoint over 16 ports, from
several processes at once. Each says a token of its own and hears it back, so two on one tuple would be heard."""

import json
import pathlib
import signal
import subprocess

import pytest
from gateway import Whole
from wait import until

FIRST, LAST = 50000, 50015
CLOCK_FACTOR = 10000  # the tuple of a connection that was reset is free after a few hundredths of a second
LIMIT_S = 170
TABLE = """
table netdev books {
    counter before_egress { }
    counter behind_ingress { }
    chain out { type filter hook egress device "eth0" priority 0; counter name before_egress; }
    chain in { type filter hook ingress device "eth0" priority 0; counter name behind_ingress; }
}
"""


@pytest.fixture(scope="module")
def hammer(tmp_path_factory):
    program = tmp_path_factory.mktemp("race") / "hammer"
    source = pathlib.Path(__file__).with_name("hammer.c")
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-o", program, source], check=True)
    return program


class Books:
    """What the kernel counted on the far side of both hooks, and what bauta counted, since this was made. The kernel
    does not count what comes back to the host as the answer to its own packet: bauta does, under its own reason."""

    def __init__(self, lab, bauta):
        self._lab, self._bauta = lab, bauta
        lab.R.nft(TABLE)
        self._start = self._read()

    def _read(self):
        listing = json.loads(self._lab.R.do("nft", "-j", "list", "counters", "table", "netdev", "books"))
        count = {entry["counter"]["name"]: entry["counter"]["packets"] for entry in listing["nftables"]
                 if "counter" in entry}
        (link,) = json.loads(self._lab.R.do("ip", "-j", "-s", "link", "show", "dev", "eth0"))
        rows = self._bauta.drops().values()
        of = {verdict: sum(row["packets"] for row in rows if row["verdict"] == verdict)
              for verdict in ("translated", "passed", "dropped", "refused")}
        own = sum(row["packets"] for row in rows if row["reason"] == "own-error")
        return {
            "arrived": count["before_egress"] + link["stats64"]["rx"]["packets"] + own,
            "left": link["stats64"]["tx"]["packets"] + count["behind_ingress"],
            "passed": of["translated"] + of["passed"],
            "stopped": of["dropped"] + of["refused"],
        }

    def _since(self):
        return {name: count - self._start[name] for name, count in self._read().items()}

    def check(self):
        """In = out + reasons, to the packet."""

        def balanced():
            books = self._since()
            return books["arrived"] == books["passed"] + books["stopped"] and books["left"] == books["passed"]

        until(balanced, lambda: f"for balanced books: {self._since()}; {self._bauta.drops()}")
        return self._since()


def summary(process):
    assert process.status == 0, process.report()
    return json.loads(process.text)


def test_nobody_meets_on_a_tuple(lab, hammer):
    lab.meet()
    lab.R.sysctl("net.ipv4.ip_local_port_range", f"{FIRST} {LAST}")
    bauta = lab.use(Whole(f"{FIRST}-{LAST}", clock_factor=CLOCK_FACTOR))
    books = Books(lab, bauta)
    server = lab.B.start(hammer, "serve", lab.B.address, 60000)
    lab.B.wait_listening(60000)
    crowd = [
        (lab.A, 10000, 16, ()),
        (lab.A2, 10000, 16, ()),
        (lab.R, 40000, 16, (FIRST, LAST)),
        (lab.R, 40000, 16, ()),
    ]
    clients = [
        host.start(hammer, "connect", lab.B.address, 60000, who, attempts, width, *ports)
        for who, (host, attempts, width, ports) in enumerate(crowd)
    ]
    for client in clients:
        client.wait(LIMIT_S)
    lab.settle(lab.A, lab.A2, lab.B)
    server.stop(signal.SIGTERM)
    heard, found = [summary(client) for client in clients], summary(server)
    print(json.dumps([heard, found, bauta.drops()], indent=1))

    for (_, attempts, _, _), one in zip(crowd, heard):
        assert one["mixed"] == 0, "somebody got the token of somebody else"
        assert one["silent"] == 0, "an attempt came to no end"
        assert one["served"] + sum(one["told"].values()) == attempts
        assert one["served"] > 0
        assert "ETIMEDOUT" not in one["told"]
    assert found["wrong"] == 0, "more than one token came on a connection, or one came twice"
    assert found["tokens"] >= sum(one["served"] for one in heard)
    bauta.fsck()
    moved = books.check()
    assert moved["stopped"] > 0
