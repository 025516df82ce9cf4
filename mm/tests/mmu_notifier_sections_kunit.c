// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KUnit suite of the mmu_notifier: sections
 *
 * Each subscriber gets exactly one end for each start that it got and did not
 * decline, however sections nest and overlap, while subscribers come and go,
 * and when one declines. What interval subscribers get is in
 * mmu_interval_notifier_invalidate_kunit.c.
 */

#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/mmap_lock.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "mmu_notifier_kunit.h"

static void section_without_subscribers_does_nothing(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mmu_notifier_range range;

	mmap_read_lock(m->mm);
	mn_start(&range, m, 1);
	KUNIT_EXPECT_FALSE(test, range.flags & MMU_NOTIFIER_RANGE_STARTED);
	mn_end(&range);
	KUNIT_EXPECT_EQ(test, mn_start_nonblock(&range, m, 1), 0);
	mn_end(&range);
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_FALSE(test, mm_has_notifiers(m->mm));
}

static void start_and_end_are_delivered_once(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mmu_notifier_range range;

	mmap_read_lock(m->mm);
	mn_start(&range, m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1");
	mn_end(&range);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a-1");
	mmap_read_unlock(m->mm);
	mn_unregister(a);
}

/*
 * With voluntary preemption, tasks that zap much memory rely on these points.
 * The next request may come before the test looks, but not each time.
 */
static void start_and_end_let_others_run(struct kunit *test)
{
	struct mmu_notifier_range range;
	bool start = false, end = false;
	struct mn_sub *a;
	struct mn_mm *m;
	int i;

	if (!preempt_model_voluntary())
		kunit_skip(test, "needs PREEMPT_VOLUNTARY");

	m = mn_mm(test);
	a = mn_registered(test, m, 'a');
	mmap_read_lock(m->mm);
	for (i = 0; i < 10; i++) {
		set_tsk_need_resched(current);
		mn_start(&range, m, 1);
		start |= !need_resched();
		set_tsk_need_resched(current);
		mn_end(&range);
		end |= !need_resched();
	}
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_TRUE(test, start);
	KUNIT_EXPECT_TRUE(test, end);
	mn_unregister(a);
}

static void nested_section_ends_first(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mmu_notifier_range outer, inner;

	mmap_read_lock(m->mm);
	mn_start(&outer, m, 1);
	mn_start(&inner, m, 2);
	mn_end(&inner);
	mn_end(&outer);
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a+2 a-2 a-1");
	mn_unregister(a);
}

static void nested_section_ends_last(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mmu_notifier_range outer, inner;

	mmap_read_lock(m->mm);
	mn_start(&outer, m, 1);
	mn_start(&inner, m, 2);
	mn_end(&outer);
	mn_end(&inner);
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a+2 a-1 a-2");
	mn_unregister(a);
}

static void sections_of_two_mms_nest(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test), *other = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, other, 'b');
	struct mmu_notifier_range range, other_range;

	/* Not twice mmap_lock, which lockdep does not like. */
	mn_cover(m, MN_MMAP_READ);
	mn_cover(other, MN_I_MMAP_READ);
	mn_start(&range, m, 1);
	mn_start(&other_range, other, 2);
	mn_end(&range);
	mn_end(&other_range);
	mn_uncover(other, MN_I_MMAP_READ);
	mn_uncover(m, MN_MMAP_READ);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 b+2 a-1 b-2");
	mn_unregister(a);
	mn_unregister(b);
}

static void overlapping_sections_of_two_tasks(struct kunit *test,
					      bool first_ends_first,
					      const char *expected)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_section *one = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_section *two = mn_section(test, m, MN_MMAP_READ, 2);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(one));
	KUNIT_EXPECT_TRUE(test, mn_section_begins(two));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(first_ends_first ? one : two));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(first_ends_first ? two : one));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), expected);
	mn_unregister(a);
}

