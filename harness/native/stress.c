// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that do at once what mm and drivers do with the notifiers of an mm, and check
 * what they were promised, under a sanitizer that checks memory and order. Each round has
 * an mm of its own, from its first subscriber to its exit, and takes a fraction of a
 * second.
 *
 * The page table is an array: a section changes the entries of its range. Devices, which
 * subscribe in the one way or the other, copy entries as drivers do. No device may have an
 * entry of a range while a section of that range is open, nor one that has changed since.
 * What a subscription consists of is freed as soon as it may be, and callbacks write to
 * it plainly, so that sanitizers see one that comes too late.
 *
 * In some rounds no thread holds a lock of the mm, so that only the notifiers order anything;
 * then the first subscriber, of either kind, is there before the threads begin.
 *
 * Usage: stress [-s SEED] [-t SECONDS] [-r ROUND]	-r: that round alone
 */
#include <linux/mmu_notifier.h>
#include <linux/srcu.h>
#include <unistd.h>

#define PAGES		32
#define DRIVERS		3
#define SUBS		4	/* of a driver */
#define VMS		2
#define SHARED		2	/* threads that get and put */
#define WALKERS		4
#define DEVICES		(DRIVERS * SUBS + VMS + 1)
#define MAX_TASKS	20
#define ROUND_NS	250000000ULL
#define PATIENCE	100	/* so many tenths of a second nothing may come of a thread */

static unsigned long seed;
static unsigned int round_nr;

#define must(cond) do {							\
	if (!(cond)) {							\
		fprintf(stderr, "stress: %s:%d: not so: %s (seed %lu, round %u)\n",	\
			__FILE__, __LINE__, #cond, seed, round_nr);	\
		abort();						\
	}								\
} while (0)

/* Chance */

static __thread u64 chance;

static void seed_chance(unsigned long n)
{
	chance = (seed * 1000003 + round_nr) * 0x9e3779b97f4a7c15ULL + n * 0xbf58476d1ce4e5b9ULL;
	chance |= 1;
}

static unsigned int below(unsigned int n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (chance >> 20) % n;
}

#define one_of(n) (!below(n))

static void linger(void)
{
	unsigned int i;

	if (one_of(64))
		usleep(1);
	else if (one_of(8))
		sched_yield();
	else
		for (i = below(300); i; i--)
			barrier();
}

/* The state of a round */

static struct mm_struct *mm;
static bool locked;		/* walkers hold mmap_lock */
static bool closing;		/* no more subscriptions */
static bool stopping;		/* and nothing else either */
static unsigned long entries[PAGES];

static struct {
	unsigned long sections, declined, hits, reads, copies, inserts, registrations, gets, walks,
		      exits;
} counts;

#define count(what) __atomic_fetch_add(&counts.what, 1, __ATOMIC_RELAXED)

/* What a device has copied. It stays when its subscription goes. */
struct device {
	spinlock_t lock;
	unsigned long copy[PAGES];
	int in_section;
	unsigned long seq;
	bool off;		/* must not copy */
};

static struct device devices[DEVICES];

static void forget(struct device *dev, unsigned long start, unsigned long end)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		if (start < (i + 1) * PAGE_SIZE && end > i * PAGE_SIZE)
			WRITE_ONCE(dev->copy[i], 0);
}

static void switch_off(struct device *dev)
{
	spin_lock(&dev->lock);
	dev->off = true;
	forget(dev, 0, ULONG_MAX);
	spin_unlock(&dev->lock);
}

static bool has_copy(unsigned int page)
{
	unsigned int i;

	for (i = 0; i < DEVICES; i++)
		if (READ_ONCE(devices[i].copy[page]))
			return true;
	return false;
}

/* Threads */

struct task {
	pthread_t thread;
	void (*run)(unsigned int id);
	const char *what;
	unsigned long beats;
	unsigned int id;
	bool done;
};

static struct task tasks[MAX_TASKS];
static unsigned int nr_tasks;
static __thread struct task *me;

static void beat(void)
{
	WRITE_ONCE(me->beats, me->beats + 1);
}

static void *run_task(void *arg)
{
	me = arg;
	shim_enter_cpu(me - tasks + 1);
	seed_chance(me - tasks + 1);
	me->run(me->id);
	WRITE_ONCE(me->done, true);
	return NULL;
}

