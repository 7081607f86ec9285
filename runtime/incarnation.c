/* SPDX-License-Identifier: MIT
 *
 * Chunks of counters, made when first asked for and never freed.
 */
#include "incarnation.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

enum { CHUNK = 1024, CHUNKS = 4096 };

struct number {
    atomic_uint changes, lives; /* never 0 */
    _Atomic uint64_t hubs;
};

static struct number *_Atomic chunks[CHUNKS];

static struct number *find(int fd)
{
    struct number *chunk;

    if (fd < 0 || fd / CHUNK >= CHUNKS)
        return NULL;
    chunk = atomic_load_explicit(&chunks[fd / CHUNK], memory_order_acquire);
    return chunk == NULL ? NULL : &chunk[fd % CHUNK];
}

static struct number *make(int fd)
{
    struct number *fresh, *present = NULL;

    if (fd < 0 || fd / CHUNK >= CHUNKS)
        return NULL;
    fresh = malloc(CHUNK * sizeof *fresh);
    if (fresh == NULL)
        return NULL;
    for (size_t i = 0; i < CHUNK; i++) {
        atomic_init(&fresh[i].changes, 1);
        atomic_init(&fresh[i].lives, 1);
        atomic_init(&fresh[i].hubs, 0);
    }
    if (atomic_compare_exchange_strong(&chunks[fd / CHUNK], &present, fresh))
        return &fresh[fd % CHUNK];
    free(fresh); /* another thread was faster */
    return &present[fd % CHUNK];
}

static struct number *find_or_make(int fd)
{
    struct number *number = find(fd);

    return number != NULL ? number : make(fd);
}

unsigned incarnation_of(int fd)
{
    struct number *number = find_or_make(fd);

    return number == NULL ? 0 : atomic_load_explicit(&number->changes, memory_order_acquire);
}

unsigned incarnation_life(int fd)
{
    struct number *number = find_or_make(fd);

    return number == NULL ? 0 : atomic_load(&number->lives);
}

/* Who ends the life adds to it first, and then reads the hubs: of both orders one is seen. */
unsigned incarnation_watch(int fd, uint64_t hub)
{
    struct number *number = find_or_make(fd);

    if (number == NULL)
        return 0;
    if ((atomic_load_explicit(&number->hubs, memory_order_relaxed) & hub) == 0)
        atomic_fetch_or(&number->hubs, hub);
    return atomic_load(&number->lives);
}

void incarnation_unwatch(int fd, uint64_t hub)
{
    struct number *number = find(fd);

    if (number != NULL)
        atomic_fetch_and(&number->hubs, ~hub);
}

uint64_t incarnation_hubs(int fd)
{
    struct number *number = find(fd);

    return number == NULL ? 0 : atomic_load(&number->hubs);
}

int incarnation_next(int fd)
{
    for (int chunk = fd / CHUNK; chunk < CHUNKS; chunk++, fd = chunk * CHUNK)
        if (atomic_load_explicit(&chunks[chunk], memory_order_acquire) != NULL)
            return fd;
    return -1;
}

/* 0 means "not counted", so a count passes over it. */
static void count(atomic_uint *counter)
{
    if (atomic_fetch_add(counter, 1) + 1 == 0)
        atomic_fetch_add(counter, 1);
}

uint64_t incarnation_end(int fd)
{
    struct number *number = find(fd);

    if (number == NULL)
        return 0;
    count(&number->lives);
    count(&number->changes);
    return atomic_load(&number->hubs);
}

void incarnation_change(int fd)
{
    struct number *number = find(fd);

    if (number != NULL)
        count(&number->changes);
}
