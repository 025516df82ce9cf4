# SPDX-License-Identifier: GPL-2.0-only
# The module for the running kernel, or for the one whose headers are in KDIR

KDIR ?= /lib/modules/$(shell uname -r)/build

obj-m := test_mmu_notifier.o

all:
	$(MAKE) -C $(KDIR) M=$(CURDIR)

clean:
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean
