/* SPDX-License-Identifier: MIT
 *
 * The dynamic tables, entry by entry: an undefined symbol may have got the prefix, and loses its
 * version with that; nothing else may have happened to any of them.
 */
#include "elf/hash.h"

#include "check/proof_private.h"
#include "error.h"
#include "io/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Tables other than .dynstr stand where they stood. */
static bool stayed(struct proof *proof, const char *name, const struct image_table *was,
                   const struct image_table *is)
{
    if (was->size == is->size && was->address == is->address &&
        (was->size == 0 || is->offset == proof_map(proof, was->offset)))
        return true;
    return proof_refute(proof,
                        "%s: 0x%" PRIx64 " bytes at address 0x%" PRIx64 ", before 0x%" PRIx64
                        " at 0x%" PRIx64,
                        name, is->size, is->address, was->size, was->address);
}

static bool check_places(struct proof *proof)
{
    const struct image *before = proof->before;
    const struct image *after = proof->after;

    if (after->symbol_count != before->symbol_count)
        return proof_refute(proof, ".dynsym: %u symbols, before there were %u", after->symbol_count,
                            before->symbol_count);
    if (after->dynamic_offset != proof_map(proof, before->dynamic_offset) ||
        after->dynamic_capacity != before->dynamic_capacity)
        return proof_refute(proof, ".dynamic has moved");
    return stayed(proof, ".dynsym", &before->symbols, &after->symbols) &&
           stayed(proof, ".gnu.version", &before->versions, &after->versions) &&
           stayed(proof, ".hash", &before->hash, &after->hash) &&
           stayed(proof, ".gnu.hash", &before->gnu_hash, &after->gnu_hash);
}

/* --- .dynamic ----------------------------------------------------------------------------------
 */

static bool wrong_entry(struct proof *proof, size_t index, const char *what)
{
    const Elf64_Dyn *is = &proof->after->dynamic[index];

    return proof_refute(proof, ".dynamic[%zu] at 0x%" PRIx64 ": %s", index,
                        image_dynamic_offset(proof->after, is), what);
}

/* Whether the loader goes without an entry: it is a hint, or DT_FLAGS_1 says the same. */
static bool is_dispensable(const struct image *image, const Elf64_Dyn *entry)
{
    const Elf64_Dyn *flags = image_dynamic(image, DT_FLAGS_1);

    return entry->d_tag == DT_RELACOUNT || entry->d_tag == DT_RELCOUNT ||
           (entry->d_tag == DT_FLAGS && entry->d_un.d_val == DF_BIND_NOW && flags != NULL &&
            (flags->d_un.d_val & DF_1_NOW) != 0);
}

/* A spare entry or a dispensable one became the need of the runtime, or a new DT_RUNPATH. */
static bool check_new_entry(struct proof *proof, size_t index)
{
    const Elf64_Dyn *was = &proof->before->dynamic[index];
    const Elf64_Dyn *is = &proof->after->dynamic[index];
    const char *value = image_string(proof->after, is->d_un.d_val);

    if (was->d_tag != DT_NULL && !is_dispensable(proof->before, was))
        return wrong_entry(proof, index, "another tag than before");
    if (value == NULL || (is->d_tag != DT_NEEDED && is->d_tag != DT_RUNPATH))
        return wrong_entry(proof, index, "neither the runtime nor a run path");
    if (is->d_tag == DT_NEEDED &&
        strcmp(file_base_name(value), file_base_name(proof->options->runtime)) != 0)
        return proof_refute(proof, ".dynamic[%zu] needs %s, which is not the runtime", index,
                            value);
    return proof_refer(proof, is->d_un.d_val);
}

/* A folder and a colon may have come in front of a run path. */
static bool check_runpath(struct proof *proof, size_t index)
{
    const char *was = image_string(proof->before, proof->before->dynamic[index].d_un.d_val);
    const char *is = image_string(proof->after, proof->after->dynamic[index].d_un.d_val);
    size_t tail = was != NULL ? strlen(was) : 0;
    size_t length = is != NULL ? strlen(is) : 0;

    if (was == NULL || is == NULL || length <= tail || strcmp(is + length - tail, was) != 0 ||
        (tail > 0 && is[length - tail - 1] != ':'))
        return wrong_entry(proof, index, "no run path that ends as it was");
    return proof_refer(proof, proof->after->dynamic[index].d_un.d_val);
}

