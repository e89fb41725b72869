/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings: every word that is accepted and what it sets, every one that is refused and what is said, contradictions, and
 * how values of different origin come together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "settings.h"
#include "settings_check.h"
#include "timer.h"
#include "words.h"

static const struct origin command_line;

static enum setting_id id_of(const char *name)
{
	enum setting_id id = setting_find(name);

	if (id == NUM_SETTING)
		fail_msg("there is no setting %s", name);
	return id;
}

/* Takes "NAME VALUE" or "NAME". */
static int take(struct settings *settings, const struct origin *from, const char *words, struct fault *fault)
{
	const char *blank = strchr(words, ' ');
	char name[40];

	snprintf(name, sizeof(name), "%.*s", (int)(blank ? (size_t)(blank - words) : strlen(words)), words);
	return settings_take(settings, id_of(name), from, blank ? blank + 1 : NULL, fault);
}

static void must_take(struct settings *settings, const char *words)
{
	struct fault fault;

	if (take(settings, &command_line, words, &fault))
		fail_msg("%s: %s", words, fault.text);
}

/* As a configuration would have it, of these words with ';' between. */
static struct config config_of(const char *words)
{
	struct settings settings;
	struct config config;
	struct fault fault;
	char all[400], *word, *rest = all;

	settings_init(&settings);
	snprintf(all, sizeof(all), "%s", words);
	while ((word = strsep(&rest, ";")))
		if (*word)
			must_take(&settings, word);
	if (settings_complete(&settings, &fault))
		fail_msg("%s: %s", words, fault.text);
	memset(&config, 0, sizeof(config));
	settings_to_config(&settings, &config);
	return config;
}

static void test_table(void **state)
{
	(void)state;
	for (enum setting_id id = 0; id < NUM_SETTING; id++) {
		const struct setting *setting = &setting_table[id];

		assert_non_null(setting->name);
		assert_non_null(setting->help);
		assert_non_null(setting->take);
		assert_true(setting->size > 0);
		assert_int_equal(setting_find(setting->name), id);
		assert_int_equal(setting->kind == SETTING_FLAG, setting->value == NULL);
		for (enum setting_id other = 0; other < id; other++)
			assert_true(!setting->letter || setting->letter != setting_table[other].letter);
	}
	assert_int_equal(setting_find("on_full"), NUM_SETTING);
	assert_int_equal(setting_find(""), NUM_SETTING);
}

/* RFC 4787 REQ-5c, REQ-8; RFC 5382 REQ-4, REQ-5; RFC 5508 REQ-2 */
static void test_defaults(void **state)
{
	static const __u32 timeout_s[] = { 300, 240, 7440, 240, 240, 60, 6, 30 };
	struct config config = config_of("");

	(void)state;
	assert_memory_equal(config.timeout_s, timeout_s, sizeof(timeout_s));
	assert_int_equal(config.mapping, MAPPING_ENDPOINT_INDEPENDENT);
	assert_int_equal(config.filtering_tcp, FILTERING_ADDRESS_DEPENDENT);
	assert_int_equal(config.filtering_udp, FILTERING_ADDRESS_DEPENDENT);
	assert_int_equal(config.mid_stream, MID_STREAM_ADOPT);
	assert_int_equal(config.unsolicited, UNSOLICITED_WAIT);
	assert_int_equal(config.expired, EXPIRED_SILENT);
	assert_int_equal(config.hairpin.mode, INTERFACES_AUTO);
	assert_int_equal(config.inbound_refresh, 0);
	assert_int_equal(config.mss, 0);
	assert_int_equal(config.mss_auto, 0);
	assert_int_equal(config.num_excluded, 0);
	assert_int_equal(config.num_port_timeouts, 0);
}

