// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interval subscriptions of the mmu_notifier: the tree and collision-retry.
 */

/**
 * DOC: the tree, its states, and who may change it
 *
 * A driver that copies page table entries of a range into its device inserts an
 * interval subscription for it and then reads under collision-retry::
 *
 *	again:
 *		seq = mmu_interval_read_begin(sub)
 *		read the page tables, may sleep
 *		lock
 *		if (mmu_interval_read_retry(sub, seq)) { unlock; goto again; }
 *		program the device
 *		unlock
 *
 * while its invalidate callback takes the same lock, calls
 * mmu_interval_set_seq() and stops the device.
 *
 * subs->invalidate_seq and subs->active_invalidate_ranges, the number of
 * sections that the tree counts, make three states, under subs->lock:
 *
 * =========  ====  ======  =====================================================
 * state      seq   active  the tree
 * =========  ====  ======  =====================================================
 * idle       even  0       may change
 * partial    even  > 0     may change; no section has met a subscription
 * excluded   odd   > 0     must not change: a section walks it without the lock
 * =========  ====  ======  =====================================================
 *
 * A section that meets a subscription, and an insert while a section is active,
 * make seq odd. The end of the last active section makes it even again, with a
 * value that was never there before, does the inserts and removes that were
 * deferred, and wakes who waits for the change.
 *
 * A subscription whose own invalidate_seq equals an odd subs->invalidate_seq is
 * being invalidated: begin waits. Invalidation stores the odd value there, so a
 * reader that began before finds another one: retry. Every value stored there is
 * odd, so nobody waits when subs->invalidate_seq is even, even after a wrap.
 */

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/container_of.h>
#include <linux/export.h>
#include <linux/interval_tree.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/lockdep.h>
#include <linux/mm_types.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/overflow.h>
#include <linux/rbtree.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "mmu_notifier_internal.h"

void mn_itree_init(struct mmu_notifier_subscriptions *subs)
{
	subs->invalidate_seq = 2;
	subs->itree = RB_ROOT_CACHED;
	INIT_HLIST_HEAD(&subs->deferred_list);
	init_waitqueue_head(&subs->wq);
}

/* Whether the tree is as it should be when the mm goes. */
bool mn_itree_idle(struct mmu_notifier_subscriptions *subs)
{
	return RB_EMPTY_ROOT(&subs->itree.rb_root) &&
	       hlist_empty(&subs->deferred_list) &&
	       !subs->active_invalidate_ranges;
}

static bool mn_itree_excluded(struct mmu_notifier_subscriptions *subs)
{
	lockdep_assert_held(&subs->lock);
	return subs->invalidate_seq & 1;
}

static struct mmu_interval_notifier *mn_itree_entry(struct interval_tree_node *node)
{
	if (!node)
		return NULL;
	return container_of(node, struct mmu_interval_notifier, interval_tree);
}

static bool mn_itree_linked(struct mmu_interval_notifier *sub)
{
	return !RB_EMPTY_NODE(&sub->interval_tree.rb);
}

static void mn_itree_link(struct mmu_notifier_subscriptions *subs,
			  struct mmu_interval_notifier *sub)
{
	lockdep_assert_held(&subs->lock);
	interval_tree_insert(&sub->interval_tree, &subs->itree);
}

/* The node is cleared, so that a second removal is noticed. */
static void mn_itree_unlink(struct mmu_notifier_subscriptions *subs,
			    struct mmu_interval_notifier *sub)
{
	lockdep_assert_held(&subs->lock);
	interval_tree_remove(&sub->interval_tree, &subs->itree);
	RB_CLEAR_NODE(&sub->interval_tree.rb);
}

/* Count a section, and find the first subscription that it meets. */
static struct mmu_interval_notifier *
mn_itree_count(struct mmu_notifier_subscriptions *subs,
	       const struct mmu_notifier_range *range, unsigned long *seq)
{
	struct interval_tree_node *node;

	spin_lock(&subs->lock);
	subs->active_invalidate_ranges++;
	node = interval_tree_iter_first(&subs->itree, range->start,
					range->end - 1);
	if (node)
		/* Read without the lock by those who wait for it. */
		WRITE_ONCE(subs->invalidate_seq, subs->invalidate_seq | 1);
	*seq = subs->invalidate_seq;
	spin_unlock(&subs->lock);
	return mn_itree_entry(node);
}

