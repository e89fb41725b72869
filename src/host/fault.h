/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why something could not be done: one sentence for whoever asked for it. */
#ifndef BAUTA_FAULT_H
#define BAUTA_FAULT_H

/* Written on failure only. Functions that can fail for a reason that the user should hear take one as their last
 * argument and leave it to the caller to print it; none of them prints by itself.
 */
struct fault {
	char text[512];
};

/* Sets the sentence, without the error's own words, and returns -error (error: a positive errno); never 0. */
int fault_set(struct fault *fault, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same followed by ": " and strerror(error). */
int fault_set_errno(struct fault *fault, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts something in front of the sentence. */
void fault_prefix(struct fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
