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

/* As text and JSON name them. */
static const char *const verdict_names[] = {
    [PATCH_PASS] = "pass",
    [PATCH_FAULT] = "fault",
    [PATCH_SKIPPED] = "skipped",
};

/* What the checks of one file are collected in. */
struct tally {
    struct report *report;
    const char *file;
    json_t *checks; /* NULL for text */
    size_t count;
    size_t faults;
};

static void take_check(void *context, const char *name, enum patch_verdict verdict,
                       const char *detail)
{
    struct tally *tally = context;

    if (tally->count++ == 0)
        report_line(tally->report, "%s:", tally->file);
    tally->faults += verdict == PATCH_FAULT;
    report_line(tally->report, "  %-7s  %s%s%s", verdict_names[verdict], name,
                detail[0] != '\0' ? ": " : "", detail);
    if (tally->checks != NULL)
        report_add(tally->report, tally->checks,
                   json_pack("{s:s, s:s, s:o}", "name", name, "verdict", verdict_names[verdict],
                             "detail", report_string(detail)));
}

static bool check_file(struct tally *tally, const char *file, const struct settings *settings,
                       struct patch_error *error)
{
    struct patch_options options = settings_patch_options(settings);
    bool sound; /* the same as no fault in the tally */

    if (!patch_verify(file, &options, take_check, tally, &sound, error))
        return false;
    return !settings->load || patch_verify_load(file, &options, take_check, tally, &sound, error);
}

static enum exit_status verify_file(struct report *report, const char *file,
                                    const struct settings *settings)
{
    struct tally tally = {.report = report, .file = file};
    struct patch_error error;
    json_t *object = report_file(report, file);
    bool readable;

    if (report->json)
        tally.checks = json_array();
    readable = check_file(&tally, file, settings, &error);
    if (report->json) {
        report_put(report, object, "sound", json_boolean(readable && tally.faults == 0));
        report_put(report, object, "checks", tally.checks);
        if (!readable)
            report_put(report, object, "error", report_failure(&error));
    }
    if (!readable)
        message_failure(file, &error);
    else if (tally.faults > 0)
        message(file, "not sound: %zu of %zu checks failed", tally.faults, tally.count);
    return readable && tally.faults == 0 ? STATUS_DONE : STATUS_FAULT;
}

static enum exit_status verify_closures(struct report *report, const struct settings *settings)
{
    enum exit_status status = STATUS_DONE;
    struct deps deps;

    if (!deps_find(&deps, settings, report))
        status = STATUS_FAULT;
    deps_choose_hooked(&deps);
    for (size_t i = 0; i < deps.count; i++) {
        if (deps.files[i].chosen &&
            verify_file(report, deps.files[i].path, settings) != STATUS_DONE)
            status = STATUS_FAULT;
    }
    deps_finish(&deps);
    return status;
}

static enum exit_status verify_files(struct report *report, const struct settings *settings)
{
    enum exit_status status = STATUS_DONE;

    for (size_t i = 0; i < settings->file_count; i++) {
        if (verify_file(report, settings->files[i], settings) != STATUS_DONE)
            status = STATUS_FAULT;
    }
    return status;
}

static enum exit_status run(const struct settings *settings)
{
    enum exit_status status;
    struct report report;

    report_init(&report, "verify", settings);
    status = settings->deps ? verify_closures(&report, settings) : verify_files(&report, settings);
    return report_finish(&report, status);
}

static const struct option_row *const options[] = {
    &option_deps,  &option_load,    &option_hooks, &option_runtime, &option_json,
    &option_quiet, &option_verbose, &option_help,  &option_version, NULL,
};

const struct command command_verify = {"verify", "FILE...",
                                       "check that files are sound and redirected", options, run};
