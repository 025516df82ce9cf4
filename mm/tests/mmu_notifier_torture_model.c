// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the threads of the mmu_notifier's torture test must find at each step.
 *
 * See the DOC comment of mmu_notifier_torture.c.
 */

#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jhash.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/mmap_lock.h>
#include <linux/poison.h>
#include <linux/random.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../internal.h"
#include "../mmu_notifier_internal.h"
#include "mmu_notifier_torture.h"

static atomic_t tt_alive = ATOMIC_INIT(0);	/* mms and subscriptions */

/* Memory that has been freed */

#define TT_QUARANTINE	1024

/*
 * What the core stored in a subscription is kept: the core uses it if it calls
 * too late. Its ops are replaced by others that report such a call.
 */
struct tt_corpse {
	void *memory;
	size_t head;	/* bytes of the core's */
	size_t size;
	u32 hash;	/* of the head */
};

static struct tt_corpse tt_quarantine[TT_QUARANTINE];
static unsigned int tt_quarantine_next;
static DEFINE_SPINLOCK(tt_quarantine_lock);

static void tt_bury(struct tt_corpse *corpse)
{
	if (!corpse->memory)
		return;
	if (jhash(corpse->memory, corpse->head, 0) != corpse->hash ||
	    memchr_inv(corpse->memory + corpse->head, POISON_FREE,
		       corpse->size - corpse->head))
		tt_bug("a subscription was written to after it was freed");
	kfree(corpse->memory);
}

static void tt_free(void *memory, size_t head, size_t size)
{
	struct tt_corpse old, new = {
		.memory = memory,
		.head = head,
		.size = size,
		.hash = jhash(memory, head, 0),
	};

	memset(memory + head, POISON_FREE, size - head);
	spin_lock(&tt_quarantine_lock);
	old = tt_quarantine[tt_quarantine_next];
	tt_quarantine[tt_quarantine_next++] = new;
	tt_quarantine_next %= TT_QUARANTINE;
	spin_unlock(&tt_quarantine_lock);
	tt_bury(&old);
	atomic_dec(&tt_alive);
}

bool tt_model_all_gone(void)
{
	return !atomic_read(&tt_alive);
}

void tt_model_exit(void)
{
	unsigned int i;

	for (i = 0; i < TT_QUARANTINE; i++)
		tt_bury(&tt_quarantine[i]);
	memset(tt_quarantine, 0, sizeof(tt_quarantine));
}

/* Address spaces */

static void tt_mm_free(struct kref *ref)
{
	struct tt_mm *tm = container_of(ref, struct tt_mm, ref);
	unsigned int i;

	if (tm->used)
		tt_bug("an mm goes with subscriptions %lx", tm->used);
	for (i = 0; i < TT_SEATS; i++)
		if (tm->ints[i])
			tt_bug("an mm goes with an interval subscription");
	mmdrop(tm->mm);
	kfree(tm);
	atomic_dec(&tt_alive);
}

void tt_mm_put(struct tt_mm *tm)
{
	kref_put(&tm->ref, tt_mm_free);
}

static void tt_check_exited_sub(struct tt_sub *sub, bool live)
{
	int releases = atomic_read(&sub->releases);
	bool owed = sub->mn.ops->release &&
		    (live || !sub->mn.ops->free_notifier);

	if (owed && releases != 1)
		tt_bug("%d times ->release when exit has freed the pages",
		       releases);
	if (atomic_read(&sub->releasing))
		tt_bug("->release still runs when exit has freed the pages");
	if (atomic_read(&sub->busy))
		tt_bug("a callback still runs when exit has freed the pages");
}

static void tt_check_exited_int(struct tt_int *i)
{
	spin_lock(&i->lock);
	if (i->valid)
		tt_bug("exit has not invalidated an interval");
	spin_unlock(&i->lock);
}

static void tt_check_exited(struct tt_mm *tm)
{
	unsigned int i;

	spin_lock(&tm->lock);
	for (i = 0; i < TT_IDS; i++)
		if (tm->ids[i].sub)
			tt_check_exited_sub(tm->ids[i].sub,
					    READ_ONCE(tm->ids[i].gen) & 1);
	for (i = 0; i < TT_SEATS; i++)
		if (tm->ints[i])
			tt_check_exited_int(tm->ints[i]);
	spin_unlock(&tm->lock);
}

/* Exit has unmapped and freed all, and the mm is off the mapping. */
static void tt_vma_close(struct vm_area_struct *vma)
{
	struct tt_mm *tm = vma->vm_private_data;

	WRITE_ONCE(tm->gone, true);
	tt_check_exited(tm);
	tt_count(TT_EXITED);
	/* Taken by tt_map_file(). */
	tt_mm_put(tm);
}

static const struct vm_operations_struct tt_vm_ops = {
	.close = tt_vma_close,
};

struct tt_mm *tt_mm_of_vma(struct vm_area_struct *vma)
{
	return vma->vm_ops == &tt_vm_ops ? vma->vm_private_data : NULL;
}

static struct vm_area_struct *tt_vma_new(struct tt_mm *tm, unsigned int first)
{
	struct vm_area_struct *vma = vm_area_alloc(tm->mm);

	if (!vma)
		return NULL;
	vma->vm_start = tt_address(first);
	vma->vm_end = tt_address(first + TT_HALF);
	vma->vm_page_prot = vm_get_page_prot(VM_READ);
	return vma;
}

/* A VMA with an anon_vma, so that both have a lock for sections to hold. */
static int tt_map_anon(struct tt_mm *tm)
{
	struct vm_area_struct *vma = tt_vma_new(tm, 0);
	int err;

	if (!vma)
		return -ENOMEM;
	vma_set_anonymous(vma);
	vm_flags_init(vma, VM_READ | VM_MAYREAD);
	mmap_write_lock(tm->mm);
	err = insert_vm_struct(tm->mm, vma);
	if (err)
		vm_area_free(vma);
	else
		err = anon_vma_prepare(vma);
	mmap_write_unlock(tm->mm);
	tm->anon = vma;
	return err;
}

