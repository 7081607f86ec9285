/* SPDX-License-Identifier: MIT
 *
 * Switching, and the dispatcher. What a switch preserves beyond the registers: errno and the state
 * of C++ exceptions.
 */
#include "scheduler.h"

#include "dump.h"
#include "hub.h"
#include "overflow.h"
#include "sanitizer.h"
#include "waiter.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void reap(struct scheduler *scheduler)
{
    struct green *ended = scheduler->ended;

    if (ended == NULL)
        return;
    scheduler->ended = NULL;
    coroutine_destroy(ended);
}

void scheduler_arrived(struct scheduler *scheduler)
{
    struct green *previous = scheduler->previous;

    sanitizer_switch_end(scheduler->current->fake_stack, &previous->asan_base,
                         &previous->asan_size);
    if (scheduler->exceptions != NULL)
        *scheduler->exceptions = scheduler->current->exceptions;
    reap(scheduler);
}

static void switch_to(struct scheduler *scheduler, struct green *next)
{
    struct green *self = scheduler->current;

    if (next == self)
        return;
    self->saved_errno = errno;
    if (scheduler->exceptions != NULL)
        self->exceptions = *scheduler->exceptions;
    scheduler->previous = self;
    scheduler->current = next;
    sanitizer_switch_begin(self->state == COROUTINE_ENDED ? NULL : &self->fake_stack,
                           next->asan_base, next->asan_size);
    sanitizer_flow_switch(next->tsan_flow);
    green_context_switch(&self->context, &next->context);
    scheduler_arrived(scheduler);
    errno = self->saved_errno;
}

static struct green *take_first(struct list *turns)
{
    struct list *link = turns->next;
    struct green *next = list_entry(link, struct green, turn);

    list_remove(link);
    next->state = COROUTINE_RUNNING;
    return next;
}

/* However many deadlines pass, the batch has a turn between them. */
static struct green *next_in_turn(struct scheduler *scheduler)
{
    if (!list_empty(&scheduler->due))
        return take_first(&scheduler->due);
    if (list_empty(&scheduler->batch) || (scheduler->batch_had_turn && hub_overdue(scheduler->hub)))
        return &scheduler->dispatcher;
    scheduler->batch_had_turn = true;
    return take_first(&scheduler->batch);
}

static bool anybody_ready(const struct scheduler *scheduler)
{
    return !list_empty(&scheduler->due) || !list_empty(&scheduler->batch) ||
           !list_empty(&scheduler->ready);
}

static void queue(struct list *turns, struct green *coroutine)
{
    coroutine->state = COROUTINE_READY;
    list_append(turns, &coroutine->turn);
}

void scheduler_due(struct scheduler *scheduler, struct green *coroutine)
{
    queue(&scheduler->due, coroutine);
}

void scheduler_ready(struct scheduler *scheduler, struct green *coroutine)
{
    queue(&scheduler->ready, coroutine);
}

void scheduler_suspend(struct scheduler *scheduler)
{
    switch_to(scheduler, next_in_turn(scheduler));
}

_Noreturn void scheduler_end(struct scheduler *scheduler)
{
    scheduler_suspend(scheduler);
    abort(); /* nobody switches to a coroutine that has ended */
}

/* Nothing is left that could wake anybody. The thread's own flow is told; the others wait for it.
 */
static void would_block_forever(struct scheduler *scheduler)
{
    dump_scheduler(scheduler, STDERR_FILENO,
                   "libgreen: every coroutine waits, and nothing is left that could wake one:");
    if (scheduler->root.waiting != NULL)
        waiter_fail(scheduler->root.waiting, EDEADLK);
}

/* Somebody waits for a signal, if only for the one that ends the program. */
static void await_signal(struct hub *hub)
{
    hub->awaited++;
    hub_run(hub, true);
    hub->awaited--;
}

static void dispatch(void *argument)
{
    struct scheduler *scheduler = argument;
    struct hub *hub = scheduler->hub;

    scheduler_arrived(scheduler);
    while (hub_current() == hub) {
        bool possible;

        list_splice(&scheduler->batch, &scheduler->ready);
        scheduler->batch_had_turn = false;
        if (anybody_ready(scheduler))
            scheduler_suspend(scheduler);
        possible = hub_run(hub, !anybody_ready(scheduler));
        if (possible || anybody_ready(scheduler) || hub_current() != hub)
            continue;
        if (hub->waits_forever || hub_awaits_signal(hub))
            await_signal(hub);
        else
            would_block_forever(scheduler);
    }
    exit(EXIT_SUCCESS); /* the child of a fork in a callback: its one thread has ended */
}

static int prepare_dispatcher(struct scheduler *scheduler)
{
    struct green *dispatcher = &scheduler->dispatcher;
    struct stack *stack = &dispatcher->stack;

    if (stack_acquire(&scheduler->stacks, STACK_SIZE_DEFAULT, stack) != 0)
        return -1;
    dispatcher->scheduler = scheduler;
    dispatcher->asan_base = stack->base;
    dispatcher->asan_size = stack->size;
    dispatcher->tsan_flow = sanitizer_flow_create();
    context_prepare(&dispatcher->context, (char *)stack->base + stack->size, dispatch, scheduler);
    return 0;
}

struct scheduler *scheduler_create(struct hub *hub)
{
    struct scheduler *scheduler = calloc(1, sizeof *scheduler);
    struct green *root;

    if (scheduler == NULL)
        return NULL;
    scheduler->hub = hub;
    list_init(&scheduler->due);
    list_init(&scheduler->batch);
    list_init(&scheduler->ready);
    list_init(&scheduler->all);
    stack_pool_init(&scheduler->stacks);
    if (prepare_dispatcher(scheduler) != 0) {
        scheduler_destroy(scheduler);
        return NULL;
    }
    scheduler->alternate = overflow_watch();
    root = &scheduler->root;
    root->scheduler = scheduler;
    root->state = COROUTINE_RUNNING;
    root->detached = true;
    root->tsan_flow = sanitizer_flow_of_thread();
    list_init(&root->turn);
    list_append(&scheduler->all, &root->all);
    scheduler->current = root;
    hub->stats.coroutines = 1;
    return scheduler;
}

void scheduler_destroy(struct scheduler *scheduler)
{
    if (scheduler == NULL)
        return;
    if (scheduler->root.local != NULL)
        scheduler->root.local_destroy(scheduler->root.local);
    sanitizer_flow_destroy(scheduler->dispatcher.tsan_flow);
    stack_pool_finish(&scheduler->stacks);
    overflow_forget(scheduler->alternate);
    free(scheduler);
}
