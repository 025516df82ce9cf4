// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KUnit suite of the mmu_notifier: callers that change page tables
 *
 * Calls a few of the functions that open sections, and checks what a subscriber
 * is told. The first page of the anonymous mapping is present.
 */

#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>

/* Needs linux/mm.h before it, which it does not include. */
#include <asm/tlb.h>

#include "mmu_notifier_kunit.h"

static void zapping_a_page_is_a_section(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	mmap_read_lock(m->mm);
	zap_page_range_single(m->anon, m->anon->vm_start, PAGE_SIZE, NULL);
	mmap_read_unlock(m->mm);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+16 a-16");
	KUNIT_EXPECT_EQ(test, a->seen_start.event, MMU_NOTIFY_CLEAR);
	KUNIT_EXPECT_TRUE(test, mmu_notifier_range_blockable(&a->seen_start));
	mn_unregister(a);
}

/* It finds the mapping by the file, and takes i_mmap_rwsem only. */
static void truncating_a_file_is_a_section(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	unmap_mapping_range(m->mapping, 2 * PAGE_SIZE, PAGE_SIZE, 1);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+2 a-2");
	KUNIT_EXPECT_EQ(test, a->seen_start.end, mn_address(3));
	mn_unregister(a);
}

static void forbid_writing(struct mn_mm *m, struct vm_area_struct *vma)
{
	struct mmu_gather tlb;

	mmap_write_lock(m->mm);
	vm_flags_clear(vma, VM_WRITE);
	vma_set_page_prot(vma);
	tlb_gather_mmu(&tlb, m->mm);
	change_protection(&tlb, vma, vma->vm_start, vma->vm_end, 0);
	tlb_finish_mmu(&tlb);
	mmap_write_unlock(m->mm);
}

static void mprotect_is_a_section(struct kunit *test)
{
	struct mn_mm *m = mn_mm_mapped(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	forbid_writing(m, m->anon);
	KUNIT_EXPECT_STREQ(test, mn_heard(test), "a+16 a-16");
	KUNIT_EXPECT_EQ(test, a->seen_start.event, MMU_NOTIFY_PROTECTION_VMA);
	mn_unregister(a);
}

/* Address 0 used to be taken for "no section yet". */
static void mprotect_at_address_0_ends_its_section(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	mn_map_anon(test, m, 0);
	forbid_writing(m, m->anon);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->ends), 1);
	mn_unregister(a);
}

static struct kunit_case mn_callers_cases[] = {
	KUNIT_CASE(zapping_a_page_is_a_section),
	KUNIT_CASE(truncating_a_file_is_a_section),
	KUNIT_CASE(mprotect_is_a_section),
	KUNIT_CASE(mprotect_at_address_0_ends_its_section),
	{}
};

static struct kunit_suite mn_callers_suite = {
	.name = "mmu_notifier_callers",
	.init = mn_test_init,
	.test_cases = mn_callers_cases,
};

kunit_test_suite(mn_callers_suite);
