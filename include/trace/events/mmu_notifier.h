/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mmu_notifier

#if !defined(_TRACE_MMU_NOTIFIER_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_MMU_NOTIFIER_H

#include <linux/mmu_notifier.h>
#include <linux/tracepoint.h>

#define MN_EVENTS					\
	EM(MMU_NOTIFY_UNMAP,		"unmap")	\
	EM(MMU_NOTIFY_CLEAR,		"clear")	\
	EM(MMU_NOTIFY_PROTECTION_VMA,	"protect_vma")	\
	EM(MMU_NOTIFY_PROTECTION_PAGE,	"protect_page")	\
	EM(MMU_NOTIFY_SOFT_DIRTY,	"soft_dirty")	\
	EM(MMU_NOTIFY_RELEASE,		"release")	\
	EM(MMU_NOTIFY_MIGRATE,		"migrate")	\
	EM_LAST(MMU_NOTIFY_EXCLUSIVE,	"exclusive")

#undef EM
#undef EM_LAST
#define EM(value, name)		TRACE_DEFINE_ENUM(value);
#define EM_LAST(value, name)	TRACE_DEFINE_ENUM(value);

MN_EVENTS

#undef EM
#undef EM_LAST
#define EM(value, name)		{ value, name },
#define EM_LAST(value, name)	{ value, name }

DECLARE_EVENT_CLASS(mmu_notifier_subscription,
	TP_PROTO(const struct mmu_notifier *sub),

	TP_ARGS(sub),

	TP_STRUCT__entry(
		__field(const void *, sub)
		__field(const void *, mm)
		__field(const void *, ops)
	),

	TP_fast_assign(
		__entry->sub = sub;
		__entry->mm = sub->mm;
		__entry->ops = sub->ops;
	),

	TP_printk("sub=%p mm=%p ops=%ps", __entry->sub, __entry->mm, __entry->ops)
);

/* Sections that begin from here on call it, and no other one is running. */
DEFINE_EVENT(mmu_notifier_subscription, mmu_notifier_register,
	TP_PROTO(const struct mmu_notifier *sub),
	TP_ARGS(sub)
);

/* No callback runs or will, and nobody has freed it. */
DEFINE_EVENT(mmu_notifier_subscription, mmu_notifier_unregister,
	TP_PROTO(const struct mmu_notifier *sub),
	TP_ARGS(sub)
);

/* Its ->release is about to be called. */
DEFINE_EVENT(mmu_notifier_subscription, mmu_notifier_release,
	TP_PROTO(const struct mmu_notifier *sub),
	TP_ARGS(sub)
);

DECLARE_EVENT_CLASS(mmu_interval_subscription,
	TP_PROTO(const struct mmu_interval_notifier *sub),

	TP_ARGS(sub),

	TP_STRUCT__entry(
		__field(const void *, sub)
		__field(const void *, mm)
		__field(const void *, ops)
		__field(unsigned long, start)
		__field(unsigned long, last)
	),

	TP_fast_assign(
		__entry->sub = sub;
		__entry->mm = sub->mm;
		__entry->ops = sub->ops;
		__entry->start = sub->interval_tree.start;
		__entry->last = sub->interval_tree.last;
	),

	TP_printk("sub=%p mm=%p ops=%ps start=%#lx last=%#lx", __entry->sub,
		  __entry->mm, __entry->ops, __entry->start, __entry->last)
);

DEFINE_EVENT(mmu_interval_subscription, mmu_interval_insert,
	TP_PROTO(const struct mmu_interval_notifier *sub),
	TP_ARGS(sub)
);

DEFINE_EVENT(mmu_interval_subscription, mmu_interval_remove,
	TP_PROTO(const struct mmu_interval_notifier *sub),
	TP_ARGS(sub)
);

/* mmu_interval_read_retry() is about to say that what was read is void. */
DEFINE_EVENT(mmu_interval_subscription, mmu_interval_retry,
	TP_PROTO(const struct mmu_interval_notifier *sub),
	TP_ARGS(sub)
);

