/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking the kernel about XDP programs. A link is refused by a number alone; the old way to attach, by netlink, says why. */
#include "xdp_attach.h"

#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define BEFORE_WORDS "error message: " /* libbpf's, in a warning */

static char said[200];

static int take_words(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[sizeof(said)];
	const char *words;

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	words = strstr(line, BEFORE_WORDS);
	if (!words)
		return 0;
	words += strlen(BEFORE_WORDS);
	snprintf(said, sizeof(said), "%.*s", (int)strcspn(words, "\n"), words);
	return 0;
}

void xdp_attach_ask(__u32 ifindex, int program, char *words, size_t size)
{
	libbpf_print_fn_t before = libbpf_set_print(take_words);
	const __u32 flags = XDP_FLAGS_DRV_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST;

	said[0] = '\0';
	/* should it succeed now, it is undone: that something had refused it a moment ago is what is told */
	if (!bpf_xdp_attach(ifindex, program, flags, NULL))
		bpf_xdp_detach(ifindex, XDP_FLAGS_DRV_MODE, NULL);
	libbpf_set_print(before);
	snprintf(words, size, "%s", said);
}

char *xdp_program_name(__u32 id, char *name)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int program = bpf_prog_get_fd_by_id(id);

	name[0] = '\0';
	if (program < 0)
		return name;
	if (!bpf_obj_get_info_by_fd(program, &info, &len))
		snprintf(name, XDP_PROGRAM_NAME, "%s", info.name);
	close(program);
	return name;
}
