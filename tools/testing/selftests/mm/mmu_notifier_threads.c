// SPDX-License-Identifier: GPL-2.0-only
/*
 * MMU notifiers under several threads and processes, and at the end of these.
 *
 * The device of lib/test_mmu_notifier.c mirrors page tables, with an hlist
 * subscription, an interval subscription, one with two passes, or two of them;
 * each test runs with each. The tests check what the core promises to a device:
 *
 * - it never keeps an entry that the page table has not: TEST_MMU_NOTIFIER_CHECK,
 *   and content that a page got after the device could last have used it;
 * - it gets one end for each start;
 * - it is called once for the end of the address space, before memory is freed;
 * - a process that is stuck delays no other one.
 *
 * Where an order matters, TEST_MMU_NOTIFIER_BLOCK holds a section open until
 * the counters show that it has begun. No test sleeps to give others time.
 * Races run for a fixed number of rounds; random choices have a fixed seed, or
 * that of the environment variable MMU_NOTIFIER_SEED.
 *
 * ASSERT_*() is for the main thread of the test alone. Threads and children
 * return what they have found; they end with the process that started them.
 */
#include "../kselftest_harness.h"

#include <linux/mempolicy.h>
#include <linux/mount.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "mmu_notifier_util.h"
#include "vm_util.h"

/* Above MN_PATIENCE, so that the test reports what did not happen. */
#define LIMIT		90

/* Pages of the memory that most tests mirror */
#define PAGES		16
/* As many mirrors as one file is given; ids count from 1 */
#define MIRRORS		64
/* For racing threads: pages, and rounds */
#define RACE_PAGES	8
#define RACE_ROUNDS	25
/* VMAs that registration has to pass through */
#define MANY_VMAS	1000
/* Enough to be seen half way through, and what a child says that came too late */
#define HALF_WAY_PAGES	32768
#define TOO_LATE	100
/* Memory that a process has beside what is mirrored, in pages */
#define OUTSIDE		1024

#define INTERVALS	(TEST_MMU_NOTIFIER_INTERVAL | TEST_MMU_NOTIFIER_TWO_PASS)

/* How far a child has come */
enum stage {
	MIRRORED = 1,	/* its mirror exists */
	GO_ON,		/* the parent has the file too, and has seen enough */
	ANSWERED,
	LEAVE,
};

/* What children and their parent tell each other */
struct shared {
	atomic_int stage;
	atomic_int fd;
	atomic_int id;
	atomic_int other;
	atomic_int pid;
	atomic_ulong written;
};

/* Of one test, which is a process. Children have a copy. */
static uint32_t how;
static size_t page;
static int dev;
static char *area;
static struct shared *shared;

/* Memory */

