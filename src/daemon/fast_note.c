/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Notes about interfaces. */
#include "fast_note.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "fast_firewall.h"
#include "log.h"

#define MAP "fast_notes"

int fast_notes_open(const struct instance *instance, struct fast_notes *ret_notes)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	char path[PIN_PATH];
	int err = 0, fd = bpf_obj_get(instance_pin(instance, MAP, path));

	if (fd >= 0 && (bpf_obj_get_info_by_fd(fd, &info, &len) || info.value_size != sizeof(struct fast_note))) {
		close(fd); /* another version's */
		unlink(path);
		fd = -1;
	}
	if (fd < 0) {
		fd = bpf_map_create(BPF_MAP_TYPE_HASH, MAP, sizeof(__u32), sizeof(struct fast_note), MAX_FAST_NOTE,
				    &opts);
		err = fd < 0 ? -errno : bpf_obj_pin(fd, path);
	}
	if (err && fd >= 0)
		close(fd);
	*ret_notes = (struct fast_notes){ .fd = err ? -1 : fd };
	return err;
}

void fast_notes_close(struct fast_notes *notes)
{
	if (notes->fd > 0)
		close(notes->fd);
	free(notes->note);
	*notes = (struct fast_notes){};
}

static void take(const struct fast_iface *iface, __u32 external, struct fast_note *note)
{
	memcpy(note->iface, iface->name, sizeof(note->iface));
	memcpy(note->why, iface->why, sizeof(note->why));
	note->runs = iface->takes_part;
	if (iface->ifindex)
		note->role = iface->ifindex == external ? FAST_EXTERNAL : FAST_INTERNAL;
}

static const struct fast_note *find(const struct fast_notes *notes, const char *name)
{
	for (__u32 i = 0; i < notes->num; i++)
		if (strcmp(notes->note[i].iface, name) == 0)
			return &notes->note[i];
	return NULL;
}

/* Once, though everything is looked at again and again. */
static bool is_news(const struct fast_notes *notes, const struct fast_iface *iface)
{
	const struct fast_note *before = find(notes, iface->name);

	return iface->worth_saying && iface->why[0] && !(before && strcmp(before->why, iface->why) == 0);
}

/* One line for all that stay for one reason, at the first of them. */
static void say(const struct fast_notes *notes, const struct instance *instance, const struct fast_ifaces *ifaces,
		size_t at)
{
	const struct fast_iface *iface = &ifaces->at[at];
	char names[200] = "";
	size_t len = 0, num = 0;

	for (size_t i = 0; i < ifaces->num && len < sizeof(names); i++) {
		const struct fast_iface *other = &ifaces->at[i];

		if (!is_news(notes, other) || strcmp(other->why, iface->why) != 0)
			continue;
		if (i < at)
			return;
		len += snprintf(names + len, sizeof(names) - len, "%s%s", num++ ? ", " : "", other->name);
	}
	log_warn("%s: fast path: %s %s on tc: %s", instance->iface, names, num == 1 ? "stays" : "stay", iface->why);
}

static bool is_same(const struct fast_notes *notes, const struct fast_note *note, __u32 num)
{
	return notes->note && notes->num == num && memcmp(notes->note, note, num * sizeof(*note)) == 0;
}

static bool takes_part(const struct fast_ifaces *ifaces)
{
	for (size_t i = 0; i < ifaces->num; i++)
		if (ifaces->at[i].takes_part)
			return true;
	return false;
}

/* Rules with ct state, if there are any, lose sight of what takes the fast path, because a list wants it so. A machine that has
 * just started tracks nothing yet, so it is asked again until it does.
 */
static void warn_of_tracking(struct fast_notes *notes, const struct instance *instance,
			     const struct fast_ifaces *ifaces)
{
	char firewall[FIREWALL_TEXT];
	FILE *file = NULL;
	unsigned int num = 0;

	if (!takes_part(ifaces)) {
		notes->warned_of_tracking = false;
		return;
	}
	if (!notes->warned_of_tracking)
		file = fopen("/proc/sys/net/netfilter/nf_conntrack_count", "re");
	if (!file)
		return;
	if (fscanf(file, "%u", &num) == 1 && num && !fast_firewall_find(ifaces, firewall) && *firewall) {
		log_warn(
			"%s: fast path: connection tracking is in use here (%u connections) and does not see packets "
			"of the fast path: a firewall that goes by ct state (there are rules: %s) may drop what goes "
			"up later, ICMP errors "
			"too; bauta(8), FAST PATH, has a rule that lets them in, and --fast-path off would show it all",
			instance->iface, num, firewall);
		notes->warned_of_tracking = true;
	}
	fclose(file);
}

void fast_notes_write(struct fast_notes *notes, const struct instance *instance, const struct fast_ifaces *ifaces,
		      __u32 external)
{
	struct fast_note *note = calloc(ifaces->num + 1, sizeof(*note));
	__u32 num = 0;

	warn_of_tracking(notes, instance, ifaces);
	if (!note)
		return;
	for (size_t i = 0; i < ifaces->num; i++) {
		const struct fast_iface *iface = &ifaces->at[i];

		if (is_news(notes, iface))
			say(notes, instance, ifaces, i);
		if ((!iface->loopback || iface->worth_saying) && num < MAX_FAST_NOTE)
			take(iface, external, &note[num++]);
	}
	if (is_same(notes, note, num)) {
		free(note);
		return;
	}
	for (__u32 i = 0; i < num; i++)
		bpf_map_update_elem(notes->fd, &i, &note[i], BPF_ANY);
	for (__u32 i = num; bpf_map_delete_elem(notes->fd, &i) == 0; i++)
		;
	free(notes->note);
	notes->note = note;
	notes->num = num;
}

/* Before Linux 6.3 only their frames show whether drivers take them. */
static void say_who_is_believed(const struct instance *instance, const struct fast_ifaces *ifaces)
{
	for (size_t i = 0; i < ifaces->num; i++) {
		const struct fast_iface *iface = &ifaces->at[i];

		if (!iface->runs || iface->knows_features)
			continue;
		log_info("%s: fast path: this kernel does not tell whether %s takes redirected frames; it is believed "
			 "to, "
			 "because it is listed: show fast-path counts under \"lost\" what it does not take",
			 instance->iface, iface->name);
	}
}

/* Of a veth it is its peer that decides, in whatever namespace. */
static void say_who_hides_tags(const struct instance *instance, const struct fast_ifaces *ifaces)
{
	for (size_t i = 0; i < ifaces->num; i++) {
		const struct fast_iface *iface = &ifaces->at[i];

		if (!iface->runs || iface->tags != TAGS_HIDDEN || strcmp(iface->kind, "veth") == 0)
			continue;
		log_info("%s: fast path: %s takes VLAN tags off before xdp sees them and lets frames of any VLAN in; "
			 "those that look as if they were for this machine are taken for untagged ones; `ethtool -K %s "
			 "rxvlan off rx-vlan-stag-hw-parse off` would keep them apart",
			 instance->iface, iface->name, iface->name);
	}
}

void fast_notes_tell(const struct instance *instance, const struct fast_ifaces *ifaces, bool first)
{
	char names[200] = "";
	size_t len = 0;

	for (size_t i = 0; i < ifaces->num && len < sizeof(names); i++)
		if (ifaces->at[i].takes_part)
			len += snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "", ifaces->at[i].name);
	if (len) {
		log_info("%s: fast path: %s run xdp", instance->iface, names);
		say_who_is_believed(instance, ifaces);
		say_who_hides_tags(instance, ifaces);
	} else if (!first) {
		log_info("%s: fast path: no interface runs xdp any more", instance->iface);
	}
}
