/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bauta run: the order of start and stop, and the loop between them.
 *
 * Start: what can be checked is checked before anything is changed (rights, interface, address, ports); then the
 * instance is locked, the data plane is loaded and pinned, or taken over from an earlier run; it is told addresses and
 * ports; and last of all it is attached, ingress before egress, the hooks of sockets and of other interfaces after both.
 * Whatever fails, what was done so far is undone in reverse; a data plane that was there before is left as it was.
 *
 * Between: nothing here ever sees a packet. The loop sweeps out what has expired, follows addresses and sysctls, and
 * tells events. If this process dies, translation goes on, and the next run takes it up from there.
 *
 * Stop: with --keep as if it had died; else filters, qdisc, pins, socket and lock file are removed, in that order.
 */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "dataplane.h"
#include "dataplane_next.h"
#include "event_log.h"
#include "event_socket.h"
#include "fast.h"
#include "fault.h"
#include "follow.h"
#include "host_ports.h"
#include "inner.h"
#include "instance.h"
#include "log.h"
#include "precheck.h"
#include "repair.h"
#include "resize.h"
#include "settings_file.h"
#include "sweep.h"
#include "systemd.h"
#include "unsolicited.h"

#define POLL_MS 2000
#define HOST_PORTS_MS 1000

enum watched {
	WATCH_TERM,
	WATCH_INT,
	WATCH_HUP,
	WATCH_NEWS,
	WATCH_EVENTS,
	WATCH_SWEEP,
	WATCH_POLL,
	WATCH_HOST_PORTS,
	WATCH_UNSOLICITED,
	NUM_WATCH,
};

struct daemon {
	const struct daemon_source *source;
	const struct settings *settings; /* in force */
	struct settings read[2];         /* one of them may be in force, the other is written */
	struct instance instance;
	int lock;
	struct follow follow;
	struct dataplane dataplane;
	struct inner inner;
	struct fast fast;
	struct sweep sweep;
	struct resize resize;
	struct unsolicited_syns unsolicited;
	struct event_socket *socket;
	struct event_log *log;
	struct event_base *base;
	struct event *watch[NUM_WATCH];
	struct fault host_ports_complaint; /* "" when all is well */
	bool host_ports_listed;            /* once at least */
};

/* ---- the loop ------------------------------------------------------------------------------------------------- */

static void stop(evutil_socket_t signal, short what, void *context)
{
	struct daemon *daemon = context;

	(void)signal;
	(void)what;
	event_base_loopbreak(daemon->base);
}

static void look_for_trouble(const struct daemon *daemon)
{
	const struct follow *follow = &daemon->follow;
	static struct precheck precheck;

	precheck.iface = daemon->settings->iface;
	precheck.ports = follow->ports;
	precheck.num_external = follow->externals.num;
	memcpy(precheck.external, follow->externals.addr, sizeof(precheck.external));
	precheck_report(&precheck);
}

/* "filtering, timeout" */
static void list_changed(const struct settings *old, const struct settings *new, char *text, size_t size)
{
	size_t len = 0;

	for (enum setting_id id = 0; id < NUM_SETTING && len < size; id++)
		if (!settings_agree(old, new, id))
			len += snprintf(text + len, size - len, "%s%s", len ? ", " : "", setting_table[id].name);
}

static int check_fixed(const struct settings *old, const struct settings *new, struct fault *fault)
{
	char setting[SETTING_TEXT];

	for (enum setting_id id = 0; id < NUM_SETTING; id++)
		if (setting_table[id].fixed && !settings_agree(old, new, id))
			return fault_set(fault, EINVAL,
					 "%s cannot be changed while bauta runs; stop it and start it again, or set it "
					 "as it was",
					 settings_given(new, id) ? setting_refer(id, &new->from[id], setting)
								 : setting_table[id].name);
	return 0;
}

/* Whether it matters to packets on which ports programs of the host sit. */
static bool needs_host_ports(const struct settings *settings)
{
	return settings->borrow || settings->fast_create;
}

