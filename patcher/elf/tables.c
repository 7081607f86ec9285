/* SPDX-License-Identifier: MIT
 *
 * Dynamic tables, found as the loader finds them, each checked to lie in the file content of one
 * segment.
 */
#include "elf/tables.h"

#include "error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Keeps memory small on hostile input; real files have about forty. */
enum { MOST_DYNAMIC = 1 << 16 };

/* --- the dynamic section -----------------------------------------------------------------------
 */

static bool read_dynamic(struct image *image, struct patch_error *error)
{
    const Elf64_Phdr *found = NULL;
    size_t entry = image->codec->sizes[CODEC_DYNAMIC];
    uint64_t mapped;

    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == PT_DYNAMIC)
            found = &image->segments[i];
    if (found == NULL || found->p_filesz < entry)
        return error_set_at(error, PATCH_NOT_DYNAMIC, "program header table", image->header.e_phoff,
                            "no PT_DYNAMIC: nothing is imported");
    if (!image_offset(image, found->p_vaddr, found->p_filesz, &mapped) || mapped != found->p_offset)
        return error_set_at(error, PATCH_MALFORMED, "PT_DYNAMIC", found->p_offset,
                            "not where the loader would find it");
    if (found->p_filesz / entry > MOST_DYNAMIC)
        return error_set_at(error, PATCH_MALFORMED, "PT_DYNAMIC", found->p_offset,
                            "more than %u entries", (unsigned)MOST_DYNAMIC);
    image->dynamic_offset = found->p_offset;
    image->dynamic_capacity = found->p_filesz / entry;
    image->dynamic = calloc(image->dynamic_capacity, sizeof(Elf64_Dyn));
    if (image->dynamic == NULL)
        return error_memory(error);
    for (size_t i = 0; i < image->dynamic_capacity; i++)
        if (!image_read(image, CODEC_DYNAMIC, found->p_offset + i * entry, &image->dynamic[i]))
            return error_set_at(error, PATCH_TRUNCATED, ".dynamic", found->p_offset,
                                "ends behind the file");
    while (image->dynamic_count < image->dynamic_capacity &&
           image->dynamic[image->dynamic_count].d_tag != DT_NULL)
        image->dynamic_count++;
    if (image->dynamic_count == image->dynamic_capacity)
        return error_set_at(error, PATCH_MALFORMED, ".dynamic", found->p_offset,
                            "no DT_NULL at its end");
    return true;
}

/* Finds a table by the tag of its address; `size` is known already. */
static bool locate(const struct image *image, int64_t tag, const char *name, uint64_t size,
                   struct image_table *table, struct patch_error *error)
{
    const Elf64_Dyn *entry = image_dynamic(image, tag);

    if (entry == NULL)
        return true;
    if (!image_offset(image, entry->d_un.d_ptr, size, &table->offset))
        return error_set_at(error, PATCH_MALFORMED, name, image_dynamic_offset(image, entry),
                            "0x%" PRIx64 " bytes at address 0x%" PRIx64
                            " are not in the file content of one segment",
                            size, (uint64_t)entry->d_un.d_ptr);
    table->address = entry->d_un.d_ptr;
    table->size = size;
    return true;
}

static bool locate_sized(const struct image *image, int64_t tag, int64_t size_tag, const char *name,
                         struct image_table *table, struct patch_error *error)
{
    const Elf64_Dyn *size = image_dynamic(image, size_tag);

    return size == NULL || size->d_un.d_val == 0 ||
           locate(image, tag, name, size->d_un.d_val, table, error);
}

static bool locate_strings(struct image *image, struct patch_error *error)
{
    struct image_table *strings = &image->strings;

    if (!locate_sized(image, DT_STRTAB, DT_STRSZ, ".dynstr", strings, error))
        return false;
    if (strings->size == 0)
        return error_set_at(error, PATCH_MALFORMED, ".dynamic", image->dynamic_offset,
                            "no DT_STRTAB and DT_STRSZ");
    if (strings->size > UINT32_MAX / 2)
        return error_set_at(error, PATCH_MALFORMED, ".dynstr", strings->offset, "too large");
    if (image_number(image, strings->offset + strings->size - 1, 1) != '\0')
        return error_set_at(error, PATCH_MALFORMED, ".dynstr", strings->offset + strings->size - 1,
                            "the last string has no end");
    return true;
}

/* An entry whose value must be one of two. */
struct fixed_value {
    int64_t tag;
    uint64_t value;
    uint64_t other;
    const char *name;
};

