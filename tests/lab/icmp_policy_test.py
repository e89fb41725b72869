# SPDX-License-Identifier: GPL-2.0-or-later
"""What a refused client is told: as --icmp says (RFC 6888 REQ-11b, RFC 5508 REQ-8), and by a real connect()."""

import errno

import pytest
from gateway import Bauta
from packet import check_checksums, match, quoted
from scapy.layers.inet import ICMP, IP
from scapy.packet import Raw
from talk import ask

CODES = {"host-unreachable": 1, "admin-prohibited": 13, "none": None}


@pytest.fixture(params=CODES)
def refusing(make_lab, request):
    """(lab, gateway, code): one port, which A holds toward B:7000 by UDP."""
    lab = make_lab(offload=False)
    lab.meet()
    bauta = lab.use(Bauta("50000", "--icmp", request.param))
    ask(lab.A.udp(5000, remote=(lab.B.address, 7000)), lab.B.udp(7000))
    return lab, bauta, CODES[request.param]


def errors_about(lab, capture, code):
    """What came to A2, which has to be one error of this code, or nothing."""
    lab.settle(lab.A2)
    errors = capture.packets(match(icmp=3))
    assert [error[ICMP].code for error in errors] == ([] if code is None else [code])
    for error in errors:
        assert (error.src, quoted(error).src) == (lab.R.internal, lab.A2.address)
        check_checksums(bytes(error))


def test_want_of_a_port(refusing):
    lab, bauta, code = refusing
    at_a2 = lab.capture(lab.A2)
    lab.A2.udp(5001).sendto(b"x", (lab.B.address, 7000))
    errors_about(lab, at_a2, code)
    assert bauta.drops()["no-port"]["packets"] == 1


def test_protocol_is_no_policy(refusing):
    lab, bauta, code = refusing
    at_a2 = lab.capture(lab.A2)
    lab.A2.send(IP(src=lab.A2.address, dst=lab.B.address, proto=47) / Raw(b"\0\0\x08\0GRE"))
    errors_about(lab, at_a2, None if code is None else 2)
    assert bauta.drops()["protocol"]["packets"] == 1


def test_connect_fails_at_once_unless_nothing_is_told(refusing):
    lab, _, code = refusing
    server = lab.B.listen(7001)
    lab.A.connect((lab.B.address, 7001), port=5000)
    if code is None:
        with pytest.raises(TimeoutError):
            lab.A2.connect((lab.B.address, 7001), timeout_s=0.3)
    else:
        with pytest.raises(OSError) as refused:
            lab.A2.connect((lab.B.address, 7001))
        assert refused.value.errno == errno.EHOSTUNREACH
    server.close()
