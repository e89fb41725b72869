/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The instructions of a loaded program, as the kernel has rewritten them: its functions, and whom they call. */
#include "code.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#define FRAME_ALIGN 32
#define LOOP_REGISTERS 24
#define BASE "__bpf_call_base"

static bool is_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL);
}

static bool calls_function(const struct bpf_insn *insn)
{
	return is_call(insn) && insn->src_reg == BPF_PSEUDO_CALL;
}

static bool calls_helper(const struct bpf_insn *insn)
{
	return is_call(insn) && insn->src_reg != BPF_PSEUDO_CALL;
}

static bool is_exit(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_EXIT);
}

static __u32 function_end(const struct code *code, int function)
{
	return function + 1 < code->num_functions ? code->start[function + 1] : code->num_insns;
}

/* The function that the call at `at` leads to; in compiled code the distance stands in `off`. */
static int callee(const struct code *code, __u32 at)
{
	__u32 target = at + code->insn[at].off + 1;

	for (int i = 1; i < code->num_functions; i++)
		if (code->start[i] == target)
			return i;
	return code->insn[at].imm > 0 && code->insn[at].imm < code->num_functions ? code->insn[at].imm : -1;
}

/* ---- names of helpers ------------------------------------------------------------------------------------------ */

/* A call says how far the helper's code is from the base of all calls. Until this returns, a helper is noted by that distance. */
static int name_helpers(struct code *code, const __s32 distance[MAX_HELPERS])
{
	unsigned long long base = 0, addr;
	char line[512], name[256];

	/* which is a jump, and shown as this call */
	for (int i = 0; i < code->num_helpers; i++)
		if (distance[i] == BPF_FUNC_tail_call)
			snprintf(code->helper[i].name, HELPER_NAME, "bpf_tail_call");
	for (int pass = 0; pass < 2; pass++) {
		FILE *file = fopen("/proc/kallsyms", "re");

		if (!file)
			return -errno;
		while (fgets(line, sizeof(line), file)) {
			if (sscanf(line, "%llx %*c %255s", &addr, name) != 2)
				continue;
			if (!pass && !strcmp(name, BASE)) {
				base = addr;
				break;
			}
			for (int i = 0; pass && i < code->num_helpers; i++)
				if (base + distance[i] == addr && !code->helper[i].name[0])
					snprintf(code->helper[i].name, HELPER_NAME, "%.*s", HELPER_NAME - 1, name);
		}
		fclose(file);
		if (!base)
			return -EPERM;
	}
	return 0;
}

