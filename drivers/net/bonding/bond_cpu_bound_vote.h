/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which slave's receive work runs on a CPU: the pure part of what the
 * cpu-bound policy learns, shared with the unit test.
 *
 * Whoever receives votes for its slave. Slaves are known by slots, small
 * numbers that are theirs while they are in the bond, so that nothing in here
 * can point to a slave that has gone.
 */
#ifndef _BOND_CPU_BOUND_VOTE_H
#define _BOND_CPU_BOUND_VOTE_H

#include <linux/compiler.h>
#include <linux/types.h>

/* no slave; a slave that found no slot has it too, and is never learned */
#define BOND_CPU_BOUND_NO_SLOT	0
#define BOND_CPU_BOUND_SLOTS	256

/* By how many packets a candidate has to be ahead. A NIC hands over up to 64 in
 * a row (NAPI_POLL_WEIGHT), so less would let one take over by sheer luck from
 * another whose packets come to this CPU as often.
 */
#define BOND_CPU_BOUND_CREDIT	1024

/**
 * struct bond_cpu_bound_vote - what one CPU has learned in one bond
 * @owner: slot of the slave that the CPU was found to serve
 * @candidate: slot of the slave that may take the CPU over
 * @credit: how far @candidate is ahead
 *
 * Written by its CPU alone, softirqs disabled, but for a slot's clearing. That
 * and its readers elsewhere need no order, only whole bytes.
 */
struct bond_cpu_bound_vote {
	u8 owner;
	u8 candidate;
	u16 credit;
};

/**
 * bond_cpu_bound_vote() - a packet came in on this CPU
 * @vote: of this CPU
 * @slot: of the slave it came by, not BOND_CPU_BOUND_NO_SLOT
 *
 * A candidate gains one for each of its packets and loses two for each of the
 * others'. So it takes a CPU over only when it brings more than two thirds of
 * what comes in there, for long enough; slaves that share a CPU evenly leave
 * it to whom it belongs. While its owner alone receives nothing is written.
 */
static inline void bond_cpu_bound_vote(struct bond_cpu_bound_vote *vote,
				       u8 slot)
{
	u8 owner = READ_ONCE(vote->owner);

	if (slot == READ_ONCE(vote->candidate) && slot != owner) {
		if (++vote->credit < BOND_CPU_BOUND_CREDIT)
			return;
		WRITE_ONCE(vote->owner, slot);
		vote->credit = 0;
	} else if (vote->credit > 2) {
		vote->credit -= 2;
	} else if (slot != owner) {
		WRITE_ONCE(vote->candidate, slot);
		vote->credit = 1;
	} else if (vote->credit) {
		vote->credit = 0;
	}
}

/**
 * bond_cpu_bound_vote_forget() - a slot gets a new slave
 * @vote: of any CPU
 * @slot: slot that no slave has now, so that nobody votes for it meanwhile
 */
static inline void bond_cpu_bound_vote_forget(struct bond_cpu_bound_vote *vote,
					      u8 slot)
{
	if (READ_ONCE(vote->owner) == slot)
		WRITE_ONCE(vote->owner, BOND_CPU_BOUND_NO_SLOT);
	if (READ_ONCE(vote->candidate) == slot)
		WRITE_ONCE(vote->candidate, BOND_CPU_BOUND_NO_SLOT);
}

#endif /* _BOND_CPU_BOUND_VOTE_H */
