/*
 * No lost wake-up on subs->wq: wait_event() in mmu_interval_read_begin(),
 * mmu_interval_notifier_remove() and mn_await_exit_release() against mn_itree_wake()
 * in mn_itree_end() and mn_itree_unpin(), and against wake_up_all() in
 * mn_hlist_call_release(). mm/mmu_notifier.c, mm/mmu_interval_notifier.c.
 *
 * BEGIN waits for sections to be over, for whose bits it looks under subs->lock. With
 * it in the queue is one of two, picked at the beginning: REMOVE, which waits for two
 * calls to be over, or AWAIT, which waits for exit_sub to change, both without the
 * lock. Sections end without the lock; one for which nobody waits begins, under the
 * lock, and ends. The calls are those of other sections, so that their ends don't help.
 *
 * Who ends or unpins does so by an atomic operation with full ordering, and looks
 * after that whether anybody is queued. That one without full ordering lets pass what
 * comes after it is said by another order of the statements. Who changes exit_sub does
 * so by a release, which stays in a buffer of its CPU for as long as it likes; what
 * empties the buffer is the unlock of the wait queue, within wake_up_all().
 *
 * Assumed of wait_event(): queues itself under the lock of the queue, then a full
 * barrier, then looks at the condition; goes to sleep only while it is queued. Of
 * wake_up_all(): takes the lock of the queue even when nobody is queued. Left out:
 * states of tasks; sections without a place, whose count is an atomic as well.
 *
 * Property: everybody goes on (no invalid end state).
 */
/* wrong: NO_WAKE_UP the change alone wakes nobody */
/* wrong: WAKE_UP_BEFORE_CLEAR who comes in between sleeps for ever */
/* wrong: NO_FULL_BARRIER looks for sleepers before the bit is seen to be clear */
/* wrong: WAITER_WITHOUT_BARRIER looks at the bit before it is seen to be queued */
/* wrong: CLEAR_NOT_ATOMIC two ends at once: a bit stays for ever */
/* wrong: SET_NOT_ATOMIC nor is the lock enough for who begins, as ends do not take it */
/* wrong: WAITQUEUE_ACTIVE_IN_EXIT a release is no full barrier: store buffering */

#define BEGIN 0
#define REMOVE 1
#define AWAIT 2

bool lock;
byte running, calls;
bool exit_sub_changed, change_buffered;
bool wq_lock;
bool queued[3];

#define waitqueue_active (queued[BEGIN] || queued[REMOVE] || queued[AWAIT])

active proctype store_buffer()
{
end:	do
	:: atomic {
		change_buffered ->
		change_buffered = false; exit_sub_changed = true
	   }
	od
}

inline wake_up_all(buffered)
{
#ifndef NO_WAKE_UP
	atomic {
		!wq_lock ->
		wq_lock = true;
		queued[BEGIN] = false;
		queued[REMOVE] = false;
		queued[AWAIT] = false
	};
	/* The unlock is a release */
	atomic { !(buffered) -> wq_lock = false };
#endif
	skip
}

inline look_for_sleepers()
{
	sleepers = waitqueue_active
}

inline wake_sleepers()
{
	if
	:: sleepers -> wake_up_all(false)
	:: else
	fi
}

/* What comes too early goes here */
inline before_the_atomic()
{
#ifdef NO_FULL_BARRIER
	look_for_sleepers();
#endif
#ifdef WAKE_UP_BEFORE_CLEAR
	look_for_sleepers();
	wake_sleepers();
#endif
	skip
}

inline mn_itree_wake()
{
#if !defined(NO_FULL_BARRIER) && !defined(WAKE_UP_BEFORE_CLEAR)
	look_for_sleepers();
#endif
#ifndef WAKE_UP_BEFORE_CLEAR
	wake_sleepers();
#endif
	sleepers = false
}

inline mn_itree_end(i)
{
	before_the_atomic();
#ifdef CLEAR_NOT_ATOMIC
	was = running;
	running = was - (1 << i);
#else
	running = running - (1 << i);
#endif
	mn_itree_wake()
}

proctype section(byte place)
{
	byte was;
	bool sleepers;

	mn_itree_end(place)
}

proctype another_section()
{
	byte was;
	bool sleepers;

	/* mn_itree_enter() */
	atomic { !lock -> lock = true };
#ifdef SET_NOT_ATOMIC
	was = running;
	running = was + (1 << 2);
#else
	running = running + (1 << 2);
#endif
	lock = false;
	mn_itree_end(2)
}

proctype mn_itree_unpin()
{
	bool last, sleepers;

	before_the_atomic();
	atomic { calls--; last = (calls == 0) };
	if
	:: last -> mn_itree_wake()
	:: else
	fi
}

proctype mn_hlist_call_release()
{
	change_buffered = true;
#ifdef WAITQUEUE_ACTIVE_IN_EXIT
	if
	:: waitqueue_active -> wake_up_all(change_buffered)
	:: else
	fi
#else
	wake_up_all(change_buffered)
#endif
}

inline prepare_to_wait(me)
{
	atomic { !wq_lock -> wq_lock = true };
	queued[me] = true;
	wq_lock = false
}

inline finish_wait(me)
{
	atomic { !wq_lock -> wq_lock = true };
	queued[me] = false;
	wq_lock = false
}

/* @may_look: when the condition can be looked at */
inline wait_event(me, may_look, condition)
{
	do
	::
#ifdef WAITER_WITHOUT_BARRIER
	   atomic { may_look -> over = (condition) };
	   prepare_to_wait(me);
#else
	   prepare_to_wait(me);
	   atomic { may_look -> over = (condition) };
#endif
	   if
	   :: over -> finish_wait(me); break
	   :: else -> !queued[me]
	   fi
	od
}

proctype mmu_interval_read_begin()
{
	bool over;

	wait_event(BEGIN, !lock, (running & 3) == 0)
}

proctype mmu_interval_notifier_remove()
{
	bool over;

	wait_event(REMOVE, true, calls == 0)
}

proctype mn_await_exit_release()
{
	bool over;

	wait_event(AWAIT, true, exit_sub_changed)
}

init
{
	atomic {
		run mmu_interval_read_begin();
		run section(0);
		if
		:: running = 3;
		   run section(1); run another_section();
		   calls = 2;
		   run mn_itree_unpin(); run mn_itree_unpin();
		   run mmu_interval_notifier_remove()
		:: running = 1;
		   run mn_hlist_call_release(); run mn_await_exit_release()
		fi
	}
}
