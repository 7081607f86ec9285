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
 * failed.
 */
#ifndef GREEN_BLOCKING_H
#define GREEN_BLOCKING_H

#include "closings.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct hub;

struct blocking {
    struct hub *hub;
    const char *call;
    int fd;
    short events;
    int option;      /* SO_RCVTIMEO or SO_SNDTIMEO; 0: no timeout of its own */
    int dontwait;    /* MSG_DONTWAIT; 0 once the call has to block for real */
    int saved_errno; /* successful calls leave errno alone */
    bool examined;
    struct closings *closings; /* the hub's, once examined */
    unsigned life; /* of the descriptor, once examined: all waits of a call are for one file */
    double deadline;
};

struct blocking blocking_begin(struct hub *hub, const char *call, int fd, short events, int option);

/* Suspends until another try makes sense. -1 with errno: the call fails with it (EAGAIN when the
 * program itself made the descriptor non-blocking, and when its timeout is over). */
int blocking_wait(struct blocking *b);

/* The same where no event tells: lets *pause seconds pass, and doubles it up to 16 ms. */
int blocking_pause(struct blocking *b, double *pause);

/* The try that follows a wait is over: to be called where blocking_retry() is not. */
static inline void blocking_tried(const struct blocking *b)
{
    if (b->examined)
        closings_try_end(b->closings);
}

/* Whether a try that gave `result` is to be repeated; waits if so. The final result of the call is
 * that of the last try, with errno as libc would leave it. */
static inline bool blocking_retry(struct blocking *b, ssize_t result)
{
    blocking_tried(b);
    if (result >= 0) {
        if (b->examined)
            errno = b->saved_errno;
        return false;
    }
    return errno == EAGAIN && b->dontwait != 0 && blocking_wait(b) == 0;
}

#endif
