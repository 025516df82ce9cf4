// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules of the mmu_notifier that debug kernels hold drivers and callers to.
 */

/*
 * DOC: expected splats
 *
 * For each rule a case that breaks it (_wrong), one that does the same in the
 * right way (_right), and where the rule has an exception, one that makes use
 * of it (_excepted). No case really deadlocks: the two halves of a deadlock are
 * run one after the other, and lockdep has to put them together.
 *
 * A splat turns lockdep off, so each case has a boot of its own:
 *
 *	./tools/testing/kunit/kunit.py run --run_isolated=test ...
 *
 * or ``make lockdep``, which also runs the cases on the base kernel; hence they
 * use only what both have. A wrong case fails if no splat comes, any other one
 * if one does.
 */

#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/bug.h>
#include <linux/debug_locks.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/panic.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>

#include "../internal.h"

#define LK_START	(16 * PAGE_SIZE)
#define LK_END		(32 * PAGE_SIZE)

/* The locks with which the driver of these tests protects its device. */
static DEFINE_MUTEX(lk_mutex);
static DEFINE_SPINLOCK(lk_spinlock);

/* What its callbacks do; nothing if NULL. */
static void (*lk_in_start)(void);
static void (*lk_in_end)(void);
static void (*lk_in_release)(void);
static void (*lk_in_young)(void);
static void (*lk_in_arch)(void);
static void (*lk_in_invalidate)(void);
static void (*lk_in_finish)(void);

static struct mm_struct *lk_mm;
static struct address_space lk_mapping;

static void lk_do(void (*what)(void))
{
	if (what)
		what();
}

/* The driver */

static int lk_start(struct mmu_notifier *sub,
		    const struct mmu_notifier_range *range)
{
	lk_do(lk_in_start);
	return 0;
}

static void lk_end(struct mmu_notifier *sub,
		   const struct mmu_notifier_range *range)
{
	lk_do(lk_in_end);
}

static void lk_release(struct mmu_notifier *sub, struct mm_struct *mm)
{
	lk_do(lk_in_release);
}

static int lk_decline(struct mmu_notifier *sub,
		      const struct mmu_notifier_range *range)
{
	return mmu_notifier_range_blockable(range) ? 0 : -EAGAIN;
}

/* An int in older kernels */
static typeof(((struct mmu_notifier_ops *)NULL)->test_young(NULL, NULL, 0))
lk_test_young(struct mmu_notifier *sub, struct mm_struct *mm,
	      unsigned long address)
{
	lk_do(lk_in_young);
	return 0;
}

static void lk_arch(struct mmu_notifier *sub, struct mm_struct *mm,
		    unsigned long start, unsigned long end)
{
	lk_do(lk_in_arch);
}

static bool lk_invalidate(struct mmu_interval_notifier *sub,
			  const struct mmu_notifier_range *range,
			  unsigned long seq)
{
	mmu_interval_set_seq(sub, seq);
	lk_do(lk_in_invalidate);
	return true;
}

static const struct mmu_notifier_ops lk_ops = {
	.invalidate_range_start = lk_start,
	.invalidate_range_end = lk_end,
	.test_young = lk_test_young,
	.release = lk_release,
};

static const struct mmu_notifier_ops lk_start_ops = {
	.invalidate_range_start = lk_start,
};

static const struct mmu_notifier_ops lk_end_ops = {
	.invalidate_range_end = lk_end,
};

static const struct mmu_notifier_ops lk_decline_ops = {
	.invalidate_range_start = lk_decline,
};

static const struct mmu_notifier_ops lk_arch_ops = {
	.arch_invalidate_secondary_tlbs = lk_arch,
};

static const struct mmu_interval_notifier_ops lk_interval_ops = {
	.invalidate = lk_invalidate,
};

static struct mmu_notifier lk_sub = { .ops = &lk_ops };
static struct mmu_notifier lk_start_sub = { .ops = &lk_start_ops };
static struct mmu_notifier lk_end_sub = { .ops = &lk_end_ops };
static struct mmu_notifier lk_decline_sub = { .ops = &lk_decline_ops };
static struct mmu_notifier lk_arch_sub = { .ops = &lk_arch_ops };
static struct mmu_interval_notifier lk_interval;

/* The core */

static void lk_range(struct mmu_notifier_range *range)
{
	mmu_notifier_range_init(range, MMU_NOTIFY_CLEAR, 0, lk_mm, LK_START,
				LK_END);
}

/* Under whatever the caller holds */
static void lk_bare_section(void)
{
	struct mmu_notifier_range range;

	lk_range(&range);
	mmu_notifier_invalidate_range_start(&range);
	mmu_notifier_invalidate_range_end(&range);
}

/* A section with something inside */
static void lk_section(void (*inside)(void))
{
	struct mmu_notifier_range range;

	lk_range(&range);
	mmap_read_lock(lk_mm);
	mmu_notifier_invalidate_range_start(&range);
	lk_do(inside);
	mmu_notifier_invalidate_range_end(&range);
	mmap_read_unlock(lk_mm);
}

/* As of a caller that has come through rmap */
static void lk_rmap_section(void (*inside)(void))
{
	struct mmu_notifier_range range;

	address_space_init_once(&lk_mapping);
	lk_range(&range);
	i_mmap_lock_read(&lk_mapping);
	mmu_notifier_invalidate_range_start(&range);
	lk_do(inside);
	mmu_notifier_invalidate_range_end(&range);
	i_mmap_unlock_read(&lk_mapping);
}

static void lk_nonblock_section(void)
{
	struct mmu_notifier_range range;

	lk_range(&range);
	mmap_read_lock(lk_mm);
	if (!mmu_notifier_invalidate_range_start_nonblock(&range))
		mmu_notifier_invalidate_range_end(&range);
	mmap_read_unlock(lk_mm);
}

/* What callbacks and lock holders do */

static void lk_alloc(gfp_t gfp)
{
	void *p = kmalloc(64, gfp);

	/* Keeps the compiler from removing the pair. */
	OPTIMIZER_HIDE_VAR(p);
	kfree(p);
}

static void lk_alloc_reclaim(void)
{
	lk_alloc(GFP_KERNEL);
}

static void lk_alloc_nowait(void)
{
	lk_alloc(GFP_NOWAIT);
}

static void lk_take_mutex(void)
{
	mutex_lock(&lk_mutex);
	mutex_unlock(&lk_mutex);
}

static void lk_try_mutex(void)
{
	if (mutex_trylock(&lk_mutex))
		mutex_unlock(&lk_mutex);
}

