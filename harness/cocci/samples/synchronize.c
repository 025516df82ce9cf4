// SPDX-License-Identifier: GPL-2.0
// free_notifier runs in a module that is gone

static const struct mmu_notifier_ops ops = {
	.release = stop,
	.alloc_notifier = alloc_dev,
	.free_notifier = free_dev,
};

static void leave(struct dev *dev)
{
	mmu_notifier_put(&dev->mn);
}

static void __exit dev_exit(void)
{
	misc_deregister(&misc);
}
module_exit(dev_exit);	/* finds: synchronize */
