// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KUnit suite of the mmu_notifier: sections with and without a slot
 *
 * A section that walks the tree publishes its range in a slot. The number of
 * slots is limited. If all are taken, the range of further sections is not
 * known ("unslotted"), so a reader must wait for all unslotted sections that
 * began before it. The suite also tests what remove and the first hlist
 * subscriber wait for.
 *
 * Intervals are at page 1, elsewhere is page 9.
 */

#include <kunit/test.h>
#include <linux/cpumask.h>
#include <linux/minmax.h>
#include <linux/mmap_lock.h>

#include "../mmu_notifier_internal.h"
#include "mmu_notifier_kunit.h"

#define MN_ELSEWHERE	9

/* More than there are slots on any machine */
#define MN_CROWD	(MN_SLOTS_MAX + 2)

struct mn_crowd {
	struct mn_section *sections[MN_CROWD];
	unsigned int nr;
};

static void crowd_add(struct kunit *test, struct mn_crowd *crowd,
		      struct mn_mm *m, unsigned int page)
{
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, page);

	KUNIT_ASSERT_LT(test, crowd->nr, MN_CROWD);
	crowd->sections[crowd->nr++] = section;
	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
}

static void crowd_ends(struct kunit *test, struct mn_crowd *crowd)
{
	while (crowd->nr)
		KUNIT_EXPECT_TRUE(test, mn_section_ends(crowd->sections[--crowd->nr]));
}

/* @thread waits for the end of @section, which begins first. */
static void expect_waits_for(struct kunit *test, struct mn_thread *thread,
			     struct mn_section *section)
{
	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_thread_run(thread);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(thread));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
}

/* So many sections elsewhere that some of them are unslotted */
static struct mn_crowd *crowd_begins(struct kunit *test, struct mn_mm *m)
{
	struct mn_crowd *crowd = mn_alloc(test, sizeof(*crowd));

	while (crowd->nr < MN_CROWD)
		crowd_add(test, crowd, m, MN_ELSEWHERE);
	return crowd;
}

static bool unslotted(struct mn_section *section)
{
	return section->range.flags & MN_RANGE_UNSLOTTED;
}

static bool all_slots_taken(struct mn_mm *m)
{
	struct mmu_notifier_subscriptions *subs = m->mm->notifier_subscriptions;
	unsigned int i;

	for (i = 0; i < subs->nr_slots; i++)
		if (!(READ_ONCE(subs->slot[i].state) & MN_SLOT_BUSY))
			return false;
	return true;
}

/* Fill all free slots with sections: the next one would be unslotted. */
static struct mn_crowd *slots_taken(struct kunit *test, struct mn_mm *m)
{
	struct mn_crowd *crowd = mn_alloc(test, sizeof(*crowd));

	do
		crowd_add(test, crowd, m, MN_ELSEWHERE);
	while (!unslotted(crowd->sections[crowd->nr - 1]));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(crowd->sections[--crowd->nr]));
	KUNIT_EXPECT_TRUE(test, all_slots_taken(m));
	return crowd;
}

static struct mn_section *unslotted_begins(struct kunit *test, struct mn_mm *m,
					   unsigned int page)
{
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, page);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	KUNIT_EXPECT_TRUE(test, unslotted(section));
	return section;
}

static void every_cpu_has_a_slot(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_crowd *crowd = mn_alloc(test, sizeof(*crowd));
	unsigned int i, nr = min_t(unsigned int, nr_cpu_ids, MN_SLOTS_MAX);

	while (crowd->nr < nr)
		crowd_add(test, crowd, m, MN_ELSEWHERE);
	for (i = 0; i < nr; i++)
		KUNIT_EXPECT_FALSE(test, unslotted(crowd->sections[i]));
	crowd_ends(test, crowd);
	mn_remove(x);
}

/*
 * A caller may use one range for one section after the other, and each has the
 * slot that is free then.
 */