static void add_task(const char *what, void (*run)(unsigned int id), unsigned int id, bool user)
{
	struct task *task = &tasks[nr_tasks++];

	if (user)
		must(mmget_not_zero(mm));
	*task = (struct task){ .run = run, .what = what, .id = id };
	must(!pthread_create(&task->thread, NULL, run_task, task));
}

/*
 * A subscriber is a user of the mm until no more subscriptions are made. The
 * last user to leave runs exit, while others may be about to unsubscribe.
 */
static void leave_mm(bool now)
{
	if (now)
		mmput(mm);
}

static void lock_mm(void)
{
	if (locked)
		mmap_read_lock(mm);
}

static void unlock_mm(void)
{
	if (locked)
		mmap_read_unlock(mm);
}

/* Sections */

static bool open_section(struct mmu_notifier_range *range, unsigned int *first, unsigned int *nr)
{
	*nr = one_of(6) ? PAGES : 1 + below(3);
	*first = below(PAGES - *nr + 1);
	mmu_notifier_range_init(range, MMU_NOTIFY_CLEAR, 0, mm, *first * PAGE_SIZE,
				(*first + *nr) * PAGE_SIZE);
	if (one_of(4)) {
		if (mmu_notifier_invalidate_range_start_nonblock(range)) {
			count(declined);
			return false;
		}
	} else {
		mmu_notifier_invalidate_range_start(range);
	}
	count(sections);
	return true;
}

static void change(unsigned int first, unsigned int nr)
{
	unsigned int i;

	for (i = first; i < first + nr; i++) {
		must(!has_copy(i));
		__atomic_fetch_add(&entries[i], 1, __ATOMIC_RELAXED);
	}
	linger();
	for (i = first; i < first + nr; i++)
		must(!has_copy(i));
}

static void walker(unsigned int id)
{
	struct mmu_notifier_range range[2];
	unsigned int first[2], nr[2];
	bool inner;

	while (!READ_ONCE(stopping)) {
		lock_mm();
		if (open_section(&range[0], &first[0], &nr[0])) {
			change(first[0], nr[0]);
			inner = one_of(8) && open_section(&range[1], &first[1], &nr[1]);
			if (inner)
				change(first[1], nr[1]);
			if (inner && one_of(2)) {
				mmu_notifier_invalidate_range_end(&range[0]);
				change(first[1], nr[1]);
				mmu_notifier_invalidate_range_end(&range[1]);
			} else {
				if (inner)
					mmu_notifier_invalidate_range_end(&range[1]);
				change(first[0], nr[0]);
				mmu_notifier_invalidate_range_end(&range[0]);
			}
		}
		unlock_mm();
		beat();
		if (one_of(4))
			linger();
	}
}

static void reclaimer(unsigned int id)
{
	unsigned long start, end;

	while (!READ_ONCE(stopping)) {
		start = below(PAGES) * PAGE_SIZE;
		end = start + PAGE_SIZE;
		lock_mm();
		mmu_notifier_clear_flush_young(mm, start, end);
		mmu_notifier_clear_young(mm, start, end);
		mmu_notifier_test_young(mm, start);
		mmu_notifier_arch_invalidate_secondary_tlbs(mm, start, end);
		unlock_mm();
		count(walks);
		beat();
		linger();
	}
}

/* Drivers with intervals */

struct interval {
	struct mmu_interval_notifier sub;
	struct mmu_interval_notifier_finish finish;
	struct device *dev;
	bool finish_used;
	unsigned int called;	/* under @lock, but plain when nobody may call any more */
	spinlock_t lock;
	unsigned int first, nr;
};

static bool call_interval(struct interval *interval, const struct mmu_notifier_range *range,
			  unsigned long seq)
{
	if (!mmu_notifier_range_blockable(range) && one_of(4))
		return false;
	linger();
	spin_lock(&interval->lock);
	interval->called++;
	spin_unlock(&interval->lock);
	spin_lock(&interval->dev->lock);
	mmu_interval_set_seq(&interval->sub, seq);
	forget(interval->dev, range->start, range->end);
	spin_unlock(&interval->dev->lock);
	count(hits);
	return true;
}

static bool on_invalidate(struct mmu_interval_notifier *sub,
			  const struct mmu_notifier_range *range, unsigned long seq)
{
	return call_interval(container_of(sub, struct interval, sub), range, seq);
}

