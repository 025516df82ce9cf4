/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MM_MMU_NOTIFIER_INTERNAL_H
#define _MM_MMU_NOTIFIER_INTERNAL_H

/*
 * DOC: what the parts of the mmu_notifier share
 *
 * mmu_notifier.c owns struct mmu_notifier_subscriptions and all of its hlist
 * side (mn_hlist_*); mmu_interval_notifier.c owns the tree side (mn_itree_*).
 * Nobody else in the kernel looks inside.
 */

#include <linux/atomic.h>
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rbtree_types.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock_types.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue_types.h>

struct fault_attr;
struct task_struct;

/*
 * What a section remembers in mmu_notifier_range.flags, beside STARTED: which of
 * the two lists it walks, whether it has to walk it at its start and at its end,
 * whether the tree counts it and in which place, and which counter of the SRCU
 * domain it holds.
 */
#define MN_RANGE_INJECTED	BIT(20)	/* by mn_inject_section(); not of a section */
#define MN_RANGE_PLACE		GENMASK(25, 21)	/* in the tree */
#define MN_RANGE_ITREE		BIT(26)
#define MN_RANGE_START		BIT(27)
#define MN_RANGE_END		BIT(28)
#define MN_RANGE_PHASE		BIT(29)
#define MN_RANGE_SRCU_IDX	BIT(31)
/* These it takes over from mmu_notifier_subscriptions.flags when it begins. */
#define MN_RANGE_TAKEN		(MN_RANGE_ITREE | MN_RANGE_START | MN_RANGE_END | \
				 MN_RANGE_PHASE | MMU_NOTIFIER_RANGE_STARTED)
#define MN_RANGE_SECTION	(MN_RANGE_TAKEN | MN_RANGE_PLACE | \
				 MN_RANGE_SRCU_IDX)

/*
 * The life of a struct mmu_notifier, under mmu_notifier_subscriptions.lock.
 * Whoever makes it leave MN_LIVE, except by put, owes it its ->release.
 */
enum mn_state {
	MN_UNUSED,	/* zeroed memory; never registered */
	MN_LIVE,	/* registered */
	MN_RELEASED,	/* exit has taken ->release upon itself */
	MN_LEAVING,	/* unregister, or the last put, has begun */
};

/*
 * In mmu_notifier_subscriptions.flags, beside MN_RANGE_TAKEN: ops that somebody on
 * the mm implements. MN_RANGE_START and MN_RANGE_END say so of the other two.
 */
#define MN_OP_CLEAR_FLUSH_YOUNG	BIT(0)
#define MN_OP_CLEAR_YOUNG	BIT(1)
#define MN_OP_TEST_YOUNG	BIT(2)
#define MN_OP_ARCH_INVALIDATE	BIT(3)
/* Not an op: somebody, hlist or tree, may decline a non-blockable section. */
#define MN_OP_MAY_DECLINE	BIT(4)
/* These go when nobody is left who implements them. */
#define MN_OPS_OF_HLIST		(MN_OP_CLEAR_FLUSH_YOUNG | MN_OP_CLEAR_YOUNG | \
				 MN_OP_TEST_YOUNG | MN_OP_ARCH_INVALIDATE | \
				 MN_RANGE_START | MN_RANGE_END)

/*
 * So many sections of an mm say where they are, for those who wait; few mms ever
 * have more at a time.
 */
#define MN_PLACES	16
#define MN_ALL_PLACES	GENMASK(MN_PLACES - 1, 0)

/* So many intervals a section pins at a time, one of them to know where it was. */
#define MN_BATCH	8

/* Where a section is that the tree counts, and its number. */
struct mn_place {
	unsigned long start;
	unsigned long last;
	unsigned long seq;
};

/**
 * struct mmu_notifier_subscriptions - who is subscribed to an mm
 * @srcu: the read side is a section, or one young or arch_invalidate call, or a
 *	walk that calls ->release
 * @hlist: the subscribers, twice: see mmu_notifier.c
 * @flags: MN_RANGE_TAKEN for sections that begin now, which say among others which
 *	of @hlist readers walk, and MN_OP_*; written under @lock
 * @itree_ready: no section is left that does not look at the tree
 * @lock: protects the state and users of subscribers, @leaving, and the tree
 * @seq: the last number that a section or an insert has got; none gets 0, which a
 *	driver may take for none
 * @running: which of @place are taken: set under @lock, cleared without
 * @unplaced: sections that found all of @place taken; as @running
 * @itree: interval subscriptions
 * @place: where the sections are that the tree counts; written under @lock
 * @wq: who waits for a section, or for the callbacks of an interval
 * @switching: held from a change of the idle list until both are equal again
 * @dead: exit has emptied the lists; under @switching
 * @leaving: put for the last time and not yet freed; under @lock
 * @put_work: frees @leaving
 * @destroy_work: frees this
 * @exit_sub: whose ->release exit runs, or is about to look at
 * @exit_task: the task that runs mn_hlist_call_release(); it alone may touch
 *	the members that follow
 * @exit_idx: its index in @srcu
 * @exit_restart: a ->release has unregistered, so that it has to look again
 * @open: sections, in debug kernels
 *
 * Published once, under mmap_lock held for write, by a store-release of
 * mm->notifier_subscriptions, and gone with the last reference to the mm.
 */
struct mmu_notifier_subscriptions {
	struct srcu_struct srcu;
	struct hlist_head hlist[2];
	unsigned int flags;
	bool itree_ready;

