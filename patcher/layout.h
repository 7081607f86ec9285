/* SPDX-License-Identifier: MIT
 *
 * Where the grown string table goes. A new program header comes last: strip and its kin destroy
 * files whose program header table moved or grew.
 *
 *     cave         | headers .dynsym .dynstr .text | new .dynstr | padding | next segment
 *     extension    ... last segment | .bss as zeros | new .dynstr | other sections, moved back
 *     new segment  ... all that was there | new .dynstr | new program header table
 */
#ifndef PATCHER_LAYOUT_H
#define PATCHER_LAYOUT_H

#include "elf/image.h"

struct layout_place {
    enum patch_layout layout;
    size_t segment;    /* the PT_LOAD that grows, or the place of the new one in its table */
    uint64_t offset;   /* of the new table, in the new file */
    uint64_t address;  /* of the new table */
    uint64_t capacity; /* most bytes that fit */
    /* The new file has `insertion_size` more bytes than the old one before `insertion_offset` (a
     * place in the old file). 0 for a cave. */
    uint64_t insertion_offset;
    uint64_t insertion_size;
    /* Only of a new segment: the program header table, which ends it. In the new file. */
    uint64_t headers_offset;
    uint64_t headers_address;
};

/* Places to try, in order; at most image->segment_count + 2 of them. The caller frees *places. When
 * the last resort cannot serve, `error` says why, for the case that no other serves either. */
PATCH_MUST_CHECK bool layout_candidates(const struct image *image,
                                        const struct patch_options *options,
                                        struct layout_place **places, size_t *count,
                                        struct patch_error *error);

/* Bytes from place->offset on that are new: the string table, of `size` bytes, and with a new
 * segment the program header table. */
uint64_t layout_area(const struct image *image, const struct layout_place *place, uint64_t size);

/* What a new segment is aligned to: the largest page that the others are made for. */
uint64_t layout_largest_page(const struct image *image);

/* Settles the place for a table of `size` bytes; false when it does not fit. */
PATCH_MUST_CHECK bool layout_fit(const struct image *image, struct layout_place *place,
                                 uint64_t size);

/* Which headers speak of bytes behind the insertion and must follow them. */
bool layout_moves_section(const struct image *image, const struct layout_place *place,
                          size_t section);
bool layout_moves_segment(const struct image *image, const struct layout_place *place,
                          size_t segment);

#endif
