/*
 * The end of subscriptions: mn_exit_take(), mn_exit_release(), mn_hlist_release(),
 * mn_begin_release(), mn_end_release(), mmu_notifier_unregister(),
 * mn_await_exit_release(), mn_hlist_remove(), mmu_notifier_put() and mn_put_work(),
 * all against each other. mm/mmu_notifier.c.
 *
 * An exit, and three subscribers: X and Y, each of which a task unregisters, and Z,
 * which another task puts. A ->release may unregister or put in turn, also the one
 * whose ->release it is. One of these plans is picked at the beginning, and whether
 * subs->owed is in the order X Y Z or Z Y X:
 *
 *	PLAIN		no ->release does
 *	X_TAKES_Y	X->release unregisters Y, whoever calls X->release. No task
 *			unregisters Y then
 *	X_TAKES_X	X->release unregisters X, if exit calls it. No task
 *			unregisters X then
 *	Z_TAKES_Y	Z->release puts Z and unregisters Y. No task does then
 *	X_WAITS		X->release goes on only when a registration has returned that
 *			another task makes meanwhile. There is no exit then, as nobody
 *			registers on an mm without users
 *
 * Not all tasks run in each of them, so that the model stays small: see init. A
 * section walks the list of its phase twice. SRCU is that of srcu.h.
 *
 * Left out: the tree, which exit invalidates before; get; when the structure itself
 * may go (put_work); wait_event() in detail (wake_up).
 *
 * Properties:
 *  - ->release runs once for each subscriber that is not put, and at most once for
 *    one that is;
 *  - when exit or unregister returns it is over, whoever called it, but for the one
 *    that the unregister itself is called from; the same when put frees;
 *  - no subscriber is touched after it was freed;
 *  - nothing is taken off a list that it is not on;
 *  - when exit returns all sections are over that found a subscriber before each
 *    ->release was over;
 *  - no process waits for ever, and no registration for a ->release (no invalid end state).
 */
/* wrong: EXIT_NO_SYNCHRONIZE exit does not wait for sections that found a subscriber */
/* wrong: NO_RELEASING exit does not wait for a ->release that unregister calls */
/* wrong: RELEASING_AFTER_UNLINK counted behind the lock: exit misses it */
/* wrong: NO_OWED exit and unregister both call ->release */
/* wrong: NO_AWAIT unregister does not wait for a ->release that exit calls */
/* wrong: PUT_NO_AWAIT neither does the work item of put */
/* wrong: AWAIT_IN_EXIT a ->release waits for itself */
/* wrong: NO_WAKE_UP no waiter is woken when exit_mn has changed */
/* wrong: NO_WAKE_UP_OF_EXIT exit is not woken when releasing has changed */
/* wrong: EXIT_MN_AFTER_LOCK a ->release of exit is looked for before it shows */
/* wrong: PLAIN_EXIT_MN no release: exit_mn changes before ->release is over */
/* wrong: EXIT_TOUCHES exit looks at a subscriber after its ->release */
/* wrong: RELEASE_IN_DOMAIN a ->release is a reader: registration waits for it */
/* wrong: NO_DEAD what exit has emptied is taken off once more */
/* wrong: DEAD_NO_SYNCHRONIZE freed while a section walks the list from before */

#define SRCU_IN_ONE_STEP	/* two_lists has the steps one by one */
#include "srcu.h"

#define N 3
#define X 0
#define Y 1
#define Z 2
#define NOBODY 3

#define MN_LIVE 1
#define MN_RELEASED 2
#define MN_GONE 3

mtype = { PLAIN, X_TAKES_Y, X_TAKES_X, Z_TAKES_Y, X_WAITS };
mtype plan;
bool backwards;

/* struct mmu_notifier_subscriptions */
bit phase;
byte hlist[2] = 7;		/* a bit for each subscriber */
byte owed = 7;
bool switching, dead, work_queued;
byte exit_mn = NOBODY;
byte releasing;
bool waiting[N];		/* in subs->wq, by the subscriber in question */
bool exit_waiting;

byte state[N] = MN_LIVE;

/* For the properties */
byte freed;
bool released[N], in_release[N];
bool put;
bool registered;		/* the registration of X_WAITS */
byte early_sections;
bool each_release_over;

#define bit_of(set, sub) (((set) >> (sub)) & 1)

/* What wakes waits in subs->wq, of whatever kind */
inline wake_up_all()
{
	atomic {
		waiting[X] = false; waiting[Y] = false; waiting[Z] = false;
		exit_waiting = false
	}
}