static char *map(int pages)
{
	return mmap(NULL, pages * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* The same at an address where something was mapped */
static bool map_at(char *addr, int pages)
{
	return mmap(addr, pages * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == addr;
}

/* Shared memory with a file behind it, full of ones */
static char *map_file(int *fd, int pages)
{
	char *addr;

	*fd = memfd_create("mmu_notifier", 0);
	if (*fd < 0 || ftruncate(*fd, pages * page))
		return MAP_FAILED;
	addr = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (addr != MAP_FAILED)
		memset(addr, 1, pages * page);
	return addr;
}

static char *nth(int number)
{
	return area + number * page;
}

static void fill(char *addr, int pages, char byte)
{
	int i;

	for (i = 0; i < pages; i++)
		addr[i * page] = byte;
}

/* The device */

static int mirror(int first, int pages)
{
	return mn_mirror(dev, nth(first), pages * page, how);
}

/* Fill the shadow. Returns 0, or what went wrong. */
static int read_all(int fd, int id, char *addr, int pages)
{
	int i, byte;

	for (i = 0; i < pages; i++) {
		byte = mn_read(fd, id, addr + i * page);
		if (byte < 0)
			return byte;
	}
	return 0;
}

/* Whether the shadow has nothing that the page table has not */
static int sound(int fd, int id)
{
	struct test_mmu_notifier_check check;
	int err = mn_check(fd, id, &check);

	if (err)
		return err;
	return check.stale || check.stale_write ? -ESTALE : 0;
}

static bool paired_now(int fd, int id)
{
	struct test_mmu_notifier_counters now;

	return !mn_counters(fd, id, &now) && now.hlist.starts == now.hlist.ends &&
	       now.interval.ends <= now.interval.starts;
}

/*
 * Whether every start has its end, or gets it. An hlist subscription is called
 * for the whole mm, where the OOM reaper or reclaim may have a section. Not
 * each has a second pass, as the device is prepared for one at a time.
 */
static bool paired(int fd, int id)
{
	return mn_until(paired_now(fd, id));
}

/* How often each of the subscriptions was called with this event, at least */
static long told(int fd, int id, enum test_mmu_notifier_event event)
{
	struct test_mmu_notifier_counters now;
	int err = mn_counters(fd, id, &now);

	if (err)
		return err;
	if (!(how & INTERVALS))
		return now.hlist.events[event];
	if (!(how & TEST_MMU_NOTIFIER_HLIST) ||
	    now.interval.events[event] < now.hlist.events[event])
		return now.interval.events[event];
	return now.hlist.events[event];
}

static long declined(int fd, int id)
{
	struct test_mmu_notifier_counters now;
	int err = mn_counters(fd, id, &now);

	return err ? err : (long)(now.hlist.declined + now.interval.declined);
}

static bool block(int fd, int id)
{
	return !mn_behave(fd, id, TEST_MMU_NOTIFIER_BLOCK, 0);
}

static bool unblock(int fd, int id)
{
	return !mn_behave(fd, id, 0, 0);
}

/* Threads */

/*
 * A thread that waits for its signal. Creating it takes mmap_lock for write,
 * which has to be over when a section is held open.
 */
struct worker {
	pthread_t thread;
	sem_t go;
	atomic_int tid;
	atomic_bool done;
	int (*work)(struct worker *w);
	int fd;
	int id;
	char *addr;
	size_t length;
	int rounds;
	int result;
};

/* Not on a stack: a test that fails leaves its function, and they go on. */
static struct worker workers[16];
static int nr_workers;
/* For those without a number of rounds */
static atomic_bool stop;
static atomic_ulong progress;

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	atomic_store(&w->tid, syscall(SYS_gettid));
	while (sem_wait(&w->go))
		;
	w->result = w->work(w);
	atomic_store(&w->done, true);
	return NULL;
}

static struct worker *spawn(int (*work)(struct worker *w), int id, char *addr,
			    int pages)
{
	struct worker *w = &workers[nr_workers++];

	w->work = work;
	w->fd = dev;
	w->id = id;
	w->addr = addr;
	w->length = pages * page;
	sem_init(&w->go, 0, 0);
	if (pthread_create(&w->thread, NULL, worker_main, w))
		abort();
	return w;
}

static struct worker *go(struct worker *w)
{
	sem_post(&w->go);
	return w;
}

static bool done(struct worker *w)
{
	return atomic_load(&w->done);
}

/* What the work has returned; -ETIMEDOUT if it has not. */
static int join(struct worker *w)
{
	if (!mn_until(done(w)))
		return -ETIMEDOUT;
	pthread_join(w->thread, NULL);
	return w->result;
}

static int do_dontneed(struct worker *w)
{
	return madvise(w->addr, w->length, MADV_DONTNEED) ? -errno : 0;
}

static int do_munmap(struct worker *w)
{
	return munmap(w->addr, w->length) ? -errno : 0;
}

/* @id is a file descriptor here. */
static int do_punch(struct worker *w)
{
	return fallocate(w->id, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			 w->length) ? -errno : 0;
}

static int do_read(struct worker *w)
{
	return mn_read(w->fd, w->id, w->addr);
}

static int do_write(struct worker *w)
{
	return mn_write(w->fd, w->id, w->addr, 0x77);
}

static int do_unmirror(struct worker *w)
{
	return mn_unmirror(w->fd, w->id);
}

/*
 * A new subscriber, which leaves its mirror in @id; returns what it reads
 * first.
 */
static int do_mirror_and_read(struct worker *w)
{
	w->id = mn_mirror(w->fd, w->addr, w->length, how);
	return w->id < 0 ? w->id : mn_read(w->fd, w->id, w->addr);
}

/* Children */

static bool reached(enum stage stage)
{
	return mn_until(atomic_load(&shared->stage) >= (int)stage);
}

static void advance(enum stage stage)
{
	atomic_store(&shared->stage, stage);
}

/* What @life returns is the exit status. It ends when its parent does. */
static pid_t fork_child(int (*life)(void))
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	_exit(life());
}

/* Returns the exit status, 128 + n after signal n, or -ETIMEDOUT. */
static int reap(pid_t pid)
{
	int status;

	if (!mn_until(waitpid(pid, &status, WNOHANG | __WALL) == pid))
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int kill_and_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	return reap(pid);
}

static int pidfd_open_(pid_t pid)
{
	return syscall(__NR_pidfd_open, pid, 0);
}

/* A child with a mirror of its own, and our reference to its file */
struct child {
	pid_t pid;
	int fd;
	int id;
};

/* In a child: mirror the area, and let the parent know. */
static bool be_mirrored(void)
{
	/* Not O_CLOEXEC, for those who exec. */
	int fd = open(MN_DEVICE, O_RDWR);
	int id = mn_mirror(fd, area, PAGES * page, how);

	if (id < 0 || read_all(fd, id, area, PAGES))
		return false;
	atomic_store(&shared->fd, fd);
	atomic_store(&shared->id, id);
	return true;
}

/*
 * Start a child that calls be_mirrored() and reports MIRRORED, and take its
 * file. The child counts for the owner, as it has opened it.
 */
static int adopt(struct child *child, int (*life)(void))
{
	int pidfd;

	advance(0);
	child->pid = fork_child(life);
	if (child->pid < 0)
		return -errno;
	if (!reached(MIRRORED))
		return -ETIMEDOUT;
	pidfd = pidfd_open_(child->pid);
	child->id = atomic_load(&shared->id);
	child->fd = syscall(__NR_pidfd_getfd, pidfd, atomic_load(&shared->fd), 0);
	if (child->fd < 0)
		return -errno;
	close(pidfd);
	return 0;
}

/* Whether each subscription was called once for the end of the address space */
static bool ended(int fd, int id)
{
	struct test_mmu_notifier_counters now;
	int hlist = how & TEST_MMU_NOTIFIER_HLIST ? 1 : 0;
	int interval = how & INTERVALS ? 1 : 0;

	return !mn_counters(fd, id, &now) && now.releases == hlist &&
	       now.interval.events[TEST_MMU_NOTIFIER_RELEASE] == interval;
}

/* The process has ended, and the device has dropped its entries. */
static void expect_ended(struct __test_metadata *_metadata, int fd, int id)
{
	struct test_mmu_notifier_check check;

	/* Not by then if another task looks into /proc. */
	EXPECT_TRUE(mn_until(ended(fd, id)));
	EXPECT_EQ(0, mn_blocked(fd, id));
	EXPECT_EQ(-ENODATA, mn_peek(fd, id, area));
	EXPECT_EQ(-ESRCH, mn_read(fd, id, area));
	EXPECT_EQ(-ESRCH, mn_write(fd, id, area, 1));
	EXPECT_EQ(0, mn_check(fd, id, &check));
	EXPECT_EQ(0, check.entries);
	EXPECT_TRUE(paired(fd, id));
}

/*
 * What a child becomes by execve() of this program: a process that cannot
 * mirror by the file that it had before. It reports this, and waits for its
 * end.
 */
#define EXEC_VARIABLE	"MMU_NOTIFIER_EXEC"

static void __attribute__((constructor)) after_exec(void)
{
	const char *arg = getenv(EXEC_VARIABLE);
	int fd, report, err;

	if (!arg || sscanf(arg, "%d,%d", &fd, &report) != 2)
		return;
	page = sysconf(_SC_PAGESIZE);
	err = mn_mirror(fd, (void *)(16 * page), page, TEST_MMU_NOTIFIER_HLIST);
	if (write(report, &err, sizeof(err)) != sizeof(err))
		_exit(1);
	for (;;)
		pause();
}

/* A pipe, to be made before the fork */
static int report[2];

static int life_exec(void)
{
	char variable[64];
	char *const argv[] = { "mmu_notifier_threads", NULL };
	char *const envp[] = { variable, NULL };

	if (!be_mirrored())
		return 1;
	advance(MIRRORED);
	if (!reached(GO_ON))
		return 1;
	snprintf(variable, sizeof(variable), EXEC_VARIABLE "=%d,%d",
		 atomic_load(&shared->fd), report[1]);
	execve("/proc/self/exe", argv, envp);
	return 1;
}

/* What after_exec() has found, or -ETIMEDOUT */
static int exec_report(void)
{
	struct pollfd ready = { .fd = report[0], .events = POLLIN };
	int err;

	if (poll(&ready, 1, MN_PATIENCE * 1000) != 1 ||
	    read(report[0], &err, sizeof(err)) != sizeof(err))
		return -ETIMEDOUT;
	return err;
}

/* Numbers that look random, the same in each run */
static uint64_t random_state;

static void start_random(struct __test_metadata *_metadata)
{
	const char *text = getenv("MMU_NOTIFIER_SEED");

	random_state = text ? strtoull(text, NULL, 0) : 1;
	TH_LOG("the seed is %llu", (unsigned long long)random_state);
}

static unsigned int pick(unsigned int below)
{
	/* xorshift64 needs a state other than 0. */
	random_state += !random_state;
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

FIXTURE(threads) {
};

FIXTURE_VARIANT(threads) {
	uint32_t how;
};

FIXTURE_VARIANT_ADD(threads, hlist) {
	.how = TEST_MMU_NOTIFIER_HLIST,
};

FIXTURE_VARIANT_ADD(threads, interval) {
	.how = TEST_MMU_NOTIFIER_INTERVAL,
};

FIXTURE_VARIANT_ADD(threads, two_pass) {
	.how = TEST_MMU_NOTIFIER_TWO_PASS,
};

FIXTURE_VARIANT_ADD(threads, both) {
	.how = TEST_MMU_NOTIFIER_HLIST | TEST_MMU_NOTIFIER_TWO_PASS,
};

static void setup(struct __test_metadata *_metadata)
{
	page = sysconf(_SC_PAGESIZE);
	/* An own policy keeps NUMA balancing away, which drops entries. */
	syscall(__NR_set_mempolicy, MPOL_LOCAL, NULL, 0);
	dev = open(MN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(dev, 0);
	area = map(PAGES);
	ASSERT_NE(MAP_FAILED, area);
	fill(area, PAGES, 1);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	ASSERT_EQ(0, pipe(report));
}

/* Also for threads that a failed test has left in a callback. */
static void teardown(void)
{
	int id;

	/* A child may have the file still, so that close() alone is not enough. */
	for (id = 1; id <= MIRRORS; id++)
		mn_behave(dev, id, 0, 0);
	close(dev);
}

FIXTURE_SETUP(threads)
{
	how = variant->how;
	setup(_metadata);
}

FIXTURE_TEARDOWN(threads)
{
	teardown();
}

/* Sections of several threads that are open at once */

/*
 * One mirror that only looks, @all, and two that hold sections open. The first
 * one is called first: it has the lowest address, by which the tree is ordered,
 * and comes last, and the hlist begins with the latest.
 */
struct three_mirrors {
	int left;	/* pages 4 to 7 */
	int right;	/* pages 8 to 11 */
	int all;
};

static void mirror_three(struct __test_metadata *_metadata, struct three_mirrors *set)
{
	set->left = mirror(4, 4);
	set->right = mirror(8, 4);
	set->all = mirror(0, PAGES);
	ASSERT_GT(set->left, 0);
	ASSERT_GT(set->right, 0);
	ASSERT_GT(set->all, 0);
	ASSERT_EQ(0, read_all(dev, set->all, area, PAGES));
	ASSERT_TRUE(block(dev, set->left));
	ASSERT_TRUE(block(dev, set->right));
}

static void expect_quiet(struct __test_metadata *_metadata,
			 const struct three_mirrors *set)
{
	EXPECT_TRUE(paired(dev, set->left));
	EXPECT_TRUE(paired(dev, set->right));
	EXPECT_TRUE(paired(dev, set->all));
	EXPECT_EQ(0, sound(dev, set->all));
	EXPECT_EQ(0, mn_unmirror(dev, set->left));
	EXPECT_EQ(0, mn_unmirror(dev, set->right));
	EXPECT_EQ(0, mn_unmirror(dev, set->all));
}

/* The work of @left begins before that of @right. The one in @first ends first. */
static void two_sections(struct __test_metadata *_metadata, bool left_first,
			 int (*work)(struct worker *w), int content)
{
	struct worker *left, *right, *reader;
	struct three_mirrors set;
	int first, last;

	left = spawn(work, 0, nth(4), 4);
	right = spawn(do_dontneed, 0, nth(8), 4);
	reader = spawn(do_read, 0, nth(4), 1);
	mirror_three(_metadata, &set);
	first = left_first ? set.left : set.right;
	last = left_first ? set.right : set.left;

	go(left);
	ASSERT_TRUE(mn_until(mn_blocked(dev, set.left) == 1));
	go(right);
	ASSERT_TRUE(mn_until(mn_blocked(dev, set.right) == 1));
	EXPECT_EQ(-ENODATA, mn_peek(dev, set.all, nth(4)));
	EXPECT_EQ(-ENODATA, mn_peek(dev, set.all, nth(8)));
	EXPECT_EQ(1, mn_peek(dev, set.all, nth(0)));
	reader->id = set.all;
	go(reader);

	ASSERT_TRUE(unblock(dev, first));
	EXPECT_EQ(0, join(left_first ? left : right));
	EXPECT_EQ(1, mn_blocked(dev, last));
	/* @all has a section open as long as one of the two is. */
	EXPECT_FALSE(done(reader));
	ASSERT_TRUE(unblock(dev, last));
	EXPECT_EQ(0, join(left_first ? right : left));
	EXPECT_EQ(content, join(reader));
	EXPECT_EQ(0, mn_read(dev, set.all, nth(8)));
	expect_quiet(_metadata, &set);
}

TEST_F_TIMEOUT(threads, sections_first_ends_first, LIMIT)
{
	two_sections(_metadata, true, do_dontneed, 0);
}

TEST_F_TIMEOUT(threads, sections_first_ends_last, LIMIT)
{
	two_sections(_metadata, false, do_dontneed, 0);
}

/* munmap() has downgraded mmap_lock by then, so others can proceed. */
TEST_F_TIMEOUT(threads, sections_munmap_ends_first, LIMIT)
{
	two_sections(_metadata, true, do_munmap, -EFAULT);
}

TEST_F_TIMEOUT(threads, sections_munmap_ends_last, LIMIT)
{
	two_sections(_metadata, false, do_munmap, -EFAULT);
}

/* Several of the same range, and one that overlaps it. */
TEST_F_TIMEOUT(threads, sections_overlap, LIMIT)
{
	struct worker *same[3], *wide;
	struct three_mirrors set;
	int i;

	for (i = 0; i < 3; i++)
		same[i] = spawn(do_dontneed, 0, nth(4), 4);
	wide = spawn(do_dontneed, 0, nth(7), 5);
	mirror_three(_metadata, &set);

	for (i = 0; i < 3; i++) {
		go(same[i]);
		ASSERT_TRUE(mn_until(mn_blocked(dev, set.left) == i + 1));
	}
	go(wide);
	ASSERT_TRUE(mn_until(mn_blocked(dev, set.left) +
			     mn_blocked(dev, set.right) == 4));

	ASSERT_TRUE(unblock(dev, set.left));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, join(same[i]));
	ASSERT_TRUE(mn_until(mn_blocked(dev, set.right) == 1));
	EXPECT_FALSE(done(wide));
	EXPECT_EQ(0, mn_blocked(dev, set.left));
	ASSERT_TRUE(unblock(dev, set.right));
	EXPECT_EQ(0, join(wide));
	EXPECT_LE(4, told(dev, set.all, TEST_MMU_NOTIFIER_CLEAR));
	EXPECT_EQ(0, read_all(dev, set.all, area, PAGES));
	expect_quiet(_metadata, &set);
}

/*
 * A hole in a file opens a section under i_mmap_rwsem alone: memory can be
 * mapped meanwhile, and a section under mmap_lock comes and goes.
 */
TEST_F_TIMEOUT(threads, sections_without_mmap_lock, LIMIT)
{
	struct worker *punch, *other;
	int fd, file, anon;
	char *addr, *more;

	addr = map_file(&fd, 4);
	ASSERT_NE(MAP_FAILED, addr);
	punch = spawn(do_punch, fd, addr, 4);
	other = spawn(do_dontneed, 0, area, PAGES);
	file = mn_mirror(dev, addr, 4 * page, how);
	anon = mirror(0, PAGES);
	ASSERT_GT(file, 0);
	ASSERT_GT(anon, 0);
	ASSERT_EQ(1, mn_read(dev, file, addr));
	ASSERT_EQ(1, mn_read(dev, anon, area));
	ASSERT_TRUE(block(dev, file));

	go(punch);
	ASSERT_TRUE(mn_until(mn_blocked(dev, file) == 1));
	more = map(4);
	EXPECT_NE(MAP_FAILED, more);
	EXPECT_EQ(0, munmap(more, 4 * page));
	EXPECT_EQ(0, join(go(other)));
	EXPECT_EQ(-ENODATA, mn_peek(dev, anon, area));
	EXPECT_EQ(1, mn_blocked(dev, file));

	ASSERT_TRUE(unblock(dev, file));
	EXPECT_EQ(0, join(punch));
	EXPECT_EQ(0, mn_read(dev, file, addr));
	EXPECT_EQ(0, mn_read(dev, anon, area));
	EXPECT_TRUE(paired(dev, file));
	EXPECT_TRUE(paired(dev, anon));
}

/* Two accesses wait for a section and see what it leaves; a third one need not. */
TEST_F_TIMEOUT(threads, access_waits_for_section, LIMIT)
{
	struct worker *reader, *writer, *change;
	int looks, holds, apart;

	change = spawn(do_dontneed, 0, area, 4);
	reader = spawn(do_read, 0, nth(0), 1);
	writer = spawn(do_write, 0, nth(1), 1);
	holds = mirror(3, 1);
	looks = mirror(0, 4);
	apart = mirror(8, 4);
	ASSERT_GT(holds, 0);
	ASSERT_GT(looks, 0);
	ASSERT_GT(apart, 0);
	ASSERT_EQ(0, read_all(dev, looks, area, 4));
	ASSERT_TRUE(block(dev, holds));

	go(change);
	ASSERT_TRUE(mn_until(mn_blocked(dev, holds) == 1));
	reader->id = looks;
	writer->id = looks;
	go(reader);
	go(writer);
	EXPECT_EQ(1, mn_read(dev, apart, nth(8)));
	EXPECT_EQ(0, mn_write(dev, apart, nth(9), 5));
	EXPECT_EQ(5, *nth(9));
	EXPECT_EQ(1, mn_blocked(dev, holds));
	EXPECT_FALSE(done(reader));
	EXPECT_FALSE(done(writer));
	/* Still the old page, which the device must not have seen. */
	EXPECT_EQ(1, *nth(0));

	ASSERT_TRUE(unblock(dev, holds));
	EXPECT_EQ(0, join(change));
	EXPECT_EQ(0, join(reader));
	EXPECT_EQ(0, join(writer));
	EXPECT_EQ(0x77, *nth(1));
	EXPECT_EQ(0, sound(dev, looks));
	EXPECT_TRUE(paired(dev, looks));
}

/*
 * A mirror that begins while a section is open is not called by it, so that
 * registration or the first access waits for its end. It does not get that end.
 */
TEST_F_TIMEOUT(threads, mirror_during_section, LIMIT)
{
	struct test_mmu_notifier_counters now;
	struct worker *punch, *newcomer;
	char *addr;
	int fd, id;

	addr = map_file(&fd, 4);
	ASSERT_NE(MAP_FAILED, addr);
	punch = spawn(do_punch, fd, addr, 4);
	newcomer = spawn(do_mirror_and_read, 0, addr, 4);
	id = mn_mirror(dev, addr, 4 * page, how);
	ASSERT_GT(id, 0);
	ASSERT_TRUE(block(dev, id));

	go(punch);
	ASSERT_TRUE(mn_until(mn_blocked(dev, id) == 1));
	go(newcomer);
	/* Nothing shows how far it is. If it did not wait, it would likely be done. */
	EXPECT_EQ(1, mn_blocked(dev, id));
	EXPECT_FALSE(done(newcomer));
	EXPECT_EQ(1, *addr);

	ASSERT_TRUE(unblock(dev, id));
	EXPECT_EQ(0, join(punch));
	/* Between the section and the hole the old page could be mapped again. */
	EXPECT_LE(0, join(newcomer));
	EXPECT_EQ(0, mn_read(dev, newcomer->id, addr));
	ASSERT_EQ(0, mn_counters(dev, newcomer->id, &now));
	EXPECT_EQ(now.hlist.starts, now.hlist.ends);
	EXPECT_EQ(0, sound(dev, newcomer->id));
	*addr = 2;
	EXPECT_EQ(2, mn_read(dev, newcomer->id, addr));
	EXPECT_EQ(0, madvise(addr, page, MADV_DONTNEED));
	EXPECT_EQ(-ENODATA, mn_peek(dev, newcomer->id, addr));
	EXPECT_TRUE(paired(dev, newcomer->id));
	EXPECT_TRUE(paired(dev, id));
}

/*
 * A subscriber that leaves waits for the sections that called it, and gets
 * their ends. An interval waits until they are over, too, whatever delays them.
 */
TEST_F_TIMEOUT(threads, unmirror_during_section, LIMIT)
{
	struct worker *change, *leaver;
	int holds, leaves;

	change = spawn(do_dontneed, 0, area, 4);
	leaver = spawn(do_unmirror, 0, NULL, 0);
	holds = mirror(3, 1);
	leaves = mirror(0, 4);
	ASSERT_GT(holds, 0);
	ASSERT_GT(leaves, 0);
	ASSERT_TRUE(block(dev, holds));

	go(change);
	ASSERT_TRUE(mn_until(mn_blocked(dev, holds) == 1));
	leaver->id = leaves;
	go(leaver);
	/* It has come so far that sections no longer find it. */
	ASSERT_TRUE(mn_until(mn_blocked(dev, leaves) == -ENOENT));
	EXPECT_FALSE(done(leaver));
	EXPECT_EQ(1, mn_blocked(dev, holds));

	ASSERT_TRUE(unblock(dev, holds));
	EXPECT_EQ(0, join(change));
	EXPECT_EQ(0, join(leaver));
	EXPECT_TRUE(paired(dev, holds));
	EXPECT_EQ(0, mn_unmirror(dev, holds));
}

/* Also while another thread waits for the section that is held open. */
TEST_F_TIMEOUT(threads, unmirror_lifts_block, LIMIT)
{
	struct worker *change, *reader, *leaver;
	int looks, holds;

	change = spawn(do_dontneed, 0, area, 4);
	reader = spawn(do_read, 0, area, 1);
	leaver = spawn(do_unmirror, 0, NULL, 0);
	holds = mirror(3, 1);
	looks = mirror(0, 4);
	ASSERT_GT(holds, 0);
	ASSERT_GT(looks, 0);
	ASSERT_TRUE(block(dev, holds));

	go(change);
	ASSERT_TRUE(mn_until(mn_blocked(dev, holds) == 1));
	reader->id = looks;
	leaver->id = holds;
	go(reader);
	go(leaver);
	EXPECT_EQ(0, join(leaver));
	EXPECT_EQ(0, join(change));
	EXPECT_EQ(0, join(reader));
	EXPECT_TRUE(paired(dev, looks));
}

TEST_F_TIMEOUT(threads, close_lifts_block, LIMIT)
{
	struct worker *change = spawn(do_munmap, 0, area, PAGES);
	int fd = open(MN_DEVICE, O_RDWR | O_CLOEXEC);
	int id, behind;

	behind = mirror(0, PAGES);
	ASSERT_GT(behind, 0);
	id = mn_mirror(fd, area, PAGES * page, how);
	ASSERT_GT(id, 0);
	ASSERT_EQ(0, read_all(dev, behind, area, PAGES));
	ASSERT_TRUE(block(fd, id));
	go(change);
	ASSERT_TRUE(mn_until(mn_blocked(fd, id) == 1));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, join(change));
	EXPECT_EQ(-ENODATA, mn_peek(dev, behind, area));
	EXPECT_EQ(-EFAULT, mn_read(dev, behind, area));
	EXPECT_TRUE(paired(dev, behind));
}

/* Many sections of ranges that overlap, each for another while. */
static int do_random_dontneed(struct worker *w)
{
	uint64_t state = w->id;
	int i, first, pages;

	for (i = 0; i < w->rounds; i++) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		first = (state >> 33) % PAGES;
		pages = 1 + (state >> 40) % (PAGES - first);
		nth(first)[0] = 1;
		if (madvise(nth(first), pages * page, MADV_DONTNEED))
			return -errno;
	}
	return 0;
}

