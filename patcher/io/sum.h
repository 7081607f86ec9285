/* SPDX-License-Identifier: MIT
 *
 * Checksums of a whole file. It is cut into equal chunks, each is summed by XXH3, and the sums of
 * the chunks are summed again: so the chunks can be summed by several threads, and where two files
 * differ the chunk can be named. No byte is left out, and no sum is put off, though reading is most
 * of the work where blocks are shared: nothing else tells that a file is the one that was patched.
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

/* Sums bytes that come one after the other, chunk by chunk. */
struct summing {
    struct sum *sum; /* borrowed */
    XXH3_state_t *state;
    unsigned chunk;
    uint64_t at; /* of the file */
};

PATCH_MUST_CHECK bool summing_init(struct summing *summing, struct sum *sum,
                                   struct patch_error *error);
void summing_finish(struct summing *summing); /* also of zeros */

/* Begins with chunk `first`; when the bytes up to chunk `end` have come. */
void summing_begin(struct summing *summing, unsigned first);
void summing_end(struct summing *summing, unsigned end);

void summing_add(struct summing *summing, const uint8_t *bytes, uint64_t size);
void summing_add_zeros(struct summing *summing, uint64_t size);

#endif