/* All mms map the same file, so that rmap finds each of them. */
static int tt_map_file(struct tt_mm *tm, struct file *file)
{
	struct vm_area_struct *vma = tt_vma_new(tm, TT_HALF);
	int err;

	if (!vma)
		return -ENOMEM;
	vm_flags_init(vma, VM_READ | VM_MAYREAD | VM_SHARED);
	vma->vm_ops = &tt_vm_ops;
	vma->vm_file = get_file(file);
	/* Dropped by tt_vma_close(). */
	vma->vm_private_data = tt_mm_get(tm);
	mmap_write_lock(tm->mm);
	err = insert_vm_struct(tm->mm, vma);
	mmap_write_unlock(tm->mm);
	if (err) {
		fput(file);
		tt_mm_put(tm);
		vm_area_free(vma);
	}
	return err;
}

/* One user, to be dropped by mmput(); and one for tt_mm_put(). */
struct tt_mm *tt_mm_new(struct file *file)
{
	struct tt_mm *tm = kzalloc(sizeof(*tm), GFP_KERNEL);

	if (!tm)
		return NULL;
	tm->mm = mm_alloc();
	if (!tm->mm) {
		kfree(tm);
		return NULL;
	}
	atomic_inc(&tt_alive);
	/* Dropped by tt_mm_free(). */
	mmgrab(tm->mm);
	tm->mm->task_size = TASK_SIZE;
	kref_init(&tm->ref);
	init_rwsem(&tm->getput);
	spin_lock_init(&tm->lock);
	spin_lock_init(&tm->ptl);
	if (tt_map_anon(tm) || (file && tt_map_file(tm, file))) {
		mmput(tm->mm);
		tt_mm_put(tm);
		return NULL;
	}
	return tm;
}

/*
 * Seats. A thread that takes what is in a seat has it for itself. The seat is
 * busy until that thread leaves it empty or offers something.
 */

#define TT_BUSY	((void *)1UL)

bool tt_seat_claim(struct tt_mm *tm, enum tt_kind kind, unsigned int seat)
{
	return !READ_ONCE(tm->closing) &&
	       !cmpxchg(&tm->seats[kind][seat], NULL, TT_BUSY);
}

bool tt_seat_retake(struct tt_mm *tm, enum tt_kind kind, unsigned int seat,
		    void *what)
{
	return cmpxchg(&tm->seats[kind][seat], what, TT_BUSY) == what;
}

void *tt_seat_take(struct tt_mm *tm, enum tt_kind kind, unsigned int seat)
{
	void *what = READ_ONCE(tm->seats[kind][seat]);

	if (!what || what == TT_BUSY || !tt_seat_retake(tm, kind, seat, what))
		return NULL;
	return what;
}

void tt_seat_leave(struct tt_mm *tm, enum tt_kind kind, unsigned int seat)
{
	/* Pairs with the cmpxchg() in tt_seat_claim(). */
	smp_store_release(&tm->seats[kind][seat], NULL);
}

/*
 * Returns false if the caller must dispose of it: either it sees that the seats
 * are closed, or the thread that closes them sees the offer.
 */
bool tt_seat_offer(struct tt_mm *tm, enum tt_kind kind, unsigned int seat,
		   void *what)
{
	/* Pairs with the cmpxchg() in tt_seat_retake(). */
	smp_store_release(&tm->seats[kind][seat], what);
	/* Pairs with the one in tt_mm_close(). */
	smp_mb();
	return !READ_ONCE(tm->closing) || !tt_seat_retake(tm, kind, seat, what);
}

/* Subscriptions that are freed */

static int tt_dead_start(struct mmu_notifier *mn,
			 const struct mmu_notifier_range *range)
{
	tt_bug("start of a subscription that is freed");
	return 0;
}

static void tt_dead_end(struct mmu_notifier *mn,
			const struct mmu_notifier_range *range)
{
	tt_bug("end of a subscription that is freed");
}

static void tt_dead_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	tt_bug("->release of a subscription that is freed");
}

static bool tt_dead_young(struct mmu_notifier *mn, struct mm_struct *mm,
			  unsigned long start, unsigned long end)
{
	tt_bug("young callback of a subscription that is freed");
	return false;
}

static bool tt_dead_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
			       unsigned long address)
{
	return tt_dead_young(mn, mm, address, address + PAGE_SIZE);
}

static void tt_dead_arch_invalidate(struct mmu_notifier *mn,
				    struct mm_struct *mm, unsigned long start,
				    unsigned long end)
{
	tt_bug("arch_invalidate of a subscription that is freed");
}

static void tt_dead_free(struct mmu_notifier *mn)
{
	tt_bug("free_notifier of a subscription that is freed");
}

static const struct mmu_notifier_ops tt_dead_ops = {
	.release = tt_dead_release,
	.clear_flush_young = tt_dead_young,
	.clear_young = tt_dead_young,
	.test_young = tt_dead_test_young,
	.invalidate_range_start = tt_dead_start,
	.invalidate_range_end = tt_dead_end,
	.arch_invalidate_secondary_tlbs = tt_dead_arch_invalidate,
	.free_notifier = tt_dead_free,
};

static bool tt_dead_invalidate(struct mmu_interval_notifier *mni,
			       const struct mmu_notifier_range *range,
			       unsigned long seq)
{
	tt_bug("invalidate of an interval that is freed");
	return true;
}

static const struct mmu_interval_notifier_ops tt_dead_int_ops = {
	.invalidate = tt_dead_invalidate,
};

/* What sections and subscribers find in a callback */

static bool tt_declines(struct tt_section *s, unsigned int ops_flags)
{
	return !s->blockable && !(ops_flags & MMU_NOTIFIER_NEVER_SLEEPS) &&
	       tt_chance(s->t, tt_decline);
}

static bool tt_may_sleep(struct tt_section *s, unsigned int ops_flags)
{
	return s->blockable && !(ops_flags & MMU_NOTIFIER_NEVER_SLEEPS);
}

/* NULL for sections that are not of our threads. */
static struct tt_section *tt_section_of(const struct mmu_notifier_range *range,
					struct tt_mm *tm)
{
	struct tt_section *s = range->owner;

