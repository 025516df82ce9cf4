// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KUnit suite of the mmu_notifier: the end of the address space
 *
 * ->release runs once per subscription, whether exit or unregister is first,
 * before any page is freed, and neither returns before it is over.
 */

#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/spinlock.h>

#include "mmu_notifier_kunit.h"

static void exit_releases_once(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR");
	mn_unregister(a);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "");
}

static void unregister_releases_once(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	mn_unregister(a);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR");
	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "");
}

static void exit_releases_all_newest_first(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_registered(test, m, 'c');

	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "cR bR aR");
	mn_unregister(a);
	mn_unregister(b);
	mn_unregister(c);
}

static void subscription_outlives_the_exit(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	mn_exit(m);
	/* One is the fixture's. */
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), 2);
	KUNIT_EXPECT_PTR_EQ(test, a->mn.mm, m->mm);
	mn_unregister(a);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), 1);
}

static void exit_without_release_callback(struct kunit *test)
{
	static const struct mmu_notifier_ops ops = {
		.invalidate_range_start = mn_on_start,
		.invalidate_range_end = mn_on_end,
	};
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &ops);
	struct mn_sub *b = mn_registered(test, m, 'b');

	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "bR");
	mn_unregister(a);
	mn_unregister(b);
}

static bool page_is_mapped(struct mn_mm *m)
{
	return folio_mapped(page_folio(m->page));
}

static void look_for_page(struct mn_sub *sub)
{
	sub->ret = page_is_mapped(sub->m);
}

static void exit_releases_before_it_frees_pages(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	a->on_release = look_for_page;
	mn_exit(m);
	KUNIT_EXPECT_TRUE(test, a->ret);
	KUNIT_EXPECT_FALSE(test, page_is_mapped(m));
	mn_unregister(a);
}

/* They are not called for unmapping at exit: ->release was the last call. */
static void exit_unmaps_in_silence_after_release(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR");
	KUNIT_EXPECT_EQ(test, atomic_read(&a->starts), 0);
	mn_unregister(a);
}

/* Exit and unregister at once */

static void unregister_awaits_the_release_of_exit(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_thread *exit, *unregister;

	mn_gate_close(&a->at_release);
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&a->at_release));
	unregister = mn_thread_start(test, mn_unregister, a);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(unregister));

	mn_gate_open(&a->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(unregister));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR");
}

static void exit_awaits_the_release_of_unregister(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_thread *exit, *unregister;

	mn_gate_close(&a->at_release);
	unregister = mn_thread_start(test, mn_unregister, a);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&a->at_release));
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(exit));
	KUNIT_EXPECT_TRUE(test, page_is_mapped(m));

	mn_gate_open(&a->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(unregister));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR");
}

/* The second unregister is a mistake, even if exit ran in between. */
static void unregister_twice_beside_exit_does_nothing(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_thread *exit, *unregister;
	int before;

	mn_gate_close(&a->at_release);
	unregister = mn_thread_start(test, mn_unregister, a);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&a->at_release));
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(exit));
	mn_gate_open(&a->at_release);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(unregister));
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(exit));

	before = mn_mm_refs(m);
	mn_expect_warning(MN_WARN_UNREGISTER_TWICE);
	mn_unregister(a);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR");
}

static void unregister_twice_after_exit_warns_and_does_nothing(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	int before;

	mn_exit(m);
	mn_unregister(a);
	before = mn_mm_refs(m);
	mn_expect_warning(MN_WARN_UNREGISTER_TWICE);
	mn_unregister(a);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
	mn_unregister(b);
}

/* What put has queued is not over yet. */
static void unregister_after_put_warns_and_does_nothing(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);
	int before;

	mn_gate_close(&p->at_free);
	mn_put(p);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&p->at_free));
	before = mn_mm_refs(m);
	mn_expect_warning(MN_WARN_UNREGISTER_TWICE);
	mn_unregister(p);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before);
	mn_gate_open(&p->at_free);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 1);
}

/* Reclaim may be in a start while the last user exits. */
static void exit_awaits_running_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_section *section;
	struct mn_thread *exit;

	section = mn_section(test, m, MN_I_MMAP_READ, 1);
	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(exit));
	KUNIT_EXPECT_TRUE(test, page_is_mapped(m));

	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 aR a-1");
	mn_unregister(a);
}

