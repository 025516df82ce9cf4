// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KUnit suite of the mmu_notifier: callbacks under the page table lock
 *
 * The young callbacks and arch_invalidate_secondary_tlbs. They are all called
 * under a spinlock here, as they are by the kernel.
 */

#include <kunit/test.h>
#include <linux/array_size.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/processor.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "../mmu_notifier_internal.h"
#include "mmu_notifier_kunit.h"

/* How often each callback was called, and with what. */
struct young {
	struct mn_sub *sub;
	struct mm_struct *mm;
	unsigned long start;
	unsigned long end;
	int clear_flush;
	int clear;
	int test;
	int tlbs;
};

/* Of subscribers 'a' to 'c' */
static struct young heard[3];

static struct young *hear(struct mmu_notifier *mn, struct mm_struct *mm,
			  unsigned long start, unsigned long end)
{
	struct young *young = &heard[mn_sub_of(mn)->name - 'a'];

	young->mm = mm;
	young->start = start;
	young->end = end;
	return young;
}

static bool on_clear_flush(struct mmu_notifier *mn, struct mm_struct *mm,
			   unsigned long start, unsigned long end)
{
	hear(mn, mm, start, end)->clear_flush++;
	return mn_sub_of(mn)->young;
}

static bool on_clear(struct mmu_notifier *mn, struct mm_struct *mm,
		     unsigned long start, unsigned long end)
{
	hear(mn, mm, start, end)->clear++;
	return mn_sub_of(mn)->young;
}

static bool on_test(struct mmu_notifier *mn, struct mm_struct *mm,
		    unsigned long address)
{
	hear(mn, mm, address, 0)->test++;
	return mn_sub_of(mn)->young;
}

static void on_tlbs(struct mmu_notifier *mn, struct mm_struct *mm,
		    unsigned long start, unsigned long end)
{
	hear(mn, mm, start, end)->tlbs++;
}

static const struct mmu_notifier_ops young_ops = {
	.clear_flush_young = on_clear_flush,
	.clear_young = on_clear,
	.test_young = on_test,
	.invalidate_range_start = mn_on_start,
	.invalidate_range_end = mn_on_end,
};

static const struct mmu_notifier_ops tlbs_ops = {
	.arch_invalidate_secondary_tlbs = on_tlbs,
};

/* Stands for the page table lock. */
static DEFINE_SPINLOCK(ptl);

static bool clear_flush(struct mn_mm *m)
{
	bool young;

	spin_lock(&ptl);
	young = mmu_notifier_clear_flush_young(m->mm, mn_address(1),
					       mn_address(3));
	spin_unlock(&ptl);
	return young;
}

static bool clear(struct mn_mm *m)
{
	bool young;

	spin_lock(&ptl);
	young = mmu_notifier_clear_young(m->mm, mn_address(1), mn_address(3));
	spin_unlock(&ptl);
	return young;
}

static bool test_page(struct mn_mm *m)
{
	bool young;

	spin_lock(&ptl);
	young = mmu_notifier_test_young(m->mm, mn_address(1));
	spin_unlock(&ptl);
	return young;
}

static void flush_tlbs(struct mn_mm *m)
{
	spin_lock(&ptl);
	mmu_notifier_arch_invalidate_secondary_tlbs(m->mm, mn_address(1),
						    mn_address(3));
	spin_unlock(&ptl);
}

static void register_three(struct kunit *test, struct mn_mm *m,
			   const struct mmu_notifier_ops *ops,
			   struct mn_sub *subs[3])
{
	int i;

	memset(heard, 0, sizeof(heard));
	for (i = 0; i < 3; i++)
		subs[i] = mn_registered_ops(test, m, 'a' + i, ops);
}

static void unregister_three(struct mn_sub *subs[3])
{
	int i;

	for (i = 0; i < 3; i++)
		mn_unregister(subs[i]);
}

static void nobody_is_young_without_subscribers(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);

	KUNIT_EXPECT_FALSE(test, clear_flush(m));
	KUNIT_EXPECT_FALSE(test, clear(m));
	KUNIT_EXPECT_FALSE(test, test_page(m));
	flush_tlbs(m);
}

static void nobody_is_young_where_nobody_implements_it(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 2);

	KUNIT_EXPECT_FALSE(test, clear_flush(m));
	KUNIT_EXPECT_FALSE(test, clear(m));
	KUNIT_EXPECT_FALSE(test, test_page(m));
	flush_tlbs(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "");
	mn_remove(x);
	mn_unregister(a);
}

static void clear_flush_young_asks_all_and_ors(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *subs[3];
	int i;

	register_three(test, m, &young_ops, subs);
	KUNIT_EXPECT_FALSE(test, clear_flush(m));
	for (i = 0; i < 3; i++) {
		subs[i]->young = true;
		KUNIT_EXPECT_TRUE(test, clear_flush(m));
		subs[i]->young = false;
	}
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, heard[i].clear_flush, 4);
	KUNIT_EXPECT_EQ(test, heard[0].clear, 0);
	unregister_three(subs);
}

