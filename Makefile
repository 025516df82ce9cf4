# SPDX-License-Identifier: GPL-2.0
# Every command that a user runs. 'make help' lists them.

BASE ?= 6.12
export BASE KDIR SIGNOFF TRAILERS V CONFIG MINUTES

.PHONY: help kunit selftests shell test check prove lockdep models torture matrix mutants \
	coverage bench bench-quick bench-native native-stress rcutorture users cocci docs module series bisect fixes fixes-test install clean

help: ## list the targets
	@echo "make TARGET [BASE=6.12|7.3]"
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 15 | sed 's/^/  /'

kunit: ## build the base kernel with the rework, boot its KUnit suites in QEMU (10 min; CONFIG=kasan, rt, arm64, ...)
	@harness/kunit

selftests: ## boot the selftests that run in user space, ours and those of hmm, in QEMU (15 min)
	@harness/selftests

shell: ## a shell in that machine, on the terminal; or run the commands that are piped in
	@harness/shell

test: check kunit selftests ## check, kunit, kunit with KASAN, selftests, a minute of torture, a part of lockdep, bench-quick, native-stress (50 min)
	@CONFIG=kasan harness/kunit
	@BUSTED= harness/torture 1
	@harness/lockdep $(quick)
	@harness/splats
	@harness/bench --quick
	@harness/native-stress

# A case of each kind of splat, and one that must not cause any
quick = reclaim_lock_in_start_wrong reclaim_lock_in_start_right \
	read_begin_under_section_lock_wrong sleep_in_young_wrong \
	sleep_in_nonblock_interval_wrong section_without_lock_wrong \
	end_without_start_wrong nested_sections_right

check: ## static checks: shellcheck, checkpatch, kernel-doc, sparse, two compilers, five architectures, docs, cocci (15 min)
	@harness/check
	@harness/gates
	@harness/docs
	@harness/cocci

prove: ## show that the defects of the base kernel are there, and gone with the rework
	@harness/fetch
	@harness/overlay
	@harness/prove

lockdep: ## break each rule on base and rework, a boot for each case: who notices?
	@harness/fetch
	@harness/overlay
	@harness/lockdep
	@harness/splats

models: ## have spin check the models of the core's ordering, and refute their wrong variants (2 min)
	@harness/models

torture: ## threads at random, on many mms, against a model; then each break that must be noticed (MINUTES=5; 10 min)
	@harness/torture

rcutorture: ## the kernel's own torture test of SRCU with the wait that the last patch adds (MINUTES=5; 10 min)
	@harness/fetch
	@harness/overlay
	@harness/rcutorture

matrix: ## make kunit in each CONFIG, one table (an hour)
	@harness/matrix

mutants: ## break the core in one place after the other: do the suites notice? (an hour)
	@harness/fetch
	@harness/overlay
	@harness/mutants

coverage: ## lines and branches of the core that KUnit and the selftests reach, together (10 min)
	@harness/fetch
	@harness/overlay
	@harness/coverage

bench: ## measure base and rework, one table (20 min)
	@harness/fetch
	@harness/overlay
	@harness/bench

bench-quick: ## count the instructions of the rework: not more than expected (5 min)
	@harness/fetch
	@harness/overlay
	@harness/bench --quick

bench-native: ## measure base and rework on this processor, in user space, one table (3 min)
	@harness/fetch
	@harness/bench-native

native-stress: ## threads at random in user space, under AddressSanitizer and ThreadSanitizer (1 min)
	@harness/fetch
	@harness/native-stress

users: ## compile every in-tree user of the API against the rework, those of arm64, powerpc and s390 too
	@harness/fetch
	@harness/overlay
	@harness/users

cocci: ## static rules for drivers, over all users in the base: each finding with its verdict (2 min)
	@harness/fetch
	@harness/cocci

series: ## write the patch series to out/series/BASE (SIGNOFF="Name <mail>", TRAILERS="Key: value", V=2)
	@harness/series

bisect: series ## build and boot the base with each prefix of the series, as whoever bisects would (an hour)
	@harness/bisect

fixes: ## write a series of fixes alone, for those who do not take the rework, to out/fixes/BASE (1 min)
	@harness/fixes

fixes-test: ## show that the fixes mend the base, in QEMU, and compile what they change (30 min)
	@harness/fixes --test
	@CONFIG=rt harness/fixes --test
	@harness/fixes --compile

module: ## the model driver as an external module for Debian's own kernel 6.12 (10 s)
	@harness/module

docs: ## render the page for driver authors to out/docs/BASE/mm/mmu_notifier.html (2 min)
	@harness/fetch
	@harness/overlay
	@harness/docs

install: ## apply the series to a kernel tree of yours: KDIR=DIR
	@harness/install

clean: ## remove what was built and the trees it was built from
	rm -rf out/build out/tree
