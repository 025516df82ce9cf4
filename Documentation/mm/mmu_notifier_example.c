// SPDX-License-Identifier: GPL-2.0-only
/*
 * The examples of mmu_notifier.rst: a driver without its hardware and without
 * the callers of what is marked as unused.
 */

/* Types */
#include <linux/dma-mapping.h>
#include <linux/hmm.h>
#include <linux/kref.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

/* The hardware. None of these sleeps; stop waits until the device has let go. */
static void my_device_map(struct device *dev, unsigned long addr,
			  dma_addr_t dma, bool write)
{
}

static void my_device_stop(struct device *dev, unsigned long start,
			   unsigned long end)
{
}

static void my_device_bind(struct device *dev, struct mm_struct *mm)
{
}

static void my_device_unbind(struct device *dev)
{
}

struct my_entry {
	struct page *page;	/* or NULL; no reference is held */
	dma_addr_t dma;
	bool write;
};

struct my_range {
	struct mmu_interval_notifier interval;
	struct mm_struct *mm;
	struct device *dev;
	struct kref ref;	/* one of the owner, one of each fault */
	unsigned long start, end;
	struct mutex lock;	/* taken in invalidate; for what follows */
	bool dead;
	struct my_entry entry[];
};

/* Invalidate */
static void my_unmap(struct my_range *r, unsigned long start,
		     unsigned long end)
{
	struct my_entry *e;

	start = max(start, r->start) & PAGE_MASK;
	end = min(end, r->end);
	my_device_stop(r->dev, start, end);
	for (; start < end; start += PAGE_SIZE) {
		e = &r->entry[(start - r->start) >> PAGE_SHIFT];
		if (!e->page)
			continue;
		dma_unmap_page(r->dev, e->dma, PAGE_SIZE,
			       DMA_BIDIRECTIONAL);
		if (e->write)
			set_page_dirty(e->page);
		e->page = NULL;
	}
}

static bool my_invalidate(struct mmu_interval_notifier *interval,
			  const struct mmu_notifier_range *range,
			  unsigned long cur_seq)
{
	struct my_range *r = container_of(interval, struct my_range,
					  interval);

	if (mmu_notifier_range_blockable(range))
		mutex_lock(&r->lock);
	else if (!mutex_trylock(&r->lock))
		return false;	/* declined, nothing has changed */
	mmu_interval_set_seq(interval, cur_seq);
	my_unmap(r, range->start, range->end);
	mutex_unlock(&r->lock);
	return true;
}

static const struct mmu_interval_notifier_ops my_interval_ops = {
	.invalidate = my_invalidate,
};

/* Fault */
static int my_map(struct my_range *r, unsigned long addr,
		  unsigned long pfn)
{
	struct my_entry *e = &r->entry[(addr - r->start) >> PAGE_SHIFT];
	struct page *page = hmm_pfn_to_page(pfn);
	dma_addr_t dma;

	my_unmap(r, addr, addr + PAGE_SIZE);
	dma = dma_map_page(r->dev, page, 0, PAGE_SIZE,
			   DMA_BIDIRECTIONAL);
	if (dma_mapping_error(r->dev, dma))
		return -EIO;
	e->page = page;
	e->dma = dma;
	e->write = pfn & HMM_PFN_WRITE;
	my_device_map(r->dev, addr, dma, e->write);
	return 0;
}

/* @addr is page-aligned and in the range; the caller has a reference. */
static __maybe_unused int
my_fault(struct my_range *r, unsigned long addr, bool write)
{
	unsigned long pfn;
	struct hmm_range range = {
		.notifier = &r->interval,
		.start = addr,
		.end = addr + PAGE_SIZE,
		.hmm_pfns = &pfn,
		.default_flags = HMM_PFN_REQ_FAULT |
				 (write ? HMM_PFN_REQ_WRITE : 0),
	};
	int err;

	if (!mmget_not_zero(r->mm))
		return -ESRCH;
	do {
		err = -EINTR;
		if (fatal_signal_pending(current))
			break;
		range.notifier_seq =
			mmu_interval_read_begin(&r->interval);
		mmap_read_lock(r->mm);
		err = hmm_range_fault(&range);
		mmap_read_unlock(r->mm);
		if (err)
			continue;
		mutex_lock(&r->lock);
		if (r->dead)
			err = -ESRCH;
		else if (mmu_interval_read_retry(&r->interval,
						 range.notifier_seq))
			err = -EBUSY;
		else
			err = my_map(r, addr, pfn);
		mutex_unlock(&r->lock);
	} while (err == -EBUSY);
	mmput(r->mm);
	return err;
}

