/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Removing the quota records of internal hosts that have nothing any more: user space walks over the map, a batch at a time,
 * and the BPF program bauta_sweep decides under the lock that the hooks use.
 */
#include "quota_sweep.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "log.h"

void quota_sweep_init(struct quota_sweep *sweep, const struct dataplane *dataplane)
{
	*sweep = (struct quota_sweep){ .dataplane = dataplane };
}

/* The next records, at most SWEEP_BATCH; `begun` is false when these were the last. */
static __u32 read_batch(struct quota_sweep *sweep, struct quota quota[SWEEP_BATCH])
{
	int fd = sweep->dataplane->table.quotas_fd;
	__be32 key[SWEEP_BATCH];
	__u32 num = SWEEP_BATCH;
	int err =
		bpf_map_lookup_batch(fd, sweep->begun ? &sweep->cursor : NULL, &sweep->cursor, key, quota, &num, NULL);

	sweep->begun = !err;
	return err && err != -ENOENT ? 0 : num;
}

static void reap(const struct quota_sweep *sweep, struct sweep_request *request)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = request, .data_size_in = sizeof(*request), .repeat = 1);
	static bool told;
	int err;

	if (!request->head.num)
		return;
	request->head.store_id = sweep->dataplane->table.shape.store_id;
	err = bpf_prog_test_run_opts(sweep->dataplane->sweep_fd, &opts);
	if (err && !told) {
		log_error("cannot run the sweep: %s; records of quotas that nobody needs stay", strerror(-err));
		told = true;
	}
}

void quota_sweep_step(struct quota_sweep *sweep, unsigned int steps_per_pass)
{
	struct sweep_request request = { .head.op = SWEEP_QUOTA };
	struct quota quota[SWEEP_BATCH];
	__u32 num;

	if (sweep->dataplane->table.quotas_fd < 0)
		return;
	if (!sweep->begun && sweep->pause) {
		sweep->pause--;
		return;
	}
	sweep->pause = steps_per_pass;
	num = read_batch(sweep, quota);
	for (__u32 i = 0; i < num; i++)
		if (!quota[i].num_sessions && !quota[i].num_ports)
			request.index[request.head.num++] = quota[i].addr;
	reap(sweep, &request);
}
