# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the lab, and the promise that an interrupted run leaves nothing behind."""

import os
import signal
import subprocess

import pytest
from lab import Lab
from wait import until

FAILED = pytest.StashKey()


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
    _end(labs)


def _end(labs):
    """Checks and removes them; every one is removed, whatever is wrong with another."""
    problems = []
    for lab in labs:
        try:
            lab.finish()
        except Exception as problem:
            problems.append(problem)
        finally:
            try:
                lab.close()
            except Exception as problem:
                problems.append(problem)
    if problems:
        raise problems[0]


@pytest.fixture(scope="module")
def lasting_labs():
    """Those that the tests of a module share: {(what makes the gateway, of which words, options of the lab): lab}."""
    labs = {}
    yield labs
    _end(labs.values())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    if outcome.get_result().failed:
        item.stash[FAILED] = True


@pytest.fixture
def share_lab(request, lasting_labs, make_lab):
    """Builds a lab with a gateway, or gives the one that another test of the module has built alike. For tests that do nothing
    to it but send packets, open sockets, start programs and set sysctls: these end with the test, as do the gateway's sessions,
    and its counters begin anew. The start of a gateway, which the kernel's verifier has to judge, takes longer than most such
    tests. A test that fails leaves its lab to nobody, and a gateway of the kernel's own, which is soon there, is not shared."""
    used = []

    def share(make_gateway, *words, **options):
        key = (make_gateway, words, *sorted(options.items()))
        lab = lasting_labs.get(key)
        if lab is None:
            gateway = make_gateway(*words)
            can_last = hasattr(gateway, "clear")
            lab = Lab(**options) if can_last else make_lab(**options)
            if can_last:
                lasting_labs[key] = lab
            lab.meet()
            lab.gateway = lab.use(gateway)
            lab.mark()
            if not can_last:
                return lab
        used.append(key)
        return lab

    yield share
    for key in used:
        if FAILED in request.node.stash:
            _end([lasting_labs.pop(key)])
            continue
        try:
            lasting_labs[key].clear()
        except BaseException:
            lab = lasting_labs.pop(key)
            lab.close()
            raise


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
