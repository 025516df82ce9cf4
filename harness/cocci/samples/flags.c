// SPDX-License-Identifier: GPL-2.0
// Asking by hand

static bool by_hand(struct mmu_interval_notifier *sub, const struct mmu_notifier_range *range,
		    unsigned long cur_seq)
{
	return range->flags & MMU_NOTIFIER_RANGE_BLOCKABLE;	/* finds: flags */
}

static bool by_function(struct mmu_interval_notifier *sub, const struct mmu_notifier_range *range,
			unsigned long cur_seq)
{
	return mmu_notifier_range_blockable(range);
}

static bool other_flags(struct vma *vma)
{
	return vma->flags & VM_WRITE;
}
