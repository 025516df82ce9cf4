// SPDX-License-Identifier: GPL-2.0-only
/*
 * A very small driver: it subscribes to the address space of the task that
 * loads it, and counts invalidations until that ends. With wrong=1 it breaks a
 * rule, which the debug kernel reports: it allocates under the lock that its
 * callback takes.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>

static bool wrong;
module_param(wrong, bool, 0);

static DEFINE_MUTEX(first_lock);
static int first_starts;

static int first_start(struct mmu_notifier *mn,
		       const struct mmu_notifier_range *range)
{
	if (!mmu_notifier_range_blockable(range)) {
		if (!mutex_trylock(&first_lock))
			return -EAGAIN;
	} else {
		mutex_lock(&first_lock);
	}
	first_starts++;
	mutex_unlock(&first_lock);
	return 0;
}

static void first_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	pr_info("first: the address space ends after %d invalidations\n",
		first_starts);
}

static const struct mmu_notifier_ops first_ops = {
	.invalidate_range_start	= first_start,
	.release		= first_release,
};

static struct mmu_notifier first_mn = { .ops = &first_ops };

static int __init first_init(void)
{
	int ret = mmu_notifier_register(&first_mn, current->mm);

	if (!ret && wrong) {
		mutex_lock(&first_lock);
		kfree(kmalloc(64, GFP_KERNEL));
		mutex_unlock(&first_lock);
	}
	return ret;
}

static void __exit first_exit(void)
{
	mmu_notifier_unregister(&first_mn, first_mn.mm);
}

module_init(first_init);
module_exit(first_exit);
MODULE_DESCRIPTION("Counts invalidations of the address space that loads it");
MODULE_LICENSE("GPL");
