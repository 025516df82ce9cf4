// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two pinned threads that meet again and again, a few nanoseconds apart, with the
 * kernel's instructions and nothing in between: what a full barrier is missing for, a
 * processor shows only so. Each test has one that changes page tables and one that
 * subscribes, reads or leaves.
 *
 * Usage: litmus [-s SEED] [-t SECONDS] [TEST...]
 */
#include <linux/mmu_notifier.h>
#include <linux/srcu.h>
#include <unistd.h>

#define OTHERS	64	/* further intervals, so that the tree rotates */
#define at(page) ((page) * PAGE_SIZE)

static unsigned long seed;
static const char *test;

#define must(cond) do {							\
	if (!(cond)) {							\
		fprintf(stderr, "litmus: %s: %s:%d: not so: %s (seed %lu)\n",	\
			test, __FILE__, __LINE__, #cond, seed);		\
		abort();						\
	}								\
} while (0)

static __thread u64 chance;

static unsigned int below(unsigned int n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (chance >> 20) % n;
}

static void delay(unsigned int most)
{
	unsigned int i;

	for (i = below(most); i; i--)
		barrier();
}

/* The two, each on a CPU of its own */

static struct side {
	unsigned long step;
	void (*run)(unsigned long n);
	u64 chance;
	int cpu;
} sides[2] __aligned(128);

static bool stop;
static unsigned long rounds;	/* the number of steps after which it stops */

/* Wait until both are at step @n. */
static void meet(struct side *side, unsigned long n)
{
	struct side *other = &sides[side == &sides[0]];
	unsigned int i;
	u64 end = 0;

	smp_store_release(&side->step, n);
	for (i = 0; smp_load_acquire(&other->step) < n; i++) {
		cpu_relax();
		if (i < 20000)
			continue;
		/* It has lost its CPU, or hangs. */
		sched_yield();
		if (!end)
			end = ktime_get_ns() + 20000000000ULL;
		must(ktime_get_ns() < end);
	}
}

static void *run_side(void *arg)
{
	struct side *side = arg;
	cpu_set_t set;
	unsigned long n;

	CPU_ZERO(&set);
	CPU_SET(side->cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
	shim_enter_cpu(side - sides);
	chance = side->chance;
	for (n = 1; !rounds; n++) {
		meet(side, 2 * n);
		delay(300);
		side->run(n);
		/* One side decides for both, before they start together. */
		if (side == &sides[0] && READ_ONCE(stop))
			rounds = n;
		meet(side, 2 * n + 1);
		/* Leave time for other users of the machine. */
		if (n % 1000 == 0)
			usleep(200);
	}
	return NULL;
}

/* The world */

static struct mm_struct *mm;
static unsigned long entry, copy;
static spinlock_t dev_lock;

static struct interval {
	struct mmu_interval_notifier sub;
	unsigned long live;
} dev, others[OTHERS];

static bool on_invalidate(struct mmu_interval_notifier *sub,
			  const struct mmu_notifier_range *range, unsigned long seq)
{
	struct interval *interval = container_of(sub, struct interval, sub);

	must(READ_ONCE(interval->live));
	spin_lock(&dev_lock);
	mmu_interval_set_seq(sub, seq);
	if (interval == &dev)
		WRITE_ONCE(copy, 0);
	spin_unlock(&dev_lock);
	must(READ_ONCE(interval->live));
	return true;
}

static const struct mmu_interval_notifier_ops interval_ops = { .invalidate = on_invalidate };

static void put_in(struct interval *interval, unsigned long page)
{
	interval->live = true;
	must(!mmu_interval_notifier_insert(&interval->sub, mm, at(page), PAGE_SIZE, &interval_ops));
}

/* Afterwards the lock must be free. */
static void take_out(struct interval *interval)
{
	mmu_interval_notifier_remove(&interval->sub);
	WRITE_ONCE(interval->live, false);
	memset(&interval->sub, 0xdd, sizeof(interval->sub));
}

static void section(bool linger)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, 0, PAGE_SIZE);
	mmu_notifier_invalidate_range_start(&range);
	WRITE_ONCE(entry, entry + 1);
	must(!READ_ONCE(copy));
	if (linger)
		delay(300);
	must(!READ_ONCE(copy));
	mmu_notifier_invalidate_range_end(&range);
}

static void sections(unsigned long n)
{
	section(true);
}

/* wake: the end of a section, and a thread that is about to wait for it */

static void begin_once(unsigned long n)
{
	mmu_interval_read_begin(&dev.sub);
}

/*
 * insert: a section, and a thread that inserts, and copies unless told
 * otherwise
 */

static void insert_copy(unsigned long n)
{
	unsigned long seq, seen;

	put_in(&dev, 0);
	seq = mmu_interval_read_begin(&dev.sub);
	seen = READ_ONCE(entry);
	spin_lock(&dev_lock);
	if (!mmu_interval_read_retry(&dev.sub, seq)) {
		must(seen == READ_ONCE(entry));
		WRITE_ONCE(copy, 1);
	}
	spin_unlock(&dev_lock);
	delay(100);
	spin_lock(&dev_lock);
	WRITE_ONCE(copy, 0);
	spin_unlock(&dev_lock);
	take_out(&dev);
}

/* remove: a section, and an interval whose memory is freed */

static void insert_remove(unsigned long n)
{
	put_in(&dev, 0);
	delay(100);
	take_out(&dev);
}

/*
 * walk: an interval that is in the tree all the time is found, however it
 * rotates
 */

static unsigned long met;

static bool on_met(struct mmu_interval_notifier *sub, const struct mmu_notifier_range *range,
		   unsigned long seq)
{
	met++;
	return true;
}

