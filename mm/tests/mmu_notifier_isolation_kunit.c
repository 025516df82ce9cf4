// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KUnit suite of the mmu_notifier: one mm does not delay another
 *
 * In the address space "busy" a callback is stuck. Everything that can be done
 * to another one has to finish meanwhile.
 */

#include <kunit/test.h>

#include "mmu_notifier_kunit.h"

/*
 * An address space where a section is stuck in the start of subscriber a, and
 * the unregistration of another subscriber waits for it.
 */
struct busy {
	struct mn_mm *m;
	struct mn_sub *a;
	struct mn_sub *leaver;
	struct mn_int *x;
	struct mn_section *section;
	struct mn_thread *leaves;
};

static void busy_begins(struct kunit *test, struct busy *busy)
{
	busy->m = mn_mm(test);
	busy->a = mn_registered(test, busy->m, 'a');
	busy->leaver = mn_registered(test, busy->m, 'l');
	busy->leaves = mn_thread(test, mn_unregister, busy->leaver);
	busy->x = mn_inserted(test, busy->m, 'x', 1, 1);
	busy->section = mn_section(test, busy->m, MN_MMAP_READ, 1);
	mn_gate_close(&busy->a->at_start);
	mn_thread_run(busy->section->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&busy->a->at_start));
	mn_thread_run(busy->leaves);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(busy->leaves));
}

static void busy_ends(struct kunit *test, struct busy *busy)
{
	KUNIT_EXPECT_FALSE(test, mn_thread_ended(busy->section->thread));
	mn_gate_open(&busy->a->at_start);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(busy->section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(busy->leaves));
	mn_remove(busy->x);
	mn_unregister(busy->a);
}

/* Whether @fn completes while the other mm is busy. */
static void expect_finishes(struct kunit *test, void (*fn)(void *arg),
			    void *arg)
{
	struct mn_thread *thread = mn_thread_start(test, fn, arg);

	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
}

static void first_register_while_another_mm_is_stuck(struct kunit *test)
{
	struct mn_sub *b = mn_sub(test, mn_mm_mapped(test), 'b');
	struct busy busy;

	busy_begins(test, &busy);
	expect_finishes(test, mn_register, b);
	busy_ends(test, &busy);
	mn_unregister(b);
}

static void later_register_while_another_mm_is_stuck(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_sub(test, m, 'c');
	struct busy busy;

	busy_begins(test, &busy);
	expect_finishes(test, mn_register, c);
	busy_ends(test, &busy);
	mn_unregister(c);
	mn_unregister(b);
}

static void unregister_while_another_mm_is_stuck(struct kunit *test)
{
	struct mn_sub *b = mn_registered(test, mn_mm(test), 'b');
	struct busy busy;

	busy_begins(test, &busy);
	expect_finishes(test, mn_unregister, b);
	busy_ends(test, &busy);
}

static void exit_while_another_mm_is_stuck(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_int *y = mn_inserted(test, m, 'y', 1, 1);
	struct busy busy;

	busy_begins(test, &busy);
	expect_finishes(test, mn_exit, m);
	busy_ends(test, &busy);
	mn_remove(y);
	mn_unregister(b);
}

static void put_and_synchronize_while_another_mm_is_stuck(struct kunit *test)
{
	struct mn_sub *p = mn_gotten(test, mn_mm(test));
	struct busy busy;

	busy_begins(test, &busy);
	mn_put(p);
	expect_finishes(test, mn_synchronize, NULL);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 1);
	busy_ends(test, &busy);
}

/* The stuck mm also has a subscription to free, which must wait. */
static void put_frees_while_another_mm_has_to_wait(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test), *stuck = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);
	struct mn_sub *q = mn_gotten(test, stuck);
	struct mn_section *section;

	section = mn_section(test, stuck, MN_MMAP_READ, 1);
	mn_gate_close(&p->at_free);
	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_put(q);
	mn_put(p);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&p->at_free));
	KUNIT_EXPECT_EQ(test, atomic_read(&q->frees), 0);
	mn_gate_open(&p->at_free);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	mmu_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&q->frees), 1);
}

static void insert_and_remove_while_another_mm_is_stuck(struct kunit *test)
{
	struct mn_int *y = mn_int(test, mn_mm_mapped(test), 'y', 1, 1);
	struct busy busy;

	busy_begins(test, &busy);
	expect_finishes(test, mn_insert, y);
	expect_finishes(test, mn_remove, y);
	busy_ends(test, &busy);
	KUNIT_EXPECT_EQ(test, y->ret, 0);
}

static void sections_while_another_mm_is_stuck(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 2);
	struct busy busy;

	busy_begins(test, &busy);
	mn_heard(test);
	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "b+2 b-2");
	busy_ends(test, &busy);
	mn_unregister(b);
}

/* It waits for a lock, and must not hold one that others need meanwhile. */
static void register_while_a_first_register_waits(struct kunit *test)
{
	struct mn_mm *stuck = mn_mm_mapped(test), *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_sub(test, stuck, 'a');
	struct mn_sub *b = mn_sub(test, m, 'b');
	struct mn_thread *waits = mn_thread(test, mn_register, a);
	struct mn_thread *thread = mn_thread(test, mn_register, b);
	bool blocked, ended;

	mn_cover(stuck, MN_I_MMAP_READ);
	mn_thread_run(waits);
	blocked = mn_thread_blocked(waits);
	mn_thread_run(thread);
	ended = mn_thread_ends(thread);
	mn_uncover(stuck, MN_I_MMAP_READ);
	KUNIT_EXPECT_TRUE(test, blocked);
	KUNIT_EXPECT_TRUE(test, ended);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(waits));
	mn_unregister(b);
	mn_unregister(a);
}

static void release_of_another_mm_delays_nobody(struct kunit *test)
{
	struct mn_mm *stuck = mn_mm(test), *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, stuck, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_sub(test, m, 'c');
	struct mn_thread *exit;

	mn_gate_close(&a->at_release);
	exit = mn_thread_start(test, mn_exit, stuck);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&a->at_release));
	expect_finishes(test, mn_register, c);
	expect_finishes(test, mn_unregister, b);
	expect_finishes(test, mn_exit, m);
	KUNIT_EXPECT_FALSE(test, mn_thread_ended(exit));
	mn_gate_open(&a->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(exit));
	mn_unregister(c);
	mn_unregister(a);
}

static struct kunit_case mn_isolation_cases[] = {
	KUNIT_CASE(first_register_while_another_mm_is_stuck),
	KUNIT_CASE(later_register_while_another_mm_is_stuck),
	KUNIT_CASE(unregister_while_another_mm_is_stuck),
	KUNIT_CASE(exit_while_another_mm_is_stuck),
	KUNIT_CASE(put_and_synchronize_while_another_mm_is_stuck),
	KUNIT_CASE(put_frees_while_another_mm_has_to_wait),
	KUNIT_CASE(insert_and_remove_while_another_mm_is_stuck),
	KUNIT_CASE(sections_while_another_mm_is_stuck),
	KUNIT_CASE(register_while_a_first_register_waits),
	KUNIT_CASE(release_of_another_mm_delays_nobody),
	{}
};

static struct kunit_suite mn_isolation_suite = {
	.name = "mmu_notifier_isolation",
	.init = mn_test_init,
	.test_cases = mn_isolation_cases,
};

kunit_test_suite(mn_isolation_suite);