static void lk_take_spinlock(void)
{
	spin_lock(&lk_spinlock);
	spin_unlock(&lk_spinlock);
}

static void lk_take_mmap_lock(void)
{
	mmap_read_lock(lk_mm);
	mmap_read_unlock(lk_mm);
}

static void lk_sleep(void)
{
	might_sleep();
}

static void lk_under_mutex(void (*what)(void))
{
	mutex_lock(&lk_mutex);
	what();
	mutex_unlock(&lk_mutex);
}

/* Hold the lock of the driver where reclaim may run, for lockdep to record. */
static void lk_reclaim_under_mutex(void)
{
	lk_under_mutex(lk_alloc_reclaim);
}

/* An allocation that promises not to reclaim */
static void lk_noreclaim_under_mutex(void)
{
	unsigned int flags;

	mutex_lock(&lk_mutex);
	flags = memalloc_noreclaim_save();
	lk_alloc(GFP_KERNEL);
	memalloc_noreclaim_restore(flags);
	mutex_unlock(&lk_mutex);
}

static void lk_register(void)
{
	WARN_ON(mmu_notifier_register(&lk_sub, lk_mm));
}

static void lk_unregister(void)
{
	mmu_notifier_unregister(&lk_sub, lk_sub.mm);
}

static void lk_insert(void)
{
	WARN_ON(mmu_interval_notifier_insert(&lk_interval, lk_mm, LK_START,
					     LK_END - LK_START,
					     &lk_interval_ops));
}

static void lk_remove(void)
{
	mmu_interval_notifier_remove(&lk_interval);
}

static void lk_read_begin(void)
{
	mmu_interval_read_begin(&lk_interval);
}

/* For cases that end lk_mm themselves: the fixture gets another one. */
static struct mm_struct *lk_replace_mm(void)
{
	struct mm_struct *mm = lk_mm;

	lk_mm = mm_alloc();
	return mm;
}

static void lk_exit_mm(void)
{
	mmput(lk_replace_mm());
}

/* Whether lockdep, might_sleep() or a WARN have complained in this boot. */
static bool lk_splat(void)
{
	return !debug_locks || test_taint(TAINT_WARN);
}

static int lk_init(struct kunit *test)
{
	lk_mm = mm_alloc();
	if (!lk_mm)
		kunit_skip(test, "no memory for an mm");
	if (lk_splat()) {
		mmput(lk_mm);
		lk_mm = NULL;
		kunit_skip(test, "there was a splat before: boot for this case alone");
	}
	return 0;
}

/* Also called for a case that lk_init() has skipped */
static void lk_exit(struct kunit *test)
{
	if (lk_mm)
		mmput(lk_mm);
}

#define LK_CASE(name, splat)						\
static void name##_body(void);						\
static void name(struct kunit *test)					\
{									\
	name##_body();							\
	KUNIT_EXPECT_EQ(test, lk_splat(), splat);			\
}									\
static void name##_body(void)

/* A callback does not wait for reclaim, which runs sections itself. */

LK_CASE(reclaim_in_start_wrong, true)
{
	lk_in_start = lk_alloc_reclaim;
	lk_register();
	lk_section(NULL);
	lk_unregister();
}

LK_CASE(reclaim_in_start_right, false)
{
	lk_in_start = lk_alloc_nowait;
	lk_register();
	lk_section(NULL);
	lk_unregister();
}

/* Nor for a lock whose holder waits for reclaim. */

LK_CASE(reclaim_lock_in_start_wrong, true)
{
	lk_in_start = lk_take_mutex;
	lk_reclaim_under_mutex();
	WARN_ON(mmu_notifier_register(&lk_start_sub, lk_mm));
	lk_section(NULL);
	mmu_notifier_unregister(&lk_start_sub, lk_mm);
}

LK_CASE(reclaim_lock_in_start_right, false)
{
	lk_in_start = lk_take_mutex;
	lk_under_mutex(lk_alloc_nowait);
	lk_register();
	lk_section(NULL);
	lk_unregister();
}

LK_CASE(reclaim_lock_in_start_excepted, false)
{
	lk_in_start = lk_take_mutex;
	lk_noreclaim_under_mutex();
	lk_register();
	lk_section(NULL);
	lk_unregister();
}

LK_CASE(reclaim_lock_in_end_wrong, true)
{
	lk_in_end = lk_take_mutex;
	lk_reclaim_under_mutex();
	WARN_ON(mmu_notifier_register(&lk_end_sub, lk_mm));
	lk_section(NULL);
	mmu_notifier_unregister(&lk_end_sub, lk_mm);
}

LK_CASE(reclaim_lock_in_end_right, false)
{
	lk_in_end = lk_take_mutex;
	lk_register();
	lk_section(NULL);
	lk_unregister();
}

LK_CASE(reclaim_lock_in_interval_wrong, true)
{
	lk_in_invalidate = lk_take_mutex;
	lk_reclaim_under_mutex();
	lk_insert();
	lk_section(NULL);
	lk_remove();
}

/* Exit is a section for intervals. */
LK_CASE(reclaim_lock_in_interval_at_exit_wrong, true)
{
	lk_in_invalidate = lk_take_mutex;
	lk_reclaim_under_mutex();
	lk_insert();
	lk_exit_mm();
	lk_remove();
}

LK_CASE(reclaim_lock_in_interval_right, false)
{
	lk_in_invalidate = lk_take_mutex;
	lk_insert();
	lk_section(NULL);
	lk_remove();
}

/* Nor for a lock whose holder begins a section, whoever is subscribed to that. */

LK_CASE(section_under_lock_in_start_wrong, true)
{
	mmap_read_lock(lk_mm);
	lk_under_mutex(lk_bare_section);
	mmap_read_unlock(lk_mm);
	lk_in_start = lk_take_mutex;
	lk_register();
	lk_section(NULL);
	lk_unregister();
}

/* Nor for a lock whose holder waits for an rmap lock. */

static void lk_take_i_mmap(void)
{
	i_mmap_lock_write(&lk_mapping);
	i_mmap_unlock_write(&lk_mapping);
}

LK_CASE(i_mmap_under_lock_in_start_wrong, true)
{
	address_space_init_once(&lk_mapping);
	lk_in_start = lk_take_mutex;
	lk_under_mutex(lk_take_i_mmap);
	lk_register();
	lk_section(NULL);
	lk_unregister();
}

