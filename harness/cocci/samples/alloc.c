// SPDX-License-Identifier: GPL-2.0
// Memory that reclaim may have to find first

static bool nofs_is_not_enough(struct mmu_interval_notifier *sub,
			       const struct mmu_notifier_range *range, unsigned long cur_seq)
{
	if (!mmu_notifier_range_blockable(range))
		return false;
	remember(kmalloc(sizeof(struct request), GFP_NOFS));	/* finds: alloc */
	return true;
}

static const struct mmu_interval_notifier_ops nofs_ops = {
	.invalidate = nofs_is_not_enough,
};

static void implied(struct mmu_notifier *mn, struct mm_struct *mm)
{
	remember(kzalloc_obj(struct request));	/* finds: alloc */
}

static const struct mmu_notifier_ops implied_ops = {
	.release = implied,
};

/* kmalloc() waits for reclaim, and the function that gets its result does not */
static void as_an_argument(struct mmu_notifier *mn, struct mm_struct *mm)
{
	remember(
		kmalloc(sizeof(struct request), (GFP_NOIO)));	/* finds: alloc */
}

static const struct mmu_notifier_ops argument_ops = {
	.release = as_an_argument,
};

static bool without_reclaim(struct mmu_interval_notifier *sub,
			    const struct mmu_notifier_range *range, unsigned long cur_seq)
{
	remember(kmalloc(sizeof(struct request), GFP_NOWAIT | __GFP_NOWARN));
	remember(kzalloc_obj(struct request, GFP_ATOMIC));
	return true;
}

static const struct mmu_interval_notifier_ops without_ops = {
	.invalidate = without_reclaim,
};

static struct mmu_notifier *alloc_dev(struct mm_struct *mm)
{
	return &kzalloc(sizeof(struct dev), GFP_KERNEL)->mn;
}

static const struct mmu_notifier_ops get_ops = {
	.release = leave,
	.alloc_notifier = alloc_dev,
};
