/*
 * No lost wake-up on subs->wq: mn_slot_over() in mn_itree_wait() against
 * mn_itree_end(), and against mn_itree_end_in_domain() and mn_itree_end_wake();
 * mn_waiter_add() and mn_waiter_wait() against mn_itree_enter_unslotted() and
 * mn_itree_end_unslotted(); mn_await_exit_release() against mn_exit_release(), and
 * that against mn_end_release(). mm/mmu_notifier.c, mm/mmu_interval_notifier.c.
 *
 * One of these is picked at the beginning:
 *
 *	SLOT		two tasks wait for a section in a slot, alone or in the domain,
 *			which ends; then another section takes the slot and stays
 *	UNSLOTTED	one section is unslotted, another one begins, and two tasks wait
 *			for those that they find; both sections end
 *	EXIT		one task waits until exit_mn changes, while exit waits until
 *			releasing does
 *
 * A slot is one word: whether a section is there, a count, and WAITED. The exchange that
 * ends a section is a full barrier; that one without it lets pass what comes
 * after is said by another order of the statements. In the domain it ends by a release,
 * which stays in a buffer of its CPU until srcu_read_unlock(). It overwrites WAITED where
 * that was set meanwhile, of which there is no need. exit_mn and releasing change by a
 * release, which stays in a buffer of its CPU for as long as it likes; what empties
 * the buffer is wq_has_sleeper(), a full barrier.
 *
 * Assumed of wait_event(): looks at the condition once before it queues; queues
 * itself under the lock of the queue, then a full barrier, then looks again; goes to
 * sleep only while it is queued. Of wake_up_all(): takes the lock of the queue. Left
 * out: states of tasks; who else may be in the queue, as that only adds wake-ups.
 *
 * Properties:
 *  - no task waits for ever (no invalid end state);
 *  - a waiter is on the stack of its task only as long as that waits, and nobody
 *    touches it later;
 *  - each waits for the sections that it found, and for no other.
 */
/* wrong: NO_WAKE_UP the change alone wakes no task */
/* wrong: WAITED_BY_STORE the bit is set in a slot that has been given back */
/* wrong: LOOKS_THEN_FREES the end looks for the bit, and then gives the slot back */
/* wrong: NO_SRCU_BARRIER the release is in the buffer when the end looks for waiters */
/* wrong: ASKS_WAITED_IN_DOMAIN the bit that the release has overwritten */
/* wrong: COUNT_NOT_COMPARED the next section in the slot is waited for */
/* wrong: WAITER_WITHOUT_BARRIER looks at the condition before it is seen to be queued */
/* wrong: WAITER_AT_TAIL the first ones on the list are not those that came last */
/* wrong: ALL_WAITERS an unslotted section counts for those that came before it */
/* wrong: UNSLOTTED_WITHOUT_LOCK two ends at once: one is not counted */
/* wrong: LEAVE_WITHOUT_LOCK a waiter is gone while an end still looks at it */
/* wrong: WAKE_UP_BEFORE_LEFT a task that looks in between sleeps for ever */
/* wrong: TOO_FEW_GENERATIONS as many waiters come as there are generations: none counts */
/* wrong: GENERATION_WITHOUT_WRAP a section of after the wrap counts for earlier waiters */
/* wrong: WAKE_UP_BEFORE_EXIT_MN the same for one that waits for a ->release of exit */
/* wrong: WAITQUEUE_ACTIVE a release is no full barrier: store buffering */

mtype = { SLOT, UNSLOTTED, EXIT };
mtype plan;

#define WAITERS 2

/* A range has room for so many. More than there are waiters; they wrap here. */
#ifdef TOO_FEW_GENERATIONS
#define GENERATIONS 2
#else
#define GENERATIONS 4
#endif
#define FIRST_GENERATION 3

/* The slot */
bool busy, waited;
bool end_buffered;		/* of the one in the domain */
bit count;

/* Sections without one */
bool lock;
byte unslotted, generation = FIRST_GENERATION;
byte list[WAITERS], listed;	/* of subs->waiters, the latest first */
byte left[WAITERS];

/* exit_mn and releasing, and the buffers of those who change them */
bool exit_mn_changed, exit_mn_buffered;
bool releasing_changed, releasing_buffered;

bool wq_lock;
bool queued[WAITERS];

/* For the properties */
bool on_stack[WAITERS];
byte found[WAITERS];		/* sections that it waits for, a bit for each */
byte over;			/* those that are over */
byte begun;			/* those that are unslotted and not over */

active proctype store_buffers()
{
end:	do
	:: atomic {
		end_buffered -> end_buffered = false; busy = false; waited = false
	   }
	:: atomic {
		exit_mn_buffered -> exit_mn_buffered = false; exit_mn_changed = true
	   }
	:: atomic {
		releasing_buffered ->
		releasing_buffered = false; releasing_changed = true
	   }
	od
}

inline wake_up_all()
{
#ifndef NO_WAKE_UP
	atomic {
		!wq_lock ->
		queued[0] = false;
		queued[1] = false
	};
#endif
	skip
}

inline wait_event(me, condition)
{
	done = (condition);
	do
	:: done -> break
	:: else ->
#ifdef WAITER_WITHOUT_BARRIER
		done = (condition);
		atomic { !wq_lock -> queued[me] = true };
#else
		atomic { !wq_lock -> queued[me] = true };
		done = (condition);
#endif
		if
		:: done -> atomic { !wq_lock -> queued[me] = false }
		:: else -> !queued[me]; done = (condition)
		fi
	od
}

/* mn_itree_end() of a section in a slot */
proctype section_in_slot()
{
	bool wake;

#ifdef LOOKS_THEN_FREES
	wake = waited;
	atomic { busy = false; waited = false };
#else
	atomic { busy = false; wake = waited; waited = false };
#endif
	if
	:: wake -> wake_up_all()
	:: else
	fi
}

