/* SPDX-License-Identifier: MIT
 *
 * Symbol versions (LSB, "Symbol Versioning"): the index of each symbol, and the two lists of
 * records that the indices are of. Lists that run out of the file are refused before this.
 */
#include "check/verify.h"
#include "elf/hash.h"

#include <inttypes.h>
#include <string.h>

/* Where the fields stand, in both classes of ELF. */
#define FIELD(record, name) offsetof(Elf64_##record, name), sizeof(((Elf64_##record *)NULL)->name)

enum { INDEX_MASK = 0x7fff };

enum patch_verdict check_symbol_versions(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    const struct versions *versions = subject->versions;

    if (image->versions.size == 0)
        return verify_skip(detail, "no DT_VERSYM");
    for (uint32_t i = 0; i < image->symbol_count; i++) {
        unsigned index = versions_index(image, i);
        if (index > VER_NDX_GLOBAL && (index >= versions->count || versions->names[index] == NULL))
            return verify_fault(detail, ".gnu.version[%u]: version %u does not exist", i, index);
    }
    return PATCH_PASS;
}

/* A record of the file; every field is asked for by its place. */
struct record {
    const struct image *image;
    uint64_t address;
    uint64_t offset;
};

static bool record_at(const struct image *image, uint64_t address, size_t size,
                      struct record *record)
{
    *record = (struct record){.image = image, .address = address};
    return image_offset(image, address, size, &record->offset);
}

static uint32_t field(const struct record *record, size_t offset, size_t width)
{
    return (uint32_t)image_number(record->image, record->offset + offset, width);
}

static bool is_needed(const struct image *image, const char *name)
{
    for (size_t i = 0; i < image->dynamic_count; i++) {
        const Elf64_Dyn *entry = &image->dynamic[i];
        const char *needed =
            entry->d_tag == DT_NEEDED ? image_string(image, entry->d_un.d_val) : NULL;
        if (needed != NULL && strcmp(needed, name) == 0)
            return true;
    }
    return false;
}

/* The name at `name` of .dynstr has the hash that stands beside it. */
static enum patch_verdict check_name(const struct record *record, const char *table, uint32_t name,
                                     uint32_t hash, char *detail)
{
    const char *text = image_string(record->image, name);

    if (text == NULL)
        return verify_fault(detail, "%s at 0x%" PRIx64 ": a name behind .dynstr", table,
                            record->offset);
    if (hash_sysv(text) != hash)
        return verify_fault(detail, "%s at 0x%" PRIx64 ": 0x%x is not the hash of %s", table,
                            record->offset, hash, text);
    return PATCH_PASS;
}

static const char cut_short[] = "%s: %s says %" PRIu64 " records, but there are %" PRIu64;

/* --- DT_VERNEED --------------------------------------------------------------------------------
 */

static const char needs[] = ".gnu.version_r";

static enum patch_verdict check_need_versions(const struct record *head, char *detail)
{
    uint64_t address = head->address + field(head, FIELD(Verneed, vn_aux));
    uint64_t count = field(head, FIELD(Verneed, vn_cnt));

    for (uint64_t i = 0; i < count; i++) {
        struct record aux;
        if (!record_at(head->image, address, sizeof(Elf64_Vernaux), &aux))
            return verify_fault(detail, "%s: a record lies outside the file", needs);
        enum patch_verdict verdict = check_name(&aux, needs, field(&aux, FIELD(Vernaux, vna_name)),
                                                field(&aux, FIELD(Vernaux, vna_hash)), detail);
        if (verdict != PATCH_PASS)
            return verdict;
        uint32_t next = field(&aux, FIELD(Vernaux, vna_next));
        if ((next == 0) != (i + 1 == count))
            return verify_fault(detail, cut_short, needs, "vn_cnt", count, i + 1);
        address += next;
    }
    return PATCH_PASS;
}

