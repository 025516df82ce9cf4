/*
 * The end of subscriptions: mn_advance(), mn_exit_pause(), mn_exit_resume(),
 * mn_set_exit_sub(), mn_await_exit_release(), mn_hlist_call_release(),
 * mn_hlist_release(), mmu_notifier_unregister(), mn_hlist_remove(),
 * mmu_notifier_put() and mn_put_work(), all against each other. mm/mmu_notifier.c.
 *
 * An exit, and three subscribers: X and Y, which a task each unregisters, and Z,
 * which another task puts. Where it is exit that calls ->release, that may
 * unregister or put, too. One of these is picked at the beginning, and whether the
 * lists are in the order X Y Z or Z Y X:
 *
 *	PLAIN		no ->release does
 *	X_TAKES_Y	X->release unregisters Y, which no task does then
 *	X_TAKES_X	X->release unregisters X itself, which no task does then
 *	Z_TAKES_Y	Z->release puts Z, which no task does then, and unregisters Y
 *
 * Not all tasks run in each of them, so that the model stays small: see init.
 * A section walks the list of its phase twice. SRCU is that of srcu.h.
 *
 * Left out: the tree, which exit invalidates before; get and registration, which
 * cannot meet exit; when the structure itself may go (put_work); wait_event() in
 * detail (wake_up).
 *
 * Properties:
 *  - ->release runs once for each subscriber that is not put, and at most once for
 *    one that is;
 *  - when exit or unregister returns it is over, whoever called it, but for the
 *    one that the unregister itself is called from; the same when put frees;
 *  - nobody is touched who is freed;
 *  - nothing is taken off a list that it is not on;
 *  - when exit returns all sections are over that met a subscriber before each
 *    ->release was over;
 *  - everybody goes on (no invalid end state).
 */
/* wrong: EXIT_NO_SYNCHRONIZE exit does not wait for a ->release of unregister */
/* wrong: STEP_BEFORE_READ_LOCK exit misses a ->release that is about to begin */
/* wrong: NO_STATE exit and unregister both call ->release */
/* wrong: NO_PAUSE unregister, from ->release, waits for the read side of exit */
/* wrong: NO_RESTART exit goes on from a subscriber that is gone */
/* wrong: NO_AWAIT unregister does not wait for a ->release that paused */
/* wrong: PUT_NO_AWAIT neither does the work item of put */
/* wrong: AWAIT_IN_EXIT a ->release waits for itself */
/* wrong: NO_WAKE_UP nobody hears that exit_sub has changed */
/* wrong: PLAIN_EXIT_SUB no release: exit_sub changes before ->release is over */
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
#define MN_LEAVING 3

mtype = { PLAIN, X_TAKES_Y, X_TAKES_X, Z_TAKES_Y };
mtype plan;
bool backwards;

/* struct mmu_notifier_subscriptions */
bit phase;
byte hlist[2] = 7;		/* a bit for each subscriber */
bool switching, dead, work_queued;
byte exit_sub = NOBODY;
bool exit_restart;
bool waiting[N];		/* in subs->wq, by whom it is about */

byte state[N] = MN_LIVE;

/* For the properties */
byte freed;
bool released[N], in_release[N];
bool put;
byte early_sections;
bool each_release_over;

#define bit_of(set, sub) (((set) >> (sub)) & 1)

inline mn_advance(sub, next, prev)
{
	atomic {
		assert(!bit_of(freed, sub));
#ifdef NO_STATE
		prev = MN_LIVE;
#else
		prev = state[sub];
#endif
		if
		:: state[sub] < next -> state[sub] = next
		:: else
		fi
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

inline wake_up_all()
{
#ifndef NO_WAKE_UP
	atomic { waiting[X] = false; waiting[Y] = false; waiting[Z] = false };
#endif
	skip
}

inline mn_await_exit_release(sub)
{
	do
	:: waiting[sub] = true;
	   if
	   :: exit_sub != sub -> waiting[sub] = false; break
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

/* Up to where it waits */
inline unregister_begins(sub)
{
#ifdef STEP_BEFORE_READ_LOCK
	mn_advance(sub, MN_LEAVING, prev);
	srcu_read_lock(idx);
#else
	srcu_read_lock(idx);
	mn_advance(sub, MN_LEAVING, prev);
#endif
	assert(prev != MN_LEAVING);
	if
	:: prev == MN_LIVE ->
		release_begins(sub);
		in_release[sub] = false
	:: else
	fi;
	srcu_read_unlock(idx);
	mn_hlist_remove(sub)
}

proctype mmu_notifier_unregister(byte sub)
{
	bit idx;
	byte prev;

	unregister_begins(sub);
#ifndef NO_AWAIT
	if
	:: prev == MN_RELEASED -> mn_await_exit_release(sub)
	:: else
	fi;
#endif
	atomic {
		assert(released[sub] && !in_release[sub]);
		freed = freed | (1 << sub)
	}
}

inline mmu_notifier_put()
{
	atomic {
		state[Z] = MN_LEAVING;
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
#ifndef NO_PAUSE
		srcu_read_unlock(exit_idx);
#endif
		unregister_begins(target);
#ifdef AWAIT_IN_EXIT
		mn_await_exit_release(target);
#endif
		atomic {
			assert(released[target]);
			assert(!in_release[target] || target == sub);
			freed = freed | (1 << target)
		};
#ifndef NO_PAUSE
		srcu_read_lock(exit_idx);
#endif
		exit_restart = true
	:: else
	fi
}

proctype exit()
{
	bit exit_idx, idx, ph;
	byte n, sub, prev, target;

	/* mn_hlist_call_release() */
	srcu_read_lock(exit_idx);
restart:
	exit_restart = false;
	ph = phase;
	n = 0;
	do
	:: n == N -> break
	:: else ->
	   sub = (backwards -> N - 1 - n : n);
	   if
	   :: bit_of(hlist[ph], sub) ->
		exit_sub = sub;
		mn_advance(sub, MN_RELEASED, prev);
		if
		:: prev == MN_LIVE ->
			release_begins(sub);
			release_by_exit(sub);
#ifdef PLAIN_EXIT_SUB
			if
			:: exit_restart -> exit_sub = NOBODY
			:: else
			fi;
#endif
			in_release[sub] = false;
			if
			:: exit_restart ->
				exit_sub = NOBODY;
				wake_up_all();
#ifdef NO_RESTART
				exit_restart = false
#else
				goto restart
#endif
			:: else
			fi
		:: else
		fi;
		/* The next one is asked of it */
		assert(!bit_of(freed, sub))
	   :: else
	   fi;
	   n++
	od;
	exit_sub = NOBODY;
	srcu_read_unlock(exit_idx);

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
		run exit();
		run mn_put_work();
		if
		:: plan = PLAIN ->
			run mmu_notifier_unregister(X);
			run task_that_puts();
			run section()
		:: plan = X_TAKES_Y ->
			run mmu_notifier_unregister(X);
			run task_that_puts()
		:: plan = X_TAKES_X ->
			run mmu_notifier_unregister(Y);
			run task_that_puts()
		:: plan = Z_TAKES_Y ->
			run mmu_notifier_unregister(X)
		:: plan = PLAIN ->
			run mmu_notifier_unregister(X);
			run mmu_notifier_unregister(Y);
			run section()
		fi
	}
}
