/* SPDX-License-Identifier: MIT
 *
 * The second pass over a wheel: everything goes into a new archive, libraries patched on the way,
 * then the runtime and a RECORD that tells the truth about all of it.
 */
#ifndef GREENIFY_WHEEL_COPY_H
#define GREENIFY_WHEEL_COPY_H

#include "refusals.h"
#include "transaction.h"
#include "wheel_list.h"

struct passage;

/* One library that was patched. */
struct wheel_member {
    char *name;
    struct patch_report report;
};

struct wheel_copy {
    const struct settings *settings;
    struct wheel_list *list;
    const char *folder;                  /* for what is under way */
    const struct transaction_hold *hold; /* of signals that shall end it */
    struct passage *passage;             /* while it runs */
    struct wheel_member *members;
    size_t count;
    struct refusals refusals;
    struct patch_closure *runtime; /* what is put in beside them, once one was patched */
    const char *machine;           /* of the runtime; static storage */
    char **added;                  /* names of what was put in */
    size_t added_count;
    time_t time; /* of the entries that are put in */
};

/* Writes the new archive to `output`. False and the error when that cannot be; copy->count is 0
 * when nothing was to be patched, and the archive of no use. Call wheel_copy_finish() in either
 * case. */
bool wheel_copy_run(struct wheel_copy *copy, const char *input, const char *output,
                    struct patch_error *error);
void wheel_copy_finish(struct wheel_copy *copy);

#endif
