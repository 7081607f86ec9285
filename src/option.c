/* SPDX-License-Identifier: MIT
 *
 * Each option's row, behind the function that sets it.
 */
#include "option.h"

#include "hooklist.h"
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool not_empty(const char *value, char *reason, size_t size)
{
    if (value[0] != '\0')
        return true;
    snprintf(reason, size, "needs a name");
    return false;
}

static bool set_output(struct settings *settings, const char *value, char *reason, size_t size)
{
    settings->output = value;
    return not_empty(value, reason, size);
}

const struct option_row option_output = {
    'o', NULL, "FILE", "write the result to FILE and leave the input as it is", set_output};

static bool set_folder(struct settings *settings, const char *value, char *reason, size_t size)
{
    settings->folder = value;
    return not_empty(value, reason, size);
}

const struct option_row option_folder = {
    'd', NULL, "DIR", "write the results into the folder DIR and leave the inputs as they are",
    set_folder};

static bool set_hooks(struct settings *settings, const char *value, char *reason, size_t size)
{
    hooklist_destroy(settings->hooks);
    settings->hooks = hooklist_parse(value, reason, size);
    settings->hooks_given = true;
    return settings->hooks != NULL;
}

const struct option_row option_hooks = {
    '\0', "hooks", "LIST",
    "groups and functions, separated by commas; -NAME removes one\n"
    "(default " HOOKLIST_DEFAULT ")",
    set_hooks};

static bool has_control_character(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    }
    return false;
}

/* A relative path would be looked up from whatever folder the program happens to run in. */
static bool set_runtime(struct settings *settings, const char *value, char *reason, size_t size)
{
    settings->runtime = value;
    if (!not_empty(value, reason, size))
        return false;
    if (has_control_character(value)) {
        snprintf(reason, size, "the name contains a control character");
        return false;
    }
    if (strchr(value, '/') != NULL && value[0] != '/' && strncmp(value, "$ORIGIN/", 8) != 0) {
        snprintf(reason, size, "'%s' is neither a plain name, an absolute path nor $ORIGIN/...",
                 value);
        return false;
    }
    return true;
}

const struct option_row option_runtime = {
    '\0', "runtime", "NAME",
    "library that the calls go to: a soname, an absolute path or $ORIGIN/...\n"
    "(default " SETTINGS_RUNTIME ")",
    set_runtime};

/* How far "K", "M" and "G" shift; -1 for what is no suffix. */
static int suffix_shift(const char *suffix)
{
    static const char letters[] = "KMG";
    const char *letter;

    if (suffix[0] == '\0')
        return 0;
    letter = strchr(letters, suffix[0]);
    if (letter == NULL || suffix[1] != '\0')
        return -1;
    return 10 * (int)(letter - letters + 1);
}

static bool parse_size(const char *value, uint64_t *bytes, char *reason, size_t size)
{
    char *end;
    unsigned long long number;
    int shift;

    errno = 0;
    number = strtoull(value, &end, 10);
    shift = suffix_shift(end);
    /* strtoull() takes signs and blanks, which no size begins with. */
    if (value[0] < '0' || value[0] > '9' || errno != 0 || shift < 0 || number == 0 ||
        number > UINT64_MAX >> shift) {
        snprintf(reason, size, "'%s' is no size: a number above 0, with K, M or G at most", value);
        return false;
    }
    *bytes = (uint64_t)number << shift;
    return true;
}

static bool set_bss_limit(struct settings *settings, const char *value, char *reason, size_t size)
{
    return parse_size(value, &settings->bss_limit, reason, size);
}

const struct option_row option_bss_limit = {
    '\0', "bss-limit", "SIZE",
    "most zero bytes of .bss that may be written into the file (default 64M)", set_bss_limit};

static bool set_size_limit(struct settings *settings, const char *value, char *reason, size_t size)
{
    return parse_size(value, &settings->size_limit, reason, size);
}

const struct option_row option_size_limit = {'\0', "size-limit", "SIZE",
                                             "most bytes that the wheel may unpack to (default 8G)",
                                             set_size_limit};

