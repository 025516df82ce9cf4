// SPDX-License-Identifier: GPL-2.0-only
/*
 * Torture test of the mmu_notifier.
 */

/**
 * DOC: a torture test of the mmu_notifier
 *
 * Threads do at random, on many mms at once, all that drivers and mm do with
 * notifiers. A model checks the result of each step.
 *
 * **Mms** have no process. Each has an anonymous VMA and one of a file that all
 * share, so that a section can hold any of the locks that may cover it, and rmap
 * leads from the file to all mms. Threads take mms from a table of slots; now
 * and then one exits and is replaced by another.
 *
 * **Subscriptions** are in the seats of their mm. A thread that takes one has it
 * for itself; the sections that call it meanwhile come from other threads.
 *
 * ============  =============================================================
 * thread        what it does
 * ============  =============================================================
 * sectioner     sections in any order, nested, overlapping, blockable or not,
 *               under one of the locks
 * walker        as truncation and reclaim do: goes from the file to an mm,
 *               which may be exiting, and runs sections, or ages it;
 *               truncates
 * registrar     registers and unregisters, with and without mmap_lock
 * getter        get, put, synchronize
 * intervalist   inserts and removes, reads under collision-retry
 * ager          calls for the young and arch_invalidate callbacks
 * exiter        drops the last user of an mm, before or after it has left
 * holder        keeps a section open on an mm of its own until there has been
 *               progress of all kinds elsewhere
 * ============  =============================================================
 *
 * In addition, ->release callbacks unregister and put; and debug kernels inject
 * sections of their own and decline some.
 *
 * **The model** knows a section by the owner of its range. It checks these
 * rules, and assumes nothing else:
 *
 * - coverage: at any time each open section has called every hlist subscription
 *   that is not released, and every interval that began to read before it;
 * - pairing: each subscriber gets one start and one end, in this order, and no
 *   end if it declined; when a start is declined, the subscribers before it get
 *   their end, and no later one gets a start; second passes come once, in order,
 *   before start returns;
 * - collision-retry: what an interval has copied is what the page table says,
 *   and no interval has a valid copy while a section changes what it covers;
 * - release: called once, and not by an exit that begins after the last put. It
 *   is over when exit frees the pages and when unregister returns; so are the
 *   sections that began before it; with unregister, all callbacks are over;
 * - freeing: free_notifier is called once, without users, before synchronize
 *   returns; a subscription that is freed is neither called nor written to;
 * - young callbacks: each subscriber is called once, and the result is theirs;
 * - isolation: the holder sees progress;
 * - no thread is stuck, nothing is left in the end, and a signal has no effect.
 *
 * Callbacks that must not sleep run where the kernel reports sleeping.
 *
 * **The proof that it notices** is ``busted``: one operation is done in a naive
 * way, and the test passes only if the model objects before the time is over.
 *
 * ===========  ================================================================
 * busted       what is left out
 * ===========  ================================================================
 * first        the drain of a first registration, through the locks of the mm
 * drain        the drain of a later one, through the domain
 * latecomer    the second list: newcomers get ends of sections that run
 * grace        the grace period between unlinking and freeing
 * unwind       the ends for those called before a start was declined
 * release      the check whether ->release was called already
 * synchronize  the wait for what was put
 * ready        the drain before the first interval
 * remove       the wait for sections that walk the tree
 * retry        the question whether to retry
 * ===========  ================================================================
 *
 * The test must be built in: modules cannot create mms, and the naive
 * operations use internals of the mmu_notifier.
 */

#define pr_fmt(fmt) fmt

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fault-inject.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/mmap_lock.h>
#include <linux/moduleparam.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/sched/debug.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../internal.h"
#include "../mmu_notifier_internal.h"
#include "mmu_notifier_torture.h"

static unsigned int tt_seconds;
module_param_named(seconds, tt_seconds, uint, 0444);
MODULE_PARM_DESC(seconds,
		 "How long to run, in s, or up to four times that until all has happened; 0: not at all");

static unsigned int tt_seed;
module_param_named(seed, tt_seed, uint, 0444);
MODULE_PARM_DESC(seed, "Where random numbers begin; 0: at a random one");

static char *tt_shutdown;
module_param_named(shutdown, tt_shutdown, charp, 0444);
MODULE_PARM_DESC(shutdown, "What to do then: poweroff, halt, reboot; default: go on");

static char *tt_busted_name;
module_param_named(busted, tt_busted_name, charp, 0444);
MODULE_PARM_DESC(busted, "What to do in a naive way, which has to be noticed");

static unsigned int tt_mms = 6;
module_param_named(mms, tt_mms, uint, 0444);
MODULE_PARM_DESC(mms, "Number of mms at a time, up to 64");

static unsigned int tt_nest = 3;
module_param_named(nest, tt_nest, uint, 0444);
MODULE_PARM_DESC(nest, "Number of sections that a thread has open at a time, up to 8");

unsigned int tt_decline = 100;
module_param_named(decline, tt_decline, uint, 0444);
MODULE_PARM_DESC(decline, "How many non-blockable starts a subscriber declines, in 1/1000");

unsigned int tt_fail = 1;
module_param_named(fail, tt_fail, uint, 0444);
MODULE_PARM_DESC(fail, "How many of them fault injection declines, in percent");

static unsigned int tt_inject = 200;
module_param_named(inject, tt_inject, uint, 0444);
MODULE_PARM_DESC(inject, "Every how many sections a spurious one is injected; 0: never");

