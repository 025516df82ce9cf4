// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: fixture, subscribers and threads of the mmu_notifier's KUnit suites
 *
 * See mmu_notifier_kunit.h.
 */

#include <kunit/test.h>
#include <linux/container_of.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/preempt.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../internal.h"
#include "../mmu_notifier_internal.h"
#include "mmu_notifier_kunit.h"

/* How long a thread must not have moved to count as blocked. */
#define MN_SETTLED	(HZ / 25)

struct mn_memory {
	struct list_head all;
	char data[] __aligned(__alignof__(u64));
};

struct mn_test {
	struct kunit *test;
	struct list_head memory;
	struct list_head mms;
	struct list_head threads;
	struct list_head gates;
	spinlock_t lock;	/* of what was heard */
	size_t heard_len;
	char heard[512];
	char told[512];
	char next_name;		/* of what mmu_notifier_get() allocates */
	bool stuck;		/* a thread or mm was leaked */
};

/*
 * Cases run one after the other. For alloc_notifier, which is only passed the
 * mm.
 */
static struct mn_test *mn_current;

static void *mn_try_alloc(struct mn_test *t, size_t size)
{
	struct mn_memory *memory;

	memory = kzalloc(sizeof(*memory) + size, GFP_KERNEL);
	if (!memory)
		return NULL;
	list_add(&memory->all, &t->memory);
	return memory->data;
}

void *mn_alloc(struct kunit *test, size_t size)
{
	void *data = mn_try_alloc(test->priv, size);

	KUNIT_ASSERT_NOT_NULL(test, data);
	return data;
}

/* Recorded callbacks */

static __printf(2, 3) void mn_say(struct mn_test *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	spin_lock(&t->lock);
	t->heard_len += scnprintf(t->heard + t->heard_len,
				  sizeof(t->heard) - t->heard_len,
				  t->heard_len ? " " : "");
	t->heard_len += vscnprintf(t->heard + t->heard_len,
				   sizeof(t->heard) - t->heard_len, fmt, args);
	spin_unlock(&t->lock);
	va_end(args);
}

const char *mn_heard(struct kunit *test)
{
	struct mn_test *t = test->priv;

	spin_lock(&t->lock);
	memcpy(t->told, t->heard, sizeof(t->told));
	t->heard_len = 0;
	t->heard[0] = '\0';
	spin_unlock(&t->lock);
	return t->told;
}

static unsigned int mn_page(const struct mmu_notifier_range *range)
{
	return (range->start - MN_BASE) >> PAGE_SHIFT;
}

/* Gates */

static void mn_gate_init(struct mn_test *t, struct mn_gate *gate)
{
	init_completion(&gate->reached);
	init_completion(&gate->opened);
	list_add(&gate->all, &t->gates);
}

void mn_gate_close(struct mn_gate *gate)
{
	reinit_completion(&gate->reached);
	reinit_completion(&gate->opened);
	WRITE_ONCE(gate->closed, true);
}

void mn_gate_open(struct mn_gate *gate)
{
	WRITE_ONCE(gate->closed, false);
	complete_all(&gate->opened);
}

bool mn_gate_reached(struct mn_gate *gate)
{
	return wait_for_completion_timeout(&gate->reached, MN_TIMEOUT);
}

static void mn_gate_pass(struct mn_gate *gate)
{
	if (!READ_ONCE(gate->closed))
		return;
	complete_all(&gate->reached);
	wait_for_completion(&gate->opened);
}

/* Threads */

static int mn_thread_main(void *data)
{
	struct mn_thread *thread = data;

	thread->fn(thread->arg);
	complete_all(&thread->done);
	return 0;
}

struct mn_thread *mn_thread(struct kunit *test, void (*fn)(void *arg),
			    void *arg)
{
	struct mn_thread *thread = mn_alloc(test, sizeof(*thread));
	struct mn_test *t = test->priv;
	struct task_struct *task;

	thread->fn = fn;
	thread->arg = arg;
	init_completion(&thread->done);
	task = kthread_create(mn_thread_main, thread, "%ps", fn);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	thread->task = get_task_struct(task);
	list_add(&thread->all, &t->threads);
	return thread;
}

