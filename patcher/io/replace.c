/* SPDX-License-Identifier: MIT
 *
 * Files that are no libraries, written with the same care; and a look at what will be written.
 */
#include "error.h"
#include "io/change.h"
#include "io/recipe.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* `contents` as the new version of `input`, which must be open. */
static bool prepare(const struct file *input, const char *output, const struct reader *contents,
                    const struct patch_options *options, struct patch_change **change,
                    struct patch_error *error)
{
    struct recipe recipe = {.size = contents->size};
    char *path;

    recipe_add_range(&recipe, 0, 0, contents->size);
    if (!change_destination(input, output, options, &path, error) ||
        !change_create(input, path, change, error))
        return false;
    if (recipe_write(&recipe, contents, change_descriptor(*change), NULL, NULL, error) &&
        change_complete(*change, input, error))
        return true;
    patch_discard(*change);
    *change = NULL;
    return false;
}

bool patch_prepare_contents(const char *input, const char *output, const void *bytes, uint64_t size,
                            const struct patch_options *options, struct patch_change **change,
                            struct patch_error *error)
{
    struct reader contents = reader_of_memory(bytes, size);
    struct file file;
    bool done;

    if (!file_open(&file, input, error))
        return false;
    done = prepare(&file, output, &contents, options, change, error);
    file_finish(&file);
    return done;
}

bool patch_prepare_copy(const char *input, const char *output, const struct patch_options *options,
                        struct patch_change **change, struct patch_error *error)
{
    struct file file;
    bool done;

    if (!file_open(&file, input, error))
        return false;
    done = prepare(&file, output, &file.reader, options, change, error);
    file_finish(&file);
    return done;
}

bool patch_change_read(const struct patch_change *change, patch_bytes_sink *sink, void *context,
                       struct patch_error *error)
{
    enum { PART = 1 << 16 };
    uint8_t *part = malloc(PART);
    off_t at = 0;
    ssize_t n;

    if (part == NULL)
        return error_memory(error);
    while ((n = pread(change_descriptor(change), part, PART, at)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        sink(context, part, (size_t)n);
        at += n;
    }
    if (n < 0)
        error_system(error, "read");
    free(part);
    return n == 0;
}