/* The tree stands still: mn_itree_count() has excluded changes. */
static struct mmu_interval_notifier *
mn_itree_next(struct mmu_interval_notifier *sub,
	      const struct mmu_notifier_range *range)
{
	return mn_itree_entry(interval_tree_iter_next(&sub->interval_tree,
						      range->start,
						      range->end - 1));
}

/*
 * The first pass for one subscription. Whatever it leaves in *finish gets its
 * second pass, also from a driver that declines with work under way.
 * Returns false if it declines.
 */
static bool mn_itree_first_pass(struct mmu_interval_notifier *sub,
				const struct mmu_notifier_range *range,
				unsigned long seq, struct llist_head *second)
{
	struct mmu_interval_notifier_finish *finish = NULL;
	bool done;

	if (!sub->ops->invalidate_start)
		return sub->ops->invalidate(sub, range, seq);

	done = sub->ops->invalidate_start(sub, range, seq, &finish);
	if (finish) {
		finish->notifier = sub;
		__llist_add(&finish->link, second);
	}
	return done;
}

static bool mn_itree_call(struct mmu_interval_notifier *sub,
			  const struct mmu_notifier_range *range,
			  unsigned long seq, struct llist_head *second)
{
	bool may_sleep = mn_may_sleep(range, sub->ops->flags);
	bool done;

	mn_debug_interval_acquire(sub);
	if (!may_sleep)
		mn_nonblock_start();
	done = mn_itree_first_pass(sub, range, seq, second);
	if (!may_sleep)
		mn_nonblock_end();
	mn_debug_interval_release(sub);
	return done;
}

static void mn_itree_call_finish(struct mmu_interval_notifier_finish *finish,
				 const struct mmu_notifier_range *range)
{
	struct mmu_interval_notifier *sub = finish->notifier;
	bool may_sleep = mn_may_sleep(range, sub->ops->flags);

	mn_debug_interval_acquire(sub);
	if (!may_sleep)
		mn_nonblock_start();
	sub->ops->invalidate_finish(finish);
	if (!may_sleep)
		mn_nonblock_end();
	mn_debug_interval_release(sub);
}

static void mn_itree_second_pass(struct llist_head *second,
				 const struct mmu_notifier_range *range)
{
	struct mmu_interval_notifier_finish *finish, *next;
	struct llist_node *first = llist_reverse_order(__llist_del_all(second));

	/* Safe, as invalidate_finish may free it. */
	llist_for_each_entry_safe(finish, next, first, link)
		mn_itree_call_finish(finish, range);
}

/*
 * Both passes for all that the section meets. A blockable section goes on when
 * somebody declines: its page tables change all the same.
 * Returns false if one declines a section that may be declined.
 */
static bool mn_itree_invalidate(struct mmu_notifier_subscriptions *subs,
				const struct mmu_notifier_range *range)
{
	struct mmu_interval_notifier *sub;
	bool accepted = true;
	LLIST_HEAD(second);
	unsigned long seq;

	for (sub = mn_itree_count(subs, range, &seq); sub && accepted;
	     sub = mn_itree_next(sub, range))
		accepted = mn_itree_call(sub, range, seq, &second) ||
			   WARN_ON_ONCE(mmu_notifier_range_blockable(range));

	mn_itree_second_pass(&second, range);
	return accepted;
}

/*
 * Open a section for the tree. Unless this returns -EAGAIN, to be followed by
 * mn_itree_end().
 */
int mn_itree_start(struct mmu_notifier_subscriptions *subs,
		   const struct mmu_notifier_range *range)
{
	if (mn_itree_invalidate(subs, range))
		return 0;
	mn_itree_end(subs);
	return -EAGAIN;
}

