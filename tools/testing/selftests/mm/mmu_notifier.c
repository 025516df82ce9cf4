// SPDX-License-Identifier: GPL-2.0-only
/*
 * What operations on page tables mean for a device that mirrors them.
 *
 * The device, lib/test_mmu_notifier.c, reads and writes memory by a page table
 * of its own, the shadow, and relies on the MMU notifiers to call it before the
 * page table of the process changes. If they do not, the device reads pages
 * that are no longer there, or writes where the process must not.
 *
 * Each test has the device read and write some pages, so that the shadow has
 * entries of both kinds, and then does one thing that changes the page table:
 * munmap(), mprotect(), swapping, migration and so on. Afterwards
 *
 * - the shadow must not have what the page table no longer has: device_lost();
 * - nor let through a write that the page table forbids: device_must_ask();
 * - it should have kept what is outside of the range: device_kept();
 * - the notifiers must have given the expected reason and no other, each start
 *   must have got its end, and a mirror far away must not have been called:
 *   settled();
 * - the device, which now faults anew, sees what the process sees: same().
 *
 * All of this for each way in which a driver can subscribe: the variants. Every
 * test runs in a process of its own, so what belongs to a test is global here.
 *
 * Most of the tests need root. A test that lacks something is skipped and says
 * what it is.
 */
#include "../kselftest_harness.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "mmu_notifier_util.h"
#include "vm_util.h"

/* The C library may not have these yet. */
#ifndef MADV_COLD
#define MADV_COLD		20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT		21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_HWPOISON
#define MADV_HWPOISON		100
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

/* Sets of events, as told() takes them */
#define MASK(event)		(1U << (event))
#define UNMAP			MASK(TEST_MMU_NOTIFIER_UNMAP)
#define CLEAR			MASK(TEST_MMU_NOTIFIER_CLEAR)
#define PROTECTION_VMA		MASK(TEST_MMU_NOTIFIER_PROTECTION_VMA)
#define PROTECTION_PAGE		MASK(TEST_MMU_NOTIFIER_PROTECTION_PAGE)
#define SOFT_DIRTY		MASK(TEST_MMU_NOTIFIER_SOFT_DIRTY)

#define INTERVALS		(TEST_MMU_NOTIFIER_INTERVAL | TEST_MMU_NOTIFIER_TWO_PASS)

#define THP			"/sys/kernel/mm/transparent_hugepage/"
#define KSM			"/sys/kernel/mm/ksm/"
#define SPLIT_HUGE_PAGES	"/sys/kernel/debug/split_huge_pages"
#define PAGE_IDLE		"/sys/kernel/mm/page_idle/bitmap"
#define MEMORY_BLOCKS		"/sys/devices/system/memory/"
#define CALLBACKS		"/sys/kernel/tracing/events/mmu_notifier/mmu_notifier_callback/"
/* A folder on a disk, for files that are written back */
#define DISK			"/mnt"

/* Enough for most tests */
#define FEW			8
#define FAR			2

/*
 * The macros of the harness require this name. A test has a parameter of that
 * name; this one is for the functions that tests call.
 */
static struct __test_metadata *_metadata;

static size_t page_size;
static size_t huge_size;
static size_t huge_pages;	/* base pages in a huge one */
static int dev = -1;
static uint32_t how;
/* Aligned to huge pages and two of them long. Without access, until mapped. */
static char *area;
static uint32_t area_id;
static struct test_mmu_notifier_counters area_before;
/* A few pages that no operation changes */
static char *far;
static uint32_t far_id;
static struct test_mmu_notifier_counters far_before;

/*
 * The settings of the system, with their values before the test
 */

static struct {
	char path[96];
	char old[64];
} changed[8];
static unsigned int nr_changed;

static int write_text(const char *path, const char *text)
{
	return mn_write_text(AT_FDCWD, path, text);
}

static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -errno;
	length = read(fd, text, size - 1);
	close(fd);
	if (length < 0)
		return -EIO;
	text[length] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

/* If all values are listed, the one in brackets is set. */
static void cut_brackets(char *text)
{
	char *from = strchr(text, '[');
	size_t length;

	if (!from)
		return;
	length = strcspn(++from, "]");
	memmove(text, from, length);
	text[length] = '\0';
}

/* Set until the end of the test. Returns 0 or a negative errno. */
static int set(const char *path, const char *value)
{
	unsigned int i = nr_changed;
	int err;

	if (i == ARRAY_SIZE(changed))
		return -ENOSPC;
	err = read_text(path, changed[i].old, sizeof(changed[i].old));
	if (err)
		return err;
	cut_brackets(changed[i].old);
	snprintf(changed[i].path, sizeof(changed[i].path), "%s", path);
	err = write_text(path, value);
	if (!err)
		nr_changed++;
	return err;
}

static void restore_all(void)
{
	while (nr_changed) {
		nr_changed--;
		EXPECT_EQ(0, write_text(changed[nr_changed].path,
					changed[nr_changed].old));
	}
}

/*
 * The device
 */

static int dev_read(const char *addr)
{
	return mn_read(dev, area_id, addr);
}

static int dev_peek(const char *addr)
{
	return mn_peek(dev, area_id, addr);
}

static int dev_write(char *addr, unsigned char byte)
{
	return mn_write(dev, area_id, addr, byte);
}

static int dev_poke(char *addr, unsigned char byte)
{
	return mn_poke(dev, area_id, addr, byte);
}

/* Counts from here on, not what was before. */
static void watch(void)
{
	ASSERT_EQ(0, mn_counters(dev, area_id, &area_before));
	ASSERT_EQ(0, mn_counters(dev, far_id, &far_before));
}

/* What the process writes to the first byte of each page */
static unsigned char mark(size_t i)
{
	return 1 + i % 251;
}

/* What the device writes to the second byte of every other page */
static unsigned char device_mark(size_t i)
{
	return ~mark(i);
}

static void fill(char *addr, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		addr[i * page_size] = mark(i);
}

/* The device gets read-only entries. */
static void device_reads(char *addr, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		ASSERT_EQ(mark(i), dev_read(addr + i * page_size));
	watch();
}

/* The device gets writable entries for every other page, from the first on. */
static void device_uses(char *addr, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i += 2)
		ASSERT_EQ(0, dev_write(addr + i * page_size + 1, device_mark(i)));
	device_reads(addr, pages);
}

static void device_lost(char *addr, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		ASSERT_EQ(-ENODATA, dev_peek(addr + i * page_size)) {
			TH_LOG("the shadow still has page %zu", i);
		}
}

/* As device_uses() left it; @first is the number of the first page there. */
static void device_kept(char *addr, size_t pages, size_t first)
{
	size_t i;

	for (i = 0; i < pages; i++) {
		char *at = addr + i * page_size;

		ASSERT_EQ(mark(first + i), dev_peek(at)) {
			TH_LOG("the shadow has lost page %zu", first + i);
		}
		if ((first + i) % 2 == 0)
			ASSERT_EQ(0, dev_poke(at + 1, device_mark(first + i)));
	}
}

/* The device cannot write without a fault. Whether it can read is left open. */
static void device_must_ask(char *addr, size_t pages)
{
	size_t i;
	int err;

	for (i = 0; i < pages; i++) {
		err = dev_poke(addr + i * page_size, 0xee);
		ASSERT_TRUE(err == -ENODATA || err == -EACCES) {
			TH_LOG("the device has written to page %zu: %d", i, err);
		}
	}
}

/* Device and process see the same, and in it what the process wrote. */
static void reads_same(char *addr, size_t pages, size_t first)
{
	char *copy;
	size_t i;

	if (!pages)
		return;
	copy = malloc(pages * page_size);
	ASSERT_NE(NULL, copy);
	ASSERT_EQ(0, mn_access(dev, area_id, 0, addr, copy, pages * page_size));
	for (i = 0; i < pages; i++)
		ASSERT_EQ(mark(first + i), (unsigned char)copy[i * page_size]) {
			TH_LOG("page %zu", first + i);
		}
	ASSERT_EQ(0, memcmp(addr, copy, pages * page_size));
	free(copy);
}

/* What the device wrote in device_uses() is there, too. */
static void same(char *addr, size_t pages, size_t first)
{
	size_t i;

	reads_same(addr, pages, first);
	for (i = 0; i < pages; i++)
		if ((first + i) % 2 == 0)
			ASSERT_EQ(device_mark(first + i),
				  (unsigned char)addr[i * page_size + 1]) {
				TH_LOG("page %zu", first + i);
			}
}

/* Device and process see zeros. */
static void zeroed(char *addr, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++) {
		ASSERT_EQ(0, dev_read(addr + i * page_size));
		ASSERT_EQ(0, addr[i * page_size]);
	}
}

/* The process has no access, so the device has none. */
static void refused(char *addr, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++) {
		ASSERT_EQ(-EFAULT, dev_read(addr + i * page_size));
		ASSERT_EQ(-EFAULT, dev_write(addr + i * page_size, 0xee));
	}
}

static unsigned int events_since(const struct test_mmu_notifier_counts *before,
				 const struct test_mmu_notifier_counts *now)
{
	unsigned int events = 0;
	int i;

	for (i = 0; i < TEST_MMU_NOTIFIER_EVENTS; i++)
		if (now->events[i] != before->events[i])
			events |= MASK(i);
	return events;
}

/* Since watch() the device was called with these events and no other. */
static void told(unsigned int events)
{
	struct test_mmu_notifier_counters now;

	ASSERT_EQ(0, mn_counters(dev, area_id, &now));
	if (how & TEST_MMU_NOTIFIER_HLIST)
		EXPECT_EQ(events, events_since(&area_before.hlist, &now.hlist));
	if (how & INTERVALS)
		EXPECT_EQ(events, events_since(&area_before.interval, &now.interval));
	/* at least one second pass */
	if (how & TEST_MMU_NOTIFIER_TWO_PASS && events)
		EXPECT_GT(now.interval.ends, area_before.interval.ends);
}

static bool paired(uint32_t id)
{
	struct test_mmu_notifier_counters now;

	return !mn_counters(dev, id, &now) && now.hlist.starts == now.hlist.ends;
}

/* Every start has got its end and the shadow has nothing that it should not. */
static void at_rest(uint32_t id)
{
	struct test_mmu_notifier_check check;

	EXPECT_TRUE(mn_until(paired(id)));
	ASSERT_EQ(0, mn_check(dev, id, &check));
	EXPECT_EQ(0, check.stale);
	EXPECT_EQ(0, check.stale_write);
}

