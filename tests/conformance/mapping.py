# SPDX-License-Identifier: GPL-2.0-or-later
"""Which external endpoint an internal one gets, by the order of flows that shows more than one host alone does."""

from line import Connection, Line
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw
from trial import decide, no, probe, yes

POOL = [f"192.0.2.{number}" for number in range(101, 105)]
PORTS = (7001, 7002)


def udp_seen(lab, host, port):
    """A function: where B or B2 sees this host's socket on that port."""
    client = host.udp(port)
    servers = {}

    def seen(far, dport):
        server = servers.setdefault((far, dport), (lab.servers.get((far, dport)) or far.udp(dport)))
        lab.servers[far, dport] = server
        client.sendto(b"x", (far.address, dport))
        return server.recvfrom(10)[1]

    return seen


def tcp_seen(lab, host, port):
    """The same for connections of one port, of which each sends its SYN only."""
    inside = {lab.A: "192.168.0.77", lab.A2: "192.168.0.78"}[host]

    def seen(far, dport):
        remote = {lab.B: "192.0.2.77", lab.B2: "192.0.2.78"}[far]
        connection = Connection(Line(lab, inside, remote, host, far), port, dport)
        connection.send("out", "S")
        return connection.external

    return seen


def icmp_seen(lab, host, port):
    inside = {lab.A: "192.168.0.77", lab.A2: "192.168.0.78"}[host]

    def seen(far, dport):
        remote = {lab.B: f"192.0.2.7{dport % 10}", lab.B2: f"192.0.2.8{dport % 10}"}[far]
        return Line(lab, inside, remote, host, far).echo(port)

    return seen


def three_steps(trial, seen, port=5001):
    """A→B:1, A2→B:2, A2→B:1, A2→B2:1: A2 stays where it is, which is not where A is."""
    lab = trial.open()
    lab.servers = {}
    first, second = seen(lab, lab.A, port), seen(lab, lab.A2, port)
    of_first = first(lab.B, PORTS[0])
    steps = [second(lab.B, PORTS[1]), second(lab.B, PORTS[0]), second(lab.B2, PORTS[0])]
    if None in (of_first, *steps):
        return no("a packet did not cross")
    ports = list(dict.fromkeys(step[1] for step in steps))
    if len(set(steps)) != 1:
        return no("the second host moves: " + ", ".join(map(str, ports)))
    return yes(f"the second host stays at {ports[0]}")


@probe("4787 REQ-1")
def udp_mapping_is_endpoint_independent(trial):
    return three_steps(trial, udp_seen)


@probe("5382 REQ-1")
def tcp_mapping_is_endpoint_independent(trial):
    return three_steps(trial, tcp_seen)


@probe("5508 REQ-1a")
def identifier_is_endpoint_independent(trial):
    return three_steps(trial, icmp_seen, 77)


def apart(trial, seen):
    """Two hosts with one source port, toward two ports of one remote: two external endpoints."""
    lab = trial.open()
    lab.servers = {}
    first, second = seen(lab, lab.A, 5001)(lab.B, PORTS[0]), seen(lab, lab.A2, 5001)(lab.B, PORTS[1])
    return decide(None not in (first, second) and first != second, f"both are {first and first[1]}", f"{first}, {second}")


@probe("4787 REQ-3")
def udp_endpoints_are_not_shared(trial):
    return apart(trial, udp_seen)


@probe("5382 REQ-7")
def tcp_endpoints_are_not_shared(trial):
    return apart(trial, tcp_seen)


@probe("7857 §13")
def no_port_is_shared_toward_one_address(trial):
    """Two ports, three hosts, one remote address: the third is refused."""
    lab = trial.open(ports="50000-50001")
    seen = []
    for number in range(3):
        line = Line(lab, f"192.168.0.{77 + number}")
        seen.append(line.udp(5000, 7000 + number))
    ports = [endpoint[1] for endpoint in seen if endpoint]
    return decide(len(ports) == len(set(ports)), f"three hosts have {sorted(ports)}", f"{sorted(ports)}")


@probe("4787 REQ-11")
def third_host_is_treated_as_the_first(trial):
    """Three hosts with one source port, each to three remotes: each has one endpoint of its own, in any order."""
    lab = trial.open()
    seen = {}
    for dport in (7001, 7002, 7003):
        for number in (0, 1, 2) if dport != 7002 else (2, 1, 0):
            line = Line(lab, f"192.168.0.{77 + number}")
            seen.setdefault(number, set()).add(line.udp(5001, dport + number if dport == 7001 else dport))
    moved = sum(len(endpoints) != 1 for endpoints in seen.values())
    shared = len(set.union(*seen.values())) < 3
    return decide(not moved and not shared, f"{moved} of 3 move" if moved else "hosts share an endpoint")


@probe("4787 REQ-2", "6888 REQ-2")
def one_address_for_all_protocols(trial):
    """Four external addresses, eight hosts, three protocols, two remotes."""
    lab = trial.open(pool=POOL, prepare=lambda lab: lab.R.ip(*(f"addr add {one}/24 dev eth0" for one in POOL)))
    for number in range(8):
        seen = set()
        for remote in ("192.0.2.77", "192.0.2.78"):
            line = Line(lab, f"192.168.0.{70 + number}", remote)
            connection = Connection(line)
            connection.send("out", "S")
            seen |= {endpoint and endpoint[0] for endpoint in (line.udp(5000, 7000), line.echo(77), connection.external)}
        if len(seen) != 1:
            return no("a host has " + ", ".join(sorted(map(str, seen))))
    return yes()


