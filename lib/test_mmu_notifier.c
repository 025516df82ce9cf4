// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that mirrors page tables: a secondary MMU in software.
 */

/**
 * DOC: test_mmu_notifier
 *
 * There is no hardware behind /dev/test_mmu_notifier. It does what a GPU or a
 * NIC with page tables of its own does, and obeys the rules for subscribers. It
 * exists for the selftests and as an example for authors of drivers. The code
 * that only tests need is at the end of the file.
 *
 * An open file belongs to the address space of the process that opened it, and
 * holds mirrors. A mirror, &struct tmn_mirror, covers a range of addresses,
 * whether anything is mapped there or not. It has a shadow page table with an
 * entry for each page. An entry is empty, or tells the device where the page is
 * and whether it may write.
 *
 * Entries are not pinned: the device holds no reference to the pages, so they
 * can be reclaimed, migrated, shared and unmapped. An hlist subscription, an
 * interval subscription, or both, are called before that happens, and drop the
 * entries. A driver needs only one of the two. An hlist subscription is called
 * for every change of the address space and must pick those that concern it. An
 * interval subscription is called for changes of its range, and the core keeps
 * the sequence count that a page fault of the device needs.
 *
 * **Using an entry**, tmn_copy(). While the device uses what it found in the
 * shadow, it holds &tmn_mirror.device for read. This stands for commands in
 * flight.
 *
 * **Dropping entries**, tmn_invalidate() and tmn_range_start(). They hold
 * &tmn_mirror.device for write while they empty the entries, so when they
 * release it the device no longer uses these pages. Only then may a callback
 * return, as the page is freed, copied or write-protected next. Waiting for the
 * device sleeps. If the section must not sleep, see
 * mmu_notifier_range_blockable(), the callback uses a trylock, and declines if
 * that fails.
 *
 * With two passes, tmn_invalidate_start() empties the entries, and
 * tmn_invalidate_finish() waits for the device, after the first pass of all
 * other subscribers.
 *
 * **Filling an entry**, tmn_fault(). An entry is read from the page table of
 * the process, which can change before the entry is stored::
 *
 *	device                              process
 *
 *	get_user_pages() gives page P
 *	                                    munmap()
 *	                                      start: drops the entry, empty anyway
 *	                                      P is freed
 *	                                      end
 *	entry = P
 *
 * So a fault first reads a sequence count, which every invalidation of the
 * range changes. It reads the count again under the lock of the shadow, where
 * it stores the entry, and begins again if the two differ. It does not begin
 * while a section is open: between start and end the page table can still have
 * the old page. The interval API does all of that. An hlist subscription counts
 * by itself, in &tmn_mirror.open and &tmn_mirror.seq. This is simple because
 * the core calls end for each start that was called, and for no other.
 *
 * The reference from get_user_pages() is dropped when the entry is stored. From
 * then on only the invalidation callbacks keep the device from using pages that
 * have another owner.
 *
 * **Locks.** A callback runs within reclaim and under locks of mm, and must not
 * wait for either. So nothing is allocated under &tmn_mirror.device or
 * &tmn_mirror.lock, no page fault is taken there, and user memory is copied
 * outside. From the outermost::
 *
 *	tmn.setup
 *	  mmap_lock, and whatever else invalidates
 *	    tmn_mirror.device
 *	      tmn_mirror.lock
 *
 * **The end.** Unsubscribing waits for callbacks. After that the mirror is
 * freed. The file may outlive the process: it holds a reference to the
 * mm_struct, which does not keep the address space. Each fault gets a reference
 * to that with mmget_not_zero(). When the process ends, ->release or
 * MMU_NOTIFY_RELEASE empties the shadow.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/container_of.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "test_mmu_notifier_uapi.h"

/* An entry is the address of a struct page, with these in the lowest bits. */
#define TMN_WRITE	BIT(0)	/* the device may write */
#define TMN_ACCESSED	BIT(1)	/* the device has read or written */
#define TMN_FLAGS	(TMN_WRITE | TMN_ACCESSED)

/* The kinds of subscription that use the interval API */
#define TMN_INTERVALS	(TEST_MMU_NOTIFIER_INTERVAL | TEST_MMU_NOTIFIER_TWO_PASS)

/**
 * struct tmn - an open file
 * @mm: whose page tables it mirrors; the struct, not the address space, is held
 * @setup: held for write to add or remove mirrors, for read to use them
 * @mirrors: by id. Its own lock is for ioctls that must not wait for @setup.
 */
struct tmn {
	struct mm_struct *mm;
	struct rw_semaphore setup;
	struct xarray mirrors;
};

