# SPDX-License-Identifier: GPL-2.0-or-later
"""The probes of tests/conformance that hold up a row of docs/requirements.md by themselves, put to bauta.

`make conformance` asks all of them, and nftables too; where another test of the lab holds up a row, it is left to that here.
"""

import concurrent.futures
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "conformance"), str(ROOT / "tests" / "runner")]
os.chdir(ROOT)

from rows import alone  # noqa: E402
from trial import PROBES, Trial  # noqa: E402

SIDE_BY_SIDE = 4  # labs; each of them mostly waits for a timer


def ask(name):
    return Trial("bauta").run(PROBES[name])


@pytest.fixture(scope="module")
def verdicts():
    """The verdict of each probe, as a future."""
    with concurrent.futures.ProcessPoolExecutor(SIDE_BY_SIDE) as pool:
        yield {probe.name: pool.submit(ask, probe.name) for probe in alone()}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("probe", alone(), ids=lambda probe: probe.name)
def test_requirement(verdicts, probe):
    verdict = verdicts[probe.name].result(120)
    assert verdict.answer == "yes", f"{', '.join(probe.rows)}: {verdict.seen}"
