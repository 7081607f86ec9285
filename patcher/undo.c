/* SPDX-License-Identifier: MIT
 *
 * Writing and following the undo record: a header, then one run after another, each as the distance
 * from the end of the one before it, the length (both in 7-bit groups) and the old bytes.
 */
#include "undo.h"

#include "elf/window.h"
#include "error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Little-endian, without padding. The last byte of the magic is the version of the format.
 *
 * In version 2 original_hash is that of struct sum, and the chunks are parts of it; added_hash is
 * the plain XXH3-128 of what the patch put in: the bytes where the runs were, then the insertion,
 * or the table where nothing was inserted. In that the checksums count as zero.
 *
 * In version 1, which is not written any more, original_hash and added_hash are the plain XXH3-128
 * of the two files; in the patched one the last two members count as zero. */
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
    uint8_t original_hash[SUM_SIZE];
    uint32_t layout;
    uint32_t reserved;           /* 0 */
    uint16_t chunks[SUM_CHUNKS]; /* of the original: they tell where a later edit was made */
    uint8_t added_hash[SUM_SIZE];
};
_Static_assert(sizeof(struct header) == UNDO_HEADER, "the record's header has no padding");

enum { VERSION = 2, VERSION_AT = 7, MOST_RECORD = 1 << 24 };

enum {
    SHORTEST_RUN = 2, /* distance, length, and no byte */
    STEP = 1 << 15,   /* of the search for a record */
    PART = 1 << 14,   /* of what is summed */
};

static const uint8_t magic[8] = {0x7f, 'u', 'n', 'g', 'r', 'e', 'e', VERSION};

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

bool undo_encode(const struct image *image, const struct layout_place *place, uint64_t table_size,
                 const struct undo_run *runs, size_t count, uint8_t *record,
                 struct patch_error *error)
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

static bool makes_sense(const struct header *header, uint64_t room)
{
    return (header->magic[VERSION_AT] == 1 || header->magic[VERSION_AT] == VERSION) &&
           header->size >= sizeof(*header) && header->size <= room && header->size <= MOST_RECORD &&
           header->insertion_offset <= header->original_size &&
           header->original_size <= UINT64_MAX - header->insertion_size &&
           header->original_size + header->insertion_size == header->patched_size &&
           header->table_offset <= header->patched_size &&
           header->table_size <= header->patched_size - header->table_offset &&
           header->size <= header->table_size && header->runs <= header->size / SHORTEST_RUN &&
           header->layout >= PATCH_LAYOUT_CAVE && header->layout <= PATCH_LAYOUT_NEW_SEGMENT;
}

static bool read_header(const struct image *image, uint64_t offset, struct header *header,
                        struct patch_error *error)
{
    return image->reader->read(image->reader, offset, header, sizeof(*header), error);
}

