/* SPDX-License-Identifier: MIT
 *
 * One blocking call that is suspended: what it waits for, and what ended the wait. Never on a
 * stack: under a foreign host the stacks of different flows share their addresses. On the heap, or
 * in the record that a host has of the flow.
 *
 *      waiter_create -> waiter_watch ... -> waiter_park -> waiter_destroy
 */
#ifndef GREEN_WAITER_H
#define GREEN_WAITER_H

#include "fdtable.h"
#include "green.h"
#include "list.h"
#include "timers.h"

#include <signal.h>
#include <stdbool.h>

struct hub;

enum wake {
    WAKE_NONE,
    WAKE_READY,    /* a descriptor, or whatever else calls waiter_wake() */
    WAKE_DEADLINE, /* the time is over */
    WAKE_CLOSED,   /* a descriptor was closed: its number may mean something else by now */
    WAKE_SIGNAL,   /* a signal handler ran, and the call is one that this ends */
    WAKE_FAILED,   /* errno holds the error that the call has to fail with */
    WAKE_REFUSED,  /* this flow cannot be suspended: block for real */
};

/* What every wait uses comes first: a wait for one descriptor touches two cache lines. */
struct waiter {
    struct list link; /* in hub->waiters */
    union {
        struct hub *hub;
        struct waiter *next_spare; /* of those to be used again */
    };
    const char *call;    /* name of the call, for dumps */
    struct fd_wait *fds; /* &single, or an array of its own */
    unsigned fd_count, fd_capacity;
    enum wake cause;        /* what came first */
    int error;              /* with WAKE_FAILED */
    int own_fd;             /* made for this wait, closed where nobody comes back; -1: none */
    bool interruptible : 1; /* a signal handler ends this call with EINTR, SA_RESTART or not */
    bool restartable : 1;   /* only one without SA_RESTART does */
    bool remote : 1;        /* another thread will wake it */
    bool masked : 1;        /* `mask` is in force during the wait */
    bool bound : 1;         /* `timer` is in force during the wait */
    bool brief : 1;         /* that its time is over is no reason to go before others */
    bool own : 1;           /* of its flow: in a record of the host's, not on the heap */
    bool taken : 1;         /* with it: created, and not destroyed */
    unsigned char points;   /* cancellation points that it is in (hub->points); 0: none */
    struct fd_wait single;
    struct green_parked parked; /* the host's */
    struct timer timer;
    sigset_t mask;
};

/* For `fds` descriptors. NULL with ENOMEM. `call` must be static storage. */
struct waiter *waiter_create(struct hub *hub, const char *call, size_t fds);
void waiter_destroy(struct waiter *w); /* leaves errno alone */

/* Adds a descriptor; POLLIN and POLLOUT only, 0 to hear of its close only. -1 with errno. */
int waiter_watch(struct waiter *w, int fd, short events);

/* Suspends the running flow until something wakes it, or until `deadline` (hub_deadline()). The
 * descriptors are not watched any more afterwards. */
enum wake waiter_park(struct waiter *w, double deadline);

/* The first wake counts, later ones do nothing; but that of a close also counts after one that
 * would have the descriptors looked at again. Only in the hub's own thread. */
void waiter_wake(struct waiter *w, enum wake cause);
void waiter_fail(struct waiter *w, int error);

#endif
