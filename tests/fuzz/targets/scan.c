/* SPDX-License-Identifier: MIT
 *
 * Imports and call sites of any file.
 */
#include "fuzz.h"

void fuzz_scan(const uint8_t *bytes, size_t size)
{
    const struct patch_options options = fuzz_options(bytes, size);
    const char *path = fuzz_write("input", bytes, size);
    struct patch_error error = {0};
    struct patch_scan *scan = NULL;

    if (!patch_scan(path, &options, &scan, &error)) {
        fuzz_require_told(&error);
        return;
    }
    FUZZ_REQUIRE(scan->machine != NULL, "no machine");
    for (size_t i = 0; i < scan->import_count; i++)
        FUZZ_REQUIRE(scan->imports[i].name != NULL, "an import has no name");
    patch_scan_destroy(scan);
}
