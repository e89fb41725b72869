# SPDX-License-Identifier: GPL-2.0-or-later
"""The fast path: what takes it, what goes up, who can run it, and what becomes of those who cannot."""

import hashlib
import re
import signal

import pytest
from blob import BLOB, SHA256, WebServer
from flow import INSIDE, OUTSIDE, Flow
from gateway import Bauta
from packet import check_checksums, match
from scapy.layers.inet import IP, TCP, UDP, IPOption_NOP, fragment
from talk import ask, exchange
from wait import until
from xdp_pass import XdpPass

PORTS = "50000-50099"
BOTH = ("--hairpin", "off", "--fast-path", "eth0,eth1")


def receive_by_napi(lab, on="on"):
    """The far ends of R's wires take redirected frames only then."""
    for dev in ("eth0", "eth1"):
        lab.switch.do("ethtool", "-K", f"R-{dev}", "gro", on)


@pytest.fixture
def lab(make_lab):
    made = make_lab(offload=False)
    receive_by_napi(made)
    made.meet()
    return made


def gateway(lab, *more, **options):
    return lab.use(Bauta(PORTS, *BOTH, *more, **options))


def counters(bauta):
    return {row["reason"]: row["packets"] for row in bauta.json("show", "fast-path")["counters"]}


def interfaces(bauta):
    return {row["interface"]: row for row in bauta.json("show", "fast-path")["interfaces"]}


def wait_mode(bauta, dev, mode):
    until(lambda: interfaces(bauta).get(dev, {}).get("mode") == mode,
          lambda: f"for {dev} in mode {mode}: {interfaces(bauta)}; {bauta.log}", 8)


def programs(lab):
    """The XDP programs at R's interfaces: {device: name}."""
    found = {}
    for line in lab.R.do("ip", "-d", "link", "show").splitlines():
        if device := re.match(r"\d+: (\w+)", line):
            name = device.group(1)
        elif program := re.search(r"prog/xdp id (\d+)", line):
            found[name] = int(program.group(1))
    return found


def grown(bauta, before):
    after = counters(bauta)
    return {reason: after[reason] - before.get(reason, 0) for reason in after if after[reason] != before.get(reason, 0)}


# What takes it


def test_udp_takes_it_from_the_second_packet_on(lab):
    bauta = gateway(lab)
    before = counters(bauta)
    at_b = lab.capture(lab.B)
    with lab.A.udp(5000, remote=(lab.B.address, 7000)) as client, lab.B.udp(7000) as server:
        for _ in range(5):
            assert ask(client, server)[0] == lab.R.external
    found = grown(bauta, before)
    assert (found.get("outbound"), found.get("inbound"), found.get("no-session")) == (4, 5, 1)
    assert "lost" not in found
    for packet in at_b.packets(match(proto="udp", dport=7000)):
        assert packet.ttl == 63
    for raw in at_b.raw():
        check_checksums(raw)
    assert bauta.drops()["new"]["packets"] == 1
    assert "outbound" not in bauta.drops()


def test_tcp_and_ping_take_it(lab):
    bauta = gateway(lab)
    before = counters(bauta)
    web = WebServer(lab.B)
    down = lab.A.start("curl", "-sS", "-m", "20", f"http://{lab.B.address}/").succeed(20)
    assert hashlib.sha256(down.stdout).hexdigest() == SHA256
    found = grown(bauta, before)
    assert found["inbound"] > len(BLOB) / 1500 and found["outbound"] > 10
    assert found["syn"] == 2, "both SYNs are the stack's"
    assert {address for address, _ in web.peers} == {lab.R.external}
    before = counters(bauta)
    lab.A.do("ping", "-c3", "-i0.01", "-q", lab.B.address)
    found = grown(bauta, before)
    assert (found["outbound"], found["inbound"]) == (2, 3)
    assert set(bauta.status()["fast_path"]) == set(programs(lab)) == {"eth0", "eth1"}
    bauta.stop()
    assert not programs(lab), "without --keep it goes"


# What goes up


def leave_to_a_device(packet):
    """A datagram as its sender leaves it to a device that makes checksums: the pseudo header's sum is in its place."""
    raw = bytearray(bytes(packet))
    pseudo = sum(int.from_bytes(raw[at:at + 2], "big") for at in range(12, 20, 2)) + 17 + len(raw) - 20
    raw[26:28] = ((pseudo & 0xFFFF) + (pseudo >> 16)).to_bytes(2, "big")
    return bytes(raw)