/* Until its ->release is over, a subscriber is called for reclaim. */
static void sections_are_delivered_while_release_runs(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_section *section;
	struct mn_thread *exit;

	section = mn_section(test, m, MN_I_MMAP_READ, 1);
	mn_gate_close(&a->at_release);
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&a->at_release));
	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	mn_gate_open(&a->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR a+1 a-1");
	mn_unregister(a);
}

#define MN_RACES	40

struct race {
	struct mn_sub *sub;
	struct completion go;
};

static void unregister_on_go(void *arg)
{
	struct race *race = arg;

	wait_for_completion(&race->go);
	mn_unregister(race->sub);
}

static void race_exit_with_unregister(struct kunit *test)
{
	struct race *race = mn_alloc(test, sizeof(*race));
	struct mn_mm *m = mn_mm(test);
	struct mn_thread *thread;

	race->sub = mn_registered(test, m, 'a');
	init_completion(&race->go);
	thread = mn_thread_start(test, unregister_on_go, race);
	complete(&race->go);
	mn_exit(m);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR");
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), 1);
}

static void unregister_racing_with_exit_releases_once(struct kunit *test)
{
	int i;

	for (i = 0; i < MN_RACES; i++)
		race_exit_with_unregister(test);
}

/* What ->release may do */

static void put_self(struct mn_sub *sub)
{
	mn_put(sub);
}

static void put_other(struct mn_sub *sub)
{
	mn_put(sub->other);
}

static void put_from_release(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *p = mn_gotten(test, m);

	p->on_release = put_self;
	mn_exit(m);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&p->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->releases), 1);
	mn_unregister(a);
}

static void put_after_exit(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);

	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "pR");
	mn_put(p);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "pF");
}

static void put_before_exit_frees_meanwhile(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);

	mn_put(p);
	mn_exit(m);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "pF");
}

static void unregister_self(struct mn_sub *sub)
{
	mn_unregister(sub);
}

static void unregister_self_from_release(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_registered(test, m, 'c');
	struct mn_thread *exit;

	b->on_release = unregister_self;
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "cR bR aR");
	mn_unregister(a);
	mn_unregister(c);
}

static void unregister_other(struct mn_sub *sub)
{
	mn_unregister(sub->other);
}

static void unregister_from_release_one_that_is_next(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_registered(test, m, 'c');
	struct mn_thread *exit;

	c->on_release = unregister_other;
	c->other = b;
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "cR bR aR");
	mn_unregister(a);
	mn_unregister(c);
}

static void unregister_from_release_one_that_was_before(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_registered(test, m, 'c');
	struct mn_thread *exit;

	b->on_release = unregister_other;
	b->other = c;
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "cR bR aR");
	mn_unregister(a);
	mn_unregister(b);
}

/*
 * a's ->release unregisters b, and so may wait. A task that unregisters a at
 * the same time must still wait for a's ->release.
 */
static void unregister_awaits_a_release_that_unregisters(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_thread *exit, *unregister;

	a->on_release = unregister_other;
	a->other = b;
	mn_gate_close(&a->at_release);
	mn_gate_close(&b->at_release);
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&a->at_release));
	unregister = mn_thread_start(test, mn_unregister, a);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(unregister));
	mn_gate_open(&a->at_release);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&b->at_release));
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(unregister));

	mn_gate_open(&b->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(unregister));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR bR");
}

/* The same for an object that is put meanwhile. */
static void put_awaits_a_release_that_unregisters(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *p = mn_gotten(test, m);
	struct mn_thread *exit, *sync;

	p->on_release = unregister_other;
	p->other = b;
	mn_gate_close(&p->at_release);
	mn_gate_close(&b->at_release);
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&p->at_release));
	mn_put(p);
	sync = mn_thread_start(test, mn_synchronize, NULL);
	/*
	 * The grace period has begun by then; b's ->release does not prolong
	 * it.
	 */
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(sync));
	mn_gate_open(&p->at_release);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&b->at_release));
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(sync));

	mn_gate_open(&b->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(sync));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "pR bR pF");
}

/*
 * mmu_notifier_unregister() calls a ->release that unregisters: within a
 * ->release of exit, or without an exit.
 */

static void unregister_from_a_release_within_that_of_exit(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_registered(test, m, 'c');
	struct mn_thread *exit;

	c->on_release = unregister_other;
	c->other = b;
	b->on_release = unregister_other;
	b->other = a;
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "cR bR aR");
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), 2);
	mn_unregister(c);
}

/* The subscriber whose ->release exit is calling */
static void unregister_the_one_that_exit_releases_from_another(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_registered(test, m, 'c');
	struct mn_thread *exit;

	c->on_release = unregister_other;
	c->other = b;
	b->on_release = unregister_other;
	b->other = c;
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "cR bR aR");
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), 2);
	mn_unregister(a);
}

