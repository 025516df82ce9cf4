/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MM_TESTS_MMU_NOTIFIER_TORTURE_H
#define _MM_TESTS_MMU_NOTIFIER_TORTURE_H

/*
 * What the parts of the torture test share: mmu_notifier_torture.c has the
 * threads, mmu_notifier_torture_model.c what they must find, and
 * mmu_notifier_torture_busted.c what is broken on purpose.
 */

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/container_of.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/mmu_notifier.h>
#include <linux/prandom.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/* The pages that sections are about: half of them anonymous, half of a file. */
#define TT_PAGES	32
#define TT_HALF		(TT_PAGES / 2)
#define TT_BASE		(16UL << PAGE_SHIFT)

#define TT_IDS		32	/* hlist subscriptions of an mm at a time */
#define TT_SEATS	6	/* of each kind */
#define TT_NEST		8	/* sections of a thread at a time */
#define TT_FINISHES	4	/* second passes of an interval at a time */

/* What the threads did: none of these may be 0 when the test ends. */
enum tt_stat {
	TT_SECTIONS,
	TT_NESTED,
	TT_NONBLOCK,
	TT_DECLINED_HLIST,
	TT_DECLINED_ITREE,
	TT_DECLINED_INJECTED,
	TT_UNWOUND,
	TT_UNCOUNTED,
	TT_ALONE,
	TT_UNSLOTTED,
	TT_COVER_MMAP_READ,
	TT_COVER_MMAP_WRITE,
	TT_COVER_VMA,
	TT_COVER_ANON,
	TT_COVER_FILE,
	TT_FOREIGN,
	TT_REGISTERED,
	TT_REGISTERED_FIRST,
	TT_REGISTERED_NOBODY,
	TT_UNREGISTERED,
	TT_UNREGISTERED_LOCKED,
	TT_UNREGISTERED_EXITED,
	TT_UNREGISTERED_IN_RELEASE,
	TT_RELEASED_BY_EXIT,
	TT_RELEASED_BY_UNREGISTER,
	TT_GOTTEN,
	TT_GOTTEN_AGAIN,
	TT_PUT,
	TT_PUT_IN_RELEASE,
	TT_FREED,
	TT_SYNCHRONIZED,
	TT_INSERTED,
	TT_INSERTED_LOCKED,
	TT_REMOVED,
	TT_REMOVED_EXITED,
	TT_READ,
	TT_RETRIED,
	TT_INVALIDATED,
	TT_INVALIDATED_BY_EXIT,
	TT_FINISHED,
	TT_FINISHED_DECLINED,
	TT_YOUNG,
	TT_ARCH_INVALIDATED,
	TT_EXITED,
	TT_HELD,
	TT_STATS
};

extern atomic_long_t tt_stats[TT_STATS];

static inline void tt_count(enum tt_stat stat)
{
	atomic_long_inc(&tt_stats[stat]);
}

/* What may be broken on purpose: see mmu_notifier_torture_busted.c */
enum tt_busted {
	TT_BUSTED_NOTHING,
	TT_BUSTED_FIRST,
	TT_BUSTED_DRAIN,
	TT_BUSTED_LATECOMER,
	TT_BUSTED_GRACE,
	TT_BUSTED_UNWIND,
	TT_BUSTED_RELEASE,
	TT_BUSTED_SYNCHRONIZE,
	TT_BUSTED_READY,
	TT_BUSTED_REMOVE,
	TT_BUSTED_RETRY,
	TT_BUSTED_MODES
};

extern enum tt_busted tt_busted;
extern const char *const tt_busted_names[TT_BUSTED_MODES];

struct tt_thread {
	struct task_struct *task;
	struct completion done;
	void (*fn)(struct tt_thread *t);
	struct rnd_state rnd;
	const char *doing;
	unsigned long steps;		/* for the watchdog */
	unsigned long seen_steps;
	unsigned long seen_at;
	struct tt_mm *tm;		/* for alloc_notifier, which only gets the mm */
	struct tt_section *sections;	/* TT_NEST */
};

/* The test is ending: threads finish the current operation. */
extern bool tt_stop;

static inline bool tt_stopping(void)
{
	return READ_ONCE(tt_stop);
}

static inline void tt_doing(struct tt_thread *t, const char *what)
{
	WRITE_ONCE(t->doing, what);
	WRITE_ONCE(t->steps, t->steps + 1);
}

