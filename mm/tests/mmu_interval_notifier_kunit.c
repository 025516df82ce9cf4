// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KUnit suite of the mmu_notifier: interval subscriptions
 *
 * Insert, remove and collision-retry: while no section runs, while one runs
 * that overlaps no interval, and while one runs that overlaps one. Intervals
 * are at page 1 and after, elsewhere is page 9. Slots have a suite of their
 * own.
 */

#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "../mmu_notifier_internal.h"
#include "mmu_notifier_kunit.h"

#define MN_ELSEWHERE	9

/* Many for one section, which collects MN_BATCH of them at a time */
#define MN_MANY		(2 * MN_BATCH + 3)

static struct mmu_notifier_subscriptions *subs_of(struct mn_mm *m)
{
	return m->mm->notifier_subscriptions;
}

/* Insert and remove */

static void insert_on_new_mm(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);

	mn_insert(x);
	KUNIT_ASSERT_EQ(test, x->ret, 0);
	KUNIT_EXPECT_PTR_EQ(test, x->mni.mm, m->mm);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_remove(x);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "");
}

static void insert_under_mmap_lock(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);

	mn_insert_locked(x);
	KUNIT_ASSERT_EQ(test, x->ret, 0);
	KUNIT_EXPECT_PTR_EQ(test, x->mni.mm, m->mm);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_remove(x);
}

static void insert_pins_the_mm_struct(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	int before = mn_mm_refs(m);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);

	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before + 1);
	mn_remove(x);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
}

static void insert_again_after_remove(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test), *other = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);

	mn_remove(x);
	x->m = other;
	x->first = 2;
	mn_insert(x);
	KUNIT_ASSERT_EQ(test, x->ret, 0);
	mn_whole_section(m, 1);
	mn_whole_section(other, 1);
	mn_whole_section(other, 2);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+2");
	mn_remove(x);
}

static void insert_beside_an_equal_one(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_inserted(test, m, 'y', 1, 1);

	mn_whole_section(m, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&x->calls), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&y->calls), 1);
	mn_remove(x);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&x->calls), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&y->calls), 2);
	mn_remove(y);
}

/* Drivers take a non-NULL ->mm as "is inserted", and then remove it. */
static void expect_insert_fails(struct kunit *test, unsigned long start,
				unsigned long length,
				const struct mmu_interval_notifier_ops *ops,
				int error)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);
	int before = mn_mm_refs(m), ret;

	x->mni.mm = m->mm;
	ret = mmu_interval_notifier_insert(&x->mni, m->mm, start, length, ops);
	KUNIT_EXPECT_EQ(test, ret, error);
	KUNIT_EXPECT_NULL(test, x->mni.mm);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
}

static void expect_insert_locked_fails(struct kunit *test, unsigned long start,
				       unsigned long length, int error)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);
	int before = mn_mm_refs(m), ret;

	x->mni.mm = m->mm;
	mmap_write_lock(m->mm);
	ret = mmu_interval_notifier_insert_locked(&x->mni, m->mm, start, length,
						  &mn_int_ops);
	mmap_write_unlock(m->mm);
	KUNIT_EXPECT_EQ(test, ret, error);
	KUNIT_EXPECT_NULL(test, x->mni.mm);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
}

static void insert_refuses_length_0(struct kunit *test)
{
	expect_insert_fails(test, mn_address(1), 0, &mn_int_ops, -EOVERFLOW);
	expect_insert_fails(test, 0, 0, &mn_int_ops, -EOVERFLOW);
	expect_insert_locked_fails(test, mn_address(1), 0, -EOVERFLOW);
}

static void insert_refuses_a_range_that_wraps(struct kunit *test)
{
	expect_insert_fails(test, -PAGE_SIZE, 2 * PAGE_SIZE, &mn_int_ops,
			    -EOVERFLOW);
	expect_insert_locked_fails(test, -PAGE_SIZE, 2 * PAGE_SIZE, -EOVERFLOW);
}

static void insert_refuses_ops_without_callbacks(struct kunit *test)
{
	static const struct mmu_interval_notifier_ops none;

	mn_expect_warning(MN_WARN_INSERT_OPS);
	expect_insert_fails(test, mn_address(1), PAGE_SIZE, &none, -EINVAL);
}

static void insert_refuses_half_of_two_passes(struct kunit *test)
{
	struct mmu_interval_notifier_ops half = mn_int_ops_two;

	half.invalidate_finish = NULL;
	mn_expect_warning(MN_WARN_INSERT_OPS);
	expect_insert_fails(test, mn_address(1), PAGE_SIZE, &half, -EINVAL);
}

static void insert_takes_a_range_up_to_the_last_address(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);
	struct mmu_notifier_range range;
	int ret;

	ret = mmu_interval_notifier_insert(&x->mni, m->mm, -PAGE_SIZE,
					   PAGE_SIZE, &mn_int_ops);
	KUNIT_ASSERT_EQ(test, ret, 0);
	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, m->mm, 0,
				ULONG_MAX);
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(&range);
	mn_end(&range);
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&x->calls), 1);
	mn_remove(x);
}

static void insert_after_a_failed_one(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 0);

	mn_insert(x);
	KUNIT_ASSERT_EQ(test, x->ret, -EOVERFLOW);
	x->pages = 1;
	mn_insert(x);
	KUNIT_ASSERT_EQ(test, x->ret, 0);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_remove(x);
}

