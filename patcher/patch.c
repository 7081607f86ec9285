/* SPDX-License-Identifier: MIT
 *
 * The way of one file: read, parse, collect, plan, rewrite, write; and back.
 */
#include "change.h"
#include "error.h"
#include "file.h"
#include "image.h"
#include "imports.h"
#include "plan.h"
#include "rewrite.h"
#include "runpath.h"
#include "undo.h"

#include <stdlib.h>
#include <string.h>

/* One input on its way. */
struct work {
    struct file file;
    struct image *image;
    struct imports imports;
};

static void work_finish(struct work *work)
{
    imports_finish(&work->imports);
    image_destroy(work->image);
    file_finish(&work->file);
}

static bool work_start(struct work *work, const char *input, const struct patch_options *options,
                       struct patch_error *error)
{
    memset(work, 0, sizeof(*work));
    work->file.fd = -1;
    return file_open(&work->file, input, error) && image_open(&work->file, &work->image, error) &&
           imports_collect(work->image, options, &work->imports, error);
}

/* --- report ------------------------------------------------------------------------------------
 */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Counts the imports that are redirected, and those that `pending` says will be. */
static bool fill_report(struct patch_report *report, const struct image *image,
                        const struct imports *imports, bool pending, struct patch_error *error)
{
    report->machine = image->arch->name;
    report->names = calloc(imports->count + 1, sizeof(*report->names));
    if (report->names == NULL)
        return error_memory(error);
    for (size_t i = 0; i < imports->count; i++) {
        const struct import *import = &imports->items[i];
        if (!import->redirected && !(pending && import->wanted))
            continue;
        report->names[report->redirected] = strdup(import->name);
        if (report->names[report->redirected] == NULL)
            return error_memory(error);
        report->redirected++;
        report->relocations += import->relocation_count;
    }
    qsort(report->names, report->redirected, sizeof(*report->names), compare_names);
    return true;
}

void patch_report_finish(struct patch_report *report)
{
    for (size_t i = 0; i < report->redirected; i++)
        free(report->names[i]);
    free(report->names);
    memset(report, 0, sizeof(*report));
}

/* --- patch -------------------------------------------------------------------------------------
 */

/* The wanted names and those that the file has redirected already, so that the second version of a
 * patched file keeps what the first one did. */
