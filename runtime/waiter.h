/* SPDX-License-Identifier: MIT
 *
 * One blocking call that is suspended: what it waits for, and what ended the wait. Never on a
 * stack: under a foreign host the stacks of different flows share their addresses. On the heap, or
 * in the record that a host has of the flow.
 *
 *      waiter_create -> waiter_watch ... -> waiter_park -> waiter_destroy
 *
 * and waiter_await() (suspend.h), all of them at once for the wait that is made most often.
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

enum __attribute__((packed)) wake {
    WAKE_NONE,
    WAKE_READY,    /* a descriptor, or whatever else calls waiter_wake() */
    WAKE_DEADLINE, /* the time is over */
    WAKE_CLOSED,   /* a descriptor was closed: its number may mean something else by now */
    WAKE_SIGNAL,   /* a signal handler ran, and the call is one that this ends */
    WAKE_FAILED,   /* errno holds the error that the call has to fail with */
    WAKE_REFUSED,  /* this flow cannot be suspended: block for real */
};

/* What every wait changes comes first: a wait for one descriptor touches one cache line. The rest
 * is at rest as waiter_init() leaves it, and so it is again when the waiter is destroyed. */
struct waiter {
    struct fd_wait single;
    const char *call; /* its name, for dumps */
    unsigned fd_count;
    enum wake cause;        /* what came first */
    unsigned char points;   /* cancellation points that it is in (hub->points); 0: none */
    bool own : 1;           /* of its flow: in a record of the host's, not on the heap */
    bool taken : 1;         /* with it: created, and not destroyed */
    bool suspended : 1;     /* its flow is, from waiter_park() on until it runs again */
    bool interruptible : 1; /* a signal handler ends this call with EINTR, SA_RESTART or not */
    bool restartable : 1;   /* only one without SA_RESTART does */
    bool remote : 1;        /* another thread will wake it */
    bool masked : 1;        /* `mask` is in force during the wait */
    bool bound : 1;         /* `timer` is in force during the wait */
    bool brief : 1;         /* that its time is over is no reason to go before others */

    union {
        struct list link;          /* in hub->waiters while suspended, where it is not `own` */
        struct waiter *next_spare; /* of those to be used again */
    };
    struct hub *hub;
    struct fd_wait *fds; /* &single, or an array of its own */
    unsigned fd_capacity;
    int error;                  /* with WAKE_FAILED */
    int own_fd;                 /* made for this wait, closed where nobody comes back; -1: none */
    struct green_parked parked; /* the host's */
    struct timer timer;
    sigset_t mask;
};

/* One of a host's records, before anything else. */
void waiter_init(struct waiter *w, struct hub *hub);

/* For `fds` descriptors. NULL with ENOMEM. `call` must be static storage. */
struct waiter *waiter_create(struct hub *hub, const char *call, size_t fds);
void waiter_destroy(struct waiter *w); /* leaves errno alone */

/* The same for one that is suspended, where nobody comes back to it. */
void waiter_drop(struct waiter *w);

/* Adds a descriptor; POLLIN and POLLOUT only, 0 to hear of its close only. -1 with errno. */
int waiter_watch(struct waiter *w, int fd, short events);

/* Suspends the running flow until something wakes it, or until `deadline` (hub_deadline()). The
 * descriptors are not watched any more afterwards. */
enum wake waiter_park(struct waiter *w, double deadline);

/* The first wake counts, later ones do nothing; but that of a close also counts after one that
 * would have the descriptors looked at again. Only in the thread of its hub. */
void waiter_wake_in(struct hub *hub, struct waiter *w, enum wake cause);
void waiter_fail(struct waiter *w, int error);

static inline void waiter_wake(struct waiter *w, enum wake cause)
{
    waiter_wake_in(w->hub, w, cause);
}

/* Those suspended in a hub, in no particular order: the one after w, of all the first where that is
 * NULL. */
struct waiter *waiter_next(struct hub *hub, struct waiter *w);

#endif
