/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of nftables (iptables-nft among them) that translate the source of what leaves by an interface.
 *
 * The kernel is asked, not the program nft, which may be missing. Of each rule only this is understood: what it says about
 * the interface that packets leave by; whether there are other conditions; what becomes of a packet that meets them.
 * Beginning with the base chains of type nat at the postrouting hook, chains are followed as packets would be, as far as
 * that depends on the interface.
 */
#include "precheck_nft.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "netlink.h"

#define MAX_REGISTER 32
#define MAX_LOOKUP 2
#define MAX_DEPTH 16 /* as many chains can call each other (NFT_JUMP_STACK_SIZE) */
#define MAX_TRIES 8  /* a dump that changes happened under is taken again */

/* What a register was loaded with, as far as it matters. */
enum loaded {
	LOADED_OTHER,
	LOADED_NFPROTO,
	LOADED_OIF,
	LOADED_OIFNAME,
};

/* How a rule was come by so far. */
enum walked {
	WALKED_LIMITED = 1, /* by packets that met conditions */
	WALKED_BY_ALL = 2,
};

/* A look-up in a set or map. */
struct lookup {
	char set[NFT_NAME_MAXLEN];
	enum loaded key;
	bool inverted;
	bool verdicts; /* a map to verdicts: chains to go to */
};

struct rule {
	__u8 family;
	char table[NFT_NAME_MAXLEN];
	char chain[NFT_NAME_MAXLEN];
	__u64 handle;
	bool excluded; /* it is not for packets that leave by this interface */
	bool limited;  /* it has conditions of other kinds */
	bool translates;
	bool ends; /* accept, drop or return: what follows in the chain is not reached; nor is it behind a translation */
	char jump[NFT_NAME_MAXLEN];
	bool goes;   /* the jump does not come back */
	__u8 walked; /* enum walked */
	unsigned int num_lookups;
	struct lookup lookup[MAX_LOOKUP];
};

struct chain {
	__u8 family;
	char table[NFT_NAME_MAXLEN];
	char name[NFT_NAME_MAXLEN];
};

struct place {
	struct rule *rule;
};

struct ruleset {
	const char *iface;
	unsigned int ifindex;
	struct mnl_socket *socket;
	size_t num_rules;
	struct rule *rule;
	struct place *by_chain; /* the rules of each chain side by side, in their order */
	size_t num_bases;
	struct chain *base;
};

/* ---- attributes ------------------------------------------------------------------------------------------------ */

static void copy_name(char name[NFT_NAME_MAXLEN], const struct nlattr *attr)
{
	snprintf(name, NFT_NAME_MAXLEN, "%.*s", (int)mnl_attr_get_payload_len(attr), mnl_attr_get_str(attr));
}