static unsigned int tt_stall = 30;
module_param_named(stall, tt_stall, uint, 0444);
MODULE_PARM_DESC(stall, "Without progress for how long a thread is stuck, in s");

atomic_long_t tt_stats[TT_STATS];

static const char *const tt_stat_names[TT_STATS] = {
	[TT_SECTIONS] = "sections",
	[TT_NESTED] = "nested sections",
	[TT_NONBLOCK] = "non-blockable sections",
	[TT_DECLINED_HLIST] = "declined by hlist subscribers",
	[TT_DECLINED_ITREE] = "declined by intervals",
	[TT_DECLINED_INJECTED] = "declined by fault injection",
	[TT_UNWOUND] = "ends after another one declined",
	[TT_UNCOUNTED] = "sections before anybody subscribed",
	[TT_ALONE] = "sections outside of the domain",
	[TT_UNSLOTTED] = "sections without a slot",
	[TT_COVER_MMAP_READ] = "under mmap_lock for read",
	[TT_COVER_MMAP_WRITE] = "under mmap_lock for write",
	[TT_COVER_VMA] = "under the lock of a VMA",
	[TT_COVER_ANON] = "under an anon_vma lock",
	[TT_COVER_FILE] = "under i_mmap_rwsem",
	[TT_FOREIGN] = "callbacks for sections of others",
	[TT_REGISTERED] = "registered",
	[TT_REGISTERED_FIRST] = "registered as the first of an mm",
	[TT_REGISTERED_NOBODY] = "registered nobody",
	[TT_UNREGISTERED] = "unregistered",
	[TT_UNREGISTERED_LOCKED] = "unregistered under mmap_lock",
	[TT_UNREGISTERED_EXITED] = "unregistered when the mm had no user",
	[TT_UNREGISTERED_IN_RELEASE] = "unregistered in ->release",
	[TT_RELEASED_BY_EXIT] = "released by exit",
	[TT_RELEASED_BY_UNREGISTER] = "released by unregister",
	[TT_GOTTEN] = "gotten",
	[TT_GOTTEN_AGAIN] = "gotten with another user",
	[TT_PUT] = "put",
	[TT_PUT_IN_RELEASE] = "put in ->release",
	[TT_FREED] = "freed",
	[TT_SYNCHRONIZED] = "synchronized",
	[TT_INSERTED] = "inserted",
	[TT_INSERTED_LOCKED] = "inserted under mmap_lock for read",
	[TT_REMOVED] = "removed",
	[TT_REMOVED_EXITED] = "removed when the mm had no user",
	[TT_READ] = "reads",
	[TT_RETRIED] = "retries",
	[TT_INVALIDATED] = "invalidated",
	[TT_INVALIDATED_BY_EXIT] = "invalidated by exit",
	[TT_FINISHED] = "second passes",
	[TT_FINISHED_DECLINED] = "second passes after somebody declined",
	[TT_YOUNG] = "young calls",
	[TT_ARCH_INVALIDATED] = "arch_invalidate calls",
	[TT_EXITED] = "exits",
	[TT_HELD] = "sections held until others made progress",
};

bool tt_stop;
struct tt_verdict tt_verdict;

static struct file *tt_file;	/* mapped by all mms */

#define TT_MMS_MAX	64

static DEFINE_SPINLOCK(tt_slots_lock);
static struct tt_mm *tt_slots[TT_MMS_MAX];

#define TT_BUGS_SHOWN	10

/* The first bug ends the test; later ones may explain it. */
void tt_bug(const char *fmt, ...)
{
	int number = atomic_inc_return(&tt_verdict.bugs);
	char text[TT_FIRST_BUG_SIZE];
	va_list args;

	va_start(args, fmt);
	vscnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (number <= TT_BUGS_SHOWN)
		pr_err("# bug %d: %s: %s\n", number, current->comm, text);
	if (number > 1)
		return;
	strscpy(tt_verdict.first, text);
	tt_verdict.first_at = ktime_get_ns();
	WRITE_ONCE(tt_stop, true);
	complete_all(&tt_verdict.caught);
}

/* Let other threads run in between. @t is NULL where it is not known. */
void tt_pause(struct tt_thread *t, bool may_sleep)
{
	u32 dice = t ? prandom_u32_state(&t->rnd) : get_random_u32();

	switch (dice % 32) {
	case 0 ... 7:
		udelay((dice >> 16) % 32);
		break;
	case 8 ... 11:
		if (may_sleep)
			cond_resched();
		break;
	case 12:
		if (may_sleep)
			schedule_timeout_uninterruptible(1);
		break;
	default:
		break;
	}
}

/* Mms */

static struct tt_mm *tt_pick(struct tt_thread *t)
{
	struct tt_mm *tm;

	spin_lock(&tt_slots_lock);
	tm = tt_mm_get(tt_slots[tt_below(t, tt_mms)]);
	spin_unlock(&tt_slots_lock);
	return tm;
}

static struct tt_mm *tt_swap(unsigned int slot, struct tt_mm *new)
{
	struct tt_mm *old;

	spin_lock(&tt_slots_lock);
	old = tt_slots[slot];
	tt_slots[slot] = new;
	spin_unlock(&tt_slots_lock);
	return old;
}

static void tt_put(struct tt_sub *sub)
{
	struct tt_mm *tm = tt_mm_get(sub->tm);

	down_read(&tm->getput);
	tt_sub_put(sub);
	up_read(&tm->getput);
	tt_mm_put(tm);
}

