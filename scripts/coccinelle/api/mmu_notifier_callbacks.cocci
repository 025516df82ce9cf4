// SPDX-License-Identifier: GPL-2.0-only
///
/// Callbacks of MMU notifiers run inside reclaim, in any task, and sometimes
/// where sleeping is not allowed. Find what they must not do, and what must not
/// be done under a lock that they take. The rules are in
/// Documentation/mm/mmu_notifier.rst; the word after "mmu_notifier" in a report
/// is one of these:
///
/// sleep: sleeps in a section, and never calls mmu_notifier_range_blockable()
/// atomic: sleeps where the page table lock is held
/// never: sleeps or declines in spite of MMU_NOTIFIER_NEVER_SLEEPS
/// alloc: allocates memory in a way that can wait for reclaim
/// forbidden: waits for something that a callback must never wait for
/// lock: waits for reclaim, mmap_lock or a section under a callback's lock
/// decline: increments what only the end decrements, and then declines
/// release: the device is not stopped when the process ends
///
//# Callbacks are followed into functions of the same file, not into others and
//# not through pointers. Nor is it seen under which condition something is
//# called: one look at mmu_notifier_range_blockable() counts for the callback.
//# A function with a cur_seq argument is taken for a part of an invalidate, which
//# may have looked already.
//# A start that declines may stand beside an end, which is not called for what
//# was declined; "decline" is about what would then stay raised.
//# Two locks are taken for one if the members have the same name, unless they
//# are seen to be in different structures.
//
// Confidence: Moderate
// Options: --no-includes --include-headers
// Keywords: mmu_notifier, mmu_interval_notifier

virtual report
virtual org
virtual context

@initialize:python@
@@
import re

SECTION = {"invalidate_range_start", "invalidate_range_end", "invalidate",
           "invalidate_start", "invalidate_finish"}
# These cannot decline. The start that goes with them can do so for both.
SECOND = {"invalidate_range_end": "invalidate_range_start",
          "invalidate_finish": "invalidate_start"}
SPIN = {"clear_flush_young", "clear_young", "test_young",
        "arch_invalidate_secondary_tlbs"}
HLIST = SPIN | {"invalidate_range_start", "invalidate_range_end"}

SLEEPS = re.compile(r"""
    mutex_lock(_nested|_nest_lock|_interruptible|_killable|_io)? |
    down(_interruptible|_killable|_timeout)? |
    down_(read|write)(_nested|_killable|_interruptible)? |
    ww_mutex_lock\w* | dma_resv_lock\w* | dma_resv_wait_timeout |
    dma_fence_wait(_timeout)? | wait_event\w* | wait_for_completion\w* |
    wait_on_bit\w* | flush_(work|workqueue|delayed_work) | drain_workqueue |
    cancel_(delayed_)?work_sync | kthread_stop | msleep\w* | ssleep |
    usleep_range | fsleep | schedule(_timeout\w*)? | cond_resched |
    might_sleep | synchronize_s?rcu\w* | s?rcu_barrier
    """, re.X)

GFP = re.compile(r"\bGFP_(KERNEL|NOFS|NOIO|USER|HIGHUSER)")
ALLOCATES_ANYHOW = re.compile(r"vmalloc|vzalloc|vmalloc_user")
# a missing argument stands for GFP_KERNEL
ALLOCATES_OBJECT = re.compile(r"kv?[mz]alloc_(objs?|flex)")

MMAP_LOCK = re.compile(r"mmap_(read|write)_lock\w*|lock_mm_and_find_vma")
USER_MEMORY = re.compile(r"""
    copy_(from|to)_user | clear_user | (get|put)_user |
    (get|pin)_user_pages\w* | hmm_range_fault | fault_in_\w+ |
    fixup_user_fault | access_(process|remote)_vm
    """, re.X)
SUBSCRIBES = re.compile(r"""
    (__)?mmu_notifier_register | mmu_notifier_get(_locked)? |
    mmu_interval_notifier_(insert(_locked)?|remove) |
    mmu_interval_read_begin | mmu_notifier_synchronize
    """, re.X)
FOLIO_LOCK = re.compile(r"""
    (folio_)?lock_page(_killable)? | folio_lock(_killable)? |
    set_page_dirty_lock | unpin_user_pages?(_range)?_dirty_lock
    """, re.X)
INTERRUPTIBLE = re.compile(r"\w+_(interruptible|killable)\w*")
# the position of the argument that asks for an interruptible wait
MAYBE_INTERRUPTIBLE = {"dma_resv_wait_timeout": 2, "dma_fence_wait": 1,
                       "dma_fence_wait_timeout": 1}

