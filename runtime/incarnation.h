/* SPDX-License-Identifier: MIT
 *
 * Which meaning of a descriptor number is the current one, and which hubs may wait for it: a record
 * for each number, for the whole process. It is never freed, so that whoever uses a number often
 * keeps the record.
 */
#ifndef GREEN_INCARNATION_H
#define GREEN_INCARNATION_H

#include "hot.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct incarnation {
    atomic_uint changes;   /* up with every change of what waiting on the number means */
    atomic_uint lives;     /* up only where the number means another file from then on */
    _Atomic uint64_t hubs; /* bits: those that wait, or did since they last were told of an end */
    atomic_uint closing;   /* of `lives`: the one that a close under way has begun; 0: none */
};

/* Never NULL. The counts of a number that is not counted (too high, or no memory) are 0 for ever;
 * others never are. */
struct incarnation *incarnation_record(int fd);

static inline unsigned incarnation_changes(const struct incarnation *record)
{
    return atomic_load_explicit(&record->changes, memory_order_acquire);
}

static inline unsigned incarnation_lives(const struct incarnation *record)
{
    return atomic_load(&record->lives);
}

/* Whether the number is about to be closed. */
static inline bool incarnation_is_closing(const struct incarnation *record)
{
    unsigned closing = atomic_load(&record->closing);

    return SELDOM(closing != 0) && closing == incarnation_lives(record);
}

/* incarnation_lives(), for a hub (one bit) that begins to wait: incarnation_end() will name it. Who
 * ends the life adds to it first, and then reads the hubs: of both orders one is seen. */
static inline unsigned incarnation_watch(struct incarnation *record, uint64_t hub)
{
    if (SELDOM((atomic_load_explicit(&record->hubs, memory_order_relaxed) & hub) == 0))
        atomic_fetch_or(&record->hubs, hub);
    return incarnation_lives(record);
}

/* The hub does not wait for the number any more. Its thread only. */
static inline void incarnation_unwatch(struct incarnation *record, uint64_t hub)
{
    atomic_fetch_and(&record->hubs, ~hub);
}

/* Of a number, for those who do not keep its record. */
unsigned incarnation_of(int fd);
unsigned incarnation_life(int fd);
uint64_t incarnation_hubs(int fd);

/* The first number from `fd` on that may be counted; -1: there is none. */
int incarnation_next(int fd);

/* fd means something else from now on. Returns incarnation_hubs(). From any thread, and from signal
 * handlers; one load where nobody ever asked for the record. Leaves errno alone. */
uint64_t incarnation_end(int fd);

/* The same before a close, after which incarnation_closed() takes `*life`. */
uint64_t incarnation_close(int fd, unsigned *life);
void incarnation_closed(int fd, unsigned life);

/* It is the same file, but waiting on it is not what it was. As incarnation_end(). */
void incarnation_change(int fd);

#endif
