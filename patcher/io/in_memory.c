/* SPDX-License-Identifier: MIT
 *
 * Recipes, read whole.
 */
#include "io/in_memory.h"

#include "error.h"
#include "rewrite.h"

#include <stdlib.h>
#include <string.h>

static bool read_whole(const struct recipe *recipe, const struct reader *input, uint8_t **bytes,
                       uint64_t *size, struct patch_error *error)
{
    struct recipe_reader reader;

    recipe_reader_init(&reader, recipe, input);
    *size = recipe->size;
    *bytes = malloc(recipe->size != 0 ? recipe->size : 1);
    if (*bytes == NULL)
        return error_memory(error);
    if (reader.reader.read(&reader.reader, 0, *bytes, *size, error))
        return true;
    free(*bytes);
    return false;
}

static bool seal(const struct image *image, const struct plan *plan, const struct recipe *recipe,
                 uint8_t *bytes, uint64_t size, struct patch_error *error)
{
    struct sum sum = {.size = image->size, .count = SUM_CHUNKS};
    struct reader reader = reader_of_memory(bytes, size);
    uint64_t place = plan->place.offset + plan->record;
    uint8_t header[UNDO_HEADER];

    if (!recipe_write(recipe, image->file, -1, &sum, NULL, error) ||
        !undo_seal(&reader, place, &sum, header, error))
        return false;
    memcpy(bytes + place, header, sizeof(header));
    return true;
}

bool in_memory_patch(const struct image *image, const struct patch_options *options,
                     const struct plan *plan, uint8_t **bytes, uint64_t *size,
                     struct patch_error *error)
{
    struct recipe recipe;

    if (!rewrite_recipe(image, plan, &recipe, error))
        return false;
    bool done = read_whole(&recipe, image->reader, bytes, size, error);
    if (done) {
        struct reader reader = reader_of_memory(*bytes, *size);
        done = rewrite_check(image, options, plan, &reader, error) &&
               seal(image, plan, &recipe, *bytes, *size, error);
        if (!done)
            free(*bytes);
    }
    recipe_finish(&recipe);
    return done;
}

bool in_memory_restore(const struct image *image, const struct undo *undo, uint8_t **bytes,
                       uint64_t *size, struct patch_error *error)
{
    struct recipe recipe;

    if (!undo_restore(image, undo, -1, error) || !undo_recipe(image, undo, &recipe, error))
        return false;
    bool done = read_whole(&recipe, image->reader, bytes, size, error);
    recipe_finish(&recipe);
    return done;
}

bool in_memory_seal(uint8_t *bytes, uint64_t size, uint64_t record)
{
    struct reader reader = reader_of_memory(bytes, size);
    uint8_t header[UNDO_HEADER];

    if (record > size || size - record < sizeof(header) ||
        !undo_seal(&reader, record, NULL, header, NULL))
        return false;
    memcpy(bytes + record, header, sizeof(header));
    return true;
}
