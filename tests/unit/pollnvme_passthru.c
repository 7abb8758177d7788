// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands from user space: what is refused, and which lengths.
 */
#include <errno.h>
#include <stdbool.h>
#include "ktap.h"
#include "drivers/block/pollnvme/passthru.c"

#define MAX	(1u << 20)

static int admin(u8 opcode, u32 cdw10, u32 cdw11, u32 len)
{
	struct pollnvme_ask_cmd ask = {
		.admin = true, .opcode = opcode, .cdw10 = cdw10,
		.cdw11 = cdw11, .data_len = len, .max_bytes = MAX,
	};

	return pollnvme_passthru_check(&ask);
}

static int io(u8 opcode, u8 shift, u32 cdw10, u32 cdw12, u32 len)
{
	struct pollnvme_ask_cmd ask = {
		.opcode = opcode, .lba_shift = shift, .cdw10 = cdw10,
		.cdw12 = cdw12, .data_len = len, .max_bytes = MAX,
	};

	return pollnvme_passthru_check(&ask);
}

static bool drivers_own(void)
{
	static const u8 own[] = { 0x00, 0x01, 0x04, 0x05, 0x0c, 0x0d, 0x15,
				  0x3d, 0x3e, 0x41, 0x42, 0x45, 0x7c, 0x7f, 0x80 };
	unsigned int i;

	for (i = 0; i < sizeof(own); i++)
		if (admin(own[i], 0, 0, 0) != -EOPNOTSUPP)
			return false;
	return admin(0x09, 0x0d, 1, 0) == -EOPNOTSUPP &&
	       !admin(0x09, 0x0100 | 0x04, 0, 0) &&
	       !io(0x00, 9, 0, 0, 0) && !io(0x04, 9, 0, 0, 0);
}

static bool log_length(void)
{
	/* 0's based count of double words, in two halves */
	return !admin(0x02, 127u << 16 | 2, 0, 512) &&
	       admin(0x02, 127u << 16 | 2, 0, 508) == -EINVAL &&
	       !admin(0x02, 0xffffu << 16 | 2, 1, MAX / 2) &&
	       admin(0x02, 0xffffu << 16 | 2, 1, MAX / 2 - 1) == -EINVAL &&
	       admin(0x02, 0xffffu << 16, 0xffff, MAX) == -EINVAL;
}

static bool rare_length(void)
{
	struct pollnvme_ask_cmd status = {
		.admin = true, .opcode = 0x86, .cdw12 = 1023,
		.data_len = 4096, .max_bytes = MAX,
	};
	struct pollnvme_ask_cmd mgmt = {
		.opcode = 0x12, .cdw11 = 1023, .data_len = 4096,
		.max_bytes = MAX,
	};
	bool fit = !pollnvme_passthru_check(&status) &&
		   !pollnvme_passthru_check(&mgmt) &&
		   !admin(0x19, 1023, 0, 4096) && !admin(0x1a, 1023, 0, 4096);

	status.cdw12++;
	mgmt.cdw11++;
	return fit && pollnvme_passthru_check(&status) == -EINVAL &&
	       pollnvme_passthru_check(&mgmt) == -EINVAL &&
	       admin(0x19, 1024, 0, 4096) == -EINVAL &&
	       admin(0x1a, 1024, 0, 4096) == -EINVAL;
}

static bool read_length(void)
{
	return !io(0x02, 9, 0, 7, 4096) && !io(0x02, 12, 0, 0, 4096) &&
	       io(0x02, 9, 0, 8, 4096) == -EINVAL &&
	       io(0x02, 12, 0, 1, 4096) == -EINVAL &&
	       io(0x01, 9, 0, 0, 0) == -EINVAL &&
	       io(0x05, 9, 0, 0, 511) == -EINVAL &&
	       /* flags above the count are not part of it */
	       !io(0x01, 9, 0, 1u << 30 | 7, 4096) &&
	       io(0x02, 12, 0, 0xffff, MAX) == -EINVAL;
}

static bool list_length(void)
{
	/* 16 ranges to copy: of 32 bytes, of 40; identifiers, and nothing */
	return !io(0x19, 9, 0, 15, 512) && io(0x19, 9, 0, 15, 511) == -EINVAL &&
	       !io(0x19, 9, 0, 1 << 8 | 15, 640) &&
	       io(0x19, 9, 0, 1 << 8 | 15, 639) == -EINVAL &&
	       !io(0x1d, 9, 0xffffu << 16 | 1, 0, MAX / 8) &&
	       io(0x1d, 9, 0xffffu << 16 | 1, 0, 4096) == -EINVAL &&
	       !io(0x1d, 9, 0, 0, 0);
}

int main(void)
{
	ktap_plan(11);
	ktap_ok(drivers_own(), "what is the driver's is refused");
	ktap_ok(!admin(0x06, 1, 0, 4096) && admin(0x06, 1, 0, 4095) == -EINVAL,
		"Identify wants its page");
	ktap_ok(log_length(), "a log wants what it says");
	ktap_ok(!admin(0x11, 1023, 0, 4096) &&
		admin(0x11, 1024, 0, 4096) == -EINVAL &&
		admin(0x11, ~0u, 0, MAX) == -EINVAL,
		"firmware wants what it says");
	ktap_ok(admin(0x82, 0, ~0u, 4096) == -EINVAL, "security wants what it says");
	ktap_ok(rare_length(), "so do directives, LBA status and I/O management");
	ktap_ok(read_length(), "reads and writes want their blocks");
	ktap_ok(list_length(), "copies and handles want their lists");
	ktap_ok(!io(0x09, 9, 255, 4, 4096) && io(0x09, 9, 255, 4, 4080) == -EINVAL,
		"discard wants its ranges");
	ktap_ok(!admin(0x0a, 7, 0, 0) && admin(0x0a, 7, 0, MAX + 1) == -EINVAL,
		"nothing beyond the largest transfer");
	ktap_ok(io(0x00, 9, 0, 0, 512) == -EINVAL && io(0x08, 9, 0, 0, 1) == -EINVAL,
		"no memory for commands without data");
	ktap_exit();
}
