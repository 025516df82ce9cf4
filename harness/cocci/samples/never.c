// SPDX-License-Identifier: GPL-2.0
// What was promised and is not kept

static int sleeps(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	if (mmu_notifier_range_blockable(range))
		mutex_lock(&to_dev(mn)->lock);	/* finds: never */
	return 0;
}

static const struct mmu_notifier_ops sleeps_ops = {
	.release = leave,
	.invalidate_range_start = sleeps,
	.flags = MMU_NOTIFIER_NEVER_SLEEPS,
};

static bool declines(struct mmu_interval_notifier *sub, const struct mmu_notifier_range *range,
		     unsigned long cur_seq)
{
	if (!mutex_trylock(&dev->lock))
		return false;	/* finds: never */
	mutex_unlock(&dev->lock);
	return true;
}

static const struct mmu_interval_notifier_ops declines_ops = {
	.invalidate = declines,
	.flags = MMU_NOTIFIER_NEVER_SLEEPS,
};

static bool keeps_it(struct mmu_interval_notifier *sub, const struct mmu_notifier_range *range,
		     unsigned long cur_seq)
{
	spin_lock(&dev->spin);
	mmu_interval_set_seq(sub, cur_seq);
	spin_unlock(&dev->spin);
	return true;
}

static const struct mmu_interval_notifier_ops keeps_it_ops = {
	.invalidate = keeps_it,
	.flags = MMU_NOTIFIER_NEVER_SLEEPS,
};
