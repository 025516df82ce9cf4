// SPDX-License-Identifier: GPL-2.0-only
/* Checks of callers and subscribers of the mmu_notifier, in debug kernels. */

/**
 * DOC: rules that debug kernels hold everybody to
 *
 * **Callers**, in mmu_notifier_debug_start() and mmu_notifier_debug_end(): each
 * must hold a lock of a kind that registration passes through, its range must
 * not be empty, and each end must have its start. A range remembers what its
 * start was called with. If an end differs, it is reported and carried out with
 * what start said, so that no count goes to the wrong mm.
 *
 * **Subscribers**, by lockdep. Around each callback there are two maps. They are
 * held for the callback only, but are part of every chain of locks::
 *
 *	__mmu_notifier_invalidate_range_start_map	whatever invalidates
 *	 |
 *	class of the ops				names the driver
 *	 |
 *	locks that the callback takes
 *
 * mn_prime_lockdep() ties at boot what is above: mmap_lock, a VMA lock,
 * i_mmap_rwsem and the anon_vma lock may be held around an invalidation.
 * fs_reclaim_acquire() ties reclaim. The first call of a callback, by whatever
 * caller, ties what is below. From then on lockdep knows whether the driver
 * holds one of its locks where it may reclaim, without ever having seen reclaim
 * call it.
 *
 * Callbacks under the page table lock have another class, of a wait type in
 * which only spinning is allowed, and no lock leads to it: those callbacks can
 * be called from anywhere and take fewer locks than others.
 *
 * **Paths that are seldom taken**, by debugfs: mmu_notifier/inject_every adds
 * spurious sections, and fail_mmu_notifier declines non-blockable starts.
 */

#include <linux/array_size.h>
#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/debug_locks.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fault-inject.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/init.h>
#include <linux/kallsyms.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include <asm/sections.h>

#include "internal.h"
#include "mmu_notifier_internal.h"

/* Callers */

#ifdef CONFIG_LOCKDEP
/*
 * The classes of the locks that registration passes through: mmap_lock, the
 * lock of a VMA, i_mmap_rwsem and that of hugetlbfs, the lock of an anon_vma.
 * Learned at boot, see mn_prime_cover().
 */
static const struct lock_class_key *mn_cover_keys[5];
static unsigned int mn_nr_cover_keys;
/*
 * All keys are known, except that of hugetlbfs, which has no files before
 * late_initcall().
 */
static bool mn_cover_primed;

/*
 * Whether the caller holds a lock of a kind that registration passes through.
 * Which VMA it belongs to is not checked: a VMA may have left the tree while
 * rmap still finds it, and the tree of a child changes under fork.
 */
static bool mn_caller_covered(void)
{
	int i, j;

	if (!debug_locks || !mn_cover_primed)
		return true;
	for (i = 0; i < current->lockdep_depth; i++)
		for (j = 0; j < mn_nr_cover_keys; j++)
			if (current->held_locks[i].instance->key ==
			    mn_cover_keys[j])
				return true;
	return false;
}
#else
static bool mn_caller_covered(void)
{
	return true;
}
#endif

/**
 * mmu_notifier_debug_start - check the caller that opens a section
 * @range: the section
 *
 * Context: That of mmu_notifier_invalidate_range_start(), whether or not
 * anybody is subscribed.
 */
void mmu_notifier_debug_start(struct mmu_notifier_range *range)
{
	WARN_ONCE(range->debug.mm,
		  "mmu_notifier: %pS starts a section that is open\n",
		  (void *)_RET_IP_);
	WARN_ONCE(range->start >= range->end,
		  "mmu_notifier: %pS starts a section of no address [%lx, %lx)\n",
		  (void *)_RET_IP_, range->start, range->end);
	WARN_ONCE(!mn_caller_covered(),
		  "mmu_notifier: %pS holds no lock that covers [%lx, %lx)\n",
		  (void *)_RET_IP_, range->start, range->end);
	range->debug.mm = range->mm;
	range->debug.start = range->start;
	range->debug.end = range->end;
	range->debug.event = range->event;
}

/**
 * mmu_notifier_debug_decline - note that there is no section
 * @range: of a start that was declined
 */
void mmu_notifier_debug_decline(struct mmu_notifier_range *range)
{
	range->debug.mm = NULL;
}

/**
 * mmu_notifier_debug_end - check the caller that closes a section
 * @range: the section
 *
 * Context: That of mmu_notifier_invalidate_range_end(), whether or not anybody
 * is subscribed.
 */
