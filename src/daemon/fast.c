/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Following the interfaces of the fast path.
 *
 * Each look reads all interfaces, decides about each (fast_choose.c), attaches, writes the maps, and then detaches where nothing
 * is wanted any more. Nothing that goes wrong here is a failure: an interface without the program is served by tc. A program
 * goes to all interfaces before the maps lead packets to any, for a driver may take redirected frames only once it runs one.
 */
#include "fast.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fast_bypass.h"
#include "fast_choose.h"
#include "fast_lost.h"
#include "log.h"

/* ---- attaching ------------------------------------------------------------------------------------------------ */

static void attach(struct fast *fast, const struct fast_ifaces *ifaces, struct fast_iface *carrier)
{
	const char *refused = fast_refusals_find(&fast->refusals, carrier);
	struct fault fault;
	char why[FAST_WHY];
	int err;

	if (!refused) {
		err = fast_hook_attach(&fast->hooks, carrier->ifindex, &fault);
		if (!err) {
			carrier->runs = true;
			return;
		}
		fast_explain_refusal(carrier, err, fault.text, why);
		fast_refusals_add(&fast->refusals, carrier, why);
		refused = why;
	}
	fast_leave_out(ifaces, carrier, refused);
}

static void attach_all(struct fast *fast, const struct fast_ifaces *ifaces)
{
	for (size_t i = 0; i < ifaces->num; i++) {
		const struct fast_iface *iface = &ifaces->at[i];

		if (iface->takes_part && !iface->carrier->runs)
			attach(fast, ifaces, iface->carrier);
	}
}

/* Leaves out those whose drivers, though they run the program, take nothing from others. They have to say it twice: the first
 * reading may be from before there was a program.
 */
static void check_xmit(struct fast *fast, struct fast_ifaces *ifaces)
{
	bool again = false;

	for (size_t i = 0; i < ifaces->num; i++)
		again |= ifaces->at[i].runs && fast_lacks_xmit(&ifaces->at[i]);
	if (!again || fast_ifaces_read_features(ifaces))
		return;
	for (size_t i = 0; i < ifaces->num; i++) {
		struct fast_iface *carrier = &ifaces->at[i];
		char why[FAST_WHY];

		if (!carrier->runs || !fast_lacks_xmit(carrier))
			continue;
		fast_explain_no_xmit(carrier, why);
		fast_refusals_add(&fast->refusals, carrier, why);
		fast_leave_out(ifaces, carrier, why);
	}
}

static void detach_others(const struct fast *fast, const struct fast_ifaces *ifaces)
{
	const struct instance *own = fast->dataplane->instance;
	__u32 *attached;
	int num = fast_hook_list(own, &attached);

	for (int i = 0; attached && i < num; i++) {
		bool wanted = false;

		for (size_t j = 0; j < ifaces->num; j++)
			wanted |= ifaces->at[j].takes_part && ifaces->at[j].carrier->ifindex == attached[i];
		if (!wanted)
			fast_hook_detach(own, attached[i]);
	}
	free(attached);
}

/* ---- the maps ------------------------------------------------------------------------------------------------- */

