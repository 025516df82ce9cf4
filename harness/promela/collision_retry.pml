/*
 * Collision-retry of the interval tree: mmu_interval_notifier_insert() behind its
 * flags, mmu_interval_read_begin(), mmu_interval_read_retry() and
 * mmu_interval_notifier_remove() against mn_itree_start() and mn_itree_end(),
 * mm/mmu_interval_notifier.c.
 *
 * A driver inserts a subscription, reads the page table under collision-retry until
 * its device is programmed, removes it and frees it; all of that twice. Two tasks run
 * sections, three in all. There is one place for sections, or two: picked at the
 * beginning. Each section meets the subscription or it does not, and changes the page
 * table; it may be declined, by the subscription itself instead of its work, or by
 * whoever comes after it, so that __mmu_notifier_invalidate_range_start() takes it
 * back with mn_itree_end(). Others that it meets show in that, and in that they may
 * fill its first batch: then it comes to the subscription when it holds the lock for
 * another time, and may find one that was not there when the section began.
 *
 * The driver's CPU may read the page table early: at any point behind the lock in
 * mmu_interval_read_begin(), by the comment there. The lock is an acquire, so not
 * before. A wait that finds nothing to wait for is no barrier but for the acquires in
 * mn_itree_meets(); one that sleeps is. That a load without acquire may come late, and
 * an atomic without ordering early, is said by another order of the statements.
 *
 * Left out: two passes, and how a section keeps its place in the tree (batch_walk);
 * ranges, of which only meeting matters; wait_event() in detail, and what makes the
 * bits of subs->running atomic (wake_up). Numbers do not wrap here.
 *
 * Properties:
 *  - the device is never programmed with what is no longer in the page table, nor
 *    between start and end of a section that meets the subscription;
 *  - when the page table changes the device has been stopped;
 *  - after remove the subscription is neither called nor touched nor in the tree;
 *  - begin waits for no section that began after it, and for none that does not meet
 *    the subscription, sections without a place aside;
 *  - everybody goes on (no invalid end state), and nothing is left of the sections.
 */
/* wrong: NO_WAIT_IN_BEGIN reads within a section, with the number of that section */
/* wrong: READ_ONCE_OF_RUNNING no acquire: what was read before the end passes for new */
/* wrong: READ_ONCE_OF_UNPLACED the same where the section has no place */
/* wrong: IGNORE_UNPLACED begin looks at the places only */
/* wrong: SEQ_AFTER_WAIT the number of a section that nobody has waited for */
/* wrong: WAIT_BELOW_LAST begin overlooks the last one that began before it */
/* wrong: WAIT_FOR_NEWER begin is starved by sections that began after it */
/* wrong: WAIT_FOR_ALL begin is starved by sections elsewhere */
/* wrong: INSERT_WITH_NEXT_SEQ the number of the next section: it is overlooked */
/* wrong: INSERT_WITH_LAST_SEQ of one that comes later in its walk: hides one between */
/* wrong: SEQ_OF_ALL one number as long as sections run */
/* wrong: PLACE_AFTER_WALK begin overlooks a section that has called already */
/* wrong: END_BEFORE_CHANGE as a clear_bit() may be, which orders nothing */
/* wrong: NO_UNWINDING a failed start leaves its place taken: nobody goes on */
/* wrong: NO_WAKE_UP the end wakes nobody */
/* wrong: NO_WAIT_IN_REMOVE called after remove */
/* wrong: PIN_LEAVING pinned between the end of the wait and the removal */
/* wrong: UNPIN_ASKS_LEAVING touched when remove may have returned */
/* wrong: NO_SET_SEQ a driver that does not call mmu_interval_set_seq() */

#define INSERTS 2

mtype = { NOTHING, CURRENT, STALE };

/* struct mmu_notifier_subscriptions */
bool lock;
byte subs_seq = 1;
byte places;		/* MN_PLACES */
byte running, unplaced;
bool place_meets[2];
byte place_seq[2];
bool waiting;		/* the driver, in subs->wq */

/* The subscription */
byte sub_seq, calls;
bool linked, leaving;

/* What the driver has read of the page table, and whether its device runs on it */
mtype read = NOTHING;
bool device;

