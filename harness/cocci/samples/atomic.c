// SPDX-License-Identifier: GPL-2.0
// Sleeping under the page table lock

static bool sleeps(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long start,
		   unsigned long end)
{
	bool young;

	mutex_lock(&to_dev(mn)->lock);	/* finds: atomic */
	young = look(to_dev(mn), start, end);
	mutex_unlock(&to_dev(mn)->lock);
	return young;
}

static bool spins(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long address)
{
	bool young;

	spin_lock(&to_dev(mn)->spin);
	young = look(to_dev(mn), address, address + 1);
	spin_unlock(&to_dev(mn)->spin);
	return young;
}

static const struct mmu_notifier_ops young_ops = {
	.release = leave,
	.clear_flush_young = sleeps,
	.test_young = spins,
};

static void flush(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long start,
		  unsigned long end)
{
	struct request *request = kzalloc(sizeof(*request), GFP_KERNEL);	/* finds: atomic */

	send(request, start, end);
}

static const struct mmu_notifier_ops tlb_ops = {
	.release = leave,
	.arch_invalidate_secondary_tlbs = flush,
};