static void clear_young_asks_all_and_ors(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *subs[3];
	int i;

	register_three(test, m, &young_ops, subs);
	KUNIT_EXPECT_FALSE(test, clear(m));
	for (i = 0; i < 3; i++) {
		subs[i]->young = true;
		KUNIT_EXPECT_TRUE(test, clear(m));
		subs[i]->young = false;
	}
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, heard[i].clear, 4);
	KUNIT_EXPECT_EQ(test, heard[0].clear_flush, 0);
	unregister_three(subs);
}

/* The newest subscriber is asked first. */
static void test_young_stops_at_the_first_yes(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *subs[3];

	register_three(test, m, &young_ops, subs);
	subs[1]->young = true;
	KUNIT_EXPECT_TRUE(test, test_page(m));
	KUNIT_EXPECT_EQ(test, heard[2].test, 1);
	KUNIT_EXPECT_EQ(test, heard[1].test, 1);
	KUNIT_EXPECT_EQ(test, heard[0].test, 0);
	unregister_three(subs);
}

static void test_young_asks_all_for_a_no(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *subs[3];
	int i;

	register_three(test, m, &young_ops, subs);
	KUNIT_EXPECT_FALSE(test, test_page(m));
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, heard[i].test, 1);
	unregister_three(subs);
}

static void arch_invalidate_reaches_all(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *subs[3];
	int i;

	register_three(test, m, &tlbs_ops, subs);
	flush_tlbs(m);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, heard[i].tlbs, 1);
	mn_whole_section(m, 1);
	unregister_three(subs);
}

static void expect_arguments(struct kunit *test, struct mn_mm *m,
			     unsigned long end)
{
	KUNIT_EXPECT_PTR_EQ(test, heard[0].mm, m->mm);
	KUNIT_EXPECT_EQ(test, heard[0].start, mn_address(1));
	KUNIT_EXPECT_EQ(test, heard[0].end, end);
	memset(heard, 0, sizeof(heard));
}

static void mm_and_range_reach_the_callbacks(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &young_ops);

	clear_flush(m);
	expect_arguments(test, m, mn_address(3));
	clear(m);
	expect_arguments(test, m, mn_address(3));
	test_page(m);
	expect_arguments(test, m, 0);
	mn_unregister(a);

	a = mn_registered_ops(test, m, 'a', &tlbs_ops);
	flush_tlbs(m);
	expect_arguments(test, m, mn_address(3));
	mn_unregister(a);
}

/* No subscriber had the callback when the mm got its first one. */
static void later_subscriber_may_be_the_first_to_implement(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered_ops(test, m, 'b', &young_ops);
	struct mn_sub *c = mn_registered_ops(test, m, 'c', &tlbs_ops);

	memset(heard, 0, sizeof(heard));
	b->young = true;
	KUNIT_EXPECT_TRUE(test, clear_flush(m));
	KUNIT_EXPECT_TRUE(test, clear(m));
	KUNIT_EXPECT_TRUE(test, test_page(m));
	flush_tlbs(m);
	KUNIT_EXPECT_EQ(test, heard[2].tlbs, 1);
	mn_unregister(c);
	mn_unregister(b);
	mn_unregister(a);
}

static const struct mmu_notifier_ops clear_flush_ops = {
	.clear_flush_young = on_clear_flush,
};

static const struct mmu_notifier_ops clear_ops = {
	.clear_young = on_clear,
};

static const struct mmu_notifier_ops test_ops = {
	.test_young = on_test,
};

/* A driver may have one of the three. */
static void each_young_callback_is_found_alone(struct kunit *test)
{
	static const struct mmu_notifier_ops *const ops[] = {
		&clear_flush_ops, &clear_ops, &test_ops,
	};
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a;
	int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		a = mn_registered_ops(test, m, 'a', ops[i]);
		a->young = true;
		KUNIT_EXPECT_EQ(test, clear_flush(m), ops[i] == &clear_flush_ops);
		KUNIT_EXPECT_EQ(test, clear(m), ops[i] == &clear_ops);
		KUNIT_EXPECT_EQ(test, test_page(m), ops[i] == &test_ops);
		mn_unregister(a);
	}
}

/*
 * While a registration waits for a section on the old list, new calls walk the
 * new one.
 */
