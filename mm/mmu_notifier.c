// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is subscribed to the page table changes of an mm, and what they are told.
 */

/**
 * DOC: subscriptions, sections and how the one meets the other
 *
 * A *section* is one invalidation by the core mm: from a start that succeeds to
 * its end, in one task. A *subscriber* is a struct mmu_notifier (one of the
 * hlist) or a struct mmu_interval_notifier (one of the tree, next file).
 *
 * **Sections.** A section is one read-side critical section of the mm's own SRCU
 * domain. What its end has to know, the range carries in its flags: that there
 * was a start, the index of the domain, the list that start walked, and whether
 * the tree counts it. End asks nothing else, so whatever subscribed or left in
 * between, end does for each subscriber what start did.
 *
 * **Two lists.** All subscribers are on hlist[0] and on hlist[1]. A section
 * walks hlist[phase], as it was when the section began, and nobody changes a
 * list that a section can walk. Under subs->switching::
 *
 *	idle:       both lists equal, readers on hlist[phase] only
 *	 |  add to or delete from hlist[!phase]; no reader can be there
 *	changed:    the lists differ
 *	 |  flip phase (store-release, acquired by mn_read_lock())
 *	 |  wait for a grace period: sections that walk the old list are over
 *	drained:    nobody is on the list that lags behind
 *	 |  repeat the change there
 *	idle
 *
 * A newcomer is hence met by exactly the sections that begin after the flip and
 * no other is running when registration returns. One that leaves gets the end of
 * each start that it got, and can be freed after that one grace period.
 *
 * **The first subscriber of an mm.** Sections that began while nobody was
 * subscribed are in no domain. Each holds mmap_lock, the lock of a VMA,
 * i_mmap_rwsem of a mapped file or an anon_vma lock all along. So the structure
 * is published with the subscriber in it, and then registration passes through
 * all of these locks, one at a time: see mn_drain_uncounted(). It happens once in
 * the life of an mm.
 *
 * **The end of a subscription.** Its ->release is owed by whoever makes it leave
 * MN_LIVE, under subs->lock: exit (MN_RELEASED) or unregister (MN_LEAVING). It
 * runs inside a read-side critical section that was entered before that step.
 * So whoever finds the step taken and then waits for a grace period finds
 * ->release over. The last put goes to MN_LEAVING without ->release.
 *
 * Exit leaves the lists empty and subs->dead set; then nothing is to be taken
 * off a list any more, and what remains is to wait and to free.
 */

#include <linux/atomic.h>
#include <linux/bitfield.h>
#include <linux/bug.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/poison.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "internal.h"
#include "mmu_notifier_internal.h"

#ifdef CONFIG_LOCKDEP
struct lockdep_map __mmu_notifier_invalidate_range_start_map = {
	.name = "mmu_notifier_invalidate_range_start"
};
#endif

/* What put leaves to do, of all mms, so that mmu_notifier_synchronize() finds it. */
struct workqueue_struct *mn_wq;

static int __init mn_init(void)
{
	mn_wq = alloc_workqueue("mmu_notifier", WQ_UNBOUND, WQ_MAX_ACTIVE);
	return mn_wq ? 0 : -ENOMEM;
}
core_initcall(mn_init);

/*
 * The address dependency orders what is read through the pointer behind
 * mn_publish(). Once there is a structure it stays as long as the mm.
 */
static struct mmu_notifier_subscriptions *mn_subscriptions(struct mm_struct *mm)
{
	return READ_ONCE(mm->notifier_subscriptions);
}

/*
 * Enter the domain of the mm and learn which list to walk. Who sees a phase sees
 * the list of it, and the ops of everybody there, by the acquire.
 * That the other list is left alone is SRCU's doing::
 *
 *	reader                          mn_hlist_switch()
 *	1. count me in the domain       1. phase = new
 *	   full barrier                    full barrier
 *	2. read phase                   2. wait for all that are counted
 *
 * A reader that reads the old phase is counted, and waited for.
 */
static int mn_read_lock(struct mmu_notifier_subscriptions *subs,
			unsigned int *flags) __acquires(&subs->srcu)
{
	int idx = srcu_read_lock(&subs->srcu);

	/* Pairs with the release in mn_store_flags(). */
	*flags = smp_load_acquire(&subs->flags);
	return idx;
}

/* The subscriber whose link[@phase] is @node. */
static struct mmu_notifier *mn_entry(struct hlist_node *node,
				     unsigned int phase)
{
	return container_of(node - phase, struct mmu_notifier, link[0]);
}

/* Outside of the domain: may be old, or too new, see who asks. */
static bool mn_implements(struct mmu_notifier_subscriptions *subs,
			  unsigned int op)
{
	return READ_ONCE(subs->flags) & op;
}

static void mn_store_flags(struct mmu_notifier_subscriptions *subs,
			   unsigned int flags)
	__must_hold(&subs->lock)
{
	lockdep_assert_held(&subs->lock);
	/*
	 * Pairs with the acquire in mn_read_lock(). A reader learns the phase from
	 * whichever store was the last one, which need not be that of the flip.
	 */
	smp_store_release(&subs->flags, flags);
}

/* Without the lock where nothing changes, for the sake of inserts. */
void mn_set_flags(struct mmu_notifier_subscriptions *subs, unsigned int flags)
{
	if ((READ_ONCE(subs->flags) & flags) == flags)
		return;
	spin_lock(&subs->lock);
	mn_store_flags(subs, subs->flags | flags);
	spin_unlock(&subs->lock);
}

