# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns samples into medians and ratios, and those into a table for people."""

import statistics

EXPECTED_RATIO = 0.75
EXPECTED_PAIR_NS = 100          # to find a port and give it back, at PAIR_OCCUPANCY
PAIR_OCCUPANCY = 0.9999
EXPECTED_REFUSAL = 50           # times cheaper than nftables'


def spread(samples):
    return {"median": round(statistics.median(samples), 4), "min": round(min(samples), 4),
            "max": round(max(samples), 4), "rounds": len(samples)}


def above(samples, base):
    """Per round: the sample without what the base took in that round. Rounds where either is missing are left out."""
    return {number: sample - base[number] for number, sample in samples.items() if number in base}


def ratio(samples, other):
    return [sample / other[number] for number, sample in samples.items() if other.get(number, 0) > 0]


def cost(rounds):
    """rounds: variant -> {round: CPU ns a packet}. Bare is subtracted from all others, round by round."""
    bare = rounds.get("bare", {})
    net = {name: above(samples, bare) for name, samples in rounds.items() if name != "bare"}
    result = {"variants": {name: spread(samples.values()) for name, samples in net.items() if samples}}
    if bare:
        result["bare"] = spread(bare.values())
    if "nft" in net and "bauta" in net:
        path = ratio(net["bauta"], net["nft"])
        if path:
            result["bauta_to_nft"] = spread(path)
        added = {name: above(net[name], net.get("plain", {})) for name in ("nft", "bauta")}
        translation = ratio(added["bauta"], added["nft"])
        if translation:
            result["bauta_to_nft_translation_only"] = spread(translation)
    return result


def cell(value):
    return f"{value['median']:.0f} [{value['min']:.0f}-{value['max']:.0f}]" if value else "-"


def ratio_cell(value):
    return f"{value['median']:.2f} [{value['min']:.2f}-{value['max']:.2f}]" if value else "-"


def table(header, rows):
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    lines = ["  ".join(str(field).rjust(width) for field, width in zip(row, widths)) for row in [header, *rows]]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def packets_table(entries, names):
    rows = [[entry["sessions"], entry["direction"], cell(entry.get("bare")),
             *(cell(entry["variants"].get(name)) for name in names),
             ratio_cell(entry.get("bauta_to_nft")), ratio_cell(entry.get("bauta_to_nft_translation_only"))]
            for entry in entries]
    return table(["sessions", "direction", "generator+sink", *names, "bauta/nft", "the same, less plain"], rows)


def creation_table(entries, names):
    def rate(entry, name):
        value = entry["variants"].get(name)
        return f"{1e6 / value['median']:.0f} k" if value and value["median"] > 0 else "-"
    rows = [[entry["sessions"], *(cell(entry["variants"].get(name)) for name in names),
             *(rate(entry, name) for name in names)] for entry in entries]
    return table(["sessions", *(f"{name}, ns" for name in names), *(f"{name}, per s" for name in names)], rows)


def memory_table(entries):
    rows = [[entry["variant"], entry["sessions"], f"{entry['bytes_per_session']:.0f}",
             f"{entry['available_delta_per_session']:.0f}",
             ", ".join(f"{name} {size / entry['sessions']:.0f}" for name, size in entry["parts"].items())]
            for entry in entries]
    return table(["variant", "sessions", "bytes each", "by MemAvailable", "of which"], rows)


def verdict(entries):
    """One line for each figure that was expected to be at most EXPECTED_RATIO."""
    lines = []
    for entry in entries:
        value = entry.get("bauta_to_nft")
        if value:
            met = "met" if value["median"] <= EXPECTED_RATIO else "NOT met"
            lines.append(f"  {entry['sessions']:>8} sessions {entry['direction']:>8}: {value['median']:.2f}  {met}")
    if lines:
        lines.append(f"  met in {sum('NOT' not in line for line in lines)} of {len(lines)}")
    return "\n".join(lines)


def share(part):
    return f"{100 * part:.4g} %"


def choice_table(ports):
    return table(["in use", "free", "found", "taken and given back", "the same with two locks of its own"],
                 [[share(entry["occupancy"]), entry["free"], *(cell(entry[work]) for work in ("find", "pair", "locked"))]
                  for entry in ports["choice"]])


def new_flow_table(ports):
    rows = [[share(entry["occupancy"]), entry["free"], *(cell(entry["variants"].get(name)) for name in ("nft", "bauta")),
             ratio_cell(entry.get("bauta_to_nft")),
             *(share(entry["passed"][name]) if name in entry["passed"] else "-" for name in ("nft", "bauta"))]
            for entry in ports["creation"]]
    return table(["in use", "free", "nft", "bauta", "bauta/nft", "nft found a port", "bauta found a port"], rows)


