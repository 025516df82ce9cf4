/*
 * The structure of an mm and the first registrations on it: mn_subscriptions_get(),
 * __mmu_notifier_register() and mn_drain_uncounted() against
 * mmu_notifier_invalidate_range_start() and mmu_notifier_invalidate_range_end().
 * mm/mmu_notifier.c.
 *
 * Two tasks register a subscriber each, at once. Each installs the structure if it
 * finds none, before it takes mmap_lock; then sets its flag in the structure, waits
 * for the counted sections that did not see the flag, and passes through the locks
 * unless the other one has. One VMA of a file, which may get an anon_vma by a fault
 * and may be marked already when registration begins. One task runs section after
 * section, each under one lock of those that mn_drain_uncounted() names.
 *
 * What a registering CPU stores goes through a buffer. The compare-and-exchange
 * that installs the structure waits for the buffer, as a full barrier, and so does an
 * unlock; a lock does not.
 *
 * Left out: how a counted section is waited for (tree_flags, two_lists); several
 * VMAs, and that locks in common are passed once; hugetlb.
 *
 * Properties:
 *  - when a registration returns no section is running that does not deliver to the
 *    subscriber, and none begins after that;
 *  - a section that sees the pointer sees the structure behind it initialised;
 *  - an end is delivered exactly if the start was;
 *  - the list of anon_vmas of the VMA does not change while it is walked.
 */
/* wrong: NO_VMA_PASS the lock of the VMA is not passed (nor is the VMA marked) */
/* wrong: NO_MAPPING_PASS i_mmap_rwsem is not passed */
/* wrong: NO_ANON_PASS the anon_vma lock is not passed */
/* wrong: DRAIN_BEFORE_INSTALL a section may begin uncounted after the drain */
/* wrong: INSTALLED_MEANS_DRAINED it is installed before the drain, which needs mmap_lock */
/* wrong: DRAINED_WITHOUT_DRAIN the other registration trusts a drain that is not over */
/* wrong: INSTALL_BY_STORE the second structure replaces the first one */
/* wrong: PLAIN_INSTALL no barrier: the pointer is seen before what it points to */
/* wrong: WAIT_BEFORE_FLAG a counted section begins between the wait and the flag */
/* wrong: MMAP_LOCK_READ registration excludes no section under mmap_lock */
/* wrong: ANON_BEFORE_MARK the anon_vmas come first: a fault changes the list being walked */
/* wrong: VMA_NOT_MARKED passed as the others are: the same between lock and walk */
/* wrong: END_ASKS_MM end asks the mm rather than the range, and finds a newcomer */
/* wrong: SECTION_WITHOUT_LOCK a caller of start that holds none of the locks */

#define REGISTRARS 2
#define NONE 2

mtype = { MMAP_LOCK, VMA_LOCK, I_MMAP_RWSEM, ANON_VMA_LOCK, NO_LOCK };

/* mm->notifier_subscriptions: whose structure it is */
byte notifier_subscriptions = NONE;
bool initialised[REGISTRARS];
bool drained[REGISTRARS];
byte flags[REGISTRARS];		/* in each structure a bit for each subscriber */

/* Stores that are not yet in memory */
bool pointer_buffered[REGISTRARS], contents_buffered[REGISTRARS];

bool mmap_writer, mapping_writer, anon_writer;
byte mmap_readers, mapping_readers, anon_readers, vma_readers;
bool vma_marked;
bool has_anon_vma;	/* the list of them that the VMA has is not empty */
bool walking_chain;

/* The section */
bool running;
byte counted = NONE;	/* in which structure */
byte told;		/* which subscribers it delivers to */

/* For the properties */
byte registered;

active proctype store_buffers()
{
end:	do
	:: atomic {
		contents_buffered[0] ->
		contents_buffered[0] = false; initialised[0] = true
	   }
	:: atomic {
		contents_buffered[1] ->
		contents_buffered[1] = false; initialised[1] = true
	   }
	:: atomic {
		pointer_buffered[0] ->
		pointer_buffered[0] = false; notifier_subscriptions = 0
	   }
	:: atomic {
		pointer_buffered[1] ->
		pointer_buffered[1] = false; notifier_subscriptions = 1
	   }
	od
}

inline barrier()
{
	!contents_buffered[me] && !pointer_buffered[me]
}

inline mn_subscriptions_get()
{
	subs = notifier_subscriptions;
	if
	:: subs == NONE ->
		contents_buffered[me] = true;
#if defined(PLAIN_INSTALL)
		atomic {
			if
			:: notifier_subscriptions == NONE && !pointer_buffered[1 - me] ->
				pointer_buffered[me] = true;
				subs = me
			:: else -> subs = notifier_subscriptions
			fi
		};
		if
		:: subs == NONE -> subs = 1 - me
		:: else
		fi
#elif defined(INSTALL_BY_STORE)
		barrier();
		notifier_subscriptions = me;
		subs = me
#else
		barrier();
		atomic {
			if
			:: notifier_subscriptions == NONE ->
				notifier_subscriptions = me
			:: else
			fi;
			subs = notifier_subscriptions
		}
#endif
	:: else ->
#ifdef INSTALLED_MEANS_DRAINED
		drained[subs] = true
#else
		skip
#endif
	fi
}

