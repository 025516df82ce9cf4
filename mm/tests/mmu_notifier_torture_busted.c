// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations that the torture test of the mmu_notifier can break on purpose.
 *
 * Each does what the core does, with one thing left out that is easy to forget.
 * In all other modes it is as in the core. The core has no hooks for this.
 */

#include <linux/interval_tree.h>
#include <linux/list.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rculist.h>
#include <linux/sched/mm.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/wait.h>

#include "../mmu_notifier_internal.h"
#include "mmu_notifier_torture.h"

enum tt_busted tt_busted;

const char *const tt_busted_names[TT_BUSTED_MODES] = {
	[TT_BUSTED_FIRST] = "first",
	[TT_BUSTED_DRAIN] = "drain",
	[TT_BUSTED_LATECOMER] = "latecomer",
	[TT_BUSTED_GRACE] = "grace",
	[TT_BUSTED_UNWIND] = "unwind",
	[TT_BUSTED_RELEASE] = "release",
	[TT_BUSTED_SYNCHRONIZE] = "synchronize",
	[TT_BUSTED_READY] = "ready",
	[TT_BUSTED_REMOVE] = "remove",
	[TT_BUSTED_RETRY] = "retry",
};

/* Registration */

static void tt_init_by_hand(struct mmu_notifier_subscriptions *subs,
			    struct mmu_notifier *mn, struct mm_struct *mm)
{
	mmgrab(mm);
	mn->mm = mm;
	mn->users = 1;
	mn_debug_subscribe(mn);
	spin_lock(&subs->lock);
	mn->state = MN_LIVE;
	hlist_add_head(&mn->queue, &subs->owed);
	spin_unlock(&subs->lock);
}

static void tt_flip(struct mmu_notifier_subscriptions *subs)
{
	spin_lock(&subs->lock);
	/* Pairs with the acquire of sections, as the flip of the core does. */
	smp_store_release(&subs->flags, subs->flags ^ MN_RANGE_PHASE);
	spin_unlock(&subs->lock);
}

/* Flip the phase, and claim to be done before the old sections are over. */
static void tt_flip_early(struct mmu_notifier_subscriptions *subs,
			  struct tt_sub *sub)
{
	struct mmu_notifier *mn = &sub->mn;
	unsigned int old = mn_phase(READ_ONCE(subs->flags));
	unsigned int idle = old ^ MN_RANGE_PHASE;

	hlist_add_head(mn_link(mn, idle), mn_list(subs, idle));
	tt_flip(subs);
	tt_sub_subscribed(sub);
	/* The rest prepares for later registrations. */
	synchronize_srcu_expedited(&subs->srcu);
	hlist_add_head(mn_link(mn, old), mn_list(subs, old));
}

/* One list would do, would it not? */
static void tt_add_to_both(struct mmu_notifier_subscriptions *subs,
			   struct mmu_notifier *mn)
{
	hlist_add_head_rcu(&mn->link[0], mn_list(subs, 0));
	hlist_add_head_rcu(&mn->link[1], mn_list(subs, MN_RANGE_PHASE));
	mn_itree_drain(subs);
	synchronize_srcu_expedited(&subs->srcu);
}

static void tt_register_by_hand(struct tt_sub *sub, struct mm_struct *mm)
{
	struct mmu_notifier_subscriptions *subs = mm->notifier_subscriptions;

	tt_init_by_hand(subs, &sub->mn, mm);
	mutex_lock(&subs->switching);
	mn_set_flags(subs, MN_OPS_OF_HLIST);
	if (tt_busted == TT_BUSTED_DRAIN)
		tt_flip_early(subs, sub);
	else
		tt_add_to_both(subs, &sub->mn);
	mutex_unlock(&subs->switching);
}

/* Make sections look at the tree, but do not wait for those that do not yet. */
static void tt_enable_itree(struct mmu_notifier_subscriptions *subs)
{
	mn_set_flags(subs, MN_ITREE_ENABLED);
	/* Pairs with the acquire in mmu_interval_notifier_insert(). */
	smp_store_release(&subs->itree_ready, true);
}

/* Install without passing through the locks of the mm. */
static void tt_install_early(struct mm_struct *mm)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions_get(mm);

	if (subs)
		subs->drained = true;
}

/* What a first registration, get or insertion does before all else. */
void tt_prepare(struct mm_struct *mm)
{
	mmap_assert_write_locked(mm);
	if (tt_busted == TT_BUSTED_FIRST && !mm_has_notifiers(mm))
		tt_install_early(mm);
	if (tt_busted == TT_BUSTED_READY && mm_has_notifiers(mm))
		tt_enable_itree(mm->notifier_subscriptions);
}

static bool tt_was_registered(struct mm_struct *mm)
{
	return mm_has_notifiers(mm) && mm->notifier_subscriptions->hlist_used;
}

/* The caller holds mmap_lock for write. */
int tt_register(struct tt_sub *sub, struct mm_struct *mm)
{
	tt_prepare(mm);
	if ((tt_busted == TT_BUSTED_DRAIN ||
	     tt_busted == TT_BUSTED_LATECOMER) && tt_was_registered(mm)) {
		tt_register_by_hand(sub, mm);
		return 0;
	}
	return __mmu_notifier_register(&sub->mn, mm);
}

/* Unregistration */

/* Returns false if exit was first. */
static bool tt_release_by_hand(struct mmu_notifier_subscriptions *subs,
			       struct mmu_notifier *mn, struct mm_struct *mm)
{
	bool live;

	spin_lock(&subs->lock);
	live = mn->state == MN_LIVE;
	if (live) {
		hlist_del_init(&mn->queue);
		mn->state = MN_GONE;
		subs->releasing++;
	}
	spin_unlock(&subs->lock);
	if (!live)
		return false;

