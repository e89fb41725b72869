/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The check of an adopted table, and what can be done about what it finds. */
#ifndef BAUTA_REPAIR_H
#define BAUTA_REPAIR_H

#include "dataplane.h"

/* Checks all invariants and says what is wrong. Clears entries that belong to no pair (no packet and no writer can do
 * anything with them, but they hold a place and maybe a tuple), and corrects the counts of the header. Returns how many
 * violations are left.
 */
size_t repair_table(struct dataplane *dataplane);

#endif
