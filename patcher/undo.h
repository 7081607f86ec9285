/* SPDX-License-Identifier: MIT
 *
 * The record that leads a patched file back to its original. It stands inside the new .dynstr,
 * behind its strings, where DT_STRSZ and the section header cover it, so that no tool drops it.
 * Mode, owner, times and attributes are not in it: the patched file itself carries those of the
 * original, and equal inputs give equal outputs.
 */
#ifndef PATCHER_UNDO_H
#define PATCHER_UNDO_H

#include "elf/image.h"
#include "io/recipe.h"
#include "layout.h"

/* Old bytes that were overwritten: `size` of them at `offset` of the original. */
struct undo_run {
    uint64_t offset;
    uint32_t size;
};

/* A record that was found. */
struct undo {
    uint64_t offset; /* of the record, in the patched file */
    uint64_t size;
    enum patch_layout layout;
    uint64_t original_size;
};

/* Bytes of a record before its runs. */
enum { UNDO_HEADER = 136 };

/* Bytes that the record takes; `runs` in ascending order, none overlapping. */
size_t undo_size(const struct undo_run *runs, size_t count);

/* Writes the record of undo_size() bytes, except what undo_seal() fills in. `image` is the
 * original, `table_size` that of the whole new table. */
PATCH_MUST_CHECK bool undo_encode(const struct image *image, const struct layout_place *place,
                                  uint64_t table_size, const struct undo_run *runs, size_t count,
                                  uint8_t *record, struct patch_error *error);

/* The record's header with the checksums of the finished file, in which it stands at `record`.
 * `original` has gone over the original; NULL: what the header says of that stays. */
PATCH_MUST_CHECK bool undo_seal(const struct reader *patched, uint64_t record,
                                const struct sum *original, uint8_t header[UNDO_HEADER],
                                struct patch_error *error);

/* Finds the youngest record in .dynstr; false when there is none that makes sense. */
bool undo_find(const struct image *image, struct undo *undo);

/* The original, as a recipe over the patched file; borrows from `image`, the caller finishes
 * *recipe. PATCH_CHANGED_SINCE when the file has not the size that the patched one had, so that
 * nothing of the recipe lies outside; else believes the record: undo_restore() checks. */
PATCH_MUST_CHECK bool undo_recipe(const struct image *image, const struct undo *undo,
                                  struct recipe *recipe, struct patch_error *error);

/* Writes the original to the empty file `fd`; -1: only checks that it could. PATCH_CHANGED_SINCE,
 * with what differs, when the file is not the one that was written. */
PATCH_MUST_CHECK bool undo_restore(const struct image *image, const struct undo *undo, int fd,
                                   struct patch_error *error);

#endif