static bool check_values(const struct image *image, struct patch_error *error)
{
    const size_t *sizes = image->codec->sizes;
    const struct fixed_value rows[] = {
        {DT_SYMENT, sizes[CODEC_SYMBOL], sizes[CODEC_SYMBOL], "DT_SYMENT"},
        {DT_RELAENT, sizes[CODEC_RELA], sizes[CODEC_RELA], "DT_RELAENT"},
        {DT_RELENT, sizes[CODEC_REL], sizes[CODEC_REL], "DT_RELENT"},
        {DT_PLTREL, DT_RELA, image->arch->rel ? DT_REL : DT_RELA, "DT_PLTREL"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const Elf64_Dyn *entry = image_dynamic(image, rows[i].tag);
        if (entry != NULL && entry->d_un.d_val != rows[i].value &&
            entry->d_un.d_val != rows[i].other)
            return error_set_at(error, PATCH_MALFORMED, ".dynamic",
                                image_dynamic_offset(image, entry), "%s is %" PRIu64, rows[i].name,
                                (uint64_t)entry->d_un.d_val);
    }
    const Elf64_Dyn *rel = image_dynamic(image, DT_REL);
    if (rel != NULL && !image->arch->rel)
        return error_set_at(
            error, PATCH_UNSUPPORTED_RELOCATION, ".dynamic", image_dynamic_offset(image, rel),
            "relocations without addends (DT_REL), which %s does not have", image->arch->name);
    return true;
}

/* Some linkers count the PLT's relocations into DT_RELASZ (or DT_RELSZ) as well. */
static void drop_plt(struct image *image)
{
    const struct image_table *plt = &image->relocations[IMAGE_PLT];
    struct image_table *all = &image->relocations[image->plt_addends ? IMAGE_RELA : IMAGE_REL];

    if (plt->size != 0 && all->size >= plt->size &&
        plt->offset == all->offset + all->size - plt->size)
        all->size -= plt->size;
}

static bool locate_relocations(struct image *image, struct patch_error *error)
{
    static const int64_t tags[IMAGE_RELOCATION_TABLES][2] = {
        [IMAGE_RELA] = {DT_RELA, DT_RELASZ},
        [IMAGE_PLT] = {DT_JMPREL, DT_PLTRELSZ},
        [IMAGE_REL] = {DT_REL, DT_RELSZ},
    };
    const Elf64_Dyn *kind = image_dynamic(image, DT_PLTREL);

    image->plt_addends = kind != NULL ? kind->d_un.d_val == DT_RELA : !image->arch->rel;
    for (size_t i = 0; i < IMAGE_RELOCATION_TABLES; i++) {
        struct image_table *table = &image->relocations[i];
        const char *name = image_relocation_name(image, i);
        if (!locate_sized(image, tags[i][0], tags[i][1], name, table, error))
            return false;
        if (table->size % image->codec->sizes[image_relocation_record(image, i)] != 0)
            return error_set_at(error, PATCH_MALFORMED, name, table->offset,
                                "0x%" PRIx64 " bytes are no whole number of entries", table->size);
    }
    drop_plt(image);
    return true;
}

/* --- symbols -----------------------------------------------------------------------------------
 */

static uint32_t word_at(const struct image *image, uint64_t offset)
{
    return (uint32_t)image_number(image, offset, 4);
}

static bool locate_hash(struct image *image, uint32_t *count, struct patch_error *error)
{
    struct image_table *hash = &image->hash;
    size_t entry = image->arch->hash_entry;

    if (!locate(image, DT_HASH, ".hash", 2 * entry, hash, error) || hash->size == 0)
        return hash->size == 0 && image_dynamic(image, DT_HASH) == NULL;
    uint64_t buckets = image_number(image, hash->offset, entry);
    uint64_t chains = image_number(image, hash->offset + entry, entry);
    if (buckets == 0)
        return error_set_at(error, PATCH_MALFORMED, ".hash", hash->offset, "no buckets");
    if (buckets > UINT32_MAX || chains > UINT32_MAX)
        return error_set_at(error, PATCH_MALFORMED, ".hash", hash->offset,
                            "%" PRIu64 " buckets, %" PRIu64 " symbols", buckets, chains);
    if (!locate(image, DT_HASH, ".hash", (2 + buckets + chains) * entry, hash, error))
        return false;
    image->hash_buckets = (uint32_t)buckets;
    image->hash_chains = (uint32_t)chains;
    *count = image->hash_chains;
    return true;
}

/* The end of the chain that begins with symbol `index`. */
static bool walk_chain(const struct image *image, uint64_t chains, uint64_t index, uint64_t base,
                       uint64_t *end, struct patch_error *error)
{
    uint64_t offset;

    for (;; index++) {
        if (!image_offset(image, chains + (index - base) * 4, 4, &offset))
            return error_set_at(error, PATCH_MALFORMED, ".gnu.hash", image->gnu_hash.offset,
                                "the chain of symbol %" PRIu64 " has no end", index);
        if ((word_at(image, offset) & 1) != 0)
            break;
    }
    *end = index + 1;
    return true;
}

static void read_gnu_head(struct image *image)
{
    enum { SIZE = 4 * sizeof(uint32_t) };
    struct image_gnu_head *head = &image->gnu_head;
    uint64_t place = image->gnu_hash.offset;

    head->buckets = word_at(image, place);
    head->first = word_at(image, place + 4);
    head->words = word_at(image, place + 8);
    head->shift = word_at(image, place + 12);
    head->filter_at = SIZE;
    head->buckets_at = SIZE + (uint64_t)head->words * image->codec->word;
    head->hashes_at = head->buckets_at + head->buckets * 4ULL;
}

/* The symbol in the last chain that begins in a bucket; 0: no bucket has one. */
static uint32_t last_bucket(const struct image *image)
{
    const struct image_gnu_head *head = &image->gnu_head;
    uint32_t last = 0;

    for (uint64_t at = head->buckets_at; at < head->hashes_at; at += 4) {
        uint32_t symbol = word_at(image, image->gnu_hash.offset + at);
        last = symbol > last ? symbol : last;
    }
    return last;
}

static bool locate_gnu_hash(struct image *image, uint32_t *count, struct patch_error *error)
{
    struct image_table *hash = &image->gnu_hash;
    const struct image_gnu_head *head = &image->gnu_head;
    uint64_t end = 0;

    if (!locate(image, DT_GNU_HASH, ".gnu.hash", 16, hash, error) || hash->size == 0)
        return hash->size == 0 && image_dynamic(image, DT_GNU_HASH) == NULL;
    read_gnu_head(image);
    if (!locate(image, DT_GNU_HASH, ".gnu.hash", head->hashes_at, hash, error))
        return false;
    uint32_t last = last_bucket(image);
    if (last == 0)
        return true;
    if (last < head->first)
        return error_set_at(error, PATCH_MALFORMED, ".gnu.hash", hash->offset,
                            "a bucket begins before the first hashed symbol");
    if (!walk_chain(image, hash->address + head->hashes_at, last, head->first, &end, error) ||
        !locate(image, DT_GNU_HASH, ".gnu.hash", head->hashes_at + (end - head->first) * 4, hash,
                error))
        return false;
    if (end > *count)
        *count = (uint32_t)end;
    return true;
}

/* What the relocations name exists too. */
static void count_relocated(const struct image *image, uint32_t *count)
{
    Elf64_Rela batch[IMAGE_BATCH];
    size_t n;

    for (size_t t = 0; t < IMAGE_RELOCATION_TABLES; t++)
        for (size_t i = 0; (n = image_relocations(image, t, i, batch)) != 0; i += n)
            for (size_t k = 0; k < n; k++) {
                uint64_t symbol = ELF64_R_SYM(batch[k].r_info);
                if (symbol >= *count && symbol < UINT32_MAX)
                    *count = (uint32_t)symbol + 1;
            }
}

/* False when no section header tells. */
static bool count_in_section(const struct image *image, uint32_t *count)
{
    const Elf64_Dyn *entry = image_dynamic(image, DT_SYMTAB);
    bool found = false;

    for (size_t i = 0; entry != NULL && i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        uint64_t offset;
        uint64_t symbols = s->sh_size / image->codec->sizes[CODEC_SYMBOL];
        if (s->sh_type == SHT_DYNSYM && s->sh_addr == entry->d_un.d_ptr && symbols >= *count &&
            symbols < UINT32_MAX && image_offset(image, s->sh_addr, s->sh_size, &offset)) {
            *count = (uint32_t)symbols;
            found = true;
        }
    }
    return found;
}

static bool locate_symbols(struct image *image, struct patch_error *error)
{
    uint32_t count = 0;

    if (!locate_hash(image, &count, error))
        return false;
    bool exact = image->hash.size != 0;
    if (!locate_gnu_hash(image, &count, error))
        return false;
    /* DT_GNU_HASH counts no undefined symbol. The relocations are many, and looked through later.
     */
    if (!exact && !count_in_section(image, &count))
        count_relocated(image, &count);
    if (image_dynamic(image, DT_SYMTAB) == NULL)
        return error_set_at(error, PATCH_MALFORMED, ".dynamic", image->dynamic_offset,
                            "no DT_SYMTAB");
    image->symbol_count = count;
    return locate(image, DT_SYMTAB, ".dynsym", (uint64_t)count * image->codec->sizes[CODEC_SYMBOL],
                  &image->symbols, error) &&
           locate(image, DT_VERSYM, ".gnu.version", (uint64_t)count * sizeof(Elf64_Half),
                  &image->versions, error);
}

bool tables_find(struct image *image, struct patch_error *error)
{
    return read_dynamic(image, error) && locate_strings(image, error) &&
           check_values(image, error) && locate_relocations(image, error) &&
           locate_symbols(image, error);
}
