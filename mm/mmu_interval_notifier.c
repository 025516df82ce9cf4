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
 * **Sections.** Each section that the tree counts gets a number of its own from
 * subs->seq, as does each insert, and a *place*, where those who wait find out
 * where it is and what its number is. It gets both under subs->lock, by which it
 * also finds whom it meets; its end gives the place back without the lock.
 * Sections that find all places taken are counted in subs->unplaced: where they
 * are nobody knows.
 *
 * **Readers.** A driver stores the number of each section that it is told of, see
 * mmu_interval_set_seq(). So a reader that finds the number unchanged has met no
 * section that began after its begin. Those that began before and meet its
 * interval, begin has waited for.
 *
 * **Changes.** The tree changes under subs->lock at any time. A section calls
 * whom it meets without that lock. Until it is done with a subscription it counts
 * in sub->calls, which keeps the subscription where it is::
 *
 *	absent:   not in the tree, nobody calls
 *	 |  insert
 *	present:  each section that meets it may pin and call it
 *	 |  remove sets sub->leaving
 *	leaving:  no section pins it any more; those that have may call it
 *	 |  the last of them has gone, remove takes it out
 *	absent
 */

#include <linux/atomic.h>
#include <linux/bitfield.h>
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/export.h>
#include <linux/interval_tree.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/llist.h>
#include <linux/lockdep.h>
#include <linux/mm_types.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/overflow.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "mmu_notifier_internal.h"

void mn_itree_init(struct mmu_notifier_subscriptions *subs)
{
	subs->itree = RB_ROOT_CACHED;
	init_waitqueue_head(&subs->wq);
}

/* Whether the tree is as it should be when the mm goes. */
bool mn_itree_idle(struct mmu_notifier_subscriptions *subs)
{
	return RB_EMPTY_ROOT(&subs->itree.rb_root) && !subs->running &&
	       !atomic_read(&subs->unplaced);
}

/* Sections */

static unsigned int mn_itree_place(const struct mmu_notifier_range *range)
{
	return FIELD_GET(MN_RANGE_PLACE, range->flags);
}

/* Number a section, and say where it is. */
static void mn_itree_enter(struct mmu_notifier_subscriptions *subs,
			   struct mmu_notifier_range *range)
	__must_hold(&subs->lock)
{
	unsigned long taken = READ_ONCE(subs->running);
	unsigned long i = MN_PLACES;

	lockdep_assert_held(&subs->lock);
	subs->seq++;
	if (likely(taken != MN_ALL_PLACES)) {
		i = ffz(taken);
		subs->place[i].start = range->start;
		subs->place[i].last = range->end - 1;
		subs->place[i].seq = subs->seq;
		set_bit(i, &subs->running);
	} else {
		atomic_inc(&subs->unplaced);
	}
	range->flags |= FIELD_PREP(MN_RANGE_PLACE, i);
}

/* Wake who waits for what the caller has just done, by an atomic operation. */
static void mn_itree_wake(struct mmu_notifier_subscriptions *subs)
{
	/*
	 * That was fully ordered, and pairs with the barrier in wait_event():
	 * either it is seen there or the waiter is seen here.
	 */
	if (unlikely(waitqueue_active(&subs->wq)))
		wake_up_all(&subs->wq);
}

/*
 * Close a section for the tree. What it has done to the page tables comes before
 * its place is free: pairs with the acquires in mn_itree_meets().
 */
void mn_itree_end(struct mmu_notifier_subscriptions *subs,
		  const struct mmu_notifier_range *range)
{
	unsigned int i = mn_itree_place(range);

	if (likely(i < MN_PLACES))
		WARN_ON_ONCE(!test_and_clear_bit(i, &subs->running));
	else
		WARN_ON_ONCE(atomic_dec_return(&subs->unplaced) < 0);
	/* The section is still in the domain of the mm, which keeps @subs. */
	mn_itree_wake(subs);
}

/* Whether a section up to number @seq runs that meets @sub. */
static bool mn_itree_meets(struct mmu_notifier_subscriptions *subs,
			   const struct mmu_interval_notifier *sub,
			   unsigned long seq)
	__must_hold(&subs->lock)
{
	unsigned long running;
	unsigned int i;

	lockdep_assert_held(&subs->lock);
	if (unlikely(atomic_read_acquire(&subs->unplaced)))
		return true;
	/* Both pair with mn_itree_end(). */
	running = smp_load_acquire(&subs->running);
	for_each_set_bit(i, &running, MN_PLACES) {
		const struct mn_place *place = &subs->place[i];

		if (place->start <= sub->interval_tree.last &&
		    place->last >= sub->interval_tree.start &&
		    (long)(place->seq - seq) <= 0)
			return true;
	}
	return false;
}

/* Calls */

/*
 * Pin those that the section meets, from @node on; the first @count of @batch are
 * there already. Returns how many are in @batch then.
 */