static bool on_invalidate_start(struct mmu_interval_notifier *sub,
				const struct mmu_notifier_range *range, unsigned long seq,
				struct mmu_interval_notifier_finish **finish)
{
	struct interval *interval = container_of(sub, struct interval, sub);

	if (!call_interval(interval, range, seq))
		return false;
	/* There is one, for one section at a time. */
	if (!__atomic_exchange_n(&interval->finish_used, true, __ATOMIC_ACQUIRE))
		*finish = &interval->finish;
	return true;
}

static void on_invalidate_finish(struct mmu_interval_notifier_finish *finish)
{
	struct interval *interval = container_of(finish, struct interval, finish);

	must(finish->notifier == &interval->sub);
	linger();
	spin_lock(&interval->lock);
	interval->called++;
	spin_unlock(&interval->lock);
	must(__atomic_exchange_n(&interval->finish_used, false, __ATOMIC_RELEASE));
}

static const struct mmu_interval_notifier_ops one_pass_ops = {
	.invalidate = on_invalidate,
};

static const struct mmu_interval_notifier_ops two_pass_ops = {
	.invalidate_start = on_invalidate_start,
	.invalidate_finish = on_invalidate_finish,
};

static struct interval *put_in(struct device *dev)
{
	const struct mmu_interval_notifier_ops *ops = one_of(2) ? &one_pass_ops : &two_pass_ops;
	struct interval *interval = kzalloc(sizeof(*interval), GFP_KERNEL);
	unsigned long start, length;

	interval->dev = dev;
	interval->nr = one_of(4) ? PAGES : 1 + below(4);
	interval->first = below(PAGES - interval->nr + 1);
	start = interval->first * PAGE_SIZE;
	length = interval->nr * PAGE_SIZE;
	dev->off = false;
	if (one_of(4)) {
		mmap_write_lock(mm);
		must(!mmu_interval_notifier_insert_locked(&interval->sub, mm, start, length, ops));
		mmap_write_unlock(mm);
	} else {
		must(!mmu_interval_notifier_insert(&interval->sub, mm, start, length, ops));
	}
	count(inserts);
	return interval;
}

static void take_out(struct interval *interval)
{
	switch_off(interval->dev);
	mmu_interval_notifier_remove(&interval->sub);
	interval->called++;
	must(!interval->finish_used);
	memset(interval, 0xdd, sizeof(*interval));
	kfree(interval);
}

static void copy(struct interval *interval)
{
	struct device *dev = interval->dev;
	unsigned long seen[PAGES], seq;
	unsigned int i, last = interval->first + interval->nr;

	seq = mmu_interval_read_begin(&interval->sub);
	count(reads);
	for (i = interval->first; i < last; i++)
		seen[i] = READ_ONCE(entries[i]);
	if (one_of(4))
		linger();
	spin_lock(&dev->lock);
	if (!mmu_interval_read_retry(&interval->sub, seq)) {
		for (i = interval->first; i < last; i++) {
			must(seen[i] == READ_ONCE(entries[i]));
			WRITE_ONCE(dev->copy[i], seen[i]);
		}
		count(copies);
	}
	spin_unlock(&dev->lock);
}

static void driver(unsigned int id)
{
	struct interval *own[SUBS] = { };
	bool early = one_of(2);
	unsigned int i, n;

	while (!READ_ONCE(closing)) {
		i = below(SUBS);
		if (!own[i])
			own[i] = put_in(&devices[id * SUBS + i]);
		for (n = below(6); n; n--) {
			copy(own[i]);
			if (one_of(4))
				linger();
		}
		if (one_of(2)) {
			take_out(own[i]);
			own[i] = NULL;
		}
		beat();
	}
	leave_mm(early);
	for (i = 0; i < SUBS; i++) {
		linger();
		if (own[i])
			take_out(own[i]);
	}
	leave_mm(!early);
}

/* Drivers on the hlist, which work as KVM does */

struct vm {
	struct mmu_notifier mn;
	struct device *dev;
	unsigned int called;
	unsigned int released;
};

static int on_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vm *vm = container_of(mn, struct vm, mn);

	if (!mmu_notifier_range_blockable(range) && one_of(8))
		return -EAGAIN;
	linger();
	spin_lock(&vm->dev->lock);
	vm->called++;
	vm->dev->in_section++;
	forget(vm->dev, range->start, range->end);
	spin_unlock(&vm->dev->lock);
	return 0;
}