void mn_thread_run(struct mn_thread *thread)
{
	thread->running = true;
	wake_up_process(thread->task);
}

struct mn_thread *mn_thread_start(struct kunit *test, void (*fn)(void *arg),
				  void *arg)
{
	struct mn_thread *thread = mn_thread(test, fn, arg);

	mn_thread_run(thread);
	return thread;
}

bool mn_thread_ends(struct mn_thread *thread)
{
	/* Once is enough. */
	if (!thread->stuck)
		thread->stuck = !wait_for_completion_timeout(&thread->done,
							     MN_TIMEOUT);
	return !thread->stuck;
}

bool mn_thread_ended(struct mn_thread *thread)
{
	return completion_done(&thread->done);
}

static bool mn_thread_sleeps(struct mn_thread *thread)
{
	return READ_ONCE(thread->task->__state) & TASK_UNINTERRUPTIBLE;
}

/* Whether the thread is blocked and stays so until another thread acts. */
bool mn_thread_blocked(struct mn_thread *thread)
{
	unsigned long deadline = jiffies + MN_TIMEOUT;
	unsigned long since = jiffies;
	unsigned long switches = 0;

	while (!mn_thread_ended(thread) && time_before(jiffies, deadline)) {
		unsigned long now = READ_ONCE(thread->task->nvcsw);

		if (!mn_thread_sleeps(thread) || now != switches)
			since = jiffies;
		else if (time_after(jiffies, since + MN_SETTLED))
			return true;
		switches = now;
		schedule_timeout_uninterruptible(1);
	}
	return false;
}

static void mn_thread_free(struct mn_test *t, struct mn_thread *thread)
{
	if (thread->running && !mn_thread_ends(thread) &&
	    !mn_thread_ended(thread)) {
		KUNIT_FAIL(t->test, "%s is stuck", thread->task->comm);
		t->stuck = true;
		return;
	}
	kthread_stop(thread->task);
	put_task_struct(thread->task);
}

/* Address spaces */

unsigned long mn_address(unsigned int page)
{
	return MN_BASE + ((unsigned long)page << PAGE_SHIFT);
}

struct mn_mm *mn_mm(struct kunit *test)
{
	struct mn_mm *m = mn_alloc(test, sizeof(*m));
	struct mn_test *t = test->priv;

	m->mm = mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, m->mm);
	m->mm->task_size = TASK_SIZE;
	/* Keeps the counts readable after exit. */
	mmgrab(m->mm);
	list_add(&m->all, &t->mms);
	return m;
}

int mn_mm_refs(struct mn_mm *m)
{
	return atomic_read(&m->mm->mm_count);
}

/* Drop the last user. No thread ever switches to these mms. */
void mn_exit(void *arg)
{
	struct mn_mm *m = arg;

	m->exited = true;
	mmput(m->mm);
}

/* Drop the reference that keeps the structure readable for the fixture. */
void mn_drop(struct mn_mm *m)
{
	m->dropped = true;
	mmdrop(m->mm);
}

static struct vm_area_struct *mn_vma(struct kunit *test, struct mn_mm *m,
				     unsigned long start, vm_flags_t flags)
{
	struct vm_area_struct *vma = vm_area_alloc(m->mm);

	KUNIT_ASSERT_NOT_NULL(test, vma);
	vma->vm_start = start;
	vma->vm_end = start + (MN_MAP_PAGES << PAGE_SHIFT);
	vm_flags_init(vma, flags | VM_READ | VM_WRITE |
			   VM_MAYREAD | VM_MAYWRITE);
	vma->vm_page_prot = vm_get_page_prot(vma->vm_flags);
	return vma;
}

