/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings of this network namespace's kernel: the ports it keeps for its own sockets, the range that is left by
 * default, and single numbers.
 */
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Not /proc/sys alone: that is the network namespace of whoever opens it, which is what is wanted. */
#define SYSCTL_DIR "/proc/sys/net/ipv4/"

/* The first port that is not privileged. */
#define FIRST_DEFAULT 1024

/* Room for every other port. */
#define LINE_SIZE 262144

/* What a file says, without the end of the line, for the caller to free; NULL on failure. The kernel gives all of a list
 * in answer to the first read, as far as it fits, and nothing to a second.
 */
static char *read_line(const char *path, struct fault *fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *line = malloc(LINE_SIZE);
	ssize_t len = fd < 0 || !line ? -1 : read(fd, line, LINE_SIZE - 1);
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (len <= 0) {
		free(line);
		fault_set_errno(fault, len ? error : ENODATA, "cannot read %s", path);
		return NULL;
	}
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return line;
}

int sysctl_read_ephemeral(struct ranges *ret_ranges, struct fault *fault)
{
	const char *path = SYSCTL_DIR "ip_local_port_range";
	unsigned int first, last;
	char *line = read_line(path, fault);
	int error = 0;

	if (!line)
		return -EIO;
	if (sscanf(line, "%u %u", &first, &last) != 2 || first > last || last > 65535)
		error = fault_set(fault, EINVAL, "%s says \"%s\", which is not a range of ports", path, line);
	free(line);
	if (error)
		return error;
	memset(ret_ranges, 0, sizeof(*ret_ranges));
	ranges_add(ret_ranges, first, last);
	return 0;
}

/* The kernel's list: "" or "8080,9000-9010", of any length, in which 0 may stand too. */
static bool parse_list(const char *list, struct ranges *ranges)
{
	while (*list) {
		unsigned long first, last;
		char *end;

		first = last = strtoul(list, &end, 10);
		if (end == list)
			return false;
		if (*end == '-') {
			list = end + 1;
			last = strtoul(list, &end, 10);
			if (end == list)
				return false;
		}
		if (first > last || last > 65535 || (*end && *end != ','))
			return false;
		ranges_add(ranges, first, last);
		list = *end ? end + 1 : end;
	}
	return true;
}

int sysctl_read_reserved(struct ranges *ret_ranges, struct fault *fault)
{
	const char *path = SYSCTL_DIR "ip_local_reserved_ports";
	struct ranges ranges = {};
	char *line = read_line(path, fault);
	int error = 0;

	if (!line)
		return -EIO;
	if (!parse_list(line, &ranges))
		error = fault_set(fault, EINVAL, "%s says \"%s\", which is not a list of ports", path, line);
	free(line);
	if (!error)
		*ret_ranges = ranges;
	return error;
}

int sysctl_read_default(struct ranges *ret_ranges, struct fault *fault)
{
	struct ranges ephemeral, reserved, ranges = {};
	int error = sysctl_read_ephemeral(&ephemeral, fault);

	if (!error)
		error = sysctl_read_reserved(&reserved, fault);
	if (error)
		return error;
	ranges_add(&ranges, FIRST_DEFAULT, 65535);
	ranges_subtract(&ranges, &ephemeral);
	ranges_subtract(&ranges, &reserved);
	if (!ranges_count(&ranges))
		return fault_set(fault, ERANGE,
				 "the kernel keeps all ports from 1024 to 65535 for itself "
				 "(ip_local_port_range, ip_local_reserved_ports); give ports with -p");
	*ret_ranges = ranges;
	return 0;
}

/* ---- writing and single numbers --------------------------------------------------------------------------------- */

/* The kernel takes a page at most of a list at a time, ends it behind a whole port, and adds what follows to it. */
static int write_line(const char *path, const char *line, struct fault *fault)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(line), done = 0;
	int error = fd < 0 ? errno : 0;

	while (!error && done < len) {
		ssize_t num = write(fd, line + done, len - done);

		if (num > 0)
			done += num;
		else
			error = num ? errno : EIO;
	}
	if (fd >= 0)
		close(fd);
	return error ? fault_set_errno(fault, error, "cannot write %s", path) : 0;
}

int sysctl_write_ephemeral(__u16 first, __u16 last, struct fault *fault)
{
	char line[16];

	snprintf(line, sizeof(line), "%u %u\n", first, last);
	return write_line(SYSCTL_DIR "ip_local_port_range", line, fault);
}

int sysctl_write_reserved(const struct ranges *ranges, struct fault *fault)
{
	char *text = ranges_format(ranges);
	char *line = NULL;
	int error;

	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	if (!line)
		return fault_set_errno(fault, ENOMEM, "cannot write a list of ports");
	error = write_line(SYSCTL_DIR "ip_local_reserved_ports", line, fault);
	free(line);
	return error;
}

int sysctl_read_number(const char *name, int *ret_number, struct fault *fault)
{
	char *path, *line, *end;
	long number;
	int error = 0;

	if (asprintf(&path, SYSCTL_DIR "%s", name) < 0)
		return fault_set_errno(fault, ENOMEM, "cannot read %s", name);
	line = read_line(path, fault);
	if (!line) {
		free(path);
		return -EIO;
	}
	number = strtol(line, &end, 10);
	if (end == line || *end)
		error = fault_set(fault, EINVAL, "%s says \"%s\", which is not a number", path, line);
	else
		*ret_number = number;
	free(line);
	free(path);
	return error;
}
