/* SPDX-License-Identifier: MIT
 *
 * Switching, and the dispatcher. What a switch preserves beyond the registers: errno and the state
 * of C++ exceptions.
 */
#include "scheduler.h"

#include "dump.h"
#include "hot.h"
#include "hub.h"
#include "overflow.h"
#include "thread/thread.h"
#include "ticks.h"
#include "waiter.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long the loop may be left alone while others run, in microseconds: a round of it costs about
 * a thirtieth of that, and whoever waits for a descriptor has that to wait for longer. */
enum { PAUSE = 10, UNWATCHED_TURNS = 8 };

/* How long a free stack keeps its memory while nobody needs it: at least once, at most twice that.
 */
enum { WARM_SECONDS = 1 };

/* --- switching -------------------------------------------------------------------------------- */

/* Everything is exchanged before the switch, and nothing is left to do after it: the calls on the
 * way here are tail calls, and a suspended stack holds no frame of theirs. */
static void exchange(struct scheduler *scheduler, struct green *self, struct green *next)
{
    self->saved_errno = *scheduler->error;
    *scheduler->error = next->saved_errno;
    if (scheduler->exceptions != NULL) {
        self->exceptions = *scheduler->exceptions;
        *scheduler->exceptions = next->exceptions;
    }
    scheduler->previous = self;
    scheduler->current = next;
    sanitizer_switch_begin(self->ended ? NULL : &self->fake_stack, next->asan_base,
                           next->asan_size);
    sanitizer_flow_switch(next->tsan_flow);
}

static int switch_to(struct scheduler *scheduler, struct green *next)
{
    struct green *self = scheduler->current;
    int result;

    exchange(scheduler, self, next);
    result = green_context_switch(&self->context, &next->context);
    scheduler_arrived(scheduler);
    return result;
}

/* --- whose turn it is ------------------------------------------------------------------------- */

static void turns_init(struct turns *turns)
{
    turns->first = NULL;
    turns->end = &turns->first;
}

static void turns_append(struct turns *turns, struct green *coroutine)
{
    coroutine->next = NULL;
    *turns->end = coroutine;
    turns->end = &coroutine->next;
}

static bool dispatcher_is_next(const struct scheduler *scheduler)
{
    return scheduler->ready.first == &scheduler->dispatcher;
}

static bool anybody_ready(const struct scheduler *scheduler)
{
    return scheduler->due.first != NULL || !dispatcher_is_next(scheduler) ||
           scheduler->dispatcher.next != NULL;
}

/* The dispatcher had its turn, or it was passed over, and lines up behind all others. */
static void line_up_dispatcher(struct scheduler *scheduler)
{
    scheduler->ready.first = scheduler->dispatcher.next;
    turns_append(&scheduler->ready, &scheduler->dispatcher);
}

static struct green *take_due(struct scheduler *scheduler)
{
    struct green *first = scheduler->due.first;

    scheduler->due.first = first->next;
    if (scheduler->due.first == NULL)
        turns_init(&scheduler->due);
    return first;
}

/* The clock costs as much as a switch: after a look at it shows that turns are short, a few more
 * are taken to be. */
static bool looped_just_now(struct scheduler *scheduler)
{
    uint64_t now = ticks_now();

    scheduler->unwatched = now - scheduler->look_time < scheduler->pause ? UNWATCHED_TURNS : 0;
    scheduler->turns_at_look = scheduler->turns;
    scheduler->look_time = now;
    return now - scheduler->loop_time < scheduler->pause;
}

/* Somebody who yields while nobody else is ready waits for what the loop brings. */
static bool may_pass_over(struct scheduler *scheduler)
{
    const struct green *next = scheduler->dispatcher.next;

    return next != NULL && next != scheduler->current &&
           (scheduler->turns - scheduler->turns_at_look < scheduler->unwatched ||
            looped_just_now(scheduler));
}

/* Among hundreds nobody's stack is in the first caches. While the first runs, the stack of the
 * second and the record of the third are fetched; more of them costs more than it brings. */
static inline void fetch_ahead(const struct green *first)
{
    const struct green *second = first->next;

    __builtin_prefetch(second->next);
    __builtin_prefetch(second->context.sp);
    __builtin_prefetch((const char *)second->context.sp + CACHE_LINE);
}

static inline struct green *take_first(struct scheduler *scheduler)
{
    struct green *first = scheduler->ready.first;

    scheduler->ready.first = first->next;
    scheduler->turns++;
    fetch_ahead(first);
    return first;
}

/* However many deadlines pass, the others have a turn between them. */
static struct green *next_in_turn(struct scheduler *scheduler)
{
    if (scheduler->due.first != NULL)
        return take_due(scheduler);
    if (scheduler->turns != scheduler->turns_at_loop && hub_overdue(scheduler->hub))
        return &scheduler->dispatcher;
    if (dispatcher_is_next(scheduler)) {
        if (!may_pass_over(scheduler))
            return &scheduler->dispatcher;
        line_up_dispatcher(scheduler);
    }
    return take_first(scheduler);
}