static void mn_vma_insert(struct kunit *test, struct mn_mm *m,
			  struct vm_area_struct *vma)
{
	int ret;

	mmap_write_lock(m->mm);
	ret = insert_vm_struct(m->mm, vma);
	mmap_write_unlock(m->mm);
	KUNIT_ASSERT_EQ(test, ret, 0);
}

static void mn_map_file(struct kunit *test, struct mn_mm *m,
			unsigned long start)
{
	struct vm_area_struct *vma;
	struct file *file;

	vma = mn_vma(test, m, start, VM_SHARED | VM_MAYSHARE);
	file = shmem_file_setup("mmu_notifier", MN_MAP_PAGES << PAGE_SHIFT,
				VM_NORESERVE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	/* The reference is the VMA's. */
	vma->vm_file = file;
	KUNIT_ASSERT_EQ(test, mmap_file(file, vma), 0);
	mn_vma_insert(test, m, vma);
	m->mapping = file->f_mapping;
}

/* Writes to the first page, so that there is an anon_vma. */
void mn_map_anon(struct kunit *test, struct mn_mm *m, unsigned long start)
{
	struct vm_area_struct *vma = mn_vma(test, m, start, 0);
	long pages;

	vma_set_anonymous(vma);
	mn_vma_insert(test, m, vma);
	mmap_read_lock(m->mm);
	pages = get_user_pages_remote(m->mm, start, 1, FOLL_WRITE, &m->page,
				      NULL);
	mmap_read_unlock(m->mm);
	KUNIT_ASSERT_EQ(test, pages, 1);
	KUNIT_ASSERT_NOT_NULL(test, vma->anon_vma);
	m->anon = vma;
}

struct mn_mm *mn_mm_mapped(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);

	mn_map_file(test, m, mn_address(0));
	mn_map_anon(test, m, mn_address(MN_MAP_PAGES));
	return m;
}

/*
 * Map another file and, behind it, other anonymous memory; mn_cover() uses
 * these from then on.
 */
void mn_map_more(struct kunit *test, struct mn_mm *m, unsigned long start)
{
	put_page(m->page);
	mn_map_file(test, m, start);
	mn_map_anon(test, m, start + (MN_MAP_PAGES << PAGE_SHIFT));
}

/* Those that look at the tree, in slots and without */
unsigned int mn_sections_open(struct mn_mm *m)
{
	struct mmu_notifier_subscriptions *subs = m->mm->notifier_subscriptions;
	unsigned int i, open = READ_ONCE(subs->unslotted);

	for (i = 0; i < subs->nr_slots; i++)
		open += !!(READ_ONCE(subs->slot[i].state) & MN_SLOT_BUSY);
	return open;
}

static void mn_mm_free(struct mn_test *t, struct mn_mm *m)
{
	if (!m->exited)
		mn_exit(m);
	if (!m->dropped) {
		/* Each reference that a subscription took has been dropped. */
		KUNIT_EXPECT_EQ(t->test, mn_mm_refs(m), 1);
		mn_drop(m);
	}
	if (m->page)
		put_page(m->page);
}

/* Locks that cover a section */

bool mn_cover(struct mn_mm *m, enum mn_cover cover)
{
	switch (cover) {
	case MN_MMAP_READ:
		mmap_read_lock(m->mm);
		return true;
	case MN_VMA:
		return lock_vma_under_rcu(m->mm, m->anon->vm_start);
	case MN_I_MMAP_READ:
		i_mmap_lock_read(m->mapping);
		return true;
	case MN_I_MMAP_WRITE:
		i_mmap_lock_write(m->mapping);
		return true;
	case MN_ANON_VMA_READ:
		anon_vma_lock_read(m->anon->anon_vma);
		return true;
	case MN_ANON_VMA_WRITE:
		anon_vma_lock_write(m->anon->anon_vma);
		return true;
	}
	return false;
}

