/* SPDX-License-Identifier: MIT
 *
 * What patch and revert have in common: a transaction over the files, and the report of it.
 */
#ifndef GREENIFY_REWRITING_H
#define GREENIFY_REWRITING_H

#include "command.h"
#include "deps.h"
#include "report.h"
#include "transaction.h"

/* Where the two differ. */
struct rewriting {
    const char *verb;
    transaction_prepare *prepare;
    /* Which of the libraries that --deps finds this is about. */
    void (*choose)(struct deps *deps, const struct settings *settings);
    /* Why there was nothing to do, for the message. */
    const char *(*nothing)(const struct patch_report *report);
    /* The text about a file that was written, or would be (`file->state` tells). */
    void (*describe)(const struct report *report, const struct settings *settings,
                     const struct transaction_file *file);
};

/* The line about one file of a transaction that was run; and its object in "files", for JSON. */
void rewriting_tell(struct report *report, const struct settings *settings,
                    const struct rewriting *rewriting, const struct transaction_file *file);
void rewriting_put(struct report *report, const struct transaction_file *file);

/* The reporting halves of patch and revert, for verbs that do the same to many files. */
extern const struct rewriting rewriting_patch;
extern const struct rewriting rewriting_revert;

enum exit_status rewriting_run(const struct settings *settings, const struct rewriting *rewriting);

/* "FILE", or "FILE -> COPY" for a copy, into `text`, cut to `size`. Returns `text`. */
const char *rewriting_name(const struct transaction_file *file, char *text, size_t size);

/* What the user of the new file has to know, put into `text`; or NULL. */
enum { REWRITING_WARNING = 256 };
const char *rewriting_warning(const struct patch_report *facts, char *text, size_t size);
void rewriting_put_warnings(struct report *report, json_t *object,
                            const struct patch_report *facts);

/* "s" where `count` wants the plural. */
const char *plural(size_t count);

#endif
