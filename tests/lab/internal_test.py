# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is translated: all that is forwarded out, or what --internal names; and the host from its other addresses."""

from accounts import Accounts
from gateway import Bauta
from packet import match
from scapy.layers.inet import IP, UDP
from talk import ask, exchange


def test_prefix_narrows_what_is_translated(make_lab):
    lab = make_lab(offload=False)
    lab.meet()
    bauta = lab.use(Bauta("50000-50009", internal=["192.168.0.5/32", "10.0.0.0/8"]))
    books = Accounts(lab, bauta)
    at_b = lab.capture(lab.B)
    assert exchange(lab)[0] == lab.R.external
    lab.A2.send(IP(src=lab.A2.address, dst=lab.B.address) / UDP(sport=5000, dport=7000) / b"routed")
    assert at_b.one(match(proto="udp", src=lab.A2.address))[UDP].sport == 5000
    lab.settle()
    assert books.check()["not-internal"] == 1
    assert [row["internal"].split(":")[0] for row in bauta.sessions("proto=udp")] == [lab.A.address]


def test_host_from_another_of_its_addresses(lab):
    """R binds to its inside address: outside, that must not be seen."""
    bauta = lab.use(Bauta("50000-50009"))
    server = lab.B.udp(7000)
    client = lab.R.udp(5000, lab.R.internal, (lab.B.address, 7000))
    address, port = ask(client, server)
    assert address == lab.R.external and 50000 <= port <= 50009
    assert [row["internal"] for row in bauta.sessions("proto=udp")] == [f"{lab.R.internal}:5000"]


def test_wide_address_plan(lab):
    """Internal addresses of many networks behind one gateway."""
    bauta = lab.use(Bauta("20000-29999"))
    server = lab.B.udp(7000)
    lab.A.own("10.0.0.0/8")
    lab.R.ip(f"route add 10.0.0.0/8 via {lab.A.address}")
    addresses = [f"10.{number}.{number * 7 % 256}.{number * 11 % 256}" for number in range(1, 200)]
    seen = [ask(lab.A.udp(5000, address, (lab.B.address, 7000)), server) for address in addresses]
    assert len(set(seen)) == len(addresses)
    assert {row["internal"] for row in bauta.sessions("proto=udp")} == {f"{address}:5000" for address in addresses}
