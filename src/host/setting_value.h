/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The values of settings as text: what a user wrote, taken into struct settings. */
#ifndef BAUTA_SETTING_VALUE_H
#define BAUTA_SETTING_VALUE_H

#include "fault.h"
#include "settings.h"

struct setting_value {
	const struct setting *setting;
	const char *what; /* begins the sentence of a fault: "--rest" or "rest" */
	const char *text;
	struct origin from;
};

/* All return 0, or -EINVAL or -ERANGE with what would be accepted; settings are untouched then. What is a list gets one more
 * item.
 */
int setting_value_flag(struct settings *settings, const struct setting_value *value, struct fault *fault);
int setting_value_word(struct settings *settings, const struct setting_value *value, struct fault *fault);
int setting_value_number(struct settings *settings, const struct setting_value *value, struct fault *fault);
int setting_value_quota(struct settings *settings, const struct setting_value *value, struct fault *fault);
int setting_value_interface(struct settings *settings, const struct setting_value *value, struct fault *fault);
int setting_value_ports(struct settings *settings, const struct setting_value *value, struct fault *fault);
int setting_value_external(struct settings *settings, const struct setting_value *value, struct fault *fault);
int setting_value_internal(struct settings *settings, const struct setting_value *value, struct fault *fault);
int setting_value_exclude(struct settings *settings, const struct setting_value *value, struct fault *fault);
int setting_value_filtering(struct settings *settings, const struct setting_value *value, struct fault *fault);
int setting_value_interfaces(struct settings *settings, const struct setting_value *value, struct fault *fault);
int setting_value_mss(struct settings *settings, const struct setting_value *value, struct fault *fault);
int setting_value_timeout(struct settings *settings, const struct setting_value *value, struct fault *fault);

#endif