/**
 * struct tmn_mirror - a range of the process that the device can access
 * @mm: the address space
 * @start: first address
 * @end: first address behind it
 * @how: TEST_MMU_NOTIFIER_HLIST and the like
 * @sub: the hlist subscription, if there is one
 * @interval: the interval subscription, if there is one
 * @device: held for read while the device uses an entry
 * @lock: protects what follows, unless noted otherwise
 * @seq: hlist: incremented by each start of a section that overlaps
 * @open: hlist: number of these that have no end yet
 * @closed: hlist: woken when @open drops to 0
 * @drops: number of times that entries were dropped, for tmn_check_entry()
 * @finish: for a second pass; one is enough, see tmn_invalidate_start()
 * @finish_busy: @finish is in use
 * @counters: for the tests
 * @behaviour: for the tests, TEST_MMU_NOTIFIER_DECLINE and _BLOCK; lockless
 * @delay_us: for the tests; lockless
 * @told: for the tests, woken when @behaviour changes
 * @blocked: for the tests, number of callbacks that wait on @told
 * @nr_pages: the length of @entries
 * @entries: the shadow page table
 */
struct tmn_mirror {
	struct mm_struct *mm;
	unsigned long start;
	unsigned long end;
	unsigned int how;

	struct mmu_notifier sub;
	struct mmu_interval_notifier interval;

	struct rw_semaphore device;

	spinlock_t lock;	/* innermost, for what follows */
	unsigned long seq;
	unsigned int open;
	wait_queue_head_t closed;
	unsigned long drops;
	struct mmu_interval_notifier_finish finish;
	bool finish_busy;

	struct test_mmu_notifier_counters counters;
	unsigned int behaviour;
	unsigned int delay_us;
	wait_queue_head_t told;
	atomic_t blocked;

	unsigned long nr_pages;
	unsigned long entries[] __counted_by(nr_pages);
};

/* The sequence counts when a fault began */
struct tmn_seq {
	unsigned long hlist;
	unsigned long interval;
};

/* For the tests: at the end of the file */
static bool tmn_misbehave(struct tmn_mirror *mirror,
			  const struct mmu_notifier_range *range);
static void tmn_behave(struct tmn_mirror *mirror, unsigned int behaviour,
		       unsigned int delay_us);
static int tmn_behave_id(struct tmn *tmn, u32 id, unsigned int behaviour,
			 unsigned int delay_us);

/*
 * The shadow page table
 */

static unsigned long *tmn_entry(struct tmn_mirror *mirror, unsigned long addr)
	__must_hold(&mirror->lock)
{
	lockdep_assert_held(&mirror->lock);
	return &mirror->entries[(addr - mirror->start) >> PAGE_SHIFT];
}

static struct page *tmn_page(unsigned long entry)
{
	return (struct page *)(entry & ~TMN_FLAGS);
}

static bool tmn_overlaps(struct tmn_mirror *mirror,
			 const struct mmu_notifier_range *range)
{
	return range->start < mirror->end && mirror->start < range->end;
}

/* Empty the entries. The device may still be using pages that it found. */
static void tmn_zap(struct tmn_mirror *mirror, unsigned long start,
		    unsigned long end)
{
	unsigned long addr = max(start, mirror->start) & PAGE_MASK;

	mirror->drops++;
	for (; addr < min(end, mirror->end); addr += PAGE_SIZE)
		*tmn_entry(mirror, addr) = 0;
}

/* Returns the page for an access by the device, or an ERR_PTR(). */
static struct page *tmn_lookup(struct tmn_mirror *mirror, unsigned long addr,
			       bool write)
{
	struct page *page;
	unsigned long *entry;

	spin_lock(&mirror->lock);
	entry = tmn_entry(mirror, addr);
	page = tmn_page(*entry);
	if (!page)
		page = ERR_PTR(-ENODATA);
	else if (write && !(*entry & TMN_WRITE))
		page = ERR_PTR(-EACCES);
	else
		*entry |= TMN_ACCESSED;
	spin_unlock(&mirror->lock);
	return page;
}

/*
 * An access by the device, within one page. The page stays while
 * &tmn_mirror.device is held: an invalidation waits in tmn_stop_device() first.
 */
static int tmn_copy(struct tmn_mirror *mirror, unsigned long addr, void *buffer,
		    size_t size, bool write)
{
	struct page *page;

	guard(rwsem_read)(&mirror->device);
	page = tmn_lookup(mirror, addr, write);
	if (IS_ERR(page))
		return PTR_ERR(page);
	if (write)
		memcpy_to_page(page, offset_in_page(addr), buffer, size);
	else
		memcpy_from_page(buffer, page, offset_in_page(addr), size);
	return 0;
}

/*
 * Wait until the device uses nothing, and keep it from starting. Returns false
 * if the device is busy and the section must not sleep.
 */
static bool tmn_stop_device(struct tmn_mirror *mirror,
			    const struct mmu_notifier_range *range)
{
	if (!mmu_notifier_range_blockable(range))
		return down_write_trylock(&mirror->device);
	down_write(&mirror->device);
	return true;
}

static void tmn_resume_device(struct tmn_mirror *mirror)
{
	up_write(&mirror->device);
}

/*
 * The hlist subscription
 */

static void tmn_count(struct test_mmu_notifier_counts *counts,
		      const struct mmu_notifier_range *range)
{
	counts->starts++;
	counts->hits++;
	counts->events[range->event]++;
	if (!mmu_notifier_range_blockable(range))
		counts->nonblockable++;
}

static void tmn_count_declined(struct tmn_mirror *mirror,
			       struct test_mmu_notifier_counts *counts)
{
	spin_lock(&mirror->lock);
	counts->nonblockable++;
	counts->declined++;
	spin_unlock(&mirror->lock);
}

static int tmn_range_start(struct mmu_notifier *sub,
			   const struct mmu_notifier_range *range)
{
	struct tmn_mirror *mirror = container_of(sub, struct tmn_mirror, sub);
	struct test_mmu_notifier_counts *counts = &mirror->counters.hlist;

	if (!tmn_overlaps(mirror, range)) {
		spin_lock(&mirror->lock);
		counts->starts++;
		spin_unlock(&mirror->lock);
		return 0;
	}
	if (!tmn_misbehave(mirror, range) || !tmn_stop_device(mirror, range)) {
		tmn_count_declined(mirror, counts);
		return -EAGAIN;
	}
	spin_lock(&mirror->lock);
	mirror->open++;
	mirror->seq++;
	tmn_zap(mirror, range->start, range->end);
	tmn_count(counts, range);
	spin_unlock(&mirror->lock);
	tmn_resume_device(mirror);
	return 0;
}

static void tmn_range_end(struct mmu_notifier *sub,
			  const struct mmu_notifier_range *range)
{
	struct tmn_mirror *mirror = container_of(sub, struct tmn_mirror, sub);

	spin_lock(&mirror->lock);
	mirror->counters.hlist.ends++;
	if (tmn_overlaps(mirror, range) && !--mirror->open)
		wake_up_all(&mirror->closed);
	spin_unlock(&mirror->lock);
}

static void tmn_release(struct mmu_notifier *sub, struct mm_struct *mm)
{
	struct tmn_mirror *mirror = container_of(sub, struct tmn_mirror, sub);

	down_write(&mirror->device);
	spin_lock(&mirror->lock);
	tmn_zap(mirror, mirror->start, mirror->end);
	mirror->counters.releases++;
	spin_unlock(&mirror->lock);
	tmn_resume_device(mirror);
}

/*
 * The young callbacks must not sleep, but the lock of the shadow is all that
 * they need. There is no TLB to flush: tmn_lookup() sets the bit every time.
 */
static bool tmn_young(struct mmu_notifier *sub, unsigned long start,
		      unsigned long end, unsigned long clear)
{
	struct tmn_mirror *mirror = container_of(sub, struct tmn_mirror, sub);
	unsigned long addr = max(start, mirror->start) & PAGE_MASK;
	unsigned long *entry;
	bool young = false;

	spin_lock(&mirror->lock);
	for (; addr < min(end, mirror->end); addr += PAGE_SIZE) {
		entry = tmn_entry(mirror, addr);
		young |= *entry & TMN_ACCESSED;
		*entry &= ~clear;
	}
	mirror->counters.young += young;
	spin_unlock(&mirror->lock);
	return young;
}

static bool tmn_clear_young(struct mmu_notifier *sub, struct mm_struct *mm,
			    unsigned long start, unsigned long end)
{
	return tmn_young(sub, start, end, TMN_ACCESSED);
}

static bool tmn_test_young(struct mmu_notifier *sub, struct mm_struct *mm,
			   unsigned long address)
{
	return tmn_young(sub, address, address + PAGE_SIZE, 0);
}

static const struct mmu_notifier_ops tmn_hlist_ops = {
	.release = tmn_release,
	.clear_flush_young = tmn_clear_young,
	.clear_young = tmn_clear_young,
	.test_young = tmn_test_young,
	.invalidate_range_start = tmn_range_start,
	.invalidate_range_end = tmn_range_end,
};

/*
 * The interval subscription
 */

/* The part that invalidations with one and with two passes share */
static void tmn_interval_zap(struct tmn_mirror *mirror,
			     const struct mmu_notifier_range *range,
			     unsigned long seq)
	__must_hold(&mirror->lock)
{
	lockdep_assert_held(&mirror->lock);
	mmu_interval_set_seq(&mirror->interval, seq);
	tmn_zap(mirror, range->start, range->end);
	tmn_count(&mirror->counters.interval, range);
}

static bool tmn_invalidate(struct mmu_interval_notifier *interval,
			   const struct mmu_notifier_range *range,
			   unsigned long seq)
{
	struct tmn_mirror *mirror = container_of(interval, struct tmn_mirror, interval);

	if (!tmn_misbehave(mirror, range) || !tmn_stop_device(mirror, range)) {
		tmn_count_declined(mirror, &mirror->counters.interval);
		return false;
	}
	spin_lock(&mirror->lock);
	tmn_interval_zap(mirror, range, seq);
	spin_unlock(&mirror->lock);
	tmn_resume_device(mirror);
	return true;
}

