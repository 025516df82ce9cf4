/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations for sanitizers and for making threads meet. ThreadSanitizer reports
 * two accesses to the same bytes, one of them a store and one of them plain, when nothing
 * orders one before the other. So each operation has to order at least what the kernel's
 * orders, or it reports what is right:
 *
 * - An acquire, a release and a lock are those of C11.
 * - READ_ONCE() and WRITE_ONCE() are relaxed. A pointer that is read so orders what is
 *   read through it, by the address dependency, which C11 has only as an acquire. It
 *   pairs with a release, or with smp_wmb() before the pointer is stored: the latter by
 *   one word that every smp_wmb() writes, and every such read and smp_rmb() read.
 * - ThreadSanitizer ignores fences. A full barrier is an atomic operation on one word
 *   that all barriers share: that orders what is before the one that comes first, before
 *   what is after the other one, and is a full barrier of the processor as well. Where two
 *   barriers are ordered in the kernel, by who sees whose store, they are so here.
 *   It orders more than the kernel does, as barriers do so that have nothing in common:
 *   what is found is wrong, but a barrier at the wrong place may be found only by what
 *   comes of it.
 * - lib/rbtree.c and lib/interval_tree.c store plainly what walks without the lock read
 *   by READ_ONCE(), and throw away where the sequence count has changed. As KCSAN does,
 *   the stores between raw_write_seqcount_begin() and _end() are taken for atomic ones:
 *   they are ignored. Nothing else is.
 */
#if defined(__SANITIZE_THREAD__)
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#define shim_ignore_reads()	AnnotateIgnoreReadsBegin(__FILE__, __LINE__)
#define shim_heed_reads()	AnnotateIgnoreReadsEnd(__FILE__, __LINE__)
#define shim_ignore_writes()	AnnotateIgnoreWritesBegin(__FILE__, __LINE__)
#define shim_heed_writes()	AnnotateIgnoreWritesEnd(__FILE__, __LINE__)
#else
#define shim_ignore_reads()	do { } while (0)
#define shim_heed_reads()	do { } while (0)
#define shim_ignore_writes()	do { } while (0)
#define shim_heed_writes()	do { } while (0)
#endif

/* Now and then let other threads run in between, chosen by this seed. */
extern unsigned long shim_seed;
/* If not 0: the allocation of this thread that fails, 1 for the next one. */
extern __thread unsigned int shim_no_memory;
void shim_disturb(void);

extern int shim_published;
#define SHIM_IS_POINTER(x)	(__builtin_classify_type(x) == 5)
#define READ_ONCE(x) ({							\
	shim_disturb();							\
	typeof(x) __once = __atomic_load_n(&(x), SHIM_IS_POINTER(x) ?	\
					   __ATOMIC_ACQUIRE : __ATOMIC_RELAXED);	\
									\
	if (SHIM_IS_POINTER(x))						\
		(void)__atomic_load_n(&shim_published, __ATOMIC_ACQUIRE);	\
	__once;								\
})
#define WRITE_ONCE(x, v) do {						\
	shim_disturb();							\
	__atomic_store_n(&(x), v, __ATOMIC_RELAXED);			\
} while (0)
#define __READ_ONCE(x)		READ_ONCE(x)
#define __WRITE_ONCE(x, v)	WRITE_ONCE(x, v)
#define data_race(x) ({							\
	shim_ignore_reads();						\
	typeof(x) __v = (x);						\
									\
	shim_heed_reads();						\
	__v;								\
})
#define ASSERT_EXCLUSIVE_ACCESS(x)	do { } while (0)
#define ASSERT_EXCLUSIVE_WRITER(x)	do { } while (0)

extern int shim_barriers;
#define shim_full() do {						\
	(void)__atomic_fetch_add(&shim_barriers, 1, __ATOMIC_ACQ_REL);	\
	(void)__atomic_load_n(&shim_published, __ATOMIC_ACQUIRE);	\
} while (0)
#define smp_mb() do {							\
	shim_disturb();							\
	shim_full();							\
	shim_disturb();							\
} while (0)
#define smp_rmb() do {							\
	shim_disturb();							\
	(void)__atomic_load_n(&shim_barriers, __ATOMIC_ACQUIRE);	\
	(void)__atomic_load_n(&shim_published, __ATOMIC_ACQUIRE);	\
	shim_disturb();							\
} while (0)
#define smp_wmb() do {							\
	shim_disturb();							\
	(void)__atomic_fetch_add(&shim_published, 1, __ATOMIC_RELEASE);	\
	shim_disturb();							\
} while (0)
#define smp_load_acquire(p) ({						\
	shim_disturb();							\
	typeof(*(p)) __v = __atomic_load_n(p, __ATOMIC_ACQUIRE);	\
									\
	shim_disturb();							\
	__v;								\
})
#define smp_store_release(p, v) do {					\
	shim_disturb();							\
	__atomic_store_n(p, v, __ATOMIC_RELEASE);			\
	shim_disturb();							\
} while (0)
#define cpu_relax()		sched_yield()
#define shim_spin_unlock(lock)	smp_store_release(&(lock)->val, 0)

#define shim_seq_write_begin()	shim_ignore_writes()
#define shim_seq_write_end()	shim_heed_writes()

#define SHIM_BIT_OP(op, mask) \
	__atomic_fetch_##op((unsigned long *)addr, mask, __ATOMIC_SEQ_CST)
static inline void set_bit(long nr, volatile unsigned long *addr)
{
	SHIM_BIT_OP(or, 1UL << nr);
}

static inline void clear_bit(long nr, volatile unsigned long *addr)
{
	SHIM_BIT_OP(and, ~(1UL << nr));
}

static inline bool test_and_set_bit(long nr, volatile unsigned long *addr)
{
	bool was;

	shim_full();
	was = SHIM_BIT_OP(or, 1UL << nr) >> nr & 1;
	shim_full();
	return was;
}

static inline bool test_and_clear_bit(long nr, volatile unsigned long *addr)
{
	bool was;

	shim_full();
	was = SHIM_BIT_OP(and, ~(1UL << nr)) >> nr & 1;
	shim_full();
	return was;
}

static inline bool test_bit(long nr, const volatile unsigned long *addr)
{
	return READ_ONCE(*addr) >> nr & 1;
}

#define clear_bit_unlock	clear_bit
#define test_and_set_bit_lock	test_and_set_bit

/*
 * A thread has counters of its own. Which CPU it finds itself on is mostly the one that
 * it entered: sometimes it has migrated.
 */
extern __thread int shim_cpu;
#define shim_per_cpu(p, cpu)	((typeof(p))((char *)(p) + (cpu) * L1_CACHE_BYTES))
unsigned int raw_smp_processor_id(void);
#define smp_processor_id()	raw_smp_processor_id()

void rcu_read_lock(void);
void rcu_read_unlock(void);

#define shim_might_resched()	shim_disturb()
#define shim_static_branch()	false
