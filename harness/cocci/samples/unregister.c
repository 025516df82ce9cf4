// SPDX-License-Identifier: GPL-2.0
// A registration that never ends

static int join(struct dev *dev)
{
	return mmu_notifier_register(&dev->mn, current->mm);	/* finds: unregister */
}
