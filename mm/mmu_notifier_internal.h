/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MM_MMU_NOTIFIER_INTERNAL_H
#define _MM_MMU_NOTIFIER_INTERNAL_H

/*
 * DOC: what the parts of the mmu_notifier share
 *
 * mmu_notifier.c owns struct mmu_notifier_subscriptions and all of its hlist
 * side (mn_hlist_*); mmu_interval_notifier.c owns the tree side (mn_itree_*).
 * Nobody else in the kernel looks inside.
 *
 * "Litmus: NAME" in a comment is Documentation/litmus-tests/mmu_notifier/
 * NAME.litmus, which goes wrong without the barrier or the lock below it.
 */

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/cache.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rbtree_types.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/seqlock_types.h>
#include <linux/spinlock_types.h>
#include <linux/srcu.h>
#include <linux/threads.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue_types.h>

struct fault_attr;
struct task_struct;

/*
 * Bits of mmu_notifier_range.flags that a section (one
 * invalidate_range_start()/end() pair) sets beside STARTED: its slot or, if it
 * is unslotted, the generation of waiters in which it began; whether it stays
 * outside of the SRCU domain; whether it walks the tree; whether a subscriber
 * on the hlist has a start or an end; which of the two lists it walks; its
 * index in the domain.
 *
 * The phase selects one of the two lists. Its value is an offset in bytes: of
 * that list from hlist[0], and of the link for that list from link[0] in struct
 * mmu_notifier.
 */
#define MN_RANGE_ITREE		BIT(2)
#define MN_RANGE_PHASE		((unsigned int)sizeof(struct hlist_node))
#define MN_RANGE_HAS_START	BIT(5)
#define MN_RANGE_HAS_END	BIT(6)
#define MN_RANGE_UNSLOTTED	BIT(7)
#define MN_RANGE_SLOT		GENMASK(29, 8)
#define MN_RANGE_ALONE		BIT(30)
#define MN_RANGE_SRCU_IDX	BIT(31)
/* Not of a section: by mn_inject_section(). The phase is the other bit of two. */
#define MN_RANGE_INJECTED	((BIT(3) | BIT(4)) ^ MN_RANGE_PHASE)
/* Copied from mmu_notifier_subscriptions.flags when a section begins */
#define MN_RANGE_TAKEN		(MN_RANGE_ITREE | MN_RANGE_HAS_START | \
				 MN_RANGE_HAS_END | MN_RANGE_PHASE | \
				 MMU_NOTIFIER_RANGE_STARTED)
#define MN_RANGE_SECTION	(MN_RANGE_TAKEN | MN_RANGE_SLOT | \
				 MN_RANGE_UNSLOTTED | MN_RANGE_ALONE | \
				 MN_RANGE_SRCU_IDX)

static_assert(!(MN_RANGE_PHASE & ~(BIT(3) | BIT(4))));
/*
 * Each waiter is a task, so there are never more waiters than MN_RANGE_SLOT can
 * number.
 */
static_assert(BIT(22) >= PID_MAX_LIMIT);

/*
 * States of a struct mmu_notifier, changed under
 * mmu_notifier_subscriptions.lock. Whoever takes a live one off the list
 * subs->owed must call its ->release; only the last put takes it off without a
 * call.
 */
enum mn_state {
	MN_UNUSED,	/* zeroed memory; never registered */
	MN_LIVE,	/* registered, and owed its ->release */
	MN_RELEASED,	/* exit has taken over to call ->release */
	MN_GONE,	/* unregister, or the last put, has begun */
};

/*
 * In mmu_notifier_subscriptions.flags, beside MN_RANGE_TAKEN: which ops at
 * least one subscriber of the mm implements. MN_RANGE_HAS_START and
 * MN_RANGE_HAS_END say the same of start and end.
 */
#define MN_OP_CLEAR_FLUSH_YOUNG	BIT(8)
#define MN_OP_CLEAR_YOUNG	BIT(9)
#define MN_OP_TEST_YOUNG	BIT(10)
#define MN_OP_ARCH_INVALIDATE	BIT(11)
/*
 * Set before the first interval is inserted: from then on every section walks
 * the tree.
 */
#define MN_ITREE_ENABLED	BIT(12)
#define MN_OPS_OF_HLIST		(MN_OP_CLEAR_FLUSH_YOUNG | MN_OP_CLEAR_YOUNG | \
				 MN_OP_TEST_YOUNG | MN_OP_ARCH_INVALIDATE | \
				 MN_RANGE_HAS_START | MN_RANGE_HAS_END)