/* Out of the way of the usual, which then needs no frame. */
__attribute__((noinline)) static int suspend_with_care(struct scheduler *scheduler)
{
    return switch_to(scheduler, next_in_turn(scheduler));
}

void scheduler_due(struct scheduler *scheduler, struct green *coroutine)
{
    turns_append(&scheduler->due, coroutine);
}

HOT void scheduler_ready(struct scheduler *scheduler, struct green *coroutine)
{
    turns_append(&scheduler->ready, coroutine);
}

HOT int scheduler_suspend(struct scheduler *scheduler)
{
    if (SELDOM(scheduler->due.first != NULL || scheduler->hub->timers.count > 0 ||
               dispatcher_is_next(scheduler)))
        return suspend_with_care(scheduler);
    return switch_to(scheduler, take_first(scheduler));
}

/* Never gives the turn to the caller: the dispatcher stands before it. */
int scheduler_yield(struct scheduler *scheduler)
{
    turns_append(&scheduler->ready, scheduler->current);
    return scheduler_suspend(scheduler);
}

void scheduler_reap(struct scheduler *scheduler)
{
    struct green *ended = scheduler->ended;

    if (ended == NULL)
        return;
    scheduler->ended = NULL;
    coroutine_destroy(ended);
}

void scheduler_end(struct scheduler *scheduler)
{
    struct green *self = scheduler->current, *next;

    scheduler_reap(scheduler);
    if (self->detached)
        scheduler->ended = self;
    next = next_in_turn(scheduler);
    exchange(scheduler, self, next);
    green_context_leave(&next->context);
}

/* --- the dispatcher --------------------------------------------------------------------------- */

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

/* Gives back the memory of stacks that are free for good. */
static void tidy_up(struct scheduler *scheduler)
{
    struct hub *hub = scheduler->hub;
    bool tidying = hub->chore_at < (double)INFINITY;

    if (!tidying && !stack_pool_is_warm(&scheduler->stacks))
        return;
    if (tidying && (hub->chore_at > hub_now_coarsely() || stack_pool_cool(&scheduler->stacks)))
        return;
    hub->chore_at = stack_pool_is_warm(&scheduler->stacks) ? hub_now_coarsely() + WARM_SECONDS
                                                           : (double)INFINITY;
}

static void dispatch(void *argument)
{
    struct scheduler *scheduler = argument;
    struct hub *hub = scheduler->hub;

    scheduler_arrived(scheduler);
    while (hub_current() == hub) {
        bool possible;

        if (dispatcher_is_next(scheduler) && scheduler->dispatcher.next != NULL)
            line_up_dispatcher(scheduler);
        scheduler->turns_at_loop = scheduler->turns;
        if (anybody_ready(scheduler))
            scheduler_suspend(scheduler);
        tidy_up(scheduler);
        possible = hub_run(hub, !anybody_ready(scheduler));
        scheduler->loop_time = ticks_now();
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
    waiter_init(&dispatcher->own_waiter, scheduler->hub);
    dispatcher->asan_base = stack->base;
    dispatcher->asan_size = stack->size;
    dispatcher->tsan_flow = sanitizer_flow_create();
    context_prepare(&dispatcher->context, (char *)stack->base + stack->size, dispatch, scheduler);
    return 0;
}

struct scheduler *scheduler_create(struct hub *hub)
{
    struct scheduler *scheduler = cacheline_alloc(sizeof *scheduler);
    struct green *root;

    if (scheduler == NULL)
        return NULL;
    memset(scheduler, 0, sizeof *scheduler);
    scheduler->hub = hub;
    scheduler->error = &errno;
    scheduler->pause = ticks_in(PAUSE);
    turns_init(&scheduler->due);
    turns_init(&scheduler->ready);
    turns_append(&scheduler->ready, &scheduler->dispatcher);
    list_init(&scheduler->all);
    stack_pool_init(&scheduler->stacks);
    if (prepare_dispatcher(scheduler) != 0) {
        scheduler_destroy(scheduler);
        return NULL;
    }
    scheduler->alternate = overflow_watch();
    root = &scheduler->root;
    root->scheduler = scheduler;
    waiter_init(&root->own_waiter, hub);
    root->detached = true;
    root->tsan_flow = sanitizer_flow_of_thread();
    list_append(&scheduler->all, &root->all);
    scheduler->current = root;
    hub->stats.coroutines = 1;
    return scheduler;
}

/* Those who have not ended never will. */
static void drop_coroutines(struct scheduler *scheduler)
{
    while (!list_empty(&scheduler->all)) {
        struct green *coroutine = list_entry(scheduler->all.next, struct green, all);

        list_remove(&coroutine->all);
        thread_drop_coroutine(coroutine);
    }
}

void scheduler_destroy(struct scheduler *scheduler)
{
    if (scheduler == NULL)
        return;
    if (scheduler->root.local != NULL)
        scheduler->root.local_destroy(scheduler->root.local);
    scheduler_reap(scheduler);
    drop_coroutines(scheduler);
    sanitizer_flow_destroy(scheduler->dispatcher.tsan_flow);
    stack_pool_finish(&scheduler->stacks);
    overflow_forget(scheduler->alternate);
    free(scheduler);
}
