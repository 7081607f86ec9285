/* SPDX-License-Identifier: MIT
 *
 * Registered for the process, and so for the children of its forks.
 */
#include "remote_fence.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

atomic_bool remote_fence_works;

static bool membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

void remote_fence_set_up(void)
{
    int saved = errno;

    atomic_store(&remote_fence_works, membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
    errno = saved;
}

/* Where a filter of system calls has come since, the others fence themselves from now on; and what
 * they have stored is seen long before the nap is over. */
void remote_fence(void)
{
    const struct timespec nap = {0, 1000000};
    int saved = errno;

    if (atomic_load(&remote_fence_works) && !membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) {
        atomic_store(&remote_fence_works, false);
        nanosleep(&nap, NULL);
    }
    errno = saved;
}