void mmu_notifier_debug_end(struct mmu_notifier_range *range)
{
	if (WARN_ONCE(!range->debug.mm,
		      "mmu_notifier: %pS ends a section that is not open\n",
		      (void *)_RET_IP_))
		return;
	WARN_ONCE(range->mm != range->debug.mm ||
		  range->start != range->debug.start ||
		  range->end != range->debug.end ||
		  range->event != range->debug.event,
		  "mmu_notifier: %pS ends another section than it started\n",
		  (void *)_RET_IP_);
	range->mm = range->debug.mm;
	range->start = range->debug.start;
	range->end = range->debug.end;
	range->event = range->debug.event;
	range->debug.mm = NULL;
}

/* Subscribers */

#ifdef CONFIG_LOCKDEP
/*
 * Lockdep requires one name per key and keeps the pointer, so a name is never
 * freed.
 */
struct mn_ops_name {
	struct hlist_node node;
	const void *ops;
	char name[KSYM_SYMBOL_LEN];
};

static HLIST_HEAD(mn_ops_names);
static DEFINE_MUTEX(mn_ops_names_lock);
static struct lock_class_key mn_other_ops_key[2];

/* The ops of a module may be where those of an unloaded one were. */
static const char *mn_ops_name(const void *ops)
{
	char name[KSYM_SYMBOL_LEN];
	struct mn_ops_name *known;

	snprintf(name, sizeof(name), "%ps", ops);
	guard(mutex)(&mn_ops_names_lock);
	hlist_for_each_entry(known, &mn_ops_names, node)
		if (known->ops == ops && !strcmp(known->name, name))
			return known->name;

	known = kmalloc(sizeof(*known), GFP_KERNEL);
	if (!known)
		return NULL;
	known->ops = ops;
	strscpy(known->name, name, sizeof(known->name));
	hlist_add_head(&known->node, &mn_ops_names);
	return known->name;
}

/*
 * Lockdep accepts only static memory as a key: of the kernel, or of a module,
 * as it is notified when a module is unloaded.
 */
static bool mn_ops_static(const void *ops)
{
	unsigned long addr = (unsigned long)ops;

	return is_kernel_rodata(addr) || is_kernel_core_data(addr) ||
	       is_module_address(addr);
}

static void mn_init_maps(struct mn_maps *maps, const void *ops)
{
	const char *name = mn_ops_static(ops) ? mn_ops_name(ops) : NULL;
	/* Two keys, and a key is as long as it has subclasses. */
	const struct lock_class_key *key = ops;

	if (!name) {
		name = "mmu_notifier_ops";
		key = mn_other_ops_key;
	}
	lockdep_init_map(&maps->sleeping, name, (void *)&key[0], 0);
	lockdep_init_map_wait(&maps->spinning, name, (void *)&key[1], 0,
			      LD_WAIT_CONFIG);
}
#else
static void mn_init_maps(struct mn_maps *maps, const void *ops)
{
}
#endif

/* Called when @mn has its ops, before any of them is called */
void mn_debug_subscribe(struct mmu_notifier *mn)
{
	mn_init_maps(&mn->maps, mn->ops);
}

void mn_debug_interval_subscribe(struct mmu_interval_notifier *mni)
{
	mn_init_maps(&mni->maps, mni->ops);
}

#ifdef CONFIG_LOCKDEP
/*
 * Record the lock that was taken last as one that may be held around an
 * invalidation, and that registration passes through.
 */
static void __init mn_prime_cover(void)
{
	const struct held_lock *last;

	lock_map_acquire(&__mmu_notifier_invalidate_range_start_map);
	lock_map_release(&__mmu_notifier_invalidate_range_start_map);
	if (!current->lockdep_depth ||
	    WARN_ON_ONCE(mn_nr_cover_keys == ARRAY_SIZE(mn_cover_keys)))
		return;
	last = &current->held_locks[current->lockdep_depth - 1];
	mn_cover_keys[mn_nr_cover_keys++] = last->instance->key;
}

static void __init mn_prime_mapping(struct address_space *mapping)
{
	i_mmap_lock_write(mapping);
	mn_prime_cover();
	i_mmap_unlock_write(mapping);
}

static void __init mn_prime_i_mmap(void)
{
	struct address_space *mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);

	if (!mapping)
		return;
	address_space_init_once(mapping);
	mn_prime_mapping(mapping);
	kfree(mapping);
}

/* One anonymous VMA of a page, with an anon_vma. */
static struct vm_area_struct * __init mn_prime_vma(struct mm_struct *mm)
{
	struct vm_area_struct *vma = vm_area_alloc(mm);

	if (!vma)
		return NULL;
	vma_set_anonymous(vma);
	vma->vm_start = PAGE_SIZE;
	vma->vm_end = 2 * PAGE_SIZE;
	vm_flags_init(vma, VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE);
	vma->vm_page_prot = vm_get_page_prot(vma->vm_flags);
	if (insert_vm_struct(mm, vma)) {
		vm_area_free(vma);
		return NULL;
	}
	return vma;
}