/* What inserts and removes have left for when no section walks the tree. */
static void mn_itree_apply_deferred(struct mmu_notifier_subscriptions *subs)
{
	struct mmu_interval_notifier *sub;
	struct hlist_node *next;

	lockdep_assert_held(&subs->lock);
	hlist_for_each_entry_safe(sub, next, &subs->deferred_list,
				  deferred_item) {
		hlist_del_init(&sub->deferred_item);
		if (mn_itree_linked(sub))
			mn_itree_unlink(subs, sub);
		else
			mn_itree_link(subs, sub);
	}
}

/* Close a section for the tree. */
void mn_itree_end(struct mmu_notifier_subscriptions *subs)
{
	bool wake = false;

	spin_lock(&subs->lock);
	if (!WARN_ON_ONCE(!subs->active_invalidate_ranges) &&
	    !--subs->active_invalidate_ranges && mn_itree_excluded(subs)) {
		/* Pairs with the acquire in mmu_interval_read_begin(). */
		smp_store_release(&subs->invalidate_seq,
				  subs->invalidate_seq + 1);
		mn_itree_apply_deferred(subs);
		wake = true;
	}
	spin_unlock(&subs->lock);

	/* The section is still in the domain of the mm, which keeps @subs. */
	if (wake)
		wake_up_all(&subs->wq);
}

/* The address space ends: one section over all of it. */
void mn_itree_release(struct mmu_notifier_subscriptions *subs,
		      struct mm_struct *mm)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_RELEASE,
				MMU_NOTIFIER_RANGE_BLOCKABLE, mm, 0, ULONG_MAX);
	mn_itree_start(subs, &range);
	mn_itree_end(subs);
}

/**
 * mmu_interval_read_begin - begin to read page tables of a range
 * @interval_sub: the subscription, inserted
 *
 * Waits until no section is running that meets the range, so that the reader
 * has a chance. It need not succeed: there is no loop, for the sake of callers
 * that bound their time.
 *
 * For sections to come no barrier orders the page tables against the sequence.
 * Invalidation stores its sequence under the driver's lock before the page tables
 * change, and mmu_interval_read_retry() reads it under the same lock: either it
 * sees that, or it comes first and the callback stops the device afterwards. The
 * section that is waited for has stored its sequence already, which retry takes
 * for unchanged. So what it did to the page tables must be seen, also when it is
 * over so soon that the wait does not sleep: hence the acquire.
 *
 * Context: Process context, sleeps. The caller must hold nothing that a section
 * of the mm takes or waits for, mmap_lock for read excepted.
 * Return: what mmu_interval_read_retry() wants.
 */
unsigned long mmu_interval_read_begin(struct mmu_interval_notifier *interval_sub)
{
	struct mmu_notifier_subscriptions *subs =
		interval_sub->mm->notifier_subscriptions;
	unsigned long seq;
	bool invalidating;

	spin_lock(&subs->lock);
	/* Written by mmu_interval_set_seq() under the driver's lock. */
	seq = READ_ONCE(interval_sub->invalidate_seq);
	invalidating = seq == subs->invalidate_seq;
	spin_unlock(&subs->lock);

	lock_map_acquire(&__mmu_notifier_invalidate_range_start_map);
	lock_map_release(&__mmu_notifier_invalidate_range_start_map);
	mn_sync_sections(subs);
	if (invalidating)
		wait_event(subs->wq,
			   /* Pairs with the release in mn_itree_end(). */
			   smp_load_acquire(&subs->invalidate_seq) != seq);
	return seq;
}
EXPORT_SYMBOL_GPL(mmu_interval_read_begin);

/*
 * Nobody knows where the sections are that run already: assume that they meet
 * the newcomer. It starts with an odd sequence in any case.
 */