static void tt_end_subscription(enum tt_kind kind, void *what)
{
	switch (kind) {
	case TT_HLIST:
		tt_sub_unregister(what);
		break;
	case TT_GET:
		tt_put(what);
		break;
	default:
		tt_int_remove(what);
		break;
	}
}

/* End all subscriptions, whether the mm has users or not. */
static void tt_mm_close(struct tt_mm *tm)
{
	enum tt_kind kind;
	unsigned int seat;
	void *what;

	WRITE_ONCE(tm->closing, true);
	/* Pairs with the one in tt_seat_offer(). */
	smp_mb();
	for (kind = 0; kind < TT_KINDS; kind++) {
		for (seat = 0; seat < TT_SEATS; seat++) {
			what = tt_seat_take(tm, kind, seat);
			if (!what)
				continue;
			tt_end_subscription(kind, what);
			tt_seat_leave(tm, kind, seat);
		}
	}
}

/* Leave a subscription in its seat, or end it if the mm is being closed. */
static void tt_settle(struct tt_mm *tm, enum tt_kind kind, unsigned int seat,
		      void *what)
{
	if (tt_seat_offer(tm, kind, seat, what))
		return;
	tt_end_subscription(kind, what);
	tt_seat_leave(tm, kind, seat);
}

static bool tt_exited(struct tt_mm *tm)
{
	return !atomic_read(&tm->mm->mm_users);
}

/* Exiters */

static void tt_mmput(struct tt_thread *t, struct mm_struct *mm)
{
	if (tt_below(t, 4))
		mmput(mm);
	else
		mmput_async(mm);
}

/* An mm exits in its slot, or when its subscriptions are ended, or before. */
static void tt_exit_one(struct tt_thread *t)
{
	struct tt_mm *new = tt_mm_new(tt_file);
	unsigned int slot = tt_below(t, tt_mms);
	unsigned int when = tt_below(t, 4);
	struct tt_mm *old;

	if (!new) {
		tt_bug("no memory for an mm");
		return;
	}
	if (when < 2) {
		old = tt_slots[slot];
		tt_doing(t, "exit of an mm that others find");
		tt_mmput(t, old->mm);
		schedule_timeout_uninterruptible(tt_below(t, 4));
	}
	old = tt_swap(slot, new);
	tt_doing(t, "exit of an mm");
	if (when == 2)
		tt_mmput(t, old->mm);
	tt_mm_close(old);
	if (when == 3)
		tt_mmput(t, old->mm);
	tt_mm_put(old);
}

/* There is one of these threads, as there is one user in each slot to drop. */
static void tt_exiter(struct tt_thread *t)
{
	tt_exit_one(t);
	schedule_timeout_uninterruptible(tt_below(t, 4));
}

/* Sectioners */

/* A range of pages */
struct tt_window {
	unsigned int first;
	unsigned int pages;
};

static void tt_toggle(struct tt_thread *t, struct tt_section *s,
		      struct tt_mm *tm, struct tt_window window)
{
	unsigned int skip = tt_below(t, window.pages);

	if (s->state == TT_CHANGING) {
		tt_doing(t, "end of a section");
		tt_section_close(s);
		return;
	}
	tt_doing(t, "start of a section");
	s->t = t;
	s->tm = tm;
	s->first = window.first + skip;
	s->pages = 1 + tt_below(t, window.pages - skip);
	s->blockable = tt_below(t, 5) > 1;
	tt_section_open(s);
}

static void tt_look(struct tt_thread *t)
{
	unsigned int i, open = 0;

	for (i = 0; i < tt_nest; i++) {
		if (t->sections[i].state != TT_CHANGING)
			continue;
		tt_section_look(&t->sections[i]);
		open++;
	}
	if (open > 1)
		tt_count(TT_NESTED);
}

/* The caller holds what covers the window. */
static void tt_sections(struct tt_thread *t, struct tt_mm *tm,
			struct tt_window window)
{
	unsigned int steps = 1 + tt_below(t, 4 * tt_nest);
	unsigned int i;

	while (steps-- && !tt_stopping()) {
		tt_toggle(t, &t->sections[tt_below(t, tt_nest)], tm, window);
		/*
		 * Now and then wait long enough for other threads to come and
		 * go.
		 */
		if (!tt_below(t, 16))
			schedule_timeout_uninterruptible(1 + tt_below(t, 4));
		tt_look(t);
	}
	for (i = 0; i < tt_nest; i++)
		if (t->sections[i].state == TT_CHANGING)
			tt_section_close(&t->sections[i]);
}

static const struct tt_window tt_all = { 0, TT_PAGES };
static const struct tt_window tt_anon_part = { 0, TT_HALF };
static const struct tt_window tt_file_part = { TT_HALF, TT_HALF };

static void tt_sections_mmap(struct tt_thread *t, struct tt_mm *tm)
{
	tt_count(TT_COVER_MMAP_READ);
	mmap_read_lock(tm->mm);
	tt_sections(t, tm, tt_all);
	mmap_read_unlock(tm->mm);
}

static void tt_sections_mmap_write(struct tt_thread *t, struct tt_mm *tm)
{
	tt_count(TT_COVER_MMAP_WRITE);
	mmap_write_lock(tm->mm);
	tt_sections(t, tm, tt_all);
	mmap_write_unlock(tm->mm);
}

#ifdef CONFIG_PER_VMA_LOCK
static void tt_sections_vma(struct tt_thread *t, struct tt_mm *tm)
{
	struct vm_area_struct *vma = lock_vma_under_rcu(tm->mm, TT_BASE);

	/* A first registration has it. */
	if (!vma)
		return;
	tt_count(TT_COVER_VMA);
	tt_sections(t, tm, tt_anon_part);
	vma_end_read(vma);
}
#else
static void tt_sections_vma(struct tt_thread *t, struct tt_mm *tm)
{
}
#endif

static void tt_sections_anon(struct tt_thread *t, struct tt_mm *tm)
{
	struct anon_vma *anon_vma = tm->anon->anon_vma;

	tt_count(TT_COVER_ANON);
	anon_vma_lock_read(anon_vma);
	tt_sections(t, tm, tt_anon_part);
	anon_vma_unlock_read(anon_vma);
}

static void tt_sections_file(struct tt_thread *t, struct tt_mm *tm)
{
	tt_count(TT_COVER_FILE);
	i_mmap_lock_read(tt_file->f_mapping);
	tt_sections(t, tm, tt_file_part);
	i_mmap_unlock_read(tt_file->f_mapping);
}

static void (*const tt_covered[])(struct tt_thread *t, struct tt_mm *tm) = {
	tt_sections_mmap,
	tt_sections_mmap,
	tt_sections_mmap_write,
	tt_sections_vma,
	tt_sections_vma,
	tt_sections_anon,
	tt_sections_file,
};

static void tt_sectioner(struct tt_thread *t)
{
	struct tt_mm *tm = tt_pick(t);

	if (mmget_not_zero(tm->mm)) {
		tt_doing(t, "lock for sections");
		tt_covered[tt_below(t, ARRAY_SIZE(tt_covered))](t, tm);
		tt_doing(t, "mmput");
		tt_mmput(t, tm->mm);
	}
	tt_mm_put(tm);
}

/* Walkers */

/* One of the VMAs that are mapped. They stay mapped under i_mmap_rwsem. */
static struct tt_mm *tt_walk(struct tt_thread *t, struct address_space *mapping)
{
	unsigned int skip = tt_below(t, tt_mms);
	struct vm_area_struct *vma;
	struct tt_mm *tm = NULL;

	vma_interval_tree_foreach(vma, &mapping->i_mmap, 0, TT_HALF - 1) {
		tm = tt_mm_of_vma(vma);
		if (!skip--)
			break;
	}
	return tm;
}

static void tt_walker(struct tt_thread *t)
{
	struct address_space *mapping = tt_file->f_mapping;
	struct tt_mm *tm;

	tt_doing(t, "truncation");
	if (!tt_below(t, 4))
		unmap_mapping_range(mapping, 0, 0, 1);

	tt_doing(t, "lock of the mapping");
	i_mmap_lock_read(mapping);
	tm = tt_walk(t, mapping);
	if (tm && tt_below(t, 4))
		tt_sections(t, tm, tt_file_part);
	else if (tm)
		tt_young(t, tm);
	i_mmap_unlock_read(mapping);
	tt_pause(t, true);
}

/* Agers */

static void tt_ager(struct tt_thread *t)
{
	struct tt_mm *tm = tt_pick(t);
	unsigned int calls = tt_below(t, 20);
	struct anon_vma *anon_vma;

	tt_doing(t, "young callbacks");
	if (mmget_not_zero(tm->mm)) {
		anon_vma = tm->anon->anon_vma;
		/* A first registration passes through this, as through all others. */
		anon_vma_lock_read(anon_vma);
		while (calls--)
			tt_young(t, tm);
		anon_vma_unlock_read(anon_vma);
		tt_doing(t, "mmput");
		tt_mmput(t, tm->mm);
	}
	tt_mm_put(tm);
	tt_pause(t, true);
}

/* Registrars */

static int tt_register_somehow(struct tt_thread *t, struct tt_sub *sub)
{
	struct mm_struct *mm = sub->tm->mm;
	int err;

	if (!tt_busted && tt_below(t, 2)) {
		err = mmu_notifier_register(&sub->mn, mm);
		if (!err)
			tt_sub_subscribed(sub);
		return err;
	}
	mmap_write_lock(mm);
	if (!mm_has_notifiers(mm))
		tt_count(TT_REGISTERED_FIRST);
	err = tt_register(sub, mm);
	if (!err)
		tt_sub_subscribed(sub);
	mmap_write_unlock(mm);
	return err;
}

/* Returns NULL, and reports a bug if the reason is not lack of memory. */
static struct tt_sub *tt_register_new(struct tt_thread *t, struct tt_mm *tm,
				      unsigned int seat)
{
	struct tt_sub *sub = tt_sub_new(tm, t);
	int err;

	if (!sub)
		return NULL;
	sub->seat = seat;
	/* A pending signal does not disturb registration. */
	if (tt_below(t, 2))
		set_thread_flag(TIF_SIGPENDING);
	err = tt_register_somehow(t, sub);
	clear_thread_flag(TIF_SIGPENDING);
	if (err) {
		tt_bug("registration fails: %d", err);
		tt_sub_drop(sub);
		return NULL;
	}
	tt_count(TT_REGISTERED);
	return sub;
}

static void tt_register_at(struct tt_thread *t, struct tt_mm *tm,
			   unsigned int seat)
{
	struct tt_sub *sub = NULL;

	tt_doing(t, "register");
	if (mmget_not_zero(tm->mm)) {
		sub = tt_register_new(t, tm, seat);
		if (sub)
			tt_settle(tm, TT_HLIST, seat, sub);
		tt_mmput(t, tm->mm);
	}
	if (!sub)
		tt_seat_leave(tm, TT_HLIST, seat);
}

