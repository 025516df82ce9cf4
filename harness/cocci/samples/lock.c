// SPDX-License-Identifier: GPL-2.0
// What is done under a lock that a callback takes

static bool invalidate(struct mmu_interval_notifier *sub, const struct mmu_notifier_range *range,
		       unsigned long cur_seq)
{
	struct dev *dev = container_of(sub, struct dev, sub);

	if (!mmu_notifier_range_blockable(range))
		return false;
	mutex_lock(&dev->inner);
	mmu_interval_set_seq(sub, cur_seq);
	mutex_unlock(&dev->inner);
	return true;
}

static const struct mmu_interval_notifier_ops ops = {
	.invalidate = invalidate,
};

static void allocates(struct dev *dev)
{
	mutex_lock(&dev->inner);
	dev->table = kmalloc(4096, GFP_KERNEL);	/* finds: lock */
	mutex_unlock(&dev->inner);
}

/* kfree() does not wait */
static void frees_at_once(struct dev *dev)
{
	mutex_lock(&dev->inner);
	kfree(
		kmalloc(size_of(dev), GFP_KERNEL));	/* finds: lock */
	mutex_unlock(&dev->inner);
}

static void begins(struct dev *dev)
{
	dev->seq = mmu_interval_read_begin(&dev->sub);
}

static int begins_too_late(struct dev *dev)
{
	mutex_lock(&dev->inner);
	if (!dev->ready) {
		mutex_unlock(&dev->inner);
		return -ENODEV;
	}
	begins(dev);	/* finds: lock */
	mutex_unlock(&dev->inner);
	return 0;
}

static void leaves(struct dev *dev)
{
	mutex_lock(&dev->inner);
	mmu_interval_notifier_remove(&dev->sub);	/* finds: lock */
	mutex_unlock(&dev->inner);
}

static int copies(struct dev *dev, void __user *to)
{
	int left;

	if (mutex_lock_interruptible(&dev->inner))
		return -EINTR;
	left = copy_to_user(to, dev->table, 4096);	/* finds: lock */
	mutex_unlock(&dev->inner);
	return left;
}

static void before_and_after(struct dev *dev)
{
	void *table = kmalloc(4096, GFP_KERNEL);

	begins(dev);
	mutex_lock(&dev->inner);
	swap(dev->table, table);
	dev->spare = kmalloc(64, GFP_NOWAIT);
	mutex_unlock(&dev->inner);
	mmu_interval_notifier_remove(&dev->sub);
	kfree(table);
}

static void without_reclaim(struct dev *dev)
{
	unsigned int flags;

	mutex_lock(&dev->inner);
	flags = memalloc_noreclaim_save();
	dev->table = kmalloc(4096, GFP_KERNEL);
	memalloc_noreclaim_restore(flags);
	mutex_unlock(&dev->inner);
}

static void under_the_outer_one(struct dev *dev)
{
	mutex_lock(&dev->outer);
	dev->table = kmalloc(4096, GFP_KERNEL);
	mutex_unlock(&dev->outer);
}

/* The same name in another structure */
static void of_a_job(struct job *job)
{
	mutex_lock(&job->inner);
	job->table = kmalloc(4096, GFP_KERNEL);
	mutex_unlock(&job->inner);
}