	if (!s) {
		tt_count(TT_FOREIGN);
		return NULL;
	}
	if (s->magic != TT_MAGIC || &s->range != range ||
	    s->t->task != current || s->tm != tm) {
		tt_bug("callback with a strange range");
		return NULL;
	}
	if (mmu_notifier_range_blockable(range) != s->blockable)
		tt_bug("callback with a range that is %sblockable",
		       s->blockable ? "not " : "");
	return s;
}

/* Exit, on its way, says so to the OOM killer. */
static bool tt_pages_freed(struct mm_struct *mm)
{
	return test_bit(MMF_OOM_SKIP, &mm->flags);
}

static bool tt_enter(struct tt_sub *sub, const char *what)
{
	if (READ_ONCE(sub->magic) != TT_MAGIC) {
		tt_bug("%s of a subscription that is freed", what);
		return false;
	}
	atomic_inc(&sub->busy);
	if (READ_ONCE(sub->tm->gone))
		tt_bug("%s when the mm is gone", what);
	return true;
}

/*
 * Whether exit waits for callbacks that begin now, and for the section with
 * them, before it frees the pages. Those that begin later, or when the
 * subscription is about to end, find nothing to invalidate.
 */
static bool tt_early(struct tt_sub *sub)
{
	if (atomic_read(&sub->stage) != TT_SUBSCRIBED)
		return false;
	return sub->mn.ops->release ?
		       !READ_ONCE(sub->tm->ids[sub->id].released) :
		       !!atomic_read(&sub->tm->mm->mm_users);
}

static void tt_leave(struct tt_sub *sub, bool early)
{
	if (early && tt_pages_freed(sub->tm->mm))
		tt_bug("exit has freed the pages before a callback was over");
	atomic_dec(&sub->busy);
}

static int tt_hear_start(struct tt_sub *sub, struct tt_section *s, bool early)
{
	unsigned int flags = sub->mn.ops->flags;

	if (s->state != TT_STARTING)
		tt_bug("start for a section in state %d", s->state);
	if (s->declined)
		tt_bug("start after somebody has declined");
	if (s->told & BIT(sub->id))
		tt_bug("second start for one section");
	if (tt_declines(s, flags)) {
		s->declined++;
		tt_count(TT_DECLINED_HLIST);
		return -EAGAIN;
	}
	s->told |= BIT(sub->id);
	if (early)
		s->early |= BIT(sub->id);
	if (sub->mn.ops->invalidate_range_end)
		s->owed |= BIT(sub->id);
	tt_pause(s->t, tt_may_sleep(s, flags));
	return 0;
}

static int tt_start(struct mmu_notifier *mn,
		    const struct mmu_notifier_range *range)
{
	struct tt_sub *sub = tt_sub_of(mn);
	struct tt_section *s;
	int ret = 0;
	bool early;

	if (!tt_enter(sub, "start"))
		return 0;
	early = tt_early(sub);
	s = tt_section_of(range, sub->tm);
	if (s)
		ret = tt_hear_start(sub, s, early);
	if (!ret && mn->ops->invalidate_range_end)
		atomic_inc(&sub->open);
	tt_leave(sub, early);
	return ret;
}

static void tt_hear_end(struct tt_sub *sub, struct tt_section *s)
{
	bool unwinding = s->state == TT_STARTING;

	if (unwinding)
		tt_count(TT_UNWOUND);
	if (unwinding ? !s->declined : s->state != TT_ENDING)
		tt_bug("end for a section in state %d", s->state);
	if (!sub->mn.ops->invalidate_range_start) {
		if (unwinding)
			tt_bug("unwinding of who has no start");
		return;
	}
	if (!(s->owed & BIT(sub->id)))
		tt_bug("end without its start");
	s->owed &= ~BIT(sub->id);
	tt_pause(s->t, tt_may_sleep(s, sub->mn.ops->flags));
}

static void tt_end(struct mmu_notifier *mn,
		   const struct mmu_notifier_range *range)
{
	struct tt_sub *sub = tt_sub_of(mn);
	struct tt_section *s;
	bool early;

	if (!tt_enter(sub, "end"))
		return;
	s = tt_section_of(range, sub->tm);
	early = s ? s->early & BIT(sub->id) : tt_early(sub);
	if (s)
		tt_hear_end(sub, s);
	if (mn->ops->invalidate_range_start &&
	    atomic_dec_return(&sub->open) < 0)
		tt_bug("more ends than starts");
	tt_leave(sub, early);
}

/* Callbacks under the page table lock: tt_young() calls and judges. */

static bool tt_hear_young(struct mmu_notifier *mn, const char *what)
{
	struct tt_sub *sub = tt_sub_of(mn);
	bool early, young;

	if (!tt_enter(sub, what))
		return false;
	early = tt_early(sub);
	if (sub->tm->young_told & BIT(sub->id))
		tt_bug("%s comes twice", what);
	sub->tm->young_told |= BIT(sub->id);
	young = sub->tm->young_plan & BIT(sub->id);
	tt_leave(sub, early);
	return young;
}

static bool tt_clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm,
				 unsigned long start, unsigned long end)
{
	return tt_hear_young(mn, "clear_flush_young");
}

static bool tt_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
			   unsigned long start, unsigned long end)
{
	return tt_hear_young(mn, "clear_young");
}

static bool tt_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
			  unsigned long address)
{
	return tt_hear_young(mn, "test_young");
}

static void tt_arch_invalidate(struct mmu_notifier *mn, struct mm_struct *mm,
			       unsigned long start, unsigned long end)
{
	tt_hear_young(mn, "arch_invalidate");
}

/* The end of a subscription */

static void tt_check_release(struct tt_sub *sub, struct mm_struct *mm,
			     bool by_exit)
{
	WRITE_ONCE(sub->tm->ids[sub->id].released, true);
	if (atomic_inc_return(&sub->releases) != 1)
		tt_bug("->release comes a second time");
	if (READ_ONCE(sub->put))
		tt_bug("->release by an exit after the last put");
	if (tt_pages_freed(mm) || mm != sub->tm->mm)
		tt_bug("->release when the mm is gone");
	if (by_exit && atomic_read(&mm->mm_users))
		tt_bug("->release by exit of an mm with users");
	tt_count(by_exit ? TT_RELEASED_BY_EXIT : TT_RELEASED_BY_UNREGISTER);
}

