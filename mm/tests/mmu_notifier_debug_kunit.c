// SPDX-License-Identifier: GPL-2.0-only
/*
 * What subscribers promise, and what debug kernels do to them.
 */

/*
 * DOC: promises, and the paths that are seldom taken
 *
 * Rules that are broken end in a splat, and are in the suite mmu_notifier_lockdep.
 * Here is what debug kernels do that is seen in the callbacks.
 */

#include <kunit/test.h>
#include <linux/fault-inject.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>

#include "../mmu_notifier_internal.h"
#include "mmu_notifier_kunit.h"

static const struct mmu_notifier_ops promise_ops = {
	.invalidate_range_start = mn_on_start,
	.invalidate_range_end = mn_on_end,
	.flags = MMU_NOTIFIER_NEVER_SLEEPS,
};

static const struct mmu_notifier_ops no_start_ops = {
	.invalidate_range_end = mn_on_end,
};

static bool int_invalidate(struct mmu_interval_notifier *mni,
			   const struct mmu_notifier_range *range,
			   unsigned long seq)
{
	mmu_interval_set_seq(mni, seq);
	return true;
}

static const struct mmu_interval_notifier_ops int_promise_ops = {
	.invalidate = int_invalidate,
	.flags = MMU_NOTIFIER_NEVER_SLEEPS,
};

static void nobody_declines_without_subscribers(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);

	KUNIT_EXPECT_FALSE(test, mm_has_blockable_notifiers(m->mm));
}

static void nobody_declines_who_has_promised(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &promise_ops);
	struct mn_sub *b = mn_registered_ops(test, m, 'b', &no_start_ops);

	KUNIT_EXPECT_FALSE(test, mm_has_blockable_notifiers(m->mm));
	mn_unregister(b);
	mn_unregister(a);
}

static void who_has_not_promised_may_decline(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &promise_ops);
	struct mn_sub *b = mn_registered(test, m, 'b');

	KUNIT_EXPECT_TRUE(test, mm_has_blockable_notifiers(m->mm));
	mn_unregister(b);
	mn_unregister(a);
}

static void first_subscriber_may_decline(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	KUNIT_EXPECT_TRUE(test, mm_has_blockable_notifiers(m->mm));
	mn_unregister(a);
}

static void interval_that_has_promised_does_not_decline(struct kunit *test)
{
	struct mmu_interval_notifier *mni = mn_alloc(test, sizeof(*mni));
	struct mn_mm *m = mn_mm(test);
	int err;

	err = mmu_interval_notifier_insert(mni, m->mm, mn_address(1), PAGE_SIZE,
					   &int_promise_ops);
	KUNIT_ASSERT_EQ(test, err, 0);
	KUNIT_EXPECT_FALSE(test, mm_has_blockable_notifiers(m->mm));
	mmu_interval_notifier_remove(mni);
}

static void interval_that_has_not_may_decline(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);

	KUNIT_EXPECT_TRUE(test, mm_has_blockable_notifiers(m->mm));
	mn_remove(x);
}

#ifdef CONFIG_DEBUG_MMU_NOTIFIER
static void no_section_is_made_up_by_default(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	mn_whole_section(m, 1);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1");
	mn_unregister(a);
}

/* A blockable and a non-blockable one, and none that follow these */
static void made_up_sections_follow_a_real_one(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);

	WRITE_ONCE(mn_inject_every, 1);
	mn_whole_section(m, 1);
	WRITE_ONCE(mn_inject_every, 0);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_STREQ(test, mn_heard(test),
			   "x+1 a+1 a-1 x+1 a+1 a-1 x+1 a+1 a-1");
	mn_remove(x);
	mn_unregister(a);
}

static void made_up_section_may_be_declined(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	a->error = -EAGAIN;
	WRITE_ONCE(mn_inject_every, 1);
	mn_whole_section(m, 1);
	WRITE_ONCE(mn_inject_every, 0);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1 a+1 a-1 a!1");
	mn_unregister(a);
}

static void made_up_sections_clear_the_same_range(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_UNMAP, 0, m->mm,
				mn_address(2), mn_address(3));
	WRITE_ONCE(mn_inject_every, 1);
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(&range);
	mmu_notifier_invalidate_range_end(&range);
	mmap_read_unlock(m->mm);
	WRITE_ONCE(mn_inject_every, 0);
	mmu_notifier_synchronize();
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

	WRITE_ONCE(mn_inject_every, 1);
	mn_exit(m);
	WRITE_ONCE(mn_inject_every, 0);
	mmu_notifier_synchronize();
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
	/* Nothing is left that it would wait for. */
	mn_remove(x);
	mn_unregister(a);
}
#endif

static struct kunit_case mn_debug_cases[] = {
	KUNIT_CASE(nobody_declines_without_subscribers),
	KUNIT_CASE(nobody_declines_who_has_promised),
	KUNIT_CASE(who_has_not_promised_may_decline),
	KUNIT_CASE(first_subscriber_may_decline),
	KUNIT_CASE(interval_that_has_promised_does_not_decline),
	KUNIT_CASE(interval_that_has_not_may_decline),
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
