// SPDX-License-Identifier: GPL-2.0-only
/*
 * What debug kernels do to callers and subscribers.
 */

/*
 * DOC: paths that are seldom taken
 *
 * The suite mmu_notifier_lockdep tests the splats of broken rules. This one
 * tests what debug kernels do that callbacks see.
 */

#include <kunit/test.h>
#include <linux/array_size.h>
#include <linux/debug_locks.h>
#include <linux/fault-inject.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "../mmu_notifier_internal.h"
#include "mmu_notifier_kunit.h"

/*
 * A section through rmap may find no VMA in the tree, as munmap removes it
 * first. A report would be in the kernel log.
 */
static void section_need_not_find_a_vma(struct kunit *test)
{
	static const enum mn_cover covers[] = {
		MN_I_MMAP_READ, MN_I_MMAP_WRITE, MN_ANON_VMA_READ,
		MN_ANON_VMA_WRITE,
	};
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mmu_notifier_range range;
	int i;

	for (i = 0; i < ARRAY_SIZE(covers); i++) {
		if (!mn_cover(m, covers[i]))
			continue;
		mn_start(&range, m, 4 * MN_MAP_PAGES + i);
		mn_end(&range);
		mn_uncover(m, covers[i]);
	}
	KUNIT_EXPECT_STREQ(test, mn_heard(test),
			   "a+64 a-64 a+65 a-65 a+66 a-66 a+67 a-67");
	mn_unregister(a);
}

#ifdef CONFIG_DEBUG_MMU_NOTIFIER
/*
 * An injected section runs in a work item and holds a reference to the mm until
 * it is over.
 */
static void await_made_up(struct kunit *test, struct mn_mm *m, int refs)
{
	unsigned long deadline = jiffies + MN_TIMEOUT;

	while (mn_mm_refs(m) != refs && time_before(jiffies, deadline))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), refs);
}

static void no_section_is_made_up_by_default(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	int refs = mn_mm_refs(m);

	mn_whole_section(m, 1);
	await_made_up(test, m, refs);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1");
	mn_unregister(a);
}

/*
 * One blockable and one non-blockable section; injected ones are not followed
 * by others.
 */
static void made_up_sections_follow_a_real_one(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	int refs = mn_mm_refs(m);

	WRITE_ONCE(mn_inject_every, 1);
	mn_whole_section(m, 1);
	await_made_up(test, m, refs);
	WRITE_ONCE(mn_inject_every, 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test),
			   "x+1 a+1 a-1 x+1 a+1 a-1 x+1 a+1 a-1");
	mn_remove(x);
	mn_unregister(a);
}

static void every_second_section_is_repeated(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	int refs = mn_mm_refs(m);
	int i;

	WRITE_ONCE(mn_inject_every, 2);
	for (i = 0; i < 4; i++)
		mn_whole_section(m, 1);
	WRITE_ONCE(mn_inject_every, 0);
	await_made_up(test, m, refs);
	/* Each of two sections is followed by two. */
	KUNIT_EXPECT_EQ(test, atomic_read(&a->starts), 4 + 2 * 2);
	mn_heard(test);
	mn_unregister(a);
}

static void made_up_section_may_be_declined(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	int refs = mn_mm_refs(m);

	a->error = -EAGAIN;
	WRITE_ONCE(mn_inject_every, 1);
	mn_whole_section(m, 1);
	WRITE_ONCE(mn_inject_every, 0);
	await_made_up(test, m, refs);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1 a+1 a-1 a!1");
	mn_unregister(a);
}

static void made_up_sections_clear_the_same_range(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	int refs = mn_mm_refs(m);
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_UNMAP, 0, m->mm,
				mn_address(2), mn_address(3));
	WRITE_ONCE(mn_inject_every, 1);
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(&range);
	mmu_notifier_invalidate_range_end(&range);
	mmap_read_unlock(m->mm);
	WRITE_ONCE(mn_inject_every, 0);
	await_made_up(test, m, refs);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->starts), 3);
	KUNIT_EXPECT_EQ(test, a->seen_start.event, MMU_NOTIFY_CLEAR);
	KUNIT_EXPECT_EQ(test, a->seen_start.start, mn_address(2));
	KUNIT_EXPECT_EQ(test, a->seen_start.end, mn_address(3));
	mn_heard(test);
	mn_unregister(a);
}

static void no_section_is_made_up_after_exit(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	/* Without that of the users */
	int refs = mn_mm_refs(m) - 1;

	WRITE_ONCE(mn_inject_every, 1);
	mn_exit(m);
	WRITE_ONCE(mn_inject_every, 0);
	await_made_up(test, m, refs);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR");
	mn_unregister(a);
}

/* The last user of the mm has gone before the work item runs. */
static void section_of_an_mm_without_users_is_not_repeated(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mmu_notifier_range range;
	int refs;

	mn_exit(m);
	refs = mn_mm_refs(m);
	mn_range(&range, m, 1, 1);
	WRITE_ONCE(mn_inject_every, 1);
	mn_debug_inject(&range);
	WRITE_ONCE(mn_inject_every, 0);
	await_made_up(test, m, refs);
	KUNIT_EXPECT_EQ(test, atomic_read(&m->mm->mm_users), 0);
	mn_heard(test);
	mn_unregister(a);
}
#endif

#if defined(CONFIG_DEBUG_MMU_NOTIFIER) && defined(CONFIG_LOCKDEP)
/* A report of lockdep names the driver by the class of its ops. */