void mn_uncover(struct mn_mm *m, enum mn_cover cover)
{
	switch (cover) {
	case MN_MMAP_READ:
		mmap_read_unlock(m->mm);
		break;
	case MN_VMA:
		vma_end_read(m->anon);
		break;
	case MN_I_MMAP_READ:
		i_mmap_unlock_read(m->mapping);
		break;
	case MN_I_MMAP_WRITE:
		i_mmap_unlock_write(m->mapping);
		break;
	case MN_ANON_VMA_READ:
		anon_vma_unlock_read(m->anon->anon_vma);
		break;
	case MN_ANON_VMA_WRITE:
		anon_vma_unlock_write(m->anon->anon_vma);
		break;
	}
}

/* Hlist subscribers */

static int mn_non_block_count(void)
{
#ifdef CONFIG_DEBUG_ATOMIC_SLEEP
	return current->non_block_count;
#else
	return 0;
#endif
}

int mn_on_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct mn_sub *sub = mn_sub_of(mn);
	int error = mmu_notifier_range_blockable(range) ? sub->error_blockable :
							  sub->error;

	atomic_inc(&sub->starts);
	sub->seen_start = *range;
	sub->non_block_start = mn_non_block_count();
	mn_say(sub->t, "%c%c%u", sub->name, error ? '!' : '+', mn_page(range));
	mn_gate_pass(&sub->at_start);
	return error;
}

void mn_on_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct mn_sub *sub = mn_sub_of(mn);

	atomic_inc(&sub->ends);
	sub->seen_end = *range;
	sub->non_block_end = mn_non_block_count();
	mn_say(sub->t, "%c-%u", sub->name, mn_page(range));
	mn_gate_pass(&sub->at_end);
}

void mn_on_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct mn_sub *sub = mn_sub_of(mn);

	atomic_inc(&sub->releases);
	mn_say(sub->t, "%cR", sub->name);
	mn_gate_pass(&sub->at_release);
	if (sub->on_release)
		sub->on_release(sub);
}

/*
 * The core may hold the last reference to the mm here. Must be able to sleep.
 */
static void mn_on_free(struct mmu_notifier *mn)
{
	struct mn_sub *sub = mn_sub_of(mn);

	might_sleep();
	sub->free_in_task = in_task();
	mn_say(sub->t, "%cF", sub->name);
	mn_gate_pass(&sub->at_free);
	atomic_inc(&sub->frees);
}

static struct mn_sub *mn_sub_init(struct mn_test *t, struct mn_sub *sub,
				  char name)
{
	sub->t = t;
	sub->name = name;
	mn_gate_init(t, &sub->at_start);
	mn_gate_init(t, &sub->at_end);
	mn_gate_init(t, &sub->at_release);
	mn_gate_init(t, &sub->at_free);
	return sub;
}

static struct mmu_notifier *mn_on_alloc(struct mm_struct *mm)
{
	struct mn_test *t = mn_current;
	struct mn_sub *sub = mn_try_alloc(t, sizeof(*sub));

	if (!sub)
		return ERR_PTR(-ENOMEM);
	return &mn_sub_init(t, sub, t->next_name++)->mn;
}

const struct mmu_notifier_ops mn_ops = {
	.invalidate_range_start = mn_on_start,
	.invalidate_range_end = mn_on_end,
	.release = mn_on_release,
};

#define MN_REFCOUNT_OPS {				\
	.invalidate_range_start = mn_on_start,		\
	.invalidate_range_end = mn_on_end,		\
	.release = mn_on_release,			\
	.alloc_notifier = mn_on_alloc,			\
	.free_notifier = mn_on_free,			\
}

const struct mmu_notifier_ops mn_refcount_ops = MN_REFCOUNT_OPS;
const struct mmu_notifier_ops mn_other_refcount_ops = MN_REFCOUNT_OPS;

struct mn_sub *mn_sub_ops(struct kunit *test, struct mn_mm *m, char name,
			  const struct mmu_notifier_ops *ops)
{
	struct mn_sub *sub = mn_alloc(test, sizeof(*sub));

	sub->m = m;
	sub->mn.ops = ops;
	return mn_sub_init(test->priv, sub, name);
}

