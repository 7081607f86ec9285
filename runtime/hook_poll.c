/* SPDX-License-Identifier: MIT
 *
 * Hooks of poll, select, epoll and their forms: look without waiting, suspend, look again.
 */
#include "closings.h"
#include "hook_inside.h"
#include "hub.h"
#include "pollset.h"
#include "thread/cancel.h"
#include "timespec.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Who asks again and again for what another thread is to do must not keep it from running. */
static struct hub *hub_of_poll(void)
{
    struct hub *hub = hub_current();

    if (hub != NULL && hub->threads != 0)
        slice_check(hub);
    return hub;
}

static const struct timespec at_once = {0, 0};

static double timespec_deadline(const struct timespec *timeout)
{
    return timeout == NULL ? (double)INFINITY : hub_deadline(timespec_seconds(timeout));
}

static double remaining(double deadline)
{
    double left = deadline - hub_now();

    return left > 0 ? left : 0;
}

static bool is_zero(const struct timespec *timeout)
{
    return !pointer_is_wild(timeout) && timeout->tv_sec == 0 && timeout->tv_nsec == 0;
}

/* Whether a wait that ended in `cause` ends the call with -1 and errno. */
static bool fails(enum wake cause)
{
    if (cause == WAKE_SIGNAL)
        errno = EINTR;
    return cause == WAKE_SIGNAL || cause == WAKE_FAILED;
}

/* --- poll ------------------------------------------------------------------------------------- */

/* A descriptor was closed by another coroutine: its number may be in use again, so it is left out
 * of the last look, and reported as poll(2) reports what is not open. */
static int look_past_closed(struct pollfd *fds, nfds_t count)
{
    int ready = 0;

    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].revents != POLLNVAL && fds[i].fd >= 0)
            (void)poll(&fds[i], 1, 0);
        ready += fds[i].revents != 0;
    }
    return ready;
}

static int poll_for_real(struct pollfd *fds, nfds_t count, double deadline, const sigset_t *mask)
{
    struct timespec rest;

    if (deadline >= (double)INFINITY)
        return ppoll(fds, count, NULL, mask);
    rest = timespec_from(remaining(deadline));
    return ppoll(fds, count, &rest, mask);
}

static int poll_waiting(struct hub *hub, const char *call, struct pollfd *fds, nfds_t count,
                        double deadline, const sigset_t *mask)
{
    int saved = errno, ready;

    hub->stats.optimistic++;
    for (;;) {
        enum wake cause;

        ready = mask == NULL ? poll(fds, count, 0) : ppoll(fds, count, &at_once, mask);
        closings_try_end(hub->fds.closings);
        if (ready != 0)
            break;
        cause = pollset_park(hub, call, fds, count, deadline, mask);
        if (fails(cause))
            return -1;
        if (cause == WAKE_REFUSED)
            return poll_for_real(fds, count, deadline, mask);
        if (cause == WAKE_CLOSED) {
            ready = look_past_closed(fds, count);
            break;
        }
        if (cause == WAKE_DEADLINE) {
            ready = poll(fds, count, 0);
            closings_try_end(hub->fds.closings);
            break;
        }
    }
    if (ready >= 0)
        errno = saved;
    return ready;
}

IN_HUB int poll_in_hub(struct hub *hub, struct pollfd *fds, nfds_t count, int timeout)
{
    CANCELLATION_POINT(hub);
    return poll_waiting(hub, "poll", fds, count, hub_deadline(timeout * 1e-3), NULL);
}

int greenify_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    struct hub *hub = hub_of_poll();

    if (hub == NULL || timeout == 0)
        return poll(fds, count, timeout);
    return poll_in_hub(hub, fds, count, timeout);
}

int greenify_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                   const sigset_t *mask)
{
    struct hub *hub = hub_of_poll();

    if (hub == NULL || is_zero(timeout) || (timeout != NULL && !timespec_is_valid(timeout)))
        return ppoll(fds, count, timeout, mask);
    CANCELLATION_POINT(hub);
    return poll_waiting(hub, "ppoll", fds, count, timespec_deadline(timeout), mask);
}

/* Whether libc's checked form has to be called: it ends the program when the array is too small. */
static bool array_is_libcs(nfds_t count, size_t room)
{
    return hub_current() == NULL || room / sizeof(struct pollfd) < count;
}

int greenify___poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
    if (array_is_libcs(count, room))
        return __poll_chk(fds, count, timeout, room);
    return greenify_poll(fds, count, timeout);
}

int greenify___ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                         const sigset_t *mask, size_t room)
{
    if (array_is_libcs(count, room))
        return __ppoll_chk(fds, count, timeout, mask, room);
    return greenify_ppoll(fds, count, timeout, mask);
}

/* --- select ----------------------------------------------------------------------------------- */

