/*
 * MN_RANGE_ITREE and itree_ready: mn_itree_enable() and the path without mmap_lock
 * of mmu_interval_notifier_insert(), mm/mmu_interval_notifier.c (the former in
 * mm/mmu_notifier.c), against __mmu_notifier_invalidate_range_start() and its end.
 *
 * Two tasks insert the first two intervals of an mm, at once. Whether an hlist
 * subscriber has brought mm->notifier_subscriptions before them is left open, so
 * that mn_itree_enable() takes either branch; where it has not, the drain is one
 * lock that stands for all (publish_drain). Two tasks run two sections each.
 *
 * Left out: what the tree does with a section that it counts (collision_retry).
 * mmap_lock is a mutex among those who insert.
 *
 * Properties:
 *  - when an insert begins to change the tree no section is running that the tree
 *    does not count, and none begins after that;
 *  - what such sections have changed is seen by who reads after the insert;
 *  - the tree is told the end of each section that it counted, and of no other.
 */
/* wrong: TRUST_OP the insert without mmap_lock tests the op */
/* wrong: READY_BEFORE_DRAIN itree_ready is seen before the wait is over */
/* wrong: PLAIN_READY_LOAD no acquire: the page table is read before itree_ready */
/* wrong: NO_SYNCHRONIZE sections that did not see the op are not waited for */
/* wrong: NO_DRAIN sections that saw no structure are not waited for */
/* wrong: OP_BEFORE_READ_LOCK a section looks at the op before it is counted */
/* wrong: OP_AFTER_PUBLISH the first structure is published without the op */
/* wrong: END_ASKS_OP end asks the op rather than the range */

#include "srcu.h"

#define SECTIONS_EACH 2

bool notifier_subscriptions, op_itree, itree_ready;
bool mmap_lock;
byte lock_readers;	/* i_mmap_rwsem, or any other of the locks */
byte counted;		/* sections in subs->running and subs->unplaced */

/* For the properties */
bool inserted;
byte uncounted;		/* sections running that the tree does not count */
byte pte;		/* how often such sections have changed it */

init
{
	atomic {
		if
		:: notifier_subscriptions = true
		:: true
		fi;
		run section(); run section();
		run insert(); run insert()
	}
}

proctype section()
{
	byte n;
	bit idx;
	bool started, early, itree;

	do
	:: n == SECTIONS_EACH -> break
	:: else ->
	   n++;
	   lock_readers++;

	   /* start */
	   atomic {
		started = notifier_subscriptions;
		if
		:: !started -> uncounted++; assert(!inserted)
		:: else
		fi
	   };
	   if
	   :: started ->
#ifdef OP_BEFORE_READ_LOCK
		early = op_itree;
		srcu_read_lock(idx);
#else
		srcu_read_lock(idx);
		early = op_itree;
#endif
		atomic {
			itree = early;
			if
			:: itree -> counted++
			:: else -> uncounted++; assert(!inserted)
			fi
		}
	   :: else
	   fi;

	   atomic {
		if
		:: !itree -> pte++
		:: else
		fi
	   };

	   /* end */
#ifdef END_ASKS_OP
	   atomic { assert(!started || itree == op_itree) };
#endif
	   atomic {
		if
		:: itree -> counted--
		:: else -> uncounted--
		fi;
		itree = false; early = false
	   };
	   if
	   :: started -> srcu_read_unlock(idx)
	   :: else
	   fi;
	   atomic { started = false; lock_readers-- }
	od
}

inline mn_itree_enable()
{
	if
	:: !notifier_subscriptions ->
#ifndef OP_AFTER_PUBLISH
		op_itree = true;
#endif
		notifier_subscriptions = true;
#ifdef READY_BEFORE_DRAIN
		itree_ready = true;
#endif
#ifndef NO_DRAIN
		/* mn_drain_uncounted() */
		lock_readers == 0;
#endif
#ifdef OP_AFTER_PUBLISH
		op_itree = true;
#endif
		skip
	:: else ->
		if
		:: !itree_ready ->
			op_itree = true;
#ifdef READY_BEFORE_DRAIN
			itree_ready = true;
#endif
#ifndef NO_SYNCHRONIZE
			synchronize_srcu_expedited();
#endif
			skip
		:: else
		fi
	fi;
	itree_ready = true
}

proctype insert()
{
	bool ready;
	byte read;

#ifdef PLAIN_READY_LOAD
	/* Where the CPU may do it that takes the short path */
	read = pte;
#endif
	if
	:: notifier_subscriptions ->
#ifdef TRUST_OP
		ready = op_itree
#else
		ready = itree_ready
#endif
	:: else
	fi;
	if
	:: !ready ->
		atomic { !mmap_lock -> mmap_lock = true };
		mn_itree_enable();
#ifdef PLAIN_READY_LOAD
		read = pte;
#endif
		mmap_lock = false
	:: else
	fi;

	/* mn_itree_insert() */
	atomic { assert(uncounted == 0); inserted = true };
#ifndef PLAIN_READY_LOAD
	read = pte;
#endif
	assert(read == pte)
}
