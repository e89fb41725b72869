/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta flush: ends sessions.
 *
 * Which ones is decided here, from the mapped table; they are removed by the program of the data plane that expires
 * sessions too, so that all who write the table play by the same rules. A mapping goes with its last session.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "command.h"
#include "filter.h"
#include "instance.h"
#include "sheet.h"
#include "table.h"
#include "verb.h"

#define MAX_TRIES 50
#define TRY_AGAIN_US 20000

struct flush {
	struct common common;
	struct filter filter;
};

static error_t take(int key, char *arg, struct argp_state *state)
{
	struct flush *flush = state->input;
	struct fault fault;

	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (filter_add(&flush->filter, arg, FILTER_SESSION, &fault))
		die_words(&fault);
	return 0;
}

static const struct command command = {
	.verb = "flush",
	.words = "[FILTER...]",
	.doc = "End the sessions that match all filters; without any, all.\v"
	       "A FILTER is proto=tcp, internal=ADDR[/LEN][:PORT], external=.., remote=.. or state=..",
	.takes = TAKES_IFACE | TAKES_JSON,
	.take = take,
};

/* Removes a batch and empties it; adds to *removed. */
static int send_batch(int program, struct sweep_request *request, long long *removed, struct fault *fault)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = request, .data_size_in = sizeof(*request), .repeat = 1);
	int error = bpf_prog_test_run_opts(program, &opts);

	if (error)
		return fault_set_errno(fault, -error, "cannot run the program that removes sessions");
	*removed += opts.retval;
	request->head.num = 0;
	return 0;
}

/* The indexes mean something in this table only; a program of another does nothing. */
static int flush_sessions(const struct table *table, int program, const struct filter *filter, long long *removed,
			  struct fault *fault)
{
	struct sweep_request request = { .head = { .op = SWEEP_FLUSH, .store_id = table->shape.store_id } };
	__u32 cursor = 0;
	struct row row;
	int error = 0;

	while (!error && table_next(&cursor, &row)) {
		if (row_is_mapping(&row) || !filter_match(filter, &row.pair, row_state(&row)))
			continue;
		request.index[request.head.num++] = row.out_index;
		if (request.head.num == SWEEP_BATCH)
			error = send_batch(program, &request, removed, fault);
	}
	if (!error && request.head.num)
		error = send_batch(program, &request, removed, fault);
	return error;
}

int verb_flush(int argc, char **argv)
{
	struct flush flush = {};
	struct instance instance;
	struct table table;
	struct fault fault;
	long long removed = 0;
	char path[PIN_PATH];
	int program, error, tries = 0;
	bool again;

	command_parse(&command, argc, argv, &flush);
	if (instance_find(flush.common.iface, &instance, &fault))
		die(&fault);
	do {
		if (table_open(&instance, TABLE_READ, &table, &fault))
			die(&fault);
		program = bpf_obj_get(instance_pin(&instance, "sweep", path));
		if (program < 0) {
			fault_set_errno(&fault, errno, "cannot open %s", path);
			die(&fault);
		}
		error = flush_sessions(&table, program, &flush.filter, &removed, &fault);
		/* the table may have been exchanged for one of another size */
		again = !error && (table_is_outdated(&table) || table.header->writable == STORE_NONE) &&
			tries++ < MAX_TRIES;
		close(program);
		table_close(&table);
		if (again)
			usleep(TRY_AGAIN_US);
	} while (again);
	if (error)
		die(&fault);
	record_print(json_pack("{s:I}", "flushed", (json_int_t)removed), flush.common.json);
	return STATUS_DONE;
}
