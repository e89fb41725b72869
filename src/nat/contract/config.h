/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration that the daemon gives to the hooks. Read contract.h first. */
#ifndef BAUTA_CONTRACT_CONFIG_H
#define BAUTA_CONTRACT_CONFIG_H

#include <linux/types.h>
#include <stddef.h>

/* One holds (header.config_slot), the other is written; then they change places, so that no packet sees half of each. */
#define NUM_CONFIG_SLOT 2

#define MAX_EXTERNAL 256
#define MAX_SLICES 256
#define MAX_OWN 64
#define MAX_INTERNAL 32
#define MAX_EXCLUDED 64
#define MAX_PORT_TIMEOUTS 32

#define NUM_PORTS 65536
#define PORT_WORDS (NUM_PORTS / 64)     /* a bitmap of ports: bit n is port n, host order */
#define SUMMARY_WORDS (PORT_WORDS / 64) /* a bit for each word of such a bitmap */

/* Ports first..last, and how many ports the slices before it hold: the n-th port is found by bisection. */
struct port_slice {
	__u16 first;
	__u16 last;
	__u32 before;
};

struct prefix {
	__be32 addr;
	__be32 mask;
};

/* Destinations that are not translated (RFC 6888 REQ-6). */
struct exclusion {
	struct prefix prefix;
	__be16 port; /* 0: any */
	__u8 proto;  /* 0: any */
	__u8 unused;
};

enum timeout {
	TIMEOUT_UDP,
	TIMEOUT_TCP_OPENING,
	TIMEOUT_TCP_ESTABLISHED,
	TIMEOUT_TCP_CLOSING,
	TIMEOUT_TCP_RESET,
	TIMEOUT_ICMP,            /* the last one that is a session's */
	TIMEOUT_UNSOLICITED_SYN, /* a SYN from outside that nobody asked for waits so long for its answer (RFC 5382 REQ-4) */
	TIMEOUT_FRAGMENT, /* fragments wait so long for the first of their datagram, and it is remembered as long */
	NUM_TIMEOUT,
};

/* A timeout of sessions toward one port of remotes, whatever the state but opening, closing and reset. */
struct port_timeout {
	__be16 port;
	__u8 proto;
	__u8 unused;
	__u32 timeout_s;
};

/* RFC 4787 §4.1: whether an internal endpoint keeps one external endpoint for all remotes. */
enum mapping_mode {
	MAPPING_ENDPOINT_INDEPENDENT,
	MAPPING_ENDPOINT_DEPENDENT, /* each session has an external port of its own choice */
};

/* RFC 4787 §5: who outside may send to a mapped external endpoint. */
enum filtering {
	FILTERING_ENDPOINT_INDEPENDENT, /* anybody */
	FILTERING_ADDRESS_DEPENDENT,    /* addresses that the internal endpoint has sessions with, from any port */
	FILTERING_ADDRESS_AND_PORT_DEPENDENT, /* endpoints that it has sessions with */
};

/* What becomes of a TCP segment from inside that belongs to no session and begins none (RFC 5382 §5 leaves it to us). */
enum mid_stream {
	MID_STREAM_ADOPT, /* it makes a session: a connection survives the loss of the table */
	MID_STREAM_RESET, /* its sender gets a RST, and learns at once that the connection is gone */
};

/* What becomes of a SYN from outside for a port of ours that nobody waits at. */
enum unsolicited {
	UNSOLICITED_WAIT, /* no answer for a while, then ICMP 3/3, unless the inside has sent a SYN too (RFC 5382 REQ-4) */
	UNSOLICITED_SILENT, /* no answer (RFC 5382 REQ-4a) */
};

/* What becomes of the two ends of a TCP session that was idle for too long. */
enum expired {
	EXPIRED_SILENT,
	EXPIRED_RESET, /* both get a RST, and learn at once that the connection is gone */
};

/* Interfaces for a purpose. */
enum interfaces_mode {
	INTERFACES_AUTO, /* those that it makes sense for */
	INTERFACES_OFF,
	INTERFACES_LIST,
};

#define MAX_INTERFACES 16
#define IFACE_NAME 16 /* with its NUL */

struct interfaces {
	__u8 mode; /* enum interfaces_mode */
	__u8 num;  /* of a list */
	char iface[MAX_INTERFACES][IFACE_NAME];
};

/* What becomes of an internal endpoint when every port has a mapping. */
enum on_full {
	ON_FULL_SHARE,  /* it gets a port that others use toward other remotes */
	ON_FULL_REFUSE, /* it is refused */
};

/* What an internal client is told when its packet is refused. */
enum icmp_policy {
	ICMP_HOST_UNREACHABLE, /* 3/1 (RFC 6888 REQ-11) */
	ICMP_ADMIN_PROHIBITED, /* 3/13 */
	ICMP_NONE,
};

/* An address that internal hosts are seen as. */
struct external {
	__be32 addr;
	__u32 pool; /* its index in header.pool_addr */
};

struct config {
	__u32 generation;   /* counts configurations, from 1 */
	__be32 source;      /* the address that the kernel gives to sockets of the host that leave by the interface */
	__u32 num_external; /* 0: none at the moment */
	__u32 num_own;
	__u32 num_internal; /* 0: everything that is forwarded is translated */
	__u32 num_slices;
	__u32 num_ports;
	__u32 rest_s;    /* seconds that a freed port rests (RFC 6888 REQ-8); 0: it does not */
	__u32 max_ports; /* quotas of each internal host, for each protocol together; 0: none */
	__u32 max_sessions;
	__u32 max_new_per_s;
	__u8 on_full;       /* enum on_full */
	__u8 spill;         /* a host whose own external address is full may use the others */
	__u8 borrow;        /* no port is used by the host and by the NAT at one time, whatever the remote */
	__u8 icmp;          /* enum icmp_policy */
	__u8 mapping;       /* enum mapping_mode */
	__u8 filtering_tcp; /* enum filtering */
	__u8 filtering_udp;
	__u8 mid_stream;           /* enum mid_stream */
	__u8 unsolicited;          /* enum unsolicited */
	__u8 inbound_refresh;      /* packets from outside keep UDP sessions alive too (RFC 4787 REQ-6a) */
	__u8 expired;              /* enum expired */
	__u8 mss_auto;             /* `mss` was found, not set */
	__u16 mss;                 /* at most this MSS passes in a SYN, in either direction; 0: any */
	struct interfaces hairpin; /* lead to hosts that may send to each other's external endpoints (RFC 4787 REQ-9) */
	struct interfaces fast_path; /* may run it */
	/* of no concern to packets, to be shown */
	__u8 keep;      /* the data plane stays when the daemon ends */
	__u8 below_rfc; /* time-outs may be shorter than the RFCs allow */
	/* xdp makes sessions too; packets that begin one do not come to the firewall */
	__u8 fast_create;
	__u8 unused; /* no padding: configurations are compared whole */
	__u32 num_excluded;
	__u32 num_port_timeouts;
	struct exclusion excluded[MAX_EXCLUDED];
	struct port_timeout port_timeout[MAX_PORT_TIMEOUTS];
	__u32 timeout_s[NUM_TIMEOUT];
	struct external external[MAX_EXTERNAL];
	struct prefix own[MAX_OWN]; /* every address of the external interface, and the external ones */
	struct prefix internal[MAX_INTERNAL];
	struct port_slice slice[MAX_SLICES];
	__u64 ranges[PORT_WORDS];         /* the slices, as a bitmap */
	__u64 ranges_open[SUMMARY_WORDS]; /* which words of it are not 0 */
};

#endif