static unsigned int mn_itree_pin(struct mmu_notifier_subscriptions *subs,
				 const struct mmu_notifier_range *range,
				 struct interval_tree_node *node,
				 struct mmu_interval_notifier **batch,
				 unsigned int count)
	__must_hold(&subs->lock)
{
	lockdep_assert_held(&subs->lock);
	while (node && count < MN_BATCH) {
		struct mmu_interval_notifier *sub = container_of(node,
				struct mmu_interval_notifier, interval_tree);

		if (!sub->leaving) {
			atomic_inc(&sub->calls);
			batch[count++] = sub;
		}
		node = interval_tree_iter_next(node, range->start,
					       range->end - 1);
	}
	return count;
}

/* Nothing keeps @sub after this; pairs with the acquire in remove. */
static void mn_itree_unpin(struct mmu_notifier_subscriptions *subs,
			   struct mmu_interval_notifier *sub)
{
	if (atomic_dec_and_test(&sub->calls))
		mn_itree_wake(subs);
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
		/* For mn_itree_second_pass(). */
		atomic_inc(&sub->calls);
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

static void mn_itree_second_pass(struct mmu_notifier_subscriptions *subs,
				 const struct mmu_notifier_range *range,
				 struct llist_head *second)
{
	struct mmu_interval_notifier_finish *finish, *next;
	struct llist_node *first = llist_reverse_order(__llist_del_all(second));

	/* Safe, as invalidate_finish may free it. */
	llist_for_each_entry_safe(finish, next, first, link) {
		struct mmu_interval_notifier *sub = finish->notifier;

		mn_itree_call_finish(finish, range);
		mn_itree_unpin(subs, sub);
	}
}

/*
 * Both passes for all that the section meets, from @node on. A blockable section
 * goes on when somebody declines: its page tables change all the same.
 * Returns false if one declines a section that may be declined; those behind it
 * are not called. Out of line, so that a section that meets nobody saves no
 * registers.
 */
static noinline bool mn_itree_invalidate(struct mmu_notifier_subscriptions *subs,
					 const struct mmu_notifier_range *range,
					 struct interval_tree_node *node)
	__releases(&subs->lock)
{
	/* Only the first @count are set, and read. */
	struct mmu_interval_notifier *batch[MN_BATCH] __uninitialized;
	unsigned long seq = subs->seq;
	unsigned int i, count = 0;
	bool accepted = true;
	LLIST_HEAD(second);

	for (;;) {
		count = mn_itree_pin(subs, range, node, batch, count);
		spin_unlock(&subs->lock);
		/* The last one of a full batch keeps the place for the next one. */
		for (i = 0; i < count && i < MN_BATCH - 1; i++) {
			if (accepted)
				accepted = mn_itree_call(batch[i], range, seq, &second) ||
					   WARN_ON_ONCE(mmu_notifier_range_blockable(range));
			mn_itree_unpin(subs, batch[i]);
		}
		if (count < MN_BATCH)
			break;
		spin_lock(&subs->lock);
		batch[0] = batch[MN_BATCH - 1];
		node = interval_tree_iter_next(&batch[0]->interval_tree,
					       range->start, range->end - 1);
		count = 1;
	}
	if (!llist_empty(&second))
		mn_itree_second_pass(subs, range, &second);
	return accepted;
}

/*
 * Open a section for the tree, to be closed by mn_itree_end(), also when this
 * returns -EAGAIN.
 */
int mn_itree_start(struct mmu_notifier_subscriptions *subs,
		   struct mmu_notifier_range *range)
{
	struct interval_tree_node *node;

	spin_lock(&subs->lock);
	mn_itree_enter(subs, range);
	node = interval_tree_iter_first(&subs->itree, range->start,
					range->end - 1);
	if (!node) {
		spin_unlock(&subs->lock);
		return 0;
	}
	return mn_itree_invalidate(subs, range, node) ? 0 : -EAGAIN;
}

/* The address space ends: one section over all of it. */
void mn_itree_release(struct mmu_notifier_subscriptions *subs,
		      struct mm_struct *mm)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_RELEASE,
				MMU_NOTIFIER_RANGE_BLOCKABLE, mm, 0, ULONG_MAX);
	mn_itree_start(subs, &range);
	mn_itree_end(subs, &range);
}

static bool mn_itree_clear_of(struct mmu_notifier_subscriptions *subs,
			      const struct mmu_interval_notifier *sub,
			      unsigned long seq)
{
	bool meets;

	spin_lock(&subs->lock);
	meets = mn_itree_meets(subs, sub, seq);
	spin_unlock(&subs->lock);
	return !meets;
}

/**
 * mmu_interval_read_begin - begin to read page tables of a range
 * @interval_sub: the subscription, inserted
 *
 * Waits for the sections that are running and meet the range, so that the reader
 * has a chance, and for no other, unless more than MN_PLACES run at once: where
 * those beyond are nobody knows. It need not succeed: there is no loop, for the
 * sake of callers that bound their time.
 *
 * For sections to come no barrier orders the page tables against the sequence.
 * Invalidation stores its sequence under the driver's lock before the page tables
 * change, and mmu_interval_read_retry() reads it under the same lock: either it
 * sees that, or it comes first and the callback stops the device afterwards. A
 * section that is waited for has stored its sequence already, which retry takes
 * for unchanged. So what it did to the page tables must be seen, also when it is
 * over before anybody sleeps: hence the acquires in mn_itree_meets().
 *
 * Context: Process context, sleeps. The caller must hold nothing that a section
 * of the mm takes or waits for, mmap_lock for read excepted.
 * Return: what mmu_interval_read_retry() wants.
 */
