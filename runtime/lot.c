/* SPDX-License-Identifier: MIT
 *
 * A table of queues, one lock each. A wait stays in its queue, at its place, until its own thread
 * takes it out; to wake it is to mark it, and to tell its thread. No release is missed: a sleeper
 * is counted before it tries, and whoever releases looks at the count afterwards.
 */
#include "lot.h"

#include "hub.h"
#include "mailbox.h"
#include "scheduler.h"
#include "timespec.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    QUEUES = 256,
    PATIENCE = 8,       /* so often may others be faster than one that was woken */
    HANDLER_TRIES = 64, /* for the lock of a queue, which the interrupted code may hold */
};

/* Seconds between looks at what other code may have released: from the shortest to the longest by
 * doubling for the first in line; the others look seldom, and the more there are the less. */
static const double shortest = 0.001, longest = 0.064, seldom = 0.1, seldom_each = 1e-4;

struct queue {
    _Alignas(64) pthread_mutex_t lock;
    struct list waits;      /* oldest first, of all objects with this queue */
    atomic_size_t sleepers; /* those not woken */
    atomic_uint starving;   /* those out of patience */
};

struct lot_wait {
    struct list place;  /* in the queue */
    struct list of_hub; /* hub->lot_waits */
    const void *object;
    const char *call;
    struct hub *hub;
    struct mail mail;

    /* Under the queue's lock. */
    bool woken;
    bool mailed; /* on its way to the hub's thread */
    unsigned passed;

    /* In the hub's thread. */
    struct waiter *waiter; /* NULL: it runs */
    bool left;             /* only its mail is still to come */
    bool interruptible;
    bool looked; /* at least once */
    double pause;
};

static struct queue queues[QUEUES];
atomic_size_t lot_sleepers;

/* --- the table -------------------------------------------------------------------------------- */

/* In the child of a fork as well: nobody waits there. */
static void reset(void)
{
    for (size_t i = 0; i < QUEUES; i++) {
        pthread_mutex_init(&queues[i].lock, NULL);
        list_init(&queues[i].waits);
        atomic_store(&queues[i].sleepers, 0);
        atomic_store(&queues[i].starving, 0);
    }
    atomic_store(&lot_sleepers, 0);
}

static void set_up_process(void)
{
    reset();
    pthread_atfork(NULL, NULL, reset);
}

static struct queue *queue_of(const void *object)
{
    uint64_t hash = (uint64_t)(uintptr_t)object * 0x9e3779b97f4a7c15;

    return &queues[hash >> 56];
}

/* Before the attempt that decides whether it sleeps. */
static void count_sleeper(struct queue *queue)
{
    atomic_fetch_add(&queue->sleepers, 1);
    atomic_fetch_add(&lot_sleepers, 1);
    atomic_thread_fence(memory_order_seq_cst);
}

static void uncount_sleeper(struct queue *queue)
{
    atomic_fetch_sub(&lot_sleepers, 1);
    atomic_fetch_sub(&queue->sleepers, 1);
}

size_t lot_crowd(const void *object)
{
    return atomic_load_explicit(&queue_of(object)->sleepers, memory_order_relaxed);
}

static struct lot_wait *at(struct list *place)
{
    return list_entry(place, struct lot_wait, place);
}

/* --- waking ----------------------------------------------------------------------------------- */

/* In the hub's thread. */
static void deliver(struct mail *mail)
{
    struct lot_wait *w = list_entry(mail, struct lot_wait, mail);
    struct queue *queue = queue_of(w->object);

    if (w->left) {
        free(w);
        return;
    }
    pthread_mutex_lock(&queue->lock);
    w->mailed = false;
    pthread_mutex_unlock(&queue->lock);
    if (w->waiter != NULL)
        waiter_wake(w->waiter, WAKE_READY);
}

/* The hub is gone, and lot_finish() has seen to it that the wake was passed on. */
static void drop(struct mail *mail)
{
    free(list_entry(mail, struct lot_wait, mail));
}

static struct lot_wait *next_sleeper(struct queue *queue, const void *object)
{
    for (struct list *place = queue->waits.next; place != &queue->waits; place = place->next)
        if (at(place)->object == object && !at(place)->woken)
            return at(place);
    return NULL;
}

/* The hub of a wait that is in a queue lives, as lot_finish() takes the lock first. */
static void wake(struct queue *queue, struct lot_wait *w)
{
    w->woken = true;
    uncount_sleeper(queue);
    if (w->hub == hub_current()) {
        if (w->waiter != NULL)
            waiter_wake(w->waiter, WAKE_READY);
    } else if (!w->mailed) {
        w->mailed = true;
        mailbox_post(mailbox_reference(w->hub->mailbox), &w->mail);
    }
}

