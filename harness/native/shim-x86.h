/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations with the instructions that a kernel for x86-64 has, for measuring.
 * harness/native/instructions compares those that are functions there with objects of
 * the base.
 */
#define READ_ONCE(x)		(*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v)	((void)(*(volatile typeof(x) *)&(x) = (v)))
#define __READ_ONCE(x)		READ_ONCE(x)
#define __WRITE_ONCE(x, v)	WRITE_ONCE(x, v)
#define data_race(x)		(x)
#define ASSERT_EXCLUSIVE_ACCESS(x)	do { } while (0)
#define ASSERT_EXCLUSIVE_WRITER(x)	do { } while (0)

/*
 * Loads and stores keep their order, unless a later load overtakes a store. Locked
 * instructions are full barriers by themselves.
 */
#define shim_full()		((void)0)
#define smp_mb()		asm volatile("lock addl $0,-4(%%rsp)" ::: "memory", "cc")
#define smp_rmb()		barrier()
#define smp_wmb()		barrier()
#define smp_load_acquire(p) ({						\
	typeof(*(p)) __v = READ_ONCE(*(p));				\
									\
	barrier();							\
	__v;								\
})
#define smp_store_release(p, v) do {					\
	barrier();							\
	WRITE_ONCE(*(p), v);						\
} while (0)
#define cpu_relax()		asm volatile("pause" ::: "memory")
#define shim_spin_unlock(lock)	smp_store_release((u8 *)&(lock)->val, 0)
#define shim_seq_write_begin()	do { } while (0)
#define shim_seq_write_end()	barrier()

/* By number; test_and_clear_bit() is a full barrier. */
static __always_inline void set_bit(long nr, volatile unsigned long *addr)
{
	asm volatile("lock btsq %1,%0" : "+m"(*addr) : "Ir"(nr) : "memory", "cc");
}

static __always_inline void clear_bit(long nr, volatile unsigned long *addr)
{
	asm volatile("lock btrq %1,%0" : "+m"(*addr) : "Ir"(nr) : "memory", "cc");
}

static __always_inline bool test_and_set_bit(long nr, volatile unsigned long *addr)
{
	bool was;

	asm volatile("lock btsq %2,%0" : "+m"(*addr), "=@ccc"(was) : "Ir"(nr) : "memory");
	return was;
}

static __always_inline bool test_and_clear_bit(long nr, volatile unsigned long *addr)
{
	bool was;

	asm volatile("lock btrq %2,%0" : "+m"(*addr), "=@ccc"(was) : "Ir"(nr) : "memory");
	return was;
}

static __always_inline bool test_bit(long nr, const volatile unsigned long *addr)
{
	return READ_ONCE(*addr) >> nr & 1;
}

#define clear_bit_unlock	clear_bit
#define test_and_set_bit_lock	test_and_set_bit

/*
 * What is per CPU is relative to %gs, as in the kernel: a pointer to it is its address
 * in the first unit, and the base of the segment the distance of the CPU's unit.
 */
#define SHIM_UNIT	65536
struct shim_cpu_vars {
	unsigned long this_cpu_off;
	int preempt_count;
	int cpu;
	u8 rcu_urgent_qs;
};

extern char shim_units[SHIM_CPUS][SHIM_UNIT];
#define shim_hot	(*(struct shim_cpu_vars *)shim_units)
#define shim_per_cpu(p, cpu)	((typeof(p))((char *)(p) + (cpu) * SHIM_UNIT))
#define this_cpu_inc(v)		asm volatile("incq %%gs:%0" : "+m"(v))
#define shim_this_cpu_int(v) ({						\
	int __v;							\
									\
	asm volatile("movl %%gs:%1,%0" : "=r"(__v) : "m"(v));		\
	__v;								\
})
#define shim_this_cpu_ptr(p) ({						\
	unsigned long __off;						\
									\
	asm volatile("movq %%gs:%1,%0" : "=r"(__off) : "m"(shim_hot.this_cpu_off));	\
	(typeof(p))((char *)(p) + __off);				\
})
#define raw_smp_processor_id()	((unsigned int)shim_this_cpu_int(shim_hot.cpu))
#define smp_processor_id()	raw_smp_processor_id()

/* Without PREEMPT_RCU this is all of it. */
#define rcu_read_lock()		barrier()
#define rcu_read_unlock()	barrier()

int __cond_resched(void);
#define shim_might_resched()	((void)__cond_resched())

/* A static branch that is off: a no-op where the jump would be */
static __always_inline bool shim_static_branch(void)
{
	asm goto(".byte 0x0f,0x1f,0x44,0x00,0x00" :::: yes);
	return false;
yes:
	return true;
}