TEST_F_TIMEOUT(threads, sections_of_four_threads, LIMIT)
{
	struct worker *w[4];
	int i, one, two;

	start_random(_metadata);
	for (i = 0; i < 4; i++) {
		w[i] = spawn(do_random_dontneed, pick(1 << 30), NULL, 0);
		w[i]->rounds = 15;
	}
	one = mirror(0, PAGES);
	two = mirror(5, 5);
	ASSERT_GT(one, 0);
	ASSERT_GT(two, 0);
	ASSERT_EQ(0, mn_behave(dev, one, 0, 50));
	ASSERT_EQ(0, mn_behave(dev, two, 0, 150));
	for (i = 0; i < 4; i++)
		go(w[i]);
	for (i = 0; i < 40; i++)
		EXPECT_LE(0, mn_read(dev, one, nth(i % PAGES)));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, join(w[i]));
	EXPECT_LE(4 * 15, told(dev, one, TEST_MMU_NOTIFIER_CLEAR));
	EXPECT_TRUE(paired(dev, one));
	EXPECT_TRUE(paired(dev, two));
	EXPECT_EQ(0, sound(dev, one));
	EXPECT_EQ(0, read_all(dev, two, nth(5), 5));
}

/* The device reads and writes while page tables change */

/* No page shows an older one from now on, but it may be empty or not there. */
static atomic_ulong generation;

static unsigned long *first_word(int number)
{
	return (unsigned long *)nth(number);
}

/* Of a @length other than 0 the content gets lost. */
static int do_race_read(struct worker *w)
{
	unsigned long oldest, seen;
	int i, err;

	for (i = 0; !atomic_load(&stop); i++) {
		oldest = atomic_load(&generation);
		err = mn_access(dev, w->id, 0, first_word(i % RACE_PAGES), &seen,
				sizeof(seen));
		if (err == -EFAULT && w->length)
			continue;
		if (err)
			return err;
		if (seen < oldest && (seen || !w->length))
			return -ESTALE;
		atomic_fetch_add(&progress, 1);
	}
	return 0;
}

/* The second word, so that no generation is lost. */
static int do_race_write(struct worker *w)
{
	unsigned long number;
	int err;

	for (number = 0; !atomic_load(&stop); number++) {
		err = mn_access(dev, w->id, TEST_MMU_NOTIFIER_WRITE,
				first_word(number % RACE_PAGES) + 1, &number,
				sizeof(number));
		if (err && err != -EFAULT)
			return err;
	}
	return 0;
}

static int do_race_check(struct worker *w)
{
	int err;

	while (!atomic_load(&stop)) {
		err = sound(dev, w->id);
		if (err)
			return err;
	}
	return 0;
}

/*
 * One round: the process writes a new generation, the device reads it, so that
 * its shadow is full, and then @change is done to all pages. @lossy says that
 * it empties them or takes them away for a while.
 */
static void race_round(struct __test_metadata *_metadata, int id, bool lossy,
		       int (*change)(unsigned long now), unsigned long now)
{
	unsigned long seen = 0;
	int i;

	for (i = 0; i < RACE_PAGES; i++)
		*first_word(i) = now;
	atomic_store(&generation, now);
	for (i = 0; i < RACE_PAGES; i++) {
		ASSERT_EQ(0, mn_access(dev, id, 0, nth(i), &seen, sizeof(seen)));
		EXPECT_EQ(now, seen);
	}
	ASSERT_EQ(0, change(now));
	if (lossy)
		atomic_store(&generation, now + 1);
}

static void race(struct __test_metadata *_metadata, bool lossy, int rounds,
		 int (*change)(unsigned long now))
{
	struct worker *w[3];
	unsigned long now;
	int i, id;

	id = mirror(0, RACE_PAGES);
	ASSERT_GT(id, 0);
	w[0] = spawn(do_race_read, id, NULL, lossy);
	w[1] = spawn(do_race_write, id, NULL, 0);
	w[2] = spawn(do_race_check, id, NULL, 0);
	for (i = 0; i < 3; i++)
		go(w[i]);
	for (now = 1; now <= rounds; now++)
		race_round(_metadata, id, lossy, change, now);
	EXPECT_TRUE(mn_until(atomic_load(&progress) || done(w[0])));
	atomic_store(&stop, true);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, join(w[i]));
	EXPECT_EQ(0, sound(dev, id));
	EXPECT_TRUE(paired(dev, id));
	EXPECT_EQ(0, mn_unmirror(dev, id));
}

static int change_dontneed(unsigned long now)
{
	return madvise(area, RACE_PAGES * page, MADV_DONTNEED);
}

TEST_F_TIMEOUT(threads, race_dontneed, LIMIT)
{
	race(_metadata, true, RACE_ROUNDS, change_dontneed);
}

/* With a moment in which nothing is mapped */
static int change_mapping(unsigned long now)
{
	if (munmap(area, RACE_PAGES * page))
		return -errno;
	return map_at(area, RACE_PAGES) ? 0 : -errno;
}

TEST_F_TIMEOUT(threads, race_munmap, LIMIT)
{
	race(_metadata, true, RACE_ROUNDS, change_mapping);
}

/* There and back; the pages change in between, by another address. */
static int change_place(unsigned long now)
{
	static char *there;
	int i;

	if (!there)
		there = map(RACE_PAGES);
	if (mremap(area, RACE_PAGES * page, RACE_PAGES * page,
		   MREMAP_MAYMOVE | MREMAP_FIXED, there) != there)
		return -errno;
	for (i = 0; i < RACE_PAGES; i++)
		*(unsigned long *)(there + i * page) = now + 1;
	if (mremap(there, RACE_PAGES * page, RACE_PAGES * page,
		   MREMAP_MAYMOVE | MREMAP_FIXED, area) != area)
		return -errno;
	return 0;
}