struct mn_sub *mn_sub(struct kunit *test, struct mn_mm *m, char name)
{
	return mn_sub_ops(test, m, name, &mn_ops);
}

void mn_register(void *arg)
{
	struct mn_sub *sub = arg;

	sub->ret = mmu_notifier_register(&sub->mn, sub->m->mm);
}

void mn_register_locked(void *arg)
{
	struct mn_sub *sub = arg;

	mmap_write_lock(sub->m->mm);
	sub->ret = __mmu_notifier_register(&sub->mn, sub->m->mm);
	mmap_write_unlock(sub->m->mm);
}

void mn_unregister(void *arg)
{
	struct mn_sub *sub = arg;

	mmu_notifier_unregister(&sub->mn, sub->m->mm);
}

void mn_put(void *arg)
{
	struct mn_sub *sub = arg;

	mmu_notifier_put(&sub->mn);
}

void mn_synchronize(void *unused)
{
	mmu_notifier_synchronize();
}

struct mn_sub *mn_registered_ops(struct kunit *test, struct mn_mm *m, char name,
				 const struct mmu_notifier_ops *ops)
{
	struct mn_sub *sub = mn_sub_ops(test, m, name, ops);

	mn_register(sub);
	KUNIT_ASSERT_EQ(test, sub->ret, 0);
	return sub;
}

struct mn_sub *mn_registered(struct kunit *test, struct mn_mm *m, char name)
{
	return mn_registered_ops(test, m, name, &mn_ops);
}

struct mn_sub *mn_gotten(struct kunit *test, struct mn_mm *m)
{
	struct mmu_notifier *mn = mmu_notifier_get(&mn_refcount_ops, m->mm);
	struct mn_sub *sub;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mn);
	sub = mn_sub_of(mn);
	sub->m = m;
	return sub;
}

/* Interval subscribers */

static void mn_int_hear(struct mn_int *sub,
			const struct mmu_notifier_range *range, bool decline)
{
	atomic_inc(&sub->calls);
	sub->seen = *range;
	sub->non_block = mn_non_block_count();
	if (range->event == MMU_NOTIFY_RELEASE)
		mn_say(sub->t, "%cR", sub->name);
	else
		mn_say(sub->t, "%c%c%u", sub->name, decline ? '!' : '+',
		       mn_page(range));
}

static bool mn_on_invalidate(struct mmu_interval_notifier *mni,
			     const struct mmu_notifier_range *range,
			     unsigned long cur_seq)
{
	struct mn_int *sub = container_of(mni, struct mn_int, mni);
	bool decline = mmu_notifier_range_blockable(range) ?
			       sub->decline_blockable : sub->decline;

	mn_int_hear(sub, range, decline);
	mn_gate_pass(&sub->at_invalidate);
	if (decline)
		return false;
	spin_lock(&sub->lock);
	sub->seq = cur_seq;
	mmu_interval_set_seq(mni, cur_seq);
	spin_unlock(&sub->lock);
	return true;
}

static bool mn_on_invalidate_start(struct mmu_interval_notifier *mni,
				   const struct mmu_notifier_range *range,
				   unsigned long cur_seq,
				   struct mmu_interval_notifier_finish **finish)
{
	struct mn_int *sub = container_of(mni, struct mn_int, mni);
	bool done = mn_on_invalidate(mni, range, cur_seq);

	KUNIT_EXPECT_NULL(sub->t->test, *finish);
	if (done ? sub->second : sub->second_declined)
		*finish = &sub->finish;
	return done;
}