LK_CASE(i_mmap_under_lock_in_start_right, false)
{
	address_space_init_once(&lk_mapping);
	lk_in_start = lk_take_mutex;
	lk_take_i_mmap();
	lk_register();
	lk_section(NULL);
	lk_unregister();
}

/* Its class was tied to the map at boot only: no test uses hugetlbfs. */
static struct file *lk_hugetlb_file;

static void lk_take_hugetlb_i_mmap(void)
{
	i_mmap_lock_write(lk_hugetlb_file->f_mapping);
	i_mmap_unlock_write(lk_hugetlb_file->f_mapping);
}

static void lk_make_hugetlb_file(void)
{
	lk_hugetlb_file = hugetlb_file_setup("lk", 0, VM_NORESERVE,
					     HUGETLB_ANONHUGE_INODE, 0);
	WARN_ON(IS_ERR(lk_hugetlb_file));
}

LK_CASE(hugetlb_i_mmap_under_lock_in_start_wrong, true)
{
	lk_make_hugetlb_file();
	lk_in_start = lk_take_mutex;
	lk_under_mutex(lk_take_hugetlb_i_mmap);
	lk_register();
	lk_section(NULL);
	lk_unregister();
	fput(lk_hugetlb_file);
}

LK_CASE(hugetlb_i_mmap_under_lock_in_start_right, false)
{
	lk_make_hugetlb_file();
	lk_in_start = lk_take_mutex;
	lk_take_hugetlb_i_mmap();
	lk_register();
	lk_section(NULL);
	lk_unregister();
	fput(lk_hugetlb_file);
}

static struct anon_vma *lk_anon_vma;

static void lk_take_anon_vma(void)
{
	anon_vma_lock_write(lk_anon_vma);
	anon_vma_unlock_write(lk_anon_vma);
}

/* An anonymous VMA in lk_mm with an anon_vma */
static void lk_map_anon(void)
{
	struct vm_area_struct *vma;

	mmap_write_lock(lk_mm);
	vma = vm_area_alloc(lk_mm);
	vma_set_anonymous(vma);
	vma->vm_start = LK_START;
	vma->vm_end = LK_END;
	vm_flags_init(vma, VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE);
	vma->vm_page_prot = vm_get_page_prot(vma->vm_flags);
	WARN_ON(insert_vm_struct(lk_mm, vma) || anon_vma_prepare(vma));
	lk_anon_vma = vma->anon_vma;
	mmap_write_unlock(lk_mm);
}

LK_CASE(anon_vma_under_lock_in_start_wrong, true)
{
	lk_map_anon();
	lk_in_start = lk_take_mutex;
	lk_under_mutex(lk_take_anon_vma);
	lk_register();
	lk_section(NULL);
	lk_unregister();
}

LK_CASE(anon_vma_under_lock_in_start_right, false)
{
	lk_map_anon();
	lk_in_start = lk_take_mutex;
	lk_take_anon_vma();
	lk_register();
	lk_section(NULL);
	lk_unregister();
}

/* Nor for mmap_lock, which the caller may hold. */
LK_CASE(mmap_lock_in_start_wrong, true)
{
	lk_in_start = lk_take_mmap_lock;
	lk_register();
	lk_section(NULL);
	lk_unregister();
}

/* Do not wait for sections while holding a lock that a section takes. */

LK_CASE(read_begin_under_section_lock_wrong, true)
{
	lk_insert();
	lk_section(lk_take_mutex);
	lk_under_mutex(lk_read_begin);
	lk_remove();
}

LK_CASE(read_begin_under_section_lock_right, false)
{
	lk_insert();
	lk_section(lk_take_mutex);
	lk_read_begin();
	lk_remove();
}

LK_CASE(remove_under_section_lock_wrong, true)
{
	lk_insert();
	lk_section(lk_take_mutex);
	lk_under_mutex(lk_remove);
}

LK_CASE(remove_under_section_lock_right, false)
{
	lk_insert();
	lk_section(lk_take_mutex);
	lk_remove();
}

LK_CASE(register_under_section_lock_wrong, true)
{
	lk_insert();
	lk_section(lk_take_mutex);
	lk_under_mutex(lk_register);
	lk_unregister();
	lk_remove();
}

LK_CASE(register_under_section_lock_right, false)
{
	lk_insert();
	lk_section(lk_take_mutex);
	lk_register();
	lk_unregister();
	lk_remove();
}

LK_CASE(unregister_under_section_lock_wrong, true)
{
	lk_register();
	lk_section(lk_take_mutex);
	lk_under_mutex(lk_unregister);
}

LK_CASE(unregister_under_section_lock_right, false)
{
	lk_register();
	lk_section(lk_take_mutex);
	lk_unregister();
}

LK_CASE(unregister_under_callback_lock_wrong, true)
{
	lk_in_start = lk_take_mutex;
	lk_register();
	lk_section(NULL);
	lk_under_mutex(lk_unregister);
}

LK_CASE(read_begin_under_callback_lock_wrong, true)
{
	lk_in_invalidate = lk_take_mutex;
	lk_insert();
	lk_section(NULL);
	lk_under_mutex(lk_read_begin);
	lk_remove();
}

LK_CASE(insert_under_section_lock_wrong, true)
{
	lk_register();
	lk_section(lk_take_mutex);
	lk_under_mutex(lk_insert);
	lk_remove();
	lk_unregister();
}

/*
 * What is taken in a section is taken under what its caller holds. Lockdep
 * knows that only outside of the domain, see mn_map_acquire().
 */
LK_CASE(i_mmap_under_lock_in_rmap_section_wrong, true)
{
	lk_insert();
	lk_rmap_section(lk_take_mutex);
	lk_under_mutex(lk_take_i_mmap);
	lk_remove();
}

/*
 * Nor in a section. Its range does not overlap the interval, so that the case
 * does not wait for itself.
 */
static void lk_insert_beside(void)
{
	WARN_ON(mmu_interval_notifier_insert(&lk_interval, lk_mm, LK_END,
					     PAGE_SIZE, &lk_interval_ops));
}

LK_CASE(read_begin_in_callback_wrong, true)
{
	lk_insert_beside();
	lk_in_start = lk_read_begin;
	lk_register();
	lk_section(NULL);
	lk_unregister();
	lk_remove();
}

LK_CASE(read_begin_in_section_wrong, true)
{
	lk_insert_beside();
	lk_section(lk_read_begin);
	lk_remove();
}

