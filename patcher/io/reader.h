/* SPDX-License-Identifier: MIT
 *
 * Bytes that are read at a place: of a file, of memory, or of a file that does not exist yet.
 */
#ifndef PATCHER_READER_H
#define PATCHER_READER_H

#include "patcher.h"

struct reader {
    uint64_t size; /* in bytes */
    int fd;        /* of the file, borrowed; -1: there is none */
    bool sparse;   /* it may have holes */
    /* Reads `size` bytes, which lie inside. PATCH_TRUNCATED when the file has become shorter. */
    bool (*read)(const struct reader *reader, uint64_t offset, void *to, uint64_t size,
                 struct patch_error *error);
    /* Length of the hole, or of the data, that begins at `offset`; at most `limit`, at least 1. */
    uint64_t (*stretch)(const struct reader *reader, uint64_t offset, uint64_t limit, bool *hole);
    const uint8_t *bytes; /* of memory */
};

/* Both borrow. `allocated`: bytes that the file takes on its disk. */
struct reader reader_of_file(int fd, uint64_t size, uint64_t allocated);
struct reader reader_of_memory(const uint8_t *bytes, uint64_t size);

/* A stretch function for what has no holes. */
uint64_t reader_no_hole(const struct reader *reader, uint64_t offset, uint64_t limit, bool *hole);

#endif
