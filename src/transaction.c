/* SPDX-License-Identifier: MIT
 *
 * All or none: the order in which several files are prepared and written.
 */
#include "transaction.h"

#include "progress.h"
#include "report.h"
#include "settings.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- targets ---------------------------------------------------------------------------------- */

/* -o and -d promise that the input stays: a target that is the input would break that. What a
 * symbolic link as target leads to is what would be replaced, so it is followed. */
static bool is_same_file(const char *input, const char *target)
{
    struct stat from;
    struct stat to;

    return stat(input, &from) == 0 && stat(target, &to) == 0 && from.st_dev == to.st_dev &&
           from.st_ino == to.st_ino;
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static bool name_target(struct transaction_file *file, const struct settings *settings,
                        const char *name, struct report *report)
{
    file->target = file->input;
    if (settings->output != NULL) {
        file->target = settings->output;
        return true;
    }
    if (settings->folder == NULL) {
        file->resolved = realpath(file->input, NULL); /* what fails here fails again in prepare */
        return true;
    }
    if (asprintf(&file->joined, "%s/%s", settings->folder,
                 name != NULL ? name : last_component(file->input)) < 0) {
        file->joined = NULL;
        return report_stop(report, NULL, PATCH_MEMORY, "out of memory");
    }
    file->target = file->joined;
    return true;
}

/* A link in the folder of -d may lead to what another input is written to. */
static bool lead_to_one(const char *target, const char *other)
{
    char *path = is_same_file(target, other) ? realpath(target, NULL) : NULL;
    char *other_path = path != NULL ? realpath(other, NULL) : NULL;
    bool one = other_path != NULL && strcmp(path, other_path) == 0;

    free(path);
    free(other_path);
    return one;
}

/* `libx.so*` names a library and the links to it: in place that is one file, but as copies the same
 * name twice would lose one. */
static bool compare_targets(const struct transaction *transaction, struct transaction_file *file,
                            struct report *report)
{
    for (const struct transaction_file *other = transaction->files; other < file; other++) {
        if (file->resolved != NULL && other->resolved != NULL &&
            strcmp(file->resolved, other->resolved) == 0)
            file->state = TRANSACTION_REPEATED;
        if (file->joined != NULL &&
            (strcmp(file->joined, other->joined) == 0 || lead_to_one(file->joined, other->joined)))
            return report_stop(report, file->input, PATCH_TARGET,
                               "would be written to %s, as %s is", file->joined, other->input);
    }
    return true;
}

/* Renaming would put a file in the place of /dev/null, or fail over a folder after others were
 * written. */
static bool is_special(const char *target)
{
    struct stat status;

    return stat(target, &status) == 0 && !S_ISREG(status.st_mode);
}

static bool check_target(const struct transaction *transaction, struct transaction_file *file,
                         struct report *report)
{
    if (file->target != file->input && is_same_file(file->input, file->target))
        return report_stop(report, file->input, PATCH_TARGET,
                           "is the file that the copy would go to, %s", file->target);
    if (file->target != file->input && is_special(file->target))
        return report_stop(report, file->target, PATCH_TARGET, "exists and is no regular file");
    return compare_targets(transaction, file, report);
}

bool transaction_begin(struct transaction *transaction, const struct settings *settings,
                       size_t capacity, struct report *report)
{
    *transaction = (struct transaction){.capacity = capacity};
    if (!settings_places_serve(settings, report))
        return false;
    transaction->files = calloc(capacity + 1, sizeof(*transaction->files));
    return transaction->files != NULL || report_stop(report, NULL, PATCH_MEMORY, "out of memory");
}

bool transaction_add(struct transaction *transaction, const struct settings *settings,
                     const char *input, const char *name, struct report *report)
{
    struct transaction_file *file = &transaction->files[transaction->count++];

    file->input = input;
    file->state = TRANSACTION_READY;
    return name_target(file, settings, name, report) && check_target(transaction, file, report);
}

bool transaction_init(struct transaction *transaction, const struct settings *settings,
                      struct report *report)
{
    if (!transaction_begin(transaction, settings, settings->file_count, report))
        return false;
    for (size_t i = 0; i < settings->file_count; i++) {
        if (!transaction_add(transaction, settings, settings->files[i], NULL, report)) {
            transaction_finish(transaction);
            return false;
        }
    }
    return true;
}

void transaction_finish(struct transaction *transaction)
{
    for (size_t i = 0; i < transaction->count; i++) {
        struct transaction_file *file = &transaction->files[i];

        patch_discard(file->change);
        patch_report_finish(&file->report);
        free(file->resolved);
        free(file->joined);
    }
    free(transaction->files);
    *transaction = (struct transaction){0};
}

/* --- signals ---------------------------------------------------------------------------------- */

/* Those that end us now: a signal that the parent chose to ignore (nohup) goes on being ignored. */
static sigset_t ending_signals(void)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction action;

        if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&set, signals[i]);
    }
    return set;
}

static bool is_interrupted(const sigset_t *ending)
{
    sigset_t pending;

    sigpending(&pending);
    sigandset(&pending, &pending, ending);
    return !sigisemptyset(&pending);
}