/* The mirror far away was not called and is complete. */
static void far_alone(void)
{
	struct test_mmu_notifier_counters now;
	size_t i;

	ASSERT_EQ(0, mn_counters(dev, far_id, &now));
	EXPECT_EQ(far_before.hlist.hits, now.hlist.hits);
	EXPECT_EQ(far_before.interval.hits, now.interval.hits);
	for (i = 0; i < FAR; i++)
		EXPECT_EQ(0, mn_poke(dev, far_id, far + i * page_size, mark(i)));
}

/* Must be called before the device faults anew. */
static void settled(unsigned int events)
{
	told(events);
	at_rest(area_id);
	far_alone();
}

/* The same after an operation on the whole address space */
static void settled_everywhere(unsigned int events)
{
	told(events);
	at_rest(area_id);
	at_rest(far_id);
}

/*
 * Memory
 */

static char *map_file(size_t at, size_t pages, int prot, int flags, int fd)
{
	char *addr = area + at * page_size;

	ASSERT_EQ(addr, mmap(addr, pages * page_size, prot, flags | MAP_FIXED, fd, 0));
	return addr;
}

/* Private memory, at this page of the area */
static char *map_at(size_t at, size_t pages)
{
	char *addr = map_file(at, pages, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1);

	/* small pages, also where THP is on */
	madvise(addr, pages * page_size, MADV_NOHUGEPAGE);
	fill(addr, pages);
	return addr;
}

/* With entries of the device for all of it */
static char *map_used(size_t pages)
{
	char *addr = map_at(0, pages);

	device_uses(addr, pages);
	return addr;
}