/*
 * ->release is no callback of a section. It may wait for reclaim, and for a lock that
 * is held elsewhere over whatever takes mmap_lock, registration for one.
 */

LK_CASE(reclaim_in_release_right, false)
{
	lk_in_release = lk_alloc_reclaim;
	lk_register();
	lk_unregister();
	lk_register();
	lk_exit_mm();
	lk_unregister();
}

LK_CASE(reclaim_lock_in_release_right, false)
{
	lk_in_release = lk_take_mutex;
	lk_reclaim_under_mutex();
	lk_register();
	lk_unregister();
	lk_register();
	lk_exit_mm();
	lk_unregister();
}

LK_CASE(mmap_lock_under_release_lock_right, false)
{
	lk_in_release = lk_take_mutex;
	lk_under_mutex(lk_take_mmap_lock);
	lk_register();
	lk_unregister();
	lk_register();
	lk_exit_mm();
	lk_unregister();
}

LK_CASE(register_under_release_lock_right, false)
{
	lk_in_release = lk_take_mutex;
	lk_under_mutex(lk_register);
	lk_exit_mm();
	lk_unregister();
	lk_under_mutex(lk_register);
	lk_unregister();
}

/* For the first subscriber of an mm, and for a later one */
LK_CASE(later_register_under_release_lock_right, false)
{
	lk_in_release = lk_take_mutex;
	WARN_ON(mmu_notifier_register(&lk_decline_sub, lk_mm));
	lk_under_mutex(lk_register);
	lk_exit_mm();
	lk_unregister();
	mmu_notifier_unregister(&lk_decline_sub, lk_decline_sub.mm);
}

static struct mmu_notifier lk_gotten;

static struct mmu_notifier *lk_alloc_notifier(struct mm_struct *mm)
{
	return &lk_gotten;
}

static void lk_free_notifier(struct mmu_notifier *sub)
{
}

static const struct mmu_notifier_ops lk_get_ops = {
	.release = lk_release,
	.alloc_notifier = lk_alloc_notifier,
	.free_notifier = lk_free_notifier,
};

static void lk_get(void)
{
	WARN_ON(IS_ERR(mmu_notifier_get(&lk_get_ops, lk_mm)));
}

static void lk_put(void)
{
	mmu_notifier_put(&lk_gotten);
	mmu_notifier_synchronize();
}

LK_CASE(get_under_release_lock_right, false)
{
	lk_in_release = lk_take_mutex;
	lk_under_mutex(lk_get);
	lk_exit_mm();
	lk_put();
	lk_under_mutex(lk_get);
	lk_put();
}

LK_CASE(insert_under_release_lock_right, false)
{
	lk_in_release = lk_take_mutex;
	lk_register();
	lk_under_mutex(lk_insert);
	lk_under_mutex(lk_read_begin);
	lk_under_mutex(lk_remove);
	lk_exit_mm();
	lk_unregister();
}

DEFINE_STATIC_SRCU(lk_srcu);

static void lk_sync_srcu(void)
{
	synchronize_srcu(&lk_srcu);
}

/* As the reclaim of a driver does, for each mm that has its pages */
static void lk_mmap_lock_in_srcu(void)
{
	int idx = srcu_read_lock(&lk_srcu);

	lk_take_mmap_lock();
	srcu_read_unlock(&lk_srcu, idx);
}

LK_CASE(srcu_in_release_right, false)
{
	lk_in_release = lk_sync_srcu;
	lk_mmap_lock_in_srcu();
	lk_register();
	lk_exit_mm();
	lk_unregister();
	lk_register();
	lk_unregister();
}

/* But do not wait for a ->release while holding a lock that it takes. */

LK_CASE(unregister_under_release_lock_wrong, true)
{
	lk_in_release = lk_take_mutex;
	lk_register();
	lk_unregister();
	lk_in_release = NULL;
	lk_register();
	lk_under_mutex(lk_unregister);
}

/* The same, in the other order */
LK_CASE(unregister_lock_in_release_wrong, true)
{
	lk_register();
	lk_under_mutex(lk_unregister);
	lk_in_release = lk_take_mutex;
	lk_register();
	lk_unregister();
}

LK_CASE(unregister_under_release_lock_right, false)
{
	lk_in_release = lk_take_mutex;
	lk_register();
	lk_unregister();
	lk_in_release = NULL;
	lk_register();
	lk_unregister();
}

LK_CASE(unregister_after_exit_under_release_lock_wrong, true)
{
	lk_in_release = lk_take_mutex;
	lk_register();
	lk_exit_mm();
	lk_under_mutex(lk_unregister);
}

LK_CASE(exit_under_release_lock_wrong, true)
{
	lk_in_release = lk_take_mutex;
	lk_register();
	lk_unregister();
	lk_in_release = NULL;
	lk_register();
	lk_under_mutex(lk_exit_mm);
	lk_unregister();
}

/*
 * The work item of a put waits for ->release, and mmu_notifier_synchronize()
 * for the work item.
 */
LK_CASE(synchronize_under_release_lock_wrong, true)
{
	lk_in_release = lk_take_mutex;
	lk_get();
	lk_exit_mm();
	lk_put();
	lk_under_mutex(mmu_notifier_synchronize);
}

LK_CASE(put_after_synchronize_under_release_lock_wrong, true)
{
	lk_in_release = lk_take_mutex;
	lk_get();
	lk_exit_mm();
	lk_under_mutex(mmu_notifier_synchronize);
	lk_put();
}

/* Under mmap_lock, do not take a lock under which others take mmap_lock. */
LK_CASE(unregister_under_mmap_lock_wrong, true)
{
	lk_in_release = lk_take_mutex;
	lk_under_mutex(lk_register);
	mmap_write_lock(lk_mm);
	lk_unregister();
	mmap_write_unlock(lk_mm);
}

LK_CASE(unregister_under_mmap_lock_right, false)
{
	lk_in_release = lk_take_mutex;
	lk_register();
	mmap_write_lock(lk_mm);
	lk_unregister();
	mmap_write_unlock(lk_mm);
}

/* A ->release may end another subscription, whether exit calls it or not. */

static const struct mmu_notifier_ops lk_other_ops = {
	.release = lk_release,
};

static struct mmu_notifier lk_other_sub = { .ops = &lk_other_ops };

static void lk_unregister_other(void)
{
	lk_in_release = NULL;
	mmu_notifier_unregister(&lk_other_sub, lk_other_sub.mm);
}

