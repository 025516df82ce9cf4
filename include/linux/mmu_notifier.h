/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_MMU_NOTIFIER_H
#define _LINUX_MMU_NOTIFIER_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/interval_tree.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/lockdep.h>
#include <linux/mm_types.h>
#include <linux/mmap_lock.h>
#include <linux/types.h>

struct mmu_interval_notifier;
struct mmu_notifier;
struct mmu_notifier_range;
struct mmu_notifier_subscriptions;

/**
 * enum mmu_notifier_event - why a range is invalidated
 * @MMU_NOTIFY_UNMAP: the mapping itself goes away or moves: munmap(), mremap(),
 *	exit. What a subscriber remembers about these addresses is void.
 * @MMU_NOTIFY_CLEAR: page table entries are cleared or point to another page
 *	afterwards; the mapping stays.
 * @MMU_NOTIFY_PROTECTION_VMA: the protection of whole mappings changes, as by
 *	mprotect(). Nobody has to look at single page table entries.
 * @MMU_NOTIFY_PROTECTION_PAGE: single entries become read-only or writable, as
 *	for writeback or copy on write at fork().
 * @MMU_NOTIFY_SOFT_DIRTY: entries are write-protected for soft-dirty tracking.
 *	Page and permission stay as they are.
 * @MMU_NOTIFY_RELEASE: the address space ends. Only interval subscriptions see
 *	it; an hlist subscription gets &mmu_notifier_ops.release instead.
 * @MMU_NOTIFY_MIGRATE: pages are collected for migration to or from a device.
 *	A driver that finds its own &mmu_notifier_range.owner may ignore it.
 * @MMU_NOTIFY_EXCLUSIVE: entries are made exclusive to a device. A driver that
 *	finds its own &mmu_notifier_range.owner may ignore it.
 */
enum mmu_notifier_event {
	MMU_NOTIFY_UNMAP = 0,
	MMU_NOTIFY_CLEAR,
	MMU_NOTIFY_PROTECTION_VMA,
	MMU_NOTIFY_PROTECTION_PAGE,
	MMU_NOTIFY_SOFT_DIRTY,
	MMU_NOTIFY_RELEASE,
	MMU_NOTIFY_MIGRATE,
	MMU_NOTIFY_EXCLUSIVE,
};

/* Start and end of the section may sleep. */
#define MMU_NOTIFIER_RANGE_BLOCKABLE	BIT(0)
/*
 * The section is open: set by a start that met subscribers and succeeded, taken
 * back by end. Neither callers nor callbacks write it. The bits from 20 on belong
 * to mm/mmu_notifier.c.
 */
#define MMU_NOTIFIER_RANGE_STARTED	BIT(30)

/*
 * A promise in the flags of the ops, for which debug kernels hold a subscriber to
 * account on every call: start and end, or the passes of an interval, never
 * sleep, and so never decline a section either.
 */
#define MMU_NOTIFIER_NEVER_SLEEPS	BIT(0)

#ifdef CONFIG_DEBUG_MMU_NOTIFIER
/* What a range remembers of its start, and a subscription for lockdep. */
struct mn_debug_range {
	struct mm_struct *mm;	/* NULL: not open */
	unsigned long start;
	unsigned long end;
	enum mmu_notifier_event event;
};

struct mn_maps {
	struct lockdep_map sleeping;
	struct lockdep_map spinning;
};
#endif

/**
 * struct mmu_notifier_ops - what an hlist subscriber wants to hear of
 *
 * Every callback is optional. Start, end, the young callbacks and
 * @arch_invalidate_secondary_tlbs may run at any time between registration and
 * the end of unregistration, on several CPUs at once, for different or the same
 * addresses, and in the context of any task.
 *
 * @arch_invalidate_secondary_tlbs excludes @invalidate_range_start and
 * @invalidate_range_end: registration refuses ops that have both.
 */
