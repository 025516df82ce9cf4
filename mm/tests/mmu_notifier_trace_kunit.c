// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KUnit suite of the mmu_notifier: tracepoints
 *
 * Probes record the events of one address space in short words, so that a case
 * can compare them with one string. Other tasks have other address spaces.
 */

#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/kconfig.h>
#include <linux/ktime.h>
#include <linux/mm_types.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/processor.h>
#include <linux/spinlock.h>
#include <linux/sprintf.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/mmu_notifier.h>

#include "mmu_notifier_kunit.h"

/* What was traced for @mm since the last call of trace_said() */
static struct {
	/* Of @said and @length; raw, as probes run with preemption off */
	raw_spinlock_t lock;
	struct mm_struct *mm;
	char said[256];
	size_t length;
	const void *fn;		/* of the last callback */
	unsigned long bytes;	/* that it was called for */
	int result;		/* of it */
	u64 duration;		/* of it, or of the last wait */
} traced = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(traced.lock),
};

static void say(const void *mm, const char *what)
{
	raw_spin_lock(&traced.lock);
	if (mm == traced.mm)
		traced.length += scnprintf(traced.said + traced.length,
					   sizeof(traced.said) - traced.length,
					   "%s%s", traced.length ? " " : "", what);
	raw_spin_unlock(&traced.lock);
}

static void on_register(void *data, const struct mmu_notifier *sub)
{
	say(sub->mm, "register");
}

static void on_unregister(void *data, const struct mmu_notifier *sub)
{
	say(sub->mm, "unregister");
}

static void on_release(void *data, const struct mmu_notifier *sub)
{
	say(sub->mm, "release");
}

static void on_insert(void *data, const struct mmu_interval_notifier *sub)
{
	say(sub->mm, "insert");
}

static void on_remove(void *data, const struct mmu_interval_notifier *sub)
{
	say(sub->mm, "remove");
}

static void on_retry(void *data, const struct mmu_interval_notifier *sub)
{
	say(sub->mm, "retry");
}

static void on_wait(void *data, const struct mmu_interval_notifier *sub,
		    u64 duration)
{
	traced.duration = duration;
	say(sub->mm, "wait");
}

static void on_start(void *data, const struct mmu_notifier_range *range,
		     int result)
{
	say(range->mm, result ? "declined" : "start");
}

static void on_end(void *data, const struct mmu_notifier_range *range)
{
	say(range->mm, "end");
}

static void on_callback(void *data, const void *fn, const struct mm_struct *mm,
			unsigned long start, unsigned long end, u64 duration,
			int result)
{
	if (mm == traced.mm) {
		traced.fn = fn;
		traced.bytes = end - start;
		traced.result = result;
		traced.duration = duration;
	}
	say(mm, result == -EAGAIN ? "declines" : "call");
}

static const char *trace_said(struct kunit *test)
{
	char *said = mn_alloc(test, sizeof(traced.said));

	raw_spin_lock(&traced.lock);
	memcpy(said, traced.said, traced.length);
	traced.length = 0;
	raw_spin_unlock(&traced.lock);
	return said;
}

static struct mn_mm *traced_mm(struct kunit *test)
{
	struct mn_mm *m = mn_mm(test);

	traced.length = 0;
	traced.mm = m->mm;
	return m;
}

/* From the first word to the last */
static void trace_hlist(struct kunit *test)
{
	struct mn_mm *m = traced_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	KUNIT_EXPECT_STREQ(test, trace_said(test), "register");
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, trace_said(test), "call start call end");
	mn_unregister(a);
	KUNIT_EXPECT_STREQ(test, trace_said(test), "release call unregister");
}

static void trace_interval(struct kunit *test)
{
	struct mn_mm *m = traced_mm(test);
	struct mn_int *x = mn_inserted_two(test, m, 'x', 1, 1);

	KUNIT_EXPECT_STREQ(test, trace_said(test), "insert");
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, trace_said(test), "call call start end");
	KUNIT_EXPECT_PTR_EQ(test, traced.fn,
			    (const void *)x->mni.ops->invalidate_finish);
	x->second = false;
	mn_whole_section(m, 1);
	KUNIT_EXPECT_STREQ(test, trace_said(test), "call start end");
	KUNIT_EXPECT_PTR_EQ(test, traced.fn,
			    (const void *)x->mni.ops->invalidate_start);
	mn_whole_section(m, 2);
	KUNIT_EXPECT_STREQ(test, trace_said(test), "start end");
	mn_remove(x);
	KUNIT_EXPECT_STREQ(test, trace_said(test), "remove");
}

/* Those before it get an end, and there is no section. */
static void trace_who_declines(struct kunit *test)
{
	struct mn_mm *m = traced_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');
	struct mn_sub *b = mn_registered(test, m, 'b');

	a->error = -EAGAIN;
	trace_said(test);
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, trace_said(test), "call declines call declined");
	mn_unregister(a);
	mn_unregister(b);
}