static int find_helpers(struct code *code, __s32 distance[MAX_HELPERS])
{
	for (__u32 at = 0; at < code->num_insns; at++) {
		int i = 0;

		if (!calls_helper(&code->insn[at]))
			continue;
		while (i < code->num_helpers && distance[i] != code->insn[at].imm)
			i++;
		if (i == MAX_HELPERS)
			return -E2BIG;
		if (i == code->num_helpers) {
			distance[i] = code->insn[at].imm;
			code->num_helpers++;
		}
		code->helper[i].num_calls++;
		code->insn[at].imm = i; /* its number, from now on */
	}
	return 0;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static void name_function(struct code *code, int function, const struct btf *btf, __u32 type_id)
{
	const struct btf_type *type = btf__type_by_id(btf, type_id);

	snprintf(code->name[function], FUNCTION_NAME, "%s", type ? btf__name_by_offset(btf, type->name_off) : "?");
}

static int read_functions(int prog_fd, struct code *code, __u32 num, __u32 size, const struct btf *btf)
{
	struct bpf_prog_info info = { .nr_func_info = num, .func_info_rec_size = size };
	struct bpf_func_info *records = calloc(num ? num : 1, size);
	__u32 len = sizeof(info);
	int err;

	if (!records)
		return -ENOMEM;
	info.func_info = (__u64)(unsigned long)records;
	err = bpf_obj_get_info_by_fd(prog_fd, &info, &len) ? -errno : 0;
	for (__u32 i = 0; !err && i < num; i++) {
		const struct bpf_func_info *record = (void *)((char *)records + (size_t)i * size);

		code->start[i] = record->insn_off;
		name_function(code, i, btf, record->type_id);
	}
	code->num_functions = num ? num : 1;
	free(records);
	return err;
}

int code_read(int prog_fd, const struct btf *btf, struct code *ret_code)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info), num, size;
	__s32 distance[MAX_HELPERS];
	struct code code = {};
	int err = bpf_obj_get_info_by_fd(prog_fd, &info, &len) ? -errno : 0;

	if (err)
		return err;
	if (!info.xlated_prog_len || info.nr_func_info > MAX_FUNCTIONS)
		return info.xlated_prog_len ? -E2BIG : -EPERM;
	num = info.nr_func_info;
	size = info.func_info_rec_size;
	code.jited = info.jited_prog_len;
	code.num_insns = info.xlated_prog_len / sizeof(*code.insn);
	code.insn = calloc(code.num_insns, sizeof(*code.insn));
	if (!code.insn)
		return -ENOMEM;
	info = (struct bpf_prog_info){
		.xlated_prog_len = code.num_insns * sizeof(*code.insn),
		.xlated_prog_insns = (__u64)(unsigned long)code.insn,
	};
	err = bpf_obj_get_info_by_fd(prog_fd, &info, &len) ? -errno : 0;
	if (!err)
		err = read_functions(prog_fd, &code, num, size, btf);
	if (!err)
		err = find_helpers(&code, distance);
	if (!err)
		err = name_helpers(&code, distance);
	if (err)
		code_free(&code);
	else
		*ret_code = code;
	return err;
}

void code_free(struct code *code)
{
	free(code->insn);
	code->insn = NULL;
}

/* ---- the stack ------------------------------------------------------------------------------------------------- */

struct chain {
	int octets; /* 0: not known yet */
	int next;   /* the function called where it is deepest; -1: none */
};

static bool saves(const struct bpf_insn *insn, int reg, int off)
{
	return insn->code == (BPF_STX | BPF_MEM | BPF_DW) && insn->dst_reg == BPF_REG_10 && insn->src_reg == reg &&
	       insn->off == off;
}

/* Where the kernel has inlined a bpf_loop() it saves three registers at the bottom of the frame. It does that after it has judged
 * the stack, and other kernels make a call instead.
 */
static bool has_loop(const struct code *code, int function, int depth)
{
	for (__u32 at = code->start[function]; at + 2 < function_end(code, function); at++)
		if (saves(&code->insn[at], BPF_REG_6, -depth) && saves(&code->insn[at + 1], BPF_REG_7, 8 - depth) &&
		    saves(&code->insn[at + 2], BPF_REG_8, 16 - depth))
			return true;
	return false;
}