struct mmu_notifier_ops {
	/**
	 * @release: The address space ends, or this subscription does. Called
	 * exactly once per subscription, by exit or by
	 * mmu_notifier_unregister(), whichever comes first, before any page of
	 * the mm is freed by exit. With mmu_notifier_put() only by exit, and only
	 * if that came before the last put.
	 *
	 * On return the secondary MMU must not reach the memory of this mm any
	 * more, speculation of the hardware included, and must not begin to.
	 * Without this callback the driver has to see to that itself before the
	 * last user of the mm is gone.
	 *
	 * Other callbacks may run at the same time. mmu_notifier_put() may be
	 * called from here. When exit is the caller, mmu_notifier_unregister()
	 * may be called too, and the subscription may be gone on return.
	 *
	 * Context: Process context, may sleep. No lock of the mm is taken here,
	 * but a caller of mmu_notifier_unregister() may hold mmap_lock.
	 */
	void (*release)(struct mmu_notifier *subscription,
			struct mm_struct *mm);

	/**
	 * @clear_flush_young: Test and clear the accessed bits of the secondary
	 * MMU in [start, end) and flush its TLB. A secondary MMU without such
	 * bits may unmap and say whether something was mapped.
	 *
	 * Context: Under the page table lock, must not sleep.
	 * Return: whether the range was accessed.
	 */
	bool (*clear_flush_young)(struct mmu_notifier *subscription,
				  struct mm_struct *mm,
				  unsigned long start,
				  unsigned long end);

	/**
	 * @clear_young: As @clear_flush_young, but the flush may be left out.
	 *
	 * Context: Under the page table lock, must not sleep.
	 * Return: whether the range was accessed.
	 */
	bool (*clear_young)(struct mmu_notifier *subscription,
			    struct mm_struct *mm,
			    unsigned long start,
			    unsigned long end);

	/**
	 * @test_young: Read the accessed bit of the secondary MMU for an address
	 * and leave everything as it is.
	 *
	 * Context: Under the page table lock, must not sleep.
	 * Return: whether the page was accessed.
	 */
	bool (*test_young)(struct mmu_notifier *subscription,
			   struct mm_struct *mm,
			   unsigned long address);

	/**
	 * @invalidate_range_start: The page tables of the range are about to
	 * change. All its pages are still mapped and referenced. On return the
	 * secondary MMU must not use what it has copied from them, and must not
	 * copy from them again before @invalidate_range_end of this range.
	 *
	 * Sections nest and overlap within a task and between tasks and end in
	 * any order, also those of equal ranges: count them. A start need not be
	 * followed by a change.
	 *
	 * Context: The caller holds mmap_lock, a VMA lock, i_mmap_rwsem or an
	 * anon_vma lock that covers the range. May sleep if
	 * mmu_notifier_range_blockable(), and must not otherwise. Must not wait
	 * for memory reclaim, which runs sections itself.
	 * Return: 0, or -EAGAIN when it would have to sleep and must not. It
	 * gets no @invalidate_range_end for a start that it declined.
	 */
	int (*invalidate_range_start)(struct mmu_notifier *subscription,
				      const struct mmu_notifier_range *range);

	/**
	 * @invalidate_range_end: The change is over, or has been called off.
	 * Called once for each start of this subscriber that was not declined,
	 * and for no other. The pages that were mapped at start may be free.
	 *
	 * Context: As @invalidate_range_start.
	 */
	void (*invalidate_range_end)(struct mmu_notifier *subscription,
				     const struct mmu_notifier_range *range);

	/**
	 * @arch_invalidate_secondary_tlbs: Flush the TLB of a device that walks
	 * the page tables of the CPU itself. Called by architecture code where it
	 * flushes the TLBs of the CPUs for a range of user addresses, permission
	 * upgrades included where the architecture does so. powerpc leaves out
	 * the flush of a single page.
	 *
	 * Context: Mostly under the page table lock, must not sleep.
	 */
	void (*arch_invalidate_secondary_tlbs)(struct mmu_notifier *subscription,
					       struct mm_struct *mm,
					       unsigned long start,
					       unsigned long end);

	/**
	 * @alloc_notifier: Allocate what mmu_notifier_get() returns. Required
	 * for mmu_notifier_get().
	 *
	 * Context: Process context under mmap_lock held for write, may sleep.
	 * Return: the subscription, or an ERR_PTR() that mmu_notifier_get()
	 * passes on.
	 */
	struct mmu_notifier *(*alloc_notifier)(struct mm_struct *mm);

	/**
	 * @free_notifier: Free what @alloc_notifier gave. Called once, after the
	 * last mmu_notifier_put() and when no callback runs any more.
	 *
	 * Context: Process context, may sleep.
	 */
	void (*free_notifier)(struct mmu_notifier *subscription);