LK_CASE(unregister_another_in_release_right, false)
{
	lk_in_release = lk_unregister_other;
	WARN_ON(mmu_notifier_register(&lk_other_sub, lk_mm));
	lk_register();
	lk_unregister();
}

LK_CASE(unregister_another_in_release_of_exit_right, false)
{
	lk_in_release = lk_unregister_other;
	WARN_ON(mmu_notifier_register(&lk_other_sub, lk_mm));
	lk_register();
	lk_exit_mm();
	lk_unregister();
}

/* Callbacks under the page table lock do not sleep, wherever they are called. */

LK_CASE(sleep_in_young_wrong, true)
{
	lk_in_young = lk_take_mutex;
	lk_register();
	mmu_notifier_test_young(lk_mm, LK_START);
	lk_unregister();
}

/* As under a page table lock */
LK_CASE(sleep_in_young_under_spinlock_wrong, true)
{
	lk_in_young = lk_take_mutex;
	lk_register();
	spin_lock(&lk_spinlock);
	mmu_notifier_test_young(lk_mm, LK_START);
	spin_unlock(&lk_spinlock);
	lk_unregister();
}

LK_CASE(sleep_in_young_right, false)
{
	lk_in_young = lk_take_spinlock;
	lk_register();
	mmu_notifier_test_young(lk_mm, LK_START);
	lk_unregister();
}

LK_CASE(sleep_in_arch_invalidate_wrong, true)
{
	lk_in_arch = lk_take_mutex;
	WARN_ON(mmu_notifier_register(&lk_arch_sub, lk_mm));
	mmu_notifier_arch_invalidate_secondary_tlbs(lk_mm, LK_START, LK_END);
	mmu_notifier_unregister(&lk_arch_sub, lk_mm);
}

LK_CASE(sleep_in_arch_invalidate_right, false)
{
	lk_in_arch = lk_take_spinlock;
	WARN_ON(mmu_notifier_register(&lk_arch_sub, lk_mm));
	mmu_notifier_arch_invalidate_secondary_tlbs(lk_mm, LK_START, LK_END);
	mmu_notifier_unregister(&lk_arch_sub, lk_mm);
}

/* Callbacks of a non-blockable section do not sleep. */

LK_CASE(sleep_in_nonblock_start_wrong, true)
{
	lk_in_start = lk_sleep;
	lk_register();
	lk_nonblock_section();
	lk_unregister();
}

LK_CASE(sleep_in_nonblock_start_right, false)
{
	lk_in_start = lk_take_spinlock;
	lk_register();
	lk_nonblock_section();
	lk_unregister();
}

LK_CASE(sleep_in_nonblock_start_excepted, false)
{
	lk_in_start = lk_try_mutex;
	lk_register();
	lk_nonblock_section();
	lk_unregister();
}

LK_CASE(sleep_in_nonblock_end_wrong, true)
{
	lk_in_end = lk_sleep;
	lk_register();
	lk_nonblock_section();
	lk_unregister();
}

LK_CASE(sleep_in_nonblock_interval_wrong, true)
{
	lk_in_invalidate = lk_sleep;
	lk_insert();
	lk_nonblock_section();
	lk_remove();
}

LK_CASE(sleep_in_nonblock_interval_right, false)
{
	lk_in_invalidate = lk_take_spinlock;
	lk_insert();
	lk_nonblock_section();
	lk_remove();
}

/* The declining subscriber was registered first, so it is called last. */
LK_CASE(sleep_in_unwinding_end_wrong, true)
{
	lk_in_end = lk_sleep;
	WARN_ON(mmu_notifier_register(&lk_decline_sub, lk_mm));
	lk_register();
	lk_nonblock_section();
	lk_unregister();
	mmu_notifier_unregister(&lk_decline_sub, lk_mm);
}

LK_CASE(sleep_in_unwinding_end_right, false)
{
	lk_in_end = lk_take_spinlock;
	WARN_ON(mmu_notifier_register(&lk_decline_sub, lk_mm));
	lk_register();
	lk_nonblock_section();
	lk_unregister();
	mmu_notifier_unregister(&lk_decline_sub, lk_mm);
}

/* A blockable section is not declined, and another one only with -EAGAIN. */

static int lk_result;

static int lk_return(struct mmu_notifier *sub,
		     const struct mmu_notifier_range *range)
{
	return lk_result;
}

static bool lk_refuse(struct mmu_interval_notifier *sub,
		      const struct mmu_notifier_range *range,
		      unsigned long seq)
{
	mmu_interval_set_seq(sub, seq);
	return false;
}

static const struct mmu_notifier_ops lk_return_ops = {
	.invalidate_range_start = lk_return,
};

static const struct mmu_interval_notifier_ops lk_refuse_ops = {
	.invalidate = lk_refuse,
};

static struct mmu_notifier lk_return_sub = { .ops = &lk_return_ops };

LK_CASE(decline_blockable_wrong, true)
{
	lk_result = -EAGAIN;
	WARN_ON(mmu_notifier_register(&lk_return_sub, lk_mm));
	lk_section(NULL);
	mmu_notifier_unregister(&lk_return_sub, lk_mm);
}

LK_CASE(decline_with_another_error_wrong, true)
{
	lk_result = -ENOMEM;
	WARN_ON(mmu_notifier_register(&lk_return_sub, lk_mm));
	lk_nonblock_section();
	mmu_notifier_unregister(&lk_return_sub, lk_mm);
}

LK_CASE(decline_blockable_interval_wrong, true)
{
	WARN_ON(mmu_interval_notifier_insert(&lk_interval, lk_mm, LK_START,
					     LK_END - LK_START, &lk_refuse_ops));
	lk_section(NULL);
	lk_remove();
}

/* Those who may have to wait do not spin. */

static void lk_under_spinlock(void (*what)(void))
{
	spin_lock(&lk_spinlock);
	what();
	spin_unlock(&lk_spinlock);
}

LK_CASE(remove_under_spinlock_wrong, true)
{
	lk_insert();
	lk_under_spinlock(lk_remove);
}

/* A caller must hold a lock that registration passes through. */

LK_CASE(section_without_lock_wrong, true)
{
	lk_register();
	lk_bare_section();
	lk_unregister();
}

LK_CASE(section_under_another_lock_wrong, true)
{
	lk_register();
	mutex_lock(&lk_mutex);
	lk_bare_section();
	mutex_unlock(&lk_mutex);
	lk_unregister();
}

LK_CASE(section_without_lock_right, false)
{
	lk_register();
	lk_section(NULL);
	lk_unregister();
}

