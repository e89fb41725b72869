/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in the way of a gateway: findings from facts about the machine. Nothing here asks the kernel for anything. */
#include "check.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

#define MAX_NAMED 4 /* processes in a sentence */

struct findings {
	json_t *problems;
	json_t *notes;
};

enum severity {
	PROBLEM,
	NOTE,
};

/* ---- words ----------------------------------------------------------------------------------------------------- */

static json_t *__attribute__((format(printf, 1, 2))) words(const char *format, ...)
{
	va_list args;
	json_t *text;

	va_start(args, format);
	text = json_vsprintf(format, args);
	va_end(args);
	return text;
}

/* For a %s; ranges_text() of an empty set is "". The caller frees it. */
static char *ranges_text(const struct ranges *ranges)
{
	char *text = ranges_format(ranges);

	return text ? text : strdup("?");
}

/* "port 50000", "ports 50000-50009" */
static json_t *ports_words(const struct ranges *ranges)
{
	char *text = ranges_text(ranges);
	json_t *result = words("port%s %s", ranges_count(ranges) == 1 ? "" : "s", text);

	free(text);
	return result;
}

static json_t *ranges_json(const struct ranges *ranges)
{
	char *text = ranges_text(ranges);
	json_t *result = json_string(text);

	free(text);
	return result;
}

/* A sysctl of an interface, as sysctl(8) takes it: with slashes where the name of the interface has dots. */
static json_t *iface_sysctl(const char *iface, const char *name)
{
	if (strchr(iface, '.'))
		return words("net/ipv4/conf/%s/%s", iface, name);
	return words("net.ipv4.conf.%s.%s", iface, name);
}

/* Takes what and mend over. Returns the finding, for what else belongs to it. */
static json_t *add(struct findings *findings, enum severity severity, const char *name, json_t *what, const char *why,
		   json_t *mend)
{
	json_t *finding = json_pack("{s:s, s:s, s:o, s:s, s:o}", "finding", name, "severity",
				    severity == PROBLEM ? "problem" : "note", "what", what, "why", why, "mend", mend);

	json_array_append_new(severity == PROBLEM ? findings->problems : findings->notes, finding);
	return finding;
}

static void put(json_t *finding, const char *key, json_t *value)
{
	json_object_set_new(finding, key, value);
}

/* ---- the interface --------------------------------------------------------------------------------------------- */

static void look_at_interface(const struct check_facts *facts, struct findings *findings)
{
	const char *iface = facts->iface;

	if (!facts->exists)
		put(add(findings, PROBLEM, "no-interface", words("there is no interface %s any more", iface),
			"nothing is translated until it is back", words("ip link show")),
		    "device", json_string(iface));
	else if (!facts->up)
		put(add(findings, PROBLEM, "interface-down", words("%s is down", iface), "nothing can leave by it",
			words("ip link set %s up", iface)),
		    "device", json_string(iface));
	if (facts->exists && !facts->has_address)
		put(add(findings, PROBLEM, "no-address", words("%s has no IPv4 address", iface),
			"there is no address to masquerade as: everything from inside is refused",
			words("ip address add ADDRESS/LENGTH dev %s", iface)),
		    "device", json_string(iface));
}

/* Takes sysctl and what over; device may be NULL. */
static void add_forwarding(struct findings *findings, const char *device, json_t *sysctl, json_t *what, const char *why)
{
	json_t *finding =
		add(findings, PROBLEM, "forwarding-off", what, why, words("sysctl -w %s=1", json_string_value(sysctl)));

	put(finding, "sysctl", sysctl);
	if (device)
		put(finding, "device", json_string(device));
}

static void look_at_forwarding(const struct check_facts *facts, struct findings *findings)
{
	const char *iface = facts->iface, *inside = facts->forwarding_inside;

	switch (facts->forwarding) {
	case FORWARDING_ON:
		break;
	case FORWARDING_OFF:
		add_forwarding(findings, NULL, words("net.ipv4.ip_forward"),
			       words("this machine does not forward packets"),
			       "what comes from inside never reaches the external interface");
		break;
	case FORWARDING_OFF_HERE:
		add_forwarding(findings, iface, iface_sysctl(iface, "forwarding"),
			       words("packets that come in by %s are not forwarded", iface),
			       "the answers to machines inside are dropped once they are translated");
		break;
	case FORWARDING_OFF_INSIDE:
		add_forwarding(
			findings, inside, iface_sysctl(inside, "forwarding"),
			words("packets are forwarded that come in by %s, but none of any other interface", iface),
			"what comes from inside never reaches the external interface");
		break;
	}
}