/* Most slots per mm: the number of bits of mmu_notifier_subscriptions.used */
#define MN_SLOTS_MAX	BITS_PER_LONG

/* Number of intervals that a section collects before it calls them */
#define MN_BATCH	8

/**
 * struct mn_slot - where a running section publishes its range, for waiters
 * @state: MN_SLOT_*, and above these bits the number of sections that have
 *	used the slot
 * @start: first address
 * @last: last address
 *
 * The section owns the slot from the first to the last of these steps::
 *
 *	free
 *	 |  compare-and-exchange of @state, fully ordered
 *	looking:  it walks the tree without a lock and with preemption off.
 *	 |        Waiters spin, as they do not know its range yet
 *	 |  store-release of @state
 *	open:     @start and @last are valid. It may sleep. A waiter sets
 *	 |        MN_SLOT_WAITED
 *	 |  exchange of @state, fully ordered; wakes if MN_SLOT_WAITED was set.
 *	 |  In the domain a store-release, with the full barrier of
 *	 |  srcu_read_unlock() before the look whether anybody waits
 *	free
 *
 * Each CPU prefers a slot of its own, and each slot has a cache line of its
 * own.
 */
struct mn_slot {
	unsigned long state;
	unsigned long start;
	unsigned long last;
} ____cacheline_aligned_in_smp;

#define MN_SLOT_LOOKING		BIT(0)
#define MN_SLOT_OPEN		BIT(1)
#define MN_SLOT_WAITED		BIT(2)
#define MN_SLOT_BUSY		(MN_SLOT_LOOKING | MN_SLOT_OPEN)
#define MN_SLOT_ALL		(MN_SLOT_BUSY | MN_SLOT_WAITED)
#define MN_SLOT_ONE		BIT(3)	/* of the count */

/*
 * One of the two lists of an mm. Aligned so that the lists are as far apart as
 * the two links in struct mmu_notifier.
 */
struct mn_list {
	struct hlist_head head;
} __aligned(sizeof(struct hlist_node));

/**
 * struct mmu_notifier_subscriptions - who is subscribed to an mm
 * @srcu: the domain. Its readers are the sections that are not alone, and young
 *	calls. Initialised if @has_domain
 * @flags: MN_RANGE_TAKEN and MN_RANGE_ALONE for sections that begin now, and
 *	MN_OP_*; written under @lock
 * @nr_slots: in @slot, a power of two
 * @slot: the slots of running sections
 * @hlist: the subscribers, twice: see mmu_notifier.c
 * @changes: odd while the tree changes; under @lock
 * @itree: interval subscriptions; changed under @lock
 * @used: bitmap of the slots that were ever claimed
 * @unslotted: sections that found no free slot; written under @lock
 * @itree_ready: every running section walks the tree, so an insert need
 *	not wait
 * @lock: innermost lock; protects the members that are marked "under
 *	@lock"
 * @numbers: the last number given to an insert or to an unslotted section;
 *	under @lock
 * @generation: number of waiters ever added to @waiters; under @lock
 * @waiters: waiters for unslotted sections, the latest first; under @lock
 * @wq: wait queue for the end of sections and of ->release calls
 * @mm: whose structure this is
 * @switching: held while the two lists differ; inside mmap_lock
 * @has_domain: @srcu is initialised; written under @switching
 * @hlist_used: the lists have had a subscriber; set under @switching and
 *	@lock
 * @dead: exit has emptied the lists; under @switching
 * @drained: no section is running that began before this structure was
 *	installed; under mmap_lock held for write
 * @owed: live subscribers, whose ->release is still to be called, linked
 *	by queue; under @lock
 * @put: subscribers that wait for @put_work, by the same member; under @lock
 * @put_work: frees what is on @put; has a reference to @mm while it is queued or
 *	runs
 * @destroy_work: frees this
 * @releasing: number of mmu_notifier_unregister() calls that are inside
 *	->release; under @lock
 * @exit_mn: the subscriber whose ->release exit is calling, or NULL; set
 *	under @lock
 * @exit_task: the task that calls ->release for exit
 * @open: number of open sections, in debug kernels
 *
 * Installed once, by a compare-and-exchange of mm->notifier_subscriptions, and
 * freed with the last reference to the mm.
 */
