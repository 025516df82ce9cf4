// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KUnit suite of the mmu_notifier: subscribing and unsubscribing
 *
 * What register, unregister, get, put and synchronize promise, one by one. What
 * they wait for is in mmu_notifier_drain_kunit.c, and what exit has to do with
 * it in mmu_notifier_release_kunit.c.
 */

#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "mmu_notifier_kunit.h"

#define MN_MANY	100

/* Register */

static void register_on_new_mm(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_sub(test, m, 'a');

	KUNIT_EXPECT_FALSE(test, mm_has_notifiers(m->mm));
	KUNIT_EXPECT_EQ(test, mmu_notifier_register(&a->mn, m->mm), 0);
	KUNIT_EXPECT_TRUE(test, mm_has_notifiers(m->mm));
	KUNIT_EXPECT_PTR_EQ(test, a->mn.mm, m->mm);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1");
	mn_unregister(a);
}

static void register_under_mmap_lock(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_sub(test, m, 'a');
	int ret;

	mmap_write_lock(m->mm);
	ret = __mmu_notifier_register(&a->mn, m->mm);
	mmap_write_unlock(m->mm);
	KUNIT_ASSERT_EQ(test, ret, 0);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1");
	mn_unregister(a);
}

static void register_pins_the_mm_struct(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	int before = mn_mm_refs(m);
	struct mn_sub *a = mn_registered(test, m, 'a');

	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before + 1);
	mn_unregister(a);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
}

static void second_subscriber_hears_beside_the_first(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b;

	mn_whole_section(m, 1);
	b = mn_registered(test, m, 'b');
	mn_whole_section(m, 2);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1 b+2 a+2 b-2 a-2");
	mn_unregister(b);
	mn_unregister(a);
}

/* Both copies of the list: each registration exchanges their roles. */
static void newest_subscriber_hears_first(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_registered(test, m, 'c');

	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "c+1 b+1 a+1 c-1 b-1 a-1");
	mn_unregister(b);
	mn_whole_section(m, 2);
	mn_unregister(c);
	mn_whole_section(m, 3);
	KUNIT_EXPECT_STREQ(test, mn_heard(test),
			   "bR c+2 a+2 c-2 a-2 cR a+3 a-3");
	mn_unregister(a);
}

static void hundred_subscribers_hear_once_each(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *subs[MN_MANY];
	int i;

	for (i = 0; i < MN_MANY; i++)
		subs[i] = mn_registered(test, m, 'a');
	mn_whole_section(m, 1);
	for (i = 0; i < MN_MANY; i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&subs[i]->starts), 1);
		KUNIT_EXPECT_EQ(test, atomic_read(&subs[i]->ends), 1);
		mn_unregister(subs[i]);
	}
	mn_whole_section(m, 2);
	for (i = 0; i < MN_MANY; i++)
		KUNIT_EXPECT_EQ(test, atomic_read(&subs[i]->starts), 1);
}

static void subscribers_hear_of_their_own_mm_only(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test), *other = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, other, 'b');

	mn_whole_section(m, 1);
	mn_whole_section(other, 2);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1 b+2 b-2");
	mn_unregister(b);
	mn_unregister(a);
}

static void ops_without_callbacks_are_fine(struct kunit *test)
{
	static const struct mmu_notifier_ops none;
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &none);

	mn_whole_section(m, 1);
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), 0);
	KUNIT_EXPECT_FALSE(test, mmu_notifier_test_young(m->mm, 0));
	KUNIT_EXPECT_FALSE(test, mmu_notifier_clear_young(m->mm, 0, PAGE_SIZE));
	mmu_notifier_arch_invalidate_secondary_tlbs(m->mm, 0, PAGE_SIZE);
	mn_unregister(a);
}

static void ignore_tlbs(struct mmu_notifier *mn, struct mm_struct *mm,
			unsigned long start, unsigned long end)
{
}

static const struct mmu_notifier_ops start_and_tlbs_ops = {
	.invalidate_range_start = mn_on_start,
	.arch_invalidate_secondary_tlbs = ignore_tlbs,
};

static const struct mmu_notifier_ops end_and_tlbs_ops = {
	.invalidate_range_end = mn_on_end,
	.arch_invalidate_secondary_tlbs = ignore_tlbs,
};

static void expect_ops_refused(struct kunit *test,
			       const struct mmu_notifier_ops *ops)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_sub_ops(test, m, 'a', ops);
	int before = mn_mm_refs(m);

	mn_expect_warning(MN_WARN_REGISTER_OPS);
	mn_register(a);
	KUNIT_EXPECT_EQ(test, a->ret, -EINVAL);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "");
}

static void register_refuses_arch_invalidate_beside_start(struct kunit *test)
{
	expect_ops_refused(test, &start_and_tlbs_ops);
}