/* Readers that begin now walk the other list. */
void mn_flip(struct mmu_notifier_subscriptions *subs)
	__must_hold(&subs->switching)
{
	lockdep_assert_held(&subs->switching);
	spin_lock(&subs->lock);
	mn_store_flags(subs, subs->flags ^ MN_RANGE_PHASE);
	spin_unlock(&subs->lock);
}

static unsigned int mn_ops_of(const struct mmu_notifier_ops *ops)
{
	return (ops->invalidate_range_start ? MN_RANGE_START : 0) |
	       (ops->invalidate_range_end ? MN_RANGE_END : 0) |
	       (ops->clear_flush_young ? MN_OP_CLEAR_FLUSH_YOUNG : 0) |
	       (ops->clear_young ? MN_OP_CLEAR_YOUNG : 0) |
	       (ops->test_young ? MN_OP_TEST_YOUNG : 0) |
	       (ops->arch_invalidate_secondary_tlbs ? MN_OP_ARCH_INVALIDATE : 0) |
	       (ops->invalidate_range_start &&
		!(ops->flags & MMU_NOTIFIER_NEVER_SLEEPS) ? MN_OP_MAY_DECLINE : 0);
}

/* Sections */

/* The index of a domain is 0 or 1. */
static void mn_section_open(struct mmu_notifier_subscriptions *subs,
			    struct mmu_notifier_range *range)
{
	unsigned int flags;
	int idx = mn_read_lock(subs, &flags);

	range->flags |= (flags & MN_RANGE_TAKEN) |
			FIELD_PREP(MN_RANGE_SRCU_IDX, idx);
	mn_debug_section_open(subs);
	/* The range has it now, which sparse cannot follow. */
	__release(&subs->srcu);
}

static void mn_section_close(struct mmu_notifier_subscriptions *subs,
			     struct mmu_notifier_range *range)
{
	int idx = FIELD_GET(MN_RANGE_SRCU_IDX, range->flags);

	range->flags &= ~MN_RANGE_SECTION;
	mn_debug_section_close(subs);
	/* From the range: see mn_section_open(). */
	__acquire(&subs->srcu);
	srcu_read_unlock(&subs->srcu, idx);
}

static int mn_call_start(struct mmu_notifier *sub,
			 const struct mmu_notifier_range *range)
{
	bool may_sleep = mn_may_sleep(range, sub->ops->flags);
	int ret;

	mn_debug_sleeping_acquire(sub);
	if (!may_sleep)
		mn_nonblock_start();
	ret = sub->ops->invalidate_range_start(sub, range);
	if (!may_sleep)
		mn_nonblock_end();
	mn_debug_sleeping_release(sub);
	return ret;
}

static void mn_call_end(struct mmu_notifier *sub,
			const struct mmu_notifier_range *range)
{
	bool may_sleep = mn_may_sleep(range, sub->ops->flags);

	mn_debug_sleeping_acquire(sub);
	if (!may_sleep)
		mn_nonblock_start();
	sub->ops->invalidate_range_end(sub, range);
	if (!may_sleep)
		mn_nonblock_end();
	mn_debug_sleeping_release(sub);
}

/*
 * Whether a start that returned @err declines the section. Only a non-blockable
 * one may be declined, and only with -EAGAIN. Nobody looks at the result of a
 * blockable start, the page tables change all the same: go on as if it had
 * succeeded, so that its end comes.
 */
static bool mn_declined(struct mmu_notifier *sub,
			const struct mmu_notifier_range *range, int err)
{
	bool blockable = mmu_notifier_range_blockable(range);

	WARN_ONCE(blockable || err != -EAGAIN,
		  "mmu_notifier: %ps returned %d for a %sblockable range\n",
		  sub->ops->invalidate_range_start, err,
		  blockable ? "" : "non-");
	return !blockable;
}

/* End for those before @stop, which all had a start. */
static void mn_hlist_unwind(struct mmu_notifier_subscriptions *subs,
			    const struct mmu_notifier_range *range,
			    struct hlist_node *stop)
{
	unsigned int phase = mn_phase(range->flags);
	struct hlist_node *node;

	for (node = subs->hlist[phase].first; node != stop; node = node->next) {
		struct mmu_notifier *sub = mn_entry(node, phase);

		if (sub->ops->invalidate_range_start &&
		    sub->ops->invalidate_range_end)
			mn_call_end(sub, range);
	}
}

/*
 * For a start that has returned @err: if it declines, undo those before it. Out of
 * line, as its needs would cost mn_hlist_start() two registers.
 */
static noinline int mn_hlist_failed(const struct mmu_notifier_range *range,
				    struct hlist_node *node, int err)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(range->mm);

	if (!mn_declined(mn_entry(node, mn_phase(range->flags)), range, err))
		return 0;
	mn_hlist_unwind(subs, range, node);
	return -EAGAIN;
}

static int mn_hlist_start(struct mmu_notifier_subscriptions *subs,
			  const struct mmu_notifier_range *range)
{
	unsigned int phase = mn_phase(range->flags);
	struct hlist_node *node;
	int err;

	hlist_for_each(node, &subs->hlist[phase]) {
		struct mmu_notifier *sub = mn_entry(node, phase);

		if (!sub->ops->invalidate_range_start)
			continue;
		err = mn_call_start(sub, range);
		if (unlikely(err)) {
			err = mn_hlist_failed(range, node, err);
			if (err)
				return err;
		}
	}
	return 0;
}

static void mn_hlist_end(struct mmu_notifier_subscriptions *subs,
			 const struct mmu_notifier_range *range)
{
	unsigned int phase = mn_phase(range->flags);
	struct hlist_node *node;

	hlist_for_each(node, &subs->hlist[phase]) {
		struct mmu_notifier *sub = mn_entry(node, phase);

		if (sub->ops->invalidate_range_end)
			mn_call_end(sub, range);
	}
}

