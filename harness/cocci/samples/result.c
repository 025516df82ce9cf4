// SPDX-License-Identifier: GPL-2.0
// Whether a subscription came about, and what a sequence is for

static void nobody_looks(struct dev *dev, struct mm_struct *mm)
{
	mmu_notifier_register(&dev->mn, mm);	/* finds: result */
}

static void nobody_looks_at_interval(struct dev *dev, struct mm_struct *mm)
{
	(void)mmu_interval_notifier_insert(&dev->sub, mm, 0, 4096, &ops);	/* finds: result */
}

static int stored_and_forgotten(struct dev *dev, struct mm_struct *mm)
{
	int ret;

	ret = mmu_interval_notifier_insert_locked(&dev->sub, mm, 0, 4096, &ops);	/* finds: result */
	return 0;
}

static int passed_on(struct dev *dev, struct mm_struct *mm)
{
	return __mmu_notifier_register(&dev->mn, mm);
}

static int looked_at(struct dev *dev, struct mm_struct *mm)
{
	int ret;

	ret = mmu_interval_notifier_insert(&dev->sub, mm, 0, 4096, &ops);
	if (ret)
		kfree(dev);
	return ret;
}

static void nobody_can_retry(struct dev *dev)
{
	mmu_interval_read_begin(&dev->sub);	/* finds: result */
	program(dev, look_up(dev));
}

static bool compared(struct dev *dev)
{
	unsigned long seq = mmu_interval_read_begin(&dev->sub);

	return mmu_interval_read_retry(&dev->sub, seq);
}

static void leave(struct dev *dev)
{
	mmu_notifier_unregister(&dev->mn, dev->mn.mm);
	mmu_interval_notifier_remove(&dev->sub);
}
