/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the mmu_notifiers share: calls of the device that mirrors
 * page tables, lib/test_mmu_notifier.c. Include kselftest_harness.h before.
 */
#ifndef _SELFTESTS_MM_MMU_NOTIFIER_UTIL_H
#define _SELFTESTS_MM_MMU_NOTIFIER_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "lib/test_mmu_notifier_uapi.h"

#define MN_DEVICE	"/dev/test_mmu_notifier"
/* How long to wait for what has to come: long, as an emulated CPU is slow. */
#define MN_PATIENCE	30

/* Every function returns 0 or a negative errno, so that a test can expect it. */
static inline int mn_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

/* Returns the id of the mirror, which is positive, or a negative errno. */
static inline int mn_mirror(int fd, const void *start, size_t length, uint32_t how)
{
	struct test_mmu_notifier_mirror arg = {
		.start = (uintptr_t)start,
		.length = length,
		.how = how,
	};
	int err = mn_ioctl(fd, TEST_MMU_NOTIFIER_MIRROR, &arg);

	return err ? err : (int)arg.id;
}

static inline int mn_unmirror(int fd, uint32_t id)
{
	return mn_ioctl(fd, TEST_MMU_NOTIFIER_UNMIRROR, &id);
}

static inline int mn_access(int fd, uint32_t id, uint32_t flags,
			    const void *addr, void *buffer, size_t length)
{
	struct test_mmu_notifier_access arg = {
		.id = id,
		.flags = flags,
		.addr = (uintptr_t)addr,
		.length = length,
		.buffer = (uintptr_t)buffer,
	};

	return mn_ioctl(fd, TEST_MMU_NOTIFIER_ACCESS, &arg);
}

/* One byte: what the device reads there, faulting it in, or a negative errno */
static inline int mn_read(int fd, uint32_t id, const void *addr)
{
	unsigned char byte;
	int err = mn_access(fd, id, 0, addr, &byte, 1);

	return err ? err : byte;
}

/* One byte, if the shadow has the page: -ENODATA if not */
static inline int mn_peek(int fd, uint32_t id, const void *addr)
{
	unsigned char byte;
	int err = mn_access(fd, id, TEST_MMU_NOTIFIER_NOFAULT, addr, &byte, 1);

	return err ? err : byte;
}

/* The device writes one byte, faulting the page in for writing. */
static inline int mn_write(int fd, uint32_t id, void *addr, unsigned char byte)
{
	return mn_access(fd, id, TEST_MMU_NOTIFIER_WRITE, addr, &byte, 1);
}

/* The device writes one byte if the shadow lets it: -ENODATA, -EACCES if not. */
static inline int mn_poke(int fd, uint32_t id, void *addr, unsigned char byte)
{
	return mn_access(fd, id,
			 TEST_MMU_NOTIFIER_WRITE | TEST_MMU_NOTIFIER_NOFAULT,
			 addr, &byte, 1);
}

static inline int mn_check(int fd, uint32_t id,
			   struct test_mmu_notifier_check *check)
{
	memset(check, 0, sizeof(*check));
	check->id = id;
	return mn_ioctl(fd, TEST_MMU_NOTIFIER_CHECK, check);
}

static inline int mn_counters(int fd, uint32_t id,
			      struct test_mmu_notifier_counters *counters)
{
	memset(counters, 0, sizeof(*counters));
	counters->id = id;
	return mn_ioctl(fd, TEST_MMU_NOTIFIER_COUNTERS, counters);
}

static inline int mn_behave(int fd, uint32_t id, uint32_t flags, uint32_t delay_us)
{
	struct test_mmu_notifier_behave arg = {
		.id = id,
		.flags = flags,
		.delay_us = delay_us,
	};

	return mn_ioctl(fd, TEST_MMU_NOTIFIER_BEHAVE, &arg);
}

/* Writes a setting of the kernel; @dir as for openat(). */
static inline int mn_write_text(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static inline double mn_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Waits until condition is true; false if that takes too long. */
#define mn_until(condition) ({						\
	double mn_deadline = mn_now() + MN_PATIENCE;			\
	bool mn_true;							\
									\
	while (!(mn_true = (condition)) && mn_now() < mn_deadline)	\
		sched_yield();						\
	mn_true;							\
})

/* How many callbacks of the mirror wait in TEST_MMU_NOTIFIER_BLOCK */
static inline int mn_blocked(int fd, uint32_t id)
{
	struct test_mmu_notifier_counters counters;
	int err = mn_counters(fd, id, &counters);

	return err ? err : (int)counters.blocked;
}

/*
 * For main(). Without the device there is nothing to test, and the exit status
 * says so.
 */
static inline int mn_harness_run(int argc, char **argv)
{
	int fd = open(MN_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		ksft_print_header();
		ksft_exit_skip("%s: %s (CONFIG_TEST_MMU_NOTIFIER, root)\n",
			       MN_DEVICE, strerror(errno));
	}
	close(fd);
	return test_harness_run(argc, argv);
}

#endif /* _SELFTESTS_MM_MMU_NOTIFIER_UTIL_H */
