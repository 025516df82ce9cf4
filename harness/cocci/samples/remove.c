// SPDX-License-Identifier: GPL-2.0
// An interval that stays for ever

static int watch(struct dev *dev, unsigned long start, unsigned long size)
{
	return mmu_interval_notifier_insert(&dev->sub, current->mm, start, size, &ops);	/* finds: remove */
}