/* The loader looks for each file among those that DT_NEEDED names, and relies on finding it. */
static enum patch_verdict check_need(const struct record *head, char *detail)
{
    const char *file = image_string(head->image, field(head, FIELD(Verneed, vn_file)));

    if (field(head, FIELD(Verneed, vn_version)) != VER_NEED_CURRENT)
        return verify_fault(detail, "%s at 0x%" PRIx64 ": unknown vn_version", needs, head->offset);
    if (file == NULL || !is_needed(head->image, file))
        return verify_fault(detail, "%s at 0x%" PRIx64 ": versions of %s, which is not needed",
                            needs, head->offset, file != NULL ? file : "a file behind .dynstr");
    return check_need_versions(head, detail);
}

/* Walks a list of `count` heads of `size` bytes each. */
static enum patch_verdict walk(const struct image *image, const char *table, uint64_t address,
                               uint64_t count, size_t size, size_t next_offset, size_t next_width,
                               enum patch_verdict check(const struct record *, char *),
                               char *detail)
{
    for (uint64_t i = 0; i < count; i++) {
        struct record head;
        if (!record_at(image, address, size, &head))
            return verify_fault(detail, "%s: a record lies outside the file", table);
        enum patch_verdict verdict = check(&head, detail);
        if (verdict != PATCH_PASS)
            return verdict;
        uint32_t next = field(&head, next_offset, next_width);
        if ((next == 0) != (i + 1 == count))
            return verify_fault(detail, cut_short, table, "the dynamic section", count, i + 1);
        address += next;
    }
    return PATCH_PASS;
}

enum patch_verdict check_version_needs(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    const Elf64_Dyn *first = image_dynamic(image, DT_VERNEED);
    const Elf64_Dyn *number = image_dynamic(image, DT_VERNEEDNUM);

    if (first == NULL)
        return verify_skip(detail, "no DT_VERNEED");
    if (number == NULL)
        return verify_fault(detail, "DT_VERNEED has no DT_VERNEEDNUM");
    return walk(image, needs, first->d_un.d_ptr, number->d_un.d_val, sizeof(Elf64_Verneed),
                FIELD(Verneed, vn_next), check_need, detail);
}

/* --- DT_VERDEF ---------------------------------------------------------------------------------
 */

static const char definitions[] = ".gnu.version_d";

static enum patch_verdict check_definition(const struct record *head, char *detail)
{
    struct record aux;

    if (field(head, FIELD(Verdef, vd_version)) != VER_DEF_CURRENT)
        return verify_fault(detail, "%s at 0x%" PRIx64 ": unknown vd_version", definitions,
                            head->offset);
    if ((field(head, FIELD(Verdef, vd_ndx)) & INDEX_MASK) == 0 ||
        field(head, FIELD(Verdef, vd_cnt)) == 0)
        return verify_fault(detail, "%s at 0x%" PRIx64 ": a version without index or name",
                            definitions, head->offset);
    if (!record_at(head->image, head->address + field(head, FIELD(Verdef, vd_aux)),
                   sizeof(Elf64_Verdaux), &aux))
        return verify_fault(detail, "%s: a record lies outside the file", definitions);
    return check_name(&aux, definitions, field(&aux, FIELD(Verdaux, vda_name)),
                      field(head, FIELD(Verdef, vd_hash)), detail);
}

enum patch_verdict check_version_definitions(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    const Elf64_Dyn *first = image_dynamic(image, DT_VERDEF);
    const Elf64_Dyn *number = image_dynamic(image, DT_VERDEFNUM);

    if (first == NULL)
        return verify_skip(detail, "no DT_VERDEF");
    if (number == NULL)
        return verify_fault(detail, "DT_VERDEF has no DT_VERDEFNUM");
    return walk(image, definitions, first->d_un.d_ptr, number->d_un.d_val, sizeof(Elf64_Verdef),
                FIELD(Verdef, vd_next), check_definition, detail);
}