static void newcomer_is_asked_beside_a_section(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &young_ops);
	struct mn_sub *b = mn_sub_ops(test, m, 'b', &young_ops);
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *registers = mn_thread(test, mn_register, b);

	b->young = true;
	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_thread_run(registers);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(registers));
	KUNIT_EXPECT_TRUE(test, clear_flush(m));
	KUNIT_EXPECT_TRUE(test, clear(m));
	KUNIT_EXPECT_TRUE(test, test_page(m));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(registers));
	mn_unregister(b);
	mn_unregister(a);
}

static void newcomer_is_told_of_flushes_beside_a_section(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_sub_ops(test, m, 'b', &tlbs_ops);
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *registers = mn_thread(test, mn_register, b);

	memset(heard, 0, sizeof(heard));
	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_thread_run(registers);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(registers));
	flush_tlbs(m);
	KUNIT_EXPECT_EQ(test, heard[1].tlbs, 1);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(registers));
	mn_unregister(b);
	mn_unregister(a);
}

static void young_callbacks_work_within_a_section(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &young_ops);
	struct mmu_notifier_range range;

	a->young = true;
	mmap_read_lock(m->mm);
	mn_start(&range, m, 1);
	KUNIT_EXPECT_TRUE(test, clear_flush(m));
	KUNIT_EXPECT_TRUE(test, test_page(m));
	mn_end(&range);
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1");
	mn_unregister(a);
}

static void nobody_is_asked_after_unregister(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &young_ops);
	struct mn_sub *b = mn_registered_ops(test, m, 'b', &tlbs_ops);

	a->young = true;
	mn_unregister(a);
	mn_unregister(b);
	memset(heard, 0, sizeof(heard));
	KUNIT_EXPECT_FALSE(test, clear_flush(m));
	KUNIT_EXPECT_FALSE(test, clear(m));
	KUNIT_EXPECT_FALSE(test, test_page(m));
	flush_tlbs(m);
	KUNIT_EXPECT_EQ(test, heard[0].clear_flush, 0);
	KUNIT_EXPECT_EQ(test, heard[1].tlbs, 0);
}

/*
 * If the last subscriber with a callback has left, the callback costs nothing.
 */
static void ops_are_forgotten_with_the_last_of_them(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 5, 1);
	struct mmu_notifier_subscriptions *subs = m->mm->notifier_subscriptions;
	unsigned int flags = subs->flags & ~MN_RANGE_PHASE;
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &young_ops);
	struct mn_sub *b = mn_registered_ops(test, m, 'b', &tlbs_ops);
	struct mn_sub *c = mn_registered_ops(test, m, 'c', &young_ops);

	memset(heard, 0, sizeof(heard));
	mn_unregister(a);
	clear_flush(m);
	flush_tlbs(m);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "c+1 c-1");
	KUNIT_EXPECT_EQ(test, heard[1].tlbs, 1);
	KUNIT_EXPECT_EQ(test, heard[2].clear_flush, 1);
	mn_unregister(c);
	KUNIT_EXPECT_EQ(test, subs->flags & MN_OPS_OF_HLIST,
			MN_OP_ARCH_INVALIDATE);
	flush_tlbs(m);
	KUNIT_EXPECT_EQ(test, heard[1].tlbs, 2);
	mn_unregister(b);
	KUNIT_EXPECT_EQ(test, subs->flags & ~MN_RANGE_PHASE, flags);
	mn_whole_section(m, 5);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+5");
	mn_remove(x);
}

/*
 * A flush need not be inside a section. Flushes are read-side critical sections
 * of RCU. One that began before the registration may have missed the op; when
 * registration returns, that flush is over.
 */

struct flusher {
	struct completion in;
	bool leave;
};

/* Does not sleep: flushes do not, either. */
static void flush_for_long(void *arg)
{
	struct flusher *flusher = arg;

	rcu_read_lock();
	complete_all(&flusher->in);
	while (!READ_ONCE(flusher->leave))
		cpu_relax();
	rcu_read_unlock();
}

static void need_cpu_for_flush(struct kunit *test)
{
	if (num_online_cpus() < 2)
		kunit_skip(test, "one CPU cannot flush and do anything else");
	/* It would turn the flusher into a real-time task that never sleeps. */
	if (IS_ENABLED(CONFIG_RCU_BOOST))
		kunit_skip(test, "RCU boosts the priority of its readers");
}

static struct flusher *flusher_begins(struct kunit *test,
				      struct mn_thread **thread)
{
	struct flusher *flusher = mn_alloc(test, sizeof(*flusher));

	init_completion(&flusher->in);
	*thread = mn_thread_start(test, flush_for_long, flusher);
	KUNIT_EXPECT_TRUE(test, wait_for_completion_timeout(&flusher->in,
							    MN_TIMEOUT));
	return flusher;
}

static void flusher_ends(struct kunit *test, struct flusher *flusher,
			 struct mn_thread *thread)
{
	WRITE_ONCE(flusher->leave, true);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
}

