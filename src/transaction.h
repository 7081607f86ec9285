/* SPDX-License-Identifier: MIT
 *
 * All the files of one call: every one is prepared before the first is written, and none is written
 * when one fails or a signal asks us to end. SIGHUP, SIGINT, SIGQUIT and SIGTERM wait in between,
 * so no temporary file outlives the command.
 */
#ifndef GREENIFY_TRANSACTION_H
#define GREENIFY_TRANSACTION_H

#include "patcher.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct report;
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
    const char *input;  /* borrowed, as from the settings */
    const char *target; /* what is written: -o, DIR/name or `input`; owned by the transaction */
    enum transaction_state state;
    struct patch_report report; /* in all states but failed and repeated */
    struct patch_error error;   /* when failed */
    struct patch_change *change;
    const char *runpath; /* folder to look into first, for this file; borrowed, or NULL */
    bool copied;         /* only put beside the others: nothing in it is redirected */
    bool secondary;      /* not named by the user: nobody misses it if there is nothing to do */
    char *resolved;      /* path that an in-place change will replace; NULL for a copy */
    char *joined;        /* DIR/name, or NULL */
};

struct transaction {
    struct transaction_file *files;
    size_t count;
    size_t capacity;
    bool interrupted; /* a signal came that should have ended us, but did not */
};

/* Names the targets. False, and the report is told why, when they cannot be: -d is no folder, two
 * inputs would become one file, no memory. */
bool transaction_init(struct transaction *transaction, const struct settings *settings,
                      struct report *report);
void transaction_finish(struct transaction *transaction);

/* The same in steps: an empty transaction with room for `capacity` files, and one more file, whose
 * copy is called `name` in the folder of -d (NULL: as the input is). The new file is the last of
 * transaction->files. Strings are borrowed. */
bool transaction_begin(struct transaction *transaction, const struct settings *settings,
                       size_t capacity, struct report *report);
bool transaction_add(struct transaction *transaction, const struct settings *settings,
                     const char *input, const char *name, struct report *report);

/* Prepares all, then writes all or discards all. Does not return when a signal ended the process,
 * which happens after the temporary files are gone. */
void transaction_run(struct transaction *transaction, const struct settings *settings,
                     transaction_prepare *prepare);

/* The same in steps, with signals held from the first to the last. A caller that has more to write
 * looks at the prepared files in between, and may give up: then all are discarded. */
struct transaction_hold {
    sigset_t ending;
    sigset_t before;
};
void transaction_hold_signals(struct transaction_hold *hold);
bool transaction_was_interrupted(const struct transaction_hold *hold);
void transaction_prepare_all(struct transaction *transaction, const struct settings *settings,
                             transaction_prepare *prepare, struct transaction_hold *hold);
void transaction_discard(struct transaction *transaction);
void transaction_commit(struct transaction *transaction);
void transaction_release(const struct transaction_hold *hold);

/* How many files are in this state. */
size_t transaction_count(const struct transaction *transaction, enum transaction_state state);

#endif
