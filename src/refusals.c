/* SPDX-License-Identifier: MIT
 *
 * One counter a code.
 */
#include "refusals.h"

#include "settings.h"

bool refusals_fail_all(const struct settings *settings, const struct patch_error *error)
{
    return error->code == PATCH_SYSTEM || error->code == PATCH_MEMORY ||
           (settings->strict && error->code != PATCH_PROTECTED);
}

void refusals_take(struct refusals *refusals, const struct settings *settings, const char *file,
                   const struct patch_error *error)
{
    if (settings->verbosity > 0 || refusals_fail_all(settings, error))
        message_failure(file, error);
    refusals->total++;
    if ((size_t)error->code < REFUSALS_CODES)
        refusals->counts[error->code]++;
}

void refusals_report(struct report *report, const struct refusals *refusals)
{
    json_t *object = report->json ? json_object() : NULL;

    for (size_t i = 0; i < REFUSALS_CODES; i++) {
        const char *name = patch_code_name((enum patch_code)i);

        if (refusals->counts[i] == 0)
            continue;
        report_line(report, "  %zu refused: %s", refusals->counts[i], name);
        if (report->json)
            report_put(report, object, name, json_integer((json_int_t)refusals->counts[i]));
    }
    if (report->json)
        report_put(report, report->root, "refused", object);
}