static void overlapping_task_that_began_first_ends_first(struct kunit *test)
{
	overlapping_sections_of_two_tasks(test, true, "a+1 a+2 a-1 a-2");
}

static void overlapping_task_that_began_first_ends_last(struct kunit *test)
{
	overlapping_sections_of_two_tasks(test, false, "a+1 a+2 a-2 a-1");
}

static void range_can_be_used_again(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a'), *b;
	struct mmu_notifier_range range;

	mn_range(&range, m, 1, 1);
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(&range);
	mn_end(&range);
	mmap_read_unlock(m->mm);
	/* The second list is in use from now on, */
	b = mn_registered(test, m, 'b');
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(&range);
	mn_end(&range);
	mmap_read_unlock(m->mm);
	/* and the first one again. */
	mn_unregister(b);
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(&range);
	mn_end(&range);
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_STREQ(test, mn_heard(test),
			   "a+1 a-1 b+1 a+1 b-1 a-1 bR a+1 a-1");
	mn_unregister(a);
}

static const struct mmu_notifier_ops start_only_ops = {
	.invalidate_range_start = mn_on_start,
};

static const struct mmu_notifier_ops end_only_ops = {
	.invalidate_range_end = mn_on_end,
};

/* start and end under mmap_lock, without mn_range() in between */
static void section_of(struct mn_mm *m, struct mmu_notifier_range *range)
{
	range->mm = m->mm;
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(range);
	mn_end(range);
	mmap_read_unlock(m->mm);
}

/* Where fewer are subscribed, and where nobody is. */
static void range_can_be_used_again_on_another_mm(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test), *other = mn_mm(test);
	struct mn_mm *nobodys = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, other, 'b');
	struct mmu_notifier_range range;

	mn_range(&range, m, 1, 1);
	section_of(m, &range);
	section_of(other, &range);
	section_of(nobodys, &range);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 a+1 a-1 b+1 b-1");
	mn_unregister(b);
	mn_unregister(a);
	mn_remove(x);
}

/* The list that it walked before may be the one that changes now. */
static void range_used_again_forgets_its_list(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_sub(test, m, 'c');
	struct mn_thread *thread = mn_thread(test, mn_register, c);
	struct mmu_notifier_range range;
	bool blocked;

	mn_range(&range, m, 1, 1);
	section_of(m, &range);
	mn_unregister(b);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "b+1 a+1 b-1 a-1 bR");

	mn_cover(m, MN_I_MMAP_READ);
	mmu_notifier_invalidate_range_start(&range);
	mn_thread_run(thread);
	blocked = mn_thread_blocked(thread);
	mn_end(&range);
	mn_uncover(m, MN_I_MMAP_READ);
	KUNIT_EXPECT_TRUE(test, blocked);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1");
	mn_unregister(c);
	mn_unregister(a);
}

static void half_a_pair_of_callbacks_is_fine(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &start_only_ops);
	struct mn_sub *b, *c;

	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1");
	b = mn_registered_ops(test, m, 'b', &end_only_ops);
	mn_whole_section(m, 2);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+2 b-2");
	c = mn_registered_ops(test, m, 'c', &start_only_ops);
	mn_whole_section(m, 3);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "c+3 a+3 b-3");
	mn_unregister(c);
	mn_unregister(a);
	mn_whole_section(m, 4);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "b-4");
	mn_unregister(b);
}

/*
 * Where nobody has a start or an end, sections look at the intervals only. One
 * of the two is enough to change that.
 */
static void half_a_pair_beside_an_interval(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 9);
	struct mn_sub *a;

	mn_whole_section(m, 1);
	a = mn_registered_ops(test, m, 'a', &start_only_ops);
	mn_whole_section(m, 2);
	mn_unregister(a);
	a = mn_registered_ops(test, m, 'a', &end_only_ops);
	mn_whole_section(m, 3);
	mn_unregister(a);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 x+2 a+2 x+3 a-3");
	mn_remove(x);
}

/* Subscribers that come or go while a section is open */