/* The memory need not be initialised; its content is ignored. */
static void insert_into_memory_that_was_used(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);
	struct mn_int *y = mn_inserted(test, m, 'y', 1, 1);
	unsigned long seq;
	int ret;

	memset(&x->mni, 0xa5, sizeof(x->mni));
	ret = mmu_interval_notifier_insert(&x->mni, m->mm, mn_address(1),
					   PAGE_SIZE, &mn_int_ops);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_EXPECT_PTR_EQ(test, x->mni.ops, &mn_int_ops);
	KUNIT_EXPECT_EQ(test, x->mni.cursors, 0);
	seq = mmu_interval_read_begin(&x->mni);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "y+1 x+1");
	KUNIT_EXPECT_TRUE(test, mn_int_retry(x, seq));
	mn_remove(x);
	mn_remove(y);
}

static void insert_refuses_an_mm_without_users(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);

	mn_exit(m);
	mn_expect_warning(MN_WARN_FIRST_INSERT_NO_USERS);
	mn_insert(x);
	KUNIT_EXPECT_EQ(test, x->ret, -EINVAL);
	KUNIT_EXPECT_NULL(test, x->mni.mm);
}

static void insert_refuses_an_mm_that_has_lost_its_users(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_int(test, m, 'y', 1, 1);

	mn_exit(m);
	mn_expect_warning(MN_WARN_INSERT_NO_USERS);
	mn_insert(y);
	KUNIT_EXPECT_EQ(test, y->ret, -EINVAL);
	KUNIT_EXPECT_NULL(test, y->mni.mm);
	mn_remove(x);
}

/*
 * The interval has no mm, which the driver may not have noticed. This runs in a
 * thread, which dies where this is a defect.
 */
static void begin_without_insert_warns_and_makes_retry(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);
	struct mn_thread *begin;

	mn_expect_warning(MN_WARN_READ_NO_MM);
	begin = mn_thread_start(test, mn_read_begin, x);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_TRUE(test, mmu_interval_check_retry(&x->mni, x->seq));
	KUNIT_EXPECT_TRUE(test, mn_int_retry(x, x->seq));
}

static void begin_after_a_failed_insert_makes_retry(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 0);
	struct mn_thread *begin;

	mn_insert(x);
	KUNIT_ASSERT_EQ(test, x->ret, -EOVERFLOW);
	mn_expect_warning(MN_WARN_READ_NO_MM);
	begin = mn_thread_start(test, mn_read_begin, x);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_TRUE(test, mn_int_retry(x, x->seq));
}

static void remove_without_insert_warns_and_does_nothing(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_int(test, m, 'y', 1, 1);
	int before = mn_mm_refs(m);

	mn_expect_warning(MN_WARN_REMOVE_NO_MM);
	mn_remove(y);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_remove(x);
}

static void remove_twice_warns_and_does_nothing(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_inserted(test, m, 'y', 1, 1);
	int before;

	mn_remove(x);
	before = mn_mm_refs(m);
	mn_expect_warning(MN_WARN_REMOVE_TWICE);
	mn_remove(x);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "y+1");
	mn_remove(y);
}

/* Which sections overlap an interval, here of the pages 4 to 7 */

struct overlap {
	unsigned int offset, length;	/* from page 0, in bytes */
	bool meets;
	const char *desc;
};

#define MN_PAGES(n)	((n) * PAGE_SIZE)

static const struct overlap overlaps[] = {
	{ MN_PAGES(2), MN_PAGES(1), false, "apart, before" },
	{ MN_PAGES(3), MN_PAGES(1), false, "ends right before" },
	{ MN_PAGES(3), MN_PAGES(1) + 1, true, "covers the first byte" },
	{ MN_PAGES(4), 1, true, "is the first byte" },
	{ MN_PAGES(4), MN_PAGES(4), true, "is equal" },
	{ MN_PAGES(5), MN_PAGES(1), true, "is inside" },
	{ MN_PAGES(2), MN_PAGES(9), true, "covers it" },
	{ MN_PAGES(8) - 1, 1, true, "is the last byte" },
	{ MN_PAGES(8) - 1, MN_PAGES(2), true, "covers the last byte" },
	{ MN_PAGES(8), MN_PAGES(1), false, "begins right after" },
	{ MN_PAGES(9), MN_PAGES(1), false, "apart, after" },
};

KUNIT_ARRAY_PARAM_DESC(overlap, overlaps, desc);

static void sections_reach_the_intervals_that_they_meet(struct kunit *test)
{
	const struct overlap *overlap = test->param_value;
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 4, 4);
	struct mmu_notifier_range range;
	unsigned long start = mn_address(0) + overlap->offset;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, m->mm, start,
				start + overlap->length);
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(&range);
	mn_end(&range);
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&x->calls), overlap->meets ? 1 : 0);
	mn_remove(x);
}

static void sections_reach_all_intervals_that_they_meet(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *subs[16];
	struct mmu_notifier_range range;
	int i;

	/* Every second page */
	for (i = 0; i < ARRAY_SIZE(subs); i++)
		subs[i] = mn_inserted(test, m, 'x', 2 * i, 1);
	mn_range(&range, m, 5, 12);
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(&range);
	mn_end(&range);
	mmap_read_unlock(m->mm);
	for (i = 0; i < ARRAY_SIZE(subs); i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&subs[i]->calls),
				2 * i >= 5 && 2 * i < 17);
		mn_remove(subs[i]);
	}
}