static char *map_shared(int fd, size_t pages)
{
	char *addr;

	ASSERT_EQ(0, ftruncate(fd, pages * page_size));
	addr = map_file(0, pages, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	fill(addr, pages);
	device_uses(addr, pages);
	return addr;
}

static int tmpfs_file(void)
{
	int fd = memfd_create("mmu_notifier", MFD_CLOEXEC);

	ASSERT_LE(0, fd);
	return fd;
}

/* A file that only this process sees, gone when it is closed. */
static int disk_file(void)
{
	struct statfs fs;

	if (statfs(DISK, &fs) || fs.f_type != EXT4_SUPER_MAGIC)
		return -1;
	return open(DISK, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static uint64_t pagemap_of(char *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	ASSERT_LE(0, fd);
	entry = pagemap_get_entry(fd, addr);
	close(fd);
	return entry;
}

/* 0 if there is no page, or without the right to know */
static unsigned long pfn_of(char *addr)
{
	uint64_t entry = pagemap_of(addr);

	return entry & PM_PRESENT ? entry & ((1ULL << 55) - 1) : 0;
}

static size_t count_swapped(char *addr, size_t pages)
{
	size_t i, count = 0;

	for (i = 0; i < pages; i++)
		count += !!(pagemap_of(addr + i * page_size) & PM_SWAP);
	return count;
}

/* How many pages are not where they were */
static size_t count_moved(char *addr, size_t pages, const unsigned long *pfns)
{
	size_t i, count = 0;

	for (i = 0; i < pages; i++)
		count += pfn_of(addr + i * page_size) != pfns[i];
	return count;
}

static void note_pfns(char *addr, size_t pages, unsigned long *pfns)
{
	size_t i;

	for (i = 0; i < pages; i++)
		pfns[i] = pfn_of(addr + i * page_size);
}

static bool have_swap(void)
{
	FILE *file = fopen("/proc/swaps", "r");
	char line[256];
	int lines = 0;

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		lines++;
	fclose(file);
	return lines > 1;
}

/*
 * Set-up
 */

static void reserve_area(void)
{
	uintptr_t start;

	page_size = getpagesize();
	huge_size = read_pmd_pagesize();
	if (!huge_size)
		huge_size = 512 * page_size;
	huge_pages = huge_size / page_size;
	start = (uintptr_t)mmap(NULL, 3 * huge_size, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE((uintptr_t)MAP_FAILED, start);
	area = (char *)((start + huge_size - 1) / huge_size * huge_size);
}

static uint32_t mirror(char *addr, size_t length)
{
	int id = mn_mirror(dev, addr, length, how);

	ASSERT_LT(0, id);
	return id;
}

static void mirror_far(void)
{
	size_t i;

	far = mmap(NULL, FAR * page_size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, far);
	far_id = mirror(far, FAR * page_size);
	for (i = 0; i < FAR; i++)
		ASSERT_EQ(0, mn_write(dev, far_id, far + i * page_size, mark(i)));
}

static void set_up(struct __test_metadata *metadata, uint32_t subscriptions)
{
	cpu_set_t cpu;

	_metadata = metadata;
	how = subscriptions;
	dev = open(MN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, dev);
	/*
	 * New pages wait in a list of their CPU before reclaim and migration can
	 * have them. Both empty the list of the CPU that they run on.
	 */
	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu(), &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	/*
	 * NUMA balancing changes page tables at any time. Not all kernels have
	 * it.
	 */
	set("/proc/sys/kernel/numa_balancing", "0");
	reserve_area();
	area_id = mirror(area, 2 * huge_size);
	mirror_far();
}

FIXTURE(page_table)
{
};

FIXTURE_VARIANT(page_table)
{
	uint32_t how;
};

FIXTURE_VARIANT_ADD(page_table, hlist)
{
	.how = TEST_MMU_NOTIFIER_HLIST,
};

FIXTURE_VARIANT_ADD(page_table, interval)
{
	.how = TEST_MMU_NOTIFIER_INTERVAL,
};

FIXTURE_VARIANT_ADD(page_table, two_pass)
{
	.how = TEST_MMU_NOTIFIER_TWO_PASS,
};

FIXTURE_VARIANT_ADD(page_table, both)
{
	.how = TEST_MMU_NOTIFIER_HLIST | TEST_MMU_NOTIFIER_TWO_PASS,
};

FIXTURE_SETUP(page_table)
{
	set_up(_metadata, variant->how);
}

FIXTURE_TEARDOWN(page_table)
{
	restore_all();
	close(dev);
}

/* Before anything changes: the device has exactly what it asked for. */
TEST_F(page_table, read_then_write)
{
	char *addr = map_at(0, FEW);

	device_lost(addr, FEW);
	device_reads(addr, FEW);
	device_must_ask(addr, FEW);
	ASSERT_EQ(0, dev_write(addr, 'D'));
	EXPECT_EQ('D', *addr);
	*addr = 'P';
	EXPECT_EQ('P', dev_peek(addr));
	device_must_ask(addr + page_size, FEW - 1);
	settled(0);
}

/*
 * munmap() and mmap()
 */

static void unmap(size_t first, size_t count)
{
	char *addr = map_used(FEW);
	char *hole = addr + first * page_size;
	size_t behind = first + count;

	ASSERT_EQ(0, munmap(hole, count * page_size));
	device_lost(hole, count);
	device_kept(addr, first, 0);
	device_kept(addr + behind * page_size, FEW - behind, behind);
	settled(UNMAP);
	refused(hole, count);
	same(addr, first, 0);
	same(addr + behind * page_size, FEW - behind, behind);
}

TEST_F(page_table, munmap_whole)
{
	unmap(0, FEW);
}

TEST_F(page_table, munmap_head)
{
	unmap(0, 3);
}

TEST_F(page_table, munmap_middle)
{
	unmap(3, 1);
}

TEST_F(page_table, munmap_tail)
{
	unmap(5, 3);
}

/* One call, two mappings and a hole between them */
TEST_F(page_table, munmap_several)
{
	char *addr = map_used(FEW);

	ASSERT_EQ(0, munmap(addr + 2 * page_size, page_size));
	ASSERT_EQ(0, mprotect(addr + 4 * page_size, page_size, PROT_READ));
	watch();
	ASSERT_EQ(0, munmap(addr + page_size, 6 * page_size));
	device_lost(addr + page_size, 6);
	device_kept(addr, 1, 0);
	device_kept(addr + 7 * page_size, 1, 7);
	settled(UNMAP);
	refused(addr + page_size, 6);
}

TEST_F(page_table, mmap_over)
{
	char *addr = map_used(FEW);

	map_file(2, 3, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	device_lost(addr + 2 * page_size, 3);
	device_kept(addr, 2, 0);
	device_kept(addr + 5 * page_size, 3, 5);
	settled(UNMAP);
	zeroed(addr + 2 * page_size, 3);
	same(addr, 2, 0);
	same(addr + 5 * page_size, 3, 5);
}

/* The device was refused there before, and no longer is. */
TEST_F(page_table, mmap_into_hole)
{
	refused(area, FEW);
	same(map_used(FEW), FEW, 0);
	settled(0);
}

/*
 * mprotect()
 */

TEST_F(page_table, mprotect_read_only)
{
	char *addr = map_used(FEW);
	size_t i;

	ASSERT_EQ(0, mprotect(addr + 2 * page_size, 3 * page_size, PROT_READ));
	device_must_ask(addr + 2 * page_size, 3);
	device_kept(addr, 2, 0);
	device_kept(addr + 5 * page_size, 3, 5);
	settled(PROTECTION_VMA);
	for (i = 2; i < 5; i++)
		EXPECT_EQ(-EFAULT, dev_write(addr + i * page_size, 0xee));
	same(addr, FEW, 0);
}

TEST_F(page_table, mprotect_none)
{
	char *addr = map_used(FEW);

	ASSERT_EQ(0, mprotect(addr + 2 * page_size, 3 * page_size, PROT_NONE));
	device_lost(addr + 2 * page_size, 3);
	device_kept(addr, 2, 0);
	device_kept(addr + 5 * page_size, 3, 5);
	settled(PROTECTION_VMA);
	refused(addr + 2 * page_size, 3);
	ASSERT_EQ(0, mprotect(addr, FEW * page_size, PROT_READ));
	same(addr, FEW, 0);
}

/* More is allowed than before, and the device gets it. */
static void upgrade(int prot)
{
	char *addr = map_used(FEW);

	ASSERT_EQ(0, mprotect(addr, FEW * page_size, prot));
	if (prot == PROT_NONE)
		refused(addr, FEW);
	else
		device_reads(addr, FEW);
	watch();
	ASSERT_EQ(0, mprotect(addr, FEW * page_size, PROT_READ | PROT_WRITE));
	device_must_ask(addr, FEW);
	settled(PROTECTION_VMA);
	device_uses(addr, FEW);
	same(addr, FEW, 0);
}

TEST_F(page_table, mprotect_none_to_write)
{
	upgrade(PROT_NONE);
}

TEST_F(page_table, mprotect_read_to_write)
{
	upgrade(PROT_READ);
}

/*
 * A section that begins at address 0 has an end as all others have. Without it
 * the device waits forever for its next page.
 */
TEST_F(page_table, mprotect_address_0)
{
	char *zero = NULL;
	uint32_t id;

	if (set("/proc/sys/vm/mmap_min_addr", "0"))
		SKIP(return, "cannot set mmap_min_addr to 0");
	if (mmap(zero, 2 * page_size, PROT_READ | PROT_WRITE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != zero)
		SKIP(return, "cannot map address 0");
	id = mirror(zero, 2 * page_size);
	ASSERT_EQ(0, mn_write(dev, id, zero, 'D'));
	ASSERT_EQ(0, mn_write(dev, id, zero + page_size, 'D'));

	ASSERT_EQ(0, mprotect(zero, 2 * page_size, PROT_READ));
	EXPECT_NE(0, mn_poke(dev, id, zero, 'X'));
	EXPECT_NE(0, mn_poke(dev, id, zero + page_size, 'X'));
	at_rest(id);
	EXPECT_EQ('D', mn_read(dev, id, zero));
	EXPECT_EQ(-EFAULT, mn_write(dev, id, zero, 'X'));
	ASSERT_EQ(0, mprotect(zero, 2 * page_size, PROT_READ | PROT_WRITE));
	at_rest(id);
	EXPECT_EQ(0, mn_write(dev, id, zero, 'Y'));
	EXPECT_EQ(0, munmap(zero, 2 * page_size));
	at_rest(id);
	EXPECT_EQ(-EFAULT, mn_read(dev, id, zero));
}

/*
 * mremap()
 */

static char *move(char *from, size_t pages, size_t to, int flags)
{
	char *dest = area + to * page_size;

	ASSERT_EQ(dest, mremap(from, pages * page_size, pages * page_size,
			       MREMAP_MAYMOVE | MREMAP_FIXED | flags, dest));
	return dest;
}

TEST_F(page_table, mremap_move)
{
	char *addr = map_used(FEW);
	char *dest = move(addr, FEW, FEW, 0);

	device_lost(addr, 2 * FEW);
	settled(UNMAP);
	refused(addr, FEW);
	same(dest, FEW, 0);
}

TEST_F(page_table, mremap_part)
{
	char *addr = map_used(FEW);
	char *dest = move(addr + 2 * page_size, 3, FEW, 0);

	device_lost(addr + 2 * page_size, 3);
	device_kept(addr, 2, 0);
	device_kept(addr + 5 * page_size, 3, 5);
	settled(UNMAP);
	refused(addr + 2 * page_size, 3);
	same(dest, 3, 2);
}

TEST_F(page_table, mremap_over)
{
	char *addr = map_used(FEW);
	char *dest = map_at(FEW, FEW);

	memset(dest, 'X', FEW * page_size);
	ASSERT_EQ('X', dev_read(dest));
	ASSERT_EQ(0, dev_write(dest + page_size, 'X'));
	ASSERT_EQ(dest, move(addr, FEW, FEW, 0));
	device_lost(addr, 2 * FEW);
	settled(UNMAP);
	refused(addr, FEW);
	same(dest, FEW, 0);
}

TEST_F(page_table, mremap_grow_in_place)
{
	char *addr = map_used(FEW);

	ASSERT_EQ(0, munmap(addr + FEW * page_size, FEW * page_size));
	watch();
	ASSERT_EQ(addr, mremap(addr, FEW * page_size, 2 * FEW * page_size, 0));
	device_kept(addr, FEW, 0);
	settled(0);
	same(addr, FEW, 0);
	zeroed(addr + FEW * page_size, FEW);
}

/* There is something behind it, so it moves out of the mirror. */
TEST_F(page_table, mremap_grow_moves)
{
	char *addr = map_used(FEW);
	char *dest = mremap(addr, FEW * page_size, 2 * FEW * page_size, MREMAP_MAYMOVE);

	ASSERT_NE(MAP_FAILED, dest);
	ASSERT_NE(addr, dest);
	device_lost(addr, FEW);
	settled(UNMAP);
	refused(addr, FEW);
	same(move(dest, 2 * FEW, 2 * FEW, 0), FEW, 0);
}

TEST_F(page_table, mremap_shrink)
{
	char *addr = map_used(FEW);

	ASSERT_EQ(addr, mremap(addr, FEW * page_size, 3 * page_size, 0));
	device_lost(addr + 3 * page_size, 5);
	device_kept(addr, 3, 0);
	settled(UNMAP);
	refused(addr + 3 * page_size, 5);
	same(addr, 3, 0);
}

TEST_F(page_table, mremap_dontunmap)
{
	char *addr = map_used(FEW);
	char *dest = move(addr, FEW, FEW, MREMAP_DONTUNMAP);

	device_lost(addr, 2 * FEW);
	settled(UNMAP);
	zeroed(addr, FEW);
	same(dest, FEW, 0);
}

/*
 * madvise()
 */

TEST_F(page_table, madvise_dontneed)
{
	char *addr = map_used(FEW);

	ASSERT_EQ(0, madvise(addr + 2 * page_size, 3 * page_size, MADV_DONTNEED));
	device_lost(addr + 2 * page_size, 3);
	device_kept(addr, 2, 0);
	device_kept(addr + 5 * page_size, 3, 5);
	settled(CLEAR);
	zeroed(addr + 2 * page_size, 3);
	same(addr, 2, 0);
}

/*
 * The pages are there until reclaim takes them, unless somebody writes to them
 * before. A write by the device has to count, so it has to fault.
 */
TEST_F(page_table, madvise_free)
{
	char *addr = map_used(FEW);
	size_t i;

	ASSERT_EQ(0, madvise(addr, FEW * page_size, MADV_FREE));
	device_must_ask(addr, FEW);
	settled(CLEAR);
	ASSERT_EQ(0, dev_write(addr + page_size, 'D'));
	ASSERT_EQ(0, madvise(addr, FEW * page_size, MADV_PAGEOUT));
	at_rest(area_id);
	EXPECT_EQ('D', dev_read(addr + page_size));
	EXPECT_EQ('D', addr[page_size]);
	for (i = 2; i < FEW; i++)
		EXPECT_EQ((unsigned char)addr[i * page_size],
			  dev_read(addr + i * page_size));
}

/* Only the age of pages changes. */
TEST_F(page_table, madvise_cold)
{
	char *addr = map_used(FEW);

	ASSERT_EQ(0, madvise(addr, FEW * page_size, MADV_COLD));
	device_kept(addr, FEW, 0);
	settled(0);
	same(addr, FEW, 0);
}

/*
 * Make reclaim take the pages. They are then gone, or only in the page cache.
 */
static void page_out(char *addr, size_t pages)
{
	ASSERT_EQ(0, madvise(addr, pages * page_size, MADV_PAGEOUT));
	device_lost(addr, pages);
}

/* The last write by the device is in the page that goes to swap. */
TEST_F(page_table, swap_private)
{
	char *addr;

	if (!have_swap())
		SKIP(return, "no swap");
	addr = map_used(FEW);
	ASSERT_EQ(0, dev_poke(addr + 2, 'L'));
	page_out(addr, FEW);
	ASSERT_EQ(FEW, count_swapped(addr, FEW));
	settled(CLEAR);
	same(addr, FEW, 0);
	EXPECT_EQ('L', addr[2]);
	EXPECT_EQ(0, count_swapped(addr, FEW));

	/* once more, and this time the device swaps in by writing */
	device_uses(addr, FEW);
	page_out(addr, FEW);
	ASSERT_EQ(FEW, count_swapped(addr, FEW));
	ASSERT_EQ(0, dev_write(addr + 3, 'M'));
	same(addr, FEW, 0);
	EXPECT_EQ('M', addr[3]);
	at_rest(area_id);
}

TEST_F(page_table, swap_shared)
{
	char *addr;
	int fd;

	if (!have_swap())
		SKIP(return, "no swap");
	fd = tmpfs_file();
	addr = map_shared(fd, FEW);
	page_out(addr, FEW);
	settled(CLEAR);
	same(addr, FEW, 0);
	close(fd);
}

/*
 * fork() and copy on write
 */

struct order {
	char *addr;
	bool write;
	unsigned char byte;
};

static pid_t kid;
static int to_kid[2], from_kid[2];

static void obey(void)
{
	struct order order;

	close(to_kid[1]);
	while (read(to_kid[0], &order, sizeof(order)) == sizeof(order)) {
		if (order.write)
			*order.addr = order.byte;
		order.byte = *order.addr;
		if (write(from_kid[1], &order.byte, 1) != 1)
			break;
	}
	_exit(0);
}

/* A child that reads and writes its memory on demand, until kid_stops() */
static void kid_starts(void)
{
	ASSERT_EQ(0, pipe(to_kid));
	ASSERT_EQ(0, pipe(from_kid));
	kid = fork();
	ASSERT_LE(0, kid);
	if (!kid)
		obey();
	close(to_kid[0]);
	close(from_kid[1]);
}

static void kid_stops(void)
{
	close(to_kid[1]);
	ASSERT_EQ(kid, waitpid(kid, NULL, 0));
}

static int kid_obeys(struct order order)
{
	unsigned char byte;

	if (write(to_kid[1], &order, sizeof(order)) != sizeof(order))
		return -1;
	return read(from_kid[0], &byte, 1) == 1 ? byte : -1;
}

static int kid_reads(char *addr)
{
	return kid_obeys((struct order){ .addr = addr });
}

static void kid_writes(char *addr, unsigned char byte)
{
	ASSERT_EQ(byte, kid_obeys((struct order){ addr, true, byte }));
}

/* Five pages @step apart, one for each order in which the two can write */
static void fork_and_write(char *addr, size_t step)
{
	char *b = addr + step, *c = b + step, *d = c + step, *e = d + step;

	ASSERT_EQ(0, dev_write(addr, 'D'));
	EXPECT_NE('D', kid_reads(addr));
	kid_writes(addr, 'K');
	EXPECT_EQ('D', dev_read(addr));

	kid_writes(b, 'K');
	EXPECT_NE('K', dev_read(b));
	ASSERT_EQ(0, dev_write(b, 'D'));
	EXPECT_EQ('K', kid_reads(b));

	/* the device has the page that both processes have */
	EXPECT_EQ(kid_reads(c), dev_read(c));
	kid_writes(c, 'K');
	EXPECT_NE('K', dev_read(c));
	EXPECT_EQ(kid_reads(d), dev_read(d));
	*d = 'P';
	EXPECT_EQ('P', dev_read(d));
	EXPECT_NE('P', kid_reads(d));
	ASSERT_EQ(0, dev_write(d, 'D'));
	EXPECT_NE('D', kid_reads(d));

	/* the process is alone with the page, when it writes */
	EXPECT_EQ(kid_reads(e), dev_read(e));
	kid_stops();
	*e = 'P';
	EXPECT_EQ('P', dev_read(e));
	ASSERT_EQ(0, dev_write(e, 'D'));
	EXPECT_EQ('D', *e);
	at_rest(area_id);
	at_rest(far_id);
}

TEST_F(page_table, fork_private)
{
	char *addr = map_used(FEW);

	kid_starts();
	device_must_ask(addr, FEW);
	settled_everywhere(PROTECTION_PAGE);
	fork_and_write(addr, page_size);
}

/*
 * Here both continue to share, nothing becomes read-only, and all are called.
 */
TEST_F(page_table, fork_shared)
{
	int fd = tmpfs_file();
	char *addr = map_shared(fd, FEW);

	kid_starts();
	device_kept(addr, FEW, 0);
	told(0);
	ASSERT_EQ(0, dev_poke(addr, 'D'));
	EXPECT_EQ('D', kid_reads(addr));
	kid_writes(addr, 'K');
	EXPECT_EQ('K', dev_peek(addr));
	kid_stops();
	close(fd);
	at_rest(area_id);
}

/* A page of the file, which others see, is replaced by one of the process. */
TEST_F(page_table, cow_file)
{
	int fd = tmpfs_file();
	char *addr = map_shared(fd, FEW);
	unsigned char byte;

	ASSERT_EQ(addr, map_file(0, FEW, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd));
	device_reads(addr, FEW);
	*addr = 'P';
	device_lost(addr, 1);
	settled(CLEAR);
	EXPECT_EQ('P', dev_read(addr));

	ASSERT_EQ(0, dev_write(addr + page_size, 'D'));
	EXPECT_EQ('D', addr[page_size]);
	at_rest(area_id);
	ASSERT_EQ(1, pread(fd, &byte, 1, 0));
	EXPECT_EQ(mark(0), byte);
	ASSERT_EQ(1, pread(fd, &byte, 1, page_size));
	EXPECT_EQ(mark(1), byte);
	close(fd);
}

TEST_F(page_table, cow_zero_page)
{
	char *addr = map_file(0, FEW, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1);

	ASSERT_EQ(0, madvise(addr, FEW * page_size, MADV_NOHUGEPAGE));
	zeroed(addr, FEW);
	device_must_ask(addr, FEW);
	watch();
	*addr = 'P';
	device_lost(addr, 1);
	settled(CLEAR);
	EXPECT_EQ('P', dev_read(addr));
	ASSERT_EQ(0, dev_write(addr + page_size, 'D'));
	EXPECT_EQ('D', addr[page_size]);
	zeroed(addr + 2 * page_size, FEW - 2);
	at_rest(area_id);
}

/*
 * KSM
 */

/* Two pages with the same content, both writable for the device, become one. */
static char *merge(void)
{
	char *addr = map_at(0, 2), *other = addr + page_size;

	memset(addr, 'K', 2 * page_size);
	ASSERT_EQ(0, dev_write(addr + 1, 'D'));
	ASSERT_EQ(0, dev_write(other + 1, 'D'));
	watch();
	ASSERT_EQ(0, madvise(addr, 2 * page_size, MADV_MERGEABLE));
	ASSERT_EQ(0, set(KSM "sleep_millisecs", "0"));
	ASSERT_EQ(0, set(KSM "pages_to_scan", "1000"));
	ASSERT_EQ(0, set(KSM "run", "1"));
	ASSERT_TRUE(mn_until(pfn_of(addr) && pfn_of(addr) == pfn_of(other)));
	ASSERT_EQ(0, write_text(KSM "run", "0"));
	return addr;
}

TEST_F(page_table, ksm_merge)
{
	char *addr, *other;

	if (access(KSM "run", W_OK))
		SKIP(return, "no KSM or no right to run it");
	addr = merge();
	other = addr + page_size;
	device_must_ask(addr, 2);
	settled(CLEAR);
	EXPECT_EQ('K', dev_read(addr));
	EXPECT_EQ('K', dev_read(other));
	EXPECT_EQ(pfn_of(addr), pfn_of(other));
	ASSERT_EQ(0, dev_write(addr, 'X'));
	EXPECT_EQ('X', *addr);
	EXPECT_EQ('K', dev_read(other));
	EXPECT_EQ('K', *other);
	at_rest(area_id);
}

TEST_F(page_table, ksm_unmerge)
{
	char *addr, *other;

	if (access(KSM "run", W_OK))
		SKIP(return, "no KSM or no right to run it");
	addr = merge();
	other = addr + page_size;
	ASSERT_EQ('K', dev_read(addr));
	ASSERT_EQ('K', dev_read(other));
	watch();
	ASSERT_EQ(0, madvise(addr, 2 * page_size, MADV_UNMERGEABLE));
	ASSERT_NE(pfn_of(addr), pfn_of(other));
	settled(CLEAR);
	ASSERT_EQ(0, dev_write(addr, 'X'));
	ASSERT_EQ(0, dev_write(other, 'Y'));
	EXPECT_EQ('X', *addr);
	EXPECT_EQ('Y', *other);
	at_rest(area_id);
}

/* Huge pages that the kernel makes on its own */

/* A huge page, of which the device has each small one. NULL if there is none. */
static char *map_huge(void)
{
	if (set(THP "enabled", "madvise"))
		return NULL;
	map_file(0, huge_pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (madvise(area, huge_size, MADV_HUGEPAGE))
		return NULL;
	fill(area, huge_pages);
	if (!check_huge_anon(area, 1, huge_size))
		return NULL;
	device_uses(area, huge_pages);
	return area;
}

#define NO_THP	"no huge page to be had"

/* The part of a huge page that the tests below change */
#define PART	(3 * page_size)
#define REST	(PART + FEW * page_size)

TEST_F(page_table, huge_munmap_part)
{
	char *addr = map_huge();

	if (!addr)
		SKIP(return, NO_THP);
	ASSERT_EQ(0, munmap(addr + PART, FEW * page_size));
	device_lost(addr + PART, FEW);
	settled(UNMAP | CLEAR);
	refused(addr + PART, FEW);
	same(addr, 3, 0);
	same(addr + REST, huge_pages - 3 - FEW, 3 + FEW);
	at_rest(area_id);
}

TEST_F(page_table, huge_munmap)
{
	char *addr = map_huge();

	if (!addr)
		SKIP(return, NO_THP);
	ASSERT_EQ(0, munmap(addr, huge_size));
	device_lost(addr, huge_pages);
	settled(UNMAP);
	refused(addr, FEW);
}

TEST_F(page_table, huge_mprotect_part)
{
	char *addr = map_huge();

	if (!addr)
		SKIP(return, NO_THP);
	ASSERT_EQ(0, mprotect(addr + PART, FEW * page_size, PROT_READ));
	device_must_ask(addr + PART, FEW);
	settled(PROTECTION_VMA | CLEAR);
	EXPECT_EQ(-EFAULT, dev_write(addr + PART, 0xee));
	EXPECT_EQ(-EFAULT, dev_write(addr + REST - 1, 0xee));
	ASSERT_EQ(0, dev_write(addr + PART - 1, 'D'));
	ASSERT_EQ(0, dev_write(addr + REST + 2, 'D'));
	same(addr, huge_pages, 0);
	at_rest(area_id);
}

TEST_F(page_table, huge_mprotect)
{
	char *addr = map_huge();

	if (!addr)
		SKIP(return, NO_THP);
	ASSERT_EQ(0, mprotect(addr, huge_size, PROT_READ));
	device_must_ask(addr, huge_pages);
	settled(PROTECTION_VMA);
	EXPECT_EQ(-EFAULT, dev_write(addr, 0xee));
	same(addr, huge_pages, 0);
	at_rest(area_id);
}

TEST_F(page_table, huge_dontneed_part)
{
	char *addr = map_huge();

	if (!addr)
		SKIP(return, NO_THP);
	ASSERT_EQ(0, madvise(addr + PART, FEW * page_size, MADV_DONTNEED));
	device_lost(addr + PART, FEW);
	settled(CLEAR);
	zeroed(addr + PART, FEW);
	same(addr, 3, 0);
	same(addr + REST, huge_pages - 3 - FEW, 3 + FEW);
	at_rest(area_id);
}

TEST_F(page_table, huge_split)
{
	char *addr = map_huge();
	char order[64];

	if (!addr)
		SKIP(return, NO_THP);
	snprintf(order, sizeof(order), "%d,0x%lx,0x%lx", getpid(), (long)addr,
		 (long)(addr + huge_size));
	if (write_text(SPLIT_HUGE_PAGES, order))
		SKIP(return, SPLIT_HUGE_PAGES " cannot be written");
	ASSERT_TRUE(check_huge_anon(addr, 0, huge_size));
	device_lost(addr, huge_pages);
	settled(CLEAR);
	same(addr, huge_pages, 0);
	at_rest(area_id);
}

TEST_F(page_table, huge_mremap)
{
	char *addr = map_huge(), *dest;

	if (!addr)
		SKIP(return, NO_THP);
	dest = move(addr, huge_pages, huge_pages, 0);
	device_lost(addr, 2 * huge_pages);
	settled(UNMAP);
	refused(addr, FEW);
	same(dest, huge_pages, 0);
	at_rest(area_id);
}

TEST_F(page_table, huge_fork)
{
	char *addr = map_huge();

	if (!addr)
		SKIP(return, NO_THP);
	kid_starts();
	device_must_ask(addr, huge_pages);
	settled_everywhere(PROTECTION_PAGE);
	fork_and_write(addr, page_size);
}

TEST_F(page_table, huge_swap)
{
	char *addr;

	if (!have_swap())
		SKIP(return, "no swap");
	addr = map_huge();
	if (!addr)
		SKIP(return, NO_THP);
	page_out(addr, huge_pages);
	ASSERT_LT(0, count_swapped(addr, huge_pages));
	settled(CLEAR);
	same(addr, huge_pages, 0);
	at_rest(area_id);
}

/* The huge page of zeros, which all share */
TEST_F(page_table, huge_zero_page)
{
	if (set(THP "enabled", "madvise") || set(THP "use_zero_page", "1"))
		SKIP(return, NO_THP);
	map_file(0, huge_pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	ASSERT_EQ(0, madvise(area, huge_size, MADV_HUGEPAGE));
	zeroed(area, huge_pages);
	device_must_ask(area, huge_pages);
	watch();
	*(area + page_size) = 'P';
	device_lost(area + page_size, 1);
	settled(CLEAR);
	EXPECT_EQ('P', dev_read(area + page_size));
	ASSERT_EQ(0, dev_write(area + 2 * page_size, 'D'));
	EXPECT_EQ('D', *(area + 2 * page_size));
	zeroed(area + 3 * page_size, huge_pages - 3);
	at_rest(area_id);
}

/* Vice versa: small pages become a huge one. */
TEST_F(page_table, collapse_private)
{
	char *addr = map_used(huge_pages);

	if (set(THP "enabled", "madvise"))
		SKIP(return, NO_THP);
	ASSERT_EQ(0, madvise(addr, huge_size, MADV_HUGEPAGE));
	watch();
	if (madvise(addr, huge_size, MADV_COLLAPSE))
		SKIP(return, "MADV_COLLAPSE: %s", strerror(errno));
	ASSERT_TRUE(check_huge_anon(addr, 1, huge_size));
	device_lost(addr, huge_pages);
	settled(CLEAR);
	same(addr, huge_pages, 0);
	at_rest(area_id);
}

TEST_F(page_table, collapse_shared)
{
	int fd = tmpfs_file();
	char *addr = map_shared(fd, huge_pages);

	if (madvise(addr, huge_size, MADV_COLLAPSE))
		SKIP(return, "MADV_COLLAPSE: %s", strerror(errno));
	ASSERT_TRUE(check_huge_shmem(addr, 1, huge_size));
	device_lost(addr, huge_pages);
	settled(CLEAR);
	same(addr, huge_pages, 0);
	at_rest(area_id);
	close(fd);
}

/*
 * Migration
 */

/* On which node the page is, or a negative errno */
static int node_of(char *addr)
{
	void *page = addr;
	int status = -ENOENT;

	if (syscall(SYS_move_pages, 0, 1, &page, NULL, &status, 0))
		return -errno;
	return status;
}

static bool have_two_nodes(void)
{
	return !access("/sys/devices/system/node/node1", F_OK);
}

static void move_to_node(char *addr, int node)
{
	void *page = addr;
	int status = -ENOENT;

	ASSERT_EQ(0, syscall(SYS_move_pages, 0, 1, &page, &node, &status, MPOL_MF_MOVE));
	ASSERT_EQ(node, status);
}

#define NO_NODES	"only one NUMA node"

TEST_F(page_table, move_pages)
{
	char *addr;
	size_t i;

	if (!have_two_nodes())
		SKIP(return, NO_NODES);
	addr = map_used(FEW);
	for (i = 2; i < 5; i++)
		move_to_node(addr + i * page_size, !node_of(addr + i * page_size));
	device_lost(addr + 2 * page_size, 3);
	device_kept(addr, 2, 0);
	device_kept(addr + 5 * page_size, 3, 5);
	settled(CLEAR);
	same(addr, FEW, 0);
}

TEST_F(page_table, huge_move_pages)
{
	char *addr;

	if (!have_two_nodes())
		SKIP(return, NO_NODES);
	addr = map_huge();
	if (!addr)
		SKIP(return, NO_THP);
	move_to_node(addr, !node_of(addr));
	device_lost(addr, huge_pages);
	settled(CLEAR);
	same(addr, huge_pages, 0);
	at_rest(area_id);
}

static long bind_to(char *addr, size_t length, int node)
{
	unsigned long nodes = 1UL << node;

	return syscall(SYS_mbind, addr, length, MPOL_BIND, &nodes, 8 * sizeof(nodes),
		       MPOL_MF_MOVE | MPOL_MF_STRICT);
}

TEST_F(page_table, mbind)
{
	char *addr;
	size_t i;
	int node;

	if (!have_two_nodes())
		SKIP(return, NO_NODES);
	addr = map_used(FEW);
	for (node = 0; node < 2; node++) {
		ASSERT_EQ(0, bind_to(addr, FEW * page_size, node));
		for (i = 0; i < FEW; i++)
			ASSERT_EQ(node, node_of(addr + i * page_size));
	}
	device_lost(addr, FEW);
	settled(CLEAR);
	same(addr, FEW, 0);
}

/*
 * The page that is lowest in physical memory; NULL without the right to know.
 */
static size_t lowest(const unsigned long *pfns, size_t pages)
{
	size_t i, best = pages;

	for (i = 0; i < pages; i++)
		if (pfns[i] && (best == pages || pfns[i] < pfns[best]))
			best = i;
	return best;
}

/*
 * Compaction moves pages up, to where some are free among others. So of many
 * pages the area gets the lowest, and every other of the rest is freed.
 */
static char *map_lowest(size_t many)
{
	unsigned long *pfns = calloc(many, sizeof(*pfns));
	char *pool = mmap(NULL, many * page_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i, at;

	ASSERT_NE(NULL, pfns);
	ASSERT_NE(MAP_FAILED, pool);
	madvise(pool, many * page_size, MADV_NOHUGEPAGE);
	fill(pool, many);
	note_pfns(pool, many, pfns);
	for (i = 0; i < FEW; i++) {
		at = lowest(pfns, many);
		if (at == many)
			return NULL;
		move(pool + at * page_size, 1, i, 0);
		pfns[at] = 0;
	}
	for (i = 0; i < many; i += 2)
		madvise(pool + i * page_size, page_size, MADV_DONTNEED);
	free(pfns);
	fill(area, FEW);
	device_uses(area, FEW);
	return area;
}

TEST_F(page_table, compaction)
{
	unsigned long before[FEW];
	char *addr;
	size_t i;

	/* A freed page is free at once, not kept in reserve for a CPU. */
	set("/proc/sys/vm/percpu_pagelist_high_fraction", "1000000");
	addr = map_lowest(4096);
	if (!addr)
		SKIP(return, "no right to know where pages are");
	note_pfns(addr, FEW, before);
	if (write_text("/proc/sys/vm/compact_memory", "1"))
		SKIP(return, "cannot write to compact_memory");
	if (!count_moved(addr, FEW, before))
		SKIP(return, "compaction has moved nothing");
	for (i = 0; i < FEW; i++)
		if (pfn_of(addr + i * page_size) != before[i])
			device_lost(addr + i * page_size, 1);
	settled_everywhere(CLEAR);
	same(addr, FEW, 0);
}

/* As for a page with many correctable errors */
TEST_F(page_table, soft_offline)
{
	char *addr = map_used(FEW);
	unsigned long pfn = pfn_of(addr + page_size);
	char text[32];

	if (madvise(addr + page_size, page_size, MADV_SOFT_OFFLINE))
		SKIP(return, "MADV_SOFT_OFFLINE: %s", strerror(errno));
	EXPECT_NE(pfn, pfn_of(addr + page_size));
	device_lost(addr + page_size, 1);
	device_kept(addr, 1, 0);
	device_kept(addr + 2 * page_size, FEW - 2, 2);
	settled(CLEAR);
	same(addr, FEW, 0);
	snprintf(text, sizeof(text), "%lu", pfn);
	write_text("/sys/kernel/debug/hwpoison/unpoison-pfn", text);
}

static void survive(int signal)
{
}

/*
 * As for a page with an error that cannot be corrected: it must not be read
 * again.
 */
TEST_F(page_table, hwpoison)
{
	struct sigaction action = { .sa_handler = survive };
	char *addr = map_used(FEW);
	unsigned long pfn = pfn_of(addr + page_size);
	char text[32];

	ASSERT_EQ(0, sigaction(SIGBUS, &action, NULL));
	if (madvise(addr + page_size, page_size, MADV_HWPOISON))
		SKIP(return, "MADV_HWPOISON: %s", strerror(errno));
	device_lost(addr + page_size, 1);
	device_kept(addr, 1, 0);
	device_kept(addr + 2 * page_size, FEW - 2, 2);
	settled(CLEAR);
	refused(addr + page_size, 1);
	same(addr, 1, 0);
	same(addr + 2 * page_size, FEW - 2, 2);
	snprintf(text, sizeof(text), "%lu", pfn);
	write_text("/sys/kernel/debug/hwpoison/unpoison-pfn", text);
}

/*
 * Find a block of memory that can be taken offline, and bring it back as one
 * for movable pages alone, from which the next page of a process then comes.
 * What the kernel allocated at boot is at the ends of memory and of each node, so
 * this begins in the middle, and goes on into the next node. Returns a negative
 * errno if there is none.
 */
static int movable_block(char *path, size_t length)
{
	unsigned long size, middle, i;
	char text[64];
	int err;

	err = read_text(MEMORY_BLOCKS "block_size_bytes", text, sizeof(text));
	if (err)
		return err;
	size = strtoul(text, NULL, 16) / page_size;
	middle = (sysconf(_SC_PHYS_PAGES) + size - 1) / size / 2;
	for (i = middle; i < middle + 6; i++) {
		snprintf(path, length, MEMORY_BLOCKS "memory%lu/state", i);
		err = set(path, "offline");
		if (!err)
			return write_text(path, "online_movable");
	}
	return err;
}

TEST_F(page_table, memory_offline)
{
	unsigned long before[FEW];
	char path[96];
	char *addr;
	int err;

	err = movable_block(path, sizeof(path));
	if (err)
		SKIP(return, "no memory can be taken offline: %s", strerror(-err));
	addr = map_at(0, FEW);
	/* if there are two, the middle is where the second one begins */
	if (have_two_nodes())
		ASSERT_EQ(0, bind_to(addr, FEW * page_size, 1));
	device_uses(addr, FEW);
	note_pfns(addr, FEW, before);
	ASSERT_EQ(0, write_text(path, "offline"));
	if (count_moved(addr, FEW, before) != FEW)
		SKIP(return, "the pages were elsewhere");
	device_lost(addr, FEW);
	settled(CLEAR);
	same(addr, FEW, 0);
}

/*
 * Files
 */

static void shrink_file(int fd)
{
	char *addr = map_shared(fd, FEW);

	ASSERT_EQ(0, ftruncate(fd, 3 * page_size));
	device_lost(addr + 3 * page_size, 5);
	device_kept(addr, 3, 0);
	settled(CLEAR);
	refused(addr + 3 * page_size, 5);
	ASSERT_EQ(0, ftruncate(fd, FEW * page_size));
	zeroed(addr + 3 * page_size, 5);
	same(addr, 3, 0);
	at_rest(area_id);
	close(fd);
}

static void punch_file(int fd)
{
	char *addr = map_shared(fd, FEW);

	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       2 * page_size, 3 * page_size));
	device_lost(addr + 2 * page_size, 3);
	device_kept(addr, 2, 0);
	device_kept(addr + 5 * page_size, 3, 5);
	settled(CLEAR);
	zeroed(addr + 2 * page_size, 3);
	same(addr, 2, 0);
	same(addr + 5 * page_size, 3, 5);
	at_rest(area_id);
	close(fd);
}

#define NO_DISK	"no ext4 at " DISK

TEST_F(page_table, tmpfs_truncate)
{
	shrink_file(tmpfs_file());
}

TEST_F(page_table, tmpfs_punch_hole)
{
	punch_file(tmpfs_file());
}

TEST_F(page_table, disk_truncate)
{
	int fd = disk_file();

	if (fd < 0)
		SKIP(return, NO_DISK);
	shrink_file(fd);
}

TEST_F(page_table, disk_punch_hole)
{
	int fd = disk_file();

	if (fd < 0)
		SKIP(return, NO_DISK);
	punch_file(fd);
}

TEST_F(page_table, madvise_remove)
{
	int fd = tmpfs_file();
	char *addr = map_shared(fd, FEW);

	ASSERT_EQ(0, madvise(addr + 2 * page_size, 3 * page_size, MADV_REMOVE));
	device_lost(addr + 2 * page_size, 3);
	device_kept(addr, 2, 0);
	device_kept(addr + 5 * page_size, 3, 5);
	settled(CLEAR);
	zeroed(addr + 2 * page_size, 3);
	same(addr, 2, 0);
	close(fd);
}

/* Other users of the file see what the device writes, and the reverse. */
TEST_F(page_table, shared_with_file)
{
	int fd = tmpfs_file();
	char *addr = map_shared(fd, FEW);
	unsigned char byte = 'F';

	ASSERT_EQ(0, dev_poke(addr, 'D'));
	ASSERT_EQ(1, pwrite(fd, &byte, 1, page_size));
	EXPECT_EQ('F', dev_peek(addr + page_size));
	ASSERT_EQ(1, pread(fd, &byte, 1, 0));
	EXPECT_EQ('D', byte);
	settled(0);
	close(fd);
}

/* What is on the disk, not in memory. Of memory that is dirty nothing is. */
static int read_disk(int fd, size_t at)
{
	char path[32];
	void *buffer;
	int byte = -1, direct;

	ASSERT_EQ(0, posix_memalign(&buffer, page_size, page_size));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	ASSERT_LE(0, direct);
	if (pread(direct, buffer, page_size, at) == (ssize_t)page_size)
		byte = *(unsigned char *)buffer;
	close(direct);
	free(buffer);
	return byte;
}

/*
 * Writeback makes a page read-only, so that the next write is noticed. If the
 * device could still write then, its data would never reach the disk.
 */
TEST_F(page_table, disk_writeback)
{
	int fd = disk_file();
	char *addr;

	if (fd < 0)
		SKIP(return, NO_DISK);
	addr = map_shared(fd, FEW);
	ASSERT_EQ(0, dev_poke(addr, 'D'));
	ASSERT_EQ(0, fdatasync(fd));
	device_must_ask(addr, FEW);
	settled(PROTECTION_PAGE);
	EXPECT_EQ('D', read_disk(fd, 0));

	ASSERT_EQ(0, dev_write(addr, 'E'));
	ASSERT_EQ(0, msync(addr, FEW * page_size, MS_SYNC));
	device_must_ask(addr, FEW);
	EXPECT_EQ('E', read_disk(fd, 0));
	EXPECT_EQ('E', dev_read(addr));
	EXPECT_EQ(0, dev_write(addr, 'F'));
	at_rest(area_id);
	close(fd);
}

/* What the device wrote comes back from the disk. */
TEST_F(page_table, disk_reclaim)
{
	int fd = disk_file();
	char *addr;

	if (fd < 0)
		SKIP(return, NO_DISK);
	addr = map_shared(fd, FEW);
	ASSERT_EQ(0, fdatasync(fd));
	reads_same(addr, FEW, 0);
	watch();
	page_out(addr, FEW);
	settled(CLEAR);
	same(addr, FEW, 0);
	at_rest(area_id);
	close(fd);
}

/* Neither process nor device can write to a file that is open for reading. */
TEST_F(page_table, file_read_only)
{
	int fd = tmpfs_file(), ro;
	char path[32];
	char *addr;

	map_shared(fd, FEW);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, ro);
	addr = map_file(0, FEW, PROT_READ, MAP_SHARED, ro);
	same(addr, FEW, 0);
	EXPECT_EQ(-EFAULT, dev_write(addr, 'D'));
	device_must_ask(addr, FEW);

	/* a private copy may be written, but is not the file */
	addr = map_file(0, FEW, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro);
	ASSERT_EQ(0, dev_write(addr, 'D'));
	EXPECT_EQ('D', *addr);
	addr = map_file(0, FEW, PROT_READ, MAP_SHARED, ro);
	same(addr, FEW, 0);
	at_rest(area_id);
	close(ro);
	close(fd);
}

/*
 * hugetlbfs
 */

#define NO_HUGETLB	"no pages for hugetlbfs"

/* Some huge pages are in reserve for copies. */
static bool have_hugetlb(void)
{
	if (default_huge_page_size() != huge_size)
		return false;
	if (get_free_hugepages() < 3 && set("/proc/sys/vm/nr_hugepages", "4"))
		return false;
	return get_free_hugepages() >= 3;
}

static char *map_hugetlb(int flags, int fd)
{
	char *addr = map_file(0, huge_pages, PROT_READ | PROT_WRITE,
			      flags | MAP_HUGETLB, fd);

	fill(addr, huge_pages);
	device_uses(addr, huge_pages);
	return addr;
}

TEST_F(page_table, hugetlb_munmap)
{
	char *addr;

	if (!have_hugetlb())
		SKIP(return, NO_HUGETLB);
	addr = map_hugetlb(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	ASSERT_EQ(0, munmap(addr, huge_size));
	device_lost(addr, huge_pages);
	settled(UNMAP);
	refused(addr, FEW);
}

TEST_F(page_table, hugetlb_mprotect)
{
	char *addr;

	if (!have_hugetlb())
		SKIP(return, NO_HUGETLB);
	addr = map_hugetlb(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	ASSERT_EQ(0, mprotect(addr, huge_size, PROT_READ));
	device_must_ask(addr, huge_pages);
	settled(PROTECTION_VMA);
	EXPECT_EQ(-EFAULT, dev_write(addr, 'D'));
	same(addr, huge_pages, 0);
	ASSERT_EQ(0, mprotect(addr, huge_size, PROT_READ | PROT_WRITE));
	device_uses(addr, huge_pages);
	at_rest(area_id);
}

TEST_F(page_table, hugetlb_mremap)
{
	char *addr, *dest;

	if (!have_hugetlb())
		SKIP(return, NO_HUGETLB);
	addr = map_hugetlb(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	dest = move(addr, huge_pages, huge_pages, 0);
	device_lost(addr, huge_pages);
	settled(UNMAP | CLEAR);
	refused(addr, FEW);
	same(dest, huge_pages, 0);
	at_rest(area_id);
}

TEST_F(page_table, hugetlb_punch_hole)
{
	char *addr;
	int fd;

	if (!have_hugetlb())
		SKIP(return, NO_HUGETLB);
	fd = memfd_create("mmu_notifier", MFD_CLOEXEC | MFD_HUGETLB);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, huge_size));
	addr = map_hugetlb(MAP_SHARED, fd);
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			       huge_size));
	device_lost(addr, huge_pages);
	settled(CLEAR);
	zeroed(addr, FEW);
	at_rest(area_id);
	close(fd);
}

TEST_F(page_table, hugetlb_fork)
{
	char *addr;

	if (!have_hugetlb())
		SKIP(return, NO_HUGETLB);
	addr = map_hugetlb(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	kid_starts();
	device_must_ask(addr, huge_pages);
	settled_everywhere(CLEAR);

	/* the device has the page that both processes have, until one writes */
	device_reads(addr, huge_pages);
	addr[page_size + 2] = 'P';
	device_lost(addr, huge_pages);
	settled_everywhere(CLEAR);
	EXPECT_EQ('P', dev_read(addr + page_size + 2));
	EXPECT_EQ(0, kid_reads(addr + page_size + 2));
	ASSERT_EQ(0, dev_write(addr + 2, 'D'));
	EXPECT_EQ(0, kid_reads(addr + 2));
	kid_writes(addr + 3, 'K');
	EXPECT_EQ(0, dev_read(addr + 3));
	kid_stops();
	same(addr, huge_pages, 0);
	at_rest(area_id);
}

/*
 * userfaultfd
 */

static int uffd = -1;

static bool have_uffd(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	return uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api);
}

#define NO_UFFD	"no userfaultfd that can do this"

static int write_protect(char *addr, size_t pages, bool on)
{
	struct uffdio_writeprotect arg = {
		.range = { (uintptr_t)addr, pages * page_size },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return mn_ioctl(uffd, UFFDIO_WRITEPROTECT, &arg);
}

/* What a missing page is filled with: pages alternate. */
static int provide(char *addr)
{
	static const char copy[1 << 16] = { 'U' };
	struct uffdio_zeropage zero = { .range = { (uintptr_t)addr, page_size } };
	struct uffdio_copy arg = {
		.dst = (uintptr_t)addr,
		.src = (uintptr_t)copy,
		.len = page_size,
	};

	if ((addr - area) / page_size % 2)
		return mn_ioctl(uffd, UFFDIO_ZEROPAGE, &zero);
	return mn_ioctl(uffd, UFFDIO_COPY, &arg);
}

/* Resolves the given number of page faults. */
static void *resolve(void *count)
{
	struct uffd_msg msg;
	intptr_t i;
	char *addr;
	int err;

	for (i = 0; i < (intptr_t)count; i++) {
		if (read(uffd, &msg, sizeof(msg)) != sizeof(msg))
			return (void *)-1;
		addr = (char *)(msg.arg.pagefault.address & -page_size);
		if (msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
			err = write_protect(addr, 1, false);
		else
			err = provide(addr);
		if (err)
			return (void *)-1;
	}
	return NULL;
}

static pthread_t resolve_faults(intptr_t count)
{
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, resolve, (void *)count));
	return thread;
}

/* It must have resolved exactly this many; fewer means a timeout. */
static void all_resolved(pthread_t thread)
{
	void *err;

	ASSERT_EQ(0, pthread_join(thread, &err));
	ASSERT_EQ(NULL, err);
}

TEST_F(page_table, uffd_write_protect)
{
	pthread_t thread;
	char *addr;

	if (!have_uffd(UFFD_FEATURE_PAGEFAULT_FLAG_WP))
		SKIP(return, NO_UFFD);
	addr = map_used(FEW);
	ASSERT_EQ(0, uffd_register(uffd, addr, FEW * page_size, false, true, false));
	watch();
	ASSERT_EQ(0, write_protect(addr + 2 * page_size, 3, true));
	device_must_ask(addr + 2 * page_size, 3);
	device_kept(addr, 2, 0);
	device_kept(addr + 5 * page_size, 3, 5);
	settled(PROTECTION_VMA);
	same(addr, FEW, 0);
	device_must_ask(addr + 2 * page_size, 3);

	/* the device writes nevertheless, and the handler has to allow it */
	thread = resolve_faults(1);
	ASSERT_EQ(0, dev_write(addr + 2 * page_size + 2, 'D'));
	all_resolved(thread);
	EXPECT_EQ('D', addr[2 * page_size + 2]);
	device_must_ask(addr + 3 * page_size, 2);
	ASSERT_EQ(0, write_protect(addr, FEW, false));
	device_uses(addr, FEW);
	at_rest(area_id);
	close(uffd);
}

TEST_F(page_table, uffd_missing)
{
	char *addr = map_used(FEW);
	pthread_t thread;
	size_t i;

	if (!have_uffd(0))
		SKIP(return, NO_UFFD);
	ASSERT_EQ(0, uffd_register(uffd, addr, FEW * page_size, true, false, false));
	watch();
	ASSERT_EQ(0, madvise(addr, FEW * page_size, MADV_DONTNEED));
	device_lost(addr, FEW);
	settled(CLEAR);

	thread = resolve_faults(FEW);
	for (i = 0; i < FEW; i++)
		ASSERT_EQ(i % 2 ? 0 : 'U', dev_read(addr + i * page_size));
	all_resolved(thread);
	at_rest(area_id);
	/* some have the page of zeros now, and it must not stay so */
	for (i = 0; i < FEW; i++)
		addr[i * page_size] = mark(i);
	reads_same(addr, FEW, 0);
	at_rest(area_id);
	close(uffd);
}

#ifdef UFFDIO_MOVE
/* From the start of the area, where the device has entries, to where nothing is */
static void move_by_uffd(size_t pages)
{
	char *dest = map_file(pages, pages, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct uffdio_move arg = {
		.dst = (uintptr_t)dest,
		.src = (uintptr_t)area,
		.len = pages * page_size,
	};

	ASSERT_EQ(0, uffd_register(uffd, dest, arg.len, true, false, false));
	watch();
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_MOVE, &arg));
	device_lost(area, 2 * pages);
	settled(CLEAR);
	zeroed(area, FEW);
	same(dest, pages, 0);
	at_rest(area_id);
	close(uffd);
}

TEST_F(page_table, uffd_move)
{
	if (!have_uffd(UFFD_FEATURE_MOVE))
		SKIP(return, NO_UFFD);
	map_used(FEW);
	move_by_uffd(FEW);
}

TEST_F(page_table, huge_uffd_move)
{
	if (!have_uffd(UFFD_FEATURE_MOVE))
		SKIP(return, NO_UFFD);
	if (!map_huge())
		SKIP(return, NO_THP);
	move_by_uffd(huge_pages);
}
#endif

/*
 * Tracking of writes: soft-dirty bits, PAGEMAP_SCAN
 */

/* Clean pages are read-only so that a write is noticed, also by the device. */
TEST_F(page_table, soft_dirty)
{
	char *addr = map_used(FEW);

	if (!(pagemap_of(addr) & PM_SOFT_DIRTY))
		SKIP(return, "no soft-dirty bits");
	ASSERT_EQ(0, write_text("/proc/self/clear_refs", "4"));
	device_must_ask(addr, FEW);
	settled_everywhere(SOFT_DIRTY);
	same(addr, FEW, 0);
	EXPECT_EQ(0, pagemap_of(addr) & PM_SOFT_DIRTY);
	ASSERT_EQ(0, dev_write(addr, 'D'));
	EXPECT_NE(0, pagemap_of(addr) & PM_SOFT_DIRTY);
	EXPECT_EQ(0, pagemap_of(addr + page_size) & PM_SOFT_DIRTY);
	at_rest(area_id);
}

#ifdef PAGEMAP_SCAN
/* Which page was written to since the last call, and only that one; or -1 */
static long scan_written(char *addr, size_t pages)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct page_region region = { 0 };
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.start = (uintptr_t)addr,
		.end = (uintptr_t)(addr + pages * page_size),
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN,
	};
	int found;

	ASSERT_LE(0, fd);
	found = ioctl(fd, PAGEMAP_SCAN, &arg);
	close(fd);
	if (found != 1 || region.end - region.start != page_size)
		return -1;
	return (region.start - (uintptr_t)addr) / page_size;
}

TEST_F(page_table, pagemap_scan)
{
	char *addr;

	if (!have_uffd(UFFD_FEATURE_WP_ASYNC))
		SKIP(return, NO_UFFD);
	addr = map_used(FEW);
	ASSERT_EQ(0, uffd_register(uffd, addr, FEW * page_size, false, true, false));
	watch();
	/* all of them */
	ASSERT_EQ(-1, scan_written(addr, FEW));
	device_must_ask(addr, FEW);
	settled(PROTECTION_VMA);
	same(addr, FEW, 0);
	EXPECT_EQ(-1, scan_written(addr, FEW));
	ASSERT_EQ(0, dev_write(addr + 3 * page_size + 2, 'D'));
	EXPECT_EQ(3, scan_written(addr, FEW));
	device_must_ask(addr, FEW);
	at_rest(area_id);
	close(uffd);
}
#endif

/*
 * Find the driver that makes munmap() slow: the histogram of
 * Documentation/mm/mmu_notifier.rst, for this process
 */

#define SLOW_US		20000

static uint64_t nanoseconds_in(const char *histogram, const char *function)
{
	const char *line = strstr(histogram, function);
	const char *duration = line ? strstr(line, "duration:") : NULL;

	return duration ? strtoull(duration + strlen("duration:"), NULL, 10) : 0;
}

static ssize_t read_callbacks(char *text, size_t size)
{
	int fd = open(CALLBACKS "hist", O_RDONLY | O_CLOEXEC);
	ssize_t length, total = 0;

	ASSERT_LE(0, fd);
	while ((length = read(fd, text + total, size - 1 - total)) > 0)
		total += length;
	close(fd);
	text[total] = '\0';
	return length;
}

TEST_F(page_table, slow_callback_is_found)
{
	const char *slow = how & TEST_MMU_NOTIFIER_HLIST ? "tmn_range_start" :
			   how & TEST_MMU_NOTIFIER_TWO_PASS ? "tmn_invalidate_start" :
							      "tmn_invalidate";
	char *addr = map_used(FEW), trigger[160], text[8192];

	snprintf(trigger, sizeof(trigger),
		 "!hist:keys=fn.sym:vals=duration:sort=duration.descending if common_pid == %d",
		 getpid());
	if (write_text(CALLBACKS "trigger", trigger + 1))
		SKIP(return, "no histograms (CONFIG_HIST_TRIGGERS, tracefs)");
	EXPECT_EQ(0, mn_behave(dev, area_id, 0, SLOW_US));
	EXPECT_EQ(0, munmap(addr, FEW * page_size));
	EXPECT_EQ(0, mn_behave(dev, area_id, 0, 0));
	EXPECT_EQ(0, read_callbacks(text, sizeof(text)));
	EXPECT_EQ(0, write_text(CALLBACKS "trigger", trigger));
	EXPECT_LE(SLOW_US * 1000, nanoseconds_in(text, slow)) {
		TH_LOG("%s", text);
	}
	settled(UNMAP);
}

/*
 * Ageing. Only hlist subscriptions are asked.
 */

FIXTURE(ageing)
{
};

FIXTURE_VARIANT(ageing)
{
	uint32_t how;
};

FIXTURE_VARIANT_ADD(ageing, hlist)
{
	.how = TEST_MMU_NOTIFIER_HLIST,
};

FIXTURE_VARIANT_ADD(ageing, both)
{
	.how = TEST_MMU_NOTIFIER_HLIST | TEST_MMU_NOTIFIER_TWO_PASS,
};

FIXTURE_SETUP(ageing)
{
	set_up(_metadata, variant->how);
}

FIXTURE_TEARDOWN(ageing)
{
	restore_all();
	close(dev);
}

/* One bit for each page of memory, 64 in a word */
static bool is_idle(unsigned long pfn)
{
	int fd = open(PAGE_IDLE, O_RDONLY | O_CLOEXEC);
	uint64_t bits = 0;

	ASSERT_LE(0, fd);
	ASSERT_EQ(8, pread(fd, &bits, 8, pfn / 64 * 8));
	close(fd);
	return bits >> pfn % 64 & 1;
}

/* The page counts as not accessed yet. */
static void make_idle(unsigned long pfn)
{
	int fd = open(PAGE_IDLE, O_WRONLY | O_CLOEXEC);
	uint64_t bits = 1ULL << pfn % 64;

	ASSERT_LE(0, fd);
	ASSERT_EQ(8, pwrite(fd, &bits, 8, pfn / 64 * 8));
	close(fd);
}

static uint64_t young(void)
{
	struct test_mmu_notifier_counters now;

	ASSERT_EQ(0, mn_counters(dev, area_id, &now));
	return now.young;
}

static void age(char *addr)
{
	unsigned long pfn = pfn_of(addr);
	uint64_t before;

	make_idle(pfn);
	EXPECT_TRUE(is_idle(pfn));
	/* by the shadow alone: the page table knows nothing of it */
	ASSERT_LE(0, dev_peek(addr));
	before = young();
	EXPECT_FALSE(is_idle(pfn));
	EXPECT_LT(before, young());
	/* until the next access */
	make_idle(pfn);
	EXPECT_TRUE(is_idle(pfn));
}

TEST_F(ageing, idle_page)
{
	char *addr = map_used(FEW);

	if (access(PAGE_IDLE, W_OK) || !pfn_of(addr))
		SKIP(return, "no idle page tracking");
	/* onto the LRU lists, as it tracks no others */
	ASSERT_EQ(0, madvise(addr, FEW * page_size, MADV_COLD));
	age(addr);
	age(addr + page_size);
	device_kept(addr, FEW, 0);
	settled(0);
}

TEST_F(ageing, idle_huge_page)
{
	char *addr = map_huge();

	if (!addr)
		SKIP(return, NO_THP);
	if (access(PAGE_IDLE, W_OK) || !pfn_of(addr))
		SKIP(return, "no idle page tracking");
	ASSERT_EQ(0, madvise(addr, huge_size, MADV_COLD));
	age(addr);
	device_kept(addr, huge_pages, 0);
	settled(0);
}

/* Accesses that the device has to refuse */

FIXTURE(bad_input)
{
};

FIXTURE_SETUP(bad_input)
{
	set_up(_metadata, TEST_MMU_NOTIFIER_HLIST | TEST_MMU_NOTIFIER_INTERVAL);
	map_used(2);
}

FIXTURE_TEARDOWN(bad_input)
{
	at_rest(area_id);
	restore_all();
	close(dev);
}

TEST_F(bad_input, mirror_range)
{
	uint64_t p = page_size, most = TEST_MMU_NOTIFIER_MAX_PAGES * p;
	const struct {
		uint64_t start;
		uint64_t length;
		int err;
	} bad[] = {
		{ (uintptr_t)area + 1, p, -EINVAL },
		{ (uintptr_t)area + p / 2, p, -EINVAL },
		{ (uintptr_t)area, p + 1, -EINVAL },
		{ (uintptr_t)area, 1, -EINVAL },
		{ (uintptr_t)area, 0, -EINVAL },
		{ -p, p, -EINVAL },
		{ -p, 2 * p, -EINVAL },
		{ p, -p, -EINVAL },
		{ 1ULL << 63, p, -EINVAL },
		{ 0, 1ULL << 63, -EINVAL },
		{ p, most + p, -E2BIG },
	};
	struct test_mmu_notifier_mirror arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		arg = (struct test_mmu_notifier_mirror) {
			.start = bad[i].start,
			.length = bad[i].length,
			.how = TEST_MMU_NOTIFIER_HLIST,
		};
		EXPECT_EQ(bad[i].err, mn_ioctl(dev, TEST_MMU_NOTIFIER_MIRROR, &arg)) {
			TH_LOG("row %zu", i);
		}
	}
	EXPECT_LT(0, mn_mirror(dev, NULL, most, TEST_MMU_NOTIFIER_HLIST));
}

TEST_F(bad_input, mirror_how)
{
	static const uint32_t bad[] = {
		0, 1 << 3, 1U << 31, TEST_MMU_NOTIFIER_HLIST | 1 << 3, ~0,
		TEST_MMU_NOTIFIER_INTERVAL | TEST_MMU_NOTIFIER_TWO_PASS,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, mn_mirror(dev, area, page_size, bad[i]));
}

TEST_F(bad_input, unknown_mirror)
{
	const uint32_t ids[] = { 0, far_id + 1, ~0, far_id };
	struct test_mmu_notifier_counters counters;
	struct test_mmu_notifier_check check;
	unsigned char byte;
	size_t i;

	ASSERT_EQ(0, mn_unmirror(dev, far_id));
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		EXPECT_EQ(-ENOENT, mn_unmirror(dev, ids[i]));
		EXPECT_EQ(-ENOENT, mn_access(dev, ids[i], 0, far, &byte, 1));
		EXPECT_EQ(-ENOENT, mn_check(dev, ids[i], &check));
		EXPECT_EQ(-ENOENT, mn_counters(dev, ids[i], &counters));
		EXPECT_EQ(-ENOENT, mn_behave(dev, ids[i], 0, 0));
	}
}

