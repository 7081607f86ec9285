/* SPDX-License-Identifier: MIT
 *
 * What no header or table of edits accounts for must be the same, byte by byte; what is new holds
 * the new tables and zeros.
 */
#include "check/proof_private.h"
#include "elf/window.h"
#include "error.h"
#include "undo.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { STEP = WINDOW_SIZE, MOST_RANGES = 9 };

/* In `before`. */
struct range {
    uint64_t start;
    uint64_t end;
};

/* Headers that speak of more than the file has speak of nothing. */
static bool overlaps(const struct image *image, const struct range *range, uint64_t start,
                     uint64_t size)
{
    return size != 0 && start <= image->size && size <= image->size - start && start < range->end &&
           range->start < start + size;
}

/* --- where a byte is ---------------------------------------------------------------------------
 */

static size_t section_at(const struct image *image, uint64_t offset)
{
    for (size_t i = 1; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        if (s->sh_type != SHT_NOBITS && s->sh_type != SHT_NULL && offset >= s->sh_offset &&
            offset - s->sh_offset < s->sh_size)
            return i;
    }
    return 0;
}

/* The symbol at `place` of .symtab that stands for .dynstr itself has its address. */
static bool is_section_symbol(const struct proof *proof, uint64_t place)
{
    const struct image *before = proof->before;
    const Elf64_Shdr *strings = image_string_section(before);
    Elf64_Sym was;
    Elf64_Sym is;

    if (strings == NULL || !image_read(before, CODEC_SYMBOL, place, &was) ||
        !image_read(proof->after, CODEC_SYMBOL, proof_map(proof, place), &is) ||
        was.st_shndx != strings - before->sections || ELF64_ST_TYPE(was.st_info) != STT_SECTION ||
        is.st_value != proof->after->strings.address)
        return false;
    is.st_value = was.st_value;
    return was.st_name == is.st_name && was.st_info == is.st_info && was.st_other == is.st_other &&
           was.st_shndx == is.st_shndx && was.st_size == is.st_size;
}

/* Whether the byte at `offset` is of such a symbol, which ends at *end. */
static bool in_section_symbol(struct proof *proof, uint64_t offset, uint64_t *end)
{
    const struct image *before = proof->before;
    size_t each = before->codec->sizes[CODEC_SYMBOL];

    for (size_t i = 0; i < before->section_count; i++) {
        const Elf64_Shdr *s = &before->sections[i];
        if (s->sh_type != SHT_SYMTAB || offset < s->sh_offset ||
            offset - s->sh_offset >= s->sh_size)
            continue;
        uint64_t place = offset - (offset - s->sh_offset) % each;
        if (!is_section_symbol(proof, place))
            continue;
        *end = place + each;
        proof->counts[PROOF_SYMTAB]++;
        return true;
    }
    return false;
}

/* --- comparing ---------------------------------------------------------------------------------
 */

/* Two windows that move together. */
struct pair {
    struct window before;
    struct window after;
};

static uint64_t count_differing(const uint8_t *a, const uint8_t *b, uint64_t size)
{
    uint64_t count = 0;

    if (memcmp(a, b, size) == 0)
        return 0;
    for (uint64_t i = 0; i < size; i++)
        count += a[i] != b[i];
    return count;
}

/* Both sides of [start, end), which lies on one side of the insertion and is no longer than STEP.
 */
static bool load_pair(struct proof *proof, struct pair *pair, uint64_t start, uint64_t end,
                      const uint8_t **was, const uint8_t **is)
{
    struct patch_error error;

    *was = window_at(&pair->before, start, end - start, &error);
    if (*was == NULL)
        return proof_failed(proof, &error);
    *is = window_at(&pair->after, proof_map(proof, start), end - start, &error);
    return *is != NULL || proof_failed(proof, &error);
}

/* The end of the next piece of [start, end) for load_pair(). */
static uint64_t piece_end(const struct proof *proof, uint64_t start, uint64_t end)
{
    if (start < proof->insertion && end > proof->insertion)
        end = proof->insertion;
    return end - start > STEP ? start + STEP : end;
}

static bool differs(struct proof *proof, uint64_t offset, uint8_t was, uint8_t is)
{
    size_t section = section_at(proof->before, offset);
    uint64_t inside = section != 0 ? offset - proof->before->sections[section].sh_offset : 0;
    const char *name = section != 0 ? image_section_name(proof->before, section) : "";

    return proof_refute(proof,
                        "%s%s0x%" PRIx64 "%sthe byte at 0x%" PRIx64 " is 0x%02x, it was 0x%02x%s",
                        name, section != 0 ? "+" : "", section != 0 ? inside : offset, ": ",
                        proof_map(proof, offset), is, was, "; no edit is declared here");
}

