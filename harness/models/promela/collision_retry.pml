/*
 * Collision-retry of the interval tree: mn_itree_insert(), mn_interval_insert(),
 * mmu_interval_read_begin(), mmu_interval_read_retry() and
 * mmu_interval_notifier_remove(), with mn_itree_wait() and mn_slot_overlaps(),
 * against mn_itree_enter(), mn_itree_look(), mn_itree_invalidate() and
 * mn_itree_end(). mm/mmu_interval_notifier.c.
 *
 * A driver inserts an interval, reads the page table under collision-retry until
 * its device is programmed, removes the interval and frees it. Two tasks run sections,
 * two or three in all, and there are two slots, one or none that is not taken by
 * others; or the driver does all of that twice while one task runs two sections. Each
 * section overlaps the interval or does not, and changes the page table. It may be
 * declined, by the interval itself instead of its work, or by another subscriber after
 * it, so that the section is undone with mn_itree_end(). Other intervals that it
 * overlaps show in that, and in that they may fill its first batch: then it comes to
 * the interval after its slot is open, under the lock, and may find one that was not
 * there when the section began.
 *
 * The driver's CPU may read the page table early: after the acquire of the sequence,
 * and not before any other acquire that comes after that. That a load without
 * acquire may come late, and that a store stays in the buffer of its CPU, is said by
 * another order of the statements.
 *
 * Left out: two passes, cursors, and what a walk finds while the tree changes
 * (batch_walk); addresses, of which only the overlap matters; how waiters are woken,
 * and more than one waiter for unslotted sections (wake_up); which slots were ever
 * used (tree_flags). Numbers do not wrap here.
 *
 * Properties:
 *  - the device is never programmed with what is no longer in the page table, nor
 *    between start and end of a section that overlaps the interval;
 *  - when the page table changes the device has been stopped;
 *  - after remove the interval is neither called nor touched nor in the tree;
 *  - begin waits for no section that began after it looked, and for none that does
 *    not overlap the interval, unslotted ones aside;
 *  - no process waits for ever (no invalid end state), and nothing is left of sections.
 */
/* wrong: NO_WAIT_IN_BEGIN reads within a section, with the number of that section */
/* wrong: READ_ONCE_OF_SLOT no acquire: what was read before the end passes for new */
/* wrong: READ_ONCE_OF_UNSLOTTED the same where the section has no slot */
/* wrong: NO_SECOND_LOOK the range is that of the next section: the end was not seen */
/* wrong: PLAIN_OPEN no release: the slot is open before its range is there */
/* wrong: SKIP_LOOKING a section in its walk is not waited for, as it has no range yet */
/* wrong: IGNORE_UNSLOTTED begin looks at the slots only */
/* wrong: SEQ_AFTER_LOOK the number of a section that was not waited for */
/* wrong: WAIT_FOR_NEWER begin waits for sections that began after it in the slot */
/* wrong: SPIN_FOR_NEWER begin waits for the walks of such sections */
/* wrong: LOOK_AFTER_WAIT begin looks into the next slot when it has waited for the first */
/* wrong: COUNT_AFTER_WAIT the unslotted ones are counted when it has waited for a slot */
/* wrong: WAIT_FOR_ALL begin waits for sections elsewhere */
/* wrong: WAIT_FOR_NO_UNSLOTTED begin waits until no section at all is unslotted */
/* wrong: COUNT_FOR_ALL the end of a later unslotted section counts for an earlier one */
/* wrong: NO_GENERATION the end of an unslotted section counts for no waiter */
/* wrong: NO_BARRIER_IN_INSERT begin finds no section, and that one no interval */
/* wrong: INSERT_WITH_LAST_NUMBER of one that comes later in its walk: not noticed */
/* wrong: NUMBER_WITHOUT_SLOT two slots have had the same number of sections */
/* wrong: NUMBER_WITHOUT_COUNT each section in a slot has the same number */
/* wrong: CLAIM_AFTER_WALK begin overlooks a section that has called already */
/* wrong: END_BEFORE_CHANGE as a clear_bit() may be, which orders nothing */
/* wrong: NO_UNDO a declined start leaves its slot taken: no one goes on */
/* wrong: NO_WAIT_IN_REMOVE called after remove */
/* wrong: NO_BARRIER_IN_REMOVE a section that was not found in a slot finds the interval */
/* wrong: NO_SET_SEQ a driver that does not call mmu_interval_set_seq() */

