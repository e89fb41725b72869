# SPDX-License-Identifier: GPL-2.0-or-later
"""The descriptors that a process holds, as the kernel describes them: a dictionary of words for each."""

import pathlib


def read(pid):
    for info in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = info.read_text()
        except FileNotFoundError:   # closed meanwhile
            continue
        yield dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
