# SPDX-License-Identifier: GPL-2.0-or-later
"""Another NAT at the interface: rules of nftables and of both kinds of iptables, and only those that concern it."""

import json
import shutil

import pytest
from finding import RANGE, check, connects, mend, only
from gateway import BAUTA, Bauta
from lab import Lab


@pytest.fixture(name="idle", scope="module")
def idle_lab():
    """A lab whose rules are flushed by every test that looks at them, and that none changes for good otherwise."""
    lab = Lab()
    try:
        yield lab
    finally:
        lab.close()


def test_both_would_translate(lab):
    """The kernel gives packets the gateway's own address before they come to it, and there they are dropped."""
    bauta = lab.use(Bauta(RANGE))
    lab.R.nft('table ip nat { chain post { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }; }')
    assert not connects(lab)
    assert bauta.drops()["martian"]["packets"] > 0
    finding = only(check(lab.R), "other-nat")
    assert (finding["severity"], finding["by"]) == ("problem", "nftables")
    assert (finding["family"], finding["table"], finding["chain"]) == ("ip", "nat", "post")
    assert f"handle {finding['handle']}" in lab.R.do("nft", "-a", "list", "ruleset")
    mend(lab.R, finding)
    assert check(lab.R) == [] and connects(lab, 7001)


HEAD = "type nat hook postrouting priority srcnat;"

# What stands in table ip nat, and the findings: (chain, severity)
RULESETS = {
    "everything": ("chain p { %s masquerade; }", [("p", "problem")]),
    "by index": ("chain p { %s oif eth0 masquerade; }", [("p", "problem")]),
    "snat": ("chain p { %s oifname eth0 snat to 192.0.2.77; }", [("p", "problem")]),
    "wildcard": ('chain p { %s oifname "eth*" masquerade; }', [("p", "problem")]),
    "others' wildcard": ('chain p { %s oifname "wan*" masquerade; }', []),
    "another interface": ("chain p { %s oifname eth1 masquerade; }", []),
    "another by index": ("chain p { %s oif eth1 masquerade; }", []),
    "all but ours": ("chain p { %s oifname != eth0 masquerade; }", []),
    "all but another": ("chain p { %s oifname != eth1 masquerade; }", [("p", "problem")]),
    "among several": ("chain p { %s oifname { eth0, wan0 } masquerade; }", [("p", "problem")]),
    "not among several": ("chain p { %s oifname { eth1, wan0 } masquerade; }", []),
    "not those": ("chain p { %s oifname != { eth0, wan0 } masquerade; }", []),
    "of some": ("chain p { %s ip saddr 10.0.0.0/8 oifname eth0 counter masquerade; }", [("p", "note")]),
    "of a set": ("chain p { %s ip saddr { 10.0.0.1, 10.0.0.2 } masquerade; }", [("p", "note")]),
    "one protocol": ("chain p { %s meta l4proto tcp masquerade; }", [("p", "note")]),
    "marked": ("chain p { %s meta mark 7 masquerade; }", [("p", "note")]),
    "behind an end": ("chain p { %s oifname eth0 accept; masquerade; }", []),
    "behind an end for some": ("chain p { %s ip daddr 10.0.0.1 return; masquerade; }", [("p", "problem")]),
    "by a jump": ("chain u { masquerade; }; chain p { %s oifname eth0 jump u; }", [("u", "problem")]),
    "by another's jump": ("chain u { masquerade; }; chain p { %s oifname eth1 jump u; }", []),
    "by a jump of some": ("chain u { masquerade; }; chain p { %s ip saddr 10.0.0.1 goto u; }", [("u", "note")]),
    "by two ways": (
        "chain u { masquerade; }; chain p { %s ip saddr 10.0.0.1 jump u; jump u; }", [("u", "problem")]
    ),
    "by a map": (
        "chain u { masquerade; }; chain v { masquerade; };"
        "chain p { %s oifname vmap { eth0 : jump u, eth1 : jump v }; }",
        [("u", "problem")],
    ),
    "by a map of something else": (
        "chain u { masquerade; }; chain p { %s meta mark vmap { 1 : jump u }; }", [("u", "note")]
    ),
    "nowhere": ("chain u { masquerade; }", []),
    "inbound only": ("chain d { type nat hook prerouting priority dstnat; dnat to 192.168.0.5; }", []),
    "two": ("chain p { %s ip saddr 10.0.0.1 masquerade; masquerade; }", [("p", "problem"), ("p", "note")]),
}


