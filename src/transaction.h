/* SPDX-License-Identifier: MIT
 *
 * All the files of one call: every one is prepared before the first is written, and none is written
 * when one fails or a signal asks us to end. SIGHUP, SIGINT, SIGQUIT and SIGTERM wait in between,
 * so no temporary file outlives the command.
 */
#ifndef GREENIFY_TRANSACTION_H
#define GREENIFY_TRANSACTION_H

#include "patcher.h"

#include <stdbool.h>
#include <stddef.h>

struct settings;

/* patch_prepare() or patch_prepare_revert(). */
typedef enum patch_outcome transaction_prepare(const char *input, const char *output,
                                               const struct patch_options *options,
                                               struct patch_change **change,
                                               struct patch_report *report,
                                               struct patch_error *error);

enum transaction_state {
    TRANSACTION_FAILED,  /* see the error */
    TRANSACTION_NOTHING, /* nothing to do for this file */
    TRANSACTION_READY,   /* prepared; after a dry run: would be written */
    TRANSACTION_WRITTEN,
    TRANSACTION_DISCARDED, /* prepared, but left as it was since another file failed */
    TRANSACTION_REPEATED,  /* another name of a file that stands before it */
};

struct transaction_file {
    const char *input;  /* borrowed from the settings */
    const char *target; /* what is written: -o, DIR/name or `input`; owned by the transaction */
    enum transaction_state state;
    struct patch_report report; /* in all states but failed and repeated */
    struct patch_error error;   /* when failed */
    struct patch_change *change;
    char *resolved; /* path that an in-place change will replace; NULL for a copy */
    char *joined;   /* DIR/name, or NULL */
};

struct transaction {
    struct transaction_file *files;
    size_t count;
    bool interrupted; /* a signal came that should have ended us, but did not */
};

/* Names the targets. False, after a message, when they cannot be: -d is no folder, two inputs would
 * become one file, no memory. */
bool transaction_init(struct transaction *transaction, const struct settings *settings);
void transaction_finish(struct transaction *transaction);

/* Prepares all, then writes all or discards all. Does not return when a signal ended the process,
 * which happens after the temporary files are gone. */
void transaction_run(struct transaction *transaction, const struct settings *settings,
                     transaction_prepare *prepare);

/* How many files are in this state. */
size_t transaction_count(const struct transaction *transaction, enum transaction_state state);

#endif
