/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tc program reports events through a ring buffer, in order; when that is full it notices, and loses nothing that
 * is in it.
 */
#include <poll.h>
#include <stdint.h>

#include "hook.h"
#include "kernel/ringbuf.skel.h"
#include "tap.h"

enum { NUM_EVENTS = 100, EVENT_SIZE = 64 };

static uint64_t num_seen;
static bool in_order = true;

static int see(void *ctx, void *data, size_t len)
{
	(void)ctx;
	if (len != EVENT_SIZE || *(const uint64_t *)data != num_seen)
		in_order = false;
	num_seen++;
	return 0;
}

int main(void)
{
	struct ringbuf *bpf = ringbuf__open_and_load();
	struct ring_buffer *reader;
	struct pollfd waiting = { .events = POLLIN };

	if (!bpf)
		tap_die("cannot load the program");
	reader = ring_buffer__new(bpf_map__fd(bpf->maps.events), see, NULL, NULL);
	if (!reader)
		tap_die("cannot read the ring buffer");

	waiting.fd = ring_buffer__epoll_fd(reader);
	tap_equal(poll(&waiting, 1, 0), 0, "nobody is woken before there is an event");
	hook_run_once(bpf->progs.report);
	tap_equal(poll(&waiting, 1, 2000), 1, "an event wakes the reader");
	ring_buffer__consume(reader);
	tap_equal(num_seen, 1, "and is read");

	for (int i = 0; i < NUM_EVENTS; i++)
		hook_run_once(bpf->progs.report);
	tap_ok(bpf->bss->num_lost > 0, "the program notices when there is no room");
	tap_equal(bpf->bss->num_reported + bpf->bss->num_lost, NUM_EVENTS + 1,
		  "every event is reported or known to be lost");
	ring_buffer__consume(reader);
	tap_equal(num_seen, bpf->bss->num_reported, "every reported event is read");
	tap_ok(in_order, "in order");
	hook_run_once(bpf->progs.report);
	ring_buffer__consume(reader);
	tap_equal(num_seen, bpf->bss->num_reported, "there is room again afterwards");
	tap_note("a 4096-byte buffer held %llu events of %d bytes", (unsigned long long)num_seen - 2, EVENT_SIZE);
	ring_buffer__free(reader);
	ringbuf__destroy(bpf);
	return tap_finish();
}
