/* SPDX-License-Identifier: MIT
 *
 * The format, "glibc-ld.so.cache1.1": a header of 48 bytes, entries of 24, strings. An older table
 * may stand in front of it ("ld.so-1.7.0", entries of 12), which only says how far to skip.
 *
 *     header   0 magic+version  20 entries  24 size of the strings  28 byte order
 *     entry    0 flags  4 name  8 path  12 unused  16 processor features (8 bytes)
 */
#include "loader/ldcache.h"

#include <byteswap.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char old_magic[] = "ld.so-1.7.0";
static const char magic[] = "glibc-ld.so.cache1.1";

enum {
    OLD_HEADER = 16,
    OLD_ENTRY = 12,
    HEADER = 48,
    ENTRY = 24,
    ALIGNMENT = 8,
    BYTE_ORDER_AT = 28,
    LITTLE = 2,
    BIG = 3,
    SIZE_LIMIT = 256 << 20, /* far above any real one */
};

static uint32_t word(const struct ldcache *cache, size_t at)
{
    uint32_t value;

    memcpy(&value, cache->bytes + at, sizeof(value));
    return cache->swapped ? bswap_32(value) : value;
}

static bool begins_with(const struct ldcache *cache, size_t at, const char *text, size_t length)
{
    return at <= cache->size && cache->size - at >= length &&
           memcmp(cache->bytes + at, text, length) == 0;
}

/* Behind the old table, whose entries are counted in the order of the machine that wrote it. */
static size_t skip_old(const struct ldcache *cache)
{
    size_t entries;

    if (!begins_with(cache, 0, old_magic, sizeof(old_magic) - 1) || cache->size < OLD_HEADER)
        return 0;
    entries = word(cache, OLD_HEADER - 4);
    if (entries > (cache->size - OLD_HEADER) / OLD_ENTRY)
        return cache->size;
    return (OLD_HEADER + entries * OLD_ENTRY + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void parse(struct ldcache *cache)
{
    static const uint16_t one = 1;
    uint8_t own = *(const uint8_t *)&one == 1 ? LITTLE : BIG;
    uint8_t order;

    cache->start = skip_old(cache);
    if (!begins_with(cache, cache->start, magic, sizeof(magic) - 1) ||
        cache->size - cache->start < HEADER)
        return;
    order = cache->bytes[cache->start + BYTE_ORDER_AT];
    if (order != 0 && order != LITTLE && order != BIG)
        return;
    cache->swapped = order != 0 && order != own;
    cache->entries = word(cache, cache->start + 20);
    /* A table that is cut off is none: the loader does not use it either. */
    if (cache->entries > (cache->size - cache->start - HEADER) / ENTRY)
        cache->entries = 0;
}

void ldcache_adopt(struct ldcache *cache, uint8_t *bytes, size_t size)
{
    *cache = (struct ldcache){.bytes = bytes, .size = size};
    parse(cache);
}

static size_t read_all(int fd, uint8_t *bytes, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = read(fd, bytes + done, size - done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

bool ldcache_load(struct ldcache *cache, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t *bytes = NULL;
    struct stat status;

    *cache = (struct ldcache){0};
    if (fd < 0)
        return true;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
        status.st_size <= SIZE_LIMIT) {
        bytes = malloc((size_t)status.st_size);
        if (bytes == NULL) {
            close(fd);
            return false;
        }
        ldcache_adopt(cache, bytes, read_all(fd, bytes, (size_t)status.st_size));
    }
    close(fd);
    return true;
}

void ldcache_finish(struct ldcache *cache)
{
    free(cache->bytes);
    *cache = (struct ldcache){0};
}

/* NULL when the string does not lie inside the file. */
static const char *string(const struct ldcache *cache, uint32_t offset)
{
    size_t room = cache->size - cache->start;
    const char *text;

    if (offset >= room)
        return NULL;
    text = (const char *)cache->bytes + cache->start + offset;
    return memchr(text, '\0', room - offset) != NULL ? text : NULL;
}

bool ldcache_find(const struct ldcache *cache, const char *name, uint32_t flags,
                  ldcache_visit *visit, void *context)
{
    for (size_t i = 0; i < cache->entries; i++) {
        size_t at = cache->start + HEADER + i * ENTRY;
        const char *key = string(cache, word(cache, at + 4));
        const char *path = string(cache, word(cache, at + 8));

        if (word(cache, at) != flags || word(cache, at + 16) != 0 || word(cache, at + 20) != 0)
            continue;
        if (key != NULL && path != NULL && strcmp(key, name) == 0 && visit(context, path))
            return true;
    }
    return false;
}