static void range_is_used_again_in_another_slot(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_crowd *slots = slots_taken(test, m);
	unsigned int i, k, nr = slots->nr;
	struct mmu_notifier_range range;

	mn_range(&range, m, MN_ELSEWHERE, 1);
	for (i = 0; i < 2 * nr; i++) {
		k = i < nr ? i : 2 * nr - 1 - i;
		KUNIT_EXPECT_TRUE(test, mn_section_ends(slots->sections[k]));
		mmap_read_lock(m->mm);
		mmu_notifier_invalidate_range_start(&range);
		mmu_notifier_invalidate_range_end(&range);
		mmap_read_unlock(m->mm);
		KUNIT_EXPECT_EQ(test, range.flags & MN_RANGE_SECTION, 0);
		slots->sections[k] = mn_section(test, m, MN_MMAP_READ,
						MN_ELSEWHERE);
		KUNIT_EXPECT_TRUE(test, mn_section_begins(slots->sections[k]));
	}
	KUNIT_EXPECT_TRUE(test, all_slots_taken(m));
	crowd_ends(test, slots);
	KUNIT_EXPECT_EQ(test, mn_sections_open(m), 0);
	mn_remove(x);
}

/* Readers */

static struct mn_thread *begin_blocks(struct kunit *test, struct mn_int *x)
{
	struct mn_thread *begin = mn_thread_start(test, mn_read_begin, x);

	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	return begin;
}

/* There are two crowds, and each begins before the other one ends. */
static void begin_is_not_starved_by_unslotted_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_crowd *one, *two;
	struct mn_thread *begin;

	one = crowd_begins(test, m);
	begin = begin_blocks(test, x);
	two = crowd_begins(test, m);
	crowd_ends(test, one);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_FALSE(test, mn_int_retry(x, x->seq));
	crowd_ends(test, two);
	mn_remove(x);
}

static void begin_waits_for_unslotted_sections_before_it(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_crowd *slots = slots_taken(test, m);
	struct mn_section *sections[3];
	struct mn_thread *begins[3];
	int i;

	for (i = 0; i < 3; i++) {
		sections[i] = unslotted_begins(test, m, MN_ELSEWHERE);
		begins[i] = begin_blocks(test, x);
	}
	KUNIT_EXPECT_TRUE(test, mn_section_ends(sections[1]));
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begins[i]));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(sections[0]));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begins[0]));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begins[1]));
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begins[2]));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(sections[2]));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begins[2]));
	crowd_ends(test, slots);
	KUNIT_EXPECT_EQ(test, mn_sections_open(m), 0);
	mn_remove(x);
}

/* The newest section is the first one to end, so the readers end together. */
static void begin_waits_for_unslotted_sections_in_reverse(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_crowd *slots = slots_taken(test, m);
	struct mn_section *sections[3];
	struct mn_thread *begins[3];
	int i, j;

	for (i = 0; i < 3; i++) {
		sections[i] = unslotted_begins(test, m, MN_ELSEWHERE);
		begins[i] = begin_blocks(test, x);
	}
	for (i = 2; i >= 0; i--) {
		for (j = 0; j < 3; j++)
			KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begins[j]));
		KUNIT_EXPECT_TRUE(test, mn_section_ends(sections[i]));
	}
	for (j = 0; j < 3; j++)
		KUNIT_EXPECT_TRUE(test, mn_thread_ends(begins[j]));
	crowd_ends(test, slots);
	mn_remove(x);
}

/* For later sections it makes no difference whether they have a slot. */
static void begin_ignores_later_unslotted_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *here = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_section *later;
	struct mn_thread *begin;
	struct mn_crowd *slots;

	KUNIT_EXPECT_TRUE(test, mn_section_begins(here));
	begin = begin_blocks(test, x);
	slots = slots_taken(test, m);
	later = unslotted_begins(test, m, 1);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(here));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_TRUE(test, mn_int_retry(x, x->seq));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(later));
	crowd_ends(test, slots);
	mn_remove(x);
}

/* A reader waits for both kinds, whichever is over first. */
static void begin_waits_for_both_kinds(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *here, *other;
	struct mn_thread *begin;
	struct mn_crowd *slots;
	bool slotted_first;

	for (slotted_first = false;; slotted_first = true) {
		here = mn_section(test, m, MN_MMAP_READ, 1);
		KUNIT_EXPECT_TRUE(test, mn_section_begins(here));
		slots = slots_taken(test, m);
		other = unslotted_begins(test, m, MN_ELSEWHERE);
		begin = begin_blocks(test, x);
		KUNIT_EXPECT_TRUE(test, mn_section_ends(slotted_first ? here :
								       other));
		KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
		KUNIT_EXPECT_TRUE(test, mn_section_ends(slotted_first ? other :
								       here));
		KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
		crowd_ends(test, slots);
		if (slotted_first)
			break;
	}
	mn_remove(x);
}

static void begin_does_not_wait_with_all_slots_taken(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_crowd *slots = slots_taken(test, m);
	struct mn_thread *begin = mn_thread_start(test, mn_read_begin, x);

	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_FALSE(test, mn_int_retry(x, x->seq));
	crowd_ends(test, slots);
	mn_remove(x);
}

