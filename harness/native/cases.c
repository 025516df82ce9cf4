// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cases of make bench-native; reach.list describes them. Everything that
 * can be prepared is prepared, so that a loop only does what it measures.
 */
#include <linux/mmu_notifier.h>
#include <linux/srcu.h>

#include "cases.h"

#define MANY		10000
#define FIRST		BIT(30)
#define at(page)	(FIRST + (page) * PAGE_SIZE)

#define must(cond) do {							\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);	\
		abort();						\
	}								\
} while (0)

/*
 * Subscribers, which do as little as possible: counting their calls would take
 * longest.
 */

/* int in the base, bool in the rework */
#define young_t typeof(((struct mmu_notifier_ops *)0)->test_young(NULL, NULL, 0))

static int on_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	return 0;
}

static void on_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
}

static young_t on_young(struct mmu_notifier *mn, struct mm_struct *mm,
			unsigned long start, unsigned long end)
{
	return 0;
}

static young_t on_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
			     unsigned long address)
{
	return 0;
}

static void on_arch_invalidate(struct mmu_notifier *mn, struct mm_struct *mm,
			       unsigned long start, unsigned long end)
{
}

static bool on_invalidate(struct mmu_interval_notifier *sub,
			  const struct mmu_notifier_range *range, unsigned long seq)
{
	mmu_interval_set_seq(sub, seq);
	return true;
}

static const struct mmu_notifier_ops section_ops = {
	.invalidate_range_start = on_start,
	.invalidate_range_end = on_end,
};

static const struct mmu_notifier_ops young_ops = {
	.clear_flush_young = on_young,
	.clear_young = on_young,
	.test_young = on_test_young,
};

static const struct mmu_notifier_ops arch_ops = {
	.arch_invalidate_secondary_tlbs = on_arch_invalidate,
};

static const struct mmu_interval_notifier_ops interval_ops = {
	.invalidate = on_invalidate,
};

/* Loops */

#define LOOP(name, call)						\
static void name(struct bench_work *work, u64 nr)			\
{									\
	struct mm_struct *mm = work->mm;				\
	unsigned long page = work->page;				\
									\
	while (nr--) {							\
		call;							\
		barrier();						\
	}								\
}

static noinline void section(struct mm_struct *mm, unsigned long page)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, at(page), at(page + 1));
	mmu_notifier_invalidate_range_start(&range);
	barrier();
	mmu_notifier_invalidate_range_end(&range);
}
LOOP(sections, section(mm, page))

static noinline void nested_section(struct mm_struct *mm, unsigned long page)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, mm, at(page), at(page + 1));
	mmu_notifier_invalidate_range_start(&range);
	section(mm, page);
	mmu_notifier_invalidate_range_end(&range);
}
LOOP(nested_sections, nested_section(mm, page))

LOOP(clear_young, mmu_notifier_clear_young(mm, at(page), at(page + 1)))
LOOP(clear_flush_young, mmu_notifier_clear_flush_young(mm, at(page), at(page + 1)))
LOOP(test_young, mmu_notifier_test_young(mm, at(page)))
LOOP(arch_invalidate, mmu_notifier_arch_invalidate_secondary_tlbs(mm, at(page), at(page + 1)))

static noinline bool read_once(struct mmu_interval_notifier *sub)
{
	unsigned long seq = mmu_interval_read_begin(sub);

	barrier();
	return mmu_interval_read_retry(sub, seq);
}
LOOP(reads, read_once(work->sub))

static noinline void insert_remove(struct mm_struct *mm, unsigned long page, void *sub)
{
	must(!mmu_interval_notifier_insert(sub, mm, at(page), PAGE_SIZE, &interval_ops));
	mmu_interval_notifier_remove(sub);
}
LOOP(inserts, insert_remove(mm, page, work->sub))

static noinline void register_unregister(struct mm_struct *mm, struct mmu_notifier *sub)
{
	memset(sub, 0, sizeof(*sub));
	sub->ops = &section_ops;
	must(!mmu_notifier_register(sub, mm));
	mmu_notifier_unregister(sub, mm);
}
LOOP(registrations, register_unregister(mm, work->sub))

/* The address spaces: intervals are at the even pages from 0 on. */

struct setup {
	unsigned int hlist;
	const struct mmu_notifier_ops *ops;
	unsigned int intervals;
	unsigned long page;	/* of the first thread */
	unsigned long apart;	/* distance to the next thread, in pages */
	unsigned int cpus;	/* possible ones, on each of which sections have run */
};

static void prepare(const struct bench_case *bench, struct bench_work *work)
{
	const struct setup *setup = bench->setup;
	struct mmu_interval_notifier *interval = NULL;
	unsigned int possible = nr_cpu_ids, i;
	struct mm_struct *mm;
	struct mmu_notifier *sub;

	if (setup->cpus)
		nr_cpu_ids = setup->cpus;
	mm = shim_mm_alloc();
	for (i = 0; i < setup->hlist; i++) {
		sub = kzalloc(sizeof(*sub), GFP_KERNEL);
		sub->ops = setup->ops;
		must(!mmu_notifier_register(sub, mm));
	}
	for (i = 0; i < setup->intervals; i++) {
		interval = kzalloc(sizeof(*interval), GFP_KERNEL);
		must(!mmu_interval_notifier_insert(interval, mm, at(2 * i), PAGE_SIZE,
						   &interval_ops));
	}
	for (i = 0; i < bench->threads; i++) {
		work[i].mm = mm;
		work[i].page = setup->page + i * setup->apart;
		if ((i && bench->other ? bench->other : bench->loop) == reads)
			work[i].sub = interval;
		else
			work[i].sub = kzalloc(max(sizeof(*sub), sizeof(*interval)), GFP_KERNEL);
	}
	for (i = setup->cpus; i--;) {
		shim_enter_cpu(i);
		section(mm, 2 * MANY);
	}
	nr_cpu_ids = possible;
}

