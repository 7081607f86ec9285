/* SPDX-License-Identifier: MIT
 *
 * Opening the original. That there is none is no failure, only less to compare with.
 */
#include "check/origin.h"

#include "error.h"
#include "undo.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static void
settle(struct origin *origin, enum patch_verdict verdict, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(origin->undo.detail, sizeof(origin->undo.detail), format, arguments);
    va_end(arguments);
    origin->undo.verdict = verdict;
}

static bool open_view(const struct image *image, const struct undo *undo, struct origin *origin,
                      struct patch_error *error)
{
    if (!undo_restore(image, undo, -1, error) || !undo_recipe(image, undo, &origin->recipe, error))
        return false;
    recipe_reader_init(&origin->reader, &origin->recipe, image->reader);
    return image_open_reader(&origin->reader.reader, &origin->image, error);
}

/* Follows the record in any case: whether it leads back is a check of its own. */
static void follow_record(const struct image *image, struct origin *origin)
{
    struct patch_error error = {0};
    struct undo undo;

    if (!undo_find(image, &undo)) {
        settle(origin, PATCH_SKIPPED, "no undo record");
        return;
    }
    if (!open_view(image, &undo, origin, &error)) {
        char text[VERIFY_DETAIL];
        patch_error_format(&error, text, sizeof(text));
        /* Stripping a patched file is nothing wrong; it only cannot be reverted. But a record that
         * is as it was written, and leads nowhere (then the error is about its table), is. */
        bool edited = error.code == PATCH_CHANGED_SINCE && error.table[0] == '\0';
        settle(origin, edited ? PATCH_SKIPPED : PATCH_FAULT, "%s", text);
        return;
    }
    settle(origin, PATCH_PASS, "leads back to the original of %" PRIu64 " bytes",
           undo.original_size);
}

static void drop_image(struct origin *origin)
{
    image_destroy(origin->image);
    origin->image = NULL;
}

static void open_path(const char *path, struct origin *origin)
{
    struct patch_error error = {0};
    char text[200];

    snprintf(origin->source, sizeof(origin->source), "%s", path);
    origin->opened = file_open(&origin->file, path, &error);
    if (origin->opened && image_open(&origin->file, &origin->image, &error))
        return;
    patch_error_format(&error, text, sizeof(text));
    snprintf(origin->reason, sizeof(origin->reason), "%s: %s [%s]", origin->source, text,
             patch_code_name(error.code));
    origin->unusable = true;
}

void origin_find(const struct image *image, const char *path, struct origin *origin)
{
    memset(origin, 0, sizeof(*origin));
    follow_record(image, origin);
    if (path != NULL) {
        drop_image(origin);
        open_path(path, origin);
        return;
    }
    snprintf(origin->source, sizeof(origin->source), "its undo record");
    if (origin->image == NULL)
        snprintf(origin->reason, sizeof(origin->reason), "%s", origin->undo.detail);
}

void origin_finish(struct origin *origin)
{
    drop_image(origin);
    if (origin->opened)
        file_finish(&origin->file);
    recipe_finish(&origin->recipe);
}
