/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bench.c knows of a side, the base or the rework: the same cases, each compiled
 * with its notifiers and shims and linked into one object that exports only its side.
 */
#include <stdbool.h>
#include <stdint.h>

#define MAX_THREADS	16

/* What one thread works on */
struct bench_work {
	void *mm;
	unsigned long page;
	void *sub;	/* an interval or an hlist subscription */
};

typedef void (*bench_loop)(struct bench_work *work, uint64_t nr);

struct bench_case {
	const char *key;
	int threads;
	bench_loop loop;
	bench_loop other;	/* of all threads but the first, which alone counts then */
	void *setup;		/* struct setup of cases.c */
};

struct bench_side {
	const struct bench_case *cases;
	unsigned int nr_cases;
	void (*enter_cpu)(int cpu);
	void (*prepare)(const struct bench_case *bench, struct bench_work *work);
};

extern const struct bench_side side_base, side_rework;
