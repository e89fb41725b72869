/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration file: every setting means what the option means, every kind of bad input is refused with file and line,
 * and the command line wins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "settings.h"
#include "settings_file.h"

/* Where the tests are started. */
#define EXAMPLE "packaging/bauta.conf"

static char directory[] = "/tmp/bauta-settings-XXXXXX";
static char path[64];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/f.conf", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static void write_bytes(const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static int read_text(const char *text, struct settings *ret_settings, struct fault *fault)
{
	write_bytes(text, strlen(text));
	settings_init(ret_settings);
	return settings_file_read(path, ret_settings, fault);
}

static void must_read(const char *text, struct settings *ret_settings)
{
	struct fault fault;

	if (read_text(text, ret_settings, &fault))
		fail_msg("%s\n%s", text, fault.text);
}

static void assert_agree(const struct settings *one, const struct settings *other)
{
	for (enum setting_id id = 0; id < NUM_SETTING; id++) {
		if (!settings_agree(one, other, id))
			fail_msg("%s differs", setting_table[id].name);
		assert_int_equal(settings_given(one, id), settings_given(other, id));
	}
}

/* ---- the same as the options ------------------------------------------------------------------------------------ */

/* For each setting values as an option has them; a list one by one. */
static const struct {
	enum setting_id id;
	const char *value[4];
} accepted[] = {
	{ SETTING_INTERFACE, { "eth0" } },
	{ SETTING_INTERFACE, { "ppp0.5" } },
	{ SETTING_PORTS, { "50000" } },
	{ SETTING_PORTS, { "40000-49999,52000,60000-60999" } },
	{ SETTING_EXTERNAL, { "192.0.2.1", "198.51.100.0/28" } },
	{ SETTING_INTERNAL, { "192.168.0.0/24", "10.0.0.0/8", "172.16.0.1" } },
	{ SETTING_EXCLUDE, { "198.51.100.0/24", "tcp:0.0.0.0/0:25", "udp:192.0.2.9:53", "icmp:192.0.2.9" } },
	{ SETTING_MAPPING, { "endpoint-independent" } },
	{ SETTING_MAPPING, { "endpoint-dependent" } },
	{ SETTING_FILTERING, { "endpoint-independent" } },
	{ SETTING_FILTERING, { "address-and-port-dependent" } },
	{ SETTING_FILTERING, { "tcp=address-dependent,udp=endpoint-independent" } },
	{ SETTING_HAIRPIN, { "auto" } },
	{ SETTING_HAIRPIN, { "off" } },
	{ SETTING_HAIRPIN, { "eth1,wg0" } },
	{ SETTING_SPILL, { "yes" } },
	{ SETTING_SPILL, { "no" } },
	{ SETTING_ON_FULL, { "share" } },
	{ SETTING_ON_FULL, { "refuse" } },
	{ SETTING_BORROW, { "yes" } },
	{ SETTING_REST, { "120" } },
	{ SETTING_ICMP, { "admin-prohibited" } },
	{ SETTING_MAX_PORTS, { "1" } },
	{ SETTING_MAX_SESSIONS, { "268435456" } },
	{ SETTING_MAX_RATE, { "10" } },
	{ SETTING_MID_STREAM, { "adopt" } },
	{ SETTING_MID_STREAM, { "reset" } },
	{ SETTING_UNSOLICITED_SYN, { "wait" } },
	{ SETTING_UNSOLICITED_SYN, { "silent" } },
	{ SETTING_EXPIRED, { "silent" } },
	{ SETTING_EXPIRED, { "reset" } },
	{ SETTING_INBOUND_REFRESH, { "yes" } },
	{ SETTING_MSS, { "auto" } },
	{ SETTING_MSS, { "off" } },
	{ SETTING_MSS, { "1400" } },
	{ SETTING_TIMEOUT, { "udp=150", "tcp-established=8000", "udp:53=30", "tcp:22=86400" } },
	{ SETTING_BELOW_RFC, { "yes" } },
	{ SETTING_FAST_PATH, { "auto" } },
	{ SETTING_FAST_PATH, { "eth0,eth1" } },
	{ SETTING_FAST_CREATE, { "yes" } },
	{ SETTING_FAST_CREATE, { "no" } },
	{ SETTING_SESSIONS, { "1000" } },
	{ SETTING_KEEP, { "yes" } },
	{ SETTING_KEEP, { "no" } },
	{ SETTING_CLOCK_FACTOR, { "10" } },
};

