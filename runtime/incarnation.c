/* SPDX-License-Identifier: MIT
 *
 * Chunks of records, made when first asked for and never freed. Not by malloc(), since write(2) may
 * be called in a signal handler.
 */
#include "incarnation.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

enum { CHUNK = 1024, CHUNKS = 4096 };

static struct incarnation *_Atomic chunks[CHUNKS];

/* Every hub seems to wait already, so that none is added. */
static struct incarnation uncounted = {.hubs = UINT64_MAX};

static struct incarnation *find(int fd)
{
    struct incarnation *chunk;

    if (fd < 0 || fd / CHUNK >= CHUNKS)
        return NULL;
    chunk = atomic_load_explicit(&chunks[fd / CHUNK], memory_order_acquire);
    return chunk == NULL ? NULL : &chunk[fd % CHUNK];
}

static struct incarnation *make(int fd)
{
    struct incarnation *fresh, *present = NULL;
    int saved = errno;

    if (fd < 0 || fd / CHUNK >= CHUNKS)
        return &uncounted;
    fresh = mmap(NULL, CHUNK * sizeof *fresh, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                 -1, 0);
    errno = saved;
    if (fresh == MAP_FAILED)
        return &uncounted;
    for (size_t i = 0; i < CHUNK; i++) {
        atomic_init(&fresh[i].changes, 1);
        atomic_init(&fresh[i].lives, 1);
        atomic_init(&fresh[i].hubs, 0);
        atomic_init(&fresh[i].closing, 0);
    }
    if (atomic_compare_exchange_strong(&chunks[fd / CHUNK], &present, fresh))
        return &fresh[fd % CHUNK];
    (void)munmap(fresh, CHUNK * sizeof *fresh); /* another thread was faster */
    return &present[fd % CHUNK];
}

struct incarnation *incarnation_record(int fd)
{
    struct incarnation *record = find(fd);

    return record != NULL ? record : make(fd);
}

unsigned incarnation_of(int fd)
{
    return incarnation_changes(incarnation_record(fd));
}

unsigned incarnation_life(int fd)
{
    return incarnation_lives(incarnation_record(fd));
}

uint64_t incarnation_hubs(int fd)
{
    struct incarnation *record = find(fd);

    return record == NULL ? 0 : atomic_load(&record->hubs);
}

int incarnation_next(int fd)
{
    for (int chunk = fd / CHUNK; chunk < CHUNKS; chunk++, fd = chunk * CHUNK)
        if (atomic_load_explicit(&chunks[chunk], memory_order_acquire) != NULL)
            return fd;
    return -1;
}

/* 0 means "not counted", so a count passes over it. */
static unsigned count(atomic_uint *counter)
{
    unsigned counted = atomic_fetch_add(counter, 1) + 1;

    return counted != 0 ? counted : atomic_fetch_add(counter, 1) + 1;
}

uint64_t incarnation_end(int fd)
{
    struct incarnation *record = find(fd);

    if (record == NULL)
        return 0;
    (void)count(&record->lives);
    (void)count(&record->changes);
    return atomic_load(&record->hubs);
}

/* A hub that begins to wait meanwhile sees the mark, or is seen among the hubs. */
uint64_t incarnation_close(int fd, unsigned *life)
{
    struct incarnation *record = find(fd);

    *life = 0;
    if (record == NULL)
        return 0;
    *life = count(&record->lives);
    atomic_store(&record->closing, *life);
    (void)count(&record->changes);
    return atomic_load(&record->hubs);
}

void incarnation_closed(int fd, unsigned life)
{
    struct incarnation *record = life != 0 ? find(fd) : NULL;

    if (record != NULL)
        atomic_compare_exchange_strong(&record->closing, &life, 0);
}

void incarnation_change(int fd)
{
    struct incarnation *record = find(fd);

    if (record != NULL)
        (void)count(&record->changes);
}
