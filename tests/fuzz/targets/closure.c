/* SPDX-License-Identifier: MIT
 *
 * What a library needs, found by the names, paths and folders that it gives itself. It stands in
 * for what it needs as well, under a few names.
 */
#include "loader/closure.h"
#include "fuzz.h"

void fuzz_closure(const uint8_t *bytes, size_t size)
{
    const struct patch_options options = fuzz_options(bytes, size);
    const char *path = fuzz_write("input.so", bytes, size);
    const char *cache = fuzz_path("cache");
    struct patch_error error = {0};
    struct patch_closure *closure = NULL;

    fuzz_write("libgreen.so.1", bytes, size);
    fuzz_write("libneeded.so.1", bytes, size);
    if (!closure_find(path, &options, cache, &closure, &error)) {
        fuzz_require_told(&error);
        return;
    }
    FUZZ_REQUIRE(closure->count > 0, "not even the file itself");
    for (size_t i = 0; i < closure->count; i++)
        for (size_t k = 0; k < closure->members[i].need_count; k++)
            FUZZ_REQUIRE(closure->members[i].needs[k].member == PATCH_NO_MEMBER ||
                             closure->members[i].needs[k].member < closure->count,
                         "a need leads to no member");
    patch_closure_destroy(closure);
}