static bool set_runtime_file(struct settings *settings, const char *value, char *reason,
                             size_t size)
{
    settings->runtime_file = value;
    return not_empty(value, reason, size);
}

const struct option_row option_runtime_file = {
    '\0', "runtime-file", "FILE",
    "the runtime to put into the package (default: where the loader\n"
    "would find it, or where it stands beside this command)",
    set_runtime_file};

const struct option_row option_runtime_run = {
    '\0', "runtime-file", "FILE",
    "the runtime to use, with libgreen-audit.so in the same folder\n"
    "(default: where it stands beside this command)",
    set_runtime_file};

static bool set_library(struct settings *settings, const char *value, char *reason, size_t size)
{
    size_t count = settings->library_count;
    char **longer;

    if (!not_empty(value, reason, size))
        return false;
    if (strchr(value, ':') != NULL) {
        snprintf(reason, size, "'%s' contains a colon", value);
        return false;
    }
    longer = reallocarray(settings->libraries, count + 2, sizeof(*longer));
    if (longer == NULL) {
        snprintf(reason, size, "out of memory");
        return false;
    }
    longer[count] = (char *)(uintptr_t)value;
    longer[count + 1] = NULL;
    settings->libraries = longer;
    settings->library_count = count + 1;
    return true;
}

const struct option_row option_library = {
    '\0', "library", "NAME",
    "redirect this library, or the program itself, alone; may be given\n"
    "several times (default: all but what the runtime stands on)",
    set_library};

static bool set_original(struct settings *settings, const char *value, char *reason, size_t size)
{
    settings->original = value;
    return not_empty(value, reason, size);
}

const struct option_row option_original = {
    '\0', "original", "PATH",
    "compare with the original, or with the file of the same name in the\n"
    "folder PATH (default: what the undo record leads to)",
    set_original};

/* A switch: what it sets in `settings`, and its row. It takes no value and cannot fail. */
#define SWITCH(id, letter, name, assignment, help)                                                 \
    static bool set_##id(struct settings *settings, const char *value, char *reason, size_t size)  \
    {                                                                                              \
        (void)value, (void)reason, (void)size;                                                     \
        settings->assignment;                                                                      \
        return true;                                                                               \
    }                                                                                              \
    const struct option_row option_##id = {letter, name, NULL, help, set_##id}

SWITCH(allow_hard_links, '\0', "allow-hard-links", allow_hard_links = true,
       "rewrite a file that has other names; those keep the old content");
SWITCH(allow_overlay, '\0', "allow-overlay", allow_overlay = true,
       "accept bytes behind the last thing that the ELF headers describe");
SWITCH(allow_signed, '\0', "allow-signed", allow_signed = true,
       "change a library whose bytes are checked before it is used");
SWITCH(no_new_segment, '\0', "no-new-segment", no_new_segment = true,
       "refuse a file that needs a longer program header table, which strip\nwould destroy");
SWITCH(deps, '\0', "deps", deps = true,
       "also the libraries that they need, as the loader finds them");
SWITCH(revert, '\0', "revert", revert = true, "give the originals back");
SWITCH(strict, '\0', "strict", strict = true, "change nothing if one file is refused");
SWITCH(unsign, '\0', "drop-signatures", unsign = true,
       "leave out RECORD.jws and RECORD.p7s, which cannot hold any more");
SWITCH(dry_run, 'n', "dry-run", dry_run = true, "say what would be done, write nothing");
SWITCH(load, '\0', "load", load = true,
       "also load the file in a child process and see where each call would go");
SWITCH(hub, '\0', "hub", hub = true, "give the program's first thread a hub from the start");
SWITCH(no_children, '\0', "no-children", alone = true, "leave programs alone that COMMAND starts");
SWITCH(json, '\0', "json", json = true, "print one JSON object");
SWITCH(tap, '\0', "tap", tap = true, "print the results in the Test Anything Protocol");
SWITCH(quiet, 'q', "quiet", verbosity = -1, "print nothing but errors");
SWITCH(verbose, 'v', "verbose", verbosity = 1, "print more");
SWITCH(help, '\0', "help", help = true, "print this text");
SWITCH(version, '\0', "version", version = true, "print the version");