static int write_map(struct fast *fast, const struct fast_ifaces *ifaces, struct fault *fault)
{
	struct fast_map *map = malloc(sizeof(*map));
	int err;

	if (!map)
		return fault_set_errno(fault, ENOMEM, "cannot write the maps of the fast path");
	fast_map_make(ifaces, fast->hooks.external, map);
	if (fast->map && fast_map_equal(map, fast->map)) {
		free(map);
		return 0;
	}
	err = fast_map_write(&fast->hooks, map, fault);
	next_hops_change(fast->next_hops);
	if (err) {
		free(map);
		return err;
	}
	fast_notes_tell(fast->dataplane->instance, ifaces, !fast->map);
	free(fast->map);
	fast->map = map;
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------------------------------ */

static bool takes_part(const struct fast_ifaces *ifaces)
{
	for (size_t i = 0; i < ifaces->num; i++)
		if (ifaces->at[i].takes_part)
			return true;
	return false;
}

/* What xdp remembers is true only while somebody watches. */
static int watch_next_hops(struct fast *fast, struct fault *fault)
{
	if (fast->next_hops)
		return 0;
	return next_hops_open(fast->base, fast->dataplane, fast_hooks_map(&fast->hooks, "next_hops"), &fast->next_hops,
			      fault);
}

/* A program that could not be loaded is not tried again and again: that takes the verifier a while. */
static int load(struct fast *fast, __u32 external)
{
	struct fault fault;
	int err;

	/* while no interface took part, nobody watched */
	if (fast->hooks.programs && fast->hooks.external == external)
		return watch_next_hops(fast, &fast->unloadable);
	if (*fast->unloadable.text && fast->unloadable_for == external)
		return -ENOEXEC;
	fast->unloadable_for = external;
	err = fast_hooks_load(&fast->hooks, external, &fast->unloadable);
	if (!err)
		err = watch_next_hops(fast, &fast->unloadable);
	if (err) {
		fast_hooks_close(&fast->hooks);
		return err;
	}
	fast->unloadable.text[0] = '\0';
	if (fast_lost_start(&fast->hooks, &fault))
		log_warn("%s: fast path: %s", fast->dataplane->instance->iface, fault.text);
	return 0;
}

static void run(struct fast *fast, struct fast_ifaces *ifaces, struct fault *fault)
{
	__u32 external = fast->dataplane->table.header->ifindex;

	if (takes_part(ifaces) && load(fast, external))
		fast_leave_out_all(ifaces, fast->unloadable.text);
	if (takes_part(ifaces)) {
		attach_all(fast, ifaces);
		check_xmit(fast, ifaces);
		fast_check_partners(ifaces, external);
	}
	if (fast->hooks.programs && write_map(fast, ifaces, fault))
		fast_leave_out_all(ifaces, fault->text);
	detach_others(fast, ifaces);
	if (!takes_part(ifaces)) {
		next_hops_close(fast->next_hops);
		fast->next_hops = NULL;
	}
	fast_notes_write(&fast->notes, fast->dataplane->instance, ifaces, external);
}

/* Those that no driver could be meant with are not asked about theirs. */
static bool is_worth_asking(const struct interfaces *wanted, const struct fast_ifaces *ifaces)
{
	for (size_t i = 0; i < ifaces->num; i++)
		if (wanted->mode == INTERFACES_LIST || (wanted->mode == INTERFACES_AUTO && ifaces->at[i].on_bus))
			return true;
	return false;
}

static int read_all(const struct fast *fast, struct fast_ifaces *ret_ifaces)
{
	int err = fast_ifaces_read(fast->ask, ret_ifaces);
	char why[FAST_WHY];

	if (!err && is_worth_asking(&fast->wanted, ret_ifaces)) {
		fast_ifaces_read_tags(ret_ifaces, fast->wanted.mode == INTERFACES_LIST);
		err = fast_ifaces_read_features(ret_ifaces);
	}
	if (!err)
		err = fast_choose(fast->dataplane, ret_ifaces);
	/* who names interfaces knows what they do without */
	if (!err && fast->wanted.mode == INTERFACES_AUTO && takes_part(ret_ifaces) &&
	    fast_bypass_find(fast->ask, ret_ifaces, why))
		fast_leave_out_all(ret_ifaces, why);
	return err;
}

/* Once, though it is tried again and again. */
static void complain(struct fast *fast, const struct fault *fault)
{
	if (*fault->text && strcmp(fast->complaint.text, fault->text) != 0)
		log_warn("%s: fast path: %s; until that is done, its interfaces stay on tc",
			 fast->dataplane->instance->iface, fault->text);
	fast->complaint = *fault;
}

/* What has failed may be tried again. */
static void forget(struct fast *fast)
{
	fast_refusals_clear(&fast->refusals);
	fast->unloadable.text[0] = '\0';
}

/* `anew`: programs that are attached are an earlier run's. */
static void look(struct fast *fast, bool anew)
{
	const struct interfaces *wanted = &fast->dataplane->table.config.fast_path;
	struct fast_ifaces ifaces = {};
	struct fault fault = {};
	int err;

	if (memcmp(&fast->wanted, wanted, sizeof(*wanted)) != 0)
		forget(fast);
	fast->wanted = *wanted;
	err = read_all(fast, &ifaces);
	if (!err) {
		run(fast, &ifaces, &fault);
	} else {
		fault_set_errno(&fault, -err, "cannot read the interfaces of this machine");
		/* they may be of another store; the next look attaches those of this one */
		if (anew)
			fast_hook_detach_all(fast->dataplane->instance);
	}
	complain(fast, &fault);
	free(ifaces.at);
}

void fast_start(struct fast *fast, const struct dataplane *dataplane, struct mnl_socket *ask, struct event_base *base)
{
	int err;

	*fast = (struct fast){
		.dataplane = dataplane,
		.ask = ask,
		.base = base,
		.hooks = {
			.instance = dataplane->instance,
			.tc = dataplane_object(dataplane),
			.header = dataplane->table.header,
			.shape = &dataplane->table.shape,
		},
	};
	err = fast_notes_open(dataplane->instance, &fast->notes);
	if (err)
		log_warn("%s: fast path: cannot make the map of interfaces: %s; show fast-path says nothing of them",
			 dataplane->instance->iface, strerror(-err));
	look(fast, true);
}

void fast_follow(struct fast *fast)
{
	look(fast, false);
}

void fast_retry(struct fast *fast)
{
	forget(fast);
	look(fast, false);
}

void fast_close(struct fast *fast)
{
	next_hops_close(fast->next_hops);
	fast_hooks_close(&fast->hooks);
	fast_refusals_clear(&fast->refusals);
	fast_notes_close(&fast->notes);
	free(fast->map);
	fast->next_hops = NULL;
	fast->map = NULL;
}
