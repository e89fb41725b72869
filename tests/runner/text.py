# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of the sources that need no compiler. Each returns a list of complaints, one line each."""

import pathlib
import re
import shutil
import subprocess

LICENSE = "SPDX-License-Identifier: GPL-2.0-or-later"
CODE = {".c", ".h", ".py", ".sh", ".bash", ".scd", ".nft"}
MAX_COLUMNS = 130  # .editorconfig; clang-format keeps C at 120, comments excepted
MAX_LINES = 600
MAX_LINES_ENTRY = 300


def files():
    """Every file of the project: what git follows, and what it would follow if it were added."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True, capture_output=True
    ).stdout.decode()
    return sorted(path for path in map(pathlib.Path, set(listed.split("\0")) - {""}) if path.is_file())


def _first_line(path):
    with open(path, "rb") as file:
        return file.readline().decode(errors="replace")


def _is_script(path, interpreters):
    return path.suffix == "" and re.match(rf"#!.*\b({interpreters})\b", _first_line(path)) is not None


def is_python(path):
    return path.suffix == ".py" or _is_script(path, "python3?")


def is_shell(path):
    return path.suffix in (".sh", ".bash") or _is_script(path, "sh|bash|dash")


def is_c(path):
    return path.suffix in (".c", ".h")


def is_code(path):
    return path.suffix in CODE or path.name == "Makefile" or is_python(path) or is_shell(path)


def license_lines(paths):
    return [
        f"{path}: no line '{LICENSE}' among the first three"
        for path in filter(is_code, paths)
        if LICENSE not in "".join(path.read_text(errors="replace").splitlines(True)[:3])
    ]


def layout(paths):
    """What .editorconfig says; a paragraph of a man page is one line."""
    complaints = []
    for path in paths:
        data = path.read_bytes()
        if b"\0" in data or not data or path.suffix in (".pcap", ".png"):
            continue
        text = data.decode("utf-8", errors="replace")
        if not text.endswith("\n"):
            complaints.append(f"{path}: no newline at the end")
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                complaints.append(f"{path}:{number}: white space at the end of the line")
            if is_code(path) and path.suffix != ".scd" and len(line.expandtabs(8)) > MAX_COLUMNS:
                complaints.append(f"{path}:{number}: longer than {MAX_COLUMNS} columns")
    return complaints


def debug_prints(paths):
    return [
        f"{path}:{number}: bpf_printk"
        for path in filter(is_c, paths)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if "bpf_printk" in line
    ]


def long_files(paths):
    """Not an error: files that ask for a review, because they may have more than one subject."""
    notes = []
    for path in paths:
        if path.parts[0] in ("src", "tests") and is_code(path):
            limit = MAX_LINES_ENTRY if path.name.endswith(".bpf.c") else MAX_LINES
            lines = len(path.read_text(errors="replace").splitlines())
            if lines > limit:
                notes.append(f"{path} has {lines} lines, more than {limit}: has it one subject?")
    return notes


class MissingTool(Exception):
    pass


def _tool(argv, paths):
    """Complaints of a tool run over files."""
    if shutil.which(argv[0]) is None:
        raise MissingTool(f"{argv[0]} is not installed")
    if not paths:
        return []
    done = subprocess.run(argv + [str(path) for path in paths], check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    return (done.stdout + done.stderr).splitlines() or [f"{argv[0]}: exit status {done.returncode}"]


def format_c(paths):
    found = _tool(["clang-format", "--dry-run", "-Werror"], list(filter(is_c, paths)))
    places = [line.split(" error: ")[0] for line in found if "clang-format-violations" in line]
    return places and ["not laid out as .clang-format says (`make format` mends it):"] + places


def python(paths):
    argv = ["/usr/bin/python3", "-m", "flake8", f"--max-line-length={MAX_COLUMNS}", "--extend-ignore=E203,W503"]
    return _tool(argv, list(filter(is_python, paths)))


def shell(paths):
    """Scripts, each together with the files that it sources."""
    scripts = [path for path in paths if is_shell(path) and _first_line(path).startswith("#!")]
    return _tool(["shellcheck", "--external-sources", "--source-path=SCRIPTDIR"], scripts)
