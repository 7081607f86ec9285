/* SPDX-License-Identifier: MIT
 *
 * Writing and following the undo record: a header, then one run after another, each as the distance
 * from the end of the one before it, the length (both in 7-bit groups) and the old bytes.
 */
#include "elf/window.h"
#include "error.h"
#include "undo_private.h"

#include <inttypes.h>
#include <string.h>

enum {
    MOST_RECORD = 1 << 24,
    SHORTEST_RUN = 2, /* distance, length, and no byte */
    STEP = 1 << 15,   /* of the search for a record */
};

static const uint8_t magic[8] = {0x7f, 'u', 'n', 'g', 'r', 'e', 'e', UNDO_VERSION};

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
    size_t size = sizeof(struct undo_header);
    uint64_t at = 0;

    for (size_t i = 0; i < count; i++) {
        size += number_size(runs[i].offset - at) + number_size(runs[i].size) + runs[i].size;
        at = runs[i].offset + runs[i].size;
    }
    return size;
}

bool undo_encode(const struct image *image, const struct layout_place *place, uint64_t table_size,
                 const struct undo_run *runs, size_t count, uint8_t *record,
                 struct patch_error *error)
{
    struct undo_header header = {
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
    memcpy(record, &header, sizeof(header));
    for (size_t i = 0; i < count; i++) {
        to = put_number(to, runs[i].offset - at);
        to = put_number(to, runs[i].size);
        if (!image->reader->read(image->reader, runs[i].offset, to, runs[i].size, error))
            return false;
        to += runs[i].size;
        at = runs[i].offset + runs[i].size;
    }
    return true;
}

/* --- finding -----------------------------------------------------------------------------------
 */

bool undo_makes_sense(const struct undo_header *header, uint64_t room)
{
    return (header->magic[UNDO_VERSION_AT] == 1 ||
            header->magic[UNDO_VERSION_AT] == UNDO_VERSION) &&
           header->size >= sizeof(*header) && header->size <= room && header->size <= MOST_RECORD &&
           header->insertion_offset <= header->original_size &&
           header->original_size <= UINT64_MAX - header->insertion_size &&
           header->original_size + header->insertion_size == header->patched_size &&
           header->table_offset <= header->patched_size &&
           header->table_size <= header->patched_size - header->table_offset &&
           header->size <= header->table_size && header->runs <= header->size / SHORTEST_RUN &&
           header->layout >= PATCH_LAYOUT_CAVE && header->layout <= PATCH_LAYOUT_NEW_SEGMENT;
}

/* Looks at `size` bytes of .dynstr at `start` of the file. */
static bool find_between(const struct image *image, const uint8_t *bytes, uint64_t size,
                         uint64_t start, struct undo *undo)
{
    uint64_t room = image->strings.offset + image->strings.size;
    const uint8_t *at = bytes;
    bool found = false;

    for (; (at = memmem(at, (size_t)(bytes + size - at), magic, UNDO_VERSION_AT)) != NULL; at++) {
        struct undo_header header;
        uint64_t offset = start + (uint64_t)(at - bytes);
        /* image_sound() knows then what failed. */
        if (room - offset < sizeof(header) ||
            !image_read_bytes(image, offset, sizeof(header), (uint8_t *)&header, NULL) ||
            !undo_makes_sense(&header, room - offset))
            continue;
        found = true;
        *undo = (struct undo){
            .offset = offset,
            .size = header.size,
            .layout = (enum patch_layout)header.layout,
            .original_size = header.original_size,
        };
    }
    return found;
}

bool undo_find(const struct image *image, struct undo *undo)
{
    struct window window = {.image = image};
    uint64_t room = image->strings.offset + image->strings.size;
    bool found = false;

    for (uint64_t at = image->strings.offset; at < room; at += STEP) {
        uint64_t size = room - at < STEP ? room - at : STEP;
        /* A magic may begin in one window and end in the next. */
        uint64_t overlap = room - at - size < UNDO_VERSION_AT ? room - at - size : UNDO_VERSION_AT;
        const uint8_t *bytes = window_at(&window, at, size + overlap, NULL);
        if (bytes == NULL) {
            found = false;
            break;
        }
        found |= find_between(image, bytes, size + overlap, at, undo);
    }
    window_close(&window);
    return found;
}

/* --- following ---------------------------------------------------------------------------------
 */

bool undo_report_record(uint64_t place, struct patch_error *error)
{
    return error_set_at(error, PATCH_CHANGED_SINCE, ".dynstr", place,
                        "the undo record does not lead back to the original");
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

/* The old bytes, as pieces of the original. */
static bool add_runs(const struct undo_header *header, const uint8_t *from, const uint8_t *end,
                     struct recipe *recipe)
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
        recipe_add_piece(recipe, at, from, size);
        at += size;
        from += size;
    }
    return recipe_settle(recipe);
}

/* All but what was inserted, or but what stands in the cave. */
static void add_ranges(const struct undo_header *header, struct recipe *recipe)
{
    uint64_t cut = header->insertion_offset;
    uint64_t gap = header->insertion_size;
    uint64_t end = header->patched_size;
    uint64_t next = cut + gap;

    if (gap == 0) {
        cut = header->table_offset;
        next = cut + header->table_size;
    }
    recipe_add_range(recipe, 0, 0, cut);
    recipe_add_range(recipe, next, next - gap, end - next);
}

bool undo_build_recipe(const struct undo_header *header, const uint8_t *record, uint64_t place,
                       struct recipe *recipe, struct patch_error *error)
{
    if (!recipe_init(recipe, header->runs, error))
        return false;
    recipe->size = header->original_size;
    add_ranges(header, recipe);
    if (add_runs(header, record + sizeof(*header), record + header->size, recipe))
        return true;
    recipe_finish(recipe);
    return undo_report_record(place, error);
}

bool undo_recipe(const struct image *image, const struct undo *undo, struct recipe *recipe,
                 struct patch_error *error)
{
    struct undo_header header;

    if (!image_load(image, undo->offset, undo->size, error))
        return false;
    memcpy(&header, image->bytes + undo->offset, sizeof(header));
    /* Somebody may have written to the file since the record was found. */
    if (!undo_makes_sense(&header, undo->size))
        return undo_report_record(undo->offset, error);
    if (image->size != header.patched_size)
        return error_set(error, PATCH_CHANGED_SINCE,
                         "changed since it was patched: it has %" PRIu64
                         " bytes, then it had %" PRIu64,
                         image->size, header.patched_size);
    return undo_build_recipe(&header, image->bytes + undo->offset, undo->offset, recipe, error);
}
