/* SPDX-License-Identifier: MIT
 *
 * Chunks of counters, made when first asked for and never freed.
 */
#include "incarnation.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

enum { CHUNK = 4096, CHUNKS = 1024 };

typedef atomic_uint counters[CHUNK];

static _Atomic(counters *) chunks[CHUNKS];

static counters *chunk_find(int fd)
{
    if (fd < 0 || fd / CHUNK >= CHUNKS)
        return NULL;
    return atomic_load_explicit(&chunks[fd / CHUNK], memory_order_acquire);
}

static counters *chunk_make(int fd)
{
    counters *fresh, *present = NULL;

    if (fd < 0 || fd / CHUNK >= CHUNKS)
        return NULL;
    fresh = malloc(sizeof *fresh);
    if (fresh == NULL)
        return NULL;
    for (size_t i = 0; i < CHUNK; i++)
        atomic_init(&(*fresh)[i], 1);
    if (atomic_compare_exchange_strong(&chunks[fd / CHUNK], &present, fresh))
        return fresh;
    free(fresh); /* another thread was faster */
    return present;
}

unsigned incarnation_of(int fd)
{
    counters *chunk = chunk_find(fd);

    if (chunk == NULL)
        chunk = chunk_make(fd);
    return chunk == NULL ? 0 : atomic_load_explicit(&(*chunk)[fd % CHUNK], memory_order_acquire);
}

/* 0 means "not counted", so the count passes over it. */
void incarnation_end(int fd)
{
    counters *chunk = chunk_find(fd);

    if (chunk == NULL)
        return;
    if (atomic_fetch_add_explicit(&(*chunk)[fd % CHUNK], 1, memory_order_acq_rel) + 1 == 0)
        atomic_fetch_add_explicit(&(*chunk)[fd % CHUNK], 1, memory_order_acq_rel);
}