inline pass_vma()
{
#ifndef NO_VMA_PASS
	/* vma_start_write(): readers that come now find the mark and give up */
	if
	:: !vma_marked ->
		atomic { vma_readers == 0 -> vma_marked = true };
		barrier();
#ifdef VMA_NOT_MARKED
		vma_marked = false;
#endif
		skip
	:: else
	fi;
#endif
	skip
}

inline pass_mapping()
{
#ifndef NO_MAPPING_PASS
	atomic { mapping_readers == 0 -> mapping_writer = true };
	barrier();
	mapping_writer = false;
#endif
	skip
}

inline pass_anon_vma()
{
#ifndef NO_ANON_PASS
	atomic { anon_readers == 0 -> anon_writer = true };
	barrier();
	anon_writer = false;
#endif
	skip
}

inline pass_chain()
{
	walking_chain = true;
	if
	:: has_anon_vma -> pass_anon_vma()
	:: else
	fi;
	walking_chain = false
}

inline pass_all()
{
#ifdef ANON_BEFORE_MARK
	pass_chain();
	pass_vma();
	pass_mapping()
#else
	pass_vma();
	pass_mapping();
	pass_chain()
#endif
}

inline mn_drain_uncounted()
{
	if
	:: drained[subs]
	:: else ->
#ifdef DRAINED_WITHOUT_DRAIN
		drained[subs] = true;
		mmap_writer = false;
		atomic { !mmap_writer && mmap_readers == 0 -> mmap_writer = true };
#endif
		pass_all();
		drained[subs] = true
	fi
}

/* mn_itree_drain() or a grace period */
inline wait_for_counted()
{
	!(running && counted == subs && !((told >> me) & 1))
}

active [REGISTRARS] proctype registrar()
{
	byte me = _pid - 1, subs;

#ifndef DRAIN_BEFORE_INSTALL
	mn_subscriptions_get();
#endif
#ifdef MMAP_LOCK_READ
	atomic { !mmap_writer -> mmap_readers++ };
#else
	atomic { !mmap_writer && mmap_readers == 0 -> mmap_writer = true };
#endif
	/* A caller under mmap_lock may have marked the VMA for its own purpose */
	if
	:: atomic { vma_readers == 0 -> vma_marked = true }
	:: true
	fi;
#ifdef DRAIN_BEFORE_INSTALL
	pass_all();
	mn_subscriptions_get();
	drained[subs] = true;
#endif
#ifdef WAIT_BEFORE_FLAG
	wait_for_counted();
#endif
	flags[subs] = flags[subs] | (1 << me);
#ifndef WAIT_BEFORE_FLAG
	wait_for_counted();
#endif
	mn_drain_uncounted();
	atomic {
		assert(!running || (told >> me) & 1);
		registered = registered | (1 << me)
	};
	barrier();
#ifdef MMAP_LOCK_READ
	atomic { vma_marked = false; mmap_readers-- }
#else
	atomic { vma_marked = false; mmap_writer = false }
#endif
}

inline take_lock()
{
	if
	:: atomic { !mmap_writer -> mmap_readers++; lock = MMAP_LOCK }
	:: atomic { !vma_marked -> vma_readers++; lock = VMA_LOCK }
	:: atomic { !mapping_writer -> mapping_readers++; lock = I_MMAP_RWSEM }
	:: atomic {
		has_anon_vma && !anon_writer ->
		anon_readers++; lock = ANON_VMA_LOCK
	   }
#ifdef SECTION_WITHOUT_LOCK
	:: lock = NO_LOCK
#endif
	fi
}

inline drop_lock()
{
	if
	:: lock == MMAP_LOCK -> mmap_readers--
	:: lock == VMA_LOCK -> vma_readers--
	:: lock == I_MMAP_RWSEM -> mapping_readers--
	:: lock == ANON_VMA_LOCK -> anon_readers--
	:: lock == NO_LOCK
	fi
}

active proctype section()
{
	mtype lock;

end:	do
	:: take_lock();
	   /* A fault, under the lock of the VMA */
	   if
	   :: atomic {
		lock == VMA_LOCK && !has_anon_vma ->
		assert(!walking_chain);
		has_anon_vma = true
	      }
	   :: true
	   fi;

	   /* start: counted if it finds the structure */
	   atomic {
		counted = notifier_subscriptions;
		if
		:: counted != NONE ->
			assert(initialised[counted]);
			told = flags[counted]
		:: else
		fi;
		assert((told & registered) == registered);
		running = true
	   };

	   /* The page tables change. Then end */
	   atomic {
#ifdef END_ASKS_MM
		if
		:: notifier_subscriptions != NONE ->
			assert(told == flags[notifier_subscriptions])
		:: else
		fi;
#endif
		running = false; counted = NONE; told = 0
	   };
	   drop_lock()
	od
}