	if (mn->ops->release)
		mn->ops->release(mn, mm);
	spin_lock(&subs->lock);
	/* Pairs with the acquire of exit. */
	smp_store_release(&subs->releasing, subs->releasing - 1);
	spin_unlock(&subs->lock);
	wake_up_all(&subs->wq);
	return true;
}

/* Unlink it, and wait for nothing. */
static bool tt_unregister_early(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct mmu_notifier_subscriptions *subs = mm->notifier_subscriptions;

	if (!tt_release_by_hand(subs, mn, mm))
		return false;
	mutex_lock(&subs->switching);
	if (!subs->dead) {
		hlist_del_rcu(&mn->link[0]);
		hlist_del_rcu(&mn->link[1]);
	}
	mutex_unlock(&subs->switching);
	mmdrop(mm);
	return true;
}

void tt_unregister(struct tt_sub *sub, struct mm_struct *mm)
{
	struct mmu_notifier *mn = &sub->mn;

	if (tt_busted == TT_BUSTED_GRACE && tt_unregister_early(mn, mm))
		return;
	/* Without a check whether others do, too. */
	if (tt_busted == TT_BUSTED_RELEASE && mn->ops->release)
		mn->ops->release(mn, mm);
	mmu_notifier_unregister(mn, mm);
}

/* Sections */

static int tt_call_starts(struct mmu_notifier_subscriptions *subs,
			  const struct mmu_notifier_range *range,
			  unsigned int phase)
{
	struct hlist_node *node;
	int err = 0;

	hlist_for_each(node, mn_list(subs, phase)) {
		struct hlist_node *first = (void *)node - phase;
		struct mmu_notifier *mn;

		mn = container_of(first, struct mmu_notifier, link[0]);
		if (mn->ops->invalidate_range_start)
			err = mn->ops->invalidate_range_start(mn, range);
		if (err)
			break;
	}
	return err;
}

static void tt_section_undo(struct mmu_notifier_subscriptions *subs,
			    struct mmu_notifier_range *range, int idx)
{
	if (range->flags & MN_RANGE_ITREE)
		mn_itree_end(subs, range);
	range->flags &= ~MN_RANGE_SECTION;
	mn_section_release();
	mn_debug_section_close(subs);
	/* From the range: see tt_start_in_domain(). */
	__acquire(&subs->srcu);
	srcu_read_unlock(&subs->srcu, idx);
	mmu_notifier_debug_decline(range);
}

/* Behave as if a start that fails had not called anyone. */
static int tt_start_in_domain(struct mmu_notifier_subscriptions *subs,
			      struct mmu_notifier_range *range)
{
	int idx = srcu_read_lock(&subs->srcu);
	unsigned int flags;
	int err = 0;

	/* Pairs with the release of the core's flip. */
	flags = smp_load_acquire(&subs->flags);
	range->flags |= (flags & MN_RANGE_TAKEN) |
			(idx ? MN_RANGE_SRCU_IDX : 0);
	mn_debug_section_open(subs);
	mn_section_acquire();
	if (flags & MN_RANGE_ITREE)
		err = mn_itree_start(subs, range);
	if (!err)
		err = tt_call_starts(subs, range, mn_phase(flags));
	/* The range holds it now, which sparse cannot follow. */
	__release(&subs->srcu);
	if (err)
		tt_section_undo(subs, range, idx);
	return err;
}

static int tt_start_by_hand(struct mmu_notifier_range *range)
{
	struct mmu_notifier_subscriptions *subs;

	if (!mm_has_notifiers(range->mm))
		return mmu_notifier_invalidate_range_start_nonblock(range);
	subs = range->mm->notifier_subscriptions;
	/* Pairs with the release in the functions that change the flags. */
	if (smp_load_acquire(&subs->flags) & MN_RANGE_ALONE)
		return mmu_notifier_invalidate_range_start_nonblock(range);
	mmu_notifier_debug_start(range);
	return tt_start_in_domain(subs, range);
}

int tt_start_nonblock(struct mmu_notifier_range *range)
{
	if (tt_busted == TT_BUSTED_UNWIND)
		return tt_start_by_hand(range);
	return mmu_notifier_invalidate_range_start_nonblock(range);
}

/* Intervals */

/* Returns false if it is a cursor, which has to stay. */
static bool tt_remove_early(struct mmu_interval_notifier *mni)
{
	struct mm_struct *mm = mni->mm;
	struct mmu_notifier_subscriptions *subs = mm->notifier_subscriptions;
	bool early;

	spin_lock(&subs->lock);
	early = !mni->cursors;
	if (early) {
		WRITE_ONCE(mni->leaving, true);
		raw_write_seqcount_begin(&subs->changes);
		interval_tree_remove(&mni->interval_tree, &subs->itree);
		RB_CLEAR_NODE(&mni->interval_tree.rb);
		raw_write_seqcount_end(&subs->changes);
	}
	spin_unlock(&subs->lock);
	if (early)
		mmdrop(mm);
	return early;
}

void tt_remove(struct mmu_interval_notifier *mni)
{
	if (tt_busted == TT_BUSTED_REMOVE && tt_remove_early(mni))
		return;
	mmu_interval_notifier_remove(mni);
}

bool tt_read_retry(struct mmu_interval_notifier *mni, unsigned long seq)
{
	if (tt_busted == TT_BUSTED_RETRY)
		return false;
	return mmu_interval_read_retry(mni, seq);
}

void tt_synchronize(void)
{
	if (tt_busted != TT_BUSTED_SYNCHRONIZE)
		mmu_notifier_synchronize();
}