TEST_F_TIMEOUT(threads, race_mremap, LIMIT)
{
	race(_metadata, true, RACE_ROUNDS, change_place);
}

/* What the device writes is not seen as long as writing is forbidden. */
static int change_protection(unsigned long now)
{
	unsigned long before[RACE_PAGES];
	int i;

	if (mprotect(area, RACE_PAGES * page, PROT_READ))
		return -errno;
	for (i = 0; i < RACE_PAGES; i++)
		before[i] = first_word(i)[1];
	sched_yield();
	for (i = 0; i < RACE_PAGES; i++)
		if (before[i] != first_word(i)[1])
			return -ESTALE;
	return mprotect(area, RACE_PAGES * page, PROT_READ | PROT_WRITE);
}

TEST_F_TIMEOUT(threads, race_mprotect, LIMIT)
{
	race(_metadata, false, RACE_ROUNDS, change_protection);
}

/* To swap, where there is some; otherwise the pages are only aged. */
static int change_pageout(unsigned long now)
{
	return madvise(area, RACE_PAGES * page, MADV_PAGEOUT);
}

TEST_F_TIMEOUT(threads, race_pageout, LIMIT)
{
	race(_metadata, false, RACE_ROUNDS, change_pageout);
}

static int life_wait(void)
{
	while (!pause())
		;
	return 0;
}

/* A child shares the pages until the next round, whose writes copy them. */
static int change_fork(unsigned long now)
{
	static pid_t before;

	if (before && kill_and_reap(before) != 128 + SIGKILL)
		return -ECHILD;
	before = fork_child(life_wait);
	return before < 0 ? -errno : 0;
}

TEST_F_TIMEOUT(threads, race_fork, LIMIT)
{
	race(_metadata, false, RACE_ROUNDS / 2, change_fork);
}

/*
 * munmap() takes a mapping out of the address space before it unmaps the pages,
 * and before rmap ceases to find the mapping. Meanwhile writeback opens
 * sections where nothing is mapped any more, or something else already. A
 * warning would be in the kernel log.
 */
#define WRITTEN_PAGES	256
#define WRITTEN_ROUNDS	24

/* @id is a file descriptor in these two. */
static int do_fsync(struct worker *w)
{
	while (!atomic_load(&stop)) {
		if (fsync(w->id))
			return -errno;
		atomic_fetch_add(&progress, 1);
	}
	return 0;
}

/* In the place of the file, where the device has a mirror, something else at times */
static int dirty_and_unmap(int fd, char *addr, bool replace)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	if (mmap(addr, WRITTEN_PAGES * page, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		return -errno;
	fill(addr, WRITTEN_PAGES, 1);
	if (replace && mmap(addr, WRITTEN_PAGES * page, PROT_READ, flags, -1,
			    0) == MAP_FAILED)
		return -errno;
	return munmap(addr, WRITTEN_PAGES * page) ? -errno : 0;
}

static int do_dirty_and_unmap(struct worker *w)
{
	int round, err = 0;

	for (round = 0; round < WRITTEN_ROUNDS && !err; round++)
		err = dirty_and_unmap(w->id, w->addr, round % 4 == 3);
	atomic_store(&stop, true);
	return err;
}

TEST_F_TIMEOUT(threads, writeback_beside_munmap, LIMIT)
{
	int fd = open("/mnt", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct worker *unmapper, *writer;
	char *addr = map(WRITTEN_PAGES);
	int id;

	if (fd < 0)
		SKIP(return, "no ext4 at /mnt");
	ASSERT_NE(MAP_FAILED, addr);
	ASSERT_EQ(0, ftruncate(fd, WRITTEN_PAGES * page));
	unmapper = spawn(do_dirty_and_unmap, fd, addr, WRITTEN_PAGES);
	writer = spawn(do_fsync, fd, addr, WRITTEN_PAGES);
	id = mn_mirror(dev, addr, WRITTEN_PAGES * page, how);
	ASSERT_GT(id, 0);
	go(writer);
	go(unmapper);
	EXPECT_EQ(0, join(unmapper));
	EXPECT_EQ(0, join(writer));
	EXPECT_LT(0, atomic_load(&progress));
	EXPECT_LT(0, told(dev, id, TEST_MMU_NOTIFIER_UNMAP));
	EXPECT_EQ(0, sound(dev, id));
	EXPECT_TRUE(paired(dev, id));
	EXPECT_EQ(0, mn_unmirror(dev, id));
	close(fd);
}

/*
 * Pages of the parent are put out, with sections in the child, which shares
 * them, while fork() copies the mappings, and leaves out every second one.
 */
#define FORKED_VMAS	64
#define FORKED_ROUNDS	40

static int do_pageout(struct worker *w)
{
	while (!atomic_load(&stop)) {
		if (madvise(w->addr, w->length, MADV_PAGEOUT))
			return -errno;
		fill(w->addr, w->length / page, 1);
		atomic_fetch_add(&progress, 1);
	}
	return 0;
}

static int life_copied(void)
{
	return 0;
}

TEST_F_TIMEOUT(threads, pageout_beside_fork, LIMIT)
{
	char *addr = map(FORKED_VMAS);
	struct worker *pageout;
	int i, id, round;

	ASSERT_NE(MAP_FAILED, addr);
	for (i = 0; i < FORKED_VMAS; i += 2)
		ASSERT_EQ(0, madvise(addr + i * page, page, MADV_DONTFORK));
	fill(addr, FORKED_VMAS, 1);
	pageout = spawn(do_pageout, 0, addr, FORKED_VMAS);
	id = mn_mirror(dev, addr, FORKED_VMAS * page, how);
	ASSERT_GT(id, 0);
	go(pageout);
	for (round = 0; round < FORKED_ROUNDS; round++)
		EXPECT_EQ(0, reap(fork_child(life_copied)));
	atomic_store(&stop, true);
	EXPECT_EQ(0, join(pageout));
	EXPECT_LT(0, atomic_load(&progress));
	EXPECT_EQ(0, sound(dev, id));
	EXPECT_TRUE(paired(dev, id));
	EXPECT_EQ(0, mn_unmirror(dev, id));
}

/* A child sees the memory of the moment of fork(), which the device writes. */
static int do_count_up(struct worker *w)
{
	unsigned long number;
	int err;

	for (number = 1; !atomic_load(&stop); number++) {
		err = mn_access(dev, w->id, TEST_MMU_NOTIFIER_WRITE, w->addr, &number,
				sizeof(number));
		if (err)
			return err;
		atomic_store(&shared->written, number);
	}
	return 0;
}

static int life_snapshot(void)
{
	unsigned long before = *first_word(0);
	unsigned long written = atomic_load(&shared->written);

	/* It goes on in the parent, or the device is stuck. */
	if (!mn_until(atomic_load(&shared->written) > written + 2))
		return 1;
	return *first_word(0) == before && first_word(1)[0] == 7 ? 0 : 2;
}

TEST_F_TIMEOUT(threads, write_during_fork, LIMIT)
{
	struct worker *writer;
	int i, id;

	id = mirror(0, PAGES);
	ASSERT_GT(id, 0);
	*first_word(1) = 7;
	writer = go(spawn(do_count_up, id, area, 1));
	ASSERT_TRUE(mn_until(atomic_load(&shared->written)));
	for (i = 0; i < 15; i++)
		EXPECT_EQ(0, reap(fork_child(life_snapshot)));
	atomic_store(&stop, true);
	EXPECT_EQ(0, join(writer));
	EXPECT_EQ(atomic_load(&shared->written), *first_word(0));
	EXPECT_EQ(0, sound(dev, id));
	EXPECT_TRUE(paired(dev, id));
}

/*
 * Each round begins with no page at all. A thread writes one byte of each page
 * while the device writes another one, or reads, and finds the page of zeroes;
 * both have to end up with the same pages.
 */
static pthread_barrier_t meeting;

static int do_touch(struct worker *w)
{
	int round, i;

	for (round = 0; round < w->rounds; round++) {
		pthread_barrier_wait(&meeting);
		for (i = 0; i < PAGES; i++)
			nth(i)[w->id] = round + 1;
		pthread_barrier_wait(&meeting);
	}
	return 0;
}

static void device_touch(struct __test_metadata *_metadata, int id, int round)
{
	int i, err;

	EXPECT_EQ(0, madvise(area, PAGES * page, MADV_DONTNEED));
	pthread_barrier_wait(&meeting);
	for (i = PAGES - 1; i >= 0; i--) {
		err = i % 2 ? mn_write(dev, id, nth(i), round + 1) :
			      mn_read(dev, id, nth(i));
		EXPECT_LE(0, err);
	}
	pthread_barrier_wait(&meeting);
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(i % 2 ? round + 1 : 0, nth(i)[0]);
		EXPECT_EQ(round + 1, nth(i)[1]);
		EXPECT_EQ(round + 1, mn_read(dev, id, nth(i) + 1));
		EXPECT_EQ(round + 1, mn_read(dev, id, nth(i) + 2));
	}
}

TEST_F_TIMEOUT(threads, faults_of_both, LIMIT)
{
	struct worker *w[2];
	int i, id;

	id = mirror(0, PAGES);
	ASSERT_GT(id, 0);
	pthread_barrier_init(&meeting, NULL, 3);
	for (i = 0; i < 2; i++) {
		/* @id is the byte. */
		w[i] = spawn(do_touch, i + 1, NULL, 0);
		w[i]->rounds = 12;
		go(w[i]);
	}
	for (i = 0; i < 12; i++)
		device_touch(_metadata, id, i);
	EXPECT_EQ(0, join(w[0]));
	EXPECT_EQ(0, join(w[1]));
	EXPECT_EQ(0, sound(dev, id));
	EXPECT_TRUE(paired(dev, id));
}

static int open_uffd(char *addr)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range.start = (uintptr_t)addr,
		.range.len = page,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	/* Without O_NONBLOCK it cannot be polled. */
	int fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
		return -errno;
	return fd;
}

/* A page fault of the device is delayed, and a section is opened meanwhile. */
TEST_F_TIMEOUT(threads, fault_begins_again, LIMIT)
{
	struct test_mmu_notifier_counters now;
	struct uffdio_copy copy = { };
	struct worker *reader;
	struct pollfd ready;
	char *addr, *source;
	int id;

	addr = map(1);
	source = map(1);
	fill(source, 1, 9);
	ready.fd = open_uffd(addr);
	if (ready.fd < 0)
		SKIP(return, "no userfaultfd: %s", strerror(-ready.fd));
	ready.events = POLLIN;
	id = mn_mirror(dev, addr, page, how);
	ASSERT_GT(id, 0);

	reader = go(spawn(do_read, id, addr, 1));
	ASSERT_EQ(1, poll(&ready, 1, MN_PATIENCE * 1000));
	ASSERT_EQ(POLLIN, ready.revents);
	EXPECT_EQ(0, madvise(addr, page, MADV_DONTNEED));
	copy.dst = (uintptr_t)addr;
	copy.src = (uintptr_t)source;
	copy.len = page;
	ASSERT_EQ(0, ioctl(ready.fd, UFFDIO_COPY, &copy));
	EXPECT_EQ(9, join(reader));
	ASSERT_EQ(0, mn_counters(dev, id, &now));
	EXPECT_LE(how & TEST_MMU_NOTIFIER_HLIST ? 1 : 0, now.hlist.retries);
	EXPECT_LE(how & INTERVALS ? 1 : 0, now.interval.retries);
	EXPECT_LE(1, now.faults);
	EXPECT_EQ(0, sound(dev, id));
}

/* Mirrors come and go */

