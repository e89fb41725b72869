/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gateway that a thread of a user-space program acts on. */
#include "platform.h"

__thread struct platform platform;
