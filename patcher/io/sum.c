/* SPDX-License-Identifier: MIT
 *
 * Chunks and their sums.
 */
#include "io/sum.h"

#include "error.h"

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

/* --- summing -----------------------------------------------------------------------------------
 */

bool summing_init(struct summing *summing, struct sum *sum, struct patch_error *error)
{
    *summing = (struct summing){.sum = sum, .state = XXH3_createState()};
    return summing->state != NULL || error_memory(error);
}

void summing_finish(struct summing *summing)
{
    XXH3_freeState(summing->state);
    summing->state = NULL;
}

void summing_begin(struct summing *summing, unsigned first)
{
    summing->chunk = first;
    summing->at = sum_chunk_start(summing->sum, first);
    XXH3_128bits_reset(summing->state);
}

void summing_end(struct summing *summing, unsigned end)
{
    for (; summing->chunk < end; summing->chunk++) {
        store(XXH3_128bits_digest(summing->state), summing->sum->chunks[summing->chunk]);
        XXH3_128bits_reset(summing->state);
    }
}

void summing_add(struct summing *summing, const uint8_t *bytes, uint64_t size)
{
    while (size > 0) {
        uint64_t left = sum_chunk_start(summing->sum, summing->chunk + 1) - summing->at;
        uint64_t part = left < size ? left : size;
        XXH3_128bits_update(summing->state, bytes, part);
        summing->at += part;
        bytes += part;
        size -= part;
        if (part == left)
            summing_end(summing, summing->chunk + 1);
    }
}

void summing_add_zeros(struct summing *summing, uint64_t size)
{
    static const uint8_t zeros[1 << 16];

    for (; size > sizeof(zeros); size -= sizeof(zeros))
        summing_add(summing, zeros, sizeof(zeros));
    summing_add(summing, zeros, size);
}
