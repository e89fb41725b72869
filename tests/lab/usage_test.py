# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: what cannot be understood is refused with one line that says what would be accepted, and --help
and --version say what there is. None of this needs a gateway."""

import pathlib
import re
import subprocess

import pytest
from gateway import BAUTA

TOO_MANY_RANGES = ",".join(str(port) for port in range(1, 1000, 2))


def run(*words):
    done = subprocess.run([BAUTA, *words], capture_output=True, text=True, timeout=10)
    assert "Sanitizer" not in done.stderr, done.stderr
    return done


# the words, and what the one line says
REFUSED = [
    ("foo", "run, down, check, show, explain, flush, watch and fsck"),
    ("--foo", "see bauta show --help"),
    ("show --jsn", "did you mean --json? See bauta show --help"),
    ("run", "-e IFACE is needed"),
    ("run -e", "-e IFACE"),
    ("run --foo", "see bauta run --help"),
    ("run --Fast_Path=eth0", "did you mean --fast-path auto|off|IFACE,...? See bauta run --help"),
    ("run --internl 192.168.0.0/24", "did you mean --internal PREFIX?"),
    ("run --ex 1", "several options begin so: --external, --exclude, --expired"),
    ("run --keep=yes", "--keep takes no argument"),
    ("run -e eth0 -xz", '"-xz" is not understood; see bauta run --help'),
    ("show -j -jx", '"-jx" is not understood; see bauta show --help'),
    ("run -e eth0 foo", "one word too many"),
    ("run -e averyverylongname", "1 to 15 characters"),
    ("run -e a/b", "1 to 15 characters"),
    ("run -e eth0 -p 50000-40000", "the first port must not exceed the last"),
    ("run -e eth0 -p 0", "from 1 to 65535"),
    ("run -e eth0 -p 65536", "from 1 to 65535"),
    ("run -e eth0 -p 1-5,3", "port 3 is there twice"),
    ("run -e eth0 -p http", "such as 50000"),
    ("run -e eth0 -p 1,", "such as 50000"),
    (f"run -e eth0 -p {TOO_MANY_RANGES}", "at most 256"),
    ("run -e eth0 -p 1 -p 2", "one list"),
    ("run -e eth0 --sessions 0", "from 1 to 268435456"),
    ("run -e eth0 --sessions many", "from 1 to 268435456"),
    ("run -e eth0 --clock-factor -1", "from 1 to 10000"),
    ("run -e eth0 --internal 192.168.0.5/24", "did you mean 192.168.0.0/24"),
    ("run -e eth0 --internal fd00::/8", "such as 192.168.0.0/24"),
    ("run -e eth0 -e eth1", "--interface is given twice"),
    ("run -c a -c b", "one file"),
    ("check -c a -c b", "one file"),
    ("run -e eth0 --timeout udp=60", "or this with --below-rfc"),
    ("run -e eth0 --filtering full-cone", "tcp=MODE,udp=MODE"),
    ("run -e eth0 --mapping endpoint-dependent --filtering address-dependent", "contradict"),
    ("run -e eth0 --expired reset", "--mid-stream reset"),
    ("run -e eth0 --hairpin eth0", "the external interface"),
    ("run -e eth0 --exclude 10.0.0.1/8", "did you mean 10.0.0.0/8"),
    ("run -e eth0 --mss big", "auto, off or a number from 88 to 65495"),
    ("down eth0", "one word too many"),
    ("show foo", "status, sessions, mappings, ports, quotas, drops, fast-path and config"),
    ("show sessions tcp", "proto=, internal=, external=, remote= and state="),
    ("show sessions proto=sctp", "tcp, udp or icmp"),
    ("show sessions state=open", "active, opening, established, half-closed, closing or reset"),
    ("show sessions internal=host", "ADDRESS:PORT"),
    ("show sessions proto=tcp proto=udp", "twice"),
    ("show mappings remote=192.0.2.8", "proto=, internal= and external="),
    ("show drops proto=tcp", "nothing can be filtered here"),
    ("explain", "PROTO EXTERNAL REMOTE"),
    ("explain tcp 192.0.2.1:1", "PROTO EXTERNAL REMOTE"),
    ("explain gre 192.0.2.1:1 192.0.2.8:1", "tcp, udp and icmp"),
    ("explain tcp 192.0.2.1 192.0.2.8:1", "ADDRESS:PORT"),
    ("explain tcp 192.0.2.1:1 192.0.2.8:99999", "ADDRESS:PORT"),
    ("explain tcp 192.0.2.1:1 192.0.2.8:1 more", "one word too many"),
    ("flush everything", "proto=, internal=, external=, remote= and state="),
    ("watch everything", "one word too many"),
    ("fsck --repair", "see bauta fsck --help"),
]


@pytest.mark.parametrize("words,says", REFUSED, ids=[words[:40] for words, _ in REFUSED])
def test_refused(words, says):
    done = run(*words.split())
    assert done.returncode == 2, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("bauta: ") and says in line
    assert len(line) < 200


def test_empty_words_are_refused_too():
    assert "at least one port" in run("run", "-e", "eth0", "-p", "").stderr
    for words in (("",), ("show", ""), ("run", "-e", ""), ("show", "sessions", "")):
        assert run(*words).returncode == 2, words


VERBS = {
    "run": ("-e, --interface=IFACE", "-p, --ports=RANGES", "--internal=PREFIX", "--sessions=N", "--keep",
            "--external=ADDRESS|PREFIX", "--spill", "--on-full=share|refuse", "--borrow", "--rest=SECONDS",
            "--icmp=host-unreachable|admin-prohibited|none", "--max-ports=N", "--max-sessions=N", "--max-rate=N",
            "-c, --config=FILE", "--exclude=[PROTO:]PREFIX[:PORT]", "--mapping=MODE",
            "--filtering=MODE|tcp=MODE,udp=MODE", "--hairpin=auto|off|IFACE,...", "--mid-stream=adopt|reset",
            "--unsolicited-syn=wait|silent", "--expired=silent|reset", "--inbound-refresh", "--mss=auto|N|off",
            "--timeout=NAME=SECONDS", "--below-rfc", "--fast-path=auto|off|IFACE,...", "--fast-create"),
    "down": ("-e, --interface=IFACE",),
    "check": ("-e, --interface=IFACE", "-p, --ports=RANGES", "-c, --config=FILE", "-j, --json", "--fix-ephemeral", "3"),
    "show": ("-e, --interface=IFACE", "-j, --json", "FILTER"),
    "explain": ("PROTO EXTERNAL REMOTE", "--last", "-n, --number=N", "-j, --json"),
    "flush": ("FILTER", "-j, --json"),
    "watch": ("-j, --json",),
    "fsck": ("-j, --json", "3"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(verb):
    done = run(verb, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"Usage: bauta {verb}")
    for part in VERBS[verb]:
        assert part in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_help_stands_in_two_columns(verb):
    """glibc's argp puts some options anywhere when a text has an unlucky length: another length mends it."""
    for line in run(verb, "--help").stdout.partition("\n\n")[2].partition("\n\n")[0].splitlines():
        assert re.match(r"(  -\S, --| {6}--| {29})\S", line), line


