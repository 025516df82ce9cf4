// SPDX-License-Identifier: GPL-2.0
// The last user never puts

static struct dev *join(struct mm_struct *mm)
{
	struct mmu_notifier *mn;

	mn = mmu_notifier_get(&ops, mm);	/* finds: put */
	if (IS_ERR(mn))
		return ERR_CAST(mn);
	return container_of(mn, struct dev, mn);
}