/* With a file of its own, as one file is used by one of those at a time. */
static int do_churn_mirrors(struct worker *w)
{
	struct test_mmu_notifier_counters now;
	int i, fd, id, err = 0;

	fd = open(MN_DEVICE, O_RDWR | O_CLOEXEC);
	for (i = 0; i < w->rounds && !err; i++) {
		id = mn_mirror(fd, w->addr + i % 4 * page, 4 * page, how);
		if (id < 0)
			return id;
		err = mn_read(fd, id, w->addr + i % 4 * page);
		if (err >= 0)
			err = sound(fd, id) ?: mn_counters(fd, id, &now);
		if (!err && now.hlist.ends > now.hlist.starts)
			err = -ERANGE;
		if (!err)
			err = mn_unmirror(fd, id);
	}
	close(fd);
	return err;
}

static int do_churn_memory(struct worker *w)
{
	char *addr;

	while (!atomic_load(&stop)) {
		fill(area, PAGES, 1);
		if (madvise(nth(2), 8 * page, MADV_DONTNEED))
			return -errno;
		addr = map(4);
		if (addr == MAP_FAILED)
			return -errno;
		fill(addr, 4, 1);
		if (munmap(addr, 4 * page))
			return -errno;
		atomic_fetch_add(&progress, 1);
	}
	return 0;
}

static int life_nothing(void)
{
	fill(area, PAGES, 3);
	return 0;
}

TEST_F_TIMEOUT(threads, mirror_while_memory_changes, LIMIT)
{
	struct worker *mirrors[2], *memory;
	int i, id;

	for (i = 0; i < 2; i++) {
		mirrors[i] = spawn(do_churn_mirrors, 0, nth(i * 4), 0);
		mirrors[i]->rounds = 40;
	}
	memory = go(spawn(do_churn_memory, 0, NULL, 0));
	go(mirrors[0]);
	go(mirrors[1]);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(0, reap(fork_child(life_nothing)));
	EXPECT_EQ(0, join(mirrors[0]));
	EXPECT_EQ(0, join(mirrors[1]));
	EXPECT_TRUE(mn_until(atomic_load(&progress)));
	atomic_store(&stop, true);
	EXPECT_EQ(0, join(memory));

	id = mirror(0, PAGES);
	ASSERT_GT(id, 0);
	EXPECT_EQ(0, read_all(dev, id, area, PAGES));
	EXPECT_EQ(0, change_dontneed(0));
	EXPECT_EQ(-ENODATA, mn_peek(dev, id, area));
	EXPECT_TRUE(paired(dev, id));
}

/*
 * The first mirror of an address space is made while sections are open that are
 * counted nowhere; it must not get their ends.
 */
static int life_first_mirror(void)
{
	unsigned int later = pick(8);
	struct worker *w[2];
	int i, fd, id, err;

	fd = open(MN_DEVICE, O_RDWR | O_CLOEXEC);
	for (i = 0; i < 2; i++)
		w[i] = go(spawn(do_churn_memory, 0, NULL, 0));
	if (!mn_until(atomic_load(&progress) > later))
		return 1;
	id = mn_mirror(fd, area, PAGES * page, how);
	if (id < 0)
		return 2;
	for (i = 0; i < 30; i++) {
		err = mn_read(fd, id, nth(i % PAGES));
		if (err < 0 || sound(fd, id))
			return 3;
	}
	atomic_store(&stop, true);
	if (join(w[0]) || join(w[1]))
		return 4;
	return paired(fd, id) && !mn_unmirror(fd, id) ? 0 : 5;
}

TEST_F_TIMEOUT(threads, first_mirror_while_memory_changes, LIMIT)
{
	int i;

	start_random(_metadata);
	for (i = 0; i < 8; i++) {
		pick(2);
		EXPECT_EQ(0, reap(fork_child(life_first_mirror)));
	}
}

/*
 * One reading: pagemap_is_populated() takes two, and fails the program when
 * they differ, which they may while another thread takes the page away.
 */
static bool is_mapped(int pagemap, char *addr)
{
	return pagemap_get_entry(pagemap, addr) & PM_PRESENT;
}

/*
 * A section that punches a hole into a file holds a lock of the file, and none
 * of the address space. If it is open when the first mirror begins, it does not
 * call the device, so that MIRROR must wait: the pages that it has not yet come
 * to are still there for the device to find.
 */
static int life_mirror_half_way(void)
{
	int fd, file, id, pagemap;
	char *addr, *last;
	struct worker *punch;
	bool half_way;

	addr = map_file(&file, HALF_WAY_PAGES);
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	fd = open(MN_DEVICE, O_RDWR | O_CLOEXEC);
	if (addr == MAP_FAILED || pagemap < 0 || fd < 0)
		return 1;
	last = addr + (HALF_WAY_PAGES - 1) * page;
	punch = go(spawn(do_punch, file, addr, HALF_WAY_PAGES));
	if (!mn_until(!is_mapped(pagemap, addr)))
		return 2;
	half_way = is_mapped(pagemap, last);
	id = mn_mirror(fd, last, page, how);
	if (id < 0 || mn_read(fd, id, last) < 0)
		return 3;
	if (join(punch))
		return 4;
	if (sound(fd, id) || mn_read(fd, id, last))
		return 5;
	return half_way ? 0 : TOO_LATE;
}

TEST_F_TIMEOUT(threads, first_mirror_half_way, LIMIT)
{
	int i, came = TOO_LATE;

	for (i = 0; i < 10 && came == TOO_LATE; i++)
		came = reap(fork_child(life_mirror_half_way));
	if (came == TOO_LATE)
		SKIP(return, "a hole is punched before anybody can look");
	EXPECT_EQ(0, came);
}

static void expect_dropped(struct __test_metadata *_metadata, const int *ids)
{
	int i, first;

	EXPECT_EQ(0, madvise(nth(7), page, MADV_DONTNEED));
	for (i = 0; i < MIRRORS; i++) {
		if (ids[i] < 0)
			continue;
		first = i % 12;
		EXPECT_EQ(first + 4 > 7 && first <= 7 ? -ENODATA : 1,
			  mn_peek(dev, ids[i], nth(first <= 7 && first + 4 > 7 ? 7 : first)));
		EXPECT_EQ(0, sound(dev, ids[i]));
		EXPECT_TRUE(paired(dev, ids[i]));
	}
}

/* Of ranges that overlap; half of them leave in an order of their own. */
TEST_F_TIMEOUT(threads, many_mirrors, LIMIT)
{
	int ids[MIRRORS], i, victim;

	for (i = 0; i < MIRRORS; i++) {
		ids[i] = mirror(i % 12, 4);
		ASSERT_GT(ids[i], 0);
		ASSERT_EQ(0, read_all(dev, ids[i], nth(i % 12), 4));
	}
	expect_dropped(_metadata, ids);
	for (i = 0; i < MIRRORS / 2; i++) {
		victim = i * 37 % MIRRORS;
		EXPECT_EQ(0, mn_unmirror(dev, ids[victim]));
		ids[victim] = -ENOENT;
	}
	*nth(7) = 1;
	for (i = 0; i < MIRRORS; i++)
		if (ids[i] > 0)
			EXPECT_EQ(0, read_all(dev, ids[i], nth(i % 12), 4));
	expect_dropped(_metadata, ids);
}

/* Files and processes */

/* The device serves the mirrored process, whichever process asks. */
static int life_heir(void)
{
	int id = atomic_load(&shared->id);

	fill(area, PAGES, 4);
	if (mn_mirror(dev, area, page, how) != -EPERM)
		return 1;
	if (mn_read(dev, id, area) != 1 || mn_write(dev, id, nth(1), 6))
		return 2;
	if (*nth(1) != 4)
		return 3;
	if (munmap(area, PAGES * page))
		return 4;
	if (mn_peek(dev, id, area) != 1 || mn_peek(dev, id, nth(1)) != 6)
		return 5;
	return mn_unmirror(dev, atomic_load(&shared->other)) ? 6 : 0;
}

TEST_F_TIMEOUT(threads, child_uses_file_of_parent, LIMIT)
{
	int id = mirror(0, PAGES);
	int other = mirror(0, PAGES);

	ASSERT_GT(id, 0);
	ASSERT_GT(other, 0);
	atomic_store(&shared->id, id);
	atomic_store(&shared->other, other);
	EXPECT_EQ(0, reap(fork_child(life_heir)));
	EXPECT_EQ(1, *nth(0));
	EXPECT_EQ(6, *nth(1));
	EXPECT_EQ(-ENOENT, mn_unmirror(dev, other));
	EXPECT_EQ(0, sound(dev, id));
	EXPECT_TRUE(paired(dev, id));
}

static int life_mirrored(void)
{
	if (!be_mirrored())
		return 1;
	advance(MIRRORED);
	return reached(GO_ON) ? 0 : 1;
}

/* A file that two processes map is truncated: both devices lose it. */
TEST_F_TIMEOUT(threads, truncate_for_two, LIMIT)
{
	struct child child;
	int fd, id, i;

	area = map_file(&fd, PAGES);
	ASSERT_NE(MAP_FAILED, area);
	ASSERT_EQ(0, adopt(&child, life_mirrored));
	id = mirror(0, PAGES);
	ASSERT_GT(id, 0);
	EXPECT_EQ(0, mn_write(dev, id, area, 8));
	EXPECT_EQ(8, mn_read(child.fd, child.id, area));
	EXPECT_EQ(0, read_all(dev, id, area, PAGES));

	ASSERT_EQ(0, ftruncate(fd, page));
	EXPECT_EQ(8, mn_read(child.fd, child.id, area));
	for (i = 1; i < PAGES; i++) {
		EXPECT_EQ(-ENODATA, mn_peek(dev, id, nth(i)));
		EXPECT_EQ(-ENODATA, mn_peek(child.fd, child.id, nth(i)));
	}
	EXPECT_EQ(-EFAULT, mn_read(dev, id, nth(1)));
	EXPECT_EQ(-EFAULT, mn_read(child.fd, child.id, nth(1)));
	EXPECT_EQ(0, sound(child.fd, child.id));
	EXPECT_TRUE(paired(child.fd, child.id));
	EXPECT_TRUE(paired(dev, id));
	advance(GO_ON);
	EXPECT_EQ(0, reap(child.pid));
}

/* A stack for a child in the same address space */
static max_align_t clone_stack[4096];

static int clone_mirror(void *arg)
{
	int id = mirror(4, 4);

	atomic_store(&shared->other, id);
	if (id > 0 && mn_read(dev, id, nth(4)) == 1 && !mn_write(dev, id, nth(5), 2))
		return 0;
	return 1;
}

/* A child of vfork() is another process, but not another address space. */
TEST_F_TIMEOUT(threads, vfork_shares_mirrors, LIMIT)
{
	struct test_mmu_notifier_counters now;
	int id = mirror(0, PAGES);
	pid_t pid;

	ASSERT_GT(id, 0);
	ASSERT_EQ(0, read_all(dev, id, area, PAGES));
	pid = clone(clone_mirror, clone_stack + ARRAY_SIZE(clone_stack),
		    CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	ASSERT_GT(pid, 0);
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(2, *nth(5));
	EXPECT_EQ(1, mn_peek(dev, id, area));
	ASSERT_EQ(0, mn_counters(dev, id, &now));
	EXPECT_EQ(0, now.releases);
	EXPECT_EQ(0, now.interval.events[TEST_MMU_NOTIFIER_RELEASE]);
	EXPECT_EQ(2, mn_read(dev, atomic_load(&shared->other), nth(5)));
	EXPECT_EQ(0, mn_unmirror(dev, atomic_load(&shared->other)));
	EXPECT_TRUE(paired(dev, id));
}

/* No exit() here, which would run what belongs to the process it shares with. */
static int clone_wait(void *arg)
{
	_exit(reached(LEAVE) ? 0 : 1);
}

static int life_with_clone(void)
{
	pid_t pid;

	if (!be_mirrored())
		return 1;
	pid = clone(clone_wait, clone_stack + ARRAY_SIZE(clone_stack),
		    CLONE_VM | SIGCHLD, NULL);
	atomic_store(&shared->pid, pid);
	advance(MIRRORED);
	return reached(GO_ON) ? 0 : 1;
}

/* The address space ends with its last user, not with the opener. */
TEST_F_TIMEOUT(threads, opener_leaves_others, LIMIT)
{
	struct child child;

	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, adopt(&child, life_with_clone));
	advance(GO_ON);
	EXPECT_EQ(0, reap(child.pid));
	EXPECT_EQ(1, mn_peek(child.fd, child.id, area));
	EXPECT_EQ(0, mn_write(child.fd, child.id, nth(1), 3));
	EXPECT_EQ(3, mn_read(child.fd, child.id, nth(1)));
	EXPECT_EQ(0, sound(child.fd, child.id));
	advance(LEAVE);
	EXPECT_EQ(0, reap(atomic_load(&shared->pid)));
	expect_ended(_metadata, child.fd, child.id);
	EXPECT_EQ(0, mn_unmirror(child.fd, child.id));
}

