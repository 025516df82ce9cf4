// SPDX-License-Identifier: GPL-2.0
/*
 * Linked into programs of the mm selftests: before main() a VM of KVM gets the memory of
 * the process as that of its guest, and a mirror of test_hmm subscribes to all of it, so
 * that whatever the program does invalidates both. They last until the process execs or
 * ends, and children do not inherit them.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

/*
 * The program itself and its heap, and what mmap() finds below the stack, which is there
 * as long as addresses are not random. A guest has 40 bits of physical addresses, so that
 * the gap between the two is left out.
 */
#define LOW_START	0x400000UL
#define LOW_END		0x100000000UL
#define HIGH_START	0x7f8000000000UL
#define HIGH_END	0x7ffffffff000UL

static void add_memory(int vm, uint32_t slot, uint64_t guest, uint64_t start, uint64_t end)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = guest,
		.userspace_addr = start,
		.memory_size = end - start,
	};

	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		err(1, "attach: memory of the guest from %#lx on", (long)start);
}

static int open_device(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(1, "attach: %s", path);
	return fd;
}

static void __attribute__((constructor)) attach(void)
{
	int kvm = open_device("/dev/kvm");
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		err(1, "attach: a VM");
	fcntl(vm, F_SETFD, FD_CLOEXEC);
	add_memory(vm, 0, LOW_START, LOW_START, LOW_END);
	add_memory(vm, 1, LOW_END, HIGH_START, HIGH_END);
	close(kvm);
	/* test_hmm subscribes to the whole process that opens it. */
	open_device("/dev/hmm_dmirror0");
}