static void tt_unregister_somehow(struct tt_thread *t, struct tt_sub *sub)
{
	struct mm_struct *mm = sub->tm->mm;
	unsigned int lock = tt_below(t, 5);

	tt_doing(t, "unregister");
	if (tt_exited(sub->tm))
		tt_count(TT_UNREGISTERED_EXITED);
	if (lock < 2)
		tt_count(TT_UNREGISTERED_LOCKED);
	/* The structure of the mm is there as long as the caller's tm is. */
	if (lock == 0)
		mmap_write_lock(mm);
	else if (lock == 1)
		mmap_read_lock(mm);
	tt_sub_unregister(sub);
	if (lock == 0)
		mmap_write_unlock(mm);
	else if (lock == 1)
		mmap_read_unlock(mm);
}

static void tt_registrar(struct tt_thread *t)
{
	unsigned int seat = tt_below(t, TT_SEATS);
	struct tt_mm *tm = tt_pick(t);
	struct tt_sub *sub = tt_seat_take(tm, TT_HLIST, seat);

	if (sub) {
		tt_unregister_somehow(t, sub);
		tt_seat_leave(tm, TT_HLIST, seat);
	} else if (tt_seat_claim(tm, TT_HLIST, seat)) {
		tt_register_at(t, tm, seat);
	}
	tt_mm_put(tm);
	tt_pause(t, true);
}

/* Getters */

static struct mmu_notifier *tt_get_somehow(struct tt_thread *t,
					   const struct mmu_notifier_ops *ops,
					   struct mm_struct *mm)
{
	struct mmu_notifier *mn;

	if (!tt_busted && tt_below(t, 2))
		return mmu_notifier_get(ops, mm);
	mmap_write_lock(mm);
	tt_prepare(mm);
	mn = mmu_notifier_get_locked(ops, mm);
	mmap_write_unlock(mm);
	return mn;
}

static struct tt_sub *tt_get(struct tt_thread *t, struct tt_mm *tm)
{
	const struct mmu_notifier_ops *ops =
		&tt_refcounted_ops[tt_below(t, TT_REFCOUNTED)];
	struct mmu_notifier *mn;
	struct tt_sub *sub;

	t->tm = tm;
	mn = tt_get_somehow(t, ops, tm->mm);
	if (IS_ERR(mn)) {
		if (PTR_ERR(mn) != -ENOMEM)
			tt_bug("get fails: %ld", PTR_ERR(mn));
		return NULL;
	}
	sub = tt_sub_of(mn);
	if (READ_ONCE(sub->magic) != TT_MAGIC || sub->tm != tm || mn->ops != ops)
		tt_bug("get gives what it should not");
	tt_count(TT_GOTTEN);
	if (atomic_inc_return(&sub->users) > 1)
		tt_count(TT_GOTTEN_AGAIN);
	tt_sub_subscribed(sub);
	return sub;
}

static void tt_get_at(struct tt_thread *t, struct tt_mm *tm, unsigned int seat)
{
	struct tt_sub *sub = NULL;

	tt_doing(t, "get");
	if (mmget_not_zero(tm->mm)) {
		down_read(&tm->getput);
		sub = tt_get(t, tm);
		up_read(&tm->getput);
		if (sub)
			tt_settle(tm, TT_GET, seat, sub);
		tt_mmput(t, tm->mm);
	}
	if (!sub)
		tt_seat_leave(tm, TT_GET, seat);
}

/*
 * Keep other threads from get and put, so that it is known to be the last put.
 */
static void tt_put_alone(struct tt_thread *t, struct tt_sub *sub)
{
	struct tt_mm *tm = tt_mm_get(sub->tm);
	bool last;

	refcount_inc(&sub->ref);
	down_write(&tm->getput);
	last = tt_sub_put(sub);
	/* Exit that begins now comes too late for ->release. */
	if (last && !tt_exited(tm))
		WRITE_ONCE(sub->put, true);
	up_write(&tm->getput);
	if (last && tt_below(t, 2)) {
		tt_doing(t, "synchronize");
		tt_synchronize();
		/* Pairs with the release in tt_sub_free(). */
		if (!smp_load_acquire(&sub->freed))
			tt_bug("synchronized: what was put is not freed");
		tt_count(TT_SYNCHRONIZED);
	}
	tt_sub_unref(sub);
	tt_mm_put(tm);
}

static void tt_getter(struct tt_thread *t)
{
	unsigned int seat = tt_below(t, TT_SEATS);
	struct tt_mm *tm = tt_pick(t);
	struct tt_sub *sub = tt_seat_take(tm, TT_GET, seat);

	tt_doing(t, "put");
	if (sub) {
		if (tt_below(t, 2))
			tt_put_alone(t, sub);
		else
			tt_put(sub);
		tt_seat_leave(tm, TT_GET, seat);
	} else if (tt_seat_claim(tm, TT_GET, seat)) {
		tt_get_at(t, tm, seat);
	}
	tt_mm_put(tm);
	tt_pause(t, true);
}

/* Intervalists */

static struct tt_int *tt_insert_new(struct tt_thread *t, struct tt_mm *tm,
				    unsigned int seat)
{
	struct tt_int *i = tt_int_new(tm, seat, t);
	int err;

	if (!i)
		return NULL;
	err = tt_int_insert(i, tt_below(t, TT_HOLDS));
	if (!err)
		return i;
	tt_bug("insertion fails: %d", err);
	tt_int_drop(i);
	return NULL;
}

