/* SPDX-License-Identifier: MIT
 *
 * The way of one file: read, parse, collect, plan, rewrite, write; and back.
 */
#include "elf/image.h"
#include "error.h"
#include "imports.h"
#include "io/change.h"
#include "io/file.h"
#include "io/sealed.h"
#include "loader/runpath.h"
#include "plan.h"
#include "rewrite.h"
#include "undo.h"

#include <stdlib.h>
#include <string.h>

/* One input on its way. */
struct work {
    const char *name; /* as it was given; borrowed */
    struct file file;
    struct image *image;
    struct imports imports;
    uint64_t size; /* of the new file */
    struct undo undo;
    /* Of a file that is patched anew from its original: that, and how to read it. */
    struct recipe back;
    struct recipe_reader reader;
    struct image *original;
    struct imports wider;
    /* What to write, and the image that it was planned for. */
    const struct image *base;
    struct plan plan;
    struct recipe recipe;
};

static void work_finish(struct work *work)
{
    recipe_finish(&work->recipe);
    plan_finish(&work->plan);
    imports_finish(&work->wider);
    image_destroy(work->original);
    recipe_finish(&work->back);
    imports_finish(&work->imports);
    image_destroy(work->image);
    file_finish(&work->file);
}

static bool work_start(struct work *work, const char *input, const struct patch_options *options,
                       struct patch_error *error)
{
    memset(work, 0, sizeof(*work));
    work->name = input;
    work->file.fd = -1;
    return file_open(&work->file, input, error) && image_open(&work->file, &work->image, error) &&
           imports_collect(work->image, options, &work->imports, error);
}