/* Which ports are the host's. */
static void list_host_ports(struct daemon *daemon)
{
	struct host_ports *ports = daemon->dataplane.table.host_ports;
	struct fault fault;

	if (!ports || !host_ports_update(ports, &fault)) {
		daemon->host_ports_complaint.text[0] = '\0';
		daemon->host_ports_listed = true;
		return;
	}
	if (strcmp(fault.text, daemon->host_ports_complaint.text) != 0)
		log_warn("%s; until sockets can be listed, %s", fault.text,
			 daemon->host_ports_listed
				 ? "ports whose sockets are closed stay the host's"
				 : "sessions may be given ports that programs of this machine have already");
	daemon->host_ports_complaint = fault;
}

/* All of the file takes effect, or nothing. */
static int read_settings_again(struct daemon *daemon)
{
	const struct settings *old = daemon->settings;
	struct settings *new = &daemon->read[old == &daemon->read[0]];
	char changed[400] = "nothing";
	struct fault fault;
	int err;

	err = settings_load(daemon->source->file, daemon->source->options, new, &fault);
	if (!err)
		err = check_fixed(old, new, &fault);
	if (!err && needs_host_ports(new))
		list_host_ports(daemon);
	if (!err)
		err = resize_to(&daemon->resize, new->num_sessions, &fault);
	if (!err) {
		err = follow_settings(&daemon->follow, new, &fault);
		if (err)
			resize_to(&daemon->resize, old->num_sessions, &(struct fault){});
	}
	if (err) {
		log_error("%s; all settings stay as they were", fault.text);
		return err;
	}
	daemon->settings = new;
	list_changed(old, new, changed, sizeof(changed));
	log_info("%s: read %s again; changed: %s", new->iface, daemon->source->file, changed);
	return 0;
}

static void look_at_everything(evutil_socket_t signal, short what, void *context)
{
	struct daemon *daemon = context;

	(void)signal;
	(void)what;
	if (daemon->source->file && read_settings_again(daemon))
		return;
	follow_addresses(&daemon->follow);
	follow_poll(&daemon->follow);
	inner_follow(&daemon->inner);
	fast_retry(&daemon->fast);
	look_for_trouble(daemon);
	log_info("%s: looked at everything again: addresses, port ranges, and what may be in the way",
		 daemon->settings->iface);
}

static void look_at_addresses(evutil_socket_t fd, short what, void *context)
{
	struct daemon *daemon = context;

	(void)fd;
	(void)what;
	follow_addresses(&daemon->follow);
	inner_follow(&daemon->inner);
	fast_follow(&daemon->fast);
}

static void read_events(evutil_socket_t fd, short what, void *context)
{
	struct daemon *daemon = context;

	(void)fd;
	(void)what;
	event_log_read(daemon->log);
}

static void sweep(evutil_socket_t fd, short what, void *context)
{
	struct daemon *daemon = context;

	(void)fd;
	(void)what;
	sweep_step(&daemon->sweep);
}

static void answer_unsolicited(evutil_socket_t fd, short what, void *context)
{
	struct daemon *daemon = context;

	(void)fd;
	(void)what;
	unsolicited_step(&daemon->unsolicited);
}

static void poll_everything(evutil_socket_t fd, short what, void *context)
{
	struct daemon *daemon = context;

	(void)fd;
	(void)what;
	follow_poll(&daemon->follow);
	inner_follow(&daemon->inner);
	fast_follow(&daemon->fast);
	event_log_poll(daemon->log);
}

static void look_at_sockets(evutil_socket_t fd, short what, void *context)
{
	struct daemon *daemon = context;

	(void)fd;
	(void)what;
	if (needs_host_ports(daemon->settings))
		list_host_ports(daemon);
}

static int watch(struct daemon *daemon, enum watched which, int fd, short what, event_callback_fn call, __u32 every_ms)
{
	const struct timeval every = { .tv_sec = every_ms / 1000, .tv_usec = every_ms % 1000 * 1000 };
	struct event *event = event_new(daemon->base, fd, what | EV_PERSIST, call, daemon);

	daemon->watch[which] = event;
	return event ? event_add(event, every_ms ? &every : NULL) : -1;
}

