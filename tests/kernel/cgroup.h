/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cgroup of one's own: what is attached to it concerns nobody else on the machine. */
#ifndef TESTS_KERNEL_CGROUP_H
#define TESTS_KERNEL_CGROUP_H

/* Runs `probe` in a child process that is in a new cgroup, whose file descriptor it gets; removes the cgroup however
 * the child ends. The cgroup v2 tree is mounted privately for that. Returns the exit status of the child.
 */
int cgroup_run(int (*probe)(int cgroup));

#endif
