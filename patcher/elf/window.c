/* SPDX-License-Identifier: MIT
 *
 * One buffer for all stretches: memory that was used before costs a tenth of fresh memory.
 */
#include "elf/window.h"

#include "error.h"

#include <inttypes.h>
#include <stdlib.h>

/* So many are read at least, as mostly the next ones are asked for next. */
enum { AHEAD = 32 << 10 };

/* Moves the window to where `size` bytes begin. */
static bool move(struct window *window, uint64_t offset, uint64_t size, struct patch_error *error)
{
    const struct image *image = window->image;
    uint64_t left = image->size - offset;

    window->start = window->end = offset;
    window->bytes = image_in_memory(image, offset, size);
    if (window->bytes == NULL) {
        size = size > AHEAD ? size : left < AHEAD ? left : AHEAD;
        if (window->memory == NULL)
            window->memory = malloc(WINDOW_SIZE);
        if (window->memory == NULL)
            return error_memory(error);
        if (!image_read_bytes(image, offset, size, window->memory, error))
            return false;
        window->bytes = window->memory;
    }
    window->end = offset + size;
    return true;
}

const uint8_t *window_at(struct window *window, uint64_t offset, uint64_t size,
                         struct patch_error *error)
{
    const struct image *image = window->image;

    if (offset > image->size || size > image->size - offset || size > WINDOW_SIZE) {
        error_set_at(error, PATCH_TRUNCATED, "", offset,
                     "%" PRIu64 " bytes do not lie inside a file of %" PRIu64 " bytes", size,
                     image->size);
        return NULL;
    }
    if ((offset < window->start || offset + size > window->end) &&
        !move(window, offset, size, error))
        return NULL;
    return window->bytes + (offset - window->start);
}

void window_close(struct window *window)
{
    free(window->memory);
    *window = (struct window){.image = window->image};
}