LK_CASE(section_under_anon_vma_lock_right, false)
{
	lk_map_anon();
	lk_register();
	anon_vma_lock_read(lk_anon_vma);
	lk_bare_section();
	anon_vma_unlock_read(lk_anon_vma);
	lk_unregister();
}

/*
 * munmap removes a VMA from the tree while rmap still leads to it, and another
 * VMA may take its place: a section through rmap finds none, or that one.
 */

LK_CASE(i_mmap_section_without_vma_right, false)
{
	lk_register();
	lk_rmap_section(NULL);
	i_mmap_lock_write(&lk_mapping);
	lk_bare_section();
	i_mmap_unlock_write(&lk_mapping);
	lk_unregister();
}

/* Lockdep has tied mmap_lock to callbacks, whichever lock this caller holds. */
LK_CASE(mmap_lock_in_i_mmap_section_wrong, true)
{
	lk_in_start = lk_take_mmap_lock;
	lk_register();
	lk_rmap_section(NULL);
	lk_unregister();
}

LK_CASE(i_mmap_section_over_another_vma_right, false)
{
	lk_map_anon();
	lk_register();
	lk_rmap_section(NULL);
	lk_unregister();
}

LK_CASE(hugetlb_section_without_vma_right, false)
{
	lk_make_hugetlb_file();
	lk_register();
	i_mmap_lock_write(lk_hugetlb_file->f_mapping);
	lk_bare_section();
	i_mmap_unlock_write(lk_hugetlb_file->f_mapping);
	lk_unregister();
	fput(lk_hugetlb_file);
}

LK_CASE(anon_vma_section_without_vma_right, false)
{
	struct mmu_notifier_range range;

	lk_map_anon();
	lk_register();
	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, lk_mm, LK_END,
				LK_END + PAGE_SIZE);
	anon_vma_lock_read(lk_anon_vma);
	mmu_notifier_invalidate_range_start(&range);
	mmu_notifier_invalidate_range_end(&range);
	anon_vma_unlock_read(lk_anon_vma);
	lk_unregister();
}

#ifdef CONFIG_PER_VMA_LOCK
LK_CASE(section_under_vma_lock_right, false)
{
	struct vm_area_struct *vma;

	lk_map_anon();
	lk_register();
	vma = lock_vma_under_rcu(lk_mm, LK_START);
	if (WARN_ON(!vma))
		return;
	lk_bare_section();
	vma_end_read(vma);
	lk_unregister();
}
#endif

/* A section has at least one address. */

static void lk_section_of(unsigned long start, unsigned long end)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, lk_mm, start, end);
	mmap_read_lock(lk_mm);
	mmu_notifier_invalidate_range_start(&range);
	mmu_notifier_invalidate_range_end(&range);
	mmap_read_unlock(lk_mm);
}

LK_CASE(section_of_no_address_wrong, true)
{
	lk_register();
	lk_section_of(LK_START, LK_START);
	lk_unregister();
}

LK_CASE(section_backwards_wrong, true)
{
	lk_register();
	lk_section_of(LK_END, LK_START);
	lk_unregister();
}

LK_CASE(section_of_one_address_right, false)
{
	lk_register();
	lk_section_of(LK_START, LK_START + 1);
	lk_unregister();
}

/* Once the mm was prepared for intervals, an insert needs no mmap_lock. */
LK_CASE(insert_under_mmap_lock_right, false)
{
	WARN_ON(mmu_notifier_register(NULL, lk_mm));
	mmap_read_lock(lk_mm);
	lk_insert();
	mmap_read_unlock(lk_mm);
	lk_section(NULL);
	lk_remove();
}

/* Each end has its start, and vice versa. */

LK_CASE(end_without_start_wrong, true)
{
	struct mmu_notifier_range range;

	lk_register();
	lk_range(&range);
	mmap_read_lock(lk_mm);
	mmu_notifier_invalidate_range_end(&range);
	mmap_read_unlock(lk_mm);
	lk_unregister();
}

/* Without a subscriber, as two starts would leave one section open */
LK_CASE(start_twice_wrong, true)
{
	struct mmu_notifier_range range;

	lk_range(&range);
	mmap_read_lock(lk_mm);
	mmu_notifier_invalidate_range_start(&range);
	mmu_notifier_invalidate_range_start(&range);
	mmu_notifier_invalidate_range_end(&range);
	mmap_read_unlock(lk_mm);
}

/* The end is reported, and carried out for the section that was started. */
static void lk_end_another(void (*change)(struct mmu_notifier_range *range))
{
	struct kunit *test = kunit_get_current_test();
	struct mmu_notifier_range range;

	lk_register();
	lk_range(&range);
	mmap_read_lock(lk_mm);
	mmu_notifier_invalidate_range_start(&range);
	change(&range);
	mmu_notifier_invalidate_range_end(&range);
	mmap_read_unlock(lk_mm);
	KUNIT_EXPECT_PTR_EQ(test, range.mm, lk_mm);
	KUNIT_EXPECT_EQ(test, range.start, LK_START);
	KUNIT_EXPECT_EQ(test, range.end, LK_END);
	KUNIT_EXPECT_EQ(test, range.event, MMU_NOTIFY_CLEAR);
	lk_unregister();
}

static void lk_change_start(struct mmu_notifier_range *range)
{
	range->start += PAGE_SIZE;
}

static void lk_change_end(struct mmu_notifier_range *range)
{
	range->end += PAGE_SIZE;
}

static void lk_change_event(struct mmu_notifier_range *range)
{
	range->event = MMU_NOTIFY_UNMAP;
}

static void lk_change_mm(struct mmu_notifier_range *range)
{
	range->mm = &init_mm;
}

LK_CASE(end_of_another_range_wrong, true)
{
	lk_end_another(lk_change_start);
}

LK_CASE(end_of_a_longer_range_wrong, true)
{
	lk_end_another(lk_change_end);
}

LK_CASE(end_of_another_event_wrong, true)
{
	lk_end_another(lk_change_event);
}

LK_CASE(end_of_another_mm_wrong, true)
{
	lk_end_another(lk_change_mm);
}

LK_CASE(nested_sections_right, false)
{
	struct mmu_notifier_range a, b;

	lk_register();
	lk_range(&a);
	lk_range(&b);
	mmap_read_lock(lk_mm);
	mmu_notifier_invalidate_range_start(&a);
	mmu_notifier_invalidate_range_start(&b);
	mmu_notifier_invalidate_range_end(&a);
	mmu_notifier_invalidate_range_end(&b);
	mmap_read_unlock(lk_mm);
	lk_unregister();
}

