# SPDX-License-Identifier: GPL-2.0-or-later
"""Ports that the kernel gives to programs by itself: found, and taken out of its pool by --fix-ephemeral."""

import json
import os
import pty

import pytest
from finding import check, mend, only
from gateway import BAUTA, Bauta

RANGE_SYSCTL = "/proc/sys/net/ipv4/ip_local_port_range"
RESERVED_SYSCTL = "/proc/sys/net/ipv4/ip_local_reserved_ports"


def test_overlap(lab):
    finding = only(check(lab.R, ports="30000-40000"), "ephemeral-overlap")
    assert (finding["severity"], finding["ports"], finding["ephemeral"]) == ("note", "32768-40000", "32768-60999")
    mend(lab.R, {"mend": finding["mend"].replace("bauta", BAUTA, 1)})
    assert check(lab.R, ports="30000-40000") == []


def test_reserved_ports_are_no_overlap(lab):
    """That is how the kernel is kept from giving them to programs."""
    lab.R.sysctl("net.ipv4.ip_local_reserved_ports", "50000-50009")
    assert check(lab.R, ports="50000-50009") == []
    assert only(check(lab.R, ports="50000-50010"), "ephemeral-overlap")["ports"] == "50010"


def test_default_range_that_is_empty(lab):
    lab.R.sysctl("net.ipv4.ip_local_port_range", "1024 65535")
    finding = only(check(lab.R, ports=None), "no-ports")
    assert finding["severity"] == "problem"
    mend(lab.R, finding)
    assert check(lab.R, ports=None) == []


def test_ranges_of_the_instance(lab):
    """Without -p those that it has, and without -e the only one there is."""
    lab.use(Bauta("50000-50009"))
    for dev in ("eth0", None):
        assert only(check(lab.R, ports=None, dev=dev), "ephemeral-overlap")["ports"] == "50000-50009"
    assert check(lab.R) == []


def fix(host, ports):
    return host.run(BAUTA, "check", "-e", "eth0", "-p", ports, "--fix-ephemeral")


@pytest.mark.parametrize("ports, port_range, reserved", [
    ("50000-60999", "32768\t49999", ""),
    ("30000-39999", "40000\t60999", ""),
    ("50000-50009", "32768\t60999", "50000-50009"),
    ("32768-33767,50000-50009,60000-65535", "33768\t59999", "50000-50009"),
])
def test_fix(lab, ports, port_range, reserved):
    """Says old and new; what it says to make it permanent sets the same; a second time there is nothing to do."""
    done = fix(lab.R, ports)
    assert done.status == 0 and not done.stderr, done.report()
    now = lab.R.read(RANGE_SYSCTL), lab.R.read(RESERVED_SYSCTL)
    assert now == (port_range + "\n", reserved + "\n")
    if "32768\t60999" not in port_range:
        new = port_range.replace("\t", " ")
        assert f'changed net.ipv4.ip_local_port_range from "32768 60999" to "{new}"\n' in done.text
    assert (f'changed net.ipv4.ip_local_reserved_ports from "" to "{reserved}"\n' in done.text) == bool(reserved)
    assert "/etc/sysctl.d/" in done.text and done.text.splitlines()[-1].startswith("nothing is in the way")

    permanent = "".join(line + "\n" for line in done.text.splitlines() if line.startswith("  net."))
    lab.R.sysctl("net.ipv4.ip_local_port_range", "32768 60999")
    lab.R.sysctl("net.ipv4.ip_local_reserved_ports", "")
    lab.R.do("sysctl", "-p", "-", stdin=permanent.encode())
    assert now == (lab.R.read(RANGE_SYSCTL), lab.R.read(RESERVED_SYSCTL))

    again = fix(lab.R, ports)
    assert again.status == 0 and again.text.startswith("nothing to change"), again.report()
    assert now == (lab.R.read(RANGE_SYSCTL), lab.R.read(RESERVED_SYSCTL))


def test_fix_keeps_what_is_reserved(lab):
    """Also a list that is longer than the page that the kernel takes at a time."""
    lab.R.sysctl("net.ipv4.ip_local_reserved_ports", "8080,40000-40009")
    assert fix(lab.R, "50000").status == 0
    assert lab.R.read(RESERVED_SYSCTL) == "8080,40000-40009,50000\n"
    every_other = ",".join(str(port) for port in range(1, 3000, 2))
    lab.R.sysctl("net.ipv4.ip_local_reserved_ports", every_other)
    before = lab.R.read(RESERVED_SYSCTL).strip()
    assert len(before) > 4096
    done = fix(lab.R, "50000")
    assert done.status == 0, done.report()
    assert lab.R.read(RESERVED_SYSCTL).strip() == before + ",50000"