static inline u32 tt_below(struct tt_thread *t, u32 ceiling)
{
	return prandom_u32_state(&t->rnd) % ceiling;
}

static inline bool tt_chance(struct tt_thread *t, u32 per_mille)
{
	return tt_below(t, 1000) < per_mille;
}

void tt_pause(struct tt_thread *t, bool may_sleep);

/* Parameters that the model asks for */
extern unsigned int tt_decline;		/* per 1000 */
extern unsigned int tt_fail;		/* percent */

/* Failures */
#define TT_FIRST_BUG_SIZE	160

struct tt_verdict {
	atomic_t bugs;
	struct completion caught;
	u64 first_at;			/* ns */
	char first[TT_FIRST_BUG_SIZE];
};

extern struct tt_verdict tt_verdict;

__printf(1, 2) void tt_bug(const char *fmt, ...);

/* Address spaces */

/* Where threads leave subscriptions for others to take, one in each seat. */
enum tt_kind {
	TT_HLIST,	/* struct tt_sub, registered */
	TT_GET,		/* struct tt_sub, one user of it */
	TT_INTERVAL,	/* struct tt_int */
	TT_KINDS
};

struct tt_id {
	u32 gen;		/* odd: registration has returned, the end not begun */
	const struct mmu_notifier_ops *ops;
	bool released;
	struct tt_sub *sub;	/* under tt_mm.lock */
};

struct tt_mm {
	struct kref ref;
	struct mm_struct *mm;		/* its structure, as long as this is there */
	struct vm_area_struct *anon;	/* as long as the mm has users */
	bool closing;			/* nobody may take a seat */
	bool gone;			/* exit has freed the pages */
	void *seats[TT_KINDS][TT_SEATS];
	struct rw_semaphore getput;	/* held for write: no get and no put runs */

	spinlock_t lock;		/* of @used, tt_id.sub and @ints */
	unsigned long used;		/* of @ids */
	struct tt_id ids[TT_IDS];
	struct tt_int *ints[TT_SEATS];
	u32 int_gens[TT_SEATS];		/* odd: inserted, the removal not begun */

	spinlock_t ptl;			/* as if it were that of the page tables */
	unsigned long young_told;
	unsigned long young_plan;	/* ids that shall answer yes */

	atomic_long_t pte[TT_PAGES];	/* changed by sections only */
};

struct tt_mm *tt_mm_new(struct file *file);
void tt_mm_put(struct tt_mm *tm);
struct tt_mm *tt_mm_of_vma(struct vm_area_struct *vma);
bool tt_model_all_gone(void);
void tt_model_exit(void);

static inline struct tt_mm *tt_mm_get(struct tt_mm *tm)
{
	kref_get(&tm->ref);
	return tm;
}

static inline unsigned long tt_address(unsigned int page)
{
	return TT_BASE + ((unsigned long)page << PAGE_SHIFT);
}

bool tt_seat_claim(struct tt_mm *tm, enum tt_kind kind, unsigned int seat);
void *tt_seat_take(struct tt_mm *tm, enum tt_kind kind, unsigned int seat);
bool tt_seat_retake(struct tt_mm *tm, enum tt_kind kind, unsigned int seat,
		    void *what);
void tt_seat_leave(struct tt_mm *tm, enum tt_kind kind, unsigned int seat);
bool tt_seat_offer(struct tt_mm *tm, enum tt_kind kind, unsigned int seat,
		   void *what);

/* Hlist subscriptions */

#define TT_MAGIC	0x74746f72
#define TT_FREED_MAGIC	0x66726565

/* What else ->release does. It unregisters itself only when exit calls it. */
enum tt_whim {
	TT_WHIM_NOTHING,
	TT_WHIM_UNREGISTER_SELF,
	TT_WHIM_UNREGISTER_OTHER,
	TT_WHIM_PUT,
	TT_WHIMS
};

enum tt_stage {
	TT_SUBSCRIBING,
	TT_SUBSCRIBED,
	TT_ENDING_SUBSCRIPTION,
};