/*
 * For a start that was declined; whom the hlist told of it knows already. Out of
 * line, so that others need not keep the error in a register.
 */
static noinline int mn_section_undo(struct mmu_notifier_range *range)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(range->mm);

	if (range->flags & MN_RANGE_ITREE)
		mn_itree_end(subs, range);
	mn_section_close(subs, range);
	return -EAGAIN;
}

/**
 * __mmu_notifier_invalidate_range_start - open a section where somebody may listen
 * @range: the section; start and end, mm, event, owner and blockable are set
 *
 * The way in for mmu_notifier_invalidate_range_start() and
 * mmu_notifier_invalidate_range_start_nonblock() once mm_has_notifiers().
 *
 * Context: See there.
 * Return: 0, or -EAGAIN if the range is not blockable and a subscriber declined
 * it. Then all is as it was before the call.
 */
int __mmu_notifier_invalidate_range_start(struct mmu_notifier_range *range)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(range->mm);
	int err = 0;

	if (!mmu_notifier_range_blockable(range) && mn_debug_fail_start())
		return -EAGAIN;

	mn_section_open(subs, range);
	lock_map_acquire(&__mmu_notifier_invalidate_range_start_map);
	/*
	 * A section that is not counted in the tree began before mn_itree_enable()
	 * waits for a grace period, and is waited for.
	 */
	if (range->flags & MN_RANGE_ITREE)
		err = mn_itree_start(subs, range);
	if (!err && range->flags & MN_RANGE_START)
		err = mn_hlist_start(subs, range);
	lock_map_release(&__mmu_notifier_invalidate_range_start_map);
	if (unlikely(err))
		return mn_section_undo(range);
	return 0;
}

/**
 * __mmu_notifier_invalidate_range_end - close a section
 * @range: of a start that succeeded and found subscribers
 *
 * The way in for mmu_notifier_invalidate_range_end().
 *
 * Context: See there.
 */
void __mmu_notifier_invalidate_range_end(struct mmu_notifier_range *range)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(range->mm);

	/* As in mmu_notifier_invalidate_range_start(). */
	if (mmu_notifier_range_blockable(range))
		__might_sleep(__FILE__, __LINE__);

	lock_map_acquire(&__mmu_notifier_invalidate_range_start_map);
	if (range->flags & MN_RANGE_ITREE)
		mn_itree_end(subs, range);
	if (range->flags & MN_RANGE_END)
		mn_hlist_end(subs, range);
	lock_map_release(&__mmu_notifier_invalidate_range_start_map);
	mn_section_close(subs, range);
	mn_debug_inject(range);
}

/* Callbacks under the page table lock */

/**
 * __mm_has_blockable_notifiers - see mm_has_blockable_notifiers()
 * @mm: the address space, where somebody may be subscribed
 *
 * Context: Any.
 * Return: See there.
 */
bool __mm_has_blockable_notifiers(struct mm_struct *mm)
{
	return mn_implements(mn_subscriptions(mm), MN_OP_MAY_DECLINE);
}

static noinline bool mn_hlist_clear_flush_young(struct mm_struct *mm,
						unsigned long start,
						unsigned long end)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(mm);
	unsigned int flags, phase;
	struct hlist_node *node;
	bool young = false;
	int idx;

	idx = mn_read_lock(subs, &flags);
	phase = mn_phase(flags);
	hlist_for_each(node, &subs->hlist[phase]) {
		struct mmu_notifier *sub = mn_entry(node, phase);

		if (!sub->ops->clear_flush_young)
			continue;
		mn_debug_spinning_acquire(sub);
		young |= sub->ops->clear_flush_young(sub, mm, start, end);
		mn_debug_spinning_release(sub);
	}
	srcu_read_unlock(&subs->srcu, idx);
	return young;
}

/**
 * __mmu_notifier_clear_flush_young - see mmu_notifier_clear_flush_young()
 * @mm: the address space
 * @start: first address
 * @end: first address behind the range
 *
 * Context: See there.
 * Return: whether any subscriber has accessed the range.
 */
bool __mmu_notifier_clear_flush_young(struct mm_struct *mm,
				      unsigned long start, unsigned long end)
{
	if (!mn_implements(mn_subscriptions(mm), MN_OP_CLEAR_FLUSH_YOUNG))
		return false;
	return mn_hlist_clear_flush_young(mm, start, end);
}

static noinline bool mn_hlist_clear_young(struct mm_struct *mm,
					  unsigned long start,
					  unsigned long end)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(mm);
	unsigned int flags, phase;
	struct hlist_node *node;
	bool young = false;
	int idx;

	idx = mn_read_lock(subs, &flags);
	phase = mn_phase(flags);
	hlist_for_each(node, &subs->hlist[phase]) {
		struct mmu_notifier *sub = mn_entry(node, phase);

		if (!sub->ops->clear_young)
			continue;
		mn_debug_spinning_acquire(sub);
		young |= sub->ops->clear_young(sub, mm, start, end);
		mn_debug_spinning_release(sub);
	}
	srcu_read_unlock(&subs->srcu, idx);
	return young;
}

/**
 * __mmu_notifier_clear_young - see mmu_notifier_clear_young()
 * @mm: the address space
 * @start: first address
 * @end: first address behind the range
 *
 * Context: See there.
 * Return: whether any subscriber has accessed the range.
 */
bool __mmu_notifier_clear_young(struct mm_struct *mm,
				unsigned long start, unsigned long end)
{
	if (!mn_implements(mn_subscriptions(mm), MN_OP_CLEAR_YOUNG))
		return false;
	return mn_hlist_clear_young(mm, start, end);
}

