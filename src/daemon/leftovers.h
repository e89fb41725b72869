/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What instances have left behind whose network namespace is gone: nobody can ask for them by name any more, and their
 * socket hooks, at the root of the cgroups, would be asked for ever.
 */
#ifndef BAUTA_LEFTOVERS_H
#define BAUTA_LEFTOVERS_H

#define LEFTOVERS_MARK 32

/* The name of the pin that an instance of this network namespace is known by; into `name` (LEFTOVERS_MARK bytes), which it
 * returns.
 */
char *leftovers_mark(char *name);

/* Removes those whose namespace is gone for certain, and says what it removed, and what it kept for want of certainty. */
void leftovers_remove(void);

#endif
