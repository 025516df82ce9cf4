# SPDX-License-Identifier: GPL-2.0
# Every command that a user runs. 'make help' lists them.

BASE ?= 6.12
export BASE
# Only what was said: an empty value is a mistake that the scripts tell
$(foreach name,CASE CONFIG KDIR M MINUTES SIGNOFF SUITE TEST TRAILERS V,\
	$(if $(filter-out undefined,$(origin $(name))),$(eval export $(name))))

.PHONY: help kunit selftests shell test check prove lockdep models torture matrix mutants \
	coverage litmus bench bench-quick bench-native native-stress rcutorture users clients cocci docs module series bisect fixes fixes-test install clean

# A line with two # before a target opens a group of targets
help: ## list the targets
	@echo "make TARGET [BASE=6.12|7.3]"
	@echo "SUITE=, CASE=, CONFIG= and TEST= without a value list what they can be."
	@sed -nE 's/^## (.*)/\n\1/p; s/^([a-z-]*):.*## /\1\t/p' Makefile | expand -t 16 | sed 's/^[a-z]/  &/'

## Try it

kunit: ## boot the KUnit suites in QEMU (SUITE=, CASE=, CONFIG=; 15 min)
	@harness/kunit/kunit

selftests: ## boot the selftests, ours and those of hmm (TEST=)
	@harness/selftests/selftests

shell: ## a shell in that machine, or what is piped in (M=DIR: a module)
	@harness/shell/shell

torture: ## threads at random, checked by a model (MINUTES=5; 10 min)
	@harness/torture/torture

prove: ## show the defects of the base, and that the rework has none
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

install: ## apply the series to a kernel tree of yours (KDIR=DIR)
	@harness/series/install

series: ## write the patches (SIGNOFF=, TRAILERS=, V=, STAGE=)
	@harness/series/series

bisect: series ## build and boot the base with each prefix of the series
	@harness/series/bisect

users: ## compile all users in the kernel tree, on four architectures
	@harness/common/fetch
	@harness/common/overlay
	@harness/users/users

clients: ## tests of KVM, hmm and mm on base and rework, compared (40 min)
	@harness/clients/clients

fixes: ## write the fixes alone, for those who keep the old core (1 min)
	@harness/fixes/fixes

fixes-test: ## show that the fixes mend the base, and compile them (30 min)
	@harness/fixes/fixes --test
	@CONFIG=rt harness/fixes/fixes --test
	@harness/fixes/fixes --compile

## Write a driver

docs: ## render the page for authors to out/docs/BASE (2 min)
	@harness/common/fetch
	@harness/common/overlay
	@harness/check/docs

module: ## the example driver for Debian's own kernel 6.12 (10 s)
	@harness/module/module

cocci: ## static rules for drivers, tried on users in the base (2 min)
	@harness/common/fetch
	@harness/cocci/cocci

lockdep: ## break each rule, a boot each: is it reported? (CASE=name)
	@harness/lockdep/lockdep
	@harness/lockdep/splats

## Develop the rework

test: ## what a change has to pass; static checks meanwhile (35 min)
	@harness/test/test

check: ## static checks: style, compilers, docs, litmus (12 min)
	@harness/test/test check

matrix: ## make kunit in each CONFIG, one table (1 h)
	@harness/kunit/matrix

mutants: ## break the core in many ways, run the tests on each (4 h)
	@harness/common/fetch
	@harness/common/overlay
	@harness/mutants/mutants

coverage: ## lines and branches of the core that the tests reach (10 min)
	@harness/common/fetch
	@harness/common/overlay
	@harness/coverage/coverage

litmus: ## have herd7 check the core by the kernel's memory model (1 min)
	@harness/common/fetch
	@harness/models/litmus

models: ## have spin verify the models of the core, and mutants (2 min)
	@harness/models/models

rcutorture: ## torture SRCU as the series changes it (MINUTES=5; 10 min)
	@harness/common/fetch
	@harness/common/overlay
	@harness/torture/rcutorture

bench-quick: ## count instructions: no more than expected? (5 min)
	@harness/common/fetch
	@harness/common/overlay
	@harness/bench/bench --quick

native-stress: ## threads at random in user space, two sanitizers (1 min)
	@harness/common/fetch
	@harness/native/native-stress

clean: ## remove what was built and the trees it was built from
	rm -rf out/build out/tree
