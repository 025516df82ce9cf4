// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two pinned threads that meet again and again, a few nanoseconds apart, with the
 * kernel's instructions and nothing in between: what a full barrier is missing for, a
 * processor shows only so. Most tests have one that changes page tables and one
 * that subscribes, reads or leaves.
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

/* Of odd and even rounds, which are the same one unless each round has its own */
static struct mm_struct *mms[2];
static __thread struct mm_struct *mm;

static void end_round(const struct side *side, unsigned long n);

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
		mm = mms[n % 2];
		delay(300);
		side->run(n);
		end_round(side, n);
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

static unsigned long entry, copy;
static __thread unsigned long told;	/* callbacks in sections of this side */
static spinlock_t dev_lock;

static struct interval {
	struct mmu_interval_notifier sub;
	unsigned long live;
} dev, others[OTHERS];

static bool on_invalidate(struct mmu_interval_notifier *sub,
			  const struct mmu_notifier_range *range, unsigned long seq)
{
	struct interval *interval = container_of(sub, struct interval, sub);

	told++;
	must(READ_ONCE(sub->mm) == mm);
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
	told++;
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

/* register_beside: the same beside one that has no end, so that a newcomer brings it */

static int on_other_start(struct mmu_notifier *sub, const struct mmu_notifier_range *range)
{
	return 0;
}

static const struct mmu_notifier_ops start_ops = {
	.invalidate_range_start = on_other_start,
};

/* two_first: each is the first subscriber, and is told of its own section */

static void expect_told(void)
{
	told = 0;
	section(false);
	must(told);
}

static void first_hlist(struct mmu_notifier *first)
{
	memset(first, 0, sizeof(*first));
	first->ops = &hlist_ops;
	must(!mmu_notifier_register(first, mm));
	expect_told();
	mmu_notifier_unregister(first, mm);
}

static void one_first(unsigned long n)
{
	first_hlist(&mn);
}

static void other_first(unsigned long n)
{
	static struct mmu_notifier other;

	if (n / 2 % 2) {
		first_hlist(&other);
		return;
	}
	put_in(&dev, 0);
	expect_told();
	take_out(&dev);
}

/*
 * exit: the mm ends while a subscriber leaves. Its ->release is called once, and is over
 * when either of the two returns.
 */

static struct leaving {
	struct mmu_notifier mn;
	unsigned long released;		/* 1: ->release runs, 2: it is over */
} leaving[2];

static void on_release(struct mmu_notifier *sub, struct mm_struct *of)
{
	struct leaving *leaves = container_of(sub, struct leaving, mn);

	must(!READ_ONCE(leaves->released));
	WRITE_ONCE(leaves->released, 1);
	delay(100);
	must(sub->ops);
	WRITE_ONCE(leaves->released, 2);
}

static const struct mmu_notifier_ops release_ops = { .release = on_release };

static void exits(unsigned long n)
{
	mmput(mm);
	must(READ_ONCE(leaving[n % 2].released) == 2);
}

static void leaves(unsigned long n)
{
	mmu_notifier_unregister(&leaving[n % 2].mn, mm);
	must(READ_ONCE(leaving[n % 2].released) == 2);
	leaving[n % 2].mn.ops = NULL;
}

static const struct litmus {
	const char *name;
	void (*run[2])(unsigned long n);
	bool inserted;		/* the device, all the time */
	const struct mmu_notifier_ops *registered;	/* as well: sections are in the domain */
	bool fresh;		/* each round has an mm of its own, */
	bool ready;		/* which is ready for intervals, */
	bool ends;		/* or has a subscriber, and ends in that round */
} tests[] = {
	{ "wake", { sections, begin_once }, true },
	{ "wake_in_domain", { sections, begin_once }, true, &hlist_ops },
	{ "insert", { sections, insert_copy } },
	{ "insert_in_domain", { sections, insert_copy }, .registered = &hlist_ops },
	{ "remove", { sections, insert_remove } },
	{ "walk", { walks, turns } },
	{ "register", { sections, register_copy } },
	{ "register_beside", { sections, register_copy }, .registered = &start_ops },
	{ "register_first", { sections, register_copy }, .fresh = true, .ready = true },
	{ "two_first", { one_first, other_first }, .fresh = true },
	{ "exit", { exits, leaves }, .fresh = true, .ends = true },
};

static const struct litmus *litmus;

static void make_mm(unsigned long n)
{
	struct leaving *leaves = &leaving[n % 2];
	struct mm_struct *made = shim_mm_alloc();

	if (litmus->ready)
		must(!mmu_notifier_register(NULL, made));
	if (litmus->ends) {
		*leaves = (struct leaving){ .mn.ops = &release_ops };
		must(!mmu_notifier_register(&leaves->mn, made));
	}
	mms[n % 2] = made;
}

/* One side replaces the mm of the round before, by one for the next round. */
static void end_round(const struct side *side, unsigned long n)
{
	if (!litmus->fresh || side != &sides[1])
		return;
	if (!litmus->ends)
		mmput(mms[(n + 1) % 2]);
	/* Its domain is freed by a work item. */
	flush_workqueue(NULL);
	make_mm(n + 1);
}

/* One mm, with what is subscribed all the time */
static void subscribe_all(void)
{
	static struct interval fixed;
	static struct mmu_notifier other;
	int i;

	mm = mms[0];
	memset(others, 0, sizeof(others));
	for (i = 1; i < OTHERS; i++)
		if (i != OTHERS / 2)
			put_in(&others[i], i);
	fixed.live = true;
	must(!mmu_interval_notifier_insert(&fixed.sub, mm, at(OTHERS / 2), PAGE_SIZE, &met_ops));
	if (litmus->inserted)
		put_in(&dev, 0);
	memset(&other, 0, sizeof(other));
	other.ops = litmus->registered;
	if (other.ops)
		must(!mmu_notifier_register(&other, mm));
}

static void run_test(const int *cpus, unsigned long ms)
{
	pthread_t threads[2];
	int i;

	test = litmus->name;
	stop = false;
	rounds = entry = copy = open = 0;
	make_mm(1);
	mms[0] = litmus->fresh ? shim_mm_alloc() : mms[1];
	if (!litmus->fresh)
		subscribe_all();
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
	for (litmus = tests; litmus < tests + ARRAY_SIZE(tests); litmus++)
		if (wanted(litmus->name, argv + optind))
			run_test(cpus, seconds * 1000 / nr);
	printf("\n");
	return 0;
}