#define NO_SLOT 2

mtype = { NOTHING, CURRENT, STALE };
mtype = { FREE, LOOKING, OPEN };

/* struct mmu_notifier_subscriptions */
byte nr_slots;
mtype slot_state[2] = FREE;
byte slot_count[2];
bool slot_overlaps[2];		/* for its range */
bool lock;
byte unslotted, numbers;
bit generation;			/* there is one waiter at most */
bool waiter;
byte left;

/* The interval */
byte interval_seq;
bool linked, link_buffered;

/* What the driver has read of the page table, and whether its device runs on it */
mtype read = NOTHING;
bool device;

/* For the properties */
byte inside;		/* sections that overlap it, between start and end */
bool subscribed;	/* else its memory may be gone */
bool looked;		/* begin knows what to wait for */
bool slot_newer[2];	/* the section there began after that */
bool slot_truly[2];	/* and really overlaps */
bool is_unslotted[2], unslotted_newer[2];	/* by the task that runs it */

#ifdef NO_BARRIER_IN_INSERT
active proctype store_buffer()
{
end:	do
	:: atomic { link_buffered -> link_buffered = false; linked = true }
	od
}
#endif

inline page_table_changes()
{
	if
	:: read == CURRENT -> read = STALE
	:: else
	fi
}

inline new_number(number)
{
	numbers++;
	number = numbers * 3 + 2
}

/* The compare-and-exchange, a full barrier; or the lock and smp_mb() */
inline claim()
{
	slot = 0;
	do
	:: slot < nr_slots && slot_state[slot] != FREE -> slot++
	:: else -> break
	od;
	if
	:: slot < nr_slots ->
		slot_state[slot] = LOOKING;
		slot_count[slot]++;
		slot_newer[slot] = looked;
		slot_truly[slot] = overlaps;
#if defined(NUMBER_WITHOUT_SLOT)
		seq = slot_count[slot] * 3
#elif defined(NUMBER_WITHOUT_COUNT)
		seq = 3 + slot
#else
		seq = slot_count[slot] * 3 + slot
#endif
	:: else ->
		slot = NO_SLOT;
		unslotted++;
		began = generation;
		is_unslotted[me] = true;
		unslotted_newer[me] = looked;
		new_number(seq)
	fi
}

inline walk()
{
	found = linked && overlaps;
	assert(!found || subscribed)
}

/* A decrement under the lock and the count for waiters; or the exchange */
inline mn_itree_end()
{
	atomic {
		inside = inside - told;
		told = false;
		if
		:: slot != NO_SLOT ->
			assert(slot_state[slot] == OPEN);
			slot_state[slot] = FREE;
			slot_newer[slot] = false;
			slot_truly[slot] = false
		:: else ->
			assert(!lock && unslotted > 0);
			unslotted--;
			is_unslotted[me] = false;
			unslotted_newer[me] = false;
			if
#if defined(COUNT_FOR_ALL)
			:: waiter && left > 0 -> left--
#elif defined(NO_GENERATION)
			:: false
#else
			:: waiter && generation != began -> assert(left > 0); left--
#endif
			:: else
			fi
		fi;
		slot = 0; began = 0; seq = 0
	}
}

