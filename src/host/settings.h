/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything about a gateway that can be set, on the command line or in a file, with the same words. */
#ifndef BAUTA_SETTINGS_H
#define BAUTA_SETTINGS_H

#include <linux/types.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "contract.h"
#include "fault.h"
#include "prefixes.h"
#include "ranges.h"

#define DEFAULT_SESSIONS 65536

/* The numbers of the settings, in the order of the help. */
enum setting_id {
	SETTING_INTERFACE,
	SETTING_PORTS,
	SETTING_EXTERNAL,
	SETTING_INTERNAL,
	SETTING_EXCLUDE,
	SETTING_MAPPING,
	SETTING_FILTERING,
	SETTING_HAIRPIN,
	SETTING_FAST_PATH,
	SETTING_FAST_CREATE,
	SETTING_SPILL,
	SETTING_ON_FULL,
	SETTING_BORROW,
	SETTING_REST,
	SETTING_ICMP,
	SETTING_MAX_PORTS,
	SETTING_MAX_SESSIONS,
	SETTING_MAX_RATE,
	SETTING_MID_STREAM,
	SETTING_UNSOLICITED_SYN,
	SETTING_EXPIRED,
	SETTING_INBOUND_REFRESH,
	SETTING_MSS,
	SETTING_TIMEOUT,
	SETTING_BELOW_RFC,
	SETTING_SESSIONS,
	SETTING_KEEP,
	SETTING_CLOCK_FACTOR,
	NUM_SETTING,
};

/* `struct settings.mss` besides a number; config.mss knows MSS_OFF and numbers. */
#define MSS_OFF 0
#define MSS_AUTO 0xffff /* what fits through the external interface */

struct filtering_modes {
	__u8 tcp; /* enum filtering */
	__u8 udp;
};

struct timeouts {
	__u32 s[NUM_TIMEOUT];
	__u32 given; /* a bit for each that is not the default */
	__u32 num_ports;
	struct port_timeout port[MAX_PORT_TIMEOUTS];
};

struct exclusions {
	__u32 num;
	struct exclusion item[MAX_EXCLUDED];
};

struct internals {
	__u32 num; /* 0: everything that is forwarded */
	struct prefix item[MAX_INTERNAL];
};

/* Where something was set: in a line of a file, or, without a file, on the command line. */
struct origin {
	const char *file;
	__u32 line;
};

/* What each of them means is said in setting_table[]. */
struct settings {
	char iface[IF_NAMESIZE]; /* "": not given */
	struct ranges ports;     /* if not given: the default ranges, which follow the sysctls */
	struct external_items external;
	struct internals internal;
	struct exclusions excluded;
	__u8 mapping; /* enum mapping_mode */
	struct filtering_modes filtering;
	struct interfaces hairpin;
	struct interfaces fast_path;
	bool fast_create;
	bool spill;
	__u8 on_full; /* enum on_full */
	bool borrow;
	__u32 rest_s;
	__u8 icmp;       /* enum icmp_policy */
	__u32 max_ports; /* quotas of each internal host; 0: none */
	__u32 max_sessions;
	__u32 max_new_per_s;
	__u8 mid_stream;  /* enum mid_stream */
	__u8 unsolicited; /* enum unsolicited */
	__u8 expired;     /* enum expired */
	bool inbound_refresh;
	__u16 mss;
	struct timeouts timeout;
	bool below_rfc;
	__u32 num_sessions; /* 0: not given: DEFAULT_SESSIONS, or what an adopted table holds */
	bool keep;
	__u32 clock_factor; /* 0: not given: 1, or that of an adopted table */

	/* What was set, and where. */
	__u32 given; /* a bit for each enum setting_id */
	struct origin from[NUM_SETTING];
	struct origin timeout_from[NUM_TIMEOUT];
	struct origin port_timeout_from[MAX_PORT_TIMEOUTS];
	struct origin excluded_from[MAX_EXCLUDED];
};
_Static_assert(NUM_SETTING <= 32, "a bit for each setting");

enum setting_kind {
	SETTING_FLAG, /* without a value; in a file yes or no */
	SETTING_ONE,  /* once */
	SETTING_LIST, /* may be repeated; in a file a list */
};

struct setting_value;

struct setting {
	const char *name;  /* of the option and of the key in a file */
	char letter;       /* of the short option; 0: none */
	bool fixed;        /* cannot be changed while the gateway runs */
	__u8 kind;         /* enum setting_kind */
	const char *value; /* for the help; NULL: a flag */
	const char *help;
	size_t offset; /* of its member in struct settings */
	size_t size;
	/* Takes a value, as setting_value.h says. */
	int (*take)(struct settings *settings, const struct setting_value *value, struct fault *fault);
	/* what its function goes by */
	const char *const *word;
	__u8 num_words;
	__u32 min;
	__u32 max;
};

/* The one table: option and file, help and errors are made of it. */
extern const struct setting setting_table[NUM_SETTING];

/* NUM_SETTING: there is none of this name. */
enum setting_id setting_find(const char *name);

/* The defaults. */
void settings_init(struct settings *settings);

/* Takes one value of a setting. On the command line (from->file NULL) a flag has no text. -EINVAL or -ERANGE with the
 * reason, which names the option, or file and line, and says what would be accepted.
 */
int settings_take(struct settings *settings, enum setting_id id, const struct origin *from, const char *text,
		  struct fault *fault);

bool settings_given(const struct settings *settings, enum setting_id id);

/* What is given in `other` holds, each setting as a whole. */
void settings_override(struct settings *settings, const struct settings *other);

/* Whether two agree in a setting. */
bool settings_agree(const struct settings *first, const struct settings *second, enum setting_id id);

/* How a setting is called in the middle of a sentence: "--on-full", or "on-full (FILE:12)". Returns `text`. */
#define SETTING_TEXT 256
char *setting_refer(enum setting_id id, const struct origin *from, char *text);

/* The part of a configuration that follows from settings alone; all but addresses and ports. */
void settings_to_config(const struct settings *settings, struct config *config);

#endif
