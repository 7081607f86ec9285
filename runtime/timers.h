/* SPDX-License-Identifier: MIT
 *
 * The deadlines of one hub: a binary heap of timers, the earliest first. Knows nothing of loops;
 * the hub tells its loop the earliest deadline only.
 */
#ifndef GREEN_TIMERS_H
#define GREEN_TIMERS_H

#include <math.h>
#include <stddef.h>

struct timer {
    double at;    /* CLOCK_MONOTONIC, seconds */
    size_t place; /* in the heap, from 1; 0: not in it */
};

struct timers {
    struct timer **heap; /* heap[0] is unused */
    size_t count, capacity;
};

void timers_init(struct timers *timers);
void timers_finish(struct timers *timers);

/* Adds a timer that is in no heap. -1 with ENOMEM. */
int timers_add(struct timers *timers, struct timer *timer);

/* Does nothing when the timer is in no heap. */
void timers_remove(struct timers *timers, struct timer *timer);

/* The earliest deadline, or INFINITY. */
static inline double timers_earliest(const struct timers *timers)
{
    return timers->count == 0 ? (double)INFINITY : timers->heap[1]->at;
}

/* Takes out a timer that is due at `now`, NULL when none is. */
struct timer *timers_expire(struct timers *timers, double now);

#endif
