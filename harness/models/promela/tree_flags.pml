/*
 * Where sections run, and whether they look at the tree: MN_RANGE_ALONE,
 * MN_ITREE_ENABLED, itree_ready and has_domain. mn_domain_init(), mn_hlist_add(),
 * mn_hlist_remove(), mn_itree_drain(), mn_itree_enable() and the path without
 * mmap_lock of mmu_interval_notifier_insert(), against
 * __mmu_notifier_invalidate_range_start(), mn_itree_start_alone(),
 * mn_domain_start() and __mmu_notifier_invalidate_range_end(). mm/mmu_notifier.c,
 * mm/mmu_interval_notifier.c.
 *
 * One subscriber with start and end registers, leaves and registers again. With it
 * run two tasks that run sections, each in a slot of its own; or one that runs them in
 * either slot, and one or two tasks that insert the first intervals of the mm. A store
 * to subs->flags may stay in the buffer of its CPU until a full barrier or until
 * another task takes subs->lock.
 *
 * Left out: the installation of the structure (publish_drain); the lists, of which
 * all that counts is whether the subscriber is on the one that is walked
 * (two_lists); what the tree does with a section in a slot (collision_retry).
 *
 * Properties:
 *  - when a registration returns no section is running that does not deliver to the
 *    subscriber, and none begins after that;
 *  - when unregistration returns no section is running that does;
 *  - when an insert begins to change the tree no section is running without a slot,
 *    and none begins after that;
 *  - what such sections have changed is seen by reads after the insert;
 *  - no section enters a domain that is not initialised;
 *  - each section gives back the slot and the domain that it took, and no other.
 */
/* wrong: NO_RECHECK flags of before the claim: neither section nor drain sees the other */
/* wrong: NO_DRAIN taking MN_RANGE_ALONE back waits for the domain only */
/* wrong: DRAIN_FIRST_ONLY only the first one drains: sections are alone again later */
/* wrong: DRAIN_BEFORE_FLAGS a section begins alone after the drain */
/* wrong: NO_BARRIER_IN_DRAIN looks at the slots while the flags are in the buffer */
/* wrong: USED_AFTER_CLAIM no barrier behind it: the drain does not look into the slot */
/* wrong: AGAIN_KEEPS_SLOT a section that enters the domain after all keeps its slot */
/* wrong: AGAIN_KEEPS_FLAGS its range keeps the number of that slot beside the next one */
/* wrong: END_ASKS_FLAGS end asks subs->flags, not the range, whether it was alone */
/* wrong: ALONE_WITHOUT_SLOT a section that is alone looks at the tree if it is enabled */
/* wrong: DOMAIN_AFTER_FLAGS MN_RANGE_ALONE is taken back before there is a domain */
/* wrong: PLAIN_FLAGS_LOAD no acquire: the domain is read before the flags */
/* wrong: TRUST_ENABLED the insert without mmap_lock tests MN_ITREE_ENABLED */
/* wrong: READY_BEFORE_WAIT itree_ready is seen before the wait is over */
/* wrong: PLAIN_READY_LOAD no acquire: the page table is read before itree_ready */
/* wrong: NO_SYNCHRONIZE sections that did not see MN_ITREE_ENABLED are not waited for */
/* wrong: FLAGS_BEFORE_READ_LOCK a section reads the flags before it is counted */

#define SRCU_IN_ONE_STEP	/* two_lists has the steps one by one */
#include "srcu.h"

#define NOBODY 3

/* The bits of subs->flags. LISTED stands for the phase. */
#define ENABLED 1
#define HAS_START 2
#define LISTED 4
#define USED 8		/* hlist_used: the flags are stored with it */
#define itree(f) (((f) & ENABLED) || ((f) & USED) == 0)
#define alone(f) (itree(f) && ((f) & HAS_START) == 0)

byte flags;
bool lock;
byte buffered, writer = NOBODY;	/* a store to flags and its task, not yet in memory */

