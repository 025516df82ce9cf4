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

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rbtree_types.h>
#include <linux/spinlock_types.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/workqueue_types.h>

struct task_struct;

/*
 * What a section remembers in mmu_notifier_range.flags, beside STARTED: which
 * of the two lists it walks, which counter of the SRCU domain it holds, and
 * whether the tree counts it.
 */
#define MN_RANGE_PHASE		BIT(28)
#define MN_RANGE_SRCU_IDX	BIT(29)
#define MN_RANGE_ITREE		BIT(30)
#define MN_RANGE_SECTION	(MMU_NOTIFIER_RANGE_STARTED | MN_RANGE_PHASE | \
				 MN_RANGE_SRCU_IDX | MN_RANGE_ITREE)

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

/* Ops that somebody on the mm implements: mmu_notifier_subscriptions.ops. */
#define MN_OP_START		BIT(0)
#define MN_OP_END		BIT(1)
#define MN_OP_CLEAR_FLUSH_YOUNG	BIT(2)
#define MN_OP_CLEAR_YOUNG	BIT(3)
#define MN_OP_TEST_YOUNG	BIT(4)
#define MN_OP_ARCH_INVALIDATE	BIT(5)

/**
 * struct mmu_notifier_subscriptions - who is subscribed to an mm
 * @srcu: the read side is a section, or one young or arch_invalidate call, or a
 *	walk that calls ->release
 * @hlist: the subscribers, twice: see mmu_notifier.c
 * @phase: which of @hlist readers that begin now walk
 * @ops: MN_OP_* that somebody implements or did; it only grows
 * @itree_enabled: sections count themselves in the tree
 * @itree_ready: no section is left that does not
 * @lock: protects the state and users of subscribers, @leaving, and the tree
 * @invalidate_seq: odd while a section excludes changes of @itree
 * @active_invalidate_ranges: sections that the tree counts
 * @itree: interval subscriptions
 * @deferred_list: changes of @itree that wait for an even @invalidate_seq
 * @wq: who waits for @invalidate_seq to change
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
 *
 * Published once, under mmap_lock held for write, by a store-release of
 * mm->notifier_subscriptions, and gone with the last reference to the mm.
 */
struct mmu_notifier_subscriptions {
	struct srcu_struct srcu;
	struct hlist_head hlist[2];
	unsigned int phase;
	unsigned int ops;
	bool itree_enabled;
	bool itree_ready;

	spinlock_t lock;	/* a leaf: states, users, @leaving and the tree */
	unsigned long invalidate_seq;
	unsigned long active_invalidate_ranges;
	struct rb_root_cached itree;
	struct hlist_head deferred_list;
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
};

int mn_itree_enable(struct mm_struct *mm);

void mn_itree_init(struct mmu_notifier_subscriptions *subs);
bool mn_itree_idle(struct mmu_notifier_subscriptions *subs);
int mn_itree_start(struct mmu_notifier_subscriptions *subs,
		   const struct mmu_notifier_range *range);
void mn_itree_end(struct mmu_notifier_subscriptions *subs);
void mn_itree_release(struct mmu_notifier_subscriptions *subs,
		      struct mm_struct *mm);

#endif /* _MM_MMU_NOTIFIER_INTERNAL_H */