static noinline bool mn_hlist_test_young(struct mm_struct *mm,
					 unsigned long address)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(mm);
	unsigned int flags, phase;
	struct hlist_node *node;
	bool young = false;
	int idx;

	idx = mn_read_lock(subs, &flags);
	phase = mn_phase(flags);
	hlist_for_each(node, &subs->hlist[phase]) {
		struct mmu_notifier *sub = mn_entry(node, phase);

		if (!sub->ops->test_young)
			continue;
		mn_debug_spinning_acquire(sub);
		young = sub->ops->test_young(sub, mm, address);
		mn_debug_spinning_release(sub);
		if (young)
			break;
	}
	srcu_read_unlock(&subs->srcu, idx);
	return young;
}

/**
 * __mmu_notifier_test_young - see mmu_notifier_test_young()
 * @mm: the address space
 * @address: of the page
 *
 * Context: See there.
 * Return: whether any subscriber has accessed the page. The first one that has
 * ends the search.
 */
bool __mmu_notifier_test_young(struct mm_struct *mm, unsigned long address)
{
	if (!mn_implements(mn_subscriptions(mm), MN_OP_TEST_YOUNG))
		return false;
	return mn_hlist_test_young(mm, address);
}

static noinline void mn_hlist_arch_invalidate(struct mm_struct *mm,
					      unsigned long start,
					      unsigned long end)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(mm);
	unsigned int flags, phase;
	struct hlist_node *node;
	int idx;

	idx = mn_read_lock(subs, &flags);
	phase = mn_phase(flags);
	hlist_for_each(node, &subs->hlist[phase]) {
		struct mmu_notifier *sub = mn_entry(node, phase);

		if (!sub->ops->arch_invalidate_secondary_tlbs)
			continue;
		mn_debug_spinning_acquire(sub);
		sub->ops->arch_invalidate_secondary_tlbs(sub, mm, start, end);
		mn_debug_spinning_release(sub);
	}
	srcu_read_unlock(&subs->srcu, idx);
}

/**
 * __mmu_notifier_arch_invalidate_secondary_tlbs - flush TLBs of devices
 * @mm: the address space
 * @start: first address
 * @end: first address behind the range
 *
 * See mmu_notifier_arch_invalidate_secondary_tlbs().
 *
 * Context: See there.
 */
void __mmu_notifier_arch_invalidate_secondary_tlbs(struct mm_struct *mm,
						   unsigned long start,
						   unsigned long end)
{
	/*
	 * Not every flush is inside a section. Either this sees the op of a
	 * device that registers now, or the device sees the page table entry
	 * that the caller has written: pairs with the full barriers of the
	 * grace period that registration waits for before the device starts.
	 * The first registration of the mm, which has none, passes through the
	 * lock that the caller holds, or this would not have been called.
	 */
	smp_mb();
	if (mn_implements(mn_subscriptions(mm), MN_OP_ARCH_INVALIDATE))
		mn_hlist_arch_invalidate(mm, start, end);
}

/*
 * Wait until all are over that are in the domain now. Expedited, since somebody
 * holds mmap_lock or waits for exit; a domain is idle most of the time.
 */
static void mn_await_readers(struct mmu_notifier_subscriptions *subs)
{
	synchronize_srcu_expedited(&subs->srcu);
}

/* Changes of the lists */

/*
 * Let readers that begin now walk the other list, and wait until nobody walks
 * the one from before.
 */
static void mn_hlist_switch(struct mmu_notifier_subscriptions *subs)
{
	mn_flip(subs);
	mn_await_readers(subs);
}

/* The list that nobody walks */
static unsigned int mn_idle(struct mmu_notifier_subscriptions *subs)
	__must_hold(&subs->switching)
{
	lockdep_assert_held(&subs->switching);
	return !mn_phase(READ_ONCE(subs->flags));
}

static void mn_hlist_add_idle(struct mmu_notifier_subscriptions *subs,
			      struct mmu_notifier *sub)
{
	unsigned int idle = mn_idle(subs);

	hlist_add_head(&sub->link[idle], &subs->hlist[idle]);
}

/* On return all sections that began before the call without @sub are over. */
static void mn_hlist_add(struct mmu_notifier_subscriptions *subs,
			 struct mmu_notifier *sub)
{
	mutex_lock(&subs->switching);
	/* Before the flip, so that whoever walks @sub finds its ops in here. */
	mn_set_flags(subs, mn_ops_of(sub->ops));
	mn_hlist_add_idle(subs, sub);
	mn_hlist_switch(subs);
	mn_hlist_add_idle(subs, sub);
	mutex_unlock(&subs->switching);
}

static void mn_hlist_del_idle(struct mmu_notifier_subscriptions *subs,
			      struct hlist_head *leaving)
{
	unsigned int idle = mn_idle(subs);
	struct mmu_notifier *sub;

	hlist_for_each_entry(sub, leaving, leave)
		hlist_del(&sub->link[idle]);
}

/*
 * Forget what only those implemented who are gone. Nobody walks a list with them
 * any more, and nobody comes meanwhile.
 */
static void mn_hlist_forget_ops(struct mmu_notifier_subscriptions *subs)
{
	unsigned int idle = mn_idle(subs), flags = 0;
	struct hlist_node *node;

	hlist_for_each(node, &subs->hlist[idle])
		flags |= mn_ops_of(mn_entry(node, idle)->ops);
	spin_lock(&subs->lock);
	mn_store_flags(subs, flags | (subs->flags & ~MN_OPS_OF_HLIST));
	spin_unlock(&subs->lock);
}