/* What could not be read is the reason for whatever else seems wrong. */
static bool work_sound(const struct work *work, struct patch_error *error)
{
    return work->image == NULL || (image_sound(work->image, error) &&
                                   (work->original == NULL || image_sound(work->original, error)));
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

static enum patch_outcome plan(struct work *work, const struct image *image,
                               const struct imports *imports, const struct patch_options *options,
                               struct patch_report *report, struct patch_error *error)
{
    struct recipe_reader patched;
    enum patch_outcome outcome = plan_make(image, imports, options, &work->plan, error);

    if (outcome == PATCH_FAILED)
        return outcome;
    work->base = image;
    report->needed_slot = work->plan.needed_slot;
    report->layout = work->plan.place.layout;
    if (outcome == PATCH_READY) {
        if (!rewrite_recipe(image, &work->plan, &work->recipe, error))
            return PATCH_FAILED;
        work->size = work->recipe.size;
        recipe_reader_init(&patched, &work->recipe, image->reader);
        if (!rewrite_check(image, options, &work->plan, &patched.reader, error))
            return PATCH_FAILED;
    }
    return fill_report(report, image, imports, outcome == PATCH_READY, error) ? outcome
                                                                              : PATCH_FAILED;
}

/* Patched before, for fewer functions, and untouched since: planned anew from the original, so that
 * one record leads back to it. */
static enum patch_outcome plan_again(struct work *work, const struct patch_options *options,
                                     struct patch_report *report, struct patch_error *error)
{
    enum patch_outcome outcome = PATCH_FAILED;
    struct patch_options wider = *options;
    char *runpath = NULL;

    if (!undo_restore(work->image, &work->undo, -1, error))
        return plan(work, work->image, &work->imports, options, report, error);
    if (!undo_recipe(work->image, &work->undo, &work->back, error))
        return PATCH_FAILED;
    recipe_reader_init(&work->reader, &work->back, work->image->file);
    const char **functions = all_functions(options, &work->imports);
    wider.functions = functions;
    if (functions == NULL)
        error_memory(error);
    else if (image_open_reader(&work->reader.reader, &work->original, error) &&
             imports_collect(work->original, &wider, &work->wider, error) &&
             runpath_added(work->image, work->original, &runpath, error)) {
        if (wider.runpath == NULL)
            wider.runpath = runpath;
        outcome = plan(work, work->original, &work->wider, &wider, report, error);
    }
    free(functions);
    free(runpath);
    return outcome;
}

static enum patch_outcome decide_patch(struct work *work, const struct patch_options *options,
                                       struct patch_report *report, struct patch_error *error)
{
    bool recorded = work->imports.redirected > 0 && undo_find(work->image, &work->undo);

    if (recorded && work->imports.runtime_needed &&
        (work->imports.pending > 0 || runpath_wanted(work->image, options)))
        return plan_again(work, options, report, error);
    enum patch_outcome outcome = plan(work, work->image, &work->imports, options, report, error);
    if (outcome == PATCH_NOTHING && recorded)
        report->layout = work->undo.layout;
    return outcome;
}

static enum patch_outcome decide_unsealed(struct work *work, const struct patch_options *options,
                                          struct patch_report *report, struct patch_error *error)
{
    enum patch_outcome outcome = decide_patch(work, options, report, error);

    if (outcome == PATCH_READY &&
        !sealed_check_file(&work->file, work->name, work->image, options, error))
        outcome = PATCH_FAILED;
    return outcome;
}

static bool write_patched(const struct work *work, int fd, struct patch_error *error)
{
    struct sum original = {.size = work->base->size, .count = SUM_CHUNKS};

    return fd < 0 || (recipe_write(&work->recipe, work->base->file, fd, &original, NULL, error) &&
                      rewrite_seal(work->base, &work->plan, &work->recipe, &original, fd, error));
}

/* --- both ways ---------------------------------------------------------------------------------
 */

struct way {
    enum patch_outcome (*decide)(struct work *work, const struct patch_options *options,
                                 struct patch_report *report, struct patch_error *error);
    /* -1: a dry run, which fails where writing would. */
    bool (*write)(const struct work *work, int fd, struct patch_error *error);
};

static bool write_change(const struct work *work, const struct way *way, const char *output,
                         const struct patch_options *options, struct patch_change **change,
                         struct patch_error *error)
{
    char *path;

    if (!change_destination(&work->file, output, options, &path, error))
        return false;
    if (change == NULL) {
        free(path);
        return way->write(work, -1, error);
    }
    if (!change_create(&work->file, path, change, error))
        return false;
    if (way->write(work, change_descriptor(*change), error) &&
        change_complete(*change, &work->file, error))
        return true;
    patch_discard(*change);
    *change = NULL;
    return false;
}

static enum patch_outcome prepare(const struct way *way, const char *input, const char *output,
                                  const struct patch_options *options, struct patch_change **change,
                                  struct patch_report *report, struct patch_error *error)
{
    enum patch_outcome outcome = PATCH_FAILED;
    struct patch_report own = {.machine = "", .needed_slot = ""};
    struct work work;

    if (!work_start(&work, input, options, error))
        goto out;
    outcome = way->decide(&work, options, &own, error);
    own.size_before = work.file.size;
    own.size_after = outcome == PATCH_READY ? work.size : work.file.size;
    if (outcome == PATCH_READY && !write_change(&work, way, output, options, change, error))
        outcome = PATCH_FAILED;
out:
    if (!work_sound(&work, error)) {
        if (outcome == PATCH_READY && change != NULL) {
            patch_discard(*change);
            *change = NULL;
        }
        outcome = PATCH_FAILED;
    }
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
    static const struct way way = {decide_unsealed, write_patched};

    return prepare(&way, input, output, options, change, report, error);
}

/* --- revert ------------------------------------------------------------------------------------
 */

/* How much of what the record leads back to is redirected: another tool edited a patched file,
 * which was patched for more then. Whether it leads anywhere is found out when it is followed. */
static size_t count_remaining(struct work *work, const struct patch_options *options)
{
    struct patch_error error;

    if (!undo_recipe(work->image, &work->undo, &work->back, &error))
        return 0;
    recipe_reader_init(&work->reader, &work->back, work->image->reader);
    if (!image_open_reader(&work->reader.reader, &work->original, &error) ||
        !imports_collect(work->original, options, &work->wider, &error))
        return 0;
    return work->wider.redirected;
}

static enum patch_outcome decide_revert(struct work *work, const struct patch_options *options,
                                        struct patch_report *report, struct patch_error *error)
{
    if (!fill_report(report, work->image, &work->imports, false, error))
        return PATCH_FAILED;
    report->restored = true;
    if (undo_find(work->image, &work->undo)) {
        report->layout = work->undo.layout;
        work->size = work->undo.original_size;
        report->remaining = count_remaining(work, options);
        return PATCH_READY;
    }
    if (work->imports.redirected == 0 || work->imports.exports_prefix)
        return PATCH_NOTHING;
    error_set(error, PATCH_CHANGED_SINCE, "%zu imports are redirected, but the undo record is gone",
              work->imports.redirected);
    return PATCH_FAILED;
}

static bool write_original(const struct work *work, int fd, struct patch_error *error)
{
    return undo_restore(work->image, &work->undo, fd, error);
}

enum patch_outcome patch_prepare_revert(const char *input, const char *output,
                                        const struct patch_options *options,
                                        struct patch_change **change, struct patch_report *report,
                                        struct patch_error *error)
{
    static const struct way way = {decide_revert, write_original};

    return prepare(&way, input, output, options, change, report, error);
}