static void look_at_rp_filter(const struct check_facts *facts, struct findings *findings)
{
	static const char why[] = "the reverse-path filter drops the answers to machines inside, after they are "
				  "translated";
	const char *iface = facts->iface;
	json_t *sysctl, *finding, *mend;

	if (facts->rp_filter == RP_FILTER_PASSES)
		return;
	sysctl = iface_sysctl(iface, "rp_filter");
	if (facts->rp_filter == RP_FILTER_STRICT)
		mend = words("sysctl -w %s=2", json_string_value(sysctl));
	else
		mend = words("sysctl -w net.ipv4.conf.all.rp_filter=0 %s=0", json_string_value(sysctl));
	finding = add(findings, PROBLEM, "rp-filter",
		      words("packets from %s leave by %s, but the route back to their remotes does not",
			    facts->rp_filter_inside, iface),
		      why, mend);
	put(finding, "device", json_string(iface));
	put(finding, "inside", json_string(facts->rp_filter_inside));
	put(finding, "sysctl", sysctl);
}

static json_t *mend_nat(const struct other_nat *nat)
{
	if (strcmp(nat->by, "nftables") == 0)
		return words("nft delete rule %s %s %s handle %llu", nat->family, nat->table, nat->chain, nat->rule);
	return words("iptables-legacy -t %s -D %s %llu", nat->table, nat->chain, nat->rule);
}

static void look_at_nat(const struct check_facts *facts, const struct other_nat *nat, struct findings *findings)
{
	bool nft = strcmp(nat->by, "nftables") == 0;
	json_t *finding = add(
		findings, nat->limited ? NOTE : PROBLEM, "other-nat",
		words("%s translates %s leaves by %s too: table %s%s%s, chain %s, rule %s%llu", nat->by,
		      nat->limited ? "some of what" : "what", facts->iface, nft ? nat->family : "", nft ? " " : "",
		      nat->table, nat->chain, nft ? "with handle " : "", nat->rule),
		"both would translate: packets come to the interface with a source that is not theirs any more, and "
		"those with an address of this machine are dropped there (reason martian)",
		mend_nat(nat));

	put(finding, "by", json_string(nat->by));
	put(finding, "family", json_string(nat->family));
	put(finding, "table", json_string(nat->table));
	put(finding, "chain", json_string(nat->chain));
	put(finding, nft ? "handle" : "rule", json_integer(nat->rule));
	put(finding, "limited", json_boolean(nat->limited));
}

/* ---- the ports ------------------------------------------------------------------------------------------------- */

static bool is_default(const struct check_facts *facts)
{
	return memcmp(&facts->ports, &facts->default_ports, sizeof(facts->ports)) == 0;
}

/* The command that leaves these ports out. The default range leaves out what is reserved, and follows it. */
static json_t *mend_without(const struct check_facts *facts, const struct ranges *ports)
{
	struct ranges rest = facts->ports;
	struct port_slice slice[MAX_SLICES];
	unsigned int port = 0;
	__u16 first, last;
	json_t *mend;
	char *text;
	__u32 num;

	if (is_default(facts) && ranges_count(ports) < ranges_count(&rest)) {
		rest = facts->ephemeral.reserved;
		while (ranges_next(ports, &port, &first, &last))
			ranges_add(&rest, first, last);
		text = ranges_text(&rest);
		mend = words("sysctl -w net.ipv4.ip_local_reserved_ports=%s", text);
		free(text);
		return mend;
	}
	ranges_subtract(&rest, ports);
	if (!ranges_count(&rest) || ranges_to_slices(&rest, slice, &num))
		rest = facts->default_ports;
	text = ranges_text(&rest);
	mend = *text ? words("bauta run -e %s -p %s", facts->iface, text)
		     : words("bauta run -e %s -p RANGES", facts->iface);
	free(text);
	return mend;
}

