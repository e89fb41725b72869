/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Name and sentence of every reason.
 *
 * A name is the enum's without the verdict; where two verdicts share a word, both names begin with theirs. A sentence
 * tells an operator what happened and, where there is something to be done, what.
 */
#include "reason_text.h"

const struct reason_text reason_text[] = {
	[TRANSLATED_OUTBOUND] = { "outbound", "from inside, on a session that was there" },
	[TRANSLATED_INBOUND] = { "inbound", "from a remote, on a session that was there" },
	[TRANSLATED_NEW] = { "new", "the first packet of a session" },
	[TRANSLATED_SHARED] = { "shared",
				"the first packet of a session on a port that serves other remotes too: no port was "
				"without a mapping, or the mapping's own port is taken toward this remote; widen the "
				"ranges if mappings should be stable" },
	[TRANSLATED_CLASH] = { "translated-clash",
			       "the host's own packet, moved to another port because a session held its tuple; bauta "
			       "explain names the session" },
	[TRANSLATED_ERROR_OUTBOUND] = { "error-outbound",
					"an ICMP error from inside, about a packet that came in on a session" },
	[TRANSLATED_ERROR_INBOUND] = { "error-inbound",
				       "an ICMP error from outside, about a packet that went out on a session" },
	[PASSED_ARP] = { "arp", "ARP is not translated" },
	[PASSED_IPV6] = { "ipv6", "IPv6 is not translated; filter it elsewhere if it should not be forwarded" },
	[PASSED_VLAN] = { "vlan",
			  "a frame with a VLAN tag; run bauta on the VLAN's own interface if it should be translated" },
	[PASSED_OTHER_ETHERTYPE] = { "other-ethertype", "a frame that carries neither IP nor ARP" },
	[PASSED_UNSPECIFIED] = { "unspecified", "the host's own packet from 0.0.0.0, as DHCP sends" },
	[PASSED_MULTICAST] = { "passed-multicast", "the host's own multicast, in or out" },
	[PASSED_BROADCAST] = { "broadcast", "the host's own broadcast, in or out" },
	[PASSED_HOST] = { "host", "the host's own traffic, whose tuple no session holds" },
	[PASSED_HOST_PROTOCOL] = { "host-protocol",
				   "the host's own traffic of a protocol other than TCP, UDP and ICMP" },
	[PASSED_HOST_FRAGMENT] = { "host-fragment",
				   "a later fragment from or to the host, of a datagram that belongs to no session" },
	[PASSED_NOT_INTERNAL] = { "not-internal",
				  "forwarded from an address outside of every --internal prefix, untouched" },
	[PASSED_NOT_EXTERNAL] = { "not-external", "came in for an address that is not the external interface's" },
	[PASSED_NO_SESSION] = { "passed-no-session",
				"came in for one of our addresses and belongs to no session: given to the host" },
	[PASSED_OWN_ERROR] = { "own-error", "our own refusal on its way to a socket of the host" },
	[PASSED_LOOPBACK] = { "loopback",
			      "the kernel's copy of the host's own multicast or broadcast, for its own programs" },
	[DROPPED_IP_HEADER] = { "ip-header", "not an IPv4 header: wrong version or header length" },
	[DROPPED_IP_LENGTH] = { "ip-length", "the packet is shorter than its IP header says" },
	[DROPPED_IP_CHECKSUM] = { "ip-checksum", "the checksum of the IP header is wrong" },
	[DROPPED_TCP_HEADER] = { "tcp-header", "the TCP header is cut off, or its length is impossible" },
	[DROPPED_UDP_HEADER] = { "udp-header", "the UDP header is cut off, or its length is impossible" },
	[DROPPED_ICMP_HEADER] = { "icmp-header", "the ICMP header is cut off" },
	[DROPPED_ICMP_QUOTE] = { "icmp-quote", "an ICMP error whose quoted packet is cut off or broken" },
	[DROPPED_ICMP_TYPE] = { "icmp-type", "an ICMP message from inside of a type that is not translated" },
	[DROPPED_ERROR_NO_SESSION] = { "error-no-session", "an ICMP error about a packet of no session" },
	[DROPPED_NO_SESSION] = { "dropped-no-session",
				 "a TCP reset or an ICMP reply from inside that belongs to no session: it ends nothing "
				 "that exists" },
	[DROPPED_FRAGMENT] = { "fragment",
			       "a later fragment from inside whose datagram's first fragment was not seen before it" },
	[DROPPED_MULTICAST] = { "dropped-multicast", "multicast or broadcast from inside is not translated" },
	[DROPPED_MARTIAN] = { "martian", "forwarded from or to an address that no host can have" },
	[DROPPED_RACE] = { "race",
			   "two packets asked for the same new session at the same moment; the sender will repeat this "
			   "one" },
	[DROPPED_REWRITE] = { "rewrite", "the kernel could not give write access to the packet; is memory short?" },
	[REFUSED_PROTOCOL] = { "protocol",
			       "from inside, of a protocol other than TCP, UDP and ICMP; the sender got ICMP 3/2" },
	[REFUSED_NO_PORT] = { "no-port", "every port of the ranges is taken toward this remote; widen the ranges or "
					 "see bauta show "
					 "ports; the sender got ICMP 3/1" },
	[REFUSED_NO_ROOM] = { "no-room", "the table is full; run with more --sessions; the sender got ICMP 3/1" },
	[REFUSED_NO_ADDRESS] = { "no-address",
				 "the external interface has no IPv4 address at the moment; the sender got ICMP 3/1" },
	[REFUSED_CLASH] = { "refused-clash",
			    "the host's own packet: a session holds its tuple and every other port is taken too; the "
			    "socket got an error; widen the ranges, or let the program use another port" },
	[REFUSED_QUOTA_PORTS] = { "quota-ports",
				  "the internal host has as many ports as --max-ports allows; the sender "
				  "got ICMP 3/1" },
	[REFUSED_QUOTA_SESSIONS] = { "quota-sessions",
				     "the internal host has as many sessions as --max-sessions allows; "
				     "the sender got ICMP 3/1" },
	[REFUSED_QUOTA_RATE] = { "quota-rate",
				 "the internal host has made as many sessions in this second as --max-rate "
				 "allows; the sender got ICMP 3/1" },
	[DENIED_BIND] = { "bind", "a program asked for a port that the NAT is using (--borrow): bind() failed with "
				  "EADDRINUSE" },
	[DENIED_CONNECT] = { "connect",
			     "a program that chose its port asked for a tuple that a session holds: connect() "
			     "failed with EADDRINUSE; bauta explain names the session" },
	[DENIED_SEND] = { "send",
			  "a program that chose its port sent to where a session holds the tuple: the call failed "
			  "with EADDRINUSE; bauta explain names the session" },
};

_Static_assert(sizeof(reason_text) / sizeof(reason_text[0]) == NUM_REASON, "every reason has its text");
