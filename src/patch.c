/* SPDX-License-Identifier: MIT
 *
 * greenify patch: redirects the imports of each file.
 */
#include "command.h"

#include "option.h"
#include "rewriting.h"
#include "settings.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char *nothing(const struct patch_report *report)
{
    return report->redirected > 0 ? "every chosen function that it imports is redirected already"
                                  : "it imports none of the chosen functions";
}

static const char *growth(const struct patch_report *report, char *text, size_t size)
{
    if (report->size_after == report->size_before)
        snprintf(text, size, "%" PRIu64 " bytes as before", report->size_after);
    else if (report->size_after > report->size_before)
        snprintf(text, size, "grown by %" PRIu64 " to %" PRIu64 " bytes",
                 report->size_after - report->size_before, report->size_after);
    else
        snprintf(text, size, "shrunk by %" PRIu64 " to %" PRIu64 " bytes",
                 report->size_before - report->size_after, report->size_after);
    return text;
}

static void describe(const struct report *report, const struct settings *settings,
                     const struct transaction_file *file)
{
    const struct patch_report *facts = &file->report;
    char name[2 * PATH_MAX + 8];
    char size[80];
    char warning[REWRITING_WARNING];

    if (facts->redirected == 0) {
        report_line(report, "%s: %s beside the libraries that it goes with",
                    rewriting_name(file, name, sizeof(name)),
                    file->state == TRANSACTION_WRITTEN ? "put" : "would be put");
        return;
    }
    report_line(report, "%s: %zu function%s %s to %s (%zu relocation%s; layout %s, %s)",
                rewriting_name(file, name, sizeof(name)), facts->redirected,
                plural(facts->redirected),
                file->state == TRANSACTION_WRITTEN ? "redirected" : "would be redirected",
                settings->runtime, facts->relocations, plural(facts->relocations),
                patch_layout_name(facts->layout), growth(facts, size, sizeof(size)));
    report_detail(report, "  machine %s, DT_NEEDED slot: %s", facts->machine, facts->needed_slot);
    for (size_t i = 0; i < facts->redirected; i++)
        report_detail(report, "  %s", facts->names[i]);
    if (rewriting_warning(facts, warning, sizeof(warning)) != NULL && settings->verbosity >= 0)
        message(file->target, "warning: %s", warning);
}

/* Copies whose runtime stands at a place of their own find each other the same way. */
static void choose(struct deps *deps, const struct settings *settings)
{
    if (settings->folder != NULL && strncmp(settings->runtime, "$ORIGIN/", 8) == 0)
        deps_choose_standing_alone(deps, settings);
    else
        deps_choose_hooked(deps);
    if (settings->folder != NULL && settings->runtime[0] != '$' && settings->verbosity >= 0)
        deps_tell_fixed(deps);
}

const struct rewriting rewriting_patch = {"patch", patch_prepare, choose, nothing, describe};

static enum exit_status run(const struct settings *settings)
{
    return rewriting_run(settings, &rewriting_patch);
}

static const struct option_row *const options[] = {
    &option_output,         &option_folder,
    &option_deps,           &option_runtime_file,
    &option_hooks,          &option_runtime,
    &option_bss_limit,      &option_allow_hard_links,
    &option_allow_overlay,  &option_allow_signed,
    &option_no_new_segment, &option_dry_run,
    &option_json,           &option_quiet,
    &option_verbose,        &option_help,
    &option_version,        NULL,
};

const struct command command_patch = {"patch", "FILE...",
                                      "redirect blocking calls into the runtime", options, run};