static const struct mmu_interval_notifier_ops tmn_interval_ops = {
	.invalidate = tmn_invalidate,
};

/*
 * Several invalidations can be under way, and only one of them finds @finish
 * free. The others wait here, as if there were no second pass. One that must
 * not sleep does all of its work here too, as the second pass cannot decline.
 */
static bool tmn_invalidate_start(struct mmu_interval_notifier *interval,
				 const struct mmu_notifier_range *range,
				 unsigned long seq,
				 struct mmu_interval_notifier_finish **finish)
{
	struct tmn_mirror *mirror = container_of(interval, struct tmn_mirror, interval);

	if (!mmu_notifier_range_blockable(range))
		return tmn_invalidate(interval, range, seq);

	tmn_misbehave(mirror, range);
	spin_lock(&mirror->lock);
	tmn_interval_zap(mirror, range, seq);
	if (!mirror->finish_busy) {
		mirror->finish_busy = true;
		*finish = &mirror->finish;
	}
	spin_unlock(&mirror->lock);
	if (!*finish) {
		tmn_stop_device(mirror, range);
		tmn_resume_device(mirror);
	}
	return true;
}

static void tmn_invalidate_finish(struct mmu_interval_notifier_finish *finish)
{
	struct tmn_mirror *mirror = container_of(finish, struct tmn_mirror, finish);

	down_write(&mirror->device);
	spin_lock(&mirror->lock);
	mirror->finish_busy = false;
	mirror->counters.interval.ends++;
	spin_unlock(&mirror->lock);
	tmn_resume_device(mirror);
}

static const struct mmu_interval_notifier_ops tmn_two_pass_ops = {
	.invalidate_start = tmn_invalidate_start,
	.invalidate_finish = tmn_invalidate_finish,
};

/*
 * Page faults of the device
 */

/* Returns whether no overlapping section is open, and the count in *@seq */
static bool tmn_hlist_begin(struct tmn_mirror *mirror, struct tmn_seq *seq)
{
	bool begun;

	spin_lock(&mirror->lock);
	seq->hlist = mirror->seq;
	begun = !mirror->open;
	spin_unlock(&mirror->lock);
	return begun;
}

/* Waits for open sections, hence without a lock that a callback takes. */
static int tmn_read_begin(struct tmn_mirror *mirror, struct tmn_seq *seq)
{
	if (mirror->how & TMN_INTERVALS)
		seq->interval = mmu_interval_read_begin(&mirror->interval);
	if (mirror->how & TEST_MMU_NOTIFIER_HLIST)
		return wait_event_killable(mirror->closed,
					   tmn_hlist_begin(mirror, seq));
	return 0;
}

static bool tmn_read_retry(struct tmn_mirror *mirror, const struct tmn_seq *seq)
	__must_hold(&mirror->lock)
{
	bool retry = false;

	lockdep_assert_held(&mirror->lock);
	if (mirror->how & TMN_INTERVALS &&
	    mmu_interval_read_retry(&mirror->interval, seq->interval)) {
		mirror->counters.interval.retries++;
		retry = true;
	}
	if (mirror->how & TEST_MMU_NOTIFIER_HLIST && mirror->seq != seq->hlist) {
		mirror->counters.hlist.retries++;
		retry = true;
	}
	return retry;
}

/*
 * Returns the page at an address, with a reference, faulted in as if the
 * process itself had accessed it. With @write it is writable and dirty in the
 * page table of the process. If either changes, a section drops the entry.
 */
static struct page *tmn_get_page(struct mm_struct *mm, unsigned long addr,
				 bool write)
{
	struct page *page;
	int locked = 1;
	long got;

	if (!mmget_not_zero(mm))
		return ERR_PTR(-ESRCH);
	mmap_read_lock(mm);
	got = get_user_pages_remote(mm, addr, 1, write ? FOLL_WRITE : 0, &page,
				    &locked);
	if (locked)
		mmap_read_unlock(mm);
	mmput(mm);
	if (got == 1)
		return page;
	return ERR_PTR(got ?: -EFAULT);
}

/* Stores an entry, unless the page table may have changed since @seq. */
static bool tmn_store(struct tmn_mirror *mirror, unsigned long addr,
		      struct page *page, bool write, const struct tmn_seq *seq)
{
	bool retry;

	spin_lock(&mirror->lock);
	retry = tmn_read_retry(mirror, seq);
	if (!retry) {
		*tmn_entry(mirror, addr) =
			(unsigned long)page | (write ? TMN_WRITE : 0);
		mirror->counters.faults++;
	}
	spin_unlock(&mirror->lock);
	return !retry;
}