static void test_words(void **state)
{
	(void)state;
	assert_int_equal(config_of("filtering endpoint-independent").filtering_udp, FILTERING_ENDPOINT_INDEPENDENT);
	assert_int_equal(config_of("filtering endpoint-independent").filtering_tcp, FILTERING_ENDPOINT_INDEPENDENT);
	assert_int_equal(config_of("filtering udp=endpoint-independent").filtering_udp, FILTERING_ENDPOINT_INDEPENDENT);
	assert_int_equal(config_of("filtering udp=endpoint-independent").filtering_tcp, FILTERING_ADDRESS_DEPENDENT);
	assert_int_equal(config_of("filtering udp=endpoint-independent,tcp=address-and-port-dependent").filtering_tcp,
			 FILTERING_ADDRESS_AND_PORT_DEPENDENT);
	assert_int_equal(config_of("mid-stream reset;expired reset").mid_stream, MID_STREAM_RESET);
	assert_int_equal(config_of("expired reset;mid-stream reset").expired, EXPIRED_RESET);
	assert_int_equal(config_of("unsolicited-syn silent").unsolicited, UNSOLICITED_SILENT);
	assert_int_equal(config_of("inbound-refresh").inbound_refresh, 1);
	assert_int_equal(config_of("inbound-refresh no").inbound_refresh, 0);
	assert_int_equal(config_of("mss 1400").mss, 1400);
	assert_int_equal(config_of("mss 88").mss, 88);
	assert_int_equal(config_of("mss auto").mss_auto, 1);
	assert_int_equal(config_of("mss auto").mss, 0);
	assert_int_equal(config_of("mss off").mss_auto, 0);
	assert_int_equal(config_of("hairpin off").hairpin.mode, INTERFACES_OFF);
	assert_int_equal(config_of("hairpin off").fast_path.mode, INTERFACES_AUTO);
	assert_int_equal(config_of("fast-path eth0,eth1").fast_path.num, 2);
	assert_string_equal(config_of("fast-path eth0,eth1").fast_path.iface[1], "eth1");
	assert_int_equal(config_of("icmp none").icmp, ICMP_NONE);
	assert_int_equal(config_of("rest 86400").rest_s, 86400);
	assert_int_equal(config_of("max-rate 7").max_new_per_s, 7);
	assert_int_equal(config_of("borrow").borrow, 1);
	assert_int_equal(config_of("borrow;on-full refuse").on_full, ON_FULL_REFUSE);
}

static void test_lists(void **state)
{
	struct config config = config_of("hairpin eth1,wg0;exclude tcp:198.51.100.0/24:443;exclude 203.0.113.9;"
					 "exclude icmp:192.0.2.8/31;exclude 203.0.113.0/24:53;internal 10.0.0.0/8");

	(void)state;
	assert_int_equal(config.hairpin.mode, INTERFACES_LIST);
	assert_int_equal(config.hairpin.num, 2);
	assert_string_equal(config.hairpin.iface[0], "eth1");
	assert_string_equal(config.hairpin.iface[1], "wg0");
	assert_int_equal(config.num_excluded, 4);
	assert_int_equal(config.excluded[0].proto, IPPROTO_TCP);
	assert_int_equal(config.excluded[0].port, htons(443));
	assert_int_equal(config.excluded[0].prefix.addr, inet_addr("198.51.100.0"));
	assert_int_equal(config.excluded[0].prefix.mask, htonl(0xffffff00));
	assert_int_equal(config.excluded[1].proto, 0);
	assert_int_equal(config.excluded[1].port, 0);
	assert_int_equal(config.excluded[1].prefix.mask, 0xffffffff);
	assert_int_equal(config.excluded[2].proto, IPPROTO_ICMP);
	assert_int_equal(config.excluded[3].proto, 0);
	assert_int_equal(config.excluded[3].port, htons(53));
	assert_int_equal(config.num_internal, 1);
}

