/* SPDX-License-Identifier: MIT
 *
 * Everything that looks into an image, over a buffer of the very size of the input, so that
 * AddressSanitizer sees each read behind it.
 */
#include "elf/image.h"
#include "check/verify.h"
#include "fuzz.h"
#include "imports.h"
#include "io/in_memory.h"
#include "plan.h"
#include "scan/callsites.h"

#include <stdlib.h>
#include <string.h>

static void run_checks(const struct image *image, const struct imports *imports,
                       const struct patch_options *options)
{
    struct patch_error error = {0};
    struct versions versions;
    char detail[VERIFY_DETAIL];

    if (versions_load(image, &versions, &error)) {
        struct verify_subject subject = {image, imports, &versions, options};
        for (const struct verify_check *check = verify_checks; check->name != NULL; check++) {
            memset(detail, 0, sizeof(detail));
            check->run(&subject, detail);
            FUZZ_REQUIRE(memchr(detail, '\0', sizeof(detail)) != NULL, "%s: not terminated",
                         check->name);
        }
        versions_finish(&versions);
    } else {
        fuzz_require_told(&error);
    }
}

static void try_undo(const struct image *image)
{
    struct patch_error error = {0};
    struct undo undo;
    uint8_t *bytes;
    uint64_t size;

    if (!undo_find(image, &undo))
        return;
    if (in_memory_restore(image, &undo, &bytes, &size, &error))
        free(bytes);
    else
        fuzz_require_told(&error);
}

static void try_patch(const struct image *image, const struct imports *imports,
                      const struct patch_options *options)
{
    struct patch_error error = {0};
    struct plan plan;
    uint8_t *bytes;
    uint64_t size;

    switch (plan_make(image, imports, options, &plan, &error)) {
    case PATCH_FAILED:
        fuzz_require_told(&error);
        break;
    case PATCH_NOTHING:
        plan_finish(&plan);
        break;
    case PATCH_READY:
        if (in_memory_patch(image, options, &plan, &bytes, &size, &error))
            free(bytes);
        else
            fuzz_require_told(&error);
        plan_finish(&plan);
        break;
    }
}

static void look(const struct image *image, const struct patch_options *options)
{
    struct patch_error error = {0};
    struct imports imports;
    struct call_sites sites;

    if (!imports_collect(image, options, &imports, &error)) {
        fuzz_require_told(&error);
        return;
    }
    if (callsites_find(image, &imports, &sites, &error))
        callsites_finish(&sites);
    else
        fuzz_require_told(&error);
    run_checks(image, &imports, options);
    try_patch(image, &imports, options);
    imports_finish(&imports);
}

void fuzz_image(const uint8_t *bytes, size_t size)
{
    const struct patch_options options = fuzz_options(bytes, size);
    struct patch_error error = {0};
    struct image *image;

    if (!image_parse(bytes, size, &image, &error)) {
        fuzz_require_told(&error);
        return;
    }
    try_undo(image);
    look(image, &options);
    image_destroy(image);
}