/* The end of an address space */

TEST_F_TIMEOUT(threads, exit_ends_mirror, LIMIT)
{
	struct child child;

	ASSERT_EQ(0, adopt(&child, life_mirrored));
	EXPECT_EQ(1, mn_peek(child.fd, child.id, area));
	advance(GO_ON);
	EXPECT_EQ(0, reap(child.pid));
	expect_ended(_metadata, child.fd, child.id);
	EXPECT_EQ(0, mn_unmirror(child.fd, child.id));
	EXPECT_EQ(-ENOENT, mn_unmirror(child.fd, child.id));
	EXPECT_EQ(0, close(child.fd));
}

/* As before, but the process goes on with another address space. */
TEST_F_TIMEOUT(threads, exec_ends_mirror, LIMIT)
{
	struct child child;

	ASSERT_EQ(0, adopt(&child, life_exec));
	EXPECT_EQ(1, mn_peek(child.fd, child.id, area));
	advance(GO_ON);
	EXPECT_EQ(-EPERM, exec_report());
	expect_ended(_metadata, child.fd, child.id);
	/* The last reference is dropped while the mirror still exists. */
	EXPECT_EQ(0, close(child.fd));
	EXPECT_EQ(128 + SIGKILL, kill_and_reap(child.pid));
}

/* Two processes have the file, and the one that is not mirrored stays longer. */
static int life_fork_heir(void)
{
	if (!be_mirrored())
		return 1;
	switch (fork()) {
	case -1:
		return 1;
	case 0:
		if (!reached(LEAVE))
			_exit(1);
		if (mn_read(shared->fd, shared->id, area) != -ESRCH)
			_exit(2);
		_exit(mn_unmirror(shared->fd, shared->id) ? 3 : 0);
	}
	advance(MIRRORED);
	return reached(GO_ON) ? 0 : 1;
}

TEST_F_TIMEOUT(threads, file_outlives_process, LIMIT)
{
	struct child child;
	int status;

	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, adopt(&child, life_fork_heir));
	EXPECT_EQ(0, close(child.fd));
	advance(GO_ON);
	EXPECT_EQ(0, reap(child.pid));
	advance(LEAVE);
	ASSERT_TRUE(mn_until(waitpid(-1, &status, WNOHANG) > 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

/* Vice versa: the mirror is gone, and the process goes on. */
static int life_close_first(void)
{
	int fd, id, i;

	for (i = 0; i < 3; i++) {
		fd = open(MN_DEVICE, O_RDWR);
		id = mn_mirror(fd, area, PAGES * page, how);
		if (id < 0 || read_all(fd, id, area, PAGES) || close(fd))
			return 1;
		if (madvise(area, 4 * page, MADV_DONTNEED) ||
		    reap(fork_child(life_nothing)))
			return 2;
	}
	return munmap(area, PAGES * page) ? 3 : 0;
}

TEST_F_TIMEOUT(threads, file_closed_before_exit, LIMIT)
{
	EXPECT_EQ(0, reap(fork_child(life_close_first)));
}

static int do_churn_reads(struct worker *w)
{
	int i, byte;

	for (i = 0; !atomic_load(&stop); i++) {
		byte = mn_read(w->fd, w->id, nth(i % PAGES));
		if (byte < 0)
			return byte;
		atomic_fetch_add(&progress, 1);
	}
	return 0;
}

/* Several threads are busy with the device when all of them have to end. */
static int life_busy(void)
{
	struct worker *w;

	if (!be_mirrored())
		return 1;
	w = spawn(do_churn_reads, atomic_load(&shared->id), NULL, 0);
	w->fd = atomic_load(&shared->fd);
	go(w);
	w = go(spawn(do_churn_memory, 0, NULL, 0));
	w = spawn(do_churn_mirrors, 0, area, 0);
	w->rounds = 1000000;
	go(w);
	advance(MIRRORED);
	if (!reached(GO_ON) || !mn_until(atomic_load(&progress) > 20))
		return 1;
	return done(w) ? 1 : 0;
}

TEST_F_TIMEOUT(threads, exit_with_threads, LIMIT)
{
	struct child child;
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, adopt(&child, life_busy));
		advance(GO_ON);
		EXPECT_EQ(0, reap(child.pid));
		expect_ended(_metadata, child.fd, child.id);
		EXPECT_EQ(0, i % 2 ? 0 : mn_unmirror(child.fd, child.id));
		EXPECT_EQ(0, close(child.fd));
	}
}

/*
 * A thread is in a section that the device holds open. Ending does not need the
 * consent of the device.
 */
static int life_in_section(void)
{
	struct worker *w = spawn(do_dontneed, 0, area, PAGES);

	if (!be_mirrored() || !block(shared->fd, shared->id))
		return 1;
	go(w);
	if (!mn_until(mn_blocked(shared->fd, shared->id) == 1))
		return 1;
	advance(MIRRORED);
	return reached(GO_ON) ? 7 : 1;
}

static void end_in_section(struct __test_metadata *_metadata, int signal)
{
	struct child child;
	long before;

	ASSERT_EQ(0, adopt(&child, life_in_section));
	EXPECT_EQ(1, mn_blocked(child.fd, child.id));
	before = told(child.fd, child.id, TEST_MMU_NOTIFIER_CLEAR);
	if (signal)
		kill(child.pid, signal);
	else
		advance(GO_ON);
	/* What is held open is counted when it goes on. */
	EXPECT_TRUE(mn_until(told(child.fd, child.id, TEST_MMU_NOTIFIER_CLEAR) > before));
	/* Its end is a section for intervals, which is held open again. */
	EXPECT_TRUE(unblock(child.fd, child.id));
	EXPECT_EQ(signal ? 128 + signal : 7, reap(child.pid));
	expect_ended(_metadata, child.fd, child.id);
	EXPECT_EQ(0, mn_unmirror(child.fd, child.id));
}

TEST_F_TIMEOUT(threads, exit_in_section, LIMIT)
{
	end_in_section(_metadata, 0);
}

TEST_F_TIMEOUT(threads, kill_in_section, LIMIT)
{
	end_in_section(_metadata, SIGKILL);
}

/*
 * Exit is blocked in the callback of an interval. A device page fault waits for
 * it and finds the address space gone. Unsubscribing waits too, and unblocks
 * it.
 */
static int life_block_exit(void)
{
	if (!be_mirrored() || !block(shared->fd, shared->id))
		return 1;
	advance(MIRRORED);
	return reached(GO_ON) ? 0 : 1;
}

TEST_F_TIMEOUT(threads, unmirror_during_exit, LIMIT)
{
	struct worker *fault;
	struct child child;
	int err;

	ASSERT_EQ(0, adopt(&child, life_block_exit));
	fault = spawn(do_write, child.id, area, 1);
	fault->fd = child.fd;
	advance(GO_ON);
	if (how & INTERVALS) {
		ASSERT_TRUE(mn_until(mn_blocked(child.fd, child.id) == 1));
		/* No page is freed before the device was called. */
		EXPECT_EQ(1, mn_read(child.fd, child.id, area));
		EXPECT_EQ(0, sound(child.fd, child.id));
		EXPECT_EQ(0, waitpid(child.pid, NULL, WNOHANG));
		go(fault);
	}
	EXPECT_EQ(0, mn_unmirror(child.fd, child.id));
	EXPECT_EQ(0, reap(child.pid));
	if (!(how & INTERVALS))
		go(fault);
	err = join(fault);
	EXPECT_TRUE(err == -ESRCH || err == -ENOENT);
}

/* Both sides at the same moment, in any order */
TEST_F_TIMEOUT(threads, unmirror_races_exit, LIMIT)
{
	struct child child;
	int i, yields;

	start_random(_metadata);
	for (i = 0; i < 12; i++) {
		ASSERT_EQ(0, adopt(&child, life_mirrored));
		advance(GO_ON);
		for (yields = pick(60); yields; yields--)
			EXPECT_EQ(0, sound(child.fd, child.id));
		if (i % 2)
			EXPECT_EQ(0, mn_unmirror(child.fd, child.id));
		EXPECT_EQ(0, close(child.fd));
		EXPECT_EQ(0, reap(child.pid));
	}
}

/* Registration, and events that disturb it */

static void scatter(struct __test_metadata *_metadata)
{
	char *addr = map(MANY_VMAS);
	int i;

	ASSERT_NE(MAP_FAILED, addr);
	fill(addr, MANY_VMAS, 1);
	for (i = 0; i < MANY_VMAS; i += 2)
		ASSERT_EQ(0, mprotect(addr + i * page, page, PROT_READ));
}

static atomic_int alarms;

static void on_alarm(int signal)
{
	atomic_fetch_add(&alarms, 1);
}

/* The first registration of an address space passes through all its VMAs. */
static int life_alarmed(void)
{
	struct itimerval often = {
		.it_interval.tv_usec = 100,
		.it_value.tv_usec = 100,
	};
	struct sigaction action = { .sa_handler = on_alarm };
	int fd = open(MN_DEVICE, O_RDWR);
	int i, id, err = 0;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (i = 0; i < 12 && !err; i++) {
		id = mn_mirror(fd, area, PAGES * page, how);
		err = id < 0 ? id : mn_unmirror(fd, id);
	}
	if (err)
		return -err;
	return mn_until(atomic_load(&alarms)) ? 0 : ETIME;
}

TEST_F_TIMEOUT(threads, signals_during_mirror, LIMIT)
{
	int i;

	scatter(_metadata);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, reap(fork_child(life_alarmed)));
}

static int life_mirror_for_ever(void)
{
	int fd = open(MN_DEVICE, O_RDWR);
	int id;

	advance(MIRRORED);
	for (;;) {
		id = mn_mirror(fd, area, PAGES * page, how);
		/* Per-CPU allocations fail when the task is killed. */
		if (id < 0 && id != -ENOMEM)
			return -id;
		if (id > 0 && mn_unmirror(fd, id))
			return 1;
	}
}

TEST_F_TIMEOUT(threads, kill_during_mirror, LIMIT)
{
	int i, id, yields;
	pid_t pid;

	start_random(_metadata);
	scatter(_metadata);
	for (i = 0; i < 8; i++) {
		advance(0);
		pid = fork_child(life_mirror_for_ever);
		EXPECT_TRUE(reached(MIRRORED));
		for (yields = pick(i % 2 ? 20 : 400); yields; yields--)
			sched_yield();
		EXPECT_EQ(128 + SIGKILL, kill_and_reap(pid));
	}
	id = mirror(0, PAGES);
	ASSERT_GT(id, 0);
	EXPECT_EQ(1, mn_read(dev, id, area));
}

