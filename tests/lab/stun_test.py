# SPDX-License-Identifier: GPL-2.0-or-later
"""What a STUN client finds out about the gateway (RFC 5780): mapping, filtering, hairpin and lifetime, in each mode."""

import re

import pytest
from gateway import Bauta, NftMasquerade, Whole
from stun import SURE_S, Server, ask, ask_tcp, filtering, hear, mapping, request
from wait import until

OPEN, BY_ADDRESS, BY_BOTH = "endpoint-independent", "address-dependent", "address-and-port-dependent"
PORTS = "50000-59999"
SECOND = "192.0.2.18"
MODES = [  # options, mapping, filtering
    ((), OPEN, BY_ADDRESS),
    (("--filtering", OPEN), OPEN, OPEN),
    (("--filtering", BY_BOTH), OPEN, BY_BOTH),
    (("--mapping", "endpoint-dependent"), BY_BOTH, BY_BOTH),
]
IDS = ["default", "open", "closed", "endpoint-dependent"]


@pytest.fixture
def server(lab):
    return Server(lab.B, SECOND)


def share(share_lab, make_gateway, *options):
    lab = share_lab(make_gateway, PORTS, *options)
    return lab, Server(lab.B, SECOND)


def by_udp(client):
    def where(endpoint):
        answer = ask(client, endpoint, SURE_S)
        assert answer.mapped == answer.xor_mapped, "something rewrites payloads"
        return answer.xor_mapped

    return where


def by_tcp(host, port):
    def where(endpoint):
        _, answer = ask_tcp(host, port, endpoint)
        assert answer.mapped == answer.xor_mapped, "something rewrites payloads"
        return answer.xor_mapped

    return where


def discover(host, server, option):
    """What coturn's own client makes of it."""
    text = host.do("turnutils_natdiscovery", option, server.addresses[0], limit_s=20)
    assert "ALG: Mapped != XOR-Mapped" not in text
    found = re.search(r"NAT with (.+) (Mapping|Filtering)!", text)
    assert found, text
    return found.group(1).lower().replace(" ", "-")


@pytest.mark.parametrize("options, by_mapping, by_filter", MODES, ids=IDS)
def test_as_coturns_client_finds_it(share_lab, options, by_mapping, by_filter):
    lab, server = share(share_lab, Bauta, *options)
    assert discover(lab.A, server, "-m") == by_mapping
    if "--mapping" not in options:  # then the filter is the same as the one before, and it takes its six seconds
        assert discover(lab.A, server, "-f") == by_filter


@pytest.mark.parametrize("options, by_mapping, by_filter", MODES, ids=IDS)
def test_as_the_second_client_on_a_port_finds_it(share_lab, options, by_mapping, by_filter):
    """RFC 4787 REQ-11: a host whose port another host has is served as well as the first; over UDP and TCP."""
    lab, server = share(share_lab, Bauta, *options)
    first = lab.A.udp(50500)
    assert ask(first, server.at(), SURE_S)
    assert mapping(server, by_udp(lab.A2.udp(50500))) == by_mapping
    assert filtering(server, lab.A2.udp(50501)) == by_filter
    kept = ask_tcp(lab.A, 50500, server.at())[0]
    assert mapping(server, by_tcp(lab.A2, 50500)) == by_mapping
    kept.close()


def test_masquerade_is_endpoint_independent_for_one_client_only(lab, server):
    """A client alone finds a good NAT; the second on its port does not (RFC 4787 REQ-1, REQ-11)."""
    lab.use(NftMasquerade())
    first = lab.A.udp(5000)
    assert mapping(server, by_udp(first)) == OPEN
    assert filtering(server, lab.A.udp(5001)) == BY_BOTH
    second = lab.A2.udp(5000)
    elsewhere = lab.B2.udp(7000)
    second.sendto(b"x", (lab.B2.address, 7000))
    assert elsewhere.recvfrom(10)[1][1] == 5000
    assert ask(second, server.at(), SURE_S).xor_mapped[1] != 5000


