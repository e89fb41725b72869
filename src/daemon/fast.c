/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Following the interfaces of the fast path.
 *
 * Each look reads all interfaces, decides about each (fast_choose.c), attaches, writes the maps, and then detaches where nothing is
 * wanted any more. Nothing that goes wrong here is a failure: an interface without the program is served by tc. A program goes
 * to all interfaces before the maps lead packets to any, for a driver may take redirected frames only once it runs one.
 */
#include "fast.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fast_choose.h"
#include "log.h"

/* ---- refusals ------------------------------------------------------------------------------------------------- */

static const char *find_refusal(const struct fast *fast, const struct fast_iface *iface)
{
	for (size_t i = 0; i < fast->num_refusals; i++) {
		const struct fast_refusal *refusal = &fast->refusal[i];

		if (refusal->ifindex == iface->ifindex && refusal->mtu == iface->mtu && refusal->xdp == iface->xdp &&
		    refusal->up == iface->up)
			return refusal->why;
	}
	return NULL;
}

static void remember_refusal(struct fast *fast, const struct fast_iface *iface, const char *why)
{
	struct fast_refusal *more = NULL;

	for (size_t i = 0; i < fast->num_refusals; i++)
		if (fast->refusal[i].ifindex == iface->ifindex)
			more = &fast->refusal[i];
	if (!more) {
		more = realloc(fast->refusal, (fast->num_refusals + 1) * sizeof(*more));
		if (!more)
			return; /* then it is asked again */
		fast->refusal = more;
		more += fast->num_refusals++;
	}
	*more = (struct fast_refusal){
		.ifindex = iface->ifindex, .mtu = iface->mtu, .xdp = iface->xdp, .up = iface->up
	};
	snprintf(more->why, sizeof(more->why), "%s", why);
}

/* ---- attaching ------------------------------------------------------------------------------------------------ */

static void attach(struct fast *fast, const struct fast_ifaces *ifaces, struct fast_iface *carrier)
{
	const char *refused = find_refusal(fast, carrier);
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
		remember_refusal(fast, carrier, why);
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

/* Whatever sessions remember of their ways is void: interfaces or tags may be others. */
static void forget_ways(struct header *header)
{
	__u32 next = header->next_hop_generation + 1;

	WRITE_ONCE(header->next_hop_generation, next < NEXT_HOP_GENERATIONS ? next : 1);
}

static void tell_what_runs(const struct fast *fast, const struct fast_ifaces *ifaces)
{
	char names[200] = "";
	size_t len = 0;

	for (size_t i = 0; i < ifaces->num && len < sizeof(names); i++)
		if (ifaces->at[i].takes_part)
			len += snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "", ifaces->at[i].name);
	if (len)
		log_info("%s: fast path: %s run xdp", fast->dataplane->instance->iface, names);
	else if (fast->map)
		log_info("%s: fast path: no interface runs xdp any more", fast->dataplane->instance->iface);
}

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
	forget_ways(fast->dataplane->table.header);
	if (err) {
		free(map);
		return err;
	}
	tell_what_runs(fast, ifaces);
	free(fast->map);
	fast->map = map;
	return 0;
}

/* ---- saying --------------------------------------------------------------------------------------------------- */

static bool was_said(const struct fast *fast, const struct fast_iface *iface)
{
	for (size_t i = 0; i < fast->num_said; i++)
		if (strcmp(fast->said[i].name, iface->name) == 0)
			return strcmp(fast->said[i].why, iface->why) == 0;
	return false;
}

/* Once, though everything is looked at again and again. */
static void say(struct fast *fast, const struct fast_ifaces *ifaces)
{
	struct fast_said *said = calloc(ifaces->num + 1, sizeof(*said));
	size_t num = 0;

	for (size_t i = 0; said && i < ifaces->num; i++) {
		const struct fast_iface *iface = &ifaces->at[i];

		if (!iface->why[0] || !iface->worth_saying)
			continue;
		if (!was_said(fast, iface))
			log_warn("%s: fast path: %s stays on tc: %s", fast->dataplane->instance->iface, iface->name,
				 iface->why);
		memcpy(said[num].name, iface->name, sizeof(said[num].name));
		memcpy(said[num++].why, iface->why, sizeof(iface->why));
	}
	free(fast->said);
	fast->said = said;
	fast->num_said = num;
}

/* ---- all of it ------------------------------------------------------------------------------------------------ */

static bool takes_part(const struct fast_ifaces *ifaces)
{
	for (size_t i = 0; i < ifaces->num; i++)
		if (ifaces->at[i].takes_part)
			return true;
	return false;
}

static int run(struct fast *fast, const struct fast_ifaces *ifaces, struct fault *fault)
{
	__u32 external = fast->dataplane->table.header->ifindex;
	int err = 0;

	if (takes_part(ifaces)) {
		if (fast->hooks.external != external)
			fast->num_refusals = 0;
		err = fast_hooks_load(&fast->hooks, external, fault);
		if (!err)
			attach_all(fast, ifaces);
	}
	fast_check_partners(ifaces, external);
	if (!err && fast->hooks.programs)
		err = write_map(fast, ifaces, fault);
	if (err)
		fast_leave_out_all(ifaces, fault->text);
	detach_others(fast, ifaces);
	return err;
}

static void look(struct fast *fast)
{
	const struct interfaces *wanted = &fast->dataplane->table.config.fast_path;
	struct fast_ifaces ifaces = {};
	struct fault fault = {};
	int err = fast_ifaces_read(fast->ask, &ifaces);

	if (memcmp(&fast->wanted, wanted, sizeof(*wanted)) != 0)
		fast->num_refusals = 0;
	fast->wanted = *wanted;
	if (!err)
		err = fast_choose(fast->dataplane, &ifaces);
	if (!err)
		run(fast, &ifaces, &fault);
	if (err)
		log_warn("cannot read the interfaces of this machine: %s; the fast path stays as it is",
			 strerror(-err));
	else
		say(fast, &ifaces);
	free(ifaces.at);
}

void fast_start(struct fast *fast, const struct dataplane *dataplane, struct mnl_socket *ask)
{
	*fast = (struct fast){
		.dataplane = dataplane,
		.ask = ask,
		.wanted = dataplane->table.config.fast_path,
		.hooks = {
			.instance = dataplane->instance,
			.tc = dataplane_object(dataplane),
			.header = dataplane->table.header,
		},
	};
	WRITE_ONCE(dataplane->table.header->next_hop_until, ~0ull);
	look(fast);
}

void fast_follow(struct fast *fast)
{
	look(fast);
}

void fast_close(struct fast *fast)
{
	fast_hooks_close(&fast->hooks);
	free(fast->map);
	free(fast->refusal);
	free(fast->said);
	fast->map = NULL;
	fast->refusal = NULL;
	fast->said = NULL;
}
