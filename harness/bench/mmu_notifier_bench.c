// SPDX-License-Identifier: GPL-2.0
/*
 * What the mmu_notifier costs, on the base kernel and on the rework.
 *
 * At boot a thread measures one case after the other, prints for each a line
 * "bench: KEY<TAB>VALUE", and restarts the machine, which ends QEMU. What the keys
 * mean is said in harness/bench/bench.list. mmu_notifier_bench.run= chooses the cases:
 *
 *   count	for one CPU and QEMU's -icount, where the TSC counts instructions,
 *		and nanoseconds while the machine is idle: it repeats exactly
 *   clock	for two CPUs: how long tasks wait, in nanoseconds
 *   memory	for any number of possible CPUs: bytes
 *
 * Only through the API that both kernels have. Sections run under mmap_lock, as
 * registration drains through it. Where the preparation fails the kernel panics.
 */
#define pr_fmt(fmt) "bench: " fmt

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/mc146818rtc.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/reboot.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/spinlock.h>
#include <linux/time64.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>
#include <asm/msr.h>

/* Declared here, as no header declares it in both kernels. */
void drain_all_pages(struct zone *zone);
void rcu_unexpedite_gp(void);
long __x64_sys_mprotect(const struct pt_regs *regs);

#define NR_BATCHES	21
#define NR_CALLS	100
/* For operations that take long, or wait. */
#define NR_SAMPLES	21

#define NR_HLIST	64
#define NR_INTERVALS	10000
#define NR_VMAS		10000
#define MOST_VMAS	60000
#define MAX_VMAS	65530	/* vm.max_map_count */
#define NR_MMS		4000

#define FIRST_ADDRESS	BIT(30)
#define JIFFIES_PASS	20	/* ms in which grace periods end */

static char *run = "none";
module_param(run, charp, 0400);

static struct mmu_notifier hlist[NR_HLIST];
static struct mmu_interval_notifier intervals[NR_INTERVALS];
static struct mm_struct *mms[NR_MMS];
static struct mmu_notifier one_each[NR_MMS];

#define must(done)							\
do {									\
	if (!(done))							\
		panic("bench: preparation failed: " #done);		\
} while (0)

static __printf(2, 3) void report(s64 value, const char *key, ...)
{
	struct va_format format;
	va_list args;

	va_start(args, key);
	format.fmt = key;
	format.va = &args;
	pr_info("%pV\t%lld\n", &format, value);
	va_end(args);
}

/* Of a batch of calls, the fastest: no interrupt came. */
#define fastest_batch(call)						\
({									\
	u64 fastest = U64_MAX;						\
	int batch, i;							\
									\
	for (batch = 0; batch < NR_BATCHES; batch++) {			\
		u64 ticks = rdtsc();					\
									\
		for (i = 0; i < NR_CALLS; i++) {			\
			call;						\
			barrier();					\
		}							\
		fastest = min(fastest, rdtsc() - ticks);		\
	}								\
	fastest;							\
})

#define ticks_per_call(call)						\
	DIV_ROUND_CLOSEST_ULL(fastest_batch(call) - fastest_batch((void)0), NR_CALLS)

#define ticks_of(call)							\
({									\
	u64 ticks = rdtsc();						\
									\
	call;								\
	rdtsc() - ticks;						\
})

#define ns_of(call)	(ticks_of(call) * NSEC_PER_MSEC / ticks_per_ms)

static int compare_u64(const void *a, const void *b)
{
	u64 first = *(const u64 *)a, second = *(const u64 *)b;

	return (first > second) - (first < second);
}

/* Afterwards the first is the least, the one in the middle the median. */
static void in_order(u64 *samples, unsigned int nr)
{
	sort(samples, nr, sizeof(*samples), compare_u64, NULL);
}

static void report_median_and_max(u64 *samples, unsigned int nr, const char *key)
{
	in_order(samples, nr);
	report(samples[nr / 2], "%s_median", key);
	report(samples[nr - 1], "%s_max", key);
}

/* Subscribers that do nothing. The type of the young callbacks differs. */
#define young_t typeof(((struct mmu_notifier_ops *)0)->test_young(NULL, NULL, 0))

static int nop_start(struct mmu_notifier *mn,
		     const struct mmu_notifier_range *range)
{
	return 0;
}

static void nop_end(struct mmu_notifier *mn,
		    const struct mmu_notifier_range *range)
{
}

static young_t nop_young(struct mmu_notifier *mn, struct mm_struct *mm,
			 unsigned long start, unsigned long end)
{
	return 0;
}

static young_t nop_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
			      unsigned long address)
{
	return 0;
}