	/** @flags: MMU_NOTIFIER_NEVER_SLEEPS or 0 */
	unsigned int flags;
};

/**
 * struct mmu_notifier - an hlist subscription: all of one address space
 * @ops: what to call. Set by the driver before mmu_notifier_register(), by the
 *	core in mmu_notifier_get().
 * @mm: the address space. Set by registration and valid until unregistration;
 *	mmget_not_zero() tells whether it is still in use.
 *
 * The members below @mm belong to the core; no driver initialises them.
 */
struct mmu_notifier {
	const struct mmu_notifier_ops *ops;
	struct mm_struct *mm;
	/* private: */
	struct hlist_node link[2];	/* in mmu_notifier_subscriptions.hlist[] */
	struct hlist_node leave;	/* on its way out: see mn_hlist_remove() */
	unsigned int users;		/* get minus put */
	unsigned int state;		/* enum mn_state */
#ifdef CONFIG_DEBUG_MMU_NOTIFIER
	struct mn_maps maps;
#endif
};

/**
 * struct mmu_interval_notifier_finish - the second pass of an invalidation
 * @link: belongs to the core
 * @notifier: the subscription; set by the core
 *
 * What &mmu_interval_notifier_ops.invalidate_start hands back when there is
 * work left. Invalidations run in parallel and each wants one of its own:
 * embed it in what describes the work.
 */
struct mmu_interval_notifier_finish {
	struct llist_node link;
	struct mmu_interval_notifier *notifier;
};

/**
 * struct mmu_interval_notifier_ops - what an interval subscriber wants to hear of
 *
 * Either @invalidate, or @invalidate_start together with @invalidate_finish.
 * All of them run where hlist subscribers get
 * &mmu_notifier_ops.invalidate_range_start and obey the same rules.
 */
struct mmu_interval_notifier_ops {
	/**
	 * @invalidate: On return the device must not use what it copied from the
	 * page tables of the range. Calls mmu_interval_set_seq() under the lock
	 * under which the driver calls mmu_interval_read_retry().
	 *
	 * Context: May sleep if mmu_notifier_range_blockable().
	 * Return: true, or false when it would have to sleep and must not.
	 */
	bool (*invalidate)(struct mmu_interval_notifier *interval_sub,
			   const struct mmu_notifier_range *range,
			   unsigned long cur_seq);

	/**
	 * @invalidate_start: As @invalidate, but the wait for the device may be
	 * left to @invalidate_finish, so that the devices of all subscribers
	 * work at the same time. ``*finish`` is %NULL on entry; left so, there
	 * is no second pass and all of the work is done on return.
	 *
	 * Context: As @invalidate. Memory for ``*finish`` must be ready or come
	 * without reclaim; when there is none, do all of the work here.
	 * Return: As @invalidate.
	 */
	bool (*invalidate_start)(struct mmu_interval_notifier *interval_sub,
				 const struct mmu_notifier_range *range,
				 unsigned long cur_seq,
				 struct mmu_interval_notifier_finish **finish);

	/**
	 * @invalidate_finish: Called once for each ``*finish`` that
	 * @invalidate_start set, in the order of the starts, after the first
	 * pass of all subscribers, also when one of them declined. Owns
	 * ``finish`` from then on. It cannot decline.
	 *
	 * Context: As @invalidate.
	 */
	void (*invalidate_finish)(struct mmu_interval_notifier_finish *finish);

	/** @flags: MMU_NOTIFIER_NEVER_SLEEPS or 0 */
	unsigned int flags;
};

/**
 * struct mmu_interval_notifier - an interval subscription: a range of addresses
 * @interval_tree: the range
 * @ops: what to call
 * @mm: the address space; %NULL until an insert succeeded
 * @invalidate_seq: of the last invalidation that the driver saw
 *
 * The rest belongs to the core.
 */
struct mmu_interval_notifier {
	struct interval_tree_node interval_tree;
	const struct mmu_interval_notifier_ops *ops;
	struct mm_struct *mm;
	unsigned long invalidate_seq;
	/* private: */
	atomic_t calls;		/* sections that are not done with it */
	bool leaving;		/* no section may begin to call it */
#ifdef CONFIG_DEBUG_MMU_NOTIFIER
	struct mn_maps maps;
#endif
};

#ifdef CONFIG_MMU_NOTIFIER

