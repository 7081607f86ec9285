/* SPDX-License-Identifier: MIT
 *
 * What to change in one file, decided but not done: a list of edits, the place and the content of
 * the new string table. Reads the image only; nothing here touches a file.
 */
#ifndef PATCHER_PLAN_H
#define PATCHER_PLAN_H

#include "elf/image.h"
#include "imports.h"
#include "layout.h"

/* `size` new bytes at `offset` of the original. */
struct plan_edit {
    uint64_t offset;
    uint32_t size;
    uint8_t bytes[24];
};

struct plan {
    struct plan_edit *edits; /* ascending, none overlapping */
    size_t edit_count;
    size_t edit_capacity;
    struct layout_place place;
    size_t table_size; /* of the new .dynstr: the old one, and the first bytes of `tail` */
    size_t record;     /* where the undo record stands in it */
    uint8_t *tail;     /* what stands behind the old strings: all that layout_area() counts */
    size_t tail_size;
    size_t spare_used;       /* DT_NULL entries that are taken */
    size_t dispensable_used; /* rows of the other slots that were looked at */
    const char *needed_slot; /* as in struct patch_report */
};

/* PATCH_NOTHING when no wanted import is left to redirect. The caller finishes *plan unless
 * PATCH_FAILED. */
PATCH_MUST_CHECK enum patch_outcome plan_make(const struct image *image,
                                              const struct imports *imports,
                                              const struct patch_options *options,
                                              struct plan *plan, struct patch_error *error);
void plan_finish(struct plan *plan);

/* Whether the file is one that must never be redirected: libc, the loader, the runtime. */
PATCH_MUST_CHECK bool plan_check_protected(const struct image *image, const struct imports *imports,
                                           const struct patch_options *options,
                                           struct patch_error *error);

/* The same by name alone, for a library that is not read. */
bool plan_name_protected(const char *soname);

#endif
