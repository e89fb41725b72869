# SPDX-License-Identifier: GPL-2.0-or-later
"""What an internal host may have, and how much of it is used: `bauta show quotas`, --max-ports, --max-sessions, --max-rate
(RFC 6888 REQ-4, REQ-5)."""

from gateway import Bauta
from scapy.layers.inet import ICMP, IP
from talk import ask

RANGE = "50000-50999"


def use(lab, *options, **more):
    lab.meet()
    return lab.use(Bauta(RANGE, *options, **more))


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
