/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Following the machine.
 *
 * Nothing is concluded from a single message of rtnetlink: a message only says that it is time to look, and then all is
 * read anew and compared with what was there. So messages that were lost, merged or overtaken do no harm.
 *
 * An address that is gone takes its sessions with it at once: no reply can reach them, and without this a flow that is
 * kept alive from inside would keep its dead address for ever. An interface that is gone is different: it loses its
 * addresses only because it goes, and often comes back with the same ones (a modem, a VPN, a module that is reloaded);
 * its sessions stay until it is back with an address.
 *
 * An external address that is listed in the settings need not be one of the interface: a local route will do. Routes come
 * and go without an address, and a router may have a million of them, so they are not listened to: every poll asks for
 * those addresses. Addresses of interfaces are followed at once.
 */
#include "follow.h"

#include <errno.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "attach.h"
#include "endpoint.h"
#include "follow_report.h"
#include "gateways.h"
#include "link.h"
#include "log.h"
#include "pools.h"
#include "prefixes.h"
#include "settings_check.h"
#include "sysctl.h"

/* So many polls after its interface an address that is listed is given up. */
#define RETURN_POLLS 3

/* ---- the checks ----------------------------------------------------------------------------------------------- */

static int check_interface(struct follow *follow, struct fault *fault)
{
	const char *iface = follow->settings->iface;
	const struct addresses *addresses = &follow->addresses;
	int err;

	if (!addresses->link.ifindex)
		return fault_set(
			fault, ENODEV,
			"cannot serve %s: there is no such interface in this network namespace (`ip link` lists them)",
			iface);
	err = link_header_len(iface, &addresses->link, &follow->l2_len, fault);
	if (err)
		return err;
	if (!addresses->link.up)
		return fault_set(fault, ENETDOWN, "cannot serve %s: it is down (`ip link set %s up`)", iface, iface);
	if (follow->externals.num_missing)
		return externals_fault(&follow->externals, follow->settings, fault);
	if (!follow->externals.num)
		return fault_set(
			fault, EADDRNOTAVAIL,
			"cannot serve %s: it has no IPv4 address of global scope (`ip address add ADDRESS/LENGTH dev "
			"%s`)",
			iface, iface);
	return settings_check_external(follow->settings, follow->externals.addr, follow->externals.num, fault);
}

static int read_ports(struct follow *follow, struct fault *fault)
{
	if (!settings_given(follow->settings, SETTING_PORTS))
		return sysctl_read_default(&follow->ports, fault);
	follow->ports = follow->settings->ports;
	return 0;
}

/* Interface, addresses and routes, in this order: externals_read() says why. */
static int read_addresses(struct follow *follow)
{
	struct addresses addresses;
	struct externals externals;
	int err = addresses_read(follow->ask, follow->settings->iface, &addresses);

	if (!err)
		err = externals_read(follow->ask, follow->settings, &addresses, &externals);
	if (err)
		return err;
	follow->addresses = addresses;
	follow->externals = externals;
	return 0;
}

int follow_open(struct follow *follow, const struct settings *settings, struct fault *fault)
{
	int err;

	memset(follow, 0, sizeof(*follow));
	follow->settings = settings;
	err = netlink_open(NETLINK_ROUTE, &follow->ask);
	if (!err)
		err = netlink_open(NETLINK_ROUTE, &follow->news);
	if (!err)
		err = netlink_join(follow->news, RTNLGRP_LINK);
	if (!err)
		err = netlink_join(follow->news, RTNLGRP_IPV4_IFADDR);
	if (err)
		fault_set_errno(fault, -err, "cannot listen to rtnetlink");
	if (!err) {
		err = read_addresses(follow);
		if (err)
			fault_set_errno(fault, -err, "cannot read the addresses of this machine");
	}
	if (!err)
		err = check_interface(follow, fault);
	if (!err)
		err = read_ports(follow, fault);
	if (err)
		follow_close(follow);
	return err;
}

