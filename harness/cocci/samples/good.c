// SPDX-License-Identifier: GPL-2.0
// A driver without a mistake that a rule knows of

static void dev_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	stop(to_dev(mn));
}

static struct mmu_notifier *dev_alloc(struct mm_struct *mm)
{
	struct dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (!dev)
		return ERR_PTR(-ENOMEM);
	mutex_init(&dev->lock);
	return &dev->mn;
}

static void dev_free(struct mmu_notifier *mn)
{
	kfree(to_dev(mn));
}

static const struct mmu_notifier_ops dev_ops = {
	.release = dev_release,
	.alloc_notifier = dev_alloc,
	.free_notifier = dev_free,
};

static struct dev *dev_get(struct mm_struct *mm)
{
	struct mmu_notifier *mn = mmu_notifier_get(&dev_ops, mm);

	return IS_ERR(mn) ? ERR_CAST(mn) : to_dev(mn);
}

static void dev_put(struct dev *dev)
{
	mmu_notifier_put(&dev->mn);
}

static bool range_invalidate(struct mmu_interval_notifier *sub,
			     const struct mmu_notifier_range *range, unsigned long cur_seq)
{
	struct range *mine = container_of(sub, struct range, sub);

	if (mmu_notifier_range_blockable(range))
		mutex_lock(&mine->lock);
	else if (!mutex_trylock(&mine->lock))
		return false;
	mmu_interval_set_seq(sub, cur_seq);
	forget(mine);
	mutex_unlock(&mine->lock);
	return true;
}

static const struct mmu_interval_notifier_ops range_ops = {
	.invalidate = range_invalidate,
};

static int range_watch(struct range *mine, unsigned long start, unsigned long size)
{
	int ret;

	mutex_init(&mine->lock);
	ret = mmu_interval_notifier_insert(&mine->sub, current->mm, start, size, &range_ops);
	if (!ret)
		mine->watched = true;
	return ret;
}

static void range_forget(struct range *mine)
{
	if (mine->watched)
		mmu_interval_notifier_remove(&mine->sub);
}

static int range_fault(struct range *mine)
{
	unsigned long seq;
	bool retry;

	do {
		seq = mmu_interval_read_begin(&mine->sub);
		mine->entry = look_up(mine);
		mutex_lock(&mine->lock);
		retry = mmu_interval_read_retry(&mine->sub, seq);
		mutex_unlock(&mine->lock);
	} while (retry);
	return 0;
}

static void __exit dev_exit(void)
{
	misc_deregister(&misc);
	mmu_notifier_synchronize();
}
module_exit(dev_exit);