inline release_begins(sub)
{
	atomic {
		assert(!bit_of(freed, sub) && !released[sub]);
		released[sub] = true;
		in_release[sub] = true
	}
}

inline mn_await_exit_release(sub)
{
	do
	:: waiting[sub] = true;
	   if
	   :: exit_mn != sub -> waiting[sub] = false; break
	   :: else -> !waiting[sub]
	   fi
	od
}

inline del_idle(sub)
{
	atomic {
		assert(bit_of(hlist[1 - phase], sub));
		hlist[1 - phase] = hlist[1 - phase] - (1 << sub)
	}
}

inline mn_hlist_remove(sub)
{
	atomic { !switching -> switching = true };
	if
#ifndef NO_DEAD
	:: dead ->
#ifndef DEAD_NO_SYNCHRONIZE
		synchronize_srcu_expedited();
#endif
		skip
#endif
	:: else ->
		del_idle(sub);
		phase = 1 - phase;
		synchronize_srcu_expedited();
		del_idle(sub)
	fi;
	switching = false
}

/* Under the lock */
inline mn_begin_release(sub, prev)
{
	atomic {
		assert(!bit_of(freed, sub));
		prev = state[sub];
		assert(prev != MN_GONE);
#ifdef NO_OWED
		prev = MN_LIVE;
#endif
		if
		:: prev == MN_LIVE ->
			owed = owed & (7 - (1 << sub));
#if !defined(RELEASING_AFTER_UNLINK) && !defined(NO_RELEASING)
			releasing++
#endif
		:: else
		fi;
		state[sub] = MN_GONE
	};
#ifdef RELEASING_AFTER_UNLINK
	if
	:: prev == MN_LIVE -> releasing++
	:: else
	fi;
#endif
	skip
}

inline mn_end_release()
{
#ifndef NO_RELEASING
	releasing--;
#ifndef NO_WAKE_UP_OF_EXIT
	wake_up_all();
#endif
#endif
	skip
}

inline read_lock_of_release(idx)
{
#ifdef RELEASE_IN_DOMAIN
	srcu_read_lock(idx);
#endif
	skip
}

inline read_unlock_of_release(idx)
{
#ifdef RELEASE_IN_DOMAIN
	srcu_read_unlock(idx);
#endif
	skip
}

/* What X->release does for Y, called by a task that unregisters X */
inline release_by_unregister(sub)
{
	release_begins(sub);
	read_lock_of_release(idx);
	if
	:: plan == X_WAITS && sub == X -> registered
	:: plan == X_TAKES_Y && sub == X ->
		mn_begin_release(Y, prev_inner);
		if
		:: prev_inner == MN_LIVE ->
			release_begins(Y);
			in_release[Y] = false;
			mn_end_release()
		:: else
		fi;
		mn_hlist_remove(Y);
		mn_await_exit_release(Y);
		atomic {
			assert(released[Y] && !in_release[Y]);
			freed = freed | (1 << Y)
		}
	:: else
	fi;
	read_unlock_of_release(idx);
	in_release[sub] = false
}

proctype mmu_notifier_unregister(byte sub)
{
	bit idx;
	byte prev, prev_inner;

	mn_begin_release(sub, prev);
	if
	:: prev == MN_LIVE ->
		release_by_unregister(sub);
		mn_end_release()
	:: else
	fi;
	mn_hlist_remove(sub);
#ifndef NO_AWAIT
	mn_await_exit_release(sub);
#endif
	atomic {
		assert(released[sub] && !in_release[sub]);
		freed = freed | (1 << sub)
	}
}

inline mmu_notifier_put()
{
	atomic {
		assert(!bit_of(freed, Z));
		state[Z] = MN_GONE;
		owed = owed & (7 - (1 << Z));
		put = true;
		work_queued = true
	}
}

proctype task_that_puts()
{
	mmu_notifier_put()
}

proctype mn_put_work()
{
end:	work_queued;
	mn_hlist_remove(Z);
#ifndef PUT_NO_AWAIT
	mn_await_exit_release(Z);
#endif
	atomic {
		assert(!in_release[Z]);
		freed = freed | (1 << Z)
	}
}

/* Of a fourth one, under mmap_lock */
proctype registration()
{
	atomic { !switching -> switching = true };
	phase = 1 - phase;
	synchronize_srcu_expedited();
	switching = false;
	registered = true
}

