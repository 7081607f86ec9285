/* SPDX-License-Identifier: MIT
 *
 * How a hook turns a call that never waits into one that waits, for descriptors:
 *
 *      struct blocking b = blocking_begin(hub, "recv", fd, POLLIN, SO_RCVTIMEO);
 *      do
 *          n = recv(fd, buffer, size, flags | b.dontwait);
 *      while (blocking_retry(&b, n));
 *
 * The first try comes first; what a wait needs to know of the descriptor is asked only after it
 * failed. Calls that are made often build none of this before they have to wait.
 */
#ifndef GREEN_BLOCKING_H
#define GREEN_BLOCKING_H

#include "closings.h"
#include "hub.h"
#include "waiter.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct blocking {
    struct hub *hub;
    const char *call;
    int fd;
    short events;
    bool progress;          /* some of it is done: any signal handler ends the call */
    unsigned char waits;    /* in a row that brought an event */
    int option;             /* SO_RCVTIMEO or SO_SNDTIMEO; 0: no timeout of its own */
    int dontwait;           /* MSG_DONTWAIT; 0 once the call has to block for real */
    int saved_errno;        /* successful calls leave errno alone */
    unsigned life;          /* of the descriptor: the call is for one file (incarnation.h); 0: it is
                               that which the first wait finds */
    struct fd_entry *entry; /* once the descriptor was examined */
    double deadline;        /* with it */
};

/* The record of fd's number. */
static inline const struct incarnation *blocking_number(struct hub *hub, int fd)
{
    const struct fd_entry *entry = fdtable_find(&hub->fds, fd);

    return entry != NULL ? entry->number : incarnation_record(fd);
}

/* What a call is for whose first try may do a part of it: asked before that. */
static inline unsigned blocking_life(struct hub *hub, int fd)
{
    return incarnation_lives(blocking_number(hub, fd));
}

/* For a call whose first try was made by the caller, counted in hub->stats.optimistic, and gave
 * EAGAIN (or would have): `saved_errno` is from before. A blocking_wait() comes next. */
static inline struct blocking blocking_after_try(struct hub *hub, const char *call, int fd,
                                                 short events, int option, int saved_errno)
{
    return (struct blocking){
        .hub = hub,
        .call = call,
        .fd = fd,
        .events = events,
        .option = option,
        .dontwait = MSG_DONTWAIT,
        .saved_errno = saved_errno,
    };
}

static inline struct blocking blocking_begin(struct hub *hub, const char *call, int fd,
                                             short events, int option)
{
    struct blocking b = blocking_after_try(hub, call, fd, events, option, errno);

    b.life = blocking_life(hub, fd);
    hub->stats.optimistic++;
    return b;
}

/* Whether the first wait of such a call needs nothing but waiter_await(): the descriptor is trusted
 * and known, and has no timeouts. entry may be NULL. */
static inline bool blocking_is_plain(const struct fd_entry *entry)
{
    return OFTEN(entry != NULL) && OFTEN(fd_entry_is_trusted(entry)) && OFTEN(entry->examined) &&
           OFTEN(entry->traits.plain);
}

/* After that wait, where it was not enough. It ended with `cause`: blocking_conclude() comes next;
 * or the try after it gave EAGAIN: a blocking_wait(). */
static inline struct blocking blocking_after_wait(struct hub *hub, const char *call,
                                                  struct fd_entry *entry, int fd, short events,
                                                  int option, unsigned life)
{
    struct blocking b = blocking_after_try(hub, call, fd, events, option, errno);

    b.life = life;
    b.waits = 1;
    b.entry = entry;
    b.deadline = (double)INFINITY;
    return b;
}

/* What the end of a wait makes of the call: 0: another try comes next; -1 with errno. */
int blocking_conclude(struct blocking *b, enum wake cause);

/* Suspends until another try makes sense. -1 with errno: the call fails with it (EAGAIN when the
 * program itself made the descriptor non-blocking, and when its timeout is over). */
int blocking_wait(struct blocking *b);

/* Another try comes next, without a wait. -1 with EBADF: the descriptor was closed meanwhile, and
 * its number may mean something else. */
int blocking_try(struct blocking *b);

/* The same where some of the call is done. From then on every signal handler ends it, with what is
 * done. In Unix sockets the time to send the rest counts anew. */
int blocking_progress(struct blocking *b);

/* The call's own timeout, if it has one, counts anew from now on. */
void blocking_renew(struct blocking *b);

/* Whether it is a Unix socket: those have their own ways. */
bool blocking_is_unix(const struct blocking *b);

/* blocking_wait() where no event tells: lets *pause seconds pass, and doubles it up to 16 ms. */
int blocking_pause(struct blocking *b, double *pause);

/* A try is over: to be called where blocking_retry() is not. */
static inline void blocking_tried(const struct blocking *b)
{
    closings_try_end(b->hub->fds.closings);
}

/* Whether a try that gave `result` is to be repeated; waits if so. The final result of the call is
 * that of the last try, with errno as libc would leave it. */
static inline bool blocking_retry(struct blocking *b, ssize_t result)
{
    blocking_tried(b);
    if (result >= 0) {
        if (b->entry != NULL)
            errno = b->saved_errno;
        return false;
    }
    return errno == EAGAIN && b->dontwait != 0 && blocking_wait(b) == 0;
}

#endif
