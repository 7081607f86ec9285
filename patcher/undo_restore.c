/* SPDX-License-Identifier: MIT
 *
 * The checksums of the undo record, and the way back that they prove.
 */
#include "error.h"
#include "undo_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { PART = 1 << 14 /* of what is summed */ };

/* Where a byte of the original stands in the patched file. */
static uint64_t moved(const struct undo_header *header, uint64_t offset)
{
    return offset + (offset >= header->insertion_offset ? header->insertion_size : 0);
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
    static const uint8_t zeros[sizeof(struct undo_header) - offsetof(struct undo_header, chunks)];

    cleared->pieces[0] = (struct recipe_piece){record + offsetof(struct undo_header, original_hash),
                                               version == 1 ? 0 : SUM_SIZE, zeros};
    cleared->pieces[1] =
        (struct recipe_piece){record + offsetof(struct undo_header, chunks), sizeof(zeros), zeros};
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
static bool sum_parts(const struct reader *reader, const struct undo_header *header,
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

static bool sum_added(const struct reader *patched, uint64_t record,
                      const struct undo_header *header, const struct recipe *original,
                      uint8_t hash[SUM_SIZE], struct patch_error *error)
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
    clear_sums(&cleared, patched, record, UNDO_VERSION);
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
    struct undo_header header;
    struct recipe recipe;

    if (!patched->read(patched, place, &header, sizeof(header), error))
        return false;
    if (!undo_makes_sense(&header, patched->size - place) || header.patched_size != patched->size)
        return undo_report_record(place, error);
    uint8_t *record = malloc(header.size);
    if (record == NULL)
        return error_memory(error);
    bool done = patched->read(patched, place, record, header.size, error) &&
                undo_build_recipe(&header, record, place, &recipe, error);
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

/* --- what differs ------------------------------------------------------------------------------
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

/* --- restoring ---------------------------------------------------------------------------------
 */

/* Everything about one way back. */
struct way {
    const struct image *image; /* the patched file */
    const struct undo *undo;
    struct undo_header header;
    struct recipe recipe;
    int fd;
};

/* What the patch put in, before the pass over the file, so that a hostile record is not followed.
 */
static bool check_added(const struct way *way, struct patch_error *error)
{
    const struct undo_header *header = &way->header;
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
    const struct undo_header *header = &way->header;

    for (unsigned i = 0; i < SUM_CHUNKS; i++) {
        uint64_t start = sum_chunk_start(sum, i);
        uint64_t end = sum_chunk_start(sum, i + 1);
        if (start != end && sum_chunk_short(sum, i) != header->chunks[i])
            return report_change(way->image, moved(header, start), moved(header, end - 1) + 1,
                                 error);
    }
    return undo_report_record(way->undo->offset, error);
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
    return same || undo_report_record(way->undo->offset, error);
}

bool undo_restore(const struct image *image, const struct undo *undo, int fd,
                  struct patch_error *error)
{
    struct way way = {.image = image, .undo = undo, .fd = fd};

    if (!undo_recipe(image, undo, &way.recipe, error))
        return false;
    /* What the recipe was made of, which is in memory now. */
    memcpy(&way.header, image->bytes + undo->offset, sizeof(way.header));
    bool done = way.header.magic[UNDO_VERSION_AT] == UNDO_VERSION ? restore(&way, error)
                                                                  : restore_version_1(&way, error);
    recipe_finish(&way.recipe);
    return done;
}