void follow_close(struct follow *follow)
{
	netlink_close(follow->news);
	netlink_close(follow->ask);
	follow->news = NULL;
	follow->ask = NULL;
}

/* ---- telling the data plane ----------------------------------------------------------------------------------- */

static __u32 cover(const struct externals *externals, const struct addresses *addresses, struct config *config)
{
	__be32 addr[MAX_EXTERNAL + MAX_OWN_ADDRS];
	__u32 num = externals->num + addresses->num_own, covered = 0;

	memcpy(addr, externals->addr, externals->num * sizeof(addr[0]));
	memcpy(addr + externals->num, addresses->own, addresses->num_own * sizeof(addr[0]));
	config->num_own = prefixes_cover(addr, &num, config->own, MAX_OWN);
	for (__u32 i = 0; i < num; i++)
		covered += addr_is_own(config, addr[i]);
	return num - covered;
}

/* Every address of the interface and every external one, as prefixes. Where these are too many, the external ones first and
 * then the first address of the interface.
 */
static void set_own(struct follow *follow, struct config *config)
{
	const struct addresses *addresses = &follow->addresses;
	const struct externals *externals = &follow->externals;
	static const struct addresses none;

	follow->num_left_out = addresses->num_own_left_out;
	if (!cover(externals, addresses, config))
		return;
	cover(externals, &none, config);
	for (__u32 i = 0; i < addresses->num_own; i++) {
		if (addr_is_own(config, addresses->own[i]))
			continue;
		if (config->num_own < MAX_OWN)
			config->own[config->num_own++] =
				(struct prefix){ .addr = addresses->own[i], .mask = 0xffffffff };
		else
			follow->num_left_out++;
	}
	memset(&config->own[config->num_own], 0, (MAX_OWN - config->num_own) * sizeof(config->own[0]));
}

/* What answers could not come back to is not used; nor is what there are no pools for. */
static void set_external(struct follow *follow, struct config *config)
{
	const struct externals *externals = &follow->externals;
	const struct table *table = &follow->dataplane->table;
	__be32 addr[MAX_EXTERNAL];
	__u32 num = 0;

	for (__u32 i = 0; i < externals->num; i++)
		if (addr_is_own(config, externals->addr[i]))
			addr[num++] = externals->addr[i];
	config->num_external = pools_assign(table->header, table->pool, &table->config, addr, num, config->external);
	follow->num_unused = externals->num - config->num_external;
}

/* What fits into a packet behind headers without options; 0, no limit, while the interface is away. */
static __u16 mss_of(const struct link *link)
{
	const __u32 headers = sizeof(struct iphdr) + sizeof(struct tcphdr);
	__u32 most = setting_table[SETTING_MSS].max, least = setting_table[SETTING_MSS].min;

	if (!link->mtu)
		return 0;
	if (link->mtu < least + headers)
		return least;
	return link->mtu - headers < most ? link->mtu - headers : most;
}

/* Makes a configuration the one in force. The slot that it is written to belongs to the last but one until the last packet that
 * goes by that is done.
 */
static int put_in_force(struct follow *follow, struct config *config, struct fault *fault)
{
	const struct table *table = &follow->dataplane->table;

	config->generation = table->config.generation + 1;
	pools_settle();
	pools_open(table->pool, config, (table->header->config_slot + 1) % NUM_CONFIG_SLOT);
	return dataplane_configure(follow->dataplane, config, fault);
}

static int configure(struct follow *follow, struct fault *fault)
{
	const struct table *table = &follow->dataplane->table;
	struct config config;
	int err;

	memset(&config, 0, sizeof(config)); /* padding too: it is compared */
	config.generation = table->config.generation;
	config.source = follow->externals.source;
	set_own(follow, &config);
	settings_to_config(follow->settings, &config);
	if (config.mss_auto)
		config.mss = mss_of(&follow->addresses.link);
	err = ranges_to_config(&follow->ports, &config);
	if (err)
		return fault_set(fault, -err, "these ports make more than %d ranges; as many would be accepted",
				 MAX_SLICES);
	set_external(follow, &config);
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): what differs in padding alone is put in force for nothing */
	if (config.generation && memcmp(&config, &table->config, sizeof(config)) == 0)
		return 0;
	return put_in_force(follow, &config, fault);
}

