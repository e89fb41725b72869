# SPDX-License-Identifier: GPL-2.0-or-later
"""The external interface goes down, away, and comes back: sessions wait for it as long as its address may come back."""

from gateway import Bauta
from talk import accept, ask, chat
from wait import until

OWN = "192.0.2.1"
SECOND = "192.0.2.2"


class Flows:
    """A UDP flow and a TCP connection from A to B, whose own ports do not lie in the ranges."""

    def __init__(self, lab):
        self.server = lab.B.udp(7000)
        self.client = lab.A.udp(5000, remote=(lab.B.address, 7000))
        self.listener = lab.B.listen(7000)
        self.peer = ask(self.client, self.server)
        self.connection = lab.A.connect((lab.B.address, 7000))
        self.conn, _ = accept(self.connection, self.listener)

    def go_on(self):
        assert ask(self.client, self.server) == self.peer
        chat(self.connection, self.conn)


def remove(lab):
    """Deletes the external interface, as the end of a PPP connection does; returns the address of its link."""
    mac = lab.R.mac()
    lab.R.ip("link del eth0")
    return mac


def bring_back(lab, mac, *addresses):
    """A new interface of the old name. Its link address stays, so that nobody outside has to ask for it anew."""
    lab.lay(lab.R, "eth0", "out")
    lab.R.ip(f"link set eth0 address {mac}", *(f"addr add {address}/24 dev eth0" for address in addresses))


def test_down_and_up(lab):
    bauta = lab.use(Bauta("50000-50009"))
    flows = Flows(lab)
    lab.R.ip("link set eth0 down")
    bauta.daemon.wait_text(r"^bauta: eth0 is down: .*$")
    assert len(bauta.sessions()) == 2
    lab.R.ip("link set eth0 up")
    bauta.daemon.wait_text(r"^bauta: eth0 is up again$")
    flows.go_on()
    assert len(bauta.sessions()) == 2


def test_comes_back_with_its_address(lab):
    """Another interface, to the kernel: the filters are attached anew, the sessions are those of before."""
    bauta = lab.use(Bauta("50000-50009"))
    flows = Flows(lab)
    mac = remove(lab)
    bauta.daemon.wait_text(r"^bauta: eth0 is gone: .*$")
    assert len(bauta.sessions()) == 2
    bring_back(lab, mac, OWN)
    bauta.daemon.wait_text(r"^bauta: eth0 is back, .*$")
    until(lambda: bauta.status()["external"] == OWN, "for its address")
    flows.go_on()
    assert len(bauta.sessions()) == 2


def test_comes_back_with_another_address(lab):
    """Sessions of the address that is gone end with that, and not before."""
    bauta = lab.use(Bauta("50000-50009"))
    flows = Flows(lab)
    mac = remove(lab)
    bauta.daemon.wait_text(r"^bauta: eth0 is gone: .*$")
    assert len(bauta.sessions()) == 2
    bring_back(lab, mac, SECOND)
    until(lambda: bauta.status()["external"] == SECOND, "for the new address")
    bauta.wait_sessions(0)
    assert ask(flows.client, flows.server)[0] == SECOND
    bauta.fsck()


def two_addresses(lab):
    """A gateway that is seen as OWN and SECOND, and a UDP flow of a host for each: {address: (client, server)}."""
    lab.R.ip(f"addr add {SECOND}/24 dev eth0")
    bauta = lab.use(Bauta("50000-50009", "--external", OWN, "--external", SECOND))
    server, flows = lab.B.udp(7000), {}
    for number in range(100, 160):
        lab.A.ip(f"addr add 192.168.0.{number}/24 dev eth0")
        client = lab.A.udp(5000, address=f"192.168.0.{number}", remote=(lab.B.address, 7000))
        flows.setdefault(ask(client, server)[0], (client, server))
        if len(flows) == 2:
            return bauta, flows
    raise AssertionError(f"all hosts are seen as {set(flows)}")


def test_comes_back_with_one_address_after_the_other(lab):
    """All that are listed are waited for before sessions of any are ended."""
    bauta, flows = two_addresses(lab)
    peers = {address: ask(*flow) for address, flow in flows.items()}
    mac = remove(lab)
    bauta.daemon.wait_text(r"^bauta: eth0 is gone: .*$")
    bring_back(lab, mac, OWN)
    until(lambda: bauta.status()["externals"] == [OWN], "for the first address")
    lab.R.ip(f"addr add {SECOND}/24 dev eth0")
    until(lambda: bauta.status()["externals"] == [OWN, SECOND], "for the second address")
    for address, flow in flows.items():
        assert ask(*flow) == peers[address]


def test_comes_back_without_one_of_its_addresses(lab):
    """It is not waited for for ever, or a flow that is kept alive would be stuck to it."""
    bauta, flows = two_addresses(lab)
    peer = ask(*flows[OWN])
    mac = remove(lab)
    bauta.daemon.wait_text(r"^bauta: eth0 is gone: .*$")
    bring_back(lab, mac, OWN)
    bauta.daemon.wait_text(r"^bauta: eth0 is back without some of its external addresses; .*$", limit_s=15)
    bauta.wait_sessions(0, f"external={SECOND}")
    assert ask(*flows[SECOND])[0] == OWN
    assert ask(*flows[OWN]) == peer


def test_renamed(lab):
    """An interface of another name is not served; under its old name it is again."""
    bauta = lab.use(Bauta("50000-50009"))
    flows = Flows(lab)
    lab.R.ip("link set eth0 down", "link set eth0 name other0", "link set other0 up")
    bauta.daemon.wait_text(r"^bauta: eth0 is gone: .*$")
    lab.R.ip("link set other0 down", "link set other0 name eth0", "link set eth0 up")
    bauta.daemon.wait_text(r"^bauta: eth0 is back, .*$")
    flows.go_on()
