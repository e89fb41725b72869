/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The instructions of a loaded program, as the kernel has rewritten them: its functions, and whom they call. */
#ifndef VERIFIER_CODE_H
#define VERIFIER_CODE_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#define MAX_FUNCTIONS 256
#define MAX_HELPERS 64
#define HELPER_NAME 48
#define FUNCTION_NAME 48

struct helper {
	char name[HELPER_NAME]; /* the kernel's function; what it has inlined is no call any more */
	int num_calls;
};

struct code {
	struct bpf_insn *insn;
	__u32 num_insns;
	__u32 jited;                /* bytes */
	__u32 start[MAX_FUNCTIONS]; /* of each function; the program itself is the first */
	char name[MAX_FUNCTIONS][FUNCTION_NAME];
	int num_functions;
	struct helper helper[MAX_HELPERS];
	int num_helpers;
};

struct btf;

/* Reads the program; `btf` is that of its object. 0 or -errno. */
int code_read(int prog_fd, const struct btf *btf, struct code *ret_code);
void code_free(struct code *code);

/* The deepest chain of calls, in octets of stack as 6.1 counts them: each frame rounded up to 32. `depth` is each function's.
 * Returns how many functions the chain has, which they are, and the frame of each.
 */
int code_stack(const struct code *code, const int depth[MAX_FUNCTIONS], int ret_chain[MAX_FUNCTIONS],
	       int ret_frame[MAX_FUNCTIONS], int *ret_stack);

/* Whether there is a way through the program to a call of a helper whose name contains `goal`, and on to its end, on which no
 * other helper is called.
 */
bool code_reaches(const struct code *code, const char *goal);

#endif