/*
 * A section is open when its mm is freed. Lockdep is told nothing of it, as it
 * would report that exit takes mmap_lock inside; so only the core can notice.
 */
static void lk_exit_with_section(void)
{
	struct mmu_notifier_range range;

	lk_range(&range);
	mmap_read_lock(lk_mm);
	lockdep_off();
	mmu_notifier_invalidate_range_start(&range);
	lockdep_on();
	mmap_read_unlock(lk_mm);
	lk_exit_mm();
}

/*
 * There is no interval and the hlist subscriber has left before: neither exit
 * nor any other function waits for the section.
 */
LK_CASE(section_open_at_destroy_wrong, true)
{
	WARN_ON(mmu_notifier_register(&lk_other_sub, lk_mm));
	mmu_notifier_unregister(&lk_other_sub, lk_mm);
	lk_exit_with_section();
}

/* The same in a slot, which no domain knows of */
LK_CASE(slotted_section_open_at_destroy_wrong, true)
{
	lk_insert();
	lk_remove();
	lk_exit_with_section();
}

/* One reference to the mm is missing, and only the core can notice. */
LK_CASE(interval_left_at_destroy_wrong, true)
{
	struct mm_struct *mm;

	lk_insert();
	mm = lk_replace_mm();
	mmput(mm);
	mmdrop(mm);
}

LK_CASE(interval_removed_after_exit_right, false)
{
	lk_insert();
	lk_exit_mm();
	lk_remove();
}

LK_CASE(declined_section_right, false)
{
	WARN_ON(mmu_notifier_register(&lk_decline_sub, lk_mm));
	lk_nonblock_section();
	lk_section(NULL);
	mmu_notifier_unregister(&lk_decline_sub, lk_mm);
}

/* ->release of exit may unregister, and exit may run while others register. */

LK_CASE(unregister_in_release_right, false)
{
	lk_in_release = lk_unregister;
	lk_register();
	mmput(lk_mm);
	lk_in_release = NULL;
	lk_replace_mm();
}

#ifdef MMU_NOTIFIER_NEVER_SLEEPS
/* Not in older kernels: MMU_NOTIFIER_NEVER_SLEEPS, and two passes. */

static const struct mmu_notifier_ops lk_promise_ops = {
	.invalidate_range_start = lk_start,
	.flags = MMU_NOTIFIER_NEVER_SLEEPS,
};

static struct mmu_notifier lk_promise_sub = { .ops = &lk_promise_ops };

static struct mmu_interval_notifier_finish lk_finish_work;

static bool lk_invalidate_start(struct mmu_interval_notifier *sub,
				const struct mmu_notifier_range *range,
				unsigned long seq,
				struct mmu_interval_notifier_finish **finish)
{
	mmu_interval_set_seq(sub, seq);
	*finish = &lk_finish_work;
	return true;
}

static void lk_invalidate_finish(struct mmu_interval_notifier_finish *finish)
{
	lk_do(lk_in_finish);
}

static const struct mmu_interval_notifier_ops lk_two_pass_ops = {
	.invalidate_start = lk_invalidate_start,
	.invalidate_finish = lk_invalidate_finish,
};

static void lk_insert_two_pass(void)
{
	WARN_ON(mmu_interval_notifier_insert(&lk_interval, lk_mm, LK_START,
					     LK_END - LK_START,
					     &lk_two_pass_ops));
}

LK_CASE(broken_promise_wrong, true)
{
	lk_in_start = lk_sleep;
	WARN_ON(mmu_notifier_register(&lk_promise_sub, lk_mm));
	lk_section(NULL);
	mmu_notifier_unregister(&lk_promise_sub, lk_mm);
}

LK_CASE(kept_promise_right, false)
{
	lk_in_start = lk_take_spinlock;
	WARN_ON(mmu_notifier_register(&lk_promise_sub, lk_mm));
	lk_section(NULL);
	mmu_notifier_unregister(&lk_promise_sub, lk_mm);
}

LK_CASE(sleep_in_nonblock_finish_wrong, true)
{
	lk_in_finish = lk_sleep;
	lk_insert_two_pass();
	lk_nonblock_section();
	lk_remove();
}

LK_CASE(sleep_in_finish_right, false)
{
	lk_in_finish = lk_sleep;
	lk_insert_two_pass();
	lk_section(NULL);
	lk_remove();
}

LK_CASE(reclaim_lock_in_finish_wrong, true)
{
	lk_in_finish = lk_take_mutex;
	lk_reclaim_under_mutex();
	lk_insert_two_pass();
	lk_section(NULL);
	lk_remove();
}

/* Ops on the heap have no class of their own, but the map all the same. */
LK_CASE(heap_ops_wrong, true)
{
	struct mmu_notifier_ops *ops = kmemdup(&lk_ops, sizeof(lk_ops), GFP_KERNEL);

	if (!ops)
		return;
	lk_sub.ops = ops;
	lk_in_start = lk_take_mutex;
	lk_reclaim_under_mutex();
	lk_register();
	lk_section(NULL);
	lk_unregister();
	lk_sub.ops = &lk_ops;
	kfree(ops);
}

LK_CASE(heap_ops_right, false)
{
	struct mmu_notifier_ops *ops = kmemdup(&lk_ops, sizeof(lk_ops), GFP_KERNEL);

	if (!ops)
		return;
	lk_sub.ops = ops;
	lk_in_start = lk_take_mutex;
	lk_register();
	lk_section(NULL);
	lk_unregister();
	lk_sub.ops = &lk_ops;
	kfree(ops);
}
#endif