static int frame(const struct code *code, int function, int depth)
{
	if (has_loop(code, function, depth))
		depth -= LOOP_REGISTERS;
	return ((depth ? depth : 1) + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
}

static int follow_calls(const struct code *code, const int depth[MAX_FUNCTIONS], int function,
			struct chain chain[MAX_FUNCTIONS])
{
	int below = 0;

	if (chain[function].octets)
		return chain[function].octets;
	chain[function].next = -1;
	for (__u32 at = code->start[function]; at < function_end(code, function); at++) {
		int to = calls_function(&code->insn[at]) ? callee(code, at) : -1;
		int there = to >= 0 ? follow_calls(code, depth, to, chain) : 0;

		if (there > below) {
			below = there;
			chain[function].next = to;
		}
	}
	chain[function].octets = below + frame(code, function, depth[function]);
	return chain[function].octets;
}

int code_stack(const struct code *code, const int depth[MAX_FUNCTIONS], int ret_chain[MAX_FUNCTIONS],
	       int ret_frame[MAX_FUNCTIONS], int *ret_stack)
{
	struct chain chain[MAX_FUNCTIONS] = {};
	int num = 0;

	*ret_stack = follow_calls(code, depth, 0, chain);
	for (int function = 0; function >= 0; function = chain[function].next) {
		ret_chain[num] = function;
		ret_frame[num++] =
			chain[function].octets - (chain[function].next < 0 ? 0 : chain[chain[function].next].octets);
	}
	return num;
}

/* ---- ways through it ------------------------------------------------------------------------------------------- */

enum done {
	DONE_NOTHING = 1, /* the goal has not been called on the way here */
	DONE_GOAL = 2,
};

struct walk {
	const struct code *code;
	bool is_goal[MAX_HELPERS];
	signed char passes[MAX_FUNCTIONS]; /* a way through that calls no helper; -1: not known yet */
	__u32 *stack;
	size_t num;
	__u8 *seen; /* enum done, of each instruction */
};

static void push(struct walk *walk, __u32 at, __u8 done)
{
	__u8 new = done & ~walk->seen[at];

	if (!new)
		return;
	walk->seen[at] |= new;
	walk->stack[walk->num++] = at << 2 | new;
}

static bool passes(struct walk *walk, int function);

/* Goes on from an instruction that is no call. */
static void follow(struct walk *walk, __u32 at, __u8 done)
{
	const struct bpf_insn *insn = &walk->code->insn[at];
	__u8 class = BPF_CLASS(insn->code), op = BPF_OP(insn->code);

	if (insn->code == (BPF_JMP32 | BPF_JA)) {
		push(walk, at + insn->imm + 1, done);
		return;
	}
	if (class == BPF_JMP || class == BPF_JMP32) {
		push(walk, at + insn->off + 1, done);
		if (op == BPF_JA)
			return;
	}
	/* a load of 64 bits is two instructions */
	push(walk, at + (insn->code == (BPF_LD | BPF_IMM | BPF_DW) ? 2 : 1), done);
}

/* Whether `done` can be at an exit of the function; only helpers that are the goal may be called. */
static bool search(struct walk *walk, int function, enum done wanted)
{
	const struct code *code = walk->code;
	size_t bottom = walk->num;
	bool found = false;

	memset(walk->seen + code->start[function], 0, function_end(code, function) - code->start[function]);
	push(walk, code->start[function], DONE_NOTHING);
	while (walk->num > bottom && !found) {
		__u32 at = walk->stack[--walk->num] >> 2;
		__u8 done = walk->stack[walk->num] & 3;
		const struct bpf_insn *insn = &code->insn[at];

		if (is_exit(insn))
			found = done == wanted;
		else if (calls_helper(insn)) {
			if (walk->is_goal[insn->imm])
				push(walk, at + 1, DONE_GOAL);
		} else if (calls_function(insn)) {
			int to = callee(code, at);

			if (to >= 0 && passes(walk, to))
				push(walk, at + 1, done);
		} else
			follow(walk, at, done);
	}
	walk->num = bottom;
	return found;
}

static bool passes(struct walk *walk, int function)
{
	if (walk->passes[function] < 0)
		walk->passes[function] = search(walk, function, DONE_NOTHING);
	return walk->passes[function];
}

bool code_reaches(const struct code *code, const char *goal)
{
	struct walk walk = {
		.code = code,
		.stack = calloc(2 * (size_t)code->num_insns + 2, sizeof(*walk.stack)),
		.seen = calloc(code->num_insns + 1, 1),
	};
	bool reaches = false;

	memset(walk.passes, -1, sizeof(walk.passes));
	for (int i = 0; i < code->num_helpers; i++)
		walk.is_goal[i] = strstr(code->helper[i].name, goal);
	if (walk.stack && walk.seen)
		reaches = search(&walk, 0, DONE_GOAL);
	free(walk.stack);
	free(walk.seen);
	return reaches;
}
