/*
 * How a section gets along the interval tree, which changes meanwhile:
 * mn_itree_invalidate() with mn_itree_pin(), mn_itree_unpin() and both passes,
 * against mn_itree_insert(), mn_itree_leave() and mmu_interval_notifier_remove().
 * mm/mmu_interval_notifier.c.
 *
 * Four subscriptions, in the order of the tree. Two tasks run a section each, which
 * meets all that are in the tree; anybody that it calls may decline it. Two other
 * tasks each remove, free and insert again one of those in the middle. One of these
 * two has a second pass. What is done under subs->lock is one step here.
 *
 * Left out: sequences, and what becomes of the page tables (collision_retry); how a
 * tree is linked: of the next one all that counts is that where one comes from is in
 * the tree; that who frees one sees what a call has done there, by the atomics;
 * wait_event() in detail (wake_up).
 *
 * Properties:
 *  - a section that is not declined calls everybody once who is there from before its
 *    start, and is not removed until its walk is over;
 *  - it calls nobody twice who has not been removed and inserted meanwhile;
 *  - it goes on from nobody who is not in the tree;
 *  - nobody is pinned, called or touched after remove; nobody is removed twice;
 *  - everybody goes on (no invalid end state), and nobody is left pinned.
 */
/* wrong: KEEP_NONE unpins all of a full batch, and goes on from the last one */
/* wrong: UNLINK_PINNED remove takes it out at once, from under a walk, and then waits */
/* wrong: NO_WAIT remove does not wait */
/* wrong: PIN_LEAVING pinned between the end of the wait and the removal */
/* wrong: LEAVING_ENDS_WALK those behind one that leaves are not called */
/* wrong: PIN_WITHOUT_LOCK found under the lock, and pinned behind it */
/* wrong: UNPIN_BEFORE_CALL remove does not wait for the call */
/* wrong: ONE_BATCH those behind a full batch are not called */
/* wrong: CALL_LAST_TWICE as the last of a batch, and as the first of the next one */
/* wrong: DECLINED_STAY_PINNED leaves the loop, and those who would come are pinned */
/* wrong: NO_PIN_FOR_FINISH the second pass comes after remove */
/* wrong: NO_WAKE_UP the last call wakes nobody */

#define SUBS 4
#define MN_BATCH 2
#define FIRST_TO_LEAVE 1
#define TWO_PASSES 1

/* The tree and the subscriptions, a bit for each */
byte tree = 15;
byte leaving;
byte calls[SUBS];
bool waiting[2];	/* those who remove, in subs->wq */

/* For the properties */
byte subscribed = 15;	/* the memory of others may be gone */
byte called[2];		/* by each section */
byte must_call[2];	/* those that it does not get round */

#define bit_of(set, sub) (((set) >> (sub)) & 1)
#define touch(sub) assert(bit_of(subscribed, sub))

inline mn_itree_wake()
{
#ifndef NO_WAKE_UP
	atomic { waiting[0] = false; waiting[1] = false };
#endif
	skip
}

inline mn_itree_pin()
{
	do
	:: node == SUBS || count == MN_BATCH -> break
	:: else ->
		if
		:: !bit_of(tree, node)
		:: bit_of(tree, node) ->
			touch(node);
			if
#ifndef PIN_LEAVING
			:: bit_of(leaving, node) ->
#ifdef LEAVING_ENDS_WALK
				break
#endif
#endif
			:: else ->
#ifndef PIN_WITHOUT_LOCK
				calls[node]++;
#endif
				batch[count] = node;
				count++
			fi
		fi;
		node++
	od;
	node = 0
}

inline mn_itree_unpin(sub)
{
	atomic {
		touch(sub);
		assert(calls[sub] > 0);
		calls[sub]--;
		wake = (calls[sub] == 0)
	};
	if
	:: wake -> mn_itree_wake(); wake = false
	:: else
	fi
}

inline mn_itree_first_pass(sub)
{
	atomic {
		touch(sub);
		assert(!bit_of(called[me], sub));
		called[me] = called[me] | (1 << sub);
		if
		:: sub == TWO_PASSES ->
#ifndef NO_PIN_FOR_FINISH
			calls[sub]++;
#endif
			second = true
		:: else
		fi;
		if
		:: declined = true
		:: true
		fi
	}
}

inline mn_itree_second_pass()
{
	if
	:: second ->
		second = false;
		touch(TWO_PASSES);
#ifndef NO_PIN_FOR_FINISH
		mn_itree_unpin(TWO_PASSES);
#endif
		skip
	:: else
	fi
}