static int watch_all(struct daemon *daemon, struct fault *fault)
{
	int news = mnl_socket_get_fd(daemon->follow.news);
	int events = event_log_fd(daemon->log);

	if (watch(daemon, WATCH_TERM, SIGTERM, EV_SIGNAL, stop, 0) ||
	    watch(daemon, WATCH_INT, SIGINT, EV_SIGNAL, stop, 0) ||
	    watch(daemon, WATCH_HUP, SIGHUP, EV_SIGNAL, look_at_everything, 0) ||
	    watch(daemon, WATCH_NEWS, news, EV_READ, look_at_addresses, 0) ||
	    watch(daemon, WATCH_EVENTS, events, EV_READ, read_events, 0) ||
	    watch(daemon, WATCH_SWEEP, -1, EV_TIMEOUT, sweep, daemon->sweep.tick_ms) ||
	    watch(daemon, WATCH_UNSOLICITED, -1, EV_TIMEOUT, answer_unsolicited, daemon->unsolicited.tick_ms) ||
	    watch(daemon, WATCH_POLL, -1, EV_TIMEOUT, poll_everything, POLL_MS))
		return fault_set_errno(fault, errno, "cannot watch signals, timers and sockets");
	if (watch(daemon, WATCH_HOST_PORTS, -1, EV_TIMEOUT, look_at_sockets, HOST_PORTS_MS))
		return fault_set_errno(fault, errno, "cannot set a timer");
	return 0;
}

/* ---- what an operator should know at the start ----------------------------------------------------------------- */

static void tell_ready(const struct daemon *daemon)
{
	const struct header *header = daemon->dataplane.table.header;
	char *ports = follow_ports_text(&daemon->follow);
	char external[EXTERNALS_TEXT], adopted[64] = "", factor[40] = "";

	if (daemon->dataplane.adopted)
		snprintf(adopted, sizeof(adopted), "; %llu sessions taken over", header->num_sessions);
	if (header->clock.factor != 1)
		snprintf(factor, sizeof(factor), "; the clock runs %u times faster", header->clock.factor);
	log_info("ready: %s masquerades as %s, ports %s; room for %u sessions%s%s", daemon->settings->iface,
		 follow_external_text(&daemon->follow, external), ports ? ports : "?",
		 dataplane_capacity(&daemon->dataplane), adopted, factor);
	free(ports);
	systemd_ready();
}

/* ---- start and stop -------------------------------------------------------------------------------------------- */

static int check_rights(struct fault *fault)
{
	if (geteuid() == 0)
		return 0;
	return fault_set(fault, EPERM, "cannot run as user %u: loading BPF programs and attaching them takes root",
			 geteuid());
}

static int open_dataplane(struct daemon *daemon, struct fault *fault)
{
	const struct dataplane_wish wish = {
		.num_sessions = daemon->settings->num_sessions,
		.clock_factor = daemon->settings->clock_factor,
		.l2_len = daemon->follow.l2_len,
		.num_external = external_items_count(&daemon->settings->external),
	};
	int err = dataplane_open(&daemon->instance, &wish, &daemon->dataplane, fault);

	if (!err && daemon->dataplane.adopted)
		repair_table(&daemon->dataplane);
	return err;
}

/* Without them everything is still translated and nobody meets on a tuple; what is lost, the warning says. */
static void attach_sockets(struct daemon *daemon)
{
	struct fault fault;

	if (dataplane_attach_sockets(&daemon->dataplane, daemon->settings->borrow, &fault))
		log_warn("%s; without them a program of this machine that wants a tuple which a session holds is not "
			 "told EADDRINUSE: its packets leave from another port, or are refused%s",
			 fault.text,
			 daemon->settings->borrow
				 ? "; and bind() to a port that sessions use is not refused, as --borrow would have it"
				 : "");
}

static void attach_sockets_again(void *context)
{
	attach_sockets(context);
}

/* A table that was taken over may be of another size than is asked for now. */
static int start_resize(struct daemon *daemon, struct fault *fault)
{
	struct fault why;
	int err;

	daemon->resize = (struct resize){
		.dataplane = &daemon->dataplane,
		.follow = &daemon->follow,
		.inner = &daemon->inner,
		.fast = &daemon->fast,
		.sweep = &daemon->sweep,
		.attach_sockets = attach_sockets_again,
		.context = daemon,
	};
	err = resize_open(&daemon->resize, daemon->base, fault);
	if (err)
		return err;
	if (resize_to(&daemon->resize, daemon->settings->num_sessions, &why))
		log_warn("%s; it keeps its table for %u sessions", why.text, dataplane_capacity(&daemon->dataplane));
	return 0;
}

