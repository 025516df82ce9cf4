// SPDX-License-Identifier: GPL-2.0
/*
 * What the base kernel gets wrong and the rework gets right.
 *
 * Each case asserts the right behaviour through the API that both kernels
 * have, so it must fail on the base and pass on the rework. A case whose
 * preparation fails is skipped, so that this never counts as the defect. Where
 * the base hangs, the hanging call runs in a thread of its own; the case
 * reports it after LIMIT and lets it go by hand.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/panic.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <asm/tlb.h>

#define LIMIT		(5 * HZ)
#define START		(16 * PAGE_SIZE)
#define LENGTH		(16 * PAGE_SIZE)

#define NR_PUTS		16
#define NR_ROUNDS	100

/* Report what the kernel does wrong; harness/prove/prove looks for the mark. */
#define prove(test, right, fmt, ...)					\
do {									\
	if (!(right))							\
		KUNIT_FAIL(test, "found: " fmt, ##__VA_ARGS__);		\
} while (0)

#define prepare(test, done)						\
do {									\
	if (!(done))							\
		kunit_skip(test, "preparation failed: " #done);		\
} while (0)

/* A call in its own thread, and its memory: left behind if it never ends. */
struct errand {
	void (*call)(void *arg);
	void *arg;
	struct completion done;
};

static int errand_thread(void *data)
{
	struct errand *errand = data;

	errand->call(errand->arg);
	complete(&errand->done);
	return 0;
}

static struct errand *errand_start(struct kunit *test, void (*call)(void *arg),
				   void *arg)
{
	struct errand *errand = kzalloc(sizeof(*errand), GFP_KERNEL);

	prepare(test, errand);
	errand->call = call;
	errand->arg = arg;
	init_completion(&errand->done);
	prepare(test, !IS_ERR(kthread_run(errand_thread, errand, "prove")));
	return errand;
}

static bool errand_over(struct errand *errand)
{
	if (!wait_for_completion_timeout(&errand->done, LIMIT))
		return false;
	kfree(errand);
	return true;
}

/* The list subscriber of all cases; the ops decide what it does. */
struct watcher {
	struct mmu_notifier mn;
	unsigned int nr_starts;
	unsigned int nr_ends;
	bool end_could_sleep;
	spinlock_t lock;		/* taken for its effect alone */
	struct mmu_notifier_range last;
	struct completion entered;
	struct completion go;
};

static struct watcher *to_watcher(struct mmu_notifier *mn)
{
	return container_of(mn, struct watcher, mn);
}

static int refuse_start(struct mmu_notifier *mn,
			const struct mmu_notifier_range *range)
{
	return mmu_notifier_range_blockable(range) ? 0 : -EAGAIN;
}

static const struct mmu_notifier_ops refuse_ops = {
	.invalidate_range_start	= refuse_start,
};

static int count_start(struct mmu_notifier *mn,
		       const struct mmu_notifier_range *range)
{
	struct watcher *watcher = to_watcher(mn);

	watcher->nr_starts++;
	watcher->last = *range;
	return 0;
}

static void count_end(struct mmu_notifier *mn,
		      const struct mmu_notifier_range *range)
{
	struct watcher *watcher = to_watcher(mn);

	watcher->nr_ends++;
	watcher->end_could_sleep = !current->non_block_count;
}

static const struct mmu_notifier_ops count_ops = {
	.invalidate_range_start	= count_start,
	.invalidate_range_end	= count_end,
};

static int block_start(struct mmu_notifier *mn,
		       const struct mmu_notifier_range *range)
{
	struct watcher *watcher = to_watcher(mn);

	complete(&watcher->entered);
	wait_for_completion(&watcher->go);
	return 0;
}

static const struct mmu_notifier_ops block_ops = {
	.invalidate_range_start	= block_start,
};

static int lock_start(struct mmu_notifier *mn,
		      const struct mmu_notifier_range *range)
{
	struct watcher *watcher = to_watcher(mn);

	spin_lock(&watcher->lock);
	spin_unlock(&watcher->lock);
	return 0;
}

static const struct mmu_notifier_ops lock_ops = {
	.invalidate_range_start	= lock_start,
};

static struct mm_struct *new_mm(struct kunit *test)
{
	struct mm_struct *mm = mm_alloc();

	prepare(test, mm);
	return mm;
}

/* Not in the memory of the case: a stuck thread may still read it. */
static struct watcher *watch(struct kunit *test, struct mm_struct *mm,
			     const struct mmu_notifier_ops *ops)
{
	struct watcher *watcher = kzalloc(sizeof(*watcher), GFP_KERNEL);

	prepare(test, watcher);
	spin_lock_init(&watcher->lock);
	init_completion(&watcher->entered);
	init_completion(&watcher->go);
	watcher->mn.ops = ops;
	prepare(test, !mmu_notifier_register(&watcher->mn, mm));
	return watcher;
}

static void unwatch(struct watcher *watcher)
{
	mmu_notifier_unregister(&watcher->mn, watcher->mn.mm);
	kfree(watcher);
}

/* The interval subscriber of all cases. */
struct span {
	struct mmu_interval_notifier mni;
	bool could_sleep;
};

static bool span_invalidate(struct mmu_interval_notifier *mni,
			    const struct mmu_notifier_range *range,
			    unsigned long cur_seq)
{
	struct span *span = container_of(mni, struct span, mni);

	mmu_interval_set_seq(mni, cur_seq);
	span->could_sleep = !current->non_block_count;
	return true;
}

static const struct mmu_interval_notifier_ops span_ops = {
	.invalidate	= span_invalidate,
};

static struct span *new_span(struct kunit *test, struct mm_struct *mm)
{
	struct span *span = kzalloc(sizeof(*span), GFP_KERNEL);

	prepare(test, span);
	prepare(test, !mmu_interval_notifier_insert(&span->mni, mm, START,
						    LENGTH, &span_ops));
	return span;
}

static int start_nonblock(struct mm_struct *mm,
			  struct mmu_notifier_range *range)
{
	int ret;

	mmap_read_lock(mm);
	mmu_notifier_range_init(range, MMU_NOTIFY_CLEAR, 0, mm, START,
				START + LENGTH);
	ret = mmu_notifier_invalidate_range_start_nonblock(range);
	if (!ret)
		mmu_notifier_invalidate_range_end(range);
	mmap_read_unlock(mm);
	return ret;
}

static void call_read_begin(void *arg)
{
	struct span *span = arg;

	mmu_interval_read_begin(&span->mni);
}

static void call_remove(void *arg)
{
	struct span *span = arg;

	mmu_interval_notifier_remove(&span->mni);
}

static void call_unregister(void *arg)
{
	struct watcher *watcher = arg;

	mmu_notifier_unregister(&watcher->mn, watcher->mn.mm);
}

static void call_mmput(void *arg)
{
	mmput(arg);
}

static void call_put(void *arg)
{
	mmu_notifier_put(arg);
	mmu_notifier_synchronize();
}

/* a: a list subscriber refuses a section that an interval has seen start. */
static void prove_refused(struct kunit *test, void (*call)(void *arg),
			  const char *name)
{
	struct mm_struct *mm = new_mm(test);
	struct watcher *refuser = watch(test, mm, &refuse_ops);
	struct span *span = new_span(test, mm);
	struct mmu_notifier_range range;
	struct errand *errand;

	prepare(test, start_nonblock(mm, &range) == -EAGAIN);

	errand = errand_start(test, call, span);
	if (!errand_over(errand)) {
		prove(test, false, "%s() hangs", name);
		/* The end that the failed start requires. */
		mmu_notifier_invalidate_range_end(&range);
		if (!errand_over(errand))
			return;
	}

	if (call != call_remove)
		mmu_interval_notifier_remove(&span->mni);
	kfree(span);
	unwatch(refuser);
	mmput(mm);
}

static void a_read_begin_after_refused_start(struct kunit *test)
{
	prove_refused(test, call_read_begin, "mmu_interval_read_begin");
}

static void a_remove_after_refused_start(struct kunit *test)
{
	prove_refused(test, call_remove, "mmu_interval_notifier_remove");
}

/* b: put on one CPU, synchronize on the other, while freeing takes its time. */
static atomic_t nr_freed;
static DECLARE_COMPLETION(all_freed);

static struct mmu_notifier *slow_alloc(struct mm_struct *mm)
{
	return kzalloc(sizeof(struct mmu_notifier), GFP_KERNEL) ?:
	       ERR_PTR(-ENOMEM);
}

static void slow_free(struct mmu_notifier *mn)
{
	mdelay(1);
	kfree(mn);
	if (atomic_inc_return(&nr_freed) == NR_PUTS)
		complete(&all_freed);
}

static const struct mmu_notifier_ops slow_ops = {
	.alloc_notifier	= slow_alloc,
	.free_notifier	= slow_free,
};

static void move_to(struct kunit *test, int cpu)
{
	prepare(test, !set_cpus_allowed_ptr(current, cpumask_of(cpu)));
}

static void b_synchronize_waits_for_every_free(struct kunit *test)
{
	int cpu = cpumask_first(cpu_online_mask);
	int other = cpumask_next(cpu, cpu_online_mask);
	int i, round, freed = NR_PUTS;
	struct mmu_notifier *mn[NR_PUTS];
	struct mm_struct *mm[NR_PUTS];

	prepare(test, other < nr_cpu_ids);
	for (i = 0; i < NR_PUTS; i++)
		mm[i] = new_mm(test);

	for (round = 0; round < NR_ROUNDS && freed == NR_PUTS; round++) {
		atomic_set(&nr_freed, 0);
		reinit_completion(&all_freed);
		for (i = 0; i < NR_PUTS; i++) {
			mn[i] = mmu_notifier_get(&slow_ops, mm[i]);
			prepare(test, !IS_ERR(mn[i]));
		}

		move_to(test, cpu);
		for (i = 0; i < NR_PUTS; i++)
			mmu_notifier_put(mn[i]);
		move_to(test, other);
		mmu_notifier_synchronize();
		freed = atomic_read(&nr_freed);

		prepare(test, wait_for_completion_timeout(&all_freed, LIMIT));
		swap(cpu, other);
	}
	prove(test, freed == NR_PUTS,
	      "round %d: %d of %d freed when mmu_notifier_synchronize() returns",
	      round, freed, NR_PUTS);

	for (i = 0; i < NR_PUTS; i++)
		mmput(mm[i]);
}

/* c: callbacks that might sleep unnoticed where nothing may sleep. */
static void c_nonblock_interval_invalidate(struct kunit *test)
{
	struct mm_struct *mm = new_mm(test);
	struct span *span = new_span(test, mm);
	struct mmu_notifier_range range;

	prepare(test, !start_nonblock(mm, &range));
	prove(test, !span->could_sleep, "->invalidate could sleep unnoticed");

	mmu_interval_notifier_remove(&span->mni);
	kfree(span);
	mmput(mm);
}

static void c_nonblock_end_of_refused_start(struct kunit *test)
{
	struct mm_struct *mm = new_mm(test);
	struct watcher *refuser = watch(test, mm, &refuse_ops);
	struct watcher *counter = watch(test, mm, &count_ops);
	struct mmu_notifier_range range;

	prepare(test, start_nonblock(mm, &range) == -EAGAIN);
	prepare(test, counter->nr_starts == 1 && counter->nr_ends == 1);
	prove(test, !counter->end_could_sleep,
	      "->invalidate_range_end could sleep unnoticed");

	unwatch(counter);
	unwatch(refuser);
	mmput(mm);
}

/* d: a callback of one mm blocks; this must not delay another mm. */
static void call_section(void *arg)
{
	struct mmu_notifier_range range;
	struct mm_struct *mm = arg;

	mmap_read_lock(mm);
	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, START,
				START + LENGTH);
	mmu_notifier_invalidate_range_start(&range);
	mmu_notifier_invalidate_range_end(&range);
	mmap_read_unlock(mm);
}

static void prove_isolated(struct kunit *test, void (*call)(void *arg),
			   void *arg, const char *name)
{
	struct mm_struct *mm = new_mm(test);
	struct watcher *blocker = watch(test, mm, &block_ops);
	struct errand *section = errand_start(test, call_section, mm);
	struct errand *errand;

	prepare(test, wait_for_completion_timeout(&blocker->entered, LIMIT));

	errand = errand_start(test, call, arg);
	if (!errand_over(errand)) {
		prove(test, false, "%s has to wait for another mm's callback", name);
		complete(&blocker->go);
		prepare(test, errand_over(errand));
	} else {
		complete(&blocker->go);
	}

	prepare(test, errand_over(section));
	unwatch(blocker);
	mmput(mm);
}

static void d_unregister_beside_blocked_mm(struct kunit *test)
{
	struct mm_struct *mm = new_mm(test);
	struct watcher *watcher = watch(test, mm, &count_ops);

	prove_isolated(test, call_unregister, watcher,
		       "mmu_notifier_unregister()");
	kfree(watcher);
	mmput(mm);
}

static void d_exit_beside_blocked_mm(struct kunit *test)
{
	struct mm_struct *mm = new_mm(test);
	struct watcher *watcher = watch(test, mm, &count_ops);

	prove_isolated(test, call_mmput, mm, "mmput()");
	unwatch(watcher);
}

static void d_put_beside_blocked_mm(struct kunit *test)
{
	struct mm_struct *mm = new_mm(test);
	struct mmu_notifier *mn = mmu_notifier_get(&slow_ops, mm);

	prepare(test, !IS_ERR(mn));
	prove_isolated(test, call_put, mn,
		       "mmu_notifier_put() with mmu_notifier_synchronize()");
	mmput(mm);
}

/* e: drivers take a non-NULL ->mm as "is subscribed". */
static void e_failed_insert_leaves_no_mm(struct kunit *test)
{
	struct mm_struct *mm = new_mm(test);
	struct span span = {};

	prepare(test, mmu_interval_notifier_insert(&span.mni, mm, -PAGE_SIZE,
						   2 * PAGE_SIZE, &span_ops) ==
		      -EOVERFLOW);
	prove(test, !span.mni.mm, "->mm is set and nothing is inserted");
	mmput(mm);
}

/* Give the case's thread an mm of its own, with one mapping in it. */
static struct mm_struct *own_mm(struct kunit *test)
{
	prepare(test, kunit_vm_mmap(test, NULL, 0, PAGE_SIZE,
				    PROT_READ | PROT_WRITE,
				    MAP_ANONYMOUS | MAP_PRIVATE, 0));
	prepare(test, current->mm);
	return current->mm;
}

/* f: a task with a signal pending can register all the same. */
static void f_signal_does_not_fail_register(struct kunit *test)
{
	struct mm_struct *mm = own_mm(test);
	struct watcher watcher = { .mn.ops = &count_ops };
	bool pending;
	int ret;

	allow_signal(SIGUSR1);
	send_sig(SIGUSR1, current, 1);
	pending = signal_pending(current);
	ret = mmu_notifier_register(&watcher.mn, mm);
	flush_signals(current);
	disallow_signal(SIGUSR1);

	if (!ret)
		mmu_notifier_unregister(&watcher.mn, mm);
	prepare(test, pending);
	prove(test, !ret, "mmu_notifier_register() returns %d", ret);
}

/* g: a change of protection at address 0 ends the section that it starts. */
static void g_mprotect_at_zero_is_paired(struct kunit *test)
{
	struct mm_struct *mm = own_mm(test);
	struct watcher *counter;
	struct mmu_gather tlb;

	prepare(test, !vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			       MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0));
	prepare(test, !clear_user((void __user *)0, PAGE_SIZE));
	counter = watch(test, mm, &count_ops);

	mmap_write_lock(mm);
	vma_start_write(vma_lookup(mm, 0));
	tlb_gather_mmu(&tlb, mm);
	change_protection(&tlb, vma_lookup(mm, 0), 0, PAGE_SIZE, 0);
	tlb_finish_mmu(&tlb);
	mmap_write_unlock(mm);

	prepare(test, counter->nr_starts);
	prove(test, counter->nr_starts == counter->nr_ends,
	      "%u starts, %u ends", counter->nr_starts, counter->nr_ends);
	if (counter->nr_starts != counter->nr_ends)
		mmu_notifier_invalidate_range_end(&counter->last);
	unwatch(counter);
}

