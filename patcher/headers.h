/* SPDX-License-Identifier: MIT
 *
 * The program header table of a file that gets a segment more.
 */
#ifndef PATCHER_HEADERS_H
#define PATCHER_HEADERS_H

#include "layout.h"

/* Bytes of the new table. */
size_t headers_size(const struct image *image);

/* Writes the old entries, the new PT_LOAD at place->segment, and in PT_PHDR the new place. The
 * segment holds the string table of `table_size` bytes and this table. */
void headers_encode(const struct image *image, const struct layout_place *place,
                    uint64_t table_size, uint8_t *to);

#endif
