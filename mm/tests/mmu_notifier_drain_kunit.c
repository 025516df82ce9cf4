// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KUnit suite of the mmu_notifier: what registration waits for
 *
 * When registration returns, no section is running that did not call the
 * subscriber, whichever lock it holds. Registration does not wait for other
 * sections, and holds no lock that others need while it waits.
 *
 * On an mm without subscribers, sections are not counted, so registration has to
 * pass through the locks that cover them. These cases run once for each kind of
 * lock.
 */

#include <kunit/test.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/srcu.h>

#include "../internal.h"
#include "../mmu_notifier_internal.h"
#include "mmu_notifier_kunit.h"

struct cover_param {
	enum mn_cover cover;
	const char *desc;
};

static const struct cover_param covers[] = {
	{ MN_MMAP_READ, "mmap_lock for read" },
	{ MN_VMA, "lock of the VMA" },
	{ MN_I_MMAP_READ, "i_mmap_rwsem for read" },
	{ MN_I_MMAP_WRITE, "i_mmap_rwsem for write" },
	{ MN_ANON_VMA_READ, "anon_vma lock for read" },
	{ MN_ANON_VMA_WRITE, "anon_vma lock for write" },
};

KUNIT_ARRAY_PARAM_DESC(cover, covers, desc);

/* An address space in which the lock in question can be taken. */
static struct mn_mm *mn_mm_to_cover(struct kunit *test)
{
	const struct cover_param *param = test->param_value;
	struct mn_mm *m = mn_mm_mapped(test);

	if (!mn_cover(m, param->cover))
		kunit_skip(test, "VMAs have no lock here");
	mn_uncover(m, param->cover);
	return m;
}

/* Whether @thread waits for the end of a section that runs under the lock. */
static void expect_waits_for_section(struct kunit *test, struct mn_mm *m,
				     struct mn_thread *thread)
{
	const struct cover_param *param = test->param_value;
	struct mmu_notifier_range range;
	bool covered, blocked;

	/* A range over all mappings, as the lock may be of either one */
	mn_range(&range, m, 1, 6 * MN_MAP_PAGES - 1);
	covered = mn_cover(m, param->cover);
	mmu_notifier_invalidate_range_start(&range);
	mn_thread_run(thread);
	blocked = mn_thread_blocked(thread);
	mn_end(&range);
	if (covered)
		mn_uncover(m, param->cover);

	KUNIT_EXPECT_TRUE(test, covered);
	KUNIT_EXPECT_TRUE(test, blocked);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
}

static void first_register_waits_for_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm_to_cover(test);
	struct mn_sub *a = mn_sub(test, m, 'a');

	expect_waits_for_section(test, m, mn_thread(test, mn_register, a));
	KUNIT_ASSERT_EQ(test, a->ret, 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "");
	mn_unregister(a);
}

/* No section is missed: those that begin during registration call it. */
static void first_register_is_told_of_what_begins(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_sub(test, m, 'a');
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *thread = mn_thread(test, mn_register, a);
	bool blocked, begun;

	mn_cover(m, MN_ANON_VMA_READ);
	mn_thread_run(thread);
	blocked = mn_thread_blocked(thread);
	begun = mn_section_begins(section);
	mn_uncover(m, MN_ANON_VMA_READ);
	KUNIT_EXPECT_TRUE(test, blocked);
	KUNIT_EXPECT_TRUE(test, begun);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_ASSERT_EQ(test, a->ret, 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1");
	mn_unregister(a);
}

/* Each file and each anon_vma, not only the first one */
static void first_register_passes_all_locks(struct kunit *test)
{
	struct mn_mm *m = mn_mm_to_cover(test);
	struct mn_sub *a = mn_sub(test, m, 'a');

	mn_map_more(test, m, mn_address(4 * MN_MAP_PAGES));
	expect_waits_for_section(test, m, mn_thread(test, mn_register, a));
	KUNIT_ASSERT_EQ(test, a->ret, 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "");
	mn_unregister(a);
}

static void later_register_waits_for_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm_to_cover(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_sub(test, m, 'b');

	expect_waits_for_section(test, m, mn_thread(test, mn_register, b));
	KUNIT_ASSERT_EQ(test, b->ret, 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1");
	mn_unregister(b);
	mn_unregister(a);
}

static void register_beside_intervals_waits_for_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm_to_cover(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_sub(test, m, 'a');

	expect_waits_for_section(test, m, mn_thread(test, mn_register, a));
	KUNIT_ASSERT_EQ(test, a->ret, 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_unregister(a);
	mn_remove(x);
}

static void first_insert_waits_for_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm_to_cover(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);

	expect_waits_for_section(test, m, mn_thread(test, mn_insert, x));
	KUNIT_ASSERT_EQ(test, x->ret, 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "");
	mn_remove(x);
}

static void register_null(void *arg)
{
	struct mn_mm *m = arg;

	mmu_notifier_register(NULL, m->mm);
}

/* No subscription is added, and yet this counts as the first registration. */
static void register_of_nobody_waits_for_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm_to_cover(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);
	struct mn_thread *thread = mn_thread(test, register_null, m);

	expect_waits_for_section(test, m, thread);
	/* Or it may have died with mmap_lock held. */
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(thread));
	mn_insert(x);
	KUNIT_ASSERT_EQ(test, x->ret, 0);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_remove(x);
}