static void latecomer_gets_no_end_when_first(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_sub(test, m, 'a');
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *thread = mn_thread(test, mn_register, a);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_thread_run(thread);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(thread));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	mn_whole_section(m, 2);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+2 a-2");
	mn_unregister(a);
}

static void latecomer_gets_no_end_when_second(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_sub(test, m, 'b');
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *thread = mn_thread(test, mn_register, b);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_thread_run(thread);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(thread));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	mn_whole_section(m, 2);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1 b+2 a+2 b-2 a-2");
	mn_unregister(b);
	mn_unregister(a);
}

/* A section that begins while a latecomer waits belongs to it in full. */
static void latecomer_hears_whole_sections_only(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_sub(test, m, 'b');
	struct mn_section *early = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_section *late = mn_section(test, m, MN_I_MMAP_READ, 2);
	struct mn_thread *thread = mn_thread(test, mn_register, b);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(early));
	mn_thread_run(thread);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(thread));
	KUNIT_EXPECT_TRUE(test, mn_section_begins(late));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(early));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(late));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 b+2 a+2 a-1 b-2 a-2");
	mn_unregister(b);
	mn_unregister(a);
}

static void leaver_gets_the_ends_of_its_starts(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *thread = mn_thread(test, mn_unregister, b);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_thread_run(thread);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(thread));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "b+1 a+1 bR b-1 a-1");
	mn_unregister(a);
}

static void leaver_that_was_put_gets_the_ends_of_its_starts(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *p = mn_gotten(test, m);
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_put(p);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	mmu_notifier_synchronize();
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "p+1 p-1 pF");
}

/* a and b leave, c comes, and all of them wait for the same section. */
static void comers_and_leavers_in_one_section(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_sub(test, m, 'c');
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *threads[] = {
		mn_thread(test, mn_unregister, a),
		mn_thread(test, mn_register, c),
		mn_thread(test, mn_unregister, b),
	};
	int i;

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		mn_thread_run(threads[i]);
		KUNIT_EXPECT_TRUE(test, mn_thread_blocked(threads[i]));
	}
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		KUNIT_EXPECT_TRUE(test, mn_thread_ends(threads[i]));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "b+1 a+1 aR bR b-1 a-1");
	mn_whole_section(m, 2);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "c+2 c-2");
	mn_unregister(c);
}

/* The arguments of the callbacks */

static void callbacks_see_that_a_section_may_sleep(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	mn_whole_section(m, 1);
	KUNIT_EXPECT_TRUE(test, mmu_notifier_range_blockable(&a->seen_start));
	KUNIT_EXPECT_TRUE(test, mmu_notifier_range_blockable(&a->seen_end));
	mn_unregister(a);
}

static void callbacks_see_that_a_section_must_not_sleep(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), 0);
	KUNIT_EXPECT_FALSE(test, mmu_notifier_range_blockable(&a->seen_start));
	KUNIT_EXPECT_FALSE(test, mmu_notifier_range_blockable(&a->seen_end));
	mn_unregister(a);
}

/* As when a range is first tried without blocking, or vice versa */
static void blockable_is_up_to_the_start_not_the_range(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mmu_notifier_range range;

	a->error = -EAGAIN;
	mn_range(&range, m, 1, 1);
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(&range);
	mn_end(&range);
	KUNIT_EXPECT_EQ(test,
			mmu_notifier_invalidate_range_start_nonblock(&range),
			-EAGAIN);
	mmu_notifier_invalidate_range_start(&range);
	mn_end(&range);
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1 a!1 a+1 a-1");
	mn_unregister(a);
}

static const enum mmu_notifier_event events[] = {
	MMU_NOTIFY_UNMAP,
	MMU_NOTIFY_CLEAR,
	MMU_NOTIFY_PROTECTION_VMA,
	MMU_NOTIFY_PROTECTION_PAGE,
	MMU_NOTIFY_SOFT_DIRTY,
	MMU_NOTIFY_MIGRATE,
	MMU_NOTIFY_EXCLUSIVE,
};