/*
 * A page fault of the device. Any task may serve it, as it does not use
 * current->mm. Returns -ESRCH if the address space has ended.
 */
static int tmn_fault(struct tmn_mirror *mirror, unsigned long addr, bool write)
{
	struct page *page;
	struct tmn_seq seq;
	bool stored;
	int err;

	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		err = tmn_read_begin(mirror, &seq);
		if (err)
			return err;
		page = tmn_get_page(mirror->mm, addr, write);
		if (IS_ERR(page))
			return PTR_ERR(page);
		stored = tmn_store(mirror, addr, page, write, &seq);
		put_page(page);
	} while (!stored);
	return 0;
}

/*
 * Mirrors: how a subscription begins and ends
 */

static struct tmn_mirror *tmn_mirror_alloc(struct mm_struct *mm,
					   unsigned long start,
					   unsigned long length,
					   unsigned int how)
{
	unsigned long nr_pages = length >> PAGE_SHIFT;
	struct tmn_mirror *mirror;

	mirror = kvzalloc(struct_size(mirror, entries, nr_pages),
			  GFP_KERNEL_ACCOUNT);
	if (!mirror)
		return NULL;
	mirror->nr_pages = nr_pages;
	mirror->mm = mm;
	mirror->start = start;
	mirror->end = start + length;
	mirror->how = how;
	init_rwsem(&mirror->device);
	spin_lock_init(&mirror->lock);
	init_waitqueue_head(&mirror->closed);
	init_waitqueue_head(&mirror->told);
	return mirror;
}

static int tmn_subscribe_interval(struct tmn_mirror *mirror)
{
	const struct mmu_interval_notifier_ops *ops = &tmn_interval_ops;

	if (mirror->how & TEST_MMU_NOTIFIER_TWO_PASS)
		ops = &tmn_two_pass_ops;
	return mmu_interval_notifier_insert(&mirror->interval, mirror->mm,
					    mirror->start,
					    mirror->end - mirror->start, ops);
}

/* The mirror must be initialised: callbacks can run before this returns. */
static int tmn_subscribe(struct tmn_mirror *mirror)
{
	int err;

	if (mirror->how & TEST_MMU_NOTIFIER_HLIST) {
		mirror->sub.ops = &tmn_hlist_ops;
		err = mmu_notifier_register(&mirror->sub, mirror->mm);
		if (err)
			return err;
	}
	if (mirror->how & TMN_INTERVALS) {
		err = tmn_subscribe_interval(mirror);
		if (err && mirror->how & TEST_MMU_NOTIFIER_HLIST)
			mmu_notifier_unregister(&mirror->sub, mirror->mm);
		if (err)
			return err;
	}
	return 0;
}

/*
 * The caller must have stopped faults of this mirror. Callbacks can run until
 * both functions have returned; then the mirror can be freed. It does not
 * matter whether the process still exists.
 */
static void tmn_unsubscribe(struct tmn_mirror *mirror)
{
	/* Otherwise this would wait for callbacks that wait on ->told. */
	tmn_behave(mirror, 0, 0);
	if (mirror->how & TEST_MMU_NOTIFIER_HLIST)
		mmu_notifier_unregister(&mirror->sub, mirror->mm);
	if (mirror->how & TMN_INTERVALS)
		mmu_interval_notifier_remove(&mirror->interval);
}

/*
 * The file
 */

static int tmn_check_mirror(const struct test_mmu_notifier_mirror *arg)
{
	unsigned int intervals = arg->how & TMN_INTERVALS;

	if (!arg->how || arg->how & ~(TEST_MMU_NOTIFIER_HLIST | TMN_INTERVALS) ||
	    intervals == TMN_INTERVALS)
		return -EINVAL;
	if (!arg->length || !PAGE_ALIGNED(arg->start) || !PAGE_ALIGNED(arg->length))
		return -EINVAL;
	if (arg->length > TASK_SIZE || arg->start > TASK_SIZE - arg->length)
		return -EINVAL;
	if (arg->length >> PAGE_SHIFT > TEST_MMU_NOTIFIER_MAX_PAGES)
		return -E2BIG;
	return 0;
}

/* Subscribing needs an address space that cannot end: that of current. */
static int tmn_mirror(struct tmn *tmn, struct test_mmu_notifier_mirror *arg)
{
	struct tmn_mirror *mirror;
	int err;

	err = tmn_check_mirror(arg);
	if (err)
		return err;
	if (current->mm != tmn->mm)
		return -EPERM;

	mirror = tmn_mirror_alloc(tmn->mm, arg->start, arg->length, arg->how);
	if (!mirror)
		return -ENOMEM;
	guard(rwsem_write)(&tmn->setup);
	err = tmn_subscribe(mirror);
	if (err)
		goto free;
	err = xa_alloc(&tmn->mirrors, &arg->id, mirror, xa_limit_31b, GFP_KERNEL);
	if (err)
		goto unsubscribe;
	return 0;

unsubscribe:
	tmn_unsubscribe(mirror);
free:
	kvfree(mirror);
	return err;
}

