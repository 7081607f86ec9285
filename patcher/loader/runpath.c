/* SPDX-License-Identifier: MIT
 *
 * DT_RUNPATH and DT_RPATH: lists of folders, separated by colons.
 */
#include "loader/runpath.h"

#include "error.h"

#include <stdio.h>
#include <string.h>

const Elf64_Dyn *runpath_entry(const struct image *image)
{
    const Elf64_Dyn *entry = image_dynamic(image, DT_RUNPATH);

    return entry != NULL ? entry : image_dynamic(image, DT_RPATH);
}

static const char *old_value(const struct image *image)
{
    const Elf64_Dyn *entry = runpath_entry(image);
    const char *value = entry != NULL ? image_string(image, entry->d_un.d_val) : NULL;

    return value != NULL ? value : "";
}

bool runpath_wanted(const struct image *image, const struct patch_options *options)
{
    const char *value = old_value(image);
    size_t length;

    if (options->runpath == NULL)
        return false;
    length = strlen(options->runpath);
    return strncmp(value, options->runpath, length) != 0 ||
           (value[length] != '\0' && value[length] != ':');
}

char *runpath_value(const struct image *image, const struct patch_options *options)
{
    const char *value = old_value(image);
    char *text;

    if (asprintf(&text, "%s%s%s", options->runpath, value[0] != '\0' ? ":" : "", value) < 0)
        return NULL;
    return text;
}

bool runpath_added(const struct image *patched, const struct image *original, char **folder,
                   struct patch_error *error)
{
    const char *now = old_value(patched);
    const char *before = old_value(original);
    size_t tail = strlen(before) + (before[0] != '\0');
    size_t length = strlen(now);

    *folder = NULL;
    if (length <= tail || strcmp(now + length - strlen(before), before) != 0 ||
        (tail > 0 && now[length - tail] != ':'))
        return true;
    *folder = strndup(now, length - tail);
    return *folder != NULL || error_memory(error);
}