/* mmu_interval_read_begin() has waited for sections that overlap. */
TRACE_EVENT(mmu_interval_wait,
	TP_PROTO(const struct mmu_interval_notifier *sub, u64 duration),

	TP_ARGS(sub, duration),

	TP_STRUCT__entry(
		__field(const void *, sub)
		__field(const void *, mm)
		__field(const void *, ops)
		__field(unsigned long, start)
		__field(unsigned long, last)
		__field(u64, duration)
	),

	TP_fast_assign(
		__entry->sub = sub;
		__entry->mm = sub->mm;
		__entry->ops = sub->ops;
		__entry->start = sub->interval_tree.start;
		__entry->last = sub->interval_tree.last;
		__entry->duration = duration;
	),

	TP_printk("sub=%p mm=%p ops=%ps start=%#lx last=%#lx duration=%llu ns",
		  __entry->sub, __entry->mm, __entry->ops, __entry->start,
		  __entry->last, __entry->duration)
);

/* A section of an mm with subscribers. If @result is not 0 it was declined. */
TRACE_EVENT(mmu_notifier_start,
	TP_PROTO(const struct mmu_notifier_range *range, int result),

	TP_ARGS(range, result),

	TP_STRUCT__entry(
		__field(const void *, mm)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned int, event)
		__field(bool, blockable)
		__field(int, result)
	),

	TP_fast_assign(
		__entry->mm = range->mm;
		__entry->start = range->start;
		__entry->end = range->end;
		__entry->event = range->event;
		__entry->blockable = mmu_notifier_range_blockable(range);
		__entry->result = result;
	),

	TP_printk("mm=%p start=%#lx end=%#lx event=%s blockable=%d result=%d",
		  __entry->mm, __entry->start, __entry->end,
		  __print_symbolic(__entry->event, MN_EVENTS),
		  __entry->blockable, __entry->result)
);

TRACE_EVENT(mmu_notifier_end,
	TP_PROTO(const struct mmu_notifier_range *range),

	TP_ARGS(range),

	TP_STRUCT__entry(
		__field(const void *, mm)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned int, event)
		__field(bool, blockable)
	),

	TP_fast_assign(
		__entry->mm = range->mm;
		__entry->start = range->start;
		__entry->end = range->end;
		__entry->event = range->event;
		__entry->blockable = mmu_notifier_range_blockable(range);
	),

	TP_printk("mm=%p start=%#lx end=%#lx event=%s blockable=%d",
		  __entry->mm, __entry->start, __entry->end,
		  __print_symbolic(__entry->event, MN_EVENTS),
		  __entry->blockable)
);

/*
 * One callback of one subscriber has returned: @fn, after @duration ns. It may
 * have freed its subscription, so that the function is all that names it.
 */
TRACE_EVENT(mmu_notifier_callback,
	TP_PROTO(const void *fn, const struct mm_struct *mm, unsigned long start,
		 unsigned long end, u64 duration, int result),

	TP_ARGS(fn, mm, start, end, duration, result),

	TP_STRUCT__entry(
		__field(unsigned long, fn)
		__field(const void *, mm)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(u64, duration)
		__field(int, result)
	),

	TP_fast_assign(
		__entry->fn = (unsigned long)fn;
		__entry->mm = mm;
		__entry->start = start;
		__entry->end = end;
		__entry->duration = duration;
		__entry->result = result;
	),

	TP_printk("fn=%ps mm=%p start=%#lx end=%#lx duration=%llu ns result=%d",
		  (void *)__entry->fn, __entry->mm, __entry->start, __entry->end,
		  __entry->duration, __entry->result)
);

#undef EM
#undef EM_LAST

#endif /* _TRACE_MMU_NOTIFIER_H */

/* Read several times */
#include <trace/define_trace.h>
