# SPDX-License-Identifier: GPL-2.0-or-later
"""What the machines' tests came to: TAP, and a table of kernel and test."""

import dataclasses

from result import FAILED, SKIPPED

MAX_LINES = 60  # of a failure's output: the tail, where a verifier says what it minds


@dataclasses.dataclass
class Column:
    """One kernel."""

    release: str
    seconds: float = 0.0
    results: dict = dataclasses.field(default_factory=dict)  # by the test's name
    took: dict = dataclasses.field(default_factory=dict)

    def add(self, name, results, seconds):
        self.results[name] = results
        self.took[name] = seconds

    def failed(self):
        return any(result.status == FAILED for found in self.results.values() for result in found)

    def cell(self, name):
        found = self.results.get(name)
        if not found:
            return "-"
        num_failed = sum(result.status == FAILED for result in found)
        if num_failed:
            return f"FAILED {num_failed} of {len(found)}"
        if all(result.status == SKIPPED for result in found):
            return "skipped"
        return f"ok {self.took[name]:6.1f} s"


def print_tap(columns):
    number = 0
    for column in columns:
        for result in [result for found in column.results.values() for result in found]:
            number += 1
            verdict = "not ok" if result.status == FAILED else "ok"
            skip = f" # SKIP {result.detail}" if result.status == SKIPPED else ""
            print(f"{verdict} {number} - {column.release} {result.name.replace('#', '')}{skip}")
            if result.status == FAILED:
                for line in result.detail.splitlines()[-MAX_LINES:]:
                    print(f"#   {line}")
    print(f"1..{number}")


def print_table(columns, names):
    width = max(map(len, names))
    print("# " + " " * width + "".join(f"{column.release:>30}" for column in columns))
    for name in names:
        print(f"# {name:{width}}" + "".join(f"{column.cell(name):>30}" for column in columns))
    print(f"# {'altogether':{width}}" + "".join(f"{column.seconds:28.1f} s" for column in columns))