enum { SETS = 3 };

/* Which poll events each set of select(2) stands for (poll(2), "Correspondence"). */
static const short set_events[SETS] = {POLLIN, POLLOUT, POLLPRI};

/* The caller's sets, with a copy of what they ask for: a look overwrites them. On the heap, since
 * the sets may be larger than fd_set. */
struct selection {
    int limit;
    fd_set *sets[SETS]; /* the caller's; may be NULL */
    char *asked;        /* SETS copies */
    size_t bytes;       /* of each */
    struct pollfd *fds;
    nfds_t count;
};

static size_t set_bytes(int limit)
{
    size_t words = ((size_t)limit + NFDBITS - 1) / NFDBITS;

    return words * sizeof(fd_mask);
}

static bool set_has(const char *set, int fd)
{
    fd_mask word;

    memcpy(&word, set + (size_t)(fd / NFDBITS) * sizeof word, sizeof word);
    return (word >> (fd % NFDBITS) & 1) != 0;
}

static void selection_finish(struct selection *selection)
{
    int saved = errno;

    free(selection->asked);
    free(selection->fds);
    errno = saved;
}

static short selection_events(const struct selection *selection, int fd)
{
    int events = 0;

    for (int i = 0; i < SETS; i++)
        if (selection->sets[i] != NULL &&
            set_has(selection->asked + (size_t)i * selection->bytes, fd))
            events |= set_events[i];
    return (short)events;
}

static int selection_init(struct selection *selection, int limit, fd_set *const sets[SETS])
{
    *selection = (struct selection){.limit = limit, .bytes = set_bytes(limit)};
    memcpy(selection->sets, sets, sizeof selection->sets);
    selection->asked = calloc(SETS, selection->bytes + 1);
    selection->fds = calloc((size_t)limit + 1, sizeof *selection->fds);
    if (selection->asked == NULL || selection->fds == NULL) {
        selection_finish(selection);
        errno = ENOMEM;
        return -1;
    }
    for (int i = 0; i < SETS; i++)
        if (sets[i] != NULL)
            memcpy(selection->asked + (size_t)i * selection->bytes, sets[i], selection->bytes);
    for (int fd = 0; fd < limit; fd++) {
        short events = selection_events(selection, fd);

        if (events != 0)
            selection->fds[selection->count++] = (struct pollfd){.fd = fd, .events = events};
    }
    return 0;
}

static void selection_restore(const struct selection *selection)
{
    for (int i = 0; i < SETS; i++)
        if (selection->sets[i] != NULL)
            memcpy(selection->sets[i], selection->asked + (size_t)i * selection->bytes,
                   selection->bytes);
}

static int selection_look(const struct selection *selection, const struct timespec *timeout,
                          const sigset_t *mask)
{
    selection_restore(selection);
    return pselect(selection->limit, selection->sets[0], selection->sets[1], selection->sets[2],
                   timeout, mask);
}

static int select_for_real(const struct selection *selection, double deadline, const sigset_t *mask)
{
    struct timespec rest;

    if (deadline >= (double)INFINITY)
        return selection_look(selection, NULL, mask);
    rest = timespec_from(remaining(deadline));
    return selection_look(selection, &rest, mask);
}

/* Numbers beyond the process's table of descriptors are in no set for the kernel. */
static void selection_drop_unopened(struct selection *selection)
{
    nfds_t kept = 0;

    (void)poll(selection->fds, selection->count, 0);
    for (nfds_t i = 0; i < selection->count; i++)
        if ((selection->fds[i].revents & POLLNVAL) == 0)
            selection->fds[kept++] = selection->fds[i];
    selection->count = kept;
}

/* With -1 the sets are as the caller gave them (POSIX: unmodified). */
static int selection_wait(struct hub *hub, const char *call, struct selection *selection,
                          double deadline, const sigset_t *mask)
{
    for (;;) {
        int ready = selection_look(selection, &at_once, mask);
        enum wake cause;

        closings_try_end(hub->fds.closings);
        if (ready != 0)
            return ready;
        selection_drop_unopened(selection);
        cause = pollset_park(hub, call, selection->fds, selection->count, deadline, mask);
        if (cause == WAKE_DEADLINE) {
            ready = selection_look(selection, &at_once, NULL);
            closings_try_end(hub->fds.closings);
            return ready;
        }
        if (cause == WAKE_REFUSED)
            return select_for_real(selection, deadline, mask);
        if (cause == WAKE_CLOSED)
            errno = EBADF;
        if (fails(cause) || cause == WAKE_CLOSED) {
            selection_restore(selection);
            return -1;
        }
    }
}

static int select_waiting(struct hub *hub, const char *call, int limit, fd_set *const sets[SETS],
                          double deadline, const sigset_t *mask)
{
    struct selection selection;
    int saved = errno, ready;

    hub->stats.optimistic++;
    if (selection_init(&selection, limit, sets) != 0)
        return -1;
    ready = selection_wait(hub, call, &selection, deadline, mask);
    selection_finish(&selection);
    if (ready >= 0)
        errno = saved;
    return ready;
}

int greenify_select(int limit, fd_set *__restrict reads, fd_set *__restrict writes,
                    fd_set *__restrict exceptions, struct timeval *__restrict timeout)
{
    struct hub *hub = hub_of_poll();
    fd_set *const sets[SETS] = {reads, writes, exceptions};
    double deadline, left;
    int ready;

    if (hub == NULL || limit < 0 ||
        (timeout != NULL && (timeout->tv_sec < 0 || timeout->tv_usec < 0 ||
                             (timeout->tv_sec == 0 && timeout->tv_usec == 0))))
        return select(limit, reads, writes, exceptions, timeout);
    CANCELLATION_POINT(hub);
    if (timeout == NULL)
        return select_waiting(hub, "select", limit, sets, (double)INFINITY, NULL);
    deadline = hub_deadline((double)timeout->tv_sec + (double)timeout->tv_usec * 1e-6);
    ready = select_waiting(hub, "select", limit, sets, deadline, NULL);
    left = remaining(deadline);
    timeout->tv_sec = (time_t)left;
    timeout->tv_usec = (suseconds_t)((left - (double)timeout->tv_sec) * 1e6);
    return ready;
}

int greenify_pselect(int limit, fd_set *__restrict reads, fd_set *__restrict writes,
                     fd_set *__restrict exceptions, const struct timespec *__restrict timeout,
                     const sigset_t *__restrict mask)
{
    struct hub *hub = hub_of_poll();
    fd_set *const sets[SETS] = {reads, writes, exceptions};

    if (hub == NULL || limit < 0 || is_zero(timeout) ||
        (timeout != NULL && !timespec_is_valid(timeout)))
        return pselect(limit, reads, writes, exceptions, timeout, mask);
    CANCELLATION_POINT(hub);
    return select_waiting(hub, "pselect", limit, sets, timespec_deadline(timeout), mask);
}

/* --- epoll ------------------------------------------------------------------------------------ */

/* An epoll set is a descriptor like others: readable when it has events. */
static int epoll_waiting(struct hub *hub, const char *call, int set, struct epoll_event *events,
                         int room, double deadline, const sigset_t *mask)
{
    int saved = errno;

    hub->stats.optimistic++;
    for (;;) {
        struct pollfd fd = {.fd = set, .events = POLLIN};
        int ready = epoll_pwait(set, events, room, 0, mask);
        enum wake cause;

        closings_try_end(hub->fds.closings);
        if (ready != 0)
            return ready;
        cause = pollset_park(hub, call, &fd, 1, deadline, mask);
        if (cause == WAKE_CLOSED)
            errno = EBADF;
        if (fails(cause) || cause == WAKE_CLOSED)
            return -1;
        if (cause == WAKE_REFUSED)
            (void)poll_for_real(&fd, 1, deadline, mask);
        errno = saved;
        if (cause == WAKE_DEADLINE || cause == WAKE_REFUSED) {
            ready = epoll_wait(set, events, room, 0);
            closings_try_end(hub->fds.closings);
            return ready;
        }
    }
}

int greenify_epoll_wait(int set, struct epoll_event *events, int room, int timeout)
{
    struct hub *hub = hub_of_poll();

    if (hub == NULL || timeout == 0)
        return epoll_wait(set, events, room, timeout);
    CANCELLATION_POINT(hub);
    return epoll_waiting(hub, "epoll_wait", set, events, room, hub_deadline(timeout * 1e-3), NULL);
}

int greenify_epoll_pwait(int set, struct epoll_event *events, int room, int timeout,
                         const sigset_t *mask)
{
    struct hub *hub = hub_of_poll();

    if (hub == NULL || timeout == 0)
        return epoll_pwait(set, events, room, timeout, mask);
    CANCELLATION_POINT(hub);
    return epoll_waiting(hub, "epoll_pwait", set, events, room, hub_deadline(timeout * 1e-3), mask);
}

int greenify_epoll_pwait2(int set, struct epoll_event *events, int room,
                          const struct timespec *timeout, const sigset_t *mask)
{
    struct hub *hub = hub_of_poll();

    if (hub == NULL || is_zero(timeout) || (timeout != NULL && !timespec_is_valid(timeout)))
        return epoll_pwait2(set, events, room, timeout, mask);
    CANCELLATION_POINT(hub);
    return epoll_waiting(hub, "epoll_pwait2", set, events, room, timespec_deadline(timeout), mask);
}