struct mmu_notifier_subscriptions {
	/* Read by all sections and seldom written */
	struct srcu_struct srcu;
	unsigned int flags;
	unsigned int nr_slots;
	struct mn_slot *slot;
	struct mn_list hlist[2];
	seqcount_t changes;
	unsigned int unslotted;
	struct rb_root_cached itree;
	unsigned long used;
	bool itree_ready;

	spinlock_t lock ____cacheline_aligned_in_smp;
	unsigned long numbers;
	unsigned int generation;
	struct list_head waiters;
	wait_queue_head_t wq;

	struct mm_struct *mm;
	struct mutex switching;	/* changes of @hlist */
	bool has_domain;
	bool hlist_used;
	bool dead;
	bool drained;
	struct hlist_head owed;
	struct hlist_head put;
	struct work_struct put_work;
	struct work_struct destroy_work;

	unsigned int releasing;
	struct mmu_notifier *exit_mn;
	struct task_struct *exit_task;
#ifdef CONFIG_DEBUG_MMU_NOTIFIER
	atomic_t open;
#endif
};

struct mmu_notifier_subscriptions *mn_subscriptions_get(struct mm_struct *mm);
void mn_await_domain(struct mmu_notifier_subscriptions *subs);
void mn_drain_uncounted(struct mm_struct *mm);
void mn_set_flags(struct mmu_notifier_subscriptions *subs, unsigned int flags);
int mn_domain_start(struct mmu_notifier_subscriptions *subs,
		    struct mmu_notifier_range *range);
int mn_section_undo(struct mmu_notifier_subscriptions *subs,
		    struct mmu_notifier_range *range);
void mn_trace_start(const struct mmu_notifier_range *range);
void mn_trace_callback(const void *fn, struct mm_struct *mm,
		       unsigned long start, unsigned long end, u64 began,
		       int result);

int mn_itree_init(struct mmu_notifier_subscriptions *subs);
void mn_itree_destroy(struct mmu_notifier_subscriptions *subs);
bool mn_itree_idle(struct mmu_notifier_subscriptions *subs);
int mn_itree_enable(struct mm_struct *mm);
int mn_itree_start(struct mmu_notifier_subscriptions *subs,
		   struct mmu_notifier_range *range);
int mn_itree_start_alone(struct mmu_notifier_subscriptions *subs,
			 struct mmu_notifier_range *range);
void mn_itree_end(struct mmu_notifier_subscriptions *subs,
		  const struct mmu_notifier_range *range);
void mn_itree_end_in_domain(struct mmu_notifier_subscriptions *subs,
			    const struct mmu_notifier_range *range);
void mn_itree_end_wake(struct mmu_notifier_subscriptions *subs);
void mn_itree_drain(struct mmu_notifier_subscriptions *subs);
void mn_itree_release(struct mmu_notifier_subscriptions *subs,
		      struct mm_struct *mm);

/* The phase in the flags of a range or of subscriptions */
static inline unsigned int mn_phase(unsigned int flags)
{
	return flags & MN_RANGE_PHASE;
}

static inline struct hlist_head *
mn_list(struct mmu_notifier_subscriptions *subs, unsigned int phase)
{
	return (void *)subs->hlist + phase;
}

static inline struct hlist_node *mn_link(struct mmu_notifier *mn,
					 unsigned int phase)
{
	return (void *)mn->link + phase;
}

/*
 * Brackets a callback that must not sleep. On PREEMPT_RT a spinlock sleeps,
 * which is allowed here and which non_block_start() would report; a read-side
 * critical section of RCU reports everything else.
 */
static inline void mn_nonblock_start(void)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		non_block_start();
	else if (IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP))
		rcu_read_lock();
}

static inline void mn_nonblock_end(void)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		non_block_end();
	else if (IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP))
		rcu_read_unlock();
}

/* The time at which a callback begins, for mn_trace_callback() */
static inline u64 mn_trace_clock(bool traced)
{
	return traced ? ktime_get_ns() : 0;
}

#ifdef CONFIG_LOCKDEP
extern struct lockdep_map mn_section_map;

/*
 * Called before every wait for sections of an mm, so that lockdep reports a
 * caller that is inside a section or holds a lock that a section takes.
 */
static inline void mn_sync_sections(void)
{
	lock_map_sync(&mn_section_map);
}

/*
 * For the map of sections or that of ->release. Read-recursive, as they nest in
 * one task. Acquired as by a trylock, since no reader waits; so locks that are
 * held before and those that are taken inside are tied directly. In the domain
 * they are not, as the map of SRCU comes in between.
 */
