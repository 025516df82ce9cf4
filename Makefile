# SPDX-License-Identifier: GPL-2.0
# Every command that a user runs. 'make help' lists them.

BASE ?= 6.12
export BASE
# Only what was said: an empty value is a mistake that the scripts tell
$(foreach name,CASE CONFIG KDIR M MINUTES SIGNOFF SUITE TEST TRAILERS V,\
	$(if $(filter-out undefined,$(origin $(name))),$(eval export $(name))))

.PHONY: help kunit selftests shell test check prove lockdep models torture matrix mutants \
	coverage litmus bench bench-quick bench-native native-stress rcutorture users cocci docs module series bisect fixes fixes-test install clean

# A line with two # before a target opens a group of targets
help: ## list the targets
	@echo "make TARGET [BASE=6.12|7.3]"
	@sed -nE 's/^## (.*)/\n\1/p; s/^([a-z-]*):.*## /\1\t/p' Makefile | expand -t 16 | sed 's/^[a-z]/  &/'

## Try it

kunit: ## boot the KUnit suites in QEMU (SUITE=suite, CASE=suite.case, CONFIG=kasan, rt, arm64, ...)
	@harness/kunit/kunit

selftests: ## boot the selftests, ours and those of hmm, in QEMU (TEST=program or test)
	@harness/selftests/selftests

shell: ## a shell in that machine, or what is piped in (M=DIR: with the module in DIR)
	@harness/shell/shell

torture: ## threads at random, against a model; then breaks to be noticed (MINUTES=5; 10 min)
	@harness/torture/torture

prove: ## show that the defects of the base are there, and gone with the rework
	@harness/common/fetch
	@harness/common/overlay
	@harness/prove/prove

bench: ## measure base and rework, one table (20 min)
	@harness/common/fetch
	@harness/common/overlay
	@harness/bench/bench

bench-native: ## the same on this processor, in user space (3 min)
	@harness/common/fetch
	@harness/native/bench-native

## Merge it

install: ## apply the series to a kernel tree of yours: KDIR=DIR
	@harness/series/install

series: ## write the patches to out/series/BASE (SIGNOFF="Name <mail>", TRAILERS="Key: value", V=2, STAGE=2)
	@harness/series/series

bisect: series ## build and boot the base with each prefix of the series (an hour)
	@harness/series/bisect

users: ## compile every in-tree user of the API against the rework, on four architectures
	@harness/common/fetch
	@harness/common/overlay
	@harness/users/users

fixes: ## write the fixes alone as a series, for who does not take the rework (1 min)
	@harness/fixes/fixes

fixes-test: ## show that the fixes mend the base, and compile what they change (30 min)
	@harness/fixes/fixes --test
	@CONFIG=rt harness/fixes/fixes --test
	@harness/fixes/fixes --compile

## Write a driver

docs: ## render the page for authors to out/docs/BASE/mm/mmu_notifier.html (2 min)
	@harness/common/fetch
	@harness/common/overlay
	@harness/check/docs

module: ## the model driver as an external module for Debian's own kernel 6.12 (10 s)
	@harness/module/module

cocci: ## static rules for drivers, over all users in the base: findings and verdicts (2 min)
	@harness/common/fetch
	@harness/cocci/cocci

lockdep: ## break each rule on base and rework, a boot each: who notices? (CASE=name)
	@harness/lockdep/lockdep
	@harness/lockdep/splats

## Develop the rework

test: ## check, kunit, KASAN, selftests, torture, lockdep in part, counts, native-stress (25 min)
	@harness/test/test

check: ## static checks: style, two compilers, five architectures, docs, our commands (10 min)
	@harness/test/test check

matrix: ## make kunit in each CONFIG, one table (an hour)
	@harness/kunit/matrix

mutants: ## break the core in one place after the other: do the suites notice? (an hour)
	@harness/common/fetch
	@harness/common/overlay
	@harness/mutants/mutants

coverage: ## lines and branches of the core that KUnit and the selftests reach (10 min)
	@harness/common/fetch
	@harness/common/overlay
	@harness/coverage/coverage

litmus: ## have herd7 check the core by the kernel's memory model, and refute weaker ones (1 min)
	@harness/common/fetch
	@harness/models/litmus

models: ## have spin verify the models of the core, and refute their mistakes (2 min)
	@harness/models/models

rcutorture: ## the kernel's torture test of SRCU with what the last patch adds (MINUTES=5; 10 min)
	@harness/common/fetch
	@harness/common/overlay
	@harness/torture/rcutorture

bench-quick: ## count the instructions of the rework: not more than expected (5 min)
	@harness/common/fetch
	@harness/common/overlay
	@harness/bench/bench --quick

native-stress: ## threads at random in user space, under two sanitizers (1 min)
	@harness/common/fetch
	@harness/native/native-stress

clean: ## remove what was built and the trees it was built from
	rm -rf out/build out/tree