static void trace_interval_that_declines(struct kunit *test)
{
	struct mn_mm *m = traced_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);

	x->decline = true;
	trace_said(test);
	KUNIT_EXPECT_EQ(test, mn_whole_section_nonblock(m, 1), -EAGAIN);
	KUNIT_EXPECT_STREQ(test, trace_said(test), "declines declined");
	mn_remove(x);
}

static void trace_put(struct kunit *test)
{
	struct mn_mm *m = traced_mm(test);
	struct mn_sub *p = mn_gotten(test, m);

	mn_put(p);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_STREQ(test, trace_said(test), "register unregister");
}

static void trace_exit(struct kunit *test)
{
	struct mn_mm *m = traced_mm(test);
	struct mn_sub *a = mn_registered(test, m, 'a');

	trace_said(test);
	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, trace_said(test), "release call");
	mn_unregister(a);
	KUNIT_EXPECT_STREQ(test, trace_said(test), "unregister");
}

/* Exit is a section for intervals. */
static void trace_exit_with_interval(struct kunit *test)
{
	struct mn_mm *m = traced_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);

	trace_said(test);
	mn_exit(m);
	KUNIT_EXPECT_STREQ(test, trace_said(test), "call start end");
	mn_remove(x);
	KUNIT_EXPECT_STREQ(test, trace_said(test), "remove");
}

/* These two events name the driver that takes long. */
/* Lasts until the clock has advanced, which may take a tick. */
static int lasting_start(struct mmu_notifier *mn,
			 const struct mmu_notifier_range *range)
{
	u64 began = ktime_get_ns();

	while (ktime_get_ns() == began)
		cpu_relax();
	return mn_on_start(mn, range);
}

static const struct mmu_notifier_ops lasting_ops = {
	.release = mn_on_release,
	.invalidate_range_start = lasting_start,
	.invalidate_range_end = mn_on_end,
};

static void trace_names_function_and_duration(struct kunit *test)
{
	struct mn_mm *m = traced_mm(test);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &lasting_ops);
	struct mmu_notifier_range range;
	u64 began, took;

	mmap_read_lock(m->mm);
	began = ktime_get_ns();
	mn_start(&range, m, 1);
	took = ktime_get_ns() - began;
	KUNIT_EXPECT_PTR_EQ(test, traced.fn, (const void *)lasting_start);
	KUNIT_EXPECT_GT(test, traced.duration, 0);
	KUNIT_EXPECT_LE(test, traced.duration, took);
	mn_end(&range);
	KUNIT_EXPECT_PTR_EQ(test, traced.fn, (const void *)mn_on_end);
	mmap_read_unlock(m->mm);
	mn_unregister(a);
	KUNIT_EXPECT_PTR_EQ(test, traced.fn, (const void *)mn_on_release);
}

static bool accessed(struct mmu_notifier *mn, struct mm_struct *mm,
		     unsigned long start, unsigned long end)
{
	return mn_sub_of(mn)->young;
}

static bool accessed_page(struct mmu_notifier *mn, struct mm_struct *mm,
			  unsigned long address)
{
	return mn_sub_of(mn)->young;
}

static const struct mmu_notifier_ops young_ops = {
	.clear_young = accessed,
	.test_young = accessed_page,
};

static void flush(struct mmu_notifier *mn, struct mm_struct *mm,
		  unsigned long start, unsigned long end)
{
}

static const struct mmu_notifier_ops flush_ops = {
	.arch_invalidate_secondary_tlbs = flush,
};

static void trace_under_page_table_lock(struct kunit *test)
{
	struct mn_mm *m = traced_mm(test);
	struct mn_sub *a = mn_registered_ops(test, m, 'a', &young_ops);
	struct mn_sub *b = mn_registered_ops(test, m, 'b', &flush_ops);
	unsigned long start = mn_address(1), end = mn_address(2);

	a->young = true;
	mmu_notifier_clear_young(m->mm, start, end);
	KUNIT_EXPECT_PTR_EQ(test, traced.fn, (const void *)accessed);
	KUNIT_EXPECT_EQ(test, traced.result, true);
	a->young = false;
	mmu_notifier_test_young(m->mm, start);
	KUNIT_EXPECT_PTR_EQ(test, traced.fn, (const void *)accessed_page);
	KUNIT_EXPECT_EQ(test, traced.bytes, 1);
	KUNIT_EXPECT_EQ(test, traced.result, false);
	mmu_notifier_arch_invalidate_secondary_tlbs(m->mm, start, end);
	KUNIT_EXPECT_PTR_EQ(test, traced.fn, (const void *)flush);
	mn_unregister(a);
	mn_unregister(b);
}