LOCKS = re.compile(r"(mutex|down)_(try)?lock\w*|down_(read|write)\w*|mutex_lock\w*")

ops_of = {}     # file -> ops -> callback -> (function, where it is assigned)
parts = {}      # file -> functions that are called by an invalidate
calls = {}      # file -> function -> [(callee, arguments, position)]
looks = {}      # file -> functions that ask for MMU_NOTIFIER_RANGE_BLOCKABLE
declines = {}   # file -> function -> position of a -EAGAIN or false
never = {}      # file -> ops that promise never to sleep
types = {}      # file -> position of a call -> the structure that its lock is in
locks = {}      # file -> position of a call -> the lock that it takes
taken = {}      # file -> (lock, structure) -> callback
waiting = {}    # file -> position -> what it waits for
reported = set()


def tell(p, text):
    pass


def key(p):
    return (p.file, p.line, p.column)


def finding(p, rule, function, text):
    if (key(p), rule) not in reported:
        reported.add((key(p), rule))
        tell(p, "WARNING: mmu_notifier %s: %s: %s" % (rule, function, text))


def was_reported(p):
    return any(where == key(p[0]) for where, rule in reported)


def arguments(es):
    """Of a call, split at the commas that are not within parentheses"""
    parts, depth = [""], 0
    for word in str(es).split():
        depth += word.count("(") - word.count(")")
        if word == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += word
    return parts


def lock_name(expression):
    """The member that is the lock, or the variable"""
    names = re.findall(r"\w+", str(expression))
    return names[-1] if names else ""


def lock_of(p):
    return (locks[p.file][key(p)], types.get(p.file, {}).get(key(p), ""))


def taken_by(p):
    """The callback that takes it, too. A type that is not known may be any."""
    if key(p) not in locks.get(p.file, {}):
        return None
    name, struct = lock_of(p)
    for (other, its_struct), callback in taken.get(p.file, {}).items():
        if other == name and (not struct or not its_struct or struct == its_struct):
            return callback
    return None


def own(arg):
    """An argument without those of the calls in it"""
    kept, depth, last = "", 0, ""
    for word in re.findall(r"\w+|.", arg):
        if word == "(" and (depth or re.fullmatch(r"\w+", last)):
            depth += 1
        elif word == ")" and depth:
            depth -= 1
        elif not depth:
            kept += word
        last = word
    return kept


def allocates(callee, args):
    args = [own(arg) for arg in args]
    if ALLOCATES_OBJECT.fullmatch(callee) and not any("GFP_" in arg for arg in args):
        return True
    return bool(ALLOCATES_ANYHOW.fullmatch(callee) or GFP.search(",".join(args)))


def interruptible(callee, args):
    at = MAYBE_INTERRUPTIBLE.get(callee)
    if at is not None:
        return len(args) > at and args[at] == "true"
    return bool(INTERRUPTIBLE.fullmatch(callee))


def reach(file, function):
    """function -> how it is called, of what a callback can get to in its file"""
    way, todo = {function: function}, [function]
    while todo:
        caller = todo.pop(0)
        for callee, args, p in calls[file].get(caller, []):
            if callee in calls[file] and callee not in way:
                way[callee] = way[caller] + " > " + callee
                todo.append(callee)
    return way


def looks_at_blockable(file, ops, op):
    """Itself, or the start that declines on behalf of it"""
    if not ops:
        return True
    for name in (op, SECOND.get(op)):
        function = ops_of[file][ops].get(name)
        if function and looks.get(file, set()) & set(reach(file, function[0])):
            return True
    return False


def waits_for(callee, args):
    """What a callback's lock must not be held for"""
    if allocates(callee, args):
        return "reclaim"
    if MMAP_LOCK.fullmatch(callee) or USER_MEMORY.fullmatch(callee):
        return "mmap_lock"
    if SUBSCRIBES.fullmatch(callee) or callee == "mmu_notifier_unregister":
        return "sections"
    return None


def forbids(callee, args):
    if MMAP_LOCK.fullmatch(callee) or USER_MEMORY.fullmatch(callee):
        return "takes mmap_lock"
    if SUBSCRIBES.fullmatch(callee):
        return "waits for sections, and is called in one"
    if FOLIO_LOCK.fullmatch(callee):
        return "takes a folio lock"
    if callee == "mmput":
        return "may be the last one, and exit waits for sections"
    if interruptible(callee, args):
        return "can return early, while the device still uses the pages"
    return None