static void first_insert_beside_hlist_waits_for_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm_to_cover(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);

	expect_waits_for_section(test, m, mn_thread(test, mn_insert, x));
	KUNIT_ASSERT_EQ(test, x->ret, 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1");
	mn_remove(x);
	mn_unregister(a);
}

static void unregister_waits_for_sections(struct kunit *test)
{
	const struct cover_param *param = test->param_value;
	struct mn_mm *m = mn_mm_to_cover(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	expect_waits_for_section(test, m, mn_thread(test, mn_unregister, a));
	KUNIT_EXPECT_STREQ_MSG(test, mn_heard(test), "a+1 aR a-1", "%s",
			       param->desc);
}

/*
 * Sections that begin while a registration waits are delivered, so it need not
 * wait for them. The SRCU index shows how far it is: new sections use another
 * index than those it waits for.
 */
static bool grace_period_began(struct mn_mm *m, unsigned int old)
{
	struct srcu_struct *srcu = &m->mm->notifier_subscriptions->srcu;
	unsigned long deadline = jiffies + MN_TIMEOUT;
	unsigned int idx;

	do {
		idx = srcu_read_lock(srcu);
		srcu_read_unlock(srcu, idx);
		schedule_timeout_uninterruptible(1);
	} while (idx == old && time_before(jiffies, deadline));
	return idx != old;
}

static void expect_later_register_ignores_new(struct kunit *test,
					      struct mn_mm *m)
{
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_sub(test, m, 'b');
	struct mn_section *old = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_section *new = mn_section(test, m, MN_I_MMAP_READ, 2);
	struct mn_thread *thread = mn_thread(test, mn_register, b);
	unsigned int idx;

	KUNIT_EXPECT_TRUE(test, mn_section_begins(old));
	idx = !!(old->range.flags & MN_RANGE_SRCU_IDX);
	mn_thread_run(thread);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(thread));
	KUNIT_EXPECT_TRUE(test, grace_period_began(m, idx));
	KUNIT_EXPECT_TRUE(test, mn_section_begins(new));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(old));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(new));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 b+2 a+2 a-1 b-2 a-2");
	mn_unregister(b);
	mn_unregister(a);
}

static void later_register_ignores_sections_it_is_told_of(struct kunit *test)
{
	expect_later_register_ignores_new(test, mn_mm_mapped(test));
}

/* They are in slots as well. */
static void later_register_beside_intervals_ignores_new_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 9, 1);

	expect_later_register_ignores_new(test, m);
	mn_remove(x);
}

/* The section that begins while the insert waits for another is counted. */
static void first_insert_beside_hlist_meets_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_int *x = mn_int(test, m, 'x', 2, 1);
	struct mn_section *old = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_section *new = mn_section(test, m, MN_I_MMAP_READ, 2);
	struct mn_thread *insert = mn_thread(test, mn_insert, x);
	struct mn_thread *begin = mn_thread(test, mn_read_begin, x);
	unsigned int idx;

	KUNIT_EXPECT_TRUE(test, mn_section_begins(old));
	idx = !!(old->range.flags & MN_RANGE_SRCU_IDX);
	mn_thread_run(insert);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(insert));
	KUNIT_EXPECT_TRUE(test, grace_period_began(m, idx));
	KUNIT_EXPECT_TRUE(test, mn_section_begins(new));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(old));
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(insert));
	KUNIT_ASSERT_EQ(test, x->ret, 0);
	mn_thread_run(begin);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(new));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	mn_remove(x);
	mn_unregister(a);
}

