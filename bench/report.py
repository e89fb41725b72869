# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns samples into medians and ratios, and those into a table for people."""

import statistics

# What a figure contains.
EXPLAINED = """\
What a variant adds is its CPU time per packet, in kernel and interrupts, less that of "generator+sink" in the same round: the
generator's program, one veth hop and the sink's program, with nothing between. The medians of the differences are shown.
  redirect, fib, xdp   add a second veth hop (a frame out of a ring, and into another one) and their program. What the sink gets
                       is a frame as without them, so the subtraction is exact.
  plain, nft, bauta    add the way through the stack: a socket buffer is made of the frame, routed, translated, and sent. Their
                       sink gets a socket buffer, which veth makes a frame of again before it drops it; that is in their
                       figures, and is about what a driver does to send one.
Toward inside the generator has to look up a session's external port, in a table of 2 bytes each. It does so for all variants, and
it is subtracted; but with many sessions it shares the caches with what is measured.
While a variant with the fast path is set up, all redirects of the machine, the generator's own and those of other variants too,
pass the program that counts lost frames for it, once in up to 16 frames."""

# Ratios and differences of what variants add, round by round: name -> (of, to, whether the difference).
COMPARISONS = {
    "bauta_to_nft": ("bauta", "nft", False),
    "xdp_to_nft": ("xdp", "nft", False),
    "xdp_to_redirect": ("xdp", "redirect", False),
    "xdp_above_redirect": ("xdp", "redirect", True),
    "nft_to_bauta": ("nft", "bauta", False),
    "nft_to_xdp": ("nft", "xdp", False),
    "nft_to_create": ("nft", "create", False),
}


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
    for name, (one, other, difference) in COMPARISONS.items():
        compared = above(net.get(one, {}), net.get(other, {})).values() if difference else \
            ratio(net.get(one, {}), net.get(other, {}))
        if compared:
            result[name] = spread(compared)
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
    rows = [[entry["sessions"], entry["size"], entry["direction"], cell(entry.get("bare")),
             *(cell(entry["variants"].get(name)) for name in names)] for entry in entries]
    return table(["sessions", "bytes", "direction", "generator+sink", *names], rows)


def compared_table(entries):
    rows = [[entry["sessions"], entry["size"], entry["direction"], ratio_cell(entry.get("bauta_to_nft")),
             ratio_cell(entry.get("xdp_to_nft")), ratio_cell(entry.get("xdp_to_redirect")),
             cell(entry.get("xdp_above_redirect"))] for entry in entries]
    return table(["sessions", "bytes", "direction", "bauta/nft", "xdp/nft", "xdp/redirect", "xdp - redirect, ns"], rows)


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
    rows = [[entry["variant"], told[entry["kind"]], entry["batch"], cell(entry), ratio_cell(entry.get("nft_to_it"))]
            for entry in ports["refusal"]]
    return table(["variant", "sender", "packets at a time", "ns", "nft/it"], rows)


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
    return parts


def fragments_table(entries):
    rows = [[entry["kind"], *(cell(entry["variants"].get(name)) for name in ("nft", "bauta"))] for entry in entries]
    return table(["datagrams", "nft", "bauta"], rows)


def streams_text(streams):
    def rows(table, row, figures):
        names = [name for name in ("plain", "nft", "bauta", "xdp") if any(name in entry[figures[0]] for entry in table)]
        return [[*row(entry), name, *(one_cell(entry[what].get(name)) for what in figures),
                 *(ratio_cell(entry.get(f"{what}_{name}_to_{base}")) for what in figures for base in ("plain", "nft"))]
                for entry in table for name in names if name in entry[figures[0]]]

    def one_cell(value):
        return f"{value['median']:.4g} [{value['min']:.4g}-{value['max']:.4g}]" if value else "-"

    def offload(entry):
        return "with" if entry["gso"] else "without"
    parts = []
    if streams["streams"]:
        parts += ["", f"TCP streams of {streams['stream_s']} s (iperf3), and CPU time of both ends and ksoftirqd",
                  table(["GSO", "streams", "variant", "Gbit/s", "CPU ns per KiB", "Gbit/s: by plain", "by nft",
                         "CPU: by plain", "by nft"],
                        rows(streams["streams"], lambda entry: [offload(entry), entry["num"]], ("gbit", "cpu_ns")))]
    if streams["latency"]:
        parts += ["", f"Question and answer over TCP, {streams['conversations']} conversations at once, beside a stream of "
                  f"{streams['load_mbit']} Mbit/s: microseconds",
                  table(["GSO", "variant", "p50", "p99", "p50: by plain", "by nft", "p99: by plain", "by nft"],
                        rows(streams["latency"], lambda entry: [offload(entry)], ("p50", "p99")))]
    if streams["sweep"]:
        sweep = streams["sweep"]
        parts += ["", f"The daemon beside {sweep['sessions']} sessions of which none expires: "
                  f"{sweep['cpu_percent']} % of a CPU, over {sweep['seconds']:.0f} s"]
    return parts


def targets_lines(judged):
    width = max(len(target["what"]) for target in judged)
    lines = [f"  {target['what']:<{width}}  {target['limit_text']:>14}  {target['value_text']:>9}  "
             + ("met" if target["met"] else f"NOT met: {target['by']}") for target in judged]
    return [*lines, f"  met: {sum(target['met'] for target in judged)} of {len(judged)}"]


def text(results):
    names = [name for name in results["variants"] if name != "bare"]
    parts = [f"{results['machine']['cpu_model']}, {results['machine']['kernel']}; CPU {results['cpu']}, "
             f"{results['rounds']} rounds of {results['msec']} ms, interleaved"]
    if results["packets"]:
        shown = [name for name in names if any(name in entry["variants"] for entry in results["packets"])]
        parts += ["", "CPU ns per packet, generator and sink subtracted: median [min-max]",
                  packets_table(results["packets"], shown), EXPLAINED]
        if any(name in entry for entry in results["packets"] for name in COMPARISONS):
            parts += ["", "Compared: what one adds by what another adds, median [min-max] of the rounds",
                      compared_table(results["packets"])]
    if results["creation"]:
        parts += ["", "Sessions created, one per packet: CPU ns each (median [min-max]), and how many one core creates a second",
                  creation_table(results["creation"], [name for name in names if name != "plain"])]
    if results["memory"]:
        parts += ["", "Memory, bytes per session", memory_table(results["memory"])]
    shares = [entry["daemon_cpu_share"] for entry in results["packets"]]
    if "bauta" in names and shares:
        parts += ["", f"bauta's daemon meanwhile: up to {max(shares):.1%} of a CPU"]
    if results["fragments"]:
        parts += ["", "Fragments outbound: CPU ns per packet more than plain forwarding",
                  fragments_table(results["fragments"])]
    if results["ports"]:
        parts += ports_text(results["ports"])
    if results["streams"]:
        parts += streams_text(results["streams"])
    if results["targets"]:
        parts += ["", "Targets", *targets_lines(results["targets"])]
    for problem in results["problems"]:
        parts.append(f"problem: {problem}")
    return "\n".join(parts)