/* Looks at `size` bytes of .dynstr at `start` of the file. */
static bool find_between(const struct image *image, const uint8_t *bytes, uint64_t size,
                         uint64_t start, struct undo *undo)
{
    uint64_t room = image->strings.offset + image->strings.size;
    const uint8_t *at = bytes;
    bool found = false;

    for (; (at = memmem(at, (size_t)(bytes + size - at), magic, VERSION_AT)) != NULL; at++) {
        struct header header;
        uint64_t offset = start + (uint64_t)(at - bytes);
        /* image_sound() knows then what failed. */
        if (room - offset < sizeof(header) ||
            !image_read_bytes(image, offset, sizeof(header), (uint8_t *)&header, NULL) ||
            !makes_sense(&header, room - offset))
            continue;
        found = true;
        *undo = (struct undo){
            .offset = offset,
            .size = header.size,
            .layout = (enum patch_layout)header.layout,
            .original_size = header.original_size,
            .patched_size = header.patched_size,
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
        uint64_t overlap = room - at - size < VERSION_AT ? room - at - size : VERSION_AT;
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

/* Where a byte of the original stands in the patched file. */
static uint64_t moved(const struct header *header, uint64_t offset)
{
    return offset + (offset >= header->insertion_offset ? header->insertion_size : 0);
}

static bool report_change(const struct image *image, uint64_t start, uint64_t end,
                          struct patch_error *error)
{
    char sections[128];

    name_sections(image, start, end, sections, sizeof(sections));
    return error_set_at(error, PATCH_CHANGED_SINCE, "", start,
                        "changed since it was patched: not the bytes that were written between "
                        "0x%" PRIx64 " and 0x%" PRIx64 "%s",
                        start, end, sections);
}

static bool report_record(uint64_t place, struct patch_error *error)
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
static bool add_runs(const struct header *header, const uint8_t *from, const uint8_t *end,
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
static void add_ranges(const struct header *header, struct recipe *recipe)
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

static bool build_recipe(const struct header *header, const uint8_t *record, uint64_t place,
                         struct recipe *recipe, struct patch_error *error)
{
    if (!recipe_init(recipe, header->runs, error))
        return false;
    recipe->size = header->original_size;
    add_ranges(header, recipe);
    if (add_runs(header, record + sizeof(*header), record + header->size, recipe))
        return true;
    recipe_finish(recipe);
    return report_record(place, error);
}

bool undo_recipe(const struct image *image, const struct undo *undo, struct recipe *recipe,
                 struct patch_error *error)
{
    struct header header;

    if (!image_load(image, undo->offset, undo->size, error))
        return false;
    memcpy(&header, image->bytes + undo->offset, sizeof(header));
    return build_recipe(&header, image->bytes + undo->offset, undo->offset, recipe, error);
}

/* --- checksums ---------------------------------------------------------------------------------
 */

/* The patched file, with zeros where its checksums stand. */
struct cleared {
    struct recipe recipe;
    struct recipe_piece pieces[2];
    struct recipe_reader reader;
};

static void clear_sums(struct cleared *cleared, const struct reader *patched, uint64_t record,
                       unsigned version)
{
    static const uint8_t zeros[sizeof(struct header) - offsetof(struct header, chunks)];

    cleared->pieces[0] = (struct recipe_piece){record + offsetof(struct header, original_hash),
                                               version == 1 ? 0 : SUM_SIZE, zeros};
    cleared->pieces[1] =
        (struct recipe_piece){record + offsetof(struct header, chunks), sizeof(zeros), zeros};
    cleared->recipe = (struct recipe){
        .size = patched->size,
        .base = {{0, 0, patched->size}},
        .base_count = 1,
        .pieces = cleared->pieces,
        .piece_count = 2,
    };
    recipe_reader_init(&cleared->reader, &cleared->recipe, patched);
}

static bool sum_part(const struct reader *reader, uint64_t offset, uint64_t size,
                     XXH3_state_t *state, uint8_t *memory, struct patch_error *error)
{
    while (size > 0) {
        uint64_t part = size < PART ? size : PART;
        if (!reader->read(reader, offset, memory, part, error))
            return false;
        XXH3_128bits_update(state, memory, part);
        offset += part;
        size -= part;
    }
    return true;
}

/* What the patch put in, in the order that the format says. */
static bool sum_parts(const struct reader *reader, const struct header *header,
                      const struct recipe *original, XXH3_state_t *state, uint8_t *memory,
                      struct patch_error *error)
{
    for (size_t i = 0; i < original->piece_count; i++)
        if (!sum_part(reader, moved(header, original->pieces[i].at), original->pieces[i].size,
                      state, memory, error))
            return false;
    if (header->insertion_size != 0)
        return sum_part(reader, header->insertion_offset, header->insertion_size, state, memory,
                        error);
    return sum_part(reader, header->table_offset, header->table_size, state, memory, error);
}

static bool sum_added(const struct reader *patched, uint64_t record, const struct header *header,
                      const struct recipe *original, uint8_t hash[SUM_SIZE],
                      struct patch_error *error)
{
    struct cleared cleared;
    XXH128_canonical_t canonical;
    XXH3_state_t *state = XXH3_createState();
    uint8_t *memory = malloc(PART);
    bool done = false;

    if (state == NULL || memory == NULL) {
        error_memory(error);
        goto out;
    }
    clear_sums(&cleared, patched, record, VERSION);
    XXH3_128bits_reset(state);
    done = sum_parts(&cleared.reader.reader, header, original, state, memory, error);
    if (done)
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    if (done)
        memcpy(hash, canonical.digest, SUM_SIZE);
out:
    XXH3_freeState(state);
    free(memory);
    return done;
}

bool undo_seal(const struct reader *patched, uint64_t place, const struct sum *original,
               uint8_t bytes[UNDO_HEADER], struct patch_error *error)
{
    struct header header;
    struct recipe recipe;

    if (!patched->read(patched, place, &header, sizeof(header), error))
        return false;
    if (!makes_sense(&header, patched->size - place))
        return report_record(place, error);
    uint8_t *record = malloc(header.size);
    if (record == NULL)
        return error_memory(error);
    bool done = patched->read(patched, place, record, header.size, error) &&
                build_recipe(&header, record, place, &recipe, error);
    if (done) {
        if (original != NULL) {
            sum_result(original, header.original_hash);
            for (unsigned i = 0; i < SUM_CHUNKS; i++)
                header.chunks[i] = sum_chunk_short(original, i);
        }
        done = sum_added(patched, place, &header, &recipe, header.added_hash, error);
        recipe_finish(&recipe);
    }
    memcpy(bytes, &header, sizeof(header));
    free(record);
    return done;
}

/* --- restoring ---------------------------------------------------------------------------------
 */

/* Everything about one way back. */
struct way {
    const struct image *image; /* the patched file */
    const struct undo *undo;
    struct header header;
    struct recipe recipe;
    int fd;
};

/* What the patch put in, before the pass over the file, so that a hostile record is not followed.
 */
static bool check_added(const struct way *way, struct patch_error *error)
{
    const struct header *header = &way->header;
    uint8_t hash[SUM_SIZE];
    bool inserted = header->insertion_size != 0;
    uint64_t start = inserted ? header->insertion_offset : header->table_offset;
    uint64_t size = inserted ? header->insertion_size : header->table_size;

    if (!sum_added(way->image->reader, way->undo->offset, header, &way->recipe, hash, error))
        return false;
    return memcmp(hash, header->added_hash, SUM_SIZE) == 0 ||
           report_change(way->image, start, start + size, error);
}

/* Names the first chunk of the original that is another one now. */
static bool report_chunk(const struct way *way, const struct sum *sum, struct patch_error *error)
{
    const struct header *header = &way->header;

    for (unsigned i = 0; i < SUM_CHUNKS; i++) {
        uint64_t start = sum_chunk_start(sum, i);
        uint64_t end = sum_chunk_start(sum, i + 1);
        if (start != end && sum_chunk_short(sum, i) != header->chunks[i])
            return report_change(way->image, moved(header, start), moved(header, end - 1) + 1,
                                 error);
    }
    return report_record(way->undo->offset, error);
}

static bool restore(const struct way *way, struct patch_error *error)
{
    struct sum sum = {.size = way->header.original_size, .count = SUM_CHUNKS};
    uint8_t hash[SUM_SIZE];

    if (!check_added(way, error) ||
        !recipe_write(&way->recipe, way->image->file, way->fd, NULL, &sum, error))
        return false;
    sum_result(&sum, hash);
    return memcmp(hash, way->header.original_hash, SUM_SIZE) == 0 || report_chunk(way, &sum, error);
}

/* Whether the plain sum of what `recipe` gives is `expected`. */
static bool sum_is(const struct recipe *recipe, const struct reader *input, int fd,
                   const uint8_t expected[SUM_SIZE], bool *same, struct patch_error *error)
{
    struct sum sum = {.size = recipe->size, .count = 1};
    uint8_t hash[SUM_SIZE];

    if (!recipe_write(recipe, input, fd, NULL, &sum, error))
        return false;
    sum_result(&sum, hash);
    *same = memcmp(hash, expected, SUM_SIZE) == 0;
    return true;
}

static bool restore_version_1(const struct way *way, struct patch_error *error)
{
    const struct reader *input = way->image->file;
    struct cleared cleared;
    bool same;

    clear_sums(&cleared, input, way->undo->offset, 1);
    if (!sum_is(&cleared.recipe, input, -1, way->header.added_hash, &same, error))
        return false;
    if (!same)
        return error_set(error, PATCH_CHANGED_SINCE,
                         "changed since it was patched: its checksum is another one");
    if (!sum_is(&way->recipe, input, way->fd, way->header.original_hash, &same, error))
        return false;
    return same || report_record(way->undo->offset, error);
}

bool undo_restore(const struct image *image, const struct undo *undo, int fd,
                  struct patch_error *error)
{
    struct way way = {.image = image, .undo = undo, .fd = fd};

    if (image->size != undo->patched_size)
        return error_set(error, PATCH_CHANGED_SINCE,
                         "changed since it was patched: it has %" PRIu64
                         " bytes, then it had %" PRIu64,
                         image->size, undo->patched_size);
    if (!read_header(image, undo->offset, &way.header, error) ||
        !undo_recipe(image, undo, &way.recipe, error))
        return false;
    bool done = way.header.magic[VERSION_AT] == VERSION ? restore(&way, error)
                                                        : restore_version_1(&way, error);
    recipe_finish(&way.recipe);
    return done;
}
