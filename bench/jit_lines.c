// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where the machine code of a loaded BPF program came from: for each stretch its address, its function and its line of source, as
 * the kernel tells it to whoever may read its addresses. bench/profile_lines.py adds up samples by it.
 *
 *   jit_lines PROGRAM-ID
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "side.h"

static void *make_room(__u32 number, size_t size)
{
	void *room = calloc(number + 1, size);

	if (!room)
		side_die("no memory");
	return room;
}

static struct bpf_prog_info read_info(int program)
{
	struct bpf_prog_info sizes = { 0 }, info = { 0 };
	__u32 length = sizeof(sizes);

	if (bpf_obj_get_info_by_fd(program, &sizes, &length))
		side_die("cannot ask for the program: %s", strerror(errno));
	info.nr_line_info = sizes.nr_line_info;
	info.line_info_rec_size = sizes.line_info_rec_size;
	info.line_info = (__u64)(unsigned long)make_room(info.nr_line_info, info.line_info_rec_size);
	info.nr_jited_line_info = sizes.nr_jited_line_info;
	info.jited_line_info_rec_size = sizes.jited_line_info_rec_size;
	info.jited_line_info = (__u64)(unsigned long)make_room(info.nr_jited_line_info, info.jited_line_info_rec_size);
	info.nr_jited_ksyms = sizes.nr_jited_ksyms;
	info.jited_ksyms = (__u64)(unsigned long)make_room(info.nr_jited_ksyms, sizeof(__u64));
	info.nr_jited_func_lens = sizes.nr_jited_func_lens;
	info.jited_func_lens = (__u64)(unsigned long)make_room(info.nr_jited_func_lens, sizeof(__u32));
	length = sizeof(info);
	if (bpf_obj_get_info_by_fd(program, &info, &length))
		side_die("cannot ask for the program's lines: %s", strerror(errno));
	return info;
}

static void print_lines(const struct bpf_prog_info *info, const struct btf *btf)
{
	const __u64 *address = (void *)(unsigned long)info->jited_line_info;
	const __u64 *start = (void *)(unsigned long)info->jited_ksyms;
	const __u32 *size = (void *)(unsigned long)info->jited_func_lens;

	for (__u32 i = 0; i < info->nr_jited_line_info; i++) {
		const struct bpf_line_info *line =
			(void *)(unsigned long)(info->line_info + i * info->line_info_rec_size);
		const char *text = btf__name_by_offset(btf, line->line_off);
		__u32 function = 0;

		while (function + 1 < info->nr_jited_ksyms &&
		       (address[i] < start[function] || address[i] >= start[function] + size[function]))
			function++;
		printf("%llx\t%llx\t%s\t%u\t%s\n", address[i], start[function] + size[function],
		       btf__name_by_offset(btf, line->file_name_off), BPF_LINE_INFO_LINE_NUM(line->line_col),
		       text + strspn(text, " \t"));
	}
}

int main(int argc, char **argv)
{
	struct bpf_prog_info info;
	struct btf *btf;
	int program;

	if (argc != 2) {
		fputs("usage: jit_lines PROGRAM-ID\n", stderr);
		return 2;
	}
	program = bpf_prog_get_fd_by_id(strtoul(argv[1], NULL, 10));
	if (program < 0)
		side_die("no program with the id %s: %s", argv[1], strerror(errno));
	info = read_info(program);
	btf = btf__load_from_kernel_by_id(info.btf_id);
	if (!btf || !info.nr_jited_line_info)
		side_die("the kernel tells no lines of program %s", argv[1]);
	print_lines(&info, btf);
	btf__free(btf);
	return 0;
}