static void event_to_desc(const enum mmu_notifier_event *event, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "event %d", *event);
}

KUNIT_ARRAY_PARAM(event, events, event_to_desc);

static void expect_seen(struct kunit *test,
			const struct mmu_notifier_range *seen,
			const struct mmu_notifier_range *range)
{
	KUNIT_EXPECT_PTR_EQ(test, seen->mm, range->mm);
	KUNIT_EXPECT_EQ(test, seen->start, range->start);
	KUNIT_EXPECT_EQ(test, seen->end, range->end);
	KUNIT_EXPECT_EQ(test, seen->event, range->event);
	KUNIT_EXPECT_PTR_EQ(test, seen->owner, range->owner);
}

static void callbacks_see_mm_range_event_and_owner(struct kunit *test)
{
	const enum mmu_notifier_event *event = test->param_value;
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mmu_notifier_range range;

	mmu_notifier_range_init_owner(&range, *event, 0, m->mm, mn_address(3),
				      mn_address(7), test);
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(&range);
	mn_end(&range);
	mmap_read_unlock(m->mm);
	expect_seen(test, &a->seen_start, &range);
	expect_seen(test, &a->seen_end, &range);
	mn_unregister(a);
}

static void callbacks_see_the_largest_range(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_UNMAP, 0, m->mm, 0,
				ULONG_MAX);
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(&range);
	mn_end(&range);
	mmap_read_unlock(m->mm);
	expect_seen(test, &a->seen_start, &range);
	mn_unregister(a);
}

static void range_init_leaves_nothing_uninitialised(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mmu_notifier_range range;

	memset(&range, 0xff, sizeof(range));
	mmu_notifier_range_init(&range, MMU_NOTIFY_SOFT_DIRTY, 0, m->mm,
				mn_address(1), mn_address(2));
	KUNIT_EXPECT_PTR_EQ(test, range.mm, m->mm);
	KUNIT_EXPECT_EQ(test, range.start, mn_address(1));
	KUNIT_EXPECT_EQ(test, range.end, mn_address(2));
	KUNIT_EXPECT_EQ(test, range.flags, 0);
	KUNIT_EXPECT_EQ(test, range.event, MMU_NOTIFY_SOFT_DIRTY);
	KUNIT_EXPECT_NULL(test, range.owner);
}

static void range_init_owner_sets_the_owner(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mmu_notifier_range range;

	memset(&range, 0xff, sizeof(range));
	mmu_notifier_range_init_owner(&range, MMU_NOTIFY_MIGRATE, 0, m->mm,
				      mn_address(1), mn_address(2), test);
	KUNIT_EXPECT_EQ(test, range.event, MMU_NOTIFY_MIGRATE);
	KUNIT_EXPECT_EQ(test, range.flags, 0);
	KUNIT_EXPECT_PTR_EQ(test, range.owner, test);
}

/* A range is on the stack of each caller, in reclaim too. */
static void range_does_not_grow(struct kunit *test)
{
	size_t extra = 0;

	if (IS_ENABLED(CONFIG_DEBUG_MMU_NOTIFIER))
		extra = sizeof(struct mmu_notifier_range) -
			offsetofend(struct mmu_notifier_range, owner);
	KUNIT_EXPECT_LE(test, sizeof(struct mmu_notifier_range) - extra,
			4 * sizeof(unsigned long) + 2 * sizeof(int));
}

/* Sections that may be declined */

static void register_three(struct kunit *test, struct mn_mm *m,
			   struct mn_sub *subs[3])
{
	subs[0] = mn_registered(test, m, 'a');
	subs[1] = mn_registered(test, m, 'b');
	subs[2] = mn_registered(test, m, 'c');
}

static void unregister_three(struct mn_sub *subs[3])
{
	mn_unregister(subs[0]);
	mn_unregister(subs[1]);
	mn_unregister(subs[2]);
}

/* @who of three declines, and the calls are @expected. */
static void expect_declined(struct kunit *test, int who, const char *expected)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *subs[3];

	register_three(test, m, subs);
	subs[who]->error = -EAGAIN;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), expected);

	/* Nothing is left behind: a section that succeeds is complete. */
	subs[who]->error = 0;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 2), 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "c+2 b+2 a+2 c-2 b-2 a-2");
	unregister_three(subs);
}

static void decline_by_the_first_stops_the_start(struct kunit *test)
{
	expect_declined(test, 2, "c!1");
}

static void decline_in_between_ends_those_before(struct kunit *test)
{
	expect_declined(test, 1, "c+1 b!1 c-1");
}

static void decline_by_the_last_ends_all_others(struct kunit *test)
{
	expect_declined(test, 0, "c+1 b+1 a!1 c-1 b-1");
}

static void decline_by_one_without_end_callback(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &start_only_ops);
	struct mn_sub *b = mn_registered(test, m, 'b');

	a->error = -EAGAIN;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "b+1 a!1 b-1");
	mn_unregister(b);
	mn_unregister(a);
}

static void decline_skips_the_end_of_those_without_it(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered_ops(test, m, 'b', &start_only_ops);

	a->error = -EAGAIN;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "b+1 a!1");
	mn_unregister(b);
	mn_unregister(a);
}

static void decline_does_not_end_those_without_a_start(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered_ops(test, m, 'b', &end_only_ops);

	a->error = -EAGAIN;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a!1");
	mn_unregister(b);
	mn_unregister(a);
}

/* A driver's mistake: only -EAGAIN is a reason. The section is declined. */
static void decline_for_another_reason_is_reported(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');

	a->error = -ENOMEM;
	mn_expect_warning(MN_WARN_START_FAILS);
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "b+1 a!1 b-1");
	mn_unregister(b);
	mn_unregister(a);
}

/* As if it had not begun: no wait for sections waits for it. */
static void declined_section_is_over(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_thread *thread = mn_thread(test, mn_unregister, b);
	struct mmu_notifier_range range;
	bool ended;
	int ret;

	a->error = -EAGAIN;
	mn_cover(m, MN_I_MMAP_READ);
	ret = mn_start_nonblock(&range, m, 1);
	mn_thread_run(thread);
	ended = mn_thread_ends(thread);
	mn_uncover(m, MN_I_MMAP_READ);
	KUNIT_EXPECT_EQ(test, ret, -EAGAIN);
	KUNIT_EXPECT_TRUE(test, ended);
	KUNIT_EXPECT_FALSE(test, range.flags & MMU_NOTIFIER_RANGE_STARTED);
	mn_unregister(a);
}

/* The OOM reaper comes back, ten times for each mapping. */
static void declining_again_and_again_adds_nothing_up(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	int i;

	a->error = -EAGAIN;
	for (i = 0; i < 100; i++) {
		KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
		mn_heard(test);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&b->starts), 100);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->ends), 100);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->ends), 0);
	mn_unregister(b);
	mn_unregister(a);
}

static void expect_sleep_is_checked(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP) ||
	    IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "needs DEBUG_ATOMIC_SLEEP, no PREEMPT_RT");
}

static void sleeping_is_checked_where_it_is_forbidden(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a;

	expect_sleep_is_checked(test);
	a = mn_registered(test, m, 'a');
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), 0);
	KUNIT_EXPECT_GT(test, a->non_block_start, 0);
	KUNIT_EXPECT_GT(test, a->non_block_end, 0);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_EQ(test, a->non_block_start, 0);
	KUNIT_EXPECT_EQ(test, a->non_block_end, 0);
	mn_unregister(a);
}

static void sleeping_is_checked_in_the_end_after_a_decline(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a, *b;

	expect_sleep_is_checked(test);
	a = mn_registered(test, m, 'a');
	b = mn_registered(test, m, 'b');
	a->error = -EAGAIN;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "b+1 a!1 b-1");
	KUNIT_EXPECT_GT(test, b->non_block_end, 0);
	mn_unregister(b);
	mn_unregister(a);
}

