/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A network namespace of this process's own, with interfaces in it. */
#ifndef TESTS_PROG_WIRES_H
#define TESTS_PROG_WIRES_H

/* Moves this process into a new namespace. */
void wires_enter(void);

/* Runs `ip` (iproute2) with these words; fails the test if that fails. */
void wires_ip(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
