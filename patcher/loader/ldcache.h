/* SPDX-License-Identifier: MIT
 *
 * The cache of the dynamic loader, /etc/ld.so.cache, as ldconfig writes it. Read without trust:
 * an offset that leads out of the file makes the entry, never the reader, void.
 */
#ifndef PATCHER_LDCACHE_H
#define PATCHER_LDCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ldcache {
    uint8_t *bytes;
    size_t size;
    size_t start;   /* of the table; offsets of strings count from here */
    size_t entries; /* of the table, 0 for a file that is no cache */
    bool swapped;   /* the words have the other byte order than ours */
};

/* A file that is missing or is no cache is an empty cache: the loader does the same. Returns false
 * only when there is no memory. */
bool ldcache_load(struct ldcache *cache, const char *path);
void ldcache_finish(struct ldcache *cache);

/* Takes `bytes` over, which come from malloc(). */
void ldcache_adopt(struct ldcache *cache, uint8_t *bytes, size_t size);

/* Called with each path in the order of preference; returns true to end the search. */
typedef bool ldcache_visit(void *context, const char *path);

/* Visits the entries for `name` whose flags are `flags` (kind of library and machine), without
 * those for certain processors only. Returns whether a visit ended it. */
bool ldcache_find(const struct ldcache *cache, const char *name, uint32_t flags,
                  ldcache_visit *visit, void *context);

#endif
