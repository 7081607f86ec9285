/* SPDX-License-Identifier: MIT
 *
 * greenify wheel: a Python wheel whose libraries are patched and which brings the runtime.
 */
#include "command.h"

#include "option.h"
#include "rewriting.h"
#include "settings.h"
#include "wheel_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* One call under way. */
struct wheel {
    const struct settings *settings;
    const char *input;
    char target[PATH_MAX];
    char folder[PATH_MAX]; /* of what is under way */
    char made[PATH_MAX];   /* the new wheel in it */
    struct wheel_list list;
    struct wheel_copy copy;
    struct report report;
    struct patch_error error;
};

/* --- places ----------------------------------------------------------------------------------- */

static bool name_target(struct wheel *wheel)
{
    const struct settings *settings = wheel->settings;
    const char *slash = strrchr(wheel->input, '/');
    int used;

    if (!settings_places_serve(settings, &wheel->report))
        return false;
    used = settings->folder != NULL
               ? snprintf(wheel->target, PATH_MAX, "%s/%s", settings->folder,
                          slash != NULL ? slash + 1 : wheel->input)
               : snprintf(wheel->target, PATH_MAX, "%s",
                          settings->output != NULL ? settings->output : wheel->input);
    if (used < PATH_MAX)
        return true;
    return report_stop(&wheel->report, wheel->input, PATCH_TARGET, "%s", strerror(ENAMETOOLONG));
}

static bool make_folder(struct wheel *wheel)
{
    const char *temporary = getenv("TMPDIR");
    int used;

    if (temporary == NULL || temporary[0] != '/')
        temporary = "/tmp";
    used = snprintf(wheel->folder, PATH_MAX - 32, "%s/greenify-XXXXXX", temporary);
    if (used < PATH_MAX - 32 && mkdtemp(wheel->folder) != NULL) {
        memcpy(wheel->made, wheel->folder, (size_t)used);
        memcpy(wheel->made + used, "/wheel", sizeof("/wheel"));
        return true;
    }
    wheel->folder[0] = '\0';
    return report_stop(&wheel->report, temporary, PATCH_SYSTEM,
                       "no temporary folder can be made: %s", strerror(errno));
}

static void remove_folder(const struct wheel *wheel)
{
    char path[PATH_MAX + 16];

    if (wheel->folder[0] == '\0')
        return;
    snprintf(path, sizeof(path), "%s/library", wheel->folder);
    unlink(path);
    unlink(wheel->made);
    rmdir(wheel->folder);
}

/* --- tags ------------------------------------------------------------------------------------- */

/* The oldest glibc that a tag promises to work with, as major * 1000 + minor; 0 for no promise. */
static unsigned promised_glibc(const char *tags)
{
    static const struct {
        const char *tag;
        unsigned version;
    } old[] = {{"manylinux1_", 2005}, {"manylinux2010_", 2012}, {"manylinux2014_", 2017}};
    static const char tag[] = "manylinux_";
    unsigned lowest = 0;

    for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
        if (strstr(tags, old[i].tag) != NULL && (lowest == 0 || old[i].version < lowest))
            lowest = old[i].version;
    for (const char *at = strstr(tags, tag); at != NULL; at = strstr(at + 1, tag)) {
        unsigned major;
        unsigned minor;

        if (sscanf(at + sizeof(tag) - 1, "%3u_%3u", &major, &minor) == 2 &&
            (lowest == 0 || major * 1000 + minor < lowest))
            lowest = major * 1000 + minor;
    }
    return lowest;
}

static bool judge_tags(struct wheel *wheel)
{
    return strstr(wheel->list.tags, "musllinux") == NULL ||
           wheel_refuse(&wheel->error, PATCH_PACKAGE, "it is for musl, the runtime for glibc");
}

/* Tells that the wheel promises more than the runtime that was put in. */
static void compare_tags(const struct wheel *wheel)
{
    unsigned promised = promised_glibc(wheel->list.tags);
    unsigned major = 0;
    unsigned minor = 0;

    if (sscanf(gnu_get_libc_version(), "%3u.%3u", &major, &minor) == 2 && promised != 0 &&
        promised < major * 1000 + minor && wheel->settings->verbosity >= 0)
        message(wheel->input,
                "warning: its tag promises to work with glibc %u.%u, this runtime may need %u.%u",
                promised / 1000, promised % 1000, major, minor);
}

/* --- the new wheel ---------------------------------------------------------------------------- */

/* The careful way of every other file that is written: temporary file, attributes, one rename. */
static bool put_in_place(struct wheel *wheel)
{
    struct patch_options options = settings_patch_options(wheel->settings);
    struct patch_change *change = NULL;
    int fd = open(wheel->made, O_RDONLY | O_CLOEXEC);
    void *bytes = MAP_FAILED;
    struct stat status;
    bool done = false;

    if (fd >= 0 && fstat(fd, &status) == 0)
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        wheel_refuse(&wheel->error, PATCH_SYSTEM, "the new wheel cannot be read: %s",
                     strerror(errno));
    } else {
        done = patch_prepare_contents(wheel->input, wheel->target[0] != '\0' ? wheel->target : NULL,
                                      bytes, (uint64_t)status.st_size, &options, &change,
                                      &wheel->error) &&
               patch_commit(change, &wheel->error);
        munmap(bytes, (size_t)status.st_size);
    }
    if (fd >= 0)
        close(fd);
    return done;
}