/* mn_itree_end_in_domain(), srcu_read_unlock(), mn_itree_end_wake() */
proctype section_in_domain()
{
	bool wake;

#ifdef ASKS_WAITED_IN_DOMAIN
	wake = waited;
#endif
	end_buffered = true;
#ifndef NO_SRCU_BARRIER
	!end_buffered;
#endif
#ifndef ASKS_WAITED_IN_DOMAIN
	wake = queued[0] || queued[1];
#endif
	if
	:: wake -> wake_up_all()
	:: else
	fi
}

/* It takes the slot when that is free, and stays. */
proctype next_section_in_slot()
{
	atomic { !busy -> assert(!waited); busy = true; count = 1 - count }
}

proctype unslotted_section(byte me; bool running)
{
	byte began, later, i, was;
	bool wake;

	if
	:: running -> began = FIRST_GENERATION % GENERATIONS
	:: else ->
		/* mn_itree_enter_unslotted() */
		atomic {
			!lock ->
			began = generation % GENERATIONS;
			unslotted++;
			begun = begun | (1 << me)
		}
	fi;

	/* mn_itree_end_unslotted() */
#ifdef WAKE_UP_BEFORE_LEFT
	wake_up_all();
#endif
#ifdef UNSLOTTED_WITHOUT_LOCK
	was = unslotted;
	unslotted = was - 1;
	atomic { !lock -> lock = true };
#else
	atomic { !lock -> lock = true };
	unslotted--;
#endif
	atomic {
		was = 0;
		over = over | (1 << me);
		begun = begun - (1 << me);
		later = generation - began
#ifndef GENERATION_WITHOUT_WRAP
		; later = later % GENERATIONS
#endif
	};
	do
	:: i == listed -> break
#ifndef ALL_WAITERS
	:: i < listed && later == 0 -> break
#endif
	:: else ->
		later = (later > 0 -> later - 1 : 0);
		atomic {
			assert(on_stack[list[i]]);
			if
			:: left[list[i]] > 0 ->
				left[list[i]]--;
				wake = wake || left[list[i]] == 0
			:: else
			fi
		};
		i++
	od;
	lock = false;
#ifndef WAKE_UP_BEFORE_LEFT
	if
	:: wake -> wake_up_all()
	:: else
	fi;
#endif
	skip
}

proctype mn_exit_release()
{
	bool done;

#ifndef WAKE_UP_BEFORE_EXIT_MN
	exit_mn_buffered = true;
	/* wq_has_sleeper() */
#ifndef WAITQUEUE_ACTIVE
	!exit_mn_buffered;
#endif
#endif
	if
	:: queued[0] || queued[1] -> wake_up_all()
	:: else
	fi;
#ifdef WAKE_UP_BEFORE_EXIT_MN
	exit_mn_buffered = true;
#endif
	wait_event(0, releasing_changed)
}

proctype mn_end_release()
{
	releasing_buffered = true;
#ifndef WAITQUEUE_ACTIVE
	!releasing_buffered;
#endif
	if
	:: queued[0] || queued[1] -> wake_up_all()
	:: else
	fi
}

/* mn_slot_over(): a compare-and-exchange sets the bit unless the section is over */
#ifdef COUNT_NOT_COMPARED
#define slot_over (!busy)
#else
#define slot_over (!busy || count != seen)
#endif

inline mn_slot_over()
{
#ifdef WAITED_BY_STORE
	/* In two steps */
	done = slot_over;
	if
	:: !done -> waited = true
	:: else
	fi
#else
	atomic {
		done = slot_over;
		if
		:: !done -> waited = true
		:: else
		fi
	}
#endif
}

proctype slot_waiter(byte me)
{
	bool done;
	bit seen;

	seen = 0;
	mn_slot_over();
	do
	:: done -> break
	:: else ->
#ifdef WAITER_WITHOUT_BARRIER
		mn_slot_over();
		atomic { !wq_lock -> queued[me] = true };
#else
		atomic { !wq_lock -> queued[me] = true };
		mn_slot_over();
#endif
		if
		:: done -> queued[me] = false
		:: else -> !queued[me]; mn_slot_over()
		fi
	od
}

proctype unslotted_waiter(byte me)
{
	bool done;

	/* mn_waiter_add() */
	atomic {
		!lock ->
		left[me] = unslotted;
		found[me] = begun;
		generation++;
		on_stack[me] = true;
#ifdef WAITER_AT_TAIL
		list[listed] = me;
#else
		list[1] = list[0];
		list[0] = me;
#endif
		listed++
	};
	/* mn_waiter_wait() */
	wait_event(me, left[me] == 0);
	assert((over & found[me]) == found[me]);
#ifndef LEAVE_WITHOUT_LOCK
	atomic { !lock -> skip };
#endif
	atomic {
		if
		:: list[0] == me -> list[0] = list[1]
		:: else
		fi;
		listed--;
		on_stack[me] = false
	}
}

proctype mn_await_exit_release()
{
	bool done;

	wait_event(1, exit_mn_changed)
}

init
{
	atomic {
		if
		:: plan = SLOT; busy = true;
		   if
		   :: run section_in_slot()
		   :: run section_in_domain()
		   fi;
		   run next_section_in_slot();
		   run slot_waiter(0); run slot_waiter(1)
		:: plan = UNSLOTTED; unslotted = 1; begun = 1;
		   run unslotted_section(0, true); run unslotted_section(1, false);
		   run unslotted_waiter(0); run unslotted_waiter(1)
		:: plan = EXIT;
		   run mn_exit_release(); run mn_end_release();
		   run mn_await_exit_release()
		fi
	}
}