bool has_domain, itree_ready;
bool mmap_lock, switching;

/* The slots */
bool used[2], busy[2];
byte nr[2];

/* For the properties */
bool registered, gone = true, inserted;
byte open, missed;	/* running sections that deliver, and that do not */
byte uncounted;		/* running sections without a slot */
byte pte;		/* how often such sections have changed it */

active proctype store_buffer()
{
end:	do
	:: atomic {
		writer != NOBODY ->
		flags = buffered; buffered = 0; writer = NOBODY; lock = false
	   }
	od
}

inline mn_store_flags(set, clear)
{
	atomic {
		!lock ->
		lock = true;
		buffered = (flags | (set)) & (15 - (clear));
		writer = me
	}
}

inline barrier()
{
	writer != me
}

inline mn_await_domain()
{
	if
	:: has_domain ->
		barrier();
		synchronize_srcu_expedited()
	:: else
	fi
}

inline mn_slot_claim()
{
	if
	:: at = me
	:: moves -> at = 1 - me
	fi;
#ifndef USED_AFTER_CLAIM
	used[at] = true;
#endif
	atomic {
		assert(!busy[at]);
		busy[at] = true;
		nr[at]++;
		/* Its bits are added to those of the range. */
		number = number | at;
		at = 0;
		slot = true
	}
}

inline mn_itree_end()
{
	atomic { assert(busy[number]); busy[number] = false; slot = false }
}

inline mn_domain_start()
{
#if defined(PLAIN_FLAGS_LOAD)
	assert(domain);
#else
	assert(has_domain);
#endif
	domain = true;
#ifdef FLAGS_BEFORE_READ_LOCK
	f = flags;
	srcu_read_lock(idx);
#else
	srcu_read_lock(idx);
	f = flags;
#endif
	outside = false;
	if
	:: itree(f) ->
		mn_slot_claim();
#ifdef USED_AFTER_CLAIM
		used[number] = true;
#endif
		skip
	:: else
	fi
}

proctype section(byte me; byte sections; bool moves)
{
	byte n, f, at, number;
	bit idx;
	bool domain, outside, slot, told;

	do
	:: n == sections -> break
	:: else ->
	   n++;
#ifdef PLAIN_FLAGS_LOAD
	   domain = has_domain;
#endif
	   f = flags;
	   if
	   :: alone(f) ->
#ifdef ALONE_WITHOUT_SLOT
		if
		:: f & ENABLED -> mn_slot_claim()
		:: else
		fi;
#else
		mn_slot_claim();
#endif
#ifndef NO_RECHECK
		f = flags;
#endif
#ifdef USED_AFTER_CLAIM
		used[number] = true;
#endif
		if
		:: alone(f) -> outside = true; domain = false
		:: else ->
			atomic {
#ifndef AGAIN_KEEPS_SLOT
				if
				:: slot -> mn_itree_end()
				:: else
				fi;
#endif
#ifndef AGAIN_KEEPS_FLAGS
				number = 0;
#endif
				/* The flags were loaded again with an acquire */
				domain = has_domain
			};
			mn_domain_start()
		fi
	   :: else -> mn_domain_start()
	   fi;
	   atomic {
		told = !alone(f) && (f & LISTED);
		if
		:: told -> assert(!gone); open++
		:: else -> assert(!registered); missed++
		fi;
		if
		:: !slot -> assert(!inserted); uncounted++
		:: else
		fi
	   };

	   atomic {
		if
		:: !slot -> pte++
		:: else
		fi
	   };

	   /* end */
#ifdef END_ASKS_FLAGS
	   atomic { outside = alone(flags) };
#endif
	   atomic {
		if
		:: told -> open--
		:: else -> missed--
		fi;
		if
		:: slot -> mn_itree_end()
		:: else -> uncounted--
		fi;
		f = 0; told = false; number = 0;
		assert(outside != domain)
	   };
	   if
	   :: !outside -> srcu_read_unlock(idx)
	   :: else
	   fi;
	   atomic { outside = false; domain = false; idx = 0 }
	od
}