#define NUM_ACCEPTED (sizeof(accepted) / sizeof(accepted[0]))

/* Writes a setting in one of several ways; returns how long it is. */
static size_t print_setting(char *text, size_t size, size_t i, unsigned int way)
{
	static const char *const equals[] = { " = ", "=", "\t=  " }, *const comma[] = { ", ", ",", " ,\n\t" };
	static const char *const end[] = { "\n", "   # why not\n", " ; so\r\n\n" };
	size_t len = snprintf(text, size, "%s%s", setting_table[accepted[i].id].name, equals[way % 3]);

	for (size_t n = 0; n < 4 && accepted[i].value[n]; n++) {
		const char *value = accepted[i].value[n];

		len += snprintf(text + len, size - len, "%s", n ? comma[way / 3 % 3] : "");
		/* commas within a value may have blanks too */
		for (; *value; value++)
			len += snprintf(text + len, size - len, "%s",
					*value == ',' ? comma[way / 3 % 3] : (char[]){ *value, '\0' });
	}
	return len + snprintf(text + len, size - len, "%s", end[way / 9 % 3]);
}

static void take_as_option(struct settings *settings, size_t i)
{
	static const struct origin command_line;
	struct fault fault;

	for (size_t n = 0; n < 4 && accepted[i].value[n]; n++)
		if (settings_take(settings, accepted[i].id, &command_line, accepted[i].value[n], &fault))
			fail_msg("%s: %s", setting_table[accepted[i].id].name, fault.text);
}

static void test_each_as_its_option(void **state)
{
	__u64 tried = 0;

	(void)state;
	for (size_t i = 0; i < NUM_ACCEPTED; i++) {
		for (unsigned int way = 0; way < 27; way++) {
			struct settings file, option;
			char text[400];

			print_setting(text, sizeof(text), i, way);
			must_read(text, &file);
			settings_init(&option);
			take_as_option(&option, i);
			assert_agree(&file, &option);
		}
		tried |= 1ull << accepted[i].id;
	}
	assert_int_equal(tried, (1ull << NUM_SETTING) - 1);
}

/* Any selection in any order. */
static void test_many_as_their_options(void **state)
{
	unsigned int seed = getpid();

	(void)state;
	print_message("# seed %u\n", seed);
	srandom(seed);
	for (int round = 0; round < 300; round++) {
		struct settings file, option;
		char text[8000];
		size_t len = 0;
		__u32 used = 0;

		settings_init(&option);
		*text = '\0';
		for (int n = 0; n < 30; n++) {
			size_t i = random() % NUM_ACCEPTED;

			if (used & 1u << accepted[i].id)
				continue;
			used |= 1u << accepted[i].id;
			len += print_setting(text + len, sizeof(text) - len, i, random() % 27);
			take_as_option(&option, i);
		}
		must_read(text, &file);
		assert_agree(&file, &option);
	}
}

static void test_forms(void **state)
{
	struct settings settings, other;

	(void)state;
	must_read("", &settings);
	assert_int_equal(settings.given, 0);
	must_read("\n\n# nothing\n;\n   # nothing\n", &settings);
	assert_int_equal(settings.given, 0);
	must_read("\xef\xbb\xbfrest = 5", &settings);
	assert_int_equal(settings.rest_s, 5);
	must_read("ports = 1,\n  2,\n\n# three\n  3-5,\n", &settings);
	must_read("ports = 1,2,3-5", &other);
	assert_agree(&settings, &other);
	must_read("internal = 10.0.0.0/8,\n  192.168.0.0/16,\n", &settings);
	assert_int_equal(settings.internal.num, 2);
	must_read("internal = 10.0.0.0/8\n  192.168.0.0/16\n", &settings);
	assert_int_equal(settings.internal.num, 2);
}