static void on_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vm *vm = container_of(mn, struct vm, mn);

	spin_lock(&vm->dev->lock);
	vm->called++;
	/* What the section has changed is visible before, for copy_vm(). */
	smp_store_release(&vm->dev->seq, vm->dev->seq + 1);
	must(--vm->dev->in_section >= 0);
	spin_unlock(&vm->dev->lock);
}

static bool on_young(struct mmu_notifier *mn, struct mm_struct *of, unsigned long start,
		     unsigned long end)
{
	struct vm *vm = container_of(mn, struct vm, mn);

	must(of == mm);
	spin_lock(&vm->dev->lock);
	vm->called++;
	spin_unlock(&vm->dev->lock);
	return one_of(2);
}

static bool on_test_young(struct mmu_notifier *mn, struct mm_struct *of, unsigned long address)
{
	return on_young(mn, of, address, address + 1);
}

static void on_arch_invalidate(struct mmu_notifier *mn, struct mm_struct *of,
			       unsigned long start, unsigned long end)
{
	on_young(mn, of, start, end);
}

static void on_release(struct mmu_notifier *mn, struct mm_struct *of)
{
	struct vm *vm = container_of(mn, struct vm, mn);

	must(of == mm);
	vm->released++;
	linger();
	switch_off(vm->dev);
	must(!READ_ONCE(mm->exited));
}

static struct mmu_notifier *alloc_vm(struct mm_struct *of);
static void free_vm(struct mmu_notifier *mn);

static const struct mmu_notifier_ops vm_ops[] = {
	{
		.invalidate_range_start = on_start,
		.invalidate_range_end = on_end,
		.clear_young = on_young,
		.clear_flush_young = on_young,
		.test_young = on_test_young,
		.release = on_release,
	},
	{ .clear_young = on_young, .release = on_release },
	{ .arch_invalidate_secondary_tlbs = on_arch_invalidate, .release = on_release },
	{ .release = on_release },
	{ .arch_invalidate_secondary_tlbs = on_arch_invalidate, .test_young = on_test_young },
};

static void copy_vm(struct vm *vm)
{
	unsigned long seq, seen;
	unsigned int i = below(PAGES);
	struct device *dev = vm->dev;

	seq = smp_load_acquire(&dev->seq);
	seen = READ_ONCE(entries[i]);
	if (one_of(8))
		linger();
	spin_lock(&dev->lock);
	if (!dev->off && !dev->in_section && dev->seq == seq) {
		must(seen == READ_ONCE(entries[i]));
		WRITE_ONCE(dev->copy[i], seen);
	}
	spin_unlock(&dev->lock);
}

static void hypervisor(unsigned int id)
{
	struct device *dev = &devices[DRIVERS * SUBS + id];
	const struct mmu_notifier_ops *ops;
	bool early = false;
	unsigned int n;
	struct vm *vm;

	while (!READ_ONCE(closing)) {
		ops = one_of(2) ? &vm_ops[0] : &vm_ops[below(ARRAY_SIZE(vm_ops))];
		vm = kzalloc(sizeof(*vm), GFP_KERNEL);
		vm->dev = dev;
		vm->mn.ops = ops;
		dev->off = false;
		if (one_of(2)) {
			must(!mmu_notifier_register(&vm->mn, mm));
		} else {
			mmap_write_lock(mm);
			must(!__mmu_notifier_register(&vm->mn, mm));
			mmap_write_unlock(mm);
		}
		count(registrations);
		for (n = below(100); n && ops->invalidate_range_start; n--)
			copy_vm(vm);
		/* Now and then it stays until the mm ends. */
		if (one_of(40))
			while (!READ_ONCE(closing))
				usleep(100);
		if (!ops->release)
			switch_off(dev);
		if (READ_ONCE(closing) && one_of(2)) {
			early = true;
			leave_mm(true);
			linger();
		}
		mmu_notifier_unregister(&vm->mn, mm);
		must(vm->released == !!ops->release);
		must(!dev->in_section);
		vm->called++;
		memset(vm, 0xdd, sizeof(*vm));
		kfree(vm);
		beat();
		if (early)
			return;
		linger();
	}
	leave_mm(true);
}

/* Several users of one subscription */

