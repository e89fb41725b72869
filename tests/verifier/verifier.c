/* SPDX-License-Identifier: GPL-2.0-or-later */
/* make verifier: what the kernel's verifier has to do to load our programs, against a budget.
 *
 * The instructions that it processed decide how long a start takes and whether other kernels load the program at all (they
 * stop at a million), the stack of the deepest chain of calls too (512 octets). Both can jump when a line is added in the
 * wrong place, so a jump is a failure until somebody has looked at it and accepted it.
 *
 * It also holds the fast path to calling no helper on its way to the redirect: what the kernel inlines, as look-ups in arrays,
 * is no call in the code that is read here.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "code.h"
#include "constants.h"

#define MAX_PROGRAMS 32
#define MAX_STACK 512
#define JUMP_PERCENT 20
#define LOG_SIZE 65536
#define LOG_STATS 4
#define FAST_PROGRAM "bauta_xdp"
#define FAST_GOAL "redirect"

struct cost {
	char program[32];
	unsigned int instructions;
	unsigned int stack; /* of the deepest chain of calls */
};

struct budget {
	char kernel[16]; /* "6.18": other kernels count differently */
	struct cost cost[MAX_PROGRAMS];
	int num;
};

struct options {
	char *budget;
	bool update;
	char **objects;
	int num_objects;
};

/* ---- the budget ------------------------------------------------------------------------------------------------ */

static void read_kernel(char kernel[16])
{
	struct utsname name;
	int major = 0, minor = 0;

	uname(&name);
	sscanf(name.release, "%d.%d", &major, &minor);
	snprintf(kernel, 16, "%d.%d", major, minor);
}

static int budget_read(const char *path, struct budget *ret_budget)
{
	FILE *file = fopen(path, "re");
	char line[256];

	memset(ret_budget, 0, sizeof(*ret_budget));
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		struct cost *cost = &ret_budget->cost[ret_budget->num];

		if (sscanf(line, "# kernel %15s", ret_budget->kernel) == 1 || line[0] == '#')
			continue;
		if (ret_budget->num < MAX_PROGRAMS &&
		    sscanf(line, "%31s %u %u", cost->program, &cost->instructions, &cost->stack) == 3)
			ret_budget->num++;
	}
	fclose(file);
	return 0;
}

static int budget_write(const char *path, const struct budget *budget)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	fprintf(file, "# What the verifier processed, and octets of stack: `make verifier UPDATE=1` writes it.\n");
	fprintf(file, "# kernel %s\n", budget->kernel);
	for (int i = 0; i < budget->num; i++)
		fprintf(file, "%s\t%u\t%u\n", budget->cost[i].program, budget->cost[i].instructions,
			budget->cost[i].stack);
	return fclose(file) ? -errno : 0;
}

static const struct cost *budget_find(const struct budget *budget, const char *program)
{
	for (int i = 0; i < budget->num; i++)
		if (!strcmp(budget->cost[i].program, program))
			return &budget->cost[i];
	return NULL;
}

static bool jumps(unsigned int now, unsigned int before)
{
	return (unsigned long long)now * 100 > (unsigned long long)before * (100 + JUMP_PERCENT);
}

/* ---- one program ----------------------------------------------------------------------------------------------- */

/* "stack depth 240+48+96": of the functions, in the order of the code. */
static void read_depths(const char *log, int depth[MAX_FUNCTIONS])
{
	const char *at = strstr(log, "stack depth ");
	char *end;

	memset(depth, 0, MAX_FUNCTIONS * sizeof(*depth));
	if (!at)
		return;
	at += strlen("stack depth ");
	for (int i = 0; i < MAX_FUNCTIONS; i++) {
		depth[i] = strtol(at, &end, 10);
		if (*end != '+')
			return;
		at = end + 1;
	}
}

static void print_helpers(const struct code *code)
{
	printf("    calls");
	for (int i = 0; i < code->num_helpers; i++)
		printf(" %s", code->helper[i].name[0] ? code->helper[i].name : "?");
	printf("%s\n", code->num_helpers ? "" : " nobody");
}

static unsigned int find_stack(const struct code *code, const char *log, char *text, size_t size)
{
	int depth[MAX_FUNCTIONS], chain[MAX_FUNCTIONS], frame[MAX_FUNCTIONS], stack, num;
	size_t len = 0;

	read_depths(log, depth);
	num = code_stack(code, depth, chain, frame, &stack);
	for (int i = 0; i < num && len < size; i++)
		len += snprintf(text + len, size - len, " %s %d", code->name[chain[i]], frame[i]);
	return stack;
}

