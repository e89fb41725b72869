/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sd_notify(3). */
#include "systemd.h"

#ifdef HAVE_SYSTEMD

#include <systemd/sd-daemon.h>

void systemd_ready(void)
{
	sd_notify(0, "READY=1");
}

void systemd_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

#else

void systemd_ready(void)
{
}

void systemd_stopping(void)
{
}

#endif
