/* SPDX-License-Identifier: MIT
 *
 * The imports of one image that scan has something to say about, each with its part in that, and
 * where they are called from.
 */
#ifndef PATCHER_SURVEY_H
#define PATCHER_SURVEY_H

#include "imports.h"
#include "scan/callsites.h"

/* What an import that is not redirected tells of waiting (watched.def). */
enum watched_role {
    WATCHED_NOTHING,
    WATCHED_SYSCALL,
    WATCHED_LOOKUP,
    WATCHED_OPENED,
    WATCHED_STREAM,
    WATCHED_SOCKET,
    WATCHED_STDIO,
    WATCHED_WAITS,
};

struct watched {
    enum watched_role role;
    const char *name;
    const char *waits;
};

enum survey_part {
    SURVEY_NONE,    /* redirected, by a name that no list has */
    SURVEY_CHOSEN,  /* among options->functions */
    SURVEY_OTHER,   /* among options->others */
    SURVEY_WATCHED, /* in watched.def alone */
};

struct survey {
    struct imports imports;
    enum survey_part *parts; /* one an import */
    struct watched *watched; /* one an import: a row, or WATCHED_NOTHING */
    const char **names;      /* chosen and other ones, sorted by strcmp(), each once */
    size_t name_count;
    struct call_sites sites; /* of the chosen, and of those whose arguments tell something */
};

PATCH_MUST_CHECK bool survey_make(const struct image *image, const struct patch_options *options,
                                  struct survey *survey, struct patch_error *error);
void survey_finish(struct survey *survey);

#endif
