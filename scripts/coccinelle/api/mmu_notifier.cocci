// SPDX-License-Identifier: GPL-2.0-only
///
/// Each way to subscribe to an address space can fail, and has a function that
/// ends the subscription. Find where either is forgotten. The rules are in
/// Documentation/mm/mmu_notifier.rst; the word after "mmu_notifier" in a report
/// is one of these:
///
/// result: the result of subscribing, or a sequence, is ignored
/// put: mmu_notifier_get() without mmu_notifier_put()
/// unregister: mmu_notifier_register() without mmu_notifier_unregister()
/// remove: mmu_interval_notifier_insert() without its remove
/// inserted: a member of an interval is read to see whether it is inserted
/// early: subscribes before what the callbacks use is initialised
/// synchronize: a module is unloaded while its free_notifier may still run
/// flags: the flags of a range are read instead of calling the function
///
//# put, unregister, remove and synchronize look at one file alone. They report
//# drivers that subscribe in one file and unsubscribe in another one.
//# "inserted" matters where a failed insert may leave the mm in place, as it did
//# once, and where the memory is not zeroed before.
//
// Confidence: Moderate
// Options: --no-includes --include-headers
// Keywords: mmu_notifier, mmu_interval_notifier

virtual patch
virtual report
virtual org
virtual context

@initialize:python@
@@
# the core itself, in which one of these functions calls the other
CORE = ("mm/mmu_notifier.c", "mm/mmu_interval_notifier.c",
        "include/linux/mmu_notifier.h")


def tell(p, text):
    pass


def of_driver(p):
    return not p[0].file.endswith(CORE)


def finding(p, rule, text, function=None):
    tell(p[0], "WARNING: mmu_notifier %s: %s: %s"
         % (rule, function or p[0].current_element, text))


@initialize:python depends on report@
@@
tell = coccilib.report.print_report

@initialize:python depends on org@
@@
tell = coccilib.org.print_todo

@result depends on !patch forall@
identifier f = {mmu_notifier_register, __mmu_notifier_register, mmu_notifier_get,
	mmu_notifier_get_locked, mmu_interval_notifier_insert,
	mmu_interval_notifier_insert_locked, mmu_interval_read_begin};
local idexpression r;
position p;
@@
(
* f@p(...);
|
* (void)f@p(...);
|
* r = f@p(...);
  ... when != r
)

@script:python@
f << result.f;
p << result.p;
@@
finding(p, "result", "the result of %s() is ignored" % f)

@has_put depends on !patch@
@@
mmu_notifier_put(...)

@put depends on !patch && !has_put@
identifier f = {mmu_notifier_get, mmu_notifier_get_locked};
position p : script:python() { of_driver(p) };
@@
* f@p(...)

@script:python@
f << put.f;
p << put.p;
@@
finding(p, "put", "no mmu_notifier_put() in this file for %s()" % f)

// mmu_notifier_register() may go with mmu_notifier_put(), if there is a free_notifier
@has_unregister depends on !patch@
@@
mmu_notifier_unregister(...)

@unregister depends on !patch && !has_unregister && !has_put@
identifier f = {mmu_notifier_register, __mmu_notifier_register};
position p : script:python() { of_driver(p) };
@@
* f@p(...)

@script:python@
f << unregister.f;
p << unregister.p;
@@
finding(p, "unregister", "no mmu_notifier_unregister() in this file for %s()" % f)

@has_remove depends on !patch@
@@
mmu_interval_notifier_remove(...)

@remove depends on !patch && !has_remove@
identifier f = {mmu_interval_notifier_insert, mmu_interval_notifier_insert_locked};
position p : script:python() { of_driver(p) };
@@
* f@p(...)

@script:python@
f << remove.f;
p << remove.p;
@@
finding(p, "remove", "no mmu_interval_notifier_remove() in this file for %s()" % f)

// The name that an interval has in the structure of its driver
@interval depends on !patch@
expression E;
identifier sub;
identifier f = {mmu_interval_notifier_insert, mmu_interval_notifier_insert_locked,
	mmu_interval_notifier_remove};
@@
(
f(&E->sub, ...)
|
f(&E.sub, ...)
)

@inserted depends on !patch@
expression E, X;
identifier interval.sub;
struct mmu_interval_notifier *n;
position p;
@@
(
* E->sub.mm@p == NULL
|
* E.sub.mm@p == NULL
|
* n->mm@p == NULL
|
* E->sub.mm@p != NULL
|
* E.sub.mm@p != NULL
|
* n->mm@p != NULL
|
* E->sub.interval_tree.start@p != 0
|
* E.sub.interval_tree.start@p != 0
|
* E->sub.mm@p && X
|
* E.sub.mm@p && X
|
* E->sub.mm@p || X
|
* E.sub.mm@p || X
)

@script:python@
p << inserted.p;
@@
finding(p, "inserted", "this is no proof of a successful insert")

@early depends on !patch exists@
identifier f = {mmu_notifier_register, __mmu_notifier_register,
	mmu_interval_notifier_insert, mmu_interval_notifier_insert_locked};
identifier init = {mutex_init, spin_lock_init, raw_spin_lock_init, rwlock_init,
	init_rwsem, init_waitqueue_head, init_completion, INIT_WORK,
	INIT_DELAYED_WORK, INIT_LIST_HEAD, kref_init, refcount_set, xa_init,
	ida_init, init_srcu_struct};
expression E;
identifier sub, m;
position p, q;
@@
(
* f@p(&E->sub, ...)
|
* f@p(&E.sub, ...)
)
  ... when any
(
* init@q(&E->m, ...)
|
* init@q(&E.m, ...)
)

@script:python@
f << early.f;
init << early.init;
m << early.m;
p << early.p;
q << early.q;
@@
finding(p, "early", "callbacks run from %s() on, but %s(%s) comes in line %s" % (f, init, m, q[0].line))

@has_synchronize depends on !patch@
@@
mmu_notifier_synchronize()

@frees depends on !patch && !has_synchronize@
identifier o, f;
@@
struct mmu_notifier_ops o = { .free_notifier = f, };

@leaves depends on frees@
identifier f;
declarer name module_exit, module_driver, module_platform_driver, module_pci_driver;
declarer name module_usb_driver, module_auxiliary_driver, module_misc_device;
position p;
@@
(
* module_exit@p(f);
|
* module_driver@p(f, ...);
|
* module_platform_driver@p(f);
|
* module_pci_driver@p(f);
|
* module_usb_driver@p(f);
|
* module_auxiliary_driver@p(f);
|
* module_misc_device@p(f);
)

@script:python@
f << leaves.f;
p << leaves.p;
@@
finding(p, "synchronize", "ends without mmu_notifier_synchronize()", f)

@flags depends on !patch@
struct mmu_notifier_range *r;
position p : script:python() { of_driver(p) };
@@
* r->flags@p & MMU_NOTIFIER_RANGE_BLOCKABLE

@script:python@
p << flags.p;
@@
finding(p, "flags", "mmu_notifier_range_blockable() says the same")

@depends on patch@
struct mmu_notifier_range *r;
position p : script:python() { of_driver(p) };
@@
- r->flags@p & MMU_NOTIFIER_RANGE_BLOCKABLE
+ mmu_notifier_range_blockable(r)
