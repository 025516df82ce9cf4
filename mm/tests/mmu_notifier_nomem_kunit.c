// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KUnit suite of the mmu_notifier: when there is no memory
 *
 * Each allocation of register, get and insert fails once. The call returns
 * -ENOMEM and leaves nothing behind: no reference, and a subscription that can be
 * used again. The structure of the mm, once it is installed, stays.
 *
 * The slab's fault injection fails the nth allocation of the current task. By
 * default it spares allocations that may wait for reclaim; the cases switch
 * that off in debugfs.
 *
 * The per-CPU allocator has no fault injection. But if none of its chunks has
 * room it makes another one, and needs the slab for that. So the suite takes all
 * the room and makes the slab fail. For the first ten times the allocator then
 * prints a warning with a stack trace.
 */

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/minmax.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/percpu.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/kmem.h>
#include <trace/events/percpu.h>

#include "../mmu_notifier_internal.h"
#include "../slab.h"
#include "mmu_notifier_kunit.h"

#if defined(CONFIG_FAILSLAB) && defined(CONFIG_FAULT_INJECTION_DEBUG_FS)

/* More than any of the calls makes, including those of other tasks meanwhile */
#define MN_ALLOCATIONS	16

enum nomem_call {
	NOMEM_REGISTER,
	NOMEM_REGISTER_LOCKED,
	NOMEM_GET,
	NOMEM_GET_LOCKED,
	NOMEM_INSERT,
	NOMEM_INSERT_LOCKED,
};

struct nomem_param {
	const char *desc;
	enum nomem_call call;
	char beside;		/* the subscriber that is there already */
	unsigned int fail_min;	/* how many allocations there are */
	unsigned int fail_max;	/* with SRCU in big mode */
};

/* The structure and the slots, and for the hlist what SRCU does not have per CPU */
static const struct nomem_param nomem[] = {
	{ "first register", NOMEM_REGISTER, 0, 3, 4 },
	{ "later register", NOMEM_REGISTER, 'b', 0, 0 },
	{ "register beside an interval", NOMEM_REGISTER, 'y', 1, 2 },
	{ "first register_locked", NOMEM_REGISTER_LOCKED, 0, 3, 4 },
	{ "later register_locked", NOMEM_REGISTER_LOCKED, 'b', 0, 0 },
	{ "register_locked beside an interval", NOMEM_REGISTER_LOCKED, 'y', 1, 2 },
	{ "first get", NOMEM_GET, 0, 4, 5 },
	{ "later get", NOMEM_GET, 'b', 1, 1 },
	{ "get beside an interval", NOMEM_GET, 'y', 2, 3 },
	{ "get of what is there", NOMEM_GET, 'p', 0, 0 },
	{ "first get_locked", NOMEM_GET_LOCKED, 0, 4, 5 },
	{ "later get_locked", NOMEM_GET_LOCKED, 'b', 1, 1 },
	{ "get_locked beside an interval", NOMEM_GET_LOCKED, 'y', 2, 3 },
	{ "get_locked of what is there", NOMEM_GET_LOCKED, 'p', 0, 0 },
	{ "first insert", NOMEM_INSERT, 0, 2, 2 },
	{ "first insert beside the hlist", NOMEM_INSERT, 'b', 0, 0 },
	{ "later insert", NOMEM_INSERT, 'y', 0, 0 },
	{ "first insert_locked", NOMEM_INSERT_LOCKED, 0, 2, 2 },
	{ "insert_locked beside the hlist", NOMEM_INSERT_LOCKED, 'b', 0, 0 },
	{ "later insert_locked", NOMEM_INSERT_LOCKED, 'y', 0, 0 },
};

KUNIT_ARRAY_PARAM_DESC(nomem, nomem, desc);

/* An mm, its subscriber, and one that is about to subscribe */
struct nomem {
	enum nomem_call call;
	struct mn_mm *m;
	struct mn_sub *a, *b, *p, *got;
	struct mn_int *x, *y;
};

