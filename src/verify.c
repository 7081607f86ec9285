/* SPDX-License-Identifier: MIT
 *
 * greenify verify: whether each file is sound and redirected, one row a check.
 */
#include "command.h"

#include "deps.h"
#include "option.h"
#include "report.h"
#include "rewriting.h"
#include "settings.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* As text and JSON name them. */
static const char *const verdict_names[] = {
    [PATCH_PASS] = "pass",
    [PATCH_FAULT] = "fault",
    [PATCH_SKIPPED] = "skipped",
};

/* One call of the verb. */
struct run {
    const struct settings *settings;
    struct report report;
    struct tap tap;
    bool folder;     /* settings->original is one */
    bool bailed_out; /* what TAP wants to be the end of it */
};

/* What the checks of one file are collected in. */
struct tally {
    struct run *run;
    const char *file;
    json_t *checks; /* NULL for text */
    size_t count;
    size_t faults;
};

static const char *purpose_of(const char *name)
{
    const char *found;
    const char *purpose;

    for (size_t i = 0; patch_check_describe(i, &found, &purpose); i++)
        if (strcmp(found, name) == 0)
            return purpose;
    return "";
}

static void print_check(const struct tally *tally, const char *name, enum patch_verdict verdict,
                        const char *detail)
{
    const struct report *report = &tally->run->report;

    if (tally->count == 1)
        report_line(report, "%s:", tally->file);
    report_line(report, "  %-7s  %s%s%s", verdict_names[verdict], name,
                detail[0] != '\0' ? ": " : "", detail);
    report_detail(report, "           (%s)", purpose_of(name));
}

static void take_check(void *context, const char *name, enum patch_verdict verdict,
                       const char *detail)
{
    struct tally *tally = context;
    struct run *run = tally->run;

    tally->count++;
    tally->faults += verdict == PATCH_FAULT;
    if (tally->checks != NULL)
        report_add(&run->report, tally->checks,
                   json_pack("{s:s, s:s, s:s, s:o}", "name", name, "purpose", purpose_of(name),
                             "verdict", verdict_names[verdict], "detail", report_string(detail)));
    else if (run->settings->tap)
        tap_check(&run->tap, tally->file, name, verdict, detail);
    else
        print_check(tally, name, verdict, detail);
}

/* The original of `file`, which the caller frees: in a folder, the file of the same name. */
static char *original_of(const struct run *run, const char *file)
{
    const char *slash = strrchr(file, '/');
    char *path;

    if (!run->folder)
        return strdup(run->settings->original);
    if (asprintf(&path, "%s/%s", run->settings->original, slash != NULL ? slash + 1 : file) < 0)
        return NULL;
    return path;
}

static bool check_file(struct tally *tally, const char *original, struct patch_error *error)
{
    const struct settings *settings = tally->run->settings;
    struct patch_options options = settings_patch_options(settings);
    bool sound; /* the same as no fault in the tally */

    return patch_verify_original(tally->file, original, &options, take_check, tally, &sound,
                                 error) &&
           (!settings->load ||
            patch_verify_load(tally->file, &options, take_check, tally, &sound, error));
}

static void put_file(struct run *run, const struct tally *tally, const char *original,
                     const struct patch_error *error)
{
    json_t *object = report_file(&run->report, tally->file);

    report_put(&run->report, object, "original", report_string(original));
    report_put(&run->report, object, "sound", json_boolean(error == NULL && tally->faults == 0));
    report_put(&run->report, object, "checks", tally->checks);
    if (error != NULL)
        report_put(&run->report, object, "error", report_failure(error));
}

static enum exit_status verify_file(struct run *run, const char *file)
{
    struct tally tally = {.run = run, .file = file};
    struct patch_error error;
    char *original = NULL;

    if (run->settings->original != NULL && (original = original_of(run, file)) == NULL) {
        message(file, "out of memory");
        return STATUS_FAULT;
    }
    if (run->report.json)
        tally.checks = json_array();
    bool readable = check_file(&tally, original, &error);
    if (run->report.json)
        put_file(run, &tally, original, readable ? NULL : &error);
    free(original);
    if (!readable && run->settings->tap) {
        tap_bail_out(file, &error);
        run->bailed_out = true;
    }
    if (!readable)
        message_failure(file, &error);
    else if (tally.faults > 0)
        message(file, "not sound: %zu of %zu checks failed", tally.faults, tally.count);
    return readable && tally.faults == 0 ? STATUS_DONE : STATUS_FAULT;
}

static enum exit_status verify_closures(struct run *run)
{
    enum exit_status status = STATUS_DONE;
    struct deps deps;

    if (!deps_find(&deps, run->settings, &run->report))
        status = STATUS_FAULT;
    deps_choose_hooked(&deps);
    for (size_t i = 0; i < deps.count && !run->bailed_out; i++) {
        if (deps.files[i].chosen && verify_file(run, deps.files[i].path) != STATUS_DONE)
            status = STATUS_FAULT;
    }
    deps_finish(&deps);
    return status;
}

static enum exit_status verify_files(struct run *run)
{
    enum exit_status status = STATUS_DONE;

    for (size_t i = 0; i < run->settings->file_count && !run->bailed_out; i++) {
        if (verify_file(run, run->settings->files[i]) != STATUS_DONE)
            status = STATUS_FAULT;
    }
    return status;
}

/* False after a message. */
static bool check_original_option(struct run *run)
{
    const struct settings *settings = run->settings;
    struct stat status;

    if (settings->original == NULL)
        return true;
    run->folder = stat(settings->original, &status) == 0 && S_ISDIR(status.st_mode);
    if (run->folder || (settings->file_count == 1 && !settings->deps))
        return true;
    message(settings->original, "is no folder: --original needs one for several files");
    return false;
}

static enum exit_status run(const struct settings *settings)
{
    struct run run = {.settings = settings};

    if (settings->tap && settings->json) {
        message(NULL, "--tap and --json exclude each other");
        return STATUS_USAGE;
    }
    if (!check_original_option(&run))
        return STATUS_USAGE;
    report_init(&run.report, "verify", settings);
    if (settings->tap)
        tap_begin(&run.tap);
    enum exit_status status = settings->deps ? verify_closures(&run) : verify_files(&run);
    if (settings->tap && !run.bailed_out)
        tap_end(&run.tap);
    return report_finish(&run.report, status);
}

static const struct option_row *const options[] = {
    &option_original, &option_deps,  &option_load,    &option_hooks, &option_runtime, &option_json,
    &option_tap,      &option_quiet, &option_verbose, &option_help,  &option_version, NULL,
};

const struct command command_verify = {"verify", "FILE...",
                                       "check that files are sound and redirected", options, run};
