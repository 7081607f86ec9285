/* SPDX-License-Identifier: MIT
 *
 * Runs the transaction, then tells what became of each file.
 */
#include "rewriting.h"

#include "installed.h"
#include "settings.h"

#include <stdio.h>

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

const char *rewriting_warning(const struct patch_report *facts, char *text, size_t size)
{
    if (facts->remaining > 0) {
        snprintf(
            text, size,
            "another tool edited it between two patches: what is given back has %zu function%s "
            "redirected still, and cannot be reverted further",
            facts->remaining, plural(facts->remaining));
        return text;
    }
    if (facts->layout != PATCH_LAYOUT_NEW_SEGMENT || facts->restored)
        return NULL;
    snprintf(text, size,
             "strip and objcopy would destroy it, as its program header table moved; strip the "
             "original (greenify revert) and patch again");
    return text;
}

void rewriting_put_warnings(struct report *report, json_t *object, const struct patch_report *facts)
{
    json_t *warnings = json_array();
    char text[REWRITING_WARNING];

    if (rewriting_warning(facts, text, sizeof(text)) != NULL)
        report_add(report, warnings, report_string(text));
    report_put(report, object, "warnings", warnings);
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

/* --- one file, by its state ------------------------------------------------------------------- */

/* What the text about a file is made from. */
struct telling {
    struct report *report;
    const struct settings *settings;
    const struct rewriting *rewriting;
};

static void tell_failed(const struct telling *telling, const struct transaction_file *file)
{
    (void)telling;
    message_failure(file->input, &file->error);
}

static void tell_nothing(const struct telling *telling, const struct transaction_file *file)
{
    if (telling->settings->verbosity >= (file->secondary ? 1 : 0))
        message(file->input, "nothing to do: %s", telling->rewriting->nothing(&file->report));
}

static void tell_done(const struct telling *telling, const struct transaction_file *file)
{
    telling->rewriting->describe(telling->report, telling->settings, file);
}

static void tell_discarded(const struct telling *telling, const struct transaction_file *file)
{
    report_line(telling->report, "%s: left as it was, since another file failed", file->input);
}

static void tell_repeated(const struct telling *telling, const struct transaction_file *file)
{
    report_detail(telling->report, "%s: is another name of a file before it", file->input);
}

static const struct {
    const char *name; /* as --json has it */
    void (*tell)(const struct telling *telling, const struct transaction_file *file);
    bool has_facts; /* whether the patcher's report is filled in */
} states[] = {
    [TRANSACTION_FAILED] = {"failed", tell_failed, false},
    [TRANSACTION_NOTHING] = {"nothing", tell_nothing, true},
    [TRANSACTION_READY] = {"planned", tell_done, true},
    [TRANSACTION_WRITTEN] = {"written", tell_done, true},
    [TRANSACTION_DISCARDED] = {"discarded", tell_discarded, true},
    [TRANSACTION_REPEATED] = {"repeated", tell_repeated, false},
};

void rewriting_put(struct report *report, const struct transaction_file *file)
{
    json_t *object = report_file(report, file->input);

    report_put(report, object, "output", report_string(file->target));
    report_put(report, object, "outcome", json_string(states[file->state].name));
    if (states[file->state].has_facts)
        put_report(report, object, &file->report);
    if (file->state == TRANSACTION_READY || file->state == TRANSACTION_WRITTEN)
        rewriting_put_warnings(report, object, &file->report);
    if (file->state == TRANSACTION_FAILED)
        report_put(report, object, "error", report_failure(&file->error));
}

/* --- the transaction -------------------------------------------------------------------------- */

static enum exit_status transaction_status(const struct transaction *transaction)
{
    if (transaction->interrupted || transaction_count(transaction, TRANSACTION_FAILED) > 0)
        return STATUS_FAULT;
    if (transaction_count(transaction, TRANSACTION_READY) > 0 ||
        transaction_count(transaction, TRANSACTION_WRITTEN) > 0)
        return STATUS_DONE;
    return STATUS_NOTHING;
}

void rewriting_tell(struct report *report, const struct settings *settings,
                    const struct rewriting *rewriting, const struct transaction_file *file)
{
    const struct telling telling = {report, settings, rewriting};

    states[file->state].tell(&telling, file);
}

static void report_all(struct report *report, const struct settings *settings,
                       const struct rewriting *rewriting, const struct transaction *transaction)
{
    for (size_t i = 0; i < transaction->count; i++) {
        rewriting_tell(report, settings, rewriting, &transaction->files[i]);
        if (report->json)
            rewriting_put(report, &transaction->files[i]);
    }
    if (transaction->interrupted)
        message(NULL, "interrupted, nothing was written");
}

/* The files, or with --deps all that they need. */
static bool begin(struct deps *deps, struct transaction *transaction,
                  const struct settings *settings, const struct rewriting *rewriting,
                  struct report *report)
{
    *deps = (struct deps){0};
    if (!settings->deps)
        return transaction_init(transaction, settings, report);
    if (!deps_find(deps, settings, report))
        return false;
    rewriting->choose(deps, settings);
    return deps_transaction(deps, settings, transaction, report);
}

/* RECORD is the last to be patched and the first to be reverted: then a run that is killed leaves
 * what greenify tree can set right. */
static bool commit_all(struct transaction *transaction, struct installed *installed,
                       const struct rewriting *rewriting)
{
    if (rewriting == &rewriting_revert) {
        if (!installed_commit(installed)) {
            transaction_discard(transaction);
            return false;
        }
        transaction_commit(transaction);
        return true;
    }
    transaction_commit(transaction);
    return transaction_count(transaction, TRANSACTION_FAILED) > 0 || installed_commit(installed);
}

/* All files and the lists of the packages that they belong to, or nothing. */
static bool write_all(struct transaction *transaction, struct installed *installed,
                      const struct settings *settings, const struct rewriting *rewriting,
                      struct report *report)
{
    struct transaction_hold hold;
    bool done = true;

    transaction_prepare_all(transaction, settings, rewriting->prepare, &hold);
    if (transaction->interrupted || transaction_count(transaction, TRANSACTION_FAILED) > 0) {
        transaction_discard(transaction);
    } else if (!settings->dry_run) {
        done = installed_prepare_above(installed, transaction, settings, report);
        if (done)
            done = commit_all(transaction, installed, rewriting);
        else
            transaction_discard(transaction);
    }
    transaction_release(&hold);
    return done;
}

enum exit_status rewriting_run(const struct settings *settings, const struct rewriting *rewriting)
{
    enum exit_status status = STATUS_FAULT;
    struct installed installed = {0};
    struct transaction transaction;
    struct report report;
    struct deps deps;
    bool written;

    report_init(&report, rewriting->verb, settings);
    if (report.json) {
        report_put(&report, report.root, "dry_run", json_boolean(settings->dry_run));
        report_put(&report, report.root, "files", json_array());
    }
    if (!begin(&deps, &transaction, settings, rewriting, &report))
        goto out;
    written = write_all(&transaction, &installed, settings, rewriting, &report);
    status = written ? transaction_status(&transaction) : STATUS_FAULT;
    report_all(&report, settings, rewriting, &transaction);
    installed_report(&installed, &report);
    if (!settings->dry_run && !deps_link_aliases(&deps, settings, &transaction))
        status = STATUS_FAULT;
    installed_finish(&installed);
    transaction_finish(&transaction);
out:
    deps_finish(&deps);
    return report_finish(&report, status);
}