@probe("4787 REQ-3a")
def low_ports_stay_low(trial):
    lab = trial.open()
    line = Line(lab)
    low, high = line.udp(123, 7000)[1], line.udp(40000, 7000)[1]
    return decide(low < 1024 <= high, f"123 becomes {low}", f"{low}, {high}")


@probe("4787 REQ-4")
def parity_stays(trial):
    """Ten ports of each kind of two hosts, so that half of them have to change."""
    lab = trial.open()
    changed = 0
    for inside in ("192.168.0.77", "192.168.0.78"):
        line = Line(lab, inside)
        changed += sum((line.udp(port, 7000)[1] - port) % 2 for port in range(5000, 5020))
    return decide(not changed, f"{changed} of 40 change")


@probe("7857 §5")
def protocols_have_mappings_of_their_own(trial):
    """One port: it serves TCP of one host and UDP of another."""
    lab = trial.open(ports="50000")
    connection = Connection(Line(lab, "192.168.0.77"))
    connection.open()
    udp = Line(lab, "192.168.0.78").udp(5000, 7000)
    return decide(udp and connection.external and udp[1] == connection.external[1] == 50000, f"UDP is at {udp}")


@probe("7857 §6")
def protocols_have_filters_of_their_own(trial):
    """A connection of A lets no datagram of its remote in, even where filters let everybody in."""
    lab = trial.open_with({"filtering": "endpoint-independent"})
    line = Line(lab)
    connection = Connection(line)
    connection.open()
    return decide(line.udp_back(7000, connection.external) is None, "a datagram comes in by a TCP mapping")


def changed_ports(lab, count):
    """The external ports of hosts that all send from one port, of which all but the first have to change."""
    seen = [Line(lab, f"192.168.0.{100 + number}").udp(5000, 7000) for number in range(count)]
    return [endpoint[1] for endpoint in seen if endpoint]


@probe("6056 §4", "7857 §9", "6888 REQ-15")
def changed_ports_are_no_sequence(trial):
    ports = changed_ports(trial.open(), 30)
    steps = [after - before for before, after in zip(ports[1:], ports[2:])]
    rising = sum(step > 0 for step in steps)
    good = ports[0] == 5000 and len(set(ports)) == 30 and len(set(steps)) > 24 and 5 < rising < len(steps) - 5
    return decide(good, f"{ports[:6]} …", f"{ports[:4]} …")


@probe("6056 §3.2")
def the_whole_range_is_used(trial):
    """30 ports, spread over most of what there is."""
    ports = changed_ports(trial.open(), 30)
    spread = max(ports) - min(ports)
    return decide(min(ports) >= 1024 and spread > 20000, f"from {min(ports)} to {max(ports)}", f"{min(ports)}–{max(ports)}")


@probe("6056 §3.2 services")
def ports_of_services_are_left_out(trial):
    """The gateway's machine has servers on the very ports that A sends from."""
    lab = trial.open(prepare=lambda lab: (lab.R.listen(5000, "0.0.0.0"), lab.R.udp(5000, "0.0.0.0")))
    line = Line(lab)
    udp = line.udp(5000, 7000)
    connection = Connection(line)
    connection.send("out", "S")
    taken = [name for name, seen in (("UDP", udp), ("TCP", connection.external)) if seen and seen[1] == 5000]
    return decide(not taken, f"{' and '.join(taken)} of A has the port of a server")


@probe("6888 REQ-1")
def other_protocols_are_not_half_translated(trial):
    """Two hosts with a protocol that has no ports: nobody could tell the answers apart."""
    lab = trial.open()
    seen = []
    for inside in ("192.168.0.77", "192.168.0.78"):
        line = Line(lab, inside)
        seen += line.out(IP(src=inside, dst=line.remote, proto=253) / Raw(b"12345678"))
    return decide(not seen, f"both leave from {seen[0].src}" if seen else "")


@probe("6888 REQ-3")
def ranges_need_not_be_contiguous(trial):
    lab = trial.open(ports="50000-50001,50005")
    seen = {Line(lab, f"192.168.0.{77 + number}").udp(5000, 7000) for number in range(3)}
    ports = sorted(endpoint[1] for endpoint in seen if endpoint)
    return decide(ports == [50000, 50001, 50005], f"{ports}")


@probe("6888 REQ-6")
def no_translation_to_some_destinations(trial):
    lab = trial.open(exclude=["192.0.2.80/32"])
    plain = Line(lab, remote="192.0.2.80")
    seen = plain.out(IP(src=plain.inside, dst=plain.remote) / UDP(sport=5000, dport=7000) / b"x")
    other = Line(lab, remote="192.0.2.81").udp(5000, 7000)
    good = seen and seen[0].src == plain.inside and other and other[0] == lab.R.external
    return decide(good, f"seen from {seen[0].src if seen else None}, others from {other and other[0]}")


@probe("5508 REQ-1")
def queries_and_replies_cross(trial):
    """Echo and timestamp."""
    lab = trial.open()
    line = Line(lab)
    external = line.echo(77)
    if not external or line.echo_back(external) != 77:
        return no("no echo")
    stamp = line.out(IP(src=line.inside, dst=line.remote) / ICMP(type=13, id=78, seq=1))
    if not stamp:
        return no("no timestamp request")
    answer = line.back(IP(src=line.remote, dst=stamp[0].src) / ICMP(type=14, id=stamp[0][ICMP].id, seq=1))
    return decide(answer and answer[0][ICMP].id == 78, "no timestamp reply")