static const struct mmu_notifier_ops shared_ops = {
	.invalidate_range_start = on_start,
	.invalidate_range_end = on_end,
	.test_young = on_test_young,
	.release = on_release,
	.alloc_notifier = alloc_vm,
	.free_notifier = free_vm,
};

static struct mmu_notifier *alloc_vm(struct mm_struct *of)
{
	struct vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL);

	/* One that is being put may still be called: each has its device. */
	vm->dev = kzalloc(sizeof(*vm->dev), GFP_KERNEL);
	return &vm->mn;
}

static void free_vm(struct mmu_notifier *mn)
{
	struct vm *vm = container_of(mn, struct vm, mn);

	must(vm->released <= 1);
	must(!vm->dev->in_section);
	memset(vm->dev, 0xdd, sizeof(*vm->dev));
	kfree(vm->dev);
	memset(vm, 0xdd, sizeof(*vm));
	kfree(vm);
}

static void sharer(unsigned int id)
{
	struct mmu_notifier *mn;
	bool early;

	while (!READ_ONCE(closing)) {
		mn = mmu_notifier_get(&shared_ops, mm);
		must(!IS_ERR(mn));
		must(mn->mm == mm);
		count(gets);
		linger();
		early = READ_ONCE(closing) && one_of(2);
		leave_mm(early);
		mmu_notifier_put(mn);
		if (one_of(8))
			mmu_notifier_synchronize();
		beat();
		if (early)
			return;
		linger();
	}
	leave_mm(true);
}

/* One section and one reader: no other thread could wake it */

static unsigned long opened, seen_open;

static void lone_walker(unsigned int id)
{
	struct mmu_notifier_range range;
	unsigned int i;

	while (!READ_ONCE(stopping)) {
		lock_mm();
		mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, 0, PAGE_SIZE);
		mmu_notifier_invalidate_range_start(&range);
		WRITE_ONCE(opened, opened + 1);
		for (i = below(400); i; i--)
			barrier();
		if (one_of(8))
			sched_yield();
		mmu_notifier_invalidate_range_end(&range);
		unlock_mm();
		count(sections);
		while (READ_ONCE(seen_open) != opened && !READ_ONCE(stopping))
			sched_yield();
		beat();
	}
}

static void lone_reader(unsigned int id)
{
	struct interval *interval = put_in(&devices[0]);
	unsigned long now;
	unsigned int i;

	while (!READ_ONCE(closing)) {
		now = READ_ONCE(opened);
		for (i = below(200); i; i--)
			barrier();
		if (one_of(8)) {
			take_out(interval);
			interval = put_in(&devices[0]);
		} else {
			mmu_interval_read_begin(&interval->sub);
			count(reads);
		}
		WRITE_ONCE(seen_open, now);
		beat();
		if (READ_ONCE(opened) == now)
			sched_yield();
	}
	leave_mm(true);
	take_out(interval);
}

/* Rounds */

/* Checks that each thread makes progress, and that all end. */
static void watch(u64 end)
{
	static unsigned long last[MAX_TASKS], still[MAX_TASKS];
	unsigned int i, ended;

	memset(last, 0xff, sizeof(last));
	memset(still, 0, sizeof(still));
	do {
		usleep(10000);
		ended = 0;
		for (i = 0; i < nr_tasks; i++) {
			unsigned long beats = READ_ONCE(tasks[i].beats);

			ended += READ_ONCE(tasks[i].done);
			if (beats != last[i] || READ_ONCE(tasks[i].done))
				still[i] = 0;
			else if (++still[i] > PATIENCE * 10) {
				fprintf(stderr, "stress: a %s gets no further (seed %lu, round %u)\n",
					tasks[i].what, seed, round_nr);
				abort();
			}
			last[i] = beats;
		}
	} while (end ? ktime_get_ns() < end : ended < nr_tasks);
}