/* No byte may differ, but for section symbols. */
static bool compare(struct proof *proof, struct pair *pair, uint64_t start, uint64_t end)
{
    while (start < end) {
        uint64_t next = piece_end(proof, start, end);
        const uint8_t *was;
        const uint8_t *is;
        uint64_t i = 0;
        if (!load_pair(proof, pair, start, next, &was, &is))
            return false;
        if (memcmp(was, is, next - start) == 0) {
            start = next;
            continue;
        }
        while (was[i] == is[i])
            i++;
        uint64_t behind;
        uint64_t place = start + i;
        uint8_t bytes[2] = {was[i], is[i]};
        if (!in_section_symbol(proof, place, &behind))
            return differs(proof, place, bytes[0], bytes[1]);
        behind = behind < end ? behind : end;
        if (!load_pair(proof, pair, place, behind, &was, &is))
            return false;
        proof->differing += count_differing(was, is, behind - place);
        start = behind;
    }
    return true;
}

/* Counts what differs in a table that was checked entry by entry. */
static bool tally(struct proof *proof, struct pair *pair, uint64_t start, uint64_t end)
{
    while (start < end) {
        uint64_t next = piece_end(proof, start, end);
        const uint8_t *was;
        const uint8_t *is;
        if (!load_pair(proof, pair, start, next, &was, &is))
            return false;
        proof->differing += count_differing(was, is, next - start);
        start = next;
    }
    return true;
}

/* --- what may differ ---------------------------------------------------------------------------
 */

static int compare_ranges(const void *a, const void *b)
{
    const struct range *x = a;
    const struct range *y = b;

    return (x->start > y->start) - (x->start < y->start);
}

static struct range range_of(uint64_t start, uint64_t size)
{
    return (struct range){start, start + size};
}

/* In a cave, the new table itself stands among the bytes of `before`. */
static struct range cave_of(const struct proof *proof)
{
    const struct image_table *strings = &proof->after->strings;

    if (proof->shape != PROOF_CAVE)
        return (struct range){0, 0};
    return range_of(strings->offset, strings->size);
}

static size_t list_ranges(const struct proof *proof, struct range *ranges)
{
    const struct image *before = proof->before;
    const size_t *sizes = before->codec->sizes;
    size_t count = 0;

    ranges[count++] = range_of(0, sizes[CODEC_HEADER]);
    if (proof->shape != PROOF_SEGMENT) /* there the old table stays, and nobody reads it */
        ranges[count++] =
            range_of(before->header.e_phoff, before->segment_count * sizes[CODEC_SEGMENT]);
    ranges[count++] =
        range_of(before->header.e_shoff, before->section_count * sizes[CODEC_SECTION]);
    ranges[count++] =
        range_of(before->dynamic_offset, before->dynamic_capacity * sizes[CODEC_DYNAMIC]);
    ranges[count++] = range_of(before->symbols.offset, before->symbols.size);
    ranges[count++] = range_of(before->versions.offset, before->versions.size);
    ranges[count++] = range_of(before->hash.offset, before->hash.size);
    ranges[count++] = range_of(before->gnu_hash.offset, before->gnu_hash.size);
    ranges[count++] = cave_of(proof);
    qsort(ranges, count, sizeof(*ranges), compare_ranges);
    return count;
}

bool proof_bytes(struct proof *proof)
{
    struct range ranges[MOST_RANGES];
    struct range cave = cave_of(proof);
    size_t count = list_ranges(proof, ranges);
    struct pair pair = {{.image = proof->before}, {.image = proof->after}};
    uint64_t at = 0;
    bool done = true;

    for (size_t i = 0; done && i < count; i++) {
        if (ranges[i].end <= at)
            continue;
        if (ranges[i].start > at)
            done = compare(proof, &pair, at, ranges[i].start);
        uint64_t start = ranges[i].start > at ? ranges[i].start : at;
        bool is_cave = ranges[i].start == cave.start && ranges[i].end == cave.end;
        if (done && !is_cave)
            done = tally(proof, &pair, start, ranges[i].end);
        at = ranges[i].end;
    }
    done = done && compare(proof, &pair, at, proof->before->size);
    window_close(&pair.before);
    window_close(&pair.after);
    return done;
}

/* --- what is new -------------------------------------------------------------------------------
 */

static bool check_zeros(struct proof *proof, const struct image *image, uint64_t start,
                        uint64_t end, const char *what)
{
    struct patch_error error;

    if (start >= end)
        return true;
    uint64_t count = image_zeros(image, start, end);
    if (!image_sound(image, &error))
        return proof_failed(proof, &error);
    return count == end - start ||
           proof_refute(proof, "%s: the byte at 0x%" PRIx64 " is not zero", what, start + count);
}

