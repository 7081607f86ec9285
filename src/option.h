/* SPDX-License-Identifier: MIT
 *
 * The options, a row each: what is typed, what --help says, and what it sets. A verb lists the rows
 * that it takes, so help, parser and verb cannot disagree.
 */
#ifndef GREENIFY_OPTION_H
#define GREENIFY_OPTION_H

#include <stdbool.h>
#include <stddef.h>

struct settings;

struct option_row {
    char letter;          /* '\0': long form only */
    const char *name;     /* without the dashes; NULL: letter only */
    const char *argument; /* as help shows it; NULL: takes none */
    const char *help;
    /* `value` is borrowed for the life of the settings, NULL without an argument. Returns false
     * with a reason when it cannot be. */
    bool (*set)(struct settings *settings, const char *value, char *reason, size_t size);
};

extern const struct option_row option_output;
extern const struct option_row option_folder;
extern const struct option_row option_hooks;
extern const struct option_row option_runtime;
extern const struct option_row option_bss_limit;
extern const struct option_row option_allow_hard_links;
extern const struct option_row option_allow_overlay;
extern const struct option_row option_allow_signed;
extern const struct option_row option_no_new_segment;
extern const struct option_row option_deps;
extern const struct option_row option_revert;
extern const struct option_row option_strict;
extern const struct option_row option_unsign;
extern const struct option_row option_size_limit;
extern const struct option_row option_runtime_file;
extern const struct option_row option_runtime_run; /* the same for run */
extern const struct option_row option_library;
extern const struct option_row option_hub;
extern const struct option_row option_no_children;
extern const struct option_row option_dry_run;
extern const struct option_row option_load;
extern const struct option_row option_original;
extern const struct option_row option_json;
extern const struct option_row option_tap;
extern const struct option_row option_quiet;
extern const struct option_row option_verbose;
extern const struct option_row option_help;
extern const struct option_row option_version;

#endif
