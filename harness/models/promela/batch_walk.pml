/*
 * How a section gets along the interval tree, which changes meanwhile: the walk
 * without the lock in mn_itree_look() and mn_itree_collect(), the one under it in
 * mn_itree_collect_locked(), cursors, calls and second passes in
 * mn_itree_invalidate(), against mn_itree_insert(), mn_itree_leave(),
 * mn_itree_leave_late() and mmu_interval_notifier_remove().
 * mm/mmu_interval_notifier.c.
 *
 * Four intervals, in the order of the tree. Two tasks run a section each. One overlaps
 * all that are in the tree; the other one does so too, or only walks by them. Each
 * interval that is called may decline. Two other tasks each remove and free one of
 * those in the middle; one of these inserts it again. One of these two has a second
 * pass.
 *
 * The tree is a list here. A change of it takes two steps, between which no walk gets
 * past it, as when a tree is rotated; a walk that is on a node that was unlinked still
 * gets from there to where its link led. What is done under subs->lock and no one
 * without it can see is one step.
 *
 * Left out: sequences, and what becomes of the page tables (collision_retry); that a
 * walk ends (mn_itree_up()); wait_event() in detail (wake_up); sections without a
 * slot, which walk under the lock only.
 *
 * Properties:
 *  - a section that is not declined calls each interval once that is there from before
 *    its start and is not removed before its walk is over;
 *  - it calls none twice that has not been removed and inserted meanwhile;
 *  - it goes on from no cursor that is not in the tree;
 *  - no interval is walked over, called or touched after its remove; none is unlinked
 *    twice;
 *  - no process waits for ever (no invalid end state), and none is left as a cursor.
 */
/* wrong: NO_SEQCOUNT a walk trusts what it found while the tree changed */
/* wrong: SEQCOUNT_EARLY the count is compared before the walk is over */
/* wrong: ODD_IS_EVEN a walk that began in the middle of a change is trusted */
/* wrong: OPEN_BEFORE_WALK remove does not wait for one that only walks by */
/* wrong: FULL_BATCH_TRUSTED its last one is unlinked before it is a cursor */
/* wrong: NO_CURSOR a section goes on from the last one of a batch, which is unlinked */
/* wrong: UNLINK_CURSOR remove takes a cursor out at once */
/* wrong: NO_WAIT remove does not wait */
/* wrong: LATE_WITHOUT_LOOK the unlinking of a cursor does not wait for walks */
/* wrong: LOOK_BEFORE_LATE no barrier: waits for walks, and then unlinks the cursor */
/* wrong: FIND_LEAVING a section that remove does not wait for finds a cursor */
/* wrong: LEAVING_ENDS_WALK those behind one that leaves are not called */
/* wrong: ONE_BATCH those behind a full batch are not called */
/* wrong: CALL_CURSOR_TWICE as the last one of a batch and the first one of the next */
/* wrong: DECLINED_KEEPS_CURSOR a section that is declined keeps its cursor */
/* wrong: FINISH_AFTER_END the second pass comes after remove */

#define SUBS 4
#define END 4
#define HEAD 5
#define MN_BATCH 2
#define FIRST_TO_LEAVE 1
#define TWO_PASSES 1

mtype = { FREE, LOOKING, OPEN };

/* The tree and the intervals */
byte next[6];
byte changes;
bool lock;
byte leaving, cursors[SUBS];

/* The slots, by section */
mtype slot[2] = FREE;
bool overlaps[2];

/* For the properties */
byte tree = 15;
byte subscribed = 15;	/* the memory of others may be gone */
byte called[2];		/* by each section */
byte must_call[2];

#define bit_of(set, sub) (((set) >> (sub)) & 1)
#define touch(sub) assert((sub) >= SUBS || bit_of(subscribed, sub))

/* Take in the interval that the walk is on, and go to the next one */
inline collect_one()
{
	touch(node);
	if
#ifndef FIND_LEAVING
	:: bit_of(leaving, node) ->
#ifdef LEAVING_ENDS_WALK
		node = END
#else
		node = next[node]
#endif
#endif
	:: else ->
		if
		:: overlap -> batch[count] = node; count++
		:: else
		fi;
		node = next[node]
	fi
}

/* Under the lock, in one step */
inline mn_itree_collect_locked()
{
	count = 0;
	do
	:: node == END || count == MN_BATCH -> break
	:: else -> collect_one()
	od;
	if
#ifndef NO_CURSOR
	:: count == MN_BATCH -> cursors[batch[MN_BATCH - 1]]++
#endif
	:: else
	fi;
	node = 0
}

inline mn_itree_first_pass(sub)
{
	atomic {
		touch(sub);
		assert(!bit_of(called[me], sub));
		called[me] = called[me] | (1 << sub);
		second = second || sub == TWO_PASSES;
		if
		:: declined = true
		:: true
		fi
	}
}

inline mn_itree_second_pass()
{
	if
	:: second -> touch(TWO_PASSES); second = false
	:: else
	fi
}

