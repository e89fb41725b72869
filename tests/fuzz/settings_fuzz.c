/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file of settings with anything in it: it is taken or refused, with a sentence, and never half; and what is taken makes a
 * configuration within its limits.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform.h"
#include "settings.h"
#include "settings_file.h"
#include "timer.h"

#define PATH_SIZE 40

static int write_file(const uint8_t *data, size_t size, char *path)
{
	int fd = memfd_create("settings", 0);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, PATH_SIZE, "/proc/self/fd/%d", fd);
	return fd;
}

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void look_at(const struct settings *settings)
{
	static struct config config;

	settings_to_config(settings, &config);
	expect(config.filtering_tcp <= FILTERING_ADDRESS_AND_PORT_DEPENDENT);
	expect(config.filtering_udp <= FILTERING_ADDRESS_AND_PORT_DEPENDENT);
	expect(config.mapping <= MAPPING_ENDPOINT_DEPENDENT);
	expect(config.num_excluded <= MAX_EXCLUDED && config.num_port_timeouts <= MAX_PORT_TIMEOUTS);
	expect(config.num_internal <= MAX_INTERNAL && config.hairpin.num <= MAX_INTERFACES);
	for (__u32 i = 0; i < config.hairpin.num; i++)
		expect(memchr(config.hairpin.iface[i], '\0', IFACE_NAME));
	for (enum timeout timeout = 0; timeout < NUM_TIMEOUT; timeout++) {
		expect(config.timeout_s[timeout] >= 1 && config.timeout_s[timeout] <= timer_table[timeout].max_s);
		expect(settings->below_rfc || config.timeout_s[timeout] >= timer_table[timeout].floor_s);
	}
	for (__u32 i = 0; i < config.num_port_timeouts; i++)
		expect(config.port_timeout[i].port && config.port_timeout[i].timeout_s);
	expect(memchr(settings->iface, '\0', sizeof(settings->iface)));
	expect(!settings_given(settings, SETTING_PORTS) || ranges_count(&settings->ports));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct settings options, settings;
	struct fault fault = {};
	char path[PATH_SIZE];
	int fd = write_file(data, size, path);

	settings_init(&options);
	settings_init(&settings);
	if (settings_load(path, &options, &settings, &fault) == 0)
		look_at(&settings);
	else
		expect(*fault.text && !settings.given && settings_agree(&settings, &options, SETTING_TIMEOUT));
	close(fd);
	return 0;
}
