/* SPDX-License-Identifier: MIT
 *
 * What registers hold where an instruction stands, as far as the code before it says: constants
 * that are moved, copied and added to, along the ways that lead there.
 */
#ifndef PATCHER_VALUES_H
#define PATCHER_VALUES_H

#include "elf/image.h"
#include "scan/disasm.h"
#include "scan/functions.h"

struct values {
    uint64_t known;  /* a bit for each of them */
    uint64_t loaded; /* the same: what is known is the address of the word that it was read from */
    uint64_t of[ARCH_VALUES];
};

/* Whether an instruction begins at place->address, judged by decoding its function from the start
 * (without one known, from a little before), and what the values are in front of it. */
bool values_at(const struct image *image, struct disasm *disasm, const struct function_place *place,
               struct values *values);

/* Called for a call by a register. */
typedef bool values_visitor(void *context, uint64_t address, const struct values *values);

/* Visits each call in the function at `place` of what the word at `slot` holds, which was loaded
 * into a register before. False when a visit was. */
bool values_calls(const struct image *image, struct disasm *disasm,
                  const struct function_place *place, uint64_t slot, values_visitor *visit,
                  void *context);

/* False where `which` is ARCH_NOWHERE or its value not known. */
bool values_get(const struct values *values, int which, uint64_t *value);

#endif
