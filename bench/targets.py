# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures of one run are held against: ratios and differences of variants that were measured side by side.

What a variant adds is defined in report.EXPLAINED. Each comparison is of one round, and the median of the rounds is judged.
"""

MANY = {1 << 20: 220, 1 << 22: 260}     # sessions: ns that translating may add to the bare redirect
FEW = 1024                              # sessions at which ratios are asked for
PAIR_OCCUPANCY = 0.9999
PAIR_NS = 100
SESSION_BYTES = 96
CREATES = {"bauta": "tc", "create": "xdp with --fast-create"}   # variants, and where they create sessions, or refuse to
LARGE = 1 << 20                         # a table beside which what every gateway has, large or small, counts little


def target(what, value, limit, unit="", at_least=False):
    """One line. unit: "" for a ratio, "1/" for one that reads better upside down, else a unit of measure."""
    met = value >= limit if at_least else value <= limit
    sign = "at least" if at_least else "at most"
    excess = limit / value if at_least else value / limit
    if unit == "1/":
        texts = f"{sign} 1/{1 / limit:.0f}", f"1/{1 / value:.1f}" if 0 < value else f"{value:.2f}", f"{excess:.2f} times too much"
    elif unit:
        texts = f"{sign} {limit} {unit}", f"{value:.0f} {unit}", f"{value - limit:.0f} {unit} too much"
    else:
        texts = f"{sign} {limit}", f"{value:.2f}", f"{excess:.2f} times too {'little' if at_least else 'much'}"
    return {"what": what, "limit": limit, "value": value, "met": met, "limit_text": texts[0], "value_text": texts[1],
            "by": texts[2]}


def of_packets(entries):
    for entry in entries:
        row = f"{entry['sessions']} sessions, {entry['size']} bytes, {entry['direction']}"
        if entry["sessions"] == FEW and "xdp_to_nft" in entry:
            yield target(f"xdp adds, of what nftables masquerade adds: {row}", entry["xdp_to_nft"]["median"], 0.1, "1/")
        if entry["sessions"] == FEW and "xdp_to_redirect" in entry:
            yield target(f"xdp adds, of what the bare redirect adds: {row}", entry["xdp_to_redirect"]["median"], 1.25)
        if entry["sessions"] in MANY and "xdp_above_redirect" in entry:
            yield target(f"xdp adds more than the bare redirect: {row}", entry["xdp_above_redirect"]["median"],
                         MANY[entry["sessions"]], "ns")
        if "bauta_to_nft" in entry:
            yield target(f"tc adds, of what nftables masquerade adds: {row}", entry["bauta_to_nft"]["median"], 0.75)


def of_creation(entries):
    for entry in entries:
        for name, said in CREATES.items():
            value = entry.get(f"nft_to_{name}")
            if value:
                yield target(f"sessions created a second, by nftables': {said}, {entry['sessions']} sessions",
                             value["median"], 3, at_least=True)


def of_ports(ports):
    for entry in ports["choice"]:
        if entry["occupancy"] == PAIR_OCCUPANCY:
            yield target(f"a port found, taken and given back with {100 * PAIR_OCCUPANCY:.4g} % in use",
                         entry["pair"]["median"], PAIR_NS, "ns")
    for entry in ports["refusal"]:
        if "nft_to_it" in entry:
            yield target(f"a refused packet costs, of nftables': {CREATES[entry['variant']]}, {entry['kind']}, "
                         f"{entry['batch']} at a time", 1 / entry["nft_to_it"]["median"], 0.02, "1/")


def of_memory(entries):
    for entry in entries:
        if entry["variant"] == "bauta" and entry["sessions"] >= LARGE:
            yield target(f"memory of a session, {entry['sessions']} sessions", entry["bytes_per_session"], SESSION_BYTES, "bytes")


def of_streams(streams):
    for entry in streams["streams"]:
        row = f"TCP throughput, {entry['num']} {'streams' if entry['num'] > 1 else 'stream'}"
        for base, least in (("plain", 0.95), ("nft", 1)):
            value = entry.get(f"gbit_bauta_to_{base}")
            if value and entry["gso"]:
                yield target(f"{row}: tc by {base}", value["median"], least, at_least=True)
    for entry in streams["latency"]:
        for what in ("p50", "p99"):
            value = entry.get(f"{what}_bauta_to_nft")
            if value and entry["gso"]:
                yield target(f"latency under load, {what}: tc by nft", value["median"], 1)


def judge(results):
    """A line for each target that there is a figure for."""
    return [*of_packets(results["packets"]), *of_creation(results["creation"]), *of_memory(results["memory"]),
            *(of_ports(results["ports"]) if results["ports"] else ()),
            *(of_streams(results["streams"]) if results.get("streams") else ())]