/* To be called when sessions have been ended: addresses that wait for the pools of others may get them now. */
static int configure_unused(struct follow *follow, struct fault *fault)
{
	int err = follow->num_unused ? configure(follow, fault) : 0;

	if (err || !follow->num_unused)
		return err;
	return fault_set(
		fault, ENOSPC,
		"cannot masquerade as %u of the external addresses: this table has pools for %u, and those of "
		"other addresses are in use (`bauta down -e %s` begins with a new table, and ends all sessions)",
		follow->num_unused, follow->dataplane->table.header->num_pool_addrs, follow->settings->iface);
}

/* To be called when sessions have been ended, or may have ended. */
static void release_pools(const struct follow *follow)
{
	const struct table *table = &follow->dataplane->table;

	pools_release(table->header, table->pool, &table->config);
}

static void tell_gateways(struct follow *follow)
{
	int err = gateways_write(follow->dataplane->gateways_fd, &follow->addresses);

	if (err)
		log_warn("cannot keep the addresses of all interfaces: %s; some clients will not be told why a packet "
			 "of theirs "
			 "is refused",
			 strerror(-err));
}

static void warn_of_left_out(const struct follow *follow, __u32 old)
{
	if (follow->num_left_out && follow->num_left_out != old)
		log_warn("%s has too many addresses that lie apart; %u are not looked after: what comes for them goes "
			 "to "
			 "this machine",
			 follow->settings->iface, follow->num_left_out);
}

/* There will never be room for more addresses than the table was made for. */
static int check_pools(const struct follow *follow, struct fault *fault)
{
	__u32 most = follow->dataplane->table.header->num_pool_addrs;

	if (follow->externals.num <= most)
		return 0;
	return fault_set(
		fault, ENOSPC,
		"cannot masquerade as %u addresses: this table has pools for %u (`bauta down -e %s` begins with a "
		"new table, and ends all sessions)",
		follow->externals.num, most, follow->settings->iface);
}

static int start(struct follow *follow, struct fault *fault)
{
	struct sweep *sweep = follow->sweep;
	__u64 ended;
	int err;

	err = configure(follow, fault);
	if (err)
		return err;
	warn_of_left_out(follow, 0);
	ended = sweep_flush_foreign(sweep);
	if (ended)
		log_warn("%s has other addresses than before: %llu sessions of those that are gone were ended",
			 follow->settings->iface, ended);
	err = configure_unused(follow, fault);
	if (err)
		return err;
	err = dataplane_attach(follow->dataplane, follow->addresses.link.ifindex, fault);
	follow->attached = !err;
	return err;
}

int follow_start(struct follow *follow, struct dataplane *dataplane, struct sweep *sweep, struct fault *fault)
{
	struct config before = dataplane->table.config;
	int err;

	follow->dataplane = dataplane;
	follow->sweep = sweep;
	err = check_pools(follow, fault);
	if (err)
		return err;
	tell_gateways(follow);
	err = start(follow, fault);
	/* A data plane that was there goes on as it was. */
	if (err && before.generation && before.generation != dataplane->table.config.generation)
		put_in_force(follow, &before, &(struct fault){});
	return err;
}

/* ---- what changes --------------------------------------------------------------------------------------------- */

/* Says what goes wrong once, though it is tried again and again. */
static void complain(struct fault *last, const struct fault *fault)
{
	if (strcmp(last->text, fault->text) != 0)
		log_error("%s", fault->text);
	*last = *fault;
}

/* Attaches to an interface that came back, or whose filters somebody removed. */
static bool attach_again(struct follow *follow)
{
	const struct link *link = &follow->addresses.link;
	struct fault fault;
	__u32 l2_len;
	int err;

	err = link_header_len(follow->settings->iface, link, &l2_len, &fault);
	if (!err && l2_len != follow->l2_len)
		err = fault_set(&fault, EOPNOTSUPP,
				"cannot serve %s: it came back as another kind of interface; start bauta again",
				follow->settings->iface);
	if (!err)
		err = dataplane_attach(follow->dataplane, link->ifindex, &fault);
	follow->attached = !err;
	if (err)
		complain(&follow->attach_complaint, &fault);
	else
		follow->attach_complaint.text[0] = '\0';
	return !err;
}