/*
 * All of them begin at the same address. Every second one is too short, or all
 * others begin right behind the section: none of these is called, in whichever
 * batch.
 */
static void sections_reach_no_others_among_many(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *met[2 * MN_BATCH], *other[2 * MN_BATCH];
	int i;

	for (i = 0; i < ARRAY_SIZE(met); i++) {
		met[i] = mn_inserted(test, m, 'x', 0, 6);
		other[i] = mn_inserted(test, m, 'y', i < MN_BATCH ? 0 : 6, 1);
	}
	mn_whole_section(m, 5);
	for (i = 0; i < ARRAY_SIZE(met); i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&met[i]->calls), 1);
		KUNIT_EXPECT_EQ(test, atomic_read(&other[i]->calls), 0);
		mn_remove(met[i]);
		mn_remove(other[i]);
	}
}

/* The first one behind a full batch */
static void sections_reach_no_neighbour_of_a_full_batch(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *met[MN_BATCH], *other;
	int i;

	for (i = 0; i < ARRAY_SIZE(met); i++)
		met[i] = mn_inserted(test, m, 'x', 0, 6);
	other = mn_inserted(test, m, 'y', 0, 1);
	mn_whole_section(m, 5);
	KUNIT_EXPECT_EQ(test, atomic_read(&other->calls), 0);
	mn_remove(other);
	other = mn_inserted(test, m, 'y', 6, 1);
	mn_whole_section(m, 5);
	KUNIT_EXPECT_EQ(test, atomic_read(&other->calls), 0);
	mn_remove(other);
	for (i = 0; i < ARRAY_SIZE(met); i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&met[i]->calls), 2);
		mn_remove(met[i]);
	}
}

/* Collision-retry */

static void read_without_invalidation_needs_no_retry(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	unsigned long seq = mmu_interval_read_begin(&x->mni);

	/* Drivers may use 0 for "no sequence". */
	KUNIT_EXPECT_NE(test, seq, 0);
	KUNIT_EXPECT_FALSE(test, mmu_interval_check_retry(&x->mni, seq));
	KUNIT_EXPECT_FALSE(test, mn_int_retry(x, seq));
	mn_remove(x);
}

static void invalidation_after_begin_makes_retry(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	unsigned long seq = mmu_interval_read_begin(&x->mni);

	mn_whole_section(m, 1);
	KUNIT_EXPECT_TRUE(test, mmu_interval_check_retry(&x->mni, seq));
	KUNIT_EXPECT_TRUE(test, mn_int_retry(x, seq));

	/* The second attempt succeeds. */
	seq = mmu_interval_read_begin(&x->mni);
	KUNIT_EXPECT_FALSE(test, mmu_interval_check_retry(&x->mni, seq));
	KUNIT_EXPECT_FALSE(test, mn_int_retry(x, seq));
	mn_remove(x);
}

static void invalidation_before_begin_makes_no_retry(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	unsigned long seq;

	mn_whole_section(m, 1);
	seq = mmu_interval_read_begin(&x->mni);
	KUNIT_EXPECT_FALSE(test, mn_int_retry(x, seq));
	mn_remove(x);
}

static void invalidation_elsewhere_makes_no_retry(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_inserted(test, m, 'y', 2, 1);
	unsigned long seq = mmu_interval_read_begin(&x->mni);

	mn_whole_section(m, 2);
	mn_whole_section(m, MN_ELSEWHERE);
	KUNIT_EXPECT_FALSE(test, mmu_interval_check_retry(&x->mni, seq));
	KUNIT_EXPECT_FALSE(test, mn_int_retry(x, seq));
	mn_remove(y);
	mn_remove(x);
}

/* Also while the section is open: the driver must not use what it read. */
static void retry_is_seen_as_soon_as_invalidate_has_run(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	unsigned long seq = mmu_interval_read_begin(&x->mni);
	struct mmu_notifier_range range;

	mmap_read_lock(m->mm);
	mn_start(&range, m, 1);
	KUNIT_EXPECT_TRUE(test, mmu_interval_check_retry(&x->mni, seq));
	KUNIT_EXPECT_TRUE(test, mn_int_retry(x, seq));
	mn_end(&range);
	mmap_read_unlock(m->mm);
	mn_remove(x);
}

static void every_invalidation_has_a_sequence_of_its_own(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	unsigned long last = 0;
	int i;

	for (i = 0; i < 10; i++) {
		mn_whole_section(m, 1);
		KUNIT_EXPECT_NE(test, x->seq, last);
		last = x->seq;
	}
	mn_remove(x);
}

static void begin_waits_for_the_section_that_it_meets(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *begin = mn_thread(test, mn_read_begin, x);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_thread_run(begin);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_FALSE(test, mn_int_retry(x, x->seq));
	mn_remove(x);
}

static void begin_waits_for_all_overlapping_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *one = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_section *two = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *begin = mn_thread(test, mn_read_begin, x);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(one));
	KUNIT_EXPECT_TRUE(test, mn_section_begins(two));
	mn_thread_run(begin);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(one));
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(two));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	mn_remove(x);
}

