// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measures the cases of both sides, turn about: a round of the base, one of the rework,
 * and so on, each a millisecond and in the same threads, so that whatever else the
 * machine does hits both alike. Threads are pinned, and as root take precedence
 * while they measure. Half of the pairs of rounds count: not those in which one was
 * interrupted, and those in which the processor was fastest. What a full barrier takes,
 * before and after, says whether somebody else uses the other half of a core.
 *
 * Usage: bench [-n ROUNDS] [KEY...]	prints per case KEY, rounds, and in ns the
 *		least and the median of the base, and of the rework
 *	  bench -s KEY...		single-steps an operation: per case the instructions
 *		of base and rework
 *	  bench -t base|rework KEY	the address of each of them
 * A KEY is the beginning of one, or =KEY all of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "cases.h"

#define RUN_US		800
#define CHUNK_US	5	/* to 10 */
#define GAP_US		25
#define PAUSE_US	700

static const struct bench_side *const sides[2] = { &side_base, &side_rework };
static double ticks_per_ns;
static uint64_t run_ticks;

/* A thread per CPU */
struct worker {
	pthread_t thread;
	sem_t go, done;
	int cpu;

	/* a round */
	const struct bench_side *side;
	bench_loop loop;
	struct bench_work work;
	uint64_t chunk;
	int threads;

	/* what came of it */
	double ns;	/* per operation */
	uint64_t barrier;	/* 64 of them */
	bool disturbed;
};

/* of both sides */
struct pair {
	double ns[2];
	uint64_t barrier;
	bool disturbed;
};

static struct worker workers[MAX_THREADS];
static int nr_workers;
static int arrived;
static uint64_t begin;

static void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

/* For one round only, so that other users of the machine hardly notice */
static void precede(bool on)
{
	struct sched_param param = { .sched_priority = on };

	/* Not root: run without. */
	(void)sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &param);
}

static long preempted(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

static void time_barriers(struct worker *w)
{
	uint64_t start = __rdtsc();
	int i;

	for (i = 0; i < 64; i++)
		asm volatile("lock addl $0,-4(%%rsp)" ::: "memory", "cc");
	start = __rdtsc() - start;
	if (w->barrier < start)
		w->barrier = start;
}

/* All begin at the same time and go on until the same time. */
static void run(struct worker *w)
{
	uint64_t start, now, last, lost = 0, longest = 0, chunks = 0;
	uint64_t gap = GAP_US * 1000 * ticks_per_ns;
	long before;

	w->side->enter_cpu(w->cpu);
	precede(true);
	w->loop(&w->work, w->chunk);
	w->barrier = 0;
	time_barriers(w);

	before = preempted();
	if (__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST) == w->threads)
		__atomic_store_n(&begin, __rdtsc() + 3000, __ATOMIC_SEQ_CST);
	while (!(start = __atomic_load_n(&begin, __ATOMIC_SEQ_CST)) || __rdtsc() < start)
		;
	last = start;
	do {
		w->loop(&w->work, w->chunk);
		now = __rdtsc();
		if (w->threads == 1 && now - last > gap) {
			/*
			 * Another task had the CPU: this round does not count.
			 */
			lost += now - last;
		} else {
			if (now - last > longest)
				longest = now - last;
			chunks++;
		}
		last = now;
	} while (now < start + run_ticks);
	time_barriers(w);
	w->disturbed = preempted() != before;
	precede(false);

	now -= start + lost;
	if (!chunks) {
		w->ns = HUGE_VAL;
		w->disturbed = true;
		return;
	}
	w->ns = now / ticks_per_ns / chunks / w->chunk;
	/* Where threads contend, the whole round is spoiled. */
	if (longest > 8 * now / chunks + 10000 * ticks_per_ns)
		w->disturbed = true;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	pin(w->cpu);
	for (;;) {
		sem_wait(&w->go);
		run(w);
		sem_post(&w->done);
	}
	return NULL;
}

/* Those CPUs that we may use; returns their number. */
static int start_workers(void)
{
	cpu_set_t set;
	int cpu, nr = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		die("sched_getaffinity");
	for (cpu = 0; cpu < CPU_SETSIZE && nr < MAX_THREADS; cpu++) {
		struct worker *w = &workers[nr];

		/* Per-CPU areas are for so many. */
		if (!CPU_ISSET(cpu, &set) || cpu >= 64)
			continue;
		w->cpu = cpu;
		sem_init(&w->go, 0, 0);
		sem_init(&w->done, 0, 0);
		if (pthread_create(&w->thread, NULL, work, w))
			die("pthread_create");
		nr++;
	}
	return nr;
}

/* Into @pair: ns per operation of one thread */
static void measure(struct pair *pair, int which, const struct bench_case *bench,
		    const struct bench_work *items, const uint64_t *chunks)
{
	int i, counted = bench->other ? 1 : bench->threads;
	double rate = 0;

	arrived = 0;
	begin = 0;
	for (i = 0; i < bench->threads; i++) {
		struct worker *w = &workers[i];

		w->side = sides[which];
		w->loop = i && bench->other ? bench->other : bench->loop;
		w->work = items[i];
		w->chunk = chunks[i];
		w->threads = bench->threads;
		sem_post(&w->go);
	}
	for (i = 0; i < bench->threads; i++) {
		while (sem_wait(&workers[i].done))
			;
		pair->disturbed |= workers[i].disturbed;
		if (pair->barrier < workers[i].barrier)
			pair->barrier = workers[i].barrier;
		if (i < counted)
			rate += 1 / workers[i].ns;
	}
	pair->ns[which] = counted / rate;
}