/* ---- what is refused -------------------------------------------------------------------------------------------- */

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		const char *says; /* behind the path */
	} bad[] = {
		{ "colour = red", ":1: \"colour\" is no setting; what bauta.conf(5) lists" },
		{ "# x\n\nrest = 5\n# y\non_full = share", ":5: \"on_full\" is no setting; did you mean on-full?" },
		{ "--rest = 5", ":1: \"--rest\" is no setting; did you mean rest?" },
		{ "Rest = 5", ":1: \"Rest\" is no setting; did you mean rest?" },
		{ "= 5", ":1: \"\" is no setting" },
		{ "rest", ":1: this is no setting; NAME = VALUE" },
		{ "icmp = none\nrest 5\nmss = off", ":2: this is no setting; NAME = VALUE" },
		{ "rest 5\nrest = x", ":1: this is no setting; NAME = VALUE" },
		{ "[gateway]\nrest = 5", ":2: stands in a section [gateway]" },
		{ "[gateway\nrest = 5", ":1: this is no setting" },
		{ "rest = 5\n\nicmp = none\nrest = 5", ":4: rest is given twice, first in line 1; give it once" },
		{ "borrow = yes\nborrow = yes", ":2: borrow is given twice, first in line 1" },
		{ "rest = 5\ninternal = 10.0.0.0/8,\n 172.16.0.1\ninternal = 10.1.1.1",
		  ":4: internal is given twice, first in line 2; " },
		{ "internal = 10.0.0.0/8\ninternal = 192.168.0.0/16", ":2: internal is given twice, first in line 1; "
								      "give it once, with commas" },
		{ "internal = 10.0.0.0/8,\n 192.168.0.1/16", ":2: internal \"192.168.0.1/16\": bits are set" },
		{ "internal =", ":1: internal \"\": not a prefix" },
		{ "internal = ,", ":1: internal \"\": not a prefix" },
		{ "internal = 10.0.0.0/8,,192.168.0.0/16", ":1: internal \"\": not a prefix" },
		{ "rest =", ":1: rest : a number from 0 to 86400" },
		{ "rest = yes", ":1: rest yes: a number from 0 to 86400" },
		{ "rest = 5\n\n\n# x\nmss = off\n", "" },
		{ "rest = 5 6", ":1: rest 5 6: a number" },
		{ "rest = 5,\n 6", ":1: rest 5,6: a number" },
		{ "rest = \"5\"", ":1: rest \"5\": a number" },
		{ "borrow = true", ":1: borrow \"true\": yes or no would be accepted" },
		{ "borrow =", ":1: borrow \"\": yes or no would be accepted" },
		{ "below-rfc", ":1: this is no setting; NAME = VALUE" },
		{ "on-full = panic", ":1: on-full \"panic\": share or refuse" },
		{ "ports = 40000-49999, 52000, 45000", ":1: ports \"40000-49999,52000,45000\": port 45000 is there "
						       "twice" },
		{ "ports = 1,,2", ":1: ports \"1,,2\": not ports" },
		{ "timeout = udp=60, udp=70", ":1: timeout \"udp=70\": udp is given twice" },
		{ "timeout = udp", ":1: timeout \"udp\": NAME=SECONDS" },
		{ "rest = 5\n  icmp = none", ":2: this begins with a blank, and therefore goes on with rest; icmp at" },
		{ "internal = 10.0.0.0/8\n  rest = 5", ":2: this begins with a blank, and therefore goes on with" },
		{ "interface = a b", ":1: \"a b\" cannot be the name of an interface" },
		{ "interface = eth0\n\nexclude = gre:10.0.0.0/8",
		  ":3: exclude \"gre:10.0.0.0/8\": not [tcp|udp|icmp:]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct settings settings;
		struct fault fault = {};
		char says[300];
		int err = read_text(bad[i].text, &settings, &fault);

		snprintf(says, sizeof(says), "%s%s", *bad[i].says ? path : "", bad[i].says);
		assert_int_equal(err != 0, *bad[i].says != '\0');
		if (err && err != -EINVAL && err != -ERANGE)
			fail_msg("%s: error %d", bad[i].text, err);
		if (strncmp(fault.text, says, strlen(says)) != 0)
			fail_msg("%s: \"%s\" does not begin with \"%s\"", bad[i].text, fault.text, says);
	}
}