static bool lists_are_gone(struct mn_mm *m)
{
	struct mmu_notifier_subscriptions *subs = m->mm->notifier_subscriptions;
	unsigned long deadline = jiffies + MN_TIMEOUT;

	while (!READ_ONCE(subs->dead) && time_before(jiffies, deadline))
		schedule_timeout_uninterruptible(1);
	return READ_ONCE(subs->dead);
}

/* Exit does not wait for sections that begin while it waits for another. */
static void unregister_after_exit_waits_for_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_section *old = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_section *new = mn_section(test, m, MN_I_MMAP_READ, 2);
	struct mn_thread *exit = mn_thread(test, mn_exit, m);
	struct mn_thread *unregister = mn_thread(test, mn_unregister, a);
	unsigned int idx;

	KUNIT_EXPECT_TRUE(test, mn_section_begins(old));
	idx = !!(old->range.flags & MN_RANGE_SRCU_IDX);
	mn_thread_run(exit);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(exit));
	KUNIT_EXPECT_TRUE(test, grace_period_began(m, idx));
	KUNIT_EXPECT_TRUE(test, mn_section_begins(new));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(old));
	KUNIT_EXPECT_TRUE(test, lists_are_gone(m));
	mn_thread_run(unregister);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(unregister));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(new));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(unregister));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 aR a+2 a-1 a-2");
}

static void later_insert_does_not_wait(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_int(test, m, 'y', 2, 1);
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *thread = mn_thread(test, mn_insert, y);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_thread_run(thread);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_EQ(test, y->ret, 0);
	mn_remove(y);
	mn_remove(x);
}

/* Beside the hlist, where a section is in the domain */
static void later_insert_under_mmap_lock_does_not_wait(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_int(test, m, 'y', 2, 1);
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *thread = mn_thread(test, mn_insert_locked, y);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_thread_run(thread);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_EQ(test, y->ret, 0);
	mn_remove(y);
	mn_remove(x);
	mn_unregister(a);
}

/* The mm has its structure then, but no domain. */
static void section_before_a_first_insert_that_waits(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);
	struct mn_thread *thread = mn_thread(test, mn_insert, x);
	struct mmu_notifier_range range;
	bool blocked;

	mmap_read_lock(m->mm);
	mn_thread_run(thread);
	blocked = mn_thread_blocked(thread);
	mn_start(&range, m, 1);
	mn_end(&range);
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_TRUE(test, blocked);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(thread));
	KUNIT_ASSERT_EQ(test, x->ret, 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "");
	mn_remove(x);
}

static void later_register_takes_no_rmap_lock(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_sub(test, m, 'b');
	struct mn_thread *thread = mn_thread(test, mn_register, b);
	bool ended;

	mn_cover(m, MN_I_MMAP_WRITE);
	mn_cover(m, MN_ANON_VMA_WRITE);
	mn_thread_run(thread);
	ended = mn_thread_ends(thread);
	mn_uncover(m, MN_ANON_VMA_WRITE);
	mn_uncover(m, MN_I_MMAP_WRITE);
	KUNIT_EXPECT_TRUE(test, ended);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	mn_unregister(b);
	mn_unregister(a);
}

/* While it waits for one rmap lock it must not hold another one. */
static void register_waiting_for_anon_vma_holds_no_i_mmap(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_sub(test, m, 'a');
	struct mn_thread *thread = mn_thread(test, mn_register, a);
	bool blocked, i_mmap_free;

	mn_cover(m, MN_ANON_VMA_READ);
	mn_thread_run(thread);
	blocked = mn_thread_blocked(thread);
	i_mmap_free = i_mmap_trylock_write(m->mapping);
	if (i_mmap_free)
		i_mmap_unlock_write(m->mapping);
	mn_uncover(m, MN_ANON_VMA_READ);
	KUNIT_EXPECT_TRUE(test, blocked);
	KUNIT_EXPECT_TRUE(test, i_mmap_free);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	mn_unregister(a);
}

