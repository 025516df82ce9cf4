/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Interface of /dev/test_mmu_notifier. For tests only, and may change.
 *
 * The device has an MMU of its own. An open file mirrors ranges of the address
 * space of the process that opened it; each mirror has a shadow page table.
 */
#ifndef _LIB_TEST_MMU_NOTIFIER_UAPI_H
#define _LIB_TEST_MMU_NOTIFIER_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * The subscriptions of a mirror: one of these, or HLIST together with one of
 * the other two, where each of the two subscriptions has to agree.
 */
#define TEST_MMU_NOTIFIER_HLIST		0x1
#define TEST_MMU_NOTIFIER_INTERVAL	0x2
#define TEST_MMU_NOTIFIER_TWO_PASS	0x4

/* The largest mirror; a larger one fails with -E2BIG. */
#define TEST_MMU_NOTIFIER_MAX_PAGES	0x40000

/**
 * struct test_mmu_notifier_mirror - mirror a range
 * @start: first address, at the start of a page; nothing has to be mapped there
 * @length: in bytes, whole pages
 * @how: TEST_MMU_NOTIFIER_HLIST, _INTERVAL, _TWO_PASS
 * @id: names the mirror afterwards; set by the device
 *
 * -EINVAL for a range or a way that cannot be, -E2BIG for more than
 * TEST_MMU_NOTIFIER_MAX_PAGES, -EPERM from a process other than the one whose
 * address space it is, -ENOMEM.
 */
struct test_mmu_notifier_mirror {
	__u64 start;
	__u64 length;
	__u32 how;
	__u32 id;
};

/* Write through the shadow instead of reading. */
#define TEST_MMU_NOTIFIER_WRITE		0x1
/* Only use entries of the shadow; do not take page faults for missing ones. */
#define TEST_MMU_NOTIFIER_NOFAULT	0x2

/**
 * struct test_mmu_notifier_access - have the device read or write memory
 * @id: the mirror
 * @flags: TEST_MMU_NOTIFIER_WRITE, _NOFAULT
 * @addr: what the device reads or writes: any address within the mirror
 * @length: in bytes, not 0
 * @buffer: address in the calling process to which, or from which, it copies
 *
 * Any process that has the file may call it. -ENOENT for an unknown mirror,
 * -EINVAL for what is not wholly within the mirror, -EFAULT where the process
 * could not access the memory itself or for a bad buffer, -ESRCH when the
 * mirrored process is gone. With NOFAULT -ENODATA where the shadow has no
 * entry, -EACCES for a write where the entry is read-only. What precedes the
 * page that failed has been copied.
 */
struct test_mmu_notifier_access {
	__u32 id;
	__u32 flags;
	__u64 addr;
	__u64 length;
	__u64 buffer;
};

/**
 * struct test_mmu_notifier_check - compare the shadow with the page table
 * @id: the mirror
 * @reserved: 0
 * @entries: how many pages the shadow has
 * @writable: how many of them the device may write
 * @stale: entries that show another page than the page table, or one where the
 *	page table has none. If it is not 0, driver or kernel made a mistake.
 * @stale_write: writable entries where the page table forbids writing
 *
 * Correct while the page table changes, too: an entry that is counted as stale
 * was stale at one moment.
 */
struct test_mmu_notifier_check {
	__u32 id;
	__u32 reserved;
	__u64 entries;
	__u64 writable;
	__u64 stale;
	__u64 stale_write;
};

/* Why a range is invalidated: indices of &test_mmu_notifier_counts.events */
enum test_mmu_notifier_event {
	TEST_MMU_NOTIFIER_UNMAP,
	TEST_MMU_NOTIFIER_CLEAR,
	TEST_MMU_NOTIFIER_PROTECTION_VMA,
	TEST_MMU_NOTIFIER_PROTECTION_PAGE,
	TEST_MMU_NOTIFIER_SOFT_DIRTY,
	TEST_MMU_NOTIFIER_RELEASE,
	TEST_MMU_NOTIFIER_MIGRATE,
	TEST_MMU_NOTIFIER_EXCLUSIVE,
	TEST_MMU_NOTIFIER_EVENTS,
};

/**
 * struct test_mmu_notifier_counts - the calls of one subscription of a mirror
 * @starts: of sections, and not declined. An hlist subscription is called for
 *	all of the process, an interval for those that overlap the mirror.
 * @ends: hlist: ends of sections. Two passes: second passes. Else 0.
 * @hits: those of @starts that overlapped the mirror
 * @nonblockable: starts that overlapped the mirror and must not sleep, those that
 *	were declined among them
 * @declined: starts that were declined
 * @retries: page faults of the device that began again because of a section
 * @events: @hits by &enum test_mmu_notifier_event
 */
struct test_mmu_notifier_counts {
	__u64 starts;
	__u64 ends;
	__u64 hits;
	__u64 nonblockable;
	__u64 declined;
	__u64 retries;
	__u64 events[TEST_MMU_NOTIFIER_EVENTS];
};

/**
 * struct test_mmu_notifier_counters - all that is counted for a mirror
 * @id: the mirror
 * @blocked: how many callbacks wait at this moment, see
 *	TEST_MMU_NOTIFIER_BLOCK
 * @releases: calls of the ->release of the hlist subscription
 * @faults: page faults of the device that filled an entry
 * @young: how many young callbacks reported an access by the device
 * @hlist: the hlist subscription, if there is one
 * @interval: the interval subscription, if there is one
 */
struct test_mmu_notifier_counters {
	__u32 id;
	__u32 blocked;
	__u64 releases;
	__u64 faults;
	__u64 young;
	struct test_mmu_notifier_counts hlist;
	struct test_mmu_notifier_counts interval;
};

/* Decline every non-blockable start that overlaps the mirror. */
#define TEST_MMU_NOTIFIER_DECLINE	0x1
/*
 * Have each blockable start that overlaps the mirror wait until this is taken
 * back, the invalidating task is killed, or a minute is over.
 */
#define TEST_MMU_NOTIFIER_BLOCK		0x2

/* The longest delay, in microseconds */
#define TEST_MMU_NOTIFIER_MAX_DELAY	1000000

/**
 * struct test_mmu_notifier_behave - behave badly, or well again
 * @id: the mirror
 * @flags: TEST_MMU_NOTIFIER_DECLINE, _BLOCK, or 0 for neither
 * @delay_us: how long each blockable start that overlaps the mirror sleeps, in
 *	microseconds
 * @reserved: 0
 */
struct test_mmu_notifier_behave {
	__u32 id;
	__u32 flags;
	__u32 delay_us;
	__u32 reserved;
};

#define TEST_MMU_NOTIFIER_MIRROR	_IOWR('N', 0x00, struct test_mmu_notifier_mirror)
#define TEST_MMU_NOTIFIER_UNMIRROR	_IOW('N', 0x01, __u32)
#define TEST_MMU_NOTIFIER_ACCESS	_IOW('N', 0x02, struct test_mmu_notifier_access)
#define TEST_MMU_NOTIFIER_CHECK		_IOWR('N', 0x03, struct test_mmu_notifier_check)
#define TEST_MMU_NOTIFIER_COUNTERS	_IOWR('N', 0x04, struct test_mmu_notifier_counters)
#define TEST_MMU_NOTIFIER_BEHAVE	_IOW('N', 0x05, struct test_mmu_notifier_behave)

#endif /* _LIB_TEST_MMU_NOTIFIER_UAPI_H */
