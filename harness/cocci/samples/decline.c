// SPDX-License-Identifier: GPL-2.0
// A start that declines gets no end

static int counts_first(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct dev *dev = to_dev(mn);

	atomic_inc(&dev->open);	/* finds: decline */
	if (!mmu_notifier_range_blockable(range))
		return -EAGAIN;
	stop(dev);
	return 0;
}

static void uncounts(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	atomic_dec(&to_dev(mn)->open);
}

static const struct mmu_notifier_ops counts_first_ops = {
	.release = leave,
	.invalidate_range_start = counts_first,
	.invalidate_range_end = uncounts,
};

static int jumps(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct dev *dev = to_dev(mn);
	int ret = 0;

	spin_lock(&dev->spin);
	dev->open++;	/* finds: decline */
	if (!mmu_notifier_range_blockable(range))
		ret = -EAGAIN;
	spin_unlock(&dev->spin);
	return ret;
}

static const struct mmu_notifier_ops jumps_ops = {
	.release = leave,
	.invalidate_range_start = jumps,
	.invalidate_range_end = uncounts,
};

static int takes_it_back(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct dev *dev = to_dev(mn);

	atomic_inc(&dev->open);
	if (!mmu_notifier_range_blockable(range)) {
		atomic_dec(&dev->open);
		return -EAGAIN;
	}
	stop(dev);
	return 0;
}

static const struct mmu_notifier_ops takes_it_back_ops = {
	.release = leave,
	.invalidate_range_start = takes_it_back,
	.invalidate_range_end = uncounts,
};

static int counts_last(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	if (!mmu_notifier_range_blockable(range))
		return -EAGAIN;
	atomic_inc(&to_dev(mn)->open);
	return 0;
}

static const struct mmu_notifier_ops counts_last_ops = {
	.release = leave,
	.invalidate_range_start = counts_last,
	.invalidate_range_end = uncounts,
};

/* There is no end that could lower it */
static const struct mmu_notifier_ops no_end_ops = {
	.release = leave,
	.invalidate_range_start = only_start,
};