void lot_wake(const void *object, size_t most)
{
    struct queue *queue = queue_of(object);
    struct lot_wait *w;
    int saved = errno;

    if (atomic_load(&queue->sleepers) == 0)
        return;
    pthread_mutex_lock(&queue->lock);
    while (most-- > 0 && (w = next_sleeper(queue, object)) != NULL)
        wake(queue, w);
    pthread_mutex_unlock(&queue->lock);
    errno = saved;
}

/* The handler may have interrupted this hub's own work on its lists: it only leaves mail. */
void lot_wake_from_handler(const void *object)
{
    struct queue *queue = queue_of(object);
    struct lot_wait *w;
    int saved = errno, tries = HANDLER_TRIES;

    if (atomic_load(&queue->sleepers) == 0)
        return;
    while (pthread_mutex_trylock(&queue->lock) != 0) {
        if (--tries == 0)
            goto out;
        sched_yield();
    }
    w = next_sleeper(queue, object);
    if (w != NULL && (w->mailed || mailbox_try_post(w->hub->mailbox, &w->mail))) {
        w->mailed = true;
        w->woken = true;
        uncount_sleeper(queue);
    }
    pthread_mutex_unlock(&queue->lock);
out:
    errno = saved;
}

/* --- one wait --------------------------------------------------------------------------------- */

static struct lot_wait *wait_create(struct hub *hub, const char *call, const void *object)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct lot_wait *w = calloc(1, sizeof *w);

    pthread_once(&once, set_up_process);
    if (w == NULL)
        return NULL;
    w->object = object;
    w->call = call;
    w->hub = hub;
    w->mail = (struct mail){.deliver = deliver, .drop = drop};
    w->pause = shortest;
    list_append(&hub->lot_waits, &w->of_hub);
    return w;
}

static void enter(struct lot_wait *w)
{
    struct queue *queue = queue_of(w->object);

    pthread_mutex_lock(&queue->lock);
    list_append(&queue->waits, &w->place);
    count_sleeper(queue);
    pthread_mutex_unlock(&queue->lock);
}

struct lot_wait *lot_join(struct hub *hub, const char *call, const void *object)
{
    struct lot_wait *w = wait_create(hub, call, object);

    if (w != NULL)
        enter(w);
    return w;
}

enum wake lot_park(struct lot_wait *w, double deadline)
{
    enum wake cause;

    w->waiter = waiter_create(w->hub, w->call, 0);
    if (w->waiter == NULL)
        return WAKE_REFUSED;
    w->waiter->remote = true;
    w->waiter->restartable = w->interruptible;
    cause = waiter_park(w->waiter, deadline);
    waiter_destroy(w->waiter);
    w->waiter = NULL;
    return cause;
}

bool lot_leave(struct lot_wait *w)
{
    struct queue *queue = queue_of(w->object);
    bool woken, mailed;

    pthread_mutex_lock(&queue->lock);
    woken = w->woken;
    mailed = w->mailed;
    list_remove(&w->place);
    if (!woken)
        uncount_sleeper(queue);
    if (w->passed >= PATIENCE)
        atomic_fetch_sub(&queue->starving, 1);
    pthread_mutex_unlock(&queue->lock);
    list_remove(&w->of_hub);
    w->left = true;
    if (!mailed)
        free(w);
    return woken;
}

/* The waiters are the hub's, and go with it. */
void lot_finish(struct hub *hub)
{
    while (!list_empty(&hub->lot_waits)) {
        struct lot_wait *w = list_entry(hub->lot_waits.next, struct lot_wait, of_hub);
        const void *object = w->object;

        if (lot_leave(w))
            lot_wake(object, 1);
    }
}

/* --- operations ------------------------------------------------------------------------------- */

double until_left(const struct until *until)
{
    struct timespec now = {0, 0};

    if (until->time == NULL)
        return (double)INFINITY;
    (void)clock_gettime(until->clock, &now);
    return (double)(until->time->tv_sec - now.tv_sec) +
           (double)(until->time->tv_nsec - now.tv_nsec) * 1e-9;
}

/* Whether somebody else at the object has been passed over too often. */
static bool must_step_back(struct queue *queue, const struct lot_call *call,
                           const struct lot_wait *self)
{
    if (call->impatient || atomic_load_explicit(&queue->starving, memory_order_relaxed) == 0)
        return false;
    for (struct list *place = queue->waits.next; place != &queue->waits; place = place->next)
        if (at(place)->object == call->object && at(place)->passed >= PATIENCE)
            return at(place) != self;
    return false;
}

