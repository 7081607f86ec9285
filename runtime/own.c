/* SPDX-License-Identifier: MIT */
#include "own.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

enum { WORDS = 64, MOST = 64 * WORDS };

static _Atomic uint64_t words[WORDS];

void own_add(int fd)
{
    if (fd >= 0 && fd < MOST)
        atomic_fetch_or(&words[fd / 64], (uint64_t)1 << fd % 64);
}

void own_clear(void)
{
    for (int i = 0; i < WORDS; i++)
        atomic_store(&words[i], 0);
}

bool own_has(int fd)
{
    return fd >= 0 && fd < MOST &&
           (atomic_load_explicit(&words[fd / 64], memory_order_relaxed) >> fd % 64 & 1) != 0;
}

unsigned own_next(unsigned fd)
{
    for (; fd < MOST; fd++)
        if (own_has((int)fd))
            return fd;
    return UINT_MAX;
}

int own_raise(int fd)
{
    int saved = errno, raised = fcntl(fd, F_DUPFD_CLOEXEC, OWN_FIRST);

    if (raised >= 0) {
        close(fd);
        fd = raised;
    }
    errno = saved;
    own_add(fd);
    return fd;
}