proctype section(byte me; byte sections)
{
	byte seq, slot;
	bit began;
	bool overlaps, later, found, declined, told;

	do
	:: sections == 0 -> break
	:: else ->
	   /* mn_itree_enter() */
	   atomic {
		sections--;
		if
		:: overlaps = true
		:: overlaps = true; later = true
		:: overlaps = false
		fi;
#ifdef CLAIM_AFTER_WALK
		if
		:: !later -> walk()
		:: else
		fi
#else
		claim()
#endif
	   };
	   /* mn_itree_look(): in its slot without the lock, otherwise under it */
	   atomic {
#ifdef CLAIM_AFTER_WALK
		claim();
#else
		if
		:: !later -> walk()
		:: else
		fi;
#endif
		if
		:: slot != NO_SLOT ->
#ifdef PLAIN_OPEN
			slot_state[slot] = OPEN
#else
			slot_overlaps[slot] = overlaps
#endif
		:: else
		fi
	   };
	   if
	   :: slot != NO_SLOT ->
#ifdef PLAIN_OPEN
		slot_overlaps[slot] = overlaps
#else
		slot_state[slot] = OPEN
#endif
	   :: else
	   fi;
	   if
	   :: later -> atomic { walk(); later = false }
	   :: else
	   fi;

	   /* The driver's callback, under its lock; it may decline */
	   if
	   :: found ->
		if
		:: atomic {
			assert(subscribed);
#ifndef NO_SET_SEQ
			interval_seq = seq;
#endif
			device = false
		   }
		:: declined = true
		fi
	   :: else
	   fi;
	   /* Another subscriber after it, in the tree or on the hlist, may as well */
	   atomic {
		assert(!found || subscribed);
		found = false;
		if
		:: declined = true
		:: !declined -> told = overlaps; inside = inside + told
		fi
	   };

	   if
	   :: !declined ->
#ifdef END_BEFORE_CHANGE
		mn_itree_end();
#endif
		atomic {
			if
			:: overlaps -> assert(!device); page_table_changes()
			:: else
			fi;
			overlaps = false
		};
#ifndef END_BEFORE_CHANGE
		mn_itree_end();
#endif
		skip
	   :: else ->
		overlaps = false;
#ifndef NO_UNDO
		mn_itree_end();
#endif
		declined = false
	   fi
	od
}

/* The CPU may read the page table here, ahead of what comes before */
inline read_early()
{
	if
	:: in_begin && read == NOTHING -> read = CURRENT
	:: true
	fi
}

/* Nothing that was read early was read before this load */
inline acquire()
{
	if
	:: in_begin -> read = NOTHING
	:: else
	fi
}

inline acquire_of_slot()
{
#ifndef READ_ONCE_OF_SLOT
	acquire();
#endif
	skip
}

inline mmu_interval_notifier_insert()
{
	atomic {
		subscribed = true;
#ifdef INSERT_WITH_LAST_NUMBER
		/* Of the last section in the first slot */
		interval_seq = slot_count[0] * 3;
#else
		/* Of no section: also not of one that may come by here yet */
		new_number(interval_seq);
#endif
#ifdef NO_BARRIER_IN_INSERT
		link_buffered = true
#else
		linked = true
#endif
	}
}

#define same(i) (slot_state[i] != FREE && slot_count[i] == seen[i])

#ifdef SPIN_FOR_NEWER
#define walks(i) (slot_state[i] == LOOKING)
#else
#define walks(i) (slot_state[i] == LOOKING && same(i))
#endif

/* Whether to wait for the section in slot i: seen[i], or 0 */
inline mn_slot_overlaps(i)
{
	atomic {
		if
		:: slot_state[i] != FREE -> seen[i] = slot_count[i]
		:: else -> seen[i] = 0
		fi;
		acquire_of_slot();
		read_early()
	};
	if
	:: seen[i] == 0
	:: else ->
#ifdef SKIP_LOOKING
		if
		:: same(i) && slot_state[i] == LOOKING -> seen[i] = 0
		:: else
		fi;
#else
		/* Spins */
		if
		:: atomic {
			!walks(i) ->
			if
			:: !same(i) -> seen[i] = 0
			:: else
			fi;
			acquire_of_slot();
			read_early()
		   }
		:: walks(i) && !same(i) -> assert(false)
		fi;
#endif
		if
		:: seen[i] == 0
		:: else ->
			atomic { overlap = slot_overlaps[i]; read_early() };
#ifdef WAIT_FOR_ALL
			overlap = true;
#endif
			atomic {
#ifdef NO_SECOND_LOOK
				if
				:: !overlap -> seen[i] = 0
				:: else
				fi;
#else
				if
				:: !overlap || !same(i) -> seen[i] = 0
				:: else
				fi;
				acquire_of_slot();
#endif
				overlap = false;
				read_early()
			}
		fi
	fi
}

#ifdef WAIT_FOR_NEWER
#define awaited(i) (slot_state[i] != FREE)
#else
#define awaited(i) same(i)
#endif

/* mn_slot_over() */
inline mn_slot_wait(i)
{
	if
	:: seen[i] == 0
	:: else ->
		if
		:: atomic { !awaited(i) -> acquire_of_slot(); seen[i] = 0 }
		:: awaited(i) && in_begin && (slot_newer[i] || !slot_truly[i]) ->
			assert(false)
		fi
	fi
}

#ifdef WAIT_FOR_NO_UNSLOTTED
#define unslotted_over (unslotted == 0)
#else
#define unslotted_over (left == 0)
#endif
#define older_unslotted ((is_unslotted[0] && !unslotted_newer[0]) || \
			 (is_unslotted[1] && !unslotted_newer[1]))

inline look_at_unslotted(result)
{
#ifdef IGNORE_UNSLOTTED
	result = false;
#else
	atomic {
		result = (unslotted != 0);
#ifndef READ_ONCE_OF_UNSLOTTED
		acquire();
#endif
		read_early()
	}
#endif
}

/* In the opposite order, so that the last look is at another word */
inline mn_itree_busy()
{
	atomic {
		busy = (slot_state[0] != FREE);
		acquire_of_slot();
		read_early()
	};
	if
	:: nr_slots == 2 ->
		atomic {
			busy = busy || slot_state[1] != FREE;
			acquire_of_slot();
			read_early()
		}
	:: else
	fi;
	look_at_unslotted(wait_unslotted);
	busy = busy || wait_unslotted;
	wait_unslotted = false
}

inline mn_waiter_add()
{
	if
	:: wait_unslotted ->
		atomic {
			left = unslotted;
			generation = 1 - generation;
			waiter = true
		}
	:: else
	fi
}

inline mn_itree_wait()
{
	look_at_unslotted(wait_unslotted);
#ifndef COUNT_AFTER_WAIT
	mn_waiter_add();
#endif
	mn_slot_overlaps(0);
#ifdef LOOK_AFTER_WAIT
	looked = in_begin;
	mn_slot_wait(0);
#endif
	if
	:: nr_slots == 2 -> mn_slot_overlaps(1)
	:: else
	fi;
	looked = in_begin;
	mn_slot_wait(0);
	mn_slot_wait(1);
#ifdef COUNT_AFTER_WAIT
	mn_waiter_add();
#endif
	if
	:: wait_unslotted ->
		/* mn_waiter_wait() */
		if
		:: atomic { unslotted_over -> acquire(); waiter = false; left = 0 }
		:: !unslotted_over && in_begin && !older_unslotted ->
			assert(false)
		fi;
		wait_unslotted = false
	:: else
	fi
}

inline wait_if_busy()
{
	mn_itree_busy();
	if
	:: busy -> busy = false; mn_itree_wait()
	:: else
	fi
}

inline mmu_interval_read_begin()
{
	atomic {
		in_begin = true;
		seq = interval_seq;
		read_early()
	};
#ifndef NO_WAIT_IN_BEGIN
	wait_if_busy();
#endif
#ifdef SEQ_AFTER_LOOK
	seq = interval_seq;
#endif
	skip
}

inline mmu_interval_notifier_remove()
{
#ifdef NO_BARRIER_IN_REMOVE
	wait_if_busy();
#endif
	atomic { !link_buffered -> assert(linked); linked = false };
#if !defined(NO_WAIT_IN_REMOVE) && !defined(NO_BARRIER_IN_REMOVE)
	wait_if_busy();
#endif
	atomic { subscribed = false; interval_seq = 0 }
}

proctype driver(byte inserts)
{
	byte n, seq, seen[2];
	bool in_begin, overlap, busy, wait_unslotted, programmed;

	do
	:: n == inserts -> break
	:: else ->
	   n++;
	   mmu_interval_notifier_insert();
	   programmed = false;
	   do
	   :: programmed -> break
	   :: !programmed ->
		mmu_interval_read_begin();
		atomic {
			in_begin = false; looked = false;
			slot_newer[0] = false; slot_newer[1] = false;
			unslotted_newer[0] = false; unslotted_newer[1] = false;
			if
			:: read == NOTHING -> read = CURRENT
			:: else
			fi
		};
		/* mmu_interval_read_retry(), under the driver's lock */
		atomic {
			if
			:: interval_seq == seq ->
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
		:: nr_slots = 0; run section(0, 1); run section(1, 1); run driver(1)
		:: nr_slots = 1; run section(0, 1); run section(1, 2); run driver(1)
		:: nr_slots = 2; run section(0, 1); run section(1, 1); run driver(1)
		:: nr_slots = 1; run section(0, 2); run driver(2)
		fi
	};
	_nr_pr == 1;
	assert(slot_state[0] == FREE && slot_state[1] == FREE && unslotted == 0)
}
