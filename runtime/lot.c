/* SPDX-License-Identifier: MIT
 *
 * Waking, and one wait from its queue to its end.
 */
#include "lot.h"

#include "hub.h"
#include "lot_queue.h"

#include <errno.h>
#include <stdlib.h>

/* --- waking ----------------------------------------------------------------------------------- */

/* In the hub's thread. */
static void deliver(struct mail *mail)
{
    struct lot_wait *w = list_entry(mail, struct lot_wait, mail);
    struct lot_queue *queue = lot_queue_of(w->object);
    bool woken;

    if (w->left) {
        free(w);
        return;
    }
    lot_queue_lock(queue);
    w->mailed = false;
    woken = w->woken;
    lot_queue_unlock(queue);
    if (woken && w->waiter != NULL) /* else it knew before the mail came */
        waiter_wake(w->waiter, WAKE_READY);
}

/* The hub is gone, and lot_finish() has seen to it that the wake was passed on. */
static void drop(struct mail *mail)
{
    free(list_entry(mail, struct lot_wait, mail));
}

void lot_wake(const void *object, size_t most)
{
    struct lot_queue *queue = lot_queue_of(object);
    struct lot_row *row = lot_row_of(object);
    struct lot_wait *w;
    int saved = errno;

    if (atomic_load(&row->sleepers) == 0)
        return;
    lot_queue_lock(queue);
    while (most-- > 0 && (w = lot_row_sleeper(row, object)) != NULL)
        lot_queue_wake(queue, w);
    lot_queue_unlock(queue);
    errno = saved;
}

void lot_wake_sharer(const void *object)
{
    struct lot_queue *queue = lot_queue_of(object);
    struct lot_row *row = lot_row_of(object);
    struct lot_wait *w;
    int saved = errno;

    if (atomic_load(&row->sleepers) == 0)
        return;
    lot_queue_lock(queue);
    w = lot_row_sleeper_of(row, object, LOT_SHARED);
    if (w == NULL)
        w = lot_row_sleeper(row, object);
    if (w != NULL)
        lot_queue_wake(queue, w);
    lot_queue_unlock(queue);
    errno = saved;
}

/* Wakes the oldest, and leaves it a note. */
static void wake_with(const void *object, void (*note)(struct lot_wait *w))
{
    struct lot_queue *queue = lot_queue_of(object);
    struct lot_row *row = lot_row_of(object);
    struct lot_wait *w;
    int saved = errno;

    if (atomic_load(&row->sleepers) == 0)
        return;
    lot_queue_lock(queue);
    w = lot_row_sleeper(row, object);
    if (w != NULL) {
        lot_queue_wake(queue, w);
        note(w);
    }
    lot_queue_unlock(queue);
    errno = saved;
}

static void note_announcement(struct lot_wait *w)
{
    w->announced = true;
}

void lot_announce(const void *object)
{
    wake_with(object, note_announcement);
}

static void note_chain(struct lot_wait *w)
{
    w->passes_on = true;
}

void lot_wake_chain(const void *object)
{
    wake_with(object, note_chain);
}

/* The handler may have interrupted this hub's own work on its lists: it only leaves mail. And it
 * may have interrupted who has the lock: that one does the work then. */
void lot_wake_from_handler(const void *object)
{
    struct lot_queue *queue = lot_queue_of(object);
    struct lot_row *row = lot_row_of(object);
    struct lot_wait *w;
    int saved = errno;

    if (atomic_load(&row->sleepers) == 0)
        return;
    if (pthread_mutex_trylock(&queue->lock) != 0) {
        atomic_store(&queue->posted, true);
        if (pthread_mutex_trylock(&queue->lock) == 0)
            lot_queue_unlock(queue);
    } else {
        w = lot_row_sleeper(row, object);
        if (w != NULL)
            lot_queue_wake_by_mail(queue, w);
        lot_queue_unlock(queue);
    }
    errno = saved;
}

/* --- one wait --------------------------------------------------------------------------------- */

static struct lot_wait *wait_create(struct hub *hub, const char *call, const void *object,
                                    enum lot_kind kind)
{
    struct lot_wait *w = calloc(1, sizeof *w);

    lot_queue_set_up();
    if (w == NULL)
        return NULL;
    w->object = object;
    w->call = call;
    w->kind = kind;
    w->hub = hub;
    w->mail = (struct mail){.deliver = deliver, .drop = drop};
    list_append(&hub->lot_waits, &w->of_hub);
    return w;
}

static void enter(struct lot_wait *w)
{
    struct lot_queue *queue = lot_queue_of(w->object);

    lot_queue_lock(queue);
    lot_row_add(w);
    lot_queue_sleep(w);
    lot_queue_unlock(queue);
}

struct lot_wait *lot_join_as(struct hub *hub, const char *call, const void *object,
                             enum lot_kind kind)
{
    struct lot_wait *w = wait_create(hub, call, object, kind);

    if (w != NULL)
        enter(w);
    return w;
}

struct lot_wait *lot_join(struct hub *hub, const char *call, const void *object)
{
    return lot_join_as(hub, call, object, LOT_EXCLUSIVE);
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

/* What was announced to one that leaves is announced to the next. */
static void hand_on(struct lot_queue *queue, const void *object)
{
    struct lot_wait *next = lot_row_sleeper(lot_row_of(object), object);

    if (next == NULL)
        return;
    lot_queue_wake(queue, next);
    next->announced = true;
}

bool lot_leave(struct lot_wait *w)
{
    struct lot_queue *queue = lot_queue_of(w->object);
    bool woken, mailed, announced;

    lot_queue_lock(queue);
    woken = w->woken;
    announced = w->announced;
    if (!woken)
        lot_queue_rise(queue, w);
    if (announced)
        hand_on(queue, w->object);
    mailed = w->mailed;
    lot_row_remove(w);
    if (w->passed >= LOT_PATIENCE)
        atomic_fetch_sub(&queue->starving, 1);
    lot_queue_unlock(queue);
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