/* The keys of the classes called @name that are held in callbacks */
static struct {
	const char *name;
	const struct lock_class_key *in_start;
	const struct lock_class_key *in_young;
	const struct lock_class_key *in_invalidate;
} ops_class;

static const struct lock_class_key *held_key(const char *name)
{
	int i;

	for (i = 0; i < current->lockdep_depth; i++)
		if (!strcmp(current->held_locks[i].instance->name, name))
			return current->held_locks[i].instance->key;
	return NULL;
}

static int keep_start_key(struct mmu_notifier *mn,
			  const struct mmu_notifier_range *range)
{
	ops_class.in_start = held_key(ops_class.name);
	return 0;
}

static bool keep_young_key(struct mmu_notifier *mn, struct mm_struct *mm,
			   unsigned long address)
{
	ops_class.in_young = held_key(ops_class.name);
	return false;
}

static bool keep_invalidate_key(struct mmu_interval_notifier *mni,
				const struct mmu_notifier_range *range,
				unsigned long seq)
{
	mmu_interval_set_seq(mni, seq);
	ops_class.in_invalidate = held_key(ops_class.name);
	return true;
}

static const struct mmu_notifier_ops const_ops = {
	.invalidate_range_start = keep_start_key,
	.test_young = keep_young_key,
};

/* Written to, so that it is not constant */
static struct mmu_notifier_ops variable_ops;

static const struct mmu_interval_notifier_ops interval_ops = {
	.invalidate = keep_invalidate_key,
};

static void call_with_ops(struct kunit *test, const char *name,
			  const struct mmu_notifier_ops *ops)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', ops);

	memset(&ops_class, 0, sizeof(ops_class));
	ops_class.name = name;
	mn_whole_section(m, 1);
	mmu_notifier_test_young(m->mm, mn_address(1));
	KUNIT_EXPECT_NOT_NULL(test, ops_class.in_start);
	KUNIT_EXPECT_NOT_NULL(test, ops_class.in_young);
	/* A callback that may sleep takes other locks than one that may not. */
	KUNIT_EXPECT_PTR_NE(test, ops_class.in_start, ops_class.in_young);
	mn_unregister(a);
}

static void callbacks_have_the_class_of_their_ops(struct kunit *test)
{
	struct mmu_notifier_ops *heap_ops = mn_alloc(test, sizeof(*heap_ops));

	if (!debug_locks)
		kunit_skip(test, "lockdep has turned itself off");
	variable_ops = const_ops;
	*heap_ops = const_ops;
	call_with_ops(test, "const_ops", &const_ops);
	call_with_ops(test, "variable_ops", &variable_ops);
	call_with_ops(test, "mmu_notifier_ops", heap_ops);
}

static void interval_callbacks_have_the_class_of_their_ops(struct kunit *test)
{
	struct mmu_interval_notifier mni;
	struct mn_mm *m = mn_mm(test);

	if (!debug_locks)
		kunit_skip(test, "lockdep has turned itself off");
	memset(&ops_class, 0, sizeof(ops_class));
	ops_class.name = "interval_ops";
	KUNIT_ASSERT_EQ(test, 0,
			mmu_interval_notifier_insert(&mni, m->mm, mn_address(1),
						     PAGE_SIZE, &interval_ops));
	mn_whole_section(m, 1);
	KUNIT_EXPECT_NOT_NULL(test, ops_class.in_invalidate);
	mmu_interval_notifier_remove(&mni);
}
#endif

#if defined(CONFIG_DEBUG_MMU_NOTIFIER) && defined(CONFIG_FAULT_INJECTION)
static void injected_fault_declines_non_blockable_only(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	int err;

	fail_mmu_notifier.probability = 100;
	atomic_set(&fail_mmu_notifier.times, -1);
	err = mn_whole_section_nonblock(m, 1);
	mn_whole_section(m, 2);
	fail_mmu_notifier.probability = 0;

	KUNIT_EXPECT_EQ(test, err, -EAGAIN);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+2 a-2");
	/* There is nothing left to wait for. */
	mn_remove(x);
	mn_unregister(a);
}
#endif

static struct kunit_case mn_debug_cases[] = {
	KUNIT_CASE(section_need_not_find_a_vma),
#ifdef CONFIG_DEBUG_MMU_NOTIFIER
	KUNIT_CASE(no_section_is_made_up_by_default),
	KUNIT_CASE(made_up_sections_follow_a_real_one),
	KUNIT_CASE(every_second_section_is_repeated),
	KUNIT_CASE(made_up_section_may_be_declined),
	KUNIT_CASE(made_up_sections_clear_the_same_range),
	KUNIT_CASE(no_section_is_made_up_after_exit),
	KUNIT_CASE(section_of_an_mm_without_users_is_not_repeated),
#endif
#if defined(CONFIG_DEBUG_MMU_NOTIFIER) && defined(CONFIG_LOCKDEP)
	KUNIT_CASE(callbacks_have_the_class_of_their_ops),
	KUNIT_CASE(interval_callbacks_have_the_class_of_their_ops),
#endif
#if defined(CONFIG_DEBUG_MMU_NOTIFIER) && defined(CONFIG_FAULT_INJECTION)
	KUNIT_CASE(injected_fault_declines_non_blockable_only),
#endif
	{}
};

static struct kunit_suite mn_debug_suite = {
	.name = "mmu_notifier_debug",
	.init = mn_test_init,
	.test_cases = mn_debug_cases,
};

kunit_test_suite(mn_debug_suite);
