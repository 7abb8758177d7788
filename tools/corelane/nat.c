// SPDX-License-Identifier: GPL-2.0-only
/*
 * nat.c - corelane nat: services of percore
 */
#include "corelane.h"

int cmd_nat(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return cl_error("nat is not built yet");
}
