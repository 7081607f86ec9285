/* SPDX-License-Identifier: MIT
 *
 * Who runs next among the coroutines of one thread. Those that are ready run one after another
 * straight into each other; after each such batch the dispatcher, on a stack of its own, runs the
 * loop once. It does so in the middle of a batch when somebody's deadline passes, who then goes
 * first:
 *
 *      dispatcher -> a -> b -> dispatcher (loop) -> due -> c -> d -> dispatcher (loop) ...
 */
#ifndef GREEN_SCHEDULER_H
#define GREEN_SCHEDULER_H

#include "coroutine.h"
#include "list.h"
#include "stack.h"

#include <stdbool.h>

struct hub;

struct scheduler {
    struct hub *hub;
    struct green *current;
    struct green *previous; /* who ran before the last switch */
    struct green *ended;    /* its stack is free once somebody else runs */
    struct list due;        /* their deadlines passed: they go before all others */
    struct list batch;      /* ready, before the loop runs next */
    struct list ready;      /* ready, after that */
    bool batch_had_turn;    /* since the loop ran */
    struct list all;
    struct stack_pool stacks;
    struct exception_state *exceptions; /* of the thread, or NULL */
    void *alternate;                    /* overflow.h */
    struct green root;                  /* the thread's own flow */
    struct green dispatcher;
};

/* The running flow becomes the root. NULL with errno. */
struct scheduler *scheduler_create(struct hub *hub);
void scheduler_destroy(struct scheduler *scheduler); /* accepts NULL; coroutines are dropped */

/* Queues a coroutine behind all that are ready, or behind those only whose deadlines passed too. */
void scheduler_ready(struct scheduler *scheduler, struct green *coroutine);
void scheduler_due(struct scheduler *scheduler, struct green *coroutine);

/* Lets others run. Returns once the caller, queued again by somebody, has its turn. */
void scheduler_suspend(struct scheduler *scheduler);

/* Ends the running coroutine. */
_Noreturn void scheduler_end(struct scheduler *scheduler);

/* On a new stack: completes the switch that led there. */
void scheduler_arrived(struct scheduler *scheduler);

static inline bool scheduler_in_dispatcher(const struct scheduler *scheduler)
{
    return scheduler->current == &scheduler->dispatcher;
}

#endif
