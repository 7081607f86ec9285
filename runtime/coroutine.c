/* SPDX-License-Identifier: MIT
 *
 * From spawn to join. The record stands at the top of the coroutine's own stack, so a coroutine
 * that nobody has joined yet keeps its stack.
 */
#include "coroutine.h"

#include "hub.h"
#include "sanitizer.h"
#include "scheduler.h"
#include "stack_size.h"
#include "thread/thread.h"
#include "waiter.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* --- birth ------------------------------------------------------------------------------------ */

/* Pages are what stacks are apart. Were all records at the same place in theirs, all of them and
 * the frames below would share a few sets of the first cache. */
static struct green *record_in(const struct stack *stack)
{
    enum { LINE = 64, PLACES = 16 };
    uintptr_t top = (uintptr_t)stack->base + stack->size - stack->index % PLACES * LINE;

    return (struct green *)((top - sizeof(struct green)) & ~(uintptr_t)(LINE - 1));
}

static struct green *place_record(struct scheduler *scheduler, const struct stack *stack)
{
    struct green *coroutine = record_in(stack);

    memset(coroutine, 0, offsetof(struct green, own_waiter));
    waiter_init(&coroutine->own_waiter, scheduler->hub);
    coroutine->scheduler = scheduler;
    coroutine->stack = *stack;
    coroutine->asan_base = stack->base;
    coroutine->asan_size = stack->size;
    coroutine->tsan_flow = sanitizer_flow_create();
    list_append(&scheduler->all, &coroutine->all);
    context_prepare(&coroutine->context, coroutine, coroutine_main, coroutine);
    return coroutine;
}

struct green *coroutine_start(struct hub *hub, const struct stack *stack, void *(*entry)(void *),
                              void *argument)
{
    struct scheduler *scheduler = hub->scheduler;
    struct green *coroutine;

    if (scheduler->exceptions == NULL)
        scheduler->exceptions = exception_state_find();
    coroutine = place_record(scheduler, stack);
    coroutine->entry = entry;
    coroutine->argument = argument;
    scheduler_ready(scheduler, coroutine);
    hub->stats.coroutines++;
    return coroutine;
}

green_t *green_spawn(void *(*entry)(void *), void *argument)
{
    size_t size = stack_size_wanted();
    struct hub *hub;
    struct stack stack;

    if (entry == NULL)
        errno = EINVAL;
    if (entry == NULL || size == 0)
        return NULL;
    hub = hub_current();
    if (hub == NULL || hub->scheduler == NULL)
        hub = hub_native();
    if (hub == NULL)
        return NULL;
    scheduler_reap(hub->scheduler);
    if (stack_acquire(&hub->scheduler->stacks, size, &stack) != 0)
        return NULL;
    return coroutine_start(hub, &stack, entry, argument);
}

/* --- death ------------------------------------------------------------------------------------ */

void coroutine_destroy(struct green *coroutine)
{
    list_remove(&coroutine->all);
    sanitizer_flow_destroy(coroutine->tsan_flow);
    coroutine->detached = true; /* whoever still holds the handle is refused while it stays there */
    stack_release(&coroutine->stack);
}

/* In the child of a fork: its one thread has ended, and the process ends when those have that it
 * made. */
_Noreturn static void leave_child(struct hub *hub)
{
    if (hub != NULL)
        thread_await_all(hub);
    exit(EXIT_SUCCESS);
}

/* Everything but the last switch. */
static void finish(struct green *self, void *result)
{
    struct scheduler *scheduler = self->scheduler;

    self->result = result;
    if (hub_current() != scheduler->hub)
        leave_child(hub_current());
    thread_leave(self);
    if (self->local != NULL)
        self->local_destroy(self->local);
    self->ended = true;
    scheduler->hub->stats.coroutines--;
    if (self->joiner != NULL)
        waiter_wake(self->joiner, WAKE_READY);
    thread_ends(self);
}

void coroutine_main(void *argument)
{
    struct green *self = argument;

    scheduler_arrived(self->scheduler);
    finish(self, self->entry(self->argument));
    scheduler_end(self->scheduler);
}

void coroutine_exit(struct green *self, void *result)
{
    finish(self, result);
    scheduler_end(self->scheduler);
    __builtin_unreachable();
}

/* Waits until g has ended. */
static int await_end(struct hub *hub, struct green *g, double timeout)
{
    struct waiter *w = waiter_create(hub, "green_join", 0);
    enum wake cause;

    if (w == NULL)
        return -1;
    g->joiner = w;
    cause = waiter_park(w, hub_deadline(timeout));
    g->joiner = NULL;
    waiter_destroy(w);
    if (cause == WAKE_READY)
        return 0;
    if (cause == WAKE_DEADLINE)
        errno = ETIMEDOUT;
    else if (cause == WAKE_REFUSED)
        errno = EDEADLK;
    return -1;
}

int green_join(green_t *g, void **result, double timeout)
{
    struct hub *hub = hub_current();

    if (g == NULL || hub == NULL || g->scheduler != hub->scheduler || g->detached) {
        errno = EINVAL;
        return -1;
    }
    if (g == g->scheduler->current || g->joiner != NULL) {
        errno = g == g->scheduler->current ? EDEADLK : EINVAL;
        return -1;
    }
    if (!g->ended && await_end(hub, g, timeout) != 0)
        return -1;
    if (result != NULL)
        *result = g->result;
    coroutine_destroy(g);
    return 0;
}

int green_detach(green_t *g)
{
    if (g == NULL || g->detached || g->joiner != NULL) {
        errno = EINVAL;
        return -1;
    }
    g->detached = true;
    if (g->ended)
        coroutine_destroy(g);
    return 0;
}

int green_kill(green_t *g, int error)
{
    if (g == NULL || error <= 0) {
        errno = EINVAL;
        return -1;
    }
    if (g->ended) {
        errno = ESRCH;
        return -1;
    }
    if (g->waiting != NULL && g->waiting->cause == WAKE_NONE)
        waiter_fail(g->waiting, error);
    else
        g->pending_error = error;
    return 0;
}

/* --- the running one -------------------------------------------------------------------------- */

green_t *green_current(void)
{
    struct hub *hub = hub_current();

    if (hub == NULL || hub->scheduler == NULL || scheduler_in_dispatcher(hub->scheduler))
        return NULL;
    return hub->scheduler->current;
}

static int yield_foreign(struct hub *hub)
{
    struct waiter *w = waiter_create(hub, "green_yield", 0);
    enum wake cause;

    if (w == NULL)
        return -1;
    cause = waiter_park(w, 0.);
    waiter_destroy(w);
    return cause == WAKE_FAILED ? -1 : 0;
}

int coroutine_yield(struct hub *hub)
{
    struct scheduler *scheduler = hub->scheduler;

    if (scheduler == NULL)
        return yield_foreign(hub);
    if (scheduler_in_dispatcher(scheduler))
        return 0;
    return scheduler_yield(scheduler);
}

int green_yield(void)
{
    struct hub *hub = hub_current();

    return hub == NULL ? sched_yield() : coroutine_yield(hub);
}

int green_set_name(green_t *g, const char *name)
{
    if (g == NULL) {
        errno = EINVAL;
        return -1;
    }
    strncpy(g->name, name == NULL ? "" : name, sizeof g->name - 1);
    g->name[sizeof g->name - 1] = '\0';
    return 0;
}

int green_set_stack_size(size_t bytes)
{
    return stack_size_set(bytes);
}
