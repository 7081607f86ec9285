/* SPDX-License-Identifier: MIT
 *
 * The hub of a thread ties together a host (what is suspended), a loop (what is waited for), the
 * waiting calls and their deadlines. A thread without one has a null pointer here, and every hook
 * goes to libc.
 */
#ifndef GREEN_HUB_H
#define GREEN_HUB_H

#include "epollset.h"
#include "fdtable.h"
#include "green.h"
#include "list.h"
#include "loop.h"
#include "thread/slice.h"
#include "timers.h"

#include <math.h>
#include <signal.h>
#include <stdbool.h>

struct mailbox;
struct owners;
struct scheduler;
struct waiter;

/* Who suspends and resumes: host_native.c, host_foreign.c. */
struct host {
    /* Suspends the running flow until unpark(w). 0; or an errno value that ends the wait; or -1
     * when the running flow cannot be suspended. Leaves errno alone. */
    int (*park)(struct hub *hub, struct waiter *w);
    void (*unpark)(struct hub *hub, struct waiter *w);
    /* One pointer of the running flow, freed with `destroy` when that ends. NULL with ENOMEM. */
    void **(*local)(struct hub *hub, void (*destroy)(void *));
    /* What tells the running flow from the others of the thread. */
    void *(*current)(struct hub *hub);
    /* The waiter in the host's record of the running flow; NULL: it has none. */
    struct waiter *(*own_waiter)(struct hub *hub);
    /* That in the record after the one that w is in, of all the first where w is NULL. */
    struct waiter *(*next_own)(struct hub *hub, struct waiter *w);
};

extern const struct host host_native, host_foreign;

/* What every wait touches comes first, in as few cache lines as there is of it. */
struct hub {
    const struct host *host;
    struct scheduler *scheduler; /* native host only */
    struct timers timers;
    size_t awaited;       /* parked waiters that the loop, or another thread, can wake */
    size_t cancels;       /* coroutines that somebody wants to end with pthread_cancel() */
    unsigned char points; /* cancellation points that the running flow is in, one in another */
    bool hidden;          /* its descriptors are kept from the program (own.h) */
    bool waits_forever;   /* a call that nothing can end waits, as it would in libc */
    bool dispatching;     /* foreign host only */
    struct fdtable fds;
    struct green_hub_stats stats;

    struct loop *loop;
    struct epollset set;
    struct list waiters;     /* those suspended that are in no record of the host's */
    struct waiter *spares;   /* to be used again */
    struct list lot_waits;   /* those in the parking lot */
    struct owners *owners;   /* of locks that flows of this thread hold; NULL: none ever did */
    struct mailbox *mailbox; /* from other threads */
    size_t masked;           /* parked waiters with a signal mask of their own */
    double chore_at;         /* when the host wants to tidy up; INFINITY: there is nothing */

    /* Native host only. */
    size_t threads; /* coroutines that pthread_create() made, and that have not ended */
    struct slice slice;
    struct waiter *leaving; /* the thread's own flow waits for their end */

    const struct green_host *foreign; /* foreign host only */
    void *foreign_data;
    void *foreign_local;
    unsigned unparked; /* ever, modulo its size */
};

extern __thread struct hub *hub_of_thread __attribute__((tls_model("initial-exec")));

/* Whether any thread ever had one. */
extern _Atomic bool hub_ever;

/* The hub of this thread, or NULL. */
static inline struct hub *hub_current(void)
{
    return hub_of_thread;
}

/* Makes this thread's hub; there must be none. NULL with errno. */
struct hub *hub_create(const struct host *host, struct loop *(*create_loop)(struct hub *));

/* This thread's hub, a native one when there is none yet. NULL with errno; ENOTSUP: it is a foreign
 * one. */
struct hub *hub_native(void);

/* Frees the hub of this thread with everything in it. */
void hub_destroy(struct hub *hub);

/* CLOCK_MONOTONIC in seconds; and cheaper, up to HUB_TICK behind. */
double hub_now(void);
double hub_now_coarsely(void);
#define HUB_TICK 0.01

/* `timeout` seconds from now; INFINITY where timeout < 0. */
static inline double hub_deadline(double timeout)
{
    return timeout < 0 ? (double)INFINITY : hub_now() + timeout;
}

/* Whether some deadline has passed, as far as hub_now_coarsely() knows. */
static inline bool hub_overdue(const struct hub *hub)
{
    return hub->timers.count > 0 && timers_earliest(&hub->timers) <= hub_now_coarsely();
}

/* A kill came too late for the running flow's call: the next one that waits fails with `error`. A
 * foreign host sees to that itself. */
void hub_defer(struct hub *hub, int error);

/* Until when the next round may wait at the most. INFINITY: no limit. */
double hub_deadline_next(const struct hub *hub);

/* One round of the loop, then everything that is due. false: nothing can ever happen. */
bool hub_run(struct hub *hub, bool wait);

/* --- what a loop asks, and reports --------------------------------------------------------------
 */

/* Takes the reports of the epoll set, and what other threads have to say; waits for them as
 * epollset_collect() does. */
void hub_collect(struct hub *hub, double seconds, const sigset_t *mask);

/* The mask under which signals reach those who wait (false: leave it alone); and that a handler ran
 * during a wait. */
bool hub_wait_mask(struct hub *hub, sigset_t *mask);
void hub_interrupted(struct hub *hub);

/* Whether a signal handler could still end the wait of somebody. */
bool hub_awaits_signal(struct hub *hub);

#endif