/* A cave was padding: zeros that no header speaks of. */
static bool check_cave(struct proof *proof)
{
    const struct image *before = proof->before;
    struct range cave = cave_of(proof);
    const size_t *sizes = before->codec->sizes;
    bool described = overlaps(before, &cave, 0, sizes[CODEC_HEADER]) ||
                     overlaps(before, &cave, before->header.e_phoff,
                              before->segment_count * sizes[CODEC_SEGMENT]) ||
                     overlaps(before, &cave, before->header.e_shoff,
                              before->section_count * sizes[CODEC_SECTION]);

    for (size_t i = 0; i < before->segment_count; i++)
        described |=
            overlaps(before, &cave, before->segments[i].p_offset, before->segments[i].p_filesz);
    for (size_t i = 0; i < before->section_count; i++)
        described |=
            before->sections[i].sh_type != SHT_NOBITS && before->sections[i].sh_type != SHT_NULL &&
            overlaps(before, &cave, before->sections[i].sh_offset, before->sections[i].sh_size);
    if (described)
        return proof_refute(proof,
                            "the new .dynstr at 0x%" PRIx64 " overwrites what the original "
                            "has there",
                            cave.start);
    proof->fresh += cave.end - cave.start;
    return check_zeros(proof, before, cave.start, cave.end, "the original, under the new .dynstr");
}

/* What was inserted holds .dynstr, one program header table at most, and zeros. */
static bool check_insertion(struct proof *proof)
{
    const struct image *after = proof->after;
    struct range parts[3] = {
        range_of(after->strings.offset, after->strings.size),
        range_of(proof->insertion + proof->growth, 0),
        range_of(proof->insertion + proof->growth, 0),
    };
    uint64_t at = proof->insertion;

    if (proof->shape == PROOF_SEGMENT)
        parts[1] = range_of(after->header.e_phoff,
                            after->segment_count * after->codec->sizes[CODEC_SEGMENT]);
    qsort(parts, 3, sizeof(parts[0]), compare_ranges);
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].start < at || parts[i].end > proof->insertion + proof->growth)
            return proof_refute(proof, "the new tables do not stand in what was inserted");
        if (!check_zeros(proof, after, at, parts[i].start, "what was inserted"))
            return false;
        at = parts[i].end;
    }
    proof->fresh += proof->growth;
    return true;
}

/* The new .dynstr begins with the whole old one. */
static bool check_old_strings(struct proof *proof)
{
    const struct image_table *was = &proof->before->strings;
    const struct image_table *is = &proof->after->strings;
    struct window old = {.image = proof->before};
    struct window new = {.image = proof->after};
    struct patch_error error;
    bool done = is->size > was->size || proof_refute(proof, ".dynstr has not grown");

    for (uint64_t at = 0; done && at < was->size; at += STEP) {
        uint64_t size = was->size - at < STEP ? was->size - at : STEP;
        const uint8_t *a = window_at(&old, was->offset + at, size, &error);
        const uint8_t *b = a != NULL ? window_at(&new, is->offset + at, size, &error) : NULL;
        if (b == NULL)
            done = proof_failed(proof, &error);
        else if (memcmp(a, b, size) != 0)
            done = proof_refute(proof, "the new .dynstr does not begin with the old one");
    }
    window_close(&old);
    window_close(&new);
    return done;
}

static int compare_references(const void *a, const void *b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;

    return (*x > *y) - (*x < *y);
}

/* Behind them stands one string after another that an edit refers to, then the undo record. */
static bool check_new_strings(struct proof *proof)
{
    const struct image_table *strings = &proof->after->strings;
    uint64_t at = proof->before->strings.size;
    struct undo undo;

    if (proof->reference_count != 0)
        qsort(proof->references, proof->reference_count, sizeof(*proof->references),
              compare_references);
    for (size_t i = 0; i < proof->reference_count; i++) {
        if (i > 0 && proof->references[i] == proof->references[i - 1])
            continue;
        if (proof->references[i] != at)
            return proof_refute(proof, ".dynstr+0x%" PRIx64 ": a string that nothing refers to",
                                at);
        at += strlen(image_string(proof->after, at)) + 1;
    }
    if (undo_find(proof->after, &undo) && undo.offset >= strings->offset) {
        if (undo.offset - strings->offset != at)
            return proof_refute(proof, ".dynstr+0x%" PRIx64 ": a string that nothing refers to",
                                at);
        at += undo.size;
    }
    return check_zeros(proof, proof->after, strings->offset + at, strings->offset + strings->size,
                       "the end of .dynstr");
}

bool proof_new_area(struct proof *proof)
{
    if (proof->shape == PROOF_SAME)
        return true;
    return (proof->shape == PROOF_CAVE ? check_cave(proof) : check_insertion(proof)) &&
           check_old_strings(proof) && check_new_strings(proof);
}
