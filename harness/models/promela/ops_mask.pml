/*
 * The mask of ops against a flush outside of any section:
 * __mmu_notifier_arch_invalidate_secondary_tlbs() with the inline function before
 * it, against __mmu_notifier_register() of a device that walks the page table
 * itself and starts when registration has returned. mm/mmu_notifier.c.
 *
 * One page table entry, changed once and then flushed. The stores of the flushing
 * CPU and of the registering CPU go through a buffer each, in order; a full
 * barrier and an unlock wait for it to be empty, a lock does not. Mask and phase are
 * loaded from memory past the own buffer: store buffering. The flush has no barrier
 * against that before it has found the op. What makes it right is the grace period of
 * RCU in registration. Assumed of that, and no more: when it is over, a read-side
 * critical section that began before is over, and what its CPU stored before the end
 * of that is in memory.
 *
 * One of three registrations is picked: the first of the mm (mn_hlist_add_first()),
 * which installs the structure; a later one after subscribers without this op
 * (mn_hlist_add_later(): mask, idle list, flip, grace period of SRCU); or one after a
 * subscriber that has it, without a grace period of RCU. The flush that finds no
 * structure executes no barrier: what makes it right is that the entry is changed and
 * flushed under a lock that mn_drain_uncounted() passes.
 *
 * Left out: the page table lock, of which no one here needs anything.
 *
 * Property: when the flush is over the device does not have the old entry in its
 * TLB, and does not fetch it any more.
 */
/* wrong: NO_GRACE_PERIOD the mask is loaded while the entry is in the buffer */
/* wrong: SRCU_ONLY the flush that finds no op is no reader of SRCU */
/* wrong: MASK_OUTSIDE_RCU nor of RCU then: the grace period does not wait for it */
/* wrong: DEVICE_BEFORE_GRACE_PERIOD the barrier on the flushing CPU comes too late */
/* wrong: GRACE_PERIOD_WITHOUT_BARRIER it is over before the mask can be seen */
/* wrong: OPS_AFTER_GRACE_PERIOD the mask is set when the device may start */
/* wrong: NO_DRAIN the first registration does not wait for flushes that found no structure */
/* wrong: FLUSH_WITHOUT_LOCK nor could it, if the flush were under none of the locks */

#include "srcu.h"

mtype = { NOTHING, OLD, NEW };
mtype = { FIRST, LATER, KNOWN };

mtype plan;
bool notifier_subscriptions, ops;
bit phase;
bool hlist[2];		/* whether the device's subscriber is on it */
byte lock_readers;
bool lock_writer;
bool in_rcu, was_in_rcu;

/* Stores that are not yet in memory */
bool pte_buffered;
bool ops_buffered, phase_buffered;

mtype pte = OLD, tlb = NOTHING;
bool device_runs, flushed;

active proctype store_buffer_of_flush()
{
end:	do
	:: atomic { pte_buffered -> pte_buffered = false; pte = NEW }
	od
}

active proctype store_buffer_of_registration()
{
end:	do
	:: atomic { ops_buffered -> ops_buffered = false; ops = true }
	:: atomic {
		phase_buffered && !ops_buffered ->
		phase_buffered = false; phase = 1
	   }
	od
}

inline registration_visible()
{
	!ops_buffered && !phase_buffered
}

inline synchronize_rcu_expedited()
{
#ifdef DEVICE_BEFORE_GRACE_PERIOD
	device_runs = true;
#endif
#ifndef GRACE_PERIOD_WITHOUT_BARRIER
	registration_visible();
#endif
#if !defined(NO_GRACE_PERIOD) && !defined(SRCU_ONLY)
	!in_rcu && !(was_in_rcu && pte_buffered);
#endif
	skip
}

inline mn_hlist_add_first()
{
	hlist[0] = true;
	hlist[1] = true;
#ifndef OPS_AFTER_GRACE_PERIOD
	ops_buffered = true
#endif
}

inline mn_hlist_add_later()
{
#ifndef OPS_AFTER_GRACE_PERIOD
	ops_buffered = true;
#endif
	hlist[1] = true;
	phase_buffered = true;
#ifndef GRACE_PERIOD_WITHOUT_BARRIER
	registration_visible();
#endif
#ifndef NO_GRACE_PERIOD
	synchronize_srcu_expedited();
#endif
	hlist[0] = true
}

init
{
	atomic {
		if
		:: plan = FIRST
		:: plan = LATER; notifier_subscriptions = true
		:: plan = KNOWN; notifier_subscriptions = true; ops = true
		fi;
		run registration(); run device(); run flush()
	}
}

proctype registration()
{
	if
	:: plan == FIRST ->
		/* By a compare-and-exchange, before anything else */
		notifier_subscriptions = true;
		mn_hlist_add_first()
	:: else -> mn_hlist_add_later()
	fi;
	if
	:: plan != KNOWN -> synchronize_rcu_expedited()
	:: else
	fi;
#ifdef OPS_AFTER_GRACE_PERIOD
	ops_buffered = true;
#endif
	if
	:: plan == FIRST ->
#ifndef NO_DRAIN
		atomic { lock_readers == 0 -> lock_writer = true };
		registration_visible();
		lock_writer = false;
#endif
		skip
	:: else
	fi;
	device_runs = true
}

proctype device()
{
	device_runs;
end:	do
	:: atomic { tlb = pte; assert(!(flushed && tlb == OLD)) }
	:: tlb = NOTHING	/* for reasons of its own */
	od
}

inline arch_invalidate_secondary_tlbs()
{
	if
	:: notifier_subscriptions ->
#ifdef MASK_OUTSIDE_RCU
		mask = ops;
		in_rcu = true;
#else
		in_rcu = true;
		mask = ops;
#endif
		if
		:: mask ->
			/* A full barrier in there */
			srcu_read_lock(idx);
			!pte_buffered;
			ph = phase;
			if
			:: hlist[ph] -> tlb = NOTHING
			:: else
			fi;
			srcu_read_unlock(idx)
		:: else
		fi;
		atomic { in_rcu = false; was_in_rcu = true }
	:: else
	fi
}

proctype flush()
{
	bit idx, ph;
	bool mask;

#ifndef FLUSH_WITHOUT_LOCK
	atomic { !lock_writer -> lock_readers++ };
#endif
	pte_buffered = true;
	arch_invalidate_secondary_tlbs();
	atomic { flushed = true; assert(tlb != OLD) };
#ifndef FLUSH_WITHOUT_LOCK
	!pte_buffered;
	lock_readers--
#endif
}
