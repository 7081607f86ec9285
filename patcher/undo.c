/* SPDX-License-Identifier: MIT
 *
 * Writing and following the undo record: a header, then one run after another, each as the distance
 * from the end of the one before it, the length (both in 7-bit groups) and the old bytes.
 */
#include "undo.h"

#include "error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { CHUNKS = 16, HASH_SIZE = 16 };

/* Little-endian, without padding. The two checksums of the patched file count as zero in what they
 * cover. The last byte of the magic is the version of the format. */
struct header {
    uint8_t magic[8];
    uint32_t size; /* of the record, header included */
    uint32_t runs;
    uint64_t original_size;
    uint64_t patched_size;
    uint64_t insertion_offset; /* in the original */
    uint64_t insertion_size;
    uint64_t table_offset; /* of the new .dynstr, in the patched file */
    uint64_t table_size;
    uint8_t original_hash[HASH_SIZE];
    uint32_t layout;
    uint32_t reserved;       /* 0 */
    uint16_t chunks[CHUNKS]; /* of equal parts of the file: they tell where a later edit was made */
    uint8_t patched_hash[HASH_SIZE];
};
_Static_assert(sizeof(struct header) == 136, "the record's header has no padding");

static const uint8_t magic[8] = {0x7f, 'u', 'n', 'g', 'r', 'e', 'e', 1};

static void hash_of(const uint8_t *bytes, uint64_t size, uint8_t hash[HASH_SIZE])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size));
    memcpy(hash, canonical.digest, HASH_SIZE);
}

/* --- writing -----------------------------------------------------------------------------------
 */

