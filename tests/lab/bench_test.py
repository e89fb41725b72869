# SPDX-License-Identifier: GPL-2.0-or-later
"""make bench, as short as it can be: each kind of gateway is set up, its packets are verified, and every figure is there."""

import json
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ("traffic", "redirect")


@pytest.fixture(scope="module", autouse=True)
def programs():
    subprocess.run(["make", "-s", "-C", TOP, *(f"build/bench/{name}" for name in PROGRAMS)], check=True,
                   capture_output=True, text=True)


def run(tmp_path, *words):
    """What bench/run writes as JSON, and says."""
    path = tmp_path / "results.json"
    done = subprocess.run([sys.executable, TOP / "bench/run", "--only", "packets", "--rounds", "5", "--msec", "20",
                           "--create-rounds", "1", "--json", path, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(path.read_text()), done.stdout


def test_every_packet_that_is_counted_went_the_way_it_is_counted_for(tmp_path):
    """The redirecting gateways and the fast path, with the largest frames: a variant that is not verified has no figure."""
    results, said = run(tmp_path, "--sessions", "1024", "--sizes", "1500", "--variants", "redirect,fib,xdp",
                        "--plot", tmp_path / "cost")
    assert [(row["sessions"], row["size"], row["direction"]) for row in results["packets"]] == \
        [(1024, "1500", "outbound"), (1024, "1500", "inbound")]
    for row in results["packets"]:
        assert set(row["variants"]) == {"redirect", "fib", "xdp"}
    assert {target["limit"] for target in results["targets"]} == {1.25}
    assert "xdp adds, of what the bare redirect adds" in said
    assert (tmp_path / "cost.png").stat().st_size > 0
    assert "bauta on XDP" in (tmp_path / "cost.svg").read_text()