static void test_timeouts(void **state)
{
	struct config config = config_of("timeout udp=120;timeout tcp:22=86400;timeout udp:53=5;timeout udp:1024=120;"
					 "timeout tcp-established=7776000");

	(void)state;
	assert_int_equal(config.timeout_s[TIMEOUT_UDP], 120);
	assert_int_equal(config.timeout_s[TIMEOUT_TCP_ESTABLISHED], 7776000);
	assert_int_equal(config.timeout_s[TIMEOUT_ICMP], 60);
	assert_int_equal(config.num_port_timeouts, 3);
	assert_int_equal(config.port_timeout[0].proto, IPPROTO_TCP);
	assert_int_equal(config.port_timeout[0].port, htons(22));
	assert_int_equal(config.port_timeout[0].timeout_s, 86400);
	assert_int_equal(config.port_timeout[1].timeout_s, 5);
	for (enum timeout timeout = 0; timeout < NUM_TIMEOUT; timeout++) {
		char words[64];

		snprintf(words, sizeof(words), "timeout %s=%u;below-rfc", timer_table[timeout].name,
			 timeout == TIMEOUT_TCP_ESTABLISHED ? 240 : 1);
		assert_int_equal(config_of(words).timeout_s[timeout], timeout == TIMEOUT_TCP_ESTABLISHED ? 240 : 1);
	}
}

