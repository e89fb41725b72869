# SPDX-License-Identifier: GPL-2.0-or-later
"""Which probe decides which row of docs/requirements.md."""

import importlib
import pathlib

import requirements
from trial import PROBES

FRAMEWORK = ("trial", "line", "rows")


def name(row):
    return f"{row.rfc} {row.id}".strip()


def load():
    """All rows that a probe decides, in the order of the table: (row, probe)."""
    for path in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        if path.stem not in FRAMEWORK:
            importlib.import_module(path.stem)
    by_row = {row: probe for probe in PROBES.values() for row in probe.rows}
    return [(row, by_row[name(row)]) for row in requirements.read() if name(row) in by_row]


def alone():
    """The probes that some row claims and no other test of the lab holds up."""
    found = {}
    for row, probe in load():
        others = [word for word in requirements.references(row) if ":" not in word]
        if row.state in requirements.CLAIMED and not others:
            found[probe.name] = probe
    return list(found.values())