def judge_call(file, ops, op, function, way, callee, args, p):
    said = "%s()" % callee
    if way != function:
        said += " by way of " + way
    def complain(rule, text):
        finding(p, rule, function, "%s in %s %s" % (said, op, text))

    sleeps = SLEEPS.fullmatch(callee)
    if op in SPIN:
        if sleeps or allocates(callee, args):
            complain("atomic", "sleeps under the page table lock")
        return
    if allocates(callee, args):
        complain("alloc", "can wait for reclaim")
    reason = forbids(callee, args)
    if reason:
        complain("forbidden", reason)
    if op not in SECTION or not sleeps:
        return
    if ops in never.get(file, set()):
        complain("never", "sleeps, which MMU_NOTIFIER_NEVER_SLEEPS rules out")
    elif not looks_at_blockable(file, ops, op):
        complain("sleep", "sleeps, also where the section is not blockable")


def judge_callback(file, ops, op, callback):
    ways = reach(file, callback)
    for function, way in ways.items():
        for callee, args, p in calls[file].get(function, []):
            judge_call(file, ops, op, function, way, callee, args, p)
            if op in SECTION and key(p) in locks.get(file, {}):
                taken.setdefault(file, {}).setdefault(lock_of(p), callback)
    if op in SECTION and ops in never.get(file, set()):
        p = declines.get(file, {}).get(callback)
        if p:
            finding(p, "never", callback,
                   "%s declines, which MMU_NOTIFIER_NEVER_SLEEPS rules out" % op)


def find_waits(file):
    """The calls that wait themselves, or in a function of the file that they call"""
    for function in calls[file]:
        for callee, args, p in calls[file][function]:
            what = waits_for(callee, args)
            if what:
                waiting[file][key(p)] = what
                continue
            for below in reach(file, callee) if callee in calls[file] else ():
                for inner, inner_args, where in calls[file][below]:
                    what = what or waits_for(inner, inner_args)
            if what:
                waiting[file][key(p)] = what


def judge_file(file):
    calls.setdefault(file, {})
    waiting[file] = {}
    known = set()
    for ops, callbacks in ops_of.get(file, {}).items():
        known |= {function for function, p in callbacks.values()}
        for op, (function, p) in callbacks.items():
            judge_callback(file, ops, op, function)
        if HLIST & set(callbacks) and "release" not in callbacks:
            first = min((p for function, p in callbacks.values()), key=lambda p: int(p.line))
            finding(first, "release", ops, "without a release the device still uses the pages "
                    "when exit frees them")
    for function in sorted(parts.get(file, set()) - known):
        judge_callback(file, None, "invalidate", function)
    find_waits(file)


def name_is_taken(lock):
    """A first sieve: to look for the position instead makes the search slow"""
    return any(lock_name(lock) == name for of in taken.values() for name, struct in of)


def is_waiting(p):
    return key(p[0]) in waiting.get(p[0].file, {})


@initialize:python depends on report@
@@
tell = coccilib.report.print_report

@initialize:python depends on org@
@@
tell = coccilib.org.print_todo

// Each rule has its script right behind it: bindings that are still wanted
// later would be multiplied with those of all rules in between.

@callback@
identifier o, f;
identifier op = {invalidate_range_start, invalidate_range_end, invalidate,
	invalidate_start, invalidate_finish, clear_flush_young, clear_young,
	test_young, arch_invalidate_secondary_tlbs, release};
position p;
@@
(
struct mmu_notifier_ops o = { .op = f@p, };
|
struct mmu_interval_notifier_ops o = { .op = f@p, };
)

@script:python@
o << callback.o;
op << callback.op;
f << callback.f;
p << callback.p;
@@
ops_of.setdefault(p[0].file, {}).setdefault(o, {})[op] = (f, p[0])

@promise@
identifier o;
position p;
@@
(
struct mmu_notifier_ops o = { .flags = MMU_NOTIFIER_NEVER_SLEEPS@p, };
|
struct mmu_interval_notifier_ops o = { .flags = MMU_NOTIFIER_NEVER_SLEEPS@p, };
)

@script:python@
o << promise.o;
p << promise.p;
@@
never.setdefault(p[0].file, set()).add(o)

// Of an invalidate that may be in another file
@part@
identifier f;
symbol cur_seq;
position p;
@@
f@p(..., unsigned long cur_seq, ...) { ... }