/* What the interfaces call them differs in one sign only. */
static void test_timer_names(void **state)
{
	(void)state;
	for (enum timeout timeout = 0; timeout < NUM_TIMEOUT; timeout++) {
		char name[32];

		snprintf(name, sizeof(name), "%s", timer_table[timeout].name);
		for (char *sign = strchr(name, '-'); sign; sign = strchr(sign, '-'))
			*sign = '_';
		assert_string_equal(name, timeout_name[timeout]);
		assert_int_equal(timer_find(timer_table[timeout].name), timeout);
		assert_true(timer_table[timeout].default_s >= timer_table[timeout].floor_s);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *words;
		const char *says;
	} bad[] = {
		{ "interface ", "1 to 15 characters" },
		{ "interface sixteen-letters-", "1 to 15 characters" },
		{ "ports 5-4", "must not exceed" },
		{ "external 192.0.2.0/23", "256" },
		{ "internal 10.0.0.1/8", "did you mean 10.0.0.0/8" },
		{ "exclude gre:10.0.0.0/8", "[tcp|udp|icmp:]PREFIX[:PORT]" },
		{ "exclude tcp:10.0.0.0/8:", "[tcp|udp|icmp:]PREFIX[:PORT]" },
		{ "exclude tcp:10.0.0.0/8:0", "[tcp|udp|icmp:]PREFIX[:PORT]" },
		{ "exclude tcp:10.0.0.0/8:65536", "[tcp|udp|icmp:]PREFIX[:PORT]" },
		{ "exclude tcp:10.0.0.0/8:1:2", "[tcp|udp|icmp:]PREFIX[:PORT]" },
		{ "exclude icmp:10.0.0.0/8:1", "icmp:10.0.0.0/8 would be accepted" },
		{ "exclude 10.0.0.1/8", "did you mean 10.0.0.0/8" },
		{ "exclude ", "[tcp|udp|icmp:]PREFIX[:PORT]" },
		{ "exclude tcp:", "\"tcp:\": not [tcp|udp|icmp:]PREFIX[:PORT]" },
		{ "exclude :53", "\":53\": not [tcp|udp|icmp:]PREFIX[:PORT]" },
		{ "mapping symmetric", "endpoint-independent or endpoint-dependent" },
		{ "filtering full-cone", "tcp=MODE,udp=MODE" },
		{ "filtering tcp=address-dependent,tcp=address-dependent", "tcp=MODE,udp=MODE" },
		{ "filtering address-dependent,udp=address-dependent", "tcp=MODE,udp=MODE" },
		{ "filtering udp=address-dependent,address-dependent", "tcp=MODE,udp=MODE" },
		{ "filtering address-dependent,", "tcp=MODE,udp=MODE" },
		{ "filtering ", "tcp=MODE,udp=MODE" },
		{ "filtering icmp=address-dependent", "tcp=MODE,udp=MODE" },
		{ "hairpin auto,eth1", "auto goes with nothing else" },
		{ "hairpin eth1,eth1", "eth1 is there twice" },
		{ "hairpin eth1,", "such as eth1,eth2" },
		{ "hairpin ", "such as eth1,eth2" },
		{ "hairpin a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "at most 16" },
		{ "spill maybe", "yes or no" },
		{ "on-full panic", "share or refuse" },
		{ "rest 86401", "from 0 to 86400" },
		{ "rest +1", "from 0 to 86400" },
		{ "icmp net-unreachable", "host-unreachable, admin-prohibited or none" },
		{ "max-ports 0", "leave it out for no limit" },
		{ "max-sessions -1", "from 1 to" },
		{ "mid-stream drop", "adopt or reset" },
		{ "unsolicited-syn refuse", "wait or silent" },
		{ "expired rst", "silent or reset" },
		{ "mss 87", "from 88 to 65495" },
		{ "mss 65496", "from 88 to 65495" },
		{ "mss path", "auto, off or a number" },
		{ "timeout udp", "NAME=SECONDS" },
		{ "timeout tcp=60", "tcp-opening, tcp-established, tcp-closing" },
		{ "timeout tcp_opening=240", "tcp:PORT or udp:PORT" },
		{ "timeout udp=0", "1 to 7776000 seconds" },
		{ "timeout udp=7776001", "1 to 7776000 seconds" },
		{ "timeout udp=5m", "1 to 7776000 seconds" },
		{ "timeout fragment=121", "1 to 120 seconds" },
		{ "timeout udp:0=30", "from 1 to 65535" },
		{ "timeout udp:dns=30", "from 1 to 65535" },
		{ "timeout icmp:1=60", "NAME=SECONDS" },
		{ "sessions 0", "from 1 to 268435456" },
		{ "clock-factor 10001", "from 1 to 10000" },
	};
	struct settings settings, before;
	struct fault fault;

	(void)state;
	settings_init(&settings);
	before = settings;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(take(&settings, &command_line, bad[i].words, &fault) < 0);
		if (!strstr(fault.text, bad[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].words, fault.text, bad[i].says);
		assert_memory_equal(&settings, &before, sizeof(settings));
	}
}

/* Of everything that is counted one too many. */
static void test_too_many(void **state)
{
	static const struct {
		const char *name;
		const char *head;
		const char *tail;
		int most;
	} list[] = {
		{ "internal", "10.", ".0.0/16", MAX_INTERNAL },
		{ "external", "10.", ".0.1", MAX_EXTERNAL_ITEMS },
		{ "exclude", "10.", ".0.0/16", MAX_EXCLUDED },
		{ "timeout", "udp:", "=300", MAX_PORT_TIMEOUTS },
	};
	struct settings settings;
	struct fault fault;
	char text[40], most[40];

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		settings_init(&settings);
		for (int n = 1; n <= list[i].most + 1; n++) {
			snprintf(text, sizeof(text), "%s%d%s", list[i].head, n, list[i].tail);
			if (n <= list[i].most)
				assert_int_equal(
					settings_take(&settings, id_of(list[i].name), &command_line, text, &fault), 0);
		}
		assert_true(settings_take(&settings, id_of(list[i].name), &command_line, text, &fault) < 0);
		snprintf(most, sizeof(most), "at most %d", list[i].most);
		assert_non_null(strstr(fault.text, most));
	}
}

