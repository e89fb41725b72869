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

/* "tcp", "udp", "icmp"; NULL for what is never translated. */
const char *proto_name(__u8 proto);
/* 0 for a word that names none of the three. */
__u8 proto_parse(const char *word);

#endif