def test_what_goes_up_goes_as_it_came(make_lab):
    """Each by its reason, and each still reaches B, by tc, or the sender hears of it."""
    lab = make_lab(offload=False, external_mtu=1400)
    receive_by_napi(lab)
    lab.meet()
    bauta = gateway(lab)
    flow = Flow(lab, bauta, proto="udp")
    flow.out(data=b"first")
    flow.out(data=b"second")
    ip = {"src": INSIDE, "dst": OUTSIDE}
    udp = UDP(sport=5000, dport=7000)
    cases = {
        "header": [IP(**ip, id=1001, flags="DF", options=[IPOption_NOP()] * 4) / udp / b"options"],
        "fragment": fragment(IP(**ip, id=1002) / udp / (b"f" * 1200), fragsize=800),
        "no-session": [IP(**ip, id=1003, flags="DF") / UDP(sport=5001, dport=7000) / b"another"],
        "syn": [IP(**ip, id=1004, flags="DF") / TCP(sport=5002, dport=7000, flags="S")],
        "checksum": [leave_to_a_device(IP(**ip, id=1005, flags="DF") / udp / b"partial!")],
    }
    for reason, packets in cases.items():
        before = counters(bauta)
        flow.at_b.clear()
        lab.A.send(*packets)
        flow.at_b.wait(match(src=lab.R.external), count=len(packets))
        found = grown(bauta, before)
        assert found.get(reason) == len(packets), (reason, found)
        assert "outbound" not in found, (reason, found)
    told = {
        "too-big": (IP(**ip, id=5, flags="DF") / udp / (b"x" * 1400), (3, 4)),
        "hops": (IP(**ip, id=6, flags="DF", ttl=1) / udp / b"last", (11, 0)),
    }
    for reason, (packet, icmp) in told.items():
        before = counters(bauta)
        lab.A.send(packet)
        assert flow.at_a.one(match(icmp=icmp)).src == lab.R.internal
        assert grown(bauta, before).get(reason) == 1


def test_what_no_driver_takes_is_counted(lab):
    """Sent, less lost, is what arrives."""
    bauta = gateway(lab)
    at_b = lab.capture(lab.B)
    with lab.A.udp(5000, remote=(lab.B.address, 7000)) as client, lab.B.udp(7000) as server:
        ask(client, server)
        before = counters(bauta)
        at_b.clear()
        receive_by_napi(lab, "off")
        for _ in range(20):
            client.send(b"away")
        lab.settle(lab.A)
        found = grown(bauta, before)
        assert found["lost"] > 0
        wait_mode(bauta, "eth0", "tc")
        assert "by NAPI" in interfaces(bauta)["eth0"]["why"]
        found = grown(bauta, before)
        arrived = at_b.count(match(proto="udp", dport=7000))
        assert found["outbound"] - found["lost"] == arrived - (20 - found["outbound"])
        ask(client, server, (lab.B.address, 7000))
    assert not programs(lab)
    receive_by_napi(lab)
    wait_mode(bauta, "eth0", "xdp")


# Who runs it


def test_auto_leaves_veth_alone(lab):
    bauta = lab.use(Bauta(PORTS, "--hairpin", "off"))
    assert not programs(lab)
    assert {row["mode"] for row in interfaces(bauta).values()} == {"tc"}
    assert all(row["why"].startswith("auto takes devices on a bus") for row in interfaces(bauta).values())
    assert "stays on tc" not in bauta.log
    assert exchange(lab)[0] == lab.R.external


def test_a_name_that_nobody_has(lab):
    bauta = lab.use(Bauta(PORTS, "--hairpin", "off", "--fast-path", "eth0,eth1,eth7,eth8,lo"))
    (line,) = [line for line in bauta.log.splitlines() if "eth7, eth8 stay on tc" in line]
    assert "there is no such interface" in line
    assert set(programs(lab)) == {"eth0", "eth1"}
    assert "no Ethernet header" in interfaces(bauta)["lo"]["why"]
    lab.R.ip("link add eth7 type bridge")
    until(lambda: "no such interface" not in interfaces(bauta)["eth7"]["why"], "another look")
    assert bauta.log.count("lo stays on tc") == 1


