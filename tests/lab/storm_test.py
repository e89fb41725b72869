# SPDX-License-Identifier: GPL-2.0-or-later
"""A storm over the wires, from inside, from the host and from outside at once: good packets, refused ones, filtered
ones, fragments, garbage. Packets in = packets out + those of each reason, by the kernel's own counters; every failure
is kept, and every event told or counted with one that is. tests/prog/storm_test.c does the same with a million packets,
without wires. The seed is printed; BAUTA_SEED=… repeats a run."""

import concurrent.futures
import errno

import pytest
from accounts import Accounts
from garbage import mutate, originals, seeded
from gateway import Bauta
from scapy.layers.inet import IP, TCP, UDP
from talk import accept, ask, chat
from wait import until

NUM = 5000  # from each side
BATCH = 250  # as many are under way
EVENTS = ("no-port", "no-room", "no-address", "refused-clash", "translated-clash", "shared")
RING = 4096


@pytest.fixture
def chance():
    return seeded()


def weather(chance, kinds, num, spoiled):
    """num packets of these kinds, some of them spoiled."""
    chosen = (chance.choice(kinds) for _ in range(num))
    return [mutate(chance, kind) if chance.random() < spoiled else kind for kind in chosen]


def from_inside(lab, outside):
    """Of two hosts with more endpoints than there are ports, and some that no host can have."""
    kinds = []
    for number in range(12):
        src = ("192.168.0.5", "192.168.0.77")[number % 2]
        kinds += originals(src, outside, 5000 + number, 7000 + number % 3, src)
    for src, dst in (("127.0.0.1", outside), ("192.168.0.5", "224.0.0.251"), ("240.0.0.1", outside)):
        kinds.append(bytes(IP(src=src, dst=dst) / UDP(sport=5000, dport=7000) / b"filtered"))
    return kinds


def from_host(lab, outside):
    """On ports that sessions have, so that they clash, and on others."""
    kinds = []
    for port in (50000, 50001, 50002, 40000):
        kinds += originals(lab.R.external, outside, port, 7000, lab.R.external)
        kinds += [bytes(IP(src=lab.R.external, dst=outside) / TCP(sport=port, dport=7001, flags="S"))] * 4
    return kinds


def from_outside(lab, outside):
    kinds = []
    for port in (50000, 50001, 50002, 40000, 22):
        kinds += originals(outside, lab.R.external, 7000, port, lab.R.external)
    kinds.append(bytes(IP(src=outside, dst="192.0.2.99") / UDP(sport=7000, dport=50000) / b"not for us"))
    return kinds


def send(host, packets):
    """One by one: whom the gateway drops or refuses at the egress, a packet socket of this machine hears of."""
    for packet in packets:
        try:
            host.send(packet)
        except OSError as problem:
            assert problem.errno == errno.ENOBUFS, problem


def rage(lab, storms):
    """All of them at once, a batch at a time, so that no queue of the kernel overflows."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for start in range(0, NUM, BATCH):
            batches = [(host, packets[start : start + BATCH]) for host, packets in storms]
            for done in [pool.submit(send, *batch) for batch in batches]:
                done.result()
            lab.settle()


def failures_kept(bauta, reason):
    return len(bauta.json("explain", "--last", "-n", "0", f"reason={reason}"))


def test_books_are_balanced_in_a_storm(make_lab, chance):
    lab = make_lab(offload=False)
    lab.meet()
    bauta = lab.use(Bauta("50000-50002"))
    watch = bauta.watch()
    outside = lab.phantom(lab.B, "192.0.2.77")
    # a connection that the storm goes round
    server = lab.B.listen(7001)
    client = lab.A2.connect((lab.B.address, 7001))
    conn, _ = accept(client, server)
    lab.settle()
    for host in (lab.A, lab.R, lab.B):
        host.wire()  # a thread's network is its own
    books = Accounts(lab, bauta)
    storms = [
        (lab.A, weather(chance, from_inside(lab, outside), NUM, 0.2)),
        (lab.R, weather(chance, from_host(lab, outside), NUM, 0.2)),
        (lab.B, weather(chance, from_outside(lab, outside), NUM, 0.2)),
    ]
    rage(lab, storms)
    reasons = books.check()
    assert {"new", "outbound", "inbound", "no-port", "refused-clash", "protocol", "martian", "fragment"} <= set(reasons)
    assert len(reasons) >= 20, reasons

    def told():
        """By event: one each, and those that it was told of with it. The last of them some seconds after the storm."""
        sums = dict.fromkeys(EVENTS, 0)
        for event in watch.events():
            sums[event["reason"]] += event["suppressed"] + (event["proto"] is not None)
        return {reason: count for reason, count in sums.items() if count}

    expected = {reason: reasons[reason] for reason in EVENTS if reason in reasons}
    until(lambda: told() == expected, lambda: f"for all events: {expected}; told so far: {told()}", 10)
    for reason in ("no-port", "refused-clash", "protocol"):
        assert failures_kept(bauta, reason) == min(reasons[reason], RING)
    chat(client, conn)
    bauta.fsck()
    assert bauta.daemon.running


def test_suppressed_events_are_told_without_another(make_lab):
    """The last events of a burst: nothing comes after them that could bring their number."""
    lab = make_lab(offload=False)
    lab.meet()
    bauta = lab.use(Bauta("50000"))
    watch = bauta.watch()
    server = lab.B.udp(7000)
    ask(lab.A.udp(5000, remote=(lab.B.address, 7000)), server)
    crowd = lab.A2.udp(5001)
    for _ in range(500):
        crowd.sendto(b"x", (lab.B.address, 7000))
    lab.settle(lab.A2)
    last = watch.wait(lambda event: event["proto"] is None, 10)
    assert (last["reason"], last["internal"], last["remote"], last["owner"]) == ("no-port", None, None, "nobody")
    assert sum(event["suppressed"] + (event["proto"] is not None) for event in watch.events()) == 500
    line = bauta.daemon.wait_text(r"^bauta: no-port: (\d+) more were not reported").group(1)
    assert int(line) == last["suppressed"]