static void one_round(void)
{
	static const unsigned int cpus[] = { 1, 2, 4, 16 };
	struct interval *first = NULL;
	struct vm *first_vm = NULL;
	unsigned int i;
	bool lone, hlist, late = false;

	seed_chance(0);
	shim_seed = seed * 64 + round_nr;
	nr_cpu_ids = cpus[below(ARRAY_SIZE(cpus))];
	locked = one_of(2);
	lone = one_of(6);
	closing = false;
	stopping = false;
	opened = 0;
	seen_open = 0;
	nr_tasks = 0;
	memset(devices, 0, sizeof(devices));
	for (i = 0; i < PAGES; i++)
		entries[i] = 1;

	mm = shim_mm_alloc();
	mmgrab(mm);
	if (!locked && one_of(2)) {
		first_vm = kzalloc(sizeof(*first_vm), GFP_KERNEL);
		first_vm->dev = &devices[DEVICES - 1];
		first_vm->mn.ops = &vm_ops[0];
		must(!mmu_notifier_register(&first_vm->mn, mm));
	} else if (!locked) {
		/* Not under the page table lock: no walker is in it. */
		first = kzalloc(sizeof(*first), GFP_KERNEL);
		first->dev = &devices[DEVICES - 1];
		must(!mmu_interval_notifier_insert(&first->sub, mm, PAGES * PAGE_SIZE, PAGE_SIZE,
						   &one_pass_ops));
	}
	if (lone) {
		add_task("section", lone_walker, 0, false);
		add_task("reader", lone_reader, 0, true);
	} else {
		for (i = 0; i < WALKERS; i++)
			add_task("section", walker, i, false);
		for (i = 0; i < DRIVERS; i++)
			add_task("driver", driver, i, true);
		/* Some mms have intervals only. */
		for (i = 0; i < VMS && (i || !one_of(3)); i++)
			add_task("hypervisor", hypervisor, i, true);
		hlist = nr_tasks > WALKERS + DRIVERS;
		for (i = 0; i < SHARED && hlist; i++)
			add_task("user of a shared subscription", sharer, i, true);
		add_task("reclaimer", reclaimer, 0, false);
	}
	watch(ktime_get_ns() + ROUND_NS);

	WRITE_ONCE(closing, true);
	if (one_of(2))
		usleep(below(20000));
	if (one_of(2))
		mmput(mm);
	else
		late = true;
	if (one_of(2))
		usleep(below(20000));
	WRITE_ONCE(stopping, true);
	watch(0);
	for (i = 0; i < nr_tasks; i++)
		pthread_join(tasks[i].thread, NULL);
	if (first)
		take_out(first);
	if (first_vm) {
		mmu_notifier_unregister(&first_vm->mn, mm);
		must(first_vm->released == 1);
		kfree(first_vm);
	}
	if (late)
		mmput(mm);
	count(exits);
	mmdrop(mm);
	flush_workqueue(NULL);
}

/* One allocation of a registration fails after the other: LeakSanitizer looks for the rest. */
static void without_memory(void)
{
	struct vm vm = { .mn.ops = &vm_ops[0], .dev = &devices[0] };
	unsigned int n;
	int err;

	shim_seed = seed * 64;
	mm = shim_mm_alloc();
	mmgrab(mm);
	for (n = 1, err = -ENOMEM; err; n++) {
		shim_no_memory = n;
		err = mmu_notifier_register(&vm.mn, mm);
		must(!err || err == -ENOMEM);
	}
	must(n > 2);
	shim_no_memory = 0;
	mmu_notifier_unregister(&vm.mn, mm);
	must(vm.released == 1);
	mmput(mm);
	mmdrop(mm);
	flush_workqueue(NULL);
}

int main(int argc, char **argv)
{
	unsigned long seconds = 10, only = 0;
	int option;
	u64 end;

	seed = ktime_get_ns() % 1000000;
	while ((option = getopt(argc, argv, "r:s:t:")) != -1) {
		switch (option) {
		case 'r':
			only = strtoul(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoul(optarg, NULL, 0);
			break;
		case 't':
			seconds = strtoul(optarg, NULL, 0);
			break;
		default:
			return 2;
		}
	}
	shim_enter_cpu(0);
	without_memory();
	end = ktime_get_ns() + seconds * 1000000000ULL;
	for (round_nr = only ?: 1; ktime_get_ns() < end; round_nr += !only)
		one_round();
	printf("seed %lu, %lu rounds: sections %lu, declined %lu, hits %lu, reads %lu, copies %lu, ",
	       seed, counts.exits, counts.sections, counts.declined, counts.hits, counts.reads,
	       counts.copies);
	printf("inserts %lu, registrations %lu, gets %lu, young and arch %lu\n", counts.inserts,
	       counts.registrations, counts.gets, counts.walks);
	return 0;
}
