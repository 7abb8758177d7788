/* SPDX-License-Identifier: GPL-2.0 */
/* Short names for the integers that every room uses. */
#ifndef SIMLANE_TYPES_H
#define SIMLANE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#endif