static struct nomem *nomem_new(struct kunit *test,
			       const struct nomem_param *param)
{
	struct nomem *n = mn_alloc(test, sizeof(*n));

	n->call = param->call;
	n->m = mn_mm_mapped(test);
	n->a = mn_sub(test, n->m, 'a');
	n->x = mn_int(test, n->m, 'x', 1, 1);
	if (param->beside == 'b')
		n->b = mn_registered(test, n->m, 'b');
	if (param->beside == 'p')
		n->p = mn_gotten(test, n->m);
	if (param->beside == 'y')
		n->y = mn_inserted(test, n->m, 'y', 1, 1);
	return n;
}

static int nomem_get(struct nomem *n)
{
	struct mmu_notifier *mn;

	if (n->call == NOMEM_GET) {
		mn = mmu_notifier_get(&mn_refcount_ops, n->m->mm);
	} else {
		mmap_write_lock(n->m->mm);
		mn = mmu_notifier_get_locked(&mn_refcount_ops, n->m->mm);
		mmap_write_unlock(n->m->mm);
	}
	if (IS_ERR(mn))
		return PTR_ERR(mn);
	n->got = mn_sub_of(mn);
	return 0;
}

static int nomem_subscribe(struct nomem *n)
{
	switch (n->call) {
	case NOMEM_REGISTER:
		mn_register(n->a);
		return n->a->ret;
	case NOMEM_REGISTER_LOCKED:
		mn_register_locked(n->a);
		return n->a->ret;
	case NOMEM_GET:
	case NOMEM_GET_LOCKED:
		return nomem_get(n);
	case NOMEM_INSERT:
		/*
		 * As an earlier use may have left it; a failed insert must
		 * clear it.
		 */
		n->x->mni.mm = n->m->mm;
		mn_insert(n->x);
		return n->x->ret;
	case NOMEM_INSERT_LOCKED:
		n->x->mni.mm = n->m->mm;
		mn_insert_locked(n->x);
		return n->x->ret;
	}
	return -EINVAL;
}

static bool nomem_registers(struct nomem *n)
{
	return n->call == NOMEM_REGISTER || n->call == NOMEM_REGISTER_LOCKED;
}

static bool nomem_gets(struct nomem *n)
{
	return n->call == NOMEM_GET || n->call == NOMEM_GET_LOCKED;
}

static void nomem_unsubscribe(struct nomem *n)
{
	if (nomem_registers(n))
		mn_unregister(n->a);
	else if (nomem_gets(n))
		mn_put(n->got);
	else
		mn_remove(n->x);
	mmu_notifier_synchronize();
}

static void nomem_end(struct nomem *n)
{
	if (n->b)
		mn_unregister(n->b);
	if (n->p)
		mn_put(n->p);
	if (n->y)
		mn_remove(n->y);
}

static int nomem_heard(struct nomem *n)
{
	if (nomem_registers(n))
		return atomic_read(&n->a->starts);
	if (nomem_gets(n))
		return atomic_read(&n->got->starts);
	return atomic_read(&n->x->calls);
}

/* Returns what nomem_subscribe() does when the nth allocation fails, if any does. */
static int nomem_fail_nth(struct nomem *n, unsigned int nth, bool *failed)
{
	int ret;

	WRITE_ONCE(current->fail_nth, nth);
	ret = nomem_subscribe(n);
	*failed = !READ_ONCE(current->fail_nth);
	WRITE_ONCE(current->fail_nth, 0);
	return ret;
}

#ifdef CONFIG_TREE_SRCU
#define MN_PERCPU_SIZE	sizeof(struct srcu_data)
#define MN_PERCPU_ALIGN	__alignof__(struct srcu_data)
#else
/* The domain has nothing per CPU. */
#define MN_PERCPU_SIZE	0
#define MN_PERCPU_ALIGN	0
#endif

/* For each CPU; far more than a chunk has. */
#define MN_PERCPU_MOST	SZ_8M

/* The memory taken, linked through the copy of one CPU */
struct nomem_taken {
	struct nomem_taken __percpu *next;
	size_t size;
};

/* The room in the chunks of the per-CPU allocator, taken by a task. */
struct nomem_room {
	struct task_struct *task;
	struct nomem_taken __percpu *taken;
	size_t bytes;
	size_t most;
	int failures;		/* of the task's per-CPU allocations */
};

