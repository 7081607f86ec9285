/* SPDX-License-Identifier: MIT
 *
 * The words of DT_GNU_HASH: nbuckets, first hashed symbol, number of filter words, shift; the
 * filter (an address a word); buckets; a hash for each symbol from the first on.
 */
#include "elf/gnu_hash.h"

#include "edits.h"
#include "elf/hash.h"
#include "error.h"

#include <stdlib.h>

struct table {
    const struct image *image;
    const struct image_gnu_head *head;
    uint32_t first;   /* hashed symbol */
    uint32_t end;     /* behind the last hashed symbol */
    uint64_t hashes;  /* place of the first hash in the file */
    uint64_t *before; /* the filter of the names as they are */
    uint64_t *after;  /* and as they will be */
};

static void open_table(const struct image *image, struct table *table)
{
    const struct image_gnu_head *head = &image->gnu_head;
    uint64_t count = (image->gnu_hash.size - head->hashes_at) / 4;

    table->image = image;
    table->head = head;
    table->first = head->first;
    table->end = image->symbol_count;
    if (table->first > table->end)
        table->first = table->end;
    if (count < table->end - table->first)
        table->end = table->first + (uint32_t)count;
    table->hashes = image->gnu_hash.offset + head->hashes_at;
}

/* Whether a renamed symbol is among the hashed ones at all. */
static bool is_concerned(const struct table *table, const char *const *names)
{
    for (uint32_t i = table->first; i < table->end; i++)
        if (names[i] != NULL)
            return true;
    return false;
}

static void set_bits(const struct table *table, uint64_t *filter, uint32_t hash)
{
    const struct image_gnu_head *head = table->head;
    uint32_t bits = (uint32_t)table->image->codec->word * 8;

    filter[hash / bits % head->words] |=
        1ULL << hash % bits | 1ULL << (head->shift < 32 ? hash >> head->shift : 0) % bits;
}

static bool edit_hashes(const struct table *table, const char *const *names, struct plan *plan,
                        struct patch_error *error)
{
    const struct image *image = table->image;

    for (uint32_t i = table->first; i < table->end; i++) {
        const char *old = image_symbol_name(image, i);
        uint64_t place = table->hashes + (i - table->first) * 4ULL;
        if (old == NULL)
            continue;
        uint32_t hash = hash_gnu(names[i] != NULL ? names[i] : old);
        uint64_t last = image_number(image, place, 4) & 1;
        if (table->head->words != 0) {
            set_bits(table, table->before, hash_gnu(old));
            set_bits(table, table->after, hash);
        }
        if (names[i] != NULL &&
            !edits_add_number(image, plan, place, 4, (hash & ~1U) | last, error))
            return false;
    }
    return true;
}

/* Bits that no name accounts for stay. */
static bool edit_filter(const struct table *table, struct plan *plan, struct patch_error *error)
{
    const struct image *image = table->image;
    size_t width = image->codec->word;

    for (uint32_t i = 0; i < table->head->words; i++) {
        uint64_t place = image->gnu_hash.offset + table->head->filter_at + (uint64_t)i * width;
        uint64_t old = image_number(image, place, width);
        uint64_t new = (old & ~table->before[i]) | table->after[i];
        if (new != old && !edits_add_number(image, plan, place, width, new, error))
            return false;
    }
    return true;
}

bool gnu_hash_rename(const struct image *image, const char *const *names, struct plan *plan,
                     struct patch_error *error)
{
    struct table table = {0};
    bool done = true;

    if (image->gnu_hash.size == 0)
        return true;
    open_table(image, &table);
    if (!is_concerned(&table, names))
        return true;
    table.before = calloc(table.head->words + 1ULL, sizeof(*table.before));
    table.after = calloc(table.head->words + 1ULL, sizeof(*table.after));
    if (table.before == NULL || table.after == NULL)
        done = error_memory(error);
    done = done && edit_hashes(&table, names, plan, error) && edit_filter(&table, plan, error);
    free(table.before);
    free(table.after);
    return done;
}
