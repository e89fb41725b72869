# SPDX-License-Identifier: GPL-2.0-or-later
"""That the table of requirements cannot lie in silence."""

import pathlib

import pytest
import requirements

TRUE = requirements.TABLE.read_text(encoding="utf-8")


@pytest.fixture
def say(tmp_path, monkeypatch):
    """What is complained of when a row is changed."""

    def complain(old, new):
        changed = TRUE.replace(old, new, 1)
        assert changed != TRUE
        path = tmp_path / "requirements.md"
        path.write_text(changed, encoding="utf-8")
        monkeypatch.setattr(requirements, "read", lambda rows=requirements.read: rows(path))
        return "\n".join(requirements.complaints([]))

    return complain


def row(name, rfc="4787"):
    (found,) = [row for row in requirements.read() if (row.rfc, row.id) == (rfc, name)]
    return TRUE.splitlines()[found.line - 1] + "\n"


def test_rows_belong_to_their_rfc():
    assert row("§5.3.7", "1812").startswith("| 1812 §5.3.7 |")
    assert row("REQ-5c").startswith("| REQ-5c |")


@pytest.mark.parametrize("old, new, says", [
    ("`mapping.two_hosts_with_one_source_port`", "`mapping.two_hosts`", "has no test_two_hosts"),
    ("`mapping.two_hosts_with_one_source_port`", "`map.two_hosts`", "no tests/lab/map_test.py"),
    ("`unit:session`", "`unit:seson`", "no tests/unit/seson_test.c"),
    ("`unit:session`", "`conformance:nothing`", "no probe nothing"),
    ("`conformance:udp_hairpin`", "", "also held up by `conformance:udp_hairpin`"),
    ("| done |", "| mostly |", "no state: mostly"),
    ("| MUST |", "| MUSTN'T |", "no level: MUSTN'T"),
    (row("REQ-5"), "", "RFC 4787 REQ-5 has no row"),
    (row("REQ-5"), 2 * row("REQ-5"), "another row"),
    (row("REQ-5"), "| REQ-5 | MUST | UDP lives | done | trust us |\n", "done, and no test"),
    (row("REQ-5"), "| REQ-5 | MUST | UDP lives | done | `unit:session` |\n", "no test in the lab"),
    (row("REQ-5"), "| REQ-5 | MUST | UDP lives | no | |\n", "no, and no reason"),
    (row("REQ-5"), "| REQ-5 | MUST | UDP lives |\n", "3 columns"),
])
def test_a_lie_is_found(say, old, new, says):
    assert says in say(old, new)


def test_paths_are_those_of_the_project():
    assert pathlib.Path("tests/lab").is_dir() and requirements.TABLE.exists()
