// SPDX-License-Identifier: GPL-2.0
/*
 * What VMs of KVM cost their process, for make clients: prints lines
 * "figure NAME VALUE UNIT". Times are medians, in the machine's own clock.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS		20
#define MANY_VMS	200
#define PROCESSES	32
#define PAGE		4096UL
#define FAULTS		2000

static int kvm;

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int create_vm(void)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		err(1, "KVM_CREATE_VM");
	return vm;
}

static int by_value(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static long median(long *times, int n)
{
	qsort(times, n, sizeof(*times), by_value);
	return times[n / 2];
}

static void figure(const char *name, long value, const char *unit)
{
	printf("figure %s %ld %s\n", name, value, unit);
	fflush(stdout);
}

static void figure_of(const char *what, const char *of, long nanoseconds)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s", what, of);
	figure(name, nanoseconds / 1000, "us");
}

/* Neighbours differ in what they may do, so that they stay apart. */
static void map_many(int vmas)
{
	char *area = mmap(NULL, vmas * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		err(1, "mmap");
	for (int i = 0; i < vmas; i += 2)
		if (mprotect(area + i * PAGE, PAGE, PROT_READ | PROT_WRITE))
			err(1, "mprotect");
}

static void create_and_close(int vmas)
{
	long creates[ROUNDS], closes[ROUNDS], began, created;
	char of[16];

	snprintf(of, sizeof(of), "%d_vmas", vmas);
	for (int i = 0; i < ROUNDS; i++) {
		int vm;

		began = now();
		vm = create_vm();
		created = now();
		close(vm);
		creates[i] = created - began;
		closes[i] = now() - created;
	}
	figure_of("create", of, median(creates, ROUNDS));
	figure_of("close", of, median(closes, ROUNDS));
}

static void one_after_the_other(void)
{
	long times[MANY_VMS];

	for (int i = 0; i < MANY_VMS; i++) {
		times[i] = now();
		close(create_vm());
		times[i] = now() - times[i];
	}
	figure_of("create_and_close", "first_20_of_200", median(times, 20));
	figure_of("create_and_close", "last_20_of_200", median(times + MANY_VMS - 20, 20));
}

static void exit_at_once(void)
{
	int hold[2], ready[2];
	long began;
	char c;

	if (pipe(hold) || pipe(ready))
		err(1, "pipe");
	for (int i = 0; i < PROCESSES; i++) {
		if (fork())
			continue;
		close(hold[1]);
		create_vm();
		if (write(ready[1], "", 1) == 1 && read(hold[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++)
		if (read(ready[0], &c, 1) != 1)
			err(1, "a process with a VM");
	began = now();
	close(hold[1]);
	while (wait(NULL) > 0)
		;
	figure_of("exit", "of_32_processes", now() - began);
	close(hold[0]);
	close(ready[0]);
	close(ready[1]);
}

static atomic_bool stop;

static void *create_and_close_all_the_time(void *unused)
{
	while (!atomic_load(&stop))
		close(create_vm());
	return unused;
}

static void *fault_all_the_time(void *unused)
{
	long times[FAULTS];
	char *area = mmap(NULL, FAULTS * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		err(1, "mmap");
	madvise(area, FAULTS * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < FAULTS; i++) {
		times[i] = now();
		area[i * PAGE] = 1;
		times[i] = now() - times[i];
	}
	figure_of("fault", "beside_a_vm_that_comes_and_goes", median(times, FAULTS));
	figure_of("slowest_fault", "beside_a_vm_that_comes_and_goes", times[FAULTS - 1]);
	munmap(area, FAULTS * PAGE);
	return unused;
}

static void beside_another(void)
{
	long times[ROUNDS];
	pthread_t thread;

	if (pthread_create(&thread, NULL, create_and_close_all_the_time, NULL))
		errx(1, "no thread");
	for (int i = 0; i < ROUNDS; i++) {
		int vm;

		times[i] = now();
		vm = create_vm();
		times[i] = now() - times[i];
		close(vm);
	}
	figure_of("create", "beside_a_vm_that_comes_and_goes", median(times, ROUNDS));
	fault_all_the_time(NULL);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

#define GROUP	"/sys/fs/cgroup/figures"

/* A line of memory.stat, in bytes */
static long charged(const char *name)
{
	FILE *stat = fopen(GROUP "/memory.stat", "r");
	char line[128];
	long value = -1;

	while (stat && fgets(line, sizeof(line), stat))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ' ')
			value = atol(line + strlen(name));
	if (stat)
		fclose(stat);
	return value;
}

static void memory_of_many(void)
{
	static const char * const names[] = { "kernel", "slab", "percpu" };
	long before[3];
	FILE *procs;
	char name[64];

	mkdir(GROUP, 0700);
	procs = fopen(GROUP "/cgroup.procs", "w");
	if (!procs || fprintf(procs, "0\n") < 0 || fclose(procs))
		err(1, GROUP);
	for (int i = 0; i < 3; i++)
		before[i] = charged(names[i]);
	for (int i = 0; i < MANY_VMS; i++)
		create_vm();
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "charged_%s_of_200_vms", names[i]);
		figure(name, (charged(names[i]) - before[i]) / 1024, "KB");
	}
}

int main(void)
{
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(1, "/dev/kvm");
	create_and_close(1);
	map_many(1000);
	create_and_close(1000);
	map_many(59000);
	create_and_close(60000);
	one_after_the_other();
	exit_at_once();
	beside_another();
	memory_of_many();
	return 0;
}
