# SPDX-License-Identifier: GPL-2.0-or-later
"""Destinations that are not translated (RFC 6888 REQ-6): there internal hosts are seen and reached as they are."""

import errno
import random
import signal

import pytest
from gateway import BAUTA, Bauta
from packet import check_checksums
from scapy.layers.inet import ICMP, IP, UDP, fragment
from scapy.packet import Raw
from talk import accept, ask, chat, exchange
from wait import until

RANGES = "50000-50009"
INSIDE = "192.168.0.0/24"


def exclude(*items):
    return [word for item in items for word in ("--exclude", item)]


@pytest.fixture
def branch(lab):
    """B2 knows the way to the inside, as a branch office would."""
    lab.B2.ip(f"route add {INSIDE} via {lab.R.external}")
    return lab


def test_one_destination_of_two(branch):
    """B2 sees A's own endpoint, and its answers come back; B sees the gateway."""
    lab = branch
    bauta = lab.use(Bauta(RANGES, *exclude(f"{lab.B2.address}/32")))
    client = lab.A.udp(5000)
    server, other = lab.B.udp(7000), lab.B2.udp(7000)
    assert ask(client, server, (lab.B.address, 7000))[0] == lab.R.external
    assert ask(client, other, (lab.B2.address, 7000)) == (lab.A.address, 5000)
    listener = lab.B2.listen(7000)
    connection = lab.A.connect((lab.B2.address, 7000))
    conn, peer = accept(connection, listener)
    assert peer == connection.getsockname()
    chat(connection, conn)
    lab.A.do("ping", "-c1", "-W2", "-q", lab.B2.address)
    assert [row["remote"] for row in bauta.sessions()] == [f"{lab.B.address}:7000"]
    assert bauta.drops()["excluded"]["packets"] >= 6


def test_the_other_side_may_begin(branch):
    """The machine is a router toward it: B2 opens connections to the inside, and other protocols pass."""
    lab = branch
    bauta = lab.use(Bauta(RANGES, *exclude(f"{lab.B2.address}/32")))
    listener = lab.A.listen(8000)
    connection = lab.B2.connect((lab.A.address, 8000))
    conn, peer = accept(connection, listener)
    assert peer == connection.getsockname()
    chat(connection, conn)
    with pytest.raises(ConnectionRefusedError):
        lab.B2.connect((lab.A.address, 8001))
    lab.B2.do("ping", "-c1", "-W2", "-q", lab.A.address)
    at_branch = lab.capture(lab.B2)
    lab.A.send(IP(src=lab.A.address, dst=lab.B2.address, proto=47) / Raw(b"GRE, say"))
    assert at_branch.one(lambda packet: packet[IP].proto == 47)[IP].src == lab.A.address
    assert bauta.sessions() == []


def test_by_protocol_and_port(branch):
    lab = branch
    bauta = lab.use(Bauta(RANGES, *exclude(f"udp:{lab.B2.address}/32:7000")))
    client = lab.A.udp(5000)
    assert ask(client, lab.B2.udp(7000), (lab.B2.address, 7000)) == (lab.A.address, 5000)
    assert ask(client, lab.B2.udp(7001), (lab.B2.address, 7001))[0] == lab.R.external
    listener = lab.B2.listen(7000)
    connection = lab.A.connect((lab.B2.address, 7000))
    _, peer = accept(connection, listener)
    assert peer[0] == lab.R.external
    assert {row["remote"] for row in bauta.sessions()} == {f"{lab.B2.address}:7000", f"{lab.B2.address}:7001"}
    assert bauta.json("show", "config")["excluded"] == [f"udp:{lab.B2.address}/32:7000"]


def test_large_datagrams_by_port(branch):
    """Fragments behind the first do not say which port they are for."""
    lab = branch
    lab.use(Bauta(RANGES, *exclude(f"udp:{lab.B2.address}/32:7000")))
    client = lab.A.udp(5000)
    for port, source in ((7000, lab.A.address), (7001, lab.R.external)):
        server = lab.B2.udp(port)
        text = random.Random(port).randbytes(8000)
        client.sendto(text, (lab.B2.address, port))
        data, peer = server.recvfrom(65536)
        assert (data, peer[0]) == (text, source)
        server.sendto(text[::-1], peer)
        assert client.recv(65536) == text[::-1]


def place(packet):
    """Where a packet stands among the fragments of all datagrams."""
    return packet.id, packet.frag


@pytest.mark.parametrize("item, order", [("{}/32", 1), ("{}/32", -1), ("udp:{}/32:7000", -1)])
def test_packets_stay_as_they_are(branch, item, order):
    """Nothing but the hop limit changes, in fragments of any order and errors too."""
    lab = branch
    lab.meet()
    lab.use(Bauta(RANGES, *exclude(item.format(lab.B2.address))))
    at_branch = lab.capture(lab.B2)
    datagram = IP(src=lab.A.address, dst=lab.B2.address, id=77, tos=0x28) / UDP(sport=5000, dport=7000) / bytes(2000)
    quoted = IP(src=lab.B2.address, dst=lab.A.address) / UDP(sport=7000, dport=5001) / b"nobody there"
    sent = fragment(datagram, 1000)[::order] + [IP(src=lab.A.address, dst=lab.B2.address) / ICMP(type=3, code=3) / bytes(quoted)]
    lab.A.send(*sent)
    lab.settle(lab.A)
    came = [packet for packet in at_branch.packets() if packet[IP].src == lab.A.address]
    assert len(came) == len(sent)
    for before, after in zip(sorted(sent, key=place), sorted(came, key=place)):
        check_checksums(bytes(after))
        expected = IP(bytes(before))
        expected.ttl -= 1
        del expected.chksum
        assert bytes(after) == bytes(IP(bytes(expected)))


