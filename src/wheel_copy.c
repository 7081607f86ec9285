/* SPDX-License-Identifier: MIT
 *
 * Entry by entry; only a library is unpacked to a file, under one name after another.
 */
#include "wheel_copy.h"

#include "progress.h"
#include "report.h"
#include "settings.h"
#include "vendor.h"
#include "wheel_passage.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NEW_MODE = 0755, TEXT_MODE = 0644 };

/* --- libraries -------------------------------------------------------------------------------- */

/* Where the entry is installed, counted from the folder of the packages; NULL when it is not
 * installed below that. */
static const char *installed_name(const struct wheel_list *list, const char *name)
{
    size_t stem = strlen(list->info) - strlen(".dist-info");
    const char *rest = name + stem;

    if (strncmp(name, list->info, stem) != 0 || strncmp(rest, ".data/", 6) != 0)
        return name;
    rest += 6;
    return strncmp(rest, "purelib/", 8) == 0 || strncmp(rest, "platlib/", 8) == 0 ? rest + 8 : NULL;
}

/* "$ORIGIN/../NAME.libs" for the folder of that entry; the caller frees it. */
static char *run_path(const struct wheel_list *list, const char *installed)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    if (stream == NULL)
        return NULL;
    fputs("$ORIGIN/", stream);
    for (const char *at = strchr(installed, '/'); at != NULL; at = strchr(at + 1, '/'))
        fputs("../", stream);
    fputs(list->libraries, stream);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

/* Takes the report over, unless it fails. */
static bool add_member(struct wheel_copy *copy, const char *name, struct patch_report *report,
                       struct patch_error *error)
{
    struct wheel_member *members = realloc(copy->members, (copy->count + 1) * sizeof(*members));

    if (members != NULL) {
        copy->members = members;
        members[copy->count] = (struct wheel_member){strdup(name), *report};
        if (members[copy->count].name != NULL) {
            copy->count++;
            return true;
        }
    }
    return wheel_refuse(error, PATCH_MEMORY, "out of memory");
}

static bool read_machine(struct wheel_copy *copy, const struct patch_options *options,
                         struct patch_error *error)
{
    struct patch_scan *scan = NULL;

    if (!patch_scan(copy->runtime->members[0].path, options, &scan, error))
        return false;
    copy->machine = scan->machine;
    patch_scan_destroy(scan);
    return true;
}

/* The runtime for the first library that needs it; every one must be for the same machine. */
static bool find_runtime(struct wheel_copy *copy, const char *path,
                         const struct patch_report *report, struct patch_error *error)
{
    struct patch_options options = settings_patch_options(copy->settings);
    struct patch_closure *closure = NULL;

    if (copy->runtime == NULL) {
        if (!patch_closure_find(path, &options, &closure, error))
            return false;
        copy->runtime = vendor_find(closure, copy->settings);
        patch_closure_destroy(closure);
        if (copy->runtime == NULL)
            return wheel_refuse(error, PATCH_PACKAGE,
                                "the runtime was not found; --runtime-file names it");
        if (!read_machine(copy, &options, error))
            return false;
    }
    return strcmp(copy->machine, report->machine) == 0 ||
           wheel_refuse(error, PATCH_PACKAGE, "it has libraries for %s, the runtime is for %s",
                        report->machine, copy->machine);
}

/* The patched version replaces the file at `path`. False: the whole wheel must fail. */
static bool patch_member(struct wheel_copy *copy, const char *name, const char *path,
                         struct patch_error *error)
{
    struct patch_options options = settings_patch_options(copy->settings);
    const char *installed = installed_name(copy->list, name);
    char *runpath = installed != NULL ? run_path(copy->list, installed) : NULL;
    struct patch_change *change = NULL;
    struct patch_report report = {0};
    enum patch_outcome outcome = PATCH_FAILED;
    bool done;

