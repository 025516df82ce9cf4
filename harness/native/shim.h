/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NATIVE_SHIM_H
#define NATIVE_SHIM_H

/*
 * What the mmu_notifiers, those of the base and ours, use of the kernel, for user
 * space: included before every file. Lists, trees and their headers are the base's;
 * every other header that they ask for is empty. There are two sets of operations:
 * shim-x86.h has the instructions of the kernel, for measuring, shim-check.h what
 * sanitizers understand.
 *
 * The configuration is that of a kernel for x86-64 with SMP and PREEMPT_VOLUNTARY,
 * without PREEMPT_COUNT, lockdep and debug options. Tracepoints are there and off.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
typedef unsigned int gfp_t;

#define CONFIG_SMP		1
#define CONFIG_64BIT		1
#define CONFIG_MMU_NOTIFIER	1
#define CONFIG_TRACEPOINTS	1
#define BITS_PER_LONG		64
#define L1_CACHE_BYTES		64
#define SMP_CACHE_BYTES		64
#define PAGE_SHIFT		12
#define PAGE_SIZE		(1UL << PAGE_SHIFT)

/* Of a CONFIG_ that is 1 the first macro makes two arguments, of others one. */
#define SHIM_COMMA_1		0,
#define SHIM_SECOND(a, b, ...)	b
#define SHIM_PICK(x)		SHIM_SECOND(x 1, 0, 0)
#define SHIM_IS_SET(x)		SHIM_PICK(SHIM_COMMA_##x)
#define SHIM_IS_ENABLED(x)	SHIM_IS_SET(x)
#define IS_ENABLED(option)	SHIM_IS_ENABLED(option)
#define IS_BUILTIN(option)	IS_ENABLED(option)

/* The compiler, and sparse */

#undef __always_inline
#define __always_inline		inline __attribute__((__always_inline__))
#define noinline		__attribute__((__noinline__))
#define __cold			__attribute__((__cold__))
#define __aligned(x)		__attribute__((__aligned__(x)))
#define __packed		__attribute__((__packed__))
#define __maybe_unused		__attribute__((__unused__))
#define __must_check		__attribute__((__warn_unused_result__))
#define __uninitialized		__attribute__((__uninitialized__))
#define __counted_by(member)
#define ____cacheline_aligned		__aligned(L1_CACHE_BYTES)
#define ____cacheline_aligned_in_smp	__aligned(L1_CACHE_BYTES)
#define ____cacheline_internodealigned_in_smp	__aligned(L1_CACHE_BYTES)
#define __init
#define __initdata
#define __ro_after_init
#define __read_mostly
#define __user
#define __rcu
#define __percpu
#define __private
#define __acquires(x)
#define __releases(x)
#define __must_hold(x)
#define __context_unsafe(x)
#define __no_context_analysis
#define __rcu_guarded
#define __acquire(x)		((void)0)
#define __release(x)		((void)0)
#define ACCESS_PRIVATE(p, member)	((p)->member)
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define barrier()		asm volatile("" ::: "memory")
#define typeof_member(t, m)	typeof(((t *)0)->m)
#define sizeof_field(t, m)	sizeof(((t *)0)->m)
#define static_assert		_Static_assert
#define BUILD_BUG_ON(cond)	((void)sizeof(char[1 - 2 * !!(cond)]))
#define BUILD_BUG_ON_ZERO(cond)	((int)(sizeof(char[1 - 2 * !!(cond)]) - 1))
#define __same_type(a, b)	__builtin_types_compatible_p(typeof(a), typeof(b))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member)	\
	((type *)((char *)(ptr) - offsetof(type, member)))
