# SPDX-License-Identifier: GPL-2.0-or-later
"""One test's outcome, and how a program's TAP or pytest's JUnit file becomes outcomes."""

import dataclasses
import re
import xml.etree.ElementTree

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"

# A skip for want of a program, a package or a privilege: in CI a failure, because there it is a mistake of the set-up.
MISSING = re.compile(r"missing|not installed|not found|no such|cannot find|needs? root|not root", re.IGNORECASE)


@dataclasses.dataclass
class Result:
    name: str
    status: str
    detail: str = ""  # why it was skipped, or what a failure printed


def strict(results, in_ci):
    """The same results, with skips for want of a tool turned into failures when in CI."""
    for result in results:
        if in_ci and result.status == SKIPPED and MISSING.search(result.detail):
            result = Result(result.name, FAILED, f"skipped in CI: {result.detail}")
        yield result


_TEST = re.compile(r"(not )?ok\b *(\d+)? *-? *([^#]*?) *(?:# *(SKIP|TODO)\b *(.*))?$", re.IGNORECASE)
_PLAN = re.compile(r"1\.\.(\d+) *(?:# *SKIP\b *(.*))?$", re.IGNORECASE)


def from_tap(program, text, status):
    """Results of a program that printed TAP and ended with this exit status (None: it was ended for lasting too long).

    A program cannot pass by saying little: no test, fewer tests than planned, or an exit status that no failed test
    explains count as one more failure each, with all its output.
    """
    results, planned, skip_all, before, last = [], None, None, [], None
    for line in text.splitlines():
        plan, test = _PLAN.match(line), _TEST.match(line)
        if plan:
            planned, skip_all = int(plan.group(1)), plan.group(2)
        elif test:
            bad, number, name, directive, reason = test.groups()
            if directive and directive.upper() == "SKIP":
                # cmocka writes "not ok 3 # SKIP name", and what the test printed, its reason, before that.
                if not name:
                    name, reason = reason, " ".join(before)
                state, detail = SKIPPED, reason or "no reason given"
            else:
                state, detail = (FAILED if bad else PASSED), "\n".join(before) if bad else ""
            last = Result(f"{program}: {name or number or 'unnamed'}", state, detail)
            results.append(last)
            before = []
        elif last is not None and last.status == FAILED and line.startswith("#"):
            last.detail = f"{last.detail}\n{line}".strip()
        elif line.strip():
            before.append(line.lstrip("# "))

    if planned == 0 and skip_all is not None and not results:
        results, planned = [Result(program, SKIPPED, skip_all or "no reason given")], None
    problem = None
    if status is None:
        problem = "ended: it lasted too long"
    elif not results:
        problem = f"no test ran (exit status {status})"
    elif planned is not None and planned != len(results):
        problem = f"{planned} tests planned, {len(results)} ran (exit status {status})"
    elif status != 0 and not any(result.status == FAILED for result in results):
        problem = f"no test failed, but the exit status is {status}"
    if problem:
        results.append(Result(program, FAILED, f"{problem}\n{text}".strip()))
    return results


def from_junit(file, path, text, status):
    """Results of a pytest run over one file that left its JUnit report at path; text is what it printed."""
    results = []
    try:
        cases = list(xml.etree.ElementTree.parse(path).iter("testcase"))
    except (OSError, xml.etree.ElementTree.ParseError):
        cases = []
    for case in cases:
        name = f"{file}: {case.get('name') or 'unnamed'}"
        bad = [node for node in case if node.tag in ("failure", "error")]
        skips = [node for node in case if node.tag == "skipped"]
        if bad:
            results.append(Result(name, FAILED, "\n".join(_describe(node) for node in bad)))
        elif skips:
            results.append(Result(name, SKIPPED, skips[0].get("message") or "no reason given"))
        else:
            results.append(Result(name, PASSED))
    if status is None:
        results.append(Result(file, FAILED, f"ended: it lasted too long\n{text}"))
    elif not results or (status != 0 and not any(result.status == FAILED for result in results)):
        results.append(Result(file, FAILED, f"pytest ended with status {status}, {len(results)} tests ran\n{text}"))
    return results


def _describe(node):
    return (node.text or node.get("message") or "no detail").strip()
