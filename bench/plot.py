# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws what variants add to a packet, by the number of sessions: a panel for each direction and size, by gnuplot."""

import itertools
import pathlib
import subprocess

STYLE = {   # title, colour
    "nft": ("nftables masquerade", "#d62728"),
    "bauta": ("bauta on tc", "#1f77b4"),
    "plain": ("plain forwarding", "#7f7f7f"),
    "fib": ("XDP redirect with bpf_fib_lookup", "#ff7f0e"),
    "xdp": ("bauta on XDP", "#2ca02c"),
    "redirect": ("bare XDP redirect", "#000000"),
}
TERMINALS = {"png": "pngcairo noenhanced size 1500,1000 font 'sans,11'",
             "svg": "svg noenhanced size 1200,800 dynamic background 'white' font 'sans,12'"}
SIZE_TEXT = {"64": "64-byte frames", "1500": "1500-byte packets"}
COUNT_TEXT = {1: "1", 1 << 10: "1 k", 1 << 16: "64 k", 1 << 20: "1 M", 1 << 22: "4 M"}


def data_block(name, entries):
    """The medians, and the least and the most of the rounds; one line for each number of sessions."""
    lines = [f"{entry['sessions']} {value['median']} {value['min']} {value['max']}"
             for entry in entries if (value := entry["variants"].get(name))]
    return lines


def panel(number, title, entries):
    blocks, curves = [], []
    for name, (text, colour) in STYLE.items():
        lines = data_block(name, entries)
        if lines:
            blocks.append(f"$data_{number}_{name} << EOD\n" + "\n".join(lines) + "\nEOD")
            curves.append(f"$data_{number}_{name} using 1:2:3:4 with yerrorlines lw 2 pt 7 ps 0.6 lc rgb '{colour}' "
                          f"title '{text}'")
    if not curves:
        return ""
    return "\n".join([*blocks, f"set title '{title}'", "plot " + ", \\\n     ".join(curves)])


def script(results, terminal, path):
    entries = results["packets"]
    sizes = sorted({entry["size"] for entry in entries}, key=int)
    counts = sorted({entry["sessions"] for entry in entries})
    panels = [panel(number, f"{direction}, {SIZE_TEXT[size]}",
                    [entry for entry in entries if (entry["size"], entry["direction"]) == (size, direction)])
              for number, (size, direction) in enumerate(itertools.product(sizes, ("outbound", "inbound")))]
    ticks = ", ".join(f"'{COUNT_TEXT.get(count, count)}' {count}" for count in counts)
    machine = f"{results['machine']['cpu_model']}, {results['machine']['kernel']}"
    return "\n".join([
        f"set terminal {terminal}", f"set output '{path}'", "set logscale x 2", "set logscale y", "set grid ytics",
        f"set xtics ({ticks})", "set xlabel 'sessions, in random order'",
        "set ylabel 'CPU ns per packet, generator and sink subtracted'", "set key left top Left reverse samplen 2",
        f"set xrange [{counts[0]} / 1.5 : {counts[-1]} * 1.5]", "set yrange [20 : 10000]",
        f"set multiplot layout {len(sizes)},2 title '{machine}'", *panels, "unset multiplot", ""])


def draw(results, prefix):
    """Writes PREFIX.png and PREFIX.svg; a gnuplot that is missing or fails is an error."""
    for kind, terminal in TERMINALS.items():
        subprocess.run(["gnuplot", "-"], input=script(results, terminal, f"{prefix}.{kind}"), text=True, check=True)
    # gnuplot ends some lines in a space
    picture = pathlib.Path(f"{prefix}.svg")
    picture.write_text("".join(f"{line.rstrip()}\n" for line in picture.read_text().splitlines()))
