// SPDX-License-Identifier: GPL-2.0
// Nobody stops the device

static const struct mmu_notifier_ops no_release_ops = {
	.invalidate_range_start = start,	/* finds: release */
	.invalidate_range_end = end,
};

static const struct mmu_notifier_ops has_release_ops = {
	.release = stop,
	.invalidate_range_start = start,
};

/* An interval is told of the end by its invalidate */
static const struct mmu_interval_notifier_ops interval_ops = {
	.invalidate = invalidate,
};