static void mn_on_invalidate_finish(struct mmu_interval_notifier_finish *finish)
{
	struct mn_int *sub = container_of(finish, struct mn_int, finish);

	KUNIT_EXPECT_PTR_EQ(sub->t->test, finish->notifier, &sub->mni);
	if (sub->seen.event == MMU_NOTIFY_RELEASE)
		mn_say(sub->t, "%c.R", sub->name);
	else
		mn_say(sub->t, "%c.%u", sub->name, mn_page(&sub->seen));
	sub->non_block_finish = mn_non_block_count();
	mn_gate_pass(&sub->at_finish);
}

const struct mmu_interval_notifier_ops mn_int_ops = {
	.invalidate = mn_on_invalidate,
};

const struct mmu_interval_notifier_ops mn_int_ops_two = {
	.invalidate_start = mn_on_invalidate_start,
	.invalidate_finish = mn_on_invalidate_finish,
};

static struct mn_int *mn_int_new(struct kunit *test, struct mn_mm *m, char name,
				 unsigned int first, unsigned int pages,
				 const struct mmu_interval_notifier_ops *ops)
{
	struct mn_int *sub = mn_alloc(test, sizeof(*sub));

	sub->t = test->priv;
	sub->m = m;
	sub->name = name;
	sub->first = first;
	sub->pages = pages;
	sub->mni.ops = ops;
	spin_lock_init(&sub->lock);
	mn_gate_init(sub->t, &sub->at_invalidate);
	mn_gate_init(sub->t, &sub->at_finish);
	return sub;
}

struct mn_int *mn_int(struct kunit *test, struct mn_mm *m, char name,
		      unsigned int first, unsigned int pages)
{
	return mn_int_new(test, m, name, first, pages, &mn_int_ops);
}

void mn_insert(void *arg)
{
	struct mn_int *sub = arg;

	sub->ret = mmu_interval_notifier_insert(&sub->mni, sub->m->mm,
						mn_address(sub->first),
						sub->pages << PAGE_SHIFT,
						sub->mni.ops);
}

void mn_insert_locked(void *arg)
{
	struct mn_int *sub = arg;

	mmap_write_lock(sub->m->mm);
	sub->ret = mmu_interval_notifier_insert_locked(&sub->mni, sub->m->mm,
						       mn_address(sub->first),
						       sub->pages << PAGE_SHIFT,
						       sub->mni.ops);
	mmap_write_unlock(sub->m->mm);
}

void mn_remove(void *arg)
{
	struct mn_int *sub = arg;

	mmu_interval_notifier_remove(&sub->mni);
}

void mn_read_begin(void *arg)
{
	struct mn_int *sub = arg;

	sub->seq = mmu_interval_read_begin(&sub->mni);
}

struct mn_int *mn_inserted(struct kunit *test, struct mn_mm *m, char name,
			   unsigned int first, unsigned int pages)
{
	struct mn_int *sub = mn_int(test, m, name, first, pages);

	mn_insert(sub);
	KUNIT_ASSERT_EQ(test, sub->ret, 0);
	return sub;
}

struct mn_int *mn_inserted_two(struct kunit *test, struct mn_mm *m, char name,
			       unsigned int first, unsigned int pages)
{
	struct mn_int *sub = mn_int_new(test, m, name, first, pages,
					&mn_int_ops_two);

	sub->second = true;
	mn_insert(sub);
	KUNIT_ASSERT_EQ(test, sub->ret, 0);
	return sub;
}

/* Ask whether to retry, as a driver does: under its lock. */
bool mn_int_retry(struct mn_int *sub, unsigned long seq)
{
	bool retry;

	spin_lock(&sub->lock);
	retry = mmu_interval_read_retry(&sub->mni, seq);
	spin_unlock(&sub->lock);
	return retry;
}

/* Sections */

void mn_range(struct mmu_notifier_range *range, struct mn_mm *m,
	      unsigned int first, unsigned int pages)
{
	mmu_notifier_range_init(range, MMU_NOTIFY_CLEAR, 0, m->mm,
				mn_address(first), mn_address(first + pages));
}

void mn_start(struct mmu_notifier_range *range, struct mn_mm *m,
	      unsigned int page)
{
	mn_range(range, m, page, 1);
	mmu_notifier_invalidate_range_start(range);
}

