/*
 * The two lists and the flip of the phase: mn_hlist_add(), mn_hlist_add_first(),
 * mn_hlist_add_later(), mn_hlist_remove(), mn_hlist_switch(), mn_set_flags() and
 * mn_hlist_forget_ops() against mn_read_lock(), mn_hlist_start(), mn_hlist_end(),
 * mn_hlist_unwind() and a callback of the kind of clear_young. mm/mmu_notifier.c.
 * Phase and ops are one word, read at once.
 *
 * Subscriber A has start and end, and is the only one that has; B has a young
 * callback. Both register and unregister again and again, while one task runs
 * sections and another one young callbacks. Sections do not know of each other, so
 * one stands for all. SRCU is that of srcu.h. That an access without acquire or
 * release may move is said by another order of the statements, as far as the
 * barriers of SRCU let them move.
 *
 * Left out: sections that are alone, as they walk no list (tree_flags); how a list
 * is linked, and what a walk finds while the list does not change; exit (release).
 *
 * Properties:
 *  - no list is walked while it is changed;
 *  - A gets an end exactly for each start that it got;
 *  - when A's registration returns no section is running in the domain that does not
 *    deliver to A, and A is called by all that begin; the same for B;
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
/* wrong: OPS_AFTER_FLIP a section finds A on the list before A's ops are in the mask */
/* wrong: OPS_BEFORE_READ_LOCK a section looks at the mask before it is counted */
/* wrong: NO_MUTEX two changes at once, without subs->switching */
/* wrong: FORGET_WITHOUT_MUTEX B's removal forgets the ops of A, which comes meanwhile */
/* wrong: FIRST_OPS_BEFORE_LISTS the first one is known before it is on the lists */
/* wrong: FIRST_AGAIN the lists are empty again, but they may still be walked */

#include "srcu.h"

#define A 0
#define B 1

bit phase;
bool hlist0[2], hlist1[2];	/* whether A and B are on hlist[0], hlist[1] */
bool ops[2];			/* the bits of A and of B */
bool hlist_used;
bool switching;

/* For the properties */
byte walkers[2];
bool changing[2];
bool subscribed[2];	/* may be called */
bool covered[2];	/* must be called */
byte open;		/* sections that deliver to A */
byte missed;		/* those that do not */

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

inline mn_hlist_add_first(sub)
{
#ifdef FIRST_OPS_BEFORE_LISTS
	ops[sub] = true;
#endif
	edit(0, sub, true);
	edit(1, sub, true);
	hlist_used = true;
	ops[sub] = true
}

/* Up to the second list, or back to it */
inline change(sub, on)
{
#if !defined(OPS_AFTER_FLIP)
	if
	:: on -> ops[sub] = true
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
	:: on -> ops[sub] = true
	:: else
	fi;
#endif
#ifndef NO_SECOND_EDIT
	edit(1 - phase, sub, on);
#endif
	skip
}

inline lock_switching()
{
#ifndef NO_MUTEX
	atomic { !switching -> switching = true };
#endif
	skip
}

inline mn_hlist_add(sub)
{
	lock_switching();
	if
	:: hlist_used -> change(sub, true)
	:: else -> mn_hlist_add_first(sub)
	fi;
	switching = false
}

/* The idle list is looked through, then the flags are stored. */
inline mn_hlist_forget_ops()
{
	atomic { has[A] = on_hlist(1 - phase, A); has[B] = on_hlist(1 - phase, B) };
	atomic {
		ops[A] = has[A]; ops[B] = has[B];
#ifdef FIRST_AGAIN
		hlist_used = has[A] || has[B];
#endif
		has[A] = false; has[B] = false
	}
}

inline mn_hlist_remove(sub)
{
	lock_switching();
	change(sub, false);
#ifdef FORGET_WITHOUT_MUTEX
	switching = false;
	mn_hlist_forget_ops()
#else
	mn_hlist_forget_ops();
	switching = false
#endif
}

active [2] proctype subscriber()
{
	byte me = _pid;
	bool has[2];
	bit l;

end:	do
	:: subscribed[me] = true;
	   mn_hlist_add(me);
	   atomic { assert(me != A || missed == 0); covered[me] = true };

	   covered[me] = false;
	   mn_hlist_remove(me);
	   atomic { assert(me != A || open == 0); subscribed[me] = false }
	od
}

inline mn_read_lock()
{
#ifdef PHASE_BEFORE_READ_LOCK
	atomic { ph = phase; mask = ops[A] };
	srcu_read_lock(idx);
#else
	srcu_read_lock(idx);
	atomic { ph = phase; mask = ops[A] };
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
	   /* It is alone */
	:: atomic { !ops[A] -> assert(!covered[A]) }
	:: ops[A] ->
#ifdef OPS_BEFORE_READ_LOCK
	   bool before = ops[A];
	   mn_read_lock();
	   mask = before;
#elif defined(PLAIN_PHASE_LOAD)
	   srcu_read_lock(idx);
	   atomic { early[0] = hlist0[A]; early[1] = hlist1[A] };
	   ph = phase;
	   mask = ops[A];
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
		:: else -> assert(!covered[A]); missed++
		fi
	   };

	   /*
	    * The page tables change. Then mn_hlist_end(); or somebody behind A declines,
	    * and mn_hlist_unwind() calls A in the same way
	    */
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
	   /* mn_implements(), outside of the domain */
	:: atomic { !ops[B] -> assert(!covered[B]) }
	:: ops[B] ->
	   mn_read_lock();
	   atomic {
		walk_begins(ph);
		if
		:: on_hlist(ph, B) -> assert(subscribed[B])
		:: else -> assert(!covered[B])
		fi
	   };
	   atomic { walkers[ph]--; ph = 0; mask = false };
	   srcu_read_unlock(idx)
	od
}