static void tt_insert_at(struct tt_thread *t, struct tt_mm *tm,
			 unsigned int seat)
{
	struct tt_int *i = NULL;

	tt_doing(t, "insert");
	if (mmget_not_zero(tm->mm)) {
		i = tt_insert_new(t, tm, seat);
		if (i) {
			tt_int_read(i, t);
			tt_settle(tm, TT_INTERVAL, seat, i);
		}
		tt_mmput(t, tm->mm);
	}
	if (!i)
		tt_seat_leave(tm, TT_INTERVAL, seat);
}

static void tt_read(struct tt_thread *t, struct tt_int *i)
{
	bool locked = tt_below(t, 2);

	tt_doing(t, "read");
	if (locked)
		mmap_read_lock(i->tm->mm);
	tt_int_read(i, t);
	if (locked)
		mmap_read_unlock(i->tm->mm);
}

static void tt_use_interval(struct tt_thread *t, struct tt_int *i)
{
	struct tt_mm *tm = i->tm;
	unsigned int seat = i->seat;

	if (tt_below(t, 4) && mmget_not_zero(tm->mm)) {
		tt_read(t, i);
		tt_settle(tm, TT_INTERVAL, seat, i);
		tt_mmput(t, tm->mm);
		return;
	}
	tt_doing(t, "remove");
	if (tt_exited(tm))
		tt_count(TT_REMOVED_EXITED);
	tt_int_remove(i);
	tt_seat_leave(tm, TT_INTERVAL, seat);
}

static void tt_intervalist(struct tt_thread *t)
{
	unsigned int seat = tt_below(t, TT_SEATS);
	struct tt_mm *tm = tt_pick(t);
	struct tt_int *i = tt_seat_take(tm, TT_INTERVAL, seat);

	if (i)
		tt_use_interval(t, i);
	else if (tt_seat_claim(tm, TT_INTERVAL, seat))
		tt_insert_at(t, tm, seat);
	tt_mm_put(tm);
	tt_pause(t, true);
}

/* Holders */

static const enum tt_stat tt_progress[] = {
	TT_REGISTERED, TT_UNREGISTERED, TT_FREED, TT_SYNCHRONIZED,
	TT_INSERTED, TT_REMOVED, TT_EXITED,
};

static bool tt_progressed(const long *since)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tt_progress); i++)
		if (atomic_long_read(&tt_stats[tt_progress[i]]) == since[i])
			return false;
	return true;
}

static void tt_await_others(struct tt_thread *t)
{
	unsigned long deadline = jiffies + tt_stall * HZ;
	long since[ARRAY_SIZE(tt_progress)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tt_progress); i++)
		since[i] = atomic_long_read(&tt_stats[tt_progress[i]]);
	while (!tt_stopping() && !tt_progressed(since)) {
		if (time_after(jiffies, deadline)) {
			tt_bug("a section on one mm holds up others");
			return;
		}
		tt_doing(t, "wait for progress elsewhere");
		schedule_timeout_uninterruptible(1);
	}
	tt_count(TT_HELD);
}

static void tt_hold(struct tt_thread *t, struct tt_mm *tm)
{
	mmap_read_lock(tm->mm);
	tt_toggle(t, &t->sections[0], tm, tt_all);
	tt_await_others(t);
	if (t->sections[0].state == TT_CHANGING)
		tt_section_close(&t->sections[0]);
	mmap_read_unlock(tm->mm);
}

static void tt_holder(struct tt_thread *t)
{
	struct tt_mm *tm = tt_mm_new(NULL);
	struct tt_sub *sub;

	if (!tm) {
		tt_bug("no memory for an mm");
		return;
	}
	sub = tt_register_new(t, tm, 0);
	tt_hold(t, tm);
	mmput(tm->mm);
	if (sub)
		tt_sub_unregister(sub);
	tt_mm_put(tm);
}

/* All threads */

struct tt_crew {
	const char *name;
	void (*fn)(struct tt_thread *t);
	unsigned int number;
};

static struct tt_crew tt_crews[] = {
	{ "sectioner", tt_sectioner, 4 },
	{ "walker", tt_walker, 1 },
	{ "registrar", tt_registrar, 3 },
	{ "getter", tt_getter, 2 },
	{ "intervalist", tt_intervalist, 2 },
	{ "ager", tt_ager, 1 },
	{ "exiter", tt_exiter, 1 },
	{ "holder", tt_holder, 1 },
};

module_param_named(sectioners, tt_crews[0].number, uint, 0444);
MODULE_PARM_DESC(sectioners, "Number of threads that run sections");
module_param_named(walkers, tt_crews[1].number, uint, 0444);
MODULE_PARM_DESC(walkers, "Number of threads that go from the file to mms");
module_param_named(registrars, tt_crews[2].number, uint, 0444);
MODULE_PARM_DESC(registrars, "Number of threads that register and unregister");
module_param_named(getters, tt_crews[3].number, uint, 0444);
MODULE_PARM_DESC(getters, "Number of threads that get and put");
module_param_named(intervalists, tt_crews[4].number, uint, 0444);
MODULE_PARM_DESC(intervalists, "Number of threads that insert, read and remove");
module_param_named(agers, tt_crews[5].number, uint, 0444);
MODULE_PARM_DESC(agers, "Number of threads that call for the young callbacks");
module_param_named(holders, tt_crews[7].number, uint, 0444);
MODULE_PARM_DESC(holders, "Number of threads that keep a section open");