static int tmn_unmirror(struct tmn *tmn, u32 id)
{
	struct tmn_mirror *mirror;

	/* An access may hold @setup and wait for a section that this one blocks. */
	tmn_behave_id(tmn, id, 0, 0);
	guard(rwsem_write)(&tmn->setup);
	mirror = xa_erase(&tmn->mirrors, id);
	if (!mirror)
		return -ENOENT;
	tmn_unsubscribe(mirror);
	kvfree(mirror);
	return 0;
}

static long tmn_ioctl_mirror(struct tmn *tmn, void __user *user)
{
	struct test_mmu_notifier_mirror arg;
	int err;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	err = tmn_mirror(tmn, &arg);
	if (err)
		return err;
	if (copy_to_user(user, &arg, sizeof(arg))) {
		tmn_unmirror(tmn, arg.id);
		return -EFAULT;
	}
	return 0;
}

static long tmn_ioctl_unmirror(struct tmn *tmn, u32 __user *user)
{
	u32 id;

	if (get_user(id, user))
		return -EFAULT;
	return tmn_unmirror(tmn, id);
}

/* An access within one page, with as many faults as needed */
static int tmn_access_page(struct tmn_mirror *mirror, unsigned int flags,
			   unsigned long addr, void *buffer, size_t size)
{
	bool write = flags & TEST_MMU_NOTIFIER_WRITE;
	int err;

	for (;;) {
		err = tmn_copy(mirror, addr, buffer, size, write);
		if (err != -ENODATA && err != -EACCES)
			return err;
		if (flags & TEST_MMU_NOTIFIER_NOFAULT)
			return err;
		err = tmn_fault(mirror, addr, write);
		if (err)
			return err;
	}
}

/*
 * Copies through a kernel page, as touching user memory can fault, and the
 * fault can open a section that waits for the device.
 */
static int tmn_access(struct tmn_mirror *mirror,
		      const struct test_mmu_notifier_access *arg, void *page)
{
	bool write = arg->flags & TEST_MMU_NOTIFIER_WRITE;
	void __user *user = u64_to_user_ptr(arg->buffer);
	unsigned long addr = arg->addr;
	unsigned long end = addr + arg->length;
	size_t size;
	int err;

	for (; addr < end; addr += size, user += size) {
		size = min(end - addr, PAGE_SIZE - offset_in_page(addr));
		if (write && copy_from_user(page, user, size))
			return -EFAULT;
		err = tmn_access_page(mirror, arg->flags, addr, page, size);
		if (err)
			return err;
		if (!write && copy_to_user(user, page, size))
			return -EFAULT;
	}
	return 0;
}

static long tmn_ioctl_access(struct tmn *tmn, void __user *user)
{
	struct test_mmu_notifier_access arg;
	struct tmn_mirror *mirror;
	void *page;
	int err;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (arg.flags & ~(TEST_MMU_NOTIFIER_WRITE | TEST_MMU_NOTIFIER_NOFAULT))
		return -EINVAL;

	guard(rwsem_read)(&tmn->setup);
	mirror = xa_load(&tmn->mirrors, arg.id);
	if (!mirror)
		return -ENOENT;
	if (!arg.length || arg.addr < mirror->start || arg.addr >= mirror->end ||
	    arg.length > mirror->end - arg.addr)
		return -EINVAL;
	page = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	err = tmn_access(mirror, &arg, page);
	kfree(page);
	return err;
}

static int tmn_open(struct inode *inode, struct file *file)
{
	struct tmn *tmn;

	if (!current->mm)
		return -EINVAL;
	tmn = kzalloc(sizeof(*tmn), GFP_KERNEL_ACCOUNT);
	if (!tmn)
		return -ENOMEM;
	tmn->mm = current->mm;
	mmgrab(tmn->mm);
	init_rwsem(&tmn->setup);
	xa_init_flags(&tmn->mirrors, XA_FLAGS_ALLOC1);
	file->private_data = tmn;
	return nonseekable_open(inode, file);
}

static int tmn_close(struct inode *inode, struct file *file)
{
	struct tmn *tmn = file->private_data;
	struct tmn_mirror *mirror;
	unsigned long id;

	xa_for_each(&tmn->mirrors, id, mirror)
		tmn_unmirror(tmn, id);
	xa_destroy(&tmn->mirrors);
	mmdrop(tmn->mm);
	kfree(tmn);
	return 0;
}

/*
 * For the tests only
 */

/*
 * Do what the test has asked for at the start of a section. Called before any
 * lock is taken, so that only the section waits. Returns whether the section
 * may go on.
 */
