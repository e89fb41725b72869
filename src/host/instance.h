/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An instance: the gateway of one external interface in one network namespace, and where it keeps its things.
 *
 *   /run/bauta/bpf/                  a bpffs
 *   /run/bauta/bpf/COOKIE-IFACE/     one pin for each map, by its name in the contract, and the program "sweep"
 *   /run/bauta/bpf/COOKIE-IFACE/netns-INODE   by which leftovers.c sees whether that namespace is still there
 *   /run/bauta/COOKIE-IFACE.lock     flock()ed by the daemon that serves it
 *   /run/bauta/COOKIE-IFACE.sock     where that daemon tells events: one JSON object a line
 *
 * COOKIE is the network namespace's, in decimal: never used twice while the kernel runs. In IFACE, '.' (which a bpffs
 * refuses) and '%' are written as %2e and %25.
 */
#ifndef BAUTA_INSTANCE_H
#define BAUTA_INSTANCE_H

#include <linux/types.h>
#include <net/if.h>
#include <stddef.h>

#include "fault.h"

#define RUN_DIR "/run/bauta"
#define BPF_DIR RUN_DIR "/bpf"
/* The longest: IFNAMSIZ characters, each as three, twenty digits, and what is around them. */
#define INSTANCE_PATH 108

struct instance {
	__u64 cookie;
	char iface[IF_NAMESIZE];
	char pins[INSTANCE_PATH]; /* the directory */
	char lock[INSTANCE_PATH];
	char socket[INSTANCE_PATH];
};

/* Whether this can be the name of an interface: 0 or -EINVAL. */
int instance_check_iface(const char *iface, struct fault *fault);

/* Names the instance of an interface in this network namespace, whether it exists or not. */
int instance_name(const char *iface, struct instance *ret_instance, struct fault *fault);

/* "PINS/NAME" into path (INSTANCE_PATH + 32 bytes); returns it. */
#define PIN_PATH (INSTANCE_PATH + 32)
char *instance_pin(const struct instance *instance, const char *name, char *path);

/* Makes the bpffs and RUN_DIR, where they are not there yet, and sees to it that this process sees them. Needs root. */
int instance_mount(struct fault *fault);

/* The instances that have pins in this network namespace: their number, or -errno. The caller frees *ret_instances. */
int instance_list(struct instance **ret_instances, struct fault *fault);

/* Those of other network namespaces, which may be gone. */
int instance_list_foreign(struct instance **ret_instances, struct fault *fault);

/* The one on this interface, or, with iface NULL, the only one there is. -ENOENT: none; -EINVAL: more than one, and the
 * fault names them.
 */
int instance_find(const char *iface, struct instance *ret_instance, struct fault *fault);

/* Takes the instance for this process: a descriptor that holds the lock until it is closed, or -errno; -EBUSY when
 * another process has it. Call instance_mount() before.
 */
int instance_lock(const struct instance *instance, struct fault *fault);

/* The process that holds the lock, 0 if none does, or -errno. */
int instance_daemon(const struct instance *instance);

/* Removes the pins, their directory, the socket and the lock file. Whoever calls it holds the lock. What is not there
 * is no error.
 */
int instance_remove(const struct instance *instance, struct fault *fault);

#endif
