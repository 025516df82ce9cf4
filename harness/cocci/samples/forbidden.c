// SPDX-License-Identifier: GPL-2.0
// What no callback may wait for

static void unpin(struct dev *dev)
{
	unpin_user_pages_dirty_lock(dev->pages, dev->count, true);	/* finds: forbidden */
}

static bool waits(struct mmu_interval_notifier *sub, const struct mmu_notifier_range *range,
		  unsigned long cur_seq)
{
	if (!mmu_notifier_range_blockable(range))
		return false;
	unpin(to_dev(sub));
	dma_resv_wait_timeout(to_dev(sub)->resv, USAGE, true, MAX_SCHEDULE_TIMEOUT);	/* finds: forbidden */
	dma_resv_wait_timeout(to_dev(sub)->resv, USAGE, false, MAX_SCHEDULE_TIMEOUT);
	mmu_interval_notifier_remove(&to_dev(sub)->other);	/* finds: forbidden */
	mmap_read_lock(sub->mm);	/* finds: forbidden */
	mmap_read_unlock(sub->mm);
	return true;
}

static const struct mmu_interval_notifier_ops waits_ops = {
	.invalidate = waits,
};

/* Called by an invalidate of another file */
void dev_part_of_invalidate(struct dev *dev, unsigned long cur_seq)
{
	wait_event_interruptible(dev->wait, dev->idle);	/* finds: forbidden */
	wait_event(dev->wait, dev->idle);
}

static void leave(struct mmu_notifier *mn, struct mm_struct *mm)
{
	mmput(to_dev(mn)->mm);	/* finds: forbidden */
	mmput_async(to_dev(mn)->mm);
	mmu_notifier_unregister(mn, mm);
}

static const struct mmu_notifier_ops leave_ops = {
	.release = leave,
};
