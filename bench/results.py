#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes bench/results.md, and the plots beside it, from the JSON of a run: bench/results.py FILE"""

import json
import pathlib
import sys

import plot
import report

HERE = pathlib.Path(__file__).resolve().parent
COLUMNS = (("plain", "plain forwarding"), ("nft", "nftables masquerade"), ("redirect", "bare XDP redirect"),
           ("fib", "XDP redirect with bpf_fib_lookup"), ("bauta", "bauta on tc"), ("xdp", "bauta on XDP"))
CREATED = (("nft", "nftables masquerade"), ("bauta", "bauta on tc"), ("xdp", "bauta, fast path on"),
           ("create", "the same, --fast-create"))


def table(header, rows):
    return ["| " + " | ".join(header) + " |", "|" + "---:|" * len(header),
            *("| " + " | ".join(map(str, row)) + " |" for row in rows), ""]


def number(value):
    return f"{value['median']:.0f}" if value else "–"


def packets(entries):
    rows = [[entry["sessions"], entry["size"], entry["direction"], number(entry.get("bare")),
             *(number(entry["variants"].get(name)) for name, _ in COLUMNS), number(entry.get("xdp_above_redirect"))]
            for entry in entries]
    return ["## Packets of sessions that are there", "", "CPU nanoseconds per packet, medians.", "",
            *table(["sessions", "bytes", "direction", "generator and sink", *(title for _, title in COLUMNS),
                    "bauta on XDP above the bare redirect"], rows),
            *(line.strip() for line in report.EXPLAINED.splitlines() if line), "",
            "![CPU nanoseconds per packet by the number of sessions](results.svg)", ""]


def creation(entries):
    def rate(value):
        return f"{1e6 / value['median']:.0f}" if value and value["median"] > 0 else "–"
    rows = [[entry["sessions"], *(rate(entry["variants"].get(name)) for name, _ in CREATED)] for entry in entries]
    return ["## Sessions created", "", "Thousands a second on one core, one packet each.", "",
            *table(["sessions", *(title for _, title in CREATED)], rows)]


def memory(entries):
    rows = [[dict(COLUMNS)[entry["variant"]], entry["sessions"], f"{entry['bytes_per_session']:.0f}",
             f"{entry['available_delta_per_session']:.0f}"] for entry in entries]
    return ["## Memory", "", *table(["", "sessions", "bytes a session", "by what the machine has less"], rows)]


def refusal(ports):
    told = {"nft": "", "answered": ", with an ICMP answer", "silent": ", beyond 1000 answers a second"}
    title = {**dict(COLUMNS), "create": "bauta on XDP, --fast-create"}
    rows = [[title[entry["variant"]] + told[entry["kind"]], entry["batch"], number(entry),
             f"1/{entry['nft_to_it']['median']:.0f}" if "nft_to_it" in entry else ""] for entry in ports["refusal"]]
    return ["## Packets refused at exhaustion", "", f"Every port of {ports['range']} toward their remote is in use.", "",
            *table(["", "packets at a time", "ns", "of nftables'"], rows)]


def targets(judged):
    rows = [[one["what"], one["limit_text"], one["value_text"], "met" if one["met"] else f"**NOT met**: {one['by']}"]
            for one in judged]
    return ["## Targets", "", *table(["", "target", "measured", ""], rows)]


def page(results):
    machine = results["machine"]
    lines = ["# Results", "",
             "<!-- Written by bench/results.py from the JSON of a run; do not edit. -->", "",
             f"- machine: {machine['cpu_model']}, {machine['cpus']} CPUs; measured on CPU {results['cpu']}",
             f"- kernel: {machine['kernel']}", f"- command: `{results['command']}`", f"- time: {results['time']}",
             f"- {results['rounds']} rounds of {results['msec']} ms for each figure, variants interleaved",
             f"- sessions: {results['distribution']}", ""]
    if results["packets"]:
        lines += packets(results["packets"])
    if results["creation"]:
        lines += creation(results["creation"])
    if results["memory"]:
        lines += memory(results["memory"])
    if results["ports"] and results["ports"]["refusal"]:
        lines += refusal(results["ports"])
    if results.get("streams"):
        lines += ["## TCP streams, latency and the sweep", "", "```", *report.streams_text(results["streams"])[1:], "```", ""]
    if results["targets"]:
        lines += targets(results["targets"])
    if results["problems"]:
        lines += ["## What went wrong", "", *(f"- {problem}" for problem in results["problems"]), ""]
    return "\n".join(lines)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: bench/results.py FILE, a file that bench/run --json has written")
    results = json.loads(pathlib.Path(sys.argv[1]).read_text())
    (HERE / "results.md").write_text(page(results))
    if results["packets"]:
        plot.draw(results, HERE / "results")


if __name__ == "__main__":
    main()