static void register_waiting_for_i_mmap_holds_no_anon_vma(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_sub(test, m, 'a');
	struct mn_thread *thread = mn_thread(test, mn_register, a);
	bool blocked, anon_vma_free;

	mn_cover(m, MN_I_MMAP_READ);
	mn_thread_run(thread);
	blocked = mn_thread_blocked(thread);
	anon_vma_free = anon_vma_trylock_write(m->anon->anon_vma);
	if (anon_vma_free)
		anon_vma_unlock_write(m->anon->anon_vma);
	mn_uncover(m, MN_I_MMAP_READ);
	KUNIT_EXPECT_TRUE(test, blocked);
	KUNIT_EXPECT_TRUE(test, anon_vma_free);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	mn_unregister(a);
}

static void first_register_leaves_no_lock_behind(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	bool vma = mn_cover(m, MN_VMA);

	if (vma)
		mn_uncover(m, MN_VMA);
	KUNIT_EXPECT_TRUE(test, vma || !IS_ENABLED(CONFIG_PER_VMA_LOCK));
	KUNIT_EXPECT_TRUE(test, i_mmap_trylock_write(m->mapping));
	i_mmap_unlock_write(m->mapping);
	KUNIT_EXPECT_TRUE(test, anon_vma_trylock_write(m->anon->anon_vma));
	anon_vma_unlock_write(m->anon->anon_vma);
	mn_unregister(a);
}

/* All of them find no subscriber, wait together, and all are in afterwards. */
static void racing_first_inserts_all_wait_and_succeed(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_thread *threads[4];
	struct mn_int *subs[4];
	int i, blocked = 0;

	for (i = 0; i < ARRAY_SIZE(subs); i++) {
		subs[i] = mn_int(test, m, 'x', i, 1);
		threads[i] = mn_thread(test, mn_insert, subs[i]);
	}
	mn_cover(m, MN_I_MMAP_READ);
	for (i = 0; i < ARRAY_SIZE(subs); i++) {
		mn_thread_run(threads[i]);
		blocked += mn_thread_blocked(threads[i]);
	}
	mn_uncover(m, MN_I_MMAP_READ);
	KUNIT_EXPECT_EQ(test, blocked, ARRAY_SIZE(subs));
	for (i = 0; i < ARRAY_SIZE(subs); i++) {
		KUNIT_EXPECT_TRUE(test, mn_thread_ends(threads[i]));
		KUNIT_EXPECT_EQ(test, subs[i]->ret, 0);
		mn_whole_section(m, i);
		KUNIT_EXPECT_EQ(test, atomic_read(&subs[i]->calls), 1);
		mn_remove(subs[i]);
	}
}

/*
 * The second inserter has also seen that there is no subscriber, and gets
 * mmap_lock when the first one is done. If it drained again, it would wait for
 * the section that has begun by then.
 */
static void racing_first_inserts_drain_once(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);
	struct mn_int *y = mn_int(test, m, 'y', 2, 1);
	struct mn_thread *thread = mn_thread(test, mn_insert, y);
	struct mmu_notifier_range range;
	bool blocked, ended;
	int ret;

	mmap_write_lock(m->mm);
	mn_thread_run(thread);
	blocked = mn_thread_blocked(thread);
	ret = mmu_interval_notifier_insert_locked(&x->mni, m->mm, mn_address(1),
						  PAGE_SIZE, &mn_int_ops);
	mn_cover(m, MN_I_MMAP_READ);
	mn_start(&range, m, 9);
	mmap_write_unlock(m->mm);
	ended = mn_thread_ends(thread);
	mn_end(&range);
	mn_uncover(m, MN_I_MMAP_READ);
	KUNIT_EXPECT_TRUE(test, blocked);
	KUNIT_EXPECT_TRUE(test, ended);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_ASSERT_EQ(test, y->ret, 0);
	mn_remove(y);
	mn_remove(x);
}

/* Registration and ->release */

/*
 * While unregister calls the ->release of @a, @join(@arg) returns and leaves
 * mmap_lock free.
 */
static void expect_ignores_release(struct kunit *test, struct mn_sub *a,
				   void (*join)(void *arg), void *arg)
{
	struct mn_thread *unregister = mn_thread(test, mn_unregister, a);
	struct mn_thread *joins = mn_thread(test, join, arg);
	bool mmap_lock_free;

	mn_gate_close(&a->at_release);
	mn_thread_run(unregister);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&a->at_release));
	mn_thread_run(joins);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(joins));
	mmap_lock_free = mmap_read_trylock(a->m->mm);
	if (mmap_lock_free)
		mmap_read_unlock(a->m->mm);
	KUNIT_EXPECT_TRUE(test, mmap_lock_free);
	KUNIT_EXPECT_FALSE(test, mn_thread_ended(unregister));
	mn_gate_open(&a->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(unregister));
	/*
	 * Must have ended, in time or late: otherwise there is nothing to undo.
	 */
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(joins));
}