/* On return no callback of those on @leaving runs or will. */
static void mn_hlist_remove(struct mmu_notifier_subscriptions *subs,
			    struct hlist_head *leaving)
{
	mutex_lock(&subs->switching);
	if (subs->dead) {
		/* Off the list, but exit did not wait for those on their way. */
		mn_await_readers(subs);
	} else {
		mn_hlist_del_idle(subs, leaving);
		mn_hlist_switch(subs);
		mn_hlist_del_idle(subs, leaving);
		mn_hlist_forget_ops(subs);
	}
	mutex_unlock(&subs->switching);
}

/* Registration */

static void mn_subscription_init(struct mmu_notifier *sub, struct mm_struct *mm)
{
	/* Dropped by mmu_notifier_unregister() or mn_put_work(). */
	mmgrab(mm);
	sub->mm = mm;
	sub->users = 1;
	sub->state = MN_LIVE;
	INIT_HLIST_NODE(&sub->leave);
	mn_debug_subscribe(sub);
}

static void mn_put_work(struct work_struct *work);
static void mn_destroy_work(struct work_struct *work);

static struct mmu_notifier_subscriptions *mn_subscriptions_alloc(void)
{
	struct mmu_notifier_subscriptions *subs;

	if (!mn_wq)
		return NULL;
	subs = kzalloc(sizeof(*subs), GFP_KERNEL);
	if (!subs)
		return NULL;
	if (init_srcu_struct(&subs->srcu)) {
		kfree(subs);
		return NULL;
	}
	subs->flags = MMU_NOTIFIER_RANGE_STARTED;
	spin_lock_init(&subs->lock);
	mutex_init(&subs->switching);
	INIT_WORK(&subs->put_work, mn_put_work);
	INIT_WORK(&subs->destroy_work, mn_destroy_work);
	mn_itree_init(subs);
	return subs;
}

static void mn_pass_mapping(struct address_space *mapping)
{
	i_mmap_lock_write(mapping);
	i_mmap_unlock_write(mapping);
}

static void mn_pass_anon_vma(struct anon_vma *anon_vma)
{
	anon_vma_lock_write(anon_vma);
	anon_vma_unlock_write(anon_vma);
}

/*
 * Wait until all sections are over that began before mn_publish(). They are in
 * no domain, but each holds a lock of the mm from before its start to after its
 * end: mmap_lock, which the caller has; or the lock of a VMA, i_mmap_rwsem of a
 * file or an anon_vma lock, through which this passes. A section that takes its
 * lock after that sees the publication, as the unlock here comes in between.
 *
 * The VMAs stay marked until mmap_lock is dropped, and the mark comes first: a
 * fault under the lock of the VMA may give it an anon_vma. The others are held
 * for no longer than it takes, one at a time and in no order. Neighbours often
 * share them, as the segments of a library or the VMAs of a process after fork.
 *
 * A VMA may belong to another mm: a driver that registers from ->open at fork
 * finds those that the child has not got its own copy of yet. They are passed
 * too, in vain, as the parent's mmap_lock is held for write as well.
 */
static void mn_drain_uncounted(struct mm_struct *mm)
{
	struct address_space *mapping = NULL;
	struct anon_vma *root = NULL;
	struct anon_vma_chain *avc;
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	unsigned int nr = 0;

	mmap_assert_write_locked(mm);

	vma_iter_init(&vmi, mm, 0);
	for_each_vma(vmi, vma) {
		vma_start_write(vma);
		if (vma->vm_file && vma->vm_file->f_mapping &&
		    vma->vm_file->f_mapping != mapping) {
			mapping = vma->vm_file->f_mapping;
			mn_pass_mapping(mapping);
		}
		list_for_each_entry(avc, &vma->anon_vma_chain, same_vma) {
			if (avc->anon_vma->root == root)
				continue;
			root = avc->anon_vma->root;
			mn_pass_anon_vma(root);
		}
		if (++nr % 64 == 0)
			cond_resched();
	}
}

/*
 * From the store on sections count themselves and deliver to whom @subs holds;
 * on return no other is left. There is no way back: it cannot fail.
 */
static void mn_publish(struct mm_struct *mm,
		       struct mmu_notifier_subscriptions *subs)
{
	/* Pairs with the address dependency in mn_subscriptions(). */
	smp_store_release(&mm->notifier_subscriptions, subs);
	mn_sync_sections(subs);
	mn_drain_uncounted(mm);
}

static bool mn_ops_valid(const struct mmu_notifier_ops *ops)
{
	return !ops->arch_invalidate_secondary_tlbs ||
	       (!ops->invalidate_range_start && !ops->invalidate_range_end);
}

/**
 * __mmu_notifier_register - subscribe to an mm under mmap_lock
 * @subscription: with ops set; everything else is set here
 * @mm: the address space, with a user that stays until this returns
 *
 * mmu_notifier_register() for callers that hold mmap_lock.
 *
 * Context: Process context under mmap_lock held for write; waits for sections
 * of this mm and no other. The caller must not be in a section, and must hold
 * nothing that a callback of this mm takes or waits for.
 * Return: As mmu_notifier_register().
 */
int __mmu_notifier_register(struct mmu_notifier *subscription,
			    struct mm_struct *mm)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(mm);

	mmap_assert_write_locked(mm);
	if (WARN_ON_ONCE(atomic_read(&mm->mm_users) <= 0) ||
	    WARN_ON_ONCE(!mn_ops_valid(subscription->ops)))
		return -EINVAL;

	if (subs) {
		mn_subscription_init(subscription, mm);
		mn_hlist_add(subs, subscription);
		return 0;
	}

	subs = mn_subscriptions_alloc();
	if (!subs)
		return -ENOMEM;
	mn_subscription_init(subscription, mm);
	subs->flags |= mn_ops_of(subscription->ops);
	hlist_add_head(&subscription->link[0], &subs->hlist[0]);
	hlist_add_head(&subscription->link[1], &subs->hlist[1]);
	mn_publish(mm, subs);
	return 0;
}
EXPORT_SYMBOL_GPL(__mmu_notifier_register);