/* The attribute of this type inside of another, or NULL. */
static const struct nlattr *find_inside(const struct nlattr *nest, __u16 type)
{
	const struct nlattr *attr;

	if (!nest)
		return NULL;
	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

static __u32 read_u32(const struct nlattr *nest, __u16 type, __u32 otherwise)
{
	const struct nlattr *attr = find_inside(nest, type);

	return attr && mnl_attr_get_payload_len(attr) == sizeof(__u32) ? ntohl(mnl_attr_get_u32(attr)) : otherwise;
}

static bool is_name(const struct nlattr *attr, const char *name)
{
	return attr && strncmp(mnl_attr_get_str(attr), name, mnl_attr_get_payload_len(attr)) == 0;
}

/* ---- expressions ----------------------------------------------------------------------------------------------- */

/* A rule while its expressions are read, in order. */
struct reading {
	const struct ruleset *set;
	struct rule *rule;
	enum loaded loaded[MAX_REGISTER];
};

static enum loaded *reg(struct reading *reading, __u32 number)
{
	return &reading->loaded[number < MAX_REGISTER ? number : 0];
}

static void read_meta(struct reading *reading, const struct nlattr *data)
{
	__u32 to = read_u32(data, NFTA_META_DREG, MAX_REGISTER);
	enum loaded loaded = LOADED_OTHER;

	if (to == MAX_REGISTER)
		return; /* it sets something */
	switch (read_u32(data, NFTA_META_KEY, ~0u)) {
	case NFT_META_OIF:
		loaded = LOADED_OIF;
		break;
	case NFT_META_OIFNAME:
		loaded = LOADED_OIFNAME;
		break;
	case NFT_META_NFPROTO:
		loaded = LOADED_NFPROTO;
		break;
	default:
		break;
	}
	*reg(reading, to) = loaded;
}

/* Whether a value (maybe the beginning of one: eth*) is that of our interface, or of IPv4. */
static bool is_ours(const struct ruleset *set, enum loaded loaded, const void *value, size_t len)
{
	char name[IF_NAMESIZE] = "";
	__u8 ipv4 = NFPROTO_IPV4;

	switch (loaded) {
	case LOADED_OIF:
		return len == sizeof(set->ifindex) && memcmp(value, &set->ifindex, len) == 0;
	case LOADED_OIFNAME:
		snprintf(name, sizeof(name), "%s", set->iface);
		return len <= sizeof(name) && memcmp(value, name, len) == 0;
	case LOADED_NFPROTO:
		return len == sizeof(ipv4) && memcmp(value, &ipv4, len) == 0;
	case LOADED_OTHER:
		break;
	}
	return true;
}

static void read_cmp(struct reading *reading, const struct nlattr *data)
{
	const struct nlattr *value = find_inside(find_inside(data, NFTA_CMP_DATA), NFTA_DATA_VALUE);
	enum loaded loaded = *reg(reading, read_u32(data, NFTA_CMP_SREG, 0));
	__u32 op = read_u32(data, NFTA_CMP_OP, ~0u);
	bool ours;

	if (loaded == LOADED_OTHER || !value || (op != NFT_CMP_EQ && op != NFT_CMP_NEQ)) {
		reading->rule->limited = true;
		return;
	}
	ours = is_ours(reading->set, loaded, mnl_attr_get_payload(value), mnl_attr_get_payload_len(value));
	if (ours != (op == NFT_CMP_EQ))
		reading->rule->excluded = true;
}

static void read_lookup(struct reading *reading, const struct nlattr *data)
{
	const struct nlattr *name = find_inside(data, NFTA_LOOKUP_SET);
	struct rule *rule = reading->rule;
	struct lookup *lookup = &rule->lookup[rule->num_lookups];

	if (!name || rule->num_lookups == MAX_LOOKUP) {
		rule->limited = true;
		return;
	}
	copy_name(lookup->set, name);
	lookup->key = *reg(reading, read_u32(data, NFTA_LOOKUP_SREG, 0));
	lookup->inverted = read_u32(data, NFTA_LOOKUP_FLAGS, 0) & NFT_LOOKUP_F_INV;
	lookup->verdicts = read_u32(data, NFTA_LOOKUP_DREG, ~0u) == NFT_REG_VERDICT;
	rule->num_lookups++;
}

static void read_immediate(struct reading *reading, const struct nlattr *data)
{
	const struct nlattr *verdict = find_inside(find_inside(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
	const struct nlattr *chain = find_inside(verdict, NFTA_VERDICT_CHAIN);
	struct rule *rule = reading->rule;

	if (!verdict)
		return;
	switch ((int)read_u32(verdict, NFTA_VERDICT_CODE, NFT_CONTINUE)) {
	case NFT_JUMP:
	case NFT_GOTO:
		rule->goes = (int)read_u32(verdict, NFTA_VERDICT_CODE, 0) == NFT_GOTO;
		if (chain)
			copy_name(rule->jump, chain);
		break;
	case NFT_CONTINUE:
	case NFT_BREAK:
		break;
	default:
		rule->ends = true;
		break;
	}
}

/* Extensions of iptables. */
static void read_match(struct reading *reading, const struct nlattr *data)
{
	if (!is_name(find_inside(data, NFTA_MATCH_NAME), "comment"))
		reading->rule->limited = true;
}

static void read_target(struct reading *reading, const struct nlattr *data)
{
	const struct nlattr *name = find_inside(data, NFTA_TARGET_NAME);

	if (is_name(name, "MASQUERADE") || is_name(name, "SNAT") || is_name(name, "NETMAP"))
		reading->rule->translates = true;
}

static void read_expression(struct reading *reading, const struct nlattr *expression)
{
	const struct nlattr *name = find_inside(expression, NFTA_EXPR_NAME);
	const struct nlattr *data = find_inside(expression, NFTA_EXPR_DATA);
	/* those that set or count something, and stop no packet */
	static const char *const harmless[] = {
		"counter", "log", "notrack", "payload", "ct", "immediate", "hash", "rt"
	};

	if (!name)
		return;
	if (is_name(name, "masq")) {
		reading->rule->translates = true;
	} else if (is_name(name, "nat")) {
		reading->rule->translates |= read_u32(data, NFTA_NAT_TYPE, ~0u) == NFT_NAT_SNAT;
	} else if (is_name(name, "target")) {
		read_target(reading, data);
	} else if (is_name(name, "match")) {
		read_match(reading, data);
	} else if (is_name(name, "meta")) {
		read_meta(reading, data);
	} else if (is_name(name, "cmp")) {
		read_cmp(reading, data);
	} else if (is_name(name, "lookup")) {
		read_lookup(reading, data);
	} else {
		bool known = false;

		if (is_name(name, "immediate"))
			read_immediate(reading, data);
		for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
			known = known || is_name(name, harmless[i]);
		if (known) /* what it may load is nothing that we know */
			*reg(reading, read_u32(data, NFTA_PAYLOAD_DREG, 0)) = LOADED_OTHER;
		else
			reading->rule->limited = true;
	}
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static int take_rule(const struct nlmsghdr *message, void *context)
{
	const struct nfgenmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr, *expression, *expressions = NULL;
	struct ruleset *set = context;
	struct rule rule = { .family = info->nfgen_family };
	struct reading reading = { .set = set, .rule = &rule };
	struct rule *more;

	if (rule.family != NFPROTO_IPV4 && rule.family != NFPROTO_INET)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_RULE_TABLE:
			copy_name(rule.table, attr);
			break;
		case NFTA_RULE_CHAIN:
			copy_name(rule.chain, attr);
			break;
		case NFTA_RULE_HANDLE:
			rule.handle = be64toh(mnl_attr_get_u64(attr));
			break;
		case NFTA_RULE_EXPRESSIONS:
			expressions = attr;
			break;
		default:
			break;
		}
	}
	if (expressions)
		mnl_attr_for_each_nested(expression, expressions) read_expression(&reading, expression);
	if (set->num_rules % 64 == 0) {
		more = reallocarray(set->rule, set->num_rules + 64, sizeof(*more));
		if (!more) {
			errno = ENOMEM;
			return MNL_CB_ERROR;
		}
		set->rule = more;
	}
	set->rule[set->num_rules++] = rule;
	return MNL_CB_OK;
}

static int take_chain(const struct nlmsghdr *message, void *context)
{
	const struct nfgenmsg *info = mnl_nlmsg_get_payload(message);
	struct chain chain = { .family = info->nfgen_family };
	const struct nlattr *attr, *hook = NULL;
	struct ruleset *set = context;
	bool is_nat = false;
	struct chain *more;

	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_CHAIN_TABLE:
			copy_name(chain.table, attr);
			break;
		case NFTA_CHAIN_NAME:
			copy_name(chain.name, attr);
			break;
		case NFTA_CHAIN_TYPE:
			is_nat = is_name(attr, "nat");
			break;
		case NFTA_CHAIN_HOOK:
			hook = attr;
			break;
		default:
			break;
		}
	}
	if (chain.family != NFPROTO_IPV4 && chain.family != NFPROTO_INET)
		return MNL_CB_OK;
	if (!is_nat || read_u32(hook, NFTA_HOOK_HOOKNUM, ~0u) != NF_INET_POST_ROUTING)
		return MNL_CB_OK;
	more = reallocarray(set->base, set->num_bases + 1, sizeof(*more));
	if (!more) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	set->base = more;
	more[set->num_bases++] = chain;
	return MNL_CB_OK;
}