static void test_twice(void **state)
{
	static const struct origin third = { "f.conf", 3 }, fifth = { "f.conf", 5 };
	struct settings settings;
	struct fault fault;

	(void)state;
	settings_init(&settings);
	must_take(&settings, "rest 1");
	assert_int_equal(take(&settings, &command_line, "rest 2", &fault), -EINVAL);
	assert_string_equal(fault.text, "--rest is given twice; give it once");
	assert_int_equal(settings.rest_s, 1);
	must_take(&settings, "ports 1");
	assert_int_equal(take(&settings, &command_line, "ports 2", &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "write one list, with commas"));
	must_take(&settings, "timeout udp=200");
	assert_int_equal(take(&settings, &command_line, "timeout udp=200", &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "udp is given twice"));
	must_take(&settings, "timeout udp:53=20");
	assert_int_equal(take(&settings, &command_line, "timeout udp:53=30", &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "udp:53 is given twice"));
	must_take(&settings, "timeout tcp:53=8000");
	must_take(&settings, "exclude 10.0.0.0/8");
	assert_int_equal(take(&settings, &command_line, "exclude 10.0.0.0/8", &fault), -EINVAL);

	assert_int_equal(take(&settings, &third, "icmp none", &fault), 0);
	assert_int_equal(take(&settings, &fifth, "icmp none", &fault), -EINVAL);
	assert_string_equal(fault.text, "f.conf:5: icmp is given twice, first in line 3; give it once");
}