def test_fix_then_finds_what_is_left(lab):
    lab.R.sysctl("net.ipv4.ip_forward", 0)
    done = lab.R.run(BAUTA, "check", "-e", "eth0", "-p", "50000-60999", "--fix-ephemeral", "-j")
    answer = json.loads(done.text)
    assert done.status == 3 and only(answer["findings"], "forwarding-off")
    assert answer["changed"] == [
        {"sysctl": "net.ipv4.ip_local_port_range", "old": "32768 60999", "new": "32768 49999"}
    ]


@pytest.mark.parametrize("ports", ["1024-65535", "32768-60999", "33000-60999"])
def test_fix_that_would_leave_too_few(lab, ports):
    done = fix(lab.R, ports)
    assert done.status == 1 and not done.text
    (line,) = done.stderr.splitlines()
    assert "1024" in line and "32768-60999" in line
    assert (lab.R.read(RANGE_SYSCTL), lab.R.read(RESERVED_SYSCTL)) == ("32768\t60999\n", "\n")


def test_fix_is_undone_where_half_of_it_fails(lab):
    """The second sysctl cannot be written: the first is as it was, and the one line says so."""
    script = (
        f"mount --bind {RESERVED_SYSCTL} {RESERVED_SYSCTL} && mount -o remount,bind,ro {RESERVED_SYSCTL} && "
        f"exec {BAUTA} check -e eth0 -p 50000,60000-60999 --fix-ephemeral"
    )
    done = lab.R.run("unshare", "-m", "sh", "-c", script)
    assert done.status == 1 and not done.text, done.report()
    (line,) = done.stderr.splitlines()
    assert "ip_local_reserved_ports: Read-only file system" in line and "is 32768 60999 as before" in line
    assert "ip_local_reserved_ports is as before" in line
    assert lab.R.read(RANGE_SYSCTL) == "32768\t60999\n"


def test_fix_is_undone_where_a_part_was_written(lab, tmp_path):
    """A list of more than a page, of which only the first page goes into the file."""
    old = ",".join(str(port) for port in range(1025, 2663, 2))
    assert 4096 - 10 < len(old) < 4096
    file = tmp_path / "reserved"
    script = (
        f"mount -t tmpfs -o size=4096 none {tmp_path} && printf '%s\\n' {old} >{file} && "
        f"mount --bind {file} {RESERVED_SYSCTL} && "
        f"{{ {BAUTA} check -e eth0 -p 50000,50002,60000-60999 --fix-ephemeral; echo $?; head -n 1 {file}; }}"
    )
    done = lab.R.run("unshare", "-m", "sh", "-c", script)
    status, now = done.text.splitlines()
    assert (status, now) == ("1", old)
    (line,) = done.stderr.splitlines()
    assert "ip_local_reserved_ports: No space left on device" in line and "is 32768 60999 as before" in line
    assert "ip_local_reserved_ports is as before" in line
    assert lab.R.read(RANGE_SYSCTL) == "32768\t60999\n"


@pytest.mark.parametrize("words", [[], ["-j"]])
def test_fix_is_told_where_the_check_fails(lab, words):
    """A terminal in the place of the reserved ports gives a line a time: none at the fix, no list at the check."""
    master, slave = pty.openpty()
    try:
        os.write(master, b"\n\nnone\n")
        script = (
            f"mount --bind {os.ttyname(slave)} {RESERVED_SYSCTL} && "
            f"exec {BAUTA} check -e eth0 -p 50000-60999 --fix-ephemeral {' '.join(words)}"
        )
        done = lab.R.run("unshare", "-m", "sh", "-c", script)
    finally:
        os.close(master)
        os.close(slave)
    assert done.status == 1, done.report()
    (line,) = done.stderr.splitlines()
    assert "which is not a list of ports" in line
    assert lab.R.read(RANGE_SYSCTL) == "32768\t49999\n"
    if words:
        change = {"sysctl": "net.ipv4.ip_local_port_range", "old": "32768 60999", "new": "32768 49999"}
        assert json.loads(done.text) == {"changed": [change]}
    else:
        assert done.text.startswith('changed net.ipv4.ip_local_port_range from "32768 60999" to "32768 49999"\n')
