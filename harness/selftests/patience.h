/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For programs of the kernel that run in an emulated machine: as limits for a test
 * they have what is enough on real hardware. Included before anything else. The
 * harness of the tests waits by alarm() in Linux 6.12 and by poll() in 7.3.
 */
#include <poll.h>
#include <unistd.h>

#define PATIENCE	5

#define alarm(seconds)	alarm(PATIENCE * (seconds))
#define poll(fds, nr, milliseconds) \
	poll(fds, nr, (milliseconds) > 0 ? PATIENCE * (milliseconds) : (milliseconds))