/* The caller ignores the result and changes the page tables anyway. */
static void failing_start_that_may_sleep_is_reported(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *subs[3];

	register_three(test, m, subs);
	subs[1]->error_blockable = -EAGAIN;
	mn_expect_warning(MN_WARN_START_FAILS);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "c+1 b!1 a+1 c-1 b-1 a-1");
	unregister_three(subs);
}

/* Many at once */

#define MN_CHURNERS	2
#define MN_ROUNDS	50

struct churn {
	struct mn_mm *m;
	bool stop;
	struct churner {
		struct mn_sub *sub;
		int unbalanced;
		int late;
	} churners[MN_CHURNERS];
};

/* Subscribers that may decline refuse page 3. */
static int count_start(struct mmu_notifier *mn,
		       const struct mmu_notifier_range *range)
{
	struct mn_sub *sub = mn_sub_of(mn);

	if (!mmu_notifier_range_blockable(range) &&
	    range->start == mn_address(3))
		return -EAGAIN;
	atomic_inc(&sub->starts);
	return 0;
}

static void count_end(struct mmu_notifier *mn,
		      const struct mmu_notifier_range *range)
{
	atomic_inc(&mn_sub_of(mn)->ends);
}

static const struct mmu_notifier_ops count_ops = {
	.invalidate_range_start = count_start,
	.invalidate_range_end = count_end,
};

static void run_sections(void *arg)
{
	struct mmu_notifier_range range;
	struct churn *churn = arg;
	unsigned int page;

	for (page = 0; !READ_ONCE(churn->stop); page++) {
		int ret = 0;

		mn_cover(churn->m, MN_I_MMAP_READ);
		if (page & 1)
			ret = mn_start_nonblock(&range, churn->m, page % 8);
		else
			mn_start(&range, churn->m, page % 8);
		if (!ret)
			mn_end(&range);
		mn_uncover(churn->m, MN_I_MMAP_READ);
		cond_resched();
	}
}

static void churn_once(struct churner *churner)
{
	struct mn_sub *sub = churner->sub;
	int starts;

	mn_register(sub);
	mn_unregister(sub);
	starts = atomic_read(&sub->starts);
	churner->unbalanced += starts != atomic_read(&sub->ends);
	cond_resched();
	churner->late += starts != atomic_read(&sub->starts);
}

static void churn_subscriptions(void *arg)
{
	struct churner *churner = arg;
	int i;

	for (i = 0; i < MN_ROUNDS; i++)
		churn_once(churner);
}

static void churn_run(struct kunit *test, struct churn *churn)
{
	struct mn_thread *sections[2], *threads[MN_CHURNERS];
	int i;

	for (i = 0; i < ARRAY_SIZE(sections); i++)
		sections[i] = mn_thread(test, run_sections, churn);
	for (i = 0; i < MN_CHURNERS; i++)
		threads[i] = mn_thread(test, churn_subscriptions,
				       &churn->churners[i]);
	for (i = 0; i < ARRAY_SIZE(sections); i++)
		mn_thread_run(sections[i]);
	for (i = 0; i < MN_CHURNERS; i++)
		mn_thread_run(threads[i]);
	for (i = 0; i < MN_CHURNERS; i++)
		KUNIT_EXPECT_TRUE(test, mn_thread_ends(threads[i]));
	WRITE_ONCE(churn->stop, true);
	for (i = 0; i < ARRAY_SIZE(sections); i++)
		KUNIT_EXPECT_TRUE(test, mn_thread_ends(sections[i]));
}

