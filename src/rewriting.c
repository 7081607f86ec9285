/* SPDX-License-Identifier: MIT
 *
 * Runs the transaction, then tells what became of each file.
 */
#include "rewriting.h"

#include "settings.h"

#include <stdio.h>

/* As --json names them. */
static const char *const state_names[] = {
    [TRANSACTION_FAILED] = "failed",       [TRANSACTION_NOTHING] = "nothing",
    [TRANSACTION_READY] = "planned",       [TRANSACTION_WRITTEN] = "written",
    [TRANSACTION_DISCARDED] = "discarded", [TRANSACTION_REPEATED] = "repeated",
};

const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

const char *rewriting_name(const struct transaction_file *file, char *text, size_t size)
{
    if (file->target == file->input)
        snprintf(text, size, "%s", file->input);
    else
        snprintf(text, size, "%s -> %s", file->input, file->target);
    return text;
}

static void put_report(struct report *report, json_t *object, const struct patch_report *facts)
{
    report_put(report, object, "machine", report_string(facts->machine));
    report_put(report, object, "layout", report_string(patch_layout_name(facts->layout)));
    report_put(report, object, "needed_slot", report_string(facts->needed_slot));
    report_put(report, object, "redirected", json_integer((json_int_t)facts->redirected));
    report_put(report, object, "relocations", json_integer((json_int_t)facts->relocations));
    report_put(report, object, "size_before", json_integer((json_int_t)facts->size_before));
    report_put(report, object, "size_after", json_integer((json_int_t)facts->size_after));
    report_put(report, object, "names",
               report_strings(facts->names, facts->names != NULL ? facts->redirected : 0));
}

static void add_json(struct report *report, const struct transaction_file *file)
{
    json_t *object = report_file(report, file->input);

    report_put(report, object, "output", report_string(file->target));
    report_put(report, object, "outcome", json_string(state_names[file->state]));
    if (file->state == TRANSACTION_FAILED)
        report_put(report, object, "error", report_failure(&file->error));
    else if (file->state != TRANSACTION_REPEATED)
        put_report(report, object, &file->report);
}

static void tell_file(struct report *report, const struct settings *settings,
                      const struct transaction_file *file, const struct rewriting *rewriting)
{
    switch (file->state) {
    case TRANSACTION_FAILED:
        message_failure(file->input, &file->error);
        break;
    case TRANSACTION_NOTHING:
        if (settings->verbosity >= 0)
            message(file->input, "nothing to do: %s", rewriting->nothing(&file->report));
        break;
    case TRANSACTION_READY:
    case TRANSACTION_WRITTEN:
        rewriting->describe(report, settings, file);
        break;
    case TRANSACTION_DISCARDED:
        report_line(report, "%s: left as it was, since another file failed", file->input);
        break;
    case TRANSACTION_REPEATED:
        report_detail(report, "%s: is another name of a file before it", file->input);
        break;
    }
    if (report->json)
        add_json(report, file);
}

static enum exit_status transaction_status(const struct transaction *transaction)
{
    if (transaction->interrupted || transaction_count(transaction, TRANSACTION_FAILED) > 0)
        return STATUS_FAULT;
    if (transaction_count(transaction, TRANSACTION_READY) > 0 ||
        transaction_count(transaction, TRANSACTION_WRITTEN) > 0)
        return STATUS_DONE;
    return STATUS_NOTHING;
}

enum exit_status rewriting_run(const struct settings *settings, const struct rewriting *rewriting)
{
    struct transaction transaction;
    struct report report;
    enum exit_status status;

    if (!transaction_init(&transaction, settings))
        return STATUS_FAULT;
    transaction_run(&transaction, settings, rewriting->prepare);
    status = transaction_status(&transaction);

    report_init(&report, rewriting->verb, settings);
    if (report.json)
        report_put(&report, report.root, "dry_run", json_boolean(settings->dry_run));
    for (size_t i = 0; i < transaction.count; i++)
        tell_file(&report, settings, &transaction.files[i], rewriting);
    if (transaction.interrupted)
        message(NULL, "interrupted, nothing was written");
    transaction_finish(&transaction);
    return report_finish(&report, status);
}
