# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings that break a gateway: each is shown to break it, is found, and is mended by the command that the finding
names; and their harmless neighbours are not found."""

import pytest
from finding import RANGE, check, connects, mend, only
from gateway import Bauta


def test_machine_that_does_not_forward(make_lab):
    lab = make_lab(forward=False)
    finding = only(check(lab.R), "forwarding-off")
    assert finding["severity"] == "problem" and finding["sysctl"] == "net.ipv4.ip_forward"
    mend(lab.R, finding)
    assert check(lab.R) == []


@pytest.mark.parametrize("dev", ["eth0", "eth1"])
def test_interface_that_does_not_forward(lab, dev):
    """Of the external interface it stops the answers, of the only internal one everything."""
    lab.use(Bauta(RANGE))
    lab.R.sysctl(f"net.ipv4.conf.{dev}.forwarding", 0)
    assert not connects(lab)
    finding = only(check(lab.R), "forwarding-off")
    assert (finding["severity"], finding["device"]) == ("problem", dev)
    mend(lab.R, finding)
    assert check(lab.R) == [] and connects(lab, 7001)


def test_forwarding_by_interface_is_enough(make_lab):
    """ip_forward only sets all of them: with the interfaces' own settings everything works, and nothing is found."""
    lab = make_lab(forward=False)
    for dev in ("eth0", "eth1"):
        lab.R.sysctl(f"net.ipv4.conf.{dev}.forwarding", 1)
    lab.use(Bauta(RANGE))
    assert lab.R.read("/proc/sys/net/ipv4/ip_forward") == "0\n"
    assert connects(lab) and check(lab.R) == []


def test_one_of_several_inside_forwards(lab):
    """An interface that is for managing the machine only may well not forward."""
    lab.R.ip("link add eth2 type bridge", "addr add 10.9.9.1/24 dev eth2", "link set eth2 up")
    lab.R.sysctl("net.ipv4.conf.eth2.forwarding", 0)
    assert check(lab.R) == []


@pytest.fixture
def two_ways_out(make_lab):
    """What comes from inside is marked, and leaves by eth0 for that; all else leaves by eth2."""
    lab = make_lab(outside_router=True)
    lab.R.ip(
        "link add eth2 type bridge", "link set eth2 up", "addr add 203.0.113.200/30 dev eth2",
        "route del default", "route add default via 203.0.113.201 dev eth2",
        "route add default via 192.0.2.254 dev eth0 table 100", "rule add fwmark 1 lookup 100",
    )
    lab.R.nft("table ip m { chain p { type filter hook prerouting priority mangle; iifname eth1 meta mark set 1; }; }")
    for dev in ("all", "eth0", "eth1"):
        lab.R.sysctl(f"net.ipv4.conf.{dev}.rp_filter", 0)
    return lab


def test_strict_reverse_path_filter(two_ways_out):
    lab = two_ways_out
    lab.use(Bauta(RANGE))
    assert check(lab.R) == [] and connects(lab)
    lab.R.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
    assert not connects(lab, 7001)
    finding = only(check(lab.R), "rp-filter")
    assert (finding["severity"], finding["device"], finding["inside"]) == ("problem", "eth0", "eth1")
    assert finding["mend"].endswith("rp_filter=2")
    mend(lab.R, finding)
    assert check(lab.R) == [] and connects(lab, 7002)


def test_reverse_path_filter_that_knows_marks(two_ways_out):
    """src_valid_mark makes it look at the mark, which may be restored on answers."""
    lab = two_ways_out
    lab.R.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
    only(check(lab.R), "rp-filter")
    lab.R.sysctl("net.ipv4.conf.eth0.src_valid_mark", 1)
    assert check(lab.R) == []


def test_reverse_path_filter_and_rules_by_interface(two_ways_out):
    """The filter follows such a rule both ways, and so nothing is in the way."""
    lab = two_ways_out
    lab.R.ip("rule add iif eth1 lookup 100")
    lab.R.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
    lab.use(Bauta(RANGE))
    assert connects(lab) and check(lab.R) == []


def test_loose_reverse_path_filter_without_a_route(two_ways_out):
    """Loose mode wants a route, whichever; where there is none, only switching it off helps."""
    lab = two_ways_out
    lab.R.ip("route del default")
    lab.R.sysctl("net.ipv4.conf.all.rp_filter", 2)
    lab.use(Bauta(RANGE))
    assert not connects(lab)
    finding = only(check(lab.R), "rp-filter")
    mend(lab.R, finding)
    assert check(lab.R) == [] and connects(lab, 7001)


def test_reverse_path_filter_on_a_plain_machine(make_lab):
    """Strict mode, where the way back is the way out, breaks nothing."""
    lab = make_lab(outside_router=True)
    for dev in ("all", "eth0", "eth1"):
        lab.R.sysctl(f"net.ipv4.conf.{dev}.rp_filter", 1)
    lab.use(Bauta(RANGE))
    assert check(lab.R) == [] and connects(lab)


def test_interface_that_is_down(lab):
    lab.R.ip("link set eth0 down")
    finding = only(check(lab.R), "interface-down")
    assert finding["severity"] == "problem" and finding["device"] == "eth0"
    mend(lab.R, finding)
    assert check(lab.R) == []


def test_interface_without_an_address(lab):
    lab.R.ip("addr flush dev eth0")
    assert only(check(lab.R), "no-address")["severity"] == "problem"


def test_interface_that_went_away_under_an_instance(lab):
    """Its daemon waits for it; so it is something in the way, not a slip of whoever asks."""
    lab.R.ip("link add wan type bridge", "addr add 198.51.100.77/24 dev wan", "link set wan up")
    bauta = lab.use(Bauta(RANGE, dev="wan"))
    lab.R.ip("link del wan")
    bauta.daemon.wait_text("wan is gone")
    assert only(check(lab.R, dev="wan"), "no-interface")["severity"] == "problem"
    bauta.stop()
    lab.gateways.remove(bauta)
