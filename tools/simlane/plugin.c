// SPDX-License-Identifier: GPL-2.0
/*
 * The plugin's front door: options, and handing the guest's life to the rooms.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qemu-plugin.h>

#include "control.h"
#include "core.h"
#include "model.h"
#include "qemu.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* Window: half a microsecond would do (see the Q sweep); a fifth costs little. */
static struct control_options options = {
	.fine = 500,
	.coarse = 250000,
	/* e1000e's driver asks for 20,000 interrupts a second */
	.nic_gap_ns = 50000,
};


/* More than this is no window, and less than a word overflows. */
#define WINDOW_MAX	1000000000

static void load_model(const char *path)
{
	const char *base = strrchr(path, '/');

	if (!model_load(path))
		control_fatal("%s", model_error());
	options.model = base ? base + 1 : path;
}

static bool parse(const char *name, const char *value)
{
	char *end;

	if (!strcmp(name, "map")) {
		options.map = value;
	} else if (!strcmp(name, "out")) {
		options.out = value;
	} else if (!strcmp(name, "model")) {
		/* read first, see below */
	} else if (!strcmp(name, "ram")) {
		options.ram_bytes = strtoull(value, &end, 10) << 20;
		return !*end && options.ram_bytes;
	} else if (!strcmp(name, "q")) {
		options.fine = strtoull(value, &end, 10);
		return !*end && options.fine && options.fine <= WINDOW_MAX;
	} else if (!strcmp(name, "qboot")) {
		options.coarse = strtoull(value, &end, 10);
		return !*end && options.coarse && options.coarse <= WINDOW_MAX;
	} else if (!strcmp(name, "nic_itr_ns")) {
		options.nic_gap_ns = (unsigned int)strtoul(value, &end, 10);
		return !*end;
	} else if (!strcmp(name, "disk_ns")) {
		options.disk_ns = (unsigned int)strtoul(value, &end, 10);
		return !*end;
	} else if (!model_set(name, value)) {
		control_fatal("%s", model_error());
	}
	return true;
}

static void on_vcpu_init(qemu_plugin_id_t id, unsigned int index)
{
	(void)id;
	if (index >= CLOCK_MAX_VCPUS)
		control_fatal("%u vCPUs are the most", CLOCK_MAX_VCPUS);
	qemu_vcpu_add(index);
	clock_add_vcpu(index);
	if (!index && !qemu_take_clock(clock_ops()))
		control_fatal("this QEMU cannot serve: %s (--clock wall works with any)",
			      qemu_error());
}

/**
 * qemu_plugin_install() - QEMU loads us
 * @id: who we are to QEMU
 * @info: what it is
 * @argc: number of options
 * @argv: name=value each
 *
 * Return: 0, or -1 to make QEMU stop.
 */
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
					   char **argv)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));
	char *value;
	int i;

	/* the table first, whatever the order: single constants change it */
	for (i = 0; i < argc; i++)
		if (!strncmp(argv[i], "model=", 6))
			load_model(argv[i] + 6);
	for (i = 0; i < argc; i++) {
		value = strchr(argv[i], '=');
		if (value)
			*value++ = '\0';
		if (!value || !parse(argv[i], value))
			control_fatal("bad value in option %s", argv[i]);
	}
	if (!options.map || !options.out || !options.ram_bytes)
		control_fatal("options map=, out=, model= and ram= are needed");
	if (!model_complete())
		control_fatal("%s", model_error());
	if (strcmp(info->target_name, "x86_64") || !info->system_emulation)
		control_fatal("this QEMU emulates no x86-64 machine");
	if (!qemu_attach((unsigned int)info->system.max_vcpus))
		control_fatal("this QEMU cannot serve: %s (--clock wall works with any)",
			      qemu_error());
	if (!symbols || !symbols_load(symbols, options.map, NULL, 0))
		control_fatal("%s is no kernel symbol table with addresses",
			      options.map);
	clock_init(model.ghz, CLOCK_TICKS(options.coarse));
	if (!core_init(id, symbols, options.ram_bytes))
		control_fatal("%s names no cpu_idle_poll, or memory is short", options.map);
	control_init(&options);
	qemu_plugin_register_vcpu_init_cb(id, on_vcpu_init);
	return 0;
}
