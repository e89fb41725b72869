/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be shown. Each prints one thing about an open table. */
#ifndef BAUTA_SHOW_H
#define BAUTA_SHOW_H

#include <stdbool.h>

#include "filter.h"
#include "instance.h"
#include "table.h"

struct show {
	struct instance instance;
	struct table table;
	struct filter filter;
	bool json;
};

/* They return 0, or -errno with the reason in fault. */
int show_status(struct show *show, struct fault *fault);
int show_sessions(struct show *show, struct fault *fault);
int show_mappings(struct show *show, struct fault *fault);
int show_ports(struct show *show, struct fault *fault);
int show_quotas(struct show *show, struct fault *fault);
int show_drops(struct show *show, struct fault *fault);
int show_fast_path(struct show *show, struct fault *fault);
int show_config(struct show *show, struct fault *fault);

#endif