static struct nomem_taken *nomem_taken(struct nomem_taken __percpu *taken)
{
	return per_cpu_ptr(taken, cpumask_first(cpu_possible_mask));
}

/* Without the slab, so only if a chunk has room for it. */
static bool nomem_take(struct nomem_room *room, size_t size)
{
	struct nomem_taken __percpu *taken;

	WRITE_ONCE(current->fail_nth, 1);
	taken = __alloc_percpu_gfp(size, MN_PERCPU_ALIGN,
				   GFP_KERNEL | __GFP_NOWARN);
	WRITE_ONCE(current->fail_nth, 0);
	if (!taken)
		return false;
	nomem_taken(taken)->next = room->taken;
	nomem_taken(taken)->size = size;
	room->taken = taken;
	room->bytes += size;
	room->most = max(room->most, room->bytes);
	return true;
}

static void nomem_take_all(struct nomem_room *room)
{
	size_t size = PCPU_MIN_UNIT_SIZE;

	/* Large ones first, to have less to do. */
	while (room->bytes < MN_PERCPU_MOST) {
		if (nomem_take(room, size))
			continue;
		if (size == MN_PERCPU_SIZE)
			break;
		size = max(size / 2, MN_PERCPU_SIZE);
	}
}

static size_t nomem_give_one(struct nomem_room *room)
{
	struct nomem_taken __percpu *taken = room->taken;
	size_t size = nomem_taken(taken)->size;

	room->taken = nomem_taken(taken)->next;
	room->bytes -= size;
	free_percpu(taken);
	return size;
}

/*
 * A few pages. With none left, the allocator would have a worker of this CPU
 * make a chunk, which would have to be taken as well.
 */
static void nomem_give_some(struct nomem_room *room)
{
	while (room->taken && nomem_give_one(room) < PCPU_MIN_UNIT_SIZE)
		;
}

static void nomem_on_failure(void *data, bool reserved, bool is_atomic,
			     size_t size, size_t align)
{
	struct nomem_room *room = data;

	if (current == room->task)
		room->failures++;
}

static void nomem_room_end(void *data)
{
	struct nomem_room *room = data;

	unregister_trace_percpu_alloc_percpu_fail(nomem_on_failure, room);
	tracepoint_synchronize_unregister();
	while (room->taken)
		nomem_give_one(room);
}

static struct nomem_room *nomem_room_watched(struct kunit *test)
{
	struct nomem_room *room = mn_alloc(test, sizeof(*room));
	int ret;

	if (!MN_PERCPU_SIZE)
		kunit_skip(test, "SRCU has no per-CPU memory here");
	room->task = current;
	ret = register_trace_percpu_alloc_percpu_fail(nomem_on_failure, room);
	if (ret)
		kunit_skip(test, "needs TRACEPOINTS");
	ret = kunit_add_action_or_reset(test, nomem_room_end, room);
	KUNIT_ASSERT_EQ(test, ret, 0);
	return room;
}

/*
 * For the moment in which no room is left at all, the allocator's worker must
 * not run: be a real-time task on one CPU. KUnit has a task for each case.
 */
static struct nomem_room *nomem_room(struct kunit *test)
{
	struct nomem_room *room = nomem_room_watched(test);

	set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
	sched_set_fifo_low(current);
	return room;
}

/* Like nomem_fail_nth(), where the per-CPU allocator needs the slab. */
static int nomem_fail_nth_without_room(struct nomem *n, unsigned int nth,
				       bool *failed, struct nomem_room *room)
{
	int ret;

	nomem_take_all(room);
	room->failures = 0;
	ret = nomem_fail_nth(n, nth, failed);
	nomem_give_some(room);
	return ret;
}

struct nomem_state {
	int refs;
	int users;
	struct mmu_notifier_subscriptions *subs;
};

static struct nomem_state nomem_state(struct nomem *n)
{
	return (struct nomem_state) {
		.refs = mn_mm_refs(n->m),
		.users = atomic_read(&n->m->mm->mm_users),
		.subs = n->m->mm->notifier_subscriptions,
	};
}