def test_somebody_elses_program_stays(lab):
    other = XdpPass(lab.R, "eth1")
    theirs = programs(lab)
    bauta = gateway(lab)
    (line,) = [line for line in bauta.log.splitlines() if "eth1 stays on tc" in line]
    assert f'not ours is attached to eth1 (id {theirs["eth1"]}, "somebody")' in line and "ip link set dev eth1 xdp off" in line
    assert programs(lab) == theirs
    assert exchange(lab)[0] == lab.R.external
    other.close()
    wait_mode(bauta, "eth1", "xdp")
    assert set(programs(lab)) == {"eth0", "eth1"}


def test_a_driver_that_refuses_says_why(make_lab):
    lab = make_lab(offload=False, mtu=9000)
    receive_by_napi(lab)
    bauta = gateway(lab)
    (line,) = [line for line in bauta.log.splitlines() if "eth0 stays on tc" in line]
    found = re.search(r"refused native XDP: .*Peer MTU.*; an MTU of (\d+) or less at its peer .*, then SIGHUP", line)
    assert found, line
    assert not programs(lab)
    assert exchange(lab)[0] == lab.R.external
    for dev in ("eth0", "eth1"):
        lab.switch.ip(f"link set R-{dev} mtu {found[1]}")
    bauta.daemon.kill(signal.SIGHUP)
    wait_mode(bauta, "eth0", "xdp")
    assert exchange(lab, port=7001)[0] == lab.R.external


def test_interfaces_come_and_go_and_change(lab):
    bauta = gateway(lab)
    lab.R.ip("link set eth1 address 02:00:00:00:00:77")
    for host in (lab.A, lab.A2):
        host.ip("neigh flush dev eth0")
    lab.A.do("ping", "-c1", "-W2", "-q", lab.R.internal)
    with lab.A.udp(5000, remote=(lab.B.address, 7000)) as client, lab.B.udp(7000) as server:
        ask(client, server)
        before = counters(bauta)
        ask(client, server)
        assert grown(bauta, before).get("outbound") == 1, "frames to the new MAC address"
    lab.R.ip("link del eth1")
    wait_mode(bauta, "eth0", "tc")
    assert "there is no such interface" in interfaces(bauta)["eth1"]["why"]
    assert not programs(lab)
    lab.lay(lab.R, "eth1", "in", ["192.168.0.1/24"])
    lab.R.do("ethtool", "-K", "eth1", "tx", "off")
    receive_by_napi(lab)
    wait_mode(bauta, "eth0", "xdp")
    for host in (lab.A, lab.A2):
        host.ip("neigh flush dev eth0")
    assert exchange(lab, port=7002)[0] == lab.R.external


# How it begins and ends


def test_it_is_taken_over_and_taken_away(lab):
    bauta = gateway(lab, keep=True)
    exchange(lab)
    first, before = programs(lab), counters(bauta)
    bauta.stop()
    assert programs(lab) == first, "it stays"
    assert exchange(lab, port=7001)[0] == lab.R.external
    bauta.start()
    second = programs(lab)
    assert set(second) == {"eth0", "eth1"} and not set(second.values()) & set(first.values()), "in its place"
    assert counters(bauta)["inbound"] >= before["inbound"], "it goes on counting"
    bauta.kill()
    assert programs(lab) == second
    bauta.down()
    assert not programs(lab)


def test_a_reload_turns_it_on_and_off(lab, tmp_path):
    file = tmp_path / "bauta.conf"
    file.write_text("fast-path = off\n")
    bauta = lab.use(Bauta(PORTS, "--hairpin", "off", "-c", str(file)))
    assert not programs(lab)
    lab.R.nft("table ip t { chain f { type filter hook forward priority 0; ct state established accept; }; }")
    file.write_text("fast-path = eth0, eth1\n")
    bauta.daemon.kill(signal.SIGHUP)
    wait_mode(bauta, "eth0", "xdp")
    exchange(lab)
    bauta.daemon.wait_text("connection tracking is in use here")
    assert set(programs(lab)) == {"eth0", "eth1"}
    file.write_text("fast-path = off\n")
    bauta.daemon.kill(signal.SIGHUP)
    wait_mode(bauta, "eth0", "tc")
    assert not programs(lab)
    assert interfaces(bauta)["eth0"]["why"] == "--fast-path is off"