static void tt_unregister_other(struct tt_mm *tm, struct tt_sub *self)
{
	struct tt_sub *other;
	unsigned int seat;

	for (seat = 0; seat < TT_SEATS; seat++) {
		if (READ_ONCE(tm->seats[TT_HLIST][seat]) == self)
			continue;
		other = tt_seat_take(tm, TT_HLIST, seat);
		if (!other)
			continue;
		tt_sub_unregister(other);
		tt_seat_leave(tm, TT_HLIST, seat);
		tt_count(TT_UNREGISTERED_IN_RELEASE);
		return;
	}
}

static void tt_put_other(struct tt_mm *tm)
{
	struct tt_sub *other;
	unsigned int seat;

	/* A get waits for callbacks while it holds this, though not of this mm. */
	if (!down_read_trylock(&tm->getput))
		return;
	for (seat = 0; seat < TT_SEATS; seat++) {
		other = tt_seat_take(tm, TT_GET, seat);
		if (!other)
			continue;
		tt_sub_put(other);
		tt_seat_leave(tm, TT_GET, seat);
		tt_count(TT_PUT_IN_RELEASE);
		break;
	}
	up_read(&tm->getput);
}

static void tt_follow_whim(struct tt_sub *sub, bool by_exit)
{
	struct tt_mm *tm = sub->tm;
	unsigned int seat = sub->seat;

	switch (sub->whim) {
	case TT_WHIM_UNREGISTER_SELF:
		if (!by_exit || !tt_seat_retake(tm, TT_HLIST, seat, sub))
			return;
		tt_sub_unregister(sub);
		tt_seat_leave(tm, TT_HLIST, seat);
		tt_count(TT_UNREGISTERED_IN_RELEASE);
		break;
	case TT_WHIM_UNREGISTER_OTHER:
		tt_unregister_other(tm, sub);
		break;
	case TT_WHIM_PUT:
		tt_put_other(tm);
		break;
	default:
		break;
	}
}

/*
 * The ->release that this calls may in turn unregister @sub, if exit calls it:
 * then the subscription is gone, but not its memory.
 */
static void tt_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct tt_sub *sub = tt_sub_of(mn);
	struct tt_mm *tm;
	bool by_exit;

	if (READ_ONCE(sub->magic) != TT_MAGIC) {
		tt_bug("->release of a subscription that is freed");
		return;
	}
	tm = tt_mm_get(sub->tm);
	refcount_inc(&sub->ref);
	by_exit = READ_ONCE(sub->leaver) != current;
	sub->releaser = current;
	atomic_inc(&sub->releasing);
	tt_check_release(sub, mm, by_exit);
	tt_pause(NULL, true);
	tt_follow_whim(sub, by_exit);
	if (tt_pages_freed(mm))
		tt_bug("exit has freed the pages before ->release was over");
	if (!sub->freed) {
		sub->releaser = NULL;
		atomic_dec(&sub->releasing);
	}
	tt_sub_unref(sub);
	tt_mm_put(tm);
}

static void tt_check_quiet(struct tt_sub *sub, const char *when)
{
	if (atomic_read(&sub->busy))
		tt_bug("%s: a callback runs", when);
	if (atomic_read(&sub->open))
		tt_bug("%s: %d starts without an end", when,
		       atomic_read(&sub->open));
	/* It may be in its own ->release, if exit calls that. */
	if (atomic_read(&sub->releasing) != (READ_ONCE(sub->releaser) == current))
		tt_bug("%s: ->release runs", when);
}

/* No thread may call it any more. */
static void tt_sub_free(struct tt_sub *sub)
{
	struct tt_mm *tm = sub->tm;

	spin_lock(&tm->lock);
	tm->ids[sub->id].sub = NULL;
	__clear_bit(sub->id, &tm->used);
	spin_unlock(&tm->lock);
	sub->mn.ops = &tt_dead_ops;
	WRITE_ONCE(sub->magic, TT_FREED_MAGIC);
	/* Pairs with the acquire in the thread that waited for this. */
	smp_store_release(&sub->freed, true);
	tt_sub_unref(sub);
	tt_mm_put(tm);
}

void tt_sub_unref(struct tt_sub *sub)
{
	if (refcount_dec_and_test(&sub->ref))
		tt_free(sub, offsetof(struct tt_sub, magic), sizeof(*sub));
}

/* Registration has failed. */
void tt_sub_drop(struct tt_sub *sub)
{
	tt_sub_free(sub);
}

void tt_sub_unregister(struct tt_sub *sub)
{
	int releases = !!sub->mn.ops->release;
	struct mm_struct *mm = sub->tm->mm;

	tt_sub_leaving(sub);
	WRITE_ONCE(sub->leaver, current);
	tt_unregister(sub, mm);
	tt_check_quiet(sub, "unregistered");
	if (atomic_read(&sub->releases) != releases)
		tt_bug("unregistered: %d times ->release, wanted %d",
		       atomic_read(&sub->releases), releases);
	tt_count(TT_UNREGISTERED);
	tt_sub_free(sub);
}

/*
 * Drop one user, and record it before the put if it is the last one. The caller
 * holds getput; if it needs to know whether this was the last put, for write.
 * Returns whether it was.
 */
bool tt_sub_put(struct tt_sub *sub)
{
	int users = atomic_dec_return(&sub->users);

	if (users < 0)
		tt_bug("%d users", users);
	if (!users)
		tt_sub_leaving(sub);
	tt_count(TT_PUT);
	mmu_notifier_put(&sub->mn);
	return !users;
}

static void tt_free_notifier(struct mmu_notifier *mn)
{
	struct tt_sub *sub = tt_sub_of(mn);

	might_sleep();
	if (READ_ONCE(sub->magic) != TT_MAGIC) {
		tt_bug("free_notifier of a subscription that is freed");
		return;
	}
	if (atomic_read(&sub->users))
		tt_bug("free_notifier with %d users", atomic_read(&sub->users));
	tt_check_quiet(sub, "free_notifier");
	tt_count(TT_FREED);
	tt_sub_free(sub);
}

