// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KUnit suite of the mmu_notifier: sections and interval subscribers
 *
 * The arguments of the callbacks, the two passes, what happens when a subscriber
 * declines, in the tree or in the hlist, and the end of the address space.
 */

#include <kunit/test.h>
#include <linux/array_size.h>
#include <linux/atomic.h>
#include <linux/limits.h>
#include <linux/mmap_lock.h>
#include <linux/slab.h>

#include "../mmu_notifier_internal.h"
#include "mmu_notifier_kunit.h"

/* Readers and removers do not wait, as after each section that is over. */
static void expect_tree_at_rest(struct kunit *test, struct mn_mm *m,
				struct mn_int *x)
{
	struct mn_thread *begin = mn_thread_start(test, mn_read_begin, x);

	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_EQ(test, mn_sections_open(m), 0);
	KUNIT_EXPECT_EQ(test, x->mni.cursors, 0);
}

static void expect_remove_ends(struct kunit *test, struct mn_int *x)
{
	struct mn_thread *remove = mn_thread_start(test, mn_remove, x);

	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
}

/* The arguments of the callbacks */

static void callback_sees_mm_range_event_and_owner(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mmu_notifier_range range;

	mmu_notifier_range_init_owner(&range, MMU_NOTIFY_EXCLUSIVE, 0, m->mm,
				      mn_address(0), mn_address(7), test);
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(&range);
	mn_end(&range);
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_PTR_EQ(test, x->seen.mm, m->mm);
	KUNIT_EXPECT_EQ(test, x->seen.start, mn_address(0));
	KUNIT_EXPECT_EQ(test, x->seen.end, mn_address(7));
	KUNIT_EXPECT_EQ(test, x->seen.event, MMU_NOTIFY_EXCLUSIVE);
	KUNIT_EXPECT_PTR_EQ(test, x->seen.owner, test);
	mn_remove(x);
}

/* Long intervals among short ones, so that a walk has to pass over some. */
static void each_section_calls_those_that_it_overlaps(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x[24];
	unsigned int i, page;

	for (i = 0; i < ARRAY_SIZE(x); i++)
		x[i] = mn_inserted(test, m, 'x', i, i % 5 ? 1 : 12);
	for (page = 0; page < 2 * ARRAY_SIZE(x); page++) {
		mn_whole_section(m, page);
		for (i = 0; i < ARRAY_SIZE(x); i++)
			KUNIT_EXPECT_EQ_MSG(test, atomic_xchg(&x[i]->calls, 0),
					    page >= x[i]->first &&
					    page < x[i]->first + x[i]->pages,
					    "interval %u, page %u", i, page);
		mn_heard(test);
	}
	for (i = 0; i < ARRAY_SIZE(x); i++)
		mn_remove(x[i]);
}

static void callback_sees_whether_it_may_sleep(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);

	mn_whole_section(m, 1);
	KUNIT_EXPECT_TRUE(test, mmu_notifier_range_blockable(&x->seen));
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), 0);
	KUNIT_EXPECT_FALSE(test, mmu_notifier_range_blockable(&x->seen));
	mn_remove(x);
}

static void sleeping_is_checked_where_it_is_forbidden(struct kunit *test)
{
	struct mn_mm *m;
	struct mn_int *x, *y;

	if (!IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP) ||
	    IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "needs DEBUG_ATOMIC_SLEEP, no PREEMPT_RT");
	m = mn_mm(test);
	x = mn_inserted(test, m, 'x', 1, 1);
	y = mn_inserted_two(test, m, 'y', 1, 1);
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), 0);
	KUNIT_EXPECT_GT(test, x->non_block, 0);
	KUNIT_EXPECT_GT(test, y->non_block, 0);
	KUNIT_EXPECT_GT(test, y->non_block_finish, 0);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_EQ(test, x->non_block, 0);
	KUNIT_EXPECT_EQ(test, y->non_block, 0);
	KUNIT_EXPECT_EQ(test, y->non_block_finish, 0);
	mn_remove(x);
	mn_remove(y);
}