static void test_what_is_no_text(void **state)
{
	struct settings settings;
	struct fault fault;
	char line[400];

	(void)state;
	write_bytes("rest = 5\nicmp\0 = none\n", 22);
	settings_init(&settings);
	assert_int_equal(settings_file_read(path, &settings, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, ":2: this is not text"));
	assert_int_equal(read_text("# \xc3\xa4\f\nmss = \x1b[31mred\n", &settings, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, ":2: this is not text: it has a control character (0x1b)"));
	snprintf(line, sizeof(line), "rest = %0*d", (int)sizeof(line) - 8, 1);
	assert_int_equal(read_text(line, &settings, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, ":1: the line is too long; up to 198 characters"));
	snprintf(line, sizeof(line), "# rest = %0*d", (int)sizeof(line) - 10, 1);
	assert_int_equal(read_text(line, &settings, &fault), 0);
}

/* At both sides of the limit that the message tells. */
static void test_longest_line(void **state)
{
	struct settings settings;
	struct fault fault;
	char line[220];

	(void)state;
	for (int len = 190; len < 210; len++) {
		snprintf(line, sizeof(line), "rest =%*d\n", len - 6, 7);
		assert_int_equal(read_text(line, &settings, &fault), len <= 198 ? 0 : -EINVAL);
		if (len <= 198)
			assert_int_equal(settings.rest_s, 7);
	}
}

static void test_what_is_no_file(void **state)
{
	struct settings settings;
	struct fault fault;

	(void)state;
	settings_init(&settings);
	assert_int_equal(settings_file_read("/nowhere/at.all", &settings, &fault), -ENOENT);
	assert_non_null(strstr(fault.text, "/nowhere/at.all"));
	assert_int_equal(settings_file_read(directory, &settings, &fault), -EFBIG);
	assert_int_equal(settings_file_read("/dev/zero", &settings, &fault), -EFBIG);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(settings_file_read(path, &settings, &fault), -EFBIG);
	unlink(path);
	write_bytes("", 0);
	assert_int_equal(truncate(path, MAX_SETTINGS_FILE + 1), 0);
	assert_int_equal(settings_file_read(path, &settings, &fault), -EFBIG);
}

/* ---- together with the command line ----------------------------------------------------------------------------- */

static void test_load(void **state)
{
	static const struct origin command_line;
	struct settings options, settings, before;
	struct fault fault;
	const char *text = "icmp = none\ntimeout = udp=60\nrest = 7\n";

	(void)state;
	settings_init(&options);
	memset(&settings, 0x55, sizeof(settings));
	before = settings;
	write_bytes(text, strlen(text));
	assert_int_equal(settings_load(path, &options, &settings, &fault), -EINVAL);
	assert_non_null(strstr(fault.text, ":2: timeout udp=60: RFC 4787"));
	assert_memory_equal(&settings, &before, sizeof(settings));
	assert_int_equal(settings_take(&options, SETTING_BELOW_RFC, &command_line, NULL, &fault), 0);
	assert_int_equal(settings_take(&options, SETTING_REST, &command_line, "9", &fault), 0);
	assert_int_equal(settings_load(path, &options, &settings, &fault), 0);
	assert_int_equal(settings.icmp, ICMP_NONE);
	assert_int_equal(settings.rest_s, 9);
	assert_int_equal(settings.timeout.s[TIMEOUT_UDP], 60);
	assert_int_equal(settings_load(NULL, &options, &settings, &fault), 0);
	assert_int_equal(settings.icmp, ICMP_HOST_UNREACHABLE);
	assert_int_equal(settings_load("/nowhere/at.all", &options, &settings, &fault), -ENOENT);
}

static void test_example(void **state)
{
	struct settings options, settings;
	struct fault fault;

	(void)state;
	settings_init(&options);
	if (settings_load(EXAMPLE, &options, &settings, &fault))
		fail_msg("%s", fault.text);
	assert_string_equal(settings.iface, "eth0");
	assert_int_equal(settings.timeout.num_ports, 2);
	assert_int_equal(settings.mss, MSS_AUTO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_as_its_option),
		cmocka_unit_test(test_many_as_their_options),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_what_is_no_text),
		cmocka_unit_test(test_longest_line),
		cmocka_unit_test(test_what_is_no_file),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_example),
	};

	return cmocka_run_group_tests_name("settings file", tests, make_directory, remove_directory);
}