static const struct mmu_interval_notifier_ops met_ops = { .invalidate = on_met };

static void walks(unsigned long n)
{
	struct mmu_notifier_range range;
	unsigned long before;
	int i;

	for (i = 0; i < 20; i++) {
		before = met;
		mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, at(OTHERS / 2),
					at(OTHERS / 2 + 1));
		mmu_notifier_invalidate_range_start(&range);
		must(met == before + 1);
		mmu_notifier_invalidate_range_end(&range);
	}
}

static void turns(unsigned long n)
{
	unsigned int i, k;

	for (i = 0; i < 20; i++) {
		k = below(OTHERS);
		if (k == OTHERS / 2)
			continue;
		if (others[k].live)
			take_out(&others[k]);
		else
			put_in(&others[k], k);
	}
}

/* register: a section, and an hlist subscriber that comes and goes, as KVM */

static struct mmu_notifier mn;
static long open;
static unsigned long hlist_seq;

static int on_start(struct mmu_notifier *sub, const struct mmu_notifier_range *range)
{
	must(sub->ops);
	spin_lock(&dev_lock);
	open++;
	WRITE_ONCE(copy, 0);
	spin_unlock(&dev_lock);
	return 0;
}

static void on_end(struct mmu_notifier *sub, const struct mmu_notifier_range *range)
{
	spin_lock(&dev_lock);
	hlist_seq++;
	must(--open >= 0);
	spin_unlock(&dev_lock);
}

static const struct mmu_notifier_ops hlist_ops = {
	.invalidate_range_start = on_start,
	.invalidate_range_end = on_end,
};

static void register_copy(unsigned long n)
{
	unsigned long seq, seen;

	memset(&mn, 0, sizeof(mn));
	mn.ops = &hlist_ops;
	must(!mmu_notifier_register(&mn, mm));
	seq = smp_load_acquire(&hlist_seq);
	seen = READ_ONCE(entry);
	spin_lock(&dev_lock);
	if (!open && hlist_seq == seq) {
		must(seen == READ_ONCE(entry));
		WRITE_ONCE(copy, 1);
	}
	spin_unlock(&dev_lock);
	delay(100);
	spin_lock(&dev_lock);
	WRITE_ONCE(copy, 0);
	spin_unlock(&dev_lock);
	mmu_notifier_unregister(&mn, mm);
	must(!open);
	mn.ops = NULL;
}

static const struct litmus {
	const char *name;
	void (*run[2])(unsigned long n);
	bool inserted;		/* the device, all the time */
	bool registered;	/* an hlist subscriber as well: sections are in the domain */
} tests[] = {
	{ "wake", { sections, begin_once }, true },
	{ "wake_in_domain", { sections, begin_once }, true, true },
	{ "insert", { sections, insert_copy } },
	{ "insert_in_domain", { sections, insert_copy }, false, true },
	{ "remove", { sections, insert_remove } },
	{ "walk", { walks, turns } },
	{ "register", { sections, register_copy } },
};

static void run_test(const struct litmus *litmus, const int *cpus, unsigned long ms)
{
	static struct interval fixed;
	pthread_t threads[2];
	int i;

	test = litmus->name;
	stop = false;
	rounds = entry = copy = open = 0;
	memset(others, 0, sizeof(others));
	mm = shim_mm_alloc();
	for (i = 1; i < OTHERS; i++)
		if (i != OTHERS / 2)
			put_in(&others[i], i);
	fixed.live = true;
	must(!mmu_interval_notifier_insert(&fixed.sub, mm, at(OTHERS / 2), PAGE_SIZE, &met_ops));
	if (litmus->inserted)
		put_in(&dev, 0);
	memset(&mn, 0, sizeof(mn));
	mn.ops = &hlist_ops;
	if (litmus->registered)
		must(!mmu_notifier_register(&mn, mm));
	for (i = 0; i < 2; i++) {
		sides[i] = (struct side){
			.run = litmus->run[i],
			.cpu = cpus[i],
			.chance = (seed + i) * 0x9e3779b97f4a7c15ULL | 1,
		};
	}
	for (i = 0; i < 2; i++)
		must(!pthread_create(&threads[i], NULL, run_side, &sides[i]));
	usleep(ms * 1000);
	WRITE_ONCE(stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("%s%s %lu", litmus == tests ? "" : ", ", test, rounds);
	fflush(stdout);
}

/* The first two that we may use */
static bool find_cpus(int *cpus)
{
	cpu_set_t set;
	int cpu, nr = 0;

	must(!sched_getaffinity(0, sizeof(set), &set));
	for (cpu = 0; cpu < CPU_SETSIZE && nr < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[nr++] = cpu;
	return nr == 2;
}

static bool wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	unsigned int i, nr = 0;
	double seconds = 10;
	int cpus[2], option;

	while ((option = getopt(argc, argv, "s:t:")) != -1) {
		switch (option) {
		case 's':
			seed = strtoul(optarg, NULL, 0);
			break;
		case 't':
			seconds = strtod(optarg, NULL);
			break;
		default:
			return 2;
		}
	}
	test = "start";
	if (!find_cpus(cpus)) {
		printf("one CPU: nothing to see\n");
		return 0;
	}
	nr_cpu_ids = 2;
	shim_enter_cpu(2);
	for (i = 0; i < ARRAY_SIZE(tests); i++)
		nr += wanted(tests[i].name, argv + optind);
	printf("rounds: ");
	for (i = 0; i < ARRAY_SIZE(tests); i++)
		if (wanted(tests[i].name, argv + optind))
			run_test(&tests[i], cpus, seconds * 1000 / nr);
	printf("\n");
	return 0;
}
