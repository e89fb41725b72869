/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta down: the end of an instance, whether somebody serves it or not. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon.h"
#include "dataplane.h"
#include "fault.h"
#include "instance.h"
#include "leftovers.h"
#include "log.h"

#define STOP_LIMIT_MS 10000

/* Asks the daemon to stop and waits for its end. That it still holds the lock once we have a handle on the process proves
 * that the handle is of no other process by the same number.
 */
static int stop_daemon(const struct instance *instance, struct fault *fault)
{
	struct pollfd end = { .events = POLLIN };
	pid_t pid = instance_daemon(instance);
	int err = 0;

	if (pid <= 0)
		return pid < 0 ? fault_set_errno(fault, -pid, "cannot tell who serves %s", instance->iface) : 0;
	end.fd = syscall(SYS_pidfd_open, pid, 0);
	if (end.fd < 0)
		return errno == ESRCH ? 0 : fault_set_errno(fault, errno, "cannot watch process %d", pid);
	if (instance_daemon(instance) == pid) {
		if (syscall(SYS_pidfd_send_signal, end.fd, SIGTERM, NULL, 0) && errno != ESRCH)
			err = fault_set_errno(fault, errno, "cannot stop process %d, which serves %s", pid,
					      instance->iface);
		else if (poll(&end, 1, STOP_LIMIT_MS) == 0)
			err = fault_set(
				fault, ETIMEDOUT,
				"process %d, which serves %s, does not stop; `kill -9 %d` ends it, then try again", pid,
				instance->iface, pid);
	}
	close(end.fd);
	return err;
}

static int find(const char *iface, struct instance *ret_instance, struct fault *fault)
{
	if (geteuid() != 0)
		return fault_set(fault, EPERM, "cannot take anything away as user %u: that takes root", geteuid());
	return iface ? instance_name(iface, ret_instance, fault) : instance_find(NULL, ret_instance, fault);
}

static int take_away(const struct instance *instance, bool *ret_found, struct fault *fault)
{
	bool served = instance_daemon(instance) > 0;
	int err, lock;

	err = instance_mount(fault);
	if (!err)
		err = stop_daemon(instance, fault);
	if (err)
		return err;
	lock = instance_lock(instance, fault);
	if (lock < 0)
		return lock;
	err = dataplane_remove(instance, ret_found, fault);
	close(lock);
	if (!err)
		*ret_found |= served;
	return err;
}

int daemon_down(const char *iface)
{
	struct instance instance;
	struct fault fault;
	bool found;
	int err;

	err = find(iface, &instance, &fault);
	if (!err)
		err = take_away(&instance, &found, &fault);
	if (err != -EPERM)
		leftovers_remove();
	if (!err && !found && !if_nametoindex(instance.iface))
		err = fault_set(&fault, ENOENT,
				"there is neither an interface %s in this network namespace, nor anything of bauta "
				"for it",
				instance.iface);
	if (err) {
		log_error("%s", fault.text);
		return EXIT_FAILURE;
	}
	if (!found)
		log_info("nothing to take away at %s", instance.iface);
	return EXIT_SUCCESS;
}