TEST_F(bad_input, access_range)
{
	char *end = area + 2 * huge_size;
	const struct {
		char *addr;
		size_t length;
	} bad[] = {
		{ area, 0 },
		{ area - 1, 1 },
		{ area - 1, 2 },
		{ end, 1 },
		{ end - 1, 2 },
		{ area, 2 * huge_size + 1 },
		{ area, -1UL },
		{ area + 1, -1UL },
		{ end - 1, -(uintptr_t)end + 2 },
		{ NULL, 1 },
		{ (char *)-1UL, 1 },
	};
	unsigned char byte;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, mn_access(dev, area_id, 0, bad[i].addr, &byte,
					     bad[i].length)) {
			TH_LOG("row %zu", i);
		}
}

TEST_F(bad_input, flags_and_reserved)
{
	struct test_mmu_notifier_check check = { .id = area_id, .reserved = 1 };
	struct test_mmu_notifier_behave behave = { .id = area_id, .reserved = 1 };
	unsigned char byte;

	EXPECT_EQ(-EINVAL, mn_access(dev, area_id, 1 << 2, area, &byte, 1));
	EXPECT_EQ(-EINVAL, mn_access(dev, area_id, 1U << 31, area, &byte, 1));
	EXPECT_EQ(-EINVAL, mn_ioctl(dev, TEST_MMU_NOTIFIER_CHECK, &check));
	EXPECT_EQ(-EINVAL, mn_ioctl(dev, TEST_MMU_NOTIFIER_BEHAVE, &behave));
	EXPECT_EQ(-EINVAL, mn_behave(dev, area_id, 1 << 2, 0));
	EXPECT_EQ(-EINVAL, mn_behave(dev, area_id, 1U << 31, 0));
	EXPECT_EQ(-EINVAL, mn_behave(dev, area_id, 0, TEST_MMU_NOTIFIER_MAX_DELAY + 1));
	EXPECT_EQ(-EINVAL, mn_behave(dev, area_id, 0, ~0));
}