static bool tmn_misbehave(struct tmn_mirror *mirror,
			  const struct mmu_notifier_range *range)
{
	unsigned int delay_us = READ_ONCE(mirror->delay_us);
	unsigned int behaviour = READ_ONCE(mirror->behaviour);

	if (!mmu_notifier_range_blockable(range))
		return !(behaviour & TEST_MMU_NOTIFIER_DECLINE);
	/* By the clock of the tests: fsleep() counts long times in jiffies. */
	if (delay_us)
		usleep_range(delay_us, delay_us + delay_us / 4);
	if (behaviour & TEST_MMU_NOTIFIER_BLOCK) {
		atomic_inc(&mirror->blocked);
		wait_event_killable_timeout(mirror->told,
					    !(READ_ONCE(mirror->behaviour) &
					      TEST_MMU_NOTIFIER_BLOCK),
					    60 * HZ);
		atomic_dec(&mirror->blocked);
	}
	return true;
}

static void tmn_behave(struct tmn_mirror *mirror, unsigned int behaviour,
		       unsigned int delay_us)
{
	/* Both are read by tmn_misbehave(). */
	WRITE_ONCE(mirror->delay_us, delay_us);
	WRITE_ONCE(mirror->behaviour, behaviour);
	wake_up_all(&mirror->told);
}

/*
 * Like tmn_ioctl_counters() it must work while others hold @setup and wait for
 * a callback. The lock of the xarray keeps the mirror.
 */
static int tmn_behave_id(struct tmn *tmn, u32 id, unsigned int behaviour,
			 unsigned int delay_us)
{
	struct tmn_mirror *mirror;

	xa_lock(&tmn->mirrors);
	mirror = xa_load(&tmn->mirrors, id);
	if (mirror)
		tmn_behave(mirror, behaviour, delay_us);
	xa_unlock(&tmn->mirrors);
	return mirror ? 0 : -ENOENT;
}

static long tmn_ioctl_behave(struct tmn *tmn, void __user *user)
{
	struct test_mmu_notifier_behave arg;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (arg.flags & ~(TEST_MMU_NOTIFIER_DECLINE | TEST_MMU_NOTIFIER_BLOCK) ||
	    arg.delay_us > TEST_MMU_NOTIFIER_MAX_DELAY || arg.reserved)
		return -EINVAL;
	return tmn_behave_id(tmn, arg.id, arg.flags, arg.delay_us);
}

static long tmn_ioctl_counters(struct tmn *tmn, void __user *user)
{
	struct test_mmu_notifier_counters arg;
	struct tmn_mirror *mirror;
	u32 id;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	id = arg.id;

	xa_lock(&tmn->mirrors);
	mirror = xa_load(&tmn->mirrors, id);
	if (mirror) {
		spin_lock(&mirror->lock);
		arg = mirror->counters;
		spin_unlock(&mirror->lock);
		arg.blocked = atomic_read(&mirror->blocked);
	}
	xa_unlock(&tmn->mirrors);
	if (!mirror)
		return -ENOENT;
	arg.id = id;
	return copy_to_user(user, &arg, sizeof(arg)) ? -EFAULT : 0;
}

/* Whether the page table has this page now, writable if asked for */
static bool tmn_agrees(struct mm_struct *mm, unsigned long addr,
		       struct page *expected, bool write)
{
	unsigned int flags = FOLL_NOFAULT | (write ? FOLL_WRITE : 0);
	struct page *page;

	mmap_assert_locked(mm);
	if (get_user_pages_remote(mm, addr, 1, flags, &page, NULL) != 1)
		return false;
	put_page(page);
	return page == expected;
}

/*
 * Whether the mirror was called for the end of the address space. This happens
 * after mmget_not_zero() begins to fail, and before any page is freed.
 */
static bool tmn_released(struct tmn_mirror *mirror)
{
	bool released;

	spin_lock(&mirror->lock);
	released = mirror->counters.releases ||
		   mirror->counters.interval.events[TEST_MMU_NOTIFIER_RELEASE];
	spin_unlock(&mirror->lock);
	return released;
}

/* Returns an entry, and in *@drops how often entries were dropped */
static unsigned long tmn_peek(struct tmn_mirror *mirror, unsigned long addr,
			      unsigned long *drops)
{
	unsigned long entry;

	spin_lock(&mirror->lock);
	entry = *tmn_entry(mirror, addr);
	*drops = mirror->drops;
	spin_unlock(&mirror->lock);
	return entry;
}

/*
 * Compare one entry. The device must not be held: get_user_pages() takes locks
 * of hugetlbfs under which others reclaim memory, and so wait for the device.
 * Instead, if no entry was dropped meanwhile, the entry was there when the page
 * table was read, and no section that drops it was open.
 */