def test_help_names_all_verbs():
    done = run("--help")
    assert done.returncode == 0 and done.stderr == ""
    for verb in VERBS:
        assert f"  {verb} " in done.stdout


def complete(line):
    """What bash offers behind it."""
    script = pathlib.Path(__file__).parents[2] / "packaging" / "bauta.bash-completion"
    commands = """COMP_LINE=$2 COMP_POINT=${#2}
ls() { printf '%s\\n' eth0 eth1 wan0; }
. "$1"
_bauta
echo "${COMPREPLY[@]}"
"""
    return subprocess.check_output(["bash", "-c", commands, "bash", script, line], text=True, timeout=10).split()


def test_completion_of_a_list():
    assert complete("bauta run --fast-path ") == ["eth0", "eth1", "wan0", "auto", "off"]
    assert complete("bauta run --fast-path eth") == ["eth0", "eth1"]
    assert complete("bauta run --fast-path eth0,") == ["eth0,eth1", "eth0,wan0"]
    assert complete("bauta run --hairpin wan0,eth1,e") == ["wan0,eth1,eth0"]
    assert complete("bauta run --fast-path eth0,a") == []


def test_completion_of_explain():
    assert complete("bauta explain ") == ["tcp", "udp", "icmp"]
    assert complete("bauta explain --l") == ["--last"]
    assert complete("bauta explain --last re") == ["remote=", "reason="]
    assert complete("bauta explain --last -n ") == []


def test_version():
    done = run("--version")
    assert done.returncode == 0 and done.stdout.startswith("bauta ")


def test_full_disk_is_a_failure():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([BAUTA, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=10)
    assert done.returncode == 1
    assert done.stderr == "bauta: cannot write the output: No space left on device\n"