static void expect_same_state(struct kunit *test, struct nomem *n,
			      const struct nomem_state *before)
{
	struct nomem_state now = nomem_state(n);

	KUNIT_EXPECT_EQ(test, now.refs, before->refs);
	KUNIT_EXPECT_EQ(test, now.users, before->users);
	if (before->subs)
		KUNIT_EXPECT_PTR_EQ(test, now.subs, before->subs);
}

static void expect_failed(struct kunit *test, struct nomem *n, int ret,
			  unsigned int nth, const struct nomem_state *before)
{
	const char *heard = mn_heard(test);

	KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
	expect_same_state(test, n, before);
	KUNIT_EXPECT_NULL(test, n->x->mni.mm);
	/*
	 * What alloc_notifier gave, if that did not fail itself, is freed. Without
	 * mmap_lock it comes last.
	 */
	if (n->call == NOMEM_GET_LOCKED && nth > 1)
		KUNIT_EXPECT_EQ(test, strlen(heard), strlen("pF"));
	else
		KUNIT_EXPECT_STREQ(test, heard, "");
}

/* With memory the call succeeds, as if it had never failed, and is undone. */
static void expect_subscribed(struct kunit *test, struct nomem *n)
{
	KUNIT_EXPECT_EQ(test, nomem_heard(n), 0);
	mn_whole_section(n->m, 1);
	KUNIT_EXPECT_EQ(test, nomem_heard(n), 1);
	nomem_unsubscribe(n);
}

/*
 * One attempt on a new mm, without per-CPU memory if there is a @room. Returns
 * whether it failed; *@over if nothing was left to fail.
 */
static bool nomem_attempt(struct kunit *test, unsigned int nth, bool *over,
			  struct nomem_room *room)
{
	struct nomem *n = nomem_new(test, test->param_value);
	struct nomem_state before = nomem_state(n);
	bool failed;
	int ret, again;

	mn_heard(test);
	if (room) {
		ret = nomem_fail_nth_without_room(n, nth, &failed, room);
		/* A subscription that failed cannot be used. */
		KUNIT_ASSERT_TRUE(test, ret || !room->failures);
	} else {
		ret = nomem_fail_nth(n, nth, &failed);
	}
	*over = !failed;
	again = ret;
	if (ret) {
		KUNIT_EXPECT_TRUE(test, failed);
		expect_failed(test, n, ret, nth, &before);
		again = nomem_subscribe(n);
	}
	KUNIT_EXPECT_EQ(test, again, 0);
	if (!again)
		expect_subscribed(test, n);
	KUNIT_EXPECT_EQ(test, mn_mm_refs(n->m), before.refs);
	nomem_end(n);
	return ret;
}

/* By what debugfs has kept for the file */
static void *failslab_file(const char *name)
{
	struct dentry *dir = debugfs_lookup("failslab", NULL);
	struct dentry *file;
	void *data = NULL;

	if (!dir)
		return NULL;
	file = debugfs_lookup(name, dir);
	if (file) {
		data = d_inode(file)->i_private;
		dput(file);
	}
	dput(dir);
	return data;
}

static void each_allocation_fails_once(struct kunit *test)
{
	const struct nomem_param *param = test->param_value;
	unsigned int nth, failures = 0;
	bool over = false;

	/* Memory that is allocated once and kept, such as names for lockdep */
	nomem_attempt(test, 0, &over, NULL);
	over = false;
	for (nth = 1; !over && nth < MN_ALLOCATIONS; nth++)
		failures += nomem_attempt(test, nth, &over, NULL);
	KUNIT_EXPECT_TRUE(test, over);
	KUNIT_EXPECT_GE(test, failures, param->fail_min);
	KUNIT_EXPECT_LE(test, failures, param->fail_max);
}

#define MN_FAILURES	64

#ifdef CONFIG_SLUB_DEBUG
static unsigned long objects(struct kmem_cache *cache)
{
	struct slabinfo info = {};

	/* Freed memory counts as used as long as a CPU or KASAN keeps it. */
	kmem_cache_shrink(cache);
	get_slabinfo(cache, &info);
	return info.active_objs;
}