def late_answer(server, client, other, limit_s=1.0):
    """Asks from another socket for an answer to where the client was mapped (RFC 5780 §4.6); whether the client gets it."""
    transaction, message = request(response_port=client.mapped[1])
    other.sendto(message, server.at())
    return hear(client.socket, transaction, limit_s) is not None


def idle(bauta, client):
    """For how many seconds the session of the client with the server has been idle; None if it is gone."""
    found = bauta.sessions(f"internal={client.address}")
    return found[0]["idle_s"] if found else None


class Client:
    """A socket that the server has seen at `mapped`."""

    def __init__(self, host, server):
        self.socket = host.udp()
        self.address = f"{host.address}:{self.socket.getsockname()[1]}"
        self.mapped = ask(self.socket, server.at(), SURE_S).xor_mapped


@pytest.mark.parametrize("options, lives", [((), 300), (("--timeout", "udp=150"), 150)], ids=["default", "150 s"])
def test_lifetime(lab, server, options, lives):
    """A mapping hears its remote shortly before the end of its time, and not after it."""
    bauta = lab.use(Bauta(PORTS, *options, clock_factor=80))
    client, other = Client(lab.A, server), lab.A.udp()
    until(lambda: idle(bauta, client) >= lives * 0.85, "for most of its time")
    assert late_answer(server, client, other)
    until(lambda: idle(bauta, client) is None, "for the end of the session", 10)
    assert not late_answer(server, client, other, 0.4)


@pytest.mark.parametrize("refreshes", [False, True], ids=["default", "inbound-refresh"])
def test_who_refreshes(lab, server, refreshes):
    """Answers alone keep a mapping only with --inbound-refresh (RFC 4787 REQ-6a)."""
    bauta = lab.use(Bauta(PORTS, *["--inbound-refresh"] * refreshes, clock_factor=100))
    client, other = Client(lab.A, server), lab.A.udp()
    for number, wanted in enumerate([120] * 4 if refreshes else [100, 200, 360, 480], 1):  # of 300, which are three seconds
        until(lambda: (idle(bauta, client) or 999) >= wanted, f"for {wanted} s of idleness")
        heard = late_answer(server, client, other, 0.4)
        if number <= 2 or refreshes:
            assert heard, number
    assert heard is refreshes


def crosses(sender, receiver, limit_s):
    """Whether a STUN request from one client to where the other was mapped arrives, and where it seems to come from."""
    transaction, message = request()
    sender.socket.sendto(message, receiver.mapped)
    receiver.socket.settimeout(limit_s)
    try:
        got, source = receiver.socket.recvfrom(2048)
    except TimeoutError:
        return None
    assert got[8:20] == transaction
    return source


@pytest.mark.parametrize("options, at_once, after_both", [
    (MODES[0][0], False, True), (MODES[1][0], True, True), (MODES[2][0], False, True), (MODES[3][0], False, False)
], ids=IDS)
@pytest.mark.parametrize("peer", ["A", "A2"])
def test_hairpin(share_lab, options, at_once, after_both, peer):
    """RFC 5780 §3.4, to oneself and to another: each sees the other's external endpoint, and filters hold inside too."""
    lab, server = share(share_lab, Whole, *options)
    one, two = Client(lab.A, server), Client(lab.hosts[peer], server)
    for sender, receiver, arrives in ((one, two, at_once), (two, one, after_both), (one, two, after_both)):
        wanted = sender.mapped if arrives else None
        assert crosses(sender, receiver, SURE_S if arrives else 0.4) == wanted, "after both have sent, where at all"


def test_hairpin_as_coturns_client_finds_it(share_lab):
    lab, server = share(share_lab, Whole, "--filtering", OPEN)
    text = lab.A.do("turnutils_natdiscovery", "-H", server.addresses[0], limit_s=20)
    assert "Received a request (maybe a successful hairpinning)" in text


def test_padded_messages_in_fragments(share_lab):
    """RFC 5780 §3.5: an answer that is larger than the MTU."""
    lab, server = share(share_lab, Bauta)
    assert ask(lab.A.udp(), server.at(), SURE_S, padding=1400), "one that is as long as the MTU"
    assert ask(lab.A.udp(), server.at(), SURE_S, padding=2000), "one that is longer"
