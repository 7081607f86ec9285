/* SPDX-License-Identifier: MIT
 *
 * Two files, of which one claims to be the other one's original. They stand one behind the other;
 * the last four bytes say where the second begins.
 */
#include "elf_mutator.h"
#include "fuzz.h"
#include "pair.h"

#include <string.h>

enum { TRAILER = 4 };

/* Where the second file begins; more than there is when the input is too short for two. */
static size_t cut_of(const uint8_t *bytes, size_t size)
{
    uint32_t cut;

    if (size < TRAILER)
        return size;
    memcpy(&cut, bytes + size - TRAILER, TRAILER);
    return cut <= size - TRAILER ? cut : size;
}

/* One of the two, which keeps its size: what was cut off are zeros. */
size_t pair_mutate(uint8_t *bytes, size_t size, size_t room, uint32_t *state)
{
    size_t cut = cut_of(bytes, size);

    (void)room;
    if (cut >= size)
        return 0;
    bool first = *state % 2 == 0;
    uint8_t *half = first ? bytes : bytes + cut;
    size_t half_size = first ? cut : size - TRAILER - cut;
    size_t now = elf_mutate(half, half_size, half_size, state);
    if (now == 0)
        return 0;
    memset(half + now, 0, half_size - now);
    return size;
}

static void take(void *context, const char *name, enum patch_verdict verdict, const char *detail)
{
    size_t *faults = context;

    FUZZ_REQUIRE(verdict != PATCH_FAULT || detail[0] != '\0', "%s: a fault without reason", name);
    *faults += verdict == PATCH_FAULT;
}

void fuzz_proof(const uint8_t *bytes, size_t size)
{
    const struct patch_options options = fuzz_options(bytes, size);
    size_t cut = cut_of(bytes, size);
    struct patch_error error = {0};
    size_t faults = 0;
    bool sound;

    if (cut >= size)
        return;
    const char *path = fuzz_write("input", bytes, cut);
    const char *original = fuzz_write("original", bytes + cut, size - TRAILER - cut);
    if (patch_verify_original(path, original, &options, take, &faults, &sound, &error))
        FUZZ_REQUIRE(sound == (faults == 0), "sound, and %zu faults", faults);
    else
        fuzz_require_told(&error);
}