/* h: ->release ends another subscription. */
struct pair {
	struct mmu_notifier mn;
	struct watcher *other;
};

static void release_other(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct pair *pair = container_of(mn, struct pair, mn);

	mmu_notifier_unregister(&pair->other->mn, mm);
}

static const struct mmu_notifier_ops pair_ops = {
	.release	= release_other,
};

static struct pair *new_pair(struct kunit *test, struct mm_struct *mm)
{
	struct pair *pair = kzalloc(sizeof(*pair), GFP_KERNEL);

	prepare(test, pair);
	pair->mn.ops = &pair_ops;
	pair->other = watch(test, mm, &count_ops);
	prepare(test, !mmu_notifier_register(&pair->mn, mm));
	return pair;
}

static void call_unregister_pair(void *arg)
{
	struct pair *pair = arg;

	mmu_notifier_unregister(&pair->mn, pair->mn.mm);
}

static void h_unregister_in_release_of_unregister(struct kunit *test)
{
	struct mm_struct *mm = new_mm(test);
	struct pair *pair = new_pair(test, mm);

	if (!errand_over(errand_start(test, call_unregister_pair, pair))) {
		prove(test, false, "mmu_notifier_unregister() hangs");
		return;
	}
	kfree(pair->other);
	kfree(pair);
	mmput(mm);
}