static int open_loop(struct daemon *daemon, struct fault *fault)
{
	int err;

	daemon->base = event_base_new();
	if (!daemon->base)
		return fault_set(fault, ENOMEM, "cannot make an event loop");
	err = event_socket_open(daemon->base, daemon->instance.socket, &daemon->socket, fault);
	if (!err)
		err = event_log_open(&daemon->dataplane, daemon->socket, &daemon->log, fault);
	if (!err)
		err = watch_all(daemon, fault);
	return err;
}

static int start(struct daemon *daemon, struct fault *fault)
{
	int err;

	daemon->lock = -1;
	err = check_rights(fault);
	if (!err)
		err = instance_name(daemon->settings->iface, &daemon->instance, fault);
	if (!err)
		err = follow_open(&daemon->follow, daemon->settings, fault);
	if (!err)
		err = instance_mount(fault);
	if (err)
		return err;
	daemon->lock = instance_lock(&daemon->instance, fault);
	if (daemon->lock < 0)
		return daemon->lock;
	err = open_dataplane(daemon, fault);
	if (err)
		return err;
	err = sweep_open(&daemon->sweep, &daemon->dataplane, fault);
	if (!err)
		err = unsolicited_open(&daemon->unsolicited, &daemon->dataplane, fault);
	if (!err)
		err = open_loop(daemon, fault);
	/* before the first packet can take a port */
	if (!err && needs_host_ports(daemon->settings))
		list_host_ports(daemon);
	if (!err)
		err = follow_start(&daemon->follow, &daemon->dataplane, &daemon->sweep, fault);
	if (!err) {
		attach_sockets(daemon);
		inner_start(&daemon->inner, &daemon->dataplane, daemon->follow.ask);
		fast_start(&daemon->fast, &daemon->dataplane, daemon->follow.ask, daemon->base);
	}
	/* what was bound since then, and before the hooks that note it */
	if (!err && needs_host_ports(daemon->settings))
		list_host_ports(daemon);
	if (!err) {
		dataplane_next_thaw(&daemon->dataplane);
		err = start_resize(daemon, fault);
	}
	return err;
}

/* Signals wait while things are half done. */
static void hold_signals(int how)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(how, &signals, NULL);
}

/* May be called after any part of start(). `keep`: what is attached and pinned stays. */
static int finish(struct daemon *daemon, bool keep, struct fault *fault)
{
	bool found;
	int err = 0;

	for (int i = 0; i < NUM_WATCH; i++)
		if (daemon->watch[i])
			event_free(daemon->watch[i]);
	resize_close(&daemon->resize);
	fast_close(&daemon->fast);
	event_log_close(daemon->log);
	event_socket_close(daemon->socket);
	if (daemon->base) {
		/* libevent closes the clients' sockets when it turns. */
		event_base_loop(daemon->base, EVLOOP_NONBLOCK);
		event_base_free(daemon->base);
	}
	unsolicited_close(&daemon->unsolicited);
	sweep_close(&daemon->sweep);
	if (daemon->lock >= 0 && !keep)
		err = dataplane_remove(&daemon->instance, &found, fault);
	inner_close(&daemon->inner);
	dataplane_close(&daemon->dataplane);
	follow_close(&daemon->follow);
	if (daemon->lock >= 0)
		close(daemon->lock);
	return err;
}

/* Whether a start that failed found a data plane, of this layout or of another, which is to stay. One that was made by
 * this start and could not be opened is gone already.
 */
static bool was_there_before(const struct daemon *daemon)
{
	bool opened = daemon->dataplane.programs;

	return opened ? daemon->dataplane.adopted : access(daemon->instance.pins, F_OK) == 0;
}

int daemon_run(const struct settings *settings, const struct daemon_source *source)
{
	static struct daemon daemon;
	struct fault fault;
	int err;

	log_open();
	signal(SIGPIPE, SIG_IGN);
	daemon.settings = settings;
	daemon.source = source;
	hold_signals(SIG_BLOCK);
	err = start(&daemon, &fault);
	if (err) {
		log_error("%s", fault.text);
		finish(&daemon, was_there_before(&daemon), &fault);
		return EXIT_FAILURE;
	}
	tell_ready(&daemon);
	hold_signals(SIG_UNBLOCK);
	look_for_trouble(&daemon);
	event_base_dispatch(daemon.base);
	hold_signals(SIG_BLOCK);
	systemd_stopping();
	err = finish(&daemon, daemon.settings->keep, &fault);
	if (err) {
		log_error("%s", fault.text);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