/* Memory of the caller that is not there, or cannot be written */
TEST_F(bad_input, pointers)
{
	static const unsigned long requests[] = {
		TEST_MMU_NOTIFIER_MIRROR, TEST_MMU_NOTIFIER_UNMIRROR,
		TEST_MMU_NOTIFIER_ACCESS, TEST_MMU_NOTIFIER_CHECK,
		TEST_MMU_NOTIFIER_COUNTERS, TEST_MMU_NOTIFIER_BEHAVE,
	};
	char *none = area + huge_size;
	struct test_mmu_notifier_mirror *arg = (void *)(area + page_size);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		EXPECT_EQ(-EFAULT, mn_ioctl(dev, requests[i], none));
		EXPECT_EQ(-EFAULT, mn_ioctl(dev, requests[i], (void *)-4096UL));
	}
	EXPECT_EQ(-EFAULT, mn_access(dev, area_id, 0, area, none, 1));
	EXPECT_EQ(-EFAULT, mn_access(dev, area_id, TEST_MMU_NOTIFIER_WRITE, area,
				     none, 1));
	*arg = (struct test_mmu_notifier_mirror) {
		.start = (uintptr_t)far,
		.length = page_size,
		.how = TEST_MMU_NOTIFIER_HLIST,
	};
	ASSERT_EQ(0, mprotect(area, 2 * page_size, PROT_READ));
	EXPECT_EQ(-EFAULT, mn_ioctl(dev, TEST_MMU_NOTIFIER_MIRROR, arg));
	EXPECT_EQ(-EFAULT, mn_access(dev, area_id, 0, area, area + page_size, 1));
}

