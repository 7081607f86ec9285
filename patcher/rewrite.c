/* SPDX-License-Identifier: MIT
 *
 * From a plan to the new file, and the checks in between.
 */
#include "rewrite.h"

#include "error.h"
#include "imports.h"
#include "undo.h"

#include <string.h>
#include <unistd.h>

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
    if (recipe_settle(recipe))
        return true;
    recipe_finish(recipe);
    return error_set(error, PATCH_MALFORMED, "two tables of the file share bytes");
}

/* --- checking ----------------------------------------------------------------------------------
 */

/* All other bytes are those of the original by the way in which the two recipes are made. */
static bool edits_lead_back(const struct image *image, const struct plan *plan,
                            const struct reader *back)
{
    for (size_t i = 0; i < plan->edit_count; i++) {
        uint8_t was[sizeof(plan->edits->bytes)];
        uint8_t is[sizeof(plan->edits->bytes)];
        const struct plan_edit *edit = &plan->edits[i];
        if (!image->reader->read(image->reader, edit->offset, was, edit->size, NULL) ||
            !back->read(back, edit->offset, is, edit->size, NULL) ||
            memcmp(was, is, edit->size) != 0)
            return false;
    }
    return true;
}

static bool leads_back(const struct image *patched, const struct image *image,
                       const struct plan *plan)
{
    struct recipe_reader back;
    struct recipe recipe;
    struct undo undo;

    if (!undo_find(patched, &undo) || undo.offset != plan->place.offset + plan->record ||
        undo.original_size != image->size || !undo_recipe(patched, &undo, &recipe, NULL))
        return false;
    recipe_reader_init(&back, &recipe, patched->reader);
    bool same = edits_lead_back(image, plan, &back.reader);
    recipe_finish(&recipe);
    return same;
}

bool rewrite_check(const struct image *image, const struct patch_options *options,
                   const struct plan *plan, const struct reader *reader, struct patch_error *error)
{
    struct image *patched = NULL;
    struct imports imports = {0};
    struct patch_error reason = {0};
    bool done = image_open_reader(reader, &patched, &reason) &&
                imports_collect(patched, options, &imports, &reason);

    if (!done)
        error_set(error, PATCH_MALFORMED, "its tables lie across each other: %s", reason.reason);
    else if (imports.pending != 0 || (imports.redirected != 0 && !imports.runtime_needed) ||
             !leads_back(patched, image, plan))
        done = error_set(error, PATCH_MALFORMED, "its tables lie across each other");
    done = done && image_sound(patched, error);
    imports_finish(&imports);
    image_destroy(patched);
    return done;
}

/* --- sealing -----------------------------------------------------------------------------------
 */

bool rewrite_seal(const struct image *image, const struct plan *plan, const struct recipe *recipe,
                  struct sum *original, int fd, struct patch_error *error)
{
    uint64_t place = plan->place.offset + plan->record;
    struct recipe_reader patched;
    uint8_t header[UNDO_HEADER];

    recipe_reader_init(&patched, recipe, image->reader);
    if (!undo_seal(&patched.reader, place, original, header, error))
        return false;
    return pwrite(fd, header, sizeof(header), (off_t)place) == (ssize_t)sizeof(header) ||
           error_system(error, "write");
}