static void begin_does_not_wait_for_sections_elsewhere(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_inserted(test, m, 'y', 2, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 2);
	struct mn_thread *begin = mn_thread(test, mn_read_begin, x);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_thread_run(begin);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_FALSE(test, mn_int_retry(x, x->seq));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	mn_remove(y);
	mn_remove(x);
}

/* As happens where they follow one another without a pause */
static void begin_is_not_starved_by_sections_elsewhere(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_inserted(test, m, 'y', 2, 1);
	struct mn_section *elsewhere = mn_section(test, m, MN_MMAP_READ, 2);
	struct mn_section *here = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *begin = mn_thread(test, mn_read_begin, x);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(elsewhere));
	KUNIT_EXPECT_TRUE(test, mn_section_begins(here));
	mn_thread_run(begin);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(here));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_FALSE(test, mn_int_retry(x, x->seq));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(elsewhere));
	mn_remove(y);
	mn_remove(x);
}

static void begin_waits_for_the_sections_that_it_meets(struct kunit *test)
{
	const struct overlap *overlap = test->param_value;
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 4, 4);
	struct mn_thread *begin = mn_thread(test, mn_read_begin, x);
	unsigned long start = mn_address(0) + overlap->offset;
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, m->mm, start,
				start + overlap->length);
	mmap_read_lock(m->mm);
	mmu_notifier_invalidate_range_start(&range);
	mn_thread_run(begin);
	if (overlap->meets)
		KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	else
		KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	mn_end(&range);
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	mn_remove(x);
}

/* In whichever slot it is */
static void begin_waits_for_the_section_in_any_slot(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	unsigned int i, nr = subs_of(m)->nr_slots;
	struct mn_section *elsewhere[MN_SLOTS_MAX];

	for (i = 0; i < nr; i++) {
		struct mn_section *here = mn_section(test, m, MN_MMAP_READ, 1);
		struct mn_thread *begin = mn_thread(test, mn_read_begin, x);

		KUNIT_EXPECT_TRUE(test, mn_section_begins(here));
		KUNIT_EXPECT_EQ(test, mn_sections_open(m), i + 1);
		KUNIT_EXPECT_EQ(test, subs_of(m)->unslotted, 0);
		mn_thread_run(begin);
		KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
		KUNIT_EXPECT_TRUE(test, mn_section_ends(here));
		KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
		elsewhere[i] = mn_section(test, m, MN_MMAP_READ, MN_ELSEWHERE);
		KUNIT_EXPECT_TRUE(test, mn_section_begins(elsewhere[i]));
	}
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_TRUE(test, mn_section_ends(elsewhere[i]));
	mn_remove(x);
}

/* The first one may still run when the last one is over. */
static void begin_waits_for_the_oldest_section(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *old = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *begin = mn_thread(test, mn_read_begin, x);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(old));
	mn_whole_section(m, 1);
	mn_whole_section(m, MN_ELSEWHERE);
	mn_thread_run(begin);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	/* The end wakes it, too. */
	mn_whole_section(m, MN_ELSEWHERE);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(old));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	mn_remove(x);
}

/* Such sections make the reader retry; waiting for them would have no end. */
static void begin_does_not_wait_for_sections_that_come_later(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *one = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_section *two = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *begin = mn_thread(test, mn_read_begin, x);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(one));
	mn_thread_run(begin);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	KUNIT_EXPECT_TRUE(test, mn_section_begins(two));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(one));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_TRUE(test, mn_int_retry(x, x->seq));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(two));
	mn_remove(x);
}

/*
 * A slot counts its sections: test the last number before it wraps, and the
 * first one after.
 */
static void counts_of_slots_may_wrap(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mmu_notifier_subscriptions *subs = subs_of(m);
	unsigned int i, rounds = 3 * subs->nr_slots;
	unsigned long seq;

	for (i = 0; i < subs->nr_slots; i++)
		subs->slot[i].state = ~MN_SLOT_ALL - MN_SLOT_ONE;
	subs->used = GENMASK(subs->nr_slots - 1, 0);
	for (i = 0; i < rounds; i++) {
		struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
		struct mn_thread *begin = mn_thread(test, mn_read_begin, x);

		KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
		mn_whole_section(m, MN_ELSEWHERE);
		mn_thread_run(begin);
		KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
		KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
		KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
		seq = x->seq;
		KUNIT_EXPECT_FALSE(test, mn_int_retry(x, seq));
		mn_whole_section(m, 1);
		KUNIT_EXPECT_TRUE(test, mn_int_retry(x, seq));
	}
	mn_heard(test);
	mn_remove(x);
}

/* Insert and remove while sections are active */

/* The section did not call the interval, so a reader must wait for its end. */
static void insert_in_a_section_makes_begin_wait(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_int(test, m, 'y', 2, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 2);
	struct mn_thread *begin = mn_thread(test, mn_read_begin, y);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_insert(y);
	KUNIT_EXPECT_EQ(test, y->ret, 0);
	KUNIT_EXPECT_PTR_EQ(test, y->mni.mm, m->mm);
	mn_thread_run(begin);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_FALSE(test, mn_int_retry(y, y->seq));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "");
	mn_whole_section(m, 2);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "y+2");
	mn_remove(y);
	mn_remove(x);
}

