/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the settings does not go with the machine. */
#ifndef BAUTA_CHECK_SETTINGS_H
#define BAUTA_CHECK_SETTINGS_H

#include <jansson.h>

#include "fault.h"
#include "settings.h"

/* Puts a finding for each thing that a run with these settings would refuse at the start before the others. */
int check_settings_add(const struct settings *settings, json_t *findings, struct fault *fault);

#endif
