/* SPDX-License-Identifier: MIT
 *
 * Inside the parking lot: the table of queues, and the waits that stand in them. A queue is a lock
 * and some rows of waits; a row is for all objects with the same hash, and what is said of "an
 * object" passes over the others.
 */
#ifndef GREEN_LOT_QUEUE_H
#define GREEN_LOT_QUEUE_H

#include "lot.h"
#include "mailbox.h"

#include <pthread.h>

struct lot_row {
    struct list waits;      /* oldest first */
    atomic_size_t sleepers; /* those not woken */
};

enum { LOT_ROWS = 16 };

struct lot_queue {
    _Alignas(64) pthread_mutex_t lock;
    atomic_uint starving; /* those that were passed over too often */
    atomic_uint stepped;  /* sleepers that let one of these go first */
    atomic_bool posted;   /* by a handler that could not have the lock */
    struct lot_row rows[LOT_ROWS];
};

struct lot_wait {
    struct list place;  /* in the queue */
    struct list of_hub; /* hub->lot_waits */
    const void *object;
    const char *call;
    struct hub *hub;
    struct mail mail;

    /* Under the queue's lock. */
    enum lot_kind kind;
    bool woken;
    bool mailed;     /* on its way to the hub's thread */
    bool announced;  /* woken shortly before a release, not after it */
    bool stepped;    /* it sleeps to let another go first */
    bool passes_on;  /* woken by one that was not told of all there is: it tells the next */
    unsigned passed; /* so often were others faster when it was woken */

    /* In the hub's thread. */
    struct waiter *waiter; /* NULL: it runs */
    bool left;             /* only its mail is still to come */
    bool interruptible;
    bool looked; /* at least once */
    double pause;
};

/* So often may others be faster than one that was woken. */
enum { LOT_PATIENCE = 8 };

/* How many objects have waits. */
extern atomic_size_t lot_objects;

/* Before the first wait. */
void lot_queue_set_up(void);

struct lot_queue *lot_queue_of(const void *object);
struct lot_row *lot_row_of(const void *object);
void lot_queue_lock(struct lot_queue *queue);
void lot_queue_unlock(struct lot_queue *queue);

static inline struct lot_wait *lot_queue_at(struct list *place)
{
    return list_entry(place, struct lot_wait, place);
}

/* --- with the lock ---------------------------------------------------------------------------- */

/* The wait sleeps from now on: before the attempt that decides whether it has to. */
void lot_queue_sleep(struct lot_wait *w);

/* It does not any more. The first does without all that a signal handler must not do; so that of a
 * wait of this thread's hub does not run before the loop does. */
void lot_queue_wake_by_mail(struct lot_queue *queue, struct lot_wait *w);
void lot_queue_wake(struct lot_queue *queue, struct lot_wait *w);

/* The same without telling the hub: it knows. */
void lot_queue_rise(struct lot_queue *queue, struct lot_wait *w);

/* At the end of its row, and out of it. */
void lot_row_add(struct lot_wait *w);
void lot_row_remove(struct lot_wait *w);

/* The oldest that sleeps; or that does and is of the kind; or NULL. */
struct lot_wait *lot_row_sleeper(struct lot_row *row, const void *object);
struct lot_wait *lot_row_sleeper_of(struct lot_row *row, const void *object, enum lot_kind kind);

/* --- a wait ----------------------------------------------------------------------------------- */

struct lot_wait *lot_join_as(struct hub *hub, const char *call, const void *object,
                             enum lot_kind kind);

#endif