@script:python@
f << part.f;
p << part.p;
@@
parts.setdefault(p[0].file, set()).add(f)

@call depends on (callback || part)@
identifier g;
expression list es;
position p;
@@
g@p(es)

@script:python@
g << call.g;
es << call.es;
p << call.p;
@@
args = arguments(es)
calls.setdefault(p[0].file, {}).setdefault(p[0].current_element, []).append((g, args, p[0]))
if LOCKS.fullmatch(g):
    locks.setdefault(p[0].file, {})[key(p[0])] = lock_name(args[0])
if g == "mmu_notifier_range_blockable":
    looks.setdefault(p[0].file, set()).add(p[0].current_element)

@typed depends on (callback || part)@
type T;
T *x;
identifier m, take;
position p;
@@
take@p(&x->m, ...)

@script:python@
T << typed.T;
p << typed.p;
@@
types.setdefault(p[0].file, {})[key(p[0])] = T

@flag depends on (callback || part)@
expression E;
position p;
@@
E & MMU_NOTIFIER_RANGE_BLOCKABLE@p

@script:python@
p << flag.p;
@@
looks.setdefault(p[0].file, set()).add(p[0].current_element)

@no depends on promise@
symbol false;
expression E;
position p;
@@
(
return@p -EAGAIN;
|
return@p false;
|
E =@p -EAGAIN
)

@script:python@
p << no.p;
@@
declines.setdefault(p[0].file, {})[p[0].current_element] = p[0]

// All is known of the file now.
@script:python depends on (callback || part)@
@@
for file in set(ops_of) | set(parts):
    if file not in waiting:
        judge_file(file)

@held depends on (callback || part) exists@
expression L : script:python() { name_is_taken(L) };
identifier g;
identifier take = {mutex_lock, mutex_lock_nested, mutex_lock_interruptible,
	mutex_lock_killable, down_write, down_write_nested, down_write_killable,
	down_read, down_read_nested, down_read_killable};
identifier drop = {mutex_unlock, up_write, up_read, downgrade_write};
position l, p : script:python() { is_waiting(p) };
@@
take@l(L, ...)
... when != drop(L)
    when != memalloc_noreclaim_save(...)
    when any
g@p(...)

@script:python@
l << held.l;
g << held.g;
p << held.p;
@@
callback = taken_by(l[0])
if callback:
    finding(p[0], "lock", p[0].current_element, "%s() waits for %s under %s, which %s() takes, too"
            % (g, waiting[p[0].file][key(p[0])], lock_of(l[0])[0], callback))

@both@
identifier o, s, e;
@@
struct mmu_notifier_ops o = {
	.invalidate_range_start = s,
	.invalidate_range_end = e,
};

@raised exists@
identifier both.s;
expression C, R, X;
position p, q;
@@
s(...)
{
	...
(
	C++@p
|
	++C@p
|
	C +=@p X
|
	atomic_inc@p(C)
|
	atomic_long_inc@p(C)
|
	refcount_inc@p(C)
|
	mutex_lock@p(C)
|
	spin_lock@p(C)
)
	... when != C--
	    when != --C
	    when != C -= X
	    when != \(atomic_dec\|atomic_dec_and_test\|atomic_long_dec\|refcount_dec\|refcount_dec_and_test\)(C)
	    when != \(mutex_unlock\|spin_unlock\)(C)
	    when any
(
	return@q -EAGAIN;
|
	R =@q -EAGAIN
	... when != C--
	    when != --C
	    when != C -= X
	    when != \(atomic_dec\|atomic_dec_and_test\|atomic_long_dec\|refcount_dec\|refcount_dec_and_test\)(C)
	    when != \(mutex_unlock\|spin_unlock\)(C)
	    when any
	return R;
)
}

@script:python@
p << raised.p;
q << raised.q;
C << raised.C;
s << both.s;
e << both.e;
@@
finding(p[0], "decline", s, "%s is not taken back before line %s declines, for which %s() is not called"
       % (C, q[0].line, e))

@mark depends on context@
identifier g;
position p : script:python() { was_reported(p) };
@@
* g@p(...)

@mark_other depends on context@
expression E, X;
position p : script:python() { was_reported(p) };
@@
(
* return@p E;
|
* X =@p E
|
* E++@p
|
* ++E@p
|
* E +=@p X
)

@mark_ops depends on context@
identifier o, f, op;
position p : script:python() { was_reported(p) };
@@
struct mmu_notifier_ops o = {
* .op = f@p,
};