#ifdef CONFIG_LOCKDEP
extern struct lockdep_map __mmu_notifier_invalidate_range_start_map;
#endif

/**
 * struct mmu_notifier_range - one section, on the stack of the task that runs it
 * @mm: the address space
 * @start: first address
 * @end: first address behind the range
 * @flags: MMU_NOTIFIER_RANGE_*
 * @event: why
 * @owner: whose doing it is, for MMU_NOTIFY_MIGRATE and MMU_NOTIFY_EXCLUSIVE;
 *	%NULL otherwise
 *
 * Everybody who changes page tables has one on the stack, in reclaim too, and
 * pays for its initialisation without any subscriber: it does not grow.
 */
struct mmu_notifier_range {
	struct mm_struct *mm;
	unsigned long start;
	unsigned long end;
	unsigned int flags;
	enum mmu_notifier_event event;
	void *owner;
#ifdef CONFIG_DEBUG_MMU_NOTIFIER
	/* private: */
	struct mn_debug_range debug;
#endif
};

#ifdef CONFIG_DEBUG_MMU_NOTIFIER
void mmu_notifier_debug_start(struct mmu_notifier_range *range);
void mmu_notifier_debug_decline(struct mmu_notifier_range *range);
void mmu_notifier_debug_end(struct mmu_notifier_range *range);

static inline void mmu_notifier_debug_init(struct mmu_notifier_range *range)
{
	range->debug.mm = NULL;
}
#else
static inline void mmu_notifier_debug_start(struct mmu_notifier_range *range)
{
}

static inline void mmu_notifier_debug_decline(struct mmu_notifier_range *range)
{
}

static inline void mmu_notifier_debug_end(struct mmu_notifier_range *range)
{
}

static inline void mmu_notifier_debug_init(struct mmu_notifier_range *range)
{
}
#endif

int __mmu_notifier_register(struct mmu_notifier *subscription,
			    struct mm_struct *mm);
int mmu_notifier_register(struct mmu_notifier *subscription,
			  struct mm_struct *mm);
void mmu_notifier_unregister(struct mmu_notifier *subscription,
			     struct mm_struct *mm);
struct mmu_notifier *mmu_notifier_get_locked(const struct mmu_notifier_ops *ops,
					     struct mm_struct *mm);
void mmu_notifier_put(struct mmu_notifier *subscription);
void mmu_notifier_synchronize(void);

unsigned long mmu_interval_read_begin(struct mmu_interval_notifier *interval_sub);
int mmu_interval_notifier_insert(struct mmu_interval_notifier *interval_sub,
				 struct mm_struct *mm, unsigned long start,
				 unsigned long length,
				 const struct mmu_interval_notifier_ops *ops);
int mmu_interval_notifier_insert_locked(struct mmu_interval_notifier *interval_sub,
					struct mm_struct *mm,
					unsigned long start,
					unsigned long length,
					const struct mmu_interval_notifier_ops *ops);
void mmu_interval_notifier_remove(struct mmu_interval_notifier *interval_sub);

void __mmu_notifier_subscriptions_destroy(struct mm_struct *mm);
void __mmu_notifier_release(struct mm_struct *mm);
bool __mmu_notifier_clear_flush_young(struct mm_struct *mm,
				      unsigned long start, unsigned long end);
bool __mmu_notifier_clear_young(struct mm_struct *mm,
				unsigned long start, unsigned long end);
bool __mmu_notifier_test_young(struct mm_struct *mm, unsigned long address);
int __mmu_notifier_invalidate_range_start(struct mmu_notifier_range *range);
void __mmu_notifier_invalidate_range_end(struct mmu_notifier_range *range);
void __mmu_notifier_arch_invalidate_secondary_tlbs(struct mm_struct *mm,
						   unsigned long start,
						   unsigned long end);
bool __mm_has_blockable_notifiers(struct mm_struct *mm);

/**
 * mm_has_notifiers - whether anybody ever subscribed to an mm
 * @mm: the address space
 *
 * The load is plain, so that the compiler can fold it into the test; the
 * functions behind it load again.
 *
 * Return: non-zero if so.
 */
static inline int mm_has_notifiers(struct mm_struct *mm)
{
	/* Published once, by mn_publish(); a yes is never taken back. */
	return unlikely(data_race(mm->notifier_subscriptions));
}