static bool check_entry(struct proof *proof, size_t index)
{
    const Elf64_Dyn *was = &proof->before->dynamic[index];
    const Elf64_Dyn *is = &proof->after->dynamic[index];
    const struct image_table *strings = &proof->after->strings;

    if (was->d_tag == is->d_tag && was->d_un.d_val == is->d_un.d_val)
        return true;
    proof->counts[PROOF_DYNAMIC]++;
    if (was->d_tag != is->d_tag)
        return check_new_entry(proof, index);
    switch (is->d_tag) {
    case DT_STRTAB:
        return is->d_un.d_ptr == strings->address || wrong_entry(proof, index, "not .dynstr");
    case DT_STRSZ:
        return is->d_un.d_val == strings->size || wrong_entry(proof, index, "not .dynstr's size");
    case DT_RUNPATH:
    case DT_RPATH:
        return check_runpath(proof, index);
    default:
        return wrong_entry(proof, index, "another value than before");
    }
}

static bool check_dynamic(struct proof *proof)
{
    for (size_t i = 0; i < proof->before->dynamic_capacity; i++)
        if (!check_entry(proof, i))
            return false;
    return true;
}

/* --- .dynsym and .gnu.version ------------------------------------------------------------------
 */

static bool is_redirected(const struct proof *proof, const char *was, const char *is)
{
    size_t prefix = strlen(proof->options->prefix);

    return strncmp(is, proof->options->prefix, prefix) == 0 && strcmp(is + prefix, was) == 0;
}

static bool check_version(struct proof *proof, uint32_t index, bool renamed)
{
    const struct image *before = proof->before;
    const struct image *after = proof->after;
    uint64_t place = (uint64_t)index * sizeof(Elf64_Half);

    if (before->versions.size == 0)
        return true;
    uint64_t was = image_number(before, before->versions.offset + place, sizeof(Elf64_Half));
    uint64_t is = image_number(after, after->versions.offset + place, sizeof(Elf64_Half));
    if (is != (renamed ? VER_NDX_GLOBAL : was))
        return proof_refute(proof, ".gnu.version[%u] is %" PRIu64 ", it was %" PRIu64 "%s", index,
                            is, was, renamed ? ", and the symbol is redirected" : "");
    proof->counts[PROOF_VERSIONS] += is != was;
    return true;
}

static bool check_name(struct proof *proof, uint32_t index, const Elf64_Sym *was,
                       const Elf64_Sym *is)
{
    const char *old = image_string(proof->before, was->st_name);
    const char *new = image_string(proof->after, is->st_name);

    proof->counts[PROOF_NAMES]++;
    if (old == NULL || new == NULL)
        return proof_refute(proof, ".dynsym[%u]: its name lies behind .dynstr", index);
    if (was->st_shndx != SHN_UNDEF)
        return proof_refute(proof, ".dynsym[%u]: %s is defined here and got the name %s", index,
                            old, new);
    if (!is_redirected(proof, old, new))
        return proof_refute(proof, ".dynsym[%u]: %s got the name %s", index, old, new);
    return proof_refer(proof, is->st_name);
}

static bool check_symbol(struct proof *proof, uint32_t index)
{
    Elf64_Sym was = image_symbol(proof->before, index);
    Elf64_Sym is = image_symbol(proof->after, index);
    bool renamed = was.st_name != is.st_name;

    if (was.st_info != is.st_info || was.st_other != is.st_other || was.st_shndx != is.st_shndx ||
        was.st_value != is.st_value || was.st_size != is.st_size)
        return proof_refute(proof, ".dynsym[%u] at 0x%" PRIx64 ": more than its name changed",
                            index, image_symbol_offset(proof->after, index));
    return (!renamed || check_name(proof, index, &was, &is)) &&
           check_version(proof, index, renamed);
}