def test_sessions_that_are_there_go_on(branch):
    """The next run brings an exclusion; flows of before keep their endpoint until they end, new ones are excluded."""
    lab = branch
    bauta = lab.use(Bauta(RANGES, keep=True))
    server = lab.B2.udp(7000)
    old = lab.A.udp(5000, remote=(lab.B2.address, 7000))
    peer = ask(old, server)
    assert peer[0] == lab.R.external
    bauta.stop()
    bauta.arguments += exclude(f"{lab.B2.address}/32")
    bauta.start()
    assert ask(old, server) == peer
    new = lab.A.udp(5001, remote=(lab.B2.address, 7000))
    assert ask(new, server) == (lab.A.address, 5001)
    bauta.cli("flush")
    assert ask(old, server) == (lab.A.address, 5000)


def test_file_that_is_read_again(branch, tmp_path):
    """An exclusion comes and goes while the gateway runs, and the flows of before do not notice."""
    lab = branch
    path = tmp_path / "bauta.conf"

    def write(*items):
        path.write_text(f"interface = eth0\nports = {RANGES}\n" + "".join(f"exclude = {item}\n" for item in items))

    def read_again(*expected):
        bauta.daemon.kill(signal.SIGHUP)
        until(lambda: bauta.json("show", "config")["excluded"] == list(expected), f"for exclusions {expected}")

    write()
    bauta = lab.use(Bauta(None, "-c", str(path)))
    server, item = lab.B2.udp(7000), f"udp:{lab.B2.address}/32:7000"
    clients = [lab.A.udp(5000 + number, remote=(lab.B2.address, 7000)) for number in range(3)]
    first = ask(clients[0], server)
    assert first[0] == lab.R.external
    write(item)
    read_again(item)
    assert ask(clients[0], server) == first
    assert ask(clients[1], server) == clients[1].getsockname()
    write("192.0.2.1/32")
    bauta.daemon.kill(signal.SIGHUP)
    bauta.daemon.wait_text(r"^bauta: .*bauta\.conf:3.*192\.0\.2\.1.*$")
    assert ask(clients[1], server) == clients[1].getsockname()
    write()
    read_again()
    assert ask(clients[0], server) == first
    assert ask(clients[2], server)[0] == lab.R.external


def test_without_an_external_address(branch):
    """What is not translated needs none."""
    lab = branch
    bauta = lab.use(Bauta(RANGES, *exclude(f"{lab.B2.address}/32")))
    routes = [f"route add {host.address}/32 dev eth0" for host in (lab.B, lab.B2)]
    lab.R.ip(f"addr del {lab.R.external}/24 dev eth0", *routes)
    lab.B2.ip(f"neigh replace {lab.R.external} lladdr {lab.R.mac()} dev eth0 nud permanent")
    until(lambda: not bauta.status()["external"], "for the address to be gone")
    assert ask(lab.A.udp(5000), lab.B2.udp(7000), (lab.B2.address, 7000)) == (lab.A.address, 5000)
    with pytest.raises(OSError) as refused:
        lab.A.connect((lab.B.address, 7000))
    assert refused.value.errno == errno.EHOSTUNREACH


def test_explain_says_why(branch):
    lab = branch
    item = f"tcp:{lab.B2.address}/32:443"
    bauta = lab.use(Bauta(RANGES, *exclude("10.0.0.0/8", item)))
    answer = bauta.explain("tcp", f"{lab.A.address}:5000", f"{lab.B2.address}:443")
    assert (answer["outcome"], answer["reason"], answer["exclusion"]) == ("passed", "excluded", item)
    assert item in answer["text"]
    answer = bauta.explain("tcp", f"{lab.A.address}:5000", f"{lab.B2.address}:80")
    assert answer["outcome"] == "translated" and "exclusion" not in answer
    assert exchange(lab)[0] == lab.R.external


WRONG = ["", "10.0.0.0/33", "10.0.0.1/8", "gre:10.0.0.0/8", "udp:10.0.0.0/8:0", "udp:10.0.0.0/8:65536", ":10.0.0.0/8",
         "icmp:10.0.0.0/8:7", "tcp:", "10.0.0.0/8:53:54", "host.example"]


@pytest.mark.parametrize("item", WRONG)
def test_wrong_words(lab, item):
    done = lab.R.run(BAUTA, "run", "-e", "eth0", "--exclude", item)
    assert done.status == 2, done.report()
    assert "--exclude" in done.stderr


@pytest.mark.parametrize("item", ["192.0.2.1/32", "192.0.2.0/24", "0.0.0.0/0", "udp:192.0.2.1/32:53"])
def test_external_address_cannot_be_excluded(lab, item):
    done = lab.R.run(BAUTA, "run", "-e", "eth0", "-p", RANGES, "--exclude", item)
    assert done.status in (1, 2) and len(done.stderr.splitlines()) == 1, done.report()
    assert "192.0.2.1" in done.stderr and "exclude" in done.stderr
    assert Bauta.of(lab.R).pins() == []


def test_external_address_that_comes_to_lie_in_an_exclusion(lab):
    """It is too late to refuse: the log says it, and the rest goes on."""
    bauta = lab.use(Bauta(RANGES, *exclude("192.0.2.128/25")))
    lab.R.ip("addr del 192.0.2.1/24 dev eth0", "addr add 192.0.2.200/24 dev eth0")
    bauta.daemon.wait_text(r"^bauta: .*exclude.*192\.0\.2\.200.*$")
    assert exchange(lab)[0] == "192.0.2.200"