static void look_at_ephemeral(const struct check_facts *facts, struct findings *findings)
{
	struct ranges common;
	json_t *finding, *what;
	char *ports;

	if (!ranges_count(&facts->ports)) {
		finding =
			add(findings, PROBLEM, "no-ports",
			    words("the kernel keeps all ports from 1024 to 65535 for programs (ip_local_port_range %u "
				  "%u)",
				  facts->ephemeral.first, facts->ephemeral.last),
			    "no port is left for the gateway, which does not start without -p",
			    words("sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\""));
		put(finding, "ephemeral", words("%u-%u", facts->ephemeral.first, facts->ephemeral.last));
		return;
	}
	ephemeral_pool(&facts->ephemeral, &common);
	ranges_intersect(&common, &facts->ports);
	if (!ranges_count(&common))
		return;
	what = ports_words(&common);
	ports = ranges_text(&facts->ports);
	finding = add(
		findings, NOTE, "ephemeral-overlap",
		words("the kernel gives %s to programs of this machine too (ip_local_port_range %u %u)",
		      json_string_value(what), facts->ephemeral.first, facts->ephemeral.last),
		"nothing is shared by mistake, but each side takes ports from the other, and a program's flow whose "
		"tuple is taken is moved to another port",
		words("bauta check -e %s -p %s --fix-ephemeral", facts->iface, ports));
	put(finding, "ports", ranges_json(&common));
	put(finding, "ephemeral", words("%u-%u", facts->ephemeral.first, facts->ephemeral.last));
	put(finding, "reserved", ranges_json(&facts->ephemeral.reserved));
	free(ports);
	json_decref(what);
}

static bool is_tunnel_port(const struct check_facts *facts, __u16 port)
{
	for (size_t i = 0; i < facts->num_tunnels; i++)
		if (facts->tunnel[i].port == port)
			return true;
	return false;
}

static void look_at_tunnel(const struct check_facts *facts, const struct tunnel *tunnel, struct findings *findings)
{
	struct ranges port = {};
	json_t *finding;

	if (!ranges_contain(&facts->ports, tunnel->port))
		return;
	ranges_add(&port, tunnel->port, tunnel->port);
	finding = add(findings, NOTE, "tunnel",
		      words("%s device %s receives on udp port %u%s", tunnel->kind, tunnel->device, tunnel->port,
			    tunnel->up ? "" : " when it is up"),
		      "the gateway leaves the port alone while the device is up; but a session that has it from before "
		      "gets what that remote sends to the tunnel",
		      mend_without(facts, &port));
	put(finding, "proto", json_string("udp"));
	put(finding, "ports", ranges_json(&port));
	put(finding, "device", json_string(tunnel->device));
	put(finding, "kind", json_string(tunnel->kind));
	put(finding, "up", json_boolean(tunnel->up));
}

/* "nc (pid 12)", "nginx (pids 12, 13, 14, 15 and 3 more)", "nc (pid 12), socat (pid 13)" */
static json_t *processes_words(const struct holder *holder)
{
	char text[256] = "";
	size_t len = 0, i = 0;

	if (!holder->num)
		return words("the kernel (no process that can be seen from here has it open)");
	while (i < holder->num && i < MAX_NAMED) {
		const char *comm = holder->process[i].comm;
		bool more = i + 1 < holder->num && i + 1 < MAX_NAMED && strcmp(comm, holder->process[i + 1].comm) == 0;

		len += snprintf(text + len, sizeof(text) - len, "%s%s (pid%s %d", i ? ", " : "", comm, more ? "s" : "",
				holder->process[i].pid);
		for (i++; i < holder->num && i < MAX_NAMED && strcmp(comm, holder->process[i].comm) == 0; i++)
			len += snprintf(text + len, sizeof(text) - len, ", %d", holder->process[i].pid);
		len += snprintf(text + len, sizeof(text) - len, ")");
	}
	if (i < holder->num)
		snprintf(text + len, sizeof(text) - len, " and %zu more", holder->num - i);
	return words("%s", text);
}

static void put_processes(json_t *finding, const struct holder *holder)
{
	json_t *processes = json_array();

	for (size_t i = 0; i < holder->num; i++)
		json_array_append_new(processes, json_pack("{s:s, s:i}", "process", holder->process[i].comm, "pid",
							   (int)holder->process[i].pid));
	put(finding, "process", holder->num ? json_string(holder->process[0].comm) : json_null());
	put(finding, "pid", holder->num ? json_integer(holder->process[0].pid) : json_null());
	put(finding, "processes", processes);
}

static void look_at_holder(const struct check_facts *facts, const struct holder *holder, struct findings *findings)
{
	const struct host_socket socket = { .proto = holder->proto, .state = holder->state };
	const char *state = socket_state_name(&socket);
	struct ranges ports = holder->ports;
	json_t *finding, *what, *who;
	unsigned int port = 0;
	__u16 first, last;

	/* the kernel's sockets of tunnel devices are told as such */
	if (!holder->num && holder->proto == IPPROTO_UDP) {
		struct ranges tunnels = {};

		while (ranges_next(&holder->ports, &port, &first, &last))
			for (unsigned int i = first; i <= last; i++)
				if (is_tunnel_port(facts, i))
					ranges_add(&tunnels, i, i);
		ranges_subtract(&ports, &tunnels);
	}
	if (!ranges_count(&ports))
		return;
	what = ports_words(&ports);
	who = processes_words(holder);
	finding = add(findings, NOTE, "socket",
		      words("%s %s: %s by %s", proto_name(holder->proto), json_string_value(what),
			    holder->proto == IPPROTO_TCP && holder->state == 10 ? "listened on" : "bound",
			    json_string_value(who)),
		      "the gateway gives nobody a port on which a socket would receive the packets, so it has so many "
		      "fewer",
		      mend_without(facts, &ports));
	put(finding, "proto", json_string(proto_name(holder->proto)));
	put(finding, "ports", ranges_json(&ports));
	put(finding, "state", json_string(state));
	put_processes(finding, holder);
	json_decref(what);
	json_decref(who);
}