static bool check_symbols(struct proof *proof)
{
    struct patch_error error;

    for (uint32_t i = 0; i < proof->before->symbol_count; i++)
        if (!check_symbol(proof, i))
            return false;
    return (image_sound(proof->before, &error) && image_sound(proof->after, &error)) ||
           proof_failed(proof, &error);
}

/* --- DT_HASH -----------------------------------------------------------------------------------
 */

/* Marks the symbols of all chains; false when a chain is broken. That each stands in the chain of
 * its name is another check. */
static bool mark_chains(const struct hash_table *table, uint8_t *marks, uint8_t mark)
{
    for (uint32_t b = 0; b < table->buckets; b++) {
        uint32_t symbol = table->words[2 + b];
        while (symbol != 0) {
            if (symbol >= table->chains || (marks[symbol] & mark) != 0)
                return false;
            marks[symbol] |= mark;
            symbol = table->words[2 + table->buckets + symbol];
        }
    }
    return true;
}

static bool compare_tables(struct proof *proof, const struct hash_table *was,
                           const struct hash_table *is, uint8_t *marks)
{
    enum { BEFORE = 1, AFTER = 2 };
    uint64_t count = 2 + (uint64_t)was->buckets + was->chains;

    if (was->buckets != is->buckets || was->chains != is->chains)
        return proof_refute(proof, ".hash: its size is another one");
    for (uint64_t i = 0; i < count; i++)
        proof->counts[PROOF_HASH] += was->words[i] != is->words[i];
    if (!mark_chains(was, marks, BEFORE) || !mark_chains(is, marks, AFTER))
        return proof_refute(proof, ".hash: a broken chain");
    for (uint32_t i = 0; i < was->chains; i++) {
        uint64_t link = 2 + (uint64_t)was->buckets + i;
        if (marks[i] != 0 && marks[i] != (BEFORE | AFTER))
            return proof_refute(proof, ".hash: .dynsym[%u] %s", i,
                                marks[i] == BEFORE ? "is not found any more"
                                                   : "could not be found before");
        if (marks[i] == 0 && was->words[link] != is->words[link])
            return proof_refute(proof, ".hash: the link of .dynsym[%u], which is in no chain", i);
    }
    return true;
}

static bool check_hash(struct proof *proof)
{
    struct hash_table was = {0};
    struct hash_table is = {0};
    struct patch_error error = {0};
    uint8_t *marks = NULL;
    bool done = false;

    if (proof->before->hash.size == 0)
        return true;
    if (hash_load(proof->before, &was, &error) && hash_load(proof->after, &is, &error)) {
        marks = calloc((size_t)was.chains + 1, 1);
        if (marks != NULL)
            done = compare_tables(proof, &was, &is, marks);
        else
            error_memory(&error);
    }
    if (error.code != PATCH_OK)
        proof_failed(proof, &error);
    free(marks);
    hash_finish(&was);
    hash_finish(&is);
    return done;
}

/* --- DT_GNU_HASH -------------------------------------------------------------------------------
 */

static uint64_t gnu_number(const struct image *image, uint64_t at, size_t width)
{
    return image_number(image, image->gnu_hash.offset + at, width);
}

/* How many symbols are hashed. */
static uint64_t count_hashed(const struct image *image)
{
    uint64_t hashes = (image->gnu_hash.size - image->gnu_head.hashes_at) / 4;
    uint32_t first = image->gnu_head.first;
    uint64_t symbols = first < image->symbol_count ? image->symbol_count - first : 0;

    return hashes < symbols ? hashes : symbols;
}

/* The bits by which the filter lets a name pass. */
static void add_bits(const struct image *image, uint64_t *filter, uint32_t hash)
{
    const struct image_gnu_head *head = &image->gnu_head;
    uint32_t bits = (uint32_t)image->codec->word * 8;
    uint32_t second = head->shift < 32 ? hash >> head->shift : 0;

    if (head->words != 0)
        filter[hash / bits % head->words] |= 1ULL << hash % bits | 1ULL << second % bits;
}

