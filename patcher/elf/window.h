/* SPDX-License-Identifier: MIT
 *
 * One stretch of an image at a time: for tables that are walked once, however long they are.
 */
#ifndef PATCHER_WINDOW_H
#define PATCHER_WINDOW_H

#include "elf/image.h"

/* {.image = IMAGE} is an empty one. */
struct window {
    const struct image *image;
    uint64_t start;
    uint64_t end;
    const uint8_t *bytes; /* of `start` */
    uint8_t *memory;      /* NULL: none was needed yet */
};

/* Most bytes that one call may ask for. */
enum { WINDOW_SIZE = 256 << 10 };

/* `size` readable bytes at `offset`, good until the next call; NULL after an error. */
const uint8_t *window_at(struct window *window, uint64_t offset, uint64_t size,
                         struct patch_error *error);
void window_close(struct window *window);

#endif
