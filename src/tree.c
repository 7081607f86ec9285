/* SPDX-License-Identifier: MIT
 *
 * greenify tree: every ELF file below a folder, as one transaction, and the RECORD files that list
 * them.
 */
#include "command.h"

#include "installed.h"
#include "option.h"
#include "refusals.h"
#include "rewriting.h"
#include "settings.h"
#include "walk.h"

#include <sys/resource.h>

/* One call under way. */
struct tree {
    const struct settings *settings;
    const struct rewriting *rewriting;
    struct report report;
    struct walk walk;
    struct transaction transaction;
    struct installed installed;
    struct refusals refusals;
    bool failed; /* nothing may be written, or not all was */
};

/* --- the transaction -------------------------------------------------------------------------- */

/* Every prepared file holds two descriptors until the end. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit); /* what remains too small fails where it is used up */
    }
}

static bool add_files(struct tree *tree)
{
    const struct walk_list *libraries = &tree->walk.libraries;

    if (!transaction_begin(&tree->transaction, tree->settings, libraries->count, &tree->report))
        return false;
    for (size_t i = 0; i < libraries->count; i++) {
        if (!transaction_add(&tree->transaction, tree->settings, libraries->paths[i], NULL,
                             &tree->report))
            return false;
        tree->transaction.files[i].secondary = true;
    }
    return true;
}

static void count_refusals(struct tree *tree)
{
    for (size_t i = 0; i < tree->transaction.count; i++) {
        const struct transaction_file *file = &tree->transaction.files[i];

        if (file->state != TRANSACTION_FAILED)
            continue;
        refusals_take(&tree->refusals, tree->settings, file->input, &file->error);
        tree->failed |= refusals_fail_all(tree->settings, &file->error);
    }
}

/* Whatever the moment of a kill, the next run must find how to set RECORD right: for a patched file
 * from its undo record, for an original not at all. So RECORD is the last to be patched and the
 * first to be reverted. */
static void commit(struct tree *tree)
{
    size_t failed = transaction_count(&tree->transaction, TRANSACTION_FAILED);

    if (tree->settings->revert && !installed_commit(&tree->installed)) {
        transaction_discard(&tree->transaction);
        tree->failed = true;
        return;
    }
    transaction_commit(&tree->transaction);
    for (size_t i = 0; i < tree->transaction.count; i++) {
        const struct transaction_file *file = &tree->transaction.files[i];

        /* A rename that failed; the refusals were told before. */
        if (transaction_count(&tree->transaction, TRANSACTION_FAILED) > failed &&
            file->state == TRANSACTION_FAILED && file->error.code == PATCH_SYSTEM)
            message_failure(file->input, &file->error);
    }
    tree->failed |= transaction_count(&tree->transaction, TRANSACTION_FAILED) > failed;
    if (!tree->settings->revert && !tree->failed)
        tree->failed = !installed_commit(&tree->installed);
}

static void run_transaction(struct tree *tree)
{
    struct transaction_hold hold;

    transaction_prepare_all(&tree->transaction, tree->settings, tree->rewriting->prepare, &hold);
    count_refusals(tree);
    tree->failed |= tree->transaction.interrupted;
    if (!tree->failed && !tree->settings->dry_run)
        tree->failed = !installed_prepare(&tree->installed, &tree->walk.records, &tree->transaction,
                                          tree->settings);
    if (tree->failed)
        transaction_discard(&tree->transaction);
    else if (!tree->settings->dry_run)
        commit(tree);
    transaction_release(&hold);
}

/* --- the report ------------------------------------------------------------------------------- */

static size_t count_changed(const struct tree *tree)
{
    return transaction_count(&tree->transaction, TRANSACTION_WRITTEN) +
           transaction_count(&tree->transaction, TRANSACTION_READY);
}

/* Refusals have been told. */
static void report_files(struct report *report, const struct tree *tree)
{
    for (size_t i = 0; i < tree->transaction.count; i++) {
        const struct transaction_file *file = &tree->transaction.files[i];

        if (report->json)
            rewriting_put(report, file);
        else if (file->state != TRANSACTION_FAILED)
            rewriting_tell(report, tree->settings, tree->rewriting, file);
    }
}

static void report_counts(struct report *report, const struct tree *tree)
{
    const struct transaction *transaction = &tree->transaction;
    size_t nothing = transaction_count(transaction, TRANSACTION_NOTHING);

    report_line(report, "%s: %zu ELF file%s, %zu %s, %zu with nothing to do, %zu refused",
                tree->settings->files[0], transaction->count, plural(transaction->count),
                count_changed(tree), tree->settings->dry_run ? "would be rewritten" : "rewritten",
                nothing, tree->refusals.total);
    refusals_report(report, &tree->refusals);
    if (tree->failed)
        message(tree->settings->files[0], "%s",
                transaction_count(transaction, TRANSACTION_WRITTEN) > 0
                    ? "not all was written; see above"
                    : "nothing was written");
}

static void begin_report(struct tree *tree)
{
    struct report *report = &tree->report;

    report_init(report, "tree", tree->settings);
    if (!report->json)
        return;
    report_put(report, report->root, "dry_run", json_boolean(tree->settings->dry_run));
    report_put(report, report->root, "files", json_array());
    report_put(report, report->root, "records", json_array());
}

static enum exit_status report_tree(struct tree *tree)
{
    report_files(&tree->report, tree);
    installed_report(&tree->installed, &tree->report);
    report_counts(&tree->report, tree);
    if (tree->failed)
        return STATUS_FAULT;
    return count_changed(tree) > 0 || tree->installed.count > 0 ? STATUS_DONE : STATUS_NOTHING;
}

static enum exit_status run(const struct settings *settings)
{
    struct tree tree = {
        .settings = settings,
        .rewriting = settings->revert ? &rewriting_revert : &rewriting_patch,
    };
    enum exit_status status = STATUS_FAULT;

    if (settings->file_count != 1) {
        message(NULL, "tree takes one folder");
        return STATUS_USAGE;
    }
    raise_descriptor_limit();
    begin_report(&tree);
    if (walk_folder(&tree.walk, settings->files[0], &tree.report) && add_files(&tree)) {
        run_transaction(&tree);
        status = report_tree(&tree);
    }
    installed_finish(&tree.installed);
    transaction_finish(&tree.transaction);
    walk_finish(&tree.walk);
    return report_finish(&tree.report, status);
}

static const struct option_row *const options[] = {
    &option_revert,         &option_strict,
    &option_hooks,          &option_runtime,
    &option_bss_limit,      &option_allow_hard_links,
    &option_allow_overlay,  &option_allow_signed,
    &option_no_new_segment, &option_dry_run,
    &option_json,           &option_quiet,
    &option_verbose,        &option_help,
    &option_version,        NULL,
};

const struct command command_tree = {"tree", "DIR", "rewrite every library below a folder", options,
                                     run};
