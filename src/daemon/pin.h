/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pins of an instance: making them, and those that say which interface they belong to: "KINDIFINDEX". */
#ifndef BAUTA_PIN_H
#define BAUTA_PIN_H

#include <linux/types.h>
#include <stdbool.h>

#include "fault.h"
#include "instance.h"

bool pin_is_there(const struct instance *instance, const char *name);

/* Pins over what may be there. */
int pin_put(const struct instance *instance, int fd, const char *name, struct fault *fault);

/* The path of a pin of an interface, into path; returns it. */
char *pin_of_iface(const struct instance *instance, const char *kind, __u32 ifindex, char path[PIN_PATH]);

/* The interfaces that there are such pins for, be they there or not, in no order: how many, or -errno. The caller frees. */
int pin_list_ifaces(const struct instance *instance, const char *kind, __u32 **ret_ifindex);

#endif