static void register_refuses_arch_invalidate_beside_end(struct kunit *test)
{
	expect_ops_refused(test, &end_and_tlbs_ops);
}

static void register_refuses_an_mm_without_users(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_sub(test, m, 'a');
	int before;

	mn_exit(m);
	before = mn_mm_refs(m);
	mn_expect_warning(MN_WARN_REGISTER_NO_USERS);
	mn_register(a);
	KUNIT_EXPECT_EQ(test, a->ret, -EINVAL);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
}

static void register_with_a_signal(void *arg)
{
	allow_signal(SIGUSR1);
	send_sig(SIGUSR1, current, 1);
	mn_register(arg);
	flush_signals(current);
}

static void signal_does_not_fail_register(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *first = mn_sub(test, m, 'a');
	struct mn_sub *later = mn_sub(test, m, 'b');
	struct mn_thread *thread;

	thread = mn_thread_start(test, register_with_a_signal, first);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(thread));
	KUNIT_ASSERT_EQ(test, first->ret, 0);
	thread = mn_thread_start(test, register_with_a_signal, later);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(thread));
	KUNIT_ASSERT_EQ(test, later->ret, 0);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "b+1 a+1 b-1 a-1");
	mn_unregister(later);
	mn_unregister(first);
}

/* Unregister */

static void nothing_is_heard_after_unregister(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	mn_unregister(a);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR");
	mn_whole_section(m, 1);
	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "");
}

static void unregister_under_mmap_lock(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	mmap_write_lock(m->mm);
	mmu_notifier_unregister(&a->mn, m->mm);
	mmap_write_unlock(m->mm);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR");
}

static void unregister_twice_warns_and_does_nothing(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	int before;

	mn_unregister(a);
	before = mn_mm_refs(m);
	mn_expect_warning(MN_WARN_UNREGISTER_TWICE);
	mn_unregister(a);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR b+1 b-1");
	mn_unregister(b);
}

static void unregister_of_a_stranger_warns_and_does_nothing(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test), *other = mn_mm(test);
	struct mn_mm *without = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, other, 'b');
	struct mn_sub *c = mn_sub(test, without, 'c');

	/* Left over from a subscription that has ended */
	c->mn.mm = without->mm;
	mn_expect_warning(MN_WARN_UNREGISTER_STRANGER);
	mmu_notifier_unregister(&c->mn, without->mm);
	mmu_notifier_unregister(&a->mn, other->mm);
	mmu_notifier_unregister(&a->mn, without->mm);
	mn_whole_section(m, 1);
	mn_whole_section(other, 2);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1 b+2 b-2");
	mn_unregister(b);
	mn_unregister(a);
}

static void subscription_can_be_used_again(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test), *other = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	mn_unregister(a);
	a->m = other;
	mn_register(a);
	KUNIT_ASSERT_EQ(test, a->ret, 0);
	mn_whole_section(m, 1);
	mn_whole_section(other, 2);
	mn_unregister(a);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR a+2 a-2 aR");
}

/* Get and put */

static void get_twice_gives_one_object(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);
	struct mn_sub *again = mn_gotten(test, m);

	KUNIT_EXPECT_PTR_EQ(test, p, again);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "p+1 p-1");
	mn_put(p);
	mn_put(p);
}

static void get_under_mmap_lock(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);
	struct mmu_notifier *mn;

	mmap_write_lock(m->mm);
	mn = mmu_notifier_get_locked(&mn_refcount_ops, m->mm);
	mmap_write_unlock(m->mm);
	KUNIT_EXPECT_PTR_EQ(test, mn, &p->mn);
	mn_put(p);
	mn_put(p);
}

static void get_with_other_ops_gives_another_object(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);
	struct mmu_notifier *mn;

	mn = mmu_notifier_get(&mn_other_refcount_ops, m->mm);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mn);
	KUNIT_EXPECT_PTR_NE(test, mn, &p->mn);
	/* Each is found again, whatever the other's place on the list. */
	KUNIT_EXPECT_PTR_EQ(test, mmu_notifier_get(&mn_refcount_ops, m->mm),
			    &p->mn);
	KUNIT_EXPECT_PTR_EQ(test, mmu_notifier_get(&mn_other_refcount_ops, m->mm),
			    mn);
	mmu_notifier_put(mn);
	mmu_notifier_put(mn);
	mn_put(p);
	mn_put(p);
}

static void get_on_another_mm_gives_another_object(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test), *other = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);
	struct mn_sub *q = mn_gotten(test, other);

	KUNIT_EXPECT_PTR_NE(test, p, q);
	mn_put(q);
	mn_put(p);
}

static void put_of_one_user_of_two_changes_nothing(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);

	mn_gotten(test, m);
	mn_put(p);
	mmu_notifier_synchronize();
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "p+1 p-1");
	mn_put(p);
	mmu_notifier_synchronize();
	mn_whole_section(m, 2);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "pF");
}

