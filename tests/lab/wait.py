# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for a condition, with a limit: the only way anything in the lab lets time pass."""

import time

LIMIT_S = 5.0
PAUSE_S = 0.004


class Late(AssertionError):
    """A condition did not come true within its limit."""


def until(condition, what, limit_s=LIMIT_S):
    """Calls condition() until it returns something true, and returns that; raises Late, naming what was awaited."""
    end = time.monotonic() + limit_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            text = what() if callable(what) else what
            raise Late(f"after {limit_s:g} s still waiting: {text}")
        time.sleep(PAUSE_S)


def holds(condition, what, span_s):
    """Asserts that condition() stays true for a span: for "nothing must happen", where no event can be awaited."""
    end = time.monotonic() + span_s
    while time.monotonic() < end:
        assert condition(), what() if callable(what) else what
        time.sleep(PAUSE_S)