static void nop_arch_invalidate(struct mmu_notifier *mn, struct mm_struct *mm,
				unsigned long start, unsigned long end)
{
}

static const struct mmu_notifier_ops section_ops = {
	.invalidate_range_start	= nop_start,
	.invalidate_range_end	= nop_end,
};

static struct mmu_notifier *alloc_one(struct mm_struct *mm)
{
	return kzalloc(sizeof(struct mmu_notifier), GFP_KERNEL) ?:
	       ERR_PTR(-ENOMEM);
}

static void free_one(struct mmu_notifier *mn)
{
	kfree(mn);
}

static const struct mmu_notifier_ops get_ops = {
	.invalidate_range_start	= nop_start,
	.invalidate_range_end	= nop_end,
	.alloc_notifier		= alloc_one,
	.free_notifier		= free_one,
};

static bool set_seq(struct mmu_interval_notifier *mni,
		    const struct mmu_notifier_range *range,
		    unsigned long cur_seq)
{
	mmu_interval_set_seq(mni, cur_seq);
	return true;
}

static const struct mmu_interval_notifier_ops interval_ops = {
	.invalidate	= set_seq,
};

static void watch(struct mm_struct *mm, unsigned int nr,
		  const struct mmu_notifier_ops *ops)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		hlist[i].ops = ops;
		must(!mmu_notifier_register(&hlist[i], mm));
	}
}

static void unwatch(struct mm_struct *mm, unsigned int nr)
{
	while (nr--)
		mmu_notifier_unregister(&hlist[nr], mm);
}

static unsigned long at(unsigned long page)
{
	return FIRST_ADDRESS + page * PAGE_SIZE;
}

/* Intervals of a page on each second page. */
static void watch_intervals(struct mm_struct *mm, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		must(!mmu_interval_notifier_insert(&intervals[i], mm, at(2 * i),
						   PAGE_SIZE, &interval_ops));
}

static void unwatch_intervals(unsigned int nr)
{
	while (nr--)
		mmu_interval_notifier_remove(&intervals[nr]);
}

/* Address spaces */

static struct mm_struct *new_mm(void)
{
	struct mm_struct *mm = mm_alloc();

	must(mm);
	return mm;
}

static void map(struct file *file, unsigned long page, unsigned long prot,
		unsigned long flags)
{
	must(vm_mmap(file, at(page), PAGE_SIZE, prot, flags | MAP_FIXED,
		     file ? page * PAGE_SIZE : 0) == at(page));
}

/* Anonymous memory with gaps, each VMA with an anon_vma of its own. */
static void map_anon(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		map(NULL, 2 * i, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE);
}

/*
 * The file behind shared memory, since what shmem_file_setup() takes differs from
 * one kernel to the next.
 */
static struct file *new_file(unsigned long size)
{
	struct vm_area_struct *vma;
	struct file *file;

	must(vm_mmap(NULL, at(0), size, PROT_READ,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, 0) == at(0));
	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, at(0));
	file = get_file(vma->vm_file);
	mmap_read_unlock(current->mm);
	must(!vm_munmap(at(0), size));
	return file;
}

/* A file, page by page, with protections that keep the VMAs from merging. */
static void map_file(unsigned int nr)
{
	struct file *file = new_file(nr * PAGE_SIZE);
	unsigned int i;

	for (i = 0; i < nr; i++)
		map(file, i, PROT_READ | (i & 1 ? PROT_WRITE : 0), MAP_SHARED);
	fput(file);
}

static struct mm_struct *mm_with(void (*map_all)(unsigned int nr), unsigned int nr)
{
	struct mm_struct *mm = new_mm();

	kthread_use_mm(mm);
	map_all(nr);
	kthread_unuse_mm(mm);
	must(mm->map_count == nr);
	return mm;
}

/* Sections */

static noinline void section(struct mm_struct *mm, unsigned long start,
			     unsigned long end)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, start, end);
	mmu_notifier_invalidate_range_start(&range);
	/* The work of the callers. */
	barrier();
	mmu_notifier_invalidate_range_end(&range);
}