static void intervals_hear_before_the_hlist(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_registered(test, m, 'a');

	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 a+1 a-1");
	mn_unregister(a);
	mn_remove(x);
}

/* Two passes */

static void second_pass_follows_all_of_the_first(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted_two(test, m, 'x', 1, 4);
	struct mn_int *y = mn_inserted_two(test, m, 'y', 2, 4);
	struct mn_int *z = mn_inserted_two(test, m, 'z', 3, 4);

	mn_whole_section(m, 4);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+4 y+4 z+4 x.4 y.4 z.4");
	mn_remove(x);
	mn_remove(y);
	mn_remove(z);
}

/* The same for intervals that are called in a later batch */
static void second_pass_follows_the_first_of_many(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *many[MN_BATCH + 2];
	char want[2 * 4 * ARRAY_SIZE(many) + 1];
	int i;

	for (i = 0; i < ARRAY_SIZE(many); i++) {
		many[i] = mn_inserted_two(test, m, 'a' + i, 1, 1);
		sprintf(want + 4 * i, "%c+1 ", 'a' + i);
	}
	for (i = 0; i < ARRAY_SIZE(many); i++)
		sprintf(want + 4 * (ARRAY_SIZE(many) + i), "%c.1 ", 'a' + i);
	want[sizeof(want) - 2] = '\0';
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), want);
	for (i = 0; i < ARRAY_SIZE(many); i++)
		mn_remove(many[i]);
}

static void second_pass_only_for_those_who_want_it(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted_two(test, m, 'x', 1, 4);
	struct mn_int *y = mn_inserted_two(test, m, 'y', 2, 4);

	x->second = false;
	mn_whole_section(m, 4);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+4 y+4 y.4");
	mn_remove(x);
	mn_remove(y);
}

static void one_and_two_passes_mix(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted_two(test, m, 'x', 1, 4);
	struct mn_int *y = mn_inserted(test, m, 'y', 2, 4);
	struct mn_int *z = mn_inserted_two(test, m, 'z', 3, 4);

	mn_whole_section(m, 4);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+4 y+4 z+4 x.4 z.4");
	mn_remove(x);
	mn_remove(y);
	mn_remove(z);
}

/* All device work is over when the page tables change. */
static void second_pass_comes_before_the_start_returns(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted_two(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mmu_notifier_range range;

	mmap_read_lock(m->mm);
	mn_start(&range, m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 x.1 a+1");
	mn_end(&range);
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a-1");
	mn_unregister(a);
	mn_remove(x);
}

static void second_pass_comes_also_when_a_later_one_declines(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted_two(test, m, 'x', 1, 4);
	struct mn_int *y = mn_inserted_two(test, m, 'y', 2, 4);
	struct mn_int *z = mn_inserted_two(test, m, 'z', 3, 4);

	y->decline = true;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 4), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+4 y!4 x.4");
	expect_tree_at_rest(test, m, x);
	expect_remove_ends(test, x);
	expect_remove_ends(test, y);
	expect_remove_ends(test, z);
}

static void second_pass_comes_for_the_one_that_declines(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted_two(test, m, 'x', 1, 4);

	/*
	 * It has started the device work, which the second pass must complete.
	 */
	x->decline = true;
	x->second_declined = true;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x!1 x.1");
	expect_tree_at_rest(test, m, x);
	expect_remove_ends(test, x);
}

static void second_pass_does_not_come_twice(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted_two(test, m, 'x', 1, 1);

	mn_whole_section(m, 1);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test),
			   "x+1 x.1 x+1 x.1 x+1 x.1");
	mn_remove(x);
}

/* Sections that are declined */

/* Drivers may allocate it for each invalidation, without reclaim. */
static bool start_with_memory(struct mmu_interval_notifier *mni,
			      const struct mmu_notifier_range *range,
			      unsigned long seq,
			      struct mmu_interval_notifier_finish **finish)
{
	mmu_interval_set_seq(mni, seq);
	*finish = kzalloc(sizeof(**finish), GFP_ATOMIC);
	return true;
}