static void trace_retry(struct kunit *test)
{
	struct mn_mm *m = traced_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	unsigned long seq;

	mn_read_begin(x);
	seq = x->seq;
	trace_said(test);
	KUNIT_EXPECT_FALSE(test, mn_int_retry(x, seq));
	KUNIT_EXPECT_STREQ(test, trace_said(test), "");
	mn_whole_section(m, 1);
	trace_said(test);
	KUNIT_EXPECT_TRUE(test, mn_int_retry(x, seq));
	KUNIT_EXPECT_STREQ(test, trace_said(test), "retry");
	mn_remove(x);
}

static void trace_wait(struct kunit *test)
{
	struct mn_mm *m = traced_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 1);
	struct mn_thread *begin;

	mn_read_begin(x);
	KUNIT_ASSERT_TRUE(test, mn_section_begins(section));
	trace_said(test);
	begin = mn_thread_start(test, mn_read_begin, x);
	KUNIT_EXPECT_TRUE(test, mn_thread_blocked(begin));
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	KUNIT_EXPECT_TRUE(test, mn_thread_ends(begin));
	KUNIT_EXPECT_STREQ(test, trace_said(test), "end wait");
	KUNIT_EXPECT_GT(test, traced.duration, 0);
	mn_remove(x);
}

static void trace_no_wait_for_a_section_elsewhere(struct kunit *test)
{
	struct mn_mm *m = traced_mm(test);
	struct mn_int *x = mn_inserted(test, m, 'x', 1, 1);
	struct mn_section *section = mn_section(test, m, MN_MMAP_READ, 2);

	KUNIT_ASSERT_TRUE(test, mn_section_begins(section));
	trace_said(test);
	mn_read_begin(x);
	KUNIT_EXPECT_STREQ(test, trace_said(test), "");
	KUNIT_EXPECT_TRUE(test, mn_section_ends(section));
	mn_remove(x);
}

static int trace_begin(struct kunit_suite *suite)
{
	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		return 0;
	return register_trace_mmu_notifier_register(on_register, NULL) ?:
	       register_trace_mmu_notifier_unregister(on_unregister, NULL) ?:
	       register_trace_mmu_notifier_release(on_release, NULL) ?:
	       register_trace_mmu_notifier_start(on_start, NULL) ?:
	       register_trace_mmu_notifier_end(on_end, NULL) ?:
	       register_trace_mmu_notifier_callback(on_callback, NULL) ?:
	       register_trace_mmu_interval_insert(on_insert, NULL) ?:
	       register_trace_mmu_interval_remove(on_remove, NULL) ?:
	       register_trace_mmu_interval_retry(on_retry, NULL) ?:
	       register_trace_mmu_interval_wait(on_wait, NULL);
}

static void trace_stop(struct kunit_suite *suite)
{
	unregister_trace_mmu_notifier_register(on_register, NULL);
	unregister_trace_mmu_notifier_unregister(on_unregister, NULL);
	unregister_trace_mmu_notifier_release(on_release, NULL);
	unregister_trace_mmu_notifier_start(on_start, NULL);
	unregister_trace_mmu_notifier_end(on_end, NULL);
	unregister_trace_mmu_notifier_callback(on_callback, NULL);
	unregister_trace_mmu_interval_insert(on_insert, NULL);
	unregister_trace_mmu_interval_remove(on_remove, NULL);
	unregister_trace_mmu_interval_retry(on_retry, NULL);
	unregister_trace_mmu_interval_wait(on_wait, NULL);
	tracepoint_synchronize_unregister();
}

static int trace_test_init(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_TRACEPOINTS))
		kunit_skip(test, "the kernel has no tracepoints");
	return mn_test_init(test);
}

static struct kunit_case trace_cases[] = {
	KUNIT_CASE(trace_hlist),
	KUNIT_CASE(trace_interval),
	KUNIT_CASE(trace_who_declines),
	KUNIT_CASE(trace_interval_that_declines),
	KUNIT_CASE(trace_put),
	KUNIT_CASE(trace_exit),
	KUNIT_CASE(trace_exit_with_interval),
	KUNIT_CASE(trace_names_function_and_duration),
	KUNIT_CASE(trace_under_page_table_lock),
	KUNIT_CASE(trace_retry),
	KUNIT_CASE(trace_wait),
	KUNIT_CASE(trace_no_wait_for_a_section_elsewhere),
	{}
};

static struct kunit_suite trace_suite = {
	.name = "mmu_notifier_trace",
	.suite_init = trace_begin,
	.suite_exit = trace_stop,
	.init = trace_test_init,
	.test_cases = trace_cases,
};

kunit_test_suite(trace_suite);

MODULE_DESCRIPTION("KUnit suite of the mmu_notifier: tracepoints");
MODULE_LICENSE("GPL");