static bool make(struct wheel *wheel)
{
    struct transaction_hold hold;
    bool done;

    transaction_hold_signals(&hold);
    wheel->copy = (struct wheel_copy){
        .settings = wheel->settings,
        .list = &wheel->list,
        .folder = wheel->folder,
        .hold = &hold,
    };
    done = wheel_list_read(&wheel->list, wheel->input, wheel->settings, &wheel->error) &&
           judge_tags(wheel) &&
           wheel_copy_run(&wheel->copy, wheel->input, wheel->made, &wheel->error) &&
           (wheel->copy.count == 0 || wheel->settings->dry_run || put_in_place(wheel));
    remove_folder(wheel);
    transaction_release(&hold);
    return done;
}

/* --- the report ------------------------------------------------------------------------------- */

static void report_member(struct report *report, const struct wheel_member *member)
{
    json_t *object = report_file(report, member->name);
    char warning[REWRITING_WARNING];

    report_line(report, "  %s: %zu function%s redirected", member->name, member->report.redirected,
                plural(member->report.redirected));
    for (size_t i = 0; i < member->report.redirected; i++)
        report_detail(report, "    %s", member->report.names[i]);
    if (rewriting_warning(&member->report, warning, sizeof(warning)) != NULL &&
        report->verbosity >= 0)
        message(member->name, "warning: %s", warning);
    if (!report->json)
        return;
    report_put(report, object, "redirected", json_integer((json_int_t)member->report.redirected));
    report_put(report, object, "layout", report_string(patch_layout_name(member->report.layout)));
    report_put(report, object, "names",
               report_strings(member->report.names, member->report.redirected));
    rewriting_put_warnings(report, object, &member->report);
}

static void report_made(struct report *report, const struct wheel *wheel)
{
    const struct wheel_copy *copy = &wheel->copy;

    compare_tags(wheel);
    report_line(report, "%s -> %s: %zu librar%s %s", wheel->input, wheel->target, copy->count,
                copy->count == 1 ? "y" : "ies",
                wheel->settings->dry_run ? "would be patched" : "patched");
    for (size_t i = 0; i < copy->count; i++)
        report_member(report, &copy->members[i]);
    for (size_t i = 0; i < copy->added_count; i++)
        report_line(report, "  %s: put in", copy->added[i]);
    if (report->json)
        report_put(report, report->root, "added", report_strings(copy->added, copy->added_count));
}

static void begin_report(struct wheel *wheel)
{
    struct report *report = &wheel->report;

    report_init(report, "wheel", wheel->settings);
    if (!report->json)
        return;
    report_put(report, report->root, "dry_run", json_boolean(wheel->settings->dry_run));
    report_put(report, report->root, "wheel", report_string(wheel->input));
    report_put(report, report->root, "files", json_array());
}

static void tell_nothing(const struct wheel *wheel)
{
    size_t refused = wheel->copy.refusals.total;

    if (refused > 0)
        message(wheel->input,
                "nothing to write: %zu librar%s refused, and no other has anything to do", refused,
                refused == 1 ? "y was" : "ies were");
    else
        message(wheel->input, "nothing to do: no library in it imports a chosen function that is "
                              "not redirected already");
}

static enum exit_status report_wheel(struct wheel *wheel, bool done)
{
    struct report *report = &wheel->report;

    if (report->json)
        report_put(report, report->root, "output", report_string(wheel->target));
    if (!done) {
        message_failure(wheel->input, &wheel->error);
        if (report->json)
            report_put(report, report->root, "error", report_failure(&wheel->error));
    } else if (wheel->copy.count > 0) {
        report_made(report, wheel);
    } else if (wheel->settings->verbosity >= 0) {
        tell_nothing(wheel);
    }
    refusals_report(report, &wheel->copy.refusals);
    return !done ? STATUS_FAULT : wheel->copy.count > 0 ? STATUS_DONE : STATUS_NOTHING;
}

static enum exit_status run(const struct settings *settings)
{
    struct wheel wheel = {.settings = settings, .input = settings->files[0]};
    enum exit_status status = STATUS_FAULT;

    if (settings->file_count != 1) {
        message(NULL, "wheel takes one file");
        return STATUS_USAGE;
    }
    /* The names in a wheel are UTF-8, whatever the user's own are. */
    setlocale(LC_CTYPE, "C.UTF-8");
    begin_report(&wheel);
    if (name_target(&wheel) && make_folder(&wheel))
        status = report_wheel(&wheel, make(&wheel));
    wheel_copy_finish(&wheel.copy);
    wheel_list_finish(&wheel.list);
    return report_finish(&wheel.report, status);
}

static const struct option_row *const options[] = {
    &option_output,       &option_folder,         &option_hooks,
    &option_runtime_file, &option_unsign,         &option_size_limit,
    &option_strict,       &option_bss_limit,      &option_allow_overlay,
    &option_allow_signed, &option_no_new_segment, &option_dry_run,
    &option_json,         &option_quiet,          &option_verbose,
    &option_help,         &option_version,        NULL,
};

const struct command command_wheel = {
    "wheel", "FILE.whl", "patch the libraries in a Python wheel and put the runtime in", options,
    run};
