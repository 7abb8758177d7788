/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands from user space: which ones are let through, and what they say
 * about their own length. Pure: no kernel service is used, so the unit tests
 * compile it in user space.
 */
#ifndef POLLNVME_PASSTHRU_H
#define POLLNVME_PASSTHRU_H

#include <linux/types.h>

/**
 * struct pollnvme_ask_cmd - what of a command decides over its length
 * @admin: for the admin queue; else an I/O command
 * @opcode: NVMe opcode
 * @lba_shift: log2 of the namespace's block size; I/O commands only
 * @cdw10: command double word 10
 * @cdw11: command double word 11
 * @cdw12: command double word 12
 * @data_len: bytes of memory that the user gave
 * @max_bytes: largest transfer of the controller
 */
struct pollnvme_ask_cmd {
	bool admin;
	u8 opcode;
	u8 lba_shift;
	u32 cdw10;
	u32 cdw11;
	u32 cdw12;
	u32 data_len;
	u32 max_bytes;
};

/* Directions of data, the two low bits of every opcode. */
#define POLLNVME_TO_DEVICE	1u
#define POLLNVME_FROM_DEVICE	2u

/**
 * pollnvme_opcode_data() - which way a command moves data
 * @opcode: NVMe opcode
 *
 * Return: POLLNVME_TO_DEVICE, POLLNVME_FROM_DEVICE, both or 0.
 */
static inline unsigned int pollnvme_opcode_data(u8 opcode)
{
	return opcode & (POLLNVME_TO_DEVICE | POLLNVME_FROM_DEVICE);
}

int pollnvme_passthru_check(const struct pollnvme_ask_cmd *ask);

#endif /* POLLNVME_PASSTHRU_H */