static void get_after_the_last_put_gives_a_new_object(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m), *q;

	mn_gate_close(&p->at_free);
	mn_put(p);
	q = mn_gotten(test, m);
	KUNIT_EXPECT_PTR_NE(test, p, q);
	mn_gate_open(&p->at_free);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&q->frees), 0);
	mn_put(q);
}

static void get_refuses_to_overflow_the_users(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);
	struct mmu_notifier *mn;

	p->mn.users = UINT_MAX - 1;
	mn = mmu_notifier_get(&mn_refcount_ops, m->mm);
	KUNIT_EXPECT_PTR_EQ(test, mn, &p->mn);
	mn = mmu_notifier_get(&mn_refcount_ops, m->mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(mn), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, p->mn.users, UINT_MAX);
	p->mn.users = 1;
	mn_put(p);
}

static struct mmu_notifier *alloc_fails(struct mm_struct *mm)
{
	return ERR_PTR(-ENODEV);
}

static void free_unexpected(struct mmu_notifier *mn)
{
	KUNIT_FAIL(kunit_get_current_test(), "free_notifier without an object");
}

static void get_passes_the_error_of_alloc_on(struct kunit *test)
{
	static const struct mmu_notifier_ops ops = {
		.alloc_notifier = alloc_fails,
		.free_notifier = free_unexpected,
	};
	struct mn_mm *m = mn_mm(test);
	int before = mn_mm_refs(m);
	struct mmu_notifier *mn;

	mn = mmu_notifier_get(&ops, m->mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(mn), -ENODEV);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
}

static struct mmu_notifier *alloc_gives_nothing(struct mm_struct *mm)
{
	return NULL;
}

static void get_takes_nothing_for_want_of_memory(struct kunit *test)
{
	static const struct mmu_notifier_ops ops = {
		.alloc_notifier = alloc_gives_nothing,
		.free_notifier = free_unexpected,
	};
	struct mn_mm *m = mn_mm(test);
	int before = mn_mm_refs(m);
	struct mmu_notifier *mn;

	mn = mmu_notifier_get(&ops, m->mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(mn), -ENOMEM);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
}

static void get_frees_what_register_refuses(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mmu_notifier *mn;

	mn_exit(m);
	mn_expect_warning(MN_WARN_REGISTER_NO_USERS);
	mn = mmu_notifier_get(&mn_refcount_ops, m->mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(mn), -EINVAL);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "pF");
}

static void put_never_calls_release(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);

	mn_put(p);
	mmu_notifier_synchronize();
	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "pF");
}

static void put_frees_where_sleeping_is_allowed(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);

	mn_put(p);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_TRUE(test, p->free_in_task);
}

static void put_under_spinlock(struct kunit *test)
{
	static DEFINE_SPINLOCK(lock);
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);

	spin_lock(&lock);
	mn_put(p);
	spin_unlock(&lock);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 1);
}

static void put_frees_when_the_last_section_is_over(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *sync;

	mn_gate_close(&p->at_start);
	mn_thread_run(section->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&p->at_start));
	mn_put(p);
	sync = mn_thread_start(test, mn_synchronize, NULL);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(sync));
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 0);

	mn_gate_open(&p->at_start);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(sync));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "p+1 p-1 pF");
}

static void put_too_many_warns_and_does_nothing(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);

	/* The section keeps it from being freed meanwhile. */
	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_put(p);
	mn_expect_warning(MN_WARN_PUT_TOO_MANY);
	mn_put(p);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	mmu_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 1);
}

/* Synchronize */

static void synchronize_without_puts_returns(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *sync = mn_thread(test, mn_synchronize, NULL);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_thread_run(sync);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(sync));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	mn_unregister(a);
}

static void synchronize_waits_for_free_notifier(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);
	struct mn_thread *sync = mn_thread(test, mn_synchronize, NULL);

	mn_gate_close(&p->at_free);
	mn_put(p);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&p->at_free));
	mn_thread_run(sync);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(sync));
	mn_gate_open(&p->at_free);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(sync));
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 1);
}

static void synchronize_sees_the_puts_of_all_mms(struct kunit *test)
{
	struct mn_sub *subs[16];
	int i;

	for (i = 0; i < ARRAY_SIZE(subs); i++)
		subs[i] = mn_gotten(test, mn_mm(test));
	for (i = 0; i < ARRAY_SIZE(subs); i++)
		mn_put(subs[i]);
	mmu_notifier_synchronize();
	for (i = 0; i < ARRAY_SIZE(subs); i++)
		KUNIT_EXPECT_EQ(test, atomic_read(&subs[i]->frees), 1);
}

static void free_slowly(struct mmu_notifier *mn)
{
	fsleep(100);
	atomic_inc(&mn_sub_of(mn)->frees);
}