void transaction_hold_signals(struct transaction_hold *hold)
{
    hold->ending = ending_signals();
    sigprocmask(SIG_BLOCK, &hold->ending, &hold->before);
}

bool transaction_was_interrupted(const struct transaction_hold *hold)
{
    return is_interrupted(&hold->ending);
}

void transaction_release(const struct transaction_hold *hold)
{
    sigprocmask(SIG_SETMASK, &hold->before, NULL);
}

/* --- all or none ------------------------------------------------------------------------------ */

/* A copy that goes with others is made even where nothing in it has to change. */
static void prepare_copy(struct transaction_file *file, const struct settings *settings,
                         const struct patch_options *options)
{
    file->state = TRANSACTION_READY;
    if (!settings->dry_run &&
        !patch_prepare_copy(file->input, file->target, options, &file->change, &file->error))
        file->state = TRANSACTION_FAILED;
}

static void prepare_file(struct transaction_file *file, const struct settings *settings,
                         transaction_prepare *prepare)
{
    static const enum transaction_state states[] = {
        [PATCH_FAILED] = TRANSACTION_FAILED,
        [PATCH_NOTHING] = TRANSACTION_NOTHING,
        [PATCH_READY] = TRANSACTION_READY,
    };
    static const char *const none[] = {NULL};
    struct patch_options options = settings_patch_options(settings);
    const char *output = file->target == file->input ? NULL : file->target;

    options.runpath = file->runpath;
    if (file->copied)
        options.functions = none;
    file->state =
        states[prepare(file->input, output, &options, settings->dry_run ? NULL : &file->change,
                       &file->report, &file->error)];
    if (file->state == TRANSACTION_NOTHING && file->runpath != NULL && output != NULL)
        prepare_copy(file, settings, &options);
}

void transaction_discard(struct transaction *transaction)
{
    for (size_t i = 0; i < transaction->count; i++) {
        struct transaction_file *file = &transaction->files[i];

        if (file->state != TRANSACTION_READY)
            continue;
        patch_discard(file->change);
        file->change = NULL;
        file->state = TRANSACTION_DISCARDED;
    }
}

/* A disk that is full or broken may tell so only here, while there is nothing to take back. It has
 * been writing since each file was prepared. */
static bool sync_all(struct transaction *transaction)
{
    for (size_t i = 0; i < transaction->count; i++) {
        struct transaction_file *file = &transaction->files[i];

        if (file->state != TRANSACTION_READY || patch_sync(file->change, &file->error))
            continue;
        patch_discard(file->change);
        file->change = NULL;
        file->state = TRANSACTION_FAILED;
        return false;
    }
    return true;
}

/* A rename that fails when all was prepared in its folder is rare; what was written before it stays
 * written, and the report says so. */
void transaction_commit(struct transaction *transaction)
{
    if (!sync_all(transaction)) {
        transaction_discard(transaction);
        return;
    }
    for (size_t i = 0; i < transaction->count; i++) {
        struct transaction_file *file = &transaction->files[i];

        if (file->state != TRANSACTION_READY)
            continue;
        file->state =
            patch_commit(file->change, &file->error) ? TRANSACTION_WRITTEN : TRANSACTION_FAILED;
        file->change = NULL;
        if (file->state == TRANSACTION_FAILED) {
            transaction_discard(transaction);
            return;
        }
    }
}

/* What stops one file stops each that follows in the same way. */
static bool is_exhausted(const struct transaction_file *file)
{
    int number = file->error.system_error;

    return file->state == TRANSACTION_FAILED && file->error.code == PATCH_SYSTEM &&
           (number == EMFILE || number == ENFILE || number == ENOSPC || number == EDQUOT);
}

void transaction_prepare_all(struct transaction *transaction, const struct settings *settings,
                             transaction_prepare *prepare, struct transaction_hold *hold)
{
    struct progress progress = progress_begin(settings, transaction->count);

    transaction_hold_signals(hold);
    for (size_t i = 0; i < transaction->count && !transaction->interrupted; i++) {
        progress_show(&progress, i, transaction->files[i].input);
        if (transaction->files[i].state == TRANSACTION_READY)
            prepare_file(&transaction->files[i], settings, prepare);
        transaction->interrupted = is_interrupted(&hold->ending);
        if (is_exhausted(&transaction->files[i]))
            break;
    }
    progress_end(&progress);
}

void transaction_run(struct transaction *transaction, const struct settings *settings,
                     transaction_prepare *prepare)
{
    struct transaction_hold hold;

    transaction_prepare_all(transaction, settings, prepare, &hold);
    if (transaction->interrupted || transaction_count(transaction, TRANSACTION_FAILED) > 0)
        transaction_discard(transaction);
    else if (!settings->dry_run)
        transaction_commit(transaction);
    transaction_release(&hold);
}

size_t transaction_count(const struct transaction *transaction, enum transaction_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < transaction->count; i++)
        count += transaction->files[i].state == state;
    return count;
}