/* Beside one that stays, and must also have an end for each start */
static void starts_and_ends_pair_up_while_subscribers_churn(struct kunit *test)
{
	struct churn *churn = mn_alloc(test, sizeof(*churn));
	struct mn_sub *stays;
	int i;

	churn->m = mn_mm_mapped(test);
	stays = mn_registered_ops(test, churn->m, 's', &count_ops);
	for (i = 0; i < MN_CHURNERS; i++)
		churn->churners[i].sub = mn_sub_ops(test, churn->m, 'c',
						    &count_ops);
	churn_run(test, churn);
	mn_unregister(stays);
	KUNIT_EXPECT_EQ(test, atomic_read(&stays->starts),
			atomic_read(&stays->ends));
	for (i = 0; i < MN_CHURNERS; i++) {
		KUNIT_EXPECT_EQ(test, churn->churners[i].unbalanced, 0);
		KUNIT_EXPECT_EQ(test, churn->churners[i].late, 0);
	}
}

static struct kunit_case mn_section_cases[] = {
	KUNIT_CASE(section_without_subscribers_does_nothing),
	KUNIT_CASE(start_and_end_are_delivered_once),
	KUNIT_CASE(start_and_end_let_others_run),
	KUNIT_CASE(nested_section_ends_first),
	KUNIT_CASE(nested_section_ends_last),
	KUNIT_CASE(sections_of_two_mms_nest),
	KUNIT_CASE(overlapping_task_that_began_first_ends_first),
	KUNIT_CASE(overlapping_task_that_began_first_ends_last),
	KUNIT_CASE(range_can_be_used_again),
	KUNIT_CASE(range_can_be_used_again_on_another_mm),
	KUNIT_CASE(range_used_again_forgets_its_list),
	KUNIT_CASE(half_a_pair_of_callbacks_is_fine),
	KUNIT_CASE(half_a_pair_beside_an_interval),
	KUNIT_CASE(latecomer_gets_no_end_when_first),
	KUNIT_CASE(latecomer_gets_no_end_when_second),
	KUNIT_CASE(latecomer_hears_whole_sections_only),
	KUNIT_CASE(leaver_gets_the_ends_of_its_starts),
	KUNIT_CASE(leaver_that_was_put_gets_the_ends_of_its_starts),
	KUNIT_CASE(comers_and_leavers_in_one_section),
	KUNIT_CASE(callbacks_see_that_a_section_may_sleep),
	KUNIT_CASE(callbacks_see_that_a_section_must_not_sleep),
	KUNIT_CASE(blockable_is_up_to_the_start_not_the_range),
	KUNIT_CASE_PARAM(callbacks_see_mm_range_event_and_owner,
			 event_gen_params),
	KUNIT_CASE(callbacks_see_the_largest_range),
	KUNIT_CASE(range_init_leaves_nothing_uninitialised),
	KUNIT_CASE(range_init_owner_sets_the_owner),
	KUNIT_CASE(range_does_not_grow),
	KUNIT_CASE(decline_by_the_first_stops_the_start),
	KUNIT_CASE(decline_in_between_ends_those_before),
	KUNIT_CASE(decline_by_the_last_ends_all_others),
	KUNIT_CASE(decline_by_one_without_end_callback),
	KUNIT_CASE(decline_skips_the_end_of_those_without_it),
	KUNIT_CASE(decline_does_not_end_those_without_a_start),
	KUNIT_CASE(decline_for_another_reason_is_reported),
	KUNIT_CASE(declined_section_is_over),
	KUNIT_CASE(declining_again_and_again_adds_nothing_up),
	KUNIT_CASE(sleeping_is_checked_where_it_is_forbidden),
	KUNIT_CASE(sleeping_is_checked_in_the_end_after_a_decline),
	KUNIT_CASE(failing_start_that_may_sleep_is_reported),
	KUNIT_CASE_SLOW(starts_and_ends_pair_up_while_subscribers_churn),
	{}
};

static struct kunit_suite mn_section_suite = {
	.name = "mmu_notifier_sections",
	.init = mn_test_init,
	.test_cases = mn_section_cases,
};

kunit_test_suite(mn_section_suite);