#define CASE(key, nr, loop, ...) \
	{ key, nr, loop, NULL, &(struct setup){ __VA_ARGS__ } }
#define BESIDE(key, loop, other, ...) \
	{ key, 2, loop, other, &(struct setup){ __VA_ARGS__ } }
#define HLIST(nr, o)	.hlist = (nr), .ops = &(o)
#define MIDDLE		(MANY / 2)

#define THREADS(n, nr)							\
	CASE(#n "_missed_1", nr, sections, .intervals = 1, .page = 1, .apart = 1000),	\
	CASE(#n "_missed_10000", nr, sections, .intervals = MANY, .page = 1, .apart = 1000),	\
	CASE(#n "_hit_own", nr, sections, .intervals = nr, .page = 0, .apart = 2),	\
	CASE(#n "_hit_10000", nr, sections, .intervals = MANY, .page = 0, .apart = 1000),	\
	CASE(#n "_hlist_1", nr, sections, HLIST(1, section_ops), .apart = 1000),	\
	CASE(#n "_hlist_1_missed_1", nr, sections, HLIST(1, section_ops),	\
	     .intervals = 1, .page = 1, .apart = 1000),			\
	CASE(#n "_young", nr, clear_young, HLIST(1, young_ops)),	\
	CASE(#n "_read", nr, reads, .intervals = 1)

static const struct bench_case cases[] = {
	CASE("nobody", 1, sections),
	CASE("hlist_1", 1, sections, HLIST(1, section_ops)),
	CASE("hlist_4", 1, sections, HLIST(4, section_ops)),
	CASE("hlist_64", 1, sections, HLIST(64, section_ops)),
	CASE("missed_1", 1, sections, .intervals = 1, .page = 1),
	CASE("hit_1", 1, sections, .intervals = 1, .page = 0),
	CASE("missed_10000", 1, sections, .intervals = MANY, .page = MIDDLE + 1),
	CASE("hit_10000", 1, sections, .intervals = MANY, .page = MIDDLE),
	CASE("hlist_1_missed_1", 1, sections, HLIST(1, section_ops), .intervals = 1, .page = 1),
	CASE("hlist_1_hit_1", 1, sections, HLIST(1, section_ops), .intervals = 1, .page = 0),
	CASE("nested_hlist_1", 1, nested_sections, HLIST(1, section_ops)),
	CASE("nested_missed_1", 1, nested_sections, .intervals = 1, .page = 1),
	CASE("nested_hit_1", 1, nested_sections, .intervals = 1, .page = 0),

	CASE("clear_flush_young", 1, clear_flush_young, HLIST(1, young_ops)),
	CASE("clear_young", 1, clear_young, HLIST(1, young_ops)),
	CASE("test_young", 1, test_young, HLIST(1, young_ops)),
	CASE("arch_invalidate", 1, arch_invalidate, HLIST(1, arch_ops)),
	CASE("clear_flush_young_without", 1, clear_flush_young, HLIST(1, section_ops)),
	CASE("clear_young_without", 1, clear_young, HLIST(1, section_ops)),
	CASE("test_young_without", 1, test_young, HLIST(1, section_ops)),
	CASE("arch_invalidate_without", 1, arch_invalidate, HLIST(1, section_ops)),

	CASE("read", 1, reads, .intervals = 1),
	CASE("read_16_cpus", 1, reads, .intervals = 1, .cpus = 16),
	CASE("read_64_cpus", 1, reads, .intervals = 1, .cpus = 64),
	CASE("insert_remove_1", 1, inserts, .intervals = 1, .page = 1),
	CASE("insert_remove_10000", 1, inserts, .intervals = MANY, .page = MIDDLE + 1),
	CASE("insert_remove_1_16_cpus", 1, inserts, .intervals = 1, .page = 1, .cpus = 16),
	CASE("register_unregister", 1, registrations, HLIST(1, section_ops)),

	THREADS(two, 2),
	BESIDE("missed_beside_read", sections, reads, .intervals = 1, .page = 1),
	BESIDE("read_beside_missed", reads, sections, .intervals = 1, .page = 1),
	BESIDE("missed_beside_insert_remove", sections, inserts,
	       .intervals = MANY, .page = 4001, .apart = 4000),
	BESIDE("insert_remove_beside_missed", inserts, sections,
	       .intervals = MANY, .page = 4001, .apart = 4000),

	THREADS(four, 4),
	THREADS(eight, 8),
	THREADS(sixteen, 16),
};

const struct bench_side side = {
	.cases = cases,
	.nr_cases = ARRAY_SIZE(cases),
	.enter_cpu = shim_enter_cpu,
	.prepare = prepare,
};
