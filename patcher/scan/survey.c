/* SPDX-License-Identifier: MIT
 *
 * All names of all lists are looked for at once.
 */
#include "scan/survey.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

static const struct watched rows[] = {
#define WATCHED(role, name, waits) {WATCHED_##role, #name, waits},
#include "scan/watched.def"
#undef WATCHED
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t count_names(const char *const *list)
{
    size_t count = 0;

    while (list != NULL && list[count] != NULL)
        count++;
    return count;
}

static bool collect_names(struct survey *survey, const struct patch_options *options,
                          struct patch_error *error)
{
    const char *const *lists[] = {options->functions, options->others};
    size_t kept = 0;

    survey->names =
        calloc(count_names(lists[0]) + count_names(lists[1]) + 1, sizeof(*survey->names));
    if (survey->names == NULL)
        return error_memory(error);
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < count_names(lists[k]); i++)
            survey->names[survey->name_count++] = lists[k][i];
    qsort(survey->names, survey->name_count, sizeof(*survey->names), compare_names);
    for (size_t i = 0; i < survey->name_count; i++)
        if (kept == 0 || strcmp(survey->names[kept - 1], survey->names[i]) != 0)
            survey->names[kept++] = survey->names[i];
    survey->name_count = kept;
    survey->names[kept] = NULL;
    return true;
}

/* With the watched functions; without them where those alone are used in a way that no redirection
 * could follow, which is nobody's concern. */
static bool collect_imports(const struct image *image, const struct patch_options *options,
                            struct survey *survey, struct patch_error *error)
{
    struct patch_options wider = *options;
    const char **names = calloc(survey->name_count + ROWS + 1, sizeof(*names));

    if (names == NULL)
        return error_memory(error);
    memcpy(names, survey->names, survey->name_count * sizeof(*names));
    for (size_t i = 0; i < ROWS; i++)
        names[survey->name_count + i] = rows[i].name;
    wider.functions = names;
    bool done = imports_collect(image, &wider, &survey->imports, error);
    if (!done && error->code == PATCH_UNSUPPORTED_RELOCATION)
        done = imports_collect(image, options, &survey->imports, error);
    free(names);
    return done;
}

static bool in_list(const char *const *list, const char *name)
{
    for (; list != NULL && *list != NULL; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static struct watched find_row(const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i];
    return (struct watched){WATCHED_NOTHING, name, NULL};
}

static bool classify(struct survey *survey, const struct patch_options *options,
                     struct patch_error *error)
{
    size_t count = survey->imports.count;
    struct watched *watched = calloc(count + 1, sizeof(*watched));

    survey->watched = watched;
    survey->parts = calloc(count + 1, sizeof(*survey->parts));
    if (watched == NULL || survey->parts == NULL)
        return error_memory(error);
    for (size_t i = 0; i < count; i++) {
        const struct import *import = &survey->imports.items[i];
        if (!import->wanted)
            continue;
        watched[i] = find_row(import->name);
        survey->parts[i] = in_list(options->functions, import->name) ? SURVEY_CHOSEN
                           : in_list(options->others, import->name)  ? SURVEY_OTHER
                                                                     : SURVEY_WATCHED;
    }
    return true;
}

static bool sites_wanted(const struct survey *survey, size_t import)
{
    enum watched_role role = survey->watched[import].role;

    return survey->parts[import] == SURVEY_CHOSEN || role == WATCHED_SYSCALL ||
           role == WATCHED_LOOKUP || role == WATCHED_OPENED || role == WATCHED_STREAM;
}

static bool find_sites(const struct image *image, struct survey *survey, struct patch_error *error)
{
    struct imports some = survey->imports;

    some.relocations = calloc(some.relocation_count + 1, sizeof(*some.relocations));
    if (some.relocations == NULL)
        return error_memory(error);
    some.relocation_count = 0;
    for (size_t i = 0; i < survey->imports.relocation_count; i++)
        if (sites_wanted(survey, survey->imports.relocations[i].import))
            some.relocations[some.relocation_count++] = survey->imports.relocations[i];
    bool done = callsites_find(image, &some, &survey->sites, error);
    free(some.relocations);
    return done;
}

bool survey_make(const struct image *image, const struct patch_options *options,
                 struct survey *survey, struct patch_error *error)
{
    memset(survey, 0, sizeof(*survey));
    bool done = collect_names(survey, options, error) &&
                collect_imports(image, options, survey, error) &&
                classify(survey, options, error) && find_sites(image, survey, error);
    if (!done)
        survey_finish(survey);
    return done;
}

void survey_finish(struct survey *survey)
{
    callsites_finish(&survey->sites);
    imports_finish(&survey->imports);
    free(survey->watched);
    free(survey->parts);
    free(survey->names);
    memset(survey, 0, sizeof(*survey));
}