/*
 * A process is stuck in a section. Neither other processes nor the rest of this
 * one are.
 */
static int life_stuck(void)
{
	struct worker *w = spawn(do_munmap, 0, area, 4);
	int fd = open(MN_DEVICE, O_RDWR);
	int id, other;

	id = mn_mirror(fd, area, 4 * page, how);
	other = mn_mirror(fd, nth(8), 4 * page, how);
	if (id < 0 || other < 0 || !block(fd, id) ||
	    madvise(nth(8), 4 * page, MADV_DONTNEED))
		return 1;
	shared->fd = fd;
	shared->id = id;
	go(w);
	if (!mn_until(mn_blocked(fd, id) == 1))
		return 2;
	advance(MIRRORED);
	if (!reached(GO_ON))
		return 3;
	*nth(8) = 5;
	*nth(12) = 6;
	if (mn_read(fd, other, nth(8)) != 5 || mn_write(fd, other, nth(9), 7) ||
	    *nth(9) != 7)
		return 4;
	advance(ANSWERED);
	return join(w) ? 5 : 0;
}

static int life_short(void)
{
	return be_mirrored() ? 0 : 1;
}

static void live_well(struct __test_metadata *_metadata)
{
	struct child child;
	int i, id;

	for (i = 0; i < 3; i++) {
		id = mirror(0, PAGES);
		EXPECT_EQ(0, read_all(dev, id, area, PAGES));
		EXPECT_EQ(0, change_mapping(0));
		EXPECT_EQ(0, mn_unmirror(dev, id));
	}
	id = mirror(0, PAGES);
	EXPECT_GT(id, 0);
	EXPECT_EQ(0, close(dev));
	dev = open(MN_DEVICE, O_RDWR);
	EXPECT_EQ(0, reap(fork_child(life_short)));
	ASSERT_EQ(0, adopt(&child, life_exec));
	advance(GO_ON);
	EXPECT_EQ(-EPERM, exec_report());
	expect_ended(_metadata, child.fd, child.id);
	EXPECT_EQ(0, close(child.fd));
	EXPECT_EQ(128 + SIGKILL, kill_and_reap(child.pid));
}

TEST_F_TIMEOUT(threads, stuck_process_delays_nobody, LIMIT)
{
	struct shared *of_stuck = shared;
	struct child stuck;

	ASSERT_EQ(0, adopt(&stuck, life_stuck));
	/* The other children talk elsewhere. */
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	live_well(_metadata);
	EXPECT_EQ(1, mn_blocked(stuck.fd, stuck.id));

	shared = of_stuck;
	advance(GO_ON);
	EXPECT_TRUE(reached(ANSWERED));
	EXPECT_EQ(1, mn_blocked(stuck.fd, stuck.id));
	EXPECT_TRUE(unblock(stuck.fd, stuck.id));
	EXPECT_EQ(0, reap(stuck.pid));
	expect_ended(_metadata, stuck.fd, stuck.id);
}

/* Memory is taken from a process that has been killed and is still there */

/*
 * Its memory: the area, which two mirrors cover, and much more outside. A page
 * that nobody can access keeps the two from becoming one VMA.
 */
static bool be_large(void)
{
	char *outside = map(OUTSIDE + 1);
	int other;

	if (outside == MAP_FAILED ||
	    mprotect(outside + OUTSIDE * page, page, PROT_NONE))
		return false;
	fill(outside, OUTSIDE, 1);
	fill(area, PAGES, 1);
	if (!be_mirrored())
		return false;
	/*
	 * Later, and so called before the one that is going to decline if it is
	 * on the list, and after it if it is an interval.
	 */
	other = mn_mirror(shared->fd, area, PAGES * page, how);
	if (other < 0 || read_all(shared->fd, other, area, PAGES))
		return false;
	atomic_store(&shared->other, other);
	return true;
}

static int life_large(void)
{
	if (!be_large())
		return 1;
	advance(MIRRORED);
	return life_wait();
}

/*
 * Pages that a process has in memory. Of the files that tell, this one counts
 * them; others add up approximate counts of each CPU.
 */
static long resident(pid_t pid)
{
	char path[64], line[128];
	long kb = -EIO;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	file = fopen(path, "r");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Rss: %ld", &kb) == 1)
			break;
	fclose(file);
	return kb < 0 ? kb : kb * 1024 / (long)page;
}

/* From now on it stops when it has been killed, before its memory is freed. */
static int hold_at_exit(pid_t pid)
{
	return ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEEXIT) ? -errno : 0;
}

static bool held(pid_t pid)
{
	int status;

	return mn_until(waitpid(pid, &status, WNOHANG | __WALL) == pid) &&
	       status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8);
}

static int let_go(pid_t pid)
{
	if (ptrace(PTRACE_CONT, pid, NULL, NULL))
		return -errno;
	return reap(pid);
}

static int mrelease(int pidfd)
{
	return syscall(__NR_process_mrelease, pidfd, 0) ? -errno : 0;
}

/* What one mirror declined is left alone; everything else is gone. */
static void expect_declined(struct __test_metadata *_metadata,
			    const struct child *child, int other)
{
	long left = resident(child->pid);

	EXPECT_LE(1, declined(child->fd, child->id));
	EXPECT_EQ(0, declined(child->fd, other));
	EXPECT_LE(PAGES, left);
	EXPECT_GE(OUTSIDE / 8, left);
	EXPECT_EQ(1, mn_peek(child->fd, child->id, area));
	EXPECT_EQ(0, sound(child->fd, child->id));
	EXPECT_EQ(0, sound(child->fd, other));
	EXPECT_TRUE(paired(child->fd, child->id));
	EXPECT_TRUE(paired(child->fd, other));
	/* Not stuck, and for reading that is there only. */
	EXPECT_LE(0, mn_read(child->fd, other, nth(1)));
}

static void expect_reaped(struct __test_metadata *_metadata,
			  const struct child *child, int other)
{
	EXPECT_EQ(-ENODATA, mn_peek(child->fd, child->id, area));
	EXPECT_EQ(-ENODATA, mn_peek(child->fd, other, area));
	/* What has been reaped is not filled again. */
	EXPECT_EQ(-EFAULT, mn_read(child->fd, child->id, area));
	EXPECT_EQ(-EFAULT, mn_read(child->fd, other, area));
	EXPECT_TRUE(paired(child->fd, child->id));
	EXPECT_TRUE(paired(child->fd, other));
	EXPECT_EQ(128 + SIGKILL, let_go(child->pid));
	expect_ended(_metadata, child->fd, child->id);
	expect_ended(_metadata, child->fd, other);
	EXPECT_EQ(0, mn_unmirror(child->fd, child->id));
	EXPECT_EQ(0, mn_unmirror(child->fd, other));
}

/* It has been killed, and one of its mirrors declines. Returns a file descriptor of it. */
static int kill_declining(struct __test_metadata *_metadata, struct child *child)
{
	int pidfd;

	ASSERT_EQ(0, adopt(child, life_large));
	pidfd = pidfd_open_(child->pid);
	ASSERT_GE(pidfd, 0);
	ASSERT_EQ(0, hold_at_exit(child->pid));
	ASSERT_EQ(0, mn_behave(child->fd, child->id, TEST_MMU_NOTIFIER_DECLINE, 0));
	ASSERT_EQ(0, kill(child->pid, SIGKILL));
	ASSERT_TRUE(held(child->pid));
	return pidfd;
}

TEST_F_TIMEOUT(threads, mrelease_declined, LIMIT)
{
	struct child child;
	int pidfd = kill_declining(_metadata, &child);
	int other = atomic_load(&shared->other);

	EXPECT_LT(OUTSIDE, resident(child.pid));
	EXPECT_EQ(-EAGAIN, mrelease(pidfd));
	expect_declined(_metadata, &child, other);
	EXPECT_EQ(-EAGAIN, mrelease(pidfd));
	EXPECT_TRUE(unblock(child.fd, child.id));
	EXPECT_EQ(0, mrelease(pidfd));
	expect_reaped(_metadata, &child, other);
}

/* The OOM reaper, which takes two seconds to begin, and so fewer variants */
FIXTURE(oom) {
};

FIXTURE_VARIANT(oom) {
	uint32_t how;
};

FIXTURE_VARIANT_ADD(oom, hlist) {
	.how = TEST_MMU_NOTIFIER_HLIST,
};

FIXTURE_VARIANT_ADD(oom, interval) {
	.how = TEST_MMU_NOTIFIER_INTERVAL,
};

#define OOM_GROUP	"mmu_notifier_threads"

/* The root of the hierarchy of control groups, mounted nowhere, or -1 */
static int groups;

static int put(const char *name, const char *text)
{
	return mn_write_text(groups, name, text);
}