#define TT_THREADS_MAX	64

static struct tt_thread *tt_threads[TT_THREADS_MAX];
static unsigned int tt_thread_count;

static int tt_thread_main(void *data)
{
	struct tt_thread *t = data;

	while (!tt_stopping()) {
		t->fn(t);
		tt_doing(t, "next round");
		cond_resched();
	}
	complete(&t->done);
	return 0;
}

static bool tt_thread_start(const struct tt_crew *crew, unsigned int number)
{
	struct tt_thread *t = kzalloc(sizeof(*t), GFP_KERNEL);
	struct task_struct *task;

	if (!t)
		return false;
	t->sections = kcalloc(TT_NEST, sizeof(*t->sections), GFP_KERNEL);
	task = kthread_create(tt_thread_main, t, "%s/%u", crew->name, number);
	if (!t->sections || IS_ERR(task))
		return false;
	init_completion(&t->done);
	t->fn = crew->fn;
	t->task = get_task_struct(task);
	t->doing = "nothing yet";
	t->seen_at = jiffies;
	prandom_seed_state(&t->rnd, ((u64)tt_seed << 8) + tt_thread_count);
	tt_threads[tt_thread_count++] = t;
	wake_up_process(task);
	return true;
}

static bool tt_threads_start(void)
{
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(tt_crews); i++)
		for (n = 0; n < tt_crews[i].number; n++)
			if (tt_thread_count == TT_THREADS_MAX ||
			    !tt_thread_start(&tt_crews[i], n))
				return false;
	return true;
}

static void tt_thread_report(struct tt_thread *t)
{
	pr_err("# %s: %s for %u ms\n", t->task->comm, READ_ONCE(t->doing),
	       jiffies_to_msecs(jiffies - t->seen_at));
	if (time_after(jiffies, t->seen_at + tt_stall * HZ / 2))
		sched_show_task(t->task);
}

static void tt_check_progress(struct tt_thread *t)
{
	unsigned long steps = READ_ONCE(t->steps);
	unsigned int i;

	if (steps != t->seen_steps) {
		t->seen_steps = steps;
		t->seen_at = jiffies;
	} else if (time_after(jiffies, t->seen_at + tt_stall * HZ)) {
		for (i = 0; i < tt_thread_count; i++)
			tt_thread_report(tt_threads[i]);
		tt_bug("%s is stuck: %s", t->task->comm, READ_ONCE(t->doing));
	}
}

static bool tt_may_miss(enum tt_stat stat)
{
	switch (stat) {
	case TT_COVER_VMA:
		return !IS_ENABLED(CONFIG_PER_VMA_LOCK);
	case TT_DECLINED_INJECTED:
		return !IS_ENABLED(CONFIG_DEBUG_MMU_NOTIFIER) ||
		       !IS_ENABLED(CONFIG_FAULT_INJECTION);
	default:
		return false;
	}
}

static bool tt_missed(enum tt_stat stat)
{
	return !atomic_long_read(&tt_stats[stat]) && !tt_may_miss(stat);
}

static bool tt_missed_any(void)
{
	enum tt_stat stat;

	for (stat = 0; stat < TT_STATS; stat++)
		if (tt_missed(stat))
			return true;
	return false;
}

/*
 * On a slow machine what happens by chance may not yet have happened when the
 * time is over. It gets up to four times the time.
 */
static bool tt_time_is_over(unsigned long begun)
{
	if (time_before(jiffies, begun + tt_seconds * HZ))
		return false;
	return tt_busted || !tt_missed_any() ||
	       time_after(jiffies, begun + 4 * tt_seconds * HZ);
}

/* Returns when the time is over, or with the first bug. */
static void tt_watch(void)
{
	unsigned long begun = jiffies;
	unsigned int i;

	while (!tt_stopping() && !tt_time_is_over(begun)) {
		wait_for_completion_timeout(&tt_verdict.caught, HZ);
		for (i = 0; i < tt_thread_count; i++)
			tt_check_progress(tt_threads[i]);
	}
	WRITE_ONCE(tt_stop, true);
}

static void tt_thread_join(struct tt_thread *t)
{
	if (!wait_for_completion_timeout(&t->done, tt_stall * HZ)) {
		tt_bug("%s does not end: %s", t->task->comm,
		       READ_ONCE(t->doing));
		tt_thread_report(t);
		return;
	}
	kthread_stop(t->task);
	put_task_struct(t->task);
	kfree(t->sections);
	kfree(t);
}

/* Start and end of the test */

static bool tt_mms_start(void)
{
	unsigned int slot;

	for (slot = 0; slot < tt_mms; slot++) {
		tt_slots[slot] = tt_mm_new(tt_file);
		if (!tt_slots[slot])
			return false;
	}
	return true;
}

#if defined(CONFIG_DEBUG_MMU_NOTIFIER) && defined(CONFIG_FAULT_INJECTION)
static void tt_inject_failures(unsigned int percent)
{
	fail_mmu_notifier.verbose = 0;
	atomic_set(&fail_mmu_notifier.times, -1);
	fail_mmu_notifier.probability = percent;
}
#else
static void tt_inject_failures(unsigned int percent)
{
	tt_fail = 0;
}
#endif

static void tt_inject_sections(unsigned int every)
{
#ifdef CONFIG_DEBUG_MMU_NOTIFIER
	WRITE_ONCE(mn_inject_every, every);
#endif
}