static void mn_itree_insert(struct mmu_notifier_subscriptions *subs,
			    struct mmu_interval_notifier *sub)
{
	spin_lock(&subs->lock);
	if (!subs->active_invalidate_ranges) {
		/* Differs from the present one, and from the next odd one. */
		sub->invalidate_seq = subs->invalidate_seq - 1;
		mn_itree_link(subs, sub);
	} else if (mn_itree_excluded(subs)) {
		sub->invalidate_seq = subs->invalidate_seq;
		hlist_add_head(&sub->deferred_item, &subs->deferred_list);
	} else {
		WRITE_ONCE(subs->invalidate_seq, subs->invalidate_seq | 1);
		sub->invalidate_seq = subs->invalidate_seq;
		mn_itree_link(subs, sub);
	}
	spin_unlock(&subs->lock);
}

/* Everything that can fail without the mm; leaves ->mm NULL for who looks there. */
static int mn_interval_init(struct mmu_interval_notifier *sub,
			    unsigned long start, unsigned long length,
			    const struct mmu_interval_notifier_ops *ops)
{
	sub->mm = NULL;
	sub->ops = ops;
	RB_CLEAR_NODE(&sub->interval_tree.rb);
	INIT_HLIST_NODE(&sub->deferred_item);
	sub->interval_tree.start = start;
	/* The tree wants the last address of the interval, not the one after. */
	if (!length || check_add_overflow(start, length - 1,
					  &sub->interval_tree.last))
		return -EOVERFLOW;
	if (WARN_ON_ONCE(ops->invalidate_start ? !ops->invalidate_finish :
						 !ops->invalidate))
		return -EINVAL;
	return 0;
}

static int mn_interval_insert(struct mmu_interval_notifier *sub,
			      struct mm_struct *mm)
{
	if (WARN_ON_ONCE(atomic_read(&mm->mm_users) <= 0))
		return -EINVAL;

	if (!(sub->ops->flags & MMU_NOTIFIER_NEVER_SLEEPS))
		mn_add_ops(mm->notifier_subscriptions, MN_OP_MAY_DECLINE);
	mn_debug_interval_subscribe(sub);
	/* Dropped by mmu_interval_notifier_remove(). */
	mmgrab(mm);
	/* Before the tree, as callbacks look at it. */
	sub->mm = mm;
	mn_itree_insert(mm->notifier_subscriptions, sub);
	return 0;
}

/**
 * mmu_interval_notifier_insert - subscribe to page table changes of a range
 * @interval_sub: memory for the subscription; need not be initialised
 * @mm: the address space, with a user that stays until this returns
 * @start: first address
 * @length: of the range in bytes
 * @ops: what to call
 *
 * On return, callbacks come for each section that meets the range. If one is
 * running now, mmu_interval_read_begin() waits for it. The first interval of an
 * mm makes its sections count themselves, as mmu_notifier_register() does.
 *
 * To be undone by mmu_interval_notifier_remove(). Holds a reference to the
 * structure of @mm until then.
 *
 * Context: Process context. May take and release mmap_lock for write and wait
 * for sections of this mm, see mmu_notifier_register().
 * Return: 0; -EOVERFLOW if @length is zero or the range wraps; -ENOMEM; -EINVAL
 * with a warning if nobody uses @mm any more or if @ops lacks a callback. Unless
 * 0, interval_sub->mm is NULL.
 */
int mmu_interval_notifier_insert(struct mmu_interval_notifier *interval_sub,
				 struct mm_struct *mm, unsigned long start,
				 unsigned long length,
				 const struct mmu_interval_notifier_ops *ops)
{
	struct mmu_notifier_subscriptions *subs;
	int ret;

	might_lock(&mm->mmap_lock);

	ret = mn_interval_init(interval_sub, start, length, ops);
	if (ret)
		return ret;

	/* Pairs with mn_publish(), by the address dependency. */
	subs = READ_ONCE(mm->notifier_subscriptions);
	/* Pairs with the release in mn_itree_enable(). */
	if (!subs || !smp_load_acquire(&subs->itree_ready)) {
		mmap_write_lock(mm);
		ret = mn_itree_enable(mm);
		mmap_write_unlock(mm);
		if (ret)
			return ret;
	}
	return mn_interval_insert(interval_sub, mm);
}
EXPORT_SYMBOL_GPL(mmu_interval_notifier_insert);

