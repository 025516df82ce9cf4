// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KUnit suite of the mmu_notifier: what older drivers rely on
 *
 * Drivers, in the tree and out of it, rely on more than the page for driver
 * authors promises. Each habit that goes on to work has a case here.
 */

#include <kunit/test.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>

#include "mmu_notifier_kunit.h"

/*
 * Registration of NULL: it only prepares the mm, so that intervals can be
 * inserted later under mmap_lock held for read.
 */

struct nobody {
	struct mn_mm *m;
	bool locked;	/* the caller of registration holds mmap_lock */
	int ret;
};

static void register_nobody(void *arg)
{
	struct nobody *nobody = arg;
	struct mm_struct *mm = nobody->m->mm;

	if (!nobody->locked) {
		nobody->ret = mmu_notifier_register(NULL, mm);
		return;
	}
	mmap_write_lock(mm);
	nobody->ret = __mmu_notifier_register(NULL, mm);
	mmap_write_unlock(mm);
}

/*
 * Runs in a thread of its own: where this is a defect it dies with mmap_lock
 * held.
 */
static void expect_nobody_registers(struct kunit *test, struct mn_mm *m,
				    bool locked)
{
	struct nobody *nobody = mn_alloc(test, sizeof(*nobody));
	int before = mn_mm_refs(m);

	nobody->m = m;
	nobody->locked = locked;
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(mn_thread_start(test,
							       register_nobody,
							       nobody)));
	KUNIT_EXPECT_EQ(test, nobody->ret, 0);
	KUNIT_EXPECT_TRUE(test, mm_has_notifiers(m->mm));
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
}

static void insert_under_read_lock(void *arg)
{
	struct mn_int *x = arg;

	mmap_read_lock(x->m->mm);
	mn_insert(x);
	mmap_read_unlock(x->m->mm);
}

static void expect_inserts_under_read_lock(struct kunit *test,
					   struct mn_int *x)
{
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(mn_thread_start(test,
							       insert_under_read_lock,
							       x)));
	KUNIT_ASSERT_EQ(test, x->ret, 0);
}

static void register_nobody_then_insert(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);

	expect_nobody_registers(test, m, false);
	expect_inserts_under_read_lock(test, x);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_remove(x);
}

static void register_nobody_under_mmap_lock_then_insert(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);

	expect_nobody_registers(test, m, true);
	expect_inserts_under_read_lock(test, x);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_remove(x);
}

static void register_nobody_twice(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);

	expect_nobody_registers(test, m, false);
	expect_nobody_registers(test, m, true);
	expect_inserts_under_read_lock(test, x);
	expect_nobody_registers(test, m, false);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_remove(x);
}

static void register_nobody_beside_hlist(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);

	expect_nobody_registers(test, m, true);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1");
	expect_inserts_under_read_lock(test, x);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 a+1 a-1");
	mn_remove(x);
	mn_unregister(a);
}

static void register_nobody_before_hlist(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);
	struct mn_sub *a;

	expect_nobody_registers(test, m, false);
	a = mn_registered(test, m, 'a');
	expect_inserts_under_read_lock(test, x);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 a+1 a-1");
	mn_unregister(a);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR x+1");
	mn_remove(x);
}

static void register_nobody_beside_intervals(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_int(test, m, 'y', 1, 1);

	expect_nobody_registers(test, m, true);
	expect_inserts_under_read_lock(test, y);
	mn_remove(x);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "y+1");
	mn_remove(y);
}

/* A section that is open meanwhile cannot be missed by a reader. */
static void insert_after_nobody_makes_begin_wait(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *begin = mn_thread(test, mn_read_begin, x);

	expect_nobody_registers(test, m, false);
	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	expect_inserts_under_read_lock(test, x);
	mn_thread_run(begin);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_FALSE(test, mn_int_retry(x, x->seq));
	mn_remove(x);
}

/* All of it is freed with the mm; what is left over is reported then. */
static void mm_may_end_with_nobody(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);

	expect_nobody_registers(test, m, false);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), 0);
	mn_exit(m);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), 1);
	mn_drop(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "");
}

/* Subscriptions */

/* Many drivers do not zero a subscription, but initialise its member hlist. */
static void hlist_may_be_initialised(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_sub(test, m, 'a');

	INIT_HLIST_NODE(&a->mn.hlist);
	mn_register(a);
	KUNIT_ASSERT_EQ(test, a->ret, 0);
	mn_whole_section(m, 1);
	mn_unregister(a);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1 aR");
}

/* Drivers also test it to see whether they are registered. */
static void hlist_tells_whether_registered(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_sub(test, m, 'a');
	struct mn_sub *b = mn_sub(test, m, 'b');
	int i;

	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_TRUE(test, hlist_unhashed(&a->mn.hlist));
		mn_register(a);
		KUNIT_ASSERT_EQ(test, a->ret, 0);
		KUNIT_EXPECT_FALSE(test, hlist_unhashed(&a->mn.hlist));
		/* The lists exchange their roles. */
		mn_register(b);
		KUNIT_ASSERT_EQ(test, b->ret, 0);
		KUNIT_EXPECT_FALSE(test, hlist_unhashed(&a->mn.hlist));
		mn_unregister(b);
		KUNIT_EXPECT_TRUE(test, hlist_unhashed(&b->mn.hlist));
		KUNIT_EXPECT_FALSE(test, hlist_unhashed(&a->mn.hlist));
		mn_unregister(a);
		KUNIT_EXPECT_TRUE(test, hlist_unhashed(&a->mn.hlist));
	}
}

static void hlist_tells_so_after_exit(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');

	mn_exit(m);
	mn_unregister(a);
	mn_unregister(b);
	KUNIT_EXPECT_TRUE(test, hlist_unhashed(&a->mn.hlist));
	KUNIT_EXPECT_TRUE(test, hlist_unhashed(&b->mn.hlist));
}

/* One driver, opened twice by the same process */
static void one_driver_registers_twice(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');

	mn_whole_section(m, 1);
	mn_unregister(b);
	mn_whole_section(m, 2);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "b+1 a+1 b-1 a-1 bR a+2 a-2");
	mn_unregister(a);
}

/* A file that outlives the process unregisters when it is closed. */
static void unregister_long_after_exit(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	mn_exit(m);
	mn_drop(m);
	KUNIT_EXPECT_PTR_EQ(test, a->mn.mm, m->mm);
	KUNIT_EXPECT_FALSE(test, mmget_not_zero(a->mn.mm));
	mn_unregister(a);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR");
}

static struct kunit_case mn_compat_cases[] = {
	KUNIT_CASE(register_nobody_then_insert),
	KUNIT_CASE(register_nobody_under_mmap_lock_then_insert),
	KUNIT_CASE(register_nobody_twice),
	KUNIT_CASE(register_nobody_beside_hlist),
	KUNIT_CASE(register_nobody_before_hlist),
	KUNIT_CASE(register_nobody_beside_intervals),
	KUNIT_CASE(insert_after_nobody_makes_begin_wait),
	KUNIT_CASE(mm_may_end_with_nobody),
	KUNIT_CASE(hlist_may_be_initialised),
	KUNIT_CASE(hlist_tells_whether_registered),
	KUNIT_CASE(hlist_tells_so_after_exit),
	KUNIT_CASE(one_driver_registers_twice),
	KUNIT_CASE(unregister_long_after_exit),
	{}
};

static struct kunit_suite mn_compat_suite = {
	.name = "mmu_notifier_compat",
	.init = mn_test_init,
	.test_cases = mn_compat_cases,
};

kunit_test_suite(mn_compat_suite);