/* Number of failures. */
static int look_at(const struct bpf_object *object, const struct bpf_program *program, const char *log,
		   const struct budget *before, struct budget *now)
{
	const char *name = bpf_program__name(program);
	const struct cost *old = budget_find(before, name);
	const char *processed = strstr(log, "processed ");
	struct cost *cost = &now->cost[now->num];
	static struct code code;
	char chain[1024] = "";
	int failures = 0, err;

	err = now->num == MAX_PROGRAMS ? -E2BIG : code_read(bpf_program__fd(program), bpf_object__btf(object), &code);

	if (err || !processed) {
		fprintf(stderr, "%s: cannot read its code: %s\n", name, strerror(-err));
		return 1;
	}
	now->num++;
	snprintf(cost->program, sizeof(cost->program), "%s", name);
	cost->instructions = strtoul(processed + strlen("processed "), NULL, 10);
	cost->stack = find_stack(&code, log, chain, sizeof(chain));
	printf("%-20s %12u %12u %6u %6u %10d %8u\n", name, cost->instructions, old ? old->instructions : 0, cost->stack,
	       old ? old->stack : 0, code.num_functions, code.jited);
	printf("    stack%s\n", chain);
	print_helpers(&code);
	if (cost->stack > MAX_STACK) {
		printf("    FAILED: more stack than the %d octets that 6.1 allows\n", MAX_STACK);
		failures++;
	}
	if (!strcmp(name, FAST_PROGRAM) && !code_reaches(&code, FAST_GOAL)) {
		printf("    FAILED: no way to the redirect without another helper\n");
		failures++;
	}
	code_free(&code);
	return failures;
}

static int look_at_object(const char *path, const struct budget *before, struct budget *now)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	static char log[MAX_PROGRAMS][LOG_SIZE];
	struct bpf_program *program;
	int failures = 0, i = 0, err;

	if (!object) {
		fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
		return 1;
	}
	constants_set(object, path);
	bpf_object__for_each_program(program, object) {
		if (i == MAX_PROGRAMS)
			break;
		bpf_program__set_log_level(program, LOG_STATS);
		bpf_program__set_log_buf(program, log[i++], LOG_SIZE);
	}
	err = bpf_object__load(object);
	i = 0;
	if (err) {
		fprintf(stderr, "cannot load %s: %s\n", path, strerror(-err));
		bpf_object__for_each_program(program, object)
			fprintf(stderr, "%s: %s\n", bpf_program__name(program), log[i++]);
		bpf_object__close(object);
		return 1;
	}
	bpf_object__for_each_program(program, object)
		failures += look_at(object, program, log[i++], before, now);
	bpf_object__close(object);
	return failures;
}

/* ---- comparing ------------------------------------------------------------------------------------------------- */

static int compare(const struct budget *before, const struct budget *now)
{
	int failures = 0;

	for (int i = 0; i < now->num; i++) {
		const struct cost *cost = &now->cost[i];
		const struct cost *old = budget_find(before, cost->program);

		if (!old || jumps(cost->instructions, old->instructions) || jumps(cost->stack, old->stack)) {
			printf("FAILED: %s: %u instructions and %u octets of stack; ", cost->program,
			       cost->instructions, cost->stack);
			if (old)
				printf("%u and %u are in the budget\n", old->instructions, old->stack);
			else
				printf("it is not in the budget\n");
			failures++;
		}
	}
	for (int i = 0; i < before->num; i++)
		if (!budget_find(now, before->cost[i].program)) {
			printf("FAILED: %s is in the budget, and is no program any more\n", before->cost[i].program);
			failures++;
		}
	if (failures)
		printf("a jump of more than %d %% wants a look; `make verifier UPDATE=1` accepts it\n", JUMP_PERCENT);
	return failures;
}

/* The last line says how it ended; `failures` are those so far. The exit status. */
static int conclude(const struct budget *before, const struct budget *now, int failures)
{
	bool comparable = strcmp(before->kernel, now->kernel) == 0;

	if (comparable)
		failures += compare(before, now);
	if (failures)
		printf("%d programs, %d failures\n", now->num, failures);
	else if (comparable)
		printf("all %d programs are within the budget\n", now->num);
	else
		printf("all %d programs load; the budget is of kernel %s, and this is %s: not compared\n", now->num,
		       before->kernel, now->kernel);
	return !!failures;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'b':
		options->budget = arg;
		return 0;
	case 'u':
		options->update = true;
		return 0;
	case ARGP_KEY_ARGS:
		options->objects = state->argv + state->next;
		options->num_objects = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (!options->num_objects || !options->budget)
			argp_error(state, "a budget and at least one object are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp_option option[] = {
		{ "budget", 'b', "FILE", 0, "what to compare with", 0 },
		{ "update", 'u', NULL, 0, "write the budget instead", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		option, parse_option, "OBJECT...", "What the verifier has to do to load BPF programs.", NULL, NULL, NULL
	};
	static struct budget before, now;
	struct options options = {};
	int failures = 0, err;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	err = budget_read(options.budget, &before);
	if (err && !options.update) {
		fprintf(stderr, "cannot read %s: %s\n", options.budget, strerror(-err));
		return 1;
	}
	read_kernel(now.kernel);
	libbpf_set_print(NULL);
	printf("%-20s %12s %12s %6s %6s %10s %8s\n", "program", "instructions", "(budget)", "stack", "(budg)",
	       "functions", "bytes");
	for (int i = 0; i < options.num_objects; i++)
		failures += look_at_object(options.objects[i], &before, &now);
	if (options.update && now.num) {
		err = budget_write(options.budget, &now);
		if (err)
			fprintf(stderr, "cannot write %s: %s\n", options.budget, strerror(-err));
		else
			printf("the budget of %d programs is written to %s\n", now.num, options.budget);
		return err || failures;
	}
	return conclude(&before, &now, failures);
}
