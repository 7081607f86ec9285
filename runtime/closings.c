/* SPDX-License-Identifier: MIT
 *
 * One record a hub, in a list that only grows; a record is used again by a later hub. No locks and
 * no memory, since close(2) may be called in a signal handler: what has ended is a bit, by the
 * number modulo their count.
 */
#include "closings.h"

#include "epollset.h"
#include "remote_fence.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

enum {
    WORDS = 64,
    BITS = 64 * WORDS,
    YIELDS = 100, /* for a try to pass, */
    NAPS = 10000, /* and then, of 0.1 ms: its thread may have to wait long for a processor */
};

struct record {
    struct closings closings;
    struct record *next;
    unsigned number;
    atomic_bool used;
    struct epollset *_Atomic set; /* NULL: the hub has gone */
    atomic_uint callers;          /* at the set now */
    atomic_bool filled;
    _Atomic uint64_t ended[WORDS];
};

static struct record *_Atomic records;
static atomic_uint record_count;

static struct record *record_of(struct closings *closings)
{
    return (struct record *)closings;
}

/* --- records ---------------------------------------------------------------------------------- */

/* The child has none of the hubs, and nobody else who could be about to wake one. */
static void reset(void)
{
    for (struct record *record = atomic_load(&records); record != NULL; record = record->next) {
        atomic_store(&record->set, NULL);
        atomic_store(&record->callers, 0);
        atomic_store(&record->used, false);
    }
}

static void set_up_process(void)
{
    remote_fence_set_up();
    pthread_atfork(NULL, NULL, reset);
}

static struct record *use_again(void)
{
    for (struct record *record = atomic_load(&records); record != NULL; record = record->next) {
        bool used = false;

        if (atomic_compare_exchange_strong(&record->used, &used, true))
            return record;
    }
    return NULL;
}

static struct record *add(void)
{
    struct record *record = aligned_alloc(64, (sizeof *record + 63) & ~(size_t)63);

    if (record == NULL)
        return NULL;
    *record = (struct record){.number = atomic_fetch_add(&record_count, 1), .used = true};
    record->closings.bit = (uint64_t)1 << record->number % 64;
    record->next = atomic_load(&records);
    while (!atomic_compare_exchange_weak(&records, &record->next, record))
        continue;
    return record;
}

struct closings *closings_open(struct epollset *set)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct record *record;

    pthread_once(&once, set_up_process);
    record = use_again();
    if (record == NULL)
        record = add();
    if (record == NULL)
        return NULL;
    atomic_store(&record->closings.tries, 0);
    atomic_store(&record->set, set);
    return &record->closings;
}

void closings_close(struct closings *closings)
{
    struct record *record = record_of(closings);

    if (record == NULL)
        return;
    closings_try_end(closings);
    atomic_store(&record->set, NULL);
    while (atomic_load(&record->callers) != 0)
        sched_yield();
    atomic_store(&record->used, false);
}

bool closings_bit_is_own(const struct closings *closings)
{
    (void)closings;
    return atomic_load_explicit(&record_count, memory_order_relaxed) <= 64;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void tell(struct record *record, int fd)
{
    unsigned bit = (unsigned)fd % BITS;
    struct epollset *set;

    atomic_fetch_add(&record->callers, 1);
    set = atomic_load(&record->set);
    if (set != NULL) {
        atomic_fetch_or(&record->ended[bit / 64], (uint64_t)1 << bit % 64);
        atomic_store(&record->filled, true);
        epollset_drop(set, fd);
        epollset_wake(set);
    }
    atomic_fetch_sub(&record->callers, 1);
}

static void await_try(struct closings *closings)
{
    const struct timespec nap = {0, 100000};
    unsigned tries = atomic_load(&closings->tries);

    for (int i = 0; i < YIELDS + NAPS; i++) {
        if ((tries & 1) == 0 || atomic_load(&closings->tries) != tries)
            return;
        if (i < YIELDS)
            sched_yield();
        else
            nanosleep(&nap, NULL);
    }
}

void closings_tell(uint64_t hubs, const struct closings *self, int fd)
{
    int saved = errno;

    if (self != NULL && closings_bit_is_own(self))
        hubs &= ~self->bit;
    if (hubs == 0)
        return;
    for (struct record *record = atomic_load(&records); record != NULL; record = record->next)
        if ((record->closings.bit & hubs) != 0 && &record->closings != self)
            tell(record, fd);
    remote_fence();
    for (struct record *record = atomic_load(&records); record != NULL; record = record->next)
        if ((record->closings.bit & hubs) != 0 && &record->closings != self)
            await_try(&record->closings);
    errno = saved;
}

void closings_collect(struct closings *closings, int limit, void (*ended)(void *data, int fd),
                      void *data)
{
    struct record *record = record_of(closings);

    if (!atomic_load(&record->filled))
        return;
    atomic_store(&record->filled, false);
    for (int word = 0; word < WORDS; word++) {
        uint64_t bits = atomic_exchange(&record->ended[word], 0);

        for (; bits != 0; bits &= bits - 1)
            for (int fd = 64 * word + __builtin_ctzll(bits); fd < limit; fd += BITS)
                ended(data, fd);
    }
}
