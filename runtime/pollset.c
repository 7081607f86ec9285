/* SPDX-License-Identifier: MIT
 *
 * The loop knows reading and writing only. Where a call asks for anything else (POLLPRI, POLLRDHUP,
 * or errors alone) all its descriptors go into an epoll set of their own, and the loop watches
 * that.
 */
#include "pollset.h"

#include "closings.h"
#include "descriptor.h"
#include "hub.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    READS = POLLIN | POLLRDNORM,
    WRITES = POLLOUT | POLLWRNORM,
};

static bool is_plain(const struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; i < count; i++)
        if (fds[i].fd >= 0 &&
            ((fds[i].events & ~(READS | WRITES)) != 0 || (fds[i].events & (READS | WRITES)) == 0))
            return false;
    return true;
}

static short plain_events(short events)
{
    return (short)(((events & READS) != 0 ? POLLIN : 0) | ((events & WRITES) != 0 ? POLLOUT : 0));
}

/* Everything that is asked of one descriptor. */
static short events_of(const struct pollfd *fds, nfds_t count, int fd)
{
    int events = 0;

    for (nfds_t i = 0; i < count; i++)
        if (fds[i].fd == fd)
            events |= fds[i].events;
    return (short)events;
}

/* The events of poll and epoll have the same numbers on Linux. */
static int set_add(int set, int fd, short events, const struct pollfd *fds, nfds_t count)
{
    struct epoll_event event = {.events = (unsigned short)events, .data.fd = fd};

    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    if (errno == EPERM)
        return 0; /* a regular file: it has what it ever has, and was looked at */
    if (errno != EEXIST)
        return -1;
    event.events = (unsigned short)events_of(fds, count, fd); /* named twice */
    return epoll_ctl(set, EPOLL_CTL_MOD, fd, &event);
}

/* Watches each descriptor, by itself or (set >= 0) through the set. */
static int watch_all(struct waiter *w, const struct pollfd *fds, nfds_t count, int set)
{
    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].fd < 0)
            continue;
        if (set >= 0 && set_add(set, fds[i].fd, fds[i].events, fds, count) != 0)
            return -1;
        if (waiter_watch(w, fds[i].fd, set >= 0 ? 0 : plain_events(fds[i].events)) != 0)
            return -1;
    }
    return set >= 0 ? waiter_watch(w, set, POLLIN) : 0;
}

/* Whether there are such. */
static bool mark_closed(const struct waiter *w, size_t watched, struct pollfd *fds, nfds_t count)
{
    bool found = false;

    for (size_t k = 0; k < watched; k++) {
        if (!fdtable_is_over(&w->fds[k]))
            continue;
        found = true;
        for (nfds_t i = 0; i < count; i++)
            if (fds[i].fd == w->fds[k].fd)
                fds[i].revents = POLLNVAL;
    }
    return found;
}

/* Whether the descriptors are to be looked at after such a wait. */
static bool looks_again(enum wake cause)
{
    return cause == WAKE_READY || cause == WAKE_DEADLINE || cause == WAKE_CLOSED;
}

/* -1: one was closed. */
static int begin_look(const struct waiter *w, size_t watched, struct pollfd *fds, nfds_t count)
{
    if (watched == 0)
        return 0;
    closings_try_begin(w->hub->fds.closings);
    if (!mark_closed(w, watched, fds, count))
        return 0;
    closings_try_end(w->hub->fds.closings);
    return -1;
}

enum wake pollset_park(struct hub *hub, const char *call, struct pollfd *fds, nfds_t count,
                       double deadline, const sigset_t *mask)
{
    bool plain = is_plain(fds, count);
    struct waiter *w = waiter_create(hub, call, plain ? count : count + 1);
    enum wake cause = WAKE_FAILED;
    size_t watched;
    int set = -1;

    if (w == NULL)
        return WAKE_FAILED;
    w->interruptible = true;
    if (mask != NULL) {
        w->masked = true;
        w->mask = *mask;
    }
    if (!plain) {
        set = epoll_create1(EPOLL_CLOEXEC);
        if (set < 0)
            goto out;
        w->own_fd = set;
        descriptor_born(hub, set);
    }
    if (watch_all(w, fds, count, set) == 0) {
        watched = w->fd_count;
        cause = waiter_park(w, deadline);
        if (looks_again(cause) && begin_look(w, watched, fds, count) != 0)
            cause = WAKE_CLOSED;
    }
out:
    if (set >= 0) {
        descriptor_gone(hub, set);
        close(set);
    }
    waiter_destroy(w);
    return cause;
}