/* Of a part of the structure, which an mm keeps when the subscription is over */
static struct kmem_cache *cache_of(const void *object)
{
	return virt_to_slab(object)->slab_cache;
}

static struct mmu_notifier_subscriptions *structure(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);

	mn_unregister(mn_registered(test, m, 'b'));
	return m->mm->notifier_subscriptions;
}

/* The structure itself, when its slots cannot be had */
static void failed_register_frees_the_structure(struct kunit *test)
{
	struct mn_sub *a = mn_sub(test, mn_mm(test), 'a');
	struct kmem_cache *cache = cache_of(structure(test));
	unsigned long before = objects(cache);
	int i, failures = 0;

	for (i = 0; i < MN_FAILURES; i++) {
		WRITE_ONCE(current->fail_nth, 2);
		mn_register(a);
		WRITE_ONCE(current->fail_nth, 0);
		failures += a->ret == -ENOMEM;
	}
	/* Others allocate and free, too. */
	KUNIT_EXPECT_LT(test, objects(cache), before + MN_FAILURES / 2);
	KUNIT_EXPECT_EQ(test, failures, MN_FAILURES);
}

#ifdef CONFIG_TREE_SRCU
/* What SRCU has allocated before, when it is its per-CPU memory. */
static void expect_domains_freed(struct kunit *test, unsigned int nth,
				 struct nomem_room *room)
{
	struct nomem *n = nomem_new(test, test->param_value);
	struct kmem_cache *cache = cache_of(structure(test)->srcu.srcu_sup);
	unsigned long before = objects(cache);
	int i, failures = 0;
	bool failed;

	for (i = 0; i < MN_FAILURES; i++) {
		if (nomem_fail_nth_without_room(n, nth, &failed, room)) {
			failures += room->failures;
			continue;
		}
		/* Another task has freed memory. This mm has its domain now. */
		nomem_unsubscribe(n);
		nomem_end(n);
		n = nomem_new(test, test->param_value);
	}
	nomem_end(n);
	KUNIT_EXPECT_GE(test, failures, MN_FAILURES * 3 / 4);
	KUNIT_EXPECT_LT(test, objects(cache), before + MN_FAILURES / 2);
}
#endif
#endif

#if !defined(CONFIG_SLUB_DEBUG) || !defined(CONFIG_TREE_SRCU)
static void expect_domains_freed(struct kunit *test, unsigned int nth,
				 struct nomem_room *room)
{
}
#endif

/* Those that make the domain, and nothing else */
static const void *nomem_domain_gen_params(const void *prev, char *desc)
{
	const struct nomem_param *param = prev;

	do {
		param = nomem_gen_params(param, desc);
	} while (param && (param->beside != 'y' || !param->fail_min));
	return param;
}

/* The failure shows which of the allocations is the first one for a chunk. */
static void per_cpu_allocation_fails(struct kunit *test)
{
	const struct nomem_param *param = test->param_value;
	struct nomem_room *room = nomem_room(test);
	unsigned int nth, tries = 0;
	bool over = false;

	nomem_attempt(test, 0, &over, NULL);
	for (nth = 0; !room->failures && tries < MN_ALLOCATIONS; tries++) {
		/*
		 * If no allocation failed, another task freed memory: try
		 * again.
		 */
		nth += !over;
		nomem_attempt(test, nth, &over, room);
	}
	KUNIT_ASSERT_GT_MSG(test, room->failures, 0, "there always was room");
	/* The fixture keeps what get allocates beside it. */
	if (param->call != NOMEM_GET && param->call != NOMEM_GET_LOCKED)
		expect_domains_freed(test, nth, room);
	kunit_info(test, "allocation %u, try %u; took %zu KiB of each of %u CPUs\n",
		   nth, tries, room->most / SZ_1K, num_possible_cpus());
}

/* Whether memory is allocated while page faults of the mm have to wait */
struct nomem_watch {
	struct task_struct *task;
	struct rw_semaphore *lock;
	unsigned int unlocked;
	unsigned int locked;
};