#define container_of_const	container_of
#define min(a, b)	({ typeof(a) __a = (a); typeof(b) __b = (b); __a < __b ? __a : __b; })
#define max(a, b)	({ typeof(a) __a = (a); typeof(b) __b = (b); __a > __b ? __a : __b; })
#define min_t(t, a, b)	min((t)(a), (t)(b))
#define max_t(t, a, b)	max((t)(a), (t)(b))
#define swap(a, b)	do { typeof(a) __t = (a); (a) = (b); (b) = __t; } while (0)
#define struct_size(p, member, n)	(sizeof(*(p)) + sizeof((p)->member[0]) * (n))
#define check_add_overflow(a, b, d)	__builtin_add_overflow(a, b, d)
#define U32_MAX			UINT32_MAX
#define U64_MAX			UINT64_MAX

#define EXPORT_SYMBOL(x)
#define EXPORT_SYMBOL_GPL(x)
#define EXPORT_SYMBOL_IF_KUNIT(x)
#define MODULE_LICENSE(x)
#define SHIM_INITCALL(fn) \
	static __attribute__((__constructor__)) void fn##_at_start(void) { fn(); }
#define core_initcall		SHIM_INITCALL
#define subsys_initcall		SHIM_INITCALL
#define late_initcall		SHIM_INITCALL

/* A trap, as in the kernel, or a message */
#ifdef SHIM_CHECK
__cold noinline void shim_warn(const char *file, int line, const char *what);
#else
#define shim_warn(file, line, what)	asm volatile("ud2")
#endif
#define WARN_ON(cond) ({						\
	bool __cond = !!(cond);						\
									\
	if (unlikely(__cond))						\
		shim_warn(__FILE__, __LINE__, #cond);			\
	unlikely(__cond);						\
})
#define WARN_ON_ONCE(cond)	WARN_ON(cond)
#define WARN(cond, ...)		WARN_ON(cond)
#define WARN_ONCE(cond, ...)	WARN_ON(cond)
#define VM_WARN_ON(cond)	((void)sizeof(cond))
#define VM_WARN_ON_ONCE(cond)	((void)sizeof(cond))
#define BUG_ON(cond)		((void)WARN_ON(cond))
#define pr_info(...)		((void)0)
#define pr_err(...)		((void)0)
#define pr_warn_once(...)	((void)0)

#define MAX_ERRNO		4095
#define IS_ERR_VALUE(x)		unlikely((unsigned long)(x) >= (unsigned long)-MAX_ERRNO)
static inline void *ERR_PTR(long error) { return (void *)error; }
static inline long PTR_ERR(const void *ptr) { return (long)ptr; }
static inline bool IS_ERR(const void *ptr) { return IS_ERR_VALUE(ptr); }
static inline bool IS_ERR_OR_NULL(const void *ptr) { return !ptr || IS_ERR(ptr); }

/* Bits */

#define BIT(n)			(1UL << (n))
#define GENMASK(h, l)		((~0UL << (l)) & (~0UL >> (63 - (h))))
#define SHIM_SHIFT(mask)	(__builtin_ffsll(mask) - 1)
#define FIELD_MAX(mask)		((typeof(mask))((mask) >> SHIM_SHIFT(mask)))
#define FIELD_PREP(mask, v)	((typeof(mask))(((typeof(mask))(v) << SHIM_SHIFT(mask)) & (mask)))
#define FIELD_GET(mask, v)	((typeof(mask))(((v) & (mask)) >> SHIM_SHIFT(mask)))
#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define DECLARE_BITMAP(name, n)	unsigned long name[BITS_TO_LONGS(n)]
static __always_inline unsigned long __ffs(unsigned long w) { return __builtin_ctzl(w); }
static __always_inline unsigned long ffz(unsigned long w) { return __builtin_ctzl(~w); }
static __always_inline unsigned long __fls(unsigned long w) { return 63 - __builtin_clzl(w); }
static __always_inline int fls(unsigned int w) { return w ? 32 - __builtin_clz(w) : 0; }
static __always_inline int fls64(u64 w) { return w ? 64 - __builtin_clzl(w) : 0; }
static __always_inline unsigned int fls_long(unsigned long w) { return fls64(w); }
#define hweight_long(w)		__builtin_popcountl(w)
#define hweight64(w)		__builtin_popcountl(w)

