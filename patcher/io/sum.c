/* SPDX-License-Identifier: MIT
 *
 * Chunks and their sums.
 */
#include "io/sum.h"

#include <string.h>

uint64_t sum_chunk_start(const struct sum *sum, unsigned chunk)
{
    return sum->size / sum->count * chunk + sum->size % sum->count * chunk / sum->count;
}

uint16_t sum_chunk_short(const struct sum *sum, unsigned chunk)
{
    return (uint16_t)(sum->chunks[chunk][0] | sum->chunks[chunk][1] << 8);
}

static void store(XXH128_hash_t hash, uint8_t to[SUM_SIZE])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(to, canonical.digest, SUM_SIZE);
}

void sum_result(const struct sum *sum, uint8_t result[SUM_SIZE])
{
    if (sum->count == 1)
        memcpy(result, sum->chunks[0], SUM_SIZE);
    else
        store(XXH3_128bits(sum->chunks, sizeof(sum->chunks)), result);
}

void sum_zeros(XXH3_state_t *state, uint64_t size)
{
    static const uint8_t zeros[1 << 16];

    for (; size > sizeof(zeros); size -= sizeof(zeros))
        XXH3_128bits_update(state, zeros, sizeof(zeros));
    XXH3_128bits_update(state, zeros, size);
}

void sum_chunk_end(struct sum *sum, unsigned chunk, const XXH3_state_t *state)
{
    store(XXH3_128bits_digest(state), sum->chunks[chunk]);
}