static inline void mn_map_acquire(struct lockdep_map *map)
{
	lock_acquire_shared_recursive(map, 0, 1, NULL, _THIS_IP_);
}

static inline void mn_section_acquire(void)
{
	mn_map_acquire(&mn_section_map);
}

static inline void mn_section_release(void)
{
	lock_map_release(&mn_section_map);
}
#else
static inline void mn_sync_sections(void) {}
static inline void mn_section_acquire(void) {}
static inline void mn_section_release(void) {}
#endif

/* Hooks of mmu_notifier_debug.c */

#ifdef CONFIG_DEBUG_MMU_NOTIFIER
extern u32 mn_inject_every;

void mn_debug_subscribe(struct mmu_notifier *mn);
void mn_debug_interval_subscribe(struct mmu_interval_notifier *mni);
void mn_debug_inject(const struct mmu_notifier_range *range);

static inline void mn_debug_sleeping_acquire(struct mmu_notifier *mn)
{
	lock_map_acquire(&mn->maps.sleeping);
}

static inline void mn_debug_sleeping_release(struct mmu_notifier *mn)
{
	lock_map_release(&mn->maps.sleeping);
}

/*
 * Acquired as by a trylock, so that lockdep adds no dependency from the
 * caller's locks to the map. Where lockdep does not check wait types,
 * rcu_read_lock() makes a callback that sleeps reported.
 */
static inline void mn_debug_spinning_acquire(struct mmu_notifier *mn)
{
	lock_map_acquire_try(&mn->maps.spinning);
	rcu_read_lock();
}

static inline void mn_debug_spinning_release(struct mmu_notifier *mn)
{
	rcu_read_unlock();
	lock_map_release(&mn->maps.spinning);
}

static inline void mn_debug_interval_acquire(struct mmu_interval_notifier *mni)
{
	lock_map_acquire(&mni->maps.sleeping);
}

static inline void mn_debug_interval_release(struct mmu_interval_notifier *mni)
{
	lock_map_release(&mni->maps.sleeping);
}

static inline void mn_debug_section_open(struct mmu_notifier_subscriptions *subs)
{
	atomic_inc(&subs->open);
}

static inline void mn_debug_section_close(struct mmu_notifier_subscriptions *subs)
{
	atomic_dec(&subs->open);
}

static inline bool mn_debug_all_closed(struct mmu_notifier_subscriptions *subs)
{
	return !atomic_read(&subs->open);
}
#else
static inline void mn_debug_subscribe(struct mmu_notifier *mn) {}
static inline void mn_debug_interval_subscribe(struct mmu_interval_notifier *mni) {}
static inline void mn_debug_inject(const struct mmu_notifier_range *range) {}
static inline void mn_debug_sleeping_acquire(struct mmu_notifier *mn) {}
static inline void mn_debug_sleeping_release(struct mmu_notifier *mn) {}
static inline void mn_debug_spinning_acquire(struct mmu_notifier *mn) {}
static inline void mn_debug_spinning_release(struct mmu_notifier *mn) {}
static inline void mn_debug_interval_acquire(struct mmu_interval_notifier *mni) {}
static inline void mn_debug_interval_release(struct mmu_interval_notifier *mni) {}
static inline void mn_debug_section_open(struct mmu_notifier_subscriptions *subs) {}
static inline void mn_debug_section_close(struct mmu_notifier_subscriptions *subs) {}

static inline bool mn_debug_all_closed(struct mmu_notifier_subscriptions *subs)
{
	return true;
}
#endif

#if defined(CONFIG_DEBUG_MMU_NOTIFIER) && defined(CONFIG_FAULT_INJECTION)
extern struct fault_attr fail_mmu_notifier;

bool mn_debug_fail_start(void);
#else
static inline bool mn_debug_fail_start(void)
{
	return false;
}
#endif

/*
 * Whether a callback may sleep. Debug kernels enforce
 * MMU_NOTIFIER_NEVER_SLEEPS.
 */
static inline bool mn_may_sleep(const struct mmu_notifier_range *range,
				unsigned int ops_flags)
{
	if (IS_ENABLED(CONFIG_DEBUG_MMU_NOTIFIER) &&
	    ops_flags & MMU_NOTIFIER_NEVER_SLEEPS)
		return false;
	return mmu_notifier_range_blockable(range);
}

#endif /* _MM_MMU_NOTIFIER_INTERNAL_H */