#define MN_SLOW_OPS { .free_notifier = free_slowly }

/* One object per mm and ops, so as many ops as there are objects. */
static const struct mmu_notifier_ops slow_ops[] = {
	MN_SLOW_OPS, MN_SLOW_OPS, MN_SLOW_OPS, MN_SLOW_OPS,
	MN_SLOW_OPS, MN_SLOW_OPS, MN_SLOW_OPS, MN_SLOW_OPS,
};

/* Work that a thread does on a CPU of its choice. */
struct put_elsewhere {
	struct mn_sub *subs[ARRAY_SIZE(slow_ops)];
	struct mn_thread *thread;
	int cpu;
};

static void put_on_a_cpu(void *arg)
{
	struct put_elsewhere *work = arg;
	int i;

	set_cpus_allowed_ptr(current, cpumask_of(work->cpu));
	for (i = 0; i < ARRAY_SIZE(work->subs); i++)
		mn_put(work->subs[i]);
}

static int slow_frees_missing(const struct put_elsewhere *work)
{
	int i, missing = 0;

	for (i = 0; i < ARRAY_SIZE(work->subs); i++)
		missing += !atomic_read(&work->subs[i]->frees);
	return missing;
}

/* With SRCU in big mode the callbacks of one CPU overtake those of another. */
static void synchronize_sees_the_puts_of_all_cpus(struct kunit *test)
{
	struct put_elsewhere *work = mn_alloc(test, sizeof(*work));
	struct mn_mm *m = mn_mm(test);
	struct mn_thread *thread;
	int i;

	for_each_online_cpu(work->cpu) {
		for (i = 0; i < ARRAY_SIZE(slow_ops); i++)
			work->subs[i] = mn_registered_ops(test, m, 's',
							  &slow_ops[i]);
		thread = mn_thread_start(test, put_on_a_cpu, work);
		KUNIT_ASSERT_TRUE(test, mn_thread_ends(thread));
		mmu_notifier_synchronize();
		KUNIT_EXPECT_EQ(test, slow_frees_missing(work), 0);
	}
}

static struct kunit_case mn_cases[] = {
	KUNIT_CASE(register_on_new_mm),
	KUNIT_CASE(register_under_mmap_lock),
	KUNIT_CASE(register_pins_the_mm_struct),
	KUNIT_CASE(second_subscriber_hears_beside_the_first),
	KUNIT_CASE(newest_subscriber_hears_first),
	KUNIT_CASE(hundred_subscribers_hear_once_each),
	KUNIT_CASE(subscribers_hear_of_their_own_mm_only),
	KUNIT_CASE(ops_without_callbacks_are_fine),
	KUNIT_CASE(register_refuses_arch_invalidate_beside_start),
	KUNIT_CASE(register_refuses_arch_invalidate_beside_end),
	KUNIT_CASE(register_refuses_an_mm_without_users),
	KUNIT_CASE(signal_does_not_fail_register),
	KUNIT_CASE(nothing_is_heard_after_unregister),
	KUNIT_CASE(unregister_under_mmap_lock),
	KUNIT_CASE(unregister_twice_warns_and_does_nothing),
	KUNIT_CASE(unregister_of_a_stranger_warns_and_does_nothing),
	KUNIT_CASE(subscription_can_be_used_again),
	KUNIT_CASE(get_twice_gives_one_object),
	KUNIT_CASE(get_under_mmap_lock),
	KUNIT_CASE(get_with_other_ops_gives_another_object),
	KUNIT_CASE(get_on_another_mm_gives_another_object),
	KUNIT_CASE(put_of_one_user_of_two_changes_nothing),
	KUNIT_CASE(get_after_the_last_put_gives_a_new_object),
	KUNIT_CASE(get_refuses_to_overflow_the_users),
	KUNIT_CASE(get_passes_the_error_of_alloc_on),
	KUNIT_CASE(get_takes_nothing_for_want_of_memory),
	KUNIT_CASE(get_frees_what_register_refuses),
	KUNIT_CASE(put_never_calls_release),
	KUNIT_CASE(put_frees_where_sleeping_is_allowed),
	KUNIT_CASE(put_under_spinlock),
	KUNIT_CASE(put_frees_when_the_last_section_is_over),
	KUNIT_CASE(put_too_many_warns_and_does_nothing),
	KUNIT_CASE(synchronize_without_puts_returns),
	KUNIT_CASE(synchronize_waits_for_free_notifier),
	KUNIT_CASE(synchronize_sees_the_puts_of_all_mms),
	KUNIT_CASE(synchronize_sees_the_puts_of_all_cpus),
	{}
};

static struct kunit_suite mn_suite = {
	.name = "mmu_notifier",
	.init = mn_test_init,
	.test_cases = mn_cases,
};

kunit_test_suite(mn_suite);
