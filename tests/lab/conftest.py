# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the lab, and the promise that an interrupted run leaves nothing behind."""

import os
import signal
import subprocess

import pytest
from lab import Lab
from wait import until


def pytest_configure():
    if os.geteuid() != 0:
        pytest.exit("the lab makes network namespaces: run it as root", returncode=2)

    def terminate(number, _frame):
        pytest.exit(f"ended by {signal.Signals(number).name}", returncode=128 + number)

    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGHUP, terminate)


@pytest.fixture
def make_lab():
    """Builds labs with options of the test's choice; all are checked and removed at its end."""
    labs = []

    def make(**options):
        labs.append(Lab(**options))
        return labs[-1]

    yield make
    problems = []
    for lab in labs:
        try:
            lab.finish()
        except Exception as problem:  # every lab must be closed, whatever is wrong with one
            problems.append(problem)
        finally:
            try:
                lab.close()
            except Exception as problem:
                problems.append(problem)
    if problems:
        raise problems[0]


@pytest.fixture
def lab(make_lab):
    """The plain lab of lab.py's drawing."""
    return make_lab()


@pytest.fixture
def cgroup(tmp_path):
    """A cgroup that is not the root."""
    subprocess.run(["mount", "-t", "cgroup2", "none", tmp_path], check=True)
    made = tmp_path / f"bauta-test-{tmp_path.parent.name}"
    try:
        made.mkdir()
        yield made
    finally:
        if made.exists():
            (made / "cgroup.kill").write_text("1")
            until(lambda: "populated 0" in (made / "cgroup.events").read_text(), "for an empty cgroup")
            made.rmdir()
        subprocess.run(["umount", tmp_path], check=True)