/**
 * mmu_notifier_register - subscribe to all page table changes of an mm
 * @subscription: with ops set; everything else is set here
 * @mm: the address space, with a user that stays until this returns
 *	(current->mm, or mmget())
 *
 * On return, no section is running that @subscription was not told of, and it
 * is told of all that begin. Callbacks can come before the return. The first
 * registration on an mm takes time in proportion to its VMAs, later ones do not.
 *
 * To be undone by mmu_notifier_unregister(), or by mmu_notifier_put() if the
 * ops have free_notifier. Holds a reference to the structure of @mm until then,
 * so that subscription->mm is valid and mmget_not_zero() on it is allowed.
 *
 * Context: Process context. Takes and releases mmap_lock for write, and waits
 * for sections of this mm and no other: the caller must not be in one, and must
 * hold nothing that a callback of this mm takes or waits for.
 * Return: 0; -ENOMEM; or -EINVAL with a warning if nobody uses @mm any more or
 * if the ops have arch_invalidate_secondary_tlbs beside start or end. Signals
 * don't matter.
 */
int mmu_notifier_register(struct mmu_notifier *subscription,
			  struct mm_struct *mm)
{
	int err;

	mmap_write_lock(mm);
	err = __mmu_notifier_register(subscription, mm);
	mmap_write_unlock(mm);
	return err;
}
EXPORT_SYMBOL_GPL(mmu_notifier_register);

/*
 * Make sections count themselves in the tree of the mm, and wait for those that
 * don't. Racing callers queue up on mmap_lock and find it done.
 *
 * Two marks, as an insert that trusts the first one while sections drain::
 *
 *	section              first inserter       second inserter
 *	1. starts, uncounted
 *	                     2. MN_RANGE_ITREE
 *	                     3. waits for 1.
 *	                                          4. sees that, inserts
 *	                                          5. read_begin: nothing active
 *	6. changes the page tables
 *	                                          7. read_retry: false
 *
 * would let a device use what was read between 5 and 6.
 */
int mn_itree_enable(struct mm_struct *mm)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(mm);

	mmap_assert_write_locked(mm);
	if (WARN_ON_ONCE(atomic_read(&mm->mm_users) <= 0))
		return -EINVAL;

	if (!subs) {
		subs = mn_subscriptions_alloc();
		if (!subs)
			return -ENOMEM;
		subs->flags |= MN_RANGE_ITREE;
		mn_publish(mm, subs);
	} else if (!subs->itree_ready) {
		mn_set_flags(subs, MN_RANGE_ITREE);
		/* Those that have not seen it began before. */
		mn_await_readers(subs);
	}
	/* Pairs with the acquire in mmu_interval_notifier_insert(). */
	smp_store_release(&subs->itree_ready, true);
	return 0;
}

/*
 * The subscription to @ops with one user more, NULL if there is none, or an
 * ERR_PTR. The caller's mmap_lock keeps others from adding one meanwhile.
 */
static struct mmu_notifier *mn_hlist_find_get(struct mmu_notifier_subscriptions *subs,
					      const struct mmu_notifier_ops *ops)
{
	struct mmu_notifier *sub, *found = NULL;
	unsigned int flags, phase;
	struct hlist_node *node;
	int idx;

	idx = mn_read_lock(subs, &flags);
	phase = mn_phase(flags);
	spin_lock(&subs->lock);
	hlist_for_each(node, &subs->hlist[phase]) {
		sub = mn_entry(node, phase);
		if (sub->ops != ops || sub->state != MN_LIVE)
			continue;
		found = ERR_PTR(-EOVERFLOW);
		if (sub->users != UINT_MAX) {
			sub->users++;
			found = sub;
		}
		break;
	}
	spin_unlock(&subs->lock);
	srcu_read_unlock(&subs->srcu, idx);
	return found;
}

/**
 * mmu_notifier_get_locked - the subscription of an mm to ops, a new one if need be
 * @ops: the callbacks, alloc_notifier and free_notifier among them
 * @mm: the address space, with a user that stays until this returns
 *
 * There is one subscription per @mm and @ops, with a count of its users. Each
 * success is to be undone by mmu_notifier_put().
 *
 * Context: Process context under mmap_lock held for write. A new subscription
 * is registered: see __mmu_notifier_register().
 * Return: the subscription, or an ERR_PTR(): that of alloc_notifier, -EOVERFLOW
 * with UINT_MAX users, or that of __mmu_notifier_register().
 */
struct mmu_notifier *mmu_notifier_get_locked(const struct mmu_notifier_ops *ops,
					     struct mm_struct *mm)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(mm);
	struct mmu_notifier *sub;
	int ret;

	mmap_assert_write_locked(mm);

	if (subs) {
		sub = mn_hlist_find_get(subs, ops);
		if (sub)
			return sub;
	}

	sub = ops->alloc_notifier(mm);
	if (IS_ERR_OR_NULL(sub))
		return sub ?: ERR_PTR(-ENOMEM);
	sub->ops = ops;
	ret = __mmu_notifier_register(sub, mm);
	if (ret) {
		ops->free_notifier(sub);
		return ERR_PTR(ret);
	}
	return sub;
}
EXPORT_SYMBOL_GPL(mmu_notifier_get_locked);

/* The end of a subscription */

/*
 * Bring the end of a subscription nearer; it never moves back. Whoever finds
 * MN_LIVE as the state before owes it its ->release, unless this is a put, and
 * has to be in the domain already.
 * Returns the state before.
 */