/* The last one of a full batch is kept for the next one */
#if defined(KEEP_NONE) || defined(CALL_LAST_TWICE) || defined(ONE_BATCH)
#define to_call count
#else
#define to_call (count < MN_BATCH -> count : MN_BATCH - 1)
#endif

proctype section(bit me)
{
	byte batch[MN_BATCH], node, count, i;
	bool declined, second, wake;
#ifdef PIN_WITHOUT_LOCK
	bit kept;
#endif

	/* mn_itree_start() */
	atomic {
		must_call[me] = tree & (15 - leaving);
		mn_itree_pin()
	};
	do
	::
#ifdef PIN_WITHOUT_LOCK
	   atomic {
		i = kept;
		do
		:: i == count -> break
		:: else -> touch(batch[i]); calls[batch[i]]++; i++
		od;
		i = 0
	   };
#endif
	   do
	   :: i == to_call -> break
#ifdef DECLINED_STAY_PINNED
	   :: declined -> break
#endif
	   :: else ->
#ifdef UNPIN_BEFORE_CALL
		mn_itree_unpin(batch[i]);
#endif
		if
		:: !declined -> mn_itree_first_pass(batch[i])
		:: else
		fi;
#if defined(CALL_LAST_TWICE)
		if
		:: i < MN_BATCH - 1 -> mn_itree_unpin(batch[i])
		:: else
		fi;
#elif !defined(UNPIN_BEFORE_CALL)
		mn_itree_unpin(batch[i]);
#endif
		i++
	   od;
	   if
	   :: count < MN_BATCH -> break
#if defined(ONE_BATCH)
	   :: count == MN_BATCH -> break
#elif defined(DECLINED_STAY_PINNED)
	   :: declined -> break
#endif
	   :: else ->
		atomic {
			i = 0;
			batch[0] = batch[MN_BATCH - 1];
			batch[MN_BATCH - 1] = 0;
			touch(batch[0]);
			assert(bit_of(tree, batch[0]));
			node = batch[0] + 1;
			count = 1;
#ifdef KEEP_NONE
			count = 0;
#endif
#ifdef PIN_WITHOUT_LOCK
			kept = 1;
#endif
			mn_itree_pin()
		}
	   fi
	od;
	mn_itree_second_pass();
	atomic {
		assert(declined || (called[me] & must_call[me]) == must_call[me]);
		called[me] = 0; must_call[me] = 0;
		batch[0] = 0; count = 0; i = 0; declined = false
	}
}

inline mn_itree_unlink(sub)
{
	assert(bit_of(tree, sub));
	tree = tree - (1 << sub)
}

inline mmu_interval_notifier_remove(sub)
{
	atomic {
		leaving = leaving | (1 << sub);
		must_call[0] = must_call[0] & (15 - (1 << sub));
		must_call[1] = must_call[1] & (15 - (1 << sub));
		pinned = (calls[sub] > 0);
		if
#ifdef UNLINK_PINNED
		:: true -> mn_itree_unlink(sub)
#else
		:: !pinned -> mn_itree_unlink(sub)
#endif
		:: else
		fi
	};
	if
	:: pinned ->
#ifndef NO_WAIT
		do
		:: waiting[me] = true;
		   if
		   :: calls[sub] == 0 -> waiting[me] = false; break
		   :: else -> !waiting[me]
		   fi
		od;
#endif
		atomic {
#ifndef UNLINK_PINNED
			mn_itree_unlink(sub);
#endif
			pinned = false
		}
	:: else
	fi;
	atomic {
		assert(!bit_of(tree, sub) && calls[sub] == 0);
		subscribed = subscribed - (1 << sub);
		leaving = leaving - (1 << sub)
	}
}

inline mmu_interval_notifier_insert(sub)
{
	atomic {
		subscribed = subscribed | (1 << sub);
		tree = tree | (1 << sub);
		called[0] = called[0] & (15 - (1 << sub));
		called[1] = called[1] & (15 - (1 << sub))
	}
}

proctype driver(bit me)
{
	bool pinned;

	mmu_interval_notifier_remove(FIRST_TO_LEAVE + me);
	mmu_interval_notifier_insert(FIRST_TO_LEAVE + me)
}

init
{
	atomic {
		run section(0); run section(1);
		run driver(0); run driver(1)
	};
	_nr_pr == 1;
	assert(tree == 15 && !leaving);
	assert(calls[0] + calls[1] + calls[2] + calls[3] == 0)
}