static void tmn_check_entry(struct tmn_mirror *mirror, unsigned long addr,
			    bool alive, struct test_mmu_notifier_check *check)
{
	unsigned long entry, before, after;
	bool stale, stale_write;

	do {
		entry = tmn_peek(mirror, addr, &before);
		if (!entry)
			return;
		stale = alive ? !tmn_agrees(mirror->mm, addr, tmn_page(entry), false) :
				tmn_released(mirror);
		stale_write = alive && !stale && entry & TMN_WRITE &&
			      !tmn_agrees(mirror->mm, addr, tmn_page(entry), true);
		tmn_peek(mirror, addr, &after);
	} while (after != before);

	check->entries++;
	check->writable += !!(entry & TMN_WRITE);
	check->stale += stale;
	check->stale_write += stale_write;
}

/*
 * Holds mmap_lock for write: munmap() first removes the VMA and then holds
 * mmap_lock only for read when its section begins. There would be no page to
 * compare with.
 */
static void tmn_check(struct tmn_mirror *mirror,
		      struct test_mmu_notifier_check *check)
{
	bool alive = mmget_not_zero(mirror->mm);
	unsigned long addr;

	for (addr = mirror->start; addr < mirror->end; addr += PAGE_SIZE) {
		if (alive)
			mmap_write_lock(mirror->mm);
		tmn_check_entry(mirror, addr, alive, check);
		if (alive)
			mmap_write_unlock(mirror->mm);
		cond_resched();
	}
	if (alive)
		mmput(mirror->mm);
}

static long tmn_ioctl_check(struct tmn *tmn, void __user *user)
{
	struct test_mmu_notifier_check arg;
	struct tmn_mirror *mirror;
	u32 id;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (arg.reserved)
		return -EINVAL;
	id = arg.id;
	memset(&arg, 0, sizeof(arg));
	arg.id = id;

	scoped_guard(rwsem_read, &tmn->setup) {
		mirror = xa_load(&tmn->mirrors, id);
		if (!mirror)
			return -ENOENT;
		tmn_check(mirror, &arg);
	}
	return copy_to_user(user, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static long tmn_ioctl(struct file *file, unsigned int command, unsigned long arg)
{
	struct tmn *tmn = file->private_data;
	void __user *user = (void __user *)arg;

	switch (command) {
	case TEST_MMU_NOTIFIER_MIRROR:
		return tmn_ioctl_mirror(tmn, user);
	case TEST_MMU_NOTIFIER_UNMIRROR:
		return tmn_ioctl_unmirror(tmn, user);
	case TEST_MMU_NOTIFIER_ACCESS:
		return tmn_ioctl_access(tmn, user);
	case TEST_MMU_NOTIFIER_CHECK:
		return tmn_ioctl_check(tmn, user);
	case TEST_MMU_NOTIFIER_COUNTERS:
		return tmn_ioctl_counters(tmn, user);
	case TEST_MMU_NOTIFIER_BEHAVE:
		return tmn_ioctl_behave(tmn, user);
	}
	return -ENOTTY;
}

static const struct file_operations tmn_fops = {
	.owner = THIS_MODULE,
	.open = tmn_open,
	.release = tmn_close,
	.unlocked_ioctl = tmn_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice tmn_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "test_mmu_notifier",
	.fops = &tmn_fops,
	.mode = 0600,
};

/* User space has the numbers of the events from the header beside this file. */
static_assert((int)TEST_MMU_NOTIFIER_UNMAP == (int)MMU_NOTIFY_UNMAP);
static_assert((int)TEST_MMU_NOTIFIER_CLEAR == (int)MMU_NOTIFY_CLEAR);
static_assert((int)TEST_MMU_NOTIFIER_PROTECTION_VMA == (int)MMU_NOTIFY_PROTECTION_VMA);
static_assert((int)TEST_MMU_NOTIFIER_PROTECTION_PAGE == (int)MMU_NOTIFY_PROTECTION_PAGE);
static_assert((int)TEST_MMU_NOTIFIER_SOFT_DIRTY == (int)MMU_NOTIFY_SOFT_DIRTY);
static_assert((int)TEST_MMU_NOTIFIER_RELEASE == (int)MMU_NOTIFY_RELEASE);
static_assert((int)TEST_MMU_NOTIFIER_MIGRATE == (int)MMU_NOTIFY_MIGRATE);
static_assert((int)TEST_MMU_NOTIFIER_EXCLUSIVE == (int)MMU_NOTIFY_EXCLUSIVE);
static_assert((int)TEST_MMU_NOTIFIER_EVENTS == (int)MMU_NOTIFY_EXCLUSIVE + 1);

/*
 * No callback runs when the last file is closed, and a module with an open file
 * is not removed: there is nothing to wait for. A driver that ends
 * subscriptions by mmu_notifier_put() must call mmu_notifier_synchronize() at
 * exit.
 */
module_misc_device(tmn_device);

MODULE_DESCRIPTION("A device that mirrors page tables, to test MMU notifiers");
MODULE_LICENSE("GPL");
