/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Name and sentence of every reason.
 *
 * A name is the enum's without the verdict; where two verdicts share a word, both names begin with theirs. A sentence
 * tells an operator what happened and, where there is something to be done, what. Who is told is not in it: that follows
 * from reason.h and from --icmp.
 */
#include "reason_text.h"

#define PLAIN(NAME, WHAT)                                       \
	{                                                       \
		.name = (NAME), .meaning = (WHAT), .remedy = "" \
	}
#define TO_DO(NAME, WHAT, REMEDY)                                               \
	{                                                                       \
		.name = (NAME), .meaning = WHAT "; " REMEDY, .remedy = (REMEDY) \
	}

const struct reason_text reason_text[] = {
	[TRANSLATED_OUTBOUND] = PLAIN("outbound", "from inside, on a session that was there"),
	[TRANSLATED_INBOUND] = PLAIN("inbound", "from a remote, on a session that was there"),
	[TRANSLATED_NEW] = PLAIN("new", "the first packet of a session"),
	[TRANSLATED_SHARED] =
		TO_DO("shared",
		      "the first packet of a session on a port that serves other remotes too: no port was "
		      "without a mapping, or the mapping's own port is taken toward this remote",
		      "widen the ranges if mappings should be stable"),
	[TRANSLATED_ACCEPTED] = PLAIN(
		"accepted", "the first packet of a session from outside: the mapping's filter lets its sender in"),
	[TRANSLATED_CLASH] = TO_DO("translated-clash",
				   "the host's own packet, moved to another port because a session held its tuple",
				   "bauta explain names the session"),
	[TRANSLATED_ERROR_OUTBOUND] =
		PLAIN("error-outbound", "an ICMP error from inside, about a packet that came in on a session"),
	[TRANSLATED_ERROR_INBOUND] =
		PLAIN("error-inbound", "an ICMP error from outside, about a packet that went out on a session"),
	[TRANSLATED_HAIRPIN] =
		PLAIN("hairpin", "from inside to the external endpoint of an internal host, and back inside"),
	[PASSED_ARP] = PLAIN("arp", "ARP is not translated"),
	[PASSED_IPV6] = TO_DO("ipv6", "IPv6 is not translated", "filter it elsewhere if it should not be forwarded"),
	[PASSED_VLAN] = TO_DO("vlan", "a frame with a VLAN tag",
			      "run bauta on the VLAN's own interface if it should be translated"),
	[PASSED_OTHER_ETHERTYPE] = PLAIN("other-ethertype", "a frame that carries neither IP nor ARP"),
	[PASSED_UNSPECIFIED] = PLAIN("unspecified", "the host's own packet from 0.0.0.0, as DHCP sends"),
	[PASSED_MULTICAST] = PLAIN("passed-multicast", "the host's own multicast, in or out"),
	[PASSED_BROADCAST] = PLAIN("broadcast", "the host's own broadcast, in or out"),
	[PASSED_HOST] = PLAIN("host", "the host's own traffic, whose tuple no session holds"),
	[PASSED_HOST_PROTOCOL] =
		PLAIN("host-protocol", "the host's own traffic of a protocol other than TCP, UDP and ICMP"),
	[PASSED_HOST_FRAGMENT] = PLAIN(
		"host-fragment", "a later fragment from or to the host, of a datagram that belongs to no session"),
	[PASSED_NOT_INTERNAL] =
		TO_DO("not-internal", "forwarded from an address outside of every --internal prefix, untouched",
		      "filter it elsewhere if it should not be forwarded"),
	[PASSED_EXCLUDED] =
		PLAIN("excluded", "from inside to a destination that is not translated (--exclude), untouched"),
	[PASSED_NOT_EXTERNAL] = PLAIN("not-external", "came in for an address that is not the external interface's"),
	[PASSED_NO_SESSION] = PLAIN("passed-no-session",
				    "came in for one of our addresses and belongs to no session: given to the host"),
	[PASSED_OWN_ERROR] = PLAIN("own-error", "our own refusal on its way to a socket of the host"),
	[PASSED_LOOPBACK] =
		PLAIN("loopback", "the kernel's copy of the host's own multicast or broadcast, for its own programs"),
	[PASSED_INSIDE] =
		PLAIN("inside", "from inside to an external address, for the host: no internal host has the port"),
	[HELD_FRAGMENT] = PLAIN("held-fragment",
				"a fragment that came before the first of its datagram: it is sent on when that comes"),
	[DROPPED_IP_HEADER] = PLAIN("ip-header", "not an IPv4 header: wrong version or header length"),
	[DROPPED_IP_LENGTH] = PLAIN("ip-length", "the packet is shorter than its IP header says"),
	[DROPPED_IP_CHECKSUM] = PLAIN("ip-checksum", "the checksum of the IP header is wrong"),
	[DROPPED_TCP_HEADER] = PLAIN("tcp-header", "the TCP header is cut off, or its length is impossible"),
	[DROPPED_UDP_HEADER] = PLAIN("udp-header", "the UDP header is cut off, or its length is impossible"),
	[DROPPED_ICMP_HEADER] = PLAIN("icmp-header", "the ICMP header is cut off"),
	[DROPPED_ICMP_CHECKSUM] = PLAIN("icmp-checksum", "the checksum of an ICMP error is wrong"),
	[DROPPED_ICMP_QUOTE] = PLAIN("icmp-quote", "an ICMP error whose quoted packet is cut off or broken"),
	[DROPPED_ICMP_TYPE] =
		PLAIN("icmp-type", "a source quench, or an ICMP message from inside of a type that is not translated"),
	[DROPPED_ERROR_NO_SESSION] = PLAIN("error-no-session", "an ICMP error about a packet of no session"),
	[DROPPED_NO_SESSION] = PLAIN(
		"dropped-no-session",
		"a TCP reset or an ICMP reply from inside that belongs to no session: it ends nothing that exists"),
	[DROPPED_FILTERED] =
		PLAIN("filtered", "for a mapped port, from a remote that the mapping's filter does not let in"),
	[DROPPED_UNSOLICITED] = PLAIN("unsolicited", "a SYN that nobody asked for: ICMP 3/3 answers it after six "
						     "seconds, unless an internal host has sent one too"),
	[DROPPED_FRAGMENT] = PLAIN(
		"fragment",
		"a later fragment of a datagram whose first one was dropped or refused, or that could not be held"),
	[DROPPED_SOURCE_ROUTE] =
		PLAIN("source-route",
		      "from inside with a source route, an IP option that would show addresses of the inside"),
	[DROPPED_MULTICAST] = PLAIN("dropped-multicast", "multicast or broadcast from inside is not translated"),
	[DROPPED_MARTIAN] = PLAIN("martian", "forwarded from or to an address that no host can have"),
	[DROPPED_RACE] =
		PLAIN("race",
		      "two packets asked for the same new session at the same moment; the sender will repeat this one"),
	[DROPPED_RESIZE] = PLAIN(
		"resize", "the first packet of a session in the moment in which the table is exchanged for one of "
			  "another size; the sender will repeat this one"),
	[DROPPED_REWRITE] =
		TO_DO("rewrite", "the kernel could not give write access to the packet", "see whether memory is short"),
	[REFUSED_PROTOCOL] = TO_DO("protocol", "from inside, of a protocol other than TCP, UDP and ICMP",
				   "its programs may be able to carry it in UDP"),
	[REFUSED_HOPS] = PLAIN("hops", "between internal hosts, and its TTL expires here"),
	[REFUSED_TOO_BIG] = PLAIN("too-big", "between internal hosts, and larger than the MTU of the way back inside"),
	[REFUSED_NO_ROUTE] = TO_DO("no-route", "between internal hosts, and there is no way back inside",
				   "see whether the internal host has a route"),
	[REFUSED_MID_STREAM] =
		PLAIN("mid-stream", "a TCP segment from inside of a connection that is not known (--mid-stream reset)"),
	[REFUSED_NO_PORT] = TO_DO(
		"no-port",
		"no port of the ranges is left for it: each is taken toward this remote or, with --on-full refuse, "
		"has a mapping",
		"widen the ranges; bauta show ports tells who has them"),
	[REFUSED_NO_ROOM] = TO_DO("no-room", "the table is full, or half full, and a session would begin outside",
				  "run with more --sessions"),
	[REFUSED_NO_ADDRESS] = TO_DO("no-address", "the external interface has no IPv4 address at the moment",
				     "give it one; sessions can be made from then on"),
	[REFUSED_CLASH] = TO_DO("refused-clash",
				"the host's own packet: a session holds its tuple and every other port is taken too",
				"widen the ranges, or let the program use another port"),
	[REFUSED_QUOTA_PORTS] = TO_DO("quota-ports", "the internal host has as many ports as --max-ports allows",
				      "see what it does, or raise --max-ports"),
	[REFUSED_QUOTA_SESSIONS] =
		TO_DO("quota-sessions", "the internal host has as many sessions as --max-sessions allows",
		      "see what it does, or raise --max-sessions"),
	[REFUSED_QUOTA_RATE] =
		TO_DO("quota-rate", "the internal host has made as many sessions in this second as --max-rate allows",
		      "see what it does, or raise --max-rate"),
	[DENIED_BIND] = TO_DO("bind", "a program asked for a port that the NAT is using (--borrow), and bind() failed",
			      "use another port, or wait: bauta explain names the session"),
	[DENIED_CONNECT] = TO_DO(
		"connect", "a program that chose its port asked for a tuple that a session holds, and connect() failed",
		"use another port, or none; bauta explain names the session"),
	[DENIED_SEND] = TO_DO(
		"send", "a program that chose its port sent to where a session holds the tuple, and the call failed",
		"use another port, or none; bauta explain names the session"),
};

_Static_assert(sizeof(reason_text) / sizeof(reason_text[0]) == NUM_REASON, "every reason has its text");
