# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo itself: what it prints is what it saw, its exit status tells, and it cleans up, also when it is ended."""

import os
import pathlib
import re
import signal

import pytest
from gateway import BAUTA
from process import Process
from wait import until

DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo" / "run"
SILENT = "nothing told it why"
LIMIT_S = 150  # of what takes twenty on an idle machine


@pytest.fixture
def run():
    processes = []

    def start(*words, bauta=BAUTA):
        env = {**os.environ, "BAUTA": str(bauta), "PATH": "/usr/sbin:/sbin:" + os.environ["PATH"]}
        processes.append(Process([DEMO, *words], env=env))
        return processes[-1]

    yield start
    for process in processes:
        process.close()


def namespaces(process):
    if not os.path.isdir("/run/netns"):
        return []
    return [name for name in os.listdir("/run/netns") if name.startswith(f"bt-{process.pid}.")]


def parts(text):
    """{number of the experiment: its lines}"""
    found = re.split(r"^(\d+b?)\. ", text, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2]))


def test_stock_is_silent(run):
    demo = run("--stock")
    assert demo.wait(LIMIT_S) == 0, demo.report()
    part = parts(demo.text)
    for number in ("1", "2", "5", "6"):
        assert SILENT in part[number], part[number]
    for number in ("3", "4", "5b"):
        assert SILENT not in part[number], part[number]
    assert demo.stderr == "" and namespaces(demo) == []


def test_bauta_keeps_its_promises(run):
    demo = run("--bauta")
    assert demo.wait(LIMIT_S) == 0, demo.report()
    assert SILENT not in demo.text and "BROKEN" not in demo.text
    assert re.search(r"^bauta kept all of its \d+ promises\.$", demo.text, re.MULTILINE)
    part = parts(demo.text)
    assert "No route to host" in part["2"]
    for verb in ("show sessions", "show ports", "explain tcp", "show drops"):
        assert f"$ bauta {verb}" in part["7"]
    assert demo.stderr == "" and namespaces(demo) == []


FAKE = """#!/bin/sh
[ "$1" = run ] || exit 1
nft "add table ip nat; add chain ip nat post { type nat hook postrouting priority srcnat; };
     add rule ip nat post oifname eth0 meta l4proto { tcp, udp } masquerade to :$5"
echo 'bauta: ready: not really' >&2
sleep 100 &
trap 'kill $!; exit 0' TERM
wait
"""


def test_broken_promise_is_a_failure(run, tmp_path):
    """A gateway that does what stock does and says it were bauta: the demo must notice."""
    fake = tmp_path / "bauta"
    fake.write_text(FAKE, encoding="ascii")
    fake.chmod(0o755)
    demo = run("--bauta", "1", "3", "7", bauta=fake)
    assert demo.wait(LIMIT_S) == 1, demo.report()
    part = parts(demo.text)
    assert "BROKEN PROMISE: R is told at once" in part["1"]
    assert "BROKEN" not in part["3"] and "BROKEN" in part["7"]
    assert namespaces(demo) == []


def test_missing_program_is_said(run, tmp_path):
    demo = run("--bauta", bauta=tmp_path / "nothing")
    assert demo.wait(10) == 1
    assert "make" in demo.stderr and namespaces(demo) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_interrupted_demo_leaves_nothing(run, number):
    demo = run("--stock")
    until(lambda: len(namespaces(demo)) == 3, "for the stage of the demo")
    os.killpg(demo.pid, number)
    assert demo.wait(20) != 0
    assert namespaces(demo) == []


def test_usage(run):
    for words in (["--fast"], ["--bauta", "9"], ["--stock", "--bauta"]):
        demo = run(*words)
        assert demo.wait(10) == 2 and "usage" in demo.stderr, demo.report()