/* Hlist subscriptions */

#define TT_START_END				\
	.invalidate_range_start = tt_start,	\
	.invalidate_range_end = tt_end

#define TT_YOUNG_OPS				\
	.clear_flush_young = tt_clear_flush_young,	\
	.clear_young = tt_clear_young,		\
	.test_young = tt_test_young

static const struct mmu_notifier_ops tt_registered_ops[] = {
	{ TT_START_END, TT_YOUNG_OPS, .release = tt_release },
	{ TT_START_END, .release = tt_release,
	  .flags = MMU_NOTIFIER_NEVER_SLEEPS },
	{ TT_START_END },
	{ .invalidate_range_start = tt_start, .release = tt_release },
	{ .invalidate_range_end = tt_end, .release = tt_release },
	{ .arch_invalidate_secondary_tlbs = tt_arch_invalidate,
	  .release = tt_release },
};

const struct mmu_notifier_ops tt_refcounted_ops[TT_REFCOUNTED] = {
	{ TT_START_END, TT_YOUNG_OPS, .release = tt_release,
	  .alloc_notifier = tt_alloc_notifier,
	  .free_notifier = tt_free_notifier },
	{ TT_START_END, .release = tt_release,
	  .alloc_notifier = tt_alloc_notifier,
	  .free_notifier = tt_free_notifier },
};

static bool tt_id_find(struct tt_mm *tm, struct tt_sub *sub)
{
	bool found;

	spin_lock(&tm->lock);
	sub->id = find_first_zero_bit(&tm->used, TT_IDS);
	found = sub->id < TT_IDS;
	if (found) {
		__set_bit(sub->id, &tm->used);
		tm->ids[sub->id].sub = sub;
	}
	spin_unlock(&tm->lock);
	return found;
}

struct tt_sub *tt_sub_new(struct tt_mm *tm, struct tt_thread *t)
{
	struct tt_sub *sub = kzalloc(sizeof(*sub), GFP_KERNEL);
	u32 which = tt_below(t, ARRAY_SIZE(tt_registered_ops));

	if (!sub)
		return NULL;
	sub->mn.ops = &tt_registered_ops[which];
	sub->magic = TT_MAGIC;
	refcount_set(&sub->ref, 1);
	sub->whim = tt_below(t, TT_WHIMS);
	if (!tt_id_find(tm, sub)) {
		kfree(sub);
		return NULL;
	}
	sub->tm = tt_mm_get(tm);
	atomic_inc(&tt_alive);
	return sub;
}

/* Fails without an id left, as an allocation may. */
struct mmu_notifier *tt_alloc_notifier(struct mm_struct *mm)
{
	struct tt_thread *t = kthread_data(current);
	struct tt_sub *sub = tt_sub_new(t->tm, t);

	if (!sub)
		return ERR_PTR(-ENOMEM);
	if (t->tm->mm != mm)
		tt_bug("alloc_notifier for another mm");
	return &sub->mn;
}

/* Registration has returned, or the first get of it. */
void tt_sub_subscribed(struct tt_sub *sub)
{
	struct tt_id *id = &sub->tm->ids[sub->id];

	if (atomic_cmpxchg(&sub->stage, TT_SUBSCRIBING, TT_SUBSCRIBED) !=
	    TT_SUBSCRIBING)
		return;
	WRITE_ONCE(id->ops, sub->mn.ops);
	WRITE_ONCE(id->released, atomic_read(&sub->releases));
	/* Pairs with the acquire in tt_id_gen(). */
	smp_store_release(&id->gen, id->gen + 1);
}

/* The subscription is about to end. */
void tt_sub_leaving(struct tt_sub *sub)
{
	struct tt_id *id = &sub->tm->ids[sub->id];

	if (atomic_cmpxchg(&sub->stage, TT_SUBSCRIBED,
			   TT_ENDING_SUBSCRIPTION) != TT_SUBSCRIBED)
		return;
	WRITE_ONCE(id->gen, id->gen + 1);
	/*
	 * A section that misses the subscription from now on finds that
	 * it may do so.
	 */
	smp_mb();
}

static u32 tt_id_gen(struct tt_mm *tm, unsigned int id)
{
	/* Pairs with the release in tt_sub_subscribed(). */
	return smp_load_acquire(&tm->ids[id].gen);
}

/* Sections */

/*
 * Returns the ops of the subscription with generation @gen if it is still
 * subscribed and exit has not released it, NULL otherwise. Exit takes those
 * that it has released off the list.
 */
static const struct mmu_notifier_ops *tt_id_live(struct tt_mm *tm,
						 unsigned int n, u32 gen)
{
	struct tt_id *id = &tm->ids[n];
	const struct mmu_notifier_ops *ops = READ_ONCE(id->ops);
	bool released = READ_ONCE(id->released);

	/* Both are published with the generation. */
	smp_rmb();
	if (!(gen & 1) || READ_ONCE(id->gen) != gen || released ||
	    (!ops->release && !atomic_read(&tm->mm->mm_users)))
		return NULL;
	return ops;
}

/*
 * If the section did not call a subscription, its registration returns when the
 * section is over. This may be checked at any time while the section is open.
 */
static void tt_check_cover(struct tt_section *s)
{
	const struct mmu_notifier_ops *ops;
	unsigned int id;
	u32 gen;

	for (id = 0; id < TT_IDS; id++) {
		gen = tt_id_gen(s->tm, id);
		if (s->told & BIT(id))
			continue;
		ops = tt_id_live(s->tm, id, gen);
		if (ops && ops->invalidate_range_start)
			tt_bug("a section is open that a subscriber was not told of");
	}
}

static bool tt_overlap(struct tt_section *s, struct tt_int *i)
{
	return s->first < i->first + i->pages && i->first < s->first + s->pages;
}

/*
 * An interval that was inserted since must wait with its read until the section
 * is over. The section has called an interval that read before.
 */
