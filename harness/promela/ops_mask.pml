/*
 * The mask of ops against a flush outside of any section:
 * __mmu_notifier_arch_invalidate_secondary_tlbs() with the inline function before
 * it, against __mmu_notifier_register() of a device that walks the page table
 * itself and starts when registration has returned. mm/mmu_notifier.c.
 *
 * One page table entry, changed once and then flushed. The stores of the flushing
 * CPU and of the registering CPU go through a buffer each, in order; a full
 * barrier and an unlock wait for it to be empty, a lock does not. The mask and the
 * pointer are loaded from memory past the own buffer: store buffering, which two
 * full barriers prevent and which one does not.
 *
 * Two registrations, one of which is picked: a later one, after an hlist subscriber
 * without this op (mn_hlist_add(): mask, idle list, flip, grace period); or the
 * first of the mm (mn_publish(): the pointer, then through the lock). The flush
 * that finds no pointer executes no barrier: what makes it right is that the entry
 * is changed and flushed under a lock that mn_drain_uncounted() passes.
 *
 * Left out: the page table lock, of which no one here needs anything.
 *
 * Property: when the flush is over the device does not have the old entry in its
 * TLB, and does not fetch it any more.
 */
/* wrong: NO_BARRIER no smp_mb(): the mask is loaded while the entry is in the buffer */
/* wrong: DEVICE_BEFORE_GRACE_PERIOD the other side's barrier comes too late */
/* wrong: GRACE_PERIOD_WITHOUT_BARRIER and without it a wait alone is not enough */
/* wrong: OPS_AFTER_GRACE_PERIOD the mask is set when the device may start */
/* wrong: NO_DRAIN the first registration does not wait for who found no pointer */
/* wrong: FLUSH_WITHOUT_LOCK nor could it, if the flush were under none of the locks */

#include "srcu.h"

mtype = { NOTHING, OLD, NEW };

bool notifier_subscriptions, ops;
bit phase;
bool hlist[2];		/* whether the device's subscriber is on it */
bool first;		/* which registration */
byte lock_readers;
bool lock_writer;

/* Stores that are not yet in memory */
bool pte_buffered;
bool pointer_buffered, ops_buffered, phase_buffered;

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
		pointer_buffered && !ops_buffered ->
		pointer_buffered = false; notifier_subscriptions = true
	   }
	:: atomic {
		phase_buffered && !ops_buffered ->
		phase_buffered = false; phase = 1
	   }
	od
}

inline registration_visible()
{
	!ops_buffered && !pointer_buffered && !phase_buffered
}

inline first_registration()
{
	hlist[0] = true;
	hlist[1] = true;
	ops_buffered = true;
	pointer_buffered = true;
#ifndef NO_DRAIN
	atomic { lock_readers == 0 -> lock_writer = true };
	registration_visible();
	lock_writer = false;
#endif
	device_runs = true
}

inline later_registration()
{
#ifndef OPS_AFTER_GRACE_PERIOD
	ops_buffered = true;
#endif
	hlist[1] = true;
	phase_buffered = true;
#ifdef DEVICE_BEFORE_GRACE_PERIOD
	device_runs = true;
#endif
#ifndef GRACE_PERIOD_WITHOUT_BARRIER
	registration_visible();
#endif
	synchronize_srcu_expedited();
	hlist[0] = true;
#ifdef OPS_AFTER_GRACE_PERIOD
	ops_buffered = true;
#endif
	device_runs = true
}

init
{
	atomic {
		if
		:: first = true
		:: notifier_subscriptions = true
		fi;
		run registration(); run device(); run flush()
	}
}

proctype registration()
{
	if
	:: first -> first_registration()
	:: else -> later_registration()
	fi
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
#ifndef NO_BARRIER
		!pte_buffered;
#endif
		if
		:: ops ->
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
		fi
	:: else
	fi
}

proctype flush()
{
	bit idx, ph;

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
