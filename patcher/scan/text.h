/* SPDX-License-Identifier: MIT
 *
 * The executable code of an image, stretch by stretch, in windows: only one of them is in memory at
 * a time, however large the code is.
 */
#ifndef PATCHER_TEXT_H
#define PATCHER_TEXT_H

#include "elf/image.h"

/* One stretch. */
struct text {
    struct arch_text bytes;
    uint64_t offset; /* of its first byte in the file */
    bool stubs;      /* a section made of PLT stubs */
    bool is_section; /* its name is known */
};

/* May read what lies in [from, to) of the stretch, and ARCH_MARGIN bytes around that. False stops
 * the walk, with an error. */
typedef bool text_visitor(void *context, const struct text *text, size_t from, size_t to);

/* Goes by sections, which tell stubs from other code; a file without them is walked by segments. */
PATCH_MUST_CHECK bool text_walk(const struct image *image, text_visitor *visit, void *context,
                                struct patch_error *error);

/* The stretch that holds the instruction at `address`; false when none does. Loads nothing. */
PATCH_MUST_CHECK bool text_find(const struct image *image, uint64_t address, struct text *text);

#endif
