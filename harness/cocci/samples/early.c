// SPDX-License-Identifier: GPL-2.0
// What callbacks may look at before it is ready

static int lock_too_late(struct dev *dev)
{
	int ret;

	ret = mmu_interval_notifier_insert(&dev->sub, current->mm, 0, 4096, &ops);	/* finds: early */
	if (ret)
		return ret;
	mutex_init(&dev->lock);
	return 0;
}

static int work_too_late(struct dev *dev)
{
	int ret;

	ret = mmu_notifier_register(&dev->mn, current->mm);	/* finds: early */
	if (!ret)
		INIT_WORK(&dev->work, work);
	return ret;
}

static int in_time(struct dev *dev)
{
	mutex_init(&dev->lock);
	INIT_WORK(&dev->work, work);
	return mmu_interval_notifier_insert(&dev->sub, current->mm, 0, 4096, &ops);
}

static int of_another_object(struct dev *dev, struct job *job)
{
	int ret;

	ret = mmu_notifier_register(&dev->mn, current->mm);
	if (!ret)
		mutex_init(&job->lock);
	return ret;
}

static void leave(struct dev *dev)
{
	mmu_notifier_unregister(&dev->mn, dev->mn.mm);
	mmu_interval_notifier_remove(&dev->sub);
}