def beside_table(ports):
    rows = [[share(entry["occupancy"]), cell(entry.get("bare")),
             *(cell(entry["known"].get(name)) for name in ("nft", "bauta")),
             *(entry["first_ns"].get(name, "-") for name in ("nft", "bauta"))] for entry in ports["creation"]]
    return table(["in use", "generator+sink", "nft, old flow", "bauta, old flow", "nft, first new flow",
                  "bauta, first new flow"], rows)


def refusal_table(ports):
    told = {"nft": "nobody is told", "answered": "ICMP answer", "silent": "beyond 1000 answers a second"}
    rows = [["nft" if entry["kind"] == "nft" else "bauta", told[entry["kind"]], entry["batch"], cell(entry),
             ratio_cell(entry.get("nft_to_bauta"))] for entry in ports["refusal"]]
    return table(["variant", "sender", "packets at a time", "ns", "nft/bauta"], rows)


def ratio_word(times):
    return f"1/{times:.0f}" if times >= 1 else f"{1 / times:.0f} times"


def ports_verdict(ports):
    """One line for each expectation that there is a figure for."""
    lines = []
    for entry in ports["choice"]:
        if entry["occupancy"] == PAIR_OCCUPANCY:
            median = entry["pair"]["median"]
            excess = median - EXPECTED_PAIR_NS
            met = "met" if excess < 0 else f"NOT met: {excess:.1f} ns too much"
            lines.append(f"  a port found, taken and given back at {share(PAIR_OCCUPANCY)} takes less than "
                         f"{EXPECTED_PAIR_NS} ns: {median:.1f}  {met}")
    for entry in ports["refusal"]:
        value = entry.get("nft_to_bauta")
        if value:
            met = "met" if value["median"] >= EXPECTED_REFUSAL else \
                f"NOT met: {EXPECTED_REFUSAL / value['median']:.2f} times too much"
            what = f"a refused packet ({entry['kind']}, {entry['batch']} at a time)"
            lines.append(f"  {what} costs at most 1/{EXPECTED_REFUSAL} of nftables': "
                         f"{ratio_word(value['median'])}  {met}")
    return lines


def ports_text(ports):
    parts = []
    if ports["choice"]:
        parts += ["", "The choice by itself, in the kernel, without a packet: ns to find a free port, median [min-max]",
                  choice_table(ports)]
    parts += ["", f"Ports {ports['range']} toward one remote endpoint, UDP, {ports['rounds']} rounds of {ports['samples']} "
              "new flows whose own port is taken, one packet at a time:",
              "ns per packet, generator and sink subtracted: median [min-max]", new_flow_table(ports),
              "", "Beside them: packets of a flow that is there, and the very first new flow, generator and sink included",
              beside_table(ports)]
    if ports["refusal"]:
        parts += ["", "A packet that is refused, because every port toward its remote is in use", refusal_table(ports),
                  "The first of them, generator and sink included: "
                  + ", ".join(f"{name} {ns} ns" for name, ns in ports["first_refusal_ns"].items() if name != "bare")]
    lines = ports_verdict(ports)
    if lines:
        parts += ["", "Expected of the choice of ports", *lines]
    return parts


def fragments_table(entries):
    rows = [[entry["kind"], *(cell(entry["variants"].get(name)) for name in ("nft", "bauta"))] for entry in entries]
    return table(["datagrams", "nft", "bauta"], rows)


def text(results):
    names = [name for name in results["variants"] if name != "bare"]
    parts = [f"{results['machine']['cpu_model']}, {results['machine']['kernel']}; CPU {results['cpu']}, "
             f"{results['rounds']} rounds of {results['msec']} ms, interleaved"]
    if results["packets"]:
        parts += ["", "CPU ns per packet, generator and sink subtracted: median [min-max]",
                  packets_table(results["packets"], names)]
    if results["creation"]:
        parts += ["", "Sessions created, one per packet: CPU ns each (median [min-max]), and how many one core creates a second",
                  creation_table(results["creation"], [name for name in names if name != "plain"])]
    if results["memory"]:
        parts += ["", "Memory, bytes per session", memory_table(results["memory"])]
    shares = [entry["daemon_cpu_share"] for entry in results["packets"]]
    if "bauta" in names and shares:
        parts += ["", f"bauta's daemon meanwhile: up to {max(shares):.1%} of a CPU"]
    lines = verdict(results["packets"])
    if lines:
        parts += ["", f"Expected: bauta costs at most {EXPECTED_RATIO} of nftables masquerade", lines]
    if results["fragments"]:
        parts += ["", "Fragments outbound: CPU ns per packet more than plain forwarding",
                  fragments_table(results["fragments"])]
    if results["ports"]:
        parts += ports_text(results["ports"])
    for problem in results["problems"]:
        parts.append(f"problem: {problem}")
    return "\n".join(parts)