static void tt_check_int_cover(struct tt_section *s, struct tt_int *i)
{
	bool owed = s->int_gens[i->seat] & 1 &&
		    s->int_gens[i->seat] == s->tm->int_gens[i->seat];

	if (!tt_overlap(s, i))
		return;
	if (owed && !(s->int_told & BIT(i->seat)))
		tt_bug("an interval was not told of a section");
	spin_lock(&i->lock);
	if (i->valid)
		tt_bug("an interval uses pages while a section changes them");
	spin_unlock(&i->lock);
}

/* Holds as long as the section is open. */
void tt_section_look(struct tt_section *s)
{
	struct tt_mm *tm = s->tm;
	unsigned int seat;

	tt_check_cover(s);
	spin_lock(&tm->lock);
	for (seat = 0; seat < TT_SEATS; seat++)
		if (tm->ints[seat])
			tt_check_int_cover(s, tm->ints[seat]);
	spin_unlock(&tm->lock);
}

static void tt_section_prepare(struct tt_section *s)
{
	unsigned int seat;

	mmu_notifier_range_init_owner(&s->range, tt_below(s->t, 2) ?
				      MMU_NOTIFY_MIGRATE : MMU_NOTIFY_EXCLUSIVE,
				      0, s->tm->mm, tt_address(s->first),
				      tt_address(s->first + s->pages), s);
	s->magic = TT_MAGIC;
	s->told = 0;
	s->early = 0;
	s->owed = 0;
	s->int_told = 0;
	s->declined = 0;
	s->first_passes = 0;
	s->second_passes = 0;
	for (seat = 0; seat < TT_SEATS; seat++)
		/* Pairs with the release in tt_int_begun(). */
		s->int_gens[seat] = smp_load_acquire(&s->tm->int_gens[seat]);
}

static void tt_check_declined(struct tt_section *s)
{
	if (s->owed)
		tt_bug("declined, and %lx got no end", s->owed);
	if (s->declined > 1)
		tt_bug("declined %u times", s->declined);
	if (s->declined)
		return;
	if (!tt_fail || s->told || s->int_told)
		tt_bug("declined by nobody");
	tt_count(TT_DECLINED_INJECTED);
}

static int tt_section_start(struct tt_section *s)
{
	int err;

	tt_count(TT_SECTIONS);
	if (s->blockable) {
		mmu_notifier_invalidate_range_start(&s->range);
		return 0;
	}
	tt_count(TT_NONBLOCK);
	mn_nonblock_start();
	err = tt_start_nonblock(&s->range);
	mn_nonblock_end();
	return err;
}

static void tt_change_pages(struct tt_section *s)
{
	unsigned int page;

	for (page = s->first; page < s->first + s->pages; page++)
		atomic_long_inc(&s->tm->pte[page]);
}

/* Returns false if it is declined. The caller holds a lock that covers it. */
bool tt_section_open(struct tt_section *s)
{
	int err;

	tt_section_prepare(s);
	s->state = TT_STARTING;
	err = tt_section_start(s);
	s->state = err ? TT_CLOSED : TT_CHANGING;
	if (s->first_passes != s->second_passes)
		tt_bug("%u second passes, wanted %u", s->second_passes,
		       s->first_passes);
	if (err) {
		tt_check_declined(s);
		return false;
	}
	if (s->declined)
		tt_bug("a section that was declined is open");
	if (!(s->range.flags & MMU_NOTIFIER_RANGE_STARTED))
		tt_count(TT_UNCOUNTED);
	if (s->range.flags & MN_RANGE_ALONE)
		tt_count(TT_ALONE);
	if (s->range.flags & MN_RANGE_UNSLOTTED)
		tt_count(TT_UNSLOTTED);
	tt_section_look(s);
	tt_change_pages(s);
	return true;
}

void tt_section_close(struct tt_section *s)
{
	tt_section_look(s);
	/* Until the very end. */
	tt_change_pages(s);
	s->state = TT_ENDING;
	if (s->blockable) {
		mmu_notifier_invalidate_range_end(&s->range);
	} else {
		mn_nonblock_start();
		mmu_notifier_invalidate_range_end(&s->range);
		mn_nonblock_end();
	}
	s->state = TT_CLOSED;
	if (s->owed)
		tt_bug("over, and %lx got no end", s->owed);
}

/* Callbacks under the page table lock */

enum tt_call {
	TT_CALL_CLEAR_FLUSH_YOUNG,
	TT_CALL_CLEAR_YOUNG,
	TT_CALL_TEST_YOUNG,
	TT_CALL_ARCH_INVALIDATE,
	TT_CALLS
};

static bool tt_implements(const struct mmu_notifier_ops *ops, enum tt_call call)
{
	if (call == TT_CALL_ARCH_INVALIDATE)
		return ops->arch_invalidate_secondary_tlbs;
	/* Ops with one of the young callbacks have all of them. */
	return ops->clear_young;
}

static bool tt_call(struct mm_struct *mm, enum tt_call call)
{
	unsigned long end = tt_address(TT_PAGES);

	switch (call) {
	case TT_CALL_CLEAR_FLUSH_YOUNG:
		return mmu_notifier_clear_flush_young(mm, TT_BASE, end);
	case TT_CALL_CLEAR_YOUNG:
		return mmu_notifier_clear_young(mm, TT_BASE, end);
	case TT_CALL_TEST_YOUNG:
		return mmu_notifier_test_young(mm, TT_BASE);
	default:
		mmu_notifier_arch_invalidate_secondary_tlbs(mm, TT_BASE, end);
		return false;
	}
}

static void tt_check_young(struct tt_mm *tm, enum tt_call call, const u32 *gens)
{
	const struct mmu_notifier_ops *ops;
	unsigned int id;

	for (id = 0; id < TT_IDS; id++) {
		if (tm->young_told & BIT(id))
			continue;
		ops = tt_id_live(tm, id, gens[id]);
		if (ops && tt_implements(ops, call))
			tt_bug("call %d under the page table lock missed a subscriber",
			       call);
	}
}

