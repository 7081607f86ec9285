/* SPDX-License-Identifier: MIT
 *
 * The record as it stands in the file, for undo.c and undo_restore.c.
 */
#ifndef PATCHER_UNDO_PRIVATE_H
#define PATCHER_UNDO_PRIVATE_H

#include "undo.h"

/* Little-endian, without padding. The last byte of the magic is the version of the format.
 *
 * In version 2 original_hash is that of struct sum, and the chunks are parts of it; added_hash is
 * the plain XXH3-128 of what the patch put in: the bytes where the runs were, then the insertion,
 * or the table where nothing was inserted. In that the checksums count as zero.
 *
 * In version 1, which is not written any more, original_hash and added_hash are the plain XXH3-128
 * of the two files; in the patched one the last two members count as zero. */
struct undo_header {
    uint8_t magic[8];
    uint32_t size; /* of the record, header included */
    uint32_t runs;
    uint64_t original_size;
    uint64_t patched_size;
    uint64_t insertion_offset; /* in the original */
    uint64_t insertion_size;
    uint64_t table_offset; /* of the new .dynstr, in the patched file */
    uint64_t table_size;
    uint8_t original_hash[SUM_SIZE];
    uint32_t layout;
    uint32_t reserved;           /* 0 */
    uint16_t chunks[SUM_CHUNKS]; /* of the original: they tell where a later edit was made */
    uint8_t added_hash[SUM_SIZE];
};
_Static_assert(sizeof(struct undo_header) == UNDO_HEADER, "the record's header has no padding");

enum { UNDO_VERSION = 2, UNDO_VERSION_AT = 7 };

/* Whether a record with this header may stand where the table has `room` bytes left. */
bool undo_makes_sense(const struct undo_header *header, uint64_t room);

/* The original, by a whole record that makes sense and stands at `place`. */
PATCH_MUST_CHECK bool undo_build_recipe(const struct undo_header *header, const uint8_t *record,
                                        uint64_t place, struct recipe *recipe,
                                        struct patch_error *error);

/* Says that the record at `place` does not lead back. Returns false. */
bool undo_report_record(uint64_t place, struct patch_error *error);

#endif
