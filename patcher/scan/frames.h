/* SPDX-License-Identifier: MIT
 *
 * Functions by what unwinding needs to know of them (.eh_frame, by PT_GNU_EH_FRAME): it is there in
 * stripped libraries too, without names.
 */
#ifndef PATCHER_FRAMES_H
#define PATCHER_FRAMES_H

#include "elf/image.h"

/* The frame description that covers `address`: the function begins at *start and ends before *end.
 * False where none does, or the tables are not as every linker writes them. */
bool frames_cover(const struct image *image, uint64_t address, uint64_t *start, uint64_t *end);

#endif
