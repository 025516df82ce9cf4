// SPDX-License-Identifier: GPL-2.0
// Sleeping where the section may not be blockable

static bool never_asks(struct mmu_interval_notifier *sub, const struct mmu_notifier_range *range,
		       unsigned long cur_seq)
{
	mutex_lock(&dev->lock);	/* finds: sleep */
	mmu_interval_set_seq(sub, cur_seq);
	mutex_unlock(&dev->lock);
	return true;
}

static const struct mmu_interval_notifier_ops never_asks_ops = {
	.invalidate = never_asks,
};

static void stop(struct dev *dev)
{
	wait_for_completion(&dev->idle);	/* finds: sleep */
	spin_lock(&dev->spin);
	spin_unlock(&dev->spin);
}

static int stops(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	stop(to_dev(mn));
	return 0;
}

static void resumes(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	down_write(&to_dev(mn)->sem);	/* finds: sleep */
	up_write(&to_dev(mn)->sem);
}

static const struct mmu_notifier_ops stops_ops = {
	.release = leave,
	.invalidate_range_start = stops,
	.invalidate_range_end = resumes,
};

static bool asks(struct mmu_interval_notifier *sub, const struct mmu_notifier_range *range,
		 unsigned long cur_seq)
{
	if (mmu_notifier_range_blockable(range))
		mutex_lock(&dev->lock);
	else if (!mutex_trylock(&dev->lock))
		return false;
	mmu_interval_set_seq(sub, cur_seq);
	mutex_unlock(&dev->lock);
	return true;
}

static const struct mmu_interval_notifier_ops asks_ops = {
	.invalidate = asks,
};

static bool take(struct dev *dev, const struct mmu_notifier_range *range)
{
	if (mmu_notifier_range_blockable(range)) {
		down_read(&dev->sem);
		return true;
	}
	return down_read_trylock(&dev->sem);
}

static int has_it_asked(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	return take(to_dev(mn), range) ? 0 : -EAGAIN;
}

/* Comes only for what start has accepted */
static void end_of_asked(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	down_read(&to_dev(mn)->sem);
	up_read(&to_dev(mn)->sem);
}

static const struct mmu_notifier_ops asked_ops = {
	.release = leave,
	.invalidate_range_start = has_it_asked,
	.invalidate_range_end = end_of_asked,
};

static void no_callback(struct dev *dev)
{
	mutex_lock(&dev->lock);
	mutex_unlock(&dev->lock);
}