    if (installed == NULL) {
        wheel_refuse(error, PATCH_PACKAGE, "it is installed outside of the packages");
    } else if (runpath == NULL) {
        wheel_refuse(error, PATCH_MEMORY, "out of memory");
    } else {
        /* Only what is redirected needs to find the runtime. */
        outcome = patch_prepare(path, NULL, &options, NULL, NULL, error);
        options.runpath = runpath;
        if (outcome == PATCH_READY)
            outcome = patch_prepare(path, NULL, &options, &change, &report, error);
    }
    /* The runtime of an earlier time, and what it stands on. */
    if (outcome == PATCH_FAILED && error->code == PATCH_PROTECTED)
        outcome = PATCH_NOTHING;
    if (outcome == PATCH_FAILED)
        refusals_take(&copy->refusals, copy->settings, name, error);
    done = outcome != PATCH_FAILED || !refusals_fail_all(copy->settings, error);
    if (outcome == PATCH_READY)
        done = patch_commit(change, error) && find_runtime(copy, path, &report, error) &&
               add_member(copy, name, &report, error);
    if (outcome == PATCH_READY && !done)
        patch_report_finish(&report);
    free(runpath);
    return done;
}

static bool pass_library(struct wheel_copy *copy, struct archive_entry *entry, const char *name,
                         struct patch_error *error)
{
    size_t before = copy->count;
    struct record_row *row = record_find(&copy->list->record, name);
    char sum[DIGEST_TEXT];
    char path[PATH_MAX];
    uint64_t written;

    snprintf(path, sizeof(path), "%s/library", copy->folder);
    if (!passage_unpack(copy->passage, entry, name, path, error) ||
        !patch_member(copy, name, path, error) ||
        !passage_put_file(copy->passage, entry, path, sum, &written, error))
        return false;
    return copy->count == before || record_set(row, sum, written) ||
           wheel_refuse(error, PATCH_MEMORY, "out of memory");
}

/* --- what is put in --------------------------------------------------------------------------- */

/* Makes a copy that finds what it needs in its own folder; *path is that copy, or the file itself
 * where it does so already. */
static bool prepare_runtime(struct wheel_copy *copy, const char *from, const char *to,
                            const char **path, struct patch_error *error)
{
    static const char *const none[] = {NULL};
    struct patch_options options = settings_patch_options(copy->settings);
    struct patch_change *change = NULL;
    enum patch_outcome outcome;

    options.functions = none;
    options.runpath = "$ORIGIN";
    outcome = patch_prepare(from, to, &options, &change, NULL, error);
    *path = outcome == PATCH_READY ? to : from;
    return outcome == PATCH_NOTHING || (outcome == PATCH_READY && patch_commit(change, error));
}

static bool keep_added(struct wheel_copy *copy, const char *name)
{
    char **added = realloc(copy->added, (copy->added_count + 1) * sizeof(*added));

    if (added == NULL)
        return false;
    copy->added = added;
    added[copy->added_count] = strdup(name);
    return added[copy->added_count] != NULL && ++copy->added_count > 0;
}

static bool add_library(struct wheel_copy *copy, const char *from, const char *base,
                        struct patch_error *error)
{
    struct archive_entry *entry;
    char sum[DIGEST_TEXT];
    const char *made = NULL;
    char path[PATH_MAX];
    char name[PATH_MAX];
    uint64_t written;
    bool done;

    snprintf(name, sizeof(name), "%s/%s", copy->list->libraries, base);
    snprintf(path, sizeof(path), "%s/library", copy->folder);
    if (wheel_list_has(copy->list, name))
        return true; /* from an earlier time */
    unlink(path);
    entry = passage_new_entry(name, NEW_MODE, copy->time, error);
    if (entry == NULL)
        return false;
    done = prepare_runtime(copy, from, path, &made, error) &&
           passage_put_file(copy->passage, entry, made, sum, &written, error);
    libarchive.archive_entry_free(entry);
    if (done && (!record_add(&copy->list->record, name, sum, written) || !keep_added(copy, name)))
        done = wheel_refuse(error, PATCH_MEMORY, "out of memory");
    return done;
}