	/* Together, as each section that the tree counts writes the first three. */
	spinlock_t lock;	/* a leaf: states, users, @leaving and the tree */
	unsigned long seq;
	unsigned long running;
	atomic_t unplaced;
	struct rb_root_cached itree;
	struct mn_place place[MN_PLACES];
	wait_queue_head_t wq;

	struct mutex switching;	/* changes of @hlist, inside mmap_lock */
	bool dead;
	struct hlist_head leaving;
	struct work_struct put_work;
	struct work_struct destroy_work;

	struct mmu_notifier *exit_sub;
	struct task_struct *exit_task;
	int exit_idx;
	bool exit_restart;
#ifdef CONFIG_DEBUG_MMU_NOTIFIER
	atomic_t open;
#endif
};

extern struct workqueue_struct *mn_wq;

int mn_itree_enable(struct mm_struct *mm);
void mn_set_flags(struct mmu_notifier_subscriptions *subs, unsigned int flags);
void mn_flip(struct mmu_notifier_subscriptions *subs);
void mn_trace_callback(const void *fn, struct mm_struct *mm,
		       unsigned long start, unsigned long end, u64 began,
		       int result);

void mn_itree_init(struct mmu_notifier_subscriptions *subs);
bool mn_itree_idle(struct mmu_notifier_subscriptions *subs);
int mn_itree_start(struct mmu_notifier_subscriptions *subs,
		   struct mmu_notifier_range *range);
void mn_itree_end(struct mmu_notifier_subscriptions *subs,
		  const struct mmu_notifier_range *range);
void mn_itree_release(struct mmu_notifier_subscriptions *subs,
		      struct mm_struct *mm);

/* Of the flags of a range or of subscriptions */
static inline unsigned int mn_phase(unsigned int flags)
{
	return FIELD_GET(MN_RANGE_PHASE, flags);
}

/*
 * Round callbacks that must not sleep. On PREEMPT_RT a spinlock sleeps, which is
 * fine here and which non_block_start() would report; a read-side critical
 * section of RCU reports everything else.
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

/* Round callbacks: when one began, for mn_trace_callback(), if somebody asks. */
static inline u64 mn_trace_clock(bool traced)
{
	return traced ? ktime_get_ns() : 0;
}

/*
 * Round waits for sections of an mm: reports who holds what a section needs, or
 * is in one.
 */
static inline void mn_sync_sections(struct mmu_notifier_subscriptions *subs)
{
	srcu_lock_sync(&subs->srcu.dep_map);
}

/* Hooks of mmu_notifier_debug.c */

#ifdef CONFIG_DEBUG_MMU_NOTIFIER
extern u32 mn_inject_every;

void mn_debug_subscribe(struct mmu_notifier *sub);
void mn_debug_interval_subscribe(struct mmu_interval_notifier *sub);
void mn_debug_inject(const struct mmu_notifier_range *range);

static inline void mn_debug_sleeping_acquire(struct mmu_notifier *sub)
{
	lock_map_acquire(&sub->maps.sleeping);
}

static inline void mn_debug_sleeping_release(struct mmu_notifier *sub)
{
	lock_map_release(&sub->maps.sleeping);
}

/*
 * A trylock, so that no lock leads to the map. Where lockdep does not check wait
 * types, a read-side critical section of RCU reports what sleeps.
 */
static inline void mn_debug_spinning_acquire(struct mmu_notifier *sub)
{
	lock_map_acquire_try(&sub->maps.spinning);
	rcu_read_lock();
}

static inline void mn_debug_spinning_release(struct mmu_notifier *sub)
{
	rcu_read_unlock();
	lock_map_release(&sub->maps.spinning);
}

static inline void mn_debug_interval_acquire(struct mmu_interval_notifier *sub)
{
	lock_map_acquire(&sub->maps.sleeping);
}

static inline void mn_debug_interval_release(struct mmu_interval_notifier *sub)
{
	lock_map_release(&sub->maps.sleeping);
}

/* ->release and the interval invalidation of exit, outside of any section */
static inline void mn_debug_release_acquire(void)
{
	lock_map_acquire(&__mmu_notifier_invalidate_range_start_map);
}

static inline void mn_debug_release_release(void)
{
	lock_map_release(&__mmu_notifier_invalidate_range_start_map);
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
static inline void mn_debug_subscribe(struct mmu_notifier *sub) {}
static inline void mn_debug_interval_subscribe(struct mmu_interval_notifier *sub) {}
static inline void mn_debug_inject(const struct mmu_notifier_range *range) {}
static inline void mn_debug_sleeping_acquire(struct mmu_notifier *sub) {}
static inline void mn_debug_sleeping_release(struct mmu_notifier *sub) {}
static inline void mn_debug_spinning_acquire(struct mmu_notifier *sub) {}
static inline void mn_debug_spinning_release(struct mmu_notifier *sub) {}
static inline void mn_debug_interval_acquire(struct mmu_interval_notifier *sub) {}
static inline void mn_debug_interval_release(struct mmu_interval_notifier *sub) {}
static inline void mn_debug_release_acquire(void) {}
static inline void mn_debug_release_release(void) {}
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

/* Whether a callback may sleep: debug kernels hold subscribers to their promise. */
static inline bool mn_may_sleep(const struct mmu_notifier_range *range,
				unsigned int ops_flags)
{
	if (IS_ENABLED(CONFIG_DEBUG_MMU_NOTIFIER) &&
	    ops_flags & MMU_NOTIFIER_NEVER_SLEEPS)
		return false;
	return mmu_notifier_range_blockable(range);
}

#endif /* _MM_MMU_NOTIFIER_INTERNAL_H */