/* For the properties */
byte inside;		/* sections that meet it, between start and end */
bool subscribed;	/* else its memory may be gone */
bool begun;		/* the driver is in begin, and knows what to wait for */
bool place_newer[2];	/* than that */

#define taken(i) ((running >> (i)) & 1)

inline page_table_changes()
{
	if
	:: read == CURRENT -> read = STALE
	:: else
	fi
}

inline mn_itree_wake()
{
	waiting = false
}

inline mn_itree_take_place()
{
	place = 0;
	do
	:: place < places && taken(place) -> place++
	:: else -> break
	od;
	if
	:: place < places ->
		place_meets[place] = meets;
		place_seq[place] = seq;
		place_newer[place] = begun;
		running = running | (1 << place)
	:: else -> unplaced++
	fi
}

inline mn_itree_enter()
{
#ifdef SEQ_OF_ALL
	if
	:: running == 0 && unplaced == 0 -> subs_seq++
	:: else
	fi;
#else
	subs_seq++;
#endif
	seq = subs_seq;
#ifndef PLACE_AFTER_WALK
	mn_itree_take_place();
#endif
	skip
}

inline mn_itree_end()
{
	atomic {
		inside = inside - told;
		told = false;
		if
		:: place < places ->
			assert(taken(place));
			running = running - (1 << place);
			/* Nobody looks at it from now on */
			place_meets[place] = false;
			place_seq[place] = 0;
			place_newer[place] = false
		:: else -> assert(unplaced > 0); unplaced--
		fi;
		place = 0
	};
#ifndef NO_WAKE_UP
	mn_itree_wake();
#endif
	skip
}

inline mn_itree_pin()
{
	if
#ifdef PIN_LEAVING
	:: linked ->
#else
	:: linked && !leaving ->
#endif
		assert(subscribed);
		calls++;
		pinned = true
	:: else
	fi
}

inline mn_itree_unpin()
{
	atomic {
		assert(subscribed && calls > 0);
		calls--;
		pinned = false;
		wake = (calls == 0)
	};
#ifdef UNPIN_ASKS_LEAVING
	atomic { assert(subscribed); wake = leaving };
#endif
	if
	:: wake ->
		mn_itree_wake();
		wake = false
	:: else
	fi
}

proctype section(byte sections)
{
	byte seq, place;
	bool meets, later, pinned, wake, declined, told;

	do
	:: sections == 0 -> break
	:: else ->
	   /* mn_itree_start(), up to where it gives the lock back */
	   atomic {
		!lock ->
		sections--;
		if
		:: meets = true
		:: meets = true; later = true
		:: meets = false
		fi;
		mn_itree_enter();
		if
		:: meets && !later -> mn_itree_pin()
		:: else
		fi
	   };
	   if
	   :: later -> atomic { !lock -> mn_itree_pin(); later = false }
	   :: else
	   fi;

	   /* The driver's callback, under its lock; it may decline */
	   if
	   :: pinned ->
		if
		:: atomic {
			assert(subscribed);
#ifndef NO_SET_SEQ
			sub_seq = seq;
#endif
			device = false
		   }
		:: declined = true
		fi;
		mn_itree_unpin()
	   :: else
	   fi;
	   /* Somebody behind it, in the tree or on the hlist, may as well */
	   atomic {
#ifdef PLACE_AFTER_WALK
		mn_itree_take_place();
#endif
		if
		:: declined = true
		:: !declined -> told = meets; inside = inside + told
		fi;
		seq = 0
	   };

	   if
	   :: !declined ->
#ifdef END_BEFORE_CHANGE
		mn_itree_end();
#endif
		atomic {
			if
			:: meets -> assert(!device); page_table_changes()
			:: else
			fi;
			meets = false
		};
#ifndef END_BEFORE_CHANGE
		mn_itree_end();
#endif
		skip
	   :: else ->
		meets = false;
#ifndef NO_UNWINDING
		mn_itree_end();
#endif
		declined = false
	   fi
	od
}

