// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints' own code.
 */
#ifndef __CHECKER__	/* sparse does not follow what the header does to itself */
#define CREATE_TRACE_POINTS
#include "trace.h"
#endif