static void finish_and_free(struct mmu_interval_notifier_finish *finish)
{
	struct mn_int *sub = container_of(finish->notifier, struct mn_int, mni);

	atomic_inc(&sub->calls);
	kfree(finish);
}

static void second_pass_may_free_what_it_is_given(struct kunit *test)
{
	static const struct mmu_interval_notifier_ops ops = {
		.invalidate_start = start_with_memory,
		.invalidate_finish = finish_and_free,
	};
	struct mn_mm *m = mn_mm(test);
	struct mn_int *subs[3];
	int i;

	for (i = 0; i < ARRAY_SIZE(subs); i++) {
		subs[i] = mn_int(test, m, 'x', 1, 1);
		subs[i]->mni.ops = &ops;
		mn_insert(subs[i]);
		KUNIT_ASSERT_EQ(test, subs[i]->ret, 0);
	}
	mn_whole_section(m, 1);
	for (i = 0; i < ARRAY_SIZE(subs); i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&subs[i]->calls), 1);
		mn_remove(subs[i]);
	}
}

static void decline_by_an_interval_asks_nobody_else(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 4);
	struct mn_int *y = mn_inserted(test, m, 'y', 2, 4);
	struct mn_int *z = mn_inserted(test, m, 'z', 3, 4);
	struct mn_sub *a = mn_registered(test, m, 'a');

	y->decline = true;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 4), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+4 y!4");
	expect_tree_at_rest(test, m, x);
	expect_tree_at_rest(test, m, y);
	expect_remove_ends(test, x);
	expect_remove_ends(test, y);
	expect_remove_ends(test, z);
	mn_unregister(a);
}

/* The worst defect of the base: begin and remove used to hang for ever. */
static void decline_by_the_hlist_ends_it_for_the_tree(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');

	a->error = -EAGAIN;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 b+1 a!1 b-1");
	expect_tree_at_rest(test, m, x);
	expect_remove_ends(test, x);
	mn_unregister(b);
	mn_unregister(a);
}

static void decline_by_the_hlist_where_no_interval_is_met(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_registered(test, m, 'a');

	a->error = -EAGAIN;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 9), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a!9");
	mn_whole_section(m, 1);
	expect_tree_at_rest(test, m, x);
	expect_remove_ends(test, x);
	mn_unregister(a);
}

static void decline_by_interval_and_hlist(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_registered(test, m, 'a');

	x->decline = true;
	a->error = -EAGAIN;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x!1");
	expect_tree_at_rest(test, m, x);
	expect_remove_ends(test, x);
	mn_unregister(a);
}

static void decline_within_another_section_keeps_that_open(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *begin = mn_thread(test, mn_read_begin, x);

	a->error = -EAGAIN;
	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	mn_thread_run(begin);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	expect_tree_at_rest(test, m, x);
	expect_remove_ends(test, x);
	mn_unregister(a);
}

static void exit_after_declined_sections_is_clean(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_registered(test, m, 'a');
	int i;

	a->error = -EAGAIN;
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	mn_heard(test);
	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "xR aR");
	expect_tree_at_rest(test, m, x);
	expect_remove_ends(test, x);
	mn_unregister(a);
}

/* The caller ignores the result and changes the page tables anyway. */
static void failing_invalidate_that_may_sleep_is_reported(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 4);
	struct mn_int *y = mn_inserted(test, m, 'y', 2, 4);
	struct mn_int *z = mn_inserted(test, m, 'z', 3, 4);
	struct mn_sub *a = mn_registered(test, m, 'a');

	y->decline_blockable = true;
	mn_expect_warning(MN_WARN_INVALIDATE_FAILS);
	mn_whole_section(m, 4);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+4 y!4 z+4 a+4 a-4");
	expect_tree_at_rest(test, m, x);
	mn_unregister(a);
	expect_remove_ends(test, x);
	expect_remove_ends(test, y);
	expect_remove_ends(test, z);
}

