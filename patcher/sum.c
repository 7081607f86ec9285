/* SPDX-License-Identifier: MIT
 *
 * Chunks, one after another.
 */
#include "sum.h"

#include "error.h"

#include <string.h>

uint64_t sum_chunk_start(uint64_t size, unsigned chunk)
{
    return size / SUM_CHUNKS * chunk + size % SUM_CHUNKS * chunk / SUM_CHUNKS;
}

static uint64_t chunk_end(const struct sum *sum)
{
    return sum->whole ? sum->size : sum_chunk_start(sum->size, sum->chunk + 1);
}

static void digest(const struct sum *sum, uint8_t to[SUM_SIZE])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(sum->state));
    memcpy(to, canonical.digest, SUM_SIZE);
}

bool sum_init(struct sum *sum, uint64_t size, struct patch_error *error)
{
    memset(sum, 0, sizeof(*sum));
    sum->size = size;
    sum->state = XXH3_createState();
    if (sum->state == NULL)
        return error_memory(error);
    XXH3_128bits_reset(sum->state);
    return true;
}

bool sum_init_whole(struct sum *sum, uint64_t size, struct patch_error *error)
{
    bool done = sum_init(sum, size, error);

    sum->whole = true;
    return done;
}

void sum_finish(struct sum *sum)
{
    XXH3_freeState(sum->state);
    memset(sum, 0, sizeof(*sum));
}

/* Closes the chunks that end here; in a small file some are empty. */
static void next_chunks(struct sum *sum)
{
    while (!sum->whole && sum->chunk < SUM_CHUNKS && sum->at == chunk_end(sum)) {
        digest(sum, sum->chunks[sum->chunk++]);
        XXH3_128bits_reset(sum->state);
    }
}

void sum_update(struct sum *sum, const void *bytes, uint64_t size)
{
    const uint8_t *at = bytes;

    while (size > 0) {
        next_chunks(sum);
        uint64_t part = chunk_end(sum) - sum->at;
        part = part < size ? part : size;
        XXH3_128bits_update(sum->state, at, part);
        sum->at += part;
        at += part;
        size -= part;
    }
}

void sum_zeros(struct sum *sum, uint64_t size)
{
    static const uint8_t zeros[1 << 16];

    while (size > 0) {
        uint64_t part = size < sizeof(zeros) ? size : sizeof(zeros);
        sum_update(sum, zeros, part);
        size -= part;
    }
}

void sum_result(struct sum *sum, uint8_t result[SUM_SIZE])
{
    XXH128_canonical_t canonical;

    if (sum->whole) {
        digest(sum, result);
        return;
    }
    next_chunks(sum);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(sum->chunks, sizeof(sum->chunks)));
    memcpy(result, canonical.digest, SUM_SIZE);
}

uint16_t sum_of_chunk(const struct sum *sum, unsigned chunk)
{
    return (uint16_t)(sum->chunks[chunk][0] | sum->chunks[chunk][1] << 8);
}
