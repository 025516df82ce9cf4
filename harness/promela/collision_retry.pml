/*
 * Collision-retry of the interval tree: mmu_interval_notifier_insert() behind its
 * flags, mmu_interval_read_begin(), mmu_interval_read_retry() and
 * mmu_interval_notifier_remove() against mn_itree_start() and mn_itree_end(),
 * mm/mmu_interval_notifier.c.
 *
 * A driver inserts a subscription, reads the page table under collision-retry until
 * its device is programmed, and removes it; all of that twice. Two tasks run sections,
 * three in all. Each section meets the subscription or another one that
 * is always there, or both or none of them, and changes the page table where the
 * first one is; it may be declined, by the subscription itself instead of its work,
 * or by whoever comes after it, so that mn_itree_start() or
 * __mmu_notifier_invalidate_range_start() takes it back with mn_itree_end().
 *
 * The driver's CPU may read the page table early: at any point behind the lock in
 * mmu_interval_read_begin(), by the comment there. The lock is an acquire, so not
 * before. A wait that finds nothing to wait for is no barrier but for the acquire
 * of the sequence; one that sleeps is.
 *
 * Left out: two passes; ranges, of which only meeting matters; that a change of
 * the page table comes before the new sequence of its end, which the unlock of
 * the page table and the lock in mn_itree_end() see to; wait_event() in detail
 * (wake_up). invalidate_seq does not wrap here.
 *
 * Properties:
 *  - the device is never programmed with what is no longer in the page table, nor
 *    between start and end of a section that meets the subscription;
 *  - when the page table changes the device has been stopped;
 *  - the tree never changes while a section walks it;
 *  - after remove the subscription is neither called nor in the tree nor about to
 *    get there;
 *  - everybody goes on (no invalid end state), and the count comes back to zero.
 */
/* wrong: NO_WAIT_IN_BEGIN reads within a section, with the sequence of that section */
/* wrong: READ_ONCE_IN_WAIT no acquire: what was read before the end passes for new */
/* wrong: INSERT_WITH_NEXT_ODD the sequence of the next section: it is overlooked */
/* wrong: INSERT_STAYS_EVEN begin does not wait for sections from before the insert */
/* wrong: EDIT_WHILE_EXCLUDED the tree changes under the feet of a walk */
/* wrong: EVEN_BEFORE_LAST an end that is not the last one ends the exclusion */
/* wrong: NO_UNWINDING a failed start leaves its count: nobody goes on */
/* wrong: NO_WAKE_UP the end wakes nobody */
/* wrong: NO_WAIT_IN_REMOVE called after remove */
/* wrong: REMOVE_WAITS_WITHOUT_LOCK is through before the end has taken it out */
/* wrong: NO_SET_SEQ a driver that does not call mmu_interval_set_seq() */

#define INSERTS 2

mtype = { NOTHING, CURRENT, STALE };

/* struct mmu_notifier_subscriptions */
bool lock;
byte subs_seq = 2, active_invalidate_ranges;
bool waiting;		/* the driver, in subs->wq */

/* The subscription */
byte sub_seq;
bool linked, deferred;

/* What the driver has read of the page table, and whether its device runs on it */
mtype read = NOTHING;
bool device;

/* For the properties */
byte walkers;
byte inside;		/* sections that meet it, between start and end */
bool subscribed;

#define EXCLUDED (subs_seq & 1)

inline tree_changes()
{
	assert(walkers == 0)
}

inline page_table_changes()
{
	if
	:: read == CURRENT -> read = STALE
	:: else
	fi
}

inline mn_itree_end()
{
	atomic { !lock -> lock = true };
	assert(active_invalidate_ranges > 0);
	active_invalidate_ranges--;
	if
#ifdef EVEN_BEFORE_LAST
	:: EXCLUDED ->
#else
	:: active_invalidate_ranges == 0 && EXCLUDED ->
#endif
		/* Seen without the lock, too */
		subs_seq++;
		atomic {
			if
			:: deferred -> deferred = false; tree_changes(); linked = !linked
			:: else
			fi
		};
		lock = false;
#ifndef NO_WAKE_UP
		waiting = false;
#endif
		skip
	:: else -> lock = false
	fi
}