/* What the ->release of @sub does when exit calls it */
inline release_by_exit(sub)
{
	atomic {
		target = NOBODY;
		if
		:: plan == X_TAKES_Y && sub == X -> target = Y
		:: plan == X_TAKES_X && sub == X -> target = X
		:: plan == Z_TAKES_Y && sub == Z -> target = Y
		:: else
		fi
	};
	if
	:: plan == Z_TAKES_Y && sub == Z -> mmu_notifier_put()
	:: else
	fi;
	if
	:: target != NOBODY ->
		mn_begin_release(target, prev);
		if
		:: prev == MN_LIVE ->
			release_begins(target);
			in_release[target] = false;
			mn_end_release()
		:: else
		fi;
		mn_hlist_remove(target);
		/* subs->exit_task is this task */
#ifdef AWAIT_IN_EXIT
		mn_await_exit_release(target);
#endif
		atomic {
			assert(released[target]);
			assert(!in_release[target] || target == sub);
			freed = freed | (1 << target)
		}
	:: else
	fi
}

#define first_owed (owed == 0 -> NOBODY : \
	(backwards -> (bit_of(owed, Z) -> Z : (bit_of(owed, Y) -> Y : X)) : \
		      (bit_of(owed, X) -> X : (bit_of(owed, Y) -> Y : Z))))

proctype exit()
{
	byte sub, prev, target;

	/* mn_exit_release() */
	do
	::
	   atomic {
		sub = first_owed;
		if
		:: sub != NOBODY ->
			assert(!bit_of(freed, sub));
			owed = owed - (1 << sub);
			state[sub] = MN_RELEASED
		:: else
		fi;
#ifndef EXIT_MN_AFTER_LOCK
		exit_mn = sub
#endif
	   };
#ifdef EXIT_MN_AFTER_LOCK
	   exit_mn = sub;
#endif
	   if
	   :: sub == NOBODY -> break
	   :: else
	   fi;
	   release_begins(sub);
	   release_by_exit(sub);
#ifdef PLAIN_EXIT_MN
	   exit_mn = NOBODY;
	   in_release[sub] = false;
#else
	   in_release[sub] = false;
#ifdef EXIT_TOUCHES
	   assert(!bit_of(freed, sub));
#endif
	   exit_mn = NOBODY;
#endif
#ifndef NO_WAKE_UP
	   wake_up_all();
#endif
	   skip
	od;
	do
	:: exit_waiting = true;
	   if
	   :: releasing == 0 -> exit_waiting = false; break
	   :: else -> !exit_waiting
	   fi
	od;

	/* mn_hlist_release() */
	each_release_over = true;
	atomic { !switching -> switching = true };
	if
	:: hlist[phase] ->
#ifndef EXIT_NO_SYNCHRONIZE
		synchronize_srcu_expedited();
#endif
		hlist[1 - phase] = 0;
		phase = 1 - phase
	:: else
	fi;
	dead = true;
	switching = false;
	assert(released[X] && released[Y] && (released[Z] || put));
	assert(!in_release[X] && !in_release[Y] && !in_release[Z]);
	assert(early_sections == 0)
}

proctype section()
{
	bit idx, ph;
	bool early;

	srcu_read_lock(idx);
	ph = phase;
	atomic {
		assert((hlist[ph] & freed) == 0);
		early = hlist[ph] && !each_release_over;
		early_sections = early_sections + early
	};
	/* The page tables change. */
	atomic {
		assert((hlist[ph] & freed) == 0);
		early_sections = early_sections - early
	};
	srcu_read_unlock(idx)
}

init
{
	atomic {
		if
		:: backwards = true
		:: true
		fi;
		run mn_put_work();
		if
		:: plan = PLAIN ->
			run exit();
			run mmu_notifier_unregister(X);
			run task_that_puts();
			run section()
		:: plan = PLAIN ->
			run exit();
			run mmu_notifier_unregister(X);
			run mmu_notifier_unregister(Y);
			run section()
		:: plan = X_TAKES_Y ->
			run exit();
			run mmu_notifier_unregister(X);
			run task_that_puts()
		:: plan = X_TAKES_X ->
			run exit();
			run mmu_notifier_unregister(Y);
			run task_that_puts()
		:: plan = Z_TAKES_Y ->
			run exit();
			run mmu_notifier_unregister(X)
		:: plan = X_WAITS ->
			run registration();
			run mmu_notifier_unregister(X);
			run section()
		fi
	}
}
