/* SPDX-License-Identifier: MIT
 *
 * patch_verify(): runs the table of checks over one file.
 */
#include "check/verify.h"

#include "check/origin.h"
#include "error.h"
#include "io/file.h"

#include <string.h>

static bool run_checks(const struct verify_subject *subject, patch_check_sink *sink, void *context)
{
    bool sound = true;

    for (const struct verify_check *check = verify_checks; check->name != NULL; check++) {
        char detail[VERIFY_DETAIL] = "";
        enum patch_verdict verdict = check->run(subject, detail);
        sound &= verdict != PATCH_FAULT;
        if (sink != NULL)
            sink(context, check->name, verdict, detail);
    }
    return sound;
}

/* A file that became shorter meanwhile reads as zeros; no verdict can be built on that. */
static bool was_read(const struct image *image, const struct image *original,
                     struct patch_error *error)
{
    return image_sound(image, error) && (original == NULL || image_sound(original, error));
}

bool verify_image(const struct image *image, const char *original,
                  const struct patch_options *options, patch_check_sink *sink, void *context,
                  bool *sound, struct patch_error *error)
{
    struct imports imports = {0};
    struct versions versions = {0};
    bool done =
        imports_collect(image, options, &imports, error) && versions_load(image, &versions, error);

    *sound = true;
    if (done) {
        struct origin origin;
        origin_find(image, original, &origin);
        struct verify_subject subject = {
            .image = image,
            .imports = &imports,
            .versions = &versions,
            .options = options,
            .undo = &origin.undo,
            .original = origin.image,
            .source = origin.source,
            .missing = origin.reason,
            .unusable = origin.unusable,
        };
        *sound = run_checks(&subject, sink, context);
        done = was_read(image, origin.image, error);
        origin_finish(&origin);
    }
    versions_finish(&versions);
    imports_finish(&imports);
    return done;
}

bool patch_verify_original(const char *input, const char *original,
                           const struct patch_options *options, patch_check_sink *sink,
                           void *context, bool *sound, struct patch_error *error)
{
    struct image *image = NULL;
    struct file file;

    *sound = true;
    if (!file_open(&file, input, error))
        return false;
    bool done = image_open(&file, &image, error) &&
                verify_image(image, original, options, sink, context, sound, error);
    image_destroy(image);
    file_finish(&file);
    return done;
}

bool patch_verify(const char *input, const struct patch_options *options, patch_check_sink *sink,
                  void *context, bool *sound, struct patch_error *error)
{
    return patch_verify_original(input, NULL, options, sink, context, sound, error);
}
