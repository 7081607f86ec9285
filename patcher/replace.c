/* SPDX-License-Identifier: MIT
 *
 * Files that are no libraries, written with the same care; and a look at what will be written.
 */
#include "change.h"
#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static bool prepare(const struct file *input, const char *output, const void *bytes, uint64_t size,
                    const struct patch_options *options, struct patch_change **change,
                    struct patch_error *error)
{
    char *path;

    return change_destination(input, output, options, &path, error) &&
           change_create(input, path, bytes, size, change, error);
}

bool patch_prepare_contents(const char *input, const char *output, const void *bytes, uint64_t size,
                            const struct patch_options *options, struct patch_change **change,
                            struct patch_error *error)
{
    struct file file;
    bool done;

    if (!file_open(&file, input, error))
        return false;
    done = prepare(&file, output, bytes, size, options, change, error);
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
    done = source_load(file.source, 0, file.size, error) &&
           prepare(&file, output, source_bytes(file.source), file.size, options, change, error);
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