static void expect_waits_for_flush(struct kunit *test, struct mn_sub *sub,
				   bool waits)
{
	struct mn_thread *join = mn_thread(test, mn_register, sub), *thread;
	struct flusher *flusher = flusher_begins(test, &thread);

	mn_thread_run(join);
	if (waits)
		KUNIT_EXPECT_TRUE(test, mn_thread_blocked(join));
	else
		KUNIT_EXPECT_TRUE(test, mn_thread_ends(join));
	flusher_ends(test, flusher, thread);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(join));
	KUNIT_ASSERT_EQ(test, sub->ret, 0);
	mn_unregister(sub);
}

static void first_arch_invalidate_waits_for_flushes(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);

	need_cpu_for_flush(test);
	expect_waits_for_flush(test, mn_sub_ops(test, m, 'a', &tlbs_ops), true);
}

static void first_arch_invalidate_beside_others_waits_for_flushes(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *b;
	struct mn_int *x;

	need_cpu_for_flush(test);
	b = mn_registered_ops(test, m, 'b', &young_ops);
	x = mn_inserted(test, m, 'x', 5, 1);
	expect_waits_for_flush(test, mn_sub_ops(test, m, 'a', &tlbs_ops), true);
	/* Once more, as the previous subscriber has left. */
	expect_waits_for_flush(test, mn_sub_ops(test, m, 'a', &tlbs_ops), true);
	mn_remove(x);
	mn_unregister(b);
}

/* Until the flush is over it may call the subscriber. */
static void expect_leaves_after_flush(struct kunit *test,
				      void (*leave)(void *arg), void *arg)
{
	struct mn_thread *leaver = mn_thread(test, leave, arg), *thread;
	struct flusher *flusher = flusher_begins(test, &thread);

	mn_thread_run(leaver);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(leaver));
	flusher_ends(test, flusher, thread);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(leaver));
}

static void unregister_of_arch_invalidate_waits_for_flushes(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);

	need_cpu_for_flush(test);
	expect_leaves_after_flush(test, mn_unregister,
				  mn_registered_ops(test, m, 'a', &tlbs_ops));
}

static void exit_with_arch_invalidate_waits_for_flushes(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a;

	need_cpu_for_flush(test);
	a = mn_registered_ops(test, m, 'a', &tlbs_ops);
	expect_leaves_after_flush(test, mn_exit, m);
	/*
	 * Exit has emptied the lists, but a reader may still be walking them.
	 */
	expect_leaves_after_flush(test, mn_unregister, a);
}

/* These do not wait for a flush. */
static void others_do_not_wait_for_flushes(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *b;

	need_cpu_for_flush(test);
	expect_waits_for_flush(test, mn_sub_ops(test, m, 'a', &mn_ops), false);
	b = mn_registered_ops(test, m, 'b', &young_ops);
	expect_waits_for_flush(test, mn_sub_ops(test, m, 'a', &young_ops), false);
	expect_waits_for_flush(test, mn_sub_ops(test, m, 'a', &mn_ops), false);
	mn_unregister(b);
	mn_heard(test);
}

static struct kunit_case mn_young_cases[] = {
	KUNIT_CASE(nobody_is_young_without_subscribers),
	KUNIT_CASE(nobody_is_young_where_nobody_implements_it),
	KUNIT_CASE(clear_flush_young_asks_all_and_ors),
	KUNIT_CASE(clear_young_asks_all_and_ors),
	KUNIT_CASE(test_young_stops_at_the_first_yes),
	KUNIT_CASE(test_young_asks_all_for_a_no),
	KUNIT_CASE(arch_invalidate_reaches_all),
	KUNIT_CASE(mm_and_range_reach_the_callbacks),
	KUNIT_CASE(later_subscriber_may_be_the_first_to_implement),
	KUNIT_CASE(each_young_callback_is_found_alone),
	KUNIT_CASE(newcomer_is_asked_beside_a_section),
	KUNIT_CASE(newcomer_is_told_of_flushes_beside_a_section),
	KUNIT_CASE(young_callbacks_work_within_a_section),
	KUNIT_CASE(nobody_is_asked_after_unregister),
	KUNIT_CASE(ops_are_forgotten_with_the_last_of_them),
	KUNIT_CASE(first_arch_invalidate_waits_for_flushes),
	KUNIT_CASE(first_arch_invalidate_beside_others_waits_for_flushes),
	KUNIT_CASE(unregister_of_arch_invalidate_waits_for_flushes),
	KUNIT_CASE(exit_with_arch_invalidate_waits_for_flushes),
	KUNIT_CASE(others_do_not_wait_for_flushes),
	{}
};

static struct kunit_suite mn_young_suite = {
	.name = "mmu_notifier_young",
	.init = mn_test_init,
	.test_cases = mn_young_cases,
};

kunit_test_suite(mn_young_suite);
