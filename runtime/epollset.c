/* SPDX-License-Identifier: MIT
 *
 * The data of an event: the tag above the descriptor. The eventfd is never read: every write to it
 * is an edge.
 */
#include "epollset.h"

#include "fdtable.h"
#include "timespec.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { REPORTS = 512 }; /* at a time */

/* The events of poll and epoll have the same numbers on Linux. */
static int control(int set, int operation, int fd, uint32_t events, unsigned tag)
{
    struct epoll_event event = {.events = events | EPOLLET,
                                .data.u64 = (uint64_t)tag << 32 | (unsigned)fd};

    return epoll_ctl(set, operation, fd, &event);
}

void epollset_finish(struct epollset *set)
{
    int saved = errno;

    if (set->fd >= 0)
        close(set->fd);
    if (set->event >= 0)
        close(set->event);
    set->fd = set->event = -1;
    errno = saved;
}

int epollset_init(struct epollset *set)
{
    set->fd = epoll_create1(EPOLL_CLOEXEC);
    atomic_init(&set->event, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    atomic_init(&set->woken, false);
    set->watched = false;
    if (set->fd >= 0 && set->event >= 0 &&
        control(set->fd, EPOLL_CTL_ADD, set->event, EPOLLIN, 0) == 0)
        return 0;
    epollset_finish(set);
    return -1;
}

bool epollset_is_lost(struct epollset *set)
{
    int saved = errno;
    bool lost = set->fd >= 0 && !set->watched &&
                control(set->fd, EPOLL_CTL_MOD, set->event, EPOLLIN, 0) != 0;

    errno = saved;
    return lost;
}

/* A thread that wakes it meanwhile may have found the old one. */
int epollset_renew(struct epollset *set)
{
    struct epollset other;

    if (epollset_init(&other) != 0)
        return -1;
    set->fd = other.fd;
    atomic_store(&set->event, other.event);
    atomic_store(&set->woken, false);
    epollset_wake(set);
    return 0;
}

int epollset_tell(struct epollset *set, int fd, short events, unsigned tag, bool told)
{
    const int first = told ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    const int second = told ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    int saved = errno;

    if (control(set->fd, first, fd, (unsigned short)events, tag) == 0)
        return 0;
    if (errno != (told ? ENOENT : EEXIST))
        return -1;
    errno = saved;
    return control(set->fd, second, fd, (unsigned short)events, tag);
}

void epollset_drop(struct epollset *set, int fd)
{
    int saved = errno;

    (void)epoll_ctl(set->fd, EPOLL_CTL_DEL, fd, NULL);
    errno = saved;
}

void epollset_wake(struct epollset *set)
{
    const uint64_t one = 1;
    int saved = errno;

    if (!atomic_exchange(&set->woken, true))
        (void)!write(set->event, &one, sizeof one);
    errno = saved;
}

/* An old kernel, or a filter of system calls that does not know it (they say EPERM). */
static bool is_unknown_call(int error)
{
    return error == ENOSYS || error == EPERM;
}

/* Precise to the timer slack where the kernel can (Linux 5.11), to a millisecond otherwise. */
static int wait_for(int set, struct epoll_event *events, double seconds, const sigset_t *mask)
{
    static atomic_bool coarse;

    if (seconds <= 0)
        return epoll_pwait(set, events, REPORTS, seconds < 0 ? -1 : 0, mask);
    if (!atomic_load_explicit(&coarse, memory_order_relaxed)) {
        const struct timespec timeout = timespec_from(seconds);
        int count = epoll_pwait2(set, events, REPORTS, &timeout, mask);
        if (count >= 0 || !is_unknown_call(errno))
            return count;
        atomic_store_explicit(&coarse, true, memory_order_relaxed);
    }
    return epoll_pwait(set, events, REPORTS,
                       seconds < 1e6 ? (int)(seconds * 1e3 + 0.999) : 1000000000, mask);
}

HOT bool epollset_collect(struct epollset *set, double seconds, const sigset_t *mask,
                          struct fdtable *table, int *error)
{
    struct epoll_event events[REPORTS];
    int saved = errno;
    int count = wait_for(set->fd, events, seconds, mask);
    bool woken = false;

    *error = count < 0 ? errno : 0;
    for (int i = 0; i < count; i++) {
        int fd = (int)(uint32_t)events[i].data.u64;

        if (SELDOM(fd == set->event))
            woken = true;
        else
            fdtable_ready(table, fd, (unsigned)(events[i].data.u64 >> 32), (short)events[i].events);
    }
    if (woken)
        atomic_store(&set->woken, false);
    errno = saved;
    return woken;
}