/*
 * The reader sees what the section changed: an unslotted section has a number
 * of its own, too.
 */
static void unslotted_section_makes_retry(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_crowd *slots = slots_taken(test, m);
	unsigned long seq = mmu_interval_read_begin(&x->mni), last;
	int i;

	for (i = 0; i < 3; i++) {
		last = seq;
		mn_whole_section(m, 1);
		KUNIT_EXPECT_TRUE(test, mn_int_retry(x, seq));
		seq = mmu_interval_read_begin(&x->mni);
		KUNIT_EXPECT_NE(test, seq, last);
		KUNIT_EXPECT_FALSE(test, mn_int_retry(x, seq));
	}
	crowd_ends(test, slots);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 x+1 x+1");
	mn_remove(x);
}

static void declined_unslotted_section_leaves_nothing(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_crowd *slots = slots_taken(test, m);
	struct mn_thread *begin;

	x->decline = true;
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	begin = mn_thread_start(test, mn_read_begin, x);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	crowd_ends(test, slots);
	KUNIT_EXPECT_EQ(test, mn_sections_open(m), 0);
	mn_remove(x);
}

/* Removal */

static void remove_waits_for_the_section_that_it_meets(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *remove = mn_thread(test, mn_remove, x);

	expect_waits_for(test, remove, section);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
}

static void remove_does_not_wait_for_sections_elsewhere(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_crowd *slots = slots_taken(test, m);
	struct mn_thread *remove = mn_thread_start(test, mn_remove, x);

	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	crowd_ends(test, slots);
}

static void remove_does_not_wait_for_later_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *old = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_section *new = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *remove = mn_thread(test, mn_remove, x);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(old));
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	KUNIT_EXPECT_TRUE(test, mn_section_begins(new));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(old));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(new));
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
}

/* The new one takes the slot in which the old one was. */
static void remove_does_not_wait_for_the_next_in_a_slot(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *old = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *remove = mn_thread(test, mn_remove, x);
	struct mn_section *new;
	struct mn_crowd *slots;

	KUNIT_EXPECT_TRUE(test, mn_section_begins(old));
	slots = slots_taken(test, m);
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(old));
	new = mn_section(test, m, MN_MMAP_READ, 1);
	KUNIT_EXPECT_TRUE(test, mn_section_begins(new));
	KUNIT_EXPECT_FALSE(test, unslotted(new));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(new));
	crowd_ends(test, slots);
}

static void remove_waits_for_the_callback_of_an_unslotted_section(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_crowd *slots = slots_taken(test, m);
	struct mn_thread *remove = mn_thread(test, mn_remove, x);

	mn_gate_close(&x->at_invalidate);
	mn_thread_run(section->thread);
	KUNIT_EXPECT_TRUE(test, mn_gate_reached(&x->at_invalidate));
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	mn_gate_open(&x->at_invalidate);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, x->seen.flags & MN_RANGE_UNSLOTTED);
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	crowd_ends(test, slots);
}

static void remove_is_not_starved_by_unslotted_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_inserted(test, m, 'y', 2, 1);
	struct mn_section *old = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *remove = mn_thread(test, mn_remove, x);
	struct mn_section *new;
	struct mn_crowd *slots;

	KUNIT_EXPECT_TRUE(test, mn_section_begins(old));
	slots = slots_taken(test, m);
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	new = unslotted_begins(test, m, 2);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(old));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(new));
	crowd_ends(test, slots);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 y+2");
	mn_remove(y);
}

/* The SRCU domain: only for an mm with an hlist subscriber */

static bool has_domain(struct mn_mm *m)
{
	return m->mm->notifier_subscriptions->has_domain;
}

static void intervals_alone_have_no_domain(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_int(test, m, 'y', 1, 1);

	mn_insert_locked(y);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_FALSE(test, has_domain(m));
	mn_remove(y);
	mn_remove(x);
	KUNIT_EXPECT_FALSE(test, has_domain(m));
}

static void hlist_subscriber_brings_a_domain(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test), *first = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, first, 'b');

	KUNIT_EXPECT_TRUE(test, has_domain(m));
	KUNIT_EXPECT_TRUE(test, has_domain(first));
	mn_unregister(b);
	mn_unregister(a);
	mn_remove(x);
}

/* An mm that never had one exits and goes. */
static void exit_without_a_domain(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);

	mn_exit(m);
	/* Then come the sections of exit_mmap(), as x is still there. */
	KUNIT_EXPECT_TRUE(test, strstarts(mn_heard(test), "xR"));
	KUNIT_EXPECT_FALSE(test, has_domain(m));
	mn_remove(x);
	mn_drop(m);
}

/* Until then it is only in a slot, not in the domain. */
static void first_register_beside_intervals_waits_for_slots(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_sub(test, m, 'a');
	struct mn_section *old = mn_section(test, m, MN_I_MMAP_READ, MN_ELSEWHERE);
	struct mn_section *new = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *thread = mn_thread(test, mn_register, a);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(old));
	KUNIT_EXPECT_FALSE(test, unslotted(old));
	mn_thread_run(thread);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(thread));
	/* a may be called for it or not; its calls must be paired. */
	KUNIT_EXPECT_TRUE(test, mn_section_begins(new));
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(thread));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(old));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(new));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	KUNIT_ASSERT_EQ(test, a->ret, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->starts), atomic_read(&a->ends));
	mn_heard(test);
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 a+1 a-1");
	mn_unregister(a);
	mn_remove(x);
}

static void first_register_beside_intervals_waits_for_unslotted(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_sub(test, m, 'a');
	struct mn_thread *thread = mn_thread(test, mn_register, a);
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_crowd *slots = slots_taken(test, m);

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	KUNIT_EXPECT_TRUE(test, unslotted(section));
	/* These hold mmap_lock, for which the registration would wait, too. */
	crowd_ends(test, slots);
	mn_thread_run(thread);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(thread));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(thread));
	KUNIT_ASSERT_EQ(test, a->ret, 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 a+1 a-1");
	mn_unregister(a);
	mn_remove(x);
}

/* The mm changes between the two states again and again. */
static void hlist_comes_and_goes_beside_intervals(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_sub(test, m, 'a');
	int i;

	for (i = 0; i < 4; i++) {
		mn_register(a);
		KUNIT_ASSERT_EQ(test, a->ret, 0);
		mn_whole_section(m, 1);
		KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 a+1 a-1");
		mn_unregister(a);
		mn_whole_section(m, 1);
		KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR x+1");
		mn_remove(x);
		mn_insert(x);
		KUNIT_ASSERT_EQ(test, x->ret, 0);
	}
	mn_remove(x);
}

/* The last subscriber leaves while a section is open that called it. */
static void hlist_goes_beside_a_section(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_sub(test, m, 'a');
	struct mn_section *section, *later;
	struct mn_thread *unregister;
	int i;

	for (i = 0; i < 3; i++) {
		mn_register(a);
		KUNIT_ASSERT_EQ(test, a->ret, 0);
		section = mn_section(test, m, MN_I_MMAP_READ, 1);
		later = mn_section(test, m, MN_I_MMAP_READ, 2);
		unregister = mn_thread(test, mn_unregister, a);
		KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
		mn_thread_run(unregister);
		KUNIT_EXPECT_TRUE(test, mn_thread_blocked(unregister));
		KUNIT_EXPECT_TRUE(test, mn_section_begins(later));
		KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
		KUNIT_EXPECT_TRUE(test, mn_thread_ends(unregister));
		KUNIT_EXPECT_TRUE(test, mn_section_ends(later));
		KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 a+1 aR a-1");
	}
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_remove(x);
}

/* It is in the domain and has a slot, and its end wakes both. */
static void section_in_the_domain_wakes_those_who_wait(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_int *y = mn_inserted(test, m, 'y', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *remove = mn_thread(test, mn_remove, y), *begin;

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	begin = begin_blocks(test, x);
	mn_thread_run(remove);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(remove));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(remove));
	mn_remove(x);
	mn_unregister(a);
}

/* It is in the domain, and has not looked at the tree. */
static void first_insert_after_hlist_waits_for_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_int *x = mn_int(test, m, 'x', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *insert = mn_thread(test, mn_insert, x);

	mn_unregister(a);
	expect_waits_for(test, insert, section);
	KUNIT_ASSERT_EQ(test, x->ret, 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "aR");
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_remove(x);
}

static const struct mmu_notifier_ops release_only_ops = {
	.release = mn_on_release,
};

static void other_comes_instead(void *sub)
{
	mn_unregister(sub);
	mn_register(((struct mn_sub *)sub)->other);
}

