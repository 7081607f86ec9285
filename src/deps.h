/* SPDX-License-Identifier: MIT
 *
 * The files of one call together with the libraries that they need: which of them a verb is about,
 * and what each must be called in a folder of copies.
 */
#ifndef GREENIFY_DEPS_H
#define GREENIFY_DEPS_H

#include "patcher.h"
#include "transaction.h"

#include <stdbool.h>
#include <stddef.h>

struct report;
struct settings;

/* One file, however many ask for it. */
struct deps_file {
    const char *path; /* borrowed from a closure */
    char *real;       /* its symbolic links resolved */
    const char *name; /* that the loader asks for; borrowed from a closure */
    char **aliases;   /* further names that it is asked for by, owned, and the names in it too */
    size_t alias_count;
    size_t functions; /* chosen ones that it imports */
    bool named;       /* by the user */
    bool exempt;      /* libc, the runtime and the like */
    bool chosen;      /* the verb is about it */
    bool leads;       /* it needs one of the chosen files */
    bool fixed;       /* found by DT_RPATH or a path, which LD_LIBRARY_PATH cannot change */
};

struct deps {
    struct patch_closure **closures; /* one for each file of the settings, in order */
    size_t closure_count;
    struct deps_file *files;
    size_t count;
    struct patch_closure *runtime; /* of the runtime that goes beside the copies, or NULL */
};

/* Finds the closure of every file and lists the files. Libraries that are missing are told on
 * stderr. False, and the report is told why, when a file of the user's cannot be read. */
bool deps_find(struct deps *deps, const struct settings *settings, struct report *report);
void deps_finish(struct deps *deps);

/* Chooses: those that import a chosen function, and the user's own where none does. */
void deps_choose_hooked(struct deps *deps);
/* All but those that are never patched. */
void deps_choose_all(struct deps *deps);

/* Tells which chosen files the loader would not replace by copies in a folder. */
void deps_tell_fixed(const struct deps *deps);

/* Chooses for copies that shall work by themselves: also those on the way to the hooked ones, which
 * get a run path. Looks for the runtime, which goes beside them. */
void deps_choose_standing_alone(struct deps *deps, const struct settings *settings);

/* A transaction of the chosen files. False, and the report is told why, when it cannot be. */
bool deps_transaction(const struct deps *deps, const struct settings *settings,
                      struct transaction *transaction, struct report *report);

/* Links in the folder of -d for names that differ from those of the files. False after a message.
 */
bool deps_link_aliases(const struct deps *deps, const struct settings *settings,
                       const struct transaction *transaction);

#endif
