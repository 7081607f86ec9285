/* SPDX-License-Identifier: MIT
 *
 * The life of a hub: made by the first need, freed with its thread, forgotten in the child of a
 * fork.
 */
#include "hub.h"

#include "cacheline.h"
#include "closings.h"
#include "lot.h"
#include "mailbox.h"
#include "own.h"
#include "owners.h"
#include "scheduler.h"
#include "signals.h"
#include "thread/thread.h"
#include "vforked.h"
#include "waiter.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

_Static_assert(offsetof(struct hub, loop) <= 3 * CACHE_LINE, "what every wait touches");

__thread struct hub *hub_of_thread __attribute__((tls_model("initial-exec")));

_Atomic bool hub_ever;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t end_of_thread;
static int once_error;

static void destroy_at_thread_end(void *hub)
{
    hub_of_thread = hub;
    thread_await_all(hub);
    hub_destroy(hub);
}

/* The child has one thread and none of the parent's coroutines. Its hub is forgotten, not freed:
 * the child may stand on one of its stacks. Closing our copies of the loop's descriptors leaves the
 * parent's alone. */
static void forget_in_child(void)
{
    struct hub *hub = hub_of_thread;

    vforked_set_up();
    own_clear();
    if (hub == NULL)
        return;
    if (scheduler_coroutine(hub->scheduler) != NULL)
        thread_adopt(hub->scheduler->current);
    hub_of_thread = NULL;
    (void)pthread_setspecific(end_of_thread, NULL);
    if (hub->scheduler == NULL || scheduler_in_dispatcher(hub->scheduler))
        hub->loop->ops->fork(hub->loop);
    else
        hub->loop->ops->destroy(hub->loop);
    epollset_finish(&hub->set);
}

static void set_up_process(void)
{
    vforked_set_up();
    once_error = pthread_key_create(&end_of_thread, destroy_at_thread_end);
    if (once_error == 0)
        once_error = pthread_atfork(NULL, NULL, forget_in_child);
}

static int register_thread(struct hub *hub)
{
    int error = pthread_once(&once, set_up_process);

    if (error == 0)
        error = once_error;
    if (error == 0)
        error = pthread_setspecific(end_of_thread, hub);
    if (error != 0)
        errno = error;
    return error == 0 ? 0 : -1;
}

struct hub *hub_create(const struct host *host, struct loop *(*create_loop)(struct hub *))
{
    struct hub *hub = cacheline_alloc(sizeof *hub);

    if (hub == NULL)
        return NULL;
    *hub = (struct hub){0};
    hub_ever = true;
    hub->host = host;
    list_init(&hub->waiters);
    list_init(&hub->lot_waits);
    timers_init(&hub->timers);
    hub->chore_at = (double)INFINITY;
    if (epollset_init(&hub->set) != 0)
        goto no_set;
    hub->loop = create_loop(hub);
    if (hub->loop == NULL)
        goto no_loop;
    hub->mailbox = mailbox_create(&hub->set);
    fdtable_init(&hub->fds, hub, &hub->set, closings_open(&hub->set));
    if (hub->mailbox == NULL || hub->fds.closings == NULL)
        goto no_memory;
    if (register_thread(hub) != 0)
        goto no_memory;
    hub_of_thread = hub;
    return hub;

no_memory:
    closings_close(hub->fds.closings);
    mailbox_close(hub->mailbox);
    hub->loop->ops->destroy(hub->loop);
no_loop:
    epollset_finish(&hub->set);
no_set:
    free(hub);
    return NULL;
}

struct hub *hub_native(void)
{
    struct hub *hub = hub_of_thread;

    if (hub != NULL) {
        if (hub->scheduler != NULL)
            return hub;
        errno = ENOTSUP;
        return NULL;
    }
    hub = hub_create(&host_native, loop_native_create);
    if (hub == NULL)
        return NULL;
    hub->scheduler = scheduler_create(hub);
    if (hub->scheduler == NULL) {
        hub_destroy(hub);
        return NULL;
    }
    return hub;
}