/* Also for an interval beside one that a section has already found */
static void insert_in_a_section_hears_new_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_int(test, m, 'y', 2, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *begin = mn_thread(test, mn_read_begin, y);
	unsigned long seq;

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_insert(y);
	mn_thread_run(begin);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	seq = y->seq;
	KUNIT_EXPECT_FALSE(test, mn_int_retry(y, seq));
	mn_whole_section(m, 2);
	KUNIT_EXPECT_TRUE(test, mn_int_retry(y, seq));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 y+2");
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	mn_remove(y);
	mn_remove(x);
}

/* The tree changes while a section is in the callback of another one. */
static void insert_and_remove_beside_a_callback(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_inserted(test, m, 'y', 2, 1);
	struct mn_int *z = mn_int(test, m, 'z', 2, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *insert = mn_thread(test, mn_insert, z);
	struct mn_thread *remove = mn_thread(test, mn_remove, y);

	mn_gate_close(&x->at_invalidate);
	mn_thread_run(section->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&x->at_invalidate));
	mn_thread_run(insert);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(insert));
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	mn_whole_section(m, 2);
	mn_gate_open(&x->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 z+2");
	mn_remove(z);
	mn_remove(x);
}

static void remove_while_idle_does_not_wait(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_thread *remove = mn_thread_start(test, mn_remove, x);

	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "");
}

/* Its memory may be freed right after. */
static void remove_waits_for_its_own_callback(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *remove = mn_thread(test, mn_remove, x);

	mn_gate_close(&x->at_invalidate);
	mn_gate_open(&section->open);
	mn_thread_run(section->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&x->at_invalidate));
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	mn_gate_open(&x->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(section->thread));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
}

/* The second one is a defect of the driver: it warns, and does not wait. */
static void remove_twice_at_once_warns_and_does_nothing(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *remove = mn_thread(test, mn_remove, x);
	struct mn_thread *again = mn_thread(test, mn_remove, x);
	int before = mn_mm_refs(m);

	mn_gate_close(&x->at_invalidate);
	mn_thread_run(section->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&x->at_invalidate));
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	mn_expect_warning(MN_WARN_REMOVE_TWICE);
	mn_thread_run(again);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(again));
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
	mn_gate_open(&x->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before - 1);
}

/* And those behind it are called. */
static void sections_pass_over_one_that_leaves(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 0, 2);
	struct mn_int *y = mn_inserted(test, m, 'y', 1, 2);
	struct mn_int *z = mn_inserted(test, m, 'z', 2, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *remove = mn_thread(test, mn_remove, y);

	mn_gate_close(&x->at_invalidate);
	mn_thread_run(section->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&x->at_invalidate));
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	mn_whole_section(m, 2);
	mn_gate_open(&x->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 z+2 y+1");
	mn_remove(x);
	mn_remove(z);
}

/* Two sections have collected it, and one ends after the other. */
static void remove_waits_for_all_sections_that_call_it(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *y = mn_inserted(test, m, 'y', 0, 2);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 2);
	struct mn_section *one = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_section *two = mn_section(test, m, MN_MMAP_READ, 2);
	struct mn_thread *remove = mn_thread(test, mn_remove, x);

	mn_gate_close(&y->at_invalidate);
	mn_gate_close(&x->at_invalidate);
	mn_thread_run(one->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&y->at_invalidate));
	mn_thread_run(two->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&x->at_invalidate));
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	mn_gate_open(&x->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(two));
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	mn_gate_open(&y->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(one));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "y+1 x+2 x+1");
	mn_remove(y);
}

/* The finish that it returned points into the interval. */
static void remove_waits_for_its_second_pass(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted_two(test, m, 'x', 0, 2);
	struct mn_int *y = mn_inserted(test, m, 'y', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *remove = mn_thread(test, mn_remove, x);

	x->second = true;
	mn_gate_close(&y->at_invalidate);
	mn_thread_run(section->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&y->at_invalidate));
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	mn_gate_open(&y->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 y+1 x.1");
	mn_remove(y);
}

/* Also while the second pass runs, when everything else is done */
static void remove_waits_for_the_end_of_its_second_pass(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted_two(test, m, 'x', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *remove = mn_thread(test, mn_remove, x);

	mn_gate_close(&x->at_finish);
	mn_thread_run(section->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&x->at_finish));
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	mn_gate_open(&x->at_finish);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
}

static void remove_locked(void *data)
{
	struct mn_int *x = data;

	mmap_write_lock(x->m->mm);
	mn_remove(x);
	mmap_write_unlock(x->m->mm);
}

/* Sections do not wait for a removal between their start and end. */
static void remove_under_mmap_lock(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *remove = mn_thread(test, remove_locked, x);

	mn_gate_close(&x->at_invalidate);
	mn_thread_run(section->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&x->at_invalidate));
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	mn_gate_open(&x->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
}

/*
 * New sections skip an interval that is being removed: otherwise its removal
 * might never end.
 */
static void remove_is_not_starved_by_new_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *remove = mn_thread(test, mn_remove, x);

	mn_gate_close(&x->at_invalidate);
	mn_thread_run(section->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&x->at_invalidate));
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	mn_whole_section(m, 1);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	mn_gate_open(&x->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
}