inline mn_itree_drain()
{
#ifndef NO_BARRIER_IN_DRAIN
	barrier();
#endif
	i = 0;
	do
	:: i == 2 -> break
	:: else ->
		if
		:: used[i] ->
			/* Not for later ones */
			atomic {
				if
				:: busy[i] -> seen = nr[i]
				:: else -> seen = 0
				fi
			};
			!busy[i] || nr[i] != seen
		:: else
		fi;
		atomic { seen = 0; i++ }
	od;
	i = 0
}

inline mn_domain_init()
{
	atomic { !switching -> switching = true };
	has_domain = true;
	switching = false
}

inline mmu_notifier_register()
{
#ifndef DOMAIN_AFTER_FLAGS
	mn_domain_init();
#endif
	atomic { !mmap_lock -> mmap_lock = true };
	atomic { !switching -> switching = true };
#ifdef DRAIN_BEFORE_FLAGS
	mn_itree_drain();
#endif
	gone = false;
	before = flags;
	if
	:: before & USED ->
		mn_store_flags(HAS_START, 0);
		/* The flip */
		mn_store_flags(LISTED, 0);
		mn_await_domain()
	:: else ->
		mn_store_flags(HAS_START | LISTED | USED, 0)
	fi;
#if !defined(NO_DRAIN) && !defined(DRAIN_BEFORE_FLAGS)
	if
#ifdef DRAIN_FIRST_ONLY
	:: alone(before) && (before & USED) == 0 -> mn_itree_drain()
#else
	:: alone(before) -> mn_itree_drain()
#endif
	:: else
	fi;
#endif
#ifdef DOMAIN_AFTER_FLAGS
	switching = false;
	mn_domain_init();
#endif
	atomic { assert(missed == 0); registered = true; before = 0 };
	switching = false;
	barrier();
	mmap_lock = false
}

inline mmu_notifier_unregister()
{
	registered = false;
	atomic { !switching -> switching = true };
	mn_store_flags(0, LISTED);
	mn_await_domain();
	atomic { assert(open == 0); gone = true };
	/* mn_hlist_forget_ops(): no other subscriber has them */
	mn_store_flags(0, HAS_START);
	barrier();
	switching = false
}

proctype subscriber(byte me)
{
	byte before, i, seen;

	mmu_notifier_register();
	mmu_notifier_unregister();
	mmu_notifier_register()
}

inline mn_itree_enable()
{
	if
	:: !itree_ready ->
		mn_store_flags(ENABLED, 0);
#ifdef READY_BEFORE_WAIT
		itree_ready = true;
#endif
#ifndef NO_SYNCHRONIZE
		mn_await_domain();
#endif
		itree_ready = true
	:: else
	fi
}

proctype insert(byte me)
{
	bool ready;
	byte read;

#ifdef PLAIN_READY_LOAD
	/* Where a CPU may do it that takes the short path */
	read = pte;
#endif
#ifdef TRUST_ENABLED
	ready = flags & ENABLED;
#else
	ready = itree_ready;
#endif
	if
	:: !ready ->
		atomic { !mmap_lock -> mmap_lock = true };
		mn_itree_enable();
#ifdef PLAIN_READY_LOAD
		read = pte;
#endif
		mmap_lock = false
	:: else
	fi;

	/* mn_itree_insert() */
	atomic { assert(uncounted == 0); inserted = true };
#ifndef PLAIN_READY_LOAD
	read = pte;
#endif
	assert(read == pte)
}

init
{
	atomic {
		run subscriber(0);
		if
		:: run section(0, 2, false); run section(1, 1, false)
		:: run section(0, 2, true); run insert(1)
		:: run section(0, 1, true); run insert(1); run insert(2)
		fi
	}
}