static enum mn_state mn_advance(struct mmu_notifier_subscriptions *subs,
				struct mmu_notifier *sub, enum mn_state next)
{
	enum mn_state prev;

	spin_lock(&subs->lock);
	prev = sub->state;
	if (prev != MN_UNUSED && prev < next)
		sub->state = next;
	spin_unlock(&subs->lock);
	return prev;
}

/*
 * A ->release that exit calls may unregister. The grace period that takes would
 * wait for the read side that exit is in, so leave it for the time being. Exit
 * then no longer knows where it is on the list, and starts again. Whoever
 * unregisters the one whose ->release this is finds its grace period too short::
 *
 *	exit                            another task
 *	1. X->release()
 *	2.  unregister(Y): leaves
 *	                                3. unregister(X): grace period is over
 *	                                4. frees X
 *	5.  goes on with X
 *
 * so that it also waits for subs->exit_sub to be another one.
 */
static bool mn_exit_pause(struct mmu_notifier_subscriptions *subs)
{
	/* Only equal to current if current has set it. */
	if (READ_ONCE(subs->exit_task) != current)
		return false;
	mn_debug_release_release();
	srcu_read_unlock(&subs->srcu, subs->exit_idx);
	/* mn_exit_resume() takes it back, which sparse cannot follow. */
	__acquire(&subs->srcu);
	return true;
}

static void mn_exit_resume(struct mmu_notifier_subscriptions *subs)
{
	/* From mn_exit_pause(). */
	__release(&subs->srcu);
	subs->exit_idx = srcu_read_lock(&subs->srcu);
	subs->exit_restart = true;
	mn_debug_release_acquire();
}

static void mn_call_release(struct mmu_notifier *sub, struct mm_struct *mm)
{
	/* Not the map of the ops, which may be gone with @sub on return. */
	mn_debug_release_acquire();
	sub->ops->release(sub, mm);
	mn_debug_release_release();
}

/* What ->release has done is seen by who waits in mn_await_exit_release(). */
static void mn_set_exit_sub(struct mmu_notifier_subscriptions *subs,
			    struct mmu_notifier *sub)
{
	/* Pairs with the acquire in mn_await_exit_release(). */
	smp_store_release(&subs->exit_sub, sub);
}

/* For who frees @sub, after a grace period, if exit may have its ->release. */
static void mn_await_exit_release(struct mmu_notifier_subscriptions *subs,
				  struct mmu_notifier *sub)
{
	/* Pairs with the release in mn_set_exit_sub(). */
	wait_event(subs->wq, smp_load_acquire(&subs->exit_sub) != sub);
}

/* ->release for all that nobody else has claimed. */
static void mn_hlist_call_release(struct mmu_notifier_subscriptions *subs,
				  struct mm_struct *mm)
{
	struct hlist_node *node;
	unsigned int phase;

	subs->exit_idx = srcu_read_lock(&subs->srcu);
	WRITE_ONCE(subs->exit_task, current);
restart:
	subs->exit_restart = false;
	/* As in mn_read_lock(). */
	phase = mn_phase(smp_load_acquire(&subs->flags));
	hlist_for_each(node, &subs->hlist[phase]) {
		struct mmu_notifier *sub = mn_entry(node, phase);

		/* Before the step, for those who find it taken. */
		mn_set_exit_sub(subs, sub);
		if (mn_advance(subs, sub, MN_RELEASED) != MN_LIVE)
			continue;
		if (sub->ops->release)
			mn_call_release(sub, mm);
		if (subs->exit_restart) {
			mn_set_exit_sub(subs, NULL);
			wake_up_all(&subs->wq);
			goto restart;
		}
	}
	mn_set_exit_sub(subs, NULL);
	WRITE_ONCE(subs->exit_task, NULL);
	srcu_read_unlock(&subs->srcu, subs->exit_idx);
}

/*
 * The lists stay as they are until each ->release is over, so that reclaim and
 * truncation, which do not wait for exit, go on telling those who are not yet
 * through. The grace period also ends callbacks that touch pages which exit is
 * about to free. Whoever begins after that finds nothing left to invalidate, so
 * that nobody has to wait for the second flip.
 */
static void mn_hlist_release(struct mmu_notifier_subscriptions *subs,
			     struct mm_struct *mm)
{
	mn_hlist_call_release(subs, mm);

	mutex_lock(&subs->switching);
	if (!hlist_empty(&subs->hlist[!mn_idle(subs)])) {
		mn_await_readers(subs);
		INIT_HLIST_HEAD(&subs->hlist[mn_idle(subs)]);
		mn_flip(subs);
	}
	subs->dead = true;
	mutex_unlock(&subs->switching);
}

/**
 * __mmu_notifier_release - tell all subscribers that the mm ends
 * @mm: the address space, of which the last user is gone
 *
 * Nobody can register any more. On return every ->release is over, whoever
 * called it, as is every callback that could meet the pages of @mm.
 *
 * Context: Process context, may sleep. Holds no lock of the mm.
 */
void __mmu_notifier_release(struct mm_struct *mm)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(mm);

	if (mn_implements(subs, MN_RANGE_ITREE)) {
		mn_debug_release_acquire();
		mn_itree_release(subs, mm);
		mn_debug_release_release();
	}
	mn_hlist_release(subs, mm);
}

/**
 * mmu_notifier_unregister - end a subscription and wait
 * @subscription: from mmu_notifier_register()
 * @mm: the address space it is subscribed to
 *
 * Calls ->release, unless exit has. On return ->release is over, no callback of
 * @subscription runs or will, it got an end for each start, its memory may be
 * freed, and the reference to @mm is dropped.
 *
 * Context: Process context. Waits for sections of this mm and no other: the
 * caller must hold nothing that a callback takes or waits for. mmap_lock may be
 * held. May be called from a ->release that exit calls, for the subscription
 * itself or another one of the same mm, and from no other callback.
 */
