// SPDX-License-Identifier: GPL-2.0-only
/* Functions of the kernel that are functions here, too. */
#include <linux/mmu_notifier.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SHIM_CHECK
#include <linux/membarrier.h>
#else
#include <asm/prctl.h>
#endif

unsigned int nr_cpu_ids = 16;
__thread struct task_struct shim_task;

#ifdef SHIM_CHECK
void shim_warn(const char *file, int line, const char *what)
{
	fprintf(stderr, "WARNING: %s:%d: %s\n", file, line, what);
	abort();
}
#endif

void shim_trace(int ignored, ...)
{
}

/* What is per CPU */

#ifdef SHIM_CHECK
int shim_barriers __aligned(128);
int shim_published __aligned(128);
__thread int shim_cpu;
unsigned long shim_seed;
static __thread u64 shim_random_state;

static u64 shim_random(void)
{
	u64 x = shim_random_state;

	if (!x)
		x = 0x9e3779b97f4a7c15ULL * (shim_seed + shim_cpu) | 1;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	shim_random_state = x;
	return x >> 16;
}

void shim_disturb(void)
{
	u64 r = shim_random() % 1024;

	if (r < 2)
		sched_yield();
	else if (r < 12)
		for (r = shim_random() % 512; r; r--)
			barrier();
}

void shim_enter_cpu(int cpu)
{
	shim_cpu = cpu;
}

unsigned int raw_smp_processor_id(void)
{
	return (shim_random() % 32 ? shim_cpu : shim_random()) % nr_cpu_ids;
}

void *shim_alloc_percpu(void)
{
	void *p = aligned_alloc(L1_CACHE_BYTES, SHIM_CPUS * L1_CACHE_BYTES);

	return p ? memset(p, 0, SHIM_CPUS * L1_CACHE_BYTES) : NULL;
}

void shim_free_percpu(void *p)
{
	free(p);
}
#else
char shim_units[SHIM_CPUS][SHIM_UNIT] __aligned(4096);

void shim_enter_cpu(int cpu)
{
	struct shim_cpu_vars *hot = shim_per_cpu(&shim_hot, cpu);

	hot->this_cpu_off = (unsigned long)cpu * SHIM_UNIT;
	hot->cpu = cpu;
	hot->preempt_count = INT_MAX;	/* nothing asks for a reschedule */
	if (syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)cpu * SHIM_UNIT))
		abort();
}

static pthread_mutex_t percpu_mutex = PTHREAD_MUTEX_INITIALIZER;
static void *percpu_free;
static size_t percpu_used = L1_CACHE_BYTES;

/* Those given back first */
static void *percpu_take(void)
{
	void *p = percpu_free;

	if (p) {
		percpu_free = *(void **)p;
	} else if (percpu_used < SHIM_UNIT) {
		p = &shim_units[0][percpu_used];
		percpu_used += L1_CACHE_BYTES;
	}
	return p;
}

void *shim_alloc_percpu(void)
{
	void *p;
	int cpu;

	pthread_mutex_lock(&percpu_mutex);
	p = percpu_take();
	pthread_mutex_unlock(&percpu_mutex);
	for (cpu = 0; p && cpu < SHIM_CPUS; cpu++)
		memset(shim_per_cpu(p, cpu), 0, L1_CACHE_BYTES);
	return p;
}

void shim_free_percpu(void *p)
{
	pthread_mutex_lock(&percpu_mutex);
	*(void **)p = percpu_free;
	percpu_free = p;
	pthread_mutex_unlock(&percpu_mutex);
}

/* Where a kernel with PREEMPT_VOLUNTARY may reschedule */
static noinline void rcu_all_qs(void)
{
	if (!READ_ONCE(*shim_this_cpu_ptr(&shim_hot.rcu_urgent_qs)))
		return;
	abort();
}

noinline int __cond_resched(void)
{
	if (unlikely(!shim_this_cpu_int(shim_hot.preempt_count)))
		abort();
	rcu_all_qs();
	return 0;
}
#endif

/* Locks */