static const char **all_functions(const struct patch_options *options,
                                  const struct imports *imports)
{
    size_t count = 0;

    while (options->functions[count] != NULL)
        count++;
    const char **all = calloc(count + imports->redirected + 1, sizeof(*all));
    if (all == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        all[i] = options->functions[i];
    for (size_t i = 0; i < imports->count; i++)
        if (imports->items[i].redirected)
            all[count++] = imports->items[i].name;
    return all;
}

static enum patch_outcome build(const struct image *image, const struct imports *imports,
                                const struct patch_options *options, uint8_t **bytes,
                                uint64_t *size, struct patch_report *report,
                                struct patch_error *error)
{
    struct plan plan;
    enum patch_outcome outcome = plan_make(image, imports, options, &plan, error);

    if (outcome == PATCH_FAILED)
        return outcome;
    report->needed_slot = plan.needed_slot;
    report->layout = plan.place.layout;
    if (outcome == PATCH_READY && (!rewrite_apply(image, &plan, bytes, size, error) ||
                                   !rewrite_check(image, options, *bytes, *size, error)))
        outcome = PATCH_FAILED;
    plan_finish(&plan);
    if (outcome != PATCH_FAILED &&
        !fill_report(report, image, imports, outcome == PATCH_READY, error))
        outcome = PATCH_FAILED;
    return outcome;
}

/* Patched before, for fewer functions, and untouched since: planned anew from the original, so that
 * one record leads back to it. */
static enum patch_outcome build_again(const struct work *work, const struct undo *undo,
                                      const struct patch_options *options, uint8_t **bytes,
                                      uint64_t *size, struct patch_report *report,
                                      struct patch_error *error)
{
    enum patch_outcome outcome = PATCH_FAILED;
    struct patch_options wider = *options;
    struct image *image = NULL;
    struct imports imports = {0};
    uint8_t *original;
    uint64_t original_size;
    char *runpath = NULL;

    if (!undo_restore(work->image, undo, &original, &original_size, error))
        return build(work->image, &work->imports, options, bytes, size, report, error);
    const char **functions = all_functions(options, &work->imports);
    wider.functions = functions;
    if (functions == NULL)
        error_memory(error);
    else if (image_parse(original, original_size, &image, error) &&
             imports_collect(image, &wider, &imports, error) &&
             runpath_added(work->image, image, &runpath, error)) {
        if (wider.runpath == NULL)
            wider.runpath = runpath;
        outcome = build(image, &imports, &wider, bytes, size, report, error);
    }
    imports_finish(&imports);
    image_destroy(image);
    free(functions);
    free(runpath);
    free(original);
    return outcome;
}

static enum patch_outcome build_any(const struct work *work, const struct patch_options *options,
                                    uint8_t **bytes, uint64_t *size, struct patch_report *report,
                                    struct patch_error *error)
{
    enum patch_outcome outcome;
    struct undo undo = {0};
    bool recorded = work->imports.redirected > 0 && undo_find(work->image, &undo);

    if (recorded && work->imports.runtime_needed &&
        (work->imports.pending > 0 || runpath_wanted(work->image, options)))
        return build_again(work, &undo, options, bytes, size, report, error);
    outcome = build(work->image, &work->imports, options, bytes, size, report, error);
    if (outcome == PATCH_NOTHING && recorded)
        report->layout = undo.layout;
    return outcome;
}

/* Everything but the decision: read, let `make` build the new bytes, write them. */
typedef enum patch_outcome make_bytes(const struct work *work, const struct patch_options *options,
                                      uint8_t **bytes, uint64_t *size, struct patch_report *report,
                                      struct patch_error *error);

static enum patch_outcome prepare(make_bytes *make, const char *input, const char *output,
                                  const struct patch_options *options, struct patch_change **change,
                                  struct patch_report *report, struct patch_error *error)
{
    enum patch_outcome outcome = PATCH_FAILED;
    struct patch_report own = {.machine = "", .needed_slot = ""};
    uint8_t *bytes = NULL;
    uint64_t size = 0;
    char *path = NULL;
    struct work work;

    if (!work_start(&work, input, options, error))
        goto out;
    outcome = make(&work, options, &bytes, &size, &own, error);
    if (outcome != PATCH_FAILED && !image_sound(work.image, error))
        outcome = PATCH_FAILED;
    own.size_before = work.file.size;
    own.size_after = outcome == PATCH_READY ? size : work.file.size;
    if (outcome != PATCH_READY)
        goto out;
    if (!change_destination(&work.file, output, options, &path, error))
        outcome = PATCH_FAILED;
    else if (change == NULL)
        free(path);
    else if (!change_create(&work.file, path, bytes, size, change, error))
        outcome = PATCH_FAILED;
out:
    free(bytes);
    work_finish(&work);
    if (outcome == PATCH_FAILED || report == NULL)
        patch_report_finish(&own);
    else
        *report = own;
    return outcome;
}

enum patch_outcome patch_prepare(const char *input, const char *output,
                                 const struct patch_options *options, struct patch_change **change,
                                 struct patch_report *report, struct patch_error *error)
{
    return prepare(build_any, input, output, options, change, report, error);
}

/* --- revert ------------------------------------------------------------------------------------
 */

static enum patch_outcome build_original(const struct work *work,
                                         const struct patch_options *options, uint8_t **bytes,
                                         uint64_t *size, struct patch_report *report,
                                         struct patch_error *error)
{
    struct undo undo;

    (void)options;
    if (!fill_report(report, work->image, &work->imports, false, error))
        return PATCH_FAILED;
    report->restored = true;
    if (undo_find(work->image, &undo)) {
        report->layout = undo.layout;
        return undo_restore(work->image, &undo, bytes, size, error) ? PATCH_READY : PATCH_FAILED;
    }
    if (work->imports.redirected == 0 || work->imports.exports_prefix)
        return PATCH_NOTHING;
    error_set(error, PATCH_CHANGED_SINCE, "%zu imports are redirected, but the undo record is gone",
              work->imports.redirected);
    return PATCH_FAILED;
}

enum patch_outcome patch_prepare_revert(const char *input, const char *output,
                                        const struct patch_options *options,
                                        struct patch_change **change, struct patch_report *report,
                                        struct patch_error *error)
{
    return prepare(build_original, input, output, options, change, report, error);
}
