/* SPDX-License-Identifier: MIT
 *
 * /etc/ld.so.cache.
 */
#include "loader/ldcache.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static bool count(void *context, const char *path)
{
    *(size_t *)context += strlen(path);
    return false;
}

void fuzz_ldcache(const uint8_t *bytes, size_t size)
{
    static const struct {
        const char *name;
        uint32_t flags;
    } asked[] = {{"libc.so.6", 0x0303}, {"libneeded.so.1", 0x0303}, {"", 0}, {"ld", 0x0a03}};
    uint8_t *own = malloc(size + (size == 0));
    struct ldcache cache;
    size_t length = 0;

    if (size > 0)
        memcpy(own, bytes, size);
    ldcache_adopt(&cache, own, size);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
        ldcache_find(&cache, asked[i].name, asked[i].flags, count, &length);
    ldcache_finish(&cache);
}