unsigned long mmu_interval_read_begin(struct mmu_interval_notifier *interval_sub)
{
	struct mmu_notifier_subscriptions *subs =
		interval_sub->mm->notifier_subscriptions;
	unsigned long seq, last;
	bool meets;

	/*
	 * Together, so that what is not waited for finds the subscription later
	 * and stores another sequence there.
	 */
	spin_lock(&subs->lock);
	/* Written by mmu_interval_set_seq() under the driver's lock. */
	seq = READ_ONCE(interval_sub->invalidate_seq);
	last = subs->seq;
	meets = mn_itree_meets(subs, interval_sub, last);
	spin_unlock(&subs->lock);

	lock_map_acquire(&__mmu_notifier_invalidate_range_start_map);
	lock_map_release(&__mmu_notifier_invalidate_range_start_map);
	mn_sync_sections(subs);
	if (meets)
		wait_event(subs->wq, mn_itree_clear_of(subs, interval_sub, last));
	return seq;
}
EXPORT_SYMBOL_GPL(mmu_interval_read_begin);

static void mn_itree_insert(struct mmu_notifier_subscriptions *subs,
			    struct mmu_interval_notifier *sub)
{
	spin_lock(&subs->lock);
	/*
	 * Of no section, as one that is on its way through the tree may yet call
	 * this one. If that stored the number a second time, after what another
	 * section has stored, a reader would take the two for none.
	 */
	sub->invalidate_seq = ++subs->seq;
	interval_tree_insert(&sub->interval_tree, &subs->itree);
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
	atomic_set(&sub->calls, 0);
	sub->leaving = false;
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
		mn_set_flags(mm->notifier_subscriptions, MN_OP_MAY_DECLINE);
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

/* The node is cleared, so that a second removal is noticed. */
static void mn_itree_unlink(struct mmu_notifier_subscriptions *subs,
			    struct mmu_interval_notifier *sub)
	__must_hold(&subs->lock)
{
	lockdep_assert_held(&subs->lock);
	interval_tree_remove(&sub->interval_tree, &subs->itree);
	RB_CLEAR_NODE(&sub->interval_tree.rb);
}

/*
 * Take a subscription out, or mark it where a section has pinned it: *@pinned.
 * Returns false if it was not in, or is being removed already.
 */
static bool mn_itree_leave(struct mmu_notifier_subscriptions *subs,
			   struct mmu_interval_notifier *sub, bool *pinned)
	__must_hold(&subs->lock)
{
	lockdep_assert_held(&subs->lock);
	if (RB_EMPTY_NODE(&sub->interval_tree.rb) || sub->leaving)
		return false;
	sub->leaving = true;
	/* Pairs with mn_itree_unpin(). */
	*pinned = atomic_read_acquire(&sub->calls);
	if (!*pinned)
		mn_itree_unlink(subs, sub);
	return true;
}

/**
 * mmu_interval_notifier_remove - end an interval subscription and wait
 * @interval_sub: inserted
 *
 * On return no callback of @interval_sub runs or will, its memory may be freed,
 * and the reference to its mm is dropped.
 *
 * Context: Process context, sleeps. Waits for callbacks of @interval_sub: the
 * caller must hold nothing that a section of the mm takes or waits for. Not to be
 * called from a callback.
 */
void mmu_interval_notifier_remove(struct mmu_interval_notifier *interval_sub)
{
	struct mm_struct *mm = interval_sub->mm;
	struct mmu_notifier_subscriptions *subs;
	bool inserted, pinned = false;

	might_sleep();

	if (WARN_ON_ONCE(!mm))
		return;
	subs = mm->notifier_subscriptions;

	spin_lock(&subs->lock);
	inserted = mn_itree_leave(subs, interval_sub, &pinned);
	spin_unlock(&subs->lock);
	if (WARN_ON_ONCE(!inserted))
		return;

	lock_map_acquire(&__mmu_notifier_invalidate_range_start_map);
	lock_map_release(&__mmu_notifier_invalidate_range_start_map);
	mn_sync_sections(subs);
	if (pinned) {
		/* Pairs with mn_itree_unpin(). */
		wait_event(subs->wq, !atomic_read_acquire(&interval_sub->calls));
		spin_lock(&subs->lock);
		mn_itree_unlink(subs, interval_sub);
		spin_unlock(&subs->lock);
	}

	/* Taken by mn_interval_insert(). */
	mmdrop(mm);
}
EXPORT_SYMBOL_GPL(mmu_interval_notifier_remove);