void mmu_notifier_unregister(struct mmu_notifier *subscription,
			     struct mm_struct *mm)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(mm);
	enum mn_state prev;
	HLIST_HEAD(leaving);
	bool in_exit;
	int idx;

	if (WARN_ON_ONCE(!subs || subscription->mm != mm))
		return;

	in_exit = mn_exit_pause(subs);
	/*
	 * Before the step: exit, when it finds it taken, waits for those that
	 * are in the domain, and must not miss a ->release about to begin.
	 */
	idx = srcu_read_lock(&subs->srcu);
	prev = mn_advance(subs, subscription, MN_LEAVING);
	if (prev == MN_LIVE && subscription->ops->release)
		mn_call_release(subscription, mm);
	srcu_read_unlock(&subs->srcu, idx);

	if (!WARN_ON_ONCE(prev != MN_LIVE && prev != MN_RELEASED)) {
		hlist_add_head(&subscription->leave, &leaving);
		mn_hlist_remove(subs, &leaving);
		if (prev == MN_RELEASED && !in_exit)
			mn_await_exit_release(subs, subscription);
		/* Taken by mn_subscription_init(). Exit, if it calls, has its own. */
		mmdrop(mm);
	}
	if (in_exit)
		mn_exit_resume(subs);
}
EXPORT_SYMBOL_GPL(mmu_notifier_unregister);

static void mn_put_work(struct work_struct *work)
{
	struct mmu_notifier_subscriptions *subs =
		container_of(work, struct mmu_notifier_subscriptions, put_work);
	struct hlist_node *next;
	struct mmu_notifier *sub;
	HLIST_HEAD(leaving);

	spin_lock(&subs->lock);
	hlist_move_list(&subs->leaving, &leaving);
	spin_unlock(&subs->lock);
	if (hlist_empty(&leaving))
		return;

	mn_hlist_remove(subs, &leaving);
	hlist_for_each_entry_safe(sub, next, &leaving, leave) {
		struct mm_struct *mm = sub->mm;

		/* The put may have come from a ->release that goes on. */
		mn_await_exit_release(subs, sub);
		sub->ops->free_notifier(sub);
		/* Taken by mn_subscription_init(). @subs may go with the last. */
		mmdrop(mm);
	}
}

/**
 * mmu_notifier_put - drop one user of a subscription
 * @subscription: from mmu_notifier_get() or mmu_notifier_get_locked()
 *
 * The last put ends the subscription: a get after it makes a new one, ->release
 * is not called any more unless exit has already set out to, and when no callback
 * runs, free_notifier is called. Until then callbacks may come. Whoever calls this
 * for the last time has torn down what the secondary MMU maps, and sees to it that
 * it maps nothing more.
 *
 * A module that uses this calls mmu_notifier_synchronize() before it goes.
 *
 * Context: Any that may take a spinlock, but neither interrupts nor softirqs.
 * May be called from ->release.
 */
void mmu_notifier_put(struct mmu_notifier *subscription)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(subscription->mm);

	spin_lock(&subs->lock);
	if (!WARN_ON_ONCE(!subscription->users) && !--subscription->users) {
		subscription->state = MN_LEAVING;
		hlist_add_head(&subscription->leave, &subs->leaving);
		/*
		 * Under the lock: once the entry can be seen, a work item that
		 * already runs may free it, and the mm with it.
		 */
		queue_work(mn_wq, &subs->put_work);
	}
	spin_unlock(&subs->lock);
}
EXPORT_SYMBOL_GPL(mmu_notifier_put);

/**
 * mmu_notifier_synchronize - wait until all that was put is freed
 *
 * On return free_notifier has returned for each subscription whose last put
 * came before the call, in whichever mm. For the exit of modules that use
 * mmu_notifier_put(), after their last put.
 *
 * Context: Process context. Waits for sections of the mms on which a put is
 * still pending, and for all free_notifier that are.
 */
void mmu_notifier_synchronize(void)
{
	flush_workqueue(mn_wq);
}
EXPORT_SYMBOL_GPL(mmu_notifier_synchronize);

static void mn_destroy_work(struct work_struct *work)
{
	struct mmu_notifier_subscriptions *subs =
		container_of(work, struct mmu_notifier_subscriptions, destroy_work);

	/* It may have dropped the last reference to the mm, or be queued in vain. */
	flush_work(&subs->put_work);
	cleanup_srcu_struct(&subs->srcu);
	kfree(subs);
}

/**
 * __mmu_notifier_subscriptions_destroy - free what mm_has_notifiers() says is there
 * @mm: the address space, of which the last reference is gone
 *
 * Leaves the work to mn_destroy_work(), as freeing the domain sleeps and waits
 * for the work item that the last reference may have been dropped by. When a
 * subscription is left, somebody dropped a reference too many: then the memory
 * is given up rather than freed under it.
 *
 * Context: Any.
 */
void __mmu_notifier_subscriptions_destroy(struct mm_struct *mm)
{
	struct mmu_notifier_subscriptions *subs = mn_subscriptions(mm);

	mm->notifier_subscriptions = LIST_POISON1;
	if (!WARN_ON_ONCE(!mn_debug_all_closed(subs)) &&
	    !WARN_ON_ONCE(!hlist_empty(&subs->hlist[mn_phase(subs->flags)])) &&
	    !WARN_ON_ONCE(!mn_itree_idle(subs)))
		queue_work(mn_wq, &subs->destroy_work);
}
