/* SPDX-License-Identifier: MIT
 *
 * The list of edits in a plan, and those of them that follow from the place of the new table.
 */
#ifndef PATCHER_EDITS_H
#define PATCHER_EDITS_H

#include "plan.h"
#include "undo.h"

/* At most sizeof(plan_edit.bytes) bytes. */
PATCH_MUST_CHECK bool edits_add(struct plan *plan, uint64_t offset, const void *bytes, size_t size,
                                struct patch_error *error);

/* A number of `width` bytes in the order of the file. */
PATCH_MUST_CHECK bool edits_add_number(const struct image *image, struct plan *plan,
                                       uint64_t offset, size_t width, uint64_t value,
                                       struct patch_error *error);

/* One member of the record that stands at `record`. */
PATCH_MUST_CHECK bool edits_add_member(const struct image *image, struct plan *plan,
                                       uint64_t record, enum codec_member member, uint64_t value,
                                       struct patch_error *error);

/* DT_STRTAB and DT_STRSZ, the segment that grows, .dynstr's section header and section symbol, and
 * every offset that moves; by plan->place and plan->table_size. */
PATCH_MUST_CHECK bool edits_add_place(const struct image *image, struct plan *plan,
                                      struct patch_error *error);

/* Brings the edits into ascending order. */
void edits_sort(struct plan *plan);

/* Lists what is overwritten in ascending order, plan->edit_count runs; the caller frees *runs.
 * PATCH_MALFORMED when two of them overlap: two tables of the file share bytes. */
PATCH_MUST_CHECK bool edits_runs(const struct image *image, const struct plan *plan,
                                 struct undo_run **runs, struct patch_error *error);

#endif