static u64 ticks_per_section(struct mm_struct *mm, unsigned long page)
{
	u64 ticks;

	mmap_read_lock(mm);
	ticks = ticks_per_call(section(mm, at(page), at(page + 1)));
	mmap_read_unlock(mm);
	return ticks;
}

static void count_sections(void)
{
	static const unsigned int nrs[] = { 1, 4, 64 };
	struct mm_struct *mm = new_mm();
	int i;

	report(ticks_per_section(mm, 0), "section_nobody");
	for (i = 0; i < ARRAY_SIZE(nrs); i++) {
		watch(mm, nrs[i], &section_ops);
		report(ticks_per_section(mm, 0), "section_hlist_%u", nrs[i]);
		unwatch(mm, nrs[i]);
	}
	report(ticks_per_section(mm, 0), "section_gone");
	mmput(mm);
}

static void count_interval_sections(void)
{
	static const unsigned int nrs[] = { 1, NR_INTERVALS };
	struct mm_struct *mm = new_mm();
	int i;

	for (i = 0; i < ARRAY_SIZE(nrs); i++) {
		unsigned int middle = nrs[i] & ~1U;

		watch_intervals(mm, nrs[i]);
		report(ticks_per_section(mm, middle + 1), "section_missed_%u", nrs[i]);
		report(ticks_per_section(mm, middle), "section_hit_%u", nrs[i]);
		unwatch_intervals(nrs[i]);
	}
	mmput(mm);
}

/* Callbacks under the page table lock */

enum young { FLUSH_YOUNG, CLEAR_YOUNG, TEST_YOUNG, ARCH_INVALIDATE, NR_YOUNG };

static const char * const young_names[NR_YOUNG] = {
	"clear_flush_young", "clear_young", "test_young", "arch_invalidate",
};

static const struct mmu_notifier_ops young_ops[NR_YOUNG] = {
	[FLUSH_YOUNG]		= { .clear_flush_young = nop_young },
	[CLEAR_YOUNG]		= { .clear_young = nop_young },
	[TEST_YOUNG]		= { .test_young = nop_test_young },
	[ARCH_INVALIDATE]	= { .arch_invalidate_secondary_tlbs = nop_arch_invalidate },
};

static noinline bool flush_young(struct mm_struct *mm)
{
	return mmu_notifier_clear_flush_young(mm, at(0), at(1));
}

static noinline bool clear_young(struct mm_struct *mm)
{
	return mmu_notifier_clear_young(mm, at(0), at(1));
}

static noinline bool test_young(struct mm_struct *mm)
{
	return mmu_notifier_test_young(mm, at(0));
}

static noinline void arch_invalidate(struct mm_struct *mm)
{
	mmu_notifier_arch_invalidate_secondary_tlbs(mm, at(0), at(1));
}

static u64 ticks_per_young(struct mm_struct *mm, enum young which)
{
	switch (which) {
	case FLUSH_YOUNG:
		return ticks_per_call(flush_young(mm));
	case CLEAR_YOUNG:
		return ticks_per_call(clear_young(mm));
	case TEST_YOUNG:
		return ticks_per_call(test_young(mm));
	default:
		return ticks_per_call(arch_invalidate(mm));
	}
}

static void count_young(enum young which)
{
	const char *name = young_names[which];
	struct mm_struct *mm;

	mm = new_mm();
	report(ticks_per_young(mm, which), "%s_nobody", name);
	watch_intervals(mm, 1);
	report(ticks_per_young(mm, which), "%s_interval", name);
	unwatch_intervals(1);
	mmput(mm);

	mm = new_mm();
	watch(mm, 4, &section_ops);
	report(ticks_per_young(mm, which), "%s_without", name);
	unwatch(mm, 4);
	mmput(mm);

	mm = new_mm();
	watch(mm, 1, &young_ops[which]);
	report(ticks_per_young(mm, which), "%s_one", name);
	unwatch(mm, 1);
	mmput(mm);
}

static void count_all_young(void)
{
	enum young which;

	for (which = 0; which < NR_YOUNG; which++)
		count_young(which);
}

/* Registration */

