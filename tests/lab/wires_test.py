# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab itself: its wires carry what they are told, and nothing is left when it is closed."""

import os
import socket
import subprocess

import pytest
from gateway import Plain
from lab import Lab
from packet import check_checksums, match
from scapy.layers.inet import IP, UDP
from talk import exchange
from wait import Late


@pytest.mark.parametrize("options", [{}, {"offload": False}, {"external": "tun"}, {"gro": True, "mtu": 1400}], ids=str)
def test_hosts_reach_each_other_untranslated(make_lab, options):
    lab = make_lab(**options)
    lab.use(Plain())
    assert exchange(lab, client_port=5000) == (lab.A.address, 5000)


def test_routers_inside_and_outside(make_lab):
    lab = make_lab(inside_router=True, outside_router=True)
    lab.X.ip("route add 192.168.0.0/16 via 192.0.2.1")
    assert exchange(lab, client_port=5000) == ("192.168.10.5", 5000)


def test_capture_sees_each_packet_once_and_settle_makes_absence_certain(lab):
    lab.use(Plain())
    lab.meet()
    at_b = lab.capture(lab.B)
    at_b2 = lab.capture(lab.B2)
    for number in range(500):
        lab.A.send(IP(src=lab.A.address, dst=lab.B.address) / UDP(sport=1, dport=number + 1) / b"x")
    lab.settle()
    wanted = match(proto="udp", src=lab.A.address)
    assert [packet[UDP].dport for packet in at_b.packets(wanted)] == list(range(1, 501))
    assert at_b2.count(wanted) == 0
    for raw in at_b.raw(outgoing=False):
        check_checksums(raw)


def test_capture_waits_for_its_packet_and_gives_up(lab):
    lab.use(Plain())
    at_b = lab.capture(lab.B)
    with pytest.raises(Late):
        at_b.wait(match(proto="udp"), limit_s=0.05)
    lab.A.udp().sendto(b"x", (lab.B.address, 9))
    assert at_b.one(match(proto="udp", dport=9)).src == lab.A.address


def test_wrong_checksums_are_noticed():
    good = bytes(IP(src="192.168.0.5", dst="192.0.2.8") / UDP(sport=1, dport=2) / b"abc")
    check_checksums(good)
    for position in (8, 21, 30):
        bad = bytearray(good)
        bad[position] ^= 1
        with pytest.raises(AssertionError):
            check_checksums(bad)


def test_phantom_is_reached_and_silent(lab):
    lab.use(Plain())
    phantom = lab.phantom(lab.B, "192.0.2.77")
    at_b = lab.capture(lab.B)
    client = lab.A.udp(5000, remote=(phantom, 9))
    client.send(b"x")
    at_b.one(match(proto="udp", dst=phantom, dport=9))
    lab.settle()
    assert at_b.count(match(src=phantom), outgoing=True) == 0


def namespaces():
    return {name for name in os.listdir("/run/netns") if name.startswith("bt-")}


def test_close_removes_everything_and_two_labs_live_side_by_side():
    one, other = Lab(), Lab()
    try:
        one.use(Plain())
        other.use(Plain())
        assert exchange(one, client_port=5000) == exchange(other, client_port=5000)
        sleeper = one.B.start("sleep", "100")
    finally:
        one.close()
        other.close()
    assert sleeper.status is not None
    assert not [name for name in namespaces() if one.suffix in name or other.suffix in name]


def test_terminated_run_leaves_nothing(tmp_path):
    """A pytest run of its own is sent SIGTERM while its lab is up."""
    (tmp_path / "hang_test.py").write_text(
        "import time\ndef test_hang(lab):\n    print(lab.suffix, flush=True)\n    time.sleep(100)\n", encoding="ascii"
    )
    here = os.path.dirname(os.path.abspath(__file__))
    run = subprocess.Popen(
        ["/usr/bin/python3", "-m", "pytest", "-s", "-q", "-p", "no:cacheprovider", "-p", "conftest", tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": here},
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        suffix = run.stdout.readline().strip()
        assert suffix and [name for name in namespaces() if suffix in name]
        run.terminate()
        run.stdout.read()
        assert run.wait(10) != 0
    assert not [name for name in namespaces() if name.startswith(f"bt-{suffix}-")]


def test_sockets_are_closed_with_their_lab():
    lab = Lab()
    made = lab.A.socket(socket.SOCK_DGRAM)
    lab.close()
    assert made.fileno() == -1
