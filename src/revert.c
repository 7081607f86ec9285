/* SPDX-License-Identifier: MIT
 *
 * greenify revert: gives back the original of each file.
 */
#include "command.h"

#include "option.h"
#include "rewriting.h"
#include "settings.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

static const char *nothing(const struct patch_report *facts)
{
    (void)facts;
    return "it was never patched";
}

static void describe(const struct report *report, const struct settings *settings,
                     const struct transaction_file *file)
{
    const struct patch_report *facts = &file->report;
    size_t fewer = facts->redirected - facts->remaining;
    char name[2 * PATH_MAX + 8];
    char text[REWRITING_WARNING];
    char again[64] = ""; /* of what only got a run path, no function was redirected */

    if (fewer > 0)
        snprintf(again, sizeof(again), "%zu function%s of libc called again; ", fewer,
                 plural(fewer));
    report_line(report, "%s: %s %s (%s%" PRIu64 " bytes)",
                rewriting_name(file, name, sizeof(name)),
                facts->remaining > 0 ? "state before the last patch" : "original",
                file->state == TRANSACTION_WRITTEN ? "restored" : "would be restored", again,
                facts->size_after);
    if (rewriting_warning(facts, text, sizeof(text)) != NULL && settings->verbosity >= 0)
        message(file->target, "warning: %s", text);
    for (size_t i = 0; i < facts->redirected; i++)
        report_detail(report, "  %s", facts->names[i]);
}

static void choose(struct deps *deps, const struct settings *settings)
{
    (void)settings;
    deps_choose_all(deps);
}

const struct rewriting rewriting_revert = {"revert", patch_prepare_revert, choose, nothing,
                                           describe};

static enum exit_status run(const struct settings *settings)
{
    return rewriting_run(settings, &rewriting_revert);
}

static const struct option_row *const options[] = {
    &option_output,  &option_folder,  &option_deps,  &option_allow_hard_links,
    &option_dry_run, &option_json,    &option_quiet, &option_verbose,
    &option_help,    &option_version, NULL,
};

const struct command command_revert = {"revert", "FILE...", "give back the original, byte for byte",
                                       options, run};
