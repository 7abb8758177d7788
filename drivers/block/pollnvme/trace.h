/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: a command's begin and end, and what polling for it took. The
 * task that an event carries is, for the first and the last, the one that
 * spent the time; an end may be taken in by another task, or by an interrupt.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pollnvme

#if !defined(POLLNVME_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define POLLNVME_TRACE_H

#include <linux/tracepoint.h>
#include "pollnvme.h"

TRACE_EVENT(pollnvme_start,
	    TP_PROTO(const struct pollnvme_qp *qp, const struct pollnvme_cmd *cmd),
	    TP_ARGS(qp, cmd),
	    TP_STRUCT__entry(__field(u64, lba)
			     __field(u32, nsid)
			     __field(int, instance)
			     __field(u16, qid)
			     __field(u16, cid)
			     __field(u16, length)
			     __field(u8, opcode)
			     __field(bool, irq)),
	    TP_fast_assign(__entry->instance = qp->ctrl->instance;
			   __entry->nsid = le32_to_cpu(cmd->c.common.nsid);
			   __entry->qid = qp->q.qid;
			   __entry->cid = cmd->c.common.command_id;
			   __entry->opcode = cmd->c.common.opcode;
			   __entry->lba = le64_to_cpu(cmd->c.rw.slba);
			   __entry->length = le16_to_cpu(cmd->c.rw.length);
			   __entry->irq = qp->cmds;),
	    TP_printk("pollnvme%d nsid=%u qid=%u cid=%#x opcode=%#x lba=%llu length=%u %s",
		      __entry->instance, __entry->nsid, __entry->qid, __entry->cid,
		      __entry->opcode, __entry->lba, __entry->length,
		      __entry->irq ? "irq" : "poll")
);

TRACE_EVENT(pollnvme_end,
	    TP_PROTO(const struct pollnvme_qp *qp, const struct pollnvme_cmd *cmd),
	    TP_ARGS(qp, cmd),
	    TP_STRUCT__entry(__field(u64, ns)
			     __field(u32, nsid)
			     __field(int, instance)
			     __field(u16, qid)
			     __field(u16, cid)
			     __field(u16, status)
			     __field(u8, opcode)),
	    TP_fast_assign(__entry->instance = qp->ctrl->instance;
			   __entry->nsid = le32_to_cpu(cmd->c.common.nsid);
			   __entry->qid = qp->q.qid;
			   __entry->cid = cmd->c.common.command_id;
			   __entry->opcode = cmd->c.common.opcode;
			   __entry->status = cmd->status;
			   __entry->ns = ktime_get_ns() - cmd->start_ns;),
	    TP_printk("pollnvme%d nsid=%u qid=%u cid=%#x opcode=%#x status=%#x ns=%llu",
		      __entry->instance, __entry->nsid, __entry->qid, __entry->cid,
		      __entry->opcode, __entry->status, __entry->ns)
);

TRACE_EVENT(pollnvme_spin,
	    TP_PROTO(const struct pollnvme_cmd *cmd, u64 ns, unsigned int looks,
		     bool done),
	    TP_ARGS(cmd, ns, looks, done),
	    TP_STRUCT__entry(__field(u64, ns)
			     __field(u32, nsid)
			     __field(u32, looks)
			     __field(int, instance)
			     __field(u16, qid)
			     __field(u16, cid)
			     __field(u8, opcode)
			     __field(bool, done)),
	    TP_fast_assign(__entry->instance = cmd->qp->ctrl->instance;
			   __entry->nsid = le32_to_cpu(cmd->c.common.nsid);
			   __entry->qid = cmd->qp->q.qid;
			   __entry->cid = cmd->c.common.command_id;
			   __entry->opcode = cmd->c.common.opcode;
			   __entry->ns = ns;
			   __entry->looks = looks;
			   __entry->done = done;),
	    TP_printk("pollnvme%d nsid=%u qid=%u cid=%#x opcode=%#x ns=%llu looks=%u%s",
		      __entry->instance, __entry->nsid, __entry->qid, __entry->cid,
		      __entry->opcode, __entry->ns, __entry->looks,
		      __entry->done ? "" : " not done")
);

#endif /* POLLNVME_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace

#include <trace/define_trace.h>