/* The first subscriber has no start or end; the next one has. */
static void register_after_release_only_waits_for_sections(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *r = mn_registered_ops(test, m, 'r', &release_only_ops);
	struct mn_sub *a = mn_sub(test, m, 'a');
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *thread = mn_thread(test, other_comes_instead, r);

	r->other = a;
	expect_waits_for(test, thread, section);
	KUNIT_ASSERT_EQ(test, a->ret, 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "rR");
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+1 a-1");
	mn_unregister(a);
}

/* With an interval sections stay in slots until one has a start or an end. */
static void register_beside_release_only_waits_for_slots(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *r = mn_registered_ops(test, m, 'r', &release_only_ops);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_sub(test, m, 'a');
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *thread = mn_thread(test, mn_register, a);

	expect_waits_for(test, thread, section);
	KUNIT_ASSERT_EQ(test, a->ret, 0);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1");
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 a+1 a-1");
	mn_unregister(a);
	mn_unregister(r);
	mn_remove(x);
}

static const struct mmu_notifier_ops end_only_ops = {
	.invalidate_range_end = mn_on_end,
};

/* An end alone is reason enough to be in the domain. */
static void unregister_of_an_end_beside_intervals_waits(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &end_only_ops);
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);

	expect_waits_for(test, mn_thread(test, mn_unregister, a), section);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "x+1 a-1");
	mn_remove(x);
}

/* For a reader it makes no difference how a section is counted. */
static void begin_waits_while_hlist_comes(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_sub *a = mn_sub(test, m, 'a');
	struct mn_section *section = mn_section(test, m, MN_I_MMAP_READ, 1);
	struct mn_thread *join = mn_thread(test, mn_register, a);
	struct mn_thread *begin;

	KUNIT_EXPECT_TRUE(test, mn_section_begins(section));
	mn_thread_run(join);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(join));
	begin = begin_blocks(test, x);
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_FALSE(test, mn_int_retry(x, x->seq));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(join));
	KUNIT_ASSERT_EQ(test, a->ret, 0);
	mn_unregister(a);
	mn_remove(x);
}

static struct kunit_case mn_slots_cases[] = {
	KUNIT_CASE(every_cpu_has_a_slot),
	KUNIT_CASE(range_is_used_again_in_another_slot),
	KUNIT_CASE_SLOW(begin_is_not_starved_by_unslotted_sections),
	KUNIT_CASE(begin_waits_for_unslotted_sections_before_it),
	KUNIT_CASE(begin_waits_for_unslotted_sections_in_reverse),
	KUNIT_CASE(begin_ignores_later_unslotted_sections),
	KUNIT_CASE(begin_waits_for_both_kinds),
	KUNIT_CASE(begin_does_not_wait_with_all_slots_taken),
	KUNIT_CASE(unslotted_section_makes_retry),
	KUNIT_CASE(declined_unslotted_section_leaves_nothing),
	KUNIT_CASE(remove_waits_for_the_section_that_it_meets),
	KUNIT_CASE(remove_does_not_wait_for_sections_elsewhere),
	KUNIT_CASE(remove_does_not_wait_for_later_sections),
	KUNIT_CASE(remove_does_not_wait_for_the_next_in_a_slot),
	KUNIT_CASE(remove_waits_for_the_callback_of_an_unslotted_section),
	KUNIT_CASE(remove_is_not_starved_by_unslotted_sections),
	KUNIT_CASE(intervals_alone_have_no_domain),
	KUNIT_CASE(hlist_subscriber_brings_a_domain),
	KUNIT_CASE(exit_without_a_domain),
	KUNIT_CASE(first_register_beside_intervals_waits_for_slots),
	KUNIT_CASE(first_register_beside_intervals_waits_for_unslotted),
	KUNIT_CASE(hlist_comes_and_goes_beside_intervals),
	KUNIT_CASE(hlist_goes_beside_a_section),
	KUNIT_CASE(section_in_the_domain_wakes_those_who_wait),
	KUNIT_CASE(first_insert_after_hlist_waits_for_sections),
	KUNIT_CASE(register_after_release_only_waits_for_sections),
	KUNIT_CASE(register_beside_release_only_waits_for_slots),
	KUNIT_CASE(unregister_of_an_end_beside_intervals_waits),
	KUNIT_CASE(begin_waits_while_hlist_comes),
	{}
};

static struct kunit_suite mn_slots_suite = {
	.name = "mmu_interval_notifier_slots",
	.init = mn_test_init,
	.test_cases = mn_slots_cases,
};

kunit_test_suite(mn_slots_suite);
