/* SPDX-License-Identifier: MIT
 *
 * Checksums of a whole file in one pass. It is cut into equal chunks, each is summed by XXH3, and
 * the sums of the chunks are summed again: so two files can be told apart and the chunk named in
 * which they differ.
 */
#ifndef PATCHER_SUM_H
#define PATCHER_SUM_H

#include "patcher.h"

#include <xxhash.h>

enum { SUM_SIZE = 16, SUM_CHUNKS = 16 };

struct sum {
    XXH3_state_t *state;
    uint64_t size; /* of the file */
    uint64_t at;
    unsigned chunk;                       /* the one that `at` lies in */
    uint8_t chunks[SUM_CHUNKS][SUM_SIZE]; /* those before it are finished */
    bool whole;                           /* one chunk only, and that is the result */
};

/* sum_init_whole(): the plain XXH3-128 of all bytes. The caller finishes *sum. */
PATCH_MUST_CHECK bool sum_init(struct sum *sum, uint64_t size, struct patch_error *error);
PATCH_MUST_CHECK bool sum_init_whole(struct sum *sum, uint64_t size, struct patch_error *error);
void sum_finish(struct sum *sum);

/* No more bytes than there are in the file. */
void sum_update(struct sum *sum, const void *bytes, uint64_t size);
void sum_zeros(struct sum *sum, uint64_t size);

/* When all were handed in. */
void sum_result(struct sum *sum, uint8_t result[SUM_SIZE]);

/* 16 bits of the sum of a chunk. */
uint16_t sum_of_chunk(const struct sum *sum, unsigned chunk);

/* Where chunk 0 .. SUM_CHUNKS begins in a file of this size. */
uint64_t sum_chunk_start(uint64_t size, unsigned chunk);

#endif