/* Of one word, as all uses here are */
static __always_inline unsigned long find_next_bit(const unsigned long *addr,
						   unsigned long size,
						   unsigned long offset)
{
	unsigned long w;

	if (unlikely(offset >= size))
		return size;
	w = *addr & GENMASK(size - 1, offset);
	return w ? __ffs(w) : size;
}

#define find_first_bit(addr, size)	find_next_bit(addr, size, 0)
#define for_each_set_bit(bit, addr, size)				\
	for ((bit) = 0;							\
	     (bit) = find_next_bit((addr), (size), (bit)), (bit) < (size);	\
	     (bit)++)

/* Types that linux/types.h defines */

struct list_head { struct list_head *next, *prev; };
struct hlist_head { struct hlist_node *first; };
struct hlist_node { struct hlist_node *next, **pprev; };
struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};
#define callback_head rcu_head

typedef struct { int counter; } atomic_t;
typedef struct { long counter; } atomic_long_t;
typedef struct { s64 counter; } atomic64_t;
#define ATOMIC_INIT(i)		{ (i) }
#define ATOMIC_LONG_INIT(i)	{ (i) }

/* CPUs: each thread says which one it is */

#define SHIM_CPUS		72
extern unsigned int nr_cpu_ids;
#define num_possible_cpus()	nr_cpu_ids
#define num_online_cpus()	nr_cpu_ids
#define NR_CPUS			64
#define PID_MAX_LIMIT		(4 * 1024 * 1024)

void shim_enter_cpu(int cpu);
void *shim_alloc_percpu(void);	/* a cache line for each */
void shim_free_percpu(void *p);

#ifdef SHIM_CHECK
#include "shim-check.h"
#else
#include "shim-x86.h"
#endif

/*
 * Atomic operations with a result are full barriers: shim_full() makes them so where
 * the instruction alone does not. Compilers turn these builtins into the instructions
 * that the kernel writes down.
 */
#define SHIM_RMW(type, op) ({						\
	type __ret;							\
									\
	shim_full();							\
	__ret = (op);							\
	shim_full();							\
	__ret;								\
})
#define xchg(ptr, v)	SHIM_RMW(typeof(*(ptr)), __atomic_exchange_n(ptr, v, __ATOMIC_SEQ_CST))
#define xchg_relaxed(ptr, v)	__atomic_exchange_n(ptr, v, __ATOMIC_RELAXED)
#define xchg_acquire(ptr, v)	__atomic_exchange_n(ptr, v, __ATOMIC_ACQUIRE)
#define xchg_release(ptr, v)	__atomic_exchange_n(ptr, v, __ATOMIC_RELEASE)
#define SHIM_TRY(ptr, old, new, order) \
	__atomic_compare_exchange_n(ptr, old, new, false, order, __ATOMIC_RELAXED)
#define try_cmpxchg(ptr, old, new) \
	likely(SHIM_RMW(bool, SHIM_TRY(ptr, old, new, __ATOMIC_SEQ_CST)))
#define try_cmpxchg_relaxed(ptr, old, new)	SHIM_TRY(ptr, old, new, __ATOMIC_RELAXED)
#define try_cmpxchg_acquire(ptr, old, new)	SHIM_TRY(ptr, old, new, __ATOMIC_ACQUIRE)
#define try_cmpxchg_release(ptr, old, new)	SHIM_TRY(ptr, old, new, __ATOMIC_RELEASE)
#define cmpxchg(ptr, old, new) ({					\
	typeof(*(ptr)) __old = (old);					\
									\
	(void)try_cmpxchg(ptr, &__old, new);				\
	__old;								\
})
#define cmpxchg_release	cmpxchg
#define cmpxchg_acquire	cmpxchg
#define cmpxchg_relaxed	cmpxchg
#define smp_store_mb(var, v)	((void)xchg(&(var), v))

