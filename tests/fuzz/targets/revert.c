/* SPDX-License-Identifier: MIT
 *
 * The undo record, and the file around it, come from somebody who means harm.
 */
#include "fuzz.h"

static void count_bytes(void *context, const void *bytes, size_t size)
{
    (void)bytes;
    *(uint64_t *)context += size;
}

static void require_readable(const char *path, const struct patch_options *options)
{
    struct patch_error error = {0};
    struct patch_change *change = NULL;
    struct patch_report report;
    uint64_t size = 0;

    FUZZ_REQUIRE(patch_prepare_revert(path, fuzz_path("output"), options, &change, &report,
                                      &error) == PATCH_READY,
                 "a dry run would revert it, the revert does not");
    FUZZ_REQUIRE(patch_change_read(change, count_bytes, &size, &error), "cannot be read");
    FUZZ_REQUIRE(size == report.size_after, "%llu bytes, not those of the report",
                 (unsigned long long)size);
    patch_discard(change);
    patch_report_finish(&report);
}

void fuzz_revert(const uint8_t *bytes, size_t size)
{
    const struct patch_options options = fuzz_options(bytes, size);
    const char *path = fuzz_write("input", bytes, size);
    struct patch_error error = {0};
    struct patch_report report;

    switch (patch_prepare_revert(path, NULL, &options, NULL, &report, &error)) {
    case PATCH_FAILED:
        fuzz_require_told(&error);
        break;
    case PATCH_READY:
        require_readable(path, &options);
        patch_report_finish(&report);
        break;
    case PATCH_NOTHING:
        patch_report_finish(&report);
        break;
    }
}