static int open_groups(void)
{
	int fd = syscall(__NR_fsopen, "cgroup2", 0);
	int root = -1;

	if (fd < 0)
		return -1;
	if (!syscall(__NR_fsconfig, fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		root = syscall(__NR_fsmount, fd, 0, 0);
	close(fd);
	return root;
}

FIXTURE_SETUP(oom)
{
	how = variant->how;
	setup(_metadata);
	groups = open_groups();
}

FIXTURE_TEARDOWN(oom)
{
	teardown();
	if (groups >= 0)
		unlinkat(groups, OOM_GROUP, AT_REMOVEDIR);
}

/* It is killed for lack of memory of its own cgroup. */
static int life_greedy(void)
{
	if (put(OOM_GROUP "/cgroup.procs", "0") || !be_large())
		return 1;
	advance(MIRRORED);
	if (!reached(GO_ON))
		return 2;
	for (;;)
		fill(map(256), 256, 1);
}

TEST_F_TIMEOUT(oom, reaper_declined, LIMIT)
{
	struct child child;
	int other;

	if (groups < 0 || put("cgroup.subtree_control", "+memory") ||
	    (mkdirat(groups, OOM_GROUP, 0700) && errno != EEXIST) ||
	    put(OOM_GROUP "/memory.max", "16M"))
		SKIP(return, "no control group for memory");
	/* There may be no swap to be accounted for. */
	put(OOM_GROUP "/memory.swap.max", "0");
	ASSERT_EQ(0, adopt(&child, life_greedy));
	other = atomic_load(&shared->other);
	ASSERT_EQ(0, hold_at_exit(child.pid));
	ASSERT_EQ(0, mn_behave(child.fd, child.id, TEST_MMU_NOTIFIER_DECLINE, 0));
	advance(GO_ON);
	ASSERT_TRUE(held(child.pid));

	ASSERT_TRUE(mn_until(declined(child.fd, child.id)));
	/* The memory that it frees shows whether it is done. */
	EXPECT_TRUE(mn_until(resident(child.pid) <= OUTSIDE / 8));
	expect_declined(_metadata, &child, other);
	/* It tries for a second, so there is no time to lose. */
	EXPECT_TRUE(unblock(child.fd, child.id));
	EXPECT_TRUE(mn_until(mn_peek(child.fd, child.id, area) == -ENODATA &&
			     mn_peek(child.fd, other, area) == -ENODATA));
	expect_reaped(_metadata, &child, other);
}

/*
 * What the kernel allocates for a subscribed process is charged to its group;
 * the per-CPU part is only allocated for hlist subscribers.
 */

#define CHARGED		64
/* What each of them costs at least, in bytes; per CPU in each of two */
#define CHARGED_SLAB	128
#define CHARGED_PERCPU	512

FIXTURE(memory) {
};

FIXTURE_VARIANT(memory) {
	uint32_t how;
};

FIXTURE_VARIANT_ADD(memory, hlist) {
	.how = TEST_MMU_NOTIFIER_HLIST,
};

FIXTURE_VARIANT_ADD(memory, interval) {
	.how = TEST_MMU_NOTIFIER_INTERVAL,
};

FIXTURE_SETUP(memory)
{
	how = variant->how;
	setup(_metadata);
	groups = open_groups();
}

FIXTURE_TEARDOWN(memory)
{
	teardown();
	if (groups >= 0)
		unlinkat(groups, OOM_GROUP, AT_REMOVEDIR);
}

/* A line of memory.stat, or -1 */
static long charged(const char *name)
{
	int fd = openat(groups, OOM_GROUP "/memory.stat", O_RDONLY | O_CLOEXEC);
	char text[8192], *line;
	ssize_t length;
	char wanted[64];

	if (fd < 0)
		return -1;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return -1;
	text[length] = '\0';
	snprintf(wanted, sizeof(wanted), "\n%s ", name);
	line = strstr(text, wanted);
	return line ? atol(line + strlen(wanted)) : -1;
}

/*
 * What it is when nobody allocates: the kernel sums up every two seconds, or
 * when much has changed.
 */
static long settled(const char *name)
{
	double since = mn_now();
	long before = -1, now;

	while (mn_now() - since < 5) {
		now = charged(name);
		if (now != before)
			since = mn_now();
		before = now;
		poll(NULL, 0, 100);
	}
	return before;
}

/* Pipes that nothing is written to: to close the end for writing opens a gate. */
static int gates[2][2];

static bool pass_gate(int number)
{
	char byte;

	return !read(gates[number][0], &byte, 1);
}

static int life_charged(void)
{
	int fd = open(MN_DEVICE, O_RDWR);

	atomic_fetch_add(&shared->written, 1);
	if (fd < 0 || !pass_gate(0) || mn_mirror(fd, area, page, how) < 0)
		return 1;
	atomic_fetch_add(&shared->written, 1);
	return !pass_gate(1);
}

/* Everything that a process needs is allocated before the first gate opens. */
static int life_of_group(void)
{
	pid_t pids[CHARGED];
	int i, failed = 0;

	if (put(OOM_GROUP "/cgroup.procs", "0"))
		return 1;
	close(gates[0][1]);
	close(gates[1][1]);
	for (i = 0; i < CHARGED; i++)
		pids[i] = fork_child(life_charged);
	for (i = 0; i < CHARGED; i++)
		failed |= reap(pids[i]);
	return failed;
}

static bool counted(unsigned long number)
{
	return mn_until(atomic_load(&shared->written) >= number);
}

TEST_F_TIMEOUT(memory, is_charged, LIMIT)
{
	long slab, percpu, least = 0;
	pid_t pid;

	if (groups < 0 || put("cgroup.subtree_control", "+memory") ||
	    (mkdirat(groups, OOM_GROUP, 0700) && errno != EEXIST) ||
	    charged("percpu") < 0)
		SKIP(return, "no control group for memory");
	ASSERT_EQ(0, pipe(gates[0]));
	ASSERT_EQ(0, pipe(gates[1]));
	pid = fork_child(life_of_group);
	ASSERT_TRUE(counted(CHARGED));
	slab = settled("slab_unreclaimable");
	percpu = settled("percpu");
	if (how & TEST_MMU_NOTIFIER_HLIST)
		least = CHARGED * CHARGED_PERCPU;

	close(gates[0][1]);
	ASSERT_TRUE(counted(2 * CHARGED));
	EXPECT_TRUE(mn_until(charged("slab_unreclaimable") >=
			     slab + CHARGED * CHARGED_SLAB));
	EXPECT_TRUE(mn_until(charged("percpu") >= percpu + least));
	if (!least)
		EXPECT_GT(percpu + CHARGED * CHARGED_PERCPU, charged("percpu"));
	close(gates[1][1]);
	EXPECT_EQ(0, reap(pid));
}

/*
 * What the trace says, recorded in a buffer of tracefs of this test alone
 */

#define NO_TRACE	"no instances of tracefs"

static char trace_path[64];
static int traces;

static bool open_trace(void)
{
	snprintf(trace_path, sizeof(trace_path),
		 "/sys/kernel/tracing/instances/mmu_notifier_%d", getpid());
	if (mkdir(trace_path, 0700))
		return false;
	traces = open(trace_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return traces >= 0;
}

static int close_trace(void)
{
	close(traces);
	return rmdir(trace_path) ? -errno : 0;
}

static int record(const char *events, const char *on)
{
	char path[96];

	snprintf(path, sizeof(path), "events/%s/enable", events);
	return mn_write_text(traces, path, on);
}

/* From now on only what this process does by its first thread */
static int record_own(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	return mn_write_text(traces, "set_event_pid", pid);
}

static FILE *open_records(void)
{
	int fd = openat(traces, "trace", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? NULL : fdopen(fd, "r");
}

/* Leaves the first record that has both. */
static bool find_record(const char *event, const char *words, char *line, size_t size)
{
	FILE *records = open_records();
	bool found = false;

	while (records && !found && fgets(line, size, records))
		found = strstr(line, event) && strstr(line, words);
	if (records)
		fclose(records);
	return found;
}

static bool recorded(const char *event, const char *words)
{
	char line[1024];

	return find_record(event, words, line, sizeof(line));
}

static bool recorded_section(const char *event, const char *what, char *line, size_t size)
{
	char words[128];

	snprintf(words, sizeof(words), "start=%#lx end=%#lx event=%s", (long)nth(0),
		 (long)nth(4), what);
	return find_record(event, words, line, size);
}

TEST_F_TIMEOUT(threads, trace_of_sections, LIMIT)
{
	char line[1024] = "", interval[64], *mm;

	if (!open_trace())
		SKIP(return, NO_TRACE);
	EXPECT_EQ(0, record_own());
	EXPECT_EQ(0, record("mmu_notifier", "1"));
	EXPECT_LT(0, mirror(0, 4));
	EXPECT_EQ(0, madvise(nth(0), 4 * page, MADV_DONTNEED));
	EXPECT_EQ(0, munmap(nth(0), 4 * page));
	EXPECT_EQ(0, record("mmu_notifier", "0"));

	EXPECT_TRUE(recorded_section("mmu_notifier_end:", "unmap blockable=1", line,
				     sizeof(line)));
	EXPECT_TRUE(recorded_section("mmu_notifier_start:", "unmap blockable=1 result=0", line,
				     sizeof(line)));
	EXPECT_TRUE(recorded_section("mmu_notifier_start:", "clear blockable=1 result=0", line,
				     sizeof(line)));
	mm = strstr(line, " mm=");
	EXPECT_NE(NULL, mm);
	if (mm)
		mm[1 + strcspn(mm + 1, " ")] = '\0';
	if (mm && how & TEST_MMU_NOTIFIER_HLIST)
		EXPECT_TRUE(recorded("mmu_notifier_register:", mm));
	snprintf(interval, sizeof(interval), "start=%#lx last=%#lx", (long)nth(0),
		 (long)nth(4) - 1);
	if (mm && how & INTERVALS) {
		EXPECT_TRUE(recorded("mmu_interval_insert:", mm));
		EXPECT_TRUE(recorded("mmu_interval_insert:", interval));
	}
	EXPECT_EQ(0, close_trace());
}

TEST_F_TIMEOUT(threads, trace_of_decline, LIMIT)
{
	char declined[64], callback[32];
	struct child child;
	int pidfd;

	if (!open_trace())
		SKIP(return, NO_TRACE);
	snprintf(declined, sizeof(declined), "blockable=0 result=%d\n", -EAGAIN);
	snprintf(callback, sizeof(callback), "ns result=%d\n", -EAGAIN);
	pidfd = kill_declining(_metadata, &child);
	EXPECT_EQ(0, record_own());
	EXPECT_EQ(0, record("mmu_notifier", "1"));
	EXPECT_EQ(-EAGAIN, mrelease(pidfd));
	EXPECT_EQ(0, record("mmu_notifier", "0"));

	EXPECT_TRUE(recorded("mmu_notifier_start:", declined));
	EXPECT_TRUE(recorded("mmu_notifier_start:", "blockable=0 result=0\n"));
	EXPECT_TRUE(recorded("mmu_notifier_callback:", callback));
	EXPECT_EQ(0, close_trace());
	EXPECT_TRUE(unblock(child.fd, child.id));
	EXPECT_EQ(128 + SIGKILL, let_go(child.pid));
}

/* Whether it waits where it cannot be interrupted, as page faults of the device do */
static bool waits(struct worker *w)
{
	char path[64], text[64] = "", *state;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&w->tid));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	state = strrchr(text, ')');
	return state && state[2] == 'D';
}

/* Only read_begin() is in the trace, and not how a driver waits by itself. */
TEST_F_TIMEOUT(threads, trace_of_wait, LIMIT)
{
	char line[1024] = "", *duration;
	struct worker *change, *reader;
	int holds, looks;

	if (!open_trace())
		SKIP(return, NO_TRACE);
	change = spawn(do_dontneed, 0, area, 4);
	reader = spawn(do_read, 0, nth(0), 1);
	holds = mirror(3, 1);
	looks = mirror(0, 4);
	ASSERT_GT(holds, 0);
	ASSERT_GT(looks, 0);
	ASSERT_TRUE(block(dev, holds));
	go(change);
	ASSERT_TRUE(mn_until(mn_blocked(dev, holds) == 1));
	EXPECT_EQ(0, record("mmu_notifier/mmu_interval_wait", "1"));
	reader->id = looks;
	go(reader);
	EXPECT_TRUE(mn_until(waits(reader)));
	EXPECT_TRUE(unblock(dev, holds));
	EXPECT_EQ(0, join(change));
	EXPECT_EQ(0, join(reader));

	EXPECT_EQ(!!(how & INTERVALS),
		  find_record("mmu_interval_wait:", "duration=", line, sizeof(line)));
	duration = strstr(line, "duration=");
	if (duration)
		EXPECT_LT(0, atol(duration + strlen("duration=")));
	EXPECT_EQ(0, close_trace());
}

/*
 * The flags of what the first subscription of a process allocates; whether it arrives is
 * is_charged. What the debug kernel keeps of each ops for good is allocated by the first
 * process of all, and charged to nobody.
 */

static int life_subscribed(void)
{
	int fd = open(MN_DEVICE, O_RDWR);

	return fd < 0 || mn_mirror(fd, area, page, how) < 0;
}

static int life_recorded(void)
{
	return record_own() || record("kmem/kmalloc", "1") ||
	       record("percpu/percpu_alloc_percpu", "1") || life_subscribed();
}

/* By the notifiers, or by SRCU for them; not by the device, whose functions are tmn_... */
static bool is_for_notifiers(const char *line)
{
	const char *site = strstr(line, "call_site=");

	return site && !strstr(site, "=tmn_") &&
	       (strstr(site, "mn_") || strstr(site, "mmu_") || strstr(site, "init_srcu_struct"));
}

TEST_F_TIMEOUT(memory, allocations_are_charged, LIMIT)
{
	/* the structure, its slots, and the domain of SRCU */
	int least = how & TEST_MMU_NOTIFIER_HLIST ? 3 : 2, seen = 0;
	FILE *records;
	char line[1024];

	if (!open_trace())
		SKIP(return, NO_TRACE);
	EXPECT_EQ(0, reap(fork_child(life_subscribed)));
	EXPECT_EQ(0, reap(fork_child(life_recorded)));
	records = open_records();
	EXPECT_NE(NULL, records);
	while (records && fgets(line, sizeof(line), records)) {
		if (!is_for_notifiers(line))
			continue;
		seen++;
		EXPECT_NE(NULL, strstr(line, "ACCOUNT")) {
			TH_LOG("%s", line);
		}
	}
	if (records)
		fclose(records);
	EXPECT_LE(least, seen);
	EXPECT_EQ(0, close_trace());
}

int main(int argc, char **argv)
{
	return mn_harness_run(argc, argv);
}