static struct nlmsghdr *put_request(char *buffer, __u16 type, __u8 family)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *info;

	request->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | type;
	request->nlmsg_flags = NLM_F_DUMP;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->nfgen_family = family;
	info->version = NFNETLINK_V0;
	return request;
}

/* Where the kernel has no nftables, there are no base chains, and nothing more is asked. */
static int read_ruleset(struct ruleset *set)
{
	char buffer[256];
	int err = -EINTR;

	for (int i = 0; i < MAX_TRIES && err == -EINTR; i++) {
		set->num_rules = set->num_bases = 0;
		err = netlink_ask(set->socket, put_request(buffer, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC), take_chain, set);
		if ((err == -EINVAL || err == -EOPNOTSUPP || err == -ENOENT) && !set->num_bases)
			return 0;
		if (!err && set->num_bases)
			err = netlink_ask(set->socket, put_request(buffer, NFT_MSG_GETRULE, NFPROTO_UNSPEC), take_rule,
					  set);
	}
	return err;
}

static int compare_chains(const struct rule *rule, __u8 family, const char *table, const char *chain)
{
	int order = rule->family - family;

	if (!order)
		order = strcmp(rule->table, table);
	return order ? order : strcmp(rule->chain, chain);
}

static int compare_rules(const void *one, const void *other)
{
	const struct rule *a = ((const struct place *)one)->rule, *b = ((const struct place *)other)->rule;
	int order = compare_chains(a, b->family, b->table, b->chain);

	return order ? order : (a > b) - (a < b);
}