/* Called with mmap_lock held. */
static u64 ticks_of_register(struct mm_struct *mm, struct mmu_notifier *mn)
{
	u64 ticks;

	mn->ops = &section_ops;
	mmap_write_lock(mm);
	ticks = ticks_of(must(!__mmu_notifier_register(mn, mm)));
	mmap_write_unlock(mm);
	return ticks;
}

static void count_first_register(void (*map_all)(unsigned int nr), const char *name)
{
	u64 least = U64_MAX;
	struct mm_struct *mm;
	int i;

	/* Other tasks may run while this reschedules. */
	for (i = 0; i < 3; i++) {
		mm = mm_with(map_all, NR_VMAS);
		msleep(JIFFIES_PASS);
		least = min(least, ticks_of_register(mm, &hlist[0]));
		unwatch(mm, 1);
		mmput(mm);
	}
	report(DIV_ROUND_CLOSEST_ULL(least, NR_VMAS), "register_first_%s", name);
}

static void count_later_register(unsigned int nr_vmas)
{
	struct mm_struct *mm = mm_with(map_anon, nr_vmas);
	u64 later[NR_SAMPLES], get[NR_SAMPLES];
	struct mmu_notifier *mn;
	int i;

	watch(mm, 1, &section_ops);
	for (i = 0; i < NR_SAMPLES; i++) {
		msleep(JIFFIES_PASS);
		later[i] = ticks_of_register(mm, &hlist[1]);
		mmu_notifier_unregister(&hlist[1], mm);
		msleep(JIFFIES_PASS);
		get[i] = ticks_of(mn = mmu_notifier_get(&get_ops, mm));
		must(!IS_ERR(mn));
		mmu_notifier_put(mn);
		mmu_notifier_synchronize();
	}
	unwatch(mm, 1);
	mmput(mm);

	in_order(later, NR_SAMPLES);
	report(later[0], "register_later_%u", nr_vmas);
	in_order(get, NR_SAMPLES);
	report(get[0], "get_later_%u", nr_vmas);
}

/* The first one on an mm of so many VMAs, and the one after that. */
static void count_register_over(unsigned int nr_vmas)
{
	u64 first = U64_MAX, later = U64_MAX;
	struct mm_struct *mm;
	int i;

	for (i = 0; i < 3; i++) {
		mm = mm_with(map_anon, nr_vmas);
		msleep(JIFFIES_PASS);
		first = min(first, ticks_of_register(mm, &hlist[0]));
		msleep(JIFFIES_PASS);
		later = min(later, ticks_of_register(mm, &hlist[1]));
		unwatch(mm, 2);
		mmput(mm);
	}
	report(first, "curve_first_%u", nr_vmas);
	report(later, "curve_later_%u", nr_vmas);
}

static void count_registrations(void)
{
	unsigned int nr_vmas;

	count_first_register(map_file, "file");
	count_first_register(map_anon, "anon");
	count_later_register(1);
	count_later_register(1000);
	count_later_register(MOST_VMAS);
	for (nr_vmas = 1; nr_vmas < MAX_VMAS; nr_vmas *= 10)
		count_register_over(nr_vmas);
	count_register_over(MAX_VMAS);
}

/* The end of subscriptions */

static void count_unregister_in_a_row(void)
{
	struct mm_struct *mm = new_mm();
	u64 ticks[NR_SAMPLES];
	int i;

	watch(mm, NR_SAMPLES, &section_ops);
	msleep(JIFFIES_PASS);
	for (i = 0; i < NR_SAMPLES; i++)
		ticks[i] = ticks_of(mmu_notifier_unregister(&hlist[i], mm));
	mmput(mm);
	report_median_and_max(ticks, NR_SAMPLES, "unregister_row");
}

static void count_exit_in_a_row(void)
{
	u64 ticks[NR_SAMPLES];
	int i;

	for (i = 0; i < NR_SAMPLES; i++) {
		mms[i] = new_mm();
		hlist[i].ops = &section_ops;
		must(!mmu_notifier_register(&hlist[i], mms[i]));
	}
	msleep(JIFFIES_PASS);
	for (i = 0; i < NR_SAMPLES; i++)
		ticks[i] = ticks_of(mmput(mms[i]));
	for (i = 0; i < NR_SAMPLES; i++)
		mmu_notifier_unregister(&hlist[i], mms[i]);
	report_median_and_max(ticks, NR_SAMPLES, "exit_row");
}

