/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MM_TESTS_MMU_NOTIFIER_KUNIT_H
#define _MM_TESTS_MMU_NOTIFIER_KUNIT_H

/**
 * DOC: what the KUnit suites of the mmu_notifier share
 *
 * The fixture (struct mn_test, made anew for each case) owns everything that a
 * case works with: address spaces, subscribers, threads. Its teardown is safe
 * wherever the case has stopped: it opens gates, waits for threads, ends address
 * spaces, and then frees memory. If a defect makes a thread hang, the fixture
 * leaks it, so that the other cases still run.
 *
 * Subscribers have a name of one letter and record each call.
 * mn_heard() returns that as a string, so that a case can say what it expects
 * in one line::
 *
 *	a+1	start of the section at page 1, for hlist subscriber a
 *	a!1	the same, and a declines
 *	a-1	end of that section
 *	aR	release
 *	aF	free_notifier
 *	x+1	invalidate, or the first of two passes, for interval x
 *	x!1	the same, and x declines
 *	x.1	the second pass
 *	xR, x.R	the same for MMU_NOTIFY_RELEASE
 *
 * A closed gate of a subscriber blocks its callback.
 *
 * No case sleeps to give other threads time. Threads report by completion,
 * within MN_TIMEOUT; mn_thread_blocked() tells from its state that one waits.
 *
 * Under a lock of an mm, or within a section, cases do not use KUNIT_ASSERT_*,
 * which would leave it held, and under an rmap lock no KUNIT_EXPECT_* either,
 * which allocates when it fails: they store what they read, unlock, and check
 * afterwards.
 */

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/container_of.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/* From the fixture: zeroed, and there until no thread can use it any more. */
void *mn_alloc(struct kunit *test, size_t size);

/* A thread that takes longer than this is stuck. */
#define MN_TIMEOUT	(10 * HZ)

/* Page 0 of the ranges that cases use; each mapping has MN_MAP_PAGES. */
#define MN_BASE		(16UL << PAGE_SHIFT)
#define MN_MAP_PAGES	16

struct mn_test;

/* Where a thread can be held up; open until mn_gate_close(). */
struct mn_gate {
	struct list_head all;
	bool closed;
	struct completion reached;
	struct completion opened;
};

void mn_gate_close(struct mn_gate *gate);
void mn_gate_open(struct mn_gate *gate);
bool mn_gate_reached(struct mn_gate *gate);

struct mn_thread {
	struct list_head all;
	struct task_struct *task;
	struct completion done;
	void (*fn)(void *arg);
	void *arg;
	bool running;
	bool stuck;
};

/* Prepared, so that nothing is allocated when it is run under a lock. */
struct mn_thread *mn_thread(struct kunit *test, void (*fn)(void *arg),
			    void *arg);
void mn_thread_run(struct mn_thread *thread);
bool mn_thread_ends(struct mn_thread *thread);
bool mn_thread_ended(struct mn_thread *thread);
bool mn_thread_blocked(struct mn_thread *thread);
/* Both at once; for use where no lock is held. */
struct mn_thread *mn_thread_start(struct kunit *test, void (*fn)(void *arg),
				  void *arg);

/* An address space, with mappings after mn_map(). */
struct mn_mm {
	struct list_head all;
	struct mm_struct *mm;
	bool exited;
	bool dropped;
	struct file *file;
	struct address_space *mapping;	/* of the pages 0 to 15 */
	struct vm_area_struct *anon;	/* the pages 16 to 31 */
	struct page *page;		/* the first one of anon, held */
};

struct mn_mm *mn_mm(struct kunit *test);
struct mn_mm *mn_mm_mapped(struct kunit *test);
void mn_map_anon(struct kunit *test, struct mn_mm *m, unsigned long start);
void mn_map_more(struct kunit *test, struct mn_mm *m, unsigned long start);
void mn_exit(void *m);
void mn_drop(struct mn_mm *m);
int mn_mm_refs(struct mn_mm *m);
unsigned int mn_sections_open(struct mn_mm *m);
unsigned long mn_address(unsigned int page);

/* The locks that cover a section. */
enum mn_cover {
	MN_MMAP_READ,
	MN_VMA,
	MN_I_MMAP_READ,
	MN_I_MMAP_WRITE,
	MN_ANON_VMA_READ,
	MN_ANON_VMA_WRITE,
};

/* All but VMA need mn_mm_mapped(), which VMA can be without: then false. */
bool mn_cover(struct mn_mm *m, enum mn_cover cover);
void mn_uncover(struct mn_mm *m, enum mn_cover cover);

/* An hlist subscriber. */
struct mn_sub {
	struct mmu_notifier mn;
	struct mn_test *t;
	struct mn_mm *m;
	char name;

	int error;		/* of a start that is not blockable */
	int error_blockable;	/* of one that is */
	bool young;		/* answer of the young callbacks */
	void (*on_release)(struct mn_sub *sub);
	struct mn_sub *other;	/* for on_release */
	struct mn_gate at_start;
	struct mn_gate at_end;
	struct mn_gate at_release;
	struct mn_gate at_free;

	atomic_t starts;
	atomic_t ends;
	atomic_t releases;
	atomic_t frees;
	struct mmu_notifier_range seen_start;
	struct mmu_notifier_range seen_end;
	int non_block_start;	/* current->non_block_count in there */
	int non_block_end;
	bool free_in_task;
	int ret;		/* result of what a thread did with it */
};

