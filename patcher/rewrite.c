/* SPDX-License-Identifier: MIT
 *
 * From a plan to the new file, and the checks in between.
 */
#include "rewrite.h"

#include "error.h"
#include "imports.h"
#include "undo.h"

#include <string.h>

static bool share_bytes(const struct image_table *a, const struct image_table *b)
{
    return a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

/* Notes and the initial content of thread-local storage are data, which nobody changes. */
static bool is_data(const Elf64_Phdr *s)
{
    return s->p_type == PT_NOTE || s->p_type == PT_TLS;
}

/* Of those that are changed each must stand alone: what is written into one would be read by
 * another. Relocations may share theirs with each other, as DT_RELA often holds those of DT_JMPREL.
 */
static bool tables_stand_apart(const struct image *image)
{
    enum { CHANGED = 8 };
    const size_t *sizes = image->codec->sizes;
    const struct image_table tables[] = {
        {.offset = 0, .size = sizes[CODEC_HEADER]},
        {.offset = image->header.e_phoff, .size = image->segment_count * sizes[CODEC_SEGMENT]},
        {.offset = image->header.e_shoff, .size = image->section_count * sizes[CODEC_SECTION]},
        {.offset = image->dynamic_offset, .size = image->dynamic_count * sizes[CODEC_DYNAMIC]},
        image->symbols,
        image->versions,
        image->hash,
        image->gnu_hash,
        image->relocations[IMAGE_RELA],
        image->relocations[IMAGE_PLT],
        image->relocations[IMAGE_REL],
    };

    for (size_t i = 0; i < CHANGED; i++) {
        for (size_t k = i + 1; k < sizeof(tables) / sizeof(tables[0]); k++)
            if (share_bytes(&tables[i], &tables[k]))
                return false;
        for (size_t k = 0; k < image->segment_count; k++) {
            const Elf64_Phdr *s = &image->segments[k];
            const struct image_table data = {.offset = s->p_offset, .size = s->p_filesz};
            if (is_data(s) && share_bytes(&tables[i], &data))
                return false;
        }
    }
    return true;
}

bool rewrite_recipe(const struct image *image, const struct plan *plan, struct recipe *recipe,
                    struct patch_error *error)
{
    const struct layout_place *place = &plan->place;
    uint64_t hole = place->insertion_size != 0 ? place->insertion_offset : image->size;

    if (!recipe_init(recipe, plan->edit_count + 1, error))
        return false;
    recipe->size = image->size + place->insertion_size;
    recipe_add_range(recipe, 0, 0, hole);
    recipe_add_range(recipe, hole, hole + place->insertion_size, image->size - hole);
    recipe->copy = (struct recipe_range){image->strings.offset, place->offset, image->strings.size};
    for (size_t i = 0; i < plan->edit_count; i++) {
        const struct plan_edit *edit = &plan->edits[i];
        uint64_t at = edit->offset + (edit->offset >= hole ? place->insertion_size : 0);
        recipe_add_piece(recipe, at, edit->bytes, edit->size);
    }
    recipe_add_piece(recipe, place->offset + image->strings.size, plan->tail, plan->tail_size);
    if (tables_stand_apart(image) && recipe_settle(recipe))
        return true;
    recipe_finish(recipe);
    return error_set(error, PATCH_MALFORMED, "two tables of the file share bytes");
}

/* --- checking ----------------------------------------------------------------------------------
 */

/* All other bytes are those of the original by the way in which the two recipes are made. */
static bool edits_lead_back(const struct image *image, const struct plan *plan,
                            const struct reader *back, struct patch_error *error)
{
    for (size_t i = 0; i < plan->edit_count; i++) {
        uint8_t was[sizeof(plan->edits->bytes)];
        uint8_t is[sizeof(plan->edits->bytes)];
        const struct plan_edit *edit = &plan->edits[i];
        if (!image->reader->read(image->reader, edit->offset, was, edit->size, error) ||
            !back->read(back, edit->offset, is, edit->size, error) ||
            memcmp(was, is, edit->size) != 0)
            return false;
    }
    return true;
}

static bool leads_back(const struct image *patched, const struct image *image,
                       const struct plan *plan, struct patch_error *error)
{
    struct recipe_reader back;
    struct recipe recipe;
    struct undo undo;

    if (!undo_find(patched, &undo) || undo.offset != plan->place.offset + plan->record ||
        undo.original_size != image->size || !undo_recipe(patched, &undo, &recipe, error))
        return false;
    recipe_reader_init(&back, &recipe, patched->reader);
    bool same = edits_lead_back(image, plan, &back.reader, error);
    recipe_finish(&recipe);
    return same;
}

static bool is_of_system(const struct patch_error *error)
{
    return error->code == PATCH_SYSTEM || error->code == PATCH_MEMORY;
}

bool rewrite_check(const struct image *image, const struct patch_options *options,
                   const struct plan *plan, const struct reader *reader, struct patch_error *error)
{
    struct image *patched = NULL;
    struct imports imports = {0};
    struct patch_error reason = {0};
    bool done = image_open_reader(reader, &patched, &reason) &&
                imports_collect_symbols(patched, options, &imports, &reason) &&
                imports.pending == 0 && (imports.redirected == 0 || imports.runtime_needed) &&
                leads_back(patched, image, plan, &reason);

    /* What could not be read is the reason for whatever else seems wrong. */
    if (patched != NULL && !is_of_system(&reason))
        done = image_sound(patched, &reason) && done;
    if (!done && is_of_system(&reason) && error != NULL)
        *error = reason;
    else if (!done)
        error_set(error, PATCH_MALFORMED, "its tables lie across each other%s%s",
                  reason.reason[0] != '\0' ? ": " : "", reason.reason);
    imports_finish(&imports);
    image_destroy(patched);
    return done;
}

/* --- sealing -----------------------------------------------------------------------------------
 */

bool rewrite_seal(const struct image *image, const struct plan *plan, const struct recipe *recipe,
                  const struct sum *original, int fd, struct patch_error *error)
{
    uint64_t place = plan->place.offset + plan->record;
    struct recipe_reader patched;
    uint8_t header[UNDO_HEADER];

    recipe_reader_init(&patched, recipe, image->reader);
    if (!undo_seal(&patched.reader, place, original, header, error))
        return false;
    return recipe_write_bytes(fd, header, sizeof(header), place, error);
}