static void lose_interface(struct follow *follow, __u32 old_ifindex)
{
	const char *iface = follow->settings->iface;

	/* It may only have another name now; then our filters are still there. */
	dataplane_detach(follow->dataplane->instance, old_ifindex, NULL, &(struct fault){});
	follow->attached = false;
	follow->sweep->keep_foreign = true;
	follow->num_polls_back = 0;
	log_warn("%s is gone: nothing is translated until it is back; sessions are kept", iface);
}

static void report_link(struct follow *follow, const struct addresses *old)
{
	const struct link *link = &follow->addresses.link;
	const char *iface = follow->settings->iface;
	bool replaced = link->ifindex != old->link.ifindex;

	if (replaced && old->link.ifindex)
		lose_interface(follow, old->link.ifindex);
	if (replaced && link->ifindex && attach_again(follow))
		log_info("%s is back, and attached to again", iface);
	if (link->ifindex && old->link.ifindex && !replaced && link->up != old->link.up)
		log_warn("%s is %s", iface, link->up ? "up again" : "down: nothing leaves by it until it is up");
}

/* While the interface is away its addresses may come back with it. Of those that are listed all are waited for, wherever they
 * are: they do not come in one moment.
 */
static bool is_whole(const struct follow *follow)
{
	if (follow->settings->external.num)
		return follow->addresses.link.ifindex && !follow->externals.num_missing;
	return follow->addresses.num_own;
}

static bool has_other_addresses(const struct follow *follow, const struct addresses *old,
				const struct externals *old_externals)
{
	const struct addresses *now = &follow->addresses;

	return now->num_own != old->num_own || memcmp(now->own, old->own, sizeof(old->own)) != 0 ||
	       memcmp(&follow->externals, old_externals, sizeof(*old_externals)) != 0;
}

void follow_addresses(struct follow *follow)
{
	struct addresses old = follow->addresses;
	struct externals old_externals = follow->externals;
	__u32 old_left_out = follow->num_left_out;
	struct fault fault;
	__u64 ended = 0;
	int err;

	netlink_drain(follow->news);
	err = read_addresses(follow);
	if (err) {
		log_error("cannot read the addresses of this machine: %s; the last ones are kept", strerror(-err));
		return;
	}
	if (follow->addresses.num_gateways != old.num_gateways ||
	    memcmp(follow->addresses.gateway, old.gateway, sizeof(old.gateway)) != 0)
		tell_gateways(follow);
	if (configure(follow, &fault))
		log_error("%s", fault.text);
	warn_of_left_out(follow, old_left_out);
	report_link(follow, &old);
	if (is_whole(follow))
		follow->sweep->keep_foreign = false;
	if (has_other_addresses(follow, &old, &old_externals))
		ended = sweep_flush_foreign(follow->sweep);
	follow_report(follow, &old, &old_externals, ended);
	if (configure_unused(follow, &fault))
		complain(&follow->external_complaint, &fault);
	else
		follow->external_complaint.text[0] = '\0';
	if (settings_check_external(follow->settings, follow->externals.addr, follow->externals.num, &fault))
		complain(&follow->excluded_complaint, &fault);
	else
		follow->excluded_complaint.text[0] = '\0';
	release_pools(follow);
}

/* ---- other settings --------------------------------------------------------------------------------------------- */

/* What was missing before does not stand in the way of other changes. */
static int check_settings(struct follow *follow, const struct settings *old, struct fault *fault)
{
	const struct externals *externals = &follow->externals;
	bool other_external = !settings_agree(follow->settings, old, SETTING_EXTERNAL);
	int err = 0;

	if (other_external && externals->num_missing)
		err = externals_fault(externals, follow->settings, fault);
	if (!err && other_external)
		err = check_pools(follow, fault);
	if (!err)
		err = settings_check_external(follow->settings, externals->addr, externals->num, fault);
	if (!err)
		err = read_ports(follow, fault);
	return err;
}