static void remove_of_one_inserted_in_a_section(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_int(test, m, 'y', 2, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *remove = mn_thread(test, mn_remove, y);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_insert(y);
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	mn_whole_section(m, 2);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_remove(x);
}

/* Many for one section */

struct many_param {
	const char *name;
	unsigned int first;	/* held up in its callback */
	unsigned int removed;	/* meanwhile */
	bool called;
};

static const struct many_param many_params[] = {
	{ "the one that is called", 2, 2, true },
	{ "one that was called", 2, 1, true },
	{ "the next one", 2, 3, true },
	{ "the last one of the batch", 2, MN_BATCH - 1, true },
	{ "the first one behind the batch", 2, MN_BATCH, false },
	{ "the last one of all", 2, MN_MANY - 1, false },
	{ "the last one of a batch, which is called",
	  MN_BATCH - 1, MN_BATCH - 1, true },
	{ "one behind it", MN_BATCH - 1, MN_BATCH, false },
	{ "the last one of the batch before", MN_BATCH, MN_BATCH - 1, true },
	{ "the last one of the second batch", MN_BATCH, 2 * MN_BATCH - 1, true },
	{ "one of the last batch", MN_MANY - 1, MN_MANY - 2, true },
};

KUNIT_ARRAY_PARAM_DESC(many, many_params, name);

/*
 * Equal intervals stand in the tree as they were inserted. The section overlaps
 * all of them, so remove waits for its end, whether or not it calls the one
 * removed.
 */
static void remove_one_of_many_beside_a_callback(struct kunit *test)
{
	const struct many_param *param = test->param_value;
	struct mn_mm *m = mn_mm(test);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *remove;
	struct mn_int *many[MN_MANY];
	int i;

	for (i = 0; i < MN_MANY; i++)
		many[i] = mn_inserted(test, m, 'x', 1, 1);
	remove = mn_thread(test, mn_remove, many[param->removed]);
	mn_gate_close(&many[param->first]->at_invalidate);
	mn_thread_run(section->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&many[param->first]->at_invalidate));
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	mn_gate_open(&many[param->first]->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	for (i = 0; i < MN_MANY; i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&many[i]->calls),
				i != param->removed || param->called);
		if (i != param->removed)
			mn_remove(many[i]);
	}
	KUNIT_EXPECT_TRUE(test, mn_itree_idle(subs_of(m)));
}

/*
 * A section goes on from the last interval of a batch, its cursor, which is
 * removed meanwhile, as is the one before it and the one behind. The cursor stays
 * in the tree until then, and a second remove has to notice that all the same.
 */
static void remove_around_the_cursor(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *removes[3], *again;
	struct mn_int *many[MN_MANY];
	int i;

	/* The first one, at which the section is held up, is for this one alone. */
	for (i = 0; i < MN_MANY; i++)
		many[i] = mn_inserted(test, m, 'x', 1, i ? 2 : 1);
	for (i = 0; i < 3; i++)
		removes[i] = mn_thread(test, mn_remove, many[MN_BATCH - 2 + i]);
	again = mn_thread(test, mn_remove, many[MN_BATCH - 1]);
	mn_gate_close(&many[0]->at_invalidate);
	mn_thread_run(section->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&many[0]->at_invalidate));
	for (i = 0; i < 3; i++) {
		mn_thread_run(removes[i]);
		KUNIT_EXPECT_TRUE(test, mn_thread_blocked(removes[i]));
	}
	mn_expect_warning(MN_WARN_REMOVE_TWICE);
	mn_thread_run(again);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(again));
	/* An interval that is being removed does not become a cursor. */
	mn_whole_section(m, 2);
	mn_gate_open(&many[0]->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_TRUE(test, mn_thread_ends(removes[i]));
	for (i = 0; i < MN_MANY; i++) {
		bool removed = i >= MN_BATCH - 2 && i <= MN_BATCH;

		KUNIT_EXPECT_EQ(test, atomic_read(&many[i]->calls),
				removed || !i ? i < MN_BATCH : 2);
		if (!removed)
			mn_remove(many[i]);
	}
	KUNIT_EXPECT_TRUE(test, mn_itree_idle(subs_of(m)));
}

/*
 * One section has called the new interval; another one, which was already
 * walking the tree, comes to it afterwards. The reader must not miss what the
 * second one stores.
 */
static void insert_before_a_section_that_comes_late(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_section *late = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_section *other = mn_section(test, m, MN_MMAP_READ, 2);
	struct mn_int *x = mn_int(test, m, 'x', 1, 2);
	struct mn_thread *begin = mn_thread(test, mn_read_begin, x);
	struct mn_int *many[MN_BATCH];
	int i;

	for (i = 0; i < MN_BATCH; i++)
		many[i] = mn_inserted(test, m, 'y', 1, 1);
	mn_gate_close(&many[0]->at_invalidate);
	mn_thread_run(late->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&many[0]->at_invalidate));
	mn_insert(x);
	mn_thread_run(begin);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	KUNIT_EXPECT_TRUE(test, mn_section_begins(other));
	mn_gate_open(&many[0]->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(late));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_EQ(test, atomic_read(&x->calls), 2);
	KUNIT_EXPECT_TRUE(test, mn_int_retry(x, x->seq));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(other));
	for (i = 0; i < MN_BATCH; i++)
		mn_remove(many[i]);
	mn_remove(x);
}