@pytest.mark.parametrize("name", RULESETS)
def test_rules_of_nftables(idle, name):
    rules, expected = RULESETS[name]
    idle.R.nft("flush ruleset\ntable ip nat { " + rules.replace("%s", HEAD) + "; }")
    findings = check(idle.R)
    assert [(finding["chain"], finding["severity"]) for finding in findings] == expected, findings
    for finding in findings:
        mend(idle.R, finding)
    assert check(idle.R) == []


def test_rules_of_family_inet(idle):
    idle.R.nft(
        "flush ruleset\ntable inet fw { chain p { " + HEAD + " meta nfproto ipv6 masquerade;"
        " meta nfproto ipv4 oifname eth0 masquerade; }; }\ntable ip6 nat { chain p { " + HEAD + " masquerade; }; }"
    )
    finding = only(check(idle.R), "other-nat")
    assert (finding["family"], finding["table"], finding["severity"]) == ("inet", "fw", "problem")
    mend(idle.R, finding)
    assert check(idle.R) == []


IPTABLES = {
    "masquerade": ([["POSTROUTING", "-o", "eth0", "-j", "MASQUERADE"]], [("POSTROUTING", "problem")]),
    "wildcard": ([["POSTROUTING", "-o", "eth+", "-j", "MASQUERADE"]], [("POSTROUTING", "problem")]),
    "everything": ([["POSTROUTING", "-j", "SNAT", "--to", "192.0.2.77"]], [("POSTROUTING", "problem")]),
    "with a comment": (
        [["POSTROUTING", "-o", "eth0", "-m", "comment", "--comment", "x", "-j", "MASQUERADE"]], [("POSTROUTING", None)]
    ),
    "docker": (
        [["POSTROUTING", "-s", "172.17.0.0/16", "!", "-o", "docker0", "-j", "MASQUERADE"]], [("POSTROUTING", "note")]
    ),
    "the demo's": (
        [["POSTROUTING", "-p", "tcp", "-j", "MASQUERADE", "--to-ports", "50000"]], [("POSTROUTING", "note")]
    ),
    "another interface": ([["POSTROUTING", "-o", "eth1", "-j", "MASQUERADE"]], []),
    "all but ours": ([["POSTROUTING", "!", "-o", "eth0", "-j", "MASQUERADE"]], []),
    "behind an end": ([["POSTROUTING", "-o", "eth0", "-j", "ACCEPT"], ["POSTROUTING", "-j", "MASQUERADE"]], []),
    "by a jump": (
        [["U", "-p", "udp", "-j", "RETURN"], ["U", "-j", "MASQUERADE"], ["POSTROUTING", "-o", "eth0", "-j", "U"]],
        [("U", "problem")],
    ),
    "by another's jump": ([["U", "-j", "MASQUERADE"], ["POSTROUTING", "-o", "eth1", "-j", "U"]], []),
    "inbound only": ([["PREROUTING", "-p", "tcp", "-j", "DNAT", "--to", "192.168.0.5"]], []),
    "by two ways": (
        [["U", "-j", "MASQUERADE"], ["POSTROUTING", "-p", "udp", "-j", "U"], ["POSTROUTING", "-j", "U"]],
        [("U", "problem")],
    ),
    "behind a goto": (
        [["U", "-p", "udp", "-j", "RETURN"], ["POSTROUTING", "-g", "U"], ["POSTROUTING", "-j", "MASQUERADE"]], []
    ),
    "behind a goto for some": (
        [["U", "-j", "RETURN"], ["POSTROUTING", "-p", "tcp", "-g", "U"], ["POSTROUTING", "-j", "MASQUERADE"]],
        [("POSTROUTING", "problem")],
    ),
    "behind a return of the chain": (
        [["U", "-j", "RETURN"], ["U", "-j", "SNAT", "--to", "192.0.2.77"], ["POSTROUTING", "-j", "U"],
         ["POSTROUTING", "-j", "MASQUERADE"]],
        [("POSTROUTING", "problem")],
    ),
}


