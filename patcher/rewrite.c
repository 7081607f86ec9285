/* SPDX-License-Identifier: MIT
 *
 * Building the new file in memory.
 */
#include "rewrite.h"

#include "error.h"
#include "imports.h"
#include "undo.h"

#include <stdlib.h>
#include <string.h>

bool rewrite_apply(const struct image *image, const struct plan *plan, uint8_t **bytes,
                   uint64_t *size, struct patch_error *error)
{
    const struct layout_place *place = &plan->place;
    uint64_t hole = place->insertion_size != 0 ? place->insertion_offset : image->size;
    uint64_t total = image->size + place->insertion_size;
    uint8_t *out = malloc(total);

    if (out == NULL)
        return error_memory(error);
    if (!image_load(image, 0, image->size, error)) {
        free(out);
        return false;
    }
    memcpy(out, image->bytes, hole);
    memset(out + hole, 0, place->insertion_size);
    memcpy(out + hole + place->insertion_size, image->bytes + hole, image->size - hole);
    for (size_t i = 0; i < plan->edit_count; i++) {
        const struct plan_edit *edit = &plan->edits[i];
        uint64_t at = edit->offset + (edit->offset >= hole ? place->insertion_size : 0);
        memcpy(out + at, edit->bytes, edit->size);
    }
    memcpy(out + place->offset, plan->table, plan->area_size);
    undo_seal(out, total, place->offset + plan->record);
    *bytes = out;
    *size = total;
    return true;
}

static bool leads_back(const struct image *patched, const struct image *image)
{
    struct undo undo;
    uint8_t *bytes;
    uint64_t size;

    if (!undo_find(patched, &undo) || !undo_restore(patched, &undo, &bytes, &size, NULL))
        return false;
    bool same = size == image->size && memcmp(bytes, image->bytes, size) == 0;
    free(bytes);
    return same;
}

bool rewrite_check(const struct image *image, const struct patch_options *options,
                   const uint8_t *bytes, uint64_t size, struct patch_error *error)
{
    struct image *patched = NULL;
    struct imports imports = {0};
    struct patch_error reason = {0};
    bool done = image_parse(bytes, size, &patched, &reason) &&
                imports_collect(patched, options, &imports, &reason);

    if (!done)
        error_set(error, PATCH_MALFORMED, "its tables lie across each other: %s", reason.reason);
    else if (imports.pending != 0 || (imports.redirected != 0 && !imports.runtime_needed) ||
             !leads_back(patched, image))
        done = error_set(error, PATCH_MALFORMED, "its tables lie across each other");
    imports_finish(&imports);
    image_destroy(patched);
    return done;
}