static void decline_by_one_of_many(struct kunit *test)
{
	const struct many_param *param = test->param_value;
	struct mn_mm *m = mn_mm(test);
	struct mn_int *many[MN_MANY];
	int i;

	for (i = 0; i < MN_MANY; i++)
		many[i] = mn_inserted(test, m, 'x', 1, 1);
	many[param->removed]->decline = true;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	for (i = 0; i < MN_MANY; i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&many[i]->calls),
				i <= param->removed);
		KUNIT_EXPECT_EQ(test, many[i]->mni.cursors, 0);
	}
	KUNIT_EXPECT_EQ(test, mn_sections_open(m), 0);
	for (i = 0; i < MN_MANY; i++)
		mn_remove(many[i]);
}

static void tree_is_idle_again_after_everything(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);

	mn_whole_section(m, 1);
	mn_whole_section(m, MN_ELSEWHERE);
	mn_whole_section_nonblock(m, 1);
	KUNIT_EXPECT_EQ(test, mn_sections_open(m), 0);
	mn_remove(x);
	KUNIT_EXPECT_TRUE(test, mn_itree_idle(subs_of(m)));
}

/* The core asks this when the mm is freed, so as to report what is left. */
static void tree_is_not_idle_with_anything_left(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mmu_notifier_subscriptions *subs = subs_of(m);

	KUNIT_EXPECT_FALSE(test, mn_itree_idle(subs));
	mn_remove(x);
	KUNIT_EXPECT_TRUE(test, mn_itree_idle(subs));
	subs->slot[subs->nr_slots - 1].state ^= MN_SLOT_OPEN;
	KUNIT_EXPECT_FALSE(test, mn_itree_idle(subs));
	subs->slot[subs->nr_slots - 1].state ^= MN_SLOT_OPEN | MN_SLOT_LOOKING;
	KUNIT_EXPECT_FALSE(test, mn_itree_idle(subs));
	subs->slot[subs->nr_slots - 1].state ^= MN_SLOT_LOOKING;
	subs->unslotted = 1;
	KUNIT_EXPECT_FALSE(test, mn_itree_idle(subs));
	subs->unslotted = 0;
	KUNIT_EXPECT_TRUE(test, mn_itree_idle(subs));
}

/* Many at once: a device that reads while its pages are invalidated */

#define MN_READS	2000

struct mirror {
	struct mn_mm *m;
	struct mn_int *x;
	bool stop;
	unsigned long version;	/* stands for the page table */
	int stale;
	int good;
};

static void mirror_invalidates(void *arg)
{
	struct mirror *mirror = arg;
	struct mmu_notifier_range range;

	while (!READ_ONCE(mirror->stop)) {
		mmap_read_lock(mirror->m->mm);
		mn_start(&range, mirror->m, 1);
		WRITE_ONCE(mirror->version, mirror->version + 1);
		mn_end(&range);
		mmap_read_unlock(mirror->m->mm);
		cond_resched();
	}
}

/* Once it holds the lock of the driver, no section can come in between. */
static void mirror_reads_once(struct mirror *mirror)
{
	struct mn_int *x = mirror->x;
	unsigned long seq, version;

	seq = mmu_interval_read_begin(&x->mni);
	version = READ_ONCE(mirror->version);
	spin_lock(&x->lock);
	if (!mmu_interval_read_retry(&x->mni, seq)) {
		mirror->good++;
		mirror->stale += version != READ_ONCE(mirror->version);
	}
	spin_unlock(&x->lock);
}

static void mirror_reads(void *arg)
{
	struct mirror *mirror = arg;
	int i;

	for (i = 0; i < MN_READS; i++) {
		mirror_reads_once(mirror);
		cond_resched();
	}
	WRITE_ONCE(mirror->stop, true);
}

static void reader_never_uses_what_was_invalidated(struct kunit *test)
{
	struct mirror *mirror = mn_alloc(test, sizeof(*mirror));
	struct mn_thread *reads, *invalidates;

	mirror->m = mn_mm(test);
	mirror->x = mn_inserted(test, mirror->m, 'x', 1, 1);
	reads = mn_thread(test, mirror_reads, mirror);
	invalidates = mn_thread(test, mirror_invalidates, mirror);
	mn_thread_run(reads);
	mn_thread_run(invalidates);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(reads));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(invalidates));
	KUNIT_EXPECT_EQ(test, mirror->stale, 0);
	KUNIT_EXPECT_GT(test, mirror->good, 0);
	mn_remove(mirror->x);
}

static void churn_intervals(void *arg)
{
	struct mn_int *x = arg;
	int i;

	for (i = 0; i < MN_READS && !x->ret; i++) {
		mn_insert(x);
		mn_remove(x);
		cond_resched();
	}
}

