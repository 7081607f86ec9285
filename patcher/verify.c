/* SPDX-License-Identifier: MIT
 *
 * patch_verify(): runs the table of checks over one file.
 */
#include "verify.h"

#include "file.h"

#include <string.h>

static void run_checks(const struct verify_subject *subject, patch_check_sink *sink, void *context,
                       bool *sound)
{
    for (const struct verify_check *check = verify_checks; check->name != NULL; check++) {
        char detail[VERIFY_DETAIL] = "";
        enum patch_verdict verdict = check->run(subject, detail);
        if (verdict == PATCH_FAULT)
            *sound = false;
        if (sink != NULL)
            sink(context, check->name, verdict, detail);
    }
}

bool patch_verify(const char *input, const struct patch_options *options, patch_check_sink *sink,
                  void *context, bool *sound, struct patch_error *error)
{
    struct file file;
    struct image *image = NULL;
    struct imports imports = {0};
    struct versions versions = {0};

    *sound = true;
    if (!file_open(&file, input, error))
        return false;
    bool done = image_open(&file, &image, error) && image_load_tables(image, error) &&
                imports_collect(image, options, &imports, error) &&
                versions_load(image, &versions, error);
    if (done) {
        struct verify_subject subject = {image, &imports, &versions, options};
        run_checks(&subject, sink, context, sound);
    }
    versions_finish(&versions);
    imports_finish(&imports);
    image_destroy(image);
    file_finish(&file);
    return done;
}