static struct kunit_case lk_cases[] = {
	KUNIT_CASE(reclaim_in_start_wrong),
	KUNIT_CASE(reclaim_in_start_right),
	KUNIT_CASE(reclaim_lock_in_start_wrong),
	KUNIT_CASE(reclaim_lock_in_start_right),
	KUNIT_CASE(reclaim_lock_in_start_excepted),
	KUNIT_CASE(reclaim_lock_in_end_wrong),
	KUNIT_CASE(reclaim_lock_in_end_right),
	KUNIT_CASE(reclaim_lock_in_interval_wrong),
	KUNIT_CASE(reclaim_lock_in_interval_at_exit_wrong),
	KUNIT_CASE(reclaim_lock_in_interval_right),
	KUNIT_CASE(section_under_lock_in_start_wrong),
	KUNIT_CASE(i_mmap_under_lock_in_start_wrong),
	KUNIT_CASE(i_mmap_under_lock_in_start_right),
	KUNIT_CASE(hugetlb_i_mmap_under_lock_in_start_wrong),
	KUNIT_CASE(hugetlb_i_mmap_under_lock_in_start_right),
	KUNIT_CASE(anon_vma_under_lock_in_start_wrong),
	KUNIT_CASE(anon_vma_under_lock_in_start_right),
	KUNIT_CASE(mmap_lock_in_start_wrong),
	KUNIT_CASE(read_begin_under_section_lock_wrong),
	KUNIT_CASE(read_begin_under_section_lock_right),
	KUNIT_CASE(remove_under_section_lock_wrong),
	KUNIT_CASE(remove_under_section_lock_right),
	KUNIT_CASE(register_under_section_lock_wrong),
	KUNIT_CASE(register_under_section_lock_right),
	KUNIT_CASE(unregister_under_section_lock_wrong),
	KUNIT_CASE(unregister_under_section_lock_right),
	KUNIT_CASE(unregister_under_callback_lock_wrong),
	KUNIT_CASE(read_begin_under_callback_lock_wrong),
	KUNIT_CASE(insert_under_section_lock_wrong),
	KUNIT_CASE(i_mmap_under_lock_in_rmap_section_wrong),
	KUNIT_CASE(read_begin_in_callback_wrong),
	KUNIT_CASE(read_begin_in_section_wrong),
	KUNIT_CASE(reclaim_in_release_right),
	KUNIT_CASE(reclaim_lock_in_release_right),
	KUNIT_CASE(mmap_lock_under_release_lock_right),
	KUNIT_CASE(register_under_release_lock_right),
	KUNIT_CASE(later_register_under_release_lock_right),
	KUNIT_CASE(get_under_release_lock_right),
	KUNIT_CASE(insert_under_release_lock_right),
	KUNIT_CASE(srcu_in_release_right),
	KUNIT_CASE(unregister_under_release_lock_wrong),
	KUNIT_CASE(unregister_lock_in_release_wrong),
	KUNIT_CASE(unregister_under_release_lock_right),
	KUNIT_CASE(unregister_after_exit_under_release_lock_wrong),
	KUNIT_CASE(exit_under_release_lock_wrong),
	KUNIT_CASE(synchronize_under_release_lock_wrong),
	KUNIT_CASE(put_after_synchronize_under_release_lock_wrong),
	KUNIT_CASE(unregister_under_mmap_lock_wrong),
	KUNIT_CASE(unregister_under_mmap_lock_right),
	KUNIT_CASE(unregister_another_in_release_right),
	KUNIT_CASE(unregister_another_in_release_of_exit_right),
	KUNIT_CASE(sleep_in_young_wrong),
	KUNIT_CASE(sleep_in_young_under_spinlock_wrong),
	KUNIT_CASE(sleep_in_young_right),
	KUNIT_CASE(sleep_in_arch_invalidate_wrong),
	KUNIT_CASE(sleep_in_arch_invalidate_right),
	KUNIT_CASE(sleep_in_nonblock_start_wrong),
	KUNIT_CASE(sleep_in_nonblock_start_right),
	KUNIT_CASE(sleep_in_nonblock_start_excepted),
	KUNIT_CASE(sleep_in_nonblock_end_wrong),
	KUNIT_CASE(sleep_in_nonblock_interval_wrong),
	KUNIT_CASE(sleep_in_nonblock_interval_right),
	KUNIT_CASE(sleep_in_unwinding_end_wrong),
	KUNIT_CASE(sleep_in_unwinding_end_right),
	KUNIT_CASE(decline_blockable_wrong),
	KUNIT_CASE(decline_with_another_error_wrong),
	KUNIT_CASE(decline_blockable_interval_wrong),
	KUNIT_CASE(remove_under_spinlock_wrong),
	KUNIT_CASE(section_without_lock_wrong),
	KUNIT_CASE(section_under_another_lock_wrong),
	KUNIT_CASE(section_without_lock_right),
	KUNIT_CASE(section_under_anon_vma_lock_right),
	KUNIT_CASE(i_mmap_section_without_vma_right),
	KUNIT_CASE(mmap_lock_in_i_mmap_section_wrong),
	KUNIT_CASE(i_mmap_section_over_another_vma_right),
	KUNIT_CASE(hugetlb_section_without_vma_right),
	KUNIT_CASE(anon_vma_section_without_vma_right),
#ifdef CONFIG_PER_VMA_LOCK
	KUNIT_CASE(section_under_vma_lock_right),
#endif
	KUNIT_CASE(section_of_no_address_wrong),
	KUNIT_CASE(section_backwards_wrong),
	KUNIT_CASE(section_of_one_address_right),
	KUNIT_CASE(insert_under_mmap_lock_right),
	KUNIT_CASE(end_without_start_wrong),
	KUNIT_CASE(start_twice_wrong),
	KUNIT_CASE(end_of_another_range_wrong),
	KUNIT_CASE(end_of_a_longer_range_wrong),
	KUNIT_CASE(end_of_another_event_wrong),
	KUNIT_CASE(end_of_another_mm_wrong),
	KUNIT_CASE(nested_sections_right),
	KUNIT_CASE(section_open_at_destroy_wrong),
	KUNIT_CASE(slotted_section_open_at_destroy_wrong),
	KUNIT_CASE(interval_left_at_destroy_wrong),
	KUNIT_CASE(interval_removed_after_exit_right),
	KUNIT_CASE(declined_section_right),
	KUNIT_CASE(unregister_in_release_right),
#ifdef MMU_NOTIFIER_NEVER_SLEEPS
	KUNIT_CASE(broken_promise_wrong),
	KUNIT_CASE(kept_promise_right),
	KUNIT_CASE(sleep_in_nonblock_finish_wrong),
	KUNIT_CASE(sleep_in_finish_right),
	KUNIT_CASE(reclaim_lock_in_finish_wrong),
	KUNIT_CASE(heap_ops_wrong),
	KUNIT_CASE(heap_ops_right),
#endif
	{}
};

static struct kunit_suite lk_suite = {
	.name = "mmu_notifier_lockdep",
	.init = lk_init,
	.exit = lk_exit,
	.test_cases = lk_cases,
};

kunit_test_suite(lk_suite);

MODULE_DESCRIPTION("Rules of the mmu_notifier that lockdep enforces");
MODULE_LICENSE("GPL");