/* How often an operation fits in a chunk, here and when alone */
static uint64_t chunk_of(bench_loop loop, struct bench_work *item)
{
	uint64_t nr, start;

	for (nr = 8; ; nr *= 2) {
		loop(item, nr);
		start = __rdtsc();
		loop(item, nr);
		if (__rdtsc() - start > CHUNK_US * 1000 * ticks_per_ns)
			return nr;
	}
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int by_quiet(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->disturbed != y->disturbed)
		return x->disturbed - y->disturbed;
	return (x->barrier > y->barrier) - (x->barrier < y->barrier);
}

static int interrupted;	/* number of cases with interrupted rounds */

static void compare(int number, int rounds)
{
	const struct bench_case *bench[2];
	struct bench_work items[2][MAX_THREADS];
	uint64_t chunks[2][MAX_THREADS];
	struct pair pairs[2 * rounds];
	double found[2][rounds];
	int i, which, kept, tries, quiet = 0;

	for (which = 0; which < 2; which++) {
		bench[which] = &sides[which]->cases[number];
		sides[which]->enter_cpu(0);
		sides[which]->prepare(bench[which], items[which]);
		sides[which]->enter_cpu(0);
		for (i = 0; i < bench[which]->threads; i++) {
			bench_loop loop = i && bench[which]->other ? bench[which]->other :
								     bench[which]->loop;

			chunks[which][i] = chunk_of(loop, &items[which][i]);
		}
	}
	for (tries = 0; tries < 2 * rounds && quiet < rounds; tries++) {
		pairs[tries] = (struct pair){ };
		for (which = 0; which < 2; which++)
			measure(&pairs[tries], which, bench[which], items[which], chunks[which]);
		quiet += !pairs[tries].disturbed;
		usleep(PAUSE_US);
	}
	qsort(pairs, tries, sizeof(*pairs), by_quiet);
	kept = (rounds + 1) / 2;
	interrupted += quiet < kept;
	for (which = 0; which < 2; which++) {
		for (i = 0; i < kept; i++)
			found[which][i] = pairs[i].ns[which];
		qsort(found[which], kept, sizeof(double), by_size);
	}
	printf("%s\t%d\t%.2f\t%.2f\t%.2f\t%.2f\n", bench[0]->key, kept, found[0][0],
	       found[0][kept / 2], found[1][0], found[1][kept / 2]);
	fflush(stdout);
}

/* Single-stepping */

static long count_steps(int which, const struct bench_case *bench, struct bench_work *item,
			unsigned int nr, bool print)
{
	struct user_regs_struct regs;
	long count = 0;
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (!pid) {
		sides[which]->enter_cpu(0);
		bench->loop(item, 3);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		bench->loop(item, nr);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	while (WIFSTOPPED(status)) {
		count++;
		if (print && !ptrace(PTRACE_GETREGS, pid, NULL, &regs))
			printf("%llx\n", regs.rip);
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL))
			die("ptrace");
		waitpid(pid, &status, 0);
	}
	return count;
}

static void step(int number, const char *only)
{
	const struct bench_case *bench;
	struct bench_work items[MAX_THREADS];
	long steps[2];
	int which;

	if (sides[0]->cases[number].threads > 1)
		return;
	for (which = 0; which < 2; which++) {
		bench = &sides[which]->cases[number];
		if (only && strcmp(only, which ? "rework" : "base"))
			continue;
		sides[which]->enter_cpu(0);
		sides[which]->prepare(bench, items);
		if (only)
			count_steps(which, bench, items, 1, true);
		/* Without the two instructions of the loop */
		steps[which] = (count_steps(which, bench, items, 18, false) -
				count_steps(which, bench, items, 2, false)) / 16 - 2;
	}
	if (!only)
		printf("%s\t%ld\t%ld\n", bench->key, steps[0], steps[1]);
	fflush(stdout);
}

static bool wanted(const char *key, char **keys)
{
	if (!*keys)
		return true;
	for (; *keys; keys++)
		if (**keys == '=' ? !strcmp(*keys + 1, key) : !strncmp(*keys, key, strlen(*keys)))
			return true;
	return false;
}

static void calibrate(void)
{
	struct timespec a, b;
	uint64_t start, end;
	double ns;

	clock_gettime(CLOCK_MONOTONIC_RAW, &a);
	start = __rdtsc();
	do {
		clock_gettime(CLOCK_MONOTONIC_RAW, &b);
		end = __rdtsc();
		ns = (b.tv_sec - a.tv_sec) * 1e9 + b.tv_nsec - a.tv_nsec;
	} while (ns < 1e8);
	ticks_per_ns = (end - start) / ns;
	run_ticks = RUN_US * 1000 * ticks_per_ns;
}

int main(int argc, char **argv)
{
	const char *only = NULL;
	bool steps = false;
	int i, option, rounds = 400;

	while ((option = getopt(argc, argv, "n:st:")) != -1) {
		switch (option) {
		case 'n':
			rounds = atoi(optarg);
			break;
		case 't':
			only = optarg;
			/* fall through */
		case 's':
			steps = true;
			break;
		default:
			return 2;
		}
	}
	calibrate();
	nr_workers = start_workers();
	for (i = 0; i < sides[0]->nr_cases; i++) {
		const struct bench_case *bench = &sides[0]->cases[i];

		if (!wanted(bench->key, argv + optind))
			continue;
		if (steps)
			step(i, only);
		else if (bench->threads <= nr_workers)
			compare(i, rounds);
	}
	if (interrupted)
		fprintf(stderr, "bench: the machine is busy: %d cases with rounds that were interrupted\n",
			interrupted);
	return 0;
}
