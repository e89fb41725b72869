/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words that the interfaces use for protocols, states, verdicts, policies and time-outs, and back. */
#ifndef BAUTA_WORDS_H
#define BAUTA_WORDS_H

#include "contract.h"
#include "session.h"

extern const char *const verdict_name[NUM_VERDICT];
extern const char *const state_name[NUM_SESSION_STATE];
extern const char *const timeout_name[NUM_TIMEOUT];

#define NUM_ON_FULL (ON_FULL_REFUSE + 1)
#define NUM_ICMP_POLICY (ICMP_NONE + 1)
extern const char *const on_full_name[NUM_ON_FULL];
extern const char *const icmp_name[NUM_ICMP_POLICY];

#define NUM_MAPPING_MODE (MAPPING_ENDPOINT_DEPENDENT + 1)
#define NUM_FILTERING (FILTERING_ADDRESS_AND_PORT_DEPENDENT + 1)
#define NUM_MID_STREAM (MID_STREAM_RESET + 1)
#define NUM_UNSOLICITED (UNSOLICITED_SILENT + 1)
extern const char *const mapping_mode_name[NUM_MAPPING_MODE];
extern const char *const filtering_name[NUM_FILTERING];
extern const char *const mid_stream_name[NUM_MID_STREAM];
extern const char *const unsolicited_name[NUM_UNSOLICITED];

#define NUM_EXPIRED (EXPIRED_RESET + 1)
#define NUM_INTERFACES_WORD (INTERFACES_OFF + 1) /* a list has none */
extern const char *const expired_name[NUM_EXPIRED];
extern const char *const interfaces_name[NUM_INTERFACES_WORD];

/* "tcp", "udp", "icmp"; NULL for what is never translated. */
const char *proto_name(__u8 proto);
/* 0 for a word that names none of the three. */
__u8 proto_parse(const char *word);

#endif