int mn_start_nonblock(struct mmu_notifier_range *range, struct mn_mm *m,
		      unsigned int page)
{
	mn_range(range, m, page, 1);
	return mmu_notifier_invalidate_range_start_nonblock(range);
}

void mn_end(struct mmu_notifier_range *range)
{
	mmu_notifier_invalidate_range_end(range);
}

void mn_whole_section(struct mn_mm *m, unsigned int page)
{
	struct mmu_notifier_range range;

	mmap_read_lock(m->mm);
	mn_start(&range, m, page);
	mn_end(&range);
	mmap_read_unlock(m->mm);
}

int mn_whole_section_nonblock(struct mn_mm *m, unsigned int page)
{
	struct mmu_notifier_range range;
	int ret;

	mmap_read_lock(m->mm);
	ret = mn_start_nonblock(&range, m, page);
	if (!ret)
		mn_end(&range);
	mmap_read_unlock(m->mm);
	return ret;
}

static void mn_section_main(void *arg)
{
	struct mn_section *section = arg;

	if (!mn_cover(section->m, section->cover))
		return;
	mn_start(&section->range, section->m, section->page);
	mn_gate_pass(&section->open);
	mn_end(&section->range);
	mn_uncover(section->m, section->cover);
}

struct mn_section *mn_section(struct kunit *test, struct mn_mm *m,
			      enum mn_cover cover, unsigned int page)
{
	struct mn_section *section = mn_alloc(test, sizeof(*section));

	section->m = m;
	section->cover = cover;
	section->page = page;
	mn_gate_init(test->priv, &section->open);
	mn_gate_close(&section->open);
	section->thread = mn_thread(test, mn_section_main, section);
	return section;
}

/* Returns when the section is open. */
bool mn_section_begins(struct mn_section *section)
{
	mn_thread_run(section->thread);
	return mn_gate_reached(&section->open);
}

bool mn_section_ends(struct mn_section *section)
{
	mn_gate_open(&section->open);
	return mn_thread_ends(section->thread);
}

/*
 * Announce a warning to the harness. The harness fails the run on each warning
 * that is not announced, and on each announcement without a warning. The code
 * warns once per boot and place, so this announces once, whichever cases are
 * run.
 */
void mn_expect_warning(enum mn_warning warning)
{
	static bool announced[MN_WARNINGS];
	bool interval = warning >= MN_WARN_FIRST_INSERT_NO_USERS;

	if (!announced[warning])
		pr_info("expect-splat: WARNING %s\n",
			interval ? "mm/mmu_interval_notifier.c" :
				   "mm/mmu_notifier.c");
	announced[warning] = true;
}

/* The fixture */

static void mn_test_free(void *data)
{
	struct mn_memory *memory, *next_memory;
	struct mn_thread *thread;
	struct mn_test *t = data;
	struct mn_gate *gate;
	struct mn_mm *m;

	list_for_each_entry(gate, &t->gates, all)
		mn_gate_open(gate);
	list_for_each_entry(thread, &t->threads, all)
		mn_thread_free(t, thread);
	if (t->stuck)
		return;

	/* A subscription that was put holds a reference until it is freed. */
	mmu_notifier_synchronize();
	list_for_each_entry(m, &t->mms, all)
		mn_mm_free(t, m);
	list_for_each_entry_safe(memory, next_memory, &t->memory, all)
		kfree(memory);
	kfree(t);
}

int mn_test_init(struct kunit *test)
{
	struct mn_test *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->test = test;
	INIT_LIST_HEAD(&t->memory);
	INIT_LIST_HEAD(&t->mms);
	INIT_LIST_HEAD(&t->threads);
	INIT_LIST_HEAD(&t->gates);
	spin_lock_init(&t->lock);
	t->next_name = 'p';
	test->priv = t;
	mn_current = t;
	return kunit_add_action_or_reset(test, mn_test_free, t);
}
