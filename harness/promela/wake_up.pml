/*
 * No lost wake-up on subs->wq: wait_event() in mmu_interval_read_begin(),
 * mmu_interval_notifier_remove() and mn_await_exit_release() against
 * wake_up_all() in mn_itree_end() and mn_hlist_call_release(). mm/mmu_notifier.c,
 * mm/mmu_interval_notifier.c.
 *
 * One store that two tasks wait for, here that of the sequence. It goes through a
 * buffer of the waking CPU together with the unlock of subs->lock behind it, which
 * orders nothing that comes after. The only thing that empties the buffer is the
 * unlock of the wait queue, within wake_up_all().
 *
 * Assumed of wait_event(): queues itself under the lock of the queue, then a full
 * barrier, then looks at the condition; goes to sleep only while it is queued. Of
 * wake_up_all(): takes the lock of the queue even when nobody is queued. Left out:
 * states of tasks.
 *
 * Property: everybody goes on (no invalid end state).
 */
/* wrong: NO_WAKE_UP the change alone wakes nobody */
/* wrong: WAKE_UP_BEFORE_STORE who comes in between sleeps for ever */
/* wrong: WAITQUEUE_ACTIVE looks for sleepers without the lock: store buffering */

#define WAITERS 2

bool changed, change_buffered;
bool wq_lock;
bool queued[WAITERS];

active proctype store_buffer()
{
end:	do
	:: atomic { change_buffered -> change_buffered = false; changed = true }
	od
}

inline wake_up_all()
{
	atomic { !wq_lock -> wq_lock = true };
	queued[0] = false;
	queued[1] = false;
	/* The unlock is a release */
	!change_buffered;
	wq_lock = false
}

active proctype waker()
{
#ifdef WAKE_UP_BEFORE_STORE
	wake_up_all();
#endif
	change_buffered = true;
#if defined(WAITQUEUE_ACTIVE)
	if
	:: queued[0] || queued[1] -> wake_up_all()
	:: else
	fi
#elif !defined(NO_WAKE_UP) && !defined(WAKE_UP_BEFORE_STORE)
	wake_up_all()
#endif
}

active [WAITERS] proctype waiter()
{
	byte me = _pid - 2;

	do
	:: atomic { !wq_lock -> wq_lock = true };
	   queued[me] = true;
	   wq_lock = false;
	   if
	   :: changed -> break
	   :: else -> !queued[me]
	   fi
	od
}
