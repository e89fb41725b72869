# SPDX-License-Identifier: GPL-2.0-or-later
"""Which ports are used: those that were asked for, or by default all that the machine does not want for itself."""

import pytest
from gateway import Bauta
from talk import ask
from wait import until


def ports_used(lab, num=40):
    server = lab.B.udp(7000)
    return {ask(lab.A.udp(1000 + number, remote=(lab.B.address, 7000)), server)[1] for number in range(num)}


def test_default_is_disjoint_from_the_ephemeral_range(lab):
    lab.R.sysctl("net.ipv4.ip_local_port_range", "3000 60000")
    bauta = lab.use(Bauta())
    row = bauta.ports("udp")
    assert (row["ranges"], row["ephemeral"], row["overlap"]) == ("1024-2999,60001-65535", "3000-60000", 0)
    assert all(1024 <= port < 3000 or 60000 < port for port in ports_used(lab))


def test_default_of_an_untouched_machine(lab):
    assert lab.use(Bauta()).ports("tcp")["ranges"] == "1024-32767,61000-65535"


def test_default_leaves_out_reserved_ports_and_follows_the_sysctls(lab):
    lab.R.sysctl("net.ipv4.ip_local_port_range", "2000 65535")
    lab.R.sysctl("net.ipv4.ip_local_reserved_ports", "1024-1990,1995")
    bauta = lab.use(Bauta())
    assert bauta.ports("udp")["ranges"] == "1991-1994,1996-1999"
    assert ports_used(lab, 8) == {1991, 1992, 1993, 1994, 1996, 1997, 1998, 1999}
    lab.R.sysctl("net.ipv4.ip_local_port_range", "1990 65000")
    until(lambda: bauta.ports("udp")["ranges"] == "65001-65535", "for the ranges to follow the sysctl", 10)


@pytest.mark.parametrize("given, shown", [
    ("50000", "50000"),
    ("1-65535", "1-65535"),
    ("60000-60009,50000,40000-40001", "40000-40001,50000,60000-60009"),
    ("50000-50001,50002-50003", "50000-50003"),
])
def test_ranges_as_they_are_given(lab, given, shown):
    assert lab.use(Bauta(given)).ports("tcp")["ranges"] == shown


def test_many_slices(lab):
    """A MAP-E customer has 240 ports in 15 slices."""
    slices = [(first, first + 15) for first in range(5120, 65536, 4096)]
    text = ",".join(f"{first}-{last}" for first, last in slices)
    bauta = lab.use(Bauta(text))
    assert bauta.ports("udp")["total"] == 240
    used = ports_used(lab, 200)
    assert len(used) == 200
    assert all(any(first <= port <= last for first, last in slices) for port in used)