static bool add_runtime(struct wheel_copy *copy, struct patch_error *error)
{
    const struct patch_closure *runtime = copy->runtime;

    for (size_t i = 0; i < runtime->count; i++) {
        const struct patch_member *member = &runtime->members[i];

        if (!vendor_is_platform(member->name) &&
            !add_library(copy, member->path, member->name, error))
            return false;
    }
    return true;
}

static bool write_record(struct wheel_copy *copy, struct patch_error *error)
{
    struct archive_entry *entry;
    char name[PATH_MAX];
    size_t size;
    char *text = record_write(&copy->list->record, &size);
    bool done;

    if (text == NULL)
        return wheel_refuse(error, PATCH_MEMORY, "out of memory");
    snprintf(name, sizeof(name), "%s/RECORD", copy->list->info);
    entry = passage_new_entry(name, TEXT_MODE, copy->time, error);
    if (entry == NULL) {
        free(text);
        return false;
    }
    done = passage_put_text(copy->passage, entry, text, size, error);
    libarchive.archive_entry_free(entry);
    free(text);
    return done;
}

/* --- all of it -------------------------------------------------------------------------------- */

static bool pass_entry(struct wheel_copy *copy, struct archive_entry *entry,
                       struct patch_error *error)
{
    const char *name = wheel_entry_name(entry, error);
    struct passage *passage = copy->passage;

    if (name == NULL)
        return false;
    if (wheel_is_info(copy->list, name, "RECORD")) {
        copy->time = libarchive.archive_entry_mtime(entry);
        return true;
    }
    if (wheel_is_signature(copy->list, name))
        return true;
    if (libarchive.archive_entry_filetype(entry) == AE_IFREG && !passage_read(passage, name, error))
        return false;
    return passage->size >= SELFMAG && memcmp(passage->block, ELFMAG, SELFMAG) == 0
               ? pass_library(copy, entry, name, error)
               : passage_keep(passage, entry, name, error);
}

static bool pass_entries(struct wheel_copy *copy, struct patch_error *error)
{
    struct progress progress = progress_begin(copy->settings, copy->list->count);
    struct archive_entry *entry;
    bool done = passage_next(copy->passage, &entry, error);

    for (size_t i = 0; done && entry != NULL; i++) {
        const char *name = libarchive.archive_entry_pathname(entry);

        progress_show(&progress, i, name != NULL ? name : "");
        done = pass_entry(copy, entry, error);
        if (done && transaction_was_interrupted(copy->hold))
            done = wheel_refuse(error, PATCH_SYSTEM, "interrupted");
        done = done && passage_next(copy->passage, &entry, error);
    }
    progress_end(&progress);
    return done;
}

bool wheel_copy_run(struct wheel_copy *copy, const char *input, const char *output,
                    struct patch_error *error)
{
    struct passage *passage = calloc(1, sizeof(*passage));

    if (passage == NULL)
        return wheel_refuse(error, PATCH_MEMORY, "out of memory");
    copy->passage = passage;
    bool done =
        passage_init(passage, copy->list, wheel_limit(copy->settings), input, output, error) &&
        pass_entries(copy, error) &&
        (copy->count == 0 || (add_runtime(copy, error) && write_record(copy, error))) &&
        passage_complete(passage, error);
    done = passage_finish(passage, error) && done;
    free(passage);
    return done;
}

void wheel_copy_finish(struct wheel_copy *copy)
{
    for (size_t i = 0; i < copy->count; i++) {
        free(copy->members[i].name);
        patch_report_finish(&copy->members[i].report);
    }
    for (size_t i = 0; i < copy->added_count; i++)
        free(copy->added[i]);
    free(copy->members);
    free(copy->added);
    patch_closure_destroy(copy->runtime);
}
