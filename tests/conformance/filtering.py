# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may send to an external endpoint that is mapped: everybody, whoever was sent to, or only that very endpoint."""

from line import Connection, Line
from scapy.layers.inet import IP, TCP
from trial import decide, no, probe

MODES = ("endpoint-independent", "address-dependent", "address-and-port-dependent")
STRANGER = "192.0.2.78"


def classify(other_address, other_port):
    """The mode, from whether a stranger's packet came in, and one from another port of the remote."""
    return MODES[0] if other_address else MODES[1] if other_port else MODES[2]


def udp_filtering(lab):
    """RFC 5780 §4.4, in the words of packets: the strangers speak only after the mapping was made."""
    line = Line(lab)
    external = line.udp(5000, 7000)
    stranger = lab.phantom(lab.B, STRANGER)
    if line.udp_back(7000, external) != 5000:
        return "closed to the remote itself"
    other_port = line.udp_back(7001, external)
    return classify(line.udp_back(7000, external, remote=stranger), other_port)


def tcp_filtering(lab):
    line = Line(lab)
    connection = Connection(line)
    if not connection.open():
        return "closed to the remote itself"
    stranger = lab.phantom(lab.B, STRANGER)

    def syn(remote, port):
        packet = IP(src=remote, dst=connection.external[0]) / TCP(sport=port, dport=connection.external[1], seq=5)
        return any(TCP in seen and seen[TCP].dport == 5000 for seen in line.back(packet))

    other_port = syn(line.remote, 7001)
    return classify(syn(stranger, 7000), other_port)


@probe("4787 REQ-8")
def udp_filtering_is_transparent_enough(trial):
    mode = udp_filtering(trial.open())
    return decide(mode in MODES[:2], mode, mode)


@probe("5382 REQ-3")
def tcp_filtering_is_transparent_enough(trial):
    mode = tcp_filtering(trial.open())
    return decide(mode in MODES[:2], mode, mode)


@probe("4787 REQ-8a")
def udp_filtering_is_a_setting(trial):
    for mode in MODES:
        seen = udp_filtering(trial.open(filtering=mode))
        if seen != mode:
            return no(f"set to {mode}, and it is {seen}")
    return decide(True, "")


@probe("5382 REQ-3a")
def tcp_filtering_is_a_setting(trial):
    for mode in MODES:
        seen = tcp_filtering(trial.open(filtering=mode))
        if seen != mode:
            return no(f"set to {mode}, and it is {seen}")
    return decide(True, "")


@probe("5382 REQ-3b")
def tcp_and_udp_may_be_filtered_differently(trial):
    lab = trial.open(filtering=[f"tcp={MODES[1]}", f"udp={MODES[0]}"])
    seen = tcp_filtering(lab), udp_filtering(lab)
    return decide(seen == (MODES[1], MODES[0]), f"TCP {seen[0]}, UDP {seen[1]}")


@probe("6888 REQ-7")
def endpoint_independent_filtering_can_be_had(trial):
    lab = trial.open(filtering=MODES[0])
    seen = tcp_filtering(lab), udp_filtering(lab)
    return decide(seen == (MODES[0], MODES[0]), f"TCP {seen[0]}, UDP {seen[1]}")
