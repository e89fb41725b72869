/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deciding about interfaces.
 *
 * With "auto" those that a wire is plugged in take part, and their VLANs: a device of a bus stands behind them, and what comes
 * from there has whole checksums. With a list those that are named, and the VLANs upon them. Traffic goes between the external
 * interface and others, so without it, or with it alone, there is nothing to be done.
 */
#include "fast_choose.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fast_hook.h"
#include "xdp_attach.h"
#include "xdp_feature.h"

/* What most drivers take that want a packet in one page: 4096 less headers and what the kernel keeps beside it. */
#define USUAL_MTU 3046

static void refuse(struct fast_iface *iface, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void refuse(struct fast_iface *iface, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(iface->why, sizeof(iface->why), format, args);
	va_end(args);
	iface->takes_part = false;
}

/* ---- who is meant --------------------------------------------------------------------------------------------- */

static bool is_listed(const struct interfaces *list, const char *name)
{
	for (__u8 i = 0; i < list->num && i < MAX_INTERFACES; i++)
		if (strcmp(list->iface[i], name) == 0)
			return true;
	return false;
}

static int add_unknown(const struct interfaces *list, struct fast_ifaces *ifaces)
{
	for (__u8 i = 0; i < list->num && i < MAX_INTERFACES; i++) {
		struct fast_iface *more;

		if (fast_ifaces_named(ifaces, list->iface[i]))
			continue;
		more = realloc(ifaces->at, (ifaces->num + 1) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		ifaces->at = more;
		more += ifaces->num++;
		*more = (struct fast_iface){};
		snprintf(more->name, sizeof(more->name), "%s", list->iface[i]);
	}
	return 0;
}

static bool is_vlan(const struct fast_iface *iface)
{
	return strcmp(iface->kind, "vlan") == 0;
}

static void find_carriers(const struct fast_ifaces *ifaces)
{
	for (size_t i = 0; i < ifaces->num; i++) {
		struct fast_iface *iface = &ifaces->at[i];

		iface->carrier = is_vlan(iface) ? fast_ifaces_find(ifaces, iface->lower) : iface;
		if (is_vlan(iface) && iface->carrier)
			iface->carrier->has_upper = true;
	}
}

/* Whether an instance serves the interface as its external one. */
static bool is_served(const struct instance *instances, int num, const char *name)
{
	for (int i = 0; i < num; i++)
		if (strcmp(instances[i].iface, name) == 0)
			return true;
	return false;
}

/* By auto: a wire is plugged in. */
static bool suits(const struct fast_iface *iface, const struct instance *instances, int num, const char *own)
{
	return iface->carrier && iface->carrier->on_bus &&
	       (strcmp(iface->name, own) == 0 || !is_served(instances, num, iface->name));
}

static const char *const left_out[] = {
	[INTERFACES_AUTO] =
		"auto takes devices on a bus (PCI, USB, virtio) and their VLANs that no other instance serves; "
		"--fast-path with a list takes what it names",
	[INTERFACES_OFF] = "--fast-path is off",
	[INTERFACES_LIST] = "--fast-path does not list it",
};

static void ask_for(const struct interfaces *wanted, const char *own, const struct fast_ifaces *ifaces)
{
	struct instance *instances = NULL;
	int num = wanted->mode == INTERFACES_AUTO ? instance_list(&instances, &(struct fault){}) : 0;

	for (struct fast_iface *iface = ifaces->at; iface < ifaces->at + ifaces->num; iface++) {
		const struct fast_iface *carrier = iface->carrier;

		if (wanted->mode == INTERFACES_AUTO) {
			iface->asked_for = suits(iface, instances, num, own);
		} else {
			iface->asked_for =
				is_listed(wanted, iface->name) || (carrier && is_listed(wanted, carrier->name));
			iface->worth_saying = iface->asked_for;
		}
		if (!iface->asked_for)
			refuse(iface, "%s", left_out[wanted->mode]);
	}
	free(instances);
}

/* ---- who can -------------------------------------------------------------------------------------------------- */

/* Two interfaces that would have one place among the ports. */
static const struct fast_iface *find_rival(const struct fast_ifaces *ifaces, const struct fast_iface *iface)
{
	for (const struct fast_iface *other = ifaces->at; other < iface; other++)
		if (other->takes_part && other->carrier != iface->carrier &&
		    other->carrier->ifindex % NUM_FAST_LINK == iface->carrier->ifindex % NUM_FAST_LINK)
			return other->carrier;
	return NULL;
}

/* Without its tag a frame of another VLAN looks like an untagged one: it would be taken for a packet of this network, where the
 * kernel knows the VLAN or drops the frame. Who lists a device is believed to know what comes out of the port.
 */
static bool check_tags(enum interfaces_mode mode, const struct fast_iface *carrier, struct fast_iface *iface)
{
	const char *remedy = "rxvlan off rx-vlan-stag-hw-parse off";

	if (carrier->has_upper && carrier->tags != TAGS_KEPT) {
		refuse(iface,
		       "%s has VLANs upon it and takes their tags off before xdp sees them; `ethtool -K %s %s` would "
		       "do",
		       carrier->name, carrier->name, remedy);
	} else if (mode == INTERFACES_AUTO && carrier->tags == TAGS_HIDDEN) {
		refuse(iface,
		       "%s takes VLAN tags off before xdp sees them and lets frames of any VLAN in (rx-vlan-filter is "
		       "off); "
		       "`ethtool -K %s %s` would do, or a list, if none come there",
		       carrier->name, carrier->name, remedy);
		iface->worth_saying = true;
	}
	return iface->takes_part;
}

/* What can be told before its driver is asked; whether it takes redirected frames, some tell only once the program is there. */
static bool check_features(enum interfaces_mode mode, const struct fast_iface *carrier, struct fast_iface *iface)
{
	if (!carrier->knows_features && mode == INTERFACES_AUTO)
		refuse(iface,
		       "kernels before 6.3 do not tell what its driver can do; --fast-path with a list tries it");
	else if (carrier->knows_features && !(carrier->features & XDP_FEATURE_BASIC))
		refuse(iface, "the driver of %s has no native XDP; another driver, or a later kernel, may",
		       carrier->name);
	else if (carrier->knows_features && !(carrier->features & XDP_FEATURE_REDIRECT))
		refuse(iface, "the driver of %s cannot redirect from XDP; another driver, or a later kernel, may",
		       carrier->name);
	return iface->takes_part;
}

static void check(enum interfaces_mode mode, const struct instance *own, const struct fast_ifaces *ifaces,
		  struct fast_iface *iface)
{
	const struct fast_iface *carrier = iface->carrier, *rival;
	char name[XDP_PROGRAM_NAME];

	iface->takes_part = true;
	if (!carrier) {
		refuse(iface, "the device that this VLAN stands on is in another network namespace; one in this would "
			      "work");
	} else if (is_vlan(carrier)) {
		refuse(iface, "it is a VLAN upon a VLAN (%s), and xdp reads one tag; a VLAN upon a device would work",
		       carrier->name);
	} else if (iface->loopback || !iface->ethernet || !carrier->ethernet) {
		refuse(iface, "it has no Ethernet header; Ethernet devices and their VLANs would work");
	} else if (iface->has_master || carrier->has_master) {
		refuse(iface,
		       "%s is a port of a bridge, a bond or the like, which receives in its place; a device of "
		       "its own would work",
		       iface->has_master ? iface->name : carrier->name);
	} else if (iface->vlan_priorities) {
		refuse(iface, "it maps priorities of packets to those of VLAN tags, which xdp does not; a VLAN without "
			      "egress-qos-map would work");
	} else if (!check_tags(mode, carrier, iface) || !check_features(mode, carrier, iface)) {
		; /* they have said why */
	} else if (carrier->xdp && carrier->xdp != fast_hook_program(own, carrier->ifindex)) {
		refuse(iface,
		       "an XDP program that is not ours is attached to %s (id %u, \"%s\"), and is not replaced; `ip "
		       "link set dev "
		       "%s xdp off` takes it away, if nobody needs it",
		       carrier->name, carrier->xdp, xdp_program_name(carrier->xdp, name), carrier->name);
		iface->worth_saying = true;
	} else if ((rival = find_rival(ifaces, iface))) {
		refuse(iface,
		       "%s, whose index %u differs from its %u by a multiple of %d, has its place in the map of ports; "
		       "an interface made anew has another index",
		       rival->name, rival->ifindex, carrier->ifindex, NUM_FAST_LINK);
	}
}

int fast_choose(const struct dataplane *dataplane, struct fast_ifaces *ifaces)
{
	const struct interfaces *wanted = &dataplane->table.config.fast_path;
	const struct instance *own = dataplane->instance;
	int err = wanted->mode == INTERFACES_LIST ? add_unknown(wanted, ifaces) : 0;

	if (err)
		return err;
	find_carriers(ifaces);
	ask_for(wanted, own->iface, ifaces);
	for (struct fast_iface *iface = ifaces->at; iface < ifaces->at + ifaces->num; iface++) {
		if (!iface->ifindex)
			refuse(iface, "there is no such interface in this network namespace; `ip link` lists them");
		else if (iface->asked_for)
			check(wanted->mode, own, ifaces, iface);
	}
	fast_check_partners(ifaces, dataplane->table.header->ifindex);
	return 0;
}

/* ---- who is left ---------------------------------------------------------------------------------------------- */

static void leave_out_all(const struct fast_ifaces *ifaces, const char *why)
{
	for (size_t i = 0; i < ifaces->num; i++)
		if (ifaces->at[i].takes_part)
			refuse(&ifaces->at[i], "%s", why);
}

void fast_leave_out_all(const struct fast_ifaces *ifaces, const char *why)
{
	for (size_t i = 0; i < ifaces->num; i++)
		if (ifaces->at[i].takes_part) {
			refuse(&ifaces->at[i], "%s", why);
			ifaces->at[i].worth_saying = true;
		}
}

void fast_leave_out(const struct fast_ifaces *ifaces, const struct fast_iface *carrier, const char *why)
{
	for (size_t i = 0; i < ifaces->num; i++)
		if (ifaces->at[i].takes_part && ifaces->at[i].carrier == carrier) {
			refuse(&ifaces->at[i], "%s", why);
			ifaces->at[i].worth_saying = true;
		}
}

void fast_check_partners(const struct fast_ifaces *ifaces, __u32 external)
{
	const struct fast_iface *outside = fast_ifaces_find(ifaces, external);
	size_t num = 0;

	for (size_t i = 0; i < ifaces->num; i++)
		num += ifaces->at[i].takes_part;
	if (!num || (outside && outside->takes_part && num > 1))
		return;
	if (outside && outside->takes_part)
		fast_leave_out_all(ifaces,
				   "no interface that leads inside takes part, so that there is nowhere to send "
				   "to; one more that can would do");
	else
		leave_out_all(ifaces, "the external interface takes no part, so that there is nowhere to send to; "
				      "with it this one can");
}

bool fast_lacks_xmit(const struct fast_iface *carrier)
{
	return carrier->knows_features && !(carrier->features_now & XDP_FEATURE_XMIT);
}

void fast_explain_no_xmit(const struct fast_iface *carrier, char why[FAST_WHY])
{
	if (strcmp(carrier->kind, "veth") == 0)
		snprintf(why, FAST_WHY,
			 "%s takes redirected frames only while its peer receives by NAPI; `ethtool -K PEER gro on` or "
			 "an "
			 "XDP program at the peer would do",
			 carrier->name);
	else
		snprintf(why, FAST_WHY,
			 "the driver of %s takes no redirected frames; another driver, more queues or a later kernel "
			 "may "
			 "do",
			 carrier->name);
}

void fast_explain_refusal(const struct fast_iface *carrier, int err, const char *words, char why[FAST_WHY])
{
	char remedy[120] = "another driver, or a later kernel, may";

	if (err == -EPERM)
		snprintf(remedy, sizeof(remedy), "CAP_NET_ADMIN and CAP_BPF would be needed");
	else if (err == -ENOMEM)
		snprintf(remedy, sizeof(remedy), "more memory would be needed, or fewer receive queues");
	else if (err == -EBUSY || err == -EEXIST)
		snprintf(remedy, sizeof(remedy),
			 "without the XDP program that is there (`ip link show dev %s`) it would", carrier->name);
	else if (strcasestr(words, "peer mtu"))
		snprintf(remedy, sizeof(remedy),
			 "an MTU of %d or less at its peer would do (`ip link set dev PEER mtu %d`), then SIGHUP",
			 USUAL_MTU, USUAL_MTU);
	else if (carrier->mtu > USUAL_MTU || strcasestr(words, "mtu"))
		snprintf(remedy, sizeof(remedy),
			 "an MTU of %d or less is what most drivers take (`ip link set dev %s mtu %d`)", USUAL_MTU,
			 carrier->name, USUAL_MTU);
	snprintf(why, FAST_WHY, "the driver of %s refused native XDP: %s; %s", carrier->name, words, remedy);
}
