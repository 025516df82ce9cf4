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
#include <linux/fault-inject.h>
#include <linux/jiffies.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>

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
	WRITE_ONCE(mn_inject_every, 0);
	await_made_up(test, m, refs);
	KUNIT_EXPECT_STREQ(test, mn_heard(test),
			   "x+1 a+1 a-1 x+1 a+1 a-1 x+1 a+1 a-1");
	mn_remove(x);
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
	KUNIT_CASE(made_up_section_may_be_declined),
	KUNIT_CASE(made_up_sections_clear_the_same_range),
	KUNIT_CASE(no_section_is_made_up_after_exit),
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