proctype section(bit me; bool overlap)
{
	byte batch[MN_BATCH], node, count, i, seen;
	bool valid, declined, second;

	/* The claim */
	atomic {
		overlaps[me] = overlap;
#ifdef OPEN_BEFORE_WALK
		slot[me] = OPEN;
#else
		slot[me] = LOOKING;
#endif
		must_call[me] = (overlap -> tree & (15 - leaving) : 0)
	};
#ifdef ODD_IS_EVEN
	seen = changes;
#else
	seen = changes - changes % 2;
#endif
	node = next[HEAD];
#ifdef SEQCOUNT_EARLY
	valid = (changes == seen);
#endif
	do
	:: node == END || count == MN_BATCH -> break
	:: else -> atomic { collect_one() }
	od;
#ifndef SEQCOUNT_EARLY
	valid = (changes == seen);
#endif
#ifdef NO_SEQCOUNT
	valid = true;
#endif
#ifdef FULL_BATCH_TRUSTED
	slot[me] = OPEN;
	if
	:: valid && count == MN_BATCH ->
		atomic { !lock -> cursors[batch[MN_BATCH - 1]]++ }
	:: else
	fi;
#else
	atomic { valid = valid && count < MN_BATCH; slot[me] = OPEN };
#endif
	if
	:: valid
	:: else -> atomic { !lock -> node = next[HEAD]; mn_itree_collect_locked() }
	fi;
	atomic { valid = false; seen = 0; node = 0 };

	do
	::
	   do
	   :: i == count || declined -> break
	   :: else ->
		mn_itree_first_pass(batch[i]);
		i++
	   od;
	   if
	   :: count < MN_BATCH -> break
#ifdef ONE_BATCH
	   :: else -> atomic { !lock -> cursors[batch[MN_BATCH - 1]]-- }; break
#else
#ifdef DECLINED_KEEPS_CURSOR
	   :: count == MN_BATCH && declined -> break
	   :: count == MN_BATCH && !declined ->
#else
	   :: else ->
#endif
		atomic {
			!lock ->
			i = 0;
			node = batch[MN_BATCH - 1];
			touch(node);
#ifndef NO_CURSOR
			assert(cursors[node] > 0);
			cursors[node]--;
#endif
			if
			:: declined -> node = END
			:: else ->
				assert(bit_of(tree, node));
#ifndef CALL_CURSOR_TWICE
				node = next[node]
#endif
			fi;
			mn_itree_collect_locked()
		}
#endif
	   fi
	od;
#ifndef FINISH_AFTER_END
	mn_itree_second_pass();
#endif
	atomic {
		assert(declined || (called[me] & must_call[me]) == must_call[me]);
		called[me] = 0; must_call[me] = 0;
		batch[0] = 0; batch[1] = 0; count = 0; i = 0; declined = false;
		slot[me] = FREE
	};
#ifdef FINISH_AFTER_END
	mn_itree_second_pass();
#endif
	skip
}

/* The one before @sub that is in the tree */
inline find_before(sub)
{
	before = HEAD;
	do
	:: next[before] == END || next[before] >= sub -> break
	:: else -> before = next[before]
	od
}

/* Under the lock. What is behind @before is hidden in between. */
inline change_link(to)
{
	changes++;
	atomic { after = to; next[before] = END };
	next[before] = after;
	atomic { changes++; before = 0; after = 0 }
}

inline mn_itree_unlink(sub)
{
	atomic {
		assert(bit_of(tree, sub));
		find_before(sub);
		assert(next[before] == sub)
	};
	change_link(next[sub]);
	tree = tree - (1 << sub)
}

/* Until its walk is over; the next one there does not find what was unlinked */
inline look_into_slots()
{
	slot[0] != LOOKING;
	slot[1] != LOOKING
}

inline mmu_interval_notifier_remove(sub)
{
	/* mn_itree_leave() */
	atomic {
		!lock ->
		lock = true;
		leaving = leaving | (1 << sub);
		must_call[0] = must_call[0] & (15 - (1 << sub));
		must_call[1] = must_call[1] & (15 - (1 << sub));
		linked = (cursors[sub] > 0)
#ifdef UNLINK_CURSOR
		; linked = false
#endif
	};
	if
	:: !linked -> mn_itree_unlink(sub)
	:: else
	fi;
	lock = false;
	/* mn_itree_wait() */
#ifndef NO_WAIT
	look_into_slots();
	slot[0] == FREE || !overlaps[0];
	slot[1] == FREE || !overlaps[1];
#endif
	if
	:: linked ->
#ifdef LOOK_BEFORE_LATE
		look_into_slots();
#endif
		atomic { !lock -> lock = true };
		mn_itree_unlink(sub);
		lock = false;
#if !defined(LATE_WITHOUT_LOOK) && !defined(LOOK_BEFORE_LATE)
		look_into_slots();
#endif
		linked = false
	:: else
	fi;
	atomic {
		assert(!bit_of(tree, sub));
		subscribed = subscribed - (1 << sub);
		leaving = leaving - (1 << sub);
		cursors[sub] = 0
	}
}

inline mmu_interval_notifier_insert(sub)
{
	atomic {
		!lock ->
		lock = true;
		subscribed = subscribed | (1 << sub);
		called[0] = called[0] & (15 - (1 << sub));
		called[1] = called[1] & (15 - (1 << sub));
		find_before(sub);
		next[sub] = next[before]
	};
	change_link(sub);
	atomic { tree = tree | (1 << sub); lock = false }
}

proctype driver(bit me)
{
	byte before, after;
	bool linked;

	mmu_interval_notifier_remove(FIRST_TO_LEAVE + me);
	if
	:: me == 0 -> mmu_interval_notifier_insert(FIRST_TO_LEAVE + me)
	:: else
	fi
}

init
{
	atomic {
		next[HEAD] = 0; next[0] = 1; next[1] = 2; next[2] = 3; next[3] = END;
		run section(0, true);
		if
		:: run section(1, true)
		:: run section(1, false)
		fi;
		run driver(0); run driver(1)
	};
	_nr_pr == 1;
	assert(tree == 11 && !leaving && !lock);
	assert(cursors[0] + cursors[1] + cursors[2] + cursors[3] == 0)
}