static void count_put_and_synchronize(void)
{
	struct mm_struct *mm = new_mm();
	u64 ticks[NR_SAMPLES];
	int i;

	for (i = 0; i < NR_SAMPLES; i++) {
		struct mmu_notifier *mn = mmu_notifier_get(&get_ops, mm);

		must(!IS_ERR(mn));
		msleep(JIFFIES_PASS);
		ticks[i] = ticks_of(mmu_notifier_put(mn);
				    mmu_notifier_synchronize());
	}
	mmput(mm);
	report_median_and_max(ticks, NR_SAMPLES, "put_synchronize");
}

static void sample_exits(u64 *ticks, bool subscribed)
{
	struct mm_struct *mm;
	int i;

	for (i = 0; i < NR_SAMPLES; i++) {
		mm = mm_with(map_anon, 1);
		if (subscribed)
			watch(mm, 1, &section_ops);
		msleep(JIFFIES_PASS);
		ticks[i] = ticks_of(mmput(mm));
		if (subscribed)
			unwatch(mm, 1);
	}
	in_order(ticks, NR_SAMPLES);
}

static void count_exit(void)
{
	u64 with[NR_SAMPLES], without[NR_SAMPLES];

	sample_exits(without, false);
	sample_exits(with, true);
	report(with[0] - without[0], "exit_over_none");
	report(with[NR_SAMPLES - 1], "exit_max");
}

/* System calls */

static u64 ticks_of_munmap(void)
{
	map(NULL, 2, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE);
	return ticks_of(must(!vm_munmap(at(2), PAGE_SIZE)));
}

static long mprotect(unsigned long page, unsigned long prot)
{
	struct pt_regs regs = { .di = at(page), .si = PAGE_SIZE, .dx = prot };

	return __x64_sys_mprotect(&regs);
}

static u64 ticks_of_mprotect(void)
{
	u64 ticks = ticks_of(must(!mprotect(0, PROT_READ)));

	must(!mprotect(0, PROT_READ | PROT_WRITE));
	/* Writable again by a fault, as a program does it. */
	must(!put_user(1, (char __user *)at(0)));
	return ticks;
}

static u64 least_of(u64 (*call)(void))
{
	u64 least = U64_MAX;
	int i;

	for (i = 0; i < NR_SAMPLES; i++)
		least = min(least, call());
	return least;
}

static void count_system_calls(void)
{
	struct mm_struct *mm = mm_with(map_anon, 1);
	u64 unmapped, protected;

	kthread_use_mm(mm);
	unmapped = least_of(ticks_of_munmap);
	protected = least_of(ticks_of_mprotect);
	watch(mm, 1, &section_ops);
	report(unmapped, "munmap_none");
	report(least_of(ticks_of_munmap) - unmapped, "munmap_over_none");
	report(protected, "mprotect_none");
	report(least_of(ticks_of_mprotect) - protected, "mprotect_over_none");
	unwatch(mm, 1);
	kthread_unuse_mm(mm);
	mmput(mm);
}

/* Beside an mm whose callback sleeps */

static DECLARE_COMPLETION(asleep);
static DECLARE_COMPLETION(awake);

static int sleep_start(struct mmu_notifier *mn,
		       const struct mmu_notifier_range *range)
{
	complete(&asleep);
	msleep(2000);
	return 0;
}

static const struct mmu_notifier_ops sleep_ops = {
	.invalidate_range_start	= sleep_start,
};

static int sleeper(void *data)
{
	struct mm_struct *mm = data;

	mmap_read_lock(mm);
	section(mm, at(0), at(1));
	mmap_read_unlock(mm);
	complete(&awake);
	return 0;
}

enum operation { UNREGISTER, PUT, EXIT };

static u64 ticks_of_operation(enum operation which)
{
	struct mm_struct *mm = new_mm();
	struct mmu_notifier *mn;
	u64 ticks;

	if (which == PUT) {
		mn = mmu_notifier_get(&get_ops, mm);
		must(!IS_ERR(mn));
		ticks = ticks_of(mmu_notifier_put(mn);
				 mmu_notifier_synchronize());
		mmput(mm);
		return ticks;
	}

	watch(mm, 1, &section_ops);
	if (which == UNREGISTER) {
		ticks = ticks_of(unwatch(mm, 1));
		mmput(mm);
	} else {
		ticks = ticks_of(mmput(mm));
		unwatch(mm, 1);
	}
	return ticks;
}