proctype section(byte sections)
{
	byte seq;
	bool meets, meets_other, called, declined;

	do
	:: sections == 0 -> break
	:: else ->
	   /* mn_itree_count() */
	   atomic {
		!lock ->
		sections--;
		if
		:: meets = true
		:: meets = false
		fi;
		if
		:: meets_other = true
		:: meets_other = false
		fi;
		active_invalidate_ranges++;
		called = linked && meets;
		if
		:: called || meets_other -> subs_seq = subs_seq | 1; walkers++
		:: else
		fi;
		seq = subs_seq
	   };

	   /* The driver's callback, under its lock; it may decline */
	   if
	   :: called ->
		atomic {
			assert(subscribed);
#ifndef NO_SET_SEQ
			sub_seq = seq;
#endif
			device = false
		}
	   :: called -> declined = true
	   :: else
	   fi;
	   /* Somebody behind it, in the tree or on the hlist */
	   atomic {
		if
		:: declined = true
		:: true
		fi;
		if
		:: called || meets_other -> walkers--
		:: else
		fi;
		called = false; meets_other = false; seq = 0
	   };

	   if
	   :: !declined ->
		inside = inside + meets;
		atomic {
			if
			:: meets ->
				assert(!device);
				page_table_changes()
			:: else
			fi
		};
		atomic { inside = inside - meets; meets = false };
		mn_itree_end()
	   :: else ->
#ifndef NO_UNWINDING
		mn_itree_end();
#endif
		declined = false; meets = false
	   fi
	od
}

inline mn_itree_insert()
{
	atomic {
		!lock ->
		subscribed = true;
		if
		:: active_invalidate_ranges == 0 ->
#ifdef INSERT_WITH_NEXT_ODD
			sub_seq = subs_seq + 1;
#else
			sub_seq = subs_seq - 1;
#endif
			tree_changes();
			linked = true
#ifndef EDIT_WHILE_EXCLUDED
		:: active_invalidate_ranges > 0 && EXCLUDED ->
			sub_seq = subs_seq;
			deferred = true
#endif
		:: else ->
#ifdef INSERT_STAYS_EVEN
			sub_seq = subs_seq - 1;
#else
			subs_seq = subs_seq | 1;
			sub_seq = subs_seq;
#endif
			tree_changes();
			linked = true
		fi
	}
}

/* @may_look: when the condition can be looked at */
inline wait_event(may_look, condition)
{
	do
	:: waiting = true;
	   atomic { may_look -> over = (condition) };
	   if
	   :: over -> waiting = false; break
	   :: else -> !waiting; slept = true
	   fi
	od;
	over = false
}

/* The CPU may read the page table here, ahead of what comes before */
inline read_early()
{
	if
	:: read == NOTHING -> read = CURRENT
	:: true
	fi
}

inline mmu_interval_read_begin()
{
	atomic { !lock -> lock = true };
	read_early();
	seq = sub_seq;
	read_early();
	invalidating = (seq == subs_seq);
	lock = false;
	slept = false;
#ifndef NO_WAIT_IN_BEGIN
	if
	:: invalidating ->
		read_early();
		wait_event(true, subs_seq != seq);
#ifdef READ_ONCE_IN_WAIT
		if
		:: slept -> read = NOTHING
		:: else
		fi
#else
		read = NOTHING
#endif
	:: else
	fi;
#endif
	invalidating = false
}

inline mmu_interval_notifier_remove()
{
	atomic {
		!lock ->
		assert(linked != deferred);
		if
		:: deferred -> deferred = false
#ifndef EDIT_WHILE_EXCLUDED
		:: !deferred && EXCLUDED -> deferred = true; seq = subs_seq
#endif
		:: else -> tree_changes(); linked = false
		fi
	};
#ifndef NO_WAIT_IN_REMOVE
	if
	:: seq ->
#ifdef REMOVE_WAITS_WITHOUT_LOCK
		wait_event(true, subs_seq != seq)
#else
		wait_event(!lock, subs_seq != seq)
#endif
	:: else
	fi;
#endif
	atomic {
		assert(!linked && !deferred);
		subscribed = false;
		seq = 0; slept = false
	}
}

proctype driver()
{
	byte n, seq;
	bool invalidating, over, slept, programmed;

	do
	:: n == INSERTS -> break
	:: else ->
	   n++;
	   mn_itree_insert();
	   programmed = false;
	   do
	   :: programmed -> break
	   :: !programmed ->
		mmu_interval_read_begin();
		if
		:: read == NOTHING -> read = CURRENT
		:: else
		fi;
		/* Under the driver's lock */
		atomic {
			if
			:: sub_seq == seq ->
				assert(read == CURRENT && inside == 0);
				device = true;
				programmed = true
			:: else
			fi;
			read = NOTHING; seq = 0; slept = false
		}
	   od;
	   device = false;
	   mmu_interval_notifier_remove()
	od
}

init
{
	atomic {
		run section(1); run section(2);
		run driver()
	};
	_nr_pr == 1;
	assert(active_invalidate_ranges == 0 && !EXCLUDED)
}
