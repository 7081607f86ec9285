/* SPDX-License-Identifier: MIT
 *
 * RECORD files of installed Python packages, kept true when files that they list are rewritten.
 */
#ifndef GREENIFY_INSTALLED_H
#define GREENIFY_INSTALLED_H

#include "patcher.h"
#include "transaction.h"
#include "walk.h"

#include <stdbool.h>
#include <stddef.h>

/* One RECORD that has to change. */
struct installed_record {
    const char *path; /* borrowed */
    size_t rows;      /* that changed */
    struct patch_change *change;
    bool written;
};

/* Plain data; all zero to begin with. */
struct installed {
    struct installed_record *records;
    size_t count;
    struct walk_list above; /* that installed_prepare_above() found */
};

/* Prepares a new version of each RECORD that lists a prepared file of the transaction, or one that
 * an earlier run patched before it was killed. A row that did not hold before is told and left
 * alone. False, after a message, when one cannot be read or written. Call installed_finish() in
 * either case. */
bool installed_prepare(struct installed *installed, const struct walk_list *records,
                       const struct transaction *transaction, const struct settings *settings);

/* The same with the RECORD files of the packages in whose folders the files are. */
bool installed_prepare_above(struct installed *installed, const struct transaction *transaction,
                             const struct settings *settings, struct report *report);

/* False, after a message, when one could not be renamed. */
bool installed_commit(struct installed *installed);

/* Which were written. */
void installed_report(const struct installed *installed, struct report *report);

/* Discards what was not committed. */
void installed_finish(struct installed *installed);

#endif