inline mn_itree_insert()
{
	atomic {
		!lock ->
		subscribed = true;
		leaving = false;
#if defined(INSERT_WITH_NEXT_SEQ)
		sub_seq = subs_seq + 1;
#elif defined(INSERT_WITH_LAST_SEQ)
		sub_seq = subs_seq;
#else
		/* Of no section: also not of one that runs, and may come by here yet */
		subs_seq++;
		sub_seq = subs_seq;
#endif
		linked = true
	}
}

/* The CPU may read the page table here, ahead of what comes before */
inline read_early()
{
	if
	:: read == NOTHING -> read = CURRENT
	:: true
	fi
}

/* Nothing that was read early was read before this load */
inline acquire()
{
	read = NOTHING
}

inline look_at_unplaced()
{
#ifndef IGNORE_UNPLACED
	over = over && unplaced == 0;
#endif
#ifndef READ_ONCE_OF_UNPLACED
	acquire();
#endif
	skip
}

#if defined(WAIT_FOR_NEWER)
#define awaited(i) (taken(i) && place_meets[i])
#elif defined(WAIT_FOR_ALL)
#define awaited(i) (taken(i) && place_seq[i] <= last)
#elif defined(WAIT_BELOW_LAST)
#define awaited(i) (taken(i) && place_meets[i] && place_seq[i] < last)
#else
#define awaited(i) (taken(i) && place_meets[i] && place_seq[i] <= last)
#endif
#define older(i) (taken(i) && place_meets[i] && !place_newer[i])

inline look_at_running()
{
	if
	:: awaited(0) || awaited(1) -> over = false; assert(older(0) || older(1))
	:: else
	fi;
#ifndef READ_ONCE_OF_RUNNING
	acquire();
#endif
	skip
}

/* Under the lock, which ends do not take: @over, unless a section runs that meets */
inline mn_itree_meets()
{
	atomic {
		over = true;
#ifdef READ_ONCE_OF_UNPLACED
		look_at_running();
#else
		look_at_unplaced();
#endif
		read_early()
	};
	atomic {
#ifdef READ_ONCE_OF_UNPLACED
		look_at_unplaced();
#else
		look_at_running();
#endif
		lock = false
	}
}

inline mmu_interval_read_begin()
{
	atomic {
		!lock ->
		lock = true;
		read_early();
		seq = sub_seq;
		last = subs_seq;
		begun = true
	};
	mn_itree_meets();
#ifndef NO_WAIT_IN_BEGIN
	do
	:: over -> break
	:: !over ->
		waiting = true;
		atomic { !lock -> lock = true };
		mn_itree_meets();
		if
		:: over -> waiting = false
		:: else -> atomic { !waiting -> acquire() }
		fi
	od;
#endif
#ifdef SEQ_AFTER_WAIT
	seq = sub_seq;
#endif
	skip
}

inline mmu_interval_notifier_remove()
{
	atomic {
		!lock ->
		assert(linked && !leaving);
		leaving = true;
		pinned = (calls > 0);
		if
		:: !pinned -> linked = false
		:: else
		fi
	};
	if
	:: pinned ->
#ifndef NO_WAIT_IN_REMOVE
		do
		:: waiting = true;
		   if
		   :: calls == 0 -> waiting = false; break
		   :: else -> !waiting
		   fi
		od;
#endif
		atomic { !lock -> linked = false; pinned = false }
	:: else
	fi;
	atomic { assert(!linked); subscribed = false; sub_seq = 0 }
}

proctype driver()
{
	byte n, seq, last;
	bool over, pinned, programmed;

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
		atomic {
			over = false; last = 0; begun = false;
			place_newer[0] = false; place_newer[1] = false;
			if
			:: read == NOTHING -> read = CURRENT
			:: else
			fi
		};
		/* Under the driver's lock */
		atomic {
			if
			:: sub_seq == seq ->
				assert(read == CURRENT && inside == 0);
				device = true;
				programmed = true
			:: else
			fi;
			read = NOTHING; seq = 0
		}
	   od;
	   device = false;
	   mmu_interval_notifier_remove()
	od
}

init
{
	atomic {
		if
		:: places = 1
		:: places = 2
		fi;
		run section(1); run section(2);
		run driver()
	};
	_nr_pr == 1;
	assert(running == 0 && unplaced == 0 && calls == 0)
}