/**
 * mm_has_blockable_notifiers - whether a non-blockable section may be declined
 * @mm: the address space
 *
 * For those who would rather not try. A subscriber that did not promise
 * MMU_NOTIFIER_NEVER_SLEEPS makes this true for the rest of the life of @mm.
 *
 * Return: false if every subscriber has promised never to sleep.
 */
static inline bool mm_has_blockable_notifiers(struct mm_struct *mm)
{
	return mm_has_notifiers(mm) && __mm_has_blockable_notifiers(mm);
}

/**
 * mmu_notifier_get - the subscription of an mm to ops, a new one if need be
 * @ops: the callbacks, alloc_notifier and free_notifier among them
 * @mm: the address space
 *
 * mmu_notifier_get_locked() for callers that do not hold mmap_lock.
 *
 * Context: Process context. Takes and releases mmap_lock for write; may sleep.
 * Return: As mmu_notifier_get_locked().
 */
static inline struct mmu_notifier *
mmu_notifier_get(const struct mmu_notifier_ops *ops, struct mm_struct *mm)
{
	struct mmu_notifier *subscription;

	mmap_write_lock(mm);
	subscription = mmu_notifier_get_locked(ops, mm);
	mmap_write_unlock(mm);
	return subscription;
}

/**
 * mmu_interval_set_seq - remember in a subscription that it was invalidated
 * @interval_sub: the subscription that the callback was called for
 * @cur_seq: what the callback was called with
 *
 * To be called by each &mmu_interval_notifier_ops.invalidate or
 * &mmu_interval_notifier_ops.invalidate_start of a driver that uses
 * mmu_interval_read_begin(), whether or not it has anything to invalidate.
 *
 * Context: Under the lock under which mmu_interval_read_retry() is called.
 */
static inline void
mmu_interval_set_seq(struct mmu_interval_notifier *interval_sub,
		     unsigned long cur_seq)
{
	/* Read without the driver's lock by begin and check_retry. */
	WRITE_ONCE(interval_sub->invalidate_seq, cur_seq);
}

/**
 * mmu_interval_read_retry - whether what was read since begin is void
 * @interval_sub: the subscription
 * @seq: what mmu_interval_read_begin() returned
 *
 * Context: Under the lock under which the driver's invalidate callback calls
 * mmu_interval_set_seq(). A false holds as long as that lock is held.
 * Return: true if an invalidation came in between: begin again.
 */
static inline bool
mmu_interval_read_retry(struct mmu_interval_notifier *interval_sub,
			unsigned long seq)
{
	return interval_sub->invalidate_seq != seq;
}

/**
 * mmu_interval_check_retry - whether it is pointless to go on reading
 * @interval_sub: the subscription
 * @seq: what mmu_interval_read_begin() returned
 *
 * For long work between begin and retry, as often as one likes.
 *
 * Context: Any, no lock needed.
 * Return: true if mmu_interval_read_retry() is going to return true. A false
 * promises nothing.
 */
static inline bool
mmu_interval_check_retry(struct mmu_interval_notifier *interval_sub,
			 unsigned long seq)
{
	/* Written by mmu_interval_set_seq(). */
	return READ_ONCE(interval_sub->invalidate_seq) != seq;
}

/**
 * mmu_notifier_range_blockable - whether the section's callbacks may sleep
 * @range: what the callback got
 *
 * Return: true if they may.
 */
static inline bool
mmu_notifier_range_blockable(const struct mmu_notifier_range *range)
{
	return range->flags & MMU_NOTIFIER_RANGE_BLOCKABLE;
}

/**
 * mmu_notifier_release - tell all subscribers that the mm ends
 * @mm: the address space, of which the last user is gone
 *
 * Context: Process context, before the first page is freed; may sleep.
 */
static inline void mmu_notifier_release(struct mm_struct *mm)
{
	if (mm_has_notifiers(mm))
		__mmu_notifier_release(mm);
}

/**
 * mmu_notifier_clear_flush_young - age a range in all secondary MMUs, flushing
 * @mm: the address space
 * @start: first address
 * @end: first address behind the range
 *
 * Context: Any that may take a spinlock; mostly under the page table lock.
 * Return: whether any of them has accessed the range.
 */
static inline bool mmu_notifier_clear_flush_young(struct mm_struct *mm,
						  unsigned long start,
						  unsigned long end)
{
	if (mm_has_notifiers(mm))
		return __mmu_notifier_clear_flush_young(mm, start, end);
	return false;
}