static void unregister_self_within_the_release_of_exit_warns(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_registered(test, m, 'c');
	struct mn_thread *exit;

	c->on_release = unregister_other;
	c->other = b;
	b->on_release = unregister_self;
	mn_expect_warning(MN_WARN_UNREGISTER_TWICE);
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "cR bR");
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), 2);
	mn_unregister(c);
}

static void put_within_the_release_of_exit(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_registered(test, m, 'c');
	struct mn_thread *exit;

	c->on_release = unregister_other;
	c->other = b;
	b->on_release = put_other;
	b->other = p;
	exit = mn_thread_start(test, mn_exit, m);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(exit));
	mmu_notifier_synchronize();
	/* Exit has not begun to call the ->release of p. */
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "cR bR pF");
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), 2);
	mn_unregister(c);
}

static void unregister_from_the_release_of_unregister(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_registered(test, m, 'c');
	struct mn_thread *unregister;

	a->on_release = unregister_other;
	a->other = b;
	unregister = mn_thread_start(test, mn_unregister, a);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(unregister));
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR bR c+1 c-1");
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), 3);
	mn_unregister(c);
}

static void unregister_self_from_the_release_of_unregister_warns(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_thread *unregister;
	int before = mn_mm_refs(m);

	a->on_release = unregister_self;
	mn_expect_warning(MN_WARN_UNREGISTER_TWICE);
	unregister = mn_thread_start(test, mn_unregister, a);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(unregister));
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR");
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), before - 1);
}

static void put_from_the_release_of_unregister(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_thread *unregister;

	a->on_release = put_other;
	a->other = p;
	unregister = mn_thread_start(test, mn_unregister, a);
	KUNIT_ASSERT_TRUE(test, mn_thread_ends(unregister));
	mmu_notifier_synchronize();
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR pF");
}

/* A ->release only delays those who must wait for it. */

static void unregister_beside_a_release_of_unregister(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_thread *stuck = mn_thread(test, mn_unregister, a);
	struct mn_thread *unregister = mn_thread(test, mn_unregister, b);

	mn_gate_close(&a->at_release);
	mn_thread_run(stuck);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&a->at_release));
	mn_thread_run(unregister);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(unregister));
	mn_gate_open(&a->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(stuck));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR bR");
}

static void unregister_beside_a_release_of_exit(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_thread *exit = mn_thread(test, mn_exit, m);
	struct mn_thread *unregister = mn_thread(test, mn_unregister, a);

	mn_gate_close(&b->at_release);
	mn_thread_run(exit);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&b->at_release));
	mn_thread_run(unregister);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(unregister));
	mn_gate_open(&b->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "bR aR");
	mn_unregister(b);
}

static void put_beside_a_release_of_unregister(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_thread *stuck = mn_thread(test, mn_unregister, a);
	struct mn_thread *sync = mn_thread(test, mn_synchronize, NULL);

	mn_gate_close(&a->at_release);
	mn_thread_run(stuck);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&a->at_release));
	mn_put(p);
	mn_thread_run(sync);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(sync));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR pF");
	mn_gate_open(&a->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(stuck));
}

/*
 * Its own ->release is over, but exit is not: unregister is calling that of b.
 */
static void exit_awaits_unregisters_of_others(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_sub *c = mn_registered(test, m, 'c');
	struct mn_thread *exit = mn_thread(test, mn_exit, m);
	struct mn_thread *one = mn_thread(test, mn_unregister, a);
	struct mn_thread *two = mn_thread(test, mn_unregister, b);

	mn_gate_close(&a->at_release);
	mn_gate_close(&b->at_release);
	mn_thread_run(one);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&a->at_release));
	mn_thread_run(two);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&b->at_release));
	mn_thread_run(exit);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(exit));
	KUNIT_EXPECT_EQ(test, atomic_read(&c->releases), 1);
	mn_gate_open(&a->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(one));
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(exit));
	KUNIT_EXPECT_TRUE(test, page_is_mapped(m));
	mn_gate_open(&b->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(two));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR bR cR");
	mn_unregister(c);
}

/*
 * Exit is in the ->release of b. Another task is in that of a, which
 * unregisters b: the task waits for exit, and exit does not wait for the task.
 */