PROGRAMS = [("iptables-nft", "nftables"), ("iptables-legacy", "iptables")]


def start_iptables(host, program):
    """Flushes its table, or skips the test where there can be none."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    probe = host.run(program, "-t", "nat", "-F")
    if probe.status:
        pytest.skip(f"this kernel has no table for {program}: {probe.stderr}")


@pytest.mark.parametrize("program, by", PROGRAMS)
@pytest.mark.parametrize("name", IPTABLES)
def test_rules_of_iptables(idle, program, by, name):
    rules, expected = IPTABLES[name]
    idle.R.nft("flush ruleset")
    start_iptables(idle.R, program)
    idle.R.do(program, "-t", "nat", "-N", "U")
    try:
        for rule in rules:
            idle.R.do(program, "-t", "nat", "-A", *rule)
        findings = check(idle.R)
        assert [finding["chain"] for finding in findings] == [chain for chain, _ in expected], findings
        for finding, (_, severity) in zip(findings, expected):
            assert finding["by"] == by and severity in (None, finding["severity"]), finding
            mend(idle.R, finding)
        assert check(idle.R) == []
    finally:
        idle.R.do(program, "-t", "nat", "-F")
        idle.R.do(program, "-t", "nat", "-X")


@pytest.mark.parametrize("program, by", PROGRAMS)
def test_rule_behind_one_for_all(idle, program, by):
    """No packet comes to it, until the first is gone."""
    idle.R.nft("flush ruleset")
    start_iptables(idle.R, program)
    try:
        idle.R.do(program, "-t", "nat", "-A", "POSTROUTING", "-j", "SNAT", "--to", "192.0.2.77")
        idle.R.do(program, "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")
        for _ in range(2):
            finding = only(check(idle.R), "other-nat")
            assert (finding["by"], finding["severity"]) == (by, "problem")
            mend(idle.R, finding)
        assert check(idle.R) == []
    finally:
        idle.R.do(program, "-t", "nat", "-F")


@pytest.mark.parametrize("program, by", PROGRAMS)
def test_chains_that_multiply(idle, program, by):
    """Each of 14 chains is led to four times by the one before: 4^14 ways to the last, which is walked once a kind."""
    idle.R.nft("flush ruleset")
    start_iptables(idle.R, program)
    names = ["POSTROUTING"] + [f"U{number}" for number in range(14)]
    some = [["-p", "tcp"], ["-p", "udp"], ["-p", "icmp"], []]
    lines = [f":{name} -" for name in names[1:]]
    lines += [" ".join(["-A", here, *words, "-j", there]) for here, there in zip(names, names[1:]) for words in some]
    table = "\n".join(["*nat", *lines, "-A U13 -p tcp -j MASQUERADE", "-A U13 -j MASQUERADE", "COMMIT", ""])
    try:
        idle.R.do(f"{program}-restore", stdin=table.encode())
        done = idle.R.run("timeout", "5", BAUTA, "check", "-e", "eth0", "-p", RANGE, "-j")
        assert done.status == 3, done.report()
        found = [(finding["by"], finding["chain"], finding["severity"]) for finding in json.loads(done.text)]
        assert found == [(by, "U13", "problem"), (by, "U13", "note")]
    finally:
        idle.R.do(program, "-t", "nat", "-F")
        idle.R.do(program, "-t", "nat", "-X")
