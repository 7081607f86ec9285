/* SPDX-License-Identifier: MIT
 *
 * Hash functions and chains.
 */
#include "elf/hash.h"

#include "error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

uint32_t hash_sysv(const char *name)
{
    uint32_t h = 0;

    for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++) {
        h = (h << 4) + *p;
        uint32_t high = h & 0xf0000000;
        h ^= high >> 24;
        h &= ~high;
    }
    return h;
}

uint32_t hash_gnu(const char *name)
{
    uint32_t h = 5381;

    for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++)
        h = h * 33 + *p;
    return h;
}

bool hash_load(const struct image *image, struct hash_table *table, struct patch_error *error)
{
    size_t entry = image->arch->hash_entry;
    size_t count = image->hash.size / entry;

    table->words = calloc(count, sizeof(*table->words));
    if (table->words == NULL)
        return error_memory(error);
    for (size_t i = 2; i < count; i++) {
        uint64_t value = image_number(image, image->hash.offset + i * entry, entry);
        if (value > UINT32_MAX) {
            hash_finish(table);
            return error_set_entry(error, PATCH_MALFORMED, ".hash", i,
                                   image->hash.offset + i * entry,
                                   "no symbol has the number %" PRIu64, value);
        }
        table->words[i] = (uint32_t)value;
    }
    table->buckets = table->words[0] = image->hash_buckets;
    table->chains = table->words[1] = image->hash_chains;
    return true;
}

void hash_finish(struct hash_table *table)
{
    free(table->words);
    memset(table, 0, sizeof(*table));
}

bool hash_unlink(const struct image *image, struct hash_table *table, uint8_t *moved,
                 struct patch_error *error)
{
    uint32_t *chain = table->words + 2 + table->buckets;
    uint64_t steps = 0;
    enum { FOUND = 2 };

    for (uint32_t b = 0; b < table->buckets; b++) {
        uint32_t *link = &table->words[2 + b];
        while (*link != 0) {
            uint32_t symbol = *link;
            if (symbol >= table->chains || ++steps > table->chains)
                return error_set_at(error, PATCH_MALFORMED, ".hash", image->hash.offset,
                                    symbol >= table->chains
                                        ? "a chain names a symbol that does not exist"
                                        : "the chains run in a circle");
            if (moved[symbol] != 0) {
                moved[symbol] = FOUND;
                *link = chain[symbol];
                chain[symbol] = 0;
            } else {
                link = &chain[symbol];
            }
        }
    }
    for (uint32_t i = 0; i < image->symbol_count; i++)
        moved[i] = moved[i] == FOUND;
    return true;
}

void hash_link(struct hash_table *table, uint32_t symbol, const char *name)
{
    uint32_t *bucket = &table->words[2 + hash_sysv(name) % table->buckets];

    table->words[2 + table->buckets + symbol] = *bucket;
    *bucket = symbol;
}
