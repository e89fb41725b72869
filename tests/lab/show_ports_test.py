# SPDX-License-Identifier: GPL-2.0-or-later
"""bauta show ports and show mappings: whose each port is, port by port."""

import time

import pytest
from gateway import Bauta
from talk import accept, ask, text

RANGE = "50000-50003"


@pytest.fixture
def small(lab):
    """A gateway with four ports, and servers at B:7000 and B:7001."""
    lab.meet()
    return lab, lab.use(Bauta(RANGE)), lab.B.udp(7000), lab.B.udp(7001)


def counts(bauta, proto="udp"):
    row = bauta.ports(proto)
    assert row["total"] == 4
    return row["used"], row["resting"], row["shared"], row["host"], row["free"]


def test_each_kind(small):
    lab, bauta, server, other = small
    assert counts(bauta) == (0, 0, 0, 0, 4)
    ask(lab.A.udp(50000, remote=(lab.B.address, 7000)), server)
    assert counts(bauta) == (1, 0, 0, 0, 3)
    assert counts(bauta, "tcp") == (0, 0, 0, 0, 4)
    lab.R.udp(50001)
    lab.R.udp(50099)
    assert counts(bauta) == (1, 0, 0, 1, 2), "a socket outside of the ranges is none of ours"
    ask(lab.A2.udp(50002, remote=(lab.B.address, 7000)), server)
    ask(lab.A2.udp(50003, remote=(lab.B.address, 7000)), server)
    assert counts(bauta) == (3, 0, 0, 1, 0)
    # every port is taken; toward another remote three are left to be shared
    peer = ask(lab.A2.udp(6000, remote=(lab.B.address, 7001)), other)
    assert counts(bauta) == (3, 0, 1, 1, 0)
    assert peer[1] in (50000, 50002, 50003)
    assert bauta.cli("flush").status == 0
    assert counts(bauta) == (0, 0, 0, 1, 3)


def test_text_says_the_same(small):
    lab, bauta, server, _ = small
    ask(lab.A.udp(50000, remote=(lab.B.address, 7000)), server)
    head, *lines = [line.split("\t") for line in bauta.text("show", "ports").splitlines()]
    rows = bauta.ports()
    assert head == list(rows[0])
    assert [dict(zip(head, line)) for line in lines] == [
        {key: str(value) for key, value in row.items()} for row in rows
    ]


def test_filters(small):
    _, bauta, _, _ = small
    rows = bauta.json("show", "ports", "proto=udp")
    assert [row["proto"] for row in rows] == ["udp"]
    assert bauta.json("show", "ports", "external=192.0.2.9") == []


def test_mappings(small):
    lab, bauta, server, other = small
    peer = ask(lab.A.udp(50000, remote=(lab.B.address, 7000)), server)
    ask(lab.A.udp(50001, remote=(lab.B.address, 7000)), server)
    (first, _) = bauta.mappings()
    rows = {row["external"]: row for row in bauta.mappings()}
    assert set(first) == {"proto", "internal", "external", "sessions", "kind", "rests_s"}
    assert len(rows) == 2
    row = rows[text(peer)]
    assert (row["proto"], row["internal"], row["sessions"], row["kind"]) == (
        "udp", f"{lab.A.address}:50000", 1, "active"
    )


def test_wide_ranges_are_shown_quickly(lab):
    """64,511 ports of two protocols: a question that an operator asks in a hurry."""
    lab.meet()
    bauta = lab.use(Bauta("1024-65535"))
    server = lab.B.listen(7000)
    lab.conn, _ = accept(lab.A.connect((lab.B.address, 7000), port=5000), server)
    start = time.monotonic()
    row = bauta.ports("tcp")
    found = bauta.explain("tcp", f"{lab.A.address}:5001", f"{lab.B.address}:7000")
    assert time.monotonic() - start < 2
    assert (row["total"], row["used"], row["free"]) == (64512, 1, 64511 - row["host"])
    assert (found["headroom"]["ports"], found["headroom"]["sessions"]) == (64512, 1)
