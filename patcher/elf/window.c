/* SPDX-License-Identifier: MIT
 *
 * Loading and releasing stretches of an image.
 */
#include "elf/window.h"

#include "error.h"

#include <inttypes.h>

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
    if (offset < window->start || offset + size > window->end) {
        uint64_t left = image->size - offset;
        uint64_t length = left < WINDOW_SIZE ? left : WINDOW_SIZE;
        window_close(window);
        if (!image_load(image, offset, length, error))
            return NULL;
        window->start = offset;
        window->end = offset + length;
    }
    return image->bytes + offset;
}

void window_close(struct window *window)
{
    if (window->end != window->start)
        image_release(window->image, window->start, window->end - window->start);
    window->start = window->end = 0;
}
