/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs. Each parses its own arguments (argv[0] is the verb) and returns the exit status. */
#ifndef BAUTA_VERB_H
#define BAUTA_VERB_H

int verb_run(int argc, char **argv);
int verb_down(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_show(int argc, char **argv);
int verb_explain(int argc, char **argv);
int verb_flush(int argc, char **argv);
int verb_watch(int argc, char **argv);
int verb_fsck(int argc, char **argv);

#endif
