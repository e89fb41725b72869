# SPDX-License-Identifier: GPL-2.0-or-later
"""How long silence is borne, and what breaks it."""

from line import INSIDE, REMOTE, Connection, Line
from scapy.layers.inet import ICMP, IP, UDP, IPerror, UDPerror
from trial import decide, no, probe, unknown, yes

UDP_ENTRY = ("udp", INSIDE, 5000)
TCP_ENTRY = ("tcp", INSIDE, 5000)
GRACE_S = 3  # of real time, in which a gateway may look for what has expired


class UdpMapping:
    """A mapping that one datagram from inside has made, and whether its remote can still be heard on it."""

    entry = UDP_ENTRY

    def __init__(self, trial, dport=7000, wish=None, **options):
        self.trial, self.dport, self.wish, self.options = trial, dport, wish or {}, options
        self.line = self.external = None

    def setup(self, **options):
        self.line = Line(self.trial.open_with(self.wish, **self.options, **options))
        self.refresh()

    def refresh(self):
        self.external = self.line.udp(5000, self.dport)

    def is_alive(self):
        return self.line.udp_back(self.dport, self.external) == 5000


class QuerySession(UdpMapping):
    entry = ("icmp", INSIDE, None)

    def refresh(self):
        self.external = self.line.echo(77)

    def is_alive(self):
        return self.line.echo_back(self.external) == 77


class TcpState(UdpMapping):
    """A connection brought into a state, and a segment that shows whether it is still known."""

    entry = TCP_ENTRY

    def __init__(self, trial, state, **options):
        super().__init__(trial, **options)
        self.state = state
        self.connection = None

    def refresh(self):
        self.connection = connection = Connection(self.line)
        if self.state == "opening":
            connection.send("out", "S")
            return
        assert connection.open() and connection.chat(), "the connection cannot be opened"
        if self.state in ("half-closed", "closing"):
            assert connection.send("out", "FA") and connection.send("back", "A"), "a FIN does not cross"
        if self.state == "closing":
            assert connection.send("back", "FA") and connection.send("out", "A"), "the second FIN does not cross"
        if self.state in ("reset", "revived"):
            assert connection.send("back", "RA"), "a RST does not cross"
        if self.state == "revived":
            connection.send("out", "PA", b"data")
            connection.send("back", "A")

    def is_alive(self):
        if self.state == "opening":
            return self.connection.send("back", "SA") is not None
        if self.state == "closing":
            self.connection.seq["back"] -= 1
            return self.connection.send("back", "FA") is not None
        return self.connection.send("back", "PA", b"late") is not None


def lives(trial, state, seconds):
    return trial.outlives(seconds, state.setup, state.is_alive, state.entry)


def settable(trial, state, seconds):
    """Alive shortly before the time that was set, and gone soon after."""
    if not trial.can_hurry:
        state.setup()
        left = trial.gateway.expires(*state.entry)
        return decide(abs(left - seconds) <= 1, f"set to {seconds} s, and it is {left} s")
    verdict = lives(trial, state, seconds)
    if verdict.answer != "yes":
        return verdict
    state.setup(seconds=seconds, span_s=5)
    late = seconds + GRACE_S * trial.factor
    trial.pause(trial.now(), late)
    return decide(not state.is_alive(), f"set to {seconds} s, and it is there after {late:.0f} s")


@probe("4787 REQ-5")
def udp_mapping_lives_two_minutes(trial):
    return lives(trial, UdpMapping(trial), 120)


@probe("4787 REQ-5c")
def udp_mapping_lives_five_minutes(trial):
    return lives(trial, UdpMapping(trial), 300)


@probe("4787 REQ-5a")
def udp_timer_of_one_remote_port(trial):
    """30 s toward port 53, while another port keeps its long one."""
    options = {"timeout": ["udp:53=30", "udp=200"]}
    if trial.can_hurry:
        options["below_rfc"] = True
    short = settable(trial, UdpMapping(trial, 53, **options), 30)
    if short.answer != "yes":
        return short
    return settable(trial, UdpMapping(trial, 7000, **options), 200)


@probe("4787 REQ-5b")
def udp_timer_is_a_setting(trial):
    return settable(trial, UdpMapping(trial, timeout=["udp=180"]), 180)


@probe("4787 REQ-6")
def packets_from_inside_refresh(trial):
    """Every 100 s for 600 s, and B is silent."""
    mapping = UdpMapping(trial)
    if not trial.can_hurry:
        mapping.setup()
        left = trial.gateway.expires(*UDP_ENTRY)
        trial.pause(trial.now(), 2.2)
        mapping.refresh()
        again = trial.gateway.expires(*UDP_ENTRY)
        return decide(again >= left - 1, f"{left} s, then {again} s", "a second packet starts the timer anew")
    mapping.setup(seconds=600, span_s=3)
    first = mapping.external
    for _ in range(6):
        trial.pause(trial.now(), 100)
        mapping.refresh()
        if mapping.external != first:
            return no(f"{first} becomes {mapping.external}")
    return decide(mapping.is_alive(), "gone after 600 s with a packet every 100 s")


@probe("7857 §7")
def refused_packets_refresh_nothing(trial):
    """A stranger that the filter keeps out sends all the time, also where packets from outside may refresh."""
    mapping = UdpMapping(trial, wish={"inbound_refresh": True, "filtering": "address-dependent"})

    def knock():
        stranger = trial.lab.phantom(trial.lab.B, "192.0.2.78")
        return mapping.line.udp_back(7000, mapping.external, remote=stranger)

    return dies_in_spite_of(trial, mapping, knock)