static void count_beside_sleeper(enum operation which, const char *name)
{
	static struct mmu_notifier mn;
	struct mm_struct *mm = new_mm();
	u64 quiet = U64_MAX;
	int i;

	for (i = 0; i < NR_SAMPLES; i++) {
		msleep(JIFFIES_PASS);
		quiet = min(quiet, ticks_of_operation(which));
	}
	report(quiet, "%s_quiet", name);

	mn.ops = &sleep_ops;
	must(!mmu_notifier_register(&mn, mm));
	must(!IS_ERR(kthread_run(sleeper, mm, "sleeper")));
	wait_for_completion(&asleep);
	msleep(JIFFIES_PASS);
	report(ticks_of_operation(which), "%s_beside_sleeper", name);

	wait_for_completion(&awake);
	mmu_notifier_unregister(&mn, mm);
	mmput(mm);
}

static void count_isolation(void)
{
	count_beside_sleeper(UNREGISTER, "unregister");
	count_beside_sleeper(PUT, "put");
	count_beside_sleeper(EXIT, "exit");
}

/*
 * A reader whose interval was invalidated, while sections elsewhere in the mm
 * overlap each other without a pause.
 */
#define MOST_SECTIONS	1000

static DECLARE_COMPLETION(read_began);

static int reader(void *data)
{
	mmu_interval_read_begin(&intervals[0]);
	complete(&read_began);
	return 0;
}

static void start_section(struct mmu_notifier_range *range, struct mm_struct *mm,
			  unsigned long page)
{
	mmu_notifier_range_init(range, MMU_NOTIFY_CLEAR, 0, mm, at(page),
				at(page + 1));
	mmu_notifier_invalidate_range_start(range);
}

/* How many end while the reader waits. */
static unsigned int sections_elsewhere(struct mm_struct *mm)
{
	struct mmu_notifier_range mine, elsewhere[2];
	unsigned int i;

	mmap_read_lock(mm);
	start_section(&mine, mm, 0);
	must(!IS_ERR(kthread_run(reader, NULL, "reader")));
	msleep(JIFFIES_PASS);
	start_section(&elsewhere[0], mm, 2);
	mmu_notifier_invalidate_range_end(&mine);
	for (i = 0; i < MOST_SECTIONS; i++) {
		msleep(1);
		if (completion_done(&read_began))
			break;
		start_section(&elsewhere[!(i & 1)], mm, 2);
		mmu_notifier_invalidate_range_end(&elsewhere[i & 1]);
	}
	mmu_notifier_invalidate_range_end(&elsewhere[i & 1]);
	mmap_read_unlock(mm);
	return i;
}

static void count_reader(void)
{
	struct mm_struct *mm = new_mm();

	watch_intervals(mm, 2);
	report(sections_elsewhere(mm), "reader_sections");
	wait_for_completion(&read_began);
	unwatch_intervals(2);
	mmput(mm);
}

static void measure_sizes(void)
{
	report(sizeof(struct mm_struct), "size_mm_struct");
	report(sizeof(struct mmu_notifier_range), "size_range");
	report(sizeof(struct mmu_notifier), "size_hlist");
	report(sizeof(struct mmu_interval_notifier), "size_interval");
}

/*
 * On a loaded host the kernel finds no clock that it trusts. The one with a battery
 * can be trusted, and shows when a second begins.
 */
static u64 ticks_per_ms = 1;

static unsigned char second(void)
{
	unsigned long flags;
	unsigned char now;

	spin_lock_irqsave(&rtc_lock, flags);
	now = CMOS_READ(RTC_SECONDS);
	spin_unlock_irqrestore(&rtc_lock, flags);
	return now;
}

static void wait_for_second(void)
{
	unsigned char now = second();

	while (second() == now)
		cpu_relax();
}

static void calibrate(void)
{
	wait_for_second();
	ticks_per_ms = ticks_of(wait_for_second()) / MSEC_PER_SEC;
}

/* Two CPUs: beside an mm with many VMAs on which a thread registers all the time */

#define NR_WAITS	201

