/* SPDX-License-Identifier: MIT
 *
 * What registers hold where an instruction stands, as far as the code before it says: constants
 * that are moved, copied and added to, along the ways that lead there.
 */
#ifndef PATCHER_VALUES_H
#define PATCHER_VALUES_H

#include "disasm.h"
#include "functions.h"
#include "image.h"

struct values {
    uint64_t known; /* a bit for each of them */
    uint64_t of[ARCH_VALUES];
};

/* Whether an instruction begins at place->address, judged by decoding its function from the start
 * (without one known, from a little before), and what the values are in front of it. */
bool values_at(const struct image *image, struct disasm *disasm, const struct function_place *place,
               struct values *values);

/* False where `which` is ARCH_NOWHERE or its value not known. */
bool values_get(const struct values *values, int which, uint64_t *value);

#endif