/**
 * mmu_notifier_clear_young - age a range in all secondary MMUs
 * @mm: the address space
 * @start: first address
 * @end: first address behind the range
 *
 * Context: Any that may take a spinlock; mostly under the page table lock.
 * Return: whether any of them has accessed the range.
 */
static inline bool mmu_notifier_clear_young(struct mm_struct *mm,
					    unsigned long start,
					    unsigned long end)
{
	if (mm_has_notifiers(mm))
		return __mmu_notifier_clear_young(mm, start, end);
	return false;
}

/**
 * mmu_notifier_test_young - whether a secondary MMU has accessed a page
 * @mm: the address space
 * @address: of the page
 *
 * Context: Any that may take a spinlock; mostly under the page table lock.
 * Return: whether any of them has.
 */
static inline bool mmu_notifier_test_young(struct mm_struct *mm,
					   unsigned long address)
{
	if (mm_has_notifiers(mm))
		return __mmu_notifier_test_young(mm, address);
	return false;
}

/*
 * Ties what the caller holds to what callbacks take, also where nobody is
 * subscribed. Not round the call: where the callbacks are called the map comes
 * again, inside the domain of the mm, since lockdep follows no chain of locks
 * through the read side of SRCU.
 */
static inline void mmu_notifier_lockdep_start(void)
{
	lock_map_acquire(&__mmu_notifier_invalidate_range_start_map);
	lock_map_release(&__mmu_notifier_invalidate_range_start_map);
}

/**
 * mmu_notifier_invalidate_range_start - open a section that may sleep
 * @range: from mmu_notifier_range_init(); kept by the caller until the end
 *
 * Context: Process context, may sleep. The caller holds mmap_lock, the lock of
 * the VMA, i_mmap_rwsem or the lock of the anon_vma until the section is over,
 * as registration drains through these. The task that starts also ends.
 */
static inline void
mmu_notifier_invalidate_range_start(struct mmu_notifier_range *range)
{
	/* might_sleep() without its offer to schedule: most often nobody sleeps. */
	__might_sleep(__FILE__, __LINE__);

	mmu_notifier_debug_start(range);
	mmu_notifier_lockdep_start();
	if (!mm_has_notifiers(range->mm))
		return;
	range->flags |= MMU_NOTIFIER_RANGE_BLOCKABLE;
	__mmu_notifier_invalidate_range_start(range);
}

/**
 * mmu_notifier_invalidate_range_start_nonblock - open a section that never sleeps
 * @range: from mmu_notifier_range_init(); kept by the caller until the end
 *
 * For the OOM reaper, which cannot wait for anybody.
 *
 * Context: As mmu_notifier_invalidate_range_start(), but does not sleep.
 * Return: 0; or -EAGAIN if a subscriber would have to sleep. Then there is no
 * section: no page table is touched and no end is called.
 */
static inline int __must_check
mmu_notifier_invalidate_range_start_nonblock(struct mmu_notifier_range *range)
{
	int err;

	mmu_notifier_debug_start(range);
	mmu_notifier_lockdep_start();
	if (!mm_has_notifiers(range->mm))
		return 0;
	range->flags &= ~MMU_NOTIFIER_RANGE_BLOCKABLE;
	err = __mmu_notifier_invalidate_range_start(range);
	if (err)
		mmu_notifier_debug_decline(range);
	return err;
}

/**
 * mmu_notifier_invalidate_range_end - close a section
 * @range: the one that start succeeded with, unchanged
 *
 * Asks the range, not the mm: who subscribed after the start hears nothing of
 * this section.
 *
 * Context: That of the start.
 */
static inline void
mmu_notifier_invalidate_range_end(struct mmu_notifier_range *range)
{
	mmu_notifier_debug_end(range);
	if (unlikely(range->flags & MMU_NOTIFIER_RANGE_STARTED))
		__mmu_notifier_invalidate_range_end(range);
}

/**
 * mmu_notifier_arch_invalidate_secondary_tlbs - flush TLBs of devices
 * @mm: the address space
 * @start: first address
 * @end: first address behind the range
 *
 * For the TLB flushing code of architectures.
 *
 * Context: Any that may take a spinlock, after the page table was changed, under
 * one of the locks that cover a section: registration passes through these.
 */
