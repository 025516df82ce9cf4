/*
 * The first registration on an mm against sections: mn_publish() and
 * mn_drain_uncounted() against mmu_notifier_invalidate_range_start() and
 * mmu_notifier_invalidate_range_end(), mm/mmu_notifier.c.
 *
 * One VMA of a file, which may get an anon_vma by a fault and may be marked when
 * registration begins, and two tasks that run section after section, each under one
 * lock of those that mn_drain_uncounted() names. The stores of the registering CPU
 * go through a buffer, which an unlock has to wait for and nothing else: the locks
 * are acquire and release, no full barriers.
 *
 * Left out: the domain and what comes after (two_lists), several VMAs and that
 * locks in common are passed once, hugetlb.
 *
 * Properties:
 *  - when registration returns no section is running that the subscriber was not
 *    told of, and none begins after that;
 *  - who sees the pointer sees the subscriber behind it;
 *  - an end is delivered exactly if the start was;
 *  - the list of the VMA's anon_vmas stands still while it is walked.
 */
/* wrong: NO_VMA_PASS the lock of the VMA is not passed (nor is it marked) */
/* wrong: NO_MAPPING_PASS i_mmap_rwsem is not passed */
/* wrong: NO_ANON_PASS the anon_vma lock is not passed */
/* wrong: DRAIN_BEFORE_PUBLISH a section may begin behind the drain's back */
/* wrong: MMAP_LOCK_READ registration excludes no section under mmap_lock */
/* wrong: ANON_BEFORE_MARK a fault gives the VMA an anon_vma behind the drain's back */
/* wrong: VMA_NOT_MARKED passed as the others are: a fault changes the list being walked */
/* wrong: PLAIN_PUBLISH no release: the pointer is seen before what it points to */
/* wrong: END_ASKS_MM end asks the mm rather than the range, and meets a newcomer */
/* wrong: SECTION_WITHOUT_LOCK a caller of start that holds none of the locks */

#define SECTIONS 2

mtype = { MMAP_LOCK, VMA_LOCK, I_MMAP_RWSEM, ANON_VMA_LOCK, NO_LOCK };

/* In memory, and still in the buffer of the registering CPU */
bool notifier_subscriptions, subscriber;
bool pointer_buffered, subscriber_buffered;

bool mmap_writer, mapping_writer, anon_writer;
byte mmap_readers, mapping_readers, anon_readers, vma_readers;
bool vma_marked;
bool has_anon_vma;	/* the VMA's list of them is not empty */
bool walking_chain;

/* For the properties */
bool registered;
byte undelivered;	/* sections running that nobody was told of */

active proctype store_buffer()
{
end:	do
	:: atomic {
		subscriber_buffered ->
		subscriber_buffered = false; subscriber = true
	   }
	:: atomic {
#ifdef PLAIN_PUBLISH
		pointer_buffered ->
#else
		pointer_buffered && !subscriber_buffered ->
#endif
		pointer_buffered = false; notifier_subscriptions = true
	   }
	od
}

inline release()
{
	!pointer_buffered && !subscriber_buffered
}

inline publish()
{
	subscriber_buffered = true;
	pointer_buffered = true
}

inline pass_vma()
{
#ifndef NO_VMA_PASS
	/* vma_start_write(): readers that come now find the mark and give up */
	if
	:: !vma_marked ->
		atomic { vma_readers == 0 -> vma_marked = true };
		release();
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
	release();
	mapping_writer = false;
#endif
	skip
}

inline pass_anon_vma()
{
#ifndef NO_ANON_PASS
	atomic { anon_readers == 0 -> anon_writer = true };
	release();
	anon_writer = false;
#endif
	skip
}

inline mn_drain_uncounted()
{
#ifdef ANON_BEFORE_MARK
	found = has_anon_vma;
	pass_vma();
#else
	pass_vma();
	found = has_anon_vma;
#endif
	pass_mapping();
#ifndef ANON_BEFORE_MARK
	walking_chain = true;
#endif
	if
	:: found -> pass_anon_vma()
	:: else
	fi;
	walking_chain = false
}

active proctype registrar()
{
	bool found;

#ifdef MMAP_LOCK_READ
	atomic { !mmap_writer -> mmap_readers++ };
#else
	atomic { !mmap_writer && mmap_readers == 0 -> mmap_writer = true };
#endif
	/* Whoever registers may have marked the VMA for a purpose of his own */
	if
	:: atomic { vma_readers == 0 -> vma_marked = true }
	:: true
	fi;
#ifdef DRAIN_BEFORE_PUBLISH
	mn_drain_uncounted();
	publish();
#else
	publish();
	mn_drain_uncounted();
#endif
	atomic {
		assert(undelivered == 0);
		registered = true
	};
	release();
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

active [SECTIONS] proctype section()
{
	mtype lock;
	bool started;

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

	   /* start */
	   atomic {
		started = notifier_subscriptions;
		if
		:: started -> assert(subscriber)
		:: else ->
			assert(!registered);
			undelivered++
		fi
	   };

	   /* The page tables change. Then end */
	   atomic {
#ifdef END_ASKS_MM
		assert(notifier_subscriptions == started);
#endif
		if
		:: started
		:: else -> undelivered--
		fi
	   };
	   drop_lock()
	od
}
