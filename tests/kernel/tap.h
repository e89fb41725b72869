/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a probe says: TAP on standard output. */
#ifndef TESTS_KERNEL_TAP_H
#define TESTS_KERNEL_TAP_H

#include <stdbool.h>

/* One test point; returns `passed`, so that a probe can stop where nothing further makes sense. */
bool tap_ok(bool passed, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for two numbers that should be equal; both are printed when they are not. */
bool tap_equal(long long is, long long expected, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A test point that cannot be tried here, and why. */
void tap_skip(const char *name, const char *reason);

/* A finding, for the reader. */
void tap_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The set-up failed: one failed test point that says so, and the end. Ends in `: <errno>` if errno is not 0. */
void tap_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Prints the plan; the exit status for main(). */
int tap_finish(void);

#endif