TEST_F(bad_input, unknown_ioctl)
{
	char arg[256] = { 0 };

	EXPECT_EQ(-ENOTTY, mn_ioctl(dev, _IO('N', 0x06), arg));
	EXPECT_EQ(-ENOTTY, mn_ioctl(dev, _IOW('N', 0x01, uint64_t), arg));
	EXPECT_EQ(-ENOTTY, mn_ioctl(dev, 0, arg));
	EXPECT_EQ(-ENOTTY, mn_ioctl(dev, ~0U, arg));
}

/* What precedes the page that cannot be accessed has been copied. */
TEST_F(bad_input, no_access)
{
	char *hole = area + 2 * page_size;
	char text[] = "....", copy[4] = { 0 };

	refused(hole, 1);
	EXPECT_EQ(-EFAULT, mn_access(dev, area_id, TEST_MMU_NOTIFIER_WRITE, hole - 2,
				     text, 4));
	EXPECT_EQ(-EFAULT, mn_access(dev, area_id, 0, hole - 2, copy, 4));
	EXPECT_EQ(0, memcmp(copy, "..\0\0", 4));
	EXPECT_EQ('.', *(hole - 2));
	EXPECT_EQ('.', *(hole - 1));
	EXPECT_EQ(-ENODATA, dev_peek(hole));
	EXPECT_EQ(-ENODATA, dev_poke(hole, 0xee));
	ASSERT_EQ(0, mprotect(area, page_size, PROT_READ));
	EXPECT_EQ(mark(0), dev_read(area));
	EXPECT_EQ(-EFAULT, dev_write(area, 0xee));
	EXPECT_EQ(-EACCES, dev_poke(area, 0xee));
	EXPECT_EQ(mark(0), dev_read(area));
}

/* The mirrors are those of the process that opened the file. */
TEST_F(bad_input, another_process)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(-mn_mirror(dev, area, page_size, TEST_MMU_NOTIFIER_HLIST));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(EPERM, WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	return mn_harness_run(argc, argv);
}