static size_t number_size(uint64_t value)
{
    size_t size = 1;

    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

static uint8_t *put_number(uint8_t *to, uint64_t value)
{
    while (value >= 0x80) {
        *to++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *to++ = (uint8_t)value;
    return to;
}

size_t undo_size(const struct undo_run *runs, size_t count)
{
    size_t size = sizeof(struct header);
    uint64_t at = 0;

    for (size_t i = 0; i < count; i++) {
        size += number_size(runs[i].offset - at) + number_size(runs[i].size) + runs[i].size;
        at = runs[i].offset + runs[i].size;
    }
    return size;
}

void undo_encode(const struct image *image, const struct layout_place *place, uint64_t table_size,
                 const struct undo_run *runs, size_t count, uint8_t *record)
{
    struct header header = {
        .size = (uint32_t)undo_size(runs, count),
        .runs = (uint32_t)count,
        .original_size = image->size,
        .patched_size = image->size + place->insertion_size,
        .insertion_offset = place->insertion_offset,
        .insertion_size = place->insertion_size,
        .table_offset = place->offset,
        .table_size = table_size,
        .layout = (uint32_t)place->layout,
    };
    uint8_t *to = record + sizeof(header);
    uint64_t at = 0;

    memcpy(header.magic, magic, sizeof(magic));
    hash_of(image->bytes, image->size, header.original_hash);
    memcpy(record, &header, sizeof(header));
    for (size_t i = 0; i < count; i++) {
        to = put_number(to, runs[i].offset - at);
        to = put_number(to, runs[i].size);
        memcpy(to, image->bytes + runs[i].offset, runs[i].size);
        to += runs[i].size;
        at = runs[i].offset + runs[i].size;
    }
}

static uint64_t chunk_start(uint64_t size, unsigned chunk)
{
    return size / CHUNKS * chunk + size % CHUNKS * chunk / CHUNKS;
}

static uint16_t chunk_hash(const uint8_t *bytes, uint64_t size, unsigned chunk)
{
    uint64_t start = chunk_start(size, chunk);

    return (uint16_t)XXH3_64bits(bytes + start, chunk_start(size, chunk + 1) - start);
}

/* Clears the checksums in place, so that all of `bytes` can be summed. */
static void clear_sums(uint8_t *record)
{
    memset(record + offsetof(struct header, chunks), 0,
           sizeof(struct header) - offsetof(struct header, chunks));
}

void undo_seal(uint8_t *bytes, uint64_t size, uint64_t record)
{
    struct header header;

    clear_sums(bytes + record);
    memcpy(&header, bytes + record, sizeof(header));
    for (unsigned i = 0; i < CHUNKS; i++)
        header.chunks[i] = chunk_hash(bytes, size, i);
    hash_of(bytes, size, header.patched_hash);
    memcpy(bytes + record, &header, sizeof(header));
}

/* --- finding -----------------------------------------------------------------------------------
 */

static bool makes_sense(const struct header *header, uint64_t room)
{
    return header->size >= sizeof(*header) && header->size <= room &&
           header->insertion_offset <= header->original_size &&
           header->original_size <= UINT64_MAX - header->insertion_size &&
           header->original_size + header->insertion_size == header->patched_size &&
           header->table_offset <= header->patched_size &&
           header->table_size <= header->patched_size - header->table_offset &&
           header->size <= header->table_size &&
           header->layout >= PATCH_LAYOUT_CAVE && header->layout <= PATCH_LAYOUT_NEW_SEGMENT;
}

bool undo_find(const struct image *image, struct undo *undo)
{
    const uint8_t *start = image->bytes + image->strings.offset;
    const uint8_t *end = start + image->strings.size;
    bool found = false;

    if (!image_load(image, image->strings.offset, image->strings.size, NULL))
        return false;

    for (const uint8_t *at = start; (size_t)(end - at) >= sizeof(struct header); at++) {
        struct header header;
        at = memmem(at, (size_t)(end - at), magic, sizeof(magic));
        if (at == NULL || (size_t)(end - at) < sizeof(header))
            break;
        memcpy(&header, at, sizeof(header));
        if (!makes_sense(&header, (uint64_t)(end - at)))
            continue;
        found = true;
        *undo = (struct undo){
            .offset = (uint64_t)(at - image->bytes),
            .size = header.size,
            .layout = (enum patch_layout)header.layout,
            .original_size = header.original_size,
            .patched_size = header.patched_size,
        };
    }
    return found;
}

/* --- following ---------------------------------------------------------------------------------
 */

/* Names the sections that the bytes from `start` to `end` belong to, as many as fit. */
static void name_sections(const struct image *image, uint64_t start, uint64_t end, char *text,
                          size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        const char *name = image_section_name(image, i);
        if (s->sh_type == SHT_NULL || s->sh_type == SHT_NOBITS || s->sh_offset >= end ||
            s->sh_offset + s->sh_size <= start || name[0] == '\0')
            continue;
        if (used + strlen(name) + sizeof(", in ...") > size) {
            snprintf(text + used, size - used, " ...");
            return;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s", used == 0 ? ", in " : " ", name);
    }
}

static bool report_change(const struct image *image, const struct header *header,
                          const uint8_t *cleared, struct patch_error *error)
{
    for (unsigned i = 0; i < CHUNKS; i++) {
        char sections[128];
        uint64_t start = chunk_start(image->size, i);
        uint64_t end = chunk_start(image->size, i + 1);
        if (chunk_hash(cleared, image->size, i) == header->chunks[i])
            continue;
        name_sections(image, start, end, sections, sizeof(sections));
        return error_set_at(error, PATCH_CHANGED_SINCE, "", start,
                            "changed since it was patched: not the bytes that were written "
                            "between 0x%" PRIx64 " and 0x%" PRIx64 "%s",
                            start, end, sections);
    }
    return error_set(error, PATCH_CHANGED_SINCE,
                     "changed since it was patched: its checksum is another one");
}

static bool check_unchanged(const struct image *image, const struct header *header, uint64_t record,
                            struct patch_error *error)
{
    uint8_t hash[HASH_SIZE];

    if (image->size != header->patched_size)
        return error_set(error, PATCH_CHANGED_SINCE,
                         "changed since it was patched: it has %" PRIu64 " bytes, then it had "
                         "%" PRIu64,
                         image->size, header->patched_size);
    uint8_t *cleared = malloc(image->size);
    if (cleared == NULL)
        return error_memory(error);
    memcpy(cleared, image->bytes, image->size);
    clear_sums(cleared + record);
    /* The chunks were summed without themselves, the whole likewise. */
    hash_of(cleared, image->size, hash);
    bool same = memcmp(hash, header->patched_hash, HASH_SIZE) == 0;
    if (!same)
        report_change(image, header, cleared, error);
    free(cleared);
    return same;
}

static bool get_number(const uint8_t **from, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 63 && *from < end; shift += 7) {
        uint8_t byte = *(*from)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

static bool apply_runs(const struct header *header, const uint8_t *from, const uint8_t *end,
                       uint8_t *bytes)
{
    uint64_t at = 0;

    for (uint32_t i = 0; i < header->runs; i++) {
        uint64_t distance;
        uint64_t size;
        if (!get_number(&from, end, &distance) || !get_number(&from, end, &size) ||
            distance > header->original_size - at || size > header->original_size - at - distance ||
            size > (uint64_t)(end - from))
            return false;
        at += distance;
        memcpy(bytes + at, from, size);
        at += size;
        from += size;
    }
    return true;
}

/* The patched file without the insertion, or without what stands in the cave. */
static uint8_t *take_out_table(const struct image *image, const struct header *header)
{
    uint64_t before = header->insertion_offset;
    uint8_t *bytes = malloc(header->original_size != 0 ? header->original_size : 1);

    if (bytes == NULL)
        return NULL;
    memcpy(bytes, image->bytes, before);
    memcpy(bytes + before, image->bytes + before + header->insertion_size,
           header->original_size - before);
    if (header->layout == PATCH_LAYOUT_CAVE && header->insertion_size == 0)
        memset(bytes + header->table_offset, 0, header->table_size);
    return bytes;
}

bool undo_restore(const struct image *image, const struct undo *undo, uint8_t **bytes,
                  uint64_t *size, struct patch_error *error)
{
    struct header header;
    uint8_t hash[HASH_SIZE];
    const uint8_t *record = image->bytes + undo->offset;

    if (!image_load(image, 0, image->size, error))
        return false;
    memcpy(&header, record, sizeof(header));
    if (!check_unchanged(image, &header, undo->offset, error))
        return false;
    uint8_t *original = take_out_table(image, &header);
    if (original == NULL)
        return error_memory(error);
    bool done = apply_runs(&header, record + sizeof(header), record + header.size, original);
    if (done) {
        hash_of(original, header.original_size, hash);
        done = memcmp(hash, header.original_hash, HASH_SIZE) == 0;
    }
    if (!done) {
        free(original);
        return error_set_at(error, PATCH_CHANGED_SINCE, ".dynstr", undo->offset,
                            "the undo record does not lead back to the original");
    }
    *bytes = original;
    *size = header.original_size;
    return true;
}