static inline void
mmu_notifier_arch_invalidate_secondary_tlbs(struct mm_struct *mm,
					    unsigned long start,
					    unsigned long end)
{
	if (mm_has_notifiers(mm))
		__mmu_notifier_arch_invalidate_secondary_tlbs(mm, start, end);
}

static inline void mmu_notifier_subscriptions_destroy(struct mm_struct *mm)
{
	if (mm_has_notifiers(mm))
		__mmu_notifier_subscriptions_destroy(mm);
}

static inline void mmu_notifier_subscriptions_init(struct mm_struct *mm)
{
	mm->notifier_subscriptions = NULL;
}

/**
 * mmu_notifier_range_init_owner - describe a section and whose doing it is
 * @range: on the caller's stack
 * @event: why
 * @flags: 0
 * @mm: the address space
 * @start: first address
 * @end: first address behind the range
 * @owner: compared by the drivers that know it
 */
static inline void
mmu_notifier_range_init_owner(struct mmu_notifier_range *range,
			      enum mmu_notifier_event event, unsigned int flags,
			      struct mm_struct *mm, unsigned long start,
			      unsigned long end, void *owner)
{
	range->mm = mm;
	range->start = start;
	range->end = end;
	range->flags = flags;
	range->event = event;
	range->owner = owner;
	mmu_notifier_debug_init(range);
}

/**
 * mmu_notifier_range_init - describe a section
 * @range: on the caller's stack
 * @event: why
 * @flags: 0
 * @mm: the address space
 * @start: first address
 * @end: first address behind the range
 */
static inline void mmu_notifier_range_init(struct mmu_notifier_range *range,
					   enum mmu_notifier_event event,
					   unsigned int flags,
					   struct mm_struct *mm,
					   unsigned long start,
					   unsigned long end)
{
	mmu_notifier_range_init_owner(range, event, flags, mm, start, end, NULL);
}

#else /* CONFIG_MMU_NOTIFIER */

struct mmu_notifier_range {
	unsigned long start;
	unsigned long end;
};

static inline int mm_has_notifiers(struct mm_struct *mm)
{
	return 0;
}

static inline bool mm_has_blockable_notifiers(struct mm_struct *mm)
{
	return false;
}

static inline void mmu_notifier_synchronize(void)
{
}

static inline bool
mmu_notifier_range_blockable(const struct mmu_notifier_range *range)
{
	return true;
}

static inline void mmu_notifier_release(struct mm_struct *mm)
{
}

static inline bool mmu_notifier_clear_flush_young(struct mm_struct *mm,
						  unsigned long start,
						  unsigned long end)
{
	return false;
}

static inline bool mmu_notifier_clear_young(struct mm_struct *mm,
					    unsigned long start,
					    unsigned long end)
{
	return false;
}

static inline bool mmu_notifier_test_young(struct mm_struct *mm,
					   unsigned long address)
{
	return false;
}

static inline int
mmu_notifier_invalidate_range_start_nonblock(struct mmu_notifier_range *range)
{
	return 0;
}

static inline void
mmu_notifier_invalidate_range_start(struct mmu_notifier_range *range)
{
}

static inline void
mmu_notifier_invalidate_range_end(struct mmu_notifier_range *range)
{
}

static inline void
mmu_notifier_arch_invalidate_secondary_tlbs(struct mm_struct *mm,
					    unsigned long start,
					    unsigned long end)
{
}

static inline void mmu_notifier_subscriptions_init(struct mm_struct *mm)
{
}

static inline void mmu_notifier_subscriptions_destroy(struct mm_struct *mm)
{
}

static inline void
mmu_notifier_range_init_owner(struct mmu_notifier_range *range,
			      enum mmu_notifier_event event, unsigned int flags,
			      struct mm_struct *mm, unsigned long start,
			      unsigned long end, void *owner)
{
	range->start = start;
	range->end = end;
}

static inline void mmu_notifier_range_init(struct mmu_notifier_range *range,
					   enum mmu_notifier_event event,
					   unsigned int flags,
					   struct mm_struct *mm,
					   unsigned long start,
					   unsigned long end)
{
	range->start = start;
	range->end = end;
}

#endif /* CONFIG_MMU_NOTIFIER */

#endif /* _LINUX_MMU_NOTIFIER_H */
