/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling systemd how far we are. Does nothing where it did not start us, or was not there when we were built. */
#ifndef BAUTA_SYSTEMD_H
#define BAUTA_SYSTEMD_H

void systemd_ready(void);
void systemd_stopping(void);

#endif