static void inserts_and_removes_race_with_sections(struct kunit *test)
{
	struct mirror *mirror = mn_alloc(test, sizeof(*mirror));
	struct mn_thread *churns[2], *invalidates;
	struct mn_int *subs[2];
	int i;

	mirror->m = mn_mm(test);
	mirror->x = mn_inserted(test, mirror->m, 'x', 1, 1);
	for (i = 0; i < ARRAY_SIZE(subs); i++) {
		subs[i] = mn_int(test, mirror->m, 'y', i, 2);
		churns[i] = mn_thread(test, churn_intervals, subs[i]);
	}
	invalidates = mn_thread_start(test, mirror_invalidates, mirror);
	for (i = 0; i < ARRAY_SIZE(subs); i++)
		mn_thread_run(churns[i]);
	for (i = 0; i < ARRAY_SIZE(subs); i++) {
		KUNIT_EXPECT_TRUE(test, mn_thread_ends(churns[i]));
		KUNIT_EXPECT_EQ(test, subs[i]->ret, 0);
	}
	WRITE_ONCE(mirror->stop, true);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(invalidates));
	mn_remove(mirror->x);
	KUNIT_EXPECT_TRUE(test, mn_itree_idle(subs_of(mirror->m)));
}

static struct kunit_case mn_interval_cases[] = {
	KUNIT_CASE(insert_on_new_mm),
	KUNIT_CASE(insert_under_mmap_lock),
	KUNIT_CASE(insert_pins_the_mm_struct),
	KUNIT_CASE(insert_again_after_remove),
	KUNIT_CASE(insert_beside_an_equal_one),
	KUNIT_CASE(insert_refuses_length_0),
	KUNIT_CASE(insert_refuses_a_range_that_wraps),
	KUNIT_CASE(insert_refuses_ops_without_callbacks),
	KUNIT_CASE(insert_refuses_half_of_two_passes),
	KUNIT_CASE(insert_takes_a_range_up_to_the_last_address),
	KUNIT_CASE(insert_after_a_failed_one),
	KUNIT_CASE(insert_into_memory_that_was_used),
	KUNIT_CASE(insert_refuses_an_mm_without_users),
	KUNIT_CASE(insert_refuses_an_mm_that_has_lost_its_users),
	KUNIT_CASE(begin_without_insert_warns_and_makes_retry),
	KUNIT_CASE(begin_after_a_failed_insert_makes_retry),
	KUNIT_CASE(remove_without_insert_warns_and_does_nothing),
	KUNIT_CASE(remove_twice_warns_and_does_nothing),
	KUNIT_CASE_PARAM(sections_reach_the_intervals_that_they_meet,
			 overlap_gen_params),
	KUNIT_CASE(sections_reach_all_intervals_that_they_meet),
	KUNIT_CASE(sections_reach_no_others_among_many),
	KUNIT_CASE(sections_reach_no_neighbour_of_a_full_batch),
	KUNIT_CASE(read_without_invalidation_needs_no_retry),
	KUNIT_CASE(invalidation_after_begin_makes_retry),
	KUNIT_CASE(invalidation_before_begin_makes_no_retry),
	KUNIT_CASE(invalidation_elsewhere_makes_no_retry),
	KUNIT_CASE(retry_is_seen_as_soon_as_invalidate_has_run),
	KUNIT_CASE(every_invalidation_has_a_sequence_of_its_own),
	KUNIT_CASE(begin_waits_for_the_section_that_it_meets),
	KUNIT_CASE(begin_waits_for_all_overlapping_sections),
	KUNIT_CASE(begin_does_not_wait_for_sections_elsewhere),
	KUNIT_CASE(begin_is_not_starved_by_sections_elsewhere),
	KUNIT_CASE_PARAM(begin_waits_for_the_sections_that_it_meets,
			 overlap_gen_params),
	KUNIT_CASE(begin_waits_for_the_section_in_any_slot),
	KUNIT_CASE(begin_waits_for_the_oldest_section),
	KUNIT_CASE(begin_does_not_wait_for_sections_that_come_later),
	KUNIT_CASE(counts_of_slots_may_wrap),
	KUNIT_CASE(insert_in_a_section_makes_begin_wait),
	KUNIT_CASE(insert_in_a_section_hears_new_sections),
	KUNIT_CASE(insert_and_remove_beside_a_callback),
	KUNIT_CASE(remove_while_idle_does_not_wait),
	KUNIT_CASE(remove_waits_for_its_own_callback),
	KUNIT_CASE(remove_twice_at_once_warns_and_does_nothing),
	KUNIT_CASE(sections_pass_over_one_that_leaves),
	KUNIT_CASE(remove_waits_for_all_sections_that_call_it),
	KUNIT_CASE(remove_waits_for_its_second_pass),
	KUNIT_CASE(remove_waits_for_the_end_of_its_second_pass),
	KUNIT_CASE(remove_under_mmap_lock),
	KUNIT_CASE(remove_is_not_starved_by_new_sections),
	KUNIT_CASE(remove_of_one_inserted_in_a_section),
	KUNIT_CASE_PARAM(remove_one_of_many_beside_a_callback,
			 many_gen_params),
	KUNIT_CASE(remove_around_the_cursor),
	KUNIT_CASE(insert_before_a_section_that_comes_late),
	KUNIT_CASE_PARAM(decline_by_one_of_many, many_gen_params),
	KUNIT_CASE(tree_is_idle_again_after_everything),
	KUNIT_CASE(tree_is_not_idle_with_anything_left),
	KUNIT_CASE_SLOW(reader_never_uses_what_was_invalidated),
	KUNIT_CASE_SLOW(inserts_and_removes_race_with_sections),
	{}
};

static struct kunit_suite mn_interval_suite = {
	.name = "mmu_interval_notifier",
	.init = mn_test_init,
	.test_cases = mn_interval_cases,
};

kunit_test_suite(mn_interval_suite);
