# SPDX-License-Identifier: GPL-2.0-or-later
"""The counting itself: a runner that miscounts would make every other test worthless."""

import pytest
from result import FAILED, PASSED, SKIPPED, Result, from_junit, from_tap, strict


def statuses(text, status=0):
    return [result.status for result in from_tap("t", text, status)]


@pytest.mark.parametrize(
    "text, status, expected",
    [
        ("1..2\nok 1 - a\nok 2 - b\n", 0, [PASSED, PASSED]),
        ("1..2\nok 1 - a\nnot ok 2 - b\n# why\n", 1, [PASSED, FAILED]),
        ("1..2\nok 1 - a # SKIP kernel 6.1\nok 2\n", 0, [SKIPPED, PASSED]),
        ("ok 1 - a\n1..1\n", 0, [PASSED]),
        ("1..0 # SKIP no tun device\n", 0, [SKIPPED]),
        ("1..2\nok 1 - a\nnot ok 2 # SKIP b\n# ok - group\n", 0, [PASSED, SKIPPED]),
        # never passed by saying little
        ("", 0, [FAILED]),
        ("1..0\n", 0, [FAILED]),
        ("hello\n", 0, [FAILED]),
        ("1..3\nok 1 - a\n", 0, [PASSED, FAILED]),
        ("1..1\nok 1 - a\n", 1, [PASSED, FAILED]),
        ("1..1\nok 1 - a\nERROR: AddressSanitizer\n", -6, [PASSED, FAILED]),
        ("1..1\nok 1 - a\n", None, [PASSED, FAILED]),
        ("1..1\nnot ok 1 - a\n", 0, [FAILED]),
        ("1..1\nnot ok 1 - a # TODO later\n", 0, [FAILED]),
    ],
)
def test_tap(text, status, expected):
    assert statuses(text, status) == expected


def test_tap_keeps_names_and_details():
    text = "1..3\nok 1 - a\nnot ok 2 - b\n# 1 != 2\n# t.c:8\nno raw sockets\nnot ok 3 # SKIP c\n"
    one, two, three = from_tap("t", text, 1)
    assert one == Result("t: a", PASSED)
    assert two == Result("t: b", FAILED, "# 1 != 2\n# t.c:8")
    assert three == Result("t: c", SKIPPED, "no raw sockets")


def test_skip_for_a_missing_tool_fails_in_ci_only():
    results = [Result("a", SKIPPED, "dnsmasq is not installed"), Result("b", SKIPPED, "needs kernel 6.6")]
    assert [result.status for result in strict(results, in_ci=False)] == [SKIPPED, SKIPPED]
    assert [result.status for result in strict(results, in_ci=True)] == [FAILED, SKIPPED]


def junit(tmp_path, body):
    path = tmp_path / "report.xml"
    path.write_text(f"<testsuites><testsuite>{body}</testsuite></testsuites>", encoding="utf-8")
    return path


def test_junit(tmp_path):
    path = junit(
        tmp_path,
        '<testcase name="a"/><testcase name="b"><failure message="m">trace</failure></testcase>'
        '<testcase name="c"><skipped message="why"/></testcase>'
        '<testcase name="d"><error>broken teardown</error></testcase>',
    )
    results = from_junit("f", path, "", 1)
    assert [result.status for result in results] == [PASSED, FAILED, SKIPPED, FAILED]
    assert results[1].detail == "trace" and results[2].detail == "why" and results[0].name == "f: a"


@pytest.mark.parametrize("status", [0, 2, 5, None])
def test_junit_without_tests_is_a_failure(tmp_path, status):
    assert [result.status for result in from_junit("f", junit(tmp_path, ""), "text", status)] == [FAILED]
    assert [result.status for result in from_junit("f", tmp_path / "absent", "text", status)] == [FAILED]


def test_junit_cut_short_is_a_failure(tmp_path):
    path = junit(tmp_path, '<testcase name="a"/>')
    assert [result.status for result in from_junit("f", path, "", 0)] == [PASSED]
    assert [result.status for result in from_junit("f", path, "", 3)] == [PASSED, FAILED]
    assert [result.status for result in from_junit("f", path, "", None)] == [PASSED, FAILED]
