# SPDX-License-Identifier: GPL-2.0-or-later
"""`bauta check` asked, its findings looked at, and mended as they say."""

import errno
import json

from gateway import BAUTA
from talk import accept

RANGE = "20000-20009"


def check(host, *words, ports=RANGE, dev="eth0"):
    """The findings of a check that must agree with its exit status."""
    words = [*words, "-e", dev] if dev else list(words)
    done = host.run(BAUTA, "check", *words, *(["-p", ports] if ports else []), "-j")
    findings = json.loads(done.text)
    assert done.status == (3 if findings else 0) and not done.stderr, done.report()
    for finding in findings:
        assert finding["severity"] in ("problem", "note")
        assert all(finding[key] for key in ("finding", "what", "why", "mend")), finding
    return findings


def only(findings, name):
    """The one finding, which is of this name."""
    assert [finding["finding"] for finding in findings] == [name], findings
    return findings[0]


def mend(host, finding):
    """Does what the finding says, literally."""
    host.do("sh", "-c", finding["mend"])


def connects(lab, port=7000):
    """Whether A gets a connection to B, and B its first octets."""
    server = lab.B.listen(port)
    try:
        accept(lab.A.connect((lab.B.address, port), timeout_s=1), server)
    except OSError as failure:
        assert failure.errno in (None, errno.EHOSTUNREACH), failure
        return False
    finally:
        server.close()
    return True