static void release_awaits_that_of_exit(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');
	struct mn_thread *exit = mn_thread(test, mn_exit, m);
	struct mn_thread *unregister = mn_thread(test, mn_unregister, a);

	a->on_release = unregister_other;
	a->other = b;
	mn_gate_close(&b->at_release);
	mn_thread_run(exit);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&b->at_release));
	mn_thread_run(unregister);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(unregister));
	KUNIT_EXPECT_EQ(test, atomic_read(&a->releases), 1);
	mn_gate_open(&b->at_release);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(unregister));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(exit));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "bR aR");
	KUNIT_EXPECT_EQ(test, mn_mm_refs(m), 1);
}

/*
 * Dropping the last reference to the mm also frees the structure of the
 * subscriptions. If that goes wrong, the kernel log has a report.
 */

static void put_may_drop_the_last_reference(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);

	mn_exit(m);
	mn_drop(m);
	mn_put(p);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "pR pF");
}

static void unregister_may_drop_the_last_reference(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');

	mn_exit(m);
	mn_drop(m);
	mn_unregister(a);
	mn_unregister(b);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "bR aR");
}

static void remove_may_drop_the_last_reference(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);

	mn_exit(m);
	mn_drop(m);
	mn_remove(x);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "xR");
}

/* As the scheduler does when it leaves the mm. */
static void last_reference_may_go_where_nobody_sleeps(struct kunit *test)
{
	static DEFINE_SPINLOCK(lock);
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *p = mn_gotten(test, m);

	mn_put(p);
	mmu_notifier_synchronize();
	mn_exit(m);
	spin_lock(&lock);
	mn_drop(m);
	spin_unlock(&lock);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "pF");
}

static struct kunit_case mn_release_cases[] = {
	KUNIT_CASE(exit_releases_once),
	KUNIT_CASE(unregister_releases_once),
	KUNIT_CASE(exit_releases_all_newest_first),
	KUNIT_CASE(subscription_outlives_the_exit),
	KUNIT_CASE(exit_without_release_callback),
	KUNIT_CASE(exit_releases_before_it_frees_pages),
	KUNIT_CASE(exit_unmaps_in_silence_after_release),
	KUNIT_CASE(unregister_awaits_the_release_of_exit),
	KUNIT_CASE(exit_awaits_the_release_of_unregister),
	KUNIT_CASE(unregister_twice_beside_exit_does_nothing),
	KUNIT_CASE(unregister_twice_after_exit_warns_and_does_nothing),
	KUNIT_CASE(unregister_after_put_warns_and_does_nothing),
	KUNIT_CASE(exit_awaits_running_sections),
	KUNIT_CASE(sections_are_delivered_while_release_runs),
	KUNIT_CASE_SLOW(unregister_racing_with_exit_releases_once),
	KUNIT_CASE(put_from_release),
	KUNIT_CASE(put_after_exit),
	KUNIT_CASE(put_before_exit_frees_meanwhile),
	KUNIT_CASE(unregister_self_from_release),
	KUNIT_CASE(unregister_from_release_one_that_is_next),
	KUNIT_CASE(unregister_from_release_one_that_was_before),
	KUNIT_CASE(unregister_awaits_a_release_that_unregisters),
	KUNIT_CASE(put_awaits_a_release_that_unregisters),
	KUNIT_CASE(unregister_from_a_release_within_that_of_exit),
	KUNIT_CASE(unregister_the_one_that_exit_releases_from_another),
	KUNIT_CASE(unregister_self_within_the_release_of_exit_warns),
	KUNIT_CASE(put_within_the_release_of_exit),
	KUNIT_CASE(unregister_from_the_release_of_unregister),
	KUNIT_CASE(unregister_self_from_the_release_of_unregister_warns),
	KUNIT_CASE(put_from_the_release_of_unregister),
	KUNIT_CASE(unregister_beside_a_release_of_unregister),
	KUNIT_CASE(unregister_beside_a_release_of_exit),
	KUNIT_CASE(put_beside_a_release_of_unregister),
	KUNIT_CASE(exit_awaits_unregisters_of_others),
	KUNIT_CASE(release_awaits_that_of_exit),
	KUNIT_CASE(put_may_drop_the_last_reference),
	KUNIT_CASE(unregister_may_drop_the_last_reference),
	KUNIT_CASE(remove_may_drop_the_last_reference),
	KUNIT_CASE(last_reference_may_go_where_nobody_sleeps),
	{}
};

static struct kunit_suite mn_release_suite = {
	.name = "mmu_notifier_release",
	.init = mn_test_init,
	.test_cases = mn_release_cases,
};

kunit_test_suite(mn_release_suite);
