# SPDX-License-Identifier: GPL-2.0-or-later
"""What is none of the gateway's business goes by untouched, each kind under its own reason."""

import socket

import pytest
from accounts import Accounts
from gateway import Bauta, Plain
from packet import match
from scapy.contrib.ospf import OSPF_Hdr, OSPF_Hello
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, ICMPv6EchoRequest
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw
from talk import exchange

BROADCAST = "ff:ff:ff:ff:ff:ff"
R, B = "192.0.2.1", "192.0.2.8"


def ip(src, dst, **fields):
    """Atomic: another gets a new identification (RFC 6864 §5.3.1), which fragment_test looks at."""
    return IP(src=src, dst=dst, flags="DF", **fields)


# What R itself sends: the destination MAC address, the frame's payload, the reason that is counted.
FRAMES = {
    "ARP": (BROADCAST, ARP(psrc=R, pdst="192.0.2.99"), "arp"),
    "IPv6": (None, IPv6(src="fe80::1", dst="fe80::2") / ICMPv6EchoRequest(), "ipv6"),
    "VLAN": (None, Dot1Q(vlan=7) / ip(R, B) / UDP(sport=50000, dport=9) / b"tagged", "vlan"),
    "experimental": (None, Raw(b"of a type that nobody knows"), "other-ethertype"),
    "DHCP": (
        BROADCAST,
        ip("0.0.0.0", "255.255.255.255") / UDP(sport=68, dport=67) / BOOTP(op=1)
        / DHCP(options=[("message-type", "discover"), "end"]),
        "unspecified",
    ),
    "multicast DNS": ("01:00:5e:00:00:fb", ip(R, "224.0.0.251") / UDP(sport=5353, dport=5353) / b"mdns",
                      "passed-multicast"),
    "IGMP": ("01:00:5e:00:00:16", ip(R, "224.0.0.22", proto=2, ttl=1) / Raw(bytes(8)), "passed-multicast"),
    "OSPF": ("01:00:5e:00:00:05", ip(R, "224.0.0.5", ttl=1) / OSPF_Hdr(src=R) / OSPF_Hello(),
             "passed-multicast"),
    "broadcast": (BROADCAST, ip(R, "255.255.255.255") / UDP(sport=50000, dport=9) / b"all", "broadcast"),
    "GRE of the host": (None, ip(R, B, proto=47) / Raw(b"\0\0\x08\0GRE"), "host-protocol"),
    "TCP of the host": (None, ip(R, B) / TCP(sport=40000, dport=9, flags="A"), "host"),
    "UDP of the host": (None, ip(R, B) / UDP(sport=50000, dport=9) / b"host", "host"),
}
TYPES = {"ARP": 0x0806, "IPv6": 0x86DD, "experimental": 0x88B5}


def test_frames_of_the_host_leave_as_they_are(make_lab):
    lab = make_lab(offload=False)
    lab.meet()
    bauta = lab.use(Bauta("50000-50009"))
    at_b = lab.B.socket(socket.SOCK_RAW, socket.htons(3), socket.AF_PACKET)
    at_b.bind(("eth0", 3))
    books = Accounts(lab, bauta)
    for name, (target, payload, reason) in FRAMES.items():
        before = books.reasons()
        if name == "ARP":
            payload.hwsrc = lab.R.mac()  # B believes it
        frame = Ether(dst=target or lab.R.next_hop, src=lab.R.mac(), type=TYPES.get(name)) / payload
        if name not in TYPES:
            del frame.type
        raw = bytes(frame)
        lab.R.send_frames(raw)
        at_b.settimeout(3)
        seen = at_b.recv(2048)
        while seen[6:12] != raw[6:12] or not (seen == raw or (name == "VLAN" and seen == raw[:12] + raw[16:])):
            seen = at_b.recv(2048)  # something that B's or R's kernel has to say
        after = books.reasons()
        grown = {key for key in after if after[key] > before.get(key, 0)}
        assert reason in grown, f"{name} was counted as {grown}"
    lab.settle()
    books.check()
    assert bauta.sessions("proto=udp") == [] and bauta.sessions("proto=tcp") == []


def test_multicast_and_broadcast_from_inside_do_not_leave(make_lab):
    lab = make_lab(offload=False)
    lab.meet()
    lab.use(Bauta("50000-50009"))
    at_b = lab.capture(lab.B)
    for address in ("224.0.0.251", "239.1.1.1", "255.255.255.255"):
        lab.A.send(IP(src=lab.A.address, dst=address) / UDP(sport=5000, dport=9) / b"x")
    lab.settle()
    assert at_b.count(match(proto="udp")) == 0


@pytest.mark.parametrize("gateway", [Plain, lambda: Bauta("50000-50009")], ids=["plain", "bauta"])
def test_hosts_own_multicast_is_heard_by_its_own_programs(lab, gateway):
    """The kernel loops a copy back: it comes to the ingress hook without a link header."""
    lab.use(gateway())
    member = lab.R.udp(5353, "0.0.0.0")
    join = socket.inet_aton("224.0.0.251") + socket.inet_aton(R)
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, join)
    sender = lab.R.udp(0)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(R))
    sender.sendto(b"to all of us", ("224.0.0.251", 5353))
    assert member.recvfrom(100) == (b"to all of us", sender.getsockname())


def test_multicast_from_outside_reaches_the_host(lab):
    lab.use(Bauta("50000-50009"))
    member = lab.R.udp(5353, "0.0.0.0")
    join = socket.inet_aton("224.0.0.251") + socket.inet_aton(R)
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, join)
    sender = lab.B.udp(5353)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(lab.B.address))
    sender.sendto(b"to all of you", ("224.0.0.251", 5353))
    assert member.recvfrom(100) == (b"to all of you", (lab.B.address, 5353))


def test_dhcp_client_of_the_host_hears_its_server(lab):
    """An answer by broadcast, before the interface would have an address."""
    lab.use(Bauta("50000-50009"))
    client = lab.R.udp(68, "0.0.0.0")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    server = lab.B.udp(67)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    server.sendto(b"offer", ("255.255.255.255", 68))
    assert client.recv(100) == b"offer"


def test_packets_for_other_addresses_are_not_touched(make_lab):
    """What comes in for an address that is not the interface's, such as one that is routed through, is forwarded."""
    lab = make_lab(offload=False)
    lab.meet()
    bauta = lab.use(Bauta("50000-50009"))
    at_a = lab.capture(lab.A)
    lab.B.send(IP(src=lab.B.address, dst=lab.A.address) / UDP(sport=7000, dport=5000) / b"direct")
    assert at_a.one(match(proto="udp", src=lab.B.address))[UDP].dport == 5000
    assert bauta.drops()["not-external"]["packets"] == 1


def test_ping_of_the_gateway_from_outside(lab):
    lab.use(Bauta("50000-50009"))
    assert "3 received" in lab.B.do("ping", "-n", "-c3", "-i0.01", "-W2", lab.R.external)


@pytest.mark.parametrize("port", [22, 50005])
def test_service_of_the_host_is_reached_while_the_nat_works(lab, port):
    lab.use(Bauta("50000-50009"))
    exchange(lab)
    listener = lab.R.listen(port)
    client = lab.B.connect((lab.R.external, port))
    conn, _ = listener.accept()
    client.sendall(b"hello")
    assert conn.recv(10) == b"hello"
