# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets of the same sessions on all CPUs at once, for seconds: `make churn` does it for longer, in more ways."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = "1"
CONFIGS = ("usual", "tight", "fast", "fast-create")


@pytest.fixture(scope="module")
def churn():
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    subprocess.run(["make", "--no-print-directory", "build/bench/churn"], cwd=ROOT, env=env, check=True)
    return ROOT / "bench/cores"


@pytest.mark.parametrize("config", CONFIGS)
def test_everything_adds_up(churn, config):
    # other labs are at work beside this one
    done = subprocess.run(["nice", "-n", "10", churn, "churn", config, "--seconds", SECONDS],
                          capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stderr