#define SHIM_ATOMIC(type, t, name)						\
static __always_inline type name##_read(const t *v) { return READ_ONCE(v->counter); }	\
static __always_inline type name##_read_acquire(const t *v)			\
{ return smp_load_acquire(&v->counter); }					\
static __always_inline void name##_set(t *v, type i) { WRITE_ONCE(v->counter, i); }	\
static __always_inline void name##_set_release(t *v, type i)			\
{ smp_store_release(&v->counter, i); }						\
static __always_inline void name##_add(type i, t *v)				\
{ __atomic_fetch_add(&v->counter, i, __ATOMIC_RELAXED); }			\
static __always_inline void name##_inc(t *v) { name##_add(1, v); }		\
static __always_inline void name##_dec(t *v) { name##_add(-1, v); }		\
static __always_inline void name##_or(type i, t *v)				\
{ __atomic_fetch_or(&v->counter, i, __ATOMIC_RELAXED); }			\
static __always_inline void name##_andnot(type i, t *v)				\
{ __atomic_fetch_and(&v->counter, ~i, __ATOMIC_RELAXED); }			\
static __always_inline type name##_add_return(type i, t *v)			\
{ return SHIM_RMW(type, __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST)); }	\
static __always_inline type name##_fetch_add(type i, t *v)			\
{ return SHIM_RMW(type, __atomic_fetch_add(&v->counter, i, __ATOMIC_SEQ_CST)); }	\
static __always_inline type name##_inc_return(t *v) { return name##_add_return(1, v); }	\
static __always_inline type name##_dec_return(t *v) { return name##_add_return(-1, v); }	\
static __always_inline bool name##_dec_and_test(t *v)				\
{ return name##_add_return(-1, v) == 0; }					\
static __always_inline type name##_xchg(t *v, type i) { return xchg(&v->counter, i); }	\
static __always_inline bool name##_try_cmpxchg(t *v, type *old, type new)	\
{ return try_cmpxchg(&v->counter, old, new); }					\
static __always_inline bool name##_inc_not_zero(t *v)				\
{										\
	type old = name##_read(v);						\
										\
	do {									\
		if (!old)							\
			return false;						\
	} while (!name##_try_cmpxchg(v, &old, old + 1));			\
	return true;								\
}
SHIM_ATOMIC(int, atomic_t, atomic)
SHIM_ATOMIC(long, atomic_long_t, atomic_long)
SHIM_ATOMIC(s64, atomic64_t, atomic64)
#define smp_mb__before_atomic()		do { barrier(); shim_full(); } while (0)
#define smp_mb__after_atomic()		do { barrier(); shim_full(); } while (0)
#define smp_mb__after_spinlock()	do { barrier(); shim_full(); } while (0)
#define smp_mb__after_srcu_read_unlock()	do { } while (0)

/* Non-blocking sections and lockdep: such a kernel has nothing of it */

#define cond_resched()			shim_might_resched()
#define might_sleep()			shim_might_resched()
#define __might_sleep(file, line)	do { } while (0)
#define non_block_start()		do { } while (0)
#define non_block_end()			do { } while (0)
#define preempt_disable()		barrier()
#define preempt_enable()		barrier()
#define preempt_enable_no_resched()	barrier()
#define migrate_disable()		barrier()
#define migrate_enable()		barrier()

struct lockdep_map { };
struct lock_class_key { };
#define lock_map_acquire(map)		do { } while (0)
#define lock_map_acquire_read(map)	do { } while (0)
#define lock_map_acquire_try(map)	do { } while (0)
#define lock_map_release(map)		do { } while (0)
#define lock_map_sync(map)		do { } while (0)
#define lock_is_held(map)		1
#define lock_is_held_type(map, read)	1
#define lockdep_assert_held(lock)	do { } while (0)
#define lockdep_assert_held_write(lock)	do { } while (0)
#define lockdep_assert(cond)		do { } while (0)
#define lockdep_is_held(lock)		1
#define might_lock(lock)		do { } while (0)
#define might_lock_read(lock)		do { } while (0)
#define srcu_lock_sync(map)		do { (void)(map); } while (0)

/* Locks */

typedef struct spinlock {
	u32 val;
} spinlock_t;
typedef spinlock_t raw_spinlock_t;

void _raw_spin_lock(spinlock_t *lock);
#define spin_lock_init(lock)	((void)((lock)->val = 0))
#define spin_lock(lock)		_raw_spin_lock(lock)
#define spin_unlock(lock)	shim_spin_unlock(lock)
#define raw_spin_lock_init	spin_lock_init
#define raw_spin_lock		spin_lock
#define raw_spin_unlock		spin_unlock
#define DEFINE_SPINLOCK(name)	spinlock_t name

/* As big as the kernel's */
struct mutex {
	int taken;
	u32 pad[7];
};

void mutex_lock(struct mutex *lock);
void mutex_unlock(struct mutex *lock);
#define mutex_init(lock)	((void)((lock)->taken = 0))
#define DEFINE_MUTEX(name)	struct mutex name

typedef struct seqcount {
	unsigned int sequence;
} seqcount_t;
#define SEQCNT_ZERO(name)	{ .sequence = 0 }
#define seqcount_init(s)	((void)((s)->sequence = 0))
#define raw_seqcount_begin(s)	(raw_read_seqcount(s) & ~1U)
static __always_inline unsigned int raw_read_seqcount(const seqcount_t *s)
{
	return smp_load_acquire(&s->sequence);
}

static __always_inline int read_seqcount_retry(const seqcount_t *s, unsigned int start)
{
	smp_rmb();
	return unlikely(READ_ONCE(s->sequence) != start);
}

static __always_inline void raw_write_seqcount_begin(seqcount_t *s)
{
	shim_seq_write_begin();
	WRITE_ONCE(s->sequence, s->sequence + 1);
	smp_wmb();
}

static __always_inline void raw_write_seqcount_end(seqcount_t *s)
{
	shim_seq_write_end();
	smp_store_release(&s->sequence, s->sequence + 1);
}

static __always_inline unsigned int read_seqcount_begin(const seqcount_t *s)
{
	unsigned int seq;

	for (;;) {
		seq = raw_read_seqcount(s);
		if (likely(!(seq & 1)))
			return seq;
		cpu_relax();
	}
}

#define write_seqcount_begin	raw_write_seqcount_begin
#define write_seqcount_end	raw_write_seqcount_end

/* Wait queues */

typedef struct wait_queue_head {
	spinlock_t lock;
	struct list_head head;
} wait_queue_head_t;

struct shim_wait {
	struct list_head entry;
	int woken;
};

void init_waitqueue_head(wait_queue_head_t *wq);
int __wake_up(wait_queue_head_t *wq, unsigned int mode, int nr, void *key);
void shim_wait_prepare(wait_queue_head_t *wq, struct shim_wait *wait);
void shim_wait_sleep(struct shim_wait *wait);
void shim_wait_finish(wait_queue_head_t *wq, struct shim_wait *wait);
#define wake_up_all(wq)		__wake_up(wq, 3, 0, NULL)
#define wake_up(wq)		__wake_up(wq, 3, 1, NULL)
#define waitqueue_active(wq)	(READ_ONCE((wq)->head.next) != &(wq)->head)
#define wq_has_sleeper(wq)	({ smp_mb(); waitqueue_active(wq); })
#define wait_event(wq, cond) do {					\
	struct shim_wait __wait = { };					\
									\
	if (cond)							\
		break;							\
	for (;;) {							\
		shim_wait_prepare(&(wq), &__wait);			\
		if (cond)						\
			break;						\
		shim_wait_sleep(&__wait);				\
	}								\
	shim_wait_finish(&(wq), &__wait);				\
} while (0)

/* RCU and SRCU */

/* What the read side touches of it is one cache line per CPU, as in Tree SRCU. */
struct srcu_data {
	unsigned long srcu_lock_count[2];
	unsigned long srcu_unlock_count[2];
};

struct srcu_struct {
	unsigned int srcu_idx;
	struct srcu_data *sda;
	struct lockdep_map dep_map;
	void *srcu_sup;
};

int init_srcu_struct(struct srcu_struct *ssp);
void cleanup_srcu_struct(struct srcu_struct *ssp);
int __srcu_read_lock(struct srcu_struct *ssp);
void __srcu_read_unlock(struct srcu_struct *ssp, int idx);
void synchronize_srcu(struct srcu_struct *ssp);
void call_srcu(struct srcu_struct *ssp, struct rcu_head *head,
	       void (*func)(struct rcu_head *head));
#define init_srcu_struct_gfp(ssp, gfp)	init_srcu_struct(ssp)
#define synchronize_srcu_expedited	synchronize_srcu
#define synchronize_srcu_readers	synchronize_srcu
#define srcu_read_lock_held(ssp)	1
#define DEFINE_STATIC_SRCU(name)						\
	static struct srcu_struct name;						\
	static __attribute__((__constructor__)) void name##_at_start(void)	\
	{ init_srcu_struct(&name); }

static __always_inline int srcu_read_lock(struct srcu_struct *ssp)
{
	return __srcu_read_lock(ssp);
}

static __always_inline void srcu_read_unlock(struct srcu_struct *ssp, int idx)
{
	WARN_ON_ONCE(idx & ~1);
	__srcu_read_unlock(ssp, idx);
}

void synchronize_rcu_expedited(void);
#define synchronize_rcu		synchronize_rcu_expedited
#define rcu_read_lock_held()	1
#define rcu_read_lock_any_held()	1
#define rcu_read_lock_sched_held()	1
/* What READ_ONCE() gives is volatile, and so would be variables of its type. */
#define rcu_dereference_raw(p)		({ typeof(*(p)) *__p = READ_ONCE(p); __p; })
#define rcu_dereference(p)		rcu_dereference_raw(p)
#define rcu_dereference_raw_check(p)	rcu_dereference_raw(p)
#define rcu_dereference_check(p, c)	rcu_dereference_raw(p)
#define rcu_dereference_protected(p, c)	(p)
#define rcu_access_pointer(p)		rcu_dereference_raw(p)
#define rcu_assign_pointer(p, v)	smp_store_release(&(p), v)
#define RCU_INIT_POINTER(p, v)		WRITE_ONCE(p, v)
#define RCU_INITIALIZER(v)		(v)
#define RCU_LOCKDEP_WARN(cond, s)	do { } while (0)
#define kfree_rcu(p, member)		do { synchronize_rcu(); kfree(p); } while (0)

/* Memory, work, time */

#define GFP_KERNEL		1
#define GFP_KERNEL_ACCOUNT	1
#define GFP_ATOMIC		2
#define __GFP_NOWARN		0
void *kzalloc(size_t size, gfp_t gfp);
void kfree(const void *p);
#define kcalloc(n, size, gfp)	kzalloc((n) * (size), gfp)
#define kzalloc_obj(x, ...)	((typeof(x) *)kzalloc(sizeof(typeof(x)), GFP_KERNEL))
#define kmalloc			kzalloc
#define kvzalloc		kzalloc
#define kvfree			kfree

struct work_struct {
	struct list_head entry;
	void (*func)(struct work_struct *work);
	int queued;
};

struct workqueue_struct { int unused; };
#define INIT_WORK(work, fn)	((void)((work)->func = (fn), (work)->queued = 0))
#define WQ_UNBOUND		0
#define WQ_MEM_RECLAIM		0
#define WQ_MAX_ACTIVE		0
struct workqueue_struct *alloc_workqueue(const char *name, int flags, int max, ...);
extern struct workqueue_struct *system_unbound_wq;
bool queue_work(struct workqueue_struct *wq, struct work_struct *work);
bool flush_work(struct work_struct *work);
void flush_workqueue(struct workqueue_struct *wq);

static inline u64 ktime_get_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* The address space, which has no mappings */

struct task_struct {
	int unused;
};

extern __thread struct task_struct shim_task;
#define current (&shim_task)

struct mmu_notifier_subscriptions;
struct mm_struct {
	struct mmu_notifier_subscriptions *notifier_subscriptions;
	atomic_t mm_users;
	/* In the kernel other lines than that of the pointer */
	atomic_t mm_count ____cacheline_aligned;
	pthread_rwlock_t mmap_lock;
	bool exited;	/* mmu_notifier_release() has returned */
};

struct mm_struct *shim_mm_alloc(void);
void mmput(struct mm_struct *mm);
void __mmdrop(struct mm_struct *mm);
static inline void mmgrab(struct mm_struct *mm) { atomic_inc(&mm->mm_count); }
static inline void mmdrop(struct mm_struct *mm)
{
	if (unlikely(atomic_dec_and_test(&mm->mm_count)))
		__mmdrop(mm);
}

static inline bool mmget_not_zero(struct mm_struct *mm)
{
	return atomic_inc_not_zero(&mm->mm_users);
}

#define mmap_write_lock(mm)		pthread_rwlock_wrlock(&(mm)->mmap_lock)
#define mmap_write_lock_killable(mm)	pthread_rwlock_wrlock(&(mm)->mmap_lock)
#define mmap_write_unlock(mm)		pthread_rwlock_unlock(&(mm)->mmap_lock)
#define mmap_read_lock(mm)		pthread_rwlock_rdlock(&(mm)->mmap_lock)
#define mmap_read_unlock(mm)		pthread_rwlock_unlock(&(mm)->mmap_lock)
#define mmap_assert_write_locked(mm)	do { (void)(mm); } while (0)
#define mmap_assert_locked(mm)		do { (void)(mm); } while (0)
#define mm_take_all_locks(mm)		0
#define mm_drop_all_locks(mm)		do { } while (0)

struct address_space { int unused; };
struct file { struct address_space *f_mapping; };
struct anon_vma { struct anon_vma *root; };
struct anon_vma_chain {
	struct anon_vma *anon_vma;
	struct list_head same_vma;
};

struct vm_area_struct {
	struct file *vm_file;
	struct list_head anon_vma_chain;
};

struct vma_iterator { int unused; };
#define VMA_ITERATOR(name, mm, addr)	struct vma_iterator name = { }
#define vma_iter_init(vmi, mm, addr)	do { (void)(vmi); } while (0)
#define for_each_vma(vmi, vma)		for ((void)(vmi), (vma) = NULL; (vma);)
#define vma_start_write(vma)		do { } while (0)
#define i_mmap_lock_write(mapping)	do { (void)(mapping); } while (0)
#define i_mmap_unlock_write(mapping)	do { } while (0)
#define anon_vma_lock_write(av)		do { (void)(av); } while (0)
#define anon_vma_unlock_write(av)	do { } while (0)

/* Tracepoints; trace/events/mmu_notifier.h has the list */

__cold noinline void shim_trace(int ignored, ...);
#define EXPORT_TRACEPOINT_SYMBOL_GPL(x)
#define DECLARE_TRACEPOINT(x)		extern int shim_tracepoint_##x
#define tracepoint_enabled(x)		shim_static_branch()
#define SHIM_TRACE(...) do {						\
	if (shim_static_branch())					\
		shim_trace(0, ##__VA_ARGS__);				\
} while (0)

#define __KERNEL__	/* or linux/rculist.h is empty */
#include <linux/list.h>
#include <linux/llist.h>

#endif /* NATIVE_SHIM_H */