static int sort_rules(struct ruleset *set)
{
	set->by_chain = calloc(set->num_rules + 1, sizeof(*set->by_chain));
	if (!set->by_chain)
		return -ENOMEM;
	for (size_t i = 0; i < set->num_rules; i++)
		set->by_chain[i].rule = &set->rule[i];
	qsort(set->by_chain, set->num_rules, sizeof(*set->by_chain), compare_rules);
	return 0;
}

/* ---- following chains ------------------------------------------------------------------------------------------ */

struct walk {
	struct ruleset *set;
	struct check_facts *facts;
	int err;
};

static void walk_chain(struct walk *walk, const struct chain *chain, bool limited, int depth);

/* The elements of a set as they come. */
struct elements {
	const struct ruleset *set;
	const struct lookup *lookup;
	bool found; /* our interface is one of the keys */
	size_t num_chains;
	char (*chain)[NFT_NAME_MAXLEN]; /* where those elements lead that may be met */
};

static int take_element(struct elements *elements, const struct nlattr *element)
{
	const struct nlattr *key = find_inside(find_inside(element, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
	const struct nlattr *verdict = find_inside(find_inside(element, NFTA_SET_ELEM_DATA), NFTA_DATA_VERDICT);
	const struct nlattr *chain = find_inside(verdict, NFTA_VERDICT_CHAIN);
	char(*more)[NFT_NAME_MAXLEN];

	if (elements->lookup->key != LOADED_OTHER && key &&
	    !is_ours(elements->set, elements->lookup->key, mnl_attr_get_payload(key), mnl_attr_get_payload_len(key)))
		return MNL_CB_OK;
	elements->found = true;
	if (!chain)
		return MNL_CB_OK;
	more = reallocarray(elements->chain, elements->num_chains + 1, sizeof(*more));
	if (!more) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	elements->chain = more;
	copy_name(more[elements->num_chains++], chain);
	return MNL_CB_OK;
}

static int take_elements(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr, *element;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(element, attr)
		{
			if (take_element(context, element) != MNL_CB_OK)
				return MNL_CB_ERROR;
		}
	}
	return MNL_CB_OK;
}

static int read_elements(const struct rule *rule, struct elements *elements)
{
	char buffer[1024];
	struct nlmsghdr *request = put_request(buffer, NFT_MSG_GETSETELEM, rule->family);

	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, rule->table);
	mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, elements->lookup->set);
	return netlink_ask(elements->set->socket, request, take_elements, elements);
}

