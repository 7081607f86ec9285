/* SPDX-License-Identifier: MIT
 *
 * Both hash tables, walked as the loader does, for every symbol that it could look for.
 */
#include "elf/hash.h"

#include "check/verify.h"
#include "error.h"

#include <inttypes.h>
#include <stdlib.h>

static bool must_be_found(const struct image *image, uint32_t index)
{
    Elf64_Sym symbol = image_symbol(image, index);

    return symbol.st_shndx != SHN_UNDEF && ELF64_ST_BIND(symbol.st_info) != STB_LOCAL;
}

static enum patch_verdict out_of_memory(char *detail)
{
    struct patch_error error = {0};

    error_memory(&error);
    return verify_unreadable(detail, &error);
}

/* --- DT_HASH -----------------------------------------------------------------------------------
 */

/* One chain; marks what it meets in `found`. */
static enum patch_verdict check_chain(const struct image *image, const struct hash_table *table,
                                      uint32_t bucket, uint8_t *found, char *detail)
{
    uint32_t symbol = table->words[2 + bucket];

    while (symbol != 0) {
        const char *name = NULL;
        if (symbol < table->chains && !found[symbol])
            name = image_symbol_name(image, symbol);
        if (name == NULL)
            return verify_fault(detail, ".hash: the chain of bucket %u is broken", bucket);
        if (hash_sysv(name) % table->buckets != bucket)
            return verify_fault(detail, ".hash: %s stands in bucket %u instead of %u", name, bucket,
                                hash_sysv(name) % table->buckets);
        found[symbol] = 1;
        symbol = table->words[2 + table->buckets + symbol];
    }
    return PATCH_PASS;
}

static enum patch_verdict check_chains(const struct image *image, const struct hash_table *table,
                                       uint8_t *found, char *detail)
{
    enum patch_verdict verdict = PATCH_PASS;

    for (uint32_t b = 0; verdict == PATCH_PASS && b < table->buckets; b++)
        verdict = check_chain(image, table, b, found, detail);
    for (uint32_t i = 1; verdict == PATCH_PASS && i < image->symbol_count; i++) {
        if ((i < table->chains && found[i]) || !must_be_found(image, i))
            continue;
        const char *name = image_symbol_name(image, i);
        verdict = verify_fault(detail, ".hash: .dynsym[%u] %s stands in no chain", i,
                               name != NULL ? name : "");
    }
    return verdict;
}

enum patch_verdict check_hash(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    struct hash_table table = {0};
    struct patch_error error = {0};

    if (image->hash.size == 0)
        return verify_skip(detail, "no DT_HASH");
    if (!hash_load(image, &table, &error))
        return verify_unreadable(detail, &error);
    uint8_t *found = calloc((size_t)table.chains + 1, 1);
    enum patch_verdict verdict =
        found != NULL ? check_chains(image, &table, found, detail) : out_of_memory(detail);
    free(found);
    hash_finish(&table);
    return verdict;
}

/* --- DT_GNU_HASH -------------------------------------------------------------------------------
 */

static uint32_t gnu_word(const struct image *image, uint64_t at)
{
    return (uint32_t)image_number(image, image->gnu_hash.offset + at, 4);
}

/* The loader looks here first: two bits of one word, chosen by the hash. */
static bool passes_filter(const struct image *image, uint32_t hash)
{
    const struct image_gnu_head *head = &image->gnu_head;
    size_t width = image->codec->word;
    unsigned bits = (unsigned)width * 8;
    uint64_t place = head->filter_at + (uint64_t)(hash / bits & (head->words - 1)) * width;
    uint64_t word = image_number(image, image->gnu_hash.offset + place, width);
    uint32_t second = head->shift < 32 ? hash >> head->shift : 0;

    return (word >> hash % bits & word >> second % bits & 1) != 0;
}

/* One symbol of the chain of `bucket`; the stored hash is that of the name but for the last bit.
 * What is undefined, as GNU ld hashes it in programs, is not to be found: it may stand in any
 * chain.
 */
static enum patch_verdict check_hashed(const struct image *image, uint32_t symbol, uint32_t bucket,
                                       uint32_t stored, char *detail)
{
    const char *name = image_symbol_name(image, symbol);
    uint32_t hash = name != NULL ? hash_gnu(name) : 0;
    bool defined = must_be_found(image, symbol);

    if (name == NULL || ((stored ^ hash) & ~1u) != 0 ||
        (defined && hash % image->gnu_head.buckets != bucket))
        return verify_fault(detail, ".gnu.hash: .dynsym[%u] %s is not found by its name", symbol,
                            name != NULL ? name : "");
    if (defined && !passes_filter(image, hash))
        return verify_fault(detail, ".gnu.hash: the filter hides .dynsym[%u] %s", symbol, name);
    return PATCH_PASS;
}

static enum patch_verdict check_gnu_chain(const struct image *image, uint32_t bucket,
                                          uint8_t *found, char *detail)
{
    const struct image_gnu_head *head = &image->gnu_head;
    uint32_t symbol = gnu_word(image, head->buckets_at + (uint64_t)bucket * 4);
    bool last = symbol == 0;

    for (; !last; symbol++) {
        uint64_t place = head->hashes_at + ((uint64_t)symbol - head->first) * 4;
        if (symbol < head->first || place + 4 > image->gnu_hash.size ||
            symbol >= image->symbol_count || found[symbol])
            return verify_fault(detail, ".gnu.hash: the chain of bucket %u is broken", bucket);
        uint32_t stored = gnu_word(image, place);
        enum patch_verdict verdict = check_hashed(image, symbol, bucket, stored, detail);
        if (verdict != PATCH_PASS)
            return verdict;
        found[symbol] = 1;
        last = (stored & 1) != 0;
    }
    return PATCH_PASS;
}

static enum patch_verdict check_gnu_chains(const struct image *image, uint8_t *found, char *detail)
{
    enum patch_verdict verdict = PATCH_PASS;

    for (uint32_t b = 0; verdict == PATCH_PASS && b < image->gnu_head.buckets; b++)
        verdict = check_gnu_chain(image, b, found, detail);
    for (uint32_t i = 1; verdict == PATCH_PASS && i < image->symbol_count; i++) {
        if (found[i] || !must_be_found(image, i))
            continue;
        const char *name = image_symbol_name(image, i);
        verdict = verify_fault(detail, ".gnu.hash: .dynsym[%u] %s stands in no chain", i,
                               name != NULL ? name : "");
    }
    return verdict;
}

enum patch_verdict check_gnu_hash(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;

    if (image->gnu_hash.size == 0)
        return verify_skip(detail, "no DT_GNU_HASH");
    uint32_t words = image->gnu_head.words;
    if (words == 0 || (words & (words - 1)) != 0)
        return verify_fault(detail, ".gnu.hash: a filter of %u words", words);
    uint8_t *found = calloc((size_t)image->symbol_count + 1, 1);
    if (found == NULL)
        return out_of_memory(detail);
    enum patch_verdict verdict = check_gnu_chains(image, found, detail);
    free(found);
    return verdict;
}