def dies_in_spite_of(trial, mapping, act):
    if not trial.can_hurry:
        mapping.setup()
        trial.pause(trial.now(), 2.2)
        before = trial.gateway.expires(*mapping.entry)
        act()
        after = trial.gateway.expires(*mapping.entry)
        return decide(after <= before, f"{before} s become {after} s")
    mapping.setup(seconds=300, span_s=3)
    start = trial.now()
    for _ in range(6):
        trial.pause(trial.now(), 60)
        act()
    trial.pause(start, 380)
    return decide(not mapping.is_alive(), "alive after 380 s")


@probe("7857 §7.1")
def error_answers_refresh_nothing(trial):
    """The datagrams of B are answered by ICMP 3/3 of A."""
    mapping = UdpMapping(trial)

    def refuse():
        cause = IP(src=REMOTE, dst=INSIDE) / UDP(sport=7000, dport=5000) / b"y"
        return mapping.line.out(IP(src=INSIDE, dst=REMOTE) / ICMP(type=3, code=3) / bytes(cause))

    return dies_in_spite_of(trial, mapping, refuse)


@probe("5508 REQ-6")
def errors_about_queries_change_nothing(trial):
    """They do not end the session, and do not keep it."""
    session = QuerySession(trial)

    def error():
        quote = IP(src=session.external[0], dst=REMOTE) / ICMP(id=session.external[1], seq=1) / b"12345678"
        packet = IP(src="192.0.2.90", dst=session.external[0]) / ICMP(type=11) / bytes(quote)
        return session.line.back(packet)

    if not trial.can_hurry:
        session.setup()
        trial.pause(trial.now(), 2.2)
        before = trial.gateway.expires(*session.entry)
        if not error():
            return no("the error does not arrive")
        after = trial.gateway.expires(*session.entry)
        return decide(0 < after <= before and session.is_alive(), f"{before} s become {after} s")
    session.setup(seconds=60, span_s=3)
    start = trial.now()
    for _ in range(4):
        trial.pause(trial.now(), 10)
        if not error():
            return no("the error does not arrive")
    if not session.is_alive():
        return no("the session is gone") if trial.now() - start < 58 else unknown("too late to ask")
    for _ in range(3):
        trial.pause(trial.now(), 10)
        error()
    trial.pause(start, 75)
    return decide(not session.is_alive(), "alive after 75 s")


@probe("5508 REQ-2")
def query_session_lives_a_minute(trial):
    return lives(trial, QuerySession(trial), 60)


@probe("5508 REQ-2a")
def query_timer_is_a_setting(trial):
    return settable(trial, QuerySession(trial, timeout=["icmp=90"]), 90)


@probe("5382 REQ-5 established")
def established_connection_lives_two_hours(trial):
    return lives(trial, TcpState(trial, "established"), 7440)


@probe("5382 REQ-5 half-closed")
def half_closed_connection_lives_two_hours(trial):
    return lives(trial, TcpState(trial, "half-closed"), 7440)


@probe("5382 REQ-5 opening")
def half_open_connection_lives_four_minutes(trial):
    return lives(trial, TcpState(trial, "opening"), 240)


@probe("5382 REQ-5 closing", "5382 §5 TIME_WAIT")
def closed_connection_lives_four_minutes(trial):
    return lives(trial, TcpState(trial, "closing"), 240)


@probe("7857 §2.2 state")
def reset_connection_lives_four_minutes(trial):
    return lives(trial, TcpState(trial, "reset"), 240)


@probe("7857 §2")
def data_after_a_reset_revives_a_connection(trial):
    """A RST from outside that A does not believe: the connection goes on, with its long timer."""
    return lives(trial, TcpState(trial, "revived"), 7440)


@probe("5382 REQ-5a")
def established_timer_is_a_setting(trial):
    return settable(trial, TcpState(trial, "established", timeout=["tcp-established=9000"]), 9000)


@probe("7857 §2.1")
def opening_and_closing_have_timers_of_their_own(trial):
    options = {"timeout": ["tcp-opening=300", "tcp-closing=400"]}
    opening = settable(trial, TcpState(trial, "opening", **options), 300)
    if opening.answer != "yes":
        return opening
    return settable(trial, TcpState(trial, "closing", **options), 400)


@probe("4787 §9")
def errors_are_passed_on_as_long_as_the_mapping_lives(trial):
    """An error about a datagram that was sent 200 s ago."""
    mapping = UdpMapping(trial)

    def is_told():
        quote = IP(src=mapping.external[0], dst=REMOTE) / UDP(sport=mapping.external[1], dport=7000) / b"x"
        seen = mapping.line.back(IP(src=REMOTE, dst=mapping.external[0]) / ICMP(type=3, code=3) / bytes(quote))
        return any(IPerror in packet and packet[UDPerror].sport == 5000 for packet in seen)

    return trial.outlives(200, mapping.setup, is_told, mapping.entry)


@probe("6888 REQ-8")
def a_freed_port_can_be_made_to_rest(trial):
    """One port; its mapping has ended, and another host asks within 120 s, and again later."""
    lab = trial.open(ports="50000", seconds=420, span_s=4, rest=120)
    first, second = Line(lab, "192.168.0.77"), Line(lab, "192.168.0.78")
    if first.udp(5000, 7000) is None:
        return no("no port at all")
    trial.pause(trial.now(), 330)
    if second.udp(5000, 7000) is not None:
        return no("another host has it at once")
    for _ in range(8):
        trial.pause(trial.now(), 130)
        if second.udp(5000, 7000) is not None:
            return yes()
    return no("it rests for ever")