static void test_contradictions(void **state)
{
	static const struct {
		const char *words;
		const char *says;
	} bad[] = {
		{ "on-full share;borrow", "--on-full share and --borrow contradict" },
		{ "spill", "--spill: there is nowhere to spill to" },
		{ "spill;external 192.0.2.1", "several with --external" },
		{ "mapping endpoint-dependent;filtering address-dependent",
		  "--mapping endpoint-dependent and --filtering contradict" },
		{ "mapping endpoint-dependent;filtering tcp=address-and-port-dependent",
		  "address-and-port-dependent would be accepted" },
		{ "expired reset", "--expired reset needs --mid-stream reset" },
		{ "expired reset;mid-stream adopt", "--expired reset needs --mid-stream reset" },
		{ "interface eth0;hairpin eth1,eth0", "--hairpin eth0: that is the external interface" },
		{ "interface eth0;hairpin lo", "--hairpin lo: that is the loopback" },
		{ "timeout udp=119", "--timeout udp=119: RFC 4787 REQ-5 asks for 120 seconds" },
		{ "timeout tcp-established=7439", "7440 seconds" },
		{ "timeout tcp-opening=239", "--below-rfc" },
		{ "timeout tcp-closing=239", "240 seconds" },
		{ "timeout tcp-reset=239", "240 seconds" },
		{ "timeout icmp=59", "60 seconds" },
		{ "timeout unsolicited-syn=5", "6 seconds" },
		{ "timeout udp:1024=119", "udp:1024=119: RFC 4787 REQ-5 asks for 120 seconds" },
		{ "timeout tcp:22=7439", "tcp:22=7439: RFC 5382 REQ-5 asks for 7440 seconds" },
		{ "timeout tcp-opening=7441", "tcp-opening=7441 and tcp-established=7440 contradict" },
		{ "below-rfc;timeout tcp-established=239", "tcp-opening=239 or less" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct settings settings;
		struct fault fault;
		char all[200], *word, *rest = all;

		settings_init(&settings);
		snprintf(all, sizeof(all), "%s", bad[i].words);
		while ((word = strsep(&rest, ";")))
			must_take(&settings, word);
		assert_int_equal(settings_complete(&settings, &fault), -EINVAL);
		if (!strstr(fault.text, bad[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].words, fault.text, bad[i].says);
	}
}

/* A port for each session goes with one filtering only, which is therefore not to be asked for. */
static void test_what_follows(void **state)
{
	struct config config = config_of("mapping endpoint-dependent");

	(void)state;
	assert_int_equal(config.filtering_tcp, FILTERING_ADDRESS_AND_PORT_DEPENDENT);
	assert_int_equal(config.filtering_udp, FILTERING_ADDRESS_AND_PORT_DEPENDENT);
	config_of("mapping endpoint-dependent;filtering address-and-port-dependent");
	config_of("spill;external 192.0.2.0/31");
	config_of("interface eth0;hairpin eth1");
	config_of("timeout udp:53=1");
	config_of("timeout tcp-opening=7440");
}

/* Each setting of the one that overrides holds as a whole, and nothing else does. */
static void test_override(void **state)
{
	static const struct origin line = { "f.conf", 7 };
	struct settings file, option;
	struct fault fault;

	(void)state;
	settings_init(&file);
	settings_init(&option);
	assert_int_equal(take(&file, &line, "rest 60", &fault), 0);
	assert_int_equal(take(&file, &line, "icmp none", &fault), 0);
	assert_int_equal(take(&file, &line, "internal 10.0.0.0/8", &fault), 0);
	assert_int_equal(take(&file, &line, "timeout udp=60", &fault), 0);
	assert_int_equal(take(&file, &line, "timeout icmp=70", &fault), 0);
	must_take(&option, "icmp admin-prohibited");
	must_take(&option, "internal 192.168.0.0/24");
	must_take(&option, "timeout udp=150");
	settings_override(&file, &option);
	assert_int_equal(file.rest_s, 60);
	assert_int_equal(file.icmp, ICMP_ADMIN_PROHIBITED);
	assert_int_equal(file.internal.num, 1);
	assert_int_equal(file.internal.item[0].addr, inet_addr("192.168.0.0"));
	assert_int_equal(file.timeout.s[TIMEOUT_UDP], 150);
	assert_int_equal(file.timeout.s[TIMEOUT_ICMP], 60);
	assert_ptr_equal(file.from[SETTING_REST].file, line.file);
	assert_null(file.from[SETTING_ICMP].file);
	assert_null(file.timeout_from[TIMEOUT_UDP].file);
	assert_false(settings_agree(&file, &option, SETTING_REST));
	assert_true(settings_agree(&file, &option, SETTING_TIMEOUT));
	assert_true(settings_given(&file, SETTING_REST));
	assert_false(settings_given(&file, SETTING_BORROW));
}

/* A sentence about a file names file and line, and the other place of two. */
static void test_places(void **state)
{
	static const struct origin third = { "f.conf", 3 }, fifth = { "f.conf", 5 };
	struct settings settings;
	struct fault fault;

	(void)state;
	settings_init(&settings);
	assert_int_equal(take(&settings, &third, "rest x", &fault), -EINVAL);
	assert_string_equal(fault.text, "f.conf:3: rest x: a number from 0 to 86400 would be accepted");
	assert_int_equal(take(&settings, &third, "borrow yes", &fault), 0);
	assert_int_equal(take(&settings, &fifth, "on-full share", &fault), 0);
	assert_int_equal(settings_complete(&settings, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "f.conf:5: on-full share and borrow (f.conf:3) contradict each other"));
	settings_init(&settings);
	assert_int_equal(take(&settings, &fifth, "timeout udp=60", &fault), 0);
	assert_int_equal(settings_complete(&settings, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "f.conf:5: timeout udp=60: "));
	assert_non_null(strstr(fault.text, "with below-rfc = yes"));
}

static void test_exclusion_that_covers_us(void **state)
{
	static const struct origin fifth = { "f.conf", 5 };
	__be32 external[2] = { inet_addr("192.0.2.1"), inet_addr("198.51.100.7") };
	struct settings settings;
	struct fault fault;

	(void)state;
	settings_init(&settings);
	must_take(&settings, "exclude 192.0.2.2/31");
	must_take(&settings, "exclude 203.0.113.0/24");
	assert_int_equal(settings_check_external(&settings, external, 2, &fault), 0);
	assert_int_equal(take(&settings, &fifth, "exclude udp:198.51.100.0/24:53", &fault), 0);
	assert_int_equal(settings_check_external(&settings, external, 1, &fault), 0);
	assert_int_equal(settings_check_external(&settings, external, 2, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "f.conf:5: exclude 198.51.100.0/24 covers 198.51.100.7"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),        cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_words),        cmocka_unit_test(test_lists),
		cmocka_unit_test(test_timeouts),     cmocka_unit_test(test_timer_names),
		cmocka_unit_test(test_refused),      cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_twice),        cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_what_follows), cmocka_unit_test(test_override),
		cmocka_unit_test(test_places),       cmocka_unit_test(test_exclusion_that_covers_us),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