static void nomem_on_kmalloc(void *data, unsigned long call_site, const void *ptr,
			     size_t bytes_req, size_t bytes_alloc, gfp_t gfp,
			     int node)
{
	struct nomem_watch *watch = data;

	/* Only allocations that may wait for reclaim do so. */
	if (current != watch->task || !gfpflags_allow_blocking(gfp))
		return;
	if (rwsem_is_locked(watch->lock))
		watch->locked++;
	else
		watch->unlocked++;
}

/* Of one attempt; false if this cannot be watched */
static bool nomem_watched(struct nomem *n, struct nomem_watch *watch)
{
	watch->task = current;
	watch->lock = &n->m->mm->mmap_lock;
	if (register_trace_kmalloc(nomem_on_kmalloc, watch))
		return false;
	nomem_subscribe(n);
	unregister_trace_kmalloc(nomem_on_kmalloc, watch);
	tracepoint_synchronize_unregister();
	return true;
}

static const struct nomem_param nomem_unlocked[] = {
	{ "first register", NOMEM_REGISTER, 0, 3 },
	{ "register beside an interval", NOMEM_REGISTER, 'y', 1 },
	{ "first get", NOMEM_GET, 0, 3 },
	{ "get beside an interval", NOMEM_GET, 'y', 1 },
	{ "first insert", NOMEM_INSERT, 0, 2 },
	{ "first insert beside the hlist", NOMEM_INSERT, 'b', 0 },
};

KUNIT_ARRAY_PARAM_DESC(nomem_unlocked, nomem_unlocked, desc);

/* Except for what the driver itself allocates in alloc_notifier */
static void memory_comes_before_mmap_lock(struct kunit *test)
{
	const struct nomem_param *param = test->param_value;
	struct nomem_watch *watch = mn_alloc(test, sizeof(*watch));
	struct nomem *n = nomem_new(test, param);
	bool over;

	/* Memory that is allocated once and kept, such as names for lockdep */
	nomem_attempt(test, 0, &over, NULL);
	if (!nomem_watched(n, watch))
		kunit_skip(test, "needs TRACEPOINTS");
	KUNIT_EXPECT_EQ(test, watch->locked, nomem_gets(n));
	KUNIT_EXPECT_GE(test, watch->unlocked, param->fail_min);
	expect_subscribed(test, n);
	nomem_end(n);
}

static bool was_ignored;
static unsigned long was_verbose;

static int mn_nomem_init(struct kunit_suite *suite)
{
	bool *ignored = failslab_file("ignore-gfp-wait");
	unsigned long *verbose = failslab_file("verbose");

	if (!ignored || !verbose)
		return -ENOENT;
	was_ignored = *ignored;
	was_verbose = *verbose;
	*ignored = false;
	*verbose = 0;
	return 0;
}

static void mn_nomem_exit(struct kunit_suite *suite)
{
	bool *ignored = failslab_file("ignore-gfp-wait");
	unsigned long *verbose = failslab_file("verbose");

	if (!ignored || !verbose)
		return;
	*ignored = was_ignored;
	*verbose = was_verbose;
}

static struct kunit_case mn_nomem_cases[] = {
	KUNIT_CASE_PARAM(each_allocation_fails_once, nomem_gen_params),
	KUNIT_CASE_PARAM(per_cpu_allocation_fails, nomem_domain_gen_params),
	KUNIT_CASE_PARAM(memory_comes_before_mmap_lock,
			 nomem_unlocked_gen_params),
#ifdef CONFIG_SLUB_DEBUG
	KUNIT_CASE(failed_register_frees_the_structure),
#endif
	{}
};

static struct kunit_suite mn_nomem_suite = {
	.name = "mmu_notifier_nomem",
	.suite_init = mn_nomem_init,
	.suite_exit = mn_nomem_exit,
	.init = mn_test_init,
	.test_cases = mn_nomem_cases,
};

kunit_test_suite(mn_nomem_suite);

#endif /* CONFIG_FAILSLAB && CONFIG_FAULT_INJECTION_DEBUG_FS */
