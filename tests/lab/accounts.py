# SPDX-License-Identifier: GPL-2.0-or-later
"""Every packet accounted for: what came to the gateway's hooks and what left them, against its own counters.

The kernel counts on the far side of both hooks: an nft egress chain stands before tc egress, an nft ingress chain
behind tc ingress, and a capture sees packets behind tc egress and before tc ingress. It does not
see the copies of the host's own multicast and broadcast that the kernel loops back: how many arrived, only the gateway
tells; how many left, the nft chain. Nor does the nft chain before egress see what the gateway sends to its own hook
again, when the first fragment of a datagram has come; that, too, only the gateway tells. The capture sees it at ingress.
"""

import json

from wait import until

STOPPED = ("held", "dropped", "refused")
TABLE = """
table ip accounts {{
    chain forward {{
        type filter hook forward priority 0;
        iifname "{dev}" oifname "{dev}" drop
    }}
}}
table netdev accounts {{
    counter before_egress {{ }}
    counter behind_ingress {{ }}
    chain out {{
        type filter hook egress device "{dev}" priority 0;
        counter name before_egress
    }}
    chain in {{
        type filter hook ingress device "{dev}" priority 0;
        counter name behind_ingress
    }}
}}
"""


class Accounts:
    """Begins at zero when it is made; make it while nothing is under way. What would be forwarded out of the interface
    that it came from is not let through: the answer to its refusal would pass tc egress, but no nft chain."""

    def __init__(self, lab, gateway):
        self._lab = lab
        self._gateway = gateway
        lab.R.nft(TABLE.format(dev=gateway.dev))
        self._capture = lab.capture(lab.R, gateway.dev)
        self._start = gateway.drops()
        self._start_returned = gateway.status()["returned_outbound"]
        self._verdicts = {row["reason"]: row["verdict"] for row in self._start.values()}

    def _kernel(self):
        listing = json.loads(self._lab.R.do("nft", "-j", "list", "counters", "table", "netdev", "accounts"))
        counters = [entry["counter"] for entry in listing["nftables"] if "counter" in entry]
        return {counter["name"]: counter["packets"] for counter in counters}

    def reasons(self):
        """Packets by reason since the start."""
        rows = self._gateway.drops()
        self._verdicts.update({row["reason"]: row["verdict"] for row in rows.values()})
        counts = {name: row["packets"] - self._start.get(name, {"packets": 0})["packets"] for name, row in rows.items()}
        return {name: count for name, count in counts.items() if count}

    def _balance(self):
        """(whether the books are balanced, the books). Not one snapshot: a packet may pass while this reads."""
        kernel = self._kernel()
        frames = self._capture.frames()
        reasons = self.reasons()
        arrived = sum(not frame.outgoing for frame in frames) + kernel["before_egress"] + reasons.get("loopback", 0)
        arrived += self._gateway.status()["returned_outbound"] - self._start_returned
        left = sum(frame.outgoing for frame in frames) + kernel["behind_ingress"]
        passed = sum(count for name, count in reasons.items() if self._verdicts[name] in ("translated", "passed"))
        stopped = sum(count for name, count in reasons.items() if self._verdicts[name] in STOPPED)
        books = f"arrived {arrived}, left {left}, counted as passed {passed}, as stopped {stopped}: {reasons}"
        return arrived == passed + stopped and left == passed, books

    def check(self):
        """Packets in = packets out + held + dropped + refused, and every packet has one reason; returns the reasons.
        A late acknowledgement may still come by; what is missing from the books stays missing."""
        until(lambda: self._balance()[0], lambda: f"for balanced books; {self._balance()[1]}", 2)
        return self.reasons()
