/* SPDX-License-Identifier: MIT
 *
 * Checksums of a whole file. It is cut into equal chunks, each is summed by XXH3, and the sums of
 * the chunks are summed again: so the chunks can be summed by several threads, and where two files
 * differ the chunk can be named.
 */
#ifndef PATCHER_SUM_H
#define PATCHER_SUM_H

#include "patcher.h"

#include <xxhash.h>

enum { SUM_SIZE = 16, SUM_CHUNKS = 16 };

struct sum {
    uint64_t size;  /* of the file, in bytes */
    unsigned count; /* of the chunks; 1: the plain XXH3-128 of all bytes */
    uint8_t chunks[SUM_CHUNKS][SUM_SIZE];
};

/* Where chunk 0 .. sum->count begins; the last of these is the end of the file. */
uint64_t sum_chunk_start(const struct sum *sum, unsigned chunk);

/* 16 bits of the sum of a chunk. */
uint16_t sum_chunk_short(const struct sum *sum, unsigned chunk);

/* When all chunks are there. */
void sum_result(const struct sum *sum, uint8_t result[SUM_SIZE]);

/* One chunk: XXH3_128bits_reset(), XXH3_128bits_update() or this, sum_chunk_end(). */
void sum_zeros(XXH3_state_t *state, uint64_t size);
void sum_chunk_end(struct sum *sum, unsigned chunk, const XXH3_state_t *state);

#endif
