/* SPDX-License-Identifier: MIT
 *
 * Opening an input file.
 */
#include "io/file.h"

#include "error.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STAT_BLOCK = 512 }; /* what st_blocks counts */

bool file_open(struct file *file, const char *path, struct patch_error *error)
{
    memset(file, 0, sizeof(*file));
    file->fd = -1;
    file->path = realpath(path, NULL);
    if (file->path == NULL)
        return error_system(error, "cannot open");
    file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file->fd < 0) {
        error_system(error, "cannot open");
        goto fail;
    }
    if (fstat(file->fd, &file->status) != 0) {
        error_system(error, "fstat");
        goto fail;
    }
    if (!S_ISREG(file->status.st_mode)) {
        error_set(error, PATCH_NOT_REGULAR, "%s",
                  S_ISDIR(file->status.st_mode) ? "is a directory" : "is not a regular file");
        goto fail;
    }
    file->size = (uint64_t)file->status.st_size;
    file->reader =
        reader_of_file(file->fd, file->size, (uint64_t)file->status.st_blocks * STAT_BLOCK);
    return true;
fail:
    file_finish(file);
    return false;
}

void file_finish(struct file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    memset(file, 0, sizeof(*file));
    file->fd = -1;
}

const char *file_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}