void tt_young(struct tt_thread *t, struct tt_mm *tm)
{
	enum tt_call call = tt_below(t, TT_CALLS);
	u32 gens[TT_IDS];
	unsigned int id;
	bool young;

	for (id = 0; id < TT_IDS; id++)
		gens[id] = tt_id_gen(tm, id);
	spin_lock(&tm->ptl);
	tm->young_told = 0;
	tm->young_plan = prandom_u32_state(&t->rnd);
	/* Mostly none is, so that test_young gets past the first subscriber. */
	if (tt_below(t, 2))
		tm->young_plan = 0;
	young = tt_call(tm->mm, call);
	if (call != TT_CALL_ARCH_INVALIDATE &&
	    young != !!(tm->young_told & tm->young_plan))
		tt_bug("call %d says %d", call, young);
	/* The first young one ends test_young. */
	if (call != TT_CALL_TEST_YOUNG || !young)
		tt_check_young(tm, call, gens);
	if (tm->young_told)
		tt_count(call == TT_CALL_ARCH_INVALIDATE ?
				 TT_ARCH_INVALIDATED : TT_YOUNG);
	spin_unlock(&tm->ptl);
}

/* Interval subscriptions */

static bool tt_int_enter(struct tt_int *i, const char *what)
{
	if (READ_ONCE(i->magic) != TT_MAGIC) {
		tt_bug("%s of an interval that is freed", what);
		return false;
	}
	atomic_inc(&i->busy);
	if (READ_ONCE(i->tm->gone))
		tt_bug("%s after exit has freed the pages", what);
	return true;
}

static void tt_hear_invalidate(struct tt_int *i, struct tt_section *s)
{
	if (s->state != TT_STARTING)
		tt_bug("invalidate for a section in state %d", s->state);
	if (!tt_overlap(s, i))
		tt_bug("invalidate for a section elsewhere");
	if (s->int_told & BIT(i->seat))
		tt_bug("second invalidate for one section");
	if (s->declined)
		tt_bug("invalidate after somebody has declined");
	s->int_told |= BIT(i->seat);
	tt_pause(s->t, tt_may_sleep(s, i->mni.ops->flags));
}

/*
 * What the device uses is what the page table says. The caller holds the lock.
 */
static void tt_int_look(struct tt_int *i, const long *copy)
{
	unsigned int page;

	for (page = i->first; page < i->first + i->pages; page++) {
		if (copy[page] == atomic_long_read(&i->tm->pte[page]))
			continue;
		tt_bug("an interval uses a page of the past");
		return;
	}
}

/* What a driver does */
static void tt_int_stop(struct tt_int *i, unsigned long seq)
{
	spin_lock(&i->lock);
	if (i->valid)
		tt_int_look(i, i->copy);
	mmu_interval_set_seq(&i->mni, seq);
	i->valid = false;
	spin_unlock(&i->lock);
	tt_count(TT_INVALIDATED);
}

static bool tt_int_hear(struct tt_int *i, const struct mmu_notifier_range *range,
			unsigned long seq)
{
	struct tt_section *s = tt_section_of(range, i->tm);

	if (range->event == MMU_NOTIFY_RELEASE)
		tt_count(TT_INVALIDATED_BY_EXIT);
	if (s)
		tt_hear_invalidate(i, s);
	if (s && tt_declines(s, i->mni.ops->flags)) {
		s->declined++;
		tt_count(TT_DECLINED_ITREE);
		return false;
	}
	tt_int_stop(i, seq);
	return true;
}

static bool tt_invalidate(struct mmu_interval_notifier *mni,
			  const struct mmu_notifier_range *range,
			  unsigned long seq)
{
	struct tt_int *i = container_of(mni, struct tt_int, mni);
	bool ret;

	if (!tt_int_enter(i, "invalidate"))
		return true;
	ret = tt_int_hear(i, range, seq);
	atomic_dec(&i->busy);
	return ret;
}

/* NULL if all are in use: then there is no second pass. */
static struct mmu_interval_notifier_finish *tt_finish_get(struct tt_int *i,
							  struct tt_section *s)
{
	struct tt_finish *f;
	unsigned int n;

	for (n = 0; n < TT_FINISHES; n++)
		if (!test_and_set_bit(n, &i->finishes_used))
			break;
	if (n == TT_FINISHES)
		return NULL;
	f = &i->finishes[n];
	f->owner = i;
	f->section = s;
	if (s)
		f->order = s->first_passes++;
	return &f->finish;
}

static bool tt_invalidate_start(struct mmu_interval_notifier *mni,
				const struct mmu_notifier_range *range,
				unsigned long seq,
				struct mmu_interval_notifier_finish **finish)
{
	struct tt_int *i = container_of(mni, struct tt_int, mni);
	struct tt_section *s = range->owner;
	bool ret;

	if (!tt_int_enter(i, "invalidate_start"))
		return true;
	if (*finish)
		tt_bug("invalidate_start begins with a second pass");
	ret = tt_int_hear(i, range, seq);
	/* One that declines may have a second pass under way, too. */
	if (!s || tt_below(s->t, 2))
		*finish = tt_finish_get(i, s);
	atomic_dec(&i->busy);
	return ret;
}

static void tt_hear_finish(struct tt_finish *f, struct tt_section *s)
{
	if (s->magic != TT_MAGIC || s->t->task != current ||
	    s->state != TT_STARTING)
		tt_bug("second pass outside of start");
	if (f->order != s->second_passes)
		tt_bug("second pass %u comes as number %u", f->order,
		       s->second_passes);
	s->second_passes++;
	tt_count(s->declined ? TT_FINISHED_DECLINED : TT_FINISHED);
	tt_pause(s->t, tt_may_sleep(s, f->owner->mni.ops->flags));
}

static void tt_invalidate_finish(struct mmu_interval_notifier_finish *finish)
{
	struct tt_finish *f = container_of(finish, struct tt_finish, finish);
	struct tt_int *i = f->owner;
	unsigned int n;

	if (finish->notifier != &i->mni || !tt_int_enter(i, "second pass")) {
		tt_bug("second pass for a strange interval");
		return;
	}
	n = f - i->finishes;
	if (f->section)
		tt_hear_finish(f, f->section);
	if (!test_and_clear_bit(n, &i->finishes_used))
		tt_bug("second pass without the first");
	atomic_dec(&i->busy);
}