extern const struct mmu_notifier_ops mn_ops;		/* with release */
extern const struct mmu_notifier_ops mn_refcount_ops;	/* for get and put */
extern const struct mmu_notifier_ops mn_other_refcount_ops;

static inline struct mn_sub *mn_sub_of(struct mmu_notifier *mn)
{
	return container_of(mn, struct mn_sub, mn);
}

struct mn_sub *mn_sub(struct kunit *test, struct mn_mm *m, char name);
struct mn_sub *mn_sub_ops(struct kunit *test, struct mn_mm *m, char name,
			  const struct mmu_notifier_ops *ops);
struct mn_sub *mn_registered(struct kunit *test, struct mn_mm *m, char name);
struct mn_sub *mn_registered_ops(struct kunit *test, struct mn_mm *m, char name,
				 const struct mmu_notifier_ops *ops);
/* From mmu_notifier_get() of mn_refcount_ops; the names are p, q, ... */
struct mn_sub *mn_gotten(struct kunit *test, struct mn_mm *m);

/* For threads: what is done to a struct mn_sub. */
void mn_register(void *sub);
void mn_register_locked(void *sub);
void mn_unregister(void *sub);
void mn_put(void *sub);
void mn_synchronize(void *unused);

/* The callbacks of mn_ops, for ops with others beside them. */
int mn_on_start(struct mmu_notifier *mn,
		const struct mmu_notifier_range *range);
void mn_on_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range);
void mn_on_release(struct mmu_notifier *mn, struct mm_struct *mm);

/* An interval subscriber. */
struct mn_int {
	struct mmu_interval_notifier mni;
	struct mn_test *t;
	struct mn_mm *m;
	char name;
	unsigned int first;	/* page */
	unsigned int pages;

	spinlock_t lock;	/* the driver's */
	bool decline;		/* sections that are not blockable */
	bool decline_blockable;	/* and those that are */
	bool second;		/* asks for a second pass, if the ops have one, */
	bool second_declined;	/* and even if it declines */
	struct mmu_interval_notifier_finish finish;
	struct mn_gate at_invalidate;
	struct mn_gate at_finish;

	atomic_t calls;
	struct mmu_notifier_range seen;
	unsigned long seq;	/* of the last invalidate or begin */
	int non_block;
	int non_block_finish;
	int ret;
};

extern const struct mmu_interval_notifier_ops mn_int_ops;
extern const struct mmu_interval_notifier_ops mn_int_ops_two;

struct mn_int *mn_int(struct kunit *test, struct mn_mm *m, char name,
		      unsigned int first, unsigned int pages);
struct mn_int *mn_inserted(struct kunit *test, struct mn_mm *m, char name,
			   unsigned int first, unsigned int pages);
struct mn_int *mn_inserted_two(struct kunit *test, struct mn_mm *m, char name,
			       unsigned int first, unsigned int pages);
bool mn_int_retry(struct mn_int *sub, unsigned long seq);

/* For threads: what is done to a struct mn_int. */
void mn_insert(void *sub);
void mn_insert_locked(void *sub);
void mn_remove(void *sub);
void mn_read_begin(void *sub);

/* Sections of one page; the caller holds what covers them. */
void mn_range(struct mmu_notifier_range *range, struct mn_mm *m,
	      unsigned int first, unsigned int pages);
void mn_start(struct mmu_notifier_range *range, struct mn_mm *m,
	      unsigned int page);
int mn_start_nonblock(struct mmu_notifier_range *range, struct mn_mm *m,
		      unsigned int page);
void mn_end(struct mmu_notifier_range *range);
/* These take mmap_lock for read. */
void mn_whole_section(struct mn_mm *m, unsigned int page);
int mn_whole_section_nonblock(struct mn_mm *m, unsigned int page);

/* A section in a thread of its own. */
struct mn_section {
	struct mn_mm *m;
	enum mn_cover cover;
	unsigned int page;
	struct mmu_notifier_range range;
	struct mn_gate open;	/* between start and end; closed */
	struct mn_thread *thread;
};

struct mn_section *mn_section(struct kunit *test, struct mn_mm *m,
			      enum mn_cover cover, unsigned int page);
bool mn_section_begins(struct mn_section *section);
bool mn_section_ends(struct mn_section *section);

/* The callbacks recorded since the last call. */
const char *mn_heard(struct kunit *test);

/* The warnings that cases cause, one for each place in the code. */
enum mn_warning {
	MN_WARN_REGISTER_OPS,
	MN_WARN_REGISTER_NO_USERS,
	MN_WARN_UNREGISTER_STRANGER,
	MN_WARN_UNREGISTER_TWICE,
	MN_WARN_PUT_TOO_MANY,
	MN_WARN_START_FAILS,
	MN_WARN_FIRST_INSERT_NO_USERS,
	MN_WARN_INSERT_NO_USERS,
	MN_WARN_INSERT_OPS,
	MN_WARN_READ_NO_MM,
	MN_WARN_REMOVE_NO_MM,
	MN_WARN_REMOVE_TWICE,
	MN_WARN_INVALIDATE_FAILS,
	MN_WARNINGS
};

void mn_expect_warning(enum mn_warning warning);

int mn_test_init(struct kunit *test);

#endif /* _MM_TESTS_MMU_NOTIFIER_KUNIT_H */