static void end_foreign(struct follow *follow)
{
	__u64 ended = sweep_flush_foreign(follow->sweep);
	char text[EXTERNALS_TEXT];
	struct fault fault;

	log_info("%s masquerades as %s now; %llu sessions of other addresses were ended", follow->settings->iface,
		 follow_external_text(follow, text), ended);
	if (configure_unused(follow, &fault))
		complain(&follow->external_complaint, &fault);
	release_pools(follow);
}

int follow_settings(struct follow *follow, const struct settings *settings, struct fault *fault)
{
	struct config before;
	struct follow old;
	int err;

	/* what has changed by itself is told as such */
	follow_addresses(follow);
	old = *follow;
	before = follow->dataplane->table.config;
	follow->settings = settings;
	err = externals_read(follow->ask, settings, &follow->addresses, &follow->externals);
	if (err)
		fault_set_errno(fault, -err, "cannot read the addresses of this machine");
	if (!err)
		err = check_settings(follow, old.settings, fault);
	if (!err)
		err = configure(follow, fault);
	if (err) {
		*follow = old;
		if (before.generation != follow->dataplane->table.config.generation)
			put_in_force(follow, &before, &(struct fault){});
		return err;
	}
	follow->ports_complaint.text[0] = '\0';
	warn_of_left_out(follow, old.num_left_out);
	if (memcmp(&old.externals, &follow->externals, sizeof(old.externals)) != 0)
		end_foreign(follow);
	return 0;
}

/* An interface is back, and not all of the external addresses: they have had time enough. */
static void poll_return(struct follow *follow)
{
	__u64 ended;

	if (!follow->sweep->keep_foreign || !follow->addresses.num_own || ++follow->num_polls_back < RETURN_POLLS)
		return;
	follow->sweep->keep_foreign = false;
	ended = sweep_flush_foreign(follow->sweep);
	log_warn("%s is back without some of its external addresses; %llu sessions of these were ended",
		 follow->settings->iface, ended);
	release_pools(follow);
}

static void poll_ports(struct follow *follow)
{
	struct ranges old = follow->ports;
	struct fault fault;
	char *text;

	if (read_ports(follow, &fault) || configure(follow, &fault)) {
		follow->ports = old;
		complain(&follow->ports_complaint, &fault);
		return;
	}
	follow->ports_complaint.text[0] = '\0';
	if (memcmp(&old, &follow->ports, sizeof(old)) == 0)
		return;
	text = follow_ports_text(follow);
	log_info("%s: the kernel's own port ranges have changed; new sessions get ports %s", follow->settings->iface,
		 text ? text : "?");
	free(text);
}

/* Local routes and the source of the host's own packets change without a word. */
static void poll_routes(struct follow *follow)
{
	struct externals now;

	if (externals_read(follow->ask, follow->settings, &follow->addresses, &now) == 0 &&
	    (memcmp(&now, &follow->externals, sizeof(now)) != 0 || follow->num_unused))
		follow_addresses(follow);
}

void follow_poll(struct follow *follow)
{
	const struct link *link = &follow->addresses.link;

	poll_routes(follow);
	poll_return(follow);
	poll_ports(follow);
	release_pools(follow);
	if (!link->ifindex)
		return;
	if (follow->attached) {
		int count = attach_count(link->ifindex);

		if (count < 0 || count >= NUM_ATTACH_HOOK)
			return;
		log_warn("somebody removed %s of our programs from %s: attaching again", count ? "one" : "both",
			 follow->settings->iface);
	}
	attach_again(follow);
}

char *follow_ports_text(const struct follow *follow)
{
	return ranges_format(&follow->ports);
}

char *follow_external_text(const struct follow *follow, char *text)
{
	return externals_format(&follow->externals, text);
}