/**
 * mmu_interval_notifier_insert_locked - mmu_interval_notifier_insert() under mmap_lock
 * @interval_sub: memory for the subscription; need not be initialised
 * @mm: the address space, with a user that stays until this returns
 * @start: first address
 * @length: of the range in bytes
 * @ops: what to call
 *
 * Context: Process context under mmap_lock held for write. May wait for sections
 * of this mm, see __mmu_notifier_register().
 * Return: As mmu_interval_notifier_insert().
 */
int mmu_interval_notifier_insert_locked(struct mmu_interval_notifier *interval_sub,
					struct mm_struct *mm,
					unsigned long start,
					unsigned long length,
					const struct mmu_interval_notifier_ops *ops)
{
	int ret;

	mmap_assert_write_locked(mm);

	ret = mn_interval_init(interval_sub, start, length, ops);
	if (!ret)
		ret = mn_itree_enable(mm);
	if (!ret)
		ret = mn_interval_insert(interval_sub, mm);
	return ret;
}
EXPORT_SYMBOL_GPL(mmu_interval_notifier_insert_locked);

/*
 * Take a subscription out, or have it taken out by the end of the section that
 * excludes changes now.
 * Returns false if it was not in. *@seq is what to wait for the end of, or 0.
 */
static bool mn_itree_remove(struct mmu_notifier_subscriptions *subs,
			    struct mmu_interval_notifier *sub,
			    unsigned long *seq)
{
	bool linked = mn_itree_linked(sub);
	bool deferred = !hlist_unhashed(&sub->deferred_item);

	lockdep_assert_held(&subs->lock);
	*seq = 0;
	if (linked == deferred)
		/* Neither, or a removal is on its way already. */
		return false;

	if (deferred) {
		/* The insert has not been done, so nobody calls it. */
		hlist_del_init(&sub->deferred_item);
	} else if (mn_itree_excluded(subs)) {
		hlist_add_head(&sub->deferred_item, &subs->deferred_list);
		*seq = subs->invalidate_seq;
	} else {
		mn_itree_unlink(subs, sub);
	}
	return true;
}

static bool mn_itree_seq_over(struct mmu_notifier_subscriptions *subs,
			      unsigned long seq)
{
	bool over;

	/*
	 * With the lock: the change of the sequence comes before the deferred
	 * removal, and @sub is the caller's after both.
	 */
	spin_lock(&subs->lock);
	over = subs->invalidate_seq != seq;
	spin_unlock(&subs->lock);
	return over;
}

/**
 * mmu_interval_notifier_remove - end an interval subscription and wait
 * @interval_sub: inserted
 *
 * On return no callback of @interval_sub runs or will, its memory may be freed,
 * and the reference to its mm is dropped.
 *
 * Context: Process context, sleeps. Waits for sections of this mm that meet
 * subscriptions: the caller must hold nothing that they take or wait for. Not to
 * be called from a callback.
 */
void mmu_interval_notifier_remove(struct mmu_interval_notifier *interval_sub)
{
	struct mm_struct *mm = interval_sub->mm;
	struct mmu_notifier_subscriptions *subs;
	unsigned long seq;
	bool inserted;

	might_sleep();

	if (WARN_ON_ONCE(!mm))
		return;
	subs = mm->notifier_subscriptions;

	spin_lock(&subs->lock);
	inserted = mn_itree_remove(subs, interval_sub, &seq);
	spin_unlock(&subs->lock);
	if (WARN_ON_ONCE(!inserted))
		return;

	lock_map_acquire(&__mmu_notifier_invalidate_range_start_map);
	lock_map_release(&__mmu_notifier_invalidate_range_start_map);
	mn_sync_sections(subs);
	if (seq)
		wait_event(subs->wq, mn_itree_seq_over(subs, seq));

	/* Taken by mn_interval_insert(). */
	mmdrop(mm);
}
EXPORT_SYMBOL_GPL(mmu_interval_notifier_remove);