/* Follows a rule's look-up: false if packets of our interface do not pass it. */
static bool pass_lookup(struct walk *walk, const struct rule *rule, const struct lookup *lookup, bool *limited,
			int depth)
{
	struct elements elements = { .set = walk->set, .lookup = lookup };
	bool passes = true;

	if (lookup->key == LOADED_OTHER)
		*limited = true;
	if (lookup->key == LOADED_OTHER && !lookup->verdicts)
		return true;
	/* a set that is gone meanwhile, or of a kind that we do not know, is one that may be met */
	if (read_elements(rule, &elements))
		*limited = true;
	else if (lookup->key != LOADED_OTHER)
		passes = elements.found != lookup->inverted;
	for (size_t i = 0; i < elements.num_chains; i++) {
		struct chain chain = { .family = rule->family };

		memcpy(chain.table, rule->table, sizeof(chain.table));
		memcpy(chain.name, elements.chain[i], sizeof(chain.name));
		walk_chain(walk, &chain, *limited, depth + 1);
	}
	free(elements.chain);
	return passes;
}

static void add_rule(struct walk *walk, const struct rule *rule, bool limited)
{
	struct other_nat nat = { .by = "nftables", .rule = rule->handle, .limited = limited };

	snprintf(nat.family, sizeof(nat.family), "%s", rule->family == NFPROTO_IPV4 ? "ip" : "inet");
	snprintf(nat.table, sizeof(nat.table), "%s", rule->table);
	snprintf(nat.chain, sizeof(nat.chain), "%s", rule->chain);
	if (check_facts_add_nat(walk->facts, &nat))
		walk->err = -ENOMEM;
}

/* False if packets of our interface do not come behind this rule. */
static bool walk_rule(struct walk *walk, const struct rule *rule, bool limited, int depth)
{
	bool here = rule->limited;

	if (rule->excluded)
		return true;
	for (unsigned int i = 0; i < rule->num_lookups; i++)
		if (!pass_lookup(walk, rule, &rule->lookup[i], &here, depth))
			return true;
	if (rule->translates)
		add_rule(walk, rule, limited || here);
	if (*rule->jump) {
		struct chain chain = { .family = rule->family };

		memcpy(chain.table, rule->table, sizeof(chain.table));
		memcpy(chain.name, rule->jump, sizeof(chain.name));
		walk_chain(walk, &chain, limited || here, depth + 1);
	}
	return here || !(rule->ends || rule->goes || rule->translates);
}

/* Where the rules of a chain begin, or those of the next if it has none. */
static size_t find_rules(const struct ruleset *set, const struct chain *chain)
{
	size_t low = 0, high = set->num_rules;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_chains(set->by_chain[middle].rule, chain->family, chain->table, chain->name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* A chain that many rules lead to is walked once for each kind, lest they multiply. */
static void walk_chain(struct walk *walk, const struct chain *chain, bool limited, int depth)
{
	__u8 known = limited ? WALKED_LIMITED | WALKED_BY_ALL : WALKED_BY_ALL;

	if (depth > MAX_DEPTH)
		return;
	for (size_t i = find_rules(walk->set, chain); i < walk->set->num_rules; i++) {
		struct rule *rule = walk->set->by_chain[i].rule;

		if (compare_chains(rule, chain->family, chain->table, chain->name) != 0 || rule->walked & known)
			return;
		rule->walked |= limited ? WALKED_LIMITED : WALKED_BY_ALL;
		if (!walk_rule(walk, rule, limited, depth))
			return;
	}
}

int precheck_nft(const char *iface, unsigned int ifindex, struct check_facts *facts, struct fault *fault)
{
	struct ruleset set = { .iface = iface, .ifindex = ifindex };
	struct walk walk = { .set = &set, .facts = facts };
	int err = 0;

	set.socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!set.socket && (errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT))
		return 0;
	if (!set.socket || mnl_socket_bind(set.socket, 0, MNL_SOCKET_AUTOPID) < 0)
		err = -errno;
	if (!err)
		err = read_ruleset(&set);
	if (!err)
		err = sort_rules(&set);
	for (size_t i = 0; !err && i < set.num_bases; i++)
		walk_chain(&walk, &set.base[i], false, 0);
	if (set.socket)
		mnl_socket_close(set.socket);
	free(set.by_chain);
	free(set.rule);
	free(set.base);
	if (!err)
		err = walk.err;
	return err ? fault_set_errno(fault, -err,
				     "cannot read the rules of nftables: whether another NAT serves %s "
				     "is not known",
				     iface)
		   : 0;
}
