// SPDX-License-Identifier: GPL-2.0
// Members of an interval that tell nothing

static void by_mm(struct dev *dev)
{
	if (!dev->sub.mm)	/* finds: inserted */
		return;
	mmu_interval_notifier_remove(&dev->sub);
}

static void by_mm_set(struct dev *dev)
{
	if (dev->user.sub.mm && dev->ready)	/* finds: inserted */
		mmu_interval_notifier_remove(&dev->user.sub);
}

static void by_start(struct dev *dev)
{
	if (dev->sub.interval_tree.start != 0)	/* finds: inserted */
		mmu_interval_notifier_remove(&dev->sub);
}

static void by_pointer(struct mmu_interval_notifier *sub)
{
	if (sub->mm != NULL)	/* finds: inserted */
		mmu_interval_notifier_remove(sub);
}

static void by_a_flag(struct dev *dev)
{
	if (dev->inserted)
		mmu_interval_notifier_remove(&dev->sub);
}

static bool is_mine(struct dev *dev)
{
	return dev->sub.mm == current->mm;
}

static bool of_something_else(struct dev *dev)
{
	return !dev->mm;
}
