/*
 * The two lists and the flip of the phase: mn_hlist_add(), mn_hlist_remove(),
 * mn_hlist_switch(), mn_set_flags() and mn_hlist_forget_ops() against mn_read_lock(),
 * mn_hlist_start(), mn_hlist_end() and a callback of the kind of clear_young,
 * mm/mmu_notifier.c. Phase and ops are one word, read at once.
 *
 * Subscriber A has start and end, and is the only one that has; B has a young
 * callback. Both register and unregister again and again, while one task runs
 * sections and another one young callbacks: sections do not know of each other, so
 * that one stands for all. SRCU is that of srcu.h. That an access without acquire or
 * release may move is said by another order of the statements, as far as the
 * barriers of SRCU let them move.
 *
 * Left out: how a list is linked, and what a walk along it meets while it stands
 * still; exit (release).
 *
 * Properties:
 *  - no list is walked while it is changed;
 *  - A gets an end exactly for each start that it got;
 *  - when A's registration returns no section is running that A was not told of,
 *    and A is told of all that begin;
 *  - when unregistration returns A has got all its ends, and neither A nor B is
 *    called any more.
 */
/* wrong: EDIT_CURRENT_LIST the list that readers walk is changed first */
/* wrong: NO_SYNCHRONIZE the list from before is changed while it is walked */
/* wrong: NO_SECOND_EDIT the lists stay different: the next flip brings the past back */
/* wrong: PLAIN_FLIP no release: the flip is seen before the change of the list */
/* wrong: FLIP_AFTER_WAIT no full barrier in the grace period: the flip comes late */
/* wrong: PLAIN_PHASE_LOAD no acquire: the list is read before the phase, at end again */
/* wrong: PHASE_BEFORE_READ_LOCK no full barrier in srcu_read_lock(): read, then counted */
/* wrong: END_READS_PHASE end walks the present list rather than that of its start */
/* wrong: OPS_AFTER_FLIP a section meets A before A's ops are in the mask */
/* wrong: OPS_BEFORE_READ_LOCK a section looks at the mask before it is counted */
/* wrong: NO_MUTEX two changes at once, without subs->switching */
/* wrong: FORGET_WITHOUT_MUTEX B's removal forgets the ops of A, which comes meanwhile */

#include "srcu.h"

#define A 0
#define B 1

bit phase;
bool hlist0[2], hlist1[2];	/* whether A and B are on hlist[0], hlist[1] */
bool ops;			/* the bits of A */
bool switching;

/* For the properties */
byte walkers[2];
bool changing[2];
bool subscribed[2];	/* may be called */
bool covered;		/* A has to be told */
byte open;		/* sections that A was told of */
byte missed;		/* that A was not told of */

#define on_hlist(ph, sub) ((ph) -> hlist1[sub] : hlist0[sub])

inline edit(ph, sub, on)
{
	atomic {
		l = ph;
		assert(walkers[l] == 0);
		changing[l] = true
	};
	if
	:: l -> hlist1[sub] = on
	:: else -> hlist0[sub] = on
	fi;
	atomic { changing[l] = false; l = 0 }
}

inline edit_first(sub, on)
{
#ifdef EDIT_CURRENT_LIST
	edit(phase, sub, on)
#else
	edit(1 - phase, sub, on)
#endif
}

/* The ops of A go unless A is on the list. */
inline mn_hlist_forget_ops()
{
	gone = !on_hlist(1 - phase, A);
	if
	:: gone -> ops = false
	:: else
	fi;
	gone = false
}

inline change(sub, on)
{
	bool gone;
	bit l;

#ifdef NO_MUTEX
	skip;
#else
	atomic { !switching -> switching = true };
#endif
#ifndef OPS_AFTER_FLIP
	if
	:: on && sub == A -> ops = true
	:: else
	fi;
#endif
#ifdef PLAIN_FLIP
	phase = 1 - phase;
	edit(phase, sub, on);
#else
	edit_first(sub, on);
#ifndef FLIP_AFTER_WAIT
	phase = 1 - phase;
#endif
#endif
#ifndef NO_SYNCHRONIZE
	synchronize_srcu_expedited();
#endif
#ifdef FLIP_AFTER_WAIT
	phase = 1 - phase;
#endif
#ifdef OPS_AFTER_FLIP
	if
	:: on && sub == A -> ops = true
	:: else
	fi;
#endif
#ifndef NO_SECOND_EDIT
	edit(1 - phase, sub, on);
#endif
#ifdef FORGET_WITHOUT_MUTEX
	switching = false;
	if
	:: !on -> mn_hlist_forget_ops()
	:: else
	fi
#else
	if
	:: !on -> mn_hlist_forget_ops()
	:: else
	fi;
	switching = false
#endif
}

active proctype subscriber_a()
{
end:	do
	:: subscribed[A] = true;
	   change(A, true);
	   atomic { assert(missed == 0); covered = true };

	   covered = false;
	   change(A, false);
	   atomic { assert(open == 0); subscribed[A] = false }
	od
}

active proctype subscriber_b()
{
end:	do
	:: subscribed[B] = true;
	   change(B, true);
	   change(B, false);
	   subscribed[B] = false
	od
}

inline mn_read_lock()
{
#ifdef PHASE_BEFORE_READ_LOCK
	atomic { ph = phase; mask = ops };
	srcu_read_lock(idx);
#else
	srcu_read_lock(idx);
	atomic { ph = phase; mask = ops };
#endif
	skip
}

inline walk_begins(ph)
{
	walkers[ph]++;
	assert(!changing[ph])
}

active proctype section()
{
	bit idx, ph;
	bool told, mask;
#ifdef PLAIN_PHASE_LOAD
	bool early[2];
#endif

end:	do
	::
#ifdef OPS_BEFORE_READ_LOCK
	   bool before = ops;
	   mn_read_lock();
	   mask = before;
#elif defined(PLAIN_PHASE_LOAD)
	   srcu_read_lock(idx);
	   atomic { early[0] = hlist0[A]; early[1] = hlist1[A] };
	   ph = phase;
	   mask = ops;
#else
	   mn_read_lock();
#endif
	   /* mn_hlist_start() */
	   atomic {
		walk_begins(ph);
#ifdef PLAIN_PHASE_LOAD
		told = mask && early[ph];
#else
		told = mask && on_hlist(ph, A);
#endif
		if
		:: told -> assert(subscribed[A]); open++
		:: else -> assert(!covered); missed++
		fi
	   };

	   /* The page tables change. Then mn_hlist_end() */
#ifdef END_READS_PHASE
	   atomic { walkers[ph]--; ph = phase; walkers[ph]++ };
#endif
	   atomic {
		assert(!changing[ph]);
		assert((mask && on_hlist(ph, A)) == told);
		if
		:: told -> assert(subscribed[A]); open--
		:: else -> missed--
		fi;
		walkers[ph]--;
		told = false; mask = false; ph = 0
	   };
	   srcu_read_unlock(idx)
	od
}

active proctype young()
{
	bit idx, ph;
	bool mask;

end:	do
	:: mn_read_lock();
	   atomic {
		walk_begins(ph);
		if
		:: on_hlist(ph, B) -> assert(subscribed[B])
		:: else
		fi
	   };
	   atomic { walkers[ph]--; ph = 0; mask = false };
	   srcu_read_unlock(idx)
	od
}
