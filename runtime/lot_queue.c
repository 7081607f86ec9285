/* SPDX-License-Identifier: MIT
 *
 * A lock for each queue. A wait stays in its queue, at its place, until its own thread takes it
 * out; to wake it is to mark it, and to tell its thread. No release is missed: a sleeper is counted
 * before it tries, and whoever releases looks at the count afterwards.
 */
#include "lot_queue.h"

#include "hub.h"

#include <stdint.h>

enum { QUEUES = 256 };

static struct lot_queue queues[QUEUES];
atomic_size_t lot_sleepers, lot_objects;

/* --- the table -------------------------------------------------------------------------------- */

/* In the child of a fork as well: nobody waits there. */
static void reset(void)
{
    for (size_t i = 0; i < QUEUES; i++) {
        pthread_mutex_init(&queues[i].lock, NULL);
        for (size_t k = 0; k < LOT_ROWS; k++) {
            list_init(&queues[i].rows[k].waits);
            atomic_store(&queues[i].rows[k].sleepers, 0);
        }
        atomic_store(&queues[i].starving, 0);
        atomic_store(&queues[i].stepped, 0);
        atomic_store(&queues[i].posted, false);
    }
    atomic_store(&lot_sleepers, 0);
    atomic_store(&lot_objects, 0);
}

static void set_up_process(void)
{
    reset();
    pthread_atfork(NULL, NULL, reset);
}

void lot_queue_set_up(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, set_up_process);
}

static uint64_t hash(const void *object)
{
    return (uint64_t)(uintptr_t)object * 0x9e3779b97f4a7c15;
}

struct lot_queue *lot_queue_of(const void *object)
{
    return &queues[hash(object) >> 56];
}

struct lot_row *lot_row_of(const void *object)
{
    return &lot_queue_of(object)->rows[(hash(object) >> 52) % LOT_ROWS];
}

/* A handler knows only that somebody has to be woken: all are. */
static void wake_all_by_mail(struct lot_queue *queue)
{
    for (struct lot_row *row = queue->rows; row < queue->rows + LOT_ROWS; row++)
        for (struct list *place = row->waits.next; place != &row->waits; place = place->next)
            if (!lot_queue_at(place)->woken)
                lot_queue_wake_by_mail(queue, lot_queue_at(place));
}

void lot_queue_lock(struct lot_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
}

/* Does what handlers left to do. One that comes too late for the first look at `posted` fails to
 * have the lock before the second. */
void lot_queue_unlock(struct lot_queue *queue)
{
    do {
        if (atomic_load_explicit(&queue->posted, memory_order_relaxed) &&
            atomic_exchange(&queue->posted, false))
            wake_all_by_mail(queue);
        pthread_mutex_unlock(&queue->lock);
        barrier_after_release();
    } while (atomic_load_explicit(&queue->posted, memory_order_relaxed) &&
             pthread_mutex_trylock(&queue->lock) == 0);
}

/* --- rows ------------------------------------------------------------------------------------- */

static bool has_waits(struct lot_row *row, const void *object)
{
    for (struct list *place = row->waits.next; place != &row->waits; place = place->next)
        if (lot_queue_at(place)->object == object)
            return true;
    return false;
}

void lot_row_add(struct lot_wait *w)
{
    struct lot_row *row = lot_row_of(w->object);

    if (!has_waits(row, w->object))
        atomic_fetch_add(&lot_objects, 1);
    list_append(&row->waits, &w->place);
}

void lot_row_remove(struct lot_wait *w)
{
    list_remove(&w->place);
    if (!has_waits(lot_row_of(w->object), w->object))
        atomic_fetch_sub(&lot_objects, 1);
}

/* --- sleeping and waking ---------------------------------------------------------------------- */

void lot_queue_sleep(struct lot_wait *w)
{
    w->woken = false;
    atomic_fetch_add(&lot_row_of(w->object)->sleepers, 1);
    atomic_fetch_add(&lot_sleepers, 1);
    atomic_thread_fence(memory_order_seq_cst);
}

void lot_queue_rise(struct lot_queue *queue, struct lot_wait *w)
{
    w->woken = true;
    w->announced = w->passes_on = false;
    if (w->stepped)
        atomic_fetch_sub(&queue->stepped, 1);
    w->stepped = false;
    atomic_fetch_sub(&lot_sleepers, 1);
    atomic_fetch_sub(&lot_row_of(w->object)->sleepers, 1);
}

/* The hub of a wait that is in a queue lives, as lot_finish() takes the lock first. */
void lot_queue_wake_by_mail(struct lot_queue *queue, struct lot_wait *w)
{
    lot_queue_rise(queue, w);
    if (!w->mailed)
        mailbox_drop_in(w->hub->mailbox, &w->mail);
    w->mailed = true;
}

void lot_queue_wake(struct lot_queue *queue, struct lot_wait *w)
{
    if (w->hub != hub_current()) {
        lot_queue_wake_by_mail(queue, w);
        return;
    }
    lot_queue_rise(queue, w);
    if (w->waiter != NULL)
        waiter_wake(w->waiter, WAKE_READY);
}

static bool sleeps_at(const struct lot_wait *w, const void *object)
{
    return w->object == object && !w->woken;
}

struct lot_wait *lot_row_sleeper(struct lot_row *row, const void *object)
{
    for (struct list *place = row->waits.next; place != &row->waits; place = place->next)
        if (sleeps_at(lot_queue_at(place), object))
            return lot_queue_at(place);
    return NULL;
}

struct lot_wait *lot_row_sleeper_of(struct lot_row *row, const void *object, enum lot_kind kind)
{
    for (struct list *place = row->waits.next; place != &row->waits; place = place->next)
        if (sleeps_at(lot_queue_at(place), object) && lot_queue_at(place)->kind == kind)
            return lot_queue_at(place);
    return NULL;
}