static bool is_first(struct queue *queue, const struct lot_wait *self)
{
    struct list *place = queue->waits.next;

    while (at(place)->object != self->object)
        place = place->next;
    return at(place) == self;
}

/* How long until the next look without a wake. */
static double next_pause(struct queue *queue, struct lot_wait *w, bool woken)
{
    double crowd = (double)atomic_load_explicit(&queue->sleepers, memory_order_relaxed);
    double pause = w->pause = woken ? shortest : w->pause;

    if (!is_first(queue, w))
        return crowd * seldom_each > seldom ? crowd * seldom_each : seldom;
    w->pause = until_first(2 * pause, longest);
    return pause;
}

/* An attempt at its place in the queue. It counts as a sleeper before it tries: who releases after
 * that wakes it again. Who has slept without a wake steps back for nobody: those that it would step
 * back for may be of a thread that is blocked, and not for this object. */
static int look(struct lot_wait *w, const struct lot_call *call, double *pause, bool *woken)
{
    struct queue *queue = queue_of(w->object);
    int result = EBUSY;

    pthread_mutex_lock(&queue->lock);
    *woken = w->woken;
    if (w->woken) {
        w->woken = false;
        count_sleeper(queue);
    }
    if ((w->looked && !*woken) || !must_step_back(queue, call, w))
        result = call->attempt(call->object);
    w->looked = true;
    if (result == EBUSY && *woken && ++w->passed == PATIENCE)
        atomic_fetch_add(&queue->starving, 1);
    if (result == EBUSY)
        *pause = next_pause(queue, w, *woken);
    pthread_mutex_unlock(&queue->lock);
    return result;
}

/* How each end of a wait ends the call; 0: look again; LOT_FAILED: errno is the error. */
enum { LOT_FAILED = -2 };
static const int ends[] = {
    [WAKE_READY] = 0,      [WAKE_DEADLINE] = 0,        [WAKE_CLOSED] = 0,
    [WAKE_SIGNAL] = EINTR, [WAKE_FAILED] = LOT_FAILED, [WAKE_REFUSED] = LOT_REFUSED,
};

static int park(struct lot_wait *w, const struct lot_call *call, double pause)
{
    double left = until_left(&call->until);
    int end = ends[lot_park(w, hub_now() + until_first(left, pause))];

    if (end != LOT_FAILED)
        return end;
    if (call->deferred == NULL)
        return errno;
    *call->deferred = errno;
    return 0;
}

/* In the queue, to the end. */
static int wait_and_try(struct lot_wait *w, const struct lot_call *call)
{
    double pause = shortest;
    bool woken = false;
    int result = look(w, call, &pause, &woken), end;

    while (result == EBUSY) {
        if (until_left(&call->until) <= 0)
            return ETIMEDOUT;
        end = park(w, call, pause);
        if (end != 0)
            return end;
        result = look(w, call, &pause, &woken);
    }
    if (call->kind == LOT_SHARED || (call->kind == LOT_COUNTED && !woken))
        lot_wake(call->object, 1);
    return result;
}

static bool may_try_at_once(const struct lot_call *call)
{
    return call->impatient ||
           atomic_load_explicit(&queue_of(call->object)->starving, memory_order_relaxed) == 0 ||
           until_left(&call->until) <= 0;
}

int lot_await(struct hub *hub, const struct lot_call *call)
{
    int saved = errno, result = EBUSY;
    struct lot_wait *w;

    if (may_try_at_once(call))
        result = call->attempt(call->object);
    if (result != EBUSY) {
        hub->stats.optimistic++;
        goto out;
    }
    result = EINVAL;
    if (call->until.time != NULL &&
        (call->until.time->tv_nsec < 0 || call->until.time->tv_nsec >= 1000000000))
        goto out;
    result = ETIMEDOUT;
    if (until_left(&call->until) <= 0)
        goto out;
    result = LOT_REFUSED;
    w = lot_join(hub, call->name, call->object);
    if (w == NULL)
        goto out;
    w->interruptible = call->interruptible;
    result = wait_and_try(w, call);
    if (lot_leave(w))
        lot_wake(call->object, 1);
out:
    errno = saved;
    return result;
}

void lot_defer(struct hub *hub, int error)
{
    if (error != 0 && hub->scheduler != NULL)
        hub->scheduler->current->pending_error = error;
}