static void __init mn_prime_anon_vma(struct mm_struct *mm)
{
	struct vm_area_struct *vma;

	mmap_write_lock(mm);
	mn_prime_cover();
	vma = mn_prime_vma(mm);
	if (vma && !anon_vma_prepare(vma)) {
		anon_vma_lock_write(vma->anon_vma);
		mn_prime_cover();
		anon_vma_unlock_write(vma->anon_vma);
	}
	mmap_write_unlock(mm);
}

#ifdef CONFIG_PER_VMA_LOCK
static void __init mn_prime_vma_lock(struct mm_struct *mm)
{
	struct vm_area_struct *vma = lock_vma_under_rcu(mm, PAGE_SIZE);

	if (!vma)
		return;
	mn_prime_cover();
	vma_end_read(vma);
}
#else
static void __init mn_prime_vma_lock(struct mm_struct *mm)
{
}
#endif

/* Tell lockdep what may be held around an invalidation. */
static int __init mn_prime_lockdep(void)
{
	struct mm_struct *mm = mm_alloc();

	if (!mm)
		return -ENOMEM;

	mn_prime_i_mmap();
	mn_prime_anon_vma(mm);
	mn_prime_vma_lock(mm);
	mmput(mm);
	mn_cover_primed = mn_nr_cover_keys ==
			  3 + IS_ENABLED(CONFIG_PER_VMA_LOCK);
	return 0;
}
subsys_initcall(mn_prime_lockdep);

/* i_mmap_rwsem of hugetlbfs has a class of its own, and files only later. */
static int __init mn_prime_hugetlb(void)
{
	struct file *file = hugetlb_file_setup("mmu_notifier", 0,
					       VM_NORESERVE,
					       HUGETLB_ANONHUGE_INODE, 0);

	if (IS_ERR(file))
		return 0;
	mn_prime_mapping(file->f_mapping);
	fput(file);
	return 0;
}
late_initcall(mn_prime_hugetlb);
#endif /* CONFIG_LOCKDEP */

/* Seldom taken paths */

#ifdef CONFIG_FAULT_INJECTION
DECLARE_FAULT_ATTR(fail_mmu_notifier);

bool mn_debug_fail_start(void)
{
	return should_fail(&fail_mmu_notifier, 1);
}

static int __init mn_fail_debugfs_init(void)
{
	fault_create_debugfs_attr("fail_mmu_notifier", NULL, &fail_mmu_notifier);
	return 0;
}
late_initcall(mn_fail_debugfs_init);
#endif

/* A section to repeat from a context that holds no other lock */
struct mn_injection {
	struct work_struct work;
	struct mm_struct *mm;
	unsigned long start;
	unsigned long end;
};

/* 0: never */
u32 mn_inject_every;
static atomic_t mn_inject_count = ATOMIC_INIT(0);

static void mn_inject_section(struct mn_injection *inj, bool blockable)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, MN_RANGE_INJECTED,
				inj->mm, inj->start, inj->end);
	if (blockable)
		mmu_notifier_invalidate_range_start(&range);
	else if (mmu_notifier_invalidate_range_start_nonblock(&range))
		return;
	mmu_notifier_invalidate_range_end(&range);
}

static void mn_inject_work(struct work_struct *work)
{
	struct mn_injection *inj = container_of(work, struct mn_injection, work);

	if (mmget_not_zero(inj->mm)) {
		mmap_read_lock(inj->mm);
		mn_inject_section(inj, true);
		mn_inject_section(inj, false);
		mmap_read_unlock(inj->mm);
		mmput(inj->mm);
	}
	mmdrop(inj->mm);
	kfree(inj);
}

/*
 * Repeat every Nth section as MMU_NOTIFY_CLEAR, which a driver must tolerate at
 * any time. Events that end something are not injected, as a driver may act on
 * them. Without memory the injection is skipped.
 */
void mn_debug_inject(const struct mmu_notifier_range *range)
{
	u32 every = READ_ONCE(mn_inject_every);
	struct mn_injection *inj;

	if (likely(!every) || range->flags & MN_RANGE_INJECTED ||
	    (u32)atomic_inc_return(&mn_inject_count) % every)
		return;
	inj = kmalloc(sizeof(*inj), GFP_NOWAIT | __GFP_NOWARN);
	if (!inj)
		return;
	INIT_WORK(&inj->work, mn_inject_work);
	mmgrab(range->mm);
	inj->mm = range->mm;
	inj->start = range->start;
	inj->end = range->end;
	queue_work(system_unbound_wq, &inj->work);
}

static int __init mn_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("mmu_notifier", NULL);

	debugfs_create_u32("inject_every", 0600, dir, &mn_inject_every);
	return 0;
}
late_initcall(mn_debugfs_init);
