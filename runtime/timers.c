/* SPDX-License-Identifier: MIT
 *
 * A binary heap; each timer knows its place, so that one can leave from the middle.
 */
#include "timers.h"

#include <errno.h>
#include <stdlib.h>

enum { CAPACITY_LEAST = 64 };

void timers_init(struct timers *timers)
{
    *timers = (struct timers){0};
}

void timers_finish(struct timers *timers)
{
    free(timers->heap);
    *timers = (struct timers){0};
}

static void put(struct timers *timers, size_t place, struct timer *timer)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static void sift_up(struct timers *timers, size_t place, struct timer *timer)
{
    while (place > 1 && timers->heap[place / 2]->at > timer->at) {
        put(timers, place, timers->heap[place / 2]);
        place /= 2;
    }
    put(timers, place, timer);
}

static void sift_down(struct timers *timers, size_t place, struct timer *timer)
{
    for (;;) {
        size_t child = 2 * place;

        if (child > timers->count)
            break;
        if (child < timers->count && timers->heap[child + 1]->at < timers->heap[child]->at)
            child++;
        if (timers->heap[child]->at >= timer->at)
            break;
        put(timers, place, timers->heap[child]);
        place = child;
    }
    put(timers, place, timer);
}

static int resize(struct timers *timers, size_t capacity)
{
    struct timer **heap = reallocarray(timers->heap, capacity, sizeof(struct timer *));

    if (heap == NULL)
        return -1;
    timers->heap = heap;
    timers->capacity = capacity;
    return 0;
}

int timers_add(struct timers *timers, struct timer *timer)
{
    size_t more = timers->capacity == 0 ? CAPACITY_LEAST : 2 * timers->capacity;

    if (timers->count + 1 >= timers->capacity && resize(timers, more) != 0)
        return -1;
    sift_up(timers, ++timers->count, timer);
    return 0;
}

/* After a burst; without memory for a smaller heap the large one stays. */
static void shrink(struct timers *timers)
{
    int saved = errno;

    (void)resize(timers, timers->capacity / 2);
    errno = saved;
}

static void fill(struct timers *timers, size_t place, struct timer *last)
{
    if (place > 1 && timers->heap[place / 2]->at > last->at)
        sift_up(timers, place, last);
    else
        sift_down(timers, place, last);
}

void timers_remove(struct timers *timers, struct timer *timer)
{
    size_t place = timer->place;
    struct timer *last;

    if (place == 0)
        return;
    timer->place = 0;
    last = timers->heap[timers->count--];
    if (last != timer)
        fill(timers, place, last);
    if (timers->capacity > CAPACITY_LEAST && timers->count < timers->capacity / 8)
        shrink(timers);
}

struct timer *timers_expire(struct timers *timers, double now)
{
    struct timer *first;

    if (timers->count == 0 || timers->heap[1]->at > now)
        return NULL;
    first = timers->heap[1];
    timers_remove(timers, first);
    return first;
}
