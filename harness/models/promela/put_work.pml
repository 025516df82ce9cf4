/*
 * What put leaves to do, and when the structure goes: mmu_notifier_put(),
 * mn_put_work(), mmu_notifier_synchronize(),
 * __mmu_notifier_subscriptions_destroy() and mn_destroy_work(). mm/mmu_notifier.c.
 *
 * The mm is only held by its two subscriptions, each of which a task puts, and by the
 * work item while it is queued or running. One of the two tasks then waits in
 * mmu_notifier_synchronize(), as a module does that goes. Whoever drops the last
 * reference to the mm has the structure destroyed.
 *
 * Assumed of workqueues: queue_work() makes an item pending that is not, and says
 * nothing otherwise; an item that runs may become pending again, and runs again
 * when it is through; a flush waits for what was pending or running when it began.
 * Of kfree(): that it may come at once.
 *
 * Left out: states, lists, grace periods and exit (release); puts of other mms.
 *
 * Properties:
 *  - no process touches the structure after it was freed, the unlock of its lock
 *    included; nor takes a reference to the mm when none is left;
 *  - free_notifier comes once for each subscription, and before a synchronize
 *    returns that began after its put;
 *  - in the end both subscriptions and the structure are freed (no invalid end
 *    state).
 */
/* wrong: QUEUE_OUTSIDE_LOCK the item may be through, and the structure gone */
/* wrong: QUEUE_BEFORE_ADD the item may find nothing, and does not run again */
/* wrong: NO_REFERENCE destroyed while the item runs, or is queued in vain */
/* wrong: GRAB_EACH_TIME one for an item that has one: the mm stays for ever */
/* wrong: GRAB_OUTSIDE_LOCK the item may be through, and drops what was not taken */
/* wrong: SYNCHRONIZE_PENDING_ONLY waits for what is queued, but not for what runs */

#define N 2

bool lock, put[N];		/* subs->put */
bool put_work_pending, put_work_running, destroy_work_pending;
byte put_work_queued, put_work_done;	/* how often */

byte mm_count = N;
bool subs_freed, sub_freed[N];

#define touch_subs() assert(!subs_freed)

inline spin_lock()
{
	atomic { !lock -> lock = true; touch_subs() }
}

inline spin_unlock()
{
	atomic { lock = false; touch_subs() }
}

inline queue_put_work()
{
	atomic {
		touch_subs();
		fresh = !put_work_pending;
		if
		:: fresh -> put_work_pending = true; put_work_queued++
		:: else
		fi
	}
}

/* For the item, if it has just been queued */
inline mmgrab()
{
#ifndef NO_REFERENCE
	atomic {
		if
#ifdef GRAB_EACH_TIME
		:: true -> assert(mm_count > 0); mm_count++
#else
		:: fresh -> assert(mm_count > 0); mm_count++
		:: else
#endif
		fi;
		fresh = false
	};
#endif
	skip
}

inline mmdrop()
{
	atomic {
		assert(mm_count > 0);
		mm_count--;
		if
		:: mm_count == 0 -> destroy_work_pending = true
		:: else
		fi
	}
}

inline mmu_notifier_put(sub)
{
	bool fresh;

	assert(!sub_freed[sub]);
#ifdef QUEUE_BEFORE_ADD
	queue_put_work();
	mmgrab();
#endif
	spin_lock();
	put[sub] = true;
#if !defined(QUEUE_OUTSIDE_LOCK) && !defined(QUEUE_BEFORE_ADD)
	queue_put_work();
#endif
#if !defined(QUEUE_OUTSIDE_LOCK) && !defined(GRAB_OUTSIDE_LOCK)
	mmgrab();
#endif
	spin_unlock();
#ifdef QUEUE_OUTSIDE_LOCK
	queue_put_work();
#endif
#if defined(QUEUE_OUTSIDE_LOCK) || defined(GRAB_OUTSIDE_LOCK)
	mmgrab();
#endif
	skip
}

/* Of the workqueue, not of the structure */
inline mmu_notifier_synchronize()
{
	byte until;

	until = put_work_queued;
#ifdef SYNCHRONIZE_PENDING_ONLY
	!put_work_pending
#else
	put_work_done >= until
#endif
}

active proctype task()
{
	mmu_notifier_put(0)
}

active proctype module_exit()
{
	mmu_notifier_put(1);
	mmu_notifier_synchronize();
	assert(sub_freed[1])
}

active proctype mn_put_work()
{
	bool took[N];
	byte sub;

end:	do
	:: atomic {
		put_work_pending && !put_work_running ->
		put_work_pending = false;
		put_work_running = true
	   };
	   spin_lock();
	   atomic {
		took[0] = put[0]; put[0] = false;
		took[1] = put[1]; put[1] = false
	   };
	   spin_unlock();
	   sub = 0;
	   do
	   :: sub == N -> break
	   :: sub < N && took[sub] ->
		/* mn_hlist_remove(), mn_await_exit_release() */
		touch_subs();
		atomic { assert(!sub_freed[sub]); sub_freed[sub] = true };
		mmdrop();
		took[sub] = false;
		sub++
	   :: else -> sub++
	   od;
	   /* Its own reference. It does not look at the structure any more. */
#ifndef NO_REFERENCE
	   mmdrop();
#endif
	   atomic { put_work_running = false; put_work_done++ }
	od
}

active proctype mn_destroy_work()
{
	destroy_work_pending;
	atomic {
		assert(sub_freed[0] && sub_freed[1]);
		assert(!put_work_pending && !lock);
		subs_freed = true
	}
}