static void register_ignores_a_release(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_sub(test, m, 'b');

	expect_ignores_release(test, a, mn_register, b);
	KUNIT_ASSERT_EQ(test, b->ret, 0);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR b+1 b-1");
	mn_unregister(b);
}

static void register_under_mmap_lock_ignores_a_release(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_sub(test, m, 'b');

	expect_ignores_release(test, a, mn_register_locked, b);
	KUNIT_ASSERT_EQ(test, b->ret, 0);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR b+1 b-1");
	mn_unregister(b);
}

static void get_and_put(void *arg)
{
	struct mn_mm *m = arg;
	struct mmu_notifier *mn = mmu_notifier_get(&mn_refcount_ops, m->mm);

	if (!IS_ERR(mn))
		mmu_notifier_put(mn);
}

static void get_ignores_a_release(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	expect_ignores_release(test, a, get_and_put, m);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR pF");
}

static void first_insert_beside_hlist_ignores_a_release(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);

	expect_ignores_release(test, a, mn_insert, x);
	KUNIT_ASSERT_EQ(test, x->ret, 0);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR x+1");
	mn_remove(x);
}

/*
 * It only waits for sections, including those that a leaving subscriber waits
 * for.
 */
static void register_waits_for_sections_beside_a_release(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_sub(test, m, 'b');
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *unregister = mn_thread(test, mn_unregister, a);
	struct mn_thread *thread = mn_thread(test, mn_register, b);

	mn_gate_close(&a->at_release);
	mn_thread_run(unregister);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&a->at_release));
	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_thread_run(thread);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(thread));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	mn_gate_open(&a->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(unregister));
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(thread));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR a+1 a-1");
	mn_unregister(b);
}

static struct kunit_case mn_drain_cases[] = {
	KUNIT_CASE_PARAM(first_register_waits_for_sections, cover_gen_params),
	KUNIT_CASE(first_register_is_told_of_what_begins),
	KUNIT_CASE_PARAM(first_register_passes_all_locks, cover_gen_params),
	KUNIT_CASE_PARAM(later_register_waits_for_sections, cover_gen_params),
	KUNIT_CASE_PARAM(register_beside_intervals_waits_for_sections,
			 cover_gen_params),
	KUNIT_CASE_PARAM(first_insert_waits_for_sections, cover_gen_params),
	KUNIT_CASE_PARAM(register_of_nobody_waits_for_sections,
			 cover_gen_params),
	KUNIT_CASE_PARAM(first_insert_beside_hlist_waits_for_sections,
			 cover_gen_params),
	KUNIT_CASE_PARAM(unregister_waits_for_sections, cover_gen_params),
	KUNIT_CASE(later_register_ignores_sections_it_is_told_of),
	KUNIT_CASE(later_register_beside_intervals_ignores_new_sections),
	KUNIT_CASE(first_insert_beside_hlist_meets_sections),
	KUNIT_CASE(unregister_after_exit_waits_for_sections),
	KUNIT_CASE(later_insert_does_not_wait),
	KUNIT_CASE(later_insert_under_mmap_lock_does_not_wait),
	KUNIT_CASE(section_before_a_first_insert_that_waits),
	KUNIT_CASE(later_register_takes_no_rmap_lock),
	KUNIT_CASE(register_waiting_for_anon_vma_holds_no_i_mmap),
	KUNIT_CASE(register_waiting_for_i_mmap_holds_no_anon_vma),
	KUNIT_CASE(first_register_leaves_no_lock_behind),
	KUNIT_CASE(racing_first_inserts_all_wait_and_succeed),
	KUNIT_CASE(racing_first_inserts_drain_once),
	KUNIT_CASE(register_ignores_a_release),
	KUNIT_CASE(register_under_mmap_lock_ignores_a_release),
	KUNIT_CASE(get_ignores_a_release),
	KUNIT_CASE(first_insert_beside_hlist_ignores_a_release),
	KUNIT_CASE(register_waits_for_sections_beside_a_release),
	{}
};

static struct kunit_suite mn_drain_suite = {
	.name = "mmu_notifier_drain",
	.init = mn_test_init,
	.test_cases = mn_drain_cases,
};

kunit_test_suite(mn_drain_suite);