/* Begin and end */
static void my_free(struct kref *ref)
{
	struct my_range *r = container_of(ref, struct my_range, ref);

	mmdrop(r->mm);
	kvfree(r);
}

/* Page-aligned, of the process that calls */
static __maybe_unused struct my_range *
my_open(struct device *dev, unsigned long start, unsigned long length)
{
	struct my_range *r;
	int err;

	r = kvzalloc(struct_size(r, entry, length >> PAGE_SHIFT),
		     GFP_KERNEL_ACCOUNT);
	if (!r)
		return ERR_PTR(-ENOMEM);
	r->dev = dev;
	r->mm = current->mm;
	mmgrab(r->mm);
	r->start = start;
	r->end = start + length;
	kref_init(&r->ref);
	mutex_init(&r->lock);
	err = mmu_interval_notifier_insert(&r->interval, r->mm, start,
					   length, &my_interval_ops);
	if (!err)
		return r;
	kref_put(&r->ref, my_free);
	return ERR_PTR(err);
}

static __maybe_unused void my_close(struct my_range *r)
{
	mutex_lock(&r->lock);
	r->dead = true;
	my_unmap(r, r->start, r->end);
	mutex_unlock(&r->lock);
	mmu_interval_notifier_remove(&r->interval);
	kref_put(&r->ref, my_free);
}

/* Get and put */
struct my_process {
	struct mmu_notifier sub;
	struct mutex lock;	/* taken in release, in no section */
	struct device *dev;	/* NULL: not bound; under lock */
	unsigned int users;	/* under lock */
};

static struct mmu_notifier *my_alloc(struct mm_struct *mm)
{
	struct my_process *p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);

	if (!p)
		return ERR_PTR(-ENOMEM);
	mutex_init(&p->lock);
	return &p->sub;
}

static void my_free_notifier(struct mmu_notifier *sub)
{
	kfree(container_of(sub, struct my_process, sub));
}

static void my_unbind(struct my_process *p)
{
	if (p->dev)
		my_device_unbind(p->dev);
	p->dev = NULL;
}

static void my_release(struct mmu_notifier *sub, struct mm_struct *mm)
{
	struct my_process *p = container_of(sub, struct my_process, sub);

	mutex_lock(&p->lock);
	my_unbind(p);
	mutex_unlock(&p->lock);
}

static const struct mmu_notifier_ops my_process_ops = {
	.release = my_release,
	.alloc_notifier = my_alloc,
	.free_notifier = my_free_notifier,
};

static __maybe_unused struct my_process *my_attach(struct device *dev)
{
	struct mmu_notifier *sub;
	struct my_process *p;

	sub = mmu_notifier_get(&my_process_ops, current->mm);
	if (IS_ERR(sub))
		return ERR_CAST(sub);
	p = container_of(sub, struct my_process, sub);
	mutex_lock(&p->lock);
	if (!p->users++) {
		my_device_bind(dev, sub->mm);
		p->dev = dev;
	}
	mutex_unlock(&p->lock);
	return p;
}

static __maybe_unused void my_detach(struct my_process *p)
{
	mutex_lock(&p->lock);
	if (!--p->users)
		my_unbind(p);	/* release may have done it */
	mutex_unlock(&p->lock);
	mmu_notifier_put(&p->sub);	/* may free @p */
}

static void __exit my_exit(void)
{
	mmu_notifier_synchronize();
}
module_exit(my_exit);

MODULE_DESCRIPTION("Examples of MMU notifiers");
MODULE_LICENSE("GPL");
