# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/requirements.md read as data, and held to be true: no row is forgotten, and every test that it names exists.

A row that says "done" or "kernel" is a promise, which a probe of tests/conformance may find broken.
"""

import collections
import pathlib
import re

TABLE = pathlib.Path("docs/requirements.md")
PROBES = pathlib.Path("tests/conformance")
HEAD = "| id | level | in short | state | held up by, or why not |"
LEVELS = ("MUST", "SHOULD", "REC", "MAY", "–")
STATES = ("done", "kernel", "partly", "not yet", "no", "none")
CLAIMED = ("done", "kernel")

# Every MUST and SHOULD, by RFC: the first words of an id, whose further words tell the parts of one requirement apart.
REQUIRED = {
    "4787": "REQ-1 REQ-2 REQ-3 REQ-3a REQ-4 REQ-5 REQ-5c REQ-6 REQ-7 REQ-8 REQ-9 REQ-9a REQ-10 REQ-10a REQ-11 "
            "REQ-12 REQ-12a REQ-12b §9 REQ-13 REQ-13a REQ-14 REQ-14a",
    "5382": "REQ-1 REQ-2 REQ-2a REQ-3 REQ-4 REQ-4a REQ-5 REQ-6 REQ-7 REQ-8 REQ-8a REQ-9 REQ-10",
    "5508": "REQ-1 REQ-1a REQ-2 REQ-2a REQ-3 REQ-3a REQ-3b REQ-3c REQ-3d REQ-4 REQ-5 REQ-6 REQ-7 REQ-7a REQ-8 REQ-10a "
            "REQ-10c REQ-10d REQ-10e REQ-10f §7.1.1 §7.1.2 §7.2 §7.3",
    "7857": "§2 §2.1 §2.2 §4 §5 §6 §7 §7.1 §8 §9 §10 §13",
    "6888": "REQ-1 REQ-2 REQ-3 REQ-4 REQ-4a REQ-4c REQ-5 REQ-6 REQ-7 REQ-8 REQ-9 REQ-10 REQ-11a REQ-11b REQ-11c REQ-11d "
            "REQ-12 REQ-13 REQ-14 REQ-15",
    "6056": "§4 §3.2 §3.3",
    "6864": "§4.1 §4.3 §5.3.1",
    "3022": "§4.1 §4.3 §5.3",
    "1812": "§5.3.1 §5.2.7.3 §5.2.7.1 §4.3.2.2 §4.3.2.3 §4.3.2.4 §4.3.2.7 §4.3.2.8 §4.3.3.6 §5.2.2 §5.3.7 §4.2.2.7",
    "768": "",
    "1624": "§3",
    "792": "",
    "1191": "§4",
    "4884": "§5",
    "6633": "",
}

Row = collections.namedtuple("Row", "rfc id level text state why line")


def read(path=TABLE):
    """All rows; their id is that of the table, and rfc the number that stands in it or in the heading ("" for ours)."""
    rows, rfcs = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("## "):
            rfcs = re.findall(r"\b\d{3,4}\b", line)
        elif line.startswith("| ") and line != HEAD:
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if len(cells) != 5:
                raise ValueError(f"{path}:{number}: {len(cells)} columns instead of 5")
            name = cells[0]
            rfc = rfcs[0] if len(rfcs) == 1 else ""
            first = re.match(r"(\d{3,4})\b *(.*)", name)
            if first:
                rfc, name = first.groups()
            rows.append(Row(rfc, name, *cells[1:], number))
    return rows


def references(row):
    """What stands in backquotes in the last column, options of the program left out."""
    return [word for word in re.findall(r"`([^`]+)`", row.why) if not word.startswith("-")]


def probes():
    """The probes: {function: ids of the rows that it decides}."""
    found = {}
    for path in sorted(PROBES.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for ids, name in re.findall(r"^@probe\(([^)]*)\)\ndef (\w+)\(", text, re.MULTILINE):
            found[name] = [word for word in re.findall(r'"([^"]*)"', ids) if re.match(r"\d{3,4}", word)]
    return found


def _lab_tests(name):
    path = pathlib.Path("tests/lab", f"{name}_test.py")
    if not path.exists():
        return None
    return set(re.findall(r"^def test_(\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE))


def _missing(word, known_probes):
    """What is wrong with one reference; None if it leads somewhere."""
    folder, colon, name = word.partition(":")
    if colon:
        if folder == "conformance":
            return None if name in known_probes else f"there is no probe {name}"
        suffix = {"unit": "_test.c", "prog": "_test.c", "kernel": "_probe.c"}.get(folder)
        if suffix is None or not pathlib.Path("tests", folder, name + suffix).exists():
            return f"there is no tests/{folder}/{name}{suffix or ''}"
        return None
    file, dot, test = word.partition(".")
    tests = _lab_tests(file)
    if tests is None:
        return f"there is no tests/lab/{file}_test.py"
    if dot and test not in tests:
        return f"tests/lab/{file}_test.py has no test_{test}"
    return None


def complaints(_paths):
    """One line for each thing in the table that is not so."""
    try:
        rows = read()
    except ValueError as problem:
        return [str(problem)]
    known, found = probes(), []
    seen = collections.Counter((row.rfc, row.id) for row in rows)
    for row in rows:
        wrong = []
        if seen[row.rfc, row.id] > 1:
            wrong.append("there is another row of this id")
        if row.level not in LEVELS:
            wrong.append(f"no level: {row.level}")
        if row.state not in STATES:
            wrong.append(f"no state: {row.state} (why comes in the last column)")
        in_lab = [word for word in references(row) if ":" not in word or word.startswith("conformance:")]
        if row.state in CLAIMED and not in_lab:
            wrong.append(f"{row.state}, and no test in the lab")
        if row.state in ("partly", "no", "none") and not row.why:
            wrong.append(f"{row.state}, and no reason")
        wrong += filter(None, (_missing(word, known) for word in references(row)))
        found += [f"{TABLE}:{row.line}: {row.rfc} {row.id}: {what}" for what in wrong]
    for rfc, ids in REQUIRED.items():
        there = {row.id.split(" ")[0] for row in rows if row.rfc == rfc}
        for name in ids.split() or [""]:
            if name not in there:
                found.append(f"{TABLE}: RFC {rfc} {name} has no row")
    for name, ids in known.items():
        for one in ids:
            row = [row for row in rows if f"{row.rfc} {row.id}".strip() == one]
            if not row:
                found.append(f"{PROBES}: {name} is about {one}, which has no row in {TABLE}")
            elif f"conformance:{name}" not in references(row[0]):
                found.append(f"{TABLE}:{row[0].line}: {one} is also held up by `conformance:{name}`")
    return found