static void h_unregister_in_release_of_exit(struct kunit *test)
{
	struct mm_struct *mm = new_mm(test);
	struct pair *pair = new_pair(test, mm);

	if (!errand_over(errand_start(test, call_mmput, mm))) {
		prove(test, false, "mmput() hangs");
		return;
	}
	mmu_notifier_unregister(&pair->mn, mm);
	kfree(pair->other);
	kfree(pair);
}

/* i: a reader begins on a subscription that was never inserted. */
static void i_read_begin_without_insert(struct kunit *test)
{
	struct span *span = kzalloc(sizeof(*span), GFP_KERNEL);

	prepare(test, span);
	pr_info("expect-splat: WARNING mm/mmu_interval_notifier.c\n");
	if (!errand_over(errand_start(test, call_read_begin, span))) {
		prove(test, false, "an oops in mmu_interval_read_begin()");
		return;
	}
	kfree(span);
}

/* rt: a spinlock, which may sleep there, is allowed in a callback. */
static void rt_spinlock_in_nonblock_start(struct kunit *test)
{
	struct mm_struct *mm = new_mm(test);
	struct watcher *watcher = watch(test, mm, &lock_ops);
	struct mmu_notifier_range range;

	prepare(test, IS_ENABLED(CONFIG_PREEMPT_RT));
	prepare(test, !test_taint(TAINT_WARN));
	prepare(test, !start_nonblock(mm, &range));
	prove(test, !test_taint(TAINT_WARN),
	      "a spinlock in ->invalidate_range_start is reported");

	unwatch(watcher);
	mmput(mm);
}

static struct kunit_case prove_cases[] = {
	KUNIT_CASE(a_read_begin_after_refused_start),
	KUNIT_CASE(a_remove_after_refused_start),
	KUNIT_CASE(b_synchronize_waits_for_every_free),
	KUNIT_CASE(c_nonblock_interval_invalidate),
	KUNIT_CASE(c_nonblock_end_of_refused_start),
	KUNIT_CASE(d_unregister_beside_blocked_mm),
	KUNIT_CASE(d_exit_beside_blocked_mm),
	KUNIT_CASE(d_put_beside_blocked_mm),
	KUNIT_CASE(e_failed_insert_leaves_no_mm),
	KUNIT_CASE(f_signal_does_not_fail_register),
	KUNIT_CASE(g_mprotect_at_zero_is_paired),
	KUNIT_CASE(h_unregister_in_release_of_unregister),
	KUNIT_CASE(h_unregister_in_release_of_exit),
	KUNIT_CASE(i_read_begin_without_insert),
	KUNIT_CASE(rt_spinlock_in_nonblock_start),
	{}
};

static struct kunit_suite prove_suite = {
	.name = "mmu_notifier_prove",
	.test_cases = prove_cases,
};

kunit_test_suite(prove_suite);
