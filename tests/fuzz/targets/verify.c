/* SPDX-License-Identifier: MIT
 *
 * Every check over any file.
 */
#include "fuzz.h"

#include <string.h>

struct tally {
    size_t count;
    size_t faults;
};

static void count(void *context, const char *name, enum patch_verdict verdict, const char *detail)
{
    struct tally *tally = context;

    FUZZ_REQUIRE(name[0] != '\0', "a check has no name");
    FUZZ_REQUIRE(verdict != PATCH_FAULT || detail[0] != '\0', "%s: a fault without reason", name);
    tally->count++;
    tally->faults += verdict == PATCH_FAULT;
}

void fuzz_verify(const uint8_t *bytes, size_t size)
{
    const struct patch_options options = fuzz_options(bytes, size);
    const char *path = fuzz_write("input", bytes, size);
    struct patch_error error = {0};
    struct tally tally = {0};
    bool sound;

    if (!patch_verify(path, &options, count, &tally, &sound, &error)) {
        fuzz_require_told(&error);
        return;
    }
    FUZZ_REQUIRE(tally.count > 0, "no check was made");
    FUZZ_REQUIRE(sound == (tally.faults == 0), "sound, and %zu faults", tally.faults);
}