static int register_loop(void *data)
{
	static struct mmu_notifier mn = { .ops = &section_ops };
	struct mm_struct *mm = data;

	while (!kthread_should_stop()) {
		/*
		 * The base fails it for a signal, which kthread_stop() sends.
		 */
		if (!mmu_notifier_register(&mn, mm))
			mmu_notifier_unregister(&mn, mm);
	}
	return 0;
}

static void measure_reader(struct mm_struct *mm, const char *key)
{
	static u64 ns[NR_WAITS];
	int i;

	for (i = 0; i < NR_WAITS; i++) {
		usleep_range(1000, 1100);
		ns[i] = ns_of(mmap_read_lock(mm));
		mmap_read_unlock(mm);
	}
	report_median_and_max(ns, NR_WAITS, key);
}

static void measure_register(struct mm_struct *mm, const char *key)
{
	static u64 ns[NR_WAITS];
	int i;

	for (i = 0; i < NR_WAITS; i++) {
		usleep_range(1000, 1100);
		ns[i] = ns_of(watch(mm, 1, &section_ops));
		unwatch(mm, 1);
	}
	report_median_and_max(ns, NR_WAITS, key);
}

static void clock_registrations(void)
{
	struct mm_struct *large = mm_with(map_anon, MOST_VMAS);
	struct mm_struct *small = mm_with(map_anon, 1);
	struct task_struct *task;

	measure_reader(large, "reader_quiet");
	measure_register(small, "unrelated_quiet");
	task = kthread_run(register_loop, large, "register");
	must(!IS_ERR(task));
	measure_reader(large, "reader_beside_register");
	measure_register(small, "unrelated_beside_register");
	kthread_stop(task);
	mmput(small);
	mmput(large);
}

/*
 * Two CPUs: what a subscriber costs whose calls are under RCU, when it comes and
 * leaves; also where the other CPU is in the kernel all the time
 */

static int spin_loop(void *data)
{
	while (!kthread_should_stop())
		cpu_relax();
	return 0;
}

static void measure_ops(struct mm_struct *mm, const struct mmu_notifier_ops *ops,
			const char *name, const char *when)
{
	static u64 come[NR_WAITS], leave[NR_WAITS];
	char key[40];
	int i;

	for (i = 0; i < NR_WAITS; i++) {
		usleep_range(1000, 1100);
		come[i] = ns_of(watch(mm, 1, ops));
		usleep_range(1000, 1100);
		leave[i] = ns_of(unwatch(mm, 1));
	}
	snprintf(key, sizeof(key), "%s_come_%s", name, when);
	report_median_and_max(come, NR_WAITS, key);
	snprintf(key, sizeof(key), "%s_leave_%s", name, when);
	report_median_and_max(leave, NR_WAITS, key);
}

static void clock_grace_periods(void)
{
	const struct mmu_notifier_ops *arch = &young_ops[ARCH_INVALIDATE];
	struct mm_struct *mm = mm_with(map_anon, 1);
	struct task_struct *task;

	/* The first one on an mm waits for other things. */
	watch(mm, 1, &section_ops);
	unwatch(mm, 1);
	measure_ops(mm, &section_ops, "section", "quiet");
	measure_ops(mm, arch, "arch", "quiet");
	task = kthread_create(spin_loop, NULL, "spin");
	must(!IS_ERR(task));
	kthread_bind(task, raw_smp_processor_id() ? 0 : 1);
	wake_up_process(task);
	measure_ops(mm, &section_ops, "section", "busy");
	measure_ops(mm, arch, "arch", "busy");
	kthread_stop(task);
	mmput(mm);
}

/* Two CPUs: sections of disjoint ranges of one mm */

#define NR_SECTIONS	20000
#define NR_ROUNDS	5

struct invalidator {
	struct mm_struct *mm;
	unsigned long page;
	u64 ns;
	struct completion over;
};

static atomic_t nr_to_come;

static void sections(struct mm_struct *mm, unsigned long page)
{
	int i;

	for (i = 0; i < NR_SECTIONS; i++)
		section(mm, at(page), at(page + 1));
}

static int invalidate_loop(void *data)
{
	struct invalidator *me = data;

	mmap_read_lock(me->mm);
	atomic_dec(&nr_to_come);
	while (atomic_read(&nr_to_come))
		cpu_relax();
	me->ns = ns_of(sections(me->mm, me->page));
	mmap_read_unlock(me->mm);
	complete(&me->over);
	return 0;
}

