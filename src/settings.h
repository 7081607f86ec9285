/* SPDX-License-Identifier: MIT
 *
 * What the command line asks for.
 */
#ifndef GREENIFY_SETTINGS_H
#define GREENIFY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "patcher.h"

struct command;
struct hooklist;
struct report;

#define SETTINGS_PREFIX  "greenify_"
#define SETTINGS_RUNTIME "libgreen.so.1"

/* Strings are borrowed from argv. */
struct settings {
    const char *output;     /* -o, or NULL */
    const char *folder;     /* -d, or NULL */
    struct hooklist *hooks; /* owned */
    bool hooks_given;       /* by the user, not by default */
    const char *runtime;
    uint64_t bss_limit; /* 0: the patcher's own */
    bool allow_hard_links;
    bool allow_overlay;
    bool allow_signed;
    bool no_new_segment;
    bool deps;                /* also the libraries that the files need */
    bool revert;              /* tree: give the originals back */
    bool strict;              /* tree: one refusal fails all */
    bool unsign;              /* wheel: drop signatures */
    uint64_t size_limit;      /* wheel: most bytes that it may unpack to; 0: the default */
    char **libraries; /* run: those to redirect, ended by NULL; owned, the names are not. NULL: all */
    size_t library_count;
    bool hub;                 /* run: the program has one */
    bool alone;               /* run: the programs that it starts are left alone */
    const char *runtime_file; /* the library to put into a package, or NULL: looked for */
    bool dry_run;
    bool load;
    const char *original; /* verify: file or folder to compare with, or NULL */
    bool json;
    bool tap; /* verify: results for a test harness */
    bool help;
    bool version;
    int verbosity; /* -1 quiet, 0, 1 verbose */
    char **files;
    size_t file_count;
};

/* Reads argv (whose first entry is ignored) by the options of `command`. What is wrong goes to
 * stderr. Call settings_finish() in either case. */
bool settings_parse(struct settings *settings, const struct command *command, int argc,
                    char **argv);
void settings_finish(struct settings *settings);

void settings_print_help(const struct command *command);

/* The part that the patcher needs; borrows from `settings`. */
struct patch_options settings_patch_options(const struct settings *settings);

/* Whether -d is a folder, and -o is none; if not, tells the report. */
bool settings_places_serve(const struct settings *settings, struct report *report);

#endif