struct tt_sub {
	struct mmu_notifier mn;
	/* Everything from here on is poisoned on free. */
	u32 magic;
	refcount_t ref;		/* of the memory */
	struct tt_mm *tm;
	unsigned int id;
	unsigned int seat;	/* of TT_HLIST */
	enum tt_whim whim;
	atomic_t stage;
	struct task_struct *leaver;
	struct task_struct *releaser;	/* that is in ->release */
	atomic_t users;		/* gets that have returned minus puts that began */
	atomic_t open;		/* starts minus ends */
	atomic_t busy;		/* callbacks that run, other than release */
	atomic_t releasing;
	atomic_t releases;
	bool put;		/* for the last time, before exit began */
	bool freed;
};

struct tt_sub *tt_sub_new(struct tt_mm *tm, struct tt_thread *t);
struct mmu_notifier *tt_alloc_notifier(struct mm_struct *mm);
void tt_sub_subscribed(struct tt_sub *sub);
void tt_sub_leaving(struct tt_sub *sub);
void tt_sub_unregister(struct tt_sub *sub);
bool tt_sub_put(struct tt_sub *sub);
void tt_sub_unref(struct tt_sub *sub);
void tt_sub_drop(struct tt_sub *sub);

static inline struct tt_sub *tt_sub_of(struct mmu_notifier *mn)
{
	return container_of(mn, struct tt_sub, mn);
}

#define TT_REFCOUNTED	2	/* sets of ops for get and put */

extern const struct mmu_notifier_ops tt_refcounted_ops[TT_REFCOUNTED];

/* Interval subscriptions */

struct tt_finish {
	struct mmu_interval_notifier_finish finish;
	struct tt_int *owner;
	struct tt_section *section;
	unsigned int order;
};

struct tt_int {
	struct mmu_interval_notifier mni;
	/* Everything from here on is poisoned on free. */
	u32 magic;
	struct tt_mm *tm;
	unsigned int seat;
	unsigned int first;	/* page */
	unsigned int pages;
	atomic_t busy;		/* callbacks that run */
	struct tt_finish finishes[TT_FINISHES];
	unsigned long finishes_used;

	bool begun;		/* to read */
	spinlock_t lock;	/* the driver's */
	bool valid;
	long copy[TT_PAGES];	/* what it uses of the page table while valid */
	long reading[TT_PAGES];
};

struct tt_int *tt_int_new(struct tt_mm *tm, unsigned int seat,
			  struct tt_thread *t);

/* The locks that are held over an insert */
enum tt_hold {
	TT_HOLD_NOTHING,
	TT_HOLD_WRITE,	/* mmap_lock */
	TT_HOLD_READ,	/* after mmu_notifier_register(NULL, mm) */
	TT_HOLDS
};

int tt_int_insert(struct tt_int *i, enum tt_hold hold);
void tt_int_remove(struct tt_int *i);
void tt_int_read(struct tt_int *i, struct tt_thread *t);
void tt_int_drop(struct tt_int *i);

/* Sections */

enum tt_section_state {
	TT_CLOSED,
	TT_STARTING,
	TT_CHANGING,
	TT_ENDING,
};

struct tt_section {
	u32 magic;
	enum tt_section_state state;
	struct tt_thread *t;
	struct tt_mm *tm;
	struct mmu_notifier_range range;
	unsigned int first;	/* page */
	unsigned int pages;
	bool blockable;
	/* Written by callbacks, all of which run in this thread. */
	unsigned long told;	/* ids that had a start */
	unsigned long early;	/* those of them that it had before ->release */
	unsigned long owed;	/* those of them that get an end */
	unsigned long int_told;	/* seats */
	u32 int_gens[TT_SEATS];	/* as they were before start */
	unsigned int declined;
	unsigned int first_passes;
	unsigned int second_passes;
};

bool tt_section_open(struct tt_section *s);
void tt_section_look(struct tt_section *s);
void tt_section_close(struct tt_section *s);
void tt_young(struct tt_thread *t, struct tt_mm *tm);

/* What can be broken on purpose */

void tt_prepare(struct mm_struct *mm);
int tt_register(struct tt_sub *sub, struct mm_struct *mm);
void tt_unregister(struct tt_sub *sub, struct mm_struct *mm);
int tt_start_nonblock(struct mmu_notifier_range *range);
void tt_remove(struct mmu_interval_notifier *mni);
bool tt_read_retry(struct mmu_interval_notifier *mni, unsigned long seq);
void tt_synchronize(void);

#endif /* _MM_TESTS_MMU_NOTIFIER_TORTURE_H */
