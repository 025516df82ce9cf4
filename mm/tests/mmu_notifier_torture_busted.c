// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations that the mmu_notifier's torture test can break on purpose.
 *
 * Each is the operation of the core as somebody might write it who has not
 * thought of one thing, and with another mode, or without, that of the core. The
 * core has no hooks for this.
 */

#include <linux/interval_tree.h>
#include <linux/list.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rculist.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>

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

/*
 * Publish without passing through the locks of the mm. The structure is that of
 * an mm which has nothing to pass through.
 */
static void tt_publish_early(struct mm_struct *mm)
{
	struct mm_struct *donor = mm_alloc();
	struct mmu_notifier_subscriptions *subs;

	if (!donor)
		return;
	mmap_write_lock_nested(donor, SINGLE_DEPTH_NESTING);
	if (!mn_itree_enable(donor)) {
		subs = donor->notifier_subscriptions;
		donor->notifier_subscriptions = NULL;
		/* Pairs with the address dependency in mn_subscriptions(). */
		smp_store_release(&mm->notifier_subscriptions, subs);
	}
	mmap_write_unlock(donor);
	/* Takes the mmap_lock of the donor, and that of @mm is held. */
	mmput_async(donor);
}

static void tt_init_by_hand(struct mmu_notifier *mn, struct mm_struct *mm)
{
	mmgrab(mm);
	mn->mm = mm;
	mn->users = 1;
	mn->state = MN_LIVE;
	INIT_HLIST_NODE(&mn->leave);
	mn_debug_subscribe(mn);
}

/* Flip the phase, and say that it is done before the sections of old are. */
static void tt_flip_early(struct mmu_notifier_subscriptions *subs,
			  struct tt_sub *sub)
{
	struct mmu_notifier *mn = &sub->mn;
	unsigned int old = mn_phase(READ_ONCE(subs->flags));

	hlist_add_head(&mn->link[!old], &subs->hlist[!old]);
	mn_flip(subs);
	tt_sub_subscribed(sub);
	/* What follows is for the registrations to come. */
	synchronize_srcu_expedited(&subs->srcu);
	hlist_add_head(&mn->link[old], &subs->hlist[old]);
}

/* One list would do, would it not? */
static void tt_add_to_both(struct mmu_notifier_subscriptions *subs,
			   struct mmu_notifier *mn)
{
	hlist_add_head_rcu(&mn->link[0], &subs->hlist[0]);
	hlist_add_head_rcu(&mn->link[1], &subs->hlist[1]);
	synchronize_srcu_expedited(&subs->srcu);
}

static void tt_register_by_hand(struct tt_sub *sub, struct mm_struct *mm)
{
	struct mmu_notifier_subscriptions *subs = mm->notifier_subscriptions;

	tt_init_by_hand(&sub->mn, mm);
	mutex_lock(&subs->switching);
	mn_set_flags(subs, MN_OPS_OF_HLIST | MN_OP_MAY_DECLINE);
	if (tt_busted == TT_BUSTED_DRAIN)
		tt_flip_early(subs, sub);
	else
		tt_add_to_both(subs, &sub->mn);
	mutex_unlock(&subs->switching);
}

/* Have sections count themselves, but do not wait for those that don't. */
static void tt_enable_itree(struct mmu_notifier_subscriptions *subs)
{
	mn_set_flags(subs, MN_RANGE_ITREE);
	/* Pairs with the acquire in mmu_interval_notifier_insert(). */
	smp_store_release(&subs->itree_ready, true);
}

/* What a registration, get or insertion does first if it is the first. */
void tt_prepare(struct mm_struct *mm)
{
	mmap_assert_write_locked(mm);
	if (tt_busted == TT_BUSTED_FIRST && !mm_has_notifiers(mm))
		tt_publish_early(mm);
	if (tt_busted == TT_BUSTED_READY && mm_has_notifiers(mm))
		tt_enable_itree(mm->notifier_subscriptions);
}

/* The caller holds mmap_lock for write. */
int tt_register(struct tt_sub *sub, struct mm_struct *mm)
{
	tt_prepare(mm);
	if ((tt_busted == TT_BUSTED_DRAIN ||
	     tt_busted == TT_BUSTED_LATECOMER) && mm_has_notifiers(mm)) {
		tt_register_by_hand(sub, mm);
		return 0;
	}
	return __mmu_notifier_register(&sub->mn, mm);
}

/* Unregistration */

/* Returns false if exit got there first. */
static bool tt_release_by_hand(struct mmu_notifier_subscriptions *subs,
			       struct mmu_notifier *mn, struct mm_struct *mm)
{
	bool live;
	int idx;

	idx = srcu_read_lock(&subs->srcu);
	spin_lock(&subs->lock);
	live = mn->state == MN_LIVE;
	if (live)
		mn->state = MN_LEAVING;
	spin_unlock(&subs->lock);
	if (live && mn->ops->release)
		mn->ops->release(mn, mm);
	srcu_read_unlock(&subs->srcu, idx);
	return live;
}

/* Off the lists, and that is that. */
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
	/* Without a look at who else does. */
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

	hlist_for_each(node, &subs->hlist[phase]) {
		struct mmu_notifier *mn;

		mn = container_of(node - phase, struct mmu_notifier, link[0]);
		if (mn->ops->invalidate_range_start)
			err = mn->ops->invalidate_range_start(mn, range);
		if (err)
			break;
	}
	return err;
}

/* A start that fails has told nobody, one should think. */
static int tt_start_by_hand(struct mmu_notifier_range *range)
{
	struct mmu_notifier_subscriptions *subs;
	unsigned int flags;
	int idx, err = 0;

	mmu_notifier_debug_start(range);
	if (!mm_has_notifiers(range->mm))
		return 0;
	subs = range->mm->notifier_subscriptions;
	idx = srcu_read_lock(&subs->srcu);
	/* Pairs with the release of the core's flip. */
	flags = smp_load_acquire(&subs->flags);
	range->flags |= (flags & MN_RANGE_TAKEN) |
			(idx ? MN_RANGE_SRCU_IDX : 0);
	if (flags & MN_RANGE_ITREE)
		err = mn_itree_start(subs, range);
	if (!err)
		err = tt_call_starts(subs, range, mn_phase(flags));
	if (!err) {
		mn_debug_section_open(subs);
		/* The range has it now, which sparse cannot follow. */
		__release(&subs->srcu);
		return 0;
	}
	if (range->flags & MN_RANGE_ITREE)
		mn_itree_end(subs, range);
	srcu_read_unlock(&subs->srcu, idx);
	mmu_notifier_debug_decline(range);
	return err;
}

int tt_start_nonblock(struct mmu_notifier_range *range)
{
	if (tt_busted == TT_BUSTED_UNWIND)
		return tt_start_by_hand(range);
	return mmu_notifier_invalidate_range_start_nonblock(range);
}

/* Intervals */

/* Returns false if nothing had to be waited for. */
static bool tt_remove_early(struct mmu_interval_notifier *mni)
{
	struct mm_struct *mm = mni->mm;
	struct mmu_notifier_subscriptions *subs = mm->notifier_subscriptions;
	bool early;

	spin_lock(&subs->lock);
	early = atomic_read(&mni->calls);
	if (early) {
		mni->leaving = true;
		interval_tree_remove(&mni->interval_tree, &subs->itree);
		RB_CLEAR_NODE(&mni->interval_tree.rb);
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