/* The bits of all names, by what became of them; a number for each word of the filter. */
struct filters {
    uint64_t *stayed;
    uint64_t *went;
    uint64_t *came;
};

/* The stored hash of a symbol changes with its name, and only its last bit does not. */
static bool check_stored(struct proof *proof, uint64_t index, const struct filters *filters)
{
    const struct image *before = proof->before;
    const struct image *after = proof->after;
    uint32_t symbol = before->gnu_head.first + (uint32_t)index;
    uint64_t was = gnu_number(before, before->gnu_head.hashes_at + index * 4, 4);
    uint64_t is = gnu_number(after, before->gnu_head.hashes_at + index * 4, 4);
    const char *old = image_symbol_name(before, symbol);
    const char *new = image_symbol_name(after, symbol);

    if (old == NULL || new == NULL)
        return proof_refute(proof, ".dynsym[%u]: its name lies behind .dynstr", symbol);
    bool renamed = strcmp(old, new) != 0;
    add_bits(before, renamed ? filters->went : filters->stayed, hash_gnu(old));
    if (renamed)
        add_bits(before, filters->came, hash_gnu(new));
    if (was == is)
        return true;
    proof->counts[PROOF_HASH]++;
    return (renamed && is == ((hash_gnu(new) & ~1u) | (was & 1))) ||
           proof_refute(proof, ".gnu.hash: the hash of .dynsym[%u] %s is another one", symbol, new);
}

/* A word of the filter may lose the bits of names that went and gains those of names that came. */
static bool check_filter(struct proof *proof, const struct filters *filters)
{
    const struct image_gnu_head *head = &proof->before->gnu_head;
    size_t width = proof->before->codec->word;

    for (uint32_t i = 0; i < head->words; i++) {
        uint64_t was = gnu_number(proof->before, head->filter_at + (uint64_t)i * width, width);
        uint64_t is = gnu_number(proof->after, head->filter_at + (uint64_t)i * width, width);
        uint64_t lost = filters->went[i] & ~filters->stayed[i];
        uint64_t should = (was & ~lost) | filters->came[i];
        if (is != should)
            return proof_refute(proof,
                                ".gnu.hash: filter word %u is 0x%" PRIx64 " instead of 0x%" PRIx64,
                                i, is, should);
        proof->counts[PROOF_HASH] += is != was;
    }
    return true;
}

/* What stands in front of the filter and between it and the hashes. */
static bool same_frame(struct proof *proof)
{
    const struct image_gnu_head *was = &proof->before->gnu_head;
    const struct image_gnu_head *is = &proof->after->gnu_head;

    if (was->buckets != is->buckets || was->first != is->first || was->words != is->words ||
        was->shift != is->shift)
        return proof_refute(proof, ".gnu.hash: it begins with other numbers than before");
    for (uint64_t at = was->buckets_at; at < was->hashes_at; at += 4)
        if (gnu_number(proof->before, at, 4) != gnu_number(proof->after, at, 4))
            return proof_refute(proof, ".gnu.hash+0x%" PRIx64 ": another number than before", at);
    return true;
}

static bool check_gnu_hash(struct proof *proof)
{
    size_t words = proof->before->gnu_head.words;
    uint64_t count = count_hashed(proof->before);

    if (proof->before->gnu_hash.size == 0)
        return true;
    if (!same_frame(proof))
        return false;
    uint64_t *bits = calloc(3 * words + 1, sizeof(*bits));
    if (bits == NULL) {
        struct patch_error error = {0};
        error_memory(&error);
        return proof_failed(proof, &error);
    }
    struct filters filters = {bits, bits + words, bits + 2 * words};
    bool done = true;
    for (uint64_t i = 0; done && i < count; i++)
        done = check_stored(proof, i, &filters);
    done = done && check_filter(proof, &filters);
    free(bits);
    return done;
}

bool proof_tables(struct proof *proof)
{
    return check_places(proof) && check_dynamic(proof) && check_symbols(proof) &&
           check_hash(proof) && check_gnu_hash(proof);
}