static const struct mmu_interval_notifier_ops tt_int_ops[] = {
	{ .invalidate = tt_invalidate },
	{ .invalidate = tt_invalidate, .flags = MMU_NOTIFIER_NEVER_SLEEPS },
	{ .invalidate_start = tt_invalidate_start,
	  .invalidate_finish = tt_invalidate_finish },
	{ .invalidate_start = tt_invalidate_start,
	  .invalidate_finish = tt_invalidate_finish },
};

struct tt_int *tt_int_new(struct tt_mm *tm, unsigned int seat,
			  struct tt_thread *t)
{
	struct tt_int *i = kzalloc(sizeof(*i), GFP_KERNEL);

	if (!i)
		return NULL;
	i->magic = TT_MAGIC;
	i->seat = seat;
	i->first = tt_below(t, TT_PAGES);
	i->pages = 1 + tt_below(t, TT_PAGES - i->first);
	i->mni.ops = &tt_int_ops[tt_below(t, ARRAY_SIZE(tt_int_ops))];
	spin_lock_init(&i->lock);
	i->tm = tt_mm_get(tm);
	atomic_inc(&tt_alive);
	return i;
}

void tt_int_drop(struct tt_int *i)
{
	struct tt_mm *tm = i->tm;

	i->mni.ops = &tt_dead_int_ops;
	tt_free(i, offsetof(struct tt_int, magic), sizeof(*i));
	tt_mm_put(tm);
}

/* Prepares the mm for intervals, so that mmap_lock need not be taken later. */
static int tt_register_nobody(struct mm_struct *mm)
{
	int err;

	if (get_random_u32() % 2) {
		err = mmu_notifier_register(NULL, mm);
	} else {
		mmap_write_lock(mm);
		err = __mmu_notifier_register(NULL, mm);
		mmap_write_unlock(mm);
	}
	if (err)
		tt_bug("registration of nobody fails: %d", err);
	tt_count(TT_REGISTERED_NOBODY);
	return err;
}

static int tt_int_insert_reading(struct tt_int *i)
{
	struct mm_struct *mm = i->tm->mm;
	int err;

	err = tt_register_nobody(mm);
	if (err)
		return err;
	mmap_read_lock(mm);
	err = mmu_interval_notifier_insert(&i->mni, mm, tt_address(i->first),
					   (unsigned long)i->pages << PAGE_SHIFT,
					   i->mni.ops);
	mmap_read_unlock(mm);
	tt_count(TT_INSERTED_LOCKED);
	return err;
}

static int tt_int_insert_somehow(struct tt_int *i, enum tt_hold hold)
{
	const struct mmu_interval_notifier_ops *ops = i->mni.ops;
	unsigned long length = (unsigned long)i->pages << PAGE_SHIFT;
	struct mm_struct *mm = i->tm->mm;
	int err;

	if (!tt_busted && hold == TT_HOLD_READ)
		return tt_int_insert_reading(i);
	if (!tt_busted && hold == TT_HOLD_NOTHING)
		return mmu_interval_notifier_insert(&i->mni, mm,
						    tt_address(i->first),
						    length, ops);
	mmap_write_lock(mm);
	tt_prepare(mm);
	err = mmu_interval_notifier_insert_locked(&i->mni, mm,
						  tt_address(i->first),
						  length, ops);
	mmap_write_unlock(mm);
	return err;
}

/* The caller has a user of the mm. */
int tt_int_insert(struct tt_int *i, enum tt_hold hold)
{
	struct tt_mm *tm = i->tm;
	int err;

	err = tt_int_insert_somehow(i, hold);
	if (err)
		return err;
	spin_lock(&tm->lock);
	tm->ints[i->seat] = i;
	spin_unlock(&tm->lock);
	tt_count(TT_INSERTED);
	return 0;
}

/*
 * An insert may be deferred until the running sections are over, and sections
 * that begin until then do not find the interval either. But begin has waited
 * for all of these, and until then there was nothing to invalidate.
 */
static void tt_int_begun(struct tt_int *i)
{
	u32 *gen = &i->tm->int_gens[i->seat];

	if (i->begun)
		return;
	i->begun = true;
	/* Pairs with the acquire in tt_section_prepare(). */
	smp_store_release(gen, *gen + 1);
}

static void tt_int_ending(struct tt_int *i)
{
	struct tt_mm *tm = i->tm;

	spin_lock(&tm->lock);
	tm->ints[i->seat] = NULL;
	if (i->begun)
		tm->int_gens[i->seat]++;
	spin_unlock(&tm->lock);
}

void tt_int_remove(struct tt_int *i)
{
	spin_lock(&i->lock);
	if (i->valid)
		tt_int_look(i, i->copy);
	i->valid = false;
	spin_unlock(&i->lock);
	tt_int_ending(i);
	tt_remove(&i->mni);
	tt_count(TT_REMOVED);
	/* Callbacks use @i: it is leaked, like everything after a bug. */
	if (atomic_read(&i->busy))
		tt_bug("removed: a callback runs");
	else if (READ_ONCE(i->finishes_used))
		tt_bug("removed: a second pass has not come");
	else
		tt_int_drop(i);
}

/* Collision-retry, once. The caller has a user of the mm. */
static bool tt_int_try_read(struct tt_int *i, struct tt_thread *t)
{
	unsigned long seq = mmu_interval_read_begin(&i->mni);
	unsigned int page;
	bool valid;

	tt_int_begun(i);
	for (page = i->first; page < i->first + i->pages; page++)
		i->reading[page] = atomic_long_read(&i->tm->pte[page]);
	tt_pause(t, true);
	spin_lock(&i->lock);
	valid = !tt_read_retry(&i->mni, seq);
	if (valid) {
		tt_int_look(i, i->reading);
		memcpy(i->copy, i->reading, sizeof(i->copy));
		i->valid = true;
	}
	spin_unlock(&i->lock);
	tt_count(valid ? TT_READ : TT_RETRIED);
	return valid;
}

void tt_int_read(struct tt_int *i, struct tt_thread *t)
{
	unsigned int tries = 4;

	spin_lock(&i->lock);
	if (i->valid)
		tt_int_look(i, i->copy);
	spin_unlock(&i->lock);
	while (tries-- && !tt_int_try_read(i, t))
		;
}