/* Those still parked belong to coroutines that are dropped. */
static void free_waiters(struct hub *hub)
{
    for (struct waiter *w = waiter_next(hub, NULL), *next; w != NULL; w = next) {
        next = waiter_next(hub, w);
        waiter_drop(w);
    }
    while (hub->spares != NULL) {
        struct waiter *w = hub->spares;

        hub->spares = w->next_spare;
        free(w);
    }
}

void hub_destroy(struct hub *hub)
{
    int saved = errno;

    hub_of_thread = NULL;
    (void)pthread_setspecific(end_of_thread, NULL);
    if (hub->hidden)
        own_clear();
    lot_finish(hub);
    closings_close(hub->fds.closings);
    mailbox_close(hub->mailbox);
    owners_destroy(hub->owners);
    free_waiters(hub);
    scheduler_destroy(hub->scheduler);
    fdtable_finish(&hub->fds);
    timers_finish(&hub->timers);
    hub->loop->ops->destroy(hub->loop);
    epollset_finish(&hub->set);
    free(hub);
    errno = saved;
}

static double read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double hub_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double hub_now_coarsely(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

void hub_defer(struct hub *hub, int error)
{
    if (error != 0 && hub->scheduler != NULL)
        hub->scheduler->current->pending_error = error;
}

static void expire(struct hub *hub)
{
    struct timer *timer;
    double now;

    if (hub->timers.count == 0)
        return;
    now = hub_now();
    while ((timer = timers_expire(&hub->timers, now)) != NULL)
        waiter_wake(list_entry(timer, struct waiter, timer), WAKE_DEADLINE);
}

static double earlier(double a, double b)
{
    return a < b ? a : b;
}

double hub_deadline_next(const struct hub *hub)
{
    return earlier(timers_earliest(&hub->timers),
                   earlier(hub->chore_at, hub->fds.doubt_at) + HUB_TICK);
}

bool hub_run(struct hub *hub, bool wait)
{
    bool possible;

    hub->loop->ops->set_deadline(hub->loop, hub_deadline_next(hub));
    possible = hub->loop->ops->run(hub->loop, wait, hub->awaited > 0);
    expire(hub);
    if (hub->fds.doubt_at < (double)INFINITY && hub->fds.doubt_at <= hub_now_coarsely())
        fdtable_doubt(&hub->fds);
    return possible;
}

void hub_collect(struct hub *hub, double seconds, const sigset_t *mask)
{
    int error;

    if (epollset_collect(&hub->set, seconds, mask, &hub->fds, &error)) {
        fdtable_collect(&hub->fds);
        mailbox_deliver(hub->mailbox);
    }
    if (error == EINTR)
        hub_interrupted(hub);
    else if (error != 0 && epollset_is_lost(&hub->set))
        (void)fdtable_begin_anew(&hub->fds);
}

/* Signals reach those that any waiting call lets in. */
bool hub_wait_mask(struct hub *hub, sigset_t *mask)
{
    if (hub->masked == 0)
        return false;
    pthread_sigmask(SIG_BLOCK, NULL, mask);
    for (struct waiter *w = waiter_next(hub, NULL); w != NULL; w = waiter_next(hub, w)) {
        if (!w->masked)
            continue;
        for (int number = 1; number < NSIG; number++)
            if (sigismember(&w->mask, number) == 0)
                sigdelset(mask, number);
    }
    return true;
}

/* Without any handler it was a stop and a continuation, which nobody is to see (signal(7)). Which
 * handler ran cannot be known: where one lacks SA_RESTART, it is taken to be that one. */
void hub_interrupted(struct hub *hub)
{
    struct signal_handlers handlers = signal_handlers_survey();

    if (!handlers.any)
        return;
    for (struct waiter *w = waiter_next(hub, NULL); w != NULL; w = waiter_next(hub, w)) {
        if (w->masked && !signal_handlers_pass(&handlers, &w->mask))
            continue;
        if (w->interruptible || (w->restartable && handlers.without_restart))
            waiter_wake(w, WAKE_SIGNAL);
    }
}

bool hub_awaits_signal(struct hub *hub)
{
    for (struct waiter *w = waiter_next(hub, NULL); w != NULL; w = waiter_next(hub, w))
        if (w->interruptible)
            return signal_handlers_survey().any;
    return false;
}