#ifdef SHIM_CHECK
/* The holder may be off the CPU. */
void _raw_spin_lock(spinlock_t *lock)
{
	shim_disturb();
	while (__atomic_exchange_n(&lock->val, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}
#else
/*
 * The queued spinlock, for as many as there are CPUs: the lowest byte says that it is
 * taken, the next one that somebody is next; others queue up. There the kernel spins on a
 * node of its own; here with some time between two looks.
 */
static noinline void queued_spin_lock_slowpath(spinlock_t *lock, u32 val)
{
	u32 old;
	bool was_next;

	/* The next one in the queue is about to take it. */
	while (val == 0x100) {
		cpu_relax();
		val = READ_ONCE(lock->val);
	}
	if (val & ~0xff)
		goto queue;
	asm volatile("lock btsl $8,%0" : "+m"(lock->val), "=@ccc"(was_next) :: "memory");
	if (was_next)
		goto queue;
	while (READ_ONCE(*(u8 *)&lock->val))
		cpu_relax();
	barrier();
	WRITE_ONCE(*(u16 *)&lock->val, 1);
	return;
queue:
	for (;;) {
		int i;

		old = 0;
		if (!READ_ONCE(lock->val) && try_cmpxchg(&lock->val, &old, 1))
			return;
		for (i = 0; i < 16; i++)
			cpu_relax();
	}
}

void _raw_spin_lock(spinlock_t *lock)
{
	u32 val = 0;

	if (likely(try_cmpxchg(&lock->val, &val, 1)))
		return;
	queued_spin_lock_slowpath(lock, val);
}
#endif

void mutex_lock(struct mutex *lock)
{
	while (xchg_acquire(&lock->taken, 1))
		sched_yield();
}

void mutex_unlock(struct mutex *lock)
{
	smp_store_release(&lock->taken, 0);
}

/* Wait queues. In the kernel __wake_up() also disables interrupts, which costs more. */

void init_waitqueue_head(wait_queue_head_t *wq)
{
	spin_lock_init(&wq->lock);
	INIT_LIST_HEAD(&wq->head);
}

static noinline int __wake_up_common(wait_queue_head_t *wq)
{
	struct shim_wait *wait, *next;

	list_for_each_entry_safe(wait, next, &wq->head, entry) {
		list_del_init(&wait->entry);
		smp_store_release(&wait->woken, 1);
	}
	return 0;
}

int __wake_up(wait_queue_head_t *wq, unsigned int mode, int nr, void *key)
{
	unsigned long flags = 0;

#ifndef SHIM_CHECK
	asm volatile("pushfq; popq %0" : "=rm"(flags) :: "memory");
#endif
	_raw_spin_lock(&wq->lock);
	__wake_up_common(wq);
	spin_unlock(&wq->lock);
	return flags & 0x200 ? 0 : -1;
}

void shim_wait_prepare(wait_queue_head_t *wq, struct shim_wait *wait)
{
	spin_lock(&wq->lock);
	wait->woken = 0;
	if (!wait->entry.next)
		INIT_LIST_HEAD(&wait->entry);
	if (list_empty(&wait->entry))
		list_add(&wait->entry, &wq->head);
	spin_unlock(&wq->lock);
	smp_mb();
}

void shim_wait_sleep(struct shim_wait *wait)
{
	u64 began = ktime_get_ns();

	while (!smp_load_acquire(&wait->woken)) {
		sched_yield();
		if (ktime_get_ns() - began > 20000000000ULL) {
			fprintf(stderr, "nobody wakes a waiter\n");
			abort();
		}
	}
}

/* A waker that has taken it off may still hold the lock: take it, too. */
void shim_wait_finish(wait_queue_head_t *wq, struct shim_wait *wait)
{
	spin_lock(&wq->lock);
	list_del_init(&wait->entry);
	spin_unlock(&wq->lock);
}

/* SRCU, as it is in Tree SRCU but for the machinery behind a grace period */

int init_srcu_struct(struct srcu_struct *ssp)
{
	ssp->srcu_idx = 0;
	ssp->sda = shim_alloc_percpu();
	return ssp->sda ? 0 : -ENOMEM;
}

#ifdef SHIM_CHECK
static void shim_count(struct srcu_struct *ssp, unsigned long *counter)
{
	__atomic_fetch_add(shim_per_cpu(counter, shim_cpu), 1, __ATOMIC_RELAXED);
	shim_disturb();
}
#else
#define shim_count(ssp, counter)	this_cpu_inc(*(counter))
#endif

int __srcu_read_lock(struct srcu_struct *ssp)
{
	int idx = READ_ONCE(ssp->srcu_idx) & 1;

	shim_count(ssp, &ssp->sda->srcu_lock_count[idx]);
	smp_mb();
	return idx;
}

void __srcu_read_unlock(struct srcu_struct *ssp, int idx)
{
	smp_mb();
	shim_count(ssp, &ssp->sda->srcu_unlock_count[idx]);
}

/* Sum up those who left first, so that none leaves unseen in between. */
static bool shim_readers_gone(struct srcu_struct *ssp, int idx)
{
	unsigned long sum = 0;
	int cpu;

	for (cpu = 0; cpu < SHIM_CPUS; cpu++)
		sum += READ_ONCE(shim_per_cpu(ssp->sda, cpu)->srcu_unlock_count[idx]);
	smp_mb();
	for (cpu = 0; cpu < SHIM_CPUS; cpu++)
		sum -= READ_ONCE(shim_per_cpu(ssp->sda, cpu)->srcu_lock_count[idx]);
	return !sum;
}

/* A reader may have read the index long ago: hence check both. */
void synchronize_srcu(struct srcu_struct *ssp)
{
	static struct mutex mutex;
	int side, idx;

	smp_mb();
	mutex_lock(&mutex);
	for (side = 0; side < 2; side++) {
		idx = !(ssp->srcu_idx & 1);
		while (!shim_readers_gone(ssp, idx)) {
			mutex_unlock(&mutex);
			sched_yield();
			mutex_lock(&mutex);
			idx = !(ssp->srcu_idx & 1);
		}
		smp_mb();
		WRITE_ONCE(ssp->srcu_idx, ssp->srcu_idx + 1);
		smp_mb();
	}
	mutex_unlock(&mutex);
}

void cleanup_srcu_struct(struct srcu_struct *ssp)
{
	WARN_ON(!shim_readers_gone(ssp, 0) || !shim_readers_gone(ssp, 1));
	shim_free_percpu(ssp->sda);
	ssp->sda = NULL;
}

void call_srcu(struct srcu_struct *ssp, struct rcu_head *head,
	       void (*func)(struct rcu_head *head))
{
	synchronize_srcu(ssp);
	func(head);
}

/* RCU: while measuring, no other thread reads. */

#ifdef SHIM_CHECK
static struct {
	unsigned long entered;	/* odd inside */
	unsigned long nested;
} readers[SHIM_CPUS] __aligned(64);

void rcu_read_lock(void)
{
	if (!readers[shim_cpu].nested++)
		WRITE_ONCE(readers[shim_cpu].entered, readers[shim_cpu].entered + 1);
	smp_mb();
}

void rcu_read_unlock(void)
{
	smp_mb();
	if (!--readers[shim_cpu].nested)
		WRITE_ONCE(readers[shim_cpu].entered, readers[shim_cpu].entered + 1);
}

void synchronize_rcu_expedited(void)
{
	unsigned long entered;
	int cpu;

	smp_mb();
	for (cpu = 0; cpu < SHIM_CPUS; cpu++) {
		entered = READ_ONCE(readers[cpu].entered);
		while (entered & 1 && READ_ONCE(readers[cpu].entered) == entered)
			sched_yield();
	}
	smp_mb();
}
#else
void synchronize_rcu_expedited(void)
{
	smp_mb();
}
#endif

/*
 * Memory, aligned as by kmalloc(); for sanitizers of exactly the size asked for
 */

#ifdef SHIM_CHECK
__thread unsigned int shim_no_memory;
#endif

void *kzalloc(size_t size, gfp_t gfp)
{
	size_t align = 8, len;
	void *p;

	while (align < size && align < PAGE_SIZE)
		align *= 2;
	len = (size + align - 1) / align * align;
#ifdef SHIM_CHECK
	align = 64;
	len = size;
	if (shim_no_memory && !--shim_no_memory)
		return NULL;
#endif
	if (posix_memalign(&p, align, len))
		return NULL;
	return memset(p, 0, len);
}

void kfree(const void *p)
{
	free((void *)p);
}

/* Work: one thread, on the last CPU */

static pthread_mutex_t work_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_cond = PTHREAD_COND_INITIALIZER;
static LIST_HEAD(work_list);
static struct work_struct *work_running;
static pthread_t work_thread;
static bool work_started;

static void run_work(struct work_struct *work)
{
	struct work_struct *outer = work_running;

	list_del(&work->entry);
	work->queued = 0;
	work_running = work;
	pthread_mutex_unlock(&work_mutex);
	/* May free it. */
	work->func(work);
	pthread_mutex_lock(&work_mutex);
	work_running = outer;
	pthread_cond_broadcast(&work_cond);
}

static void *run_works(void *arg)
{
	shim_enter_cpu(SHIM_CPUS - 1);
	pthread_mutex_lock(&work_mutex);
	for (;;) {
		while (list_empty(&work_list))
			pthread_cond_wait(&work_cond, &work_mutex);
		run_work(list_first_entry(&work_list, struct work_struct, entry));
	}
	return NULL;
}

/* All work is done by one thread. */
struct workqueue_struct *system_unbound_wq;

struct workqueue_struct *alloc_workqueue(const char *name, int flags, int max, ...)
{
	static struct workqueue_struct wq;

	return &wq;
}

bool queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	bool queued;

	pthread_mutex_lock(&work_mutex);
	if (!work_started)
		work_started = !pthread_create(&work_thread, NULL, run_works, NULL);
	queued = !work->queued;
	if (queued)
		list_add_tail(&work->entry, &work_list);
	work->queued = 1;
	pthread_cond_broadcast(&work_cond);
	pthread_mutex_unlock(&work_mutex);
	return queued;
}

/* Another work item that waits for one that has not begun runs it itself. */
bool flush_work(struct work_struct *work)
{
	bool waited = false;

	pthread_mutex_lock(&work_mutex);
	while (work->queued || work_running == work) {
		waited = true;
		if (work->queued && work_started &&
		    pthread_equal(pthread_self(), work_thread))
			run_work(work);
		else
			pthread_cond_wait(&work_cond, &work_mutex);
	}
	pthread_mutex_unlock(&work_mutex);
	return waited;
}

void flush_workqueue(struct workqueue_struct *wq)
{
	pthread_mutex_lock(&work_mutex);
	while (!list_empty(&work_list) || work_running)
		pthread_cond_wait(&work_cond, &work_mutex);
	pthread_mutex_unlock(&work_mutex);
}

/* The address space */

struct mm_struct *shim_mm_alloc(void)
{
	struct mm_struct *mm = kzalloc(sizeof(*mm), GFP_KERNEL);
	pthread_rwlockattr_t attr;

	/* As in the kernel, readers do not lock a writer out for good. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	if (!mm || pthread_rwlock_init(&mm->mmap_lock, &attr))
		abort();
	atomic_set(&mm->mm_users, 1);
	atomic_set(&mm->mm_count, 1);
	return mm;
}

void mmput(struct mm_struct *mm)
{
	if (!atomic_dec_and_test(&mm->mm_users))
		return;
	mmu_notifier_release(mm);
	WRITE_ONCE(mm->exited, true);
	mmdrop(mm);
}

void __mmdrop(struct mm_struct *mm)
{
	mmu_notifier_subscriptions_destroy(mm);
	pthread_rwlock_destroy(&mm->mmap_lock);
	kfree(mm);
}