/* The longest that one of @nr CPUs takes for a section. */
static u64 ns_per_section(struct mm_struct *mm, unsigned int nr, unsigned long page)
{
	struct invalidator invalidators[2];
	struct task_struct *task;
	unsigned int i;
	u64 ns = 0;

	atomic_set(&nr_to_come, nr);
	for (i = 0; i < nr; i++) {
		invalidators[i].mm = mm;
		invalidators[i].page = page + 1000 * i;
		init_completion(&invalidators[i].over);
		task = kthread_create(invalidate_loop, &invalidators[i], "invalidate");
		must(!IS_ERR(task));
		kthread_bind(task, i);
		wake_up_process(task);
	}
	for (i = 0; i < nr; i++) {
		wait_for_completion(&invalidators[i].over);
		ns = max(ns, invalidators[i].ns);
	}
	return ns / NR_SECTIONS;
}

static void clock_sections(void)
{
	struct mm_struct *mm = new_mm();
	unsigned int nr;
	u64 hit, missed;
	int i;

	must(num_online_cpus() >= 2);
	watch_intervals(mm, NR_INTERVALS);
	for (nr = 1; nr <= 2; nr++) {
		hit = U64_MAX;
		missed = U64_MAX;
		for (i = 0; i < NR_ROUNDS; i++) {
			hit = min(hit, ns_per_section(mm, nr, 0));
			missed = min(missed, ns_per_section(mm, nr, 1));
		}
		report(hit, "parallel_hit_%u", nr);
		report(missed, "parallel_missed_%u", nr);
	}
	unwatch_intervals(NR_INTERVALS);
	mmput(mm);
}

/* Memory */

/* Includes those that the CPUs keep for themselves. */
static unsigned long free_pages_left(void)
{
	unsigned long pages = 0;
	struct zone *zone;

	rcu_barrier();
	drain_all_pages(NULL);
	for_each_populated_zone(zone)
		pages += zone_page_state_snapshot(zone, NR_FREE_PAGES);
	return pages;
}

static void subscribe_hlist(unsigned int i)
{
	one_each[i].ops = &section_ops;
	must(!mmu_notifier_register(&one_each[i], mms[i]));
}

static void subscribe_interval(unsigned int i)
{
	must(!mmu_interval_notifier_insert(&intervals[i], mms[i], at(0), PAGE_SIZE,
					   &interval_ops));
}

/* What an mm takes for its first subscriber, whose own memory is static here. */
static void measure_memory_of(void (*subscribe)(unsigned int i), const char *key)
{
	unsigned long pages;
	unsigned int i;

	for (i = 0; i < NR_MMS; i++)
		mms[i] = new_mm();
	pages = free_pages_left();
	for (i = 0; i < NR_MMS; i++)
		subscribe(i);
	pages -= free_pages_left();
	report(pages * PAGE_SIZE / NR_MMS, "%s_%u", key, num_possible_cpus());
}

static void measure_memory(void)
{
	measure_memory_of(subscribe_interval, "memory_interval");
	measure_memory_of(subscribe_hlist, "memory_hlist");
}

static int bench(void *data)
{
	struct completion *over = data;

	/* As after boot, or grace periods look better than they are. */
	rcu_unexpedite_gp();
	if (!strcmp(run, "count")) {
		count_sections();
		count_interval_sections();
		count_all_young();
		count_registrations();
		count_unregister_in_a_row();
		count_exit_in_a_row();
		count_put_and_synchronize();
		count_exit();
		count_system_calls();
		count_isolation();
		count_reader();
		measure_sizes();
	} else if (!strcmp(run, "clock")) {
		calibrate();
		clock_registrations();
		clock_grace_periods();
	} else if (!strcmp(run, "both")) {
		calibrate();
		clock_sections();
	} else if (!strcmp(run, "memory")) {
		measure_memory();
	}
	report(0, "end");
	complete(over);
	return 0;
}

static int __init bench_init(void)
{
	DECLARE_COMPLETION_ONSTACK(over);

	must(!IS_ERR(kthread_run(bench, &over, "bench")));
	wait_for_completion(&over);
	kernel_restart(NULL);
	return 0;
}
late_initcall_sync(bench_init);