/* The end of the address space */

static void exit_invalidates_everything_once(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_inserted(test, m, 'y', 9, 1);

	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "xR yR");
	KUNIT_EXPECT_EQ(test, x->seen.event, MMU_NOTIFY_RELEASE);
	KUNIT_EXPECT_EQ(test, x->seen.start, 0);
	KUNIT_EXPECT_EQ(test, x->seen.end, ULONG_MAX);
	KUNIT_EXPECT_PTR_EQ(test, x->seen.mm, m->mm);
	KUNIT_EXPECT_TRUE(test, mmu_notifier_range_blockable(&x->seen));
	KUNIT_EXPECT_NULL(test, x->seen.owner);
	mn_remove(x);
	mn_remove(y);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), 1);
}

static void exit_makes_readers_retry(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	unsigned long seq = mmu_interval_read_begin(&x->mni);

	mn_exit(m);
	KUNIT_EXPECT_TRUE(test, mn_int_retry(x, seq));
	expect_tree_at_rest(test, m, x);
	expect_remove_ends(test, x);
}

static void exit_runs_both_passes(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted_two(test, m, 'x', 1, 1);

	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "xR x.R");
	expect_tree_at_rest(test, m, x);
	expect_remove_ends(test, x);
}

static void exit_tells_nobody_who_was_removed(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_inserted(test, m, 'y', 1, 1);

	mn_remove(x);
	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "yR");
	mn_remove(y);
}

static void exit_makes_the_remove_of_another_thread_wait(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_thread *exit, *remove;

	mn_gate_close(&x->at_invalidate);
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&x->at_invalidate));
	remove = mn_thread_start(test, mn_remove, x);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	mn_gate_open(&x->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "xR");
}

static struct kunit_case mn_invalidate_cases[] = {
	KUNIT_CASE(callback_sees_mm_range_event_and_owner),
	KUNIT_CASE(each_section_calls_those_that_it_overlaps),
	KUNIT_CASE(callback_sees_whether_it_may_sleep),
	KUNIT_CASE(sleeping_is_checked_where_it_is_forbidden),
	KUNIT_CASE(intervals_hear_before_the_hlist),
	KUNIT_CASE(second_pass_follows_all_of_the_first),
	KUNIT_CASE(second_pass_follows_the_first_of_many),
	KUNIT_CASE(second_pass_only_for_those_who_want_it),
	KUNIT_CASE(one_and_two_passes_mix),
	KUNIT_CASE(second_pass_comes_before_the_start_returns),
	KUNIT_CASE(second_pass_comes_also_when_a_later_one_declines),
	KUNIT_CASE(second_pass_comes_for_the_one_that_declines),
	KUNIT_CASE(second_pass_does_not_come_twice),
	KUNIT_CASE(second_pass_may_free_what_it_is_given),
	KUNIT_CASE(decline_by_an_interval_asks_nobody_else),
	KUNIT_CASE(decline_by_the_hlist_ends_it_for_the_tree),
	KUNIT_CASE(decline_by_the_hlist_where_no_interval_is_met),
	KUNIT_CASE(decline_by_interval_and_hlist),
	KUNIT_CASE(decline_within_another_section_keeps_that_open),
	KUNIT_CASE(exit_after_declined_sections_is_clean),
	KUNIT_CASE(failing_invalidate_that_may_sleep_is_reported),
	KUNIT_CASE(exit_invalidates_everything_once),
	KUNIT_CASE(exit_makes_readers_retry),
	KUNIT_CASE(exit_runs_both_passes),
	KUNIT_CASE(exit_tells_nobody_who_was_removed),
	KUNIT_CASE(exit_makes_the_remove_of_another_thread_wait),
	{}
};

static struct kunit_suite mn_invalidate_suite = {
	.name = "mmu_interval_notifier_invalidate",
	.init = mn_test_init,
	.test_cases = mn_invalidate_cases,
};

kunit_test_suite(mn_invalidate_suite);