static bool tt_start(void)
{
	tt_mms = clamp(tt_mms, 1, TT_MMS_MAX);
	tt_nest = clamp(tt_nest, 1, TT_NEST);
	while (!tt_seed)
		tt_seed = get_random_u32();
	init_completion(&tt_verdict.caught);
	tt_file = shmem_file_setup("mmu_notifier_torture",
				   TT_HALF << PAGE_SHIFT, VM_NORESERVE);
	if (IS_ERR(tt_file))
		return false;
	pr_info("# seed: %u\n", tt_seed);
	pr_info("# CPUs: %u\n", num_online_cpus());
	tt_inject_failures(tt_fail);
	tt_inject_sections(tt_inject);
	return tt_mms_start() && tt_threads_start();
}

/* Each reference to an mm is dropped by the thread that got it. */
static void tt_check_refs(struct mm_struct *mm)
{
	unsigned long deadline = jiffies + tt_stall * HZ;

	while (atomic_read(&mm->mm_count) != 1 && time_before(jiffies, deadline))
		schedule_timeout_uninterruptible(1);
	if (atomic_read(&mm->mm_count) != 1)
		tt_bug("%d references to an mm are left",
		       atomic_read(&mm->mm_count) - 1);
}

static void tt_mms_end(void)
{
	struct mm_struct *mms[TT_MMS_MAX];
	struct tt_mm *tm;
	unsigned int i;

	for (i = 0; i < tt_mms; i++) {
		tm = tt_swap(i, NULL);
		mms[i] = tm->mm;
		mmgrab(mms[i]);
		mmput(tm->mm);
		tt_mm_close(tm);
		tt_mm_put(tm);
	}
	mmu_notifier_synchronize();
	for (i = 0; i < tt_mms; i++) {
		tt_check_refs(mms[i]);
		mmdrop(mms[i]);
	}
}

static void tt_await_all_gone(void)
{
	unsigned long deadline = jiffies + tt_stall * HZ;

	while (!tt_model_all_gone() && time_before(jiffies, deadline))
		schedule_timeout_uninterruptible(1);
	if (!tt_model_all_gone())
		tt_bug("mms or subscriptions are left");
}

/* After a bug nothing can be relied on, so everything is leaked. */
static void tt_finish(void)
{
	unsigned int i;

	tt_inject_sections(0);
	tt_inject_failures(0);
	for (i = 0; i < tt_thread_count && !atomic_read(&tt_verdict.bugs); i++)
		tt_thread_join(tt_threads[i]);
	if (atomic_read(&tt_verdict.bugs))
		return;
	tt_mms_end();
	tt_await_all_gone();
	tt_model_exit();
	fput(tt_file);
}

/* A test that has not done something has not tested it. */
static void tt_report(void)
{
	bool strict = !tt_busted && !atomic_read(&tt_verdict.bugs);
	enum tt_stat stat;
	long n;

	for (stat = 0; stat < TT_STATS; stat++) {
		n = atomic_long_read(&tt_stats[stat]);
		pr_info("# %s: %ld\n", tt_stat_names[stat], n);
		if (strict && tt_missed(stat))
			tt_bug("%s: none", tt_stat_names[stat]);
	}
}

static void tt_judge(u64 began)
{
	bool bugs = atomic_read(&tt_verdict.bugs);
	u64 ms = div_u64(tt_verdict.first_at - began, NSEC_PER_MSEC);

	if (!tt_busted)
		pr_info("%sok 1 mmu_notifier_torture\n", bugs ? "not " : "");
	else if (bugs)
		pr_info("ok 1 busted_%s # caught after %llu ms: %s\n",
			tt_busted_name, ms, tt_verdict.first);
	else
		pr_info("not ok 1 busted_%s # not caught within %u s\n",
			tt_busted_name, tt_seconds);
}

static void tt_shut_down(void)
{
	if (!tt_shutdown)
		return;
	if (!strcmp(tt_shutdown, "poweroff"))
		kernel_power_off();
	else if (!strcmp(tt_shutdown, "halt"))
		kernel_halt();
	else if (!strcmp(tt_shutdown, "reboot"))
		kernel_restart(NULL);
}

static int tt_main(void *unused)
{
	u64 began = ktime_get_ns();

	pr_info("KTAP version 1\n");
	pr_info("1..1\n");
	if (tt_start())
		tt_watch();
	else
		tt_bug("no memory to begin with");
	tt_finish();
	tt_report();
	tt_judge(began);
	return 0;
}

static int tt_find_busted(void)
{
	enum tt_busted mode;

	if (!tt_busted_name)
		return 0;
	for (mode = 0; mode < TT_BUSTED_MODES; mode++) {
		if (!tt_busted_names[mode] ||
		    strcmp(tt_busted_name, tt_busted_names[mode]))
			continue;
		tt_busted = mode;
		return 0;
	}
	pr_err("mmu_notifier_torture: unknown busted=%s\n", tt_busted_name);
	return -EINVAL;
}

/* The boot continues, unless there is nothing after the test. */
static int __init tt_init(void)
{
	struct task_struct *task;
	int err;

	if (!tt_seconds)
		return 0;
	err = tt_find_busted();
	if (err)
		return err;
	if (tt_shutdown) {
		tt_main(NULL);
		tt_shut_down();
		return 0;
	}
	task = kthread_run(tt_main, NULL, "mmu_notifier_torture");
	return PTR_ERR_OR_ZERO(task);
}
late_initcall(tt_init);
