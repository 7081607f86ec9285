/* SPDX-License-Identifier: MIT
 *
 * Who runs next among the coroutines of one thread. Those that are ready run one after another
 * straight into each other. The dispatcher, on a stack of its own, runs the loop; it has a turn in
 * the queue like everybody, so that each round of the queue is followed by one of the loop:
 *
 *      a -> b -> c -> dispatcher (loop) -> a -> d -> dispatcher (loop) ...
 *
 * Its turn is passed over while the loop ran a moment ago and others are ready. It runs out of turn
 * when somebody's deadline passes, who then goes first.
 */
#ifndef GREEN_SCHEDULER_H
#define GREEN_SCHEDULER_H

#include "coroutine.h"
#include "list.h"
#include "sanitizer.h"
#include "stack.h"

#include <stdbool.h>
#include <stdint.h>

struct hub;

/* A queue. Nobody leaves from the middle: one link each is enough. */
struct turns {
    struct green *first;
    struct green **end; /* where the next one goes */
};

struct scheduler {
    struct hub *hub;
    struct green *current;
    struct green *previous;             /* who ran before the last switch */
    struct turns due;                   /* their deadlines passed: they go before all others */
    struct turns ready;                 /* the dispatcher is always in it */
    int *error;                         /* the thread's errno */
    struct exception_state *exceptions; /* of the thread, or NULL */
    unsigned turns;                     /* that others than the dispatcher had */
    unsigned turns_at_loop;             /* when the loop ran last */
    unsigned turns_at_look,
        unwatched;                 /* at the clock, and how many it need not be looked at after */
    uint64_t loop_time, look_time; /* in the processor's ticks */
    uint64_t pause;                /* how long the dispatcher's turn may be passed over */
    struct green *ended;           /* detached; its stack is free once somebody else runs */
    struct list all;
    struct stack_pool stacks;
    void *alternate;   /* overflow.h */
    struct green root; /* the thread's own flow */
    struct green dispatcher;
};

/* The running flow becomes the root. NULL with errno. */
struct scheduler *scheduler_create(struct hub *hub);
void scheduler_destroy(struct scheduler *scheduler); /* accepts NULL; coroutines are dropped */

/* Queues a coroutine behind all that are ready, or behind those only whose deadlines passed too. */
void scheduler_ready(struct scheduler *scheduler, struct green *coroutine);
void scheduler_due(struct scheduler *scheduler, struct green *coroutine);

/* Lets others run. Returns 0 once the caller, queued again by somebody, has its turn. */
int scheduler_suspend(struct scheduler *scheduler);

/* The caller queues itself and lets others run. Returns 0. */
int scheduler_yield(struct scheduler *scheduler);

/* Ends the running coroutine. Never returns (see green_context_leave()). */
void scheduler_end(struct scheduler *scheduler);

/* Frees the last coroutine that was detached and has ended. */
void scheduler_reap(struct scheduler *scheduler);

/* On a new stack: completes the switch that led there. */
static inline void scheduler_arrived(struct scheduler *scheduler)
{
    sanitizer_switch_end(scheduler->current->fake_stack, &scheduler->previous->asan_base,
                         &scheduler->previous->asan_size);
}

/* The running flow if it is neither the thread's own nor the dispatcher; else NULL. Accepts NULL.
 */
static inline struct green *scheduler_coroutine(const struct scheduler *scheduler)
{
    struct green *current = scheduler != NULL ? scheduler->current : NULL;

    return current == NULL || current == &scheduler->root || current == &scheduler->dispatcher
               ? NULL
               : current;
}

static inline bool scheduler_in_dispatcher(const struct scheduler *scheduler)
{
    return scheduler->current == &scheduler->dispatcher;
}

#endif