/* All ports of the ranges are held: this protocol is not translated at all. */
static void look_at_rest(const struct check_facts *facts, __u8 proto, struct findings *findings)
{
	struct ranges rest = facts->ports;
	json_t *finding, *what;

	if (!ranges_count(&rest))
		return;
	for (size_t i = 0; i < facts->holders.num; i++)
		if (facts->holders.holder[i].proto == proto)
			ranges_subtract(&rest, &facts->holders.holder[i].ports);
	if (ranges_count(&rest))
		return;
	what = ports_words(&facts->ports);
	finding = add(findings, PROBLEM, "no-port-left",
		      words("sockets of this machine sit on every %s port of the ranges (%s)", proto_name(proto),
			    json_string_value(what)),
		      "every new flow from inside is refused (reason no-port)", mend_without(facts, &facts->ports));
	put(finding, "proto", json_string(proto_name(proto)));
	put(finding, "ports", ranges_json(&facts->ports));
	json_decref(what);
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

json_t *check_findings(const struct check_facts *facts)
{
	struct findings findings = { .problems = json_array(), .notes = json_array() };

	look_at_interface(facts, &findings);
	look_at_forwarding(facts, &findings);
	look_at_rp_filter(facts, &findings);
	for (size_t i = 0; i < facts->num_nats; i++)
		look_at_nat(facts, &facts->nat[i], &findings);
	look_at_ephemeral(facts, &findings);
	look_at_rest(facts, IPPROTO_TCP, &findings);
	look_at_rest(facts, IPPROTO_UDP, &findings);
	for (size_t i = 0; i < facts->num_tunnels; i++)
		look_at_tunnel(facts, &facts->tunnel[i], &findings);
	for (size_t i = 0; i < facts->holders.num; i++)
		look_at_holder(facts, &facts->holders.holder[i], &findings);
	for (size_t i = 0; i < facts->num_unseen; i++)
		add(&findings, NOTE, "not-checked", words("%s", facts->unseen[i].text),
		    "what is there may be in the way all the same",
		    words("bauta check -e %s, as root with CAP_NET_ADMIN", facts->iface));
	json_array_extend(findings.problems, findings.notes);
	json_decref(findings.notes);
	return findings.problems;
}

/* ---- the facts -------------------------------------------------------------------------------------------------- */

int check_facts_add_nat(struct check_facts *facts, const struct other_nat *nat)
{
	struct other_nat *more;

	/* a chain may be reached by several ways; the widest counts */
	for (size_t i = 0; i < facts->num_nats; i++) {
		struct other_nat *known = &facts->nat[i];

		if (known->rule == nat->rule && strcmp(known->by, nat->by) == 0 &&
		    strcmp(known->family, nat->family) == 0 && strcmp(known->table, nat->table) == 0 &&
		    strcmp(known->chain, nat->chain) == 0) {
			known->limited = known->limited && nat->limited;
			return 0;
		}
	}
	more = reallocarray(facts->nat, facts->num_nats + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	facts->nat = more;
	more[facts->num_nats++] = *nat;
	return 0;
}

int check_facts_add_tunnel(struct check_facts *facts, const struct tunnel *tunnel)
{
	struct tunnel *more = reallocarray(facts->tunnel, facts->num_tunnels + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	facts->tunnel = more;
	more[facts->num_tunnels++] = *tunnel;
	return 0;
}

void check_facts_add_unseen(struct check_facts *facts, const struct fault *fault)
{
	if (facts->num_unseen < MAX_UNSEEN)
		facts->unseen[facts->num_unseen++] = *fault;
}

void check_facts_free(struct check_facts *facts)
{
	holders_free(&facts->holders);
	free(facts->tunnel);
	free(facts->nat);
	facts->tunnel = NULL;
	facts->nat = NULL;
	facts->num_tunnels = facts->num_nats = 0;
}
